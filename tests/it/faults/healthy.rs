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
}
