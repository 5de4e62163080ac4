//! Hosts of the lab, and the binary run against them as a user would.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

/// The path of the program under test: `RUNBOOK_BIN`, else what `tests/program` builds. Never the one that cargo builds
/// beside the tests: dev-dependencies add features to it that users do not get.
pub fn bin() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| match std::env::var("RUNBOOK_BIN") {
        Ok(path) => path,
        Err(_) => {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/program");
            let built = Command::new(script).stderr(Stdio::inherit()).output().expect("tests/program starts");
            assert!(built.status.success(), "tests/program could not build the program");
            String::from_utf8(built.stdout).expect("a path in UTF-8").trim().to_owned()
        }
    })
}
/// The lab's script.
pub const LAB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/lab");

/// The runbook that the lab is about.
pub fn ssh_refused() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks/ssh-refused.yaml")
}

/// A runbook that comes with the program.
pub fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks").join(format!("{name}.yaml"))
}

/// A runbook of the tests.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures").join(name)
}

/// Whether tests may boot hosts; says so if not.
pub fn lab_is_on() -> bool {
    let on = std::env::var_os("RUNBOOK_LAB").is_some();
    if !on {
        eprintln!("skipped: set RUNBOOK_LAB=1");
    }
    on
}

/// Whether the long runs were asked for, whose dated tables go under docs/.
pub fn full() -> bool {
    std::env::var_os("RUNBOOK_FULL").is_some()
}

/// What a command of ours printed and how it ended.
#[derive(Debug, Clone)]
pub struct Done {
    /// The exit status; -1 if a signal ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Done {
    fn from(o: Output) -> Self {
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        Self { code: o.status.code().unwrap_or(-1), stdout: text(&o.stdout), stderr: text(&o.stderr) }
    }
}

/// A run of the binary with `-o json`.
#[derive(Debug, Clone)]
pub struct Run {
    pub exit: i32,
    /// Null if it was killed or refused before it began.
    pub json: Value,
    pub stderr: String,
}

impl From<Done> for Run {
    fn from(d: Done) -> Self {
        let json = serde_json::from_str(&d.stdout).unwrap_or_default();
        Self { exit: d.code, json, stderr: d.stderr }
    }
}

impl Run {
    /// The changes of one round, an empty list if it never came to that.
    pub fn changes(&self, round: usize) -> Vec<Value> {
        self.json["rounds"][round]["changes"].as_array().cloned().unwrap_or_default()
    }
    /// The changes of all rounds.
    pub fn all_changes(&self) -> usize {
        let rounds = self.json["rounds"].as_array().map_or(0, Vec::len);
        (0..rounds).map(|r| self.changes(r).len()).sum()
    }
    /// Why it stopped: the error and the reasons of what was not done, on one line.
    pub fn why(&self) -> String {
        let mut out = vec![self.json["error"]["why"].as_str().unwrap_or_default().to_owned()];
        for round in self.json["rounds"].as_array().into_iter().flatten() {
            let results = round["results"].as_array().into_iter().flatten();
            out.extend(results.filter_map(|r| r["why"].as_str().map(str::to_owned)));
        }
        out.join(" ").trim().to_owned()
    }
    /// What a message should hold when this run was not as expected.
    pub fn seen(&self) -> String {
        let mut out = format!("exit {}, {}\n", self.exit, self.why());
        for round in self.json["rounds"].as_array().into_iter().flatten() {
            for s in round["steps"].as_array().into_iter().flatten() {
                let word = |k: &str| s[k].as_str().unwrap_or_default();
                out += &format!(
                    "  round {} step {}: {}; {}\n",
                    round["round"],
                    word("name"),
                    word("status"),
                    word("evidence")
                );
            }
            for c in round["changes"].as_array().into_iter().flatten() {
                out += &format!(
                    "  round {} change {}\n{}",
                    round["round"],
                    c["title"],
                    c["diff"].as_str().unwrap_or_default()
                );
            }
        }
        out + &format!("  proofs {}\n", self.json["proofs"]) + &self.stderr
    }
}

/// A directory for scripts, runbooks and the controller's records; gone at the end of the test.
pub struct Desk(TempDir);

impl Desk {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }
    /// A program in sh; usable as `exec:PATH`.
    pub fn program(&self, name: &str, text: &str) -> PathBuf {
        let path = self.write(name, &format!("#!/bin/sh\n{text}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
    /// The binary, with records of its own.
    pub fn runbook(&self, prefix: &[&str], verb: &str, book: &Path, args: &[&str]) -> Command {
        let words: Vec<&str> = prefix.iter().copied().chain([bin(), verb]).collect();
        let mut c = Command::new(words[0]);
        c.args(&words[1..]).arg(book).args(args);
        c.env("XDG_STATE_HOME", self.path("state")).stdin(Stdio::null());
        c
    }
}

/// A fresh host of the lab; taken down when dropped.
pub struct Host {
    pub name: String,
    pub address: String,
    pub desk: Desk,
}

impl Host {
    /// Boots one; `None` (and a note) where the lab is off. Tests run side by side, so `tag` is the test's own.
    pub fn up(tag: &str) -> Option<Self> {
        Self::up_as("service", tag)
    }
    /// One of a kind that `lab up --kind` knows.
    pub fn up_as(kind: &str, tag: &str) -> Option<Self> {
        if !lab_is_on() {
            return None;
        }
        // The lab's names have 31 characters.
        let tag: String = tag.replace('_', "-").chars().take(20).collect();
        let name = format!("t-{tag}-{}", std::process::id());
        let mut host = Self { name, address: String::new(), desk: Desk::new() };
        let up = host.lab(&["up", "--kind", kind, &host.name], b"");
        assert_eq!(up.code, 0, "lab up {}: {}{}", host.name, up.stdout, up.stderr);
        host.address = up.stdout.split_whitespace().nth(1).expect("lab up prints NAME ADDRESS").to_owned();
        Some(host)
    }

    fn lab(&self, args: &[&str], stdin: &[u8]) -> Done {
        fed(Command::new(LAB).args(args), stdin)
    }

    /// Runs a script inside; fails the test if the script fails.
    pub fn sh(&self, script: &str) -> String {
        let d = self.try_sh(script);
        assert_eq!(d.code, 0, "on {}: {script}\n{}{}", self.name, d.stdout, d.stderr);
        d.stdout
    }
    pub fn try_sh(&self, script: &str) -> Done {
        self.lab(&["sh", &self.name], script.as_bytes())
    }

    /// Reboots it, and waits for its new init; false if none came.
    pub fn reboot(&self) -> bool {
        let init = || self.lab(&["pid", &self.name], b"");
        let before = init().stdout;
        // Nobody may be inside when it shuts down: systemd's last broadcast (SIGSTOP) would stop nsenter for good.
        self.try_sh("systemctl --no-block reboot");
        until(40, || {
            let now = init();
            now.code == 0 && now.stdout != before
        })
    }

    /// The real ssh client, from where the user sits.
    pub fn client(&self, args: &[&str]) -> Done {
        self.lab(&[&["client", &self.name], args].concat(), b"")
    }
    /// Whether the client gets in; else what it said.
    pub fn lets_in(&self, args: &[&str]) -> Result<(), String> {
        self.does(args, "true")
    }
    /// Whether a command succeeds that the client asks for; else what both said.
    pub fn does(&self, args: &[&str], command: &str) -> Result<(), String> {
        let d = self.client(&[args, &[command]].concat());
        if d.code == 0 { Ok(()) } else { Err(d.stderr.trim().to_owned()) }
    }

    /// All that a second apply must leave alone.
    pub fn snapshot(&self) -> String {
        let d = self.lab(&["snapshot", &self.name], b"");
        assert_eq!(d.code, 0, "lab snapshot {}: {}", self.name, d.stderr);
        d.stdout
    }

    /// The same without the times of what was put back, and the processes that were started anew.
    pub fn contents(&self) -> String {
        let line = |l: &str| {
            let words: Vec<&str> = l.split(' ').collect();
            match words.as_slice() {
                [path, kind, mode, uid, gid, _, rest @ ..] => format!("{path} {kind} {mode} {uid} {gid} {rest:?}\n"),
                _ if l.starts_with("MainPID=") || l.starts_with("ActiveEnter") => String::new(),
                _ => format!("{l}\n"),
            }
        };
        self.snapshot().lines().map(line).collect()
    }

    /// The plain channel to it.
    pub fn via(&self) -> String {
        format!("exec:{LAB} sh {}", self.name)
    }
    /// The binary in the controller's network, over the plain channel unless `via` says otherwise. `prefix` is run in
    /// front of it (strace, say).
    pub fn command(&self, prefix: &[&str], verb: &str, book: &Path, via: Option<&Path>, args: &[&str]) -> Command {
        let via = via.map_or_else(|| self.via(), |p| format!("exec:{}", p.display()));
        let ctl = [&[LAB, "ctl"], prefix].concat();
        let mut c = self.desk.runbook(&ctl, verb, book, &["--via", &via, "--address", &self.address]);
        c.args(args);
        c
    }
    pub fn run(&self, verb: &str, book: &Path, via: Option<&Path>, args: &[&str]) -> Run {
        let yes: &[&str] = if verb == "apply" { &["-y"] } else { &[] };
        let args = [yes, &["-o", "json"], args].concat();
        Done::from(self.command(&[], verb, book, via, &args).output().unwrap()).into()
    }
    pub fn apply(&self, args: &[&str]) -> Run {
        self.run("apply", &ssh_refused(), None, args)
    }
    pub fn plan(&self, args: &[&str]) -> Run {
        self.run("plan", &ssh_refused(), None, args)
    }

    /// The host as it is now, as a fixture of `runbook test` below that directory; what differs from the fixture `from`.
    pub fn record(&self, dir: &Path, book: &Path, case: &str, about: &str, from: Option<&str>, args: &[&str]) {
        let about = format!("--about={about}");
        let from = from.map(|f| ["--from", f]);
        let own = ["--fixtures", dir.to_str().unwrap(), "--record", case, &about];
        let args = [&own[..], from.as_ref().map_or(&[][..], |f| f), args].concat();
        let made = Done::from(self.command(&[], "test", book, None, &args).output().unwrap());
        assert_eq!(made.code, 0, "{}{}", made.stdout, made.stderr);
    }

    /// The host's disk, from outside: as sshd sees it, and much faster than asking inside.
    pub fn disk(&self, path: &str) -> PathBuf {
        Path::new("/run/runbook-lab").join(&self.name).join("root").join(path.trim_start_matches('/'))
    }
    /// Every file below a directory with its bytes.
    pub fn files(&self, dir: &str) -> BTreeMap<String, Vec<u8>> {
        let mut out = BTreeMap::new();
        let mut dirs = vec![dir.to_owned()];
        while let Some(dir) = dirs.pop() {
            for e in fs::read_dir(self.disk(&dir)).unwrap().flatten() {
                let path = format!("{dir}/{}", e.file_name().to_string_lossy());
                match e.file_type() {
                    Ok(t) if t.is_dir() => dirs.push(path),
                    _ => drop(out.insert(path, fs::read(e.path()).unwrap_or_default())),
                }
            }
        }
        out
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let down = self.lab(&["down", &self.name], b"");
        if down.code != 0 && !std::thread::panicking() {
            panic!("lab down {}: {}", self.name, down.stderr);
        }
    }
}

/// Runs a command with something on its stdin.
pub fn fed(c: &mut Command, stdin: &[u8]) -> Done {
    use std::io::Write;
    let mut child = c.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A child that ends without reading it all says why by its status.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap().into()
}

/// The lines in which two texts differ, for messages.
pub fn difference(a: &str, b: &str) -> String {
    let only = |x: &str, y: &str, sign: char| {
        let there: Vec<&str> = y.lines().collect();
        x.lines().filter(|l| !there.contains(l)).map(|l| format!("{sign} {l}\n")).collect::<String>()
    };
    only(a, b, '-') + &only(b, a, '+')
}

/// Numbers that are the same each time (Steele, Lea, Flood: SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    /// Below a number.
    pub fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % below as u64).unwrap()
    }
    pub fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.roll(list.len())]
    }
    pub fn in_hundred(&mut self, n: usize) -> bool {
        self.roll(100) < n
    }
}

/// Polls until it holds; false if it did not within the seconds.
pub fn until(seconds: u64, mut holds: impl FnMut() -> bool) -> bool {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
    while !holds() {
        if std::time::Instant::now() > end {
            return false;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    true
}
