//! What stands in a user's way, in the order in which sshd would meet it.
//!
//! Sources: `allowed_user` and `auth_root_allowed` (auth.c), `safe_path` (misc.c) with Debian's user-group-modes.patch,
//! `user_key_allowed2` (auth2-pubkey.c) of OpenSSH; sshd_config(5); pam_nologin(8), pam_access(8), pam_shells(8),
//! `check_shadow_expiry` (pam_unix, passverify.c).

mod keys;
mod named;
mod pam;

use serde_json::{Map, Value, json};

use super::names;
use super::seen::{Account, Seen};
use crate::edit::hosts_access::Truth;
use crate::edit::references::{NamedKind, PamLine};
use crate::edit::sshd_config::{Directive, Tree};
use crate::target::existence::Existences;

/// Something that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// What sort of thing, for a runbook's steps.
    pub kind: &'static str,
    /// In a person's words.
    pub what: String,
    /// What a person can do about it, where a person must.
    pub todo: String,
    /// What else a repair needs: path, mode, owner, state, file, line, text, set, unset, add, command, undo, shell.
    pub more: Map<String, Value>,
}

impl Obstacle {
    pub fn new(kind: &'static str, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), todo: String::new(), more: Map::new() }
    }
    pub fn todo(mut self, todo: impl Into<String>) -> Self {
        self.todo = todo.into();
        self
    }
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.more.get(name)
    }
    /// The option of sshd's that it is about.
    pub fn text(&self) -> &str {
        self.get("text").and_then(Value::as_str).unwrap_or_default()
    }
    /// Whether a line of sshd's could be changed for it.
    pub fn changes(&self) -> bool {
        self.get("set").and_then(Value::as_object).is_some_and(|s| !s.is_empty())
    }
    /// Whether somebody has decided so of this account: most often it is meant.
    pub fn meant(&self) -> bool {
        matches!(self.kind, "policy" | "no_shell" | "access" | "expired" | "aged" | "locked")
            || self.more.contains_key("meant")
    }
    pub fn value(&self) -> Value {
        let mut all = Map::new();
        for name in ["user", "path", "mode", "owner", "state", "file", "text", "command", "undo", "shell"] {
            all.insert(name.into(), "".into());
        }
        all.insert("line".into(), Value::Null);
        all.insert("set".into(), json!({}));
        all.insert("unset".into(), json!([]));
        all.insert("add".into(), json!({}));
        all.insert("kind".into(), self.kind.into());
        all.insert("what".into(), self.what.clone().into());
        all.insert("todo".into(), self.todo.clone().into());
        all.extend(
            self.more
                .iter()
                .filter(|(k, _)| !matches!(k.as_str(), "at" | "meant"))
                .map(|(k, v)| (k.clone(), v.clone())),
        );
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
    /// The lines of PAM that sshd's service comes to.
    pub pam: &'a [PamLine],
    /// What exists of what is named ([`Judge::names`]).
    pub exists: &'a Existences,
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
        out.extend(self.sessions());
        out.extend(self.locked());
        out.extend(self.shell(account));
        out.extend(self.lists());
        out.extend(self.root(account));
        out.extend(self.hung());
        if self.asked.password {
            out.extend(self.by_password())
        } else if let Some(home) = self.home(account) {
            out.push(home);
        } else if self.seen.hangs.is_empty() {
            out.extend(self.unsafe_command());
            out.extend(self.by_key(account));
        }
        out.extend(self.named());
        out.extend(self.methods());
        out.extend(self.nologin(account));
        out.extend(self.access());
        out.extend(self.expiry());
        out.extend(self.modules());
        out.extend(self.chrooted(account));
        out.extend(self.limits(account));
        if out.is_empty() {
            out.extend(self.logged());
        }
        out
    }

    /// Whether PAM has this module for a login of that sort: with a key, sshd does not come to its `auth`.
    fn asks(&self, module: &str) -> bool {
        self.seen.asks("account", module) || self.asked.password && self.seen.asks("auth", module)
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
            None => {
                let bare = shell.trim_end();
                let there = bare != shell && self.exists.stat(NamedKind::File, bare).is_some();
                let what = match shell.ends_with('\r') {
                    true => format!(
                        "{name}'s shell does not exist: in /etc/passwd its name \"{bare}\" ends in a carriage return, as Windows ends lines"
                    ),
                    false => format!("{name}'s shell {shell} does not exist{}", self.instead(shell)),
                };
                let new = if there { bare.to_owned() } else { self.seen.spare_shell.clone() };
                Some(Obstacle::new("shell", what).with("shell", new))
            }
            Some((kind, _)) if kind.starts_with("regular") && self.seen.no_program => Some(
                Obstacle::new("shell", format!("{name}'s shell {shell} is no program"))
                    .with("shell", self.seen.spare_shell.clone()),
            ),
            Some((kind, mode)) if kind.starts_with("regular") && mode & 0o111 != 0 => {
                let base = shell.rsplit('/').next().unwrap_or_default();
                let unlisted = !self.seen.valid_shell && self.asks("pam_shells.so");
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

    /// sshd looks for keys there before it says a word, and a shell begins there.
    fn hung(&self) -> Option<Obstacle> {
        let path = self.seen.hangs.first()?;
        let what = format!(
            "{path} is on a file system of the network that did not answer in three seconds: a login waits there as well"
        );
        let todo = "see to its server, or let go of it: grep -E 'nfs|cifs|fuse|autofs' /proc/mounts shows what is mounted where, umount -l DIRECTORY lets go";
        Some(
            Obstacle::new("place", what)
                .with("path", path.clone())
                .todo(format!("{todo}; which keys there are is not known until then")),
        )
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
            let words: Vec<String> = self.words(&key).into_iter().filter(|w| fits(w) == Truth::Yes).collect();
            // A word for this user alone may go; of one that is about others, too, that is found first.
            let own = |w: &str| option == "DenyUsers" && w.split('@').next() == Some(name);
            let Some(word) = words.iter().find(|w| !own(w)).or(words.first()) else { continue };
            let (line, at) = self.line(&key, Some(word));
            let whom = if option == "DenyUsers" {
                format!("{name}{from}")
            } else {
                format!("{name}, who is in the group {word},")
            };
            let found = policy(option, format!("sshd is told not to let {whom} in: {at}"), &line);
            let todo = format!("if that is no longer meant, take {} out of that line ({at})", words.join(" and "));
            out.push(match own(word).then(|| self.without(&key, &words)).flatten() {
                Some(rest) if rest.is_empty() => found.todo(todo).with("unset", json!([option])),
                Some(rest) => found.todo(todo).with("set", json!({option: rest})),
                None if own(word) => {
                    found.todo(format!("{todo}; it stands in a Match block, so -e policy=overrule leaves it"))
                }
                None => found.todo(format!("{todo}; it is not about {name} alone, so -e policy=overrule leaves it")),
            });
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
            let gone = groups.iter().filter(|g| self.exists.absence(NamedKind::Group, g).is_some());
            let gone: Vec<&str> = gone.map(String::as_str).collect();
            let gone =
                if gone.is_empty() { String::new() } else { format!("; there is no group {}", gone.join(" and no ")) };
            let what = format!("the groups that sshd lets in are none of {name}'s: {at}{gone}");
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
        if seen.securetty && seen.account.as_ref().is_some_and(|a| a.uid == 0) && seen.asks("auth", "pam_securetty.so")
        {
            let what = "PAM takes no password of root's over ssh: /etc/securetty has no line \"ssh\"".to_owned();
            out.push(Obstacle::new("access", what).todo("use a key, or log in as another user"));
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

    /// The words of a list that holds for everybody but for these; none where one of these stands in a Match block.
    fn without(&self, key: &str, words: &[String]) -> Option<Vec<String>> {
        let own = |a: &&String| words.contains(a);
        let lines = || self.tree.directives().iter().filter(|d| d.key == key);
        let everybodys = lines().filter(|d| d.global()).any(|d| d.args.iter().any(|a| own(&a)));
        if !everybodys || lines().any(|d| !d.global() && d.args.iter().any(|a| own(&a))) {
            return None;
        }
        Some(lines().filter(|d| d.global()).flat_map(|d| &d.args).filter(|a| !own(a)).cloned().collect())
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
