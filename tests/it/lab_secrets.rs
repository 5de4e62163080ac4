//! A secret variable on a real host: it gets where it is to go, and is seen nowhere else: not in what is printed, in any form
//! and at any level, nor in a record, in an argument on either side, or in the journal.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::{Done, Host, bin};

/// Odd enough for every spelling, and long enough for base64 to be wrapped.
const SECRET: &str = "Tr0ub é4dor&3 horse, and so on: until a line of base64 is full of it, and more";

const BOOK: &str = r#"
name: token
title: the service has its token
vars:
  token: {type: secret, from: {env: TOKEN}}
steps:
  - name: the token is there
    ensure: {file: {path: /root/token, content: "{{ token }}\n", mode: "0600"}}
  - name: the configuration has it
    ensure: {edit: {path: /root/app.conf, line: "token = {{ token }}", match: '^token', create: true}}
  - name: the service says that it has it
    check: {command: {sh: 'logger -t app started; [ -e /root/said ]; printf "%s\n" "{{ token }}" >&2'}}
    condition: not check.ok
    finding: "it answers: {{ check.stderr }}"
    remediation:
      - command: {sh: 'cat /root/token; base64 /root/token; od -An -tx1 /root/token; : >/root/said', undo: 'rm -f /root/said; cat /root/token'}
  - name: nobody knows this one
    check: {command: {sh: 'echo "{{ token }}" | base64 -w0; exit 3'}}
    finding: "{{ check.stdout }}"
    manual: "type {{ token }} there"
"#;

/// Whether a text has it, spelled in any way that could be read back.
fn shows(text: &str) -> bool {
    let flat: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    ["Tr0ub", "VHIwdWIg", "5472307562", "547230756220"].iter().any(|w| flat.contains(w)) || flat.contains("horse")
}

#[test]
fn a_secret_is_seen_nowhere() {
    let Some(host) = Host::up("secret") else { return };
    let book = host.desk.write("token.yaml", BOOK);
    host.sh("(while [ ! -e /run/stop ]; do cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -e Tr0[u]b -e ho[r]se >>/run/seen; done) >/dev/null 2>&1 &");
    // The same of this machine, but for who brings the secret here: it is in the environment, and in this program's own text.
    let stop = AtomicBool::new(false);
    let watch = || {
        let mut seen = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            for p in fs::read_dir("/proc").unwrap().flatten() {
                let line = fs::read(p.path().join("cmdline")).unwrap_or_default();
                let line = String::from_utf8_lossy(&line).into_owned();
                if line.contains("Tr0ub") {
                    seen.push(line);
                }
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        seen
    };
    let (printed, seen) = std::thread::scope(|scope| {
        let watching = scope.spawn(watch);
        let mut printed: Vec<(String, Done)> = Vec::new();
        let mut run = |what: &str, mut c: Command| {
            let done = Done::from(c.env("TOKEN", SECRET).env("RUNBOOK_LOG", "trace").output().unwrap());
            printed.push((what.to_owned(), done));
        };
        for form in ["human", "json", "jsonl"] {
            run(&format!("plan -o {form}"), host.command(&[], "plan", &book, None, &["-v", "-o", form]));
        }
        run("apply", host.command(&[], "apply", &book, None, &["-y", "-v"]));
        run("apply again", host.command(&[], "apply", &book, None, &["-y", "-o", "json"]));
        let first = fs::read_dir(host.desk.path("state/runbook/runs")).unwrap().next().unwrap().unwrap();
        let id = first.file_name().into_string().unwrap();
        let own = |args: &[&str]| {
            let mut c = Command::new(bin());
            c.args(args).env("XDG_STATE_HOME", host.desk.path("state"));
            c
        };
        run("runs", own(&["runs", &id]));
        run("runs -o json", own(&["runs", &id, "-o", "json"]));
        run("report", own(&["report", &id]));
        run("report -o html", own(&["report", &id, "-o", "html"]));
        let fixtures = host.desk.path("fixtures");
        let record = ["--record", "made", "--fixtures", fixtures.to_str().unwrap()];
        run("test --record", host.command(&[], "test", &book, None, &record));
        stop.store(true, Ordering::Relaxed);
        (printed, watching.join().unwrap())
    });
    host.sh("touch /run/stop");
    for (what, done) in &printed {
        assert!(!shows(&done.stdout), "{what}: {}", done.stdout);
        assert!(!shows(&done.stderr), "{what}, in its log: {}", done.stderr);
    }
    assert!(printed[3].1.stdout.contains("done"), "{}{}", printed[3].1.stdout, printed[3].1.stderr);
    assert_eq!(host.sh("cat /root/token"), format!("{SECRET}\n"));
    assert!(seen.is_empty(), "in an argument here: {seen:?}");
    assert_eq!(host.try_sh("cat /run/seen").stdout, "", "in an argument there");
    assert!(!shows(&host.sh("journalctl -q --no-pager -o cat")), "in the journal");
    for dir in ["state", "fixtures"] {
        let all = Command::new("grep")
            .args(["-rl", "-e", "Tr0ub", "-e", "horse", "-e", "VHIwdWIg"])
            .arg(host.desk.path(dir))
            .output();
        let all = Done::from(all.unwrap());
        assert_eq!(all.stdout, "", "in a record here");
    }
    // What was replaced, and what takes it back, are kept there for root alone.
    let open = host.sh("find /var/lib/runbook -perm /077 -type f");
    assert_eq!(open, "");
}
