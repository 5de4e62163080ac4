//! Modules: what a step can look at and what it can make so.
//!
//! A module is a pure function: parameters and a [`View`] of the target in, a [`Decision`] out. It asks the view
//! for what it needs to read; what was not read yet ends the call with [`Halt::Pending`], the engine fetches it
//! together with everything else that is missing, and calls again. So a module never does anything, never prints,
//! and has no "check mode": a dry run is not applying the changes.

mod bans;
#[cfg(test)]
mod canned;
mod command;
pub mod connect;
mod custom;
mod disk;
mod edit;
mod file;
mod firewall;
mod host_keys;
mod hosts_access;
mod ini;
mod journal;
pub(crate) mod listening;
mod login;
mod mount;
mod negotiation;
mod package;
mod process;
pub(crate) mod put_back;
pub(crate) mod references;
mod registry;
mod resolve;
mod sandbox;
mod security_group;
mod selinux_port;
mod service;
mod ssh_login;
mod sshd;
mod sshd_config;
mod sudo;
mod unit_start;
mod user;
mod utf16;

pub use custom::Custom;
pub use registry::{BUILTIN, Handle, lookup};

use serde_json::{Map, Value};

use crate::plan::{Change, View, Writing};

/// What a module is, for lint, docs and schema.
#[derive(Debug)]
pub struct Spec {
    /// The key in YAML.
    pub name: &'static str,
    /// One line for the docs.
    pub summary: &'static str,
    /// The parameter that a bare scalar stands for: `command: "sshd -t"`.
    pub scalar: Option<&'static str>,
    /// Its parameters.
    pub params: &'static [Param],
    /// The typed fields of its result, beside `ok`, `status` and `evidence`.
    pub fields: &'static [Field],
    /// What it looks at, in resource notation.
    pub reads: &'static str,
    /// What its changes touch, in resource notation; empty for a probe.
    pub writes: &'static str,
    /// Parameters and fields that are not listed here are accepted (custom modules).
    pub open: bool,
}

/// One parameter.
#[derive(Debug)]
pub struct Param {
    /// The key in YAML.
    pub name: &'static str,
    /// What it may hold.
    pub ty: Ty,
    /// Whether it must be there.
    pub required: bool,
    /// One line for the docs.
    pub help: &'static str,
}

/// One field of a result.
#[derive(Debug)]
pub struct Field {
    /// Its name in expressions: `check.NAME`.
    pub name: &'static str,
    /// Its shape and meaning.
    pub help: &'static str,
}

/// The types of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ty {
    /// Any scalar, as text.
    Str,
    /// `true` or `false`.
    Bool,
    /// 1 to 65535.
    Port,
    /// An absolute path on the target.
    Path,
    /// Octal permission bits as a string: `"0644"`.
    Mode,
    /// `10s`, `500ms`, `2m` or seconds.
    Duration,
    /// A regular expression (the `regex` crate's syntax).
    Regex,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of scalars, or one scalar.
    List,
    /// A map.
    Map,
    /// A list of maps, as another module's result has it.
    Maps,
    /// A file beside the runbook, taken as it is; the module sees its text as `content`.
    Source,
    /// A file beside the runbook that is a template; the module sees its text as `content`.
    Template,
}

impl Ty {
    /// The value in the one form that modules see, or why it does not fit.
    pub fn check(self, v: &Value) -> Result<Value, String> {
        let text = || match v {
            Value::String(s) => Some(s.clone()),
            Value::Number(n) => Some(n.to_string()),
            Value::Bool(b) => Some(b.to_string()),
            _ => None,
        };
        let want = |what: &str| format!("expected {what}, found {}", kind_of(v));
        Ok(match self {
            Ty::Str | Ty::Source | Ty::Template => Value::String(text().ok_or_else(|| want("text"))?),
            Ty::Bool => match v {
                Value::Bool(_) => v.clone(),
                Value::String(s) if s == "true" => Value::Bool(true),
                Value::String(s) if s == "false" => Value::Bool(false),
                _ => return Err(want("true or false")),
            },
            Ty::Port => text()
                .and_then(|t| t.parse::<u16>().ok())
                .filter(|p| *p > 0)
                .map(Value::from)
                .ok_or_else(|| want("a port, 1 to 65535"))?,
            Ty::Path => match text() {
                Some(p) if p.starts_with('/') && !p.contains('\0') => Value::String(p),
                _ => return Err(want("an absolute path")),
            },
            Ty::Mode => match v {
                Value::String(s) => {
                    parse_mode(s).map(|_| v.clone()).ok_or_else(|| format!("\"{s}\" is not an octal mode"))?
                }
                Value::Number(n) => {
                    return Err(format!(
                        "the mode {n} is a number: quote it, \"0644\", so that nothing guesses its base"
                    ));
                }
                _ => return Err(want("an octal mode in quotes")),
            },
            Ty::Duration => {
                let t = text().ok_or_else(|| want("a duration"))?;
                parse_duration(&t)
                    .map(|_| Value::String(t.clone()))
                    .ok_or_else(|| format!("\"{t}\" is not a duration: 10s, 500ms, 2m"))?
            }
            Ty::Regex => {
                let t = text().ok_or_else(|| want("a regular expression"))?;
                crate::edit::pattern(&t).map_err(|e| e.to_string())?;
                Value::String(t)
            }
            Ty::OneOf(words) => match text() {
                Some(t) if words.contains(&t.as_str()) => Value::String(t),
                _ => return Err(format!("expected one of {}, found {}", words.join(", "), shown(v))),
            },
            Ty::List => match v {
                Value::Array(a) if a.iter().all(|x| !x.is_array() && !x.is_object()) => v.clone(),
                Value::Array(_) => return Err("expected a list of plain values".into()),
                Value::Object(_) | Value::Null => return Err(want("a list")),
                one => Value::Array(vec![one.clone()]),
            },
            Ty::Maps => match v {
                Value::Array(a) if a.iter().all(Value::is_object) => v.clone(),
                _ => return Err(want("a list of maps")),
            },
            Ty::Map => match v {
                Value::Object(_) => v.clone(),
                _ => return Err(want("a map")),
            },
        })
    }

    /// How the docs write it.
    #[must_use]
    pub fn doc(self) -> String {
        match self {
            Ty::Str => "text".into(),
            Ty::Bool => "true or false".into(),
            Ty::Port => "port".into(),
            Ty::Path => "absolute path".into(),
            Ty::Mode => "octal mode in quotes".into(),
            Ty::Duration => "duration".into(),
            Ty::Regex => "regular expression".into(),
            Ty::OneOf(w) => w.join(" / "),
            Ty::List => "list".into(),
            Ty::Map => "map".into(),
            Ty::Maps => "list of maps".into(),
            Ty::Source | Ty::Template => "path beside the runbook".into(),
        }
    }
}

/// What a value is, for messages.
#[must_use]
pub fn kind_of(v: &Value) -> String {
    match v {
        Value::Null => "nothing".into(),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "a map".into(),
        other => shown(other),
    }
}

fn shown(v: &Value) -> String {
    match v {
        Value::String(s) => format!("\"{s}\""),
        other => other.to_string(),
    }
}

/// Permission bits, 0 to 0o7777, from octal text.
#[must_use]
pub fn parse_mode(s: &str) -> Option<u32> {
    let digits = s.strip_prefix("0o").unwrap_or(s);
    u32::from_str_radix(digits, 8).ok().filter(|m| *m <= 0o7777 && !digits.starts_with('+'))
}

/// What may be a user's name, of this host or of a directory; nothing that a shell or a pattern would read.
#[must_use]
pub fn is_user(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('-') && name.chars().all(|c| c.is_alphanumeric() || "._-@+".contains(c))
}

/// `10s`, `500ms`, `2m`, `1h`, or a number of seconds.
#[must_use]
pub fn parse_duration(s: &str) -> Option<std::time::Duration> {
    let at = s.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(s.len());
    let (number, unit) = s.split_at(at);
    let number: f64 = number.parse().ok()?;
    let scale = match unit.trim() {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    std::time::Duration::try_from_secs_f64(number * scale).ok()
}

/// A call's parameters, checked against the module's [`Spec`].
#[derive(Debug, Clone, Default)]
pub struct Params(pub Map<String, Value>);

impl Params {
    /// A text parameter.
    #[must_use]
    pub fn str(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }
    /// A text parameter that the spec requires; empty if the spec does not.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.str(name).unwrap_or_default()
    }
    /// A boolean parameter.
    #[must_use]
    pub fn bool(&self, name: &str) -> Option<bool> {
        self.0.get(name).and_then(Value::as_bool)
    }
    /// Whether a boolean parameter is there and true.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.bool(name) == Some(true)
    }
    /// A port.
    #[must_use]
    pub fn port(&self, name: &str) -> Option<u16> {
        self.0.get(name).and_then(Value::as_u64).and_then(|n| u16::try_from(n).ok())
    }
    /// Permission bits.
    #[must_use]
    pub fn mode(&self, name: &str) -> Option<u32> {
        self.str(name).and_then(parse_mode)
    }
    /// A duration.
    #[must_use]
    pub fn duration(&self, name: &str) -> Option<std::time::Duration> {
        self.str(name).and_then(parse_duration)
    }
    /// A list of texts.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
        self.0.get(name).and_then(Value::as_array).map(|a| a.iter().map(text).collect()).unwrap_or_default()
    }
    /// Pairs of texts.
    #[must_use]
    pub fn map(&self, name: &str) -> Vec<(String, String)> {
        let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
        self.0
            .get(name)
            .and_then(Value::as_object)
            .map(|m| m.iter().map(|(k, v)| (k.clone(), text(v))).collect())
            .unwrap_or_default()
    }
    /// Whether it was given.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// What a look at the target says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Not as it should be.
    Fault,
}

/// A module's answer.
#[derive(Debug, Clone)]
pub struct Decision {
    /// Nothing is wrong (a probe), or nothing would change (a state module).
    pub ok: bool,
    /// What was seen, in a person's words, without a trailing dot.
    pub evidence: String,
    /// The typed fields that the spec lists.
    pub fields: Map<String, Value>,
    /// What would make it so, in this order.
    pub changes: Vec<Change>,
}

impl Decision {
    /// An answer without fields and changes.
    pub fn new(ok: bool, evidence: impl Into<String>) -> Self {
        Self { ok, evidence: evidence.into(), fields: Map::new(), changes: Vec::new() }
    }
    /// With a field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }
    /// With changes; an answer with changes is not ok.
    #[must_use]
    pub fn changing(mut self, changes: Vec<Change>) -> Self {
        self.ok &= changes.is_empty();
        self.changes = changes;
        self
    }
    /// What expressions see as `check`.
    #[must_use]
    pub fn value(&self) -> Value {
        let mut map = self.fields.clone();
        map.insert("ok".into(), self.ok.into());
        map.insert("status".into(), if self.ok { "ok" } else { "fault" }.into());
        map.insert("evidence".into(), self.evidence.clone().into());
        Value::Object(map)
    }
}

/// Why a module gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Halt {
    /// It asked for something that was not read yet.
    Pending,
    /// It cannot be known: timed out, no tool, no privilege. Never a fault.
    Unknown {
        /// In a person's words.
        why: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// It waits for the planned change of an earlier step (its index).
    Waits(usize),
    /// It does not apply here: a live probe of a disk that is not running.
    Skipped(String),
    /// Only a person can decide or do it.
    Person {
        /// What is left, in a person's words.
        why: String,
        /// What to do.
        todo: String,
        /// The parameter that would decide it.
        param: Option<&'static str>,
    },
    /// The parameters cannot work on what is there.
    Error {
        /// The parameter at fault.
        param: Option<String>,
        /// In a person's words.
        why: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

impl Halt {
    /// Cannot be known.
    pub fn unknown(why: impl Into<String>) -> Self {
        Halt::Unknown { why: why.into(), hint: None }
    }
    /// A parameter that cannot work.
    pub fn error(param: &str, why: impl Into<String>) -> Self {
        Halt::Error { param: Some(param.to_owned()), why: why.into(), hint: None }
    }
}

/// What a module's parameters have to do with one another. A parameter that could be given and would not count is refused:
/// whoever wrote it meant something by it. `false` is as good as not given.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    /// Exactly one of these is given; or, in place of any, all of those.
    One(&'static [&'static str], Option<&'static [&'static str]>),
    /// At least one of these is given.
    Some(&'static [&'static str]),
    /// Both are given, or neither.
    Both(&'static str, &'static str),
    /// The first is for these: at least one of them is given with it.
    Only(&'static str, &'static [&'static str]),
    /// The first is given with none of these.
    Not(&'static str, &'static [&'static str]),
    /// The first is given only where that parameter is one of these words; the last says what holds where it is not given.
    When(&'static str, &'static str, &'static [&'static str], &'static str),
}

impl Rule {
    /// Why parameters break it: (parameter, message, hint).
    #[must_use]
    pub fn broken(self, p: &Map<String, Value>) -> Option<(&'static str, String, String)> {
        let has = |name: &str| p.get(name).is_some_and(|v| *v != Value::Bool(false));
        let quoted = |names: &[&str]| names.iter().map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(" or ");
        match self {
            Rule::One(names, instead) => {
                let given: Vec<&&str> = names.iter().filter(|n| has(n)).collect();
                match given.as_slice() {
                    [_] => None,
                    [] if instead.is_some_and(|all| all.iter().all(|n| has(n))) => None,
                    [] => Some(("", format!("one of {} is missing", names.join(", ")), "say what it should do".into())),
                    [first, second, ..] => Some((
                        second,
                        format!("\"{first}\" and \"{second}\" exclude one another"),
                        "make two steps of it".into(),
                    )),
                }
            }
            Rule::Some(names) => (!names.iter().any(|n| p.contains_key(*n)))
                .then(|| ("", format!("one of {} is missing", names.join(", ")), "say what it should do".into())),
            Rule::Both(a, b) => (p.contains_key(a) != p.contains_key(b)).then(|| {
                let (there, other) = if p.contains_key(a) { (a, b) } else { (b, a) };
                (there, format!("\"{a}\" and \"{b}\" belong together"), format!("give both, or neither: {other}: …"))
            }),
            Rule::Only(name, of) => (has(name) && !of.iter().any(|n| has(n))).then(|| {
                let why = format!("\"{name}\" is for {}, and would not count here", quoted(of));
                (name, why, "take it out, or give what it is for".into())
            }),
            Rule::Not(name, others) => others.iter().find(|n| has(n) && has(name)).map(|other| {
                let why = format!("\"{name}\" and \"{other}\" exclude one another");
                (name, why, "keep one of them, or make two steps of it".into())
            }),
            Rule::When(name, key, words, default) => {
                let is = p.get(key).map_or(Some(default), |v| v.as_str().filter(|t| !t.contains("{{")));
                let is = is.filter(|is| has(name) && !words.contains(is))?;
                let why =
                    format!("\"{name}\" is for {key}: {}, and would not count with {key}: {is}", words.join(" or "));
                Some((name, why, "take it out, or make two steps of it".into()))
            }
        }
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |names: &[&str]| names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
        match self {
            Rule::One(names, Some(all)) => write!(f, "exactly one of {}, or {} together", list(names), list(all)),
            Rule::One(names, None) => write!(f, "exactly one of {}", list(names)),
            Rule::Some(names) => write!(f, "at least one of {}", list(names)),
            Rule::Both(a, b) => write!(f, "`{a}` and `{b}` together"),
            Rule::Only(name, of) => write!(f, "`{name}` only with {}", list(of)),
            Rule::Not(name, others) => write!(f, "`{name}` not with {}", list(others)),
            Rule::When(name, key, words, _) => write!(f, "`{name}` only with `{key}: {}`", words.join("` or `")),
        }
    }
}

/// For modules that change a file: it is written over where it stands.
const IN_PLACE: Param = Param {
    name: "in_place",
    ty: Ty::Bool,
    required: false,
    help: "true: the file is written over where it stands, not replaced: for one that is mounted there (a container's /etc/hosts). It is not whole while it is written",
};

/// For modules that change a file: what becomes of one that nobody may change.
const IMMUTABLE: Param = Param {
    name: "immutable",
    ty: Ty::OneOf(&["keep", "lift"]),
    required: false,
    help: "of a file that chattr +i protects; lift: that is taken away for the change and put back; without it a person decides",
};

/// How a file is to be changed, as those parameters say.
fn writing(p: &Params) -> Writing {
    Writing { sensitive: false, in_place: p.is("in_place"), lift: p.str("immutable") == Some("lift") }
}

/// A module. One file, and one line in `registry.rs`.
pub trait Module: Send + Sync {
    /// Its description.
    fn spec(&self) -> &'static Spec;
    /// What its parameters have to do with one another.
    fn rules(&self) -> &'static [Rule] {
        &[]
    }
    /// What neither its types nor its rules say about its parameters: (parameter, message, hint). Templates are not resolved
    /// yet: a parameter that holds `{{` is left alone by the caller.
    fn lint(&self, _params: &Map<String, Value>) -> Vec<(&'static str, String, String)> {
        Vec::new()
    }
    /// The parameters that say where something is sent from the controller, as soon as a plan is made: a name that is looked
    /// up, a host or a port that is connected to. See [`crate::source::trust`].
    fn destinations(&self) -> &'static [&'static str] {
        &[]
    }
    /// Whether asking again and again while something settles does no harm.
    fn may_repeat(&self) -> bool {
        true
    }
    /// The answer, from what the view shows.
    fn decide(&self, params: &Params, view: &View<'_>) -> Result<Decision, Halt>;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parameters of one module that break each of its rules, and no other way to read them.
    fn breaking(rule: Rule) -> Vec<(&'static str, Value)> {
        let on = |name| (name, Value::Bool(true));
        match rule {
            Rule::One(names, _) => vec![on(names[0]), on(names[1])],
            Rule::Some(_) => Vec::new(),
            Rule::Both(a, _) => vec![on(a)],
            Rule::Only(name, _) => vec![on(name)],
            Rule::Not(name, others) => vec![on(name), on(others[0])],
            Rule::When(name, key, ..) => vec![on(name), (key, Value::String("another".into()))],
        }
    }

    #[test]
    fn every_rule_is_of_parameters_that_there_are_and_refuses() {
        let mut rules = 0;
        for module in BUILTIN {
            let spec = module.spec();
            let known = |name: &str| spec.params.iter().any(|p| p.name == name);
            for rule in module.rules() {
                rules += 1;
                let p: Map<String, Value> = breaking(*rule).into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
                assert!(p.keys().all(|k| known(k)), "{}: {rule}", spec.name);
                let (name, why, hint) = rule.broken(&p).unwrap_or_else(|| panic!("{}: {rule}", spec.name));
                assert!(name.is_empty() || known(name), "{}: {name}", spec.name);
                assert!(!why.is_empty() && !hint.is_empty());
            }
        }
        assert!(rules > 25, "{rules}");
    }
}
