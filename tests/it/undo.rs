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
    for line in ["-2\n", "+{{ 7 * 7 }}\n", ". run rm ", "the same line without --dry-run"] {
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
        assert!(run.text.contains(&format!("{path} was changed after the run, by somebody else")), "{}", run.text);
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
    assert!(run.text.contains("secret is kept nowhere any more"), "{}", run.text);
    let left: Vec<String> = all(&b).into_iter().filter(|f| !before.contains(f)).collect();
    assert!(matches!(&left[..], [f] if f.starts_with("secret ")), "{left:?}: {}", run.text);
}
