use serde_json::{Value, json};

use super::super::cli::tests::Recorded;
use super::*;

const NETWORK: &str = "https://www.googleapis.com/compute/v1/projects/shop/global/networks/default";

fn wanted(from: &str) -> Wanted<'static> {
    Wanted { instance: "web1", port: 22, from: Net::parse(from).unwrap(), address: None }
}

fn instance() -> Value {
    json!({
        "name": "web1", "status": "RUNNING",
        "zone": "https://www.googleapis.com/compute/v1/projects/shop/zones/europe-west1-b",
        "tags": {"items": ["web"]}, "serviceAccounts": [{"email": "web@shop.iam.gserviceaccount.com"}],
        "networkInterfaces": [{"name": "nic0", "network": NETWORK, "networkIP": "10.132.0.2",
                               "accessConfigs": [{"natIP": "198.51.100.9", "type": "ONE_TO_ONE_NAT"}]}],
    })
}

/// `NAME PRIORITY allow|deny PROTOCOL:PORTS SOURCE`, for all instances.
fn rule(text: &str) -> Value {
    let w: Vec<&str> = text.split(' ').collect();
    let (protocol, ports) = w[3].split_once(':').unwrap_or((w[3], ""));
    let mut what = json!({"IPProtocol": protocol});
    if !ports.is_empty() {
        what["ports"] = json!(ports.split(',').collect::<Vec<_>>());
    }
    let verb = if w[2] == "allow" { "allowed" } else { "denied" };
    json!({"name": w[0], "priority": w[1].parse::<u64>().unwrap(), "direction": "INGRESS", "disabled": false, "network": NETWORK,
           verb: [what], "sourceRanges": w[4].split(',').collect::<Vec<_>>()})
}

fn with(mut r: Value, key: &str, v: Value) -> Value {
    r[key] = v;
    r
}

fn judged(from: &str, firewalls: Vec<Value>, policies: Value, before: bool) -> Result<Verdict, Halt> {
    let i = instance();
    let effective = json!({"firewalls": firewalls, "firewallPolicys": policies});
    judge(&wanted(from), &i, &i["networkInterfaces"][0], &effective, before)
}

#[test]
fn the_lowest_priority_decides_and_of_two_alike_the_one_that_denies() {
    let ssh = "ssh 1000 allow tcp:22 0.0.0.0/0";
    for (rules, by) in [
        (vec![], Err("no firewall rule of the network default")),
        (vec![rule(ssh)], Ok("ssh")),
        (vec![rule("ssh 1000 allow tcp:20-25 203.0.113.0/24")], Ok("ssh")),
        (vec![rule("ssh 1000 allow tcp 203.0.113.0/24")], Ok("ssh")),
        (vec![rule("all 1000 allow all 0.0.0.0/0")], Ok("all")),
        (vec![rule("udp 1000 allow udp:22 0.0.0.0/0")], Err("no firewall rule")),
        (vec![rule("other 1000 allow tcp:22 198.51.100.0/24,10.0.0.0/8")], Err("no firewall rule")),
        (vec![rule("six 1000 allow tcp:22 ::/0")], Err("no firewall rule")),
        (vec![rule(ssh), rule("no 1000 deny all 0.0.0.0/0")], Err("the firewall rule no")),
        (vec![rule(ssh), rule("no 999 deny tcp:22 203.0.113.7/32")], Err("the firewall rule no")),
        (vec![rule(ssh), rule("no 1001 deny all 0.0.0.0/0")], Ok("ssh")),
        (vec![rule(ssh), rule("no 900 deny tcp:22 198.51.100.0/24")], Ok("ssh")),
        (vec![with(rule(ssh), "disabled", json!(true))], Err("no firewall rule")),
        (vec![with(rule(ssh), "direction", json!("EGRESS"))], Err("no firewall rule")),
        (vec![with(rule(ssh), "targetTags", json!(["web", "x"]))], Ok("ssh")),
        (vec![with(rule(ssh), "targetTags", json!(["db"]))], Err("no firewall rule")),
        (vec![with(rule(ssh), "targetServiceAccounts", json!(["web@shop.iam.gserviceaccount.com"]))], Ok("ssh")),
        (
            vec![with(with(rule(ssh), "sourceRanges", Value::Null), "sourceTags", json!(["bastion"]))],
            Err("no firewall rule"),
        ),
    ] {
        let v = judged("203.0.113.7", rules.clone(), json!([]), false).unwrap();
        assert_eq!(v.open, by.is_ok(), "{rules:?}: {}", v.why);
        let says = by.map_or_else(str::to_owned, |name| format!("the firewall rule {name}"));
        assert!(v.why.contains(&says), "{rules:?}: {}", v.why);
    }
    // A network of many is kept out by a rule about one of them.
    let rules = vec![rule(ssh), rule("no 900 deny tcp:22 203.0.113.7/32")];
    assert!(!judged("203.0.113.0/24", rules, json!([]), false).unwrap().open);
}

#[test]
fn the_repair_comes_before_what_denies() {
    for (rules, priority) in [
        (vec![], 1000),
        (vec![rule("no 65534 deny all 0.0.0.0/0")], 1000),
        (vec![rule("no 1000 deny all 0.0.0.0/0")], 999),
        (vec![rule("no 1 deny all 0.0.0.0/0")], 0),
    ] {
        let v = judged("203.0.113.7", rules, json!([]), false).unwrap();
        assert_eq!(
            v.repairs[0].run.join(" "),
            format!(
                "gcloud compute firewall-rules create runbook-tcp-22-203-0-113-7 --project=shop --network=default --direction=INGRESS --action=ALLOW --rules=tcp:22 --source-ranges=203.0.113.7/32 --priority={priority} --description=runbook --target-tags=web"
            )
        );
        assert_eq!(
            v.repairs[0].undo.join(" "),
            "gcloud compute firewall-rules delete runbook-tcp-22-203-0-113-7 --project=shop --quiet"
        );
        let new = format!("{priority} allow tcp:22 from 203.0.113.7/32 to tag web (runbook-tcp-22-203-0-113-7)\n");
        assert!(v.repairs[0].listing.after.starts_with(&new), "{:?}", v.repairs[0].listing);
    }
    let v = judged("203.0.113.7", vec![rule("no 0 deny all 0.0.0.0/0")], json!([]), false).unwrap();
    assert!(v.repairs.is_empty() && v.by_hand.unwrap().contains("priority 0"));
    // One of ours that does not help has the name.
    let ours = rule("runbook-tcp-22-203-0-113-7 1000 allow tcp:2222 203.0.113.7/32");
    let v = judged("203.0.113.7", vec![ours], json!([]), false).unwrap();
    assert_eq!(v.repairs[0].run[4], "runbook-tcp-22-203-0-113-7-2");
}

#[test]
fn a_policy_is_asked_in_its_turn_and_is_not_ours_to_change() {
    let policy = |kind: &str, rules: Value| json!([{"type": kind, "shortName": "org", "rules": rules}]);
    let one = |action: &str, source: Value| json!([{"priority": 10, "direction": "INGRESS", "action": action, "match": source}]);
    let ssh = json!({"srcIpRanges": ["0.0.0.0/0"], "layer4Configs": [{"ipProtocol": "tcp", "ports": ["22"]}]});
    let rest = json!({"srcIpRanges": ["0.0.0.0/0"], "layer4Configs": [{"ipProtocol": "all"}]});
    let lets_in = || vec![rule("ssh 1000 allow tcp:22 0.0.0.0/0")];
    let (deny, allow, next) = (one("deny", ssh.clone()), one("allow", ssh), one("goto_next", rest));
    for (firewalls, policies, before, open) in [
        (lets_in(), policy("HIERARCHY", deny.clone()), false, false),
        (lets_in(), policy("HIERARCHY", next), false, true),
        (vec![], policy("HIERARCHY", allow.clone()), false, true),
        (lets_in(), policy("NETWORK", deny.clone()), false, true),
        (lets_in(), policy("NETWORK", deny), true, false),
        (vec![], policy("NETWORK_REGIONAL", allow), false, true),
    ] {
        let v = judged("203.0.113.7", firewalls, policies.clone(), before).unwrap();
        assert_eq!(v.open, open, "{policies}: {}", v.why);
        assert!(v.repairs.is_empty(), "{:?}", v.repairs);
    }
    let geography = one("allow", json!({"srcRegionCodes": ["DE"], "layer4Configs": [{"ipProtocol": "all"}]}));
    let said = judged("203.0.113.7", vec![], policy("HIERARCHY", geography), false).unwrap_err();
    assert!(
        matches!(&said, Halt::Unknown { why, .. } if why.contains("rule 10 of the firewall policy org")),
        "{said:?}"
    );
    let tagged =
        one("allow", json!({"srcSecureTags": [{"name": "tagValues/1"}], "layer4Configs": [{"ipProtocol": "all"}]}));
    assert!(!judged("203.0.113.7", vec![], policy("HIERARCHY", tagged), false).unwrap().open);
}

#[test]
fn an_instance_is_found_by_name_or_by_zone_and_name() {
    let effective = json!({"firewalls": [rule("ssh 1000 allow tcp:22 0.0.0.0/0")], "firewallPolicys": []});
    let ask = "get-effective-firewalls web1 --zone=europe-west1-b --network-interface=nic0";
    let mut elsewhere = instance();
    elsewhere["zone"] = json!("https://www.googleapis.com/compute/v1/projects/shop/zones/us-east1-c");
    let mut w = wanted("203.0.113.7");
    let one = Recorded(vec![("list name=web1", json!([instance()])), (ask, effective.clone())]);
    assert!(look(&w, &one).unwrap().open);
    let two = Recorded(vec![("list name=web1", json!([instance(), elsewhere])), (ask, effective)]);
    let said = look(&w, &two).unwrap_err();
    assert!(matches!(&said, Halt::Error { why, .. } if why.contains("europe-west1-b, us-east1-c")), "{said:?}");
    w.instance = "europe-west1-b/web1";
    assert!(look(&w, &two).unwrap().open);
    let said = look(&w, &Recorded(vec![("list", json!([]))])).unwrap_err();
    assert!(matches!(&said, Halt::Unknown { why, .. } if why.contains("no instance")), "{said:?}");
    let stopped = with(instance(), "status", json!("TERMINATED"));
    let said = look(&w, &Recorded(vec![("list", json!([stopped]))])).unwrap_err();
    assert!(
        matches!(&said, Halt::Person { todo, .. } if todo.contains("instances start web1 --zone=europe-west1-b")),
        "{said:?}"
    );
}
