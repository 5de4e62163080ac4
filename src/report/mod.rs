//! Events in, bytes out. The engine says what happened; how it looks is decided here and nowhere else.

pub mod findings;
pub mod fleet;
pub mod guide;
mod human;
mod json;
mod keys;
mod manual;
pub mod page;
pub mod record;
mod redact;
pub mod reference;
pub mod schema;
pub mod story;
pub mod terminal;
pub mod tried;
pub mod unresolved;
mod words;

pub use human::{Human, change_body};
pub use json::{Json, JsonLines, object as event_json};
pub use redact::{HIDDEN, Redactor};
pub use terminal::printable;
pub use unresolved::UnresolvedItem;
pub use words::{diff, fold, wrap};

use std::time::Duration;

use crate::apply::risk::GuardPreview;
use crate::book::Runbook;
use crate::plan::{Place, Plan, Planned, StepPlan};
use crate::target::Wire;

/// How a proof ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
    /// It cannot be made from here.
    NotPossible,
}

/// A variable that got its value in the run itself.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Decided {
    /// Its name.
    pub var: String,
    /// Its value.
    pub value: String,
    /// Who gave it: `prompt`, the person at the terminal.
    pub by: &'static str,
}

/// Something that happened in a run.
pub enum Event<'a> {
    /// A channel was tried and does not work; or it worked and was lost in mid-run.
    Tried {
        /// The channel.
        channel: &'a str,
        /// Why not.
        why: &'a str,
        /// What to do about it.
        hint: Option<&'a str>,
        /// It was in use, and changes were made over it.
        lost: bool,
    },
    /// The run begins.
    Started {
        /// The runbook.
        book: &'a Runbook,
        /// The target.
        place: &'a Place,
    },
    /// Questions are on their way to the target.
    Asking {
        /// How many.
        count: usize,
    },
    /// A plan is finished.
    Planned {
        /// From 1.
        round: usize,
        /// The plan.
        plan: &'a Plan,
        /// The runbook.
        book: &'a Runbook,
        /// What the guard will do about it, if it arms.
        guard: Option<&'a GuardPreview>,
    },
    /// A person decided what the runbook leaves to one.
    Decided {
        /// What was decided.
        decided: &'a Decided,
    },
    /// The user wants a change left; what is right to do without it is planned anew.
    Left {
        /// The change.
        planned: &'a Planned,
    },
    /// A change is about to be made.
    Doing {
        /// From 1.
        number: usize,
        /// How many there are in this round.
        of: usize,
        /// The change.
        planned: &'a Planned,
    },
    /// It was made.
    Done {
        /// The change.
        planned: &'a Planned,
        /// How long it took.
        seconds: f64,
    },
    /// It was not.
    NotDone {
        /// The change.
        planned: &'a Planned,
        /// Why, in one line.
        why: &'a str,
        /// What to do about it.
        hint: Option<&'a str>,
        /// All that it said.
        said: &'a str,
    },
    /// A step that was changed or waited for, on a new reading.
    Verified {
        /// The step.
        step: &'a StepPlan,
    },
    /// A proof from the controller.
    Proved {
        /// How it ended.
        proof: Proof,
        /// What was seen.
        evidence: &'a str,
    },
    /// What becomes of a round that could cut the way to the host.
    Guard {
        /// What.
        news: GuardNews<'a>,
    },
    /// The run cannot go on.
    Broken {
        /// Why.
        why: &'a str,
        /// What to do about it.
        hint: Option<&'a str>,
        /// Whether something was changed before.
        changed: bool,
    },
    /// The run is over.
    Finished {
        /// Exit code.
        exit: u8,
        /// Rounds that changed something.
        rounds: usize,
        /// The run's id, if anything was changed.
        run: Option<&'a str>,
        /// What went over the wire.
        wire: Wire,
        /// How long it took, without the time in which a person was asked.
        seconds: f64,
        /// Everything that is left.
        unresolved: &'a [UnresolvedItem],
    },
}

/// What becomes of a round that is taken back unless it is confirmed.
#[derive(Debug, Clone, Copy)]
pub enum GuardNews<'a> {
    /// It is about to be made.
    Armed {
        /// How long the host waits for the confirmation.
        within: Duration,
        /// A boot in between takes it back, too.
        boot: bool,
    },
    /// The connection was lost while the round was unconfirmed; it is waited for.
    Waiting {
        /// How the connection was lost.
        why: &'a str,
        /// The host rolls the round back by itself within that.
        within: Duration,
    },
    /// The host did not answer again: it is not known whether the round was rolled back.
    Unknown {
        /// How the connection was lost.
        why: &'a str,
        /// How long it was waited for.
        waited: Duration,
    },
    /// Nothing is worse for it: it stays.
    Kept {
        /// Something answered before, and could be lost.
        measured: bool,
    },
    /// It was taken back.
    Back {
        /// All of it.
        all: bool,
        /// Why.
        why: &'a str,
        /// What there is to say of single changes.
        rest: &'a [String],
    },
    /// What an earlier run had left unconfirmed: as all is well, it stays; else it was taken back, and how things are now is
    /// planned anew.
    Earlier {
        /// That run.
        run: &'a str,
        /// What became of it.
        became: Earlier,
        /// What there is to say of single changes.
        rest: &'a [String],
    },
}

/// What became of a round that an earlier run had left unconfirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier {
    /// All is well: it stays.
    Kept,
    /// It was taken back.
    Back,
    /// It was to be taken back, and not all of it was.
    NotAllBack,
}

/// Takes events.
pub trait Sink {
    /// One event.
    fn event(&mut self, e: &Event<'_>);
}

/// A format of `-o`.
pub struct Format {
    /// Its name.
    pub name: &'static str,
    /// One line for the docs.
    pub help: &'static str,
}

/// Every format; the command line builds them.
pub static FORMATS: &[Format] = &[
    Format { name: "human", help: "for reading" },
    Format { name: "json", help: "one document at the end, \"schema\": 1" },
    Format { name: "jsonl", help: "one event a line, as it happens" },
];
