//! Hosts that have no fault, however they look.

use super::{CLIENT_2222, HEALTHY_HOST, Kind, PORT_2222};

healthy! {
    healthy_service { ci: true, ..HEALTHY_HOST }
    // What a unit says is for systemd to read: only what is plain is taken for sshd's options.
    healthy_continued_line {
        made: r"sed 's/^ExecStart=.*/ExecStart=\/usr\/sbin\/sshd -D \\/; /^ExecStart/a\   $SSHD_OPTS' /lib/systemd/system/ssh.service >/etc/systemd/system/ssh.service
            systemctl daemon-reload; systemctl restart ssh",
        ..HEALTHY_HOST
    }
    healthy_wrapper {
        made: "unit ssh.service '[Service]' ExecStart= 'ExecStart=/usr/bin/env LC_ALL=C /usr/sbin/sshd -D'; systemctl restart ssh",
        ..HEALTHY_HOST
    }
    healthy_options_in_unit {
        made: "unit ssh.service '[Service]' 'Environment=\"SSHD_OPTS=-p 2222\"' EnvironmentFile=; systemctl restart ssh",
        client: CLIENT_2222,
        ..HEALTHY_HOST
    }
    healthy_beside_sshguard {
        made: "unit sshguard.service '[Service]' ExecStart= 'ExecStart=/usr/sbin/sshguard -w x --foo'",
        ci: true,
        ..HEALTHY_HOST
    }
    healthy_with_warnings {
        made: "echo 'RequiredRSASize 16384' >$dropin; systemctl restart ssh",
        ..HEALTHY_HOST
    }
    healthy_socket { kind: Kind::Socket, ..HEALTHY_HOST }
    healthy_trixie { kind: Kind::TrixieService, ..HEALTHY_HOST }
    healthy_trixie_socket { kind: Kind::TrixieSocket, ci: true, ..HEALTHY_HOST }
    healthy_sysvinit { kind: Kind::Sysvinit, ci: true, ..HEALTHY_HOST }
    healthy_openrc { kind: Kind::Openrc, ci: true, ..HEALTHY_HOST }
    healthy_runit { kind: Kind::Runit, ci: true, ..HEALTHY_HOST }
    healthy_generator { kind: Kind::Generator, ..HEALTHY_HOST }
    // Nobody has connected for a while: sshd does not run, and need not.
    healthy_idle_socket { kind: Kind::TrixieSocket, made: "systemctl stop ssh", ..HEALTHY_HOST }
    healthy_port { made: "config 'Port 2222'", client: CLIENT_2222, ..HEALTHY_HOST }
    healthy_port_given {
        made: "config 'Port 2222'",
        client: CLIENT_2222,
        args: PORT_2222,
        ..HEALTHY_HOST
    }
    healthy_generated_port {
        kind: Kind::Generator,
        made: "echo Port 2222 >$dropin; systemctl daemon-reload; systemctl restart ssh.socket",
        client: CLIENT_2222,
        args: PORT_2222,
        ..HEALTHY_HOST
    }
    healthy_no_options {
        made: "echo 'SSHD_OPTS=\"\"' >/etc/default/ssh; systemctl restart ssh",
        ..HEALTHY_HOST
    }
    healthy_own_address {
        made: "config \"ListenAddress $(ip -4 -o address show eth0 | awk '{ sub(\"/.*\", \"\", $4); print $4 }')\"",
        ..HEALTHY_HOST
    }
    healthy_deprecated { made: "config 'UsePrivilegeSeparation yes' 'Protocol 2'", ..HEALTHY_HOST }
    healthy_one_key_gone {
        made: "rm /etc/ssh/ssh_host_rsa_key; systemctl restart ssh",
        ..HEALTHY_HOST
    }
    // TCP wrappers that let the client in; everybody else they refuse.
    healthy_wrappers {
        made: "echo 'sshd: 10.77.0.0/255.255.255.0' >/etc/hosts.allow; echo 'ALL: ALL' >/etc/hosts.deny",
        ..HEALTHY_HOST
    }
    healthy_wrappers_and_client {
        made: "printf 'sshd: .example.org, 10.77.0.1\n' >/etc/hosts.allow; echo 'ALL: ALL EXCEPT vsftpd@LOCAL' >/etc/hosts.deny",
        args: &["-e", "client=10.77.0.1"],
        ..HEALTHY_HOST
    }
    // Packet filters that let the client in: nothing of them changes.
    healthy_ufw {
        made: "ufw limit 22/tcp; ufw deny 23; ufw --force enable",
        ..HEALTHY_HOST
    }
    healthy_ufw_ipv6 {
        made: "ufw limit 22/tcp; ufw --force enable",
        args: &["-e", "client=fd00:77::1"],
        ..HEALTHY_HOST
    }
    healthy_ufw_client {
        made: "ufw allow from 10.77.0.0/24 to any port 22 proto tcp; ufw deny 22; ufw --force enable",
        args: &["-e", "client=10.77.0.1"],
        ..HEALTHY_HOST
    }
    healthy_nftables {
        made: "nft -f - <<'NFT'
table inet filter {
	set office { type ipv4_addr; flags interval; elements = { 10.77.0.0/24 } }
	chain input {
		type filter hook input priority 0; policy drop;
		ct state vmap { established : accept, related : accept, invalid : drop }
		iif lo accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
		ip saddr @office tcp dport 22 limit rate 100/second accept
	}
}
NFT",
        args: &["-e", "client=10.77.0.1"],
        ci: true,
        ..HEALTHY_HOST
    }
    healthy_iptables {
        made: "iptables -N ssh; iptables -A ssh -s 10.77.0.0/24 -j ACCEPT; iptables -A ssh -j REJECT; iptables -A INPUT -p tcp --dport 22 -j ssh
            iptables-legacy -A INPUT -p udp -j DROP; ip6tables -P INPUT DROP",
        args: &["-e", "client=10.77.0.1"],
        ..HEALTHY_HOST
    }
    // What dockerd makes on a host that publishes port 2222 of a container.
    healthy_docker {
        made: "iptables -P FORWARD DROP; for c in DOCKER DOCKER-USER DOCKER-ISOLATION-STAGE-1; do iptables -N $c; iptables -A FORWARD -j $c; done
            iptables -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp --dport 22 -j ACCEPT; iptables -A DOCKER-USER -j RETURN
            iptables -A DOCKER ! -i docker0 -o docker0 -j DROP
            iptables -t nat -N DOCKER; iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
            iptables -t nat -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
            iptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
            iptables -t nat -A DOCKER -i docker0 -j RETURN
            iptables -t nat -A DOCKER ! -i docker0 -p tcp --dport 2222 -j DNAT --to-destination 172.17.0.2:22",
        args: &["-e", "client=10.77.0.1"],
        ..HEALTHY_HOST
    }
    healthy_firewalld {
        made: "systemctl start firewalld; for i in $(seq 300); do firewall-cmd --state && break; sleep 0.1; done",
        args: &["-e", "client=10.77.0.1"],
        ..HEALTHY_HOST
    }
}
