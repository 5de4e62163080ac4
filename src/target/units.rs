//! Services of any init system as typed states, in the words of systemd, which has the most of them: asked once for all
//! names. What each init is asked is in [`super::inits`].

use crate::payload::sh_quote;
use crate::target::inits::Init;

/// A unit, as `systemctl show` tells it (systemctl(1), org.freedesktop.systemd1(5)). Another init's service has the same
/// fields: a name without `.service`, and of the states only those that its init knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitState {
    /// The name that was asked for.
    pub asked: String,
    /// `Init`: what manages it where that is not systemd, as [`super::inits`] names it; else empty.
    pub init: String,
    /// `Unknown`: why part of its state cannot be told; else empty.
    pub unknown: String,
    /// `Id`: the name it really has; an alias shows its target's.
    pub id: String,
    /// `LoadState`: loaded, not-found, masked, error, bad-setting.
    pub load: String,
    /// `ActiveState`: active, inactive, failed, activating …; `offline` on a disk that is not running; `unknown`.
    pub active: String,
    /// `SubState`: running, dead, listening …
    pub sub: String,
    /// `UnitFileState`: enabled, disabled, static, masked, alias, generated …; `unknown`.
    pub enabled: String,
    /// `Result`: success, exit-code, start-limit-hit …
    pub result: String,
    /// `ExecMainStatus`: the status it ended with, or the signal that ended it.
    pub exit: String,
    /// `ExecMainCode`: 1 it ended by itself, 2 by a signal, 3 with a core dump (`CLD_EXITED` …, waitid(2)).
    pub ended: u8,
    /// `MainPID`, 0 if none.
    pub pid: u32,
    /// `StateChangeTimestamp`, as systemd prints it.
    pub since: String,
    /// `ConditionResult` is no: systemd skipped the start (`ConditionPathExists=` and the like).
    pub condition_failed: bool,
    /// The conditions that were not met, as `systemctl status` writes them: `ConditionPathExists=!/etc/ssh/…`.
    pub conditions: Vec<String>,
    /// `TriggeredBy`: its socket or timer.
    pub triggered_by: Vec<String>,
    /// `Triggers`: what a socket starts.
    pub triggers: Vec<String>,
    /// `Listen` of a socket: `0.0.0.0:22`, `[::]:22`, `/run/x.sock`.
    pub listen: Vec<String>,
    /// `BindIPv6Only` of a socket: default, both, ipv6-only.
    pub bind_v6: String,
    /// `Accept` of a socket: a process a connection (`sshd@.service`), not one service for all.
    pub accept: bool,
    /// `FragmentPath`: its unit file.
    pub fragment: String,
    /// `DropInPaths`.
    pub drop_ins: Vec<String>,
    /// `NRestarts`: how often systemd started it again by itself.
    pub restarts: u32,
    /// `RestartPreventExitStatus`: after these systemd does not try again.
    pub prevents: Vec<String>,
    /// `NeedDaemonReload`: its files have changed since systemd read them.
    pub needs_reload: bool,
    /// Some target wants it: a link in a `.wants` directory, which a mask hides from `UnitFileState`.
    pub wanted: bool,
    /// Other names that `enable` would give it (`Alias=`), and that are masked: `enable` fails on them.
    pub masked_aliases: Vec<String>,
}

impl UnitState {
    /// It is there, if perhaps masked.
    #[must_use]
    pub fn exists(&self) -> bool {
        !matches!(self.load.as_str(), "not-found" | "")
    }
    /// It is masked.
    #[must_use]
    pub fn masked(&self) -> bool {
        self.load == "masked" || self.enabled.starts_with("masked")
    }
    /// It runs, or is about to; not while it waits to be started again after a crash.
    #[must_use]
    pub fn running(&self) -> bool {
        matches!(self.active.as_str(), "active" | "activating" | "reloading") && !self.crashing()
    }
    /// It ends each time that systemd starts it: between two tries (`auto-restart`, `auto-restart-queued`), or at one.
    #[must_use]
    pub fn crashing(&self) -> bool {
        self.active == "activating" && (self.sub.starts_with("auto-restart") || self.restarts > 0)
    }
    /// Its init must forget that it failed before it can be started: systemd's start limit, OpenRC's "already started".
    #[must_use]
    pub fn stuck(&self) -> bool {
        matches!(self.init.as_str(), "" | "openrc") && (self.active == "failed" || self.crashing())
    }
    /// Some target starts it at boot, whatever a mask makes of that.
    #[must_use]
    pub fn wants_boot(&self) -> bool {
        self.wanted || (self.enabled() && self.enabled != "static")
    }
    /// The name to speak of it.
    #[must_use]
    pub fn name(&self) -> &str {
        if self.id.is_empty() { &self.asked } else { &self.id }
    }
    /// It comes up at boot by itself.
    #[must_use]
    pub fn enabled(&self) -> bool {
        matches!(self.enabled.as_str(), "enabled" | "static" | "alias" | "indirect" | "generated")
            || (self.enabled == "linked" && self.wanted)
    }
    /// It stands on a disk that is not running.
    #[must_use]
    pub fn offline(&self) -> bool {
        self.active == "offline"
    }
}

/// Units that a connection depends on, without `.service` or `.socket`.
const CONNECTING: &[&str] = &[
    "ssh",
    "sshd",
    "networking",
    "network",
    "NetworkManager",
    "systemd-networkd",
    "systemd-resolved",
    "nftables",
    "iptables",
    "ip6tables",
    "netfilter-persistent",
    "ufw",
    "firewalld",
    "fail2ban",
];

/// Whether a connection depends on a unit, whatever its kind and instance.
#[must_use]
pub fn connects(unit: &str) -> bool {
    let stem = unit.rsplit_once('.').map_or(unit, |(stem, _)| stem);
    let stem = stem.split_once('@').map_or(stem, |(template, _)| template);
    CONNECTING.contains(&stem)
}

/// What can be done to a unit, by systemctl's names for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Nothing forbids it to start any more
    Unmask,
    /// Nothing can start it
    Mask,
    /// It comes up at boot
    Enable,
    /// It does not
    Disable,
    /// Its init forgets that it failed
    ResetFailed,
    /// It runs
    Start,
    /// It does not
    Stop,
    /// Its processes are new
    Restart,
    /// It reads its files anew
    Reload,
    /// `systemctl daemon-reload`: systemd reads all unit files, and runs all generators, anew
    DaemonReload,
}

impl Verb {
    /// The word that systemctl takes.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Verb::Unmask => "unmask",
            Verb::Mask => "mask",
            Verb::Enable => "enable",
            Verb::Disable => "disable",
            Verb::ResetFailed => "reset-failed",
            Verb::Start => "start",
            Verb::Stop => "stop",
            Verb::Restart => "restart",
            Verb::Reload => "reload",
            Verb::DaemonReload => "daemon-reload",
        }
    }
    /// The verb of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Verb> {
        use Verb::{DaemonReload, Disable, Enable, Mask, Reload, ResetFailed, Restart, Start, Stop, Unmask};
        [Unmask, Mask, Enable, Disable, ResetFailed, Start, Stop, Restart, Reload, DaemonReload]
            .into_iter()
            .find(|v| v.word() == word)
    }
    /// Whether the service's processes are new after it.
    #[must_use]
    pub fn starts(self) -> bool {
        matches!(self, Verb::Start | Verb::Restart)
    }
    /// Whether it makes and removes links, by which an init knows what comes up at boot and what must not start.
    #[must_use]
    pub fn links(self) -> bool {
        matches!(self, Verb::Unmask | Verb::Mask | Verb::Enable | Verb::Disable)
    }
    /// What takes it back: that of a start is a stop.
    #[must_use]
    pub fn undo(self) -> Option<Verb> {
        Some(match self {
            Verb::Unmask => Verb::Mask,
            Verb::Mask => Verb::Unmask,
            Verb::Enable => Verb::Disable,
            Verb::Disable => Verb::Enable,
            Verb::Start => Verb::Stop,
            Verb::Stop => Verb::Start,
            Verb::ResetFailed | Verb::Restart | Verb::Reload | Verb::DaemonReload => return None,
        })
    }
    /// What the unit is like afterwards.
    pub fn apply(self, u: &mut UnitState) {
        let set = |s: &mut String, v: &str| v.clone_into(s);
        match self {
            Verb::Unmask => {
                set(&mut u.load, "loaded");
                set(&mut u.enabled, if u.wanted { "enabled" } else { "disabled" });
            }
            Verb::Mask => {
                set(&mut u.load, "masked");
                set(&mut u.enabled, "masked");
            }
            Verb::Enable => {
                u.wanted = true;
                set(&mut u.enabled, "enabled");
            }
            Verb::Disable => {
                u.wanted = false;
                set(&mut u.enabled, "disabled");
            }
            Verb::ResetFailed | Verb::Stop => {
                set(&mut u.active, "inactive");
                set(&mut u.sub, "dead");
                set(&mut u.result, "success");
            }
            Verb::DaemonReload => u.needs_reload = false,
            Verb::Start | Verb::Restart | Verb::Reload => {
                set(&mut u.active, "active");
                set(&mut u.sub, "running");
                set(&mut u.result, "success");
            }
        }
    }
}

/// The sh fragment that asks that init for the units of those names; `None` if a name cannot be a unit's.
#[must_use]
pub fn units_script(init: &Init, names: &[&str]) -> Option<String> {
    let quoted: Option<Vec<_>> = names.iter().map(|n| sh_quote(n)).collect();
    Some(format!("{} {}", init.units, quoted?.join(" ")))
}

/// Blocks of `Key=value`, one a name, parted by blank lines, in the order asked; then a line `Wanted=NAME` for every
/// name that some target wants, `Unmet=NAME CONDITION`, and `Barred=NAME ALIAS` for an `Alias=` of its that is masked.
#[must_use]
pub fn parse_units(names: &[&str], out: &str) -> Vec<UnitState> {
    let mut blocks = out.split("\n\n").map(str::trim).filter(|b| !b.is_empty());
    let wanted: Vec<&str> = out.lines().filter_map(|l| l.strip_prefix("Wanted=")).collect();
    names
        .iter()
        .map(|asked| {
            let mut u =
                UnitState { asked: (*asked).to_owned(), wanted: wanted.contains(asked), ..UnitState::default() };
            let words = |v: &str| v.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            for (key, value) in blocks.next().unwrap_or_default().lines().filter_map(|l| l.split_once('=')) {
                let value = value.to_owned();
                match key {
                    "Id" => u.id = value,
                    "Init" => u.init = value,
                    "Unknown" => u.unknown = value,
                    "LoadState" => u.load = value,
                    "ActiveState" => u.active = value,
                    "SubState" => u.sub = value,
                    "UnitFileState" => u.enabled = value,
                    "Result" => u.result = value,
                    "ExecMainStatus" => u.exit = value,
                    "ExecMainCode" => u.ended = value.parse().unwrap_or(0),
                    "Triggers" => u.triggers = words(&value),
                    // An empty one takes back those before it; a port alone is that of every address (systemd.socket(5)).
                    "Listen" => match value.split(" (").next().unwrap_or_default() {
                        "" => u.listen.clear(),
                        port if port.bytes().all(|b| b.is_ascii_digit()) => u.listen.push(format!("[::]:{port}")),
                        at => u.listen.push(at.to_owned()),
                    },
                    "BindIPv6Only" => u.bind_v6 = value,
                    "Accept" => u.accept = value == "yes",
                    "FragmentPath" => u.fragment = value,
                    "DropInPaths" => u.drop_ins = words(&value),
                    "NRestarts" => u.restarts = value.parse().unwrap_or(0),
                    "RestartPreventExitStatus" => u.prevents = words(&value),
                    "NeedDaemonReload" => u.needs_reload = value == "yes",
                    "MainPID" => u.pid = value.parse().unwrap_or(0),
                    "StateChangeTimestamp" => u.since = value,
                    "ConditionResult" => u.condition_failed = value == "no",
                    // "no" is also what systemd says of a condition that it never had to test.
                    "ConditionTimestampMonotonic" => u.condition_failed &= value != "0",
                    "TriggeredBy" => u.triggered_by = words(&value),
                    _ => {}
                }
            }
            let name = u.name().to_owned();
            let unmet = out.lines().filter_map(|l| l.strip_prefix("Unmet=")?.split_once(' '));
            u.conditions = unmet.filter(|(of, _)| *of == name).map(|(_, c)| c.to_owned()).collect();
            u.conditions.dedup();
            let aliases = out.lines().filter_map(|l| l.strip_prefix("Barred=")?.split_once(' '));
            u.masked_aliases = aliases.filter(|(of, _)| *of == name).map(|(_, a)| a.to_owned()).collect();
            u.masked_aliases.dedup();
            u.condition_failed |= !u.conditions.is_empty();
            u
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_keep_the_order_asked() {
        let out = "Id=ssh.service\nLoadState=loaded\nActiveState=failed\nResult=start-limit-hit\nMainPID=0\n\n\
                   Id=sshd.service\nLoadState=not-found\n\nWanted=ssh.service\n";
        let u = parse_units(&["ssh.service", "sshd.service"], out);
        assert_eq!((u[0].result.as_str(), u[0].wanted, u[0].exists()), ("start-limit-hit", true, true));
        assert!(!u[1].exists());
    }

    #[test]
    fn another_inits_service_has_the_same_fields() {
        let out = "Id=ssh\nInit=sysvinit\nLoadState=loaded\nUnitFileState=enabled\nWanted=ssh.service\nActiveState=unknown\n\
                   Unknown=its script has no \"status\"\nUnmet=ssh ConditionPathExists=!/etc/ssh/sshd_not_to_be_run\n\n\
                   Id=sshd\nInit=sysvinit\nLoadState=not-found\n\nLoadState=not-found\n\n";
        let u = parse_units(&["ssh.service", "sshd.service", "ssh.socket"], out);
        assert_eq!((u[0].name(), u[0].init.as_str(), u[0].wanted), ("ssh", "sysvinit", true));
        assert_eq!(u[0].unknown, "its script has no \"status\"");
        assert_eq!(u[0].conditions, ["ConditionPathExists=!/etc/ssh/sshd_not_to_be_run"]);
        assert!(u[0].condition_failed && !u[1].exists() && !u[2].exists());
    }

    #[test]
    fn what_is_undone_twice_is_done() {
        let all = ["unmask", "mask", "enable", "disable", "reset-failed", "start", "stop", "restart", "reload"];
        for verb in all.map(|w| Verb::parse(w).unwrap()) {
            assert!(verb.undo().is_none_or(|u| u.undo() == Some(verb)));
        }
    }

    #[test]
    fn unmasking_gives_back_what_the_mask_hid() {
        let mut u = UnitState { load: "masked".into(), enabled: "masked".into(), wanted: true, ..UnitState::default() };
        Verb::Unmask.apply(&mut u);
        assert!(u.enabled() && !u.masked());
    }
}
