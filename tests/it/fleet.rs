//! Many targets in one run, over real `exec:` channels: each is this machine's sh in a mount namespace of its own.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Desk, Done, bin};

/// Hosts h1, h2 …; what is /srv on one is `hosts/NAME/srv` of the desk.
struct Hosts {
    desk: Desk,
    names: Vec<String>,
}

impl Hosts {
    /// So many, with /srv/app.conf; `None` (and a note) where a user may have no namespaces.
    fn up(count: usize) -> Option<Self> {
        let desk = Desk::new();
        let at = desk.path("hosts").display().to_string();
        let root = fs::metadata("/proc/self").unwrap().uid() == 0;
        let unshare = if root { "unshare -m" } else { "unshare -Urm" };
        let works = std::process::Command::new("sh").args(["-c", &format!("{unshare} true 2>/dev/null")]).status();
        if !works.unwrap().success() {
            eprintln!("skipped: no namespaces here");
            return None;
        }
        desk.program(
            "enter",
            &format!(
                "at={at}/$1\n[ ! -e $at/down ] || {{ echo \"no route to host $1\" >&2; exit 255; }}\n\
                 exec {unshare} sh -c \"mount --bind $at/run /run && mount --bind $at/lib /var/lib && mount --bind $at/srv /srv && exec sh\""
            ),
        );
        let hosts = Self { desk, names: (1..=count).map(|n| format!("h{n}")).collect() };
        for n in &hosts.names {
            for d in ["run", "lib", "srv"] {
                fs::create_dir_all(hosts.desk.path(&format!("hosts/{n}/{d}"))).unwrap();
            }
            hosts.write(n, "app.conf", "# app\n");
        }
        Some(hosts)
    }
    fn write(&self, host: &str, file: &str, text: &str) {
        fs::write(self.desk.path(&format!("hosts/{host}/srv/{file}")), text).unwrap();
    }
    fn read(&self, host: &str, file: &str) -> String {
        fs::read_to_string(self.desk.path(&format!("hosts/{host}/srv/{file}"))).unwrap_or_default()
    }
    /// Its channel does not work.
    fn down(&self, host: &str) {
        fs::write(self.desk.path(&format!("hosts/{host}/down")), "").unwrap();
    }
    /// How many have the line.
    fn repaired(&self) -> usize {
        self.names.iter().filter(|n| self.read(n, "app.conf").contains("port = 80\n")).count()
    }
    fn args(&self, verb: &str, book: &str, args: &[&str]) -> Vec<String> {
        // `DESK` in a runbook is a directory that all hosts share.
        let book = self.desk.write("book.yaml", &book.replace("DESK", &self.desk.path("").display().to_string()));
        let via = format!("exec:{} {{target}}", self.desk.path("enter").display());
        let all = self.names.join(",");
        let words = [bin(), verb, book.to_str().unwrap(), "-t", &all, "--via", &via].map(str::to_owned);
        words.into_iter().chain(args.iter().map(|a| (*a).to_owned())).collect()
    }
    fn command(&self, words: &[String]) -> std::process::Command {
        let mut c = std::process::Command::new(&words[0]);
        c.args(&words[1..]).env("XDG_STATE_HOME", self.desk.path("state")).env("NO_COLOR", "1").stdin(Stdio::null());
        c
    }
    fn run(&self, verb: &str, book: &str, args: &[&str]) -> Done {
        self.command(&self.args(verb, book, args)).output().unwrap().into()
    }
    /// With `-o json`: the document, whose exit code is the program's.
    fn json(&self, verb: &str, book: &str, args: &[&str]) -> Value {
        let done = self.run(verb, book, &[args, &["-o", "json"]].concat());
        let v: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|e| panic!("{e}: {}", done.stdout));
        assert_eq!(v["exit"], done.code, "{}", done.stderr);
        v
    }
    /// The words of an apply as one line for sh.
    fn line(&self, book: &str, args: &[&str]) -> String {
        let quote = |w: &String| format!("'{}'", w.replace('\'', r"'\''"));
        self.args("apply", book, args).iter().map(quote).collect::<Vec<_>>().join(" ")
    }
    /// At a terminal, with what a person types once that is on the screen.
    fn typed_at(&self, book: &str, seen: &str, keys: &str) -> (i32, String) {
        let screen = self.desk.path("screen");
        let mut child = std::process::Command::new("script")
            .args(["-qfec", &self.line(book, &[])])
            .arg(&screen)
            .env("NO_COLOR", "1")
            .env("XDG_STATE_HOME", self.desk.path("state"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let text = || fs::read_to_string(&screen).unwrap_or_default().replace('\r', "");
        assert!(crate::support::until(30, || text().contains(seen)), "{}", text());
        child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
        let code = child.wait().unwrap().code().unwrap();
        (code, text())
    }
    /// At a terminal, with what a person types.
    fn typed(&self, book: &str, args: &[&str], keys: &str) -> Done {
        let line = self.line(book, args);
        let out = assert_cmd::Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .env("NO_COLOR", "1")
            .env("XDG_STATE_HOME", self.desk.path("state"))
            .write_stdin(keys)
            .timeout(Duration::from_secs(60))
            .output()
            .unwrap();
        let mut done = Done::from(out);
        done.stdout = done.stdout.replace('\r', "");
        done
    }
}

/// What is under a key, for each target.
fn each<'a>(v: &'a Value, key: &str) -> Vec<&'a Value> {
    v["targets"].as_array().unwrap().iter().map(|t| &t[key]).collect()
}

const BOOK: &str = "name: app\ntitle: the application does not answer\nsteps:\n\
    - {name: it knows its port, within: 1s, ensure: {edit: {path: /srv/app.conf, line: port = 80}}}\n\
    - {name: nothing is in the way, within: 1s, check: {command: 'test ! -e /srv/full'}, finding: the disk is full}\n";

/// The repair may lock somebody out, and does not work where /srv/bad is.
const RISKY: &str = "name: app\ntitle: t\nsteps:\n\
    - name: it knows its port\n\
    \x20 risk: connectivity\n\
    \x20 within: 1s\n\
    \x20 check: {command: 'grep -q port /srv/app.conf'}\n\
    \x20 remediation:\n\
    \x20 - command: {run: 'test ! -e /srv/bad && echo port = 80 >>/srv/app.conf', creates: /srv/never}\n";

#[test]
fn plans_that_are_alike_are_shown_once_and_one_host_hides_no_other() {
    let Some(h) = Hosts::up(20) else { return };
    h.down("h20");
    h.write("h4", "app.conf", "# another\n");
    h.write("h5", "app.conf", "port = 80\n");
    h.write("h5", "full", "");
    for n in &h.names[5..19] {
        h.write(n, "app.conf", "port = 80\n");
    }
    let plan = h.run("plan", BOOK, &[]);
    let text = &plan.stdout;
    assert_eq!(plan.code, 1, "the worst of 0, 1, 3 and 4: {text}{}", plan.stderr);
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what}: {text}"));
    let healthy = "== 14 hosts: h6, h7, h8, h9, h10, h11, h12, h13, h14, h15, h16, h17, h18, h19\n";
    assert!(at(healthy) < at("== No channel works to h20\n"), "{text}");
    assert!(at("host h20\n") < at("== h5\nFound: the disk is full\n"), "{text}");
    at("== 3 hosts: h1, h2, h3\n");
    at("== h4\n");
    assert_eq!(text.matches("1. edit /srv/app.conf").count(), 2, "alike once, different ones apart: {text}");
    assert_eq!((text.matches("+port = 80").count(), h.repaired()), (2, 15), "{text}");
    let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let rows = "h14, h15, h16, h17, h18, h19 4 hosts: h1, h2, h3, h4 to be changed 1 to make 4 \
                h20 unreachable - 3 h5 unresolved 0 1";
    assert!(squeezed.contains(rows), "the worst at the end: {text}");
    assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");

    let applied = h.json("apply", BOOK, &["-y"]);
    assert_eq!(applied["schema"], 1);
    let names: Vec<&str> = each(&applied, "target").iter().map(|n| n.as_str().unwrap()).collect();
    assert_eq!(names, h.names, "in the order in which they were asked for");
    let exits: Vec<u64> = each(&applied, "exit").iter().map(|n| n.as_u64().unwrap()).collect();
    assert_eq!((&exits[..5], &exits[5..19], exits[19]), (&[0, 0, 0, 0, 1][..], &[0; 14][..], 3));
    assert_eq!(h.repaired(), 19);
    assert_eq!(applied["targets"][3]["rounds"][0]["results"][0]["ok"], true);
    assert!(applied["targets"][19]["error"]["why"].as_str().unwrap().contains("no route to host h20"));
    let runs: Vec<&Value> = each(&applied, "run").into_iter().filter(|r| r.is_string()).collect();
    assert_eq!(runs.len(), 4, "each that was changed has its record");
}

#[test]
fn one_target_of_a_run_prints_what_it_prints_alone() {
    let Some(mut h) = Hosts::up(2) else { return };
    let plain = |mut v: Value| {
        v["seconds"] = Value::Null;
        // How long a check took is said in so many digits.
        v["wire"]["bytes_received"] = Value::Null;
        v.to_string()
    };
    let both = h.json("plan", BOOK, &[]);
    h.names.truncate(1);
    let alone = h.json("plan", BOOK, &[]);
    assert_eq!(plain(alone), plain(both["targets"][0].clone()));
    assert!(
        h.run("plan", BOOK, &[]).stdout.starts_with("h1 over exec\napp: the application does not answer\n\nFound: ")
    );
}

#[test]
fn with_a_risk_the_first_goes_alone_and_its_failure_holds_the_rest() {
    let Some(h) = Hosts::up(5) else { return };
    h.write("h1", "bad", "");
    let run = h.run("apply", RISKY, &["-y"]);
    assert_eq!((run.code, h.repaired()), (1, 0), "{}", run.stdout);
    assert!(run.stdout.contains("h1 goes first, alone: this could cut the way to a host."), "{}", run.stdout);
    assert!(run.stdout.contains("h2  Not begun: 1 host failed.\n"), "{}", run.stdout);
    let v = h.json("apply", RISKY, &["-y"]);
    assert_eq!(each(&v, "exit"), [1, 4, 4, 4, 4]);
    assert_eq!(v["targets"][4]["error"]["why"], "not begun: 1 host failed");
    // What was asked for wins over the default: the first fails, the others are begun all the same.
    let v = h.json("apply", RISKY, &["-y", "--max-fail", "2"]);
    assert_eq!((each(&v, "exit"), h.repaired()), (vec![&1.into(), &0.into(), &0.into(), &0.into(), &0.into()], 4));
}

#[test]
fn after_so_many_failures_and_after_a_batch_of_them_nothing_is_begun() {
    let book = RISKY.replace("\x20 risk: connectivity\n", "");
    let Some(h) = Hosts::up(6) else { return };
    for n in ["h2", "h3"] {
        h.write(n, "bad", "");
    }
    let v = h.json("apply", &book, &["-y", "--max-fail", "2", "--forks", "1"]);
    assert_eq!((each(&v, "exit"), h.repaired()), ([0, 1, 1, 4, 4, 4].map(Value::from).iter().collect(), 1));
    // h2, h3 are a batch of which every host fails.
    let v = h.json("apply", &book, &["-y", "--serial", "2"]);
    assert_eq!((each(&v, "exit"), h.repaired()), ([0, 1, 1, 4, 4, 4].map(Value::from).iter().collect(), 1));
    // Without either, each is tried.
    let v = h.json("apply", &book, &["-y"]);
    assert_eq!((each(&v, "exit"), h.repaired()), ([0, 1, 1, 0, 0, 0].map(Value::from).iter().collect(), 4));
}

#[test]
fn batches_and_forks_bound_how_many_are_at_work() {
    const SLOW: &str = "name: t\ntitle: t\nsteps:\n\
        - name: done\n\
        \x20 ensure: {command: {run: 'echo + >>DESK/log; sleep 0.4; echo - >>DESK/log; touch /srv/done', creates: /srv/done}}\n";
    for (args, most) in [(&["--serial", "2"][..], 2), (&["--serial", "34%"], 2), (&["--forks", "3"], 3)] {
        let Some(h) = Hosts::up(6) else { return };
        let v = h.json("apply", SLOW, &[&["-y"], args].concat());
        assert_eq!(v["exit"], 0, "{v}");
        let log = fs::read_to_string(h.desk.path("log")).unwrap();
        let mut at_work = 0;
        let peak = log.lines().map(|l| {
            at_work += if l == "+" { 1 } else { -1 };
            at_work
        });
        let peak = peak.max().unwrap();
        assert!(peak <= most && peak > 1, "{args:?}: {peak} at a time");
        assert_eq!(log.lines().count(), 12);
    }
}

#[test]
fn a_person_is_asked_once() {
    let ask = "Make these changes on 3 hosts? [y]es / [n]o / [s]tep by step / [d]iff again: ";
    let Some(h) = Hosts::up(3) else { return };
    let no = h.typed(BOOK, &[], "d\nn\n");
    assert_eq!((no.code, h.repaired(), no.stdout.matches(ask).count()), (4, 0, 2), "{}", no.stdout);
    assert_eq!(no.stdout.matches("+port = 80").count(), 2, "shown again: {}", no.stdout);
    assert!(no.stdout.contains("declined"), "{}", no.stdout);
    let (code, text) = h.typed_at(BOOK, ask, "\x03");
    assert_eq!((code, h.repaired()), (130, 0), "{text}");
    assert!(text.contains("h1, h2, h3  interrupted  1 to make   130"), "{text}");
    // Host after host; the second one is left out.
    let step = h.typed(BOOK, &[], "s\ny\nn\ny\n");
    assert_eq!((step.code, h.repaired()), (4, 2), "{}", step.stdout);
    assert!(step.stdout.contains("\n  h3: edit /srv/app.conf\n     @@"), "{}", step.stdout);
    let yes = h.typed(BOOK, &[], "y\n");
    assert_eq!((yes.code, h.repaired()), (0, 3), "{}", yes.stdout);
    assert!(yes.stdout.contains("Make these changes on h2? "), "{}", yes.stdout);
    // Nobody is there.
    h.write("h1", "app.conf", "");
    h.write("h2", "app.conf", "");
    let nobody = h.run("apply", BOOK, &[]);
    assert_eq!((nobody.code, h.repaired()), (2, 1), "{}", nobody.stdout);
    assert_eq!(nobody.stdout.matches("nobody to ask").count(), 2, "once, and in the table: {}", nobody.stdout);
}

/// Not about the next host, and not about what the first one wants in its second round.
#[test]
fn who_quits_is_asked_no_more() {
    const TWO: &str = "name: t\ntitle: t\nsteps:\n\
        - {name: one, check: {command: 'test -e /srv/a'}, remediation: [{command: {run: 'touch /srv/a', writes: ['file:/srv']}}]}\n\
        - {name: two, check: {command: 'test -e /srv/b'}, reads: ['file:/srv'], remediation: [{command: 'touch /srv/b'}]}\n";
    let Some(h) = Hosts::up(3) else { return };
    let run = h.typed(TWO, &[], "s\ny\nq\ny\ny\ny\ny\n");
    let there = |f: &str| h.names.iter().filter(|n| h.desk.path(&format!("hosts/{n}/srv/{f}")).exists()).count();
    assert_eq!((run.code, there("a"), there("b")), (1, 1, 0), "{}", run.stdout);
    assert_eq!(run.stdout.matches("Make these changes").count(), 1, "{}", run.stdout);
    assert_eq!(run.stdout.matches("[q]uit").count(), 2, "{}", run.stdout);
}

#[test]
fn a_question_is_asked_once_for_all_that_have_it() {
    const CHOICE: &str = "name: t\ntitle: t\nvars:\n\
        \x20 lines: {type: enum, values: [comment, correct], optional: true, help: what becomes of it}\n\
        steps:\n\
        - name: accepted\n\
        \x20 check: {command: \"! grep -q '^PermitRootLogin maybe' /srv/app.conf\"}\n\
        \x20 remediation:\n\
        \x20 - sshd_config: {path: /srv/app.conf, policy: '{{ lines }}', fix: [{file: /srv/app.conf, line: 2, message: 'unsupported option \"maybe\"'}]}\n";
    let Some(h) = Hosts::up(3) else { return };
    for n in ["h1", "h3"] {
        h.write(n, "app.conf", "Port 22\nPermitRootLogin maybe\n");
    }
    let run = h.typed(CHOICE, &[], "c\ny\n");
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert_eq!(run.stdout.matches("lines: [c]omment / c[o]rrect / [l]eave it? ").count(), 1, "{}", run.stdout);
    assert!(run.stdout.contains("2 hosts ask: h1, h3\n"), "{}", run.stdout);
    assert!(run.stdout.contains("== 2 hosts: h1, h3 (with lines=comment)\n"), "{}", run.stdout);
    assert!(["h1", "h3"].iter().all(|n| !h.read(n, "app.conf").contains("\nPermitRootLogin maybe")));
}

#[test]
fn ctrl_c_ends_what_is_at_work_and_begins_no_other() {
    const SLOW: &str = "name: t\ntitle: t\nsteps:\n\
        - {name: one, ensure: {command: {run: 'touch DESK/begun; sleep 2; touch /srv/one', creates: /srv/one}}}\n\
        - {name: two, ensure: {file: {path: /srv/two, content: x}}}\n";
    let Some(h) = Hosts::up(3) else { return };
    let words = h.args("apply", SLOW, &["-y", "--forks", "1", "-o", "json"]);
    let child = h.command(&words).stdout(Stdio::piped()).spawn().unwrap();
    assert!(crate::support::until(20, || h.desk.path("begun").exists()));
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let done = Done::from(child.wait_with_output().unwrap());
    assert_eq!(done.code, 130, "{}", done.stdout);
    let v: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(each(&v, "exit"), [130, 130, 130]);
    let there = |n, f: &str| h.desk.path(&format!("hosts/{n}/srv/{f}")).exists();
    assert!(there("h1", "one") && !there("h1", "two") && !there("h2", "one"));
}

#[test]
fn what_is_asked_for_is_checked_and_listed() {
    let Some(h) = Hosts::up(3) else { return };
    let listed = h.run("plan", BOOK, &["--list-hosts", "-t", "h2", "-t", "other, h3"]);
    assert_eq!((listed.code, listed.stdout.as_str()), (0, "h1\nh2\nh3\nother\n"));
    for (args, why, hint) in [
        (
            &["--via", "exec:sh"][..],
            "4 targets, and --via 'exec:sh' leads to one place",
            "write {target} where the name belongs: --via ssh:{target}",
        ),
        (&["--address", "10.0.0.1"], "4 targets, and --address 10.0.0.1 is one of them at most", "{target}"),
        (&["--serial", "0"], "invalid value '0' for '--serial", ""),
        (&["--forks", "0"], "invalid value '0' for '--forks", ""),
        (&["--max-fail", "x"], "invalid value 'x' for '--max-fail", ""),
    ] {
        let run = h.run("plan", BOOK, &[&["-t", "x"], args].concat());
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{}", run.stderr);
        assert!(run.stderr.contains(why) && run.stderr.contains(hint), "{}", run.stderr);
    }
    for (target, hint) in [
        ("ssh://admin@web1:22", "--via 'ssh://admin@web1:22'"),
        ("ssh:web1", "--via 'ssh:web1'"),
        ("admin@web1:22", "--via ssh://admin@web1:22"),
    ] {
        let run: Done =
            h.command(&[bin(), "plan", "ssh-refused", "-t", target].map(str::to_owned)).output().unwrap().into();
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{target}: {}", run.stderr);
        assert!(run.stderr.contains("-t takes a name") && run.stderr.contains(hint), "{target}: {}", run.stderr);
    }
    let lines = h.run("plan", BOOK, &["-o", "jsonl"]).stdout;
    let events: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let of = |n: &str| events.iter().filter(|e| e["target"] == n).map(|e| e["event"].as_str().unwrap()).collect();
    for n in &h.names {
        let mine: Vec<&str> = of(n);
        assert_eq!(mine, ["started", "plan", "finished"], "{lines}");
    }
    assert_eq!(events.len(), 9, "each line says whose it is");
}

/// What a person has to decide is printed as lines to paste, for the hosts that it is about.
#[test]
fn an_open_question_is_a_line_to_paste_for_its_hosts() {
    let Some(hosts) = Hosts::up(3) else { return };
    let book = "name: t\ntitle: t\nvars: {port: {type: string, optional: true, help: which port}}\n\
                steps:\n- name: the port is known\n  check: {command: '! grep -q two /srv/app.conf'}\n\
                \x20 manual: {text: Which of both?, asks: port, choices: \"['80', '81']\"}\n";
    for host in ["h1", "h3"] {
        hosts.write(host, "app.conf", "two\n");
    }
    let done = hosts.run("plan", book, &[]);
    assert_eq!(done.code, 1, "{}{}", done.stdout, done.stderr);
    assert_eq!(done.stdout.matches("To decide \"port\" (h1, h3):").count(), 1, "{}", done.stdout);
    let line = done.stdout.lines().find(|l| l.contains("port=81")).unwrap_or_else(|| panic!("{}", done.stdout)).trim();
    assert!(line.contains(" apply ") && line.contains("-t h1,h3") && !line.contains("h1,h2,h3"), "{line}");
    // It can be pasted.
    let pasted = std::process::Command::new("sh")
        .args(["-c", &format!("{line} -n")])
        .env("XDG_STATE_HOME", hosts.desk.path("state"))
        .output()
        .unwrap();
    let pasted: Done = pasted.into();
    assert!(!pasted.stdout.contains("To decide") && pasted.code < 2, "{}{}", pasted.stdout, pasted.stderr);
}
