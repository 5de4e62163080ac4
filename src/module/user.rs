//! `user`: an account exists, with this home, shell and group.

use serde_json::{Map, Value};

use super::{Decision, Field, Halt, Module, Param, Params, Spec, Ty};
use crate::payload::sh_quote;
use crate::plan::{Change, CommandChange, Resource, View, first_line};
use crate::target::frame::Status;

/// An account.
pub struct User;

static SPEC: Spec = Spec {
    name: "user",
    summary: "An account exists, with the home, shell and group that are given; made by `useradd`, or busybox's `adduser`. No password is ever set.",
    scalar: Some("name"),
    params: &[
        Param { name: "name", ty: Ty::Str, required: true, help: "the account's name" },
        Param { name: "system", ty: Ty::Bool, required: false, help: "a new one is a system account, for a daemon" },
        Param { name: "home", ty: Ty::Path, required: false, help: "its home directory, which is not made" },
        Param { name: "shell", ty: Ty::Path, required: false, help: "its shell" },
        Param {
            name: "group",
            ty: Ty::Str,
            required: false,
            help: "its primary group, which is made if it is not there; without it, a new account has one of its own",
        },
    ],
    fields: &[
        Field { name: "exists", help: "whether there is such an account" },
        Field { name: "uid", help: "its number, null if there is none" },
        Field { name: "gid", help: "its primary group's number" },
        Field { name: "home", help: "its home directory" },
        Field { name: "shell", help: "its shell" },
        Field { name: "locked", help: "its password is locked; null where that cannot be read" },
        Field { name: "expired", help: "the account has expired; null where that cannot be read" },
    ],
    reads: "file:/etc/passwd, file:/etc/group, file:/etc/shadow",
    writes: "file:/etc/passwd, file:/etc/group, file:/etc/shadow, file:/etc/gshadow",
    open: false,
};

/// passwd(5), group(5) and shadow(5); of shadow only what the fields need. `getent` knows accounts of a directory too. The
/// day is the kernel's (`btime` and uptime), so that no `date` is needed.
const SCRIPT: &str = r#"entry() { if [ -z "$R" ] && command -v getent >/dev/null; then getent "$1" "$2" | head -n 1; return; fi
rb_real "/etc/$1"; while IFS= read -r l; do case $l in "$2":*|*:*:"$2":*) case $1:$l in passwd:"$2":*|group:*) printf '%s\n' "$l"; break;; esac;; esac; done <"$R$REPLY"; }
l=$(entry passwd "$u"); if [ -n "$l" ]; then printf 'user %s\n' "$l"; g=${l#*:*:*:}; g=${g%%:*}; printf 'group %s\n' "$(entry group "$g")"; fi
rb_real /etc/shadow; if [ -r "$R$REPLY" ]; then echo shadow; read -r t _ </proc/uptime; b=$(sed -n 's/^btime //p' /proc/stat); d=$(((b+${t%.*})/86400))
while IFS=: read -r n p _ _ _ _ _ e _; do if [ "$n" = "$u" ]; then case $p in '!'*|'*'*) echo locked;; esac; if [ -n "$e" ] && [ "$e" -le "$d" ]; then echo expired; fi; fi; done <"$R$REPLY"; fi
for d in usr/sbin sbin usr/bin bin; do if [ -x "$R/$d/useradd" ]; then echo useradd; break; fi; done"#;

/// An account as it is.
#[derive(Debug, Default)]
struct Account {
    uid: Option<u32>,
    gid: Option<u32>,
    group: String,
    home: String,
    shell: String,
    /// shadow(5) could be read.
    shadow: bool,
    locked: bool,
    expired: bool,
    /// There is a useradd(8), not only busybox's tools.
    useradd: bool,
}

impl Module for User {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn lint(&self, p: &Map<String, Value>) -> Vec<(&'static str, String, String)> {
        let bad = |key: &'static str| {
            let name = p.get(key).and_then(Value::as_str).filter(|n| !n.contains("{{") && !is_name(n))?;
            Some((key, format!("\"{name}\" is no account's name"), "letters, digits and . _ -".to_owned()))
        };
        ["name", "group"].into_iter().filter_map(bad).collect()
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        for key in ["name", "group"] {
            if p.str(key).is_some_and(|n| !is_name(n)) {
                return Err(Halt::error(key, format!("\"{}\" is no account's name", p.text(key))));
            }
        }
        let name = p.text("name");
        let quoted = sh_quote(name).ok_or_else(|| Halt::unknown("a name with a NUL"))?;
        let reads = ["passwd", "group", "shadow"].map(|f| Resource::File(format!("/etc/{f}")));
        let a = view.script(&format!("account {quoted}"), &format!("u={quoted}\n{SCRIPT}"), false, &reads)?;
        if a.status != Status::Exit(0) {
            return Err(Halt::unknown(format!("the accounts cannot be read: {}", first_line(&a.stderr))));
        }
        let had = Account::read(&String::from_utf8_lossy(&a.stdout));
        let differs = had.differs(p);
        let change = match (had.uid, differs.first()) {
            (None, _) => Some(create(p, had.useradd)),
            (Some(_), Some(_)) => Some(modify(name, &differs, had.useradd)),
            _ => None,
        };
        let evidence = match (had.uid, differs.first()) {
            (None, _) => format!("there is no user {name}"),
            (_, Some((what, is, wanted))) => {
                let is = if is.is_empty() { "none" } else { is };
                format!("the {what} of the user {name} is {is}, not {wanted}")
            }
            (Some(uid), None) => format!("the user {name} exists (uid {uid})"),
        };
        if change.is_some() {
            view.can_run()?;
        }
        let known = |flag: bool| (had.uid.is_some() && had.shadow).then_some(flag);
        Ok(Decision::new(change.is_none(), evidence)
            .with("exists", had.uid.is_some())
            .with("uid", had.uid)
            .with("gid", had.gid)
            .with("home", had.home.clone())
            .with("shell", had.shell.clone())
            .with("locked", known(had.locked))
            .with("expired", known(had.expired))
            .changing(change.map(Change::Command).into_iter().collect()))
    }
}

/// useradd(8) takes these; no shell and no tool takes them for anything else.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(['-', '.'])
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

impl Account {
    fn read(out: &str) -> Self {
        let mut a = Account::default();
        // Not lines(): a carriage return at the end of a line of passwd(5) is the last letter of the shell.
        for line in out.split('\n') {
            let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
            let f: Vec<&str> = rest.split(':').collect();
            match key {
                "user" if f.len() >= 7 => {
                    a.uid = f[2].parse().ok();
                    a.gid = f[3].parse().ok();
                    f[5].clone_into(&mut a.home);
                    f[6].clone_into(&mut a.shell);
                }
                "group" => f[0].clone_into(&mut a.group),
                "shadow" => a.shadow = true,
                "locked" => a.locked = true,
                "expired" => a.expired = true,
                "useradd" => a.useradd = true,
                _ => {}
            }
        }
        a
    }
    /// What is asked for and is otherwise: (what, is, wanted).
    fn differs<'a>(&'a self, p: &'a Params) -> Vec<(&'static str, &'a str, &'a str)> {
        let have = [("home", &self.home), ("shell", &self.shell), ("group", &self.group)];
        have.into_iter()
            .filter_map(|(what, is)| Some((what, is.as_str(), p.str(what)?)))
            .filter(|(_, is, wanted)| is != wanted)
            .collect()
    }
}

fn writes() -> Vec<Resource> {
    ["passwd", "group", "shadow", "gshadow"].map(|f| Resource::File(format!("/etc/{f}"))).to_vec()
}

/// As sh takes it, quoted where it must be; a NUL was refused as a path before.
fn quoted(text: &str) -> String {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b));
    if plain { text.to_owned() } else { sh_quote(text).unwrap_or_default() }
}

fn group_first(group: &str, useradd: bool) -> String {
    let make = if useradd { "groupadd --system" } else { "addgroup -S" };
    format!("grep -q '^{group}:' /etc/group || {make} {group} || exit\n")
}

fn create(p: &Params, useradd: bool) -> CommandChange {
    let name = p.text("name");
    let (mut add, remove, system, options) = if useradd {
        ("useradd --no-create-home".to_owned(), "userdel", " --system", ["--home-dir", "--shell", "--gid"])
    } else {
        ("adduser -D -H".to_owned(), "deluser", " -S", ["-h", "-s", "-G"])
    };
    if p.is("system") {
        add += system;
    }
    for (key, option) in ["home", "shell", "group"].into_iter().zip(options) {
        if let Some(value) = p.str(key) {
            add += &format!(" {option} {}", quoted(value));
        }
    }
    let shown = format!("{add} {name}");
    let before = p.str("group").map(|g| group_first(g, useradd)).unwrap_or_default();
    let undo = Some(format!("{remove} {name}"));
    CommandChange::new(format!("{before}{shown}"), shown).undone_by(undo).writing(writes()).by_root()
}

fn modify(name: &str, differs: &[(&str, &str, &str)], useradd: bool) -> CommandChange {
    let option = |what: &str| if what == "group" { "--gid".to_owned() } else { format!("--{what}") };
    let with = |of: fn(&(&str, &str, &str)) -> String| {
        let options: Vec<String> = differs.iter().map(|d| format!("{} {}", option(d.0), of(d))).collect();
        format!("usermod {} {name}", options.join(" "))
    };
    let (to, back) = (with(|d| quoted(d.2)), with(|d| quoted(d.1)));
    let group = differs.iter().find(|d| d.0 == "group").map(|d| group_first(d.2, useradd)).unwrap_or_default();
    CommandChange::new(format!("{group}{to}"), to.clone()).undone_by(Some(back)).writing(writes()).by_root()
}

#[cfg(test)]
mod tests {
    use super::super::canned::Canned;
    use super::*;
    use serde_json::json;

    fn host(out: &'static str) -> Canned<'static> {
        Canned::new(move |_| (0, out.into()))
    }
    const SSHD: &str = "user sshd:x:103:65534::/run/sshd:/usr/sbin/nologin\ngroup nogroup:x:65534:\nshadow\nlocked\n";

    fn wanted() -> Value {
        json!({"name": "sshd", "system": true, "home": "/run/sshd", "shell": "/usr/sbin/nologin", "group": "nogroup"})
    }

    #[test]
    fn there_as_asked() {
        let d = host(SSHD).decide(&User, &wanted()).unwrap();
        assert_eq!((d.ok, d.evidence.as_str()), (true, "the user sshd exists (uid 103)"));
        assert_eq!((&d.fields["uid"], &d.fields["gid"]), (&json!(103), &json!(65534)));
        assert_eq!((&d.fields["locked"], &d.fields["expired"]), (&json!(true), &json!(false)));
        assert!(host(SSHD).decide(&User, &json!({"name": "sshd"})).unwrap().ok);
    }

    #[test]
    fn made_and_taken_back() {
        let d = host("shadow\nuseradd\n").decide(&User, &wanted()).unwrap();
        assert_eq!((d.evidence.as_str(), &d.fields["locked"]), ("there is no user sshd", &Value::Null));
        let Change::Command(c) = &d.changes[0] else { panic!() };
        assert_eq!(
            c.shown,
            "useradd --no-create-home --system --home-dir /run/sshd --shell /usr/sbin/nologin --gid nogroup sshd"
        );
        assert!(c.sh.starts_with("grep -q '^nogroup:' /etc/group || groupadd --system nogroup || exit\n"));
        assert!(c.undo.as_deref() == Some("userdel sshd") && c.root);
        let busybox = host("shadow\n").titles(&User, &wanted());
        assert_eq!(busybox, ["run adduser -D -H -S -h /run/sshd -s /usr/sbin/nologin -G nogroup sshd"]);
        assert!(c.writes.contains(&Resource::File("/etc/passwd".into())));
    }

    #[test]
    fn another_shell() {
        let d = host("user sshd:x:103:65534::/run/sshd:/bin/sh\ngroup nogroup:x:65534:\n")
            .decide(&User, &wanted())
            .unwrap();
        assert_eq!(d.evidence, "the shell of the user sshd is /bin/sh, not /usr/sbin/nologin");
        let Change::Command(c) = &d.changes[0] else { panic!() };
        assert_eq!(c.shown, "usermod --shell /usr/sbin/nologin sshd");
        assert_eq!(c.undo.as_deref(), Some("usermod --shell /bin/sh sshd"));
        assert_eq!(d.fields["locked"], Value::Null);
    }

    #[test]
    fn names() {
        assert!(is_name("sshd") && is_name("_chrony") && is_name("systemd-network"));
        assert!(!is_name("-x") && !is_name("a:b") && !is_name("a b") && !is_name(""));
        assert_eq!(User.lint(json!({"name": "a:b"}).as_object().unwrap()).len(), 1);
    }
}
