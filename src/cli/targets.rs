//! `-t`, `-i`, `--via`, `--address`: which targets, and how to get there.

use clap_complete::engine::ArgValueCompleter;
use futures_util::future::join_all;

use crate::book::{Diagnostic, Given};
use crate::channel::{ChannelError, Url, lookup, plain};
use crate::inventory::{Elevate, Host, Inventory, Selected, Way};
use crate::plan::Place;

use super::access::Access;
use super::complete;
use super::{Failure, warn, warning};

#[derive(clap::Args, Debug)]
pub(super) struct TargetArgs {
    /// Hosts, groups and patterns of the inventory (web*:!web3), or where ssh goes; without -t: this machine
    #[arg(short = 't', long = "target", value_name = "TARGET", add = ArgValueCompleter::new(complete::hosts))]
    pub target: Vec<String>,
    /// Hosts and their channels: ours (YAML), or Ansible's (INI, YAML, a directory)
    #[arg(short = 'i', long, value_name = "FILE")]
    pub inventory: Vec<String>,
    /// How to get there: ssh:HOST, exec:COMMAND, console:COMMAND, root:/mnt …; several are tried in this order
    #[arg(long, value_name = "URL")]
    pub via: Vec<String>,
    /// The address that is probed from here
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<String>,
}

/// A target with its channels, in the order of preference.
pub(super) struct Chosen {
    pub ways: Vec<(Place, Way)>,
    /// As the user calls it.
    pub name: String,
    /// Why it cannot be used at all: one of many whose part of the inventory is wrong.
    pub broken: Option<ChannelError>,
    /// `-t` itself is where ssh goes: clients use the port that ssh would.
    by_ssh: bool,
    /// The user said which address is probed.
    addressed: bool,
    /// How to become root there.
    pub elevate: Option<Elevate>,
    /// What the inventory says of its variables.
    pub given: Vec<Given>,
}

impl Chosen {
    /// Asks ssh's own configuration for what nothing else says of its places.
    pub(super) async fn look_up(&mut self, access: &Access) {
        let (by_ssh, addressed) = (self.by_ssh, self.addressed);
        let found = self.ways.iter_mut().map(|(place, way)| async move {
            // An address that the user gave is one that he can reach.
            if way.url.scheme() != "ssh" || addressed && !(by_ssh && place.port.is_none()) {
                return None;
            }
            let Some(ssh) = lookup(way.url.rest(), access.login(way).as_deref()).await else {
                // To go there without what ssh goes through would prove nothing.
                place.address = place.address.take().filter(|_| addressed);
                return None;
            };
            // What ssh itself is given (Ansible's ansible_host) is a name of its configuration before anybody else's.
            place.address = place.address.take().filter(|a| addressed || *a != ssh.name).or(Some(ssh.hostname));
            if by_ssh {
                place.port.get_or_insert(ssh.port);
            }
            ssh.proxy
        });
        // Clients come by it, whatever way we come ourselves.
        let proxy = join_all(found).await.into_iter().flatten().next().filter(|_| !addressed);
        for (place, _) in &mut self.ways {
            place.proxy.clone_from(&proxy);
        }
    }
}

impl TargetArgs {
    /// The targets, each once, in the order in which they were asked for; at least one.
    pub(super) fn choose(&self) -> Result<Vec<Chosen>, Failure> {
        let (inventory, mut hosts) = self.selected()?;
        if let [one] = hosts.as_mut_slice()
            && self.hinders(one).next().is_some()
        {
            let errors: Vec<_> = self.hinders(one).cloned().collect();
            return Err(errors.into());
        }
        let notes = hosts.iter().flat_map(|h| h.notes.iter().map(move |n| format!("note: {}: {n}\n", h.name)));
        warn(&inventory.warnings().iter().map(warning).chain(notes).collect::<String>());
        hosts.into_iter().map(|h| self.chosen(h)).collect()
    }

    /// What the targets are called, whether they can be used or not.
    pub(super) fn names(&self) -> Result<Vec<String>, Failure> {
        let (_, hosts) = self.selected()?;
        hosts.into_iter().map(|h| Ok(self.chosen(h)?.name)).collect()
    }

    fn selected(&self) -> Result<(Inventory, Vec<Host>), Failure> {
        let inventory = Inventory::load(&self.inventory)?;
        let hosts = self.hosts(&inventory)?;
        if hosts.len() != 1 {
            self.one_for_many(hosts.len())?;
        }
        Ok((inventory, hosts))
    }

    /// What is wrong in the inventory and counts: with --via, its channels do not.
    fn hinders<'a>(&self, host: &'a Host) -> impl Iterator<Item = &'a Diagnostic> {
        let channels = if self.via.is_empty() { host.errors.as_slice() } else { &[] };
        channels.iter().chain(&host.elevate_errors)
    }

    /// The hosts of `-t`; one without a name where it was not given.
    fn hosts(&self, inventory: &Inventory) -> Result<Vec<Host>, Failure> {
        if self.target.is_empty() {
            // Ansible would take all of them; that is asked for by name here.
            if !self.inventory.is_empty() && self.via.is_empty() {
                return Err(Failure::usage(
                    "an inventory is given, and no target",
                    "-t NAME, -t GROUP or -t all; without -i and -t it is this machine",
                ));
            }
            return Ok(vec![Host::default()]);
        }
        let mut out = Vec::new();
        for selected in inventory.select(&self.target)? {
            if let Selected::Unknown { name, .. } = &selected {
                let patterns = self.target.iter().flat_map(|t| std::iter::once(t.as_str()).chain(t.split(',')));
                let a_way = |t: &&str| (t == name || t.starts_with(&format!("{name}:"))) && Url::parse(t).is_ok();
                if let Some(way) = patterns.into_iter().find(a_way) {
                    let why = format!("-t takes a name, and \"{way}\" is how to get there");
                    return Err(Failure::usage(why, format!("--via '{way}'")));
                }
            }
            match selected {
                Selected::Host(h) => out.push(*h),
                Selected::Unknown { name, near: Some(near) } if self.via.is_empty() => {
                    return Err(Failure::usage(
                        format!("no inventory has \"{name}\""),
                        format!("did you mean \"{near}\"? Where ssh goes is --via ssh:{name}"),
                    ));
                }
                Selected::Unknown { name, .. } => out.push(Host { name, ..Host::default() }),
            }
        }
        Ok(out)
    }

    /// What leads to one place, or is the address of one, cannot be for several.
    fn one_for_many(&self, count: usize) -> Result<(), Failure> {
        if let Some(via) = self.via.iter().find(|v| !v.contains("{target}")) {
            return Err(Failure::usage(
                format!("{count} targets, and --via '{via}' leads to one place"),
                "write {target} where the name belongs: --via ssh:{target}",
            ));
        }
        match &self.address {
            Some(a) if !a.contains("{target}") => Err(Failure::usage(
                format!("{count} targets, and --address {a} is one of them at most"),
                "write {target} where the name belongs, or give each its address in the inventory",
            )),
            _ => Ok(()),
        }
    }

    fn chosen(&self, host: Host) -> Result<Chosen, Failure> {
        let read = |v: &str| Url::parse(v)?.for_target(&host.name)?.checked();
        let parse = |v: &str| read(v).map(Way::from).map_err(usage);
        let ways: Vec<Way> = if self.via.is_empty() {
            host.channels.clone()
        } else {
            self.via.iter().map(|v| parse(v)).collect::<Result<_, _>>()?
        };
        let mut odd = None;
        let ways = match (ways.is_empty(), host.name.as_str()) {
            (false, _) => ways,
            (true, "") => vec![parse("local:")?],
            // A name alone is where ssh goes, as ssh takes it; the inventory may know its address.
            (true, name) => match by_ssh(name, &host) {
                Ok(url) => vec![parse(&url)?],
                Err(e) if host.address.is_none() => return Err(usage(e)),
                Err(e) => {
                    odd = Some(e);
                    Vec::new()
                }
            },
        };
        let name = ways.first().map_or_else(|| host.name.clone(), |w| self.name(&host, &w.url));
        // One of many whose part of the inventory is wrong is its own result, and no other's.
        let broken = self.hinders(&host).next().map(|e| {
            let at = e.position().map(|(file, line, _)| format!("{file}:{line}: ")).unwrap_or_default();
            let why = format!("{at}{}", e.message);
            ChannelError { hint: e.hint.clone(), ..ChannelError::new(why) }
        });
        let broken = broken.or(odd);
        let ways = match broken {
            Some(_) => Vec::new(),
            None => ways.into_iter().map(|w| (self.place(&host, &w.url, &name), w)).collect(),
        };
        let by_ssh = host.channels.is_empty() && self.via.is_empty();
        let addressed = self.address.is_some();
        Ok(Chosen { ways, name, broken, by_ssh, addressed, elevate: host.elevate, given: host.vars })
    }

    /// What the user calls it, told by the way that he named first.
    fn name(&self, host: &Host, url: &Url) -> String {
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        match (host.name.as_str(), url.scheme() == "local") {
            ("", true) => format!("this machine ({})", hostname.trim()),
            ("", false) if url.scheme() == "root" => {
                format!("the disk at {}", url.text().trim_start_matches("root:"))
            }
            ("", false) if url.scheme() == "ssh" => {
                url.rest().split('?').next().unwrap_or_default().trim_matches('/').to_owned()
            }
            ("", false) => self.address.clone().unwrap_or_else(|| "the target".to_owned()),
            (name, _) => name.to_owned(),
        }
    }

    fn place(&self, host: &Host, url: &Url, name: &str) -> Place {
        let address = self.address.as_ref().map(|a| a.replace("{target}", &host.name));
        Place {
            name: name.to_owned(),
            address: address.or_else(|| host.address.clone()),
            port: host
                .vars
                .iter()
                .find(|g| g.name == "port")
                .and_then(|g| g.value.as_u64())
                .and_then(|p| u16::try_from(p).ok())
                .or(host.port),
            live: url.scheme() != "root",
            here: url.scheme() == "local",
            channel: url.scheme().to_owned(),
            via: whole(url),
            login: None,
            proxy: None,
        }
    }
}

/// A way as a record keeps it: a disk's path is the same from any directory.
fn whole(url: &Url) -> String {
    let path = url.text().strip_prefix("root:").and_then(|p| std::path::absolute(p).ok());
    path.map_or_else(|| url.text().to_owned(), |p| format!("root:{}", p.display()))
}

fn by_ssh(name: &str, host: &Host) -> Result<String, ChannelError> {
    let to = plain(host.address.as_deref().unwrap_or(name))?;
    if let Some((_, port)) = to.split_once(':').filter(|t| !t.1.is_empty() && t.1.bytes().all(|b| b.is_ascii_digit())) {
        return Err(match &host.address {
            None => ChannelError::new(format!("-t takes a name, and \"{to}\" has the port {port}"))
                .hint(format!("--via ssh://{to}")),
            Some(_) => ChannelError::new(format!("the address \"{to}\" of {name} has a port in it"))
                .hint("in the inventory the port stands by itself: ansible_port, or our port:"),
        });
    }
    Ok(match host.port {
        Some(port) if to.contains(':') => format!("ssh://[{to}]:{port}"),
        Some(port) => format!("ssh://{to}:{port}"),
        None => format!("ssh:{to}"),
    })
}

fn usage(e: ChannelError) -> Failure {
    Failure::Usage(e.why, e.hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::access::AccessArgs;

    /// Asks the real ssh, which connects to nothing for `-G`.
    #[test]
    fn an_address_that_is_a_name_of_ssh_alone_is_looked_up_with_its_own_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let (inventory, config) = (dir.path().join("hosts.ini"), dir.path().join("cfg"));
        std::fs::write(&config, "Host far-away\n  HostName 203.0.113.7\n  Port 2200\n").unwrap();
        let line =
            |address: &str| format!("web1 ansible_host={address} ansible_ssh_common_args='-F {}'\n", config.display());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let access = AccessArgs {
            login: None,
            elevate: false,
            become_method: None,
            allow_short_secrets: false,
            ask_become: false,
        };
        let access = access.read().ok().unwrap();
        for (host, address, known) in [
            ("far-away", None, "203.0.113.7"),
            ("198.51.100.1", None, "198.51.100.1"),
            ("far-away", Some("192.0.2.9"), "192.0.2.9"),
        ] {
            std::fs::write(&inventory, line(host)).unwrap();
            let args = TargetArgs {
                target: vec!["web1".into()],
                inventory: vec![inventory.display().to_string()],
                via: Vec::new(),
                address: address.map(str::to_owned),
            };
            let mut chosen = args.choose().ok().unwrap().pop().unwrap();
            runtime.block_on(chosen.look_up(&access));
            assert_eq!(chosen.ways[0].0.address.as_deref(), Some(known), "{host} {address:?}");
        }
    }
}
