//! What must stop a run before it writes: candidates that sshd refuses, and a file that changed since it was planned.

use std::path::PathBuf;

use crate::support::{Host, LAB, difference, fixture};

/// What no run may leave on a host: its lock, a candidate, a handler that nobody remembers.
pub fn leftovers(host: &Host) -> String {
    host.sh("find /etc -name '*runbook*'; find /run /dev/shm /tmp -name '*runbook*' -not -path '*/systemd/*'
        cat /var/lib/runbook/owed 2>/dev/null; :")
}

#[test]
fn candidates_that_sshd_refuses_are_not_written() {
    let Some(host) = Host::up("refused") else { return };
    let before = host.snapshot();
    for verb in ["plan", "apply"] {
        let run = host.run(verb, &fixture("refused.yaml"), None, &[]);
        assert_eq!(run.exit, 1, "{verb} of an edit that sshd refuses: {}", run.seen());
        let validations = run.json["rounds"][0]["validations"].to_string();
        assert!(validations.contains("\"failed\""), "{verb} says of the candidates: {validations}");
        assert!(validations.contains("Prot"), "{verb} does not say which line sshd refuses: {validations}");
        assert_eq!(run.json["rounds_applied"], 0, "{verb}: {}", run.seen());
        let after = host.snapshot();
        assert_eq!(before, after, "{verb} touched the host:\n{}", difference(&before, &after));
        assert_eq!(leftovers(&host), "", "{verb} left something behind");
    }
    assert_eq!(host.lets_in(&[]), Ok(()), "the client does not get in any more");
}

/// A channel that does something on the host once, just before the script that replaces a file gets there.
fn meddling(host: &Host, sh: &str) -> PathBuf {
    host.desk.program(
        "meddle",
        &format!(
            "s=$(mktemp); trap 'rm -f $s' EXIT; cat >$s\n\
             if grep -q '^rb_swap$' $s && [ ! -e $0.done ]; then : >$0.done; {LAB} sh {0} -c '{sh}'; fi\n\
             {LAB} sh {0} <$s",
            host.name
        ),
    )
}

/// Meddles between plan and apply; the file must be left as the meddler made it.
fn left_as_found(tag: &str, sh: &str, shows: &str) {
    let Some(host) = Host::up(tag) else { return };
    let via = meddling(&host, sh);
    let run = host.run("apply", &fixture("grace.yaml"), Some(&via), &[]);
    assert!(via.with_extension("done").exists(), "the channel saw no script that replaces a file: {}", run.seen());
    assert_eq!(run.exit, 1, "{}", run.seen());
    assert!(run.why().contains("/etc/ssh/sshd_config is not what it was"), "it says: {}", run.why());
    let now = host.sh("stat -c '%a %U' /etc/ssh/sshd_config; cat /etc/ssh/sshd_config");
    assert!(now.contains(shows), "what somebody did meanwhile is gone, {shows:?} is not in:\n{now}");
    assert!(!now.contains("LoginGraceTime 99"), "it was written all the same:\n{now}");
    assert_eq!(leftovers(&host), "", "left behind");
    let again = host.run("apply", &fixture("grace.yaml"), None, &[]);
    let now = host.sh("stat -c '%a %U' /etc/ssh/sshd_config; cat /etc/ssh/sshd_config");
    assert_eq!(again.exit, 0, "a new run: {}", again.seen());
    assert!(now.contains(shows) && now.contains("LoginGraceTime 99"), "a new run made:\n{now}");
}

#[test]
fn a_line_that_was_added_meanwhile_stays() {
    left_as_found("meanwhile", "echo \"# by hand\" >>/etc/ssh/sshd_config", "# by hand");
}

#[test]
fn a_mode_that_was_set_meanwhile_stays() {
    left_as_found("meanwhile-mode", "chmod 600 /etc/ssh/sshd_config", "600 root");
}
