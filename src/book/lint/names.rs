//! The names in expressions and templates.

use std::collections::BTreeSet;

use super::{Check, Linter, Scope, later_step};
use crate::book::decode::nearest;
use crate::book::{Diagnostic, Place, Text};
use crate::expr::{self, ExprError, Word};
use crate::facts;
use crate::module::Spec;

/// What the engine says of a target.
const TARGET: &[&str] = &["name", "address", "port", "channel", "live"];
/// What every result has.
const ALWAYS: &[&str] = &["ok", "status", "evidence"];

type Words = Result<Vec<Word>, Vec<ExprError>>;

impl Linter<'_> {
    pub(super) fn expression(&mut self, t: &Text, scope: Scope<'_>) {
        self.words(t, expr::expression_words(&t.text), scope, false);
    }

    pub(super) fn template(&mut self, t: &Text, scope: Scope<'_>) {
        self.words(t, expr::template_words(&t.text), scope, false);
    }

    /// `left_out`: it is no harm if the text has no value.
    pub(super) fn words(&mut self, t: &Text, words: Words, scope: Scope<'_>, left_out: bool) {
        let words = match words {
            Ok(words) => words,
            Err(errors) => {
                for e in errors {
                    let place = e.range.map_or_else(|| t.place.clone(), |r| t.place.within(r));
                    let d = Diagnostic::at(place, "expression", e.message);
                    self.errors.push(d.hint(e.hint.unwrap_or_else(|| "see: runbook show ssh-refused".into())));
                }
                return;
            }
        };
        let guarded: BTreeSet<&str> = words.iter().filter(|w| w.may_be_undefined).map(|w| w.path[0].as_str()).collect();
        let mut seen = BTreeSet::new();
        for w in &words {
            if !seen.insert(w.dotted()) {
                continue;
            }
            let at = || t.place.within(w.range.clone());
            self.name(w, at, scope);
            let var = w.path[0].as_str();
            let given = guarded.contains(var) || scope.given.is_some_and(|g| g.contains(var));
            if self.optional.contains(var) && !given && !left_out {
                self.warnings.push(
                    Diagnostic::at(
                        at(),
                        "optional-variable",
                        format!("\"{var}\" is optional: it may have no value here"),
                    )
                    .hint(format!("when: {var} is defined, or write {var} | default(…)")),
                );
            }
        }
    }

    fn name(&mut self, w: &Word, at: impl Fn() -> Place, scope: Scope<'_>) {
        let field = w.path.get(1).map(String::as_str);
        match (w.path[0].as_str(), field) {
            ("facts", Some(f)) if !facts::FIELDS.iter().any(|(n, _)| *n == f) => {
                let hint = nearest("facts", f, facts::FIELDS.iter().map(|x| x.0));
                self.undefined(at(), format!("no fact \"{f}\""), hint);
            }
            ("target", Some(f)) if !TARGET.contains(&f) => {
                let hint = nearest("fields", f, TARGET.iter().copied());
                self.undefined(at(), format!("a target has no \"{f}\""), hint);
            }
            ("facts" | "target", _) | ("steps", None) => {}
            ("check", f) => match scope.check {
                Check::Of(spec) => self.field(at, Some(spec), "check", f),
                Check::Unread => {}
                Check::None => self.undefined(
                    at(),
                    "there is no check here",
                    "check is known in condition, remediation, finding and manual of a step with a check",
                ),
            },
            ("item", _) if !scope.item => self.undefined(
                at(),
                "there is no item here",
                "item is known in a step with a loop, but not in its when",
            ),
            ("item", _) => {}
            ("steps", Some(id)) => self.step_name(w, id, at),
            (var, _) => {
                self.used.insert(var.to_owned());
                if !self.vars.contains(var) {
                    let check = (!matches!(scope.check, Check::None)).then_some("check");
                    let here =
                        check.into_iter().chain(scope.item.then_some("item")).chain(["facts", "target", "steps"]);
                    let hint = nearest("names", var, self.vars.iter().map(String::as_str).chain(here));
                    self.undefined(at(), format!("\"{var}\" is not defined"), hint);
                }
            }
        }
    }

    fn step_name(&mut self, w: &Word, id: &str, at: impl Fn() -> Place) {
        let field = w.path.get(2).map(String::as_str);
        match self.steps.get(id) {
            None if self.unread.steps => {}
            None => {
                let hint = nearest("ids", id, self.steps.keys().copied());
                self.undefined(at(), format!("no step has the id \"{id}\""), hint);
            }
            Some(k) if k.index >= self.steps_done => {
                let error = later_step(at(), id, k, self.steps_done);
                self.errors.push(error);
            }
            Some(k) if k.looped => {
                if let Some(f) = field {
                    let hint = format!("one of them: steps.{id}[0].{f}; all: steps.{id} | map(attribute='{f}')");
                    self.undefined(at(), format!("steps.{id} is a list: its step has a loop"), hint);
                }
            }
            Some(k) if k.unread => {}
            Some(k) => {
                let spec = k.spec;
                self.field(at, spec, &format!("steps.{id}"), field);
            }
        }
    }

    /// A field of a result; of a step without a check there are only those that every result has.
    fn field(&mut self, at: impl Fn() -> Place, spec: Option<&'static Spec>, of: &str, field: Option<&str>) {
        let Some(f) = field.filter(|_| !spec.is_some_and(|s| s.open)) else { return };
        let own = spec.map_or(&[][..], |s| s.fields).iter().map(|f| f.name);
        let known = ALWAYS.iter().copied().chain(own);
        if !known.clone().any(|k| k == f) {
            let module = spec.map_or("no check", |s| s.name);
            self.undefined(at(), format!("{of} ({module}) has no field \"{f}\""), nearest("fields", f, known));
        }
    }

    fn undefined(&mut self, at: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.errors.push(Diagnostic::at(at, "undefined-name", message).hint(hint));
    }
}
