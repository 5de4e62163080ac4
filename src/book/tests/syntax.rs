//! What a person sees for each kind of syntax error.

use super::shown;

#[test]
fn quotes_are_closed() {
    insta::assert_snapshot!(shown("a: 'open\nb: 1\n"), @r#"
    [syntax]
    error: the quote that opens here is not closed on its line
     --> ssh.yaml:1:4
      |
    1 | a: 'open
      |    ^
      |
      = hint: close it; text on several lines is better written as a block:
              `key: |`
    "#);
    insta::assert_snapshot!(shown("a: 'it's'\n"), @r#"
    [syntax]
    error: text after the closing quote
     --> ssh.yaml:1:8
      |
    1 | a: 'it's'
      |        ^^
      |
      = hint: put the quotes around the whole text; a quote inside quotes is \"
              in "…" and '' in '…'
    "#);
}

#[test]
fn escapes_are_known() {
    insta::assert_snapshot!(shown("a: \"^\\d+$\"\n"), @r#"
    [syntax]
    error: \d is no escape that YAML knows
     --> ssh.yaml:1:6
      |
    1 | a: "^\d+$"
      |      ^^
      |
      = hint: in double quotes write \\ for a backslash, or use single quotes
              around the text
    "#);
    insta::assert_snapshot!(shown("a: \"\\xZZ\"\n"), @r#"
    [syntax]
    error: an escape in this text has the wrong digits
     --> ssh.yaml:1:4
      |
    1 | a: "\xZZ"
      |    ^^^^^^
      |
      = hint: \x takes 2 hexadecimal digits, \u 4, \U 8; or use single quotes
              around the text
    "#);
}

#[test]
fn plain_text_starts_plainly() {
    insta::assert_snapshot!(shown("a: *.log\n"), @r#"
    [syntax]
    error: text that starts with * is an alias of an anchor that is not in this file
     --> ssh.yaml:1:4
      |
    1 | a: *.log
      |    ^^^^^
      |
      = hint: quote it: "*.log"
    "#);
    insta::assert_snapshot!(shown("a: @home\n"), @r#"
    [syntax]
    error: text that starts with @ is reserved in YAML
     --> ssh.yaml:1:4
      |
    1 | a: @home
      |    ^^^^^
      |
      = hint: quote it: "@home"
    "#);
    insta::assert_snapshot!(shown("a: %x\n"), @r#"
    [syntax]
    error: text that starts with % is reserved in YAML
     --> ssh.yaml:1:4
      |
    1 | a: %x
      |    ^^
      |
      = hint: quote it: "%x"
    "#);
    insta::assert_snapshot!(shown("a: &x\n"), @r#"
    [syntax]
    error: this is an anchor without a value
     --> ssh.yaml:1:4
      |
    1 | a: &x
      |    ^^
      |
      = hint: text that starts with & must be quoted
    "#);
    insta::assert_snapshot!(shown("a: | grep x\n"), @r#"
    [syntax]
    error: nothing but a comment may follow | or > on its line
     --> ssh.yaml:1:4
      |
    1 | a: | grep x
      |    ^^^^^^^^
      |
      = hint: start the text on the next line, indented; to begin text with | or
              >, quote it
    "#);
    insta::assert_snapshot!(shown("%YAML\n"), @r#"
    [syntax]
    error: text that starts with % is a directive
     --> ssh.yaml:1:1
      |
    1 | %YAML
      | ^^^^^
      |
      = hint: quote it: "%YAML"
    "#);
}

#[test]
fn brackets_are_closed() {
    insta::assert_snapshot!(shown("a: [1,\nb: 3\n"), @r#"
    [syntax]
    error: the [ that opens here is not closed
     --> ssh.yaml:1:4
      |
    1 | a: [1,
      |    ^
    2 | b: 3
      | - still inside here
      |
      = hint: close it with ]; items have commas between them; if text is meant,
              quote it
    "#);
    insta::assert_snapshot!(shown("a: {x: 1\n"), @r#"
    [syntax]
    error: the { that opens here is not closed
     --> ssh.yaml:1:4
      |
    1 | a: {x: 1
      |    ^
      |
      = hint: close it with }; items have commas between them; if text is meant,
              quote it
    "#);
    insta::assert_snapshot!(shown("a: b]\nc: ]\n"), @r#"
    [syntax]
    error: a ] that nothing opened
     --> ssh.yaml:2:4
      |
    2 | c: ]
      |    ^
      |
      = hint: remove it, or quote the text that it belongs to
    "#);
    insta::assert_snapshot!(shown("a: [\n1]\n"), @r#"
    [syntax]
    error: this line is still inside a bracket
     --> ssh.yaml:2:1
      |
    2 | 1]
      | ^
      |
      = hint: indent the lines between brackets deeper than the key, the closing
              bracket too
    "#);
    insta::assert_snapshot!(shown("c: [ -f x ] && y\n"), @r#"
    [syntax]
    error: text after the end of a value
     --> ssh.yaml:1:13
      |
    1 | c: [ -f x ] && y
      |             ^^^^
      |
      = hint: text that starts with [ or { must be quoted, all of it
    "#);
}

#[test]
fn colons_need_care() {
    insta::assert_snapshot!(shown("a: b: c\n"), @r#"
    [syntax]
    error: a second `: ` on this line
     --> ssh.yaml:1:5
      |
    1 | a: b: c
      |     ^
      |
      = hint: quote the text: "b: c"
    "#);
    insta::assert_snapshot!(shown("port:22\nc: d\n"), @r#"
    [syntax]
    error: no space after this colon
     --> ssh.yaml:1:5
      |
    1 | port:22
      |     ^
      |
      = hint: write a space after the colon; if text is meant, quote it
    "#);
    insta::assert_snapshot!(shown("c: d\nport:22\n"), @r#"
    [syntax]
    error: no space after this colon
     --> ssh.yaml:2:5
      |
    2 | port:22
      |     ^
      |
      = hint: write a space after the colon; if text is meant, quote it
    "#);
    insta::assert_snapshot!(shown("key: v\nfoo\nbar: x\n"), @r#"
    [syntax]
    error: this line is neither a key nor the value of one
     --> ssh.yaml:2:1
      |
    2 | foo
      | ^^^
      |
      = hint: write `key: value`; text on several lines is indented, or a block:
              `key: |`
    "#);
}

#[test]
fn lines_line_up() {
    insta::assert_snapshot!(shown("a: 1\n  b: 2\n"), @r#"
    [syntax]
    error: this line is indented too deep
     --> ssh.yaml:2:3
      |
    2 |   b: 2
      |   ^^^^
      |
      = hint: "a" (line 1) already has a value on its line: take that away, or
              start this line in column 1
    "#);
    insta::assert_snapshot!(shown("a:\n  b: 1\n c: 2\n"), @r#"
    [syntax]
    error: this line does not line up with the ones above it
     --> ssh.yaml:3:2
      |
    3 |  c: 2
      |  ^^^^
      |
      = hint: keys of one map start in one column: column 3 (line 2) or column 1
              (line 1)
    "#);
    insta::assert_snapshot!(shown("steps:\n  - name: x\n   id: y\n"), @r#"
    [syntax]
    error: a list item should start here
     --> ssh.yaml:3:4
      |
    3 |    id: y
      |    ^^^^^
      |
      = hint: keys of one list item line up with its first key: column 5
    "#);
    insta::assert_snapshot!(shown("- a\nb: c\n"), @r#"
    [syntax]
    error: a list item should start here
     --> ssh.yaml:2:1
      |
    2 | b: c
      | ^^^^
      |
      = hint: start the item with `- `, or indent this line to where it belongs
    "#);
    insta::assert_snapshot!(shown("a: 1\n- b\n"), @r#"
    [syntax]
    error: a list item where a key should be
     --> ssh.yaml:2:1
      |
    2 | - b
      | ^^^
      |
      = hint: a list stands alone under its key: indent it under one, or remove
              the dash
    "#);
    insta::assert_snapshot!(shown("a: - b\n"), @r#"
    [syntax]
    error: a list item cannot start here
     --> ssh.yaml:1:4
      |
    1 | a: - b
      |    ^
      |
      = hint: start the list on the next line, or write [a, b]; if text is
              meant, quote it
    "#);
    insta::assert_snapshot!(shown("a: b # c\n  d\n"), @r#"
    [syntax]
    error: a comment inside text
     --> ssh.yaml:1:6
      |
    1 | a: b # c
      |      ^^^
      |
      = hint: the text goes on in the next line: remove the comment, or write a
              block: `key: |`
    "#);
    insta::assert_snapshot!(shown("- - x\n - y\n"), @r#"
    [syntax]
    error: a list item should start here
     --> ssh.yaml:2:2
      |
    2 |  - y
      |  ^^^
      |
      = hint: the dashes of one list start in one column
    "#);
}
