//! `-t`, `-i`, `--via`, `--address`: which target, and how to get there.

use crate::book::Given;
use crate::channel::{ChannelError, Url};
use crate::inventory::{Host, Inventory};
use crate::plan::Place;

use super::Failure;

#[derive(clap::Args, Debug)]
pub(super) struct TargetArgs {
    /// A host of the inventory; without -t: this machine
    #[arg(short = 't', long = "target", value_name = "TARGET")]
    pub target: Option<String>,
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
    pub ways: Vec<(Place, Url)>,
    /// What the inventory says of its variables.
    pub given: Vec<Given>,
}

impl TargetArgs {
    pub(super) fn choose(&self) -> Result<Chosen, Failure> {
        let inventory = match &self.inventory {
            Some(path) => Inventory::load(std::slice::from_ref(path))?,
            None => Inventory::default(),
        };
        let host = match &self.target {
            None => Host::default(),
            Some(name) => match (inventory.host(name), self.via.is_empty()) {
                (Some(h), _) => h,
                (None, false) => Host { name: name.clone(), ..Host::default() },
                (None, true) => {
                    let hint = match &self.inventory {
                        Some(_) => format!("hosts: {}", inventory.names().join(", ")),
                        None => format!("-i FILE names its channels, or --via does: --via 'exec:ssh {name} sudo sh'"),
                    };
                    return Err(Failure::usage(format!("no channel to \"{name}\" is known"), hint));
                }
            },
        };
        let urls: Vec<Url> = if self.via.is_empty() {
            host.channels.iter().map(|w| w.url.clone()).collect()
        } else {
            self.via.iter().map(|v| Url::parse(v)).collect::<Result<_, _>>().map_err(usage)?
        };
        let urls = match (urls.is_empty(), &self.target) {
            (false, _) => urls,
            (true, None) => vec![Url::parse("local:").map_err(usage)?],
            (true, Some(name)) => {
                return Err(Failure::usage(
                    format!("\"{name}\" has no channels"),
                    "list them under its name in the inventory, or give --via",
                ));
            }
        };
        let ways = urls.iter().map(|u| (self.place(&host, u), u.for_target(&host.name))).collect();
        Ok(Chosen { ways, given: host.vars })
    }

    fn place(&self, host: &Host, url: &Url) -> Place {
        let here = url.scheme() == "local";
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let name = match (&self.target, here) {
            (Some(n), _) => n.clone(),
            (None, true) => format!("this machine ({})", hostname.trim()),
            (None, false) if url.scheme() == "root" => {
                format!("the disk at {}", url.text().trim_start_matches("root:"))
            }
            (None, false) => self.address.clone().unwrap_or_else(|| "the target".to_owned()),
        };
        Place {
            name,
            address: self.address.clone().or_else(|| host.address.clone()),
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
