//! The person at the terminal: asked about plans, changes and variables.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::time::Duration;

use super::apply::HowArgs;
use super::choose::Choices;
use super::{Output, colour, say, width};
use crate::apply::{Answer, Ask, Asked, Interrupt, Leave};
use crate::plan::{Plan, Planned, Question};
use crate::report::{self, Redactor};

/// Until what was written into a pipe is on the screen, most likely: a question comes after what it is about.
const PIPE_DELAY: Duration = Duration::from_millis(150);

/// The person at the terminal.
pub(super) struct Terminal {
    pub yes: bool,
    pub step: bool,
    pub interactive: bool,
    /// The terminal itself, where what is printed goes through a pipe (`runbook apply … | tee log`).
    tty: Option<File>,
    interrupt: Interrupt,
    redactor: Redactor,
}

impl Terminal {
    /// Somebody is there where the answers come from a terminal and what they are about is seen on one, at once or through a
    /// pipe. What goes into a file is seen by nobody.
    pub(super) fn new(how: &HowArgs, interrupt: Interrupt, redactor: Redactor) -> Self {
        let human = how.output == Output::Human && std::io::stdin().is_terminal();
        let shown = std::io::stdout().is_terminal();
        let tty = if human && !shown && stdout_is_pipe() {
            OpenOptions::new().read(true).write(true).open("/dev/tty").ok()
        } else {
            None
        };
        let interactive = human && (shown || tty.is_some());
        Self { yes: how.yes, step: how.step, interactive, tty, interrupt, redactor }
    }

    /// A text of the conversation: not for a log.
    pub(super) fn tell(&mut self, text: &str) {
        match &mut self.tty {
            Some(tty) => drop(tty.write_all(text.as_bytes())),
            None => {
                say(text);
                let _ = std::io::stdout().flush();
            }
        }
    }

    /// A text with what came from outside made safe, and no secret in it.
    pub(super) fn safe(&self, text: &str) -> String {
        report::printable(&self.redactor.clean(text))
    }

    /// A line in lower case; `None` at the end of the input and at Ctrl-C.
    pub(super) async fn read(&mut self, question: &str) -> Option<String> {
        if self.tty.is_some() {
            let _ = std::io::stdout().flush();
            tokio::time::sleep(PIPE_DELAY).await;
        }
        self.tell(question);
        let tty = self.tty.as_ref().and_then(|t| t.try_clone().ok());
        // Left behind at Ctrl-C: the thread waits for a line that nobody needs, and ends with us.
        let line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            // A terminal gives one line at a time, so that nothing is lost with the buffer.
            let read = match tty {
                Some(tty) => BufReader::new(tty).read_line(&mut line),
                None => std::io::stdin().lock().read_line(&mut line),
            };
            read.ok().filter(|n| *n > 0).map(|_| line.trim().to_lowercase())
        });
        let answer = tokio::select! {
            l = line => Some(l.ok().flatten()),
            _ = self.interrupt.wait_for(|now| *now) => None,
        };
        answer.unwrap_or_else(|| {
            self.tell("\n");
            None
        })
    }

    /// Nobody is there: it is left, and the plan says how to decide it.
    pub(super) async fn about_variable(&mut self, q: &Question) -> Option<String> {
        if self.yes || !self.interactive {
            return None;
        }
        let choices = Choices::new(&q.choices);
        let help = report::wrap(&self.safe(&q.help), width()).join("\n");
        let question = self.safe(&format!("{}: {}? ", q.var, choices.shown()));
        self.tell(&format!("\n{}{}", help, if help.is_empty() { "" } else { "\n" }));
        loop {
            match choices.read(&self.read(&question).await?) {
                Some(answer) => return answer.map(str::to_owned),
                None => self.tell(&format!("{}; Enter leaves it\n", choices.keys())),
            }
        }
    }

    /// As `git add -p` asks, with the diff; what is no answer is asked again, and the end of the input ends it.
    pub(super) async fn about_change(&mut self, host: Option<&str>, planned: &Planned) -> Leave {
        let on = host.map(|h| self.safe(h) + ": ").unwrap_or_default();
        let title = self.safe(&planned.change.title());
        let body = report::change_body(planned, &self.redactor, colour(&std::io::stderr()), width());
        self.tell(&format!("\n  {on}{title}\n{body}"));
        let question = "  Make this change? [y]es / [n]o, leave it / [a]ll the rest / [q]uit: ";
        loop {
            match self.read(question).await.as_deref() {
                Some("y" | "yes") => return Leave::Yes,
                Some("n" | "no") => return Leave::Skip,
                Some("a" | "all") => return Leave::Rest,
                Some("q" | "quit") | None => return Leave::Quit,
                Some(_) => self.tell("  y, n, a or q\n"),
            }
        }
    }

    async fn about_plan(&mut self, plan: &Plan) -> Answer {
        if self.yes {
            return if self.step && self.interactive { Answer::Step } else { Answer::Yes };
        }
        if !self.interactive {
            return Answer::Nobody;
        }
        if self.step {
            return Answer::Step;
        }
        loop {
            let answer = self.read("\nMake these changes? [y]es / [n]o / [s]tep by step / [d]iff again: ").await;
            match answer.as_deref() {
                Some("y" | "yes") => return Answer::Yes,
                Some("n" | "no") | None => return Answer::No,
                Some("s" | "step") => return Answer::Step,
                Some("d" | "diff") => {
                    for p in &plan.changes {
                        let body = report::change_body(p, &self.redactor, colour(&std::io::stderr()), width());
                        let title = self.safe(&p.change.title());
                        self.tell(&format!("\n{title}\n{body}"));
                    }
                }
                Some(_) => self.tell("y, n, s or d\n"),
            }
        }
    }
}

impl Ask for Terminal {
    fn plan<'a>(&'a mut self, plan: &'a Plan) -> Asked<'a, Answer> {
        Box::pin(self.about_plan(plan))
    }
    fn decide<'a>(&'a mut self, question: &'a Question) -> Asked<'a, Option<String>> {
        Box::pin(self.about_variable(question))
    }
    fn change<'a>(&'a mut self, planned: &'a Planned) -> Asked<'a, Leave> {
        Box::pin(self.about_change(None, planned))
    }
}

/// Whether standard output is a pipe or a socket: something reads it, such as tee(1).
fn stdout_is_pipe() -> bool {
    let out = std::io::stdout().as_fd().try_clone_to_owned().map(File::from);
    out.and_then(|f| f.metadata()).is_ok_and(|m| m.file_type().is_fifo() || m.file_type().is_socket())
}
