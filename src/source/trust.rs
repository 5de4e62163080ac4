//! Trust: what a runbook from git would run, read here or send, and the commits at which somebody has said yes to that.
//!
//! Nothing of it leaves either machine before: a name that is looked up and a host, a port or a url that is connected to can
//! carry what was read. So whatever the author of the runbook chose to send to is listed here; only the target itself, and
//! what the user names, are not.

mod shown;

use std::io;
use std::path::PathBuf;

use serde_json::Value;

use self::shown::Shown;
use super::Origin;
use crate::book::{Call, Runbook, SecretFrom, Step, VarKind, Where};
use crate::expr;
use crate::module::Handle;

/// What of a runbook runs as a command, reads or sends something from this machine, or sends something that was read
/// anywhere, a line each. What modules change on the target is shown as a plan, and is asked about there.
#[must_use]
pub fn demands(book: &Runbook) -> Vec<String> {
    let mut out: Vec<String> = book.vars.0.iter().filter_map(|v| secret(&v.name, &v.kind)).collect();
    let mut all = Demands { shown: Shown::new(book), book, out: Vec::new() };
    for s in &book.steps {
        let calls = s.check.iter().map(|c| (c, "reads here")).chain(s.remediation.iter().map(|c| (c, "changes here")));
        for (call, from_here) in calls {
            let here = s.vantage == Where::Controller;
            all.call(call, if here { Side::Here(from_here) } else { Side::Target }, Some(s));
        }
    }
    for h in &book.handlers {
        h.validate.iter().chain([&h.call]).for_each(|c| all.call(c, Side::Target, None));
    }
    book.verify.iter().for_each(|c| all.call(c, Side::Here("reads here"), None));
    for line in all.out {
        if !out.contains(&line) {
            out.push(line);
        }
    }
    out
}

fn secret(name: &str, kind: &VarKind) -> Option<String> {
    match kind {
        VarKind::Secret(SecretFrom::Command(c)) => Some(format!("runs here for the secret {name}: {c}")),
        VarKind::Secret(SecretFrom::File(f)) => Some(format!("reads here for the secret {name}: {f}")),
        VarKind::Secret(SecretFrom::Env(e)) => Some(format!("reads here for the secret {name}: ${e}")),
        _ => None,
    }
}

/// Where a call is made.
#[derive(Clone, Copy)]
enum Side {
    Target,
    /// On this machine; what it does there, where it is no command.
    Here(&'static str),
}

struct Demands<'a> {
    shown: Shown<'a>,
    book: &'a Runbook,
    out: Vec<String>,
}

impl Demands<'_> {
    fn call(&mut self, c: &Call, side: Side, step: Option<&Step>) {
        let runs = match side {
            Side::Target => "runs on the target",
            Side::Here(_) => "runs here",
        };
        let module = match &c.module {
            Handle::Custom(m) => return self.out.extend(m.shown()),
            Handle::Builtin(m) => m,
        };
        let head = match c.name.as_str() {
            "command" => runs,
            // The clouds' own programs, with whatever they are logged in as.
            "security_group" => "runs here",
            _ if !module.destinations().is_empty() => {
                if module.destinations().iter().all(|p| self.is_own(c, p)) {
                    return;
                }
                "sends from here"
            }
            _ => match side {
                Side::Here(what) => what,
                Side::Target if texts(c).any(is_automounted) => "has a name looked up by an automounter",
                Side::Target => return,
            },
        };
        let lines = self.shown.call(c, step);
        self.out.extend(lines.into_iter().map(|l| format!("{head}: {l}")));
    }

    /// Whether what a parameter names is the target itself, or what the user has named: nothing that was read is in it, and
    /// nobody else has chosen it.
    fn is_own(&self, c: &Call, param: &str) -> bool {
        let text = match c.params.get(param).or(c.literal.get(param)) {
            None | Some(Value::Null | Value::Number(_)) => return true,
            Some(Value::String(text)) => text.trim(),
            Some(_) => return false,
        };
        let port = param == "port" && text.bytes().all(|b| b.is_ascii_digit());
        let user = expr::lone_name(text).and_then(|name| self.book.vars.get(name));
        let users =
            user.is_some_and(|v| (v.default.is_none() || param == "port") && !matches!(v.kind, VarKind::Secret(_)));
        let target = text.strip_prefix("{{").and_then(|t| t.strip_suffix("}}"));
        port || users || target.is_some_and(|t| matches!(t.trim(), "target.address" | "target.port"))
    }
}

/// All texts of a call.
fn texts(c: &Call) -> impl Iterator<Item = &str> {
    c.params.values().chain(c.literal.values()).filter_map(Value::as_str)
}

/// A path below autofs's `/net/HOST` (auto.master(5)): to look at it resolves the name and connects.
fn is_automounted(path: &str) -> bool {
    path.contains("/net/")
}

/// `$XDG_STATE_HOME/runbook/trusted`: `COMMIT PATH` a line.
fn file() -> io::Result<PathBuf> {
    Ok(crate::apply::journal::home()?.join("trusted"))
}

fn line(origin: &Origin) -> Option<String> {
    match origin {
        Origin::Git { commit, path, .. } => Some(format!("{commit} {}", path.replace('\n', "?"))),
        _ => None,
    }
}

/// Whether it needs no question: it is no stranger's, or was trusted at this commit.
#[must_use]
pub fn is_trusted(origin: &Origin) -> bool {
    let Some(line) = line(origin) else { return true };
    file().and_then(std::fs::read_to_string).is_ok_and(|text| text.lines().any(|l| l == line))
}

/// From now on.
pub fn remember(origin: &Origin) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    let Some(line) = line(origin) else { return Ok(()) };
    let file = file()?;
    if let Some(dir) = file.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let mut f = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(file)?;
    f.write_all(format!("{line}\n").as_bytes())
}
