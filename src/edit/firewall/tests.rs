//! Single rules and whole files, as tools print them; the kernel's own word is in tests/it/firewall.

use std::net::IpAddr;

use super::*;

fn question(port: u16, from: Option<&str>) -> Question {
    let from: Option<IpAddr> = from.map(|f| f.parse().unwrap());
    Question {
        v6: from.is_some_and(|f| f.is_ipv6()),
        from: from.map(|f| (f, f)),
        to: Some("10.77.0.5".parse().unwrap()),
        port,
        device: Some("eth0".into()),
        own: vec![("eth0".into(), "10.77.0.5".parse().unwrap())],
    }
}

fn filter(rules: &str) -> Ruleset {
    let text = format!("*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{rules}\nCOMMIT\n");
    Ruleset { tables: iptables::parse(&text, false, "iptables"), ipsets: None }
}

/// What a client meets: the outcome, and the text of the rule that decides.
fn met(rules: &Ruleset, q: &Question) -> (Outcome, String) {
    let a = judge(rules, q);
    let text = |p: &Place| match p.rule {
        Some(r) => rules.tables[p.table].chains[p.chain].rules[r].text.clone(),
        None => format!("policy of {}", rules.tables[p.table].chains[p.chain].name),
    };
    let place = match a.outcome {
        Outcome::Accepted => a.accepted.as_ref().map(text),
        Outcome::Denied => a.ending.as_ref().map(|e| text(&e.place)),
        Outcome::Unknown => a.unclear.as_ref().map(|(_, p)| text(p)),
    };
    (a.outcome, place.unwrap_or_default())
}

#[test]
fn anybody_is_whom_no_rule_names() {
    let bans = filter("-A INPUT -s 192.0.2.7/32 -j REJECT\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT");
    let a = judge(&bans, &question(22, None));
    assert_eq!((a.outcome, a.some.len()), (Outcome::Accepted, 1));
    assert_eq!(judge(&bans, &question(22, Some("192.0.2.7"))).outcome, Outcome::Denied);
    let office = filter("-A INPUT -s 10.9.0.0/16 -p tcp -m tcp --dport 22 -j ACCEPT\n-A INPUT -j DROP");
    let a = judge(&office, &question(22, None));
    assert_eq!((a.outcome, a.let_in), (Outcome::Denied, true));
    let all = filter("-A INPUT -p tcp -m tcp --dport 22 -j DROP");
    assert!(!judge(&all, &question(22, None)).let_in);
    assert_eq!(judge(&filter(""), &question(22, None)).outcome, Outcome::Accepted);
    let but = filter("-A INPUT ! -s 10.9.0.0/16 -p tcp -m tcp --dport 22 -j DROP");
    let a = judge(&but, &question(22, None));
    assert_eq!((a.outcome, a.let_in), (Outcome::Denied, true));
}

#[test]
fn whoever_is_let_in_by_another_way_counts() {
    let let_in = |rules: &str| {
        let a = judge(&filter(rules), &question(22, None));
        assert_eq!(a.outcome, Outcome::Denied, "{rules}");
        a.let_in
    };
    let only = |ways: &str| {
        let_in(&format!(
            "-A INPUT -i lo -j ACCEPT\n-A INPUT {ways} -p tcp -m tcp --dport 22 -j ACCEPT\n-A INPUT -j DROP"
        ))
    };
    assert!(only("-i wg0"));
    assert!(only("-i tun+"));
    assert!(only("-i wg0 -s 10.8.0.0/24"));
    assert!(only("! -i eth0"));
    assert!(only("-m mark --mark 0x7"));
    assert!(!only("-i lo"));
    assert!(!only("-d 224.0.0.251/32"));
    assert!(!only("-i eth0 -m conntrack --ctstate ESTABLISHED"));
    // With no other way in, who comes this way is everybody.
    assert!(!let_in("-A INPUT -i eth0 -p tcp -m tcp --dport 22 -j DROP"));
    let mut q = question(22, None);
    q.own.push(("eth1".into(), "10.99.0.5".parse().unwrap()));
    assert!(judge(&filter("-A INPUT -i eth0 -p tcp -m tcp --dport 22 -j DROP"), &q).let_in);
    let inside = "-A INPUT -d 10.99.0.5/32 -p tcp -m tcp --dport 22 -j ACCEPT\n-A INPUT -j DROP";
    assert!(judge(&filter(inside), &q).let_in);
}

#[test]
fn a_long_list_of_bans_is_no_long_list_of_reasons() {
    let bans: Vec<String> =
        (0..10_000).map(|n| format!("-A INPUT -s 10.8.{}.{}/32 -j DROP", n / 256, n % 256)).collect();
    let rules = filter(&bans.join("\n"));
    let a = judge(&rules, &question(22, None));
    assert_eq!((a.outcome, a.some.len(), a.unclear), (Outcome::Accepted, 10_000, None));
    let ways = walk::walk(&rules, &question(22, None), true);
    // The client's first packet meets each, and so does its next.
    assert_eq!(ways.endings.len(), 20_000);
    let [(matching::Why::Client, first)] = ways.whys.as_slice() else { panic!("{} reasons", ways.whys.len()) };
    assert_eq!(first.rule, Some(0));
    // A map is one rule, however much it holds.
    let one =
        |n: u128| model::Element { verdict: Some(model::Verdict::Drop), ..model::Element::one(model::Item::number(n)) };
    let mut map = filter("-A INPUT -j ACCEPT");
    let keys = vec![model::Field::from(model::Key::From4)];
    map.tables[0].chains[0].rules[0].parts =
        vec![model::Part::Map(keys, model::Values::List((1 << 24..(1 << 24) + 10_000).map(one).collect()))];
    assert_eq!(walk::walk(&map, &question(22, None), true).endings.len(), 2);
}

#[test]
fn a_limit_may_decide() {
    let ufw = "-A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --set --name DEFAULT --mask 255.255.255.255 --rsource\n\
               -A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --update --seconds 30 --hitcount 6 --name DEFAULT --mask 255.255.255.255 --rsource -j REJECT\n\
               -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT";
    let a = judge(&filter(ufw), &question(22, None));
    assert_eq!(a.outcome, Outcome::Accepted);
    assert!(a.limit.is_some());
}

#[test]
fn what_is_not_understood_is_said() {
    let odd = filter("-A INPUT -m geoip --source-country DE -j DROP\n-A INPUT -j ACCEPT");
    assert_eq!(
        met(&odd, &question(22, None)),
        (Outcome::Unknown, "-A INPUT -m geoip --source-country DE -j DROP".to_owned())
    );
    // It cannot decide about another port.
    let other = filter("-A INPUT -p tcp -m tcp --dport 80 -m geoip --source-country DE -j DROP\n-A INPUT -j ACCEPT");
    assert_eq!(judge(&other, &question(22, None)).outcome, Outcome::Accepted);
    let set = filter("-A INPUT -m set --match-set mine src -j DROP");
    assert_eq!(judge(&set, &question(22, None)).outcome, Outcome::Unknown);
}

#[test]
fn sets_of_ipset() {
    let mut rules =
        filter("-A INPUT -m set --match-set mine src,dst -j DROP\n-A INPUT -m set ! --match-set good src -j REJECT");
    rules.ipsets = Some(ipset::parse(
        "create mine hash:net,port family inet hashsize 1024 maxelem 65536\nadd mine 10.9.0.0/16,tcp:22\nadd mine 10.9.1.1,tcp:22 nomatch\n\
         create good hash:ip family inet hashsize 1024 maxelem 65536\nadd good 10.9.1.1\nadd good 10.8.0.1 timeout 3\n",
    ));
    let of = |from: &str, port: u16| judge(&rules, &question(port, Some(from))).ending.map(|e| e.end);
    assert_eq!(of("10.9.0.1", 22), Some(End::Drop));
    assert_eq!(of("10.9.0.1", 80), Some(End::Reject("icmp-port-unreachable".into())));
    assert_eq!(of("10.9.1.1", 22), None);
    assert_eq!(of("10.8.0.1", 22), None);
    // Of a long one only the first element is told, and it is not known who else is in it.
    rules.ipsets = Some(ipset::parse("create mine hash:net,port\ncreate good hash:ip\nlong good 10.9.1.1\n"));
    assert_eq!(judge(&rules, &question(22, Some("10.9.1.1"))).outcome, Outcome::Unknown);
    assert_eq!(rules.ipsets.unwrap()[1].long.as_deref(), Some("10.9.1.1"));
}

#[test]
fn the_answer_and_what_follows_count_too() {
    let deaf = filter("-A OUTPUT -p tcp -m tcp --sport 22 -j DROP");
    assert_eq!(judge(&deaf, &question(22, None)).ending.unwrap().leg, Leg::Answer);
    let new_only = filter("-A INPUT -p tcp -m conntrack --ctstate NEW -m tcp --dport 22 -j ACCEPT\n-A INPUT -j DROP");
    assert_eq!(judge(&new_only, &question(22, None)).ending.unwrap().leg, Leg::Next);
    for rules in [deaf, new_only] {
        let found = repair(&rules, &[question(22, None)]).unwrap();
        assert_eq!(found.len(), 1);
    }
}

#[test]
fn a_rule_goes_before_the_one_that_decides() {
    let rules = filter(
        ":web - [0:0]\n-A INPUT -i lo -j ACCEPT\n-A INPUT -p tcp -j web\n-A web -p tcp -m tcp --dport 80 -j ACCEPT\n-A web -j REJECT",
    );
    let found = repair(&rules, &[question(22, Some("10.9.0.1"))]).unwrap();
    let [one] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((rules.tables[0].chains[one.chain].name.as_str(), one.at), ("web", 1));
    assert_eq!(one.rule.text(&rules.tables[0]), "-s 10.9.0.1/32 -p tcp -m tcp --dport 22 -j ACCEPT");
    // Not within somebody else's chain.
    let rules =
        filter(":DOCKER-FILTER - [0:0]\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j DOCKER-FILTER\n-A DOCKER-FILTER -j DROP");
    let found = repair(&rules, &[question(22, None)]).unwrap();
    assert_eq!((rules.tables[0].chains[found[0].chain].name.as_str(), found[0].at), ("INPUT", 1));
    let rules =
        filter(":f2b-sshd - [0:0]\n-A INPUT -j f2b-sshd\n-A f2b-sshd -s 10.9.0.1/32 -j REJECT\n-A f2b-sshd -j RETURN");
    let Err(Stuck::Owned(owner, _)) = repair(&rules, &[question(22, Some("10.9.0.1"))]) else { panic!() };
    assert_eq!((owner.name, owner.bans), ("fail2ban", true));
}

#[test]
fn a_chain_that_forwarded_packets_see_is_left_as_it_is() {
    // As Red Hat's systems had it (system-config-firewall).
    let rh = |forward: &str| {
        filter(&format!(
            ":FORWARD ACCEPT [0:0]\n:RH-Firewall-1-INPUT - [0:0]\n:late - [0:0]\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j RH-Firewall-1-INPUT\n{forward}\n\
             -A RH-Firewall-1-INPUT -p icmp -j ACCEPT\n-A RH-Firewall-1-INPUT -g late\n-A late -j REJECT"
        ))
    };
    let place = |rules: &Ruleset| {
        let found = repair(rules, &[question(22, None)]).unwrap();
        let [one] = found.as_slice() else { panic!("{found:?}") };
        (rules.tables[0].chains[one.chain].name.clone(), one.at)
    };
    assert_eq!(place(&rh("-A FORWARD -j RH-Firewall-1-INPUT")), ("INPUT".into(), 1));
    // The jump may be further down.
    assert_eq!(place(&rh("-A FORWARD -i eth1 -g late")), ("RH-Firewall-1-INPUT".into(), 1));
    assert_eq!(place(&rh("-A FORWARD -j ACCEPT")), ("late".into(), 0));
}

#[test]
fn quotes_and_hand_written_files() {
    let rules = filter(
        "-A INPUT -m comment --comment \"a \\\"b\\\" -j DROP ! c\" -p tcp --destination-port ssh -j REJECT --reject-with tcp-reset",
    );
    assert_eq!(judge(&rules, &question(22, None)).ending.unwrap().end, End::Reject("tcp reset".into()));
    let rules = filter(
        "[3:180] -A INPUT -p tcp --dport ! 80 -j DROP\n-I INPUT -p tcp --dport 22 -j ACCEPT\n-I INPUT 2 -s 255.0.0.0/255.0.0.0 -j DROP",
    );
    assert_eq!(met(&rules, &question(22, None)).0, Outcome::Accepted);
    assert_eq!(met(&rules, &question(23, None)).0, Outcome::Denied);
}

#[test]
fn the_text_of_rules_comes_by_their_handles() {
    let json = r#"{"nftables":[{"metainfo":{}},{"table":{"family":"inet","name":"t","handle":1}},
        {"chain":{"family":"inet","table":"t","name":"c","handle":1,"type":"filter","hook":"input","prio":0,"policy":"accept"}},
        {"rule":{"family":"inet","table":"t","chain":"c","handle":5,"expr":[{"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":{"set":[22,80]}}},{"drop":null}]}}]}"#;
    let text = "table inet t { # handle 1\n\tset s { # handle 3\n\t\ttype ipv4_addr\n\t\telements = { 10.0.0.1,\n\t\t\t     10.0.0.2 }\n\t}\n\n\tchain c { # handle 1\n\t\ttype filter hook input priority filter; policy accept;\n\t\ttcp dport { 22,\n\t\t\t    80 } drop # handle 5\n\t}\n}\n";
    let rules = nft::parse(json, text).unwrap();
    assert_eq!(met(&rules, &question(22, None)), (Outcome::Denied, "tcp dport { 22, 80 } drop".to_owned()));
    assert!(nft::parse("Error: no JSON", "").is_err());
}
