//! Each fault on a fresh host: broken, seen by the real client, planned, repaired, and left alone by a second apply.

use std::fs::{self, File};
use std::path::Path;

use serde_json::Value;

use crate::support::{Host, Run, difference, ssh_refused};

/// A way to break a host.
struct Fault {
    name: &'static str,
    /// For the table.
    title: &'static str,
    /// The sh that breaks it.
    breaks: &'static str,
    /// Arguments of plan and apply.
    args: &'static [&'static str],
    /// A port that answers while it is broken, and must after the repair too.
    keeps: Option<&'static str>,
    /// Rounds that may change something: one for a single fault.
    rounds: u64,
}

const PORT: &[&str] = &["-e", "port=22"];
const SINGLE: Fault = Fault { name: "", title: "", breaks: "", args: &[], keeps: None, rounds: 1 };

const FAULTS: &[Fault] = &[
    Fault { name: "stopped", title: "stopped and disabled", breaks: "systemctl disable --now ssh", ..SINGLE },
    Fault { name: "masked", title: "stopped and masked", breaks: "systemctl stop ssh; systemctl mask ssh", ..SINGLE },
    Fault {
        name: "start_limit",
        title: "start limit hit",
        breaks: "for i in 1 2 3 4 5 6 7; do systemctl restart ssh; done
            systemctl show -p Result ssh | grep -q start-limit-hit",
        ..SINGLE
    },
    // systemd says "Start request repeated too quickly", and Result stays exit-code.
    Fault {
        name: "start_limit_config",
        title: "start limit hit by a bad configuration, which was then corrected by hand",
        breaks: "echo Prot 22 >/etc/ssh/sshd_config.d/50-bad.conf
            for i in 1 2 3 4 5 6 7; do systemctl restart ssh; done
            rm /etc/ssh/sshd_config.d/50-bad.conf
            ! systemctl start ssh && journalctl -u ssh | grep -q 'Start request repeated too quickly'",
        ..SINGLE
    },
    Fault {
        name: "port_main",
        title: "wrong port in sshd_config",
        breaks: "sed -i 's/^#Port 22$/Port 2222/' /etc/ssh/sshd_config; grep -qx 'Port 2222' /etc/ssh/sshd_config
            systemctl restart ssh",
        args: PORT,
        keeps: Some("2222"),
        ..SINGLE
    },
    Fault {
        name: "port_dropin",
        title: "wrong port in a drop-in",
        breaks: "echo Port 2222 >/etc/ssh/sshd_config.d/50-port.conf; systemctl restart ssh",
        args: PORT,
        keeps: Some("2222"),
        ..SINGLE
    },
    Fault {
        name: "loopback",
        title: "ListenAddress 127.0.0.1",
        breaks: "sed -i 's/^#ListenAddress 0.0.0.0$/ListenAddress 127.0.0.1/' /etc/ssh/sshd_config
            grep -qx 'ListenAddress 127.0.0.1' /etc/ssh/sshd_config; systemctl restart ssh",
        ..SINGLE
    },
    Fault {
        name: "loopback_dropin",
        title: "ListenAddress 127.0.0.1 in a drop-in",
        breaks: "echo ListenAddress 127.0.0.1 >/etc/ssh/sshd_config.d/50-listen.conf; systemctl restart ssh",
        ..SINGLE
    },
    Fault {
        name: "port_and_stopped",
        title: "two: wrong port, and stopped and disabled",
        breaks: "sed -i 's/^#Port 22$/Port 2222/' /etc/ssh/sshd_config; systemctl disable --now ssh",
        args: PORT,
        rounds: 2,
        ..SINGLE
    },
    Fault {
        name: "loopback_and_masked",
        title: "two: ListenAddress 127.0.0.1, and masked",
        breaks: "sed -i 's/^#ListenAddress 0.0.0.0$/ListenAddress 127.0.0.1/' /etc/ssh/sshd_config
            systemctl stop ssh; systemctl mask ssh",
        rounds: 2,
        ..SINGLE
    },
];

/// A row of the table.
struct Row {
    symptom: String,
    steps: String,
    rounds: u64,
}

/// The whole proof for one fault. An error says what was not as it should be, and what was seen instead.
fn prove(host: &Host, fault: &Fault, book: &Path) -> Result<Row, String> {
    let symptom = break_it(host, fault);
    let before = host.files("/etc/ssh");
    let plan = host.run("plan", book, None, fault.args);
    let run = host.run("apply", book, None, fault.args);
    let want = |holds: bool, what: &str| {
        if holds { Ok(()) } else { Err(format!("{what}\nplan: {}apply: {}", plan.seen(), run.seen())) }
    };
    want(run.exit == 0, "apply did not end with 0")?;
    want(plan.exit == 4, "the plan did not end with 4")?;
    want(promise(&plan) == promise(&run), "round one of apply is not what the plan said")?;
    kept(host, &before, &run).map_err(|e| format!("{e}\n{}", run.seen()))?;
    host.lets_in(&[]).map_err(|e| format!("the client does not get in: {e}\n{}", run.seen()))?;
    if let Some(port) = fault.keeps {
        host.lets_in(&["-p", port])
            .map_err(|e| format!("port {port} answered before, and now: {e}\n{}", run.seen()))?;
    }
    let rounds = run.json["rounds_applied"].as_u64().unwrap_or(0);
    want((1..=fault.rounds).contains(&rounds), &format!("{rounds} rounds made changes"))?;
    settled(host, book, fault)?;
    Ok(Row { symptom, steps: changed_steps(&plan), rounds })
}

fn break_it(host: &Host, fault: &Fault) -> String {
    host.sh(fault.breaks);
    let said = host.lets_in(&[]).expect_err("the fault that was planted does not keep the client out");
    assert!(said.contains("Connection refused"), "the client of a host that is {} says: {said}", fault.title);
    // The address is another one each time.
    said.lines().last().unwrap_or_default().trim().replace(&host.address, "HOST")
}

/// What round one says that it does: statuses, changes with their diffs byte for byte, what was tried beforehand.
fn promise(run: &Run) -> Value {
    let round = &run.json["rounds"][0];
    let steps: Vec<Value> = round["steps"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|s| serde_json::json!([s["name"], s["item"], s["status"]]))
        .collect();
    serde_json::json!({"steps": steps, "changes": round["changes"], "validations": round["validations"]})
}

/// Every file is what the diff promised, and no other file of sshd's was touched.
fn kept(host: &Host, before: &std::collections::BTreeMap<String, Vec<u8>>, run: &Run) -> Result<(), String> {
    let mut want = before.clone();
    for round in 0..5 {
        for c in run.changes(round).iter().filter(|c| c["kind"] == "file") {
            let path = c["real"].as_str().unwrap_or_default().to_owned();
            let now = fs::read(host.disk(&path)).map_err(|e| format!("{path}: {e}"))?;
            // Of several changes to one file the last one counts.
            let last = run.changes(round).iter().rev().find(|x| x["real"] == c["real"]).cloned().unwrap_or_default();
            if last["after"]["sha256"] != sha256(&now).as_str() {
                return Err(format!("{path} is not what the plan said:\n{}", String::from_utf8_lossy(&now)));
            }
            want.insert(path, now);
        }
    }
    let now = host.files("/etc/ssh");
    if now == want {
        Ok(())
    } else {
        Err(format!("files below /etc/ssh: {:?}, expected {:?}", now.keys(), want.keys()))
    }
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// A second apply finds nothing to do and touches nothing.
fn settled(host: &Host, book: &Path, fault: &Fault) -> Result<(), String> {
    let before = host.snapshot();
    let again = host.run("apply", book, None, fault.args);
    let after = host.snapshot();
    if again.exit != 0 || again.all_changes() != 0 {
        return Err(format!("the second apply found something to do: {}", again.seen()));
    }
    if before != after {
        return Err(format!("the second apply touched the host:\n{}", difference(&before, &after)));
    }
    Ok(())
}

/// The names of what changed: steps, and handlers.
fn changed_steps(run: &Run) -> String {
    let mut out: Vec<String> = Vec::new();
    for c in run.changes(0) {
        let name = c["handler"].as_str().or(c["step"].as_str()).unwrap_or("?").to_owned();
        if !out.contains(&name) {
            out.push(name);
        }
    }
    out.join("; ")
}

fn fault(name: &str) -> &'static Fault {
    FAULTS.iter().find(|f| f.name == name).unwrap()
}

/// The test of one fault.
fn repaired(name: &str) {
    let fault = fault(name);
    let Some(host) = Host::up(name) else { return };
    let row = prove(&host, fault, &ssh_refused());
    let cells = match &row {
        Ok(r) => format!("| {} | {} | {} | {} | yes | yes |", fault.title, r.symptom, r.steps, r.rounds),
        Err(_) => format!("| {} | | | | **no** | |", fault.title),
    };
    eprintln!("{cells}");
    if std::env::var_os("RUNBOOK_FULL").is_some() {
        write_table(name, &cells);
    }
    if let Err(why) = row {
        panic!("{}: {why}", fault.title);
    }
}

/// Each test runs in a process of its own: each adds its row, and the table is made of all that are there.
fn write_table(name: &str, cells: &str) {
    let rows = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab-faults");
    fs::create_dir_all(&rows).unwrap();
    let lock = File::create(rows.join(".lock")).unwrap();
    lock.lock().unwrap();
    fs::write(rows.join(name), cells).unwrap();
    let day = jiff::Timestamp::now().strftime("%Y-%m-%d");
    let mut text = format!(
        "# What the lab breaks and `ssh-refused` repairs\n\nMeasured on {day} by `tests/run --full`; do not edit.\n\n\
         | fault | symptom at the client | what changed | rounds | repaired | second apply clean |\n| --- | --- | --- | --- | --- | --- |\n"
    );
    for f in FAULTS {
        if let Ok(row) = fs::read_to_string(rows.join(f.name)) {
            text += &format!("{row}\n");
        }
    }
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    fs::create_dir_all(&docs).unwrap();
    fs::write(docs.join("lab-faults.md"), text).unwrap();
}

macro_rules! faults {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            repaired(stringify!($name));
        })*
        #[test]
        fn every_fault_has_its_test() {
            let names: Vec<&str> = FAULTS.iter().map(|f| f.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

faults! {
    stopped masked start_limit start_limit_config port_main port_dropin loopback loopback_dropin
    port_and_stopped loopback_and_masked
}

/// The runbook with the repair of one step taken out: what it looked at, it still looks at.
fn mutant(id: &str) -> String {
    let text = fs::read_to_string(ssh_refused()).unwrap();
    let mut book: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    let steps = book["steps"].as_sequence_mut().unwrap();
    let step = steps
        .iter_mut()
        .find(|s| s["id"].as_str() == Some(id))
        .unwrap_or_else(|| panic!("no step {id} in ssh-refused.yaml"));
    let step = step.as_mapping_mut().unwrap();
    if let Some(ensure) = step.remove("ensure") {
        step.insert("check".into(), ensure);
    }
    step.remove("remediation");
    step.remove("notify");
    serde_yaml::to_string(&book).unwrap()
}

/// The same proof with a repair taken out must fail, or it proves nothing.
fn caught(id: &str, name: &str) {
    let Some(host) = Host::up(&format!("mutant-{id}")) else { return };
    let book = host.desk.write("ssh-refused.yaml", &mutant(id));
    let Err(why) = prove(&host, fault(name), &book) else {
        panic!("without the repair of step {id} the proof for \"{}\" passes all the same", fault(name).title);
    };
    assert!(why.starts_with("apply did not end with 0"), "it failed for another reason: {why}");
    let said = host.lets_in(&[]).expect_err("the client gets in although nothing was repaired");
    assert!(said.contains("Connection refused"), "the client says: {said}");
}

#[test]
fn a_mutant_without_the_start_is_caught() {
    caught("running", "stopped");
}

#[test]
fn a_mutant_without_the_port_is_caught() {
    caught("port", "port_dropin");
}
