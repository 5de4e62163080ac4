//! `runbook show`.

use std::fmt::Write;

use clap::ValueEnum;

use super::{Failure, say};
use crate::book::{Step, Where, find};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// A path, or the name of a shipped runbook
    runbook: String,
    /// Format
    #[arg(short, long, value_enum, default_value_t = Page::Human)]
    output: Page,
}

/// The formats of `-o` here.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
enum Page {
    /// For reading in a terminal
    Human,
    /// A page with the decision flow as a Mermaid diagram
    Markdown,
}

pub(super) fn run(a: &Args) -> Result<u8, Failure> {
    let b = find(&a.runbook)?;
    if a.output == Page::Markdown {
        say(&crate::report::page::markdown(&b));
        return Ok(crate::apply::exit::OK);
    }
    let mut out = format!("{}\n{}\n", b.name, b.title);
    if !b.about.is_empty() {
        let _ = write!(out, "\n{}\n", b.about);
    }
    if !b.vars.0.is_empty() {
        out.push_str("\nVariables (-e NAME=VALUE):\n");
        for v in &b.vars.0 {
            let default = v
                .default
                .as_ref()
                .map(|d| format!(" [{}]", d.as_str().map_or_else(|| d.to_string(), str::to_owned)))
                .unwrap_or_default();
            let _ = writeln!(out, "  {:<16} {}{default}", v.name, v.help);
        }
    }
    out.push_str("\nSteps:\n");
    for (n, s) in b.steps.iter().enumerate() {
        step(&mut out, n + 1, s);
    }
    if !b.see.is_empty() {
        let _ = writeln!(out, "\nSee also: {}", b.see.join(", "));
    }
    say(&out);
    Ok(crate::apply::exit::OK)
}

fn step(out: &mut String, n: usize, s: &Step) {
    let from = if s.vantage == Where::Controller { " (looked at from here)" } else { "" };
    let _ = writeln!(out, "\n{n:>3}. {}{from}", s.name.text);
    let mut row = |label: &str, text: &str| {
        let _ = writeln!(out, "     {label:<10} {text}");
    };
    if let Some(w) = &s.why {
        row("why", w);
    }
    if let Some(w) = &s.when {
        row("applies if", &w.text);
    }
    if let Some(c) = s.check.as_ref().filter(|_| !s.ensure) {
        row("looks at", &c.shown());
    }
    if let Some(c) = &s.condition {
        row("fault if", &c.text);
    }
    if let Some(c) = s.check.as_ref().filter(|_| s.ensure) {
        row("ensures", &c.shown());
    }
    for c in &s.remediation {
        row("repairs by", &c.shown());
    }
    if !s.notify.is_empty() {
        row("then", &s.notify.join(", "));
    }
    if let Some(m) = &s.manual {
        row("by hand", m.text.text.trim());
    }
}
