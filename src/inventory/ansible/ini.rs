//! Ansible's INI inventories (ansible-core 2.19, `plugins/inventory/ini.py`).

use std::collections::HashMap;
use std::ops::Range;

use serde_json::Value;

use super::literal;
use super::words::{self, Comments, Word};
use crate::book::{Diagnostic, Given, did_you_mean};
use crate::inventory::data::{Data, UNGROUPED};
use crate::inventory::range;
use crate::inventory::text::Text;

/// What the lines of a section are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Hosts,
    Children,
    Vars,
}

/// A group that was named before it was declared.
struct Pending {
    name: String,
    bytes: Range<usize>,
    /// Of `[name:vars]`; else a child of these, each named there.
    vars: bool,
    parents: Vec<(usize, Range<usize>)>,
}

struct Ini<'a> {
    text: &'a Text,
    data: &'a mut Data,
    pending: Vec<Pending>,
    waiting: HashMap<String, usize>,
    errors: Vec<Diagnostic>,
}

/// Adds what a file says.
///
/// # Errors
/// Every line that Ansible would stop at; what the others say was added.
pub(super) fn read(text: &Text, data: &mut Data) -> Vec<Diagnostic> {
    let mut ini = Ini { text, data, pending: Vec::new(), waiting: HashMap::new(), errors: Vec::new() };
    let (mut group, mut kind, mut start) = (Some(UNGROUPED), Kind::Hosts, 0);
    for line in text.source.text().split_inclusive('\n') {
        let at = start + (line.len() - line.trim_start().len());
        start += line.len();
        let line = line.trim();
        if line.is_empty() || line.starts_with([';', '#']) {
            continue;
        }
        let bytes = at..at + line.len();
        if let Some(section) = section(line) {
            (group, kind) = ini.section(&section, &bytes).unwrap_or((None, kind));
            continue;
        }
        if line.starts_with('[') && line.ends_with(']') {
            group = None;
            ini.error(bytes, "this is no section", "like [web], [web:children] or [web:vars], without spaces");
            continue;
        }
        // After a section that is none, nothing is known of its lines.
        let Some(group) = group else { continue };
        match kind {
            Kind::Hosts => ini.host(line, at, group),
            Kind::Children => ini.child(line, bytes, group),
            Kind::Vars => ini.var(line, at, group),
        }
    }
    ini.unresolved();
    ini.errors
}

/// `[NAME]` or `[NAME:WORD]`, and perhaps a comment.
fn section(line: &str) -> Option<(&str, Option<&str>)> {
    let (inner, after) = line.strip_prefix('[')?.split_once(']')?;
    let after = after.trim_start();
    let (name, word) = inner.split_once(':').map_or((inner, None), |(n, w)| (n, Some(w)));
    let is_word = |w: &str| !w.is_empty() && w.chars().all(|c| c.is_alphanumeric() || c == '_');
    let fine = !name.is_empty() && !name.contains(char::is_whitespace) && word.is_none_or(is_word);
    (fine && (after.is_empty() || after.starts_with('#'))).then_some((name, word))
}

impl Ini<'_> {
    fn error(&mut self, bytes: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        self.errors.push(Diagnostic::at(self.text.spot(bytes), "syntax", message).hint(hint));
    }

    fn keep<T>(&mut self, result: Result<T, Box<Diagnostic>>) -> Option<T> {
        result.map_err(|e| self.errors.push(*e)).ok()
    }

    fn section(&mut self, (name, word): &(&str, Option<&str>), line: &Range<usize>) -> Option<(Option<usize>, Kind)> {
        let named = line.start + 1..line.start + 1 + name.len();
        let kind = match *word {
            None | Some("hosts") => Kind::Hosts,
            Some("children") => Kind::Children,
            Some("vars") => Kind::Vars,
            Some(other) => {
                let at = named.end + 1..named.end + 1 + other.len();
                let hint = did_you_mean(other, ["hosts", "children", "vars"].into_iter())
                    .map_or_else(|| "hosts, children or vars".into(), |near| format!("did you mean \"{near}\"?"));
                self.error(at, format!("no section is of the kind \"{other}\""), hint);
                return None;
            }
        };
        let new = self.data.group(name).is_none();
        let group = self.data.add_group(name, self.text.spot(named.clone()));
        let group = self.keep(group)?;
        let waiting = self.waiting.contains_key(*name);
        match kind {
            Kind::Vars if new && !waiting => {
                self.wait(Pending { name: (*name).to_owned(), bytes: named, vars: true, parents: Vec::new() })
            }
            Kind::Vars => {}
            _ => self.declared(name, group),
        }
        Some((Some(group), kind))
    }

    fn wait(&mut self, pending: Pending) {
        self.waiting.insert(pending.name.clone(), self.pending.len());
        self.pending.push(pending);
    }

    /// A group that others named before is there now.
    fn declared(&mut self, name: &str, group: usize) {
        let Some(at) = self.waiting.remove(name) else { return };
        for (parent, bytes) in std::mem::take(&mut self.pending[at].parents) {
            let linked = self.data.add_child(parent, group, self.text.spot(bytes));
            self.keep(linked);
            // A parent that is only known as a child itself is declared by having one.
            let parent = self.data.groups[parent].name.clone();
            if self.waiting.get(&parent).is_some_and(|p| !self.pending[*p].vars)
                && let Some(id) = self.data.group(&parent)
            {
                self.declared(&parent, id);
            }
        }
    }

    fn unresolved(&mut self) {
        let mut waiting: Vec<usize> = self.waiting.values().copied().collect();
        waiting.sort_unstable();
        for at in waiting {
            let p = &self.pending[at];
            let known = self.data.groups.iter().map(|g| g.name.as_str()).filter(|n| *n != p.name);
            let near = did_you_mean(&p.name, known).map(str::to_owned);
            let hint = near.map_or_else(
                || format!("declare it with a line [{}]", p.name),
                |near| format!("did you mean \"{near}\"? else declare it with a line [{}]", p.name),
            );
            let spots = if p.vars { vec![p.bytes.clone()] } else { p.parents.iter().map(|(_, b)| b.clone()).collect() };
            let message = format!("no group \"{}\" in this file", p.name);
            for bytes in spots {
                let error = Diagnostic::at(self.text.spot(bytes), "unknown-group", message.clone());
                self.errors.push(error.hint(hint.clone()));
            }
        }
    }

    fn child(&mut self, line: &str, line_bytes: Range<usize>, group: usize) {
        let name = line.split(|c: char| c.is_whitespace()).next().unwrap_or_default();
        let name = name.split('#').next().unwrap_or_default();
        let after = line[name.len()..].trim_start();
        if name.is_empty() || name.contains([':', ']']) || !(after.is_empty() || after.starts_with('#')) {
            let shown = self.text.quoted(line_bytes.clone()).to_owned();
            return self.error(line_bytes, format!("\"{shown}\" is no name of a group"), "one name of a group a line");
        }
        let bytes = line_bytes.start..line_bytes.start + name.len();
        match (self.data.group(name), self.waiting.get(name).copied()) {
            (Some(child), _) => {
                let linked = self.data.add_child(group, child, self.text.spot(bytes));
                self.keep(linked);
            }
            (None, Some(at)) => self.pending[at].parents.push((group, bytes)),
            (None, None) => {
                let parents = vec![(group, bytes.clone())];
                self.wait(Pending { name: name.to_owned(), bytes, vars: false, parents });
            }
        }
    }

    fn var(&mut self, line: &str, at: usize, group: usize) {
        let Some((key, value)) = line.split_once('=') else {
            let bytes = at..at + line.len();
            let shown = self.text.quoted(bytes.clone()).to_owned();
            return self.error(bytes, format!("\"{shown}\" is not NAME=VALUE"), "one NAME=VALUE a line");
        };
        let start = at + key.len() + 1 + (value.len() - value.trim_start().len());
        let (key, value) = (key.trim_end(), value.trim());
        let given = self.given(key, at..at + key.len(), value, start..start + value.len());
        if let Some(given) = given {
            let set = self.data.set_group(group, given);
            self.keep(set);
        }
    }

    fn given(&mut self, name: &str, named: Range<usize>, value: &str, bytes: Range<usize>) -> Option<Given> {
        if name.is_empty() {
            self.error(named.start..named.start + 1, "a value without a name", "NAME=VALUE, without spaces around =");
            return None;
        }
        Some(self.text.given(name, named, literal::value(value), bytes))
    }

    fn host(&mut self, line: &str, at: usize, group: usize) {
        let words = match words::split(line, Comments::Yes) {
            Ok(words) => words,
            Err((why, offset)) => {
                let hint = "put the whole value into quotes of the other kind: a='it is \"so\"'";
                return self.error(at + offset..at + offset + 1, why, hint);
            }
        };
        let Some((first, rest)) = words.split_first() else { return };
        let bytes = |w: &Word| at + w.bytes.start..at + w.bytes.end;
        if first.text == "---" {
            return self.error(
                bytes(first),
                "--- begins a YAML file",
                "this was read as INI: is there an error in the YAML?",
            );
        }
        let (names, port) = match range::expand(&first.text) {
            Ok(found) => found,
            Err(why) => {
                let hint = "like web[01:10].example.com, or web1:2222 with a port";
                let error = Diagnostic::at(self.text.spot(bytes(first)), "range", why).hint(hint);
                return self.errors.push(error);
            }
        };
        let mut vars = Vec::new();
        for word in rest {
            let Some((key, value)) = word.text.split_once('=') else {
                let shown = self.text.quoted(bytes(word)).to_owned();
                let hint = "after the host's name: NAME=VALUE; a value with spaces must be quoted";
                self.error(bytes(word), format!("\"{shown}\" is not NAME=VALUE"), hint);
                continue;
            };
            let whole = bytes(word);
            // Where the name is quoted, its place is the whole word.
            let plain = self.text.source.text()[whole.clone()].starts_with(key);
            let named = if plain { whole.start..whole.start + key.len() } else { whole.clone() };
            let value_at = if plain { (named.end + 1).min(whole.end)..whole.end } else { whole };
            vars.extend(self.given(key, named, value, value_at));
        }
        for name in names {
            let port = port.filter(|p| *p != 0);
            let port = port.map(|p| self.text.given("ansible_port", bytes(first), Value::from(p), bytes(first)));
            let host = self.data.add_host(&name, Some(group), port, self.text.spot(bytes(first)));
            let Some(host) = self.keep(host) else { return };
            for given in &vars {
                let set = self.data.set_host(host, given.clone());
                if self.keep(set).is_none() {
                    return;
                }
            }
        }
    }
}
