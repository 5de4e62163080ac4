//! What can be known to be wrong before anything runs: names that do not exist, references that lead nowhere.

mod names;
mod ps;
mod risk;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::decode::{Unread, nearest};
use super::{Call, Diagnostic, Handler, Node, Place, Runbook, Step, Text, Vars, Where};
use crate::expr;
use crate::module::Spec;

/// Checks a decoded runbook: its errors, and its warnings.
pub(super) fn check(book: &Runbook, root: &Node, unread: &Unread) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
    let mut l = Linter::new(book, unread);
    l.defaults(book, root);
    for (index, s) in book.steps.iter().enumerate() {
        l.step(index, s);
    }
    // Handlers and proofs run when all steps are done.
    l.steps_done = book.steps.len();
    l.handlers(&book.handlers);
    for c in &book.verify {
        l.call(c, Scope::default());
    }
    for v in book.vars.0.iter().filter(|v| !l.used.contains(&v.name)) {
        if let Some(n) = root.get("vars").and_then(|x| x.get(&v.name)) {
            l.warnings.push(
                Diagnostic::at(n.key_place(), "unused-variable", format!("the variable \"{}\" is never used", v.name))
                    .hint("use it, or take it away: whoever sets it expects an effect"),
            );
        }
    }
    (l.errors, l.warnings)
}

/// A step that others may speak of.
struct Known {
    index: usize,
    place: Place,
    /// The module of its check.
    spec: Option<&'static Spec>,
    /// Its check could not be read.
    unread: bool,
    looped: bool,
}

struct Linter<'a> {
    unread: &'a Unread,
    vars: BTreeSet<String>,
    /// Variables that may have no value.
    optional: BTreeSet<String>,
    /// Variables that must not be shown.
    secrets: BTreeSet<String>,
    used: BTreeSet<String>,
    handlers: Vec<&'a str>,
    /// By id; of two with one id the first.
    steps: BTreeMap<&'a str, Known>,
    /// How many steps are behind us.
    steps_done: usize,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

/// What a name may be where it stands.
#[derive(Clone, Copy, Default)]
struct Scope<'a> {
    check: Check,
    item: bool,
    /// Variables that are known to have a value here.
    given: Option<&'a BTreeSet<String>>,
}

/// What `check` is.
#[derive(Clone, Copy, Default)]
enum Check {
    /// Not known here.
    #[default]
    None,
    /// It has an error of its own, so nothing is said about its fields.
    Unread,
    Of(&'static Spec),
}

impl<'a> Linter<'a> {
    fn new(book: &'a Runbook, unread: &'a Unread) -> Self {
        let mut steps = BTreeMap::new();
        let mut errors = Vec::new();
        for (index, s) in book.steps.iter().enumerate() {
            let Some(id) = &s.id else { continue };
            let place = s.place.below(&["id".into()]);
            if let Some(Known { place: first, .. }) = steps.get(id.as_str()) {
                let first: &Place = first;
                errors.push(
                    Diagnostic::at(place, "duplicate-id", format!("two steps have the id \"{id}\""))
                        .hint("ids are unique, also over includes: rename one of them")
                        .also(first.clone(), "first here"),
                );
                continue;
            }
            let known = Known {
                index,
                place,
                spec: s.check.as_ref().map(|c| c.module.spec()),
                unread: is_unread(s, unread),
                looped: s.each.is_some(),
            };
            steps.insert(id.as_str(), known);
        }
        let names = book.vars.0.iter().map(|v| v.name.clone());
        // A secret that is not given is asked for or is an error, unless it is optional.
        let bare = book.vars.0.iter().filter(|v| v.optional && v.default.is_none());
        Self {
            unread,
            vars: names.chain(unread.vars.iter().cloned()).collect(),
            secrets: book.vars.0.iter().filter(|v| v.is_secret()).map(|v| v.name.clone()).collect(),
            optional: bare.map(|v| v.name.clone()).collect(),
            used: BTreeSet::new(),
            handlers: book.handlers.iter().map(|h| h.id.as_str()).collect(),
            steps,
            steps_done: 0,
            errors,
            warnings: Vec::new(),
        }
    }

    /// Defaults that are made from other variables: nothing else has a value yet.
    fn defaults(&mut self, book: &Runbook, root: &Node) {
        let made = book.vars.0.iter().filter(|v| v.is_template());
        for (v, n) in made.filter_map(|v| Some((v, root.get("vars")?.get(&v.name)?.get("default")?))) {
            let texts = n.items().unwrap_or_else(|| vec![n.clone()]);
            for t in texts.iter().filter_map(|n| Some(Text { text: n.as_str()?.to_owned(), place: n.place() })) {
                match expr::template_words(&t.text) {
                    Ok(words) => words.iter().for_each(|w| self.default_name(&v.name, w, &t, &book.vars)),
                    errors => self.words(&t, errors, Scope::default(), false),
                }
            }
        }
        if let Some(circle) = book.vars.circle() {
            let names: Vec<&str> = circle.iter().chain(circle.first()).map(|v| v.name.as_str()).collect();
            let place = circle[0].place.clone();
            let message = format!("these defaults need one another: {}", names.join(", "));
            self.errors
                .push(Diagnostic::at(place, "variable-cycle", message).hint("give one of them a value of its own"));
        }
    }

    fn default_name(&mut self, var: &str, w: &expr::Word, t: &Text, vars: &Vars) {
        let at = t.place.within(w.range.clone());
        let name = w.path[0].as_str();
        match vars.get(name) {
            Some(v) if v.is_secret() => {
                let message = format!("the default of \"{var}\" would show the secret \"{name}\"");
                self.used.insert(name.to_owned());
                self.errors.push(
                    Diagnostic::at(at, "secret-default", message).hint("use the secret where it is needed itself"),
                );
            }
            Some(_) => drop(self.used.insert(name.to_owned())),
            None if self.vars.contains(name) => {}
            None => {
                let message = format!("\"{name}\" is no variable, and a default has nothing else to be made from");
                let hint = nearest("variables", name, vars.0.iter().map(|v| v.name.as_str()));
                self.errors.push(Diagnostic::at(at, "undefined-name", message).hint(hint));
            }
        }
    }

    fn handlers(&mut self, handlers: &[Handler]) {
        for (n, h) in handlers.iter().enumerate() {
            if let Some(first) = handlers[..n].iter().find(|other| other.id == h.id) {
                self.errors.push(
                    Diagnostic::at(
                        h.place.below(&["id".into()]),
                        "duplicate-id",
                        format!("two handlers have the id \"{}\"", h.id),
                    )
                    .hint("rename one of them")
                    .also(first.place.below(&["id".into()]), "first here"),
                );
            }
            self.call(&h.call, Scope::default());
            if let Some(v) = &h.validate {
                self.call(v, Scope::default());
            }
            let restarts = h.call.params.get("restarted") == Some(&Value::Bool(true));
            if restarts && h.validate.is_none() {
                let message = format!("\"{}\" restarts a service whose new files nobody validated", h.id);
                self.warnings.push(
                    Diagnostic::at(h.place.below(&["id".into()]), "restart-without-validate", message)
                        .hint("say what must hold of the new files first, like validate: {command: nginx -t}; for sshd: {sshd: config}"),
                );
            }
        }
    }

    fn step(&mut self, index: usize, s: &Step) {
        self.steps_done = index;
        let item = s.each.is_some();
        let check = match &s.check {
            Some(c) => Check::Of(c.module.spec()),
            None if is_unread(s, self.unread) => Check::Unread,
            None => Check::None,
        };
        // What `when` asks for is there in the whole step, what `condition` asks for in what follows it.
        let applies = guards(s.when.as_ref());
        let fault = &applies | &guards(s.condition.as_ref());
        let outer = Scope { given: Some(&applies), ..Scope::default() };
        let inner = Scope { item, ..outer };
        let seen = Scope { check, item, given: Some(&fault) };
        self.template(&s.name, inner);
        for (t, scope) in [(&s.when, outer), (&s.each, outer), (&s.condition, seen)] {
            if let Some(t) = t {
                self.expression(t, scope);
            }
        }
        for t in s.finding.iter().chain(&s.note).chain(s.manual.as_ref().map(|m| &m.text)) {
            self.template(t, seen);
        }
        if let Some((var, choices)) = s.manual.as_ref().and_then(|m| m.asks.as_ref()) {
            self.asked(var);
            self.expression(choices, seen);
        }
        if let Some(c) = &s.check {
            self.call(c, inner);
        }
        for t in s.reads.iter().flatten() {
            self.template(t, inner);
        }
        for c in &s.remediation {
            self.call(c, seen);
        }
        s.remediation.iter().chain(s.check.iter().filter(|_| s.ensure)).for_each(|c| self.risk(c, s));
        if s.vantage == Where::Controller {
            s.remediation.iter().chain(s.check.iter().filter(|_| s.ensure)).for_each(|c| self.reaches(c, s));
        }
        for (n, id) in s.notify.iter().enumerate() {
            self.notified(id, || s.place.below(&["notify".into(), n.to_string()]));
        }
        for (n, id) in s.needs.iter().enumerate() {
            self.needed(id, || s.place.below(&["needs".into(), n.to_string()]));
        }
    }

    /// A variable that a person may decide is one of the runbook's.
    fn asked(&mut self, var: &Text) {
        self.used.insert(var.text.clone());
        if !self.vars.contains(&var.text) {
            let message = format!("this runbook has no variable \"{}\"", var.text);
            let hint = nearest("variables", &var.text, self.vars.iter().map(String::as_str));
            self.errors.push(Diagnostic::at(var.place.clone(), "unknown-variable", message).hint(hint));
        }
    }

    /// From the controller only a command and what a cloud is asked act there; all else acts on the target, which that
    /// step did not look at.
    fn reaches(&mut self, c: &Call, s: &Step) {
        let spec = c.module.spec();
        if spec.open || matches!(spec.writes, "*" | "cloud") {
            return;
        }
        let message = match spec.writes {
            "" => format!("\"{}\" changes nothing, so it is no remediation", spec.name),
            _ => format!("\"{}\" changes the target, and this step looks from the controller", spec.name),
        };
        let hint =
            "repair in a step of its own, without where: controller, whose condition asks for steps.ID of this one";
        let looks = s.place.below(&["where".into()]);
        self.errors.push(Diagnostic::at(c.place.clone(), "vantage", message).hint(hint).also(looks, "here"));
    }

    fn notified(&mut self, id: &str, place: impl Fn() -> Place) {
        if self.handlers.contains(&id) || self.unread.handlers.iter().any(|h| h == id) {
            return;
        }
        let hint = nearest("handlers", id, self.handlers.iter().copied());
        self.errors.push(Diagnostic::at(place(), "unknown-handler", format!("no handler \"{id}\"")).hint(hint));
    }

    fn needed(&mut self, id: &str, place: impl Fn() -> Place) {
        match self.steps.get(id) {
            Some(k) if k.index < self.steps_done => {}
            Some(k) => {
                let error = later_step(place(), id, k, self.steps_done);
                self.errors.push(error);
            }
            None if self.unread.steps => {}
            None => {
                let hint = nearest("ids", id, self.steps.keys().copied());
                let message = format!("no step has the id \"{id}\"");
                self.errors.push(Diagnostic::at(place(), "unknown-step", message).hint(hint));
            }
        }
    }

    fn call(&mut self, c: &Call, scope: Scope<'_>) {
        for (k, v) in &c.params {
            self.value(v, &mut vec![k.clone()], c, scope);
        }
        self.shown_in_ps(c);
    }

    fn value(&mut self, v: &Value, route: &mut Vec<String>, c: &Call, scope: Scope<'_>) {
        match v {
            Value::String(s) if expr::is_template(s) => {
                let t = Text { text: s.clone(), place: c.place_of(route) };
                // A map's entry that is one name is left out where that has no value; a list's item is not.
                let entry = route.last().is_none_or(|last| last.parse::<usize>().is_err());
                self.words(&t, expr::template_words(s), scope, entry && expr::is_one_name(s));
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
}

fn is_unread(s: &Step, unread: &Unread) -> bool {
    unread.checks.iter().any(|p| std::ptr::eq(&**p.source(), &**s.place.source()) && p.route() == s.place.route())
}

/// A step that speaks of a later one, or of itself.
fn later_step(at: Place, id: &str, known: &Known, now: usize) -> Diagnostic {
    let (message, hint) = match known.index == now {
        true => {
            (format!("\"{id}\" is this step itself"), "a step sees and needs those before it; its own result is check")
        }
        false => (format!("\"{id}\" is a later step"), "a step sees and needs those before it: move one of the two"),
    };
    Diagnostic::at(at, "later-step", message).hint(hint).also(known.place.clone(), "here")
}

/// The variables that an expression asks for with `is defined`.
fn guards(t: Option<&Text>) -> BTreeSet<String> {
    t.map(|t| expr::guards(&t.text)).unwrap_or_default()
}
