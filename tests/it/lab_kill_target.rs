//! The sh on the target killed before every command that acts: whatever was reached, each file is the old one or the
//! new one, and the next run finishes the job.

use std::path::PathBuf;

use crate::lab_patient::{ARGS, Patient};
use crate::support::{Host, LAB, full, ssh_refused};

/// Whom the N-th command kills.
#[derive(Clone, Copy, PartialEq)]
enum Victim {
    /// All that the channel runs on the target, as when the session is torn down.
    Session,
    /// The one shell that does the change; the rest of the script goes on and reports it.
    Shell,
}

/// A channel whose acting scripts die before their N-th command that acts. bash tells (`trap … DEBUG`) before each
/// command; the count is in a file since every subshell has variables of its own.
fn dying(host: &Host, n: usize, victim: Victim) -> PathBuf {
    let whom = if victim == Victim::Session { "0" } else { "$BASHPID" };
    let trap = format!(
        r"set -T; trap '\''case $BASH_COMMAND in mkdir*|cat*|cp*|chown*|chmod*|mv*|rm*|sync*|stat*|cmp*|getfacl*|grep*|printf*|echo*|systemctl*|rb_verb*|rb_keep*|rb_candidate*|rb_ready*|rb_swap*|rb_owe*|rb_paid*) kn=0; read kn </run/kp; kn=$((kn+1)); echo $kn >/run/kp; if [ $kn -eq {n} ]; then echo $BASH_COMMAND >/run/killed; kill -9 {whom}; fi;; esac 2>/dev/null'\'' DEBUG"
    );
    // A session of its own: `kill -9 0` must not reach the controller.
    let lock = format!("s~^umask 022; rb_~{trap}\\n&~");
    let act = format!("s~^RUN=~{trap}\\n&~");
    host.desk.program("dying", &format!("sed '{lock};{act}' | setsid {LAB} sh {} -c 'exec bash'", host.name))
}

/// Kills at every `step`-th point from `first` on, until a run gets through.
fn killed(tag: &str, first: usize, step: usize, victim: Victim, least: usize) {
    let Some(mut patient) = Patient::admit(tag) else { return };
    let mut n = first;
    loop {
        patient.fall_ill();
        let via = dying(&patient.host, n, victim);
        let run = patient.host.run("apply", &ssh_refused(), Some(&via), ARGS);
        // The file is the trap's: what it was about to do.
        let Some(command) = killed_at(&patient.host) else {
            assert_eq!(run.exit, 0, "a run that was not killed: {}", run.seen());
            break;
        };
        let at = format!("killed before command {n} ({})", command.trim());
        // A subshell whose failure is allowed for may die in vain, and a run whose session was torn down while the guard was
        // armed connects again and goes on: who says that all is well must have done all.
        let untrue = run.exit == 0 && !patient.is_cured();
        patient.note(&at, if untrue { Err(format!("the run says that all is well: {}", run.seen())) } else { Ok(()) });
        patient.examine(&at);
        patient.recover(&at);
        n += step;
    }
    patient.discharge(least);
}

fn killed_at(host: &Host) -> Option<String> {
    let d = host.try_sh("cat /run/killed");
    (d.code == 0).then_some(d.stdout)
}

/// Of these, a third where time is short.
fn every(step: usize) -> usize {
    if full() { step } else { 3 * step + 1 }
}

#[test]
fn the_session_is_killed_at_odd_points() {
    killed("kill-odd", 1, every(2), Victim::Session, 8);
}

#[test]
fn the_session_is_killed_at_even_points() {
    killed("kill-even", 2, every(2), Victim::Session, 8);
}

#[test]
fn the_shell_alone_is_killed() {
    killed("kill-shell", 2, every(3), Victim::Shell, 5);
}
