//! From YAML nodes to typed steps, by hand, so that every error of a file is found at once and has its place.

mod call;
mod step;

use std::path::Path;
use std::time::Duration;

use super::load::Loader;
use super::{Diagnostic, Node, Place, Step, Text, did_you_mean};
use crate::module::parse_duration;

/// Collects errors while it decodes.
pub(super) struct Decoder<'a> {
    pub errors: Vec<Diagnostic>,
    /// Where custom modules are looked for.
    pub dir: Option<&'a Path>,
    pub unread: Unread,
}

/// What could not be decoded, so that nothing else is blamed for its absence.
#[derive(Default)]
pub(super) struct Unread {
    /// Steps whose check has an error.
    pub checks: Vec<Place>,
    /// Ids of handlers.
    pub handlers: Vec<String>,
    /// Names of variables.
    pub vars: Vec<String>,
    /// Some steps: an include failed.
    pub steps: bool,
}

impl Decoder<'_> {
    pub(super) fn error(&mut self, d: Diagnostic) {
        self.errors.push(d);
    }

    /// A required text.
    pub(super) fn text(&mut self, node: &Node, key: &str) -> Option<Text> {
        match node.get(key) {
            None => {
                if !misspelt(node, key) {
                    self.error(node.missing(key).hint(format!("add a line: {key}: {}", example(key))));
                }
                None
            }
            Some(n) => self.text_of(&n),
        }
    }

    fn text_of(&mut self, n: &Node) -> Option<Text> {
        match n.spelled().filter(|t| !t.trim().is_empty()) {
            Some(t) => Some(Text { text: t.to_owned(), place: n.place() }),
            None => {
                let hint = match (n.key(), n.value()) {
                    (Some("when" | "condition"), v) if v.is_array() => "join them: A and B",
                    (_, v) if v.is_array() => "one text, not a list",
                    (_, v) if v.is_object() => "text with \": \" in it, or { at its start, must be quoted",
                    _ => "write it after the colon, or remove the key",
                };
                self.error(n.expected("text").hint(hint));
                None
            }
        }
    }

    pub(super) fn optional(&mut self, node: &Node, key: &str) -> Option<Text> {
        node.get(key).and_then(|n| self.text_of(&n))
    }

    /// `true` or `false`; false where the key is not there.
    pub(super) fn flag(&mut self, node: &Node, key: &str) -> bool {
        let Some(n) = node.get(key) else { return false };
        n.as_bool().unwrap_or_else(|| {
            let error = n.expected("true or false");
            self.error(match n.as_str().and_then(boolean_hint) {
                Some(hint) => Diagnostic { rule: "yaml-boolean", ..error }.hint(hint),
                None => error.hint("write true or false"),
            });
            false
        })
    }

    /// A list of things, each read by `one`.
    pub(super) fn list<T>(
        &mut self,
        node: &Node,
        key: &str,
        what: &str,
        mut one: impl FnMut(&mut Self, &Node) -> Option<T>,
    ) -> Vec<T> {
        let Some(n) = node.get(key) else { return Vec::new() };
        match n.items() {
            Some(items) => items.iter().filter_map(|i| one(self, i)).collect(),
            None => {
                let hint = match n.spelled() {
                    Some(text) => format!("write {key}: [{text}]"),
                    None => "one item a line, each with \"- \" in front".into(),
                };
                self.error(n.expected(what).hint(hint));
                Vec::new()
            }
        }
    }

    /// A list of texts.
    pub(super) fn words(&mut self, node: &Node, key: &str) -> Vec<Text> {
        self.list(node, key, "a list", Self::text_of)
    }

    fn plain_words(&mut self, node: &Node, key: &str) -> Vec<String> {
        self.words(node, key).into_iter().map(|t| t.text).collect()
    }

    fn duration(&mut self, node: &Node, key: &str) -> Option<Duration> {
        let n = node.get(key)?;
        let d = n.spelled().and_then(parse_duration);
        if d.is_none() {
            self.error(n.expected("a duration").hint("a number with its unit: 10s, 500ms, 2m"));
        }
        d
    }

    /// A list of steps, with includes spliced in.
    pub(super) fn steps(&mut self, node: &Node, loader: &mut Loader, out: &mut Vec<Step>) {
        let Some(items) = node.items() else {
            let hint = match node.key() {
                None if node.get("steps").is_some() => {
                    "an included file is the bare list: take \"steps:\" away, and what stands beside it"
                }
                _ => "one step a line with \"- \" in front: - name: …",
            };
            self.unread.steps = true;
            return self.error(node.expected("a list of steps").hint(hint));
        };
        for item in items {
            match item.get("include") {
                Some(path) => {
                    for d in item.unknown_keys(&["include"]) {
                        self.error(d.hint("an include stands alone: - include: steps/firewall.yaml"));
                    }
                    match path.as_str() {
                        Some(p) => loader.include(self, p, &path, out),
                        None => {
                            self.unread.steps = true;
                            self.error(path.expected("a path").hint("like: - include: steps/firewall.yaml"));
                        }
                    }
                }
                None => match self.step(&item) {
                    Some(mut step) => {
                        for call in step.check.iter_mut().chain(&mut step.remediation) {
                            loader.attach(self, call);
                        }
                        out.push(step);
                    }
                    None => self.unread.steps = true,
                },
            }
        }
    }
}

/// Whether a map has a key that was most likely meant to be this one: that is an error already.
fn misspelt(node: &Node, key: &str) -> bool {
    let entries = node.entries().unwrap_or_default();
    entries.iter().any(|e| e.key().is_some_and(|k| did_you_mean(k, std::iter::once(key)).is_some()))
}

/// What may stand for a required text.
fn example(key: &str) -> &'static str {
    match key {
        "id" => "restart-sshd",
        "title" => "\"the error text that leads here\"",
        "type" => "string",
        "text" => "what to do, in a sentence",
        _ => "what is right, in a few words",
    }
}

/// An error at a key of a map, or at the map.
fn at_key(rule: &'static str, node: &Node, key: &str, message: impl Into<String>) -> Diagnostic {
    Diagnostic::at(node.get(key).map_or_else(|| node.place(), |n| n.key_place()), rule, message)
}

/// "did you mean", else all there is.
pub(super) fn nearest<'a>(what: &str, word: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match did_you_mean(word, known.clone()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => match known.collect::<Vec<_>>() {
            list if list.is_empty() => format!("there are no {what} here"),
            list => format!("{what}: {}", list.join(", ")),
        },
    }
}

/// YAML 1.1's other booleans are plain text here.
pub(super) fn boolean_hint(text: &str) -> Option<String> {
    let word = match text.to_ascii_lowercase().as_str() {
        "yes" | "y" | "on" | "1" | "true" => "true",
        "no" | "n" | "off" | "0" | "false" => "false",
        _ => return None,
    };
    Some(format!("write {word}"))
}

/// A name that an expression can use.
pub(super) fn is_name(s: &str) -> bool {
    s.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && s.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
