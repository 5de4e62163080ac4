//! The target as a module sees it: what was read, with what earlier steps would change laid over it.

mod long;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::book::Retries;
use crate::channel::client::{LoginAttempt, LoginResult};
use crate::channel::net::{Knock, Knocked, Proxy};
use crate::edit::references::NamedKind;
use crate::facts::Facts;
use crate::module::Halt;
use crate::plan::{Change, FileChange, Overlay, Resource};
use crate::target::existence::{Existences, existence_script, parse_existence};
use crate::target::files::{self, FileReading, FileState, Kind, Look};
use crate::target::frame::{Answer, Status};
use crate::target::inits;
use crate::target::tree::{self, Including};
use crate::target::units::{self, UnitState, Verb};
use crate::target::{About, Cache, MissingReads, Read, Reading};

const TOO_LONG: &str = "the answer is too long to be read whole";

/// How a file is to be changed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Writing {
    /// The content is never shown and never brought back.
    pub sensitive: bool,
    /// It is written over where it stands.
    pub in_place: bool,
    /// Where it is immutable (chattr(1)), that is taken away for the change, and put back.
    pub lift: bool,
}

/// What the plan knows of the target itself.
#[derive(Debug, Clone)]
pub struct Place {
    /// The name that the user gave.
    pub name: String,
    /// The address to probe from outside, if one is known.
    pub address: Option<String>,
    /// The port that the user's ssh or inventory says, if any.
    pub port: Option<u16>,
    /// Something runs there; false for a mounted disk.
    pub live: bool,
    /// The controller is the target.
    pub here: bool,
    /// The kind of the channel in use.
    pub channel: String,
    /// The whole of it, as it was given.
    pub via: String,
    /// Who we are there, where that is said.
    pub login: Option<String>,
    /// What clients come through, as ssh's own configuration has it.
    pub proxy: Option<Proxy>,
}

impl Place {
    /// Whether we would be somebody else there, as far as can be told: where nobody says who, over another channel.
    #[must_use]
    pub fn is_another_login(&self, other: &Self) -> bool {
        self.login != other.login || self.login.is_none() && self.via != other.via
    }
}

/// A view for one step.
pub struct View<'a> {
    cache: &'a Cache,
    overlay: &'a Overlay,
    place: &'a Place,
    facts: Option<&'a Facts>,
    wanted: &'a RefCell<MissingReads>,
    controller: bool,
    /// What the step says of it.
    deadline: Option<Duration>,
    /// What the step says that its checks read (`reads:`).
    declared: Option<Vec<Resource>>,
    /// Files are the only thing that this look depends on (a handler's validation).
    files_only: bool,
    /// The look is for a remediation: a command is a change, not a check.
    changes: bool,
    /// The step may turn out not to apply: nothing of the runbook's own may run for it.
    ahead: bool,
    /// A step that it needs is not judged yet: its commands have to wait.
    before_needs: bool,
    /// After everything else of the round: what a command may have touched is taken as it was read.
    at_the_end: bool,
    /// What is there now is what is asked, whatever earlier steps would change.
    as_is: bool,
    retries: Option<Retries>,
    salt: u64,
}

/// How long a check may take where its step does not say.
pub const CHECK_DEADLINE: Duration = Duration::from_secs(30);

/// The evidence of a look that only a running host could answer.
const OFFLINE: &str = "not checked: this is an offline disk";

impl<'a> View<'a> {
    /// A view of what was read; what is missing is put on the list.
    #[must_use]
    pub fn new(
        cache: &'a Cache,
        overlay: &'a Overlay,
        place: &'a Place,
        facts: Option<&'a Facts>,
        wanted: &'a RefCell<MissingReads>,
    ) -> Self {
        View {
            cache,
            overlay,
            place,
            facts,
            wanted,
            controller: false,
            deadline: None,
            declared: None,
            files_only: false,
            changes: false,
            ahead: false,
            before_needs: false,
            at_the_end: false,
            as_is: false,
            retries: None,
            salt: 0,
        }
    }
    /// From the controller's side.
    #[must_use]
    pub fn from_controller(mut self, yes: bool) -> Self {
        self.controller = yes;
        self
    }
    /// With a deadline of its own.
    #[must_use]
    pub fn within(mut self, deadline: Option<Duration>) -> Self {
        self.deadline = deadline.or(self.deadline);
        self
    }
    /// With what the step declares to read.
    #[must_use]
    pub fn reading(mut self, declared: Option<Vec<Resource>>) -> Self {
        self.declared = declared;
        self
    }
    /// For a validation: candidates are judged as files, whatever else the round changes.
    #[must_use]
    pub fn of_files_only(mut self) -> Self {
        self.files_only = true;
        self
    }
    /// For a remediation.
    #[must_use]
    pub fn for_changes(mut self) -> Self {
        self.changes = true;
        self
    }
    /// Whether what is asked for is a change, not a check.
    #[must_use]
    pub fn wants_changes(&self) -> bool {
        self.changes
    }
    /// Ahead of a `when` that is not known yet.
    #[must_use]
    pub fn ahead(mut self) -> Self {
        self.ahead = true;
        self
    }
    /// Before a step that it needs is judged: nothing of the runbook's own runs.
    #[must_use]
    pub fn before_needs(mut self) -> Self {
        self.before_needs = true;
        self
    }
    /// What only a host in trouble is asked: nothing of it before its `when` is known to be true.
    ///
    /// # Errors
    /// It is not known yet.
    pub fn not_ahead(&self) -> Result<(), Halt> {
        if self.ahead { Err(Halt::Pending) } else { Ok(()) }
    }
    /// For a symptom: what a client sees now.
    #[must_use]
    pub fn as_is(mut self, yes: bool) -> Self {
        self.as_is = yes;
        self
    }
    /// For a handler.
    #[must_use]
    pub fn at_the_end(mut self) -> Self {
        self.at_the_end = true;
        self
    }
    /// With tries.
    #[must_use]
    pub fn retrying(mut self, retries: Option<Retries>) -> Self {
        self.retries = retries;
        self
    }
    /// Tells one proof from another, so that none is answered from an older one.
    #[must_use]
    pub fn salt(&self) -> u64 {
        self.salt
    }
    /// For a proof.
    #[must_use]
    pub fn salted(mut self, salt: u64) -> Self {
        self.salt = salt;
        self
    }
    /// Whether the look is from the controller's side.
    #[must_use]
    pub fn is_controller(&self) -> bool {
        self.controller
    }
    /// The target.
    #[must_use]
    pub fn place(&self) -> &Place {
        self.place
    }
    /// What only root can tell, with the way to become it.
    #[must_use]
    pub fn takes_root(&self, why: impl Into<String>) -> Halt {
        let hint = if self.place.here { "run it as root" } else { "add --become, or come as root" };
        Halt::Unknown { why: why.into(), hint: Some(hint.into()) }
    }
    /// The facts.
    pub fn facts(&self) -> Result<&'a Facts, Halt> {
        self.facts.ok_or(Halt::Pending)
    }

    fn get(&self, read: Read) -> Result<&'a Reading, Halt> {
        match self.cache.get(&read) {
            Some(Reading::Failed(why)) => Err(Halt::unknown(why.clone())),
            Some(r) => Ok(r),
            None => {
                self.wanted.borrow_mut().add(read);
                Err(Halt::Pending)
            }
        }
    }

    fn deadline(&self) -> Duration {
        self.deadline.unwrap_or(CHECK_DEADLINE)
    }

    fn output(&self, read: Read) -> Result<&'a Answer, Halt> {
        let a = self.output_cut(read)?;
        if a.truncated && matches!(a.status, Status::Exit(_)) { Err(Halt::unknown(TOO_LONG)) } else { Ok(a) }
    }

    /// The same, of which the end may be missing.
    fn output_cut(&self, read: Read) -> Result<&'a Answer, Halt> {
        let deadline = match &read {
            Read::Script { deadline, .. } | Read::Program { deadline, .. } => *deadline,
            _ => self.deadline(),
        };
        let Reading::Output(a) = self.get(read)? else { return Err(Halt::unknown("an answer of another kind")) };
        match &a.status {
            Status::TimedOut => Err(Halt::unknown(format!("no answer within {} s", deadline.as_secs_f32()))),
            Status::NoOverlay(why) => Err(Halt::unknown(format!("cannot be tried on the candidates: {why}"))),
            Status::NoRoom => {
                Err(Halt::unknown("the target has no room for the answer: /dev/shm, /run and /tmp are full"))
            }
            _ => Ok(a),
        }
    }

    /// A built-in fragment, not affected by any overlay.
    fn fragment(&self, about: About, sh: Option<String>) -> Result<&'a Answer, Halt> {
        self.output(self.built_in(about, sh)?)
    }

    fn built_in(&self, about: About, sh: Option<String>) -> Result<Read, Halt> {
        let sh = sh.ok_or_else(|| Halt::unknown("a name with a NUL or a newline"))?;
        let (user, controller, deadline) = (false, self.controller, self.deadline());
        Ok(Read::Script { sh, about, user, controller, deadline, candidates: None })
    }

    /// What is at a path, with earlier steps' changes.
    pub fn file(&self, path: &str, look: Look) -> Result<FileReading, Halt> {
        let look = if look == Look::Follow && files::always_sensitive(path) { Look::Digest } else { look };
        let a = self.output_cut(self.built_in(About::Look, files::look_script(path, look))?)?;
        let whole: Vec<u8>;
        let out = match a.truncated {
            true if look == Look::Follow => {
                whole = self.long_file(path, a)?;
                &whole
            }
            true => return Err(Halt::unknown(TOO_LONG)),
            false => &a.stdout,
        };
        if a.status != Status::Exit(0) && !a.truncated {
            return Err(Halt::unknown(format!("{path}: {}", first_line(&a.stderr))));
        }
        let mut r = files::parse_look(out).map_err(Halt::unknown)?;
        self.overlay.lay_over(&mut r);
        let names = [Resource::File(path.to_owned()), Resource::File(r.real.clone())];
        match self.overlay.everything().or(self.overlay.by_command(&names)).filter(|_| !self.at_the_end) {
            Some(step) => Err(Halt::Waits(step)),
            None => Ok(r),
        }
    }

    /// A main file and all that its include lines reach, by the names that they have there, with earlier steps' changes.
    pub fn tree(&self, main: &str, how: Including) -> Result<Vec<(String, FileReading)>, Halt> {
        let a = whole(self.fragment(About::Tree, tree::tree_script(main, how))?)?;
        let mut all = tree::parse_tree(&a.stdout).map_err(Halt::unknown)?;
        all.iter_mut().for_each(|(_, r)| self.overlay.lay_over(r));
        let known: Vec<String> = all.iter().map(|(_, r)| r.real.clone()).collect();
        let new = self.overlay.files.iter().filter(|(real, s)| s.bytes().is_some() && !known.contains(real));
        all.extend(new.map(|(real, state)| {
            let r = FileReading {
                real: real.clone(),
                state: state.clone(),
                links: 1,
                writable: true,
                immutable: false,
                orphan: false,
            };
            (real.clone(), r)
        }));
        Ok(all)
    }

    /// The lines of such files that match an extended regular expression; every other line is empty.
    pub fn lines(
        &self,
        main: &str,
        how: Including,
        pattern: &str,
        reads: &[Resource],
    ) -> Result<BTreeMap<String, Vec<u8>>, Halt> {
        let sh = tree::lines_script(main, how, pattern).ok_or_else(|| Halt::unknown("a name with a newline"))?;
        let a = whole(self.ask(
            About::Lines { main: main.to_owned(), how },
            &sh,
            false,
            self.declared.as_deref().unwrap_or(reads),
        )?)?;
        Ok(tree::parse_lines(&a.stdout))
    }

    /// The lines of the files of PAM that a service comes to; every other line is empty.
    pub fn pam_lines(&self, service: &str) -> Result<BTreeMap<String, Vec<u8>>, Halt> {
        let a = whole(self.fragment(About::Named(format!("pam {service}")), tree::pam_script(service))?)?;
        Ok(tree::parse_lines(&a.stdout))
    }

    /// The lines of the files that these patterns of sh reach, by name.
    pub fn lines_of(&self, patterns: &[&str]) -> Result<BTreeMap<String, Vec<u8>>, Halt> {
        let about = About::Named(format!("lines of {}", patterns.join(" ")));
        let a = whole(self.fragment(about, Some(tree::pattern_script(patterns)))?)?;
        Ok(tree::parse_lines(&a.stdout))
    }

    /// The same view with some more candidate files laid over.
    pub fn with_changes<T>(&self, changes: &[Change], ask: impl FnOnce(&View<'_>) -> T) -> T {
        let mut overlay = self.overlay.clone();
        changes.iter().for_each(|c| overlay.add(c, usize::MAX));
        let view = View { overlay: &overlay, declared: self.declared.clone(), ..*self };
        ask(&view)
    }

    /// Whether an earlier step would change one of these files.
    #[must_use]
    pub fn edits(&self, files: &[Resource]) -> bool {
        self.overlay.in_files(files).is_some()
    }

    /// A change of a file from what is there to what should be; `None` if it is that already.
    ///
    /// # Errors
    /// The directory that it would be in does not exist, and no earlier step makes it.
    pub fn change_file(
        &self,
        path: &str,
        found: &FileReading,
        after: FileState,
        sensitive: bool,
    ) -> Result<Option<Change>, Halt> {
        self.write_file(path, found, after, Writing { sensitive, ..Writing::default() })
    }

    /// The same, as somebody asked for it.
    ///
    /// # Errors
    /// As above; and `Halt::Person` where the file is immutable and nobody said that this may be taken away.
    pub fn write_file(
        &self,
        path: &str,
        found: &FileReading,
        after: FileState,
        how: Writing,
    ) -> Result<Option<Change>, Halt> {
        let dir = crate::target::parent(&found.real);
        let made = self.overlay.files.get(dir).is_some_and(|s| s.kind == Kind::Directory);
        if found.orphan && after.kind != Kind::Absent && !made {
            return Err(Halt::Error {
                param: Some("path".into()),
                why: format!("its directory {dir} does not exist"),
                hint: Some(format!("make it in a step before: file: {{path: {dir}, state: directory, parents: true}}")),
            });
        }
        let same_kind = found.state.kind == after.kind;
        let same_mode = after.mode.is_none()
            || after.mode == found.state.mode
            || matches!(after.kind, Kind::Link(_) | Kind::Absent);
        let same_owner = match (&after.owner, &found.state.owner) {
            (Some(a), Some(b)) => (a.uid, a.gid) == (b.uid, b.gid),
            (Some(_), None) => matches!(after.kind, Kind::Link(_) | Kind::Absent),
            (None, _) => true,
        };
        let differs = !(same_kind && same_mode && same_owner);
        if differs && found.immutable && !how.lift {
            let real = &found.real;
            return Err(Halt::Person {
                why: format!("{real} is immutable (chattr +i): somebody wants it to stay as it is"),
                todo: format!("if it may change: chattr -i {real}, and run this again"),
                param: Some("immutable"),
            });
        }
        let is_file = |s: &FileState| matches!(s.kind, Kind::File(_));
        Ok(differs.then(|| {
            Change::File(FileChange {
                path: path.to_owned(),
                real: found.real.clone(),
                in_place: how.in_place && is_file(&found.state) && is_file(&after),
                immutable: found.immutable,
                before: found.state.clone(),
                after,
                sensitive: how.sensitive || files::always_sensitive(&found.real),
                kept: None,
                writable: found.writable,
                links: found.links,
                notes: Vec::new(),
            })
        }))
    }

    /// Whether these exist, and what is there where they do not. What earlier steps would change is not laid over it.
    pub fn existence(&self, names: &[(NamedKind, &str)]) -> Result<Existences, Halt> {
        if names.is_empty() {
            return Ok(Existences::default());
        }
        let a = whole(self.fragment(About::Named("existence".to_owned()), existence_script(names))?)?;
        Ok(parse_existence(&a.stdout))
    }

    /// Units of those names, with earlier steps' changes.
    pub fn units(&self, names: &[&str]) -> Result<Vec<UnitState>, Halt> {
        // Before it is known which init runs there, systemd is: most often the answer comes with the first round trip.
        let init = self.facts.map_or("systemd", |f| &f.init);
        let init = inits::named(init).ok_or_else(|| {
            Halt::unknown("no init that runbook knows starts services here, so none can be asked for")
        })?;
        let a = self.fragment(About::Named(format!("units {}", names.join(" "))), units::units_script(init, names))?;
        if let Status::Exit(3) = a.status {
            return Err(Halt::unknown(String::from_utf8_lossy(&a.stderr).trim().to_owned()));
        }
        if a.status != Status::Exit(0) {
            return Err(Halt::unknown(format!("{}: {}", init.title, first_line(&a.stderr))));
        }
        let mut found = units::parse_units(names, &String::from_utf8_lossy(&a.stdout));
        for u in &mut found {
            let id = if u.id.is_empty() { u.asked.clone() } else { u.id.clone() };
            for verb in self.overlay.units.get(&id).into_iter().flatten() {
                verb.apply(u);
            }
            let unmasked = |name: &String| self.overlay.units.get(name).is_some_and(|v| v.contains(&Verb::Unmask));
            u.masked_aliases.retain(|a| !unmasked(a));
            if let Some(step) = self.overlay.everything().filter(|_| !self.at_the_end) {
                return Err(Halt::Waits(step));
            }
        }
        Ok(found)
    }

    /// Whether a runbook's own commands can run there: not on a disk that cannot be chrooted into.
    pub fn can_run(&self) -> Result<(), Halt> {
        if self.place.live || self.facts()?.can_run {
            return Ok(());
        }
        Err(Halt::Skipped("not checked: this disk's programs can't run here".into()))
    }

    /// Whether the target runs: what is looked at is not only on its disk.
    pub fn needs_running_host(&self) -> Result<(), Halt> {
        if self.place.live { Ok(()) } else { Err(Halt::Skipped(OFFLINE.into())) }
    }

    /// A script's answer. `about` is its name for fixtures ([`About`]); `reads` is what it depends on unless the step says otherwise; `user`: it comes from a
    /// runbook and runs in a shell of its own.
    pub fn script(&self, about: &str, sh: &str, user: bool, reads: &[Resource]) -> Result<&'a Answer, Halt> {
        if user && (self.ahead || self.before_needs) {
            return Err(Halt::Pending);
        }
        self.ask(About::Named(about.to_owned()), sh, user, self.declared.as_deref().unwrap_or(reads))
    }

    /// A script of a module's own that has to run where the target's programs are: inside a mounted disk. Its module
    /// knows better than a step what it reads.
    pub fn own_script(&self, about: &str, sh: &str, reads: &[Resource]) -> Result<&'a Answer, Halt> {
        self.ask(About::Named(about.to_owned()), sh, true, reads)
    }

    fn ask(&self, about: About, sh: &str, user: bool, reads: &[Resource]) -> Result<&'a Answer, Halt> {
        if user && !self.controller {
            self.can_run()?;
        }
        let mut candidates = None;
        if !self.controller {
            let beyond =
                if self.files_only { self.overlay.by_command(reads) } else { self.overlay.beyond_files(reads) };
            if let Some(step) = beyond {
                return Err(Halt::Waits(step));
            }
            if let Some(step) = self.overlay.in_files(reads) {
                if !self.facts()?.overlay {
                    return Err(Halt::Waits(step));
                }
                let read = |p: &String| reads.iter().any(|r| r.meets(&Resource::File(p.clone())));
                let files = self.overlay.files.iter().filter(|(p, _)| read(p));
                candidates = Some(Arc::new(files.map(|(p, s)| (p.clone(), s.clone())).collect()));
            }
        }
        let (sh, deadline) = match self.retries {
            Some(r) => (
                again(sh, r).ok_or_else(|| Halt::unknown("a command with a NUL"))?,
                self.deadline() + r.delay * r.times,
            ),
            None => (sh.to_owned(), self.deadline()),
        };
        self.output(Read::Script { sh, about, user, controller: self.controller, deadline, candidates })
    }

    /// A connection from the controller, to each of the target's addresses.
    pub fn knock(&self, knock: Knock) -> Result<&'a [Knocked], Halt> {
        if self.ahead {
            return Err(Halt::Pending);
        }
        if let Some(step) =
            self.overlay.beyond_files(&[Resource::Socket, Resource::Rules, Resource::Cloud]).filter(|_| !self.as_is)
        {
            return Err(Halt::Waits(step));
        }
        match self.get(Read::Knock(knock))? {
            Reading::Knocks(k) => Ok(k),
            _ => Err(Halt::unknown("an answer of another kind")),
        }
    }

    /// A login by the controller's ssh.
    pub fn login(&self, attempt: LoginAttempt) -> Result<&'a LoginResult, Halt> {
        if self.ahead {
            return Err(Halt::Pending);
        }
        match self.get(Read::Login(attempt))? {
            Reading::Login(result) => Ok(result),
            _ => Err(Halt::unknown("an answer of another kind")),
        }
    }

    /// A name's addresses, in the order that ssh would try them.
    pub fn resolve(&self, host: &str) -> Result<&'a [std::net::IpAddr], Halt> {
        match self.get(Read::Resolve { host: host.to_owned() })? {
            Reading::Addresses(a) => Ok(a),
            _ => Err(Halt::unknown("an answer of another kind")),
        }
    }

    /// A module's own script on the controller, wherever its step looks from; `deadline` unless the step has one.
    pub fn on_controller(
        &self,
        about: &str,
        sh: &str,
        reads: &[Resource],
        deadline: Duration,
    ) -> Result<&'a Answer, Halt> {
        if self.ahead {
            return Err(Halt::Pending);
        }
        if let Some(step) = self.overlay.beyond_files(reads) {
            return Err(Halt::Waits(step));
        }
        self.output(Read::Script {
            sh: sh.to_owned(),
            about: About::Named(about.to_owned()),
            user: true,
            controller: true,
            deadline: self.deadline.unwrap_or(deadline),
            candidates: None,
        })
    }

    /// A program on the controller.
    pub fn program(&self, path: &str, stdin: String) -> Result<&'a Answer, Halt> {
        self.output(Read::Program { path: path.to_owned(), stdin, deadline: self.deadline() })
    }
}

/// An answer that came to its end.
fn whole(a: &Answer) -> Result<&Answer, Halt> {
    if a.status == Status::Exit(0) { Ok(a) } else { Err(Halt::unknown(first_line(&a.stderr))) }
}

/// The script, tried again while it fails; stdout and stderr of the last try come back as one.
fn again(sh: &str, r: Retries) -> Option<String> {
    let (sh, times, delay) = (crate::payload::sh_quote(sh)?, r.times, r.delay.as_secs().max(1));
    Some(format!(
        "i=0; while :; do o=$(eval {sh} 2>&1); r=$?; [ $r != 0 ] && [ $i -lt {times} ] || break; i=$((i+1)); sleep {delay}; done; printf '%s\\n' \"$o\"; exit $r"
    ))
}

/// The first line of some output, for messages.
#[must_use]
pub fn first_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).lines().find(|l| !l.trim().is_empty()).unwrap_or("").trim().to_owned()
}
