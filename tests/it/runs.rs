//! `runbook runs`: what is on record, as a person and a program read it.
#![allow(clippy::disallowed_methods)] // A test may start what it tests.

use std::fs;

use serde_json::Value;

use crate::support::{Desk, Done, bin};

fn runbook(desk: &Desk, args: &[&str]) -> Done {
    let mut c = std::process::Command::new(bin());
    c.args(args).env("XDG_STATE_HOME", desk.path("state")).env_remove("COLUMNS");
    c.output().unwrap().into()
}

/// A disk with two files, changed by a loop whose step names its item, and by a mode.
fn changed() -> (Desk, String) {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("disk/etc")).unwrap();
    fs::write(desk.path("disk/etc/a.conf"), "-- x\nold\n").unwrap();
    let book = desk.write(
        "book.yaml",
        "name: t\ntitle: t\nvars: {who: {type: string, default: eve}}\nsteps:\n\
         - name: \"{{ item }} knows {{ who }}\"\n  loop: \"['/etc/a.conf', '/etc/b.conf']\"\n\
         \x20 ensure: {file: {path: \"{{ item }}\", content: \"new\\n\"}}\n",
    );
    let via = format!("root:{}", desk.path("disk").display());
    let done = runbook(&desk, &["apply", book.to_str().unwrap(), "--via", &via, "-y"]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    let id = fs::read_dir(desk.path("state/runbook/runs")).unwrap().next().unwrap().unwrap().file_name();
    (desk, id.into_string().unwrap())
}

#[test]
fn a_run_is_shown_with_its_diffs_and_where_the_old_bytes_are() {
    let (desk, id) = changed();
    let shown = runbook(&desk, &["runs", &id]).stdout;
    assert!(shown.contains("for: /etc/a.conf knows eve\n") && !shown.contains("{{"), "{shown}");
    assert!(shown.contains("     --- x\n     -old\n     +new\n"), "a removed line may begin with dashes: {shown}");
    assert!(shown.contains("2. create /etc/b.conf") && shown.contains("     +new\n"), "{shown}");
    let kept: Vec<&str> = shown.lines().map(str::trim).filter(|l| l.starts_with('/')).collect();
    assert_eq!(kept.len(), 2, "one here, one on the target, and nothing of what was not there: {shown}");
    kept.iter().for_each(|k| assert_eq!(fs::read_to_string(k).unwrap(), "-- x\nold\n", "{k}"));
}

#[test]
fn a_run_is_one_document_of_json() {
    let (desk, id) = changed();
    let json: Value = serde_json::from_str(&runbook(&desk, &["runs", &id, "-o", "json"]).stdout).unwrap();
    assert_eq!((&json["schema"], json["id"].as_str()), (&1.into(), Some(id.as_str())));
    let records = json["records"].as_array().unwrap();
    let change = records.iter().find(|r| r["record"] == "change").unwrap();
    assert_eq!(change["step"], "/etc/a.conf knows eve");
    assert!(change["change"]["diff"].as_str().unwrap().ends_with("--- x\n-old\n+new\n"), "{change}");
    let lines = runbook(&desk, &["runs", &id, "-o", "jsonl"]).stdout;
    let lines: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(&lines, records);
}

/// For a ticket and for a postmortem: what was wrong, done and left, with nothing in it that a reader's program would obey.
#[test]
fn a_run_is_a_story() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("disk/etc")).unwrap();
    fs::write(desk.path("disk/etc/a.conf"), "old\n```\n").unwrap();
    let hostile = "a|b `c` <script>alert(1)</script> [x](y) \u{1b}[31m";
    let text = serde_json::json!({"name": "t", "title": hostile, "steps": [
        {"name": format!("{hostile} is right"), "finding": format!("{hostile} is wrong"), "ensure": {"file": {"path": "/etc/a.conf", "content": format!("{hostile}\n```\n")}}},
        {"name": "nobody can say", "check": {"file": {"path": "/etc/none"}}, "condition": "not check.exists", "manual": format!("ask {hostile}")},
    ]});
    let book = desk.write("book.yaml", &text.to_string());
    let via = format!("root:{}", desk.path("disk").display());
    let done = runbook(&desk, &["apply", book.to_str().unwrap(), "--via", &via, "-y"]);
    assert_eq!(done.code, 1, "{}{}", done.stdout, done.stderr);
    let id = fs::read_dir(desk.path("state/runbook/runs")).unwrap().next().unwrap().unwrap().file_name();
    let id = id.into_string().unwrap();

    let ticket = runbook(&desk, &["report", &id]).stdout;
    for part in [
        "| result | **something is left to do** |",
        "## What was wrong\n\n- a\\|b \\`c\\` \\<script\\>",
        "1. **edit /etc/a.conf**: done",
        "   ````diff\n",
        "- by hand: this does not hold: nobody can say",
        "| repaired | a\\|b \\`c\\` \\<script\\>",
        &format!("    runbook undo {id}\n"),
    ] {
        assert!(ticket.contains(part), "{part}\n{ticket}");
    }
    let page = runbook(&desk, &["report", &id, "-o", "html"]).stdout;
    for part in [
        "&lt;script&gt;alert(1)",
        "Something is left to do",
        "<span class=\"del\">-old</span>",
        "class=\"open\"",
        "<p>ask a|b",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    for bad in ["<script", "http:", "https:", "javascript", "src=", "href=", "@import", "url(", "\u{1b}"] {
        assert!(!page.contains(bad), "{bad}\n{page}");
    }
    assert!(!ticket.contains('\u{1b}'), "{ticket}");
    assert_eq!(runbook(&desk, &["report", "none"]).code, 2);
}
