//! What installing a package would change beside it, as its manager says when asked to pretend.

use crate::payload::sh_quote;

/// How a tool is asked to pretend, how its answer is read, and what takes the installation back.
pub(super) struct Pretend {
    /// Prints what would be done; `$p` is the package, `rb_in` runs a program of the target. It changes nothing.
    pub(super) sh: &'static str,
    read: fn(&str) -> Effects,
    undo: fn(&Effects, &str) -> Vec<String>,
    /// Its repositories have one version of a package: no undo brings an old one back.
    one_version: bool,
}

/// What one transaction of a package manager does.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Effects {
    /// Packages that are not there yet.
    installs: Vec<String>,
    /// Packages that go, with their versions where the manager says them.
    removes: Vec<(String, String)>,
    /// Packages that get another version: the old one (empty where the manager does not say it) and the new one.
    replaces: Vec<(String, String, String)>,
}

impl Effects {
    /// What an answer says; `None`: the manager could not tell.
    pub(super) fn read(of: &Pretend, out: &str) -> Option<Self> {
        Some((of.read)(out)).filter(|e| *e != Self::default())
    }

    /// A line for people for each sort of change, but for the package `name` itself.
    pub(super) fn notes(&self, name: &str) -> Vec<String> {
        let mut out = Vec::new();
        let versioned = |(n, v): &(String, String)| if v.is_empty() { n.clone() } else { format!("{n} {v}") };
        if !self.removes.is_empty() {
            out.push(format!("removes {}", self.removes.iter().map(versioned).collect::<Vec<_>>().join(", ")));
        }
        for (n, old, new) in &self.replaces {
            let old = if old.is_empty() { String::new() } else { format!(" from {old}") };
            out.push(format!("changes {n}{old} to {new}"));
        }
        let others: Vec<&str> = self.installs.iter().map(String::as_str).filter(|n| *n != name).collect();
        match others.len() {
            0 => {}
            1..=5 => out.push(format!("also installs {}", others.join(", "))),
            n => out.push(format!("also installs {n} other packages: {}, …", others[..5].join(", "))),
        }
        out
    }

    /// The command that takes it back, on one line; `None` where nothing would be new, or a name is none for a shell.
    pub(super) fn undo(&self, of: &Pretend, name: &str) -> Option<String> {
        let names = self.installs.iter().chain(self.removes.iter().map(|r| &r.0));
        let plain = names.chain(self.replaces.iter().map(|r| &r.0)).all(|n| super::is_name(n));
        let commands = if plain && !self.installs.is_empty() { (of.undo)(self, name) } else { Vec::new() };
        (!commands.is_empty()).then(|| commands.join(" && "))
    }

    /// What the command that takes it back leaves as it is then, for people.
    pub(super) fn left_by_undo(&self, of: &Pretend) -> Option<String> {
        let names: Vec<&str> = self.replaces.iter().map(|(n, ..)| n.as_str()).collect();
        (of.one_version && !names.is_empty()).then(|| format!("an undo leaves the new version of {}", names.join(", ")))
    }

    fn new_names(&self) -> String {
        self.installs.join(" ")
    }
}

/// A word for sh; what no sh can be given was no version.
fn word(name: &str, sign: &str, version: &str) -> String {
    let versioned = || sh_quote(&format!("{name}{sign}{version}"));
    Some(version).filter(|v| !v.is_empty()).and_then(|_| versioned()).unwrap_or_else(|| name.to_owned())
}

/// apt-get(8), `--simulate`.
pub(super) static APT: Pretend = Pretend {
    one_version: false,
    sh: "rb_in env LC_ALL=C apt-get -s -y --reinstall install $p 2>&1",
    read: |out| {
        let mut e = Effects::default();
        for line in out.lines() {
            // `Inst libc6 [2.36-9] (2.36-10 Debian:12.5/stable [amd64]) []`, `Remv clock [1.0]`.
            let mut words = line.split(' ');
            let (Some(verb), Some(name)) = (words.next(), words.next()) else { continue };
            let rest: Vec<&str> = words.collect();
            let old = rest.first().and_then(|w| w.strip_prefix('[')?.strip_suffix(']')).unwrap_or_default();
            let new = rest.iter().find_map(|w| w.strip_prefix('(')).unwrap_or_default();
            let name = name.to_owned();
            match (verb, old) {
                ("Remv" | "Purg", old) => e.removes.push((name, old.to_owned())),
                ("Inst", "") => e.installs.push(name),
                ("Inst", old) if old != new => e.replaces.push((name, old.to_owned(), new.to_owned())),
                _ => {}
            }
        }
        e
    },
    // dpkg refuses to remove what another package needs by now, where apt-get would remove that too. What the installation
    // had removed takes the new package's place in one transaction (`NAME-`): some other package may need either. Old
    // versions come last, since the archive may have them no more.
    undo: |e, name| {
        let apt = |words: String| {
            format!("DEBIAN_FRONTEND=noninteractive apt-get -y -o Dpkg::Options::=--force-confold {words}")
        };
        let mut all = Vec::new();
        let mut new: Vec<&str> = e.installs.iter().map(String::as_str).collect();
        if !e.removes.is_empty() && new.contains(&name) {
            new.retain(|n| *n != name);
            let back: Vec<&str> = e.removes.iter().map(|r| r.0.as_str()).collect();
            all.push(apt(format!("install {name}- {}", back.join(" "))));
        }
        if !new.is_empty() {
            all.push(format!("dpkg --remove {}", new.join(" ")));
        }
        let old = e.removes.iter().map(|(n, v)| (n, v)).chain(e.replaces.iter().map(|(n, v, _)| (n, v)));
        let old: Vec<String> = old.filter(|(_, v)| !v.is_empty()).map(|(n, v)| word(n, "=", v)).collect();
        if !old.is_empty() {
            all.push(apt(format!("--allow-downgrades install {}", old.join(" "))));
        }
        all
    },
};

/// dnf(8) and yum(8), asked and answered with no: a table of sections.
pub(super) static DNF: Pretend = Pretend {
    one_version: false,
    sh: "rb_in env LC_ALL=C COLUMNS=200 $t --assumeno install $p 2>&1",
    read: |out| {
        let mut e = Effects::default();
        let mut section = "";
        let mut name: Option<String> = None;
        for line in out.lines() {
            if !line.starts_with(' ') {
                section = line.trim_end().trim_end_matches(':');
                name = None;
                continue;
            }
            // ` chrony  x86_64  4.3-1.el9  baseos  325 k`; a long name has a line of its own.
            let words: Vec<&str> = line.split_whitespace().collect();
            let (at, version) = match (words.as_slice(), name.take()) {
                ([only], None) => {
                    name = Some((*only).to_owned());
                    continue;
                }
                ([_, version, ..], Some(long)) => (long, (*version).to_owned()),
                (["replacing", old, rest @ ..], None) => {
                    let old = old.rsplit_once('.').map_or(*old, |(n, _)| n).to_owned();
                    e.removes.push((old, rest.first().copied().unwrap_or_default().to_owned()));
                    continue;
                }
                ([n, _, version, ..], None) => ((*n).to_owned(), (*version).to_owned()),
                _ => continue,
            };
            match section {
                s if s.starts_with("Installing") => e.installs.push(at),
                s if s.starts_with("Removing") => e.removes.push((at, version)),
                "Upgrading" | "Updating" | "Updating for dependencies" | "Downgrading" => {
                    e.replaces.push((at, String::new(), version));
                }
                _ => {}
            }
        }
        e
    },
    undo: |e, _| {
        let mut all = vec![format!("rpm -e {}", e.new_names())];
        if !e.removes.is_empty() {
            let back: Vec<String> = e.removes.iter().map(|(n, v)| word(n, "-", v)).collect();
            all.push(format!("dnf -y install {}", back.join(" ")));
        }
        if !e.replaces.is_empty() {
            let old: Vec<&str> = e.replaces.iter().map(|r| r.0.as_str()).collect();
            all.push(format!("dnf -y downgrade {}", old.join(" ")));
        }
        all
    },
};

/// apk(8), `add --simulate`.
pub(super) static APK: Pretend = Pretend {
    one_version: true,
    sh: "rb_in apk add --simulate $p 2>&1",
    read: |out| {
        let mut e = Effects::default();
        for line in out.lines() {
            // `(1/3) Installing libclock (2.0-r0)`, `(2/3) Upgrading x (1-r0 -> 2-r0)`, `(3/3) Purging ntp (4.2-r1)`.
            let words: Vec<&str> = line.split(' ').filter(|w| !w.starts_with('(') || !w.contains('/')).collect();
            let [verb, name, versions @ ..] = words.as_slice() else { continue };
            let versions = versions.join(" ");
            let versions = versions.strip_prefix('(').and_then(|v| v.strip_suffix(')')).unwrap_or_default();
            let name = (*name).to_owned();
            match (*verb, versions.split_once(" -> ")) {
                ("Installing", _) => e.installs.push(name),
                ("Purging", _) => e.removes.push((name, versions.to_owned())),
                ("Upgrading" | "Downgrading" | "Replacing", Some((old, new))) => {
                    e.replaces.push((name, old.to_owned(), new.to_owned()));
                }
                _ => {}
            }
        }
        e
    },
    undo: |e, _| {
        let mut all = vec![format!("apk del {}", e.new_names())];
        if !e.removes.is_empty() {
            all.push(format!("apk add {}", e.removes.iter().map(|r| r.0.as_str()).collect::<Vec<_>>().join(" ")));
        }
        all
    },
};

/// zypper(8), `install --dry-run`: headings, and names below them.
pub(super) static ZYPPER: Pretend = Pretend {
    one_version: true,
    sh: "rb_in env LC_ALL=C COLUMNS=200 zypper --non-interactive install --dry-run $p 2>&1",
    read: |out| {
        let mut e = Effects::default();
        let mut heading = "";
        for line in out.lines() {
            if !line.starts_with(' ') {
                heading = line;
                continue;
            }
            for name in line.split_whitespace().map(str::to_owned) {
                match heading {
                    h if h.contains("to be installed") => e.installs.push(name),
                    h if h.contains("to be REMOVED") => e.removes.push((name, String::new())),
                    h if h.contains("to be upgraded") || h.contains("to be downgraded") => {
                        e.replaces.push((name, String::new(), "another version".to_owned()));
                    }
                    _ => {}
                }
            }
        }
        e
    },
    undo: |e, _| {
        let mut all = vec![format!("rpm -e {}", e.new_names())];
        if !e.removes.is_empty() {
            let back: Vec<&str> = e.removes.iter().map(|r| r.0.as_str()).collect();
            all.push(format!("zypper --non-interactive install {}", back.join(" ")));
        }
        all
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_would_do() {
        let e = Effects::read(
            &APT,
            "Reading package lists...\nThe following packages will be REMOVED:\n  clock\nRemv clock [1.0]\n\
             Inst libclock [1.0] (2.0 localhost [all])\nInst chrony (4.3 localhost [all])\nInst same [1:2] (1:2 x [all])\nConf chrony (4.3 localhost [all])\n",
        )
        .unwrap();
        assert_eq!(e.notes("chrony"), ["removes clock 1.0", "changes libclock from 1.0 to 2.0"]);
        let apt = "DEBIAN_FRONTEND=noninteractive apt-get -y -o Dpkg::Options::=--force-confold";
        assert_eq!(
            e.undo(&APT, "chrony").unwrap(),
            format!("{apt} install chrony- clock && {apt} --allow-downgrades install 'clock=1.0' 'libclock=1.0'")
        );
        assert_eq!(Effects::read(&APT, "E: Unable to locate package x\n"), None);
        let again = Effects::read(&APT, "Inst same [1] (2 x [all])\n").unwrap();
        assert_eq!((again.notes("x"), again.undo(&APT, "x")), (vec!["changes same from 1 to 2".to_owned()], None));
    }

    #[test]
    fn what_dnf_would_do() {
        let out = "Dependencies resolved.\n=====\n Package  Architecture  Version  Repository  Size\n=====\nInstalling:\n \
                   chrony            x86_64  4.3-1.el9     baseos  325 k\n     replacing  ntp.x86_64 4.2.6-1\nUpgrading:\n \
                   libclock          x86_64  2.0-1         baseos   10 k\nInstalling dependencies:\n \
                   a-very-long-name-of-a-package\n                    x86_64  1.0-1   baseos   1 k\nRemoving dependent packages:\n \
                   clock             x86_64  1.0-1         @System  1 M\n\nTransaction Summary\n=====\nInstall  2 Packages\n\nOperation aborted.\n";
        let e = Effects::read(&DNF, out).unwrap();
        assert_eq!(
            e.notes("chrony"),
            [
                "removes ntp 4.2.6-1, clock 1.0-1",
                "changes libclock to 2.0-1",
                "also installs a-very-long-name-of-a-package"
            ]
        );
        assert_eq!(
            e.undo(&DNF, "chrony").unwrap(),
            "rpm -e chrony a-very-long-name-of-a-package && dnf -y install 'ntp-4.2.6-1' 'clock-1.0-1' && dnf -y downgrade libclock"
        );
    }

    #[test]
    fn what_apk_and_zypper_would_do() {
        let out = "(1/3) Upgrading libclock (1.0-r0 -> 2.0-r0)\n(2/3) Installing chrony (4.3-r0)\n(3/3) Purging ntp (4.2-r1)\nOK: 8 MiB in 15 packages\n";
        let e = Effects::read(&APK, out).unwrap();
        assert_eq!(e.notes("chrony"), ["removes ntp 4.2-r1", "changes libclock from 1.0-r0 to 2.0-r0"]);
        assert_eq!(e.undo(&APK, "chrony").unwrap(), "apk del chrony && apk add ntp");
        assert_eq!(e.left_by_undo(&APK).unwrap(), "an undo leaves the new version of libclock");
        assert_eq!(e.left_by_undo(&APT), None);
        let out = "The following package is going to be REMOVED:\n  ntp\n\nThe following 2 NEW packages are going to be installed:\n  chrony libclock\n\n2 new packages to install.\n";
        let e = Effects::read(&ZYPPER, out).unwrap();
        assert_eq!(e.notes("chrony"), ["removes ntp", "also installs libclock"]);
        assert_eq!(
            e.undo(&ZYPPER, "chrony").unwrap(),
            "rpm -e chrony libclock && zypper --non-interactive install ntp"
        );
    }
}
