//! Candidates in a private mount namespace: seen by the check, by nobody else. Needs root.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use runbook::payload::{printf_payload, sh_quote};
use runbook::target::frame::Status;
use runbook::target::probe::{Check, OverlaySpec};

use super::support::{Case, builtin, dash, is_root, nonce, shells, user, within};

pub fn spec(dirs: &[&str], writes: &str) -> OverlaySpec {
    let dirs = dirs.iter().map(|&dir| dir.to_owned()).collect();
    OverlaySpec { dirs, writes: writes.to_owned(), ..OverlaySpec::default() }
}

fn over(check: Check) -> Check {
    Check { overlay: Some(0), ..check }
}

/// A small /etc/ssh on a disk, gone with the value.
struct Tree(PathBuf);

impl Tree {
    fn new(name: &str) -> Self {
        let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name).join(nonce());
        fs::create_dir_all(root.join("ssh/conf.d")).expect("made");
        fs::write(root.join("ssh/sshd_config"), "Port 2222\n").expect("written");
        fs::write(root.join("ssh/conf.d/old.conf"), "UsePAM no\n").expect("written");
        fs::set_permissions(root.join("ssh"), fs::Permissions::from_mode(0o2751)).expect("mode");
        std::os::unix::fs::chown(root.join("ssh"), Some(7), Some(8)).expect("owner");
        Self(root)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// Every path with its mode, owner, mtime and content.
    fn state(&self) -> Vec<String> {
        fn walk(path: &Path, found: &mut Vec<String>) {
            let meta = fs::symlink_metadata(path).expect("there");
            let content = fs::read(path).unwrap_or_default();
            let looks = (meta.mode(), meta.uid(), meta.gid(), meta.mtime_nsec(), meta.ino());
            found.push(format!("{} {looks:?} {content:?}", path.display()));
            for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                walk(&entry.path(), found);
            }
        }
        let mut found = Vec::new();
        walk(&self.0, &mut found);
        found.sort();
        found
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_check_sees_candidates_and_nothing_is_touched() {
    if !is_root() {
        return;
    }
    let tree = Tree::new("see it's");
    let before = tree.state();
    let ssh = tree.path("ssh");
    let quoted = sh_quote(&ssh).expect("no NUL");
    let payload = printf_payload(b"Port 22\n# it's 100%\n");
    let writes = format!(
        "cd {quoted} || return\nput sshd_config && put new.conf && rm conf.d/old.conf &&\n\
         mkdir conf.d/sub && {{ {payload}; }} >conf.d/sub/deep.conf",
    );
    let look = format!(
        "cd {quoted}; cat sshd_config; cat conf.d/sub/deep.conf; ls . conf.d; stat -c '%a %u %g' .; \
         echo err >&2; exit 3"
    );
    let expected = "Port 22\nPort 22\n# it's 100%\n.:\nconf.d\nnew.conf\nsshd_config\n\n\
                    conf.d:\nsub\n2751 7 8\n";
    for shell in shells() {
        let mut case = Case::of([over(user(&look)), user(&look), over(builtin(&look))]);
        case.checks.push(over(builtin("put /dev/stdout; echo \"$#\"")));
        case.prelude = "put() { echo Port 22 >>/dev/null; echo Port 22 >\"$1\"; }".to_owned();
        case.overlays = vec![spec(&[&tree.path("ssh/conf.d"), &ssh], &writes)];
        let answers = case.answers(shell);
        for index in [0, 2] {
            assert_eq!(answers[index].status, Status::Exit(3), "{}", shell.name);
            assert_eq!(String::from_utf8_lossy(&answers[index].stdout), expected);
            assert_eq!(answers[index].stderr, b"err\n");
        }
        assert!(answers[1].stdout.starts_with(b"Port 2222\n"));
        assert_eq!(answers[3].stdout, b"Port 22\n0\n");
        assert_eq!(tree.state(), before);
    }
}

#[test]
fn relative_paths_and_links_lead_into_the_overlay() {
    if !is_root() {
        return;
    }
    let tree = Tree::new("cwd");
    symlink("ssh", tree.0.join("link")).expect("linked");
    let before = tree.state();
    let mut case = Case::of([over(user("echo changed >sshd_config; cat sshd_config; pwd"))]);
    case.ahead = format!("cd {}\n", sh_quote(&tree.path("ssh")).expect("no NUL"));
    case.overlays = vec![spec(&[&tree.path("link"), &tree.path("ssh")], "echo x >sshd_config")];
    for shell in shells() {
        let answers = case.answers(shell);
        assert_eq!(tree.state(), before, "{}", shell.name);
        let expected = format!("changed\n{}\n", tree.path("ssh"));
        assert_eq!(String::from_utf8_lossy(&answers[0].stdout), expected, "{}", shell.name);
        assert_eq!(tree.state(), before);
    }
}

/// Runs one check over the tree that would show if it or the candidates went to the real files.
fn refused(case: &mut Case, tree: &Tree, dirs: &[&str]) -> Vec<String> {
    let before = tree.state();
    let config = sh_quote(&tree.path("ssh/sshd_config")).expect("no NUL");
    case.overlays = vec![spec(dirs, &format!("echo bad >{config}"))];
    case.checks = vec![over(user(&format!("echo ran >{config}"))), user("echo fine")];
    let mut reasons = Vec::new();
    // busybox prefers its own applets to what is on the PATH.
    let lies = case.ahead.contains("PATH=");
    for shell in shells() {
        if lies && shell.name == "busybox" {
            continue;
        }
        let answers = case.answers(shell);
        match &answers[0].status {
            Status::NoOverlay(reason) => reasons.push(reason.clone()),
            other => panic!("{}: {other:?}", shell.name),
        }
        assert!(answers[0].stdout.is_empty() && answers[0].stderr.is_empty());
        assert_eq!(answers[1].stdout, b"fine\n");
        assert_eq!(tree.state(), before);
    }
    reasons
}

fn all_say(reasons: &[String], text: &str) {
    assert!(reasons.iter().all(|reason| reason.contains(text)), "{reasons:?}");
}

#[test]
fn refusals_write_nothing() {
    if !is_root() {
        return;
    }
    let tree = Tree::new("refuse");
    let ssh = tree.path("ssh");
    let wrap = vec!["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all"];
    let mut case = Case { wrap, ..Case::default() };
    all_say(&refused(&mut case, &tree, &[&ssh]), "ermi");
    case.wrap.clear();
    all_say(&refused(&mut case, &tree, &[&ssh, "/does/not/exist"]), "/does/not/exist");
    all_say(&refused(&mut case, &tree, &["/dev/shm", &ssh]), "the directory of the probe");
    all_say(&refused(&mut case, &tree, &["/"]), "the directory of the probe");
    case.wrap = vec!["unshare", "-m", "sh", "-c", "umount -l /proc; exec \"$0\" \"$@\""];
    all_say(&refused(&mut case, &tree, &[&ssh]), "no /proc");
}

/// Tools that lie or fail: `mount` that does nothing, fails on the overlay or on the last one,
/// `unshare` that does not unshare or is not there.
#[test]
fn no_tool_is_believed() {
    if !is_root() {
        return;
    }
    let tree = Tree::new("lie");
    let bin = tree.0.join("bin");
    fs::create_dir(&bin).expect("made");
    let lies = [
        ("mount", "exit 0"),
        ("mount", "case \"$*\" in *overlay*) exit 0;; *) exec /usr/bin/mount \"$@\";; esac"),
        ("mount", "case \"$*\" in *overlay*conf.d) exit 0;; *) exec /usr/bin/mount \"$@\";; esac"),
        ("mount", "case \"$*\" in *overlay*conf.d) exit 1;; *) exec /usr/bin/mount \"$@\";; esac"),
        ("mount", "case \"$*\" in *tmpfs*) exit 32;; *) exec /usr/bin/mount \"$@\";; esac"),
        ("unshare", "exit 1"),
        ("unshare", "exit 0"),
        ("unshare", "kill -9 $$"),
        ("stat", "exit 1"),
    ];
    for (tool, text) in lies {
        let path = bin.join(tool);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("mode");
        let quoted = sh_quote(&bin.display().to_string()).expect("no NUL");
        let mut case = Case { ahead: format!("PATH={quoted}:$PATH\n"), ..Case::default() };
        refused(&mut case, &tree, &[&tree.path("ssh"), &tree.path("ssh/conf.d")]);
        fs::remove_file(&path).expect("removed");
    }
}

#[test]
fn failing_writes_and_deadlines() {
    if !is_root() {
        return;
    }
    let tree = Tree::new("fail");
    let ssh = tree.path("ssh");
    for writes in ["echo why >&2; false", "exit 0", "return 1", "fi", "kill -9 $$"] {
        let mut case = Case::of([over(user("echo ran"))]);
        case.overlays = vec![spec(&[&ssh], writes)];
        let answers = case.answers(dash());
        assert!(matches!(answers[0].status, Status::NoOverlay(_)), "{writes}: {answers:?}");
    }
    for shell in shells() {
        let mut case = Case::of([over(within(1, user("echo on; trap '' TERM; sleep 1051")))]);
        case.checks.push(over(user("kill -9 $$")));
        case.overlays = vec![spec(&[&ssh], "true")];
        let answers = case.answers(shell);
        assert_eq!(answers[0].status, Status::TimedOut);
        assert_eq!(answers[0].stdout, b"on\n");
        assert_eq!(answers[1].status.signal(), Some(9));
    }
}

/// What is mounted inside of a covered directory: a tmpfs in a tmpfs, an overlay, a file over a file (as a container has
/// its /etc/hosts), and candidates that are mount points themselves.
#[test]
fn what_is_mounted_inside_shows_and_is_not_touched() {
    if !is_root() {
        return;
    }
    let tree = Tree::new("mounts it's");
    for dir in ["ssh/my data", "ssh/lay", "ssh/low", "ssh/up", "ssh/moded", "ssh/gone"] {
        fs::create_dir(tree.0.join(dir)).expect("made");
    }
    for (file, text) in
        [("ssh/hosts", ""), ("hosts", "real hosts\n"), ("config", "Port 23\n"), ("ssh/low/old", "low\n")]
    {
        fs::write(tree.0.join(file), text).expect("written");
    }
    fs::set_permissions(tree.0.join("config"), fs::Permissions::from_mode(0o640)).expect("mode");
    let quoted = |name: &str| sh_quote(&tree.path(name)).expect("no NUL");
    let mounts = format!(
        "cd {root} || exit 9
        mount -t tmpfs tmpfs 'ssh/my data' && mkdir 'ssh/my data/deep' && mount -t tmpfs tmpfs 'ssh/my data/deep' &&
        echo inside >'ssh/my data/deep/f' && mount -t tmpfs tmpfs ssh/up && mkdir ssh/up/u ssh/up/w &&
        mount -t overlay -o lowerdir=ssh/low,upperdir=ssh/up/u,workdir=ssh/up/w overlay ssh/lay &&
        mount --bind hosts ssh/hosts && mount --bind config ssh/sshd_config &&
        mount -t tmpfs -o mode=755 tmpfs ssh/moded && echo kept >ssh/moded/f &&
        mount -t tmpfs tmpfs ssh/gone && echo kept >ssh/gone/f || exit 9
        \"$0\" \"$@\"
        {{ cat ssh/sshd_config hosts ssh/gone/f ssh/moded/f 'ssh/my data/deep/f'; stat -c '%a %n' ssh/moded
        ls ssh/lay 'ssh/my data'; }} >after",
        root = quoted("."),
    );
    let mounts: &'static str = Box::leak(mounts.into_boxed_str());
    let ssh = quoted("ssh");
    let look = format!(
        "cd {ssh}; cat sshd_config hosts 'my data/deep/f' lay/old moded/f; stat -c '%a %n' moded sshd_config; ls gone
        for d in lay 'my data' 'my data/deep' hosts; do {{ echo bad >>\"$d/bad\" || echo bad >>\"$d\"; }} 2>/dev/null && echo \"$d is written to\"; done
        for d in 'my data' lay; do mountpoint -q \"$d\" || echo \"$d is no mount\"; done"
    );
    let mut case = Case::of([over(user(&look))]);
    case.wrap = vec!["unshare", "-m", "sh", "-c", mounts];
    case.overlays = vec![OverlaySpec {
        directories: vec![tree.path("ssh/moded"), tree.path("ssh/not yet")],
        replaced: vec![tree.path("ssh/sshd_config"), tree.path("ssh/gone")],
        ..spec(
            &[&tree.path("ssh")],
            &format!("cd {ssh} && echo Port 22 >>sshd_config && rm -rf gone && chmod 700 moded && mkdir 'not yet'"),
        )
    }];
    for shell in shells() {
        let answers = case.answers(shell);
        assert_eq!(answers[0].status, Status::Exit(0), "{}: {answers:?}", shell.name);
        assert_eq!(
            String::from_utf8_lossy(&answers[0].stdout),
            "Port 23\nPort 22\nreal hosts\ninside\nlow\nkept\n700 moded\n640 sshd_config\n",
            "{}",
            shell.name
        );
        let after = fs::read_to_string(tree.path("after")).expect("looked at again");
        let expected = "Port 23\nreal hosts\nkept\nkept\ninside\n755 ssh/moded\nssh/lay:\nold\n\nssh/my data:\ndeep\n";
        assert_eq!(after, expected, "{}", shell.name);
    }
}
