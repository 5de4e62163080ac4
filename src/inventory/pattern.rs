//! `-t` patterns, with Ansible's meaning (ansible-core 2.19, `inventory/manager.py`): names, groups, globs, `~` regular
//! expressions, unions by `,` or `:`, `&` and `!`, `[0]` and `[1:]`.
//!
//! Unlike in Ansible a pattern that matches nothing is an error, and a plain name that nothing has is given back: it may
//! be a destination of ssh.

use std::collections::HashSet;
use std::sync::Arc;

use super::data::Data;
use super::range;
use crate::book::{Diagnostic, Source, did_you_mean};

/// What a pattern found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Host(usize),
    Name(String),
}

/// One pattern, after commas and colons were taken apart.
struct One<'a> {
    source: &'a Arc<Source>,
    /// Where it stands in what the user typed.
    at: usize,
    text: &'a str,
}

impl One<'_> {
    fn error(&self, message: impl Into<String>, hint: impl Into<String>) -> Diagnostic {
        let bytes = self.at..self.at + self.text.len();
        Diagnostic::at((self.source, bytes), "usage", message).hint(hint)
    }
}

/// The hosts that the patterns mean together, each once: in the order of the patterns, and of the inventory within one.
pub(super) fn select(data: &Data, patterns: &[String]) -> Result<Vec<Found>, Vec<Diagnostic>> {
    let sources: Vec<Arc<Source>> = patterns.iter().map(|p| Arc::new(Source::new("-t", p.as_str()))).collect();
    let mut all: Vec<One<'_>> = Vec::new();
    for source in &sources {
        all.extend(split(source.text()).into_iter().map(|(at, text)| One { source, at, text }));
    }
    let (mut add, mut keep, mut drop) = (Vec::new(), Vec::new(), Vec::new());
    for one in all {
        match one.text.as_bytes() {
            [b'&', ..] => keep.push(one),
            [b'!', ..] => drop.push(one),
            _ => add.push(one),
        }
    }
    let everything = Arc::new(Source::new("-t", "all"));
    if add.is_empty() && !(keep.is_empty() && drop.is_empty()) {
        add.push(One { source: &everything, at: 0, text: "all" });
    }
    let mut errors = Vec::new();
    let mut out: Vec<Found> = Vec::new();
    let mut seen = HashSet::new();
    for one in &add {
        match matches(data, one) {
            Ok(Some(hosts)) => out.extend(hosts.into_iter().filter(|h| seen.insert(*h)).map(Found::Host)),
            Ok(None) => {
                let name = Found::Name(one.text.to_owned());
                if !out.contains(&name) {
                    out.push(name);
                }
            }
            Err(e) => errors.push(*e),
        }
    }
    for (one, stays) in keep.iter().map(|o| (o, true)).chain(drop.iter().map(|o| (o, false))) {
        let inner = One { source: one.source, at: one.at + 1, text: &one.text[1..] };
        match matches(data, &inner) {
            Ok(Some(hosts)) => {
                let hosts: HashSet<usize> = hosts.into_iter().collect();
                out.retain(|f| match f {
                    Found::Host(h) => hosts.contains(h) == stays,
                    Found::Name(_) => !stays,
                });
            }
            // A destination may be excluded by its name.
            Ok(None) if out.contains(&Found::Name(inner.text.to_owned())) => {
                out.retain(|f| (*f == Found::Name(inner.text.to_owned())) == stays);
            }
            Ok(None) => errors.push(unknown(data, &inner)),
            Err(e) => errors.push(*e),
        }
    }
    if errors.is_empty() && out.is_empty() {
        let one = add.first().or(keep.first()).or(drop.first());
        let message = "the patterns leave no host";
        errors.push(match one {
            Some(one) => one.error(message, "runbook ping -t all -i … shows what there is"),
            None => Diagnostic::at((&everything, 0..0), "usage", "no pattern").hint("-t all means every host"),
        });
    }
    if errors.is_empty() { Ok(out) } else { Err(errors) }
}

/// The patterns of one argument, each with where it starts.
fn split(text: &str) -> Vec<(usize, &str)> {
    let parts: Vec<(usize, &str)> = if text.contains(',') {
        let mut at = 0;
        let place = |part| {
            let start = at;
            at += str::len(part) + 1;
            (start, part)
        };
        text.split(',').map(place).collect()
    } else if range::is_host(text) || is_destination(text) {
        vec![(0, text)]
    } else {
        by_colons(text)
    };
    let trim = |(at, part): (usize, &'_ str)| (at + (part.len() - part.trim_start().len()), part.len());
    let parts = parts.into_iter().map(|p| (trim(p).0, p.1.trim()));
    parts.filter(|p| !p.1.is_empty()).collect()
}

/// `user@host:22`, `ssh://host:22` and the like: Ansible has no such names.
fn is_destination(text: &str) -> bool {
    let port = |rest: &str| rest.rsplit_once(':').is_none_or(|(_, p)| p.parse::<u16>().is_ok());
    let plain = |t: &str| !t.starts_with(['!', '&', '~']) && !t.contains(['*', '?', '!', '&']);
    plain(text) && (text.contains("://") || text.split_once('@').is_some_and(|(u, h)| !u.contains(':') && port(h)))
}

/// What colons and blanks are between, unless they are in brackets.
fn by_colons(text: &str) -> Vec<(usize, &str)> {
    let mut out = Vec::new();
    let (mut start, mut close) = (0, None);
    for (at, c) in text.char_indices() {
        if close.is_some_and(|end| at < end) {
            continue;
        }
        let bracket = (c == '[').then(|| text[at..].find(']')).flatten();
        if let Some(end) = bracket {
            close = Some(at + end + 1);
        } else if c == ':' || c == '[' || c == ']' && close != Some(at + 1) || c.is_whitespace() {
            out.push((start, &text[start..at]));
            start = at + c.len_utf8();
        }
    }
    out.push((start, &text[start..]));
    out
}

/// The hosts of one pattern; `None`: a plain name that nothing has.
fn matches(data: &Data, one: &One<'_>) -> Result<Option<Vec<usize>>, Box<Diagnostic>> {
    if one.text.is_empty() {
        return Err(one.error("an empty pattern", "a name follows ! and &").into());
    }
    if let Some(host) = data.host(one.text) {
        return Ok(Some(vec![host]));
    }
    let (expr, subscript) = subscript(one.text);
    let (hosts, groups) = of_expression(data, one, expr)?;
    if hosts.is_empty() && !groups {
        if is_plain(one.text) { return Ok(None) } else { return Err(unknown(data, one).into()) }
    }
    let Some(subscript) = subscript else { return Ok(Some(hosts)) };
    let some = subscript.of(&hosts);
    if some.is_empty() {
        let message = format!("\"{}\" selects none: \"{expr}\" has {} hosts", one.text, hosts.len());
        return Err(one.error(message, "the first is [0], the last is [-1]").into());
    }
    Ok(Some(some))
}

/// No character that only a pattern has.
fn is_plain(text: &str) -> bool {
    text != "all" && text != "ungrouped" && !text.starts_with('~') && !text.contains(['*', '?', '['])
        || is_destination(text)
}

fn unknown(data: &Data, one: &One<'_>) -> Diagnostic {
    let (expr, _) = subscript(one.text);
    let names = || data.groups.iter().map(|g| g.name.as_str()).chain(data.hosts.iter().map(|h| h.name.as_str()));
    let hint = match did_you_mean(expr.trim_matches(['*', '~']), names()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => {
            let mut some: Vec<&str> = names().skip(2).take(8).collect();
            if names().count() > 10 {
                some.push("…");
            }
            match some.is_empty() {
                true => "no inventory names a host: -i FILE".into(),
                false => format!("groups and hosts: {}", some.join(", ")),
            }
        }
    };
    one.error(format!("no host or group matches \"{}\"", one.text), hint)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subscript {
    At(i64),
    /// Both ends count; `None`: to the last.
    Span(usize, Option<usize>),
}

impl Subscript {
    fn of(self, hosts: &[usize]) -> Vec<usize> {
        match self {
            Self::At(n) => {
                let back = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX);
                let at = if n < 0 { hosts.len().checked_sub(back) } else { Some(back) };
                at.and_then(|at| hosts.get(at)).copied().into_iter().collect()
            }
            // As Ansible has it: [2:0] is [2].
            Self::Span(from, Some(0)) => hosts.get(from).copied().into_iter().collect(),
            Self::Span(from, to) => {
                let end = to.map_or(hosts.len(), |t| t.saturating_add(1)).min(hosts.len());
                hosts.get(from..end).unwrap_or_default().to_vec()
            }
        }
    }
}

/// `web[0]`, `web[-1]`, `web[1:3]`, `web[1:]`, `web[1-3]`: the pattern, and which of it.
fn subscript(text: &str) -> (&str, Option<Subscript>) {
    let none = (text, None);
    let Some((expr, inner)) = text.strip_suffix(']').and_then(|t| t.rsplit_once('[')) else { return none };
    if text.starts_with('~') || expr.is_empty() {
        return none;
    }
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let number = |t: &str| t.parse::<usize>().unwrap_or(usize::MAX);
    if digits(inner.strip_prefix('-').unwrap_or(inner)) {
        return (expr, Some(Subscript::At(inner.parse().unwrap_or(i64::MAX))));
    }
    match inner.split_once([':', '-']) {
        Some((from, "")) if digits(from) => (expr, Some(Subscript::Span(number(from), None))),
        Some((from, to)) if digits(from) && digits(to) => (expr, Some(Subscript::Span(number(from), Some(number(to))))),
        _ => none,
    }
}

/// The hosts, and whether a group matched.
fn of_expression(data: &Data, one: &One<'_>, expr: &str) -> Result<(Vec<usize>, bool), Box<Diagnostic>> {
    let regex = match expr.strip_prefix('~') {
        Some(r) => Some(regex::Regex::new(&format!("^(?:{r})")).map_err(|e| {
            let text = e.to_string();
            let why = text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
            one.error(format!("\"{}\" is no regular expression: {why}", one.text), "like '~web[0-9]+'")
        })?),
        None => None,
    };
    let is = |name: &str| regex.as_ref().map_or_else(|| glob(expr, name), |r| r.is_match(name));
    let matching: Vec<usize> = (0..data.groups.len()).filter(|id| is(&data.groups[*id].name)).collect();
    let mut out = data.hosts_below(&matching);
    let mut seen: HashSet<usize> = out.iter().copied().collect();
    let groups = !out.is_empty() || matching.iter().any(|id| data.groups[*id].name == expr);
    if !groups || regex.is_some() || expr.contains(['.', '?', '*', '[']) {
        let hosts = data.hosts.iter().enumerate().filter(|(_, h)| is(&h.name)).map(|(id, _)| id);
        out.extend(hosts.filter(|h| seen.insert(*h)));
    }
    Ok((out, groups))
}

/// Python's `fnmatch`: `*`, `?`, `[abc]`, `[a-c]`, `[!abc]`.
fn glob(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, n));
            p += 1;
        } else if let Some(next) = step(&pattern, p, name[n]) {
            (p, n) = (next, n + 1);
        } else if let Some((at, from)) = star {
            (p, n) = (at + 1, from + 1);
            star = Some((at, from + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// What follows in the pattern if what stands there takes the character.
fn step(pattern: &[char], at: usize, c: char) -> Option<usize> {
    match pattern.get(at)? {
        '?' => Some(at + 1),
        '[' => {
            let negated = pattern.get(at + 1) == Some(&'!');
            let start = at + 1 + usize::from(negated);
            // A ] that comes first is one of the set.
            let end = (start + 1..pattern.len()).find(|i| pattern[*i] == ']');
            let Some(end) = end else { return (c == '[').then_some(at + 1) };
            let set = &pattern[start..end];
            let mut i = 0;
            let mut found = false;
            while let Some(first) = set.get(i) {
                match (set.get(i + 1), set.get(i + 2)) {
                    (Some('-'), Some(last)) => {
                        found |= (*first..=*last).contains(&c);
                        i += 3;
                    }
                    _ => {
                        found |= *first == c;
                        i += 1;
                    }
                }
            }
            (found != negated).then_some(end + 1)
        }
        plain => (*plain == c).then_some(at + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_taken_apart() {
        for (text, parts) in [
            ("web", "web"),
            ("web,db", "web|db"),
            (" web , db,", "web|db"),
            ("web:db", "web|db"),
            ("web:&prod:!db", "web|&prod|!db"),
            ("web[0:2]:db", "web[0:2]|db"),
            ("web[1:]", "web[1:]"),
            ("2001:db8::5", "2001:db8::5"),
            ("[2001:db8::5]:22", "[2001:db8::5]:22"),
            ("web1:22", "web1:22"),
            ("admin@web1:22", "admin@web1:22"),
            ("ssh://admin@web1:22", "ssh://admin@web1:22"),
            ("~web\\d+.*", "~web\\d+.*"),
            ("web*:!web1", "web*|!web1"),
            ("a@b:!c", "a@b|!c"),
        ] {
            let got: Vec<&str> = split(text).into_iter().map(|p| p.1).collect();
            assert_eq!(got.join("|"), parts, "{text}");
            assert!(split(text).iter().all(|(at, p)| text[*at..].starts_with(p)), "{text}");
        }
    }

    #[test]
    fn globs_are_fnmatchs() {
        for (pattern, name, is) in [
            ("web*", "web1", true),
            ("*.example.com", "web1.example.com", true),
            ("w?b", "web", true),
            ("w?b", "wb", false),
            ("web[12]", "web2", true),
            ("web[!12]", "web2", false),
            ("web[a-c]", "webb", true),
            ("web[", "web[", true),
            ("[]]", "]", true),
            ("*a*b*c", "xxaxxbxxc", true),
            ("*a*b*c", "xxaxxcxxb", false),
            ("", "", true),
            ("Web", "web", false),
        ] {
            assert_eq!(glob(pattern, name), is, "{pattern} {name}");
        }
    }

    #[test]
    fn subscripts() {
        assert_eq!(subscript("web[0]"), ("web", Some(Subscript::At(0))));
        assert_eq!(subscript("web[-1]"), ("web", Some(Subscript::At(-1))));
        assert_eq!(subscript("web[1:]"), ("web", Some(Subscript::Span(1, None))));
        assert_eq!(subscript("web*[1-2]"), ("web*", Some(Subscript::Span(1, Some(2)))));
        assert_eq!(subscript("web[ab]"), ("web[ab]", None));
        assert_eq!(subscript("~web[0]"), ("~web[0]", None));
        assert_eq!(Subscript::Span(1, None).of(&[7, 8, 9]), [8, 9]);
        assert_eq!(Subscript::Span(1, Some(0)).of(&[7, 8, 9]), [8]);
        assert_eq!(Subscript::Span(2, Some(1)).of(&[7, 8, 9]), Vec::<usize>::new());
        assert_eq!(Subscript::At(-3).of(&[7, 8, 9]), [7]);
        assert_eq!(Subscript::At(-4).of(&[7, 8, 9]), Vec::<usize>::new());
    }
}
