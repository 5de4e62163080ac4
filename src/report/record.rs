//! A run of the past, for reading.

use std::cell::RefCell;

use serde_json::Value;

use super::human::{Ink, paint};
use super::printable;
use super::words::{count, wrap};

/// The records of a run ([`crate::apply::past::records`]): what it was, its changes with their diffs and what became of
/// them, and where what was there before is kept.
#[must_use]
pub fn human(records: &[Value], colour: bool, width: usize) -> String {
    let text = |v: &Value| printable(v.as_str().unwrap_or_default());
    let ink = |i, t: &str| paint(colour, i, t);
    let of = |kind: &'static str| records.iter().filter(move |r| r["record"] == kind);
    let out = &RefCell::new(String::new());
    let line = |l: &str| *out.borrow_mut() += &format!("{}\n", l.trim_end());
    let para = |i: Ink, indent: &str, first: &str, body: &str| {
        let pad = " ".repeat(indent.len() + first.chars().count());
        for (n, l) in wrap(body, width.saturating_sub(pad.len())).iter().enumerate() {
            line(&if n == 0 { format!("{indent}{}{l}", ink(i, first)) } else { format!("{pad}{l}") });
        }
    };
    for r in of("run") {
        let exit = of("end")
            .next_back()
            .map_or_else(|| "it did not come to its end".into(), |e| format!("exit {}", e["exit"]));
        let (book, target, channel) = (text(&r["runbook"]), text(&r["target"]), text(&r["channel"]));
        let host = r["host"].as_str().filter(|h| !h.is_empty() && !target.contains(h));
        let host = host.map(|h| format!(" ({})", printable(h))).unwrap_or_default();
        let on =
            if channel == "local" || channel == "root" { target } else { format!("{target}{host} over {channel}") };
        para(Ink::Bold, "", "", &format!("{book} on {on}, {}: {exit}", moment(&r["at"])));
    }
    for r in of("decided") {
        para(
            Ink::Plain,
            "",
            "",
            &format!("{}={}, decided at the {}", text(&r["var"]), text(&r["value"]), text(&r["by"])),
        );
    }
    for r in of("lost") {
        para(Ink::Yellow, "", "lost ", &format!("{}: {}", text(&r["channel"]), text(&r["why"])));
    }
    for r in of("guard").filter(|r| r["kept"] == false) {
        let all = if r["whole"] == true {
            "its last round was taken back: "
        } else {
            "its last round was NOT all taken back: "
        };
        para(Ink::Yellow, "", all, &text(&r["why"]));
    }
    for (n, r) in of("change").enumerate() {
        let c = &r["change"];
        line("");
        para(Ink::Bold, "", &format!("{:>3}. ", n + 1), &text(&c["title"]));
        let row = |i: Ink, first: &str, body: &str| para(i, "     ", first, body);
        row(Ink::Dim, "for: ", &text(&r["step"]));
        let end = |kind: &str| of_number(records, kind, &r["number"]);
        match (end("done"), end("failed")) {
            (Some(d), _) => row(Ink::Green, "done ", &moment(&d["at"])),
            (None, Some(f)) => {
                let status = format!("status {}", f["status"]);
                let said = text(&f["said"]);
                row(Ink::Red, "failed ", if said.is_empty() { &status } else { &said });
            }
            (None, None) => row(Ink::Red, "not known whether it was done", ""),
        }
        for a in c["attributes"].as_array().into_iter().flatten() {
            row(Ink::Plain, "", &text(a));
        }
        if let Some(undo) = c["undo"].as_str().filter(|_| c["kind"] == "command") {
            row(Ink::Plain, "taken back by:", "");
            undo.lines().for_each(|l| line(&format!("       {}", printable(l))));
        }
        let diff = c["diff"].as_str();
        for l in diff.unwrap_or_default().lines().skip(2) {
            let i = match l.as_bytes().first() {
                Some(b'-') => Ink::Red,
                Some(b'+') => Ink::Green,
                Some(b'@') => Ink::Cyan,
                _ => Ink::Plain,
            };
            line(&format!("     {}", ink(i, &printable(l))));
        }
        if c["sensitive"] == true {
            row(Ink::Dim, "(the content is sensitive, and is kept on the target alone)", "");
        } else if c["kind"] == "file" && diff.is_none() {
            row(Ink::Dim, "(the content holds a secret or was not read; what is kept is on the target alone)", "");
        }
        // Paths stand alone and whole, to be copied.
        for (at, side) in [("on this machine", "controller"), ("on the target", "target")] {
            if let Some(path) = c["kept"][side].as_str() {
                line(&format!(
                    "     {}\n       {}",
                    ink(Ink::Dim, &format!("what was there before, {at}:")),
                    printable(path)
                ));
            }
        }
    }
    let left: Vec<String> = of("declined").map(|r| text(&r["title"])).collect();
    if !left.is_empty() {
        line(&format!("\n{}:", ink(Ink::Yellow, &format!("{} left, as you said", count(left.len(), "change")))));
        left.iter().for_each(|l| para(Ink::Plain, "     ", "", l));
    }
    out.take()
}

fn of_number<'a>(records: &'a [Value], kind: &str, number: &Value) -> Option<&'a Value> {
    records.iter().find(|r| r["record"] == kind && r["number"] == *number)
}

/// `2026-11-26 03:40:12 UTC`
pub(super) fn moment(at: &Value) -> String {
    let at = at.as_str().unwrap_or_default();
    let at = at.trim_end_matches('Z').split('.').next().unwrap_or_default();
    format!("{} UTC", at.replace('T', " "))
}
