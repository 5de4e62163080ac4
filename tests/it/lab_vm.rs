//! What was repaired is still so after a boot of a whole machine, with a kernel and a disk of its own (QEMU): repaired over
//! its serial console, as there is no other way in. It is slow without KVM, so that one of each sort is done, and with
//! `RUNBOOK_FULL` alone; every other repair is tried over a reboot of the lab's own hosts (lab_reboot.rs).

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::faults::{self, PRELUDE};
use crate::lab_channels::Host;
use crate::support::{Desk, Run, full, lab_is_on};

/// A service that was not enabled, a file, a directory of /run, a rule that is loaded at boot.
const SORTS: &[&str] = &["stopped", "port_dropin", "rundir_missing", "nft_priority"];

fn book(desk: &Desk, name: &str, sh: &str) -> String {
    let step = json!({"name": name, "check": {"command": {"sh": format!("test -e /root/{name}")}}, "remediation": [{"command": {"sh": sh}}]});
    let text = json!({"name": name, "title": name, "steps": [step]}).to_string();
    desk.write(&format!("{name}.yaml"), &text).display().to_string()
}

/// The name of the boot that it saw.
fn boot(run: &Run) -> Option<&str> {
    run.json["rounds"][0]["facts"]["boot_id"].as_str().filter(|b| !b.is_empty())
}

fn survives(name: &str) -> Result<f64, String> {
    let fault = faults::all().find(|f| f.name == name).ok_or("a fault has another name now")?;
    let (desk, host) = (Desk::new(), Host::up("qemu-unix")?);
    let breaks = book(&desk, "broken", &format!("{PRELUDE}{}\n: >/root/broken", fault.breaks));
    let broken = host.run(&["apply", &breaks, "-y"]);
    if broken.exit != 0 {
        return Err(format!("the fault could not be planted: {}{}", broken.seen(), host.last_words()));
    }
    let apply = [&["apply", "ssh-refused", "-y"], fault.args].concat();
    let repaired = host.run(&apply);
    if repaired.exit != 0 || repaired.all_changes() == 0 {
        return Err(format!("it was not repaired: {}", repaired.seen()));
    }
    let begun = Instant::now();
    let reboot = book(&desk, "rebooted", ": >/root/rebooted; (sleep 3; systemctl --no-block reboot) >/dev/null 2>&1 &");
    host.run(&["apply", &reboot, "-y"]);
    std::thread::sleep(Duration::from_secs(10));
    // The console shows the boot, and then a prompt; a client is let in by sshd as the boot has started it.
    let mut seen = String::new();
    while begun.elapsed() < Duration::from_secs(400) {
        let again = host.run(&apply);
        if boot(&again).is_none_or(|b| Some(b) == boot(&repaired)) {
            continue;
        }
        let proven = again.json["proofs"].as_array().is_some_and(|p| !p.is_empty());
        if (again.exit, again.all_changes()) == (0, 0) && proven {
            return Ok(begun.elapsed().as_secs_f64());
        }
        if again.all_changes() > 0 {
            return Err(format!("after a boot apply has something to do: {}", again.seen()));
        }
        seen = again.seen();
    }
    Err(format!("after a boot no client gets in: {seen}{}", host.last_words()))
}

#[test]
fn a_repair_is_there_after_a_boot_of_a_whole_machine() {
    if !(lab_is_on() && full()) {
        return;
    }
    let mut wrong = String::new();
    for name in SORTS {
        match survives(name) {
            Ok(seconds) => println!("{name}: still in, {seconds:.0} s after the reboot was asked for"),
            Err(why) => writeln!(wrong, "{name}: {why}").unwrap(),
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
