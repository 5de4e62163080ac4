//! `runbook undo`: what a run changed is as it was before, or nothing is touched at all.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::bench::{Bench, Run};

const BOOK: &str = "name: t\ntitle: t\nhandlers:\n\
    - {id: told, command: {sh: 'echo told >>DIR/log'}}\n\
    steps:\n\
    - {name: a, notify: [told], ensure: {file: {path: DIR/a, content: \"{{ 1 + 1 }}\\n\", mode: '0600'}}}\n\
    - {name: b, ensure: {edit: {path: DIR/b, line: x = 1}}}\n\
    - {name: d, ensure: {file: {path: DIR/d, state: directory}}}\n\
    - {name: new, ensure: {file: {path: DIR/d/new, content: made}}}\n\
    - {name: link, ensure: {file: {path: DIR/link, state: link, to: a}}}\n\
    - {name: gone, ensure: {file: {path: DIR/gone, state: absent}}}\n\
    - {name: secret, ensure: {file: {path: DIR/secret, content: after, sensitive: true}}}\n\
    - name: done\n\
    \x20 check: {command: test -e DIR/done}\n\
    \x20 remediation: [{command: {sh: touch DIR/done, undo: rm DIR/done, writes: ['file:DIR/done']}}]\n";

/// All that is there, with modes; not what the run itself keeps.
fn all(b: &Bench) -> Vec<String> {
    let mut out = Vec::new();
    let mut dirs = vec![b.dir.path().to_owned()];
    while let Some(dir) = dirs.pop() {
        for e in fs::read_dir(dir).unwrap() {
            let path = e.unwrap().path();
            let name = path.strip_prefix(b.dir.path()).unwrap().display().to_string();
            if ["run", "lib", "state", "other", "log", "book.yaml"].contains(&name.as_str()) {
                continue;
            }
            let meta = fs::symlink_metadata(&path).unwrap();
            let what = match () {
                () if meta.is_symlink() => fs::read_link(&path).unwrap().display().to_string(),
                () if meta.is_dir() => "directory".into(),
                () => fs::read_to_string(&path).unwrap(),
            };
            out.push(format!("{name} {:o} {what:?}", meta.permissions().mode()));
            if meta.is_dir() {
                dirs.push(path);
            }
        }
    }
    out.sort();
    out
}

/// A host that the runbook has changed, what it was like before, and the run.
fn changed() -> (Bench, Vec<String>, String) {
    let b = Bench::new();
    for (file, text) in [("a", "{{ 7 * 7 }}\n"), ("b", "y"), ("gone", "was here\n"), ("secret", "before")] {
        b.write(file, text);
    }
    fs::set_permissions(b.path("secret"), fs::Permissions::from_mode(0o640)).unwrap();
    let before = all(&b);
    b.write("book.yaml", BOOK);
    b.apply().expect(0);
    assert_ne!(all(&b), before);
    let id = newest(&b);
    (b, before, id)
}

fn newest(b: &Bench) -> String {
    let runs = fs::read_dir(b.path("state/runbook/runs")).unwrap();
    let mut ids: Vec<String> = runs.map(|r| r.unwrap().file_name().into_string().unwrap()).collect();
    // Those of one second are in no order.
    ids.sort_by_key(|id| {
        fs::metadata(b.path(&format!("state/runbook/runs/{id}/journal.jsonl"))).unwrap().modified().unwrap()
    });
    ids.pop().unwrap()
}

fn undo(b: &Bench, id: &str, more: &[&str]) -> Run {
    b.run(&[&["undo", id], more].concat())
}

#[test]
fn everything_is_as_it_was_and_an_undo_can_be_undone() {
    let (b, before, id) = changed();
    let after = all(&b);
    let planned = undo(&b, &id, &["-n"]).expect(4);
    assert_eq!(all(&b), after, "a dry run changes nothing");
    for line in [
        "-2\n",
        "+{{ 7 * 7 }}\n",
        ". run rm ",
        &format!("To make them:\n    {} undo {id} --via ", crate::support::bin()),
    ] {
        assert!(planned.text.contains(line), "{line:?}: {}", planned.text);
    }
    assert!(!planned.text.contains("before\n+") && !planned.text.contains("after"), "{}", planned.text);
    let run = undo(&b, &id, &["-y", "-o", "json"]).expect(0);
    assert_eq!(all(&b), before, "{}", run.text);
    assert_eq!(b.read("log"), "told\ntold\n", "what was told after the edit is told after its undo");
    let last = run.json["rounds"][0]["changes"].as_array().unwrap().last().unwrap();
    assert_eq!(last["handler"], "told", "{last}");
    let back = newest(&b);
    let again = undo(&b, &id, &["-y"]).expect(0);
    assert!(again.text.contains("What the run changed is as it was before it."), "{}", again.text);
    assert_eq!((all(&b), newest(&b)), (before.clone(), back.clone()), "nothing was to be done, so there is no run");
    let listed = b.run(&["runs"]);
    assert!(listed.text.contains(&format!("undo {id}")), "{}", listed.text);
    // And back again, and forth.
    undo(&b, &back, &["-y"]).expect(0);
    assert_eq!(all(&b), after);
    undo(&b, &id, &["-y"]).expect(0);
    assert_eq!(all(&b), before);
}

#[test]
fn what_somebody_else_has_changed_since_stops_all_of_it() {
    for (file, text) in [("b", "y\nx = 1\nmine\n"), ("d/new", "mine"), ("gone", "mine"), ("secret", "mine")] {
        let (b, _, id) = changed();
        b.write(file, text);
        let there = all(&b);
        let run = undo(&b, &id, &["-y"]).expect(1);
        assert_eq!(all(&b), there, "{file}: {}", run.text);
        let path = b.path(file).display().to_string();
        assert!(run.text.contains(&format!("{path} was changed after the run")), "{}", run.text);
        assert!(run.text.contains("Before the run: "), "{}", run.text);
        let shown = file != "secret" && file != "gone";
        assert_eq!(run.text.contains("+mine"), shown, "{file}: {}", run.text);
    }
}

/// The controller of the run is not there any more: the target has a record of its own.
#[test]
fn another_controller_takes_it_back_from_the_targets_own_record() {
    let (b, before, id) = changed();
    fs::rename(b.path("state"), b.path("other")).unwrap();
    let run = undo(&b, &id, &["-y"]).expect(0);
    assert_eq!(all(&b), before, "{}", run.text);
    assert!(run.text.contains("not on record here"), "{}", run.text);
    let none = undo(&b, "20260101-000000-aaaa", &["-y"]).expect(2);
    assert!(none.text.contains("is on record here, nor there"), "{}", none.text);
}

/// Where neither side has the old bytes, that is said, and the rest is not left half done.
#[test]
fn what_is_kept_nowhere_is_said() {
    let (b, before, id) = changed();
    let kept = if b.path("lib/runbook").exists() { b.path("lib/runbook/runs") } else { return };
    fs::remove_dir_all(kept).unwrap();
    // The controller has its own copy of all but the sensitive file.
    let run = undo(&b, &id, &["-y"]).expect(1);
    assert!(run.text.contains("secret is not kept on the host any more"), "{}", run.text);
    let left: Vec<String> = all(&b).into_iter().filter(|f| !before.contains(f)).collect();
    assert!(matches!(&left[..], [f] if f.starts_with("secret ")), "{left:?}: {}", run.text);
}

/// Two edits of one file, of which the second was not made: what the run left is its own all the same.
#[test]
fn a_run_that_ended_half_way_is_taken_back() {
    let b = Bench::new();
    b.write("f", "x\n");
    b.write(
        "book.yaml",
        "name: t\ntitle: t\nsteps:\n- {name: one, id: one, ensure: {file: {path: DIR/f, mode: '0600'}}}\n\
         - {name: two, ensure: {edit: {path: DIR/f, line: one = 1}}}\n\
         - {name: stop, check: {command: test -e DIR/no}, remediation: [{command: {sh: 'echo part >DIR/half; exit 91', undo: rm DIR/half, writes: ['file:DIR/half']}}]}\n\
         - {name: three, ensure: {edit: {path: DIR/f, line: two = 2}}}\n",
    );
    fs::set_permissions(b.path("f"), fs::Permissions::from_mode(0o644)).unwrap();
    b.apply().expect(1);
    assert_eq!(b.read("f"), "x\none = 1\n");
    let run = undo(&b, &newest(&b), &["-y"]).expect(1);
    assert_eq!(b.read("f"), "x\n", "{}", run.text);
    assert_eq!(fs::metadata(b.path("f")).unwrap().permissions().mode() & 0o777, 0o644);
    assert!(run.text.contains("it failed, and may have done a part") && run.text.contains("rm "), "{}", run.text);
}

/// What the run hid stays hidden when it is taken back.
#[test]
fn a_secret_shows_neither_then_nor_later() {
    let b = Bench::new();
    b.write("f", "old\n");
    b.write(
        "book.yaml",
        "name: t\ntitle: t\nvars: {pw: {type: secret, from: {env: RB_PW}}}\nhandlers:\n\
         - {id: told, command: {sh: 'echo {{ pw }} >>DIR/log'}}\nsteps:\n\
         - {name: f, notify: [told], ensure: {file: {path: DIR/f, content: \"password={{ pw }}\\n\"}}}\n",
    );
    b.run_with(&[("RB_PW", "hunter2hunter2")], &["apply", "./book.yaml", "-y"]).expect(0);
    let id = newest(&b);
    let run = undo(&b, &id, &["-y", "-o", "json"]);
    assert!(!run.text.contains("hunter2"), "{}", run.text);
    assert_eq!(b.read("f"), "old\n", "{}", run.text);
    assert_eq!(b.read("log"), "hunter2hunter2\n", "a command with its secret hidden is not run: {}", run.text);
    for blob in fs::read_dir(b.path(&format!("state/runbook/runs/{}/blobs", newest(&b)))).unwrap() {
        let text = fs::read_to_string(blob.unwrap().path()).unwrap();
        assert!(!text.contains("hunter2"));
    }
}

/// Forth and back, as often as one likes; and what was done anew by another run is there to be taken back.
#[test]
fn what_was_taken_back_is_known_of_each_command() {
    let (b, before, id) = changed();
    let after = all(&b);
    undo(&b, &id, &["-y"]).expect(0);
    let back = newest(&b);
    undo(&b, &back, &["-y"]).expect(0);
    assert_eq!(all(&b), after);
    undo(&b, &id, &["-y"]).expect(0);
    undo(&b, &back, &["-y"]).expect(0);
    assert_eq!(all(&b), after);
    undo(&b, &id, &["-y"]).expect(0);
    assert_eq!(all(&b), before);
    b.apply().expect(0);
    assert_eq!(all(&b), after);
    undo(&b, &id, &["-y"]).expect(0);
    assert_eq!(all(&b), before);
}

/// A target's record starts nothing on the machine that asks it.
#[test]
fn a_hostile_record_does_nothing_here() {
    let (b, _, id) = changed();
    let lib = b.path(&format!("lib/runbook/runs/{id}/journal.jsonl"));
    if !lib.exists() {
        return;
    }
    let evil = b.path("evil").display().to_string();
    let line = format!(
        "{{\"record\":\"change\",\"number\":9000,\"step\":\"x\",\"handler\":false,\"notify\":[],\"change\":{{\"kind\":\"command\",\"command\":\"echo harmless\",\"undo\":\"(\\necho harmless\\n) && rm -f /x; touch {evil}\",\"where\":\"controller\",\"sh\":\"true\",\"writes\":[]}}}}\n{{\"record\":\"done\",\"number\":9000}}\n"
    );
    let text = fs::read_to_string(&lib).unwrap() + &line;
    fs::write(&lib, text).unwrap();
    fs::rename(b.path("state"), b.path("other")).unwrap();
    let run = undo(&b, &id, &["-y"]).expect(1);
    assert!(!b.path("evil").exists(), "{}", run.text);
    assert!(run.text.contains("it was done on another machine than the host"), "{}", run.text);
}

/// Somebody's file in a directory that the run made: the directory stays, and the rest goes on.
#[test]
fn a_directory_with_what_others_put_there_stays() {
    let (b, before, id) = changed();
    b.write("d/theirs", "mine");
    let run = undo(&b, &id, &["-y"]).expect(0);
    let left: Vec<String> = all(&b).into_iter().filter(|f| !before.contains(f)).collect();
    assert_eq!(left.len(), 2, "{left:?}: {}", run.text);
    assert!(!b.path("d/new").exists() && b.path("d/theirs").exists());
}

/// A file that a handler wrote is a file like any other.
#[test]
fn what_a_handler_wrote_is_taken_back() {
    let b = Bench::new();
    b.write("f", "x\n");
    b.write(
        "book.yaml",
        "name: t\ntitle: t\nhandlers:\n- {id: h, file: {path: DIR/made, content: by}}\nsteps:\n\
         - {name: one, notify: [h], ensure: {edit: {path: DIR/f, line: one = 1}}}\n",
    );
    b.apply().expect(0);
    let id = newest(&b);
    b.write("made", "theirs");
    undo(&b, &id, &["-y"]).expect(1);
    assert_eq!((b.read("f").as_str(), b.read("made").as_str()), ("x\none = 1\n", "theirs"));
    b.write("made", "by");
    undo(&b, &id, &["-y"]).expect(0);
    assert!(b.read("f") == "x\n" && !b.path("made").exists());
}

/// A link that leads to nothing: the run makes what it leads to, and the undo removes that, not the link.
#[test]
fn what_was_made_at_the_end_of_a_link_is_removed() {
    let b = Bench::new();
    std::os::unix::fs::symlink("nowhere", b.path("f")).unwrap();
    b.write(
        "book.yaml",
        "name: t\ntitle: t\nsteps:\n- {name: s, ensure: {edit: {path: DIR/f, line: new, create: true}}}\n",
    );
    b.apply().expect(0);
    assert_eq!(b.read("nowhere"), "new\n");
    let run = undo(&b, &newest(&b), &["-y"]).expect(0);
    assert!(!b.path("nowhere").exists() && b.path("f").is_symlink(), "{}", run.text);
    // And forth.
    let back = newest(&b);
    undo(&b, &back, &["-y"]).expect(0);
    assert_eq!(b.read("nowhere"), "new\n");
}

/// What cannot be as it was is told: names that were one file.
#[test]
fn hard_links_that_are_not_joined_again_are_told() {
    let b = Bench::new();
    b.write("f", "old\n");
    fs::hard_link(b.path("f"), b.path("other-name")).unwrap();
    b.write("book.yaml", "name: t\ntitle: t\nsteps:\n- {name: s, ensure: {edit: {path: DIR/f, line: new}}}\n");
    b.apply().expect(0);
    let run = undo(&b, &newest(&b), &["-y"]).expect(0);
    assert_eq!((b.read("f"), b.read("other-name")), ("old\n".into(), "old\n".into()));
    let text = run.text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("one file under 2 names (hard links): the other name stay"), "{}", run.text);
}

/// What others have put into a directory of the run's, below a directory of its own too.
#[test]
fn a_directory_that_stays_is_told() {
    let (b, _, id) = changed();
    b.write("d/sub/theirs", "mine");
    let run = undo(&b, &id, &["-y"]).expect(0);
    let text = run.text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("Note:") && text.contains("/d stays: it has what the run did not make"), "{}", run.text);
    assert!(text.contains("sub/theirs"), "{}", run.text);
}

/// capabilities(7): an edit loses them, and the undo puts them back. Takes root.
#[test]
fn a_capability_is_put_back() {
    let b = Bench::new();
    b.write("f", "old\n");
    let set = std::process::Command::new("setcap").arg("cap_net_raw=ep").arg(b.path("f")).status();
    if !set.is_ok_and(|s| s.success()) {
        eprintln!("skipped: no setcap, or no root");
        return;
    }
    let caps = || {
        let out = std::process::Command::new("getcap").arg(b.path("f")).output().unwrap();
        String::from_utf8_lossy(&out.stdout).contains("cap_net_raw")
    };
    b.write("book.yaml", "name: t\ntitle: t\nsteps:\n- {name: s, ensure: {edit: {path: DIR/f, line: new}}}\n");
    assert!(caps());
    b.apply().expect(0);
    let run = undo(&b, &newest(&b), &["-y"]).expect(0);
    assert!(b.read("f") == "old\n" && caps(), "{}", run.text);
}

/// The controller's disk was full, or it crashed: the host's record has what its own lost.
#[test]
fn a_record_that_was_cut_off_is_compared_with_the_hosts() {
    let (b, before, id) = changed();
    if !b.path("lib/runbook").exists() {
        eprintln!("skipped: without root both records are one");
        return;
    }
    let path = b.path(&format!("state/runbook/runs/{id}/journal.jsonl"));
    let text = fs::read(&path).unwrap();
    fs::write(&path, &text[..text.len() * 6 / 10]).unwrap();
    let run = undo(&b, &id, &["-y"]).expect(0);
    let said = run.text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("the target's own is used"), "{}", run.text);
    assert_eq!(all(&b), before, "{}", run.text);
}
