//! Whose a chain is. What a program made it makes anew, and what it bans it bans for a reason.

use super::model::{Part, Rule, Table, Test, Values};

/// A program that keeps rules of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    pub name: &'static str,
    /// Its rules keep single clients out, for what they did.
    pub bans: bool,
}

/// Beginnings of the names of chains, tables and sets.
const OWNERS: &[(&str, &str, bool)] = &[
    ("f2b-", "fail2ban", true),
    ("fail2ban-", "fail2ban", true),
    ("addr-set-", "fail2ban", true),
    ("addr6-set-", "fail2ban", true),
    ("sshguard", "sshguard", true),
    ("crowdsec", "crowdsec", true),
    ("CROWDSEC", "crowdsec", true),
    ("denyhosts", "denyhosts", true),
    ("DOCKER", "docker", false),
    ("docker", "docker", false),
    ("KUBE-", "kubernetes", false),
    ("kube-proxy", "kubernetes", false),
    ("cali-", "calico", false),
    ("CILIUM_", "cilium", false),
    ("LIBVIRT_", "libvirt", false),
    ("libvirt", "libvirt", false),
    ("CNI-", "podman", false),
    ("NETAVARK", "podman", false),
    ("netavark", "podman", false),
    ("incus", "incus", false),
    ("lxd", "lxd", false),
    ("ts-", "tailscale", false),
    ("fw4", "OpenWrt's fw4", false),
    ("DENYIN", "csf", false),
    ("LOCALINPUT", "csf", false),
];

fn named(name: &str) -> Option<Owner> {
    OWNERS.iter().find(|(start, ..)| name.starts_with(start)).map(|(_, name, bans)| Owner { name, bans: *bans })
}

/// The owner of a chain, or of a rule there: it may look into a set of somebody else's.
#[must_use]
pub fn owner(table: &Table, chain: &str, rule: Option<&Rule>) -> Option<Owner> {
    let mut sets = rule.into_iter().flat_map(|r| &r.parts).filter_map(|p| match p {
        Part::Test(Test::Within { values: Values::Named(n) | Values::Ipset(n), .. })
        | Part::Map(_, Values::Named(n)) => named(n),
        _ => None,
    });
    named(chain).or_else(|| named(&table.name)).or_else(|| sets.next_back())
}
