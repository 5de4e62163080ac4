//! `edit`: a line, a block, a replacement, a comment; every other byte stays.

use serde_json::{Map, Value, json};

use super::{Decision, Field, Halt, Module, Param, Params, Spec, Ty, exactly_one};
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
            name: "match",
            ty: Ty::Regex,
            required: false,
            help: "with line: the last line that matches becomes it",
        },
        Param { name: "absent", ty: Ty::Bool, required: false, help: "with line, match or block: it is not there" },
        Param {
            name: "block",
            ty: Ty::Str,
            required: false,
            help: "these lines, between marker lines that carry `name`",
        },
        Param { name: "name", ty: Ty::Str, required: false, help: "with block: tells it from other blocks" },
        Param {
            name: "comment",
            ty: Ty::Str,
            required: false,
            help: "what starts a comment in this file; # unless said otherwise",
        },
        Param { name: "replace", ty: Ty::Regex, required: false, help: "every match in a line becomes `with`" },
        Param { name: "with", ty: Ty::Str, required: false, help: "with replace: the new text, $1 is the first group" },
        Param { name: "comment_out", ty: Ty::Regex, required: false, help: "lines that match become comments" },
        Param { name: "uncomment", ty: Ty::Regex, required: false, help: "comments whose text matches become lines" },
        Param {
            name: "after",
            ty: Ty::Regex,
            required: false,
            help: "a new line or block goes after the last line that matches",
        },
        Param {
            name: "before",
            ty: Ty::Regex,
            required: false,
            help: "… before the first line that matches; BOF is the start",
        },
        Param { name: "create", ty: Ty::Bool, required: false, help: "a file that is not there is made (0644)" },
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
    fn lint(&self, p: &Map<String, Value>) -> Vec<(&'static str, String, String)> {
        let mut out = Vec::new();
        let only_match =
            p.contains_key("match") && p.get("absent") == Some(&Value::Bool(true)) && !p.contains_key("line");
        if !only_match {
            out.extend(exactly_one(p, &["line", "block", "replace", "comment_out", "uncomment"]));
        }
        for (a, b) in [("replace", "with"), ("block", "name")] {
            if p.contains_key(a) != p.contains_key(b) {
                out.push((
                    if p.contains_key(a) { a } else { b },
                    format!("\"{a}\" and \"{b}\" belong together"),
                    format!("give both, or neither: {b}: …"),
                ));
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
        decision(path, &found, old, edited, view)
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
    path: &str,
    found: &FileReading,
    old: &[u8],
    edited: Edited,
    view: &View<'_>,
) -> Result<Decision, Halt> {
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
    let change = if changed { view.change_file(path, found, after, false)? } else { None };
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
            &block::Spec { name: p.text("name").to_owned(), comment: comment_mark(), text, place: place()? },
        );
    }
    if p.has("replace") {
        return replace::edit(
            old,
            &replace::Spec { matching: must("replace")?, with: bytes("with"), scope: replace::Scope::Line },
        );
    }
    if p.has("comment_out") {
        return comment::comment_out(old, &comment::Spec { matching: must("comment_out")?, mark: comment_mark() });
    }
    if p.has("uncomment") {
        return comment::uncomment(old, &comment::Spec { matching: must("uncomment")?, mark: comment_mark() });
    }
    let spec = if p.is("absent") {
        line::Spec::Absent { line: p.has("line").then(|| bytes("line")), matching: regex("match")? }
    } else {
        line::Spec::Present { line: bytes("line"), matching: regex("match")?, place: place()? }
    };
    line::edit(old, &spec)
}
