//! The grammars of ini-like files: where a value ends, what parts key and value, which keys are the same.

use std::ops::Range;

use super::super::lines::{Line, indent, trim_cr};

/// Which grammar a file is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// systemd.syntax(7): a backslash at the end continues a value, also over comments; keys are case-sensitive.
    Systemd,
    /// Python's configparser, and what copies it (fail2ban, tox, pip, dnf): a value goes on over deeper lines, blank lines
    /// and comments between them; `:` parts key and value too; keys are the same in any case.
    Configparser,
    /// git-config(1): a backslash continues a value, `#` and `;` begin a comment anywhere, values are quoted; keys are the
    /// same in any case.
    Git,
    /// smb.conf(5): a backslash continues a value; case and blanks of keys do not count.
    Samba,
    /// GLib's GKeyFile (NetworkManager, .desktop) and the like: a value is one line; keys are case-sensitive.
    Keyfile,
}

/// By name.
pub const DIALECTS: &[(&str, Dialect)] = &[
    ("systemd", Dialect::Systemd),
    ("configparser", Dialect::Configparser),
    ("git", Dialect::Git),
    ("samba", Dialect::Samba),
    ("keyfile", Dialect::Keyfile),
];

/// Endings of systemd's files (systemd.unit(5), systemd.network(5), systemd.netdev(5), systemd.link(5), systemd.nspawn(5)).
const UNITS: &[&str] = &[
    "service",
    "socket",
    "timer",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "slice",
    "scope",
    "network",
    "netdev",
    "link",
    "nspawn",
    "dnssd",
];

impl Dialect {
    /// What a file's path says of it; `None`: nothing.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let ending = name.rsplit_once('.').map_or("", |(_, e)| e);
        let below = |dirs: &[&str]| dirs.iter().any(|d| path.contains(d));
        Some(match name {
            _ if UNITS.contains(&ending) || below(&["/systemd/"]) => Self::Systemd,
            "gitconfig" | ".gitconfig" | ".gitmodules" => Self::Git,
            "config" if below(&["/.git/", ".git/config", "/git/config"]) => Self::Git,
            "smb.conf" => Self::Samba,
            "tox.ini" | "setup.cfg" | "pip.conf" | "ansible.cfg" | "yum.conf" | "dnf.conf" => Self::Configparser,
            _ if below(&["/fail2ban/", "/yum.repos.d/", "/supervisor/"]) => Self::Configparser,
            _ if ["desktop", "nmconnection", "keyfile"].contains(&ending) || below(&["/NetworkManager/"]) => {
                Self::Keyfile
            }
            _ => return None,
        })
    }

    /// The dialects that a text whose path says nothing may be of: those in which every line means something; all of
    /// them, if there is none.
    pub(super) fn of_text(lines: &[Line<'_>]) -> Vec<Self> {
        const TOLD: [Dialect; 3] = [Dialect::Systemd, Dialect::Configparser, Dialect::Keyfile];
        let fits: Vec<Self> = TOLD.into_iter().filter(|d| all(lines, *d).iter().all(|s| !s.junk)).collect();
        if fits.is_empty() { TOLD.to_vec() } else { fits }
    }

    pub(super) fn same_key(self, a: &[u8], b: &[u8]) -> bool {
        match self {
            Self::Systemd | Self::Keyfile => a == b,
            Self::Configparser => {
                let lower = |key: &[u8]| String::from_utf8_lossy(key).to_lowercase();
                a == b || lower(a) == lower(b)
            }
            Self::Git => a.eq_ignore_ascii_case(b),
            Self::Samba => {
                let bare = |key: &[u8]| -> Vec<u8> {
                    key.iter().filter(|b| !b.is_ascii_whitespace()).map(u8::to_ascii_lowercase).collect()
                };
                bare(a) == bare(b)
            }
        }
    }

    pub(super) fn same_section(self, a: &[u8], b: &[u8]) -> bool {
        let quote = |name: &[u8]| name.iter().position(|b| *b == b'"').unwrap_or(name.len());
        match self {
            Self::Samba => a.eq_ignore_ascii_case(b),
            Self::Git => {
                let ((a, of_a), (b, of_b)) = (a.split_at(quote(a)), b.split_at(quote(b)));
                a.trim_ascii().eq_ignore_ascii_case(b.trim_ascii()) && of_a == of_b
            }
            _ => a == b,
        }
    }

    /// A value as it is written.
    pub(super) fn written(self, value: &str) -> Vec<u8> {
        let value = value.trim_ascii();
        if self != Self::Git || !value.contains(['#', ';', '"', '\\']) {
            return value.as_bytes().to_vec();
        }
        format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")).into_bytes()
    }

    /// Whether what stands there says what would be written.
    pub(super) fn same_value(self, there: Option<&[u8]>, written: Option<&[u8]>) -> bool {
        match (self, there, written) {
            (Self::Git, Some(a), Some(b)) => a == b || git_value(a).is_some_and(|a| git_value(b) == Some(a)),
            (_, a, b) => a == b,
        }
    }

    fn delimiters(self) -> &'static [u8] {
        if self == Self::Configparser { b"=:" } else { b"=" }
    }
}

/// git-config(1), "Variables": letters, digits and -, with a letter first.
pub(super) fn is_git_key(key: &[u8]) -> bool {
    key.first().is_some_and(u8::is_ascii_alphabetic) && key.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
}

/// A value of git's without quotes, escapes and comment; `None` where an escape is none or a quote is not closed.
fn git_value(text: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut quoted, mut kept) = (Vec::new(), false, 0);
    let mut bytes = text.iter();
    while let Some(b) = bytes.next() {
        match b {
            b'"' => quoted = !quoted,
            b'#' | b';' if !quoted => break,
            b'\\' => out.push(match bytes.next()? {
                b'n' => b'\n',
                b't' => b'\t',
                b'b' => 8,
                c @ (b'"' | b'\\') => *c,
                _ => return None,
            }),
            b => out.push(*b),
        }
        if quoted || !b.is_ascii_whitespace() {
            kept = out.len();
        }
    }
    out.truncate(kept);
    (!quoted).then_some(out)
}

/// One key of the wanted section. The style is the text around key and value.
pub(super) struct Entry<'a> {
    pub key: &'a [u8],
    /// On the key's own line; `None` without a delimiter.
    pub value: Option<&'a [u8]>,
    pub lines: Range<usize>,
    pub style: Style<'a>,
}

#[derive(Clone, Copy)]
pub(super) struct Style<'a> {
    indent: &'a [u8],
    before: &'a [u8],
    delimiter: u8,
    after: &'a [u8],
}

impl<'a> Style<'a> {
    /// With another one's indentation.
    pub(super) fn indented_as(self, other: Style<'a>) -> Self {
        Self { indent: other.indent, ..self }
    }

    pub(super) fn line(self, key: &[u8], value: Option<&[u8]>) -> Vec<u8> {
        let Some(value) = value else { return [self.indent, key].concat() };
        let after = if value.is_empty() { b"" } else { self.after };
        [self.indent, key, self.before, &[self.delimiter], after, value].concat()
    }
}

/// A file as far as one section is wanted.
pub(super) struct Parsed<'a> {
    /// Of the wanted section, in order.
    pub entries: Vec<Entry<'a>>,
    /// Of the first entry of the file that has a delimiter.
    style: Option<Style<'a>>,
    /// The line to put new keys before; `None` if there is no such section.
    pub new_keys: Option<usize>,
    /// The entry that the end of the file leaves open.
    pub unfinished: Option<usize>,
    /// The lines of the wanted section, each time it comes; the comments above the next header are that one's.
    pub places: Vec<Range<usize>>,
}

/// What stands in a file, piece by piece.
enum Piece<'a> {
    Header { at: usize, name: &'a [u8] },
    Entry { entry: Entry<'a>, open: bool },
}

/// The headers and entries of a text.
fn pieces<'a>(lines: &[Line<'a>], dialect: Dialect) -> Vec<Piece<'a>> {
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(line) = lines.get(at) {
        let first = at;
        at += 1;
        if let Some(name) = header(line.text, dialect) {
            out.push(Piece::Header { at: first, name });
        } else if !is_comment(line.text) && !line.text.trim_ascii().is_empty() {
            let (end, open) = value_end(lines, first, dialect);
            at = end;
            out.push(Piece::Entry { entry: Entry::of(line.text, first..end, dialect), open });
        }
    }
    out
}

/// One entry or header of a whole file.
pub(super) struct Said<'a> {
    pub section: &'a [u8],
    /// Empty for a header.
    pub key: &'a [u8],
    /// Its lines without blanks and comments around and between.
    pub value: Vec<&'a [u8]>,
    /// From 1.
    pub line: usize,
    /// It means nothing in this dialect.
    pub junk: bool,
}

/// Every entry and header of a text.
pub(super) fn all<'a>(lines: &[Line<'a>], dialect: Dialect) -> Vec<Said<'a>> {
    let mut section: &[u8] = b"";
    let mut out = Vec::new();
    for piece in pieces(lines, dialect) {
        match piece {
            Piece::Header { name, at } => {
                section = name;
                out.push(Said { section, key: b"", value: Vec::new(), line: at + 1, junk: false });
            }
            Piece::Entry { entry, .. } => {
                let more = lines.get(entry.lines.start + 1..entry.lines.end).unwrap_or_default();
                let more = more.iter().map(|l| l.text.trim_ascii()).filter(|t| !t.is_empty() && !is_comment(t));
                let junk = match dialect {
                    Dialect::Systemd | Dialect::Samba | Dialect::Keyfile => entry.value.is_none(),
                    Dialect::Git => !is_git_key(entry.key),
                    Dialect::Configparser => false,
                };
                let value = entry.value.into_iter().chain(more).collect();
                out.push(Said { section, key: entry.key, value, line: entry.lines.start + 1, junk });
            }
        }
    }
    out
}

impl<'a> Parsed<'a> {
    pub(super) fn of(lines: &[Line<'a>], wanted: &[u8], dialect: Dialect) -> Self {
        let top = lines.iter().take_while(|line| is_comment(line.text)).count();
        let mut parsed =
            Self { entries: Vec::new(), style: None, new_keys: None, unfinished: None, places: Vec::new() };
        let mut inside = wanted.is_empty();
        if inside {
            parsed.new_keys = Some(top);
        }
        let mut open_place = None;
        for piece in pieces(lines, dialect) {
            match piece {
                Piece::Header { at, name } => {
                    parsed.place(lines, open_place.take(), at);
                    inside = dialect.same_section(name, wanted);
                    if inside {
                        parsed.new_keys = Some(at + 1);
                        open_place = Some(at);
                    }
                }
                Piece::Entry { entry, open } => {
                    parsed.unfinished = open.then_some(entry.lines.start);
                    parsed.style = parsed.style.or(entry.value.map(|_| entry.shown()));
                    if inside {
                        parsed.new_keys = Some(entry.lines.end);
                        parsed.entries.push(entry);
                    }
                }
            }
        }
        parsed.place(lines, open_place, lines.len());
        parsed
    }

    /// A section from its header to the next one.
    fn place(&mut self, lines: &[Line<'a>], from: Option<usize>, to: usize) {
        let Some(from) = from else { return };
        let last = to == lines.len();
        let above = lines.get(from + 1..to).unwrap_or_default().iter().rev().take_while(|l| is_comment(l.text)).count();
        self.places.push(from..if last { to } else { to - above });
    }

    pub(super) fn style(&self) -> Style<'a> {
        let own = self.entries.iter().rev().find(|entry| entry.value.is_some()).map(Entry::shown);
        let plain = Style { indent: b"", before: b"", delimiter: b'=', after: b"" };
        let style = own.or(self.style).unwrap_or(plain);
        // Deeper than the key above it, the new line would continue that key's value.
        let indent = self.entries.last().map_or(style.indent, |last| last.style.indent);
        Style { indent, ..style }
    }

    /// The entry's own, as far as it shows one: `k` shows nothing, `k =` shows half.
    pub(super) fn style_of(&self, entry: &Entry<'a>) -> Style<'a> {
        match entry.value {
            None => Style { indent: entry.style.indent, ..self.style() },
            Some(_) => entry.shown(),
        }
    }
}

impl<'a> Entry<'a> {
    /// Its style; of one without a value, what stands before the delimiter stands behind it too.
    fn shown(&self) -> Style<'a> {
        match self.value {
            Some(b"") if self.style.after.is_empty() => Style { after: self.style.before, ..self.style },
            _ => self.style,
        }
    }

    fn of(text: &'a [u8], lines: Range<usize>, dialect: Dialect) -> Self {
        let (indent, rest) = text.split_at(indent(text));
        let at = rest.iter().position(|byte| dialect.delimiters().contains(byte));
        let (left, right) = match at {
            Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at + 1..)),
            None => (rest, None),
        };
        let delimiter = at.and_then(|at| rest.get(at)).copied().unwrap_or(b'=');
        let (key, before) = left.split_at(left.trim_ascii_end().len());
        let after = right.map_or(&b""[..], |right| right.split_at(right.len() - right.trim_ascii_start().len()).0);
        Self { key, value: right.map(<[u8]>::trim_ascii), lines, style: Style { indent, before, delimiter, after } }
    }
}

/// Where the value that starts at `first` ends (one past its last line), and whether the end of the file cuts it off.
fn value_end(lines: &[Line<'_>], first: usize, dialect: Dialect) -> (usize, bool) {
    let text = |at: usize| lines.get(at).map_or(&b""[..], |line| line.text);
    let continued = |text| trim_cr(text).ends_with(b"\\"); // a last line can end in a lone CR
    let mut end = first + 1;
    match dialect {
        Dialect::Keyfile => (end, false),
        Dialect::Configparser => {
            let depth = indent(text(first));
            for at in first + 1..lines.len() {
                let next = text(at);
                if next.trim_ascii().is_empty() || is_comment(next) {
                    continue;
                }
                // A header that is deeper is part of the value, too.
                if indent(next) <= depth {
                    break;
                }
                end = at + 1;
            }
            (end, false)
        }
        Dialect::Systemd | Dialect::Git | Dialect::Samba => {
            let mut open = continued(text(first));
            while open && end < lines.len() {
                // systemd.syntax(7): comment lines within a continued value are skipped.
                open = (dialect == Dialect::Systemd && is_comment(text(end))) || continued(text(end));
                end += 1;
            }
            (end, open)
        }
    }
}

pub(super) fn is_comment(text: &[u8]) -> bool {
    matches!(text.trim_ascii_start().first(), Some(b'#' | b';'))
}

/// The name between the brackets; what follows them is not looked at.
fn header(text: &[u8], dialect: Dialect) -> Option<&[u8]> {
    let inner = text.trim_ascii_start().strip_prefix(b"[")?;
    let mut quoted = false;
    let end = inner.iter().position(|b| {
        quoted ^= dialect == Dialect::Git && *b == b'"';
        *b == b']' && !quoted
    })?;
    inner.get(..end).map(<[u8]>::trim_ascii)
}
