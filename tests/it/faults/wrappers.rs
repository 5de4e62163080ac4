//! TCP wrappers: cause 47.

use super::{Fault, Kind, REPAIRED};

/// What a client sees, and that the host's own log has it. The address of the lab's client is always the same.
const REFUSED: Fault = Fault {
    number: "47",
    shows: "log 'refused connect from' || { knock; false; }",
    client: PATIENT,
    symptom: "kex_exchange_identification: .*([Cc]losed|reset)",
    ..REPAIRED
};

/// libwrap keeps a refused connection for five seconds (clean_exit.c) before it closes it.
const PATIENT: &[&str] = &["-o", "ConnectTimeout=15"];
/// The lab's hosts end alike in both families; ssh itself is told the one of IPv4.
const BY_IPV6: &[&str] =
    &["-o", "ConnectTimeout=15", "-o", "ProxyCommand=sh -c 'a=%h; exec socat - TCP6:[fd00:77::${a##*.}]:%p'"];

const CLIENT: &[&str] = &["-e", "client=10.77.0.1"];

faults! {
    wrappers_all {
        title: "hosts.deny says ALL: ALL",
        breaks: "echo 'ALL: ALL' >>/etc/hosts.deny; knock",
        says: r#"TCP wrappers refuse 10\.77\.0\.1: /etc/hosts\.deny:\d+ says "ALL: ALL""#,
        ci: true,
        ..REFUSED
    }
    wrappers_trixie {
        title: "hosts.deny says ALL: ALL, and sshd-session heeds it",
        kind: Kind::TrixieService,
        breaks: "echo 'ALL: ALL' >>/etc/hosts.deny; knock",
        shows: "true",
        says: r#"TCP wrappers refuse .*: /etc/hosts\.deny:\d+ says "ALL: ALL""#,
        args: CLIENT,
        ..REFUSED
    }
    wrappers_except {
        title: "hosts.deny refuses all but a network, and the client is not in it",
        breaks: "printf 'vsftpd: ALL\nsshd: ALL EXCEPT 10.9.\n' >/etc/hosts.deny; knock",
        says: r#"TCP wrappers refuse 10\.77\.0\.1: /etc/hosts\.deny:2 says "sshd: ALL EXCEPT 10\.9\.""#,
        ..REFUSED
    }
    wrappers_deny_line {
        title: "hosts.deny refuses the client twice, and its lines are to be taken out",
        breaks: "printf '# banned\r\nsshd: 10.77.0.1\r\nALL: 10.77.0.0/24 127. : severity auth.info\r\nvsftpd: ALL\r\n' >/etc/hosts.deny; knock",
        says: r#"/etc/hosts\.deny:2 says "sshd: 10\.77\.0\.1""#,
        args: &["-e", "wrappers=deny-line"],
        ..REFUSED
    }
    wrappers_option {
        title: "an option of hosts.allow denies",
        breaks: "printf 'sshd: 10.9.\nsshd: ALL : DENY\n' >/etc/hosts.allow; knock",
        says: r#"/etc/hosts\.allow:2 says "sshd: ALL : DENY""#,
        ci: true,
        ..REFUSED
    }
    wrappers_bad_option {
        title: "hosts.allow lets everybody in, with an option that libwrap does not understand",
        breaks: "echo 'sshd: ALL: (/usr/bin/logger from %h) &' >/etc/hosts.allow; knock",
        says: r"/etc/hosts\.allow:1 .*there is no option",
        ..REFUSED
    }
    wrappers_newline {
        title: "hosts.deny is about another daemon, and its last line has no newline",
        breaks: "printf 'vsftpd: ALL' >/etc/hosts.deny; knock",
        says: r"/etc/hosts\.deny:1 does not end with a newline",
        ..REFUSED
    }
    wrappers_newline_deny_line {
        title: "the same, and it is to be mended",
        breaks: "printf '# nothing here' >/etc/hosts.deny; knock",
        says: r"/etc/hosts\.deny:1 does not end with a newline",
        args: &["-e", "wrappers=deny-line"],
        ..REFUSED
    }
    wrappers_ipv6 {
        title: "hosts.deny refuses a network of IPv6, and the client comes from it",
        breaks: "echo 'sshd: [fd00:77::]/64 [::1]' >/etc/hosts.deny; bash -c 'exec 3<>/dev/tcp/::1/22 && read -rt 2 l <&3'",
        shows: "log 'refused connect from'",
        client: BY_IPV6,
        says: r#"TCP wrappers refuse fd00:77::1: /etc/hosts\.deny:1 says"#,
        args: &["-e", "client=fd00:77::1"],
        ..REFUSED
    }
    wrappers_file {
        title: "hosts.deny names a file of addresses, and the client's is in it",
        breaks: "printf '192.0.2.7\n10.77.0.1 127.0.0.1\n' >/etc/ban.list; echo 'ALL: /etc/ban.list' >/etc/hosts.deny; knock",
        says: r#"/etc/hosts\.deny:1 says "ALL: /etc/ban\.list""#,
        ..REFUSED
    }
    wrappers_paranoid {
        title: "hosts.deny refuses whose name is unknown, and the log tells that this is so",
        breaks: "echo 'ALL: UNKNOWN' >/etc/hosts.deny; sed -i /localhost/d /etc/hosts; knock",
        says: r#"TCP wrappers refuse 10\.77\.0\.1: /etc/hosts\.deny:1 says "ALL: UNKNOWN"; its log"#,
        ..REFUSED
    }
    wrappers_and_stopped {
        title: "two: hosts.deny says ALL: ALL, and stopped and disabled",
        breaks: "echo 'ALL: ALL' >/etc/hosts.deny; systemctl disable --now ssh",
        shows: "! listens 0.0.0.0:22",
        symptom: "Connection refused",
        says: "ssh.service",
        args: CLIENT,
        ..REFUSED
    }
}
