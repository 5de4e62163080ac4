//! Expressions and templates: minijinja, strict, bounded; with the names that a text uses, so that lint finds a typo
//! before anything runs.

mod words;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use minijinja::{Environment, UndefinedBehavior, Value as Jinja, value::Serde};
use serde_json::Value;

pub use words::{Kind, Word};

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
    /// An error of no place in the text.
    pub fn new(message: impl Into<String>) -> Self {
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
    Ok(expression_words(text).map_err(first)?.iter().map(Word::dotted).collect())
}

/// The names that a template uses.
pub fn template_names(text: &str) -> Result<BTreeSet<String>, ExprError> {
    Ok(template_words(text).map_err(first)?.iter().map(Word::dotted).collect())
}

fn first(mut errors: Vec<ExprError>) -> ExprError {
    errors.swap_remove(0)
}

/// The names that an expression uses, each with its place.
///
/// # Errors
/// Its syntax error, else all words in it that the engine does not know. Never empty.
pub fn expression_words(text: &str) -> Result<Vec<Word>, Vec<ExprError>> {
    if let Some(at) = text.find("{{") {
        let bare = text.replace("{{", "").replace("}}", "");
        return Err(vec![ExprError {
            hint: Some(format!(
                "an expression is bare: write {}",
                bare.split_whitespace().collect::<Vec<_>>().join(" ")
            )),
            range: Some(at..at + 2),
            ..ExprError::new("an expression takes no {{ }}")
        }]);
    }
    let found = bounded(words::of_expression(text))?;
    ENGINE.compile_expression(text).map_err(|e| vec![syntax(&e, text)])?;
    used(found, |_| false)
}

/// The names that a template uses, each with its place.
///
/// # Errors
/// As [`expression_words`].
pub fn template_words(text: &str) -> Result<Vec<Word>, Vec<ExprError>> {
    if !is_template(text) {
        return Ok(Vec::new());
    }
    let found = bounded(words::of_template(text))?;
    let t = ENGINE.template_from_str(text).map_err(|e| vec![syntax(&e, text)])?;
    // Only a block can bind a name, and to ask the engine costs as much as compiling.
    let free = text.contains("{%").then(|| t.undeclared_variables(false));
    used(found, |name| free.as_ref().is_some_and(|free| !free.contains(name)))
}

/// Words and operators that one text may have. The engine's compiler recurses over a chain of operators: a hundred
/// thousand of them exhaust the stack.
const MOST_WORDS: usize = 1000;

fn bounded(found: words::Found) -> Result<Vec<Word>, Vec<ExprError>> {
    if found.weight <= MOST_WORDS {
        return Ok(found.words);
    }
    Err(vec![ExprError {
        hint: Some("give a part of it a step of its own: command, or a module".into()),
        ..ExprError::new(format!("{} words and operators in one text, and at most {MOST_WORDS} are read", found.weight))
    }])
}

/// The names among the words, but not those that the text itself binds. Filters, tests and functions are looked up by
/// the engine only when they run: they are looked up now.
fn used(words: Vec<Word>, bound: impl Fn(&str) -> bool) -> Result<Vec<Word>, Vec<ExprError>> {
    let free: Vec<Word> = words.into_iter().filter(|w| !w.can_be_bound() || !bound(&w.path[0])).collect();
    let errors: Vec<ExprError> = free.iter().filter_map(unknown).collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(free.into_iter().filter(|w| w.kind == Kind::Name).collect())
}

fn unknown(w: &Word) -> Option<ExprError> {
    let word = w.path[0].as_str();
    let (what, known) = match w.kind {
        Kind::Name => return None,
        Kind::Filter => ("filter", FILTERS),
        Kind::Test => ("test", TESTS),
        Kind::Function => ("function", FUNCTIONS),
        // `loop.cycle(…)` is the engine's own.
        Kind::Method if matches!(word, "cycle" | "changed") => return None,
        Kind::Method => ("method", &[][..]),
    };
    if known.contains(&word) {
        return None;
    }
    let near = crate::book::did_you_mean(word, known.iter().copied());
    let hint = match (near, w.kind) {
        (Some(near), _) => format!("did you mean \"{near}\"?"),
        (None, Kind::Method | Kind::Function) if FILTERS.contains(&word) => format!("that is a filter: … | {word}"),
        (None, Kind::Method) => "values have fields and filters: … | length".into(),
        (None, _) => format!("{what}s: {}", known.join(", ")),
    };
    Some(ExprError {
        hint: Some(hint),
        range: Some(w.range.clone()),
        ..ExprError::new(format!("no {what} \"{word}\""))
    })
}

/// A syntax error with what may have been meant.
fn syntax(e: &minijinja::Error, text: &str) -> ExprError {
    let mut error = convert(e, 0, text);
    let at = error.range.clone().map_or(0, |r| r.start);
    let rest = text.get(at..).unwrap_or_default();
    let has = |op: &str| text.contains(op);
    let hint = if rest.starts_with('=') && !rest.starts_with("==") {
        "to compare, write =="
    } else if has("&&") || has("||") {
        "write \"and\" and \"or\""
    } else if rest.starts_with('!') {
        "write \"not\""
    } else if has(" ? ") {
        "write: A if CONDITION else B"
    } else if error.message.contains("end of") {
        "a quote, a bracket or an {% end… %} is missing"
    } else {
        "an expression is like: check.errors | length > 0 and port is defined"
    };
    error.hint = Some(hint.to_owned());
    error
}

/// minijinja's built-in filters (its module `filters`).
#[rustfmt::skip]
const FILTERS: &[&str] = &[
    "abs", "attr", "batch", "bool", "capitalize", "chain", "count", "d", "default", "dictsort", "e", "escape",
    "first", "float", "format", "groupby", "indent", "int", "items", "join", "last", "length", "lines", "list",
    "lower", "map", "max", "min", "pprint", "reject", "rejectattr", "replace", "reverse", "round", "safe",
    "select", "selectattr", "slice", "sort", "split", "string", "sum", "title", "trim", "unique", "upper",
    "zip",
];

/// minijinja's built-in tests (its module `tests`).
#[rustfmt::skip]
const TESTS: &[&str] = &[
    "boolean", "defined", "divisibleby", "endingwith", "eq", "equalto", "escaped", "even", "false", "filter",
    "float", "ge", "greaterthan", "gt", "in", "int", "integer", "iterable", "le", "lessthan", "lower", "lt",
    "mapping", "ne", "none", "number", "odd", "safe", "sameas", "sequence", "startingwith", "string", "test",
    "true", "undefined", "upper",
];

/// minijinja's built-in functions, without `debug`.
const FUNCTIONS: &[&str] = &["range", "dict", "namespace", "loop", "caller", "super"];

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

/// A template's value: a text that is one `{{ … }}` and nothing but blanks around it keeps its type, all else is text.
pub fn render(text: &str, scope: &Value) -> Result<Value, ExprError> {
    if !is_template(text) {
        return Ok(Value::String(text.to_owned()));
    }
    if let Some((inside, at)) = sole(text) {
        let value = eval_at(inside, at, scope)?;
        // Blanks around a text are its own: a file's content ends with a line break.
        return Ok(match value {
            Value::String(s) if text.trim() != text => {
                let (before, after) = (text.len() - text.trim_start().len(), text.trim_end().len());
                Value::String(format!("{}{s}{}", &text[..before], &text[after..]))
            }
            other => other,
        });
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
                    Err((r, e)) if e.undefined && r.is_empty() && x.as_str().is_some_and(is_one_name) => {}
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

/// Whether a text is exactly one `{{ name }}`.
#[must_use]
pub fn is_one_name(text: &str) -> bool {
    lone_name(text).is_some()
}

/// The name, where a text is exactly one `{{ name }}`.
#[must_use]
pub fn lone_name(text: &str) -> Option<&str> {
    sole(text).map(|(inside, _)| inside.trim()).filter(|inside| plain_name(inside))
}

/// The names that an expression wants to have a value: `port is defined`.
#[must_use]
pub fn guards(text: &str) -> BTreeSet<String> {
    let words = words::of_expression(text).words;
    let asked =
        words.windows(2).filter(|w| w[0].may_be_undefined && w[1].kind == Kind::Test && w[1].path[0] == "defined");
    asked.filter(|w| !text[w[0].range.end..w[1].range.start].contains("not")).map(|w| w[0].dotted()).collect()
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
        assert_eq!(render("{{ list }}\n", &scope).unwrap(), json!([1, 2]));
        assert_eq!(render("{{ list | join(',') }}\n", &scope).unwrap(), json!("1,2\n"));
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
        let e = expression_words("x is defnied and y | frist and rnage(3)").unwrap_err();
        let hints: Vec<_> = e.iter().filter_map(|e| e.hint.as_deref()).collect();
        assert_eq!(hints, ["did you mean \"defined\"?", "did you mean \"first\"?", "did you mean \"range\"?"]);
        let bound =
            template_names("{% set a = 1 %}{% for p in ports %}{{ p }}{{ a }}{{ loop.index }}{% endfor %}").unwrap();
        assert_eq!(bound.into_iter().collect::<Vec<_>>(), ["ports"]);
        assert!(expression_names("{{ x }}").unwrap_err().hint.is_some());
        assert!(expression_names("a b").is_err());
        assert!(template_names("{{ 'a | b' }}").unwrap().is_empty());
    }

    #[test]
    fn the_engine_has_every_word_that_lint_lets_pass() {
        let has = |word: &str, kind: &str| eval(&format!("'{word}' is {kind}"), &json!({})).unwrap() == json!(true);
        assert_eq!(FILTERS.iter().find(|w| !has(w, "filter")), None);
        assert_eq!(TESTS.iter().find(|w| !has(w, "test")), None);
        assert!(!has("urlencode", "filter"));
    }

    #[test]
    fn the_longest_text_fits_the_stack() {
        for (start, part, end) in [
            ("x", "+x", ""),
            ("x", "|d", ""),
            ("x", ".x", ""),
            ("", "not ", "x"),
            ("x", " is x", ""),
            ("", "x if x else ", "x"),
        ] {
            let of = |n: usize| expression_words(&format!("{start}{}{end}", part.repeat(n)));
            let words = |e: Vec<ExprError>| e.iter().any(|e| e.message.contains("at most"));
            assert!(of(100_000).is_err_and(words), "{part}");
            let _ = of(MOST_WORDS / 2 - 1);
        }
        let elif = format!("{{% if x %}}{}{{% endif %}}", "{% elif x %}".repeat(MOST_WORDS / 2 - 2));
        let _ = template_words(&elif);
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
