//! A simulated line between the engine and a real shell on a real pty: seeded, slow, and as bad as wanted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use runbook::channel::console::{Console, Dial, Opened, Pace};
use runbook::channel::{ChannelError, Login};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;

/// xorshift64*: what a seed gives is the same for ever.
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        let mut d = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..4 {
            d.roll();
        }
        d
    }
    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
    pub fn below(&mut self, n: u64) -> u64 {
        (self.roll() >> 11) % n.max(1)
    }
    /// With that chance in a million.
    pub fn hits(&mut self, in_a_million: u64) -> bool {
        self.below(1_000_000) < in_a_million
    }
}

/// Chances in a million, for each byte.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    pub seed: u64,
    pub drop: u64,
    pub double: u64,
    pub corrupt: u64,
    /// A kernel message in the middle of what the host says.
    pub noise: u64,
    pub delay: u64,
    /// Bytes per second, 0: as fast as may be.
    pub speed: u64,
    /// The line itself echoes what is typed, and nobody can switch that off.
    pub echo: bool,
    /// What is typed beyond so many bytes of a line is lost; 0: nothing is.
    pub canonical: usize,
    /// Noise begins anew with the marker's first letters seen: in the middle of words with no vowels.
    pub in_markers: bool,
}

const MESSAGES: &[&str] = &[
    "[  123.456789] usb 1-1: new high-speed USB device number 4 using xhci_hcd\r\n",
    "[  201.000001] EXT4-fs (sda1): mounted filesystem with ordered data mode.\r\n",
    "[   OK   ] Started Session 4 of User root.\r\n",
    "\r\nBroadcast message from root@web: the system goes down\r\n",
    "[  300.1] ",
];

pub async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    f: Faults,
    from_host: bool,
    echo_to: Option<tokio::sync::mpsc::UnboundedSender<Vec<u8>>>,
    mut extra: Option<tokio::sync::mpsc::UnboundedReceiver<Vec<u8>>>,
) {
    let mut dice = Dice::new(f.seed * 2 + u64::from(from_host));
    let mut buffer = [0; 4096];
    let mut line = 0;
    let mut busy = Instant::now();
    let mut consonants = 0;
    loop {
        let came = match &mut extra {
            Some(extra) => tokio::select! {
                more = extra.recv() => match more { Some(m) => m, None => return },
                n = from.read(&mut buffer) => match n { Ok(n) if n > 0 => buffer[..n].to_vec(), _ => return },
            },
            None => match from.read(&mut buffer).await {
                Ok(n) if n > 0 => buffer[..n].to_vec(),
                _ => return,
            },
        };
        if let Some(echo) = &echo_to {
            let _ =
                echo.send(came.iter().flat_map(|b| if *b == b'\n' { vec![b'\r', b'\n'] } else { vec![*b] }).collect());
        }
        let mut out = Vec::with_capacity(came.len() + 8);
        for mut b in came {
            line = if b == b'\n' || b == b'\r' { 0 } else { line + 1 };
            if f.canonical > 0 && line >= f.canonical {
                continue;
            }
            if dice.hits(f.drop) {
                continue;
            }
            if dice.hits(f.corrupt) {
                b ^= 1 << dice.below(7);
            }
            out.push(b);
            if dice.hits(f.double) {
                out.push(b);
            }
            consonants = if b"bcdfghjkmnpqrstvwxz2".contains(&b) { consonants + 1 } else { 0 };
            let marker = f.in_markers && (3..6).contains(&consonants) && dice.hits(f.noise * 20);
            if from_host && (marker || dice.hits(f.noise)) {
                out.extend_from_slice(MESSAGES[dice.below(MESSAGES.len() as u64) as usize].as_bytes());
            }
            if dice.hits(f.delay) {
                if to.write_all(&out).await.is_err() {
                    return;
                }
                out.clear();
                tokio::time::sleep(Duration::from_millis(5 + dice.below(60))).await;
            }
        }
        if f.speed > 0 {
            // Bytes leave in small pieces, as from a UART; what a busy machine does too late is made up for.
            if busy.elapsed() > Duration::from_millis(30) {
                busy = Instant::now();
            }
            for piece in out.chunks((f.speed as usize / 200).max(1)) {
                busy += Duration::from_secs_f64(piece.len() as f64 / f.speed as f64);
                tokio::time::sleep_until(busy).await;
                if to.write_all(piece).await.is_err() {
                    return;
                }
            }
        } else if to.write_all(&out).await.is_err() {
            return;
        }
    }
}

/// `RUST_LOG=runbook=trace` shows every byte.
pub fn trace() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}

/// A shell on a pty, with the simulated line before it. The shell stays when the engine hangs up, as behind a UART; it ends
/// with this.
pub struct Host {
    pub child: tokio::process::Child,
    pub plug: Arc<tokio::sync::Mutex<Option<DuplexStream>>>,
    pub dials: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    /// Where the shell is: what a damaged line may do stays there.
    _home: tempfile::TempDir,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
        // Whatever ran there: it leads a session and a group of its own.
        if let Some(pid) = self.child.id() {
            let _ = std::process::Command::new("kill").args(["-KILL", "--", &format!("-{pid}")]).output();
        }
    }
}

pub const ONE_SHELL: &[&[&str]] =
    &[&["dash", "-i"], &["bash", "--norc", "-i"], &["busybox", "ash", "-i"], &["mksh", "-i"]];

pub fn start(argv: &[&str], f: &Faults) -> Host {
    trace();
    let home = tempfile::tempdir().unwrap();
    let (pty, pts) = pty_process::open().unwrap();
    pty.resize(pty_process::Size::new(24, 80)).unwrap();
    // A new shell follows one that ends, as with a getty.
    let child = pty_process::Command::new("sh")
        .args(["-c", "trap : INT; while :; do \"$@\"; done", "sh"])
        .args(argv)
        .current_dir(home.path())
        .env("HISTFILE", "/dev/null")
        .env("PS1", "box# ")
        .env_remove("ENV")
        .kill_on_drop(true)
        .spawn(pts)
        .unwrap();
    let (from_pty, to_pty) = pty.into_split();
    let (near, far) = tokio::io::duplex(1 << 16);
    let (from_far, to_far) = tokio::io::split(far);
    let (echo, echoed) = tokio::sync::mpsc::unbounded_channel();
    let echo = f.echo.then_some(echo);
    let extra = f.echo.then_some(echoed);
    let tasks = vec![
        tokio::spawn(pump(from_far, to_pty, f.clone(), false, echo, None)),
        tokio::spawn(pump(from_pty, to_far, Faults { canonical: 0, ..f.clone() }, true, None, extra)),
    ];
    let plug = Arc::new(tokio::sync::Mutex::new(Some(near)));
    Host { child, plug, dials: Arc::default(), tasks, _home: home }
}

impl Host {
    /// A way there that can be hung up and dialled again.
    pub fn dial(&self) -> Dial {
        let plug = Arc::clone(&self.plug);
        let dials = Arc::clone(&self.dials);
        Box::new(move || {
            let plug = Arc::clone(&plug);
            dials.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                let (mut mine, theirs) = tokio::io::duplex(1 << 16);
                tokio::spawn(async move {
                    // One at a time; who comes later waits until the one before hung up.
                    if let Some(line) = plug.lock().await.as_mut() {
                        let (mut to, mut fro) = ([0; 4096], [0; 4096]);
                        loop {
                            tokio::select! {
                                n = mine.read(&mut to) => match n {
                                    Ok(n) if n > 0 => { let _ = line.write_all(&to[..n]).await; }
                                    _ => return,
                                },
                                n = line.read(&mut fro) => match n {
                                    Ok(n) if n > 0 && mine.write_all(&fro[..n]).await.is_ok() => {}
                                    _ => return,
                                },
                            }
                        }
                    }
                });
                Ok::<_, ChannelError>(Opened::plain(theirs))
            })
        })
    }
    pub fn console(&self, login: &Login) -> Console {
        Console::with_pace(self.dial(), login, quick())
    }
}

/// Waiting times for a shell that is near.
pub fn quick() -> Pace {
    Pace {
        listen: Duration::from_millis(20),
        quiet: Duration::from_millis(60),
        answer: Duration::from_millis(500),
        // Its kernel is this machine's.
        hush: false,
        ..Pace::default()
    }
}
