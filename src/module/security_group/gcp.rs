//! Google Cloud: hierarchical policies first, then the network's firewall rules, then the network's policies (or these
//! before the rules). The rule with the lowest priority decides, and of two alike the one that denies; without any, nothing
//! comes in.
//!
//! Cloud NGFW documentation, "VPC firewall rules" and "Policy and rule evaluation order".

use serde_json::Value;

use super::cli::Cli;
use super::{Halt, Net, Provider, Repair, Verdict, Wanted, in_ports, items, last, listing, text, words};

pub(super) const PROVIDER: Provider = Provider {
    name: "gcp",
    program: "gcloud",
    environment: "CLOUDSDK_CORE_DISABLE_PROMPTS=1",
    install: "https://cloud.google.com/sdk/docs/install",
    login: "gcloud auth login",
    refusals: &[
        (
            &["active account", "auth login", "Reauthentication", "invalid_grant"],
            "log in: gcloud auth login; gcloud auth list shows who you are",
        ),
        (&["[project] is not currently set"], "say which: CLOUDSDK_CORE_PROJECT=…, or gcloud config set project …"),
        (
            &["Required '", "PERMISSION_DENIED", "permission", "403"],
            "the role compute.viewer is enough to look; the repair takes compute.firewalls.create (compute.securityAdmin)",
        ),
        (&["was not found"], "is it the right project? gcloud config get project"),
        (&["Failed to establish", "Max retries", "timed out"], "does this machine reach the cloud's API?"),
    ],
    look,
};

fn look(w: &Wanted<'_>, cli: &dyn Cli) -> Result<Verdict, Halt> {
    let (zone, name) = w.instance.rsplit_once('/').map_or((None, w.instance), |(z, n)| (Some(last(z)), n));
    let filter = format!("name={name}");
    let found = cli.json(&["compute", "instances", "list", "--filter", &filter, "--format=json"])?;
    let is = |i: &&Value| text(&i["name"]) == name && zone.is_none_or(|z| last(text(&i["zone"])) == z);
    let found: Vec<&Value> = items(&found).iter().filter(is).collect();
    let instance = match found[..] {
        [one] => one,
        [] => {
            return Err(Halt::Unknown {
                why: format!("gcloud: there is no instance {}", w.instance),
                hint: Some("is it the right project? gcloud config get project, or CLOUDSDK_CORE_PROJECT=…".into()),
            });
        }
        [one, ..] => {
            let zones: Vec<&str> = found.iter().map(|i| last(text(&i["zone"]))).collect();
            let why = format!("{name} is in {}: say which, {}/{name}", zones.join(", "), last(text(&one["zone"])));
            return Err(Halt::error("instance", why));
        }
    };
    let zone = last(text(&instance["zone"]));
    let status = text(&instance["status"]);
    if status != "RUNNING" {
        return Err(Halt::Person {
            why: format!("the instance {name} is {status}: nobody can reach it"),
            todo: format!("start it: gcloud compute instances start {name} --zone={zone}"),
            param: None,
        });
    }
    let nic = interface(w, instance)?;
    let (zone_flag, nic_flag) = (format!("--zone={zone}"), format!("--network-interface={}", text(&nic["name"])));
    let ask = ["compute", "instances", "network-interfaces", "get-effective-firewalls", name, &zone_flag, &nic_flag];
    let effective = cli.json(&[&ask[..], &["--format=json"]].concat())?;
    // Only where the network has policies of its own does their order matter.
    let mut before = false;
    if items(&effective["firewallPolicys"]).iter().any(of_network) {
        let network = text(&nic["network"]);
        let project = format!("--project={}", project(network));
        let told = cli.json(&["compute", "networks", "describe", last(network), &project, "--format=json"])?;
        before = text(&told["networkFirewallPolicyEnforcementOrder"]) == "BEFORE_CLASSIC_FIREWALL";
    }
    judge(w, instance, nic, &effective, before)
}

/// The interface that clients go to: the one with the target's address, else the first.
fn interface<'v>(w: &Wanted<'_>, instance: &'v Value) -> Result<&'v Value, Halt> {
    let nics = items(&instance["networkInterfaces"]);
    let is = |a: &Value| w.address.is_some() && text(a).parse().ok() == w.address;
    let has = |n: &&Value| {
        is(&n["networkIP"])
            || items(&n["accessConfigs"]).iter().any(|c| is(&c["natIP"]))
            || items(&n["ipv6AccessConfigs"]).iter().any(|c| is(&c["externalIpv6"]))
    };
    let nic = nics.iter().find(has).or(nics.first());
    nic.ok_or_else(|| Halt::unknown(format!("the instance {} has no network interface", w.instance)))
}

/// Of `…/projects/P/global/networks/N`: a shared network is in another project than the instance.
fn project(network: &str) -> &str {
    network.split_once("/projects/").and_then(|(_, rest)| rest.split('/').next()).unwrap_or_default()
}

fn of_network(policy: &Value) -> bool {
    text(&policy["type"]).starts_with("NETWORK")
}

/// What a set of rules says.
enum Says {
    Allow(String),
    Deny(String),
    /// It depends on what this does not know.
    Maybe(String),
    Nothing,
}

fn judge(w: &Wanted<'_>, instance: &Value, nic: &Value, effective: &Value, before: bool) -> Result<Verdict, Halt> {
    let policies = items(&effective["firewallPolicys"]);
    let mine = rules(instance, items(&effective["firewalls"]));
    let (network, others): (Vec<&Value>, Vec<&Value>) = policies.iter().partition(|p| of_network(p));
    let mut v = Verdict { rules: mine.iter().map(|r| line(r)).collect(), ..Verdict::default() };
    let classic = mine.iter().find(|r| decides(w, r)).copied();
    let classic_says = match classic {
        Some(r) if allows(r) => Says::Allow(format!("the firewall rule {}: {}", text(&r["name"]), line(r))),
        Some(r) => Says::Deny(format!("the firewall rule {}: {}", text(&r["name"]), line(r))),
        None => Says::Nothing,
    };
    let hierarchy = others.iter().map(|p| policy(w, p));
    let own: Vec<Says> = network.iter().map(|p| policy(w, p)).collect();
    let (mut first, mut then) =
        (vec![(false, hierarchy.collect::<Vec<_>>())], vec![(true, vec![classic_says]), (false, own)]);
    if before {
        then.reverse();
    }
    first.extend(then);
    for (is_classic, says) in first {
        for s in says {
            match s {
                Says::Allow(rule) => {
                    (v.open, v.why) = (true, format!("{} is let in by {rule}", w.from));
                    return Ok(v);
                }
                Says::Maybe(rule) => {
                    return Err(Halt::unknown(format!("whether {} is let in depends on {rule}", w.from)));
                }
                Says::Deny(rule) => {
                    v.why = format!("{} is kept out of port {} of {} by {rule}", w.from, w.port, w.instance);
                    if !is_classic {
                        v.by_hand = Some("a firewall policy is its owner's to change: gcloud compute firewall-policies, or network-firewall-policies".into());
                        return Ok(v);
                    }
                    return repaired(w, v, instance, nic, &mine, classic);
                }
                Says::Nothing => {}
            }
        }
    }
    v.why = format!(
        "no firewall rule of the network {} lets {} reach port {} of {}",
        last(text(&nic["network"])),
        w.from,
        w.port,
        w.instance
    );
    repaired(w, v, instance, nic, &mine, None)
}

/// Inbound rules that are meant for the instance, in the order in which they count.
fn rules<'v>(instance: &Value, all: &'v [Value]) -> Vec<&'v Value> {
    let tags: Vec<&str> = items(&instance["tags"]["items"]).iter().map(text).collect();
    let accounts: Vec<&str> = items(&instance["serviceAccounts"]).iter().map(|a| text(&a["email"])).collect();
    let meant = |r: &Value| {
        let (t, a) = (items(&r["targetTags"]), items(&r["targetServiceAccounts"]));
        (t.is_empty() && a.is_empty())
            || t.iter().any(|x| tags.contains(&text(x)))
            || a.iter().any(|x| accounts.contains(&text(x)))
    };
    let inbound = |r: &Value| text(&r["direction"]) != "EGRESS" && r["disabled"] != true;
    let mut mine: Vec<&Value> = all.iter().filter(|r| inbound(r) && meant(r)).collect();
    mine.sort_by_key(|r| (priority(r), allows(r), text(&r["name"])));
    mine
}

fn priority(r: &Value) -> u64 {
    r["priority"].as_u64().unwrap_or(1000)
}

fn allows(r: &Value) -> bool {
    r["denied"].as_array().is_none_or(Vec::is_empty)
}

/// Whether a rule speaks of this client and port. A network of many addresses is kept out by a rule about some of them.
fn decides(w: &Wanted<'_>, r: &Value) -> bool {
    let what = if allows(r) { &r["allowed"] } else { &r["denied"] };
    let port = items(what).iter().any(|l| layer4(w, text(&l["IPProtocol"]), &l["ports"]));
    port && ranges(w, &r["sourceRanges"], allows(r))
}

fn layer4(w: &Wanted<'_>, protocol: &str, ports: &Value) -> bool {
    let ports = items(ports);
    matches!(protocol, "tcp" | "6" | "all") && (ports.is_empty() || ports.iter().any(|p| in_ports(w.port, text(p))))
}

fn ranges(w: &Wanted<'_>, list: &Value, allow: bool) -> bool {
    let nets = items(list).iter().filter_map(|n| Net::parse(text(n)));
    nets.into_iter().any(|n| if allow { n.covers(&w.from) } else { n.meets(&w.from) })
}

fn policy(w: &Wanted<'_>, p: &Value) -> Says {
    // Sources beside the ranges; any of them is enough. The cloud alone knows what is in them.
    const ELSE: [&str; 4] = ["srcFqdns", "srcRegionCodes", "srcThreatIntelligences", "srcAddressGroups"];
    // What narrows the ranges.
    const NARROW: [&str; 4] = ["srcNetworkType", "srcNetworkScope", "srcNetworkContext", "srcNetworks"];
    let name = [&p["shortName"], &p["displayName"], &p["name"]].map(text).into_iter().find(|n| !n.is_empty());
    let mut rules: Vec<&Value> =
        items(&p["rules"]).iter().filter(|r| text(&r["direction"]) != "EGRESS" && r["disabled"] != true).collect();
    rules.sort_by_key(|r| priority(r));
    for r in rules {
        let m = &r["match"];
        let l4 = items(&m["layer4Configs"]);
        if !l4.is_empty() && !l4.iter().any(|l| layer4(w, text(&l["ipProtocol"]), &l["ports"])) {
            continue;
        }
        let action = text(&r["action"]);
        let elsewhere = ELSE.iter().any(|k| !items(&m[*k]).is_empty());
        // Only instances have tags.
        let tagged = !items(&m["srcSecureTags"]).is_empty();
        let any = items(&m["srcIpRanges"]).is_empty() && !elsewhere && !tagged;
        let fits = any || ranges(w, &m["srcIpRanges"], action == "allow");
        let narrowed = NARROW.iter().any(|k| !m[*k].is_null());
        let unsure = if fits { narrowed } else { elsewhere || (tagged && w.from.is_private()) };
        let rule =
            format!("rule {} of the firewall policy {}: {action}", priority(r), name.unwrap_or("without a name"));
        match (fits, unsure, action) {
            (true, false, "goto_next") => return Says::Nothing,
            (true, false, "allow") => return Says::Allow(rule),
            (true, false, "deny") => return Says::Deny(rule),
            // Inspection, or a match that only the cloud can make.
            (true, ..) | (_, true, _) => return Says::Maybe(rule),
            (false, false, _) => {}
        }
    }
    Says::Nothing
}

/// `1000 allow tcp:22 from 203.0.113.0/24 to tag web (allow-ssh)`.
fn line(r: &Value) -> String {
    let list = |v: &Value| items(v).iter().map(text).collect::<Vec<_>>().join(",");
    let (verb, what) = if allows(r) { ("allow", &r["allowed"]) } else { ("deny", &r["denied"]) };
    let what: Vec<String> = items(what)
        .iter()
        .map(|l| match list(&l["ports"]) {
            ports if ports.is_empty() => text(&l["IPProtocol"]).to_owned(),
            ports => format!("{}:{ports}", text(&l["IPProtocol"])),
        })
        .collect();
    let from: Vec<String> = [("", "sourceRanges"), ("tag ", "sourceTags"), ("account ", "sourceServiceAccounts")]
        .iter()
        .filter(|(_, k)| !items(&r[*k]).is_empty())
        .map(|(word, k)| format!("{word}{}", list(&r[*k])))
        .collect();
    let to: Vec<String> = [("tag ", "targetTags"), ("account ", "targetServiceAccounts")]
        .iter()
        .filter(|(_, k)| !items(&r[*k]).is_empty())
        .map(|(word, k)| format!(" to {word}{}", list(&r[*k])))
        .collect();
    format!(
        "{} {verb} {} from {}{} ({})",
        priority(r),
        what.join(" "),
        from.join(" or "),
        to.concat(),
        text(&r["name"])
    )
}

/// With the rule that lets the client in, before the one that keeps it out.
fn repaired(
    w: &Wanted<'_>,
    mut v: Verdict,
    instance: &Value,
    nic: &Value,
    mine: &[&Value],
    denied_by: Option<&Value>,
) -> Result<Verdict, Halt> {
    let place = match denied_by.map(priority) {
        Some(0) => {
            v.by_hand = Some("that rule has priority 0, and nothing comes before it: change it by hand".into());
            return Ok(v);
        }
        Some(p) => p.min(1001) - 1,
        None => 1000,
    };
    let network = text(&nic["network"]);
    let tag = items(&instance["tags"]["items"]).first().map(text);
    let name = free_name(w, mine);
    let project = format!("--project={}", project(network));
    let mut run = words(&["gcloud", "compute", "firewall-rules", "create", &name, &project]);
    run.extend([
        format!("--network={}", last(network)),
        "--direction=INGRESS".into(),
        "--action=ALLOW".into(),
        format!("--rules=tcp:{}", w.port),
        format!("--source-ranges={}", w.from),
        format!("--priority={place}"),
        "--description=runbook".into(),
    ]);
    let to = match tag {
        Some(tag) => {
            run.push(format!("--target-tags={tag}"));
            v.notes.push(format!("the rule holds for every instance with the tag {tag}"));
            format!(" to tag {tag}")
        }
        None => {
            v.notes.push(format!(
                "the instance has no tags: the rule holds for every instance of the network {}",
                last(network)
            ));
            String::new()
        }
    };
    let before: Vec<String> = mine.iter().map(|r| line(r)).collect();
    let at = mine.partition_point(|r| priority(r) < place);
    let new = format!("{place} allow tcp:{} from {}{to} ({name})", w.port, w.from);
    v.repairs.push(Repair {
        run,
        undo: words(&["gcloud", "compute", "firewall-rules", "delete", &name, &project, "--quiet"]),
        already: Some("already exists"),
        listing: listing(
            format!("network {}, inbound rules for {}", last(network), text(&instance["name"])),
            &before,
            at,
            new,
        ),
    });
    Ok(v)
}

/// Names are unique in a project; one of ours that is there and does not help is left alone.
fn free_name(w: &Wanted<'_>, mine: &[&Value]) -> String {
    let base = format!("runbook-tcp-{}-{}", w.port, w.from.slug());
    let taken = |n: &String| mine.iter().any(|r| text(&r["name"]) == n);
    let more = (2..100).map(|n| format!("{base}-{n}"));
    std::iter::once(base.clone()).chain(more).find(|n| !taken(n)).unwrap_or(base)
}

#[cfg(test)]
#[path = "gcp_tests.rs"]
mod tests;
