//! AWS: the security groups of the instance's network interface are one set, in which any rule lets in and none keeps out;
//! the network ACL of its subnet is asked both ways, since it knows no connections.
//!
//! Amazon VPC User Guide, "Control traffic to your AWS resources using security groups", "Control subnet traffic with
//! network access control lists" (rules by number, the first that fits decides; ephemeral ports).

use std::collections::BTreeMap;

use serde_json::Value;

use super::cli::Cli;
use super::{Halt, Net, Provider, Repair, Verdict, Wanted, items, listing, text, words};

pub(super) const PROVIDER: Provider = Provider {
    name: "aws",
    program: "aws",
    environment: "AWS_PAGER=",
    install: "https://docs.aws.amazon.com/cli/",
    login: "aws configure, or aws sso login",
    refusals: &[
        (
            &["UnauthorizedOperation", "AccessDenied"],
            "it takes ec2:DescribeInstances, ec2:DescribeSecurityGroups and ec2:DescribeNetworkAcls, and for the repair ec2:AuthorizeSecurityGroupIngress; aws sts get-caller-identity shows who you are",
        ),
        (&["InvalidInstanceID"], "is it the right region and account? AWS_REGION and AWS_PROFILE choose them"),
        (
            &["Unable to locate credentials", "NoCredentials", "config profile"],
            "log in first: aws configure, aws sso login, or AWS_PROFILE=…; aws sts get-caller-identity shows who you are",
        ),
        (&["Expired", "expired", "SSO session"], "log in again: aws sso login, or new keys"),
        (
            &["AuthFailure", "InvalidClientTokenId", "SignatureDoesNotMatch"],
            "these keys are not known there: aws sts get-caller-identity",
        ),
        (&["specify a region"], "say which: AWS_REGION=eu-central-1, say"),
        (&["Could not connect", "timeout", "Timeout", "timed out"], "does this machine reach the cloud's API?"),
    ],
    look,
};

/// What a prefix list holds, by its id; `Err`: why that is not known.
type Lists = BTreeMap<String, Result<Vec<Net>, String>>;

/// Ports that clients connect from: those of Linux (net.ipv4.ip_local_port_range) and of everything else (RFC 6335).
const EPHEMERAL: (u32, u32) = (32768, 65535);

fn look(w: &Wanted<'_>, cli: &dyn Cli) -> Result<Verdict, Halt> {
    if !w.instance.starts_with("i-") {
        return Err(Halt::error("instance", format!("\"{}\" is no instance of AWS: i-0123456789abcdef0", w.instance)));
    }
    let found = cli.json(&["ec2", "describe-instances", "--output", "json", "--instance-ids", w.instance])?;
    let instance = &found["Reservations"][0]["Instances"][0];
    runs(w, instance)?;
    let nic = interface(w, instance)?;
    let ids: Vec<&str> = items(&nic["Groups"]).iter().map(|g| text(&g["GroupId"])).collect();
    let subnet = format!("Name=association.subnet-id,Values={}", text(&nic["SubnetId"]));
    let ask = ["ec2", "describe-security-groups", "--output", "json", "--group-ids"];
    let groups = cli.json(&[&ask[..], &ids].concat());
    let acls = cli.json(&["ec2", "describe-network-acls", "--output", "json", "--filters", &subnet]);
    let (groups, acls) = (groups?, acls?);
    let groups = ordered(items(&groups["SecurityGroups"]), &ids);
    let mut lists = Lists::new();
    let mut pending = false;
    for id in unresolved(w, &groups) {
        let ask = ["ec2", "get-managed-prefix-list-entries", "--output", "json", "--prefix-list-id", id];
        match cli.json(&ask) {
            Err(Halt::Pending) => pending = true,
            Err(Halt::Unknown { why, .. }) => drop(lists.insert(id.to_owned(), Err(why))),
            Err(other) => return Err(other),
            Ok(v) => {
                let nets = items(&v["Entries"]).iter().filter_map(|e| Net::parse(text(&e["Cidr"]))).collect();
                lists.insert(id.to_owned(), Ok(nets));
            }
        }
    }
    if pending {
        return Err(Halt::Pending);
    }
    judge(w, nic, &groups, &acls["NetworkAcls"][0], &lists)
}

/// A look at an instance that does not run tells nothing of its clients.
fn runs(w: &Wanted<'_>, instance: &Value) -> Result<(), Halt> {
    let id = w.instance;
    let person = |why: String, todo: String| Err(Halt::Person { why, todo, param: None });
    match text(&instance["State"]["Name"]) {
        "running" => Ok(()),
        "" => Err(Halt::Unknown {
            why: format!("aws: there is no instance {id}"),
            hint: Some("is it the right region and account? AWS_REGION and AWS_PROFILE choose them".into()),
        }),
        "stopped" => person(
            format!("the instance {id} is stopped: nobody can reach it"),
            format!("start it: aws ec2 start-instances --instance-ids {id}"),
        ),
        "terminated" | "shutting-down" => {
            person(format!("the instance {id} is gone: it was terminated"), "is that the right instance?".into())
        }
        state => person(format!("the instance {id} is {state}"), "wait until it runs".into()),
    }
}

/// The interface that clients go to: the one with the target's address, else the first.
fn interface<'v>(w: &Wanted<'_>, instance: &'v Value) -> Result<&'v Value, Halt> {
    let nics = items(&instance["NetworkInterfaces"]);
    let has = |n: &&Value| {
        let own = [&n["Association"]["PublicIp"], &n["PrivateIpAddress"]];
        let more = items(&n["Ipv6Addresses"]).iter().map(|a| &a["Ipv6Address"]);
        own.into_iter().chain(more).any(|a| text(a).parse().ok() == w.address && w.address.is_some())
    };
    let first = |n: &&Value| n["Attachment"]["DeviceIndex"] == 0;
    let nic = nics.iter().find(has).or_else(|| nics.iter().find(first)).or(nics.first());
    nic.ok_or_else(|| Halt::unknown(format!("the instance {} has no network interface", w.instance)))
}

/// The groups in the interface's order: an answer's own order is any.
fn ordered<'v>(groups: &'v [Value], ids: &[&str]) -> Vec<&'v Value> {
    ids.iter().filter_map(|id| groups.iter().find(|g| text(&g["GroupId"]) == *id)).collect()
}

fn named(group: &Value) -> String {
    match (text(&group["GroupId"]), text(&group["GroupName"])) {
        (id, "") => id.to_owned(),
        (id, name) => format!("{id} ({name})"),
    }
}

/// A rule of a group, whose sources are many, as one line for each.
struct Source<'v> {
    line: String,
    covers_port: bool,
    net: Option<Net>,
    list: Option<&'v str>,
    group: Option<&'v str>,
}

fn sources<'v>(w: &Wanted<'_>, group: &'v Value) -> Vec<Source<'v>> {
    let mut out = Vec::new();
    for p in items(&group["IpPermissions"]) {
        let (low, high) = (p["FromPort"].as_u64(), p["ToPort"].as_u64());
        let protocol = text(&p["IpProtocol"]);
        let covers_port = match protocol {
            "-1" => true,
            "tcp" | "6" => low.unwrap_or(0) <= u64::from(w.port) && u64::from(w.port) <= high.unwrap_or(65535),
            _ => false,
        };
        let what = match (protocol, low, high) {
            ("-1", ..) => "all".to_owned(),
            (_, Some(l), Some(h)) if l == h => format!("{protocol} {l}"),
            (_, Some(l), Some(h)) => format!("{protocol} {l}-{h}"),
            _ => protocol.to_owned(),
        };
        let mut add = |key: &str, id: &str, what_it_is: &str| {
            for s in items(&p[key]) {
                let source: &'v str = text(&s[id]);
                let said = text(&s["Description"]);
                let said = if said.is_empty() { String::new() } else { format!(" ({said})") };
                out.push(Source {
                    line: format!("{what} from {source}{said}"),
                    covers_port,
                    net: Net::parse(source),
                    list: (what_it_is == "list").then_some(source),
                    group: (what_it_is == "group").then_some(source),
                });
            }
        };
        add("IpRanges", "CidrIp", "net");
        add("Ipv6Ranges", "CidrIpv6", "net");
        add("PrefixListIds", "PrefixListId", "list");
        add("UserIdGroupPairs", "GroupId", "group");
    }
    out
}

/// Prefix lists that have to be looked into: those that decide.
fn unresolved<'v>(w: &Wanted<'_>, groups: &[&'v Value]) -> Vec<&'v str> {
    let all: Vec<Source<'_>> = groups.iter().flat_map(|g| sources(w, g)).filter(|s| s.covers_port).collect();
    if all.iter().any(|s| s.net.is_some_and(|n| n.covers(&w.from))) {
        return Vec::new();
    }
    all.iter().filter_map(|s| s.list).collect()
}

fn judge(w: &Wanted<'_>, nic: &Value, groups: &[&Value], acl: &Value, lists: &Lists) -> Result<Verdict, Halt> {
    let mut v = Verdict::default();
    let mut inside = Vec::new();
    let mut unknown = None;
    let mut by = None;
    for group in groups {
        for s in sources(w, group) {
            v.rules.push(format!("{}: {}", text(&group["GroupId"]), s.line));
            if !s.covers_port {
                continue;
            }
            let from_list = s.list.and_then(|id| lists.get(id));
            let covers = |n: &Net| n.covers(&w.from);
            let lets_in =
                s.net.as_ref().is_some_and(covers) || matches!(from_list, Some(Ok(l)) if l.iter().any(covers));
            if lets_in {
                by.get_or_insert_with(|| format!("{} lets {} in: {}", named(group), w.from, s.line));
            }
            if let Some(Err(why)) = from_list {
                unknown.get_or_insert_with(|| {
                    format!("whether {} lets {} in is not known: {}: {why}", named(group), w.from, s.line)
                });
            }
            inside.extend(s.group.map(str::to_owned));
        }
    }
    v.rules.sort();
    let names: Vec<String> = groups.iter().map(|g| named(g)).collect();
    let names = names.join(", ");
    match (by, unknown) {
        (Some(by), _) => (v.open, v.why) = (true, by),
        (None, Some(why)) => {
            let hint = "it takes ec2:GetManagedPrefixListEntries to look into it".to_owned();
            return Err(Halt::Unknown { why, hint: Some(hint) });
        }
        (None, None) => {
            v.why = format!("no rule of {names} lets {} reach port {} of {}", w.from, w.port, w.instance);
            v.repairs.extend(repair(w, groups));
            if !inside.is_empty() && w.from.is_private() {
                v.notes.push(format!(
                    "it lets in what is in {}; whether the client is was not looked at",
                    inside.join(", ")
                ));
            }
        }
    }
    if let Some((why, todo)) = acl_in_the_way(w, acl) {
        if v.open {
            v.why = why;
        } else {
            v.notes.push(why);
        }
        (v.open, v.by_hand) = (false, Some(todo));
    }
    let addressless = if w.from.is_ipv6() {
        items(&nic["Ipv6Addresses"]).is_empty()
    } else {
        nic["Association"]["PublicIp"].is_null()
    };
    if addressless && !w.from.is_private() {
        let kind = if w.from.is_ipv6() { "IPv6" } else { "public IPv4" };
        v.notes.push(format!(
            "the instance has no {kind} address of its own: such a client reaches it only through something else"
        ));
    }
    Ok(v)
}

/// A rule in the group that already has one for this port, else in the first.
fn repair(w: &Wanted<'_>, groups: &[&Value]) -> Option<Repair> {
    let has = |g: &&&Value| items(&g["IpPermissions"]).iter().any(|p| p["FromPort"] == w.port && p["ToPort"] == w.port);
    let group = groups.iter().find(has).or(groups.first())?;
    let id = text(&group["GroupId"]);
    let permission = |said: &str| {
        let (ranges, cidr) = if w.from.is_ipv6() { ("Ipv6Ranges", "CidrIpv6") } else { ("IpRanges", "CidrIp") };
        format!("IpProtocol=tcp,FromPort={0},ToPort={0},{ranges}=[{{{cidr}={1}{said}}}]", w.port, w.from)
    };
    let command =
        |verb: &str, permission: &str| words(&["aws", "ec2", verb, "--group-id", id, "--ip-permissions", permission]);
    let mut before: Vec<String> = sources(w, group).into_iter().map(|s| s.line).collect();
    before.sort();
    let line = format!("tcp {} from {} (runbook)", w.port, w.from);
    let at = before.partition_point(|l| *l < line);
    Some(Repair {
        run: command("authorize-security-group-ingress", &permission(",Description=runbook")),
        undo: command("revoke-security-group-ingress", &permission("")),
        already: Some("InvalidPermission.Duplicate"),
        listing: listing(format!("security group {}, inbound", named(group)), &before, at, line),
    })
}

/// Why the subnet's ACL keeps the client out, and what a person can do about it.
fn acl_in_the_way(w: &Wanted<'_>, acl: &Value) -> Option<(String, String)> {
    let id = text(&acl["NetworkAclId"]);
    let port = u32::from(w.port);
    for (egress, ports, way) in [(false, (port, port), "in"), (true, EPHEMERAL, "out")] {
        let Some((entry, low, high)) = denied(acl, egress, &w.from, ports) else { continue };
        let number = entry["RuleNumber"].as_u64().unwrap_or(32767);
        let rule = if number >= 32767 { "its last rule".to_owned() } else { format!("its rule {number}") };
        let what = match egress {
            false => format!("{rule} denies port {low} from {}", w.from),
            true => format!("{rule} denies the answers to {}, which go to its ports {low}-{high}", w.from),
        };
        let free = free_number(acl, egress, number);
        let cidr = if w.from.is_ipv6() { "--ipv6-cidr-block" } else { "--cidr-block" };
        let direction = if egress { "--egress" } else { "--ingress" };
        let (from, to) = if egress { EPHEMERAL } else { ports };
        let todo = format!(
            "the ACL holds for a whole subnet, so it is yours to change; this would let the client {way}: aws ec2 create-network-acl-entry --network-acl-id {id} {direction} --rule-number {free} --protocol 6 --port-range From={from},To={to} {cidr} {} --rule-action allow",
            w.from
        );
        return Some((format!("the network ACL {id} of the subnet is in the way: {what}"), todo));
    }
    None
}

/// The first entry that keeps some of the ports out, with the first ports that it does; entries are taken by number.
fn denied<'v>(acl: &'v Value, egress: bool, client: &Net, ports: (u32, u32)) -> Option<(&'v Value, u32, u32)> {
    let mut entries: Vec<&Value> = items(&acl["Entries"]).iter().filter(|e| e["Egress"] == egress).collect();
    entries.sort_by_key(|e| e["RuleNumber"].as_u64());
    let mut left = vec![ports];
    for e in entries {
        let block = if client.is_ipv6() { &e["Ipv6CidrBlock"] } else { &e["CidrBlock"] };
        let allow = text(&e["RuleAction"]) == "allow";
        let fits = Net::parse(text(block)).is_some_and(|n| if allow { n.covers(client) } else { n.meets(client) });
        if !fits || !matches!(text(&e["Protocol"]), "-1" | "6") {
            continue;
        }
        let bound = |k: &str, or: u32| e["PortRange"][k].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(or);
        // -1 is every protocol, and so every port.
        let (low, high) =
            if text(&e["Protocol"]) == "-1" { (0, 65535) } else { (bound("From", 0), bound("To", 65535)) };
        let mut rest = Vec::new();
        for (a, b) in left {
            let (from, to) = (a.max(low), b.min(high));
            if from > to {
                rest.push((a, b));
                continue;
            }
            if !allow {
                return Some((e, from, to));
            }
            rest.extend([(a, from.wrapping_sub(1)), (to + 1, b)].into_iter().filter(|(x, y)| x <= y && *y <= b));
        }
        left = rest;
    }
    None
}

/// The largest number below that nobody has.
fn free_number(acl: &Value, egress: bool, below: u64) -> u64 {
    let taken = |n: u64| items(&acl["Entries"]).iter().any(|e| e["Egress"] == egress && e["RuleNumber"] == n);
    (1..below.min(32767)).rev().find(|n| !taken(*n)).unwrap_or(1)
}

#[cfg(test)]
#[path = "aws_tests.rs"]
mod tests;
