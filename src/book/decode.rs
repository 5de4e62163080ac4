//! From YAML nodes to typed steps, by hand, so that every error of a file is found at once and has its place.

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};

use super::load::Loader;
use super::{Call, Diagnostic, Handler, Manual, Node, Retries, Step, Text, Where};
use crate::expr::is_template;
use crate::module::{BUILTIN, Handle, lookup, parse_duration};
use crate::plan::Resource;

const STEP_KEYS: &[&str] = &[
    "name",
    "id",
    "why",
    "finding",
    "where",
    "when",
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

/// How long a repair may take to show where the step does not say.
pub const WITHIN: Duration = Duration::from_secs(10);

/// Collects errors while it decodes.
pub(super) struct Decoder<'a> {
    pub errors: Vec<Diagnostic>,
    /// Where custom modules are looked for.
    pub dir: Option<&'a Path>,
}

impl Decoder<'_> {
    pub(super) fn error(&mut self, d: Diagnostic) {
        self.errors.push(d);
    }

    /// A required text.
    pub(super) fn text(&mut self, node: &Node, key: &str) -> Option<Text> {
        match node.get(key) {
            None => {
                self.error(node.missing(key));
                None
            }
            Some(n) => self.text_of(&n),
        }
    }

    fn text_of(&mut self, n: &Node) -> Option<Text> {
        match n.spelled().filter(|t| !t.trim().is_empty()) {
            Some(t) => Some(Text { text: t.to_owned(), place: n.place() }),
            None => {
                self.error(n.expected("text"));
                None
            }
        }
    }

    pub(super) fn optional(&mut self, node: &Node, key: &str) -> Option<Text> {
        node.get(key).and_then(|n| self.text_of(&n))
    }

    /// A list of texts, or one text.
    pub(super) fn words(&mut self, node: &Node, key: &str) -> Vec<Text> {
        let Some(n) = node.get(key) else { return Vec::new() };
        match n.items() {
            Some(items) => items.iter().filter_map(|i| self.text_of(i)).collect(),
            None => {
                self.error(n.expected("a list").hint(format!("write {key}: [one, two]")));
                Vec::new()
            }
        }
    }

    fn plain_words(&mut self, node: &Node, key: &str) -> Vec<String> {
        self.words(node, key).into_iter().map(|t| t.text).collect()
    }

    fn duration(&mut self, node: &Node, key: &str) -> Option<Duration> {
        let n = node.get(key)?;
        let d = n.spelled().and_then(parse_duration);
        if d.is_none() {
            self.error(n.expected("a duration").hint("10s, 500ms, 2m"));
        }
        d
    }

    /// A list of steps, with includes spliced in.
    pub(super) fn steps(&mut self, node: &Node, loader: &mut Loader, out: &mut Vec<Step>) {
        let Some(items) = node.items() else { return self.error(node.expected("a list of steps")) };
        for item in items {
            match item.get("include") {
                Some(path) => {
                    for d in item.unknown_keys(&["include"]) {
                        self.error(d.hint("an include stands alone"));
                    }
                    match path.as_str() {
                        Some(p) => loader.include(self, p, &path, out),
                        None => self.error(path.expected("a path")),
                    }
                }
                None => out.extend(self.step(&item)),
            }
        }
    }

    fn step(&mut self, node: &Node) -> Option<Step> {
        if node.entries().is_none() {
            self.error(node.expected("a step (a map with a name)"));
            return None;
        }
        for d in node.unknown_keys(STEP_KEYS) {
            let module = d.message.split('"').nth(1).and_then(|k| lookup(k, self.dir));
            self.error(match module {
                Some(m) => d.hint(format!(
                    "a module goes under check, remediation or ensure: ensure: {{{}: …}}",
                    m.spec().name
                )),
                None => d,
            });
        }
        let name = self.text(node, "name");
        let id = self.optional(node, "id").map(|t| t.text);
        if let Some(bad) = id.as_ref().filter(|i| !is_name(i)) {
            self.error(
                node_error(node, "id", "id", format!("\"{bad}\" cannot be used in expressions"))
                    .hint("letters, digits and _, a letter first"),
            );
        }
        let ensure = node.get("ensure");
        let check_node = node.get("check");
        for other in ["check", "condition", "remediation"] {
            if ensure.is_some() && node.get(other).is_some() {
                self.error(
                    node_error(node, other, "ensure-alone", format!("\"ensure\" and \"{other}\" in one step"))
                        .hint("ensure stands for all three: check, condition, remediation"),
                );
            }
        }
        let remediation: Vec<Call> = match node.get("remediation") {
            None => Vec::new(),
            Some(n) => match n.items() {
                Some(items) => items.iter().filter_map(|i| self.call(i)).collect(),
                None => {
                    self.error(
                        n.expected("a list")
                            .hint("write: remediation: [ {edit: {…}} ], or one item a line with \"- \""),
                    );
                    Vec::new()
                }
            },
        };
        let mut check = ensure.as_ref().or(check_node.as_ref()).and_then(|n| self.call(n));
        let mut is_ensure = ensure.is_some();
        let mut remediation = remediation;
        if check.is_none() && check_node.is_none() && ensure.is_none() && !remediation.is_empty() {
            match (remediation.len(), remediation.iter().all(is_state)) {
                (1, true) => {
                    check = remediation.pop();
                    is_ensure = true;
                }
                (_, true) => self.error(
                    node_error(node, "remediation", "no-check", "several remediations and no check".into())
                        .hint("make each a step with \"ensure\", or say what is checked"),
                ),
                _ => self.error(
                    node_error(
                        node,
                        "remediation",
                        "no-check",
                        "a remediation and no check: it would run every time".into(),
                    )
                    .hint("add a check, or \"creates\" or \"unless\" to the command"),
                ),
            }
        }
        let manual = node.get("manual").and_then(|n| match n.entries() {
            Some(_) => {
                self.errors.extend(n.unknown_keys(&["text", "link"]));
                self.text(&n, "text").map(|text| Manual { text, link: self.optional(&n, "link").map(|t| t.text) })
            }
            None => self.text_of(&n).map(|text| Manual { text, link: None }),
        });
        if check.is_none()
            && manual.is_none()
            && check_node.is_none()
            && ensure.is_none()
            && node.get("remediation").is_none()
        {
            self.error(
                Diagnostic::at(node.place(), "empty-step", "a step needs a check, an ensure or a manual text")
                    .hint("ensure: {service: {name: sshd, running: true}}"),
            );
        }
        let vantage = match node.get("where") {
            None => Where::Target,
            Some(n) => match n.as_str() {
                Some("target") => Where::Target,
                Some("controller") => Where::Controller,
                _ => {
                    self.error(n.expected("target or controller"));
                    Where::Target
                }
            },
        };
        let risk = node.get("risk").is_some_and(|n| {
            if n.as_str() != Some("connectivity") {
                self.error(n.expected("the word connectivity"));
            }
            true
        });
        let retries = node.get("retries").and_then(|n| {
            self.errors.extend(n.unknown_keys(&["times", "delay"]));
            let times =
                n.get("times").and_then(|t| t.as_i64()).and_then(|t| u32::try_from(t).ok()).filter(|t| *t <= 100);
            if times.is_none() {
                self.error(n.expected("{times: N, delay: 2s}, N at most 100"));
            }
            Some(Retries { times: times?, delay: self.duration(&n, "delay").unwrap_or(Duration::from_secs(1)) })
        });
        let reads = node.get("reads").map(|_| {
            let mut out = Vec::new();
            for t in self.words(node, "reads") {
                match Resource::parse(&t.text) {
                    Ok(r) => out.push(r),
                    Err(why) => self.error(Diagnostic::at(t.place, "resource", why)),
                }
            }
            out
        });
        Some(Step {
            name: name?,
            id,
            why: self.optional(node, "why").map(|t| t.text),
            finding: self.optional(node, "finding"),
            vantage,
            when: self.expression(node, "when"),
            condition: self.expression(node, "condition"),
            each: self.expression(node, "loop"),
            check,
            remediation,
            ensure: is_ensure,
            notify: self.plain_words(node, "notify"),
            needs: self.plain_words(node, "needs"),
            tags: self.plain_words(node, "tags"),
            timeout: self.duration(node, "timeout"),
            within: self.duration(node, "within").unwrap_or(WITHIN),
            retries,
            reads,
            risk,
            manual,
            place: node.place(),
        })
    }

    /// A bare expression; `true` and `false` are expressions too.
    fn expression(&mut self, node: &Node, key: &str) -> Option<Text> {
        let n = node.get(key)?;
        if key == "loop" && n.items().is_some() {
            // A literal list is its own expression.
            return Some(Text { text: n.value().to_string(), place: n.place() });
        }
        self.text_of(&n)
    }

    /// A module and its parameters: a map of one key.
    pub(super) fn call(&mut self, node: &Node) -> Option<Call> {
        let entries = node.entries().unwrap_or_default();
        let [entry] = &entries[..] else {
            let d = node.expected("a module with its parameters");
            self.error(d.hint(if entries.len() > 1 {
                "one module: indent its parameters below it"
            } else {
                "like {command: \"sshd -t\"}"
            }));
            return None;
        };
        let name = entry.key()?.to_owned();
        let Some(module) = lookup(&name, self.dir) else {
            let known = || BUILTIN.iter().map(|m| m.spec().name);
            let hint = super::did_you_mean(&name, known()).map_or_else(
                || format!("modules: {}", known().collect::<Vec<_>>().join(", ")),
                |n| format!("did you mean \"{n}\"?"),
            );
            self.error(Diagnostic::at(entry.key_place(), "unknown-module", format!("no module \"{name}\"")).hint(hint));
            return None;
        };
        let (params, scalar) = match (entry.value(), module.spec().scalar) {
            (Value::Object(m), _) => (m.clone(), false),
            (Value::Null, _) => (Map::new(), false),
            (Value::Array(_), _) => {
                self.error(entry.expected("a map of parameters"));
                return None;
            }
            (v, Some(first)) => (Map::from_iter([(first.to_owned(), v.clone())]), true),
            (_, None) => {
                let keys: Vec<_> = module.spec().params.iter().map(|p| p.name).collect();
                self.error(entry.expected("a map of parameters").hint(format!("{name} has: {}", keys.join(", "))));
                return None;
            }
        };
        self.params(&module, entry, &params, scalar);
        Some(Call { module, name, params, place: entry.place(), scalar })
    }

    fn params(&mut self, module: &Handle, node: &Node, params: &Map<String, Value>, scalar: bool) {
        let spec = module.spec();
        if spec.open {
            return;
        }
        if !scalar {
            let known: Vec<_> = spec.params.iter().map(|p| p.name).collect();
            self.errors.extend(node.unknown_keys(&known));
        }
        let at = |name: &str| {
            if scalar { node.place() } else { node.get(name).map_or_else(|| node.key_place(), |n| n.place()) }
        };
        for p in spec.params {
            match params.get(p.name) {
                None if p.required => self.error(
                    Diagnostic::at(node.key_place(), "missing-key", format!("{} needs \"{}\"", spec.name, p.name))
                        .hint(format!("{}: {}", p.name, p.help)),
                ),
                None => {}
                Some(v) if has_template(v) => {}
                Some(v) => {
                    if let Err(why) = p.ty.check(v) {
                        self.error(
                            Diagnostic::at(at(p.name), "wrong-type", format!("{}: {why}", p.name)).hint(format!(
                                "{} is {}: {}",
                                p.name,
                                p.ty.doc(),
                                p.help
                            )),
                        );
                    }
                }
            }
        }
        for (name, message, hint) in module.lint(params) {
            let place = if name.is_empty() || !params.contains_key(name) { node.key_place() } else { at(name) };
            self.error(Diagnostic::at(place, "parameters", message).hint(hint));
        }
    }

    pub(super) fn handler(&mut self, node: &Node) -> Option<Handler> {
        let entries = node.entries().unwrap_or_default();
        if entries.is_empty() {
            self.error(node.expected("a handler (a map with an id and a module)"));
            return None;
        }
        let id = self.text(node, "id");
        let validate = node.get("validate").and_then(|n| self.call(&n));
        let modules: Vec<&Node> = entries.iter().filter(|e| !matches!(e.key(), Some("id" | "validate"))).collect();
        let [one] = &modules[..] else {
            self.error(
                Diagnostic::at(
                    node.place(),
                    "handler",
                    format!("a handler does one thing, and this has {}", modules.len()),
                )
                .hint("like: service: {name: sshd, restarted: true}"),
            );
            return None;
        };
        // A handler writes its module beside its id: decode that entry as a call.
        let name = one.key()?.to_owned();
        let Some(module) = lookup(&name, self.dir) else {
            let hint =
                super::did_you_mean(&name, ["id", "validate"].into_iter().chain(BUILTIN.iter().map(|m| m.spec().name)));
            self.error(Diagnostic::at(one.key_place(), "unknown-module", format!("no module \"{name}\"")).hint(
                hint.map_or_else(
                    || "a handler has id, validate and one module".into(),
                    |n| format!("did you mean \"{n}\"?"),
                ),
            ));
            return None;
        };
        let (params, scalar) = match (one.value(), module.spec().scalar) {
            (Value::Object(m), _) => (m.clone(), false),
            (v, Some(first)) => (Map::from_iter([(first.to_owned(), v.clone())]), true),
            _ => {
                self.error(one.expected("a map of parameters"));
                return None;
            }
        };
        self.params(&module, one, &params, scalar);
        Some(Handler {
            id: id?.text,
            validate,
            call: Call { module, name, params, place: one.place(), scalar },
            place: node.place(),
        })
    }
}

fn node_error(node: &Node, key: &str, rule: &'static str, message: String) -> Diagnostic {
    Diagnostic::at(node.get(key).map_or_else(|| node.place(), |n| n.key_place()), rule, message)
}

fn has_template(v: &Value) -> bool {
    match v {
        Value::String(s) => is_template(s),
        Value::Array(a) => a.iter().any(has_template),
        Value::Object(m) => m.values().any(has_template),
        _ => false,
    }
}

/// A module whose parameters describe a state, so that it is its own check.
fn is_state(c: &Call) -> bool {
    !c.module.spec().writes.is_empty()
        && (c.name != "command" || c.params.contains_key("creates") || c.params.contains_key("unless"))
}

/// A name that an expression can use.
pub(super) fn is_name(s: &str) -> bool {
    s.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && s.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
