//! What can be asked, and what came back: the boundary between pure decisions and the world.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::channel::client::{LoginAttempt, LoginResult};
use crate::channel::net::{Knock, Knocked};
use crate::target::files::FileState;
use crate::target::frame::Answer;
use crate::target::tree::Including;

/// Files as a plan would leave them, by real path; a check that runs "in" them sees them over the real ones.
pub type Candidates = BTreeMap<String, FileState>;

/// What a script asks about, where no host answers it but a fixture of `runbook test`: the text is another one in the next
/// release, and this is not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum About {
    /// A path: it runs in any tree of files, and answers `target::files::parse_look`.
    Look,
    /// A file and those that it includes, likewise: `target::tree::parse_tree`.
    Tree,
    /// Some of their lines, likewise: `target::tree::parse_lines`.
    Lines {
        /// The first of them.
        main: String,
        /// How it includes others.
        how: Including,
    },
    /// What has this name: `facts`, `units ssh.service`, `listening`, `$ uptime`.
    Named(String),
}

impl About {
    /// A command of a runbook.
    #[must_use]
    pub fn command(sh: &str) -> String {
        format!("$ {sh}")
    }
}

/// Something to ask.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Read {
    /// A fragment of sh. Equal fragments are asked once.
    Script {
        /// The text. Built-in fragments may use the functions of `target::functions`.
        sh: String,
        /// What it is about.
        about: About,
        /// It came from a runbook: it runs in a shell of its own.
        user: bool,
        /// It runs on the controller instead of the target.
        controller: bool,
        /// After which it is unknown.
        deadline: Duration,
        /// Laid over the real files.
        candidates: Option<Arc<Candidates>>,
    },
    /// A TCP connection from the controller.
    Knock(Knock),
    /// A login by the controller's ssh.
    Login(LoginAttempt),
    /// A name's addresses, as the controller resolves them.
    Resolve {
        /// The name.
        host: String,
    },
    /// A program on the controller: a custom module.
    Program {
        /// Its path.
        path: String,
        /// What it gets on stdin.
        stdin: String,
        /// After which it is unknown.
        deadline: Duration,
    },
}

/// What came back.
#[derive(Debug, Clone)]
pub enum Reading {
    /// A script's or program's answer.
    Output(Answer),
    /// How a connection went, per address.
    Knocks(Vec<Knocked>),
    /// How far a login went.
    Login(LoginResult),
    /// Addresses in the order that ssh would try them.
    Addresses(Vec<IpAddr>),
    /// It could not be asked; why.
    Failed(String),
}

/// What was read so far in this round.
pub type Cache = HashMap<Read, Reading>;

/// What a plan still has to know, each once, in the order in which it was asked for.
#[derive(Debug, Default)]
pub struct MissingReads {
    list: Vec<Read>,
    known: HashSet<Read>,
}

impl MissingReads {
    /// One more, unless it is in the list.
    pub fn add(&mut self, read: Read) {
        if self.known.insert(read.clone()) {
            self.list.push(read);
        }
    }
    /// All of them.
    #[must_use]
    pub fn into_list(self) -> Vec<Read> {
        self.list
    }
}
