//! After a round: is what was changed as it should be, seen from the host and from outside?

use std::time::{Duration, Instant};

use super::{Session, Stop};
use crate::book::Call;
use crate::module::{Decision, Halt};
use crate::plan::{self, Plan, StepStatus};
use crate::report::{Event, Proof};
use crate::target::Cache;

/// A socket that is about to be bound is bound by then.
const SOON: Duration = Duration::from_secs(2);

/// Questions of one proof, one after the other, at most.
const QUESTIONS: u32 = 8;

impl Session<'_> {
    /// After a round: looks until what was changed shows, or its time is up.
    pub(super) async fn settle(&mut self, before: &Plan, stumbled: bool) -> Result<Plan, Stop> {
        let watched: Vec<usize> = before
            .steps
            .iter()
            .filter(|s| s.status == StepStatus::Change || s.waits_for.is_some())
            .map(|s| s.step)
            .collect();
        // What would not start does not come up by waiting.
        let most = if stumbled { SOON } else { Duration::MAX };
        let within = watched
            .iter()
            .filter_map(|i| self.book.steps.get(*i))
            .map(|s| s.within)
            .max()
            .unwrap_or_default()
            .min(most);
        let begun = Instant::now();
        let deadline = begun + within;
        loop {
            let plan = self.gather().await?;
            // What waited and now wants a change may only need a moment more: a socket that is about to be bound.
            let soon = Instant::now() < begun + SOON;
            let settled = |s: &plan::StepPlan| match s.status {
                StepStatus::Ok | StepStatus::Skipped | StepStatus::Declined => true,
                // By what was left: more time does not help.
                StepStatus::Blocked if !self.declined.is_empty() => true,
                StepStatus::Change => !soon,
                // It waits for a change of the next round: more time does not help.
                StepStatus::Unknown if s.waits_for.is_some() => !soon,
                _ => !watched.contains(&s.step),
            };
            // Where there is more to do, nothing is gained by waiting for what that may heal.
            let more = !plan.changes.is_empty() && (stumbled || !soon);
            if plan.steps.iter().all(settled) || more || Instant::now() >= deadline {
                // What only waited and is well now is not worth a line.
                let healed = |s: &plan::StepPlan| {
                    s.status != StepStatus::Ok
                        || before
                            .steps
                            .iter()
                            .any(|b| b.step == s.step && (b.status == StepStatus::Change || b.symptom))
                };
                let told = plan.steps.iter().filter(|s| {
                    watched.contains(&s.step) && !matches!(s.status, StepStatus::Skipped | StepStatus::Declined)
                });
                for step in told.filter(|s| healed(s)) {
                    self.sink.event(&Event::Verified { step });
                }
                // A step that asks for a fault first does not apply any more where it was mended.
                let gone = |b: &&plan::StepPlan| {
                    b.status == StepStatus::Change
                        && plan
                            .steps
                            .iter()
                            .all(|s| (s.step, s.item) != (b.step, b.item) || s.status == StepStatus::Skipped)
                };
                for b in before.steps.iter().filter(gone) {
                    let evidence = "what was at fault is not any more".to_owned();
                    let step = plan::StepPlan { status: StepStatus::Ok, finding: None, evidence, ..b.clone() };
                    self.sink.event(&Event::Verified { step: &step });
                }
                return Ok(plan);
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// The runbook's `verify` list, from the controller, over new connections: whether none failed, and whether any passed.
    /// `stumbled`: the last round ended at a service that would not start, so there is nothing to wait for.
    pub(super) async fn prove(&mut self, plan: &Plan, stumbled: bool) -> Result<(bool, bool), Stop> {
        let (mut all, mut any) = (true, false);
        let planned = self.salt;
        for call in &self.book.verify {
            // A login needs what has failed already: it shows nothing more, and waits as long.
            if !all && !call.module.may_repeat() {
                continue;
            }
            let deadline = Instant::now() + Duration::from_secs(10);
            // What the plan saw fail a moment ago, with nothing to change for it, fails still: a client that is dropped
            // would wait for its timeout once more.
            let seen = self.seen_to_fail(plan, call, planned);
            let answer = loop {
                if let Some(d) = seen {
                    break Ok(d);
                }
                self.salt += 1;
                let mut cache = Cache::new();
                let mut asked = 0;
                // One answer may lead to the next question: whose login is tried next.
                let answer = loop {
                    let (answer, wanted) = plan::verify(&self.input(&cache), plan, call, false);
                    if wanted.is_empty() || asked == QUESTIONS {
                        break answer;
                    }
                    asked += 1;
                    cache.extend(self.ask_target(wanted).await?);
                };
                // What was just restarted may need a moment; what nothing changed needs none.
                if self.done.is_empty()
                    || !call.module.may_repeat()
                    || stumbled
                    || matches!(&answer, Ok(d) if d.ok)
                    || matches!(answer, Err(Halt::Skipped(_)))
                    || Instant::now() >= deadline
                {
                    break answer;
                }
                tokio::time::sleep(Duration::from_millis(300)).await;
            };
            let (proof, evidence) = match answer {
                Ok(d) => (if d.ok { Proof::Passed } else { Proof::Failed }, d.evidence),
                Err(Halt::Skipped(why)) => (Proof::NotPossible, why),
                Err(Halt::Unknown { why, .. } | Halt::Error { why, .. } | Halt::Person { why, .. }) => {
                    (Proof::Failed, why)
                }
                Err(Halt::Pending | Halt::Waits(_)) => (Proof::Failed, "it could not be asked".into()),
            };
            all &= proof != Proof::Failed;
            any |= proof == Proof::Passed;
            self.sink.event(&Event::Proved { proof, evidence: &evidence });
        }
        Ok((all, any))
    }

    /// The answer to an entry of `verify` where the plan, made as number `salt`, has looked at the same thing, saw it fail,
    /// and left nothing to change.
    fn seen_to_fail(&self, plan: &Plan, call: &Call, salt: u64) -> Option<Decision> {
        if !self.done.is_empty() || !plan.changes.is_empty() || !call.module.may_repeat() {
            return None;
        }
        let input = plan::Input { salt, ..self.input(&self.seen) };
        let (answer, wanted) = plan::verify(&input, plan, call, false);
        answer.ok().filter(|d| wanted.is_empty() && !d.ok)
    }
}
