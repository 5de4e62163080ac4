//! Rule sets that look like what people and programs write, only at random.

use crate::support::Dice;

/// One, with what loads it.
pub struct Case {
    pub name: String,
    /// A command of sh, and what it reads.
    pub loads: Vec<(String, String)>,
}

impl Case {
    pub fn text(&self) -> String {
        self.loads.iter().map(|(program, text)| format!("# {} {program}\n{text}", self.name)).collect()
    }
}

/// The rule set of a seed.
pub fn case(seed: u64) -> Case {
    let mut d = Dice(seed.wrapping_mul(7919));
    let mut loads = Vec::new();
    let kind = d.of(&["nft", "nft", "nft", "iptables-nft", "iptables-legacy", "both"]);
    if kind == "nft" || kind == "both" {
        // Of one priority, legacy tables may come first or last: they stay when their rules go.
        let text = nft(&mut d);
        let text = if kind == "both" {
            text.replace("priority 0;", "priority 1;").replace("0; policy", "1; policy")
        } else {
            text
        };
        loads.push(("nft -f -".to_owned(), text));
    }
    if kind != "nft" {
        let backend = if kind == "both" { d.of(&["legacy", "nft"]) } else { &kind["iptables-".len()..] };
        for program in ["iptables", "ip6tables"] {
            if d.in_hundred(80) {
                loads.push((format!("{program}-{backend}-restore"), iptables(&mut d, program == "ip6tables")));
            }
        }
    }
    Case { name: format!("seed {seed} ({kind})"), loads }
}

const PORTS: &[&str] = &["22", "22", "2222", "80", "20-25", "1-1023", "1000-65535"];

fn nft(d: &mut Dice) -> String {
    let mut out = String::new();
    for n in 0..=d.roll(2) {
        let family = d.of(&["inet", "inet", "inet", "ip", "ip6"]);
        out += &format!("table {family} t{n} {{\n");
        if family != "ip6" {
            out += "  set four { type ipv4_addr; flags interval; elements = { 10.99.0.64/26, 192.0.2.7, 198.51.100.0-198.51.100.9 } }\n";
            out += "  set pair { type ipv4_addr . inet_service; flags interval; elements = { 10.99.0.0/26 . 20-30, 10.99.0.77 . 2222 } }\n";
        }
        if family != "ip" {
            out += "  set six { type ipv6_addr; flags interval; elements = { fd99::70-fd99::7f, 2001:db8::/32 } }\n";
        }
        out += "  set ports { type inet_service; flags interval; elements = { 22, 8000-9000 } }\n";
        let verdicts = [
            "22 : accept, 80 : drop",
            "2222 : jump u0, 22 : jump u1",
            "22 : drop, 2222 : goto u1",
            "22 : return, 0-21 : drop",
            "22 : continue, 2222 : accept",
        ];
        out += &format!(
            "  map ways {{ type inet_service : verdict; flags interval; elements = {{ {} }} }}\n",
            d.of(&verdicts)
        );
        for u in 0..2 {
            // A chain jumps only to later ones: no loops.
            out += &format!("  chain u{} {{\n", 1 - u);
            for _ in 0..=d.roll(3) {
                out += &format!("    {}\n", nft_rule(d, family, u, true));
            }
            out += "  }\n";
        }
        for c in 0..=d.roll(2) {
            let hook = d.of(&["input", "input", "input", "prerouting", "output"]);
            let priority = d.of(&["-400", "-150", "-10", "0", "0", "10", "100"]);
            let policy = if d.in_hundred(18) { "drop" } else { "accept" };
            out += &format!("  chain c{c} {{ type filter hook {hook} priority {priority}; policy {policy};\n");
            for _ in 0..d.roll(6) {
                out += &format!("    {}\n", nft_rule(d, family, if hook == "input" { 2 } else { 0 }, hook == "input"));
            }
            out += "  }\n";
        }
        if family != "ip6" && d.in_hundred(15) {
            let to = d.of(&["redirect to :22", "redirect to :2222", "dnat ip to 10.99.0.2:22", "dnat ip to 10.99.0.9"]);
            let four = if to.starts_with("dnat") { "meta nfproto ipv4 " } else { "" };
            out += &format!(
                "  chain n {{ type nat hook prerouting priority -100;\n    {four}tcp dport {} {to}\n  }}\n",
                d.of(&["22", "2222", "{ 22, 2222 }"])
            );
        }
        out += "}\n";
    }
    out
}

/// `chains`: how many user chains there are to jump to. `rejects`: where that may be.
fn nft_rule(d: &mut Dice, family: &str, chains: usize, rejects: bool) -> String {
    let mut parts = Vec::new();
    for _ in 0..d.roll(3) {
        // nft refuses a rule that wants two protocols at once.
        let more = nft_match(d, family);
        let of = |kind: &[&str], parts: &[String]| parts.iter().any(|p| kind.iter().any(|k| p.starts_with(k)));
        let tcp = ["tcp", "th", "ip saddr . tcp"];
        let others = ["udp", "icmp", "meta l4proto", "ip protocol", "ip6 nexthdr"];
        let one = std::slice::from_ref(&more);
        let twice =
            (of(&tcp, &parts) || of(&others, &parts)) && of(&others, one) || of(&others, &parts) && of(&tcp, one);
        let families = of(&["ip ", "meta nfproto"], &parts) && of(&["ip6 ", "icmpv6", "meta nfproto"], one)
            || of(&["ip6 ", "meta nfproto"], &parts) && of(&["ip ", "icmp ", "meta nfproto"], one);
        if !twice && !families {
            parts.push(more);
        }
    }
    // What nft does not print cannot be read: the version of IP before "tcp reset".
    let version = parts.iter().any(|p| p.contains("nfproto"));
    let other = version
        || parts
            .iter()
            .any(|p| p.starts_with("udp") || p.starts_with("icmp") || p.contains("l4proto") || p.contains("protocol"));
    if d.in_hundred(10) {
        parts.push(d.of(&["counter", "log prefix \"x\"", "meta mark set 0x2", "ct mark set 0x1"]).to_owned());
    }
    if chains > 0 && !other && d.in_hundred(12) {
        let most = if chains > 1 {
            d.of(&["@ways", "{ 22 : accept, 2222 : drop }", "{ 1-30 : jump u0, 2222 : return }"])
        } else {
            "{ 22 : accept, 2222 : drop }"
        };
        parts.push(format!("tcp dport vmap {most}"));
        return parts.join(" ");
    }
    let mut verdicts = vec!["accept", "accept", "accept", "drop", "drop", "return", "continue"];
    if rejects {
        verdicts.push("reject");
        if !other {
            verdicts.extend(["reject with tcp reset", "reject with tcp reset"]);
        }
        verdicts.extend(match family {
            "ip" => ["reject with icmp type host-prohibited", "reject with icmp type port-unreachable"],
            "ip6" => ["reject with icmpv6 type admin-prohibited", "reject with icmpv6 type addr-unreachable"],
            _ => ["reject with icmpx type admin-prohibited", "reject with icmpx type port-unreachable"],
        });
    }
    if chains > 0 {
        verdicts.extend(["jump u0", "goto u0"]);
    }
    if chains > 1 {
        verdicts.extend(["jump u1", "goto u1"]);
    }
    let verdict = d.of(&verdicts);
    if verdict.ends_with("tcp reset") && !parts.iter().any(|p| p.starts_with("tcp")) {
        parts.insert(0, "meta l4proto tcp".into());
    }
    parts.push(verdict.to_owned());
    parts.join(" ")
}

fn nft_match(d: &mut Dice, family: &str) -> String {
    let four = [
        "ip saddr 10.99.0.1",
        "ip saddr != 10.99.0.77",
        "ip saddr 10.99.0.0/26",
        "ip saddr @four",
        "ip saddr != @four",
        "ip saddr { 192.0.2.0/24, 10.99.0.77 }",
        "ip saddr . tcp dport @pair",
        "ip daddr 10.99.0.2",
        "ip daddr != 10.99.0.0/24",
        "ip protocol tcp",
        "ip protocol != icmp",
        "ip frag-off & 0x1fff != 0",
    ];
    let six = [
        "ip6 saddr fd99::1",
        "ip6 saddr != fd99::/64",
        "ip6 saddr @six",
        "ip6 saddr { fd99::77, fe80::/10 }",
        "ip6 daddr fd99::2",
        "ip6 nexthdr tcp",
    ];
    let any = [
        "tcp dport 22",
        "tcp dport 22",
        "tcp dport 2222",
        "tcp dport != 22",
        "tcp dport { 22, 80 }",
        "tcp dport != { 22, 443 }",
        "tcp dport >= 1024",
        "tcp dport < 1024",
        "tcp dport @ports",
        "tcp sport 1024-65535",
        "tcp sport 0-1023",
        "udp dport 22",
        "udp dport != 22",
        "th dport 22",
        "meta l4proto { tcp, udp }",
        "meta l4proto != tcp",
        "iifname \"eth0\"",
        "iifname \"eth*\"",
        "iifname != \"eth0\"",
        "iif lo",
        "iifname { \"wg*\", \"eth0\" }",
        "oifname \"eth0\"",
        "ct state new",
        "ct state { new, untracked }",
        "ct state established,related",
        "ct state != new",
        "ct state invalid",
        "ct status dnat",
        "ct direction original",
        "ct direction reply",
        "tcp flags & (fin|syn|rst|ack) == syn",
        "tcp flags syn",
        "tcp flags & (fin|syn) == fin|syn",
        "tcp flags != syn",
        "meta mark 0x0",
        "meta mark 0x2",
        "meta mark & 0xff != 0x2",
        "fib daddr type local",
        "fib saddr . iif oif missing",
        "meta pkttype host",
        "icmp type echo-request",
    ];
    let ports = format!("tcp dport {}", d.of(PORTS));
    match (family, d.roll(4)) {
        ("ip", 0) => d.of(&four).into(),
        ("ip6", 0) => d.of(&six).into(),
        ("inet", 0) => if d.in_hundred(60) { d.of(&four) } else { d.of(&six) }.into(),
        ("inet", 1) if d.in_hundred(20) => d.of(&["meta nfproto ipv4", "meta nfproto ipv6"]).into(),
        (_, 2) if d.in_hundred(40) => ports,
        _ => {
            let text = d.of(&any);
            if family == "ip6" && text.starts_with("icmp ") { "icmpv6 type echo-request" } else { text }.into()
        }
    }
}

fn iptables(d: &mut Dice, v6: bool) -> String {
    let mut out = String::new();
    if d.in_hundred(12) {
        out += &format!(
            "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport {} -j {}\nCOMMIT\n",
            d.of(&["22", "2222"]),
            d.of(&["CT --notrack", "DROP", "ACCEPT"])
        );
    }
    if d.in_hundred(12) {
        out += &format!(
            "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING {}-j {}\nCOMMIT\n",
            ipt_match(d, v6),
            d.of(&["MARK --set-mark 2", "DROP", "CONNMARK --set-mark 1"])
        );
    }
    if d.in_hundred(12) {
        out += &format!(
            "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport {} -j REDIRECT --to-ports {}\nCOMMIT\n",
            d.of(&["22", "2222"]),
            d.of(&["22", "2222"])
        );
    }
    let policy = |d: &mut Dice| if d.in_hundred(20) { "DROP" } else { "ACCEPT" };
    out += &format!(
        "*filter\n:INPUT {} [0:0]\n:OUTPUT {} [0:0]\n:u0 - [0:0]\n:u1 - [0:0]\n",
        policy(d),
        if d.in_hundred(8) { "DROP" } else { "ACCEPT" }
    );
    for (chain, chains, most) in [("u0", 0, 3), ("u1", 1, 3), ("INPUT", 2, 7), ("OUTPUT", 0, 2)] {
        for _ in 0..d.roll(most) {
            let mut rule = String::new();
            for _ in 0..d.roll(3) {
                let more = ipt_match(d, v6);
                // iptables takes each of these once.
                let twice = |o: &str| more.contains(o) && rule.contains(o);
                let out_of_place = chain == "OUTPUT" && more.contains("-i ");
                if !["-s ", "-d ", "-i ", "-p "].iter().any(|o| twice(o)) && !out_of_place {
                    rule += &more;
                }
            }
            let mut targets = vec!["ACCEPT", "ACCEPT", "DROP", "REJECT", "RETURN", "LOG --log-prefix \"a b \""];
            targets.push(if v6 {
                "REJECT --reject-with icmp6-adm-prohibited"
            } else {
                "REJECT --reject-with icmp-host-prohibited"
            });
            if rule.contains("-p tcp") && !rule.contains("! -p tcp") {
                targets.extend(["REJECT --reject-with tcp-reset"; 2]);
            }
            if chains > 0 {
                targets.push("u0");
            }
            if chains > 1 {
                targets.push("u1");
            }
            let verb =
                if chains > 0 && d.in_hundred(12) { "-g u0".to_owned() } else { format!("-j {}", d.of(&targets)) };
            out += &format!("-A {chain} {rule}{verb}\n");
        }
    }
    out + "COMMIT\n"
}

fn ipt_match(d: &mut Dice, v6: bool) -> String {
    let four = [
        "-s 10.99.0.1 ",
        "! -s 10.99.0.77 ",
        "-s 10.99.0.0/26 ",
        "-d 10.99.0.2 ",
        "-m iprange --src-range 10.99.0.70-10.99.0.80 ",
    ];
    let six = [
        "-s fd99::1 ",
        "! -s fd99::/64 ",
        "-d fd99::2 ",
        "-m iprange --src-range fd99::70-fd99::80 ",
        "-m rt --rt-type 0 ",
        "-m frag --fragfirst ",
    ];
    let any = [
        "-p tcp --dport 22 ",
        "-p tcp --dport 22 ",
        "-p tcp ! --dport 22 ",
        "-p tcp --dport 20:25 ",
        "-p tcp -m multiport --dports 22,80,8000:9000 ",
        "-p tcp -m multiport ! --dports 22,443 ",
        "-p tcp --sport 1024:65535 ",
        "-p tcp --syn ",
        "-p tcp ! --syn ",
        "-p tcp --tcp-flags ALL NONE ",
        "-p udp --dport 22 ",
        "! -p tcp ",
        "-i eth0 ",
        "-i eth+ ",
        "! -i lo ",
        "-m conntrack --ctstate NEW ",
        "-m conntrack --ctstate RELATED,ESTABLISHED ",
        "-m state --state NEW,ESTABLISHED ",
        "-m conntrack ! --ctstate INVALID ",
        "-m conntrack --ctstate UNTRACKED ",
        "-m conntrack --ctstate DNAT ",
        "-m mark --mark 0x2 ",
        "-m mark ! --mark 0x2/0xff ",
        "-m addrtype --dst-type LOCAL ",
        "-m pkttype --pkt-type unicast ",
        "-m comment --comment \"a ! -j DROP\" ",
    ];
    match d.roll(4) {
        0 if v6 => d.of(&six).into(),
        0 => d.of(&four).into(),
        _ => d.of(&any).into(),
    }
}
