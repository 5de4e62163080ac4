//! A source's text, and the same text as errors may show it: without what may be a secret.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use regex::Regex;
use serde_json::Value;

use crate::book::{Diagnostic, Given, Source, Spot};

/// Words that make a name one of a secret.
const SECRET: &str = "pass|secret|token|credential|api_?key|private_key";

/// A name of something that must not be shown; `…_file` names where it is.
pub(super) fn is_secret(name: &str) -> bool {
    static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&format!("(?i-u:{SECRET})")).ok());
    let words = NAME.as_ref().is_none_or(|n| n.is_match(name));
    words && !name.ends_with("_file") && name != "ansible_ssh_password_mechanism"
}

/// One source.
pub(super) struct Text {
    pub source: Arc<Source>,
    shown: Arc<Source>,
}

impl Text {
    pub(super) fn new(name: &str, text: &str) -> Self {
        let source = Arc::new(Source::new(name, text));
        let shown = masked(&source);
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

/// The same lines and columns (a character of several bytes becomes several) with stars for what follows a secret's
/// name, and for the deeper lines below it.
pub(super) fn masked(source: &Arc<Source>) -> Arc<Source> {
    static KEY: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let word = r"[A-Za-z0-9_.\-]*";
        Regex::new(&format!(r#"{word}(?i-u:{SECRET}){word}["']?[ \t]*[=:]"#)).ok()
    });
    static SOURCE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^[ \t]*(\{[ \t]*(env|file|command)[ \t]*:|prompt\b|$)").ok());
    let (Some(key), Some(known)) = (KEY.as_ref(), SOURCE.as_ref()) else {
        return Arc::new(Source::new(source.name(), ""));
    };
    let mut out = String::with_capacity(source.text().len());
    let mut inside: Option<usize> = None;
    for line in source.text().split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        let deeper = inside.is_some_and(|n| indent > n || line.trim().is_empty());
        inside = inside.filter(|_| deeper);
        let keys =
            || key.find_iter(line).filter(|m| is_secret(m.as_str().trim_end_matches(['=', ':', ' ', '\t', '"', '\''])));
        let from = match deeper {
            true => Some(indent.min(line.len())),
            false => keys().map(|m| m.end()).find(|end| !known.is_match(line[*end..].trim_end())),
        };
        let Some(from) = from else {
            out.push_str(line);
            continue;
        };
        let value = line[from..].trim();
        if !deeper && (value.is_empty() || value.starts_with(['|', '>', '!', '"', '\''])) {
            inside = Some(indent);
        }
        out.push_str(&line[..from]);
        line[from..].chars().for_each(|c| match c {
            c if c.is_ascii_whitespace() => out.push(c),
            c => out.extend(std::iter::repeat_n('*', c.len_utf8())),
        });
    }
    match out == source.text() {
        true => Arc::clone(source),
        false => Arc::new(Source::new(source.name(), out)),
    }
}

/// Every place of these errors in a text without secrets.
pub(super) fn redact(errors: Vec<Diagnostic>) -> Vec<Diagnostic> {
    // Most errors are of few texts; a text that is in the map is not freed, and its address not used again.
    let mut known: HashMap<*const Source, (Arc<Source>, Arc<Source>)> = HashMap::new();
    let mut hide = |spot: &Spot| {
        let (source, bytes) = spot.resolve();
        let shown = known.entry(Arc::as_ptr(source)).or_insert_with(|| (Arc::clone(source), masked(source)));
        if Arc::ptr_eq(&shown.1, source) { spot.clone() } else { Spot::Bytes(Arc::clone(&shown.1), bytes) }
    };
    let mut one = |mut e: Diagnostic| {
        e.spot = e.spot.as_ref().map(&mut hide);
        e.also = e.also.iter().map(|(spot, label)| (hide(spot), label.clone())).collect();
        e
    };
    errors.into_iter().map(&mut one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_stars() {
        for (text, shown) in [
            ("a ansible_password=hunter2 x=1\nb", "a ansible_password=******* ***\nb"),
            ("db_pass: \"é\"\nx: 1\n", "db_pass: ****\nx: 1\n"),
            ("api_token: |\n  one\n  two\nx: 1", "api_token: *\n  ***\n  ***\nx: 1"),
            ("password: {env: X}", "password: {env: X}"),
            ("password: prompt", "password: prompt"),
            ("key_password_file: /x", "key_password_file: /x"),
            ("\"smtp_PassWord\": 'x y'", "\"smtp_PassWord\": ** **"),
            ("host1 port=22", "host1 port=22"),
        ] {
            assert_eq!(masked(&Arc::new(Source::new("t", text))).text(), shown, "{text}");
        }
    }
}
