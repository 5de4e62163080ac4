//! What can be known to be wrong before anything runs: names that do not exist, references that lead nowhere.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Call, Diagnostic, Node, Place, Runbook, Step, Text, did_you_mean};
use crate::expr::{self, ExprError};
use crate::facts;
use crate::module::Spec;

/// Checks a decoded runbook: returns its errors, and leaves its warnings in it.
pub(super) fn check(book: &mut Runbook, root: &Node) -> Vec<Diagnostic> {
    let mut l = Linter { vars: book.vars.0.iter().map(|v| v.name.clone()).collect(), ..Linter::default() };
    let handlers: Vec<&str> = book.handlers.iter().map(|h| h.id.as_str()).collect();
    for h in &book.handlers {
        if handlers.iter().filter(|i| **i == h.id).count() > 1 {
            l.errors.push(Diagnostic::at(
                h.place.clone(),
                "duplicate-id",
                format!("two handlers have the id \"{}\"", h.id),
            ));
        }
        l.call(&h.call, None, false);
        if let Some(v) = &h.validate {
            l.call(v, None, false);
        }
    }
    let later: BTreeSet<String> = book.steps.iter().filter_map(|s| s.id.clone()).collect();
    for s in &book.steps {
        l.step(s, &handlers, &later);
        if let Some(id) = &s.id {
            if l.steps.contains_key(id) {
                l.errors.push(
                    Diagnostic::at(
                        s.place.below(&["id".into()]),
                        "duplicate-id",
                        format!("two steps have the id \"{id}\""),
                    )
                    .hint("ids are unique, also over includes"),
                );
            }
            l.steps.insert(id.clone(), (s.check.as_ref().map(|c| c.module.spec()), s.each.is_some()));
        }
    }
    for c in &book.verify {
        l.call(c, None, false);
    }
    for (n, v) in book.vars.0.iter().enumerate() {
        if !l.used.contains(&v.name) {
            let _ = n;
            let place = root.get("vars").and_then(|x| x.get(&v.name)).map(|n| n.key_place());
            if let Some(p) = place {
                book.warnings.push(Diagnostic::at(
                    p,
                    "unused-variable",
                    format!("the variable \"{}\" is never used", v.name),
                ));
            }
        }
    }
    for h in &book.handlers {
        let restarts = h.call.params.get("restarted") == Some(&Value::Bool(true));
        if restarts && h.validate.is_none() {
            book.warnings.push(
                Diagnostic::at(
                    h.place.clone(),
                    "restart-without-validate",
                    format!("\"{}\" restarts without a validate", h.id),
                )
                .hint("say what must hold of the new files first: validate: {sshd: config}"),
            );
        }
    }
    l.errors
}

#[derive(Default)]
struct Linter {
    vars: BTreeSet<String>,
    used: BTreeSet<String>,
    /// Steps so far, by id: the module of their check, and whether they loop.
    steps: BTreeMap<String, (Option<&'static Spec>, bool)>,
    errors: Vec<Diagnostic>,
}

/// What a name may be where it stands.
#[derive(Clone, Copy)]
struct Scope<'a> {
    check: Option<&'a Spec>,
    item: bool,
}

impl Linter {
    fn step(&mut self, s: &Step, handlers: &[&str], all: &BTreeSet<String>) {
        let outer = Scope { check: None, item: false };
        let inner = Scope { check: None, item: s.each.is_some() };
        let seen = Scope { check: s.check.as_ref().map(|c| c.module.spec()), item: s.each.is_some() };
        self.template(&s.name, inner);
        for (t, scope) in [(&s.when, outer), (&s.each, outer), (&s.condition, seen)] {
            if let Some(t) = t {
                self.expression(t, scope);
            }
        }
        if let Some(t) = &s.finding {
            self.template(t, seen);
        }
        if let Some(m) = &s.manual {
            self.template(&m.text, seen);
        }
        if let Some(c) = &s.check {
            self.call_in(c, inner);
        }
        for c in &s.remediation {
            self.call_in(c, seen);
        }
        for (key, ids) in [("notify", &s.notify), ("needs", &s.needs)] {
            for (n, id) in ids.iter().enumerate() {
                let place = s.place.below(&[key.into(), n.to_string()]);
                if key == "notify" && !handlers.contains(&id.as_str()) {
                    self.unknown(
                        place,
                        "unknown-handler",
                        format!("no handler \"{id}\""),
                        id,
                        handlers.iter().copied(),
                    );
                } else if key == "needs" && !self.steps.contains_key(id) {
                    if all.contains(id) {
                        self.errors.push(
                            Diagnostic::at(place, "later-step", format!("\"{id}\" is a later step"))
                                .hint("a step can need only steps before it"),
                        );
                    } else {
                        let ids: Vec<String> = all.iter().cloned().collect();
                        self.unknown(
                            place,
                            "unknown-step",
                            format!("no step has the id \"{id}\""),
                            id,
                            ids.iter().map(String::as_str),
                        );
                    }
                }
            }
        }
    }

    fn unknown<'a>(
        &mut self,
        place: Place,
        rule: &'static str,
        message: String,
        word: &str,
        known: impl Iterator<Item = &'a str> + Clone,
    ) {
        let list: Vec<&str> = known.clone().collect();
        let hint = match did_you_mean(word, known) {
            Some(n) => format!("did you mean \"{n}\"?"),
            None if list.is_empty() => "there is none here".into(),
            None => format!("known here: {}", list.join(", ")),
        };
        self.errors.push(Diagnostic::at(place, rule, message).hint(hint));
    }

    fn call(&mut self, c: &Call, check: Option<&Spec>, item: bool) {
        self.call_in(c, Scope { check, item });
    }

    fn call_in(&mut self, c: &Call, scope: Scope<'_>) {
        for (k, v) in &c.params {
            self.value(v, &mut vec![k.clone()], c, scope);
        }
    }

    fn value(&mut self, v: &Value, route: &mut Vec<String>, c: &Call, scope: Scope<'_>) {
        match v {
            Value::String(s) if expr::is_template(s) => {
                let t = Text { text: s.clone(), place: c.place_of(route) };
                self.template(&t, scope);
            }
            Value::Array(a) => {
                for (n, x) in a.iter().enumerate() {
                    route.push(n.to_string());
                    self.value(x, route, c, scope);
                    route.pop();
                }
            }
            Value::Object(m) => {
                for (k, x) in m {
                    route.push(k.clone());
                    self.value(x, route, c, scope);
                    route.pop();
                }
            }
            _ => {}
        }
    }

    fn expression(&mut self, t: &Text, scope: Scope<'_>) {
        let names = expr::expression_names(&t.text);
        self.names(t, names, scope);
    }

    fn template(&mut self, t: &Text, scope: Scope<'_>) {
        let names = expr::template_names(&t.text);
        self.names(t, names, scope);
    }

    fn names(&mut self, t: &Text, names: Result<BTreeSet<String>, ExprError>, scope: Scope<'_>) {
        match names {
            Err(e) => {
                let place = e.range.clone().map_or(t.place.clone(), |r| t.place.within(r));
                let d = Diagnostic::at(place, "expression", e.message);
                self.errors.push(match e.hint {
                    Some(h) => d.hint(h),
                    None => d,
                });
            }
            Ok(names) => {
                for n in names {
                    self.name(t, &n, scope);
                }
            }
        }
    }

    fn name(&mut self, t: &Text, name: &str, scope: Scope<'_>) {
        let at = find_word(&t.text, name).map_or(t.place.clone(), |r| t.place.within(r));
        let mut parts = name.split('.');
        let first = parts.next().unwrap_or_default();
        let second = parts.next();
        match (first, second) {
            ("facts", Some(f)) => {
                if !facts::FIELDS.iter().any(|(n, _)| *n == f) {
                    self.unknown(
                        at,
                        "undefined-name",
                        format!("no fact \"{f}\""),
                        f,
                        facts::FIELDS.iter().map(|x| x.0),
                    );
                }
            }
            ("facts" | "steps", None) => {}
            ("target", f) => {
                const KNOWN: &[&str] = &["name", "address", "port", "channel", "live"];
                if let Some(f) = f.filter(|f| !KNOWN.contains(f)) {
                    self.unknown(at, "undefined-name", format!("a target has no \"{f}\""), f, KNOWN.iter().copied());
                }
            }
            ("check", f) => match scope.check {
                None => self.errors.push(
                    Diagnostic::at(at, "undefined-name", "there is no check here")
                        .hint("check is known in condition, remediation, finding and manual"),
                ),
                Some(spec) => self.field(at, spec, "check", f),
            },
            ("item", _) => {
                if !scope.item {
                    self.errors.push(
                        Diagnostic::at(at, "undefined-name", "there is no item here")
                            .hint("item is known in a step with a loop"),
                    );
                }
            }
            ("steps", Some(id)) => match self.steps.get(id) {
                None => {
                    let known: Vec<String> = self.steps.keys().cloned().collect();
                    self.unknown(
                        at,
                        "undefined-name",
                        format!("no earlier step has the id \"{id}\""),
                        id,
                        known.iter().map(String::as_str),
                    );
                }
                Some((Some(spec), false)) => self.field(at, spec, &format!("steps.{id}"), parts.next()),
                Some(_) => {}
            },
            (var, _) => {
                self.used.insert(var.to_owned());
                if !self.vars.contains(var) {
                    let known: Vec<String> = self
                        .vars
                        .iter()
                        .cloned()
                        .chain(["facts", "target", "steps", "check", "item"].map(str::to_owned))
                        .collect();
                    self.unknown(
                        at,
                        "undefined-name",
                        format!("\"{var}\" is not defined"),
                        var,
                        known.iter().map(String::as_str),
                    );
                }
            }
        }
    }

    fn field(&mut self, at: Place, spec: &Spec, of: &str, field: Option<&str>) {
        let Some(f) = field.filter(|_| !spec.open) else { return };
        let known: Vec<&str> =
            ["ok", "status", "evidence"].into_iter().chain(spec.fields.iter().map(|f| f.name)).collect();
        if !known.contains(&f) {
            self.unknown(
                at,
                "undefined-name",
                format!("{of} ({}) has no field \"{f}\"", spec.name),
                f,
                known.iter().copied(),
            );
        }
    }
}

/// Where a dotted name stands in a text, as a word of its own.
fn find_word(text: &str, name: &str) -> Option<std::ops::Range<usize>> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let whole = |n: &str| {
        text.match_indices(n)
            .find(|(at, _)| {
                let before = text[..*at].chars().next_back();
                let after = text[at + n.len()..].chars().next();
                !before.is_some_and(|c| word(c) || c == '.') && !after.is_some_and(word)
            })
            .map(|(at, _)| at..at + n.len())
    };
    whole(name).or_else(|| whole(name.split('.').next()?))
}
