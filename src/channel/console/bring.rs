//! From a shell's prompt to a receiver: its fragments, each acknowledged with its checksum; then its acquaintance.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::super::ChannelError;
use super::Pace;
use super::codec::Tools;
use super::receiver::{self, Marker};
use super::session::{Heard, Session};
use super::wire::Broken;

/// Brings the receiver over, fragment by fragment, and makes its acquaintance.
pub(super) async fn bring(s: &mut Session, marker: &Marker, pace: &Pace) -> Result<(), Broken> {
    let fragments = receiver::fragments(marker, pace.watch.as_secs());
    let (last, others) = fragments.split_last().ok_or(Broken::Lost)?;
    let mut open: HashMap<String, &String> = others.iter().map(|f| (s.sum.of(f.as_bytes()), f)).collect();
    let mut tries = 0;
    while !open.is_empty() {
        if tries > 0 {
            probe(s).await?;
        }
        // In the order given; all at once at first, then one by one.
        let wanted: Vec<&String> = others.iter().filter(|f| open.values().any(|o| o == f)).collect();
        let now = if tries == 0 { &wanted[..] } else { &wanted[..1] };
        let text: String = now.iter().map(|f| receiver::fragment_lines(f, s.sum)).collect();
        let asked = Instant::now();
        s.wire.send(text.as_bytes()).await?;
        let until = asked + s.wire.patience(text.len() + 20 * now.len()) * (1 << tries.min(3));
        let before = open.len();
        while open.len() + now.len() > before && Instant::now() < until {
            if !s.wire.fill(until).await? {
                break;
            }
            for (sum, _) in acknowledged(s).into_iter().filter(|(is, told)| is == told) {
                open.remove(&sum);
            }
        }
        if open.len() + now.len() == before && tries == 0 {
            s.wire.learn(text.len(), asked.elapsed());
        }
        tries = if open.len() < before { 1 } else { tries + 1 };
        if tries > 6 {
            return Err(Broken::Lost);
        }
    }
    introduce(s, last, pace).await
}

/// What the starter says: the checksum of what it collected, and the one that it was told. It evaluates if they are one.
fn acknowledged(s: &Session) -> Vec<(String, String)> {
    let heard = String::from_utf8_lossy(&s.wire.unread).into_owned();
    let lines = heard.split_inclusive('\n').filter(|l| l.ends_with('\n'));
    let told = lines.filter_map(|l| l.split_once(&s.marker)?.1.trim().split_once(" :"));
    told.map(|(x, l)| (x.to_owned(), l.to_owned())).collect()
}

/// Makes sure that the starter still is there before anything is sent to it, and that it holds no half of a fragment.
async fn probe(s: &mut Session) -> Result<(), Broken> {
    for tries in 0..5 {
        s.wire.unread.clear();
        s.wire.send(b"\x15#\n:0\n").await?;
        let until = Instant::now() + s.wire.patience(20) * (1 << tries.min(3));
        while s.wire.fill(until).await? {
            if acknowledged(s).iter().any(|(_, told)| told == "0") {
                let quiet = s.wire.round_trip;
                s.wire.settle(quiet, Instant::now() + quiet).await?;
                s.wire.unread.clear();
                return Ok(());
            }
        }
    }
    Err(Broken::Lost)
}

async fn introduce(s: &mut Session, last: &str, pace: &Pace) -> Result<(), Broken> {
    let hello = |heard: &Heard| match heard {
        Heard::Other(_, words) if words.len() == 4 && words[0] == "H" => Some(words.clone()),
        _ => None,
    };
    let text = receiver::fragment_lines(last, s.sum);
    let mut found = None;
    for tries in 0..8 {
        let mut bytes = Vec::new();
        if tries % 2 == 1 {
            // It may be at work, and only its first word was lost.
            bytes.push(0x15);
            bytes.extend(s.command("H"));
        } else {
            if tries > 0 {
                probe(s).await?;
            }
            bytes.extend_from_slice(text.as_bytes());
        }
        let until =
            Instant::now() + s.wire.patience(bytes.len() + 100) * (1 << tries.min(3)) + Duration::from_millis(100);
        s.wire.send(&bytes).await?;
        while found.is_none() && Instant::now() < until {
            found = s.hear(until).await?.iter().find_map(hello);
        }
        if found.is_some() {
            break;
        }
    }
    let words = found.ok_or(Broken::Lost)?;
    s.root = words[1] == "0";
    s.boot.clone_from(&words[2]);
    let mut tools = words[3].split(',').map(str::to_owned);
    if tools.next().as_deref() != Some("d") {
        return Err(
            ChannelError::new("the target has no room for a private directory in /dev/shm, /run, /tmp or /").into()
        );
    }
    s.tools = Tools(tools.collect());
    // A shell that we logged in to is not left open, should a passer-by, the watchdog or a hangup end the receiver.
    s.coding(if s.logged_in { ";P='kill -1 $PPID'" } else { "" }).await?;
    if s.root && pace.hush {
        hush(s).await?;
    }
    Ok(())
}

/// Fewer messages in between: the kernel's level and systemd's status lines, put back at the end.
async fn hush(s: &mut Session) -> Result<(), Broken> {
    s.state(
        "V z=/proc/sys/kernel/printk;[ -w $z ]&&read -r x y<$z&&[ $x -gt 1 ]&&echo 1 >$z&&read -r v y<$z&&\
         [ $v = 1 ]&&Q=\"$Q;echo $x >$z\"",
    )
    .await?;
    s.state(
        "V [ -d /run/systemd/system ]&&[ \"`systemctl show -p ShowStatus`\" = ShowStatus=yes ]&&\
         kill -55 1&&Q=\"$Q;kill -54 1\"",
    )
    .await
    .map(|_| ())
}
