//! A runbook as a page for a wiki or a repository: its text, its variables, the decision flow as a Mermaid diagram, and each
//! step in full. Made from the runbook alone.

use std::fmt::Write;

use serde_json::Value;

use super::words::wrap;
use crate::book::{Call, Runbook, Step, Var, Where};

/// The page, as GitHub's Markdown shows it.
#[must_use]
pub fn markdown(b: &Runbook) -> String {
    let mut out = format!("# {}\n\n`runbook apply {}`\n", text(&b.title), b.name);
    // Its first line is often the title.
    let about = b.about.strip_prefix(b.title.as_str()).unwrap_or(&b.about).trim();
    if !about.is_empty() {
        let _ = write!(out, "\n{}\n", paragraphs(about));
    }
    if !b.answers.is_empty() {
        out.push_str("\nFor a client that says:\n\n");
        b.answers.iter().for_each(|a| out += &format!("- {}\n", code(a.as_str())));
    }
    if !b.vars.0.is_empty() {
        out.push_str("\n## Variables\n\n| `-e NAME=VALUE` | default | meaning |\n| --- | --- | --- |\n");
        b.vars.0.iter().for_each(|v| out += &var(v));
    }
    let _ = write!(out, "\n## How it decides\n\n```mermaid\n{}```\n\n## Steps\n", flow(b));
    for (n, s) in b.steps.iter().enumerate() {
        step(&mut out, n + 1, s);
    }
    if !b.handlers.is_empty() {
        out.push_str("\n## After a round's changes\n\n");
        for h in &b.handlers {
            let first = h.validate.as_ref().map(|v| format!(", once {} holds", call(v))).unwrap_or_default();
            let _ = writeln!(out, "- {}: {}{first}", code(&h.id), call(&h.call));
        }
    }
    if !b.verify.is_empty() {
        out.push_str("\n## The proof at the end\n\n");
        b.verify.iter().for_each(|c| out += &format!("- {}\n", call(c)));
    }
    if !b.see.is_empty() {
        let _ = writeln!(out, "\nSee also: {}", b.see.iter().map(|s| code(s)).collect::<Vec<_>>().join(", "));
    }
    out
}

fn var(v: &Var) -> String {
    let default = v.default.as_ref().map(|d| code(&d.as_str().map_or_else(|| d.to_string(), str::to_owned)));
    // A table's row is one line, and a bar ends a cell, in code too.
    let cell = |t: String| t.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    format!("| {} | {} | {} |\n", code(&v.name), cell(default.unwrap_or_default()), cell(text(&v.help)))
}

fn step(out: &mut String, n: usize, s: &Step) {
    let _ = writeln!(out, "\n### {n}. {}\n", text(&s.name.text));
    if let Some(w) = &s.why {
        let _ = writeln!(out, "{}\n", text(w));
    }
    let mut row = |label: &str, what: &str| {
        let _ = writeln!(out, "- {label}: {what}");
    };
    let one = |t: &str| code(&t.split_whitespace().collect::<Vec<_>>().join(" "));
    let from = if s.vantage == Where::Controller { "looks from here at" } else { "looks at" };
    if !s.needs.is_empty() {
        row("after", &s.needs.iter().map(|x| code(x)).collect::<Vec<_>>().join(", "));
    }
    if let Some(w) = &s.when {
        row("applies if", &one(&w.text));
    }
    if s.otherwise {
        row("applies if", "nothing before it explains what was seen");
    }
    if let Some(c) = &s.check {
        row(if s.ensure { "makes sure of" } else { from }, &call(c));
    }
    if let Some(c) = &s.condition {
        row("fault if", &one(&c.text));
    }
    if let Some(f) = &s.finding {
        row("says", &one(&f.text));
    }
    if let Some(n) = &s.note {
        row("notes", &one(&n.text));
    }
    for c in &s.remediation {
        row("repairs by", &call(c));
    }
    if !s.notify.is_empty() {
        row("then", &s.notify.iter().map(|x| code(x)).collect::<Vec<_>>().join(", "));
    }
    if let Some(m) = &s.manual {
        row("by hand", &one(&m.text.text));
    }
}

/// Mermaid's flowchart: each step with its way on, the repairs beside it, what follows them, and the proof.
fn flow(b: &Runbook) -> String {
    let mut out = format!("flowchart TD\n  begin([{}])\n", label(&b.title));
    let mut before = vec!["begin".to_owned()];
    for (n, s) in (1..).zip(&b.steps) {
        let _ = writeln!(out, "  s{n}{{{{{}}}}}", label(&format!("{n}. {}", s.name.text)));
        before.drain(..).for_each(|from| out += &format!("  {from} --> s{n}\n"));
        let repairs: Vec<String> = s.remediation.iter().map(brief).collect();
        let by_hand = s.manual.as_ref().map(|_| "by hand".to_owned());
        let done = if s.ensure { vec![s.check.as_ref().map(brief).unwrap_or_default()] } else { repairs };
        let done: Vec<String> = done.into_iter().chain(by_hand).collect();
        before = vec![format!("s{n} -- ok")];
        if s.looks_only() {
            before = vec![format!("s{n}")];
        } else {
            let lines: Vec<String> = done.iter().map(|d| label(d)).collect();
            let inside = lines.iter().map(|l| l.trim_matches('"')).collect::<Vec<_>>().join("<br/>");
            let _ = writeln!(out, "  r{n}[\"{inside}\"]\n  s{n} -- fault --> r{n}");
            s.notify.iter().filter_map(|id| b.handlers.iter().position(|h| h.id == *id)).for_each(|h| {
                let _ = writeln!(out, "  r{n} -.-> h{h}");
            });
            before.push(format!("r{n}"));
        }
    }
    for (n, h) in b.handlers.iter().enumerate() {
        let _ = writeln!(out, "  h{n}[[{}]]", label(&format!("{}: {}", h.id, brief(&h.call))));
    }
    let proof = b.verify.iter().map(Call::shown).collect::<Vec<_>>().join("; ");
    let proof = if proof.is_empty() { "healthy".to_owned() } else { format!("healthy when: {proof}") };
    let _ = writeln!(out, "  proof([{}])", label(&proof));
    before.iter().for_each(|from| out += &format!("  {from} --> proof\n"));
    (0..b.handlers.len()).for_each(|h| out += &format!("  h{h} -.-> proof\n"));
    out
}

/// What is done, and to what where that is known beforehand.
fn brief(c: &Call) -> String {
    let first = c.params.iter().map(|p| p.1).find_map(|v| v.as_str()).filter(|t| !t.contains("{{") && t.len() < 40);
    format!("{} {}", c.name, first.unwrap_or_default()).trim_end().to_owned()
}

/// A quoted label of a few short lines; what Mermaid would read is spelled by number.
fn label(what: &str) -> String {
    let line = |l: &String| {
        l.chars().fold(String::new(), |mut out, c| {
            match c {
                '"' | '#' | '<' | '>' | '`' | '\\' | '&' | '{' | '}' | '%' => {
                    let _ = write!(out, "#{};", u32::from(c));
                }
                c => out.push(c),
            }
            out
        })
    };
    let short: String =
        if what.chars().count() > 120 { what.chars().take(119).chain(['…']).collect() } else { what.into() };
    format!("\"{}\"", wrap(&short, 28).iter().map(line).collect::<Vec<_>>().join("<br/>"))
}

/// In one line; what a runbook gives in several (a script, a file's content) stands below it as it is.
fn call(c: &Call) -> String {
    let long = |v: &Value| v.as_str().is_some_and(|t| t.trim().contains('\n'));
    let mut short = c.clone();
    short.params.retain(|_, v| !long(v));
    let mut out = code(short.shown().trim());
    for (name, text) in c.params.iter().filter(|p| long(p.1)).filter_map(|(k, v)| Some((k, v.as_str()?))) {
        let most = text.split(|c| c != '`').map(str::len).max().unwrap_or(0).max(2);
        let fence = "`".repeat(most + 1);
        let body: String = text.trim_end().lines().map(|l| format!("  {l}").trim_end().to_owned() + "\n").collect();
        let name = if c.scalar { String::new() } else { format!(", its {}", code(name)) };
        let _ = write!(out, "{name}:\n\n  {fence}\n{body}  {fence}\n");
    }
    out.trim_end().to_owned()
}

/// As it is, whatever it has in it: fenced by one backtick more than it holds in a row.
fn code(what: &str) -> String {
    let most = what.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(most + 1);
    let pad = if what.starts_with('`') || what.ends_with('`') || what.is_empty() { " " } else { "" };
    format!("{fence}{pad}{what}{pad}{fence}")
}

/// Text that means no markup.
fn text(what: &str) -> String {
    what.chars().fold(String::new(), |mut out, c| {
        if matches!(c, '*' | '_' | '<' | '>' | '[' | ']' | '`' | '\\') {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

/// A comment's text: paragraphs, and lists as they stand.
fn paragraphs(about: &str) -> String {
    about.lines().map(|l| text(l.trim_end())).map(|l| l.trim_start().to_owned()).collect::<Vec<_>>().join("\n")
}
