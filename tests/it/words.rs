//! What is printed where something was typed wrong, and how wide.
#![allow(clippy::disallowed_methods)] // A test may start what it tests.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::{Desk, Done, bin};

fn runbook(desk: &Desk, args: &[&str]) -> Done {
    let mut c = Command::new(bin());
    c.args(args).current_dir(desk.path("")).env("XDG_STATE_HOME", desk.path("state")).env_remove("COLUMNS");
    c.output().unwrap().into()
}

/// At a terminal of so many columns.
fn at(columns: usize, desk: &Desk, line: &str) -> Done {
    let line = format!("stty rows 50 cols {columns} && {line}");
    let mut c = Command::new("script");
    c.args(["-qec", &line, "/dev/null"]).current_dir(desk.path("")).env("NO_COLOR", "1").env_remove("COLUMNS");
    c.env("XDG_STATE_HOME", desk.path("state"));
    let mut done: Done = c.output().unwrap().into();
    // A line of progress is drawn over.
    let last = |l: &str| l.rsplit("\u{1b}[K").next().unwrap_or_default().to_owned() + "\n";
    done.stdout = done.stdout.replace('\r', "").lines().map(last).collect();
    done
}

const BOOK: &str = "name: t\ntitle: t\nvars: {port: {type: port, optional: true}, s: {type: string, optional: true}}\nsteps:\n\
     - {name: a file that is there, ensure: {file: {path: /tmp/nothing-of-this-name, content: \"a line of a file that is longer than forty-five columns, and is never folded\\n\"}}}\n\
     - {name: a command, check: {command: 'false'}, remediation: [{command: 'iptables -I INPUT -p tcp -s 203.0.113.7 --dport 22 -m comment --comment \"a  b\" -j ACCEPT'}]}\n";

#[test]
fn bad_input_is_json_where_json_was_asked_for() {
    let desk = Desk::new();
    desk.write("t.yaml", BOOK);
    for (args, rule, says) in [
        (&["plan", "./t.yaml", "-e", "port=99999"][..], "wrong-type", "port"),
        (&["plan", "nothing-of-this-name"], "unknown-runbook", "no runbook"),
        (&["apply", "./t.yaml", "--via", "foo:bar"], "usage", "foo"),
        (&["apply", "./t.yaml", "-y", "--step", "--via", "exec:sh"], "usage", "--step"),
        (&["ping", "--via", "foo:bar"], "usage", "foo"),
    ] {
        for output in ["json", "jsonl"] {
            let done = runbook(&desk, &[args, &["-o", output]].concat());
            assert_eq!(done.code, 2, "{args:?}: {}{}", done.stdout, done.stderr);
            let v: Value =
                serde_json::from_str(&done.stdout).unwrap_or_else(|e| panic!("{args:?}: {e}: {}", done.stdout));
            assert_eq!((&v["schema"], &v["exit"]), (&1.into(), &2.into()), "{v}");
            let first = &v["errors"][0];
            assert!(first["message"].as_str().unwrap().contains(says), "{args:?}: {v}");
            assert_eq!(first["rule"].as_str() == Some("usage"), rule == "usage", "{v}");
            assert!(!done.stderr.is_empty(), "and for a person too");
        }
    }
}

#[test]
fn variables_are_a_map_too_as_ansible_takes_them() {
    let desk = Desk::new();
    desk.write("t.yaml", "name: t\ntitle: t\nvars: {port: {type: port}}\nsteps:\n- {name: a, check: {command: 'test {{ port }} = 22'}}\n");
    let plan = |e: &str| runbook(&desk, &["plan", "./t.yaml", "--via", "exec:sh", "-e", e]);
    assert_eq!(plan("{\"port\":22}").code, 0);
    assert_eq!(plan("{port: 23}").code, 1);
    let wrong = plan("{\"port\": \"hidden-word\"}");
    assert!(wrong.code == 2 && wrong.stderr.contains("port") && !wrong.stderr.contains("{\""), "{}", wrong.stderr);
    let broken = plan("{port: hidden-word, x: \"");
    assert!(broken.code == 2 && !broken.stderr.contains("hidden-word"), "{}", broken.stderr);
    let twice = plan("{port: hidden-word, port: 22}");
    let said = twice.stderr.contains("the key \"port\" is here twice");
    assert!(twice.code == 2 && said && !twice.stderr.contains("hidden-word"), "{}", twice.stderr);
}

#[test]
fn a_runbook_that_lies_here_is_named() {
    let desk = Desk::new();
    desk.write("motd.yaml", BOOK);
    let done = runbook(&desk, &["plan", "motd"]);
    assert!(done.code == 2 && done.stderr.contains("./motd.yaml"), "{}", done.stderr);
    let done = runbook(&desk, &["motd"]);
    assert!(done.code == 2 && done.stderr.contains("runbook plan ./motd.yaml"), "{}", done.stderr);
}

#[test]
fn what_is_printed_is_as_wide_as_the_terminal() {
    let desk = Desk::new();
    desk.write("t.yaml", BOOK);
    let bin = bin();
    let plan = format!("{bin} plan ./t.yaml --via exec:sh");
    for columns in [45, 80, 120] {
        for line in [
            plan.clone(),
            format!("{bin} list"),
            format!("{bin} show ssh-refused"),
            format!("{bin} plan nothing --via foo:bar"),
        ] {
            let text = at(columns, &desk, &line).stdout;
            let wide = |l: &&str| l.chars().count() > columns.min(100) && l.trim_start().contains(' ');
            let wide: Vec<&str> = text
                .lines()
                .filter(wide)
                .filter(|l| !l.contains("never folded") && !l.trim_start().starts_with("| "))
                // A command to paste is never folded, either.
                .filter(|l| !l.contains(&format!("    {bin} ")))
                .collect();
            assert!(wide.is_empty() && text.len() > 50, "{columns}: {wide:#?}");
        }
        let text = at(columns, &desk, &plan).stdout;
        assert!(
            text.contains("+a line of a file that is longer than forty-five columns, and is never folded\n"),
            "{text}"
        );
        let said = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("--comment \"a b\" -j ACCEPT") && text.contains("\"a  b\""), "{text}");
    }
    // Nobody looks: 80, whatever COLUMNS says.
    let done: Done = Command::new(bin).args(["show", "ssh-refused"]).env("COLUMNS", "45").output().unwrap().into();
    assert!(done.stdout.lines().any(|l| l.chars().count() > 70), "{}", done.stdout);
}

#[test]
fn a_record_that_cannot_be_written_is_said_once_and_in_one_way() {
    let desk = Desk::new();
    desk.write(
        "t.yaml",
        "name: t\ntitle: t\nsteps:\n- {name: a, ensure: {file: {path: DIR/x, content: x}}}\n"
            .replace("DIR", desk.path("").to_str().unwrap())
            .as_str(),
    );
    fs::write(desk.path("state"), "a file, and no directory").unwrap();
    let done = runbook(&desk, &["apply", "./t.yaml", "-y", "--via", "exec:sh"]);
    assert_eq!(done.code, 1, "{}", done.stdout);
    assert!(
        done.stdout.contains("XDG_STATE_HOME") && !done.stdout.contains("stays, and is on record"),
        "{}",
        done.stdout
    );
    assert!(!desk.path("x").exists());
}

#[test]
fn many_hosts_are_tried_at_once_with_a_line_for_each() {
    let desk = Desk::new();
    let hosts = "hosts:\n  web1: {channels: [{exec: sh}]}\n  web2: {channels: [{exec: 'exit 7'}, {exec: sh}]}\n  db1: {channels: [{exec: 'exit 7'}]}\n";
    desk.write("hosts.yaml", hosts);
    let ping = |args: &[&str]| runbook(&desk, &[&["ping", "-i", "hosts.yaml"], args].concat());
    let done = ping(&["-t", "all"]);
    assert_eq!(done.code, 3, "{}{}", done.stdout, done.stderr);
    let lines: Vec<&str> = done.stdout.lines().collect();
    let begin = |l: usize, with: &str| assert!(lines[l].trim_start().starts_with(with), "{with}: {}", done.stdout);
    begin(0, "web1  works  exec as ");
    begin(1, "web2  works  exec as ");
    begin(2, "db1   no     exec: ");
    assert!(done.stdout.contains("1 of 3 hosts cannot be reached"), "{}", done.stdout);
    assert_eq!(ping(&["-t", "web*"]).code, 0);
    let json: Value = serde_json::from_str(&ping(&["-t", "all", "-o", "json"]).stdout).unwrap();
    assert_eq!((&json["exit"], json["targets"].as_array().unwrap().len()), (&3.into(), 3), "{json}");
    let lines = ping(&["-t", "all", "-o", "jsonl"]).stdout;
    assert_eq!(lines.lines().filter(|l| serde_json::from_str::<Value>(l).unwrap()["target"] == "web2").count(), 2);
}
