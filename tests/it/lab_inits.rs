//! What `service` does to sshd on hosts of other inits than systemd, running and as disks.

use std::path::PathBuf;

use crate::support::{Desk, Host, full};

const INITS: [&str; 3] = ["sysvinit", "openrc", "runit"];

const HEAD: &str = "name: x\ntitle: x\nrequires: \">=0.1\"\n";

fn book(desk: &Desk, params: &str) -> PathBuf {
    let step = format!("steps:\n  - name: it\n    ensure: {{service: {{name: sshd, {params}}}}}\n");
    desk.write("book.yaml", &format!("{HEAD}{step}"))
}

/// What it changed; a second run changes nothing.
fn done(host: &Host, params: &str) -> Vec<String> {
    let book = book(&host.desk, params);
    let run = host.run("apply", &book, None, &[]);
    assert_eq!(run.exit, 0, "{params}: {}", run.seen());
    let again = host.run("apply", &book, None, &[]);
    assert_eq!((again.exit, again.all_changes()), (0, 0), "{params}: {}", again.seen());
    run.changes(0).iter().filter_map(|c| c["title"].as_str().map(str::to_owned)).collect()
}

/// As a handler does it, after a change of a file of that name.
fn handled(host: &Host, params: &str, file: &str) -> String {
    let step = format!("  - name: it\n    ensure: {{file: {{path: /root/{file}, content: x}}}}\n    notify: [h]\n");
    let handler = format!("handlers:\n  - id: h\n    service: {{name: sshd, {params}}}\n");
    let run = host.run("apply", &host.desk.write("handled.yaml", &format!("{HEAD}{handler}steps:\n{step}")), None, &[]);
    assert_eq!(run.exit, 0, "{params}: {}", run.seen());
    run.changes(0).last().and_then(|c| c["title"].as_str().map(str::to_owned)).unwrap_or_default()
}

fn verbs(init: &str) {
    if !full() {
        eprintln!("skipped: set RUNBOOK_FULL=1");
        return;
    }
    let Some(host) = Host::up_as(init, &format!("verbs-{init}")) else { return };
    let pid = || host.sh("sleep 1; cat /run/sshd.pid");
    let first = pid();
    assert_eq!(handled(&host, "reloaded: true", "a"), "reload ssh");
    assert_eq!(pid(), first);
    assert_eq!(handled(&host, "restarted: true", "b"), "restart ssh");
    assert_ne!(pid(), first);
    assert_eq!(done(&host, "enabled: false"), ["disable ssh"]);
    host.lets_in(&[]).unwrap();
    assert_eq!(done(&host, "running: false"), ["stop ssh"]);
    assert!(host.lets_in(&[]).unwrap_err().contains("refused"));
    assert_eq!(done(&host, "running: true"), ["start ssh"]);
    host.lets_in(&[]).unwrap();
    assert_eq!(done(&host, "enabled: true"), ["enable ssh"]);
    assert_eq!(done(&host, "masked: true"), ["mask ssh"]);
    assert_eq!(done(&host, "masked: false"), ["unmask ssh: it may be started again"]);
    host.lets_in(&[]).unwrap();
}

#[test]
fn every_verb_on_sysvinit() {
    verbs("sysvinit");
}

#[test]
fn every_verb_on_openrc() {
    verbs("openrc");
}

#[test]
fn every_verb_on_runit() {
    verbs("runit");
}

/// A script that does not know `status` would answer with its usage and status 1, as one whose process died does.
#[test]
fn a_script_without_a_status_is_unknown() {
    if !full() {
        eprintln!("skipped: set RUNBOOK_FULL=1");
        return;
    }
    let Some(host) = Host::up_as("sysvinit", "mute") else { return };
    host.sh("sed -i 's/^  status)/  state)/' /etc/init.d/ssh");
    let run = host.run("apply", &book(&host.desk, "running: true"), None, &[]);
    assert_eq!((run.exit, run.all_changes()), (1, 0), "{}", run.seen());
    assert!(run.seen().contains("unknown; ssh: /etc/init.d/ssh has no \"status\""), "{}", run.seen());
    assert!(done(&host, "enabled: true").is_empty());
}

#[test]
fn a_disk_comes_up_with_sshd_again() {
    if !full() {
        eprintln!("skipped: set RUNBOOK_FULL=1");
        return;
    }
    for init in INITS {
        let Some(host) = Host::up_as(init, &format!("disk-{init}")) else { return };
        // Debian's update-rc.d knows OpenRC, too.
        host.sh(if init == "runit" { "rm /etc/service/ssh" } else { "PATH=$PATH:/usr/sbin; update-rc.d ssh disable" });
        let book = book(&host.desk, "enabled: true");
        let via = format!("root:{}", host.disk("/").display());
        let apply = || {
            let out = host.desk.runbook(&[], "apply", &book, &["--via", &via, "-y"]).output().unwrap();
            (out.status.code(), String::from_utf8(out.stdout).unwrap())
        };
        let (code, said) = apply();
        assert!(code == Some(0) && said.contains("1. enable ssh"), "{init}: {said}");
        let (code, said) = apply();
        assert!(code == Some(0) && said.contains("Healthy"), "{init}: {said}");
        // The init itself finds it so.
        assert!(done(&host, "enabled: true").is_empty());
    }
}
