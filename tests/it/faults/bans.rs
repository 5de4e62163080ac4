//! Tools that ban: causes 45, 46.

use super::{Fault, HEALTHY_HOST, REPAIRED};

/// The real fail2ban counts five failures, and bans.
const BANNED: Fault = Fault {
    number: "45",
    breaks: "fail2ban; for i in 1 2 3 4 5; do fail2ban-client set sshd attempt 10.77.0.1 x; done",
    shows: "fail2ban-client status sshd | grep -q 10.77.0.1",
    says: r"^fail2ban has banned 10\.77\.0\.1 \(jail sshd, \d+ min left\)",
    args: CLIENT,
    ..REPAIRED
};

const CLIENT: &[&str] = &["-e", "client=10.77.0.1"];

faults! {
    bans_fail2ban { title: "fail2ban has banned the client", ci: true, ..BANNED }
    bans_fail2ban_own { title: "fail2ban has banned the very machine that asks, and nobody says which client it is about", args: &[], ..BANNED }
    bans_fail2ban_nft {
        title: "fail2ban has banned the client in nftables, and drops what it sends",
        breaks: "printf '[sshd]\nbanaction = nftables[type=multiport, blocktype=drop]\n' >/etc/fail2ban/jail.d/lab.local
            fail2ban; fail2ban-client set sshd banip 10.77.0.1",
        shows: "nft list ruleset | grep -q 10.77.0.1",
        symptom: "timed out",
        ..BANNED
    }
    bans_fail2ban_ipv6 {
        title: "fail2ban has banned the client's IPv6 address",
        breaks: "fail2ban; fail2ban-client set sshd banip fd00:77::1",
        shows: "fail2ban-client status sshd | grep -q fd00:77::1",
        client: &["-o", "ProxyCommand=sh -c 'a=%h; exec socat - TCP6:[fd00:77::${a##*.}]:%p'"],
        symptom: "Connection refused",
        says: r"^fail2ban has banned fd00:77::1 \(jail sshd, \d+ min left\)",
        args: &["-e", "client=fd00:77::1"],
        ..BANNED
    }
    bans_fail2ban_ignored {
        title: "fail2ban has banned the client, and is not to do so again",
        args: &["-e", "client=10.77.0.1", "-e", "ban_ignore=true"],
        ..BANNED
    }
    bans_fail2ban_net {
        title: "fail2ban has banned the client's network, and others may be in it",
        breaks: "fail2ban; fail2ban-client set sshd banip 10.77.0.0/24",
        shows: "fail2ban-client status sshd | grep -q 10.77.0.0/24",
        says: r"^fail2ban has banned 10\.77\.0\.0/24, where 10\.77\.0\.1 is",
        rounds: 0,
        exit: 1,
        ..BANNED
    }
    bans_sshguard {
        number: "46",
        title: "sshguard's set has the client (the set was made by hand, there is no sshguard)",
        breaks: "nft add table ip sshguard; nft add set ip sshguard attackers '{ type ipv4_addr; flags interval; }'
            nft add chain ip sshguard blacklist '{ type filter hook input priority -10; }'
            nft add rule ip sshguard blacklist ip saddr @attackers drop; nft add element ip sshguard attackers '{ 10.77.0.1, 192.0.2.0/24 }'",
        shows: "nft list set ip sshguard attackers | grep -q 10.77.0.1",
        symptom: "timed out",
        says: r"^sshguard has banned 10\.77\.0\.1",
        ..BANNED
    }
    bans_and_stopped {
        title: "two: fail2ban has banned the client, and sshd is stopped and disabled",
        breaks: "fail2ban; fail2ban-client set sshd banip 10.77.0.1; systemctl disable --now ssh",
        says: "ssh.service",
        ..BANNED
    }
}

healthy! {
    bans_healthy { made: "fail2ban; fail2ban-client set sshd banip 192.0.2.7", args: CLIENT, ..HEALTHY_HOST }
}
