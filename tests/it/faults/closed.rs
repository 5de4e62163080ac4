//! Connections that are closed, and packets that are dropped: causes 32, 45, 47, 51 to 53, by ssh-closed and ssh-timeout.

use super::{Fault, HEALTHY_HOST, Kind, REPAIRED};

const CLOSED: Fault =
    Fault { number: "32", book: "ssh-closed", client: PATIENT, symptom: "([Cc]losed|reset) by", ..REPAIRED };

const TIMEOUT: Fault =
    Fault { number: "45", book: "ssh-timeout", symptom: "timed out|unreachable|No route", args: CLIENT, ..REPAIRED };

/// libwrap keeps a refused connection for five seconds before it closes it.
const PATIENT: &[&str] = &["-o", "ConnectTimeout=15"];
const CLIENT: &[&str] = &["-e", "client=10.77.0.1"];

faults! {
    closed_directory {
        title: "/run/sshd removed from under a running sshd",
        breaks: "rmdir /run/sshd",
        says: "sshd lets nobody in without its directory",
        ci: true,
        ..CLOSED
    }
    closed_wrappers {
        number: "47",
        title: "hosts.deny says ALL: ALL",
        breaks: "echo 'ALL: ALL' >>/etc/hosts.deny; knock",
        shows: "log 'refused connect from' || { knock; false; }",
        says: r#"TCP wrappers refuse 10\.77\.0\.1: /etc/hosts\.deny:\d+ says "ALL: ALL""#,
        ..CLOSED
    }
    closed_startups {
        number: "51",
        title: "MaxStartups is used up by clients that do not log in",
        breaks: "config 'MaxStartups 1:100:2' 'LoginGraceTime 0'
            for i in 1 2; do systemd-run -q bash -c 'exec 3<>/dev/tcp/127.0.0.1/22; sleep 1000'; done; sleep 1; knock",
        shows: "log MaxStartups || { knock; false; }",
        says: "sshd closes new connections, and its log says: .*MaxStartups",
        rounds: 0,
        exit: 1,
        ..CLOSED
    }
    closed_penalty {
        number: "52",
        title: "sshd shuts out, for a while, an address whose logins failed",
        kind: Kind::TrixieService,
        // Clients of every address count as one, so that some on the host itself will do.
        breaks: "config 'PerSourcePenalties authfail:600s noauth:600s min:1s' 'PerSourceNetBlockSize 0:0'
            for i in 1 2 3; do ssh -o StrictHostKeyChecking=no -o BatchMode=yes -o PubkeyAuthentication=no nobody@127.0.0.1; done",
        shows: "log penalty || { knock; false; }",
        says: "sshd closes new connections, and its log says: drop connection .* penalty: ",
        rounds: 0,
        exit: 1,
        ..CLOSED
    }
    closed_replaced {
        number: "53",
        title: "sshd was updated and not restarted (a stand-in: the new one refuses what the old one asks of it)",
        breaks: r#"mkdir -p /usr/local/lib/new; cp /usr/sbin/sshd /usr/local/lib/new/sshd; rm /usr/sbin/sshd
            printf '#!/bin/sh\ncase " $* " in *" -R "*) echo "-R not supported here" >&2; exit 255;; esac\nexec /usr/local/lib/new/sshd "$@"\n' >/usr/sbin/sshd
            chmod 755 /usr/sbin/sshd"#,
        says: "sshd was updated and not restarted since",
        ..CLOSED
    }
    timeout_banned {
        title: "fail2ban has banned the client, and drops what it sends",
        breaks: "printf '[sshd]\nbanaction = nftables[type=multiport, blocktype=drop]\n' >/etc/fail2ban/jail.d/lab.local
            fail2ban; fail2ban-client set sshd banip 10.77.0.1",
        shows: "nft list ruleset | grep -q 10.77.0.1",
        says: "fail2ban has banned 10.77.0.1",
        ..TIMEOUT
    }
    timeout_no_way_back {
        number: "60",
        title: "the host has no way back to the client",
        breaks: "ip route add blackhole 10.77.0.1/32",
        says: r#"the host throws its answers to 10\.77\.0\.1 away: its routes have "blackhole 10\.77\.0\.1"#,
        rounds: 0,
        exit: 1,
        ..TIMEOUT
    }
    timeout_drop {
        number: "43",
        title: "a firewall on the host drops",
        breaks: "nft add table ip lab; nft add chain ip lab in '{ type filter hook input priority 0; }'; nft add rule ip lab in tcp dport 22 drop",
        says: r"what 10\.77\.0\.1 sends to port 22 is dropped by .tcp dport 22 drop. \(nftables, table ip lab, chain in, rule 1\)",
        undone: true,
        ..TIMEOUT
    }
}

healthy! {
    closed_healthy { book: "ssh-closed", ..HEALTHY_HOST }
    closed_healthy_trixie { book: "ssh-closed", kind: Kind::TrixieSocket, ..HEALTHY_HOST }
    timeout_healthy { book: "ssh-timeout", args: CLIENT, ..HEALTHY_HOST }
}
