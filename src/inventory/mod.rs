//! Hosts, groups, variables and channels: our own YAML, and Ansible's INI and YAML.
//!
//! ```yaml
//! hosts:
//!   web1:
//!     address: 203.0.113.50
//!     port: 2222
//!     vars: {port: 22}
//!     become: {method: sudo, password: {env: SUDO_PASSWORD}}
//!     channels:
//!       - ssh: {user: admin}
//!       - console: {command: virsh console web1, login: root, password: {env: WEB1_PASSWORD}}
//!       - exec: docker exec -i web1 sh
//! groups: {web: {hosts: [web1], vars: {}, children: []}}
//! ```

mod ansible;
mod channels;
mod data;
mod ours;
mod pattern;
mod range;
#[cfg(test)]
mod tests;
mod text;

use serde_json::{Map, Value};

use crate::book::{Diagnostic, Given, SecretFrom, did_you_mean};
use crate::channel::Url;
use data::Data;

/// What becomes of each variable of Ansible's connection plugins, for the docs.
pub use ansible::plugins::markdown as connection_variables;

/// A host with what its groups give it.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Where it is probed from outside.
    pub address: Option<String>,
    /// The TCP port of its sshd, if it is not ssh's own choice. (A variable `port` is a runbook's.)
    pub port: Option<u16>,
    /// Variables, each once, with the value that counts; by name.
    pub vars: Vec<Given>,
    /// In the order of preference.
    pub channels: Vec<Way>,
    /// How to become root there; `None`: the login is used as it is.
    pub elevate: Option<Elevate>,
    /// Why its channels cannot be used: of concern only to whoever uses them. They may be incomplete then.
    pub errors: Vec<Diagnostic>,
    /// Why [`Self::elevate`] cannot be used.
    pub elevate_errors: Vec<Diagnostic>,
    /// What its inventory says and is left out, a sentence each.
    pub notes: Vec<String>,
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

/// What a `-t` stands for.
#[derive(Debug, Clone)]
pub enum Selected {
    /// A host of the inventory.
    Host(Box<Host>),
    /// A plain name that no inventory has: perhaps a destination of ssh.
    Unknown {
        /// As the user typed it.
        name: String,
        /// The host or group that was perhaps meant.
        near: Option<String>,
    },
}

/// A group with what it names itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group<'a> {
    /// Its name.
    pub name: &'a str,
    /// The hosts that it names, in order; not those of its children.
    pub hosts: Vec<&'a str>,
    /// The groups right below it, in order.
    pub children: Vec<&'a str>,
}

/// All hosts of all sources.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    data: Data,
    warnings: Vec<Diagnostic>,
}

/// Ansible's own names, which `ansible-inventory --list` leaves out (`INTERNAL_STATIC_VARS`, ansible-core 2.19).
const INTERNAL: &[&str] = &[
    "ansible_async_path",
    "ansible_collection_name",
    "ansible_config_file",
    "ansible_dependent_role_names",
    "ansible_diff_mode",
    "ansible_facts",
    "ansible_forks",
    "ansible_inventory_sources",
    "ansible_limit",
    "ansible_play_batch",
    "ansible_play_hosts",
    "ansible_play_hosts_all",
    "ansible_play_role_names",
    "ansible_playbook_python",
    "ansible_role_name",
    "ansible_role_names",
    "ansible_run_tags",
    "ansible_skip_tags",
    "ansible_verbosity",
    "ansible_version",
    "inventory_dir",
    "inventory_file",
    "inventory_hostname",
    "inventory_hostname_short",
    "groups",
    "group_names",
    "hostvars",
    "playbook_dir",
    "play_hosts",
    "role_name",
    "role_names",
    "role_path",
    "role_uuid",
];

impl Inventory {
    /// Reads sources, the later ones over the earlier: files of ours and of Ansible's, directories of them with the
    /// files of variables beside them, and lists of hosts with commas.
    ///
    /// # Errors
    /// All of them at once, none with a secret in it.
    pub fn load(paths: &[String]) -> Result<Self, Vec<Diagnostic>> {
        let mut reader = ansible::Reader::default();
        for path in paths {
            reader.source(path);
        }
        if reader.errors.is_empty() {
            reader.finish();
        }
        match reader.errors.is_empty() {
            true => Ok(Self { data: reader.data, warnings: text::redact(reader.warnings) }),
            false => Err(text::redact(reader.errors)),
        }
    }

    /// The host of that name.
    #[must_use]
    pub fn host(&self, name: &str) -> Option<Host> {
        self.data.host(name).map(|id| self.at(id))
    }

    /// All names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.data.hosts.iter().map(|h| h.name.as_str()).collect()
    }

    /// What the patterns of `-t` stand for together, each host once: names, groups, globs, `~` regular expressions,
    /// `a,b` or `a:b`, `a:&b`, `a:!b`, `a[0]`, `a[1:3]`, with Ansible's meaning.
    ///
    /// # Errors
    /// `usage`, in the pattern: it matches nothing (and is no plain name), or what is left is nothing.
    pub fn select(&self, patterns: &[String]) -> Result<Vec<Selected>, Vec<Diagnostic>> {
        let all = || self.data.groups.iter().map(|g| g.name.as_str()).chain(self.names());
        let one = |found| match found {
            pattern::Found::Host(id) => Selected::Host(Box::new(self.at(id))),
            pattern::Found::Name(name) => {
                let near = did_you_mean(&name, all()).map(str::to_owned);
                Selected::Unknown { name, near }
            }
        };
        Ok(pattern::select(&self.data, patterns)?.into_iter().map(one).collect())
    }

    /// What is unwise in the sources, or not known because it is encrypted.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// All groups in the order in which they were named, `all` and `ungrouped` first.
    #[must_use]
    pub fn groups(&self) -> Vec<Group<'_>> {
        let d = &self.data;
        let group = |g: &'_ data::Group| Group {
            name: d.group(&g.name).map_or("", |id| d.groups[id].name.as_str()),
            hosts: g.hosts.iter().map(|h| d.hosts[*h].name.as_str()).collect(),
            children: g.children.iter().map(|c| d.groups[*c].name.as_str()).collect(),
        };
        d.groups.iter().map(group).collect()
    }

    /// All variables of a host as `ansible-inventory --list` has them: **passwords too**. For comparison, not for
    /// people; an encrypted value is `{"__ansible_vault": …}`.
    #[must_use]
    pub fn hostvars(&self, name: &str) -> Option<Map<String, Value>> {
        let values = self.data.values_of(self.data.host(name)?);
        let shown = values.into_iter().filter(|(name, _)| !INTERNAL.contains(&name.as_str()));
        Some(shown.map(|(name, given)| (name, given.value)).collect())
    }

    fn at(&self, id: usize) -> Host {
        let member = &self.data.hosts[id];
        let values = self.data.values_of(id);
        match &member.ours {
            Some(w) => Host {
                name: member.name.clone(),
                address: w.address.clone(),
                port: w.port,
                vars: values.into_values().collect(),
                channels: w.channels.clone(),
                elevate: w.elevate.clone(),
                ..Host::default()
            },
            None => ansible::connect::host(&member.name, &values),
        }
    }
}
