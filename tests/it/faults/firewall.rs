//! The host's own packet filter: causes 41 to 44.

use super::{Fault, REPAIRED};

const FILTERED: Fault = Fault { number: "42", undone: true, ..REPAIRED };
const NFT: Fault = Fault { number: "43", lasts: "systemctl restart nftables", ..FILTERED };
const UFW: Fault = Fault { number: "41", symptom: "timed out", lasts: "ufw --force reload", ..FILTERED };
const FIREWALLD: Fault =
    Fault { number: "44", symptom: "No route to host", lasts: "firewall-cmd --reload", ..FILTERED };

const CLIENT: &[&str] = &["-e", "client=10.77.0.1"];
const CLIENT_6: &[&str] = &["-e", "client=fd00:77::1"];
/// The lab's hosts end alike in both families; ssh itself is told the one of IPv4.
const BY_IPV6: &[&str] =
    &["-o", "ConnectTimeout=5", "-o", "ProxyCommand=sh -c 'a=%h; exec socat - TCP6:[fd00:77::${a##*.}]:%p'"];

faults! {
    ufw_deny {
        title: "ufw denies port 22, and a later allow does not help",
        breaks: "ufw deny 22; ufw allow 22/tcp comment ops; ufw allow 80; ufw --force enable",
        says: r#"dropped by "-A ufw-user-input -p tcp -m tcp --dport 22 -j DROP""#,
        ..UFW
    }
    ufw_deny_tcp {
        title: "ufw denies 22/tcp, which is to ufw the same rule as the one that allows it",
        breaks: "ufw allow 80; ufw deny 22/tcp comment 'no ssh here'; ufw allow from 10.9.0.0/16; ufw allow 81; ufw --force enable",
        says: r#"dropped by "-A ufw-user-input -p tcp -m tcp --dport 22 -j DROP""#,
        ..UFW
    }
    ufw_default {
        title: "ufw is enabled, and nothing allows port 22",
        breaks: "ufw allow 80/tcp; ufw --force enable",
        says: r"dropped by the policy of chain INPUT",
        ..UFW
    }
    ufw_client {
        title: "ufw rejects a network, and the client is in it",
        breaks: "ufw reject from 10.77.0.0/24 to any port 22 proto tcp; ufw allow 22/tcp; ufw --force enable",
        symptom: "refused",
        says: r#"10\.77\.0\.1 is turned away from port 22 .*ufw-user-input -s 10\.77\.0\.0/24"#,
        args: CLIENT,
        ci: true,
        ..UFW
    }
    ufw_limit {
        title: "ufw limits port 22, and the client has come too often",
        breaks: "ufw limit 22/tcp; ufw --force enable; for i in 1 2 3 4 5 6 7; do echo '+10.77.0.1' >/proc/net/xt_recent/DEFAULT; done",
        symptom: "refused",
        says: "keeps out who comes too often: -A ufw-user-limit -j REJECT",
        lasts: "",
        rounds: 0,
        exit: 1,
        ..UFW
    }
    iptables_reject {
        title: "iptables rejects port 22",
        breaks: "iptables -A INPUT -i lo -j ACCEPT; iptables -A INPUT -p tcp --dport 22 -j REJECT; iptables -A INPUT -p tcp --dport 80 -j ACCEPT",
        says: r#"turned away from port 22 .*"-A INPUT -p tcp -m tcp --dport 22 -j REJECT"#,
        ci: true,
        ..FILTERED
    }
    iptables_own {
        title: "iptables drops what comes from the very machine that asks, and nobody says which client it is about",
        breaks: "iptables -A INPUT -s 10.77.0.1 -p tcp --dport 22 -j DROP",
        symptom: "timed out",
        says: r#"what 10\.77\.0\.1 sends to port 22 is dropped by "-A INPUT -s 10\.77\.0\.1/32"#,
        ..FILTERED
    }
    nft_long {
        title: "a set of 16,000 networks in nftables has the client's, too",
        breaks: "{ printf 'table inet f {\nset bl { type ipv4_addr; flags interval\nelements = { 10.77.0.0/24'; i=0
            while [ $i -lt 16000 ]; do echo \", 20.$((i / 256)).$((i % 256)).0/28\"; i=$((i + 1)); done
            printf '} \n}\nset p { type inet_service; elements = { 80, 22 } \n}\nchain in {\ntype filter hook input priority 0; policy drop\n'
            printf 'iif lo accept\nct state established accept\nip saddr @bl drop\ntcp dport @p accept\nmeta l4proto icmp accept\n}\n}\n'; } | nft -f -",
        symptom: "timed out",
        says: r#"what 10\.77\.0\.1 sends to port 22 is dropped by "ip saddr @bl drop""#,
        ..FILTERED
    }
    iptables_legacy {
        title: "iptables-legacy drops port 22",
        breaks: "iptables-legacy -A INPUT -p tcp --dport 22 -j DROP",
        symptom: "timed out",
        says: r#"dropped by "-A INPUT .*--dport 22 -j DROP" \(iptables-legacy, chain INPUT, rule 1\)"#,
        ..FILTERED
    }
    iptables_chain {
        title: "a chain of iptables' users rejects all but port 80",
        breaks: "iptables -N web; iptables -A web -p tcp --dport 80 -j ACCEPT; iptables -A web -j REJECT --reject-with tcp-reset -p tcp
            iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; iptables -A INPUT -i eth0 -g web",
        says: r"\(tcp reset\) by .*chain web, rule 2",
        ..FILTERED
    }
    iptables_multiport {
        title: "a range in a list of ports has 22 in it",
        breaks: "iptables -A INPUT -p tcp -m multiport --dports 80,443 -j ACCEPT; iptables -A INPUT -p tcp -m multiport --dports 8080,1:1023 -j DROP",
        symptom: "timed out",
        says: "--dports 8080,1:1023 -j DROP",
        ..FILTERED
    }
    iptables_set {
        title: "a set of ipset drops the client",
        breaks: "ipset create bad hash:net; ipset add bad 10.77.0.0/28; iptables -A INPUT -m set --match-set bad src -j DROP",
        symptom: "timed out",
        says: r"10\.77\.0\.1 sends to port 22 is dropped by .*--match-set bad src",
        args: CLIENT,
        ..FILTERED
    }
    ipset_long {
        title: "a set of 20,000 addresses of ipset has the client's, too, among others that are short",
        breaks: "{ echo create bl hash:ip; echo create few hash:net; echo add few 10.66.0.0/16; echo add bl 10.77.0.1; i=0
            while [ $i -lt 20000 ]; do echo add bl 20.0.$((i / 256)).$((i % 256)); i=$((i + 1)); done; } | ipset restore
            iptables -A INPUT -m set --match-set few src -j DROP; iptables -A INPUT -m set --match-set bl src -p tcp -j DROP",
        symptom: "timed out",
        says: r#"what 10\.77\.0\.1 sends to port 22 is dropped by "-A INPUT .*--match-set bl src"#,
        ..FILTERED
    }
    iptables_policy {
        title: "the policy of INPUT is DROP, and the file that restores it is no better",
        breaks: "iptables -A INPUT -i lo -j ACCEPT; iptables -A INPUT -p icmp -j ACCEPT; iptables -P INPUT DROP
            DEBIAN_FRONTEND=noninteractive apt-get -qq install -y iptables-persistent >/dev/null
            iptables -A INPUT -p tcp --dport 8443 -j ACCEPT",
        symptom: "timed out",
        says: "dropped by the policy of chain INPUT",
        lasts: "systemctl restart netfilter-persistent; ! iptables -S | grep 8443",
        ..FILTERED
    }
    iptables_output {
        title: "what the host itself sends from port 22 is dropped",
        breaks: "iptables -A OUTPUT -p tcp --sport 22 -j DROP",
        symptom: "timed out",
        says: "the host's own answers from port 22 are kept back",
        ..FILTERED
    }
    iptables_mangle {
        title: "the table mangle drops port 22 before any rule of the table filter",
        breaks: "iptables -A INPUT -p tcp --dport 22 -j ACCEPT; iptables -t mangle -A PREROUTING -i eth0 -p tcp --dport 22 -j DROP",
        symptom: "timed out",
        says: "table mangle, chain PREROUTING, rule 1",
        ..FILTERED
    }
    ip6tables_alone {
        title: "ip6tables rejects what iptables lets in",
        breaks: "iptables -A INPUT -p tcp --dport 22 -j ACCEPT; ip6tables -A INPUT -p tcp --dport 22 -j REJECT",
        client: BY_IPV6,
        symptom: "refused|closed",
        says: r"fd00:77::1 is turned away from port 22 .*ip6tables",
        args: CLIENT_6,
        ..FILTERED
    }
    iptables_nat {
        title: "a rule sends port 22 on to a container, and that is for a person to take away",
        breaks: "iptables -t nat -N DOCKER; iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
            iptables -t nat -A DOCKER -p tcp --dport 22 -j DNAT --to-destination 10.77.0.250:22",
        symptom: "timed out|No route",
        says: r"what comes for port 22 is sent on to 10\.77\.0\.250 port 22 by .*table nat, chain DOCKER, rule 1",
        undone: false,
        rounds: 0,
        exit: 1,
        ..FILTERED
    }
    iptables_nat_port {
        title: "a rule sends port 22 on to another port of another machine",
        breaks: "iptables -t nat -A PREROUTING -p tcp --dport 22 -j DNAT --to-destination 10.77.0.250:2222",
        symptom: "timed out|No route",
        says: r"what comes for port 22 is sent on to 10\.77\.0\.250 port 2222 by .*table nat, chain PREROUTING, rule 1",
        undone: false,
        rounds: 0,
        exit: 1,
        ..FILTERED
    }
    nft_priority {
        title: "another table rejects port 22, at another priority than the accept",
        breaks: r#"cat >/etc/nftables.conf <<'NFT'
#!/usr/sbin/nft -f
flush ruleset
table inet filter {
	chain input {
		type filter hook input priority 0; policy accept;
		tcp dport 22 accept
	}
}
table ip guard {
	chain early {
		type filter hook input priority 10; policy accept;
		ct state established,related accept
		tcp dport { 22, 23 } counter reject with tcp reset
	}
}
NFT
            systemctl enable --now nftables"#,
        says: r#"\(tcp reset\) by "tcp dport \{ 22, 23 \} counter reject with tcp reset" \(nftables, table ip guard, chain early, rule 2\)"#,
        ci: true,
        ..NFT
    }
    nft_policy {
        title: "the policy is drop, and port 22 is in no rule",
        breaks: r#"printf '%s\n' 'flush ruleset' 'table inet filter {' ' chain input {' '  type filter hook input priority filter; policy drop;' '  iif lo accept' '  ct state established,related accept' '  icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept' ' }' '}' >/etc/nftables.conf
            systemctl enable --now nftables"#,
        symptom: "timed out",
        says: r"dropped by the policy of chain input \(nftables, table inet filter, chain input\)",
        ..NFT
    }
    nft_behind {
        title: "port 22 is dropped, and the accept stands behind that, in the file too",
        breaks: r#"printf '%s\n' 'flush ruleset' 'table inet filter {' ' chain input {' '  type filter hook input priority filter;' '  tcp dport 22 drop' '  tcp dport 22 accept' ' }' '}' >/etc/nftables.conf
            systemctl enable --now nftables"#,
        symptom: "timed out",
        says: r"dropped by .tcp dport 22 drop",
        ..NFT
    }
    nft_set {
        title: "a set of addresses drops the client",
        breaks: r#"printf '%s\n' 'flush ruleset' 'table inet filter {' ' set bad { type ipv4_addr; flags interval; elements = { 10.77.0.0/28, 192.0.2.7 } }' ' chain input {' '  type filter hook input priority filter;' '  ip saddr @bad drop' '  tcp dport 22 accept' ' }' '}' >/etc/nftables.conf
            systemctl enable --now nftables"#,
        symptom: "timed out",
        says: r"10\.77\.0\.1 sends to port 22 is dropped by .ip saddr @bad drop",
        args: CLIENT,
        ..NFT
    }
    nft_vmap {
        title: "a map of verdicts sends port 22 to a chain that rejects",
        breaks: r#"nft -f - <<'NFT'
table inet filter {
	map ways { type inet_service : verdict; elements = { 22 : goto closed, 80 : accept } }
	chain closed {
		reject
	}
	chain input {
		type filter hook input priority 0; policy accept;
		tcp dport vmap @ways
	}
}
NFT"#,
        says: r"chain closed, rule 1",
        lasts: "",
        ..NFT
    }
    firewalld_service {
        title: "firewalld runs, and ssh is not among the services of the zone",
        breaks: "systemctl start firewalld; firewall-cmd --permanent --remove-service=ssh; firewall-cmd --remove-service=ssh",
        says: r"firewall is in the way: .*firewalld",
        ..FIREWALLD
    }
    firewalld_runtime {
        title: "ssh is gone from the running rules of firewalld alone",
        breaks: "systemctl start firewalld; firewall-cmd --permanent --add-service=ssh; firewall-cmd --remove-service=ssh; firewall-cmd --add-port=4711/tcp",
        says: r"firewall is in the way: .*firewalld",
        ..FIREWALLD
    }
    firewalld_rich {
        title: "a rich rule of firewalld rejects the client's network",
        breaks: "systemctl start firewalld
            firewall-cmd --add-rich-rule='rule family=ipv4 source address=10.77.0.0/24 service name=ssh reject type=tcp-reset'",
        symptom: "refused",
        says: r"10\.77\.0\.1 is turned away from port 22 \(tcp reset\)",
        args: CLIENT,
        ..FIREWALLD
    }
    banned_fail2ban {
        number: "45",
        title: "fail2ban is gone, and its rules keep the client out",
        breaks: "iptables -N f2b-sshd; iptables -A f2b-sshd -s 10.77.0.1/32 -j REJECT; iptables -A f2b-sshd -j RETURN; iptables -I INPUT -p tcp --dport 22 -j f2b-sshd",
        says: "^fail2ban is not running, and a rule that it left still keeps 10.77.0.1 out",
        args: CLIENT,
        ci: true,
        ..REPAIRED
    }
    firewall_and_stopped {
        number: "42",
        title: "two: nftables drops port 22, and ssh is stopped",
        breaks: "nft add table inet filter; nft add chain inet filter input '{ type filter hook input priority 0; policy accept; }'; nft add rule inet filter input tcp dport 22 drop; systemctl stop ssh",
        shows: "! listens 0.0.0.0:22",
        symptom: "timed out",
        says: "ssh.service|dropped",
        ..REPAIRED
    }
}
