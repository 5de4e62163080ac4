//! What was told while a run went on: to the reporter, and to a file beside the record, for a report afterwards.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::Value;

use crate::report::unresolved::{UnresolvedItem, UnresolvedTracker};
use crate::report::{Event, Redactor, Sink, event_json};

/// A reporter, and `RUN/events.jsonl` once there is a record: an event a line, with `event` and `at`. Nothing depends on it, so
/// that it may be cut off anywhere.
pub struct Told<'a> {
    sink: &'a mut dyn Sink,
    redactor: Redactor,
    /// What was told before there was a record: that run's beginning and its last plan.
    before: Vec<(&'static str, String)>,
    file: Option<File>,
    unresolved: UnresolvedTracker,
}

/// Its name in a run's directory.
pub const EVENTS: &str = "events.jsonl";

impl<'a> Told<'a> {
    /// To that reporter.
    pub fn new(sink: &'a mut dyn Sink, redactor: Redactor) -> Self {
        Self { sink, redactor, before: Vec::new(), file: None, unresolved: UnresolvedTracker::default() }
    }

    /// What is left so far; `dry`: planned changes were not to be made.
    #[must_use]
    pub fn unresolved(&self, dry: bool) -> Vec<UnresolvedItem> {
        self.unresolved.items(dry)
    }

    /// One event.
    pub fn event(&mut self, e: &Event<'_>) {
        self.unresolved.event(e);
        if let Some((name, mut v)) = event_json(e).filter(|(name, _)| *name != "doing") {
            // What a module has read in full is its evidence's business, and may be long.
            let steps = v.get_mut("steps").and_then(Value::as_array_mut);
            for step in steps.into_iter().flatten().filter_map(Value::as_object_mut) {
                step.remove("result");
            }
            v["event"] = name.into();
            v["at"] = jiff::Timestamp::now().to_string().into();
            self.redactor.clean_value(&mut v);
            self.write(name, format!("{v}\n"));
        }
        self.sink.event(e);
    }

    fn write(&mut self, name: &'static str, line: String) {
        match &mut self.file {
            Some(f) => drop(f.write_all(line.as_bytes())),
            None => {
                self.before.retain(|(n, _)| *n != name);
                self.before.push((name, line));
            }
        }
    }

    /// From now on there is a record in that directory.
    pub fn begin(&mut self, dir: &Path) {
        let made = OpenOptions::new().append(true).create(true).mode(0o600).open(dir.join(EVENTS));
        if let Ok(mut f) = made {
            for (_, line) in self.before.drain(..) {
                let _ = f.write_all(line.as_bytes());
            }
            self.file = Some(f);
        }
    }
}
