//! The probe script: many checks in one `sh` script, run side by side, their answers framed.
//!
//! The script is read by any POSIX shell (dash, bash, busybox ash, ksh) from its standard input;
//! [`super::frame::parse`] reads what comes back. It is one `{ …; exit 0; }`, so the shell has
//! parsed all of it before any part runs. It needs `mkdir`, `rm`, `cp`, `wc`, `cat`, `sleep`; `dd`
//! for output over the cap; `sed` and `grep` to clear away a check that timed out; `unshare`,
//! `mount` and `stat -c` for overlays.
//!
//! Sources: POSIX.1-2024, XCU 2.12 (a subshell resets traps), 2.15 `trap` and `exit` (the EXIT
//! trap sees the status), `wait` (a trapped signal interrupts it), `dd` (`of=` is truncated at
//! `seek=`); proc_pid_stat(5), proc_pid_environ(5), proc_pid_mountinfo(5); unshare(1).

use std::fmt::Write as _;
use std::time::Duration;

use super::probe_sh::{DRIVER, LIBRARY, OVERLAYS, squeeze};
use crate::payload::sh_quote;

/// The bytes of one stream that are sent back; the rest is cut and said to be.
pub const OUTPUT_CAP: u64 = 1 << 20;

/// `ulimit -f` of every check that only looks, in blocks of 512 bytes (bash outside its POSIX mode: 1024).
///
/// Well over the cap, so that only runaway output dies of it (SIGXFSZ), not a long listing. It
/// holds for every file that a check writes.
const FILE_LIMIT: u64 = 16 * OUTPUT_CAP / 512;

/// Checks that run at the same time; the next batch waits for the whole of this one.
const BATCH: usize = 32;

/// One check: a piece of `sh`, its standard input empty.
#[derive(Debug, Clone)]
pub struct Check {
    /// Must parse on its own. Variables and functions that begin with `_` belong to the probe.
    pub script: String,
    /// In a `sh -c` of its own: for everything that a user wrote. Not isolated, a check is a
    /// subshell of the script (fast): a syntax error or `kill $$` in it breaks the whole probe.
    pub isolate: bool,
    /// Rounded up to whole seconds. Then SIGTERM to all its processes, a second later SIGKILL.
    pub deadline: Duration,
    /// The overlay that it sees, as an index into [`Probe::overlays`].
    pub overlay: Option<usize>,
    /// It does more than look: what it writes has no limit.
    pub acts: bool,
}

/// Candidate files laid over the real ones, in a private mount namespace.
#[derive(Debug, Clone, Default)]
pub struct OverlaySpec {
    /// Absolute paths of directories that exist. Everything under them may be written. What is
    /// mounted inside of one shows to the check as it is and cannot be written to, unless its
    /// mount point is listed itself.
    pub dirs: Vec<String>,
    /// Candidates that are directories afterwards; they need not exist. One that is a mount
    /// point is covered like `dirs`, so that its mode and owner can be tried.
    pub directories: Vec<String>,
    /// Every other candidate. What is mounted at or below one does not show: the candidate takes
    /// its place.
    pub replaced: Vec<String>,
    /// A fragment that makes the candidates with ordinary commands (`cat >`, `rm`, `chmod`); a
    /// status other than 0 means that there is no overlay. A path that leads out of `dirs` by a
    /// symbolic link is written for real: resolve it first.
    pub writes: String,
}

/// What one script carries.
#[derive(Debug, Clone, Copy)]
pub struct Probe<'a> {
    /// Letters and digits, new and unguessable for every probe.
    pub nonce: &'a str,
    pub checks: &'a [Check],
    pub overlays: &'a [OverlaySpec],
    /// Functions for the checks that are not isolated and for `writes`.
    pub prelude: &'a str,
}

/// A probe that cannot be put into a script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    #[error("the nonce must be 8 to 64 letters and digits")]
    Nonce,
    #[error("{what} holds a NUL byte, which no shell can read")]
    Nul { what: &'static str },
    #[error("check {index} wants overlay {overlay}, which does not exist")]
    UnknownOverlay { index: usize, overlay: usize },
    #[error("an overlay needs absolute directories, at least one: {dir:?}")]
    OverlayDir { dir: String },
}

/// The whole script, to be given to `sh` on its standard input.
///
/// # Errors
/// What no script can carry; see [`ProbeError`].
pub fn compile(probe: &Probe) -> Result<String, ProbeError> {
    let nonce = probe.nonce;
    let plain = nonce.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !plain || !(8..=64).contains(&nonce.len()) {
        return Err(ProbeError::Nonce);
    }
    if probe.prelude.contains('\0') {
        let what = "the prelude";
        return Err(ProbeError::Nul { what });
    }
    let mut script = String::from("{\n");
    script += &squeeze(LIBRARY)
        .replace("@NONCE@", nonce)
        .replace("@CAP@", &OUTPUT_CAP.to_string())
        .replace("@LIMIT@", &FILE_LIMIT.to_string());
    if probe.overlays.is_empty() {
        script = script + probe.prelude + "\n";
    } else {
        overlays(&mut script, probe)?;
    }
    for (batch, checks) in probe.checks.chunks(BATCH).enumerate() {
        let first = batch * BATCH;
        for (index, check) in (first..).zip(checks) {
            let line = call(index, check, probe.overlays.len())?;
            let acts = if check.acts { " 1" } else { "" };
            script = script + "(_s" + acts + "\n" + &line + "\n)&_a\n";
        }
        script = script + "_g" + &schedule(first, checks) + "\n";
    }
    script += "_f 2>/dev/null\nexit 0\n}\n";
    Ok(script)
}

/// The files that the namespaces read: `p`, the prelude, and a `wK` for every overlay.
fn overlays(script: &mut String, probe: &Probe) -> Result<(), ProbeError> {
    let what = "an overlay";
    let quote = |text: &str| sh_quote(text).ok_or(ProbeError::Nul { what });
    *script += &squeeze(OVERLAYS);
    *script = format!("{script}_V={}\n", quote(&squeeze(DRIVER))?);
    *script = format!("{script}{{\n_p {} >$_d/p", quote(probe.prelude)?);
    for (index, overlay) in probe.overlays.iter().enumerate() {
        let calls = directories(overlay)?
            .iter()
            .map(|(dir, call)| Ok(format!("{call} {}", quote(dir)?)))
            .collect::<Result<Vec<_>, _>>()?
            .join("&&");
        let file = format!("_D() {{ {calls}; }}\n_W() {{ :\n{}\n}}\n_L=1\n", overlay.writes);
        *script = format!("{script}&&\n_p {} >$_d/w{index}", quote(&file)?);
    }
    *script += "\n}||_n 'no room for the candidate files'\n. $_d/p\n";
    Ok(())
}

/// The overlay's directories and what the driver does with each, shallow ones first: a deep one is mounted inside of
/// the merged view.
fn directories(overlay: &OverlaySpec) -> Result<Vec<(&str, &str)>, ProbeError> {
    let mut dirs: Vec<(&str, &str)> = overlay.dirs.iter().map(|d| (d.as_str(), "_B")).collect();
    let bad = if dirs.is_empty() { Some("") } else { None };
    dirs.extend(overlay.directories.iter().map(|d| (d.as_str(), "_C")));
    dirs.extend(overlay.replaced.iter().map(|p| (p.as_str(), "_A")));
    if let Some(dir) = bad.or(dirs.iter().map(|d| d.0).find(|dir| !dir.starts_with('/'))) {
        let dir = dir.to_owned();
        return Err(ProbeError::OverlayDir { dir });
    }
    dirs.sort_by_key(|(dir, _)| dir.split('/').filter(|part| !part.is_empty()).count());
    Ok(dirs)
}

/// What the check's subshell runs.
fn call(index: usize, check: &Check, overlays: usize) -> Result<String, ProbeError> {
    let what = "a check";
    let quoted = sh_quote(&check.script).ok_or(ProbeError::Nul { what })?;
    match check.overlay {
        Some(overlay) if overlay >= overlays => Err(ProbeError::UnknownOverlay { index, overlay }),
        Some(overlay) => {
            let isolate = if check.isolate { "1" } else { "''" };
            Ok(format!("_o {overlay} {isolate} {quoted}"))
        }
        None if check.isolate => Ok(format!("_x {quoted}")),
        None => Ok(check.script.clone()),
    }
}

/// The arguments of `_g`: checks by deadline, each group's seconds counted from the one before.
fn schedule(first: usize, checks: &[Check]) -> String {
    let seconds = |check: &Check| {
        let whole = check.deadline.as_secs();
        let up = u64::from(check.deadline > Duration::from_secs(whole));
        whole.saturating_add(up).max(1)
    };
    let mut order: Vec<(u64, usize)> = checks.iter().map(seconds).zip(first..).collect();
    order.sort_unstable();
    let mut words = String::new();
    let mut now = 0;
    for group in order.chunk_by(|a, b| a.0 == b.0) {
        let at = group.first().map_or(now, |&(at, _)| at);
        // Writing to a String cannot fail.
        let _ = write!(words, " '{}", at - now);
        for (_, index) in group {
            let _ = write!(words, " {index}");
        }
        words.push('\'');
        now = at;
    }
    words
}
