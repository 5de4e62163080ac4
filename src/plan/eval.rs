//! One step: needs, when, loop, check, condition, remediation.

use serde_json::{Map, Value, json};

use super::{Maker, Plan, Planned, Question, StepPlan, StepStatus, Wish};
use crate::book::{Call, Runbook, Step, Text, Var, Where};
use crate::expr;
use crate::module::{Halt, Handle, Params};
use crate::plan::{Resource, View};

/// The evidence of a step whose `when` does not hold.
pub const NOT_HERE: &str = "does not apply here";
/// The evidence of a step that `--tags` leaves out.
const NOT_SELECTED: &str = "not selected";

/// Items of a loop that are looked at: as many commands take a minute over a fast line.
pub(crate) const MOST_ITEMS: usize = 20_000;

/// Parameters of the right types, or (parameter, why not).
pub(super) fn check_params(module: &Handle, params: Map<String, Value>) -> Result<Params, (String, String)> {
    let spec = module.spec();
    if spec.open {
        return Ok(Params(params));
    }
    let mut out = Map::new();
    for (name, value) in params {
        let Some(p) = spec.params.iter().find(|p| p.name == name) else {
            return Err((name, "no such parameter".into()));
        };
        let v = p.ty.check(&value).map_err(|why| (name.clone(), why))?;
        out.insert(name, v);
    }
    match spec.params.iter().find(|p| p.required && !out.contains_key(p.name)) {
        Some(p) => Err((p.name.to_owned(), "it is missing, or has no value".into())),
        None => Ok(Params(out)),
    }
}

/// `steps.ID` of a finished plan, for the proofs at the end.
pub(super) fn values_of(book: &Runbook, plan: &Plan) -> Map<String, Value> {
    let mut out = Map::new();
    for (index, step) in book.steps.iter().enumerate() {
        let Some(id) = &step.id else { continue };
        let of: Vec<&StepPlan> = plan.steps.iter().filter(|s| s.step == index).collect();
        let value = match (&step.each, of.first()) {
            (Some(_), _) => Value::Array(of.iter().map(|s| s.result.clone()).collect()),
            (None, Some(s)) => s.result.clone(),
            (None, None) => continue,
        };
        out.insert(id.clone(), value);
    }
    out
}

/// How a look at one step ended.
struct Outcome {
    status: StepStatus,
    evidence: String,
    hint: Option<String>,
    finding: Option<String>,
    note: Option<String>,
    manual: Option<String>,
    asks: Option<Box<Question>>,
    waits_for: Option<usize>,
    needs_root: bool,
    not_checked: bool,
    result: Value,
    /// To be made, where the status is `Change`; else they are left.
    changes: Vec<super::Change>,
}

impl Outcome {
    fn new(status: StepStatus, evidence: impl Into<String>) -> Self {
        let word = json!(status);
        Self {
            status,
            evidence: evidence.into(),
            hint: None,
            finding: None,
            note: None,
            manual: None,
            asks: None,
            waits_for: None,
            needs_root: false,
            not_checked: false,
            result: json!({"ok": false, "status": word}),
            changes: Vec::new(),
        }
    }
    fn halted(halt: Halt) -> Self {
        match halt {
            Halt::Pending => Self::new(StepStatus::Pending, ""),
            Halt::Skipped(why) => Self { not_checked: why != NOT_HERE, ..Self::new(StepStatus::Skipped, why) },
            Halt::Unknown { why, hint } => Self { hint, ..Self::new(StepStatus::Unknown, why) },
            Halt::Waits(step) => Self { waits_for: Some(step), ..Self::new(StepStatus::Unknown, "") },
            Halt::Person { why, todo, .. } => Self { manual: Some(todo), ..Self::new(StepStatus::Manual, why) },
            Halt::Error { why, hint, .. } => Self { hint, ..Self::new(StepStatus::Failed, why) },
        }
    }
}

impl Maker<'_> {
    /// Evaluates a step against what was read and what earlier steps would change.
    pub(super) fn step(&mut self, index: usize, step: &Step) {
        let none = Map::new();
        let name = self.text(&step.name, &none);
        if !self.input.tags.select(&step.tags) {
            return self.record(index, None, name, step, Outcome::new(StepStatus::Skipped, NOT_SELECTED));
        }
        if let Some(outcome) = self.gate(step) {
            return self.record(index, None, name, step, outcome);
        }
        let items = match &step.each {
            None => None,
            Some(text) => match self.expression(text, &none) {
                Ok(Value::Array(a)) if a.len() > MOST_ITEMS => {
                    let why = format!("its loop has {} items, and at most {MOST_ITEMS} are looked at", a.len());
                    let hint = Some("one command or a custom module that looks at all of them, and says which".into());
                    let outcome = Outcome { hint, ..Outcome::new(StepStatus::Failed, why) };
                    return self.record(index, None, name, step, outcome);
                }
                Ok(Value::Array(a)) => Some(a),
                Ok(other) => {
                    let why = format!("loop needs a list, found {}", crate::module::kind_of(&other));
                    return self.record(index, None, name, step, Outcome::new(StepStatus::Failed, why));
                }
                Err(halt) => return self.record(index, None, name, step, Outcome::halted(halt)),
            },
        };
        match items {
            None => {
                let outcome = self.once((index, None), step, &none);
                let outcome = self.after_installs(step, outcome);
                self.record(index, None, name, step, outcome);
            }
            Some(items) => {
                if let Some(id) = &step.id {
                    self.values.insert(id.clone(), Value::Array(Vec::new()));
                    self.statuses.insert(id.clone(), (StepStatus::Ok, index, None));
                }
                for (n, item) in items.into_iter().enumerate() {
                    let shown = item.to_string();
                    let extra = Map::from_iter([("item".to_owned(), item)]);
                    let outcome = self.once((index, Some(&shown)), step, &extra);
                    let outcome = self.after_installs(step, outcome);
                    let name = self.text(&step.name, &extra);
                    self.record(index, Some((n, &shown)), name, step, outcome);
                }
            }
        }
    }

    /// Whether a step's changes install a package.
    fn installs(&self, step: usize) -> bool {
        self.plan.changes.iter().any(|p| p.step == step && p.handler.is_none() && p.change.installs())
    }

    /// A package brings files, units and programs, and nobody knows which before it is there. So while an earlier step
    /// installs one, what is missing (a file that would be made, a unit that does not exist, a tool) is judged in the
    /// round after.
    fn after_installs(&self, step: &Step, o: Outcome) -> Outcome {
        let Some(install) = self.plan.changes.iter().rev().find(|p| p.handler.is_none() && p.change.installs()) else {
            return o;
        };
        let waits = match o.status {
            StepStatus::Failed => !step.looks_only(),
            StepStatus::Unknown => o.waits_for.is_none() && !o.needs_root,
            StepStatus::Change => o.changes.iter().any(super::Change::creates),
            _ => false,
        };
        if waits { Outcome::halted(Halt::Waits(install.step)) } else { o }
    }

    /// What stands before the check: `needs` and `when`. `None`: go on.
    ///
    /// A `when` that is surely false is looked at first: what does not apply here needs nothing.
    fn gate(&mut self, step: &Step) -> Option<Outcome> {
        if step.when.as_ref().is_some_and(|text| self.surely_false(text)) {
            return Some(Outcome::new(StepStatus::Skipped, NOT_HERE));
        }
        let mut pending = false;
        for id in &step.needs {
            match self.statuses.get(id) {
                Some((StepStatus::Pending, ..)) => pending = true,
                Some((StepStatus::Unknown, at, Some(_))) => return Some(Outcome::halted(Halt::Waits(*at))),
                // What a package brings is there when it is installed.
                Some((StepStatus::Change, at, _)) if self.installs(*at) => {
                    return Some(Outcome::halted(Halt::Waits(*at)));
                }
                Some((StepStatus::Ok | StepStatus::Change | StepStatus::Skipped, ..)) | None => {}
                Some((status, at, _)) => {
                    let name = self.plan.steps.iter().find(|s| s.step == *at).map_or(id.as_str(), |s| &s.name);
                    let left = if *status == StepStatus::Declined { " (which you left)" } else { "" };
                    return Some(Outcome::new(StepStatus::Blocked, format!("it needs: {name}{left}")));
                }
            }
        }
        let when = match &step.when {
            None => Ok(true),
            Some(text) => self.condition(text, &Map::new()),
        };
        let applies = when.and_then(|yes| if yes && step.otherwise { self.unexplained() } else { Ok(yes) });
        match applies {
            Ok(false) => Some(Outcome::new(StepStatus::Skipped, NOT_HERE)),
            Err(Halt::Pending) => {
                // Built-in probes go out ahead of a `when` that is not known yet, and count for nothing if it is false.
                // Not while a command of the runbook runs that the step needs: it would be seen there.
                if !self.waits_for_command(step) {
                    self.look_ahead(step, |v| v.ahead());
                }
                Some(Outcome::halted(Halt::Pending))
            }
            Err(halt) => Some(Outcome::halted(halt)),
            Ok(true) if pending => {
                if !self.waits_for_command(step) {
                    self.look_ahead(step, |v| v.before_needs());
                }
                Some(Outcome::halted(Halt::Pending))
            }
            Ok(true) => None,
        }
    }

    /// Whether a `when` is false, and stays so whatever becomes of the steps before: each step that it speaks of was
    /// looked at, or does not apply here, no change of this round may heal the symptom that it saw, and no package to be
    /// installed can bring a tool that it asks for.
    fn surely_false(&self, text: &Text) -> bool {
        let Ok(names) = expr::expression_names(&text.text) else { return false };
        let symptom = |at: usize| self.input.book.steps.get(at).is_some_and(Step::looks_only);
        let not_here = |at: usize| self.plan.steps.iter().any(|s| s.step == at && s.evidence == NOT_HERE);
        let looked_at = |id: &str| match self.statuses.get(id) {
            Some((StepStatus::Skipped, at, _)) => not_here(*at),
            Some((StepStatus::Failed, at, _)) if symptom(*at) && !self.plan.changes.is_empty() => false,
            _ => self.has_fields(id),
        };
        let settled = |name: &String| match name.split('.').collect::<Vec<_>>()[..] {
            ["facts", "tools", ..] => !self.plan.changes.iter().any(|p| p.change.installs()),
            ["steps", id, ..] => looked_at(id),
            _ => true,
        };
        names.iter().all(settled) && matches!(self.condition(text, &Map::new()), Ok(false))
    }

    /// Asks what a step's own probes will ask anyway, so that the answers come with everything else. No command of the
    /// runbook runs for it.
    fn look_ahead(&self, step: &Step, how: fn(View<'_>) -> View<'_>) {
        let none = Map::new();
        if step.each.is_none()
            && let Some(call) = &step.check
            && let Ok(reads) = self.declared_reads(step, &none)
        {
            let _ = self.decide(call, &self.scope(&none), how(self.step_view(step, reads)));
        }
    }

    /// Whether a step that this one needs, or asks for in its `when`, has a command of the runbook still to run. A check
    /// that looked meanwhile would see that command at work, and not what it leaves.
    fn waits_for_command(&self, step: &Step) -> bool {
        let asked = step.when.iter().filter_map(|t| expr::expression_names(&t.text).ok()).flatten();
        let asked = asked.filter_map(|name| name.strip_prefix("steps.")?.split('.').next().map(str::to_owned));
        step.needs.iter().cloned().chain(asked).any(|id| self.commands_to_run.contains(&id))
    }

    /// Whether nothing so far explains what was seen: no step found what is left to a person, and no change (made or left)
    /// would heal a symptom; where there is no symptom, no step found anything. What could not be looked at may be the cause.
    fn unexplained(&self) -> Result<bool, Halt> {
        let all = || self.plan.steps.iter().filter_map(|s| Some((s, self.input.book.steps.get(s.step)?)));
        // One that waits for a change may be one.
        let well = |s: &StepPlan| matches!(s.status, StepStatus::Ok | StepStatus::Skipped);
        let symptoms = all().any(|(s, step)| step.looks_only() && !well(s));
        let healed = |step: &Step| {
            let reads = self.reads_of(step);
            let planned = self.overlay.beyond_files(&reads).or_else(|| self.overlay.in_files(&reads));
            planned.is_some() || reads.iter().any(|r| self.left.iter().any(|w| r.meets(w)))
        };
        let repaired = |s: &StepPlan| s.needs_root || matches!(s.status, StepStatus::Change | StepStatus::Declined);
        let explains = |(s, step): (&StepPlan, &Step)| {
            if step.looks_only() { healed(step) } else { !symptoms || !repaired(s) }
        };
        if all().filter(|(s, _)| s.finding.is_some()).any(explains) {
            return Ok(false);
        }
        for s in &self.plan.steps {
            match (s.status, s.waits_for) {
                (StepStatus::Pending, _) => return Err(Halt::Pending),
                (StepStatus::Unknown, Some(at)) => return Err(Halt::Waits(at)),
                (StepStatus::Unknown | StepStatus::Failed, None) if s.finding.is_none() => {
                    return Err(Halt::unknown(format!("the cause may be what could not be looked at: {}", s.name)));
                }
                _ => {}
            }
        }
        Ok(true)
    }

    /// `reads` is what the step declares ([`Self::declared_reads`]).
    fn step_view(&self, step: &Step, reads: Option<Vec<Resource>>) -> View<'_> {
        self.view()
            .from_controller(step.vantage == Where::Controller)
            .as_is(step.looks_only())
            .within(step.timeout)
            .reading(reads)
            .retrying(step.retries)
    }

    /// The resources that a step says its check reads (`reads:`), with its templates rendered; `None`: it says nothing.
    ///
    /// # Errors
    /// A template has no value yet, or renders to no resource.
    pub(super) fn declared_reads(
        &self,
        step: &Step,
        extra: &Map<String, Value>,
    ) -> Result<Option<Vec<Resource>>, Halt> {
        let Some(texts) = &step.reads else { return Ok(None) };
        let scope = self.scope(extra);
        let read = |t: &Text| {
            self.names_known(expr::template_names(&t.text).map_err(|e| error_at(t, &e))?)?;
            let value = expr::render(&t.text, &scope).map_err(|e| error_at(t, &e))?;
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Resource::parse(&text).map_err(|e| error_at(t, &expr::ExprError::new(e)))
        };
        texts.iter().map(read).collect::<Result<Vec<_>, Halt>>().map(Some)
    }

    /// Check, condition, remediation, for one item.
    fn once(&mut self, at: (usize, Option<&str>), step: &Step, extra: &Map<String, Value>) -> Outcome {
        let Some(call) = &step.check else {
            let manual = self.manual(step, extra);
            return Outcome { manual, ..Outcome::new(StepStatus::Manual, "for a person to do") };
        };
        let scope = self.scope(extra);
        let reads = match self.declared_reads(step, extra) {
            Ok(reads) => reads,
            Err(halt) => return Outcome::halted(halt),
        };
        let view = self.step_view(step, reads.clone());
        let view = if step.ensure { view.for_changes() } else { view };
        let decision = match self.decide(call, &scope, view) {
            Ok(d) => d,
            Err((halt, _)) => {
                let (halt, asks) = self.decided_by(call, halt);
                let finding = if let Halt::Person { why, .. } = &halt { Some(why.clone()) } else { None };
                return Outcome { asks, finding, ..Outcome::halted(halt) };
            }
        };
        let mut extra = extra.clone();
        extra.insert("check".into(), decision.value());
        let manual = self.manual(step, &extra);
        let fault = match &step.condition {
            None => Ok(!decision.ok),
            Some(text) => self.condition(text, &extra),
        };
        let fault = match fault {
            Ok(f) => f,
            Err(halt) => return Outcome::halted(halt),
        };
        let mut result = decision.value();
        result["status"] = if fault { "fault" } else { "ok" }.into();
        if !fault {
            let note = step.note.as_ref().and_then(|t| self.said(t, &extra));
            return Outcome { note, result, ..Outcome::new(StepStatus::Ok, decision.evidence) };
        }
        // With a condition of the runbook's own, the evidence alone may well read as if all were well.
        let finding = match (&step.finding, &step.condition) {
            (Some(t), _) => self.text(t, &extra),
            (None, None) => decision.evidence.clone(),
            (None, Some(_)) => format!("this does not hold: {}", self.text(&step.name, &extra)),
        };
        let base =
            Outcome { finding: Some(finding), result, ..Outcome::new(StepStatus::Failed, decision.evidence.clone()) };
        let mut idle = Vec::new();
        let changes = if step.ensure { Ok(decision.changes) } else { self.remedies(step, reads, &extra, &mut idle) };
        let changes = match changes {
            Ok(c) => c,
            Err((Halt::Pending, _)) => return Outcome::halted(Halt::Pending),
            Err((halt, asks)) => {
                let person = matches!(halt, Halt::Person { .. });
                let h = Outcome::halted(halt);
                let evidence =
                    if person { base.evidence } else { format!("{}; its repair: {}", base.evidence, h.evidence) };
                return Outcome {
                    status: h.status,
                    hint: h.hint,
                    manual: match (h.manual, manual) {
                        (Some(a), Some(b)) => Some(format!("{a}; {b}")),
                        (a, b) => a.or(b),
                    },
                    waits_for: h.waits_for,
                    asks,
                    evidence,
                    ..base
                };
            }
        };
        if !changes.is_empty() && self.input.declined.contains(&Wish::Step(at.0, at.1.map(str::to_owned))) {
            return Outcome { status: StepStatus::Declined, changes, ..base };
        }
        if changes.iter().any(|c| self.input.done.contains(&c.digest())) {
            return Outcome {
                evidence: format!("{}; the repair was made, and the fault is still there", base.evidence),
                ..base
            };
        }
        let user = self.facts.filter(|f| !f.root).map(|f| (&f.user, f.live));
        if let Some((user, live)) = user
            && let Some(change) = changes.iter().find(|c| c.needs_root(live))
        {
            let evidence = format!("to {} takes root, and we are {user} there", change.title());
            return Outcome { status: StepStatus::Unknown, needs_root: true, evidence, changes, ..base };
        }
        match (changes.is_empty(), manual) {
            (false, manual) => Outcome { status: StepStatus::Change, changes, manual, ..base },
            (true, Some(m)) => {
                let asks = self.asks(step, &extra);
                Outcome { status: StepStatus::Manual, manual: Some(m), asks, ..base }
            }
            (true, None) if step.remediation.is_empty() && !step.ensure => {
                Outcome { hint: Some("no step of this runbook repairs it".into()), ..base }
            }
            (true, None) if !idle.is_empty() => {
                let hint = format!("its repair has nothing to do ({}), and the fault is there", idle.join("; "));
                Outcome { hint: Some(hint), ..base }
            }
            (true, None) => Outcome { hint: Some("the fault is there, and no repair applies".into()), ..base },
        }
    }

    /// The changes of a step's remediations; each sees what the ones before it would change. Those that have nothing to
    /// do say why in `idle`.
    fn remedies(
        &mut self,
        step: &Step,
        reads: Option<Vec<Resource>>,
        extra: &Map<String, Value>,
        idle: &mut Vec<String>,
    ) -> Result<Vec<super::Change>, (Halt, Option<Box<Question>>)> {
        let scope = self.scope(extra);
        let before = self.overlay.clone();
        let mut all = Vec::new();
        let mut halted = None;
        for call in &step.remediation {
            match self.decide(call, &scope, self.step_view(step, reads.clone()).for_changes()) {
                Ok(d) => {
                    for c in &d.changes {
                        self.overlay.add(c, usize::MAX);
                    }
                    if d.ok {
                        idle.push(d.evidence);
                    }
                    all.extend(d.changes);
                }
                Err((halt, _)) => {
                    halted.get_or_insert(self.decided_by(call, halt));
                }
            }
        }
        self.overlay = before;
        halted.map_or(Ok(all), Err)
    }

    /// Where a variable of the runbook would decide what is left to a person, it is named with its values; where it has
    /// none yet, it can be asked for.
    fn decided_by(&self, call: &Call, halt: Halt) -> (Halt, Option<Box<Question>>) {
        let Halt::Person { why, todo, param: Some(param) } = halt else { return (halt, None) };
        let name = call.params.get(param).and_then(Value::as_str).and_then(expr::lone_name);
        let var = name.and_then(|n| self.input.book.vars.0.iter().find(|v| v.name == n));
        let var = var.filter(|v| !v.choices().is_empty());
        let value = var.and_then(|v| self.input.vars.get(&v.name));
        let others = |v: &Var| -> Vec<String> {
            let other = v.choices().iter().filter(|c| value.is_none_or(|x| x != c.as_str()));
            other.map(|c| format!("-e {}={c}", v.name)).collect()
        };
        let todo = match var.map(others) {
            Some(choices) if !choices.is_empty() => format!("{todo}; or decide with {}", choices.join(" or ")),
            _ => todo,
        };
        let asks = var.filter(|_| value.is_none()).map(|v| {
            let choices = v.choices().to_vec();
            Box::new(Question { var: v.name.clone(), choices, help: v.help.clone() })
        });
        (Halt::Person { why, todo, param: None }, asks)
    }

    fn record(&mut self, index: usize, item: Option<(usize, &str)>, name: String, step: &Step, o: Outcome) {
        if let Some(id) = &step.id {
            let runs =
                step.check.as_ref().is_some_and(|c| c.name == "command" || matches!(c.module, Handle::Custom(_)));
            if o.status == StepStatus::Pending && (runs || self.waits_for_command(step)) {
                self.commands_to_run.insert(id.clone());
            }
            let worst =
                self.statuses.get(id).filter(|s| item.is_some() && !matches!(s.0, StepStatus::Ok | StepStatus::Change));
            if worst.is_none() {
                self.statuses.insert(id.clone(), (o.status, index, o.waits_for));
            }
            match (item, self.values.get_mut(id)) {
                (Some(_), Some(Value::Array(a))) => a.push(o.result.clone()),
                _ => {
                    self.values.insert(id.clone(), o.result.clone());
                }
            }
        }
        let made = o.status == StepStatus::Change;
        let notified = if o.changes.is_empty() { &[][..] } else { &step.notify };
        for change in o.changes {
            if !made {
                self.left.extend(change.writes());
                if o.needs_root {
                    let item = item.map(|(_, shown)| shown.to_owned());
                    let (name, notify) = (name.clone(), step.notify.clone());
                    self.plan.for_root.push(Planned { step: index, item, name, handler: None, notify, change });
                }
                continue;
            }
            self.overlay.add(&change, index);
            let (name, notify) = (name.clone(), step.notify.clone());
            let item = item.map(|(_, shown)| shown.to_owned());
            self.plan.changes.push(Planned { step: index, item, name, handler: None, notify, change });
        }
        let position = self.plan.changes.len();
        for id in notified {
            if made {
                self.notified.insert(id.clone(), (position, index));
            }
            let Some(h) = self.input.book.handlers.iter().find(|h| h.id == *id) else { continue };
            // Whatever the handler will restart is not what it was, for every later look of this plan.
            let changes = self.handler_decision(h).map(|d| d.changes).unwrap_or_default();
            let writes: Vec<Resource> = changes.iter().flat_map(super::Change::writes).collect();
            if made {
                for r in writes {
                    // A handler comes after all edits of the round: whatever it may touch, the files that later steps
                    // edit are still as they are.
                    let touched = if r == Resource::All { vec![Resource::Socket, Resource::Rules] } else { vec![r] };
                    touched.into_iter().for_each(|r| self.overlay.touch(r, index));
                }
            } else {
                self.left.extend(writes);
            }
        }
        let waits = o
            .waits_for
            .and_then(|w| self.plan.steps.iter().find(|s| s.step == w))
            .map(|s| format!("it waits for: {}", s.name));
        self.plan.steps.push(StepPlan {
            step: index,
            item: item.map(|(n, _)| n),
            name,
            status: o.status,
            evidence: waits.unwrap_or(o.evidence),
            hint: o.hint,
            finding: o.finding,
            note: o.note,
            manual: o.manual,
            asks: o.asks,
            waits_for: o.waits_for,
            needs_root: o.needs_root,
            not_checked: o.not_checked,
            symptom: false,
            result: o.result,
        });
    }

    fn manual(&self, step: &Step, extra: &Map<String, Value>) -> Option<String> {
        let m = step.manual.as_ref()?;
        let text = self.said(&m.text, extra)?;
        Some(m.link.as_ref().map_or(text.clone(), |l| format!("{text} ({l})")))
    }

    /// The variable that decides what is left to a person, where it has no value yet.
    fn asks(&self, step: &Step, extra: &Map<String, Value>) -> Option<Box<Question>> {
        let (var, choices) = step.manual.as_ref()?.asks.as_ref()?;
        let var = self.input.book.vars.get(&var.text).filter(|v| !self.input.vars.contains_key(&v.name))?;
        let Ok(Value::Array(all)) = self.expression(choices, extra) else { return None };
        let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
        Some(Box::new(Question {
            var: var.name.clone(),
            choices: all.iter().map(text).collect(),
            help: var.help.clone(),
        }))
    }

    /// As [`Self::text`]; a template may well have nothing to say here.
    fn said(&self, t: &Text, extra: &Map<String, Value>) -> Option<String> {
        Some(self.text(t, extra)).filter(|text| !text.trim().is_empty())
    }

    /// A template that people read; what of it cannot be resolved is an ellipsis.
    fn text(&self, t: &Text, extra: &Map<String, Value>) -> String {
        if !expr::is_template(&t.text) {
            return t.text.clone();
        }
        match expr::render(&t.text, &self.scope(extra)) {
            Ok(Value::String(s)) => s,
            Ok(other) => other.to_string(),
            Err(_) => blanked(&t.text),
        }
    }

    fn condition(&self, t: &Text, extra: &Map<String, Value>) -> Result<bool, Halt> {
        self.known(t)?;
        expr::holds(&t.text, &self.scope(extra)).map_err(|e| self.no_value(t, &e))
    }

    fn expression(&self, t: &Text, extra: &Map<String, Value>) -> Result<Value, Halt> {
        self.known(t)?;
        expr::eval(&t.text, &self.scope(extra)).map_err(|e| self.no_value(t, &e))
    }

    /// Why an expression has no value: a step that it speaks of was not looked at, or the expression itself is wrong.
    fn no_value(&self, t: &Text, e: &expr::ExprError) -> Halt {
        let names = expr::expression_names(&t.text).unwrap_or_default();
        self.without_fields(names).unwrap_or_else(|| error_at(t, e))
    }

    /// A step among these names that was not looked at, so that it has no fields: what depends on them does not apply
    /// where the step does not apply, was not checked where the step was not, and else is unknown.
    pub(super) fn without_fields(&self, names: std::collections::BTreeSet<String>) -> Option<Halt> {
        let ids = names.iter().filter_map(|n| n.strip_prefix("steps.")?.split('.').next());
        let (id, (status, at, _)) =
            ids.filter_map(|id| self.statuses.get_key_value(id)).find(|(id, (status, ..))| {
                !matches!(status, StepStatus::Ok | StepStatus::Change) && !self.has_fields(id)
            })?;
        let step = self.plan.steps.iter().find(|s| s.step == *at);
        let name = step.map_or(id.as_str(), |s| s.name.as_str());
        let evidence = step.map_or("", |s| s.evidence.as_str());
        Some(match status {
            StepStatus::Skipped if evidence == NOT_SELECTED => Halt::Unknown {
                why: format!("it needs \"{name}\", which is not selected"),
                hint: Some("select that step too: --tags".into()),
            },
            StepStatus::Skipped => Halt::Skipped(evidence.to_owned()),
            _ => Halt::unknown(format!("it needs \"{name}\", which could not be checked: {evidence}")),
        })
    }

    /// Whether what a parameter speaks of was read by now. What cannot be known is left to the template: it may have a
    /// default.
    pub(super) fn params_known(&self, v: &Value) -> Result<(), Halt> {
        match v {
            Value::String(s) => match expr::template_names(s).map(|n| self.names_known(n)) {
                Ok(Err(halt @ (Halt::Pending | Halt::Waits(_)))) => Err(halt),
                _ => Ok(()),
            },
            Value::Array(a) => a.iter().try_for_each(|x| self.params_known(x)),
            Value::Object(m) => m.values().try_for_each(|x| self.params_known(x)),
            _ => Ok(()),
        }
    }

    fn has_fields(&self, id: &str) -> bool {
        match self.values.get(id) {
            Some(Value::Array(all)) => all.iter().any(|one| one.get("evidence").is_some()),
            one => one.is_some_and(|one| one.get("evidence").is_some()),
        }
    }

    /// Whether all that an expression speaks of is known by now.
    fn known(&self, t: &Text) -> Result<(), Halt> {
        self.names_known(expr::expression_names(&t.text).map_err(|e| error_at(t, &e))?)
    }

    fn names_known(&self, names: std::collections::BTreeSet<String>) -> Result<(), Halt> {
        for name in names {
            let mut parts = name.split('.');
            match (parts.next(), parts.next()) {
                (Some("facts"), _) if self.facts.is_none() => return Err(Halt::Pending),
                (Some("steps"), Some(id)) => match self.statuses.get(id) {
                    Some((StepStatus::Pending, ..)) => return Err(Halt::Pending),
                    Some((StepStatus::Unknown, at, Some(_))) => return Err(Halt::Waits(*at)),
                    Some((StepStatus::Unknown, ..)) => {
                        return Err(Halt::unknown(format!("it depends on the step \"{id}\", which is unknown")));
                    }
                    // One that found a fault has its fields; one that could not be done has none.
                    Some((StepStatus::Failed, ..)) if !self.has_fields(id) => {
                        return Err(Halt::unknown(format!("it depends on the step \"{id}\", which failed")));
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        Ok(())
    }
}

/// What the templates of a parameter speak of.
pub(super) fn names_of(v: &Value) -> Vec<String> {
    match v {
        Value::String(s) => expr::template_names(s).map(|n| n.into_iter().collect()).unwrap_or_default(),
        Value::Array(a) => a.iter().flat_map(names_of).collect(),
        Value::Object(m) => m.values().flat_map(names_of).collect(),
        _ => Vec::new(),
    }
}

/// The text with every `{{ … }}` as an ellipsis.
fn blanked(text: &str) -> String {
    let mut parts = text.split("{{");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for p in parts {
        out.push('…');
        out.push_str(p.split_once("}}").map_or("", |x| x.1));
    }
    out
}

fn error_at(t: &Text, e: &expr::ExprError) -> Halt {
    let at = crate::book::Diagnostic::at(t.place.clone(), "expression", "").position();
    let place = at.map_or_else(String::new, |(file, line, column)| format!("{file}:{line}:{column}: "));
    Halt::Error { param: None, why: format!("{place}{} in \"{}\"", e.message, t.text), hint: e.hint.clone() }
}
