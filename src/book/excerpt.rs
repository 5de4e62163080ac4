//! Source lines as errors may show them: without the values of secrets, and messages that do not quote one either.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use regex::Regex;

use super::{Diagnostic, Source, Spot};
use crate::report::HIDDEN;

/// Words that make a name one of a secret.
const WORDS: &[&str] = &["pass", "secret", "token", "credential", "api_key", "apikey", "private_key"];

/// A name of something that must not be shown; `…_file` names where it is.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    WORDS.iter().any(|w| lower.contains(w)) && !name.ends_with("_file") && name != "ansible_ssh_password_mechanism"
}

/// The same lines and columns (a character of several bytes becomes several) with stars for what follows a secret's name, and
/// for what belongs to it on the lines below.
#[must_use]
pub fn blank_secrets(source: &Arc<Source>, secret: &dyn Fn(&str) -> bool) -> Arc<Source> {
    let out = blanked(source.text(), secret);
    if out == source.text() { Arc::clone(source) } else { Arc::new(Source::new(source.name(), out)) }
}

/// Every place of these errors in a text without secrets; a message, a hint or a label that quotes one is without it, too.
#[must_use]
pub fn hide_secrets(errors: Vec<Diagnostic>, secret: &dyn Fn(&str) -> bool) -> Vec<Diagnostic> {
    // Most errors are of few texts; a text that is in the map is not freed, and its address not used again.
    let mut known: HashMap<*const Source, (Arc<Source>, Arc<Source>)> = HashMap::new();
    let mut hide = |spot: &Spot, quoted: &mut Vec<String>| {
        let (source, bytes) = spot.resolve();
        let shown =
            known.entry(Arc::as_ptr(source)).or_insert_with(|| (Arc::clone(source), blank_secrets(source, secret)));
        if Arc::ptr_eq(&shown.1, source) {
            return spot.clone();
        }
        // A message may speak of another line, too.
        quoted.extend((0..source.line_count()).flat_map(|line| values(source, &shown.1, line)));
        Spot::Bytes(Arc::clone(&shown.1), bytes)
    };
    let mut one = |mut e: Diagnostic| {
        let mut quoted = Vec::new();
        e.spot = e.spot.as_ref().map(|spot| hide(spot, &mut quoted));
        e.also = e.also.iter().map(|(spot, label)| (hide(spot, &mut quoted), label.clone())).collect();
        // The longer of two that overlap first.
        quoted.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        quoted.dedup();
        let clean = |text: &str| quoted.iter().fold(text.to_owned(), |text, q| text.replace(q.as_str(), HIDDEN));
        e.message = clean(&e.message);
        e.hint = e.hint.as_deref().map(clean);
        e.also.iter_mut().for_each(|(_, label)| *label = clean(label));
        e
    };
    errors.into_iter().map(&mut one).collect()
}

/// What is blanked on a line: all of it, and its words, as a message may quote them.
fn values(source: &Source, blank: &Source, line: usize) -> Vec<String> {
    let (range, text) = (source.line_range(line), source.text());
    let same = |at: usize| text.as_bytes().get(at) == blank.text().as_bytes().get(at);
    let Some(start) = range.clone().find(|at| !same(*at)) else { return Vec::new() };
    let value = text.get(start..range.end).unwrap_or_default().trim();
    let inner = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
    let all = std::iter::once(value.to_owned()).chain(std::iter::once(inner(value)));
    let all = all.chain(value.split_whitespace().flat_map(|w| [w.to_owned(), inner(w)]));
    all.filter(|v| v.chars().count() > 2).collect()
}

/// What of a text belongs to a secret that began on a line above.
enum Inside {
    /// What is deeper than this column, and empty lines; and the items of a list at it.
    Deeper(usize),
    /// Until this quote closes.
    Quoted(char),
}

fn blanked(text: &str, secret: &dyn Fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside: Option<Inside> = None;
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        let blank = line.trim().is_empty();
        let belongs = match inside {
            Some(Inside::Deeper(n)) => blank || indent > n || indent == n && line.trim_start().starts_with("- "),
            Some(Inside::Quoted(_)) => true,
            None => false,
        };
        if belongs {
            if matches!(inside, Some(Inside::Quoted(q)) if line.contains(q)) {
                inside = None;
            }
            star(&mut out, line, indent.min(line.len()));
            continue;
        }
        inside = None;
        let Some((name, value)) = secret_on(line, secret) else {
            out.push_str(line);
            continue;
        };
        let rest = line[value.start..].trim();
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
        let first = line[..name].chars().all(|c| c.is_whitespace() || matches!(c, '-' | '"' | '\''));
        inside = match quote {
            Some(q) if !rest[1..].replace("\\\"", "").contains(q) => Some(Inside::Quoted(q)),
            _ if first => {
                Some(Inside::Deeper(name - line[..name].chars().rev().take_while(|c| "\"'".contains(*c)).count()))
            }
            _ if rest.starts_with(['|', '>', '!']) => Some(Inside::Deeper(indent)),
            _ => None,
        };
        star(&mut out, line, value.start);
    }
    out
}

/// Where a line names a secret, and where its value is, unless it only says where the secret comes from.
fn secret_on(line: &str, secret: &dyn Fn(&str) -> bool) -> Option<(usize, Range<usize>)> {
    static KEY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"([A-Za-z0-9_.\-]+)["']?[ \t]*[=:]"#).ok());
    static FIRST: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"^[ \t]*(?:- +)*["']?([A-Za-z0-9_.\-]+)["']?(?:[ \t]|$)"#).ok());
    static FROM: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^[ \t]*(?:…$|\{[ \t]*(?:env|file|command)[ \t]*:|prompt\b)").ok());
    // Without these nothing could be told apart.
    let (Some(key), Some(first), Some(from)) = (KEY.as_ref(), FIRST.as_ref(), FROM.as_ref()) else {
        return Some((0, 0..line.len()));
    };
    // A colon may be missing after the first word of a line: that may be the error.
    let keys = key.captures_iter(line).chain(first.captures(line));
    let named = keys.filter_map(|c| Some((c.get(1)?, c.get(0)?.end())));
    let mut named = named.filter(|(name, end)| secret(name.as_str()) && !from.is_match(line[*end..].trim_end()));
    named.next().map(|(name, end)| (name.start(), end..line.len()))
}

fn star(out: &mut String, line: &str, from: usize) {
    out.push_str(&line[..from]);
    line[from..].chars().for_each(|c| match c {
        c if c.is_ascii_whitespace() => out.push(c),
        c => out.extend(std::iter::repeat_n('*', c.len_utf8())),
    });
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
            // Declared as a secret by the runbook.
            ("pw: one\n  two\nx: 1", "pw: ***\n  ***\nx: 1"),
            ("pw:\n- one\n- two\nx: 1", "pw:\n* ***\n* ***\nx: 1"),
            ("{pw: \"one, two\", port: zz}", "{pw: ***** ***** ***** ***"),
            ("pw: \"one\ntwo\nthree\"\nx: 1", "pw: ****\n***\n******\nx: 1"),
            ("pw \"one\"\nx: 1", "pw *****\nx: 1"),
            ("- pw: one\n  port: 2\n", "- pw: ***\n  port: 2\n"),
        ] {
            assert_eq!(blanked(text, &|n| n == "pw" || is_secret_name(n)), shown, "{text}");
        }
    }

    #[test]
    fn a_message_does_not_quote_one() {
        let source = Arc::new(Source::new("t", "x: 1\npw: *hunter2\n"));
        let e = Diagnostic::at((&source, 9..17), "alias", "no anchor \"hunter2\"").hint("quote it: \"*hunter2\"");
        let all = hide_secrets(vec![e], &|n| n == "pw");
        let shown = all[0].render(false, 80);
        assert!(!shown.contains("hunter2") && shown.contains("no anchor") && shown.contains(HIDDEN), "{shown}");
    }
}
