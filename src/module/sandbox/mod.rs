//! `sandbox`: no line that a person gave a unit keeps its service from its work.

mod rules;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Decision, Field, Halt, Module, Param, Params, Spec, Ty, journal, service};
use crate::plan::{Change, View};
use crate::target::files::{Content, FileState, Kind, Look};
use crate::target::units::UnitState;

/// What a unit allows its service.
pub struct Sandbox;

static SPEC: Spec = Spec {
    name: "sandbox",
    summary: "No line that a person gave the unit of a service (a drop-in, or a unit file in /etc/systemd or /run/systemd) takes from it what it needs: paths, capabilities, address families, system calls, processes, memory, files (systemd.exec(5), systemd.resource-control(5)). What the log says of its last start decides which line that is; the repair makes this line a comment. Units of other inits have no such lines.",
    scalar: Some("name"),
    params: &[Param { name: "name", ty: Ty::Str, required: true, help: "the service, with or without .service" }],
    fields: &[
        Field { name: "lines", help: "those that are at fault: a list of {file, line, text}" },
        Field { name: "said", help: "the line of the log that says so, else empty" },
    ],
    reads: "unit:NAME, file:/etc/systemd/**",
    writes: "file:/etc/systemd/**",
    open: false,
};

/// Where a package, not a person, puts units (systemd.unit(5), UNIT FILE LOAD PATH).
const VENDOR: &[&str] = &["/usr/lib/", "/lib/", "/usr/local/lib/", "/run/systemd/generator", "/run/systemd/transient/"];

/// A `Key=value` of a `[Service]` section.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    file: String,
    /// From 1.
    number: usize,
    key: String,
    value: String,
    /// It goes on in the next line.
    goes_on: bool,
}

impl Line {
    fn text(&self) -> String {
        format!("{}={}", self.key, self.value)
    }
}

impl Module for Sandbox {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        view.not_ahead()?;
        view.needs_running_host()?;
        let names = service::candidates(p.text("name"));
        let units = view.units(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
        let unit = units.iter().find(|u| u.asked.ends_with(".service") && u.exists());
        let fine = |why: &str| Ok(fields(Decision::new(true, why), &[], ""));
        let Some(unit) = unit.filter(|u| u.init.is_empty()) else { return fine("no unit of systemd's starts it") };
        let files: Vec<&String> = unit.drop_ins.iter().chain([&unit.fragment]).filter(|f| by_hand(f)).collect();
        let found: Vec<_> = files.iter().map(|f| view.file(f, Look::Follow)).collect();
        let mut texts = BTreeMap::new();
        for (file, found) in files.iter().zip(found) {
            let found = found?;
            // A mask is a link to /dev/null.
            if let Kind::File(Content::Bytes(text)) = &found.state.kind {
                texts.insert((*file).clone(), (text.clone(), found));
            }
        }
        let lines: Vec<Line> = texts.iter().flat_map(|(file, (text, _))| read(file, text)).collect();
        if lines.is_empty() {
            return fine("nobody has changed what its unit allows it");
        }
        // Behind a socket that systemd holds it needs no network of its own.
        let by_socket = units.iter().any(|u| u.asked.ends_with(".socket") && u.running());
        let log = journal::lines(&[unit.name()], view)?;
        let Some((bad, said)) = at_fault(unit, by_socket, &log, &lines) else {
            return fine("no line of its unit is known to keep it from its work");
        };
        let evidence = match said.as_str() {
            "" => format!("{}:{} says \"{}\"", bad[0].file, bad[0].number, bad[0].text()),
            said => format!("{}:{} says \"{}\", and its log: {said}", bad[0].file, bad[0].number, bad[0].text()),
        };
        let decision = fields(Decision::new(false, evidence), &bad, &said);
        if let Some(line) = bad.iter().find(|l| l.goes_on).filter(|_| view.wants_changes()) {
            let todo = format!("take {} out of {}, with the lines that it goes on in", line.key, line.file);
            return Err(Halt::Person { why: decision.evidence, todo, param: None });
        }
        let mut changes: Vec<Change> = Vec::new();
        for (file, (text, found)) in &texts {
            let at: Vec<usize> = bad.iter().filter(|l| l.file == *file).map(|l| l.number).collect();
            let after = FileState { kind: Kind::File(Content::Bytes(commented(text, &at))), mode: None, owner: None };
            changes.extend(view.change_file(file, found, after, false)?);
        }
        Ok(decision.changing(changes))
    }
}

fn fields(d: Decision, lines: &[Line], said: &str) -> Decision {
    let value = |l: &Line| json!({"file": l.file, "line": l.number, "text": l.text()});
    d.with("lines", lines.iter().map(value).collect::<Vec<Value>>()).with("said", said)
}

/// A person wrote it: `systemctl edit`, `systemctl set-property`, or a configuration management tool.
fn by_hand(file: &str) -> bool {
    !file.is_empty() && !VENDOR.iter().any(|v| file.starts_with(v))
}

/// What its log says, against the lines: those that are at fault, and the line of the log.
fn at_fault(unit: &UnitState, by_socket: bool, log: &[String], lines: &[Line]) -> Option<(Vec<Line>, String)> {
    let alone = |l: &&Line| rules::cuts_off(l) && !by_socket;
    let deaf: Vec<Line> = lines.iter().filter(alone).filter(|_| unit.running()).cloned().collect();
    if !deaf.is_empty() {
        return Some((deaf, String::new()));
    }
    let log: Vec<&String> = log.iter().filter(|l| !super::journal::of_a_client(l)).collect();
    // What one that runs said long ago may be over.
    let from = if unit.running() { log.len().saturating_sub(10) } else { 0 };
    rules::RULES.iter().find_map(|rule| {
        let (said, subject) = log[from..].iter().rev().find_map(|l| Some((*l, rule.subject(l)?)))?;
        let bad: Vec<Line> = lines.iter().filter(|l| rule.blames(l, &subject)).cloned().collect();
        (!bad.is_empty()).then(|| (bad, said.trim_end_matches('.').to_owned()))
    })
}

/// The lines of its `[Service]` section (systemd.syntax(7)).
fn read(file: &str, text: &[u8]) -> Vec<Line> {
    let (mut section, mut more, mut out) = (String::new(), false, Vec::new());
    for (at, line) in String::from_utf8_lossy(text).lines().enumerate() {
        let line = line.trim();
        let goes_on = line.ends_with('\\');
        let is_new = !std::mem::replace(&mut more, goes_on);
        if line.starts_with(['#', ';']) {
            more = !is_new;
            continue;
        }
        if !is_new {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            name.clone_into(&mut section);
        }
        if let Some((key, value)) = line.split_once('=').filter(|_| section == "Service") {
            let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
            out.push(Line { file: file.to_owned(), number: at + 1, key, value, goes_on });
        }
    }
    out
}

/// With a `#` before each of these lines; every other byte is as it was.
fn commented(text: &[u8], numbers: &[usize]) -> Vec<u8> {
    let lines = text.split_inclusive(|b| *b == b'\n').enumerate();
    lines.flat_map(|(at, l)| [if numbers.contains(&(at + 1)) { b"#".as_slice() } else { b"" }, l].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(active: &str) -> UnitState {
        UnitState { asked: "ssh.service".into(), load: "loaded".into(), active: active.into(), ..UnitState::default() }
    }
    fn blamed(dropin: &str, active: &str, log: &[&str]) -> Vec<String> {
        let lines = read("/etc/systemd/system/ssh.service.d/x.conf", dropin.as_bytes());
        let log: Vec<String> = log.iter().map(|l| (*l).to_owned()).collect();
        let bad = at_fault(&unit(active), false, &log, &lines).map(|(bad, _)| bad).unwrap_or_default();
        bad.iter().map(Line::text).collect()
    }
    const NONE: [&str; 0] = [];

    /// As sshd and systemd 252 said them on hosts of the lab.
    #[test]
    fn each_log_line_blames_its_directive() {
        let all = "[Service]\nInaccessiblePaths=-/etc/ssh /srv\nReadOnlyPaths=/usr\nRestrictAddressFamilies=AF_UNIX\nCapabilityBoundingSet=CAP_CHOWN\n\
            SystemCallFilter=~@network-io\nTasksMax=3\nLimitNOFILE=6\nMemoryMax=5M\nUser=nobody\nRestart=no\n";
        let one = |line: &str| blamed(all, "failed", &[line]);
        assert_eq!(one("/etc/ssh/sshd_config: No such file or directory"), ["InaccessiblePaths=-/etc/ssh /srv"]);
        assert_eq!(one("fatal: Cannot bind any address."), ["RestrictAddressFamilies=AF_UNIX"]);
        assert_eq!(
            one("error: Bind to port 22 on 0.0.0.0 failed: Permission denied."),
            ["CapabilityBoundingSet=CAP_CHOWN", "User=nobody"]
        );
        assert_eq!(
            one("ssh.service: Control process exited, code=killed, status=31/SYS"),
            ["SystemCallFilter=~@network-io"]
        );
        assert_eq!(one("error: fork: Resource temporarily unavailable"), ["TasksMax=3"]);
        assert_eq!(one("error: reexec socketpair: Too many open files"), ["LimitNOFILE=6"]);
        assert_eq!(one("fatal: fork of unprivileged child failed: Cannot allocate memory"), ["MemoryMax=5M"]);
        assert_eq!(one("sshd: no hostkeys available -- exiting."), ["InaccessiblePaths=-/etc/ssh /srv", "User=nobody"]);
        assert_eq!(one("Server listening on 0.0.0.0 port 22."), NONE);
    }

    #[test]
    fn a_line_that_leaves_what_is_needed_is_not_blamed() {
        let denied = "error: Bind to port 22 on :: failed: Permission denied.";
        let caps = |set: &str| blamed(&format!("[Service]\nCapabilityBoundingSet={set}\n"), "failed", &[denied]);
        assert_eq!(caps("CAP_NET_BIND_SERVICE CAP_SETUID"), NONE);
        assert_eq!(caps("~CAP_SYS_PTRACE"), NONE);
        assert_eq!(caps("~CAP_NET_BIND_SERVICE").len(), 1);
        assert_eq!(caps("").len(), 1);
        let families = |set: &str| {
            blamed(
                &format!("[Service]\nRestrictAddressFamilies={set}\n"),
                "failed",
                &["fatal: Cannot bind any address."],
            )
        };
        assert_eq!(families("AF_UNIX AF_INET AF_INET6"), NONE);
        assert_eq!(families("none").len(), 1);
        assert_eq!(families(""), NONE);
        assert_eq!(
            blamed(
                "[Service]\nInaccessiblePaths=/etc/sshx\n",
                "failed",
                &["/etc/ssh/sshd_config: No such file or directory"]
            ),
            NONE
        );
        // It hides nothing.
        let missing = "/etc/ssh/sshd_config: No such file or directory";
        assert_eq!(blamed("[Service]\nReadOnlyPaths=/etc\nMemoryMax=2G\n", "failed", &[missing]), NONE);
        assert_eq!(
            blamed(
                "[Service]\nMemoryMax=2G\n",
                "failed",
                &["ssh.service: Main process exited, code=killed, status=9/KILL"]
            ),
            NONE
        );
        assert_eq!(blamed("[Unit]\nTasksMax=1\n", "failed", &["error: fork: Resource temporarily unavailable"]), NONE);
    }

    #[test]
    fn a_step_that_systemd_failed_at() {
        let step = |name: &str, dropin: &str| {
            blamed(
                dropin,
                "failed",
                &[&format!("ssh.service: Failed at step {name} spawning /usr/sbin/sshd: No such file or directory")],
            )
        };
        assert_eq!(step("USER", "[Service]\nUser=gone\n"), ["User=gone"]);
        assert_eq!(step("NAMESPACE", "[Service]\nReadWritePaths=/gone\nUser=root\n"), ["ReadWritePaths=/gone"]);
        assert_eq!(step("APPARMOR", "[Service]\nAppArmorProfile=gone\n"), ["AppArmorProfile=gone"]);
        assert_eq!(step("EXEC", "[Service]\nUser=gone\n"), NONE);
        let why =
            "ssh.service: Failed to set up mount namespacing: /run/systemd/unit-root/gone: No such file or directory";
        let two = "[Service]\nReadWritePaths=/gone\nReadOnlyPaths=/usr\n";
        let said = "ssh.service: Failed at step NAMESPACE spawning /usr/sbin/sshd: No such file or directory";
        assert_eq!(blamed(two, "failed", &[why, said]), ["ReadWritePaths=/gone"]);
    }

    #[test]
    fn a_network_of_its_own_needs_no_log() {
        let dropin = "[Service]\nPrivateNetwork=yes\n";
        assert_eq!(blamed(dropin, "active", &[]), ["PrivateNetwork=yes"]);
        assert_eq!(blamed("[Service]\nPrivateNetwork=no\n", "active", &[]), NONE);
        let lines = read("/etc/x", dropin.as_bytes());
        assert_eq!(at_fault(&unit("active"), true, &[], &lines), None);
    }

    #[test]
    fn a_comment_and_nothing_else() {
        let text = b"[Service]\r\n# x\r\nTasksMax=1\r\nUser=a";
        assert_eq!(commented(text, &[3]), b"[Service]\r\n# x\r\n#TasksMax=1\r\nUser=a");
        assert_eq!(commented(text, &[]), text);
        let lines = read("/f", b"[Service]\nSystemCallFilter=@system-service \\\n  @mount\nUser=a\n");
        assert_eq!((lines.len(), lines[0].goes_on, lines[1].number), (2, true, 4));
        assert!(
            by_hand("/etc/systemd/system.control/ssh.service.d/50-TasksMax.conf")
                && !by_hand("/lib/systemd/system/ssh.service")
        );
    }
}
