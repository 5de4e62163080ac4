//! One target of many: its place in the run, and the [`Ask`] of its session, which asks for all of them together.

use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};

use crate::apply::risk::risky;
use crate::apply::{Answer, Ask, Asked, Leave};
use crate::book::Runbook;
use crate::channel::ChannelError;
use crate::plan::{Place, Plan, Planned, Question};
use crate::target::Target;

/// One target, and how to get there.
pub struct Member {
    /// As the user calls it.
    pub name: String,
    /// The runbook's variables, with its own values.
    pub vars: Map<String, Value>,
    /// Its channels in the order of preference, at least one; or why it has none.
    pub ways: Result<Vec<(Place, Target)>, ChannelError>,
}

/// What a session waits for.
pub(super) enum Wait {
    /// Leave to make the changes of its plan.
    Plan(Proposal),
    /// A variable's value.
    Decide(Question, oneshot::Sender<Option<String>>),
    /// Leave to make one change.
    Change(Box<Planned>, oneshot::Sender<Leave>),
}

/// A plan that waits for an answer.
pub(super) struct Proposal {
    /// It could cut the way to its host.
    pub risky: bool,
    /// Some of it is unresolved whatever is done, so the host's own exit code cannot be 0.
    pub unresolved: bool,
    pub reply: oneshot::Sender<Answer>,
}

/// Asks through the coordinator.
pub(super) struct Messenger<'a> {
    pub host: usize,
    pub book: &'a Runbook,
    pub to: mpsc::UnboundedSender<(usize, Wait)>,
}

impl Messenger<'_> {
    async fn send<T>(&self, make: impl FnOnce(oneshot::Sender<T>) -> Wait) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.to.send((self.host, make(reply))).ok()?;
        answer.await.ok()
    }
}

impl Ask for Messenger<'_> {
    fn plan<'a>(&'a mut self, plan: &'a Plan) -> Asked<'a, Answer> {
        let (risky, unresolved) = (risky(self.book, plan), plan.unresolved());
        Box::pin(async move {
            self.send(|reply| Wait::Plan(Proposal { risky, unresolved, reply })).await.unwrap_or(Answer::No)
        })
    }
    fn decide<'a>(&'a mut self, question: &'a Question) -> Asked<'a, Option<String>> {
        Box::pin(async move { self.send(|reply| Wait::Decide(question.clone(), reply)).await.flatten() })
    }
    fn change<'a>(&'a mut self, planned: &'a Planned) -> Asked<'a, Leave> {
        let change = Box::new(planned.clone());
        Box::pin(async move { self.send(|reply| Wait::Change(change, reply)).await.unwrap_or(Leave::Quit) })
    }
}
