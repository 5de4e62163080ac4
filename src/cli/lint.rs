//! `runbook lint`.

use std::path::Path;
use std::sync::Arc;

use clap::ValueEnum;

use super::{Failure, colour, say, width};
use crate::apply::exit;
use crate::report::findings::{Finding, Level, github, sarif};
use crate::{book, fixture, source};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Runbooks, or a directory of them
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
    let files = files(&a.files)?;
    let (mut errors, mut warnings, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for f in &files {
        match source::find(f) {
            Ok((b, _)) => {
                errors.extend(misnamed(f, &b.name));
                warnings.extend(b.warnings);
                notes.extend(untested(f));
            }
            Err(e) => errors.extend(e),
        }
    }
    let code = if errors.is_empty() { exit::OK } else { exit::USAGE };
    let all = || -> Vec<Finding<'_>> {
        let wrong = errors.iter().map(|d| (d, Level::Error));
        let unwise = warnings.iter().map(|d| (d, Level::Warning));
        wrong.chain(unwise).chain(notes.iter().map(|d| (d, Level::Note))).collect()
    };
    match a.output {
        Form::Json => {
            let list = |d: &[book::Diagnostic]| d.iter().map(book::Diagnostic::to_json).collect::<Vec<_>>();
            say(&format!(
                "{}\n",
                serde_json::json!({"schema": 1, "errors": list(&errors), "warnings": list(&warnings), "notes": list(&notes)})
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
            let untested = match notes.len() {
                0 => String::new(),
                1 if files.len() == 1 => ", untested (see runbook test)".to_owned(),
                n => format!(", {n} untested (see runbook test)"),
            };
            let warned = count(warnings.len(), "warning");
            say(&format!("{}: no errors, {warned}{untested}\n", count(files.len(), "file")));
        }
    }
    Ok(code)
}

/// Of a directory its runbooks: the files that have steps.
fn files(named: &[String]) -> Result<Vec<String>, Failure> {
    let mut out = Vec::new();
    for name in named {
        let Ok(entries) = std::fs::read_dir(name) else {
            out.push(name.clone());
            continue;
        };
        let paths = entries.flatten().map(|e| e.path());
        let yaml = paths.filter(|p| p.extension().is_some_and(|e| e == "yaml" || e == "yml"));
        let has_steps =
            |p: &std::path::PathBuf| book::read_text(p).map_or(true, |t| t.lines().any(|l| l.starts_with("steps:")));
        let mut inside: Vec<String> = yaml.filter(has_steps).map(|p| p.display().to_string()).collect();
        if inside.is_empty() {
            return Err(Failure::usage(
                format!("{name} has no runbooks in it"),
                "a runbook is a file NAME.yaml with steps:",
            ));
        }
        inside.sort();
        out.extend(inside);
    }
    Ok(out)
}

/// A runbook that is a file, and is called something else than its file: it is found by one name, and on record by the other.
fn misnamed(file: &str, name: &str) -> Option<book::Diagnostic> {
    let path = Path::new(file);
    let stem = path.file_stem()?.to_str()?;
    if !path.is_file() || stem == name {
        return None;
    }
    let text = book::read_text(path).ok()?;
    let mut starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
    let at = starts.find(|at| text[*at..].starts_with("name:")).unwrap_or(0);
    let end = text[at..].find('\n').map_or(text.len(), |n| at + n);
    let source = Arc::new(book::Source::new(file, text));
    let message = format!("the file is called \"{stem}\", and the runbook \"{name}\"");
    let hint = format!("write name: {stem}, or call the file {name}.yaml");
    Some(book::Diagnostic::at((&source, at..end), "file-name-differs", message).hint(hint))
}

/// A runbook that is a file, and has no fixture.
fn untested(file: &str) -> Option<book::Diagnostic> {
    let path = Path::new(file);
    if !path.is_file() || !fixture::names(&fixture::folder(path)).is_empty() {
        return None;
    }
    let text = book::read_text(path).ok()?;
    let end = text.find('\n').unwrap_or(text.len());
    let source = Arc::new(book::Source::new(file, text));
    let message = "no fixture tries this runbook: nobody would notice if it stopped working";
    let hint = format!("runbook test {file} --record NAME -t HOST makes one of a real host");
    Some(book::Diagnostic::at((&source, 0..end), "untested", message).hint(hint))
}
