//! `unit_start`: systemd can start a service, as far as that can be known before it is tried.

mod obstacle;
mod state;
mod timing;

use obstacle::{StartFix, StartObstacle, find_obstacle};
use state::{StartState, UnitLine};

use super::{Decision, Field, Halt, Module, Param, Params, Spec, Ty, service};
use crate::payload::sh_quote;
use crate::plan::{Change, Resource, View};
use crate::target::files::{Content, FileState, Kind, Look};

/// What systemd needs for the start of a unit.
pub struct UnitStart;

static SPEC: Spec = Spec {
    name: "unit_start",
    summary: "A start of the service by systemd can succeed: its unit files are whole and make sense together, what it requires can be had, nothing that it is ordered after is still being started, no command before it has just failed. The repair changes a line that a person gave the unit where there is one right way to do so; what only a person can decide is named with its line. Other inits have no such units.",
    scalar: Some("name"),
    params: &[Param { name: "name", ty: Ty::Str, required: true, help: "the service, with or without .service" }],
    fields: &[
        Field {
            name: "problem",
            help: "why a start cannot succeed: empty, package_file (a unit file of a package is empty, damaged or missing), empty_file (an empty file of a person's hides it), setting (systemd refuses the unit, or ends it by the clock), dangling (a line names a program, file, user or group that does not exist), refused, condition (one that a person gave it does not hold), required (a unit that it requires cannot be had), waits (for a unit that is still being started, or for a command of its own), cycle (units that are each to come after the other, so that systemd may leave it out at boot), failed_before (a command before the start, or right after it)",
        },
        Field { name: "file", help: "the unit file that is about it, else empty" },
        Field { name: "other", help: "the other unit that is about it, else empty" },
    ],
    reads: "unit:NAME, file:/etc/systemd/**, package:*",
    writes: "file:/etc/systemd/**",
    open: false,
};

impl Module for UnitStart {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        // It is asked only where something does not run.
        view.not_ahead()?;
        if !view.place().live {
            return Err(Halt::Skipped("not running".into()));
        }
        if view.facts()?.init != "systemd" {
            return Ok(with_fields(Decision::new(true, "no unit of systemd's starts it"), None));
        }
        let names = service::candidates(p.text("name"));
        let asked = view.units(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
        let pair = service::Pair::of(&asked);
        let found: Vec<&str> = [pair.service, pair.by_socket()].into_iter().flatten().map(|u| u.name()).collect();
        let names = if found.is_empty() { vec![names[0].as_str()] } else { found };
        let quoted: Option<Vec<String>> = names.iter().map(|n| sh_quote(n)).collect();
        let quoted = quoted.ok_or_else(|| Halt::unknown("a name with a NUL"))?;
        let sh = format!("set -- {}\n{}", quoted.join(" "), crate::target::squeeze(include_str!("probe.sh")));
        let files = ["/etc/systemd/system/**", "/run/systemd/system/**"].map(|f| Resource::File(f.to_owned()));
        let reads = [files.as_slice(), &[Resource::Package("*".to_owned())]].concat();
        let a = view.script(&format!("the start of {}", names.join(" ")), &sh, true, &reads)?;
        let mut state = StartState::parse(&String::from_utf8_lossy(&a.stdout));
        for unit in &mut state.units {
            let known = asked.iter().find(|u| u.name() == unit.name());
            unit.unmet = known.map(|u| u.conditions.clone()).unwrap_or_default();
        }
        let Some(found) = find_obstacle(&state) else {
            return Ok(with_fields(Decision::new(true, "nothing is known that keeps systemd from starting it"), None));
        };
        let decision = with_fields(Decision::new(false, found.evidence.clone()), Some(&found));
        if !view.wants_changes() {
            return Ok(decision);
        }
        let change = match &found.fix {
            StartFix::Manual(todo) => {
                return Err(Halt::Person { why: found.evidence.clone(), todo: todo.clone(), param: None });
            }
            StartFix::Reinstall => None,
            StartFix::Remove(file) => {
                let there = view.file(file, Look::Follow)?;
                view.change_file(file, &there, FileState { kind: Kind::Absent, mode: None, owner: None }, false)?
            }
            StartFix::Reset(line) | StartFix::Comment(line) | StartFix::Optional(line) => {
                let there = view.file(&line.file, Look::Follow)?;
                let Kind::File(Content::Bytes(text)) = &there.state.kind else {
                    return Err(Halt::unknown(format!("{} is no file any more", line.file)));
                };
                let text = edit_line(text, line, &found.fix);
                let after = FileState { kind: Kind::File(Content::Bytes(text)), mode: None, owner: None };
                view.change_file(&line.file, &there, after, false)?
            }
        };
        Ok(decision.changing(change.into_iter().collect::<Vec<Change>>()))
    }
}

fn with_fields(d: Decision, found: Option<&StartObstacle>) -> Decision {
    let text = |of: fn(&StartObstacle) -> &str| found.map(of).unwrap_or_default().to_owned();
    d.with("problem", text(|o| o.problem)).with("file", text(|o| &o.file)).with("other", text(|o| &o.other))
}

/// The text with that one line changed; every other byte is as it was.
fn edit_line(text: &[u8], line: &UnitLine, fix: &StartFix) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 32);
    for (at, old) in text.split_inclusive(|b| *b == b'\n').enumerate() {
        if at + 1 != line.number {
            out.extend_from_slice(old);
            continue;
        }
        let end: &[u8] = if old.ends_with(b"\r\n") { b"\r\n" } else { b"\n" };
        match fix {
            StartFix::Reset(_) => {
                out.extend_from_slice(format!("{}=", line.key).as_bytes());
                out.extend_from_slice(end);
            }
            StartFix::Comment(_) => out.push(b'#'),
            StartFix::Optional(_) => {
                let value = old.iter().position(|b| *b == b'=').map_or(0, |at| at + 1);
                let blanks = old[value..].iter().take_while(|b| b" \t".contains(b)).count();
                out.extend_from_slice(&old[..value + blanks]);
                out.push(b'-');
                out.extend_from_slice(&old[value + blanks..]);
                continue;
            }
            StartFix::Remove(_) | StartFix::Manual(_) | StartFix::Reinstall => {}
        }
        out.extend_from_slice(old);
    }
    out
}

#[cfg(test)]
mod tests;
