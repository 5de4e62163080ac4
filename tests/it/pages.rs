//! The pages under docs/ that show a terminal: every ```console block is run, and prints what the page says.
//!
//! In a block, lines after `$ ` are commands for sh, what follows is their output. A block `<!-- file: NAME -->` before a
//! fence is that file. `RUNBOOK_WRITE_DOCS=1` writes the output into the page. Runs have another name each time: the page's
//! is the last one's.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use regex::Regex;

use crate::support::{Desk, bin};

/// As every run calls it.
const RUN: &str = "20261127-031502-kxqp";

/// What differs from run to run, as the page has it.
fn plain(text: &str, desk: &Desk) -> String {
    let text = text.replace(&*desk.path("home").to_string_lossy(), "~");
    let text = text.replace(&*desk.path("").to_string_lossy(), "").replace(desk.path("").to_str().unwrap(), "");
    let run = Regex::new(r"\b20\d{6}-\d{6}-[a-z0-9]{4}\b").unwrap();
    let seconds = Regex::new(r"\b\d+\.\d s\b").unwrap();
    let commit = Regex::new(r"\b[0-9a-f]{12}\b").unwrap();
    let text = commit.replace_all(&text, "0123456789ab").into_owned();
    let stamp = Regex::new(r"\b20\d\d-\d\d-\d\d \d\d:\d\d(:\d\d)?\b").unwrap();
    let text = run.replace_all(&text, RUN);
    let text = seconds.replace_all(&text, "0.1 s");
    stamp.replace_all(&text, "2026-11-27 03:15$1").into_owned()
}

/// The page with what its commands print.
fn told(page: &str) -> String {
    let desk = Desk::new();
    let work = desk.path("work");
    fs::create_dir_all(&work).unwrap();
    let bin = Path::new(bin()).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let run = Regex::new(r"\b20\d{6}-\d{6}-[a-z0-9]{4}\b").unwrap();
    let (mut out, mut last) = (String::new(), RUN.to_owned());
    let (mut file, mut fence, mut content) = (None::<String>, "", String::new());
    for line in page.lines() {
        if fence == "console" && line != "```" {
            let Some(command) = line.strip_prefix("$ ") else { continue };
            let _ = writeln!(out, "{line}");
            let done = Command::new("sh")
                .args(["-c", &format!("{{ {}\n}} 2>&1", command.replace(RUN, &last))])
                .current_dir(&work)
                .env_clear()
                .envs([("PATH", path.as_str()), ("HOME", desk.path("home").to_str().unwrap())])
                .env("XDG_STATE_HOME", desk.path("state"))
                .output()
                .unwrap();
            let said = String::from_utf8(done.stdout).unwrap();
            if let Some(found) = run.find_iter(&said).last() {
                last = found.as_str().to_owned();
            }
            let said = plain(&said, &desk);
            let _ = write!(out, "{said}{}", if said.is_empty() || said.ends_with('\n') { "" } else { "\n" });
            continue;
        }
        let _ = writeln!(out, "{line}");
        if let Some(name) = line.strip_prefix("<!-- file: ").and_then(|l| l.strip_suffix(" -->")) {
            file = Some(name.to_owned());
        } else if let Some(kind) = line.strip_prefix("```") {
            if fence.is_empty() {
                fence = if kind.is_empty() { "text" } else { kind };
                content.clear();
            } else {
                fence = "";
                if let Some(name) = file.take() {
                    fs::write(work.join(name), &content).unwrap();
                }
            }
        } else if !fence.is_empty() {
            let _ = writeln!(content, "{line}");
        }
    }
    out
}

fn shows(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let page = fs::read_to_string(&path).unwrap();
    assert!(page.contains("```console\n$ "), "{name} shows no terminal");
    let told = told(&page);
    if std::env::var_os("RUNBOOK_WRITE_DOCS").is_some() {
        fs::write(&path, told).unwrap();
        return;
    }
    let diff = runbook::plan::diff::unified(page.as_bytes(), told.as_bytes(), name, "what is printed now");
    assert!(diff.is_empty(), "RUNBOOK_WRITE_DOCS=1 writes it\n{}", String::from_utf8_lossy(&diff));
}

#[test]
fn the_tutorial() {
    shows("docs/tutorial.md");
}

#[test]
fn the_page_for_users_of_ansible() {
    shows("docs/ansible.md");
}

#[test]
fn the_page_about_safety() {
    shows("docs/safety.md");
}

#[test]
fn the_page_about_installing() {
    shows("docs/install.md");
}

/// No page shows a terminal that no test runs.
#[test]
fn every_console_block_is_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<String> = vec!["README.md".into(), "CONTRIBUTING.md".into()];
    for dir in ["docs", "docs/design", "docs/runbooks"] {
        let entries = fs::read_dir(root.join(dir)).unwrap().flatten();
        pages.extend(
            entries.map(|e| format!("{dir}/{}", e.file_name().to_string_lossy())).filter(|n| n.ends_with(".md")),
        );
    }
    let own = fs::read_to_string(root.join("tests/it/pages.rs")).unwrap();
    for page in pages {
        let text = fs::read_to_string(root.join(&page)).unwrap();
        assert!(!text.contains("```console") || own.contains(&format!("shows(\"{page}\")")), "{page}");
    }
}
