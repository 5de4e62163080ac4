use serde_json::{Value, json};

use super::super::cli::tests::Recorded;
use super::*;

fn wanted(from: &str) -> Wanted<'static> {
    Wanted { instance: "i-1", port: 22, from: Net::parse(from).unwrap(), address: None }
}

/// A group with rules `PROTOCOL LOW HIGH SOURCE`; -1 has no ports.
fn group(id: &str, rules: &[(&str, i64, i64, &str)]) -> Value {
    let permissions = rules.iter().map(|(protocol, low, high, source)| {
        let (key, field) = match source {
            s if s.starts_with("pl-") => ("PrefixListIds", "PrefixListId"),
            s if s.starts_with("sg-") => ("UserIdGroupPairs", "GroupId"),
            s if s.contains(':') => ("Ipv6Ranges", "CidrIpv6"),
            _ => ("IpRanges", "CidrIp"),
        };
        let mut p = json!({"IpProtocol": protocol, key: [{field: source}]});
        if *low >= 0 {
            (p["FromPort"], p["ToPort"]) = (json!(low), json!(high));
        }
        p
    });
    json!({"GroupId": id, "GroupName": "", "IpPermissions": permissions.collect::<Vec<_>>()})
}

/// An ACL of `EGRESS NUMBER PROTOCOL LOW HIGH NET ACTION`.
fn acl(entries: &[(bool, u64, &str, u64, u64, &str, &str)]) -> Value {
    let entry = |e: &(bool, u64, &str, u64, u64, &str, &str)| {
        let cidr = if e.5.contains(':') { "Ipv6CidrBlock" } else { "CidrBlock" };
        json!({"Egress": e.0, "RuleNumber": e.1, "Protocol": e.2, "PortRange": {"From": e.3, "To": e.4}, cidr: e.5, "RuleAction": e.6})
    };
    json!({"NetworkAclId": "acl-1", "Entries": entries.iter().map(entry).collect::<Vec<_>>()})
}

fn open_acl() -> Value {
    acl(&[
        (false, 100, "-1", 0, 0, "0.0.0.0/0", "allow"),
        (false, 32767, "-1", 0, 0, "0.0.0.0/0", "deny"),
        (true, 100, "-1", 0, 0, "0.0.0.0/0", "allow"),
        (true, 32767, "-1", 0, 0, "0.0.0.0/0", "deny"),
    ])
}

fn nic() -> Value {
    json!({"Association": {"PublicIp": "198.51.100.9"}, "Ipv6Addresses": [{"Ipv6Address": "2001:db8::9"}]})
}

fn judged(from: &str, groups: &[Value], acl: &Value, lists: &Lists) -> Result<Verdict, Halt> {
    let groups: Vec<&Value> = groups.iter().collect();
    judge(&wanted(from), &nic(), &groups, acl, lists)
}

#[test]
fn any_rule_of_any_group_lets_in_and_none_keeps_out() {
    const ME: &str = "203.0.113.7";
    const ME6: &str = "2001:db8::7";
    for (from, rules, by) in [
        (ME, vec![], None),
        (ME, vec![("tcp", 22, 22, "203.0.113.7/32")], Some("tcp 22 from 203.0.113.7/32")),
        (ME, vec![("tcp", 22, 22, "203.0.113.0/24")], Some("tcp 22 from 203.0.113.0/24")),
        (ME, vec![("tcp", 22, 22, "203.0.114.0/24")], None),
        (ME, vec![("tcp", 20, 25, "0.0.0.0/0")], Some("tcp 20-25 from 0.0.0.0/0")),
        (ME, vec![("tcp", 23, 25, "0.0.0.0/0")], None),
        (ME, vec![("tcp", 0, 65535, "0.0.0.0/0")], Some("tcp 0-65535 from 0.0.0.0/0")),
        (ME, vec![("udp", 22, 22, "0.0.0.0/0")], None),
        (ME, vec![("-1", -1, -1, "203.0.113.0/24")], Some("all from 203.0.113.0/24")),
        (ME, vec![("icmp", -1, -1, "0.0.0.0/0")], None),
        (ME, vec![("tcp", 22, 22, "::/0")], None),
        (ME6, vec![("tcp", 22, 22, "0.0.0.0/0")], None),
        (ME6, vec![("tcp", 22, 22, "2001:db8::/32")], Some("tcp 22 from 2001:db8::/32")),
        (ME, vec![("tcp", 22, 22, "sg-2")], None),
        ("203.0.113.0/24", vec![("tcp", 22, 22, "203.0.113.7/32")], None),
    ] {
        // Half of the rules in each group: they are one set.
        let groups = [group("sg-1", &[("tcp", 443, 443, "0.0.0.0/0")]), group("sg-2", &rules)];
        let v = judged(from, &groups, &open_acl(), &Lists::new()).unwrap();
        assert_eq!(v.open, by.is_some(), "{from} {rules:?}: {}", v.why);
        assert!(by.is_none_or(|by| v.why.contains(by) && v.why.contains("sg-2")), "{}", v.why);
        assert_eq!(v.repairs.len(), usize::from(by.is_none()));
    }
}

#[test]
fn the_repair_is_one_narrow_rule_beside_the_others() {
    let groups = [
        group("sg-1", &[("tcp", 443, 443, "0.0.0.0/0")]),
        group("sg-2", &[("tcp", 22, 22, "198.51.100.0/24"), ("tcp", 80, 80, "0.0.0.0/0")]),
    ];
    let v = judged("203.0.113.7", &groups, &open_acl(), &Lists::new()).unwrap();
    let r = &v.repairs[0];
    assert_eq!(
        r.run.join(" "),
        "aws ec2 authorize-security-group-ingress --group-id sg-2 --ip-permissions IpProtocol=tcp,FromPort=22,ToPort=22,IpRanges=[{CidrIp=203.0.113.7/32,Description=runbook}]"
    );
    assert_eq!(
        r.undo.join(" "),
        "aws ec2 revoke-security-group-ingress --group-id sg-2 --ip-permissions IpProtocol=tcp,FromPort=22,ToPort=22,IpRanges=[{CidrIp=203.0.113.7/32}]"
    );
    assert_eq!(r.listing.before, "tcp 22 from 198.51.100.0/24\ntcp 80 from 0.0.0.0/0\n");
    assert_eq!(
        r.listing.after,
        "tcp 22 from 198.51.100.0/24\ntcp 22 from 203.0.113.7/32 (runbook)\ntcp 80 from 0.0.0.0/0\n"
    );
    let v = judged("2001:db8::7", &groups, &open_acl(), &Lists::new()).unwrap();
    assert!(
        v.repairs[0].run[6].ends_with("Ipv6Ranges=[{CidrIpv6=2001:db8::7/128,Description=runbook}]"),
        "{:?}",
        v.repairs
    );
}

#[test]
fn a_prefix_list_counts_only_as_far_as_it_was_looked_into() {
    let groups = [group("sg-1", &[("tcp", 22, 22, "pl-1")])];
    let known =
        |nets: &[&str]| Lists::from([("pl-1".to_owned(), Ok(nets.iter().map(|n| Net::parse(n).unwrap()).collect()))]);
    assert!(judged("203.0.113.7", &groups, &open_acl(), &known(&["203.0.113.0/24"])).unwrap().open);
    assert!(!judged("203.0.113.7", &groups, &open_acl(), &known(&["10.0.0.0/8"])).unwrap().open);
    let unknown = Lists::from([("pl-1".to_owned(), Err("aws: denied".to_owned()))]);
    let Err(Halt::Unknown { why, .. }) = judged("203.0.113.7", &groups, &open_acl(), &unknown) else { panic!() };
    assert!(why.contains("pl-1") && why.contains("aws: denied"), "{why}");
    // Where another rule decides, nobody has to know.
    let plain = [groups[0].clone(), group("sg-2", &[("tcp", 22, 22, "0.0.0.0/0")])];
    assert!(judged("203.0.113.7", &plain, &open_acl(), &unknown).unwrap().open);
    assert!(unresolved(&wanted("203.0.113.7"), &plain.iter().collect::<Vec<_>>()).is_empty());
}

#[test]
fn an_acl_is_asked_both_ways_and_named() {
    let lets_in = [group("sg-1", &[("tcp", 22, 22, "0.0.0.0/0")])];
    let all_out = (true, 100, "-1", 0, 0, "0.0.0.0/0", "allow");
    let all_in = (false, 100, "-1", 0, 0, "0.0.0.0/0", "allow");
    for (entries, says, todo) in [
        (vec![all_in, all_out], "", ""),
        (
            vec![(false, 90, "6", 22, 22, "203.0.113.0/24", "deny"), all_in, all_out],
            "its rule 90 denies port 22 from 203.0.113.7/32",
            "--ingress --rule-number 89 --protocol 6 --port-range From=22,To=22 --cidr-block 203.0.113.7/32",
        ),
        (vec![(false, 90, "6", 22, 22, "198.51.100.0/24", "deny"), all_in, all_out], "", ""),
        (vec![(false, 110, "6", 22, 22, "203.0.113.0/24", "deny"), all_in, all_out], "", ""),
        (vec![(false, 90, "17", 22, 22, "0.0.0.0/0", "deny"), all_in, all_out], "", ""),
        (
            vec![
                (false, 90, "6", 443, 443, "0.0.0.0/0", "allow"),
                (false, 32767, "-1", 0, 0, "0.0.0.0/0", "deny"),
                all_out,
            ],
            "its last rule denies port 22",
            "--rule-number 32766",
        ),
        (
            vec![
                all_in,
                (true, 100, "6", 1024, 65535, "0.0.0.0/0", "allow"),
                (true, 32767, "-1", 0, 0, "0.0.0.0/0", "deny"),
            ],
            "",
            "",
        ),
        (
            vec![
                all_in,
                (true, 100, "6", 49152, 65535, "0.0.0.0/0", "allow"),
                (true, 32767, "-1", 0, 0, "0.0.0.0/0", "deny"),
            ],
            "answers to 203.0.113.7/32, which go to its ports 32768-49151",
            "--egress",
        ),
        (
            vec![all_in, (true, 50, "6", 40000, 40009, "0.0.0.0/0", "deny"), all_out],
            "its rule 50 denies the answers to 203.0.113.7/32, which go to its ports 40000-40009",
            "--egress --rule-number 49",
        ),
    ] {
        let v = judged("203.0.113.7", &lets_in, &acl(&entries), &Lists::new()).unwrap();
        assert_eq!(v.open, says.is_empty(), "{entries:?}: {}", v.why);
        assert!(v.why.contains(says) && v.by_hand.unwrap_or_default().contains(todo), "{entries:?}: {}", v.why);
        assert!(v.repairs.is_empty(), "an ACL is not ours to change");
    }
}

#[test]
fn the_group_is_mended_though_an_acl_is_in_the_way_too() {
    let acl = acl(&[(false, 32767, "-1", 0, 0, "0.0.0.0/0", "deny")]);
    let v = judged("203.0.113.7", &[group("sg-1", &[])], &acl, &Lists::new()).unwrap();
    assert!(!v.open && v.repairs.len() == 1 && v.by_hand.is_some() && v.notes[0].contains("acl-1"), "{v:?}");
}

fn instance(state: &str) -> Value {
    let nic = |index: u64, public: &str, group: &str| json!({"Attachment": {"DeviceIndex": index}, "Association": {"PublicIp": public}, "SubnetId": format!("subnet-{index}"), "Groups": [{"GroupId": group}], "Ipv6Addresses": []});
    let nics = [nic(1, "198.51.100.2", "sg-2"), nic(0, "198.51.100.1", "sg-1")];
    json!({"Reservations": [{"Instances": [{"InstanceId": "i-1", "State": {"Name": state}, "NetworkInterfaces": nics}]}]})
}

#[test]
fn the_interface_with_the_targets_address_is_the_one() {
    let open = json!({"SecurityGroups": [group("sg-2", &[("tcp", 22, 22, "0.0.0.0/0")])]});
    let closed = json!({"SecurityGroups": [group("sg-1", &[])]});
    let cli = Recorded(vec![
        ("describe-instances i-1", instance("running")),
        ("describe-security-groups sg-1", closed),
        ("describe-security-groups sg-2", open),
        ("describe-network-acls", json!({"NetworkAcls": [open_acl()]})),
    ]);
    let mut w = wanted("203.0.113.7");
    assert!(!look(&w, &cli).unwrap().open, "the first interface, where no address is known");
    w.address = "198.51.100.2".parse().ok();
    assert!(look(&w, &cli).unwrap().open);
}

#[test]
fn what_does_not_run_or_is_not_there_is_said() {
    let w = wanted("203.0.113.7");
    for (answer, says) in [
        (instance("stopped"), "is stopped"),
        (instance("pending"), "is pending"),
        (instance("terminated"), "was terminated"),
        (json!({"Reservations": []}), "there is no instance i-1"),
    ] {
        let said = look(&w, &Recorded(vec![("describe-instances", answer)])).unwrap_err();
        assert!(
            matches!(&said, Halt::Person { why, .. } | Halt::Unknown { why, .. } if why.contains(says)),
            "{said:?}"
        );
    }
}
