//! `runbook find`.

use std::io::{IsTerminal, Read as _};

use serde_json::json;

use super::{Failure, Output, say, warn, warning, width};
use crate::apply::exit;
use crate::book::{Runbook, Var, answer};
use crate::report::{printable, wrap};
use crate::source::{Known, known};

/// What is read of a pasted text.
const MOST: u64 = 1 << 20;
/// Runbooks that are shown.
const MOST_SHOWN: usize = 3;

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
    if pasted.trim().is_empty() {
        return Err(Failure::usage(
            "there is no text to look for",
            "runbook find \"THE ERROR\", or ssh HOST 2>&1 | runbook find",
        ));
    }
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
    let asked: Vec<&Runbook> = books.iter().map(|(_, b)| b).collect();
    let mut hits = answer::rank(&asked, &pasted);
    hits.truncate(MOST_SHOWN);
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
        warn("  hint: paste the line with the error itself; runbook list shows what there is\n");
        return Ok(code);
    };
    if best.matched.is_none() {
        say("No runbook lists this error. By its name and title this one may be meant:\n\n");
    }
    for h in &hits {
        let (k, b) = &books[h.book];
        say(&format!("{}\n", k.name));
        let mut lines = vec![b.title.clone()];
        lines.extend(h.matched.as_ref().map(|m| format!("matches: {m}")));
        for l in lines.iter().flat_map(|l| wrap(&printable(l), width().saturating_sub(4))) {
            say(&format!("    {l}\n"));
        }
    }
    let (known, book) = &books[best.book];
    let said = Endpoint::parse(&pasted);
    let wrapped = |text: &str| say(&format!("\n{}\n", wrap(text, width()).join("\n")));
    wrapped(&format!("On {}, this looks and changes nothing:", said.host.as_deref().unwrap_or("the host itself")));
    say(&format!("    runbook plan {}{}\n", known.name, said.arguments(book)));
    let target = said.host.as_ref().map(|h| format!("-t {h} ")).unwrap_or_default();
    // Where ssh itself is shut, the run needs another channel.
    wrapped(&match known.name.starts_with("ssh-") {
        true => format!(
            "From here, add {target}--via CHANNEL, a channel that still works. runbook show {} explains each step.",
            known.name
        ),
        false => format!("From here, add -t HOST. runbook show {} explains each step.", known.name),
    });
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
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What an error says of the connection that failed. The text is a stranger's: only what is plainly a name is taken.
#[derive(Debug, Default, PartialEq)]
struct Endpoint {
    host: Option<String>,
    port: Option<String>,
    user: Option<String>,
}

/// The forms of ssh's, PuTTY's and Go's messages, and of sshd's log.
const FORMS: &[&str] = &[
    r"connect to (?:host|address) (?<host>[A-Za-z0-9][A-Za-z0-9._:-]*) port (?<port>\d{1,5})\b",
    r"\b(?<user>[a-z_][a-z0-9_-]*)@(?<host>[A-Za-z0-9][A-Za-z0-9._:-]*): Permission denied",
    r"Connection (?:closed|reset) by (?<host>[0-9a-fA-F][0-9a-fA-F.:]*) port (?<port>\d{1,5})\b",
    r"Unable to negotiate with (?<host>[0-9a-fA-F][0-9a-fA-F.:]*) port (?<port>\d{1,5})\b",
    r"dial tcp (?<host>[A-Za-z0-9][A-Za-z0-9._-]*):(?<port>\d{1,5})\b",
    r"\bUser (?<user>[a-z_][a-z0-9_-]*) from \S+ not allowed because",
];

impl Endpoint {
    /// The first form that the text has.
    fn parse(text: &str) -> Self {
        let forms = FORMS.iter().filter_map(|f| regex::Regex::new(f).ok());
        forms.filter_map(|f| f.captures(text).map(|c| Self::of(&c))).next().unwrap_or_default()
    }

    fn of(found: &regex::Captures<'_>) -> Self {
        let named = |name: &str| found.name(name).map(|m| m.as_str().to_owned());
        Self { host: named("host"), port: named("port"), user: named("user") }
    }

    /// Arguments for the variables that the runbook has; what it needs and the text does not say is left to fill in.
    fn arguments(&self, book: &Runbook) -> String {
        let said = |name: &str| match name {
            "port" => self.port.clone(),
            "user" => self.user.clone(),
            _ => None,
        };
        let needed = |v: &Var| v.default.is_none() && !v.optional && !v.is_secret();
        let value = |v: &Var| said(&v.name).or_else(|| needed(v).then(|| v.name.to_uppercase()));
        book.vars.0.iter().filter_map(|v| value(v).map(|x| format!(" -e {}={x}", v.name))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_where_it_came_from() {
        let of = |text: &str| {
            let e = Endpoint::parse(text);
            [e.host, e.port, e.user].map(Option::unwrap_or_default).join(" ")
        };
        assert_eq!(of("ssh: connect to host web1 port 2222: Connection refused"), "web1 2222 ");
        assert_eq!(of("admin@web1: Permission denied (publickey)."), "web1  admin");
        assert_eq!(of("Connection closed by 192.0.2.7 port 22"), "192.0.2.7 22 ");
        assert_eq!(of("dial tcp 10.0.0.5:22: connect: connection refused"), "10.0.0.5 22 ");
        assert_eq!(of("User bob from 192.0.2.9 not allowed because not listed in AllowUsers"), "  bob");
        assert_eq!(of("No space left on device"), "  ");
        assert_eq!(of("connect to host $(reboot) port 22"), "  ", "nothing that a shell would run");
    }

    #[test]
    fn every_form_compiles() {
        FORMS.iter().for_each(|f| drop(regex::Regex::new(f).unwrap()));
    }
}
