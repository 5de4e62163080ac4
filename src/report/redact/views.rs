//! A text as it reads without what programs put between the characters of a value: line breaks, blanks, quotes, the offsets and
//! columns of a dump. What is found there is hidden in the text itself.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// The bytes that count, each with its place in the text.
struct View {
    bytes: Vec<u8>,
    at: Vec<usize>,
    /// It is a dump: what stands behind the bytes of a line repeats them.
    dump: bool,
}

/// All views of one text.
pub(super) struct Views<'a> {
    text: &'a str,
    folded: View,
    base64: View,
    hex: Vec<View>,
}

/// A secret as it reads in those views.
pub(super) struct Needles {
    folded: Option<Vec<u8>>,
    /// In base64 (RFC 4648), after 0, 1 or 2 bytes that stand before it; whether its first and last character are shared with
    /// what stands around it.
    base64: Vec<(Vec<u8>, bool, bool)>,
    hex: Option<Vec<u8>>,
}

/// Of fewer characters too many words are made.
const FEWEST: usize = 6;
const FEWEST_BASE64: usize = 8;
const FEWEST_BYTES: usize = 4;

impl Needles {
    pub(super) fn new(plain: &str) -> Self {
        let folded = Some(fold(plain).bytes).filter(|f| f.len() >= FEWEST);
        let base64 = (0..3).filter_map(|before| {
            // What stands before it moves its bits.
            let bytes = [&[0; 3][..before], plain.as_bytes()].concat();
            let (first, whole) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
            let own = STANDARD_NO_PAD.encode(&bytes).get(first..whole)?.as_bytes().to_vec();
            (own.len() >= FEWEST_BASE64).then_some((own, before > 0, bytes.len() * 8 % 6 != 0))
        });
        let hex = (plain.len() >= FEWEST_BYTES).then(|| plain.bytes().flat_map(nibbles).collect());
        Self { folded, base64: base64.collect(), hex }
    }
}

fn nibbles(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 15]
}

impl<'a> Views<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let lines = dump_lines(text);
        let dumps = [in_hex(&lines), in_swapped_words(&lines), in_octal(&lines)];
        let mut hex = vec![loose_hex(text)];
        hex.extend(dumps.into_iter().filter(|v| !v.bytes.is_empty()));
        Self { text, folded: fold(text), base64: base64(text), hex }
    }

    /// Where the secret stands.
    pub(super) fn find(&self, needles: &Needles) -> Vec<Range<usize>> {
        let mut out = Vec::new();
        if let Some(n) = &needles.folded {
            self.of(&self.folded, n, false, false, &mut out);
        }
        for (n, lead, shared) in &needles.base64 {
            self.of(&self.base64, n, *lead, *shared, &mut out);
        }
        for view in &self.hex {
            if let Some(n) = &needles.hex {
                self.of(view, n, false, false, &mut out);
            }
        }
        out
    }

    fn of(&self, view: &View, needle: &[u8], lead: bool, shared: bool, out: &mut Vec<Range<usize>>) {
        let letter = |at: usize| view.bytes.get(at).is_some_and(|b| b.is_ascii_alphanumeric() || b"+/".contains(b));
        let mut from = 0;
        while let Some(found) = position(view.bytes.get(from..).unwrap_or_default(), needle) {
            let (mut first, mut end) = (from + found, from + found + needle.len());
            from = end;
            // The characters that it shares with its neighbours go with it.
            if lead && first > 0 && letter(first - 1) {
                first -= 1;
            }
            if shared && letter(end) {
                end += 1;
            }
            while (lead || shared) && view.bytes.get(end) == Some(&b'=') {
                end += 1;
            }
            let (Some(start), Some(last)) = (view.at.get(first), view.at.get(end - 1)) else { continue };
            let last = self.text[*last..].chars().next().map_or(*last, |c| last + c.len_utf8());
            let line = self.text[last..].find('\n').map_or(self.text.len(), |n| last + n);
            out.push(*start..if view.dump { line } else { last });
        }
    }
}

fn position(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let starts = bytes.iter().enumerate().filter(|(_, b)| **b == first);
    starts.map(|(at, _)| at).find(|at| bytes[*at..].starts_with(needle))
}

/// Without blanks, line breaks, quotes and what begins a line of a diff or a quotation.
fn fold(text: &str) -> View {
    let mut view = View { bytes: Vec::new(), at: Vec::new(), dump: false };
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && chars.next_if(|(_, n)| matches!(n, 'n' | 'r' | 't')).is_some() {
            continue;
        }
        if c.is_whitespace() || "\"'\\|>+-".contains(c) {
            continue;
        }
        let mut utf8 = [0; 4];
        for (n, b) in c.encode_utf8(&mut utf8).bytes().enumerate() {
            view.bytes.push(b);
            // Every byte at its character.
            view.at.push(if n == 0 { at } else { view.at.last().copied().unwrap_or(at) });
        }
    }
    view
}

/// The same of base64, in the one alphabet; `-` and `+` are letters of it, but at the start of a line and between quotes.
fn base64(text: &str) -> View {
    let mut view = View { bytes: Vec::new(), at: Vec::new(), dump: false };
    let bytes = text.as_bytes();
    let beside = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at)).is_none_or(|b| b.is_ascii_whitespace() || b"\"'".contains(b))
    };
    let mut at = 0;
    while let Some(b) = bytes.get(at) {
        let escaped = *b == b'\\' && bytes.get(at + 1).is_some_and(|n| b"nrt".contains(n));
        let first = at.checked_sub(1).and_then(|p| bytes.get(p)).is_some_and(|p| *p == b'\n');
        let mark = b"+-".contains(b) && (first || beside(at.checked_sub(1)) && beside(Some(at + 1)));
        if !(escaped || mark || b.is_ascii_whitespace() || b"\"'\\|>,".contains(b)) {
            let same = match b {
                b'-' => b'+',
                b'_' => b'/',
                b if b.is_ascii() => *b,
                _ => 0,
            };
            if text.is_char_boundary(at) {
                view.bytes.push(same);
                view.at.push(at);
            }
        }
        at += if escaped { 2 } else { 1 };
    }
    view
}

/// What ends a run of digits.
const BREAK: u8 = 0xff;

/// Hexadecimal digits, with whatever may stand between two bytes of them.
fn loose_hex(text: &str) -> View {
    let mut view = View { bytes: Vec::new(), at: Vec::new(), dump: false };
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(b) = bytes.get(at) {
        let pair = matches!((b, bytes.get(at + 1)), (b'\\' | b'0', Some(b'x' | b'X')) | (b'\\', Some(b'n' | b'r')));
        if pair {
            at += 2;
            continue;
        }
        match char::from(*b).to_digit(16) {
            Some(n) => {
                view.bytes.push(u8::try_from(n).unwrap_or(BREAK));
                view.at.push(at);
            }
            None if b.is_ascii_whitespace() || b":,-+\"'\\|>".contains(b) => {}
            None if view.bytes.last().is_some_and(|l| *l != BREAK) => {
                view.bytes.push(BREAK);
                view.at.push(text.floor_char_boundary(at));
            }
            None => {}
        }
        at += 1;
    }
    view
}

/// The groups of digits of each line of a dump (xxd, hexdump, od), without its offset and without the column of letters.
fn dump_lines(text: &str) -> Vec<Vec<(usize, &str)>> {
    let mut out = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let body = line.trim_start_matches([' ', '+', '-', '>', '|', '\t']);
        let at = start + line.len() - body.len();
        start += line.len();
        let is_hex = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_hexdigit());
        let Some((offset, rest)) = body.split_once([' ', '\t']) else { continue };
        let number = offset.strip_suffix(':').unwrap_or(offset);
        if !(4..=16).contains(&number.len()) || !is_hex(number) {
            continue;
        }
        // xxd's column stands behind two blanks, those of the others in marks.
        let rest = rest.trim_end_matches(['\n', '\r']);
        let lead = rest.len() - rest.trim_start().len();
        let end = if offset.ends_with(':') { rest[lead..].find("  ").map(|n| n + lead) } else { rest.find(['|', '>']) };
        let groups = &rest[..end.unwrap_or(rest.len())];
        let mut place = at + offset.len() + 1;
        let mut all = Vec::new();
        for word in groups.split(' ') {
            if is_hex(word) {
                all.push((place, word));
            } else if !word.is_empty() {
                break;
            }
            place += word.len() + 1;
        }
        if !all.is_empty() {
            out.push(all);
        }
    }
    out
}

/// Of each byte its two digits, at the place where it stands.
fn dumped<'t>(lines: &[Vec<(usize, &'t str)>], bytes: impl Fn(&'t str) -> Vec<(usize, u8)>) -> View {
    let mut view = View { bytes: Vec::new(), at: Vec::new(), dump: true };
    for (place, word) in lines.iter().flatten() {
        for (n, byte) in bytes(word) {
            view.bytes.extend(nibbles(byte));
            view.at.extend([place + n, place + n + 1]);
        }
    }
    view
}

fn pairs(word: &str) -> Vec<(usize, u8)> {
    let pair = |n: usize| Some((n, u8::from_str_radix(word.get(n..n + 2)?, 16).ok()?));
    (0..word.len()).step_by(2).filter_map(pair).collect()
}

fn in_hex(lines: &[Vec<(usize, &str)>]) -> View {
    dumped(lines, pairs)
}

/// `hexdump` and `od -x` on most machines: the second byte of two stands first.
fn in_swapped_words(lines: &[Vec<(usize, &str)>]) -> View {
    let swapped = |word: &str| match pairs(word)[..] {
        [(_, first), (_, second)] if word.len() == 4 => vec![(0, second), (2, first)],
        _ => Vec::new(),
    };
    dumped(lines, swapped)
}

/// `od -b`.
fn in_octal(lines: &[Vec<(usize, &str)>]) -> View {
    let byte = |word: &str| u8::from_str_radix(word, 8).ok().filter(|_| word.len() == 3);
    dumped(lines, |word| byte(word).map(|b| (0, b)).into_iter().collect())
}
