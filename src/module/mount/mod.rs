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
    summary: "With `path`: something is mounted there, and may be written to if fstab says so. Without it: no line of /etc/fstab can keep the system from starting. As a repair a line whose device is missing or whose mount failed gets the option `nofail`, the least that lets the system start without it; one that cannot be read, or whose type does not exist, becomes a comment. `/` and `/usr` are left to a person.",
    scalar: Some("path"),
    params: &[Param { name: "path", ty: Ty::Path, required: false, help: "a mount point" }],
    fields: &[
        Field { name: "mounted", help: "with a path: whether something is mounted there" },
        Field { name: "device", help: "what is; empty if nothing" },
        Field { name: "type", help: "the type of its file system" },
        Field { name: "options", help: "its options: a list" },
        Field { name: "readonly", help: "it is mounted read-only" },
        Field { name: "line", help: "the line of fstab that is about it, or null" },
        Field {
            name: "problems",
            help: "lines that can keep the system from starting: a list of {line, text, what, repair}; repair is nofail, comment or person",
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
        let problems = seen.problems(old);
        let value = |p: &Problem| json!({"line": p.line, "text": p.text, "what": p.what, "repair": p.repair});
        let about = |d: Decision, at: Option<&Mounted>, line: Option<usize>| {
            d.with("mounted", at.is_some())
                .with("device", at.map_or("", |m| &m.device))
                .with("type", at.map_or("", |m| &m.kind))
                .with("options", at.map(|m| m.options.clone()).unwrap_or_default())
                .with("readonly", at.is_some_and(Mounted::readonly))
                .with("line", line)
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
        let changed: Vec<String> = problems.iter().filter(|p| p.repair != "person").map(says).collect();
        let evidence = match (changed.is_empty(), problems.first()) {
            (_, None) => "every line of /etc/fstab can be mounted, or need not be".to_owned(),
            (false, _) => changed.join("; "),
            (true, Some(p)) => says(p),
        };
        let decision = about(Decision::new(problems.is_empty(), evidence), None, None);
        let new = problems.iter().fold(old.to_vec(), |text, p| match p.repair {
            "nofail" => fstab::with_option(&text, p.line, "nofail"),
            "comment" => fstab::comment_out(&text, p.line),
            _ => text,
        });
        let after = FileState { kind: Kind::File(Content::Bytes(new)), mode: None, owner: None };
        let mut changes: Vec<Change> = view.change_file(FSTAB, &table, after, false)?.into_iter().collect();
        if !changes.is_empty() && view.facts()?.init == "systemd" && view.place().live {
            // systemd has made units of the old lines.
            let (unit, before) = ("systemd".to_owned(), String::new());
            changes.push(Change::Unit(UnitChange { unit, verb: Verb::DaemonReload, before }));
        }
        Ok(decision.changing(changes))
    }
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
                "missing" | "nodir" | "nopoint" | "notype" => {
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

    fn problems(&self, table: &[u8]) -> Vec<Problem> {
        let text = |n: usize| {
            let lines: Vec<&[u8]> = table.split(|b| *b == b'\n').collect();
            lines.get(n - 1).map(|l| String::from_utf8_lossy(l).trim_end().to_owned()).unwrap_or_default()
        };
        let mut out = Vec::new();
        for entry in fstab::read(table) {
            let found = match &entry {
                Err(bad) => Some((bad.line, bad.why.trim_start_matches("it ").to_owned(), "comment")),
                Ok(e) => self.problem(e).map(|(what, repair)| (e.line, what, repair)),
            };
            out.extend(found.map(|(line, what, repair)| Problem { line, text: text(line), what, repair }));
        }
        out
    }

    /// What is wrong with a line that must be mounted when the system starts.
    fn problem(&self, e: &Entry) -> Option<(String, &'static str)> {
        if e.has("nofail") || e.has("noauto") || e.has("x-systemd.automount") {
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
        if is("notype") {
            return Some((
                format!("wants a file system of the type {}, which this system does not know", e.kind),
                needed("comment"),
            ));
        }
        if is("missing") && !matches!(e.kind.as_str(), "nfs" | "nfs4" | "cifs" | "tmpfs" | "overlay") {
            return Some((format!("wants {} on {}, and there is no such device", e.spec, e.file), needed("nofail")));
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
