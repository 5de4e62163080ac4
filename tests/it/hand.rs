//! What a hand meets: the last line, the next command, questions at a terminal, names of runs.
#![allow(clippy::disallowed_methods)] // A test may start what it tests.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::bench::{Bench, Run};
use crate::support::bin;

/// A case of ../shared/cases/authoring on files of this bench.
fn case(b: &Bench, name: &str) -> &'static str {
    let text = fs::read_to_string(crate::support::fixture(&format!("authoring/{name}.yaml"))).unwrap();
    let dir = b.dir.path().display().to_string();
    b.write("book.yaml", &text.replace("/tmp/", "/etc/").replace("/etc/", &format!("{dir}/")));
    "./book.yaml"
}

/// At a terminal, a whole command line of sh in which `RUNBOOK` is the program.
fn at_terminal(b: &Bench, line: &str, keys: &str, wait: Duration) -> Run {
    let mut c = Command::new("script");
    c.args(["-qec", &line.replace("RUNBOOK", bin()), "/dev/null"]).current_dir(b.dir.path());
    c.env("NO_COLOR", "1").env("XDG_STATE_HOME", b.path("state"));
    let mut c = c.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut stdin = c.stdin.take().unwrap();
    std::thread::sleep(wait);
    std::io::Write::write_all(&mut stdin, keys.as_bytes()).unwrap();
    let out = c.wait_with_output().unwrap();
    drop(stdin);
    let text = String::from_utf8_lossy(&out.stdout).replace('\r', "");
    Run { exit: out.status.code().unwrap(), json: Value::Null, text }
}

/// t10: an edit is done, a command fails, one edit is never tried, one step is by hand.
#[test]
fn the_last_line_names_what_failed_what_was_not_tried_and_what_is_by_hand() {
    let b = Bench::new();
    let book = case(&b, "t10");
    let run = b.run(&["apply", book, "-y"]).expect(1);
    let last = run.text.rsplit("\n\n").next().unwrap().replace('\n', " ");
    assert!(last.starts_with("1 change made; still unresolved: "), "{}", run.text);
    let dir = b.dir.path().display();
    for part in [
        "status 1; to run echo no >&2; exit 3 (cannot be undone) failed: status 3: no; ",
        &format!("{dir}/two lacks \"x\""),
        " (not tried); ",
        "this does not hold: three holds (",
    ] {
        assert!(last.contains(part), "{part:?}: {last}");
    }
    for name in ["zero holds", "one holds", "two holds"] {
        assert!(!last.contains(name), "a step's name says the opposite: {last}");
    }

    fs::remove_file(b.path("zero")).unwrap();
    let run = b.run(&["apply", book, "-y", "-o", "json"]).expect(1);
    let items = run.json["unresolved"].as_array().unwrap();
    let of: Vec<(&str, &str)> =
        items.iter().map(|i| (i["step"].as_str().unwrap(), i["status"].as_str().unwrap())).collect();
    assert_eq!(of, [("one holds", "failed"), ("two holds", "not-tried"), ("three holds", "manual")], "{items:?}");

    // The report of that run says the same.
    let report = b.run_with(&[], &["runs"]).text;
    let id = report.lines().next().unwrap().split_whitespace().next().unwrap().to_owned();
    let report = Command::new(bin()).args(["report", "last"]).env("XDG_STATE_HOME", b.path("state")).output().unwrap();
    let report = String::from_utf8(report.stdout).unwrap();
    let left = report.split("## What is left").nth(1).unwrap().split("\n## ").next().unwrap();
    assert!(report.contains(&id), "{report}");
    for part in ["- failed: ", "- not tried: ", "- by hand: this does not hold: three holds", "  - do it"] {
        assert!(left.contains(part), "{part:?}: {left}");
    }
}

/// A check of `verify` that failed is named by what it saw, and not as "not all is well yet".
#[test]
fn a_failed_proof_is_named_in_the_last_line() {
    let b = Bench::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    b.write(
        "book.yaml",
        &format!(
            "name: book\ntitle: t\nverify: [connect: {{port: {port}, timeout: 1s}}]\nsteps:\n\
             - {{name: a, ensure: {{file: {{path: DIR/a, content: x}}}}}}\n"
        ),
    );
    let run = b.run(&["apply", "./book.yaml", "-y", "--address", "127.0.0.1"]).expect(1);
    let last = run.text.lines().find(|l| l.contains("1 change made")).unwrap_or_default();
    assert!(last.contains("still unresolved: ") && run.text.contains(&format!("port {port}")), "{}", run.text);
}

#[test]
fn the_next_command_is_whole_and_can_be_pasted() {
    let b = Bench::new();
    b.write(
        "book.yaml",
        "name: book\ntitle: t\nvars: {text: {type: string}}\nsteps:\n\
         - {name: a, ensure: {file: {path: DIR/a, content: '{{ text }}'}}}\n",
    );
    let plan = b.run(&["plan", "./book.yaml", "-e", "text=it's $HOME"]).expect(4);
    let line = plan.text.split("To make them:\n    ").nth(1).unwrap_or_else(|| panic!("{}", plan.text));
    let line = line.lines().next().unwrap();
    assert!(line.starts_with(&format!("{} apply ./book.yaml -e 'text=it'\\''s $HOME' --via ", bin())), "{line}");
    // Nobody to ask: the line that makes them is there, too, and works as it stands.
    let unasked = b.run(&["apply", "./book.yaml", "-e", "text=it's $HOME"]).expect(2);
    let line = unasked
        .text
        .lines()
        .find_map(|l| l.trim_start().strip_prefix(bin()))
        .unwrap_or_else(|| panic!("{}", unasked.text));
    assert!(line.ends_with(" --yes"), "{line}");
    let mut sh = Command::new("sh");
    sh.args(["-c", &format!("{}{line}", bin())]).current_dir(b.dir.path()).env("XDG_STATE_HOME", b.path("state"));
    let out = sh.output().unwrap();
    assert!(out.status.success(), "{line}\n{}", String::from_utf8_lossy(&out.stdout));
    assert_eq!(b.read("a"), "it's $HOME");
}

#[test]
fn each_question_of_step_by_step_shows_the_diff() {
    let b = Bench::new();
    b.write("a", "old\n");
    b.write(
        "book.yaml",
        "name: book\ntitle: t\nsteps:\n- {name: a, ensure: {file: {path: DIR/a, content: \"new\\n\"}}}\n\
         - {name: b, ensure: {file: {path: DIR/b, content: s3cret, sensitive: true}}}\n",
    );
    let run = b.typed(&["apply", "./book.yaml", "--step"], "y\ny\n").expect(0);
    let asked: Vec<&str> = run.text.split("Make this change?").collect();
    assert_eq!(asked.len(), 3, "{}", run.text);
    let before = |n: usize| asked[n].lines().rev().take(8).collect::<Vec<_>>().join("\n");
    assert!(before(0).contains("     -old") && before(0).contains("     +new"), "{}", run.text);
    assert!(
        before(1).contains("(the content is sensitive and is not shown)") && !run.text.contains("s3cret"),
        "{}",
        run.text
    );
}

const ONE: &str = "name: book\ntitle: t\nsteps:\n- {name: a, ensure: {file: {path: DIR/a, content: x}}}\n";

/// The question and the answer go by /dev/tty, what is printed goes into the pipe.
#[test]
fn through_a_pipe_a_person_is_asked_at_the_terminal() {
    let b = Bench::new();
    b.write("book.yaml", ONE);
    let line = format!("RUNBOOK apply ./book.yaml --via '{}' | tee log", b.via.replace('\'', r"'\''"));
    let run = at_terminal(&b, &line, "y\n", Duration::from_millis(300));
    assert!(b.path("a").exists() && run.text.contains("Make these changes?"), "{}", run.text);
    let log = b.read("log");
    assert!(log.contains("Repaired: 1 change") && log.contains("What will happen"), "{log}");
    assert!(!log.contains("Make these changes?"), "what is asked is no part of the log: {log}");
    // What goes into a file is seen by nobody: as before, nobody is asked.
    fs::remove_file(b.path("a")).unwrap();
    let line = line.replace("| tee log", ">log");
    at_terminal(&b, &line, "y\n", Duration::ZERO).expect(2);
    assert!(!b.path("a").exists());
}

/// A person thinks for two seconds; the run took less.
#[test]
fn thinking_is_no_part_of_how_long_it_took() {
    let b = Bench::new();
    b.write("book.yaml", ONE);
    let line = format!("RUNBOOK apply ./book.yaml --via '{}'", b.via.replace('\'', r"'\''"));
    let begun = std::time::Instant::now();
    let run = at_terminal(&b, &line, "y\n", Duration::from_secs(3)).expect(0);
    let whole = begun.elapsed().as_secs_f64();
    let said = run.text.split("Repaired: 1 change (").nth(1).and_then(|t| t.split_once(" s)")).unwrap().0;
    let said: f64 = said.parse().unwrap();
    assert!(whole >= 3.0 && said < whole - 1.0, "{said} s of {whole}: {}", run.text);
}

#[test]
fn a_run_is_named_by_a_beginning_of_its_id_or_as_the_last() {
    let b = Bench::new();
    b.write("book.yaml", ONE);
    b.apply().expect(0);
    let record = |args: &[&str]| {
        let out = Command::new(bin()).args(args).env("XDG_STATE_HOME", b.path("state")).output().unwrap();
        (out.status.code().unwrap(), String::from_utf8(out.stdout).unwrap() + &String::from_utf8_lossy(&out.stderr))
    };
    let id = record(&["runs"]).1.split_whitespace().next().unwrap().to_owned();
    for word in ["last", &id[..8], &id] {
        assert!(record(&["runs", word]).1.contains("create "), "{word}");
        assert!(record(&["report", word]).1.contains(&id), "{word}");
    }
    let (code, said) = record(&["runs", "1999"]);
    assert!(code == 2 && said.contains("no run \"1999\""), "{said}");
    // The undo is a run, too: then there are two of that day, and the last one is the undo itself.
    b.run(&["undo", "last", "-y"]).expect(0);
    assert!(!b.path("a").exists());
    let (code, said) = record(&["report", &id[..8]]);
    assert!(code == 2 && said.contains("could be any of 2 runs") && said.contains(&id), "{said}");
    b.run(&["undo", "last", "-y"]).expect(0);
    assert!(b.path("a").exists(), "an undo can itself be undone");
}

/// A real bash completes runbooks, runs, hosts and variables, and nothing of them is executed.
#[test]
fn bash_completes_what_there_is() {
    let b = Bench::new();
    b.write("book.yaml", ONE);
    b.apply().expect(0);
    b.write(
        "hosts.yaml",
        "hosts: {web1: {address: 192.0.2.1}, web2: {address: 192.0.2.2}}\ngroups: {west: {hosts: [web1]}}\n",
    );
    // An inventory that is a program is not started.
    b.write("dynamic", "#!/bin/sh\ntouch DIR/started\n");
    fs::set_permissions(b.path("dynamic"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let dir = std::path::Path::new(bin()).parent().unwrap();
    let path = format!("{}:{}", dir.display(), std::env::var("PATH").unwrap());
    let complete = |words: &[&str]| {
        let script = "source <(runbook completions bash) || exit 9\n\
             COMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1)) COMP_TYPE=9\n\
             compopt() { :; }\n\
             _clap_complete_runbook runbook \"${!#}\" \"\"\n\
             printf '%s\\n' \"${COMPREPLY[@]}\"\n";
        let out = Command::new("bash")
            .args([&["-c", script, "bash"], words].concat())
            .current_dir(b.dir.path())
            .env("PATH", &path)
            .env("HOME", b.dir.path())
            .env("XDG_STATE_HOME", b.path("state"))
            .output()
            .unwrap();
        assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
        let mut all: Vec<String> = String::from_utf8(out.stdout).unwrap().lines().map(str::to_owned).collect();
        all.sort();
        all
    };
    assert_eq!(complete(&["runbook", "pla"]), ["plan"]);
    assert_eq!(complete(&["runbook", "plan", "ssh-re"]), ["ssh-refused"]);
    assert_eq!(complete(&["runbook", "plan", "./bo"]), ["./book.yaml"]);
    assert_eq!(complete(&["runbook", "plan", "ssh-refused", "-i", "hosts.yaml", "-t", "we"]), ["web1", "web2", "west"]);
    assert_eq!(complete(&["runbook", "plan", "ssh-refused", "-i", "dynamic", "-t", "we"]), [""]);
    assert_eq!(complete(&["runbook", "apply", "ssh-refused", "-e", "wra"]), ["wrappers="]);
    assert_eq!(complete(&["runbook", "undo", "la"]), ["last"]);
    let id = b.run(&["runs"]).text.split_whitespace().next().unwrap().to_owned();
    assert_eq!(complete(&["runbook", "report", &id[..4]]), [id]);
    assert!(complete(&["runbook", "apply", "x", "--be"]).contains(&"--become".to_owned()));
    assert!(!b.path("started").exists());
}

/// A runbook is found by its file's name, and is on record by its own.
#[test]
fn a_runbook_that_is_called_otherwise_than_its_file_is_an_error_of_lint() {
    let b = Bench::new();
    b.write("motd.yaml", &ONE.replace("name: book", "name: greeting"));
    let lint = |args: &[&str]| {
        let out = Command::new(bin()).arg("lint").args(args).current_dir(b.dir.path()).output().unwrap();
        (
            out.status.code().unwrap(),
            String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr),
        )
    };
    let (code, said) = lint(&["motd.yaml"]);
    assert!(code == 2 && said.contains("motd.yaml:1:1") && said.contains("write name: motd"), "{said}");
    let (_, json) = lint(&["-o", "json", "motd.yaml"]);
    assert!(json.contains("\"rule\":\"file-name-differs\""), "{json}");
    b.write("greeting.yaml", &b.read("motd.yaml"));
    assert_eq!(lint(&["greeting.yaml"]).0, 0);
    // What comes with the program, and what it shows, is called as its file.
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(lint(&[root.join("runbooks").to_str().unwrap()]).0, 0);
}

#[test]
fn the_sample_inventory_is_one() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/hosts.yaml");
    let list = |target: &str| {
        let args = ["plan", "ssh-refused", "-i", file, "-t", target, "--list-hosts"];
        let out = Command::new(bin()).args(args).output().unwrap();
        assert!(out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    assert_eq!(list("all"), "web1\nweb2\ndb1\n");
    assert_eq!(list("web:!web2"), "web1\n");
}

/// A disk whose sshd is told to listen on 2222 alone.
fn disk_on_2222(b: &Bench) -> String {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/broken-host");
    let copied = Command::new("cp").arg("-a").arg(example).arg(b.path("disk")).status().unwrap();
    assert!(copied.success());
    fs::remove_file(b.path("disk/etc/ssh/sshd_config.d/90-test.conf")).unwrap();
    format!("root:{}", b.path("disk").display())
}

fn plan_disk(b: &Bench, via: &str, more: &[&str]) -> Run {
    let out = Command::new(bin())
        .args(["plan", "ssh-refused", "--via", via])
        .args(more)
        .current_dir(b.dir.path())
        .env("XDG_STATE_HOME", b.path("state"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    let json = serde_json::from_slice(&out.stdout).unwrap_or(Value::Null);
    Run { exit: out.status.code().unwrap(), json, text }
}

const UNNAMED: &str = "clients use port 22 unless they are told otherwise, and sshd is told to listen on 2222";

/// Where nobody names a port and sshd does not listen on 22, that is the finding, with what to type on either side.
#[test]
fn a_port_that_nobody_named_is_the_finding() {
    let b = Bench::new();
    let via = disk_on_2222(&b);
    let run = plan_disk(&b, &via, &["--address", "192.0.2.7"]);
    let flat = run.text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(run.exit == 1 && flat.contains(&format!("Found: {UNNAMED}: /etc/ssh/sshd_config:6 says")), "{}", run.text);
    for line in [
        "    ssh -p 2222 192.0.2.7\n",
        &format!("    {} apply ssh-refused --via {via} --address 192.0.2.7 -e port=22\n", bin()),
        &format!("    {} apply ssh-refused --via {via} --address 192.0.2.7 -e port=2222\n", bin()),
    ] {
        assert!(run.text.contains(line), "{line}: {}", run.text);
    }
    // A port that somebody named is as it was.
    for (more, found) in [(&["-e", "port=2222"][..], 0), (&["-e", "port=22"], 1)] {
        let json = plan_disk(&b, &via, &[more, &["-o", "json"]].concat()).json;
        let steps = json["rounds"][0]["steps"].as_array().unwrap();
        let of = |id: &str| steps.iter().find(|s| s["id"] == id).unwrap()["status"].as_str().unwrap().to_owned();
        assert_eq!(of("unnamed"), "skipped", "{more:?}");
        assert_eq!(usize::from(of("port") == "change"), found, "{more:?}");
    }
    b.write("hosts.ini", "web1 ansible_host=192.0.2.7 ansible_port=2222 port=2222\n");
    let named = plan_disk(&b, &via, &["-i", "hosts.ini", "-t", "web1"]);
    assert!(!named.text.contains(UNNAMED), "{}", named.text);
}

/// At a terminal it is asked; what was typed is a port, and no text.
#[test]
fn a_port_that_nobody_named_is_asked_for() {
    let b = Bench::new();
    let via = disk_on_2222(&b);
    let line = format!("RUNBOOK apply ssh-refused --via {via}");
    let run = at_terminal(&b, &line, "22\nn\n", Duration::from_millis(500));
    assert!(run.text.contains("port: 22 / 2222 / [l]eave it? "), "{}", run.text);
    assert!(run.text.contains("With port=22:") && run.text.contains("+Port 22\n"), "{}", run.text);
    let run = at_terminal(&b, &line, "2222\nn\n", Duration::from_millis(500));
    assert!(run.text.contains("With port=2222:") && !run.text.contains("+Port 22\n"), "{}", run.text);
}

/// Every step is fine, and the proof fails: a plan says no more than an apply that it is healthy.
#[test]
fn a_plan_calls_nothing_healthy_that_its_proofs_would_not() {
    let b = Bench::new();
    b.write(
        "book.yaml",
        "name: t\ntitle: t\nverify: [{command: 'echo nobody gets in; exit 1'}]\nsteps: [{name: s, check: {command: 'true'}}]\n",
    );
    for verb in [&["plan", "./book.yaml"][..], &["apply", "./book.yaml", "-n"], &["apply", "./book.yaml", "-y"]] {
        let run = b.run(verb).expect(1);
        let last = run.text.rsplit("\n\n").next().unwrap();
        assert!(last.contains("nobody gets in") && !run.text.contains("Healthy"), "{verb:?}: {}", run.text);
    }
}

/// `root:disk` is the same disk from any directory, and `-t root@web1` is the target that the run was of.
#[test]
fn an_undo_finds_the_disk_and_the_target_of_its_run() {
    let b = Bench::new();
    let runbook = |dir: &str, args: &[&str]| -> Run {
        let mut c = Command::new(bin());
        let c = c.args(args).env("XDG_STATE_HOME", b.path("state")).current_dir(b.path(dir));
        let out = c.output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        Run { exit: out.status.code().unwrap(), json: Value::Null, text }
    };
    // Two disks of one name, each with the file.
    for dir in ["one/disk/etc", "other/disk/etc"] {
        fs::create_dir_all(b.path(dir)).unwrap();
        b.write(&format!("{dir}/os-release"), "ID=debian\n");
        b.write(&format!("{dir}/f"), "old\n");
    }
    b.write("book.yaml", "name: t\ntitle: t\nsteps: [{name: s, ensure: {edit: {path: /etc/f, line: new}}}]\n");
    let book = b.path("book.yaml").display().to_string();
    runbook("one", &["apply", &book, "-y", "--via", "root:disk"]).expect(0);
    runbook("other", &["apply", &book, "-y", "--via", "root:disk"]).expect(0);
    let id = runbook("one", &["runs"]).text.lines().nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    runbook("other", &["undo", &id, "-y"]).expect(0);
    assert_eq!((b.read("one/disk/etc/f").as_str(), b.read("other/disk/etc/f").as_str()), ("old\n", "old\nnew\n"));

    b.write("book.yaml", &ONE.replace("DIR", &b.path("").display().to_string()));
    let at = ["-t", "me@web1", "--via", "exec:sh"];
    runbook("", &[&["apply", book.as_str(), "-y"][..], &at].concat()).expect(0);
    runbook("", &[&["undo", "last", "-y"][..], &at].concat()).expect(0);
}
