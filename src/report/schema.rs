//! A JSON Schema (draft 7, which yaml-language-server knows best) of the language, from the code itself. It finds what an editor
//! can find while one types; `runbook lint` knows more.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::keys;
use crate::book::VAR_TYPES;
use crate::module::{BUILTIN, Spec, Ty};

/// The line that tells an editor with yaml-language-server which schema a file has.
pub const MODELINE: &str = "# yaml-language-server: $schema=";

/// The schema; `dir`: a runbook's directory, whose own modules are known too.
#[must_use]
pub fn json(dir: &Path) -> Value {
    let mut definitions = Map::new();
    for m in BUILTIN {
        let spec = m.spec();
        definitions.insert(format!("module-{}", spec.name), module(spec));
    }
    let own = own_modules(dir);
    definitions.insert("call".into(), call(&own));
    definitions.insert("step".into(), step());
    definitions.insert("handler".into(), handler(&own));
    definitions.insert("variable".into(), variable());
    let list = |of: &str| json!({"type": "array", "items": {"$ref": format!("#/definitions/{of}")}});
    let texts = json!({"type": "array", "items": {"type": "string"}});
    let mut runbook = described(
        keys::RUNBOOK,
        &[
            ("name", json!({"type": "string"})),
            ("title", json!({"type": "string"})),
            ("requires", json!({"type": "string", "pattern": "^>=\\d"})),
            ("answers", texts.clone()),
            ("see", texts),
            ("vars", json!({"type": "object", "additionalProperties": {"$ref": "#/definitions/variable"}})),
            ("verify", list("call")),
            ("handlers", list("handler")),
            ("steps", json!({"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/step"}})),
        ],
    );
    runbook.insert("$schema".into(), "http://json-schema.org/draft-07/schema#".into());
    runbook.insert("title".into(), "runbook".into());
    runbook.insert("required".into(), json!(["name", "title", "steps"]));
    runbook.insert("definitions".into(), definitions.into());
    runbook.into()
}

/// A map of these keys and no others.
fn described(help: &[(&str, &str)], keys: &[(&str, Value)]) -> Map<String, Value> {
    let property = |(name, help): &(&str, &str)| {
        let own = keys.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()).unwrap_or_else(|| json!({}));
        let mut own = own.as_object().cloned().unwrap_or_default();
        own.insert("description".into(), (*help).into());
        ((*name).to_owned(), own.into())
    };
    let properties: Map<String, Value> = help.iter().map(property).collect();
    let Value::Object(map) = json!({"type": "object", "additionalProperties": false, "properties": properties}) else {
        return Map::new();
    };
    map
}

/// The type, or a template that gives it.
fn or_template(v: Value) -> Value {
    json!({"anyOf": [v, {"type": "string", "pattern": "\\{\\{"}]})
}

fn parameter(ty: Ty) -> Value {
    let scalar = json!({"type": ["string", "number", "boolean"]});
    match ty {
        Ty::Str | Ty::Regex => scalar,
        Ty::Source | Ty::Template => json!({"type": "string"}),
        Ty::Bool => or_template(json!({"type": "boolean"})),
        Ty::Port => or_template(json!({"type": "integer", "minimum": 1, "maximum": 65535})),
        Ty::Path => or_template(json!({"type": "string", "pattern": "^/"})),
        Ty::Mode => or_template(json!({"type": "string", "pattern": "^0?[0-7]{3,4}$"})),
        Ty::Duration => or_template(json!({"type": ["string", "number"], "pattern": "^\\d+(\\.\\d+)?(ms|s|m|h)?$"})),
        Ty::OneOf(words) => or_template(json!({"enum": words})),
        Ty::List => json!({"anyOf": [{"type": "array"}, scalar]}),
        Ty::Map => or_template(json!({"type": "object"})),
        Ty::Maps => or_template(json!({"type": "array"})),
    }
}

fn module(spec: &Spec) -> Value {
    if spec.open {
        return json!({"description": spec.summary});
    }
    let mut properties = Map::new();
    for p in spec.params {
        let mut v = parameter(p.ty);
        v["description"] = p.help.into();
        properties.insert(p.name.into(), v);
    }
    let required: Vec<&str> = spec.params.iter().filter(|p| p.required).map(|p| p.name).collect();
    let map = json!({"type": "object", "additionalProperties": false, "properties": properties, "required": required});
    let short = spec.scalar.and_then(|first| spec.params.iter().find(|p| p.name == first)).map(|p| parameter(p.ty));
    let mut forms = vec![map];
    forms.extend(short);
    forms.extend(required.is_empty().then(|| json!({"type": "null"})));
    match forms.as_mut_slice() {
        [one] => {
            one["description"] = spec.summary.into();
            forms.remove(0)
        }
        _ => json!({"description": spec.summary, "anyOf": forms}),
    }
}

/// `modules/` of a directory, by name.
fn own_modules(dir: &Path) -> Vec<String> {
    let files = std::fs::read_dir(dir.join("modules")).into_iter().flatten().flatten();
    let mut out: Vec<String> = files
        .filter_map(|f| f.file_name().into_string().ok())
        .filter(|n| !n.ends_with(".probe.sh"))
        .map(|n| n.strip_suffix(".sh").map(str::to_owned).unwrap_or(n))
        .collect();
    out.sort();
    out.dedup();
    out
}

fn modules(own: &[String]) -> Map<String, Value> {
    let built_in = BUILTIN.iter().map(|m| m.spec().name);
    let of = |name: &str| (name.to_owned(), json!({"$ref": format!("#/definitions/module-{name}")}));
    let mut out: Map<String, Value> = built_in.map(of).collect();
    out.extend(own.iter().map(|n| (n.clone(), json!({"description": "a module of this directory"}))));
    out
}

/// One module and no more.
fn call(own: &[String]) -> Value {
    json!({"type": "object", "additionalProperties": false, "minProperties": 1, "maxProperties": 1, "properties": modules(own)})
}

fn step() -> Value {
    let text = || json!({"type": "string"});
    let call = || json!({"$ref": "#/definitions/call"});
    let words = || json!({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]});
    let duration = || json!({"type": ["string", "number"], "pattern": "^\\d+(\\.\\d+)?(ms|s|m|h)?$"});
    // A bare `true` is an expression, too.
    let expression = || json!({"type": ["string", "boolean", "number"]});
    let mut step = described(
        keys::STEP,
        &[
            ("name", text()),
            ("id", json!({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"})),
            ("why", text()),
            ("where", json!({"enum": ["target", "controller"]})),
            ("when", expression()),
            ("otherwise", json!({"type": "boolean"})),
            ("check", call()),
            ("condition", expression()),
            ("finding", text()),
            ("note", text()),
            ("remediation", json!({"anyOf": [{"type": "array", "items": call()}, call()]})),
            ("ensure", call()),
            (
                "manual",
                json!({"anyOf": [{"type": "string"}, described(MANUAL, &[("text", text()), ("link", text()), ("asks", text()), ("choices", expression())])]}),
            ),
            ("notify", words()),
            ("needs", words()),
            ("loop", json!({"type": ["string", "array"]})),
            ("tags", words()),
            ("timeout", duration()),
            ("within", duration()),
            (
                "retries",
                described(RETRIES, &[("times", json!({"type": "integer", "minimum": 1})), ("delay", duration())])
                    .into(),
            ),
            ("reads", words()),
            ("risk", json!({"enum": ["connectivity"]})),
        ],
    );
    // A line that includes others is nothing else; of the rest every one has a name.
    if let Some(Value::Object(properties)) = step.get_mut("properties") {
        properties.insert(
            "include".into(),
            json!({"type": "string", "description": "a file of steps, relative to this one"}),
        );
    }
    step.insert("if".into(), json!({"required": ["include"]}));
    step.insert("then".into(), json!({"maxProperties": 1}));
    step.insert("else".into(), json!({"required": ["name"]}));
    step.into()
}

const MANUAL: &[(&str, &str)] = &[
    ("text", "what to do; a line that begins with four blanks is a command to paste"),
    ("link", "where to read on"),
    ("asks", "a variable that decides it: asked at a terminal"),
    ("choices", "an expression that gives a list of its values"),
];
const RETRIES: &[(&str, &str)] = &[("times", "how often at most"), ("delay", "how long in between")];

fn handler(own: &[String]) -> Value {
    let mut handler = described(
        keys::HANDLER,
        &[("id", json!({"type": "string"})), ("validate", json!({"$ref": "#/definitions/call"}))],
    );
    if let Some(Value::Object(properties)) = handler.get_mut("properties") {
        properties.extend(modules(own));
    }
    handler.insert("required".into(), json!(["id"]));
    handler.into()
}

fn variable() -> Value {
    let mut variable = described(
        keys::VARIABLE,
        &[
            ("type", json!({"enum": VAR_TYPES})),
            ("optional", json!({"type": "boolean"})),
            ("help", json!({"type": "string"})),
            ("values", json!({"type": "array"})),
            ("from", json!({"anyOf": [{"enum": ["prompt"]}, {"type": "object"}]})),
        ],
    );
    variable.insert("required".into(), json!(["type"]));
    variable.into()
}
