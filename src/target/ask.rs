//! Turns what a plan wants to know into one script for the target (and a few connections from the controller), and
//! the answers into readings.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::channel::{ChannelError, client, net, run_program};
use crate::payload::{sh_quote, text_payload};
use crate::target::files::{Content, FileState, Kind};
use crate::target::frame::{Answer, Status};
use crate::target::probe::{Check, OverlaySpec};
use crate::target::{About, Candidates, Read, Reading, Target};

/// Asks everything at once. `controller` is this machine, for the looks that are made from here.
pub async fn ask(
    target: &Target,
    controller: &Target,
    wanted: Vec<Read>,
) -> Result<Vec<(Read, Reading)>, ChannelError> {
    let (mut far, mut near, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for r in wanted {
        match &r {
            Read::Script { controller: true, .. } => near.push(r),
            Read::Script { .. } => far.push(r),
            _ => rest.push(r),
        }
    }
    let others = async {
        let tasks: Vec<_> = rest.into_iter().map(|r| tokio::spawn(elsewhere(r))).collect();
        let mut out = Vec::new();
        for t in tasks {
            out.push(t.await.map_err(|e| ChannelError::internal(e.to_string()))?);
        }
        Ok::<_, ChannelError>(out)
    };
    let (far, near, rest) = tokio::join!(scripts(target, far), scripts(controller, near), others);
    let mut all = far?;
    all.extend(near?);
    all.extend(rest?);
    Ok(all)
}

async fn scripts(target: &Target, reads: Vec<Read>) -> Result<Vec<(Read, Reading)>, ChannelError> {
    if reads.is_empty() {
        return Ok(Vec::new());
    }
    let mut sets: Vec<Arc<Candidates>> = Vec::new();
    let mut checks = Vec::new();
    for r in &reads {
        let Read::Script { sh, user, deadline, candidates, .. } = r else { continue };
        let overlay = candidates.as_ref().map(|c| {
            sets.iter().position(|s| s == c).unwrap_or_else(|| {
                sets.push(Arc::clone(c));
                sets.len() - 1
            })
        });
        checks.push(Check {
            script: in_root(target.root(), sh, *user),
            isolate: *user,
            deadline: *deadline,
            overlay,
            acts: false,
        });
    }
    let overlays: Option<Vec<_>> = sets.iter().map(|c| overlay(target.root(), c)).collect();
    let overlays = overlays.ok_or_else(|| ChannelError::internal("a path with a NUL"))?;
    let mut answers = Vec::with_capacity(checks.len());
    for part in parts(&checks) {
        answers.extend(target.run(part, &overlays).await?);
    }
    let told = |read: &Read, mut a: Answer| {
        // Only whoever sent the script knows.
        if target.lacks_dev_null() && matches!(read, Read::Script { about: About::Named(n), .. } if n == "facts") {
            a.stdout.extend_from_slice(b"\nnodevnull\n");
        }
        Reading::Output(a)
    };
    Ok(reads.into_iter().zip(answers).map(|(read, a)| (read.clone(), told(&read, a))).collect())
}

/// Checks and bytes of sh that one script carries at most: what is more takes longer than a script is waited for.
const MOST_CHECKS: usize = 512;
const MOST_BYTES: usize = 1 << 20;

/// The checks in parts that each fit a script.
fn parts(checks: &[Check]) -> Vec<&[Check]> {
    let mut out = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (n, check) in checks.iter().enumerate() {
        bytes += check.script.len();
        if n > start && (n - start >= MOST_CHECKS || bytes > MOST_BYTES) {
            out.push(&checks[start..n]);
            (start, bytes) = (n, check.script.len());
        }
    }
    out.push(&checks[start..]);
    out
}

/// A runbook's own command for a mounted disk runs inside it.
fn in_root(root: &str, sh: &str, user: bool) -> String {
    match (user && !root.is_empty(), sh_quote(root), sh_quote(sh)) {
        (true, Some(root), Some(sh)) => {
            // On stdin, for an argument shows in ps; and what it starts reads nothing of it.
            let end = super::nonce();
            format!("exec chroot {root} /bin/sh 3</dev/null <<'{end}'\neval {sh} <&3 3<&-\n{end}\n")
        }
        _ => sh.to_owned(),
    }
}

/// Where to lay an overlay, and how to write the candidates in the merged view.
fn overlay(root: &str, files: &Candidates) -> Option<OverlaySpec> {
    let mut dirs = BTreeSet::new();
    let (mut directories, mut replaced) = (Vec::new(), Vec::new());
    let mut writes = String::new();
    for (path, state) in files {
        let kept = if state.kind == Kind::Directory { &mut directories } else { &mut replaced };
        kept.push(format!("{root}{path}"));
        let mut dir = parent(path);
        while matches!(files.get(dir), Some(s) if s.kind == Kind::Directory) {
            dir = parent(dir);
        }
        dirs.insert(format!("{root}{dir}"));
        writes.push_str(&place(&sh_quote(&format!("{root}{path}"))?, state)?);
    }
    Some(OverlaySpec { dirs: dirs.into_iter().collect(), directories, replaced, writes })
}

/// The sh lines that make a path so, in a place where nobody else looks.
fn place(path: &str, state: &FileState) -> Option<String> {
    let mut out = match &state.kind {
        Kind::Absent => format!("rm -rf {path}\n"),
        Kind::File(Content::Bytes(b)) => format!("{{ {}\n}} >{path}\n", text_payload(b)),
        // What is there, with another mode or owner.
        Kind::File(Content::Digest(_)) | Kind::Other(_) => String::new(),
        Kind::Directory => format!("mkdir -p {path}\n"),
        Kind::Link(to) => return Some(format!("ln -sfn {} {path}\n", sh_quote(to)?)),
    };
    if state.kind != Kind::Absent {
        if let Some(o) = &state.owner {
            out.push_str(&format!("chown {}:{} {path}\n", o.uid, o.gid));
        }
        if let Some(m) = state.mode {
            // With five digits and more, GNU's chmod takes a directory's setgid away, too.
            let zeros = if state.kind == Kind::Directory { "00" } else { "" };
            out.push_str(&format!("chmod {zeros}{m:o} {path}\n"));
        }
    }
    Some(out)
}

/// The directory of a path.
#[must_use]
pub fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(at) => &path[..at],
    }
}

async fn elsewhere(read: Read) -> (Read, Reading) {
    let reading = match &read {
        Read::Knock(k) => net::knock(k).await.map_or_else(Reading::Failed, Reading::Knocks),
        Read::Login(a) => client::try_login(a).await.map_or_else(Reading::Failed, Reading::Login),
        Read::Resolve { host } => net::resolve(host).await.map_or_else(Reading::Failed, Reading::Addresses),
        Read::Program { path, stdin, deadline } => {
            let started = std::time::Instant::now();
            match run_program(&[path.as_str()], stdin.as_bytes(), *deadline).await {
                Ok(o) => Reading::Output(Answer {
                    status: Status::Exit(o.status.unwrap_or(-1)),
                    stdout: o.stdout,
                    stderr: o.stderr,
                    truncated: false,
                    duration: started.elapsed(),
                }),
                Err(e) => Reading::Failed(e.why),
            }
        }
        Read::Script { .. } => Reading::Failed("a script is asked elsewhere".into()),
    };
    (read, reading)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::files::Owner;
    use std::time::Duration;

    #[test]
    fn many_checks_go_in_parts_and_none_is_lost() {
        let check = |size: usize| Check {
            script: "x".repeat(size),
            isolate: true,
            deadline: Duration::from_secs(1),
            overlay: None,
            acts: false,
        };
        let sizes = |checks: &[Check]| parts(checks).iter().map(|p| p.len()).collect::<Vec<_>>();
        assert_eq!(sizes(&vec![check(1); 3]), [3]);
        assert_eq!(sizes(&vec![check(1); 1100]), [512, 512, 76]);
        assert_eq!(sizes(&vec![check(MOST_BYTES / 2); 5]), [2, 2, 1]);
        assert_eq!(sizes(&vec![check(MOST_BYTES + 1); 2]), [1, 1]);
    }

    #[test]
    fn a_file_whose_bytes_are_not_known_keeps_them_and_gets_its_mode_and_owner() {
        let owner = Owner { uid: 0, gid: 7, user: "root".into(), group: "keys".into() };
        let kind = Kind::File(Content::Digest("0123abcd".into()));
        let state = FileState { kind, mode: Some(0o4755), owner: Some(owner) };
        // In this order: chown(2) takes the set-user-ID bit away.
        assert_eq!(place("/usr/sbin/sshd", &state).unwrap(), "chown 0:7 /usr/sbin/sshd\nchmod 4755 /usr/sbin/sshd\n");
    }
}
