//! What a run leaves: everything that failed, was not tried, or is for a person, each by its finding. A step's name says what
//! is right, and is no name for what is wrong.

use std::collections::{HashMap, HashSet};

use super::{Event, GuardNews, Proof};
use crate::plan::{Plan, Planned, StepPlan, StepStatus};

/// Why something is unresolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnresolvedStatus {
    /// The fault is there: nothing repairs it, or its repair failed.
    Failed,
    /// Its repair was planned and not tried.
    NotTried,
    /// Its repair was rolled back.
    RolledBack,
    /// Only a person can repair it.
    Manual,
    /// It could not be checked.
    Unknown,
    /// The user said no to its repair.
    Declined,
    /// A handler that was notified and not run.
    Deferred,
}

/// One thing that a run leaves.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct UnresolvedItem {
    /// Why it is left.
    pub status: UnresolvedStatus,
    /// What is wrong, in a sentence without a final dot.
    pub finding: String,
    /// The step's name, or the handler's id; `None` for a check of `verify`.
    pub step: Option<String>,
}

/// Follows a run's events.
#[derive(Default)]
pub struct UnresolvedTracker {
    plan: Option<Plan>,
    /// Digests of changes that were made since that plan.
    done: HashSet<String>,
    /// Digests of changes that failed, and why.
    failed: HashMap<String, String>,
    /// Evidence of checks of `verify` that failed.
    unverified: Vec<String>,
    rolled_back: bool,
}

impl UnresolvedTracker {
    /// Takes an event.
    pub fn event(&mut self, e: &Event<'_>) {
        match e {
            Event::Planned { plan, .. } => {
                self.plan = Some((*plan).clone());
                self.done.clear();
                self.unverified.clear();
                self.rolled_back = false;
            }
            Event::Done { planned, .. } => {
                let digest = planned.change.digest();
                self.failed.remove(&digest);
                self.done.insert(digest);
            }
            Event::NotDone { planned, why, said, .. } => {
                // The first line that it said says most, where it is not the reason already.
                let first = said.lines().find(|l| !l.trim().is_empty()).map(str::trim).unwrap_or_default();
                let why =
                    if first.is_empty() || why.contains(first) { (*why).to_owned() } else { format!("{why}: {first}") };
                self.failed.insert(planned.change.digest(), why);
            }
            Event::Proved { proof: Proof::Failed, evidence } => self.unverified.push((*evidence).to_owned()),
            Event::Guard { news: GuardNews::Back { .. } } => self.rolled_back = true,
            _ => {}
        }
    }

    /// What is left, in the order of the runbook; `dry`: planned changes were not to be made.
    #[must_use]
    pub fn items(&self, dry: bool) -> Vec<UnresolvedItem> {
        let Some(plan) = &self.plan else { return Vec::new() };
        let mut out: Vec<UnresolvedItem> = plan.steps.iter().filter_map(|s| self.of_step(plan, s, dry)).collect();
        if !dry {
            out.extend(plan.changes.iter().filter_map(|p| self.of_handler(plan, p)));
        }
        for (handler, why) in &plan.kept_back {
            let finding = format!("{handler} is not done: {why}");
            out.push(UnresolvedItem { status: UnresolvedStatus::Deferred, finding, step: Some(handler.clone()) });
        }
        for evidence in &self.unverified {
            // A step has mostly seen the same.
            if !out.iter().any(|i| i.finding.contains(evidence.as_str())) {
                let finding = sentence(evidence);
                out.push(UnresolvedItem { status: UnresolvedStatus::Failed, finding, step: None });
            }
        }
        out
    }

    fn of_step(&self, plan: &Plan, s: &StepPlan, dry: bool) -> Option<UnresolvedItem> {
        use UnresolvedStatus as U;
        let found = || s.finding.clone().unwrap_or_else(|| s.evidence.clone());
        let (status, finding) = match s.status {
            StepStatus::Failed if s.finding.is_none() => {
                (U::Failed, format!("\"{}\" could not be checked: {}", s.name, s.evidence))
            }
            StepStatus::Failed => (U::Failed, found()),
            // A step without a check is what is to do, and no fault.
            StepStatus::Manual if s.finding.is_none() => {
                (U::Manual, s.manual.clone().unwrap_or_else(|| s.name.clone()))
            }
            StepStatus::Manual => (U::Manual, found()),
            StepStatus::Declined => (U::Declined, found()),
            StepStatus::Unknown if s.waits_for.is_some() => return None,
            StepStatus::Unknown => match &s.finding {
                Some(f) if s.evidence.is_empty() || f.contains(&s.evidence) => (U::Unknown, f.clone()),
                Some(f) => (U::Unknown, format!("{f} ({})", s.evidence)),
                None => (U::Unknown, s.evidence.clone()),
            },
            StepStatus::Change if !dry => {
                let own = plan.changes.iter().filter(|p| p.handler.is_none() && p.step == s.step && p.name == s.name);
                let own: Vec<(String, &Planned)> = own.map(|p| (p.change.digest(), p)).collect();
                let failed = own.iter().find_map(|(digest, p)| Some((p, self.failed.get(digest)?)));
                match failed {
                    Some((p, why)) => {
                        (U::Failed, format!("{}; to {} failed: {why}", sentence(&found()), p.change.title()))
                    }
                    None if own.iter().any(|(digest, _)| !self.done.contains(digest)) => (U::NotTried, found()),
                    None if self.rolled_back => (U::RolledBack, found()),
                    None => return None,
                }
            }
            // What a blocked step needs is on the list itself.
            _ => return None,
        };
        Some(UnresolvedItem { status, finding: sentence(&finding), step: Some(s.name.clone()) })
    }

    /// A handler's change is left where something that notified it was done.
    fn of_handler(&self, plan: &Plan, p: &Planned) -> Option<UnresolvedItem> {
        let handler = p.handler.as_ref()?;
        let digest = p.change.digest();
        let notified = p.step == usize::MAX
            || plan.changes.iter().any(|c| c.notify.contains(handler) && self.done.contains(&c.change.digest()));
        if self.done.contains(&digest) || !notified || self.rolled_back {
            return None;
        }
        let title = p.change.title();
        let (status, finding) = match self.failed.get(&digest) {
            Some(why) => (UnresolvedStatus::Failed, format!("to {title} failed: {why}")),
            None => (UnresolvedStatus::NotTried, format!("what was changed is not in effect before: {title}")),
        };
        Some(UnresolvedItem { status, finding: sentence(&finding), step: Some(handler.clone()) })
    }
}

/// All of it in one sentence. Steps that could not be checked for the same reason are counted.
#[must_use]
pub fn summary(items: &[UnresolvedItem]) -> String {
    let mut out: Vec<String> = Vec::new();
    let unknown = |i: &&UnresolvedItem| i.status == UnresolvedStatus::Unknown;
    let mut told: HashSet<&str> = HashSet::new();
    for item in items {
        let text = match item.status {
            UnresolvedStatus::Declined => continue,
            UnresolvedStatus::NotTried => format!("{} (not tried)", item.finding),
            UnresolvedStatus::RolledBack => format!("{} (its repair was rolled back)", item.finding),
            UnresolvedStatus::Unknown => {
                if !told.insert(&item.finding) {
                    continue;
                }
                let same: Vec<&UnresolvedItem> =
                    items.iter().filter(unknown).filter(|i| i.finding == item.finding).collect();
                match (same.as_slice(), &item.step) {
                    ([_], Some(step)) => format!("\"{step}\" could not be checked: {}", item.finding),
                    (all, _) => format!("{} steps could not be checked: {}", all.len(), item.finding),
                }
            }
            _ => item.finding.clone(),
        };
        if !out.contains(&text) {
            out.push(text);
        }
    }
    out.join("; ")
}

/// On one line, without a final dot.
fn sentence(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.trim_end_matches(['.', ';']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(status: UnresolvedStatus, finding: &str, step: &str) -> UnresolvedItem {
        UnresolvedItem { status, finding: finding.into(), step: Some(step.into()) }
    }

    #[test]
    fn everything_is_named_and_what_is_the_same_once() {
        use UnresolvedStatus as U;
        let items = [
            item(U::Failed, "connecting to web1:22 is refused", "a client gets an answer"),
            item(U::Unknown, "ss is not there", "one"),
            item(U::Unknown, "ss is not there", "two"),
            item(U::Unknown, "no answer within 30 s", "three"),
            item(U::NotTried, "/etc/two does not have the line \"x\"", "two holds"),
            item(U::Declined, "sshd is bound to this host alone", "address"),
        ];
        let said = "connecting to web1:22 is refused; 2 steps could not be checked: ss is not there; \
                    \"three\" could not be checked: no answer within 30 s; \
                    /etc/two does not have the line \"x\" (not tried)";
        assert_eq!(summary(&items), said);
        assert_eq!(summary(&[]), "");
    }
}
