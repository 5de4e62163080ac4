//! One round: lock, then change by change; each is on record before it happens.

use std::time::{Duration, Instant};

use serde_json::json;

use super::risk::{is_risk, written_by_author};
use super::{Leave, RoundEnd, Session, Stop, act, exit, journal::Journal, lock};
use crate::channel::ChannelError;
use crate::plan::{CHANGE_DEADLINE, Change, CommandChange, FileChange, Plan, Planned, Verdict, first_line};
use crate::report::Event;
use crate::target::Target;
use crate::target::frame::{Answer, Status};
use crate::target::probe::Check;

/// How long a lock without a holder's name is left alone.
const UNNAMED: Duration = Duration::from_secs(3);
/// How long a lock is waited for while a script of a dead run finishes.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);

/// Runs one acting script.
pub(super) async fn act_on(target: &Target, sh: &str, deadline: Duration) -> Result<Answer, ChannelError> {
    // In a subshell of its own: its traps are not those of the script around it.
    let check = Check { script: format!("(\n{sh}\n)"), isolate: false, deadline, overlay: None, acts: true };
    let answers = target.run(&[check], &[]).await?;
    answers.into_iter().next().ok_or_else(|| ChannelError::internal("no answer"))
}

impl Session<'_> {
    pub(super) async fn script(&self, sh: &str, deadline: Duration) -> Result<Answer, ChannelError> {
        act_on(self.target(), sh, deadline).await
    }

    /// A command of the controller. The target's lock is looked at before, and its record of what is owed is kept.
    async fn on_controller(&self, c: &CommandChange, before: &str, after: &str) -> Result<Answer, Stop> {
        let answer = self.script(before, CHANGE_DEADLINE).await?;
        if answer.status != Status::Exit(0) {
            return Ok(answer);
        }
        let home = super::journal::home()?.display().to_string();
        let sh = act::here(c, &home).ok_or_else(|| ChannelError::internal("a command with a NUL"))?;
        // That this machine has no answer does not mean that the way to the target is lost.
        let mut acting = std::pin::pin!(act_on(self.controller, &sh, c.deadline));
        // Meanwhile the target's switch sees that somebody is there. One that has fired is found out by the next change.
        let within = self.guard.as_ref().and(self.options.guard);
        let every = within.unwrap_or(c.deadline) / 3;
        let run = self.journal.as_ref().map(|j| j.id().to_owned()).unwrap_or_default();
        let seconds = within.map(|w| w.as_secs());
        let renewal = act::head(&run, seconds, false, &[]) + &act::tail(seconds);
        let acted = loop {
            tokio::select! {
                acted = &mut acting => break acted,
                () = tokio::time::sleep(every), if within.is_some() => {
                    // An answer that is broken off would leave a console in the middle of a line.
                    let _ = self.script(&renewal, every).await;
                }
            }
        };
        let answer = acted.unwrap_or_else(|e| Answer {
            status: Status::Exit(-1),
            stdout: Vec::new(),
            stderr: e.why.into_bytes(),
            truncated: false,
            duration: Duration::ZERO,
        });
        if answer.status == Status::Exit(0) && !after.is_empty() {
            self.script(after, CHANGE_DEADLINE).await?;
        }
        Ok(answer)
    }

    /// Does what a plan says.
    pub(super) async fn round(&mut self, round: usize, plan: &Plan) -> Result<RoundEnd, Stop> {
        if self.journal.is_none() {
            let mut j = Journal::create(self.options.redactor.clone())?;
            let facts = plan.facts.as_ref();
            j.record(
                "run",
                json!({
                    "runbook": self.book.name, "undoes": self.book.undoes, "digest": self.book.digest, "version": env!("CARGO_PKG_VERSION"),
                    "target": self.place().name, "channel": self.place().channel, "address": self.place().address,
                    "via": self.place().via, "host": facts.map(|f| &f.hostname), "machine_id": facts.map(|f| &f.machine_id), "boot_id": facts.map(|f| &f.boot_id),
                }),
            )?;
            for d in &self.decided {
                j.record("decided", json!(d))?;
            }
            self.sink.begin(j.dir());
            self.journal = Some(j);
        }
        // No question stands between a change and its proof.
        let mut most = plan.changes.len();
        for (n, p) in plan.changes.iter().enumerate() {
            match self.leave(p, plan).await? {
                Leave::Skip => return Ok(RoundEnd::Left),
                Leave::Quit => {
                    most = n;
                    break;
                }
                Leave::Yes | Leave::Rest => {}
            }
        }
        let quit = most < plan.changes.len();
        if most == 0 {
            return Err(self.no_more());
        }
        if let Some(other) = self.lock().await? {
            self.of_another_run(&other).await?;
            return Ok(RoundEnd::Anew);
        }
        self.room(plan).await?;
        self.record("round", json!({"round": round, "changes": plan.changes.len()}))?;
        self.arm(round, plan).await?;
        let mut at = 0;
        while at < most {
            if self.interrupted() {
                return Err(Stop::Interrupted);
            }
            let batch = self.batch(plan, at, most);
            let end = at + batch.1;
            for (n, p) in plan.changes[at..end].iter().enumerate() {
                let number = number(round, at + n);
                if let Some(j) = &mut self.journal {
                    j.intent(number, p)?;
                }
                self.sink.event(&Event::Doing { number: at + n + 1, of: plan.changes.len(), planned: p });
            }
            let next = plan.changes.get(end).and_then(|p| p.handler.as_ref());
            if !self.perform(round, &plan.changes[at..end], at, batch.0.as_deref(), next).await? {
                // A service that would not start, while steps wait to be judged: one of them may know why. What was
                // notified stays owed, and is done after the next round's repairs.
                let more = plan.steps.iter().any(|s| s.waits_for.is_some() && !s.symptom);
                let service = plan.changes[at..end].iter().all(|p| matches!(p.change, Change::Unit(_)));
                // What a package of this round brought is no stranger's work: the next plan starts from it.
                let brought =
                    self.last_status == act::CHANGED && plan.changes[..at].iter().any(|p| p.change.installs());
                return if brought || more && service { Ok(RoundEnd::Stumbled) } else { Err(Stop::Exit(exit::FAILED)) };
            }
            at = end;
        }
        if quit {
            return Err(self.no_more());
        }
        self.paid_by_start(plan).await?;
        Ok(RoundEnd::Whole)
    }

    /// The user wants no more changes.
    fn no_more(&mut self) -> Stop {
        let begun = !self.done.is_empty();
        self.sink.event(&Event::Broken {
            why: "you asked for no more changes",
            hint: Some("run it again to go on"),
            changed: begun,
        });
        Stop::Exit(if begun { exit::FAILED } else { exit::CHANGES })
    }

    /// Step by step: asks about a change. What is left takes its step with it.
    async fn leave(&mut self, p: &Planned, plan: &Plan) -> Result<Leave, Stop> {
        if !self.stepwise || self.agreed.contains(&p.change.digest()) {
            return Ok(Leave::Yes);
        }
        let asked = Instant::now();
        let answer = self.ask.change(p).await;
        self.thinking += asked.elapsed();
        if self.interrupted() {
            return Err(Stop::Interrupted);
        }
        match answer {
            Leave::Yes => {
                self.agreed.insert(p.change.digest());
            }
            Leave::Rest => {
                self.stepwise = false;
                self.agreed.extend(plan.changes.iter().map(|p| p.change.digest()));
            }
            Leave::Skip => {
                self.declined.insert(p.wish());
                self.record("declined", json!({"title": p.change.title(), "step": p.name}))?;
                self.sink.event(&Event::Left { planned: p });
            }
            Leave::Quit => {}
        }
        Ok(answer)
    }

    /// No room for backups and candidates: stop before the first write.
    async fn room(&mut self, plan: &Plan) -> Result<(), Stop> {
        let Some(sh) = act::room(&plan.changes) else { return Ok(()) };
        let a = self.script(&sh, Duration::from_secs(30)).await?;
        let said = String::from_utf8_lossy(&a.stdout).into_owned();
        let mut lines = said.lines();
        let Some((free, dir)) = lines.next().and_then(|l| l.split_once(' ')) else { return Ok(()) };
        let why = format!(
            "there is no room on the target: {free} kB are free at {dir}, too little for backups and new files"
        );
        let spare = lines.last().and_then(|l| l.split_once('\t'));
        let hint = spare.map_or_else(
            || "free some space there (df -h), then run this again".to_owned(),
            |(kb, what)| format!("the largest thing that could safely go is /{what}, {kb} kB"),
        );
        self.sink.event(&Event::Broken { why: &why, hint: Some(&hint), changed: false });
        Err(Stop::Exit(exit::FAILED))
    }

    /// Normally one change at a time. Where candidates can only be tried after they are written, all file changes of
    /// the round that stand together go in one script with the validation, which puts them back if it fails.
    fn batch(&self, plan: &Plan, at: usize, most: usize) -> (Option<String>, usize) {
        let sh = plan
            .validations
            .iter()
            .find_map(|v| if let Verdict::AtWrite(sh) = &v.outcome { Some((sh, &v.handler)) } else { None });
        let Some((sh, handler)) = sh else { return (None, 1) };
        let run = plan.changes[at..most].iter().take_while(|p| matches!(p.change, Change::File(_))).count();
        let concerned = plan.changes[at..at + run].iter().any(|p| p.notify.contains(handler));
        if concerned { (Some(sh.clone()), run) } else { (None, 1) }
    }

    /// Runs one script of a guarded round, and says meanwhile, beside it, that somebody waits for it.
    async fn script_while_watched(&self, sh: &str, run: &str) -> Result<Answer, ChannelError> {
        let within = self.options.guard.unwrap_or(super::guard::WINDOW);
        let renewal = format!("RUN={run}; rb_renew {}", within.as_secs());
        let mut acting = std::pin::pin!(self.script(sh, CHANGE_DEADLINE));
        loop {
            tokio::select! {
                acted = &mut acting => return acted,
                () = tokio::time::sleep(within / 3) => {
                    // Where the line is cut, that is for the guard to notice.
                    let renewing = self.script(&renewal, within / 3);
                    tokio::select! {
                        acted = &mut acting => return acted,
                        renewed = renewing => drop(renewed),
                    }
                }
            }
        }
    }

    /// Does a handler's change by itself, after a round that ended before it.
    pub(super) async fn perform_handler(&mut self, round: usize, at: usize, p: &Planned) -> Result<bool, Stop> {
        if let Some(j) = &mut self.journal {
            j.intent(number(round, at), p)?;
        }
        self.sink.event(&Event::Doing { number: at + 1, of: at + 1, planned: p });
        self.perform(round, std::slice::from_ref(p), at, None, None).await
    }

    /// False: it was not done, and what was seen is told.
    async fn perform(
        &mut self,
        round: usize,
        batch: &[Planned],
        at: usize,
        validate: Option<&str>,
        next: Option<&String>,
    ) -> Result<bool, Stop> {
        let started = Instant::now();
        let run = self.journal.as_ref().map(|j| j.id().to_owned()).unwrap_or_default();
        let nul = || Stop::Channel(ChannelError::internal("a path or a text with a NUL cannot be sent"));
        let within = self.guard.as_ref().and(self.options.guard).map(|d| d.as_secs());
        let numbers: Vec<usize> = (0..batch.len()).map(|n| number(round, at + n)).collect();
        // What may cut this very connection is ended by the guard where nobody says any more that he is there.
        let watched = within.is_some()
            && self.target().caps().concurrent
            && batch
                .iter()
                .any(|p| on_controller(p).is_none() && written_by_author(self.book, p) && is_risk(self.book, p));
        let mut sh = act::head(&run, within, watched, &numbers)
            + &self.journal.as_mut().map(|j| act::note(&j.untold())).unwrap_or_default();
        // What the target has to know when a command of the controller has succeeded.
        let mut after = String::new();
        match validate {
            Some(v) => {
                let files: Option<Vec<(usize, &FileChange, String)>> = batch
                    .iter()
                    .enumerate()
                    .map(|(n, p)| match &p.change {
                        Change::File(f) => Some((number(round, at + n), f, act::owe(&self.book.name, &p.notify)?)),
                        _ => None,
                    })
                    .collect();
                sh += &act::all_or_nothing(&files.ok_or_else(nul)?, v).ok_or_else(nul)?;
            }
            None => {
                for (n, p) in batch.iter().enumerate() {
                    let owe = act::owe(&self.book.name, &p.notify).ok_or_else(nul)?;
                    // A handler is paid with its last change.
                    let last = p.handler.as_ref().filter(|h| next != Some(*h));
                    let paid = last.map(|h| act::paid(&self.book.name, h).ok_or_else(nul)).transpose()?;
                    if on_controller(p).is_some() {
                        sh += &owe;
                        after = paid.map_or_else(String::new, |paid| act::head(&run, None, false, &[]) + &paid);
                    } else {
                        sh += &act::script(&p.change, number(round, at + n), &owe).ok_or_else(nul)?;
                        sh += &paid.unwrap_or_default();
                    }
                }
            }
        }
        sh += &act::tail(within);
        self.flying = batch.iter().enumerate().map(|(n, p)| (number(round, at + n), p.clone())).collect();
        let near = batch.first().and_then(on_controller);
        let answer = match near {
            Some(c) => self.on_controller(c, &sh, &after).await?,
            None if watched => self.script_while_watched(&sh, &run).await?,
            None => self.script(&sh, CHANGE_DEADLINE).await?,
        };
        let deadline = near.map_or(CHANGE_DEADLINE, |c| c.deadline);
        self.flying.clear();
        let seconds = started.elapsed().as_secs_f64();
        for (n, p) in batch.iter().enumerate() {
            let number = number(round, at + n);
            match answer.status {
                Status::Exit(0) => {
                    self.done.insert(p.change.digest());
                    self.record("done", json!({"number": number, "seconds": seconds}))?;
                    self.sink.event(&Event::Done { planned: p, seconds });
                }
                _ => {
                    let said = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
                    let first = first_line(&answer.stderr);
                    let status = if let Status::Exit(s) = answer.status { s } else { -1 };
                    let (why, hint) = match answer.status {
                        Status::TimedOut => (format!("it did not end within {} s", deadline.as_secs()), None),
                        _ => act::failure(status, &p.change, &first),
                    };
                    self.last_status = status;
                    self.failed.insert(p.change.digest());
                    self.record(
                        "failed",
                        json!({"number": number, "status": status, "said": said, "begun": act::begun(status, &p.change)}),
                    )?;
                    self.sink.event(&Event::NotDone { planned: p, why: &why, hint: hint.as_deref(), said: &said });
                }
            }
        }
        Ok(answer.status == Status::Exit(0))
    }

    /// Handlers that a start of this round made needless are paid too.
    async fn paid_by_start(&mut self, plan: &Plan) -> Result<(), Stop> {
        let idle = &plan.satisfied;
        if idle.is_empty() {
            return Ok(());
        }
        let run = self.journal.as_ref().map(|j| j.id().to_owned()).unwrap_or_default();
        let mut sh = act::head(&run, None, false, &[]);
        for h in idle {
            sh += &act::paid(&self.book.name, h).unwrap_or_default();
        }
        self.script(&sh, Duration::from_secs(30)).await?;
        Ok(())
    }

    pub(super) fn record(&mut self, kind: &str, body: serde_json::Value) -> Result<(), Stop> {
        if let Some(j) = &mut self.journal {
            j.record(kind, body)?;
        }
        Ok(())
    }

    /// Takes the lock; what is said is the run before, if nobody has confirmed its last round.
    pub(super) async fn lock(&mut self) -> Result<Option<String>, Stop> {
        if self.locked {
            return Ok(None);
        }
        let run = self.journal.as_ref().map(|j| j.id().to_owned()).unwrap_or_default();
        let me = lock::me(&run);
        let begun = Instant::now();
        let until = begun + LOCK_PATIENCE;
        let mut sh = lock::take(&me);
        let mut unconfirmed = None;
        loop {
            let a = self.script(&sh, Duration::from_secs(20)).await?;
            let said = String::from_utf8_lossy(&a.stdout).into_owned();
            let attempt = match a.status {
                Status::Exit(0) => lock::parse(&said, &String::from_utf8_lossy(&a.stderr)),
                _ => lock::Attempt::Failed(format!("the script ended early: {}", first_line(&a.stderr))),
            };
            match attempt {
                lock::Attempt::Ours => {
                    if let Some(kept) = lock::kept(&said) {
                        self.record("kept", json!({"directory": kept}))?;
                    }
                    unconfirmed = lock::guard(&said).filter(|g| *g != run).map(str::to_owned);
                    break;
                }
                lock::Attempt::Failed(why) => {
                    self.sink.event(&Event::Broken {
                        why: &format!("the target cannot be locked: {why}"),
                        hint: Some("is its file system read-only or full? (mount, df)"),
                        changed: false,
                    });
                    return Err(Stop::Exit(exit::FAILED));
                }
                // Ours from before the way was lost: what was under way there is let finish.
                lock::Attempt::Held(Some(h), _, busy) if h == me => {
                    if !busy {
                        break;
                    }
                    if begun.elapsed() > CHANGE_DEADLINE {
                        return Err(ChannelError::new("a script of this run is still at work on the target").into());
                    }
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
                lock::Attempt::Held(h, age, busy) => {
                    // Nobody's name in it: somebody may be writing it right now.
                    let young = h.is_none() && Instant::now() + LOCK_PATIENCE < until + UNNAMED;
                    let gone = lock::stale(h.as_ref(), age, self.place().live, &me, lock::alive);
                    if gone && !busy && !young {
                        // An unnamed lock was left between mkdir and the writing of its holder.
                        sh = h.as_ref().map_or_else(
                            || format!("umask 022; rb_where; rm -rf \"$L\"; {}", lock::take(&me)),
                            |h| lock::steal(&h.run, &me),
                        );
                    } else if !gone || Instant::now() > until {
                        let who = h.map_or_else(|| "another run".to_owned(), |h| format!("{} (run {})", h.who, h.run));
                        self.sink.event(&Event::Broken {
                            why: &format!("{who} is at work on this target, last heard of {age} s ago"),
                            hint: Some("let it finish; a lock left behind frees itself after 15 minutes"),
                            changed: false,
                        });
                        return Err(Stop::Exit(exit::FAILED));
                    } else {
                        tokio::time::sleep(Duration::from_millis(200)).await;
                        sh = lock::take(&me);
                    }
                }
            }
        }
        self.locked = true;
        Ok(unconfirmed)
    }
}

/// The command, if it is one of the controller.
fn on_controller(p: &Planned) -> Option<&CommandChange> {
    match &p.change {
        Change::Command(c) if c.controller => Some(c),
        _ => None,
    }
}

/// A change's number in the run's records, unique over rounds.
pub(super) fn number(round: usize, at: usize) -> usize {
    round * 1000 + at
}
