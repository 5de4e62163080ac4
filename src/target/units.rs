//! systemd units: asked once for all names, read as typed states; from links alone where nothing runs.

use crate::target::quote::sh_quote;

/// A unit, as `systemctl show` tells it (systemctl(1), org.freedesktop.systemd1(5)).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitState {
    /// The name that was asked for.
    pub asked: String,
    /// `Id`: the name it really has; an alias shows its target's.
    pub id: String,
    /// `LoadState`: loaded, not-found, masked, error, bad-setting.
    pub load: String,
    /// `ActiveState`: active, inactive, failed, activating …; `offline` on a disk that is not running.
    pub active: String,
    /// `SubState`: running, dead, listening …
    pub sub: String,
    /// `UnitFileState`: enabled, disabled, static, masked, alias, generated …
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

/// What can be done to a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// `systemctl unmask`
    Unmask,
    /// `systemctl mask`
    Mask,
    /// `systemctl enable`
    Enable,
    /// `systemctl disable`
    Disable,
    /// `systemctl reset-failed`
    ResetFailed,
    /// `systemctl start`
    Start,
    /// `systemctl stop`
    Stop,
    /// `systemctl restart`
    Restart,
    /// `systemctl reload`
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

/// The sh fragment that asks for the units of those names; `None` if a name cannot be a unit's.
#[must_use]
pub fn units_script(names: &[&str]) -> Option<String> {
    let quoted: Option<Vec<_>> = names.iter().map(|n| sh_quote(n)).collect();
    Some(format!("rb_units {}", quoted?.join(" ")))
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

/// `rb_units NAME…`: one `systemctl show` for all; where a mounted disk is looked at (`R`), the same keys from its
/// links and unit files (systemd.unit(5), UNIT FILE LOAD PATH). Conditions have no text in `show`: where one was not
/// met, `status` names it. `rb_wanted NAME`: some `.wants` directory has it. `rb_written NAME PATH`: what its files say.
/// `rb_barred NAME`: which `Alias=` of its unit file, that a mask of its own may hide, is a link to `/dev/null`.
///
/// `rb_verb VERB NAME`: does it; a unit whose files changed since systemd read them (this run may have edited them) is
/// started only after `daemon-reload`. A socket that hit its trigger limit waits out the two seconds for which that
/// counts, whatever is reset (systemd.socket(5), TriggerLimitIntervalSec=). On a mounted disk `systemctl --root`, else by
/// links as systemctl(1) makes them from the `[Install]` section: `Alias=` and `WantedBy=`.
pub const FUNCTIONS: &[(&str, &str)] = &[
    (
        "rb_wanted",
        r#"rb_wanted() { rb_real /etc/systemd/system; for rb_f in "$R$REPLY"/*.wants/"$1" "$R$REPLY"/*.requires/"$1"; do if [ -L "$rb_f" ] || [ -e "$rb_f" ]; then return 0; fi; done; return 1; }
"#,
    ),
    (
        "rb_unitfile",
        r#"rb_unitfile() { case $1 in */*) return 1;; esac; for rb_f in /etc/systemd/system /usr/local/lib/systemd/system /usr/lib/systemd/system /lib/systemd/system; do rb_real "$rb_f/$1" l; if [ -L "$R$REPLY" ] || [ -e "$R$REPLY" ]; then return 0; fi; done; REPLY=; return 1; }
"#,
    ),
    (
        "rb_barred",
        r#"rb_barred() { for rb_f in /etc /usr/local/lib /usr/lib /lib; do rb_real "$rb_f/systemd/system/$1"; [ -f "$R$REPLY" ] || continue
while read -r rb_x; do case $rb_x in Alias=*) for rb_k in ${rb_x#Alias=}; do case $rb_k in */*|"$1") continue;; esac
rb_real "/etc/systemd/system/$rb_k" l; if [ -L "$R$REPLY" ] && [ "$(readlink "$R$REPLY")" = /dev/null ]; then echo "Barred=$1 $rb_k"; fi; done;; esac; done <"$R$REPLY"; return 0; done; }
"#,
    ),
    (
        "rb_written",
        r#"rb_written() { (rb_u=$1; rb_real "$2"; echo "FragmentPath=$REPLY"; set -- "$R$REPLY"
for rb_f in /usr/lib/systemd/system /usr/local/lib/systemd/system /etc/systemd/system; do rb_real "$rb_f/$rb_u.d"; for rb_x in "$R$REPLY"/*.conf; do if [ -f "$rb_x" ]; then set -- "$@" "$rb_x"; fi; done; done
[ $# = 1 ] || { printf DropInPaths=; (shift; for rb_x; do printf '%s ' "${rb_x#"$R"}"; done); echo; }
sed -n -e 's/^ListenStream=/Listen=/p' -e 's/^Accept=[1ty].*/Accept=yes/p' "$@"
sed -n 's/^ConditionPathExists=//p' "$@" | while read -r rb_k; do rb_x=${rb_k#!}; case $rb_x in /etc/*|/usr/*|/var/*|/lib*|/boot/*) ;; *) continue;; esac
rb_real "$rb_x"; if [ -e "$R$REPLY" ]; then [ "$rb_x" = "$rb_k" ]; else [ "$rb_x" != "$rb_k" ]; fi || echo "Unmet=$rb_u ConditionPathExists=$rb_k"; done); }
"#,
    ),
    (
        "rb_units",
        r#"rb_units() {
if [ -z "$R" ]; then
command -v systemctl >/dev/null || { echo 'no systemctl' >&2; return 3; }
[ -d /run/systemd/system ] || { echo 'systemd does not run here' >&2; return 3; }
rb_o=$(systemctl show --no-pager -p Id,LoadState,ActiveState,SubState,UnitFileState,Result,ExecMainStatus,ExecMainCode,MainPID,StateChangeTimestamp,ConditionResult,ConditionTimestampMonotonic,TriggeredBy,Triggers,Listen,BindIPv6Only,Accept,FragmentPath,DropInPaths,NRestarts,RestartPreventExitStatus,NeedDaemonReload -- "$@") || return
printf '%s\n\n' "$rb_o" | sed -e '/=$/d'
case $rb_o in *"ConditionResult=no
ConditionTimestampMonotonic="[1-9]*) systemctl status --no-pager -n 0 -- "$@" 2>/dev/null | sed -n -e 's/^[^ ]\{1,3\} \([^ ]*\.[a-z]*\) - .*/\1/;t n' -e 's/^.* \([A-Z][A-Za-z]*=.*\) was not met$/\1/;t c' -e b -e :n -e h -e b -e :c -e 'G;s/\(.*\)\n\(.*\)/Unmet=\2 \1/p';; esac
else
for rb_u; do echo "Id=$rb_u"; echo ActiveState=offline
if rb_unitfile "$rb_u"; then rb_g=$REPLY
if [ "$(readlink "$R$rb_g")" = /dev/null ]; then echo LoadState=masked; echo UnitFileState=masked
else echo LoadState=loaded
if rb_wanted "$rb_u"; then echo UnitFileState=enabled
elif [ -L "$R$rb_g" ]; then echo UnitFileState=alias
elif grep -q '^\[Install\]' "$R$rb_g"; then echo UnitFileState=disabled
else echo UnitFileState=static; fi; rb_written "$rb_u" "$rb_g"; fi
else echo LoadState=not-found; fi
echo
done; fi
echo; for rb_u; do if rb_wanted "$rb_u"; then echo "Wanted=$rb_u"; fi; rb_barred "$rb_u"; done; }
"#,
    ),
    (
        "rb_verb",
        r#"rb_verb() {
if [ -z "$R" ]; then case $1 in daemon-reload) systemctl --no-pager daemon-reload; return;; unmask) systemctl --no-pager --runtime unmask -- "$2" 2>/dev/null;; start|restart) [ "$(systemctl show -p NeedDaemonReload --value -- "$2")" != yes ] || systemctl daemon-reload;; reset-failed) [ "$(systemctl show -p Result --value -- "$2")" != trigger-limit-hit ] || sleep 2;; esac; systemctl --no-pager "$1" -- "$2"; return; fi
rb_unitfile "$2" || { echo "no unit $2" >&2; return 1; }
rb_g=$REPLY; rb_real /etc/systemd/system; rb_e=$R$REPLY; rb_real "$rb_g"; rb_h=$R$REPLY
case $1 in
unmask) [ "$(readlink "$rb_e/$2")" != /dev/null ] || rm -f "$rb_e/$2";;
mask) ln -sfn /dev/null "$rb_e/$2";;
disable) rm -f "$rb_e"/*.wants/"$2" "$rb_e"/*.requires/"$2";;
enable) for rb_w in $(sed -n 's/^WantedBy=//p' "$rb_h"); do case $rb_w in */*) return 1;; esac
rb_real "/etc/systemd/system/$rb_w.wants"; mkdir -p "$R$REPLY" && ln -sfn "$rb_g" "$R$REPLY/$2" || return 1; done
for rb_w in $(sed -n 's/^Alias=//p' "$rb_h"); do case $rb_w in */*) return 1;; esac
ln -sfn "$rb_g" "$rb_e/$rb_w" || return 1; done;;
*) echo "cannot $1 a unit on a disk that is not running" >&2; return 1;;
esac; }
"#,
    ),
];

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
    fn unmasking_gives_back_what_the_mask_hid() {
        let mut u = UnitState { load: "masked".into(), enabled: "masked".into(), wanted: true, ..UnitState::default() };
        Verb::Unmask.apply(&mut u);
        assert!(u.enabled() && !u.masked());
    }
}
