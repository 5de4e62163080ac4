//! A call as the trust prompt shows it: whole, and with the values that the runbook itself has in their places.

use serde_json::{Map, Value};

use crate::book::{Call, Runbook, Step, VarKind};
use crate::expr;

/// What is known of a runbook's values before anything has run.
pub(super) struct Shown<'a> {
    book: &'a Runbook,
    /// The variables that have a default.
    defaults: Map<String, Value>,
}

impl<'a> Shown<'a> {
    pub(super) fn new(book: &'a Runbook) -> Self {
        let known = book.vars.0.iter().filter(|v| !matches!(v.kind, VarKind::Secret(_)));
        let defaults = known.filter_map(|v| Some((v.name.clone(), v.default.clone()?))).collect();
        Self { book, defaults }
    }

    /// All that the call may be, one text for each item of a loop whose list is known.
    pub(super) fn call(&self, c: &Call, step: Option<&Step>) -> Vec<String> {
        let scope = Value::Object(self.defaults.clone());
        let items = step.and_then(|s| s.each.as_ref()).map(|each| match self.knows(&each.text) {
            true => expr::eval(&each.text, &scope).ok(),
            false => None,
        });
        match items.flatten() {
            Some(Value::Array(items)) if items.len() <= crate::plan::MOST_ITEMS => {
                let of = |item: Value| {
                    let mut scope = self.defaults.clone();
                    scope.insert("item".into(), item);
                    whole(c, &scope)
                };
                let mut all: Vec<String> = items.into_iter().map(of).collect();
                all.dedup();
                all
            }
            _ => vec![whole(c, &self.defaults)],
        }
    }

    /// Whether the list is made of what stands in the runbook.
    fn knows(&self, each: &str) -> bool {
        let known =
            |n: &String| self.book.vars.get(n.split('.').next().unwrap_or(n)).is_some_and(|v| v.default.is_some());
        expr::expression_names(each).is_ok_and(|names| names.iter().all(known))
    }
}

/// All that a call is made of, every line of it.
fn whole(c: &Call, scope: &Map<String, Value>) -> String {
    let one = |(k, v): (&String, &Value), filled: bool| {
        let text = if filled { text(&filled_in(v, scope)) } else { text(v) };
        match k.as_str() {
            "run" | "sh" => text,
            _ if c.scalar => format!("{} {text}", c.name),
            _ if c.name == "command" => format!("{k}: {text}"),
            _ => format!("{} {k}: {text}", c.name),
        }
    };
    let params = c.params.iter().map(|p| one(p, true));
    let all: Vec<String> = params.chain(c.literal.iter().map(|p| one(p, false))).collect();
    let all = if all.is_empty() { vec![c.name.clone()] } else { all };
    all.join("\n").replace('\n', "\n    ")
}

fn text(v: &Value) -> String {
    v.as_str().map_or_else(|| v.to_string(), |t| t.trim_end().to_owned())
}

/// A value with the templates in it resolved as far as what is known goes.
fn filled_in(v: &Value, scope: &Map<String, Value>) -> Value {
    match v {
        Value::String(t) => template(t, scope).into(),
        Value::Array(a) => a.iter().map(|v| filled_in(v, scope)).collect(),
        Value::Object(m) => Value::Object(m.iter().map(|(k, v)| (k.clone(), filled_in(v, scope))).collect()),
        other => other.clone(),
    }
}

/// The text that a template will be. What speaks of anything that is not known yet stays as it is written, so that nothing is
/// shown that will not run.
fn template(t: &str, scope: &Map<String, Value>) -> String {
    let known = |names: std::collections::BTreeSet<String>| {
        names.iter().all(|n| n.split('.').next().is_some_and(|root| scope.contains_key(root)))
    };
    let values = || Value::Object(scope.clone());
    if !expr::is_template(t) {
        return t.to_owned();
    }
    if expr::template_names(t).is_ok_and(known)
        && let Ok(v) = expr::render(t, &values())
    {
        return text(&v);
    }
    // Blocks, comments and trimmed blanks reach beyond their own braces.
    if ["{%", "{#", "{{-", "-}}"].iter().any(|mark| t.contains(mark)) {
        return t.to_owned();
    }
    let mut parts = t.split("{{");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let value = part.split_once("}}").and_then(|(inside, rest)| {
            expr::expression_names(inside).ok().filter(|n| known(n.clone()))?;
            Some(text(&expr::eval(inside, &values()).ok()?) + rest)
        });
        match value {
            Some(value) => out += &value,
            None => {
                out += "{{";
                out += part;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_known_stands_in_its_place_and_the_rest_as_it_is_written() {
        let scope = json!({"item": "rm -rf /", "n": 7, "list": ["a", "b"]});
        let scope = scope.as_object().unwrap();
        for (text, shown) in [
            ("{{ item }}", "rm -rf /"),
            ("echo {{ n }} {{ steps.look.content }}", "echo 7 {{ steps.look.content }}"),
            ("{{ list | join(' ') }} {{ pw }}", "a b {{ pw }}"),
            (
                "{% if pw is defined %}fine{% else %}evil{% endif %}",
                "{% if pw is defined %}fine{% else %}evil{% endif %}",
            ),
            ("{% if n == 7 %}evil{% else %}fine{% endif %}", "evil"),
            ("{{- n }}{{ pw }}", "{{- n }}{{ pw }}"),
            ("{{ pw | default('evil') }}", "{{ pw | default('evil') }}"),
            ("{{ '}}' }} {{ pw }}", "{{ '}}' }} {{ pw }}"),
        ] {
            assert_eq!(template(text, scope), shown, "{text}");
        }
    }
}
