//! What the event pass holds of lists and maps that are not finished.

use std::ops::Range;
use std::sync::Arc;

use super::spans::{Entries, Spans};

/// A list or map that is being read.
pub struct Frame {
    pub start: usize,
    /// in brackets
    pub flow: bool,
    pub kind: FrameKind,
    pub anchor: usize,
    pub weight: Weight,
    pub end: usize,
}

pub enum FrameKind {
    List(Vec<Arc<Spans>>),
    Map(Entries, Option<Key>),
}

/// A key that waits for its value.
pub struct Key {
    pub text: Arc<str>,
    pub bytes: Range<usize>,
    pub merge: bool,
}

/// What a value costs when it is repeated.
#[derive(Clone, Copy, Default)]
pub struct Weight {
    pub nodes: usize,
    pub bytes: usize,
    pub height: usize,
}

pub struct Anchor {
    pub bytes: Range<usize>,
    /// `None` while the value is still being read
    pub done: Option<(Arc<Spans>, Weight)>,
}
