//! One runbook on every sh: dash, bash, and a target that has busybox alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Desk, Done, Run, fixture, lab_is_on};

const BUSYBOX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/busybox");

/// What the runbook finds.
fn furnish(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join("old"), "old\n").unwrap();
    fs::write(dir.join("edit.conf"), "#Port 2222\r\nOther yes\r\n").unwrap();
    fs::write(dir.join("app.ini"), "[db]\nport = 1\n[web]\nport = 2\nhost = h").unwrap();
}

/// Plans, applies and applies again; `inside` is the directory as the target sees it, `outside` as we do.
fn works(desk: &Desk, via: &str, inside: &str, outside: &Path) {
    furnish(outside);
    let dir = format!("dir={inside}");
    let run = |verb: &str| -> Run {
        let yes: &[&str] = if verb == "apply" { &["-y"] } else { &[] };
        let args = [&["--via", via, "-e", &dir, "-o", "json"], yes].concat();
        Done::from(desk.runbook(&[], verb, &fixture("shells.yaml"), &args).output().unwrap()).into()
    };
    let plan = run("plan");
    assert_eq!(plan.exit, 4, "plan over {via}: {}", plan.seen());
    assert!(plan.changes(0).len() >= 7, "plan over {via}: {}", plan.seen());
    assert!(outside.join("old").exists() && !outside.join("made").exists(), "the plan over {via} changed something");
    let apply = run("apply");
    assert_eq!(apply.exit, 0, "apply over {via}: {}", apply.seen());
    assert_eq!(plan.changes(0), apply.changes(0), "plan and apply over {via}: {}{}", plan.seen(), apply.seen());
    let odd = outside.join("made/it's 100% $HOME.txt");
    let text = |p: &Path| String::from_utf8_lossy(&fs::read(p).unwrap_or_default()).into_owned();
    let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o7777;
    assert_eq!(text(&odd), "-n 'single' \"double\" `id` $(id) \\n \\\\ %s é\ttab\n\nlast", "over {via}");
    assert_eq!((mode(&odd), mode(&outside.join("made"))), (0o640, 0o750), "over {via}");
    assert_eq!(fs::read_link(outside.join("link")).unwrap(), Path::new("made"), "over {via}");
    assert!(!outside.join("old").exists(), "over {via}: old is still there");
    assert_eq!(text(&outside.join("app.ini")), "[db]\nport = 1\n[web]\nport = 80\nhost = h", "over {via}");
    assert_eq!(text(&outside.join("stamp")), "stamped\n", "over {via}");
    let edited = text(&outside.join("edit.conf"));
    assert!(
        edited.starts_with("Port 22\r\nOther yes\r\n") && edited.contains("one\r\ntwo\r\n"),
        "over {via}: {edited:?}"
    );
    let listing = || {
        Done::from(Command::new("find").arg(outside).args(["-printf", "%p %m %s %T@ %i\n"]).output().unwrap()).stdout
    };
    let before = listing();
    let again = run("apply");
    assert_eq!((again.exit, again.all_changes()), (0, 0), "second apply over {via}: {}", again.seen());
    assert_eq!(before, listing(), "the second apply over {via} touched something");
}

/// An sh of this machine whose /run and /var/lib are a directory of the test's: its lock and its records are no
/// business of the machine's, nor of the test beside it.
fn own_shell(desk: &Desk, shell: &str) -> String {
    for dir in ["run", "lib"] {
        fs::create_dir(desk.path(dir)).unwrap();
    }
    let (run, lib) = (desk.path("run"), desk.path("lib"));
    let sh = format!("mount --bind {} /run && mount --bind {} /var/lib && exec {shell}", run.display(), lib.display());
    format!("exec:{}", desk.program("shell", &format!("exec unshare --mount sh -c '{sh}'")).display())
}

fn on(shell: &str) {
    if !lab_is_on() {
        return;
    }
    let desk = Desk::new();
    let via = own_shell(&desk, shell);
    let dir = desk.path("work");
    works(&desk, &via, dir.to_str().unwrap(), &dir);
    assert!(!desk.path("run/runbook.lock").exists(), "{shell}: the lock is still there");
}

#[test]
fn dash() {
    on("dash");
}

#[test]
fn bash() {
    on("bash");
}

#[test]
fn bash_as_sh() {
    on("bash --posix");
}

#[test]
fn busybox_ash_of_this_machine() {
    on("busybox sh");
}

fn busybox(proc: &str) {
    if !lab_is_on() {
        return;
    }
    let desk = Desk::new();
    let tree: PathBuf = desk.path("tree");
    let made = Done::from(Command::new(BUSYBOX).arg("make").arg(&tree).output().unwrap());
    assert_eq!(made.code, 0, "busybox make: {}", made.stderr);
    let via = format!("exec:{BUSYBOX} sh {proc}{}", tree.display());
    works(&desk, &via, "/etc/lab", &tree.join("etc/lab"));
    assert!(!tree.join("run/runbook.lock").exists(), "the lock is still there");
}

#[test]
fn busybox_alone() {
    busybox("--proc ");
}

#[test]
fn busybox_alone_without_proc() {
    busybox("");
}
