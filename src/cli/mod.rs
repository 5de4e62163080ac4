//! The command line: one file per subcommand.

mod access;
mod again;
mod apply;
mod choose;
mod complete;
mod completions;
mod find;
mod habits;
mod interrupt;
mod lint;
mod list;
mod many;
mod new;
mod ping;
mod prompter;
mod report;
mod runs;
mod schema;
mod secret;
mod show;
mod source;
mod targets;
mod test;
mod undo;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::{LazyLock, PoisonError, RwLock};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::apply::exit;
use crate::book::excerpt::hide_secrets;
use crate::book::{Diagnostic, Runbook};
use crate::report::{Redactor, fold, printable, terminal};

/// Diagnoses a broken host and repairs it from a runbook, over any channel that still works.
#[derive(Parser)]
#[command(name = "runbook", version, max_term_width = 80, after_help = after_help())]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Find what is wrong, show what would be done, ask, do it, prove it
    Apply(apply::Args),
    /// Find what is wrong and show what would be done; change nothing
    Plan(apply::Args),
    /// Check runbooks; nothing of them runs
    Lint(lint::Args),
    /// Begin a runbook, with fixtures that it passes
    New(new::Args),
    /// Try runbooks on fixtures, with no host and no root; or make a fixture of a host
    Test(test::Args),
    /// List runbooks: those that come with the program, and those of git sources
    List(list::Args),
    /// Tell a past run: for a ticket, or as a page for a postmortem
    Report(report::Args),
    /// Find the runbook that answers an error
    Find(find::Args),
    /// Explain a runbook: what it looks at, and what it does about it
    Show(show::Args),
    /// Try every channel of a target, or many targets: do they work, as whom, how fast, why not
    Ping(ping::Args),
    /// List past runs, or show one
    Runs(runs::Args),
    /// Take a past run back: shown first, with diffs, as a plan
    Undo(undo::Args),
    /// Runbooks of git repositories, each at a locked commit
    Source(source::Args),
    /// Print the JSON Schema of runbooks, for editors
    Schema(schema::Args),
    /// Print what makes a shell complete commands, flags, runbooks, runs, hosts and variables
    Completions(completions::Args),
    /// Print or write the manual pages
    Man(completions::ManArgs),
}

/// The formats of `-o`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
enum Output {
    /// For reading
    Human,
    /// One document at the end
    Json,
    /// One event a line, as it happens
    Jsonl,
}

fn after_help() -> String {
    let mut out = String::from("Exit codes:\n");
    for (code, meaning) in exit::ALL {
        out.push_str(&format!("  {code:<4} {meaning}\n"));
    }
    out
}

/// Every command with its flags, for docs.
#[must_use]
pub fn commands() -> clap::Command {
    Cli::command()
}

/// Flags of other programs with what they are here, for docs.
#[must_use]
pub fn habits() -> &'static [(&'static str, &'static str)] {
    habits::TABLE
}

/// Why a command ended early.
enum Failure {
    /// Errors with places.
    Diagnostics(Vec<Diagnostic>),
    /// A sentence and a hint.
    Usage(String, Option<String>),
}

impl From<Vec<Diagnostic>> for Failure {
    fn from(d: Vec<Diagnostic>) -> Self {
        Failure::Diagnostics(d)
    }
}

impl Failure {
    fn usage<W: Into<String>, H: Into<String>>(why: W, hint: H) -> Self {
        Failure::Usage(why.into(), Some(hint.into()))
    }
    /// What the user sees on stderr.
    fn text(&self) -> String {
        match self {
            Failure::Diagnostics(d) => render(d),
            Failure::Usage(why, hint) => {
                let lines = |first: &str, text: &str| {
                    let text = &printable(text);
                    let pad = " ".repeat(first.len());
                    let lines = fold(text, width().saturating_sub(first.len()));
                    let line = |(n, l): (usize, &String)| format!("{}{l}\n", if n == 0 { first } else { &pad });
                    lines.iter().enumerate().map(line).collect::<String>()
                };
                lines("error: ", why) + &hint.as_ref().map(|h| lines("  hint: ", h)).unwrap_or_default()
            }
        }
    }
    /// The same for a program, in the shape of lint's.
    fn json(&self) -> String {
        let errors: Vec<_> = match self {
            Failure::Diagnostics(d) => without_secrets(d).iter().map(Diagnostic::to_json).collect(),
            Failure::Usage(why, hint) => {
                let d = Diagnostic { hint: hint.clone(), ..Diagnostic::new("usage", why.clone()) };
                vec![d.to_json()]
            }
        };
        let exit = exit::USAGE;
        secrets()
            .clean(&format!("{}\n", serde_json::json!({"schema": 1, "errors": errors, "warnings": [], "exit": exit})))
    }
}

/// The names of the variables that the runbook of this process declares as secrets: no line of a source shows their values.
static SECRET_NAMES: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// Learns them, before anything else is read.
fn learn_secret_names(book: &Runbook) {
    let names = book.vars.0.iter().filter(|v| v.is_secret()).map(|v| v.name.clone());
    SECRET_NAMES.write().unwrap_or_else(PoisonError::into_inner).extend(names);
}

fn is_declared_secret(name: &str) -> bool {
    SECRET_NAMES.read().unwrap_or_else(PoisonError::into_inner).iter().any(|n| n == name)
}

fn without_secrets(d: &[Diagnostic]) -> Vec<Diagnostic> {
    hide_secrets(d.to_vec(), &is_declared_secret)
}

/// Errors with their lines and carets, and how many there are.
fn render(diagnostics: &[Diagnostic]) -> String {
    let diagnostics = without_secrets(diagnostics);
    let colour = colour(&std::io::stderr());
    // What has no place in a text is a sentence and a hint.
    let one = |d: &Diagnostic| match &d.spot {
        Some(_) => d.render(colour, width()) + "\n",
        None => Failure::Usage(d.message.clone(), d.hint.clone()).text(),
    };
    let mut out: String = diagnostics.iter().map(one).collect();
    if diagnostics.len() > 1 {
        out.push_str(&format!("{} errors; nothing has run\n", diagnostics.len()));
    }
    out
}

/// Colour only on a terminal, and only if it is wanted (no-color.org).
fn colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
        && std::env::var("TERM").is_ok_and(|t| t != "dumb")
}

/// What texts are wrapped to: the terminal's width, or COLUMNS; 80 where nobody looks. Lines of more than 100 are hard to
/// read, and below 40 nothing fits.
fn width() -> usize {
    let set = || std::env::var("COLUMNS").ok()?.parse().ok();
    let seen = || terminal_size::terminal_size().map(|(w, _)| usize::from(w.0));
    let looked_at = std::io::stdout().is_terminal() || std::io::stderr().is_terminal();
    let there = looked_at.then(|| set().or_else(seen)).flatten();
    there.map_or(80, |w: usize| w.clamp(40, 100))
}

/// A diagnostic that stops nothing.
fn warning(d: &Diagnostic) -> String {
    let shown: String = without_secrets(std::slice::from_ref(d))
        .iter()
        .map(|d| d.render(colour(&std::io::stderr()), width()))
        .collect();
    shown.replacen("error:", "warning:", 1) + "\n"
}

/// On stderr, so that what is asked for stays alone on stdout.
fn warn(text: &str) {
    terminal::put(&mut std::io::stderr(), &secrets().clean(text), colour(&std::io::stderr()));
}

fn say(text: &str) {
    terminal::put(&mut std::io::stdout(), text, colour(&std::io::stdout()));
}

/// What waits for channels, on this thread.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let made = tokio::runtime::Builder::new_current_thread().enable_all().build();
    made.map_err(|e| Failure::usage(format!("cannot start: {e}"), "are there too many open files (ulimit -n)?"))
}

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    if let Ok(socket) = std::env::var(crate::channel::ASKPASS) {
        let prompt = std::env::args().nth(1).unwrap_or_default();
        return ExitCode::from(crate::channel::askpass(&socket, &prompt));
    }
    if let Some(code) = complete::answer() {
        return code;
    }
    let words: Vec<String> = std::env::args_os().map(|w| w.to_string_lossy().into_owned()).collect();
    let instead = |(why, hint)| {
        warn(&Failure::usage::<String, String>(why, hint).text());
        ExitCode::from(exit::USAGE)
    };
    if let Some(said) = habits::misread(&words) {
        return instead(said);
    }
    let cli = match Cli::try_parse() {
        Ok(c) => c,
        Err(e) => {
            if let Some(said) = habits::meant(&e, &words) {
                return instead(said);
            }
            let stderr = e.use_stderr();
            let tint = if stderr { colour(&std::io::stderr()) } else { colour(&std::io::stdout()) };
            let text = if tint { e.render().ansi().to_string() } else { e.render().to_string() };
            if stderr {
                warn(&text)
            } else {
                say(&text)
            }
            return ExitCode::from(if stderr { exit::USAGE } else { exit::OK });
        }
    };
    logging();
    // What a program asked for, it can read in every case.
    let for_program = match &cli.command {
        Command::Apply(a) | Command::Plan(a) => a.how.output != Output::Human,
        Command::Undo(a) => a.how.output != Output::Human,
        Command::Ping(a) => a.output != Output::Human,
        _ => false,
    };
    let result = match cli.command {
        Command::Apply(a) => apply::run(&a, false),
        Command::Plan(a) => apply::run(&a, true),
        Command::Lint(a) => lint::run(&a),
        Command::New(a) => new::run(&a),
        Command::Test(a) => test::run(&a),
        Command::List(a) => list::run(&a),
        Command::Show(a) => show::run(&a),
        Command::Ping(a) => ping::run(&a),
        Command::Runs(a) => runs::run(&a),
        Command::Undo(a) => undo::run(&a),
        Command::Find(a) => find::run(&a),
        Command::Source(a) => source::run(&a),
        Command::Report(a) => report::run(&a),
        Command::Schema(a) => schema::run(&a),
        Command::Completions(a) => completions::run(&a),
        Command::Man(a) => completions::man(&a),
    };
    ExitCode::from(result.unwrap_or_else(|f| {
        if for_program {
            say(&f.json());
        }
        warn(&f.text());
        exit::USAGE
    }))
}

/// What no output of this process shows.
fn secrets() -> Redactor {
    static SECRETS: LazyLock<Redactor> = LazyLock::new(Redactor::default);
    SECRETS.clone()
}

/// `RUNBOOK_LOG=debug` shows what is sent; off otherwise.
fn logging() {
    if let Ok(filter) = std::env::var("RUNBOOK_LOG") {
        let filter = tracing_subscriber::EnvFilter::new(filter);
        let _ = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_writer(|| Log(secrets()))
            .try_init();
    }
}

/// Standard error without secrets; an event comes in one piece.
struct Log(Redactor);

impl Write for Log {
    fn write(&mut self, event: &[u8]) -> std::io::Result<usize> {
        terminal::put(&mut std::io::stderr(), &self.0.clean(&String::from_utf8_lossy(event)), false);
        Ok(event.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}
