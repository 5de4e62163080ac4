//! Python's literals, as Ansible's INI inventories read their values: `ast.literal_eval`, and the text as it is where
//! that fails (Python 3.11, `ast.literal_eval`; ansible-core 2.19, `plugins/inventory/ini.py`).
//!
//! Tuples and sets come out as lists, bytes and complex numbers as text. What JSON has no number for (`1e400`, whole
//! numbers past 64 bits) stays the text that it was.

use serde_json::{Map, Number, Value};

/// Brackets inside each other; Python gives up at 200.
const DEEPEST: usize = 100;

/// The value of a text.
pub(super) fn value(text: &str) -> Value {
    let start = text.trim_start_matches([' ', '\t']);
    let mut p = Parser { rest: start, depth: 0 };
    let read = p.tuple(true).filter(|_| {
        p.space();
        p.rest.is_empty()
    });
    match read {
        Some(Read::Value(v)) => v,
        Some(Read::Complex(re, im)) => Value::String(complex(re, im)),
        None => Value::String(text.to_owned()),
    }
}

enum Read {
    Value(Value),
    Complex(f64, f64),
}

impl Read {
    fn json(self) -> Value {
        match self {
            Self::Value(v) => v,
            Self::Complex(re, im) => Value::String(complex(re, im)),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl Parser<'_> {
    /// Blanks, and a comment.
    fn space(&mut self) {
        let inside = self.depth > 0;
        self.rest = self.rest.trim_start_matches(|c| c == ' ' || c == '\t' || (inside && (c == '\n' || c == '\r')));
        if self.rest.starts_with('#') {
            self.rest = "";
        }
    }

    fn take(&mut self, token: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// One value, or several with commas between them; an open one may not be empty.
    fn tuple(&mut self, open: bool) -> Option<Read> {
        let first = self.sum()?;
        if !self.take(",") {
            return Some(first);
        }
        let mut out = vec![first.json()];
        loop {
            self.space();
            if self.rest.is_empty() || (!open && self.rest.starts_with(')')) {
                return Some(Read::Value(Value::Array(out)));
            }
            out.push(self.sum()?.json());
            if !self.take(",") {
                return Some(Read::Value(Value::Array(out)));
            }
        }
    }

    /// A number plus an imaginary one, or one value.
    fn sum(&mut self) -> Option<Read> {
        let left = self.signed()?;
        let minus = match (self.take("+"), &left) {
            (true, Read::Value(Value::Number(_))) => false,
            (true, _) => return None,
            (false, _) if self.take("-") => true,
            (false, _) => return Some(left),
        };
        let Read::Value(Value::Number(re)) = left else { return None };
        let Read::Complex(_, im) = self.atom()? else { return None };
        Some(Read::Complex(re.as_f64()?, if minus { -im } else { im }))
    }

    fn signed(&mut self) -> Option<Read> {
        let minus = match (self.take("-"), self.take("+")) {
            (false, false) => return self.atom(),
            (true, true) => return None,
            (minus, _) => minus,
        };
        Some(match (self.atom()?, minus) {
            (Read::Complex(re, im), true) => Read::Complex(-re, -im),
            (Read::Value(Value::Number(n)), true) => Read::Value(negative(&n)?),
            (n @ (Read::Complex(..) | Read::Value(Value::Number(_))), false) => n,
            _ => return None,
        })
    }

    fn atom(&mut self) -> Option<Read> {
        self.space();
        let first = self.rest.chars().next()?;
        if first.is_ascii_digit() || (first == '.' && self.rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
            return self.number();
        }
        if let Some(text) = self.string() {
            return text.map(|t| Read::Value(Value::String(t)));
        }
        if self.take("...") {
            return Some(Read::Value("...".into()));
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let read = match first {
            '(' => self.parens(),
            '[' => self.list().map(Read::Value),
            '{' => self.braces().map(Read::Value),
            _ => self.word(),
        };
        self.depth -= 1;
        read
    }

    fn word(&mut self) -> Option<Read> {
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        let value = match word {
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            "None" => Value::Null,
            "set" if self.take("(") && self.take(")") => Value::Array(Vec::new()),
            _ => return None,
        };
        Some(Read::Value(value))
    }

    fn parens(&mut self) -> Option<Read> {
        self.take("(");
        if self.take(")") {
            return Some(Read::Value(Value::Array(Vec::new())));
        }
        let inner = self.tuple(false)?;
        self.take(")").then_some(inner)
    }

    fn list(&mut self) -> Option<Value> {
        self.take("[");
        let mut out = Vec::new();
        while !self.take("]") {
            out.push(self.sum()?.json());
            if !self.take(",") {
                return self.take("]").then_some(Value::Array(out));
            }
        }
        Some(Value::Array(out))
    }

    /// A dictionary, or a set.
    fn braces(&mut self) -> Option<Value> {
        self.take("{");
        let (mut map, mut set, mut pairs) = (Map::new(), Vec::new(), true);
        while !self.take("}") {
            let key = self.sum()?.json();
            let first = map.is_empty() && set.is_empty();
            let colon = self.take(":");
            pairs = if first { colon } else { pairs };
            match (colon, pairs) {
                (true, true) => drop(map.insert(json_key(&key)?, self.sum()?.json())),
                (false, false) if hashable(&key) && !set.contains(&key) => set.push(key),
                (false, false) if hashable(&key) => {}
                _ => return None,
            }
            if !self.take(",") {
                if !self.take("}") {
                    return None;
                }
                break;
            }
        }
        Some(if pairs { Value::Object(map) } else { Value::Array(set) })
    }

    fn number(&mut self) -> Option<Read> {
        let fine = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let mut end = self.rest.find(|c| !fine(c)).unwrap_or(self.rest.len());
        let radix = |t: &str| t.len() > 1 && t.starts_with('0') && t[1..].starts_with(['x', 'X', 'o', 'O', 'b', 'B']);
        // The sign of an exponent.
        if !radix(self.rest) && self.rest[..end].ends_with(['e', 'E']) && self.rest[end..].starts_with(['+', '-']) {
            let more = &self.rest[end + 1..];
            end += 1 + more.find(|c| !fine(c)).unwrap_or(more.len());
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        number(word)
    }

    /// String literals side by side are one; `None`: there is none, `Some(None)`: it is broken.
    fn string(&mut self) -> Option<Option<String>> {
        let mut out: Option<String> = None;
        loop {
            self.space();
            let letters = self.rest.len() - self.rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
            let prefix = self.rest[..letters].to_ascii_lowercase();
            if !self.rest[letters..].starts_with(['"', '\'']) || !["", "r", "u", "b", "br", "rb"].contains(&&*prefix) {
                return out.map(Some);
            }
            self.rest = &self.rest[letters..];
            match self.quoted(prefix.contains('r'), prefix.contains('b')) {
                Some(text) => out.get_or_insert_default().push_str(&text),
                None => return Some(None),
            }
        }
    }

    fn quoted(&mut self, raw: bool, bytes: bool) -> Option<String> {
        let quote = self.rest.get(..1)?;
        let triple = quote.repeat(3);
        let close = if self.rest.starts_with(&triple) { triple } else { quote.to_owned() };
        let body = &self.rest[close.len()..];
        let mut at = 0;
        while !body[at..].starts_with(&close) {
            let c = body[at..].chars().next()?;
            at += c.len_utf8();
            if c == '\\' {
                at += body[at..].chars().next()?.len_utf8();
            }
        }
        self.rest = &body[at + close.len()..];
        let body = &body[..at];
        if bytes && !body.is_ascii() {
            return None;
        }
        if raw { Some(body.to_owned()) } else { unescape(body, bytes) }
    }
}

/// Python's escapes; an unknown one stays as it is.
fn unescape(text: &str, bytes: bool) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((plain, after)) = rest.split_once('\\') {
        out.push_str(plain);
        let c = after.chars().next()?;
        rest = &after[c.len_utf8()..];
        let digits = match c {
            'x' => 2,
            'u' if !bytes => 4,
            'U' if !bytes => 8,
            _ => 0,
        };
        match c {
            _ if digits > 0 => {
                let hex = rest.get(..digits).filter(|h| h.bytes().all(|b| b.is_ascii_hexdigit()))?;
                let code = u32::from_str_radix(hex, 16).ok()?;
                // A byte over 127 is no character by itself.
                out.push(char::from_u32(code).filter(|_| !bytes || code < 128)?);
                rest = &rest[digits..];
            }
            '0'..='7' => {
                let octal: String = after.chars().take(3).take_while(|c| ('0'..='7').contains(c)).collect();
                out.push(char::from_u32(u32::from_str_radix(&octal, 8).ok()?)?);
                rest = &after[octal.len()..];
            }
            '\n' => {}
            // Names of characters are not known here.
            'N' if !bytes => return None,
            '\\' | '\'' | '"' => out.push(c),
            'a' => out.push('\x07'),
            'b' => out.push('\x08'),
            'f' => out.push('\x0c'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'v' => out.push('\x0b'),
            other => out.extend(['\\', other]),
        }
    }
    out.push_str(rest);
    Some(out)
}

fn number(word: &str) -> Option<Read> {
    let imaginary = word.strip_suffix(['j', 'J']);
    let radix = |p: [&str; 2]| p.iter().find_map(|p| word.strip_prefix(p));
    for (prefix, base) in [(["0x", "0X"], 16), (["0o", "0O"], 8), (["0b", "0B"], 2)] {
        if let Some(digits) = radix(prefix) {
            // An underscore may also follow the prefix.
            let plain = underscores(digits.strip_prefix('_').unwrap_or(digits))?;
            return i64::from_str_radix(&plain, base).ok().map(|n| Read::Value(n.into()));
        }
    }
    let plain = underscores(imaginary.unwrap_or(word))?;
    let whole = plain.bytes().all(|b| b.is_ascii_digit());
    if whole && imaginary.is_none() {
        if plain.starts_with('0') && plain.bytes().any(|b| b != b'0') {
            return None;
        }
        return Some(Read::Value(match plain.parse::<u64>() {
            Ok(n) => n.into(),
            Err(_) => Value::String(plain),
        }));
    }
    let fine = plain.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b));
    let float = plain.parse::<f64>().ok().filter(|f| fine && f.is_finite())?;
    match imaginary {
        Some(_) => Some(Read::Complex(0.0, float)),
        None => Number::from_f64(float).map(|n| Read::Value(Value::Number(n))),
    }
}

/// Without underscores, which stand only between digits.
fn underscores(word: &str) -> Option<String> {
    let b = word.as_bytes();
    let between = |i: usize| {
        let digit = |at: Option<usize>| at.and_then(|a| b.get(a)).is_some_and(u8::is_ascii_hexdigit);
        digit(i.checked_sub(1)) && digit(Some(i + 1))
    };
    let fine = b.iter().enumerate().all(|(i, c)| *c != b'_' || between(i));
    (fine && !word.is_empty()).then(|| word.replace('_', ""))
}

fn negative(n: &Number) -> Option<Value> {
    if let Some(u) = n.as_u64() {
        return i64::try_from(-i128::from(u)).ok().map(Value::from);
    }
    Number::from_f64(-n.as_f64()?).map(Value::Number)
}

/// What Python's `json` makes of a key; `None` for what is no key, or is none of JSON.
fn json_key(key: &Value) -> Option<String> {
    match key {
        Value::String(s) => Some(s.clone()),
        Value::Array(_) | Value::Object(_) => None,
        other => Some(spelled(other)),
    }
}

fn hashable(key: &Value) -> bool {
    !matches!(key, Value::Object(_))
}

/// A number or a word of JSON as Python's `json` spells it.
pub(super) fn spelled(value: &Value) -> String {
    match value.as_f64().filter(|_| value.is_f64()) {
        Some(f) => float(f),
        None => value.to_string(),
    }
}

/// `repr` of a float: exponents from 1e16 and below 1e-4, of at least two digits.
fn float(f: f64) -> String {
    let size = f.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{f:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, number) = exponent.strip_prefix('-').map_or(('+', exponent), |n| ('-', n));
        return format!("{digits}e{sign}{number:0>2}");
    }
    format!("{f:?}")
}

/// `str` of a complex number.
fn complex(re: f64, im: f64) -> String {
    let short = |f: f64| float(f).trim_end_matches(".0").to_owned();
    match re == 0.0 && re.is_sign_positive() {
        true => format!("{}j", short(im)),
        false if im.is_sign_negative() => format!("({}{}j)", short(re), short(im)),
        false => format!("({}+{}j)", short(re), short(im)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Each against Python 3.11's own `ast.literal_eval`.
    #[test]
    fn literals() {
        for (text, out) in [
            ("5", json!(5)),
            ("5 # five", json!(5)),
            ("01", json!("01")),
            ("00", json!(0)),
            ("1_000", json!(1000)),
            ("1__0", json!("1__0")),
            ("0x1F", json!(31)),
            ("0x_1f", json!(31)),
            ("0b11", json!(3)),
            ("-5", json!(-5)),
            ("- 5", json!(-5)),
            ("+5", json!(5)),
            ("--5", json!("--5")),
            ("1.", json!(1.0)),
            (".5", json!(0.5)),
            ("1e3", json!(1000.0)),
            ("1e-7", json!(1e-7)),
            ("1e400", json!("1e400")),
            ("1j", json!("1j")),
            ("1+2j", json!("(1+2j)")),
            ("1+2", json!("1+2")),
            ("True", json!(true)),
            ("true", json!("true")),
            ("None", json!(null)),
            ("...", json!("...")),
            ("10.0.0.1", json!("10.0.0.1")),
            ("2024-01-01", json!("2024-01-01")),
            ("'a' 'b'", json!("ab")),
            ("'a'b", json!("'a'b")),
            ("\"a\" # c", json!("a")),
            ("abc # c", json!("abc # c")),
            ("'x", json!("'x")),
            ("'''a'b'''", json!("a'b")),
            ("r'\\n'", json!("\\n")),
            ("b'xy'", json!("xy")),
            ("f'x'", json!("f'x'")),
            ("u'\\xe9\\u00e9\\q\\101'", json!("éé\\qA")),
            ("[1, 'a', [2.5,], ]", json!([1, "a", [2.5]])),
            ("[1 2]", json!("[1 2]")),
            ("(1,)", json!([1])),
            ("(1)", json!(1)),
            ("()", json!([])),
            ("1, 2", json!([1, 2])),
            ("1,", json!([1])),
            (",", json!(",")),
            ("{1, 2, 1}", json!([1, 2])),
            ("set()", json!([])),
            ("{}", json!({})),
            (
                "{'a': {'b': None}, 1: True, 2.5: 'x', None: 3}",
                json!({"a": {"b": null}, "1": true, "2.5": "x", "null": 3}),
            ),
            ("{'a': 1", json!("{'a': 1")),
            ("{'a': 1, 2}", json!("{'a': 1, 2}")),
            ("{a: 1}", json!("{a: 1}")),
            ("not True", json!("not True")),
            ("5 6", json!("5 6")),
            (" 5 ", json!(5)),
            ("", json!("")),
            ("é", json!("é")),
            ("'\\ud800'", json!("'\\ud800'")),
        ] {
            assert_eq!(value(text), out, "{text}");
        }
        assert!(value(&"[".repeat(100_000)).is_string());
        assert_eq!(spelled(&json!(1e16)), "1e+16");
        assert_eq!(spelled(&json!(1e-5)), "1e-05");
        assert_eq!(spelled(&json!(1.5)), "1.5");
    }
}
