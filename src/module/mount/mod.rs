//! `mount`: what /etc/fstab says can be mounted, and is.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Decision, Field, Halt, Module, Param, Params, Spec, Ty};
use crate::edit::fstab::{self, Entry};
use crate::plan::{Change, UnitChange, View, first_line};
use crate::target::files::{Content, FileState, Kind, Look};
use crate::target::frame::Status;
use crate::target::units::Verb;

/// Mount points and fstab.
pub struct Mount;

static SPEC: Spec = Spec {
    name: "mount",
    summary: "With `path`: something is mounted there, and may be written to if fstab says so. Without it: no line of /etc/fstab can keep the system from starting. As a repair a line whose device is missing or whose mount failed gets the option `nofail`, the least that lets the system start without it; one that cannot be read, or whose type does not exist, becomes a comment; a misspelt option is corrected. `/` and `/usr` are left to a person, but for a misspelling. Of a disk, a device's name (`/dev/sdb1`) is the host's own: whether it is there cannot be seen, and is asked.",
    scalar: Some("path"),
    params: &[
        Param { name: "path", ty: Ty::Path, required: false, help: "a mount point" },
        Param {
            name: "about",
            ty: Ty::OneOf(&["devices"]),
            required: false,
            help: "devices: only the lines whose device cannot be seen from where a disk is mounted",
        },
        Param {
            name: "devices",
            ty: Ty::OneOf(&["keep", "nofail"]),
            required: false,
            help: "what becomes of those; without it they are left to a person",
        },
    ],
    fields: &[
        Field { name: "mounted", help: "with a path: whether something is mounted there" },
        Field { name: "device", help: "what is; empty if nothing" },
        Field { name: "type", help: "the type of its file system" },
        Field { name: "options", help: "its options: a list" },
        Field { name: "readonly", help: "it is mounted read-only" },
        Field { name: "line", help: "the line of fstab that is about it, or null" },
        Field {
            name: "notes",
            help: "what a person should know of lines that keep nothing from starting: a list of texts",
        },
        Field {
            name: "problems",
            help: "lines that can keep the system from starting: a list of {line, text, what, repair}; repair is nofail, comment, option (its options are corrected), ask (whether there is such a device cannot be seen from a disk) or person",
        },
        Field { name: "emergency", help: "the system stands in emergency mode" },
    ],
    reads: "file:/etc/fstab",
    writes: "file:/etc/fstab, unit:systemd",
    open: false,
};

const FSTAB: &str = "/etc/fstab";

/// What probe.sh says.
#[derive(Debug, Default)]
struct Seen {
    /// Of lines of fstab, what is wrong with what they name.
    marks: BTreeMap<usize, Vec<String>>,
    mounted: Vec<Mounted>,
    /// Mount points whose mount failed, and why.
    failed: Vec<(String, String)>,
    emergency: bool,
}

/// A line of /proc/mounts.
#[derive(Debug, Default)]
struct Mounted {
    device: String,
    path: String,
    kind: String,
    options: Vec<String>,
}

/// A line that can keep the system from starting.
struct Problem {
    line: usize,
    text: String,
    what: String,
    repair: &'static str,
    /// For the repair `option`: the option as it is and as it was meant; the same empty word where there are no options at all.
    option: (String, String),
}

impl Module for Mount {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        let probe = crate::target::squeeze(include_str!("probe.sh"));
        let (answer, table) = (view.script("mounts", &probe, false, &[]), view.file(FSTAB, Look::Follow));
        let (answer, table) = (answer?, table?);
        if answer.status != Status::Exit(0) {
            return Err(Halt::unknown(format!("what is mounted cannot be told: {}", first_line(&answer.stderr))));
        }
        let seen = Seen::read(&String::from_utf8_lossy(&answer.stdout));
        let old = super::edit::text_of(FSTAB, &table)?.unwrap_or_default();
        let live = view.place().live;
        let problems = seen.problems(old, live);
        let value = |p: &Problem| json!({"line": p.line, "text": p.text, "what": p.what, "repair": p.repair});
        let about = |d: Decision, at: Option<&Mounted>, line: Option<usize>| {
            d.with("mounted", at.is_some())
                .with("device", at.map_or("", |m| &m.device))
                .with("type", at.map_or("", |m| &m.kind))
                .with("options", at.map(|m| m.options.clone()).unwrap_or_default())
                .with("readonly", at.is_some_and(Mounted::readonly))
                .with("line", line)
                .with("notes", notes(old))
                .with("problems", problems.iter().map(value).collect::<Vec<_>>())
                .with("emergency", seen.emergency)
        };
        if let Some(path) = p.str("path") {
            let at = seen.mounted.iter().rev().find(|m| m.path == path);
            let line = fstab::read(old).into_iter().flatten().find(|e| e.file == path);
            let (ok, evidence) = judged(path, at, line.as_ref());
            return Ok(about(Decision::new(ok, evidence), at, line.map(|e| e.line)));
        }
        // Of what is changed every line is named.
        let says = |p: &Problem| format!("{FSTAB}:{} {}", p.line, p.what);
        let devices = p.str("about") == Some("devices");
        let named: Vec<String> =
            problems.iter().filter(|p| p.is_repaired() || devices && p.repair == "ask").map(says).collect();
        let evidence = match (named.is_empty(), problems.first()) {
            (_, None) if !live => "no line of /etc/fstab is known to fail".to_owned(),
            (_, None) => "every line of /etc/fstab can be mounted, or need not be".to_owned(),
            (false, _) => named.join("; "),
            (true, Some(p)) => says(p),
        };
        let lines: Vec<String> = problems.iter().filter(|p| p.repair == "ask").map(|p| p.line.to_string()).collect();
        if devices && !lines.is_empty() && p.str("devices") != Some("nofail") {
            let todo = format!(
                "see whether the host has these devices (lsblk -f on the host, or its other disks); where it has not, give {FSTAB}:{} the option nofail",
                lines.join(&format!(", {FSTAB}:"))
            );
            return Err(Halt::Person { why: evidence, todo, param: Some("devices") });
        }
        let decision = about(Decision::new(problems.is_empty(), evidence), None, None);
        let new = problems.iter().fold(old.to_vec(), |text, p| match (p.repair, devices) {
            ("nofail", false) | ("ask", true) => fstab::with_option(&text, p.line, "nofail"),
            ("comment", false) => fstab::comment_out(&text, p.line),
            ("option", false) if p.option.0.is_empty() => fstab::insert_options(&text, p.line),
            ("option", false) => fstab::replace_option(&text, p.line, &p.option.0, &p.option.1),
            _ => text,
        });
        let after = FileState { kind: Kind::File(Content::Bytes(new)), mode: None, owner: None };
        let mut changes: Vec<Change> = view.change_file(FSTAB, &table, after, false)?.into_iter().collect();
        if !changes.is_empty() && view.facts()?.init == "systemd" && live {
            // systemd has made units of the old lines.
            let (unit, before) = ("systemd".to_owned(), String::new());
            changes.push(Change::Unit(UnitChange { unit, verb: Verb::DaemonReload, before, links: None }));
        }
        Ok(decision.changing(changes))
    }
}

impl Problem {
    fn is_repaired(&self) -> bool {
        !matches!(self.repair, "person" | "ask")
    }
}

/// Lines of fewer fields than fstab(5) lists: they are mounted, with defaults for what is not there.
fn notes(table: &[u8]) -> Vec<String> {
    let short = fstab::read(table).into_iter().flatten().filter(|e| e.fields < 5);
    short
        .map(|e| {
            let left = if e.fields == 3 { "defaults 0 0" } else { "0 0" };
            format!("{FSTAB}:{} has {} of six fields; \"{left}\" is taken for the rest", e.line, e.fields)
        })
        .collect()
}

/// What is at a mount point, against what fstab wants there.
fn judged(path: &str, at: Option<&Mounted>, line: Option<&Entry>) -> (bool, String) {
    match (at, line) {
        (Some(m), Some(e)) if m.readonly() && !e.has("ro") => (
            false,
            format!(
                "{path} is mounted read-only ({}), and fstab does not say so: see dmesg for errors of the disk",
                m.device
            ),
        ),
        (Some(m), _) => (
            true,
            format!(
                "{} is mounted on {path} ({}, {})",
                m.device,
                m.kind,
                if m.readonly() { "read-only" } else { "read-write" }
            ),
        ),
        (None, Some(e)) if e.has("noauto") => (true, format!("nothing is mounted on {path}, and fstab says noauto")),
        (None, Some(e)) => {
            (false, format!("nothing is mounted on {path}, and {FSTAB}:{} wants {} there", e.line, e.spec))
        }
        (None, None) => (false, format!("nothing is mounted on {path}, and fstab has no line for it")),
    }
}

impl Mounted {
    fn readonly(&self) -> bool {
        self.options.iter().any(|o| o == "ro")
    }
}

impl Seen {
    fn read(out: &str) -> Self {
        let mut s = Seen::default();
        for line in out.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "missing" | "unseen" | "there" | "nodir" | "nopoint" | "notype" => {
                    if let Ok(n) = rest.parse() {
                        s.marks.entry(n).or_default().push(word.to_owned());
                    }
                }
                "mounted" => {
                    let f: Vec<&str> = rest.split(' ').collect();
                    if let [device, path, kind, options, ..] = f[..] {
                        s.mounted.push(Mounted {
                            device: device.to_owned(),
                            path: path.replace("\\040", " "),
                            kind: kind.to_owned(),
                            options: options.split(',').map(str::to_owned).collect(),
                        });
                    }
                }
                "failed" => {
                    let at = rest.rsplit_once(' ').map_or(rest, |(at, _)| at);
                    s.failed.push((at.to_owned(), String::new()));
                }
                "why" => {
                    if let Some(last) = s.failed.last_mut() {
                        last.1 = rest.trim().trim_end_matches('.').to_owned();
                    }
                }
                "emergency" => s.emergency = true,
                _ => {}
            }
        }
        s
    }

    /// `live`: the table is the running system's own, not that of a disk.
    fn problems(&self, table: &[u8], live: bool) -> Vec<Problem> {
        let text = |n: usize| {
            let lines: Vec<&[u8]> = table.split(|b| *b == b'\n').collect();
            lines.get(n - 1).map(|l| String::from_utf8_lossy(l).trim_end().to_owned()).unwrap_or_default()
        };
        let mut out = Vec::new();
        for entry in fstab::read(table) {
            let (line, what, repair, option) = match &entry {
                Err(bad) => (bad.line, bad.why.trim_start_matches("it ").to_owned(), "comment", Default::default()),
                Ok(e) => match (misspelling(e), self.problem(e, live)) {
                    (Some((what, option)), _) => (e.line, what, "option", option),
                    (None, Some((what, repair))) => (e.line, what, repair, Default::default()),
                    (None, None) => continue,
                },
            };
            out.push(Problem { line, text: text(line), what, repair, option });
        }
        out
    }

    /// What is wrong with a line that must be mounted when the system starts.
    fn problem(&self, e: &Entry, live: bool) -> Option<(String, &'static str)> {
        if !must_be_mounted(e) {
            return None;
        }
        let is = |mark: &str| self.marks.get(&e.line).is_some_and(|m| m.iter().any(|x| x == mark));
        let here = self.mounted.iter().any(|m| m.path == e.file);
        let needed = |repair| if matches!(e.file.as_str(), "/" | "/usr") { "person" } else { repair };
        let failed = self.failed.iter().find(|(at, _)| *at == e.file && !here);
        // What is mounted now from elsewhere will not be at the next start, but for the root, which is there before.
        if here && (e.file == "/" || !is("missing")) {
            return None;
        }
        if let Some(what) = fstab::lacks_a_field(e).filter(|_| !here) {
            return Some((what, needed("comment")));
        }
        let meant = fstab::meant_type(&e.kind).filter(|_| !live && !is("notype"));
        if let Some(meant) = meant {
            let what = format!("wants a file system of the type {}, which is none that is known ({meant} is)", e.kind);
            return Some((what, needed("comment")));
        }
        if is("notype") {
            return Some((
                format!("wants a file system of the type {}, which this system does not know", e.kind),
                needed("comment"),
            ));
        }
        if is("missing") && !matches!(e.kind.as_str(), "nfs" | "nfs4" | "cifs" | "tmpfs" | "overlay") {
            let here = if live { "there is no such device" } else { "no disk of this machine is that" };
            return Some((format!("wants {} on {}, and {here}", e.spec, e.file), needed("nofail")));
        }
        // The system that the disk is of may have a device of that name.
        if is("unseen") && !matches!(e.file.as_str(), "/" | "/usr") {
            let what = format!(
                "wants {} on {}: this machine has none, and whether the host has one cannot be seen from its disk",
                e.spec, e.file
            );
            return Some((what, "ask"));
        }
        if is("nodir") {
            return Some((format!("wants {} on {}, which is not a directory", e.spec, e.file), needed("nofail")));
        }
        // The network's file systems are waited for by nothing that a start needs (systemd.special(7), remote-fs.target).
        let remote = matches!(e.kind.as_str(), "nfs" | "nfs4" | "cifs" | "smb3" | "9p" | "ceph" | "glusterfs");
        if remote || e.has("_netdev") {
            return None;
        }
        failed.map(|(_, why)| {
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            (format!("could not be mounted on {}{why}", e.file), needed("nofail"))
        })
    }
}

/// Whether the start of the system waits for it (systemd.mount(5), FSTAB).
fn must_be_mounted(e: &Entry) -> bool {
    !(e.has("nofail") || e.has("noauto") || e.has("x-systemd.automount"))
}

/// An option that no file system has, or none at all where they should be: with the option and what was meant.
fn misspelling(e: &Entry) -> Option<(String, (String, String))> {
    if !must_be_mounted(e) {
        return None;
    }
    if let Some(what) = fstab::lacks_a_field(e).filter(|_| fstab::lacks_options(e)) {
        return Some((what, Default::default()));
    }
    let (option, meant) = fstab::misspelt_option(e)?;
    Some((format!("has an option \"{option}\", which is a misspelling of {meant}"), (option, meant)))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::canned::Canned;
    use super::*;

    const TABLE: &str = "UUID=1 / ext4 defaults 0 1\nUUID=2 /data ext4 defaults 0 2\nUUID=3 /old ext4 noauto 0 0\n/dev/x half\noverlay /srv overlay lowerdir=/no 0 0\n";
    const MARKS: &str = "there 1\nmissing 2\nmissing 3\nmounted /dev/vda / ext4 rw,relatime 0 0\nmounted /dev/vdb /var ext4 ro 0 0\nfailed /srv srv.mount\nwhy mount: /srv: special device overlay does not exist.\nemergency\n";

    fn decide(marks: &'static str, table: &'static str, params: Value) -> Decision {
        Canned::new(move |sh| {
            let file = format!("regular file|644|0|0|root|root|1|w\n/etc/fstab\n{table}");
            (0, if sh.starts_with("rb_look") { file } else { marks.into() })
        })
        .decide(&Mount, &params)
        .unwrap()
    }

    #[test]
    fn lines_that_keep_the_system_from_starting() {
        let d = decide(MARKS, TABLE, json!({}));
        let named: Vec<&str> = d.evidence.split("; ").map(|e| e.split(' ').next().unwrap()).collect();
        assert_eq!(named, ["/etc/fstab:2", "/etc/fstab:4", "/etc/fstab:5"], "{}", d.evidence);
        assert!(d.evidence.starts_with("/etc/fstab:2 wants UUID=2 on /data, and there is no such device; "));
        let all: Vec<(u64, &str)> = d.fields["problems"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| (p["line"].as_u64().unwrap(), p["repair"].as_str().unwrap()))
            .collect();
        assert_eq!(all, [(2, "nofail"), (4, "comment"), (5, "nofail")]);
        let diff = String::from_utf8(d.changes[0].diff()).unwrap();
        assert!(
            diff.contains("+UUID=2 /data ext4 defaults,nofail 0 2\n") && diff.contains("+#/dev/x half\n"),
            "{diff}"
        );
        assert!(diff.contains("+overlay /srv overlay lowerdir=/no,nofail 0 0\n"), "{diff}");
        assert_eq!(d.changes[1].title(), "daemon-reload: systemd reads its unit files anew");
        assert!(d.fields["problems"][2]["what"].as_str().unwrap().ends_with("special device overlay does not exist"));
    }

    #[test]
    fn words_that_are_misspelt_and_fields_that_are_not_there() {
        let table = "UUID=1 / ext4 defualts 0 1\nUUID=2 /a ext4 defaults,nofial 0 2\nUUID=3 /b ext4 0 2\nUUID=4 /c defaults 0 2\nUUID=5 /d ext4\n/dev/sdz1 /e ext4 nofail,defualts\n";
        let d = decide("there 1\nthere 2\nthere 3\nthere 4\nthere 5\n", table, json!({}));
        let diff = String::from_utf8(d.changes[0].diff()).unwrap();
        for line in [
            "+UUID=1 / ext4 defaults 0 1",
            "+UUID=2 /a ext4 defaults,nofail 0 2",
            "+UUID=3 /b ext4 defaults 0 2",
            "+#UUID=4 /c defaults 0 2",
        ] {
            assert!(diff.contains(line), "{line}: {diff}");
        }
        assert!(!diff.contains("/d") || !diff.contains("+UUID=5"), "{diff}");
        assert!(
            d.evidence.starts_with("/etc/fstab:1 has an option \"defualts\", which is a misspelling of defaults; ")
        );
        let notes = d.fields["notes"].as_array().unwrap();
        assert_eq!(notes[0], "/etc/fstab:5 has 3 of six fields; \"defaults 0 0\" is taken for the rest");
    }

    #[test]
    fn a_device_that_cannot_be_seen_from_a_disk_is_asked_about() {
        let table = "/dev/sda1 / ext4 defaults 0 1\n/dev/sdz1 /data ext4 defaults 0 2\nUUID=7 /u ext4 defaults 0 2\n";
        let marks = "unseen 1\nunseen 2\nmissing 3\n";
        let d = decide(marks, table, json!({}));
        let repairs: Vec<&Value> = d.fields["problems"].as_array().unwrap().iter().map(|p| &p["repair"]).collect();
        assert_eq!(repairs, ["ask", "nofail"]);
        assert!(d.evidence.starts_with("/etc/fstab:3 wants UUID=7 on /u, and "), "{}", d.evidence);
        let with = |devices: Value| {
            Canned::new(move |sh| {
                let file = format!("regular file|644|0|0|root|root|1|w\n/etc/fstab\n{table}");
                (0, if sh.starts_with("rb_look") { file } else { marks.into() })
            })
            .decide(&Mount, &devices)
        };
        let Err(Halt::Person { why, param, .. }) = with(json!({"about": "devices"})) else { panic!() };
        assert!(why.starts_with("/etc/fstab:2 wants /dev/sdz1 on /data: ") && param == Some("devices"), "{why}");
        let d = with(json!({"about": "devices", "devices": "nofail"})).unwrap();
        let diff = String::from_utf8(d.changes[0].diff()).unwrap();
        assert!(diff.contains("+/dev/sdz1 /data ext4 defaults,nofail 0 2\n") && !diff.contains("+UUID"), "{diff}");
    }

    #[test]
    fn the_root_is_for_a_person() {
        let d = decide("missing 1\n", "UUID=9 / ext4 defaults 0 1\n", json!({}));
        assert!(!d.ok && d.changes.is_empty() && d.fields["problems"][0]["repair"] == "person");
        assert!(decide("there 1\n", "UUID=9 / ext4 defaults 0 1\n", json!({})).ok);
    }

    #[test]
    fn one_mount_point() {
        let of = |path: &str| decide(MARKS, TABLE, json!({"path": path}));
        assert_eq!(of("/").evidence, "/dev/vda is mounted on / (ext4, read-write)");
        assert_eq!(of("/data").evidence, "nothing is mounted on /data, and /etc/fstab:2 wants UUID=2 there");
        assert!(of("/old").ok && of("/var").fields["readonly"] == true);
        let ro = decide("mounted /dev/vda / ext4 ro 0 0\n", TABLE, json!({"path": "/"}));
        assert!(!ro.ok && ro.evidence.contains("read-only"));
    }
}
