//! `service`: runs, comes up at boot, is masked; restarted or reloaded.

mod pair;

use serde_json::{Map, Value};

pub(super) use pair::Pair;

use super::{Decision, Field, Halt, Module, Param, Params, Rule, Spec, Ty, journal};
use crate::plan::{Change, Resource, UnitChange, View};
use crate::target::units::{UnitState, Verb};

/// A service of the init system, whichever it is.
pub struct Service;

static SPEC: Spec = Spec {
    name: "service",
    summary: "A service runs, and comes up at boot: of systemd, SysV init, OpenRC, runit, or busybox's init. Knows that ssh and sshd are one service, and that a listening socket unit stands in for its service. What an init cannot tell is unknown.",
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
        Field {
            name: "unit",
            help: "the full name of the unit (of other inits than systemd: of the script or directory), empty if there is none",
        },
        Field { name: "active", help: "active, inactive, failed, activating, offline …" },
        Field { name: "load", help: "loaded, not-found, masked, bad-setting, error" },
        Field { name: "running", help: "whether it runs, or its socket listens" },
        Field { name: "socket", help: "whether a socket unit listens in its place" },
        Field { name: "enabled", help: "whether it comes up at boot" },
        Field { name: "masked", help: "whether it is masked" },
        Field { name: "result", help: "success, exit-code, start-limit-hit, oom-kill …" },
        Field { name: "exit", help: "the status, or the signal, that it last ended with; null if it never did" },
        Field { name: "restarts", help: "how often systemd started it again by itself" },
        Field { name: "pid", help: "its main process; 0 where there is none, or the init keeps no account of it" },
        Field { name: "since", help: "when it came to be so, as systemd writes it" },
        Field { name: "listen", help: "where its socket unit listens: a list such as 0.0.0.0:22" },
        Field { name: "socket_unit", help: "the name of its socket unit, empty if it has none" },
        Field { name: "socket_active", help: "whether the socket unit is active" },
        Field { name: "socket_enabled", help: "whether the socket unit comes up at boot" },
        Field { name: "socket_result", help: "success, trigger-limit-hit, service-start-limit-hit, resources …" },
        Field { name: "drop_ins", help: "files that change its units: a list of paths" },
        Field { name: "needs_reload", help: "its files have changed since systemd read them" },
        Field { name: "conditions_failed", help: "conditions for which systemd skipped its start: a list of text" },
        Field { name: "maintenance", help: "rescue or emergency, where the system stands in that mode; else empty" },
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
    fn rules(&self) -> &'static [Rule] {
        &[Rule::Not("restarted", &["reloaded"]), Rule::Not("masked", &["running", "enabled", "restarted", "reloaded"])]
    }
    fn lint(&self, p: &Map<String, Value>) -> Vec<(&'static str, String, String)> {
        let again = ["restarted", "reloaded"].into_iter().find(|k| p.get(*k) == Some(&Value::Bool(true)));
        let stopped = p.get("running") == Some(&Value::Bool(false));
        let clash = again
            .filter(|_| stopped)
            .map(|k| (k, format!("\"{k}\" and \"running: false\" exclude one another"), "keep one of them".to_owned()));
        clash.into_iter().collect()
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        let name = p.text("name");
        let names = candidates(name);
        let units = view.units(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
        let pair = Pair::of(&units);
        let Some(main) = pair.main() else {
            let mut d = Decision::new(false, format!("there is no service {name}"));
            d.fields = Pair::default().fields(&UnitState::default());
            return Ok(d);
        };
        pair.known(p)?;
        // It may still run, but it will not start again (systemctl(1), LoadState).
        let own = [format!("/etc/systemd/system/{}.d/**", main.name()), format!("/etc/systemd/system/{}", main.name())];
        let corrected = main.needs_reload || view.edits(&own.map(Resource::File));
        if matches!(main.load.as_str(), "bad-setting" | "error")
            && !corrected
            && (p.is("running") || p.is("enabled") || p.is("restarted"))
        {
            let files = if main.drop_ins.is_empty() { main.fragment.clone() } else { main.drop_ins.join(", ") };
            let why = format!("systemd cannot use {}, so it will not start again: look at {files}", main.name());
            let mut d = Decision::new(false, why);
            d.fields = pair.fields(main);
            return Ok(d);
        }
        let mut verbs = pair.verbs(p);
        // A start that systemd would skip again changes nothing.
        let blocked = (p.is("running") || p.is("restarted")) && !pair.running() && pair.barred(view)?;
        if blocked {
            verbs.retain(|(_, v)| matches!(v, Verb::Unmask | Verb::Mask | Verb::Enable | Verb::Disable));
        }
        let troubled = pair.troubled();
        let said = match troubled.filter(|u| !u.offline()) {
            Some(_) => journal::of(&pair.names(), view)?,
            None => journal::Said::default(),
        };
        let change = |(u, verb): (&UnitState, Verb)| {
            let before = format!("{}, {}", u.active, if u.masked() { "masked" } else { &u.enabled });
            Change::Unit(UnitChange { unit: u.name().to_owned(), verb, before, links: None })
        };
        // `enable` makes a link of every other name of the unit, and fails where one of them is masked.
        let names = verbs.iter().filter(|v| v.1 == Verb::Enable).flat_map(|(u, _)| &u.masked_aliases);
        let free = |name: &String| {
            let before = "masked".to_owned();
            Change::Unit(UnitChange { unit: name.clone(), verb: Verb::Unmask, before, links: None })
        };
        let changes = names.map(free).collect::<Vec<_>>().into_iter().chain(verbs.into_iter().map(change)).collect();
        let mut d = Decision::new(!blocked, pair.unwanted(p, main).unwrap_or_else(|| pair.evidence(main, &said)));
        d.fields = pair.fields(main);
        d.fields.insert("log".into(), said.last.into());
        let shell = units.iter().find(|u| SHELLS.contains(&u.asked.as_str()) && u.active == "active");
        let mode = shell.and_then(|u| u.asked.strip_suffix(".service")).unwrap_or_default();
        d.fields.insert("maintenance".into(), mode.into());
        Ok(d.changing(changes))
    }
}

/// The names that sshd's units go by: `ssh` on Debian, `sshd` elsewhere.
pub(super) const SSH: &[&str] =
    &["ssh.service", "sshd.service", "ssh.socket", "sshd.socket", "rescue.service", "emergency.service"];

/// The units whose shell stands for "the system did not come up" (systemd.special(7), rescue.target and
/// emergency.target).
const SHELLS: [&str; 2] = ["rescue.service", "emergency.service"];

/// The unit names that a service may go by.
pub(super) fn candidates(name: &str) -> Vec<String> {
    if name.ends_with(".socket") || name.ends_with(".timer") {
        return vec![name.to_owned()];
    }
    let stem = name.strip_suffix(".service").unwrap_or(name);
    if matches!(stem, "ssh" | "sshd") {
        return SSH.iter().map(|n| (*n).to_owned()).collect();
    }
    let units = [".service", ".socket"].map(|kind| format!("{stem}{kind}"));
    units.into_iter().chain(SHELLS.map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn unit(asked: &str, active: &str, enabled: &str, result: &str) -> UnitState {
        UnitState {
            asked: asked.into(),
            load: if enabled.starts_with("masked") { "masked".into() } else { "loaded".into() },
            active: active.into(),
            enabled: enabled.into(),
            result: result.into(),
            ..UnitState::default()
        }
    }

    fn ask(p: &Value, units: &[UnitState]) -> Vec<String> {
        let p = Params(p.as_object().cloned().unwrap());
        Pair::of(units).verbs(&p).into_iter().map(|(u, v)| format!("{} {}", v.word(), u.name())).collect()
    }

    fn said(units: &[UnitState], why: Option<&str>) -> String {
        let pair = Pair::of(units);
        pair.evidence(pair.main().unwrap(), &journal::Said { why: why.map(str::to_owned), sure: true, last: vec![] })
    }

    fn up() -> Value {
        json!({"name": "sshd", "running": true, "enabled": true})
    }

    #[test]
    fn each_fault_its_verbs_in_order() {
        let s = |active, enabled, result| [unit("ssh.service", active, enabled, result)];
        let none: [&str; 0] = [];
        assert_eq!(ask(&up(), &s("active", "enabled", "success")), none);
        assert_eq!(ask(&up(), &s("inactive", "disabled", "success")), ["enable ssh.service", "start ssh.service"]);
        for mask in ["masked", "masked-runtime"] {
            assert_eq!(
                ask(&up(), &s("inactive", mask, "success")),
                ["unmask ssh.service", "enable ssh.service", "start ssh.service"]
            );
        }
        assert_eq!(
            ask(&up(), &s("failed", "enabled", "start-limit-hit")),
            ["reset-failed ssh.service", "start ssh.service"]
        );
        assert_eq!(ask(&up(), &s("offline", "disabled", "")), ["enable ssh.service"]);
        assert_eq!(ask(&json!({"name": "x", "reloaded": true}), &s("inactive", "enabled", "")), none);
        let mut stale = s("active", "enabled", "success");
        stale[0].needs_reload = true;
        assert_eq!(
            ask(&json!({"name": "x", "restarted": true}), &stale),
            ["daemon-reload ssh.service", "restart ssh.service"]
        );
    }

    #[test]
    fn a_crash_loop_is_no_running_service() {
        let mut u = [unit("ssh.service", "activating", "enabled", "exit-code")];
        u[0].sub = "auto-restart".into();
        assert_eq!(ask(&up(), &u), ["reset-failed ssh.service", "start ssh.service"]);
        assert_eq!(said(&u, None), "ssh.service is started again and again, and ends each time");
        u[0].sub = "start".into();
        assert!(Pair::of(&u).running());
        u[0].restarts = 3;
        assert!(!Pair::of(&u).running());
    }

    #[test]
    fn what_comes_up_by_its_socket_is_started_by_it() {
        let pair = |s: (&str, &str, &str), k: (&str, &str, &str)| {
            [unit("ssh.service", s.0, s.1, s.2), unit("ssh.socket", k.0, k.1, k.2)]
        };
        let none: [&str; 0] = [];
        // Ubuntu from 22.10 on, in its rest state and after the first client.
        assert_eq!(ask(&up(), &pair(("inactive", "disabled", "success"), ("active", "enabled", "success"))), none);
        assert_eq!(ask(&up(), &pair(("active", "disabled", "success"), ("active", "enabled", "success"))), none);
        // Stopped.
        let stopped = pair(("inactive", "disabled", "success"), ("inactive", "enabled", "success"));
        assert_eq!(ask(&up(), &stopped), ["daemon-reload ssh.socket", "start ssh.socket"]);
        assert_eq!(said(&stopped, None), "ssh.socket is stopped");
        // Its limits.
        for result in ["trigger-limit-hit", "service-start-limit-hit", "resources"] {
            assert_eq!(
                ask(&up(), &pair(("failed", "disabled", "start-limit-hit"), ("failed", "enabled", result))),
                ["daemon-reload ssh.socket", "reset-failed ssh.service", "reset-failed ssh.socket", "start ssh.socket"]
            );
        }
        // The service is what comes up: the socket is left alone, whatever state it is in.
        assert_eq!(
            ask(&up(), &pair(("inactive", "enabled", "success"), ("failed", "disabled", "resources"))),
            ["start ssh.service"]
        );
        // A masked service makes the socket refuse to start.
        assert_eq!(
            ask(&up(), &pair(("inactive", "masked", "success"), ("failed", "enabled", "resources"))),
            ["unmask ssh.service", "daemon-reload ssh.socket", "reset-failed ssh.socket", "start ssh.socket"]
        );
        // Both run, and neither was made to come up at boot: the socket is, since it listens.
        assert_eq!(
            ask(&up(), &pair(("inactive", "disabled", ""), ("active", "disabled", "success"))),
            ["enable ssh.socket"]
        );
        // The socket listens, but who connects is cut off.
        let behind = pair(("failed", "disabled", "exit-code"), ("active", "enabled", "success"));
        assert_eq!(ask(&up(), &behind), ["reset-failed ssh.service", "start ssh.service"]);
        assert_eq!(said(&behind, None), "ssh.service failed behind its socket");
        assert_eq!(
            ask(&json!({"name": "ssh", "running": false, "enabled": false}), &behind),
            ["disable ssh.socket", "stop ssh.socket"]
        );
    }

    #[test]
    fn a_restart_goes_to_what_listens() {
        let restart = json!({"name": "ssh", "restarted": true});
        let mut u =
            [unit("ssh.service", "active", "disabled", "success"), unit("ssh.socket", "active", "enabled", "success")];
        assert_eq!(
            ask(&restart, &u),
            ["daemon-reload ssh.socket", "stop ssh.service", "restart ssh.socket", "start ssh.service"]
        );
        u[0].active = "inactive".into();
        assert_eq!(ask(&restart, &u), ["daemon-reload ssh.socket", "restart ssh.socket"]);
        // A process a connection (Fedora, Arch): nothing stands in the way.
        u[0].active = "active".into();
        u[1].accept = true;
        assert_eq!(ask(&restart, &u), ["daemon-reload ssh.socket", "restart ssh.socket", "restart ssh.service"]);
        u[1].active = "inactive".into();
        u[1].enabled = "disabled".into();
        assert_eq!(ask(&restart, &u), ["restart ssh.service"]);
    }

    #[test]
    fn what_should_be_off_and_is_not() {
        let off = |p: Value, units: &[UnitState]| {
            let pair = Pair::of(units);
            pair.unwanted(&Params(p.as_object().cloned().unwrap()), pair.main().unwrap())
        };
        let app = [unit("app.service", "active", "disabled", "success")];
        let p = json!({"name": "app", "running": false, "enabled": false});
        assert_eq!(off(p.clone(), &app).unwrap(), "app.service is running, should be stopped");
        let app = [unit("app.service", "active", "enabled", "success")];
        let both = "app.service is running, should be stopped; app.service comes up at boot, should not";
        assert_eq!(off(p.clone(), &app).unwrap(), both);
        assert_eq!(off(p, &[unit("app.service", "inactive", "disabled", "success")]), None);
        let masked = json!({"name": "app", "masked": true});
        assert_eq!(off(masked, &app).unwrap(), "app.service can be started, should be masked");
    }

    #[test]
    fn results_in_a_persons_words() {
        let failed = |result: &str, exit: &str, ended: u8| {
            let u = unit("ssh.service", "failed", "enabled", result);
            [UnitState { exit: exit.into(), ended, prevents: vec!["255".into()], ..u }]
        };
        assert_eq!(
            said(&failed("exit-code", "255", 1), None),
            "ssh.service failed: it ended with status 255, after which systemd does not try again"
        );
        assert_eq!(
            said(&failed("exit-code", "255", 1), Some("port 22 is taken by something else")),
            "ssh.service failed: port 22 is taken by something else (status 255, not tried again)"
        );
        assert_eq!(
            said(&failed("exit-code", "1", 1), Some("it has no host key that it can use")),
            "ssh.service failed: it has no host key that it can use (ended with status 1)"
        );
        assert_eq!(said(&failed("signal", "9", 2), None), "ssh.service failed: it was killed by signal 9");
        assert_eq!(
            said(&failed("oom-kill", "9", 2), None),
            "ssh.service failed: it was killed because the memory ran out"
        );
        let mut skipped = [unit("ssh.service", "inactive", "enabled", "success")];
        skipped[0].condition_failed = true;
        skipped[0].conditions = vec!["ConditionPathExists=!/etc/ssh/sshd_not_to_be_run".into()];
        assert_eq!(
            said(&skipped, None),
            "ssh.service is skipped by systemd as long as /etc/ssh/sshd_not_to_be_run exists"
        );
        assert_eq!(
            said(&[unit("ssh.service", "inactive", "masked", "")], None),
            "ssh.service is masked, so that nothing can start it"
        );
        assert_eq!(
            said(&[unit("ssh.service", "offline", "disabled", "")], None),
            "ssh.service is not enabled: it will not come up at boot"
        );
        assert_eq!(
            said(&[unit("ssh.service", "active", "disabled", "")], None),
            "ssh.service is running now, but is not enabled: it will not come up at boot"
        );
    }

    /// Debian 12 with `/etc/ssh/sshd_not_to_be_run`, as a host of the lab answered.
    const SKIPPED: &str = "RestartPreventExitStatus=255\nMainPID=0\nResult=success\nNRestarts=0\nExecMainCode=1\nExecMainStatus=0\n\
        ExecStart={ path=/usr/sbin/sshd ; argv[]=/usr/sbin/sshd -D $SSHD_OPTS\nEnvironmentFiles=/etc/default/ssh (ignore_errors=yes)\n\
        Id=ssh.service\nLoadState=loaded\nActiveState=inactive\nSubState=dead\nFragmentPath=/lib/systemd/system/ssh.service\n\
        UnitFileState=enabled\nStateChangeTimestamp=Mon 2026-11-23 05:58:02 UTC\nNeedDaemonReload=no\nConditionResult=no\n\
        ConditionTimestampMonotonic=1034921007\n\nId=sshd.service\nLoadState=not-found\n\n\
        Accept=no\nListen=0.0.0.0:22 (Stream)\nListen=[::]:22 (Stream)\nResult=success\nId=ssh.socket\nLoadState=loaded\n\
        ActiveState=inactive\nSubState=dead\nUnitFileState=disabled\nDropInPaths=/etc/systemd/system/ssh.socket.d/a.conf\n\
        ConditionResult=no\nConditionTimestampMonotonic=0\n\nId=sshd.socket\nLoadState=not-found\n\n\
        Unmet=ssh.service ConditionPathExists=!/etc/ssh/sshd_not_to_be_run\nWanted=ssh.service\n";

    #[test]
    fn what_systemd_would_skip_again_is_not_started() {
        use super::super::canned::Canned;
        let host = |there: &'static str| {
            Canned::new(move |sh| if sh.starts_with("rb_units") { (0, SKIPPED.into()) } else { (0, there.into()) })
        };
        let barred = host("regular file|644|0|0|root|root|1|w\n/etc/ssh/sshd_not_to_be_run\n");
        let d = barred.decide(&Service, &up()).unwrap();
        assert!(!d.ok && d.changes.is_empty());
        let f = |name: &str| d.fields[name].clone();
        assert_eq!(f("conditions_failed"), json!(["ConditionPathExists=!/etc/ssh/sshd_not_to_be_run"]));
        assert_eq!(f("listen"), json!(["0.0.0.0:22", "[::]:22"]));
        assert_eq!((f("socket_unit"), f("socket_active")), (json!("ssh.socket"), json!(false)));
        assert_eq!(f("drop_ins"), json!(["/etc/systemd/system/ssh.socket.d/a.conf"]));
        assert_eq!((f("exit"), f("restarts"), f("needs_reload")), (json!(0), json!(0), json!(false)));
        let free = host("absent|w\n/etc/ssh/sshd_not_to_be_run\n");
        assert_eq!(free.titles(&Service, &up()), ["start ssh.service"]);
    }

    /// Debian 12 after `systemctl disable --now ssh; ln -s /dev/null /etc/systemd/system/sshd.service`.
    const ALIAS: &str = "Id=ssh.service\nLoadState=loaded\nActiveState=inactive\nSubState=dead\nUnitFileState=disabled\n\n\
        Id=sshd.service\nLoadState=masked\nActiveState=inactive\nUnitFileState=masked\n\n\
        Id=ssh.socket\nLoadState=loaded\nActiveState=inactive\nUnitFileState=disabled\n\n\
        Id=sshd.socket\nLoadState=not-found\n\nBarred=ssh.service sshd.service\n";

    #[test]
    fn another_name_of_it_that_is_masked_is_in_the_way_of_enable() {
        use super::super::canned::Canned;
        let host = |out: String| Canned::new(move |_| (0, out.clone()));
        let alias = host(ALIAS.into());
        assert_eq!(
            alias.titles(&Service, &up()),
            ["unmask sshd.service: it may be started again", "enable ssh.service", "start ssh.service"]
        );
        let d = alias.decide(&Service, &up()).unwrap();
        let said = "ssh.service is stopped, and is not enabled: it will not come up at boot; its other name sshd.service is masked";
        assert_eq!(d.evidence, said);
        // In nobody's way: left alone.
        assert_eq!(alias.titles(&Service, &json!({"name": "ssh", "running": true})), ["start ssh.service"]);
        let enabled = host(ALIAS.replacen("UnitFileState=disabled", "UnitFileState=enabled", 1));
        assert_eq!(enabled.titles(&Service, &up()), ["start ssh.service"]);
        // The unit is masked itself, and was not enabled before.
        let both = host(ALIAS.replacen("loaded", "masked", 1).replacen("disabled", "masked", 1));
        let all = [
            "unmask sshd.service: it may be started again",
            "unmask ssh.service: it may be started again",
            "enable ssh.service",
            "start ssh.service",
        ];
        assert_eq!(both.titles(&Service, &up()), all);
    }

    #[test]
    fn the_fields_of_the_docs_are_those_of_the_answer() {
        let u = [unit("ssh.service", "active", "enabled", "success")];
        let have: std::collections::BTreeSet<String> = Pair::of(&u).fields(&u[0]).keys().cloned().collect();
        assert_eq!(have, SPEC.fields.iter().map(|f| f.name.to_owned()).collect());
    }
}
