//! Variables: declared with a type in the runbook, given by host, group or `-e`.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::decode::{Decoder, boolean_hint, is_name, nearest};
use super::{Diagnostic, Document, Node, Source, Spot};
use crate::channel::Password;
use crate::edit::authorized_keys;
use crate::expr;
use crate::module::parse_duration;

/// The type of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VarKind {
    /// Text.
    String,
    /// A whole number.
    Int,
    /// `true` or `false`.
    Bool,
    /// 1 to 65535.
    Port,
    /// An IPv4 or IPv6 address.
    Ip,
    /// An absolute path.
    Path,
    /// The name of an account.
    User,
    /// A public key of ssh's or its fingerprint; where a path is given, what is in that file of the controller.
    PublicKey,
    /// `10s`.
    Duration,
    /// One of these words.
    Enum(Vec<String>),
    /// A list.
    List,
    /// Text that is never shown.
    Secret(SecretFrom),
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretFrom {
    /// An environment variable.
    Env(String),
    /// The first line of a file.
    File(String),
    /// The first line that a command prints.
    Command(String),
    /// The terminal, without echo.
    Prompt,
    /// Itself, as an Ansible inventory has it.
    Literal(Password),
}

/// A declaration.
#[derive(Debug, Clone)]
pub struct Var {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: VarKind,
    /// Its value where nothing else gives one.
    pub default: Option<Value>,
    /// It may have no value at all.
    pub optional: bool,
    /// For people.
    pub help: String,
    pub(super) place: Spot,
}

impl Var {
    /// Its default is made from other variables.
    #[must_use]
    pub fn is_template(&self) -> bool {
        self.default.as_ref().is_some_and(has_template)
    }
    /// The variables that its default speaks of.
    fn names(&self) -> Vec<String> {
        fn texts<'v>(v: &'v Value, out: &mut Vec<&'v str>) {
            match v {
                Value::String(s) => out.push(s),
                Value::Array(a) => a.iter().for_each(|x| texts(x, out)),
                Value::Object(m) => m.values().for_each(|x| texts(x, out)),
                _ => {}
            }
        }
        let mut all = Vec::new();
        self.default.iter().for_each(|d| texts(d, &mut all));
        let names = all.into_iter().filter_map(|t| expr::template_names(t).ok()).flatten();
        names.filter_map(|n| n.split('.').next().map(str::to_owned)).collect()
    }
    /// Whether its value is hidden wherever something is shown.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, VarKind::Secret(_))
    }
    /// The words that it may be; empty if it is not of a few words.
    #[must_use]
    pub fn choices(&self) -> &[String] {
        match &self.kind {
            VarKind::Enum(words) => words,
            _ => &[],
        }
    }
}

/// All declarations, in order.
#[derive(Debug, Clone, Default)]
pub struct Vars(pub Vec<Var>);

/// A value from outside the runbook. `Debug` does not show it: it may be a secret.
#[derive(Clone)]
pub struct Given {
    /// The variable.
    pub name: String,
    /// Its value, as text or as YAML has it.
    pub value: Value,
    /// Where its value stands.
    pub spot: Spot,
    /// Where its name stands.
    pub named: Spot,
}

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Given").field("name", &self.name).field("named", &self.named).finish_non_exhaustive()
    }
}

impl Given {
    /// An entry of a YAML map.
    #[must_use]
    pub fn entry(e: &Node) -> Option<Self> {
        let (name, value) = (e.key()?.to_owned(), e.value().clone());
        Some(Self { name, value, spot: e.place().into(), named: e.key_place().into() })
    }

    /// `NAME=VALUE` of the command line.
    fn argument(arg: &str) -> Option<Self> {
        let (name, value) = arg.split_once('=').filter(|(name, _)| !name.is_empty())?;
        let source = Arc::new(Source::new(COMMAND_LINE, arg));
        let named = Spot::Bytes(Arc::clone(&source), 0..name.len());
        let after = name.len() + 1..arg.len();
        let spot = if value.is_empty() { named.clone() } else { Spot::Bytes(source, after) };
        Some(Self { name: name.to_owned(), value: Value::String(value.to_owned()), spot, named })
    }

    fn is_argument(&self) -> bool {
        matches!(&self.spot, Spot::Bytes(source, _) if source.name() == COMMAND_LINE)
    }
}

/// Whether any text in a value has something for the engine in it.
fn has_template(v: &Value) -> bool {
    match v {
        Value::String(s) => expr::is_template(s),
        Value::Array(a) => a.iter().any(has_template),
        Value::Object(m) => m.values().any(has_template),
        _ => false,
    }
}

/// A name at its line and column, in a text that does not show its value: that may be a secret.
fn without_value(name: &str, named: &Spot) -> Spot {
    let (source, bytes) = named.resolve();
    let (line, column) = source.line_column(bytes.start);
    let sign = if source.name() == COMMAND_LINE { "=…" } else { ": …" };
    let text = format!("{}{}{name}{sign}", "\n".repeat(line - 1), " ".repeat(column - 1));
    let start = line + column - 2;
    Spot::Bytes(Arc::new(Source::new(source.name(), text)), start..start + name.len())
}

/// The name of the text that `-e K=V` is.
const COMMAND_LINE: &str = "-e";
/// What an expression could not use.
const RESERVED: &[&str] = &[
    "facts", "target", "check", "steps", "item", "loop", "self", "and", "or", "not", "in", "is", "if", "else", "true",
    "false", "none",
];
/// The words of `type:`.
pub const TYPES: &[&str] =
    &["string", "int", "bool", "port", "ip", "path", "user", "public_key", "duration", "enum", "list", "secret"];

impl Vars {
    pub(super) fn decode(root: &Node, d: &mut Decoder<'_>) -> Self {
        let Some(node) = root.get("vars") else { return Self::default() };
        let Some(entries) = node.entries() else {
            d.error(node.expected("a map of variables").hint("NAME: {type: string, default: …, help: …}, one a line"));
            return Self::default();
        };
        Self(entries.iter().filter_map(|e| decode_one(e, d)).collect())
    }

    /// The declaration of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Var> {
        self.0.iter().find(|v| v.name == name)
    }

    /// Every variable's value: later givers win. Secrets that were not given are left to the caller.
    pub fn resolve(&self, given: &[Given]) -> Result<Map<String, Value>, Vec<Diagnostic>> {
        let (mut out, mut errors) = (Map::new(), Vec::new());
        for v in &self.0 {
            if let Some(value) = &v.default {
                out.insert(v.name.clone(), value.clone());
            }
        }
        for g in given {
            match self.get(&g.name) {
                None => {
                    let hint = match self.0.is_empty() {
                        true => "this runbook has no variables".into(),
                        false => nearest("variables", &g.name, self.0.iter().map(|v| v.name.as_str())),
                    };
                    let message = format!("this runbook has no variable \"{}\"", g.name);
                    errors
                        .push(Diagnostic::at(without_value(&g.name, &g.named), "unknown-variable", message).hint(hint));
                }
                Some(v) => match v.kind.read(&g.value) {
                    Ok(value) => {
                        out.insert(v.name.clone(), value);
                    }
                    Err(why) => {
                        let at = if v.is_secret() { without_value(&g.name, &g.named) } else { g.spot.clone() };
                        let d = Diagnostic::at(at, "variable-type", format!("{}: {why}", v.name));
                        errors.push(d.hint(v.kind.hint(&g.value, &v.help)));
                    }
                },
            }
        }
        self.render_defaults(given, &mut out, &mut errors);
        for v in &self.0 {
            let given = given.iter().any(|g| g.name == v.name);
            if !given && v.default.is_none() && !v.optional && !v.is_secret() {
                let message = format!("the variable \"{}\" has no value", v.name);
                errors.push(Diagnostic::at(v.place.clone(), "missing-variable", message).hint(format!(
                    "-e {}=…{}",
                    v.name,
                    if v.help.is_empty() { String::new() } else { format!("   ({})", v.help) }
                )));
            }
        }
        if errors.is_empty() { Ok(out) } else { Err(errors) }
    }

    /// Defaults that are templates become values: each after those that it speaks of.
    fn render_defaults(&self, given: &[Given], out: &mut Map<String, Value>, errors: &mut Vec<Diagnostic>) {
        let given = |v: &Var| given.iter().any(|g| g.name == v.name);
        let mut open: Vec<&Var> = self.0.iter().filter(|v| v.is_template() && !given(v)).collect();
        for v in &open {
            out.remove(&v.name);
        }
        while !open.is_empty() {
            let waits = |v: &Var| v.names().iter().any(|n| open.iter().any(|o| o.name == *n));
            let (later, now): (Vec<&Var>, Vec<&Var>) = open.iter().partition(|v| waits(v));
            // A circle: lint has named it.
            if now.is_empty() {
                return;
            }
            for v in now {
                let default = v.default.clone().unwrap_or_default();
                let rendered = expr::render_deep(&default, &Value::Object(out.clone()));
                let read = rendered
                    .map_err(|(_, e)| (e.message, e.hint))
                    .and_then(|value| v.kind.read(&value).map_err(|why| (why, Some(v.kind.hint(&value, &v.help)))));
                match read {
                    Ok(value) => drop(out.insert(v.name.clone(), value)),
                    // What it speaks of has no value, and may have none.
                    Err(_) if v.optional && v.names().iter().any(|n| !out.contains_key(n)) => {}
                    Err((why, hint)) => {
                        let empty = v.names().into_iter().find(|n| !out.contains_key(n));
                        let hint = empty.map(|n| format!("-e {n}=…, or -e {}=…", v.name)).or(hint);
                        let d = Diagnostic::at(v.place.clone(), "variable-type", format!("{}: {why}", v.name));
                        errors.push(d.hint(hint.unwrap_or_default()));
                    }
                }
            }
            open = later;
        }
    }

    /// Variables whose defaults speak of one another in a circle, in its order; the first one again is left out.
    #[must_use]
    pub(super) fn circle(&self) -> Option<Vec<&Var>> {
        fn walk<'v>(vars: &'v Vars, from: &'v Var, path: &mut Vec<&'v Var>) -> bool {
            if let Some(at) = path.iter().position(|p| p.name == from.name) {
                path.drain(..at);
                return true;
            }
            path.push(from);
            let next = from.names();
            if next.iter().filter_map(|n| vars.get(n)).any(|v| walk(vars, v, path)) {
                return true;
            }
            path.pop();
            false
        }
        self.0.iter().find_map(|v| {
            let mut path = Vec::new();
            walk(self, v, &mut path).then_some(path)
        })
    }

    /// What is unwise in the values that were given, though it works.
    #[must_use]
    pub fn warnings(&self, given: &[Given]) -> Vec<Diagnostic> {
        let secret = |g: &&Given| self.get(&g.name).is_some_and(Var::is_secret);
        let shown = given.iter().filter(|g| g.is_argument()).filter(secret).map(|g| {
            let message =
                format!("everybody on this machine can read \"{}\" in ps, and your shell remembers it", g.name);
            Diagnostic::at(without_value(&g.name, &g.named), "secret-on-command-line", message)
                .hint(format!("-e @FILE with {}: … in it, or the source that the runbook names", g.name))
        });
        shown.collect()
    }
}

impl VarKind {
    /// What to type instead of a value that is none of this type.
    fn hint(&self, value: &Value, help: &str) -> String {
        let bool = || value.as_str().and_then(boolean_hint);
        let like = match self {
            VarKind::Bool => bool().unwrap_or_else(|| "true or false".into()),
            VarKind::Int => "like 3".into(),
            VarKind::Port => "like 22".into(),
            VarKind::Ip => "like 203.0.113.5 or 2001:db8::5".into(),
            VarKind::Path => "like /etc/ssh/sshd_config".into(),
            VarKind::User => "like admin".into(),
            VarKind::PublicKey => "like ~/.ssh/id_ed25519.pub, the line in it, or SHA256:…".into(),
            VarKind::Duration => "like 10s, 500ms or 2m".into(),
            VarKind::Enum(words) => {
                let shown = value.as_str().unwrap_or_default();
                nearest("one of", shown, words.iter().map(String::as_str))
            }
            VarKind::List => "like [\"a\", \"b\"] or a,b".into(),
            VarKind::String | VarKind::Secret(_) => "one text; quote it".into(),
        };
        if help.is_empty() { like } else { format!("{like}   ({help})") }
    }

    /// The value as this type, or why it is none.
    pub fn read(&self, v: &Value) -> Result<Value, String> {
        let text = match v {
            Value::String(s) => Some(s.clone()),
            Value::Number(n) => Some(n.to_string()),
            Value::Bool(b) => Some(b.to_string()),
            _ => None,
        };
        let shown = match (&text, self) {
            (Some(_), VarKind::Secret(_)) | (None, _) => crate::module::kind_of(v),
            (Some(t), _) => format!("\"{t}\""),
        };
        let not = |what: &str| format!("{shown} is not {what}");
        let need = |what: &str| text.clone().ok_or_else(|| not(what));
        Ok(match self {
            VarKind::String | VarKind::Secret(_) => Value::String(need("text")?),
            VarKind::Int => Value::from(need("a number")?.parse::<i64>().map_err(|_| not("a whole number"))?),
            VarKind::Bool => match need("true or false")?.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => return Err(not("true or false")),
            },
            VarKind::Port => Value::from(
                need("a port")?.parse::<u16>().ok().filter(|p| *p > 0).ok_or_else(|| not("a port, 1 to 65535"))?,
            ),
            // As sshd's log has a client of IPv4 where one socket is for both (RFC 4291, 2.5.5.2): its packets are IPv4's.
            VarKind::Ip => Value::String(
                need("an address")?
                    .parse::<std::net::IpAddr>()
                    .map_err(|_| not("an IP address"))?
                    .to_canonical()
                    .to_string(),
            ),
            VarKind::Path => Value::String(
                need("a path").and_then(|t| if t.starts_with('/') { Ok(t) } else { Err(not("an absolute path")) })?,
            ),
            VarKind::User => Value::String(
                need("a user's name")
                    .and_then(|t| if crate::module::is_user(&t) { Ok(t) } else { Err(not("a user's name")) })?,
            ),
            VarKind::PublicKey => Value::String(public_key(&need("a public key")?)?),
            VarKind::Duration => Value::String(
                need("a duration")
                    .and_then(|t| if parse_duration(&t).is_some() { Ok(t) } else { Err(not("a duration")) })?,
            ),
            VarKind::Enum(words) => {
                let t = need("text")?;
                if words.contains(&t) {
                    Value::String(t)
                } else {
                    return Err(not(&words.join(" or ")));
                }
            }
            VarKind::List => match v {
                Value::Array(_) => v.clone(),
                Value::String(s) if s.starts_with('[') => serde_json::from_str(s).map_err(|_| not("a list"))?,
                Value::String(s) => Value::from(s.split(',').map(str::trim).collect::<Vec<_>>()),
                _ => return Err(not("a list")),
            },
        })
    }
}

/// A key or a fingerprint as it is, or the key in the file that is named.
fn public_key(text: &str) -> Result<String, String> {
    let is_one = |t: &str| authorized_keys::wanted(t).is_some();
    let text = text.trim();
    if is_one(text) {
        return Ok(text.to_owned());
    }
    let not = "is neither a public key, nor its fingerprint, nor a file with one";
    let home = text.strip_prefix("~/").zip(std::env::var_os("HOME"));
    let path = home.map_or_else(|| text.into(), |(rest, home)| std::path::Path::new(&home).join(rest));
    // What has white space was meant for a key.
    if text.is_empty() || text.split_whitespace().nth(1).is_some() && !path.exists() {
        return Err(format!("\"{text}\" {not}"));
    }
    let bytes = super::read_capped(&path).map(|b| String::from_utf8_lossy(&b).into_owned());
    match bytes {
        Err(e) => Err(format!("\"{text}\" {not} ({})", super::load::reason(&e))),
        Ok(key) if is_one(&key) => Ok(key.lines().find(|l| is_one(l)).unwrap_or(&key).trim().to_owned()),
        // It is not shown, and never leaves this machine.
        Ok(key) if key.contains("PRIVATE KEY") => Err(format!("{text} has the private key in it: give {text}.pub")),
        Ok(_) => Err(format!("{text} has no public key in it")),
    }
}

fn decode_one(e: &Node, d: &mut Decoder<'_>) -> Option<Var> {
    let name = e.key()?.to_owned();
    let var = read_one(&name, e, d);
    if var.is_none() {
        d.unread.vars.push(name);
    }
    var
}

fn read_one(name: &str, e: &Node, d: &mut Decoder<'_>) -> Option<Var> {
    if !is_name(name) || RESERVED.contains(&name) {
        let hint = match is_name(name) {
            true => format!("expressions have a meaning for it: {name}_name, say"),
            false => "letters, digits and _, a letter first".into(),
        };
        let message = format!("\"{name}\" cannot be a variable's name");
        d.error(Diagnostic::at(e.key_place(), "variable-name", message).hint(hint));
        return None;
    }
    if e.entries().is_none() {
        let hint = match e.spelled() {
            Some(value) => format!("write {name}: {{type: string, default: {value}}}"),
            None => format!("write {name}: {{type: string, default: …, help: …}}"),
        };
        d.error(e.expected("a map with a type").hint(hint));
        return None;
    }
    d.errors.extend(e.unknown_keys(&["type", "default", "optional", "help", "values", "from"]));
    let (optional, help) = (d.flag(e, "optional"), d.optional(e, "help").map(|t| t.text).unwrap_or_default());
    let kind = kind(e, d)?;
    let default = e.get("default").and_then(|n| {
        if matches!(kind, VarKind::Secret(_)) {
            let message = "a secret has no default: it would stand in the runbook for everybody";
            let at = without_value("default", &n.key_place().into());
            d.error(Diagnostic::at(at, "secret-default", message).hint("from: says where it is had"));
            return None;
        }
        // Made from other variables, its value is read when those have theirs.
        if has_template(n.value()) {
            return Some(n.value().clone());
        }
        kind.read(n.value())
            .map_err(|why| {
                let hint = kind.hint(n.value(), "");
                d.error(Diagnostic::at(n.place(), "variable-type", format!("the default {why}")).hint(hint));
            })
            .ok()
    });
    Some(Var { name: name.to_owned(), kind, default, optional, help, place: e.key_place().into() })
}

fn kind(e: &Node, d: &mut Decoder<'_>) -> Option<VarKind> {
    let t = d.text(e, "type")?;
    Some(match t.text.as_str() {
        "string" => VarKind::String,
        "int" => VarKind::Int,
        "bool" => VarKind::Bool,
        "port" => VarKind::Port,
        "ip" => VarKind::Ip,
        "path" => VarKind::Path,
        "user" => VarKind::User,
        "public_key" => VarKind::PublicKey,
        "duration" => VarKind::Duration,
        "list" => VarKind::List,
        "secret" => VarKind::Secret(secret_from(e, d)?),
        "enum" => {
            let words: Vec<String> = d.words(e, "values").into_iter().map(|t| t.text).collect();
            if e.get("values").is_none_or(|n| n.items().is_some()) && words.is_empty() {
                d.error(e.missing("values").hint("the words that it may be: values: [server, client]"));
                return None;
            }
            VarKind::Enum(words)
        }
        other => {
            let hint = nearest("types", other, TYPES.iter().copied());
            d.error(Diagnostic::at(t.place, "variable-type", format!("no type \"{other}\"")).hint(hint));
            return None;
        }
    })
}

fn secret_from(e: &Node, d: &mut Decoder<'_>) -> Option<SecretFrom> {
    let Some(from) = e.get("from") else {
        d.error(e.missing("from").hint(format!("from: {SOURCES}")));
        return None;
    };
    SecretFrom::decode(&from, &mut d.errors)
}

/// Where a secret may come from.
const SOURCES: &str = "{env: NAME}, {file: PATH}, {command: COMMAND} or prompt";

impl SecretFrom {
    /// `{env: NAME}`, `{file: PATH}`, `{command: COMMAND}` or `prompt`.
    pub(crate) fn decode(from: &Node, errors: &mut Vec<Diagnostic>) -> Option<Self> {
        let like = || format!("{}: {SOURCES}", from.key().unwrap_or("from"));
        if from.as_str() == Some("prompt") {
            return Some(Self::Prompt);
        }
        let entries = from.entries().unwrap_or_default();
        let [one] = &entries[..] else {
            errors.push(from.expected("one source").hint(like()));
            return None;
        };
        let unknown = from.unknown_keys(&["env", "file", "command"]);
        if !unknown.is_empty() {
            errors.extend(unknown);
            return None;
        }
        let Some(value) = one.as_str().map(str::to_owned) else {
            errors.push(one.expected("text").hint(like()));
            return None;
        };
        Some(match one.key() {
            Some("env") => Self::Env(value),
            Some("file") => Self::File(value),
            _ => Self::Command(value),
        })
    }
}

/// Reads one `-e`: `K=V`, or `@FILE` (a YAML map).
pub fn parse_extra(arg: &str) -> Result<Vec<Given>, Vec<Diagnostic>> {
    // As Ansible takes it: a map in JSON or YAML's short form.
    if arg.trim_start().starts_with('{') {
        // Of a command line a message shows no value, nor where it breaks off.
        let hidden = |errors: Vec<Diagnostic>| {
            let source = Arc::new(Source::new(COMMAND_LINE, "{…}"));
            let all = errors.into_iter().map(|e| {
                // What names keys alone; others quote what they are about.
                let message = match e.rule {
                    "duplicate-key" => e.message,
                    _ => "this is no map of variables in JSON or YAML".into(),
                };
                Diagnostic::at((&source, 0..5), e.rule, message).hint("-e '{\"port\": 22}', or -e @vars.yaml")
            });
            all.collect::<Vec<_>>()
        };
        let root = Document::parse(COMMAND_LINE, arg.as_bytes()).map_err(hidden)?.root();
        let mut all = map(&root)?;
        for g in &mut all {
            let source = Source::new(COMMAND_LINE, format!("{}=…", g.name));
            g.named = Spot::Bytes(Arc::new(source), 0..g.name.len());
            g.spot = g.named.clone();
        }
        return Ok(all);
    }
    let Some(path) = arg.strip_prefix('@') else {
        return Given::argument(arg).map(|g| vec![g]).ok_or_else(|| {
            // What follows its first word may be a secret.
            let word = arg.find(|c: char| !(c.is_alphanumeric() || "_-./".contains(c))).unwrap_or(arg.len());
            let shown = if word < arg.len() { format!("{}…", &arg[..word]) } else { arg.to_owned() };
            let source = Arc::new(Source::new(COMMAND_LINE, shown));
            let message = "a variable is given as NAME=VALUE";
            vec![
                Diagnostic::at((&source, 0..source.text().len()), "usage", message)
                    .hint("-e port=22, or -e @vars.yaml"),
            ]
        });
    };
    map(&super::read_document(path)?.root())
}

fn map(root: &Node) -> Result<Vec<Given>, Vec<Diagnostic>> {
    match root.entries() {
        Some(entries) => Ok(entries.iter().filter_map(Given::entry).collect()),
        None => Err(vec![root.expected("a map of variables").hint("one NAME: VALUE a line")]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_be_in_a_file() {
        let read = |text: &str| VarKind::PublicKey.read(&text.into());
        let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILYT+uWPVc7HKhZsiVFEpRd6bzs+2bCzBP1tf3rz67hx me";
        assert_eq!(read(line), Ok(line.into()));
        let print = "SHA256:WSN1oEt1NPBGlCuhS6C0QbMK3nP1n8ZXMapufRWm1yQ";
        assert_eq!(read(print), Ok(print.into()));
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            read(path.to_str().unwrap())
        };
        assert_eq!(file("k.pub", &format!("# mine\n{line}\n")), Ok(line.into()));
        let private = file("k", "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n").unwrap_err();
        assert!(private.ends_with("/k.pub") && !private.contains("secret"), "{private}");
        assert!(file("x", "nothing\n").unwrap_err().ends_with("has no public key in it"));
        assert!(read("./no-such.pub").unwrap_err().ends_with("(there is no such file)"));
    }

    #[test]
    fn an_address_is_of_the_family_that_its_packets_are() {
        assert_eq!(VarKind::Ip.read(&"::ffff:192.0.2.7".into()), Ok("192.0.2.7".into()));
        assert_eq!(VarKind::Ip.read(&"2001:DB8::7".into()), Ok("2001:db8::7".into()));
    }
}
