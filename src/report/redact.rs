//! Secrets never show: the last thing before bytes go out.

mod views;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use regex::Regex;
use serde_json::Value;

use self::views::{Needles, Views};

/// What stands where a secret was.
pub const HIDDEN: &str = "********";

/// Replaces secret values in any text. A clone knows what the others learn: some secrets are only read when a channel is
/// opened.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    secrets: Arc<RwLock<Vec<Secret>>>,
}

/// One, as it may be spelled.
struct Secret {
    plain: String,
    /// In a JSON string, and between the quotes of a shell.
    spelled: [String; 2],
    /// Percent-encoded (RFC 3986, 2.1; a form's `+` for a space), or with backslashes (JSON in ASCII, bash's `printf %q`).
    encoded: Option<Regex>,
    /// Folded, in base64, in hex.
    needles: Needles,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Secret {
    /// Longer ones are known by their lines.
    const LONGEST: usize = 256;

    fn new(plain: String) -> Self {
        let json = Value::from(plain.as_str()).to_string();
        let json = json.strip_prefix('"').and_then(|j| j.strip_suffix('"')).unwrap_or(&plain).to_owned();
        let spelled = [json, plain.replace('\'', "'\\''")];
        let encoded = (plain.len() <= Self::LONGEST)
            .then(|| Regex::new(&plain.chars().map(self::spelled).collect::<String>()).ok())
            .flatten();
        let needles = Needles::new(&plain);
        Self { plain, spelled, encoded, needles }
    }
}

/// A byte in hex, in either case.
fn hex(b: u8) -> String {
    format!("{b:02X}").chars().map(|c| format!("[{c}{}]", c.to_ascii_lowercase())).collect()
}

/// A character as URLs, JSON and shells may spell it.
fn spelled(c: char) -> String {
    let bytes = c.to_string().into_bytes();
    let all = |one: fn(u8) -> String| bytes.iter().copied().map(one).collect::<String>();
    let units = c.encode_utf16(&mut [0; 2]).iter().flat_map(|u| u.to_be_bytes()).collect::<Vec<_>>();
    let escaped: String = units.chunks(2).map(|u| format!(r"\\u{}{}", hex(u[0]), hex(u[1]))).collect();
    let octal = all(|b| format!(r"\\{b:03o}"));
    let percent = all(|b| format!("%{}", hex(b)));
    let plus = if c == ' ' { "|\\+" } else { "" };
    format!("(?:{percent}|{escaped}|{octal}|\\\\?{}{plus})", regex::escape(&c.to_string()))
}

/// The text without these places; they may overlap.
fn without(text: &str, mut places: Vec<Range<usize>>) -> String {
    places.sort_by_key(|p| (p.start, p.end));
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for p in places {
        if p.start >= done {
            out += &text[done..p.start];
            out += HIDDEN;
        }
        done = done.max(p.end);
    }
    out + &text[done..]
}

impl Redactor {
    /// Shorter ones, in bytes, would blot out half the report.
    const SHORTEST: usize = 4;

    /// Whether a secret is long enough to be hidden where it stands.
    #[must_use]
    pub fn can_hide(secret: &str) -> bool {
        secret.len() >= Self::SHORTEST
    }

    /// For these values too, and for each of their lines that says something by itself, since reports go out by the line, often
    /// without what indents it. What is shorter is left out: see [`Self::can_hide`].
    pub fn learn(&self, secrets: impl IntoIterator<Item = String>) {
        let mut all = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        for secret in secrets {
            // A brace, a blank line: not of this secret alone.
            let telling = |l: &&str| l.chars().filter(|c| c.is_alphanumeric()).count() >= 6;
            let lines = secret.lines().map(str::trim).filter(telling);
            for s in std::iter::once(secret.as_str()).filter(|s| Self::can_hide(s)).chain(lines) {
                if !all.iter().any(|known| known.plain == s) {
                    all.push(Secret::new(s.to_owned()));
                }
            }
        }
        // The longer of two that overlap first.
        all.sort_by_key(|s| std::cmp::Reverse(s.plain.len()));
    }
    /// A document without them: its strings, and a number that is one. It stays a document, whatever a secret looks like.
    pub fn clean_value(&self, v: &mut Value) {
        match v {
            Value::String(s) => *s = self.clean(s),
            Value::Number(n) if self.clean(&n.to_string()) == HIDDEN => *v = HIDDEN.into(),
            Value::Array(a) => {
                let texts: Option<Vec<String>> = a.iter().map(|v| v.as_str().map(str::to_owned)).collect();
                if let Some(mut lines) = texts {
                    self.clean_lines(&mut lines);
                    *a = lines.into_iter().map(Value::String).collect();
                }
                a.iter_mut().for_each(|v| self.clean_value(v));
            }
            Value::Object(o) => o.values_mut().for_each(|v| self.clean_value(v)),
            _ => {}
        }
    }
    /// Lines of one text, that are shown one by one: a secret may go over several of them.
    pub fn clean_lines(&self, lines: &mut [String]) {
        let all = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < 2 || all.is_empty() {
            return;
        }
        let text = lines.join("\n");
        let views = Views::new(&text);
        let places: Vec<Range<usize>> = all.iter().flat_map(|s| views.find(&s.needles)).collect();
        let mut start = 0;
        for line in lines.iter_mut() {
            let end = start + line.len();
            let inside = places.iter().filter(|p| p.start < end && p.end > start);
            let inside: Vec<_> = inside.map(|p| p.start.max(start) - start..p.end.min(end) - start).collect();
            if !inside.is_empty() {
                *line = without(line, inside);
            }
            start = end + 1;
        }
    }
    /// The text without them, however JSON, a shell, a URL or base64 spells them.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let mut out = text.to_owned();
        let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        for s in secrets.iter() {
            for spelled in std::iter::once(&s.plain).chain(&s.spelled) {
                if out.contains(spelled) {
                    out = out.replace(spelled, HIDDEN);
                }
            }
            if let Some(Cow::Owned(clean)) = s.encoded.as_ref().map(|e| e.replace_all(&out, HIDDEN)) {
                out = clean;
            }
        }
        if secrets.is_empty() || out.len() < Self::SHORTEST {
            return out;
        }
        let views = Views::new(&out);
        let places: Vec<Range<usize>> = secrets.iter().flat_map(|s| views.find(&s.needles)).collect();
        if places.is_empty() { out } else { without(&out, places) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_clone_learns_every_one_knows() {
        let first = Redactor::default();
        first.clone().learn(["it's \"x\"".to_owned(), "abc".to_owned()]);
        assert_eq!(first.clean("it's \"x\" abc"), "******** abc");
        assert_eq!(first.clean(r#"{"a": "it's \"x\""}"#), r#"{"a": "********"}"#);
        assert_eq!(first.clean(r#"_w='it'\''s "x"'"#), "_w='********'");
        first.learn(["first line\nsecond line\n".to_owned()]);
        assert_eq!(first.clean("+  the second line"), "+  the ********");
        first.learn(["{\n    \n  \"secret\": 1\n  },\n}".to_owned(), "271828".to_owned()]);
        assert_eq!(first.clean("evidence: \"secret\": 1"), "evidence: ********");
        let mut v = serde_json::json!({"a": ["x", {"b": "abc\"secret\": 1"}], "n": 271828, "m": 27182});
        first.clean_value(&mut v);
        let want = serde_json::json!({"a": ["x", {"b": "abc********"}], "n": "********", "m": 27182});
        assert_eq!(v, want);
        assert_eq!(first.clean("    },\n"), "    },\n", "not of a secret alone");
    }

    /// Whatever stands around it, in either alphabet.
    #[test]
    fn what_comes_back_encoded_is_hidden_too() {
        use base64::Engine as _;
        use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
        let secret = "Tr0ub4dor & \u{e9}>>?3";
        let r = Redactor::default();
        r.learn([secret.to_owned()]);
        for before in ["", "u", "us", "user:", "Basic x:"] {
            for after in ["", "\n", "@host", ", and more of it"] {
                let text = format!("{before}{secret}{after}");
                for encoded in [STANDARD.encode(&text), URL_SAFE.encode(&text), STANDARD_NO_PAD.encode(&text)] {
                    let clean = r.clean(&format!("token {encoded} end"));
                    let rest: Vec<&str> = clean.split(HIDDEN).collect();
                    assert_eq!(rest.len(), 2, "{clean}");
                    // What is left says nothing of it: it is what stands around it.
                    assert!(rest[0].len() <= 6 + (before.len() * 8).div_ceil(6), "{before:?} {after:?} {clean}");
                    assert!(rest[1].len() <= 5 + (after.len() * 8).div_ceil(6) + 2, "{before:?} {after:?} {clean}");
                }
            }
        }
        for url in [
            "a=Tr0ub4dor%20%26%20%C3%A9%3E%3E%3F3&b",
            "a=Tr0ub4dor+%26+%c3%a9%3e%3e%3f3&b",
            "a=Tr0ub4dor%20&%20%C3%A9>>?3&b",
        ] {
            assert_eq!(r.clean(url), "a=********&b");
        }
        assert_eq!(r.clean("abc Tr0ub4dor dGVzdA=="), "abc Tr0ub4dor dGVzdA==");
    }

    #[test]
    fn however_others_spell_it() {
        let r = Redactor::default();
        r.learn(["Tr0ub \u{e9}4dor&3horse, and the battery that it staples, correctly".to_owned()]);
        for (what, text) in [
            ("json.dumps", r"Tr0ub \u00e94dor&3horse, and the battery that it staples, correctly"),
            ("printf %q", r"$'Tr0ub \303\2514dor&3horse, and the battery that it staples, correctly'"),
            ("printf %q", r"Tr0ub\ \303\2514dor\&3horse\,\ and\ the\ battery\ that\ it\ staples\,\ correctly"),
            (
                "base64, wrapped",
                "VHIwdWIgw6k0ZG9yJjNob3JzZSwgYW5kIHRoZSBiYXR0ZXJ5IHRoYXQgaXQgc3RhcGxlcywgY29y\n+cmVjdGx5",
            ),
            (
                "xxd -p",
                "547230756220c3a934646f722633686f7273652c20616e64207468652062\n617474657279207468617420697420737461706c65732c20636f72726563\n746c79",
            ),
            (
                "od -tx1",
                "54 72 30 75 62 20 c3 a9 34 64 6f 72 26 33 68 6f 72 73 65 2c 20 61 6e 64 20 74 68 65 20 62 61 74 74 65 72 79 20 74 68 61 74 20 69 74 20 73 74 61 70 6c 65 73 2c 20 63 6f 72 72 65 63 74 6c 79",
            ),
        ] {
            let clean = r.clean(text);
            assert!(clean.contains(HIDDEN) && clean.len() < HIDDEN.len() + 8, "{what}: {clean}");
        }
    }
    /// What dumps, folds and quotes make of it (`xxd`, `hexdump -C`, `od`, `fold`).
    #[test]
    fn however_it_is_folded_or_dumped() {
        let r = Redactor::default();
        r.learn(["Tr0ub4dor-Staple!9x".to_owned()]);
        let all = [
            "00000000: 5472 3075 6234 646f 722d 5374 6170 6c65  Tr0ub4dor-Staple\n00000010: 2139 780a                                !9x.\n",
            "00000000  54 72 30 75 62 34 64 6f  72 2d 53 74 61 70 6c 65  |Tr0ub4dor-Staple|\n00000010  21 39 78 0a                                       |!9x.|\n",
            "0000000 54 72 30 75 62 34 64 6f 72 2d 53 74 61 70 6c 65\n0000020 21 39 78 0a\n",
            "0000000 7254 7530 3462 6f64 2d72 7453 7061 656c\n0000020 3921 0a78\n",
            "0000000 124 162 060 165 142 064 144 157 162 055 123 164 141 160 154 145\n0000020 041 071 170 012\n",
            "+00000000: 5472 3075 6234 646f 722d 5374 6170 6c65  Tr0ub4dor-Staple\n+00000010: 2139 780a                                !9x.\n",
            "Tr0ub4d\nor-Stap\nle!9x",
            "+Tr0ub4dor-\n+Staple!9x",
            "T r 0 u b 4 d o r - S t a p l e ! 9 x",
            "Tr0ub4''dor-'\"Staple!9x\"",
            "\"VHIwdWI0\" + \"ZG9yLVN0\" + 'YXBsZSE5eA=='",
            "VHIwdWI0ZG9y\n  LVN0YXBsZSE5eA==",
            "\\x54\\x72\\x30\\x75\\x62\\x34\\x64\\x6f\\x72\\x2d\\x53\\x74\\x61\\x70\\x6c\\x65\\x21\\x39\\x78",
        ];
        for text in all {
            let clean = r.clean(&format!("before\n{text}\nafter"));
            assert!(clean.contains(HIDDEN), "{text}: {clean}");
            for part in
                ["Tr0", "ub4", "Stap", "!9x", "5472", "6170", "2139", "7254", "LVN0", "ZG9y", "t a p", "164 141"]
            {
                assert!(!clean.contains(part), "{text}: {part}: {clean}");
            }
            assert!(clean.starts_with("before\n") && clean.trim_end().ends_with("after"), "{clean}");
        }
        let mut v = serde_json::json!({"lines": ["x", "Tr0ub4d", "or-Staple!9x", "y"]});
        r.clean_value(&mut v);
        assert_eq!(v, serde_json::json!({"lines": ["x", HIDDEN, HIDDEN, "y"]}));
        for text in ["Tr0ub4 and some other words", "5472 3075 6234", "VHIwdWI0 and more"] {
            assert_eq!(r.clean(text), text);
        }
    }
}
