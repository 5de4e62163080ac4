//! The lines of one table, as libwrap reads them (table_match() of hosts_access.c, xgets() of misc.c).

use super::address::Net;
use super::option::{self, Effect};
use super::pattern::{self, Request, split_at};
use super::truth::Truth;
use super::{Place, lossy};

/// BUFLEN of hosts_access.c, with room for the final NUL.
const ROOM: usize = 2048;

/// A table.
#[derive(Debug)]
pub struct Table {
    pub path: &'static str,
    pub lines: Vec<Line>,
}

/// A line that says something, with those that it goes on in.
#[derive(Debug)]
pub struct Line {
    /// Counted from 1.
    pub first: usize,
    pub last: usize,
    text: Vec<u8>,
    pub kind: Kind,
}

/// What it is.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    Rule(Rule),
    /// It has no `:` outside of brackets: libwrap complains and goes on.
    NoColon,
    /// The file ends in it, without a newline.
    Unended,
    /// It does not fit into libwrap's buffer.
    TooLong,
}

/// `daemons : clients : option : option …`
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    daemons: Vec<Vec<u8>>,
    clients: Vec<Vec<u8>>,
    /// As it stands after the second colon; none if there is no second colon.
    pub options: Option<Vec<u8>>,
}

/// Something that libwrap complains of or that has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, in a person's words.
    pub what: String,
}

impl Table {
    pub fn parse(path: &'static str, bytes: &[u8]) -> Self {
        let (mut lines, mut rest, mut at) = (Vec::new(), bytes, 0);
        loop {
            let first = at + 1;
            let Some((text, ended)) = next(&mut rest, &mut at) else { break };
            if !ended {
                let kind = if rest.is_empty() { Kind::Unended } else { Kind::TooLong };
                let read = &bytes[..bytes.len() - rest.len()];
                let last = if read.ends_with(b"\n") { at } else { at + 1 };
                // Nothing after it is read.
                lines.push(Line { first, last, text, kind });
                break;
            }
            if let Some(kind) = Kind::of(&text) {
                lines.push(Line { first, last: at, text, kind });
            }
        }
        Self { path, lines }
    }

    pub fn problems(&self) -> Vec<Problem> {
        let mut out = Vec::new();
        for line in &self.lines {
            let mut add = |what: String| out.push(Problem { place: line.place(self.path), what });
            match &line.kind {
                Kind::NoColon => add("it has no \":\" between daemons and clients, and is ignored".into()),
                Kind::Unended => add("it does not end with a newline, and is not read".into()),
                Kind::TooLong => add("it is longer than libwrap can read, as is all after it".into()),
                Kind::Rule(rule) => {
                    for net in rule.clients.iter().filter(|t| !t.starts_with(b"/")) {
                        if let Some((n, m)) = split_at(net, b'/').filter(|(n, m)| Net::parse(n, m).is_none()) {
                            add(format!("\"{}/{}\" matches nobody", lossy(n), lossy(m)));
                        }
                    }
                    if let [Effect::Bad(why)] = option::effects(&rule.options).as_slice() {
                        add(format!("{why}: whom it matches is denied"));
                    }
                }
            }
        }
        out
    }
}

impl Line {
    pub fn rule(&self) -> Option<&Rule> {
        if let Kind::Rule(rule) = &self.kind { Some(rule) } else { None }
    }
    pub fn place(&self, file: &'static str) -> Place {
        Place { file, first: self.first, last: self.last, text: lossy(&self.text).trim().to_owned() }
    }
}

impl Kind {
    /// `None` for a comment or an empty line: only a `#` at the very start is one.
    fn of(text: &[u8]) -> Option<Self> {
        if text.first() == Some(&b'#') || text.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')) {
            return None;
        }
        let Some((daemons, rest)) = split_at(text, b':') else { return Some(Kind::NoColon) };
        let (clients, options) = split_at(rest, b':').map_or((rest, None), |(c, o)| (c, Some(o.to_vec())));
        Some(Kind::Rule(Rule { daemons: tokens(daemons), clients: tokens(clients), options }))
    }
}

impl Rule {
    pub fn matches(&self, r: &Request<'_>) -> Truth {
        pattern::list(&self.daemons, &|t| pattern::server(t, r))
            .and(|| pattern::list(&self.clients, &|t| pattern::client(t, r)))
    }
    /// The files that its patterns name.
    pub fn paths(&self) -> Vec<String> {
        let daemons = self.daemons.iter().filter(|t| !t.starts_with(b"/"));
        daemons.chain(&self.clients).filter_map(|t| pattern::path(t)).collect()
    }
}

fn tokens(text: &[u8]) -> Vec<Vec<u8>> {
    let parts = text.split(|b| matches!(b, b',' | b' ' | b'\t' | b'\r' | b'\n'));
    parts.filter(|t| !t.is_empty()).map(<[u8]>::to_vec).collect()
}

/// xgets(): a line with those that it goes on in (a backslash right before the newline), and whether it ended with a
/// newline. `at` counts newlines.
fn next(rest: &mut &[u8], at: &mut usize) -> Option<(Vec<u8>, bool)> {
    let (mut text, mut room) = (Vec::new(), ROOM);
    loop {
        let got = rest.iter().take(room - 1).position(|b| *b == b'\n').map_or(rest.len().min(room - 1), |n| n + 1);
        if got == 0 {
            return (!text.is_empty()).then_some((text, false));
        }
        let (line, after) = rest.split_at(got);
        *rest = after;
        let part = match line.strip_suffix(b"\n") {
            None => line,
            Some(start) => {
                *at += 1;
                match start.strip_suffix(b"\\") {
                    Some(start) => start,
                    None => {
                        text.extend_from_slice(line);
                        return Some((text, true));
                    }
                }
            }
        };
        text.extend_from_slice(part);
        room -= part.len();
        if room == 1 {
            return Some((text, false));
        }
    }
}
