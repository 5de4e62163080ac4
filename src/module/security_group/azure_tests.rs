use serde_json::{Value, json};

use super::super::cli::tests::Recorded;
use super::*;

const G: &str = "/subscriptions/s1/resourceGroups/shop/providers/Microsoft.Network";

fn wanted(from: &str) -> Wanted<'static> {
    Wanted { instance: "web1", port: 22, from: Net::parse(from).unwrap(), address: None }
}

/// `NAME PRIORITY ACCESS PROTOCOL PORTS SOURCE [DESTINATION]`, with lists where there is a comma.
fn rule(text: &str) -> Value {
    let w: Vec<&str> = text.split(' ').collect();
    let list = |t: &str| if t.contains(',') { json!(t.split(',').collect::<Vec<_>>()) } else { json!([]) };
    let one = |t: &str| if t.contains(',') { Value::Null } else { json!(t) };
    json!({
        "name": w[0], "priority": w[1].parse::<u64>().unwrap(), "access": w[2], "protocol": w[3], "direction": "Inbound",
        "destinationPortRange": one(w[4]), "destinationPortRanges": list(w[4]),
        "sourceAddressPrefix": one(w[5]), "sourceAddressPrefixes": list(w[5]),
        "destinationAddressPrefix": w.get(6).unwrap_or(&"*"), "destinationAddressPrefixes": [], "sourcePortRange": "*",
    })
}

/// With the rules that every group has.
fn group(name: &str, rules: &[&str]) -> Value {
    let defaults = [
        "AllowVnetInBound 65000 Allow * * VirtualNetwork VirtualNetwork",
        "AllowAzureLoadBalancerInBound 65001 Allow * * AzureLoadBalancer",
        "DenyAllInBound 65500 Deny * * *",
    ];
    let all = |rules: &[&str]| rules.iter().map(|r| rule(r)).collect::<Vec<_>>();
    json!({"id": format!("{G}/networkSecurityGroups/{name}"), "name": name, "securityRules": all(rules), "defaultSecurityRules": all(&defaults)})
}

fn judged(from: &str, groups: &[Value]) -> Result<Verdict, Halt> {
    let ip = json!({"privateIPAddress": "10.0.0.4"});
    let nic = json!({"name": "web1-nic", "id": format!("{G}/networkInterfaces/web1-nic")});
    let groups: Vec<&Value> = groups.iter().collect();
    judge(
        &wanted(from),
        &nic,
        &ip,
        &groups,
        &[Net::parse("10.0.0.0/16").unwrap()],
        &json!({"sku": {"name": "Standard"}}),
    )
}

#[test]
fn the_first_rule_by_priority_decides() {
    const ME: &str = "203.0.113.7";
    for (from, rules, by) in [
        (ME, vec![], "DenyAllInBound"),
        ("10.0.3.9", vec![], "AllowVnetInBound"),
        (ME, vec!["ssh 300 Allow Tcp 22 *"], "ssh"),
        (ME, vec!["ssh 300 Allow TCP 22 Internet"], "ssh"),
        ("10.0.3.9", vec!["ssh 300 Allow TCP 22 Internet"], "AllowVnetInBound"),
        (ME, vec!["ssh 300 Allow * 20-25 203.0.113.0/24"], "ssh"),
        (ME, vec!["ssh 300 Allow Tcp 80,22,443 198.51.100.1,203.0.113.7"], "ssh"),
        (ME, vec!["ssh 300 Allow Tcp 80,443 *"], "DenyAllInBound"),
        (ME, vec!["ssh 300 Allow Udp 22 *"], "DenyAllInBound"),
        (ME, vec!["ssh 300 Allow Tcp 22 * 10.0.0.4"], "ssh"),
        (ME, vec!["ssh 300 Allow Tcp 22 * 10.0.0.5"], "DenyAllInBound"),
        (ME, vec!["ssh 300 Allow Tcp 22 *", "no 200 Deny * * *"], "no"),
        (ME, vec!["ssh 300 Allow Tcp 22 *", "no 200 Deny * * 198.51.100.0/24"], "ssh"),
        (ME, vec!["ssh 300 Allow Tcp 22 *", "no 400 Deny * * *"], "ssh"),
        (ME, vec!["vnet 300 Allow Tcp 22 VirtualNetwork"], "DenyAllInBound"),
        ("2001:db8::7", vec!["ssh 300 Allow Tcp 22 0.0.0.0/0"], "DenyAllInBound"),
    ] {
        let v = judged(from, &[group("web-nsg", &rules)]).unwrap();
        assert!(v.why.ends_with(&format!("({by})")), "{from} {rules:?}: {}", v.why);
        assert_eq!(v.open, !by.to_lowercase().contains("deny") && by != "no", "{}", v.why);
    }
}

#[test]
fn what_a_tag_stands_for_is_not_guessed() {
    let said = judged("203.0.113.7", &[group("n", &["cloud 300 Allow Tcp 22 AzureCloud"])]).unwrap_err();
    assert!(matches!(&said, Halt::Unknown { why, .. } if why.contains("AzureCloud")), "{said:?}");
    // Either way it is let in.
    let v =
        judged("203.0.113.7", &[group("n", &["cloud 300 Allow Tcp 22 AzureCloud", "ssh 400 Allow Tcp 22 *"])]).unwrap();
    assert!(v.open, "{}", v.why);
    // A peered network may be within VirtualNetwork.
    assert!(judged("10.9.0.1", &[group("n", &[])]).is_err());
}

#[test]
fn both_groups_must_let_in_and_each_is_mended() {
    let open = group("open", &["ssh 300 Allow Tcp 22 *"]);
    let v = judged("203.0.113.7", &[open.clone(), group("nic", &[])]).unwrap();
    assert!(!v.open && v.repairs.len() == 1 && v.why.contains("group nic"), "{v:?}");
    assert_eq!(judged("203.0.113.7", &[group("a", &[]), group("b", &[])]).unwrap().repairs.len(), 2);
    assert!(judged("203.0.113.7", &[open.clone(), open]).unwrap().open);
}

#[test]
fn without_a_group_a_standard_address_lets_nobody_in() {
    let v = judged("203.0.113.7", &[]).unwrap();
    assert!(!v.open && v.repairs.is_empty() && v.by_hand.unwrap().contains("az network nsg create"));
    let basic = json!({"sku": {"name": "Basic"}});
    let v = judge(&wanted("203.0.113.7"), &json!({}), &json!({}), &[], &[], &basic).unwrap();
    assert!(v.open, "{}", v.why);
}

#[test]
fn the_repair_is_one_narrow_rule_before_what_denies() {
    for (rules, priority) in [
        (vec![], "1000"),
        (vec!["x 1000 Allow Tcp 80 *"], "1001"),
        (vec!["no 200 Deny * * *"], "199"),
        (vec!["no 200 Deny * * *", "x 199 Allow Tcp 80 *"], "198"),
    ] {
        let v = judged("203.0.113.7", &[group("web-nsg", &rules)]).unwrap();
        assert_eq!(
            v.repairs[0].run.join(" "),
            format!(
                "az network nsg rule create --subscription s1 --resource-group shop --nsg-name web-nsg --name runbook-tcp-22-203-0-113-7 --priority {priority} --direction Inbound --access Allow --protocol Tcp --source-address-prefixes 203.0.113.7/32 --source-port-ranges * --destination-address-prefixes 10.0.0.4/32 --destination-port-ranges 22 --description runbook"
            )
        );
        assert_eq!(
            v.repairs[0].undo.join(" "),
            "az network nsg rule delete --subscription s1 --resource-group shop --nsg-name web-nsg --name runbook-tcp-22-203-0-113-7"
        );
        let new = format!("{priority} Allow Tcp 22 from 203.0.113.7/32 to 10.0.0.4/32 (runbook-tcp-22-203-0-113-7)\n");
        assert!(v.repairs[0].listing.after.contains(&new) && !v.repairs[0].listing.before.contains("runbook"));
    }
    let v = judged("203.0.113.7", &[group("n", &["no 100 Deny * * *"])]).unwrap();
    assert!(v.repairs.is_empty() && v.by_hand.unwrap().contains("no priority is free"));
}

fn recorded(state: &str) -> Vec<(&'static str, Value)> {
    let vm = format!("{}/virtualMachines/web1", G.replace("Network", "Compute"));
    let subnet = format!("{G}/virtualNetworks/v/subnets/default");
    vec![
        ("vm list [?name=='web1'].id", json!([vm])),
        (
            "vm show",
            json!({"name": "web1", "powerState": state, "networkProfile": {"networkInterfaces": [{"id": "NIC", "primary": true}]}}),
        ),
        (
            "nic show NIC",
            json!({
                "name": "web1-nic", "id": "NIC", "primary": true,
                "networkSecurityGroup": {"id": format!("{G}/networkSecurityGroups/nic")},
                "ipConfigurations": [{"primary": true, "privateIPAddress": "10.0.0.4", "subnet": {"id": subnet}, "publicIPAddress": {"id": "PIP"}}],
            }),
        ),
        (
            "vnet show",
            json!({
                "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
                // Another case than in the interface.
                "subnets": [{"id": subnet.to_uppercase(), "networkSecurityGroup": {"id": format!("{G}/networkSecurityGroups/sub")}}],
            }),
        ),
        ("public-ip show PIP", json!({"sku": {"name": "Standard"}})),
        (
            "nsg show /subscriptions/s1/resourceGroups/shop/providers/Microsoft.Network/networkSecurityGroups/nic",
            group("nic", &["ssh 300 Allow Tcp 22 *"]),
        ),
        (
            "nsg show /subscriptions/s1/resourceGroups/shop/providers/Microsoft.Network/networkSecurityGroups/sub",
            group("sub", &[]),
        ),
    ]
}

#[test]
fn the_groups_of_subnet_and_interface_are_found() {
    let v = look(&wanted("203.0.113.7"), &Recorded(recorded("VM running"))).unwrap();
    assert!(!v.open && v.repairs.len() == 1 && v.why.contains("group sub keeps"), "{v:?}");
    let said = look(&wanted("203.0.113.7"), &Recorded(recorded("VM deallocated"))).unwrap_err();
    assert!(
        matches!(&said, Halt::Person { why, todo, .. } if why.contains("VM deallocated") && todo.contains("az vm start --ids /subscriptions/")),
        "{said:?}"
    );
    let none = Recorded(vec![("vm list", json!([]))]);
    assert!(
        matches!(look(&wanted("203.0.113.7"), &none).unwrap_err(), Halt::Unknown { why, .. } if why.contains("no machine web1"))
    );
    let ids = json!(["/subscriptions/s/resourceGroups/a/x/web1", "/subscriptions/s/resourceGroups/b/x/web1"]);
    let said = look(&wanted("203.0.113.7"), &Recorded(vec![("vm list", ids)])).unwrap_err();
    assert!(matches!(&said, Halt::Error { why, .. } if why.contains("groups a, b")), "{said:?}");
}
