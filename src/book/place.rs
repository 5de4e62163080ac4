//! Where something stands: a route of keys that stays symbolic and becomes line and column late.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::source::Source;
use super::yaml::Document;

/// One step of a [`Route`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Seg {
    /// the value under this key of a map
    Key(Arc<str>),
    /// the item at this index of a list, from 0
    Index(usize),
}

/// Keys and indices from the root; printed as `steps[3].remediation`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Route(Vec<Seg>);

impl Route {
    /// This route and then a key.
    pub fn key(&self, key: impl Into<Arc<str>>) -> Self {
        self.then(Seg::Key(key.into()))
    }

    /// This route and then an index, from 0.
    pub fn index(&self, index: usize) -> Self {
        self.then(Seg::Index(index))
    }

    /// The steps from the root.
    pub fn segs(&self) -> &[Seg] {
        &self.0
    }

    fn then(&self, seg: Seg) -> Self {
        let mut segs = Vec::with_capacity(self.0.len() + 1);
        segs.extend_from_slice(&self.0);
        segs.push(seg);
        Self(segs)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, seg) in self.0.iter().enumerate() {
            match seg {
                Seg::Key(key) if at == 0 => write!(f, "{key}")?,
                Seg::Key(key) => write!(f, ".{key}")?,
                Seg::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// What of an entry is meant.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Part {
    /// the key of a map's entry (for a list's item: the item)
    Key,
    /// the value; its key where the value is empty
    Value,
    /// bytes of the *decoded* text of a scalar, as a template engine counts them
    Within(Range<usize>),
}

/// A place in a document that was parsed.
#[derive(Clone)]
pub struct Place {
    doc: Arc<Document>,
    route: Route,
    part: Part,
}

impl Place {
    /// Any route is fine: one that the document lacks stands for its nearest ancestor.
    pub fn new(doc: Arc<Document>, route: Route, part: Part) -> Self {
        Self { doc, route, part }
    }

    /// The route from the root.
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// What stands below, by keys (or indices, written as numbers, where it is a list).
    #[must_use]
    pub fn below(&self, keys: &[String]) -> Self {
        let route = keys.iter().fold(self.route.clone(), |route, key| {
            let list = self.doc.at(&route).is_some_and(serde_json::Value::is_array);
            match key.parse() {
                Ok(index) if list => route.index(index),
                _ => route.key(key.as_str()),
            }
        });
        Self::new(Arc::clone(&self.doc), route, Part::Value)
    }

    /// Which part of the entry is meant.
    pub fn part(&self) -> &Part {
        &self.part
    }

    /// The same scalar, narrowed to bytes of its decoded text.
    ///
    /// Exact for plain and quoted text on one line (with its escapes) and for literal blocks
    /// (`|`); otherwise the whole scalar is meant.
    pub fn within(&self, bytes: Range<usize>) -> Self {
        let part = Part::Within(bytes);
        Self::new(Arc::clone(&self.doc), self.route.clone(), part)
    }

    /// The bytes of the source that are meant.
    pub fn bytes(&self) -> Range<usize> {
        self.doc.bytes_of(&self.route, &self.part)
    }

    /// The text that the place is in.
    pub fn source(&self) -> &Arc<Source> {
        self.doc.source()
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.source().name();
        write!(f, "{name}: {} ({:?})", self.route, self.part)
    }
}

/// Where an error points: a place in a document, or bytes of a text that is none (it did not
/// parse, or is a `-e` value).
#[derive(Clone, Debug)]
pub enum Spot {
    /// symbolic
    Place(Place),
    /// literal
    Bytes(Arc<Source>, Range<usize>),
}

impl Spot {
    /// The text and the bytes of it that are meant (not clamped).
    pub fn resolve(&self) -> (&Arc<Source>, Range<usize>) {
        match self {
            Self::Place(place) => (place.source(), place.bytes()),
            Self::Bytes(source, bytes) => (source, bytes.clone()),
        }
    }
}

impl From<Place> for Spot {
    fn from(place: Place) -> Self {
        Self::Place(place)
    }
}

impl From<(&Arc<Source>, Range<usize>)> for Spot {
    fn from((source, bytes): (&Arc<Source>, Range<usize>)) -> Self {
        Self::Bytes(Arc::clone(source), bytes)
    }
}
