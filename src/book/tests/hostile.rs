//! Hostile files: a clear error, no panic, bounded time and memory.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::listed;
use crate::book::{Diagnostic, Document};

/// The errors of bytes that must be refused quickly, whatever they are.
fn refused(bytes: &[u8]) -> Vec<Diagnostic> {
    let started = Instant::now();
    let errors = Document::parse("ssh.yaml", bytes).err().unwrap_or_default();
    let shown = listed(&errors);
    let took = started.elapsed();
    // a debug build on a busy machine; a blow-up takes minutes
    assert!(took < Duration::from_secs(20), "{took:?}: {}", &shown[..shown.len().min(300)]);
    errors
}

fn rules(bytes: &[u8]) -> Vec<&'static str> {
    refused(bytes).iter().map(|error| error.rule).collect()
}

#[test]
fn files_that_are_too_large_are_not_parsed() {
    let errors = refused(&b"steps: [x]\n".repeat(900_000));
    insta::assert_snapshot!(listed(&errors), @r#"
    [too-large]
    error: the file has 9.4 MiB
     --> ssh.yaml:1:1
      |
    1 | steps: [x]
      | ^
      |
      = hint: at most 1 MiB is read: is this the right file?
    "#);
}

#[test]
fn bytes_that_are_not_utf8_are_located() {
    insta::assert_snapshot!(listed(&refused(b"a: 1\nb: \xc3\xa9 caf\xe9\n")), @r#"
    [not-utf8]
    error: not UTF-8: the byte 0xe9
     --> ssh.yaml:2:9
      |
    2 | b: é caf�
      |         ^
      |
      = hint: convert it: iconv -f latin1 -t utf-8 ssh.yaml > new.yaml
    "#);
    insta::assert_snapshot!(listed(&refused(b"\xff\xfea\0:\0")), @r#"
    [not-utf8]
    error: not UTF-8: the byte 0xff
     --> ssh.yaml:1:1
      |
    1 | ��a␀:␀
      | ^
      |
      = hint: convert it: iconv -f utf-16 -t utf-8 ssh.yaml > new.yaml
    "#);
    assert!(refused(b"\xef\xbb\xbfa: 1\n").is_empty());
}

#[test]
fn nesting_is_bounded() {
    let deep = format!("a:\n  {}\n", "[".repeat(70));
    insta::assert_snapshot!(listed(&refused(deep.as_bytes())), @r#"
    [too-deep]
    error: more than 64 lists and maps inside each other
     --> ssh.yaml:2:66
      |
    2 | ...[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
      |                                   ^
      |
      = hint: nothing in a runbook is that deep: is a bracket never closed?
    "#);
    for opener in ["[", "{", "{a: ", "- ", "? ", "[{"] {
        let rules = rules(opener.repeat(100_000).as_bytes());
        assert_eq!(rules.last(), Some(&"too-deep"), "{opener}");
    }
    let block: String = (0..400).fold(String::new(), |mut text, depth| {
        let _ = writeln!(text, "{}a:", " ".repeat(depth));
        text
    });
    assert_eq!(rules(block.as_bytes()), ["too-deep"]);
    // depth through aliases of aliases
    let mut chain = "a0: &a0 [x]\n".to_owned();
    for n in 1..200 {
        let _ = writeln!(chain, "a{n}: &a{n} [*a{}]", n - 1);
    }
    assert_eq!(rules(chain.as_bytes()), ["too-deep"]);
}

#[test]
fn aliases_are_bounded() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..10 {
        let nine = vec![format!("*a{}", n - 1); 9].join(", ");
        let _ = writeln!(laughs, "a{n}: &a{n} [{nine}]");
    }
    insta::assert_snapshot!(listed(&refused(laughs.as_bytes())), @r#"
    [alias-bomb]
    error: the aliases up to here repeat too much
     --> ssh.yaml:6:10
      |
    5 | a4: &a4 [*a3, *a3, *a3, *a3, *a3, *a3, *a3, *a3, *a3]
      |     ----- repeated
    6 | a5: &a5 [*a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4]
      |          ^^^
      |
      = hint: at most 100000 values or 4 MiB: write fewer aliases of aliases
    "#);
    let big = format!("a: &a {}\nb:\n{}", "x".repeat(200_000), "- *a\n".repeat(1000));
    assert_eq!(rules(big.as_bytes()), ["alias-bomb"]);
    let keys = format!("a: &a {{{}: 1}}\nb:\n{}", "k".repeat(1000), "- <<: *a\n".repeat(9000));
    assert_eq!(rules(keys.as_bytes()), ["alias-bomb"]);
}

#[test]
fn large_and_odd_files_take_little_time() {
    let most = 1 << 20;
    let line = format!("a: {}", "x".repeat(most - 100));
    assert!(refused(line.as_bytes()).is_empty());
    let line = format!("a: {} : b", "é".repeat(most / 2 - 100));
    assert_eq!(rules(line.as_bytes()), ["syntax"]);
    let many = "a: 1\n".repeat(most / 5);
    let errors = refused(many.as_bytes());
    assert_eq!(errors.len(), 101);
    insta::assert_snapshot!(listed(&errors[100..]), @r#"
    [too-many]
    error: 209614 more errors in this file
       --> ssh.yaml:101:1
        |
    101 | a: 1
        | ^
        |
        = hint: repair the first ones and run it again
    "#);
    for text in [
        "a: 1, ".repeat(100_000),
        "&a ".repeat(300_000),
        "!a ".repeat(300_000),
        "#".repeat(most),
        "\n".repeat(most),
        " ".repeat(most),
        "\t".repeat(most),
        "\"".repeat(most),
        "'".repeat(most),
        "\\".repeat(most),
        "*a ".repeat(300_000),
        "---\n".repeat(200_000),
        format!("a: \"{}", "\\n".repeat(500_000)),
        format!("a: |\n{}", " x\n".repeat(300_000)),
        format!("[{}]", "1,".repeat(500_000)),
        format!("{{{}}}", "1,".repeat(500_000)),
        format!("a:\tb\n{}", "[".repeat(500_000)),
        "x\n".repeat(500_000),
        format!("{}:", "x".repeat(most - 10)),
        "\u{9b}\n".repeat(300_000),
        "%\n".repeat(500_000),
    ] {
        refused(text.as_bytes());
    }
}

/// The runbook of the design, shortened: many styles in little text.
const RUNBOOK: &str = r#"name: ssh-refused
title: "ssh: connect … port 22: Connection refused"
answers:                                  # the error texts
  - 'connect to (host|address) \S+ port \d+: it''s refused'
vars:
  port:   {type: port, optional: true, help: the TCP port}
  client: &c {type: ip, optional: true}
  other: {<<: *c, type: port}
verify:
  - connect: {port: "{{ port }}", banner: "SSH-2.0-\t"}
steps:
  - name: sshd accepts its configuration
    id: config
    why: >-
      sshd does not start
      on a syntax error
    check: {sshd: config}
    remediation:
      - command: |
          sshd -t
            {{ check.errors }}
      - sshd_config: {set: {Port: 22, Add: 0o17}}
    notify: [restart-sshd]
"#;

/// Whether the source lines of an error keep to 80 columns.
fn fits(text: &str) -> bool {
    let source = |line: &&str| {
        let number = line.split_once(" |").map(|(number, _)| number.trim());
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    text.lines().filter(source).all(|line| line.chars().count() <= 80)
}

/// Parses, renders every error, and visits every place of what parsed.
fn exercise(bytes: &[u8]) {
    let errors = match Document::parse("a\u{7f}b.yaml", bytes) {
        Err(errors) => errors,
        Ok(document) => {
            let mut found = Vec::new();
            let mut todo = vec![document.root()];
            while let Some(node) = todo.pop() {
                todo.extend(node.entries().or_else(|| node.items()).unwrap_or_default());
                let _ = (node.spelled(), node.kind_name());
                found.push(node.expected("another thing"));
                found.extend(node.unknown_keys(&["name"]));
                for from in [0, 1, 5, 40] {
                    let place = node.place().within(from..from + 3);
                    let error = Diagnostic::at(place, "demo", "x").also(node.key_place(), "y");
                    found.push(error);
                }
            }
            found
        }
    };
    for error in errors.iter().take(40) {
        let text = error.render(false, 80);
        let bad = |c: char| c.is_control() && c != '\n';
        assert!(!text.contains(bad), "{text:?}");
        assert!(fits(&text), "{text}");
        let _ = (error.render(true, 20), error.render(false, 9999), error.to_json());
        let (_, line, column) = error.position().unwrap();
        assert!(line > 0 && column > 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        exercise(&bytes);
    }

    /// Marks anywhere in long lines: what is shown of them fits.
    #[test]
    fn any_spans(
        lines in proptest::collection::vec("[a\t é世]{0,300}", 1..4),
        at in proptest::collection::vec((0..1500_usize, 0..200_usize), 1..4),
    ) {
        let lines: Vec<&str> = lines.iter().map(String::as_str).chain(["", "x"]).collect();
        let source = std::sync::Arc::new(crate::book::Source::new("s", lines.join("\n")));
        let mut spans = at.iter().map(|(start, length)| (&source, *start..start + length));
        let first = Diagnostic::at(spans.next().unwrap(), "demo", "no");
        let error = spans.fold(first, |error, span| error.also(span, "here too"));
        let text = error.render(false, 80);
        let (_, line, column) = error.position().unwrap();
        let head = text.contains(&format!("--> s:{line}:{column}\n"));
        prop_assert!(head && text.contains('^') && fits(&text), "{} {}\n{}", line, column, text);
    }

    /// A plain key is refused exactly where yaml_serde would not read text.
    #[test]
    fn keys_are_text_where_yaml_serde_says_so(key in "[-+]?(0x|0o|0b|\\.)?[0-9a-f_.e]{1,6}|[-+]?\\.(inf|Inf|nan|NAN)|[nNtTfF~][uralse]{0,4}") {
        let value = serde_yaml::from_str::<serde_yaml::Value>(&key);
        prop_assume!(value.is_ok());
        let refused = rules(format!("{key}: x").as_bytes()).contains(&"key-type");
        prop_assert_eq!(refused, !matches!(value, Ok(serde_yaml::Value::String(_))));
    }

    #[test]
    fn any_yaml_like_text(text in "[-a1é?:,&*!|>'\"%@`#{}\\[\\]<~ \n\r\t\\\\\u{85}\u{2028}]{0,60}") {
        exercise(text.as_bytes());
    }

    #[test]
    fn a_mutated_runbook(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..12, "[-:{}\\[\\]\"'&*|>\t\n #é\u{1b}\\\\]{0,3}"), 1..5),
    ) {
        let mut chars: Vec<char> = RUNBOOK.chars().collect();
        for (at, cut, new) in edits {
            let at = at.index(chars.len());
            let end = (at + cut).min(chars.len());
            chars.splice(at..end, new.chars());
        }
        exercise(chars.into_iter().collect::<String>().as_bytes());
    }
}

#[test]
fn the_runbook_itself_is_fine() {
    exercise(RUNBOOK.as_bytes());
    assert!(refused(RUNBOOK.as_bytes()).is_empty());
    let crlf = RUNBOOK.replace('\n', "\r\n");
    assert!(refused(crlf.as_bytes()).is_empty());
}
