//! `runbook lint`.

use super::{Failure, Output, colour, say, width};
use crate::apply::exit;
use crate::{book, source};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Runbooks
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// How to say it; jsonl is json here
    #[arg(short = 'o', long, value_enum, default_value = "human")]
    output: Output,
}

pub(super) fn run(a: &Args) -> Result<u8, Failure> {
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    for f in &a.files {
        match source::find(f) {
            Ok((b, _)) => warnings.extend(b.warnings),
            Err(e) => errors.extend(e),
        }
    }
    if a.output != Output::Human {
        let list = |d: &[book::Diagnostic]| d.iter().map(book::Diagnostic::to_json).collect::<Vec<_>>();
        say(&format!("{}\n", serde_json::json!({"schema": 1, "errors": list(&errors), "warnings": list(&warnings)})));
        return Ok(if errors.is_empty() { exit::OK } else { exit::USAGE });
    }
    for w in &warnings {
        // The level is the first word, in colour or not.
        say(&format!("{}\n", w.render(colour(&std::io::stdout()), width()).replacen("error", "warning", 1)));
    }
    if !errors.is_empty() {
        return Err(errors.into());
    }
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    say(&format!("{}: no errors, {}\n", count(a.files.len(), "file"), count(warnings.len(), "warning")));
    Ok(exit::OK)
}
