//! Each fault on a fresh host: broken, seen by the real client, planned, repaired, and left alone by a second apply.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use regex::Regex;
use serde_json::Value;

use crate::faults::{self, Fault, Healthy, PRELUDE};
use crate::support::{Done, Host, Run, difference, full, shipped, ssh_refused, until};

/// What fits on the screen of whoever is woken up at night.
const WIDTH: usize = 100;
/// A client that has never seen the host's keys.
const STRANGER: &[&str] = &["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"];

/// A row of the table.
struct Row {
    symptom: String,
    steps: String,
    rounds: u64,
}

/// The whole proof for one fault. An error says what was not as it should be, and what was seen instead.
fn prove(host: &Host, fault: &Fault, book: &Path) -> Result<Row, String> {
    let symptom = break_it(host, fault)?;
    let before = host.files("/etc/ssh");
    let rules = if fault.undone { rules(host) } else { String::new() };
    fits(host, fault, book)?;
    let plan = host.run("plan", book, None, fault.args);
    let run = host.run("apply", book, None, fault.args);
    let want = |holds: bool, what: &str| {
        if holds { Ok(()) } else { Err(format!("{what}\nplan: {}apply: {}", plan.seen(), run.seen())) }
    };
    want(run.exit == fault.exit, &format!("apply did not end with {}", fault.exit))?;
    want(plan.exit == if fault.exit == 0 { 4 } else { 1 }, "the plan did not end as it should")?;
    let first = plan.json["rounds"][0]["finding"].as_str().unwrap_or_default();
    want(matches(fault.says, first), &format!("the first finding does not say {}: {first}", fault.says))?;
    want(promise(&plan) == promise(&run), "round one of apply is not what the plan said")?;
    kept(host, fault, &before, &run).map_err(|e| format!("{e}\n{}", run.seen()))?;
    let rounds = run.json["rounds_applied"].as_u64().unwrap_or(0);
    if fault.exit != 0 {
        want(rounds <= fault.rounds, "something was changed that only a person can decide")?;
        if rounds == 0 {
            refused(host, fault).map_err(|e| format!("nothing was changed, and {e}\n{}", run.seen()))?;
        }
        return Ok(Row { symptom, steps: format!("nothing: {first}"), rounds });
    }
    let stranger = if fault.new_keys { STRANGER } else { &[] };
    host.does(&[fault.client, stranger].concat(), fault.does)
        .map_err(|e| format!("the client does not get in: {e}\n{}", run.seen()))?;
    if let Some(port) = fault.keeps {
        host.lets_in(&["-p", port])
            .map_err(|e| format!("port {port} answered before, and now: {e}\n{}", run.seen()))?;
    }
    want((1..=fault.rounds).contains(&rounds), &format!("{rounds} rounds made changes"))?;
    settled(host, book, fault)?;
    if fault.undone {
        undo(host, book, fault, &run, &rules)?;
    }
    if !fault.lasts.is_empty() {
        let anew = host.try_sh(&format!("{PRELUDE}{}", fault.lasts));
        want(anew.code == 0, &format!("{}: {}{}", fault.lasts, anew.stdout, anew.stderr))?;
        host.lets_in(&[fault.client, stranger].concat())
            .map_err(|e| format!("after \"{}\" the client does not get in: {e}\n{}", fault.lasts, run.seen()))?;
    }
    Ok(Row { symptom, steps: changed_steps(&run), rounds })
}

fn matches(regex: &str, text: &str) -> bool {
    Regex::new(regex).unwrap().is_match(text)
}

/// Plants the fault, and waits until it is there for good: a unit that fails is started anew a few times.
fn break_it(host: &Host, fault: &Fault) -> Result<String, String> {
    let planted = host.try_sh(&format!("{PRELUDE}{}", fault.breaks));
    // Nobody enters a host that shuts down: its last broadcast (SIGSTOP) would stop nsenter for good.
    if let Some(words) = fault.reboots {
        let log = Path::new("/run/runbook-lab").join(&host.name).join("console.log");
        let up = until(30, || fs::read(&log).is_ok_and(|b| String::from_utf8_lossy(&b).contains(words)));
        assert!(up, "after the reboot the console does not say: {words}");
    }
    let mut shown = planted.clone();
    let there = until(20, || {
        shown = host.try_sh(&format!("{PRELUDE}{}", fault.shows));
        shown.code == 0
    });
    let said = |d: &Done| format!("{}{}", d.stdout, d.stderr);
    if !there {
        return Err(format!("the fault is not there\n{}{}", said(&planted), said(&shown)));
    }
    refused(host, fault)
}

/// What the client says of it, or why that is not the fault's symptom.
fn refused(host: &Host, fault: &Fault) -> Result<String, String> {
    let Err(said) = host.does(fault.client, fault.does) else { return Err("the client gets in".to_owned()) };
    if !matches(fault.symptom, &said) {
        return Err(format!("the client says: {said}"));
    }
    // The address is another one each time.
    Ok(said.lines().last().unwrap_or_default().trim().replace(&host.address, "HOST"))
}

/// What the packet filters hold, in their own words, and what their front ends keep.
fn rules(host: &Host) -> String {
    host.sh(
        r"{ nft -s list ruleset; for p in iptables-nft iptables-legacy ip6tables-nft ip6tables-legacy; do $p-save; done
            ufw show added; firewall-cmd --list-all; firewall-cmd --permanent --list-all; } 2>/dev/null |
            sed -e '/^#/d' -e 's/ \[[0-9:]*\]$//'",
    )
}

/// What was done is taken back and the rules are the earlier ones; then it is done again, for what comes after.
fn undo(host: &Host, book: &Path, fault: &Fault, run: &Run, before: &str) -> Result<(), String> {
    let back = host.run("undo", Path::new(run.json["run"].as_str().unwrap_or_default()), None, &["-y"]);
    if back.exit != 0 {
        return Err(format!("undo ended with {}: {}", back.exit, back.seen()));
    }
    let now = rules(host);
    if now != before {
        return Err(format!("undo did not bring back the rules:\n{}", difference(before, &now)));
    }
    refused(host, fault).map_err(|e| format!("it was taken back, and {e}"))?;
    let again = host.run("apply", book, None, fault.args);
    if again.exit == 0 { Ok(()) } else { Err(format!("after undo: {}", again.seen())) }
}

/// The plan for people.
fn fits(host: &Host, fault: &Fault, book: &Path) -> Result<(), String> {
    let plan = Done::from(host.command(&[], "plan", book, None, fault.args).output().unwrap());
    // What a diff shows is as wide as the file's own lines, and a command stays on one line, for whoever copies it.
    let wide = Regex::new(r"^     [-+]|^      -[AI] |^  \d+\. run |^    \S*runbook |^    sudo ").unwrap();
    match plan.stdout.lines().filter(|l| !wide.is_match(l)).find(|l| l.chars().count() > WIDTH) {
        None => Ok(()),
        Some(line) => Err(format!("a line of the plan is wider than {WIDTH} columns: {line}")),
    }
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

/// Every file is what the diff promised, and no other file of sshd's was touched. Private keys are in no diff: those
/// that were to be made anew may differ.
fn kept(host: &Host, fault: &Fault, before: &BTreeMap<String, Vec<u8>>, run: &Run) -> Result<(), String> {
    let mut want = before.clone();
    for round in 0..5 {
        for c in run.changes(round).iter().filter(|c| c["kind"] == "file") {
            let path = c["real"].as_str().unwrap_or_default().to_owned();
            // Of several changes to one file the last one counts.
            let last = run.changes(round).iter().rev().find(|x| x["real"] == c["real"]).cloned().unwrap_or_default();
            if last["after"]["kind"] == "absent" {
                want.remove(&path);
                continue;
            }
            // /run is the host's own: nothing of it is on its disk.
            if last["after"]["kind"] != "file" || path.starts_with("/run/") {
                continue;
            }
            let now = fs::read(host.disk(&path)).map_err(|e| format!("{path}: {e}"))?;
            if last["after"]["sha256"] != sha256(&now).as_str() {
                return Err(format!("{path} is not what the plan said:\n{}", String::from_utf8_lossy(&now)));
            }
            if path.starts_with("/etc/ssh/") {
                want.insert(path, now);
            }
        }
    }
    let mut now = host.files("/etc/ssh");
    let commands = (0..5).flat_map(|round| run.changes(round)).filter(|c| c["kind"] == "command");
    let keys_too = commands.filter_map(|c| c["command"].as_str().map(|t| t.contains("ssh_host_"))).any(|k| k);
    if fault.new_keys || keys_too {
        let is_key = |path: &String| path.contains("ssh_host_");
        want.retain(|path, _| !is_key(path));
        now.retain(|path, _| !is_key(path));
    }
    if now == want {
        Ok(())
    } else {
        let differs = |path: &&String| now.get(*path) != want.get(*path);
        let paths: Vec<&String> = now.keys().chain(want.keys()).filter(differs).collect();
        Err(format!("below /etc/ssh, not as the diff promised: {paths:?}"))
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
    for c in (0..5).flat_map(|round| run.changes(round)) {
        let name = c["handler"].as_str().or(c["step"].as_str()).unwrap_or("?").to_owned();
        if !out.contains(&name) {
            out.push(name);
        }
    }
    out.join("; ")
}

fn fault(name: &str) -> &'static Fault {
    faults::all().find(|f| f.name == name).unwrap()
}

/// Whether this one is run today.
fn on(ci: bool) -> bool {
    if !ci && !full() {
        eprintln!("skipped: set RUNBOOK_FULL=1");
    }
    ci || full()
}

/// The test of one fault.
pub fn repaired(name: &str) {
    let fault = fault(name);
    if !on(fault.ci) {
        return;
    }
    let Some(host) = Host::up_as(fault.kind.word(), name) else { return };
    if let Some(dir) = std::env::var_os("RUNBOOK_RECORD") {
        return record(&host, fault, Path::new(&dir));
    }
    let row = prove(&host, fault, &shipped(fault.book));
    let start = format!("| {} | {} | {}", fault.number, fault.title, fault.kind.word());
    let cells = match &row {
        Ok(r) if fault.exit == 0 => format!("{start} | {} | {} | {} | yes | yes |", r.symptom, r.steps, r.rounds),
        Ok(r) => format!("{start} | {} | {} | | left to a person | yes |", r.symptom, r.steps),
        Err(_) => format!("{start} | | | | **no** | |"),
    };
    eprintln!("{cells}");
    if full() {
        write_table(name, &cells);
    }
    if let Err(why) = row {
        panic!("{}: {why}", fault.title);
    }
}

/// The fault as a fixture of `runbook test`, below that directory: what differs from a healthy host of its kind.
fn record(host: &Host, fault: &Fault, dir: &Path) {
    let base = match fault.kind {
        faults::Kind::Service => "healthy".to_owned(),
        kind => format!("healthy-{}", kind.word()),
    };
    // Of what a runbook shares with others it has fixtures of its own.
    let other = std::env::var("RUNBOOK_RECORD_BOOK").ok();
    let book = other.as_deref().unwrap_or(fault.book);
    fs::create_dir_all(dir).unwrap();
    let lock = File::create(dir.join(".lock")).unwrap();
    lock.lock().unwrap();
    if !dir.join(book).join(&base).is_dir() {
        host.record(dir, &shipped(book), &base, "nothing is wrong", None, fault.args);
    }
    lock.unlock().unwrap();
    break_it(host, fault).unwrap();
    host.record(dir, &shipped(book), &fault.name.replace('_', "-"), fault.title, Some(&base), fault.args);
}

/// The test of a host that has no fault: there is nothing to do, and nothing is touched.
pub fn healthy(name: &str, made: &Healthy) {
    if !on(made.ci) {
        return;
    }
    let Some(host) = Host::up_as(made.kind.word(), name) else { return };
    host.sh(&format!("{PRELUDE}{}", made.made));
    let before = host.snapshot();
    let plan = host.run("plan", &shipped(made.book), None, made.args);
    let after = host.snapshot();
    assert_eq!((plan.exit, plan.all_changes()), (0, 0), "{}", plan.seen());
    let finding = &plan.json["rounds"][0]["finding"];
    assert!(finding.is_null(), "{finding}");
    // A probe of the port wakes sshd where a socket unit listens: that is what it is for.
    if !made.kind.word().contains("socket") && made.kind != faults::Kind::Generator {
        assert_eq!(before, after, "{}", difference(&before, &after));
    }
    host.lets_in(made.client).unwrap();
}

/// Each test runs in a process of its own: each adds its row, and the table is made of all that are there.
fn write_table(name: &str, cells: &str) {
    let rows = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab-faults");
    fs::create_dir_all(&rows).unwrap();
    let lock = File::create(rows.join(".lock")).unwrap();
    lock.lock().unwrap();
    fs::write(rows.join(name), cells).unwrap();
    // Of some of them there is no table.
    if faults::all().any(|f| !rows.join(f.name).exists()) {
        return;
    }
    let day = jiff::Timestamp::now().strftime("%Y-%m-%d");
    let mut text = format!(
        "# What the lab breaks and the runbooks repair\n\nMeasured on {day} by `tests/run --full`; do not edit.\n\n\
         | cause | fault | host | symptom at the client | what changed | rounds | repaired | second apply clean |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n"
    );
    for f in faults::all() {
        if let Ok(row) = fs::read_to_string(rows.join(f.name)) {
            text += &format!("{row}\n");
        }
    }
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    fs::create_dir_all(&docs).unwrap();
    fs::write(docs.join("lab-faults.md"), text).unwrap();
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
    fs::create_dir(host.desk.path("steps")).unwrap();
    for e in fs::read_dir(ssh_refused().with_file_name("steps")).unwrap().flatten() {
        fs::copy(e.path(), host.desk.path("steps").join(e.file_name())).unwrap();
    }
    let Err(why) = prove(&host, fault(name), &book) else {
        panic!("without the repair of step {id} the proof for \"{}\" passes all the same", fault(name).title);
    };
    assert!(why.starts_with("apply did not end with 0"), "it failed for another reason: {why}");
    refused(&host, fault(name)).expect("nothing was repaired");
}

#[test]
fn a_mutant_without_the_start_is_caught() {
    caught("running", "stopped");
}

#[test]
fn a_mutant_without_the_port_is_caught() {
    caught("port", "port_dropin");
}
