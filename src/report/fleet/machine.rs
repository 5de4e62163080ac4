//! `-o json` and `-o jsonl` of many targets: what each would print alone, put together.

use std::io::Write;

use serde_json::Value;

use super::{Crowd, Many, Shared};
use crate::report::json::{Json, object};
use crate::report::{Event, Redactor, Sink};

/// `{"schema": 1, "targets": [what each prints alone …], "exit": n}`, in the order of the run. A target's document goes
/// out as soon as those before it have gone.
pub struct JsonFleet<W: Write> {
    out: W,
    redactor: Redactor,
    targets: Vec<(Shared, Option<Json<Shared>>)>,
    /// How many have gone out.
    gone: usize,
}

impl<W: Write> JsonFleet<W> {
    /// Writes there, once.
    pub fn new(out: W, redactor: Redactor) -> Self {
        Self { out, redactor, targets: Vec::new(), gone: 0 }
    }

    fn put(&mut self, text: &str) {
        crate::report::terminal::put(&mut self.out, text, false);
    }

    fn advance(&mut self) {
        while let Some((text, None)) = self.targets.get(self.gone) {
            let text = text.take();
            let comma = if self.gone == 0 { "\n" } else { ",\n" };
            let lines: Vec<String> = text.lines().map(|l| format!("    {l}")).collect();
            self.put(&format!("{comma}{}", lines.join("\n")));
            self.gone += 1;
        }
    }
}

impl<W: Write> Crowd for JsonFleet<W> {
    fn event(&mut self, target: usize, e: &Event<'_>) {
        let Some((_, document)) = self.targets.get_mut(target) else { return };
        if let Some(sink) = document {
            sink.event(e);
        }
        if matches!(e, Event::Finished { .. }) {
            *document = None;
            self.advance();
        }
    }

    fn many(&mut self, e: &Many<'_>) {
        match e {
            Many::Started { names, .. } => {
                for _ in *names {
                    let text = Shared::default();
                    self.targets.push((text.clone(), Some(Json::new(text, self.redactor.clone()))));
                }
                self.put("{\n  \"schema\": 1,\n  \"targets\": [");
            }
            Many::NotBegun { target, why } => not_begun(why, |e| self.event(*target, e)),
            Many::Finished { exit, .. } => self.put(&format!("\n  ],\n  \"exit\": {exit}\n}}\n")),
            _ => {}
        }
    }
}

/// One event a line, each with its `"target"`.
pub struct JsonLinesFleet<W: Write> {
    out: W,
    redactor: Redactor,
    names: Vec<String>,
}

impl<W: Write> JsonLinesFleet<W> {
    /// Writes there, as it happens.
    pub fn new(out: W, redactor: Redactor) -> Self {
        Self { out, redactor, names: Vec::new() }
    }
}

impl<W: Write> Crowd for JsonLinesFleet<W> {
    fn event(&mut self, target: usize, e: &Event<'_>) {
        let (Some((name, mut v)), Some(host)) = (object(e), self.names.get(target)) else { return };
        if let Value::Object(m) = &mut v {
            m.shift_insert(0, "event".into(), name.into());
            m.shift_insert(1, "target".into(), host.as_str().into());
        }
        self.redactor.clean_value(&mut v);
        crate::report::terminal::put(&mut self.out, &format!("{v}\n"), false);
    }

    fn many(&mut self, e: &Many<'_>) {
        match e {
            Many::Started { names, .. } => self.names = names.to_vec(),
            Many::NotBegun { target, why } => not_begun(why, |e| self.event(*target, e)),
            _ => {}
        }
    }
}

/// As an error of that target.
fn not_begun(why: &str, mut tell: impl FnMut(&Event<'_>)) {
    let why = format!("not begun: {why}");
    tell(&Event::Broken { why: &why, hint: Some("run it again: it goes on from what is there"), changed: false });
}
