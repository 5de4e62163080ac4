//! The port: causes 36, 49.

use super::BY_HAND;

faults! {
    port_taken {
        number: "36",
        title: "another program has the port on loopback, so that sshd cannot bind it",
        breaks: "occupy 127.0.0.1 ::1",
        shows: "failed && log 'Address already in use'",
        says: "mail-relay|python3",
        ci: true,
        ..BY_HAND
    }
    port_answers {
        number: "36",
        title: "another program answers on the port",
        breaks: "occupy 0.0.0.0 ::",
        shows: "failed && log 'Address already in use'",
        symptom: "Connection closed|Connection reset|invalid",
        says: "mail-relay|python3",
        ..BY_HAND
    }
    port_half_taken {
        number: "36",
        title: "another program has the IPv4 port on loopback: sshd answers over IPv6 alone",
        breaks: "occupy 127.0.0.1",
        shows: "listens '[::]:22' && ! listens 0.0.0.0:22",
        says: "mail-relay|python3",
        ..BY_HAND
    }
    orphan {
        number: "36",
        title: "an sshd that somebody started by hand has the port",
        breaks: "systemctl stop ssh; mkdir -p /run/sshd
            /usr/sbin/sshd -o ListenAddress=127.0.0.1 -o ListenAddress=::1; sleep 0.3; systemctl start ssh",
        shows: "failed && log 'Address already in use'",
        says: "sshd",
        ..BY_HAND
    }
    client_port {
        number: "49",
        title: "the client uses another port, and it is the client that is to change",
        breaks: "config 'Port 2222'",
        shows: "listens 0.0.0.0:2222",
        says: r#"clients use port 22, and sshd listens on 2222: /etc/ssh/sshd_config\.d/50-lab\.conf:1 says "Port 2222""#,
        args: &["-e", "port=22", "-e", "repair=client"],
        ..BY_HAND
    }
}
