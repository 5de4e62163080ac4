use serde_json::{Value, json};

use super::super::cli::tests::Recorded;
use super::*;

fn wanted(from: &str) -> Wanted<'static> {
    Wanted { instance: "386734086", port: 22, from: Net::parse(from).unwrap(), address: None }
}

fn droplet(status: &str) -> Value {
    json!([{"id": 386_734_086, "name": "web1", "status": status, "tags": ["web"]}])
}

/// A firewall with rules `PROTOCOL PORTS SOURCE`.
fn firewall(name: &str, to: Value, rules: &[(&str, &str, Value)]) -> Value {
    let inbound: Vec<Value> = rules
        .iter()
        .map(|(protocol, ports, sources)| json!({"protocol": protocol, "ports": ports, "sources": sources}))
        .collect();
    let mut f = json!({"id": format!("id-{name}"), "name": name, "status": "succeeded", "inbound_rules": inbound, "droplet_ids": [], "tags": []});
    f.as_object_mut().unwrap().extend(to.as_object().unwrap().clone());
    f
}

#[test]
fn any_rule_of_any_firewall_lets_in() {
    let from = |a: &str| json!({"addresses": [a]});
    let mine = json!({"droplet_ids": [386_734_086]});
    for (firewalls, open) in [
        (vec![], true),
        (vec![firewall("a", json!({"tags": ["db"]}), &[])], true),
        (vec![firewall("a", mine.clone(), &[])], false),
        (vec![firewall("a", json!({"tags": ["web"]}), &[])], false),
        (vec![firewall("a", mine.clone(), &[("tcp", "22", from("203.0.113.0/24"))])], true),
        (vec![firewall("a", mine.clone(), &[("tcp", "22", from("203.0.113.7"))])], true),
        (vec![firewall("a", mine.clone(), &[("tcp", "22", from("198.51.100.0/24"))])], false),
        (vec![firewall("a", mine.clone(), &[("tcp", "20-25", from("0.0.0.0/0"))])], true),
        (vec![firewall("a", mine.clone(), &[("tcp", "0", from("0.0.0.0/0"))])], true),
        (vec![firewall("a", mine.clone(), &[("udp", "22", from("0.0.0.0/0"))])], false),
        (vec![firewall("a", mine.clone(), &[("tcp", "22", from("::/0"))])], false),
        (vec![firewall("a", mine.clone(), &[("tcp", "22", json!({"tags": ["bastion"]}))])], false),
        (
            vec![
                firewall("a", mine.clone(), &[]),
                firewall("b", json!({"tags": ["web"]}), &[("tcp", "22", from("0.0.0.0/0"))]),
            ],
            true,
        ),
    ] {
        let v = judge(&wanted("203.0.113.7"), &droplet("active")[0], &firewalls);
        assert_eq!((v.open, v.repairs.is_empty()), (open, open), "{firewalls:?}: {}", v.why);
    }
}

#[test]
fn the_repair_is_one_rule_in_the_firewall_that_has_the_port() {
    let mine = json!({"droplet_ids": [386_734_086]});
    let a = firewall("a", mine.clone(), &[("tcp", "443", json!({"addresses": ["0.0.0.0/0", "::/0"]}))]);
    let b = firewall("b", mine, &[("tcp", "22", json!({"addresses": ["198.51.100.1/32"], "tags": ["bastion"]}))]);
    let v = judge(&wanted("203.0.113.7"), &droplet("active")[0], &[a, b]);
    let rule = "id-b --inbound-rules protocol:tcp,ports:22,address:203.0.113.7/32";
    assert_eq!(v.repairs[0].run.join(" "), format!("doctl compute firewall add-rules {rule}"));
    assert_eq!(v.repairs[0].undo.join(" "), format!("doctl compute firewall remove-rules {rule}"));
    assert_eq!(v.repairs[0].listing.before, "tcp 22 from 198.51.100.1/32\ntcp 22 from tag bastion\n");
    assert_eq!(
        v.repairs[0].listing.after,
        "tcp 22 from 198.51.100.1/32\ntcp 22 from 203.0.113.7/32\ntcp 22 from tag bastion\n"
    );
}

#[test]
fn a_droplet_that_is_off_is_said() {
    let cli = |status| Recorded(vec![("droplet get 386734086", droplet(status)), ("firewall list", json!([]))]);
    assert!(look(&wanted("203.0.113.7"), &cli("active")).unwrap().open);
    let said = look(&wanted("203.0.113.7"), &cli("off")).unwrap_err();
    assert!(matches!(&said, Halt::Person { todo, .. } if todo.contains("power-on 386734086")), "{said:?}");
}
