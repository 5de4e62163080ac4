//! Syntax errors of how lines and colons are laid out, said for people; see `syntax.rs`.

use super::diagnostic::Diagnostic;
use super::frame::Frame;
use super::syntax::{Spot, indent, quote};

/// A colon too many, or one without its space (YAML 1.2.2 §7.4, §8.2.2).
pub fn colon(spot: &Spot, info: &str) -> Option<Diagnostic> {
    let expects = info.contains("simple key expect");
    if !expects && !info.contains("mapping values are not allowed") {
        return None;
    }
    let above = spot.above();
    if !expects && let Some(value) = spot.text().find(": ").filter(|at| spot.base() + at < spot.at) {
        let whole = spot.text()[value + 2..].trim();
        let hint = match whole.len() < 60 && !whole.starts_with(['"', '\'']) {
            true => format!("quote the text: {}", quote(whole)),
            false => "quote the whole text after the first colon".to_owned(),
        };
        let message = "a second `: ` on this line";
        return Some(spot.error(spot.at, 1, message, hint));
    }
    let culprit = above.as_ref()?;
    let text = culprit.text();
    if let Some(colon) = no_space(text) {
        let hint = "write a space after the colon; if text is meant, quote it";
        let at = culprit.base() + colon;
        return Some(spot.error(at, 1, "no space after this colon", hint));
    }
    if expects {
        let start = culprit.base() + indent(text);
        let hint = "write `key: value`; text on several lines is indented, or a block: `key: |`";
        let message = "this line is neither a key nor the value of one";
        return Some(spot.error(start, text.trim().len(), message, hint));
    }
    let own = indent(spot.text());
    let key = text.trim_start_matches([' ', '-']).split(':').next().unwrap_or_default();
    let hint = format!(
        "\"{key}\" (line {}) already has a value on its line: take that away, or start this line in column {}",
        culprit.line + 1,
        text.len() - text.trim_start_matches([' ', '-']).len() + 1,
    );
    let length = spot.text().trim_end().len() - own;
    Some(spot.error(spot.base() + own, length, "this line is indented too deep", hint))
}

/// The colon of `key:value`.
fn no_space(line: &str) -> Option<usize> {
    let text = line.trim_start_matches([' ', '-']);
    let word = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '-')?;
    let after = text[word..].strip_prefix(':')?;
    let glued = word > 0 && !after.is_empty() && !after.starts_with([' ', '/']);
    glued.then(|| line.len() - text.len() + word)
}

/// Lines that do not line up (YAML 1.2.2 §6.1, §8.2).
pub fn indentation(spot: &Spot, stack: &[Frame], info: &str) -> Option<Diagnostic> {
    let text = spot.text();
    let own = indent(text);
    let start = spot.base() + own;
    let length = text.trim_end().len().saturating_sub(own);
    let dash = text[own..].starts_with("- ") || &text[own..] == "-";
    if info.contains("comment intercepting") {
        let hint = "the text goes on in the next line: remove the comment, or write a block: `key: |`";
        return Some(spot.error(spot.at, spot.rest().len(), "a comment inside text", hint));
    }
    if info.contains("block sequence entries") {
        let hint = "start the list on the next line, or write [a, b]; if text is meant, quote it";
        return Some(spot.error(spot.at, 1, "a list item cannot start here", hint));
    }
    let item = info.contains("expected '-' indicator");
    if !item && !info.contains("expected key") {
        return None;
    }
    if spot.at > start && !dash {
        let message = "text after the end of a value";
        let hint = match spot.text()[..spot.at - spot.base()].trim_end().chars().last() {
            Some(']' | '}') => "text that starts with [ or { must be quoted, all of it",
            _ => "quote the whole value",
        };
        let length = spot.rest().trim_end().len();
        return Some(spot.error(spot.at, length, message, hint));
    }
    let above = spot.above();
    let key = |text: &str| text.contains(": ") || text.ends_with(':');
    if item {
        let text = above.map_or("", |spot| spot.text());
        let bare = text.trim_start_matches([' ', '-']);
        let hint = match text.len() - bare.len() {
            _ if dash => "the dashes of one list start in one column".to_owned(),
            inner if inner > own && key(bare) => {
                format!("keys of one list item line up with its first key: column {}", inner + 1)
            }
            _ => "start the item with `- `, or indent this line to where it belongs".to_owned(),
        };
        return Some(spot.error(start, length, "a list item should start here", hint));
    }
    if dash {
        let message = "a list item where a key should be";
        let hint = "a list stands alone under its key: indent it under one, or remove the dash";
        return Some(spot.error(start, length, message, hint));
    }
    let above = above.filter(|spot| key(spot.text()) && !spot.text().trim().starts_with("- "));
    let outer = stack.iter().rev().find(|frame| !frame.flow);
    let mut columns: Vec<String> = Vec::new();
    for at in above.map(|spot| spot.at).into_iter().chain(outer.map(|frame| frame.start)) {
        let (line, column) = spot.source.line_column(at);
        let column = format!("column {column} (line {line})");
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    let hint = match columns.is_empty() {
        true => "keys of one map start in one column".to_owned(),
        false => format!("keys of one map start in one column: {}", columns.join(" or ")),
    };
    let message = "this line does not line up with the ones above it";
    Some(spot.error(start, length, message, hint))
}
