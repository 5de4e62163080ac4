//! What takes a past run back, as a runbook: made from its record, planned and applied like any other.
//!
//! First it is seen that this is the host, and that nobody else has changed a file since: else nothing is done at all.
//! Then the run's changes are taken back, the last one first; what was restarted after its edits is restarted after theirs.

use serde_json::{Map, Value, json};

use crate::book::{Call, Runbook, load_text};
use crate::module::Handle;
use crate::module::put_back::PutBack;
use crate::report::HIDDEN;

/// Where a target keeps its part of a record, unless that says otherwise.
const STATE: &str = "/var/lib/runbook";

/// A step or a handler: its name, and the parameters of what does it.
struct Item {
    name: String,
    what: Map<String, Value>,
    notify: Vec<String>,
    here: bool,
}

/// The runbook that takes the run `id` back, from its records as [`super::past::records`] gives them.
///
/// # Errors
/// It changed nothing, or is no run of this program's.
pub fn book(id: &str, records: &[Value]) -> Result<Runbook, String> {
    let run = records.iter().find(|r| r["record"] == "run").ok_or("its record has no beginning")?;
    let state = records.iter().rev().find(|r| r["record"] == "kept").and_then(|r| r["directory"].as_str());
    // A mounted disk has it below its own root.
    let kept = format!("{}/runs/{id}", state.filter(|s| !s.ends_with(STATE)).unwrap_or(STATE));
    let near = super::journal::home().map_or_else(|_| kept.clone(), |h| h.join("runs").join(id).display().to_string());
    let (items, again) = items(records, &kept, &near);
    if items.is_empty() {
        return Err("it changed nothing".into());
    }
    let host = json!({"kind": "host", "host": run["host"], "machine_id": run["machine_id"]});
    let host = ("this is the host that was changed".to_owned(), host.as_object().cloned().unwrap_or_default());
    let since = items.iter().filter(|i| i.what["kind"] == "file").map(|i| {
        let what = i.what.clone().into_iter().chain([("since".to_owned(), true.into())]).collect();
        (format!("nobody else has changed {} since", text(&i.what["path"])), what)
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
    book.undoes = Some(id.to_owned());
    for (step, what) in book.steps.iter_mut().zip(whats) {
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

/// What is taken back, the last change first, and what is done again after that.
fn items(records: &[Value], kept: &str, near: &str) -> (Vec<Item>, Vec<Item>) {
    let of = |kind: &str, number: &Value| records.iter().any(|r| r["record"] == kind && r["number"] == *number);
    let (mut back, mut again): (Vec<Item>, Vec<Item>) = (Vec::new(), Vec::new());
    for r in records.iter().filter(|r| r["record"] == "change") {
        let number = &r["number"];
        let (done, failed) = (of("done", number), of("failed", number));
        let Some(mut what) = r["change"].as_object().cloned() else { continue };
        let kind = text(&what["kind"]).to_owned();
        let list = |v: &Value| -> Vec<String> {
            v.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let here = what.get("where").is_some_and(|w| w == "controller");
        what.insert("kept".into(), format!("{}/{number}", if here { near } else { kept }).into());
        let late = r["handler"] == true && what.get("undo").is_none_or(Value::is_null);
        let verb = what.get("verb").and_then(Value::as_str).unwrap_or_default().to_owned();
        if late || verb == "daemon-reload" {
            what.insert("again".into(), verb.clone().into());
            let name = if verb == "daemon-reload" { verb } else { text(&r["step"]).to_owned() };
            if !again.iter().any(|i| i.name == name) {
                again.push(Item { name, what, notify: Vec::new(), here: false });
            }
            continue;
        }
        match kind.as_str() {
            // Whatever became of it: what is there tells.
            "file" => {
                let notify = list(&r["notify"]);
                let path = what["real"].clone();
                let earlier = back.iter().position(|i| i.what["kind"] == "file" && i.what["real"] == path);
                let name = format!("{} is as it was before", text(&what["path"]));
                let mut item = Item { name, what, notify, here: false };
                if let Some(at) = earlier {
                    // Of several edits of one file, what was there before the first is put back.
                    let first = back.remove(at);
                    for key in ["before", "kept", "old", "path"] {
                        let was = first.what.get(key).cloned().unwrap_or_default();
                        item.what.insert(key.into(), was);
                    }
                    item.notify.extend(first.notify);
                }
                back.push(item);
            }
            "unit" if what.get("undo").is_some_and(Value::is_string) => {
                let name = format!("{} of {} is taken back", verb, text(&what["unit"]));
                back.push(Item { name, what, notify: Vec::new(), here: false });
            }
            "command" if !failed => {
                let shown = text(&what["command"]).lines().next().unwrap_or_default().to_owned();
                if what.values().any(|v| v.as_str().is_some_and(|s| s.contains(HIDDEN))) {
                    what.insert("hidden".into(), true.into());
                }
                what.insert("unsure".into(), (!done).into());
                back.push(Item { name: format!("taken back: {shown}"), what, notify: Vec::new(), here });
            }
            _ => {}
        }
    }
    back.reverse();
    // systemd reads its unit files before anything is started from them.
    again.sort_by_key(|i| i.name != "daemon-reload");
    let known: Vec<String> = again.iter().map(|i| i.name.clone()).collect();
    for i in &mut back {
        let reload = (i.what["kind"] == "file").then(|| "daemon-reload".to_owned());
        i.notify = i.notify.drain(..).chain(reload).filter(|n| known.contains(n)).collect();
        i.notify.sort();
        i.notify.dedup();
    }
    (back, again)
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
        json!({"kind": "unit", "unit": "ssh.service", "verb": verb, "undo": undo})
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
        let b = book("7", &records).unwrap();
        let names: Vec<&str> = b.steps.iter().map(|s| s.name.text.as_str()).collect();
        assert_eq!(
            names,
            [
                "this is the host that was changed",
                "nobody else has changed /etc/a since",
                "nobody else has changed /etc/{{ '{' }}{{ '{' }} 7*7 }} since",
                "/etc/a is as it was before",
                "enable of ssh.service is taken back",
                "/etc/{{ '{' }}{{ '{' }} 7*7 }} is as it was before",
            ]
        );
        let a = b.steps[3].check.as_ref().unwrap();
        assert_eq!((&a.literal["before"]["sha256"], &a.literal["after"]["sha256"]), (&json!("1"), &json!("3")));
        assert_eq!(a.literal["kept"], "/var/lib/runbook/runs/7/1000");
        assert_eq!(b.steps[3].notify, ["restart-sshd"]);
        assert_eq!(b.handlers.len(), 1);
        assert_eq!(b.handlers[0].call.literal["again"], "restart");
    }

    #[test]
    fn what_changed_nothing_has_nothing_to_take_back() {
        let run = json!({"record": "run", "runbook": "b"});
        assert_eq!(book("7", &[run]).unwrap_err(), "it changed nothing");
        assert!(book("7", &[]).is_err());
    }
}
