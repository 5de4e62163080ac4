//! A plan costs one round trip on a healthy host, and leaves nothing behind on any.

use crate::support::{Host, difference, fixture, shipped};

#[test]
fn a_healthy_host_costs_one_round_trip() {
    let Some(host) = Host::up("healthy") else { return };
    let before = host.snapshot();
    let run = host.plan(&[]);
    assert_eq!(run.exit, 0, "a healthy host: {}", run.seen());
    let wire = &run.json["wire"];
    eprintln!("healthy host: {wire}, {} s", run.json["seconds"]);
    assert_eq!(wire["round_trips"], 1, "a healthy host took {wire}: {}", run.seen());
    // A console of 115200 baud carries 11 kB a second, and over one all this is packed to 13 kB.
    for way in ["bytes_sent", "bytes_received"] {
        assert!(wire[way].as_u64().is_some_and(|n| n < 20 << 10), "a healthy host took {wire}");
    }
    let run = host.plan(&["-e", "port=22"]);
    eprintln!("healthy host, port given: {}", run.json["wire"]);
    assert_eq!((run.exit, &run.json["wire"]["round_trips"]), (0, &1.into()), "{} {}", run.json["wire"], run.seen());
    let apply = host.apply(&[]);
    assert_eq!((apply.exit, apply.all_changes()), (0, 0), "apply to a healthy host: {}", apply.seen());
    let after = host.snapshot();
    assert_eq!(before, after, "a healthy host was touched:\n{}", difference(&before, &after));
}

#[test]
fn what_only_looks_makes_no_directory_of_sshd_s() {
    let Some(host) = Host::up("looks") else { return };
    host.sh("systemctl stop ssh; sleep 1");
    let changed = "ls -d /run/sshd; stat -c %z /run";
    let before = host.sh(changed);
    for (book, args) in [("ssh-permission-denied", &["-e", "user=admin"][..]), ("ssh-permission-denied", &[])] {
        let run = host.run("plan", &shipped(book), None, args);
        assert_eq!(run.json["rounds"][0]["steps"][0]["status"], "ok", "{}", run.seen());
    }
    host.run("plan", &shipped("ssh-closed"), None, &[]);
    assert_eq!(before, host.sh(changed));
}

/// What a probe may use for its private files, and what still runs with its mark.
const TRACES: &str = r"
    find /dev/shm /run /tmp /var/tmp /etc /root /var/lib -path '*/systemd/*' -prune -o -print | sort
    find /var/lib/runbook 2>/dev/null
    grep -lz '^RUNBOOK_PROBE=' /proc/[0-9]*/environ 2>/dev/null
    grep -c runbook /proc/mounts
    :";

#[test]
fn a_plan_leaves_nothing_behind() {
    let Some(host) = Host::up("traces") else { return };
    // A planned edit makes the plan lay candidates over the real files; the other runbook has checks that hang.
    host.sh("echo Port 2222 >/etc/ssh/sshd_config.d/50-port.conf; systemctl restart ssh; sleep 1");
    let (before, disk) = (host.sh(TRACES), host.snapshot());
    let run = host.plan(&["-e", "port=22"]);
    assert_eq!(
        (run.exit, run.changes(0).is_empty()),
        (4, false),
        "the plan of a host with a wrong port: {}",
        run.seen()
    );
    let hung = host.run("plan", &fixture("hangs.yaml"), None, &[]);
    assert_eq!(hung.exit, 1, "a plan whose checks hang: {}", hung.seen());
    assert_eq!(hung.json["rounds"][0]["steps"][0]["status"], "unknown", "a check that hangs: {}", hung.seen());
    let (after, disk_after) = (host.sh(TRACES), host.snapshot());
    assert_eq!(before, after, "left behind by a plan:\n{}", difference(&before, &after));
    assert_eq!(disk, disk_after, "touched by a plan:\n{}", difference(&disk, &disk_after));
}
