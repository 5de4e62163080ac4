//! The dead-man switch on the target: one sh script, written from a round's plan before its first change. It waits in a
//! process of its own and takes the round back, unless that is confirmed in time; a boot in between does the same.
//!
//! In `$S/guard`, while a round is under way: `run` (its id, a token of this switch alone, the runbook's digest), `switch` (the script), `up` (its process), `until` (seconds of
//! /proc/uptime, which no change of the clock moves), `units` (which of them ran), `begun` (numbers of changes), and one of
//!
//! * `armed`: it takes everything back once the time is up
//! * `busy`: a change is being made by the process in `acting`, which is let finish
//! * `fired`: it is at work
//! * `confirmed`: it has nothing to do any more
//!
//! Each becomes another by rename(2), so that of two who want different things one has its way, and the other learns it.

use std::fmt::Write as _;
use std::time::Duration;

use crate::payload::{sh_quote, text_payload};
use crate::plan::{Change, Flag, Plan, Planned, Resource};
use crate::target::files::{Content, FileState, Kind, cksum, sha256};
use crate::target::units::Verb;

/// What was to be made was taken back by the switch, or confirmed, before.
pub const OVER: i32 = 98;
/// The switch's process is gone.
pub const GONE: i32 = 99;

/// What the scripts share; `S` is where runs are recorded, `RUN` the run's id.
///
/// * `rb_until SECONDS`: that long from now.
/// * `rb_guarded SECONDS` before a change, `rb_unguarded SECONDS` after it: the switch waits meanwhile.
/// * `rb_begun NUMBER…` is on disk before the change is begun.
/// * `rb_arm SECONDS TOKEN DIGEST` starts the switch, whose text is its input, and waits until it is there; prints what protects a boot.
/// * `rb_rules` keeps whole rule sets, for the case that one rule cannot be taken back; `rb_rules_back`.
/// * `rb_quiet` ends the switch's process, which has nothing to do any more.
/// * `rb_confirm`, `rb_fire WHY`, `rb_state_of_guard` are answered by [`State`]'s words.
pub const FUNCTIONS: &[(&str, &str)] = &[
    (
        "rb_until",
        r#"rb_until() { read -r rb_u _ </proc/uptime; echo $((${rb_u%.*}+$1)) >"$G/until.new" && mv -f "$G/until.new" "$G/until"; }
"#,
    ),
    (
        "rb_guarded",
        r#"rb_guarded() { rb_state; G=$S/guard; rb_g=; read -r rb_g _ 2>/dev/null <"$G/run"; [ "$rb_g" = "$RUN" ] || exit 98
read -r rb_p <"$G/up" && kill -0 "$rb_p" 2>/dev/null || exit 99
rb_until "$1" || exit 93; [ ! -e "$G/busy" ] || mv "$G/busy" "$G/armed" 2>/dev/null
echo $$ >"$G/acting" && mv "$G/armed" "$G/busy" 2>/dev/null || exit 98; }
"#,
    ),
    (
        "rb_unguarded",
        r#"rb_unguarded() { rb_until "$1"; mv "$G/busy" "$G/armed"; }
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
command -v nft >/dev/null && nft list tables 2>/dev/null | while read -r _ rb_f rb_t; do if ! nft list table "$rb_f" "$rb_t" 2>&1 | grep -qE 'managed by iptables|xt (match|target)'; then { echo "add table $rb_f $rb_t"; echo "delete table $rb_f $rb_t"; nft list table "$rb_f" "$rb_t"; } >"$G/rules/nft-$rb_f-$rb_t" 2>/dev/null; fi; done; :; }
"#,
    ),
    (
        "rb_rules_back",
        r#"rb_rules_back() { for rb_f in "$G"/rules/*; do [ -s "$rb_f" ] || continue; case ${rb_f##*/} in nft-*) nft -f "$rb_f";; *) "${rb_f##*/}-restore" <"$rb_f";; esac || return; done; }
"#,
    ),
    (
        "rb_arm",
        r#"rb_arm() { G=$S/guard; rb_b=; rm -rf "$G"; (umask 077; mkdir "$G" && echo "$RUN $2 $3" >"$G/run" && cat >"$G/switch") && rb_until "$1" && true >"$G/begun" || { rm -rf "$G"; exit 93; }; [ -z "$rb_keep_rules" ] || rb_rules
[ "$(tail -n 1 "$G/switch")" = '# end' ] || { rm -rf "$G"; exit 93; }
if [ "$(id -u)" = 0 ] && rb_at_boot 2>/dev/null; then rb_b=boot; else rb_not_at_boot; fi
true >"$G/armed" || { rb_not_at_boot; rm -rf "$G"; exit 93; }; sync; rb_detach; rb_n=0; until [ -s "$G/up" ]; do rb_n=$((rb_n+1)); [ $rb_n -lt 50 ] || { rb_not_at_boot; rm -rf "$G"; echo 'the process that would take things back does not start' >&2; exit 99; }; sleep 0.1 2>/dev/null || sleep 1; done; echo "armed $rb_b"; }
"#,
    ),
    (
        "rb_detach",
        r#"rb_detach() { rb_w=$*; read -r _ rb_x _ <"$G/run"; if [ -d /run/systemd/system ] && systemd-run -q --collect --unit="runbook-guard-$rb_x" -p KillMode=process /bin/sh "$G/switch" $rb_w 2>/dev/null; then return; fi
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
        r#"rb_told() { if [ -e "$G/fired" ]; then echo firing; elif [ -d "$G" ]; then echo armed; elif [ -f "$S/runs/$RUN/back" ]; then cat "$S/runs/$RUN/back"; else echo gone; fi; }
"#,
    ),
    (
        "rb_quiet",
        r#"rb_quiet() { read -r rb_p 2>/dev/null <"$G/up" || return 0; if tr '\000' ' ' <"/proc/$rb_p/cmdline" 2>/dev/null | grep -qF "$G/switch"; then kill "$rb_p"; fi; :; }
"#,
    ),
    (
        "rb_confirm",
        r#"rb_confirm() { rb_state; G=$S/guard; rb_g=; read -r rb_g _ 2>/dev/null <"$G/run"; [ "$rb_g" = "$RUN" ] || { rb_told; return; }
[ ! -e "$G/busy" ] || mv "$G/busy" "$G/armed" 2>/dev/null; [ -e "$G/confirmed" ] || mv "$G/armed" "$G/confirmed" 2>/dev/null || { rb_told; return; }
sync; rb_not_at_boot; rb_quiet; rm -rf "$G"; echo kept; }
"#,
    ),
    (
        "rb_fire",
        r#"rb_fire() { rb_state; G=$S/guard
if [ -d "$G" ] && ! [ -e "$G/armed" ] && ! [ -e "$G/busy" ] && ! [ -e "$G/fired" ]; then rb_not_at_boot; rm -rf "$G"; fi; [ -d "$G" ] || { rb_told; return; }
[ -e "$G/fired" ] || { printf '%s\n' "$1" >"$G/why"; [ -z "$2" ] || true >"$G/asked"; rb_until 0; }
if ! { read -r rb_p <"$G/up" && kill -0 "$rb_p"; } 2>/dev/null; then rb_detach now; fi; rb_told; }
"#,
    ),
];

/// The functions of the switch itself.
///
/// * `rb_roll [boot]`: takes everything back (its own files are in `T`, for the disk may be full or read-only by then), and says so where the next run looks. After a boot nothing runs yet, and what
///   only lives in memory is gone.
/// * `rb_did NUMBER…`: one of them was begun. `rb_step TITLE COMMAND…` does it, and notes how it went.
/// * `rb_back_file NUMBER KIND DIGEST CKSUM`: what was kept, if what the change made is still there.
/// * `rb_back_run UNIT VERB`: what ran before is started anew, with the files that are there again; what did not is stopped.
const BACK: &[(&str, &str)] = &[
    (
        "rb_was",
        r#"rb_was() { case $rb_k in absent) [ ! -e "$P" ] && [ ! -L "$P" ];; symbolic*) [ "$(readlink "$P")" = "$(sed -n 3p "$K.meta")" ];; *) [ -e "$P" ] && [ "$(stat -c '%a|%u|%g' "$P")" = "$rb_m|$rb_u|$rb_g" ] && case $rb_k in regular*) cmp -s "$P" "$K";; esac;; esac; }
"#,
    ),
    (
        "rb_back_file",
        r#"rb_back_file() { K=$S/runs/$RUN/$1; [ -f "$K.meta" ] || return 0; { read -r P; IFS='|' read -r rb_k rb_m rb_u rb_g; } <"$K.meta"
! rb_was || return 0
case $2 in absent) [ ! -e "$P" ] && [ ! -L "$P" ];; link) [ "$(readlink "$P")" = "$3" ];; directory) [ -d "$P" ];; *) [ -f "$P" ] && rb_digest "$P" "$3" "$4";; esac || { echo "somebody else has changed $P meanwhile" >&2; return 1; }
L=$T; rb_putback "$1"; rb_was; }
"#,
    ),
    (
        "rb_did",
        r#"rb_did() { for rb_b; do if grep -qx "$rb_b" "$G/begun"; then return 0; fi; done; return 1; }
"#,
    ),
    (
        "rb_step",
        r#"rb_step() { rb_t=$1; shift; if ("$@") >"$T/said" 2>&1; then echo "ok $rb_t"; else echo "bad $rb_t: $(tail -n 1 "$T/said")"; fi >>"$T/report"; }
"#,
    ),
    (
        "rb_back_sh",
        r#"rb_back_sh() { sh -c "$3" && rb_flag "$1" "$2"; }
"#,
    ),
    (
        "rb_runs",
        r#"rb_runs() { rb_x=$(rb_shown "$1"); case $rb_x in *ActiveState=active*|*ActiveState=reloading*) return 0;; *ActiveState=activating*) case $rb_x in *auto-restart*) return 1;; esac;; *) return 1;; esac; }
"#,
    ),
    (
        "rb_back_run",
        r#"rb_back_run() { rb_x=$(sed -n "s|^$1 ||p" "$G/units")
case $W:$rb_x in boot:runs) ! [ -d /run/systemd/system ] || rb_step "start $1" systemctl --no-block start -- "$1";; boot:*) ;;
:runs) rb_verb reset-failed "$1" >/dev/null 2>&1; rb_step "$2 $1" rb_verb "$2" "$1"; rb_n=0; until rb_runs "$1" || [ $rb_n -ge 5 ]; do rb_n=$((rb_n+1)); sleep 1; done; rb_step "$1 runs again" rb_runs "$1";;
*) if rb_runs "$1"; then rb_step "stop $1" rb_verb stop "$1"; fi;; esac; }
"#,
    ),
    (
        "rb_roll",
        r#"rb_roll() { W=$1; rb_why=; read -r rb_why 2>/dev/null <"$G/why"; T=/run/runbook-guard.$$; (umask 077; rm -rf "$T"; mkdir "$T") 2>/dev/null || T=$G; (umask 077; mkdir -p "$S/left"; true >"$T/report") 2>/dev/null
rb_pass_1; if [ -d "$G/rules" ] && [ -z "$W" ] && grep -q '^bad rule: ' "$T/report"; then if (rb_rules_back) >"$T/said" 2>&1; then sed 's/^bad rule: \(.*\)/ok \1 (with its whole rule set)/' "$T/report" >"$T/report.new" && mv "$T/report.new" "$T/report"; fi; fi
[ -z "$W" ] || { sed 's/^bad rule: /not needed after a boot: /' "$T/report" >"$T/report.new" && mv "$T/report.new" "$T/report"; }
rb_pass_2; rb_h=back; ! grep -q '^bad' "$T/report" || rb_h=failed
[ ! -f "$S/owed" ] || { grep -v "^owed $RUN " "$S/owed" >"$S/owed.new"; mv -f "$S/owed.new" "$S/owed"; [ -s "$S/owed" ] || rm -f "$S/owed"; }
rb_why=${rb_why:-$WHY}; [ -z "$W" ] || rb_why='the host was started anew before anybody had confirmed it'
(umask 077; { echo "$rb_h $rb_why"; grep -v '^ok' "$T/report"; } >"$S/runs/$RUN/back"
printf '{"record":"rolled back","how":"%s"}\n' "$rb_h" >>"$S/runs/$RUN/journal.jsonl"
if [ ! -e "$G/asked" ]; then { case $rb_h in back) echo "run $RUN was taken back: $rb_why";; *) echo "run $RUN was to be taken back ($rb_why), and not all of it was:";; esac; sed -n 's/^\(bad\|not\) /  /p' "$T/report"; } >"$S/left/$RUN"; fi); sync
rb_not_at_boot; if [ ! -e "$G/asked" ]; then rb_where; read -r rb_h _ <"$L/holder" && [ "$rb_h" = "$RUN" ] && rb_clear; fi 2>/dev/null; rm -rf "$G" "$T"; }
"#,
    ),
];

/// What it does: the process waits; `now` does not, and `boot` is what a boot calls.
const MAIN: &str = r#"cd /; umask 022; trap '' HUP PIPE; PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; rb_state; G=$S/guard
case $1 in
boot) [ "$(rb_born)" != "$BORN" ] || exit 0; if [ -e "$G/confirmed" ]; then rb_not_at_boot; rm -rf "$G"; exit; fi; mv "$G/armed" "$G/fired" 2>/dev/null || mv "$G/busy" "$G/fired" 2>/dev/null; [ ! -e "$G/fired" ] || rb_roll boot; exit;;
now) mv "$G/armed" "$G/fired" 2>/dev/null || mv "$G/busy" "$G/fired" 2>/dev/null; [ -e "$G/fired" ] || exit 0; echo $$ >"$G/up"; rb_roll; exit;;
esac
for u in $(rb_units); do if rb_runs "$u"; then echo "$u runs"; else echo "$u stopped"; fi; done >"$G/units"
echo $$ >"$G/up.new" && mv "$G/up.new" "$G/up"; twice=
while :; do sleep 1
read -r r k _ 2>/dev/null <"$G/run" && [ "$r $k" = "$RUN $TOKEN" ] || exit 0
if [ -e "$G/confirmed" ]; then rb_not_at_boot; rm -rf "$G"; exit; fi
read -r now _ </proc/uptime; now=${now%.*}; t=0; read -r t <"$G/until"
if [ "$now" -lt "$t" ]; then twice=; continue; fi
if mv "$G/armed" "$G/fired" 2>/dev/null; then break; fi
if read -r p <"$G/acting" && kill -0 "$p" 2>/dev/null && [ $((now-t)) -lt 900 ]; then twice=; continue; fi
if [ -n "$twice" ] && { mv "$G/busy" "$G/fired" 2>/dev/null || [ -e "$G/armed" ] || [ -e "$G/busy" ]; }; then break; fi; twice=1
done
rb_roll
# end"#;

/// This boot: its name, which a container has from its host, and when process 1 was started, which is the same after every boot
/// of a machine.
const BORN: &str = r#"rb_born() { echo "$(cat /proc/sys/kernel/random/boot_id) $(sed 's/.*) //' /proc/1/stat | cut -d' ' -f20)"; }
"#;

/// The sh that arms it for a round of these changes, each with its number, or why that cannot be.
pub fn arm(run: &str, digest: &str, plan: &Plan, number: impl Fn(usize) -> usize, within: Duration) -> Option<String> {
    let changes: Vec<(usize, &Planned)> = plan.changes.iter().enumerate().map(|(n, p)| (number(n), p)).collect();
    let body = back(&changes)?;
    let token = crate::payload::nonce();
    let why = format!("nobody had confirmed it within {} s", within.as_secs());
    let mut switch = format!("R=; RUN={run}; BORN='@BORN@'; TOKEN={token}; WHY={}\n{BORN}", sh_quote(&why)?);
    let own: String = BACK.iter().map(|(_, sh)| *sh).collect();
    switch += &crate::target::functions([own.as_str(), body.as_str(), MAIN].into_iter(), false);
    switch += &(own + &body + MAIN);
    // Under other names: the functions that are only text here are not needed here.
    let alias = ["@_", "%_", "~_", "+_"].into_iter().find(|a| !switch.contains(a))?;
    let text = text_payload(switch.replace("rb_", alias).as_bytes());
    let mut sh = format!("RUN={run}; umask 022; rb_ours\n{BORN}");
    if changes.iter().any(|(_, p)| touches_rules(&p.change)) {
        sh += "rb_keep_rules=1\n";
    }
    let seconds = within.as_secs();
    let _ = writeln!(
        sh,
        "{{ {text}\n}} | sed \"1s/@BORN@/$(rb_born)/;s/{alias}/rb_/g\" | rb_arm {seconds} {token} {digest} || exit"
    );
    Some(sh)
}

fn touches_rules(c: &Change) -> bool {
    matches!(c, Change::Command(c) if c.writes.contains(&Resource::Rules) && !c.controller)
}

/// `rb_pass_1` takes back what is on disk and what commands did, the last change first; `rb_pass_2` what runs. `rb_units`
/// names what may run now, which is noted before the first change.
fn back(changes: &[(usize, &Planned)]) -> Option<String> {
    let mut first = String::from("rb_pass_1() { :\n");
    for (n, p) in changes.iter().rev() {
        match &p.change {
            Change::File(f) => {
                let title = sh_quote(&f.path)?;
                let _ =
                    writeln!(first, "! rb_did {n} || rb_step {title} rb_back_file {n} {}", made(&f.after, &f.before)?);
            }
            Change::Unit(u) => {
                let lasting = matches!(u.verb, Verb::Enable | Verb::Disable | Verb::Mask | Verb::Unmask);
                if let Some(verb) = u.verb.undo().filter(|_| lasting) {
                    let (verb, unit) = (verb.word(), sh_quote(&u.unit)?);
                    let title = sh_quote(&format!("{verb} {}", u.unit))?;
                    let _ = writeln!(first, "! rb_did {n} || rb_step {title} rb_verb {verb} {unit}");
                }
            }
            Change::Command(c) if !c.controller => {
                let shown = c.shown.lines().next().unwrap_or_default();
                let rule = if touches_rules(&p.change) { "rule: " } else { "" };
                let title = sh_quote(&format!("{rule}{shown}"))?;
                match &c.undo {
                    Some(undo) => {
                        let flag = c.flag.clone().unwrap_or_else(|| Flag::of(&c.sh)).turned();
                        let (of, undone, undo) = (flag.of, u8::from(flag.undone), sh_quote(undo)?);
                        let _ = writeln!(first, "! rb_did {n} || rb_step {title} rb_back_sh {of} {undone} {undo}");
                    }
                    None if p.handler.is_none() => {
                        let note = sh_quote(&format!("not taken back (nothing is known that would): {shown}"))?;
                        let _ = writeln!(first, "! rb_did {n} || echo {note} >>\"$T/report\"");
                    }
                    None => {}
                }
            }
            Change::Command(_) => {}
        }
    }
    let units: Option<Vec<String>> = running(changes).iter().map(|(unit, ..)| sh_quote(unit)).collect();
    let _ = writeln!(first, "}}\nrb_units() {{ printf '%s\\n' {}; }}\nrb_pass_2() {{ :", units?.join(" "));
    for (unit, verb, numbers) in running(changes) {
        let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
        if let Some(stem) = unit.strip_suffix(".socket") {
            // It refuses to start while its service runs, which comes after it.
            let service = sh_quote(&format!("{stem}.service"))?;
            let _ = writeln!(
                first,
                "[ -n \"$W\" ] || ! rb_did {} || rb_verb stop {service} >/dev/null 2>&1",
                numbers.join(" ")
            );
        }
        let _ = writeln!(first, "! rb_did {} || rb_back_run {} {}", numbers.join(" "), sh_quote(unit)?, verb.word());
    }
    for (n, p) in changes {
        match &p.change {
            Change::Unit(u) if u.verb == Verb::DaemonReload => {
                let _ = writeln!(
                    first,
                    "! rb_did {n} || rb_step daemon-reload rb_verb daemon-reload {}",
                    sh_quote(&u.unit)?
                );
            }
            Change::Command(c) if p.handler.is_some() && c.undo.is_none() && !c.controller => {
                let title = sh_quote(c.shown.lines().next().unwrap_or_default())?;
                let _ = writeln!(first, "[ -n \"$W\" ] || ! rb_did {n} || rb_step {title} sh -c {}", sh_quote(&c.sh)?);
            }
            _ => {}
        }
    }
    Some(first + "}\n")
}

/// The units whose processes a round touches, sockets first: what starts them anew, and the changes that do it.
fn running<'a>(changes: &[(usize, &'a Planned)]) -> Vec<(&'a str, Verb, Vec<usize>)> {
    let mut out: Vec<(&str, Verb, Vec<usize>)> = Vec::new();
    for (n, p) in changes {
        let Change::Unit(u) = &p.change else { continue };
        if !matches!(u.verb, Verb::Start | Verb::Stop | Verb::Restart | Verb::Reload) {
            continue;
        }
        let again = if u.verb == Verb::Reload { Verb::Reload } else { Verb::Restart };
        match out.iter_mut().find(|(unit, ..)| *unit == u.unit) {
            Some((_, verb, numbers)) => {
                numbers.push(*n);
                if again == Verb::Restart {
                    *verb = again;
                }
            }
            None => out.push((&u.unit, again, vec![*n])),
        }
    }
    out.sort_by_key(|(unit, ..)| !unit.ends_with(".socket"));
    out
}

/// What a change leaves at its path: `KIND DIGEST CKSUM`.
fn made(after: &FileState, before: &FileState) -> Option<String> {
    Some(match &after.kind {
        Kind::Absent => "absent".into(),
        Kind::Directory => "directory".into(),
        Kind::Link(to) => format!("link {}", sh_quote(to)?),
        Kind::File(Content::Bytes(b)) => format!("file {} {}", sha256(b), cksum(b)),
        Kind::File(Content::Digest(d)) => format!("file {d} {d}"),
        Kind::Other(_) => return made(before, before),
    })
}
