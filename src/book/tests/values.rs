//! Values, routes and positions of documents that are right.

use std::sync::Arc;

use serde_json::json;

use super::listed;
use crate::book::{Diagnostic, Document, Node};

fn parse(text: &str) -> Arc<Document> {
    match Document::parse("ssh.yaml", text.as_bytes()) {
        Ok(document) => document,
        Err(errors) => panic!("{}", listed(&errors)),
    }
}

fn at(node: &Node, route: &[&str]) -> Node {
    route.iter().fold(node.clone(), |node, seg| match seg.parse::<usize>() {
        Ok(index) => node.items().unwrap()[index].clone(),
        Err(_) => node.get(seg).unwrap(),
    })
}

/// The source text that a place means.
fn text_of(place: &crate::book::Place) -> String {
    place.source().text()[place.bytes()].to_owned()
}

#[test]
fn scalars_are_yaml_1_2() {
    let doc = parse(
        "a: yes\nb: true\nc: 0644\nd: 0o644\ne: 1.0\nf: -3\ng: 18446744073709551615\nh: ~\ni:\nj: 1_0\nk: !!str 22\nl: on\n\"22\": x\n",
    );
    let expected = json!({"a": "yes", "b": true, "c": "0644", "d": 420, "e": 1.0, "f": -3,
        "g": 18_446_744_073_709_551_615_u64, "h": null, "i": null, "j": "1_0", "k": "22",
        "l": "on", "22": "x"});
    assert_eq!(doc.value(), &expected);
    let root = doc.root();
    let keys: Vec<_> = root.entries().unwrap().iter().map(|n| n.key().unwrap().to_owned()).collect();
    assert_eq!(keys.concat(), "abcdefghijkl22");
    let spelled = |key: &str| root.get(key).unwrap().spelled().map(str::to_owned);
    assert_eq!(spelled("e").as_deref(), Some("1.0"));
    assert_eq!(spelled("d").as_deref(), Some("0o644"));
    assert_eq!(spelled("c").as_deref(), Some("0644"));
    assert_eq!(spelled("i"), None);
}

#[test]
fn every_value_and_key_has_its_text() {
    let doc = parse(
        "é:\n  - {n: 'x y', m: [1, \"ü\"]} # c\n  - t: |\n      one\n      two\n\n    # c\n    u: &a v\nw: *a\nz:\n  k: 1\n\n# end\n",
    );
    let root = doc.root();
    let value = |route: &[&str]| text_of(&at(&root, route).place());
    let key = |route: &[&str]| text_of(&at(&root, route).key_place());
    assert_eq!(key(&["é"]), "é");
    assert_eq!(value(&["é", "0", "n"]), "'x y'");
    assert_eq!(key(&["é", "0", "m"]), "m");
    assert_eq!(value(&["é", "0", "m"]), "[1, \"ü\"]");
    assert_eq!(value(&["é", "0", "m", "1"]), "\"ü\"");
    assert_eq!(value(&["é", "0"]), "{n: 'x y', m: [1, \"ü\"]}");
    assert_eq!(value(&["é", "1", "t"]), "one\n      two");
    assert_eq!(value(&["é", "1", "u"]), "v");
    assert_eq!(value(&["w"]), "v");
    assert_eq!(value(&["z"]), "k: 1");
}

#[test]
fn an_empty_value_is_at_its_key_and_a_missing_route_at_its_nearest_ancestor() {
    let doc = parse("a: {b: 1}\nlong:\n- \n- c\n");
    let root = doc.root();
    assert_eq!(text_of(&root.get("long").unwrap().items().unwrap()[1].place()), "c");
    let empty = parse("name:\nb: 1\n").root().get("name").unwrap();
    assert_eq!(text_of(&empty.place()), "name");
    assert!(empty.is_null());
    let gone = root.get("a").unwrap().route().key("b").key("c").index(7);
    let place = crate::book::Place::new(doc, gone.clone(), crate::book::Part::Key);
    assert_eq!(text_of(&place), "1");
    assert_eq!(gone.to_string(), "a.b.c[7]");
}

#[test]
fn merges_apply_and_keep_the_anchors_places() {
    let doc = parse(
        "base: &b {x: 1, y: {z: 2}}\nmore: &m {<<: *b, x: 3, w: 4}\nuse:\n  <<: [*m, *b]\n  w: 5\n\"lit\": {\"<<\": 1}\n",
    );
    let root = doc.root();
    assert_eq!(root.get("use").unwrap().value(), &json!({"w": 5, "x": 3, "y": {"z": 2}}));
    assert_eq!(root.get("lit").unwrap().value(), &json!({"<<": 1}));
    let z = at(&root, &["use", "y", "z"]);
    let error = Diagnostic::at(z.place(), "demo", "no");
    assert_eq!(error.position(), Some(("ssh.yaml".into(), 1, 24)));
    let x = at(&root, &["use", "x"]);
    assert_eq!(Diagnostic::at(x.key_place(), "demo", "no").position().unwrap().1, 2);
}

/// For each scalar: the decoded text's `{{ x }}` is found in the source.
#[test]
fn bytes_inside_a_scalar_are_found_where_the_style_allows() {
    let doc = parse(
        "plain: ü {{ x }} y\nsingle: 'it''s {{ x }} y'\ndouble: \"\\t\\u00fc\\\"{{ x }} y\"\nblock: |\n\n  ü one\n    two {{ x }} y\n\n  three\nstrip: |2-\n   {{ x }} y\n",
    );
    for node in doc.root().entries().unwrap() {
        let decoded = node.as_str().unwrap();
        let start = decoded.find("{{").unwrap();
        let place = node.place().within(start..start + 7);
        assert_eq!(text_of(&place), "{{ x }}", "{:?}", node.key());
        let tail = node.place().within(start + 5..decoded.len());
        assert!(text_of(&tail).starts_with("}} y"), "{:?}", node.key());
    }
    let folded = parse("a: >\n  x {{ y }}\n  z\nb: x\n  {{ y }}\nc: \"x\n  {{ y }}\"\n");
    for node in folded.root().entries().unwrap() {
        let place = node.place().within(2..5);
        assert_eq!(place.bytes(), node.place().bytes());
    }
    let past = doc.root().get("plain").unwrap().place().within(900..999);
    assert_eq!(text_of(&past), "");
    insta::assert_snapshot!(Diagnostic::at(doc.root().get("block").unwrap().place().within(14..21), "demo", "x is not defined").hint("lint found it").render(false, 80), @r#"
    error: x is not defined
     --> ssh.yaml:7:9
      |
    7 |     two {{ x }} y
      |         ^^^^^^^
      |
      = hint: lint found it
    "#);
}

#[test]
fn a_decoder_collects_all_errors() {
    let text = "steps:\n  - name: a\n    remediaton:\n      - x\n    zzz: 1\n  - 7\nverify:\n";
    let root = parse(text).root();
    let mut errors = Vec::new();
    for step in root.get("steps").unwrap().items().unwrap() {
        if step.entries().is_none() {
            errors.push(step.expected("a map").hint("write `name: …`"));
        }
        errors.extend(step.unknown_keys(&["name", "remediation"]));
    }
    errors.push(root.get("verify").unwrap().expected("a list"));
    insta::assert_snapshot!(listed(&errors), @r#"
    [unknown-key]
    error: unknown key "remediaton"
     --> ssh.yaml:3:5
      |
    3 |     remediaton:
      |     ^^^^^^^^^^
      |
      = hint: did you mean "remediation"?
    [unknown-key]
    error: unknown key "zzz"
     --> ssh.yaml:5:5
      |
    5 |     zzz: 1
      |     ^^^
      |
      = hint: known here: name, remediation
    [wrong-type]
    error: a map is expected, and this is a number
     --> ssh.yaml:6:5
      |
    6 |   - 7
      |     ^
      |
      = hint: write `name: …`
    [wrong-type]
    error: "verify" must be a list, and this is nothing
     --> ssh.yaml:7:1
      |
    7 | verify:
      | ^^^^^^
    "#);
}

#[test]
fn an_error_may_point_into_two_files_and_long_lines_are_cut() {
    let one = parse("a: 1\n");
    let two =
        Document::parse("other\u{1b}.yaml", format!("{}b: {}", "\n".repeat(9), "x".repeat(300)).as_bytes()).unwrap();
    let b = two.root().get("b").unwrap();
    let error = Diagnostic::at(b.place().within(150..155), "demo", "twice\u{1b}[2J\nhere")
        .also(one.root().get("a").unwrap().key_place(), "first\nhere");
    insta::assert_snapshot!(error.render(false, 80), @r#"
    error: twice␛[2J here
      --> other␛.yaml:10:154
       |
    10 | ...xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...
       |                                 ^^^^^
       |
      ::: ssh.yaml:1:1
       |
     1 | a: 1
       | - first here
    "#);
    insta::assert_snapshot!(Diagnostic::new("demo", "no such file").hint("x").render(false, 80), @r#"
    error: no such file
     |
     = hint: x
    "#);
    assert!(error.render(true, 80).contains("\u{1b}["));

    let long = parse(&format!("é: {}\nb: 1", "ü ".repeat(100_000)));
    let e = long.root().get("é").unwrap();
    let far = Diagnostic::at(e.place().within(150_000..150_004), "demo", "far to the right");
    insta::assert_snapshot!(far.also(e.key_place(), "its key").render(false, 80), @r#"
    error: far to the right
     --> ssh.yaml:1:100004
      |
    1 | ... ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü...
      |                                   ^
      |
     ::: ssh.yaml:1:1
      |
    1 | é: ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ...
      | - its key
    "#);
    let near = Diagnostic::at(e.place().within(150_000..150_004), "demo", "far to the right");
    insta::assert_snapshot!(near.render(false, 80), @r#"
    error: far to the right
     --> ssh.yaml:1:100004
      |
    1 | ... ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü ü...
      |                                   ^
    "#);
    assert_eq!(near.position(), Some(("ssh.yaml".into(), 1, 100_004)));
}
