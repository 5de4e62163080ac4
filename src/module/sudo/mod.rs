//! `sudo`: it works, and a user may use it.

mod mend;

use serde_json::{Map, Value, json};

use super::{Decision, Field, Halt, Module, Param, Params, Rule, Spec, Ty, is_user};
use crate::payload::sh_quote;
use crate::plan::{View, first_line};
use crate::target::frame::Status;

/// sudo(8).
pub struct Sudo;

static SPEC: Spec = Spec {
    name: "sudo",
    summary: "sudo works: its program has the set-user-ID bit, its files are root's and for nobody else to write, and visudo(8) can read them; with `user`, that user may use it. As a remediation with `mend`, lines that cannot be read become comments, and visudo has said yes to the result before anything is written.",
    scalar: Some("user"),
    params: &[
        Param { name: "user", ty: Ty::Str, required: false, help: "who should be able to use it" },
        Param {
            name: "about",
            ty: Ty::Str,
            required: false,
            help: "one kind of problem: ok and evidence are about it alone",
        },
        Param {
            name: "mend",
            ty: Ty::Bool,
            required: false,
            help: "as a remediation: mends lines that cannot be read",
        },
    ],
    fields: &[
        Field {
            name: "problems",
            help: "what is wrong: a list of {kind, what, todo, path, mode, line, group}; kind is missing, program, nosuid, file, lost (there is no /etc/sudoers), syntax, ignored or not_allowed",
        },
        Field { name: "allowed", help: "the user may use it; null where that was not asked, or cannot be told" },
    ],
    reads: "file:/etc/sudoers, file:/etc/sudoers.d/**, file:/etc/group, file:/usr/bin/sudo",
    writes: "file:/etc/sudoers, file:/etc/sudoers.d/**",
    open: false,
};

/// A line that visudo refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refused {
    file: String,
    line: usize,
    why: String,
}

/// What probe.sh says.
#[derive(Debug, Default)]
struct Seen {
    /// Mode, owner, path.
    program: Option<(u32, u32, String)>,
    /// Where it is mounted, and how.
    on: (String, String),
    files: Vec<File>,
    visudo: bool,
    /// visudo(8) finds no /etc/sudoers.
    lost: bool,
    refused: Vec<Refused>,
    groups: Vec<String>,
    grants: Vec<String>,
    may: Vec<String>,
}

#[derive(Debug)]
struct File {
    directory: bool,
    mode: u32,
    uid: u32,
    gid: u32,
    path: String,
}

/// The package brings it back only where it is told so: dpkg(1), --force-confmiss; an rpm does.
const RESTORE: &str = "have its package bring it back, as root: apt-get install --reinstall -o Dpkg::Options::=--force-confmiss sudo (Fedora and its kin: dnf reinstall sudo), or copy it from another host with mode 0440; then put the lines of your own back";

impl Module for Sudo {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn rules(&self) -> &'static [Rule] {
        &[Rule::Not("mend", &["user", "about"])]
    }
    fn lint(&self, p: &Map<String, Value>) -> Vec<(&'static str, String, String)> {
        let name = p.get("user").and_then(Value::as_str).filter(|n| !n.contains("{{") && !is_user(n));
        name.map(|n| ("user", format!("\"{n}\" is no user's name"), "letters, digits and . _ - @ +".to_owned()))
            .into_iter()
            .collect()
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        let user = p.str("user").unwrap_or_default();
        if !user.is_empty() && !is_user(user) {
            return Err(Halt::error("user", format!("\"{user}\" is no user's name")));
        }
        let quoted = sh_quote(user).ok_or_else(|| Halt::error("user", "a name with a NUL"))?;
        let probe = crate::target::squeeze(include_str!("probe.sh"));
        let a = view.own_script(&format!("sudo of {quoted}"), &format!("u={quoted}\n{probe}"), &[])?;
        if !view.facts()?.root {
            let why = "sudo's files are for root to read".to_owned();
            return Err(Halt::Unknown { why, hint: Some("come as root by another way: su, a console".into()) });
        }
        if a.status != Status::Exit(0) {
            return Err(Halt::unknown(format!("sudo cannot be looked at: {}", first_line(&a.stderr))));
        }
        let seen = Seen::read(&String::from_utf8_lossy(&a.stdout));
        if p.is("mend") {
            return mend::decide(&seen.refused, view);
        }
        let problems = seen.problems(user);
        if problems.is_empty() && !user.is_empty() && seen.may.is_empty() {
            let why = format!("sudo works, and does not say what {user} may do with it (sudo -l -U {user})");
            return Err(Halt::unknown(why));
        }
        let about = problems.iter().find(|x| p.str("about").is_none_or(|kind| x["kind"] == kind));
        let evidence = match about {
            Some(p) => p["what"].as_str().unwrap_or_default().to_owned(),
            None if !problems.is_empty() => "that is not what is wrong with sudo".to_owned(),
            None if user.is_empty() => "sudo works".into(),
            None => format!("sudo works, and {user} may use it"),
        };
        let asked = !user.is_empty() && !seen.may.is_empty();
        Ok(Decision::new(about.is_none(), evidence)
            .with("problems", problems)
            .with("allowed", asked.then(|| seen.allowed())))
    }
}

/// `FILE:LINE:COLUMN: why` (sudo 1.9.9 and later), `>>> FILE: why near line N <<<` (earlier).
fn refused(line: &str) -> Option<Refused> {
    if let Some(rest) = line.strip_prefix(">>> ").and_then(|l| l.strip_suffix(" <<<")) {
        let (file, rest) = rest.split_once(": ")?;
        let (why, n) = rest.rsplit_once(" near line ")?;
        return Some(Refused { file: file.to_owned(), line: n.parse().ok()?, why: why.to_owned() });
    }
    let mut f = line.splitn(4, ':');
    let (file, n) = (f.next().filter(|p| p.starts_with('/'))?, f.next()?.parse().ok()?);
    let (column, why) = (f.next()?, f.next()?.trim());
    column.trim().parse::<u32>().ok()?;
    // Said, and not refused: a rule with such an alias works but for that.
    if why.ends_with("referenced but not defined") || why.starts_with("unused ") {
        return None;
    }
    Some(Refused { file: file.to_owned(), line: n, why: why.to_owned() })
}

impl Seen {
    fn read(out: &str) -> Self {
        let mut s = Seen::default();
        for line in out.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let f: Vec<&str> = rest.splitn(5, '|').collect();
            match (word, &f[..]) {
                ("program", [mode, uid, _, path]) => {
                    s.program = u32::from_str_radix(mode, 8)
                        .ok()
                        .zip(uid.parse().ok())
                        .map(|(m, u)| (m, u, (*path).to_owned()));
                }
                ("on", _) => {
                    s.on = rest.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap_or_default();
                }
                ("file", [kind, mode, uid, gid, path]) => s.files.push(File {
                    directory: *kind == "directory",
                    mode: u32::from_str_radix(mode, 8).unwrap_or(0),
                    uid: uid.parse().unwrap_or(0),
                    gid: gid.parse().unwrap_or(0),
                    path: (*path).to_owned(),
                }),
                ("visudo", _) => s.visudo = true,
                ("check", _) => {
                    s.lost |= rest.contains("/etc/sudoers: No such file");
                    s.refused.extend(refused(rest));
                }
                ("groups", _) => s.groups = rest.split(' ').map(str::to_owned).collect(),
                ("grants", _) => s.grants.push(rest.to_owned()),
                ("may", _) => s.may.push(rest.to_owned()),
                _ => {}
            }
        }
        s
    }

    /// `sudo -l -U` says so.
    fn allowed(&self) -> bool {
        self.may.iter().any(|l| l.contains("may run the following commands"))
    }

    fn problems(&self, user: &str) -> Vec<Value> {
        let mut out = Vec::new();
        let problem = |kind: &str, what: String, todo: String| json!({"kind": kind, "what": what, "todo": todo, "path": "", "mode": "", "line": null, "group": ""});
        let Some((mode, uid, path)) = &self.program else {
            return vec![problem("missing", "sudo is not installed".into(), "install it: apt-get install sudo".into())];
        };
        if *uid != 0 || mode & 0o4000 == 0 || mode & 0o111 == 0 {
            let what =
                format!("{path} must be root's, with the set-user-ID bit: its mode is {mode:04o}, its owner {uid}");
            let mut p = problem("program", what, String::new());
            p["path"] = path.clone().into();
            p["mode"] = "4755".into();
            out.push(p);
        }
        if self.on.1.split(',').any(|o| o == "nosuid") {
            let what =
                format!("{path} is on {}, which is mounted nosuid: the set-user-ID bit has no effect there", self.on.0);
            let todo =
                format!("take nosuid out of the line for {} in /etc/fstab, and: mount -o remount,suid {0}", self.on.0);
            out.push(problem("nosuid", what, todo));
        }
        // What sudo itself demands (sudo_secure_file): a file of another mode than 0440 is fine otherwise.
        for f in self.files.iter().filter(|f| !f.ignored()) {
            if f.uid != 0 || f.mode & 0o002 != 0 || (f.mode & 0o020 != 0 && f.gid != 0) {
                let what = format!(
                    "sudo does not trust {}: its mode is {:04o}, its owner {}:{}",
                    f.path, f.mode, f.uid, f.gid
                );
                let mut p = problem("file", what, String::new());
                p["path"] = f.path.clone().into();
                p["mode"] = if f.directory { "0755" } else { "0440" }.into();
                out.push(p);
            }
        }
        if !self.files.is_empty() && !self.files.iter().any(|f| f.path == "/etc/sudoers") || self.lost {
            let what = "/etc/sudoers does not exist, and sudo lets nobody use it without".to_owned();
            out.push(problem("lost", what, RESTORE.to_owned()));
        }
        for r in &self.refused {
            let what = format!("sudo cannot read {}:{}: {}", r.file, r.line, r.why);
            let mut p = problem("syntax", what, "mend it with visudo".into());
            p["path"] = r.file.clone().into();
            p["line"] = r.line.into();
            out.push(p);
        }
        // Of a sudo that does not work nothing can be said for one user.
        if user.is_empty() || !out.is_empty() || self.may.is_empty() || self.allowed() {
            return out;
        }
        let said = self.may.iter().find(|l| !l.trim().is_empty()).cloned().unwrap_or_default();
        for f in self.files.iter().filter(|f| f.ignored()) {
            let name = f.path.rsplit('/').next().unwrap_or_default();
            let plain: String = name.trim_end_matches('~').replace('.', "-");
            let what = format!("sudo passes over {}: a name there may have no dot and not end with ~", f.path);
            out.push(problem(
                "ignored",
                what,
                format!("if it is meant to count: visudo -cf {} && mv {0} /etc/sudoers.d/{plain}", f.path),
            ));
        }
        let group = self.grants.iter().find(|g| !self.groups.contains(g));
        let (what, todo) = match group {
            Some(g) => (
                format!("{user} is not in the group {g}, whose members may use sudo"),
                format!("if {user} is to be one: usermod -aG {g} {user}"),
            ),
            None => (
                format!("no line of sudo's lets {user} use it: {said}"),
                format!(
                    "if {user} is to: echo '{user} ALL=(ALL:ALL) ALL' | EDITOR='tee' visudo -f /etc/sudoers.d/{user}"
                ),
            ),
        };
        let mut p = problem("not_allowed", what, todo);
        p["group"] = group.cloned().unwrap_or_default().into();
        out.push(p);
        out
    }
}

impl File {
    /// sudoers(5), Including other files from within sudoers.
    fn ignored(&self) -> bool {
        let name = self.path.strip_prefix("/etc/sudoers.d/").unwrap_or_default();
        name.ends_with('~') || name.contains('.')
    }
}

#[cfg(test)]
mod tests {
    use super::super::canned::Canned;
    use super::*;

    const WELL: &str = "program 4755|0|0|/usr/bin/sudo\non / rw,relatime\nfile regular file|440|0|0|/etc/sudoers\nfile directory|755|0|0|/etc/sudoers.d\n\
        file regular file|644|0|0|/etc/sudoers.d/README\nfile regular file|666|0|0|/etc/sudoers.d/old.conf\nvisudo\ncheck /etc/sudoers: parsed OK\n\
        check /etc/sudoers.d/README: bad permissions, should be mode 0440\ngroups bob\ngrants sudo\n";

    fn ways(out: &str, user: &str) -> Vec<(String, String)> {
        let d = Canned::new(|_| (0, out.to_owned())).decide(&Sudo, &json!({"user": user})).unwrap();
        let all = d.fields["problems"].as_array().unwrap();
        assert_eq!(d.ok, all.is_empty());
        all.iter().map(|p| (p["kind"].as_str().unwrap().to_owned(), p["what"].as_str().unwrap().to_owned())).collect()
    }

    #[test]
    fn it_works() {
        assert!(ways(WELL, "").is_empty());
        assert!(ways(&format!("{WELL}may User bob may run the following commands on h:\n"), "bob").is_empty());
    }

    #[test]
    fn what_breaks_it() {
        let one = |old: &str, new: &str| {
            assert!(WELL.contains(old));
            ways(&WELL.replace(old, new), "").remove(0)
        };
        assert_eq!(one("program 4755", "program 755").0, "program");
        assert_eq!(
            one("on / rw", "on / rw,nosuid").1,
            "/usr/bin/sudo is on /, which is mounted nosuid: the set-user-ID bit has no effect there"
        );
        assert_eq!(
            one("|440|0|0|", "|446|0|0|").1,
            "sudo does not trust /etc/sudoers: its mode is 0446, its owner 0:0"
        );
        assert_eq!(one("directory|755", "directory|777").0, "file");
        assert_eq!(
            one("check /etc/sudoers: parsed OK", "check /etc/sudoers:7:12: syntax error").1,
            "sudo cannot read /etc/sudoers:7: syntax error"
        );
        assert_eq!(
            one("check /etc/sudoers: parsed OK", "check >>> /etc/sudoers: syntax error near line 7 <<<").1,
            "sudo cannot read /etc/sudoers:7: syntax error"
        );
        assert_eq!(ways("visudo\n", "")[0].0, "missing");
        let lost = WELL.replace("file regular file|440|0|0|/etc/sudoers\n", "");
        assert_eq!(ways(&lost, "")[0].0, "lost");
        let unknown = "check /etc/sudoers:9:43: Cmnd_Alias \"GONE\" referenced but not defined";
        assert!(ways(&WELL.replace("check /etc/sudoers: parsed OK", unknown), "").is_empty());
    }

    #[test]
    fn who_may_not() {
        let all = ways(&format!("{WELL}may User bob is not allowed to run sudo on h.\n"), "bob");
        assert_eq!(all.iter().map(|p| p.0.as_str()).collect::<Vec<_>>(), ["ignored", "not_allowed"]);
        assert_eq!(all[1].1, "bob is not in the group sudo, whose members may use sudo");
    }
}
