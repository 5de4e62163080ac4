//! Targets that lack something: room, /proc, rights. Each case has a mount namespace of its own.

use runbook::target::frame::{FrameError, Status};

use super::support::{Case, builtin, is_root, nothing_left, shells, user, within};

/// Runs the shell after `sh` commands in a new mount namespace.
fn inside(setup: &'static str) -> Vec<&'static str> {
    vec!["unshare", "-m", "sh", "-c", setup]
}

const NO_PROC: &str = "mount -t tmpfs -o ro none /proc && exec \"$0\" \"$@\"";
const READ_ONLY: &str = "for d in /dev/shm /run /tmp; do mount -t tmpfs -o ro none $d || exit; done; \
                         exec \"$0\" \"$@\"";
const SMALL: &str = "mount -t tmpfs -o size=256k none /dev/shm && exec \"$0\" \"$@\"";
const FULL: &str = "mount -t tmpfs -o size=64k none /dev/shm && \
                    head -c 64k /dev/zero >/dev/shm/x; exec \"$0\" \"$@\"";
const NO_NULL: &str = "mount -t tmpfs none /dev && exec \"$0\" \"$@\"";

#[test]
fn without_proc() {
    if !is_root() {
        return;
    }
    for shell in shells() {
        let mut case = Case::of([
            user("echo a; exit 3"),
            builtin("echo b; exit 4"),
            within(1, user("echo c; while :; do :; done")),
            within(1, builtin("while :; do :; done")),
            user("kill -9 $$"),
        ]);
        case.wrap = inside(NO_PROC);
        let ran = case.run(shell);
        ran.nothing_left();
        let answers = ran.answers.expect("whole");
        assert!(answers[0].duration.is_zero());
        assert_eq!((&answers[0].status, &*answers[0].stdout), (&Status::Exit(3), &b"a\n"[..]));
        assert_eq!((&answers[1].status, &*answers[1].stdout), (&Status::Exit(4), &b"b\n"[..]));
        assert_eq!((&answers[2].status, &*answers[2].stdout), (&Status::TimedOut, &b"c\n"[..]));
        assert_eq!(answers[3].status, Status::TimedOut);
        assert_eq!(answers[4].status.signal(), Some(9));
    }
}

#[test]
fn without_a_writable_directory() {
    if !is_root() {
        return;
    }
    for shell in shells() {
        for setup in [READ_ONLY, NO_NULL] {
            let mut case = Case::of([builtin("true")]);
            case.wrap = inside(setup);
            match case.run(shell).answers {
                Err(FrameError::NoRoom { reason }) => assert!(reason.contains("/dev"), "{reason}"),
                other => panic!("{}: {other:?}", shell.name),
            }
        }
    }
}

#[test]
fn a_full_disk_is_never_a_short_answer() {
    if !is_root() {
        return;
    }
    for shell in shells() {
        let mut case = Case::of([
            user("echo early"),
            user("sleep 1; head -c 500000 /dev/zero; exit 0"),
            builtin("sleep 2; echo late"),
            user("sleep 2; echo late; kill -9 $PPID"),
        ]);
        case.wrap = inside(SMALL);
        let ran = case.run(shell);
        ran.nothing_left();
        let answers = ran.answers.expect("whole");
        assert_eq!((&answers[0].status, &*answers[0].stdout), (&Status::Exit(0), &b"early\n"[..]));
        for answer in &answers[1..] {
            assert_eq!(answer.status, Status::NoRoom, "{}", shell.name);
        }
        // Full from the start: the next directory is taken.
        case = Case::of([builtin("echo fine")]);
        case.wrap = inside(FULL);
        assert_eq!(case.answers(shell)[0].stdout, b"fine\n");
    }
}

#[test]
fn unprivileged() {
    if !is_root() {
        return;
    }
    for shell in shells() {
        let mut case = Case::of([
            user("id -u"),
            builtin("echo b"),
            within(1, user("trap '' TERM; (setsid sleep 1041 &) ; sleep 1042")),
        ]);
        case.wrap = vec!["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        let ran = case.run(shell);
        nothing_left(&ran.nonce);
        let answers = ran.answers.expect("whole");
        assert_eq!(answers[0].stdout, b"65534\n");
        assert_eq!(answers[1].stdout, b"b\n");
        assert_eq!(answers[2].status, Status::TimedOut);
    }
}
