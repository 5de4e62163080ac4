//! Fault × phase: a repair of a real host, and just before one of the scripts that make it gets there, something else goes
//! wrong. Whatever it is: files are the old or the new ones, services and rules as before or as planned, who got in before
//! still does, the exit code tells the truth, the next run finishes the job, and `undo` takes it back. Every tenth cell in
//! every test run; all with `RUNBOOK_FULL`, whose dated table is docs/lab-matrix.md.
//!
//! The clock is not among the faults: the lab's hosts share this machine's. No part of a run looks at it (/proc/uptime counts).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::faults::PRELUDE;
use crate::lab_refusals::leftovers;
use crate::support::{Done, Host, LAB, Run, bin, full, lab_is_on, ssh_refused, until};

/// Seconds: long enough for a plain run under load, short enough to wait for.
const WINDOW: &str = "8s";

/// A host with a fault, and its repair.
struct Patient {
    name: &'static str,
    /// Breaks it, from whatever state an earlier cell has left.
    breaks: &'static str,
    args: &'static [&'static str],
    /// Who gets in while it is broken.
    open: Option<&'static [&'static str]>,
}

const PATIENTS: &[Patient] = &[
    Patient {
        name: "an edit and a restart",
        breaks: "rm -f /etc/ssh/sshd_config.d/*; echo Port 2222 >/etc/ssh/sshd_config.d/50-port.conf; systemctl enable -q ssh; systemctl restart ssh",
        args: &["-e", "port=22"],
        open: Some(&["-p", "2222"]),
    },
    Patient { name: "a unit enabled and started", breaks: "systemctl disable -q --now ssh", args: &[], open: None },
    Patient {
        name: "a rule of the packet filter",
        breaks: "systemctl enable -q ssh; systemctl start ssh; iptables -F; iptables -A INPUT -p tcp --dport 22 -j DROP",
        args: &["-e", "client=10.77.0.1"],
        open: None,
    },
];

/// What goes wrong: its name, what does it (on the host, or `controller: ` on this machine), and what ends it.
struct Trouble {
    name: &'static str,
    begins: &'static str,
    ends: &'static str,
    /// Something of somebody else's, which an undo must leave: this text in a file.
    theirs: bool,
    /// What only lived in the host's memory is gone.
    boots: bool,
}

const QUIET: Trouble = Trouble { name: "", begins: "", ends: "", theirs: false, boots: false };

const TROUBLES: &[Trouble] = &[
    Trouble {
        name: "the disk of its records is full",
        begins: "cp -a /var/lib/runbook /run/was; mount -t tmpfs -o size=256k,mode=700 none /var/lib/runbook; cp -a /run/was/. /var/lib/runbook/; dd if=/dev/zero of=/var/lib/runbook/fill 2>/dev/null",
        ends: "umount /var/lib/runbook; rm -rf /run/was",
        ..QUIET
    },
    Trouble {
        name: "its records are read-only",
        begins: "mount --bind /var/lib/runbook /var/lib/runbook && mount -o remount,bind,ro /var/lib/runbook",
        ends: "umount /var/lib/runbook",
        ..QUIET
    },
    Trouble {
        name: "the files are read-only",
        begins: "mount --bind /etc/ssh /etc/ssh && mount -o remount,bind,ro /etc/ssh",
        ends: "umount /etc/ssh",
        ..QUIET
    },
    Trouble {
        name: "somebody edits the file",
        begins: "for f in /etc/ssh/sshd_config.d/*.conf; do [ ! -f $f ] || echo '# by hand' >>$f; done",
        theirs: true,
        ..QUIET
    },
    Trouble {
        name: "sshd is killed",
        begins: "p=$(systemctl show -p MainPID --value ssh); [ $p = 0 ] || kill -9 $p",
        ..QUIET
    },
    Trouble { name: "the guard's process is killed", begins: "kill -9 $(cat /var/lib/runbook/guard/up)", ..QUIET },
    Trouble { name: "the host is rebooted", begins: "controller: reboot", boots: true, ..QUIET },
    Trouble { name: "a second run begins", begins: "controller: second", ..QUIET },
    Trouble { name: "the controller is killed", begins: "controller: kill", ..QUIET },
    Trouble { name: "the line is cut", begins: "controller: cut", ..QUIET },
    Trouble { name: "the line is cut behind the script", begins: "controller: cut-behind", ..QUIET },
];

/// All that may be old or new, by what it is.
#[derive(Clone, PartialEq, Eq)]
struct State {
    files: Vec<(String, String)>,
    units: String,
    rules: String,
}

fn state(host: &Host) -> State {
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    let files = host.files("/etc/ssh").into_iter().filter(|(p, _)| !p.contains("/.")).map(|(p, b)| (p, text(&b)));
    let out = host.try_sh(
        "PATH=$PATH:/usr/sbin:/sbin; systemctl is-enabled ssh; systemctl is-active ssh; echo; iptables-save | grep '^-A' | sed 's/ *$//'; cat /etc/iptables/rules.v4 2>/dev/null | grep '^-A'",
    );
    let (units, rules) = out.stdout.split_once("\n\n").map_or((out.stdout.as_str(), ""), |x| x);
    State { files: files.collect(), units: units.to_owned(), rules: rules.to_owned() }
}

/// The channel: counts the scripts, and makes trouble before the N-th.
fn channel(host: &Host, n: usize, trouble: &Trouble) -> PathBuf {
    let (name, desk) = (&host.name, host.desk.path(""));
    let desk = desk.display();
    let inside = format!("{LAB} sh {name}");
    let act = match trouble.begins {
        "controller: reboot" => format!(
            "p=$({LAB} pid {name}); {inside} -c 'systemctl --no-block reboot' </dev/null; for i in $(seq 300); do q=$({LAB} pid {name} 2>/dev/null) && [ \"$q\" != \"$p\" ] && break; sleep 0.1; done; \
             for i in $(seq 300); do {inside} -c 'systemctl is-system-running' </dev/null | grep -qE 'running|degraded' && break; sleep 0.1; done"
        ),
        "controller: second" => format!("sh {desk}/second </dev/null >/dev/null 2>&1"),
        "controller: kill" => format!("kill -9 $(cat {desk}/pid)"),
        "controller: cut" => format!(": >{desk}/cut; exit 1"),
        "controller: cut-behind" => format!(": >{desk}/cut; {inside} <$s >/dev/null 2>&1; exit 1"),
        "" => ":".into(),
        sh => format!("{inside} -c '{}' </dev/null >/dev/null 2>&1", sh.replace('\'', r"'\''")),
    };
    host.desk.program(
        "channel",
        &format!(
            "[ ! -e {desk}/cut ] || exit 1\ns=$(mktemp -p {desk}); trap 'rm -f $s' EXIT; cat >$s\n\
             c=$(($(cat {desk}/count 2>/dev/null || echo 0) + 1)); echo $c >{desk}/count\n\
             if [ $c = {n} ]; then : >{desk}/fired; {act}; fi\n{inside} <$s"
        ),
    )
}

/// A run over such a channel; what it said, or that it was killed.
fn run(host: &Host, patient: &Patient, n: usize, trouble: &Trouble) -> (Option<Run>, bool) {
    for f in ["cut", "count", "fired", "pid"] {
        let _ = std::fs::remove_file(host.desk.path(f));
    }
    let via = channel(host, n, trouble);
    let bin = bin();
    let second = format!(
        "XDG_STATE_HOME={0} {LAB} ctl {bin} apply {1} --via 'exec:{LAB} sh {2}' --address {3} {4} -y --confirm-within {WINDOW}",
        host.desk.path("elsewhere").display(),
        ssh_refused().display(),
        host.name,
        host.address,
        patient.args.join(" "),
    );
    host.desk.write("second", &second);
    let note = format!("echo $$ >{}; exec \"$@\"", host.desk.path("pid").display());
    let args = [&["-y", "-o", "json", "--confirm-within", WINDOW], patient.args].concat();
    let out = host
        .command(&["sh", "-c", &note, "sh"], "apply", &ssh_refused(), Some(&via), &args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let fired = host.desk.path("fired").exists();
    let done = Done::from(out);
    ((done.code != -1).then(|| done.into()), fired)
}

/// What must hold once it is over, and nothing waits any more.
fn examine(
    host: &Host,
    patient: &Patient,
    trouble: &Trouble,
    run: Option<&Run>,
    old: &State,
    new: &State,
) -> Result<(), String> {
    if !until(60, || {
        host.try_sh("[ -e /run/nologin ] || { read -r p </var/lib/runbook/guard/up && kill -0 $p; } 2>/dev/null").code
            != 0
    }) {
        return Err("the guard never ends".to_owned());
    }
    host.try_sh(trouble.ends);
    let mut now = State { files: Vec::new(), units: String::new(), rules: String::new() };
    let known = |now: &State| {
        let either = |f: &(String, String)| {
            let by_hand = trouble.theirs && f.1.contains("# by hand");
            by_hand || old.files.contains(f) || new.files.contains(f)
        };
        let units =
            now.units == old.units || now.units == new.units || (trouble.boots && now.units.starts_with("enabled"));
        let rules = now.rules == old.rules || now.rules == new.rules || trouble.boots;
        match now.files.iter().find(|f| !either(f)) {
            Some(f) => Err(format!("{} is neither old nor new: {:?}", f.0, f.1)),
            None if !units => Err(format!("the units are {:?}", now.units)),
            None if !rules => Err(format!("the rules are {:?}", now.rules)),
            None => Ok(()),
        }
    };
    // systemd starts a killed sshd anew by itself.
    until(10, || {
        now = state(host);
        known(&now).is_ok()
    });
    known(&now)?;
    let cured = || host.lets_in(&[]).is_ok();
    if let Some(way) = patient.open
        && !until(15, || cured() || host.lets_in(way).is_ok())
    {
        return Err("who got in before does not any more".to_owned());
    }
    match run.map(|r| r.exit) {
        Some(0) if !until(10, cured) => Err(format!("it says that all is well: {}", run.unwrap().seen())),
        Some(5) if !trouble.boots && now.files != old.files && !trouble.theirs => {
            Err(format!("it says that it was taken back: {}", run.unwrap().seen()))
        }
        Some(0 | 1 | 3 | 5 | 6) | None => Ok(()),
        Some(other) => Err(format!("exit {other}: {}", run.unwrap().seen())),
    }
}

/// The next run finishes the job, and then all that was done can be taken back.
fn recover(host: &Host, patient: &Patient, trouble: &Trouble, old: &State) -> Result<(), String> {
    let next = host.run("apply", &ssh_refused(), None, &[patient.args, &["--confirm-within", WINDOW]].concat());
    if next.exit != 0 || !until(10, || host.lets_in(&[]).is_ok()) {
        return Err(format!("the next run does not finish the job: {}", next.seen()));
    }
    let left = leftovers(host).replace("/run/runbook.lock\n", "");
    if !left.is_empty() {
        return Err(format!("left behind: {left}"));
    }
    // Rules that a boot has taken away cannot be taken away again.
    if trouble.boots {
        return Ok(());
    }
    for records in ["state", "elsewhere"] {
        let here = |c: &mut Command| {
            c.env("XDG_STATE_HOME", host.desk.path(records));
        };
        let mut list = Command::new(bin());
        here(&mut list);
        let list: Run = Done::from(list.args(["runs", "-o", "json"]).output().unwrap()).into();
        let runs = list.json["runs"].as_array().cloned().unwrap_or_default();
        for r in runs.iter().filter(|r| r["undoes"].is_null()) {
            let mut undo = host.command(&[], "undo", Path::new(r["id"].as_str().unwrap()), None, &["-y", "-o", "json"]);
            here(&mut undo);
            let done = Done::from(undo.output().unwrap());
            // A command of which nobody knows whether it was done is left to a person.
            if done.code == 1 && done.stdout.contains("it is not known whether it was done") {
                return Ok(());
            }
            let theirs = trouble.theirs && done.code == 1;
            // 2: it changed nothing.
            if !matches!(done.code, 0 | 2) && !theirs {
                let run: Run = done.into();
                let mut record = Command::new(bin());
                here(&mut record);
                let record =
                    Done::from(record.args(["runs", "-o", "jsonl", r["id"].as_str().unwrap()]).output().unwrap());
                let failed: Vec<&str> = record.stdout.lines().filter(|l| l.contains("\"failed\"")).collect();
                return Err(format!("undo {}: exit {}, {}{failed:?}", r["id"], run.exit, run.seen()));
            }
        }
    }
    let now = state(host);
    if trouble.theirs {
        let kept = now
            .files
            .iter()
            .all(|f| !f.0.contains("sshd_config.d") || f.1.contains("# by hand") || old.files.contains(f));
        return if kept { Ok(()) } else { Err("what somebody wrote is gone".to_owned()) };
    }
    if now == *old {
        Ok(())
    } else {
        Err(format!(
            "undo: the units are {:?}, the rules {:?}, the files as before: {}",
            now.units,
            now.rules,
            now.files == old.files
        ))
    }
}

fn fall_ill(host: &Host, patient: &Patient) {
    for dir in ["state", "elsewhere"] {
        let _ = std::fs::remove_dir_all(host.desk.path(dir));
    }
    host.try_sh(&format!(
        "{PRELUDE}umount /var/lib/runbook /etc/ssh 2>/dev/null; rm -rf /var/lib/runbook /run/runbook.lock /run/was; mkdir -p /var/lib/runbook; rm -f /etc/iptables/rules.v4; iptables -P INPUT ACCEPT; iptables -F; systemctl reset-failed ssh 2>/dev/null; {}",
        patient.breaks
    ));
}

fn matrix(patient: &Patient) {
    let Some(host) = Host::up(&format!("mx-{}", &patient.name[..8].replace(' ', "-"))) else { return };
    fall_ill(&host, patient);
    let old = state(&host);
    let (cured, _) = run(&host, patient, 0, &QUIET);
    let cured = cured.unwrap();
    assert_eq!(cured.exit, 0, "undisturbed: {}", cured.seen());
    let new = state(&host);
    assert!(old != new);
    let scripts: usize = std::fs::read_to_string(host.desk.path("count")).unwrap().trim().parse().unwrap();
    // `RUNBOOK_TROUBLE=rebooted`: that one alone, before every script.
    let asked = std::env::var("RUNBOOK_TROUBLE").ok();
    let (mut cells, mut wrong, mut table) = (0, Vec::new(), String::new());
    for (t, trouble) in TROUBLES.iter().enumerate() {
        let mut row = String::new();
        for n in 1..=scripts {
            // A slant, so that every trouble and every phase is among the tenth.
            let chosen =
                asked.as_ref().map_or(full() || (t * 3 + n) % 10 == 0, |name| trouble.name.contains(name.as_str()));
            if !chosen {
                continue;
            }
            fall_ill(&host, patient);
            let (outcome, fired) = run(&host, patient, n, trouble);
            if !fired {
                continue;
            }
            cells += 1;
            let verdict = examine(&host, patient, trouble, outcome.as_ref(), &old, &new)
                .and_then(|()| recover(&host, patient, trouble, &old));
            let word = outcome.map_or("killed".to_owned(), |r| r.exit.to_string());
            let _ = write!(row, " {word}");
            if let Err(why) = verdict {
                wrong.push(format!("{}, before script {n}: {why}", trouble.name));
            }
        }
        let _ = writeln!(table, "| {} | {} |{row} |", patient.name, trouble.name);
    }
    println!("{table}{}: {scripts} scripts, {cells} cells, {} wrong", patient.name, wrong.len());
    assert!(wrong.is_empty(), "{} of {cells} cells:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cells >= 10 || asked.is_some(), "only {cells} cells");
    if full() && asked.is_none() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/matrix");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(patient.name), format!("{cells}\n{table}")).unwrap();
    }
}

#[test]
fn an_edit_and_a_restart() {
    matrix(&PATIENTS[0]);
}

#[test]
fn a_unit() {
    matrix(&PATIENTS[1]);
}

#[test]
fn a_rule() {
    matrix(&PATIENTS[2]);
}

/// The table of the full run, of the parts that the others have left.
#[test]
fn the_table_is_written() {
    if !(lab_is_on() && full() && std::env::var_os("RUNBOOK_WRITE_DOCS").is_some()) {
        return;
    }
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/matrix");
    let (mut cells, mut rows) = (0, String::new());
    for p in PATIENTS {
        let text = std::fs::read_to_string(dir.join(p.name)).unwrap();
        let (count, table) = text.split_once('\n').unwrap();
        cells += count.parse::<usize>().unwrap();
        rows += table;
    }
    let today = jiff::Zoned::now().date();
    let head = format!(
        "# Fault × phase\n\n{today}, `tests/run --full`: {cells} cells. Each is a repair of a real host, with something going wrong just before one of\n\
         the scripts that make it; the row has the exit code for each script. In every cell files were old or new, services and\n\
         rules as before or as planned, the exit code true, the next run finished the job, and `undo` took it back.\n\n\
         | repair | what goes wrong | before the 1st, 2nd … script |\n| --- | --- | --- |\n"
    );
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/lab-matrix.md"), head + &rows).unwrap();
}
