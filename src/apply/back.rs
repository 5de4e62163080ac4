//! What takes a past run back, as a runbook: made from its record, planned and applied like any other.
//!
//! First it is seen that this is the host, and that nobody has changed a file since: else nothing is done at all. Then the
//! run's changes are taken back, the last one first; what was restarted after its edits is restarted after theirs.

use serde_json::{Map, Value, json};

use crate::book::{Call, Runbook, Text, load_text};
use crate::module::Handle;
use crate::module::put_back::PutBack;
use crate::report::HIDDEN;

/// Where a target keeps its part of a record, unless that says otherwise.
const STATE: &str = "/var/lib/runbook";

/// Whose word a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// This machine's own.
    Ours,
    /// The target's: nothing that it says runs here, and what it says was done on a controller was done on another one.
    Theirs,
}

/// A step or a handler: its name, and the parameters of what does it.
struct Item {
    name: String,
    what: Map<String, Value>,
    notify: Vec<String>,
    here: bool,
    /// The number of the first change that it takes back, counted over the run.
    at: usize,
}

impl Item {
    fn new(name: String, what: Map<String, Value>) -> Self {
        Self { name, what, notify: Vec::new(), here: false, at: usize::MAX }
    }
}

/// The runbook that takes the run `id` back, from its records as [`super::past::whole`] or [`super::past::of_target`] give
/// them.
///
/// # Errors
/// It changed nothing, or is no run of this program's.
pub fn book(id: &str, records: &[Value], whose: Record) -> Result<Runbook, String> {
    let run = records.iter().find(|r| r["record"] == "run").ok_or("its record has no beginning")?;
    let kept = records.iter().rev().find(|r| r["record"] == "kept").and_then(|r| r["directory"].as_str());
    // A mounted disk has it below its own root.
    let state = kept.filter(|s| !s.ends_with(STATE)).unwrap_or(STATE);
    let near = super::journal::home().map_or_else(|_| STATE.to_owned(), |h| h.display().to_string());
    let places = Places { id, state, near: &near, whose };
    let (items, again) = items(records, &places);
    if items.is_empty() {
        return Err("it changed nothing".into());
    }
    let host = json!({"kind": "host", "host": run["host"], "machine_id": run["machine_id"]});
    let host = ("this is the host that was changed".to_owned(), host.as_object().cloned().unwrap_or_default());
    let since = items.iter().filter(|i| i.what["kind"] == "file").map(|i| {
        let what = i.what.clone().into_iter().chain([("since".to_owned(), true.into())]).collect();
        (format!("nobody has changed {} since", text(&i.what["path"])), what)
    });
    let first: Vec<(String, Map<String, Value>)> = std::iter::once(host).chain(since).collect();
    let ids: Vec<String> = (0..first.len()).map(|n| format!("first{n}")).collect();
    let step = |name: &str| json!({"name": plain(name), "ensure": {"command": "true"}});
    let mut steps: Vec<Value> = Vec::new();
    for ((name, _), id) in first.iter().zip(&ids) {
        steps.push(json!({"id": id, "name": plain(name), "check": {"command": "true"}}));
    }
    for i in &items {
        let mut s = step(&i.name);
        s["needs"] = json!(ids);
        s["notify"] = json!(i.notify);
        if i.here {
            s["where"] = "controller".into();
        }
        steps.push(s);
    }
    let handlers: Vec<Value> = again.iter().map(|h| json!({"id": h.name, "command": "true"})).collect();
    let title = format!("what run {id} ({}) changed is taken back", text(&run["runbook"]));
    let yaml = json!({"name": "undo", "title": title, "handlers": handlers, "steps": steps}).to_string();
    let mut book = load_text("undo", &yaml).map_err(|d| d.iter().map(ToString::to_string).collect::<String>())?;
    let whats = first.into_iter().map(|(_, what)| what).chain(items.into_iter().map(|i| i.what));
    // What it leaves undone is its own to finish, and no other undo's.
    book.name = format!("undo-{id}");
    book.undoes = Some(id.to_owned());
    for (step, what) in book.steps.iter_mut().zip(whats) {
        let text = "{{ check.note | default('') }}".to_owned();
        step.note = Some(Text { text, place: step.name.place.clone() });
        step.check.iter_mut().for_each(|call| made(call, &what));
    }
    for (handler, h) in book.handlers.iter_mut().zip(again) {
        made(&mut handler.call, &h.what);
    }
    Ok(book)
}

/// The call becomes one of [`PutBack`]. The record's words are taken as they are: nothing in them is a template.
fn made(call: &mut Call, what: &Map<String, Value>) {
    call.module = Handle::Builtin(&PutBack);
    "put_back".clone_into(&mut call.name);
    (call.params, call.literal) = (Map::new(), what.clone());
}

/// Where what was kept lies.
struct Places<'a> {
    id: &'a str,
    /// Of runs, on the target.
    state: &'a str,
    /// Of runs, on this machine.
    near: &'a str,
    whose: Record,
}

/// What is taken back, the last change first, and what is done again after that.
fn items(records: &[Value], places: &Places<'_>) -> (Vec<Item>, Vec<Item>) {
    let of = |kind: &str, number: &Value| records.iter().any(|r| r["record"] == kind && r["number"] == *number);
    let mut back: Vec<Item> = Vec::new();
    let mut again: Vec<Item> = Vec::new();
    let mut units = Units::default();
    let never = |n: &Value| records.iter().any(|r| r["record"] == "failed" && r["number"] == *n && r["begun"] == false);
    let done = records.iter().filter(|r| r["record"] == "change" && !never(&r["number"]));
    for (at, r) in done.enumerate() {
        back.iter_mut().filter(|i| i.at == usize::MAX).for_each(|i| i.at = at.saturating_sub(1));
        units.at = at;
        let number = &r["number"];
        let Some(mut what) = r["change"].as_object().cloned() else { continue };
        let here = what.get("where").is_some_and(|w| w == "controller");
        let state = if here { places.near } else { places.state };
        what.insert("state".into(), state.into());
        what.insert("kept".into(), format!("{state}/runs/{}/{number}", places.id).into());
        let handler = (r["handler"] == true).then(|| text(&r["step"]).to_owned());
        match (text(&what["kind"]).to_owned().as_str(), handler) {
            ("file", _) => {
                let notify = strings(&r["notify"]);
                let key = text(&what["real"]).to_owned();
                let [before, after] = ["before", "after"].map(|side| what.get(side).cloned().unwrap_or_default());
                let states = [before.clone(), filled(after, &before)];
                let same = |i: &Item| i.what["kind"] == "file" && i.what["real"] == key.as_str();
                if let Some(at) = back.iter().position(same) {
                    // Of several edits of one file, what was there before the first is put back. Whatever became of each:
                    // what is there tells.
                    let mut first = back.remove(at);
                    if let Some(Value::Array(all)) = first.what.get_mut("states") {
                        all.extend(states);
                    }
                    for side in ["after", "new"] {
                        let last = what.get(side).cloned().unwrap_or_default();
                        first.what.insert(side.into(), last);
                    }
                    first.notify.extend(notify);
                    back.push(first);
                    continue;
                }
                what.insert("states".into(), states.to_vec().into());
                let name = format!("{} is as it was before", text(&what["path"]));
                back.push(Item { notify, ..Item::new(name, what) });
            }
            ("unit", handler) => unit(what, handler, &mut back, &mut again, &mut units),
            ("command", handler) => {
                let shown = text(&what["command"]).lines().next().unwrap_or_default().to_owned();
                let runs = if handler.is_some() && what["undo"].is_null() { "sh" } else { "undo" };
                let unsure = match (of("done", number), of("failed", number)) {
                    (true, _) => "",
                    (false, true) => "it failed, and may have done a part",
                    (false, false) => "it is not known whether it was done",
                };
                let why = match () {
                    () if here && places.whose == Record::Theirs => "it was done on another machine than the host",
                    () if text(what.get(runs).unwrap_or(&Value::Null)).contains(HIDDEN) => {
                        "it holds a secret, which is not on record"
                    }
                    () => unsure,
                };
                what.insert("by_hand".into(), why.into());
                match handler {
                    Some(id) if runs == "sh" => {
                        what.insert("again".into(), true.into());
                        once(&mut again, Item::new(id, what));
                    }
                    _ => {
                        let here = here && places.whose == Record::Ours;
                        back.push(Item { here, ..Item::new(format!("taken back: {shown}"), what) });
                    }
                }
            }
            _ => {}
        }
    }
    let made: Vec<Value> = back.iter().filter(|i| i.what["kind"] == "file").map(|i| i.what["real"].clone()).collect();
    for i in back.iter_mut().filter(|i| i.what["kind"] == "file") {
        i.what.insert("made".into(), made.clone().into());
    }
    // What was started by a step, after something else was changed, runs with that: it starts once more without it.
    for (unit, Restart { after, what }) in units.restarts {
        let name: String = unit.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let id = format!("{}-{name}", text(&what["verb"]));
        let changes = |i: &&mut Item| i.at < after && matches!(text(&i.what["kind"]), "file" | "command");
        let before = back.iter_mut().filter(changes);
        let mut any = false;
        for i in before {
            i.notify.push(id.clone());
            any = true;
        }
        if any {
            once(&mut again, Item::new(id, what));
        }
    }
    // By what they were before the run, not before the handler.
    for i in again.iter_mut().filter(|i| i.what["kind"] == "again") {
        let of = strings(&i.what["units"]);
        i.what.insert("ran".into(), of.iter().any(|u| units.ran.get(u) == Some(&true)).into());
    }
    back.reverse();
    // A unit starts when all that it reads is as it was before.
    back.sort_by_key(|i| i.what.get("runs").is_some_and(|r| *r == true));
    // systemd reads its unit files before anything is started from them.
    again.sort_by_key(|i| i.name != RELOAD);
    let known: Vec<String> = again.iter().map(|i| i.name.clone()).collect();
    for i in &mut back {
        let reload = (i.what["kind"] == "file").then(|| RELOAD.to_owned());
        i.notify = i.notify.drain(..).chain(reload).filter(|n| known.contains(n)).collect();
        i.notify.sort();
        i.notify.dedup();
    }
    (back, again)
}

const RELOAD: &str = "daemon-reload";

/// The units of a run.
#[derive(Default)]
struct Units {
    /// Whether each ran before the run: as the first change to it says.
    ran: std::collections::BTreeMap<String, bool>,
    /// The number of the change that is looked at.
    at: usize,
    /// Those that a step started anew.
    restarts: std::collections::BTreeMap<String, Restart>,
}

/// The last time that a step started a unit anew, or had it read its files.
struct Restart {
    /// Its number, counted over the run.
    after: usize,
    what: Map<String, Value>,
}

/// What was done to a unit. What it was like before is said by the first change that made it run or stop; a restart is
/// done again, by all that belongs to one.
fn unit(
    mut what: Map<String, Value>,
    handler: Option<String>,
    back: &mut Vec<Item>,
    again: &mut Vec<Item>,
    units: &mut Units,
) {
    let (unit, verb) = (text(&what["unit"]).to_owned(), text(&what["verb"]).to_owned());
    let ran = ["active", "activating", "reloading"].iter().any(|a| text(&what["before"]).starts_with(a));
    let ran = *units.ran.entry(unit.clone()).or_insert(ran);
    // A reload that ends in a restart is one.
    let mildest = |known: Option<&Restart>| match known.map(|r| text(&r.what["verb"])) {
        Some("restart") => "restart",
        _ if verb == "reload" => "reload",
        _ => "restart",
    };
    if handler.is_none() && ran && matches!(verb.as_str(), "start" | "restart" | "reload") {
        let mut what = what.clone();
        what.insert("kind".into(), "again".into());
        what.insert("units".into(), json!([unit]));
        what.insert("verb".into(), mildest(units.restarts.get(&unit)).into());
        units.restarts.insert(unit.clone(), Restart { after: units.at, what });
    }
    // What it was like before decides, whoever has made it run or stop.
    let known = back.iter().any(|i| i.what.contains_key("runs") && i.what["unit"] == unit.as_str());
    if !known && matches!(verb.as_str(), "start" | "stop" | "restart") {
        let mut what = what.clone();
        what.insert("runs".into(), ran.into());
        let how = if ran { "runs" } else { "is stopped" };
        back.push(Item::new(format!("{unit} {how}, as it was before"), what));
    }
    match (verb.as_str(), handler) {
        (RELOAD, _) => once(again, Item::new(RELOAD.to_owned(), what)),
        ("start" | "stop" | "restart" | "reload" | "reset-failed", Some(id)) => {
            match again.iter_mut().find(|i| i.name == id) {
                Some(known) => {
                    if let Some(Value::Array(all)) = known.what.get_mut("units") {
                        all.push(unit.into());
                    }
                    let both = known.what["ran"] == true || ran;
                    known.what.insert("ran".into(), both.into());
                    if verb != "reload" {
                        known.what.insert("verb".into(), "restart".into());
                    }
                }
                None => {
                    what.insert("kind".into(), "again".into());
                    what.insert("units".into(), json!([unit]));
                    what.insert("ran".into(), ran.into());
                    what.insert("verb".into(), if verb == "reload" { "reload" } else { "restart" }.into());
                    again.push(Item::new(id, what));
                }
            }
        }
        ("start" | "stop" | "restart" | "reload" | "reset-failed", None) => {}
        _ if what.get("undo").is_some_and(Value::is_string) => {
            back.push(Item::new(format!("{verb} of {unit} is taken back"), what));
        }
        _ => {}
    }
}

fn once(all: &mut Vec<Item>, item: Item) {
    if !all.iter().any(|i| i.name == item.name) {
        all.push(item);
    }
}

/// What a side leaves open is as it was before it.
fn filled(mut after: Value, before: &Value) -> Value {
    for key in ["mode", "owner"] {
        if after[key].is_null() && after["kind"] == before["kind"] {
            after[key] = before[key].clone();
        }
    }
    after
}

fn strings(v: &Value) -> Vec<String> {
    v.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn text(v: &Value) -> &str {
    v.as_str().unwrap_or_default()
}

/// A text for a place where templates are: none is in it.
fn plain(text: &str) -> String {
    text.replace('{', "{{ '{' }}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(number: u32, change: Value, notify: &[&str], handler: bool) -> [Value; 2] {
        let step = if handler { "restart-sshd" } else { "s" };
        [
            json!({"record": "change", "number": number, "step": step, "handler": handler, "notify": notify, "change": change}),
            json!({"record": "done", "number": number}),
        ]
    }

    fn edit(path: &str, before: &str, after: &str) -> Value {
        json!({"kind": "file", "path": path, "real": path,
            "before": {"kind": "file", "sha256": before, "mode": "0644", "owner": "0:0"},
            "after": {"kind": "file", "sha256": after, "mode": null, "owner": null}})
    }

    fn unit(verb: &str, undo: Option<&str>) -> Value {
        json!({"kind": "unit", "unit": "ssh.service", "verb": verb, "undo": undo, "before": "active, disabled"})
    }

    #[test]
    fn the_last_change_comes_first_and_a_restart_last() {
        let mut records = vec![json!({"record": "run", "runbook": "b{{ 7*7 }}", "host": "h"})];
        records.extend(change(1000, edit("/etc/a", "1", "2"), &["restart-sshd"], false));
        records.extend(change(1001, edit("/etc/{{ 7*7 }}", "1", "2"), &[], false));
        records.extend(change(1002, unit("enable", Some("disable")), &[], false));
        records.extend(change(1003, unit("restart", None), &[], true));
        records.extend(change(2000, edit("/etc/a", "2", "3"), &["restart-sshd"], false));
        records.extend(change(2001, unit("restart", None), &[], true));
        let b = book("7", &records, Record::Ours).unwrap();
        let names: Vec<&str> = b.steps.iter().map(|s| s.name.text.as_str()).collect();
        assert_eq!(
            names,
            [
                "this is the host that was changed",
                "nobody has changed /etc/a since",
                "nobody has changed /etc/{{ '{' }}{{ '{' }} 7*7 }} since",
                "/etc/a is as it was before",
                "enable of ssh.service is taken back",
                "/etc/{{ '{' }}{{ '{' }} 7*7 }} is as it was before",
                "ssh.service runs, as it was before",
            ]
        );
        let a = b.steps[3].check.as_ref().unwrap();
        assert_eq!((&a.literal["before"]["sha256"], &a.literal["after"]["sha256"]), (&json!("1"), &json!("3")));
        let states: Vec<&str> =
            a.literal["states"].as_array().unwrap().iter().map(|s| s["sha256"].as_str().unwrap()).collect();
        assert_eq!(states, ["1", "2", "2", "3"], "any of them is the run's own");
        assert_eq!(a.literal["kept"], "/var/lib/runbook/runs/7/1000");
        assert_eq!(b.steps[3].notify, ["restart-sshd"]);
        assert_eq!(b.handlers.len(), 1);
        let again = &b.handlers[0].call.literal;
        assert_eq!((&again["kind"], &again["verb"], &again["ran"]), (&json!("again"), &json!("restart"), &json!(true)));
        assert_eq!(b.name, "undo-7");
    }

    /// A target's word starts nothing on this machine.
    #[test]
    fn what_the_target_says_of_a_controller_is_for_a_person() {
        let command =
            |wh: &str| json!({"kind": "command", "command": "echo", "undo": "reboot", "where": wh, "sh": "echo"});
        let mut records = vec![json!({"record": "run", "runbook": "b"})];
        records.extend(change(1000, command("controller"), &[], false));
        for (whose, here, by_hand) in
            [(Record::Ours, true, ""), (Record::Theirs, false, "it was done on another machine than the host")]
        {
            let b = book("7", &records, whose).unwrap();
            let step = b.steps.last().unwrap();
            assert_eq!(step.vantage == crate::book::Where::Controller, here);
            assert_eq!(step.check.as_ref().unwrap().literal["by_hand"], by_hand);
        }
    }

    #[test]
    fn what_ran_before_runs_again_and_by_hand_is_what_nobody_knows() {
        let mut records = vec![json!({"record": "run", "runbook": "b"})];
        records.extend(change(1000, unit("stop", Some("start")), &[], false));
        records.extend(change(1001, unit("start", Some("stop")), &[], false));
        records.push(
            change(1002, json!({"kind": "command", "command": "x", "undo": "y", "sh": "x"}), &[], false)[0].clone(),
        );
        let b = book("7", &records, Record::Ours).unwrap();
        let names: Vec<&str> = b.steps.iter().map(|s| s.name.text.as_str()).skip(1).collect();
        assert_eq!(names, ["taken back: x", "ssh.service runs, as it was before"]);
        let by_hand = |n: usize| b.steps[n].check.as_ref().unwrap().literal["by_hand"].clone();
        assert_eq!(by_hand(1), "it is not known whether it was done");
    }

    fn app(verb: &str, before: &str) -> Value {
        json!({"kind": "unit", "unit": "app.service", "verb": verb, "undo": null, "before": before})
    }

    /// What of an undo starts or stops a unit: its steps for units, and what is done again with whether it ran.
    fn of_units(changes: &[(Value, &[&str], bool)]) -> (Vec<String>, Vec<String>) {
        let mut records = vec![json!({"record": "run", "runbook": "b"})];
        for (n, (what, notify, handler)) in changes.iter().enumerate() {
            records.extend(change(1000 + u32::try_from(n).unwrap(), what.clone(), notify, *handler));
        }
        let b = book("7", &records, Record::Ours).unwrap();
        let of_unit = |s: &&crate::book::Step| s.check.as_ref().is_some_and(|c| c.literal.contains_key("runs"));
        let again = |h: &crate::book::Handler| {
            let notified = b.steps.iter().any(|s| s.notify.contains(&h.id));
            format!("{} ran={} notified={notified}", h.id, h.call.literal["ran"])
        };
        (b.steps.iter().filter(of_unit).map(|s| s.name.text.clone()).collect(), b.handlers.iter().map(again).collect())
    }

    /// t15 of tests/it/fixtures/authoring: it ran when its handler came, and not before the run.
    #[test]
    fn what_did_not_run_before_the_run_ends_stopped() {
        let file = edit("/etc/app.conf", "1", "2");
        let (steps, again) = of_units(&[
            (app("start", "inactive, disabled"), &[], false),
            (file.clone(), &["restart-sshd"], false),
            (app("restart", "active, disabled"), &[], true),
        ]);
        assert_eq!(steps, ["app.service is stopped, as it was before"]);
        assert_eq!(again, ["restart-sshd ran=false notified=true"]);
        // A handler alone has started it.
        let (steps, _) =
            of_units(&[(file, &["restart-sshd"], false), (app("restart", "inactive, disabled"), &[], true)]);
        assert_eq!(steps, ["app.service is stopped, as it was before"]);
    }

    /// t11: what a step's own restart made a service read is read once more without it.
    #[test]
    fn what_a_step_restarted_is_restarted_after_its_files() {
        let file = edit("/etc/app.conf", "1", "2");
        let (steps, again) = of_units(&[(file.clone(), &[], false), (app("restart", "active, disabled"), &[], false)]);
        assert_eq!(steps, ["app.service runs, as it was before"]);
        assert_eq!(again, ["restart-app-service ran=true notified=true"]);
        let (_, again) = of_units(&[(file.clone(), &[], false), (app("reload", "active"), &[], false)]);
        assert_eq!(again, ["reload-app-service ran=true notified=true"]);
        // An edit that came after it was read by nobody; and one that came before may have another after it.
        let (_, again) = of_units(&[(app("restart", "active"), &[], false), (file.clone(), &[], false)]);
        assert!(again.is_empty(), "{again:?}");
        let (_, again) = of_units(&[
            (file.clone(), &[], false),
            (app("restart", "active"), &[], false),
            (edit("/etc/app.conf", "2", "3"), &[], false),
        ]);
        assert_eq!(again, ["restart-app-service ran=true notified=true"]);
        // Stopped for the edit, and started again.
        let (steps, again) =
            of_units(&[(app("stop", "active"), &[], false), (file, &[], false), (app("start", "active"), &[], false)]);
        assert_eq!((steps.len(), again.len()), (1, 1), "{steps:?} {again:?}");
    }

    #[test]
    fn what_changed_nothing_has_nothing_to_take_back() {
        let run = json!({"record": "run", "runbook": "b"});
        // The lock was somebody else's by then.
        let change = json!({"record": "change", "number": 1000, "step": "s", "change": {"kind": "command", "command": "c", "undo": "u"}});
        let never = json!({"record": "failed", "number": 1000, "status": 91, "begun": false});
        assert_eq!(book("7", &[run.clone(), change.clone(), never], Record::Ours).unwrap_err(), "it changed nothing");
        let half = json!({"record": "failed", "number": 1000, "status": 91, "begun": true});
        assert!(book("7", &[run.clone(), change, half], Record::Ours).is_ok());
        assert_eq!(book("7", &[run], Record::Ours).unwrap_err(), "it changed nothing");
        assert!(book("7", &[], Record::Ours).is_err());
    }
}
