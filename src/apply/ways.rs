//! Falling back: a run whose way to the target is lost goes on over the next, from what is on record.

use std::time::Duration;

use super::{Session, Stop, exit};
use crate::channel::{ChannelError, Kind};
use crate::facts;
use crate::plan::Plan;
use crate::report::Event;

impl Session<'_> {
    /// Turns to the next way that is left and could do better; each is used once.
    pub(super) fn another_way(&mut self, e: &ChannelError) -> bool {
        let begun = self.round > 0;
        if e.kind == Kind::Refused {
            self.refused.push(self.way);
        }
        // What was refused once counts towards a lockout, whatever else was tried since.
        let another = |n: usize| self.refused.iter().all(|r| self.ways[n].0.is_another_login(&self.ways[*r].0));
        let could = |n: &usize| e.kind != Kind::Internal && another(*n);
        let Some(next) = (self.way + 1..self.ways.len()).find(could) else { return false };
        if let Some(j) = &mut self.journal {
            let _ = j.record("lost", serde_json::json!({"channel": self.ways[self.way].0.channel, "why": e.why}));
        }
        let channel = &self.ways[self.way].0.channel;
        self.sink.event(&Event::Tried { channel, why: &e.why, hint: e.hint.as_deref(), lost: begun });
        self.way = next;
        true
    }

    /// What was begun on one machine is not gone on with on another.
    async fn same_machine(&mut self) -> Result<(), Stop> {
        let Some(before) = &self.machine else { return Ok(()) };
        let answer = self.script(facts::WHICH, Duration::from_secs(20)).await?;
        let now = facts::parse(&String::from_utf8_lossy(&answer.stdout), true);
        if now.same_machine(before) {
            return Ok(());
        }
        let channel = &self.place().channel;
        let why = if now.hostname == before.hostname {
            format!("over {channel} there is another machine of the name {}", now.hostname)
        } else {
            format!("over {channel} there is {}, and the changes were begun on {}", now.hostname, before.hostname)
        };
        let hint = "nothing was done there; mend the first way in, or name another one to the same machine";
        self.sink.event(&Event::Broken { why: &why, hint: Some(hint), changed: true });
        // Its lock is on the other one.
        self.locked = false;
        Err(Stop::Exit(exit::FAILED))
    }

    /// Goes on over another way from what is on record. What was under way when the first was lost is let finish.
    pub(super) async fn rejoin(&mut self) -> Result<Plan, Stop> {
        self.same_machine().await?;
        if std::mem::take(&mut self.locked) {
            self.lock().await?;
        }
        self.judge().await?;
        let plan = match self.current.take() {
            Some(before) => self.settle(&before, true).await?,
            None => self.gather().await?,
        };
        // What was under way and is not asked for any more was done.
        for (number, planned) in std::mem::take(&mut self.flying) {
            let digest = planned.change.digest();
            if plan.changes.iter().any(|p| p.change.digest() == digest) {
                continue;
            }
            self.done.insert(digest);
            self.record("done", serde_json::json!({"number": number, "seen": "over another channel"}))?;
            self.sink.event(&Event::Done { planned: &planned, seconds: 0.0 });
        }
        Ok(plan)
    }
}
