//! `package`: installed, whole, and with the program files that it came with.

mod effects;

use serde_json::{Map, Value};

use effects::{APK, APT, DNF, Effects, Pretend, ZYPPER};

use super::{Decision, Field, Halt, Module, Param, Params, Rule, Spec, Ty};
use crate::payload::sh_quote;
use crate::plan::{Change, CommandChange, Resource, View};

/// A package of the distribution's own manager.
pub struct Package;

static SPEC: Spec = Spec {
    name: "package",
    summary: "A package is installed, and with `intact` its program files are those that it came with. Edited configuration files are no damage, and are kept.",
    scalar: Some("name"),
    params: &[
        Param { name: "name", ty: Ty::Str, required: false, help: "the package, as the distribution names it" },
        Param {
            name: "owns",
            ty: Ty::Str,
            required: false,
            help: "in place of its name: a file that it came with, which may be gone; a path, or a library as the dynamic loader names it (`libwrap.so.0`)",
        },
        Param {
            name: "intact",
            ty: Ty::Bool,
            required: false,
            help: "true: none of its program files is missing or altered",
        },
    ],
    fields: &[
        Field { name: "name", help: "the package" },
        Field { name: "manager", help: "dpkg, rpm, apk, pacman or opkg" },
        Field { name: "installed", help: "whether it is installed, wholly" },
        Field { name: "version", help: "its version, empty if it is not installed" },
        Field { name: "half_installed", help: "an installation of it was begun and not finished" },
        Field { name: "damaged", help: "program files that are missing or altered, if `intact` was asked: a list" },
        Field { name: "missing", help: "those of them that are missing" },
    ],
    reads: "package:NAME",
    writes: "package:NAME",
    open: false,
};

/// A package manager: how it is recognised, asked, and told.
struct Manager {
    name: &'static str,
    /// The program that only it has.
    program: &'static str,
    /// Prints `status …` and `version …`; `$p` is the package, `rb_in` runs a program of the target.
    query: &'static str,
    /// Prints `PACKAGE FILE`, or `PACKAGE`, for whoever came with one of the paths `"$@"`, or with the library `$b` in
    /// whatever directory (only one of the two is set). Its database still knows a file that is gone.
    owner: &'static str,
    /// What a person types to find the package of `{}` where none that is installed has it.
    find: &'static str,
    /// Prints the lines that [`Manager::files`] reads.
    verify: &'static str,
    /// A line of `verify`: the file, and whether it is missing.
    files: fn(&str) -> Option<(&str, bool)>,
    /// What installs `$p`, or installs it again, by the tool that is there; edited configuration stays, and what is gone of it
    /// comes back (dpkg's own, and what ucf(1) keeps: a missing sshd_config makes the package fail).
    install: &'static [(&'static str, &'static str, Option<&'static Pretend>)],
}

/// In the order in which they are looked for: a Debian may well have an rpm, a Fedora has no dpkg.
static MANAGERS: &[Manager] = &[
    Manager {
        name: "dpkg",
        program: "dpkg-query",
        query: r"rb_in dpkg-query -W -f 'status ${Status}\nversion ${Version}\n' -- $p",
        owner: r#"rb_in dpkg -S -- ${b:+"*/$b"} "$@" | sed -n -e '/diversion by /d' -e '/^local diversion /d' -e 's/^\([^ ,]*\)[^/]*: \(\/.*\)$/\1 \2/p'"#,
        find: "apt-file search {}",
        verify: "rb_in dpkg -V -- $p",
        files: dpkg_file,
        install: &[(
            "apt-get",
            r#"export DEBIAN_FRONTEND=noninteractive LC_ALL=C UCF_FORCE_CONFFMISS=1
a() { w=$(apt-get -y -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-confmiss -o DPkg::Lock::Timeout=60 --reinstall install "$p" 2>&1); r=$?
case $w in *'it cannot be downloaded'*) r=1;; esac; [ $r = 0 ] || { printf '%s\n' "$w" | grep -E '^E:|not possible' || printf '%s\n' "$w" | tail -n 2; } >&2; return $r; }
dpkg --force-confold --configure -a; a 2>/dev/null || { apt-get update >/dev/null 2>&1; a; }"#,
            Some(&APT),
        )],
    },
    Manager {
        name: "apk",
        program: "apk",
        query: "if rb_in apk info -e $p >/dev/null; then echo status installed; rb_in apk info -e -v $p | sed -n \"s/^$p-/version /p\"; fi",
        owner: r#"for f in ${b:+"/lib/$b" "/usr/lib/$b"} "$@"; do rb_in apk info -W "$f"; done | sed -n 's/^\(\/[^ ]*\) .*is owned by \(.*\)-[0-9][^-]*-r[0-9]*$/\2 \1/p'"#,
        find: "apk search so:{}",
        verify: "rb_in apk info -q -L $p | while read -r f; do if [ -n \"$f\" ] && [ ! -e \"$R/$f\" ] && [ ! -L \"$R/$f\" ]; then echo \"missing /$f\"; fi; done",
        files: listed_file,
        install: &[("apk", "apk add $p && apk fix --reinstall $p", Some(&APK))],
    },
    Manager {
        name: "pacman",
        program: "pacman",
        query: "rb_in pacman -Q $p | sed 's/^[^ ]* \\(.*\\)/status installed\\nversion \\1/'",
        owner: r#"for f in ${b:+"/$b"} "$@"; do rb_in pacman -Ql | grep -F -- "$f"; done"#,
        find: "pacman -F {}",
        verify: "rb_in pacman -Qkk $p 2>&1",
        files: pacman_file,
        install: &[("pacman", "pacman -S --noconfirm $p", None)],
    },
    Manager {
        name: "rpm",
        program: "rpm",
        query: r"rb_in rpm -q --qf 'status installed\nversion %{VERSION}-%{RELEASE}\n' $p",
        owner: r#"rb_in rpm -q --qf 'owner %{NAME}\n' ${b:+--whatprovides "$b()(64bit)" "$b"} ${1:+-f "$@"} | sed -n 's/^owner //p'"#,
        find: "dnf provides '*/{}'",
        verify: "rb_in rpm -V --nodeps $p",
        files: rpm_file,
        install: &[
            ("dnf", "if rpm -q $p >/dev/null; then dnf -y reinstall $p; else dnf -y install $p; fi", Some(&DNF)),
            ("yum", "if rpm -q $p >/dev/null; then yum -y reinstall $p; else yum -y install $p; fi", Some(&DNF)),
            ("zypper", "zypper --non-interactive install --force $p", Some(&ZYPPER)),
        ],
    },
    Manager {
        name: "opkg",
        program: "opkg",
        query: "rb_in opkg status $p | sed -n -e 's/^Status: /status /p' -e 's/^Version: /version /p'",
        owner: r#"for f in ${b:+"*/$b"} "$@"; do rb_in opkg search "$f"; done | sed -n 's/^\([^ ]*\) - .*/\1/p'"#,
        find: "opkg update; opkg whatprovides {}",
        verify: "rb_in opkg files $p | sed 1d | while read -r f; do if [ ! -e \"$R$f\" ] && [ ! -L \"$R$f\" ]; then echo \"missing $f\"; fi; done",
        files: listed_file,
        install: &[("opkg", "opkg update; opkg install --force-reinstall $p", None)],
    },
];

impl Module for Package {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn rules(&self) -> &'static [Rule] {
        &[Rule::One(&["name", "owns"], None)]
    }
    fn lint(&self, p: &Map<String, Value>) -> Vec<(&'static str, String, String)> {
        let mut out = Vec::new();
        let given = |k: &str| p.get(k).and_then(Value::as_str).filter(|n| !n.contains("{{"));
        if let Some(n) = given("name").filter(|n| !is_name(n)) {
            out.push(("name", format!("\"{n}\" is no package's name"), "letters, digits and + . _ : @ -".to_owned()));
        }
        if let Some(f) = given("owns").filter(|f| !is_file(f)) {
            out.push(("owns", no_file(f), "a path (/usr/sbin/sshd), or a library's name (libwrap.so.0)".to_owned()));
        }
        out
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        let found;
        let name = match (p.str("name"), p.str("owns")) {
            (Some(name), _) => name,
            (None, Some(file)) => {
                found = owner(file, view)?;
                &found
            }
            (None, None) => return Err(Halt::error("name", "it has no value, and neither has owns")),
        };
        if !is_name(name) {
            return Err(Halt::error("name", format!("\"{name}\" is no package's name")));
        }
        let reads = [Resource::Package(name.to_owned())];
        let sh = script(name, p.is("intact")).ok_or_else(|| Halt::unknown("a name with a NUL"))?;
        let a = view.script(&format!("package {name}"), &sh, false, &reads)?;
        let out = String::from_utf8_lossy(&a.stdout);
        let seen = Seen::read(&out).ok_or_else(no_manager)?;
        let ok = seen.installed() && seen.damaged.is_empty();
        let change = if ok || !view.wants_changes() { None } else { seen.change(name, view)? };
        let d = Decision::new(ok, seen.evidence(name))
            .with("name", name)
            .with("manager", seen.manager.name)
            .with("installed", seen.installed())
            .with("version", seen.version.clone())
            .with("half_installed", seen.half_installed())
            .with("damaged", seen.damaged.iter().map(|d| d.0.clone()).collect::<Vec<_>>())
            .with("missing", seen.missing());
        Ok(d.changing(change.into_iter().collect()))
    }
}

fn no_manager() -> Halt {
    let hint = Some("install the package by hand".to_owned());
    Halt::Unknown {
        why: "no package manager that is known here (dpkg, rpm, apk, pacman, opkg) can be asked".into(),
        hint,
    }
}

/// A name that no shell and no manager takes for anything else.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(['-', '.'])
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+._:@-".contains(&b))
}

/// A path or a name that no shell and no manager takes for a pattern.
fn is_file(file: &str) -> bool {
    !file.is_empty()
        && (file.starts_with('/') || !file.contains('/'))
        && !file.starts_with('-')
        && file.bytes().all(|b| b.is_ascii_alphanumeric() || b"+._:@-/~=%,".contains(&b))
}

fn no_file(file: &str) -> String {
    format!("\"{file}\" is neither a path nor a library's name")
}

/// The other name of a path where `/bin` is a link to `/usr/bin` (file-hierarchy(7)): the package may have either.
fn twin(path: &str) -> Option<String> {
    let merged = |p: &str| p.starts_with("/bin/") || p.starts_with("/sbin/") || p.starts_with("/lib");
    match path.strip_prefix("/usr") {
        Some(p) if merged(p) => Some(p.to_owned()),
        None if merged(path) => Some(format!("/usr{path}")),
        _ => None,
    }
}

/// The package that a file came with, there or gone.
fn owner(file: &str, view: &View<'_>) -> Result<String, Halt> {
    if !is_file(file) {
        return Err(Halt::error("owns", no_file(file)));
    }
    let library = !file.contains('/');
    let paths: Vec<String> = if library { vec![] } else { [file.to_owned()].into_iter().chain(twin(file)).collect() };
    let what = format!("b={}; set -- {}", if library { file } else { "" }, paths.join(" "));
    // What a package brings along is known when it is there.
    let reads = [Resource::Package("*".to_owned())];
    let a = view.script(
        &format!("package that owns {file}"),
        &each(&what, |m| {
            format!(
                "{{ {}; }} 2>/dev/null | while read -r p f; do if [ -n \"$f\" ] && [ -e \"$R$f\" ]; then echo \"has $p $f\"; else echo \"lost $p $f\"; fi; done\n",
                m.owner
            )
        }),
        false,
        &reads,
    )?;
    let out = String::from_utf8_lossy(&a.stdout);
    let manager = manager_of(&out).ok_or_else(no_manager)?;
    let fits = |f: &str| match library {
        true => f.rsplit_once('/').is_some_and(|x| x.1 == file),
        false => paths.iter().any(|p| p == f),
    };
    let owners = out.lines().filter_map(|l| {
        let mut words = l.split(' ');
        let (state, package) = (words.next()?, words.next()?);
        let path = words.next().unwrap_or_default();
        let fits = matches!(state, "has" | "lost") && (path.is_empty() || fits(path));
        // One that lost it rather than one that has a file of that name elsewhere, in a directory of its own.
        fits.then_some(((state == "has", path.len()), package))
    });
    match owners.min_by_key(|(rank, _)| *rank) {
        Some((_, package)) => Ok(package.to_owned()),
        None => Err(Halt::Unknown {
            why: format!("no package that is installed came with {file}"),
            hint: Some(format!(
                "find the package that has it ({}), and install that",
                manager.find.replace("{}", file.rsplit('/').next().unwrap_or(file))
            )),
        }),
    }
}

/// Runs a program of the target: on a disk that is not running, the disk's own, in a chroot.
const RB_IN: &str = "rb_in() { if [ -n \"$R\" ]; then chroot \"$R\" \"$@\"; else \"$@\"; fi; }\n";

/// Sh that asks the target's manager; on a disk that is not running, the disk's own, in a chroot.
fn each(set: &str, ask: impl Fn(&Manager) -> String) -> String {
    let mut sh = format!(
        "{set}; {RB_IN}rb_has() {{ for d in usr/bin bin sbin usr/sbin; do if [ -x \"$R/$d/$1\" ]; then return 0; fi; done; return 1; }}\n"
    );
    for (n, m) in MANAGERS.iter().enumerate() {
        let word = if n == 0 { "if" } else { "elif" };
        sh += &format!(
            "{word} rb_has {} && rb_in {} --version >/dev/null 2>&1; then echo manager {}\n",
            m.program, m.program, m.name
        );
        sh += &ask(m);
    }
    sh + "fi; :"
}

/// What it is, and whether its files are there.
fn script(name: &str, intact: bool) -> Option<String> {
    Some(each(&format!("p={}", sh_quote(name)?), |m| {
        let mut sh = String::new();
        for (tool, ..) in m.install {
            sh += &format!("if rb_has {tool}; then echo tool {tool}; fi\n");
        }
        sh += &format!("o=$({{ {}; }} 2>/dev/null); printf '%s\\n' \"$o\"\n", m.query);
        if intact {
            sh += &format!("case $o in *status*) {} 2>/dev/null | sed 's/^/file /';; esac\n", m.verify);
        }
        sh
    }))
}

fn manager_of(out: &str) -> Option<&'static Manager> {
    let name = out.lines().find_map(|l| l.strip_prefix("manager "))?;
    MANAGERS.iter().find(|m| m.name == name)
}

/// What the manager said.
struct Seen {
    manager: &'static Manager,
    tools: Vec<String>,
    status: String,
    version: String,
    /// Program files, and whether each is missing.
    damaged: Vec<(String, bool)>,
}

impl Seen {
    fn read(out: &str) -> Option<Self> {
        let manager = manager_of(out)?;
        let lines = out.lines().filter_map(|l| l.split_once(' '));
        let mut seen = Seen { manager, tools: vec![], status: String::new(), version: String::new(), damaged: vec![] };
        for (key, value) in lines {
            match key {
                "tool" => seen.tools.push(value.to_owned()),
                "status" => seen.status = value.trim().to_owned(),
                "version" => seen.version = value.trim().to_owned(),
                "file" => {
                    let file = (manager.files)(value).filter(|(path, _)| !is_doc(path));
                    seen.damaged.extend(file.map(|(path, gone)| (path.to_owned(), gone)));
                }
                _ => {}
            }
        }
        if !seen.installed() && !seen.half_installed() {
            seen.version.clear();
        }
        Some(seen)
    }
    /// dpkg(1), PACKAGE STATES: `want flag state`; the others say it in one word.
    fn installed(&self) -> bool {
        self.status.split(' ').next_back() == Some("installed") && !self.status.contains("reinstreq")
    }
    fn half_installed(&self) -> bool {
        let state = self.status.split(' ').next_back().unwrap_or_default();
        !self.installed() && !matches!(state, "" | "not-installed" | "config-files")
    }
    fn missing(&self) -> Vec<String> {
        self.damaged.iter().filter(|d| d.1).map(|d| d.0.clone()).collect()
    }
    fn evidence(&self, name: &str) -> String {
        let missing = self.missing();
        let more = |all: usize| if all > 1 { format!(" and {} more", all - 1) } else { String::new() };
        if self.half_installed() {
            format!("the installation of {name} was begun and not finished ({})", self.status)
        } else if !self.installed() {
            format!("the package {name} is not installed")
        } else if let Some(file) = missing.first() {
            format!("the package {name} has lost {file}{}", more(missing.len()))
        } else if let Some((file, _)) = self.damaged.first() {
            format!("{file}{} is not what the package {name} came with", more(self.damaged.len()))
        } else {
            format!("{name} {} is installed", self.version)
        }
    }
    fn change(&self, name: &str, view: &View<'_>) -> Result<Option<Change>, Halt> {
        let found = self.manager.install.iter().find(|(tool, ..)| self.tools.iter().any(|t| t == tool));
        let Some((tool, sh, pretend)) = found else { return Ok(None) };
        let quoted = sh_quote(name).ok_or_else(|| Halt::unknown("a name with a NUL"))?;
        let again = if self.installed() { "install again" } else { "install" };
        let sh = format!("p={quoted}\n{sh}");
        let shown = format!("{tool}: {again} {name}");
        let mut change = CommandChange::new(sh, shown).writing(vec![Resource::Package(name.to_owned())]).by_root();
        if let Some(pretend) = pretend {
            let ask = format!("p={quoted} t={tool}; {RB_IN}{}; :", pretend.sh);
            // Of what is installed now: several packages of one plan do not wait for one another.
            let about = format!("packages that installing {name} changes");
            let asked = view.script(&about, &ask, false, &[]);
            let out = match asked {
                Ok(a) => String::from_utf8_lossy(&a.stdout).into_owned(),
                Err(Halt::Unknown { why, .. }) => why,
                Err(halt) => return Err(halt),
            };
            match Effects::read(pretend, &out) {
                Some(e) => {
                    change.notes = e.notes(name);
                    change.undo = e.undo(pretend, name).filter(|_| !self.half_installed());
                    change.notes.extend(e.left_by_undo(pretend).filter(|_| change.undo.is_some()));
                }
                // Its lists may be out of date: they are read anew before the installation fails for that.
                None if !self.installed() => {
                    let said = out.lines().find(|l| l.starts_with("E: ") || l.to_lowercase().starts_with("error"));
                    let said = said.map_or(String::new(), |l| format!(": {l}"));
                    change.notes.push(format!("what else it changes cannot be told{said}"));
                }
                None => {}
            }
        }
        Ok(Some(Change::Command(change)))
    }
}

/// Images leave these out (`path-exclude` of dpkg, `tsflags=nodocs` of rpm); no program needs them.
fn is_doc(path: &str) -> bool {
    ["doc", "man", "locale", "info", "lintian", "licenses", "help"]
        .iter()
        .any(|d| path.strip_prefix("/usr/share/").is_some_and(|p| p.split('/').next() == Some(d)))
}

/// `??5?????? c /etc/x`, `missing   c /etc/x`, `missing     /usr/sbin/sshd` (dpkg(1), --verify-format rpm).
fn dpkg_file(line: &str) -> Option<(&str, bool)> {
    let (what, rest) = line.split_once(' ')?;
    let at = rest.find('/')?;
    let file = rest[at..].split(" (").next()?;
    (rest[..at].trim() != "c").then_some((file, what == "missing"))
}

/// `S.5....T.  c /etc/x` (rpm(8), VERIFY OPTIONS): a file's size, digest, mode, owner or link; its times do not count.
fn rpm_file(line: &str) -> Option<(&str, bool)> {
    let (file, missing) = dpkg_file(line)?;
    let kind = line.split_whitespace().nth(1).unwrap_or_default();
    let altered = missing || line.split(' ').next()?.contains(['S', '5', 'M', 'U', 'G', 'L']);
    (altered && !matches!(kind, "g" | "d" | "l" | "r")).then_some((file, missing))
}

/// `missing /usr/sbin/sshd`: managers that only list their files.
fn listed_file(line: &str) -> Option<(&str, bool)> {
    line.strip_prefix("missing ").filter(|f| !f.starts_with("/etc/")).map(|f| (f, true))
}

/// `warning: openssh: /usr/bin/sshd (Size mismatch)`, `warning: openssh: /usr/bin/x (No such file or directory)`;
/// `backup file: …` is configuration (pacman(8), -Qkk).
fn pacman_file(line: &str) -> Option<(&str, bool)> {
    let (_, rest) = line.strip_prefix("warning: ")?.split_once(": ")?;
    let (file, why) = rest.split_once(" (")?;
    let altered = ["SHA256", "MD5", "Size", "Permissions", "Symlink", "UID", "GID", "No such file"];
    (file.starts_with('/') && altered.iter().any(|a| why.starts_with(a))).then(|| (file, why.starts_with("No such")))
}

#[cfg(test)]
mod tests {
    use super::super::canned::Canned;
    use super::*;
    use serde_json::json;

    fn host(out: &'static str) -> Canned<'static> {
        Canned::new(move |_| (0, out.into()))
    }
    fn whole() -> Value {
        json!({"name": "openssh-server", "intact": true})
    }

    #[test]
    fn debian_whole_with_edited_configuration() {
        let d = host(
            "manager dpkg\ntool apt-get\nstatus install ok installed\nversion 1:9.2p1-2+deb12u10\n\
             file missing   c /etc/default/ssh\nfile ??5?????? c /etc/pam.d/sshd\nfile missing     /usr/share/man/man8/sshd.8.gz\n",
        )
        .decide(&Package, &whole())
        .unwrap();
        assert!(d.ok, "{}", d.evidence);
        assert_eq!(d.fields["version"], "1:9.2p1-2+deb12u10");
        assert_eq!(d.evidence, "openssh-server 1:9.2p1-2+deb12u10 is installed");
    }

    #[test]
    fn debian_without_the_program() {
        let h = host(
            "manager dpkg\ntool apt-get\nstatus install ok installed\nversion 1\nfile missing     /usr/sbin/sshd\nfile ??5??????   /lib/systemd/system/ssh.service\n",
        );
        let d = h.decide(&Package, &whole()).unwrap();
        assert_eq!(d.fields["missing"], json!(["/usr/sbin/sshd"]));
        assert_eq!(d.fields["damaged"], json!(["/usr/sbin/sshd", "/lib/systemd/system/ssh.service"]));
        assert_eq!(d.evidence, "the package openssh-server has lost /usr/sbin/sshd");
        assert_eq!(d.changes[0].writes(), [Resource::Package("openssh-server".into())]);
        assert_eq!(h.titles(&Package, &whole()), ["run apt-get: install again openssh-server   (cannot be undone)"]);
    }

    #[test]
    fn half_and_not_installed() {
        let d = host("manager dpkg\ntool apt-get\nstatus install reinstreq half-installed\nversion 1\n")
            .decide(&Package, &whole())
            .unwrap();
        assert_eq!((d.ok, &d.fields["half_installed"], &d.fields["installed"]), (false, &json!(true), &json!(false)));
        let none = host("manager dpkg\ntool apt-get\nstatus deinstall ok config-files\nversion 1\n");
        let d = none.decide(&Package, &whole()).unwrap();
        assert_eq!((&d.fields["half_installed"], &d.fields["version"]), (&json!(false), &json!("")));
        assert_eq!(d.evidence, "the package openssh-server is not installed");
        // Nothing that could install it: a fault without a repair.
        let d = host("manager rpm\n").decide(&Package, &whole()).unwrap();
        assert!(!d.ok && d.changes.is_empty());
        assert!(matches!(host("").decide(&Package, &whole()), Err(Halt::Unknown { .. })));
    }

    #[test]
    fn lines_of_the_others() {
        assert_eq!(rpm_file("missing     /usr/sbin/sshd"), Some(("/usr/sbin/sshd", true)));
        assert_eq!(rpm_file("S.5....T.    /usr/sbin/sshd"), Some(("/usr/sbin/sshd", false)));
        assert_eq!(rpm_file("S.5....T.  c /etc/ssh/sshd_config"), None);
        assert_eq!(rpm_file(".......T.    /usr/sbin/sshd"), None);
        assert_eq!(rpm_file(".M.......  g /var/empty/sshd/etc"), None);
        assert_eq!(
            pacman_file("warning: openssh: /usr/bin/sshd (SHA256 checksum mismatch)"),
            Some(("/usr/bin/sshd", false))
        );
        assert_eq!(
            pacman_file("warning: openssh: /usr/bin/sshd (No such file or directory)"),
            Some(("/usr/bin/sshd", true))
        );
        assert_eq!(pacman_file("backup file: openssh: /etc/ssh/sshd_config (Size mismatch)"), None);
        assert_eq!(pacman_file("warning: openssh: /usr/bin/sshd (Modification time mismatch)"), None);
        assert_eq!(pacman_file("openssh: 63 total files, 1 altered file"), None);
        assert_eq!(listed_file("missing /usr/sbin/sshd"), Some(("/usr/sbin/sshd", true)));
    }

    #[test]
    fn the_package_of_a_file() {
        let owns = |file: &str| json!({"owns": file, "intact": true});
        let on = |owners: &'static str| {
            Canned::new(move |sh| match sh.starts_with("b=") {
                true => (0, format!("manager dpkg\n{owners}")),
                false => {
                    (0, format!("manager dpkg\ntool apt-get\nstatus install ok installed\nversion {}\n", &sh[2..11]))
                }
            })
        };
        let name = |owners, file| on(owners).decide(&Package, &owns(file)).map(|d| d.fields["name"].clone());
        let lost =
            "has browser /opt/browser/libwrap.so.0\nlost libwrap0:amd64 /usr/lib/x86_64-linux-gnu/libwrap.so.0\n";
        assert_eq!(name(lost, "libwrap.so.0"), Ok(json!("libwrap0:amd64")));
        // Both are there: the one in the loader's own directories.
        let both = "has x /usr/lib/x/private/lib/a.so.1\nhas y /usr/lib/a.so.1\n";
        assert_eq!(name(both, "a.so.1"), Ok(json!("y")));
        assert_eq!(name("has openssh-server /usr/sbin/sshd\n", "/usr/sbin/sshd"), Ok(json!("openssh-server")));
        assert_eq!(name("lost libssl3 /usr/lib/libcrypto.so.3\n", "/lib/libcrypto.so.3"), Ok(json!("libssl3")));
        assert_eq!(name("lost openssh-server\n", "/usr/sbin/sshd"), Ok(json!("openssh-server")));
        assert_eq!(
            name("lost x /usr/lib/libwrap.so.0.7\n", "libwrap.so.0"),
            Err(Halt::Unknown {
                why: "no package that is installed came with libwrap.so.0".into(),
                hint: Some("find the package that has it (apt-file search libwrap.so.0), and install that".into()),
            })
        );
        assert!(matches!(name("", "a*b"), Err(Halt::Error { .. })));
        assert!(matches!(on("").decide(&Package, &json!({})), Err(Halt::Error { .. })));
        let lint = |p: Value| Package.lint(p.as_object().unwrap()).len();
        assert_eq!((lint(json!({})), lint(json!({"name": "x", "owns": "y"}))), (0, 0));
        assert_eq!((lint(owns("lib/x")), lint(owns("{{ x }}")), lint(owns("$(x)"))), (1, 0, 1));
    }

    #[test]
    fn names() {
        assert!(is_name("openssh-server") && is_name("g++") && is_name("libc6:amd64"));
        assert!(!is_name("-x") && !is_name("a b") && !is_name("$(x)") && !is_name(""));
    }
}
