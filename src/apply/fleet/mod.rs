//! Many targets in one run. Each has a [`Session`] of its own, a task of this thread, unchanged; what a session asks
//! comes here. Once every session that is at work has finished or asks, the plans are shown together, a person is asked
//! once, and the answers are handed out in batches.

mod member;
mod order;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot};

pub use member::Member;
pub use order::{Brake, Serial, badness, batches, worst};

use super::{Answer, Asked, Leave, Options, Session, exit};
use crate::book::Runbook;
use crate::plan::{Place, Planned, Question};
use crate::report::fleet::{Crowd, Many};
use crate::report::{Event, Proof, Sink};
use crate::target::{Target, Wire};
use member::{Messenger, Proposal, Wait};

/// How often lines of progress are drawn where nothing happens.
const TICK: Duration = Duration::from_millis(250);

/// Who goes when.
#[derive(Debug, Clone)]
pub struct How {
    /// Sessions at work at a time.
    pub forks: usize,
    /// Sizes of batches; none: all at once.
    pub serial: Vec<Serial>,
    /// Failed hosts after which no further one is begun; `None`: one where a change is risky, else any number.
    pub max_fail: Option<usize>,
    /// Nobody waits to be asked: a later round of a host that was begun goes on at once.
    pub yes: bool,
}

/// What a person says to plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// This.
    Answer(Answer),
    /// First show them again.
    Again,
}

/// The person who is asked about many targets.
pub trait People {
    /// Whether anybody listens to questions about variables.
    fn listen(&self) -> bool;
    /// About the plans of these targets.
    fn plans<'a>(&'a mut self, targets: &'a [&'a str]) -> Asked<'a, Reply>;
    /// About a variable that these have in question.
    fn decide<'a>(&'a mut self, question: &'a Question, targets: &'a [&'a str]) -> Asked<'a, Option<String>>;
    /// About one change on one target.
    fn change<'a>(&'a mut self, target: &'a str, planned: &'a Planned) -> Asked<'a, Leave>;
}

/// Where a target stands.
enum State {
    /// Its session has not begun.
    Queued(Box<Member>),
    /// Its session is at work.
    Busy,
    /// It asks about a variable.
    Deciding(Question, oneshot::Sender<Option<String>>),
    /// It asks about its plan.
    Asking(Proposal),
    /// Its answer is on its way.
    Answered,
    /// With this exit code.
    Finished(u8),
}

/// A target's row.
struct Row {
    state: State,
    /// Its changes were begun.
    begun: bool,
    /// Its plan had something that no change resolves.
    unresolved: bool,
    /// It was begun, and did not come to a good end.
    failed: bool,
}

/// What goes on as soon as there is room for one more at work.
enum Next {
    Value(usize, oneshot::Sender<Option<String>>, Option<String>),
    Leave(usize, oneshot::Sender<Answer>, Answer),
}

type Task<'a> = Pin<Box<dyn Future<Output = (usize, u8)> + 'a>>;

/// Where the events of one target go: to the report of all.
struct Part<'a> {
    target: usize,
    report: &'a RefCell<dyn Crowd>,
    /// It had something that is a failure whatever the plan looked like.
    failed: &'a RefCell<Vec<bool>>,
}

impl Sink for Part<'_> {
    fn event(&mut self, e: &Event<'_>) {
        let bad =
            matches!(e, Event::NotDone { .. } | Event::Broken { .. } | Event::Proved { proof: Proof::Failed, .. });
        if bad {
            self.failed.borrow_mut()[self.target] = true;
        }
        self.report.borrow_mut().event(self.target, e);
    }
}

/// A run over many targets.
struct Fleet<'a> {
    book: &'a Runbook,
    controller: &'a Target,
    options: &'a Options,
    how: &'a How,
    report: &'a RefCell<dyn Crowd>,
    failed: &'a RefCell<Vec<bool>>,
    names: &'a [String],
    rows: Vec<Row>,
    busy: usize,
    forks: usize,
    tasks: FuturesUnordered<Task<'a>>,
    sender: mpsc::UnboundedSender<(usize, Wait)>,
    /// Answers for which there was no room yet.
    next: VecDeque<Next>,
    /// What was agreed to and is not begun.
    batches: VecDeque<Vec<usize>>,
    /// The batch at work.
    batch: Vec<usize>,
    answer: Answer,
    brake: Brake,
    quit: bool,
    /// Targets whose result was not shown yet.
    unseen: Vec<usize>,
    /// How long a person was asked.
    thinking: Duration,
}

/// Runs a runbook on all of them; the worst exit code. Every event was given to the report.
pub async fn run(
    book: &Runbook,
    members: Vec<Member>,
    controller: &Target,
    options: &Options,
    how: &How,
    report: &RefCell<dyn Crowd>,
    people: &mut dyn People,
) -> u8 {
    let started = Instant::now();
    let names: Vec<String> = members.iter().map(|m| m.name.clone()).collect();
    let failed = RefCell::new(vec![false; names.len()]);
    report.borrow_mut().many(&Many::Started { book, names: &names });
    let (sender, mut asked) = mpsc::unbounded_channel();
    let row = |m| Row { state: State::Queued(Box::new(m)), begun: false, unresolved: false, failed: false };
    let mut fleet = Fleet {
        book,
        controller,
        options,
        how,
        report,
        failed: &failed,
        names: &names,
        rows: members.into_iter().map(row).collect(),
        busy: 0,
        forks: how.forks.max(1),
        tasks: FuturesUnordered::new(),
        sender,
        next: VecDeque::new(),
        batches: VecDeque::new(),
        batch: Vec::new(),
        answer: Answer::Yes,
        brake: Brake::new(how.max_fail),
        quit: false,
        unseen: Vec::new(),
        thinking: Duration::ZERO,
    };
    fleet.drive(&mut asked, people).await;
    let exit = worst(fleet.rows.iter().map(|r| if let State::Finished(code) = r.state { code } else { exit::FAILED }));
    let seconds = started.elapsed().saturating_sub(fleet.thinking).as_secs_f64();
    report.borrow_mut().many(&Many::Finished { exit, seconds });
    exit
}

impl<'a> Fleet<'a> {
    fn say(&self, e: &Many<'_>) {
        self.report.borrow_mut().many(e);
    }

    fn interrupted(&self) -> bool {
        self.options.interrupt.as_ref().is_some_and(|i| *i.borrow())
    }

    async fn drive(&mut self, asked: &mut mpsc::UnboundedReceiver<(usize, Wait)>, people: &mut dyn People) {
        let lively = self.report.borrow().lively();
        loop {
            self.fill();
            if self.busy == 0 {
                if !self.pause(people).await {
                    return;
                }
                continue;
            }
            tokio::select! {
                Some((target, code)) = self.tasks.next() => self.finished(target, code),
                Some((target, wait)) = asked.recv() => self.waits(target, wait, people).await,
                () = tokio::time::sleep(TICK), if lively => self.report.borrow_mut().tick(),
            }
        }
    }

    /// Puts to work what can be, as far as there is room: what was answered first, then what was not begun.
    fn fill(&mut self) {
        while self.busy < self.forks {
            if let Some(next) = self.next.pop_front() {
                self.go_on(next);
            } else if let Some(target) = self.rows.iter().position(|r| matches!(r.state, State::Queued(_))) {
                self.start(target);
            } else {
                return;
            }
        }
    }

    fn go_on(&mut self, next: Next) {
        let target = match next {
            Next::Value(target, reply, value) => {
                let _ = reply.send(value);
                target
            }
            Next::Leave(target, reply, answer) => {
                let _ = reply.send(self.leave(target, answer));
                target
            }
        };
        self.rows[target].state = State::Busy;
        self.busy += 1;
    }

    /// A host that was agreed to is not begun any more once something forbids it.
    fn leave(&mut self, target: usize, answer: Answer) -> Answer {
        if self.rows[target].begun || !matches!(answer, Answer::Yes | Answer::Step) {
            return answer;
        }
        let why = if self.interrupted() { Some("interrupted".to_owned()) } else { self.brake.why() };
        if let Some(why) = why {
            self.say(&Many::NotBegun { target, why: &why });
            return Answer::No;
        }
        self.rows[target].begun = true;
        self.failed.borrow_mut()[target] = false;
        self.say(&Many::Begun { target });
        answer
    }

    fn start(&mut self, target: usize) {
        let State::Queued(member) = std::mem::replace(&mut self.rows[target].state, State::Busy) else { return };
        if self.interrupted() {
            let place = member.ways.as_ref().ok().and_then(|ways| ways.first()).map(|(place, _)| place);
            return self.without(target, place, "interrupted", None, exit::INTERRUPTED);
        }
        let ways = match member.ways {
            Ok(ways) => ways,
            Err(e) => return self.without(target, None, &e.why, e.hint.as_deref(), exit::NO_CHANNEL),
        };
        let vars = member.vars;
        let mut sink = Part { target, report: self.report, failed: self.failed };
        let mut ask = Messenger { host: target, book: self.book, to: self.sender.clone() };
        let (book, controller, options) = (self.book, self.controller, self.options);
        self.tasks.push(Box::pin(async move {
            (target, Session::new(book, vars, &ways, controller, options, &mut sink, &mut ask).run().await)
        }));
        self.busy += 1;
    }

    /// A target's run that ends before it has begun.
    fn without(&mut self, target: usize, place: Option<&Place>, why: &str, hint: Option<&str>, exit: u8) {
        {
            let mut report = self.report.borrow_mut();
            if let Some(place) = place {
                report.event(target, &Event::Started { book: self.book, place });
            }
            report.event(target, &Event::Broken { why, hint, changed: false });
            let wire = Wire::default();
            let unresolved = &[];
            report.event(target, &Event::Finished { exit, rounds: 0, run: None, wire, seconds: 0.0, unresolved });
        }
        self.rows[target].state = State::Finished(exit);
        self.unseen.push(target);
    }

    fn finished(&mut self, target: usize, code: u8) {
        self.busy -= 1;
        let row = &mut self.rows[target];
        row.state = State::Finished(code);
        if !row.begun {
            return self.unseen.push(target);
        }
        // What was unresolved before anything was begun is no failure of what was done.
        let known = code == exit::FAILED && row.unresolved && !self.failed.borrow()[target];
        row.failed = !matches!(code, exit::OK | exit::CHANGES) && !known;
        if row.failed {
            self.brake.failed();
        }
    }

    async fn waits(&mut self, target: usize, wait: Wait, people: &mut dyn People) {
        match wait {
            Wait::Change(planned, reply) => {
                // Who quits at one host is asked about no other.
                let answer = if self.quit {
                    Leave::Quit
                } else {
                    self.say(&Many::Asking);
                    let asked = Instant::now();
                    let answer = people.change(&self.names[target], &planned).await;
                    self.thinking += asked.elapsed();
                    answer
                };
                if answer == Leave::Quit {
                    self.quit = true;
                    self.brake.pull("you asked for no more changes");
                }
                let _ = reply.send(answer);
                return;
            }
            Wait::Decide(question, reply) => {
                if !people.listen() {
                    let _ = reply.send(None);
                    return;
                }
                self.rows[target].state = State::Deciding(question, reply);
            }
            Wait::Plan(p) if self.how.yes && self.rows[target].begun => {
                self.say(&Many::Plans { targets: &[target] });
                let _ = p.reply.send(self.answer);
                return;
            }
            Wait::Plan(p) => {
                self.rows[target].unresolved |= p.unresolved;
                self.rows[target].state = State::Asking(p);
            }
        }
        self.busy -= 1;
    }

    /// Nobody is at work: shows what there is, asks, and says who goes on. False: all are finished.
    async fn pause(&mut self, people: &mut dyn People) -> bool {
        if self.quit {
            return self.ask_no_more();
        }
        let deciding = self.rows.iter().any(|r| matches!(r.state, State::Deciding(..)));
        if deciding {
            self.decide(people).await;
            return true;
        }
        let asking = self.asking();
        if !asking.is_empty() {
            self.propose(&asking, people).await;
            return true;
        }
        if !self.unseen.is_empty() {
            self.show(&[]);
        }
        self.next_batch()
    }

    /// Whoever quit answers nothing more: what waits is left as it is. False: nothing waits.
    fn ask_no_more(&mut self) -> bool {
        let all: Vec<usize> = (0..self.rows.len()).collect();
        self.value(&all, None);
        let (begun, new): (Vec<usize>, Vec<usize>) = all.into_iter().partition(|t| self.rows[*t].begun);
        self.reply(&begun, Answer::No);
        // The brake says why these are not begun.
        self.reply(&new, self.answer);
        self.batches.clear();
        if !self.unseen.is_empty() {
            self.show(&[]);
        }
        !self.next.is_empty()
    }

    fn asking(&self) -> Vec<usize> {
        let asks = |t: &usize| matches!(self.rows[*t].state, State::Asking(_));
        // What waits for its batch was asked about.
        let agreed = |t: &usize| self.batches.iter().flatten().any(|b| b == t);
        (0..self.rows.len()).filter(asks).filter(|t| !agreed(t)).collect()
    }

    /// Shows the plans of these, and what was finished before anything was begun.
    fn show(&mut self, asking: &[usize]) {
        let mut targets = std::mem::take(&mut self.unseen);
        targets.extend(asking);
        targets.sort_unstable();
        self.say(&Many::Plans { targets: &targets });
    }

    /// Asks what the runbook leaves to a person: each question once, for all that have it.
    async fn decide(&mut self, people: &mut dyn People) {
        let mut questions: Vec<(Question, Vec<usize>)> = Vec::new();
        for (target, row) in self.rows.iter().enumerate() {
            let State::Deciding(q, _) = &row.state else { continue };
            match questions.iter_mut().find(|known| known.0 == *q) {
                Some(known) => known.1.push(target),
                None => questions.push((q.clone(), vec![target])),
            }
        }
        let all: Vec<usize> = questions.iter().flat_map(|q| q.1.iter().copied()).collect();
        self.say(&Many::Plans { targets: &all });
        for (question, targets) in questions {
            let names: Vec<&str> = targets.iter().map(|t| self.names[*t].as_str()).collect();
            self.say(&Many::Asking);
            let asked = Instant::now();
            let value = if self.interrupted() { None } else { people.decide(&question, &names).await };
            self.thinking += asked.elapsed();
            self.value(&targets, value.as_deref());
        }
    }

    /// One question about the plans of these.
    async fn propose(&mut self, asking: &[usize], people: &mut dyn People) {
        self.show(asking);
        let first = asking.iter().all(|t| !self.rows[*t].begun);
        let risk = |t: &usize| matches!(&self.rows[*t].state, State::Asking(p) if p.risky);
        let risky = asking.iter().any(risk);
        let mut order = VecDeque::new();
        if first {
            let alone = risky && asking.len() > 1;
            order = batches(asking, self.rows.len(), &self.how.serial, alone).into();
            if order.len() > 1 {
                self.say(&Many::Order { batches: order.make_contiguous(), alone });
            }
        }
        let names: Vec<&str> = asking.iter().map(|t| self.names[*t].as_str()).collect();
        let answer = loop {
            self.say(&Many::Asking);
            let asked = Instant::now();
            let reply = people.plans(&names).await;
            self.thinking += asked.elapsed();
            match reply {
                Reply::Again => self.say(&Many::Again),
                Reply::Answer(a) => break a,
            }
        };
        match answer {
            Answer::Yes | Answer::Step if first => {
                self.brake = Brake::new(self.how.max_fail.or(risky.then_some(1)));
                self.set_answer(answer);
                self.batches = order;
                // Not empty, as some ask.
                self.next_batch();
            }
            Answer::Yes | Answer::Step => {
                self.set_answer(answer);
                self.reply(asking, answer);
            }
            Answer::No | Answer::Nobody => {
                if answer == Answer::Nobody {
                    self.say(&Many::Nobody { count: asking.len() });
                }
                self.brake.pull("you said no");
                for target in asking {
                    self.say(&Many::Declined { target: *target });
                }
                self.reply(asking, answer);
            }
        }
    }

    fn set_answer(&mut self, answer: Answer) {
        self.answer = answer;
        if answer == Answer::Step {
            // One person answers for one host at a time.
            self.forks = 1;
        }
    }

    fn value(&mut self, targets: &[usize], value: Option<&str>) {
        for target in targets {
            match std::mem::replace(&mut self.rows[*target].state, State::Answered) {
                State::Deciding(_, reply) => {
                    self.next.push_back(Next::Value(*target, reply, value.map(str::to_owned)));
                }
                other => self.rows[*target].state = other,
            }
        }
    }

    fn reply(&mut self, targets: &[usize], answer: Answer) {
        for target in targets {
            match std::mem::replace(&mut self.rows[*target].state, State::Answered) {
                State::Asking(p) => self.next.push_back(Next::Leave(*target, p.reply, answer)),
                other => self.rows[*target].state = other,
            }
        }
    }

    /// The next batch may begin. False: there is none.
    fn next_batch(&mut self) -> bool {
        if !self.how.serial.is_empty() && !self.batch.is_empty() && self.batch.iter().all(|t| self.rows[*t].failed) {
            // As Ansible does.
            self.brake.pull("every host of the batch before failed");
        }
        let batch = self.batches.pop_front().unwrap_or_default();
        self.reply(&batch, self.answer);
        self.batch = batch;
        !self.batch.is_empty()
    }
}
