//! Files as other tools' users have them: in directories that hand things down, with two names, long, bound, immutable.
#![allow(clippy::disallowed_methods)] // A test may start what it tests.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use crate::bench::Bench;
use crate::support::Host;

fn mode(b: &Bench, name: &str) -> u32 {
    fs::metadata(b.path(name)).unwrap().permissions().mode() & 0o7777
}

/// A directory hands its group, its set-group-ID bit and its default ACL down to what is made in it.
#[test]
fn a_file_is_edited_in_a_directory_of_any_kind() {
    let b = Bench::new();
    let sh =
        |script: &str| Command::new("sh").args(["-ec", script]).current_dir(b.path("")).status().unwrap().success();
    for (name, set) in
        [("plain", "chmod 755"), ("setgid", "chmod 2755"), ("sticky", "chmod 1777"), ("both", "chmod 3770")]
    {
        assert!(sh(&format!("mkdir {name}; {set} {name}; printf 'x\\n' >{name}/f; chmod 640 {name}/f")), "{name}");
    }
    let acl = sh("mkdir acl; setfacl -d -m u:0:rwx,g:0:rwx,o::rwx acl && printf 'x\\n' >acl/f && chmod 640 acl/f");
    let names = ["plain", "setgid", "sticky", "both", "acl"];
    let names = if acl { &names[..] } else { &names[..4] };
    let steps: String = names
        .iter()
        .map(|n| {
            format!(
                "- {{name: {n}, ensure: {{edit: {{path: DIR/{n}/f, line: y}}}}}}\n\
                 - {{name: new in {n}, ensure: {{file: {{path: DIR/{n}/new, content: \"n\\n\", mode: \"0640\"}}}}}}\n"
            )
        })
        .collect();
    b.write("book.yaml", &format!("name: t\ntitle: t\nsteps:\n{steps}"));
    b.apply().expect(0);
    for n in names {
        assert_eq!((b.read(&format!("{n}/f")), b.read(&format!("{n}/new"))), ("x\ny\n".into(), "n\n".into()), "{n}");
        assert_eq!((mode(&b, &format!("{n}/f")), mode(&b, &format!("{n}/new"))), (0o640, 0o640), "{n}");
        assert_eq!(fs::read_dir(b.path(n)).unwrap().count(), 2, "{n}: something was left");
    }
    let run = b.apply().expect(0);
    assert!(run.changes().is_empty(), "{}", run.text);
}

/// Longer than one answer may be: it comes in pieces, and goes back whole.
#[test]
fn a_long_file_is_edited() {
    let b = Bench::new();
    let line = "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456\n";
    let long = line.repeat(16_000);
    b.write("long.conf", &format!("{long}a = 1\nlast\n"));
    b.write("book.yaml", "name: t\ntitle: t\nsteps:\n- {name: a, ensure: {edit: {path: DIR/long.conf, match: '^a = ', line: 'a = 2'}}}\n");
    b.apply().expect(0);
    assert!(b.read("long.conf") == format!("{long}a = 2\nlast\n"));
    // What no file of configuration is: nothing of it is brought here.
    fs::File::create(b.path("long.conf")).unwrap().set_len(65 << 20).unwrap();
    let run = b.plan().expect(1);
    assert!(run.text.contains("is 65 MB long, and at most 64 MB are read"), "{}", run.text);
}

#[test]
fn in_place_keeps_the_file_and_its_other_names() {
    let b = Bench::new();
    b.write("f", "a = 1\n");
    fs::hard_link(b.path("f"), b.path("other")).unwrap();
    let inode = fs::metadata(b.path("f")).unwrap().ino();
    b.write("book.yaml", "name: t\ntitle: t\nsteps:\n- {name: a, ensure: {edit: {path: DIR/f, match: '^a', line: 'a = 22', in_place: true}}}\n");
    let run = b.apply().expect(0);
    assert!(run.text.contains("written over where it stands"), "{}", run.text);
    assert_eq!((b.read("f"), b.read("other")), ("a = 22\n".into(), "a = 22\n".into()));
    let id = run.json["run"]["id"].as_str().or(run.json["run"].as_str()).unwrap().to_owned();
    b.run(&["undo", &id, "--yes", "-o", "json"]).expect(0);
    assert_eq!((b.read("f"), b.read("other")), ("a = 1\n".into(), "a = 1\n".into()));
    assert_eq!(fs::metadata(b.path("f")).unwrap().ino(), inode);
    assert_eq!(fs::metadata(b.path("f")).unwrap().nlink(), 2);
}

const BOOK: &str = "name: t\ntitle: t\nvars:\n  over: {type: bool, default: false, help: h}\n  immutable: {type: enum, values: [keep, lift], optional: true, help: may it change}\nsteps:\n\
    - name: bound\n  ensure: {edit: {path: /etc/lab/bound, match: '^a', line: a = 2, in_place: \"{{ over }}\"}}\n\
    - name: immutable\n  ensure: {edit: {path: /etc/lab/fixed, match: '^a', line: a = 2, immutable: \"{{ immutable }}\"}}\n";

/// A container's /etc/hosts, and a file that somebody has made immutable.
#[test]
fn what_cannot_be_replaced_is_said_and_asked_about() {
    let Some(host) = Host::up("peers-files") else { return };
    host.sh("mkdir /etc/lab /srv/lab; cd /etc/lab; for f in bound fixed; do echo 'a = 1' >$f; done
        echo 'a = 1' >/srv/lab/real; mount --bind /srv/lab/real bound; chattr +i fixed");
    let dir = tempfile::tempdir().unwrap();
    let book = dir.path().join("t.yaml");
    fs::write(&book, BOOK).unwrap();
    let run = host.run("apply", &book, None, &[]);
    let told = run.json.to_string();
    assert!(told.contains("is mounted there by itself") && told.contains("in_place: true"), "{told}");
    assert!(told.contains("immutable (chattr +i)") && told.contains("-e immutable=lift"), "{told}");
    assert_eq!(host.sh("cat /etc/lab/bound /etc/lab/fixed"), "a = 1\na = 1\n");
    let run = host.run("apply", &book, None, &["-e", "over=true", "-e", "immutable=lift"]);
    assert_eq!(run.exit, 0, "{}", run.seen());
    assert_eq!(host.sh("cat /etc/lab/bound /srv/lab/real /etc/lab/fixed"), "a = 2\n".repeat(3));
    assert!(host.sh("lsattr /etc/lab/fixed").split(' ').next().unwrap().contains('i'), "it is immutable again");
    let id = run.json["run"].as_str().unwrap().to_owned();
    let back = host.run("undo", Path::new(&id), None, &["-y"]);
    assert_eq!(back.exit, 0, "{}", back.seen());
    assert_eq!(host.sh("cat /etc/lab/bound /srv/lab/real /etc/lab/fixed"), "a = 1\n".repeat(3));
    assert!(host.sh("lsattr /etc/lab/fixed").split(' ').next().unwrap().contains('i'), "and after the undo");
    assert_eq!(host.sh("ls -A /etc/lab | tr '\n' ' '"), "bound fixed ");

    // One group of two words, as sshd itself then lists it; an empty list beside it says nothing.
    let groups = dir.path().join("groups.yaml");
    let book = |list: &str| {
        format!("name: t\ntitle: t\nsteps:\n- {{name: g, ensure: {{sshd_config: {{set: {{AllowGroups: {list}}}}}}}}}\n")
    };
    fs::write(&groups, book("[domain users, root]")).unwrap();
    let run = host.run("apply", &groups, None, &[]);
    assert_eq!(run.exit, 0, "{}", run.seen());
    assert_eq!(host.sh("/usr/sbin/sshd -T | grep allowgroups"), "allowgroups domain users\nallowgroups root\n");
    fs::write(&groups, book("[]")).unwrap();
    let run = host.run("plan", &groups, None, &[]);
    assert!(run.exit != 0 && run.seen().contains("AllowGroups is to be an empty list"), "{}", run.seen());
}
