//! What a person sees for each rule of the document layer.

use super::shown;

#[test]
fn a_quoted_template_is_asked_for() {
    insta::assert_snapshot!(shown("name: {{ port }}\nx: {p: {{ a }}, y: 1}\n"), @r#"
    [unquoted-template]
    error: a value that starts with {{ must be quoted
     --> ssh.yaml:1:7
      |
    1 | name: {{ port }}
      |       ^^^^^^^^^^
      |
      = hint: write "{{ port }}"
    [unquoted-template]
    error: a value that starts with {{ must be quoted
     --> ssh.yaml:2:8
      |
    2 | x: {p: {{ a }}, y: 1}
      |        ^^^^^^^
      |
      = hint: write "{{ a }}"
    "#);
    insta::assert_snapshot!(shown("- {{ x | default(\"a\") }}/b # c\n"), @r#"
    [unquoted-template]
    error: a value that starts with {{ must be quoted
     --> ssh.yaml:1:3
      |
    1 | - {{ x | default("a") }}/b # c
      |   ^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = hint: write '{{ x | default("a") }}/b'
    "#);
}

#[test]
fn every_duplicate_key_is_reported() {
    insta::assert_snapshot!(shown("a: 1\nb: {c: 1, c: 2}\na: 2\n"), @r#"
    [duplicate-key]
    error: the key "c" is here twice
     --> ssh.yaml:2:11
      |
    2 | b: {c: 1, c: 2}
      |     -     ^
      |     |
      |     first here
      |
      = hint: remove one of the two, or put their values together
    [duplicate-key]
    error: the key "a" is here twice
     --> ssh.yaml:3:1
      |
    1 | a: 1
      | - first here
    2 | b: {c: 1, c: 2}
    3 | a: 2
      | ^
      |
      = hint: remove one of the two, or put their values together
    "#);
    insta::assert_snapshot!(shown("<<: {}\n<<: {}\n"), @r#"
    [duplicate-key]
    error: the key "<<" is here twice
     --> ssh.yaml:2:1
      |
    1 | <<: {}
      | -- first here
    2 | <<: {}
      | ^^
      |
      = hint: merge several maps with one list: `<<: [*a, *b]`
    "#);
}

#[test]
fn keys_are_text() {
    insta::assert_snapshot!(shown("22: x\ntrue: y\n? [a]\n: b\n"), @r#"
    [key-type]
    error: a key must be text, and 22 is a number
     --> ssh.yaml:1:1
      |
    1 | 22: x
      | ^^
      |
      = hint: quote it: "22"
    [key-type]
    error: a key must be text, and true is a boolean
     --> ssh.yaml:2:1
      |
    2 | true: y
      | ^^^^
      |
      = hint: quote it: "true"
    [key-type]
    error: a key must be text, and this is a list or a map
     --> ssh.yaml:3:3
      |
    3 | ? [a]
      |   ^
      |
      = hint: write a word as the key; text that starts with [ or { must be
              quoted
    "#);
}

#[test]
fn tabs_are_pointed_at() {
    insta::assert_snapshot!(shown("a:\n\tb: 1\n"), @r#"
    [tab]
    error: a tab in the indentation
     --> ssh.yaml:2:1
      |
    2 |     b: 1
      | ^
      |
      = hint: use spaces
    "#);
    insta::assert_snapshot!(shown("\ta: 1\n"), @r#"
    [tab]
    error: a tab in the indentation
     --> ssh.yaml:1:1
      |
    1 |     a: 1
      | ^
      |
      = hint: use spaces
    "#);
    insta::assert_snapshot!(shown("a:\tb\n"), @r#"
    [tab]
    error: a tab between a key and its value
     --> ssh.yaml:1:3
      |
    1 | a:    b
      |   ^
      |
      = hint: use spaces
    "#);
    insta::assert_snapshot!(shown("a: >\n\ttext\n"), @r#"
    [tab]
    error: a tab in the indentation
     --> ssh.yaml:2:1
      |
    2 |     text
      | ^
      |
      = hint: use spaces
    "#);
}

#[test]
fn one_document() {
    insta::assert_snapshot!(shown("---\na: 1\n---\nb: 2\n"), @r#"
    [several-documents]
    error: a second document starts here
     --> ssh.yaml:3:1
      |
    3 | ---
      | ^^^
      |
      = hint: a file holds one document: remove this line, or move what follows
              to a file of its own
    "#);
}

#[test]
fn something_is_there() {
    insta::assert_snapshot!(shown(""), @r#"
    [empty]
    error: nothing in this file
     --> ssh.yaml:1:1
      |
    1 |
      | ^
      |
      = hint: a file with only comments is empty too; write a map of `key:
              value` lines
    "#);
    insta::assert_snapshot!(shown("# nothing\n"), @r#"
    [empty]
    error: nothing in this file
     --> ssh.yaml:1:1
      |
    1 | # nothing
      | ^
      |
      = hint: a file with only comments is empty too; write a map of `key:
              value` lines
    "#);
    insta::assert_snapshot!(shown("---\n"), @r#"
    [empty]
    error: nothing in this file
     --> ssh.yaml:1:1
      |
    1 | ---
      | ^
      |
      = hint: a file with only comments is empty too; write a map of `key:
              value` lines
    "#);
}

#[test]
fn control_characters_are_shown_safely() {
    insta::assert_snapshot!(shown("a: b\u{1b}[31m\n\u{9b}: x\u{85}\n"), @r#"
    [control-character]
    error: the control character U+001B
     --> ssh.yaml:1:5
      |
    1 | a: b␛[31m
      |     ^
      |
      = hint: remove it, or write it as an escape in double quotes: "\e" or
              "\x1b"
    [control-character]
    error: the control character U+009B
     --> ssh.yaml:2:1
      |
    2 | ·: x·
      | ^
      |
      = hint: remove it, or write it as an escape in double quotes: "\e" or
              "\x1b"
    "#);
}

#[test]
fn tags_have_no_meaning() {
    insta::assert_snapshot!(shown("a: !vault |\n  x\nb: !set {x}\n"), @r#"
    [tag]
    error: the tag !vault has no meaning here
     --> ssh.yaml:1:4
      |
    1 | a: !vault |
      |    ^^^^^^
      |
      = hint: decrypt it outside: a variable of type secret with `from:
              {command: …}`
    [tag]
    error: the tag !set has no meaning here
     --> ssh.yaml:3:4
      |
    3 | b: !set {x}
      |    ^^^^
      |
      = hint: remove the tag; if the text starts with `!`, quote it
    "#);
}

#[test]
fn merges_take_maps() {
    insta::assert_snapshot!(shown("a:\n  <<: 1\n"), @r#"
    [merge]
    error: a merge needs a map or a list of maps
     --> ssh.yaml:2:3
      |
    2 |   <<: 1
      |   ^^
      |
      = hint: write `<<: *anchor`; if a key named << is meant, quote it
    "#);
}

#[test]
fn numbers_are_finite() {
    insta::assert_snapshot!(shown("a: 99999999999999999999\n"), @r#"
    [number]
    error: the number 99999999999999999999 is out of range
     --> ssh.yaml:1:4
      |
    1 | a: 99999999999999999999
      |    ^^^^^^^^^^^^^^^^^^^^
      |
      = hint: if text is meant, quote it: "99999999999999999999"
    "#);
    insta::assert_snapshot!(shown("b: .inf\n"), @r#"
    [number]
    error: .inf is no finite number
     --> ssh.yaml:1:4
      |
    1 | b: .inf
      |    ^^^^
      |
      = hint: if text is meant, quote it: ".inf"
    "#);
}

#[test]
fn an_alias_cannot_hold_itself() {
    insta::assert_snapshot!(shown("a: &x [*x]\n"), @r#"
    [alias-loop]
    error: this alias repeats what it is part of
     --> ssh.yaml:1:8
      |
    1 | a: &x [*x]
      |    ----^^
      |    |
      |    the anchor
      |
      = hint: write out what is meant; text that starts with * must be quoted
    "#);
}

#[test]
fn parsers_must_agree() {
    insta::assert_snapshot!(shown("a: 1 # c\u{2028}b: 2\n"), @r#"
    [ambiguous]
    error: two YAML parsers read this differently
     --> ssh.yaml:1:1
      |
    1 | a: 1 # c�b: 2
      | ^^^^
      |
      = hint: write it more plainly: one key to a line, text in quotes
    "#);
}
