//! A YAML document with a position for everything in it, and a cursor to decode it by hand.
//!
//! Values are yaml_serde's (YAML 1.2 core schema: only `true` and `false` are booleans; `0644` is
//! text). Spans come from another parser (`events.rs`), which runs first and bounds the work; the
//! two trees are walked together, and where they disagree the file is refused as ambiguous.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use super::diagnostic::Diagnostic;
use super::node::Node;
use super::place::{Part, Route, Seg};
use super::source::Source;
use super::spans::{Kids, Spans};
use super::{events, join, syntax, within};

/// Bytes that one file may have.
pub const LARGEST: usize = 1 << 20;
/// Errors of one file that are kept; a last one says how many more there are.
pub const MOST_ERRORS: usize = 100;

/// One parsed document: its text, its value with merges (`<<`) applied, and its spans.
pub struct Document {
    source: Arc<Source>,
    value: Value,
    spans: Arc<Spans>,
}

impl Document {
    /// Reads one document.
    ///
    /// # Errors
    /// All errors of the file, sorted by position, at most [`MOST_ERRORS`] and one. After a
    /// syntax error nothing further in the file is known. Rules: `too-large`, `not-utf8`,
    /// `control-character`, `tab`, `syntax`, `unquoted-template`, `empty`, `several-documents`,
    /// `duplicate-key`, `key-type`, `tag`, `merge`, `number`, `too-deep`, `alias-bomb`,
    /// `alias-loop`, `ambiguous`, and `too-many` for the last.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Arc<Self>, Vec<Diagnostic>> {
        let source = decode(name, bytes).map_err(|error| vec![*error])?;
        let read = match syntax::control_characters(&source) {
            errors if errors.is_empty() => events::read(&source),
            errors => Err(tidy(errors, 0)),
        };
        let spans = read?;
        let (value, spans) = join::values(&source, &spans).map_err(|errors| tidy(errors, 0))?;
        Ok(Arc::new(Self { source, value, spans }))
    }

    /// Whether a text that is no runbook can be read at all: `too-large`, `not-utf8`, `control-character`.
    pub(crate) fn check(name: &str, bytes: &[u8]) -> Vec<Diagnostic> {
        match decode(name, bytes) {
            Ok(source) => syntax::control_characters(&source),
            Err(error) => vec![*error],
        }
    }

    /// A cursor at the root.
    pub fn root(self: &Arc<Self>) -> Node {
        Node::new(Arc::clone(self), Route::default())
    }

    /// The text that was parsed.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The whole value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The bytes that a route means; of its nearest ancestor if the document lacks it.
    pub(super) fn bytes_of(&self, route: &Route, part: &Part) -> Range<usize> {
        let (node, key, whole) = self.find(route);
        let value = match (node.bytes.is_empty(), &key) {
            (true, Some(key)) => key.clone(),
            _ => node.bytes.clone(),
        };
        match (part, &node.kids) {
            (Part::Key, _) if whole => key.unwrap_or(value),
            (Part::Within(range), Kids::Scalar(style)) if whole => {
                let decoded = self.at(route).and_then(Value::as_str);
                let text = self.source.text();
                decoded.and_then(|decoded| within::locate(text, &node.bytes, *style, decoded, range)).unwrap_or(value)
            }
            _ => value,
        }
    }

    /// The spans at a route, the bytes of the last key on the way, and whether all of it was found.
    pub(super) fn find(&self, route: &Route) -> (&Spans, Option<Range<usize>>, bool) {
        let mut node = &*self.spans;
        let mut key = None;
        for seg in route.segs() {
            match (seg, &node.kids) {
                (Seg::Key(name), Kids::Map(entries)) if let Some(entry) = entries.get(name) => {
                    key = Some(entry.key_bytes.clone());
                    node = &entry.node;
                }
                (Seg::Index(index), Kids::List(items)) if let Some(item) = items.get(*index) => {
                    key = None;
                    node = item;
                }
                _ => return (node, key, false),
            }
        }
        (node, key, true)
    }

    /// The value at a route.
    pub(super) fn at(&self, route: &Route) -> Option<&Value> {
        route.segs().iter().try_fold(&self.value, |value, seg| match seg {
            Seg::Key(key) => value.get(&**key),
            Seg::Index(index) => value.get(index),
        })
    }
}

/// The checks that come before any parser.
fn decode(name: &str, bytes: &[u8]) -> Result<Arc<Source>, Box<Diagnostic>> {
    if bytes.len() > LARGEST {
        let tenths = bytes.len().saturating_mul(10) >> 20;
        let message = format!("the file has {}.{} MiB", tenths / 10, tenths % 10);
        let start = String::from_utf8_lossy(&bytes[..200]);
        let first = start.lines().next().unwrap_or_default();
        let source = Arc::new(Source::new(name, first));
        let error = Diagnostic::at((&source, 0..0), "too-large", message);
        return Err(Box::new(error.hint("at most 1 MiB is read: is this the right file?")));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Arc::new(Source::new(name, text))),
        Err(error) => {
            // up to the bad byte, offsets in the replaced text are those of the file
            let at = error.valid_up_to();
            let source = Arc::new(Source::new(name, String::from_utf8_lossy(bytes)));
            let from = match bytes {
                [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "utf-16",
                _ => "latin1",
            };
            let byte = bytes.get(at).copied().unwrap_or_default();
            let message = format!("not UTF-8: the byte 0x{byte:02x}");
            let spot = (&source, at..at + '\u{fffd}'.len_utf8());
            let hint = format!("convert it: iconv -f {from} -t utf-8 {name} > new.yaml");
            Err(Box::new(Diagnostic::at(spot, "not-utf8", message).hint(hint)))
        }
    }
}

/// Sorted by position, and not more than a person reads; `dropped` were not even kept.
pub(crate) fn tidy(mut errors: Vec<Diagnostic>, dropped: usize) -> Vec<Diagnostic> {
    errors.sort_by_key(|error| error.spot.as_ref().map(|spot| spot.resolve().1.start));
    if errors.len() > MOST_ERRORS {
        let more = errors.len() - MOST_ERRORS + dropped;
        errors.truncate(MOST_ERRORS);
        let last = errors.last().and_then(|error| error.spot.clone());
        let mut error = Diagnostic::new("too-many", format!("{more} more errors in this file"));
        error.spot = last;
        errors.push(error.hint("repair the first ones and run it again"));
    }
    errors
}
