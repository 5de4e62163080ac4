//! `command`: what a person would type.

use serde_json::{Map, Value, json};

use super::{Decision, Field, Halt, Module, Param, Params, Rule, Spec, Ty};
use crate::payload::sh_quote;
use crate::plan::{Change, CommandChange, Resource, View};
use crate::target::About;
use crate::target::files::{Kind, Look};
use crate::target::frame::Status;

/// A command: as a check it is declared read-only and runs in a dry run too; as a remediation it is a change.
pub struct Command;

static SPEC: Spec = Spec {
    name: "command",
    summary: "Runs a command. As a check it must only read; ok is exit status 0. As a remediation it is done unless `creates` exists or `unless` succeeds.",
    scalar: Some("run"),
    params: &[
        Param { name: "run", ty: Ty::Str, required: false, help: "the command, as typed in sh" },
        Param { name: "sh", ty: Ty::Str, required: false, help: "the same, for several lines" },
        Param { name: "argv", ty: Ty::List, required: false, help: "program and arguments, with no shell in between" },
        Param {
            name: "creates",
            ty: Ty::Path,
            required: false,
            help: "as a remediation: nothing to do if this exists",
        },
        Param {
            name: "unless",
            ty: Ty::Str,
            required: false,
            help: "as a remediation: nothing to do if this command succeeds",
        },
        Param { name: "undo", ty: Ty::Str, required: false, help: "the command that takes it back" },
        Param {
            name: "writes",
            ty: Ty::List,
            required: false,
            help: "as a remediation: all that it touches, as in file:/etc/ssh/ssh_host_*_key; [] is nothing; anything, if not given",
        },
    ],
    fields: &[
        Field { name: "rc", help: "exit status; 128 + N for signal N" },
        Field { name: "stdout", help: "text, without the last newline" },
        Field { name: "stderr", help: "text, without the last newline" },
        Field { name: "lines", help: "stdout's lines, a list" },
    ],
    reads: "*",
    writes: "*",
    open: false,
};

impl Module for Command {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn rules(&self) -> &'static [Rule] {
        &[Rule::One(&["run", "sh", "argv"], None)]
    }
    fn lint(&self, p: &Map<String, Value>) -> Vec<(&'static str, String, String)> {
        let mut out = Vec::new();
        let listed = match p.get("writes") {
            Some(Value::Array(a)) => a.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        let texts = listed.iter().filter_map(Value::as_str).filter(|t| !t.contains("{{"));
        out.extend(texts.filter_map(|t| Resource::parse(t).err()).map(|e| {
            let (what, known) = e.split_once(": ").unwrap_or((&e, ""));
            ("writes", what.to_owned(), known.to_owned())
        }));
        out
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        let nul = || Halt::error("run", "a command with a NUL");
        let sh = match p.str("run").or(p.str("sh")) {
            Some(text) => text.to_owned(),
            None => p.list("argv").iter().map(|a| sh_quote(a)).collect::<Option<Vec<_>>>().ok_or_else(nul)?.join(" "),
        };
        if sh.contains('\0') {
            return Err(nul());
        }
        let shown = sh.lines().next().unwrap_or_default().to_owned() + if sh.lines().count() > 1 { " …" } else { "" };
        let writes: Result<Vec<_>, String> = p.list("writes").iter().map(|w| Resource::parse(w)).collect();
        let writes = writes.map_err(|e| Halt::error("writes", e))?;
        let undo = p.str("undo").map(str::to_owned);
        let change = CommandChange::new(sh.clone(), shown.clone()).undone_by(undo);
        let change = if p.has("writes") { change.writing(writes) } else { change };
        let change = Change::Command(change.on_controller(view.is_controller()));
        if let Some(path) = p.str("creates") {
            let there = view.file(path, Look::Link)?.state.kind != Kind::Absent;
            let said = if there { format!("{path} exists") } else { format!("{path} does not exist") };
            return Ok(Decision::new(there, said).changing(if there { vec![] } else { vec![change] }));
        }
        if let Some(test) = p.str("unless") {
            let done = view.script(&About::command(test), test, true, &[Resource::All])?.status == Status::Exit(0);
            let said = if done { format!("nothing to do: {test}") } else { format!("to be done: {test} failed") };
            return Ok(Decision::new(done, said).changing(if done { vec![] } else { vec![change] }));
        }
        if view.wants_changes() {
            if !view.is_controller() {
                view.can_run()?;
            }
            return Ok(Decision::new(false, shown).changing(vec![change]));
        }
        let a = view.script(&About::command(&sh), &sh, true, &[Resource::All])?;
        let rc = match a.status {
            Status::Exit(n) => n,
            _ => -1,
        };
        if rc == 127 && String::from_utf8_lossy(&a.stderr).contains("not found") {
            return Err(Halt::unknown(crate::plan::first_line(&a.stderr)));
        }
        let text = |b: &[u8]| {
            let t = String::from_utf8_lossy(b);
            t.strip_suffix('\n').unwrap_or(&t).to_owned()
        };
        let (stdout, stderr) = (text(&a.stdout), text(&a.stderr));
        let first = crate::plan::first_line(if stderr.trim().is_empty() { &a.stdout } else { &a.stderr });
        // What will be run is shown whole; what was looked at by is only named, if a few words can name it.
        let (shown, cut) = match shown.char_indices().nth(100) {
            Some((end, _)) => (format!("{} …", &shown[..end]), true),
            None => (shown, sh.lines().count() > 1),
        };
        let evidence = match (rc, first.is_empty()) {
            (0, true) => format!("{shown}: status 0"),
            (0, false) => first,
            (_, true) => format!("{shown}: status {rc}"),
            (_, false) if cut => format!("{first} (status {rc})"),
            (_, false) => format!("{shown}: status {rc}: {first}"),
        };
        let lines: Vec<&str> = stdout.lines().collect();
        Ok(Decision::new(rc == 0, evidence)
            .with("rc", rc)
            .with("lines", json!(lines))
            .with("stdout", stdout)
            .with("stderr", stderr))
    }
}
