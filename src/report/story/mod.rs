//! A past run as a story: for a ticket (Markdown) and for a postmortem (one HTML page). Made from its record and from what was
//! told meanwhile.

mod html;
mod markdown;

use serde_json::Value;

use super::printable;
use super::record::moment;

pub use html::page;
pub use markdown::ticket;

/// How a step stood, and how it stands.
pub struct StepStory {
    /// What is right when it is ok.
    pub name: String,
    /// As it was where it says most: `change`, `failed`, `ok`, ….
    pub first: String,
    /// As the last one had it.
    pub last: String,
    /// What was seen then, and at the end where that is something else.
    pub evidence: Vec<String>,
    /// What was wrong, in a sentence.
    pub finding: Option<String>,
    /// What only a person can do.
    pub manual: Option<String>,
}

/// What was done.
pub struct ChangeStory {
    /// In a few words.
    pub title: String,
    /// The step that wanted it.
    pub step: String,
    /// What became of it: `done`, `failed: why`, `not known`.
    pub end: String,
    /// It was done.
    pub done: bool,
    /// Its diff without its head; `None`: it holds a secret, or has none.
    pub diff: Option<String>,
    /// What takes it back, for a command.
    pub undo: Option<String>,
}

/// What the run has left.
pub struct LeftStory {
    /// Why: `failed`, `not tried`, `by hand`, ….
    pub why: &'static str,
    /// What is wrong.
    pub finding: String,
    /// What a person is to do about it.
    pub manual: Option<String>,
}

/// A moment and what happened.
pub struct Moment {
    /// `2026-11-26 03:40:12 UTC`.
    pub at: String,
    /// In a sentence.
    pub what: String,
    /// `good`, `bad`, or nothing.
    pub mood: &'static str,
}

/// The whole of it.
pub struct Story {
    /// The run.
    pub id: String,
    /// What the runbook is about.
    pub title: String,
    /// Its name, and its digest.
    pub runbook: (String, String),
    /// Where, and over what.
    pub target: String,
    /// When it began.
    pub at: String,
    /// How it ended, in a sentence.
    pub ended: String,
    /// All is well, or was taken back whole, or not.
    pub exit: Option<i64>,
    /// What was wrong.
    pub findings: Vec<String>,
    /// In the order of the runbook, without those that did not apply.
    pub steps: Vec<StepStory>,
    /// In the order in which they were made.
    pub changes: Vec<ChangeStory>,
    /// Everything that the run has left, by its finding.
    pub left: Vec<LeftStory>,
    /// In the order of time.
    pub moments: Vec<Moment>,
    /// There is something that `undo` could take back.
    pub undoable: bool,
}

/// The story of a run, from [`crate::apply::past::records`] and [`crate::apply::past::told`]; `None` without a beginning.
#[must_use]
pub fn of(id: &str, records: &[Value], told: &[Value]) -> Option<Story> {
    let text = |v: &Value| printable(v.as_str().unwrap_or_default());
    let run = records.iter().find(|r| r["record"] == "run")?;
    let end = records.iter().rev().find(|r| r["record"] == "end");
    let exit = end.and_then(|e| e["exit"].as_i64());
    let plans: Vec<&Value> = told.iter().filter(|e| e["event"] == "plan").collect();
    let started = told.iter().find(|e| e["event"] == "started");
    let channel = text(&run["channel"]);
    let host = run["host"].as_str().map(printable).filter(|h| !h.is_empty()).unwrap_or_else(|| text(&run["target"]));
    let target = if channel == "local" {
        host
    } else if channel == "root" {
        format!("{host} ({})", text(&run["target"]))
    } else {
        format!("{host} ({} over {channel})", text(&run["target"]))
    };
    let name = text(&run["runbook"]);
    let steps = steps(&plans);
    let mut findings: Vec<String> = steps.iter().filter_map(|s| s.finding.clone()).collect();
    findings.dedup();
    let left = left(told, &steps);
    Some(Story {
        id: id.to_owned(),
        title: started.map_or_else(|| name.clone(), |s| text(&s["title"])),
        runbook: (name, text(&run["digest"]).chars().take(12).collect()),
        target,
        at: moment(&run["at"]),
        ended: ended(exit, channel == "root"),
        exit,
        findings,
        steps,
        changes: changes(records),
        left,
        moments: moments(records, told),
        undoable: exit != Some(5) && records.iter().any(|r| r["record"] == "change"),
    })
}

/// What the exit code says (DESIGN 9); of a disk that is not running it says less.
fn ended(exit: Option<i64>, offline: bool) -> String {
    match exit {
        Some(0) if offline => "offline checks passed".into(),
        Some(0) => "all is well".into(),
        Some(5) => "it was taken back: a change had made it worse, or nobody could confirm it".into(),
        Some(6) => "NOT all of it could be taken back: the host needs a person".into(),
        Some(130) => "it was interrupted".into(),
        Some(1) => "something is left to do".into(),
        Some(n) => format!("exit {n}"),
        None => "it did not come to its end: its controller was cut off".into(),
    }
}

fn steps(plans: &[&Value]) -> Vec<StepStory> {
    let text = |v: &Value| printable(v.as_str().unwrap_or_default());
    let same = |a: &Value, b: &Value| a["name"] == b["name"] && a["item"] == b["item"];
    let Some(last) = plans.last().and_then(|p| p["steps"].as_array()) else { return Vec::new() };
    let one = |after: &Value| {
        let all = || plans.iter().filter_map(|p| p["steps"].as_array()?.iter().find(|s| same(s, after)));
        // Where it says most: what was repaired, what was wrong, what was judged at all.
        let rank = |s: &&Value| match s["status"].as_str() {
            Some("change") => 0,
            Some("ok") => 2,
            Some("skipped" | "unknown") => 3,
            _ => 1,
        };
        let first = all().min_by_key(rank).unwrap_or(after);
        let mut evidence = vec![text(&first["evidence"])];
        // Of what was well all along one look is enough, and the last one says most.
        if first["status"] == "ok" && after["status"] == "ok" {
            evidence.clear();
        }
        if after["status"] != "skipped" && (evidence.is_empty() || after["evidence"] != first["evidence"]) {
            evidence.push(text(&after["evidence"]));
        }
        evidence.retain(|e| !e.is_empty());
        StepStory {
            name: text(&after["name"]),
            first: text(&first["status"]),
            last: text(&after["status"]),
            evidence,
            finding: [first, after].into_iter().find_map(|s| s["finding"].as_str().map(printable)),
            manual: after["manual"]["text"].as_str().or(after["manual"].as_str()).map(printable),
        }
    };
    // What a loop had in an earlier plan, and was mended, is not in the last one.
    let mut every: Vec<Value> = last.clone();
    for s in plans.iter().filter_map(|p| p["steps"].as_array()).flatten() {
        if s["status"] == "change" && !every.iter().any(|e| same(e, s)) {
            let mut gone = s.clone();
            gone["status"] = "ok".into();
            gone["evidence"] = Value::Null;
            every.push(gone);
        }
    }
    every.iter().map(one).filter(|s| s.first != "skipped" || s.last != "skipped").collect()
}

fn changes(records: &[Value]) -> Vec<ChangeStory> {
    let text = |v: &Value| printable(v.as_str().unwrap_or_default());
    let of = |kind: &str, number: &Value| records.iter().find(|r| r["record"] == kind && r["number"] == *number);
    let one = |r: &Value| {
        let c = &r["change"];
        let (done, failed) = (of("done", &r["number"]), of("failed", &r["number"]));
        let end = match (done, failed) {
            (Some(_), _) => "done".to_owned(),
            (None, Some(f)) if text(&f["said"]).is_empty() => format!("failed with status {}", f["status"]),
            (None, Some(f)) => format!("failed: {}", text(&f["said"])),
            (None, None) => "it is not known whether it was done".to_owned(),
        };
        let diff = c["diff"].as_str().map(|d| d.lines().skip(2).map(|l| printable(l) + "\n").collect::<String>());
        let attributes: Vec<String> = c["attributes"].as_array().into_iter().flatten().map(text).collect();
        let attributes = if attributes.is_empty() { String::new() } else { format!(" ({})", attributes.join(", ")) };
        ChangeStory {
            title: text(&c["title"]) + &attributes,
            step: text(&r["step"]),
            end,
            done: done.is_some(),
            diff: diff.filter(|d| !d.is_empty()),
            undo: c["undo"].as_str().filter(|_| c["kind"] == "command").map(printable),
        }
    };
    records.iter().filter(|r| r["record"] == "change").map(one).collect()
}

fn moments(records: &[Value], told: &[Value]) -> Vec<Moment> {
    let text = |v: &Value| printable(v.as_str().unwrap_or_default());
    let mut out: Vec<(String, Moment)> = Vec::new();
    let mut add = |at: &Value, what: String, mood| {
        out.push((at.as_str().unwrap_or_default().to_owned(), Moment { at: moment(at), what, mood }));
    };
    let of = |kind: &'static str| records.iter().filter(move |r| r["record"] == kind);
    let offline = of("run").any(|r| r["channel"] == "root");
    let end = |r: &Value| of("done").chain(of("failed")).any(|e| e["number"] == r["number"]);
    let title = |r: &Value| {
        of("change").find(|c| c["number"] == r["number"]).map(|c| text(&c["change"]["title"])).unwrap_or_default()
    };
    for r in records {
        let at = &r["at"];
        match r["record"].as_str() {
            // Its record is made once there is something to change; it began with the first look.
            Some("run") => add(
                told.first().map_or(at, |first| &first["at"]),
                match offline {
                    true => format!("{} begins on {}", text(&r["runbook"]), text(&r["target"])),
                    false => {
                        format!("{} begins on {} over {}", text(&r["runbook"]), text(&r["target"]), text(&r["channel"]))
                    }
                },
                "",
            ),
            // Its end has its title.
            Some("change") if end(r) => {}
            Some("change") => add(at, format!("{}: not known whether it was done", text(&r["change"]["title"])), "bad"),
            Some("done") => add(at, format!("{}: done", title(r)), "good"),
            Some("failed") => add(at, format!("{}: failed: {}", title(r), text(&r["said"])), "bad"),
            Some("lost") => add(at, format!("{} is lost: {}", text(&r["channel"]), text(&r["why"])), "bad"),
            Some("decided") => {
                add(at, format!("{}={} is decided at the {}", text(&r["var"]), text(&r["value"]), text(&r["by"])), "")
            }
            Some("end") => add(
                at,
                format!("it ends: {}", ended(r["exit"].as_i64(), offline)),
                if r["exit"] == 0 { "good" } else { "bad" },
            ),
            _ => {}
        }
    }
    for e in told {
        let at = &e["at"];
        match e["event"].as_str() {
            Some("plan") => {
                let changes = e["changes"].as_array().map_or(0, Vec::len);
                if changes == 0 && e["round"] != 1 {
                    continue;
                }
                let finding = e["finding"].as_str().map(|f| format!(": {}", printable(f))).unwrap_or_default();
                add(
                    at,
                    format!("round {} is planned, {}{finding}", e["round"], super::words::count(changes, "change")),
                    "",
                );
            }
            Some("verified") => {
                let good = e["status"] == "ok";
                add(at, format!("{}: {}", text(&e["name"]), text(&e["evidence"])), if good { "good" } else { "bad" });
            }
            Some("proof") => {
                let (good, what) = (e["proof"] == "passed", text(&e["evidence"]));
                match e["proof"].as_str() {
                    // The evidence says that it was not.
                    Some("not-possible") => add(at, what, ""),
                    _ => add(at, format!("from outside: {what}"), if good { "good" } else { "bad" }),
                }
            }
            Some("guard") => match e["state"].as_str() {
                Some("armed") => add(at, format!("the guard waits for a confirmation, {} s at most", e["seconds"]), ""),
                Some("kept") => add(at, "nothing is worse than before: it is confirmed".into(), "good"),
                Some("back") => add(at, format!("it was taken back: {}", text(&e["why"])), "bad"),
                Some("waiting") => add(at, format!("the connection was lost: {}", text(&e["why"])), "bad"),
                Some("unknown") => add(at, "the host did not answer again".into(), "bad"),
                _ => {}
            },
            Some("error") => add(at, text(&e["why"]), "bad"),
            _ => {}
        }
    }
    // Of equal moments the record's come first, as it is written first.
    out.sort_by(|a, b| a.0.cmp(&b.0));
    out.into_iter().map(|(_, m)| m).collect()
}

/// What the run has left, as its end has it; of one that did not come to its end, the steps that are not well.
fn left(told: &[Value], steps: &[StepStory]) -> Vec<LeftStory> {
    let text = |v: &Value| printable(v.as_str().unwrap_or_default());
    let end = told.iter().rev().find(|e| e["event"] == "finished");
    let Some(items) = end.and_then(|e| e["unresolved"].as_array()) else {
        let open = steps.iter().filter(|s| !matches!(s.last.as_str(), "ok" | "skipped"));
        let one = |s: &StepStory| LeftStory {
            why: way(s),
            finding: s.finding.clone().unwrap_or_else(|| format!("\"{}\": {}", s.name, s.evidence.join("; "))),
            manual: s.manual.clone(),
        };
        return open.map(one).collect();
    };
    let one = |item: &Value| {
        let step = steps.iter().find(|s| item["step"].as_str().is_some_and(|name| printable(name) == s.name));
        let finding = text(&item["finding"]);
        let why = match item["status"].as_str() {
            Some("not-tried") => "not tried",
            Some("rolled-back") => "rolled back",
            Some("manual") => "by hand",
            Some("unknown") => "not checked",
            Some("declined") => "left, as was said",
            Some("deferred") => "not in effect",
            _ => "failed",
        };
        // What could not be checked has no finding: its step says what it is about.
        let finding = match step.filter(|_| why == "not checked") {
            Some(s) => format!("\"{}\": {finding}", s.name),
            None => finding,
        };
        let manual = step.and_then(|s| s.manual.clone()).filter(|m| *m != finding);
        LeftStory { why, finding, manual }
    };
    items.iter().map(one).collect()
}

/// The words of a step's way: `repaired`, `ok`, ….
fn way(s: &StepStory) -> &'static str {
    match (s.first.as_str(), s.last.as_str()) {
        ("change", "ok" | "skipped") => "repaired",
        ("ok", "ok" | "skipped") => "ok",
        (_, "ok") => "well by now",
        (_, "change") => "not repaired",
        (_, "unknown") => "unknown",
        (_, "declined") => "left, as was said",
        (_, "skipped") => "not needed",
        (_, "manual") => "by hand",
        _ => "still wrong",
    }
}
