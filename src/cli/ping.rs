//! `runbook ping`: every channel of a target (of many, a line for each), tried: does it work, as whom, how fast, what can it do, why not.

use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};

use super::access::{Access, AccessArgs};
use super::interrupt::on_interrupt;
use super::targets::{Chosen, TargetArgs};
use super::{Failure, Output, say, width};
use crate::apply::{Interrupt, exit};
use crate::channel::{Caps, ChannelError};
use crate::inventory::{Elevate, Way};
use crate::report::{printable, wrap};
use crate::target::Target;
use crate::target::frame::{Answer, Status};
use crate::target::probe::Check;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    access: AccessArgs,
    /// How to say it
    #[arg(short = 'o', long, value_enum, default_value = "human")]
    pub(super) output: Output,
}

/// What was seen of a channel that works.
struct Seen {
    user: String,
    login: Duration,
    latency: Duration,
    bytes_per_second: f64,
    caps: Caps,
}

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Targets that are tried at a time.
const AT_ONCE: usize = 20;
/// A measurement that took this long is long enough.
const LONG: Duration = Duration::from_millis(700);

pub(super) fn run(a: &Args) -> Result<u8, Failure> {
    let chosen = a.target.choose()?;
    let access = a.access.read()?;
    let runtime = super::runtime()?;
    let (all, stopped) = runtime.block_on(async {
        let stop = on_interrupt();
        let looks = chosen.into_iter().map(|c| target(c, &access, stop.clone()));
        (stream::iter(looks).buffered(AT_ONCE).collect::<Vec<_>>().await, *stop.borrow())
    });
    runtime.shutdown_timeout(Duration::from_millis(100));
    // Cleaned before it is wrapped too: a secret of two words would be on two lines.
    let safe = |text: &str| printable(&access.redactor.clean(text));
    let say = |text: &str| say(&access.redactor.clean(text));
    let exit = match stopped {
        true => exit::INTERRUPTED,
        false if all.iter().all(|(_, ways)| ways.iter().any(|w| w.1.is_ok())) => exit::OK,
        false => exit::NO_CHANNEL,
    };
    match (a.output, all.as_slice()) {
        (Output::Human, [(name, ways)]) => {
            say(&format!("{}\n", safe(name)));
            ways.iter().for_each(|(channel, seen)| say(&line(channel, seen, &safe)));
        }
        (Output::Human, many) => say(&table(many, &safe)),
        (Output::Json, [(name, ways)]) => {
            say(&format!("{:#}\n", json!({"schema": 1, "target": name, "channels": objects(ways)})));
        }
        (Output::Json, many) => {
            let one = |(name, ways): &Tried| json!({"target": name, "channels": objects(ways)});
            let targets: Vec<Value> = many.iter().map(one).collect();
            say(&format!("{:#}\n", json!({"schema": 1, "targets": targets, "exit": exit})));
        }
        (Output::Jsonl, all) => {
            for (name, ways) in all {
                for mut o in objects(ways) {
                    if all.len() > 1 {
                        o["target"] = name.as_str().into();
                    }
                    say(&format!("{o}\n"));
                }
            }
        }
    }
    Ok(exit)
}

/// A target by its name, and what became of each of its channels.
type Tried = (String, Vec<(String, Result<Seen, ChannelError>)>);

async fn target(mut chosen: Chosen, access: &Access, stop: Interrupt) -> Tried {
    // One that cannot even be tried is that target's result, and no other's.
    if let Some(why) = chosen.broken.take() {
        return (chosen.name, vec![("-".to_owned(), Err(why))]);
    }
    let elevate = chosen.elevate.as_ref();
    let looks = chosen.ways.into_iter().map(|(place, way)| {
        let stop = stop.clone();
        async move { (place.channel, look(access, &way, elevate, stop).await) }
    });
    (chosen.name, futures_util::future::join_all(looks).await)
}

/// A line for each target: the first channel that works, or why none does. What does not answer comes last: it is what is
/// still on the screen.
fn table(all: &[Tried], safe: &dyn Fn(&str) -> String) -> String {
    let wide = all.iter().map(|t| t.0.chars().count()).max().unwrap_or(0).min(24);
    let mut rows: Vec<(bool, String)> = Vec::new();
    for (name, ways) in all {
        let works = ways.iter().find_map(|(channel, seen)| Some((channel, seen.as_ref().ok()?)));
        let (word, text) = match works {
            Some((channel, s)) => ("works", format!("{channel} as {}, latency {} ms", s.user, s.latency.as_millis())),
            None => {
                let why = |(channel, seen): &(String, Result<Seen, ChannelError>)| {
                    let e = seen.as_ref().err()?;
                    Some(if channel == "-" { e.why.clone() } else { format!("{channel}: {}", e.why) })
                };
                ("no", ways.iter().filter_map(why).collect::<Vec<_>>().join("; "))
            }
        };
        let first = format!("  {:<wide$}  {word:<5}  ", safe(name));
        let pad = " ".repeat(first.chars().count());
        let lines = wrap(&safe(&text), width().saturating_sub(pad.len()).max(20));
        let line = |(n, l): (usize, &String)| format!("{}{l}\n", if n == 0 { &first } else { &pad });
        rows.push((works.is_none(), lines.iter().enumerate().map(line).collect()));
    }
    rows.sort_by_key(|r| r.0);
    let away = rows.iter().filter(|r| r.0).count();
    let last = match (all.len(), away) {
        (n, 0) => format!("All {n} hosts can be reached.\n"),
        (n, away) => format!("{away} of {n} hosts cannot be reached; runbook ping -t NAME says more of one.\n"),
    };
    rows.into_iter().map(|r| r.1).collect::<String>() + "\n" + &last
}

async fn look(
    access: &Access,
    way: &Way,
    elevate: Option<&Elevate>,
    mut stop: Interrupt,
) -> Result<Seen, ChannelError> {
    let target = access.open(way, elevate).await?;
    let seen = tokio::select! {
        seen = measure(&target) => seen,
        _ = stop.wait_for(|now| *now) => Err(ChannelError::new("interrupted")),
    };
    target.close().await;
    seen
}

async fn measure(target: &Target) -> Result<Seen, ChannelError> {
    let begun = Instant::now();
    let user = text(&ask(target, "id -un").await?);
    let login = begun.elapsed();
    let begun = Instant::now();
    ask(target, ":").await?;
    let latency = begun.elapsed();
    // Doubled until it takes long enough to tell; random, so that nothing on the way can make it small.
    let mut bytes = 2048;
    let bytes_per_second = loop {
        let begun = Instant::now();
        let answer = ask(target, &format!("head -c {bytes} /dev/urandom")).await?;
        let took = begun.elapsed();
        if took >= LONG || bytes >= 1 << 20 || answer.stdout.len() < bytes {
            #[allow(clippy::cast_precision_loss)] // A megabyte at most.
            break answer.stdout.len() as f64 / took.saturating_sub(latency).as_secs_f64().max(0.001);
        }
        bytes *= 4;
    };
    Ok(Seen { user, login, latency, bytes_per_second, caps: target.caps() })
}

async fn ask(target: &Target, sh: &str) -> Result<Answer, ChannelError> {
    let check = Check { script: sh.into(), isolate: false, deadline: PATIENCE, overlay: None, acts: false };
    let answer = target.run(&[check], &[]).await?.pop();
    match answer {
        Some(a) if a.status != Status::TimedOut => Ok(a),
        _ => Err(ChannelError::new(format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}

fn text(a: &Answer) -> String {
    String::from_utf8_lossy(&a.stdout).trim().to_owned()
}

fn objects(all: &[(String, Result<Seen, ChannelError>)]) -> Vec<Value> {
    let object = |(channel, seen): &(String, Result<Seen, ChannelError>)| match seen {
        Ok(s) => json!({
            "channel": channel, "works": true, "user": s.user, "login_seconds": s.login.as_secs_f64(),
            "latency_seconds": s.latency.as_secs_f64(), "bytes_per_second": s.bytes_per_second, "caps": s.caps,
        }),
        Err(e) => json!({"channel": channel, "works": false, "why": e.why, "hint": e.hint}),
    };
    all.iter().map(object).collect()
}

/// A channel in one line or two.
fn line(channel: &str, seen: &Result<Seen, ChannelError>, safe: &dyn Fn(&str) -> String) -> String {
    let (word, first, more) = match seen {
        Ok(s) => (
            "works",
            format!(
                "as {}, login {:.1} s, latency {} ms, {}",
                s.user,
                s.login.as_secs_f64(),
                s.latency.as_millis(),
                rate(s.bytes_per_second)
            ),
            caps(&s.caps),
        ),
        Err(e) => ("no", e.why.clone(), e.hint.as_ref().map(|h| format!("hint: {h}")).unwrap_or_default()),
    };
    let mut out = String::new();
    let room = width() - 20;
    let lines = wrap(&safe(&first), room).into_iter().chain(wrap(&safe(&more), room));
    for (n, l) in lines.filter(|l| !l.is_empty()).enumerate() {
        let (channel, word) = if n == 0 { (channel, word) } else { ("", "") };
        out.push_str(&format!("  {channel:<11} {word:<5} {l}\n"));
    }
    out
}

fn rate(bytes: f64) -> String {
    match bytes {
        b if b >= 1e6 => format!("{:.0} MB/s", b / 1e6),
        b if b >= 1e4 => format!("{:.0} kB/s", b / 1e3),
        b => format!("{:.1} kB/s", b / 1e3),
    }
}

fn caps(c: &Caps) -> String {
    if !c.live {
        return "a disk: nothing runs there".into();
    }
    match (c.survives_sshd_restart, c.survives_network_cut) {
        (true, true) => "stays when sshd or the network is down",
        (true, false) => "stays when sshd is restarted; lost with the network",
        _ => "lost with sshd",
    }
    .into()
}
