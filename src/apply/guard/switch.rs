//! The dead-man switch on the target: one sh script (`switch.sh`, and what is written from a round's plan before its first
//! change). It waits in a process of its own and takes the round back, unless that is confirmed in time; a boot in between does
//! the same.
//!
//! A second process waits beside it, outside of the unit that systemd has for the first, and takes over where that is gone for
//! good. Both have the directory open, so that a mount over it hides nothing from them.
//!
//! In `$S/guard`, while a round is under way: `run` (its id, a token of this switch alone, [`super::Session::mark`]), `switch` (the script), `up` (its process), `until` (seconds of
//! /proc/uptime, which no change of the clock moves), `units` (which of them ran), `begun` and `taken` (numbers of changes), and one of
//!
//! * `armed`: it takes everything back once the time is up
//! * `busy`: a change is being made by the process in `acting`, which is let finish; with `watched`, only while somebody says
//!   that he is there, else it is ended
//! * `fired`: it is at work
//! * `confirmed`: it has nothing to do any more
//!
//! Each becomes another by rename(2), so that of two who want different things one has its way, and the other learns it.

use std::fmt::Write as _;
use std::time::Duration;

use crate::apply::risk::{changed_units, changes_network, changes_rules, is_reversible};
use crate::payload::{sh_quote, text_payload};
use crate::plan::{Change, CommandChange, Flag, Plan, Planned};
use crate::target::connectivity::reversal;
use crate::target::files::{Content, Kind, cksum, sha256};
use crate::target::{squeeze, units::Verb};

/// What was to be made was taken back by the switch, or confirmed, before.
pub const OVER: i32 = 98;
/// The switch's process is gone.
pub const GONE: i32 = 99;

/// What the scripts share; `S` is where runs are recorded, `RUN` the run's id.
///
/// * `rb_until SECONDS`: that long from now.
/// * `rb_guarded SECONDS` before a change, `rb_unguarded SECONDS` after it: the switch waits meanwhile.
/// * `rb_begun NUMBER…` is on disk before the change is begun.
/// * `rb_arm SECONDS TOKEN MARK` starts the switch, whose text is its input, and waits until it is there; prints what protects a boot.
/// * `rb_rules` keeps whole rule sets, for the case that one rule cannot be taken back; `rb_rules_back`.
/// * `rb_network` keeps addresses, routes, rules of routing and which links are up; `rb_network_back` restores them, and fails
///   where one is not there again.
/// * `rb_guard` sets `G`; where something is mounted over it, by way of the process that has it open.
/// * `rb_renew SECONDS` says, while a change is being made, that somebody is there.
/// * `rb_up FILE`: the switch's process runs, by the number in that file. It ends by itself, within a second, where there is nothing to take back any more.
/// * `rb_confirm`, `rb_fire WHY`, `rb_state_of_guard` are answered by [`State`]'s words.
pub const FUNCTIONS: &[(&str, &str)] = &[
    (
        "rb_until",
        r#"rb_until() { read -r rb_u _ </proc/uptime; echo $((${rb_u%.*}+$1)) >"$G/until.new" && mv -f "$G/until.new" "$G/until"; }
"#,
    ),
    (
        "rb_up",
        r#"rb_up() { rb_p=; read -r rb_p 2>/dev/null <"$1" && tr '\000' ' ' 2>/dev/null <"/proc/$rb_p/cmdline" | grep -qF "/guard/switch"; }
"#,
    ),
    (
        "rb_guard",
        r#"rb_guard() { rb_state; G=$S/guard; rb_g=; read -r rb_g _ 2>/dev/null <"$G/run"; [ "$rb_g" != "$RUN" ] || return 0; rb_where
{ read -r rb_g rb_p <"$L/guard" && [ "$rb_g" = "$RUN" ] && read -r rb_g _ <"/proc/$rb_p/fd/9/run" && [ "$rb_g" = "$RUN" ]; } 2>/dev/null || return 1; S=/proc/$rb_p/fd/8 G=/proc/$rb_p/fd/9; rb_state() { :; }; }
"#,
    ),
    (
        "rb_guarded",
        r#"rb_guarded() { rb_guard || exit 98
rb_n=0; until rb_up "$G/up"; do rb_n=$((rb_n+1)); [ $rb_n -lt 7 ] || exit 99; sleep 1; done
rb_until "$1" || exit 93; [ ! -e "$G/busy" ] || mv "$G/busy" "$G/armed" 2>/dev/null
if [ -n "$2" ]; then true >"$G/watched"; else rm -f "$G/watched"; fi
echo $$ >"$G/acting" && mv "$G/armed" "$G/busy" 2>/dev/null || exit 98; }
"#,
    ),
    (
        "rb_renew",
        r#"rb_renew() { rb_guard && [ -e "$G/busy" ] && rb_until "$1"; }
"#,
    ),
    (
        "rb_unguarded",
        r#"rb_unguarded() { [ -e "$G/run" ] || rb_guard || return 0; rb_until "$1"; mv "$G/busy" "$G/armed"; }
"#,
    ),
    (
        "rb_begun",
        r#"rb_begun() { for rb_b; do echo "$rb_b"; done >>"$G/begun" || exit 93; sync "$G/begun" 2>/dev/null || sync; }
"#,
    ),
    (
        "rb_rules",
        r#"rb_rules() { mkdir "$G/rules" || return; for rb_c in iptables ip6tables; do for rb_b in $rb_c-nft $rb_c-legacy; do if command -v $rb_b-save >/dev/null && command -v $rb_b-restore >/dev/null; then $rb_b-save >"$G/rules/$rb_b" 2>/dev/null; fi; done
if ! command -v $rb_c-nft-save >/dev/null && command -v $rb_c-save >/dev/null; then $rb_c-save >"$G/rules/$rb_c"; fi; done
command -v nft >/dev/null && nft list tables >"$G/tables" 2>/dev/null && while read -r _ rb_f rb_t; do if ! nft list table "$rb_f" "$rb_t" 2>&1 | grep -qE 'managed by iptables|xt (match|target)'; then { echo "add table $rb_f $rb_t"; echo "delete table $rb_f $rb_t"; nft list table "$rb_f" "$rb_t"; } >"$G/rules/nft-$rb_f-$rb_t" 2>/dev/null; fi; done <"$G/tables"; :; }
"#,
    ),
    (
        "rb_rules_back",
        r#"rb_rules_back() { [ ! -f "$G/tables" ] || nft list tables | while read -r rb_x; do grep -qxF "$rb_x" "$G/tables" || nft delete $rb_x; done
for rb_f in "$G"/rules/*; do rb_b=${rb_f##*/}; case $rb_b in nft-*) nft -f "$rb_f" || return;; *tables*) for rb_x in $("$rb_b-save" | sed -n 's/^[*]//p'); do grep -qxF "*$rb_x" "$rb_f" || "$rb_b-save" -t "$rb_x" | sed -n '/^[*]/p; /^COMMIT/p; s/^\(:[A-Z]* \)[A-Z].*/\1ACCEPT [0:0]/p' | "$rb_b-restore" || return; done
[ ! -s "$rb_f" ] || "$rb_b-restore" <"$rb_f" || return;; esac; done; }
"#,
    ),
    (
        "rb_network",
        r#"rb_network() { mkdir "$G/network" && command -v ip >/dev/null || return; rb_devices >"$G/network/links"; for rb_f in 4 6; do ip -$rb_f addr save >"$G/network/addr$rb_f"; ip -$rb_f rule save >"$G/network/rule$rb_f"; rb_addresses >"$G/network/addresses$rb_f"; rb_routes >"$G/network/routes$rb_f"; ip -$rb_f rule show >"$G/network/rules$rb_f"; done 2>/dev/null; :; }
rb_devices() { ip -o link show up | sed 's/^[0-9]*: \([^:@]*\).*/\1/'; }
rb_addresses() { ip -o -$rb_f addr show | sed -n 's/^[0-9]*: \([^ ]*\)  *inet6* \([^ ]*\) .*/\2 dev \1/p'; }
rb_routes() { ip -$rb_f route show table main | sed 's/ linkdown//; s/ dead//; s/ expires [0-9a-z]*//; s/ *$//'; }
"#,
    ),
    (
        "rb_network_back",
        r#"rb_network_back() { [ -s "$G/network/links" ] || { echo 'addresses and routes were not kept (is there no ip?)'; return 1; }
while read -r rb_l; do ip link set "$rb_l" up; done <"$G/network/links"
for rb_f in 4 6; do ip -$rb_f addr restore <"$G/network/addr$rb_f"
rb_addresses | while read -r rb_l; do grep -qxF "$rb_l" "$G/network/addresses$rb_f" || ip -$rb_f addr del $rb_l; done
rb_routes | while read -r rb_l; do grep -qxF "$rb_l" "$G/network/routes$rb_f" || ip -$rb_f route del $rb_l; done
for rb_c in link via; do grep -v '^$' "$G/network/routes$rb_f" | while read -r rb_l; do case $rb_c:$rb_l in link:*' via '*) ;; via:*' via '* | link:*) ip -$rb_f route replace $rb_l;; esac; done; done
[ "$(ip -$rb_f rule show)" = "$(cat "$G/network/rules$rb_f")" ] || { ip -$rb_f rule flush; ip -$rb_f rule restore <"$G/network/rule$rb_f"; }
done 2>/dev/null
rb_l=; for rb_f in 4 6; do rb_y=$(rb_addresses; rb_routes); rb_l=$rb_l$(cat "$G/network/addresses$rb_f" "$G/network/routes$rb_f" | grep -v '^fe80' | while read -r rb_x; do case $rb_y in *"$rb_x"*) ;; *) echo "$rb_x is not there again; ";; esac; done); done; [ -z "$rb_l" ] || { echo "$rb_l"; return 1; }; }
"#,
    ),
    (
        "rb_arm",
        r#"rb_arm() { G=$S/guard; rb_b=; rm -rf "$G"; (umask 077; mkdir "$G" && echo "$RUN $2 $3" >"$G/run" && cat >"$G/switch") && rb_until "$1" && true >"$G/begun" && { [ ! -f "$S/owed" ] || cp -p "$S/owed" "$G/owed"; } || { rm -rf "$G"; exit 93; }; [ -z "$rb_keep_rules" ] || rb_rules; [ -z "$rb_keep_network" ] || rb_network; mkdir -p -m 700 "$S/runs" "$S/runs/$RUN"
[ "$(tail -n 1 "$G/switch")" = ': end' ] || { rm -rf "$G"; exit 93; }
if [ "$(id -u)" = 0 ] && rb_at_boot 2>/dev/null; then rb_b=boot; else rb_not_at_boot; fi
rm -f "$S/runs/$RUN/back"; dd if=/dev/zero of="$G/room" bs=1024 count="$4" 2>/dev/null || rm -f "$G/room"
true >"$G/armed" || { rb_not_at_boot; rm -rf "$G"; exit 93; }; sync; rb_detach; rb_n=0; until [ -s "$G/up" ]; do rb_n=$((rb_n+1)); [ $rb_n -lt 50 ] || { rb_not_at_boot; rm -rf "$G"; echo 'the process that would take things back does not start' >&2; exit 99; }; sleep 0.1 2>/dev/null || sleep 1; done; echo "armed $rb_b"; }
"#,
    ),
    (
        "rb_detach",
        r#"rb_detach() { rb_w=$*; read -r _ rb_x _ <"$G/run"; if [ -d /run/systemd/system ] && systemd-run -q --collect --unit="runbook-guard-$rb_x$rb_w" -p KillMode=process -p IgnoreOnIsolate=yes -p Restart=on-failure -p KillSignal=SIGKILL /bin/sh "$G/switch" $rb_w 2>/dev/null; then [ -z "$rb_w" ] || return 0; rb_w=second; fi
if command -v setsid >/dev/null; then setsid /bin/sh "$G/switch" $rb_w </dev/null >/dev/null 2>&1 & else (trap '' HUP; exec /bin/sh "$G/switch" $rb_w) </dev/null >/dev/null 2>&1 & fi; }
"#,
    ),
    (
        "rb_not_at_boot",
        r#"rb_not_at_boot() { [ ! -s "$G/unboot" ] || (. "$G/unboot"); }
"#,
    ),
    (
        "rb_told",
        r#"rb_told() { rb_guard; if [ -e "$G/fired" ]; then echo firing; elif [ -d "$G" ]; then echo armed; elif [ -f "$S/runs/$RUN/back" ]; then cat "$S/runs/$RUN/back"; else echo gone; fi; }
"#,
    ),
    (
        "rb_confirm",
        r#"rb_confirm() { rb_guard || { rb_told; return; }
[ ! -e "$G/busy" ] || mv "$G/busy" "$G/armed" 2>/dev/null; [ -e "$G/confirmed" ] || mv "$G/armed" "$G/confirmed" 2>/dev/null || { rb_told; return; }
sync; (umask 077; mkdir -p "$S/runs/$RUN" && echo kept >"$S/runs/$RUN/back") 2>/dev/null; rb_not_at_boot; rm -rf "$S/guard"; echo kept; }
"#,
    ),
    (
        "rb_fire",
        r#"rb_fire() { rb_guard
if [ -d "$G" ] && ! [ -e "$G/armed" ] && ! [ -e "$G/busy" ] && ! [ -e "$G/fired" ]; then rb_not_at_boot; rm -rf "$S/guard"; fi; [ -d "$G" ] || { rb_told; return; }
[ -e "$G/fired" ] || { printf '%s\n' "$1" >"$G/why"; [ -z "$2" ] || true >"$G/asked"; rb_until 0; }
if ! rb_up "$G/up"; then rb_detach now; fi; rb_told; }
"#,
    ),
];

/// What it does, but for what is the round's own.
const SWITCH: &str = include_str!("switch.sh");

/// This boot: its name, which a container has from its host, and when process 1 was started, which is the same after every boot
/// of a machine.
const BORN: &str = r#"rb_born() { echo "$(cat /proc/sys/kernel/random/boot_id) $(sed 's/.*) //' /proc/1/stat | cut -d' ' -f20)"; }
"#;

/// The sh that arms it for a round of these changes, each with its number, or why that cannot be.
pub fn arm(run: &str, mark: &str, plan: &Plan, number: impl Fn(usize) -> usize, within: Duration) -> Option<String> {
    let changes: Vec<(usize, &Planned)> = plan.changes.iter().enumerate().map(|(n, p)| (number(n), p)).collect();
    let body = back(&changes, run)?;
    let token = crate::payload::nonce();
    let why = format!("nobody had confirmed it within {} s", within.as_secs());
    let own = squeeze(SWITCH);
    let mut switch = format!("R=; RUN={run}; BORN='@BORN@'; TOKEN={token}; WHY={}\n{BORN}", sh_quote(&why)?);
    switch += &crate::target::functions([own.as_str(), body.as_str()].into_iter(), false);
    switch += &(body + own.trim_end());
    // Under other names: the functions that are only text here are not needed here.
    let alias = ["@_", "%_", "~_", "+_"].into_iter().find(|a| !switch.contains(a))?;
    let text = text_payload(switch.replace("rb_", alias).as_bytes());
    let mut sh = format!("RUN={run}; umask 022; rb_ours\n{BORN}");
    let commands =
        || changes.iter().filter_map(|(_, p)| if let Change::Command(c) = &p.change { Some(c) } else { None });
    if commands().any(changes_rules) {
        sh += "rb_keep_rules=1\n";
    }
    if commands().any(changes_network) {
        sh += "rb_keep_network=1\n";
    }
    let seconds = within.as_secs();
    // What is put back is written anew, and by then the disk may be full.
    let old =
        |p: &Planned| if let Change::File(f) = &p.change { f.before.bytes().map_or(0, <[u8]>::len) + 8192 } else { 0 };
    let room = changes.iter().map(|(_, p)| old(p)).sum::<usize>() / 1024 + 64;
    let _ = writeln!(
        sh,
        "{{ {text}\n}} | sed \"1s/@BORN@/$(rb_born)/;s/{alias}/rb_/g\" | rb_arm {seconds} {token} {mark} {room} || exit"
    );
    Some(sh)
}

/// `rb_disk_and_commands` takes back what is on disk and what commands did, the last change first; `rb_running` what runs.
/// `rb_units` names what may run now, which is noted before the first change.
fn back(changes: &[(usize, &Planned)], run: &str) -> Option<String> {
    let mut sh = String::from("rb_disk_and_commands() { :\n");
    for (n, p) in changes.iter().rev() {
        match &p.change {
            Change::File(f) => {
                let made = made(&f.after.kind)?;
                let _ = writeln!(sh, "! rb_did {n} || rb_step disk - {} rb_back_file {n} {made}", title(&f.path)?);
            }
            Change::Unit(u) => {
                let lasting = matches!(u.verb, Verb::Enable | Verb::Disable | Verb::Mask | Verb::Unmask);
                if let Some(verb) = u.verb.undo().filter(|_| lasting) {
                    let (verb, unit) = (verb.word(), sh_quote(&u.unit)?);
                    let title = title(&format!("{verb} {}", u.unit))?;
                    let _ = writeln!(sh, "! rb_did {n} || rb_step disk - {title} rb_verb {verb} {unit}");
                }
            }
            Change::Command(c) => {
                let shown = c.shown.lines().next().unwrap_or_default();
                match &c.undo {
                    _ if c.controller => {
                        let stays =
                            format!("it was done on the controller, and stays until `runbook undo {run}`: {shown}");
                        let _ = writeln!(sh, "rb_stays {n} note {}", title(&stays)?);
                    }
                    Some(undo) => {
                        let rule = if changes_rules(c) { "rule: " } else { "" };
                        let title = title(&format!("{rule}{shown}"))?;
                        let flag = c.flag.clone().unwrap_or_else(|| Flag::of(&c.sh)).turned();
                        let (of, undone, undo) = (flag.of, u8::from(flag.undone), sh_quote(undo)?);
                        let _ = writeln!(sh, "! rb_did {n} || rb_step act {n} {title} rb_back_sh {of} {undone} {undo}");
                    }
                    None if p.handler.is_none() => sh += &without_undo(*n, c)?,
                    None => {}
                }
            }
        }
    }
    // What was enabled a boot has begun to start, whether or not the round had come to that.
    let enabled = changes.iter().filter_map(|(n, p)| match &p.change {
        Change::Unit(u) if matches!(u.verb, Verb::Enable | Verb::Unmask) => Some((*n, u.unit.as_str())),
        _ => None,
    });
    let enabled: Vec<(usize, &str)> = enabled.collect();
    let mut units: Vec<String> = running(changes).into_iter().map(|(unit, ..)| unit).collect();
    units.extend(enabled.iter().map(|(_, unit)| (*unit).to_owned()).filter(|u| !units.contains(u)).collect::<Vec<_>>());
    let units = units.iter().map(|u| sh_quote(u)).collect::<Option<Vec<String>>>()?;
    let listed = if units.is_empty() { ":".to_owned() } else { format!("printf '%s\\n' {}", units.join(" ")) };
    let _ = writeln!(sh, "}}\nrb_units() {{ {listed}; }}\nrb_running() {{ :");
    for (unit, verb, numbers) in running(changes) {
        let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
        let numbers = numbers.join(" ");
        if let Some(stem) = unit.strip_suffix(".socket") {
            // It refuses to start while its service runs, which comes after it.
            let service = sh_quote(&format!("{stem}.service"))?;
            let _ = writeln!(sh, "[ -n \"$W\" ] || ! rb_did {numbers} || rb_limited rb_verb stop {service}");
        }
        let _ = writeln!(sh, "! rb_did {numbers} || rb_back_run {} {}", sh_quote(&unit)?, verb.word());
    }
    for (n, unit) in enabled {
        let _ = writeln!(sh, "[ -z \"$W\" ] || ! rb_did {n} || rb_back_run {} start", sh_quote(unit)?);
    }
    for (n, p) in changes {
        match &p.change {
            Change::Unit(u) if u.verb == Verb::DaemonReload => {
                let unit = sh_quote(&u.unit)?;
                let _ = writeln!(sh, "! rb_did {n} || rb_step act - daemon-reload rb_verb daemon-reload {unit}");
            }
            Change::Command(c) if p.handler.is_some() && c.undo.is_none() && !c.controller => {
                let (title, again) = (title(c.shown.lines().next().unwrap_or_default())?, sh_quote(&c.sh)?);
                let _ = writeln!(sh, "[ -n \"$W\" ] || ! rb_did {n} || rb_step act - {title} rb_sh {again}");
            }
            _ => {}
        }
    }
    Some(sh + "}\n")
}

/// What people read of a change, on one line.
fn title(text: &str) -> Option<String> {
    sh_quote(&text.replace(char::is_control, "?"))
}

/// What is rolled back of a command without `undo`: what the guard has kept. What else it did is for a person.
fn without_undo(number: usize, c: &CommandChange) -> Option<String> {
    let shown = c.shown.lines().next().unwrap_or_default();
    let mut sh = String::new();
    if changes_rules(c) {
        // As one whose undo has failed: its whole rule set is restored.
        let _ = writeln!(sh, "rb_lost_rule {number} {}", title(shown)?);
    }
    if changes_network(c) {
        let what = title(&format!("addresses and routes after {shown}"))?;
        let _ = writeln!(sh, "[ -n \"$W\" ] || ! rb_did {number} || rb_step act - {what} rb_network_back");
    }
    if !is_reversible(c) {
        let todo = reversal(&c.sh).map_or_else(|| "reverse it by hand".to_owned(), |sh| format!("to reverse it: {sh}"));
        let stays = format!("not rolled back, it has no undo: {shown}; {todo}");
        let _ = writeln!(sh, "rb_stays {number} bad {}", title(&stays)?);
    }
    Some(sh)
}

/// The units whose processes a round touches, sockets first: what starts them anew, and the changes that do it.
fn running(changes: &[(usize, &Planned)]) -> Vec<(String, Verb, Vec<usize>)> {
    let mut out: Vec<(String, Verb, Vec<usize>)> = Vec::new();
    let mut add = |unit: &str, again: Verb, n: usize| match out.iter_mut().find(|(known, ..)| known == unit) {
        Some((_, verb, numbers)) => {
            numbers.push(n);
            if again == Verb::Restart {
                *verb = again;
            }
        }
        None => out.push((unit.to_owned(), again, vec![n])),
    };
    for (n, p) in changes {
        match &p.change {
            Change::Unit(u) if u.verb == Verb::Reload => add(&u.unit, Verb::Reload, *n),
            Change::Unit(u) if matches!(u.verb, Verb::Start | Verb::Stop | Verb::Restart) => {
                add(&u.unit, Verb::Restart, *n)
            }
            Change::Command(c) if c.undo.is_none() && p.handler.is_none() => {
                changed_units(c).iter().for_each(|unit| add(unit, Verb::Restart, *n));
            }
            _ => {}
        }
    }
    out.sort_by_key(|(unit, ..)| !unit.ends_with(".socket"));
    out
}

/// What a change leaves at its path: `KIND DIGEST CKSUM`. We make nothing but files, links and directories: of anything else it
/// is the owner or the mode.
fn made(after: &Kind) -> Option<String> {
    Some(match after {
        Kind::Absent => "absent".into(),
        Kind::Directory => "directory".into(),
        Kind::Link(to) => format!("link {}", sh_quote(to)?),
        Kind::File(Content::Bytes(b)) => format!("file {} {}", sha256(b), cksum(b)),
        Kind::File(Content::Digest(d)) => format!("file {d} {d}"),
        Kind::Other(_) => "other".into(),
    })
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::SWITCH;
    use crate::target::{existence, files, functions, tree};

    /// A later function takes the place of an earlier one of its name, in all that calls it. One that a function makes
    /// for itself is meant to.
    #[test]
    fn every_function_of_the_scripts_has_a_name_of_its_own() {
        let parts = [files::FUNCTIONS, tree::FUNCTIONS, existence::FUNCTIONS, crate::apply::FUNCTIONS];
        let names = parts.into_iter().flatten().map(|(name, _)| *name);
        let text = functions(names.chain([SWITCH]), false) + SWITCH;
        let defined = Regex::new(r"(?m)^(rb_[a-z0-9_]+)\(\) ?\{").unwrap();
        let mut all: Vec<&str> = defined.captures_iter(&text).map(|c| c.get(1).unwrap().as_str()).collect();
        assert!(all.len() > 60, "{all:?}");
        all.sort_unstable();
        let twice: Vec<_> = all.windows(2).filter(|w| w[0] == w[1]).map(|w| w[0]).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }
}
