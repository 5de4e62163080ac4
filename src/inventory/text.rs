//! A source's text, and the same text as errors may show it: without what may be a secret.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

pub(super) use crate::book::excerpt::is_secret_name as is_secret;
use crate::book::excerpt::{blank_secrets, hide_secrets};
use crate::book::{Diagnostic, Given, Source, Spot};

/// One source.
pub(super) struct Text {
    pub source: Arc<Source>,
    shown: Arc<Source>,
}

impl Text {
    pub(super) fn new(name: &str, text: &str) -> Self {
        let source = Arc::new(Source::new(name, text));
        let shown = blank_secrets(&source, &is_secret);
        Self { source, shown }
    }

    pub(super) fn spot(&self, bytes: Range<usize>) -> Spot {
        Spot::Bytes(Arc::clone(&self.shown), bytes)
    }

    /// The text there, as it may be shown.
    pub(super) fn quoted(&self, bytes: Range<usize>) -> &str {
        self.shown.text().get(bytes).unwrap_or_default()
    }

    pub(super) fn given(&self, name: &str, named: Range<usize>, value: Value, bytes: Range<usize>) -> Given {
        let bytes = if bytes.is_empty() { named.clone() } else { bytes };
        Given { name: name.to_owned(), value, spot: self.spot(bytes), named: self.spot(named) }
    }
}

/// A place for what stands in no text.
pub(super) fn here() -> Spot {
    Spot::Bytes(Arc::new(Source::new("inventory", "")), 0..0)
}

/// Every place of these errors in a text without secrets.
pub(super) fn redact(errors: Vec<Diagnostic>) -> Vec<Diagnostic> {
    hide_secrets(errors, &is_secret)
}
