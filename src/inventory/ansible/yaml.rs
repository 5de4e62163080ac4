//! YAML as Ansible reads it: PyYAML's YAML 1.1 (`yes` is true, `0644` is 420, `1:30` is 90), `!vault` and `!unsafe`, and
//! of a key that stands twice the last.
//!
//! Runbooks and our own inventories are YAML 1.2 and read by `book`; this is for files that other programs read too.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value};

use super::literal::spelled;
use super::resolve;
use crate::book::{Diagnostic, Document};
use crate::inventory::text::Text;

/// Lists and maps inside each other.
const DEEPEST: usize = 64;
/// Values of one file, with those that aliases repeat.
const MOST: usize = 200_000;

/// A value and where it stands.
pub(super) struct Node {
    pub bytes: Range<usize>,
    pub kind: Kind,
    /// Values below, aliases followed.
    weight: usize,
}

pub(super) enum Kind {
    /// A scalar's value.
    Scalar(Value),
    /// `!vault`: its text, encrypted.
    Vault(String),
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>),
}

#[derive(Clone)]
pub(super) struct Entry {
    pub key: String,
    /// The key was text, not a number or a boolean.
    pub text: bool,
    pub bytes: Range<usize>,
    pub node: Rc<Node>,
}

impl Node {
    /// The value of a key that has none.
    pub(super) fn nothing() -> Rc<Self> {
        Rc::new(Self { bytes: 0..0, kind: Kind::Scalar(Value::Null), weight: 1 })
    }

    /// As JSON; an encrypted value is `{"__ansible_vault": …}`, as Ansible writes it.
    pub(super) fn json(&self) -> Value {
        match &self.kind {
            Kind::Scalar(v) => v.clone(),
            Kind::Vault(text) => Value::Object(Map::from_iter([(VAULT.to_owned(), Value::String(text.clone()))])),
            Kind::List(items) => Value::Array(items.iter().map(|n| n.json()).collect()),
            Kind::Map(entries) => Value::Object(entries.iter().map(|e| (e.key.clone(), e.node.json())).collect()),
        }
    }

    pub(super) fn entries(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Scalar(Value::Null))
    }

    pub(super) fn kind_name(&self) -> &'static str {
        match &self.kind {
            Kind::Vault(_) => "an encrypted value",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
            Kind::Scalar(Value::Null) => "nothing",
            Kind::Scalar(Value::Bool(_)) => "true or false",
            Kind::Scalar(Value::Number(_)) => "a number",
            Kind::Scalar(_) => "text",
        }
    }
}

/// The key of an encrypted value in JSON.
pub(super) const VAULT: &str = "__ansible_vault";

/// A list or map that is not complete.
struct Frame {
    start: usize,
    anchor: usize,
    map: bool,
    items: Vec<Rc<Node>>,
    weight: usize,
}

struct Build<'a> {
    text: &'a Text,
    /// Byte offsets of characters; `None`: all are one byte.
    chars: Option<Vec<usize>>,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    documents: usize,
    warnings: Vec<Diagnostic>,
}

/// A file's value, and what is unwise in it.
type Read = (Option<Rc<Node>>, Vec<Diagnostic>);

/// The value of a file, `None` if there is nothing in it; and what is unwise in it.
///
/// # Errors
/// The first thing that Ansible would stop at too, and what only an attack has: `too-deep`, `alias-bomb`.
pub(super) fn read(text: &Text) -> Result<Read, Vec<Diagnostic>> {
    let source = text.source.text();
    let mut b = Build {
        text,
        chars: (!source.is_ascii()).then(|| source.char_indices().map(|(at, _)| at).collect()),
        stack: Vec::new(),
        anchors: HashMap::new(),
        root: None,
        documents: 0,
        warnings: Vec::new(),
    };
    for event in Parser::new_from_str(source) {
        let (event, span) = event.map_err(|e| b.syntax(e.marker().index(), e.info()))?;
        let start = b.byte(span.start.index());
        let end = b.byte(span.end.index()).max(start);
        b.event(event, start..end).map_err(|e| vec![*e])?;
    }
    Ok((b.root, b.warnings))
}

impl Build<'_> {
    fn byte(&self, index: usize) -> usize {
        let end = self.text.source.text().len();
        match &self.chars {
            None => index.min(end),
            Some(chars) => chars.get(index).copied().unwrap_or(end),
        }
    }

    /// In the words that runbooks are refused with, if those see the same error.
    fn syntax(&self, index: usize, info: &str) -> Vec<Diagnostic> {
        const SAME: &[&str] = &["syntax", "tab", "unquoted-template", "control-character", "too-deep"];
        let source = &self.text.source;
        let all = Document::parse(source.name(), source.text().as_bytes()).err().unwrap_or_default();
        let same: Vec<Diagnostic> = all.into_iter().filter(|e| SAME.contains(&e.rule)).collect();
        if !same.is_empty() {
            return same;
        }
        let at = self.byte(index);
        let error = Diagnostic::at(self.text.spot(at..at + 1), "syntax", info.to_owned());
        vec![error.hint("look at the indentation, quotes and colons of this line and the one above")]
    }

    fn error(&self, bytes: Range<usize>, rule: Refused) -> Box<Diagnostic> {
        let spot = self.text.spot(bytes);
        Box::new(match rule {
            Refused::Deep => {
                Diagnostic::at(spot, "too-deep", format!("more than {DEEPEST} lists and maps in each other"))
                    .hint("is this the right file?")
            }
            Refused::Many => Diagnostic::at(spot, "alias-bomb", format!("more than {MOST} values, aliases counted"))
                .hint("write out what is meant"),
            Refused::Loop => Diagnostic::at(spot, "alias-loop", "this alias is inside its own anchor")
                .hint("an anchor ends before its alias"),
            Refused::Second => Diagnostic::at(spot, "several-documents", "a second document starts here")
                .hint("an inventory is one document: remove this line"),
            Refused::Tag(tag) => Diagnostic::at(spot, "tag", format!("the tag {tag} means nothing to Ansible"))
                .hint("remove it; !vault and !unsafe are known"),
            Refused::Key => Diagnostic::at(spot, "key-type", "a key must be text, and this is a list or a map")
                .hint("write a word as the key; text that starts with [ or { must be quoted"),
            Refused::Merge => Diagnostic::at(spot, "merge", "only maps can be merged").hint("like: <<: *defaults"),
        })
    }

    fn event(&mut self, event: Event<'_>, bytes: Range<usize>) -> Result<(), Box<Diagnostic>> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 { Err(self.error(bytes, Refused::Second)) } else { Ok(()) }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let kind = self.scalar(&text, style, tag.as_deref(), &bytes)?;
                let shown = self.text.source.text()[bytes.clone()].trim_end().len();
                let node = Node { bytes: bytes.start..bytes.start + shown, kind, weight: 1 };
                self.put(Rc::new(node), anchor)
            }
            Event::SequenceStart(anchor, tag) => self.open(false, anchor, tag.as_deref(), bytes),
            Event::MappingStart(anchor, tag) => self.open(true, anchor, tag.as_deref(), bytes),
            Event::SequenceEnd | Event::MappingEnd => self.close(&bytes),
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => self.put(node, 0),
                None => Err(self.error(bytes, Refused::Loop)),
            },
            _ => Ok(()),
        }
    }

    fn scalar(
        &self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        bytes: &Range<usize>,
    ) -> Result<Kind, Box<Diagnostic>> {
        let string = || Kind::Scalar(Value::String(text.to_owned()));
        let Some(tag) = tag else {
            return Ok(match style {
                ScalarStyle::Plain => Kind::Scalar(resolve::plain(text)),
                _ => string(),
            });
        };
        let (handle, suffix) = (tag.handle.as_str(), tag.suffix.as_str());
        let core = handle.starts_with("tag:yaml.org") || handle == "!!";
        Ok(match suffix {
            "vault" | "vault-encrypted" if !core => Kind::Vault(text.to_owned()),
            "unsafe" if !core => string(),
            "str" if core => string(),
            "int" | "float" | "bool" | "null" | "timestamp" if core => Kind::Scalar(resolve::plain(text)),
            "" if handle == "!" || handle.is_empty() => string(),
            _ => return Err(self.error(bytes.clone(), Refused::Tag(format!("{handle}{suffix}")))),
        })
    }

    fn open(
        &mut self,
        map: bool,
        anchor: usize,
        tag: Option<&Tag>,
        bytes: Range<usize>,
    ) -> Result<(), Box<Diagnostic>> {
        if let Some(tag) = tag
            && !matches!(tag.suffix.as_str(), "map" | "seq" | "unsafe")
        {
            return Err(self.error(bytes, Refused::Tag(format!("{}{}", tag.handle, tag.suffix))));
        }
        if self.stack.len() >= DEEPEST {
            return Err(self.error(bytes, Refused::Deep));
        }
        self.stack.push(Frame { start: bytes.start, anchor, map, items: Vec::new(), weight: 1 });
        Ok(())
    }

    fn close(&mut self, bytes: &Range<usize>) -> Result<(), Box<Diagnostic>> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let last = frame.items.last().map_or(bytes.end, |n| n.bytes.end);
        let bytes = frame.start..last.max(frame.start);
        let kind = if frame.map { self.map(&frame.items)? } else { Kind::List(frame.items) };
        self.put(Rc::new(Node { bytes, kind, weight: frame.weight }), frame.anchor)
    }

    /// Keys and values in turn: what is merged first, then its own, of the same key the last.
    fn map(&mut self, items: &[Rc<Node>]) -> Result<Kind, Box<Diagnostic>> {
        let (mut merged, mut own): (Vec<Entry>, Vec<Entry>) = (Vec::new(), Vec::new());
        let mut index: HashMap<String, usize> = HashMap::new();
        for pair in items.chunks_exact(2) {
            let (key, node) = (&pair[0], &pair[1]);
            let raw = &self.text.source.text()[key.bytes.clone()];
            let (name, text) = match &key.kind {
                Kind::Scalar(Value::String(s)) => (s.clone(), true),
                Kind::Scalar(v) => (spelled(v), false),
                _ => return Err(self.error(key.bytes.clone(), Refused::Key)),
            };
            if name == "<<" && raw == "<<" {
                merged.extend(self.merge(node)?);
                continue;
            }
            let entry = Entry { key: name.clone(), text, bytes: key.bytes.clone(), node: Rc::clone(node) };
            match index.get(&name) {
                Some(&at) => {
                    let message = format!("the key \"{name}\" stands here a second time, and the last one counts");
                    let warning = Diagnostic::at(self.text.spot(key.bytes.clone()), "duplicate-key", message);
                    let first = self.text.spot(own[at].bytes.clone());
                    self.warnings.push(warning.hint("remove one of the two").also(first, "the first one"));
                    own[at] = entry;
                }
                None => {
                    index.insert(name, own.len());
                    own.push(entry);
                }
            }
        }
        if merged.is_empty() {
            return Ok(Kind::Map(own));
        }
        let (mut out, mut places): (Vec<Entry>, HashMap<String, usize>) = (Vec::new(), HashMap::new());
        for entry in merged.into_iter().chain(own) {
            match places.get(&entry.key) {
                Some(&at) => out[at] = entry,
                None => {
                    places.insert(entry.key.clone(), out.len());
                    out.push(entry);
                }
            }
        }
        Ok(Kind::Map(out))
    }

    /// The entries of a map, or of a list of maps, of which the first wins.
    fn merge(&self, node: &Node) -> Result<Vec<Entry>, Box<Diagnostic>> {
        match &node.kind {
            Kind::Map(entries) => Ok(entries.clone()),
            Kind::List(items) => {
                let maps = items.iter().rev().map(|n| n.entries().map(<[Entry]>::to_vec));
                let all: Option<Vec<Vec<Entry>>> = maps.collect();
                Ok(all.ok_or_else(|| self.error(node.bytes.clone(), Refused::Merge))?.concat())
            }
            _ => Err(self.error(node.bytes.clone(), Refused::Merge)),
        }
    }

    fn put(&mut self, node: Rc<Node>, anchor: usize) -> Result<(), Box<Diagnostic>> {
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(frame) => {
                frame.weight += node.weight;
                let (weight, bytes) = (frame.weight, node.bytes.clone());
                frame.items.push(node);
                if weight > MOST {
                    return Err(self.error(bytes, Refused::Many));
                }
            }
        }
        Ok(())
    }
}

/// Why a file is not read further.
enum Refused {
    Deep,
    Many,
    Loop,
    Second,
    Tag(String),
    Key,
    Merge,
}
