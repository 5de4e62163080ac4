//! `service`: runs, comes up at boot, is masked; restarted or reloaded.

use super::{Decision, Field, Halt, Module, Param, Params, Spec, Ty};
use crate::plan::{Change, UnitChange, View};
use crate::target::units::{UnitState, Verb};

/// A service of the init system (systemd; others say "unknown").
pub struct Service;

static SPEC: Spec = Spec {
    name: "service",
    summary: "A service runs, and comes up at boot. Knows that ssh and sshd are one service, and that a listening socket unit stands in for its service.",
    scalar: Some("name"),
    params: &[
        Param { name: "name", ty: Ty::Str, required: true, help: "the service, with or without .service" },
        Param { name: "running", ty: Ty::Bool, required: false, help: "it runs now, or its socket listens" },
        Param { name: "enabled", ty: Ty::Bool, required: false, help: "it comes up at boot, or its socket does" },
        Param { name: "masked", ty: Ty::Bool, required: false, help: "false: nothing forbids it to start" },
        Param { name: "restarted", ty: Ty::Bool, required: false, help: "for handlers: it is restarted" },
        Param { name: "reloaded", ty: Ty::Bool, required: false, help: "for handlers: it is reloaded, if it runs" },
    ],
    fields: &[
        Field { name: "unit", help: "the full name of the unit, empty if there is none" },
        Field { name: "active", help: "active, inactive, failed, activating, offline …" },
        Field { name: "running", help: "whether it runs, or its socket listens" },
        Field { name: "socket", help: "whether a socket unit listens in its place" },
        Field { name: "enabled", help: "whether it comes up at boot" },
        Field { name: "masked", help: "whether it is masked" },
        Field { name: "result", help: "success, exit-code, start-limit-hit, oom-kill …" },
        Field { name: "log", help: "the last lines of its journal, if it failed: a list" },
    ],
    reads: "unit:NAME",
    writes: "unit:NAME, socket:*",
    open: false,
};

impl Module for Service {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        let name = p.text("name");
        let names = candidates(name);
        let units = view.units(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
        let socket = units.iter().find(|u| u.asked.ends_with(".socket") && u.exists() && u.running());
        let Some(unit) =
            units.iter().find(|u| !u.asked.ends_with(".socket") && u.exists()).or(units.iter().find(|u| u.exists()))
        else {
            return Ok(fields(
                Decision::new(false, format!("there is no service {name}")),
                &UnitState::default(),
                false,
                false,
            ));
        };
        let id = if unit.id.is_empty() { unit.asked.clone() } else { unit.id.clone() };
        let running = unit.running() || socket.is_some();
        let enabled = unit.enabled()
            || units.iter().any(|u| u.asked.ends_with(".socket") && u.exists() && u.enabled() && u.enabled != "static");
        let verbs = verbs(p, unit, running, enabled);
        let before = format!("{}, {}", unit.active, if unit.masked() { "masked" } else { &unit.enabled });
        let changes = verbs
            .into_iter()
            .map(|verb| Change::Unit(UnitChange { unit: id.clone(), verb, before: before.clone() }))
            .collect();
        let log = if (unit.active == "failed" || unit.sub == "auto-restart") && !unit.offline() {
            journal(&id, view)?
        } else {
            Vec::new()
        };
        let mut d =
            fields(Decision::new(true, evidence(&id, unit, socket, running, enabled, &log)), unit, running, enabled);
        d.fields.insert("unit".into(), id.into());
        d.fields.insert("log".into(), log.into());
        d.fields.insert("socket".into(), socket.is_some().into());
        Ok(d.changing(changes))
    }
}

/// The unit names that a service may go by.
fn candidates(name: &str) -> Vec<String> {
    if name.ends_with(".socket") || name.ends_with(".timer") {
        return vec![name.to_owned()];
    }
    let stem = name.strip_suffix(".service").unwrap_or(name);
    let stems: &[&str] = if matches!(stem, "ssh" | "sshd") { &["ssh", "sshd"] } else { &[stem] };
    [".service", ".socket"].iter().flat_map(|kind| stems.iter().map(move |s| format!("{s}{kind}"))).collect()
}

/// What has to be done, in the order in which it works: a masked unit cannot be enabled, a unit that hit its start
/// limit cannot be started (systemd.unit(5), StartLimitIntervalSec=).
fn verbs(p: &Params, unit: &UnitState, running: bool, enabled: bool) -> Vec<Verb> {
    let mut out = Vec::new();
    let mut later = unit.clone();
    if unit.masked() && (p.bool("masked") == Some(false) || p.is("running") || p.is("enabled")) {
        out.push(Verb::Unmask);
        Verb::Unmask.apply(&mut later);
    }
    if p.is("enabled") && !enabled && !later.enabled() {
        out.push(Verb::Enable);
    }
    if p.bool("enabled") == Some(false) && enabled {
        out.push(Verb::Disable);
    }
    if !unit.offline() {
        let starts = (p.is("running") && !running) || p.is("restarted");
        // systemd may say exit-code and still refuse with "start request repeated too quickly".
        if starts && (unit.active == "failed" || unit.sub == "auto-restart") {
            out.push(Verb::ResetFailed);
        }
        if p.is("restarted") {
            out.push(Verb::Restart);
        } else if p.is("running") && !running {
            out.push(Verb::Start);
        }
        if p.bool("running") == Some(false) && running {
            out.push(Verb::Stop);
        }
        if p.is("reloaded") && unit.running() {
            out.push(Verb::Reload);
        }
    }
    if p.is("masked") && !unit.masked() {
        out.push(Verb::Mask);
    }
    out
}

fn journal(unit: &str, view: &View<'_>) -> Result<Vec<String>, Halt> {
    let quoted = crate::target::quote::sh_quote(unit).unwrap_or_default();
    let a = view.script(&format!("journalctl -u {quoted} -n 20 -o cat --no-pager -b 2>/dev/null; :"), false, &[])?;
    let text = String::from_utf8_lossy(&a.stdout).into_owned();
    // What systemd says about the unit itself is in its state already; the program's own words are the evidence.
    let own = |l: &&str| {
        !l.is_empty()
            && !l.starts_with("Start")
            && !l.starts_with("Stopped")
            && !l.contains(".service: ")
            && !l.starts_with("Failed to start")
    };
    let lines: Vec<String> = text.lines().filter(own).map(str::to_owned).collect();
    Ok(lines.into_iter().rev().take(3).rev().collect())
}

fn evidence(
    id: &str,
    u: &UnitState,
    socket: Option<&UnitState>,
    running: bool,
    enabled: bool,
    log: &[String],
) -> String {
    let mut parts = Vec::new();
    parts.push(match (u.active.as_str(), u.result.as_str()) {
        ("offline", _) => String::new(),
        ("failed", "start-limit-hit") => {
            "failed: it was started too often in a short time, so systemd refuses to try again".into()
        }
        ("failed", r) if r.is_empty() || r == "exit-code" => match u.exit.as_str() {
            "" | "0" => "failed".into(),
            code => format!("failed with status {code}"),
        },
        ("failed", r) => format!("failed ({r})"),
        ("activating", _) if u.sub == "auto-restart" => "started again and again, and ends each time".into(),
        ("active", _) if !enabled => "running now".into(),
        ("active", _) => "running".into(),
        (a, _) if running && u.running() => a.to_owned(),
        _ if socket.is_some() => "started by its socket when a client connects".into(),
        ("inactive", _) => "stopped".into(),
        (a, _) => format!("{a} ({})", u.sub),
    });
    if u.masked() {
        parts.push("masked, so that nothing can start it".into());
    } else if !enabled && u.running() {
        parts.push("but not enabled: it will not come up at boot".into());
    } else if !enabled {
        parts.push("not enabled: it will not come up at boot".into());
    } else if u.offline() {
        parts.push("enabled".into());
    }
    if u.condition_failed && !u.running() {
        parts.push("systemd skipped its start because a condition of the unit is not met".into());
    }
    if let Some(last) = log.last() {
        parts.push(format!("its log says: {last}"));
    }
    parts.retain(|p| !p.is_empty());
    format!("{id} is {}", parts.join("; "))
}

fn fields(d: Decision, u: &UnitState, running: bool, enabled: bool) -> Decision {
    d.with("unit", u.asked.clone())
        .with("active", u.active.clone())
        .with("running", running)
        .with("socket", false)
        .with("enabled", enabled)
        .with("masked", u.masked())
        .with("result", u.result.clone())
        .with("log", Vec::<String>::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ask(p: serde_json::Value, u: &UnitState) -> Vec<&'static str> {
        let p = Params(p.as_object().cloned().unwrap());
        verbs(&p, u, u.running(), u.enabled()).into_iter().map(Verb::word).collect()
    }

    #[test]
    fn each_fault_its_verbs_in_order() {
        let want = json!({"name": "sshd", "running": true, "enabled": true});
        let unit = |load: &str, active: &str, enabled: &str, result: &str| UnitState {
            load: load.into(),
            active: active.into(),
            enabled: enabled.into(),
            result: result.into(),
            ..UnitState::default()
        };
        assert_eq!(ask(want.clone(), &unit("loaded", "active", "enabled", "success")), Vec::<&str>::new());
        assert_eq!(ask(want.clone(), &unit("loaded", "inactive", "disabled", "success")), ["enable", "start"]);
        assert_eq!(ask(want.clone(), &unit("masked", "inactive", "masked", "success")), ["unmask", "enable", "start"]);
        assert_eq!(
            ask(want.clone(), &unit("loaded", "failed", "enabled", "start-limit-hit")),
            ["reset-failed", "start"]
        );
        assert_eq!(ask(want, &unit("loaded", "offline", "disabled", "")), ["enable"]);
        assert_eq!(
            ask(json!({"name": "x", "reloaded": true}), &unit("loaded", "inactive", "enabled", "")),
            Vec::<&str>::new()
        );
    }
}
