//! Socket activation: causes 23 to 28.

use super::{CLIENT_2222, Kind, PORT_2222, REPAIRED};

faults! {
    socket_stopped {
        number: "1",
        title: "ssh.socket stopped and disabled",
        kind: Kind::Socket,
        breaks: "systemctl disable --now ssh.socket; systemctl stop ssh",
        shows: "! listens '*:22'",
        says: "ssh",
        ..REPAIRED
    }
    socket_masked {
        number: "3",
        title: "ssh.socket masked",
        kind: Kind::TrixieSocket,
        breaks: "systemctl stop ssh.socket ssh; systemctl mask ssh.socket",
        shows: "! listens '*:22'",
        says: "masked|not enabled",
        ..REPAIRED
    }
    socket_not_to_be_run {
        number: "6",
        title: "sshd_not_to_be_run while ssh.socket listens: its trigger limit is hit",
        kind: Kind::TrixieSocket,
        breaks: "systemctl stop ssh; touch /etc/ssh/sshd_not_to_be_run; knock",
        shows: r#"[ "$(state ssh.socket Result)" = trigger-limit-hit ]"#,
        says: "sshd_not_to_be_run",
        ..REPAIRED
    }
    socket_bad_line {
        number: "13",
        title: "a bad line under ssh.socket: one connection makes it fail for good",
        kind: Kind::TrixieSocket,
        breaks: "systemctl stop ssh; echo 'Frobnicate yes' >$dropin; knock",
        shows: "failed ssh.socket",
        says: r"50-lab\.conf(:| line )1\b",
        ci: true,
        ..REPAIRED
    }
    socket_ignores_port {
        number: "23",
        title: "Port in sshd_config, which ssh.socket ignores",
        kind: Kind::Socket,
        breaks: "config 'Port 2222'",
        shows: "listens '*:22' && ! listens '*:2222'",
        client: CLIENT_2222,
        says: r"ssh\.socket",
        args: PORT_2222,
        keeps: Some("22"),
        ci: true,
        ..REPAIRED
    }
    generator_not_run {
        number: "24",
        title: "Port in sshd_config, and the generator not run since",
        kind: Kind::Generator,
        breaks: "config 'Port 2222'",
        shows: "listens 0.0.0.0:22 && ! listens 0.0.0.0:2222 && [ ! -e /run/systemd/generator/ssh.socket.d ]",
        client: CLIENT_2222,
        says: r"ssh\.socket|daemon-reload",
        args: PORT_2222,
        ci: true,
        ..REPAIRED
    }
    socket_not_restarted {
        number: "24",
        title: "Port in sshd_config, the generator run, and ssh.socket not restarted since",
        kind: Kind::Generator,
        breaks: "config 'Port 2222'; systemctl daemon-reload",
        shows: "state ssh.socket Listen | grep -q 0.0.0.0:2222 && ! listens 0.0.0.0:2222",
        client: CLIENT_2222,
        says: r"ssh\.socket",
        args: PORT_2222,
        ..REPAIRED
    }
    // systemd: "Socket unit configuration has changed while unit has been running, no open socket file descriptor left".
    socket_lost {
        number: "24",
        title: "Port in sshd_config and the generator run while no sshd did: ssh.socket is active and listens nowhere",
        kind: Kind::Generator,
        breaks: "systemctl stop ssh; systemctl start ssh.socket; echo Port 2222 >$dropin; systemctl daemon-reload",
        shows: "systemctl -q is-active ssh.socket && ! listens 0.0.0.0:22 && ! listens 0.0.0.0:2222",
        client: CLIENT_2222,
        says: r"ssh\.socket",
        args: PORT_2222,
        ..REPAIRED
    }
    bare_listen_stream {
        number: "25",
        title: "ListenStream=22 without an address under BindIPv6Only=ipv6-only",
        kind: Kind::Generator,
        breaks: "unit ssh.socket '[Socket]' ListenStream= ListenStream=22; systemctl restart ssh.socket",
        shows: "listens '[::]:22' && ! listens 0.0.0.0:22",
        says: r"ssh\.socket",
        ..REPAIRED
    }
    port_defined_twice {
        number: "26",
        title: "an override and the generator both name the port",
        kind: Kind::Generator,
        breaks: "echo Port 2222 >$dropin; unit ssh.socket '[Socket]' ListenStream=2222; systemctl restart ssh.socket",
        shows: "failed ssh.socket && log 'Address already in use' ssh.socket",
        client: CLIENT_2222,
        says: r"ssh\.socket",
        args: PORT_2222,
        ..REPAIRED
    }
    both_enabled {
        number: "27",
        title: "ssh.service runs on its own, so that the enabled ssh.socket cannot start, and is then stopped",
        kind: Kind::TrixieSocket,
        breaks: "systemctl stop ssh.socket ssh; systemctl enable --now ssh; systemctl start ssh.socket; systemctl stop ssh",
        shows: "! listens '*:22' && ! listens 0.0.0.0:22",
        says: "ssh",
        rounds: 2,
        ..REPAIRED
    }
    socket_start_limit {
        number: "27",
        title: "ssh.socket failed after a bad configuration that was then corrected by hand",
        kind: Kind::Socket,
        breaks: "systemctl stop ssh; echo 'Frobnicate yes' >$dropin; knock; sleep 1; rm $dropin",
        shows: "failed ssh.socket",
        says: "ssh",
        ..REPAIRED
    }
    socket_address_gone {
        number: "28",
        title: "ListenStream of an address that the host no longer has",
        kind: Kind::TrixieSocket,
        breaks: "systemctl stop ssh ssh.socket
            unit ssh.socket '[Socket]' ListenStream= ListenStream=192.0.2.7:22; systemctl start ssh.socket",
        shows: "failed ssh.socket && log 'Cannot assign requested address' ssh.socket",
        says: r"192\.0\.2\.7|ssh\.socket",
        args: &["-e", "listen_address=0.0.0.0"],
        ..REPAIRED
    }
    // Ubuntu's FreeBind=yes: systemd listens there all the same, and nobody can get there.
    generator_addresses {
        number: "28",
        title: "two ListenAddress lines of addresses that the host no longer has, handed on to ssh.socket",
        kind: Kind::Generator,
        breaks: "printf '%s\\n' 'ListenAddress 192.0.2.7' 'ListenAddress 192.0.2.8' >$dropin
            systemctl daemon-reload; systemctl restart ssh.socket",
        shows: "listens 192.0.2.7:22 && ! listens 0.0.0.0:22",
        says: r"192\.0\.2\.7",
        args: &["-e", "listen_address=0.0.0.0"],
        ..REPAIRED
    }
    generator_loopback {
        number: "28",
        title: "ListenAddress 127.0.0.1, which the generator hands on to ssh.socket",
        kind: Kind::Generator,
        breaks: "echo ListenAddress 127.0.0.1 >$dropin; systemctl daemon-reload; systemctl restart ssh.socket",
        shows: "listens 127.0.0.1:22 && ! listens 0.0.0.0:22",
        says: "this host alone",
        ..REPAIRED
    }
}
