//! The one place that acts: a change in, the sh that makes it so out. Every script first checks that the lock is still
//! ours and that what it replaces is what was planned against.

use std::fmt::Write;

use crate::plan::{Change, FileChange, Planned};
use crate::target::files::{Content, FileState, Kind, cksum, sha256};
use crate::target::parent;
use crate::target::quote::{printf_payload, sh_quote};

/// The lock is somebody else's by now.
pub const LOST_LOCK: i32 = 91;
/// The file is not what it was when it was planned.
pub const CHANGED: i32 = 92;
/// The candidate could not be written whole.
pub const NO_ROOM: i32 = 93;
/// Owner or mode could not be kept.
pub const ATTRIBUTES: i32 = 94;
/// The validation failed after the write; everything was put back.
pub const RESTORED: i32 = 95;

/// What the scripts share. `RUN` is the run's id, `R` the mounted disk's root or empty.
///
/// * `rb_state` sets `S`, where runs are recorded: /var/lib/runbook, else the user's own state directory.
/// * `rb_ours` fails unless the lock is this run's, and renews it.
/// * `rb_same PATH KIND MODE UID GID SHA256 CKSUM` fails unless that is what is there.
/// * `rb_keep SEQ` saves what is at `P` before it is replaced.
/// * `rb_candidate SEQ` sets `C`, a file beside `P` with its owner, mode, ACL and extended attributes (`cp -a`; where that
///   cannot keep them, getfacl(1) and getfattr(1) if they are there).
/// * `rb_swap MODE OWNER SHA256 CKSUM` checks the candidate and puts it in place: fsync, rename(2), directory fsync.
/// * `rb_room`: see [`room`]; `rb_prune` keeps the newest thirty runs.
/// * `rb_owe`, `rb_paid`: handlers that were notified and did not run yet.
pub const FUNCTIONS: &[(&str, &str)] = &[
    (
        "rb_state",
        r#"rb_state() { S=$R/var/lib/runbook; (umask 022; mkdir -p "$R/var/lib") 2>/dev/null; mkdir -m 700 "$S" 2>/dev/null; [ -w "$S" ] && return; [ -z "$R" ] && S=${XDG_STATE_HOME:-$HOME/.local/state}/runbook && mkdir -p "$S" && [ -w "$S" ]; }
"#,
    ),
    (
        "rb_where",
        r#"rb_where() { if [ -n "$R" ]; then rb_state; L=$S/lock; else for L in /run /dev/shm "${TMPDIR:-/tmp}"; do [ -w "$L" ] && break; done; L=$L/runbook.lock; fi; }
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
        "rb_same",
        r#"rb_same() { rb_real "$1" "$8"; P=$R$REPLY; D=${P%/*}; N=${P##*/}
case $2 in
absent) [ ! -e "$P" ] && [ ! -L "$P" ];;
link) [ "$(readlink "$P")" = "$3" ];;
*) [ "$(stat -c '%a %u %g' "$P")" = "$3 $4 $5" ] && case $2 in file) [ -f "$P" ] && rb_digest "$P" "$6" "$7";; directory) [ -d "$P" ];; esac;;
esac || exit 92; }
"#,
    ),
    (
        "rb_keep",
        r#"rb_keep() { mkdir -p -m 700 "$S/runs" "$S/runs/$RUN" || exit 93
K=$S/runs/$RUN/$1; (umask 077; { echo "$P"; stat -c '%F|%a|%u|%g' "$P" 2>/dev/null || echo absent; [ ! -L "$P" ] || readlink "$P"; } >"$K.meta"
[ ! -f "$P" ] || cat "$P" >"$K"
if command -v getfacl >/dev/null && [ -e "$P" ]; then getfacl -np "$P" >"$K.acl" 2>/dev/null; fi) || exit 93
[ ! -f "$P" ] || cmp -s "$P" "$K" || exit 93; sync "$K" 2>/dev/null || sync; }
"#,
    ),
    (
        "rb_candidate",
        r#"rb_candidate() { C=$D/.$N.runbook-$RUN; echo "$C" >"$L/candidate"; trap 'rm -f "$C" "$L/busy"' EXIT
if [ -f "$P" ]; then cp -a "$P" "$C" 2>/dev/null || cp -p "$P" "$C" || exit 93
if command -v getfacl >/dev/null && command -v setfacl >/dev/null; then getfacl -np "$P" 2>/dev/null | (cd "$D" && setfacl --set-file=- "$C") 2>/dev/null; fi
else (umask 077; : >"$C") || exit 93; fi; }
"#,
    ),
    (
        "rb_swap",
        r#"rb_swap() { rb_digest "$C" "$3" "$4" || exit 93
if [ -n "$2" ]; then chown "$2" "$C" || exit 94; fi
chmod "$1" "$C" || exit 94
if [ -f "$P" ] && [ -z "$2" ] && [ "$(stat -c '%u %g' "$C")" != "$(stat -c '%u %g' "$P")" ]; then exit 94; fi
sync "$C" 2>/dev/null || sync; mv -f "$C" "$P" || exit 93; sync "$D" 2>/dev/null || sync; rm -f "$L/candidate"; }
"#,
    ),
    (
        "rb_putback",
        r#"rb_putback() { K=$S/runs/$RUN/$1; { read -r P; IFS='|' read -r rb_k rb_m rb_u rb_g; } <"$K.meta"; D=${P%/*}; N=${P##*/}
if [ "$rb_k" = absent ]; then rm -f "$P"; else rb_candidate; cat "$K" >"$C" && chown "$rb_u:$rb_g" "$C" && chmod "$rb_m" "$C" && sync && mv -f "$C" "$P"; fi; }
"#,
    ),
    (
        "rb_room",
        r#"rb_room() { rb_k=$1; shift; for rb_d; do while [ ! -d "$R$rb_d" ] && [ -n "$rb_d" ]; do rb_d=${rb_d%/*}; done
rb_f=$(df -Pk "$R${rb_d:-/}" | sed -n '2s/.* \([0-9][0-9]*\)  *[0-9]*% .*/\1/p')
if [ -n "$rb_f" ] && [ "$rb_f" -lt "$rb_k" ]; then echo "$rb_f ${rb_d:-/}"; rb_g=1; fi; done
[ -z "$rb_g" ] || (cd "$R/" && du -sk var/cache/apt/archives var/log/journal var/tmp var/crash 2>/dev/null | sort -rn | head -n 1); }
"#,
    ),
    (
        "rb_prune",
        r#"rb_prune() { rb_state && [ -d "$S/runs" ] || return 0; (cd "$S/runs" && for rb_r in 2*; do echo "$rb_r"; done | sort -r | sed -n '31,$p' | while read -r rb_r; do rm -rf "./$rb_r"; done); }
"#,
    ),
    (
        "rb_owe",
        r#"rb_owe() { if ! grep -qsx "owed $RUN $1 $2" "$S/owed"; then (umask 077; echo "owed $RUN $1 $2" >>"$S/owed") || exit 93; fi; }
"#,
    ),
    (
        "rb_paid",
        r#"rb_paid() { [ -f "$S/owed" ] || return 0; grep -v "^owed [^ ]* $1 $2\$" "$S/owed" >"$S/owed.new"; if [ -s "$S/owed.new" ]; then mv -f "$S/owed.new" "$S/owed"; else rm -f "$S/owed" "$S/owed.new"; fi; }
"#,
    ),
];

/// The sh that says where the round's files do not fit: `KB_FREE DIRECTORY`, and then what could go instead.
///
/// `rb_room KB DIRECTORY…` looks at each directory (its nearest ancestor that exists) and at the runs' own place.
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

/// What every acting script starts with.
pub(super) fn head(run: &str) -> String {
    format!("RUN={run}; umask 022; rb_ours\n")
}

/// The handlers that a change notifies, as the target's own record has them.
pub(super) fn owe(book: &str, handlers: &[String]) -> Option<String> {
    handlers.iter().map(|h| Some(format!("rb_owe {} {}\n", sh_quote(book)?, sh_quote(h)?))).collect()
}

/// A handler has run.
pub(super) fn paid(book: &str, handler: &str) -> Option<String> {
    Some(format!("rb_paid {} {}\n", sh_quote(book)?, sh_quote(handler)?))
}

/// The sh of one change; `None` for text that no sh can be given (a NUL).
pub(super) fn script(change: &Change, seq: usize, owe: &str) -> Option<String> {
    Some(match change {
        Change::File(f) => file(f, seq, owe)?,
        Change::Unit(u) => format!(
            "{owe}rb_verb {} {} || {{ r=$?; [ -n \"$R\" ] || journalctl -u {1} -n 8 -o cat --no-pager -b >&2 2>/dev/null; exit $r; }}\n",
            u.verb.word(),
            sh_quote(&u.unit)?
        ),
        Change::Command(c) => format!("{owe}{}\n", in_tree(&c.sh)?),
    })
}

/// The sh that makes several file changes, tries them with `validate`, and puts all of them back if that fails.
pub(super) fn all_or_nothing(changes: &[(usize, &FileChange, String)], validate: &str) -> Option<String> {
    let mut out = String::new();
    for (seq, f, owe) in changes {
        out.push_str(&file(f, *seq, owe)?);
    }
    let back: Vec<String> = changes.iter().rev().map(|c| format!("rb_putback {}", c.0)).collect();
    let _ = writeln!(out, "{{ {}; }} >&2 || {{ {}; exit {RESTORED}; }}", in_tree(validate)?, back.join("; "));
    Some(out)
}

/// A runbook's own sh runs inside a mounted disk, not beside it.
fn in_tree(sh: &str) -> Option<String> {
    let sh = sh_quote(sh)?;
    Some(format!("if [ -n \"$R\" ]; then chroot \"$R\" /bin/sh -c {sh}; else sh -c {sh}; fi"))
}

fn file(f: &FileChange, seq: usize, owe: &str) -> Option<String> {
    let path = sh_quote(&f.path)?;
    let look = if matches!(f.before.kind, Kind::Link(_)) || matches!(f.after.kind, Kind::Link(_) | Kind::Absent) {
        " l"
    } else {
        " f"
    };
    let mut out = match &f.before.kind {
        Kind::Absent => format!("rb_same {path} absent '' '' '' '' ''{look}\n"),
        Kind::Link(to) => format!("rb_same {path} link {} '' '' '' ''{look}\n", sh_quote(to)?),
        kind => {
            let (word, sums) = match kind {
                Kind::File(c) => ("file", sums(c)),
                _ => ("directory", (String::new(), String::new())),
            };
            let o = f.before.owner.as_ref()?;
            format!("rb_same {path} {word} {:o} {} {} '{}' '{}'{look}\n", f.before.mode?, o.uid, o.gid, sums.0, sums.1)
        }
    };
    let _ = write!(out, "rb_keep {seq}\n{owe}");
    let owner = f.after.owner.as_ref().map(|o| format!("{}:{}", o.uid, o.gid)).unwrap_or_default();
    let mode = f.after.mode.or(f.before.mode).map(|m| format!("{m:o}"));
    match &f.after.kind {
        Kind::Absent => out.push_str(
            "if [ -d \"$P\" ] && [ ! -L \"$P\" ]; then rmdir \"$P\"; else rm -f \"$P\"; fi || exit 93\nsync\n",
        ),
        Kind::Link(to) => {
            let _ = writeln!(
                out,
                "C=$D/.$N.runbook-$RUN; ln -s {} \"$C\" || exit 93; mv -fT \"$C\" \"$P\" 2>/dev/null || {{ rm -f \"$P\" && mv \"$C\" \"$P\"; }} || exit 93; sync",
                sh_quote(to)?
            );
        }
        Kind::File(Content::Bytes(bytes)) if f.after.kind != f.before.kind => {
            let _ = writeln!(out, "rb_candidate\n{{ {}\n}} >\"$C\" || exit 93", printf_payload(bytes));
            let _ = writeln!(out, "rb_swap {} '{owner}' {} {}", mode?, sha256(bytes), cksum(bytes));
        }
        kind => {
            if *kind == Kind::Directory && f.before.kind == Kind::Absent {
                out.push_str("mkdir \"$P\" || exit 93\n");
            }
            if !owner.is_empty() {
                let _ = writeln!(out, "chown {owner} \"$P\" || exit 94");
            }
            if let Some(m) = mode {
                let _ = writeln!(out, "chmod {m} \"$P\" || exit 94");
            }
            out.push_str("sync\n");
        }
    }
    Some(out)
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
        CHANGED => (
            format!("{path} is not what it was when this was planned; it was left as it is"),
            hint("run it again: the new plan starts from what is there now"),
        ),
        NO_ROOM => (
            format!("{path}: the new content could not be written whole; the old file is untouched{}", colon(said)),
            hint("free some space (df -h, df -i), or see whether the file system is read-only"),
        ),
        ATTRIBUTES => (
            format!("{path}: owner or mode could not be kept; the old file is untouched{}", colon(said)),
            hint("run it as root"),
        ),
        RESTORED => {
            (format!("the new files did not pass; every file of this step is back as it was{}", colon(said)), None)
        }
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
