//! Commit-confirm: a round that could cut the way to its host is taken back there, by itself, unless it is confirmed.
//!
//! Before its first change what answers is measured, and the [`switch`] is armed on the target. After its last one it is
//! measured again: where nothing is worse ([`verdict`]) the round is confirmed; else, and where nobody is left to confirm
//! it, the switch takes it back.

pub mod switch;
mod verdict;

use std::time::{Duration, Instant};

use serde_json::{Map, json};

use super::risk::GuardPreview;
use super::{Session, Stop, act, exit, lock};
use crate::book::Call;
use crate::channel::{ChannelError, Kind};
use crate::module::{Halt, Handle, connect::Connect, listening::Listening};
use crate::payload::sh_quote;
use crate::plan::{self, Change, Plan, Planned};
use crate::report::{Earlier, Event, GuardNews};
use crate::target::frame::{Answer, Status};
use crate::target::units::Verb;
use crate::target::{Cache, ask, files::sha256};
use verdict::{Measure, Proof, Way, find_regression};

/// The window, unless the user says otherwise.
pub const WINDOW: Duration = Duration::from_secs(60);

/// For the switch to have done its work, beyond its window.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long a host is looked at for effects that come later, at most, and for what needs a moment to come up again.
const QUIET: Duration = Duration::from_secs(10);

/// For a host that is out of reach to have rolled back and answer again, beyond its window.
const GRACE: Duration = Duration::from_secs(15);

/// A round that was begun and is not confirmed.
pub(super) struct Guard {
    /// The plan that is carried out.
    plan: Plan,
    /// What answered before it.
    before: Measure,
    /// The way that was in use then.
    way: usize,
}

/// How it stands with the switch, in its own words.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// Confirmed.
    Kept,
    /// It waits, or is at work.
    Waiting,
    /// It has taken things back: whether all of them, why, and what there is to say of them.
    Back(bool, String, Vec<String>),
    /// There is none, and no trace of its work.
    Gone,
}

fn told(answer: &Answer) -> Told {
    let out = String::from_utf8_lossy(&answer.stdout);
    let mut lines = out.lines();
    let first = lines.next().unwrap_or_default();
    match first.split_once(' ').unwrap_or((first, "")) {
        ("kept", _) => Told::Kept,
        ("armed" | "firing", _) => Told::Waiting,
        (how @ ("back" | "failed"), why) => {
            let rest = lines.map(|l| l.split_once(' ').map_or(l, |(_, l)| l).to_owned()).collect();
            Told::Back(how == "back", why.to_owned(), rest)
        }
        _ => Told::Gone,
    }
}

impl Session<'_> {
    /// What the guard will do about a plan.
    pub(super) fn guard_preview(&self, plan: &Plan) -> Option<GuardPreview> {
        let within = self.options.guard.filter(|_| self.place().live)?;
        GuardPreview::of_plan(self.book, plan, within)
    }

    /// The window, where this plan is to be guarded.
    pub(super) fn guarded(&self, plan: &Plan) -> Option<Duration> {
        self.options.guard.filter(|_| self.place().live && super::risk::risky(self.book, plan))
    }

    /// What this run is about: the runbook's text and its variables, but for secrets. Only another run of the same mark can say
    /// that what this one wanted is well.
    pub(super) fn mark(&self) -> String {
        let vars = self.options.redactor.clean(&json!(self.vars).to_string());
        sha256(format!("{} {vars}", self.book.digest).as_bytes())[..32].to_owned()
    }

    /// Measures what answers, and arms the switch. Nothing was changed yet.
    pub(super) async fn arm(&mut self, round: usize, plan: &Plan) -> Result<(), Stop> {
        let Some(within) = self.guarded(plan) else { return Ok(()) };
        let before = self.measure(plan, self.way, true).await?;
        let run = self.journal.as_ref().map(|j| j.id().to_owned()).unwrap_or_default();
        let sh = switch::arm(&run, &self.mark(), plan, |n| super::round::number(round, n), within);
        let sh = sh.ok_or_else(|| ChannelError::internal("a path or a text with a NUL cannot be sent"))?;
        let a = self.script(&sh, Duration::from_secs(60)).await?;
        if a.status != Status::Exit(0) {
            let said = plan::first_line(&a.stderr);
            let why = match a.status {
                Status::Exit(act::NO_ROOM) => "there is no room on the target, or it cannot be written to".to_owned(),
                _ if said.is_empty() => "its script ended early".to_owned(),
                _ => said,
            };
            self.sink.event(&Event::Broken {
                why: &format!("the guard that would take these changes back cannot be armed: {why}"),
                hint: Some("--no-guard makes them without it"),
                changed: !self.done.is_empty(),
            });
            return Err(Stop::Exit(exit::FAILED));
        }
        let boot = String::from_utf8_lossy(&a.stdout).trim() == "armed boot";
        self.record("guard", json!({"armed": within.as_secs(), "boot": boot}))?;
        self.sink.event(&Event::Guard { news: GuardNews::Armed { within, boot } });
        self.lost_until = None;
        self.guard = Some(Guard { plan: plan.clone(), before, way: self.way });
        Ok(())
    }

    /// After a round, or what became of it: keeps what made nothing worse, and rolls back what did. A round of which a handler is
    /// pending is never kept: what its edits do is seen only once that has run.
    pub(super) async fn judge(&mut self) -> Result<(), Stop> {
        let Some(guard) = self.guard.take() else { return Ok(()) };
        let plan = guard.plan.clone();
        self.guard = Some(guard);
        let pending = self.run_pending_handlers(&plan).await?;
        let Some(guard) = self.guard.take() else { return Ok(()) };
        let within = self.options.guard.unwrap_or(WINDOW);
        let begun = Instant::now();
        // What just restarted may need a moment; what detached itself may not have begun yet.
        let patience = (within / 2).min(QUIET);
        let quiet = if super::risk::may_act_later(self.book, &guard.plan) { patience } else { Duration::ZERO };
        let why = loop {
            if pending.is_some() {
                break pending;
            }
            self.salt += 1;
            let after = match self.measure(&guard.plan, guard.way, false).await {
                Ok(after) => after,
                // The way in use is lost: another one may judge.
                Err(e) => {
                    self.guard = Some(guard);
                    return Err(e);
                }
            };
            match find_regression(&guard.before, &after) {
                Some(_) if begun.elapsed() < patience && !self.interrupted() => {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
                None if begun.elapsed() < quiet && !self.interrupted() => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                found => break found,
            }
        };
        let run = self.journal.as_ref().map(|j| j.id().to_owned()).unwrap_or_default();
        let sh = match &why {
            None => format!("RUN={run}; rb_confirm"),
            Some(why) => format!("RUN={run}; rb_fire {} 1", sh_quote(why).unwrap_or_else(|| "''".into())),
        };
        let answer = match self.script(&sh, Duration::from_secs(30)).await {
            Ok(a) => a,
            Err(e) => {
                self.guard = Some(guard);
                return Err(e.into());
            }
        };
        match (told(&answer), why) {
            (Told::Kept, _) => {
                self.sink.event(&Event::Guard { news: GuardNews::Kept { measured: guard.before.tells() } });
                self.record("guard", json!({"kept": true}))
            }
            (Told::Gone, why) => {
                let why = why.unwrap_or_else(|| "it is not known whether it was confirmed".into());
                self.taken_back(false, &why, &["the guard is gone from the target, and left no trace".to_owned()])
            }
            (Told::Back(all, why, rest), _) => self.taken_back(all, &why, &rest),
            (Told::Waiting, _) => self.await_switch(within).await,
        }
    }

    /// Runs the handlers that this round's changes notified and that have not run, as the round ended early. `Some` says why one
    /// is still pending.
    async fn run_pending_handlers(&mut self, plan: &Plan) -> Result<Option<String>, Stop> {
        let round = self.round;
        let begun = |p: &Planned| {
            self.done.contains(&p.change.digest())
                || self.flying.iter().any(|(_, f)| f.change.digest() == p.change.digest())
        };
        let notified: Vec<String> =
            plan.changes.iter().filter(|p| begun(p)).flat_map(|p| p.notify.iter().cloned()).collect();
        let is_pending = |p: &Planned| {
            let handler = p.handler.as_ref().is_some_and(|h| notified.contains(h));
            handler && !self.done.contains(&p.change.digest()) && takes_effect(&p.change)
        };
        let pending: Vec<(usize, Planned)> =
            plan.changes.iter().enumerate().filter(|(_, p)| is_pending(p)).map(|(n, p)| (n, p.clone())).collect();
        // A start or restart of the round's own would have done for its handler.
        let instead = plan.changes.iter().find(|p| {
            p.handler.is_none()
                && !self.done.contains(&p.change.digest())
                && takes_effect(&p.change)
                && matches!(&p.change, Change::Unit(u) if u.verb.starts())
        });
        if let Some(p) = instead.filter(|_| plan.satisfied.iter().any(|h| notified.contains(h))) {
            return Ok(Some(format!(
                "not done: {}, without which the changes before it have no effect yet",
                p.change.title()
            )));
        }
        // What was under way when the line was lost is still to be looked at.
        let flying = std::mem::take(&mut self.flying);
        let ran = self.run_handlers(round, pending).await;
        self.flying = flying;
        ran
    }

    async fn run_handlers(&mut self, round: usize, pending: Vec<(usize, Planned)>) -> Result<Option<String>, Stop> {
        for (at, p) in pending {
            let title = p.change.title();
            let tried = self.failed.contains(&p.change.digest());
            let done = !tried
                && match self.perform_handler(round, at, &p).await {
                    Ok(done) => done,
                    Err(Stop::Journal(e)) => {
                        return Ok(Some(format!("not done: {title} (the record of this run cannot be written: {e})")));
                    }
                    Err(e) => return Err(e),
                };
            if !done {
                return Ok(Some(format!("not done: {title}, without which the changes before it have no effect yet")));
            }
        }
        Ok(None)
    }

    /// The connection was lost while a round is unconfirmed: waits until the host answers again over any of its channels, or until
    /// the guard must have rolled back.
    pub(super) async fn reconnect(&mut self, e: &ChannelError) -> bool {
        if self.guard.is_none() || e.kind == Kind::Internal {
            return false;
        }
        let within = self.options.guard.unwrap_or(WINDOW);
        if self.lost_until.is_none() {
            self.sink.event(&Event::Guard { news: GuardNews::Waiting { why: &e.why, within } });
        }
        let until = *self.lost_until.get_or_insert_with(|| Instant::now() + within + GRACE);
        loop {
            for way in 0..self.ways.len() {
                if self.interrupted() || Instant::now() >= until {
                    return false;
                }
                let asking = super::round::act_on(&self.ways[way].1, "exit 0", Duration::from_secs(10));
                if let Ok(Ok(_)) = tokio::time::timeout(Duration::from_secs(15), asking).await {
                    self.way = way;
                    return true;
                }
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// The host did not answer again: what became of the round is not known.
    pub(super) fn guard_unknown(&mut self, e: &ChannelError) -> u8 {
        let waited = self.options.guard.unwrap_or(WINDOW) + GRACE;
        self.guard = None;
        // Who does not answer gives no lock back; the guard does that.
        self.locked = false;
        self.sink.event(&Event::Guard { news: GuardNews::Unknown { why: &e.why, waited } });
        let body = json!({"kept": false, "whole": false, "why": e.why, "rest": ["it is not known whether it was rolled back"]});
        if let Err(Stop::Journal(e)) = self.record("guard", body) {
            tracing::warn!(error = %e, "the record of this run cannot be written");
        }
        exit::NOT_ROLLED_BACK
    }

    /// Waits until the switch has done its work.
    async fn await_switch(&mut self, within: Duration) -> Result<(), Stop> {
        let run = self.journal.as_ref().map(|j| j.id().to_owned()).unwrap_or_default();
        let until = Instant::now() + within + PATIENCE;
        let mut lost: Option<ChannelError> = None;
        while Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(500)).await;
            match self.script(&format!("RUN={run}; rb_state; G=$S/guard; rb_told"), Duration::from_secs(20)).await {
                Ok(a) => match told(&a) {
                    Told::Back(all, why, rest) => return self.taken_back(all, &why, &rest),
                    Told::Gone => break,
                    Told::Kept | Told::Waiting => {}
                },
                Err(e) => lost = Some(e),
            }
        }
        let why = lost.map_or_else(|| "it did not say how it went".to_owned(), |e| e.why);
        self.taken_back(false, "the host was to take it back by itself", &[why])
    }

    /// Says what was taken back. A record that cannot be written keeps nobody from being told.
    fn taken_back(&mut self, all: bool, why: &str, rest: &[String]) -> Result<(), Stop> {
        self.guard = None;
        self.sink.event(&Event::Guard { news: GuardNews::Back { all, why, rest } });
        if let Err(Stop::Journal(e)) =
            self.record("guard", json!({"kept": false, "whole": all, "why": why, "rest": rest}))
        {
            tracing::warn!(error = %e, "the record of this run cannot be written");
        }
        Err(Stop::Exit(if all { exit::ROLLED_BACK } else { exit::NOT_ROLLED_BACK }))
    }

    /// A switch of a run that came to no end: what that had changed is taken back before anything is decided anew.
    pub(super) async fn of_another_run(&mut self, other: &str) -> Result<(), Stop> {
        let Some(quoted) = sh_quote(other) else { return Ok(()) };
        let why = "the run was cut off, and the next one begins from what was there before";
        let fire = format!("RUN={quoted}; rb_fire {}", sh_quote(why).unwrap_or_default());
        let mut now = told(&self.script(&fire, Duration::from_secs(30)).await?);
        let until = Instant::now() + PATIENCE;
        let state = format!("RUN={quoted}; rb_state; G=$S/guard; rb_told");
        while now == Told::Waiting {
            if Instant::now() > until {
                let why = format!("what run {other} changed is being taken back, and that does not end");
                let hint = Some("see /var/lib/runbook/guard on the target");
                self.sink.event(&Event::Broken { why: &why, hint, changed: false });
                return Err(Stop::Exit(exit::FAILED));
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
            now = told(&self.script(&state, Duration::from_secs(20)).await?);
        }
        if let Told::Back(all, _, rest) = now {
            let became = if all { Earlier::Back } else { Earlier::NotAllBack };
            self.sink.event(&Event::Guard { news: GuardNews::Earlier { run: other, became, rest: &rest } });
        }
        Ok(())
    }

    /// A run that was cut off between its last change and the confirmation: all is well, so it is confirmed. One that is
    /// still at work confirms it itself.
    pub(super) async fn keep_of_another(&mut self, other: &str) -> Result<(), Stop> {
        const NOBODY: &str = "none";
        let Some(quoted) = sh_quote(other).filter(|_| !self.locked) else { return Ok(()) };
        let me = lock::me(NOBODY);
        let attempt =
            |a: &Answer| lock::parse(&String::from_utf8_lossy(&a.stdout), &String::from_utf8_lossy(&a.stderr));
        let mut taken = attempt(&self.script(&lock::take(&me), Duration::from_secs(20)).await?);
        if let lock::Attempt::Held(Some(h), age, false) = &taken
            && lock::stale(Some(h), *age, self.place().live, &me, lock::alive)
        {
            taken = attempt(&self.script(&lock::steal(&h.run, &me), Duration::from_secs(20)).await?);
        }
        if taken != lock::Attempt::Ours {
            return Ok(());
        }
        let sh = format!("RUN={quoted}; rb_confirm; {}", lock::release(NOBODY));
        if told(&self.script(&sh, Duration::from_secs(30)).await?) == Told::Kept {
            self.sink
                .event(&Event::Guard { news: GuardNews::Earlier { run: other, became: Earlier::Kept, rest: &[] } });
        }
        Ok(())
    }

    /// What clients use, where the runbook itself does not say how to look from outside. An undo brings back what was there,
    /// whatever clients make of that.
    fn outside(&self) -> Option<Call> {
        let place = self.place();
        let looked_at = self.book.verify.iter().any(|c| c.name == "connect");
        if looked_at || self.book.undoes.is_some() || place.here || place.address.is_none() {
            return None;
        }
        let port = place.port.unwrap_or(22);
        let params = json!({"port": port, "banner": "SSH-2.0-"}).as_object().cloned()?;
        Some(Call {
            module: Handle::Builtin(&Connect),
            name: "connect".into(),
            params,
            literal: Map::new(),
            place: self.book.steps.first()?.place.clone(),
            scalar: false,
        })
    }

    /// What answers. `first`: as the plan that was just made has seen it.
    async fn measure(&mut self, plan: &Plan, way: usize, first: bool) -> Result<Measure, Stop> {
        let mut cache = if first { std::mem::take(&mut self.seen) } else { Cache::new() };
        let mut proofs = Vec::new();
        let calls: Vec<Call> =
            self.book.verify.iter().filter(|c| c.module.may_repeat()).cloned().chain(self.outside()).collect();
        for call in &calls {
            let mut proof = Proof::default();
            for (call, near) in std::iter::once((call.clone(), false)).chain(listening(call).map(|c| (c, true))) {
                let (mut answer, wanted) = plan::verify(&self.input(&cache), plan, &call, near);
                if !wanted.is_empty() {
                    // Ctrl-C ends a run only once it is known what becomes of it.
                    cache.extend(ask(self.target(), self.controller, wanted).await?);
                    answer = plan::verify(&self.input(&cache), plan, &call, near).0;
                }
                match answer {
                    Ok(d) if near => proof.local = Some(d.ok),
                    Ok(d) => proof.outside = Some(if d.ok { Ok(()) } else { Err(d.evidence) }),
                    Err(Halt::Skipped(_) | Halt::Pending | Halt::Waits(_)) => {}
                    Err(_) if near => {}
                    Err(Halt::Unknown { why, .. } | Halt::Error { why, .. } | Halt::Person { why, .. }) => {
                        proof.outside = Some(Err(why));
                    }
                }
            }
            proofs.push(proof);
        }
        let opened = self.ways[way].1.anew().await.map(|opened| match opened {
            Ok(()) => Way::Open,
            Err(e) if e.kind == Kind::Refused => Way::Asks,
            Err(e) => Way::Shut(e.why),
        });
        Ok(Measure { proofs, way: opened })
    }
}

/// Whether a handler's change would show something: a service that does not run reads its files when it starts.
fn takes_effect(change: &Change) -> bool {
    match change {
        Change::Unit(u) => {
            let runs = ["active", "activating", "reloading"].iter().any(|a| u.before.starts_with(a));
            runs && matches!(u.verb, Verb::Start | Verb::Stop | Verb::Restart | Verb::Reload)
        }
        Change::File(_) | Change::Command(_) => true,
    }
}

/// The same port, seen on the host itself.
fn listening(call: &Call) -> Option<Call> {
    if call.name != "connect" {
        return None;
    }
    let mut near = call.clone();
    near.module = Handle::Builtin(&Listening);
    "listening".clone_into(&mut near.name);
    near.params.retain(|name, _| name == "port");
    near.literal.retain(|name, _| name == "port");
    (near.params.contains_key("port") || near.literal.contains_key("port")).then_some(near)
}
