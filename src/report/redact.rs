//! Secrets never show: the last thing before bytes go out.

use std::sync::{Arc, PoisonError, RwLock};

/// Replaces secret values in any text. A clone knows what the others learn: some secrets are only read when a channel is
/// opened.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    secrets: Arc<RwLock<Vec<String>>>,
}

impl Redactor {
    /// For these values too, and for each of their lines, since reports go out by the line. What has under four characters is
    /// left out: it would blot out half the report.
    pub fn learn(&self, secrets: impl IntoIterator<Item = String>) {
        let mut all = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        for secret in secrets {
            for s in std::iter::once(secret.as_str()).chain(secret.lines()).filter(|s| s.len() >= 4) {
                if !all.iter().any(|known| known == s) {
                    all.push(s.to_owned());
                }
            }
        }
        // The longer of two that overlap first.
        all.sort_by_key(|s| std::cmp::Reverse(s.len()));
    }
    /// The text without them, however JSON or a shell spells them.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for s in self.secrets.read().unwrap_or_else(PoisonError::into_inner).iter() {
            let json = serde_json::Value::from(s.as_str()).to_string();
            let sh = s.replace('\'', "'\\''");
            let json = json.strip_prefix('"').and_then(|j| j.strip_suffix('"')).unwrap_or(s);
            for spelled in [s.as_str(), json, &sh] {
                if out.contains(spelled) {
                    out = out.replace(spelled, "********");
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
    }
}
