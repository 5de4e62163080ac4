//! `runbook source`.

use std::io::{BufRead as _, IsTerminal};

use clap::Subcommand;
use serde_json::json;

use super::{Failure, Output, colour, say, warn, width};
use crate::apply::exit;
use crate::report::{diff, printable, wrap};
use crate::source::git::{GitError, Repository};
use crate::source::lock::{self, Lock, Source};
use crate::source::{self, cache};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Fetch a git repository of runbooks with your own git, and lock its commit
    Add {
        /// As git takes it
        url: String,
        /// What to call it; else the repository's own name
        #[arg(long)]
        name: Option<String>,
        /// The branch, tag or commit to follow; else the repository's own branch
        #[arg(long)]
        rev: Option<String>,
        /// Take only commits that somebody has signed whom your git trusts (gpg or ssh)
        #[arg(long)]
        require_signed: bool,
        /// Lock it in runbook.lock here, to be committed, and not for yourself alone
        #[arg(long)]
        here: bool,
    },
    /// Show what has changed since the locked commit, ask, and move to the new one
    Update {
        /// Only these
        names: Vec<String>,
        /// Move without asking
        #[arg(short = 'y', long)]
        yes: bool,
        /// Also where history was rewritten: the locked commit is no ancestor of the new one
        #[arg(long)]
        force: bool,
    },
    /// List sources, their commits and their runbooks
    List {
        /// How to say it; jsonl is json here
        #[arg(short = 'o', long, value_enum, default_value = "human")]
        output: Output,
    },
    /// Forget a source
    Remove {
        /// Its name
        name: String,
    },
}

pub(super) fn run(a: &Args) -> Result<u8, Failure> {
    let layers = Lock::layers().map_err(|d| vec![d])?;
    match &a.what {
        What::Add { url, name, rev, require_signed, here } => {
            let own = layers.last().cloned();
            let lock = if *here { Lock::read(std::path::Path::new(lock::NAME)).map(Some) } else { Ok(own) };
            let Some(lock) = lock.map_err(|d| vec![d])? else { return Ok(exit::USAGE) };
            add(lock, url, name.as_deref(), rev.as_deref(), *require_signed)
        }
        What::Update { names, yes, force } => update(layers, names, *yes, *force),
        What::List { output } => list(&layers, *output),
        What::Remove { name } => remove(layers, name),
    }
}

impl From<GitError> for Failure {
    fn from(e: GitError) -> Self {
        Failure::Usage(e.why, e.hint)
    }
}

fn written(lock: &Lock) -> Result<(), Failure> {
    let path = lock.path.display();
    lock.write()
        .map_err(|e| Failure::usage(format!("{path} cannot be written: {e}"), "RUNBOOK_LOCK names another file"))
}

fn add(mut lock: Lock, url: &str, name: Option<&str>, rev: Option<&str>, signed: bool) -> Result<u8, Failure> {
    // A lock may be used from anywhere.
    let there = std::path::Path::new(url);
    let url = if there.exists() {
        there.canonicalize().map_or_else(|_| url.to_owned(), |p| p.display().to_string())
    } else {
        url.to_owned()
    };
    let last = url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
    let name = name.unwrap_or_else(|| last.strip_suffix(".git").unwrap_or(last));
    if !lock::is_name(name) {
        return Err(Failure::usage(
            format!("\"{name}\" cannot be a source's name"),
            "--name with letters, digits, '.', '_' and '-'",
        ));
    }
    if lock.sources.iter().any(|s| s.name == name) {
        let hint = format!("--name gives this one another; runbook source update {name} moves the one that is there");
        return Err(Failure::usage(format!("there is a source \"{name}\" already"), hint));
    }
    if url.starts_with('-') {
        return Err(Failure::usage(format!("\"{url}\" is no url"), "as git clone takes it"));
    }
    let repository = Repository::of(&cache()?, &url);
    repository.fetch()?;
    let commit = repository.commit(rev)?;
    let by = if signed { Some(repository.signed(&commit)?) } else { None };
    let source = Source { name: name.to_owned(), url: url.clone(), rev: rev.map(str::to_owned), commit, signed };
    let books = source::of_source(&source)?;
    lock.sources.push(source.clone());
    written(&lock)?;
    let signed = by.map(|who| format!(", signed by {who}")).unwrap_or_default();
    say(&format!("{name} at {}{}, locked in {}\n", &source.commit[..12], printable(&signed), lock.path.display()));
    names(&books.iter().map(|k| k.name.as_str()).collect::<Vec<_>>());
    let broken: Vec<&str> = books.iter().filter(|k| k.load().is_err()).map(|k| k.name.as_str()).collect();
    if !broken.is_empty() {
        say(&format!("  with errors (runbook lint {name}/NAME): {}\n", broken.join(", ")));
    }
    Ok(exit::OK)
}

fn names(books: &[&str]) {
    let text =
        if books.is_empty() { "it has no runbooks".to_owned() } else { format!("runbooks: {}", books.join(", ")) };
    wrap(&printable(&text), width().saturating_sub(2)).iter().for_each(|l| say(&format!("  {l}\n")));
}

fn update(layers: Vec<Lock>, only: &[String], yes: bool, force: bool) -> Result<u8, Failure> {
    let all = || layers.iter().flat_map(|l| &l.sources);
    if let Some(unknown) = only.iter().find(|n| !all().any(|s| s.name == **n)) {
        return Err(Failure::usage(format!("there is no source \"{unknown}\""), "runbook source list shows them"));
    }
    if all().next().is_none() {
        return Err(Failure::usage("there are no sources", "runbook source add URL"));
    }
    let mut code = exit::OK;
    for lock in layers {
        code = code.max(update_lock(lock, only, yes, force)?);
    }
    Ok(code)
}

/// The sources of one lock file.
fn update_lock(mut lock: Lock, only: &[String], yes: bool, force: bool) -> Result<u8, Failure> {
    let mut code = exit::OK;
    for at in 0..lock.sources.len() {
        let s = lock.sources[at].clone();
        if !only.is_empty() && !only.contains(&s.name) {
            continue;
        }
        let repository = Repository::of(&cache()?, &s.url);
        repository.fetch()?;
        let new = repository.commit(s.rev.as_deref())?;
        let (old_short, short) = (&s.commit[..12], &new[..12]);
        if new == s.commit {
            say(&format!("{}: {short} is the newest\n", s.name));
            continue;
        }
        // Before anything of it is shown: whose is it?
        let by = if s.signed { Some(repository.signed(&new)?) } else { None };
        if !repository.has(&s.commit) || !repository.grew(&s.commit, &new) {
            if !force {
                let why = format!("{}: history was rewritten: {old_short} is no ancestor of {short}", s.name);
                let hint = "ask who has force-pushed; --force moves all the same, and shows the difference";
                return Err(Failure::usage(why, hint));
            }
            warn(&format!("warning: {}: {old_short} is no ancestor of {short}\n", s.name));
        }
        let signed = by.map(|who| format!(", signed by {who}")).unwrap_or_default();
        say(&format!("{}: {old_short} to {short}{}\n\n", s.name, printable(&signed)));
        if repository.has(&s.commit) {
            for c in repository.log(&s.commit, &new)? {
                let line = format!("{} {} {}: {}", c.short, c.date, c.author, c.subject);
                wrap(&printable(&line), width().saturating_sub(2)).iter().for_each(|l| say(&format!("  {l}\n")));
            }
            let text = printable(&repository.diff(&s.commit, &new)?);
            say(&format!("\n{}\n", diff(&text, colour(&std::io::stdout()))));
        }
        if !yes && !agreed(&s.name)? {
            code = exit::CHANGES;
            continue;
        }
        repository.tree(&new)?;
        lock.sources[at].commit = new.clone();
        written(&lock)?;
        say(&format!("{} is at {short}; what it would run is asked about before it does\n", s.name));
    }
    Ok(code)
}

fn agreed(name: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(
            format!("{name} would move, and there is nobody to ask"),
            "-y moves without asking",
        ));
    }
    warn("Move to it? [y]es / [n]o: ");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    Ok(read.is_ok() && matches!(answer.trim(), "y" | "yes"))
}

fn list(layers: &[Lock], output: Output) -> Result<u8, Failure> {
    let mut rows = Vec::new();
    for lock in layers {
        for s in &lock.sources {
            // Of two with one name the nearer one counts.
            let hidden = rows.iter().any(|(_, known, _): &(&Lock, &Source, _)| known.name == s.name);
            rows.push((lock, s, if hidden { Vec::new() } else { source::of_source(s)? }));
        }
    }
    if output != Output::Human {
        let sources: Vec<_> = rows
            .iter()
            .map(|(lock, s, books)| {
                let books: Vec<_> = books.iter().map(|k| &k.name).collect();
                json!({"name": s.name, "url": s.url, "rev": s.rev, "commit": s.commit, "signed": s.signed, "runbooks": books, "lock": lock.path})
            })
            .collect();
        let first = layers.first().map(|l| &l.path);
        say(&format!("{}\n", json!({"schema": 1, "lock": first, "sources": sources})));
        return Ok(exit::OK);
    }
    if rows.is_empty() {
        say("no sources; runbook source add URL\n");
    }
    for (lock, s, books) in &rows {
        let rev = s.rev.as_ref().map(|r| format!(" ({r})")).unwrap_or_default();
        let signed = if s.signed { ", signed commits only" } else { "" };
        say(&printable(&format!("{}  {}{rev}, {}{signed}\n", s.name, &s.commit[..12], s.url)));
        let nearer = rows.iter().find(|(_, other, _)| other.name == s.name).filter(|(l, ..)| l.path != lock.path);
        match nearer {
            Some((l, ..)) => say(&printable(&format!("  hidden by the one of that name in {}\n", l.path.display()))),
            None => names(&books.iter().map(|k| k.name.as_str()).collect::<Vec<_>>()),
        }
        if rows.iter().any(|(l, ..)| l.path != lock.path) {
            say(&printable(&format!("  locked in {}\n", lock.path.display())));
        }
    }
    if let Some((lock, ..)) = rows.first().filter(|(l, ..)| rows.iter().all(|(other, ..)| other.path == l.path)) {
        say(&printable(&format!("locked in {}\n", lock.path.display())));
    } else if let (true, Some(lock)) = (rows.is_empty(), layers.last()) {
        say(&printable(&format!("locked in {}\n", lock.path.display())));
    }
    Ok(exit::OK)
}

fn remove(layers: Vec<Lock>, name: &str) -> Result<u8, Failure> {
    let holds = |lock: Lock| lock.sources.iter().position(|s| s.name == name).map(|at| (lock.clone(), at));
    let Some((mut lock, at)) = layers.into_iter().find_map(holds) else {
        return Err(Failure::usage(format!("there is no source \"{name}\""), "runbook source list shows them"));
    };
    let gone = lock.sources.remove(at);
    written(&lock)?;
    // Another lock may use it; what is in the cache is fetched again.
    let _ = Repository::of(&cache()?, &gone.url).remove();
    say(&format!("{name} is forgotten; add it again with: runbook source add {}\n", printable(&gone.url)));
    Ok(exit::OK)
}
