//! `runbook find`.

use std::io::{IsTerminal, Read as _};

use serde_json::json;

use super::{Failure, Output, say, warn, warning, width};
use crate::apply::exit;
use crate::book::{Runbook, answer};
use crate::report::{printable, wrap};
use crate::source::{Known, known};

/// What is read of a pasted text.
const MOST: u64 = 1 << 20;

#[derive(clap::Args, Debug)]
#[command(after_help = "ssh web1 2>&1 | runbook find")]
pub(super) struct Args {
    /// The error, as it was seen, with whatever stands around it; without it, standard input
    text: Vec<String>,
    /// How to say it; jsonl is json here
    #[arg(short = 'o', long, value_enum, default_value = "human")]
    output: Output,
}

pub(super) fn run(a: &Args) -> Result<u8, Failure> {
    let pasted = if a.text.is_empty() { pasted()? } else { a.text.join(" ") };
    let (known, missing) = known()?;
    missing.iter().for_each(|d| warn(&warning(d)));
    let mut books: Vec<(&Known, Runbook)> = Vec::new();
    for k in &known {
        match k.load() {
            Ok(b) => books.push((k, b)),
            // One that cannot be read answers nothing, and hides no other.
            Err(_) => warn(&format!("warning: {} has errors: runbook lint {}\n", k.name, k.path())),
        }
    }
    let asked: Vec<(&Runbook, &str)> = books.iter().map(|(k, b)| (b, k.text.as_ref())).collect();
    let hits = answer::rank(&asked, &pasted);
    // Where one says that it answers this, what only has words in common does not help.
    let said = hits.iter().any(|h| h.matched.is_some());
    let hits: Vec<_> = hits.into_iter().filter(|h| !said || h.matched.is_some()).take(5).collect();
    let code = if hits.is_empty() { exit::FAILED } else { exit::OK };
    if a.output != Output::Human {
        let found: Vec<_> = hits
            .iter()
            .map(|h| {
                let (k, b) = &books[h.book];
                json!({"name": k.name, "title": b.title, "source": k.origin.shown(), "matched": h.matched})
            })
            .collect();
        say(&format!("{}\n", json!({"schema": 1, "found": found, "exit": code})));
        return Ok(code);
    }
    let Some(best) = hits.first() else {
        warn("no runbook answers this\n");
        warn("  hint: runbook list shows what there is; quote the line of the error itself\n");
        return Ok(code);
    };
    if !said {
        say("No runbook says that it answers this; these have words in common with it:\n\n");
    }
    for h in &hits {
        let (k, b) = &books[h.book];
        say(&format!("{}\n", k.name));
        let mut lines = vec![b.title.clone()];
        lines.extend(h.matched.as_ref().map(|m| format!("it answers: {m}")));
        for l in lines.iter().flat_map(|l| wrap(&printable(l), width().saturating_sub(4))) {
            say(&format!("    {l}\n"));
        }
    }
    let name = &books[best.book].0.name;
    let (target, vars) = connection(&pasted);
    // Where ssh itself is shut another way in is needed, or none: on the host itself.
    let over = if target.is_empty() || name.starts_with("ssh-") {
        ", over a way in that works (or without -t on the host)"
    } else {
        ""
    };
    let last = format!("runbook show {name} explains it; this looks, and changes nothing{over}:");
    say(&format!("\n{}\n", wrap(&last, width()).join("\n")));
    let via = if over.is_empty() { "" } else { " --via CHANNEL" };
    say(&format!("    runbook plan {name}{target}{via}{vars}\n"));
    Ok(code)
}

fn pasted() -> Result<String, Failure> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        warn("paste the error, then Ctrl-D:\n");
    }
    let mut bytes = Vec::new();
    stdin
        .take(MOST)
        .read_to_end(&mut bytes)
        .map_err(|e| Failure::usage(format!("standard input cannot be read: {e}"), "runbook find \"THE ERROR\""))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if text.trim().is_empty() {
        return Err(Failure::usage(
            "there is no text to look for",
            "runbook find \"THE ERROR\", or ssh HOST 2>&1 | runbook find",
        ));
    }
    Ok(text)
}

/// The target and the port of a message of ssh's, as arguments. Only what is plainly a name: the text is a stranger's.
fn connection(pasted: &str) -> (String, String) {
    let Ok(said) = regex::Regex::new(r"connect to (?:host|address) ([A-Za-z0-9][A-Za-z0-9._:-]*) port (\d{1,5})\b")
    else {
        return Default::default();
    };
    let Some(c) = said.captures(pasted) else { return (" -t HOST".into(), String::new()) };
    let port = if &c[2] == "22" { String::new() } else { format!(" -e port={}", &c[2]) };
    (format!(" -t {}", &c[1]), port)
}
