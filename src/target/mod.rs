//! What every channel shares: quoting, the probe script and its framing, files, units. Scripts go out, typed
//! answers come back; round trips and bytes are counted.

mod ask;
pub mod connectivity;
mod elevate;
pub mod existence;
pub mod files;
pub mod frame;
pub mod inits;
pub mod probe;
mod probe_sh;
mod read;
pub mod tree;
pub mod units;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use ask::{ask, parent};
pub use elevate::{Become, Method};
pub use probe_sh::squeeze;
pub use read::{About, Cache, Candidates, MissingReads, Read, Reading};

use crate::channel::{Channel, ChannelError};
use crate::payload::{nonce, sh_quote};
use frame::Answer;
use probe::{Check, OverlaySpec, Probe};

/// A target over the channel in use.
pub struct Target {
    channel: Box<dyn Channel>,
    root: String,
    elevate: Option<Become>,
    trips: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

/// What went over the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Wire {
    /// Scripts sent and answered.
    pub round_trips: u64,
    /// Bytes to the target.
    pub bytes_sent: u64,
    /// Bytes from the target.
    pub bytes_received: u64,
}

impl std::iter::Sum for Wire {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |a, b| Self {
            round_trips: a.round_trips + b.round_trips,
            bytes_sent: a.bytes_sent + b.bytes_sent,
            bytes_received: a.bytes_received + b.bytes_received,
        })
    }
}

/// Room for the script itself and for a slow line, beyond the longest check.
const SLACK: Duration = Duration::from_secs(30);

impl Target {
    /// Over that channel.
    #[must_use]
    pub fn new(channel: Box<dyn Channel>) -> Self {
        let root = channel.root().map(str::to_owned).unwrap_or_default();
        let counts = || AtomicU64::new(0);
        Self { channel, root, elevate: None, trips: counts(), sent: counts(), received: counts() }
    }
    /// As root, where the login is not.
    #[must_use]
    pub fn elevated(self, elevate: Option<Become>) -> Self {
        Self { elevate, ..self }
    }
    /// What the channel can do.
    #[must_use]
    pub fn caps(&self) -> crate::channel::Caps {
        self.channel.caps()
    }
    /// The tree that stands for `/`, empty where it is `/` itself.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }
    /// Whether the way opens once more, beside the one that is in use; `None` where that says nothing.
    pub async fn anew(&self) -> Option<Result<(), ChannelError>> {
        let channel = self.channel.anew()?;
        let nonce = nonce();
        let script = match self.elevate.as_ref().map(|b| b.wrap(&nonce, "exit 0\n")).transpose() {
            Ok(wrapped) => wrapped.unwrap_or_else(|| "exit 0\n".to_owned()),
            Err(e) => return Some(Err(e)),
        };
        let out = channel.exec(script.as_bytes(), SLACK).await;
        channel.close().await;
        Some(out.and_then(|o| match o.status {
            Some(0) => Ok(()),
            _ => {
                let refused = self.elevate.as_ref().and_then(|b| b.refused(&nonce, &o.stderr));
                Err(refused.unwrap_or_else(|| ChannelError::new(crate::plan::first_line(&o.stderr))))
            }
        }))
    }
    /// Leaves the way as it was found.
    pub async fn close(&self) {
        self.channel.close().await;
    }
    /// What went over the wire so far.
    pub fn wire(&self) -> Wire {
        let ours = (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed));
        // A console counts what was on the line itself: compressed, framed, and its own talk.
        let (bytes_sent, bytes_received) = self.channel.wire().unwrap_or(ours);
        Wire { round_trips: self.trips.load(Ordering::Relaxed), bytes_sent, bytes_received }
    }

    /// Runs all checks in one script and one round trip; the answers are in the checks' order.
    pub async fn run(&self, checks: &[Check], overlays: &[OverlaySpec]) -> Result<Vec<Answer>, ChannelError> {
        let nonce = nonce();
        let texts = checks.iter().map(|c| c.script.as_str()).chain(overlays.iter().map(|o| o.writes.as_str()));
        let mut prelude =
            format!("R={}\n", sh_quote(&self.root).ok_or_else(|| ChannelError::internal("a root with a NUL"))?);
        prelude.push_str(&functions(texts, !self.root.is_empty()));
        let script = probe::compile(&Probe { nonce: &nonce, checks, overlays, prelude: &prelude })
            .map_err(|e| ChannelError::internal(e.to_string()))?;
        let longest = checks.iter().map(|c| c.deadline).max().unwrap_or_default();
        tracing::trace!(%script);
        let script = match &self.elevate {
            Some(b) => b.wrap(&nonce, &script)?,
            None => script,
        };
        tracing::debug!(bytes = script.len(), checks = checks.len(), "script sent");
        let out = self.channel.exec(script.as_bytes(), longest + SLACK).await?;
        self.trips.fetch_add(1, Ordering::Relaxed);
        self.sent.fetch_add(script.len() as u64, Ordering::Relaxed);
        self.received.fetch_add((out.stdout.len() + out.stderr.len()) as u64, Ordering::Relaxed);
        if let Some(refused) = self.elevate.as_ref().and_then(|b| b.refused(&nonce, &out.stderr)) {
            return Err(refused);
        }
        let answers = frame::parse(&nonce, checks.len(), &out.stdout).map_err(|e| {
            let said = crate::plan::first_line(&out.stderr);
            let code = out.status.map_or_else(|| "a signal".to_owned(), |c| format!("status {c}"));
            let why = if said.is_empty() { format!("{e} (it ended with {code})") } else { format!("{e}: {said}") };
            ChannelError::new(why)
        })?;
        Ok(answers.into_iter().map(|a| without_path(a, &nonce)).collect())
    }
}

/// What a shell says of a script it says of the file that the probe put it into: another one each time, and of no interest.
fn without_path(mut a: Answer, nonce: &str) -> Answer {
    let ours = format!("/.rb{nonce}");
    for said in [&mut a.stdout, &mut a.stderr] {
        let text = String::from_utf8_lossy(said);
        if !text.contains(&ours) {
            continue;
        }
        let mut out = String::new();
        let mut rest = text.as_ref();
        while let Some((before, after)) = rest.split_once(&ours) {
            let word = before.rfind(|c: char| c.is_whitespace() || "'\":".contains(c)).map_or(0, |at| at + 1);
            out += &before[..word];
            out += "sh";
            rest = &after[after.find(|c: char| c.is_whitespace() || "'\":".contains(c)).unwrap_or(after.len())..];
        }
        out += rest;
        *said = out.into_bytes();
    }
    a
}

/// The functions that the texts use, and those that these use, each once; as they are for a disk, or for what runs.
#[must_use]
pub fn functions<'a>(texts: impl Iterator<Item = &'a str>, disk: bool) -> String {
    let all = || {
        let fixed = files::FUNCTIONS
            .iter()
            .chain(tree::FUNCTIONS)
            .chain(existence::FUNCTIONS)
            .chain(crate::apply::FUNCTIONS)
            .copied();
        fixed.chain(inits::functions(disk).iter().map(|(name, body)| (*name, body.as_str())))
    };
    let mut needed: Vec<&str> = Vec::new();
    let mut queue: Vec<&str> = texts.collect();
    while let Some(text) = queue.pop() {
        for (name, body) in all() {
            if text.contains(name) && !needed.contains(&name) {
                needed.push(name);
                queue.push(body);
            }
        }
    }
    all().filter(|(n, _)| needed.contains(n)).map(|(_, body)| body).collect()
}
