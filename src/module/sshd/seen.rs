//! The answer of probe.sh, typed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use super::errors::{self, Said};
use super::key::Key;
use super::listen::listening;
use super::place::Place;
use super::placeless;
use crate::edit::sshd_config::{Directive, Fault, Tree, is_misspelling};
use crate::module::Halt;
use crate::plan::{Resource, View};
use crate::target::files::FileReading;
use crate::target::frame::{Answer, Status};
use crate::target::tree;
use crate::target::units::UnitState;

/// The main file (sshd(8), -f).
pub const MAIN: &str = "/etc/ssh/sshd_config";

/// The lines that say where it listens, which keys it has, and what other lines mean.
const TELLING: &str = r#"^[[:space:]]*"?(port|listenaddress|addressfamily|hostkey|include|match)[[:space:]="]"#;

/// What is wrong with the privilege separation directory; empty if nothing is.
#[derive(Debug, Default)]
pub struct Directory {
    /// unit: the unit makes it wrongly; inway: something else is in its place; missing; mode: of mode or owner.
    pub kind: &'static str,
    /// The directory; for `unit` the file with the line at fault.
    pub path: String,
    /// What is wrong with the path.
    pub problem: String,
}

/// What is known of sshd.
#[derive(Debug, Default)]
pub struct Seen {
    pub program: String,
    /// `9.2`
    pub version: String,
    pub template: String,
    pub no_user: bool,
    pub generator: bool,
    pub libwrap: bool,
    /// The unit makes its directory at each start (RuntimeDirectory=).
    pub runtime: bool,
    /// What its command line comes to could not be told.
    pub unclear: bool,
    /// A file that it reads was changed after it was started, as far as can be told.
    pub stale: bool,
    /// Surely so: one was changed in a later second.
    pub edited: bool,
    /// What is at /run/sshd: directory, inway (something else), or nothing.
    entry: String,
    /// `RuntimeDirectoryMode=` of the unit.
    mode_line: Option<Place>,
    /// The service runs now.
    pub(super) running: bool,
    /// Another program listens on one of its ports.
    pub foreign: bool,
    /// The unit starts a program that is not there: the line, while another sshd is there.
    pub stray: Option<Place>,
    /// The program may not be executed.
    pub not_executable: bool,
    pub options: Vec<Place>,
    pub keys: Vec<Key>,
    /// What the first try said, with everything as it is.
    pub said: Said,
    /// `sshd -T`, if any try came to that: keyword and value, in its order.
    pub settings: Option<Vec<(String, String)>>,
    pub absent: Vec<String>,
    /// The host's own addresses, where they were looked at.
    pub(super) own: Vec<IpAddr>,
    /// The socket unit that may listen in its place.
    pub(super) socket: Option<UnitState>,
    /// The service runs itself, or comes up at boot by itself.
    pub(super) alone: bool,
    /// Where its lines stand.
    pub(super) tree: Option<Tree>,
    /// The real sshd was asked.
    pub tried: bool,
    /// It was asked once more, with what it lacks stood in for: OpenSSH 10 says nothing of its user before it has a key.
    pub again: bool,
}

impl Seen {
    /// Asks sshd; `None` where none can run. The first question is the one that decides whether candidates will do.
    ///
    /// # Errors
    /// It cannot be known.
    pub fn read(view: &View<'_>) -> Result<Option<Self>, Halt> {
        if !view.place().live && !view.facts()?.can_run {
            return Ok(None);
        }
        let probe = script();
        let read = |a: &Answer| parse(&String::from_utf8_lossy(&a.stdout), &String::from_utf8_lossy(&a.stderr));
        // As it is, so that both questions travel together; with candidates once it is known which files matter.
        let first = view.own_script("sshd", &probe, &[]);
        let lines = view.lines(MAIN, tree::SSHD, TELLING, &[]);
        let first = read(first?);
        let lines = if first.main() == MAIN { lines } else { view.lines(first.main(), tree::SSHD, TELLING, &[]) };
        let reads = resources(&Tree::new(first.main(), lines?), &first.program);
        let answer = view.own_script("sshd", &probe, &reads)?;
        let mut seen = read(answer);
        let files = view.lines(seen.main(), tree::SSHD, TELLING, &reads)?;
        let facts = view.facts()?;
        let err = String::from_utf8_lossy(&answer.stderr);
        // That there is none is seen by everybody.
        let none = seen.program.is_empty() && answer.status == Status::Exit(127);
        if !facts.root && !none && (seen.settings.is_none() || err.contains("ermission denied")) {
            return Err(view.takes_root("sshd reads its files and host keys as root only"));
        }
        if let Some(key) = seen.keys.iter().find(|k| k.state == "unread") {
            let why = format!("the host key {} cannot be read", key.path);
            return Err(if facts.root { Halt::unknown(why) } else { view.takes_root(why) });
        }
        // 255 is its own way to say no; the others are the shell's, for a program that cannot be run or was killed.
        if !matches!(answer.status, Status::Exit(..126 | 255)) && seen.said.broken.is_none() {
            let said = crate::plan::first_line(&answer.stderr);
            seen.said.broken = Some(match said.as_str() {
                "" => format!("{} ends at once, without a word", seen.program),
                text if seen.program.is_empty() || text.contains(&seen.program) => said,
                text => format!("{}: {text}", seen.program),
            });
        }
        if !facts.init.is_empty() {
            let units = view.units(crate::module::service::SSH)?;
            let service = |u: &&UnitState| matches!(u.asked.as_str(), "ssh.service" | "sshd.service");
            seen.running = units.iter().filter(service).any(UnitState::running);
            seen.alone = units.iter().filter(service).any(|u| u.running() || u.wants_boot());
            seen.socket = units.into_iter().find(|u| u.asked.ends_with(".socket") && u.exists());
            seen.absent = seen.foreign(&seen.own);
        }
        // In a chroot the addresses are those of the system that has mounted the disk.
        if !view.place().live {
            seen.absent.clear();
        }
        let lines_tree = Tree::new(seen.main(), files);
        seen.locate(&lines_tree);
        if let Some(said) = seen.said.other.clone().filter(|s| placeless::is_known(s)) {
            let all = view.tree(seen.main(), tree::SSHD)?;
            let bytes = |(name, r): (String, FileReading)| Some((name, r.state.bytes()?.to_vec()));
            let whole = Tree::new(seen.main(), all.into_iter().filter_map(bytes).collect());
            if let Some(fault) = placeless::find_line(&said, &whole) {
                seen.said.other = None;
                seen.said.faults.push(fault);
            }
        }
        seen.tree = Some(lines_tree);
        Ok(Some(seen))
    }

    /// Where no sshd can run, its files are read by our own rules and held against our own table of keywords and values.
    /// What only sshd knows (ciphers, whether a name resolves) is not known, and the evidence says so.
    pub fn offline(view: &View<'_>) -> Result<Self, Halt> {
        let found = view.tree(MAIN, tree::SSHD)?;
        let files: BTreeMap<String, Vec<u8>> =
            found.iter().filter_map(|(name, r)| Some((name.clone(), r.state.bytes()?.to_vec()))).collect();
        let no_config = !files.contains_key(MAIN);
        let tree = Tree::new(MAIN, files);
        let mut faults = if no_config { Vec::new() } else { tree.check() };
        // A keyword that is no misspelling may well be one of that distribution's sshd.
        let strange =
            |f: &Fault| f.message.strip_prefix("Bad configuration option: ").is_some_and(|w| !is_misspelling(w));
        let odd = faults.iter().find(|f| strange(f)).map(errors::shown);
        faults.retain(|f| !strange(f));
        if let Some(odd) = odd.filter(|_| faults.is_empty()) {
            return Err(Halt::unknown(format!(
                "{odd}: not a word that is known here, and this disk's sshd can't run here"
            )));
        }
        let said = Said { faults, no_config, ..Said::default() };
        let settings = said.faults.is_empty().then(|| listening(&tree));
        Ok(Self { said, settings, tree: Some(tree), ..Self::default() })
    }

    /// A complaint without a place gets the line that has the word.
    fn locate(&mut self, tree: &Tree) {
        for f in self.said.faults.iter_mut().filter(|f| f.file.is_empty()) {
            let hit =
                tree.directives().iter().find(|d| d.args.iter().any(|a| a.len() > 3 && f.message.contains(a.as_str())));
            if let Some(d) = hit {
                *f = Fault { file: d.file.clone(), line: d.line, message: f.message.clone() };
            }
        }
    }

    /// The file that sshd begins with.
    pub fn main(&self) -> &str {
        self.options.iter().rev().find_map(Place::config).unwrap_or(MAIN)
    }
    /// sshd does not know an option of its command line.
    pub fn bad_option(&self) -> Option<&Place> {
        let starts = ["unknown option", "option requires", "invalid option", "illegal option", "Extra argument"];
        let said = self.said.other.as_deref()?;
        self.options.last().filter(|_| starts.iter().any(|s| said.starts_with(s)))
    }
    /// For [`Tree::with_version`].
    pub fn numbers(&self) -> Option<(u32, u32)> {
        let (major, minor) = self.version.split_once('.')?;
        Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
    }
    /// The first value of a setting.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings.iter().flatten().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }
    pub(super) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.settings.iter().flatten().filter(move |(k, _)| k == key).map(|(_, v)| v.as_str())
    }
    /// `/etc/passwd` has its user, and the C library does not find it: nsswitch.conf(5) names other sources.
    pub fn no_lookup(&self) -> bool {
        self.tried && self.said.no_user && !self.no_user
    }
    /// No host key loads.
    pub fn no_keys(&self) -> bool {
        self.said.no_keys || (!self.keys.is_empty() && self.keys.iter().all(|k| k.state != "good"))
    }
    /// The lines of a keyword that count, in sshd's order.
    pub fn places(&self, key: &str) -> Vec<Value> {
        self.lines_of(key).iter().map(Place::value).collect()
    }
    pub(super) fn lines_of(&self, key: &str) -> Vec<Place> {
        let Some(tree) = &self.tree else { return Vec::new() };
        let place = |d: &&Directive| Place {
            file: d.file.clone(),
            line: d.line,
            text: format!("{} {}", d.keyword, d.args.join(" ")),
        };
        tree.values(key).iter().map(place).collect()
    }
    /// The privilege separation directory, or the file that spoils it, and what is wrong.
    pub fn directory_problem(&self) -> Directory {
        let found =
            |kind, path: &str, problem: &str| Directory { kind, path: path.to_owned(), problem: problem.to_owned() };
        if let Some(line) = self.mode_line.as_ref().filter(|l| self.runtime && l.opens()) {
            return found("unit", &line.file, &format!("makes /run/sshd writable for others, in line {}", line.line));
        }
        match (&self.said.directory, self.entry.as_str()) {
            // systemd makes it, and sets its mode and owner; only something else in its place would stop it.
            (_, "inway") => found("inway", "/run/sshd", "is not a directory"),
            (Some((path, problem)), "") if !self.runtime || self.running => found("missing", path, problem),
            (Some((path, problem)), _) if !self.runtime => found("mode", path, problem),
            _ => Directory::default(),
        }
    }
    /// Which keys there are, and why none will do.
    pub fn keys_evidence(&self) -> String {
        if !self.no_keys() {
            return "at least one host key loads".into();
        }
        let all = |state: &str| !self.keys.is_empty() && self.keys.iter().all(|k| k.state == state);
        match self.keys.as_slice() {
            [] => "no host key can be loaded".into(),
            [one] => format!("its only host key cannot be used: {}: {}", one.path, one.problem()),
            _ if all("missing") => "there are no host keys, and sshd does not start without one".into(),
            [first, ..] => format!("none of its host keys can be used; {}: {}", first.path, first.problem()),
        }
    }
}

fn script() -> String {
    // Comments and indentation are for those who read it here.
    crate::target::squeeze(include_str!("probe.sh"))
}

/// What an answer depends on: the main file, all that it includes or might, and the files with its command line. Not
/// its keys, user and directory: they are stood in for.
fn resources(tree: &Tree, program: &str) -> Vec<Resource> {
    let mut out: Vec<Resource> =
        [MAIN, "/etc/nsswitch.conf", "/etc/default/ssh", "/etc/sysconfig/sshd", "/etc/conf.d/sshd"]
            .into_iter()
            .chain([
                "/etc/systemd/system/ssh.service",
                "/etc/systemd/system/ssh.service.d/**",
                "/etc/systemd/system/sshd.service",
                "/etc/systemd/system/sshd.service.d/**",
            ])
            .map(|p| Resource::File(p.to_owned()))
            .collect();
    for pattern in tree.patterns() {
        let at = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
        let dir = crate::target::parent(&pattern[..at]);
        out.push(Resource::File(if at == pattern.len() { pattern.clone() } else { format!("{dir}/**") }));
    }
    out.extend(tree.files().keys().map(|f| Resource::File(f.clone())));
    if !program.is_empty() {
        out.push(Resource::File(program.to_owned()));
    }
    // A library may be of any package.
    out.push(Resource::Package("*".into()));
    out
}

/// Reads probe.sh.
fn parse(out: &str, err: &str) -> Seen {
    let mut seen = Seen { tried: true, ..Seen::default() };
    let strict = err.split_once("-- again\n").map(|e| e.0);
    seen.again = strict.is_some();
    seen.said = errors::parse(strict.unwrap_or(err));
    let (mut section, mut by_hand) = ("", false);
    let mut own: Vec<IpAddr> = Vec::new();
    for line in out.lines() {
        if let Some(name) = line.strip_prefix("-- ") {
            section = if name == "end" { "" } else { name };
            if name == "T" {
                seen.settings = None;
            }
            continue;
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (section, word) {
            ("T", "") => {}
            ("T", _) => seen.settings.get_or_insert_default().push((word.to_ascii_lowercase(), rest.to_owned())),
            ("own", _) => {
                own.extend(line.split_whitespace().filter_map(|w| w.split(['/', '%']).next()?.parse::<IpAddr>().ok()));
            }
            (_, "program") => rest.clone_into(&mut seen.program),
            (_, "version") => rest.clone_into(&mut seen.version),
            (_, "template") => rest.clone_into(&mut seen.template),
            (_, "directory" | "inway") => word.clone_into(&mut seen.entry),
            (_, "mode") => seen.mode_line = Place::parse(rest),
            (_, "absent") => seen.stray = Place::parse(rest),
            (_, "notexecutable") => seen.not_executable = true,
            (_, "exec" | "options") => seen.options.extend(Place::parse(rest)),
            (_, "nouser") => seen.no_user = true,
            (_, "noconfig") => seen.said.no_config = true,
            (_, "generator") => seen.generator = true,
            (_, "stale") => seen.stale = true,
            (_, "edited") => seen.edited = true,
            (_, "unclear") => seen.unclear = true,
            (_, "byhand") => by_hand = true,
            (_, "foreign") => seen.foreign = true,
            (_, "libwrap") => seen.libwrap = true,
            (_, "runtime") => seen.runtime = true,
            (_, "key") => seen.keys.extend(Key::parse(rest)),
            _ => {}
        }
    }
    seen.generator &= !by_hand;
    if seen.settings.is_some() {
        // It took its configuration: whatever else it said was a warning.
        seen.said.faults.clear();
        seen.said.other = None;
    }
    seen.own = own;
    seen.absent = seen.foreign(&seen.own);
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_try_counts_where_the_first_was_stopped() {
        let out = "program /usr/sbin/sshd\nruntime\n-- T\n\n-- end\n-- T\nport 22\nlistenaddress [::]:22\n-- end\n-- keys\n\
                   key missing - - - /etc/ssh/ssh_host_rsa_key\n";
        let s = parse(out, "sshd: no hostkeys available -- exiting.\n-- again\n");
        assert!(s.no_keys() && s.said.faults.is_empty());
        assert_eq!(s.ports(), [22]);
        assert_eq!(s.keys_evidence(), "its only host key cannot be used: /etc/ssh/ssh_host_rsa_key: it is missing");
    }

    #[test]
    fn an_address_that_the_host_lacks() {
        let out = "-- T\nlistenaddress 203.0.113.9:22\n-- end\n-- own\n2: eth0    inet 10.0.0.5/24 brd 10.0.0.255\n";
        assert_eq!(parse(out, "").absent, ["203.0.113.9"]);
    }
}
