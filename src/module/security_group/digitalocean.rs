//! DigitalOcean: the cloud firewalls of a droplet, by its id or by a tag, are one set of rules that let in; a droplet
//! without any is open.
//!
//! DigitalOcean documentation, "Cloud Firewalls"; API reference, "Firewalls".

use serde_json::Value;

use super::cli::Cli;
use super::{Halt, Net, Provider, Repair, Verdict, Wanted, in_ports, items, listing, text, words};

pub(super) const PROVIDER: Provider = Provider {
    name: "digitalocean",
    program: "doctl",
    environment: "",
    install: "https://docs.digitalocean.com/reference/doctl/how-to/install/",
    login: "doctl auth init",
    refusals: &[
        (
            &["access token is required", "401", "Unable to authenticate"],
            "log in: doctl auth init, or DIGITALOCEAN_ACCESS_TOKEN=…",
        ),
        (
            &["403", "not authorized", "missing the required permission"],
            "the token takes the scopes droplet:read and firewall:read, and for the repair firewall:update",
        ),
        (&["404", "could not be found"], "is it the right team? doctl auth list, and doctl compute droplet list"),
        (&["no such host", "timeout", "dial tcp"], "does this machine reach the cloud's API?"),
    ],
    look,
};

fn look(w: &Wanted<'_>, cli: &dyn Cli) -> Result<Verdict, Halt> {
    let droplet = cli.json(&["compute", "droplet", "get", w.instance, "--output", "json"]);
    let firewalls = cli.json(&["compute", "firewall", "list", "--output", "json"]);
    let (droplet, firewalls) = (droplet?, firewalls?);
    let droplet = droplet.get(0).unwrap_or(&droplet);
    match text(&droplet["status"]) {
        "active" => Ok(judge(w, droplet, items(&firewalls))),
        "" => Err(Halt::Unknown {
            why: format!("doctl: there is no droplet {}", w.instance),
            hint: Some("doctl compute droplet list shows them".into()),
        }),
        status => Err(Halt::Person {
            why: format!("the droplet {} is {status}: nobody can reach it", w.instance),
            todo: format!("start it: doctl compute droplet-action power-on {}", droplet["id"]),
            param: None,
        }),
    }
}

fn judge(w: &Wanted<'_>, droplet: &Value, firewalls: &[Value]) -> Verdict {
    let tags: Vec<&str> = items(&droplet["tags"]).iter().map(text).collect();
    let own = |f: &&Value| {
        items(&f["droplet_ids"]).contains(&droplet["id"]) || items(&f["tags"]).iter().any(|t| tags.contains(&text(t)))
    };
    let own: Vec<&Value> = firewalls.iter().filter(own).collect();
    let mut v = Verdict::default();
    if own.is_empty() {
        (v.open, v.why) = (true, format!("the droplet {} has no cloud firewall: everything is let in", w.instance));
        return v;
    }
    let mut by = None;
    for f in &own {
        for r in items(&f["inbound_rules"]) {
            for (line, net) in sources(r) {
                let lets_in = covers_port(w, r) && net.is_some_and(|n| n.covers(&w.from));
                if lets_in {
                    by.get_or_insert_with(|| format!("the firewall {} lets {} in: {line}", text(&f["name"]), w.from));
                }
                v.rules.push(format!("{}: {line}", text(&f["name"])));
            }
        }
        if text(&f["status"]) == "waiting" {
            v.notes.push(format!("the firewall {} still waits to be put in place", text(&f["name"])));
        }
    }
    v.rules.sort();
    if let Some(by) = by {
        (v.open, v.why) = (true, by);
        return v;
    }
    let names: Vec<&str> = own.iter().map(|f| text(&f["name"])).collect();
    v.why =
        format!("no rule of the firewall {} lets {} reach port {} of {}", names.join(", "), w.from, w.port, w.instance);
    v.repairs.extend(repair(w, &own));
    v
}

fn covers_port(w: &Wanted<'_>, r: &Value) -> bool {
    let ports = text(&r["ports"]);
    text(&r["protocol"]) == "tcp" && (matches!(ports, "" | "0" | "all") || in_ports(w.port, ports))
}

/// `tcp 22 from 203.0.113.0/24`, and what that is as a network.
fn sources(r: &Value) -> Vec<(String, Option<Net>)> {
    let ports = text(&r["ports"]);
    let what = match ports {
        "" | "0" | "all" => text(&r["protocol"]).to_owned(),
        ports => format!("{} {ports}", text(&r["protocol"])),
    };
    let mut out = Vec::new();
    let kinds = [
        ("addresses", ""),
        ("tags", "tag "),
        ("droplet_ids", "droplet "),
        ("load_balancer_uids", "load balancer "),
        ("kubernetes_ids", "cluster "),
    ];
    for (key, word) in kinds {
        for s in items(&r["sources"][key]) {
            let source = s.as_str().map_or_else(|| s.to_string(), str::to_owned);
            let net = if word.is_empty() { Net::parse(&source) } else { None };
            out.push((format!("{what} from {word}{source}"), net));
        }
    }
    out
}

/// A rule in the firewall that already has one for this port, else in the first.
fn repair(w: &Wanted<'_>, own: &[&Value]) -> Option<Repair> {
    let has = |f: &&&Value| items(&f["inbound_rules"]).iter().any(|r| text(&r["ports"]) == w.port.to_string());
    let f = own.iter().find(has).or(own.first())?;
    let rule = format!("protocol:tcp,ports:{},address:{}", w.port, w.from);
    let command = |verb: &str| words(&["doctl", "compute", "firewall", verb, text(&f["id"]), "--inbound-rules", &rule]);
    let mut before: Vec<String> = items(&f["inbound_rules"]).iter().flat_map(sources).map(|(line, _)| line).collect();
    before.sort();
    let line = format!("tcp {} from {}", w.port, w.from);
    let at = before.partition_point(|l| *l < line);
    Some(Repair {
        run: command("add-rules"),
        undo: command("remove-rules"),
        already: None,
        listing: listing(format!("firewall {}, inbound", text(&f["name"])), &before, at, line),
    })
}

#[cfg(test)]
#[path = "digitalocean_tests.rs"]
mod tests;
