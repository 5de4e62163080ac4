//! `runbook undo`.

use std::time::Duration;

use clap_complete::engine::ArgValueCompleter;
use serde_json::{Map, Value};

use super::access::{Access, AccessArgs};
use super::apply::{HowArgs, go, open};
use super::runs::unread;
use super::targets::{Chosen, TargetArgs};
use super::{Failure, warn};
use crate::apply::back::Record;
use crate::apply::journal::{self, NoSuchRun};
use crate::apply::{back, past};
use crate::channel::ChannelError;
use crate::plan::Tags;

#[derive(clap::Args, Debug)]
#[command(after_help = "Without -t and --via it goes to the host that the run changed, the way that the run went.")]
pub(super) struct Args {
    /// The run: its id (`runbook runs` lists them), the beginning of one, or "last"
    #[arg(add = ArgValueCompleter::new(super::complete::runs))]
    id: String,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    pub(super) how: HowArgs,
}

pub(super) fn run(a: &Args) -> Result<u8, Failure> {
    let target = name_of(&a.target)?;
    let id = &match journal::resolve(&a.id, target.as_deref()).map_err(no_records)? {
        Ok(id) => id,
        // Another controller's run may be on record there, by its whole id.
        Err(NoSuchRun::Unknown) if a.id != "last" => a.id.clone(),
        Err(why) => return Err(super::runs::no_such_run(&a.id, target.as_deref(), &why)),
    };
    let here = match past::whole(id) {
        Ok(records) => Some(records),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        Err(e) => return Err(unread(id, &e)),
    };
    let access = a.access.read()?;
    let runtime = super::runtime()?;
    let code = runtime.block_on(async {
        let (records, target, whose) = match here {
            Some(records) => {
                let target = where_it_was(&records, &a.target);
                let chosen = || target.as_ref().map_or_else(|| one(&a.target), one);
                match more_of_target(id, &records, chosen()?, &access).await {
                    Some(theirs) => (theirs, chosen()?, Record::Theirs),
                    None => (records, chosen()?, Record::Ours),
                }
            }
            // Another controller's run: the target has a record of its own.
            None => {
                let records = from_target(id, one(&a.target)?, &access).await?;
                warn("note: this run is not on record here; the target's own record is used\n");
                (records, one(&a.target)?, Record::Theirs)
            }
        };
        let book = back::book(id, &records, whose).map_err(|why| {
            Failure::usage(format!("run {id} cannot be taken back: {why}"), format!("runbook runs {id}"))
        })?;
        go(&a.how, Tags::default(), &book, Map::new(), target, &access, a.how.dry_run).await
    });
    runtime.shutdown_timeout(Duration::from_millis(100));
    code
}

/// The target's own record, where this machine's is cut off (a full disk, a crash) and that one has more.
async fn more_of_target(id: &str, ours: &[Value], chosen: Chosen, access: &Access) -> Option<Vec<Value>> {
    if past::is_whole(ours) {
        return None;
    }
    match from_target(id, chosen, access).await {
        Ok(theirs) if past::changes(&theirs) > past::changes(ours) => {
            let (has, of) = (past::changes(ours), past::changes(&theirs));
            let text =
                format!("this machine's record of the run has {has} of its {of} changes; the target's own is used");
            warn(&format!("note: {text}\n"));
            Some(theirs)
        }
        Ok(_) => None,
        Err(_) => {
            let text = "this machine's record of the run has no end, and the target has none to compare it with: what the run did after that is not rolled back";
            warn(&format!("warning: {text}\n"));
            None
        }
    }
}

fn no_records(e: std::io::Error) -> Failure {
    Failure::Usage(format!("the record of runs: {e}"), None)
}

/// The one target that the command line names, as a run's record would have it.
fn name_of(target: &TargetArgs) -> Result<Option<String>, Failure> {
    Ok(match target.target.as_slice() {
        [_] => target.names()?.pop(),
        _ => None,
    })
}

/// The way that the run went, where the command line names none.
fn where_it_was(records: &[Value], given: &TargetArgs) -> Option<TargetArgs> {
    if !given.target.is_empty() || !given.via.is_empty() || !given.inventory.is_empty() {
        return None;
    }
    let run = records.iter().find(|r| r["record"] == "run")?;
    let text = |key: &str| run[key].as_str().filter(|t| !t.is_empty()).map(str::to_owned);
    let via = text("via")?;
    let address = given.address.clone().or_else(|| text("address"));
    Some(TargetArgs { target: Vec::new(), inventory: Vec::new(), via: vec![via], address })
}

fn one(target: &TargetArgs) -> Result<Chosen, Failure> {
    let mut all = target.choose()?;
    match (all.len(), all.pop()) {
        (1, Some(one)) => Ok(one),
        (n, _) => Err(Failure::usage(format!("a run is of one target, and these are {n}"), "name the one with -t")),
    }
}

async fn from_target(id: &str, mut chosen: Chosen, access: &Access) -> Result<Vec<Value>, Failure> {
    let none = || {
        Failure::usage(
            format!("no run \"{id}\" is on record here, nor there"),
            "runbook runs lists those of this machine",
        )
    };
    chosen.look_up(access).await;
    let mut why: Option<ChannelError> = None;
    for (_, target) in open(chosen, access).await {
        let read = past::of_target(id, &target).await;
        target.close().await;
        match read {
            Ok(records) if records.is_empty() => return Err(none()),
            Ok(records) => return Ok(records),
            Err(e) => why = Some(e),
        }
    }
    Err(why.map_or_else(none, |e| Failure::Usage(e.why, e.hint)))
}
