//! What was repaired is still so after a reboot of the host: a new init, an empty /run, no packet filter but what is loaded at
//! boot. A few in every test run; all that are repaired on a host with systemd with `RUNBOOK_FULL`.

use crate::faults::{self, Fault, PRELUDE, REPAIRED};
use crate::support::{Host, full, lab_is_on, until};

/// One of each sort: a service that was not enabled, files, a directory of /run, a packet filter that is loaded at boot.
const ALWAYS: &[&str] = &["stopped", "port_dropin", "rundir_missing", "nft_priority"];

/// What the fault itself puts below /run: no repair brings that back at the next boot.
const LOST: &[&str] = &["key_in_run"];

fn survives(fault: &Fault) -> Result<(), String> {
    let Some(host) = Host::up_as(fault.kind.word(), &format!("re-{}", fault.name)) else { return Ok(()) };
    host.try_sh(&format!("{PRELUDE}{}", fault.breaks));
    if !until(20, || host.lets_in(fault.client).is_err()) {
        return Err("the client gets in with it".to_owned());
    }
    let run = host.apply(fault.args);
    if run.exit != 0 {
        return Err(format!("apply ended with {}: {}", run.exit, run.seen()));
    }
    if !host.reboot() {
        return Err("the host did not come up again".to_owned());
    }
    let stranger = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"];
    let client = [fault.client, if fault.new_keys { &stranger[..] } else { &[] }].concat();
    let mut said = String::new();
    let in_again = until(40, || host.lets_in(&client).map_err(|e| said = e).is_ok());
    if !in_again {
        return Err(format!("after a reboot the client does not get in: {said}\n{}", run.seen()));
    }
    let again = host.apply(fault.args);
    if (again.exit, again.all_changes()) != (0, 0) {
        return Err(format!("after a reboot apply has something to do: {}", again.seen()));
    }
    Ok(())
}

/// Every `of`-th of them, from the `first`.
fn reboots(first: usize, of: usize) {
    let systemd = |f: &&Fault| ["service", "socket", "generator"].iter().any(|k| f.kind.word().contains(k));
    let repaired = faults::all().filter(|f| f.book == REPAIRED.book && f.exit == 0 && f.reboots.is_none());
    let repaired = repaired.filter(|f| !LOST.contains(&f.name));
    let all: Vec<&Fault> = repaired.filter(systemd).filter(|f| full() || ALWAYS.contains(&f.name)).collect();
    assert!(all.len() >= ALWAYS.len(), "a fault has another name now");
    let mut wrong = Vec::new();
    for fault in all.into_iter().skip(first).step_by(of) {
        match survives(fault) {
            Ok(()) => eprintln!("{}: still in", fault.name),
            Err(why) => wrong.push(format!("{}: {why}", fault.name)),
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

macro_rules! parts {
    ($($name:ident $first:literal)*) => {
        $(#[test]
        fn $name() {
            if lab_is_on() {
                reboots($first, 4);
            }
        })*
    };
}

parts! { reboots_1 0 reboots_2 1 reboots_3 2 reboots_4 3 }
