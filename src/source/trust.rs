//! Trust: what a runbook from git would run, and the commits at which somebody has said yes to that.

use std::io;
use std::path::PathBuf;

use serde_json::Value;

use super::Origin;
use crate::book::{Call, Runbook, SecretFrom, VarKind, Where};
use crate::module::Handle;

/// What of a runbook runs as a command or reads a secret of this machine, a line each. What modules do is shown as a plan,
/// and is asked about there.
#[must_use]
pub fn commands(book: &Runbook) -> Vec<String> {
    let mut out = Vec::new();
    for v in &book.vars.0 {
        let from = match &v.kind {
            VarKind::Secret(SecretFrom::Command(c)) => format!("runs here for the secret {}: {c}", v.name),
            VarKind::Secret(SecretFrom::File(f)) => format!("reads here for the secret {}: {f}", v.name),
            VarKind::Secret(SecretFrom::Env(e)) => format!("reads here for the secret {}: ${e}", v.name),
            _ => continue,
        };
        out.push(from);
    }
    let mut call = |c: &Call, place: &str| match &c.module {
        Handle::Custom(m) => out.extend(m.shown()),
        Handle::Builtin(_) if c.name == "command" => out.push(format!("{place}: {}", whole(c))),
        // The clouds' own programs, with whatever they are logged in as.
        Handle::Builtin(_) if c.name == "security_group" => out.push(format!("runs here: {}", c.shown())),
        Handle::Builtin(_) => {}
    };
    for s in &book.steps {
        let place = if s.vantage == Where::Controller { "runs here" } else { "runs on the target" };
        s.check.iter().chain(&s.remediation).for_each(|c| call(c, place));
    }
    for h in &book.handlers {
        h.validate.iter().chain([&h.call]).for_each(|c| call(c, "runs on the target"));
    }
    book.verify.iter().for_each(|c| call(c, "runs here"));
    out.dedup();
    out
}

/// All that a command is made of, every line of it.
fn whole(c: &Call) -> String {
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), |t| t.trim_end().to_owned());
    let one = |(k, v): (&String, &Value)| {
        if matches!(k.as_str(), "run" | "sh") { text(v) } else { format!("{k}: {}", text(v)) }
    };
    c.params.iter().chain(&c.literal).map(one).collect::<Vec<_>>().join("\n").replace('\n', "\n    ")
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
