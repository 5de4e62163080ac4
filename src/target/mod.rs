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

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
    no_dev_null: AtomicBool,
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
        Self {
            channel,
            root,
            elevate: None,
            trips: counts(),
            sent: counts(),
            received: counts(),
            no_dev_null: AtomicBool::new(false),
        }
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
        let plain = script;
        let script = match &self.elevate {
            Some(b) => b.wrap(&nonce, &plain)?,
            None => plain.clone(),
        };
        self.no_dev_null.store(false, Ordering::Relaxed);
        let answered = self.send(&nonce, checks.len(), &script, longest + SLACK).await;
        // Nothing of the script ran: every redirection in it would have failed, or left a file there.
        let Err(Unanswered::Frame(frame::FrameError::NoRoom { reason }, _)) = &answered else {
            return answered.map_err(Unanswered::into_error);
        };
        if reason != NO_DEV_NULL || !self.root.is_empty() {
            return answered.map_err(Unanswered::into_error);
        }
        let substituted = substitute_dev_null(&plain).ok_or_else(|| ChannelError::internal("a script with a NUL"))?;
        let substituted = match &self.elevate {
            Some(b) => b.wrap(&nonce, &substituted)?,
            None => substituted,
        };
        self.no_dev_null.store(true, Ordering::Relaxed);
        self.send(&nonce, checks.len(), &substituted, longest + SLACK).await.map_err(|e| {
            let e = e.into_error();
            ChannelError { hint: Some("make it by hand: rm -f /dev/null; mknod -m 666 /dev/null c 1 3".into()), ..e }
        })
    }

    /// Whether the last script was sent to a host that has no `/dev/null`.
    #[must_use]
    pub fn lacks_dev_null(&self) -> bool {
        self.no_dev_null.load(Ordering::Relaxed)
    }

    /// One script there, its answers back.
    async fn send(
        &self,
        nonce: &str,
        checks: usize,
        script: &str,
        deadline: Duration,
    ) -> Result<Vec<Answer>, Unanswered> {
        tracing::debug!(bytes = script.len(), checks, "script sent");
        let out = self.channel.exec(script.as_bytes(), deadline).await?;
        self.trips.fetch_add(1, Ordering::Relaxed);
        self.sent.fetch_add(script.len() as u64, Ordering::Relaxed);
        self.received.fetch_add((out.stdout.len() + out.stderr.len()) as u64, Ordering::Relaxed);
        if let Some(refused) = self.elevate.as_ref().and_then(|b| b.refused(nonce, &out.stderr)) {
            return Err(refused.into());
        }
        let answers = frame::parse(nonce, checks, &out.stdout).map_err(|e| {
            let said = crate::plan::first_line(&out.stderr);
            let code = out.status.map_or_else(|| "a signal".to_owned(), |c| format!("status {c}"));
            Unanswered::Frame(e, if said.is_empty() { format!(" (it ended with {code})") } else { format!(": {said}") })
        })?;
        Ok(answers.into_iter().map(|a| without_path(a, nonce)).collect())
    }
}

/// Why no answers came.
enum Unanswered {
    Channel(ChannelError),
    /// With what the shell said of it.
    Frame(frame::FrameError, String),
}

impl From<ChannelError> for Unanswered {
    fn from(e: ChannelError) -> Self {
        Self::Channel(e)
    }
}

impl Unanswered {
    fn into_error(self) -> ChannelError {
        match self {
            Self::Channel(e) => e,
            Self::Frame(e, said) => ChannelError::new(format!("{e}{said}")),
        }
    }
}

/// What a probe script says where `/dev/null` is missing (probe_sh.rs).
const NO_DEV_NULL: &str = "no /dev/null";

/// The script in a mount namespace of its own that has a `/dev/null`; the rest of `/dev` is the host's, by links, and the
/// host's own `/dev` is at `$RB_DEV`. The host itself sees nothing of it. `None`: a text with a NUL.
fn substitute_dev_null(script: &str) -> Option<String> {
    let set_up = "K=/mnt; [ -d $K ] || K=/srv; mount -n --make-rprivate / && mount -n -t tmpfs -o mode=755 none $K && mkdir $K/dev && \
        mount -n --rbind /dev $K/dev && mount -n -t tmpfs -o mode=755 none /dev || exit 1; \
        for e in $K/dev/*; do [ ${e##*/} = null ] || ln -s $e /dev/; done; mknod -m 666 /dev/null c 1 3 || exit 1; \
        export RB_DEV=$K/dev; exec sh";
    let end = nonce();
    // A here-document needs no /dev/null, and its end is in no script.
    (!script.contains('\0')).then(|| format!("unshare -m sh -c '{set_up}' <<'{end}'\n{script}\n{end}\n"))
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
