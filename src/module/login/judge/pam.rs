//! What PAM's account modules say: nologin, access, expiry.

use super::{Judge, Obstacle, day_of};
use crate::edit::hosts_access::Truth;
use crate::edit::references::PamLine;
use crate::module::login::names::{self, Who};
use crate::module::login::seen::{Account, Shadow};

impl Judge<'_> {
    /// pam_nologin(8); without PAM sshd looks at /etc/nologin itself.
    pub(super) fn nologin(&self, account: &Account) -> Option<Obstacle> {
        let seen = self.seen;
        let heeds = |path: &str| {
            if seen.is("usepam") { self.asks("pam_nologin.so") } else { path == "/etc/nologin" }
        };
        let (path, text) = seen.nologin.iter().find(|(p, _)| account.uid != 0 && heeds(p))?;
        let says = if text.is_empty() { String::new() } else { format!(": \"{text}\"") };
        let what = format!("only root may log in while {path} is there{says}");
        if seen.shutdown {
            return Some(
                Obstacle::new("going_down", format!("the host is about to go down; {what}"))
                    .todo("if that is not meant: shutdown -c"),
            );
        }
        if !matches!(seen.system.as_str(), "running" | "degraded") {
            let job = if seen.job.is_empty() { String::new() } else { format!(", and waits for {}", seen.job) };
            let system = if seen.system.is_empty() { "not up" } else { &seen.system };
            let what = format!("the system is still {system}{job}; {what}");
            return Some(
                Obstacle::new("booting", what)
                    .todo("see what its start waits for: systemctl list-jobs; systemctl --failed"),
            );
        }
        // What systemd makes has these words (systemd-nologin.conf of tmpfiles.d; logind); any other were meant by somebody.
        let systemds = ["System is booting up.", "System is going down."].iter().any(|w| text.starts_with(w));
        let kind = if path == "/etc/nologin" || !systemds { "closed" } else { "nologin" };
        Some(
            Obstacle::new(kind, what)
                .with("path", path.clone())
                .todo(format!("if nobody wants it so any longer: rm {path}")),
        )
    }

    /// pam_access(8): the first line that speaks of the user decides; without one all is well.
    pub(super) fn access(&self) -> Option<Obstacle> {
        let seen = self.seen;
        if !self.asks("pam_access.so") {
            return None;
        }
        let who = Who { name: self.asked.name, groups: &seen.groups, client: seen.client };
        let judged = seen.access.iter().filter_map(|l| Some((l, names::access(&l.2, &who)?)));
        // A line that may speak of the user hides what comes after it.
        let (l, (fits, lets)) = judged.into_iter().find(|(_, (fits, _))| *fits != Truth::No)?;
        let (file, line, text) = Some(l).filter(|_| fits == Truth::Yes && !lets)?;
        let what = format!("PAM does not let {} in: {file}:{line} says \"{}\"", self.asked.name, text.trim());
        let todo = format!("if that is no longer meant, put before that line: + : {} : ALL", self.asked.name);
        Some(Obstacle::new("access", what).with("file", file.clone()).with("line", *line).todo(todo))
    }

    /// pam_limits(8): a user who may have no session, or no process, is let in and gets nothing.
    pub(super) fn limits(&self, account: &Account) -> Option<Obstacle> {
        let (name, seen) = (self.asked.name, self.seen);
        let asked = |l: &PamLine| l.stack == "session" && l.module.rsplit('/').next() == Some("pam_limits.so");
        // What `*` says does not hold for root.
        if account.uid == 0 || !seen.is("usepam") || !self.pam.iter().any(asked) {
            return None;
        }
        let of = |domain: &str| match domain.strip_prefix('@') {
            Some(group) => seen.groups.iter().any(|g| g == group),
            None => domain == "*" || domain == name,
        };
        let (file, line, text) = seen.limits.iter().find(|l| l.2.split_whitespace().next().is_some_and(of))?;
        let what = format!("{name} is let in and gets no session: {file}:{line} says \"{}\"", text.trim());
        let todo = format!("if that is no longer meant, take that line out: sed -i '{line}s/^/#/' {file}");
        Some(Obstacle::new("limit", what).with("file", file.clone()).with("line", *line).with("meant", true).todo(todo))
    }

    pub(super) fn expiry(&self) -> Option<Obstacle> {
        let (name, seen) = (self.asked.name, self.seen);
        let s: &Shadow = seen.shadow.as_ref()?;
        let day = |n: i64| day_of(n).map(|d| d.to_string()).unwrap_or_default();
        let chage = |option: &str, new: &str, old: String| {
            (format!("chage {option} {new} {name}"), format!("chage {option} {old} {name}"))
        };
        let expired = |what: String, (command, undo): (String, String)| {
            let todo = format!("if it is to be used again: {command}");
            Obstacle::new("expired", what).todo(todo).with("command", command).with("undo", undo)
        };
        if let Some(end) = s.expires.filter(|e| *e >= 0 && seen.today >= *e) {
            return Some(expired(
                format!("{name}'s account has expired on {}", day(end)),
                chage("--expiredate", "-1", day(end)),
            ));
        }
        if !seen.is("usepam") {
            return None;
        }
        let (changed, max) = (s.changed?, s.max.filter(|m| *m >= 0 && *m < 99_999));
        if changed == 0 {
            let what =
                format!("a new password is to be chosen by {name} at the next login, which works on a terminal only");
            let (command, undo) =
                (format!("chage --lastday {} {name}", day(seen.today)), chage("--lastday", "0", "0".into()).1);
            return Some(
                Obstacle::new("aged", what)
                    .todo(format!(
                        "log in on a terminal (ssh -t), or choose one: passwd {name}; or let the old one do: {command}"
                    ))
                    .with("command", command)
                    .with("undo", undo),
            );
        }
        let end = changed + max?;
        if seen.today <= end {
            return None;
        }
        if let Some(inactive) = s.inactive.filter(|i| *i >= 0 && seen.today > end + *i) {
            let what = format!("{name}'s password has run out on {}, and the account {inactive} days later", day(end));
            return Some(expired(what, chage("--inactive", "-1", inactive.to_string())));
        }
        let (command, undo) = chage("--maxdays", "-1", max.unwrap_or(-1).to_string());
        let what =
            format!("{name}'s password has run out on {}: a login works on a terminal only, to change it", day(end));
        Some(
            Obstacle::new("aged", what)
                .todo(format!("change it (passwd {name}), or let it be: {command}"))
                .with("command", command)
                .with("undo", undo),
        )
    }
}
