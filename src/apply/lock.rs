//! One run per target at a time.
//!
//! The lock is a directory (mkdir(2) is atomic) that names its holder. It is stale when the target was booted since,
//! when its holder was a run of this very machine whose process is gone, or when nothing was heard of it for
//! [`STALE_AFTER`] seconds. It is taken over only once no script of the old run is still at work there.

use crate::payload::sh_quote;

/// Seconds without a sign of life after which a lock counts as left behind.
pub const STALE_AFTER: u64 = 900;

/// Who holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The run's id.
    pub run: String,
    /// user@host, for people.
    pub who: String,
    /// The controller: its boot id and its process namespace, which tell machines, boots and containers apart.
    pub controller: String,
    /// The process on the controller.
    pub pid: u32,
}

impl Holder {
    fn line(&self) -> String {
        format!("{} {} {} {}", self.run, self.who, self.controller, self.pid)
    }
    fn parse(line: &str) -> Option<Self> {
        let f: Vec<&str> = line.split(' ').collect();
        let [run, who, controller, pid] = f.try_into().ok()?;
        Some(Self { run: run.into(), who: who.into(), controller: controller.into(), pid: pid.parse().ok()? })
    }
}

/// What came of trying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// It is ours.
    Ours,
    /// Somebody else's: who, seconds since their last sign of life, whether a script of theirs is at work.
    Held(Option<Holder>, u64, bool),
    /// It could not be made.
    Failed(String),
}

/// The functions of the lock's scripts: `rb_lock LINE` takes it, and forgets the oldest runs; `rb_steal RUN LINE` takes it from a run that is gone
/// and clears what that left half done; `rb_clear` is what both it and the release do.
pub const FUNCTIONS: &[(&str, &str)] = &[
    (
        "rb_lock",
        r#"rb_lock() { rb_where
if mkdir -m 700 "$L" 2>/dev/null; then printf '%s\n' "$1" >"$L/holder" || { rm -rf "$L"; return 1; }; rb_beat && echo ours && rb_prune && echo "$S"; rm -rf "$S/left"; rb_g=; read -r rb_g _ 2>/dev/null <"$S/guard/run" && echo "guard $rb_g"; return 0; fi
[ -d "$L" ] || { echo "cannot make $L" >&2; return 1; }
rb_b=0; read -r rb_b 2>/dev/null <"$L/beat"; rb_u=0; read -r rb_u _ </proc/uptime; case $rb_b in ''|*[!0-9]*) rb_b=0;; esac
rb_a=; if read -r rb_p 2>/dev/null <"$L/busy" && kill -0 "$rb_p" 2>/dev/null; then rb_a=busy; fi
echo "held $((${rb_u%.*}-rb_b)) ${rb_a:-idle}"; cat "$L/holder" 2>/dev/null; :; }
"#,
    ),
    (
        "rb_clear",
        r#"rb_clear() { if IFS= read -r rb_c 2>/dev/null <"$L/candidate"; then case $rb_c in */.*.runbook-*) (P=$rb_c; R=; rb_in && rm -rf "$N");; esac; fi; rm -rf "$L"; }
"#,
    ),
    (
        "rb_steal",
        r#"rb_steal() { rb_where; read -r rb_h _ <"$L/holder"; [ "$rb_h" = "$1" ] || { rb_lock "$2"; return; }
if read -r rb_p 2>/dev/null <"$L/busy" && kill -0 "$rb_p" 2>/dev/null; then rb_lock "$2"; return; fi
rb_clear; rb_lock "$2"; }
"#,
    ),
];

/// The sh that takes the lock.
#[must_use]
pub fn take(holder: &Holder) -> String {
    format!("umask 022; rb_lock {}", sh_quote(&holder.line()).unwrap_or_default())
}

/// The sh that takes it from a run that is gone.
#[must_use]
pub fn steal(from: &str, holder: &Holder) -> String {
    format!(
        "umask 022; rb_steal {} {}",
        sh_quote(from).unwrap_or_default(),
        sh_quote(&holder.line()).unwrap_or_default()
    )
}

/// The sh that gives it back. One that is gone already (a reboot, an answer that was lost) is given back.
#[must_use]
pub fn release(run: &str) -> String {
    format!("rb_where; [ -d \"$L\" ] || exit 0; read -r h _ <\"$L/holder\" && [ \"$h\" = {run} ] && rb_clear")
}

/// Where the target keeps its part of the record, as [`take`] and [`steal`] print it below `ours`.
#[must_use]
pub fn kept(stdout: &str) -> Option<&str> {
    stdout.lines().nth(1).filter(|l| l.starts_with('/'))
}

/// The run whose round nobody has confirmed yet, as [`take`] and [`steal`] print it.
#[must_use]
pub fn guard(stdout: &str) -> Option<&str> {
    stdout.lines().find_map(|l| l.strip_prefix("guard "))
}

/// Reads what [`take`] and [`steal`] print.
#[must_use]
pub fn parse(stdout: &str, stderr: &str) -> Attempt {
    let mut lines = stdout.lines();
    let first = lines.next().unwrap_or_default();
    let mut words = first.split(' ');
    match words.next() {
        Some("ours") => Attempt::Ours,
        Some("held") => {
            let age = words.next().and_then(|w| w.parse::<i64>().ok()).map_or(0, |n| n.max(0).unsigned_abs());
            Attempt::Held(lines.next().and_then(Holder::parse), age, words.next() == Some("busy"))
        }
        _ => Attempt::Failed(crate::plan::first_line(stderr.as_bytes())),
    }
}

/// Whether a holder is gone for certain, or given up. `live`: the target runs. `me` is the run that asks; `alive` tells whether a process of this
/// machine runs.
#[must_use]
pub fn stale(h: Option<&Holder>, age: u64, live: bool, me: &Holder, alive: impl Fn(u32) -> bool) -> bool {
    match h {
        Some(h) if h.controller == me.controller => !alive(h.pid),
        // A mounted disk has no clock and no tmpfs of its own: another boot of whoever mounts it is another world.
        Some(_) => !live || age > STALE_AFTER,
        // Killed between making the directory and writing its holder, or not yet done with it: the caller waits first.
        None => true,
    }
}

/// This process, as a holder.
#[must_use]
pub fn me(run: &str) -> Holder {
    // Containers of one machine share its boot, and count processes each for themselves.
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let boot = format!("{}/{}", boot.trim(), space.display());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "someone".into());
    let word = |s: &str, or: &str| {
        let t: String = s.trim().chars().filter(|c| !c.is_whitespace()).collect();
        if t.is_empty() { or.to_owned() } else { t }
    };
    Holder {
        run: run.to_owned(),
        who: format!("{}@{}", word(&user, "someone"), word(&host, "somewhere")),
        controller: word(&boot, "unknown"),
        pid: std::process::id(),
    }
}

/// Whether a process of this machine runs.
#[must_use]
pub fn alive(pid: u32) -> bool {
    // Another program may have got the number since.
    let name = |p: String| std::fs::read_to_string(format!("/proc/{p}/comm")).ok();
    let own = name("self".into());
    name(pid.to_string()).is_some_and(|n| Some(n) == own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(pid: u32, controller: &str) -> Holder {
        Holder { run: "r1".into(), who: "a@b".into(), controller: controller.into(), pid }
    }

    #[test]
    fn a_holder_survives_the_line() {
        let h = holder(7, "boot");
        let a = parse(&format!("held 12 busy\n{}\n", h.line()), "");
        assert_eq!(a, Attempt::Held(Some(h), 12, true));
        assert_eq!(parse("", "cannot make /run/runbook.lock"), Attempt::Failed("cannot make /run/runbook.lock".into()));
    }

    #[test]
    fn stale_is_only_what_is_gone() {
        let me = holder(1, "here");
        assert!(stale(Some(&holder(7, "here")), 1, true, &me, |_| false));
        assert!(!stale(Some(&holder(7, "here")), 5000, true, &me, |_| true));
        assert!(!stale(Some(&holder(7, "there")), 100, true, &me, |_| false));
        assert!(stale(Some(&holder(7, "there")), 1000, true, &me, |_| true));
    }
}
