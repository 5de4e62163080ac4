//! What a shell offers while a command line is typed: runbooks, runs, hosts, variables. Nothing is executed, and nothing is
//! fetched.

use std::ffi::OsStr;
use std::process::ExitCode;

use clap_complete::engine::{CompletionCandidate, PathCompleter, ValueCompleter};
use clap_complete::env::{CompleteEnv, Shells};

use super::again;
use crate::apply::{exit, journal};
use crate::book::{Runbook, SHIPPED, VarKind};
use crate::inventory::Inventory;
use crate::source;

/// The variable by which a shell asks for completions; its value is the shell's name.
const VARIABLE: &str = "RUNBOOK_COMPLETE";

/// Answers a shell that asks for completions; `None`: no shell asks.
pub(super) fn answer() -> Option<ExitCode> {
    let asked = std::env::var_os("RUNBOOK_COMPLETE").filter(|shell| !shell.is_empty() && shell != "0");
    asked.as_ref()?;
    let here = std::env::current_dir().ok();
    let answered =
        CompleteEnv::with_factory(super::commands).var(VARIABLE).try_complete(std::env::args_os(), here.as_deref());
    Some(match answered {
        Ok(_) => ExitCode::from(exit::OK),
        Err(e) => {
            super::warn(&format!("{e}\n"));
            ExitCode::from(exit::USAGE)
        }
    })
}

/// The lines that make a shell ask.
///
/// # Errors
/// The shell is not known.
pub(super) fn registration(shell: &str) -> std::io::Result<String> {
    let shells = Shells::builtins();
    let shell = shells.completer(shell).ok_or_else(|| std::io::Error::other("no such shell"))?;
    let mut out = Vec::new();
    shell.write_registration(VARIABLE, "runbook", "runbook", "runbook", &mut out)?;
    Ok(String::from_utf8_lossy(&out).trim_start().to_owned())
}

/// Those whose value begins as what was typed does.
fn beginning(current: &OsStr, all: Vec<(String, String)>) -> Vec<CompletionCandidate> {
    let typed = current.to_string_lossy();
    let fits = all.into_iter().filter(|(value, _)| value.starts_with(&*typed));
    fits.map(|(value, help)| CompletionCandidate::new(value).help((!help.is_empty()).then(|| help.into()))).collect()
}

/// Runbooks by name, and files.
pub(super) fn runbooks(current: &OsStr) -> Vec<CompletionCandidate> {
    let mut all: Vec<(String, String)> = Vec::new();
    for s in SHIPPED.iter() {
        let title = s.text.lines().find_map(|l| l.strip_prefix("title:")).unwrap_or_default();
        all.push((s.name.to_owned(), title.trim().trim_matches('"').to_owned()));
    }
    for known in source::known_here() {
        if let source::Origin::Git { source, .. } = &known.origin {
            all.push((format!("{source}/{}", known.name), String::new()));
        }
    }
    let mut out = beginning(current, all);
    out.extend(runbook_files(current));
    out
}

/// Files of runbooks, and directories on the way to them.
pub(super) fn runbook_files(current: &OsStr) -> Vec<CompletionCandidate> {
    let yaml = |p: &std::path::Path| p.extension().is_some_and(|e| e == "yaml" || e == "yml");
    PathCompleter::any().filter(move |p| p.is_dir() || yaml(p)).complete(current)
}

/// Runs on record here, newest first.
pub(super) fn runs(current: &OsStr) -> Vec<CompletionCandidate> {
    let mut all = vec![("last".to_owned(), "the newest run that began a change".to_owned())];
    let runs = journal::list().unwrap_or_default();
    all.extend(runs.into_iter().map(|r| (r.id, format!("{} on {}", r.runbook, r.target))));
    let ordered = beginning(current, all).into_iter().enumerate();
    ordered.map(|(n, c)| c.display_order(Some(n))).collect()
}

/// Hosts and groups of the inventories that the command line names, and those of ssh's own configuration.
pub(super) fn hosts(current: &OsStr) -> Vec<CompletionCandidate> {
    let typed = typed();
    let inventories: Vec<String> = typed.values("inventory").map(str::to_owned).collect();
    let mut all: Vec<(String, String)> = Vec::new();
    if !inventories.is_empty()
        && let Ok(inventory) = Inventory::load(&inventories)
    {
        all.extend(inventory.names().iter().map(|n| ((*n).to_owned(), String::new())));
        let groups = inventory.groups().into_iter().filter(|g| g.name != "ungrouped");
        all.extend(groups.map(|g| (g.name.to_owned(), "a group".to_owned())));
    }
    let config = std::env::var_os("HOME").map(|h| std::path::PathBuf::from(h).join(".ssh/config"));
    let config = config.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    all.extend(ssh_hosts(&config).into_iter().map(|h| (h, "ssh".to_owned())));
    let mut seen = std::collections::HashSet::new();
    all.retain(|(name, _)| seen.insert(name.clone()));
    beginning(current, all)
}

/// Names that stand in Host lines (ssh_config(5)), without patterns.
fn ssh_hosts(config: &str) -> Vec<String> {
    let mut out = Vec::new();
    for line in config.lines() {
        let mut words = line.split(|c: char| c.is_whitespace() || c == '=').filter(|w| !w.is_empty());
        if words.next().is_some_and(|k| k.eq_ignore_ascii_case("host")) {
            let plain = |w: &&str| !w.contains(['*', '?', '!', '"', '#']);
            out.extend(words.filter(plain).map(str::to_owned));
        }
    }
    out
}

/// Variables of the runbook that the command line names, and the values of those that have a few.
pub(super) fn variables(current: &OsStr) -> Vec<CompletionCandidate> {
    let typed = typed();
    let mut all: Vec<(String, String)> = Vec::new();
    let books = typed.arguments.iter().filter(|a| a.flag.is_none()).filter_map(|a| a.words.first());
    let Some(book) = books.take(1).find_map(|name| source::find_here(name)) else { return Vec::new() };
    let Runbook { vars, .. } = book;
    let current_text = current.to_string_lossy();
    let named = current_text.split_once('=').map(|(name, _)| name);
    for v in &vars.0 {
        let bools = ["true".to_owned(), "false".to_owned()];
        let choices = if matches!(v.kind, VarKind::Bool) { &bools[..] } else { v.choices() };
        match named {
            Some(name) if name == v.name => {
                all.extend(choices.iter().map(|c| (format!("{name}={c}"), String::new())));
            }
            Some(_) => {}
            None => all.push((format!("{}=", v.name), v.help.clone())),
        }
    }
    beginning(current, all)
}

/// The command line that is being completed.
fn typed() -> crate::invocation::Invocation {
    let words = std::env::args_os().map(|w| w.to_string_lossy().into_owned());
    let words: Vec<String> = words.skip_while(|w| w != "--").skip(1).collect();
    again::invocation(&words, &super::commands())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_ssh_are_those_that_have_a_name() {
        let config = "Host web1 web2\n  HostName 192.0.2.1\nhost=gate\nHost *.example.com !x\nMatch host y\n# Host z\n";
        assert_eq!(ssh_hosts(config), ["web1", "web2", "gate"]);
    }
}
