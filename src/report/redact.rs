//! Secrets never show: the last thing before bytes go out.

use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

/// What stands where a secret was.
pub const HIDDEN: &str = "********";

/// Replaces secret values in any text. A clone knows what the others learn: some secrets are only read when a channel is
/// opened.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    secrets: Arc<RwLock<Vec<String>>>,
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
                if !all.iter().any(|known| known == s) {
                    all.push(s.to_owned());
                }
            }
        }
        // The longer of two that overlap first.
        all.sort_by_key(|s| std::cmp::Reverse(s.len()));
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
    /// The text without them, however JSON or a shell spells them.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for s in self.secrets.read().unwrap_or_else(PoisonError::into_inner).iter() {
            let json = Value::from(s.as_str()).to_string();
            let sh = s.replace('\'', "'\\''");
            let json = json.strip_prefix('"').and_then(|j| j.strip_suffix('"')).unwrap_or(s);
            for spelled in [s.as_str(), json, &sh] {
                if out.contains(spelled) {
                    out = out.replace(spelled, HIDDEN);
                }
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
}
