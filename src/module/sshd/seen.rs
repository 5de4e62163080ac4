//! The answer of probe.sh, typed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::errors::{self, Said};
use crate::edit::sshd_config::{Directive, Fault, Tree, is_misspelling};
use crate::module::Halt;
use crate::plan::{Resource, View};
use crate::target::frame::{Answer, Status};
use crate::target::tree;
use crate::target::units::UnitState;

/// The main file (sshd(8), -f).
pub const MAIN: &str = "/etc/ssh/sshd_config";

/// The lines that say where it listens, which keys it has, and what other lines mean.
const TELLING: &str = r#"^[[:space:]]*"?(port|listenaddress|addressfamily|hostkey|include|match)[[:space:]="]"#;

/// A line somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// Its text, trimmed.
    pub text: String,
}

impl Place {
    /// `FILE:LINE says "TEXT"`
    pub fn says(&self) -> String {
        format!("{}:{} says \"{}\"", self.file, self.line, self.text)
    }
    /// For expressions.
    pub fn value(&self) -> Value {
        json!({"file": self.file, "line": self.line, "text": self.text})
    }
    /// `-p 2222`, `-p2222`, `-o Port=2222`, `-oListenAddress=::1`: options that say where sshd listens.
    pub fn listens(&self) -> bool {
        let text = self.text.to_ascii_lowercase();
        let words = || text.split([' ', '\t', '=', '"', '\'']);
        words().any(|w| w.strip_prefix("-p").is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit())))
            || words().map(|w| w.strip_prefix("-o").unwrap_or(w)).any(|w| matches!(w, "port" | "listenaddress"))
    }
    /// `RuntimeDirectoryMode=0777`: sshd refuses a directory that group or others may write to.
    fn opens(&self) -> bool {
        let mode = self.text.split_once('=').and_then(|(_, m)| u32::from_str_radix(m.trim(), 8).ok());
        mode.is_some_and(|m| m & 0o022 != 0)
    }
    /// The configuration file that these options name (`-f`).
    fn config(&self) -> Option<&str> {
        let mut words = self.text.split([' ', '\t', '"', '\'']).filter(|w| !w.is_empty());
        while let Some(w) = words.next() {
            match w.strip_prefix("-f") {
                Some("") => return words.next().filter(|p| p.starts_with('/')),
                Some(path) if path.starts_with('/') => return Some(path),
                _ => {}
            }
        }
        None
    }
    /// `FILE:N:TEXT`, as grep prints it.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let (file, line, text) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.trim());
        Some(Self { file: file.to_owned(), line, text: text.to_owned() })
    }
}

/// A host key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its file.
    pub path: String,
    /// good, open, missing, empty, endings, corrupt, nofile, unread.
    pub state: String,
    /// Permission bits in octal; empty if it is missing.
    pub mode: String,
}

impl Key {
    /// For expressions.
    pub fn value(&self) -> Value {
        json!({"path": self.path, "state": self.state, "mode": self.mode, "type": self.kind()})
    }
    /// What `ssh-keygen -t` takes, by its name.
    pub fn kind(&self) -> &'static str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        ["rsa", "ecdsa"].into_iter().find(|k| name.contains(k)).unwrap_or("ed25519")
    }
    /// `STATE -rw-r--r-- USER GROUP PATH`. sshd refuses a key of its own user that others may touch (authfile.c,
    /// sshkey_perm_ok); one of another owner it does not check, and Fedora's lets the group ssh_keys read.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, ' ');
        let (state, letters, user, group, path) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let mode = bits(letters);
        let others = if group == "ssh_keys" { 0o037 } else { 0o077 };
        let open = state == "good" && user == "root" && mode.is_some_and(|m| m & others != 0);
        Some(Self {
            path: path.to_owned(),
            state: if open { "open" } else { state }.to_owned(),
            mode: mode.map(|m| format!("{m:04o}")).unwrap_or_default(),
        })
    }
    fn problem(&self) -> String {
        match self.state.as_str() {
            "open" => format!("others may read it (mode {})", self.mode),
            "empty" => "it is empty".into(),
            "endings" => "its line endings are damaged".into(),
            "corrupt" => "it is damaged, or has a passphrase".into(),
            "nofile" => "it is not a file".into(),
            "missing" => "it is missing".into(),
            other => other.to_owned(),
        }
    }
}

/// `-rw-r--r--` as bits; set-user-id and the like do not matter here.
fn bits(letters: &str) -> Option<u32> {
    let nine = letters.get(1..10)?;
    Some(nine.chars().fold(0, |m, c| m << 1 | u32::from(c != '-')))
}

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
    /// What is at /run/sshd: directory, inway (something else), or nothing.
    entry: String,
    /// `RuntimeDirectoryMode=` of the unit.
    mode_line: Option<Place>,
    /// The service runs now.
    running: bool,
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
    own: Vec<IpAddr>,
    /// The socket unit that may listen in its place.
    socket: Option<UnitState>,
    /// The service runs itself, or comes up at boot by itself.
    alone: bool,
    /// Where its lines stand.
    tree: Option<Tree>,
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
        let first = view.own_script(&probe, &[]);
        let lines = view.lines(MAIN, tree::SSHD, TELLING, &[]);
        let first = read(first?);
        let lines = if first.main() == MAIN { lines } else { view.lines(first.main(), tree::SSHD, TELLING, &[]) };
        let reads = resources(&Tree::new(first.main(), lines?), &first.program);
        let answer = view.own_script(&probe, &reads)?;
        let mut seen = read(answer);
        let files = view.lines(seen.main(), tree::SSHD, TELLING, &reads)?;
        let facts = view.facts()?;
        let err = String::from_utf8_lossy(&answer.stderr);
        if !facts.root && (seen.settings.is_none() || err.contains("ermission denied")) {
            return Err(Halt::Unknown {
                why: "sshd reads its files and host keys as root only".into(),
                hint: Some("run it as root".into()),
            });
        }
        if let Some(key) = seen.keys.iter().find(|k| k.state == "unread") {
            let hint = (!facts.root).then(|| "run it as root".to_owned());
            return Err(Halt::Unknown { why: format!("the host key {} cannot be read", key.path), hint });
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
        if facts.init == "systemd" {
            let units = view.units(crate::module::service::SSH)?;
            let service = |u: &&UnitState| matches!(u.asked.as_str(), "ssh.service" | "sshd.service");
            seen.running = units.iter().filter(service).any(UnitState::running);
            seen.alone = units.iter().filter(service).any(|u| u.running() || u.wants_boot());
            seen.socket = units.into_iter().find(|u| u.asked.ends_with(".socket") && u.exists());
            seen.absent = seen.foreign(&seen.own);
        }
        let tree = Tree::new(seen.main(), files);
        seen.locate(&tree);
        seen.tree = Some(tree);
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
                "{odd}: not a word that is known here, and no sshd can run in this tree"
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
    fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.settings.iter().flatten().filter(move |(k, _)| k == key).map(|(_, v)| v.as_str())
    }
    /// Its socket unit takes IPv6 clients alone (systemd.socket(5), BindIPv6Only=).
    pub fn v6_only(&self) -> bool {
        let only = self.socket.as_ref().is_some_and(|k| k.bind_v6 == "ipv6-only");
        only && self.addresses().iter().all(|a| a.starts_with('['))
    }
    /// systemd listens for it: the socket unit is up, or would be at the next boot and the service would not.
    pub fn by_socket(&self) -> bool {
        self.socket.as_ref().is_some_and(|k| k.running() || (k.wants_boot() && !self.alone))
    }
    /// For expressions.
    pub fn socket_value(&self) -> Value {
        let none = UnitState::default();
        let k = self.socket.as_ref().unwrap_or(&none);
        json!({"unit": k.name(), "active": k.running(), "enabled": k.wants_boot(), "listen": k.listen, "result": k.result})
    }
    /// `ADDRESS:PORT`: of the socket unit where that counts, and no generator makes it from the files.
    pub fn addresses(&self) -> Vec<&str> {
        match &self.socket {
            Some(k) if self.by_socket() && !self.generator && !k.listen.is_empty() => {
                k.listen.iter().map(String::as_str).filter(|a| split(a).1.is_some()).collect()
            }
            _ => self.all("listenaddress").collect(),
        }
    }
    /// Those of these that this host does not have; none where its own are not known.
    fn foreign(&self, own: &[IpAddr]) -> Vec<String> {
        let lacks =
            |h: &&str| h.parse::<IpAddr>().is_ok_and(|a| !a.is_unspecified() && !a.is_loopback() && !own.contains(&a));
        let mut out: Vec<String> =
            self.addresses().into_iter().map(|a| split(a).0).filter(lacks).map(str::to_owned).collect();
        out.dedup();
        if own.is_empty() { Vec::new() } else { out }
    }
    /// Of `listenaddress`, not of `port`: an address may have a port of its own.
    pub fn ports(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = self.addresses().into_iter().filter_map(|a| split(a).1).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }
    /// Every address is loopback.
    pub fn loopback_only(&self) -> bool {
        let all = self.addresses();
        !all.is_empty() && all.into_iter().all(loopback)
    }
    /// Of these addresses, ipv4 and ipv6.
    pub fn families(&self) -> Vec<&'static str> {
        let v6 = |a: &&str| a.starts_with('[');
        let all = self.addresses();
        [("ipv4", all.iter().any(|a| !v6(a))), ("ipv6", all.iter().any(v6))]
            .iter()
            .filter(|f| f.1)
            .map(|f| f.0)
            .collect()
    }
    /// What ListenAddress lines would have to say, so that a port that is open to everybody of one family is so to
    /// those of the other: `0.0.0.0` for `::`, with a port where the lines have ports.
    pub fn counterparts(&self) -> Vec<String> {
        let lines = self.lines_of("listenaddress");
        let with_port = lines.iter().any(|l| l.text.split(' ').nth(1).is_some_and(|a| split(a).1.is_some()));
        let all = self.addresses();
        let (have, mut out) = (|host: &str, port| all.iter().any(|a| split(a) == (host, port)), Vec::new());
        for a in &all {
            let (host, port) = split(a);
            let other = match host {
                "::" => "0.0.0.0",
                "0.0.0.0" => "::",
                _ => continue,
            };
            let text = match (port.filter(|_| with_port), other) {
                (Some(p), "::") => format!("[::]:{p}"),
                (Some(p), v4) => format!("{v4}:{p}"),
                (None, bare) => bare.to_owned(),
            };
            if !have(other, port) && !out.contains(&text) {
                out.push(text);
            }
        }
        out
    }
    /// The hosts that a socket unit should listen on: those it has, `0.0.0.0` and `[::]` together, without loopback and
    /// what this host lacks; every address where there is only loopback. Empty: a person has to name one.
    pub fn hosts(&self) -> Vec<String> {
        let every = || vec!["0.0.0.0".to_owned(), "[::]".to_owned()];
        if self.loopback_only() {
            return every();
        }
        let mut out: Vec<String> = Vec::new();
        for a in self.addresses() {
            let (host, _) = split(a);
            let more = match host {
                "::" | "0.0.0.0" => every(),
                h if loopback(a) || self.absent.iter().any(|x| x == h) => continue,
                h if h.contains(':') => vec![format!("[{h}]")],
                h => vec![h.to_owned()],
            };
            out.extend(more);
        }
        let mut seen = Vec::new();
        out.retain(|h| {
            if seen.contains(h) {
                false
            } else {
                seen.push(h.clone());
                true
            }
        });
        out
    }
    /// What it listens on today, as [`Self::hosts`] has it: `HOST:PORT`, each once.
    pub fn streams(&self) -> Vec<String> {
        let hosts = self.hosts();
        let wild = hosts.iter().any(|h| h == "0.0.0.0");
        let mut out: Vec<String> = Vec::new();
        for a in self.addresses() {
            let (host, Some(port)) = split(a) else { continue };
            let bare = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            let names = match host {
                "::" | "0.0.0.0" => vec!["0.0.0.0".to_owned(), "[::]".to_owned()],
                _ if wild && loopback(a) => vec!["0.0.0.0".to_owned(), "[::]".to_owned()],
                _ if hosts.contains(&bare) => vec![bare],
                _ => continue,
            };
            out.extend(
                names.into_iter().map(|n| format!("{n}:{port}")).filter(|s| !out.contains(s)).collect::<Vec<_>>(),
            );
        }
        out
    }
    /// No address can be reached from elsewhere.
    pub fn unreachable(&self) -> bool {
        let all = self.addresses();
        let dead = |a: &str| loopback(a) || self.absent.iter().any(|x| x == split(a).0);
        !all.is_empty() && all.into_iter().all(dead)
    }
    /// No host key loads.
    pub fn no_keys(&self) -> bool {
        self.said.no_keys || (!self.keys.is_empty() && self.keys.iter().all(|k| k.state != "good"))
    }
    /// The lines of a keyword that count, in sshd's order.
    pub fn places(&self, key: &str) -> Vec<Value> {
        self.lines_of(key).iter().map(Place::value).collect()
    }
    fn lines_of(&self, key: &str) -> Vec<Place> {
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
    /// Where it would listen, and which line says so.
    pub fn listen_evidence(&self) -> String {
        let (ports, listen) = (self.lines_of("port"), self.lines_of("listenaddress"));
        if self.by_socket() && !self.generator {
            let lacks = self.absent.first().map(|a| format!("; this host does not have the address {a}"));
            return format!("ssh.socket listens on {}{}", self.addresses().join(", "), lacks.unwrap_or_default());
        }
        if let Some(a) = self.absent.first() {
            let line = listen.iter().find(|l| l.text.contains(a.as_str()));
            return line.map_or(format!("this host does not have the address {a}"), |l| {
                format!("{}, an address that this host does not have", l.says())
            });
        }
        match (listen.first(), self.options.first(), ports.first()) {
            (Some(l), ..) if self.loopback_only() => l.says(),
            (_, Some(o), _) => o.says(),
            (_, None, Some(p)) if self.ports().len() == 1 => p.says(),
            _ if !self.tried => "its files were only read: no sshd can run in this tree".into(),
            _ => format!("it would listen on {}", self.addresses().join(", ")),
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
    let mut out: Vec<Resource> = [MAIN, "/etc/default/ssh", "/etc/sysconfig/sshd", "/etc/conf.d/sshd"]
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

/// Where sshd would listen by these files, as `sshd -T` has it (sshd_config(5), Port, ListenAddress, AddressFamily).
fn listening(tree: &Tree) -> Vec<(String, String)> {
    let values = |key: &str| -> Vec<String> {
        tree.values(key).iter().map(|d| d.args.first().cloned().unwrap_or_default()).collect()
    };
    let or = |given: Vec<String>, default: &[&str]| {
        if given.is_empty() { default.iter().map(|d| (*d).to_owned()).collect() } else { given }
    };
    let (ports, listen) = (or(values("port"), &["22"]), or(values("listenaddress"), &["0.0.0.0", "[::]"]));
    let family = or(values("addressfamily"), &["any"]).remove(0).to_ascii_lowercase();
    let mut out: Vec<(String, String)> = ports.iter().map(|p| ("port".into(), p.clone())).collect();
    out.push(("addressfamily".into(), family));
    for a in listen {
        if split(&a).1.is_some() {
            out.push(("listenaddress".into(), a));
        } else {
            let host = if a.contains(':') && !a.starts_with('[') { format!("[{a}]") } else { a };
            out.extend(ports.iter().map(|p| ("listenaddress".into(), format!("{host}:{p}"))));
        }
    }
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
            (_, "unclear") => seen.unclear = true,
            (_, "byhand") => by_hand = true,
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

/// `ADDRESS:PORT`, `[ADDRESS]:PORT`; a bare IPv6 address has colons too (sshd_config(5), ListenAddress).
fn split(address: &str) -> (&str, Option<u16>) {
    if let Some((host, rest)) = address.strip_prefix('[').and_then(|a| a.split_once(']')) {
        return (host, rest.strip_prefix(':').and_then(|p| p.parse().ok()));
    }
    match address.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, port.parse().ok()),
        _ => (address, None),
    }
}

/// With a port or without: `127.0.0.1:22`, `[::1]:22`, `::1`, `localhost`.
fn loopback(address: &str) -> bool {
    let host = split(address).0;
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|a| a.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_every_spelling() {
        assert_eq!(split("[::]:22"), ("::", Some(22)));
        assert_eq!(split("0.0.0.0:2222"), ("0.0.0.0", Some(2222)));
        assert_eq!(split("fe80::1"), ("fe80::1", None));
        assert!(loopback("127.0.0.1:22") && loopback("[::1]:22") && loopback("::1") && !loopback("0.0.0.0:22"));
    }

    #[test]
    fn a_key_that_others_may_read() {
        let k = Key::parse("good -rw-r--r-- root root /etc/ssh/ssh_host_rsa_key").unwrap();
        assert_eq!((k.state.as_str(), k.mode.as_str()), ("open", "0644"));
        assert_eq!(Key::parse("good -rw-r----- root ssh_keys /k").unwrap().state, "good");
        assert_eq!(Key::parse("missing - - - /etc/ssh/k").unwrap().problem(), "it is missing");
    }

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
