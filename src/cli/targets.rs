//! `-t`, `-i`, `--via`, `--address`: which targets, and how to get there.

use crate::book::Given;
use crate::channel::{ChannelError, Url};
use crate::inventory::{Elevate, Host, Inventory, Way};
use crate::plan::Place;

use super::Failure;

#[derive(clap::Args, Debug)]
pub(super) struct TargetArgs {
    /// A host of the inventory, several (-t a,b -t c) or "all"; without -t: this machine
    #[arg(short = 't', long = "target", value_name = "TARGET", value_delimiter = ',')]
    pub target: Vec<String>,
    /// Hosts and their channels (YAML)
    #[arg(short = 'i', long, value_name = "FILE")]
    pub inventory: Option<String>,
    /// How to get there: local:, exec:COMMAND, root:/mnt; several are tried in this order
    #[arg(long, value_name = "URL")]
    pub via: Vec<String>,
    /// The address that is probed from here
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<String>,
}

/// A target with its channels, in the order of preference.
pub(super) struct Chosen {
    pub ways: Vec<(Place, Way)>,
    /// How to become root there.
    pub elevate: Option<Elevate>,
    /// What the inventory says of its variables.
    pub given: Vec<Given>,
}

impl Chosen {
    /// As the user calls it.
    pub(super) fn name(&self) -> &str {
        self.ways.first().map_or("", |(place, _)| &place.name)
    }
}

impl TargetArgs {
    /// The targets, each once, in the order in which they were asked for; at least one.
    pub(super) fn choose(&self) -> Result<Vec<Chosen>, Failure> {
        let inventory = match &self.inventory {
            Some(path) => Inventory::load(path)?,
            None => Inventory::default(),
        };
        let hosts = self.hosts(&inventory)?;
        if hosts.len() > 1 {
            self.one_for_many(hosts.len())?;
        }
        hosts.into_iter().map(|h| self.chosen(h)).collect()
    }

    /// The hosts of `-t`; one without a name where it was not given.
    fn hosts(&self, inventory: &Inventory) -> Result<Vec<Host>, Failure> {
        if self.target.is_empty() {
            return Ok(vec![Host::default()]);
        }
        let mut out: Vec<Host> = Vec::new();
        for name in self.target.iter().map(|n| n.trim()).filter(|n| !n.is_empty()) {
            let found = match (inventory.host(name), self.via.is_empty()) {
                (Some(h), _) => vec![h],
                (None, _) if name == "all" && self.inventory.is_some() => {
                    inventory.names().iter().filter_map(|n| inventory.host(n)).collect()
                }
                (None, false) => vec![Host { name: name.to_owned(), ..Host::default() }],
                (None, true) => {
                    let hint = match &self.inventory {
                        Some(_) => format!("hosts: {}", inventory.names().join(", ")),
                        None => format!("-i FILE names its channels, or --via does: --via 'exec:ssh {name} sudo sh'"),
                    };
                    return Err(Failure::usage(format!("no channel to \"{name}\" is known"), hint));
                }
            };
            for h in found {
                if !out.iter().any(|o| o.name == h.name) {
                    out.push(h);
                }
            }
        }
        if out.is_empty() {
            return Err(Failure::usage("-t names no host", "like -t web1 or -t web1,web2; without -t: this machine"));
        }
        Ok(out)
    }

    /// What leads to one place, or is the address of one, cannot be for several.
    fn one_for_many(&self, count: usize) -> Result<(), Failure> {
        if let Some(via) = self.via.iter().find(|v| !v.contains("{target}")) {
            return Err(Failure::usage(
                format!("{count} targets, and --via '{via}' leads to one place"),
                "write {target} where the name belongs: --via 'exec:ssh {target} sudo sh'",
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
        let parse = |v: &str| Url::parse(v).map(|u| Way::from(u.for_target(&host.name))).map_err(usage);
        let ways: Vec<Way> = if self.via.is_empty() {
            host.channels.clone()
        } else {
            self.via.iter().map(|v| parse(v)).collect::<Result<_, _>>()?
        };
        let ways = match (ways.is_empty(), host.name.as_str()) {
            (false, _) => ways,
            (true, "") => vec![parse("local:")?],
            (true, name) => {
                return Err(Failure::usage(
                    format!("\"{name}\" has no channels"),
                    "list them under its name in the inventory, or give --via",
                ));
            }
        };
        let ways = ways.into_iter().map(|w| (self.place(&host, &w.url), w)).collect();
        Ok(Chosen { ways, elevate: host.elevate, given: host.vars })
    }

    fn place(&self, host: &Host, url: &Url) -> Place {
        let here = url.scheme() == "local";
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let name = match (host.name.as_str(), here) {
            ("", true) => format!("this machine ({})", hostname.trim()),
            ("", false) if url.scheme() == "root" => {
                format!("the disk at {}", url.text().trim_start_matches("root:"))
            }
            ("", false) => self.address.clone().unwrap_or_else(|| "the target".to_owned()),
            (name, _) => name.to_owned(),
        };
        let address = self.address.as_ref().map(|a| a.replace("{target}", &host.name));
        Place {
            name,
            address: address.or_else(|| host.address.clone()),
            port: host
                .vars
                .iter()
                .find(|g| g.name == "port")
                .and_then(|g| g.value.as_u64())
                .and_then(|p| u16::try_from(p).ok()),
            live: url.scheme() != "root",
            here,
            channel: url.scheme().to_owned(),
        }
    }
}

fn usage(e: ChannelError) -> Failure {
    Failure::Usage(e.why, e.hint)
}
