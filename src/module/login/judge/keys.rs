//! A user's keys: are they where sshd looks, on lines that it takes, and in a place that nobody else may write to.

use serde_json::json;

use super::{Judge, Obstacle, day_of, policy};
use crate::edit::authorized_keys::{self, Entry};
use crate::edit::hosts_access::Truth;
use crate::edit::sshd_config::{Directive, canonical};
use crate::module::login::names;
use crate::module::login::seen::{Account, KeyFile, Part};

impl Judge<'_> {
    pub(super) fn by_key(&self, account: &Account) -> Vec<Obstacle> {
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

    pub(super) fn files(&self) -> impl Iterator<Item = &KeyFile> {
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
            let (file, entry, (why, meant)) = refusal;
            if mine.iter().any(|(_, e)| self.refused(e).is_none()) {
                return None;
            }
            let what = format!("{}:{}: sshd does not take this key: {why}", file.name, entry.line);
            let found = Obstacle::new("keys", what)
                .with("path", file.name.clone())
                .todo("use another key, or change that line if it is no longer meant so");
            return Some(if meant { found.with("meant", true) } else { found });
        }
        if !mine.is_empty() || self.beyond().is_some() {
            return None;
        }
        let other = self.files().find(|f| !f.listed && f.keys.entries.iter().any(fits));
        if let Some(other) = other.filter(|o| !listed.iter().any(|f| f.name == o.name)) {
            let (line, at) = self.line("authorizedkeysfile", None);
            let at = self.first_of(line.as_ref(), at);
            let own = self.words("authorizedkeysfile");
            let set: Vec<String> =
                own.iter().filter(|w| *w != "none").cloned().chain([".ssh/authorized_keys".to_owned()]).collect();
            let looks = if places.is_empty() { "nowhere".to_owned() } else { format!("in {places}") };
            let what = format!("sshd looks for {name}'s keys {looks} ({at}), and they are in {}", other.name);
            let at_all = match own.is_empty() || own.iter().all(|w| w == "none") {
                true => format!("nowhere ({at})"),
                false => format!("in {} ({at})", own.join(" ")),
            };
            let todo = match first {
                Some(f) => format!("put the key into {} (or have sshd read {} too)", f.name, other.name),
                None => format!("have sshd read {}: AuthorizedKeysFile .ssh/authorized_keys", other.name),
            };
            return Some(
                policy("AuthorizedKeysFile", what, &line)
                    .todo(todo)
                    .with("at", at_all)
                    .with("set", self.global(&line, json!({"AuthorizedKeysFile": set.join(" ")}))),
            );
        }
        let path = first.map_or_else(|| format!("{}/.ssh/authorized_keys", account.home), |f| f.name.clone());
        let lost = listed.iter().find_map(|f| Some((f, f.keys.lost.first()?)));
        let what = match (&self.asked.key, lost) {
            (Some(key), _) if !all.is_empty() => format!("the key {key} is not among the {} in {places}", all.len()),
            (_, Some((f, l))) => format!("sshd can read no key of {name}'s: {}:{}: {}", f.name, l.line, l.why),
            _ if let Some((part, want)) = self.in_the_way(&listed) => {
                let todo = format!(
                    "move it away (mv {0} {0}.old), and put {want} there with the line of your .pub file; both are to be {name}'s, the file with mode 0600, its directory with 0700",
                    part.path
                );
                let what = format!(
                    "there is no key of {name}'s: {} is a {}, and sshd looks for {want} there",
                    part.path, part.kind
                );
                return Some(Obstacle::new("keys", what).with("path", part.path.clone()).todo(todo));
            }
            _ if listed.iter().all(|f| f.absent) => {
                format!("there is no key of {name}'s: {path} does not exist{}", self.instead(&path))
            }
            _ => format!("there is no key of {name}'s: {path} has none in it"),
        };
        let todo = format!(
            "add the line of your .pub file (~/.ssh/id_ed25519.pub) to {path}; the file is to be {name}'s, mode 0600, its directory 0700"
        );
        Some(Obstacle::new("keys", what).with("path", path).todo(todo))
    }

    /// What is in the place of a file of keys, or of its directory, and is none.
    fn in_the_way<'f>(&self, listed: &[&'f KeyFile]) -> Option<(&'f Part, &'static str)> {
        listed.iter().find_map(|f| {
            let part = f.parts.first()?;
            match (f.absent, part.kind.as_str()) {
                (true, "directory") => None,
                (true, _) => Some((part, "a directory")),
                (false, kind) if kind.starts_with("regular") => None,
                (false, _) => Some((part, "a file")),
            }
        })
    }

    /// Of several lines for everybody sshd takes the first.
    fn first_of(&self, line: Option<&Directive>, at: String) -> String {
        let Some(first) = line.filter(|d| d.global()) else { return at };
        let same = |d: &&Directive| d.key == first.key && d.global() && (&d.file, d.line) != (&first.file, first.line);
        match self.tree.directives().iter().find(same) {
            Some(d) => format!("{at}, and sshd takes the first such line, not {}:{}", d.file, d.line),
            None => at,
        }
    }

    /// Why sshd passes over a key that is there, and whether its own line is meant so.
    fn refused(&self, e: &Entry) -> Option<(String, bool)> {
        self.decided(e).map(|why| (why, true)).or_else(|| Some((self.unfit(e)?, false)))
    }

    /// What the key's own line says of when and whence.
    fn decided(&self, e: &Entry) -> Option<String> {
        let seen = self.seen;
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
        None
    }

    fn unfit(&self, e: &Entry) -> Option<String> {
        let seen = self.seen;
        if let Some(option) = e.unknown_option() {
            return Some(format!("it begins with \"{option}\", which is no option that sshd knows"));
        }
        let algorithms: Vec<&str> =
            seen.setting("pubkeyacceptedalgorithms").split(',').filter(|a| !a.is_empty()).collect();
        let taken =
            |a: &&str| **a == e.kind || (e.kind == "ssh-rsa" && a.starts_with("rsa-sha2-") && !a.contains("cert"));
        if !algorithms.is_empty() && !algorithms.iter().any(taken) {
            let says = |d: &&Directive| {
                matches!(canonical(&d.keyword).as_str(), "pubkeyacceptedalgorithms" | "pubkeyacceptedkeytypes")
            };
            let line = self.tree.directives().iter().find(says);
            let at = line.map(|d| format!(" ({}:{} says \"{} {}\")", d.file, d.line, d.keyword, d.args.join(" ")));
            return Some(format!("{} is not among its PubkeyAcceptedAlgorithms{}", e.kind, at.unwrap_or_default()));
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
            // Nobody else has any business with what ssh(1) makes 0700 and 0600; a directory of another name may be shared.
            let private = home
                && part.path.strip_prefix(seen.home.as_str()).is_some_and(|p| p == "/.ssh" || p.starts_with("/.ssh/"));
            if open && private && part.uid == account.uid {
                mode &= if directory { !0o077 } else { !0o177 };
            }
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
            let anybody = if open && part.mode & 0o002 != 0 && out.is_empty() {
                format!("; anybody on this host may have added a key there: ssh-keygen -lf {}", file.name)
            } else {
                String::new()
            };
            let what = if open && !owned {
                format!("{} belongs to {}, and so sshd does not trust the keys in {}", part.path, part.user, file.name)
            } else if open {
                format!(
                    "others than {name} may write to {} ({is}), and so sshd does not trust the keys in {}{anybody}",
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
    pub(super) fn writable(&self, part: &Part, account: &Account) -> bool {
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
}
