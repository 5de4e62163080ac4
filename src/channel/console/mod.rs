//! A shell over any stream of bytes that is a terminal at the other end: a serial line, a hypervisor's console, a terminal
//! server. Byte-exact both ways with noise in between; the terminal is left as it was found. `docs/design/console.md` has
//! the protocol and its reasons.

mod bring;
mod codec;
mod open;
mod prompt;
mod receiver;
mod run;
mod session;
mod wire;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::{Caps, Channel, ChannelError, Login, Output, Pending};
use session::Session;
use wire::{Broken, Traffic, Wire};

pub use wire::{Io, Opened};

/// Opens the stream, each time that it is needed anew.
pub type Dial = Box<dyn Fn() -> Pending<'static, Result<Opened, ChannelError>> + Send + Sync>;

/// How long to wait where nothing tells.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Before anything is sent: does somebody talk?
    pub listen: Duration,
    /// Silence after which a line is taken to be finished.
    pub quiet: Duration,
    /// For the first sign of an answer.
    pub answer: Duration,
    /// The receiver looks five times in this distance whether anybody still is there.
    pub watch: Duration,
    /// Lower the kernel's and systemd's messages meanwhile, if root.
    pub hush: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            listen: Duration::from_millis(150),
            quiet: Duration::from_millis(250),
            answer: Duration::from_millis(1200),
            watch: Duration::from_secs(60),
            hush: true,
        }
    }
}

/// A console.
pub struct Console {
    line: Arc<Line>,
    state: Mutex<State>,
}

/// What it takes to open one.
struct Line {
    dial: Dial,
    login: Login,
    pace: Pace,
    traffic: Arc<Traffic>,
}

/// Where a console is. A call that is dropped in its middle leaves what it had: whoever closes the console then ends the
/// script, puts all back and logs out.
enum State {
    Closed,
    /// On its way, in a task of its own.
    Opening(JoinHandle<Result<Session, Broken>>),
    Open(Box<Session>),
}

/// What may take longer than a call's deadline, so that the target is left in order.
const GRACE: Duration = Duration::from_secs(2);
/// For one that was being opened when nobody wanted it any more: it may already have logged in.
const OPENING: Duration = Duration::from_secs(8);
/// For opening again, only to say what happened.
const WHY: Duration = Duration::from_secs(30);

impl Console {
    /// A console over what `dial` opens. Nothing is sent yet.
    #[must_use]
    pub fn new(dial: Dial, login: &Login) -> Self {
        Self::with_pace(dial, login, Pace::default())
    }
    /// With waiting times of its own.
    #[must_use]
    pub fn with_pace(dial: Dial, login: &Login, pace: Pace) -> Self {
        let line = Line { dial, login: login.clone(), pace, traffic: Arc::default() };
        Self { line: Arc::new(line), state: Mutex::new(State::Closed) }
    }

    async fn opened(&self, state: &mut State, end: Instant, deadline: Duration) -> Result<(), ChannelError> {
        if let State::Open(_) = state {
            return Ok(());
        }
        if let State::Closed = state {
            *state = State::Opening(tokio::spawn(Arc::clone(&self.line).open(end)));
        }
        let late = || {
            let s = deadline.as_secs();
            ChannelError::new(format!("no shell was reached over the console within {s} s"))
                .hint("does the host still boot, or does a program run on the console?")
        };
        let State::Opening(task) = state else { return Err(late()) };
        // Its own errors say more than that the time is over; they come at `end` at the latest.
        let opened = timeout_at(end + GRACE, &mut *task).await;
        if opened.is_err() {
            task.abort();
        }
        *state = State::Closed;
        let session = opened.map_err(|_| late())?.map_err(|e| ChannelError::new(e.to_string()))?;
        let session = session.map_err(|broken| match broken {
            Broken::Lost => ChannelError::new("the console's shell does not take our commands")
                .hint("is the line very noisy, or is somebody else using it?"),
            Broken::Closed { why, said } => {
                let said = if said.is_empty() { said } else { format!("; before that it said: {said}") };
                ChannelError::new(why + &said).hint("does it give a terminal when you do the same by hand?")
            }
            Broken::Other(e) => e,
        })?;
        *state = State::Open(Box::new(session));
        Ok(())
    }

    async fn call(&self, script: &[u8], deadline: Duration) -> Result<Output, ChannelError> {
        let end = Instant::now() + deadline;
        let mut state = timeout_at(end, self.state.lock())
            .await
            .map_err(|_| ChannelError::new("another script still runs over this console"))?;
        self.opened(&mut state, end, deadline).await?;
        let State::Open(session) = &mut *state else { return Err(ChannelError::new("the console is closed")) };
        let lost = match timeout_at(end, session.run(script)).await {
            Ok(Ok(output)) => return Ok(output),
            Ok(Err(Broken::Other(e))) => {
                session.dirty = true;
                return Err(e);
            }
            Err(_) => {
                let ended = tokio::time::timeout(GRACE, session.end_job()).await;
                if !matches!(ended, Ok(Ok(()))) {
                    *state = State::Closed;
                }
                let why = format!("the console's shell did not answer within {} s", deadline.as_secs());
                return Err(ChannelError::new(why));
            }
            Ok(Err(Broken::Closed { why, .. })) => format!("{why} while the script ran"),
            Ok(Err(Broken::Lost)) => "the console stopped to answer while the script ran".to_owned(),
        };
        let State::Open(session) = std::mem::replace(&mut *state, State::Closed) else {
            return Err(ChannelError::new(lost));
        };
        let (error, new) = self.why(*session, end, &lost).await;
        if let Some(new) = new {
            *state = State::Open(Box::new(new));
        }
        Err(error)
    }

    /// The shell is gone in mid-command: a new one tells by the boot id whether the host is still the same.
    async fn why(&self, session: Session, end: Instant, otherwise: &str) -> (ChannelError, Option<Session>) {
        let before = session.boot.clone();
        session.wire.close().await;
        let end = end.min(Instant::now() + WHY);
        match timeout_at(end, Arc::clone(&self.line).open(end)).await {
            Ok(Ok(new)) => {
                let why = if new.boot == before {
                    "the console's shell ended while the script ran; whether the script came to its end is not known"
                } else {
                    "the host was rebooted while the script ran"
                };
                (ChannelError::new(why), Some(new))
            }
            other => {
                let mut error = ChannelError::new(otherwise);
                if let Ok(Err(Broken::Other(e))) = other {
                    error = error.hint(e.why);
                }
                (error, None)
            }
        }
    }

    async fn leave(&self) {
        let mut session = match std::mem::replace(&mut *self.state.lock().await, State::Closed) {
            State::Closed => return,
            State::Open(session) => *session,
            State::Opening(mut task) => match tokio::time::timeout(OPENING, &mut task).await {
                Ok(Ok(Ok(session))) => session,
                Ok(_) => return,
                Err(_) => return task.abort(),
            },
        };
        let leave = async {
            if session.dirty {
                let _ = session.end_job().await;
            }
            let _ = tokio::time::timeout(GRACE, session.quit()).await;
            if session.logged_in {
                session.log_out(&self.line.pace).await;
            }
        };
        let _ = tokio::time::timeout(GRACE * 2, leave).await;
        let _ = tokio::time::timeout(GRACE, session.wire.close()).await;
    }
}

impl Line {
    async fn open(self: Arc<Self>, end: Instant) -> Result<Session, Broken> {
        let opened = timeout_at(end, (self.dial)())
            .await
            .map_err(|_| ChannelError::new("the connection to the console did not come about in time"))??;
        let wire = Wire::new(opened, Arc::clone(&self.traffic));
        open::open(wire, &self.login, &self.pace, end).await
    }
}

impl Channel for Console {
    fn caps(&self) -> Caps {
        Caps { concurrent: false, ..Caps::PIPES }
    }
    fn exec<'a>(&'a self, script: &'a [u8], deadline: Duration) -> Pending<'a, Result<Output, ChannelError>> {
        Box::pin(self.call(script, deadline))
    }
    fn close(&self) -> Pending<'_, ()> {
        Box::pin(self.leave())
    }
    fn wire(&self) -> Option<(u64, u64)> {
        let t = &self.line.traffic;
        Some((t.sent.load(Ordering::Relaxed), t.received.load(Ordering::Relaxed)))
    }
}
