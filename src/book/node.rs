//! A cursor in a document, for decoding by hand that collects all errors.

use std::sync::Arc;

use serde_json::Value;

use super::diagnostic::{Diagnostic, did_you_mean};
use super::place::{Part, Place, Route, Seg};
use super::spans::Kids;
use super::yaml::Document;

/// One value of a [`Document`] with its route. Cheap to clone.
#[derive(Clone)]
pub struct Node {
    doc: Arc<Document>,
    route: Route,
}

impl Node {
    pub(super) fn new(doc: Arc<Document>, route: Route) -> Self {
        Self { doc, route }
    }

    /// The value, with merges applied.
    pub fn value(&self) -> &Value {
        self.doc.at(&self.route).unwrap_or(&Value::Null)
    }

    /// Keys and indices from the root.
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// The key that this value stands under; `None` for a list's item and the root.
    pub fn key(&self) -> Option<&str> {
        match self.route.segs().last() {
            Some(Seg::Key(key)) => Some(key),
            _ => None,
        }
    }

    /// Where the value stands (an empty value: its key).
    pub fn place(&self) -> Place {
        Place::new(Arc::clone(&self.doc), self.route.clone(), Part::Value)
    }

    /// Where the key stands (a list's item: the item).
    pub fn key_place(&self) -> Place {
        Place::new(Arc::clone(&self.doc), self.route.clone(), Part::Key)
    }

    /// What the value is, for a sentence: `a list`, `a map`, `text`, `a number`, `true`, `nothing`.
    pub fn kind_name(&self) -> &'static str {
        match self.value() {
            Value::Null => "nothing",
            Value::Bool(true) => "true",
            Value::Bool(false) => "false",
            Value::Number(_) => "a number",
            Value::String(_) => "text",
            Value::Array(_) => "a list",
            Value::Object(_) => "a map",
        }
    }

    /// Whether nothing is there: `key:`, `~` or `null`.
    pub fn is_null(&self) -> bool {
        self.value().is_null()
    }

    /// Text; a number or boolean is none (see [`Node::spelled`]).
    pub fn as_str(&self) -> Option<&str> {
        self.value().as_str()
    }

    /// `true` or `false`, and no other word.
    pub fn as_bool(&self) -> Option<bool> {
        self.value().as_bool()
    }

    /// A whole number; `1.0` is none.
    pub fn as_i64(&self) -> Option<i64> {
        self.value().as_i64()
    }

    /// Any number.
    pub fn as_f64(&self) -> Option<f64> {
        self.value().as_f64()
    }

    /// A scalar as text: text as it is, numbers and booleans as the file spells them (`1.10`,
    /// `0x1F`), so that `version: 1.10` is not `1.1`. `None` for lists, maps and nothing.
    pub fn spelled(&self) -> Option<&str> {
        match self.value() {
            Value::String(text) => Some(text),
            Value::Number(_) | Value::Bool(_) => {
                let bytes = self.doc.bytes_of(&self.route, &Part::Value);
                let text = self.doc.source().text().get(bytes)?;
                Some(text.trim_matches(['"', '\'']))
            }
            _ => None,
        }
    }

    /// A list's items in order; `None` if this is no list.
    pub fn items(&self) -> Option<Vec<Self>> {
        let length = self.value().as_array()?.len();
        Some((0..length).map(|index| self.child(self.route.index(index))).collect())
    }

    /// A map's values in the order of the file, merged ones last; `None` if this is no map. Each
    /// knows its [`Node::key`].
    pub fn entries(&self) -> Option<Vec<Self>> {
        let (spans, _, whole) = self.doc.find(&self.route);
        match &spans.kids {
            Kids::Map(entries) if whole => {
                let keys = entries.iter().map(|entry| self.route.key(Arc::clone(&entry.key)));
                Some(keys.map(|route| self.child(route)).collect())
            }
            _ => None,
        }
    }

    /// The value under a key; `None` if there is no such key or this is no map.
    pub fn get(&self, key: &str) -> Option<Self> {
        self.value().as_object()?.get(key)?;
        Some(self.child(self.route.key(key)))
    }

    fn child(&self, route: Route) -> Self {
        Self::new(Arc::clone(&self.doc), route)
    }

    /// The error `wrong-type`: "`port` must be a list, and this is text".
    pub fn expected(&self, what: &str) -> Diagnostic {
        let kind = self.kind_name();
        let message = match self.key() {
            Some(key) => format!("\"{key}\" must be {what}, and this is {kind}"),
            None => format!("{what} is expected, and this is {kind}"),
        };
        Diagnostic::at(self.place(), "wrong-type", message)
    }

    /// The error `missing-key`, at the key that this map stands under (in a list: at the item).
    pub fn missing(&self, key: &str) -> Diagnostic {
        let message = format!("the key \"{key}\" is missing");
        Diagnostic::at(self.key_place(), "missing-key", message)
    }

    /// An error `unknown-key` for every key of this map that is not in `known`, with the nearest
    /// known key, else all known keys, as its hint.
    pub fn unknown_keys(&self, known: &[&str]) -> Vec<Diagnostic> {
        let entries = self.entries().unwrap_or_default();
        let unknown = entries.iter().filter_map(|entry| {
            let key = entry.key().filter(|key| !known.contains(key))?;
            let hint = match did_you_mean(key, known.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("known here: {}", known.join(", ")),
            };
            let message = format!("unknown key \"{key}\"");
            Some(Diagnostic::at(entry.key_place(), "unknown-key", message).hint(hint))
        });
        unknown.collect()
    }
}
