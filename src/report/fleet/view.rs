//! What a report keeps of one target: what it said and was not shown yet, and where it stands.

use std::time::Instant;

use super::alike::{anonymous, key};
use super::{Shared, table};
use crate::apply::exit;
use crate::invocation::Invocation;
use crate::plan::Change;
use crate::report::human::Human;
use crate::report::unresolved::summary;
use crate::report::words::count;
use crate::report::{Event, GuardNews, Proof, Redactor, Sink};

/// One target of a report for people.
pub(super) struct View {
    pub name: String,
    /// Says what happens on it as it would of a single target.
    pub human: Human<Shared>,
    said: Shared,
    /// What happened since its plan.
    pub detail: String,
    /// Its plan, until it is shown.
    pub plan: Option<(String, u64)>,
    /// The names that only it has.
    names: Vec<String>,
    /// Channels that were tried and do not work, and why.
    pub tried: Vec<(String, String)>,
    /// The channel in use.
    pub channel: String,
    /// Not a mounted disk.
    pub live: bool,
    /// Somebody looked at it from outside.
    pub looked: Option<bool>,
    /// Variables that were decided, as `name=value`.
    pub with: Vec<String>,
    /// The round of its latest plan.
    pub round: usize,
    /// Rounds that changed something.
    pub rounds: usize,
    changed: usize,
    /// A file was changed: what it held is kept.
    pub kept: bool,
    planned: usize,
    bad: bool,
    /// Why it went no further, and what to do about it.
    pub broken: Option<(String, Option<String>)>,
    pub exit: Option<u8>,
    pub begun: Option<Instant>,
    /// How long it took, without the time in which a person was asked.
    pub seconds: f64,
    pub not_begun: bool,
    pub declined: bool,
    pub run: Option<String>,
    /// What it is doing right now.
    pub doing: Option<(String, Instant)>,
}

/// How a report is to be.
#[derive(Clone)]
pub(super) struct Style {
    pub redactor: Redactor,
    pub colour: bool,
    pub verbose: bool,
    pub dry: bool,
    /// What the user typed.
    pub invocation: Invocation,
    /// Columns for what a target says; it stands two columns in.
    pub width: usize,
}

impl View {
    pub(super) fn new(name: &str, style: &Style) -> Self {
        let said = Shared::default();
        let mut human = Human::new(said.clone(), style.redactor.clone(), style.colour, false, style.verbose, style.dry);
        human.width = style.width;
        let human = human.invoked_as(style.invocation.clone());
        Self {
            name: name.to_owned(),
            human,
            said,
            detail: String::new(),
            plan: None,
            names: vec![name.to_owned()],
            tried: Vec::new(),
            channel: String::new(),
            live: true,
            looked: None,
            with: Vec::new(),
            round: 0,
            rounds: 0,
            changed: 0,
            kept: false,
            planned: 0,
            bad: false,
            broken: None,
            exit: None,
            begun: None,
            seconds: 0.0,
            not_begun: false,
            declined: false,
            run: None,
            doing: None,
        }
    }

    /// Takes an event; what a person would read of it is kept for later.
    pub(super) fn event(&mut self, e: &Event<'_>) {
        match e {
            Event::Started { place, .. } => {
                self.channel.clone_from(&place.channel);
                self.live = place.live;
                self.names.extend(place.address.clone());
                self.human.event(e);
                // Its name stands above what it says.
                self.said.take();
                return self.does("looking …");
            }
            Event::Tried { channel, why, .. } => return self.tried.push(((*channel).to_owned(), (*why).to_owned())),
            Event::Asking { count: n } => return self.does(&format!("looking ({}) …", count(*n, "question"))),
            Event::Decided { decided } => return self.with.push(format!("{}={}", decided.var, decided.value)),
            Event::Planned { round, plan, .. } => {
                self.round = *round;
                self.planned = plan.changes.len();
                self.doing = None;
                self.names.extend(plan.facts.as_ref().map(|f| f.hostname.clone()).filter(|h| !h.is_empty()));
                self.names.sort_unstable();
                self.names.dedup();
                let goes_on = self.human.goes_on(plan);
                self.human.event(e);
                let text = self.said.take();
                if goes_on || *round > 1 && plan.changes.is_empty() {
                    self.detail.push_str(&text);
                } else {
                    let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
                    let key = key(&text, &names, Some(plan));
                    self.plan = Some((text, key));
                }
                return;
            }
            Event::Finished { exit, run, rounds, seconds, unresolved, .. } => {
                self.exit = Some(*exit);
                self.seconds = *seconds;
                self.human.unresolved = summary(unresolved);
                self.rounds = *rounds;
                self.run = run.map(str::to_owned);
                self.doing = None;
                return;
            }
            Event::Doing { number, of, planned } => {
                self.does(&format!("{number}/{of}  {} …", planned.change.title()));
            }
            Event::Done { planned, .. } => {
                self.changed += 1;
                self.kept |= matches!(planned.change, Change::File(_));
                self.does("done; looking whether it holds …");
            }
            Event::NotDone { .. } => self.bad = true,
            Event::Proved { proof, .. } => {
                self.looked = Some(self.looked.unwrap_or(false) || *proof != Proof::NotPossible);
                self.bad |= *proof == Proof::Failed;
            }
            Event::Broken { why, hint, .. } => {
                self.bad = true;
                self.broken = Some(((*why).to_owned(), hint.map(str::to_owned)));
            }
            Event::Guard { news: GuardNews::Back { .. } | GuardNews::Unknown { .. } } => self.bad = true,
            Event::Guard { .. } | Event::Left { .. } | Event::Verified { .. } => {}
        }
        self.human.event(e);
        self.detail.push_str(&self.said.take());
    }

    pub(super) fn does(&mut self, what: &str) {
        self.doing = Some((what.to_owned(), Instant::now()));
    }

    /// What it says, and what others of the same say too.
    pub(super) fn says(&mut self) -> (String, (u64, String)) {
        let (mut text, key) = self.plan.take().unwrap_or_default();
        let mut own = self.with.join(" ");
        if self.exit.is_some() && self.begun.is_none() {
            own.push_str(&self.anonymous(&self.detail));
            text.push_str(&std::mem::take(&mut self.detail));
        }
        (text, (key, own))
    }

    /// A text of it without what only it says.
    pub(super) fn anonymous(&self, text: &str) -> String {
        anonymous(text, &self.names.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Its row of the table.
    pub(super) fn row(&self, dry: bool) -> table::Row<'_> {
        let exit = self.exit.unwrap_or(exit::FAILED);
        let state = match exit {
            _ if self.not_begun => "not begun",
            exit::USAGE => "nobody to ask",
            exit::INTERRUPTED => "interrupted",
            _ if self.declined => "declined",
            exit::OK if self.changed > 0 => "repaired",
            exit::OK => "healthy",
            exit::NO_CHANNEL => "unreachable",
            exit::CHANGES if dry => "to be changed",
            exit::CHANGES => "stopped",
            exit::ROLLED_BACK => "rolled back",
            exit::NOT_ROLLED_BACK => "needs you now",
            _ if self.bad => "failed",
            _ => "unresolved",
        };
        let changes = match (self.changed, self.planned) {
            _ if exit == exit::NO_CHANNEL => "-".to_owned(),
            (0, n) if n > 0 && exit != exit::OK => format!("{n} to make"),
            (made, _) => made.to_string(),
        };
        table::Row { name: &self.name, state, changes, exit }
    }

    /// Changes that were made.
    pub(super) fn made(&self) -> usize {
        self.changed
    }
}
