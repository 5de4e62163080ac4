//! A service and its socket unit: what has to be done to them, and what is said of them.

use serde_json::{Map, Value, json};

use super::{Params, SHELLS, journal};
use crate::module::Halt;
use crate::plan::View;
use crate::target::files::{Kind, Look};
use crate::target::units::{UnitState, Verb};

/// A service and the socket unit that may listen in its place (systemd.socket(5)).
#[derive(Default)]
pub(in crate::module) struct Pair<'a> {
    pub(in crate::module) service: Option<&'a UnitState>,
    pub(in crate::module) socket: Option<&'a UnitState>,
}

impl<'a> Pair<'a> {
    pub(in crate::module) fn of(units: &'a [UnitState]) -> Self {
        let is_socket = |u: &&UnitState| u.asked.ends_with(".socket");
        let there = || units.iter().filter(|u| u.exists() && !SHELLS.contains(&u.asked.as_str()));
        let best = |of: &dyn Fn(&&UnitState) -> bool| {
            let all = || there().filter(|u| of(u));
            all().find(|u| u.running()).or_else(|| all().find(|u| u.wants_boot())).or_else(|| all().next())
        };
        Pair { service: best(&|u| !is_socket(u)), socket: best(&is_socket) }
    }
    /// What is asked about can be told.
    ///
    /// # Errors
    /// Its init cannot tell whether it runs, or comes up at boot.
    pub(super) fn known(&self, p: &Params) -> Result<(), Halt> {
        let dark = |word: &str, of: fn(&UnitState) -> &str| self.main().is_some_and(|u| of(u) == word);
        // To be told to start anew it need not be known.
        let told = p.is("restarted") || p.is("reloaded");
        let asked = |name: &str| {
            p.bool(name).is_some() || !(told || p.bool("running").is_some() || p.bool("enabled").is_some())
        };
        if (asked("running") && dark("unknown", |u| &u.active)) || (asked("enabled") && dark("unknown", |u| &u.enabled))
        {
            let u = self.main().map(|u| format!("{}: {}", u.name(), u.unknown));
            return Err(Halt::unknown(u.unwrap_or_default()));
        }
        Ok(())
    }
    pub(super) fn main(&self) -> Option<&'a UnitState> {
        self.service.or(self.socket)
    }
    /// The socket listens now.
    pub(super) fn listens(&self) -> Option<&'a UnitState> {
        self.socket.filter(|k| k.running())
    }
    /// The service runs now.
    pub(super) fn runs(&self) -> Option<&'a UnitState> {
        self.service.filter(|u| u.running())
    }
    /// Starting it means starting its socket: that listens already, or is what comes up at boot (Ubuntu from 22.10 on).
    pub(in crate::module) fn by_socket(&self) -> Option<&'a UnitState> {
        let starts = |k: &UnitState| match self.service {
            None => true,
            Some(u) => !u.running() && (k.running() || (k.wants_boot() && !u.wants_boot())),
        };
        self.socket.filter(|k| starts(k))
    }
    /// The socket listens, and the one service behind it failed: whoever connects is cut off.
    pub(super) fn broken_behind_socket(&self) -> bool {
        let failed = |u: &UnitState| u.active == "failed" || u.crashing();
        self.listens().is_some_and(|k| !k.accept) && self.service.is_some_and(failed)
    }
    pub(super) fn running(&self) -> bool {
        self.runs().is_some() || (self.listens().is_some() && !self.broken_behind_socket())
    }
    pub(super) fn socket_enabled(&self) -> bool {
        self.socket.is_some_and(|k| k.enabled() && k.enabled != "static")
    }
    pub(super) fn enabled(&self) -> bool {
        self.service.or(self.socket).is_some_and(UnitState::enabled) || self.socket_enabled()
    }
    /// A file that forbids the start (`ConditionPathExists=!…`) is there, with what earlier steps would change.
    pub(super) fn barred(&self, view: &View<'_>) -> Result<bool, Halt> {
        let units = || [self.service, self.socket].into_iter().flatten();
        let conditions = units().flat_map(|u| &u.conditions);
        let mut paths: Vec<&str> = conditions.filter_map(|c| c.strip_prefix("ConditionPathExists=!")).collect();
        paths.dedup();
        let found: Vec<_> = paths.iter().map(|p| view.file(p, Look::Link)).collect();
        found.into_iter().try_fold(false, |any, f| Ok(any || f?.state.kind != Kind::Absent))
    }
    /// The unit whose failure is the story: one that failed, or ends again and again.
    pub(super) fn troubled(&self) -> Option<&'a UnitState> {
        let bad = |u: &&UnitState| u.active == "failed" || u.crashing();
        if self.runs().is_some() {
            return None;
        }
        let socket = self.socket.filter(bad).filter(|_| self.by_socket().is_some());
        // The socket failed because the service did: the service knows why.
        socket.filter(|k| k.result != "service-start-limit-hit").or(self.service.filter(bad)).or(socket)
    }
    pub(super) fn names(&self) -> Vec<&'a str> {
        let socket = self.by_socket().or(self.socket.filter(|k| k.active == "failed"));
        self.service.into_iter().chain(socket).map(UnitState::name).collect()
    }

    /// What has to be done, in the order in which it works: a masked unit cannot be enabled, a unit that hit its start
    /// limit cannot be started (systemd.unit(5), `StartLimitIntervalSec=`), a socket cannot be started while the service
    /// behind it runs ("Socket service … already active, refusing").
    pub(super) fn verbs(&self, p: &Params) -> Vec<(&'a UnitState, Verb)> {
        let mut out: Vec<(&UnitState, Verb)> = Vec::new();
        let (running, enabled) = (self.running(), self.enabled());
        let Some(main) = self.main() else { return out };
        let by_socket = self.by_socket();
        let way = by_socket.unwrap_or(main);
        let up = p.is("running") || p.is("enabled");

        let mut later_enabled = enabled;
        for u in [self.service, by_socket].into_iter().flatten().filter(|u| u.masked()) {
            // A socket with a process a connection has no use for the service.
            let matters = u.name() == way.name() || by_socket.is_some_and(|k| !k.accept);
            if p.bool("masked") == Some(false) || (up && matters) {
                let mut later = u.clone();
                Verb::Unmask.apply(&mut later);
                later_enabled |= later.enabled();
                out.push((u, Verb::Unmask));
            }
        }
        if p.is("enabled") && !later_enabled {
            out.push((way, Verb::Enable));
        }
        if p.bool("enabled") == Some(false) {
            let on = |u: &&UnitState| u.wants_boot();
            out.extend([self.service, self.socket].into_iter().flatten().filter(on).map(|u| (u, Verb::Disable)));
        }
        if !main.offline() {
            self.now(p, way, running, &mut out);
        }
        if p.is("masked") {
            let on = |u: &&UnitState| !u.masked() && (u.name() == main.name() || u.running() || u.wants_boot());
            out.extend([self.service, self.socket].into_iter().flatten().filter(on).map(|u| (u, Verb::Mask)));
        }
        out
    }

    /// The verbs of what runs.
    pub(super) fn now(&self, p: &Params, way: &'a UnitState, running: bool, out: &mut Vec<(&'a UnitState, Verb)>) {
        let restart = p.is("restarted");
        let both = || [self.service, self.socket].into_iter().flatten();
        let sockets_turn = if restart { self.listens().or(self.by_socket()) } else { self.by_socket() };
        if restart || (p.is("running") && !running) {
            // Ubuntu's generator makes this socket's ports from sshd_config, and runs when systemd reads all anew.
            let made = |k: &UnitState| k.name() == "ssh.socket";
            let starts = sockets_turn.filter(|_| restart || !self.broken_behind_socket());
            if starts.is_some_and(made) || both().any(|u| u.needs_reload || u.load == "bad-setting") {
                out.push((sockets_turn.unwrap_or(way), Verb::DaemonReload));
            }
            // systemd may say exit-code and still refuse with "start request repeated too quickly".
            let stuck = |u: &&UnitState| u.stuck() && (sockets_turn.is_some() || u.name() == way.name());
            out.extend(both().filter(stuck).map(|u| (u, Verb::ResetFailed)));
        }
        match (restart, sockets_turn) {
            (true, Some(k)) => {
                let behind = self.runs();
                out.extend(behind.filter(|_| !k.accept).map(|u| (u, Verb::Stop)));
                out.push((k, Verb::Restart));
                out.extend(behind.map(|u| (u, if k.accept { Verb::Restart } else { Verb::Start })));
            }
            (true, None) => out.push((way, Verb::Restart)),
            (false, _) if p.is("running") && !running => {
                let behind = self.service.filter(|_| self.broken_behind_socket());
                out.push((behind.unwrap_or(way), Verb::Start));
            }
            _ => {}
        }
        if p.bool("running") == Some(false) {
            // The socket first: it would start the service again.
            out.extend(self.listens().into_iter().chain(self.runs()).map(|u| (u, Verb::Stop)));
        }
        if p.is("reloaded") {
            out.extend(self.runs().map(|u| (u, Verb::Reload)));
        }
    }

    /// What is there and was asked to be off; `None` if nothing is, or if something else is amiss too.
    pub(super) fn unwanted(&self, p: &Params, main: &UnitState) -> Option<String> {
        let missing = p.is("running") && !self.running() || p.is("enabled") && !self.enabled();
        let units = || [self.service, self.socket].into_iter().flatten();
        let mut out = Vec::new();
        if p.bool("running") == Some(false) {
            out.extend(self.runs().map(|u| format!("{} is running, should be stopped", u.name())));
            out.extend(self.listens().map(|u| format!("{} listens, should be stopped", u.name())));
        }
        if p.bool("enabled") == Some(false) {
            out.extend(
                units().filter(|u| u.wants_boot()).map(|u| format!("{} comes up at boot, should not", u.name())),
            );
        }
        if p.is("masked") && !main.masked() {
            out.push(format!("{} can be started, should be masked", main.name()));
        }
        (!missing && !out.is_empty()).then(|| out.join("; "))
    }

    pub(super) fn evidence(&self, main: &UnitState, said: &journal::Said) -> String {
        let (enabled, running) = (self.enabled(), self.running());
        let troubled = self.troubled();
        let mut parts: Vec<String> = Vec::new();
        let subject = troubled.or(self.by_socket().filter(|_| self.runs().is_none())).unwrap_or(main);
        let id = subject.name();
        if let Some(u) = troubled {
            parts.push(trouble(u, self.broken_behind_socket(), said));
        } else {
            let state = match subject.active.as_str() {
                "offline" => "",
                "active" if subject.asked.ends_with(".socket") && main.name() != id => "listens for its service",
                "active" if !enabled => "is running now",
                "active" => "is running",
                "inactive" if subject.condition_failed || subject.masked() => "",
                "inactive" => "is stopped",
                other => &format!("is {other} ({})", subject.sub),
            };
            parts.push(state.to_owned());
        }
        let unmet = [Some(main), self.socket].into_iter().flatten().find(|u| u.condition_failed && !u.running());
        if let Some(u) = unmet.filter(|_| !running && troubled.is_none()) {
            parts.push(skipped(u));
        }
        if main.masked() || (subject.masked() && !running) {
            parts.push(barred(if main.masked() { main } else { subject }));
        } else if !enabled && running {
            parts.push("but is not enabled: it will not come up at boot".into());
        } else if !enabled {
            parts.push("is not enabled: it will not come up at boot".into());
        } else if main.offline() && unmet.is_none() {
            parts.push("is enabled".into());
        }
        parts.retain(|p| !p.is_empty());
        let mut text = format!("{id} {}", parts.join(", and ").replace(", and but ", ", but "));
        if let Some(name) = main.masked_aliases.first().filter(|_| !enabled) {
            text.push_str(&format!("; its other name {name} is masked"));
        }
        let reload = "; its files have changed since systemd read them";
        if [self.service, self.socket].into_iter().flatten().any(|u| u.needs_reload) && text.len() + reload.len() <= 100
        {
            text.push_str(reload);
        }
        text
    }

    pub(super) fn fields(&self, main: &UnitState) -> Map<String, Value> {
        let socket = self.socket;
        let both = || [self.service, socket].into_iter().flatten();
        let list = |of: fn(&UnitState) -> &Vec<String>| both().flat_map(of).cloned().collect::<Vec<_>>();
        let fields = json!({
            "unit": main.name(),
            "active": main.active,
            "load": main.load,
            "running": self.running(),
            "socket": self.listens().is_some(),
            "enabled": self.enabled(),
            "masked": main.masked(),
            "result": main.result,
            "exit": main.exit.parse::<u32>().ok().filter(|_| main.ended != 0),
            "restarts": main.restarts,
            "pid": main.pid,
            "since": main.since,
            "listen": socket.map(|k| k.listen.clone()).unwrap_or_default(),
            "socket_unit": socket.map_or("", UnitState::name),
            "socket_active": self.listens().is_some(),
            "socket_enabled": self.socket_enabled(),
            "socket_result": socket.map_or("", |k| &k.result),
            "drop_ins": list(|u| &u.drop_ins),
            "needs_reload": both().any(|u| u.needs_reload),
            "conditions_failed": list(|u| &u.conditions),
            "log": [],
            "maintenance": "",
        });
        match fields {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }
}

/// `ConditionPathExists=!/etc/ssh/sshd_not_to_be_run` and the like, in a person's words.
pub(super) fn skipped(u: &UnitState) -> String {
    let by = if u.init.is_empty() { "is skipped by systemd" } else { "is not started" };
    match u.conditions.first().map(|c| c.split_once('=').unwrap_or((c, ""))) {
        Some(("ConditionPathExists", what)) if what.starts_with('!') => {
            format!("{by} as long as {} exists", &what[1..])
        }
        Some(("ConditionPathExists", what)) => format!("{by} as long as there is no {what}"),
        Some((name, what)) => format!("{by}, since {name}={what} is not met"),
        None => format!("{by}, since a condition of the unit is not met"),
    }
}

/// Nothing can start it: a mask, or a script that may not be executed.
fn barred(u: &UnitState) -> String {
    let how = if u.init.is_empty() {
        "is masked".to_owned()
    } else {
        format!("has a script that may not be executed, {}", u.fragment)
    };
    format!("{how}, so that nothing can start it")
}

/// What happened to a unit that failed or ends again and again: systemd's word for it (systemd.exec(5), `$SERVICE_RESULT`;
/// systemd.socket(5)), and what the log adds.
pub(super) fn trouble(u: &UnitState, behind_socket: bool, said: &journal::Said) -> String {
    let at = |n: &str| match u.ended {
        2 | 3 => format!("signal {n}"),
        _ => format!("status {n}"),
    };
    let socket = u.asked.ends_with(".socket");
    let last = (u.prevents.contains(&u.exit) && u.ended == 1).then_some("after which systemd does not try again");
    let how = match u.result.as_str() {
        "start-limit-hit" => "it was started too often in a short time, so systemd refuses to try again".to_owned(),
        "oom-kill" => "it was killed because the memory ran out".into(),
        // What was killed may be a command of ExecStartPre=, whose status is not the unit's.
        "signal" if matches!(u.exit.as_str(), "" | "0") => "it was killed by a signal".into(),
        "signal" => format!("it was killed by {}", at(&u.exit)),
        "core-dump" => format!("it crashed with {}", at(&u.exit)),
        "watchdog" => "it was killed because it did not answer systemd in time".into(),
        "gone" => "its process is gone, and nobody stopped it".into(),
        "timeout" => "it was not ready in time, so systemd gave up".into(),
        "protocol" => "it ended before it said that it was ready".into(),
        "resources" if socket => "its port could not be opened".into(),
        "resources" => "systemd could not get what the unit needs to start".into(),
        "trigger-limit-hit" => "it was triggered too often in a short time, so systemd closed it".into(),
        "service-start-limit-hit" => "its service failed too often, so systemd closed it".into(),
        _ if !matches!(u.exit.as_str(), "" | "0") => format!("it ended with {}", at(&u.exit)),
        _ => String::new(),
    };
    let verb = if u.crashing() {
        "is started again and again, and ends each time"
    } else if behind_socket {
        "failed behind its socket"
    } else {
        "failed"
    };
    let how = match last {
        Some(last) if !how.is_empty() => format!("{how}, {last}"),
        _ => how,
    };
    // Where it did not end by itself, its own last words were about something else.
    let why = said.why.as_deref().filter(|_| said.sure || matches!(u.result.as_str(), "exit-code" | "start-limit-hit"));
    match (why, how.is_empty()) {
        // The log's words come first; systemd's only where they fit on the line too.
        // A port that could not be opened is what the log says, too.
        (Some(why), false) if !socket && u.name().len() + verb.len() + why.len() + how.len() <= 92 => {
            format!("{verb}: {why} ({})", how.trim_start_matches("it "))
        }
        (Some(why), _) if last.is_some() => format!("{verb}: {why} ({}, not tried again)", at(&u.exit)),
        (Some(why), _) => format!("{verb}: {why}"),
        (None, false) => format!("{verb}: {how}"),
        (None, true) => verb.to_owned(),
    }
}
