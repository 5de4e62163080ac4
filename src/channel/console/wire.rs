//! The bytes of a console: bounded reads, writes that never block the reading, counters, and what was learnt of the
//! line's speed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::{Instant, timeout_at};

use super::super::Pending;

/// Both ways of a byte stream.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A byte stream that was just opened.
pub struct Opened {
    /// The bytes.
    pub io: Box<dyn Io>,
    /// What is left to do once the stream is closed: a process to end.
    pub end: Option<Box<dyn FnOnce() -> Pending<'static, ()> + Send>>,
}

impl Opened {
    /// A stream whose end is all there is to its end.
    pub fn plain(io: impl Io + 'static) -> Self {
        Self { io: Box::new(io), end: None }
    }
}

/// Why a console does not go on.
#[derive(Debug)]
pub(super) enum Broken {
    /// The stream ended: how, and the last line that came before.
    Closed { why: String, said: String },
    /// The receiver does not answer: its shell ended, the host was rebooted, or the line is dead.
    Lost,
    /// Anything else, in a person's words.
    Other(super::ChannelError),
}

impl From<super::ChannelError> for Broken {
    fn from(e: super::ChannelError) -> Self {
        Self::Other(e)
    }
}

/// Bytes in both directions since the channel was made.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub sent: AtomicU64,
    pub received: AtomicU64,
}

/// How much of what came last is kept to be looked at for prompts.
const RECENT: usize = 2048;

/// An open stream.
pub(super) struct Wire {
    from: ReadHalf<Box<dyn Io>>,
    to: WriteHalf<Box<dyn Io>>,
    end: Option<Box<dyn FnOnce() -> Pending<'static, ()> + Send>>,
    traffic: Arc<Traffic>,
    /// What came and was not taken yet.
    pub unread: Vec<u8>,
    /// The last bytes that came, taken or not.
    recent: VecDeque<u8>,
    /// Since when nothing came.
    pub heard: Instant,
    /// Smoothed time of a short question and its answer.
    pub round_trip: Duration,
    /// The shortest of them: what no transfer can do without.
    nearest: Duration,
    /// Bytes per second, as last seen; rather too few than too many, or what still is on its way is sent twice.
    pub rate: f64,
    measured: bool,
}

impl Wire {
    pub fn new(opened: Opened, traffic: Arc<Traffic>) -> Self {
        let (from, to) = tokio::io::split(opened.io);
        Self {
            from,
            to,
            end: opened.end,
            traffic,
            unread: Vec::new(),
            recent: VecDeque::new(),
            heard: Instant::now(),
            // Before anything is known: a slow line, far away.
            round_trip: Duration::from_millis(400),
            nearest: Duration::ZERO,
            rate: 960.0,
            measured: false,
        }
    }

    fn took(&mut self, bytes: &[u8]) {
        tracing::trace!(received = ?String::from_utf8_lossy(bytes));
        self.traffic.received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.unread.extend_from_slice(bytes);
        self.recent.extend(bytes);
        let extra = self.recent.len().saturating_sub(RECENT);
        self.recent.drain(..extra);
        self.heard = Instant::now();
    }

    /// Writes all of it; what comes meanwhile is kept.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        tracing::trace!(sent = ?String::from_utf8_lossy(bytes));
        self.send_secret(bytes).await
    }

    /// The same, and no log tells what was sent.
    pub async fn send_secret(&mut self, mut bytes: &[u8]) -> Result<(), Broken> {
        let mut chunk = [0; 4096];
        while !bytes.is_empty() {
            tokio::select! {
                biased;
                read = self.from.read(&mut chunk) => match read {
                    Ok(n) if n > 0 => self.took(&chunk[..n]),
                    other => return Err(self.closed(other.err())),
                },
                wrote = self.to.write(bytes) => {
                    let n = wrote.map_err(|e| self.closed(Some(e)))?;
                    self.traffic.sent.fetch_add(n as u64, Ordering::Relaxed);
                    bytes = bytes.get(n..).unwrap_or_default();
                }
            }
        }
        let flushed = self.to.flush().await;
        flushed.map_err(|e| self.closed(Some(e)))
    }

    /// Reads what comes until then; false: nothing came.
    pub async fn fill(&mut self, until: Instant) -> Result<bool, Broken> {
        let mut chunk = [0; 16384];
        match timeout_at(until, self.from.read(&mut chunk)).await {
            Err(_) => Ok(false),
            Ok(Ok(n)) if n > 0 => {
                self.took(&chunk[..n]);
                Ok(true)
            }
            Ok(other) => Err(self.closed(other.err())),
        }
    }

    /// Reads until nothing came for `quiet`, at most until `until`.
    pub async fn settle(&mut self, quiet: Duration, until: Instant) -> Result<(), Broken> {
        while self.fill(until.min(Instant::now() + quiet)).await? {}
        Ok(())
    }

    /// The last bytes that came, as text.
    pub fn recent(&self) -> String {
        let bytes: Vec<u8> = self.recent.iter().copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn closed(&self, error: Option<std::io::Error>) -> Broken {
        let why = match error {
            // A pty whose other side is gone says EIO.
            Some(e) if e.raw_os_error() != Some(5) => format!("the connection to the console broke: {e}"),
            _ => "the connection to the console was closed".to_owned(),
        };
        let recent = self.recent();
        let said = recent.lines().map(str::trim).rfind(|l| !l.is_empty()).unwrap_or_default().to_owned();
        Broken::Closed { why, said }
    }

    /// Forgets what came so far.
    pub fn forget(&mut self) {
        self.unread.clear();
        self.recent.clear();
    }

    /// So many bytes went over the line, one after the other, in that time.
    pub fn learn(&mut self, bytes: usize, took: Duration) {
        let took = took.max(Duration::from_micros(200));
        if bytes < 300 {
            self.round_trip = if self.measured { (self.round_trip * 3 + took) / 4 } else { took };
            self.nearest = if self.measured { self.nearest.min(took) } else { took };
            self.measured = true;
        } else {
            let wire = took.saturating_sub(self.nearest).max(took / 4).as_secs_f64();
            #[allow(clippy::cast_precision_loss)]
            let seen = (bytes as f64 / wire).min(4e6);
            self.rate = (self.rate + 2.0 * seen) / 3.0;
        }
    }

    /// How long to wait for the answer to a question, both of so many bytes together.
    pub fn patience(&self, bytes: usize) -> Duration {
        #[allow(clippy::cast_precision_loss)]
        let line = Duration::from_secs_f64((bytes as f64 * 1.5 / self.rate).clamp(0.0, 600.0));
        self.round_trip * 3 + line + Duration::from_millis(40)
    }

    /// Closes the stream and ends what is behind it.
    pub async fn close(mut self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.to.shutdown()).await;
        let end = self.end.take();
        drop(self);
        if let Some(end) = end {
            end().await;
        }
    }
}
