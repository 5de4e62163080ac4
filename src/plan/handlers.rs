//! Handlers: what is restarted after the edits of a round, and whether the candidates would survive that.

use std::cell::RefCell;

use serde_json::Map;

use super::{Maker, Overlay, Planned, Validation, Verdict, View, Wish};
use crate::book::{Call, Handler};
use crate::facts;
use crate::module::{Decision, Halt};
use crate::plan::Change;
use crate::target::{Cache, MissingReads, Read};

impl Maker<'_> {
    /// Handlers run after the edits of the round, in the book's order. One whose service is started after the last
    /// edit that notified it has nothing left to do. One that cannot be done, or must not be, is kept back and said.
    pub(super) fn handlers(&mut self) {
        let book = self.input.book;
        let owed: Vec<facts::Owed> = self.facts.map(|f| f.owed.clone()).unwrap_or_default();
        let owed: Vec<_> = owed.into_iter().filter(|o| o.runbook == book.name).collect();
        for h in &book.handlers {
            let left = owed.iter().find(|o| o.handler == h.id);
            let (position, step) = match (self.notified.get(&h.id), left) {
                (Some(at), _) => *at,
                (None, Some(_)) => (0, usize::MAX),
                (None, None) => continue,
            };
            let validation = self.validate(h);
            let refused = validation.as_ref().filter(|v| v.outcome == Verdict::Failed).map(|v| v.evidence.clone());
            if self.overlay.files().is_empty() {
                if let Some(why) = refused {
                    self.plan.kept_back.push((h.id.clone(), why));
                    continue;
                }
            } else {
                self.plan.validations.extend(validation);
            }
            let decision = match self.handler_decision(h) {
                Ok(d) if d.ok || !d.changes.is_empty() || call_is_conditional(&h.call) => d,
                Ok(d) => {
                    self.plan.kept_back.push((h.id.clone(), d.evidence));
                    continue;
                }
                Err(Halt::Pending) => continue,
                Err(Halt::Skipped(_)) => {
                    // Nothing runs there: what starts with the next boot reads the new files anyway.
                    self.plan.satisfied.push(h.id.clone());
                    continue;
                }
                Err(Halt::Unknown { why, .. } | Halt::Error { why, .. } | Halt::Person { why, .. }) => {
                    self.plan.kept_back.push((h.id.clone(), why));
                    continue;
                }
                Err(Halt::Waits(_)) => {
                    self.plan.kept_back.push((h.id.clone(), "it cannot be judged before this round is over".into()));
                    continue;
                }
            };
            let unwanted = self.input.declined.contains(&Wish::Handler(h.id.clone()));
            if let Some(c) = decision.changes.first().filter(|_| unwanted) {
                self.plan.kept_back.push((h.id.clone(), format!("you left it: {}", c.title())));
                continue;
            }
            let later = &self.plan.changes[position.min(self.plan.changes.len())..];
            let satisfied = |c: &Change| match c {
                Change::Unit(u) => {
                    later.iter().any(|p| matches!(&p.change, Change::Unit(x) if x.unit == u.unit && x.verb.starts()))
                }
                _ => false,
            };
            let name = self.plan.steps.iter().find(|s| s.step == step).map_or(String::new(), |s| s.name.clone());
            let planned: Vec<Planned> = decision
                .changes
                .into_iter()
                .filter(|c| !satisfied(c))
                .map(|change| Planned {
                    step,
                    item: None,
                    name: name.clone(),
                    handler: Some(h.id.clone()),
                    notify: Vec::new(),
                    change,
                })
                .collect();
            match left.filter(|_| step == usize::MAX) {
                _ if planned.is_empty() => self.plan.satisfied.push(h.id.clone()),
                Some(o) => self.plan.owed.push(o.clone()),
                None => {}
            }
            for p in planned {
                self.overlay.add(&p.change, step);
                self.plan.changes.push(p);
            }
        }
    }

    pub(super) fn handler_decision(&self, h: &Handler) -> Result<Decision, Halt> {
        self.decide(&h.call, &self.scope(&Map::new()), self.view().for_changes().at_the_end()).map_err(|(halt, _)| halt)
    }

    /// A call as a person would write it, with its templates rendered as far as they can be.
    fn shown(&self, call: &Call) -> String {
        let params = crate::expr::render_deep(&call.params.clone().into(), &self.scope(&Map::new()));
        match params {
            Ok(serde_json::Value::Object(params)) => Call { params, ..call.clone() }.shown(),
            _ => call.shown(),
        }
    }

    /// All candidates together, before the first write.
    fn validate(&self, h: &Handler) -> Option<Validation> {
        let call = h.validate.as_ref()?;
        let said = |outcome, evidence: &str| {
            Some(Validation { handler: h.id.clone(), outcome, evidence: evidence.to_owned() })
        };
        let facts = self.facts?;
        if !facts.can_run {
            return said(
                Verdict::Impossible,
                "this disk's programs can't run here, so the new configuration was not tested",
            );
        }
        let scope = self.scope(&Map::new());
        let at_write = |why: &str| {
            // Asked with nothing read, the module names its script.
            let (none, apart, wanted) = (Cache::new(), Overlay::default(), RefCell::new(MissingReads::default()));
            let view = View::new(&none, &apart, self.input.place, self.facts, &wanted).of_files_only();
            let _ = self.decide(call, &scope, view);
            let script = wanted
                .into_inner()
                .into_list()
                .into_iter()
                .find_map(|r| if let Read::Script { sh, .. } = r { Some(sh) } else { None });
            match script {
                Some(sh) => {
                    said(Verdict::AtWrite(sh), &format!("{why}: tried right after the write, and restored if it fails"))
                }
                None => said(Verdict::Failed, "the candidates cannot be tried"),
            }
        };
        if !facts.overlay && !self.overlay.files().is_empty() {
            return at_write("no private namespace can be had");
        }
        match self.decide(call, &scope, self.view().of_files_only()) {
            Ok(d) if d.ok => said(Verdict::Passed, &format!("all new files together pass {}", self.shown(call))),
            Ok(d) => said(
                Verdict::Failed,
                &format!("the new files do not pass {}, so nothing is written: {}", self.shown(call), d.evidence),
            ),
            Err((Halt::Pending, _)) => None,
            Err((
                Halt::Unknown { why, .. } | Halt::Skipped(why) | Halt::Error { why, .. } | Halt::Person { why, .. },
                _,
            )) => said(Verdict::Failed, &format!("the candidates cannot be tried: {why}")),
            Err((Halt::Waits(_), _)) => at_write("a command of this round writes what it reads"),
        }
    }
}

/// A handler whose module may rightly have nothing to do: a reload of what does not run.
fn call_is_conditional(call: &Call) -> bool {
    call.params.contains_key("reloaded")
}
