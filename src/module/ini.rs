//! `ini`: keys of a section, in files like systemd's units.

use serde_json::Value;

use super::edit::{decision, text_of};
use super::{Decision, Field, Halt, IMMUTABLE, IN_PLACE, Module, Param, Params, Rule, Spec, Ty};
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
        Param {
            name: "set",
            ty: Ty::Map,
            required: false,
            help: "keys and their values; a list is one line for each (`ExecStart: [\"\", /bin/x]`), null a key without value",
        },
        Param { name: "unset", ty: Ty::List, required: false, help: "keys that are not there" },
        Param { name: "absent", ty: Ty::Bool, required: false, help: "the whole section is not there" },
        Param {
            name: "dialect",
            ty: Ty::OneOf(&["systemd", "configparser", "git", "samba", "keyfile"]),
            required: false,
            help: "whose grammar it is: what continues a value, whether `:` parts and whether case counts; needed where neither the path nor the text says it and the answers differ",
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

impl Module for Ini {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn rules(&self) -> &'static [Rule] {
        &[Rule::Some(&["set", "unset", "absent"]), Rule::Not("absent", &["set", "unset", "create"])]
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
        let named = p.str("dialect").and_then(|word| ini::DIALECTS.iter().find(|d| d.0 == word));
        let spec = ini::Spec {
            section: p.text("section").to_owned(),
            absent: p.is("absent"),
            set: values(p)?,
            unset: p.list("unset"),
            dialect: named.map(|d| d.1).or_else(|| ini::Dialect::of_path(path)),
        };
        let edited = ini::edit(old, &spec).map_err(|e| Halt::Error {
            param: None,
            why: format!("{path}: {e}"),
            hint: Some(e.hint().to_owned()),
        })?;
        decision(p, &found, old, edited, view)
    }
}

/// Keys with the value of each of their lines; `None` is a key alone.
fn values(p: &Params) -> Result<Vec<ini::Setting>, Halt> {
    let one = |key: &str, v: &Value| match v {
        Value::Null => Ok(None),
        Value::String(s) => Ok(Some(s.clone())),
        Value::Bool(_) | Value::Number(_) => Ok(Some(v.to_string())),
        _ => Err(Halt::error("set", format!("{key}: a value is text, a list of texts, or null"))),
    };
    let all = |(key, v): (&String, &Value)| match v {
        Value::Array(a) if a.is_empty() => {
            Err(Halt::error("set", format!("{key}: an empty list sets nothing; unset: [{key}] takes it out")))
        }
        Value::Array(a) => Ok((key.clone(), a.iter().map(|v| one(key, v)).collect::<Result<_, _>>()?)),
        v => Ok((key.clone(), vec![one(key, v)?])),
    };
    let Some(map) = p.0.get("set").and_then(Value::as_object) else { return Ok(Vec::new()) };
    map.iter().map(all).collect()
}

#[cfg(test)]
mod tests {
    use super::super::canned::Canned;
    use super::*;
    use serde_json::json;

    #[test]
    fn the_path_or_the_dialect_says_whose_file_it_is() {
        let host = |path: &'static str, text: &'static str| {
            Canned::new(move |_| (0, format!("regular file|644|0|0|root|root|1|w\n{path}\n{text}")))
        };
        let diff = |path: &'static str, text: &'static str, more: Value| {
            let mut p = json!({"path": path, "section": "a", "set": {"K": "2"}});
            p.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            host(path, text).decide(&Ini, &p).map(|d| String::from_utf8_lossy(&d.changes[0].diff()).into_owned())
        };
        let unit = diff("/etc/systemd/system/a.service", "[a]\nk=1\n", json!({})).unwrap();
        assert!(unit.contains(" k=1\n+K=2\n"), "{unit}");
        let named = diff("/etc/app.ini", "[a]\nk=1\n", json!({"dialect": "configparser"})).unwrap();
        assert!(named.contains("-k=1\n+k=2\n"), "{named}");
        let Err(Halt::Error { why, hint, .. }) = diff("/etc/app.ini", "[a]\nk=1\n", json!({})) else { panic!() };
        assert!(why.contains("line 2") && hint.unwrap().contains("dialect"), "{why}");
        let list =
            diff("/etc/systemd/system/a.service", "[a]\n", json!({"set": {"ExecStart": ["", "/bin/x"]}})).unwrap();
        assert!(list.contains("+ExecStart=\n+ExecStart=/bin/x\n"), "{list}");
    }
}
