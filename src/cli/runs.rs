//! `runbook runs`.

use clap_complete::engine::ArgValueCompleter;
use serde_json::json;

use super::{Failure, Output, colour, say, warn, width};
use crate::apply::journal::{self, NoSuchRun};
use crate::apply::{exit, past};
use crate::report::{printable, record};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Show this run: its id, the beginning of one, or "last"
    #[arg(add = ArgValueCompleter::new(super::complete::runs))]
    id: Option<String>,
    /// Remove all but the newest thirty
    #[arg(long)]
    prune: bool,
    /// How to say it
    #[arg(short = 'o', long, value_enum, default_value = "human")]
    output: Output,
}

/// Why a run cannot be shown: there is none, or its record cannot be read.
pub(super) fn unread(id: &str, e: &std::io::Error) -> Failure {
    match e.kind() {
        std::io::ErrorKind::NotFound => Failure::usage(format!("no run \"{id}\""), "runbook runs lists them"),
        _ => Failure::usage(
            format!("the record of run {id} cannot be read: {e}"),
            "was it made by another user, with sudo?",
        ),
    }
}

pub(super) fn run(a: &Args) -> Result<u8, Failure> {
    let failed = |e: std::io::Error| Failure::Usage(format!("the record of runs: {e}"), None);
    if a.prune {
        let gone = journal::prune(journal::KEEP).map_err(failed)?;
        match a.output {
            Output::Human => say(&format!("{gone} removed; the newest {} are kept\n", journal::KEEP)),
            _ => say(&format!("{}\n", json!({"schema": 1, "removed": gone, "kept": journal::KEEP}))),
        }
        return Ok(exit::OK);
    }
    if let Some(id) = &a.id {
        let id = &run_id(id, None)?;
        let records = past::records(id).map_err(|e| unread(id, &e))?;
        if !past::is_gapless(&records) {
            warn("warning: lines of this record are missing or damaged\n");
        }
        match a.output {
            Output::Human => say(&record::human(&records, colour(&std::io::stdout()), width())),
            Output::Json => say(&format!("{:#}\n", json!({"schema": 1, "id": id, "records": records}))),
            Output::Jsonl => records.iter().for_each(|r| say(&format!("{r}\n"))),
        }
        return Ok(exit::OK);
    }
    let all = journal::list().map_err(failed)?;
    if a.output == Output::Human {
        if all.is_empty() {
            say("no run has changed anything yet\n");
        }
        let what =
            |r: &journal::Summary| r.undoes.as_ref().map_or_else(|| r.runbook.clone(), |id| format!("undo {id}"));
        let wide = all.iter().map(|r| what(r).chars().count()).max().unwrap_or(0).min(30);
        for r in &all {
            let end = match r.exit {
                None => "did not end".to_owned(),
                Some(0) if r.undoes.is_some() => "taken back".into(),
                Some(0) => "repaired".into(),
                Some(5) => "taken back at once".into(),
                Some(e) => format!("exit {e}"),
            };
            let s = if r.changes == 1 { "" } else { "s" };
            let text = format!("{}  {:<wide$}  {} change{s}, {end}, {}\n", r.id, what(r), r.changes, r.target);
            say(&printable(&text));
        }
    } else {
        say(&format!("{}\n", json!({"schema": 1, "runs": all})));
    }
    Ok(exit::OK)
}

/// The id of the run that a word names; `target`: of that one, where the command line names one.
pub(super) fn run_id(word: &str, target: Option<&str>) -> Result<String, Failure> {
    let failed = |e: std::io::Error| Failure::Usage(format!("the record of runs: {e}"), None);
    journal::resolve(word, target).map_err(failed)?.map_err(|why| no_such_run(word, target, &why))
}

/// What to say of a word that names no run on record here.
pub(super) fn no_such_run(word: &str, target: Option<&str>, why: &NoSuchRun) -> Failure {
    match (why, target) {
        (NoSuchRun::Unknown, Some(of)) if word == "last" => Failure::usage(
            format!("no run on record here has changed anything on {of}"),
            "runbook runs lists them with what each target was called; name the run by its id",
        ),
        (why, _) => no_run(word, why),
    }
}

fn no_run(word: &str, why: &NoSuchRun) -> Failure {
    match why {
        NoSuchRun::Unknown if word == "last" => {
            Failure::usage("no run on record here has changed anything", "runbook runs lists those of this machine")
        }
        NoSuchRun::Unknown => Failure::usage(format!("no run \"{word}\""), "runbook runs lists them"),
        NoSuchRun::Ambiguous(could) => {
            let shown = could.iter().take(6).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = could.len().checked_sub(6).filter(|n| *n > 0).map(|n| format!(" and {n} more"));
            let why = format!("\"{word}\" could be any of {} runs: {shown}{}", could.len(), more.unwrap_or_default());
            Failure::usage(why, "type more of the id")
        }
    }
}
