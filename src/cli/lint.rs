//! `runbook lint`.

use clap::ValueEnum;

use super::{Failure, colour, say, width};
use crate::apply::exit;
use crate::report::findings::{Finding, Level, github, sarif};
use crate::{book, source};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Runbooks
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// How to say it
    #[arg(short = 'o', long, value_enum, default_value = "human")]
    output: Form,
}

/// The formats of `-o` here.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
enum Form {
    /// For reading
    Human,
    /// One document
    #[value(alias = "jsonl")]
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Workflow commands, for annotations in GitHub Actions
    Github,
}

pub(super) fn run(a: &Args) -> Result<u8, Failure> {
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    for f in &a.files {
        match source::find(f) {
            Ok((b, _)) => warnings.extend(b.warnings),
            Err(e) => errors.extend(e),
        }
    }
    let code = if errors.is_empty() { exit::OK } else { exit::USAGE };
    let all = || -> Vec<Finding<'_>> {
        let wrong = errors.iter().map(|d| (d, Level::Error));
        wrong.chain(warnings.iter().map(|d| (d, Level::Warning))).collect()
    };
    match a.output {
        Form::Json => {
            let list = |d: &[book::Diagnostic]| d.iter().map(book::Diagnostic::to_json).collect::<Vec<_>>();
            say(&format!(
                "{}\n",
                serde_json::json!({"schema": 1, "errors": list(&errors), "warnings": list(&warnings)})
            ));
        }
        Form::Sarif => say(&format!("{:#}\n", sarif(&all()))),
        Form::Github => say(&github(&all())),
        Form::Human => {
            for w in &warnings {
                // The level is the first word, in colour or not.
                say(&format!("{}\n", w.render(colour(&std::io::stdout()), width()).replacen("error", "warning", 1)));
            }
            if !errors.is_empty() {
                return Err(errors.into());
            }
            let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
            say(&format!("{}: no errors, {}\n", count(a.files.len(), "file"), count(warnings.len(), "warning")));
        }
    }
    Ok(code)
}
