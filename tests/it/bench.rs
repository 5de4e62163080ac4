//! A runbook over `exec:sh`: real scripts on this machine's sh, on files in a temporary directory. No root, no lab.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// One run per target at a time: for all tests here the target is this machine.
static THIS_MACHINE: Mutex<()> = Mutex::new(());

pub struct Bench {
    pub dir: tempfile::TempDir,
    pub via: String,
    _alone: MutexGuard<'static, ()>,
}

pub struct Run {
    pub exit: i32,
    pub json: Value,
    pub text: String,
}

impl Bench {
    pub fn new() -> Self {
        let alone = THIS_MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = tempfile::tempdir().unwrap();
        let via = Self::via(dir.path(), "sh");
        Self { dir, via, _alone: alone }
    }
    /// As root, what a run leaves on its target (the lock, the kept copies) stays in the directory too.
    pub fn via(dir: &Path, shell: &str) -> String {
        if fs::metadata("/proc/self").unwrap().uid() != 0 {
            return format!("exec:{shell}");
        }
        let at = dir.display();
        for d in ["run", "lib"] {
            fs::create_dir_all(dir.join(d)).unwrap();
        }
        format!("exec:unshare -m sh -c 'mount --bind {at}/run /run && mount --bind {at}/lib /var/lib && exec {shell}'")
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    /// `DIR` in a text is this bench's directory.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace("DIR", &self.dir.path().display().to_string())).unwrap();
    }
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
    pub fn run(&self, args: &[&str]) -> Run {
        self.run_with(&[], args)
    }
    /// With these in its environment.
    pub fn run_with(&self, env: &[(&str, &str)], args: &[&str]) -> Run {
        let out = assert_cmd::Command::new(crate::support::bin())
            .args(args)
            .envs(env.iter().copied())
            .args(if ["runs", "lint"].contains(&args[0]) { vec![] } else { vec!["--via", &self.via] })
            .env("XDG_STATE_HOME", self.path("state"))
            .current_dir(self.dir.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        let json = serde_json::from_slice(&out.stdout).unwrap_or(Value::Null);
        Run { exit: out.status.code().unwrap(), json, text }
    }
    pub fn apply(&self) -> Run {
        self.run(&["apply", "./book.yaml", "-y", "-o", "json"])
    }
    pub fn plan(&self) -> Run {
        self.run(&["plan", "./book.yaml", "-o", "json"])
    }
}

impl Run {
    pub fn expect(self, exit: i32) -> Self {
        assert_eq!(self.exit, exit, "{}", self.text);
        self
    }
    /// The statuses of the first round's steps.
    pub fn statuses(&self) -> Vec<&str> {
        self.json["rounds"][0]["steps"].as_array().unwrap().iter().map(|s| s["status"].as_str().unwrap()).collect()
    }
    pub fn changes(&self) -> Vec<&str> {
        self.json["rounds"][0]["changes"].as_array().unwrap().iter().map(|s| s["title"].as_str().unwrap()).collect()
    }
}

impl Bench {
    /// At a terminal, with what a person types.
    pub fn typed(&self, args: &[&str], keys: &str) -> Run {
        let quote = |w: &str| format!("'{}'", w.replace('\'', r"'\''"));
        let words = [&[crate::support::bin()], args, &["--via", &self.via]].concat();
        let line = words.iter().map(|w| quote(w)).collect::<Vec<_>>().join(" ");
        let out = assert_cmd::Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .env("NO_COLOR", "1")
            .env("XDG_STATE_HOME", self.path("state"))
            .current_dir(self.dir.path())
            .write_stdin(keys)
            .timeout(std::time::Duration::from_secs(60))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout).replace('\r', "");
        Run { exit: out.status.code().unwrap(), json: Value::Null, text }
    }
    /// The records of the one run there was.
    pub fn journal(&self) -> Vec<Value> {
        let run = fs::read_dir(self.path("state/runbook/runs")).unwrap().next().unwrap().unwrap().path();
        let text = fs::read_to_string(run.join("journal.jsonl")).unwrap();
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }
}
