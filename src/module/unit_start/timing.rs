//! Starts that take for ever, and starts that systemd ends by the clock.

use super::obstacle::{StartFix, StartObstacle, is_vendor};
use super::state::{StartState, StartedUnit, UnitLine};

/// A start that has been going on for fewer seconds may well be about to end.
const PATIENCE: u64 = 3;

/// A command of the unit, or its program, is being started and does not come to its end.
pub(super) fn hangs(u: &StartedUnit, state: &StartState) -> Option<StartObstacle> {
    let p = &u.properties;
    let began = p.seconds("InactiveExitTimestampMonotonic")?;
    let since = state.uptime.saturating_sub(began);
    if p.get("ActiveState") != "activating" || since < PATIENCE {
        return None;
    }
    let key = match p.get("SubState") {
        "start-pre" => "ExecStartPre",
        "condition" => "ExecCondition",
        "start-post" => "ExecStartPost",
        "start" if p.get("Type").starts_with("notify") => {
            return never_ready(u, &format!("it is being started since {since} s"));
        }
        _ => return None,
    };
    let commands = p.get(key);
    let runs = commands.lines().find(|l| !l.contains("start_time=[n/a]") && l.contains("stop_time=[n/a]"));
    let program = runs.and_then(|l| l.split("path=").nth(1)?.split(" ;").next()).map(str::trim);
    let line = u.lines_of(key).filter(|l| program.is_none_or(|p| l.value.contains(p))).last();
    let what = line.map_or_else(|| format!("{key}={}", program.unwrap_or_default()), UnitLine::quote);
    let evidence =
        format!("{what}, and that runs since {since} s and does not end, so the start of {} waits", u.name());
    let todo = format!(
        "see what it waits for, or take the line out{}; then: systemctl daemon-reload && systemctl restart {}",
        line.map_or_else(String::new, |l| format!(" of {}", l.file)),
        u.name()
    );
    let file = line.map(|l| l.file.clone()).unwrap_or_default();
    Some(StartObstacle { problem: "waits", evidence, file, other: String::new(), fix: StartFix::Manual(todo) })
}

/// systemd stopped it by the clock: it was not ready in time, or had run for as long as it may.
pub(super) fn ended_in_time(u: &StartedUnit, state: &StartState) -> Option<StartObstacle> {
    if u.properties.get("Result") != "timeout" || u.properties.get("ActiveState") == "active" {
        return None;
    }
    let mut log = state.logs.get(u.name()).into_iter().flatten().rev();
    let said = log.find(|l| l.contains("operation timed out") || l.contains("runtime time limit"))?;
    if said.contains("runtime time limit") {
        let line = u.lines_of("RuntimeMaxSec").filter(|l| !is_vendor(&l.file)).last()?;
        let evidence = format!("{}, and systemd stops {} after that time", line.quote(), u.name());
        let (file, fix) = (line.file.clone(), StartFix::Comment(line.clone()));
        return Some(StartObstacle { problem: "setting", evidence, file, other: String::new(), fix });
    }
    let ready = said.contains(" start operation timed out") && u.properties.get("Type").starts_with("notify");
    if ready { never_ready(u, "its start timed out") } else { None }
}

/// A program that a person gave a unit of `Type=notify` does not say that it is ready (sd_notify(3)).
fn never_ready(u: &StartedUnit, how: &str) -> Option<StartObstacle> {
    let own = |l: &&UnitLine| {
        matches!(l.key.as_str(), "ExecStart" | "Type" | "NotifyAccess") && !l.value.is_empty() && !is_vendor(&l.file)
    };
    let line = u.lines.iter().rfind(own)?;
    let evidence = format!(
        "{}, and systemd is not told that it is ready (Type={}): {how}",
        line.quote(),
        u.properties.get("Type")
    );
    let todo = format!(
        "under [Service] of {} put NotifyAccess=all where it runs sshd, or Type=exec where sshd is told to say nothing; then: systemctl daemon-reload && systemctl restart {}",
        line.file,
        u.name()
    );
    let (file, other) = (line.file.clone(), String::new());
    Some(StartObstacle { problem: "setting", evidence, file, other, fix: StartFix::Manual(todo) })
}
