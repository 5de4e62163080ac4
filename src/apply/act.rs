//! The one place that acts: a change in, the sh that makes it so out. Every script first checks that the lock is still
//! ours and that what it replaces is what was planned against.

use std::fmt::Write;

use super::guard::switch::{GONE, OVER};
use crate::payload::{sh_quote, text_payload};
use crate::plan::{Change, CommandChange, FileChange, Planned};
use crate::target::files::{Content, FileState, Kind, cksum, sha256};
use crate::target::parent;

/// The lock is somebody else's by now.
pub const LOST_LOCK: i32 = 91;
/// The file, or what a command goes by, is not what it was when it was planned.
pub const CHANGED: i32 = 92;
/// The candidate could not be written whole.
pub const NO_ROOM: i32 = 93;
/// Owner or mode could not be kept.
pub const ATTRIBUTES: i32 = 94;
/// The validation failed after the write; everything was put back.
pub const RESTORED: i32 = 95;

/// The directory is not empty.
pub const NOT_EMPTY: i32 = 96;

/// The file is mounted there by itself, and cannot be replaced.
pub const MOUNTED: i32 = 89;

/// Something could not be put back.
pub const NOT_BACK: i32 = 97;

/// What the scripts share. `RUN` is the run's id, `R` the mounted disk's root or empty.
///
/// * `rb_state` sets `S`, where runs are recorded: /var/lib/runbook, else the user's own state directory.
/// * `rb_where` sets `L`, the lock: where one of this user's is held, else in the first place that is not full. What another
///   user has put there is no lock: who may write to /dev/shm would keep root out, and what it says would be read by root.
/// * `rb_ours` fails unless the lock is this run's, and renews it.
/// * `rb_in` goes into the directory of `P` and fails if that is another one by now; `N` is the name there. Whoever owns a
///   directory can put a link to anything there at any moment: what is done to `N` follows none.
/// * `rb_same PATH KIND MODE UID GID SHA256 CKSUM` does that, and fails unless that is what is there; with `rb_soft` a
///   directory that an earlier change makes may be missing.
/// * `rb_own COMMAND…` does it to the very file or directory that is at `N`.
/// * `rb_keep SEQ` saves what is at `N` before it is replaced.
/// * `rb_apart` goes into a directory beside `N` where nobody else can write; `rb_placed` renames `C` from there, and goes
///   back.
/// * `rb_candidate` sets `C`, a file in such a directory with the owner, mode, ACL and extended attributes of `N` (`cp -a`;
///   an ACL also by getfacl(1) where `cp` is busybox's, which keeps neither).
/// * `rb_ready MODE OWNER SHA256 CKSUM` checks the candidate; `rb_swap` puts it in place: rename(2), directory fsync.
/// * `rb_over` writes `C` over `N` where it stands, and what was kept where that fails, both through the file that it has opened:
///   by its name it may be another one by then. `rb_mounted` says whether something is mounted at `P` itself.
/// * `rb_lift` takes the attribute `i` of `N` away and notes that it had it.
/// * `rb_remove`, `rb_link TARGET`: what is at `P` goes, or becomes a link.
/// * `rb_room`: see [`room`]; `rb_prune` keeps the newest thirty runs, and the newest 300 flags.
/// * `rb_note` adds its input to the target's own copy of the record. That is for others who undo: without it nothing is lost.
/// * `rb_attr FROM TO`: the extended attributes of one are those of the other, where `cp` can do that: a capability
///   (capabilities(7)) is lost when a file is written or its owner set.
/// * `rb_acl KEPT`: the candidate gets the ACL that the file had of which KEPT is the copy.
/// * `rb_flag DIGEST 0|1`: a command's flag (see [`crate::plan::Flag`]).
/// * `rb_owe`, `rb_paid`: handlers that were notified and did not run yet.
/// * `rb_links SEQ before|after` keeps which links the init knows its units by (`rb_listed`: `l PATH TARGET`, `d PATH`);
///   `rb_links_back KEPT` makes them so again where that change had made them otherwise, and nobody else since.
pub const FUNCTIONS: &[(&str, &str)] = &[
    (
        "rb_state",
        r#"rb_state() { rb_real /var/lib; (umask 022; mkdir -p "$R$REPLY") 2>/dev/null; rb_real /var/lib/runbook; S=$R$REPLY; mkdir -m 700 "$S" 2>/dev/null; [ -w "$S" ] && return; [ -z "$R" ] && S=${XDG_STATE_HOME:-$HOME/.local/state}/runbook && mkdir -p "$S" && [ -w "$S" ]; }
"#,
    ),
    (
        "rb_where",
        r#"rb_where() { if [ -n "$R" ]; then rb_state; L=$S/lock; else rb_l=; for L in /run /dev/shm "${TMPDIR:-/tmp}"; do if rb_held "$L/runbook.lock" && [ -s "$L/runbook.lock/holder" ]; then rb_l=$L; break; fi; done
[ -n "$rb_l" ] || for L in /run /dev/shm "${TMPDIR:-/tmp}"; do rb_held "$L/runbook.lock" || [ ! -e "$L/runbook.lock" ] && [ ! -h "$L/runbook.lock" ] || continue; rb_l=$L; [ -w "$L" ] && mkdir -m 700 "$L/.rb$$" && { (echo 1 >"$L/.rb$$/y") 2>/dev/null; rb_x=$?; rm -rf "$L/.rb$$"; [ $rb_x != 0 ] || break; }; done; L=${rb_l:-/run}/runbook.lock; fi; }
rb_held() { [ -d "$1" ] && [ ! -h "$1" ] && [ -O "$1" ]; }
"#,
    ),
    (
        "rb_beat",
        r#"rb_beat() { B=0; read -r B _ </proc/uptime; echo "${B%.*}" >"$L/beat"; echo $$ >"$L/busy"; trap 'rm -f "$L/busy"' EXIT; }
"#,
    ),
    (
        "rb_ours",
        r#"rb_ours() { rb_where; rb_state; read -r rb_h _ <"$L/holder" && [ "$rb_h" = "$RUN" ] || exit 91; rb_beat; }
"#,
    ),
    (
        "rb_digest",
        r#"rb_digest() { rb_x=$(rb_sum "$1"); [ "$rb_x" = "$2" ] || [ "$rb_x" = "$3" ]; }
"#,
    ),
    (
        "rb_in",
        r#"rb_in() { D=${P%/*} N=./${P##*/}; rb_x=$(cd -P "$R/" && pwd -P); rb_x=${rb_x%/}${D#"$R"}; cd -P "${D:-/}" 2>/dev/null && [ "$(pwd -P)" = "${rb_x:-/}" ]; }
"#,
    ),
    (
        "rb_own",
        r#"rb_own() { if [ -L "$N" ]; then return 1; elif [ -r "$N" ] && [ -d /proc/self/fd ] && { [ -f "$N" ] || [ -d "$N" ]; }; then { rb_x=$(pwd -P); [ "$(readlink /proc/self/fd/0)" = "${rb_x%/}/${N#./}" ] && "$@" /proc/self/fd/0; } <"$N"; else "$@" "$N"; fi; }
"#,
    ),
    (
        "rb_same",
        r#"rb_same() { rb_real "$1" "$8"; P=$R$REPLY; rb_in || { if [ -n "$rb_soft" ] && [ "$2" = absent ] && [ ! -e "$D" ]; then exit 0; fi; exit 92; }
case $2 in
absent) [ ! -e "$N" ] && [ ! -L "$N" ];;
link) [ "$(readlink "$N")" = "$3" ];;
*) rb_o=$(stat -c '%a %u %g' "$N"); [ -n "$4" ] || rb_o=${rb_o%% *}; [ "$rb_o" = "$3${4:+ $4 $5}" ] && case $2 in file) [ ! -L "$N" ] && [ -f "$N" ] && rb_digest "$N" "$6" "$7";; directory) [ ! -L "$N" ] && [ -d "$N" ];; esac;;
esac || exit 92; rb_z="$6 $7"; }
"#,
    ),
    (
        "rb_keep",
        r#"rb_keep() { mkdir -p -m 700 "$S/runs" "$S/runs/$RUN" || exit 93
K=$S/runs/$RUN/$1; (umask 077; { printf '%s\n' "$P"; stat -c '%F|%a|%u|%g' "$N" 2>/dev/null || echo absent; [ ! -L "$N" ] || readlink "$N"; } >"$K.new"
[ -L "$N" ] || [ ! -f "$N" ] || cat "$N" >"$K"
if command -v getfacl >/dev/null && [ -e "$N" ]; then getfacl -np "$N" >"$K.acl" 2>/dev/null; fi
[ -L "$N" ] || [ ! -f "$N" ] || rb_attr "$N" "$K.attr") || exit 93
[ -L "$N" ] || [ ! -f "$N" ] || cmp -s "$N" "$K" || exit 93; [ "$rb_z" = ' ' ] || [ ! -f "$K" ] || rb_digest "$K" $rb_z || exit 92; sync "$K" 2>/dev/null || sync; mv -f "$K.new" "$K.meta" || exit 93; }
"#,
    ),
    (
        "rb_note",
        r#"rb_note() { (umask 077; mkdir -p "$S/runs/$RUN" && cat >>"$S/runs/$RUN/journal.jsonl") 2>/dev/null || cat >/dev/null; }
"#,
    ),
    (
        "rb_apart",
        r#"rb_apart() { A=./.${N#./}.runbook-$RUN; printf '%s\n' "$D/${A#./}" >"$L/candidate"; trap 'cd -P "${D:-/}" && rm -rf "$A"; rm -f "$L/busy"' EXIT
rm -rf "$A"; mkdir -m 700 "$A" && cd -P "$A" || exit 93; case "$(stat -c '%u %a' .)" in "$(id -u) 700"|"$(id -u) 2700") ;; *) exit 92;; esac; [ ! -e new ] || exit 92; C=./new N=../${N#./}; }
"#,
    ),
    (
        "rb_placed",
        r#"rb_placed() { mv -fT "$C" "$N" 2>/dev/null || { [ ! -d "$N" ] && mv -f "$C" "$N"; } || return; cd -P ..; N=./${N#../}; rmdir "$A"; sync . 2>/dev/null || sync; rm -f "$L/candidate"; }
"#,
    ),
    (
        "rb_candidate",
        r#"rb_candidate() { rb_apart; if [ -f "$N" ]; then cp -a "$N" "$C" 2>/dev/null || cp -p "$N" "$C" || exit 93; if [ -L "$C" ] || [ ! -f "$C" ]; then exit 92; fi
if command -v getfacl >/dev/null && command -v setfacl >/dev/null; then getfacl -np "$N" 2>/dev/null | setfacl --set-file=- "$C" 2>/dev/null; fi
else (umask 077; : >"$C") || exit 93; fi; }
"#,
    ),
    (
        "rb_ready",
        r#"rb_ready() { rb_digest "$C" "$3" "$4" || exit 93
if [ -n "$2" ]; then chown "$2" "$C" || exit 94; fi
chmod "$1" "$C" || exit 94
if [ -f "$N" ] && [ -z "$2" ] && [ "$(stat -c '%u %g' "$C")" != "$(stat -c '%u %g' "$N")" ]; then exit 94; fi
sync "$C" 2>/dev/null || sync; }
"#,
    ),
    (
        "rb_swap",
        r#"rb_swap() { rb_placed || { rb_mounted && exit 89; exit 93; }; }
"#,
    ),
    (
        "rb_mounted",
        r#"rb_mounted() { while read -r _ _ _ _ rb_v _; do [ "$rb_v" != "$P" ] || return 0; done </proc/self/mountinfo; return 1; }
"#,
    ),
    (
        "rb_over",
        r#"rb_over() { cd -P .. && N=./${N#../} C=$A/new; [ ! -L "$N" ] && [ -f "$N" ] || return 1
rb_done() { cat "$C" >"$1" && cmp -s "$C" "$1" && rb_own chown "$(stat -c %u:%g "$C")" && rb_own chmod "$(stat -c %a "$C")"; }
if [ -d /proc/self/fd ]; then { rb_x=$(pwd -P); [ "$(readlink /proc/self/fd/4)" = "${rb_x%/}/${N#./}" ] && { rb_done /proc/self/fd/4 || { cat "$K" >/proc/self/fd/4; false; }; }; } 4<>"$N"
else rb_done "$N" || { [ -L "$N" ] || cat "$K" >"$N"; false; }; fi || return
sync "$N" 2>/dev/null || sync; rm -rf "$A"; rm -f "$L/candidate"; }
"#,
    ),
    (
        "rb_lift",
        r#"rb_lift() { : >"$K.immutable" && chattr -i "$N" || exit 93; }
"#,
    ),
    (
        "rb_remove",
        r#"rb_remove() { if [ -d "$N" ] && [ ! -L "$N" ]; then rmdir "$N" || exit 96; else rm -f "$N" || exit 93; fi; sync; }
"#,
    ),
    (
        "rb_link",
        r#"rb_link() { rb_apart; ln -s -- "$1" "$C" || exit 93; rb_placed || { rm -f "$N" && rb_placed; } || exit 93; sync; }
"#,
    ),
    (
        "rb_acl",
        r#"rb_acl() { rb_real "$1.acl"; if [ -s "$R$REPLY" ] && command -v setfacl >/dev/null; then setfacl --set-file="$R$REPLY" "$C" 2>/dev/null; fi; }
"#,
    ),
    (
        "rb_attr",
        r#"rb_attr() { [ ! -f "$1" ] || cp --attributes-only --preserve=xattr "$1" "$2" 2>/dev/null || :; }
"#,
    ),
    (
        "rb_flag",
        r#"rb_flag() { if [ "$2" = 1 ]; then (umask 077; mkdir -p "$S/undone" && : >"$S/undone/$1"); else rm -f "$S/undone/$1"; fi; }
"#,
    ),
    (
        "rb_putback",
        r#"rb_putback() { K=$S/runs/$RUN/$1; { IFS= read -r P; IFS='|' read -r rb_k rb_m rb_u rb_g; } <"$K.meta"; rb_in || { echo "the directory of $P is another one now" >&2; return 1; }
case $rb_k in absent) if [ -d "$N" ] && [ ! -L "$N" ]; then rmdir "$N"; else rm -f "$N"; fi; return;; directory|fifo|socket|*special*) [ "$rb_k" != directory ] || [ -e "$N" ] || [ -L "$N" ] || mkdir -m 700 "$N" || return; if [ -d "$N" ]; then rb_own chown "$rb_u:$rb_g" && rb_own chmod "00$rb_m"; else chown -h "$rb_u:$rb_g" "$N" && [ ! -L "$N" ] && chmod "$rb_m" "$N"; fi; return;; symbolic*) rb_apart; ln -s -- "$(sed -n 3p "$K.meta")" "$C" && rb_placed; return;; regular*) ;; *) return 1;; esac
[ ! -e "$K.immutable" ] || [ ! -e "$N" ] || chattr -i "$N"
rb_candidate; cat "$K" >"$C" && chown "$rb_u:$rb_g" "$C" && chmod "$rb_m" "$C" || return
if [ -s "$K.acl" ] && command -v setfacl >/dev/null; then setfacl --set-file="$K.acl" "$C" 2>/dev/null; fi; rb_attr "$K.attr" "$C"; sync; if [ -e "$K.over" ] || rb_mounted; then rb_over; else rb_placed; fi && { [ ! -e "$K.immutable" ] || chattr +i "$N"; }; }
"#,
    ),
    (
        "rb_room",
        r#"rb_room() { rb_k=$1; shift; for rb_d; do while [ ! -d "$R$rb_d" ] && [ -n "$rb_d" ]; do rb_d=${rb_d%/*}; done
rb_f=$(df -Pk "$R${rb_d:-/}" | sed -n '2s/.* \([0-9][0-9]*\)  *[0-9]*% .*/\1/p')
if [ -n "$rb_f" ] && [ "$rb_f" -lt "$rb_k" ]; then printf '%s %s\n' "$rb_f" "${rb_d:-/}"; rb_g=${rb_g:-$(rb_on "$R${rb_d:-/}")}; fi; done
[ -z "$rb_g" ] || (cd "$R/" && for rb_x in var/cache/apt/archives var/log/journal var/tmp var/crash; do [ "$(rb_on "$rb_x")" != "$rb_g" ] || du -sk "$rb_x"; done 2>/dev/null | sort -rn | head -n 1); }
rb_on() { df -Pk "$1" 2>/dev/null | sed -n '2s/.*% *//p'; }
"#,
    ),
    (
        "rb_prune",
        r#"rb_prune() { rb_state && [ -d "$S/runs" ] || return 0; (cd "$S/runs" && rb_x=; read -r rb_x _ 2>/dev/null <../guard/run; for rb_r in 2*; do [ "$rb_r" = "$rb_x" ] || echo "$rb_r"; done | sort -r | sed -n '31,$p' | while read -r rb_r; do rm -rf "./$rb_r"; done)
[ ! -d "$S/undone" ] || (cd "$S/undone" && ls -t | sed -n '301,$p' | while read -r rb_r; do rm -f "./$rb_r"; done); }
"#,
    ),
    (
        "rb_listed",
        r#"rb_listed() { for rb_x in /etc/systemd/system /run/systemd/system /etc/rc0.d /etc/rc1.d /etc/rc2.d /etc/rc3.d /etc/rc4.d /etc/rc5.d /etc/rc6.d /etc/rcS.d /etc/runlevels /etc/service /etc/runit/runsvdir; do
rb_real "$rb_x"; [ ! -d "$R$REPLY" ] || (cd -P "$R$REPLY" && ls -lnd -- * */* 2>/dev/null | sed -n -e "s|^l.* \([^ ]*\) -> \(.*\)\$|l $REPLY/\1 \2|p" -e "s|^d.* \([^ ]*\)\$|d $REPLY/\1|p"); done; }
"#,
    ),
    (
        "rb_links",
        r#"rb_links() { mkdir -p -m 700 "$S/runs" "$S/runs/$RUN" && (umask 077; rb_listed >"$S/runs/$RUN/$1.$2") || exit 93; }
"#,
    ),
    (
        "rb_links_back",
        r#"rb_links_back() { (rb_real "$1.before"; b=$R$REPLY; rb_real "$1.after"; a=$R$REPLY; [ -f "$b" ] && [ -f "$a" ] && ! cmp -s "$a" "$b" || exit 1
only() { while read -r k P t; do [ "$k" != "$1" ] || grep -qxF "$k $P${t:+ $t}" "$3" || { P=$R$P; if rb_in; then "$4" "$t"; else [ "$4" != make ] && [ "$4" != dir ]; fi; } || e=1; done <"$2"; }
drop() { if [ "$(readlink "$N")" = "$1" ]; then rm -f "$N"; fi; }
make() { [ -e "$N" ] || [ -L "$N" ] || ln -s -- "$1" "$N"; }
dir() { [ -e "$N" ] || mkdir -m 755 "$N"; }
none() { [ -L "$N" ] || rmdir "$N" 2>/dev/null || :; }
e=; only l "$a" "$b" drop; only d "$b" "$a" dir; only l "$b" "$a" make; only d "$a" "$b" none
{ [ -n "$R" ] || [ ! -d /run/systemd/system ] || systemctl daemon-reload; } && [ -z "$e" ]); }
"#,
    ),
    (
        "rb_owe",
        r#"rb_owe() { if ! grep -qsx "owed $RUN $1 $2" "$S/owed"; then (umask 077; echo "owed $RUN $1 $2" >>"$S/owed") || exit 93; fi; }
"#,
    ),
    (
        "rb_paid",
        r#"rb_paid() { [ -f "$S/owed" ] || return 0; grep -v "^owed [^ ]* $1 $2\$" "$S/owed" >"$S/owed.new"; case $? in 0) mv -f "$S/owed.new" "$S/owed";; 1) rm -f "$S/owed" "$S/owed.new";; *) rm -f "$S/owed.new"; return 1;; esac; }
"#,
    ),
];

/// The sh that says where the round's files do not fit: `KB_FREE DIRECTORY`, and then what could go instead.
///
/// `rb_room KB DIRECTORY…` looks at each directory (its nearest ancestor that exists) and at the runs' own place; what could go
/// is on the file system that is full.
pub(super) fn room(changes: &[Planned]) -> Option<String> {
    let files = || changes.iter().filter_map(|p| if let Change::File(f) = &p.change { Some(f) } else { None });
    let size = |s: &FileState| s.bytes().map_or(0, <[u8]>::len);
    // Backup and candidate of all files at once, and a block for each: a little more than will ever be there.
    let bytes: usize = files().map(|f| size(&f.before) + size(&f.after) + 8192).sum();
    let mut dirs: Vec<&str> = files().map(|f| parent(&f.real)).collect();
    dirs.sort_unstable();
    dirs.dedup();
    if dirs.is_empty() {
        return None;
    }
    let quoted: Option<Vec<String>> = dirs.iter().map(|d| sh_quote(d)).collect();
    Some(format!("rb_state; rb_room {} \"${{S#\"$R\"}}\" {}", bytes / 1024 + 1, quoted?.join(" ")))
}

/// What every acting script starts with; under a guard of that many seconds, with the numbers of its changes. `watched`: the
/// guard ends the script once nobody says any more that the run waits for it.
pub(super) fn head(run: &str, guard: Option<u64>, watched: bool, numbers: &[usize]) -> String {
    let begun: Vec<String> = numbers.iter().map(usize::to_string).collect();
    let watch = if watched { " watched" } else { "" };
    let guarded =
        guard.map(|within| format!("rb_guarded {within}{watch}; rb_begun {}; ", begun.join(" "))).unwrap_or_default();
    format!("RUN={run}; umask 022; {guarded}rb_ours\n")
}

/// What it ends with, where all went well.
pub(super) fn tail(guard: Option<u64>) -> String {
    guard.map(|within| format!("rb_unguarded {within}\n")).unwrap_or_default()
}

/// Lines of the record, for the target's own copy.
pub(super) fn note(lines: &str) -> String {
    if lines.is_empty() { String::new() } else { format!("{{ {}\n}} | rb_note\n", text_payload(lines.as_bytes())) }
}

/// The handlers that a change notifies, as the target's own record has them.
pub(super) fn owe(book: &str, handlers: &[String]) -> Option<String> {
    handlers.iter().map(|h| Some(format!("rb_owe {} {}\n", sh_quote(book)?, sh_quote(h)?))).collect()
}

/// A handler has run.
pub(super) fn paid(book: &str, handler: &str) -> Option<String> {
    Some(format!("rb_paid {} {}\n", sh_quote(book)?, sh_quote(handler)?))
}

/// A command of a runbook ends with what it likes, but for what says that it was never begun.
const OWN_STATUS: &str = "{ rb_x=$?; case $rb_x in 91|92|98|99) rb_x=90;; esac; exit $rb_x; }";

/// Whether a script that ended with this status had begun its change: it looks at the lock and at the guard before, and
/// at what its one command goes by. (With several files, those before the one that has changed are done.)
pub(super) fn begun(status: i32, change: &Change) -> bool {
    match change {
        Change::Command(_) if status == CHANGED => false,
        _ => !matches!(status, LOST_LOCK | OVER | GONE),
    }
}

/// The sh of one change; `None` for text that no sh can be given (a NUL).
pub fn script(change: &Change, seq: usize, owe: &str) -> Option<String> {
    Some(match change {
        Change::File(f) => file(f, seq, owe)?,
        Change::Unit(u) => {
            let kept = if u.verb.links() {
                ["before", "after"].map(|at| format!("rb_links {seq} {at}\n"))
            } else {
                Default::default()
            };
            let back = match &u.links {
                Some(kept) => format!("rb_links_back {} || ", sh_quote(kept)?),
                None => String::new(),
            };
            format!(
                "{owe}{}{back}rb_verb {} {} || {{ r=$?; [ -n \"$R\" ] || rb_said {2} 8 >&2; exit $r; }}\n{}",
                kept[0],
                u.verb.word(),
                sh_quote(&u.unit)?,
                kept[1],
            )
        }
        Change::Command(c) => {
            let still = match &c.still {
                Some(still) => format!("{} || exit {CHANGED}\n", in_tree(still)?),
                None => String::new(),
            };
            format!("{still}{owe}{} || {OWN_STATUS}\n{}", in_tree(&c.sh)?, flag(c))
        }
    })
}

/// The sh that makes several file changes, tries them with `validate`, and puts all of them back if anything fails: a
/// file that is not what it was, one that cannot be written, or the validation.
pub(super) fn all_or_nothing(changes: &[(usize, &FileChange, String)], validate: &str) -> Option<String> {
    let mut out = String::from("W=\nrb_back() { for w in $W; do (rb_putback $w) || exit 97; done; exit 95; }\n");
    for (_, f, _) in changes {
        let _ = writeln!(
            out,
            "(rb_soft=1; {}) || {{ echo {} has changed since >&2; exit 92; }}",
            same(f)?.trim_end(),
            sh_quote(&f.real)?
        );
    }
    for (seq, f, owe) in changes {
        let _ = writeln!(
            out,
            "(\n{}) || {{ echo {} >&2; rb_back; }}; W=\"{seq} $W\"",
            file(f, *seq, owe)?,
            sh_quote(&f.real)?
        );
    }
    let _ = writeln!(out, "{{ {}; }} >&2 || rb_back", in_tree(validate)?);
    Some(out)
}

/// A runbook's own sh. It runs inside a mounted disk, not beside it, and without what our own scripts need.
fn in_tree(sh: &str) -> Option<String> {
    // From a file of the lock's directory, which only root can read: an argument would show in ps.
    let sh = sh_quote(&format!("{sh}\n"))?;
    let clean = "unset RUNBOOK_PROBE LC_ALL PAGER SYSTEMD_PAGER SYSTEMD_COLORS";
    Some(format!(
        "(umask 077; rb_text {sh} >\"$L/command\") && ({clean}; if [ -n \"$R\" ]; then chroot \"$R\" /bin/sh \"${{L#\"$R\"}}/command\"; else sh \"$L/command\"; fi)"
    ))
}

/// What is noted when it was done.
fn flag(c: &CommandChange) -> String {
    c.flagged().map(|f| format!("rb_flag {} {}\n", f.of, u8::from(f.undone))).unwrap_or_default()
}

/// The sh of a command of the controller, for this machine's own sh; its records are in `state`.
pub(super) fn here(c: &CommandChange, state: &str) -> Option<String> {
    let (state, flag) = (sh_quote(state)?, flag(c));
    Some(format!(
        "S={state}; L=$(mktemp -d) || exit 93\ntrap 'rm -rf \"$L\"' EXIT\n{} || {OWN_STATUS}\n{flag}",
        in_tree(&c.sh)?
    ))
}

/// Fails unless the path is what it was when this was planned.
fn same(f: &FileChange) -> Option<String> {
    let link = matches!(f.before.kind, Kind::Link(_)) || matches!(f.after.kind, Kind::Link(_) | Kind::Absent);
    // What is removed is what was found, at the end of whatever link led there: the link itself is another thing.
    let (path, look) = if link { (&f.real, "l") } else { (&f.path, "f") };
    let path = sh_quote(path)?;
    Some(match &f.before.kind {
        Kind::Absent => format!("rb_same {path} absent '' '' '' '' '' {look}\n"),
        Kind::Link(to) => format!("rb_same {path} link {} '' '' '' '' {look}\n", sh_quote(to)?),
        kind => {
            let (word, sums) = match kind {
                Kind::File(c) => ("file", sums(c)),
                Kind::Directory => ("directory", (String::new(), String::new())),
                _ => ("other", (String::new(), String::new())),
            };
            let mode = f.before.mode.map(|m| format!("{m:o}")).unwrap_or_default();
            // A file that an earlier change of this round makes has an owner that only the target knows.
            let owner = f.before.owner.as_ref().map(|o| format!("{} {}", o.uid, o.gid)).unwrap_or("'' ''".into());
            format!("rb_same {path} {word} {mode} {owner} '{}' '{}' {look}\n", sums.0, sums.1)
        }
    })
}

fn file(f: &FileChange, seq: usize, owe: &str) -> Option<String> {
    let mut out = same(f)?;
    let _ = writeln!(out, "rb_keep {seq}");
    let owner = f.after.owner.as_ref().map(|o| format!("{}:{}", o.uid, o.gid)).unwrap_or_default();
    let there = !matches!(f.before.kind, Kind::Absent | Kind::Link(_));
    if f.immutable && there {
        out.push_str("rb_lift\n");
    }
    let place = if f.in_place { ": >\"$K.over\" && rb_over || exit 93" } else { "rb_swap" };
    let mode = f.after.mode.or(f.before.mode).map(|m| format!("{m:o}"));
    match &f.after.kind {
        Kind::Absent => {
            let _ = writeln!(out, "{owe}rb_remove");
        }
        Kind::Link(to) => {
            let _ = writeln!(out, "{owe}rb_link {}", sh_quote(to)?);
        }
        Kind::File(Content::Bytes(bytes)) if f.after.kind != f.before.kind => {
            let _ = writeln!(out, "rb_candidate\n{{ {}\n}} >\"$C\" || exit 93", text_payload(bytes));
            if let Some(kept) = f.kept.as_deref().filter(|_| f.before.kind == Kind::Absent) {
                let _ = writeln!(out, "rb_acl {}", sh_quote(kept)?);
            }
            let mode = mode.unwrap_or_else(|| "644".into());
            let (sum, attr) = (sha256(bytes), attributes(f)?);
            let _ = writeln!(out, "rb_ready {mode} '{owner}' {sum} {}\n{attr}{owe}{place}", cksum(bytes));
        }
        Kind::File(Content::Digest(sum)) if f.kept.is_some() => {
            let kept = sh_quote(f.kept.as_deref()?)?;
            let mode = mode.unwrap_or_else(|| "600".into());
            let acl = if f.before.kind == Kind::Absent { format!("rb_acl {kept}; ") } else { String::new() };
            let _ = writeln!(out, "rb_candidate\n{acl}rb_real {kept}; cat \"$R$REPLY\" >\"$C\" || exit 93");
            let _ = writeln!(out, "rb_ready {mode} '{owner}' {sum} {sum}\n{}{owe}{place}", attributes(f)?);
        }
        kind => {
            out.push_str(owe);
            if *kind == Kind::Directory && f.before.kind == Kind::Absent {
                out.push_str("mkdir \"$N\" || exit 93\n");
            }
            if !owner.is_empty() {
                let _ = writeln!(out, "rb_own chown {owner} || exit 94");
            }
            if let Some(m) = mode {
                // With five digits and more, GNU's chmod takes a directory's setgid away, too.
                let _ = writeln!(out, "rb_own chmod 00{m} || exit 94");
            }
            out.push_str("sync\n");
        }
    }
    if f.immutable && !matches!(f.after.kind, Kind::Absent | Kind::Link(_)) {
        out.push_str("chattr +i \"$N\" || exit 93\n");
    }
    Some(out)
}

/// What a file gets back beside its bytes, mode and owner.
fn attributes(f: &FileChange) -> Option<String> {
    let Some(kept) = &f.kept else { return Some(String::new()) };
    Some(format!("rb_real {}; rb_attr \"$R$REPLY\" \"$C\"\n", sh_quote(&format!("{kept}.attr"))?))
}

fn sums(c: &Content) -> (String, String) {
    match c {
        Content::Bytes(b) => (sha256(b), cksum(b)),
        Content::Digest(d) => (d.clone(), d.clone()),
    }
}

/// What an exit status of a change's script means, for people: (message, hint).
pub(super) fn failure(status: i32, change: &Change, said: &str) -> (String, Option<String>) {
    let path = if let Change::File(f) = change { f.real.as_str() } else { "" };
    let hint = |h: &str| Some(h.to_owned());
    match status {
        LOST_LOCK => {
            ("another run has taken the lock; nothing more was done".into(), hint("let it finish, then run this again"))
        }
        CHANGED if path.is_empty() => (
            "what it goes by is not what it was when this was planned; it was not run".into(),
            hint("run it again: the new plan starts from what is there now"),
        ),
        CHANGED => (
            format!("{path} is not what it was when this was planned; it was left as it is"),
            hint("run it again: the new plan starts from what is there now"),
        ),
        MOUNTED if !path.is_empty() => (
            format!(
                "{path} is mounted there by itself (a container's, a bind mount) and cannot be replaced; it is untouched"
            ),
            hint("in_place: true of edit, ini and file writes over it: it is not whole while it is written"),
        ),
        NO_ROOM => (
            format!("{path}: the new content could not be written whole; the old file is untouched{}", colon(said)),
            hint("is the disk full (df -h, df -i), read-only (mount), or the file immutable (lsattr)?"),
        ),
        ATTRIBUTES => (
            format!("{path}: owner or mode could not be kept; the old file is untouched{}", colon(said)),
            hint("run it as root"),
        ),
        RESTORED => {
            (format!("the new files did not pass; every file of this step is back as it was{}", colon(said)), None)
        }
        NOT_BACK => (
            format!("the new files did not pass, and not every file could be put back{}", colon(said)),
            hint("what was there before is below /var/lib/runbook/runs on the target"),
        ),
        OVER => ("it was not done: what this round had done before is being taken back".into(), None),
        GONE => (
            "it was not done: the process on the target that would take it back is gone".into(),
            hint("was it ended by somebody, or by the out-of-memory killer? (dmesg)"),
        ),
        NOT_EMPTY => (format!("{path} is a directory with something in it; it was left as it is"), None),
        n => (format!("status {n}{}", colon(said)), None),
    }
}

fn colon(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

/// Whether a state needs bytes that were not brought here.
pub(super) fn bytes_of(s: &FileState) -> Option<&[u8]> {
    s.bytes()
}
