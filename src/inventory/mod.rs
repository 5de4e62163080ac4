//! Hosts, groups, variables and channels.
//!
//! ```yaml
//! hosts:
//!   web1:
//!     address: 203.0.113.50
//!     vars: {port: 22}
//!     channels:
//!       - exec: docker exec -i web1 sh
//! groups: {web: {hosts: [web1], vars: {}}}
//! ```

use crate::book::{Diagnostic, Given, Node, SecretFrom, did_you_mean};
use crate::channel::{SCHEMES, Url};

/// A host with what its groups give it.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Where it is probed from outside.
    pub address: Option<String>,
    /// Variables: the groups' first, its own last.
    pub vars: Vec<Given>,
    /// In the order of preference.
    pub channels: Vec<Way>,
    /// How to become root there; `None`: the login is used as it is.
    pub elevate: Option<Elevate>,
}

/// A channel with what its login needs.
#[derive(Debug, Clone)]
pub struct Way {
    /// Which.
    pub url: Url,
    /// Who to be there, if the URL does not say.
    pub user: Option<String>,
    /// Where that user's password comes from; it is read only when the channel is used.
    pub password: Option<SecretFrom>,
}

impl From<Url> for Way {
    fn from(url: Url) -> Self {
        Self { url, user: None, password: None }
    }
}

/// `become`, as an inventory says it (the word is Rust's).
#[derive(Debug, Clone, Default)]
pub struct Elevate {
    /// `sudo`, `doas` or `su`; `None`: the first that is there.
    pub method: Option<String>,
    /// Where its password comes from, if it asks for one.
    pub password: Option<SecretFrom>,
}

/// All hosts.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    hosts: Vec<Host>,
}

impl Inventory {
    /// Reads a YAML inventory: all its errors at once.
    pub fn load(path: &str) -> Result<Self, Vec<Diagnostic>> {
        Self::decode(&crate::book::read_document(path)?.root())
    }

    fn decode(root: &Node) -> Result<Self, Vec<Diagnostic>> {
        if root.entries().is_none() {
            return Err(vec![root.expected("an inventory (a map with hosts)").hint(LIKE)]);
        }
        let mut errors = root.unknown_keys(&["hosts", "groups"]);
        if root.get("hosts").is_none() {
            errors.push(root.missing("hosts").hint(LIKE));
        }
        let mut hosts: Vec<Host> =
            entries(root, "hosts", &mut errors).iter().filter_map(|h| host(h, &mut errors)).collect();
        // A group's values come before the host's own, and after those of the groups above it: later givers win.
        let own: Vec<Vec<Given>> = hosts.iter_mut().map(|h| std::mem::take(&mut h.vars)).collect();
        for g in entries(root, "groups", &mut errors) {
            group(&g, &mut hosts, &mut errors);
        }
        for (h, own) in hosts.iter_mut().zip(own) {
            h.vars.extend(own);
        }
        errors.sort_by_key(|e| e.spot.as_ref().map(|s| s.resolve().1.start));
        if errors.is_empty() { Ok(Self { hosts }) } else { Err(errors) }
    }

    /// The host of that name.
    #[must_use]
    pub fn host(&self, name: &str) -> Option<Host> {
        self.hosts.iter().find(|h| h.name == name).cloned()
    }

    /// All names.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.hosts.iter().map(|h| h.name.as_str()).collect()
    }
}

const LIKE: &str = "hosts: {web1: {address: 203.0.113.5, channels: [exec: docker exec -i web1 sh]}}";

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

fn vars(node: &Node, errors: &mut Vec<Diagnostic>) -> Vec<Given> {
    entries(node, "vars", errors).iter().filter_map(Given::entry).collect()
}

fn group(g: &Node, hosts: &mut [Host], errors: &mut Vec<Diagnostic>) {
    if !is_map(g, "a map", "like: web: {hosts: [web1], vars: {port: 22}}", errors) {
        return;
    }
    errors.extend(g.unknown_keys(&["hosts", "vars"]));
    let vars = vars(g, errors);
    for m in items(g, "hosts", "the names of hosts: hosts: [web1, web2]", errors) {
        let name = m.spelled().unwrap_or_default();
        match hosts.iter_mut().find(|h| h.name == name) {
            Some(h) => h.vars.extend(vars.iter().cloned()),
            None => {
                let near = did_you_mean(name, hosts.iter().map(|h| h.name.as_str()));
                let hint = near.map_or_else(
                    || format!("add it under hosts: {name}: {{address: …, channels: […]}}"),
                    |n| format!("did you mean \"{n}\"?"),
                );
                errors.push(Diagnostic::at(m.place(), "unknown-host", format!("no host \"{name}\"")).hint(hint));
            }
        }
    }
}

fn host(h: &Node, errors: &mut Vec<Diagnostic>) -> Option<Host> {
    let name = h.key()?.to_owned();
    if !is_map(h, "a map", "like: web1: {address: 203.0.113.5, channels: [local]}", errors) {
        return None;
    }
    errors.extend(h.unknown_keys(&["address", "vars", "channels"]));
    let address = h.get("address").and_then(|a| {
        let text = a.spelled().map(str::to_owned);
        if text.is_none() {
            errors.push(a.expected("an address").hint("a name or an IP address: address: 203.0.113.5"));
        }
        text
    });
    let list = items(h, "channels", "one a line: - exec: docker exec -i web1 sh", errors);
    let channels = list.iter().filter_map(|c| channel(c, errors)).map(Way::from).collect();
    Some(Host { name, address, vars: vars(h, errors), channels, elevate: None })
}

/// `- exec: COMMAND`, `- root: /mnt`, `- local`, or the URL that `--via` takes.
fn channel(c: &Node, errors: &mut Vec<Diagnostic>) -> Option<Url> {
    let entries = c.entries();
    let (text, scheme, at) = match (c.as_str(), entries.as_deref()) {
        (Some(s), _) => (s.to_owned(), s.split(':').next().unwrap_or_default(), c.place()),
        (None, Some([e])) => {
            let scheme = e.key().unwrap_or_default();
            (format!("{scheme}:{}", e.spelled().unwrap_or_default()), scheme, e.key_place())
        }
        _ => {
            errors.push(c.expected("a channel").hint("like: - exec: docker exec -i web1 sh"));
            return None;
        }
    };
    if !SCHEMES.iter().any(|s| s.name == scheme) {
        let names = SCHEMES.iter().map(|s| s.name);
        let hint = did_you_mean(scheme, names.clone()).map_or_else(
            || format!("channels: {}", names.collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean \"{near}\"?"),
        );
        errors.push(Diagnostic::at(at, "channel", format!("no channel \"{scheme}\"")).hint(hint));
        return None;
    }
    Url::parse(&text)
        .map_err(|e| errors.push(Diagnostic::at(at, "channel", e.why).hint(e.hint.unwrap_or_else(|| LIKE.into()))))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::Document;

    fn parse(text: &str) -> Result<Inventory, Vec<Diagnostic>> {
        Inventory::decode(&Document::parse("i.yaml", text.as_bytes())?.root())
    }

    #[test]
    fn a_host_has_what_its_groups_give() {
        let text = "hosts:\n  web1:\n    address: 10.0.0.1\n    vars: {port: 22}\n    channels:\n      - exec: docker exec -i web1 sh\n      - local\n\
                    groups:\n  web:\n    hosts: [web1]\n    vars: {port: 2222, client: 10.0.0.9}\n";
        let h = parse(text).unwrap().host("web1").unwrap();
        assert_eq!(h.channels.len(), 2);
        // Later givers win: the host's own value comes last.
        let ports: Vec<_> = h.vars.iter().filter(|g| g.name == "port").map(|g| g.value.clone()).collect();
        assert_eq!(ports, [2222, 22]);
    }

    #[test]
    fn errors_have_places() {
        let e =
            parse("hosts:\n  a: {chanels: []}\n  b: {channels: [{exce: x}]}\ngroups: {g: {hosts: [c]}}\n").unwrap_err();
        assert_eq!(e.len(), 3, "{e:?}");
    }
}
