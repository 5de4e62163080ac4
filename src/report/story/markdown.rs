//! For a ticket.

use std::fmt::Write as _;

use super::{Story, way};

/// GitHub's Markdown.
#[must_use]
pub fn ticket(s: &Story) -> String {
    let mut out = format!("# {}\n\n", text(&s.title));
    let _ = writeln!(out, "| | |\n| --- | --- |");
    for (name, value) in [
        ("host", text(&s.target)),
        ("when", s.at.clone()),
        ("runbook", format!("{} at {}", code(&s.runbook.0), code(&s.runbook.1))),
        ("run", code(&s.id)),
        ("result", format!("**{}**", text(&s.ended))),
    ] {
        let _ = writeln!(out, "| {name} | {} |", cell(&value));
    }
    if !s.findings.is_empty() {
        out.push_str("\n## What was wrong\n\n");
        s.findings.iter().for_each(|f| out += &format!("- {}\n", text(f)));
    }
    if !s.changes.is_empty() {
        out.push_str("\n## What was done\n");
        for (n, c) in s.changes.iter().enumerate() {
            let _ = writeln!(out, "\n{}. **{}**: {}", n + 1, text(&c.title), text(&c.end));
            if let Some(d) = &c.diff {
                let fence = fence(d);
                let _ = writeln!(out, "\n   {fence}diff");
                d.lines().for_each(|l| out += &format!("   {l}\n"));
                let _ = writeln!(out, "   {fence}");
            }
        }
    }
    if !s.left.is_empty() {
        out.push_str("\n## What is left\n\n");
        for left in &s.left {
            let _ = writeln!(out, "- {}: {}", left.why, text(&left.finding));
            if let Some(m) = &left.manual {
                let _ = writeln!(out, "  - {}", text(m));
            }
        }
    }
    if !s.steps.is_empty() {
        out.push_str("\n## The way through the runbook\n\n| | step | what was seen |\n| --- | --- | --- |\n");
        for step in &s.steps {
            let _ = writeln!(
                out,
                "| {} | {} | {} |",
                way(step),
                cell(&text(&step.name)),
                cell(&text(&step.evidence.join(" → ")))
            );
        }
    }
    out.push_str("\n## Timeline\n\n");
    for m in &s.moments {
        let _ = writeln!(out, "- {} {}", code(&m.at), text(&m.what));
    }
    if s.undoable {
        let _ = writeln!(out, "\n## To take it back\n\n    runbook undo {}", s.id);
    }
    out
}

/// Text that is no markup, on one line.
fn text(t: &str) -> String {
    let mut out = String::new();
    for c in t.split_whitespace().collect::<Vec<_>>().join(" ").chars() {
        if "\\`*_[]<>#|~".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn code(t: &str) -> String {
    let t = t.replace('\n', " ");
    let ticks = "`".repeat(longest(&t) + 1);
    let pad = if t.starts_with('`') || t.ends_with('`') { " " } else { "" };
    format!("{ticks}{pad}{t}{pad}{ticks}")
}

/// The longest run of backticks.
fn longest(t: &str) -> usize {
    t.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

fn fence(t: &str) -> String {
    "`".repeat((longest(t) + 1).max(3))
}

/// A bar ends a cell; one of [`text`] has its backslash already.
fn cell(t: &str) -> String {
    t.replace('\n', " ")
}
