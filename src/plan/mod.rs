//! Decides and touches nothing: what was read in, a plan out, and what is still missing to finish it.

mod change;
pub mod diff;
mod eval;
mod handlers;
mod overlay;
mod resource;
mod view;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value, json};

pub use change::{CHANGE_DEADLINE, Change, CommandChange, FileChange, Flag, Listing, UnitChange};
pub(crate) use eval::MOST_ITEMS;
pub use eval::NOT_HERE;
pub use overlay::Overlay;
pub use resource::Resource;
pub use view::{Place, View, Writing, first_line};

use crate::book::{Call, Runbook};
use crate::facts::{self, Facts};
use crate::module::{Decision, Halt};
use crate::target::{About, Cache, MissingReads, Read, Reading};

/// What a plan is made from.
pub struct Input<'a> {
    /// The runbook.
    pub book: &'a Runbook,
    /// Variables with their values; optional ones without a value are not in it.
    pub vars: &'a Map<String, Value>,
    /// The target.
    pub place: &'a Place,
    /// What was read so far.
    pub cache: &'a Cache,
    /// Digests of changes that earlier rounds of this run made: no change is made twice.
    pub done: &'a HashSet<String>,
    /// Who wanted changes that the user wants left.
    pub declined: &'a HashSet<Wish>,
    /// `--tags` and `--skip-tags`.
    pub tags: &'a Tags,
    /// Tells this round's connections from earlier ones.
    pub salt: u64,
}

/// Which steps are selected.
#[derive(Debug, Default, Clone)]
pub struct Tags {
    /// Only steps with one of these; empty: all.
    pub only: Vec<String>,
    /// No step with one of these.
    pub skip: Vec<String>,
}

impl Tags {
    fn select(&self, tags: &[String]) -> bool {
        (self.only.is_empty() || tags.iter().any(|t| self.only.contains(t)))
            && !tags.iter().any(|t| self.skip.contains(t))
    }
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StepStatus {
    /// As it should be.
    Ok,
    /// There is something to change.
    Change,
    /// Only a person can do it.
    Manual,
    /// It does not apply.
    Skipped,
    /// There is something to change, and the user said no.
    Declined,
    /// A step that it needs failed.
    Blocked,
    /// It cannot be known (yet).
    Unknown,
    /// The fault is there and nothing repairs it, or the step itself cannot work.
    Failed,
    /// Not everything was read yet; never in a finished plan.
    Pending,
}

/// A step (or one item of its loop) in a plan.
#[derive(Debug, Clone)]
pub struct StepPlan {
    /// Index in the runbook.
    pub step: usize,
    /// Index of the loop's item.
    pub item: Option<usize>,
    /// Its name, resolved.
    pub name: String,
    /// How it stands.
    pub status: StepStatus,
    /// What was seen, or why it stands so.
    pub evidence: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// What is wrong, in a sentence; only where a fault was found.
    pub finding: Option<String>,
    /// What a person should know although nothing is wrong.
    pub note: Option<String>,
    /// Instructions for a person, resolved.
    pub manual: Option<String>,
    /// A variable of the runbook without a value would decide what is left to a person.
    pub asks: Option<Box<Question>>,
    /// Its repair takes root, and we are not.
    pub needs_root: bool,
    /// The earlier step whose change it waits for.
    pub waits_for: Option<usize>,
    /// It was skipped because it could not be looked at, not because it does not apply.
    pub not_checked: bool,
    /// It only looks: its fault is a symptom of what other steps found, if any did.
    pub symptom: bool,
    /// Its check's result, as expressions see it.
    pub result: Value,
}

/// A variable that a person may decide while the plan is shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Question {
    /// Its name.
    pub var: String,
    /// What it may be.
    pub choices: Vec<String>,
    /// What it is about, in the runbook's words.
    pub help: String,
}

/// A change in its place.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The step that wants it (index in the runbook), unless a handler does.
    pub step: usize,
    /// The loop's item, as JSON.
    pub item: Option<String>,
    /// That step's name, resolved; empty for a handler that an earlier run left over.
    pub name: String,
    /// The handler that wants it.
    pub handler: Option<String>,
    /// Handlers that this change notifies.
    pub notify: Vec<String>,
    /// The change.
    pub change: Change,
}

/// Who wants a change: what a person leaves, who leaves one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Wish {
    /// A step of the runbook, and of a loop one item, as JSON: what a list has at some place may be another one by then.
    Step(usize, Option<String>),
    /// A handler.
    Handler(String),
}

impl Planned {
    /// What a person leaves, who leaves this: the step with all of its changes, whatever they are by then.
    #[must_use]
    pub fn wish(&self) -> Wish {
        self.handler.clone().map_or(Wish::Step(self.step, self.item.clone()), Wish::Handler)
    }

    /// What a person has read of it, apart from what stands around it in its file.
    fn shown(&self) -> (Wish, String, Vec<String>) {
        let diff = self.change.diff();
        let lines = diff.split(|b| *b == b'\n').skip(2).filter(|l| matches!(l.first(), Some(b'+' | b'-')));
        (self.wish(), self.change.title(), lines.map(|l| String::from_utf8_lossy(l).into_owned()).collect())
    }
}

/// What a handler's validation said of all candidates together.
#[derive(Debug, Clone)]
pub struct Validation {
    /// The handler.
    pub handler: String,
    /// The outcome.
    pub outcome: Verdict,
    /// What was seen.
    pub evidence: String,
}

/// The outcome of a validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The candidates are fine.
    Passed,
    /// They are not: nothing may be written.
    Failed,
    /// No namespace can be had: this sh runs right after the write, in the same script, and failing restores.
    AtWrite(String),
    /// Nothing can run there (a disk that is not running).
    Impossible,
}

/// A plan.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// What the host is; `None` until read.
    pub facts: Option<Facts>,
    /// Every step, in order; a loop has one entry an item.
    pub steps: Vec<StepPlan>,
    /// Every change, in the order in which it will happen; handlers last.
    pub changes: Vec<Planned>,
    /// Changes that take root, where we are not: shown, and not made.
    pub for_root: Vec<Planned>,
    /// Validations that must hold before the first write.
    pub validations: Vec<Validation>,
    /// Handlers left over by earlier runs, that this one takes up.
    pub owed: Vec<facts::Owed>,
    /// Handlers that a start of this plan makes needless.
    pub satisfied: Vec<String>,
    /// Handlers that cannot be done or must not be, and why; they stay owed.
    pub kept_back: Vec<(String, String)>,
}

impl Plan {
    /// Whether a validation forbids to write.
    #[must_use]
    pub fn invalid(&self) -> Option<&Validation> {
        self.validations.iter().find(|v| v.outcome == Verdict::Failed)
    }
    /// Whether it shows no change that the other one did not show.
    #[must_use]
    pub fn within(&self, other: &Plan) -> bool {
        let shown: HashSet<_> = other.changes.iter().map(Planned::shown).collect();
        self.changes.iter().all(|p| shown.contains(&p.shown()))
    }
    /// Steps of one status.
    pub fn with(&self, status: StepStatus) -> impl Iterator<Item = &StepPlan> {
        self.steps.iter().filter(move |s| s.status == status)
    }
    /// Nothing was looked at: every step was skipped, and not because none applies.
    #[must_use]
    pub fn nothing_checked(&self) -> bool {
        let offline = self.facts.as_ref().is_some_and(|f| !f.live);
        !self.steps.is_empty()
            && self.steps.iter().all(|s| s.status == StepStatus::Skipped)
            && (offline || self.steps.iter().any(|s| s.not_checked))
    }
    /// Something is unresolved for good: not merely waiting for a change of this plan.
    #[must_use]
    pub fn unresolved(&self) -> bool {
        !self.kept_back.is_empty()
            || self.steps.iter().any(|s| match s.status {
                StepStatus::Failed | StepStatus::Manual | StepStatus::Blocked | StepStatus::Declined => true,
                StepStatus::Unknown => s.waits_for.is_none(),
                _ => false,
            })
    }
}

/// The read that every plan starts with.
#[must_use]
pub fn facts_read() -> Read {
    Read::Script {
        sh: facts::script(),
        about: About::Named("facts".into()),
        user: false,
        controller: false,
        deadline: view::CHECK_DEADLINE,
        candidates: None,
    }
}

/// Makes a plan of what was read so far, and says what else has to be read. When nothing has, the plan is finished.
#[must_use]
pub fn plan(input: &Input<'_>) -> (Plan, Vec<Read>) {
    let wanted = RefCell::new(MissingReads::default());
    let facts = match input.cache.get(&facts_read()) {
        Some(Reading::Output(a)) => Some(facts::parse(&String::from_utf8_lossy(&a.stdout), input.place.live)),
        Some(_) => Some(Facts { live: input.place.live, ..Facts::default() }),
        None => {
            wanted.borrow_mut().add(facts_read());
            None
        }
    };
    let mut maker = Maker {
        input,
        wanted: &wanted,
        facts: facts.as_ref(),
        facts_value: facts.as_ref().map_or(Value::Null, |f| json!(f)),
        overlay: Overlay::default(),
        values: Map::new(),
        statuses: BTreeMap::new(),
        notified: BTreeMap::new(),
        left: Vec::new(),
        commands_to_run: HashSet::new(),
        plan: Plan::default(),
    };
    for (index, step) in input.book.steps.iter().enumerate() {
        maker.step(index, step);
    }
    maker.handlers();
    maker.symptoms();
    let mut plan = maker.plan;
    plan.facts = facts;
    (plan, wanted.into_inner().into_list())
}

/// A plan in the making.
struct Maker<'a> {
    input: &'a Input<'a>,
    wanted: &'a RefCell<MissingReads>,
    facts: Option<&'a Facts>,
    facts_value: Value,
    overlay: Overlay,
    /// `steps.ID` for expressions.
    values: Map<String, Value>,
    /// By step id: its status, its index, and what it waits for.
    statuses: BTreeMap<String, (StepStatus, usize, Option<usize>)>,
    /// Handlers by id: how many changes there were when each was last notified, and by which step.
    notified: BTreeMap<String, (usize, usize)>,
    /// What changes would touch that are not made: left by the user, or for root alone.
    left: Vec<Resource>,
    /// Ids of steps that are not judged yet, and whose check is, or waits for, a command of the runbook.
    commands_to_run: HashSet<String>,
    plan: Plan,
}

impl<'a> Maker<'a> {
    fn view<'v>(&'v self) -> View<'v>
    where
        'a: 'v,
    {
        View::new(self.input.cache, &self.overlay, self.input.place, self.facts, self.wanted).salted(self.input.salt)
    }

    /// A fault that a step only looks at (it has no repair of its own) and that a change of this plan may heal is a
    /// symptom: it is looked at again after the change, and is a failure only if it is still there.
    fn symptoms(&mut self) {
        let book = self.input.book;
        let looks = |s: &StepPlan| book.steps.get(s.step).is_some_and(crate::book::Step::looks_only);
        let causes = self.plan.steps.iter().any(|s| s.finding.is_some() && !looks(s));
        let unseen = self.plan.steps.iter().any(|s| s.status == StepStatus::Unknown && s.waits_for.is_none());
        for i in 0..self.plan.steps.len() {
            let s = &self.plan.steps[i];
            let Some(step) = book.steps.get(s.step).filter(|b| b.looks_only()) else { continue };
            if s.status != StepStatus::Failed || s.finding.is_none() {
                continue;
            }
            let s = &mut self.plan.steps[i];
            s.symptom = causes;
            if causes || unseen {
                s.hint = None;
            }
            let reads = self.reads_of(step);
            let healer =
                self.plan.changes.iter().find(|p| p.change.writes().iter().any(|w| reads.iter().any(|r| r.meets(w))));
            if let Some(at) = healer.map(|p| p.step) {
                let s = &mut self.plan.steps[i];
                (s.status, s.waits_for, s.hint, s.symptom) = (StepStatus::Unknown, Some(at), None, true);
            }
        }
    }

    /// What the result of a step's check depends on, by the step's own word or the module's.
    fn reads_of(&self, step: &crate::book::Step) -> Vec<Resource> {
        let of_module = |c: &Call| c.module.spec().reads.split(", ").filter_map(|r| Resource::parse(r).ok()).collect();
        let declared = self.declared_reads(step, &Map::new()).unwrap_or(Some(vec![Resource::All]));
        declared.or_else(|| step.check.as_ref().map(of_module)).unwrap_or_default()
    }

    /// What expressions see.
    fn scope(&self, extra: &Map<String, Value>) -> Value {
        let mut scope = self.input.vars.clone();
        let p = self.input.place;
        scope.insert("target".into(), target_value(p));
        scope.insert("facts".into(), self.facts_value.clone());
        scope.insert("steps".into(), Value::Object(self.values.clone()));
        for (k, v) in extra {
            scope.insert(k.clone(), v.clone());
        }
        Value::Object(scope)
    }

    /// Asks a module; a failure has the route of the parameter it is about.
    ///
    /// Where a parameter speaks of something that was not read yet, the module is asked ahead of time without it, so
    /// that what it will look at anyway travels with everything else; the answer counts for nothing.
    fn decide(&self, call: &Call, scope: &Value, view: View<'_>) -> Result<Decision, (Halt, Vec<String>)> {
        let mut params = call.params.clone();
        let mut ahead = false;
        for (name, v) in &call.params {
            match self.params_known(v) {
                Ok(()) => {}
                Err(Halt::Pending) => {
                    ahead = true;
                    params.remove(name);
                }
                Err(halt) => return Err((halt, vec![name.clone()])),
            }
        }
        let view = if ahead { view.ahead() } else { view };
        let resolved = crate::expr::render_deep(&Value::Object(params), scope);
        let params = match resolved {
            Ok(Value::Object(mut m)) => {
                m.extend(call.literal.clone());
                m
            }
            Ok(_) => Map::new(),
            Err((route, e)) => {
                let names = call.params.values().flat_map(eval::names_of).collect();
                let halt = self.without_fields(names).unwrap_or(Halt::Error {
                    param: route.first().cloned(),
                    why: e.message,
                    hint: e.hint,
                });
                return Err((halt, route));
            }
        };
        let answer = match eval::check_params(&call.module, params) {
            Ok(p) => call.module.decide(&p, &view),
            Err((name, why)) => Err(Halt::error(&name, why)),
        };
        if let Ok(decision) = &answer {
            let spec = call.module.spec();
            let listed = |name: &String| spec.open || spec.fields.iter().any(|f| f.name == name);
            debug_assert!(decision.fields.keys().all(listed), "{}: fields {:?}", spec.name, decision.fields);
        }
        let answer = if ahead { Err(Halt::Pending) } else { answer };
        answer.map_err(|halt| {
            let route = match &halt {
                Halt::Error { param: Some(p), .. } => vec![p.clone()],
                _ => Vec::new(),
            };
            (halt, route)
        })
    }
}

/// `target` in expressions; what is not known is not in it.
fn target_value(p: &Place) -> Value {
    let mut m = Map::new();
    m.insert("name".into(), p.name.clone().into());
    m.insert("channel".into(), p.channel.clone().into());
    m.insert("live".into(), p.live.into());
    if let Some(a) = &p.address {
        m.insert("address".into(), a.clone().into());
    }
    if let Some(n) = p.port {
        m.insert("port".into(), n.into());
    }
    Value::Object(m)
}

/// Evaluates a proof of the `verify` list, and says what has to be asked for it first; `near`: on the target itself.
pub fn verify(input: &Input<'_>, plan: &Plan, call: &Call, near: bool) -> (Result<Decision, Halt>, Vec<Read>) {
    let wanted = RefCell::new(MissingReads::default());
    let values = eval::values_of(input.book, plan);
    let maker = Maker {
        input,
        wanted: &wanted,
        facts: plan.facts.as_ref(),
        facts_value: json!(plan.facts),
        overlay: Overlay::default(),
        values,
        statuses: BTreeMap::new(),
        notified: BTreeMap::new(),
        left: Vec::new(),
        commands_to_run: HashSet::new(),
        plan: Plan::default(),
    };
    let answer = maker.decide(call, &maker.scope(&Map::new()), maker.view().from_controller(!near)).map_err(|(h, _)| h);
    drop(maker);
    (answer, wanted.into_inner().into_list())
}
