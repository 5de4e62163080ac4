//! Channels: ways to a target. A channel moves one script there and its answer back; all else (quoting, files,
//! deadlines of checks, temporary directories) is written once above it, in [`crate::target`].

pub mod client;
pub mod console;
mod console_pty;
mod exec;
mod guest_agent;
mod local;
pub mod net;
mod presets;
mod process;
mod root;
mod serial;
mod ssh;
mod ssh_errors;
mod ssh_url;
mod ssm;
mod tcp;
mod unix;
mod url;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

pub use presets::{PRESETS, Preset};
pub use process::run_program;
pub use ssh::{ASKPASS, Lookup, askpass, lookup};
pub use ssh_url::KEYS as SSH_KEYS;

/// A password. It shows nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Who to be where a channel asks: at a console's login prompt, or for ssh.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// The user's name.
    pub user: Option<String>,
    /// For that user, or for a key.
    pub password: Option<Password>,
}

/// What a channel can do.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Caps {
    /// stderr comes back apart from stdout.
    pub separate_stderr: bool,
    /// Every byte comes back as it was.
    pub binary_safe: bool,
    /// It still works while sshd is down.
    pub survives_sshd_restart: bool,
    /// It still works while the target's network is cut.
    pub survives_network_cut: bool,
    /// Scripts can run side by side.
    pub concurrent: bool,
    /// Something runs behind it; false: a mounted disk.
    pub live: bool,
    /// The controller is the target.
    pub here: bool,
}

impl Caps {
    /// Pipes to a live machine that does not need its network or its sshd.
    pub const PIPES: Self = Self {
        separate_stderr: true,
        binary_safe: true,
        survives_sshd_restart: true,
        survives_network_cut: true,
        concurrent: true,
        live: true,
        here: false,
    };
}

/// What came back from a script.
#[derive(Debug)]
pub struct Output {
    /// The exit status; `None` if a signal ended it.
    pub status: Option<i32>,
    /// All of stdout.
    pub stdout: Vec<u8>,
    /// All of stderr (or empty, where it cannot be told apart).
    pub stderr: Vec<u8>,
}

/// Why a channel could not be used. Never an exit status of what ran there.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{why}")]
pub struct ChannelError {
    /// In a person's words.
    pub why: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// What it means for the other channels.
    pub kind: Kind,
}

/// What a failure means for the other channels of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// This one cannot be had, or was lost: another may do.
    Lost,
    /// This one works, and who we are there was refused: the same login would be refused again, and count twice towards a
    /// lockout.
    Refused,
    /// It is none of theirs, and the same over each.
    Internal,
}

impl ChannelError {
    /// Without a hint: a channel that cannot be had.
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), hint: None, kind: Kind::Lost }
    }
    /// No channel's fault.
    pub fn internal(why: impl Into<String>) -> Self {
        Self { kind: Kind::Internal, ..Self::new(why) }
    }
    /// Refused over a channel that works.
    pub fn refused(why: impl Into<String>) -> Self {
        Self { kind: Kind::Refused, ..Self::new(why) }
    }
    /// With a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A boxed future, so that `dyn Channel` works.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A way to a target.
pub trait Channel: Send + Sync {
    /// What it can do.
    fn caps(&self) -> Caps;
    /// The directory on the controller that stands for the target's `/`, for a mounted disk.
    fn root(&self) -> Option<&str> {
        None
    }
    /// Gives the script to an `sh` and brings back what it printed. A script is complete: it reads no stdin, for a
    /// channel's stdin is where the script itself comes from. The deadline is for the whole call.
    fn exec<'a>(&'a self, script: &'a [u8], deadline: Duration) -> Pending<'a, Result<Output, ChannelError>>;
    /// Leaves the way as it was found: a terminal's settings, a login of ours, a connection. Bounded in time by itself;
    /// a script that follows opens the way anew.
    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async {})
    }
    /// A second channel of the same kind to the same place, with connections of its own and nobody to ask; `None` where
    /// every script is a new connection anyway, or where there is but one line.
    fn anew(&self) -> Option<Box<dyn Channel>> {
        None
    }
    /// Bytes that went over the line so far, to the target and from it; `None`: not counted.
    fn wire(&self) -> Option<(u64, u64)> {
        None
    }
}

/// Makes a channel of what follows the scheme.
type Open = fn(&str, &Login) -> Result<Box<dyn Channel>, ChannelError>;

/// A channel that could not even be opened: it says so when it is tried.
pub struct Dead(pub ChannelError);

impl Channel for Dead {
    fn caps(&self) -> Caps {
        Caps::PIPES
    }
    fn exec<'a>(&'a self, _: &'a [u8], _: Duration) -> Pending<'a, Result<Output, ChannelError>> {
        Box::pin(async { Err(self.0.clone()) })
    }
}

/// A kind of channel: a scheme of `--via`.
pub struct Scheme {
    /// The word before the colon.
    pub name: &'static str,
    /// What follows the colon, for usage.
    pub rest: &'static str,
    /// One line for the docs.
    pub help: &'static str,
    /// It may ask for a user and a password at a prompt of its own: a terminal.
    asks: bool,
    open: Open,
}

/// Every kind of channel, in the order of the docs.
pub static SCHEMES: &[Scheme] = &[
    Scheme { name: "local", rest: "", help: "this machine", asks: false, open: |_, _| Ok(Box::new(local::Local)) },
    Scheme {
        name: "exec",
        rest: "COMMAND",
        help: "any command that gives an sh on its stdin",
        asks: false,
        open: |c, _| exec::Exec::open(c),
    },
    Scheme {
        name: "ssh",
        rest: "[//][USER@]HOST[:PORT]",
        help: "the system's ssh with its configuration, agents and jump hosts",
        asks: false,
        open: |d, l| ssh::Ssh::open(d, l),
    },
    Scheme {
        name: "guest-agent",
        rest: "DOMAIN[?connect=URI]",
        help: "the QEMU guest agent, through virsh",
        asks: false,
        open: |d, _| guest_agent::GuestAgent::open(d),
    },
    Scheme {
        name: "ssm",
        rest: "INSTANCE[?region=REGION&profile=PROFILE]",
        help: "AWS Systems Manager's run-command, through aws",
        asks: false,
        open: |i, _| ssm::Ssm::open(i),
    },
    Scheme {
        name: "console",
        rest: "COMMAND",
        help: "any command that gives a terminal",
        asks: true,
        open: console_pty::open,
    },
    Scheme { name: "unix", rest: "/PATH", help: "a console on a unix socket", asks: true, open: unix::open },
    Scheme {
        name: "tcp",
        rest: "HOST:PORT",
        help: "a console on a TCP port, with or without telnet",
        asks: true,
        open: tcp::open,
    },
    Scheme { name: "serial", rest: "/dev/TTY?baud=115200", help: "a serial line", asks: true, open: serial::open },
    Scheme {
        name: "root",
        rest: "/mnt",
        help: "a mounted disk, or a tree of files",
        asks: false,
        open: |p, _| root::Root::open(p),
    },
];

/// A channel as the user names it: `SCHEME:REST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    text: String,
    name: &'static str,
}

/// The words before the colon, schemes and presets, with what follows it.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> + Clone {
    SCHEMES.iter().map(|s| (s.name, s.rest)).chain(PRESETS.iter().map(|p| (p.name, p.rest)))
}

impl Url {
    /// Reads `SCHEME:REST`; the error lists what there is.
    pub fn parse(text: &str) -> Result<Self, ChannelError> {
        let (word, rest) = text.split_once(':').unwrap_or((text, ""));
        let Some((name, usage)) = names().find(|n| n.0 == word) else {
            let known: Vec<String> = names().map(|n| format!("{}:", n.0)).collect();
            return Err(
                ChannelError::new(format!("no channel \"{text}\"")).hint(format!("channels: {}", known.join(" ")))
            );
        };
        if usage.is_empty() != rest.trim().is_empty() {
            return Err(ChannelError::new(format!("\"{text}\" is not complete")).hint(format!("write {name}:{usage}")));
        }
        let url = Self { text: text.to_owned(), name };
        // What stands for a name is looked at once the name is known.
        if !text.contains("{target}") {
            url.preset()?;
        }
        Ok(url)
    }
    /// The text, as the user wrote it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
    /// The scheme's name.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        self.name
    }
    /// What follows the colon.
    #[must_use]
    pub fn rest(&self) -> &str {
        self.text.split_once(':').map_or("", |x| x.1)
    }
    /// Who to be there, where the URL itself says it.
    #[must_use]
    pub fn user(&self) -> Option<String> {
        if self.name == "ssh" { ssh_url::Destination::parse(self.rest()).ok()?.user } else { None }
    }
    /// Whether it may ask for a user and a password at a prompt of its own: a terminal.
    #[must_use]
    pub fn asks(&self) -> bool {
        let name = PRESETS.iter().find(|p| p.name == self.name).map_or(self.name, |p| p.url);
        SCHEMES.iter().any(|s| s.asks && Some(s.name) == name.split(':').next())
    }
    /// With `{target}` replaced by a name, which is one word there and no option.
    pub fn for_target(&self, target: &str) -> Result<Self, ChannelError> {
        if !self.text.contains("{target}") {
            return Ok(self.clone());
        }
        Self::parse(&self.text.replace("{target}", plain(target)?))
    }
    /// A channel with connections of its own. Nothing was sent yet: the first script tells whether it works.
    pub fn open(&self, login: &Login) -> Result<Box<dyn Channel>, ChannelError> {
        if let Some(s) = SCHEMES.iter().find(|s| s.name == self.name) {
            return (s.open)(self.rest(), login);
        }
        let url = self.preset()?.ok_or_else(|| ChannelError::new(format!("no channel \"{}\"", self.text)))?;
        Url::parse(&url)?.open(login)
    }
    /// Itself, if a channel can be made of it.
    pub fn checked(self) -> Result<Self, ChannelError> {
        self.open(&Login::default()).map(|_| self)
    }
    /// What a preset stands for; `None` for what is none.
    fn preset(&self) -> Result<Option<String>, ChannelError> {
        let Some(preset) = PRESETS.iter().find(|p| p.name == self.name) else { return Ok(None) };
        preset.fill(self.rest()).map(Some).ok_or_else(|| {
            ChannelError::new(format!("{}: cannot be given \"{}\"", self.name, self.rest().escape_debug()))
                .hint("letters, digits and ._/-+ there, or the whole command with console:, exec: or ssh:")
        })
    }
}

/// A host's name as it may stand in a URL or a command line that somebody else wrote: an inventory may come from anywhere.
/// The error says what is wrong with it.
pub fn plain(name: &str) -> Result<&str, ChannelError> {
    let odd = name.chars().find(|c| !(c.is_alphanumeric() || "._-:[]@%+".contains(*c)));
    let why = match odd {
        Some(c) => format!("has {c:?}, which means something to a shell or in a URL"),
        None if name.is_empty() => "is empty".to_owned(),
        None if name.starts_with('-') => "would be taken for an option".to_owned(),
        None => return Ok(name),
    };
    Err(ChannelError::new(format!("the name \"{}\" {why}", name.escape_debug()))
        .hint("give the host another name in the inventory; its channels or ansible_host say where it is"))
}

/// A new directory that only this user can enter, for sockets: in $XDG_RUNTIME_DIR, else in the directory for
/// temporary files. unix(7) allows a socket's path 107 bytes.
fn private_dir(what: &str) -> std::io::Result<PrivateDir> {
    use std::os::unix::fs::DirBuilderExt;
    let base = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|d| d.is_dir());
    let dir = base.unwrap_or_else(std::env::temp_dir).join(format!("runbook-{what}-{}", crate::payload::nonce()));
    std::fs::DirBuilder::new().mode(0o700).create(&dir)?;
    Ok(PrivateDir(dir))
}

/// A directory of the controller that goes with its owner.
struct PrivateDir(PathBuf);

impl Drop for PrivateDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A path of the controller as the user gave it, made absolute.
fn absolute(path: &str) -> std::io::Result<PathBuf> {
    std::path::absolute(path)
}
