//! Tests of the document layer as a whole.

mod hostile;
mod rules;
mod syntax;
mod values;

use super::{Diagnostic, Document};

/// Every error of a text as it prints at 80 columns, each after its rule.
fn shown(text: &str) -> String {
    match Document::parse("ssh.yaml", text.as_bytes()) {
        Ok(document) => format!("parsed: {}", document.value()),
        Err(errors) => listed(&errors),
    }
}

fn listed(errors: &[Diagnostic]) -> String {
    let shown = errors.iter().map(|e| format!("[{}]\n{}", e.rule, e.render(false, 80)));
    shown.collect::<Vec<_>>().join("\n")
}
