//! Whether a daemon, a client or a host fits a list of patterns (hosts_access(5), PATTERNS).

use std::net::IpAddr;

use super::address::{Net, bracketed, plain};
use super::truth::Truth;
use super::{Files, lossy};

/// What a host is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Name {
    /// Nobody has asked.
    #[default]
    Untold,
    /// Its address has no name (`UNKNOWN`).
    None,
    /// Its name has other addresses (`PARANOID`).
    Forged,
    /// This.
    Is(String),
}

/// One end of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// Its address; none stands for any.
    pub address: Option<IpAddr>,
    /// Its name.
    pub name: Name,
}

/// Who wants in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    /// From where.
    pub host: Host,
    /// What its host's ident service says (RFC 1413), where that was asked.
    pub user: Option<String>,
}

impl Client {
    /// A client of which no more is known than where it is.
    #[must_use]
    pub fn at(address: IpAddr) -> Self {
        Self { host: Host { address: Some(address), name: Name::Untold }, user: None }
    }
}

/// What is asked.
pub struct Request<'a> {
    pub daemon: &'a str,
    pub client: &'a Client,
    pub server: &'a Host,
    pub port: Option<u16>,
    pub files: &'a Files,
}

/// A text that a pattern is held against; none where it is not known.
type Text<'a> = Option<&'a str>;

/// Files that name files that name files: deeper than this is an endless loop.
const DEEPEST: usize = 8;

/// `a b EXCEPT c EXCEPT d` is `(a or b) and not (c and not d)`.
pub fn list(tokens: &[Vec<u8>], fits: &dyn Fn(&[u8]) -> Truth) -> Truth {
    let at = tokens.iter().position(|t| t.eq_ignore_ascii_case(b"EXCEPT"));
    let (heads, rest) = tokens.split_at(at.unwrap_or(tokens.len()));
    Truth::any(heads.iter().map(|t| fits(t))).and(|| match rest.split_first() {
        Some((_, rest)) => !list(rest, fits),
        None => Truth::Yes,
    })
}

/// A daemon's name or port, with `@host` of the server behind it or not.
pub fn server(token: &[u8], r: &Request<'_>) -> Truth {
    let (daemon, host) = at_sign(token);
    let fits = match port(daemon) {
        Some(port) => r.port.map_or(Truth::Maybe, |p| Truth::from(p == port)),
        None => text(daemon, Some(r.daemon)),
    };
    fits.and(|| host.map_or(Truth::Yes, |h| self::host(h, r.server, r.files, 0)))
}

/// A host, with `user@` before it or not.
pub fn client(token: &[u8], r: &Request<'_>) -> Truth {
    match at_sign(token) {
        (user, Some(host)) => self::host(host, &r.client.host, r.files, 0).and(|| text(user, r.client.user.as_deref())),
        (host, None) => self::host(host, &r.client.host, r.files, 0),
    }
}

/// The path that a token names, if it does.
pub fn path(token: &[u8]) -> Option<String> {
    let host = at_sign(token).1.unwrap_or(token);
    host.starts_with(b"/").then(|| lossy(host))
}

/// Splits at a byte that is in no brackets, as libwrap counts them.
pub fn split_at(text: &[u8], delimiter: u8) -> Option<(&[u8], &[u8])> {
    let mut depth = 0;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => depth -= 1,
            b if depth == 0 && *b == delimiter => return Some((&text[..at], &text[at + 1..])),
            _ => {}
        }
    }
    None
}

/// Words of a file that a pattern names: blanks alone part them, and nothing is a comment.
pub fn words(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let blank = |b: &u8| b.is_ascii_whitespace() || *b == 0x0b;
    bytes.split(blank).filter(|w| !w.is_empty())
}

/// `user@host`; an `@` at the start is a netgroup's.
fn at_sign(token: &[u8]) -> (&[u8], Option<&[u8]>) {
    match token.get(1..).and_then(|rest| split_at(rest, b'@')) {
        Some((user, host)) => (&token[..=user.len()], Some(host)),
        None => (token, None),
    }
}

/// `%u` of scanf(3) for the whole token, as far as it is a port.
fn port(token: &[u8]) -> Option<u16> {
    let digits = token.strip_prefix(b"+").unwrap_or(token);
    digits.iter().all(u8::is_ascii_digit).then_some(())?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn host(token: &[u8], host: &Host, files: &Files, depth: usize) -> Truth {
    let named = match &host.name {
        Name::Untold => Truth::Maybe,
        Name::Is(_) => Truth::Yes,
        Name::None | Name::Forged => Truth::No,
    };
    match token {
        // Whether a host is in a netgroup only its own system knows.
        [b'@', ..] => Truth::Maybe,
        [b'/', ..] => match files.get(&lossy(token)) {
            Some(Some(bytes)) if depth < DEEPEST => {
                Truth::any(words(bytes).map(|w| self::host(w, host, files, depth + 1)))
            }
            Some(None) => Truth::No,
            _ => Truth::Maybe,
        },
        t if t.eq_ignore_ascii_case(b"KNOWN") => named,
        t if t.eq_ignore_ascii_case(b"LOCAL") => named.and(|| match &host.name {
            Name::Is(name) => Truth::from(!name.contains('.')),
            _ => Truth::Maybe,
        }),
        t => match split_at(t, b'/') {
            Some((net, mask)) => match (Net::parse(net, mask), host.address) {
                (None, _) => Truth::No,
                (Some(_), None) => Truth::Maybe,
                (Some(net), Some(a)) => net.holds(plain(a)).into(),
            },
            None => address(t, host.address).or(|| name(t, &host.name)),
        },
    }
}

fn address(token: &[u8], address: Option<IpAddr>) -> Truth {
    let Some(address) = address.map(plain) else {
        // A letter beyond those of IPv6 is in no address.
        let word = token.iter().any(|b| b.is_ascii_alphabetic() && !b.is_ascii_hexdigit());
        let address = token.eq_ignore_ascii_case(b"ALL") || bracketed(token).is_some();
        return if word && !address { Truth::No } else { text(token, None) };
    };
    if !wild(token)
        && let Some(wanted) = bracketed(token)
    {
        return Truth::from(address == IpAddr::V6(wanted));
    }
    text(token, Some(&address.to_string()))
}

fn name(token: &[u8], name: &Name) -> Truth {
    // NOT_INADDR of tcpd.h: only what is not all digits, dots and slashes is held against names.
    if token.iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'/')) {
        return Truth::No;
    }
    match name {
        Name::Untold => {
            // In no host's name; and what is all numbers and wildcards is meant for addresses.
            let foreign = token.iter().any(|b| matches!(b, b'[' | b']' | b':'));
            let numbers = token.iter().any(u8::is_ascii_digit)
                && token.iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'*' | b'?'));
            if foreign || numbers { Truth::No } else { text(token, None) }
        }
        Name::None => text(token, Some("unknown")),
        Name::Forged => text(token, Some("paranoid")),
        Name::Is(name) => text(token, Some(name)),
    }
}

fn wild(token: &[u8]) -> bool {
    token.iter().any(|b| matches!(b, b'*' | b'?'))
}

/// string_match() of hosts_access.c.
fn text(token: &[u8], text: Text<'_>) -> Truth {
    let Some(text) = text.map(str::as_bytes) else {
        let all = token.eq_ignore_ascii_case(b"ALL") || token == b"*";
        return if all { Truth::Yes } else { Truth::Maybe };
    };
    let holds = match token {
        t if wild(t) => glob(t, text),
        [b'.', ..] => text.len() > token.len() && text[text.len() - token.len()..].eq_ignore_ascii_case(token),
        t if t.eq_ignore_ascii_case(b"ALL") => true,
        t if t.eq_ignore_ascii_case(b"KNOWN") => !text.eq_ignore_ascii_case(b"unknown"),
        [.., b'.'] => text.get(..token.len()).is_some_and(|start| start.eq_ignore_ascii_case(token)),
        t => t.eq_ignore_ascii_case(text),
    };
    holds.into()
}

/// match_pattern_ylo() of hosts_access.c, with what is odd about it: a star before another wildcard takes no empty text.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (rows, wide) = (pattern.len(), text.len());
    let same = |a: u8, b: u8| a.eq_ignore_ascii_case(&b);
    // fits[p][s]: the rest of the pattern from p fits the rest of the text from s.
    let mut fits = vec![vec![false; wide + 2]; rows + 2];
    fits[rows][wide] = true;
    for p in (0..rows).rev() {
        for s in (0..=wide).rev() {
            fits[p][s] = match (pattern[p], pattern.get(p + 1)) {
                (b'*', None) => true,
                (b'*', Some(b'*' | b'?')) => (s..wide).any(|k| fits[p + 1][k]),
                (b'*', Some(next)) => (s..wide).any(|k| same(text[k], *next) && fits[p + 2][k + 1]),
                (c, _) => s < wide && (c == b'?' || same(c, text[s])) && fits[p + 1][s + 1],
            };
        }
    }
    fits[0][0]
}
