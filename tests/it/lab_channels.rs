//! The same fault, repaired over each way into a host, with the same diffs as over `exec:`. A few in CI; every way that
//! the lab has with `--full`, whose dated table is docs/lab-channels.md.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use crate::support::{Done, LAB, Run, bin, full, lab_is_on};

/// The ways of CI, the first being what the others are compared with.
const CI: &[&str] = &["nsenter", "ssh-port", "nspawn", "qemu-unix"];
/// The others.
const MORE: &[&str] = &[
    "qemu-telnet",
    "qemu-pty",
    "ser2net-telnet",
    "ser2net-raw",
    "conserver",
    "ipmi",
    "lxc",
    "podman",
    "docker",
    "machined-run",
    "machined-shell",
    "libvirt-console",
    "libvirt-agent",
    "ssh-jump",
    "ssh-key",
    "ssh-password",
    "ssh-unix",
];

/// A container that may make no mount: the candidates are tried right after the write there (DESIGN 2.8), so that sshd is
/// restarted where it would have been started.
const CONFINED: &[&str] = &["podman"];

/// sshd stopped and disabled, with a misspelt line: planted over the very way that is then used.
const BREAK: &str = "name: break\ntitle: break\nsteps:\n  - name: break\n    check: {command: {sh: 'test -e /root/broken'}}\n    remediation:\n\
    \x20     - command: {sh: \"sed -i '1i Prot 22' /etc/ssh/sshd_config; systemctl -q disable --now ssh.service; : >/root/broken\"}\n";

/// A host that is taken down at the end, whatever happens.
pub struct Host {
    kind: &'static str,
    name: String,
    facts: Vec<(String, String)>,
}

impl Host {
    pub fn up(kind: &'static str) -> Result<Self, String> {
        let name = format!("w-{kind}-{}", std::process::id() % 10_000);
        let out = Command::new(way()).args(["up", kind, &name]).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let pair = |l: &str| l.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
        let host = Self { kind, name, facts: text.lines().filter_map(pair).collect() };
        if out.status.success() { Ok(host) } else { Err(String::from_utf8_lossy(&out.stderr).into_owned()) }
    }
    pub fn fact(&self, key: &str) -> &str {
        self.facts.iter().find(|f| f.0 == key).map_or("", |f| f.1.as_str())
    }
    /// What the lab has to say of it.
    pub fn last_words(&self) -> String {
        let log = fs::read_to_string(format!("/run/runbook-lab/{}/lab.log", self.name)).unwrap_or_default();
        log.lines().rev().take(12).map(|l| format!("  {l}\n")).collect()
    }
    /// By the preset's own line where there is one.
    fn via(&self) -> String {
        let via = [self.fact("preset"), self.fact("via")].into_iter().find(|f| !f.is_empty()).unwrap_or_default();
        if via.starts_with("ssh:") { format!("{via}?config={}", self.fact("ssh_config")) } else { via.to_owned() }
    }
    pub fn run(&self, args: &[&str]) -> Run {
        let mut command = Command::new(LAB);
        command.args(["ctl", bin()]).args(args).args(["-o", "json", "--via", &self.via(), "--login", "root"]);
        let address = self.fact("address");
        if args[0] == "apply" && address != "-" {
            command.args(["--address", address]);
        }
        let state = tempfile::tempdir().unwrap();
        // Those tools run in namespaces of their own: what is on the PATH by their name goes there.
        if let Some((name, there)) = self.fact("tool").split_once(' ') {
            let tool = state.path().join(name);
            let path = std::env::var("PATH").unwrap();
            fs::write(&tool, format!("#!/bin/sh\nPATH='{path}' exec {there} \"$@\"\n")).unwrap();
            fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
            command.env("PATH", format!("{}:{path}", state.path().display()));
        }
        command.envs(self.fact("environment").split_once('='));
        let done: Done = command
            .env("RUNBOOK_PASSWORD", self.fact("password"))
            .env("XDG_STATE_HOME", state.path())
            .output()
            .unwrap()
            .into();
        done.into()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = Command::new(way()).args(["down", self.kind, &self.name]).output();
    }
}

fn way() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/way"))
}

/// What the repair showed: titles and diffs of all rounds, without times, which differ by nothing else.
fn shown(run: &Run) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let rounds = run.json["rounds"].as_array().map_or(0, Vec::len);
    (0..rounds).flat_map(|r| run.changes(r)).map(|c| (text(&c["title"]), text(&c["diff"]))).collect()
}

/// Broken, looked at, repaired, looked at again over one way. A row of the table, and what was shown.
fn one(kind: &'static str, book: &str) -> (Vec<(String, String)>, String) {
    let begun = Instant::now();
    let host = Host::up(kind).unwrap_or_else(|e| panic!("{kind} did not come up: {e}"));
    let up = begun.elapsed();
    let broken = host.run(&["apply", book, "-y", "--no-guard"]);
    assert_eq!(broken.exit, 0, "{kind}: the fault could not be planted: {}{}", broken.seen(), host.last_words());
    let begun = Instant::now();
    let repaired = host.run(&["apply", "ssh-refused", "-y"]);
    let took = begun.elapsed();
    assert_eq!(repaired.exit, 0, "{kind}: {}", repaired.seen());
    let again = host.run(&["apply", "ssh-refused", "-y"]);
    assert_eq!((again.exit, again.all_changes()), (0, 0), "{kind}: a second apply changes nothing: {}", again.seen());
    let wire = &again.json["wire"];
    let row = format!(
        "| {kind} | {} | {:.1} s | {:.1} s | {} | {} | {} |",
        repaired.json["channel"].as_str().unwrap_or_default(),
        up.as_secs_f64(),
        took.as_secs_f64(),
        wire["round_trips"],
        wire["bytes_sent"],
        wire["bytes_received"],
    );
    println!("{row}");
    (shown(&repaired), row)
}

#[test]
fn a_fault_is_repaired_over_every_way_with_the_same_diffs() {
    if !lab_is_on() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let book = dir.path().join("break.yaml");
    fs::write(&book, BREAK).unwrap();
    let book = book.to_str().unwrap();
    // RUNBOOK_WAYS=docker,lxc: these alone, beside the first, for whoever mends one.
    let chosen = std::env::var("RUNBOOK_WAYS").unwrap_or_default();
    let picked = |k: &&&'static str| chosen.is_empty() || chosen.split(',').any(|c| c == **k);
    let more = if full() { MORE } else { &[] };
    let (reference, first) = one(CI[0], book);
    assert_eq!(reference.len(), 3, "an edit, enable, start: {reference:?}");
    let mut table = first + "\n";
    for kind in CI[1..].iter().chain(more).filter(picked) {
        let (seen, row) = one(kind, book);
        if CONFINED.contains(kind) {
            let diffs = |all: &[(String, String)]| all.iter().filter(|c| !c.1.is_empty()).cloned().collect::<Vec<_>>();
            assert_eq!(diffs(&seen), diffs(&reference), "{kind}");
            assert_eq!(seen.len(), reference.len(), "{kind}: {seen:?}");
        } else {
            assert_eq!(seen, reference, "{kind}");
        }
        let _ = writeln!(table, "{row}");
    }
    if full() && chosen.is_empty() {
        let today = jiff::Zoned::now().date();
        let head = format!(
            "# The same fault over every way in\n\n{today}, `tests/run --full`: sshd stopped and disabled and a misspelt line, repaired by `ssh-refused` over\n\
             each way with the same diffs as over `exec:`; bytes and round trips are of the plan on the healthy host after it.\n\n\
             | way | channel | up | repair | round trips | bytes sent | received |\n| --- | --- | --- | --- | --- | --- | --- |\n"
        );
        fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/lab-channels.md"), head + &table).unwrap();
    }
}

/// A jump host stands between clients and the target: what a client sees is looked at from there, whatever way is taken
/// to repair it. And a host key that is not the known one is never accepted.
#[test]
fn clients_come_by_way_of_the_jump_host() {
    if !lab_is_on() {
        return;
    }
    let host = Host::up("ssh-jump").unwrap_or_else(|e| panic!("it did not come up: {e}"));
    let jump = format!("{}-jump", host.name);
    let run = |args: &[&str], via: &[&str]| -> Run {
        let mut command = Command::new(LAB);
        command.args(["ctl", bin()]).args(args).args(["-o", "json"]);
        via.iter().for_each(|v| {
            command.args(["--via", v]);
        });
        Done::from(command.output().unwrap()).into()
    };
    let lab = |sh: &str| {
        let out = Command::new(LAB).args(["sh", &host.name, "-c", sh]).output().unwrap();
        assert!(out.status.success(), "{sh}: {}", String::from_utf8_lossy(&out.stderr));
    };
    let ssh = host.via();
    let client =
        |run: &Run| run.json["rounds"][0]["steps"].as_array().unwrap().iter().find(|s| s["id"] == "client").cloned();

    let healthy = run(&["plan", "ssh-refused"], &[&ssh]);
    let seen = client(&healthy).unwrap_or_default();
    let evidence = seen["evidence"].as_str().unwrap_or_default();
    assert_eq!(healthy.exit, 0, "{}", healthy.seen());
    assert!(
        evidence.contains(&format!(" port 22 by way of root@{jump}"))
            || evidence.contains(&format!("by way of {jump}")),
        "{seen:#}"
    );
    assert!(evidence.contains("answers \"SSH-2.0-"), "{seen:#}");

    lab("systemctl disable --now ssh.service 2>/dev/null");
    // The first way is refused: it leads to port 22 by the same host.
    let closed = format!("{ssh}&option=Port=22");
    let repaired = run(&["apply", "ssh-refused", "-y"], &[&closed, &ssh]);
    assert_eq!(repaired.exit, 0, "{}", repaired.seen());
    let seen = client(&repaired).unwrap_or_default();
    assert!(seen["finding"].as_str().unwrap_or_default().ends_with("connection refused"), "{seen:#}");
    let tried = repaired.json["tried"].to_string();
    assert!(tried.contains("connection refused"), "{tried}");
    let verified = repaired.json["verified"].to_string();
    assert!(verified.contains("by way of") && verified.contains("SSH-2.0-"), "{verified}");

    let config = host.fact("ssh_config").to_owned();
    let known = format!("/run/runbook-lab/{}/known_hosts", host.name);
    let keys = fs::read_to_string(&known).unwrap();
    let refused = |keys: &str, why: &str, hint: &str| {
        fs::write(&known, keys).unwrap();
        let run = run(&["plan", "ssh-refused"], &[&ssh]);
        let error = run.json["error"].to_string();
        assert_eq!(run.exit, 3, "{config}: {}", run.seen());
        assert!(error.contains(why) && error.contains(hint), "{error}");
        assert_eq!(fs::read_to_string(&known).unwrap(), keys, "a key was accepted unseen");
    };
    let other = keys.lines().filter(|l| !l.trim().is_empty()).map(|l| l.split(' ').next().unwrap()).next().unwrap();
    let other = format!("{other} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g\n");
    refused(&other, "not the one that is known", "ssh-keygen -R");
    refused("", "not known here", "compare the fingerprint");
    fs::write(&known, keys).unwrap();
    assert_eq!(run(&["plan", "ssh-refused"], &[&ssh]).exit, 0);
}
