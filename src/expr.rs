//! Expressions and templates: minijinja, strict, bounded; with the names that a text uses, so that lint finds a typo
//! before anything runs.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use minijinja::{Environment, UndefinedBehavior, Value as Jinja, value::Serde};
use serde_json::Value;

/// What is wrong with a text, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// In a person's words.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Bytes of the text.
    pub range: Option<Range<usize>>,
    /// It used a name that has no value (as opposed to anything else).
    pub undefined: bool,
}

impl ExprError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, range: None, undefined: false }
    }
}

static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_debug(true);
    env.set_fuel(Some(50_000));
    env.set_recursion_limit(64);
    if let Ok(syntax) = minijinja::syntax::SyntaxConfig::builder().keep_trailing_newline(true).build() {
        env.set_syntax(syntax);
    }
    // It would print every variable, secrets too.
    env.remove_global("debug");
    env
});

/// Whether a text has anything for the engine in it.
#[must_use]
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// The inside of a text that is exactly one `{{ … }}`, and where it starts.
fn sole(text: &str) -> Option<(&str, usize)> {
    let body = text.trim();
    let inside = body.strip_prefix("{{")?.strip_suffix("}}")?;
    let lone = !inside.contains("{{") && !inside.contains("}}") && !inside.starts_with('-') && !inside.ends_with('-');
    lone.then(|| (inside, text.find("{{").unwrap_or(0) + 2))
}

/// The names that an expression uses, dotted: `check.errors`, `port`.
pub fn expression_names(text: &str) -> Result<BTreeSet<String>, ExprError> {
    if text.contains("{{") {
        return Err(ExprError {
            hint: Some("an expression is bare: write it without {{ }}".into()),
            range: text.find("{{").map(|at| at..at + 2),
            ..ExprError::new("an expression takes no {{ }}")
        });
    }
    let e = ENGINE.compile_expression(text).map_err(|e| convert(&e, 0, text))?;
    check_words(text, 0)?;
    Ok(e.undeclared_variables(true).into_iter().filter(|n| !known_function(n)).collect())
}

/// The names that a template uses.
pub fn template_names(text: &str) -> Result<BTreeSet<String>, ExprError> {
    if !is_template(text) {
        return Ok(BTreeSet::new());
    }
    let t = ENGINE.template_from_str(text).map_err(|e| convert(&e, 0, text))?;
    for (at, _) in text.match_indices("{{").chain(text.match_indices("{%")) {
        let end = text[at + 2..].find("}}").or_else(|| text[at + 2..].find("%}")).map_or(text.len(), |n| at + 2 + n);
        check_words(&text[at + 2..end], at + 2)?;
    }
    Ok(t.undeclared_variables(true).into_iter().filter(|n| !known_function(n)).collect())
}

fn known_function(name: &str) -> bool {
    matches!(name, "range" | "dict" | "namespace" | "loop" | "self" | "super")
}

/// Filters and tests are looked up only when they run: look now.
fn check_words(text: &str, from: usize) -> Result<(), ExprError> {
    let bytes = text.as_bytes();
    let mut quote = None;
    let mut at = 0;
    while at < bytes.len() {
        let c = bytes[at];
        match quote {
            Some(q) => {
                if c == b'\\' {
                    at += 1;
                } else if c == q {
                    quote = None;
                }
            }
            None if c == b'"' || c == b'\'' => quote = Some(c),
            None if c == b'|' => {
                let start = at + 1 + text[at + 1..].len() - text[at + 1..].trim_start().len();
                let len = text[start..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len() - start);
                let word = &text[start..start + len];
                if !word.is_empty() && !FILTERS.contains(&word) {
                    let near = crate::book::did_you_mean(word, FILTERS.iter().copied());
                    return Err(ExprError {
                        hint: Some(near.map_or_else(
                            || format!("filters: {}", FILTERS.join(", ")),
                            |n| format!("did you mean \"{n}\"?"),
                        )),
                        range: Some(from + start..from + start + len),
                        ..ExprError::new(format!("no filter \"{word}\""))
                    });
                }
            }
            None => {}
        }
        at += 1;
    }
    Ok(())
}

/// minijinja's built-in filters (its module `filters`).
const FILTERS: &[&str] = &[
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "trim",
    "unique",
    "upper",
    "zip",
];

fn convert(e: &minijinja::Error, shift: usize, text: &str) -> ExprError {
    use minijinja::ErrorKind as K;
    let detail = e.detail().unwrap_or_default();
    let message = match (e.kind(), detail.is_empty()) {
        (K::UndefinedError, _) => "a name that has no value".to_owned(),
        (K::SyntaxError, _) => format!("syntax: {detail}"),
        (K::OutOfFuel, _) => "it takes too long".to_owned(),
        (k, true) => k.to_string(),
        (_, false) => detail.to_owned(),
    };
    let range = e.range().map(|r| (r.start + shift).min(text.len())..(r.end + shift).min(text.len()));
    ExprError { message, hint: None, range, undefined: e.kind() == K::UndefinedError }
}

/// An expression's value. A name without a value is an error, also alone.
pub fn eval(text: &str, scope: &Value) -> Result<Value, ExprError> {
    eval_at(text, 0, scope)
}

fn eval_at(text: &str, shift: usize, scope: &Value) -> Result<Value, ExprError> {
    let e = ENGINE.compile_expression(text).map_err(|e| convert(&e, shift, text))?;
    let v = e.eval(Jinja::from(Serde(scope))).map_err(|e| convert(&e, shift, text))?;
    if v.is_undefined() {
        return Err(ExprError { undefined: true, ..ExprError::new(format!("{} has no value", text.trim())) });
    }
    serde_json::to_value(&v).map_err(|e| ExprError::new(e.to_string()))
}

/// Whether an expression holds, by the language's truth: empty, zero, false and none do not.
pub fn holds(text: &str, scope: &Value) -> Result<bool, ExprError> {
    let v = eval(text, scope)?;
    Ok(match v {
        Value::Null => false,
        Value::Bool(b) => b,
        Value::Number(n) => n.as_f64() != Some(0.0),
        Value::String(s) => !s.is_empty(),
        Value::Array(a) => !a.is_empty(),
        Value::Object(o) => !o.is_empty(),
    })
}

/// A template's value: a text that is exactly one `{{ … }}` keeps its type, all else is text.
pub fn render(text: &str, scope: &Value) -> Result<Value, ExprError> {
    if !is_template(text) {
        return Ok(Value::String(text.to_owned()));
    }
    if let Some((inside, at)) = sole(text) {
        return eval_at(inside, at, scope);
    }
    let out = ENGINE.render_str(text, Jinja::from(Serde(scope))).map_err(|e| convert(&e, 0, text))?;
    Ok(Value::String(out))
}

/// A whole value with every text in it rendered; a map's entry whose text is exactly one name without a value is left
/// out, so that an optional variable may be passed on (`port: "{{ port }}"`).
pub fn render_deep(v: &Value, scope: &Value) -> Result<Value, (Vec<String>, ExprError)> {
    Ok(match v {
        Value::String(s) => render(s, scope).map_err(|e| (Vec::new(), e))?,
        Value::Array(a) => {
            let mut out = Vec::new();
            for (i, x) in a.iter().enumerate() {
                out.push(render_deep(x, scope).map_err(|(r, e)| (prepend(i.to_string(), r), e))?);
            }
            Value::Array(out)
        }
        Value::Object(m) => {
            let mut out = serde_json::Map::new();
            for (k, x) in m {
                match render_deep(x, scope) {
                    Ok(v) => {
                        out.insert(k.clone(), v);
                    }
                    Err((r, e))
                        if e.undefined
                            && r.is_empty()
                            && x.as_str().and_then(sole).is_some_and(|s| plain_name(s.0)) => {}
                    Err((r, e)) => return Err((prepend(k.clone(), r), e)),
                }
            }
            Value::Object(out)
        }
        other => other.clone(),
    })
}

fn prepend(head: String, mut tail: Vec<String>) -> Vec<String> {
    tail.insert(0, head);
    tail
}

fn plain_name(text: &str) -> bool {
    let t = text.trim();
    !t.is_empty() && t.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_value_keeps_its_type() {
        let scope = json!({"port": 22, "list": [1, 2]});
        assert_eq!(render("{{ port }}", &scope).unwrap(), json!(22));
        assert_eq!(render("{{ list }}", &scope).unwrap(), json!([1, 2]));
        assert_eq!(render("Port {{ port }}", &scope).unwrap(), json!("Port 22"));
        assert_eq!(render("no braces", &scope).unwrap(), json!("no braces"));
    }

    #[test]
    fn undefined_is_an_error_also_alone() {
        assert!(eval("tyop", &json!({})).unwrap_err().undefined);
        assert!(render("a {{ tyop }}", &json!({})).unwrap_err().undefined);
        assert!(holds("port is defined", &json!({"port": 1})).unwrap());
        assert!(!holds("port is defined", &json!({})).unwrap());
    }

    #[test]
    fn optional_values_are_left_out() {
        let v = render_deep(&json!({"port": "{{ port }}", "banner": "SSH"}), &json!({})).unwrap();
        assert_eq!(v, json!({"banner": "SSH"}));
        assert!(render_deep(&json!({"line": "Port {{ port }}"}), &json!({})).is_err());
    }

    #[test]
    fn names_and_words() {
        let n = expression_names("check.errors | length > 0 and not port is defined").unwrap();
        assert_eq!(n.into_iter().collect::<Vec<_>>(), ["check.errors", "port"]);
        let e = expression_names("check.errors | lenght > 0").unwrap_err();
        assert_eq!((e.hint.as_deref(), e.range), (Some("did you mean \"length\"?"), Some(15..21)));
        assert!(expression_names("{{ x }}").unwrap_err().hint.is_some());
        assert!(expression_names("a b").is_err());
        assert!(template_names("{{ 'a | b' }}").unwrap().is_empty());
    }

    #[test]
    fn hostile_templates_stop() {
        assert!(
            render("{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}", &json!({}))
                .is_err()
        );
        assert!(render("{{ debug() }}", &json!({"secret": "s"})).is_err());
    }
}
