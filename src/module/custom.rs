//! Custom modules: executables in `modules/` beside the runbook. They decide; the engine acts, so that diffs, journal
//! and undo hold for them too.
//!
//! * `modules/NAME` — an executable of the controller, in any language. It gets `{params, facts, probe}` as JSON on
//!   stdin and prints `{ok, evidence, changes}`. If `modules/NAME.probe.sh` is there too, that POSIX sh runs on the
//!   target first (it only reads), and `probe` is `{rc, stdout, stderr}`.
//! * `modules/NAME.sh` — POSIX sh that runs on the target itself (it only reads) and prints the same JSON.
//!
//! In sh, parameters are environment variables `PARAM_name`; lists and maps are JSON text.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{Decision, Halt, Module, Params, Spec};
use crate::payload::sh_quote;
use crate::plan::{Change, FileChange, Resource, View, first_line};
use crate::target::files::{Content, FileState, Kind, Look};
use crate::target::frame::Status;

/// An executable beside the runbook.
pub struct Custom {
    program: Option<PathBuf>,
    on_target: Option<String>,
    probe: Option<String>,
    name: String,
}

static SPEC: Spec = Spec {
    name: "custom",
    summary: "An executable in modules/ beside the runbook.",
    scalar: None,
    params: &[],
    fields: &[],
    reads: "*",
    writes: "as it answers",
    open: true,
};

impl Custom {
    /// The module of that name in `dir/modules`, if there is one.
    #[must_use]
    pub fn find(name: &str, dir: &Path) -> Option<Self> {
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
            return None;
        }
        // One that is there and cannot be read is not as if it were not there: whoever runs it is told.
        let read = |p: PathBuf| match crate::book::read_text(&p) {
            Ok(text) => Some(text),
            Err(_) if !p.exists() => None,
            Err(e) => {
                let why = format!("{} cannot be read: {e}", p.display());
                Some(format!("echo {} >&2; exit 1", sh_quote(&why).unwrap_or_default()))
            }
        };
        let program = dir.join("modules").join(name);
        let on_target = read(dir.join("modules").join(format!("{name}.sh")));
        let probe = read(dir.join("modules").join(format!("{name}.probe.sh")));
        let program = program.is_file().then_some(program);
        (program.is_some() || on_target.is_some()).then_some(Self { program, on_target, probe, name: name.to_owned() })
    }
}

impl Custom {
    /// What of it runs, and where: every line of it.
    #[must_use]
    pub fn shown(&self) -> Vec<String> {
        let name = &self.name;
        let text = |head: String, text: &str| format!("{head}\n{}", text.trim_end()).replace('\n', "\n    ");
        let mut out = Vec::new();
        for (sh, end) in [(&self.probe, "probe.sh"), (&self.on_target, "sh")] {
            out.extend(sh.as_ref().map(|sh| text(format!("runs on the target: modules/{name}.{end}"), sh)));
        }
        if let Some(path) = &self.program {
            let head = format!("runs here: modules/{name}");
            out.push(match std::fs::read(path).map(String::from_utf8) {
                Ok(Ok(source)) if !source.contains('\0') => text(head, &source),
                Ok(Ok(source)) => format!("{head}, {} bytes that are no text", source.len()),
                Ok(Err(e)) => format!("{head}, {} bytes that are no text", e.as_bytes().len()),
                Err(e) => format!("{head}, which cannot be read: {e}"),
            });
        }
        out
    }
}

fn with_params(p: &Params, sh: &str) -> Result<String, Halt> {
    let mut out = String::new();
    for (k, v) in &p.0 {
        let text = v.as_str().map_or_else(|| v.to_string(), str::to_owned);
        let quoted = sh_quote(&text).ok_or_else(|| Halt::error(k, "a NUL cannot be passed"))?;
        if !k.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(Halt::error(k, "a name of letters, digits and _ is needed"));
        }
        out.push_str(&format!("export PARAM_{k}={quoted}\n"));
    }
    Ok(out + sh)
}

impl Module for Custom {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        let everything = [Resource::All];
        let about = format!("module {} {}", self.name, json!(p.0));
        let answer = if let Some(sh) = &self.on_target {
            view.script(&about, &with_params(p, sh)?, true, &everything)?
        } else {
            let facts = view.facts()?;
            let mut probe = Value::Null;
            if let Some(sh) = &self.probe {
                let a = view.script(&about, &with_params(p, sh)?, true, &everything)?;
                let rc = if let Status::Exit(n) = a.status { n } else { -1 };
                probe = json!({"rc": rc, "stdout": String::from_utf8_lossy(&a.stdout), "stderr": String::from_utf8_lossy(&a.stderr)});
            }
            let stdin = json!({"params": p.0, "facts": facts, "probe": probe}).to_string();
            let program = self
                .program
                .as_ref()
                .and_then(|p| p.to_str())
                .ok_or_else(|| Halt::unknown("a module with a path that is not UTF-8"))?;
            view.program(program, stdin)?
        };
        if answer.status != Status::Exit(0) {
            return Err(Halt::unknown(format!("the module failed: {}", first_line(&answer.stderr))));
        }
        let v: Value = serde_json::from_slice(&answer.stdout)
            .map_err(|e| Halt::unknown(format!("the module's answer is not JSON: {e}")))?;
        read_answer(&v, view)
    }
}

fn read_answer(v: &Value, view: &View<'_>) -> Result<Decision, Halt> {
    let map = v.as_object().ok_or_else(|| Halt::unknown("the module's answer is not a map"))?;
    let ok = map.get("ok").and_then(Value::as_bool).ok_or_else(|| Halt::unknown("the module's answer has no ok"))?;
    let mut d = Decision::new(ok, map.get("evidence").and_then(Value::as_str).unwrap_or("no evidence given"));
    for (k, v) in map.iter().filter(|(k, _)| !matches!(k.as_str(), "ok" | "evidence" | "changes" | "status")) {
        d.fields.insert(k.clone(), v.clone());
    }
    let mut changes = Vec::new();
    for c in map.get("changes").and_then(Value::as_array).into_iter().flatten() {
        changes.extend(Change::from_custom(c, |body| file_change(body, view))?);
    }
    d.changes = changes;
    Ok(d)
}

/// `{path, content?, mode?, state?: file|directory|absent}`.
fn file_change(body: &Map<String, Value>, view: &View<'_>) -> Result<Option<FileChange>, Halt> {
    let text = |k: &str| body.get(k).and_then(Value::as_str);
    let path = text("path")
        .filter(|p| p.starts_with('/'))
        .ok_or_else(|| Halt::unknown("the module's file change has no absolute path"))?;
    let found = view.file(path, Look::Follow)?;
    let mode = text("mode").and_then(super::parse_mode);
    let kind = match (text("state"), text("content")) {
        (Some("absent"), _) => Kind::Absent,
        (Some("directory"), _) => Kind::Directory,
        (_, Some(c)) => Kind::File(Content::Bytes(c.as_bytes().to_vec())),
        _ => found.state.kind.clone(),
    };
    let mode = mode.or((found.state.kind == Kind::Absent && kind != Kind::Absent).then_some(0o644));
    Ok(match view.change_file(path, &found, FileState { kind, mode, owner: None }, false)? {
        Some(Change::File(f)) => Some(f),
        _ => None,
    })
}
