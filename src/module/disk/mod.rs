//! `disk`: a file system has room, in blocks and in inodes.

mod seen;

use serde_json::{Map, Value, json};

use super::{Decision, Field, Halt, Module, Param, Params, Rule, Spec, Ty};
use crate::payload::sh_quote;
use crate::plan::{Change, CommandChange, Resource, View, first_line};
use crate::target::frame::Status;
use seen::{Seen, Usage, size};

/// A file system's room.
pub struct Disk;

static SPEC: Spec = Spec {
    name: "disk",
    summary: "A file system has room, in blocks and in inodes; and if not, who holds it. As a remediation with `may_go` it frees what can be had again or what nobody writes to any more, and nothing else: never a user's file. What was freed cannot be had back by `undo`.",
    scalar: Some("path"),
    params: &[
        Param {
            name: "path",
            ty: Ty::Path,
            required: false,
            help: "any path on it; without it, every file system of this host's own",
        },
        Param { name: "full", ty: Ty::Str, required: false, help: "from how many percent on it is full; 95" },
        Param {
            name: "may_go",
            ty: Ty::OneOf(&["apt", "logs", "journal"]),
            required: false,
            help: "apt: downloaded packages; logs: rotated logs of /var/log that are older than `days`; journal: its oldest entries, down to `keep`",
        },
        Param { name: "days", ty: Ty::Str, required: false, help: "how old a rotated log is that may go; 7" },
        Param {
            name: "keep",
            ty: Ty::Str,
            required: false,
            help: "what stays of the journal, as journalctl writes it: 50M",
        },
    ],
    fields: &[
        Field {
            name: "full",
            help: "without a path, the file systems that are: a list of {mount, percent, inodes, free_kb, says}",
        },
        Field { name: "mount", help: "where it is mounted" },
        Field { name: "percent", help: "of its blocks in use" },
        Field { name: "inodes", help: "percent of its inodes in use; 0 where it has none" },
        Field { name: "free_kb", help: "what is left" },
        Field { name: "need_kb", help: "how much has to go before it is full no longer" },
        Field { name: "readonly", help: "it is mounted read-only" },
        Field { name: "frees_kb", help: "what `may_go` would free" },
        Field {
            name: "holders",
            help: "who holds the room, the biggest first: a list of {what, path, kb, pid, unit, todo}",
        },
    ],
    reads: "file:/**",
    writes: "file:/var/cache/apt/**, file:/var/log/**",
    open: false,
};

impl Module for Disk {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn rules(&self) -> &'static [Rule] {
        &[Rule::Only("may_go", &["path"])]
    }
    fn lint(&self, p: &Map<String, Value>) -> Vec<(&'static str, String, String)> {
        let mut out = Vec::new();
        for name in ["full", "days"] {
            let text = p.get(name).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
            if let Some(t) = text.filter(|t| !t.contains("{{") && t.parse::<u32>().is_err()) {
                out.push((
                    name,
                    format!("\"{t}\" is no number"),
                    format!("like: {name}: {}", if name == "full" { 95 } else { 7 }),
                ));
            }
        }
        out
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        let number = |name: &str, default: u32| match p.str(name) {
            None => Ok(default),
            Some(t) => t.parse().map_err(|_| Halt::error(name, format!("\"{t}\" is no number"))),
        };
        let (full, days) = (number("full", 95)?, number("days", 7)?);
        let keep = p.str("keep").unwrap_or("50M");
        let Some(keep_kb) = seen::kb(keep) else {
            return Err(Halt::error("keep", format!("\"{keep}\" is no size: 50M, 1G")));
        };
        // What df tells there is of the system that has mounted the disk, and so are its logs.
        if !view.place().live {
            return Err(Halt::Skipped(
                "not checked: this is an offline disk; df where it is mounted shows how full it is".into(),
            ));
        }
        let Some(path) = p.str("path") else { return all(full, view) };
        let quoted = sh_quote(path).ok_or_else(|| Halt::error("path", "a path with a NUL"))?;
        let one = crate::target::squeeze(include_str!("one.sh"));
        let a = view.script(&format!("room at {path}"), &format!("p={quoted} f={full} o={days}\n{one}"), false, &[])?;
        if a.status != Status::Exit(0) {
            return Err(Halt::unknown(format!("{path}: {}", first_line(&a.stderr))));
        }
        let seen = Seen::read(&String::from_utf8_lossy(&a.stdout));
        let Some(usage) = &seen.usage else { return Err(Halt::unknown(format!("df does not tell of {path}"))) };
        let is_full = usage.is_full(full);
        let (frees, change) = match p.str("may_go").filter(|_| is_full) {
            Some("apt") => seen.apt(),
            Some("logs") => seen.logs(days),
            Some("journal") => seen.journal(keep, keep_kb),
            _ => (0, None),
        };
        if change.is_some() {
            view.can_run()?;
        }
        Ok(Decision::new(!is_full, usage.says(full) + &seen.held())
            .with("full", json!([]))
            .with("mount", usage.mount.clone())
            .with("percent", usage.percent)
            .with("inodes", usage.inodes)
            .with("free_kb", usage.free)
            .with("need_kb", usage.need(full))
            .with("readonly", seen.readonly)
            .with("frees_kb", frees)
            .with("holders", seen.holders())
            .changing(change.map(Change::Command).into_iter().collect()))
    }
}

/// Every file system.
fn all(full: u32, view: &View<'_>) -> Result<Decision, Halt> {
    let a = view.script("room everywhere", &crate::target::squeeze(include_str!("all.sh")), false, &[])?;
    let usages = Usage::read(&String::from_utf8_lossy(&a.stdout));
    if usages.is_empty() {
        return Err(Halt::unknown("df tells of no file system"));
    }
    let list: Vec<&Usage> = usages.iter().filter(|u| u.is_full(full)).collect();
    let evidence = match list.as_slice() {
        [] => {
            let most = usages.iter().max_by_key(|u| u.percent);
            most.map(|u| format!("the fullest file system is {}, with {}% in use", u.mount, u.percent))
                .unwrap_or_default()
        }
        all => all.iter().map(|u| u.says(full)).collect::<Vec<_>>().join("; "),
    };
    let value = |u: &&Usage| json!({"mount": u.mount, "percent": u.percent, "inodes": u.inodes, "free_kb": u.free, "says": u.says(full)});
    let worst = list.first();
    Ok(Decision::new(list.is_empty(), evidence)
        .with("full", list.iter().map(value).collect::<Vec<_>>())
        .with("mount", worst.map(|u| u.mount.clone()).unwrap_or_default())
        .with("percent", worst.map(|u| u.percent))
        .with("inodes", worst.map(|u| u.inodes))
        .with("free_kb", worst.map(|u| u.free))
        .with("need_kb", worst.map_or(0, |u| u.need(full)))
        .with("readonly", false)
        .with("frees_kb", 0)
        .with("holders", json!([])))
}

impl Seen {
    /// What apt-get(8) downloads anew when it needs it.
    fn apt(&self) -> (u64, Option<CommandChange>) {
        let kb = self.place("apt");
        // An empty cache has its directories and its lock.
        if kb < 64 || !self.apt_get {
            return (0, None);
        }
        let writes = vec![Resource::File("/var/cache/apt/**".into())];
        let mut change = CommandChange::new("apt-get clean", "apt-get clean").writing(writes).by_root();
        change.notes =
            vec![format!("{} of downloaded packages; apt downloads them anew where it needs them", size(kb))];
        (kb, Some(change))
    }
    fn logs(&self, days: u32) -> (u64, Option<CommandChange>) {
        let kb: u64 = self.old.iter().map(|(kb, _)| kb).sum();
        let one = |path: &str| {
            let (dir, name) = path.rsplit_once('/')?;
            Some(format!("r {} {} || e=1\n", sh_quote(dir)?, sh_quote(name)?))
        };
        let lines: Vec<String> = self.old.iter().filter_map(|(_, path)| one(path)).collect();
        if lines.is_empty() {
            return (0, None);
        }
        let n = lines.len();
        // Whoever may write below /var/log could put a link in the place of a directory: we go there first, and look where we are.
        let r = "r() { (cd -P -- \"$1\" && [ \"$(pwd -P)\" = \"$1\" ] && rm -f -- \"./$2\"); }\ne=0\n";
        let sh = format!("{r}{}exit $e", lines.concat());
        let shown = format!("rm of {n} rotated log{} older than {days} days", if n == 1 { "" } else { "s" });
        let writes = vec![Resource::File("/var/log/**".into())];
        let mut change = CommandChange::new(sh, shown).writing(writes).by_root();
        change.notes = self.old.iter().take(20).map(|(kb, path)| format!("{path} ({})", size(*kb))).collect();
        if n > 20 {
            change.notes.push(format!("and {} more", n - 20));
        }
        change.notes.push(format!("{} together; they are gone for good", size(kb)));
        (kb, Some(change))
    }
    fn journal(&self, keep: &str, keep_kb: u64) -> (u64, Option<CommandChange>) {
        let kb = self.place("journal");
        // The files that are open stay, and come on top of it.
        if kb <= keep_kb + 32 * 1024 || !self.journalctl {
            return (0, None);
        }
        // Only files that are closed can go.
        let sh = format!("journalctl --rotate && journalctl -q --vacuum-size={keep}");
        let shown = format!("journalctl --rotate && journalctl --vacuum-size={keep}");
        let writes = vec![Resource::File("/var/log/journal/**".into())];
        let mut change = CommandChange::new(sh, shown).writing(writes).by_root();
        change.notes =
            vec![format!("the journal has {}; its oldest entries go for good, the newest {keep} stay", size(kb))];
        (kb - keep_kb, Some(change))
    }
}

#[cfg(test)]
mod tests {
    use super::super::canned::Canned;
    use super::*;

    const FULL: &str = "blocks tmpfs 102400 102000 400 100% /var\ninodes tmpfs 1000 100 900 10% /var\nmounted tmpfs rw,relatime\n\
        place apt 30000 /var/cache/apt/archives\nplace journal 102400 /var/log/journal\nplace log 70000 /var/log\nplace tmp 12 /var/tmp\napt-get\njournalctl\n\
        old 99 /etc/shadow\nold 99 /var/log/../../etc/shadow.1\nold 99 /var/log/auth.log\nold 2000 /var/log/syslog.2.gz\nold 40 /var/log/it's.1\nopen 77 8000 nginx.service nginx /var/log/nginx/access.log\nbig 60000 bob /var/lib/dump of bob.sql\n";

    fn decide(out: &'static str, params: Value) -> Result<Decision, Halt> {
        Canned::new(move |_| (0, out.into())).decide(&Disk, &params)
    }

    #[test]
    fn who_holds_the_room() {
        let d = decide(FULL, json!({"path": "/var"})).unwrap();
        assert!(!d.ok && d.changes.is_empty());
        assert_eq!(
            d.evidence,
            "/var is full: 100% of 100 MB in use, 400 kB left; the most of it: /var/log/journal 100 MB, /var/log 68 MB"
        );
        assert_eq!((&d.fields["need_kb"], &d.fields["mount"]), (&json!(4721), &json!("/var")));
        let holders = d.fields["holders"].as_array().unwrap();
        let of = |path: &str| holders.iter().find(|h| h["path"] == path).unwrap();
        assert_eq!(
            of("/var/log/nginx/access.log")["todo"],
            "it was removed, and nginx (pid 77) has it open: systemctl restart nginx.service"
        );
        assert_eq!(of("/var/lib/dump of bob.sql")["kb"], 30000);
    }

    #[test]
    fn what_may_go() {
        let with = |what: &str| decide(FULL, json!({"path": "/var", "may_go": what})).unwrap();
        let titles = |d: &Decision| d.changes.iter().map(Change::title).collect::<Vec<_>>();
        assert_eq!(titles(&with("apt")), ["run apt-get clean   (cannot be undone)"]);
        let logs = with("logs");
        let Change::Command(c) = &logs.changes[0] else { panic!() };
        let run = r"r '/var/log' 'syslog.2.gz' || e=1
r '/var/log' 'it'\''s.1' || e=1
";
        assert!(c.sh.contains(run), "{}", c.sh);
        // A line that a name made up.
        assert!(!c.sh.contains("shadow"), "{}", c.sh);
        assert_eq!((&logs.fields["frees_kb"], c.notes[0].as_str()), (&json!(1020), "/var/log/syslog.2.gz (1000 kB)"));
        assert_eq!(with("journal").fields["frees_kb"], json!(51200));
        assert!(decide(FULL, json!({"path": "/var", "may_go": "journal", "keep": "1G"})).unwrap().changes.is_empty());
    }

    #[test]
    fn no_inode_is_left() {
        let d = decide("blocks tmpfs 102400 400 102000 1% /srv\ninodes tmpfs 1000 1000 0 100% /srv\nmounted tmpfs rw\nmany 990 /srv/sessions\n", json!({"path": "/srv"})).unwrap();
        assert_eq!(
            d.evidence,
            "/srv has no room for another file: 100% of its 1000 inodes in use; the most of it: /srv/sessions 990 files"
        );
    }

    #[test]
    fn all_of_them() {
        let out = "blocks /dev/vda 1000000 500000 500000 50% /\nblocks /dev/vdb1 1000 980 20 98% /mnt/my disk\ninodes /dev/vda 100 10 90 10% /\ninodes /dev/vdb1 - - - - /mnt/my disk\n";
        let d = decide(out, json!({})).unwrap();
        assert_eq!(d.evidence, "/mnt/my disk is full: 98% of 1000 kB in use, 20 kB left");
        assert!(decide(out, json!({"full": "99"})).unwrap().ok);
        assert!(matches!(decide("", json!({})), Err(Halt::Unknown { .. })));
        assert_eq!(Disk.lint(json!({"full": "x", "may_go": "apt"}).as_object().unwrap()).len(), 1);
        assert!(Disk.rules()[0].broken(json!({"may_go": "apt"}).as_object().unwrap()).is_some());
    }
}
