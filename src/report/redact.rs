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
    /// Percent-encoded (RFC 3986, 2.1; a form's `+` for a space), or somewhere in a base64 text (RFC 4648, both alphabets).
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

/// A regex for the text, percent-encoded or in base64.
fn encodings(plain: &str) -> String {
    let percent = plain.bytes().map(|b| {
        let hex: String = format!("{b:02X}").chars().map(|c| format!("[{c}{}]", c.to_ascii_lowercase())).collect();
        match b {
            b' ' => format!("(?:%{hex}|[ +])"),
            _ if b.is_ascii() => format!("(?:%{hex}|{})", regex::escape(&char::from(b).to_string())),
            _ => format!("%{hex}"),
        }
    });
    let mut all = vec![percent.collect::<String>()];
    // What stands before it moves its bits; the characters that it shares with its neighbours go with it.
    for before in 0..3 {
        let bytes = [&[0; 3][..before], plain.as_bytes()].concat();
        let (first, whole) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        let shared = if bytes.len() * 8 % 6 == 0 { "" } else { "[A-Za-z0-9+/_-]?" };
        let lead = if before == 0 { "" } else { "[A-Za-z0-9+/_-]?" };
        // Of fewer characters too many words are made.
        let own = STANDARD_NO_PAD.encode(&bytes).get(first..whole).filter(|own| own.len() >= 8).map(str::to_owned);
        all.extend(own.map(|own| {
            let own: String = own
                .chars()
                .map(|c| match c {
                    '+' | '-' => "[+-]".to_owned(),
                    '/' | '_' => "[/_]".to_owned(),
                    c => c.to_string(),
                })
                .collect();
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
}
