//! Syntax errors in words for a person at 3 a.m.: what was probably meant, and where.
//!
//! saphyr-parser stops at the first syntax error and says where it noticed; the mistake is often
//! earlier on the line or on the line above. What is recognised here is said in our words, with
//! the caret where the repair belongs; the rest keeps the parser's words.

use std::sync::Arc;

use super::diagnostic::Diagnostic;
use super::frame::Frame;
use super::layout::{colon, indentation};
use super::rules;
use super::source::Source;

/// The error that the parser noticed at byte `at`, inside the open lists and maps of `stack`.
///
/// Rules: `tab` (YAML 1.2.2 §6.1), `unquoted-template`, `syntax`.
pub fn explain(source: &Arc<Source>, stack: &[Frame], at: usize, info: &str) -> Diagnostic {
    let spot = Spot::new(source, at);
    if info == "recursion limit exceeded" {
        // the scanner read ahead of the events, and has a limit of its own
        return rules::too_deep(source, at..at + 1);
    }
    tab(&spot, info)
        .or_else(|| spot.template())
        .or_else(|| scalar(&spot, info))
        .or_else(|| brackets(&spot, stack, info))
        .or_else(|| colon(&spot, info))
        .or_else(|| indentation(&spot, stack, info))
        .unwrap_or_else(|| {
            let message = info.rsplit("did not find ").next().unwrap_or(info);
            let message = match message == info {
                true => info.to_owned(),
                false => format!("{} is missing here", message.trim_start_matches("expected ")),
            };
            let hint = "look at the indentation, quotes and colons of this line and the one above";
            spot.error(at, 1, message, hint)
        })
}

/// A value that starts with `{{` and is not quoted: YAML reads a map in a map. `start` is the
/// first brace.
pub fn unquoted_template(source: &Arc<Source>, start: usize) -> Diagnostic {
    let line = source.line_range(source.line_of(start));
    let rest = &source.text()[start..line.end];
    let rest = rest.split(" #").next().unwrap_or(rest).trim_end();
    let count = |set: [char; 2]| rest.chars().filter(|c| set.contains(c)).count();
    let open = count(['{', '[']);
    // inside other brackets, what follows the template is not part of it
    let value = match (open == count(['}', ']']), rest.find("}}")) {
        (false, Some(end)) => &rest[..end + 2],
        _ => rest,
    };
    let spot = (source, start..start + value.len());
    Diagnostic::at(spot, "unquoted-template", "a value that starts with {{ must be quoted")
        .hint(format!("write {}", quote(value)))
}

/// Control characters other than tab and line breaks (YAML 1.2.2 §5.1), each line's first. U+0085
/// is refused too: it is a line break to YAML 1.1 (§5.4) and to one of our two parsers.
pub fn control_characters(source: &Arc<Source>) -> Vec<Diagnostic> {
    let forbidden = |c: char| {
        matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}')
            || matches!(c, '\u{80}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}')
    };
    let mut line = usize::MAX;
    let mut errors = Vec::new();
    for (at, c) in source.text().char_indices().filter(|(_, c)| forbidden(*c)) {
        if source.line_of(at) == line || errors.len() >= 100 {
            continue;
        }
        line = source.line_of(at);
        let message = format!("the control character U+{:04X}", u32::from(c));
        let hint = match c {
            '\0' => "is this a text file? a NUL often means UTF-16: iconv -f utf-16 -t utf-8",
            _ => "remove it, or write it as an escape in double quotes: \"\\e\" or \"\\x1b\"",
        };
        let spot = (source, at..at + c.len_utf8());
        errors.push(Diagnostic::at(spot, "control-character", message).hint(hint));
    }
    errors
}

/// An error of yaml_serde on a text that saphyr-parser took: mostly numbers and tags.
pub fn from_serde(source: &Arc<Source>, error: &serde_yaml::Error) -> Diagnostic {
    let text = error.to_string();
    let at = error.location().map(|l| source.offset(l.line(), l.column()));
    let at = at.unwrap_or_default();
    if let Some(found) = tab(&Spot::new(source, at), &text) {
        return found;
    }
    let line = source.line_range(source.line_of(at));
    let rest = &source.text()[at.min(line.end)..line.end];
    let word = rest.split([' ', ',', ']', '}']).next().unwrap_or_default();
    let spot = (source, at..at + word.len());
    if text.contains("invalid type: integer") {
        let error = Diagnostic::at(spot, "number", format!("the number {word} is out of range"));
        return error.hint(format!("if text is meant, quote it: \"{word}\""));
    }
    // its own " at line 1 column 2" and the route before the message are ours to say
    let message = text.split(" at line ").next().unwrap_or(&text);
    let message = message.rsplit(": invalid").next().unwrap_or(message);
    let message = match text.contains(": invalid") {
        true => format!("invalid{message}"),
        false => message.to_owned(),
    };
    Diagnostic::at(spot, "syntax", message).hint("quote the value if text is meant")
}

/// The value as a YAML string that reads as itself.
pub fn quote(value: &str) -> String {
    match value.contains(['"', '\\']) {
        false => format!("\"{value}\""),
        true => format!("'{}'", value.replace('\'', "''")),
    }
}

/// The parser's mark with the line it is on.
pub struct Spot<'s> {
    pub source: &'s Arc<Source>,
    pub at: usize,
    /// counted from 0
    pub line: usize,
}

impl<'s> Spot<'s> {
    fn new(source: &'s Arc<Source>, at: usize) -> Self {
        let line = source.line_of(at);
        Self { source, at, line }
    }

    pub fn error(&self, at: usize, length: usize, message: impl Into<String>, hint: impl Into<String>) -> Diagnostic {
        Diagnostic::at((self.source, at..at + length), "syntax", message).hint(hint)
    }

    pub fn text(&self) -> &'s str {
        self.source.line(self.line)
    }

    /// Where the line starts.
    pub fn base(&self) -> usize {
        self.source.line_range(self.line).start
    }

    /// The rest of the line from the mark.
    pub fn rest(&self) -> &'s str {
        let end = self.source.line_range(self.line).end;
        self.source.text().get(self.at.min(end)..end).unwrap_or_default()
    }

    /// The nearest line above that says something.
    pub fn above(&self) -> Option<Self> {
        let says = |line: &usize| {
            let text = self.source.line(*line).trim();
            !text.is_empty() && !text.starts_with('#')
        };
        let line = (0..self.line).rev().find(says)?;
        let at = self.source.line_range(line).start + indent(self.source.line(line));
        Some(Self { source: self.source, at, line })
    }

    /// An unquoted template on this line or, if the line is not at fault, the one above.
    fn template(&self) -> Option<Diagnostic> {
        let here = (self, self.at);
        let above = self.above();
        let above = above.as_ref().map(|spot| (spot, usize::MAX));
        [Some(here), above].into_iter().flatten().find_map(|(spot, before)| {
            let text = spot.text();
            let found = text.match_indices("{{").map(|(at, _)| at).find(|at| {
                let prefix = text[..*at].trim_end();
                let starts = prefix.is_empty() || prefix.ends_with([':', '-', ',', '[']);
                let quotes = prefix.matches(['"', '\'']).count();
                starts && quotes % 2 == 0 && !prefix.contains(" #")
            })?;
            let start = spot.base() + found;
            (start <= before).then(|| unquoted_template(self.source, start))
        })
    }
}

/// Bytes of white space before the text of a line.
pub fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn tab(spot: &Spot, info: &str) -> Option<Diagnostic> {
    if info.contains("block scalar content cannot start with a tab") {
        let starts = |text: &str| text[..indent(text)].contains('\t');
        let mut below = (spot.line + 1..).take_while(|n| *n < spot.source.line_count());
        let line = below.find(|n| starts(spot.source.line(*n)))?;
        let at = spot.source.line_range(line).start;
        return tab(&Spot { source: spot.source, at, line }, "");
    }
    let text = spot.text();
    let found = match text[..indent(text)].find('\t') {
        Some(at) => at,
        None if info.contains("tab") || info.contains("YAML whitespace") => text.find('\t')?,
        None => return None,
    };
    let message = match found < indent(text) {
        true => "a tab in the indentation",
        false => "a tab between a key and its value",
    };
    let start = spot.base() + found;
    let error = Diagnostic::at((spot.source, start..start + 1), "tab", message);
    Some(error.hint("use spaces"))
}

/// Quotes, escapes, and characters that cannot start plain text (YAML 1.2.2 §7.3.3).
fn scalar(spot: &Spot, info: &str) -> Option<Diagnostic> {
    let rest = spot.rest();
    if info.contains("hexadecimal") || info.contains("Unicode character escape") {
        let message = "an escape in this text has the wrong digits";
        let hint = "\\x takes 2 hexadecimal digits, \\u 4, \\U 8; or use single quotes around the text";
        let shown = rest.trim_end();
        return Some(spot.error(spot.at, shown.len(), message, hint));
    }
    if info.contains("escape character") {
        let known = "0abt\tnvfre \"/\\N_LPxuU\r\n";
        let text = spot.source.text().get(spot.at..).unwrap_or_default();
        let mut escapes = text.match_indices('\\').map(|(at, _)| at);
        let mut past = 0;
        let bad = escapes.find(|at| {
            let fresh = *at >= past;
            past = if fresh { at + 2 } else { past };
            fresh && text[at + 1..].chars().next().is_some_and(|c| !known.contains(c))
        });
        let bad = bad.unwrap_or_default();
        let shown: String = text[bad..].chars().take(2).collect();
        let message = format!("{shown} is no escape that YAML knows");
        let hint = "in double quotes write \\\\ for a backslash, or use single quotes around the text";
        return Some(spot.error(spot.at + bad, shown.len(), message, hint));
    }
    if info.contains("<document start>") {
        let directive = (0..=spot.line).find(|line| spot.source.line(*line).starts_with('%'))?;
        let at = spot.source.line_range(directive).start;
        let message = "a line that starts with % is a directive";
        let length = spot.source.line(directive).trim_end().len();
        return Some(spot.error(at, length, message, "remove the line, or quote the text"));
    }
    if rest.starts_with(['"', '\'']) && info.contains("quoted scalar") {
        let message = "the quote that opens here is not closed on its line";
        let hint = "close it; text on several lines is better written as a block: `key: |`";
        return Some(spot.error(spot.at, 1, message, hint));
    }
    if info.contains("trailing content") {
        let message = "text after the closing quote";
        let hint = "put the quotes around the whole text; a quote inside quotes is \\\" in \"…\" and '' in '…'";
        return Some(spot.error(spot.at, rest.trim_end().len(), message, hint));
    }
    if rest.starts_with(['|', '>']) && info.contains("block scalar") {
        let message = "nothing but a comment may follow | or > on its line";
        let hint = "start the text on the next line, indented; to begin text with | or >, quote it";
        return Some(spot.error(spot.at, rest.trim_end().len(), message, hint));
    }
    let first = rest.chars().next()?;
    let special = match first {
        '*' if info.contains("anchor") || info.contains("alias") => "an alias of an anchor that is not in this file",
        '&' if info.contains("anchor") => "an anchor",
        '@' | '`' | '%' if info.contains("unexpected character") => "reserved in YAML",
        '%' if spot.at == spot.base() => "a directive",
        '!' if info.contains("tag") => "a tag",
        '?' if info.contains("mapping keys") => "a key on a line of its own",
        _ => return None,
    };
    let word = rest.trim_end();
    let message = format!("text that starts with {first} is {special}");
    Some(spot.error(spot.at, word.len(), message, format!("quote it: {}", quote(word))))
}

/// Brackets that are not closed, or not opened.
fn brackets(spot: &Spot, stack: &[Frame], info: &str) -> Option<Diagnostic> {
    if let Some(frame) = stack.last().filter(|frame| frame.flow) {
        let open = &spot.source.text()[frame.start..frame.start + 1];
        let close = if open == "[" { "]" } else { "}" };
        let within = spot.source.line_of(frame.start) < spot.line;
        if within && info == "invalid indentation" {
            let hint = "indent the lines between brackets deeper than the key, the closing bracket too";
            return Some(spot.error(spot.at, 1, "this line is still inside a bracket", hint));
        }
        let message = format!("the {open} that opens here is not closed");
        let hint = format!("close it with {close}; items have commas between them; if text is meant, quote it");
        let error = spot.error(frame.start, 1, message, hint);
        let here = (spot.source, spot.at..spot.at + 1);
        return Some(match within {
            true if !spot.rest().is_empty() => error.also(here, "still inside here"),
            _ => error,
        });
    }
    let closing = spot.rest().chars().next().filter(|c| matches!(c, ']' | '}'))?;
    let message = format!("a {closing} that nothing opened");
    Some(spot.error(spot.at, 1, message, "remove it, or quote the text that it belongs to"))
}
