//! Errors that a user should hear of, and did not: each was swallowed by an `.ok()`, a `let Ok(…) else` or a default.

use std::fs;
use std::process::Command;

use crate::bench::Bench;
use crate::support::{Desk, Done, bin};

const BOOK: &str = "name: x\ntitle: x\nsteps:\n  - {name: s, check: {command: 'true'}}\n";

#[test]
fn a_runbook_of_a_directory_that_cannot_be_read_is_an_error_of_lint() {
    let desk = Desk::new();
    let dir = desk.path("books");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("good.yaml"), BOOK).unwrap();
    fs::write(dir.join("bad.yaml"), [BOOK.as_bytes(), b"# \xff\n"].concat()).unwrap();
    let done: Done = Command::new(bin()).arg("lint").arg(&dir).output().unwrap().into();
    assert!(done.code == 2 && done.stderr.contains("bad.yaml"), "{}{}", done.stdout, done.stderr);
}

#[test]
fn a_probe_of_a_module_that_cannot_be_read_is_no_module_without_a_probe() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("modules")).unwrap();
    fs::write(desk.path("modules/own.sh"), "echo '{\"ok\": true, \"evidence\": \"fine\"}'\n").unwrap();
    let book = desk.write("x.yaml", "name: x\ntitle: x\nsteps:\n  - {name: s, check: {own: {}}}\n");
    let plan = || -> Done { desk.runbook(&[], "plan", &book, &["--via", "exec:sh", "-v"]).output().unwrap().into() };
    let fine = plan();
    assert_eq!(fine.code, 0, "{}{}", fine.stdout, fine.stderr);
    fs::write(desk.path("modules/own.sh"), b"echo \xff\n").unwrap();
    let told = plan();
    let text = told.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.code != 0 && text.contains("cannot be read"), "{}{}", told.stdout, told.stderr);
}

#[test]
fn a_record_that_cannot_be_read_is_not_as_if_there_were_none() {
    let b = Bench::new();
    b.write("f", "x\n");
    b.write("book.yaml", "name: t\ntitle: t\nsteps:\n- {name: s, ensure: {edit: {path: DIR/f, line: new}}}\n");
    b.apply().expect(0);
    let runs = b.path("state/runbook/runs");
    let id = fs::read_dir(&runs).unwrap().next().unwrap().unwrap().file_name().into_string().unwrap();
    let journal = runs.join(&id).join("journal.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    // A line of its middle is gone.
    let lines: Vec<&str> = text.lines().collect();
    fs::write(&journal, [&lines[..1], &lines[2..]].concat().join("\n") + "\n").unwrap();
    let said = b.run(&["runs", &id]).expect(0);
    assert!(said.text.contains("lines of this record are missing or damaged"), "{}", said.text);
    fs::remove_file(&journal).unwrap();
    fs::create_dir(&journal).unwrap();
    let listed = b.run(&["runs"]).expect(0);
    assert!(listed.text.contains(&id) && listed.text.contains("its record cannot be read"), "{}", listed.text);
    for args in [&["runs", &id][..], &["undo", &id, "-y"], &["undo", &id, "-n"]] {
        let said = b.run(args).expect(2);
        assert!(
            said.text.contains("cannot be read") && !said.text.contains("not on record"),
            "{args:?}: {}",
            said.text
        );
    }
}
