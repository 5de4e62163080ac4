//! A static binary, as it is carried to a machine that has next to nothing, repairs that machine: `local:` in a tree where
//! busybox is all there is. It takes a build of its own, so that it is done with `RUNBOOK_FULL` alone.

use std::fs;
use std::process::Command;

use crate::support::{Done, fed, full, lab_is_on};

const BUSYBOX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/busybox");

/// The binary, built for itself: glibc is in it (rustc, `-C target-feature=+crt-static`).
fn built() -> std::path::PathBuf {
    let root = env!("CARGO_MANIFEST_DIR");
    let dir = format!("{root}/target/static");
    let made = Command::new("cargo")
        .args(["build", "--locked", "--release", "--target", "x86_64-unknown-linux-gnu", "--target-dir", &dir])
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .current_dir(root)
        .output();
    let made = Done::from(made.unwrap());
    assert_eq!(made.code, 0, "{}", made.stderr);
    format!("{dir}/x86_64-unknown-linux-gnu/release/runbook").into()
}

const BOOK: &str = "name: t\ntitle: t\nsteps:\n\
    - {name: root's login is shut, ensure: {edit: {path: /etc/ssh/sshd_config, line: PermitRootLogin no, match: '^PermitRootLogin'}}}\n\
    - {name: a name is there, ensure: {file: {path: /etc/motd, content: \"box\\n\", mode: '0640'}}}\n";

#[test]
fn a_static_binary_repairs_a_busybox_by_itself() {
    if !(lab_is_on() && full()) {
        return;
    }
    let binary = built();
    let linked = Done::from(Command::new("ldd").arg(&binary).output().unwrap());
    assert!(format!("{}{}", linked.stdout, linked.stderr).contains("statically linked"), "{linked:?}");
    let desk = crate::support::Desk::new();
    let tree = desk.path("tree");
    let made = Done::from(Command::new(BUSYBOX).arg("make").arg(&tree).output().unwrap());
    assert_eq!(made.code, 0, "{}", made.stderr);
    fs::copy(&binary, tree.join("bin/runbook")).unwrap();
    fs::write(tree.join("root/t.yaml"), BOOK).unwrap();
    let inside = |line: &str| -> Done {
        let mut c = Command::new(BUSYBOX);
        fed(c.args(["sh", "--proc"]).arg(&tree), format!("cd /root; HOME=/root; export HOME; {line}\n").as_bytes())
    };
    let first = inside("runbook apply t.yaml -y");
    assert_eq!(first.code, 0, "{}{}", first.stdout, first.stderr);
    assert!(first.stdout.contains("Repaired: 2 changes"), "{}", first.stdout);
    assert_eq!(fs::read_to_string(tree.join("etc/ssh/sshd_config")).unwrap(), "Port 22\nPermitRootLogin no\n");
    let second = inside("runbook apply t.yaml -y");
    assert_eq!(second.code, 0, "{}{}", second.stdout, second.stderr);
    assert!(second.stdout.contains("nothing to do") || second.stdout.contains("Healthy"), "{}", second.stdout);
    // There is no sshd at all: that is found, and said.
    let guide = inside("runbook plan ssh-refused");
    assert!(matches!(guide.code, 1 | 4) && guide.stdout.contains("sshd"), "{}{}", guide.stdout, guide.stderr);
    let back = inside("runbook undo $(ls /root/.local/state/runbook/runs | head -n 1) -y");
    assert_eq!(back.code, 0, "{}{}", back.stdout, back.stderr);
    assert!(!tree.join("etc/motd").exists());
}
