//! Runbooks that lock themselves out, on real hosts: what they changed is taken back, by the controller that notices, or by
//! the host itself where nobody is left to; and what made nothing worse stays.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{Done, Host, LAB, Run, full, lab_is_on, until};

/// A way to lock oneself out: its name, and the steps.
struct Trap {
    name: &'static str,
    steps: &'static str,
}

/// The window of these tests.
const WINDOW: u64 = 8;

const TRAPS: &[Trap] = &[
    Trap {
        name: "loopback",
        steps: "- {name: loopback alone, ensure: {file: {path: /etc/ssh/sshd_config.d/lock.conf, content: \"ListenAddress 127.0.0.1\\n\"}}, notify: [again]}",
    },
    Trap {
        name: "drop",
        steps: "- name: nobody comes in\n  risk: connectivity\n  check: {command: {sh: 'nft list table inet lock'}}\n  remediation:\n  - command:\n      sh: |\n        \
                nft -f - <<'X'\n        table inet lock {\n          chain in { type filter hook input priority 0; tcp dport 22 drop; }\n        }\n        X\n      \
                undo: nft delete table inet lock\n      writes: [rules]",
    },
    Trap {
        name: "stopped",
        steps: "- {name: sshd is stopped, ensure: {service: {name: ssh, running: false, enabled: false}}}",
    },
];

/// What a boot has to get right besides: what systemd has read before anything was back on disk, and an undo that starts a unit.
const BOOT_TRAPS: &[Trap] = &[
    Trap {
        name: "dropin",
        steps: "- {name: its directory, ensure: {file: {path: /etc/systemd/system/ssh.service.d, state: directory}}}\n\
                - {name: a first drop-in, ensure: {file: {path: /etc/systemd/system/ssh.service.d/lock.conf, content: \"[Service]\\nExecStart=\\nExecStart=/usr/sbin/sshd -D -o ListenAddress=127.0.0.1\\n\"}}, notify: [again]}",
    },
    Trap {
        name: "command",
        steps: "- name: a command stops it\n  risk: connectivity\n  check: {command: {sh: '! systemctl -q is-enabled ssh'}}\n  remediation:\n  - command: {sh: systemctl -q disable --now ssh, undo: systemctl -q enable --now ssh}",
    },
];

fn book(host: &Host, trap: &Trap) -> PathBuf {
    let text = format!(
        "name: lock-out\ntitle: it locks itself out\nverify:\n- connect: {{port: 22, banner: 'SSH-2.0-', timeout: 2s}}\n\
         handlers:\n- {{id: again, service: {{name: ssh, restarted: true}}}}\nsteps:\n{}\n",
        trap.steps
    );
    host.desk.write("lock.yaml", &text)
}

/// The binary over ssh, with the lab's own configuration.
fn over_ssh(host: &Host, verb: &str, book: &std::path::Path, args: &[&str]) -> std::process::Command {
    let config = Done::from(std::process::Command::new(LAB).args(["ssh-config", &host.name]).output().unwrap());
    let via = format!("ssh:{}?config={}", host.name, config.stdout.trim());
    let mut c = host.desk.runbook(&[LAB, "ctl"], verb, book, &["--via", &via, "--address", &host.address]);
    c.args(["-y", "--confirm-within", &format!("{WINDOW}s")]).args(args);
    c
}

fn same(name: &str, before: &str, after: &str) {
    assert!(before == after, "{name}: {}", crate::support::difference(before, after));
}

fn gone(host: &Host) -> bool {
    host.try_sh("test -e /var/lib/runbook/guard").code != 0
}

/// The controller lives, and sees for itself.
fn noticed(trap: &Trap) {
    let Some(host) = Host::up(&format!("g-{}", trap.name)) else { return };
    host.lets_in(&[]).unwrap();
    let before = host.contents();
    let run: Run = Done::from(over_ssh(&host, "apply", &book(&host, trap), &["-o", "json"]).output().unwrap()).into();
    assert_eq!(run.exit, 5, "{}: {}", trap.name, run.seen());
    let back = run.json["guard"].as_array().unwrap().last().unwrap();
    assert_eq!((back["state"].as_str(), back["whole"].as_bool()), (Some("back"), Some(true)), "{back}");
    assert!(until(10, || host.lets_in(&[]).is_ok()), "{}: the client is not in again", trap.name);
    same(trap.name, &before, &host.contents());
    assert!(gone(&host));
}

/// The controller is killed once the last change is made: nobody is left to confirm it. `then` happens right after.
/// Runs it and kills the controller once the last change is made: nobody is left to confirm it.
fn cut_off(host: &Host, book: &std::path::Path) {
    host.lets_in(&[]).unwrap();
    killed_after(over_ssh(host, "apply", book, &["-o", "jsonl"]));
    assert!(host.lets_in(&["-o", "ConnectTimeout=2"]).is_err(), "{}: it locks nobody out", book.display());
}

/// Its last change is made, and nothing after that.
fn killed_after(mut command: std::process::Command) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut changes = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let v: serde_json::Value = serde_json::from_str(&line).unwrap();
        match v["event"].as_str().unwrap_or_default() {
            "plan" => changes = v["changes"].as_array().unwrap().len(),
            "done" => changes -= 1,
            other => assert!(!matches!(other, "not-done" | "error" | "finished"), "{line}"),
        }
        if changes == 0 && line.contains("\"done\"") {
            break;
        }
    }
    child.kill().unwrap();
    let _ = child.wait();
}

/// `then` happens right after the cut.
fn killed(trap: &Trap, tag: &str, then: impl FnOnce(&Host)) {
    let Some(host) = Host::up(&format!("{tag}-{}", trap.name)) else { return };
    let before = host.contents();
    cut_off(&host, &book(&host, trap));
    let begun = Instant::now();
    then(&host);
    // A boot takes its own time.
    let patience = Duration::from_secs(WINDOW + 30);
    let again = until(patience.as_secs(), || host.lets_in(&["-o", "ConnectTimeout=2"]).is_ok());
    assert!(again, "{}: the client is not in again after {:?}", trap.name, begun.elapsed());
    println!("{} {tag}: in again after {:.1} s", trap.name, begun.elapsed().as_secs_f64());
    assert!(until(10, || gone(&host)));
    // What is left for the next run to show, and nothing else.
    let plan = Done::from(host.command(&[], "plan", &crate::support::ssh_refused(), None, &[]).output().unwrap());
    assert!(plan.stdout.contains("was taken back: "), "{}", plan.stdout);
    same(trap.name, &before, &host.contents());
    let healthy = host.apply(&[]);
    assert_eq!((healthy.exit, healthy.all_changes()), (0, 0), "{}", healthy.seen());
}

fn reboots(host: &Host) {
    assert!(host.reboot(), "the host did not come up again");
}

/// With the reboots 21 in the full run.
fn tries() -> usize {
    if full() { 3 } else { 1 }
}

#[test]
fn what_the_controller_notices_is_taken_back() {
    for _ in 0..tries() {
        let some = if full() { TRAPS } else { &TRAPS[..1] };
        some.iter().for_each(noticed);
    }
}

#[test]
fn what_nobody_confirms_is_taken_back() {
    for _ in 0..tries() {
        for trap in if full() { TRAPS } else { &TRAPS[1..] } {
            killed(trap, "k", |_| ());
        }
    }
}

#[test]
fn a_reboot_in_the_window_takes_it_back() {
    let some = if full() { TRAPS } else { &TRAPS[..1] };
    for trap in some.iter().chain(BOOT_TRAPS) {
        killed(trap, "b", reboots);
    }
}

/// What nobody has confirmed was enabled when the boot's jobs were made: it is neither enabled nor started.
#[test]
fn a_reboot_does_not_start_what_it_takes_back() {
    let Some(host) = Host::up("b-start") else { return };
    host.sh("systemctl -q disable --now ssh");
    killed_after(host.command(&[], "apply", &crate::support::ssh_refused(), None, &["-y", "-o", "jsonl"]));
    assert_eq!(host.sh("systemctl is-enabled ssh; systemctl is-active ssh"), "enabled\nactive\n");
    reboots(&host);
    assert!(until(40, || gone(&host)));
    host.try_sh("systemctl is-system-running --wait");
    assert_eq!(host.try_sh("systemctl is-enabled ssh; systemctl is-active ssh").stdout, "disabled\ninactive\n");
    assert!(host.try_sh("ls /etc/systemd/system/runbook-guard* 2>/dev/null").stdout.is_empty());
}

/// A good repair stays where the outside is blocked by what the host knows nothing of.
#[test]
fn a_repair_stays_where_something_else_is_in_the_way() {
    let Some(host) = Host::up("g-cloud") else { return };
    host.try_sh("systemctl -q disable --now ssh");
    // What leaves the controller for this host alone is dropped, as by a cloud's firewall.
    let table = format!("cloud_{}", host.address.replace('.', "_"));
    let rule = format!(
        "table inet {table} {{ chain out {{ type filter hook output priority 0; ip daddr {} tcp dport 22 drop; }}; }}",
        host.address
    );
    let nft =
        |args: &[&str]| Done::from(std::process::Command::new(LAB).args(["ctl", "nft"]).args(args).output().unwrap());
    assert_eq!(nft(&[&rule]).code, 0);
    let run = host.apply(&["--confirm-within", "60s"]);
    let deleted = nft(&["delete", "table", "inet", &table]);
    assert_eq!(deleted.code, 0, "{}", deleted.stderr);
    assert_eq!(run.exit, 1, "{}", run.seen());
    let states: Vec<&str> = run.json["guard"].as_array().unwrap().iter().filter_map(|g| g["state"].as_str()).collect();
    assert_eq!(states, ["armed", "kept"], "{}", run.seen());
    host.lets_in(&[]).unwrap();
}

/// A step before the trap's own, with this command and what takes it back.
fn with(host: &Host, command: &str, undo: &str, trap: &Trap) -> PathBuf {
    let odd = format!(
        "- {{name: odd, check: {{command: 'test -e /root/odd'}}, remediation: [{{command: {{sh: '{command}', undo: '{undo}', writes: ['file:/root/odd']}}}}]}}\n"
    );
    book(host, &Trap { name: "odd", steps: (odd + trap.steps).leak() })
}

const STUCK: (&str, &str) = ("touch /root/odd", "echo it is stuck >&2; false");

/// One change whose own undo fails: it is said what to do, and the rest is taken back all the same.
#[test]
fn a_rollback_that_fails_says_so() {
    let Some(host) = Host::up("g-fails") else { return };
    let path = with(&host, STUCK.0, STUCK.1, &TRAPS[0]);
    let run: Run = Done::from(over_ssh(&host, "apply", &path, &["-o", "json"]).output().unwrap()).into();
    assert_eq!(run.exit, 6, "{}", run.seen());
    let back = run.json["guard"].as_array().unwrap().last().unwrap();
    assert_eq!(back["rest"][0], "touch /root/odd: it is stuck", "{back}");
    host.lets_in(&[]).unwrap();
}

/// An undo that hangs is given up after a minute, with what it has started.
#[test]
fn an_undo_that_hangs_holds_up_nothing() {
    if !full() {
        return;
    }
    let Some(host) = Host::up("g-hangs") else { return };
    let path = with(&host, "touch /root/odd", "sleep 1234; true", &TRAPS[0]);
    let run: Run = Done::from(over_ssh(&host, "apply", &path, &["-o", "json"]).output().unwrap()).into();
    assert_eq!(run.exit, 6, "{}", run.seen());
    let back = run.json["guard"].as_array().unwrap().last().unwrap();
    assert_eq!(back["rest"][0], "touch /root/odd: it did not end within 60 s, and was ended", "{back}");
    host.lets_in(&[]).unwrap();
    assert_ne!(host.try_sh("pgrep -f 'sleep 123[4]'").code, 0);
}

/// What the next run had to take back first, and could not, is not said to be done.
#[test]
fn an_earlier_rollback_that_fails_is_told() {
    let Some(host) = Host::up("g-earlier") else { return };
    cut_off(&host, &with(&host, STUCK.0, STUCK.1, &TRAPS[2]));
    let run = host.apply(&[]);
    let earlier = &run.json["guard"][0];
    assert_eq!((&earlier["state"], &earlier["whole"]), (&"earlier".into(), &false.into()), "{}", run.seen());
    assert_eq!(earlier["rest"][0], "touch /root/odd: it is stuck", "{}", run.seen());
}

/// Units and files may have any name.
#[test]
fn odd_names_are_names() {
    let Some(host) = Host::up("g-odd") else { return };
    let unit = "odd\\x2dname.service";
    host.sh(&format!(
        "printf '%s\\n' '[Service]' 'ExecStart=/bin/sleep 100000' >'/etc/systemd/system/{unit}'; systemctl start '{unit}'"
    ));
    let steps = format!(
        "- {{name: stopped, risk: connectivity, ensure: {{service: {{name: '{unit}', running: false}}}}}}\n\
         - {{name: a file, ensure: {{file: {{path: '/root/a\\nb & $(c)', content: x}}}}}}\n{}",
        TRAPS[0].steps
    );
    let path = book(&host, &Trap { name: "odd", steps: steps.leak() });
    let run: Run = Done::from(over_ssh(&host, "apply", &path, &["-o", "json"]).output().unwrap()).into();
    assert_eq!((run.exit, run.all_changes()), (5, 4), "{}", run.seen());
    assert_eq!(host.sh(&format!("systemctl is-active '{unit}'; ls -A /root | grep '^a.n' | wc -l")), "active\n0\n");
}

/// A command of the controller that takes longer than the window is no silence.
#[test]
fn a_long_command_of_the_controller_is_waited_for() {
    let Some(host) = Host::up("g-long") else { return };
    let there = host.desk.path("there");
    let steps = format!(
        "- {{name: slow, where: controller, check: {{command: {{sh: 'test -e {0}'}}}}, remediation: [{{command: {{sh: 'sleep 12; touch {0}', undo: 'rm {0}'}}}}]}}\n\
         - {{name: then, ensure: {{file: {{path: /etc/ssh/sshd_config.d/fine.conf, content: \"# fine\\n\"}}}}}}",
        there.display()
    );
    let path = book(&host, &Trap { name: "long", steps: steps.leak() });
    let run: Run = Done::from(over_ssh(&host, "apply", &path, &["-o", "json"]).output().unwrap()).into();
    assert_eq!((run.exit, run.all_changes()), (0, 2), "{}", run.seen());
    assert_eq!(run.json["guard"][1]["state"], "kept", "{}", run.seen());
}

/// Somebody else at the host's own console mends a file while the guard waits: that is not overwritten, and is told.
#[test]
fn what_somebody_else_changes_meanwhile_stays() {
    let Some(host) = Host::up("g-else") else { return };
    let path = book(&host, &TRAPS[0]);
    let mut child = over_ssh(&host, "apply", &path, &["-o", "jsonl"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|l| l.contains("\"done\"")));
    host.sh("echo '# mine' >>/etc/ssh/sshd_config.d/lock.conf");
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(6));
    assert!(host.sh("cat /etc/ssh/sshd_config.d/lock.conf").contains("# mine"));
}

/// Nothing that could cut the way in is changed where the guard cannot be armed, unless that is asked for.
#[test]
fn what_cannot_be_guarded_is_not_done() {
    if !lab_is_on() {
        return;
    }
    let Some(host) = Host::up("g-ro") else { return };
    let path = book(&host, &TRAPS[2]);
    host.sh("mkdir -p /var/lib/runbook && : >/var/lib/runbook/guard && mount --bind -o ro /var/lib/runbook/guard /var/lib/runbook/guard");
    let run = host.run("apply", &path, None, &[]);
    assert_eq!(run.exit, 1, "{}", run.seen());
    assert!(
        run.json["error"]["why"]
            .as_str()
            .unwrap()
            .starts_with("the guard that would take these changes back cannot be armed"),
        "{}",
        run.seen()
    );
    host.lets_in(&[]).unwrap();
    let run = host.run("apply", &path, None, &["--no-guard"]);
    assert_ne!(run.exit, 5, "{}", run.seen());
    assert!(host.lets_in(&[]).is_err());
}

/// Only a KILL ends the switch, and then it is started again: a TERM that meant something else does not.
#[test]
fn a_term_does_not_end_the_switch() {
    killed(&TRAPS[2], "t", |host| {
        host.sh("kill -TERM $(cat /var/lib/runbook/guard/up); kill -INT $(cat /var/lib/runbook/guard/up)");
    });
}

/// What clients use is looked at, though the runbook does not say how; without an address nothing can be, and it is said.
#[test]
fn what_clients_use_is_measured_unasked() {
    let Some(host) = Host::up("g-unasked") else { return };
    let path = book(&host, &TRAPS[0]);
    let text = std::fs::read_to_string(&path).unwrap();
    let start = text.find("verify:").unwrap();
    let end = text.find("handlers:").unwrap();
    std::fs::write(&path, format!("{}{}", &text[..start], &text[end..])).unwrap();
    let run = host.run("apply", &path, None, &["--confirm-within", "8s"]);
    assert_eq!(run.exit, 5, "{}", run.seen());
    assert!(until(10, || host.lets_in(&[]).is_ok()), "{}", run.seen());
    let blind = ["apply", path.to_str().unwrap(), "--via", &host.via(), "-y"];
    let mut c = std::process::Command::new(LAB);
    c.arg("ctl").arg(crate::support::bin()).args(blind).env("XDG_STATE_HOME", host.desk.path("blind"));
    let done = Done::from(c.output().unwrap());
    assert!(
        done.code == 0 && done.stdout.contains("nothing was measured from outside"),
        "{}{}",
        done.stdout,
        done.stderr
    );
    assert!(host.lets_in(&[]).is_err());
}

/// A switch that was confirmed has no part in the next one's work, however soon that is armed.
#[test]
fn one_guard_after_another() {
    let Some(host) = Host::up("g-after") else { return };
    let harmless = host.desk.write(
        "harmless.yaml",
        "name: harmless\ntitle: harmless\nverify:\n- connect: {port: 22, banner: 'SSH-2.0-'}\nsteps:\n\
         - name: new each time\n  risk: connectivity\n  check: {command: 'false'}\n  remediation: [{command: {sh: 'date >/root/date', undo: 'true', writes: ['file:/root/date']}}]\n",
    );
    let path = book(&host, &TRAPS[2]);
    for _ in 0..3 {
        let first = host.run("apply", &harmless, None, &[]);
        assert_eq!(first.json["guard"][1]["state"], "kept", "{}", first.seen());
        let run = host.run("apply", &path, None, &["--confirm-within", "8s"]);
        assert_eq!(run.exit, 5, "{}", run.seen());
        assert!(until(10, || host.lets_in(&[]).is_ok()), "{}", run.seen());
    }
}

/// That another runbook finds nothing to do says nothing of what was cut off.
#[test]
fn another_runbook_confirms_nothing() {
    killed(&TRAPS[2], "o", |host| {
        let other =
            host.desk.write("other.yaml", "name: other\ntitle: o\nsteps:\n- {name: fine, check: {command: 'true'}}\n");
        let run = host.run("apply", &other, None, &[]);
        assert_eq!((run.exit, gone(host)), (0, false), "{}", run.seen());
    });
}
