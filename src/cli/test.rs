//! `runbook test`: fixtures, with no host and no root; and `--record`, which makes one of a host.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::ValueEnum;
use serde_json::{Map, Value};

use super::access::{Access, AccessArgs};
use super::targets::TargetArgs;
use super::{Failure, apply, say, warn};
use crate::apply::exit;
use crate::book::{Runbook, VarKind};
use crate::fixture::{self, EXPECT, Expected, Fixture, HOST, ROOT};
use crate::plan::diff;
use crate::report::tried::{self, Outcome, Tried};
use crate::{book, report};

#[derive(clap::Args, Debug)]
#[command(
    after_help = "A fixture is a folder: host.yaml (what the host answers), root/ (its files), expect.yaml (what the \
                        runbook makes of it). They are in tests/NAME beside NAME.yaml, or in tests/FOLDER/NAME beside the \
                        FOLDER that runbooks have of their own."
)]
pub(super) struct Args {
    /// Runbooks
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Only fixtures of this name
    #[arg(long, value_name = "FIXTURE")]
    only: Vec<String>,
    /// Where the fixtures of each runbook are, in a folder of its name
    #[arg(long, value_name = "DIR")]
    fixtures: Option<PathBuf>,
    /// Write what came of it into expect.yaml, to be read with git diff
    #[arg(long)]
    update: bool,
    /// Make a fixture of this name of a real host (-t, --via); nothing is changed there
    #[arg(long, value_name = "FIXTURE", conflicts_with_all = ["only", "update"])]
    record: Option<String>,
    /// With --record: only what differs from this fixture
    #[arg(long, value_name = "FIXTURE", requires = "record")]
    from: Option<String>,
    /// With --record: what is wrong with the host, in a sentence
    #[arg(long, value_name = "TEXT", requires = "record")]
    about: Option<String>,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    access: AccessArgs,
    /// With --record: a variable
    #[arg(short = 'e', long = "extra-vars", value_name = "K=V")]
    extra: Vec<String>,
    /// How to say it
    #[arg(short = 'o', long, value_enum, default_value = "human")]
    output: Form,
}

/// The formats of `-o` here.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
enum Form {
    /// For reading
    Human,
    /// One document
    Json,
    /// JUnit XML, for CI
    Junit,
}

pub(super) fn run(a: &Args) -> Result<u8, Failure> {
    let runtime = super::runtime()?;
    if let Some(name) = &a.record {
        return runtime.block_on(record(a, name));
    }
    let mut all = Vec::new();
    for file in &a.files {
        let (book, folder) = open(a, file)?;
        let names = fixture::names(&folder);
        if let Some(bad) = a.only.iter().find(|o| !names.contains(o)) {
            let hint = format!("there are: {}", names.join(", "));
            return Err(Failure::usage(format!("{file} has no fixture \"{bad}\""), hint));
        }
        if names.is_empty() {
            return Err(none(file, &folder));
        }
        for name in names.iter().filter(|n| a.only.is_empty() || a.only.contains(n)) {
            let started = Instant::now();
            let outcome = runtime.block_on(try_one(&book, &folder, name, a.update));
            let seconds = started.elapsed().as_secs_f64();
            all.push(Tried { book: file.clone(), name: name.clone(), seconds, outcome });
        }
    }
    match a.output {
        Form::Human => say(&tried::human(&all)),
        Form::Json => say(&format!("{:#}\n", tried::document(&all))),
        Form::Junit => say(&tried::junit(&all)),
    }
    Ok(if all.iter().any(Tried::failed) { exit::FAILED } else { exit::OK })
}

fn open(a: &Args, file: &str) -> Result<(Runbook, PathBuf), Failure> {
    let path = Path::new(file);
    if !path.is_file() {
        return Err(Failure::usage(format!("{file} is no file"), "runbook test takes runbooks that are files here"));
    }
    let folder = match &a.fixtures {
        Some(dir) => dir.join(path.file_stem().unwrap_or_default()),
        None => fixture::folder(path),
    };
    Ok((book::load(path)?, folder))
}

fn none(file: &str, folder: &Path) -> Failure {
    Failure::usage(
        format!("{file} has no fixtures in {}", folder.display()),
        format!(
            "runbook test {file} --record NAME -t HOST makes one of a real host; runbook new makes a runbook with one"
        ),
    )
}

pub(super) async fn try_one(book: &Runbook, folder: &Path, name: &str, update: bool) -> Outcome {
    let made = async {
        let fixture = Fixture::read(folder, name)?;
        let (plan, missing) = fixture.plan(book).await?;
        Ok::<_, String>((fixture.dir.join(EXPECT), Expected::of(&plan), missing))
    };
    let (path, got, missing) = match made.await {
        Ok(made) => made,
        Err(why) => return Outcome::Failed(why),
    };
    if !missing.is_empty() {
        let list: String = missing.iter().map(|m| format!("\n  {m}")).collect();
        let dir = folder.join(name);
        return Outcome::Failed(format!("the runbook asks what {} does not say:{list}", dir.join(HOST).display()));
    }
    let expected = match Expected::read(&path) {
        Ok(expected) => expected,
        Err(why) if !update => return Outcome::Failed(why),
        Err(_) => None,
    };
    if expected.as_ref() == Some(&got) {
        return Outcome::Passed;
    }
    if update {
        return match std::fs::write(&path, got.text()) {
            Ok(()) => Outcome::Written,
            Err(e) => Outcome::Failed(format!("{}: {e}", path.display())),
        };
    }
    match expected {
        None => Outcome::Failed(format!("{} is not there: --update writes it", path.display())),
        Some(expected) => Outcome::Failed(differ(&expected, &got)),
    }
}

fn differ(expected: &Expected, got: &Expected) -> String {
    let diff = diff::unified(expected.text().as_bytes(), got.text().as_bytes(), EXPECT, "what it makes of it now");
    String::from_utf8_lossy(&diff).into_owned()
}

async fn record(a: &Args, name: &str) -> Result<u8, Failure> {
    let [file] = a.files.as_slice() else {
        return Err(Failure::usage("--record makes one fixture", "name one runbook"));
    };
    let (book, folder) = open(a, file)?;
    super::learn_secret_names(&book);
    let plain = |n: &str| !n.is_empty() && !n.starts_with('.') && !n.contains(['/', '\\', '\0', '\n']);
    let dir = folder.join(name);
    if !plain(name) || a.from.as_deref().is_some_and(|f| !plain(f)) {
        return Err(Failure::usage(format!("\"{name}\" is no name for a folder"), "letters, digits and dashes"));
    }
    if dir.exists() {
        return Err(Failure::usage(format!("{} is there already", dir.display()), "remove it, or take another name"));
    }
    let unwritten = |e: std::io::Error| {
        Failure::usage(format!("{}: {e}", dir.display()), "is the folder writable, and is there room?")
    };
    let base = a.from.as_deref().map(|from| Fixture::read(&folder, from)).transpose();
    let base = base
        .map_err(|why| Failure::usage(why, format!("--from names one of: {}", fixture::names(&folder).join(", "))))?;
    let access = a.access.read()?;
    let mut chosen = a.target.choose()?;
    let vars = {
        let (mut all, secrets) = apply::variables(&book, &chosen, &a.extra, a.access.allow_short_secrets).await?;
        access.redactor.learn(secrets);
        all.pop().unwrap_or_default()
    };
    let (Some(mut one), true) = (chosen.pop(), chosen.is_empty()) else {
        return Err(Failure::usage("--record looks at one host", "-t with one name"));
    };
    one.look_up(&access).await;
    let (host, files, seen) = ask(&book, &vars, one, &access).await?;
    let mut host = fixture::Host { vars: given(&book, &vars), about: a.about.clone(), from: a.from.clone(), ..host };
    let mut own = files;
    if let Some(base) = base {
        for path in base.files.keys().filter(|p| !own.contains_key(*p)) {
            let gone = fixture::Meta { kind: Some("absent".into()), ..fixture::Meta::default() };
            host.files.entry(path.clone()).or_insert(gone);
        }
        own.retain(|path, bytes| base.files.get(path) != Some(bytes));
        host = host.without(&base.host);
    }
    for (path, bytes) in &own {
        let at = dir.join(ROOT).join(path.trim_start_matches('/'));
        std::fs::create_dir_all(at.parent().unwrap_or(&dir)).map_err(unwritten)?;
        std::fs::write(at, bytes).map_err(unwritten)?;
    }
    std::fs::create_dir_all(&dir).map_err(unwritten)?;
    let text = serde_yaml::to_string(&host).map_err(|e| Failure::Usage(e.to_string(), None))?;
    std::fs::write(dir.join(HOST), text).map_err(unwritten)?;
    let outcome = try_one(&book, &folder, name, true).await;
    say(&format!(
        "{}: recorded. Read it before you commit it: what names people or places is still in it.\n",
        dir.display()
    ));
    match (outcome, Expected::read(&dir.join(EXPECT))) {
        (Outcome::Failed(why), _) => {
            warn(&format!("{}\n", report::printable(&why)));
            Ok(exit::FAILED)
        }
        (_, Ok(Some(played))) if played != seen => {
            // Of what was taken out of its files a diff would show what stood around it.
            let apart = |e: Expected| Expected { diff: String::new(), ..e };
            let (seen, played) = (apart(seen), apart(played));
            if played == seen {
                warn(
                    "note: its diffs are not those of the host: what looks like a secret was taken out of its files\n",
                );
                return Ok(exit::OK);
            }
            warn("played back, it gives another plan than the host did:\n");
            warn(&report::printable(&differ(&seen, &played)));
            Ok(exit::FAILED)
        }
        _ => Ok(exit::OK),
    }
}

/// By the first of its ways that works.
async fn ask(
    book: &Runbook,
    vars: &Map<String, Value>,
    chosen: super::targets::Chosen,
    access: &Access,
) -> Result<(fixture::Host, fixture::Files, Expected), Failure> {
    let controller = apply::controller()?;
    let ways = apply::open(chosen, access).await;
    let mut last = None;
    for (place, target) in &ways {
        let made = fixture::record(book, vars, (place, target), &controller, &access.redactor).await;
        target.close().await;
        match made {
            Ok(made) => return Ok(made),
            Err(why) => last = Some(why),
        }
    }
    Err(Failure::Usage(last.unwrap_or_else(|| "there is no way to it".into()), None))
}

/// Variables that are not as the runbook has them anyway; no secret.
fn given(book: &Runbook, vars: &Map<String, Value>) -> Map<String, Value> {
    let tells = |name: &str, value: &Value| {
        let var = book.vars.get(name);
        var.is_some_and(|v| !matches!(v.kind, VarKind::Secret(_)) && v.default.as_ref() != Some(value))
    };
    vars.iter().filter(|(n, v)| tells(n, v)).map(|(n, v)| (n.clone(), v.clone())).collect()
}
