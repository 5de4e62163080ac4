//! What lint found, for programs: SARIF for code scanning, workflow commands for GitHub's annotations.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::book::Diagnostic;

/// Something that lint says.
pub type Finding<'a> = (&'a Diagnostic, Level);

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Nothing of the runbook runs.
    Error,
    /// It works, and will hurt.
    Warning,
    /// It works, and nobody would notice if it did not.
    Note,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
    /// The same as a workflow command.
    fn command(self) -> &'static str {
        if self == Self::Note { "notice" } else { self.word() }
    }
}

fn text(d: &Diagnostic) -> String {
    d.hint.as_ref().map_or_else(|| d.message.clone(), |hint| format!("{}\nhint: {hint}", d.message))
}

/// SARIF 2.1.0 (OASIS): one run, its rules, a result each; columns count characters.
#[must_use]
pub fn sarif(findings: &[Finding<'_>]) -> Value {
    let rules: BTreeSet<&str> = findings.iter().map(|(d, _)| d.rule).collect();
    let results: Vec<Value> = findings
        .iter()
        .map(|(d, level)| {
            let mut result = json!({"ruleId": d.rule, "level": level.word(), "message": {"text": text(d)}});
            let at = d.to_json();
            if let Some(file) = at["file"].as_str() {
                let region = json!({"startLine": at["line"], "startColumn": at["column"], "endLine": at["end_line"], "endColumn": at["end_column"]});
                result["locations"] =
                    json!([{"physicalLocation": {"artifactLocation": {"uri": uri(file)}, "region": region}}]);
            }
            result
        })
        .collect();
    let rules: Vec<Value> = rules.into_iter().map(|id| json!({"id": id})).collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "runbook", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// A path as a reference (RFC 3986): relative, or of the file scheme (RFC 8089).
fn uri(path: &str) -> String {
    let kept = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    let encoded = |b: u8| if kept(b) { char::from(b).to_string() } else { format!("%{b:02X}") };
    let scheme = if path.starts_with('/') { "file://" } else { "" };
    scheme.to_owned() + &path.strip_prefix("./").unwrap_or(path).bytes().map(encoded).collect::<String>()
}

/// GitHub's workflow commands, a line each.
#[must_use]
pub fn github(findings: &[Finding<'_>]) -> String {
    let data = |t: &str| t.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |t: &str| data(t).replace(':', "%3A").replace(',', "%2C");
    let line = |(d, level): &Finding<'_>| {
        let at = d.position().map(|(file, line, column)| format!("file={},line={line},col={column},", property(&file)));
        format!("::{} {}title={}::{}\n", level.command(), at.unwrap_or_default(), property(d.rule), data(&text(d)))
    };
    findings.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_end_a_command_is_escaped() {
        let source = std::sync::Arc::new(crate::book::Source::new("a, b:c.yaml", "x: y\n"));
        let d = Diagnostic::at((&source, 3..4), "demo", "50% done\n::error::x").hint("so");
        assert_eq!(
            github(&[(&d, Level::Warning)]),
            "::warning file=a%2C b%3Ac.yaml,line=1,col=4,title=demo::50%25 done%0A::error::x%0Ahint: so\n"
        );
        let sarif = sarif(&[(&d, Level::Error)]);
        let at = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
        assert_eq!(at["artifactLocation"]["uri"], "a%2C%20b%3Ac.yaml");
        assert_eq!(at["region"]["startColumn"], 4);
    }
}
