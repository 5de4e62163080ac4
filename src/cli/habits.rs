//! Flags that hands know from Ansible, Terraform and OpenSSH: what they are here. Those that mean the same are simply
//! taken (`-C`, `-f`, `-v` several times); these are not.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::book;

/// (as it is typed there, what it is here)
pub(super) const TABLE: &[(&str, &str)] = &[
    ("-l", "which hosts is -t here, with the same patterns: -t 'web*:!web3'"),
    ("--limit", "which hosts is -t here, with the same patterns: -t 'web*:!web3'"),
    ("-u", "who to be is part of the way: --via ssh://USER@HOST, or --login USER"),
    ("--user", "who to be is part of the way: --via ssh://USER@HOST, or --login USER"),
    ("-k", "ssh asks for its password by itself; RUNBOOK_PASSWORD gives it"),
    ("--ask-pass", "ssh asks for its password by itself; RUNBOOK_PASSWORD gives it"),
    ("--become-user", "--become becomes root, and nobody else"),
    ("--private-key", "a key is part of the way: --via 'ssh://HOST?identity=FILE'"),
    ("--connection", "the way is --via here: ssh:HOST, exec:COMMAND, console:COMMAND …"),
    ("--start-at-task", "--tags and --skip-tags choose steps; what is right already is left alone anyway"),
    ("--list-tasks", "--list-steps"),
    ("-auto-approve", "-y"),
    ("--auto-approve", "-y"),
    ("-var", "-e NAME=VALUE"),
    ("--var", "-e NAME=VALUE"),
    ("-var-file", "-e @FILE"),
    ("--var-file", "-e @FILE"),
    ("-out", "a plan is not kept: apply plans anew, shows it and asks; -o json gives it to a program"),
    ("--out", "a plan is not kept: apply plans anew, shows it and asks; -o json gives it to a program"),
    ("-target", "-t is a host here; --tags chooses steps"),
    ("-parallelism", "--forks N"),
    ("-p", "the port of ssh is part of the way: --via ssh://HOST:PORT; the port that is looked at: -e port=PORT"),
    ("--port", "the port of ssh is part of the way: --via ssh://HOST:PORT; the port that is looked at: -e port=PORT"),
    ("-F", "ssh's configuration is part of the way: --via 'ssh://HOST?config=FILE'"),
    ("-J", "a jump host is part of the way: --via 'ssh://HOST?jump=GATE'; one in ~/.ssh/config is used anyway"),
];

/// What stands on the command line and is another program's, with what it is here.
fn known(words: &[String]) -> Option<(&str, &'static str)> {
    let before = words.iter().take_while(|w| *w != "--");
    before.map(|w| w.split_once('=').map_or(w.as_str(), |(flag, _)| flag)).find_map(|flag| {
        let (_, here) = TABLE.iter().find(|(there, _)| *there == flag)?;
        Some((flag, *here))
    })
}

/// Terraform's flags have one dash: `-target=web1` would be `-t arget=web1`. Told before anything is read.
pub(super) fn misread(words: &[String]) -> Option<(String, String)> {
    let (flag, here) = known(words).filter(|(flag, _)| flag.len() > 2 && !flag.starts_with("--"))?;
    Some((format!("there is no {flag}"), here.to_owned()))
}

/// What to say of a command line that clap does not take, where there is more to say than clap does.
pub(super) fn meant(e: &clap::Error, words: &[String]) -> Option<(String, String)> {
    let bad = |kind| match e.get(kind) {
        Some(ContextValue::String(s)) => Some(s.clone()),
        _ => None,
    };
    match e.kind() {
        ErrorKind::UnknownArgument => {
            let bad = bad(ContextKind::InvalidArg)?;
            let typed = words.iter().find(|w| w.starts_with(&bad)).cloned().into_iter().collect::<Vec<_>>();
            let (flag, here) = known(&typed).or_else(|| {
                let cut: String = typed.first()?.chars().take(2).collect();
                // A value may follow without a blank: -p2222.
                TABLE.iter().find(|(there, _)| *there == cut).map(|(there, here)| (*there, *here))
            })?;
            Some((format!("there is no {flag}"), here.to_owned()))
        }
        ErrorKind::InvalidSubcommand => {
            let name = bad(ContextKind::InvalidSubcommand)?;
            let file = ["yaml", "yml"].map(|end| format!("./{name}.{end}"));
            let file = file.into_iter().find(|f| std::path::Path::new(f).is_file());
            let book = file.or_else(|| book::find(&name).is_ok().then(|| name.clone()))?;
            Some((format!("\"{name}\" is a runbook, and no command"), format!("runbook plan {book}")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    fn said(line: &str) -> Option<(String, String)> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        misread(&words).or_else(|| meant(&Cli::try_parse_from(&words).err()?, &words))
    }

    #[test]
    fn hands_of_other_programs_are_told_the_word_here() {
        for (line, flag, here) in [
            ("runbook apply ssh-refused -l web1", "-l", "-t"),
            ("runbook plan ssh-refused --limit=web1", "--limit", "-t"),
            ("runbook apply ssh-refused -auto-approve", "-auto-approve", "-y"),
            ("runbook plan ssh-refused -out=plan.bin", "-out", "-o json"),
            ("runbook apply ssh-refused -target=web1", "-target", "-t"),
            ("runbook ping -p2222 -t web1", "-p", "ssh://HOST:PORT"),
            ("runbook ping -u root", "-u", "--login"),
            ("runbook apply ssh-refused -J gate", "-J", "jump="),
            ("runbook apply ssh-refused -F cfg", "-F", "config="),
            ("runbook apply ssh-refused -k", "-k", "RUNBOOK_PASSWORD"),
            ("runbook ssh-refused", "ssh-refused", "runbook plan ssh-refused"),
        ] {
            let (why, hint) = said(line).unwrap_or_else(|| panic!("{line}: nothing is said"));
            assert!(why.contains(flag) && hint.contains(here), "{line}: {why}; {hint}");
        }
        for line in ["runbook apply ssh-refused -C -f 5 -vvv -t a", "runbook plan x -e a=-l", "runbook nothing"] {
            assert_eq!(said(line), None, "{line}");
        }
    }
}
