//! What clients connect to is not the host but something in front of it: cause 50.

use crate::support::{Host, full, shipped};

#[test]
fn what_stands_in_front_is_told_from_the_host() {
    if !full() {
        return eprintln!("skipped: set RUNBOOK_FULL=1");
    }
    let Some(host) = Host::up("front") else { return };
    // An address that the controller has, as a load balancer has that of its service; nothing passes it on.
    let front = "10.77.0.1";
    let said = host.does(&["-o", &format!("HostName={front}")], "true").unwrap_err();
    assert!(said.contains("Connection refused"), "{said}");
    let before = host.snapshot();
    let book = shipped("ssh-refused");
    let run = |address: &str| {
        let book_args = ["--via", &host.via(), "--address", address, "-o", "json"].map(str::to_owned);
        let args: Vec<&str> = book_args.iter().map(String::as_str).collect();
        crate::support::Run::from(crate::support::Done::from(
            host.desk.runbook(&[crate::support::LAB, "ctl"], "plan", &book, &args).output().unwrap(),
        ))
    };
    let plan = run(front);
    assert_eq!((plan.exit, plan.all_changes()), (1, 0), "{}", plan.seen());
    let finding = plan.json["rounds"][0]["finding"].as_str().unwrap_or_default();
    let wanted = "no interface of this host has 10.77.0.1: something else answers there, and passes nothing on";
    assert!(finding.eq_ignore_ascii_case(wanted), "{finding}");
    assert_eq!(run(&host.address).exit, 0, "the host itself is well");
    assert_eq!(before, host.snapshot());
}
