//! What editors and code scanning see: the schema in a real yaml-language-server, SARIF by Microsoft's own validator. Both are
//! npm packages that the lab's set-up has installed.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Desk, Done, bin, lab_is_on};

/// A file of an npm package of the set-up; `None` where the lab is off.
fn installed(path: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("RUNBOOK_LAB_CACHE").map_or_else(|| "/var/cache/runbook-lab".into(), PathBuf::from);
    let file = cache.join("npm/node_modules").join(path);
    assert!(!lab_is_on() || file.exists(), "{} is not there: tests/lab/setup", file.display());
    file.exists().then_some(file)
}

/// The language server with one document: lines (from 1) and messages.
fn diagnosed(server: &Path, dir: &Path, file: &str) -> Vec<(u64, String)> {
    let uri = |name: &str| format!("file://{}", dir.join(name).display());
    let mut child = Command::new("node")
        .arg(server)
        .arg("--stdio")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut to = child.stdin.take().unwrap();
    let mut send = |message: Value| {
        let text = message.to_string();
        write!(to, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
        to.flush().unwrap();
    };
    let mut from = BufReader::new(child.stdout.take().unwrap());
    let mut next = || -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(from.read_line(&mut line).unwrap() > 0, "the server has ended");
            match line.trim().strip_prefix("Content-Length: ") {
                Some(n) => length = n.parse().unwrap(),
                None if line.trim().is_empty() => break,
                None => {}
            }
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body).unwrap();
        serde_json::from_slice(&body).unwrap()
    };
    let capabilities = json!({"workspace": {"configuration": true, "didChangeConfiguration": {}}});
    send(json!({"jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"processId": std::process::id(), "rootUri": uri(""), "capabilities": capabilities}}));
    while next()["id"] != 1 {}
    send(json!({"jsonrpc": "2.0", "method": "initialized", "params": {}}));
    let text = std::fs::read_to_string(dir.join(file)).unwrap();
    let document = json!({"uri": uri(file), "languageId": "yaml", "version": 1, "text": text});
    send(json!({"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": {"textDocument": document}}));
    let found = loop {
        let message = next();
        match message["method"].as_str() {
            // It asks how it is set up: only the file's own first line names a schema.
            Some("workspace/configuration") => {
                let items = message["params"]["items"].as_array().unwrap().len();
                let set = json!({"validate": true, "schemaStore": {"enable": false}});
                let result: Vec<_> = (0..items).map(|n| if n == 0 { set.clone() } else { Value::Null }).collect();
                send(json!({"jsonrpc": "2.0", "id": message["id"], "result": result}));
            }
            Some("textDocument/publishDiagnostics") => break message["params"]["diagnostics"].clone(),
            _ if message["id"].is_number() && message["method"].is_string() => {
                send(json!({"jsonrpc": "2.0", "id": message["id"], "result": null}));
            }
            _ => {}
        }
    };
    child.kill().unwrap();
    let _ = child.wait();
    let one =
        |d: &Value| (d["range"]["start"]["line"].as_u64().unwrap() + 1, d["message"].as_str().unwrap().to_owned());
    found.as_array().unwrap().iter().map(one).collect()
}

fn schema(desk: &Desk) {
    let out = Done::from(Command::new(bin()).args(["schema"]).arg(desk.path("")).output().unwrap());
    desk.write("runbook.schema.json", &out.stdout);
}

const MODELINE: &str = "# yaml-language-server: $schema=runbook.schema.json\n";

/// Mistakes, each in a line that ends with `# here`.
const MISTAKES: &str = "name: seeded
title: each marked line has a mistake
anwsers: [x] # here
vars:
  port: {type: prot} # here
handlers:
- id: again
  service: {name: ssh, restartd: true} # here
steps:
- name: a misspelt key
  ensuer: {command: 'true'} # here
- name: a module that is none
  check: {comand: 'true'} # here
- name: a word that is none
  ensure: {file: {path: /x, state: direktory}} # here
- name: a path that is none
  ensure:
    file:
      path: etc/motd # here
- name: a port that is none
  check: {listening: {port: 70000}} # here
- name: a risk that is none
  risk: connectivty # here
  check: {command: 'true'}
- name: two modules at once
  check: {command: 'true', file: {path: /x}} # here
";

#[test]
fn an_editor_flags_mistakes_where_they_are() {
    let Some(server) = installed("yaml-language-server/bin/yaml-language-server") else { return };
    let desk = Desk::new();
    schema(&desk);
    desk.write("seeded.yaml", &format!("{MODELINE}{MISTAKES}"));
    let found = diagnosed(&server, &desk.path(""), "seeded.yaml");
    let text = format!("{MODELINE}{MISTAKES}");
    let marked: Vec<u64> = text.lines().zip(1..).filter(|(l, _)| l.ends_with("# here")).map(|(_, n)| n).collect();
    assert_eq!(marked.len(), 10);
    let mut lines: Vec<u64> = found.iter().map(|(line, _)| *line).collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines, marked, "{found:#?}");
}

/// Every runbook that comes with the program, and every file of the tests that is a good one.
#[test]
fn an_editor_has_nothing_against_good_runbooks() {
    let Some(server) = installed("yaml-language-server/bin/yaml-language-server") else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for dir in ["runbooks", "examples"] {
        let files = std::fs::read_dir(root.join(dir)).unwrap().flatten().map(|f| f.path());
        for file in files.filter(|f| f.extension().is_some_and(|e| e == "yaml")) {
            let text = std::fs::read_to_string(&file).unwrap();
            if !text.contains("\nsteps:") {
                continue;
            }
            let desk = Desk::new();
            schema(&desk);
            desk.write("good.yaml", &format!("{MODELINE}{text}"));
            let found = diagnosed(&server, &desk.path(""), "good.yaml");
            assert!(found.is_empty(), "{}: {found:#?}", file.display());
        }
    }
}

#[test]
fn sarif_is_sarif() {
    let Some(tool) = installed("@microsoft/sarif-multitool-linux/Sarif.Multitool") else { return };
    let desk = Desk::new();
    let bad =
        desk.write("a bad, one.yaml", "name: x\ntitle: x\nstpes: []\nsteps:\n- {name: a, ensure: {fiel: {path: x}}}\n");
    for file in [bad.as_path(), Path::new("a bad, one.yaml")] {
        let lint =
            Command::new(bin()).args(["lint", "-o", "sarif"]).arg(file).current_dir(desk.path("")).output().unwrap();
        let out = Done::from(lint);
        assert_eq!(out.code, 2, "{}", out.stderr);
        desk.write("found.sarif", &out.stdout);
        let results: Value = serde_json::from_str(&out.stdout).unwrap();
        assert!(results["runs"][0]["results"].as_array().unwrap().len() >= 2, "{}", out.stdout);
        let validate = Command::new(&tool)
            .args(["validate", "found.sarif"])
            .current_dir(desk.path(""))
            .env("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1")
            .output();
        let said = Done::from(validate.unwrap());
        let ended = said.code == 0 && said.stdout.contains("Analysis completed successfully");
        assert!(ended && !said.stdout.contains("error SARIF"), "{}{}", said.stdout, said.stderr);
    }
}
