//! The part of the reference page that is about the program itself: commands, words, documents, files.

use std::fmt::Write;

use crate::channel::SSH_KEYS;
use crate::cli;
use crate::report::FORMATS;

/// How a step stands: in JSON, on the screen, and what it means. What is true of it beside its status is in brackets.
pub(super) const WORDS: &[(&str, &str, &str)] = &[
    ("ok", "ok", "as it should be"),
    ("change", "repair", "there is something to change, and the plan has the changes"),
    ("manual", "by hand", "only a person can do it; `manual` says what"),
    ("skipped", "skipped", "it does not apply here, or was not selected"),
    ("declined", "left", "there is something to change, and somebody at the terminal said no"),
    ("blocked", "blocked", "a step that it needs failed"),
    ("unknown", "unknown", "it could not be looked at: no answer in time, no tool, no privilege"),
    ("unknown (`waits_for`)", "later", "it can be judged only after the change that it waits for; no failure"),
    (
        "unknown (`symptom`)",
        "symptom",
        "what is wrong as seen from here; a change of the plan may heal it, and it is looked at again",
    ),
    ("failed (`symptom`)", "symptom", "what is wrong as seen from here, beside a cause that was found"),
    ("failed", "failed", "the fault is there and nothing repairs it, or the step itself cannot work"),
];

/// What the program reads of its environment.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("RUNBOOK_PASSWORD", "the password of a console's or ssh's login"),
    ("RUNBOOK_BECOME_PASSWORD", "the password of `--become`"),
    ("RUNBOOK_COMPLETE", "set by a shell that asks for completions: its name (`runbook completions`)"),
    ("SUDO_UID", "whose `runbook.lock` is our own, too, beside root's: that of who called sudo"),
    (
        "RUNBOOK_LOCK",
        "the only lock file of git sources; else `runbook.lock` in this directory or above, and the user's own",
    ),
    (
        "XDG_CONFIG_HOME",
        "where the user's own lock file is, below `runbook/`; `~/.config` unless it is an absolute path",
    ),
    ("XDG_CACHE_HOME", "where git sources are kept, below `runbook/`; `~/.cache` unless it is an absolute path"),
    ("XDG_STATE_HOME", "where records are kept, below `runbook/`; `~/.local/state` unless it is an absolute path"),
    ("HOME", "see there"),
    (
        "XDG_RUNTIME_DIR",
        "where sockets of a run lie (ssh's master, our askpass); a private directory in `/tmp` otherwise",
    ),
    ("NO_COLOR", "anything in it: no colour (no-color.org)"),
    ("TERM", "`dumb`: no colour"),
    ("COLUMNS", "at a terminal, the width that texts are wrapped to, 40 to 100"),
    ("USER, LOGNAME", "who holds the lock on a target, for others to read"),
    ("RUNBOOK_LOG", "`debug`: what is sent, on stderr, without secrets"),
];

/// Commands and their flags, as clap has them.
pub(super) fn commands() -> String {
    let mut out = String::from("\n## Commands\n\nEach takes `--help`.\n");
    let mut before: Option<Vec<String>> = None;
    let all = cli::commands();
    let named = |c: &clap::Command| c.get_name() != "help";
    // One that has commands of its own is these.
    let leaves = all.get_subcommands().filter(|c| named(c)).flat_map(|c| {
        let own = c.get_subcommands().filter(|s| named(s)).map(|s| (format!("{} {}", c.get_name(), s.get_name()), s));
        let own: Vec<(String, &clap::Command)> = own.collect();
        if own.is_empty() { vec![(c.get_name().to_owned(), c)] } else { own }
    });
    for (name, c) in leaves {
        let operands: String = c
            .get_positionals()
            .map(|p| {
                let name = p.get_value_names().and_then(|n| n.first()).map_or(p.get_id().as_str(), |n| n.as_str());
                let name = name.to_uppercase();
                let many = if p.get_num_args().is_some_and(|n| n.max_values() > 1) { "…" } else { "" };
                if p.is_required_set() { format!(" {name}{many}") } else { format!(" [{name}]{many}") }
            })
            .collect();
        let _ = write!(out, "\n### runbook {name}{operands}\n\n");
        let flags: Vec<String> = c
            .get_opts()
            .map(|a| {
                format!(
                    "{} {:?}",
                    a.get_id(),
                    a.get_possible_values().iter().map(|v| v.get_name().to_owned()).collect::<Vec<_>>()
                )
            })
            .collect();
        let about = c.get_about().map(ToString::to_string).unwrap_or_default();
        if before.as_ref() == Some(&flags) {
            let _ = writeln!(out, "{about}. It takes the same flags.");
            continue;
        }
        let _ = writeln!(out, "{about}.");
        if flags.iter().all(|f| f.starts_with("help ") || f.starts_with("version ")) {
            continue;
        }
        out.push_str("\n| flag | meaning |\n| --- | --- |\n");
        before = Some(flags);
        for a in c.get_opts() {
            if a.is_hide_set() || matches!(a.get_id().as_str(), "help" | "version") {
                continue;
            }
            let value = a.get_action().takes_values().then(|| {
                let names = a.get_value_names().and_then(|n| n.first()).map(|n| n.to_string());
                format!(" {}", names.unwrap_or_else(|| a.get_id().as_str().to_uppercase()))
            });
            let short = a.get_short_and_visible_aliases().unwrap_or_default().into_iter().map(|s| format!("`-{s}`"));
            let long = a.get_long_and_visible_aliases().unwrap_or_default().into_iter();
            let long = long.map(|l| format!("`--{l}{}`", value.clone().unwrap_or_default()));
            let help = a.get_help().map(ToString::to_string).unwrap_or_default().replace('\n', " ").replace('|', "\\|");
            let default = a.get_default_values().iter().map(|v| v.to_string_lossy()).collect::<Vec<_>>().join(",");
            let choices: Vec<String> = a
                .get_possible_values()
                .iter()
                .filter(|_| a.get_action().takes_values())
                .map(|v| format!("`{}`", v.get_name()))
                .collect();
            let help = if choices.is_empty() { help } else { format!("{help}: {}", choices.join(", ")) };
            let default = if default.is_empty() || !a.get_action().takes_values() {
                String::new()
            } else {
                format!(" [{default}]")
            };
            let flags = short.chain(long).collect::<Vec<_>>().join(", ").replace('|', "\\|");
            let _ = writeln!(out, "| {flags} | {help}{default} |");
        }
    }
    out.push_str(PATTERNS);
    out.push_str("\nWhat hands know from Ansible, Terraform and OpenSSH, and what it is here:\n\n| there | here |\n| --- | --- |\n");
    for (there, here) in cli::habits() {
        let _ = writeln!(out, "| `{there}` | {} |", here.replace('|', "\\|"));
    }
    out
}

/// The keys of `ssh:`'s URL.
pub(super) fn ssh_keys() -> String {
    let mut out = String::from(
        "\nKeys of `ssh:`, as in `ssh://admin@web1:2222?jump=gate&option=ConnectTimeout=5` (in a value `&` is `%26` and `%` is `%25`):\n\n| key | option of ssh(1) | meaning |\n| --- | --- | --- |\n",
    );
    for (key, flag, help) in SSH_KEYS {
        let _ = writeln!(out, "| `{key}` | `{flag}` | {help} |");
    }
    out
}

/// Words, documents, files, the environment.
pub(super) fn output() -> String {
    let mut out = String::from("\n## What is printed\n\n| `-o` | |\n| --- | --- |\n");
    for f in FORMATS {
        let _ = writeln!(out, "| `{}` | {} |", f.name, f.help);
    }
    out.push_str("\nHow a step stands:\n\n| `status` in JSON | on the screen | meaning |\n| --- | --- | --- |\n");
    for (json, screen, meaning) in WORDS {
        let _ = writeln!(out, "| {json} | {screen} | {meaning} |");
    }
    out.push_str(JSON);
    out.push_str(RECORDS);
    out.push_str("\n## Environment\n\n| variable | meaning |\n| --- | --- |\n");
    for (name, meaning) in ENVIRONMENT {
        let _ = writeln!(out, "| `{name}` | {meaning} |");
    }
    out
}

const PATTERNS: &str = "
`-t` takes Ansible's patterns over the inventory: `web1`, `web*`, `web:db` (either), `web:&prod` (both), `web:!web3` (without), `~re`, `all`;
several `-t` add up. What no inventory knows is where ssh goes.
";

const JSON: &str = "
One target, `-o json` of plan and apply: one object.

| key | meaning |
| --- | --- |
| `schema` | 1 |
| `exit` | the exit code |
| `runbook`, `title`, `digest` | what was run |
| `target`, `channel`, `address` | where, and over what; the address is the one that is probed |
| `tried` | channels that did not work: `channel`, `why`, `hint`, `lost` (it worked first) |
| `rounds` | what was planned: `round`, `guard` (null, or `seconds`, and by their places from 1 `risks`: the changes that it is armed for, `irreversible`: those that it cannot roll back), `facts`, `finding` (the cause in a sentence, or null), `steps`, `changes`, `changes_for_root` (shown, and not made: they take root), `kept_back`, `validations`; after an apply `results`, one for each change: `title`, `ok`, and `seconds` or `why`, `hint`, `said` |
| `rounds[].steps[]` | `id`, `item` (of a loop), `name`, `status`, `evidence`, `finding`, `note`, `symptom`, `hint`, `manual`, `asks` (a variable that decides it), `result` (the check's fields), `waits_for` (a step's name) |
| `rounds[].changes[]` | `kind` (`file`, `unit`, `command`), `title`, `step`, `handler`, `notify`, and by kind `path`, `real`, `before`, `after`, `diff`, `attributes`, `sensitive`; `unit`, `verb`; `command`, `where`, `writes`, `undo` |
| `decided` | variables that somebody decided at the terminal |
| `verified` | changed steps on a new reading: `name`, `status`, `evidence` |
| `guard` | what became of the guard, in order, each with its `state`: `armed` (`seconds`, `boot`: a reboot rolls back too), `kept` (`measured`: something was looked at from outside), `back` (`whole`, `why`, `rest`: what could not be rolled back, with what to type), `waiting` (the connection was lost: `why`, `seconds`), `unknown` (the host did not answer again: `why`, `seconds`), `earlier` (of the run before: `run`, `kept`, `whole`, `rest`) |
| `proofs` | the `verify` list: `proof` (`passed`, `failed`, `not-possible`), `evidence` |
| `unresolved` | everything that is left: `status` (`failed`, `not-tried`, `rolled-back`, `manual`, `unknown`, `declined`, `deferred`), `finding` (what is wrong, in a sentence), `step` (its name, or a handler's; null for one of `verify`) |
| `error` | why it stopped: `why`, `hint`, `changed`; or null |
| `rounds_applied`, `run`, `wire`, `seconds` | rounds that changed something, the record's id or null, bytes and round trips, how long it took |

Several targets: `{\"schema\": 1, \"targets\": […], \"exit\": N}`, each target the object above, in the order of the run; `exit` is the worst.
What chooses the shape is how many targets `-t` gave: a script that may meet either reads `.targets // [.]` (jq).

Bad input, here as with lint: `{\"schema\": 1, \"errors\": […], \"warnings\": […], \"exit\": 2}` on stdout (lint's has no `exit`); an error has `rule`, `message`, `hint`, and `file`, `line`,
`column`, `end_line`, `end_column`, null where there is no text to point into. A flag that is unknown is said on stderr alone.

`-o jsonl` has the same objects as they come, one a line, each with `event` (`tried`, `started`, `plan`, `decided`, `declined`, `doing`, `done`, `not-done`, `verified`, `guard`, `proof`, `error`, `finished`) and,
for several targets, `target`.
";

const RECORDS: &str = "
## Records

| where | what |
| --- | --- |
| controller: `$XDG_STATE_HOME/runbook/runs/ID/journal.jsonl` (`~/.local/state/…` unless set) | what was to be done, written before it was done, and how it ended |
| controller: `…/runs/ID/blobs/SHA256` | the bytes of changed files, before and after; none of a sensitive file or of one with a secret in it |
| target: `/var/lib/runbook/runs/ID/NUMBER`, and `NUMBER.meta` | what each changed file held, with its mode and owner; on a mounted disk below it; without root in the user's own `~/.local/state/runbook` |
| target: `/run/runbook.lock` | the lock while a run changes something |
| target: `/var/lib/runbook/owed` | handlers that were notified and did not run; the next run of the runbook does them |

The newest thirty runs are kept on either side. `runbook runs` lists them, `runbook runs ID` shows one with its diffs and the paths of what was there before.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{StepPlan, StepStatus};
    use crate::report::human::word;

    fn step(status: StepStatus, waits_for: Option<usize>, symptom: bool) -> StepPlan {
        StepPlan {
            step: 1,
            item: None,
            name: String::new(),
            status,
            evidence: String::new(),
            hint: None,
            finding: None,
            note: None,
            manual: None,
            asks: None,
            needs_root: false,
            not_checked: false,
            waits_for,
            symptom,
            result: serde_json::Value::Null,
        }
    }

    /// The names that a row of the page's table names first, in backticks.
    fn names_of(row: &str) -> Vec<String> {
        row.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    /// Every event has its name on the page, and every field of it stands in its row.
    #[test]
    fn events_and_fields_are_those_of_the_page() {
        use crate::plan::{Place, Plan, Planned};
        use crate::report::{Decided, Earlier, Event, GuardNews, Proof, event_json, unresolved};
        use std::collections::BTreeSet;

        let book = crate::book::find("ssh-refused").unwrap();
        let place = Place {
            name: String::new(),
            address: None,
            port: None,
            live: true,
            here: true,
            channel: String::new(),
            via: String::new(),
            login: None,
            proxy: None,
        };
        let unit = crate::plan::UnitChange {
            unit: "x.service".into(),
            verb: crate::target::units::Verb::Restart,
            before: String::new(),
            links: None,
        };
        let planned = Planned {
            step: 0,
            item: None,
            name: String::new(),
            handler: None,
            notify: Vec::new(),
            change: crate::plan::Change::Unit(unit),
        };
        let plan = Plan { changes: vec![planned.clone()], ..Plan::default() };
        let step = step(StepStatus::Ok, None, false);
        let decided = Decided { var: String::new(), value: String::new(), by: "prompt" };
        let left = [unresolved::UnresolvedItem {
            status: unresolved::UnresolvedStatus::Failed,
            finding: String::new(),
            step: None,
        }];
        let (why, hint) = ("", None);
        let rest = &[][..];
        let guard = |news| Event::Guard { news };
        let events = [
            Event::Tried { channel: "", why, hint, lost: false },
            Event::Started { book: &book, place: &place },
            Event::Planned { round: 1, plan: &plan, book: &book, guard: None },
            Event::Decided { decided: &decided },
            Event::Left { planned: &planned },
            Event::Doing { number: 1, of: 1, planned: &planned },
            Event::Done { planned: &planned, seconds: 0.0 },
            Event::NotDone { planned: &planned, why, hint, said: "" },
            Event::Verified { step: &step },
            Event::Proved { proof: Proof::Passed, evidence: "" },
            guard(GuardNews::Armed { within: std::time::Duration::ZERO, boot: true }),
            guard(GuardNews::Kept { measured: true }),
            guard(GuardNews::Waiting { why, within: std::time::Duration::ZERO }),
            guard(GuardNews::Unknown { why, waited: std::time::Duration::ZERO }),
            guard(GuardNews::Back { all: true, why, rest }),
            guard(GuardNews::Earlier { run: "", became: Earlier::Kept, rest }),
            Event::Broken { why, hint, changed: false },
            Event::Finished {
                exit: 0,
                rounds: 0,
                run: None,
                wire: crate::target::Wire::default(),
                seconds: 0.0,
                unresolved: &left,
            },
        ];
        let row = |begins: &str| {
            let row = JSON.lines().find(|l| l.starts_with(&format!("| `{begins}`")));
            row.unwrap_or_else(|| panic!("no row for {begins}"))
        };
        let lines = JSON.lines().find(|l| l.starts_with("`-o jsonl`")).unwrap();
        let listed: BTreeSet<String> =
            names_of(lines.split_once("each with `event` (").unwrap().1.split_once(')').unwrap().0)
                .into_iter()
                .collect();
        let mut names = BTreeSet::new();
        for e in &events {
            let (name, body) = event_json(e).unwrap();
            names.insert(name.to_owned());
            // What is of the whole run has a row for each key; else there is one row for each kind of event.
            let of = match name {
                "started" | "finished" => "",
                "plan" => "rounds",
                "done" | "not-done" => "rounds",
                "proof" => "proofs",
                "declined" | "doing" => continue,
                other => other,
            };
            for (key, value) in body.as_object().unwrap() {
                let known = if of.is_empty() {
                    JSON.lines().any(|l| l.split(" | ").next().is_some_and(|c| names_of(c).contains(key)))
                } else {
                    names_of(row(of)).contains(key) || of == "decided"
                };
                assert!(known, "{name}: the page does not have {key}");
                if let (Some(state), "state") = (value.as_str(), key.as_str()) {
                    assert!(names_of(row(of)).iter().any(|n| n == state), "guard: {state}");
                }
            }
            if name == "finished" {
                let items = names_of(row("unresolved"));
                let item = body["unresolved"][0].as_object().unwrap();
                assert!(item.keys().all(|k| items.contains(k)), "{items:?}");
            }
            if name == "plan" {
                for (list, begins) in [("changes", "rounds[].changes[]"), ("steps", "rounds[].steps[]")] {
                    let known = names_of(row(begins));
                    let keys = body[list].as_array().and_then(|a| a.first()).and_then(|o| o.as_object());
                    for key in keys.into_iter().flat_map(|o| o.keys()) {
                        assert!(known.contains(key), "{list}: the page does not have {key}");
                    }
                }
            }
        }
        assert_eq!(names, listed, "the events of -o jsonl");
    }

    /// Commands on the pages have the flags that they are shown with.
    #[test]
    fn flags_on_the_pages_are_there() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut pages: Vec<std::path::PathBuf> = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
        pages.extend(std::fs::read_dir(root.join("docs")).unwrap().flatten().map(|e| e.path()).filter(|p| p.is_file()));
        let program = crate::cli::commands();
        let (mut seen, mut unknown) = (0, Vec::new());
        for page in pages {
            let text = std::fs::read_to_string(&page).unwrap();
            for line in text.lines() {
                for (at, _) in line.match_indices("runbook ") {
                    // To the end of the code, of the command, or of what is said of it.
                    let rest = &line[at + "runbook ".len()..];
                    let end = [" | ", "`", "   ", " #", ";", "&&"].iter().filter_map(|e| rest.find(e)).min();
                    // What stands in quotes is another program's, or a text.
                    let own: String = rest[..end.unwrap_or(rest.len())].split(['\'', '"']).step_by(2).collect();
                    let words: Vec<&str> = own.split_whitespace().filter(|w| *w != "--help").collect();
                    let Some(mut command) = words.first().and_then(|w| program.find_subcommand(w)) else { continue };
                    if let Some(below) = words.get(1).and_then(|w| command.find_subcommand(w)) {
                        command = below;
                    }
                    for w in words.iter().skip(1).filter(|w| w.starts_with('-') && w.len() > 1 && **w != "--") {
                        seen += 1;
                        let long = w.strip_prefix("--").map(|l| l.split('=').next().unwrap_or(l));
                        let short = w.chars().nth(1);
                        let has = command.get_arguments().any(|a| match long {
                            Some(l) => a.get_long_and_visible_aliases().is_some_and(|all| all.contains(&l)),
                            None => short
                                .is_some_and(|s| a.get_short_and_visible_aliases().is_some_and(|all| all.contains(&s))),
                        });
                        // One that another program has is shown to say so.
                        let foreign = crate::cli::habits().iter().any(|(there, _)| there == w);
                        if !has && !foreign {
                            unknown.push(format!("{}: {w} in: {line}", page.display()));
                        }
                    }
                }
            }
        }
        assert!(seen > 40 && unknown.is_empty(), "{seen} seen: {unknown:#?}");
        // Ansible's flags that are said to be the same.
        let table = std::fs::read_to_string(root.join("docs/ansible.md")).unwrap();
        let same = table.lines().find(|l| l.starts_with("| `-C`")).unwrap();
        let apply = program.find_subcommand("apply").unwrap();
        for flag in names_of(same.split(" | ").next().unwrap()) {
            let c = flag.chars().nth(1);
            let has = apply
                .get_arguments()
                .any(|a| a.get_short_and_visible_aliases().is_some_and(|all| c.is_some_and(|c| all.contains(&c))));
            assert!(has, "{flag} is not taken");
        }
    }

    #[test]
    fn the_words_are_those_of_the_screen() {
        use StepStatus::{Blocked, Change, Declined, Failed, Manual, Ok, Skipped, Unknown};
        for status in [Ok, Change, Manual, Skipped, Declined, Blocked, Unknown, Failed] {
            for (waits_for, symptom) in [(None, false), (Some(0), false), (Some(0), true), (None, true)] {
                let step = step(status, waits_for, symptom);
                let with = match (status, waits_for, symptom) {
                    (Unknown | Failed, _, true) => " (`symptom`)",
                    (Unknown, Some(_), false) => " (`waits_for`)",
                    _ => "",
                };
                let json = format!("{}{with}", serde_json::json!(status).as_str().unwrap());
                let row = WORDS.iter().find(|w| w.0 == json).unwrap_or_else(|| panic!("no row for {json}"));
                assert_eq!(row.1, word(&step).1, "{json}");
            }
        }
    }
}
