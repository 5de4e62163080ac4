//! Whoever owns a directory can put a link there at any moment, also between two commands of a script that root runs: nothing
//! is written through one. The moments are made certain: a program of the script's does what its owner would do meanwhile.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use runbook::apply::act;
use runbook::plan::{Change, FileChange};
use runbook::target::files::{Content, FileState, Kind, Owner};
use runbook::target::functions;

const OLD: &[u8] = b"ssh-ed25519 AAAA old\n";
const NEW: &[u8] = b"ssh-ed25519 AAAA new\n";

/// Edits `home/keys` (`in_place`: where it stands), while `program` does `meanwhile` (sh, in the directory) before (or after) what it is for; its status.
fn edited(dir: &Path, program: &str, meanwhile: &str, after: bool, in_place: bool) -> i32 {
    let home = dir.join("home");
    fs::create_dir_all(&home).unwrap();
    let keys = home.join("keys");
    fs::write(&keys, OLD).unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
    let victim = dir.join("victim");
    fs::write(&victim, "root's own\n").unwrap();

    let id = |what: &str| -> u32 {
        let out = Command::new("id").arg(what).output().unwrap().stdout;
        String::from_utf8(out).unwrap().trim().parse().unwrap()
    };
    let owner = Owner { uid: id("-u"), gid: id("-g"), user: "me".into(), group: "me".into() };
    let state = |bytes: &[u8]| FileState {
        kind: Kind::File(Content::Bytes(bytes.to_vec())),
        mode: Some(0o600),
        owner: Some(owner.clone()),
    };
    let real = keys.canonicalize().unwrap().display().to_string();
    let change = Change::File(FileChange {
        path: real.clone(),
        real,
        before: state(OLD),
        after: state(NEW),
        sensitive: false,
        kept: None,
        writable: true,
        in_place,
        immutable: false,
        links: 1,
        notes: Vec::new(),
    });
    let script = act::script(&change, 1, "").unwrap();
    let own = functions(std::iter::once(script.as_str()), false);

    let bin = dir.join("bin");
    fs::create_dir_all(&bin).unwrap();
    let path = "/usr/sbin:/usr/bin:/sbin:/bin";
    let act = format!("(cd '{}'; PATH={path}; victim='{}'; {meanwhile})", home.display(), victim.display());
    let real = format!("PATH={path} {program} \"$@\"");
    let text = if after { format!("{real}; r=$?; {act}; exit $r") } else { format!("{act}; {real}") };
    fs::write(bin.join(program), format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(bin.join(program), fs::Permissions::from_mode(0o755)).unwrap();
    for d in ["state", "lock"] {
        fs::create_dir_all(dir.join(d)).unwrap();
    }
    let head = format!("RUN=r R= S='{0}/state' L='{0}/lock'; umask 022\n", dir.display());
    let done = Command::new("sh")
        .args(["-c", &format!("{head}{own}{script}")])
        .env("PATH", format!("{}:{path}", bin.display()))
        .output()
        .unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "root's own\n", "{program}: {meanwhile}");
    assert_eq!(victim.metadata().unwrap().permissions().mode() & 0o7777, 0o644, "{program}: {meanwhile}");
    let text = String::from_utf8_lossy(&done.stderr).into_owned();
    let left = fs::read_dir(&home).unwrap().flatten().filter(|e| e.path().join("new").is_file()).count();
    assert_eq!(left, 0, "{program}: {meanwhile}: {text}");
    done.status.code().unwrap()
}

#[test]
fn nothing_is_written_through_a_link() {
    // What its owner does, in the place of which program, before or after it; and how the edit ends.
    for (program, meanwhile, after, status) in [
        // It is fine where nobody does anything.
        ("cp", ":", false, &[0][..]),
        // The file itself becomes a link.
        ("cp", "ln -sf \"$victim\" keys", false, &[act::CHANGED]),
        ("chown", "ln -sf \"$victim\" keys", false, &[0]),
        ("chmod", "ln -sf \"$victim\" keys", true, &[0]),
        // A directory has the name of the one that the script makes, with a link in it.
        (
            "mkdir",
            "mv .keys.runbook-r aside 2>/dev/null && mkdir .keys.runbook-r && ln -s \"$victim\" .keys.runbook-r/new",
            true,
            &[act::CHANGED],
        ),
        // A link has it.
        ("mkdir", "ln -s /tmp .keys.runbook-r", false, &[act::NO_ROOM]),
        // The whole directory is another one.
        ("mv", "cd ..; mv home elsewhere; mkdir home; ln -s \"$victim\" home/keys", false, &[0]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let ended = edited(dir.path(), program, meanwhile, after, false);
        assert!(status.contains(&ended), "{program}: {meanwhile}: {ended}");
    }
}

/// A file that is written over where it stands is the one that was opened, also when the old text is put back.
#[test]
fn nothing_is_written_over_through_a_link() {
    for (program, meanwhile, status) in [
        ("readlink", ":", 0),
        ("readlink", "ln -sf \"$victim\" keys", act::NO_ROOM),
        ("cmp", "ln -sf \"$victim\" keys", act::NO_ROOM),
        ("cp", "ln -sf \"$victim\" keys", act::CHANGED),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let ended = edited(dir.path(), program, meanwhile, false, true);
        assert_eq!(ended, status, "{program}: {meanwhile}");
    }
}

/// A mode is set of the file that was looked at, not of what a link leads to.
#[test]
fn no_mode_is_set_through_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let (home, victim) = (dir.path().join("home"), dir.path().join("victim"));
    fs::create_dir_all(&home).unwrap();
    fs::write(&victim, "").unwrap();
    fs::set_permissions(&victim, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(home.join("x"), "").unwrap();
    let run = |meanwhile: &str| {
        let text = format!("P='{0}/x'; R=; rb_in && {{ {meanwhile}; rb_own chmod 777; }}", home.display());
        let own = functions(std::iter::once(text.as_str()), false);
        Command::new("sh").args(["-c", &format!("{own}{text}")]).status().unwrap().code()
    };
    assert_eq!(run(":"), Some(0));
    assert_eq!(home.join("x").metadata().unwrap().permissions().mode() & 0o777, 0o777);
    let _ = (fs::remove_file(home.join("x")), symlink(&victim, home.join("x")));
    assert_ne!(run(":"), Some(0));
    assert_eq!(victim.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}
