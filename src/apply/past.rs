//! A run of the past with what only the files beside its record know: diffs, and where the bytes of before are.

use std::fs;
use std::io;
use std::time::Duration;

use serde_json::{Value, json};

use super::journal::{home, read};
use crate::channel::ChannelError;
use crate::payload::sh_quote;
use crate::plan::diff;
use crate::target::Target;
use crate::target::frame::Status;
use crate::target::probe::Check;

/// The records of one run. A change has its `diff` (null where the bytes are on the target alone) and `kept`: `controller`
/// and `target`, the files that hold what was there before, or null.
pub fn records(id: &str) -> io::Result<Vec<Value>> {
    let mut all = read(id)?;
    let blobs = home()?.join("runs").join(id).join("blobs");
    let mut there = None;
    for r in &mut all {
        match r["record"].as_str() {
            Some("kept") => there = r["directory"].as_str().map(str::to_owned),
            Some("change") if r["change"]["kind"] == "file" => {
                let number = r["number"].clone();
                let c = &mut r["change"];
                let blob = |side: &Value| side["sha256"].as_str().map(|hash| blobs.join(hash)).filter(|p| p.is_file());
                let bytes = |side: &Value| match side["kind"].as_str() {
                    Some("absent") => Some(Vec::new()),
                    Some("link") => side["sha256"].as_str().map(|to| format!("-> {to}\n").into_bytes()),
                    Some("file") => blob(side).and_then(|p| fs::read(p).ok()),
                    _ => None,
                };
                let same = c["before"]["kind"] == c["after"]["kind"] && c["before"]["sha256"] == c["after"]["sha256"];
                let text = match (bytes(&c["before"]), bytes(&c["after"])) {
                    _ if same => Some(String::new()),
                    (Some(old), Some(new)) => {
                        let label = |side: &Value| match side["kind"].as_str() {
                            Some("absent") => "/dev/null",
                            _ => c["real"].as_str().unwrap_or_default(),
                        };
                        let text = diff::unified(&old, &new, label(&c["before"]), label(&c["after"]));
                        Some(String::from_utf8_lossy(&text).into_owned())
                    }
                    _ => None,
                };
                let was = c["before"]["kind"] == "file";
                let far = there.as_ref().filter(|_| was).map(|dir| format!("{dir}/runs/{id}/{number}"));
                let near = blob(&c["before"]).filter(|_| was);
                c["diff"] = text.into();
                c["kept"] = json!({"controller": near, "target": far});
            }
            _ => {}
        }
    }
    Ok(all)
}

/// What was told while that run went on, as [`super::told`] has written it; empty for a run of an earlier version.
pub fn told(id: &str) -> io::Result<Vec<Value>> {
    let path = home()?.join("runs").join(id).join(super::told::EVENTS);
    let text = if path.is_file() { fs::read_to_string(path)? } else { String::new() };
    Ok(text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect())
}

/// The records of one run, and in each change of a file `old` and `new`: the text on both sides, where it is here and is text.
pub fn whole(id: &str) -> io::Result<Vec<Value>> {
    let mut all = records(id)?;
    let blobs = home()?.join("runs").join(id).join("blobs");
    for r in all.iter_mut().filter(|r| r["change"]["kind"] == "file") {
        r["change"]["near"] = r["change"]["kept"]["controller"].clone();
        for (side, name) in [("before", "old"), ("after", "new")] {
            let hash = r["change"][side]["sha256"].as_str().filter(|h| !h.contains('/'));
            if let Some(text) = hash.and_then(|h| fs::read_to_string(blobs.join(h)).ok()) {
                r["change"][name] = text.into();
            }
        }
    }
    Ok(all)
}

/// Whether nothing of a record is missing: no line in the middle, and not its end.
#[must_use]
pub fn is_whole(records: &[Value]) -> bool {
    is_gapless(records) && records.iter().any(|r| r["record"] == "end")
}

/// Whether no line in the middle of a record is missing: each has the number after the one before it.
#[must_use]
pub fn is_gapless(records: &[Value]) -> bool {
    let mut numbers = records.iter().filter_map(|r| r["seq"].as_u64()).zip(1..);
    numbers.all(|(seq, n)| seq == n)
}

/// How many changes a record speaks of.
#[must_use]
pub fn changes(records: &[Value]) -> usize {
    records.iter().filter(|r| r["record"] == "change").count()
}

/// The target's own record of a run, which any controller may have made; empty: it has none.
///
/// # Errors
/// The way there does not work.
pub async fn of_target(id: &str, target: &Target) -> Result<Vec<Value>, ChannelError> {
    let name = sh_quote(id).filter(|_| !id.contains('/') && !id.starts_with('.'));
    let Some(name) = name else { return Ok(Vec::new()) };
    let script = format!(
        "for d in /var/lib/runbook \"${{XDG_STATE_HOME:-$HOME/.local/state}}/runbook\"; do rb_real \"$d\"; f=$R$REPLY/runs/{name}/journal.jsonl
if [ -r \"$f\" ]; then printf '%s\\n' \"$d\"; cat \"$f\"; exit; fi; [ -z \"$R\" ] || exit 0; done"
    );
    let check = Check { script, isolate: false, deadline: Duration::from_secs(30), overlay: None, acts: false };
    let answers = target.run(&[check], &[]).await?;
    let Some(a) = answers.first() else { return Ok(Vec::new()) };
    if a.truncated || a.status != Status::Exit(0) {
        return Err(ChannelError::internal("the target's own record of that run cannot be read whole"));
    }
    let text = String::from_utf8_lossy(&a.stdout);
    let Some((dir, lines)) = text.split_once('\n') else { return Ok(Vec::new()) };
    let mut all: Vec<Value> = lines.lines().filter_map(|l| serde_json::from_str(l).ok()).collect();
    all.push(json!({"record": "kept", "directory": dir}));
    Ok(all)
}
