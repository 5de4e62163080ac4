//! What is said to a receiver: numbered commands with checksums, each repeated until its effect is known.
//!
//! ```text
//! #:SUM N VERB …       a command: SUM is of all that follows it; N counts the commands; to a shell it is a comment
//! <line>               data, kept until a B takes it
//! KSUM N I B J D       how things stand after command N: upload I has B bytes, job J ended as D ("-": did not yet)
//! KNUMBER:TEXT         a line of the answer
//! ```
//!
//! `B I AT SUM LENGTH`: the data since the last B is LENGTH bytes at AT of upload I. `R I SUM`: run upload I, once, if it is
//! that text. `G EXPR`: lines of the answer, by a sed expression. `C EXPR`: their checksum. `W`: encode the answer again.
//! `V TEXT`: evaluate. `S`: say how things stand. `H`: say what you are. `X`: end the job. `Q`: put all back and quit.

use std::time::Duration;

use tokio::time::Instant;

use super::Pace;
use super::codec::Tools;
use super::prompt::{self, Shown};
use super::receiver::{Marker, Said, Sum, said};
use super::wire::{Broken, Wire};

/// How things stand on the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    /// The last command that it saw.
    pub after: u64,
    pub upload: u64,
    pub bytes: usize,
    pub job: u64,
    pub done: Done,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Done {
    NotYet,
    /// The script could not be decoded there.
    Undecoded,
    Ended(Ended),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub status: i32,
    pub stdout: usize,
    pub stderr: usize,
    /// Of the encoded answer.
    pub lines: usize,
    pub sum: String,
    pub width: usize,
}

impl State {
    fn read(words: &[String]) -> Option<Self> {
        let number = |i: usize| words.get(i).and_then(|w| w.parse::<u64>().ok());
        let size = |i: usize| words.get(i).and_then(|w| w.parse::<usize>().ok());
        let done = match words.get(4)?.as_str() {
            "-" => Done::NotYet,
            "X" => Done::Undecoded,
            status => Done::Ended(Ended {
                status: status.parse().ok()?,
                stdout: size(5)?,
                stderr: size(6)?,
                lines: size(7)?,
                sum: words.get(8)?.clone(),
                width: size(9)?,
            }),
        };
        Some(Self { after: number(0)?, upload: number(1)?, bytes: size(2)?, job: number(3)?, done })
    }
}

/// What came, understood.
#[derive(Debug)]
pub(super) enum Heard {
    State(State),
    /// Another message: the number of the command that it answers, and its words.
    Other(u64, Vec<String>),
    Line(usize, String),
}

/// A receiver that answers.
pub(super) struct Session {
    pub wire: Wire,
    pub marker: String,
    pub sum: Sum,
    pub tools: Tools,
    pub boot: String,
    pub root: bool,
    /// We gave a name or a password: to be logged out again.
    pub logged_in: bool,
    /// A call was given up in the middle.
    pub dirty: bool,
    pub seq: u64,
    pub id: u64,
    pub width: usize,
    pub block: usize,
}

/// How often a question is repeated before its silence means something, and for how long at least.
const TRIES: u32 = 6;
const SILENCE: Duration = Duration::from_secs(4);

impl Session {
    pub fn new(wire: Wire, marker: &Marker, sum: Sum) -> Self {
        Self {
            wire,
            marker: marker.whole(),
            sum,
            tools: Tools::default(),
            boot: String::new(),
            root: false,
            logged_in: false,
            dirty: false,
            seq: 0,
            id: 0,
            width: 240,
            block: 4096,
        }
    }

    /// A command as it is sent.
    pub fn command(&mut self, text: &str) -> Vec<u8> {
        self.seq += 1;
        let text = format!("{} {text}", self.seq);
        format!("#:{} {text}\n", self.sum.of(text.as_bytes())).into_bytes()
    }

    /// The next thing that was said, if any came until then.
    pub async fn hear(&mut self, until: Instant) -> Result<Vec<Heard>, Broken> {
        loop {
            if let Some(end) = self.wire.unread.iter().rposition(|b| *b == b'\n') {
                let rest = self.wire.unread.split_off(end + 1);
                let whole = std::mem::replace(&mut self.wire.unread, rest);
                let text = String::from_utf8_lossy(&whole);
                let heard: Vec<Heard> = text.lines().flat_map(|l| self.understand(l)).collect();
                if !heard.is_empty() {
                    return Ok(heard);
                }
            }
            // Noise without an end of line.
            if self.wire.unread.len() > 1 << 16 {
                self.wire.unread.clear();
            }
            if !self.wire.fill(until).await? {
                return Ok(Vec::new());
            }
        }
    }

    fn understand(&self, line: &str) -> Vec<Heard> {
        let one = |s: Said| match s {
            Said::Line(n, text) => Some(Heard::Line(n, text)),
            Said::Message(words) => {
                if let Some(state) = State::read(&words) {
                    return Some(Heard::State(state));
                }
                let (number, words) = words.split_first()?;
                Some(Heard::Other(number.parse().ok()?, words.to_vec()))
            }
        };
        said(line, &self.marker, self.sum).into_iter().filter_map(one).collect()
    }

    /// Sends a command (after `data`) until something that is heard is an answer to `take`, which gets the command's
    /// number. `expect`: about how many bytes the answer has. Every other time without the data: they may all be there, and
    /// only be slow, or the answer was lost.
    pub async fn ask<T>(
        &mut self,
        data: &[u8],
        text: &str,
        expect: usize,
        mut take: impl FnMut(&Heard, u64) -> Option<T>,
    ) -> Result<T, Broken> {
        let started = Instant::now();
        let (mut tries, mut sent) = (0, 0);
        let mut answered = started;
        loop {
            let mut bytes = if tries % 2 == 0 { data.to_vec() } else { Vec::new() };
            bytes.extend(self.command(text));
            sent += bytes.len();
            if tries > 0 {
                // ^U takes away what is left of a line that lost its end.
                bytes.insert(0, 0x15);
            }
            let asked = Instant::now();
            if data.is_empty() {
                self.wire.send(&bytes).await?;
            } else {
                // A script may hold secrets.
                tracing::trace!(bytes = bytes.len(), text, "sent");
                self.wire.send_secret(&bytes).await?;
            }
            let patience = self.wire.patience(bytes.len() + expect) * (1 << tries.min(4));
            let mut until = asked + patience;
            while Instant::now() < until {
                for heard in self.hear(until).await? {
                    answered = Instant::now();
                    // An answer on its way is worth waiting for.
                    if matches!(heard, Heard::Line(..)) {
                        until = until.max(answered + patience);
                    }
                    if let Some(answer) = take(&heard, self.seq) {
                        if tries == 0 && expect < 4096 || tries == 1 && !data.is_empty() {
                            self.wire.learn(sent + expect, started.elapsed());
                        }
                        return Ok(answer);
                    }
                }
            }
            tries += 1;
            tracing::trace!(tries, text, "no answer");
            let silent = answered.elapsed();
            if tries >= 2 && silent > SILENCE / 4 && matches!(self.shown(), Shown::Login | Shown::Boot(_)) {
                return Err(Broken::Lost);
            }
            if tries >= TRIES && silent > SILENCE.max(self.wire.round_trip * 12) {
                return Err(Broken::Lost);
            }
        }
    }

    /// Sends a command until how things stand after it is known.
    pub async fn state(&mut self, text: &str) -> Result<State, Broken> {
        self.ask(b"", text, 50, |heard, seq| match heard {
            Heard::State(s) if s.after >= seq => Some(s.clone()),
            _ => None,
        })
        .await
    }

    fn shown(&self) -> Shown {
        prompt::shown(&self.wire.recent())
    }

    /// Ends a job that a call left behind.
    pub async fn end_job(&mut self) -> Result<(), Broken> {
        loop {
            let state = self.state("X").await?;
            if state.job == 0 || state.done != Done::NotYet {
                self.dirty = false;
                return Ok(());
            }
            self.wire.settle(Duration::from_millis(50), Instant::now() + Duration::from_millis(50)).await?;
        }
    }

    /// Puts all back and ends the receiver; the terminal is as it was found, but for a login.
    pub async fn quit(&mut self) -> Result<(), Broken> {
        self.ask(b"", "Q", 30, |heard, _| matches!(heard, Heard::Other(_, w) if w[..] == ["Q"]).then_some(())).await
    }

    /// Leaves the shell that we logged in to, which now shows its prompt.
    pub async fn log_out(&mut self, pace: &Pace) {
        let settle = Instant::now() + pace.answer;
        let _ = self.wire.settle(pace.quiet, settle).await;
        self.wire.forget();
        if self.wire.send(b"\x15 exit\r").await.is_ok() {
            let until = Instant::now() + pace.answer * 3;
            while self.shown() != Shown::Login && matches!(self.wire.fill(until).await, Ok(true)) {}
        }
    }
}
