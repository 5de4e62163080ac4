//! `-o json` and `-o jsonl`. The same objects in both: JSON is the sum of the lines.

use std::io::Write;

use serde_json::{Value, json};

use super::{Earlier, Event, GuardNews, Redactor, Sink};
use crate::apply::risk::GuardPreview;
use crate::plan::{Plan, Planned, Verdict};

/// One document at the end.
pub struct Json<W: Write> {
    out: W,
    redactor: Redactor,
    document: serde_json::Map<String, Value>,
}

/// One event a line.
pub struct JsonLines<W: Write> {
    out: W,
    redactor: Redactor,
}

impl<W: Write> Json<W> {
    /// Writes there, once.
    pub fn new(out: W, redactor: Redactor) -> Self {
        let document = serde_json::Map::from_iter([
            ("schema".to_owned(), json!(1)),
            ("tried".to_owned(), json!([])),
            ("rounds".to_owned(), json!([])),
            ("decided".to_owned(), json!([])),
            ("verified".to_owned(), json!([])),
            ("proofs".to_owned(), json!([])),
            ("guard".to_owned(), json!([])),
            ("error".to_owned(), Value::Null),
        ]);
        Self { out, redactor, document }
    }
    fn push(&mut self, key: &str, v: Value) {
        if let Some(Value::Array(a)) = self.document.get_mut(key) {
            a.push(v);
        }
    }
}

impl<W: Write> JsonLines<W> {
    /// Writes there, as it happens.
    pub fn new(out: W, redactor: Redactor) -> Self {
        Self { out, redactor }
    }
}

impl<W: Write> Sink for JsonLines<W> {
    fn event(&mut self, e: &Event<'_>) {
        if let Some((name, mut v)) = object(e) {
            if let Value::Object(m) = &mut v {
                m.shift_insert(0, "event".into(), name.into());
            }
            self.redactor.clean_value(&mut v);
            super::terminal::put(&mut self.out, &format!("{v}\n"), false);
        }
    }
}

impl<W: Write> Sink for Json<W> {
    fn event(&mut self, e: &Event<'_>) {
        let Some((name, v)) = object(e) else { return };
        match name {
            "started" | "finished" => {
                if let Value::Object(m) = v {
                    self.document.extend(m);
                }
            }
            "tried" => self.push("tried", v),
            "plan" => self.push("rounds", v),
            "decided" => self.push("decided", v),
            "verified" => self.push("verified", v),
            "proof" => self.push("proofs", v),
            "guard" => self.push("guard", v),
            "error" => {
                self.document.insert("error".into(), v);
            }
            "done" | "not-done" => {
                if let Some(Value::Array(rounds)) = self.document.get_mut("rounds")
                    && let Some(Value::Object(last)) = rounds.last_mut()
                    && let Value::Array(a) = last.entry("results").or_insert_with(|| json!([]))
                {
                    a.push(v);
                }
            }
            _ => {}
        }
        if name == "finished" {
            let mut document = Value::Object(std::mem::take(&mut self.document));
            self.redactor.clean_value(&mut document);
            super::terminal::put(&mut self.out, &format!("{document:#}\n"), false);
        }
    }
}

/// An event as its name and an object; `None` for what only a person wants to see.
pub fn object(e: &Event<'_>) -> Option<(&'static str, Value)> {
    Some(match e {
        Event::Tried { channel, why, hint, lost } => {
            ("tried", json!({"channel": channel, "why": why, "hint": hint, "lost": lost}))
        }
        Event::Started { book, place } => (
            "started",
            json!({
                "runbook": book.name, "title": book.title, "digest": book.digest,
                "target": place.name, "channel": place.channel, "address": place.address,
            }),
        ),
        Event::Asking { .. } => return None,
        Event::Planned { round, plan, book, guard } => ("plan", plan_json(*round, plan, book, *guard)),
        Event::Decided { decided } => ("decided", json!(decided)),
        Event::Left { planned } => ("declined", json!({"title": planned.change.title(), "step": planned.name})),
        Event::Doing { number, planned, .. } => ("doing", json!({"number": number, "title": planned.change.title()})),
        Event::Done { planned, seconds } => {
            ("done", json!({"title": planned.change.title(), "ok": true, "seconds": seconds}))
        }
        Event::NotDone { planned, why, hint, said } => {
            ("not-done", json!({"title": planned.change.title(), "ok": false, "why": why, "hint": hint, "said": said}))
        }
        Event::Verified { step } => {
            ("verified", json!({"name": step.name, "status": step.status, "evidence": step.evidence}))
        }
        Event::Proved { proof, evidence } => ("proof", json!({"proof": proof, "evidence": evidence})),
        Event::Guard { news } => ("guard", guard_json(news)),
        Event::Broken { why, hint, changed } => ("error", json!({"why": why, "hint": hint, "changed": changed})),
        Event::Finished { exit, rounds, run, wire, seconds, unresolved } => (
            "finished",
            json!({
                "exit": exit, "unresolved": unresolved, "rounds_applied": rounds, "run": run, "wire": wire, "seconds": seconds,
            }),
        ),
    })
}

fn guard_json(news: &GuardNews<'_>) -> Value {
    match news {
        GuardNews::Armed { within, boot } => json!({"state": "armed", "seconds": within.as_secs(), "boot": boot}),
        GuardNews::Waiting { why, within } => json!({"state": "waiting", "why": why, "seconds": within.as_secs()}),
        GuardNews::Unknown { why, waited } => json!({"state": "unknown", "why": why, "seconds": waited.as_secs()}),
        GuardNews::Kept { measured } => json!({"state": "kept", "measured": measured}),
        GuardNews::Back { all, why, rest } => json!({"state": "back", "whole": all, "why": why, "rest": rest}),
        GuardNews::Earlier { run, became, rest } => {
            let (kept, whole) = (*became == Earlier::Kept, *became != Earlier::NotAllBack);
            json!({"state": "earlier", "run": run, "kept": kept, "whole": whole, "rest": rest})
        }
    }
}

fn plan_json(round: usize, plan: &Plan, book: &crate::book::Runbook, guard: Option<&GuardPreview>) -> Value {
    let step = |s: &crate::plan::StepPlan| {
        json!({
            "id": book.steps.get(s.step).and_then(|b| b.id.clone()), "item": s.item, "name": s.name, "status": s.status, "evidence": s.evidence,
            "finding": s.finding, "note": s.note, "symptom": s.symptom, "hint": s.hint, "manual": s.manual, "asks": s.asks, "result": s.result,
            "waits_for": s.waits_for.and_then(|w| plan.steps.iter().find(|x| x.step == w)).map(|x| x.name.clone()),
        })
    };
    let change = |p: &Planned| {
        let mut v = p.change.json();
        if let Value::Object(m) = &mut v {
            m.insert("step".into(), (!p.name.is_empty()).then(|| p.name.clone()).into());
            m.insert("handler".into(), p.handler.clone().into());
            m.insert("notify".into(), p.notify.clone().into());
        }
        v
    };
    let validation = |v: &crate::plan::Validation| {
        let outcome = match v.outcome {
            Verdict::Passed => "passed",
            Verdict::Failed => "failed",
            Verdict::AtWrite(_) => "at-write",
            Verdict::Impossible => "impossible",
        };
        json!({"handler": v.handler, "outcome": outcome, "evidence": v.evidence})
    };
    let preview =
        guard.map(|g| json!({"seconds": g.within.as_secs(), "risks": g.risks, "irreversible": g.irreversible}));
    json!({
        "round": round,
        "guard": preview,
        "facts": plan.facts,
        "finding": cause(plan),
        "steps": plan.steps.iter().map(step).collect::<Vec<_>>(),
        "changes": plan.changes.iter().map(change).collect::<Vec<_>>(),
        "changes_for_root": plan.for_root.iter().map(change).collect::<Vec<_>>(),
        "kept_back": plan.kept_back.iter().map(|(h, why)| json!({"handler": h, "why": why})).collect::<Vec<_>>(),
        "validations": plan.validations.iter().map(validation).collect::<Vec<_>>(),
    })
}

/// The first thing that is wrong; a symptom only where no cause was found.
fn cause(plan: &Plan) -> Option<String> {
    let found = |symptom: bool| plan.steps.iter().filter(move |s| s.symptom == symptom).find_map(|s| s.finding.clone());
    found(false).or_else(|| found(true))
}
