//! Azure: the network security group of the subnet and that of the network interface must both let a client in; in each,
//! rules are taken by priority and the first that fits decides. Without any group, a standard public address lets nobody in.
//!
//! Azure documentation, "How network security groups filter network traffic", "Virtual network service tags", "Public IP
//! addresses" (standard SKU: secure by default).

use serde_json::Value;

use super::cli::Cli;
use super::{Halt, Net, Provider, Repair, Verdict, Wanted, in_ports, items, last, listing, text, words};

pub(super) const PROVIDER: Provider = Provider {
    name: "azure",
    program: "az",
    environment: "AZURE_CORE_NO_COLOR=1 AZURE_EXTENSION_USE_DYNAMIC_INSTALL=no AZURE_CORE_ONLY_SHOW_ERRORS=1",
    install: "https://learn.microsoft.com/cli/azure/install-azure-cli",
    login: "az login",
    refusals: &[
        (&["az login", "AADSTS", "expired"], "log in: az login; az account show tells who you are"),
        (
            &["AuthorizationFailed", "does not have authorization"],
            "the role Reader is enough to look; the repair takes Network Contributor on the network security group",
        ),
        (
            &["ResourceNotFound", "ResourceGroupNotFound", "was not found", "could not be found"],
            "is it the right subscription? az account show, az account set",
        ),
        (
            &["Failed to establish", "Max retries", "timed out", "Connection"],
            "does this machine reach the cloud's API?",
        ),
    ],
    look,
};

/// Resources by their ids. Each by itself: of several of which one is missing, `az` says nothing.
fn show(cli: &dyn Cli, what: &[&str], ids: &[&str]) -> Result<Vec<Value>, Halt> {
    let one = |id: &&str| cli.json(&[what, &["show", "--output", "json", "--ids", id]].concat());
    let all: Vec<Result<Value, Halt>> = ids.iter().map(one).collect();
    all.into_iter().collect()
}

fn look(w: &Wanted<'_>, cli: &dyn Cli) -> Result<Verdict, Halt> {
    let id = machine(w, cli)?;
    let vm = cli.json(&["vm", "show", "--show-details", "--output", "json", "--ids", &id])?;
    let state = text(&vm["powerState"]);
    if state != "VM running" {
        return Err(Halt::Person {
            why: format!("the machine {} does not run ({state}): nobody can reach it", text(&vm["name"])),
            todo: format!("start it: az vm start --ids {id}"),
            param: None,
        });
    }
    let refs = items(&vm["networkProfile"]["networkInterfaces"]);
    let ids: Vec<&str> = refs.iter().map(|r| text(&r["id"])).collect();
    let nics = show(cli, &["network", "nic"], &ids)?;
    let (nic, ip) = interface(w, &nics)?;
    let subnet = text(&ip["subnet"]["id"]);
    let Some((vnet, _)) = subnet.split_once("/subnets/") else {
        return Err(Halt::unknown(format!("the interface {} has no subnet", text(&nic["name"]))));
    };
    let vnet = show(cli, &["network", "vnet"], &[vnet]);
    let public =
        [&ip["publicIPAddress"]["id"], &ip["publicIpAddress"]["id"]].map(text).into_iter().find(|i| !i.is_empty());
    let public = show(cli, &["network", "public-ip"], public.as_slice());
    let (vnet, public) = (vnet?, public?);
    let vnet = vnet.first().unwrap_or(&Value::Null);
    let of_subnet = items(&vnet["subnets"]).iter().find(|s| same(text(&s["id"]), subnet));
    let of_subnet = of_subnet.map_or("", |s| text(&s["networkSecurityGroup"]["id"]));
    let of_nic = text(&nic["networkSecurityGroup"]["id"]);
    let mut wanted: Vec<&str> = [of_subnet, of_nic].into_iter().filter(|g| !g.is_empty()).collect();
    wanted.dedup_by(|a, b| same(a, b));
    let groups = show(cli, &["network", "nsg"], &wanted)?;
    let inside: Vec<Net> =
        items(&vnet["addressSpace"]["addressPrefixes"]).iter().filter_map(|p| Net::parse(text(p))).collect();
    let public = public.first().unwrap_or(&Value::Null);
    // The subnet's group is asked first.
    let group = |id: &&str| groups.iter().find(|g| same(text(&g["id"]), id));
    let groups: Vec<&Value> = wanted.iter().filter_map(group).collect();
    judge(w, nic, ip, &groups, &inside, public)
}

/// The machine's resource id.
fn machine(w: &Wanted<'_>, cli: &dyn Cli) -> Result<String, Halt> {
    if w.instance.starts_with('/') {
        return Ok(w.instance.to_owned());
    }
    let (group, name) = w.instance.rsplit_once('/').map_or((None, w.instance), |(g, n)| (Some(g), n));
    let query = format!("[?name=='{name}'].id");
    let mut ask = vec!["vm", "list", "--output", "json", "--query", &query];
    if let Some(g) = group {
        ask.extend(["--resource-group", g]);
    }
    let found = cli.json(&ask)?;
    match items(&found) {
        [one] => Ok(text(one).to_owned()),
        [] => Err(Halt::Unknown {
            why: format!("az: there is no machine {}", w.instance),
            hint: Some("is it the right subscription? az account show".into()),
        }),
        many => {
            let groups: Vec<String> = many.iter().filter_map(|id| part(text(id), "resourceGroups")).collect();
            Err(Halt::error(
                "instance",
                format!("{name} is in the groups {}: say which, GROUP/{name}", groups.join(", ")),
            ))
        }
    }
}

/// Ids differ in their case from one answer to the next.
fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Of `/subscriptions/S/resourceGroups/G/…` what follows a word.
fn part(id: &str, word: &str) -> Option<String> {
    let mut parts = id.split('/').skip_while(|p| !same(p, word));
    parts.nth(1).map(str::to_owned)
}

/// The interface that clients go to, and its configuration: those with the target's address, else the primary ones.
fn interface<'v>(w: &Wanted<'_>, nics: &'v [Value]) -> Result<(&'v Value, &'v Value), Halt> {
    let all = || nics.iter().flat_map(|n| items(&n["ipConfigurations"]).iter().map(move |c| (n, c)));
    let has = |(_, c): &(&Value, &Value)| w.address.is_some() && address(c).and_then(|a| a.parse().ok()) == w.address;
    let family = |(_, c): &(&Value, &Value)| address(c).is_none_or(|a| a.contains(':') == w.from.is_ipv6());
    let primary = |(n, c): &(&Value, &Value)| n["primary"] != false && c["primary"] != false;
    let one = all()
        .find(has)
        .or_else(|| all().find(|x| primary(x) && family(x)))
        .or_else(|| all().find(family))
        .or_else(|| all().next());
    one.ok_or_else(|| Halt::unknown(format!("the machine {} has no network interface", w.instance)))
}

fn address(ip: &Value) -> Option<&str> {
    [&ip["privateIPAddress"], &ip["privateIpAddress"]].map(text).into_iter().find(|a| !a.is_empty())
}

fn judge(
    w: &Wanted<'_>,
    nic: &Value,
    ip: &Value,
    groups: &[&Value],
    inside: &[Net],
    public: &Value,
) -> Result<Verdict, Halt> {
    let mut v = Verdict::default();
    if groups.is_empty() {
        let standard = text(&public["sku"]["name"]).eq_ignore_ascii_case("standard") && !w.from.is_private();
        v.open = !standard;
        v.why = match standard {
            false => format!(
                "neither {} nor its subnet has a network security group: everything is let in",
                text(&nic["name"])
            ),
            true => format!(
                "{} has a standard public address and no network security group: nobody is let in",
                text(&nic["name"])
            ),
        };
        v.by_hand = standard.then(|| {
            format!("make a group and give it to the interface: az network nsg create, az network nic update --ids {} --network-security-group …", text(&nic["id"]))
        });
        return Ok(v);
    }
    let (mut lets_in, mut keeps_out) = (Vec::new(), Vec::new());
    for group in groups {
        let name = text(&group["name"]);
        let rules = rules(group);
        v.rules.extend(rules.iter().map(|r| format!("{name}: {}", line(r))));
        let by = decides(w, ip, &rules, inside).map_err(|rule| {
            Halt::unknown(format!(
                "whether the network security group {name} lets {} in depends on what is behind a tag: {}",
                w.from,
                line(rule)
            ))
        })?;
        let rule = by.map_or_else(|| "without a rule that fits".to_owned(), line);
        if by.is_some_and(allows) {
            lets_in.push(format!("{name} lets {} in: {rule}", w.from));
        } else {
            keeps_out.push(format!(
                "the network security group {name} keeps {} out of port {} of {}: {rule}",
                w.from, w.port, w.instance
            ));
            match repair(w, ip, group, &rules, by) {
                Some(r) => v.repairs.push(r),
                None => v.by_hand = Some(format!("no priority is free before that rule of {name}: change it by hand")),
            }
        }
    }
    v.open = keeps_out.is_empty();
    v.why = if v.open { lets_in.join("; ") } else { keeps_out.join("; ") };
    Ok(v)
}

/// The inbound rules, in the order in which they are taken.
fn rules(group: &Value) -> Vec<&Value> {
    let all = items(&group["securityRules"]).iter().chain(items(&group["defaultSecurityRules"]));
    let mut rules: Vec<&Value> = all.filter(|r| text(&r["direction"]) == "Inbound").collect();
    rules.sort_by_key(|r| priority(r));
    rules
}

fn priority(r: &Value) -> u64 {
    r["priority"].as_u64().unwrap_or(u64::MAX)
}

fn allows(r: &Value) -> bool {
    text(&r["access"]) == "Allow"
}

/// One value, or a list of them, under a singular and a plural name.
fn both<'v>(r: &'v Value, one: &str, many: &str) -> Vec<&'v str> {
    let single = text(&r[one]);
    items(&r[many]).iter().map(text).chain((!single.is_empty()).then_some(single)).collect()
}

/// Yes, no, or only the cloud knows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    Yes,
    No,
    Maybe,
}

/// The rule that decides; `Err`: one before it may decide otherwise, and only the cloud knows what its tag stands for.
fn decides<'v>(
    w: &Wanted<'_>,
    ip: &Value,
    rules: &[&'v Value],
    inside: &[Net],
) -> Result<Option<&'v Value>, &'v Value> {
    let mut unsure: Vec<&Value> = Vec::new();
    for r in rules {
        let ports = both(r, "destinationPortRange", "destinationPortRanges");
        let here = matches!(text(&r["protocol"]), "*" | "Tcp" | "TCP")
            && ports.iter().any(|p| *p == "*" || in_ports(w.port, p))
            && destination(ip, r, inside);
        if !here {
            continue;
        }
        match source(w, r, inside) {
            Fit::No => {}
            Fit::Maybe => unsure.push(r),
            Fit::Yes => {
                return unsure.iter().find(|u| allows(u) != allows(r)).map_or(Ok(Some(*r)), |u| Err(*u));
            }
        }
    }
    unsure.iter().find(|u| allows(u)).map_or(Ok(None), |u| Err(*u))
}

/// Whether a rule is about this interface. What a tag or a group of applications stands for is taken as meant.
fn destination(ip: &Value, r: &Value, inside: &[Net]) -> bool {
    let own = address(ip).and_then(Net::parse);
    let asked = items(&r["destinationApplicationSecurityGroups"]);
    let mine = items(&ip["applicationSecurityGroups"]);
    if !asked.is_empty() {
        return asked.iter().any(|a| mine.iter().any(|m| same(text(&m["id"]), text(&a["id"]))));
    }
    both(r, "destinationAddressPrefix", "destinationAddressPrefixes").iter().any(|p| match Net::parse(p) {
        Some(n) => own.is_some_and(|o| n.covers(&o)),
        None if *p == "VirtualNetwork" => own.is_none_or(|o| inside.iter().any(|n| n.covers(&o))),
        None => *p == "*" || same(p, "Any"),
    })
}

fn source(w: &Wanted<'_>, r: &Value, inside: &[Net]) -> Fit {
    let in_network = inside.iter().any(|n| n.covers(&w.from));
    let fits = |n: &Net| if allows(r) { n.covers(&w.from) } else { n.meets(&w.from) };
    let one = |p: &str| match (Net::parse(p), p) {
        (Some(n), _) if fits(&n) => Fit::Yes,
        (Some(_), _) | (None, "AzureLoadBalancer") => Fit::No,
        (None, "*" | "Any" | "any") => Fit::Yes,
        (None, "Internet") if w.from.is_everybody() || !w.from.is_private() && !in_network => Fit::Yes,
        (None, "Internet") => Fit::No,
        (None, "VirtualNetwork") if in_network => Fit::Yes,
        // Networks that are peered or come by a gateway are in it too.
        (None, "VirtualNetwork") if w.from.is_private() => Fit::Maybe,
        (None, "VirtualNetwork") => Fit::No,
        _ => Fit::Maybe,
    };
    let all: Vec<Fit> = both(r, "sourceAddressPrefix", "sourceAddressPrefixes").into_iter().map(one).collect();
    // Only interfaces of the network are in such a group.
    let group = !items(&r["sourceApplicationSecurityGroups"]).is_empty() && w.from.is_private();
    match () {
        () if all.contains(&Fit::Yes) => Fit::Yes,
        () if group || all.contains(&Fit::Maybe) => Fit::Maybe,
        () => Fit::No,
    }
}

/// `1000 Allow Tcp 22 from 203.0.113.0/24 (AllowSsh)`.
fn line(r: &Value) -> String {
    let list = |one, many| both(r, one, many).join(",");
    let to = list("destinationAddressPrefix", "destinationAddressPrefixes");
    let to = if to == "*" || to.is_empty() { String::new() } else { format!(" to {to}") };
    let from = match list("sourceAddressPrefix", "sourceAddressPrefixes") {
        f if f.is_empty() => items(&r["sourceApplicationSecurityGroups"])
            .iter()
            .map(|g| last(text(&g["id"])))
            .collect::<Vec<_>>()
            .join(","),
        f => f,
    };
    let ports = list("destinationPortRange", "destinationPortRanges");
    format!(
        "{} {} {} {ports} from {from}{to} ({})",
        priority(r),
        text(&r["access"]),
        text(&r["protocol"]),
        text(&r["name"])
    )
}

/// A rule before the one that keeps the client out, to this interface's address alone.
fn repair(w: &Wanted<'_>, ip: &Value, group: &Value, rules: &[&Value], by: Option<&Value>) -> Option<Repair> {
    let id = text(&group["id"]);
    let taken = |n: &u64| rules.iter().any(|r| priority(r) == *n);
    let before = by.map_or(4097, priority);
    // Own rules have 100 to 4096.
    let place =
        if before > 4096 { (1000..=4096).find(|n| !taken(n)) } else { (100..before).rev().find(|n| !taken(n)) }?;
    let has = |n: &String| rules.iter().any(|r| same(text(&r["name"]), n));
    let base = format!("runbook-tcp-{}-{}", w.port, w.from.slug());
    let name = std::iter::once(base.clone()).chain((2..100).map(|n| format!("{base}-{n}"))).find(|n| !has(n))?;
    let own = address(ip).and_then(Net::parse).filter(|n| n.is_ipv6() == w.from.is_ipv6());
    let to = own.map_or_else(|| "*".to_owned(), |n| n.to_string());
    let (subscription, in_group) = (part(id, "subscriptions")?, part(id, "resourceGroups")?);
    let of = [
        "--subscription",
        &subscription,
        "--resource-group",
        &in_group,
        "--nsg-name",
        text(&group["name"]),
        "--name",
        &name,
    ];
    let (place_word, port, from) = (place.to_string(), w.port.to_string(), w.from.to_string());
    let rule = [
        "--priority",
        &place_word,
        "--direction",
        "Inbound",
        "--access",
        "Allow",
        "--protocol",
        "Tcp",
        "--source-address-prefixes",
        &from,
        "--source-port-ranges",
        "*",
        "--destination-address-prefixes",
        &to,
        "--destination-port-ranges",
        &port,
        "--description",
        "runbook",
    ];
    let lines: Vec<String> = rules.iter().map(|r| line(r)).collect();
    let at = rules.partition_point(|r| priority(r) < place);
    let to = if to == "*" { String::new() } else { format!(" to {to}") };
    let new = format!("{place} Allow Tcp {port} from {from}{to} ({name})");
    let command = |verb: &'static str| [&["az", "network", "nsg", "rule", verb][..], &of].concat();
    Some(Repair {
        run: words(&[&command("create")[..], &rule].concat()),
        undo: words(&command("delete")),
        already: None,
        listing: listing(format!("network security group {}, inbound", text(&group["name"])), &lines, at, new),
    })
}

#[cfg(test)]
#[path = "azure_tests.rs"]
mod tests;
