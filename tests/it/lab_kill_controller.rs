//! The controller killed before each of its writes and syncs, or losing the line: what was begun is finished by the
//! next run, and a handler that was notified is not forgotten.

use std::path::PathBuf;

use crate::lab_patient::{ARGS, Patient};
use crate::lab_refusals::leftovers;
use crate::support::{Done, Host, LAB, fixture, ssh_refused};

/// Kills the run before its N-th call of a system call; false if it makes fewer.
fn killed_before(patient: &Patient, call: &str, n: usize) -> bool {
    let log = patient.host.desk.path("strace");
    let (log, trace, inject) =
        (log.to_str().unwrap(), format!("trace={call}"), format!("inject={call}:signal=SIGKILL:when={n}"));
    // Without -f: the journal and the scripts are written by the main thread, and children are not ours to kill.
    let strace = ["strace", "-qq", "-o", log, "-e", &trace, "-e", &inject];
    let args = [&["-y", "-o", "json"], ARGS].concat();
    let d = Done::from(patient.host.command(&strace, "apply", &ssh_refused(), None, &args).output().unwrap());
    let end = std::fs::read_to_string(log).unwrap_or_else(|e| panic!("strace left no log ({e}): {}", d.stderr));
    let killed = end.contains("killed by SIGKILL");
    assert!(killed || d.code == 0, "a run that was not killed before {call} {n}: {}{}", d.stdout, d.stderr);
    killed
}

/// At every such call, or at every `step`-th of them.
fn walk(tag: &str, call: &str, first: usize, step: usize, least: usize) {
    let Some(mut patient) = Patient::admit(tag) else { return };
    let mut n = first;
    loop {
        patient.fall_ill();
        if !killed_before(&patient, call, n) {
            break;
        }
        let at = format!("controller killed before {call} {n}");
        patient.examine(&at);
        patient.recover(&at);
        n += step;
    }
    patient.discharge(least);
}

#[test]
fn killed_before_each_sync() {
    walk("kill-sync", "fdatasync", 1, 1, 6);
}

#[test]
fn killed_before_each_write() {
    walk("kill-write", "write", 2, 2, 8);
}

#[test]
fn killed_before_each_rename() {
    walk("kill-rename", "rename", 1, 1, 1);
}

/// A line that drops in the middle of the script that replaces the file: a part of a script does nothing.
#[test]
fn a_script_that_was_cut_does_nothing() {
    let Some(mut patient) = Patient::admit("cut") else { return };
    for tenth in 1..10 {
        patient.fall_ill();
        let via = patient.host.desk.program(
            "cut",
            &format!(
                "s=$(mktemp); trap 'rm -f $s' EXIT; cat >$s; n=$(wc -c <$s)\n\
                 if grep -q '^rb_swap$' $s; then n=$((n*{tenth}/10)); fi; head -c $n $s | {LAB} sh {}",
                patient.host.name
            ),
        );
        let before = patient.host.files("/etc/ssh");
        let run = patient.host.run("apply", &ssh_refused(), Some(&via), ARGS);
        let at = format!("script cut at {tenth}/10");
        let same = patient.host.files("/etc/ssh") == before;
        let said =
            if run.exit == 0 || !same { Err(format!("files unchanged: {same}; {}", run.seen())) } else { Ok(()) };
        patient.note(&at, said);
        patient.examine(&at);
        patient.recover(&at);
    }
    patient.discharge(9);
}

/// Runs `grace` over a channel that kills the run instead of passing on the script that restarts sshd.
fn killed_before_the_restart(host: &Host) {
    let pid: PathBuf = host.desk.path("pid");
    let via = host.desk.program(
        "no-restart",
        &format!(
            "s=$(mktemp); trap 'rm -f $s' EXIT; cat >$s\n\
             if grep -q '^rb_verb restart' $s; then kill -9 $(cat {}); exit 1; fi; {LAB} sh {} <$s",
            pid.display(),
            host.name
        ),
    );
    let note = format!("echo $$ >{}; exec \"$@\"", pid.display());
    let d = Done::from(
        host.command(&["sh", "-c", &note, "sh"], "apply", &fixture("grace.yaml"), Some(&via), &["-y"])
            .output()
            .unwrap(),
    );
    assert_eq!(d.code, -1, "the run was to be killed before the restart: {}{}", d.stdout, d.stderr);
}

fn main_pid(host: &Host) -> String {
    host.sh("systemctl show -p MainPID --value ssh")
}

#[test]
fn a_handler_that_did_not_run_is_left_over() {
    let Some(host) = Host::up("owed") else { return };
    let before = main_pid(&host);
    killed_before_the_restart(&host);
    assert!(host.sh("cat /etc/ssh/sshd_config").contains("LoginGraceTime 99"), "the edit was not made");
    assert_eq!(main_pid(&host), before, "sshd was restarted although the run was killed before that");

    let human = Done::from(host.command(&[], "plan", &fixture("grace.yaml"), None, &[]).output().unwrap());
    assert!(human.stdout.contains("left over"), "the plan does not say that a restart is left over:\n{}", human.stdout);
    let plan = host.run("plan", &fixture("grace.yaml"), None, &[]);
    let changes = plan.changes(0);
    assert_eq!((plan.exit, changes.len()), (4, 1), "the plan after the kill: {}", plan.seen());
    assert_eq!(
        (&changes[0]["handler"], &changes[0]["verb"]),
        (&"restart-sshd".into(), &"restart".into()),
        "{changes:?}"
    );

    let run = host.run("apply", &fixture("grace.yaml"), None, &[]);
    assert_eq!(run.exit, 0, "{}", run.seen());
    assert_eq!(run.changes(0), changes, "apply does something else than its plan: {}", run.seen());
    assert_ne!(main_pid(&host), before, "sshd was not restarted: {}", run.seen());
    assert_eq!(host.lets_in(&[]), Ok(()), "the client does not get in");
    assert_eq!(leftovers(&host), "", "left behind");
    let again = host.run("apply", &fixture("grace.yaml"), None, &[]);
    assert_eq!((again.exit, again.all_changes()), (0, 0), "once more: {}", again.seen());
}

#[test]
fn a_handler_whose_service_was_restarted_by_hand_is_settled() {
    let Some(host) = Host::up("owed-by-hand") else { return };
    killed_before_the_restart(&host);
    host.sh("sleep 1; systemctl restart ssh");
    let pid = main_pid(&host);
    let run = host.run("apply", &fixture("grace.yaml"), None, &[]);
    assert_eq!(run.exit, 0, "{}", run.seen());
    eprintln!(
        "restarted by hand meanwhile: {} changes, restarted again: {}",
        run.all_changes(),
        main_pid(&host) != pid
    );
    assert_eq!(leftovers(&host), "", "left behind");
}
