//! What the unit, or the system around it, takes from sshd: causes 22, 37 to 40, 54, 55.

use super::{BY_HAND, CLIENT_2222, Fault, HEALTHY_HOST, Kind, REPAIRED};

/// A drop-in that was meant to harden sshd.
const HARDENED: Fault = Fault { number: "39", shows: "failed", ..REPAIRED };

/// It answers, and closes.
const CLOSED: Fault = Fault { number: "55", book: "ssh-closed", symptom: "([Cc]losed|reset) by", ..REPAIRED };

/// Stand-ins for the tools of SELinux, which no host here has: they print what the real ones do (seobject.py,
/// selinux_restorecon.c) and remember what they were told.
macro_rules! selinux {
    ($then:literal) => {
        concat!(
            r#"
    tool() { cat >/usr/sbin/$1; chmod 755 /usr/sbin/$1; }
    printf '#!/bin/sh\necho Enforcing\n' | tool getenforce
    tool semanage <<'SH'
#!/bin/sh
f=/var/lib/lab-ports; touch $f
case "$*" in
"port -l -n") printf '%-30s %-8s %s\n' http_port_t tcp '80, 81, 443' ssh_port_t tcp 22 unreserved_port_t tcp '61000-65535, 1024-32767'; cat $f;;
"port -l -C -n") cat $f;;
"port -a -t "*" -p tcp "*) printf '%-30s %-8s %s\n' "$4" tcp "$7" >>$f;;
*) echo "ValueError: $*" >&2; exit 1;;
esac
SH
    tool restorecon <<'SH'
#!/bin/sh
case "$1" in
-nvR) [ -e /var/lib/lab-labels ] || echo 'Would relabel /etc/ssh/sshd_config from unconfined_u:object_r:admin_home_t:s0 to system_u:object_r:etc_t:s0'
    echo '/etc/ssh/moduli not reset as customized by admin to unconfined_u:object_r:etc_runtime_t:s0';;
-Rv) : >/var/lib/lab-labels;;
esac
SH
"#,
            $then
        )
    };
}

faults! {
    sandbox_paths {
        title: "a drop-in hides /etc/ssh from sshd",
        breaks: "unit ssh.service '[Service]' PrivateTmp=yes InaccessiblePaths=/etc/ssh; systemctl restart ssh",
        says: r#"its unit keeps sshd from its work: /etc/systemd/system/ssh\.service\.d/lab\.conf:3 says "InaccessiblePaths=/etc/ssh""#,
        ci: true,
        ..HARDENED
    }
    sandbox_families {
        title: "a drop-in leaves sshd no address family of the internet",
        breaks: "unit ssh.service '[Service]' RestrictAddressFamilies=AF_UNIX; systemctl restart ssh",
        says: r#"lab\.conf:2 says "RestrictAddressFamilies=AF_UNIX", and its log: fatal: Cannot bind any address"#,
        ..HARDENED
    }
    sandbox_calls {
        title: "a drop-in forbids system calls that sshd needs",
        breaks: "unit ssh.service '[Service]' 'SystemCallFilter=~@network-io'; systemctl restart ssh",
        says: r#"lab\.conf:2 says "SystemCallFilter=~@network-io""#,
        ..HARDENED
    }
    sandbox_gone {
        title: "a drop-in names a directory that is not there",
        breaks: "unit ssh.service '[Service]' ReadOnlyPaths=/usr ReadWritePaths=/srv/gone; systemctl restart ssh",
        says: r#"lab\.conf:3 says "ReadWritePaths=/srv/gone""#,
        ..HARDENED
    }
    sandbox_user {
        title: "a drop-in runs sshd as another user",
        breaks: "unit ssh.service '[Service]' User=nobody; systemctl restart ssh",
        says: r#"lab\.conf:2 says "User=nobody", and its log: sshd: no hostkeys available"#,
        ..HARDENED
    }
    sandbox_network {
        title: "a drop-in gives sshd a network of its own",
        breaks: "unit ssh.service '[Service]' PrivateNetwork=yes; systemctl restart ssh",
        shows: "! listens 0.0.0.0:22",
        says: r#"lab\.conf:2 says "PrivateNetwork=yes""#,
        ..HARDENED
    }
    sandbox_trixie {
        title: "a drop-in hides sshd's host keys from it",
        kind: Kind::TrixieService,
        breaks: "unit ssh.service '[Service]' TemporaryFileSystem=/etc/ssh:ro; systemctl restart ssh",
        says: r#"lab\.conf:2 says "TemporaryFileSystem=/etc/ssh:ro""#,
        ..HARDENED
    }
    sandbox_socket {
        title: "a drop-in hides /etc/ssh from the sshd behind its socket",
        kind: Kind::Socket,
        breaks: "unit ssh.service '[Service]' InaccessiblePaths=/etc/ssh; systemctl stop ssh.service; knock",
        shows: "failed ssh.socket || { knock; false; }",
        says: r#"lab\.conf:2 says "InaccessiblePaths=/etc/ssh""#,
        ..HARDENED
    }
    sandbox_low_port {
        number: "40",
        title: "a drop-in takes CAP_NET_BIND_SERVICE",
        breaks: "unit ssh.service '[Service]' 'CapabilityBoundingSet=~CAP_NET_BIND_SERVICE CAP_SYS_PTRACE'; systemctl restart ssh",
        says: r#"lab\.conf:2 says "CapabilityBoundingSet=~CAP_NET_BIND_SERVICE CAP_SYS_PTRACE", and its log: error: Bind to port 22 on .* Permission denied"#,
        ..HARDENED
    }
    wedged {
        number: "54",
        title: "an sshd that its unit has lost hangs and holds the port",
        breaks: "unit ssh.service '[Service]' Type=simple ExecStart= \"ExecStart=/bin/sh -c '/usr/sbin/sshd -D & wait'\"
            systemctl restart ssh; within 10 listens 0.0.0.0:22
            rm /etc/systemd/system/ssh.service.d/lab.conf; systemctl daemon-reload; systemctl restart ssh
            kill -STOP $(pgrep -xo sshd)",
        shows: "failed && listens 0.0.0.0:22",
        symptom: "timed out",
        says: "an sshd that its unit has lost still holds the port: sshd .*ssh.service",
        ..REPAIRED
    }
    hung {
        number: "54",
        title: "sshd runs, and was stopped by a signal",
        breaks: "signal STOP",
        symptom: "timed out",
        says: r"sshd hangs: its process \d+ was stopped by a signal or a debugger",
        ..REPAIRED
    }
    closed_hung {
        number: "54",
        title: "sshd was stopped by a signal: a client connects, and waits for ever",
        breaks: "signal STOP",
        symptom: "timed out",
        says: r"sshd hangs: sshd \(pid \d+, ssh.service, stopped by a signal\) holds port 22",
        ..CLOSED
    }
    closed_files {
        title: "a drop-in leaves sshd too few open files",
        breaks: "unit ssh.service '[Service]' LimitNOFILE=9; systemctl restart ssh; knock",
        shows: "log 'Too many open files' || { knock; false; }",
        says: r#"lab\.conf:2 says "LimitNOFILE=9", and its log: error: reexec socketpair: Too many open files"#,
        ..CLOSED
    }
    closed_chroot {
        number: "39",
        title: "a drop-in takes CAP_SYS_CHROOT: sshd says its name, and closes",
        breaks: "unit ssh.service '[Service]' 'CapabilityBoundingSet=~CAP_SYS_CHROOT'; systemctl restart ssh; ssh -o BatchMode=yes -o StrictHostKeyChecking=no 127.0.0.1",
        shows: "log 'Operation not permitted'",
        says: r#"lab\.conf:2 says "CapabilityBoundingSet=~CAP_SYS_CHROOT""#,
        ..CLOSED
    }
    crypto_policy {
        number: "22",
        title: "the system's crypto policy names what sshd does not know (files in the layout of Red Hat 9, written by hand; no such host)",
        breaks: r"mkdir -p /etc/crypto-policies/back-ends /usr/share/crypto-policies/FUTURE
            printf 'Ciphers aes256-gcm@openssh.com,aes256-ctr\nMACs hmac-sha2-256-etm@openssh.com,hmac-sha2-512\nKexAlgorithms mlkem768x25519-sha256,curve25519-sha256\nHostKeyAlgorithms ecdsa-sha2-nistp256,ssh-ed25519,rsa-sha2-512\n' >/usr/share/crypto-policies/FUTURE/opensshserver.txt
            echo FUTURE >/etc/crypto-policies/config; ln -s /usr/share/crypto-policies/FUTURE/opensshserver.txt /etc/crypto-policies/back-ends/opensshserver.config
            config 'Include /etc/crypto-policies/back-ends/opensshserver.config'",
        shows: "failed",
        says: r"the system's crypto policy has a line that sshd refuses: /etc/crypto-policies/back-ends/opensshserver\.config:3",
        ..BY_HAND
    }
    selinux_port {
        number: "37",
        title: "SELinux does not know the port of sshd (stand-ins for its tools: no host here has it)",
        breaks: selinux!(": >/var/lib/lab-labels; echo 'Port 2222' >$dropin; systemctl stop ssh"),
        shows: "! listens 0.0.0.0:2222",
        client: CLIENT_2222,
        says: "SELinux is enforcing, and port 2222 is of the type unreserved_port_t, not ssh_port_t",
        ..REPAIRED
    }
    selinux_labels {
        number: "38",
        title: "files of sshd have labels of another place (stand-ins for SELinux's tools: no host here has it)",
        breaks: selinux!("systemctl stop ssh"),
        says: "SELinux may keep sshd from its files: Would relabel /etc/ssh/sshd_config",
        ..REPAIRED
    }
}

healthy! {
    sandbox_healthy {
        made: "unit ssh.service '[Service]' ProtectHome=read-only ProtectSystem=full NoNewPrivileges=no TasksMax=512 LimitNOFILE=4096; systemctl restart ssh",
        ..HEALTHY_HOST
    }
}
