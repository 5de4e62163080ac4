//! One run at a time: the second says who is at work, and a run that is gone holds up nobody.

use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::lab_refusals::leftovers;
use crate::support::{Done, Host, Run, difference, fixture, until};

/// Starts a run that is busy for some seconds, and waits until it is; its id.
fn busy(host: &Host, seconds: u32) -> (Child, String) {
    let seconds = format!("seconds={seconds}");
    let mut c = host.command(&["setsid"], "apply", &fixture("slow.yaml"), None, &["-y", "-o", "json", "-e", &seconds]);
    let child = c.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(until(10, || at_work(host)), "the first run did not begin");
    let holder = host.sh("cat /run/runbook.lock/holder");
    (child, holder.split(' ').next().unwrap().to_owned())
}

/// Whether the slow repair runs: a runbook's command is a file beside the lock.
fn at_work(host: &Host) -> bool {
    host.try_sh("pgrep -f 'runbook.lock/[c]ommand'").code == 0
}

/// Kills a run; with `-s` also what it started: each run has a session of its own.
fn kill(run: &Child, what: &[&str]) {
    let d = Done::from(Command::new(what[0]).args(&what[1..]).arg(run.id().to_string()).output().unwrap());
    assert_eq!(d.code, 0, "{what:?} {}: {}", run.id(), d.stderr);
}

#[test]
fn the_second_run_says_who_is_at_work() {
    let Some(host) = Host::up("lock") else { return };
    let before = host.snapshot();
    let (first, id) = busy(&host, 4);
    let second = host.run("apply", &fixture("grace.yaml"), None, &[]);
    let after = host.snapshot();
    assert!(at_work(&host), "the first run was over too early to tell");
    assert_eq!(second.exit, 1, "two runs at once: {}", second.seen());
    let why = second.why();
    assert!(why.contains("is at work on this target") && why.contains(&id) && why.contains('@'), "it says: {why}");
    assert_eq!(before, after, "the second run touched the host:\n{}", difference(&before, &after));
    let first: Run = Done::from(first.wait_with_output().unwrap()).into();
    assert_eq!(first.exit, 0, "the first run: {}", first.seen());
    assert_eq!(leftovers(&host), "", "left behind");
    let third = host.run("apply", &fixture("grace.yaml"), None, &[]);
    assert_eq!(third.exit, 0, "a run after both: {}", third.seen());
}

#[test]
fn the_lock_of_a_killed_run_is_taken_at_once() {
    let Some(host) = Host::up("lock-gone") else { return };
    let (mut first, id) = busy(&host, 60);
    kill(&first, &["pkill", "-9", "-s"]);
    first.wait().unwrap();
    assert!(until(5, || !at_work(&host)), "the script of the killed run still runs");
    assert!(host.sh("cat /run/runbook.lock/holder").contains(&id), "the killed run gave its lock back");
    let start = Instant::now();
    let second = host.run("apply", &fixture("grace.yaml"), None, &[]);
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(second.exit, 0, "after a killed run: {}", second.seen());
    assert!(seconds < 8.0, "it waited {seconds:.1} s for a run that is gone");
    assert_eq!(leftovers(&host), "", "left behind");
}

/// What another user has put where locks may be is no lock: it keeps nobody out, and nothing in it is read as sh (bash
/// evaluates what an arithmetic expression comes to).
#[test]
fn a_lock_that_a_stranger_made_is_none() {
    let Some(host) = Host::up("lock-stranger") else { return };
    host.sh("setpriv --reuid=admin --clear-groups sh -c 'umask 022; cd /dev/shm && mkdir runbook.lock && cd runbook.lock && \
             echo 20260101T000000-x bob@h c/1 1 >holder && echo \"x[\\$(touch /tmp/pwned)]\" >beat'");
    let run = host.run("apply", &fixture("grace.yaml"), None, &[]);
    assert_eq!(run.exit, 0, "{}", run.seen());
    let left = host.try_sh("ls /tmp/pwned 2>/dev/null; cat /dev/shm/runbook.lock/beat").stdout;
    assert_eq!(left, "x[$(touch /tmp/pwned)]\n");
}

#[test]
fn a_script_that_outlives_its_run_is_waited_for() {
    let Some(host) = Host::up("lock-busy") else { return };
    let (mut first, _) = busy(&host, 4);
    // The controller alone, as if its machine had died: the script on the target knows nothing of it.
    kill(&first, &["kill", "-9"]);
    first.wait().unwrap();
    let second = host.run("apply", &fixture("grace.yaml"), None, &[]);
    assert_eq!(second.exit, 0, "after a killed controller: {}", second.seen());
    let done = host.try_sh("cat /root/slow-done").stdout;
    assert_eq!(done, "done\n", "the second run did not wait for the script that was still at work");
    assert_eq!(leftovers(&host), "", "left behind");
}
