//! A run of the past with what only the files beside its record know: diffs, and where the bytes of before are.

use std::fs;
use std::io;

use serde_json::{Value, json};

use super::journal::{home, read};
use crate::plan::diff;

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
