//! The event pass: where everything stands, and the rules that need no value.
//!
//! One walk over saphyr-parser's events builds a tree of byte spans with the shape of the
//! document, and bounds everything that comes after it: depth, and what aliases repeat. It runs
//! before any value is built, so that a hostile file costs what its own bytes cost.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::diagnostic::Diagnostic;
use super::frame::{Anchor, Frame, FrameKind, Key, Weight};
use super::source::Source;
use super::spans::{Entries, Entry, Kids, Spans, can_merge, is_empty, not_text, properties};
use super::yaml::{MOST_ERRORS, tidy};
use super::{rules, syntax};

/// Lists and maps inside each other, aliases followed.
pub const DEEPEST: usize = 64;
/// Values that aliases may repeat, in all.
pub const MOST_REPEATED: usize = 100_000;
/// Bytes of text that aliases may repeat, in all: four times the size cap of a file.
pub const MOST_REPEATED_BYTES: usize = 4 << 20;
const COMPLEX: &str = "write a word as the key; text that starts with [ or { must be quoted";
/// Something after which reading on would be pointless or dangerous.
struct Stop;

struct Pass<'s> {
    source: &'s Arc<Source>,
    /// byte offset of each character; `None` where all are one byte
    chars: Option<Vec<usize>>,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Anchor>,
    repeated: Weight,
    root: Option<Arc<Spans>>,
    documents: usize,
    errors: Vec<Diagnostic>,
    /// how many further errors there were
    dropped: usize,
}

/// The spans of the one document of a text, or every error that this pass finds.
///
/// Rules: `duplicate-key` (YAML 1.2.2 §3.2.1.3), `key-type`, `unquoted-template`, `merge`, `tag`
/// (§10.3), `too-deep`, `alias-bomb`, `alias-loop` (§7.1), `several-documents` (§9.2), `empty`,
/// and those of [`syntax::explain`].
pub fn read(source: &Arc<Source>) -> Result<Arc<Spans>, Vec<Diagnostic>> {
    let text = source.text();
    let mut pass = Pass {
        source,
        chars: (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect()),
        stack: Vec::new(),
        anchors: HashMap::new(),
        repeated: Weight::default(),
        root: None,
        documents: 0,
        errors: Vec::new(),
        dropped: 0,
    };
    for event in Parser::new_from_str(text) {
        let step = match event {
            Ok((event, span)) => {
                let start = pass.byte(span.start.index());
                let end = pass.byte(span.end.index()).max(start);
                pass.event(event, start..end)
            }
            Err(error) => {
                let at = pass.byte(error.marker().index());
                pass.error(syntax::explain(source, &pass.stack, at, error.info()));
                Err(Stop)
            }
        };
        if step.is_err() {
            break;
        }
    }
    match pass.root {
        _ if !pass.errors.is_empty() => Err(tidy(pass.errors, pass.dropped)),
        Some(root) if !is_empty(&root) => Ok(root),
        _ => Err(vec![
            Diagnostic::at((source, 0..0), "empty", "nothing in this file")
                .hint("a file with only comments is empty too; write a map of `key: value` lines"),
        ]),
    }
}

impl Pass<'_> {
    /// saphyr counts characters.
    fn byte(&self, index: usize) -> usize {
        let end = self.source.text().len();
        match &self.chars {
            None => index.min(end),
            Some(chars) => chars.get(index).copied().unwrap_or(end),
        }
    }

    /// Notes an error, but no second one at the same spot by the same rule, and of very many
    /// only the number.
    fn error(&mut self, error: Diagnostic) {
        if self.errors.len() > MOST_ERRORS {
            self.dropped += 1;
            return;
        }
        let place = |e: &Diagnostic| (e.rule, e.spot.as_ref().map(|s| s.resolve().1.start));
        if !self.errors.iter().rev().take(8).any(|e| place(e) == place(&error)) {
            self.errors.push(error);
        }
    }

    fn event(&mut self, event: Event<'_>, bytes: Range<usize>) -> Result<(), Stop> {
        match event {
            Event::DocumentStart(_) => self.document(bytes),
            Event::Scalar(text, style, anchor, tag) => {
                self.tag(tag.as_deref(), &bytes);
                self.scalar(&text, style, anchor, tag.as_deref(), bytes)
            }
            Event::SequenceStart(anchor, tag) => {
                self.tag(tag.as_deref(), &bytes);
                self.open(FrameKind::List(Vec::new()), anchor, bytes)
            }
            Event::MappingStart(anchor, tag) => {
                self.tag(tag.as_deref(), &bytes);
                self.open(FrameKind::Map(Entries::default(), None), anchor, bytes)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(bytes.start),
            Event::Alias(anchor) => self.alias(anchor, bytes),
            _ => Ok(()),
        }
    }

    fn document(&mut self, bytes: Range<usize>) -> Result<(), Stop> {
        self.documents += 1;
        if self.documents < 2 {
            return Ok(());
        }
        let message = "a second document starts here";
        let hint = "a file holds one document: remove this line, or move what follows to a file of its own";
        self.error(Diagnostic::at((self.source, bytes), "several-documents", message).hint(hint));
        Err(Stop)
    }

    fn tag(&mut self, tag: Option<&Tag>, bytes: &Range<usize>) {
        if let Some(error) = tag.and_then(|tag| rules::tag(self.source, tag, bytes)) {
            self.error(error);
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        bytes: Range<usize>,
    ) -> Result<(), Stop> {
        let plain = style == ScalarStyle::Plain;
        let raw = &self.source.text()[bytes.clone()];
        if anchor != 0
            && let Some(error) = rules::anchor(self.source, &bytes, plain && text.is_empty())
        {
            self.error(error);
        }
        let start = bytes.start + properties(raw);
        let shown = self.source.text()[start..bytes.end].trim_end().len();
        let bytes = start..start + shown;
        if self.wants_key() {
            let other = match tag {
                Some(tag) if tag.suffix != "str" => Some("tagged"),
                None if plain => not_text(text),
                _ => None,
            };
            if let Some(what) = other {
                let hint = format!("quote it: \"{text}\"");
                self.bad_key(&bytes, &format!("{text} is {what}"), &hint);
            }
            let merge = plain && tag.is_none() && text == "<<";
            self.key(text.into(), bytes, merge);
            return Ok(());
        }
        let weight = Weight { nodes: 1, bytes: text.len(), height: 0 };
        let node = Arc::new(Spans { bytes, kids: Kids::Scalar(style) });
        self.anchored(anchor, &node, weight);
        self.value(node, weight);
        Ok(())
    }

    fn wants_key(&self) -> bool {
        let top = self.stack.last();
        top.is_some_and(|top| matches!(top.kind, FrameKind::Map(_, None)))
    }

    fn bad_key(&mut self, bytes: &Range<usize>, what: &str, hint: &str) {
        let message = format!("a key must be text, and {what}");
        let spot = (self.source, bytes.clone());
        self.error(Diagnostic::at(spot, "key-type", message).hint(hint));
    }

    fn key(&mut self, text: Arc<str>, bytes: Range<usize>, merge: bool) {
        if let Some(Frame { kind: FrameKind::Map(_, key), .. }) = self.stack.last_mut() {
            *key = Some(Key { text, bytes, merge });
        }
    }

    fn open(&mut self, kind: FrameKind, anchor: usize, bytes: Range<usize>) -> Result<(), Stop> {
        let text = self.source.text();
        let start = bytes.start + properties(&text[bytes.start..]);
        if self.stack.len() >= DEEPEST {
            return self.too_deep(start..start + 1);
        }
        if self.wants_key() {
            // `{{ port }}` is a map whose key is a map
            match text[..start].ends_with('{') && text[start..].starts_with('{') {
                true => self.error(syntax::unquoted_template(self.source, start - 1)),
                false => self.bad_key(&(start..start + 1), "this is a list or a map", COMPLEX),
            }
        }
        if anchor != 0 {
            let property = bytes.start..start;
            if let Some(error) = rules::anchor(self.source, &property, false) {
                self.error(error);
            }
            self.anchors.insert(anchor, Anchor { bytes, done: None });
        }
        self.stack.push(Frame {
            start,
            flow: text[start..].starts_with(['[', '{']),
            kind,
            anchor,
            weight: Weight { nodes: 1, bytes: 0, height: 1 },
            end: start,
        });
        Ok(())
    }

    fn close(&mut self, at: usize) -> Result<(), Stop> {
        let Some(frame) = self.stack.pop() else {
            return Ok(());
        };
        // a block collection ends where its last value does, not at the next token
        let end = if frame.flow { at + 1 } else { frame.end };
        let end = end.clamp(frame.start, self.source.text().len());
        let kids = match frame.kind {
            FrameKind::List(items) => Kids::List(items),
            FrameKind::Map(entries, _) => Kids::Map(entries),
        };
        let node = Arc::new(Spans { bytes: frame.start..end, kids });
        self.anchored(frame.anchor, &node, frame.weight);
        if self.wants_key() {
            let text = self.source.text()[node.bytes.clone()].into();
            self.key(text, node.bytes.clone(), false);
        } else {
            self.value(node, frame.weight);
        }
        Ok(())
    }

    fn anchored(&mut self, anchor: usize, node: &Arc<Spans>, weight: Weight) {
        if anchor != 0 {
            let done = Some((Arc::clone(node), weight));
            let known = self.anchors.remove(&anchor);
            let bytes = known.map_or(node.bytes.clone(), |known| known.bytes);
            self.anchors.insert(anchor, Anchor { bytes, done });
        }
    }

    fn alias(&mut self, anchor: usize, bytes: Range<usize>) -> Result<(), Stop> {
        let spot = (self.source, bytes.clone());
        let Some(Anchor { bytes: first, done }) = self.anchors.get(&anchor) else {
            let error = Diagnostic::at(spot, "syntax", "this alias has no anchor");
            self.error(error.hint("text that starts with * must be quoted"));
            return Err(Stop);
        };
        let anchored = (self.source, first.clone());
        let Some((node, weight)) = done else {
            let error = Diagnostic::at(spot, "alias-loop", "this alias repeats what it is part of");
            let hint = "write out what is meant; text that starts with * must be quoted";
            self.error(error.hint(hint).also(anchored, "the anchor"));
            return Err(Stop);
        };
        let (node, weight) = (Arc::clone(node), *weight);
        self.repeated.nodes += weight.nodes;
        self.repeated.bytes += weight.bytes;
        if self.repeated.nodes > MOST_REPEATED || self.repeated.bytes > MOST_REPEATED_BYTES {
            let message = "the aliases up to here repeat too much";
            let hint = format!("at most {MOST_REPEATED} values or 4 MiB: write fewer aliases of aliases");
            let error = Diagnostic::at(spot, "alias-bomb", message).hint(hint);
            self.error(error.also(anchored, "repeated"));
            return Err(Stop);
        }
        if self.stack.len() + weight.height > DEEPEST {
            return self.too_deep(bytes);
        }
        if self.wants_key() {
            self.bad_key(&bytes, "this is an alias", "write the key itself");
            self.key(self.source.text()[bytes.clone()].into(), bytes, false);
            return Ok(());
        }
        self.value(node, weight);
        if let Some(top) = self.stack.last_mut() {
            top.end = bytes.end;
        }
        Ok(())
    }

    fn too_deep(&mut self, bytes: Range<usize>) -> Result<(), Stop> {
        self.error(rules::too_deep(self.source, bytes));
        Err(Stop)
    }

    /// Puts a finished value where it belongs.
    fn value(&mut self, node: Arc<Spans>, weight: Weight) {
        let Some(top) = self.stack.last_mut() else {
            self.root = Some(node);
            return;
        };
        top.weight.nodes += weight.nodes;
        top.weight.bytes += weight.bytes;
        top.weight.height = top.weight.height.max(weight.height + 1);
        top.end = top.end.max(node.bytes.end);
        match &mut top.kind {
            FrameKind::List(items) => items.push(node),
            FrameKind::Map(entries, key) => {
                let Some(Key { text, bytes, merge }) = key.take() else {
                    return;
                };
                top.end = top.end.max(bytes.end);
                top.weight.bytes += text.len();
                let entry = Entry { key: text, key_bytes: bytes, node, merge };
                let error = match entries.get(&entry.key) {
                    Some(first) => Some(rules::duplicate(self.source, first, &entry)),
                    None if merge && !can_merge(&entry.node) => Some(rules::bad_merge(self.source, &entry)),
                    None => None,
                };
                match error {
                    Some(error) => self.error(error),
                    None => entries.push(entry),
                }
            }
        }
    }
}
