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
    let mut errors = Vec::new();
    for source in &sources {
        let parts = by_commas(source.text());
        errors.extend(parts.iter().filter_map(|(at, text)| unbalanced(&One { source, at: *at, text })));
        let taken = split(source.text()).into_iter().map(|(at, text)| One { source, at, text });
        for one in taken {
            errors.extend(parts.get(1).and_then(|_| joined(&one)));
            all.push(one);
        }
    }
    if !errors.is_empty() {
        return Err(errors);
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
        by_commas(text)
    } else if range::is_host(text) || is_destination(text) {
        vec![(0, text)]
    } else {
        by_colons(text)
    };
    let trim = |(at, part): (usize, &'_ str)| (at + (part.len() - part.trim_start().len()), part.len());
    let parts = parts.into_iter().map(|p| (trim(p).0, p.1.trim()));
    parts.filter(|p| !p.1.is_empty()).collect()
}

/// What commas are between, each with where it starts; all of it, where there is none.
fn by_commas(text: &str) -> Vec<(usize, &str)> {
    let mut at = 0;
    let place = |part| {
        let start = at;
        at += str::len(part) + 1;
        (start, part)
    };
    text.split(',').map(place).collect()
}

/// Of patterns with a comma in them, one that colons would take apart if there were none: Ansible takes it for one name.
fn joined(one: &One<'_>) -> Option<Diagnostic> {
    let bare = one.text.trim_start_matches(['&', '!']);
    let name = bare.starts_with('~') || range::is_host(bare) || is_destination(bare);
    let parts = by_colons(bare);
    (!name && parts.len() > 1 && one.text.contains(':')).then(|| {
        let message =
            format!("\"{}\" is taken for one name: where there is a comma, only commas are between patterns", one.text);
        one.error(message, format!("-t '{}'", one.source.text().replace(':', ",")))
    })
}

/// A bracket that is not closed, or closes nothing. (In a regular expression it is that one's own affair.)
fn unbalanced(one: &One<'_>) -> Option<Diagnostic> {
    let bare = one.text.trim_start().trim_start_matches(['&', '!']);
    if bare.starts_with('~') {
        return None;
    }
    let error = |at: usize, message: &str| {
        let bytes = one.at + at..one.at + at + 1;
        let hint = "like web[0], web[1:3] or web[abc]: quote the pattern, so that the shell leaves it alone";
        Some(Diagnostic::at((one.source, bytes), "usage", message).hint(hint))
    };
    let mut chars = one.text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '[' => {
                chars.next_if(|c| c.1 == '!');
                // A ] that comes first is one of the set.
                let first = chars.next_if(|c| c.1 == ']');
                match (chars.find(|c| c.1 == ']'), first) {
                    (Some(_), _) => {}
                    (None, None) => return error(at, "this [ is not closed"),
                    (None, Some(_)) => return error(at, "there is nothing between these brackets"),
                }
            }
            ']' => return error(at, "this ] closes nothing"),
            _ => {}
        }
    }
    None
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
    if one.text.starts_with('@') {
        let file = one.text.trim_start_matches('@');
        let message = format!("-t takes no file of names, and \"{}\" would be one of Ansible's --limit", one.text);
        return Err(one.error(message, format!("-t \"$(paste -sd, {file})\" gives what is in it")).into());
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

/// A regular expression of Python's, as far as it can be done in linear time; `\Z` is the end here too.
fn regex(one: &One<'_>, text: &str) -> Result<regex::Regex, Box<Diagnostic>> {
    let like = "like '~web[0-9]+'";
    if let Some((what, instead)) = unsupported(text) {
        let message = format!("\"{}\" has {what}, which is not supported here", one.text);
        return Err(one.error(message, instead.unwrap_or(like)).into());
    }
    let mut ours = String::new();
    let mut escaped = false;
    for c in text.chars() {
        ours.push(if escaped && c == 'Z' { 'z' } else { c });
        escaped = c == '\\' && !escaped;
    }
    regex::Regex::new(&format!("^(?:{ours})")).map_err(|e| {
        let text = e.to_string();
        let why = text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
        // What its author would write to another programmer is nothing to a user.
        let why = if why.contains("Unicode") || why.contains("feature") { "it cannot be read" } else { why };
        one.error(format!("\"{}\" is no regular expression: {why}", one.text), like).into()
    })
}

/// What Python's expressions have and these have not: (its name, what to write in its place).
fn unsupported(text: &str) -> Option<(&'static str, Option<&'static str>)> {
    const EXCLUDE: Option<&str> = Some("what is not wanted is excluded by a pattern of its own: -t 'all:!web*'");
    const GROUPS: &[(&str, &str, Option<&str>)] = &[
        ("(?!", "a look ahead (?!…)", EXCLUDE),
        ("(?=", "a look ahead (?=…)", Some("what must match too is a pattern of its own: -t 'web*:&~.*prod'")),
        ("(?<!", "a look behind (?<!…)", EXCLUDE),
        ("(?<=", "a look behind (?<=…)", None),
        ("(?P=", "a reference to a group (?P=…)", None),
        ("(?(", "a condition (?(…)…)", None),
        ("(?#", "a comment (?#…)", Some("leave it out")),
        ("(?a", "the flag (?a)", Some("leave it out; (?i), (?m), (?s) and (?x) are known")),
        ("(?L", "the flag (?L)", Some("leave it out; (?i), (?m), (?s) and (?x) are known")),
    ];
    let mut rest = text;
    let mut set = false;
    while let Some(c) = rest.chars().next() {
        if c == '\\' {
            let next = rest[1..].chars().next();
            if !set && next.is_some_and(|n| ('1'..='9').contains(&n)) {
                return Some(("a reference to a group (\\1)", None));
            }
            rest = &rest[1 + next.map_or(0, char::len_utf8)..];
            continue;
        }
        match c {
            '[' => set = true,
            ']' => set = false,
            _ if set => {}
            _ => {
                if let Some((_, what, instead)) = GROUPS.iter().find(|g| rest.starts_with(g.0)) {
                    return Some((what, *instead));
                }
            }
        }
        rest = &rest[c.len_utf8()..];
    }
    None
}

/// The hosts, and whether a group matched.
fn of_expression(data: &Data, one: &One<'_>, expr: &str) -> Result<(Vec<usize>, bool), Box<Diagnostic>> {
    let regex = expr.strip_prefix('~').map(|r| regex(one, r)).transpose()?;
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

    fn said(pattern: &str) -> String {
        let mut data = Data::default();
        for name in ["web1", "web2", "db1"] {
            data.add_host(name, None, None, crate::inventory::text::here()).unwrap();
        }
        match select(&data, &[pattern.to_owned()]) {
            Ok(found) => format!("{found:?}"),
            Err(e) => {
                let e = &e[0];
                let (_, bytes) = e.spot.as_ref().unwrap().resolve();
                format!("{}: {} | {}", bytes.start, e.message, e.hint.as_deref().unwrap())
            }
        }
    }

    #[test]
    fn a_bracket_that_is_not_closed_is_an_error_where_it_stands() {
        for (pattern, start) in [
            ("web[0", "3: this [ is not closed"),
            ("db1,web[0", "7: this [ is not closed"),
            ("all:!web[0", "8: this [ is not closed"),
            ("web]", "3: this ] closes nothing"),
            ("web[]", "3: there is nothing between these brackets"),
            ("web[0]:db[", "9: this [ is not closed"),
        ] {
            assert!(said(pattern).starts_with(start), "{pattern}: {}", said(pattern));
        }
        assert_eq!(said("web[!0]"), "[Host(0), Host(1)]");
        assert_eq!(said("web*[0]"), "[Host(0)]");
        assert_eq!(said("~web[0-9]"), "[Host(0), Host(1)]");
    }

    #[test]
    fn regular_expressions_are_pythons_as_far_as_they_go() {
        assert_eq!(said("~(?i)WEB1"), "[Host(0)]");
        assert_eq!(said(r"~web\d\Z"), "[Host(0), Host(1)]");
        for (pattern, message) in [
            ("~^(?!web).*", "\"~^(?!web).*\" has a look ahead (?!…), which is not supported here | what is not wanted"),
            (r"~(w)eb\1", "has a reference to a group (\\1), which is not supported here | like '~web[0-9]+'"),
            ("~web(", "is no regular expression: unclosed group | like"),
            ("~(?a)web", "has the flag (?a)"),
        ] {
            let said = said(pattern);
            assert!(said.contains(message) && !said.contains("feature"), "{pattern}: {said}");
        }
    }

    #[test]
    fn what_is_meant_otherwise_is_said() {
        let file = said("@hosts.txt");
        assert!(file.contains("takes no file") && file.ends_with("-t \"$(paste -sd, hosts.txt)\" gives what is in it"));
        assert!(said("web*:!eu,us").ends_with("| -t 'web*,!eu,us'"), "{}", said("web*:!eu,us"));
        assert_eq!(said("web1:22,db1").len(), "[Name(\"web1:22\"), Host(2)]".len());
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
