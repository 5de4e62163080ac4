//! What `apply` has repaired on a real host is taken back by `undo`: files, units, rules, and the fault is there again. A few
//! in every test run; all that are repaired with `RUNBOOK_FULL`.

use std::path::Path;

use regex::Regex;

use crate::faults::{self, Fault, PRELUDE, REPAIRED};
use crate::support::{Host, difference, full, lab_is_on, until};

/// One of each sort: a unit that was stopped and disabled, one that was masked, an edit and a restart, a socket in the
/// service's place, rules of iptables and of nftables.
const ALWAYS: &[&str] = &["stopped", "masked", "port_dropin", "socket_ignores_port", "iptables_reject", "nft_priority"];

/// Nothing on record takes these back, which the plan says, and the undo too.
const NOTHING: &str = "nothing on record takes this back|it failed, and may have done a part";

fn taken_back(fault: &Fault) -> Result<(), String> {
    let Some(host) = Host::up_as(fault.kind.word(), &format!("un-{}", fault.name)) else { return Ok(()) };
    host.try_sh(&format!("{PRELUDE}{}", fault.breaks));
    let symptom = Regex::new(fault.symptom).unwrap();
    let refused = || host.does(fault.client, fault.does).is_err_and(|said| symptom.is_match(&said));
    if !until(20, refused) {
        return Err("the client gets in with it".to_owned());
    }
    let (before, service) = (host.contents(), host.try_sh("systemctl is-active ssh.service ssh.socket").stdout);
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks").join(format!("{}.yaml", fault.book));
    let run = host.run("apply", &book, None, fault.args);
    if run.exit != 0 {
        return Err(format!("apply ended with {}: {}", run.exit, run.seen()));
    }
    let id = run.json["run"].as_str().unwrap_or_default().to_owned();
    let back = host.run("undo", Path::new(&id), None, &["-y"]);
    let seen = back.seen();
    if back.exit == 1 && Regex::new(NOTHING).unwrap().is_match(&back.json.to_string()) {
        return Ok(());
    }
    if back.exit != 0 {
        return Err(format!("undo ended with {}: {seen}", back.exit));
    }
    let after = host.contents();
    if after != before {
        return Err(format!("it is not as it was: {}{seen}", difference(&before, &after)));
    }
    // "failed" may be "inactive" by then, and a unit that is tried again and again "activating".
    let runs = |said: &str| said.lines().map(|l| l == "active").collect::<Vec<_>>();
    let now = host.try_sh("systemctl is-active ssh.service ssh.socket").stdout;
    if runs(&now) != runs(&service) {
        return Err(format!("the units were {service:?} and are {now:?}: {seen}"));
    }
    if !until(20, || host.does(fault.client, fault.does).is_err()) {
        return Err(format!("it was taken back, and the client gets in: {seen}"));
    }
    let again = host.run("apply", &book, None, fault.args);
    if again.exit == 0 { Ok(()) } else { Err(format!("after undo: {}", again.seen())) }
}

/// Every `of`-th of them, from the `first`.
fn undone(first: usize, of: usize) {
    if !lab_is_on() {
        return;
    }
    let repaired = faults::all().filter(|f| f.book == REPAIRED.book && f.exit == 0 && f.reboots.is_none());
    let all: Vec<&Fault> = repaired.filter(|f| full() || ALWAYS.contains(&f.name)).collect();
    assert!(
        all.len() >= ALWAYS.len(),
        "a fault has another name now: {:?}",
        all.iter().map(|f| f.name).collect::<Vec<_>>()
    );
    let mut wrong = Vec::new();
    for fault in all.into_iter().skip(first).step_by(of) {
        match taken_back(fault) {
            Ok(()) => eprintln!("{}: taken back", fault.name),
            Err(why) => wrong.push(format!("{}: {why}", fault.name)),
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn undone_1() {
    undone(0, 2);
}

#[test]
fn undone_2() {
    undone(1, 2);
}
