//! Search and replace with a regular expression.

use std::ops::Range;

use super::lines::{Draft, Line, pairs, split, split_bom};
use super::{EditError, Edited, Touched, matches};
use regex::bytes::Regex;

/// What to replace with what.
#[derive(Debug, Clone)]
pub struct Spec {
    /// See [`pattern`](super::pattern); every match is replaced.
    pub matching: Regex,
    /// The replacement: `$1` and `${name}` are groups, `$$` is a dollar sign.
    /// An LF in it is written as the file's own line ending.
    pub with: Vec<u8>,
    /// A line at a time, or the whole text.
    pub scope: Scope,
    /// The part of the text that it is about.
    pub within: Within,
}

/// A part of a text, line by line. Where a bound is given and no line matches it, the part is empty.
#[derive(Debug, Clone, Default)]
pub struct Within {
    /// It begins behind the first line that matches; `None`: at the start.
    pub after: Option<Regex>,
    /// It ends before the first line of it that matches; `None`: at the end.
    pub before: Option<Regex>,
}

impl Within {
    fn lines(&self, lines: &[Line<'_>]) -> Range<usize> {
        let from = match &self.after {
            None => Some(0),
            Some(after) => matches(after, lines).first().map(|(_, last)| last + 1),
        };
        let Some(from) = from else { return 0..0 };
        let Some(before) = &self.before else { return from..lines.len() };
        let rest = lines.get(from..).unwrap_or_default();
        matches(before, rest).first().map_or(0..0, |(first, _)| from..from + first)
    }
}

/// What the expression sees at a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// Each line without its ending: no match can join, remove or reach over lines.
    #[default]
    Line,
    /// The whole text. If all its lines end in CRLF it is shown with LF, and gets its CRs back afterwards;
    /// with mixed endings it is shown as it is.
    File,
}

/// Replaces every match.
///
/// # Errors
/// [`EditError::NotIdempotent`] if the result would be changed again by the same replacement (`Port` by `Port 22`): each
/// run would change the file. [`EditError::Group`] if `with` names a group that `matching` does not have.
pub fn edit(bytes: &[u8], spec: &Spec) -> Result<Edited, EditError> {
    if let Some(group) = unknown_group(&spec.matching, &spec.with) {
        return Err(EditError::Group { group });
    }
    let once = replace(bytes, spec);
    let twice = replace(&once.bytes, spec);
    match twice.touched.first() {
        Some(touched) => Err(EditError::NotIdempotent { line: touched.line }),
        None => Ok(once),
    }
}

fn replace(bytes: &[u8], spec: &Spec) -> Edited {
    match spec.scope {
        Scope::Line => by_line(bytes, spec),
        Scope::File => whole(bytes, spec),
    }
}

fn by_line(bytes: &[u8], spec: &Spec) -> Edited {
    let mut draft = Draft::new(bytes);
    let with = lf(&spec.with);
    let within = spec.within.lines(&draft.lines);
    for (at, line) in draft.lines.clone().into_iter().enumerate().filter(|(at, _)| within.contains(at)) {
        let text = spec.matching.replace_all(line.text, with.as_slice());
        for (number, text) in text.split(|byte| *byte == b'\n').enumerate() {
            match number {
                0 => draft.set(at, text.to_vec()),
                _ => draft.insert(at + 1, text.to_vec()),
            }
        }
    }
    draft.finish()
}

fn whole(bytes: &[u8], spec: &Spec) -> Edited {
    let (bom, old) = split_bom(bytes);
    let all = split(old);
    let mut ends = all.iter().map(|line| line.ending).filter(|ending| !ending.is_empty()).peekable();
    let crlf = ends.peek().is_some() && ends.all(|ending| ending == b"\r\n");
    let length = |lines: &[Line<'_>]| lines.iter().map(|l| l.text.len() + l.ending.len()).sum::<usize>();
    let within = spec.within.lines(&all);
    let (from, to) =
        (length(all.get(..within.start).unwrap_or_default()), length(all.get(..within.end).unwrap_or_default()));
    let (head, rest) = old.split_at(from.min(old.len()));
    let (part, tail) = rest.split_at((to - from).min(rest.len()));
    let part = if crlf {
        from_lf(&spec.matching.replace_all(&lf(part), lf(&spec.with).as_slice()))
    } else {
        spec.matching.replace_all(part, lf(&spec.with).as_slice()).into_owned()
    };
    let new = [head, &part, tail].concat();
    // With their endings, because in mixed endings a match may change nothing else.
    let lines = |text| split_raw(text);
    let text = |raw: Option<&[u8]>| raw.and_then(|raw| split(raw).first().map(|line| line.text.to_vec()));
    let touched = pairs(&lines(old), &lines(&new))
        .into_iter()
        .map(|pair| Touched { line: pair.at + 1, before: text(pair.before), after: text(pair.after) })
        .collect();
    Edited { bytes: [bom, &new].concat(), touched }
}

fn split_raw(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// Every CRLF as LF; a CR before a CRLF stays.
fn lf(text: &[u8]) -> Vec<u8> {
    split(text)
        .into_iter()
        .flat_map(|line| [line.text, if line.ending.is_empty() { b"" } else { b"\n" }])
        .flatten()
        .copied()
        .collect()
}

fn from_lf(text: &[u8]) -> Vec<u8> {
    split_raw(text)
        .into_iter()
        .flat_map(|line| match line.strip_suffix(b"\n") {
            Some(text) => [text, b"\r\n"],
            None => [line, b""],
        })
        .flatten()
        .copied()
        .collect()
}

/// The first `$name` or `${name}` that is no group of the expression, by the rules of
/// <https://docs.rs/regex/1/regex/bytes/struct.Captures.html#method.expand>: the longest run of `[0-9A-Za-z_]` is the name.
fn unknown_group(matching: &Regex, with: &[u8]) -> Option<String> {
    let mut rest = with;
    loop {
        let at = rest.iter().position(|byte| *byte == b'$')?;
        rest = rest.get(at + 1..)?;
        if let Some(after) = rest.strip_prefix(b"$") {
            rest = after;
            continue;
        }
        let name = if let Some(braced) = rest.strip_prefix(b"{") {
            let Some(end) = braced.iter().position(|byte| *byte == b'}') else {
                continue;
            };
            braced.get(..end)?
        } else {
            let word = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
            rest.get(..rest.iter().take_while(word).count())?
        };
        let name = String::from_utf8_lossy(name);
        let known = match name.parse::<usize>() {
            Ok(number) => number < matching.captures_len(),
            Err(_) => matching.capture_names().flatten().any(|group| group == name),
        };
        if !name.is_empty() && !known {
            return Some(name.into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::laws::{Laws, file};
    use super::super::pattern;
    use super::*;
    use proptest::prelude::*;

    fn spec(source: &str, with: &str, scope: Scope) -> Spec {
        Spec { matching: pattern(source).unwrap(), with: with.into(), scope, within: Within::default() }
    }

    fn by_line(old: &str, source: &str, with: &str) -> String {
        String::from_utf8(edit(old.as_bytes(), &spec(source, with, Scope::Line)).unwrap().bytes).unwrap()
    }

    fn whole(old: &str, source: &str, with: &str) -> String {
        String::from_utf8(edit(old.as_bytes(), &spec(source, with, Scope::File)).unwrap().bytes).unwrap()
    }

    #[test]
    fn groups_are_filled_in_line_by_line() {
        assert_eq!(by_line("Port 1\r\nPort 22\n", r"^(Port) \d$", "${1} 22"), "Port 22\r\nPort 22\n");
        assert_eq!(by_line("a=1\nb=2", r"^(?<key>\w)=(.*)$", "$key: $2"), "a: 1\nb: 2");
        assert_eq!(by_line("a\r\nb", "^a$", "c\nd"), "c\r\nd\r\nb");
        assert_eq!(by_line("cost\n", "^cost$", "$$5"), "$5\n");
    }

    #[test]
    fn a_file_is_seen_with_lf() {
        assert_eq!(whole("a\nb\nc\n", "^b\n", ""), "a\nc\n");
        assert_eq!(whole("a\r\nb\r\nc", "a$\nb$", "x\ny\nz"), "x\r\ny\r\nz\r\nc");
        let edited = edit(b"a\nb\nc\n", &spec("^b\n", "", Scope::File)).unwrap();
        assert_eq!(edited.touched, [Touched { line: 2, before: Some(b"b".into()), after: None }]);
    }

    #[test]
    fn a_part_of_the_text_is_bounded_by_lines() {
        let old = "x=1\n[a]\nx=1\ny=1\n[b]\nx=1\n";
        let within = |after: Option<&str>, before: Option<&str>, scope, source: &str, with: &str| {
            let bound = |s: Option<&str>| s.map(|s| pattern(s).unwrap());
            let within = Within { after: bound(after), before: bound(before) };
            String::from_utf8(edit(old.as_bytes(), &Spec { within, ..spec(source, with, scope) }).unwrap().bytes)
                .unwrap()
        };
        let line = |after, before| within(after, before, Scope::Line, "^x=1$", "x=2");
        assert_eq!(line(None, Some("^\\[a")), "x=2\n[a]\nx=1\ny=1\n[b]\nx=1\n");
        assert_eq!(line(Some("^\\[a"), Some("^\\[")), "x=1\n[a]\nx=2\ny=1\n[b]\nx=1\n");
        assert_eq!(line(Some("^\\[b"), None), "x=1\n[a]\nx=1\ny=1\n[b]\nx=2\n");
        assert_eq!(line(Some("^\\[c"), None), old);
        assert_eq!(line(None, Some("^END")), old);
        let lines = within(Some("^\\[a"), Some("^\\[b"), Scope::File, "^x=1\ny=1$", "z=3");
        assert_eq!(lines, "x=1\n[a]\nz=3\n[b]\nx=1\n");
    }

    #[test]
    fn what_would_match_again_is_refused() {
        let error = edit(b"a\nPort\n", &spec("Port", "Port 22", Scope::Line)).unwrap_err();
        assert_eq!(error.to_string(), "the replacement would change its own result again, at line 2");
        assert_eq!(by_line("Port\n", "^Port$", "Port 22"), "Port 22\n");
    }

    #[test]
    fn a_group_that_is_not_there_is_refused() {
        let error = |with| edit(b"", &spec("(a)", with, Scope::Line)).map_err(|error| error.to_string());
        assert!(error("$1_x").unwrap_err().starts_with("the replacement uses `$1_x`"));
        assert!(error("${1}_x $0 $$name ${ $").is_ok());
        assert!(error("$2").is_err());
    }

    proptest! {
        #[test]
        fn laws(old in file(), source in "[aPk#=v]{1,2}|\\^?.[*+]?|\\(a\\)\\|b|\\[\\^a\\]\\$", with in "[xa$1\n]{0,3}") {
            let Ok(matching) = pattern(&source) else { return Ok(()) };
            let spec = Spec { matching, with: with.into_bytes(), scope: Scope::Line, within: Within::default() };
            Laws::of(&old, |bytes| edit(bytes, &spec)).hold();
            let spec = Spec { scope: Scope::File, ..spec };
            Laws::of(&old, |bytes| edit(bytes, &spec)).idempotent();
        }

        #[test]
        fn crlf_comes_back(old in "([a-c\r]{0,3}\r\n){0,4}[a-c\r]{0,2}") {
            prop_assert_eq!(from_lf(&lf(old.as_bytes())), old.as_bytes());
        }
    }
}
