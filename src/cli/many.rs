//! `runbook apply` and `runbook plan` over several targets.

use std::cell::RefCell;
use std::io::IsTerminal;

use futures_util::stream::{self, StreamExt};
use serde_json::{Map, Value};

use super::access::Access;
use super::apply::{Args, controller, engine, open, tags};
use super::prompter::Terminal;
use super::targets::Chosen;
use super::{Failure, Output, colour, width};
use crate::apply::fleet::{self, How, Member, People, Reply, Serial};
use crate::apply::{Answer, Asked, Leave};
use crate::book::Runbook;
use crate::plan::{Planned, Question};
use crate::report;
use crate::report::fleet::{Crowd, HumanFleet, JsonFleet, JsonLinesFleet};

#[derive(clap::Args, Debug)]
pub(super) struct ManyArgs {
    /// Targets that are worked on at a time
    #[arg(long, short = 'f', value_name = "N", default_value_t = 20, value_parser = some)]
    forks: usize,
    /// Repair in batches of so many targets (5, 30%); the last size is used again
    #[arg(long, value_name = "N|N%", value_delimiter = ',')]
    serial: Vec<Serial>,
    /// Begin no further target after so many failed; 1 where a change could lock
    /// somebody out, else any number
    #[arg(long, value_name = "N", value_parser = some)]
    max_fail: Option<usize>,
    /// List the targets and end
    #[arg(long)]
    pub list_hosts: bool,
}

/// A number of targets; none would be no run.
fn some(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "a number of targets, 1 or more".into())
}

/// Runs it; the worst exit code.
pub(super) async fn go(
    a: &Args,
    book: &Runbook,
    mut chosen: Vec<(Chosen, Map<String, Value>)>,
    access: &Access,
    dry: bool,
) -> Result<u8, Failure> {
    let redactor = access.redactor.clone();
    let out = std::io::stdout();
    let size = terminal_size::terminal_size().filter(|_| out.is_terminal());
    let size = size.map(|(w, h)| (w.0, h.0)).or(out.is_terminal().then_some((80, 24)));
    let tint = colour(&out);
    let human = |r| {
        HumanFleet::new(std::io::stdout(), r, tint, size, a.how.verbose(), dry)
            .wide(width())
            .invoked_as(super::again::this())
    };
    let report: Box<RefCell<dyn Crowd>> = match a.how.output {
        Output::Human => Box::new(RefCell::new(human(redactor.clone()))),
        Output::Json => Box::new(RefCell::new(JsonFleet::new(out, redactor.clone()))),
        Output::Jsonl => Box::new(RefCell::new(JsonLinesFleet::new(out, redactor.clone()))),
    };
    let (options, mut person) = engine(&a.how, tags(a), redactor, dry)?;
    let controller = controller()?;
    stream::iter(&mut chosen).for_each_concurrent(a.many.forks, |(c, _)| c.look_up(access)).await;
    let mut members = Vec::new();
    for (mut chosen, vars) in chosen {
        let name = chosen.name.clone();
        // One that cannot even be tried is that target's result, and no other's.
        let ways = match chosen.broken.take() {
            Some(why) => Err(why),
            None => Ok(open(chosen, access).await),
        };
        members.push(Member { name, vars, ways });
    }
    let yes = person.yes && !(person.step && person.interactive);
    let how = How { forks: a.many.forks, serial: a.many.serial.clone(), max_fail: a.many.max_fail, yes };
    Ok(fleet::run(book, members, &controller, &options, &how, &report, &mut person).await)
}

impl Terminal {
    async fn about_plans(&mut self, targets: &[&str]) -> Reply {
        let answer = |a| Reply::Answer(a);
        if self.yes && !(self.step && self.interactive) {
            return answer(Answer::Yes);
        }
        if !self.interactive {
            return answer(Answer::Nobody);
        }
        if self.step {
            return answer(Answer::Step);
        }
        let on = match targets {
            [one] => self.safe(one),
            many => format!("{} hosts", many.len()),
        };
        let question = format!("\nMake these changes on {on}? [y]es / [n]o / [s]tep by step / [d]iff again: ");
        loop {
            match self.read(&question).await.as_deref() {
                Some("y" | "yes") => return answer(Answer::Yes),
                Some("n" | "no") | None => return answer(Answer::No),
                Some("s" | "step") => return answer(Answer::Step),
                Some("d" | "diff") => return Reply::Again,
                Some(_) => self.tell("y, n, s or d\n"),
            }
        }
    }
}

impl People for Terminal {
    fn listen(&self) -> bool {
        self.interactive && !self.yes
    }
    fn plans<'a>(&'a mut self, targets: &'a [&'a str]) -> Asked<'a, Reply> {
        Box::pin(self.about_plans(targets))
    }
    fn decide<'a>(&'a mut self, question: &'a Question, targets: &'a [&'a str]) -> Asked<'a, Option<String>> {
        let hosts = if targets.len() == 1 { "1 host asks" } else { "hosts ask" };
        let count = if targets.len() == 1 { String::new() } else { format!("{} ", targets.len()) };
        let names = self.safe(&targets.join(", "));
        self.tell(&format!("\n{}\n", report::wrap(&format!("{count}{hosts}: {names}"), width()).join("\n")));
        Box::pin(self.about_variable(question))
    }
    fn change<'a>(&'a mut self, target: &'a str, planned: &'a Planned) -> Asked<'a, Leave> {
        Box::pin(self.about_change(Some(target), planned))
    }
}
