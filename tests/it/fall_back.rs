//! A channel that is lost in mid-run: the run goes on over the next from the record, and repeats nothing.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Done, bin};

/// Appends a line each time it runs, so that what is done twice shows.
const BOOK: &str = "name: t\ntitle: t\nhandlers:\n  - id: h\n    command: {sh: 'echo handler >>DIR/log'}\nsteps:\n\
    - {name: one, ensure: {file: {path: DIR/one, content: \"1\\n\"}}, notify: [h]}\n\
    - {name: two, ensure: {edit: {path: DIR/conf, line: two}}, notify: [h]}\n\
    - {name: three, check: {command: {sh: 'test -e DIR/three'}}, remediation: [{command: {sh: 'echo three >>DIR/log; : >DIR/three'}}]}\n";

/// An `sh` that is cut off at call number `@CUT@` and ever after: before the script, or after it, so that its answer is lost.
const FLAKY: &str = "#!/bin/sh\nn=$(($(cat DIR/calls) + 1)); echo $n >DIR/calls\n\
    [ $n -lt @CUT@ ] && exec unshare -m sh -c 'mount --bind DIR/run /run && mount --bind DIR/lib /var/lib && exec sh'\n\
    [ @MODE@ = after ] && [ $n = @CUT@ ] && unshare -m sh -c 'mount --bind DIR/run /run && mount --bind DIR/lib /var/lib && exec sh' >/dev/null\n\
    echo the line is cut >&2; exit 1\n";

fn bench(dir: &Path, cut_at: usize, mode: &str) -> Value {
    let done = run(
        dir,
        cut_at,
        mode,
        "unshare -m sh -c 'mount --bind DIR/run /run && mount --bind DIR/lib /var/lib && exec sh'",
    );
    assert_eq!(done.code, 0, "cut {mode} call {cut_at}: {}{}", done.stdout, done.stderr);
    serde_json::from_str(&done.stdout).unwrap()
}

/// `next` is the way after the one that is cut.
fn run(dir: &Path, cut_at: usize, mode: &str, next: &str) -> Done {
    let at = dir.display().to_string();
    for d in ["run", "lib"] {
        fs::create_dir(dir.join(d)).unwrap();
    }
    fs::write(dir.join("conf"), "one\n").unwrap();
    fs::write(dir.join("calls"), "0").unwrap();
    fs::write(dir.join("book.yaml"), BOOK.replace("DIR", &at)).unwrap();
    let flaky = FLAKY.replace("DIR", &at).replace("@MODE@", mode).replace("@CUT@", &cut_at.to_string());
    fs::write(dir.join("flaky"), flaky).unwrap();
    let next = format!("exec:{}", next.replace("DIR", &at));
    let run = std::process::Command::new(bin())
        .args(["apply", "./book.yaml", "-y", "-o", "json"])
        .args(["--via", &format!("exec:sh {at}/flaky"), "--via", &next])
        .env("XDG_STATE_HOME", dir.join("state"))
        .current_dir(dir)
        .output()
        .unwrap();
    Done::from(run)
}

/// The first call at which cutting changes nothing any more is one after the last.
fn every_call(mode: &str) {
    if !nix_root() {
        eprintln!("skipped: it takes root to give the target a /run of its own");
        return;
    }
    for cut_at in 1..40 {
        let dir = TempDir::new().unwrap();
        let json = bench(dir.path(), cut_at, mode);
        let read = |f: &str| fs::read_to_string(dir.path().join(f)).unwrap();
        assert_eq!(read("one"), "1\n");
        assert_eq!(read("conf"), "one\ntwo\n");
        let mut log: Vec<String> = read("log").lines().map(str::to_owned).collect();
        log.sort();
        assert_eq!(log, ["handler", "three"], "cut {mode} call {cut_at}: {json:#}");
        assert!(!dir.path().join("run/runbook.lock").exists(), "cut {mode} call {cut_at}: the lock is not given back");
        let tried = json["tried"].as_array().unwrap();
        if tried.is_empty() {
            println!("cut {mode} each of {} calls: finished over the second channel each time", cut_at - 1);
            assert!(cut_at > 5, "a run has more calls than that");
            return;
        }
        assert_eq!(tried.len(), 1);
        assert!(tried[0]["why"].as_str().unwrap().contains("the line is cut"), "{tried:?}");
    }
    panic!("no end of calls");
}

/// What was begun on one machine is not gone on with on another, whoever listed it as a way to the same one.
#[test]
fn the_next_way_leads_to_another_machine() {
    if !nix_root() {
        eprintln!("skipped: it takes root to give the target a /run of its own");
        return;
    }
    let dir = TempDir::new().unwrap();
    let other = "unshare -m -u sh -c 'hostname other-machine && mount --bind DIR/run /run && mount --bind DIR/lib /var/lib && exec sh'";
    let mut begun = 0;
    for cut_at in 1..12 {
        let dir = dir.path().join(cut_at.to_string());
        fs::create_dir(&dir).unwrap();
        let done = run(&dir, cut_at, "before", other);
        let json: Value = serde_json::from_str(&done.stdout).unwrap();
        let changed = dir.join("one").exists();
        if json["tried"][0]["lost"] != true {
            continue;
        }
        begun += 1;
        assert_eq!(done.code, 1, "cut at call {cut_at}: {}", done.stdout);
        let why = json["error"]["why"].as_str().unwrap_or_default();
        assert!(why.contains("there is other-machine, and the changes were begun on"), "{why}");
        assert!(json["error"]["hint"].as_str().is_some_and(|h| h.contains("nothing was done there")), "{json:#}");
        let log = fs::read_to_string(dir.join("log")).unwrap_or_default();
        assert!(changed || log.is_empty(), "something was done on the other machine: {log}");
    }
    assert!(begun > 3, "only {begun} of the cuts came after the run had begun");
}

fn nix_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn cut_before_a_script() {
    every_call("before");
}

#[test]
fn cut_after_a_script() {
    every_call("after");
}
