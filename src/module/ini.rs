//! `ini`: keys of a section, in files like systemd's units.

use super::edit::{decision, text_of};
use super::{Decision, Field, Halt, Module, Param, Params, Spec, Ty};
use crate::edit::ini;
use crate::plan::View;
use crate::target::files::Look;

/// Keys of a section.
pub struct Ini;

static SPEC: Spec = Spec {
    name: "ini",
    summary: "Sets and removes keys of one section of an ini-like file.",
    scalar: None,
    params: &[
        Param { name: "path", ty: Ty::Path, required: true, help: "absolute path; links are followed" },
        Param {
            name: "section",
            ty: Ty::Str,
            required: true,
            help: "without brackets; empty: before the first header",
        },
        Param { name: "set", ty: Ty::Map, required: false, help: "keys and their values" },
        Param { name: "unset", ty: Ty::List, required: false, help: "keys that are not there" },
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

impl Module for Ini {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        let path = p.text("path");
        let found = view.file(path, Look::Follow)?;
        let old = match text_of(path, &found)? {
            Some(b) => b,
            None if p.is("create") || !p.has("set") => &[],
            None => {
                return Err(Halt::Error {
                    param: Some("path".into()),
                    why: format!("{path} does not exist"),
                    hint: Some("create: true makes it".into()),
                });
            }
        };
        let spec = ini::Spec { section: p.text("section").to_owned(), set: p.map("set"), unset: p.list("unset") };
        let edited = ini::edit(old, &spec).map_err(|e| Halt::Error {
            param: None,
            why: format!("{path}: {e}"),
            hint: Some(e.hint().to_owned()),
        })?;
        decision(path, &found, old, edited, view)
    }
}
