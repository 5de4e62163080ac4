//! `ssm:` against a stand-in of the `aws` command, which runs what it is sent and cuts its output as AWS documents.
//! What moto says (Success, and nothing) is no answer.

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{bin, fixture};

fn aws(state: &TempDir, mode: &str) -> Command {
    let path = format!("{}:{}", fixture("aws").display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(bin());
    command.env("PATH", path).env("AWS_STAND_IN", state.path()).env("AWS_MODE", mode);
    command
}

fn ping(instance: &str, mode: &str) -> (i32, Value) {
    let state = TempDir::new().unwrap();
    let out = aws(&state, mode).args(["ping", "-o", "json", "--via", &format!("ssm:{instance}")]).output().unwrap();
    let json = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {out:?}"));
    (out.status.code().unwrap(), json)
}

/// 60 kB that nothing makes smaller, as digits: five pages.
const LONG: &str = "name: t\ntitle: t\nsteps:\n  - name: all of it comes back\n\
    \x20   check: {command: {sh: \"head -c 60000 /dev/urandom | od -An -v -tx1 | tr -d ' \\\\n'\"}}\n\
    \x20   condition: check.stdout | length != 120000\n    manual: it was cut\n";

#[test]
fn what_is_longer_than_its_limit_comes_in_pages() {
    let state = TempDir::new().unwrap();
    let book = state.path().join("book.yaml");
    std::fs::write(&book, LONG).unwrap();
    let out = aws(&state, "")
        .args(["plan", book.to_str().unwrap(), "-o", "json", "--via", "ssm:i-0123456789abcdef0"])
        .output()
        .unwrap();
    let json: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {out:?}"));
    assert_eq!(json["rounds"][0]["steps"][0]["status"], "ok", "{json:#}");
    assert_eq!(json["wire"]["round_trips"], 1);
    let sent: usize = std::fs::read_to_string(state.path().join("sent")).unwrap().parse().unwrap();
    assert!(sent > 3, "it took {sent} commands: the answer was not paged");
    println!("an answer of 120 kB in {sent} run-commands");
}

#[test]
fn a_success_without_our_answer_is_a_failure() {
    let (code, json) = ping("i-0123456789abcdef0", "moto");
    assert_eq!(code, 3);
    assert!(json["channels"][0]["why"].as_str().unwrap().contains("nothing of ours came back"), "{json:#}");
}

#[test]
fn what_was_not_started_is_said() {
    let (code, json) = ping("i-0123456789abcdef0", "undeliverable");
    assert_eq!(code, 3);
    assert!(json["channels"][0]["why"].as_str().unwrap().contains("Undeliverable"), "{json:#}");
    let (code, json) = ping("i-1", "");
    assert_eq!(code, 3);
    assert!(json["channels"][0]["hint"].as_str().unwrap().contains("region"), "{json:#}");
}
