//! Our own inventories: `hosts` with their channels, and `groups`.

use super::channels;
use super::data::Data;
use super::range;
use super::text::Text;
use super::{Elevate, Way};
use crate::book::{Diagnostic, Given, Node, SecretFrom, did_you_mean};

/// How to get to a host, as our own inventory says it.
#[derive(Debug, Clone, Default)]
pub(super) struct Ways {
    pub address: Option<String>,
    pub port: Option<u16>,
    pub channels: Vec<Way>,
    pub elevate: Option<Elevate>,
}

pub(super) const LIKE: &str = "hosts: {web1: {address: 203.0.113.5, channels: [exec: docker exec -i web1 sh]}}";

/// Adds what a file says.
///
/// # Errors
/// All of it that is wrong.
pub(super) fn read(text: &Text, root: &Node, data: &mut Data) -> Result<(), Vec<Diagnostic>> {
    if root.entries().is_none() {
        return Err(vec![root.expected("an inventory (a map with hosts)").hint(LIKE)]);
    }
    let mut errors = root.unknown_keys(&["hosts", "groups"]);
    if root.get("hosts").is_none() {
        errors.push(root.missing("hosts").hint(LIKE));
    }
    for h in entries(root, "hosts", &mut errors) {
        host(text, &h, data, &mut errors);
    }
    // All groups are there before one is named as a child.
    let groups = entries(root, "groups", &mut errors);
    let mut ids = Vec::new();
    for g in &groups {
        let Some(name) = g.key() else { continue };
        match data.add_group(name, g.key_place()) {
            Ok(id) => ids.push((id, g)),
            Err(e) => errors.push(*e),
        }
    }
    for (id, g) in ids {
        group(text, id, g, data, &mut errors);
    }
    errors.sort_by_key(|e| e.spot.as_ref().map(|s| s.resolve().1.start));
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// The entries of the map under a key; nothing there is an empty map.
fn entries(node: &Node, key: &str, errors: &mut Vec<Diagnostic>) -> Vec<Node> {
    let Some(n) = node.get(key).filter(|n| !n.is_null()) else { return Vec::new() };
    n.entries().unwrap_or_else(|| {
        errors.push(n.expected("a map").hint(match key {
            "vars" => "one NAME: VALUE a line",
            _ => "one NAME: {…} a line, without a dash",
        }));
        Vec::new()
    })
}

/// The items of the list under a key.
fn items(node: &Node, key: &str, hint: &str, errors: &mut Vec<Diagnostic>) -> Vec<Node> {
    let Some(n) = node.get(key).filter(|n| !n.is_null()) else { return Vec::new() };
    n.items().unwrap_or_else(|| {
        errors.push(n.expected("a list").hint(hint));
        Vec::new()
    })
}

/// Whether an entry is a map, or nothing.
fn is_map(n: &Node, what: &str, hint: &str, errors: &mut Vec<Diagnostic>) -> bool {
    let fine = n.is_null() || n.entries().is_some();
    if !fine {
        errors.push(n.expected(what).hint(hint));
    }
    fine
}

fn vars(text: &Text, node: &Node, errors: &mut Vec<Diagnostic>) -> Vec<Given> {
    let given = |e: &Node| Some(text.given(e.key()?, e.key_place().bytes(), e.value().clone(), e.place().bytes()));
    entries(node, "vars", errors).iter().filter_map(given).collect()
}

/// The names that a text stands for.
fn names(n: &Node, at_key: bool, text: &str, errors: &mut Vec<Diagnostic>) -> Vec<String> {
    if !text.contains('[') {
        return vec![text.to_owned()];
    }
    let place = if at_key { n.key_place() } else { n.place() };
    let error = |why: String| {
        let error = Diagnostic::at(place.clone(), "range", why);
        error.hint("like web[01:10].example.com, db-[a:c] or web[1:9:2]")
    };
    match range::expand(text) {
        Ok((names, None)) => names,
        Ok(_) => {
            errors.push(error(format!("\"{text}\": a name has no port here")).hint("write port: under the host"));
            Vec::new()
        }
        Err(why) => {
            errors.push(error(why));
            Vec::new()
        }
    }
}

fn group(text: &Text, id: usize, g: &Node, data: &mut Data, errors: &mut Vec<Diagnostic>) {
    if !is_map(g, "a map", "like: web: {hosts: [web1], vars: {port: 22}}", errors) {
        return;
    }
    errors.extend(g.unknown_keys(&["hosts", "vars", "children"]));
    for given in vars(text, g, errors) {
        errors.extend(data.set_group(id, given).err().map(|e| *e));
    }
    for m in items(g, "hosts", "the names of hosts: hosts: [web1, web2]", errors) {
        let pattern = m.spelled().unwrap_or_default();
        for name in names(&m, false, pattern, errors) {
            match data.host(&name) {
                Some(host) => data.join(id, host),
                None => {
                    let near = did_you_mean(&name, data.hosts.iter().map(|h| h.name.as_str()));
                    let hint = near.map_or_else(
                        || format!("add it under hosts: {name}: {{address: …, channels: […]}}"),
                        |n| format!("did you mean \"{n}\"?"),
                    );
                    errors.push(Diagnostic::at(m.place(), "unknown-host", format!("no host \"{name}\"")).hint(hint));
                }
            }
        }
    }
    for c in items(g, "children", "the names of groups: children: [web, db]", errors) {
        let name = c.spelled().unwrap_or_default();
        match data.group(name) {
            Some(child) => errors.extend(data.add_child(id, child, c.place()).err().map(|e| *e)),
            None => {
                let near = did_you_mean(name, data.groups.iter().map(|g| g.name.as_str()));
                let hint = near.map_or_else(
                    || format!("add it under groups: {name}: {{hosts: […]}}"),
                    |n| format!("did you mean \"{n}\"?"),
                );
                errors.push(Diagnostic::at(c.place(), "unknown-group", format!("no group \"{name}\"")).hint(hint));
            }
        }
    }
}

fn host(text: &Text, h: &Node, data: &mut Data, errors: &mut Vec<Diagnostic>) {
    let Some(key) = h.key() else { return };
    if !is_map(h, "a map", "like: web1: {address: 203.0.113.5, channels: [local]}", errors) {
        return;
    }
    errors.extend(h.unknown_keys(&["address", "port", "vars", "channels", "become"]));
    let mut ways = Ways { address: address(h, errors), port: port(h, errors), ..Ways::default() };
    ways.elevate = h.get("become").and_then(|b| elevate(&b, errors));
    let vars = vars(text, h, errors);
    let list = items(h, "channels", "one a line: - exec: docker exec -i web1 sh", errors);
    for (at, name) in names(h, true, key, errors).into_iter().enumerate() {
        let mut ways = ways.clone();
        // What is wrong in the channels is wrong for each of a range, and said once.
        let mut wrong = Vec::new();
        let to = channels::Host { name: &name, address: ways.address.as_deref(), port: ways.port };
        ways.channels = list.iter().filter_map(|c| channels::read(c, &to, &mut wrong)).collect();
        if at == 0 {
            errors.extend(wrong);
        }
        match data.add_host(&name, None, None, h.key_place()) {
            Ok(id) => {
                data.hosts[id].ours = Some(ways);
                if let Some(e) = vars.iter().find_map(|given| data.set_host(id, given.clone()).err()) {
                    return errors.push(*e);
                }
            }
            Err(e) => return errors.push(*e),
        }
    }
}

fn address(h: &Node, errors: &mut Vec<Diagnostic>) -> Option<String> {
    let a = h.get("address")?;
    let text = a.spelled().map(str::to_owned);
    if text.is_none() {
        errors.push(a.expected("an address").hint("a name or an IP address: address: 203.0.113.5"));
    }
    text
}

/// A TCP port.
pub(super) fn port(node: &Node, errors: &mut Vec<Diagnostic>) -> Option<u16> {
    let p = node.get("port").filter(|p| !p.is_null())?;
    let port = p.spelled().and_then(|t| t.parse().ok()).filter(|p| *p > 0);
    if port.is_none() {
        errors.push(p.expected("a port, 1 to 65535").hint("like port: 2222"));
    }
    port
}

/// `become: true`, `false`, or a map.
fn elevate(b: &Node, errors: &mut Vec<Diagnostic>) -> Option<Elevate> {
    const LIKE: &str = "become: true, or become: {method: sudo, password: {env: SUDO_PASSWORD}}";
    match b.as_bool() {
        Some(true) => return Some(Elevate::default()),
        Some(false) => return None,
        None => {}
    }
    if b.entries().is_none() {
        errors.push(b.expected("true, false or a map").hint(LIKE));
        return None;
    }
    errors.extend(b.unknown_keys(&["method", "password"]));
    let method = b.get("method").and_then(|m| match m.as_str() {
        Some(word @ ("sudo" | "doas" | "su")) => Some(word.to_owned()),
        _ => {
            errors.push(m.expected("sudo, doas or su").hint(LIKE));
            None
        }
    });
    let password = b.get("password").and_then(|p| SecretFrom::decode(&p, errors));
    Some(Elevate { method, password })
}
