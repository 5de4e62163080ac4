//! Runs scripts in every shell there is, and looks for what they leave behind.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use runbook::target::frame::{Answer, FrameError, parse};
use runbook::target::probe::{Check, OverlaySpec, Probe, compile};

/// Name, program, whether it must be there.
const SHELLS: &[(&str, &str, bool)] = &[
    ("dash", "/usr/bin/dash", true),
    ("bash", "/usr/bin/bash", true),
    // bash is in its POSIX mode when it is called `sh`.
    ("bash-posix", "/usr/bin/bash", true),
    ("busybox", "/usr/bin/busybox", true),
    ("mksh", "/usr/bin/mksh", false),
    ("ksh93", "/usr/bin/ksh93", false),
];

/// A shell under test, and a directory where it is the `sh` that scripts find on the PATH.
#[derive(Clone, Copy)]
pub struct Shell {
    pub name: &'static str,
    program: &'static str,
}

pub fn shells() -> Vec<Shell> {
    let there = |&&(_, program, must): &&(&str, &str, bool)| {
        let there = PathBuf::from(program).exists();
        // `tests/run` installs them; `cargo test` alone takes what there is.
        assert!(there || !must || std::env::var_os("RUNBOOK_LAB").is_none(), "{program} is missing");
        there
    };
    let shell = |&(name, program, _)| Shell { name, program };
    SHELLS.iter().filter(there).map(shell).collect()
}

pub fn dash() -> Shell {
    shells().remove(0)
}

impl Shell {
    /// PATH with this shell as `sh`.
    pub fn path(self) -> String {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(self.name);
        std::fs::create_dir_all(&dir).expect("temporary directory");
        let link = dir.join("sh");
        if let Err(error) = std::os::unix::fs::symlink(self.program, &link) {
            assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
        }
        format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", dir.display())
    }

    /// The shell, reading a script from standard input; `wrap` goes before it.
    pub fn command(self, wrap: &[&str]) -> Command {
        let sh = match self.name {
            "bash-posix" => vec!["/usr/bin/bash", "--posix"],
            "busybox" => vec!["/usr/bin/busybox", "sh"],
            _ => vec![self.program],
        };
        let mut words = wrap.iter().copied().chain(sh);
        let mut command = Command::new(words.next().expect("a shell"));
        command
            .args(words)
            .env("PATH", self.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn spawn(self, wrap: &[&str], script: &str) -> Child {
        let mut child = self.command(wrap).spawn().expect("a shell");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(script.as_bytes()).expect("reads its script");
        child
    }

    /// Waits for the end of both streams, as a channel does.
    pub fn run(self, wrap: &[&str], script: &str) -> Output {
        let child = self.spawn(wrap, script);
        child.wait_with_output().expect("output")
    }
}

/// A probe under test.
#[derive(Default)]
pub struct Case {
    pub checks: Vec<Check>,
    pub overlays: Vec<OverlaySpec>,
    pub prelude: String,
    pub wrap: Vec<&'static str>,
    /// Sent ahead of the script.
    pub ahead: String,
}

pub struct Ran {
    pub answers: Result<Vec<Answer>, FrameError>,
    pub output: Output,
    pub took: Duration,
    pub nonce: String,
}

impl Case {
    pub fn of(checks: impl IntoIterator<Item = Check>) -> Self {
        let checks = checks.into_iter().collect();
        Self { checks, ..Self::default() }
    }

    pub fn script(&self, nonce: &str) -> String {
        let probe = Probe { nonce, checks: &self.checks, overlays: &self.overlays, prelude: &self.prelude };
        compile(&probe).expect("a probe that compiles")
    }

    pub fn run(&self, shell: Shell) -> Ran {
        let nonce = nonce();
        let script = self.ahead.clone() + &self.script(&nonce);
        let start = Instant::now();
        let output = shell.run(&self.wrap, &script);
        let took = start.elapsed();
        let answers = parse(&nonce, self.checks.len(), &output.stdout);
        Ran { answers, output, took, nonce }
    }

    /// Runs, wants a whole frame and nothing left behind.
    pub fn answers(&self, shell: Shell) -> Vec<Answer> {
        let ran = self.run(shell);
        ran.nothing_left();
        ran.answers.unwrap_or_else(|error| {
            let stderr = String::from_utf8_lossy(&ran.output.stderr);
            panic!("{}: {error}\n{stderr}", shell.name)
        })
    }
}

impl Ran {
    pub fn nothing_left(&self) {
        nothing_left(&self.nonce);
    }
}

pub fn nothing_left(nonce: &str) {
    assert_eq!(marked(nonce), Vec::<String>::new(), "processes are left");
    assert_eq!(directories(nonce), Vec::<PathBuf>::new());
}

/// The command lines of the processes with the mark of this probe.
pub fn marked(nonce: &str) -> Vec<String> {
    let mark = format!("RUNBOOK_PROBE={nonce}.");
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if String::from_utf8_lossy(&environ).contains(&mark) {
            let cmdline = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push(String::from_utf8_lossy(&cmdline).replace('\0', " "));
        }
    }
    found
}

pub fn directories(nonce: &str) -> Vec<PathBuf> {
    let ours = |path: &PathBuf| {
        let name = path.file_name().and_then(OsStr::to_str);
        name.is_some_and(|name| name.contains(nonce))
    };
    ["/dev/shm", "/run", "/tmp"]
        .iter()
        .filter_map(|dir| std::fs::read_dir(dir).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
        .filter(ours)
        .collect()
}

pub fn nonce() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("n{}x{next:05}", std::process::id())
}

pub fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id");
    output.stdout == b"0\n"
}

/// A check by a user, with ten seconds.
pub fn user(script: &str) -> Check {
    Check { script: script.to_owned(), isolate: true, deadline: Duration::from_secs(10), overlay: None, acts: false }
}

/// A check of our own.
pub fn builtin(script: &str) -> Check {
    Check { isolate: false, ..user(script) }
}

pub fn within(seconds: u64, check: Check) -> Check {
    let deadline = Duration::from_secs(seconds);
    Check { deadline, ..check }
}
