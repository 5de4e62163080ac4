//! What can be done to a target: the one vocabulary of plans, journals and undo.

use std::time::Duration;

use serde_json::{Value, json};

use crate::module::Halt;
use crate::plan::Resource;
use crate::plan::diff;
use crate::target::files::{Content, FileState, Kind, sha256};
use crate::target::units::Verb;

/// One change, small enough to be done and journalled by itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Change {
    /// What is at a path becomes something else.
    File(FileChange),
    /// Something is done to a unit.
    Unit(UnitChange),
    /// A command runs.
    Command(CommandChange),
}

/// A path's old and new state. Fields of `after` that are `None` stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileChange {
    /// The path as the runbook names it.
    pub path: String,
    /// The path with links followed: the one that is replaced.
    pub real: String,
    /// What was planned against; anything else there at the time of writing stops the change.
    pub before: FileState,
    /// What is to be there.
    pub after: FileState,
    /// The content is never shown and never leaves the target.
    pub sensitive: bool,
    /// Where the target has the bytes that are to be there, if they never left it.
    pub kept: Option<String>,
    /// Whether we may write there, as the look said.
    pub writable: bool,
    /// It is written over where it stands: it cannot be replaced, or its other names are to have the new content too.
    pub in_place: bool,
    /// It is immutable (chattr(1)): that is taken away, and put back.
    pub immutable: bool,
    /// Names that the old file has; the others keep the old content.
    pub links: u64,
    /// What the change means, a line each, for people.
    pub notes: Vec<String>,
}

/// A verb for a unit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnitChange {
    /// The full name: `ssh.service`; on another init than systemd `ssh`.
    pub unit: String,
    /// What is done.
    pub verb: Verb,
    /// The state it was in, for people and for undo.
    pub before: String,
    /// To take an earlier verb back: where the target keeps the links of units from before and after it (a path without
    /// `.before` and `.after`). They are put back in place of the verb, if that verb had changed any.
    pub links: Option<String>,
}

/// A command of the runbook.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CommandChange {
    /// What sh runs.
    pub sh: String,
    /// What has to hold right before, in sh, and is no part of it: if it does not, nothing was begun.
    pub still: Option<String>,
    /// What people read.
    pub shown: String,
    /// What takes it back, for sh.
    pub undo: Option<String>,
    /// What it touches; what it writes there is known when it has run.
    pub writes: Vec<Resource>,
    /// What is noted when it was done; by default that a command that can be taken back was not.
    pub flag: Option<Flag>,
    /// It takes root on a running system.
    pub root: bool,
    /// It runs on the controller, not on the target.
    pub controller: bool,
    /// After which it is ended.
    pub deadline: Duration,
    /// What it means, a line each, for people.
    pub notes: Vec<String>,
    /// What it changes, where that can be written down.
    pub listing: Option<Listing>,
}

/// Whether what a command did is taken back: a file `undone/OF` where runs are kept, on the machine where it runs. Two runs
/// that do the same have one: what one has done again is not taken back any more.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Flag {
    /// A digest of the command that was done first.
    pub of: String,
    /// This is what takes it back.
    pub undone: bool,
}

impl Flag {
    /// Of a command that does something.
    #[must_use]
    pub fn of(sh: &str) -> Self {
        Self { of: sha256(sh.as_bytes())[..24].to_owned(), undone: false }
    }
    /// As a record has it; without one, that of a command that does something.
    #[must_use]
    pub fn on_record(v: Option<&Value>, sh: &str) -> Self {
        let of = v.and_then(|v| v["of"].as_str()).filter(|o| o.chars().all(|c| c.is_ascii_hexdigit()));
        of.map_or_else(|| Self::of(sh), |of| Self { of: of.to_owned(), undone: v.is_some_and(|v| v["undone"] == true) })
    }
    /// Of what takes that back.
    #[must_use]
    pub fn turned(self) -> Self {
        Self { undone: !self.undone, ..self }
    }
    /// Its file, where runs are kept in that directory.
    #[must_use]
    pub fn path(&self, state: &str) -> String {
        format!("{state}/undone/{}", self.of)
    }
}

/// Something that is no file, as text: a rule set before and after.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Listing {
    /// What it is a listing of.
    pub name: String,
    /// As it was read.
    pub before: String,
    /// As it will be.
    pub after: String,
}

/// How long one change may take: an apt-get over a bad line, say.
pub const CHANGE_DEADLINE: Duration = Duration::from_secs(900);

impl CommandChange {
    /// A command that may touch anything.
    pub fn new(sh: impl Into<String>, shown: impl Into<String>) -> Self {
        Self {
            sh: sh.into(),
            still: None,
            shown: shown.into(),
            undo: None,
            writes: vec![Resource::All],
            flag: None,
            root: false,
            controller: false,
            deadline: CHANGE_DEADLINE,
            notes: Vec::new(),
            listing: None,
        }
    }
    /// That touches these alone; an empty list: nothing that anybody reads.
    #[must_use]
    pub fn writing(mut self, writes: Vec<Resource>) -> Self {
        self.writes = writes;
        self
    }
    /// What is noted when it was done; nothing of one that cannot be taken back.
    #[must_use]
    pub fn flagged(&self) -> Option<Flag> {
        self.flag.clone().or_else(|| self.undo.as_ref().map(|_| Flag::of(&self.sh)))
    }
    /// With what takes it back.
    #[must_use]
    pub fn undone_by(mut self, undo: Option<String>) -> Self {
        self.undo = undo;
        self
    }
    /// On the controller, if `yes`.
    #[must_use]
    pub fn on_controller(mut self, yes: bool) -> Self {
        self.controller = yes;
        self
    }
    /// Only while that holds.
    #[must_use]
    pub fn only_while(mut self, still: Option<String>) -> Self {
        self.still = still;
        self
    }
    /// What sh runs where nothing else looks first whether it still may: from a record.
    #[must_use]
    pub fn on_its_own(&self) -> String {
        self.still.as_ref().map(|s| format!("{s} || exit\n")).unwrap_or_default() + &self.sh
    }
    /// That takes root.
    #[must_use]
    pub fn by_root(mut self) -> Self {
        self.root = true;
        self
    }
}

impl Change {
    /// What later answers it makes out of date.
    #[must_use]
    pub fn writes(&self) -> Vec<Resource> {
        match self {
            Change::File(f) => vec![Resource::File(f.path.clone()), Resource::File(f.real.clone())],
            Change::Unit(u) => match u.verb {
                Verb::Start | Verb::Stop | Verb::Restart | Verb::Reload => {
                    vec![Resource::Unit(u.unit.clone()), Resource::Socket]
                }
                _ => vec![Resource::Unit(u.unit.clone())],
            },
            Change::Command(c) => c.writes.clone(),
        }
    }

    /// Whether it installs a package, and with it what only the package knows.
    #[must_use]
    pub fn installs(&self) -> bool {
        matches!(self, Change::Command(c) if c.writes.iter().any(|w| matches!(w, Resource::Package(_))))
    }

    /// Whether something is at a path after it where nothing was.
    #[must_use]
    pub fn creates(&self) -> bool {
        matches!(self, Change::File(f) if f.before.kind == Kind::Absent && f.after.kind != Kind::Absent)
    }

    /// Whether it takes root: a unit of a running system, a file that we may not write.
    #[must_use]
    pub fn needs_root(&self, live: bool) -> bool {
        match self {
            Change::File(f) => !f.writable,
            Change::Unit(_) => live,
            Change::Command(c) => c.root,
        }
    }

    /// One line for a person: what is done.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Change::File(f) => {
                let verb = match (&f.before.kind, &f.after.kind) {
                    (_, Kind::Absent) => "remove",
                    (Kind::Absent, _) => "create",
                    (a, b) if a == b => "set the mode or owner of",
                    _ => "edit",
                };
                let via = if f.path == f.real { String::new() } else { format!(" (that is {})", f.real) };
                let what = match &f.after.kind {
                    Kind::Directory => " directory",
                    Kind::Link(_) => " link",
                    _ => "",
                };
                format!("{verb}{what} {}{via}", f.path)
            }
            Change::Unit(u) => match u.verb {
                Verb::DaemonReload => "daemon-reload: systemd reads its unit files anew".into(),
                Verb::ResetFailed => format!("reset-failed {}: it may be tried again", u.unit),
                Verb::Unmask => format!("unmask {}: it may be started again", u.unit),
                verb => format!("{} {}", verb.word(), u.unit),
            },
            Change::Command(c) => {
                let undo = if c.undo.is_some() { "" } else { "   (cannot be undone)" };
                format!("run {}{undo}", c.shown)
            }
        }
    }

    /// The unified diff of a file change, or of a command's listing: bytes exactly as `diff -u` prints them; empty for all
    /// else.
    #[must_use]
    pub fn diff(&self) -> Vec<u8> {
        let f = match self {
            Change::File(f) => f,
            Change::Command(CommandChange { listing: Some(l), .. }) => {
                return diff::unified(l.before.as_bytes(), l.after.as_bytes(), &l.name, &l.name);
            }
            _ => return Vec::new(),
        };
        let mut out = Vec::new();
        if f.sensitive {
            return format!("{}: the content is not shown\n", f.path).into_bytes();
        }
        let text = |s: &FileState| match &s.kind {
            Kind::File(Content::Bytes(b)) => Some(b.clone()),
            Kind::Link(t) => Some(format!("-> {t}\n").into_bytes()),
            Kind::Absent => Some(Vec::new()),
            _ => None,
        };
        if let (Some(a), Some(b)) = (text(&f.before), text(&f.after)) {
            let old = if f.before.kind == Kind::Absent { "/dev/null" } else { &f.real };
            let new = if f.after.kind == Kind::Absent { "/dev/null" } else { &f.real };
            out = diff::unified(&a, &b, old, new);
        }
        out
    }

    /// What neither title nor diff says, a line each: changes of mode and owner, where a command runs, what it means.
    #[must_use]
    pub fn attributes(&self) -> Vec<String> {
        let f = match self {
            Change::File(f) => f,
            Change::Unit(_) => return Vec::new(),
            Change::Command(c) => {
                let here = c.controller.then(|| "on this machine, not on the target".to_owned());
                return here.into_iter().chain(c.notes.iter().cloned()).collect();
            }
        };
        let mut out = f.notes.clone();
        if f.after.kind == Kind::Absent {
            return out;
        }
        if f.immutable {
            out.push("it is immutable (chattr +i): that is taken away for the change, and put back".into());
        }
        if f.in_place {
            out.push("it is written over where it stands: it is not whole while it is written".into());
        } else if f.links > 1 && matches!(f.before.kind, Kind::File(_)) && f.before.kind != f.after.kind {
            out.push(format!("it has {} names (hard links): the others keep the old content", f.links));
        }
        if let Some(new) = f.after.mode.filter(|m| f.before.mode != Some(*m)) {
            out.push(match f.before.mode {
                Some(old) => format!("mode {old:04o} becomes {new:04o}"),
                None => format!("mode {new:04o}"),
            });
        }
        if let Some(new) = &f.after.owner {
            match &f.before.owner {
                Some(old) if (old.uid, old.gid) == (new.uid, new.gid) => {}
                Some(old) => out.push(format!("owner {}:{} becomes {}:{}", old.user, old.group, new.user, new.group)),
                None => out.push(format!("owner {}:{}", new.user, new.group)),
            }
        }
        out
    }

    /// The JSON of plans and journals; with a file's bytes as hashes only.
    #[must_use]
    pub fn json(&self) -> Value {
        match self {
            Change::File(f) => {
                let mut out = json!({
                    "kind": "file", "title": self.title(), "path": f.path, "real": f.real, "sensitive": f.sensitive,
                    "before": state_json(&f.before), "after": state_json(&f.after),
                    "diff": String::from_utf8_lossy(&self.diff()), "attributes": self.attributes(),
                });
                for (name, is) in [("in_place", f.in_place), ("immutable", f.immutable)] {
                    if is {
                        out[name] = true.into();
                    }
                }
                out
            }
            Change::Unit(u) => {
                json!({
                    "kind": "unit", "title": self.title(), "unit": u.unit, "verb": u.verb, "undo": u.verb.undo(),
                    "before": u.before,
                })
            }
            Change::Command(c) => json!({
                "kind": "command", "title": self.title(), "command": c.shown, "undo": c.undo,
                "where": if c.controller { "controller" } else { "target" },
                "diff": String::from_utf8_lossy(&self.diff()), "attributes": self.attributes(),
                "writes": c.writes.iter().map(Resource::to_string).collect::<Vec<_>>(),
            }),
        }
    }

    /// Two changes with the same digest are the same change.
    #[must_use]
    pub fn digest(&self) -> String {
        sha256(
            match self {
                // What people read of a command is its first line; what it finds there when it runs may differ.
                Change::Command(c) => format!("{}{}{:?}{}", self.title(), c.on_its_own(), c.undo, c.controller),
                _ => format!("{}{:?}", self.json(), self.diff()),
            }
            .as_bytes(),
        )
    }

    /// Reads one change of a custom module: `{file: {path, content?, mode?, state?}}`, `{unit: {name, verb}}` or
    /// `{command: {sh, undo?, writes?}}`. A file's state before is the view's business.
    pub fn from_custom(
        v: &Value,
        file: impl FnOnce(&serde_json::Map<String, Value>) -> Result<Option<FileChange>, Halt>,
    ) -> Result<Option<Change>, Halt> {
        let bad = |why: &str| Halt::Error { param: None, why: format!("the module's change {v} {why}"), hint: None };
        let (kind, body) = v
            .as_object()
            .filter(|m| m.len() == 1)
            .and_then(|m| m.iter().next())
            .ok_or_else(|| bad("is not a map of one kind"))?;
        let body = body.as_object().ok_or_else(|| bad("is not a map"))?;
        let text = |k: &str| body.get(k).and_then(Value::as_str).map(str::to_owned);
        match kind.as_str() {
            "file" => Ok(file(body)?.map(Change::File)),
            "unit" => {
                let unit = text("name").ok_or_else(|| bad("has no name"))?;
                let verb = text("verb")
                    .and_then(|w| Verb::parse(&w))
                    .ok_or_else(|| bad("has no verb that a service takes"))?;
                Ok(Some(Change::Unit(UnitChange { unit, verb, before: String::new(), links: None })))
            }
            "command" => {
                let sh = text("sh").ok_or_else(|| bad("has no sh"))?;
                let list = body.get("writes").and_then(Value::as_array);
                let text_of = |w: &Value| Resource::parse(w.as_str().unwrap_or_default());
                let writes: Result<Vec<_>, String> = list.into_iter().flatten().map(text_of).collect();
                let writes = writes.map_err(|e| bad(&format!("writes what is no resource: {e}")))?;
                let change = CommandChange::new(sh.clone(), sh).undone_by(text("undo"));
                let change = if list.is_some() { change.writing(writes) } else { change };
                Ok(Some(Change::Command(change)))
            }
            _ => Err(bad("is of no known kind: file, unit, command")),
        }
    }
}

fn state_json(s: &FileState) -> Value {
    let (kind, hash) = match &s.kind {
        Kind::Absent => ("absent", None),
        Kind::File(Content::Bytes(b)) => ("file", Some(sha256(b))),
        Kind::File(Content::Digest(d)) => ("file", Some(d.clone())),
        Kind::Directory => ("directory", None),
        Kind::Link(t) => ("link", Some(t.clone())),
        Kind::Other(_) => ("other", None),
    };
    json!({
        "kind": kind, "sha256": hash, "mode": s.mode.map(|m| format!("{m:04o}")),
        "owner": s.owner.as_ref().map(|o| format!("{}:{}", o.uid, o.gid)),
    })
}
