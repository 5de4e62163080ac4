//! `edit`: a line, a block, a replacement, a comment; every other byte stays.

use serde_json::{Map, Value, json};

use super::{Decision, Field, Halt, IMMUTABLE, IN_PLACE, Module, Param, Params, Rule, Spec, Ty, writing};
use crate::edit::{self, EditError, Edited, Place, block, comment, line, replace};
use crate::plan::View;
use crate::target::files::{Content, FileReading, FileState, Kind, Look};

/// An edit within a file.
pub struct Edit;

static SPEC: Spec = Spec {
    name: "edit",
    summary: "Changes lines of a file and keeps line endings, a missing final newline, encoding and everything else byte for byte.",
    scalar: None,
    params: &[
        Param { name: "path", ty: Ty::Path, required: true, help: "absolute path; links are followed" },
        Param { name: "line", ty: Ty::Str, required: false, help: "this line is there" },
        Param {
            name: "lines",
            ty: Ty::List,
            required: false,
            help: "each of these is there; what is missing comes in this order",
        },
        Param {
            name: "match",
            ty: Ty::Regex,
            required: false,
            help: "with line: the last line that matches becomes it; with absent: every line that matches",
        },
        Param {
            name: "absent",
            ty: Ty::Bool,
            required: false,
            help: "with line, lines, match or block: it is not there",
        },
        Param {
            name: "block",
            ty: Ty::Str,
            required: false,
            help: "these lines, between marker lines that carry `name`, or between begin and end",
        },
        Param { name: "name", ty: Ty::Str, required: false, help: "with block: tells it from other blocks" },
        Param {
            name: "begin",
            ty: Ty::Str,
            required: false,
            help: "with block: the marker line before it, in place of one with `name`",
        },
        Param { name: "end", ty: Ty::Str, required: false, help: "with block: the marker line behind it" },
        Param {
            name: "comment",
            ty: Ty::Str,
            required: false,
            help: "what starts a comment in this file; # unless said otherwise. What has an end (<!-- -->, /* */) gets it",
        },
        Param {
            name: "replace",
            ty: Ty::Regex,
            required: false,
            help: "every match in a line becomes `with`; one that says \\n is matched over lines",
        },
        Param { name: "with", ty: Ty::Str, required: false, help: "with replace: the new text, $1 is the first group" },
        Param { name: "comment_out", ty: Ty::Regex, required: false, help: "lines that match become comments" },
        Param { name: "uncomment", ty: Ty::Regex, required: false, help: "comments whose text matches become lines" },
        Param {
            name: "after",
            ty: Ty::Regex,
            required: false,
            help: "a new line or block goes after the last line that matches; replace begins after the first",
        },
        Param {
            name: "before",
            ty: Ty::Regex,
            required: false,
            help: "… before the first line that matches; BOF is the start; replace ends there. Where no line matches, nothing is replaced",
        },
        Param { name: "create", ty: Ty::Bool, required: false, help: "a file that is not there is made (0644)" },
        IN_PLACE,
        IMMUTABLE,
    ],
    fields: &[
        Field { name: "lines", help: "the lines that would change: a list of {line, before, after}" },
        Field { name: "managed_by", help: "the note by which another tool claims the file, or null" },
    ],
    reads: "file:PATH",
    writes: "file:PATH",
    open: false,
};

impl Module for Edit {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn rules(&self) -> &'static [Rule] {
        &[
            Rule::One(&["line", "lines", "block", "replace", "comment_out", "uncomment"], Some(&["match", "absent"])),
            Rule::Both("replace", "with"),
            Rule::Both("begin", "end"),
            Rule::Only("match", &["line", "absent"]),
            Rule::Not("match", &["lines", "block", "replace", "comment_out", "uncomment"]),
            Rule::Only("absent", &["line", "lines", "match", "block"]),
            Rule::Only("name", &["block"]),
            Rule::Only("begin", &["block"]),
            Rule::Not("begin", &["name", "comment"]),
            Rule::Only("comment", &["block", "comment_out", "uncomment"]),
            Rule::Only("after", &["line", "lines", "block", "replace"]),
            Rule::Only("before", &["line", "lines", "block", "replace"]),
            Rule::Only("create", &["line", "lines", "block"]),
            Rule::Not("absent", &["after", "before", "create"]),
        ]
    }
    fn lint(&self, p: &Map<String, Value>) -> Vec<(&'static str, String, String)> {
        let mut out = Vec::new();
        if p.contains_key("block") && !p.contains_key("name") && !p.contains_key("begin") {
            out.push((
                "block",
                "a block has a name, or marker lines of its own".into(),
                "name: …, or begin: … and end: …".into(),
            ));
        }
        if p.contains_key("after") && p.contains_key("before") && !p.contains_key("replace") {
            let hint = "one of them; only replace has a part of the file between the two";
            out.push(("before", "\"after\" and \"before\" exclude one another".into(), hint.into()));
        }
        for name in ["match", "comment_out", "uncomment"] {
            if p.get(name).and_then(Value::as_str).is_some_and(edit::spans_lines) {
                let why = format!("\"{name}\" is compared with one line at a time, and can never match a line break");
                out.push((name, why, "replace, after and before may say \\n".into()));
            }
        }
        out
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        let path = p.text("path");
        let found = view.file(path, Look::Follow)?;
        let old = match text_of(path, &found)? {
            Some(b) => b,
            None if p.is("create") => &[],
            None if removes(p) => {
                return Ok(Decision::new(true, format!("{path} does not exist"))
                    .with("lines", json!([]))
                    .with("managed_by", Value::Null));
            }
            None => {
                return Err(Halt::Error {
                    param: Some("path".into()),
                    why: format!("{path} does not exist"),
                    hint: Some("create: true makes it".into()),
                });
            }
        };
        let edited = apply(p, old).map_err(|e| Halt::Error {
            param: None,
            why: format!("{path}: {e}"),
            hint: Some(e.hint().to_owned()),
        })?;
        decision(p, &found, old, edited, view)
    }
}

/// A file's bytes, `None` if there is no file; anything else cannot be edited.
pub(super) fn text_of<'a>(path: &str, found: &'a FileReading) -> Result<Option<&'a [u8]>, Halt> {
    match &found.state.kind {
        Kind::Absent => Ok(None),
        Kind::File(Content::Bytes(b)) => Ok(Some(b)),
        Kind::File(Content::Digest(_)) => Err(Halt::error(
            "path",
            format!("{path} is sensitive: its text does not leave the target, so it cannot be edited here"),
        )),
        _ => Err(Halt::error("path", format!("{path} is {}", found.state.noun()))),
    }
}

/// The answer of an editor, as a decision.
pub(super) fn decision(
    p: &Params,
    found: &FileReading,
    old: &[u8],
    edited: Edited,
    view: &View<'_>,
) -> Result<Decision, Halt> {
    let path = p.text("path");
    let text = |b: &Option<Vec<u8>>| b.as_ref().map(|b| String::from_utf8_lossy(b).into_owned());
    let lines: Vec<Value> = edited
        .touched
        .iter()
        .map(|t| json!({"line": t.line, "before": text(&t.before), "after": text(&t.after)}))
        .collect();
    let evidence = match edited.touched.first() {
        None => format!("{path} is as it should be"),
        Some(t) => match (text(&t.before), text(&t.after)) {
            (Some(b), _) => format!("{path}:{} says \"{}\"", t.line, b.trim()),
            (None, Some(a)) => format!("{path} lacks \"{}\"", a.trim()),
            (None, None) => format!("{path} differs"),
        },
    };
    let managed = edit::managed_by(old).map(|(n, t)| format!("line {n}: {}", String::from_utf8_lossy(t).trim()));
    let mode = (found.state.kind == Kind::Absent).then_some(0o644);
    let changed = edited.changed() || (found.state.kind == Kind::Absent && !edited.bytes.is_empty());
    let after = FileState { kind: Kind::File(Content::Bytes(edited.bytes)), mode, owner: None };
    let change = if changed { view.write_file(path, found, after, writing(p))? } else { None };
    let evidence = match (&managed, &change) {
        (Some(m), Some(_)) => format!("{evidence}; another tool claims this file ({m}) and may undo the edit"),
        _ => evidence,
    };
    Ok(Decision::new(change.is_none(), evidence)
        .with("lines", lines)
        .with("managed_by", managed)
        .changing(change.into_iter().collect()))
}

/// An edit that only takes away has nothing to do where there is no file.
fn removes(p: &Params) -> bool {
    p.is("absent") || p.has("comment_out") || p.has("uncomment") || p.has("replace")
}

fn apply(p: &Params, old: &[u8]) -> Result<Edited, EditError> {
    let bytes = |name: &str| p.text(name).as_bytes().to_vec();
    let regex = |name: &str| p.str(name).map(edit::pattern).transpose();
    let must = |name: &str| edit::pattern(p.text(name));
    let comment_mark = || p.str("comment").unwrap_or("#").to_owned();
    let place = || {
        Ok::<_, EditError>(match (regex("after")?, p.str("before")) {
            (Some(r), _) => Place::After(r),
            (None, Some("BOF")) => Place::Start,
            (None, Some(r)) => Place::Before(edit::pattern(r)?),
            (None, None) => Place::End,
        })
    };
    if p.has("block") {
        let text = (!p.is("absent")).then(|| bytes("block"));
        return block::edit(
            old,
            &block::Spec {
                name: p.text("name").to_owned(),
                comment: comment_mark(),
                markers: p.str("begin").map(|begin| (begin.to_owned(), p.text("end").to_owned())),
                text,
                place: place()?,
            },
        );
    }
    if p.has("replace") {
        return replace::edit(
            old,
            &replace::Spec {
                matching: must("replace")?,
                with: bytes("with"),
                scope: if edit::spans_lines(p.text("replace")) { replace::Scope::File } else { replace::Scope::Line },
                within: replace::Within {
                    after: regex("after")?,
                    before: if p.str("before") == Some("BOF") { None } else { regex("before")? },
                },
            },
        );
    }
    if p.has("comment_out") {
        return comment::comment_out(old, &comment::Spec { matching: must("comment_out")?, mark: comment_mark() });
    }
    if p.has("uncomment") {
        return comment::uncomment(old, &comment::Spec { matching: must("uncomment")?, mark: comment_mark() });
    }
    let lines = || p.list("lines").into_iter().map(String::into_bytes).collect::<Vec<_>>();
    let spec = if p.is("absent") {
        let one = p.has("line").then(|| bytes("line"));
        line::Spec::Absent { lines: one.into_iter().chain(lines()).collect(), matching: regex("match")? }
    } else if p.has("lines") {
        line::Spec::All { lines: lines(), place: place()? }
    } else {
        line::Spec::Present { line: bytes("line"), matching: regex("match")?, place: place()? }
    };
    line::edit(old, &spec)
}

#[cfg(test)]
mod tests {
    use super::super::canned::Canned;
    use super::*;

    /// What lint says of parameters.
    fn refused(p: &Value) -> Vec<String> {
        let p = p.as_object().unwrap();
        let broken = Edit.rules().iter().filter_map(|r| r.broken(p));
        broken.chain(Edit.lint(p)).map(|(_, why, hint)| format!("{why} ({hint})")).collect()
    }

    #[test]
    fn what_would_not_count_is_refused() {
        for (given, why) in [
            (json!({}), "is missing"),
            (json!({"replace": "a", "with": "b", "absent": true}), "\"absent\" is for"),
            (json!({"line": "a", "after": "x", "before": "y"}), "\"after\" and \"before\" exclude one another"),
            (json!({"block": "a", "name": "n", "match": "x"}), "\"match\""),
            (json!({"comment_out": "a", "after": "x"}), "\"after\" is for"),
            (json!({"uncomment": "a", "with": "x"}), "belong together"),
            (json!({"replace": "a"}), "belong together"),
            (json!({"line": "a", "name": "n"}), "\"name\" is for"),
            (json!({"line": "a", "comment": ";"}), "\"comment\" is for"),
            (json!({"block": "a"}), "a block has a name"),
            (json!({"block": "a", "begin": "x"}), "belong together"),
            (json!({"block": "a", "name": "n", "begin": "x", "end": "y"}), "\"begin\" and \"name\" exclude"),
            (json!({"line": "a", "absent": true, "create": true}), "\"absent\" and \"create\" exclude"),
            (json!({"lines": ["a"], "match": "x"}), "\"match\""),
            (json!({"line": "a", "match": "A\\nB"}), "can never match a line break"),
            (json!({"comment_out": "A\\n.*"}), "can never match a line break"),
        ] {
            let said = refused(&given);
            assert!(said.iter().any(|s| s.contains(why)), "{given}: {said:?}");
        }
        for fine in [
            json!({"line": "a", "match": "x", "after": "y", "create": true}),
            json!({"match": "x", "absent": true}),
            json!({"replace": "A\\nB", "with": "x", "after": "y", "before": "z", "absent": false}),
            json!({"block": "a", "begin": "x", "end": "y", "before": "BOF"}),
            json!({"comment_out": "a", "comment": "<!--"}),
        ] {
            assert_eq!(refused(&fine), Vec::<String>::new(), "{fine}");
        }
    }

    #[test]
    fn replace_is_bounded_and_goes_over_lines() {
        let text = "A\nB\n[x]\nA\nB\n[y]\nA\nB\n";
        let host = Canned::new(move |_| (0, format!("regular file|644|0|0|root|root|1|w\n/f\n{text}")));
        let p = json!({"path": "/f", "replace": "A\\nB", "with": "C", "after": "^\\[x", "before": "^\\[y"});
        let d = host.decide(&Edit, &p).unwrap();
        let diff = String::from_utf8_lossy(&d.changes[0].diff()).into_owned();
        assert!(diff.contains(" A\n B\n [x]\n-A\n-B\n+C\n [y]\n"), "{diff}");
    }
}
