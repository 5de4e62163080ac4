//! A module with its parameters: under `check`, `ensure`, `remediation`, `verify`, or in a handler.

use serde_json::{Map, Value};

use super::{Decoder, boolean_hint, misspelt, nearest};
use crate::book::{Call, Diagnostic, Handler, Node};
use crate::expr::is_template;
use crate::module::{BUILTIN, Handle, Param, Ty, lookup};

impl Decoder<'_> {
    /// A map of one key: the module.
    pub(in crate::book) fn call(&mut self, node: &Node) -> Option<Call> {
        let entries = node.entries().unwrap_or_default();
        let entry = match &entries[..] {
            [one] => one,
            [_, second, ..] => {
                let message = format!("one module is expected, and here are {}", entries.len());
                let hint = "a parameter of the first is indented below it; another module has a step of its own";
                self.error(Diagnostic::at(second.key_place(), "wrong-type", message).hint(hint));
                return None;
            }
            [] => {
                let hint = format!("like {{command: \"{}\"}}", node.as_str().unwrap_or("sshd -t"));
                self.error(node.expected("a module with its parameters").hint(hint));
                return None;
            }
        };
        self.module(entry, &[])
    }

    pub(in crate::book) fn handler(&mut self, node: &Node) -> Option<Handler> {
        const OWN: &[&str] = &["id", "validate"];
        const LIKE: &str = "like: - {id: restart-sshd, service: {name: sshd, restarted: true}}";
        let entries = node.entries().unwrap_or_default();
        if entries.is_empty() {
            self.error(node.expected("a handler (a map with an id and a module)").hint(LIKE));
            return None;
        }
        let id = self.text(node, "id");
        let validate = node.get("validate").and_then(|n| self.call(&n));
        let modules: Vec<&Node> = entries.iter().filter(|e| !e.key().is_some_and(|k| OWN.contains(&k))).collect();
        let call = match &modules[..] {
            [one] => self.module(one, OWN),
            [] => {
                let message = "a handler without a module does nothing";
                self.error(Diagnostic::at(node.place(), "handler", message).hint(LIKE));
                None
            }
            [_, second, ..] => {
                let message = format!("a handler does one thing, and this has {}", modules.len());
                let hint = "make two handlers of it, and notify both";
                self.error(Diagnostic::at(second.key_place(), "handler", message).hint(hint));
                None
            }
        };
        let id = id?.text;
        if call.is_none() {
            self.unread.handlers.push(id.clone());
        }
        Some(Handler { id, validate, call: call?, place: node.place() })
    }

    /// An entry `MODULE: PARAMETERS`; `beside` are keys that may be meant instead.
    fn module(&mut self, entry: &Node, beside: &[&str]) -> Option<Call> {
        let name = entry.key()?.to_owned();
        let Some(module) = lookup(&name, self.dir) else {
            let known = beside.iter().copied().chain(BUILTIN.iter().map(|m| m.spec().name));
            let hint = nearest("modules", &name, known);
            self.error(Diagnostic::at(entry.key_place(), "unknown-module", format!("no module \"{name}\"")).hint(hint));
            return None;
        };
        let (params, scalar) = match (entry.value(), module.spec().scalar) {
            (Value::Object(m), _) => (m.clone(), false),
            (Value::Null, _) => (Map::new(), false),
            (v, Some(first)) if !v.is_array() => (Map::from_iter([(first.to_owned(), v.clone())]), true),
            _ => {
                let keys: Vec<_> = module.spec().params.iter().map(|p| p.name).collect();
                self.error(entry.expected("a map of parameters").hint(format!("{name} has: {}", keys.join(", "))));
                return None;
            }
        };
        self.params(&module, entry, &params, scalar);
        Some(Call { module, name, params, literal: Map::new(), place: entry.place(), scalar })
    }

    fn params(&mut self, module: &Handle, node: &Node, params: &Map<String, Value>, scalar: bool) {
        let spec = module.spec();
        if spec.open {
            return;
        }
        if !scalar {
            let known: Vec<_> = spec.params.iter().map(|p| p.name).collect();
            self.errors.extend(node.unknown_keys(&known));
        }
        let whole = || if scalar { Some(node.clone()) } else { None };
        for p in spec.params {
            match params.get(p.name) {
                None if p.required && !misspelt(node, p.name) => self.error(
                    Diagnostic::at(node.key_place(), "missing-key", format!("{} needs \"{}\"", spec.name, p.name))
                        .hint(format!("{}: {}", p.name, p.help)),
                ),
                Some(v) if !has_template(v) => {
                    if let Some(n) = whole().or_else(|| node.get(p.name)) {
                        self.param(p, &n);
                    }
                }
                _ => {}
            }
        }
        let broken = module.rules().iter().filter_map(|rule| rule.broken(params));
        for (name, message, hint) in broken.chain(module.lint(params)) {
            let at = whole().filter(|_| params.contains_key(name)).or_else(|| node.get(name));
            let place = at.map_or_else(|| node.key_place(), |n| n.place());
            self.error(Diagnostic::at(place, "parameters", message).hint(hint));
        }
    }

    fn param(&mut self, p: &Param, n: &Node) {
        let Err(why) = p.ty.check(n.value()) else { return };
        let is = || format!("{}: {}", p.name, p.help);
        let hint = match p.ty {
            Ty::Bool => n.as_str().and_then(boolean_hint).unwrap_or_else(is),
            Ty::Mode => match n.spelled().map(|t| t.trim_start_matches("0o").trim_start_matches('0')) {
                Some(digits) if crate::module::parse_mode(digits).is_some() => {
                    format!("write {}: \"0{digits}\"", p.name)
                }
                _ => is(),
            },
            _ => is(),
        };
        let message = format!("{}: {why}", p.name);
        let error = match p.ty {
            Ty::Bool if n.as_str().and_then(boolean_hint).is_some() => {
                Diagnostic::at(n.place(), "yaml-boolean", message)
            }
            Ty::Mode if n.value().is_number() => Diagnostic::at(n.place(), "octal-mode", message),
            _ => Diagnostic::at(n.place(), "wrong-type", message),
        };
        self.error(error.hint(hint));
    }
}

fn has_template(v: &Value) -> bool {
    match v {
        Value::String(s) => is_template(s),
        Value::Array(a) => a.iter().any(has_template),
        Value::Object(m) => m.values().any(has_template),
        _ => false,
    }
}
