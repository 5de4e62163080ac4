//! One step.

use std::time::Duration;

use serde_json::Value;

use super::{Decoder, at_key, is_name};
use crate::book::{Call, Diagnostic, Manual, Node, Retries, Step, Text, Where};
use crate::expr::is_template;
use crate::module::lookup;
use crate::plan::Resource;

const KEYS: &[&str] = &[
    "name",
    "id",
    "why",
    "finding",
    "note",
    "where",
    "when",
    "otherwise",
    "check",
    "condition",
    "remediation",
    "ensure",
    "notify",
    "needs",
    "loop",
    "tags",
    "timeout",
    "within",
    "retries",
    "reads",
    "risk",
    "manual",
];

/// What hands write that come from Ansible.
const ELSEWHERE: &[(&str, &str)] = &[
    ("register", "give the step an id: its result is steps.ID"),
    ("with_items", "write loop: a list, or an expression; each is item"),
    ("failed_when", "write condition: it says when the fault is there"),
    ("changed_when", "a step's check says what is wrong; nothing else makes a change"),
    ("block", "steps stand in one list; `include` splices in a file of steps"),
    ("become", "the channel decides who it is: exec:sudo sh"),
    ("delegate_to", "write where: controller, to look from here"),
];

/// How long a repair may take to show where the step does not say.
const WITHIN: Duration = Duration::from_secs(10);

/// What is looked at, and what is done about it.
struct Body {
    check: Option<Call>,
    remediation: Vec<Call>,
    ensure: bool,
}

impl Decoder<'_> {
    pub(super) fn step(&mut self, node: &Node) -> Option<Step> {
        if node.entries().is_none() {
            self.error(node.expected("a step (a map with a name)").hint("like: - name: sshd runs"));
            return None;
        }
        self.unknown_step_keys(node);
        // Without a name it is refused; what speaks of it is not.
        let name = self.text(node, "name").unwrap_or_else(|| Text { text: String::new(), place: node.place() });
        let manual = self.manual(node);
        let body = self.body(node, manual.is_some());
        let vantage = self.vantage(node);
        Some(Step {
            id: self.id(node),
            why: self.optional(node, "why").map(|t| t.text),
            finding: self.optional(node, "finding"),
            note: self.optional(node, "note"),
            vantage,
            when: self.optional(node, "when"),
            otherwise: self.flag(node, "otherwise"),
            condition: self.optional(node, "condition"),
            each: self.each(node),
            check: body.check,
            remediation: body.remediation,
            ensure: body.ensure,
            notify: self.plain_words(node, "notify"),
            needs: self.plain_words(node, "needs"),
            tags: self.plain_words(node, "tags"),
            timeout: self.duration(node, "timeout"),
            within: self.duration(node, "within").unwrap_or(WITHIN),
            retries: self.retries(node),
            reads: self.reads(node),
            risk: self.risk(node),
            manual,
            place: node.place(),
            name,
        })
    }

    fn unknown_step_keys(&mut self, node: &Node) {
        for d in node.unknown_keys(KEYS) {
            let key = d.place().and_then(|p| match p.route().segs().last() {
                Some(crate::book::Seg::Key(k)) => Some(k.to_string()),
                _ => None,
            });
            let key = key.unwrap_or_default();
            let elsewhere = ELSEWHERE.iter().find(|(k, _)| *k == key);
            self.error(match (elsewhere, lookup(&key, self.dir)) {
                (Some((_, hint)), _) => d.hint(*hint),
                (None, Some(_)) => {
                    d.hint(format!("a module goes under check, remediation or ensure: ensure: {{{key}: …}}"))
                }
                (None, None) => d,
            });
        }
    }

    fn id(&mut self, node: &Node) -> Option<String> {
        let id = self.optional(node, "id")?;
        if !is_name(&id.text) {
            let message = format!("\"{}\" cannot be used in expressions", id.text);
            let name: String = id.text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            let hint = match is_name(&name) {
                true => format!("letters, digits and _: {name}"),
                false => "letters, digits and _, a letter first".into(),
            };
            self.error(Diagnostic::at(id.place, "id", message).hint(hint));
        }
        Some(id.text)
    }

    /// `check` and `remediation`, or `ensure` in place of both; a single remediation that describes a state is its own
    /// check.
    fn body(&mut self, node: &Node, manual: bool) -> Body {
        let ensure = node.get("ensure");
        for other in ["check", "condition", "remediation"] {
            if ensure.is_some() && node.get(other).is_some() {
                let message = format!("\"ensure\" and \"{other}\" in one step");
                self.error(
                    at_key("ensure-alone", node, other, message)
                        .hint("ensure stands for all three: check, condition, remediation"),
                );
            }
        }
        let mut remediation = self.list(node, "remediation", "a list of modules", Self::call);
        let check = ensure.clone().or_else(|| node.get("check"));
        match (&check, node.get("remediation")) {
            (Some(n), _) => {
                let check = self.call(n);
                if check.is_none() {
                    self.unread.checks.push(node.place());
                }
                return Body { check, remediation, ensure: ensure.is_some() };
            }
            (None, None) if !manual && node.unknown_keys(KEYS).is_empty() => self.error(
                Diagnostic::at(node.place(), "empty-step", "a step needs a check, an ensure or a manual text")
                    .hint("like: ensure: {service: {name: sshd, running: true}}"),
            ),
            _ => {}
        }
        if remediation.len() == 1 && is_state(&remediation[0]) {
            return Body { check: remediation.pop(), remediation, ensure: true };
        }
        if !remediation.is_empty() {
            let (message, hint) = match remediation.iter().all(is_state) {
                true => {
                    ("several remediations and no check", "make each a step with \"ensure\", or say what is checked")
                }
                false => (
                    "a remediation and no check: it would run every time",
                    "add a check, or \"creates\" or \"unless\" to the command",
                ),
            };
            self.error(at_key("no-check", node, "remediation", message).hint(hint));
        }
        if let Some(n) = node.get("condition") {
            let message = "a condition and no check: there is nothing to judge";
            self.error(Diagnostic::at(n.key_place(), "no-check", message).hint("add a check, or use when"));
        }
        Body { check: None, remediation, ensure: false }
    }

    fn manual(&mut self, node: &Node) -> Option<Manual> {
        let n = node.get("manual")?;
        if n.entries().is_none() {
            return self.text_of(&n).map(|text| Manual { text, link: None, asks: None });
        }
        self.errors.extend(n.unknown_keys(&["text", "link", "asks", "choices"]));
        let text = self.text(&n, "text");
        let link = self.optional(&n, "link").map(|t| t.text);
        let (asks, choices) = (self.optional(&n, "asks"), self.optional(&n, "choices"));
        let asks = match (asks, choices) {
            (Some(asks), Some(choices)) => Some((asks, choices)),
            (None, None) => None,
            _ => {
                let d = Diagnostic::at(n.place(), "missing-key", "\"asks\" and \"choices\" come together");
                self.error(d.hint("asks: VARIABLE, and choices: an expression that gives a list of its values"));
                None
            }
        };
        text.map(|text| Manual { text, link, asks })
    }

    fn vantage(&mut self, node: &Node) -> Where {
        let Some(n) = node.get("where") else { return Where::Target };
        match n.as_str() {
            Some("target") => {}
            Some("controller") => return Where::Controller,
            _ => self.error(n.expected("target or controller").hint("target is where sshd lives, controller is here")),
        }
        Where::Target
    }

    fn risk(&mut self, node: &Node) -> bool {
        let Some(n) = node.get("risk") else { return false };
        if n.as_str() != Some("connectivity") {
            self.error(n.expected("the word connectivity").hint("write risk: connectivity, or remove the key"));
        }
        true
    }

    fn retries(&mut self, node: &Node) -> Option<Retries> {
        let n = node.get("retries")?;
        self.errors.extend(n.unknown_keys(&["times", "delay"]));
        let times = n.get("times");
        let number = times.as_ref().and_then(|t| t.as_i64()).and_then(|t| u32::try_from(t).ok());
        let Some(number) = number.filter(|t| (1..=100).contains(t)) else {
            let d = match times {
                Some(t) => Diagnostic::at(t.place(), "wrong-type", "\"times\" must be a whole number, 1 to 100"),
                None if n.entries().is_some() => n.missing("times"),
                None => n.expected("a map"),
            };
            self.error(d.hint("like: retries: {times: 3, delay: 2s}"));
            return None;
        };
        Some(Retries { times: number, delay: self.duration(&n, "delay").unwrap_or(Duration::from_secs(1)) })
    }

    fn reads(&mut self, node: &Node) -> Option<Vec<Text>> {
        node.get("reads")?;
        let all = self.words(node, "reads");
        for t in all.iter().filter(|t| !is_template(&t.text)) {
            if let Err(e) = Resource::parse(&t.text) {
                let (what, known) = e.split_once(": ").unwrap_or((&e, ""));
                self.error(Diagnostic::at(t.place.clone(), "resource", what).hint(known));
            }
        }
        Some(all)
    }

    /// `loop`: an expression, or a list whose items are values or whole `{{ … }}`. A list becomes an expression.
    fn each(&mut self, node: &Node) -> Option<Text> {
        let n = node.get("loop")?;
        let Some(items) = n.items() else { return self.optional(node, "loop") };
        let mut parts = Vec::new();
        for item in &items {
            match item.as_str().map(|t| (t, t.trim().strip_prefix("{{").and_then(|t| t.strip_suffix("}}")))) {
                Some((_, Some(inside))) if !is_template(inside) => parts.push(format!("({inside})")),
                Some((text, _)) if is_template(text) => {
                    let message = "an item of a loop is a value, or one whole {{ … }}";
                    self.error(
                        Diagnostic::at(item.place(), "expression", message)
                            .hint("let item be the part that varies, and write the text where it is used"),
                    );
                }
                _ => parts.push(literal(item.value())),
            }
        }
        Some(Text { text: format!("[{}]", parts.join(", ")), place: n.place() })
    }
}

/// A value as the engine writes it: JSON, but for nothing.
fn literal(v: &Value) -> String {
    match v {
        Value::Null => "none".into(),
        Value::Array(a) => format!("[{}]", a.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(m) => {
            let entry = |(k, v): (&String, &Value)| format!("{}: {}", Value::from(k.as_str()), literal(v));
            // Two braces together would look like a template.
            format!("{{ {} }}", m.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A module whose parameters describe a state, so that it is its own check.
fn is_state(c: &Call) -> bool {
    !c.module.spec().writes.is_empty()
        && (c.name != "command" || c.params.contains_key("creates") || c.params.contains_key("unless"))
}
