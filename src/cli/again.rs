//! Reads the command line a second time, as words, for lines that say what to type next.

use clap::{Arg, Command};

use crate::invocation::{Argument, Invocation};

/// Directories that sudo looks into (sudoers(5), `secure_path` as distributions set it).
const SECURE_PATH: &[&str] = &["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// This process's own command line.
pub(super) fn this() -> Invocation {
    let words: Vec<String> = std::env::args_os().map(|w| w.to_string_lossy().into_owned()).collect();
    let mut out = invocation(&words, &super::commands());
    let found = std::env::current_exe().ok().filter(|exe| {
        !out.program.contains('/')
            && exe.parent().is_none_or(|d| !SECURE_PATH.iter().any(|s| d == std::path::Path::new(s)))
    });
    out.program_for_root = found.map_or_else(|| out.program.clone(), |exe| exe.display().to_string());
    out
}

/// The words of a command line that clap has taken.
pub(super) fn invocation(words: &[String], program: &Command) -> Invocation {
    let word = |n: usize| words.get(n).cloned().unwrap_or_default();
    let mut out = Invocation { program: word(0), program_for_root: word(0), verb: word(1), arguments: Vec::new() };
    let Some(command) = program.find_subcommand(&out.verb) else { return out };
    let mut rest = words.iter().skip(2);
    let mut flags = true;
    while let Some(w) = rest.next() {
        if flags && w == "--" {
            flags = false;
            continue;
        }
        let long = w.strip_prefix("--").filter(|_| flags);
        let shorts = w.strip_prefix('-').filter(|s| flags && long.is_none() && !s.is_empty());
        if let Some(long) = long {
            let (name, value) = long.split_once('=').map_or((long, None), |(n, v)| (n, Some(v)));
            let arg =
                command.get_arguments().find(|a| a.get_long_and_visible_aliases().is_some_and(|l| l.contains(&name)));
            let mut typed = vec![w.clone()];
            if value.is_none() && arg.is_some_and(takes_value) {
                typed.extend(rest.next().cloned());
            }
            out.arguments.push(Argument { flag: arg.map(name_of), words: typed });
        } else if let Some(shorts) = shorts {
            for (at, c) in shorts.char_indices() {
                let arg =
                    command.get_arguments().find(|a| a.get_short_and_visible_aliases().is_some_and(|s| s.contains(&c)));
                if !arg.is_some_and(takes_value) {
                    out.arguments.push(Argument { flag: arg.map(name_of), words: vec![format!("-{c}")] });
                    continue;
                }
                let value = &shorts[at + c.len_utf8()..];
                let value = value.strip_prefix('=').unwrap_or(value).to_owned();
                let value = if value.is_empty() { rest.next().cloned().unwrap_or_default() } else { value };
                out.arguments.push(Argument { flag: arg.map(name_of), words: vec![format!("-{c}"), value] });
                break;
            }
        } else {
            out.arguments.push(Argument { flag: None, words: vec![w.clone()] });
        }
    }
    out
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

fn name_of(arg: &Arg) -> String {
    arg.get_long().map_or_else(|| arg.get_id().to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(words: &[&str]) -> Invocation {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        invocation(&words, &crate::cli::commands())
    }

    #[test]
    fn a_dry_run_becomes_a_run_whichever_way_it_was_typed() {
        for (words, next) in [
            (&["runbook", "plan", "x", "-vt", "web1", "-e", "a=-n"][..], "runbook apply x -v -t web1 -e a=-n"),
            (&["runbook", "apply", "-nbt=web1", "x"], "runbook apply -b -t web1 x"),
            (&["runbook", "apply", "x", "--dry-run", "--via", "--check"], "runbook apply x --via --check"),
            (&["./runbook", "apply", "--check", "x", "--via=root:/a b"], "./runbook apply x '--via=root:/a b'"),
            (&["runbook", "plan", "-i", "hosts", "x", "-C"], "runbook apply -i hosts x"),
            (&["runbook", "undo", "last", "-n", "--become"], "runbook undo last --become"),
        ] {
            assert_eq!(typed(words).to_apply().to_sh(), next, "{words:?}");
        }
    }

    /// The names by which flags are left out are those that the command line has.
    #[test]
    fn flags_that_are_left_out_are_there() {
        let whole = [
            "runbook",
            "apply",
            "x",
            "-t",
            "a",
            "-i",
            "b",
            "--via",
            "c",
            "--address",
            "d",
            "--login",
            "e",
            "-b",
            "--become-method",
            "su",
            "-K",
            "-n",
            "-y",
            "--step",
            "--confirm-within",
            "9s",
            "-e",
            "f=1",
        ];
        assert_eq!(typed(&whole).to_check_on_host().to_sh(), "runbook plan x -e f=1");
    }
}
