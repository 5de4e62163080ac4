//! `runbook apply` and `runbook plan`.

use std::io::IsTerminal;
use std::time::Duration;

use clap_complete::engine::ArgValueCompleter;
use serde_json::{Map, Value};

use super::access::{Access, AccessArgs};
use super::interrupt::on_interrupt;
use super::many::{self, ManyArgs};
use super::prompter::Terminal;
use super::secret::secret;
use super::targets::{Chosen, TargetArgs};
use super::{Failure, Output, colour, learn_secret_names, say, secrets, warn, warning, width};
use super::{again, complete};
use crate::apply::{Options, Session, exit};
use crate::book::excerpt::{hide_secrets, is_secret_name};
use crate::book::{self, Diagnostic, Given, Runbook, VarKind};
use crate::channel::{Dead, Login, Url};
use crate::plan::{Place, Tags};
use crate::report::terminal::ascii;
use crate::report::{Human, Json, JsonLines, Redactor, Sink, wrap};
use crate::source;
use crate::target::Target;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// A path, a name (`runbook list`), or GIT-URL//PATH@REV
    #[arg(add = ArgValueCompleter::new(complete::runbooks))]
    runbook: String,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    access: AccessArgs,
    /// A variable: NAME=VALUE; several: {NAME: VALUE, …}, or @FILE (YAML)
    #[arg(short = 'e', long = "extra-vars", value_name = "K=V", add = ArgValueCompleter::new(complete::variables))]
    extra: Vec<String>,
    #[command(flatten)]
    pub(super) how: HowArgs,
    /// Only steps with one of these tags
    #[arg(long, value_delimiter = ',')]
    tags: Vec<String>,
    /// No step with one of these tags
    #[arg(long, value_delimiter = ',')]
    skip_tags: Vec<String>,
    /// List the steps and end
    #[arg(long)]
    list_steps: bool,
    /// Run what a runbook from git runs, without asking, from now on at this commit
    #[arg(long)]
    trust: bool,
    #[command(flatten)]
    pub(super) many: ManyArgs,
}

/// How a run is to go, and how it is told.
#[derive(clap::Args, Debug)]
pub(super) struct HowArgs {
    /// Make the changes without asking
    #[arg(short = 'y', long)]
    pub yes: bool,
    /// Plan only, change nothing
    #[arg(short = 'n', long, visible_alias = "check", visible_short_alias = 'C')]
    pub dry_run: bool,
    /// Diffs are always shown; for hands used to Ansible
    #[arg(short = 'D', long, hide = true)]
    diff: bool,
    /// Ask before each change
    #[arg(long)]
    pub step: bool,
    /// What could cut the way to the host is taken back there unless it is confirmed within this time
    #[arg(long, value_name = "D", default_value = "60s", value_parser = window)]
    pub confirm_within: Duration,
    /// Nothing is taken back by itself
    #[arg(long, conflicts_with = "confirm_within")]
    pub no_guard: bool,
    /// How to say it
    #[arg(short = 'o', long, value_enum, default_value = "human")]
    pub output: Output,
    /// More: skipped steps, evidence, what went over the wire
    #[arg(short = 'v', long, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// A window of the guard: long enough for a restart and a new login, short enough to wait for.
fn window(text: &str) -> Result<Duration, String> {
    let within = crate::module::parse_duration(text).ok_or("a time like 60s or 5m")?;
    if !(5..=3600).contains(&within.as_secs()) {
        return Err("from 5s to 1h".into());
    }
    Ok(within)
}

impl HowArgs {
    /// Ansible has four degrees of it; here there is one.
    pub(super) fn verbose(&self) -> bool {
        self.verbose > 0
    }
}

pub(super) fn run(a: &Args, dry: bool) -> Result<u8, Failure> {
    let (book, origin) = source::find(&a.runbook)?;
    if a.list_steps {
        say(&book
            .steps
            .iter()
            .enumerate()
            .map(|(n, s)| format!("{:>3}  {}\n", n + 1, s.name.text))
            .collect::<String>());
        return Ok(exit::OK);
    }
    let known: Vec<&String> = book.steps.iter().flat_map(|s| &s.tags).collect();
    if let Some(bad) = a.tags.iter().chain(&a.skip_tags).find(|t| !known.contains(t)) {
        let mut list: Vec<&str> = known.iter().map(|t| t.as_str()).collect();
        list.sort_unstable();
        list.dedup();
        let hint =
            if list.is_empty() { "this runbook has no tags".into() } else { format!("tags: {}", list.join(", ")) };
        return Err(Failure::usage(format!("no step has the tag \"{bad}\""), hint));
    }
    learn_secret_names(&book);
    trusted(&book, &origin, a.trust, a.how.yes && !dry && !a.how.dry_run)?;
    if a.many.list_hosts {
        say(&a.target.names()?.iter().map(|name| format!("{name}\n")).collect::<String>());
        return Ok(exit::OK);
    }
    let mut chosen = a.target.choose()?;
    let access = a.access.read()?;
    let runtime = super::runtime()?;
    let (mut vars, secrets) = runtime.block_on(variables(&book, &chosen, &a.extra, a.access.allow_short_secrets))?;
    let dry = dry || a.how.dry_run;
    access.redactor.learn(secrets);
    let code = match (chosen.len(), chosen.pop(), vars.pop()) {
        (1, Some(chosen), Some(vars)) => runtime.block_on(go(&a.how, tags(a), &book, vars, chosen, &access, dry)),
        (_, last, vars_of_last) => {
            let all = chosen.into_iter().chain(last).zip(vars.into_iter().chain(vars_of_last)).collect();
            runtime.block_on(many::go(a, &book, all, &access, dry))
        }
    };
    // A probe that hangs in the kernel must not hold up our own end.
    runtime.shutdown_timeout(Duration::from_millis(100));
    code
}

/// Before anything of it runs: what a runbook from git would run, and whether somebody trusts that at this commit.
///
/// `unasked`: nobody will be asked about its changes, either; one to a crontab is as good as a command.
fn trusted(book: &Runbook, origin: &source::Origin, trust: bool, unasked: bool) -> Result<(), Failure> {
    let demands = source::trust::demands(book);
    if (demands.is_empty() && !unasked) || source::trust::is_trusted(origin) {
        return Ok(());
    }
    if !trust {
        let from = origin.shown();
        let what = if demands.is_empty() { "With --yes it changes things unasked." } else { "It would do this:" };
        let head = format!("\"{}\" is from {from}, and nobody has trusted it there yet. {what}", book.name);
        warn(&format!("{}\n", wrap(&ascii(&head), width()).join("\n")));
        // Letter by letter: what looks like a known name may be another one.
        for d in &demands {
            warn(&format!("  {}\n", ascii(d)));
        }
        let refused = |why: &str| Failure::usage(why, "--trust says yes; runbook show explains it, and runs nothing");
        if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
            return Err(refused("it is not trusted, and there is nobody to ask"));
        }
        warn("Trust it at this commit? [y]es / [n]o: ");
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        if read.is_err() || !matches!(answer.trim(), "y" | "yes") {
            return Err(refused("it is not trusted; nothing has run"));
        }
    }
    let unwritten = |e: std::io::Error| {
        Failure::usage(
            format!("what was trusted cannot be written down: {e}"),
            "set XDG_STATE_HOME to a writable directory",
        )
    };
    source::trust::remember(origin).map_err(unwritten)
}

/// One target.
pub(super) async fn go(
    how: &HowArgs,
    tags: Tags,
    book: &Runbook,
    vars: Map<String, Value>,
    mut chosen: Chosen,
    access: &Access,
    dry: bool,
) -> Result<u8, Failure> {
    let redactor = access.redactor.clone();
    let out = std::io::stdout();
    let live = out.is_terminal() && how.output == Output::Human;
    let mut sink: Box<dyn Sink> = match how.output {
        Output::Human => {
            let tint = colour(&std::io::stdout());
            let human = Human::new(out, redactor.clone(), tint, live, how.verbose(), dry);
            Box::new(human.wide(width()).invoked_as(again::this()))
        }
        Output::Json => Box::new(Json::new(out, redactor.clone())),
        Output::Jsonl => Box::new(JsonLines::new(out, redactor.clone())),
    };
    let (options, mut ask) = engine(how, tags, redactor, dry)?;
    let controller = controller()?;
    chosen.look_up(access).await;
    let ways = open(chosen, access).await;
    let mut session = Session::new(book, vars, &ways, &controller, &options, sink.as_mut(), &mut ask);
    Ok(session.run().await)
}

/// The steps that are asked for.
pub(super) fn tags(a: &Args) -> Tags {
    Tags { only: a.tags.clone(), skip: a.skip_tags.clone() }
}

/// How the engine is to go, and who is asked.
pub(super) fn engine(how: &HowArgs, tags: Tags, redactor: Redactor, dry: bool) -> Result<(Options, Terminal), Failure> {
    let interrupt = on_interrupt();
    let ask = Terminal::new(how, interrupt.clone(), redactor.clone());
    if how.step && !dry && !ask.interactive {
        return Err(Failure::usage(
            "--step asks before each change, and there is nobody to ask",
            "at a terminal, with -o human; without --step, --yes makes all of them",
        ));
    }
    let guard = (!how.no_guard).then_some(how.confirm_within);
    let invocation = again::this();
    Ok((Options { dry_run: dry, tags, guard, interrupt: Some(interrupt), redactor, invocation }, ask))
}

/// This machine, for what is looked at from here.
pub(super) fn controller() -> Result<Target, Failure> {
    let local = Url::parse("local:").and_then(|u| u.open(&Login::default()));
    Ok(Target::new(local.map_err(|e| Failure::Usage(e.why, e.hint))?))
}

/// The channels of a target. One that cannot be opened is tried like any other, and then it is said why not.
pub(super) async fn open(chosen: Chosen, access: &Access) -> Vec<(Place, Target)> {
    let mut ways = Vec::new();
    for (mut place, way) in chosen.ways {
        place.login = access.login(&way);
        let target = access.open(&way, chosen.elevate.as_ref()).await;
        ways.push((place, target.unwrap_or_else(|e| Target::new(Box::new(Dead(e))))));
    }
    ways
}

/// Every variable's value, for each target, and the secrets among them.
pub(super) async fn variables(
    book: &Runbook,
    chosen: &[Chosen],
    extra: &[String],
    short_allowed: bool,
) -> Result<(Vec<Map<String, Value>>, Vec<String>), Failure> {
    let mut errors: Vec<Diagnostic> = Vec::new();
    let mut said: Vec<Given> = Vec::new();
    for e in extra {
        match book::parse_extra(e) {
            Ok(g) => said.extend(g),
            Err(d) => errors.extend(hide_secrets(d, &is_secret_name)),
        }
    }
    // Before anything is said about a value.
    let declared = |g: &&Given| book.vars.get(&g.name).is_some_and(book::Var::is_secret);
    let given = chosen.iter().flat_map(|c| &c.given).chain(&said).filter(declared);
    secrets().learn(given.filter_map(|g| g.value.as_str().map(str::to_owned)));
    for w in book.vars.warnings(&said) {
        warn(&warning(&w));
    }
    let readable = errors.is_empty();
    let mut all = Vec::new();
    for c in chosen {
        // What the inventory says and this runbook does not know is for other runbooks.
        let own = c.given.iter().filter(|g| book.vars.get(&g.name).is_some());
        let given: Vec<Given> = own.chain(&said).cloned().collect();
        // Where a value could not be read at all, "it has no value" would only follow from that.
        match book.vars.resolve(&given) {
            Ok(vars) => all.push(vars),
            // What is wrong for each target is said once.
            Err(d) if readable => {
                errors.extend(
                    d.into_iter()
                        .filter(|d| !errors.iter().any(|e| e.to_string() == d.to_string()))
                        .collect::<Vec<_>>(),
                );
            }
            Err(_) => {}
        }
    }
    if !errors.is_empty() {
        return Err(errors.into());
    }
    let mut found = Vec::new();
    for v in &book.vars.0 {
        let VarKind::Secret(from) = &v.kind else { continue };
        if all.iter().any(|vars| !vars.contains_key(&v.name)) {
            match secret(from, &v.name).await {
                Ok(s) => {
                    for vars in &mut all {
                        vars.entry(v.name.clone()).or_insert_with(|| s.clone().into());
                    }
                }
                Err(_) if v.optional => {}
                Err(why) => {
                    return Err(Failure::usage(
                        format!("the secret \"{}\" cannot be had: {why}", v.name),
                        v.help.clone(),
                    ));
                }
            }
        }
        let values: Vec<String> =
            all.iter().filter_map(|vars| vars.get(&v.name)?.as_str().map(str::to_owned)).collect();
        if values.iter().any(|s| !s.is_empty() && !Redactor::can_hide(s)) {
            too_short(&v.name, short_allowed)?;
        }
        found.extend(values);
    }
    found.sort_unstable();
    found.dedup();
    Ok((all, found))
}

/// What is as short as that stands in half of all words: to hide it would hide what the report says.
fn too_short(name: &str, allowed: bool) -> Result<(), Failure> {
    let why = format!("the secret \"{name}\" has less than four characters, and is shown wherever it stands");
    if !allowed {
        return Err(Failure::usage(why, "take a longer one, or go on with --allow-short-secrets"));
    }
    warn(&format!("warning: {why}\n"));
    Ok(())
}
