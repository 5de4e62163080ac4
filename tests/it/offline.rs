//! Disks: what is said of one that is not running, and what is not.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::support::{Desk, Done, Host, shipped};

/// Words that are true only of what runs, or of what somebody looked at from outside.
const UNTRUE: &[&str] = &["proven", "runs now", "Healthy", "healthy", "has no value", "all is well", "not running"];

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for e in fs::read_dir(from).unwrap().flatten() {
        let to = to.join(e.file_name());
        match e.file_type().unwrap() {
            t if t.is_dir() => copy(&e.path(), &to),
            t if t.is_symlink() => std::os::unix::fs::symlink(fs::read_link(e.path()).unwrap(), to).unwrap(),
            _ => drop(fs::copy(e.path(), to).unwrap()),
        }
    }
}

/// The disk of examples/broken-host, of a machine whose programs cannot run here.
fn foreign() -> Desk {
    let desk = Desk::new();
    copy(Path::new("examples/broken-host"), &desk.path("disk"));
    for dir in ["disk/bin", "disk/usr/sbin", "disk/home/admin", "disk/etc"] {
        fs::create_dir_all(desk.path(dir)).unwrap();
    }
    for program in ["disk/bin/sh", "disk/usr/sbin/sshd"] {
        desk.write(program, "\x7fELF of another machine\n");
        fs::set_permissions(desk.path(program), fs::Permissions::from_mode(0o755)).unwrap();
    }
    desk.write("disk/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nadmin:x:1000:1000::/home/admin:/bin/bash\n");
    desk
}

fn run(desk: &Desk, verb: &str, book: &str, args: &[&str]) -> Done {
    let via = format!("root:{}", desk.path("disk").display());
    let args: Vec<&str> = ["--via", &via].into_iter().chain(args.iter().copied()).collect();
    desk.runbook(&[], verb, &shipped(book), &args).output().unwrap().into()
}

/// What is skipped is not said of it.
fn true_of_a_disk(said: &Done) {
    for line in said.stdout.lines().filter(|l| !l.starts_with("  skipped ")) {
        assert!(!UNTRUE.iter().any(|word| line.contains(word)), "{line}:\n{}", said.stdout);
    }
}

#[test]
fn what_could_not_be_looked_at_is_not_well() {
    let desk = foreign();
    let nothing = "Nothing could be checked here";
    let passed = "Offline checks passed";
    for (book, args, exit, says) in [
        ("disk-full", &[][..], 1, nothing),
        ("sudo-broken", &[], 1, nothing),
        ("ssh-permission-denied", &["-e", "user=admin"], 1, nothing),
        ("fstab-broken", &[], 0, passed),
        ("ssh-closed", &[], 0, passed),
        ("ssh-timeout", &[], 0, passed),
        ("ssh-prevent", &[], 1, "ssh.service is not enabled: it will not come up at boot"),
        ("ssh-refused", &["-e", "port=22"], 4, "3 changes to make"),
    ] {
        for verbose in [&[][..], &["-v"]] {
            let said = run(&desk, "plan", book, &[args, verbose].concat());
            assert_eq!(said.code, exit, "{book}: {}{}", said.stdout, said.stderr);
            assert!(said.stdout.contains(says), "{book}: {}", said.stdout);
            true_of_a_disk(&said);
        }
    }
}

#[test]
fn a_repaired_disk_is_to_be_looked_at_once_it_runs() {
    let desk = foreign();
    let said = run(&desk, "apply", "ssh-refused", &["-y", "-e", "port=22"]);
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    true_of_a_disk(&said);
    for text in [
        "this disk's programs can't run here, so the new configuration was not\n        tested",
        "checked sshd is started at boot",
        "not tested from outside: this is an offline disk",
        "3 changes made on the disk; offline checks passed",
        "After booting that disk, check on the host:\n    ",
        "runbooks/ssh-refused.yaml -e port=22\n",
    ] {
        assert!(said.stdout.contains(text), "{text}:\n{}", said.stdout);
    }
    let runs = fs::read_dir(desk.path("state/runbook/runs")).unwrap().flatten().next().unwrap();
    let id = runs.file_name().into_string().unwrap();
    let told: Done = desk.runbook(&[], "report", Path::new(&id), &[]).output().unwrap().into();
    assert!(told.stdout.contains("offline checks passed"), "{}", told.stdout);
    true_of_a_disk(&told);
}

#[test]
fn where_nothing_is_mounted_there_is_no_disk() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("disk")).unwrap();
    let said = run(&desk, "plan", "ssh-refused", &[]);
    assert_eq!(said.code, 2, "{}", said.stdout);
    assert!(
        said.stderr.contains("nothing is mounted there: ") && said.stderr.contains("hint: lsblk -f"),
        "{}",
        said.stderr
    );
    fs::create_dir_all(desk.path("disk/boot")).unwrap();
    let said = run(&desk, "plan", "ssh-refused", &[]);
    assert!(said.code == 2 && said.stderr.contains("holds no root file system: it has no etc"), "{}", said.stderr);
    // A subvolume of btrfs.
    fs::create_dir_all(desk.path("disk/@/etc")).unwrap();
    let said = run(&desk, "plan", "ssh-refused", &[]);
    assert!(said.code == 2 && said.stderr.contains("/disk/@\n"), "{}", said.stderr);
}

#[test]
fn a_step_that_was_not_looked_at_has_no_fields() {
    let desk = Desk::new();
    let book = desk.write(
        "t.yaml",
        "name: t\ntitle: t\nsteps:\n\
         - {name: not here, id: a, when: 'false', check: {command: {sh: ':'}}, tags: [a]}\n\
         - {name: of it, check: {command: {sh: ':'}}, condition: steps.a.stdout != '', tags: [b]}\n\
         - {name: over it, loop: steps.a.lines, check: {command: {sh: ':'}}}\n\
         - {name: with it, check: {command: {sh: 'echo {{ steps.a.stdout }}'}}}\n\
         - {name: without it, check: {command: {sh: ':'}}, condition: steps.a.stdout | default('x') == ''}\n",
    );
    let plan = |args: &[&str]| -> Done {
        let args = [&["--via", "exec:sh", "-v"], args].concat();
        desk.runbook(&[], "plan", &book, &args).output().unwrap().into()
    };
    let said = plan(&[]);
    assert_eq!(said.code, 0, "{}", said.stdout);
    let words: Vec<&str> = said.stdout.lines().filter_map(|l| l.strip_prefix("  ")?.split(' ').next()).collect();
    let words: Vec<&&str> = words.iter().filter(|w| !w.is_empty()).collect();
    assert_eq!(words, [&"skipped", &"skipped", &"skipped", &"skipped", &"ok"], "{}", said.stdout);
    let said = plan(&["--tags", "b"]);
    assert_eq!(said.code, 1, "{}", said.stdout);
    assert!(said.stdout.contains("it needs \"not here\", which is not selected"), "{}", said.stdout);
}

#[test]
fn lines_of_a_disk_s_fstab() {
    let desk = foreign();
    desk.write(
        "disk/etc/fstab",
        "/dev/sda1 / ext4 defualts 0 1\n/dev/sdz1 /data ext4 defaults 0 2\ntmpfs /scratch tmpfs\nhalf a\n/dev/sdz2 /b ext4 defaults,nofail 0 2\n",
    );
    let said = run(&desk, "plan", "fstab-broken", &[]);
    assert_eq!(said.code, 1, "{}", said.stdout);
    let flat = said.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for text in [
        "/etc/fstab:1 has an option \"defualts\", which is a misspelling of defaults",
        "/etc/fstab:2 wants /dev/sdz1 on /data: this machine has none, and whether the host has one cannot be seen from its disk",
        "/etc/fstab:4 has no three fields",
        "-e devices=keep or -e devices=nofail",
    ] {
        assert!(flat.contains(text), "{text}:\n{}", said.stdout);
    }
    true_of_a_disk(&said);
    let said = run(&desk, "apply", "fstab-broken", &["-y", "-e", "devices=nofail"]);
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    assert_eq!(
        fs::read_to_string(desk.path("disk/etc/fstab")).unwrap(),
        "/dev/sda1 / ext4 defaults 0 1\n/dev/sdz1 /data ext4 defaults,nofail 0 2\ntmpfs /scratch tmpfs\n#half a\n/dev/sdz2 /b ext4 defaults,nofail 0 2\n"
    );
    let said = run(&desk, "plan", "fstab-broken", &[]);
    assert_eq!(said.code, 0, "{}", said.stdout);
    let flat = said.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("Note: /etc/fstab:3 has 3 of six fields"), "{}", said.stdout);
}

/// A disk whose programs run here: the tree of a host of the lab.
#[test]
fn every_shipped_runbook_on_the_disk_of_a_host() {
    let Some(host) = Host::up("offline-books") else { return };
    let via = format!("root:{}", host.disk("/").display());
    for book in [
        "disk-full",
        "fstab-broken",
        "ssh-closed",
        "ssh-permission-denied",
        "ssh-prevent",
        "ssh-refused",
        "ssh-timeout",
        "sudo-broken",
    ] {
        let mut args = vec!["--via", &via, "-v"];
        args.extend(if book == "ssh-permission-denied" { &["-e", "user=admin"][..] } else { &[] });
        let said = Done::from(host.desk.runbook(&[], "plan", &shipped(book), &args).output().unwrap());
        let (code, says) =
            if book == "disk-full" { (1, "Nothing could be checked here") } else { (0, "Offline checks passed") };
        assert_eq!(said.code, code, "{book}: {}{}", said.stdout, said.stderr);
        assert!(said.stdout.contains(says), "{book}: {}", said.stdout);
        true_of_a_disk(&said);
    }
}
