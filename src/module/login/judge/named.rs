//! What the lines of sshd, PAM and passwd(5) name, and what does not exist or is not to be trusted there.
//!
//! Sources: `user_key_allowed2` and `auth_key_is_revoked` (auth2-pubkey.c, auth.c: a list of revoked keys that cannot be read
//! revokes every key), `subprocess` (misc.c: the command's path must be root's up to `/`), `safely_chroot` (session.c),
//! `do_exec` (session.c) of OpenSSH; pam.conf(5), and libpam's `_pam_load_module`: a module that cannot be loaded fails.

use super::{Judge, Obstacle, policy};
use crate::edit::references::{NamedKind, PamLine, Reference, pam_references, sshd_references};
use crate::edit::sshd_config::canonical;
use crate::module::login::seen::{Account, Part};
use crate::module::references::MissingReference;
use crate::target::existence::{Existence, Stat};

/// A path and the directories above it, itself first, `/` last.
fn upwards(path: &str) -> impl Iterator<Item = &str> {
    let clean = path.trim_end_matches('/');
    std::iter::successors(Some(if clean.is_empty() { "/" } else { clean }), |p| match *p {
        "/" => None,
        p => Some(p.rfind('/').filter(|at| *at > 0).map_or("/", |at| &p[..at])),
    })
}

impl Judge<'_> {
    /// The lines that count for this user, by what `sshd -T` says for it.
    fn references(&self) -> Vec<Reference> {
        let counts = |r: &Reference| {
            let key = canonical(&r.keyword);
            self.seen.all(&key).any(|v| v.split_whitespace().any(|w| w.trim_matches('"') == r.name))
        };
        sshd_references(self.tree).into_iter().filter(counts).collect()
    }

    /// The modules that decide whether this user gets in: `account`, and `auth` for a password.
    fn pam_lines(&self) -> impl Iterator<Item = &PamLine> {
        let counts = |l: &&PamLine| l.stack == "account" || l.stack == "auth" && self.asked.password;
        self.pam.iter().filter(move |l| self.seen.is("usepam") && counts(l))
    }

    /// All that has to be asked before anybody can judge.
    pub fn names(&self) -> Vec<(NamedKind, String)> {
        let mut out: Vec<(NamedKind, String)> = self.references().into_iter().map(|r| (r.kind, r.name)).collect();
        let lines: Vec<PamLine> = self.pam_lines().cloned().collect();
        out.extend(pam_references(&lines).into_iter().map(|r| (r.kind, r.name)));
        let Some(account) = &self.seen.account else { return out };
        let mut path = |p: &str| out.extend(upwards(p).map(|p| (NamedKind::File, p.to_owned())));
        if let Some(program) = self.keys_command() {
            path(program);
        }
        if let Some(root) = self.chroot(account) {
            path(&root);
            path(&format!("{}{}", root.trim_end_matches('/'), account.shell));
        }
        out.push((NamedKind::Directory, account.home.clone()));
        out.push((NamedKind::File, account.shell.clone()));
        out.push((NamedKind::File, account.shell.trim_end().to_owned()));
        out.extend(self.files().filter(|f| f.listed && f.absent).map(|f| (NamedKind::File, f.name.clone())));
        out.retain(|(_, name)| !name.is_empty() && !name.contains('\n'));
        out.sort_unstable();
        out.dedup();
        out
    }

    fn missing(&self, reference: Reference) -> Option<MissingReference> {
        let absence = self.exists.absence(reference.kind, &reference.name)?.clone();
        Some(MissingReference { reference, absence })
    }

    /// What is there in place of a file that does not exist, in words that follow "does not exist".
    pub(super) fn instead(&self, path: &str) -> String {
        self.exists.absence(NamedKind::File, path).map(|a| a.detail(path)).unwrap_or_default()
    }

    /// Whether sshd finds a key of the user's in a file.
    fn has_own_keys(&self) -> bool {
        self.files().any(|f| f.listed && f.keys.own().next().is_some())
    }

    fn keys_command(&self) -> Option<&str> {
        let value = self.seen.setting("authorizedkeyscommand");
        value.split_whitespace().next().filter(|p| p.starts_with('/'))
    }

    /// ChrootDirectory with its tokens (sshd_config(5), TOKENS).
    fn chroot(&self, account: &Account) -> Option<String> {
        let value = self.seen.setting("chrootdirectory");
        let path = value
            .replace("%u", self.asked.name)
            .replace("%h", &account.home)
            .replace("%U", &account.uid.to_string())
            .replace("%%", "%");
        path.starts_with('/').then_some(path)
    }

    /// Lines of sshd's that name what does not exist.
    pub(super) fn named(&self) -> Vec<Obstacle> {
        let name = self.asked.name;
        let mut out = Vec::new();
        for missing in self.references().into_iter().filter_map(|r| self.missing(r)) {
            let (thing, line) = (missing.reference.name.clone(), missing.describe());
            let at = |o: Obstacle| o.with("file", missing.reference.file.clone()).with("line", missing.reference.line);
            let near = missing.absence.neighbour(&thing);
            let (what, todo) = match canonical(&missing.reference.keyword).as_str() {
                "revokedkeys" if !self.asked.password => (
                    format!("sshd refuses every key, as it cannot read the list of revoked ones: {line}"),
                    match near {
                        Some(near) => format!("if {near} is the list: name it in that line"),
                        None => format!(
                            "put the list back from a backup or another host; where nothing was revoked, an empty one says so: install -m 644 /dev/null {thing}"
                        ),
                    },
                ),
                "forcecommand" => (
                    format!("every login of {name} ends at once: {line}"),
                    near.map_or_else(
                        || "put that program back, or take the line out".to_owned(),
                        |near| format!("if {near} is meant: name it in that line"),
                    ),
                ),
                "subsystem" if matches!(self.seen.setting("forcecommand"), "" | "none") => (
                    format!("{name} may log in, and sftp and scp end at once: {line}"),
                    "let sshd do it itself: Subsystem sftp internal-sftp".to_owned(),
                ),
                "authorizedkeyscommand" | "authorizedkeyscommanduser"
                    if !self.asked.password && !self.has_own_keys() =>
                {
                    (
                        format!("sshd gets no keys from its command: {line}"),
                        near.map_or_else(
                            || "put it back, or give the user a file of keys".to_owned(),
                            |near| format!("if {near} is meant: name it in that line"),
                        ),
                    )
                }
                "trustedusercakeys" if !self.asked.password && !self.has_own_keys() => (
                    format!("sshd trusts no certificate: {line}"),
                    "put the authority's public key back there".to_owned(),
                ),
                _ => continue,
            };
            out.push(at(Obstacle::new("named", what).todo(todo)));
        }
        out
    }

    /// Modules of PAM that do not exist, where a line cannot do without.
    pub(super) fn modules(&self) -> Vec<Obstacle> {
        let needed = |l: &&PamLine| match l.control.as_str() {
            "optional" | "sufficient" => false,
            bracket => !bracket.contains("default=ignore") && !bracket.contains("module_unknown=ignore"),
        };
        let lines: Vec<PamLine> = self.pam_lines().filter(needed).cloned().collect();
        let missing = pam_references(&lines).into_iter().filter_map(|r| self.missing(r));
        missing
            .map(|m| {
                let r = &m.reference;
                let hint =
                    if r.name.contains("pam_tally") { "pam_faillock took its place in Linux-PAM 1.4; " } else { "" };
                Obstacle::new("named", format!("PAM lets nobody in: {}", m.describe()))
                    .with("file", r.file.clone())
                    .with("line", r.line)
                    .todo(format!(
                        "{hint}install the package with that module, or take the line out: sed -i '{}s/^/#/' {}",
                        r.line, r.file
                    ))
            })
            .collect()
    }

    /// The home directory, where all of the user's keys would be in it.
    pub(super) fn home(&self, account: &Account) -> Option<Obstacle> {
        let (name, home) = (self.asked.name, &account.home);
        let absence = self.exists.absence(NamedKind::Directory, home)?;
        let below = |f: &str| f.strip_prefix(home.as_str()).is_some_and(|r| r.starts_with('/'));
        if self.asked.password || !self.files().filter(|f| f.listed).all(|f| below(&f.name)) || self.beyond().is_some()
        {
            return None;
        }
        let what = format!(
            "{name}'s home is missing, and sshd looks for keys in it: /etc/passwd says {home}, and {}",
            absence.describe(NamedKind::Directory, home)
        );
        let mount = if self.seen.unmounted.is_empty() {
            "if it is on a disk of its own, mount that (mount -a; findmnt --verify)".to_owned()
        } else {
            format!("/etc/fstab mounts {0} and it is not mounted: mount {0}", self.seen.unmounted)
        };
        let move_back = self
            .seen
            .usual_home
            .as_ref()
            .filter(|usual| *usual != home)
            .map(|usual| format!("; {usual} is there: if it is the home, say so in /etc/passwd: vipw"));
        Some(
            Obstacle::new("home", what).with("path", home.clone()).todo(format!(
                "{mount}{}",
                move_back.unwrap_or_else(|| format!("; or make it: mkhomedir_helper {name}"))
            )),
        )
    }

    /// What sshd demands of the directory that it would lock the session into, once the user is logged in.
    pub(super) fn chrooted(&self, account: &Account) -> Option<Obstacle> {
        let root = self.chroot(account)?;
        let (line, at) = self.line("chrootdirectory", None);
        let spoiled = |s: &Stat| s.uid != 0 || s.mode & 0o022 != 0;
        let why = upwards(&root).find_map(|p| match self.exists.get(NamedKind::File, p)? {
            Existence::Absent(a) => {
                Some((a.describe(NamedKind::File, p), format!("install -d -o root -g root -m 755 {root}")))
            }
            Existence::Present(Some(s)) if s.kind != "directory" => {
                Some((format!("{p} is a {}", s.kind), "name a directory there".to_owned()))
            }
            Existence::Present(Some(s)) if spoiled(s) => {
                let is = match (s.uid, s.mode & 0o022) {
                    (0, _) => format!("others than root may write to {p} (mode {:04o})", s.mode),
                    (uid, _) => format!("{p} belongs to uid {uid}, not to root (mode {:04o})", s.mode),
                };
                Some((
                    is,
                    format!(
                        "chown root:root {p}; chmod go-w {p}; give the user a directory of its own below it to write to"
                    ),
                ))
            }
            _ => None,
        });
        let (what, todo) = match why {
            Some((why, todo)) => {
                (format!("sshd lets {} in and closes the connection: {at}, and {why}", self.asked.name), todo)
            }
            None => {
                if self.seen.setting("forcecommand").starts_with("internal-sftp") {
                    return None;
                }
                let shell = format!("{}{}", root.trim_end_matches('/'), account.shell);
                self.exists.absence(NamedKind::File, &shell)?;
                (
                    format!(
                        "{}'s shell does not exist where sshd locks the session in: {at}, and there is no {shell}",
                        self.asked.name
                    ),
                    "for sftp alone: ForceCommand internal-sftp; for a shell, put it and its libraries there"
                        .to_owned(),
                )
            }
        };
        Some(Obstacle { kind: "chroot", ..policy("ChrootDirectory", what, &line) }.with("path", root).todo(todo))
    }

    /// Whether sshd trusts the program that gives it keys; without another key there is none then.
    pub(super) fn unsafe_command(&self) -> Vec<Obstacle> {
        let Some(program) = self.keys_command().filter(|_| !self.asked.password && !self.has_own_keys()) else {
            return Vec::new();
        };
        let (_, at) = self.line("authorizedkeyscommand", Some(program));
        let at = if at.contains(':') { at } else { format!("AuthorizedKeysCommand {program}") };
        let root = Account { uid: 0, ..Account::default() };
        let mut out = Vec::new();
        for path in upwards(program) {
            let Some(s) = self.exists.stat(NamedKind::File, path) else { continue };
            let part = Part { mode: s.mode, uid: s.uid, gid: s.gid, ..Part::default() };
            let open = self.writable(&part, &root);
            let dead = path == program && s.mode & 0o111 == 0;
            if s.uid == 0 && !open && !dead {
                continue;
            }
            let what = match (s.uid, open) {
                (0, true) => format!("others than root may write to {path} (mode {:04o})", s.mode),
                (0, false) => format!("{path} may not be executed (mode {:04o})", s.mode),
                (uid, _) => format!("{path} belongs to uid {uid}, not to root"),
            };
            let mode = (s.mode & !0o022) | if dead { 0o755 } else { 0 };
            let state = if s.kind == "directory" { "directory" } else { "file" };
            let obstacle =
                Obstacle::new("modes", format!("sshd does not run the command that gives it keys: {what}; {at}"))
                    .with("path", path)
                    .with("mode", format!("{mode:04o}"))
                    .with("owner", "root")
                    .with("state", state);
            out.push(obstacle);
        }
        out
    }

    /// Lines that let the user in and give nothing: no session, no terminal.
    pub(super) fn sessions(&self) -> Vec<Obstacle> {
        let name = self.asked.name;
        let mut out = Vec::new();
        let mut say = |key: &str, option: &str, what: String, todo: &str| {
            let (line, at) = self.line(key, None);
            let unset = self.global(&line, serde_json::json!([option]));
            let unset = if unset.is_array() { unset } else { serde_json::json!([]) };
            out.push(policy(option, format!("{what}: {at}"), &line).todo(todo).with("unset", unset));
        };
        if self.seen.is("refuseconnection") {
            let todo = "if the maintenance is over, take that line out";
            say("refuseconnection", "RefuseConnection", format!("sshd closes every connection of {name}'s"), todo);
        }
        if self.seen.setting("maxsessions") == "0" {
            let todo = "take that line out: 10 is the default";
            say("maxsessions", "MaxSessions", format!("sshd lets {name} in and opens no session"), todo);
        }
        if self.seen.setting("maxauthtries") == "0" {
            let todo = "take that line out: 6 is the default";
            say("maxauthtries", "MaxAuthTries", format!("sshd ends each login of {name} before the first try"), todo);
        }
        let forced = self.seen.setting("forcecommand");
        if matches!(forced.rsplit('/').next(), Some("false" | "nologin")) {
            let todo = format!("if {name} is to log in, take that line out");
            say("forcecommand", "ForceCommand", format!("sshd lets {name} in, and every session ends at once"), &todo);
        }
        let forced = !matches!(forced, "" | "none");
        if self.seen.setting("permittty") == "no" && !forced {
            let todo = "commands work (ssh HOST COMMAND); if there is to be a terminal, take that line out";
            say("permittty", "PermitTTY", format!("sshd gives {name} no terminal"), todo);
        }
        out
    }

    /// The lines of PAM that keep somebody out by what is not looked at here.
    fn deciding(&self) -> Vec<String> {
        const KNOWN: &[&str] = &["pam_nologin.so", "pam_unix.so", "pam_permit.so", "pam_access.so", "pam_shells.so"];
        let own = |l: &&PamLine| {
            let module = l.module.rsplit('/').next().unwrap_or_default();
            // Debian's last word, which is passed over where pam_unix is content.
            l.stack == "account"
                && !KNOWN.contains(&module)
                && !(module == "pam_deny.so" && l.file.contains("/common-"))
        };
        self.pam.iter().filter(own).map(|l| format!("{}:{} says \"{}\"", l.file, l.line, l.text)).collect()
    }

    /// What sshd's log says of the last try, where nothing else explains it.
    pub(super) fn logged(&self) -> Option<Obstacle> {
        let seen = self.seen;
        // What is judged by looking is not believed of the past: it was so, and may have been repaired since.
        const JUDGED: &[&str] = &[
            "not allowed because",
            "Authentication refused: bad ownership or modes for",
            "ROOT LOGIN REFUSED",
            "bad ownership or modes for chroot",
            "Unsafe Authorized",
            "in revoked keys file",
            "has expired",
            "administratively prohibited connection",
        ];
        let stale = |l: &&String| {
            let module = l.split(['(', ')', ' ', ':']).find(|w| w.starts_with("pam_") && w.ends_with(".so"));
            JUDGED.iter().any(|j| l.contains(j))
                || module.is_some_and(|m| !self.pam.iter().any(|p| p.module.rsplit('/').next() == Some(m)))
        };
        let password = |l: &&String| self.asked.password || !l.contains("Failed password");
        // sshd's own word for what PAM has just said in its own.
        let judged = seen.reasons.iter().any(|l| stale(&l));
        let follows = |l: &&String| judged && l.contains("by PAM account configuration");
        let line = seen.reasons.iter().filter(password).find(|l| !stale(l) && !follows(l))?;
        let own = if line.contains("by PAM account configuration") { self.deciding() } else { Vec::new() };
        let own = match own.as_slice() {
            [] => String::new(),
            all => format!("; what decides there by rules of its own: {}", all.join(", ")),
        };
        Some(
            Obstacle::new("log", format!("sshd's log says of the last try{}: {line}{own}", if seen.guessed { "" } else { " from there" }))
                .todo(format!(
                    "what that line names keeps {} out; once it is put right, log in, and run this again (journalctl -t sshd -t sshd-session shows all of it)",
                    self.asked.name
                )),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_all_above_it() {
        assert_eq!(upwards("/srv/sftp/").collect::<Vec<_>>(), ["/srv/sftp", "/srv", "/"]);
        assert_eq!(upwards("/").collect::<Vec<_>>(), ["/"]);
    }
}
