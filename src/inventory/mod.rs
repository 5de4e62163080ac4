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

use crate::book::{Diagnostic, Document, Given, Node, did_you_mean};
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
    pub channels: Vec<Url>,
}

/// All hosts.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    hosts: Vec<Host>,
}

impl Inventory {
    /// Reads a YAML inventory: all its errors at once.
    pub fn load(path: &str) -> Result<Self, Vec<Diagnostic>> {
        let bytes =
            std::fs::read(path).map_err(|e| vec![Diagnostic::new("unreadable", format!("cannot read {path}: {e}"))])?;
        Self::parse(path, &bytes)
    }

    /// Reads the text of one.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, Vec<Diagnostic>> {
        let doc = Document::parse(name, bytes)?;
        let root = doc.root();
        let mut errors = root.unknown_keys(&["hosts", "groups"]);
        let mut hosts = Vec::new();
        let of = |n: Option<Node>| n.and_then(|n| n.entries()).unwrap_or_default();
        for h in of(root.get("hosts")) {
            hosts.extend(host(&h, &mut errors));
        }
        for g in of(root.get("groups")) {
            errors.extend(g.unknown_keys(&["hosts", "vars"]));
            let vars = vars(&g);
            for m in g.get("hosts").and_then(|n| n.items()).unwrap_or_default() {
                let name = m.as_str().unwrap_or_default();
                match hosts.iter_mut().find(|h: &&mut Host| h.name == name) {
                    Some(h) => h.vars.splice(0..0, vars.clone()).for_each(drop),
                    None => {
                        let d = Diagnostic::at(m.place(), "unknown-host", format!("no host \"{name}\""));
                        let near = did_you_mean(name, hosts.iter().map(|h| h.name.as_str()))
                            .map(|n| format!("did you mean \"{n}\"?"));
                        errors.push(d.hint(near.unwrap_or_else(|| "a group lists names of hosts above".into())));
                    }
                }
            }
        }
        if root.get("hosts").is_none() {
            errors.push(root.missing("hosts"));
        }
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

fn vars(node: &Node) -> Vec<Given> {
    let entries = node.get("vars").and_then(|v| v.entries()).unwrap_or_default();
    entries
        .iter()
        .filter_map(|e| Some(Given { name: e.key()?.to_owned(), value: e.value().clone(), spot: e.place().into() }))
        .collect()
}

fn host(h: &Node, errors: &mut Vec<Diagnostic>) -> Option<Host> {
    let name = h.key()?.to_owned();
    errors.extend(h.unknown_keys(&["address", "vars", "channels"]));
    let address = h.get("address").and_then(|a| a.spelled().map(str::to_owned));
    let mut channels = Vec::new();
    for c in h.get("channels").and_then(|c| c.items()).unwrap_or_default() {
        // `- exec: COMMAND`, `- root: /mnt`, `- local`.
        let text = match (c.as_str(), c.entries().as_deref()) {
            (Some(s), _) => s.to_owned(),
            (None, Some([e])) => format!("{}:{}", e.key().unwrap_or_default(), e.spelled().unwrap_or_default()),
            _ => {
                errors.push(c.expected("a channel").hint("like: - exec: docker exec -i web1 sh"));
                continue;
            }
        };
        match Url::parse(&text) {
            Ok(u) => channels.push(u),
            Err(e) => {
                let known: Vec<_> = SCHEMES.iter().map(|s| s.name).collect();
                errors
                    .push(Diagnostic::at(c.place(), "channel", e.why).hint(e.hint.unwrap_or_else(|| known.join(", "))));
            }
        }
    }
    Some(Host { name, address, vars: vars(h), channels })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_what_its_groups_give() {
        let text = "hosts:\n  web1:\n    address: 10.0.0.1\n    vars: {port: 22}\n    channels:\n      - exec: docker exec -i web1 sh\n      - local\n\
                    groups:\n  web:\n    hosts: [web1]\n    vars: {port: 2222, client: 10.0.0.9}\n";
        let h = Inventory::parse("i.yaml", text.as_bytes()).unwrap().host("web1").unwrap();
        assert_eq!(h.channels.len(), 2);
        // Later givers win: the host's own value comes last.
        let ports: Vec<_> = h.vars.iter().filter(|g| g.name == "port").map(|g| g.value.clone()).collect();
        assert_eq!(ports, [2222, 22]);
    }

    #[test]
    fn errors_have_places() {
        let e = Inventory::parse(
            "i.yaml",
            b"hosts:\n  a: {chanels: []}\n  b: {channels: [{exce: x}]}\ngroups: {g: {hosts: [c]}}\n",
        )
        .unwrap_err();
        assert_eq!(e.len(), 3, "{e:?}");
    }
}
