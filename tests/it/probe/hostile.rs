//! Checks that misbehave, on every shell.

use std::time::Duration;

use runbook::target::frame::{Answer, Status};
use runbook::target::probe::{Check, OUTPUT_CAP};

use super::support::{Case, Shell, builtin, directories, marked, nothing_left, shells, user, within};

fn exit(answer: &Answer, status: i32, stdout: &[u8]) {
    assert_eq!(answer.status, Status::Exit(status), "{answer:?}");
    assert!(answer.stdout == stdout, "{:?}", String::from_utf8_lossy(&answer.stdout));
    assert!(!answer.truncated);
}

const LOOK_ALIKE: &str = "printf '=n1x00000= 1\\n0 0 2 0\\nhi=n1x00000=.\\n=%s=.\\n' $RUNBOOK_PROBE";

/// (check, expected status, expected stdout)
fn quick() -> Vec<(Check, i32, &'static [u8])> {
    vec![
        (user("printf 'a\\000b\\000'; printf 'e\\000' >&2"), 0, b"a\0b\0"),
        (builtin("printf 'a\\000b\\000'; printf 'e\\000' >&2"), 0, b"a\0b\0"),
        (user("echo before; exit 3"), 3, b"before\n"),
        (builtin("echo before; exit 3"), 3, b"before\n"),
        (user("kill -9 $$"), 137, b""),
        (user("kill -TERM $$"), 143, b""),
        (user(":"), 0, b""),
        (builtin(""), 0, b""),
        (builtin("# a comment alone"), 0, b""),
        (user("printf 'no newline'"), 0, b"no newline"),
        (builtin("printf 'no newline'; false"), 1, b"no newline"),
        (user("exec >&- 2>&- <&-; exit 4"), 4, b""),
        (builtin("exec >&- 2>&- <&-; exit 4"), 4, b""),
        (user("cat; echo read"), 0, b"read\n"),
        (builtin("read -r x; echo \"<$x>\"; cat"), 0, b"<>\n"),
        (user("set -eu; false; echo not reached"), 1, b""),
        (builtin("set -eu; false; echo not reached"), 1, b""),
        (user("trap 'echo bye' EXIT; exit 5"), 5, b"bye\n"),
        (builtin("trap 'echo bye' EXIT; exit 5"), 5, b"bye\n"),
        (builtin("exec sh -c 'echo other; exit 6'"), 6, b"other\n"),
        (builtin("cd /; IFS=/; set -f; _probe=1; pwd"), 0, b"/\n"),
        (user("no-such-command-here"), 127, b""),
        (user("echo \"$PAGER$SYSTEMD_PAGER$SYSTEMD_COLORS$LC_ALL\""), 0, b"catcat0C\n"),
        (user("printf '%s\\n' \"it's \\\"quoted\\\" \\$HOME\""), 0, b"it's \"quoted\" $HOME\n"),
        (user("case :$PATH: in *:/usr/local/sbin:*) echo in;; esac"), 0, b"in\n"),
    ]
}

#[test]
fn quick_ones_on_every_shell() {
    for shell in shells() {
        let (checks, expected): (Vec<_>, Vec<_>) =
            quick().into_iter().map(|(check, status, out)| (check, (status, out))).unzip();
        let answers = Case::of(checks).answers(shell);
        for (index, (answer, (status, stdout))) in answers.iter().zip(expected).enumerate() {
            eprintln!("{} {index}", shell.name);
            exit(answer, status, stdout);
        }
        assert_eq!(answers[0].stderr, b"e\0");
        assert_eq!(answers[1].stderr, b"e\0");
    }
}

#[test]
fn many_are_run_in_batches() {
    for shell in shells() {
        let checks = (0..70).map(|index| {
            let script = format!("echo {index}; exit {index}");
            if index % 7 == 0 { user(&script) } else { builtin(&script) }
        });
        let answers = Case::of(checks).answers(shell);
        for (index, answer) in (0..).zip(&answers) {
            exit(answer, index, format!("{index}\n").as_bytes());
        }
        assert_eq!(answers.len(), 70);
    }
}

#[test]
fn no_checks_and_no_output() {
    for shell in shells() {
        assert_eq!(Case::default().answers(shell), Vec::new());
        exit(&Case::of([builtin("true")]).answers(shell)[0], 0, b"");
        exit(&Case::of([builtin("echo one")]).answers(shell)[0], 0, b"one\n");
    }
}

#[test]
fn a_syntax_error_hurts_only_itself() {
    for shell in shells() {
        let checks = [user("echo 'unclosed"), user("fi"), user("echo )"), user("echo fine")];
        let answers = Case::of(checks).answers(shell);
        for broken in &answers[..3] {
            assert!(matches!(broken.status, Status::Exit(1..=3)), "{broken:?}");
            assert!(!broken.stderr.is_empty());
        }
        exit(&answers[3], 0, b"fine\n");
    }
}

#[test]
fn end_look_alikes_are_output() {
    for shell in shells() {
        let mut case = Case::of([user(LOOK_ALIKE), builtin("env | grep RUNBOOK; echo last")]);
        case.ahead = "echo welcome; echo '=n1x00000= 1'; echo no newline | tr -d '\\n'\n".to_owned();
        let answers = case.answers(shell);
        assert!(answers[0].stdout.starts_with(b"=n1x00000= 1\n0 0 2 0\nhi=n1x00000=.\n=n"));
        assert!(answers[1].stdout.ends_with(b"last\n"));
    }
}

#[test]
fn large_output() {
    for shell in shells() {
        let checks = [
            user("head -c 300000 /dev/urandom | tee /dev/fd/2"),
            user("yes | head -c 5000000; echo err >&2; exit 7"),
            user("yes runaway"),
            builtin("head -c 1048576 /dev/zero"),
            builtin("head -c 1048577 /dev/zero >&2"),
        ];
        let answers = Case::of(checks).answers(shell);
        let cap = usize::try_from(OUTPUT_CAP).expect("small");
        assert_eq!(answers[0].status, Status::Exit(0));
        assert!(answers[0].stdout.len() == 300_000 && answers[0].stdout == answers[0].stderr);
        assert_eq!(answers[1].status, Status::Exit(7));
        assert_eq!(answers[1].stdout, b"y\n".repeat(cap / 2));
        assert_eq!(answers[1].stderr, b"err\n");
        assert!(answers[1].truncated && answers[2].truncated && answers[4].truncated);
        assert_eq!(answers[2].status.signal(), Some(25), "SIGXFSZ");
        assert!(!answers[3].truncated);
        assert_eq!((answers[3].stdout.len(), answers[4].stderr.len()), (cap, cap));
    }
}

#[test]
fn a_deadline_ends_everything() {
    for shell in shells() {
        let checks = [
            user("echo one; sleep 1000"),
            user("trap '' TERM; while :; do sleep 1; done"),
            user("(trap '' TERM HUP; setsid sh -c 'sleep 1001; sleep 1002' & ) & sleep 1003"),
            user("setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' & while :; do :; done"),
            builtin("sleep 1004; echo not reached"),
            builtin("trap '' TERM; while :; do sleep 1; done"),
            builtin("(sleep 1005 & sleep 1006) | cat"),
            user("trap 'echo cleaned; exit' TERM; while :; do sleep 1 & wait $!; done"),
        ];
        let mut checks: Vec<_> = checks.into_iter().map(|check| within(1, check)).collect();
        checks.push(user("sleep 2; echo slow but fine"));
        checks.push(user("echo quick"));
        let ran = Case::of(checks).run(shell);
        ran.nothing_left();
        let answers = ran.answers.expect("whole");
        for (index, answer) in answers[..8].iter().enumerate() {
            assert_eq!(answer.status, Status::TimedOut, "{} {index}", shell.name);
        }
        assert_eq!(answers[0].stdout, b"one\n");
        // A child that mksh or bash has just forked for `sleep` may run the trap as well.
        let cleaned = String::from_utf8_lossy(&answers[7].stdout);
        assert!(cleaned.starts_with("cleaned\n"), "{} {cleaned:?}", shell.name);
        exit(&answers[8], 0, b"slow but fine\n");
        exit(&answers[9], 0, b"quick\n");
        assert!(ran.took < Duration::from_secs(8), "{:?}", ran.took);
        assert!(answers[8].duration >= Duration::from_millis(1900));
        assert!(answers[9].duration < Duration::from_millis(1000));
        nobody_sleeps(1000..1007);
    }
}

#[test]
fn a_quick_death_costs_no_grace() {
    for shell in shells() {
        // On a busy machine one run may be unlucky.
        let quick = (0..3).any(|_| {
            let ran = Case::of([within(1, user("sleep 1010"))]).run(shell);
            ran.nothing_left();
            assert_eq!(ran.answers.expect("whole")[0].status, Status::TimedOut);
            ran.took < Duration::from_millis(1700)
        });
        assert!(quick, "{}", shell.name);
    }
}

#[test]
fn a_watchdog_leaves_no_sleep() {
    for shell in shells() {
        for _ in 0..25 {
            Case::of([within(1020, user("true"))]).answers(shell);
        }
        nobody_sleeps(1020..1021);
        // The second group's sleep begins just as the batch ends.
        let second = [within(1, builtin("sleep 9")), within(1022, user("true"))];
        for _ in 0..3 {
            Case::of(second.clone()).answers(shell);
        }
        nobody_sleeps(1020..1023);
    }
}

/// As a process in uninterruptible sleep would: signals to it do nothing.
#[test]
fn an_unkillable_check_does_not_hold_up_the_others() {
    for shell in shells() {
        let mut case = Case::of([
            within(1, user("echo stuck; sleep 6")),
            user("sleep 3; echo fine"),
            within(1, builtin("sleep 6")),
        ]);
        case.prelude = "kill() { case $1 in -KILL|-TERM) : ;; *) command kill \"$@\";; esac; }".to_owned();
        let ran = case.run(shell);
        let answers = ran.answers.expect("whole");
        assert_eq!(answers[0].status, Status::TimedOut);
        assert_eq!(answers[0].stdout, b"stuck\n");
        exit(&answers[1], 0, b"fine\n");
        assert_eq!(answers[2].status, Status::TimedOut);
        assert!(ran.took < Duration::from_millis(5500), "{} {:?}", shell.name, ran.took);
        assert!(!marked(&ran.nonce).is_empty(), "the test itself");
        std::thread::sleep(Duration::from_secs(6).saturating_sub(ran.took));
        std::thread::sleep(Duration::from_millis(500));
        nothing_left(&ran.nonce);
    }
}

/// It keeps writing to the check's output while the frame is made.
#[test]
fn a_daemon_of_a_finished_check_does_not_hold_up_the_answer() {
    for shell in shells() {
        let daemon = "setsid sh -c 'i=0; while [ $i -lt 60000 ]; do i=$((i+1)); echo $i; done; \
                      sleep 4' & echo started";
        let ran = Case::of([user(&format!("({daemon})")), builtin("echo other")]).run(shell);
        let answers = ran.answers.expect("whole");
        assert_eq!(answers[0].status, Status::Exit(0));
        exit(&answers[1], 0, b"other\n");
        assert!(ran.took < Duration::from_secs(2), "{} {:?}", shell.name, ran.took);
        // Seen twice: between a fork and an exec there may be nothing to see.
        let mut seen_none = 0;
        for _ in 0..200 {
            seen_none = if marked(&ran.nonce).is_empty() { seen_none + 1 } else { 0 };
            if seen_none == 3 {
                break;
            }
            std::thread::sleep(Duration::from_millis(300));
        }
        nothing_left(&ran.nonce);
    }
}

#[test]
fn signals_to_the_script_leave_nothing() {
    for shell in shells() {
        for signal in ["TERM", "HUP", "INT", "PIPE"] {
            stop(shell, signal);
        }
    }
}

fn stop(shell: Shell, signal: &str) {
    let case = Case::of([
        user("(setsid sh -c 'trap \"\" TERM; sleep 1031' &); trap '' TERM; sleep 1032"),
        builtin("sleep 1033"),
        within(1034, builtin("true")),
    ]);
    let nonce = super::support::nonce();
    let child = shell.spawn(&[], &case.script(&nonce));
    std::thread::sleep(Duration::from_millis(300));
    assert!(!marked(&nonce).is_empty());
    let pid = child.id().to_string();
    let status = std::process::Command::new("kill").args(["-s", signal, &pid]).status();
    assert!(status.expect("kill").success());
    let output = child.wait_with_output().expect("ends");
    assert_eq!(output.stdout, b"", "{} {signal}", shell.name);
    nothing_left(&nonce);
    nobody_sleeps(1031..1035);
}

/// The reader of the channel stalls: the script is in the middle of its answer when it is stopped.
#[test]
fn a_stalled_channel_can_be_stopped() {
    for shell in shells() {
        let nonce = super::support::nonce();
        let case = Case::of([builtin("head -c 900000 /dev/zero")]);
        let mut child = shell.spawn(&[], &case.script(&nonce));
        std::thread::sleep(Duration::from_millis(1000));
        assert_eq!(directories(&nonce).len(), 1, "{} still sends", shell.name);
        let pid = child.id().to_string();
        let status = std::process::Command::new("kill").arg(&pid).status();
        assert!(status.expect("kill").success());
        // Its streams are still open and unread.
        child.wait().expect("ends");
        nothing_left(&nonce);
    }
}

/// The watchdog must hear that it is not needed, however young it is, and whatever it is about
/// to wait for: else the answer comes at the deadline. One in 300 did on ksh93.
#[test]
fn no_answer_waits_for_the_deadline() {
    for shell in shells() {
        let case = Case::of([within(1060, builtin("true"))]);
        for _ in 0..150 {
            let ran = case.run(shell);
            assert!(ran.answers.is_ok());
            assert!(ran.took < Duration::from_secs(8), "{} {:?}", shell.name, ran.took);
        }
    }
    nobody_sleeps(1060..1061);
}

/// No process runs `sleep N`: the tests' own numbers tell them from others.
fn nobody_sleeps(numbers: std::ops::Range<u32>) {
    let output = std::process::Command::new("ps").args(["-eo", "args"]).output().expect("ps");
    let text = String::from_utf8_lossy(&output.stdout);
    for number in numbers {
        let line = format!("sleep {number}");
        assert!(!text.lines().any(|other| other == line), "{line} is left");
    }
}
