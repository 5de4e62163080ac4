//! What stands in a user's way, in the order in which sshd would meet it.
//!
//! Sources: `allowed_user` and `auth_root_allowed` (auth.c), `safe_path` (misc.c) with Debian's user-group-modes.patch,
//! `user_key_allowed2` (auth2-pubkey.c) of OpenSSH; sshd_config(5); pam_nologin(8), pam_access(8), pam_shells(8),
//! `check_shadow_expiry` (pam_unix, passverify.c).

use serde_json::{Map, Value, json};

use super::names::{self, Who};
use super::seen::{Account, KeyFile, Part, Seen, Shadow};
use crate::edit::authorized_keys::{self, Entry};
use crate::edit::hosts_access::Truth;
use crate::edit::sshd_config::{Directive, Tree};

/// Something that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// What sort of thing, for a runbook's steps.
    pub kind: &'static str,
    /// In a person's words.
    pub what: String,
    /// What a person can do about it, where a person must.
    pub todo: String,
    /// What else a repair needs: path, mode, owner, state, file, line, text, set, add, command, undo, shell.
    pub more: Map<String, Value>,
}

impl Obstacle {
    fn new(kind: &'static str, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), todo: String::new(), more: Map::new() }
    }
    fn todo(mut self, todo: impl Into<String>) -> Self {
        self.todo = todo.into();
        self
    }
    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }
    pub fn value(&self) -> Value {
        let mut all = Map::new();
        for name in ["path", "mode", "owner", "state", "file", "text", "command", "undo", "shell"] {
            all.insert(name.into(), "".into());
        }
        all.insert("line".into(), Value::Null);
        all.insert("set".into(), json!({}));
        all.insert("add".into(), json!({}));
        all.insert("kind".into(), self.kind.into());
        all.insert("what".into(), self.what.clone().into());
        all.insert("todo".into(), self.todo.clone().into());
        all.extend(self.more.clone());
        Value::Object(all)
    }
}

/// Who wants in, and how.
pub struct Asked<'a> {
    pub name: &'a str,
    /// By a password; else by a key.
    pub password: bool,
    /// The fingerprint of the key, if it is known.
    pub key: Option<String>,
}

/// The judge: what was seen, and sshd's own lines.
pub struct Judge<'a> {
    pub asked: &'a Asked<'a>,
    pub seen: &'a Seen,
    pub tree: &'a Tree,
}

impl Judge<'_> {
    /// Everything that stands in the way; empty: the user may log in.
    pub fn obstacles(&self) -> Vec<Obstacle> {
        let name = self.asked.name;
        let Some(account) = &self.seen.account else {
            let todo =
                format!("check the name; an account is made with: useradd --create-home --shell /bin/bash {name}");
            return vec![Obstacle::new("user", format!("there is no user {name} on this host")).todo(todo)];
        };
        let mut out = Vec::new();
        out.extend(self.locked());
        out.extend(self.shell(account));
        out.extend(self.lists());
        out.extend(self.root(account));
        if self.asked.password {
            out.extend(self.by_password())
        } else {
            out.extend(self.by_key(account))
        }
        out.extend(self.methods());
        out.extend(self.nologin(account));
        out.extend(self.access());
        out.extend(self.expiry());
        out
    }

    // --- sshd's own rules ---------------------------------------------------------------------------------------------

    /// `platform_locked_account`: only where PAM does not decide.
    fn locked(&self) -> Option<Obstacle> {
        let name = self.asked.name;
        let locked = self.seen.shadow.as_ref().is_some_and(|s| s.password == "locked");
        (locked && !self.seen.is("usepam")).then(|| {
            Obstacle::new(
                "locked",
                format!("{name}'s account is locked, and without PAM (UsePAM no) sshd lets it in by no means"),
            )
            .todo(format!(
                "give it a password: passwd {name}; or one that nothing fits, so that keys do: usermod -p '*' {name}"
            ))
        })
    }

    fn shell(&self, account: &Account) -> Option<Obstacle> {
        let (name, shell) = (self.asked.name, &account.shell);
        if !matches!(self.seen.setting("chrootdirectory"), "" | "none") {
            return None;
        }
        match &self.seen.shell {
            None => Some(
                Obstacle::new("shell", format!("{name}'s shell {shell} does not exist"))
                    .with("shell", self.seen.spare_shell.clone()),
            ),
            Some((kind, mode)) if kind.starts_with("regular") && mode & 0o111 != 0 => {
                let base = shell.rsplit('/').next().unwrap_or_default();
                let unlisted = !self.seen.valid_shell
                    && (self.seen.asks("auth", "pam_shells.so") || self.seen.asks("account", "pam_shells.so"));
                if matches!(base, "nologin" | "false") {
                    let what = format!("{name}'s shell is {shell}, which ends every login: somebody wants it so");
                    return Some(
                        Obstacle::new("no_shell", what)
                            .todo(format!("if {name} is to log in: usermod --shell {} {name}", self.seen.spare_shell)),
                    );
                }
                unlisted.then(|| {
                    Obstacle::new(
                        "no_shell",
                        format!("PAM takes no shell that is not in /etc/shells, and {name}'s is {shell}"),
                    )
                    .todo(format!("if it is one to log in with: echo {shell} >>/etc/shells"))
                })
            }
            Some((kind, mode)) if kind.starts_with("regular") => Some(
                Obstacle::new("shell_mode", format!("{name}'s shell {shell} may not be executed (mode {mode:04o})"))
                    .with("path", shell.clone())
                    .with("mode", format!("{:04o}", mode | 0o755)),
            ),
            Some((kind, _)) => Some(
                Obstacle::new("shell", format!("{name}'s shell {shell} is a {kind}"))
                    .with("shell", self.seen.spare_shell.clone()),
            ),
        }
    }

    /// AllowUsers, DenyUsers, AllowGroups, DenyGroups.
    fn lists(&self) -> Vec<Obstacle> {
        let (name, seen) = (self.asked.name, self.seen);
        let user = |p: &str| names::user(p, name, seen.client);
        let group = |p: &str| Truth::from(seen.groups.iter().any(|g| names::fits(p, g)));
        let from = seen.client.map(|a| format!(" from {a}")).unwrap_or_default();
        let mut out = Vec::new();
        for (option, fits) in [("DenyUsers", &user as &dyn Fn(&str) -> Truth), ("DenyGroups", &group)] {
            let key = option.to_ascii_lowercase();
            if let Some(word) = self.words(&key).into_iter().find(|w| fits(w) == Truth::Yes) {
                let (line, at) = self.line(&key, Some(&word));
                let whom = if option == "DenyUsers" {
                    format!("{name}{from}")
                } else {
                    format!("{name}, who is in the group {word},")
                };
                let what = format!("sshd is told not to let {whom} in: {at}");
                out.push(
                    policy(option, what, &line)
                        .todo(format!("if that is no longer meant, take {word} out of that line ({at})")),
                );
            }
        }
        let users = self.words("allowusers");
        if !users.is_empty() && users.iter().all(|w| user(w) == Truth::No) {
            let (line, at) = self.line("allowusers", None);
            let what = format!("those whom sshd lets in do not include {name}{from}: {at}");
            // Who is let in from some places is let in from one more, and not from everywhere; and nobody on a guess.
            let placed = users.iter().any(|w| w.rsplit_once('@').is_some_and(|(who, _)| names::fits(who, name)));
            let word = match seen.client {
                Some(a) if placed => format!("{name}@{a}"),
                _ => name.to_owned(),
            };
            let found = policy("AllowUsers", what, &line);
            out.push(if placed && seen.guessed {
                found.todo(format!("if {name} is to be let in from there, add {word} to that line; that they come from there is what sshd's log has last, -e client=ADDRESS says it for sure"))
            } else {
                found
                    .todo(format!("if {name} is to be let in, add {word} to that line"))
                    .with("add", self.global(&line, json!({"AllowUsers": word})))
            });
        }
        let groups = self.words("allowgroups");
        if !groups.is_empty() && groups.iter().all(|w| group(w) == Truth::No) {
            let (line, at) = self.line("allowgroups", None);
            let first = groups.iter().find(|g| !g.contains(['*', '?']));
            let join = first.map(|g| format!(": usermod --append --groups {g} {name}")).unwrap_or_default();
            let what = format!("the groups that sshd lets in are none of {name}'s: {at}");
            out.push(
                policy("AllowGroups", what, &line)
                    .todo(format!("if {name} is to be let in, make it a member of one{join}")),
            );
        }
        out
    }

    /// `auth_root_allowed`.
    fn root(&self, account: &Account) -> Option<Obstacle> {
        let value = self.seen.setting("permitrootlogin");
        let fine = match value {
            "" | "yes" => true,
            "no" => false,
            "forced-commands-only" => {
                !self.asked.password
                    && self.files().any(|f| f.keys.entries.iter().any(|e| e.option("command").is_some()))
            }
            _ => !self.asked.password,
        };
        if account.uid != 0 || fine {
            return None;
        }
        let (line, at) = self.line("permitrootlogin", None);
        let how = if self.asked.password { " by password" } else { "" };
        let at = if line.is_some() { at } else { format!("PermitRootLogin {value} is its default") };
        let wanted = if self.asked.password { "yes" } else { "prohibit-password" };
        let todo =
            format!("log in as another user, and become root there; if root is to be let in: PermitRootLogin {wanted}");
        Some(
            policy("PermitRootLogin", format!("sshd does not let root in{how}: {at}"), &line)
                .todo(todo)
                .with("set", self.global(&line, json!({"PermitRootLogin": wanted}))),
        )
    }

    /// AuthenticationMethods: one of its lists must be this method alone.
    fn methods(&self) -> Option<Obstacle> {
        let lists = self.words("authenticationmethods");
        let alone: &[&str] = if self.asked.password {
            &["password", "keyboard-interactive", "keyboard-interactive:pam"]
        } else {
            &["publickey"]
        };
        if lists.is_empty() || lists.iter().any(|l| l == "any" || alone.contains(&l.as_str())) {
            return None;
        }
        let (line, at) = self.line("authenticationmethods", None);
        let one = if self.asked.password { "a password" } else { "a key" };
        let what = format!("{one} alone is not enough for sshd: {at}");
        Some(
            policy("AuthenticationMethods", what, &line)
                .todo(format!("give all that one of its lists asks for: {}", lists.join(" or "))),
        )
    }

    fn by_password(&self) -> Vec<Obstacle> {
        let (name, seen) = (self.asked.name, self.seen);
        let mut out = Vec::new();
        let keyboard = seen.is("kbdinteractiveauthentication") || seen.is("challengeresponseauthentication");
        if !(seen.is("passwordauthentication") || keyboard && seen.is("usepam")) {
            let (line, at) = self.line("passwordauthentication", None);
            let todo = "use a key; if passwords are to be taken: PasswordAuthentication yes";
            let what = format!("sshd takes no passwords: {at}");
            out.push(
                policy("PasswordAuthentication", what, &line)
                    .todo(todo)
                    .with("set", self.global(&line, json!({"PasswordAuthentication": "yes"}))),
            );
        }
        let password = seen.shadow.as_ref().map_or("", |s| s.password.as_str());
        let why = match password {
            "locked" => format!("{name}'s password is locked"),
            "none" => format!("{name} has no password that could fit"),
            "empty" if !seen.is("permitemptypasswords") => {
                format!("{name}'s password is empty, and sshd takes none that is")
            }
            _ => return out,
        };
        let undo = if password == "locked" {
            format!("; the old one is had back with: usermod --unlock {name}")
        } else {
            String::new()
        };
        out.push(Obstacle::new("locked", why).todo(format!("give it one: passwd {name}{undo}")));
        out
    }

    // --- keys -----------------------------------------------------------------------------------------------------------

    fn by_key(&self, account: &Account) -> Vec<Obstacle> {
        let seen = self.seen;
        if seen.setting("pubkeyauthentication") == "no" {
            let (line, at) = self.line("pubkeyauthentication", None);
            let set = self.global(&line, json!({"PubkeyAuthentication": "yes"}));
            return vec![
                policy("PubkeyAuthentication", format!("sshd takes no keys: {at}"), &line)
                    .todo("if keys are to be taken: PubkeyAuthentication yes")
                    .with("set", set),
            ];
        }
        let mut out = Vec::new();
        for file in self.files().filter(|f| f.listed && !f.keys.entries.is_empty()) {
            out.extend(self.modes(file, account));
        }
        out.extend(self.files().filter(|f| f.listed).filter_map(|f| self.spoiled(f)));
        if out.iter().all(|o| o.kind != "spoiled") {
            out.extend(self.keys(account));
        }
        out
    }

    fn files(&self) -> impl Iterator<Item = &KeyFile> {
        self.seen.files.iter()
    }

    /// Keys from elsewhere: a command, a certificate authority.
    pub fn beyond(&self) -> Option<String> {
        let set = ["authorizedkeyscommand", "trustedusercakeys"].into_iter().find_map(|key| {
            let value = self.seen.setting(key);
            (!matches!(value, "" | "none")).then(|| format!("{key} {value}"))
        });
        let authority = |f: &&KeyFile| f.listed && f.keys.entries.iter().any(|e| e.has("cert-authority"));
        set.or_else(|| self.files().find(authority).map(|f| format!("the certificate authority in {}", f.name)))
    }

    fn keys(&self, account: &Account) -> Option<Obstacle> {
        let name = self.asked.name;
        let listed: Vec<&KeyFile> = self.files().filter(|f| f.listed).collect();
        let all: Vec<(&KeyFile, &Entry)> = listed.iter().flat_map(|f| f.keys.own().map(move |e| (*f, e))).collect();
        let fits = |e: &Entry| self.asked.key.as_ref().is_none_or(|k| *k == e.fingerprint());
        let mine: Vec<_> = all.iter().filter(|(_, e)| fits(e)).collect();
        let places = listed.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(", ");
        let first = listed.first();
        if let Some(refusal) = mine.first().and_then(|(f, e)| Some((f, e, self.refused(e)?))) {
            let (file, entry, why) = refusal;
            if mine.iter().any(|(_, e)| self.refused(e).is_none()) {
                return None;
            }
            let what = format!("{}:{}: sshd does not take this key: {why}", file.name, entry.line);
            return Some(
                Obstacle::new("keys", what)
                    .with("path", file.name.clone())
                    .todo("use another key, or change that line if it is no longer meant so"),
            );
        }
        if !mine.is_empty() || self.beyond().is_some() {
            return None;
        }
        let other = self.files().find(|f| !f.listed && f.keys.entries.iter().any(fits));
        if let Some(other) = other.filter(|o| !listed.iter().any(|f| f.name == o.name)) {
            let (line, at) = self.line("authorizedkeysfile", None);
            let own = self.words("authorizedkeysfile");
            let set: Vec<String> =
                own.into_iter().filter(|w| w != "none").chain([".ssh/authorized_keys".to_owned()]).collect();
            let looks = if places.is_empty() { "nowhere".to_owned() } else { format!("in {places}") };
            let what = format!("sshd looks for {name}'s keys {looks} ({at}), and they are in {}", other.name);
            let todo = match first {
                Some(f) => format!("put the key into {} (or have sshd read {} too)", f.name, other.name),
                None => format!("have sshd read {}: AuthorizedKeysFile .ssh/authorized_keys", other.name),
            };
            return Some(
                policy("AuthorizedKeysFile", what, &line)
                    .todo(todo)
                    .with("set", self.global(&line, json!({"AuthorizedKeysFile": set.join(" ")}))),
            );
        }
        let path = first.map_or_else(|| format!("{}/.ssh/authorized_keys", account.home), |f| f.name.clone());
        let lost = listed.iter().find_map(|f| Some((f, f.keys.lost.first()?)));
        let what = match (&self.asked.key, lost) {
            (Some(key), _) if !all.is_empty() => format!("the key {key} is not among the {} in {places}", all.len()),
            (_, Some((f, l))) => format!("sshd can read no key of {name}'s: {}:{}: {}", f.name, l.line, l.why),
            _ if listed.iter().all(|f| f.absent) => format!("there is no key of {name}'s: {path} does not exist"),
            _ => format!("there is no key of {name}'s: {path} has none in it"),
        };
        let todo = format!(
            "add the line of your .pub file (~/.ssh/id_ed25519.pub) to {path}; the file is to be {name}'s, mode 0600, its directory 0700"
        );
        Some(Obstacle::new("keys", what).with("path", path).todo(todo))
    }

    /// Why sshd passes over a key that is there.
    fn refused(&self, e: &Entry) -> Option<String> {
        let seen = self.seen;
        if let Some(option) = e.unknown_option() {
            return Some(format!("it begins with \"{option}\", which is no option that sshd knows"));
        }
        if let Some(date) = e.option("expiry-time")
            && let Ok(day) = jiff::civil::Date::strptime("%Y%m%d", date.get(..8).unwrap_or_default())
            && day_of(seen.today).is_some_and(|today| day <= today)
        {
            return Some(format!("expiry-time=\"{date}\" is past"));
        }
        if let Some(from) = e.option("from")
            && seen.client.is_some()
            && names::hosts(&from, seen.client) == Truth::No
        {
            return Some(format!(
                "from=\"{from}\", and you come from {}",
                seen.client.map(|a| a.to_string()).unwrap_or_default()
            ));
        }
        let algorithms: Vec<&str> =
            seen.setting("pubkeyacceptedalgorithms").split(',').filter(|a| !a.is_empty()).collect();
        let taken =
            |a: &&str| **a == e.kind || (e.kind == "ssh-rsa" && a.starts_with("rsa-sha2-") && !a.contains("cert"));
        if !algorithms.is_empty() && !algorithms.iter().any(taken) {
            return Some(format!("{} is not among its PubkeyAcceptedAlgorithms", e.kind));
        }
        let least: usize = seen.setting("requiredrsasize").parse().unwrap_or(0);
        e.rsa_bits().filter(|b| *b < least).map(|b| format!("it has {b} bits, and RequiredRSASize is {least}"))
    }

    /// Lines that were meant to be keys, and can be made so.
    fn spoiled(&self, file: &KeyFile) -> Option<Obstacle> {
        authorized_keys::mended(&file.bytes)?;
        let lost = file.keys.lost.first()?;
        let path = file.parts.first()?.path.clone();
        Some(Obstacle::new("spoiled", format!("{}:{}: {}", file.name, lost.line, lost.why)).with("path", path))
    }

    /// `safe_path`, and whether the user can get there: sshd reads keys as the user.
    fn modes(&self, file: &KeyFile, account: &Account) -> Vec<Obstacle> {
        let (name, seen) = (self.asked.name, self.seen);
        let strict = seen.is("strictmodes");
        let below = |path: &str| path == seen.home || path.strip_prefix(&seen.home).is_some_and(|r| r.starts_with('/'));
        let at_home = file.parts.first().is_some_and(|p| below(&p.path));
        let mut out = Vec::new();
        // From the top, as a person would look.
        for part in file.parts.iter().rev() {
            let judged = !at_home || below(&part.path);
            let directory = part.kind == "directory";
            let owned = part.uid == 0 || part.uid == account.uid;
            let open = strict && judged && (!owned || self.writable(part, account));
            let shut = !self.reaches(part, account, directory);
            if !open && !shut {
                continue;
            }
            let home = below(&part.path);
            let mut mode = if open { part.mode & !0o022 } else { part.mode };
            let owner = match (home, owned, shut) {
                (true, false, _) | (true, _, true) => name,
                (false, false, _) => "root",
                _ => part.user.as_str(),
            };
            if shut && home {
                mode |= if directory { 0o700 } else { 0o600 };
            } else if shut {
                mode |= if directory { 0o011 } else { 0o044 };
            }
            let is = format!("mode {:04o}, of {}", part.mode, part.user);
            let what = if open && !owned {
                format!("{} belongs to {}, and so sshd does not trust the keys in {}", part.path, part.user, file.name)
            } else if open {
                format!(
                    "others than {name} may write to {} ({is}), and so sshd does not trust the keys in {}",
                    part.path, file.name
                )
            } else {
                format!(
                    "{} may not be {} by {name} ({is}), and sshd looks for keys as {name}",
                    part.path,
                    if directory { "entered" } else { "read" }
                )
            };
            // Where everybody may write on purpose, and in a home that is somebody else's too, keys are in the wrong place.
            let shared =
                open && home && seen.home.rsplit('/').next() != Some(name) && (!owned || part.path == seen.home);
            if shared || part.mode & 0o1002 == 0o1002 {
                out.push(Obstacle::new("place", what).with("path", part.path.clone()).todo(format!("keys belong into a directory that only their user can write to: move them, and say so in AuthorizedKeysFile (like /etc/ssh/keys/%u); or, if {} is {name}'s alone, make it so", part.path)));
                continue;
            }
            out.push(
                Obstacle::new("modes", what)
                    .with("path", part.path.clone())
                    .with("mode", format!("{mode:04o}"))
                    .with("owner", owner)
                    .with("state", if directory { "directory" } else { "file" }),
            );
        }
        out
    }

    /// Whether somebody else may write there; Debian's and Ubuntu's sshd let a group, if nobody else is in it.
    fn writable(&self, part: &Part, account: &Account) -> bool {
        let group = part.mode & 0o020 != 0;
        let others = |of: Option<&Vec<String>>| of.is_some_and(|all| all.iter().any(|m| m != self.asked.name));
        let members = self.seen.members.get(&part.gid);
        let private = self.seen.debian
            && part.uid == account.uid
            && members.is_some()
            && !others(members)
            && !others(self.seen.primary.get(&part.gid))
            && (part.gid == account.gid || members.is_some_and(|m| !m.is_empty()));
        part.mode & 0o002 != 0 || (group && !private)
    }

    /// path_resolution(7): to enter a directory takes x, to read a file r. Access lists are not looked at.
    fn reaches(&self, part: &Part, account: &Account, directory: bool) -> bool {
        let bits = match () {
            () if account.uid == 0 => return true,
            () if part.uid == account.uid => part.mode >> 6,
            () if part.gid == account.gid || self.seen.gids.contains(&part.gid) => part.mode >> 3,
            () => part.mode,
        };
        bits & if directory { 0o1 } else { 0o4 } != 0
    }

    // --- PAM --------------------------------------------------------------------------------------------------------------

    /// pam_nologin(8); without PAM sshd looks at /etc/nologin itself.
    fn nologin(&self, account: &Account) -> Option<Obstacle> {
        let seen = self.seen;
        let heeds = |path: &str| {
            if seen.is("usepam") {
                seen.asks("account", "pam_nologin.so") || seen.asks("auth", "pam_nologin.so")
            } else {
                path == "/etc/nologin"
            }
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
    fn access(&self) -> Option<Obstacle> {
        let seen = self.seen;
        if !seen.asks("account", "pam_access.so") && !seen.asks("auth", "pam_access.so") {
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

    fn expiry(&self) -> Option<Obstacle> {
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
            return Some(
                Obstacle::new("aged", what)
                    .todo(format!("log in on a terminal (ssh -t), or choose one: passwd {name}")),
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

    // --- sshd's lines -------------------------------------------------------------------------------------------------------

    /// The words of a setting, which sshd -T may print on one line or on many.
    fn words(&self, key: &str) -> Vec<String> {
        self.seen.all(key).flat_map(str::split_whitespace).map(str::to_owned).collect()
    }

    /// The line that a setting comes from (that has the word, if there is one), and how people are told of it.
    fn line(&self, key: &str, word: Option<&str>) -> (Option<Directive>, String) {
        let words = self.words(key);
        let says = |d: &&Directive| {
            d.key == key
                && match word {
                    Some(w) => d.args.iter().any(|a| a == w),
                    None => d.args.iter().any(|a| words.iter().any(|w| w.eq_ignore_ascii_case(a) || alias(w) == a)),
                }
        };
        let all: Vec<&Directive> = self.tree.directives().iter().filter(says).collect();
        let found = all.iter().find(|d| d.global()).or(all.first()).copied().cloned();
        let at = match &found {
            None => format!("{key} {}", words.join(" ")),
            Some(d) => {
                let within = d.scope.as_ref().filter(|_| !d.global()).map(|b| format!(" (for Match {})", b.criteria));
                format!(
                    "{}:{} says \"{} {}\"{}",
                    d.file,
                    d.line,
                    d.keyword,
                    d.args.join(" "),
                    within.unwrap_or_default()
                )
            }
        };
        (found, at)
    }

    /// The change, if the line that decides holds for everybody: one of a Match block is for a person.
    fn global(&self, line: &Option<Directive>, change: Value) -> Value {
        if line.as_ref().is_none_or(Directive::global) { change } else { json!({}) }
    }
}

/// sshd -T prints an older word for it.
fn alias(word: &str) -> &str {
    if word == "without-password" { "prohibit-password" } else { word }
}

fn policy(option: &str, what: String, line: &Option<Directive>) -> Obstacle {
    let o = Obstacle::new("policy", what).with("text", option);
    match line {
        Some(d) => o.with("file", d.file.clone()).with("line", d.line),
        None => o,
    }
}

/// The date of a day of shadow(5).
fn day_of(day: i64) -> Option<jiff::civil::Date> {
    let start = jiff::civil::date(1970, 1, 1);
    start.checked_add(jiff::Span::new().try_days(day).ok()?).ok()
}
