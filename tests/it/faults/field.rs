//! Faults from public reports that were missed, called healthy or repaired too slowly (../shared/cases/field), and their
//! neighbours: what a start needs, who else has the port, rules that others left.

use super::{BY_HAND, Fault, Kind, REPAIRED};

const CLIENT: &[&str] = &["-e", "client=10.77.0.1"];

/// A drop-in of sshd's unit, read, and sshd started anew.
const NUMBER: &str = "field";
const START: Fault = Fault { number: NUMBER, ci: true, ..REPAIRED };
const LEFT: Fault = Fault { number: NUMBER, ci: true, ..BY_HAND };

faults! {
    field_unit_empty {
        title: "the unit file of the package is empty",
        breaks: "systemctl stop ssh; : >/usr/lib/systemd/system/ssh.service; systemctl daemon-reload",
        says: r"^/usr/lib/systemd/system/ssh\.service is empty",
        ..START
    }
    field_unit_empty_in_etc {
        title: "an empty unit file in /etc hides the one of the package",
        breaks: "systemctl stop ssh; : >/etc/systemd/system/ssh.service; systemctl daemon-reload",
        says: r"^/etc/systemd/system/ssh\.service is empty",
        ci: false,
        ..START
    }
    field_unit_removed {
        title: "the unit file of the package is gone",
        breaks: "systemctl stop ssh; rm /usr/lib/systemd/system/ssh.service; systemctl daemon-reload",
        says: r"^there is no unit file for ssh\.service",
        ci: false,
        ..START
    }
    field_exec_twice {
        title: "a drop-in has a second ExecStart= without a reset",
        breaks: "unit ssh.service '[Service]' 'ExecStart=/usr/sbin/sshd -D -o LogLevel=VERBOSE'; systemctl stop ssh; systemctl start ssh",
        says: r"^/etc/systemd/system/ssh\.service\.d/lab\.conf:2 gives ssh\.service more than one ExecStart=",
        ..START
    }
    field_before_gone {
        title: "a drop-in names a program before the start and an environment file, and both are missing",
        breaks: "unit ssh.service '[Service]' 'ExecStartPre=/usr/local/bin/wait-vpn wg0' EnvironmentFile=/etc/default/nope; systemctl restart ssh",
        says: r"^/etc/systemd/system/ssh\.service\.d/lab\.conf:\d says \w+=/\S+, and that does not exist",
        rounds: 2,
        ci: false,
        ..START
    }
    field_requires_failed {
        title: "a unit that sshd's unit requires fails",
        breaks: "printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/false\n' >/etc/systemd/system/wg-quick-wg0.service
            unit ssh.service '[Unit]' Requires=wg-quick-wg0.service After=wg-quick-wg0.service; systemctl stop ssh; systemctl start ssh",
        says: r"^wg-quick-wg0\.service failed: /etc/systemd/system/ssh\.service\.d/lab\.conf:2 says",
        ..LEFT
    }
    field_after_hangs {
        title: "the start of sshd waits for a unit that never ends its own",
        breaks: "printf '[Service]\nType=oneshot\nExecStart=/bin/sleep infinity\n' >/etc/systemd/system/tunnel-wait.service
            unit ssh.service '[Unit]' Wants=tunnel-wait.service After=tunnel-wait.service; systemctl stop ssh; systemctl start --no-block ssh",
        says: r"^the start of ssh\.service waits for tunnel-wait\.service, which is being started",
        ..LEFT
    }
    field_before_fails {
        title: "a command of a drop-in before the start fails",
        breaks: "unit ssh.service '[Service]' 'ExecStartPre=/bin/sh -c \"exit 3\"'; systemctl restart ssh",
        says: r#"^/etc/systemd/system/ssh\.service\.d/lab\.conf:2 says "ExecStartPre=.*status 3"#,
        ci: false,
        ..LEFT
    }
    field_nsswitch {
        title: "nsswitch.conf has no source that finds the users of /etc/passwd",
        breaks: r"sed -i 's/^\(passwd\|group\|shadow\):.*/\1:         sss/' /etc/nsswitch.conf; systemctl restart ssh",
        says: r#"^no user of /etc/passwd is found.*/etc/nsswitch\.conf:\d+ says "passwd: sss""#,
        ..START
    }
    field_foreign_socket {
        title: "a socket unit of another service has port 22",
        breaks: "printf '[Socket]\nListenStream=22\nAccept=yes\n' >/etc/systemd/system/git-ssh.socket
            printf '[Service]\nExecStart=-/usr/local/bin/git-ssh\nStandardInput=socket\n' >/etc/systemd/system/git-ssh@.service
            systemctl daemon-reload; systemctl stop ssh; systemctl start git-ssh.socket; systemctl start ssh",
        symptom: "closed|reset",
        says: r"^git-ssh\.socket holds sshd's port",
        ..LEFT
    }
    field_authmethods {
        title: "AuthenticationMethods asks for a method that another line switches off",
        breaks: "printf 'AuthenticationMethods publickey,keyboard-interactive\n' >>/etc/ssh/sshd_config; systemctl restart ssh",
        says: r"sshd_config:\d+: /etc/ssh/sshd_config:\d+ says KbdInteractiveAuthentication no",
        ..LEFT
    }
    field_utf16 {
        title: "a drop-in of sshd's is written in UTF-16",
        breaks: r"printf '\377\376P\0o\0r\0t\0 \0002\0002\0\r\0\n\0' >$dropin; systemctl restart ssh",
        says: r"^sshd refuses its configuration: .*50-lab\.conf",
        ..START
    }
    field_devnull {
        title: "/dev/null is gone",
        breaks: "rm -f /dev/null",
        symptom: "closed|reset",
        says: "^/dev/null is gone",
        ..START
    }
    field_session_gone {
        title: "sshd-session, a part of sshd, is gone, and no repository has the package",
        kind: Kind::TrixieService,
        breaks: "rm /usr/lib/openssh/sshd-session; systemctl restart ssh",
        says: r"/usr/lib/openssh/sshd-session is missing, a part of sshd",
        exit: 1,
        ci: false,
        ..START
    }
    field_redirect {
        title: "a rule of nat turns port 22 to one where nobody listens",
        breaks: "iptables -t nat -A PREROUTING -p tcp --dport 22 -j REDIRECT --to-ports 2222",
        says: r#"^"-A PREROUTING .*REDIRECT --to-ports 2222".*nothing listens on port 2222"#,
        args: CLIENT,
        ..LEFT
    }
    field_redirect_nft {
        title: "the same in nftables",
        breaks: "nft add table ip x; nft add chain ip x p '{ type nat hook prerouting priority -100; }'; nft add rule ip x p tcp dport 22 redirect to :2222",
        says: r"nftables, table ip x, chain p.*nothing listens on port 2222",
        args: CLIENT,
        ci: false,
        ..LEFT
    }
    field_time_rule {
        title: "a rule that holds at some hours keeps the client out",
        breaks: "iptables -A INPUT -p tcp --dport 22 -m time --timestart 00:00 --timestop 23:59 -j REJECT",
        says: r"a rule most likely keeps 10\.77\.0\.1 out of port 22",
        args: CLIENT,
        ci: false,
        ..LEFT
    }
    field_fail2ban_dead {
        title: "fail2ban was killed, and its rules live on",
        breaks: "fail2ban; fail2ban-client set sshd banip 10.77.0.1; sleep 0.5; systemctl kill -s KILL fail2ban; systemctl mask --now fail2ban",
        shows: "iptables -S f2b-sshd | grep -q 10.77.0.1",
        says: "^fail2ban is not running, and a rule that it left still keeps 10.77.0.1 out",
        args: CLIENT,
        ..START
    }
    field_firewalld_direct {
        title: "a direct rule of firewalld's turns clients away, and comes back with each reload",
        breaks: "systemctl start firewalld; within 30 eval 'firewall-cmd -q --state'
            firewall-cmd -q --permanent --direct --add-rule ipv4 filter INPUT 0 -p tcp --dport 22 -m state --state NEW -j REJECT; firewall-cmd -q --reload",
        says: "^the firewall is in the way: .*is turned away from port 22",
        lasts: "firewall-cmd -q --reload",
        ..START
    }
    field_late_address {
        title: "sshd starts before the address that it is told to listen on is there",
        breaks: r#"a=$(ip -o -4 addr show dev eth0 | sed -n 's/.* inet \([0-9.]*\)\/.*/\1/p')
            printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c "sleep 2; ip addr replace %s/24 dev eth0"\n[Install]\nWantedBy=multi-user.target\n' $a >/etc/systemd/system/tunnel.service
            systemctl daemon-reload; echo "ListenAddress $a" >$dropin; ip addr del $a/24 dev eth0; systemctl restart ssh; systemctl enable --now tunnel"#,
        says: r"^sshd starts before its address [0-9.]+ is there; tunnel\.service brings it",
        lasts: r#"a=$(sed -n 's/^ListenAddress //p' $dropin); systemctl stop ssh tunnel; ip addr del $a/24 dev eth0
            systemctl isolate multi-user.target; within 20 listens $a:22"#,
        ..START
    }
    field_user_gone {
        title: "a drop-in runs sshd as a user that does not exist",
        breaks: "unit ssh.service '[Service]' User=sshadm; systemctl restart ssh",
        says: r#"^/etc/systemd/system/ssh\.service\.d/lab\.conf:2 says "User=sshadm", and there is no such user"#,
        ci: false,
        ..START
    }
    field_runtime_max {
        title: "a drop-in ends sshd after some time",
        breaks: "unit ssh.service '[Service]' RuntimeMaxSec=1 Restart=no; systemctl restart ssh; within 20 failed",
        says: r#"^/etc/systemd/system/ssh\.service\.d/lab\.conf:2 says "RuntimeMaxSec=1""#,
        ci: false,
        ..START
    }
    field_accept {
        title: "a drop-in of ssh.socket asks for a unit for each client, and there is none",
        kind: Kind::Socket,
        breaks: "systemctl stop ssh.service ssh.socket; unit ssh.socket '[Socket]' Accept=yes; systemctl restart ssh.socket; knock; within 20 failed ssh.socket",
        says: r#"lab\.conf:2 says "Accept=yes", and there is no ssh@\.service"#,
        ci: false,
        ..START
    }
    field_frozen {
        title: "systemd has frozen sshd: a client connects, and waits",
        breaks: "systemctl freeze ssh",
        client: &["-o", "ConnectTimeout=3"],
        symptom: "timed out",
        says: "^sshd hangs: systemd has frozen ssh.service",
        ci: false,
        ..START
    }
    field_cycle {
        title: "a line of another unit's makes an ordering cycle with sshd's",
        breaks: "unit sysinit.target '[Unit]' After=ssh.service; systemctl stop ssh",
        says: r#"^/etc/systemd/system/sysinit\.target\.d/lab\.conf:2 says "After=ssh\.service", and that makes an ordering cycle"#,
        ci: false,
        ..START
    }
    field_condition {
        title: "a condition that a person gave the unit does not hold",
        breaks: "unit ssh.service '[Unit]' ConditionPathExists=/etc/ssh/enabled; systemctl restart ssh",
        says: r#"lab\.conf:2 says "ConditionPathExists=/etc/ssh/enabled", and that is not so"#,
        ci: false,
        ..LEFT
    }
    field_device_gone {
        title: "the unit is bound to a network device that is not there",
        breaks: "unit ssh.service '[Unit]' BindsTo=sys-subsystem-net-devices-wg0.device After=sys-subsystem-net-devices-wg0.device; systemctl stop ssh",
        says: r"^sys-subsystem-net-devices-wg0\.device is not there",
        ci: false,
        ..LEFT
    }
    field_start_hangs {
        title: "a command of a drop-in before the start never ends",
        breaks: "unit ssh.service '[Service]' 'ExecStartPre=/bin/sleep infinity' TimeoutStartSec=infinity; systemctl stop ssh; systemctl start --no-block ssh; sleep 5",
        says: r#"lab\.conf:2 says "ExecStartPre=/bin/sleep infinity", and that runs since"#,
        ci: false,
        ..LEFT
    }
    field_after_start_fails {
        title: "a command of a drop-in right after the start fails",
        breaks: "unit ssh.service '[Service]' ExecStartPost=/bin/false; systemctl restart ssh",
        says: r#"lab\.conf:2 says "ExecStartPost=/bin/false", and that ended with status 1"#,
        ci: false,
        ..LEFT
    }
    field_never_ready {
        title: "the program of a drop-in does not tell systemd that it is ready",
        breaks: r"printf '#!/bin/sh\nunset NOTIFY_SOCKET\nexec /usr/sbin/sshd -D\n' >/usr/local/bin/sshd-start; chmod 755 /usr/local/bin/sshd-start
            unit ssh.service '[Service]' ExecStart= ExecStart=/usr/local/bin/sshd-start TimeoutStartSec=3 Restart=no; systemctl stop ssh; systemctl start ssh",
        says: r"lab\.conf:3 says .*systemd is not told that it is ready",
        ci: false,
        ..LEFT
    }
    field_dropbear {
        title: "dropbear is the host's ssh server, and openssh-server is not installed",
        breaks: "systemctl stop ssh; dpkg -r --force-depends openssh-server; printf '#!/bin/sh\n' >/usr/sbin/dropbear; chmod 755 /usr/sbin/dropbear",
        says: "^dropbear is this host's ssh server",
        ci: false,
        ..LEFT
    }
    field_run_full {
        title: "there is no free block in /run, and sshd is stopped",
        breaks: "systemctl stop ssh; dd if=/dev/zero of=/run/fill bs=64k; dd if=/dev/zero of=/run/more bs=512; :",
        says: "^ssh.service is stopped",
        ci: false,
        ..START
    }
}
