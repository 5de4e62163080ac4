//! The run: gather, plan, show, confirm, do, verify, again. Everything that acts on a target is below this module.

pub mod act;
pub mod back;
pub mod fleet;
pub mod guard;
pub mod journal;
mod lock;
pub mod past;
pub mod risk;
mod round;
pub mod told;
mod verify;
mod ways;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::book::Runbook;
use crate::channel::{ChannelError, Kind};
use crate::facts::Facts;
use crate::invocation::Invocation;
use crate::plan::{self, Input, Place, Plan, Planned, Question, StepStatus, Tags, Wish};
use crate::report::{Decided, Event, Redactor, Sink};
use crate::target::frame::Status;
use crate::target::{Cache, Read, Reading, Target, ask};
use journal::Journal;

/// The sh functions of acting scripts and of the lock.
pub const FUNCTIONS: &[(&str, &str)] = &{
    let parts = [act::FUNCTIONS, lock::FUNCTIONS, guard::switch::FUNCTIONS];
    let mut all = [("", ""); act::FUNCTIONS.len() + lock::FUNCTIONS.len() + guard::switch::FUNCTIONS.len()];
    let (mut part, mut from, mut to) = (0, 0, 0);
    while part < parts.len() {
        while from < parts[part].len() {
            all[to] = parts[part][from];
            (from, to) = (from + 1, to + 1);
        }
        (part, from) = (part + 1, 0);
    }
    all
};

/// Rounds of one run at most.
const ROUNDS: usize = 5;
/// Questions to the target before one plan is finished, at most: each answers all that is known to be missing.
const TRIPS: usize = 100;

/// Exit codes (DESIGN 9).
pub mod exit {
    /// Nothing to do, or all of it done and verified.
    pub const OK: u8 = 0;
    /// Something failed, or is unresolved.
    pub const FAILED: u8 = 1;
    /// Bad input; or changes to make, no terminal and no `--yes`.
    pub const USAGE: u8 = 2;
    /// No channel works, and nothing was changed.
    pub const NO_CHANNEL: u8 = 3;
    /// There are changes to make, and none was made.
    pub const CHANGES: u8 = 4;
    /// Rolled back.
    pub const ROLLED_BACK: u8 = 5;
    /// Not rolled back.
    pub const NOT_ROLLED_BACK: u8 = 6;
    /// Interrupted.
    pub const INTERRUPTED: u8 = 130;

    /// What `runbook plan` ends with, where there is something to change or nothing at all.
    #[must_use]
    pub fn of_plan(plan: &crate::plan::Plan) -> u8 {
        let unknown = plan.with(crate::plan::StepStatus::Unknown).next().is_some();
        match plan.changes.is_empty() {
            true if plan.unresolved() || unknown || plan.nothing_checked() => FAILED,
            true => OK,
            false if plan.unresolved() || plan.invalid().is_some() => FAILED,
            false => CHANGES,
        }
    }

    /// Every code with its meaning, for docs.
    pub const ALL: &[(u8, &str)] = &[
        (OK, "healthy: nothing to do, or all of it done and verified"),
        (FAILED, "something failed, or is unresolved (unknown, manual), or nothing could be checked"),
        (
            USAGE,
            "bad input: usage, lint errors, variables; or changes to make, no terminal and no --yes (the plan is printed)",
        ),
        (NO_CHANNEL, "no channel works (and nothing was changed)"),
        (CHANGES, "there are changes to make and none was made: a dry run, or the prompt was declined"),
        (
            ROLLED_BACK,
            "rolled back, and seen to be: a change had made it worse, or the connection was lost and came back",
        ),
        (
            NOT_ROLLED_BACK,
            "not all was rolled back, or it is not known, as the host did not answer again: it needs a person now",
        ),
        (INTERRUPTED, "interrupted"),
    ];
}

/// What the user said to a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Do it.
    Yes,
    /// Do nothing.
    No,
    /// Ask before each change.
    Step,
    /// There is nobody to ask.
    Nobody,
}

/// What the user said to one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// Make it.
    Yes,
    /// Leave it, and with it its step; ask about the next one.
    Skip,
    /// Make it, and all that follow.
    Rest,
    /// Make no more.
    Quit,
}

/// Asks the user.
pub trait Ask {
    /// About a whole plan.
    fn plan<'a>(&'a mut self, plan: &'a Plan) -> Asked<'a, Answer>;
    /// About a variable; `None` leaves it without a value.
    fn decide<'a>(&'a mut self, question: &'a Question) -> Asked<'a, Option<String>>;
    /// About one change.
    fn change<'a>(&'a mut self, planned: &'a Planned) -> Asked<'a, Leave>;
}

/// An answer that a person has to give first.
pub type Asked<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + 'a>>;

/// Says when the user has had enough: what is being done is finished, nothing more is begun.
pub type Interrupt = tokio::sync::watch::Receiver<bool>;

/// How a run is to go.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Plan only.
    pub dry_run: bool,
    /// Which steps.
    pub tags: Tags,
    /// A round that could cut the way to the host is taken back unless it is confirmed within that; `None`: no guard.
    pub guard: Option<Duration>,
    /// Ctrl-C.
    pub interrupt: Option<Interrupt>,
    /// Secrets are not in the record either.
    pub redactor: Redactor,
    /// What the user typed.
    pub invocation: Invocation,
}

/// A run over one target.
pub struct Session<'a> {
    /// The runbook.
    pub book: &'a Runbook,
    /// Its variables, with what was decided on the way.
    vars: Map<String, Value>,
    /// The target over each of its channels, in the order of preference.
    ways: &'a [(Place, Target)],
    /// The one in use.
    way: usize,
    /// Those that would not let us become who we have to be.
    refused: Vec<usize>,
    /// The round that was begun last; 0: nothing was changed yet.
    round: usize,
    /// The machine that was changed.
    machine: Option<Facts>,
    /// Who wanted changes that the user wants left, and whether each change is asked about.
    declined: HashSet<Wish>,
    stepwise: bool,
    /// The last round ended at a change that the user wants left.
    left: bool,
    /// What the user said yes to, and the plan that is being carried out.
    agreed: HashSet<String>,
    current: Option<Plan>,
    /// What was sent and not answered yet, with its number in the record.
    flying: Vec<(usize, Planned)>,
    /// This machine.
    pub controller: &'a Target,
    /// How it is to go.
    pub options: &'a Options,
    /// Where events go.
    pub sink: told::Told<'a>,
    /// Who is asked.
    pub ask: &'a mut dyn Ask,
    /// Digests of the changes that were made.
    done: HashSet<String>,
    /// Digests of changes that were tried and failed.
    failed: HashSet<String>,
    /// The exit status of the change that failed last.
    last_status: i32,
    salt: u64,
    journal: Option<Journal>,
    /// Variables that were asked about, and those of them that got a value.
    asked: HashSet<String>,
    decided: Vec<Decided>,
    locked: bool,
    /// What is not confirmed yet.
    guard: Option<guard::Guard>,
    /// Until when a host that does not answer any more is waited for.
    lost_until: Option<Instant>,
    /// What the last finished plan was made from.
    seen: Cache,
    /// How long a person was asked.
    thinking: Duration,
}

/// How a round came to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RoundEnd {
    /// Every change of its plan was made.
    Whole,
    /// A service would not start, and what waits to be judged may say why.
    Stumbled,
    /// The user wants a change left: what else is still right to do is another plan.
    Left,
    /// What another run had left was taken back first: how things are now is another question.
    Anew,
}

/// Why a run stopped.
enum Stop {
    /// The user wants no more.
    Interrupted,
    /// With this exit code; everything was said.
    Exit(u8),
    /// The channel failed.
    Channel(ChannelError),
    /// The controller's own record failed.
    Journal(std::io::Error),
}

impl From<ChannelError> for Stop {
    fn from(e: ChannelError) -> Self {
        Stop::Channel(e)
    }
}
impl From<std::io::Error> for Stop {
    fn from(e: std::io::Error) -> Self {
        Stop::Journal(e)
    }
}

impl<'a> Session<'a> {
    /// A run that has not begun.
    pub fn new(
        book: &'a Runbook,
        vars: Map<String, Value>,
        ways: &'a [(Place, Target)],
        controller: &'a Target,
        options: &'a Options,
        sink: &'a mut dyn Sink,
        ask: &'a mut dyn Ask,
    ) -> Self {
        Self {
            book,
            vars,
            ways,
            way: 0,
            refused: Vec::new(),
            round: 0,
            machine: None,
            declined: HashSet::new(),
            stepwise: false,
            left: false,
            agreed: HashSet::new(),
            current: None,
            flying: Vec::new(),
            controller,
            options,
            sink: told::Told::new(sink, options.redactor.clone()),
            ask,
            done: HashSet::new(),
            failed: HashSet::new(),
            last_status: 0,
            salt: 0,
            journal: None,
            asked: HashSet::new(),
            decided: Vec::new(),
            locked: false,
            guard: None,
            lost_until: None,
            seen: Cache::new(),
            thinking: Duration::ZERO,
        }
    }

    /// The target over the channel in use.
    fn target(&self) -> &'a Target {
        &self.ways[self.way].1
    }
    /// What is known of it.
    fn place(&self) -> &'a Place {
        &self.ways[self.way].0
    }

    /// Runs it; the exit code. Every event, the last one too, was given to the sink.
    pub async fn run(&mut self) -> u8 {
        let started = Instant::now();
        let mut ended = self.rounds(false).await;
        while let Err(Stop::Channel(e)) = &ended {
            let e = e.clone();
            if !self.another_way(&e) && !self.reconnect(&e).await {
                break;
            }
            ended = self.rounds(true).await;
        }
        let changed = self.round > 0;
        let code = match ended {
            Ok(code) | Err(Stop::Exit(code)) => code,
            Err(Stop::Interrupted) => {
                let hint = "run it again: it goes on from what is there";
                self.sink.event(&Event::Broken {
                    why: "interrupted",
                    hint: Some(hint),
                    changed: !self.done.is_empty(),
                });
                exit::INTERRUPTED
            }
            Err(Stop::Channel(e)) if self.guard.is_some() => self.guard_unknown(&e),
            Err(Stop::Channel(e)) => {
                self.sink.event(&Event::Broken { why: &e.why, hint: e.hint.as_deref(), changed });
                // A way that refuses us works.
                let none = !changed && e.kind == Kind::Lost && self.refused.is_empty();
                if none { exit::NO_CHANNEL } else { exit::FAILED }
            }
            Err(Stop::Journal(e)) => {
                let why = format!("the record of this run cannot be written: {e}");
                self.sink.event(&Event::Broken {
                    why: &why,
                    hint: Some("free some space, or set XDG_STATE_HOME to a writable directory"),
                    changed: !self.done.is_empty(),
                });
                exit::FAILED
            }
        };
        let code = self.close(code).await;
        let unresolved = self.sink.unresolved(self.options.dry_run);
        self.sink.event(&Event::Finished {
            exit: code,
            // One that ended at what the user wants left went on in the next.
            rounds: self.round.saturating_sub(self.declined.len()).max(usize::from(!self.done.is_empty())),
            run: self.journal.as_ref().map(Journal::id),
            wire: self.ways.iter().map(|w| w.1.wire()).sum(),
            seconds: started.elapsed().saturating_sub(self.thinking).as_secs_f64(),
            unresolved: &unresolved,
        });
        for (_, target) in self.ways {
            target.close().await;
        }
        code
    }

    /// Gives the lock back and ends the record.
    async fn close(&mut self, mut code: u8) -> u8 {
        if self.locked {
            let journal = self.journal.as_mut().map(|j| (j.id().to_owned(), j.untold()));
            if let Some((id, untold)) = journal {
                let release = format!("RUN={id}; rb_state; {}{}", act::note(&untold), lock::release(&id));
                let mut released = self.script(&release, Duration::from_secs(10)).await;
                while let Err(e) = &released
                    && self.another_way(&e.clone())
                {
                    released = self.script(&release, Duration::from_secs(10)).await;
                }
                if !matches!(released, Ok(a) if a.status == Status::Exit(0)) && code != exit::INTERRUPTED {
                    let why = "the lock on the target could not be given back";
                    let hint = "the next run from here takes it over; from elsewhere it is free after 15 minutes";
                    self.sink.event(&Event::Broken { why, hint: Some(hint), changed: !self.done.is_empty() });
                    code = code.max(exit::FAILED);
                }
            }
            self.locked = false;
        }
        if let Some(j) = &mut self.journal
            && let Err(e) = j.record("end", serde_json::json!({"exit": code}))
        {
            let why = format!("the end of this run's record could not be written: {e}");
            let hint = "is the disk full (df -h)? The target has a record of its own";
            self.sink.event(&Event::Broken { why: &why, hint: Some(hint), changed: !self.done.is_empty() });
            code = code.max(exit::FAILED);
        }
        code
    }

    /// Rounds until there is nothing more to do; `again`: the way before this one was lost.
    async fn rounds(&mut self, again: bool) -> Result<u8, Stop> {
        self.sink.event(&Event::Started { book: self.book, place: self.place() });
        let mut stumbled = false;
        let mut plan = if again && self.round > 0 { self.rejoin().await? } else { self.gather().await? };
        loop {
            let round = self.round + 1 - self.declined.len().min(self.round);
            let guard = self.guard_preview(&plan);
            self.sink.event(&Event::Planned { round, plan: &plan, book: self.book, guard: guard.as_ref() });
            if !self.options.dry_run
                && let Some(code) = self.privilege(&plan)
            {
                return Ok(code);
            }
            if !self.options.dry_run && self.questions(&plan).await? {
                plan = self.gather().await?;
                continue;
            }
            if plan.changes.is_empty() {
                if !self.declined.is_empty() && self.done.is_empty() && self.failed.is_empty() {
                    return Ok(exit::CHANGES);
                }
                // Proofs change nothing: a dry run calls nothing healthy that they would not.
                let (proofs, proven) = self.prove(&plan, stumbled).await?;
                let unknown = plan.with(StepStatus::Unknown).next().is_some();
                let open = plan.unresolved() || unknown || plan.nothing_checked() || !proofs;
                // What another runbook's proofs are, nobody knows here.
                if let Some((other, mark)) = plan.facts.as_ref().and_then(|f| f.unconfirmed.as_ref())
                    && (!self.options.dry_run && !open && proven && *mark == self.mark())
                {
                    self.keep_of_another(other).await?;
                }
                return Ok(if open { exit::FAILED } else { exit::OK });
            }
            if plan.invalid().is_some() {
                return Ok(exit::FAILED);
            }
            if self.options.dry_run {
                return Ok(exit::of_plan(&plan));
            }
            if self.round == ROUNDS + self.declined.len() {
                self.sink.event(&Event::Broken {
                    why: "five rounds, and there is still something to change",
                    hint: Some("the steps of this runbook undo one another"),
                    changed: true,
                });
                return Ok(exit::FAILED);
            }
            // What remains after a change was left was shown with it, and each change is asked about.
            let shown = self.current.as_ref().is_some_and(|before| plan.within(before));
            let going_on = self.stepwise && self.left && shown;
            let answer = if going_on { Answer::Step } else { self.agreement(&plan, again).await };
            match answer {
                Answer::Yes => self.stepwise = false,
                Answer::Step => self.stepwise = true,
                Answer::No if self.interrupted() => return Err(Stop::Interrupted),
                Answer::No => return Ok(if self.round > 0 { exit::FAILED } else { exit::CHANGES }),
                Answer::Nobody => {
                    self.sink.event(&Event::Broken {
                        why: "there are changes to make, and nobody to ask",
                        hint: Some(&self.unasked()),
                        changed: false,
                    });
                    return Ok(exit::USAGE);
                }
            };
            self.round += 1;
            self.machine = self.machine.take().or_else(|| plan.facts.clone());
            self.current = Some(plan.clone());
            let ended = self.round(self.round, &plan).await;
            if let Err(Stop::Journal(e)) = &ended
                && self.guard.is_some()
            {
                let why = format!("the record of this run cannot be written: {e}");
                let hint = "free some space, or set XDG_STATE_HOME to a writable directory";
                self.sink.event(&Event::Broken { why: &why, hint: Some(hint), changed: !self.done.is_empty() });
            }
            // Another way may still get there, and judge.
            if !matches!(ended, Err(Stop::Channel(_))) {
                self.judge().await?;
            }
            let ended = ended?;
            stumbled = ended == RoundEnd::Stumbled;
            self.left = ended == RoundEnd::Left;
            if ended == RoundEnd::Anew {
                self.round -= 1;
            }
            // Where nothing was done, nothing has to show.
            let untouched = self.done.is_empty() && self.failed.is_empty();
            plan = if ended == RoundEnd::Anew || self.left && untouched {
                self.gather().await?
            } else {
                self.settle(&plan, ended != RoundEnd::Whole).await?
            };
            let tried = |p: &Planned| {
                let digest = p.change.digest();
                self.failed.contains(&digest) || self.done.contains(&digest)
            };
            if ended == RoundEnd::Stumbled && !plan.changes.is_empty() && plan.changes.iter().all(tried) {
                self.sink.event(&Event::Broken {
                    why: "it was tried, and failed; what was seen since asks for nothing else",
                    hint: Some("the lines above say why it failed"),
                    changed: true,
                });
                return Ok(exit::FAILED);
            }
        }
    }

    /// Asks about a plan, unless it only goes on with what was agreed to before the way was lost.
    async fn agreement(&mut self, plan: &Plan, again: bool) -> Answer {
        if again && plan.changes.iter().all(|p| self.agreed.contains(&p.change.digest())) {
            return Answer::Yes;
        }
        let asked = Instant::now();
        let answer = self.ask.plan(plan).await;
        self.thinking += asked.elapsed();
        if answer == Answer::Yes {
            self.agreed.extend(plan.changes.iter().map(|p| p.change.digest()));
        }
        answer
    }

    /// Asks what the runbook leaves to a person, each variable once a run. True: something was decided, so the plan is
    /// another one.
    async fn questions(&mut self, plan: &Plan) -> Result<bool, Stop> {
        let before = self.decided.len();
        for q in plan.steps.iter().filter_map(|s| s.asks.as_deref()) {
            if !self.asked.insert(q.var.clone()) {
                continue;
            }
            let asked = Instant::now();
            let answer = self.ask.decide(q).await;
            self.thinking += asked.elapsed();
            if self.interrupted() {
                return Err(Stop::Interrupted);
            }
            let Some(value) = answer.filter(|a| q.choices.contains(a)) else { continue };
            let kind = self.book.vars.get(&q.var).map(|v| &v.kind);
            let Some(typed) = kind.and_then(|k| k.read(&value.clone().into()).ok()) else { continue };
            self.vars.insert(q.var.clone(), typed);
            let decided = Decided { var: q.var.clone(), value, by: "prompt" };
            if let Some(j) = &mut self.journal {
                j.record("decided", serde_json::json!(decided))?;
            }
            self.sink.event(&Event::Decided { decided: &decided });
            self.decided.push(decided);
        }
        Ok(self.decided.len() > before)
    }

    /// Root is needed for units, and for files that we may not write: said with the line to type.
    fn privilege(&mut self, plan: &Plan) -> Option<u8> {
        let facts = plan.facts.as_ref().filter(|f| !f.root)?;
        let step = plan.steps.iter().find(|s| s.needs_root).map(|s| s.evidence.clone());
        let change = || plan.changes.iter().find(|p| p.change.needs_root(facts.live)).map(|p| p.change.title());
        let why = step.or_else(|| change().map(|title| format!("to {title} takes root")))?;
        let hint = self.as_root();
        self.sink.event(&Event::Broken { why: &why, hint: Some(&hint), changed: false });
        Some(exit::FAILED)
    }

    /// How to make the changes without being asked, as a line to paste.
    fn unasked(&self) -> String {
        match self.options.invocation.verb.as_str() {
            "" => "--yes makes them".to_owned(),
            _ => format!("make them without asking:\n    {}", self.options.invocation.with(&["--yes"]).to_sh()),
        }
    }

    /// How to run this as root, as a line to paste.
    fn as_root(&self) -> String {
        let invocation = &self.options.invocation;
        match (self.place().here, invocation.verb.is_empty()) {
            (true, _) => format!("run it as root:\n    {}", invocation.to_sudo()),
            (false, true) => {
                "--become becomes root there (sudo, doas or su); or use a channel that gives root".to_owned()
            }
            (false, false) => {
                let line = invocation.as_become().to_sh();
                format!("become root there, with sudo, doas or su:\n    {line}")
            }
        }
    }

    fn input<'i>(&'i self, cache: &'i Cache) -> Input<'i> {
        Input {
            book: self.book,
            vars: &self.vars,
            place: self.place(),
            cache,
            done: &self.done,
            declined: &self.declined,
            tags: &self.options.tags,
            salt: self.salt,
        }
    }

    fn interrupted(&self) -> bool {
        self.options.interrupt.as_ref().is_some_and(|i| *i.borrow())
    }

    /// Looking can be broken off at any time.
    async fn ask_target(&self, wanted: Vec<Read>) -> Result<Vec<(Read, Reading)>, Stop> {
        let asking = ask(self.target(), self.controller, wanted);
        let Some(mut stop) = self.options.interrupt.clone() else { return Ok(asking.await?) };
        tokio::select! {
            answers = asking => Ok(answers?),
            _ = stop.wait_for(|now| *now) => Err(Stop::Interrupted),
        }
    }

    /// A finished plan of how things are now.
    async fn gather(&mut self) -> Result<Plan, Stop> {
        let mut cache = Cache::new();
        self.salt += 1;
        for _ in 0..TRIPS {
            let (plan, wanted) = plan::plan(&self.input(&cache));
            if wanted.is_empty() {
                self.seen = cache;
                return Ok(plan);
            }
            self.sink.event(&Event::Asking { count: wanted.len() });
            cache.extend(self.ask_target(wanted).await?);
        }
        Err(Stop::Channel(ChannelError::internal("the plan needs more than 100 questions that depend on one another")))
    }
}
