//! Ansible's inventories, against what `ansible-inventory --list` of ansible-core makes of them.
//!
//! What it said is recorded beside each fixture by `fixtures/inventory/record`. With `RUNBOOK_FULL` set and
//! ansible-inventory on PATH (or named by `ANSIBLE_INVENTORY`) it is asked again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use runbook::inventory::{Inventory, Selected};
use serde_json::{Map, Value, json};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/inventory")
}

/// The folders with an inventory each, by name.
fn all() -> Vec<String> {
    let entries = std::fs::read_dir(fixtures()).unwrap().map(|e| e.unwrap());
    let folders = entries.filter(|e| e.path().is_dir()).map(|e| e.file_name().into_string().unwrap());
    let mut out: Vec<String> = folders.collect();
    out.sort();
    out
}

/// The values of `-i`, as `record` gives them, relative to the fixture.
fn sources(fixture: &str) -> Vec<String> {
    let dir = fixtures().join(fixture);
    if let Ok(args) = std::fs::read_to_string(dir.join("args")) {
        return args.split_whitespace().filter(|w| *w != "-i").map(str::to_owned).collect();
    }
    let names = ["hosts", "hosts.ini", "hosts.yml", "hosts.json", "inventory", "inventory.yaml"];
    names.into_iter().filter(|n| dir.join(n).exists()).map(str::to_owned).collect()
}

fn load(fixture: &str) -> Inventory {
    let dir = fixtures().join(fixture);
    let paths =
        sources(fixture).into_iter().map(|s| if s.contains(',') { s } else { dir.join(s).display().to_string() });
    Inventory::load(&paths.collect::<Vec<_>>()).unwrap_or_else(|e| panic!("{fixture}: {e:?}"))
}

/// `ansible-inventory`, if it is to be asked.
fn live() -> Option<PathBuf> {
    std::env::var_os("RUNBOOK_FULL")?;
    if let Some(named) = std::env::var_os("ANSIBLE_INVENTORY") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|d| d.join("ansible-inventory")).find(|p| p.is_file());
    if found.is_none() {
        println!("no ansible-inventory on PATH: compared with what was recorded");
    }
    found
}

fn listed(fixture: &str) -> Value {
    let dir = fixtures().join(fixture);
    let Some(program) = live() else {
        let text = std::fs::read_to_string(dir.join("expected.json")).unwrap();
        return serde_json::from_str(&text).unwrap();
    };
    let config = tempfile::Builder::new().suffix(".cfg").tempfile().unwrap();
    let args = sources(fixture).into_iter().flat_map(|s| ["-i".to_owned(), s]);
    let out = Command::new(program)
        .args(args)
        .arg("--list")
        .current_dir(&dir)
        .env("ANSIBLE_CONFIG", config.path())
        .output()
        .unwrap();
    assert!(out.status.success(), "{fixture}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// `!unsafe` marks text that is no template: to us that is text.
fn without_unsafe(v: &Value) -> Value {
    match v {
        Value::Object(map) if map.len() == 1 && map.contains_key("__ansible_unsafe") => map["__ansible_unsafe"].clone(),
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), without_unsafe(v))).collect(),
        Value::Array(list) => list.iter().map(without_unsafe).collect(),
        other => other.clone(),
    }
}

/// What we make of it, in the shape of `ansible-inventory --list`.
fn ours(inventory: &Inventory) -> Value {
    let mut out = Map::new();
    for g in inventory.groups() {
        let mut group = Map::new();
        if g.name != "all" && !g.hosts.is_empty() {
            group.insert("hosts".into(), json!(g.hosts));
        }
        if !g.children.is_empty() {
            group.insert("children".into(), json!(g.children));
        }
        if !group.is_empty() {
            out.insert(g.name.to_owned(), group.into());
        }
    }
    let vars = inventory.names().into_iter().map(|n| (n.to_owned(), inventory.hostvars(n).unwrap()));
    let vars: Map<String, Value> = vars.filter(|(_, v)| !v.is_empty()).map(|(n, v)| (n, v.into())).collect();
    out.insert("_meta".into(), json!({"hostvars": vars, "profile": "inventory_legacy"}));
    out.into()
}

/// Sorted keys, one value a line.
fn shown(v: &Value) -> String {
    fn sorted(v: &Value) -> Value {
        match v {
            Value::Object(map) => {
                let map: BTreeMap<&String, Value> = map.iter().map(|(k, v)| (k, sorted(v))).collect();
                map.into_iter().map(|(k, v)| (k.clone(), v)).collect()
            }
            Value::Array(list) => list.iter().map(sorted).collect(),
            other => other.clone(),
        }
    }
    serde_json::to_string_pretty(&sorted(v)).unwrap()
}

#[test]
fn inventories_are_what_ansible_says_they_are() {
    let fixtures = all();
    assert!(fixtures.len() >= 30, "{fixtures:?}");
    let mut wrong = Vec::new();
    for fixture in &fixtures {
        let (theirs, mine) = (shown(&without_unsafe(&listed(fixture))), shown(&ours(&load(fixture))));
        if theirs != mine {
            let diff = similar::TextDiff::from_lines(&theirs, &mine);
            wrong.push(format!("===== {fixture}: ansible against ours\n{}", diff.unified_diff().context_radius(3)));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), fixtures.len(), wrong.join("\n"));
}

/// Two words of one group's pattern are in this order.
static PATTERNS: LazyLock<Vec<(String, String, String)>> = LazyLock::new(|| {
    let text = std::fs::read_to_string(fixtures().join("patterns.tsv")).unwrap();
    let line = |l: &str| {
        let mut parts = l.split('\t').map(str::to_owned);
        (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap())
    };
    text.lines().map(line).collect()
});

#[test]
fn patterns_select_what_ansible_selects() {
    assert!(PATTERNS.len() >= 40);
    let asked = std::fs::read_to_string(fixtures().join("patterns.txt")).unwrap();
    assert_eq!(asked.lines().count(), PATTERNS.len(), "run fixtures/inventory/record");
    let mut wrong = Vec::new();
    for (fixture, pattern, theirs) in PATTERNS.iter() {
        let mine = match load(fixture).select(std::slice::from_ref(pattern)) {
            Ok(found) => found
                .iter()
                .map(|s| match s {
                    Selected::Host(h) => h.name.clone(),
                    Selected::Unknown { name, .. } => format!("unknown:{name}"),
                })
                .collect::<Vec<_>>()
                .join(" "),
            // Where Ansible finds nothing, this is an error that says so.
            Err(e) => {
                assert!(e.iter().all(|e| e.hint.is_some() && e.spot.is_some()), "{e:?}");
                String::new()
            }
        };
        if &mine != theirs {
            wrong.push(format!("{fixture} {pattern:?}\n  ansible: {theirs}\n  ours:    {mine}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), PATTERNS.len(), wrong.join("\n"));
}

/// A chain of groups, as deep as there may be groups, in whatever order its links are read.
#[test]
fn a_deep_inventory_is_read_in_time() {
    const N: usize = 9_000;
    let dir = tempfile::tempdir().unwrap();
    let ini = |order: &mut dyn Iterator<Item = usize>| {
        let links: String = order.map(|n| format!("[g{n}:children]\ng{}\n", n + 1)).collect();
        format!("{links}[g{N}]\nweb1\n[g0]\nweb[2:20000]\n")
    };
    let ours: String = (0..N).map(|n| format!("  g{n}: {{children: [g{}]}}\n", n + 1)).collect();
    let cases = [
        ("down", ini(&mut (0..N))),
        ("up", ini(&mut (0..N).rev())),
        // 4001 has no factor in common with N.
        ("mixed", ini(&mut (0..N).map(|n| n * 4_001 % N))),
        ("ours.yaml", format!("hosts: {{web1: {{}}}}\ngroups:\n{ours}  g{N}: {{hosts: [web1]}}\n")),
    ];
    for (name, text) in cases {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let begun = std::time::Instant::now();
        let inventory = Inventory::load(&[path.display().to_string()]).unwrap();
        assert_eq!(inventory.select(&["g*:&web1".to_owned()]).unwrap().len(), 1);
        assert!(begun.elapsed().as_secs() < 15, "{name}: {:?}", begun.elapsed());
    }
}

#[test]
fn a_pipe_is_no_file_of_variables() {
    for name in ["host_vars/web1", "group_vars/all.yml", "more.ini"] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(dir.path().join("hosts"), "web1\n").unwrap();
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let out = Command::new("timeout")
            .args(["20", crate::support::bin(), "ping", "-t", "web1", "-i", dir.path().to_str().unwrap()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{name}: {said}");
        assert!(said.contains(&format!("{} is no file", path.display())) && said.contains("hint:"), "{name}: {said}");
    }
}

/// How the inventory would get there counts only where it is used.
#[test]
fn a_variable_that_is_not_used_breaks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let hosts = dir.path().join("hosts.ini");
    let book = dir.path().join("t.yaml");
    std::fs::write(&book, "name: t\ntitle: t\nsteps:\n- {name: a, check: {command: 'true'}}\n").unwrap();
    std::fs::write(
        &hosts,
        "h ansible_user=\"{{ u }}\"\nw ansible_connection=winrm\nb ansible_become=yes ansible_become_password=\"{{ p }}\"\n",
    )
    .unwrap();
    let run = |args: &[&str]| {
        let out = Command::new(crate::support::bin())
            .args(["plan", book.to_str().unwrap(), "-i", hosts.to_str().unwrap()])
            .args(args)
            .output()
            .unwrap();
        let text = [out.stdout, out.stderr].concat();
        (out.status.code().unwrap(), String::from_utf8(text).unwrap())
    };
    for host in ["h", "w"] {
        let (code, said) = run(&["-t", host, "--via", "exec:sh"]);
        assert_eq!(code, 0, "{said}");
        let (code, said) = run(&["-t", host, "--list-hosts"]);
        assert_eq!((code, said.as_str()), (0, format!("{host}\n").as_str()));
        let (code, said) = run(&["-t", host]);
        assert!(code == 2 && said.contains("--via"), "{said}");
    }
    assert_eq!(run(&["-t", "h,w,b", "--list-hosts"]), (0, "h\nw\nb\n".to_owned()));
    // How to become root is used over any channel.
    let (code, said) = run(&["-t", "b", "--via", "exec:sh"]);
    assert!(code == 2 && said.contains("ansible_become_password of \"b\" is a template"), "{said}");
}
