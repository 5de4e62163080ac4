//! The same edits through the binary: planned, proven by `sshd -T` on the candidates, written, and then nothing to do.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use runbook::edit::sshd_config::Tree;
use serde_json::json;

use super::grow::{Dice, grow};
use super::real::{Files, MAIN, ask, base};
use super::{Edit, Verb, applied, at_odds, edit_for, shown};
use crate::support::{Desk, Done, Run, lab_is_on};

/// A shell in the lab's base tree, where one configuration is mounted over /etc/ssh and all else is thrown away.
const SHELL: &str = r#"exec unshare -m sh -c 'cd "$2" && mkdir -p root run/sshd lib && mount --make-rprivate / &&
mount --bind "$1" root && mount --bind run root/run && mount --bind lib root/var/lib && mount --bind ssh root/etc/ssh &&
mount -t tmpfs none root/dev/shm && mount -t proc none root/proc && exec chroot root /bin/sh' sh "#;

fn runbook(desk: &Desk, verb: &str, shell: &Path) -> Run {
    let via = format!("exec:{}", shell.display());
    let yes: &[&str] = if verb == "apply" { &["-y"] } else { &[] };
    let args = [&["--via", &via, "-o", "json"], yes].concat();
    Done::from(desk.runbook(&[], verb, &desk.path("book.yaml"), &args).output().unwrap()).into()
}

/// Writes a tree, edits it by the binary, and compares with what the editor says by itself.
fn through(files: &Files, edit: &Edit, want: &Files, listens: &[String]) -> Result<(), String> {
    let desk = Desk::new();
    for (path, bytes) in files {
        let file = desk.path("ssh").join(path.strip_prefix("/etc/ssh/").unwrap());
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
    let shell = desk.program("shell", &format!("{SHELL}{} {}", base().display(), desk.path("").display()));
    let key = edit.sample.names[0];
    let call = match edit.verb {
        Verb::Set => json!({"set": {key: edit.values}}),
        Verb::Add => json!({"add": {key: edit.values}}),
        Verb::Unset => json!({"unset": [key]}),
    };
    let book = json!({"name": "book", "title": "x", "steps": [{"name": "x", "ensure": {"sshd_config": call}}]});
    desk.write("book.yaml", &serde_yaml::to_string(&book).unwrap());
    let run = runbook(&desk, "apply", &shell);
    // A port that no address would listen on, since each has one of its own, is refused: sshd -T says so.
    let idle = |port: &String| !listens.iter().any(|a| a.ends_with(&format!(":{port}")));
    if key == "Port" && edit.values.iter().any(idle) && run.exit == 1 && run.seen().contains("would still not listen") {
        return Ok(());
    }
    if run.exit != 0 {
        return Err(format!("apply: {}", run.seen()));
    }
    let proven = &run.json["rounds"][0]["steps"][0]["result"]["proven"];
    if run.all_changes() > 0 && proven != true {
        return Err(format!("not proven by sshd: {}", run.seen()));
    }
    let now: Files = files
        .keys()
        .map(|path| (path.clone(), fs::read(desk.path("ssh").join(path.strip_prefix("/etc/ssh/").unwrap())).unwrap()))
        .collect();
    // What sshd says already by default is not worth a line.
    let idle = edit.verb == Verb::Set && run.all_changes() == 0;
    if now != *want && !(idle && now == *files) {
        return Err(format!("not what the editor makes: {}", run.seen()));
    }
    let again = runbook(&desk, "plan", &shell);
    if again.exit != 0 || again.all_changes() != 0 {
        return Err(format!("a second plan: {}", again.seen()));
    }
    Ok(())
}

#[test]
fn edited_through_the_binary() {
    if !lab_is_on() {
        return;
    }
    let count = if crate::support::full() { 1000 } else { 20 };
    let mut cases = Vec::new();
    for seed in 5_001..5_001 + count + count / 5 {
        let grown = grow(seed);
        let tree = Tree::new(MAIN, grown.files.clone());
        let mut edit = edit_for(&mut Dice::new(seed + 1_000_000), &tree);
        // An item of a module's list is one name: "ann bob" would be a name with a blank in it.
        if ["allow", "deny"].iter().any(|k| edit.sample.key.starts_with(k)) {
            edit.values = edit.values.iter().flat_map(|v| v.split(' ').map(str::to_owned)).collect();
        }
        let edits = edit.on(&tree);
        cases.push(super::Case { grown, tree, edit, edits });
    }
    let news: BTreeMap<usize, Files> =
        cases.iter().enumerate().map(|(n, c)| (n, applied(&c.grown.files, &c.edits))).collect();
    let questions: Vec<(Files, Option<&str>)> =
        cases.iter().enumerate().flat_map(|(n, c)| [(c.grown.files.clone(), None), (news[&n].clone(), None)]).collect();
    let answers = ask(&questions);
    let taken: Vec<usize> = (0..cases.len())
        .filter(|n| answers[2 * n].accepted && !at_odds(&answers[2 * n + 1].stderr))
        .take(usize::try_from(count).unwrap())
        .collect();
    let half = taken.len().div_ceil(2);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let run = |part: &[usize]| -> Vec<String> {
            part.iter()
                .filter_map(|n| {
                    let case = &cases[*n];
                    let listens = answers[2 * n + 1].values.get("listenaddress").cloned().unwrap_or_default();
                    let why = through(&case.grown.files, &case.edit, &news[n], &listens).err()?;
                    Some(format!("tree {}: {why}\n{}", 5_001 + n, shown(case)))
                })
                .collect()
        };
        let parts: Vec<_> = taken.chunks(half).map(|part| scope.spawn(move || run(part))).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });
    eprintln!("{} trees through the binary", taken.len());
    let some = failures[..failures.len().min(4)].join("\n\n");
    assert!(failures.is_empty(), "{} of {}:\n{some}", failures.len(), taken.len());
    assert_eq!(taken.len(), usize::try_from(count).unwrap());
}
