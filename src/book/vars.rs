//! Variables: declared with a type in the runbook, given by host, group or `-e`.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::decode::{Decoder, is_name};
use super::{Diagnostic, Node, Source, Spot};
use crate::module::parse_duration;

/// The type of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VarKind {
    /// Text.
    String,
    /// A whole number.
    Int,
    /// `true` or `false`.
    Bool,
    /// 1 to 65535.
    Port,
    /// An IPv4 or IPv6 address.
    Ip,
    /// An absolute path.
    Path,
    /// `10s`.
    Duration,
    /// One of these words.
    Enum(Vec<String>),
    /// A list.
    List,
    /// Text that is never shown.
    Secret(SecretFrom),
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretFrom {
    /// An environment variable.
    Env(String),
    /// The first line of a file.
    File(String),
    /// The first line that a command prints.
    Command(String),
    /// The terminal, without echo.
    Prompt,
}

/// A declaration.
#[derive(Debug, Clone)]
pub struct Var {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: VarKind,
    /// Its value where nothing else gives one.
    pub default: Option<Value>,
    /// It may have no value at all.
    pub optional: bool,
    /// For people.
    pub help: String,
    place: Spot,
}

/// All declarations, in order.
#[derive(Debug, Clone, Default)]
pub struct Vars(pub Vec<Var>);

/// A value from outside the runbook.
#[derive(Debug, Clone)]
pub struct Given {
    /// The variable.
    pub name: String,
    /// Its value, as text or as YAML has it.
    pub value: Value,
    /// Where it was given.
    pub spot: Spot,
}

const TYPES: &[&str] = &["string", "int", "bool", "port", "ip", "path", "duration", "enum", "list", "secret"];

impl Vars {
    pub(super) fn decode(root: &Node, d: &mut Decoder<'_>) -> Self {
        let Some(node) = root.get("vars") else { return Self::default() };
        let Some(entries) = node.entries() else {
            d.error(node.expected("a map of variables"));
            return Self::default();
        };
        Self(entries.iter().filter_map(|e| decode_one(e, d)).collect())
    }

    /// The declaration of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Var> {
        self.0.iter().find(|v| v.name == name)
    }

    /// Every variable's value: later givers win. Secrets that were not given are left to the caller.
    pub fn resolve(&self, given: &[Given]) -> Result<Map<String, Value>, Vec<Diagnostic>> {
        let (mut out, mut errors) = (Map::new(), Vec::new());
        for v in &self.0 {
            if let Some(value) = &v.default {
                out.insert(v.name.clone(), value.clone());
            }
        }
        for g in given {
            match self.get(&g.name) {
                None => {
                    let near = super::did_you_mean(&g.name, self.0.iter().map(|v| v.name.as_str()));
                    let all: Vec<_> = self.0.iter().map(|v| v.name.as_str()).collect();
                    let hint = match (near, all.is_empty()) {
                        (Some(n), _) => format!("did you mean \"{n}\"?"),
                        (None, true) => "this runbook has no variables".into(),
                        (None, false) => format!("variables of this runbook: {}", all.join(", ")),
                    };
                    errors.push(
                        Diagnostic::at(g.spot.clone(), "unknown-variable", format!("no variable \"{}\"", g.name))
                            .hint(hint),
                    );
                }
                Some(v) => match v.kind.read(&g.value) {
                    Ok(value) => {
                        out.insert(v.name.clone(), value);
                    }
                    Err(why) => errors.push(
                        Diagnostic::at(g.spot.clone(), "variable-type", format!("{}: {why}", v.name))
                            .hint(v.help.clone()),
                    ),
                },
            }
        }
        for v in &self.0 {
            if !out.contains_key(&v.name) && !v.optional && !matches!(v.kind, VarKind::Secret(_)) {
                errors.push(
                    Diagnostic::at(v.place.clone(), "missing-variable", format!("\"{}\" has no value", v.name))
                        .hint(format!("give it: -e {}=…   ({})", v.name, v.help)),
                );
            }
        }
        if errors.is_empty() { Ok(out) } else { Err(errors) }
    }
}

impl VarKind {
    /// The value as this type, or why it is none.
    pub fn read(&self, v: &Value) -> Result<Value, String> {
        let text = match v {
            Value::String(s) => Some(s.clone()),
            Value::Number(n) => Some(n.to_string()),
            Value::Bool(b) => Some(b.to_string()),
            _ => None,
        };
        let shown = text.clone().unwrap_or_else(|| crate::module::kind_of(v));
        let not = |what: &str| format!("\"{shown}\" is not {what}");
        let need = |what: &str| text.clone().ok_or_else(|| not(what));
        Ok(match self {
            VarKind::String | VarKind::Secret(_) => Value::String(need("text")?),
            VarKind::Int => Value::from(need("a number")?.parse::<i64>().map_err(|_| not("a whole number"))?),
            VarKind::Bool => match need("true or false")?.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => return Err(not("true or false")),
            },
            VarKind::Port => Value::from(
                need("a port")?.parse::<u16>().ok().filter(|p| *p > 0).ok_or_else(|| not("a port, 1 to 65535"))?,
            ),
            VarKind::Ip => Value::String(
                need("an address")?.parse::<std::net::IpAddr>().map_err(|_| not("an IP address"))?.to_string(),
            ),
            VarKind::Path => Value::String(
                need("a path").and_then(|t| if t.starts_with('/') { Ok(t) } else { Err(not("an absolute path")) })?,
            ),
            VarKind::Duration => Value::String(need("a duration").and_then(|t| {
                if parse_duration(&t).is_some() { Ok(t) } else { Err(not("a duration: 10s, 500ms, 2m")) }
            })?),
            VarKind::Enum(words) => {
                let t = need("one of them")?;
                if words.contains(&t) {
                    Value::String(t)
                } else {
                    return Err(not(&format!("one of {}", words.join(", "))));
                }
            }
            VarKind::List => match v {
                Value::Array(_) => v.clone(),
                Value::String(s) if s.starts_with('[') => {
                    serde_json::from_str(s).map_err(|_| not("a list: [\"a\", \"b\"]"))?
                }
                Value::String(s) => Value::from(s.split(',').map(str::trim).collect::<Vec<_>>()),
                _ => return Err(not("a list")),
            },
        })
    }
}

fn decode_one(e: &Node, d: &mut Decoder<'_>) -> Option<Var> {
    let name = e.key()?.to_owned();
    if !is_name(&name) || matches!(name.as_str(), "facts" | "target" | "check" | "steps" | "item") {
        d.error(
            Diagnostic::at(e.key_place(), "variable-name", format!("\"{name}\" cannot be a variable's name"))
                .hint("letters, digits and _; not facts, target, check, steps or item"),
        );
        return None;
    }
    if e.entries().is_none() {
        d.error(e.expected("a map").hint(format!("{name}: {{type: string, default: …, help: …}}")));
        return None;
    }
    d.errors.extend(e.unknown_keys(&["type", "default", "optional", "help", "values", "from"]));
    let kind = match d.text(e, "type")? {
        t if t.text == "enum" => VarKind::Enum(d.words(e, "values").into_iter().map(|t| t.text).collect()),
        t if t.text == "secret" => VarKind::Secret(secret_from(e, d)?),
        t => match t.text.as_str() {
            "string" => VarKind::String,
            "int" => VarKind::Int,
            "bool" => VarKind::Bool,
            "port" => VarKind::Port,
            "ip" => VarKind::Ip,
            "path" => VarKind::Path,
            "duration" => VarKind::Duration,
            "list" => VarKind::List,
            other => {
                let near = super::did_you_mean(other, TYPES.iter().copied())
                    .map_or_else(|| TYPES.join(", "), |n| format!("did you mean \"{n}\"?"));
                d.error(Diagnostic::at(t.place, "variable-type", format!("no type \"{other}\"")).hint(near));
                return None;
            }
        },
    };
    let default = e.get("default").and_then(|n| match kind.read(n.value()) {
        Ok(v) => Some(v),
        Err(why) => {
            d.error(Diagnostic::at(n.place(), "variable-type", format!("the default {why}")));
            None
        }
    });
    let optional = e.get("optional").and_then(|n| n.as_bool()).unwrap_or(false);
    let help = d.optional(e, "help").map(|t| t.text).unwrap_or_default();
    Some(Var { name, kind, default, optional, help, place: e.key_place().into() })
}

fn secret_from(e: &Node, d: &mut Decoder<'_>) -> Option<SecretFrom> {
    let Some(from) = e.get("from") else {
        d.error(e.missing("from").hint("from: {env: NAME}, {file: PATH}, {command: COMMAND} or prompt"));
        return None;
    };
    if from.as_str() == Some("prompt") {
        return Some(SecretFrom::Prompt);
    }
    let found =
        ["env", "file", "command"].iter().find_map(|k| from.get(k).and_then(|n| Some((*k, n.as_str()?.to_owned()))));
    match found {
        Some(("env", v)) => Some(SecretFrom::Env(v)),
        Some(("file", v)) => Some(SecretFrom::File(v)),
        Some((_, v)) => Some(SecretFrom::Command(v)),
        None => {
            d.error(from.expected("env, file, command or prompt").hint("from: {env: NAME}"));
            None
        }
    }
}

/// Reads one `-e`: `K=V`, or `@FILE` (a YAML map).
pub fn parse_extra(arg: &str) -> Result<Vec<Given>, Vec<Diagnostic>> {
    if let Some(path) = arg.strip_prefix('@') {
        let bytes = std::fs::read(path).map_err(|e| vec![Diagnostic::new("unreadable", format!("-e @{path}: {e}"))])?;
        let doc = super::Document::parse(path, &bytes)?;
        let root = doc.root();
        let entries = root.entries().ok_or_else(|| vec![root.expected("a map of variables")])?;
        return Ok(entries
            .iter()
            .filter_map(|e| Some(Given { name: e.key()?.to_owned(), value: e.value().clone(), spot: e.place().into() }))
            .collect());
    }
    let source = Arc::new(Source::new("-e", arg));
    match arg.split_once('=') {
        Some((k, v)) if !k.is_empty() => {
            let at = k.len() + 1;
            let spot = Spot::Bytes(source, if v.is_empty() { 0..k.len() } else { at..arg.len() });
            Ok(vec![Given { name: k.to_owned(), value: Value::String(v.to_owned()), spot }])
        }
        _ => Err(vec![
            Diagnostic::at((&source, 0..arg.len()), "usage", "a variable is given as NAME=VALUE")
                .hint("-e port=22, or -e @vars.yaml"),
        ]),
    }
}
