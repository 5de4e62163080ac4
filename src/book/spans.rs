//! Where everything in a document stands: a tree of byte spans with the document's shape.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use saphyr_parser::ScalarStyle;

/// Maps larger than this get a hash index.
const SMALL: usize = 16;

/// Where one value stands. Aliases share their anchor's node, so an error inside points at the
/// anchor's text.
#[derive(Debug)]
pub struct Spans {
    /// bytes of the value without its tag and anchor; empty for an empty value
    pub bytes: Range<usize>,
    pub kids: Kids,
}

#[derive(Debug)]
pub enum Kids {
    Scalar(ScalarStyle),
    List(Vec<Arc<Spans>>),
    Map(Entries),
}

/// One entry of a map.
#[derive(Clone, Debug)]
pub struct Entry {
    pub key: Arc<str>,
    pub key_bytes: Range<usize>,
    pub node: Arc<Spans>,
    /// a plain `<<`, whose value is to be merged (YAML 1.1 merge key type)
    pub merge: bool,
}

/// The entries of a map in the order of the text, with unique keys.
#[derive(Debug, Default)]
pub struct Entries {
    list: Vec<Entry>,
    index: HashMap<Arc<str>, usize>,
}

impl Entries {
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.list.iter()
    }

    pub fn get(&self, key: &str) -> Option<&Entry> {
        let at = match self.list.len() > SMALL {
            true => *self.index.get(key)?,
            false => self.list.iter().position(|entry| &*entry.key == key)?,
        };
        self.list.get(at)
    }

    /// Appends an entry; the caller has looked that its key is new.
    pub fn push(&mut self, entry: Entry) {
        self.list.push(entry);
        match self.list.len() {
            0..=SMALL => {}
            n if n == SMALL + 1 => {
                let keys = self.list.iter().enumerate();
                self.index = keys.map(|(at, entry)| (entry.key.clone(), at)).collect();
            }
            n => {
                let key = self.list[n - 1].key.clone();
                self.index.insert(key, n - 1);
            }
        }
    }
}

/// Whether a value is not there at all, as in `key:`.
pub fn is_empty(node: &Spans) -> bool {
    node.bytes.is_empty() && matches!(node.kids, Kids::Scalar(ScalarStyle::Plain))
}

/// The length of the tag and anchor before a value, with the white space after them
/// (YAML 1.2.2 §6.9).
pub fn properties(raw: &str) -> usize {
    let mut rest = raw;
    while rest.starts_with(['&', '!']) {
        let word = rest.find([' ', '\t', '\n', '\r', ',', ']', '}']).unwrap_or(rest.len());
        rest = rest[word..].trim_start();
    }
    raw.len() - rest.len()
}

/// What a plain scalar is if it is not text (YAML 1.2.2 §10.3.2).
pub fn not_text(text: &str) -> Option<&'static str> {
    match text {
        "" => return Some("empty"),
        "~" | "null" | "Null" | "NULL" => return Some("null"),
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => return Some("a boolean"),
        _ => {}
    }
    number(text).then_some("a number")
}

/// Whether yaml_serde takes a plain scalar for a number. It takes `0644` for text.
fn number(text: &str) -> bool {
    let bare = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(bare, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = bare.strip_prefix(prefix) {
            return !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
        }
    }
    let digits = bare.as_bytes();
    let octal = digits.len() > 1 && digits[0] == b'0' && digits.iter().all(u8::is_ascii_digit);
    let starts = matches!(digits, [b'0'..=b'9', ..] | [b'.', b'0'..=b'9', ..]);
    starts && !octal && bare.parse::<f64>().is_ok_and(f64::is_finite)
}

/// A merge takes a map or a list of maps.
pub fn can_merge(node: &Spans) -> bool {
    match &node.kids {
        Kids::Scalar(_) => false,
        Kids::Map(_) => true,
        Kids::List(items) => items.iter().all(|item| matches!(item.kids, Kids::Map(_))),
    }
}
