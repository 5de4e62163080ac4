//! Secrets never show: the last thing before bytes go out.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use regex::Regex;
use serde_json::Value;

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
    /// Percent-encoded (RFC 3986, 2.1; a form's `+` for a space), with backslashes (JSON in ASCII, bash's `printf %q`), in hex,
    /// or somewhere in a base64 text (RFC 4648, both alphabets), which may be broken into lines.
    encoded: Option<Regex>,
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
        let encoded = (plain.len() <= Self::LONGEST).then(|| Regex::new(&encodings(&plain)).ok()).flatten();
        Self { plain, spelled, encoded }
    }
}

/// Between two lines of an encoded text: how a diff or a block begins the next one.
const BROKEN: &str = r"(?:\s[\s>|+-]*)?";

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

/// A regex for the text as other programs spell it.
fn encodings(plain: &str) -> String {
    let mut all = vec![plain.chars().map(spelled).collect::<String>()];
    if plain.len() >= 6 {
        all.push(plain.bytes().map(hex).collect::<Vec<_>>().join(r"(?:\\x|[\s:,-]|0x)*"));
    }
    // What stands before it moves its bits; the characters that it shares with its neighbours go with it.
    for before in 0..3 {
        let bytes = [&[0; 3][..before], plain.as_bytes()].concat();
        let (first, whole) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        let shared = if bytes.len() * 8 % 6 == 0 { "" } else { "[A-Za-z0-9+/_-]?" };
        let lead = if before == 0 { "" } else { "[A-Za-z0-9+/_-]?" };
        // Of fewer characters too many words are made.
        let own = STANDARD_NO_PAD.encode(&bytes).get(first..whole).filter(|own| own.len() >= 8).map(str::to_owned);
        all.extend(own.map(|own| {
            let one = |c| match c {
                '+' | '-' => "[+-]".to_owned(),
                '/' | '_' => "[/_]".to_owned(),
                c => String::from(c),
            };
            let own = own.chars().map(one).collect::<Vec<_>>().join(BROKEN);
            format!("{lead}{own}{shared}={{0,2}}")
        }));
    }
    all.join("|")
}

impl Redactor {
    /// For these values too, and for each of their lines that says something by itself, since reports go out by the line, often
    /// without what indents it. What is shorter is left out: it would blot out half the report.
    pub fn learn(&self, secrets: impl IntoIterator<Item = String>) {
        let mut all = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        for secret in secrets {
            // A brace, a blank line: not of this secret alone.
            let telling = |l: &&str| l.chars().filter(|c| c.is_alphanumeric()).count() >= 6;
            let lines = secret.lines().map(str::trim).filter(telling);
            for s in std::iter::once(secret.as_str()).filter(|s| s.len() >= 4).chain(lines) {
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
            Value::Array(a) => a.iter_mut().for_each(|v| self.clean_value(v)),
            Value::Object(o) => o.values_mut().for_each(|v| self.clean_value(v)),
            _ => {}
        }
    }
    /// The text without them, however JSON, a shell, a URL or base64 spells them.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for s in self.secrets.read().unwrap_or_else(PoisonError::into_inner).iter() {
            for spelled in std::iter::once(&s.plain).chain(&s.spelled) {
                if out.contains(spelled) {
                    out = out.replace(spelled, HIDDEN);
                }
            }
            if let Some(Cow::Owned(clean)) = s.encoded.as_ref().map(|e| e.replace_all(&out, HIDDEN)) {
                out = clean;
            }
        }
        out
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
        use base64::engine::general_purpose::{STANDARD, URL_SAFE};
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
}
