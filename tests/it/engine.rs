//! The engine over `exec:sh`: real scripts on this machine's sh, on files in a temporary directory. No root, no lab.
#![allow(clippy::disallowed_methods)] // A test may start what it tests.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bench::Bench;

fn executable(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_second_apply_changes_nothing() {
    let b = Bench::new();
    b.write("etc/app.conf", "a = 1\r\nb = 2");
    b.write(
        "book.yaml",
        "name: t\ntitle: t\nsteps:\n\
         - {name: line, ensure: {edit: {path: DIR/etc/app.conf, line: 'c = 3'}}}\n\
         - {name: file, ensure: {file: {path: DIR/etc/new, content: \"x\\n\", mode: \"0600\"}}}\n\
         - {name: dir, ensure: {file: {path: DIR/etc/d, state: directory}}}\n\
         - {name: link, ensure: {file: {path: DIR/etc/l, state: link, to: new}}}\n\
         - {name: ini, ensure: {ini: {path: DIR/etc/d/i.ini, section: S, set: {k: v}, create: true}}}\n\
         - {name: gone, ensure: {file: {path: DIR/etc/old, state: absent}}}\n",
    );
    b.write("etc/old", "x");
    let planned = b.plan().expect(4);
    assert_eq!(b.read("etc/app.conf"), "a = 1\r\nb = 2", "a plan changes nothing");
    let applied = b.apply().expect(0);
    assert_eq!(
        planned.json["rounds"][0]["changes"], applied.json["rounds"][0]["changes"],
        "apply does what the plan said"
    );
    assert_eq!(b.read("etc/app.conf"), "a = 1\r\nb = 2\r\nc = 3", "endings and the missing newline are kept");
    assert_eq!(fs::metadata(b.path("etc/new")).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(fs::read_link(b.path("etc/l")).unwrap(), Path::new("new"));
    assert_eq!(b.read("etc/d/i.ini"), "[S]\nk=v\n");
    assert!(!b.path("etc/old").exists());
    let before = fs::metadata(b.path("etc/app.conf")).unwrap().modified().unwrap();
    let again = b.apply().expect(0);
    assert!(again.changes().is_empty() && again.json["run"].is_null(), "{}", again.text);
    assert_eq!(fs::metadata(b.path("etc/app.conf")).unwrap().modified().unwrap(), before);
}

#[test]
fn what_a_step_needs_and_what_it_waits_for() {
    let b = Bench::new();
    b.write(
        "book.yaml",
        "name: t\ntitle: t\nsteps:\n\
         - {within: 1s, name: fails, id: a, check: {command: 'false'}}\n\
         - {within: 1s, name: blocked, needs: [a], check: {command: 'true'}}\n\
         - {within: 1s, name: skipped, when: steps.a.ok, check: {command: 'touch DIR/never'}}\n\
         - {within: 1s, name: hangs, timeout: 1s, check: {command: sleep 60}}\n\
         - {within: 1s, name: no tool, check: {command: no-such-tool-here}}\n\
         - {within: 1s, name: by hand, check: {command: 'false'}, manual: call the owner}\n\
         - {within: 1s, name: each, loop: [x, y], check: {command: 'test {{ item }} = x'}}\n\
         - {within: 1s, name: does, id: d, ensure: {command: {run: 'touch DIR/done', creates: DIR/done}}}\n\
         - {within: 1s, name: waits, check: {command: 'test -e DIR/done'}}\n",
    );
    let plan = b.plan().expect(1);
    // A check that failed and has no repair may be healed by the command of "does", which may touch anything.
    let wanted =
        ["unknown", "blocked", "skipped", "unknown", "unknown", "manual", "ok", "unknown", "change", "unknown"];
    assert_eq!(plan.statuses(), wanted, "{}", plan.text);
    assert!(!b.path("never").exists(), "a command whose `when` is false never runs");
    assert_eq!(plan.json["rounds"][0]["steps"][9]["waits_for"], "does");
    let applied = b.apply().expect(1);
    let last = applied.json["rounds"].as_array().unwrap().last().unwrap();
    let status = |n: usize| last["steps"][n]["status"].as_str().unwrap();
    assert_eq!([status(9), status(0), status(7)], ["ok", "failed", "failed"], "after the round all is known");
}

/// What does not apply here needs nothing, whatever became of what it would need; where its `when` speaks of a step that was
/// not looked at, nobody knows.
#[test]
fn a_step_that_does_not_apply_here_is_not_blocked() {
    let b = Bench::new();
    b.write(
        "book.yaml",
        "name: t\ntitle: t\nsteps:\n\
         - {name: fails, id: a, check: {file: {path: DIR/gone, state: file}}, manual: call the owner}\n\
         - {name: does, id: d, ensure: {command: {run: 'touch DIR/done', creates: DIR/done}}}\n\
         - {within: 1s, name: waits, id: w, check: {command: 'test -e DIR/done'}}\n\
         - {name: needs a fault, needs: [a], when: false, check: {command: 'true'}}\n\
         - {name: needs a wait, needs: [w], when: false, check: {command: 'true'}}\n\
         - {name: is blocked, id: b, needs: [a], when: 'facts.hostname != \"\"', check: {command: 'true'}}\n\
         - {name: asks who is blocked, needs: [a], when: steps.b.ok, check: {command: 'true'}}\n\
         - {name: asks what was seen, needs: [a], when: steps.a.ok, check: {command: 'true'}}\n",
    );
    let plan = b.plan().expect(1);
    let wanted = ["manual", "change", "unknown", "skipped", "skipped", "blocked", "blocked", "skipped"];
    assert_eq!(plan.statuses(), wanted, "{}", plan.text);
}

/// A client whose packets are dropped waits for each of its tries: what the plan saw fail, with nothing changed since, is
/// not tried again to prove it. One that gets in is.
#[test]
fn what_was_seen_to_fail_and_nothing_changed_is_not_tried_again() {
    let b = Bench::new();
    for (greeting, tries, exit) in [("220 mail\r\n", 1, 1), ("SSH-2.0-x\r\n", 2, 0)] {
        let door = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = door.local_addr().unwrap().port();
        let connect = format!("connect: {{host: 127.0.0.1, port: {port}, banner: SSH-}}");
        b.write(
            "book.yaml",
            &format!(
                "name: t\ntitle: t\nverify:\n- {connect}\nsteps:\n\
                 - {{name: a client gets in, where: controller, check: {{{connect}}}}}\n"
            ),
        );
        let seen = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = seen.clone();
        std::thread::spawn(move || {
            for mut client in door.incoming().flatten() {
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let _gone = std::io::Write::write_all(&mut client, greeting.as_bytes());
            }
        });
        let run = b.apply().expect(exit);
        assert_eq!(seen.load(std::sync::atomic::Ordering::SeqCst), tries, "{}", run.text);
        assert!(run.text.contains(&format!("127.0.0.1 port {port}")), "{}", run.text);
    }
}

#[test]
fn a_custom_module_decides_and_the_engine_acts() {
    let b = Bench::new();
    b.write("etc/motd", "hello\n");
    b.write("modules/owner.probe.sh", "cat \"$PARAM_path\"\n");
    b.write(
        "modules/owner",
        "#!/bin/sh\nin=$(cat)\ncase $in in\n*'Owner: ops'*) echo '{\"ok\": true, \"evidence\": \"named\"}';;\n\
         *) printf '%s' '{\"ok\": false, \"evidence\": \"nobody is named\", \"who\": \"ops\", \"changes\": [{\"file\": {\"path\": \"DIR/etc/motd\", \"content\": \"Owner: ops\\n\"}}]}';;\nesac\n",
    );
    executable(&b.path("modules/owner"));
    b.write(
        "modules/kernel.sh",
        "printf '{\"ok\": true, \"evidence\": \"%s\", \"release\": \"%s\"}' \"$PARAM_word\" x\n",
    );
    b.write(
        "book.yaml",
        "name: t\ntitle: t\nsteps:\n\
         - {name: owner, ensure: {owner: {path: DIR/etc/motd}}}\n\
         - {name: kernel, id: k, check: {kernel: {word: hi}}, condition: check.release != 'x'}\n",
    );
    let run = b.apply().expect(0);
    assert_eq!(b.read("etc/motd"), "Owner: ops\n");
    assert_eq!(run.json["rounds"][0]["finding"], "nobody is named");
    b.apply().expect(0);
}

/// A `sh` that has every tool but `unshare`: no candidate can be tried before it is written.
fn without_unshare(b: &mut Bench) {
    let bin = b.path("bin");
    fs::create_dir(&bin).unwrap();
    for tool in fs::read_dir("/usr/bin").unwrap().flatten() {
        if tool.file_name() != "unshare" {
            let _ = std::os::unix::fs::symlink(tool.path(), bin.join(tool.file_name()));
        }
    }
    b.via = Bench::via(b.dir.path(), &format!("env PATH={} sh", bin.display()));
}

const VALIDATED: &str = "name: t\ntitle: t\nhandlers:\n\
    - {id: reload, validate: {command: 'grep -q good DIR/etc/a && grep -q good DIR/etc/b'}, command: 'touch DIR/reloaded'}\n\
    steps:\n\
    - {name: a, ensure: {file: {path: DIR/etc/a, content: \"good\\n\"}}, notify: [reload]}\n\
    - {name: b, ensure: {file: {path: DIR/etc/b, content: \"WORD\\n\"}}, notify: [reload]}\n";

#[test]
fn where_nothing_can_be_tried_first_a_failed_validation_puts_everything_back() {
    let mut b = Bench::new();
    without_unshare(&mut b);
    b.write("etc/a", "old a\n");
    b.write("book.yaml", &VALIDATED.replace("WORD", "bad"));
    let run = b.apply().expect(1);
    assert!(run.text.contains("every file of this step is back as it was"), "{}", run.text);
    assert_eq!(b.read("etc/a"), "old a\n");
    assert!(!b.path("etc/b").exists() && !b.path("reloaded").exists());
    assert_eq!(fs::read_dir(b.path("etc")).unwrap().count(), 1, "no candidate is left");
    b.write("book.yaml", &VALIDATED.replace("WORD", "good"));
    b.apply().expect(0);
    assert_eq!((b.read("etc/a"), b.read("etc/b")), ("good\n".into(), "good\n".into()));
    assert!(b.path("reloaded").exists());
}

#[test]
fn secrets_show_nowhere() {
    let b = Bench::new();
    b.write(
        "book.yaml",
        "name: t\ntitle: t\nvars:\n  pw: {type: secret, from: {file: DIR/pw}}\nsteps:\n\
         - {name: 'uses {{ pw }}', ensure: {file: {path: DIR/conf, content: \"pw={{ pw }}\\n\", mode: \"0600\"}}}\n\
         - {name: fails, check: {command: \"echo {{ pw }} >&2; false\"}}\n",
    );
    b.write("pw", "hunter2-käse\n");
    for args in [["plan", "./book.yaml", "-v"], ["plan", "./book.yaml", "-ojson"], ["apply", "./book.yaml", "-y"]] {
        let run = b.run(&args);
        assert!(!run.text.contains("hunter2"), "{}", run.text);
        assert!(run.text.contains("********"), "{}", run.text);
    }
    assert_eq!(b.read("conf"), "pw=hunter2-käse\n");
}

#[test]
fn exit_codes() {
    let b = Bench::new();
    b.write("book.yaml", "name: t\ntitle: t\nsteps:\n- {name: f, ensure: {file: {path: DIR/f, content: x}}}\n");
    b.plan().expect(4);
    let nobody = b.run(&["apply", "./book.yaml"]).expect(2);
    assert!(nobody.text.contains("--yes"), "{}", nobody.text);
    assert!(!b.path("f").exists());
    b.apply().expect(0);
    b.plan().expect(0);
    b.run(&["apply", "./none.yaml"]).expect(2);
    let mut dead = b;
    dead.via = "exec:exit 7".into();
    let run = dead.plan().expect(3);
    assert!(run.json["error"]["why"].as_str().unwrap().contains("status 7"), "{}", run.text);
}

#[test]
fn the_next_channel_is_tried_and_it_is_said() {
    let b = Bench::new();
    b.write("book.yaml", "name: t\ntitle: t\nsteps:\n- {name: f, check: {command: 'true'}}\n");
    let run = b.run(&["plan", "./book.yaml", "-o", "json", "--via", "exec:echo no shell here; exit 1"]).expect(0);
    assert!(run.json["tried"][0]["why"].as_str().is_some_and(|w| !w.is_empty()), "{}", run.text);
}

#[test]
fn a_target_cannot_write_to_the_terminal() {
    let b = Bench::new();
    b.write(
        "book.yaml",
        "name: t\ntitle: t\nsteps:\n- {name: f, check: {command: \"printf '\\\\033]0;owned\\\\007'; false\"}}\n",
    );
    let run = b.run(&["plan", "./book.yaml", "-v"]).expect(1);
    assert!(!run.text.contains('\x1b') && run.text.contains("owned"), "{}", run.text);
}

#[test]
fn ctrl_c_finishes_what_is_being_done_and_begins_nothing_more() {
    let b = Bench::new();
    b.write(
        "book.yaml",
        "name: t\ntitle: t\nsteps:\n\
         - {name: one, ensure: {command: {run: 'touch DIR/begun; sleep 2; touch DIR/one', creates: DIR/one}}}\n\
         - {name: two, ensure: {file: {path: DIR/two, content: x}}}\n",
    );
    let mut child = std::process::Command::new(crate::support::bin())
        .args(["apply", "./book.yaml", "-y", "--via", &b.via])
        .env("XDG_STATE_HOME", b.path("state"))
        .current_dir(b.dir.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    for _ in 0..200 {
        if b.path("begun").exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(b.path("one").exists() && !b.path("two").exists());
}

#[test]
fn content_comes_from_files_beside_the_runbook() {
    let b = Bench::new();
    b.write("files/plain", "{{ not a template }}\n");
    b.write("files/made.j2", "port {{ port }}\n");
    b.write(
        "book.yaml",
        "name: t\ntitle: t\nvars:\n  port: {type: port, default: 22}\nsteps:\n\
         - {name: a, ensure: {file: {path: DIR/a, source: files/plain}}}\n\
         - {name: b, ensure: {file: {path: DIR/b, template: files/made.j2}}}\n",
    );
    b.apply().expect(0);
    assert_eq!((b.read("a"), b.read("b")), ("{{ not a template }}\n".into(), "port 22\n".into()));
    b.write(
        "book.yaml",
        "name: t\ntitle: t\nsteps:\n- {name: a, ensure: {file: {path: DIR/a, source: ../../etc/passwd}}}\n",
    );
    let run = b.run(&["plan", "./book.yaml"]).expect(2);
    assert!(run.text.contains("leads out of the repository"), "{}", run.text);
}

/// As root this is tried as somebody else: the directory is not theirs.
#[test]
fn without_root_what_takes_root_is_unknown_and_apply_says_so() {
    let mut b = Bench::new();
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return;
    }
    b.write("book.yaml", "name: t\ntitle: t\nsteps:\n- {name: f, ensure: {file: {path: DIR/theirs/f, content: x}}}\n");
    fs::create_dir(b.path("theirs")).unwrap();
    fs::set_permissions(b.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    b.via = "exec:setpriv --reuid=65534 --regid=65534 --clear-groups sh".into();
    for run in [b.plan().expect(1), b.apply().expect(1)] {
        assert_eq!(run.statuses(), ["unknown"], "{}", run.text);
        assert!(run.text.contains("takes root"), "{}", run.text);
        assert!(!b.path("theirs/f").exists());
    }
    // What may be read is shown with its diff; what may not is unknown; and either way with the line that sees more.
    b.write("theirs/open", "old\n");
    b.write("theirs/hidden", "old\n");
    fs::set_permissions(b.path("theirs/hidden"), fs::Permissions::from_mode(0o600)).unwrap();
    let step = |f: &str| format!("- {{name: {f}, ensure: {{file: {{path: DIR/theirs/{f}, content: \"new\\n\"}}}}}}\n");
    b.write("book.yaml", &format!("name: t\ntitle: t\nsteps:\n{}{}", step("open"), step("hidden")));
    let plan = b.run(&["plan", "./book.yaml"]).expect(1);
    let shown = plan.text.split("As root, this would happen:").nth(1).unwrap_or_else(|| panic!("{}", plan.text));
    assert!(shown.contains("     -old\n     +new\n") && plan.text.matches("-old").count() == 1, "{}", plan.text);
    assert!(plan.text.contains("unknown hidden"), "{}", plan.text);
    let line =
        shown.split("Root sees and repairs more:\n    ").nth(1).and_then(|l| l.lines().next()).unwrap_or_default();
    assert!(line.contains(" plan ./book.yaml --via 'exec:setpriv ") && line.ends_with(" --become"), "{line}");
}

/// A disk as some images have it: /etc/systemd is an absolute link, which must be followed inside the disk.
#[test]
fn units_of_a_disk_whose_etc_systemd_is_a_link() {
    let mut b = Bench::new();
    b.write("disk/usr/lib/systemd/system/ssh.service", "[Unit]\nConditionPathExists=!/etc/ssh/sshd_not_to_be_run\n[Service]\nExecStart=/usr/sbin/sshd -D\n[Install]\nWantedBy=multi-user.target\nAlias=sshd.service\n");
    b.write("disk/usr/lib/systemd/system/ssh.socket", "[Socket]\nListenStream=22\nAccept=no\n");
    b.write("disk/data/systemd/system/ssh.socket.d/a.conf", "[Socket]\nListenStream=\nListenStream=0.0.0.0:2222\n");
    fs::create_dir_all(b.path("disk/etc")).unwrap();
    std::os::unix::fs::symlink("/data/systemd", b.path("disk/etc/systemd")).unwrap();
    std::os::unix::fs::symlink("/dev/null", b.path("disk/data/systemd/system/sshd.service")).unwrap();
    b.via = format!("root:{}", b.path("disk").display());
    b.write(
        "book.yaml",
        "name: t\ntitle: t\nsteps:\n\
         - {name: known, check: {service: ssh}, when: 'facts.init == \"systemd\"', condition: 'check.listen != [\"0.0.0.0:2222\"] or check.drop_ins != [\"/data/systemd/system/ssh.socket.d/a.conf\"]'}\n\
         - {name: on, ensure: {service: {name: ssh, enabled: true}}}\n",
    );
    let run = b.apply();
    assert_eq!(run.statuses(), ["ok", "change"], "{}", run.text);
    assert!(run.text.contains("unmask sshd.service"), "{}", run.text);
    let link = |name: &str| fs::read_link(b.path(name)).unwrap();
    let want = PathBuf::from("/usr/lib/systemd/system/ssh.service");
    assert_eq!(link("disk/data/systemd/system/multi-user.target.wants/ssh.service"), want);
    assert_eq!(link("disk/data/systemd/system/sshd.service"), want);

    b.write("disk/etc/ssh/sshd_not_to_be_run", "");
    b.write(
        "book.yaml",
        "name: t\ntitle: t\nsteps:\n- {name: on, ensure: {service: {name: ssh, running: true, enabled: true}}}\n",
    );
    let run = b.plan();
    assert_eq!(run.statuses(), ["failed"], "{}", run.text);
    assert!(run.text.contains("as long as /etc/ssh/sshd_not_to_be_run exists"), "{}", run.text);
}

/// What a command says it writes is all that later steps wait for; and that they do wait for.
#[test]
fn a_command_may_say_what_it_writes() {
    let b = Bench::new();
    b.write("keys/host_rsa_key", "old\n");
    b.write("other", "a\n");
    b.write(
        "book.yaml",
        "name: t\ntitle: t\nsteps:\n\
         - {name: key, check: {command: grep -q new DIR/keys/host_rsa_key}, remediation: [{command: {run: echo new >DIR/keys/host_rsa_key, writes: 'file:DIR/keys/host_*_key'}}]}\n\
         - {name: apart, ensure: {edit: {path: DIR/other, line: b}}}\n\
         - {name: shut, ensure: {file: {path: DIR/keys/host_rsa_key, mode: '0600'}}}\n\
         - {name: reads apart, check: {command: grep -q b DIR/other}, reads: ['file:DIR/other']}\n\
         - {name: reads it, check: {command: grep -q new DIR/keys/host_rsa_key}, reads: ['file:DIR/keys/**']}\n",
    );
    let run = b.plan();
    let overlay = run.json["rounds"][0]["facts"]["overlay"] == true;
    assert_eq!(run.statuses(), ["change", "change", "unknown", if overlay { "ok" } else { "unknown" }, "unknown"]);
    b.apply().expect(0);
    assert_eq!((b.read("keys/host_rsa_key"), b.read("other")), ("new\n".into(), "a\nb\n".into()));
    assert_eq!(fs::metadata(b.path("keys/host_rsa_key")).unwrap().mode() & 0o777, 0o600);
}

/// A change of mode alone: the bytes stay on the target, what is asked later sees the new mode, and an edit the bytes.
#[test]
fn for_a_mode_alone_no_bytes_go_over_the_wire() {
    let b = Bench::new();
    b.write("bin/tool", &format!("#!/bin/sh\nexit 0\n{}", "# much\n".repeat(100_000)));
    b.write(
        "book.yaml",
        "name: t\ntitle: t\nsteps:\n\
         - {name: runs, ensure: {file: {path: DIR/bin/tool, mode: '0755'}}}\n\
         - {name: it does, check: {command: DIR/bin/tool}, reads: ['file:DIR/bin/tool']}\n",
    );
    let run = b.plan().expect(4);
    let overlay = run.json["rounds"][0]["facts"]["overlay"] == true;
    assert_eq!(run.statuses(), ["change", if overlay { "ok" } else { "unknown" }], "{}", run.text);
    assert!(run.json["wire"]["bytes_received"].as_u64().unwrap() < 10_000, "{}", run.json["wire"]);
    assert_eq!(fs::metadata(b.path("bin/tool")).unwrap().mode() & 0o777, 0o644, "a plan changes nothing");
    let run = b.apply().expect(0);
    assert!(run.json["wire"]["bytes_received"].as_u64().unwrap() < 20_000, "{}", run.json["wire"]);
    assert_eq!(fs::metadata(b.path("bin/tool")).unwrap().mode() & 0o777, 0o755);
    assert!(b.read("bin/tool").ends_with("# much\n"));
    b.write("conf", "a\n");
    b.write(
        "book.yaml",
        "name: t\ntitle: t\nsteps:\n\
         - {name: shut, ensure: {file: {path: DIR/conf, mode: '0600'}}}\n\
         - {name: line, ensure: {edit: {path: DIR/conf, line: b}}}\n",
    );
    let run = b.apply().expect(0);
    assert_eq!(run.statuses(), ["change", "change"], "{}", run.text);
    assert_eq!((b.read("conf").as_str(), fs::metadata(b.path("conf")).unwrap().mode() & 0o777), ("a\nb\n", 0o600));
}

/// A line that decides who gets in: what becomes of it is asked where somebody can answer, and only there.
#[test]
fn what_the_runbook_leaves_to_a_person_is_asked_at_the_terminal() {
    const BOOK: &str = "name: t\ntitle: t\nvars:\n\
         \x20 lines: {type: enum, values: [comment, correct], optional: true, help: what becomes of a line that decides who gets in}\n\
         steps:\n\
         - name: accepted\n\
         \x20 check: {command: \"! grep -q '^PermitRootLogin maybe' DIR/conf\"}\n\
         \x20 remediation:\n\
         \x20 - sshd_config: {path: DIR/conf, policy: '{{ lines }}', fix: [{file: DIR/conf, line: 2, message: 'unsupported option \"maybe\"'}]}\n\
         - name: other\n\
         \x20 ensure: {file: {path: DIR/other, content: x}}\n";
    const BAD: &str = "Port 22\nPermitRootLogin maybe\n";
    let ask = "what becomes of a line that decides who gets in\nlines: [c]omment / c[o]rrect / [l]eave it? ";
    let apply = ["apply", "./book.yaml"];
    let bench = || {
        let b = Bench::new();
        b.write("book.yaml", BOOK);
        b.write("conf", BAD);
        b
    };

    let b = bench();
    let run = b.typed(&apply, "x\nc\ny\n").expect(0);
    assert_eq!(run.text.matches(ask).count(), 1, "{}", run.text);
    assert!(run.text.contains("c, o or l; Enter leaves it\n"), "{}", run.text);
    assert!(run.text.contains("With lines=comment:\n"), "{}", run.text);
    let conf = b.read("conf");
    assert!(conf.contains("PermitRootLogin maybe") && !conf.contains("\nPermitRootLogin maybe"), "{conf}");
    let records = b.journal();
    let decided = records.iter().find(|r| r["record"] == "decided").expect("it is on record");
    assert_eq!(
        (&decided["var"], &decided["value"], &decided["by"]),
        (&"lines".into(), &"comment".into(), &"prompt".into())
    );
    assert!(decided["seq"].as_u64() < records.iter().find(|r| r["record"] == "change").unwrap()["seq"].as_u64());
    drop(b);

    // Left alone: by Enter, and at the end of the input. The rest is asked about as ever.
    let b = bench();
    let run = b.typed(&apply, "\ny\n").expect(1);
    assert_eq!((b.read("conf").as_str(), b.read("other").as_str()), (BAD, "x"), "{}", run.text);
    assert_eq!(run.text.matches("lines: [c]omment").count(), 1, "once a run: {}", run.text);
    fs::remove_file(b.path("other")).unwrap();
    b.typed(&apply, "\x04\x04").expect(4);
    assert!(!b.path("other").exists());

    // Nobody is asked.
    for args in [&["plan", "./book.yaml"][..], &["apply", "./book.yaml", "--dry-run"], &["apply", "./book.yaml", "-y"]]
    {
        let run = b.typed(args, "c\ny\n").expect(1);
        assert!(!run.text.contains("[c]omment") && run.text.contains("lines=correct"), "{}", run.text);
        assert_eq!(b.read("conf"), BAD);
    }
    let run = b.plan().expect(1);
    let asks = &run.json["rounds"][0]["steps"][0]["asks"];
    assert_eq!((&asks["var"], &asks["choices"]), (&"lines".into(), &serde_json::json!(["comment", "correct"])));
    assert_eq!(run.json["decided"], serde_json::json!([]));
    // Decided before: nothing is left to ask.
    let run = b.typed(&["apply", "./book.yaml", "-e", "lines=comment"], "y\n").expect(0);
    assert!(!run.text.contains("[c]omment"), "{}", run.text);
}

/// The target's sh has ON in its environment; the controller has not.
#[test]
fn a_command_of_the_controller_runs_there_and_what_it_notifies_does_not() {
    let mut b = Bench::new();
    b.via = b.via.replacen("exec:", "exec:env ON=target ", 1);
    b.write(
        "book.yaml",
        "name: t\ntitle: t\n\
         handlers: [{id: after, command: {run: 'echo \"${ON:-controller}\" >DIR/after'}}]\n\
         steps:\n\
         - name: far\n  check: {command: test -e DIR/far}\n\
         \x20 remediation: [{command: {run: 'echo \"${ON:-controller}\" >DIR/far', undo: rm DIR/far}}]\n\
         - name: near\n  where: controller\n  check: {command: test -e DIR/near}\n  notify: [after]\n\
         \x20 remediation: [{command: {run: 'echo \"${ON:-controller}\" >DIR/near; test $RUNBOOK_PROBE || echo clean >>DIR/near', undo: rm DIR/near}}]\n",
    );
    let run = b.apply().expect(0);
    let on = ["far", "near", "after"].map(|f| b.read(f));
    assert_eq!(on, ["target\n", "controller\nclean\n", "target\n"], "{}", run.text);
    let changes = run.json["rounds"][0]["changes"].as_array().unwrap();
    assert_eq!(
        changes.iter().map(|c| c["where"].as_str().unwrap()).collect::<Vec<_>>(),
        ["target", "controller", "target"]
    );
    assert_eq!(changes[1]["attributes"][0], "on this machine, not on the target");
    b.apply().expect(0);
}

#[test]
fn a_command_of_the_controller_that_fails_is_told() {
    let b = Bench::new();
    b.write(
        "book.yaml",
        "name: t\ntitle: t\nsteps:\n- name: near\n  where: controller\n  check: {command: test -e DIR/near}\n\
         \x20 remediation: [{command: {run: 'echo no such cloud >&2; exit 7'}}]\n",
    );
    let run = b.apply().expect(1);
    assert_eq!(run.json["rounds"][0]["results"][0]["why"], "status 7: no such cloud", "{}", run.text);
}

#[test]
fn a_way_that_is_written_wrong_is_bad_input() {
    let mut b = Bench::new();
    b.write("t.yaml", "name: t\ntitle: t\nsteps:\n  - {name: a, check: {command: {sh: ':'}}}\n");
    for via in ["ssh:web1?nokey=1", "ssh://web1:99999", "tcp:h", "serial:/dev/x?baud=x", "root:/no/such/mount"] {
        b.via = via.into();
        let run = b.run(&["plan", b.path("t.yaml").to_str().unwrap()]);
        assert_eq!(run.exit, 2, "{via}: {}", run.text);
        assert!(run.text.contains("error: "), "{via}: {}", run.text);
    }
}

const TRIED_AGAIN: &str = "name: t\ntitle: t\nsteps:\n\
    - {name: stops, check: {command: {sh: \"set -e; false; echo no\"}}, retries: {times: 1, delay: 1s}}\n\
    - {name: unknown, check: {command: {sh: no-such-program || exit 1}}, finding: \"it says: {{ check.stderr }}\"}\n\
    - {name: long, check: {command: {sh: \": LONG\"}}}\n";

#[test]
fn a_command_of_any_length_ends_where_it_fails_and_says_so_in_the_same_words_everywhere() {
    let mut b = Bench::new();
    b.write("t.yaml", &TRIED_AGAIN.replace("LONG", &"x".repeat(200_000)));
    // bash heeds no `set -e` where a failure is looked at.
    b.write("bin/sh", "#!/bin/bash\nexec bash \"$@\"\n");
    executable(&b.path("bin/sh"));
    for shell in ["sh".to_owned(), format!("env PATH={}:$PATH sh", b.path("bin").display())] {
        b.via = Bench::via(b.dir.path(), &shell);
        let run = b.run(&["plan", b.path("t.yaml").to_str().unwrap(), "-o", "json"]);
        let steps = &run.json["rounds"][0]["steps"];
        let status = |n: usize| steps[n]["status"].as_str().unwrap_or_default();
        assert_eq!((status(0), status(1), status(2)), ("failed", "failed", "ok"), "{shell}: {:#}", run.json);
        assert!(steps[2]["evidence"].as_str().unwrap().len() < 200);
        let said = steps[1]["finding"].as_str().unwrap_or_default();
        assert!(said.starts_with("it says: sh: ") && said.contains("not found"), "{shell}: {said}");
    }
}

#[test]
fn a_secret_of_several_lines_does_not_spoil_the_report() {
    let b = Bench::new();
    let book = "name: t\ntitle: t\nvars:\n  s: {type: secret, from: {env: S}}\nsteps:\n\
        - {name: a, check: {command: {sh: \"printf '%s\\\\n' '  indented-line-1' >&2; exit 1\"}}, finding: \"{{ check.stderr }}\"}\n\
        - {name: b, ensure: {file: {path: DIR/x, content: \"{\\n    \\n  },\\n\"}}}\n";
    b.write("t.yaml", book);
    b.write("x", "    before\n  },\n");
    for (output, verb) in [("json", "plan"), ("jsonl", "plan"), ("json", "apply")] {
        let out = assert_cmd::Command::new(crate::support::bin())
            .args([verb, b.path("t.yaml").to_str().unwrap(), "-o", output, "--via", &b.via, "-y"])
            .env("XDG_STATE_HOME", b.path("state"))
            .env("S", "{\n    \n  \"auths\": {\n  indented-line-1\n  },\n}\n")
            .output()
            .unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        let documents: Vec<Value> = match output {
            "json" => vec![serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))],
            _ => text.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect(),
        };
        assert!(!documents.is_empty() && !text.contains("indented-line-1"), "{text}");
    }
    // What was there is no secret, and is kept here too.
    let kept = fs::read_dir(b.path("state/runbook/runs")).unwrap().flatten().any(|run| {
        fs::read_dir(run.path().join("blobs")).is_ok_and(|all| {
            all.flatten().any(|f| fs::read_to_string(f.path()).is_ok_and(|t| t == "    before\n  },\n"))
        })
    });
    assert!(kept);
}

#[test]
fn a_path_alone_asks_for_a_file_there() {
    let b = Bench::new();
    b.write("there", "x");
    b.write("dir/x", "x");
    b.write(
        "book.yaml",
        "name: t\ntitle: t\nsteps:\n\
        - {name: there, check: {file: DIR/there}}\n- {name: nothing, check: {file: DIR/nope}}\n- {name: directory, check: {file: DIR/dir}}\n\
        - {name: asked, check: {file: DIR/nope}, condition: check.exists}\n- {name: made of nothing, ensure: {file: DIR/nope}}\n\
        - {name: a mode of a directory, check: {file: {path: DIR/dir, mode: \"0755\"}}}\n",
    );
    let run = b.plan().expect(1);
    let says = |n: usize| run.json["rounds"][0]["steps"][n]["evidence"].as_str().unwrap_or_default().to_owned();
    assert_eq!(run.statuses(), ["ok", "failed", "failed", "ok", "failed", "ok"], "{}", run.text);
    assert!(says(1).ends_with("/nope does not exist") && says(2).ends_with("/dir is a directory"), "{}", run.text);
}

#[test]
fn what_needs_the_answer_of_a_step_that_failed_says_so() {
    let b = Bench::new();
    b.write(
        "book.yaml",
        "name: t\ntitle: t\nvars: {user: {type: string}}\nsteps:\n\
        - {name: a, id: a, check: {login: {user: \"{{ user }}\"}}}\n\
        - {name: \"b {{ item }}\", loop: steps.a.obstacles, check: {command: {sh: 'true'}}}\n\
        - {name: c, id: c, check: {command: {sh: 'exit 3'}}}\n- {name: d, check: {command: {sh: 'true'}}, condition: steps.c.rc == 0}\n",
    );
    let run = b.run(&["plan", "./book.yaml", "-o", "json", "-e", "user=no:name"]).expect(1);
    assert_eq!(run.statuses(), ["failed", "unknown", "failed", "ok"], "{}", run.text);
    assert!(run.text.contains("it depends on the step \\\"a\\\", which failed"), "{}", run.text);
}

/// A cause that an earlier step found, or that could not be looked at, leaves nothing to guess; a symptom is no cause.
#[test]
fn otherwise_is_what_is_left_when_nothing_was_found() {
    let b = Bench::new();
    let book = |first: &str| {
        format!(
            "name: book\ntitle: t\nsteps:\n  - {first}\n  - {{name: seen, check: {{command: 'false'}}, reads: [rules]}}\n  \
             - {{name: the rest, otherwise: true, check: {{command: 'true'}}, reads: [rules], condition: check.ok, manual: look around}}\n"
        )
    };
    for (first, status, exit) in [
        ("{name: fine, check: {command: 'true'}}", "manual", 1),
        ("{name: cause, check: {command: 'false'}, manual: mend it}", "skipped", 1),
        ("{name: cause, check: {command: 'false'}, remediation: [{command: 'true'}]}", "unknown", 4),
        (
            "{name: apart, check: {command: 'false'}, remediation: [{command: {sh: 'true', writes: ['unit:x']}}]}",
            "manual",
            1,
        ),
        ("{name: dark, check: {command: no-such-tool}}", "unknown", 1),
    ] {
        b.write("book.yaml", &book(first));
        let run = b.plan().expect(exit);
        assert_eq!(run.statuses().last(), Some(&status), "{first}: {}", run.text);
    }
}

#[test]
fn a_note_is_said_where_all_is_well_and_what_hides_several_steps_is_said_once() {
    let b = Bench::new();
    b.write(
        "book.yaml",
        "name: book\ntitle: t\nsteps:\n  - {name: fine, check: {command: echo 22}, note: 'it was {{ check.stdout }}'}\n  \
         - {name: also, check: {command: 'true'}, note: '{% if not check.ok %}no{% endif %}'}\n",
    );
    let run = b.run(&["plan", "./book.yaml"]).expect(0);
    assert!(run.text.contains("\nNote:  it was 22\n") && run.text.matches("Note:").count() == 1, "{}", run.text);
    let step = |name: &str| format!("  - {{name: {name}, check: {{command: no-such-tool}}}}\n");
    b.write(
        "book.yaml",
        &format!("name: book\ntitle: t\nsteps:\n{}{}{}{}", step("a"), step("b"), step("c"), step("d")),
    );
    let run = b.run(&["plan", "./book.yaml"]).expect(1);
    let start = run.text.find("  unknown a\n  unknown b\n  unknown c\n  unknown d\n          ");
    assert!(start.is_some() && run.text.matches("no-such-tool").count() == 2, "below them, at the end: {}", run.text);
    assert!(run.text.contains("Unresolved: 4 steps could not be checked: "), "{}", run.text);
}

/// As `git add -p` asks: what is left takes with it what needs it, and the rest goes on.
#[test]
fn step_by_step_a_change_is_left_and_the_rest_goes_on() {
    const BOOK: &str = "name: t\ntitle: t\nhandlers:\n- {id: h, command: {sh: 'touch DIR/h', creates: DIR/h}}\nsteps:\n\
         - {name: first, id: first, ensure: {file: {path: DIR/a, content: x}}, notify: [h]}\n\
         - {name: second, needs: [first], ensure: {file: {path: DIR/b, content: x}}}\n\
         - {name: third, ensure: {file: {path: DIR/c, content: x}}, notify: [h]}\n\
         - {name: fourth, ensure: {file: {path: DIR/d, content: x}}}\n";
    let apply = ["apply", "./book.yaml", "--step"];
    let with = |keys: &str, exit: i32, made: &str| {
        let b = Bench::new();
        b.write("book.yaml", BOOK);
        let run = b.typed(&apply, keys).expect(exit);
        let there: String = ["a", "b", "c", "d", "h"].into_iter().filter(|f| b.path(f).exists()).collect();
        assert_eq!(there, made, "{keys:?}: {}", run.text);
        (b, run)
    };
    let (b, run) = with("what\nn\ny\nn\ny\n", 1, "ch");
    for line in [
        "  y, n, a or q\n",
        "  left    create ",
        "  blocked second: it needs: first (which you left)\n",
        "1. create ",
        "2 changes made; you left: create ",
    ] {
        assert!(run.text.contains(line), "{line:?}: {}", run.text);
    }
    assert_eq!(run.text.matches("What will happen").count(), 1, "what was shown is not shown again: {}", run.text);
    let left: Vec<_> = b.journal().into_iter().filter(|r| r["record"] == "declined").collect();
    assert_eq!(left.iter().map(|r| r["step"].as_str().unwrap()).collect::<Vec<_>>(), ["first", "fourth"]);
    drop(b);
    // Nothing at all: as at the first question.
    let (b, run) = with("n\nn\nn\n", 4, "");
    assert!(run.text.contains("Nothing was changed."), "{}", run.text);
    drop(b);
    with("q\n", 4, "");
    with("y\nq\n", 1, "a");
    with("y\ny\nn\na\n", 1, "abdh");
    // What would make the edits take effect is left: it is said, and the next run offers it.
    let (b, run) = with("y\ny\ny\ny\nn\n", 1, "abcd");
    assert!(run.text.contains("h is not done: you left it: run touch "), "{}", run.text);
    let again = b.run(&["apply", "./book.yaml", "-y"]).expect(0);
    assert!(again.text.contains("did not get to \"h\"") && b.path("h").exists(), "{}", again.text);
}

#[test]
fn step_by_step_needs_somebody_to_ask() {
    let b = Bench::new();
    b.write("book.yaml", "name: t\ntitle: t\nsteps:\n- {name: a, ensure: {file: {path: DIR/a, content: x}}}\n");
    let run = b.run(&["apply", "./book.yaml", "--yes", "--step"]).expect(2);
    assert!(run.text.contains("--step asks before each change, and there is nobody to ask"), "{}", run.text);
    assert!(!b.path("a").exists());
    b.typed(&["apply", "./book.yaml", "--yes", "--step"], "n\n").expect(4);
    assert!(!b.path("a").exists(), "as Ansible's --step, it asks all the same");
}

/// What was left is known by who wants it, whatever else its file holds by then.
#[test]
fn step_by_step_what_was_left_stays_left_where_two_steps_edit_one_file() {
    let b = Bench::new();
    let step = |name: &str, line: &str| {
        format!("- {{name: {name}, ensure: {{edit: {{path: DIR/f, line: {line}, create: true}}}}}}\n")
    };
    let two = format!("name: t\ntitle: t\nsteps:\n{}{}", step("first", "a"), step("second", "b"));
    // Once the file is there, the change that was left would be another one: to edit, not to create.
    for there in [Some(""), None] {
        there.iter().for_each(|text| b.write("f", text));
        b.write("book.yaml", &two);
        let run = b.typed(&["apply", "./book.yaml", "--step"], "n\ny\ns\ny\ny\ny\n").expect(1);
        assert_eq!(b.read("f"), "b\n", "{}", run.text);
        std::fs::remove_file(b.path("f")).unwrap();
    }
    // What was shown of the second is not new because the first is not there.
    b.write("f", "");
    let run = b.typed(&["apply", "./book.yaml"], "s\nn\ny\n").expect(1);
    assert_eq!((b.read("f").as_str(), run.text.matches("What will happen").count()), ("b\n", 1), "{}", run.text);
    // Each item of a loop is asked about by itself, whatever it is called.
    b.write("f", "");
    b.write(
        "book.yaml",
        "name: t\ntitle: t\nsteps:\n- {name: lines, loop: [a, b], ensure: {edit: {path: DIR/f, line: '{{ item }}'}}}\n",
    );
    let run = b.typed(&["apply", "./book.yaml", "--step"], "n\ny\n").expect(1);
    assert_eq!(b.read("f"), "b\n", "{}", run.text);
}

/// To leave the repair of something else takes no advice away, and a book that looks at nothing has no symptom to heal.
#[test]
fn what_explains_what_was_seen_does_so_although_it_is_left() {
    let rest = "- {name: the rest, otherwise: true, manual: call the provider}\n";
    let seen = "- {name: seen, check: {command: 'false'}, reads: [rules]}\n";
    let step = |writes: &str| {
        format!(
            "- {{name: a, check: {{command: 'false'}}, remediation: [{{command: {{sh: 'true', writes: ['{writes}']}}}}]}}\n"
        )
    };
    let last = |text: &str| {
        let (_, after) = text.rsplit_once("the rest").expect(text);
        after.contains("call the provider")
    };
    for (steps, advised) in [(step("unit:x") + seen, true), (step("rules") + seen, false), (step("unit:x"), false)] {
        let b = Bench::new();
        b.write("book.yaml", &format!("name: t\ntitle: t\nsteps:\n{steps}{rest}"));
        let plan = b.plan();
        let manual = plan.json["rounds"][0]["steps"].as_array().unwrap().iter().any(|s| s["status"] == "manual");
        assert_eq!(manual, advised, "{steps}: {}", plan.text);
        let run = b.typed(&["apply", "./book.yaml", "--step"], "n\n");
        let again = if advised { last(&run.text) } else { run.text.contains("call the provider") };
        assert_eq!(again, advised, "{steps}: {}", run.text);
    }
}
