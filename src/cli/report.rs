//! `runbook report`.

use clap::ValueEnum;
use clap_complete::engine::ArgValueCompleter;

use super::runs::unread;
use super::{Failure, say, warn};
use crate::apply::{exit, past};
use crate::report::story;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The run: its id (`runbook runs` lists them), the beginning of one, or "last"
    #[arg(add = ArgValueCompleter::new(super::complete::runs))]
    id: String,
    /// For a ticket, or for a postmortem
    #[arg(short = 'o', long, value_enum, default_value = "markdown")]
    output: Form,
}

/// The formats of `-o` here.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
enum Form {
    /// For a ticket
    Markdown,
    /// One page that needs nothing else to be read: no network, no scripts
    Html,
}

pub(super) fn run(a: &Args) -> Result<u8, Failure> {
    let id = super::runs::run_id(&a.id, None)?;
    let records = past::records(&id).map_err(|e| unread(&id, &e))?;
    let told = past::told(&id).map_err(|e| unread(&id, &e))?;
    if !past::is_gapless(&records) {
        warn("warning: lines of this run's record are missing or damaged\n");
    }
    let Some(story) = story::of(&id, &records, &told) else {
        return Err(Failure::usage(format!("the record of run {id} has no beginning"), "runbook runs lists others"));
    };
    say(&match a.output {
        Form::Markdown => story::ticket(&story),
        Form::Html => story::page(&story),
    });
    Ok(exit::OK)
}
