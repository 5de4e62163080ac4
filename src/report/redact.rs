//! Secrets never show: the last thing before bytes go out.

/// Replaces secret values in any text.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    secrets: Vec<String>,
}

impl Redactor {
    /// For these values. Ones of under four characters are left out: they would blot out half the report.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut secrets: Vec<String> = secrets.into_iter().filter(|s| s.len() >= 4).collect();
        secrets.sort_by_key(|s| std::cmp::Reverse(s.len()));
        Self { secrets }
    }
    /// The text without them.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for s in &self.secrets {
            if out.contains(s.as_str()) {
                out = out.replace(s.as_str(), "********");
            }
            let quoted = serde_json::Value::from(s.as_str()).to_string();
            let inner = quoted.trim_matches('"');
            if inner != s && out.contains(inner) {
                out = out.replace(inner, "********");
            }
        }
        out
    }
}
