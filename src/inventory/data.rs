//! What all sources add up to: hosts, groups, who is in which, and whose value wins.
//!
//! One model for our inventories and Ansible's, with Ansible's rules (ansible-core 2.19, `inventory/data.py`,
//! `inventory/group.py`, `vars/manager.py`): a group's values come after those of the groups above it; of groups at the
//! same depth the one of higher `ansible_group_priority`, then the later in the alphabet, wins; the host's own win.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::text::here;
use crate::book::{Diagnostic, Given, Spot};

/// Hosts of all sources together: more is a mistake or an attack.
pub(super) const MOST_HOSTS: usize = 100_000;

/// Bytes of all hosts' own values: a range repeats its own for every host.
const MOST_BYTES: usize = 256 << 20;

/// Groups of all sources together.
const MOST_GROUPS: usize = 10_000;

/// Values by name.
pub(super) type Values = BTreeMap<String, Given>;

#[derive(Debug, Clone)]
pub(super) struct Group {
    pub name: String,
    /// Where it was named first; `None`: the two that are always there.
    pub spot: Option<Spot>,
    pub hosts: Vec<usize>,
    members: HashSet<usize>,
    pub children: Vec<usize>,
    parents: Vec<usize>,
    pub vars: Values,
    depth: usize,
    priority: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Member {
    pub name: String,
    pub vars: Values,
    /// Those that name it.
    groups: Vec<usize>,
    /// Our own inventory says how to get there.
    pub ours: Option<super::ours::Ways>,
}

/// The values in the files beside one source: `group_vars/`, `host_vars/`.
#[derive(Debug, Clone, Default)]
pub(super) struct Beside {
    pub groups: HashMap<usize, Values>,
    pub hosts: HashMap<usize, Values>,
}

#[derive(Debug, Clone)]
pub(super) struct Data {
    pub groups: Vec<Group>,
    pub hosts: Vec<Member>,
    group_ids: HashMap<String, usize>,
    host_ids: HashMap<String, usize>,
    /// A group and one right below it, with where that is said.
    links: HashMap<(usize, usize), Option<Spot>>,
    /// Depths are those of these links.
    ordered: bool,
    /// One for each source, in order.
    pub beside: Vec<Beside>,
    /// Of all hosts' own values.
    bytes: usize,
}

pub(super) const ALL: usize = 0;
pub(super) const UNGROUPED: usize = 1;

impl Default for Data {
    fn default() -> Self {
        let mut data = Self {
            groups: Vec::new(),
            hosts: Vec::new(),
            group_ids: HashMap::new(),
            host_ids: HashMap::new(),
            links: HashMap::new(),
            ordered: false,
            beside: Vec::new(),
            bytes: 0,
        };
        data.new_group("all", None);
        data.new_group("ungrouped", None);
        data.link(ALL, UNGROUPED, None);
        data
    }
}

/// About the bytes that a value takes.
fn size(value: &Value) -> usize {
    let below = match value {
        Value::String(s) => s.len(),
        Value::Array(list) => list.iter().map(size).sum(),
        Value::Object(map) => map.iter().map(|(k, v)| k.len() + size(v)).sum(),
        _ => 0,
    };
    std::mem::size_of::<Value>() + below
}

impl Data {
    pub(super) fn group(&self, name: &str) -> Option<usize> {
        self.group_ids.get(name).copied()
    }

    pub(super) fn host(&self, name: &str) -> Option<usize> {
        self.host_ids.get(name).copied()
    }

    fn new_group(&mut self, name: &str, spot: Option<Spot>) -> usize {
        let id = self.groups.len();
        self.group_ids.insert(name.to_owned(), id);
        self.groups.push(Group {
            name: name.to_owned(),
            spot,
            hosts: Vec::new(),
            members: HashSet::new(),
            children: Vec::new(),
            parents: Vec::new(),
            vars: Values::new(),
            depth: 0,
            priority: 1,
        });
        id
    }

    /// The group of that name, made if there is none.
    pub(super) fn add_group(&mut self, name: &str, spot: impl Into<Spot>) -> Result<usize, Box<Diagnostic>> {
        match self.group(name) {
            Some(id) => Ok(id),
            None if self.groups.len() >= MOST_GROUPS => {
                let message = format!("more than {MOST_GROUPS} groups in all");
                Err(Diagnostic::at(spot, "range", message).hint("is this the right file?").into())
            }
            None => Ok(self.new_group(name, Some(spot.into()))),
        }
    }

    /// The host of that name, made if there is none; a port counts only for a new one, as in Ansible.
    pub(super) fn add_host(
        &mut self,
        name: &str,
        group: Option<usize>,
        port: Option<Given>,
        spot: impl Into<Spot>,
    ) -> Result<usize, Box<Diagnostic>> {
        let id = match self.host(name) {
            Some(id) => id,
            None => {
                if self.hosts.len() >= MOST_HOSTS {
                    let message = format!("more than {MOST_HOSTS} hosts in all");
                    let error = Diagnostic::at(spot, "range", message);
                    return Err(error.hint("is a range larger than it was meant?").into());
                }
                let vars = port.into_iter().map(|p| (p.name.clone(), p)).collect();
                self.host_ids.insert(name.to_owned(), self.hosts.len());
                self.hosts.push(Member { name: name.to_owned(), vars, groups: Vec::new(), ours: None });
                self.hosts.len() - 1
            }
        };
        if let Some(g) = group {
            self.join(g, id);
        }
        Ok(id)
    }

    pub(super) fn join(&mut self, group: usize, host: usize) {
        let g = &mut self.groups[group];
        if g.members.insert(host) {
            g.hosts.push(host);
            self.hosts[host].groups.push(group);
        }
    }

    /// Sets a group's value; `ansible_group_priority` is one of the group itself.
    pub(super) fn set_group(&mut self, group: usize, given: Given) -> Result<(), Box<Diagnostic>> {
        if given.name != "ansible_group_priority" {
            self.groups[group].vars.insert(given.name.clone(), given);
            return Ok(());
        }
        let number = match &given.value {
            Value::String(s) => s.trim().parse().ok(),
            Value::Bool(b) => Some(i64::from(*b)),
            other => other.as_i64(),
        };
        let error = || {
            Diagnostic::at(given.spot.clone(), "wrong-type", "\"ansible_group_priority\" must be a whole number")
                .hint("like: ansible_group_priority=10")
        };
        self.groups[group].priority = number.ok_or_else(error)?;
        Ok(())
    }

    /// Sets a host's value. Ansible looks for a group of that name first, and so does this.
    pub(super) fn set_host(&mut self, host: usize, given: Given) -> Result<(), Box<Diagnostic>> {
        match self.group(&self.hosts[host].name) {
            Some(group) => self.set_group(group, given),
            None => {
                self.bytes += given.name.len() + size(&given.value);
                if self.bytes > MOST_BYTES {
                    let message = format!("more than {} MiB of variables in all", MOST_BYTES >> 20);
                    let error = Diagnostic::at(given.named, "range", message);
                    return Err(error.hint("what many hosts share belongs to a group").into());
                }
                self.hosts[host].vars.insert(given.name.clone(), given);
                Ok(())
            }
        }
    }

    /// All groups above one.
    fn above(&self, group: usize) -> Vec<usize> {
        self.walk(&[group], |g| &g.parents).split_off(1)
    }

    /// Each group and what is next to it, level by level, then the other groups; each once.
    fn walk(&self, from: &[usize], next: impl Fn(&Group) -> &Vec<usize>) -> Vec<usize> {
        let (mut seen, mut out, mut at) = (vec![false; self.groups.len()], Vec::new(), 0);
        for first in from {
            let mut level = std::slice::from_ref(first);
            loop {
                out.extend(level.iter().copied().filter(|id| !std::mem::replace(&mut seen[*id], true)));
                let Some(id) = out.get(at).copied() else { break };
                at += 1;
                level = next(&self.groups[id]);
            }
        }
        out
    }

    /// Puts a group below another. Whether that is possible is told by [`Self::cycles`], once all are linked.
    ///
    /// # Errors
    /// `cycle`: it is that one.
    pub(super) fn add_child(
        &mut self,
        group: usize,
        child: usize,
        spot: impl Into<Spot>,
    ) -> Result<(), Box<Diagnostic>> {
        let spot = spot.into();
        if group == child {
            return Err(self.cycle(group, child, spot).into());
        }
        self.link(group, child, Some(spot));
        Ok(())
    }

    fn cycle(&self, group: usize, child: usize, spot: Spot) -> Diagnostic {
        let (up, down) = (&self.groups[group].name, &self.groups[child].name);
        let message = match group == child {
            true => format!("the group \"{up}\" is its own child"),
            false => format!("the group \"{down}\" is above \"{up}\" already: it cannot be below it too"),
        };
        let hint = "groups are a tree from the large to the small: remove one of the two lines";
        let error = Diagnostic::at(spot, "cycle", message).hint(hint);
        match &self.groups[child].spot {
            Some(first) => error.also(first.clone(), format!("\"{down}\" is first named here")),
            None => error,
        }
    }

    fn link(&mut self, group: usize, child: usize, spot: Option<Spot>) {
        if let Entry::Vacant(new) = self.links.entry((group, child)) {
            new.insert(spot);
            self.groups[group].children.push(child);
            self.groups[child].parents.push(group);
            self.ordered = false;
        }
    }

    /// Groups that were put below what they are above; they are taken from there. Where there are none, each group's
    /// depth is known: the longest way down to it.
    pub(super) fn cycles(&mut self) -> Vec<Diagnostic> {
        if std::mem::replace(&mut self.ordered, true) {
            return Vec::new();
        }
        let (order, back) = self.order();
        let mut errors = Vec::new();
        for (group, child) in back {
            let spot = self.links.remove(&(group, child)).flatten();
            errors.push(self.cycle(group, child, spot.unwrap_or_else(here)));
            self.groups[group].children.retain(|c| *c != child);
            self.groups[child].parents.retain(|p| *p != group);
        }
        for id in order {
            let above = self.groups[id].parents.iter().map(|p| self.groups[*p].depth + 1);
            self.groups[id].depth = above.max().unwrap_or(0);
        }
        errors
    }

    /// The groups, each before all that is below it; and the links that lead back up.
    fn order(&self) -> (Vec<usize>, Vec<(usize, usize)>) {
        #[derive(Clone, Copy)]
        enum Seen {
            Not,
            /// What is below it is being looked at.
            Open,
            Done,
        }
        let mut seen = vec![Seen::Not; self.groups.len()];
        let (mut order, mut back) = (Vec::new(), Vec::new());
        for first in 0..self.groups.len() {
            let mut path = match seen[first] {
                Seen::Not => vec![(first, 0)],
                _ => continue,
            };
            while let Some((id, next)) = path.last_mut() {
                let id = *id;
                seen[id] = Seen::Open;
                let Some(child) = self.groups[id].children.get(*next).copied() else {
                    seen[id] = Seen::Done;
                    order.push(id);
                    path.pop();
                    continue;
                };
                *next += 1;
                match seen[child] {
                    Seen::Not => path.push((child, 0)),
                    Seen::Open => back.push((id, child)),
                    Seen::Done => {}
                }
            }
        }
        order.reverse();
        (order, back)
    }

    /// Every group is below `all`; a host of no other group is in `ungrouped`.
    pub(super) fn reconcile(&mut self) -> Vec<Diagnostic> {
        for id in 1..self.groups.len() {
            if self.groups[id].parents.is_empty() {
                let spot = self.groups[id].spot.clone();
                self.link(ALL, id, spot);
            }
        }
        let errors = self.cycles();
        // Others count, and what those two are below, if anything.
        let others = [ALL, UNGROUPED].map(|id| self.above(id).iter().any(|g| *g > UNGROUPED));
        let elsewhere = |m: &Member| m.groups.iter().any(|g| others.get(*g).copied().unwrap_or(true));
        let elsewhere: Vec<bool> = self.hosts.iter().map(elsewhere).collect();
        let ungrouped = &mut self.groups[UNGROUPED];
        ungrouped.hosts.retain(|h| !elsewhere[*h]);
        ungrouped.members.retain(|h| !elsewhere[*h]);
        for (host, elsewhere) in elsewhere.into_iter().enumerate() {
            match elsewhere {
                true => self.hosts[host].groups.retain(|g| *g != UNGROUPED),
                false => self.join(UNGROUPED, host),
            }
        }
        errors
    }

    /// The groups that a host is in, and all above them.
    pub(super) fn groups_of(&self, host: usize) -> Vec<usize> {
        let mut out = self.walk(&self.hosts[host].groups, |g| &g.parents);
        out.sort_unstable();
        out
    }

    /// The hosts of groups and of all below them: a group's own first, then level by level.
    pub(super) fn hosts_below(&self, groups: &[usize]) -> Vec<usize> {
        let mut seen = HashSet::new();
        let all = self.walk(groups, |g| &g.children).into_iter().flat_map(|g| self.groups[g].hosts.iter().copied());
        all.filter(|h| seen.insert(*h)).collect()
    }

    /// What holds for a host in the end.
    pub(super) fn values_of(&self, host: usize) -> Values {
        let mut groups: Vec<usize> = self.groups_of(host).into_iter().filter(|g| *g != ALL).collect();
        groups.sort_by(|a, b| {
            let key = |g: &usize| (self.groups[*g].depth, self.groups[*g].priority, &self.groups[*g].name);
            key(a).cmp(&key(b))
        });
        let mut out = self.groups[ALL].vars.clone();
        let mut add = |values: Option<&Values>| out.extend(values.cloned().unwrap_or_default());
        groups.iter().for_each(|g| add(Some(&self.groups[*g].vars)));
        self.beside.iter().for_each(|b| add(b.groups.get(&ALL)));
        self.beside.iter().for_each(|b| groups.iter().for_each(|g| add(b.groups.get(g))));
        add(Some(&self.hosts[host].vars));
        self.beside.iter().for_each(|b| add(b.hosts.get(&host)));
        out
    }
}
