//! `runbook runs`.

use super::{Failure, Output, say};
use crate::apply::{exit, journal};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Show this run
    id: Option<String>,
    /// Remove all but the newest thirty
    #[arg(long)]
    prune: bool,
    /// How to say it: human or json
    #[arg(short = 'o', long, value_enum, default_value = "human")]
    output: Output,
}

pub(super) fn run(a: &Args) -> Result<u8, Failure> {
    let failed = |e: std::io::Error| Failure::Usage(format!("the record of runs: {e}"), None);
    if a.prune {
        let gone = journal::prune(journal::KEEP).map_err(failed)?;
        say(&format!("{gone} removed; the newest {} are kept\n", journal::KEEP));
        return Ok(exit::OK);
    }
    if let Some(id) = &a.id {
        let records =
            journal::read(id).map_err(|_| Failure::usage(format!("no run \"{id}\""), "runbook runs lists them"))?;
        if a.output == Output::Human {
            for r in &records {
                say(&line(r));
            }
        } else {
            for r in &records {
                say(&format!("{r}\n"));
            }
        }
        return Ok(exit::OK);
    }
    let all = journal::list().map_err(failed)?;
    if a.output == Output::Human {
        if all.is_empty() {
            say("no run has changed anything yet\n");
        }
        for r in &all {
            let end = r.exit.map_or_else(|| "did not end".to_owned(), |e| format!("exit {e}"));
            say(&format!(
                "{}  {:<14} {} change{}, {end}, {}\n",
                r.id,
                r.runbook,
                r.changes,
                if r.changes == 1 { "" } else { "s" },
                r.target
            ));
        }
    } else {
        say(&format!("{}\n", serde_json::json!({"schema": 1, "runs": all})));
    }
    Ok(exit::OK)
}

/// A record, as a line for a person.
fn line(r: &serde_json::Value) -> String {
    let text = |k: &str| r[k].as_str().unwrap_or_default();
    let at = text("at").split('.').next().unwrap_or_default().replace('T', " ");
    let body = match text("record") {
        "run" => format!("{} on {} ({})", text("runbook"), text("target"), text("channel")),
        "decided" => format!("{}={}, decided at the {}", text("var"), text("value"), text("by")),
        "round" => format!("round {}: {} changes", r["round"], r["changes"]),
        "change" => format!("{}   ({})", r["change"]["title"].as_str().unwrap_or_default(), text("step")),
        "done" => "  done".into(),
        "failed" => format!("  failed: {}", text("said").lines().next().unwrap_or_default()),
        "end" => format!("exit {}", r["exit"]),
        other => other.to_owned(),
    };
    format!("{at}  {body}\n")
}
