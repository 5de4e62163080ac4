//! An error that a user meets: a rule, a sentence, a place and a hint.

use std::fmt;

use serde_json::json;

use super::place::{Place, Spot};

/// One error. Sentences are lower-case and have no trailing dot.
///
/// `Display` is the short form `file:line:column: message`; [`Diagnostic::render`] (in
/// `render.rs`) shows the source line.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// where; `None` only for what has no text at all (a missing file)
    pub spot: Option<Spot>,
    /// a stable id such as `unknown-key`
    pub rule: &'static str,
    /// what is wrong
    pub message: String,
    /// what to do about it
    pub hint: Option<String>,
    /// further places with a label each, such as the first definition
    pub also: Vec<(Spot, String)>,
}

impl Diagnostic {
    /// An error at a [`Place`], or at bytes of a text: `(&source, 3..7)`.
    pub fn at(spot: impl Into<Spot>, rule: &'static str, message: impl Into<String>) -> Self {
        let mut made = Self::new(rule, message);
        made.spot = Some(spot.into());
        made
    }

    /// An error with no text to point into.
    pub fn new(rule: &'static str, message: impl Into<String>) -> Self {
        Self { spot: None, rule, message: message.into(), hint: None, also: Vec::new() }
    }

    /// Adds what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a second place, shown with its label under it.
    pub fn also(mut self, spot: impl Into<Spot>, label: impl Into<String>) -> Self {
        self.also.push((spot.into(), label.into()));
        self
    }

    /// The place in a document, if it is in one.
    pub fn place(&self) -> Option<&Place> {
        match &self.spot {
            Some(Spot::Place(place)) => Some(place),
            _ => None,
        }
    }

    /// File, line and column, both from 1, the column in characters.
    pub fn position(&self) -> Option<(String, usize, usize)> {
        let (source, bytes) = self.spot.as_ref()?.resolve();
        let (line, column) = source.line_column(source.clamp(bytes).start);
        Some((source.name().to_owned(), line, column))
    }

    /// `{rule, message, hint, file, line, column, end_line, end_column}`; the end is exclusive;
    /// what is not known is `null`.
    pub fn to_json(&self) -> serde_json::Value {
        let ends = self.spot.as_ref().map(|spot| {
            let (source, bytes) = spot.resolve();
            let start = source.clamp(bytes.clone()).start;
            let end = bytes.end.max(start);
            (source.line_column(start), source.line_column(end))
        });
        let file = self.spot.as_ref().map(|spot| spot.resolve().0.name());
        json!({
            "rule": self.rule,
            "message": self.message,
            "hint": self.hint,
            "file": file,
            "line": ends.map(|((line, _), _)| line),
            "column": ends.map(|((_, column), _)| column),
            "end_line": ends.map(|(_, (line, _))| line),
            "end_column": ends.map(|(_, (_, column))| column),
        })
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((file, line, column)) = self.position() {
            write!(f, "{file}:{line}:{column}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Diagnostic {}

/// The candidate that a misspelt word most likely meant: the nearest by Damerau-Levenshtein
/// distance without regard to case, at most 2 away or a third of the word's length; the first of
/// equals. Words over 64 characters have no neighbour (they are not names, and time is bounded).
pub fn did_you_mean<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.to_lowercase().chars().take(65).collect();
    let most = match word.len() {
        0 | 65 => return None,
        // one edit of "ip" is every other two-letter word
        1 | 2 => 1,
        length => 2.max(length / 3).min(length - 1),
    };
    candidates
        .map(|name| (distance(&word, name), name))
        .filter(|(edits, name)| *edits <= most && *edits < name.chars().count())
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name)
}

/// Edits (insert, delete, replace, swap neighbours) between two words: optimal string alignment.
fn distance(word: &[char], other: &str) -> usize {
    let other: Vec<char> = other.to_lowercase().chars().take(80).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in word.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let replace = above[j] + usize::from(a != b);
            let mut best = replace.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && word[i - 1] == *b {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::source::Source;
    use std::sync::Arc;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let keys = ["name", "notify", "needs", "remediation", "when", "Port"];
        let near = |word| did_you_mean(word, keys.into_iter());
        assert_eq!(near("remediaton"), Some("remediation"));
        assert_eq!(near("NAME"), Some("name"));
        assert_eq!(near("wehn"), Some("when"));
        assert_eq!(near("prot"), Some("Port"));
        assert_eq!(near("remedies"), None);
        assert_eq!(near("xy"), None);
        assert_eq!(near(""), None);
        assert_eq!(near(&"n".repeat(1_000_000)), None);
    }

    #[test]
    fn json_has_the_whole_span() {
        let source = Arc::new(Source::new("a.yaml", "é: |\n  x\n  y\n"));
        let error = Diagnostic::at((&source, 8..13), "demo", "no").hint("so");
        insta::assert_snapshot!(error.to_json(), @r#"{"rule":"demo","message":"no","hint":"so","file":"a.yaml","line":2,"column":3,"end_line":3,"end_column":4}"#);
        assert_eq!(error.to_string(), "a.yaml:2:3: no");
        let bare = Diagnostic::new("demo", "no");
        insta::assert_snapshot!(bare.to_json(), @r#"{"rule":"demo","message":"no","hint":null,"file":null,"line":null,"column":null,"end_line":null,"end_column":null}"#);
    }
}
