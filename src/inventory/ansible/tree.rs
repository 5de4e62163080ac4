//! Ansible's YAML inventories (ansible-core 2.19, `plugins/inventory/yaml.py`).

use std::ops::Range;

use serde_json::Value;

use super::yaml::{Entry, Node};
use crate::book::{Diagnostic, Given};
use crate::inventory::data::Data;
use crate::inventory::range;
use crate::inventory::text::Text;

pub(super) struct Tree<'a> {
    text: &'a Text,
    data: &'a mut Data,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

/// What is wrong, and what is unwise.
pub(super) type Said = (Vec<Diagnostic>, Vec<Diagnostic>);

/// Whether the map of a file is one of groups.
pub(super) fn is_inventory(root: &[Entry]) -> bool {
    let group = |e: &Entry| {
        let keys = e.node.entries().unwrap_or_default();
        keys.iter().any(|k| matches!(k.key.as_str(), "hosts" | "children" | "vars"))
    };
    root.iter().any(|e| e.key == "all" || group(e))
}

/// Adds what a file says.
pub(super) fn read(text: &Text, root: &[Entry], data: &mut Data) -> Said {
    let mut tree = Tree { text, data, errors: Vec::new(), warnings: Vec::new() };
    for entry in root {
        tree.group(entry);
    }
    (tree.errors, tree.warnings)
}

impl Tree<'_> {
    fn keep<T>(&mut self, result: Result<T, Box<Diagnostic>>) -> Option<T> {
        result.map_err(|e| self.errors.push(*e)).ok()
    }

    fn wrong(&mut self, bytes: Range<usize>, message: String, hint: &str) {
        self.errors.push(Diagnostic::at(self.text.spot(bytes), "wrong-type", message).hint(hint));
    }

    /// A place for an entry's value; where that is empty, its key.
    fn at(e: &Entry) -> Range<usize> {
        if e.node.bytes.is_empty() { e.bytes.clone() } else { e.node.bytes.clone() }
    }

    fn skipped(&mut self, e: &Entry, what: &str, hint: &str) {
        let message =
            format!("\"{}\" is {}, and {what}: Ansible skips it, and so does this", e.key, e.node.kind_name());
        let warning = Diagnostic::at(self.text.spot(e.bytes.clone()), "wrong-type", message);
        self.warnings.push(warning.hint(hint));
    }

    fn group(&mut self, entry: &Entry) -> Option<usize> {
        if !entry.text || entry.key.is_empty() {
            let message = format!("a group's name must be text, and {} is none", entry.key);
            self.wrong(entry.bytes.clone(), message, &format!("quote it: \"{}\"", entry.key));
            return None;
        }
        let known = self.data.group(&entry.key);
        let keys = match entry.node.entries() {
            Some(keys) => keys,
            None if entry.node.is_null() => &[],
            None => {
                let hint = "a group is a map with hosts, children or vars; a host goes below hosts:";
                self.skipped(entry, "a group must be a map", hint);
                return known;
            }
        };
        let added = self.data.add_group(&entry.key, self.text.spot(entry.bytes.clone()));
        let group = self.keep(added)?;
        for key in keys {
            match key.key.as_str() {
                "hosts" | "children" | "vars" => self.section(group, key),
                _ if key.node.is_null() => {}
                other => {
                    let hint = "known here: hosts, children, vars";
                    let message = format!("\"{other}\" is skipped: a group has hosts, children and vars");
                    let warning = Diagnostic::at(self.text.spot(key.bytes.clone()), "unknown-key", message);
                    self.warnings.push(warning.hint(hint));
                }
            }
        }
        Some(group)
    }

    fn section(&mut self, group: usize, section: &Entry) {
        let alone: [Entry; 1];
        let entries = match section.node.entries() {
            Some(entries) => entries,
            None if section.node.is_null() => return,
            // One name as text is a map of it.
            None => match section.node.json() {
                Value::String(name) => {
                    alone = [Entry { key: name, text: true, bytes: section.node.bytes.clone(), node: Node::nothing() }];
                    &alone
                }
                _ => {
                    let message =
                        format!("\"{}\" must be a map, and this is {}", section.key, section.node.kind_name());
                    let hint = match section.key.as_str() {
                        "vars" => "one NAME: VALUE a line",
                        _ => "one NAME: a line, with a colon and without a dash",
                    };
                    return self.wrong(Self::at(section), message, hint);
                }
            },
        };
        for entry in entries {
            match section.key.as_str() {
                "vars" => {
                    if let Some(given) = self.given(entry) {
                        let set = self.data.set_group(group, given);
                        self.keep(set);
                    }
                }
                "children" => {
                    if let Some(child) = self.group(entry) {
                        let linked = self.data.add_child(group, child, self.text.spot(entry.bytes.clone()));
                        self.keep(linked);
                    }
                }
                _ => self.host(group, entry),
            }
        }
    }

    fn given(&mut self, e: &Entry) -> Option<Given> {
        given(self.text, e).map_err(|e| self.errors.push(*e)).ok()
    }

    fn host(&mut self, group: usize, entry: &Entry) {
        if !entry.text {
            let message = format!("a host's name must be text, and {} is none", entry.key);
            return self.wrong(entry.bytes.clone(), message, &format!("quote it: \"{}\"", entry.key));
        }
        let (names, port) = match range::expand(&entry.key) {
            Ok(found) => found,
            Err(why) => {
                let error = Diagnostic::at(self.text.spot(entry.bytes.clone()), "range", why);
                self.errors.push(error.hint("like web[01:10].example.com, or web1:2222 with a port"));
                return;
            }
        };
        let falsy = match entry.node.json() {
            Value::Null => true,
            Value::Bool(b) => !b,
            Value::String(s) => s.is_empty(),
            Value::Number(n) => n.as_f64() == Some(0.0),
            Value::Array(items) => items.is_empty(),
            Value::Object(_) => false,
        };
        let vars = match entry.node.entries() {
            Some(vars) => vars,
            None if falsy => &[],
            None => {
                let message = format!("\"{}\" must be a map, and this is {}", entry.key, entry.node.kind_name());
                return self.wrong(Self::at(entry), message, "its variables, one NAME: VALUE a line");
            }
        };
        let vars: Vec<Given> = vars.iter().filter_map(|e| self.given(e)).collect();
        for name in names {
            let bytes = entry.bytes.clone();
            let port = port.filter(|p| *p != 0);
            let port = port.map(|p| self.text.given("ansible_port", bytes.clone(), Value::from(p), bytes.clone()));
            let added = self.data.add_host(&name, Some(group), port, self.text.spot(bytes));
            let Some(host) = self.keep(added) else { return };
            for given in &vars {
                let set = self.data.set_host(host, given.clone());
                if self.keep(set).is_none() {
                    return;
                }
            }
        }
    }
}

/// A variable.
pub(super) fn given(text: &Text, e: &Entry) -> Result<Given, Box<Diagnostic>> {
    if !e.text {
        let message = format!("a variable's name must be text, and {} is none", e.key);
        let error = Diagnostic::at(text.spot(e.bytes.clone()), "key-type", message);
        return Err(error.hint(format!("quote it: \"{}\"", e.key)).into());
    }
    Ok(text.given(&e.key, e.bytes.clone(), e.node.json(), e.node.bytes.clone()))
}
