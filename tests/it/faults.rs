//! The faults that the lab plants, by their numbers in the guide: how each is planted, how it shows at the real client,
//! what the runbook must say of it, and how it ends.

/// What kind of host the lab boots: `lab up --kind`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Debian 12; ssh.service listens.
    Service,
    /// Debian 12; ssh.socket listens.
    Socket,
    /// Debian 13; ssh.service listens.
    TrixieService,
    /// Debian 13; ssh.socket listens.
    TrixieSocket,
    /// Debian 13 with Ubuntu's ssh.socket and a stand-in for its sshd-socket-generator.
    Generator,
}

impl Kind {
    /// The lab's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Socket => "socket",
            Self::TrixieService => "trixie-service",
            Self::TrixieSocket => "trixie-socket",
            Self::Generator => "generator",
        }
    }
}

/// A way to break a host.
pub struct Fault {
    /// Its number in the guide.
    pub number: &'static str,
    pub name: &'static str,
    /// For the table.
    pub title: &'static str,
    pub kind: Kind,
    /// The sh that breaks it, after `PRELUDE`. Its exit status is nothing: what it starts is meant to fail.
    pub breaks: &'static str,
    /// Where that ends in a reboot: what the console says at the end of it.
    pub reboots: Option<&'static str>,
    /// The sh that succeeds once the fault is there for good, after `PRELUDE`; asked until it does.
    pub shows: &'static str,
    /// Options of the client, before and after the repair.
    pub client: &'static [&'static str],
    /// What the client says: a regex.
    pub symptom: &'static str,
    /// What the first finding says: a regex.
    pub says: &'static str,
    /// Arguments of plan and apply.
    pub args: &'static [&'static str],
    /// A port that answers while it is broken, and must after the repair too.
    pub keeps: Option<&'static str>,
    /// Rounds that may change something: one for a single fault.
    pub rounds: u64,
    /// How apply ends: 0 repaired; 1 where only a person can do it, and then no round may change anything unless `rounds`
    /// says so.
    pub exit: i32,
    /// The repair makes host keys that the client has never seen.
    pub new_keys: bool,
    /// Whether it is run in every test run, or with `RUNBOOK_FULL` alone.
    pub ci: bool,
}

/// What `breaks` and `shows` can use.
pub const PRELUDE: &str = r#"
PATH=$PATH:/usr/sbin:/sbin
dropin=/etc/ssh/sshd_config.d/50-lab.conf
state() { systemctl show -p "$2" --value "$1"; }
failed() { [ "$(state "${1:-ssh}" ActiveState)" = failed ]; }
log() { journalctl -u "${2:-ssh}" -o cat | grep -q -e "$1"; }
listens() { ss -Hltn | awk '{ print $4 }' | grep -qxF -e "$1"; }
each_key() { for key in /etc/ssh/ssh_host_*_key; do "$@"; done; }
# config TEXT: a drop-in of sshd, and sshd started anew.
config() { printf '%s\n' "$@" >$dropin; systemctl restart ssh; }
# unit UNIT TEXT: a drop-in of the unit.
unit() { mkdir -p /etc/systemd/system/$1.d; u=$1; shift; printf '%s\n' "$@" >/etc/systemd/system/$u.d/lab.conf; systemctl daemon-reload; }
# occupy ADDRESS...: another program on port 22 there, as a unit.
occupy() {
  cat >/usr/local/bin/mail-relay <<'PY'
#!/usr/bin/python3
import select, socket, sys
listening = []
for address in sys.argv[1:]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind((address, 22))
    s.listen(5)
    listening.append(s)
while True:
    for s in select.select(listening, [], [])[0]:
        c, _ = s.accept()
        c.sendall(b"220 mail ESMTP\r\n")
        c.close()
PY
  chmod 755 /usr/local/bin/mail-relay
  systemctl stop ssh
  systemd-run -q --unit=mail-relay /usr/local/bin/mail-relay "$@"
  for a; do until listens "$a:22" || listens "[$a]:22"; do sleep 0.1; done; done
  systemctl start ssh
}
# knock: a client on the host itself, which wakes a socket unit.
knock() { bash -c 'exec 3<>/dev/tcp/127.0.0.1/22 && read -rt 2 line <&3' 2>/dev/null; }
"#;

const PORT: &[&str] = &["-e", "port=22"];
const PORT_2222: &[&str] = &["-e", "port=2222"];
const CLIENT_2222: &[&str] = &["-p", "2222"];

/// Repaired in one round.
const REPAIRED: Fault = Fault {
    number: "",
    name: "",
    title: "",
    kind: Kind::Service,
    breaks: "",
    reboots: None,
    shows: "true",
    client: &[],
    symptom: "Connection refused",
    says: "",
    args: &[],
    keeps: None,
    rounds: 1,
    exit: 0,
    new_keys: false,
    ci: false,
};

/// sshd refuses a line of its configuration.
const BAD_LINE: Fault = Fault { number: "13", shows: "failed", says: r"50-lab\.conf(:| line )1\b", ..REPAIRED };

/// Named and left to a person.
const BY_HAND: Fault = Fault { rounds: 0, exit: 1, ..REPAIRED };

/// Every one, in the order of the guide.
pub const FAULTS: &[Fault] = &[
    // --- A: the service -----------------------------------------------------------------------------------------------
    Fault {
        number: "1",
        name: "not_running",
        title: "stopped",
        breaks: "systemctl stop ssh",
        says: "stopped|not running|inactive",
        ..REPAIRED
    },
    Fault {
        number: "2",
        name: "stopped",
        title: "stopped and disabled",
        breaks: "systemctl disable --now ssh",
        says: "not enabled",
        ci: true,
        ..REPAIRED
    },
    Fault {
        number: "3",
        name: "masked",
        title: "stopped and masked",
        breaks: "systemctl stop ssh; systemctl mask ssh",
        shows: r#"[ "$(state ssh LoadState)" = masked ]"#,
        says: "masked",
        ci: true,
        ..REPAIRED
    },
    Fault {
        number: "3",
        name: "masked_until_reboot",
        title: "masked in /run",
        breaks: "systemctl mask --runtime --now ssh",
        shows: r#"[ "$(state ssh UnitFileState)" = masked-runtime ]"#,
        says: "masked",
        ..REPAIRED
    },
    Fault {
        number: "3",
        name: "masked_alias",
        title: "stopped, and its other name (sshd.service) masked",
        breaks: "systemctl disable --now ssh; ln -sf /dev/null /etc/systemd/system/sshd.service; systemctl daemon-reload",
        shows: "[ -L /etc/systemd/system/sshd.service ]",
        says: "not enabled|masked",
        ..REPAIRED
    },
    Fault {
        number: "5",
        name: "package_removed",
        title: "package removed",
        breaks: "apt-get -qqy remove openssh-server",
        shows: "! command -v sshd",
        says: "no sshd|not installed",
        rounds: 3,
        ci: true,
        ..REPAIRED
    },
    Fault {
        number: "5",
        name: "binary_gone",
        title: "/usr/sbin/sshd deleted",
        breaks: "rm /usr/sbin/sshd; systemctl restart ssh",
        shows: "failed",
        says: "sshd",
        rounds: 3,
        ..REPAIRED
    },
    Fault {
        number: "5",
        name: "binary_empty",
        title: "/usr/sbin/sshd empty, as after a full disk",
        breaks: "install -m 755 /dev/null /usr/sbin/sshd.new; mv /usr/sbin/sshd.new /usr/sbin/sshd; systemctl restart ssh",
        shows: "failed && log 'Exec format error'",
        says: "/usr/sbin/sshd",
        rounds: 3,
        ..REPAIRED
    },
    Fault {
        number: "5",
        name: "binary_truncated",
        title: "/usr/sbin/sshd cut off half-way",
        breaks: "head -c 400000 /usr/sbin/sshd >/root/sshd; chmod 755 /root/sshd; mv /root/sshd /usr/sbin/sshd; systemctl restart ssh",
        shows: "failed",
        says: "/usr/sbin/sshd",
        rounds: 3,
        ..REPAIRED
    },
    Fault {
        number: "5",
        name: "binary_not_executable",
        title: "/usr/sbin/sshd not executable",
        breaks: "chmod 644 /usr/sbin/sshd; systemctl restart ssh",
        shows: "failed && log 'Permission denied'",
        says: "/usr/sbin/sshd|execut",
        rounds: 3,
        ..REPAIRED
    },
    Fault {
        number: "5",
        name: "unit_gone",
        title: "ssh.service deleted: systemd makes one of /etc/init.d/ssh",
        breaks: "systemctl stop ssh; rm /lib/systemd/system/ssh.service; systemctl daemon-reload",
        shows: r#"[ "$(state ssh FragmentPath)" = /run/systemd/generator.late/ssh.service ]"#,
        says: "stopped|unit",
        rounds: 3,
        ..REPAIRED
    },
    Fault {
        number: "6",
        name: "not_to_be_run",
        title: "/etc/ssh/sshd_not_to_be_run",
        breaks: "echo cloud-init >/etc/ssh/sshd_not_to_be_run; systemctl restart ssh",
        shows: r#"[ "$(state ssh ConditionResult)" = no ]"#,
        says: "sshd_not_to_be_run",
        ci: true,
        ..REPAIRED
    },
    Fault {
        number: "7",
        name: "start_limit",
        title: "start limit hit",
        breaks: "for i in 1 2 3 4 5 6 7; do systemctl restart ssh; done",
        shows: r#"[ "$(state ssh Result)" = start-limit-hit ]"#,
        says: "too often|start limit|start-limit",
        ci: true,
        ..REPAIRED
    },
    // systemd says "Start request repeated too quickly", and Result stays exit-code.
    Fault {
        number: "7",
        name: "start_limit_config",
        title: "start limit hit by a bad configuration, which was then corrected by hand",
        breaks: "echo Prot 22 >$dropin; for i in 1 2 3 4 5 6 7; do systemctl restart ssh; done; rm $dropin",
        shows: "! systemctl start ssh && log 'Start request repeated too quickly'",
        says: "failed",
        ..REPAIRED
    },
    Fault {
        number: "9",
        name: "killed",
        title: "killed, and told not to restart by a drop-in of the unit",
        breaks: "unit ssh.service '[Service]' Restart=no; systemctl restart ssh; kill -9 $(state ssh MainPID)",
        shows: r#"failed && [ "$(state ssh Result)" = signal ]"#,
        says: "killed|signal|failed",
        ..REPAIRED
    },
    Fault {
        number: "9",
        name: "killed_often",
        title: "killed again and again, until systemd gave up",
        breaks: r#"for i in 1 2 3 4 5 6 7 8; do
            pid=$(state ssh MainPID); [ "$pid" = 0 ] || kill -9 "$pid"; sleep 0.3
        done"#,
        shows: "failed && log 'Start request repeated too quickly'",
        says: "killed|signal|failed",
        ..REPAIRED
    },
    // Another libcrypto cannot be had without another release: a script says what sshd would say.
    Fault {
        number: "10",
        name: "openssl_mismatch",
        title: "OpenSSL version mismatch (stand-in: a script in place of sshd that says so)",
        breaks: "printf '%s\\n' '#!/bin/sh' 'echo \"OpenSSL version mismatch. Built against 30000070, you have 30200020\" >&2' 'exit 255' >/root/sshd
            chmod 755 /root/sshd; mv /root/sshd /usr/sbin/sshd; systemctl restart ssh",
        shows: "failed && log 'OpenSSL version mismatch'",
        says: "OpenSSL version mismatch",
        rounds: 3,
        ..REPAIRED
    },
    Fault {
        number: "11",
        name: "library_missing",
        title: "a library of sshd's is missing",
        breaks: "mv /usr/lib/x86_64-linux-gnu/libwrap.so.0 /root; systemctl restart ssh",
        shows: "failed && log 'libwrap.so.0: cannot open shared object file'",
        says: r"libwrap\.so\.0",
        rounds: 3,
        ..REPAIRED
    },
    Fault {
        number: "12",
        name: "rescue",
        title: "the host is in rescue mode",
        breaks: "systemctl --no-block isolate rescue.target",
        shows: "systemctl -q is-active rescue.target && ! systemctl -q is-active ssh",
        says: "(?i)rescue|maintenance",
        ..REPAIRED
    },
    Fault {
        number: "12",
        name: "emergency",
        title: "a line of fstab fails, so that the host boots into emergency mode",
        breaks: "echo 'overlay /srv overlay lowerdir=/nowhere,upperdir=/nowhere,workdir=/nowhere 0 0' >>/etc/fstab
            (sleep 0.5; systemctl reboot) >/dev/null 2>&1 &",
        reboots: Some("You are in emergency mode"),
        shows: "systemctl -q is-active emergency.target && systemctl -q is-failed srv.mount",
        says: "(?i)emergency|maintenance|fstab|/srv",
        // sshd can be started there, but the line is for a person to mend.
        rounds: 1,
        ..BY_HAND
    },
    // --- B: the configuration -----------------------------------------------------------------------------------------
    Fault {
        name: "misspelling",
        title: "a misspelled keyword with one near neighbour",
        breaks: "config 'Prot 22'",
        ci: true,
        ..BAD_LINE
    },
    Fault {
        name: "unknown_keyword",
        title: "a keyword that is like no other",
        breaks: "config 'Frobnicate yes'",
        ..BAD_LINE
    },
    Fault { name: "bad_value", title: "a value that the keyword cannot have", breaks: "config 'LogLevel loud'", ..BAD_LINE },
    Fault { name: "bad_port", title: "a port that is no port", breaks: "config 'Port 99999'", ..BAD_LINE },
    Fault { name: "missing_value", title: "a keyword without a value", breaks: "config Banner", ..BAD_LINE },
    Fault { name: "unclosed_quote", title: "a quote that is not closed", breaks: "config 'Banner \"/etc/issue'", ..BAD_LINE },
    Fault { name: "extra_value", title: "more values than the keyword takes", breaks: "config 'UseDNS no yes'", ..BAD_LINE },
    Fault {
        name: "byte_order_mark",
        title: "a byte order mark, as editors of another system leave it",
        breaks: "printf '\\357\\273\\277X11Forwarding no\\n' >$dropin; systemctl restart ssh",
        ..BAD_LINE
    },
    Fault {
        name: "two_bad_lines",
        title: "two bad lines, the second of which sshd only names when the first is gone",
        breaks: "config 'X11Forwarding maybe' 'UseDNS perhaps'",
        ..BAD_LINE
    },
    Fault {
        name: "two_bad_files",
        title: "a bad line in a drop-in and one in sshd_config",
        breaks: "echo 'UseDNS perhaps' >>/etc/ssh/sshd_config; config 'Frobnicate yes'",
        ..BAD_LINE
    },
    Fault {
        name: "dropin_dangles",
        title: "a drop-in that is a link to nowhere",
        breaks: "ln -s /srv/gone.conf $dropin; systemctl restart ssh",
        shows: "failed && log '50-lab.conf: No such file'",
        says: r"50-lab\.conf",
        args: &["-e", "policy_lines=comment"],
        ..BAD_LINE
    },
    Fault {
        number: "14",
        name: "after_match",
        title: "a line for all behind a Match",
        breaks: "config 'Match User backup' '  X11Forwarding no' 'UseDNS no'",
        says: r"50-lab\.conf(:| line )3\b",
        ci: true,
        ..BAD_LINE
    },
    Fault {
        number: "14",
        name: "match_header",
        title: "a bad Match header, and nobody says what to do with lines that decide who gets in",
        breaks: "config 'Match Usr backup' '  ForceCommand /bin/false' 'Match User nobody' '  X11Forwarding no'",
        shows: "failed",
        says: r"50-lab\.conf(:| line )1\b",
        ci: true,
        ..BY_HAND
    },
    // The client runs a command: a ForceCommand that became everybody's would be seen.
    Fault {
        number: "14",
        name: "match_header_commented",
        title: "a bad Match header, commented out with its block",
        breaks: "config 'Match Usr backup' '  ForceCommand /bin/false' 'Match User nobody' '  X11Forwarding no'",
        args: &["-e", "policy_lines=comment"],
        ..BAD_LINE
    },
    Fault {
        number: "15",
        name: "yaml_boolean",
        title: "a YAML boolean",
        breaks: "config 'X11Forwarding True'",
        ..BAD_LINE
    },
    Fault {
        number: "15",
        name: "policy_boolean",
        title: "a YAML boolean in a line that decides who gets in",
        breaks: "config 'PermitRootLogin True'",
        shows: "failed",
        says: r"50-lab\.conf(:| line )1\b",
        ..BY_HAND
    },
    Fault {
        number: "15",
        name: "policy_corrected",
        title: "a YAML boolean in a line that decides who gets in, to be corrected",
        breaks: "config 'PermitRootLogin True'",
        args: &["-e", "policy_lines=correct"],
        ..BAD_LINE
    },
    Fault {
        number: "15",
        name: "policy_commented",
        title: "a misspelled line that decides who gets in, to be commented out",
        breaks: "config 'PasswordAuthentification no'",
        args: &["-e", "policy_lines=comment"],
        ..BAD_LINE
    },
    Fault {
        number: "16",
        name: "bad_cipher",
        title: "a cipher that this sshd no longer has",
        breaks: "config 'Ciphers aes256-ctr,arcfour256'",
        ..BAD_LINE
    },
    Fault {
        number: "16",
        name: "foreign_option",
        title: "an option of another distribution's sshd",
        breaks: "config 'RSAMinSize 2048'",
        ..BAD_LINE
    },
    Fault {
        number: "16",
        name: "removed_algorithm",
        title: "a key type that OpenSSH 10 has dropped",
        kind: Kind::TrixieService,
        breaks: "config 'HostKeyAlgorithms +ssh-dss'",
        ..BAD_LINE
    },
    Fault {
        number: "17",
        name: "config_missing",
        title: "sshd_config is missing",
        breaks: "rm /etc/ssh/sshd_config; systemctl restart ssh",
        shows: "failed && log 'sshd_config: No such file'",
        says: "sshd_config",
        ci: true,
        ..REPAIRED
    },
    Fault {
        number: "18",
        name: "port_main",
        title: "wrong port in sshd_config",
        breaks: "sed -i 's/^#Port 22$/Port 2222/' /etc/ssh/sshd_config; systemctl restart ssh",
        shows: "listens 0.0.0.0:2222",
        says: "2222",
        args: PORT,
        keeps: Some("2222"),
        ..REPAIRED
    },
    Fault {
        number: "18",
        name: "port_dropin",
        title: "wrong port in a drop-in",
        breaks: "config 'Port 2222'",
        shows: "listens 0.0.0.0:2222",
        says: r#"50-lab\.conf:1 says "Port 2222""#,
        args: PORT,
        keeps: Some("2222"),
        ci: true,
        ..REPAIRED
    },
    Fault {
        number: "18",
        name: "port_included",
        title: "wrong port in a file that is included from elsewhere",
        breaks: "echo Port 2222 >/srv/port.conf; sed -i '1i Include /srv/*.conf' /etc/ssh/sshd_config; systemctl restart ssh",
        shows: "listens 0.0.0.0:2222",
        says: r"/srv/port\.conf",
        args: PORT,
        keeps: Some("2222"),
        ..REPAIRED
    },
    Fault {
        number: "18",
        name: "port_included_blank",
        title: "wrong port in a file whose directory has a blank in its name",
        breaks: "mkdir '/etc/ssh/my conf'; echo Port 2222 >'/etc/ssh/my conf/a.conf'
            sed -i '1i Include \"/etc/ssh/my conf/*.conf\"' /etc/ssh/sshd_config; systemctl restart ssh",
        shows: "listens 0.0.0.0:2222",
        says: r"/etc/ssh/my conf/a\.conf",
        args: PORT,
        keeps: Some("2222"),
        ..REPAIRED
    },
    Fault {
        number: "18",
        name: "port_and_stopped",
        title: "two: wrong port, and stopped and disabled",
        breaks: "sed -i 's/^#Port 22$/Port 2222/' /etc/ssh/sshd_config; systemctl disable --now ssh",
        says: "2222|stopped",
        args: PORT,
        rounds: 2,
        ..REPAIRED
    },
    Fault {
        number: "19",
        name: "loopback",
        title: "ListenAddress 127.0.0.1",
        breaks: "sed -i 's/^#ListenAddress 0.0.0.0$/ListenAddress 127.0.0.1/' /etc/ssh/sshd_config; systemctl restart ssh",
        shows: "listens 127.0.0.1:22",
        says: "this host alone",
        ci: true,
        ..REPAIRED
    },
    Fault {
        number: "19",
        name: "loopback_dropin",
        title: "ListenAddress 127.0.0.1 in a drop-in",
        breaks: "config 'ListenAddress 127.0.0.1'",
        shows: "listens 127.0.0.1:22",
        says: r"50-lab\.conf:1",
        ..REPAIRED
    },
    Fault {
        number: "19",
        name: "loopback_and_masked",
        title: "two: ListenAddress 127.0.0.1, and masked",
        breaks: "sed -i 's/^#ListenAddress 0.0.0.0$/ListenAddress 127.0.0.1/' /etc/ssh/sshd_config
            systemctl stop ssh; systemctl mask ssh",
        says: "this host alone|masked",
        rounds: 2,
        ..REPAIRED
    },
    Fault {
        number: "19",
        name: "address_gone",
        title: "ListenAddress of an address that the host no longer has",
        breaks: "config 'ListenAddress 192.0.2.7'",
        shows: "failed && log 'Cannot assign requested address'",
        says: r"192\.0\.2\.7",
        args: &["-e", "listen_address=0.0.0.0"],
        ci: true,
        ..REPAIRED
    },
    Fault {
        number: "19",
        name: "address_lost",
        title: "the same, and nobody said where else to listen",
        breaks: "config 'ListenAddress 192.0.2.7'",
        shows: "failed && log 'Cannot assign requested address'",
        says: r"192\.0\.2\.7",
        ..BY_HAND
    },
    Fault {
        number: "19",
        name: "address_unknown",
        title: "ListenAddress of a name that cannot be resolved",
        breaks: "config 'ListenAddress nowhere.invalid'",
        shows: "failed && log 'bad addr or host'",
        says: r"nowhere\.invalid",
        args: &["-e", "policy_lines=comment"],
        ..REPAIRED
    },
    Fault {
        number: "20",
        name: "inet6_only",
        title: "AddressFamily inet6",
        breaks: "config 'AddressFamily inet6'",
        shows: "listens '[::]:22' && ! listens 0.0.0.0:22",
        says: "(?i)AddressFamily|IPv6|inet6",
        ..REPAIRED
    },
    Fault {
        number: "20",
        name: "inet6_address",
        title: "ListenAddress :: and no other",
        breaks: "config 'ListenAddress ::'",
        shows: "listens '[::]:22' && ! listens 0.0.0.0:22",
        says: "(?i)ListenAddress|IPv6|IPv4",
        ..REPAIRED
    },
    Fault {
        number: "20",
        name: "families_disagree",
        title: "AddressFamily inet6 and an IPv4 ListenAddress",
        breaks: "config 'AddressFamily inet6' 'ListenAddress 0.0.0.0'",
        shows: "failed && log 'Address family for hostname not supported'",
        says: r"(?i)AddressFamily|0\.0\.0\.0",
        ..REPAIRED
    },
    Fault {
        number: "21",
        name: "options_port",
        title: "-p 2222 in SSHD_OPTS",
        breaks: "echo 'SSHD_OPTS=\"-p 2222\"' >/etc/default/ssh; systemctl restart ssh",
        shows: "listens 0.0.0.0:2222",
        says: "/etc/default/ssh",
        args: PORT,
        ci: true,
        ..REPAIRED
    },
    Fault {
        number: "21",
        name: "options_address",
        title: "-o ListenAddress=127.0.0.1 in SSHD_OPTS",
        breaks: "echo 'SSHD_OPTS=\"-o ListenAddress=127.0.0.1\"' >/etc/default/ssh; systemctl restart ssh",
        shows: "listens 127.0.0.1:22",
        says: "/etc/default/ssh",
        ..REPAIRED
    },
    Fault {
        number: "21",
        name: "options_unknown",
        title: "an option that sshd does not have in SSHD_OPTS",
        breaks: "echo 'SSHD_OPTS=\"--port 2222\"' >/etc/default/ssh; systemctl restart ssh",
        shows: "failed && log 'unknown option'",
        says: "/etc/default/ssh",
        ..REPAIRED
    },
    Fault {
        number: "21",
        name: "unit_port",
        title: "-p 2222 in a drop-in of the unit",
        breaks: "unit ssh.service '[Service]' ExecStart= 'ExecStart=/usr/sbin/sshd -D -p 2222'; systemctl restart ssh",
        shows: "listens 0.0.0.0:2222",
        says: r"ssh\.service\.d/lab\.conf",
        args: PORT,
        ..REPAIRED
    },
    Fault {
        number: "21",
        name: "unit_file",
        title: "another configuration file in a drop-in of the unit",
        breaks: "echo Port 2222 >/etc/ssh/other_config
            unit ssh.service '[Service]' ExecStart= 'ExecStart=/usr/sbin/sshd -D -f /etc/ssh/other_config'; systemctl restart ssh",
        shows: "listens 0.0.0.0:2222",
        says: "/etc/ssh/other_config",
        args: PORT,
        ..REPAIRED
    },
    Fault {
        number: "21",
        name: "unit_path",
        title: "a program that is not there in a drop-in of the unit",
        breaks: "unit ssh.service '[Service]' ExecStart= 'ExecStart=/usr/local/sbin/sshd -D'; systemctl restart ssh",
        shows: "failed && log '/usr/local/sbin/sshd'",
        says: r"/usr/local/sbin/sshd|ssh\.service\.d/lab\.conf",
        ..REPAIRED
    },
    // --- C: socket activation -----------------------------------------------------------------------------------------
    Fault {
        number: "1",
        name: "socket_stopped",
        title: "ssh.socket stopped and disabled",
        kind: Kind::Socket,
        breaks: "systemctl disable --now ssh.socket; systemctl stop ssh",
        shows: "! listens '*:22'",
        says: "ssh",
        ..REPAIRED
    },
    Fault {
        number: "3",
        name: "socket_masked",
        title: "ssh.socket masked",
        kind: Kind::TrixieSocket,
        breaks: "systemctl stop ssh.socket ssh; systemctl mask ssh.socket",
        shows: "! listens '*:22'",
        says: "masked|not enabled",
        ..REPAIRED
    },
    Fault {
        number: "6",
        name: "socket_not_to_be_run",
        title: "sshd_not_to_be_run while ssh.socket listens: its trigger limit is hit",
        kind: Kind::TrixieSocket,
        breaks: "systemctl stop ssh; touch /etc/ssh/sshd_not_to_be_run; knock",
        shows: r#"[ "$(state ssh.socket Result)" = trigger-limit-hit ]"#,
        says: "sshd_not_to_be_run",
        ..REPAIRED
    },
    Fault {
        number: "13",
        name: "socket_bad_line",
        title: "a bad line under ssh.socket: one connection makes it fail for good",
        kind: Kind::TrixieSocket,
        breaks: "systemctl stop ssh; echo 'Frobnicate yes' >$dropin; knock",
        shows: "failed ssh.socket",
        says: r"50-lab\.conf(:| line )1\b",
        ci: true,
        ..REPAIRED
    },
    Fault {
        number: "23",
        name: "socket_ignores_port",
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
    },
    Fault {
        number: "24",
        name: "generator_not_run",
        title: "Port in sshd_config, and the generator not run since",
        kind: Kind::Generator,
        breaks: "config 'Port 2222'",
        shows: "listens 0.0.0.0:22 && ! listens 0.0.0.0:2222 && [ ! -e /run/systemd/generator/ssh.socket.d ]",
        client: CLIENT_2222,
        says: r"ssh\.socket|daemon-reload",
        args: PORT_2222,
        ci: true,
        ..REPAIRED
    },
    Fault {
        number: "24",
        name: "socket_not_restarted",
        title: "Port in sshd_config, the generator run, and ssh.socket not restarted since",
        kind: Kind::Generator,
        breaks: "config 'Port 2222'; systemctl daemon-reload",
        shows: "state ssh.socket Listen | grep -q 0.0.0.0:2222 && ! listens 0.0.0.0:2222",
        client: CLIENT_2222,
        says: r"ssh\.socket",
        args: PORT_2222,
        ..REPAIRED
    },
    // systemd: "Socket unit configuration has changed while unit has been running, no open socket file descriptor left".
    Fault {
        number: "24",
        name: "socket_lost",
        title: "Port in sshd_config and the generator run while no sshd did: ssh.socket is active and listens nowhere",
        kind: Kind::Generator,
        breaks: "systemctl stop ssh; systemctl start ssh.socket; echo Port 2222 >$dropin; systemctl daemon-reload",
        shows: "systemctl -q is-active ssh.socket && ! listens 0.0.0.0:22 && ! listens 0.0.0.0:2222",
        client: CLIENT_2222,
        says: r"ssh\.socket",
        args: PORT_2222,
        ..REPAIRED
    },
    Fault {
        number: "25",
        name: "bare_listen_stream",
        title: "ListenStream=22 without an address under BindIPv6Only=ipv6-only",
        kind: Kind::Generator,
        breaks: "unit ssh.socket '[Socket]' ListenStream= ListenStream=22; systemctl restart ssh.socket",
        shows: "listens '[::]:22' && ! listens 0.0.0.0:22",
        says: r"ssh\.socket",
        ..REPAIRED
    },
    Fault {
        number: "26",
        name: "port_defined_twice",
        title: "an override and the generator both name the port",
        kind: Kind::Generator,
        breaks: "echo Port 2222 >$dropin; unit ssh.socket '[Socket]' ListenStream=2222; systemctl restart ssh.socket",
        shows: "failed ssh.socket && log 'Address already in use' ssh.socket",
        client: CLIENT_2222,
        says: r"ssh\.socket",
        args: PORT_2222,
        ..REPAIRED
    },
    Fault {
        number: "27",
        name: "both_enabled",
        title: "ssh.service runs on its own, so that the enabled ssh.socket cannot start, and is then stopped",
        kind: Kind::TrixieSocket,
        breaks: "systemctl stop ssh.socket ssh; systemctl enable --now ssh; systemctl start ssh.socket; systemctl stop ssh",
        shows: "! listens '*:22' && ! listens 0.0.0.0:22",
        says: "ssh",
        rounds: 2,
        ..REPAIRED
    },
    Fault {
        number: "27",
        name: "socket_start_limit",
        title: "ssh.socket failed after a bad configuration that was then corrected by hand",
        kind: Kind::Socket,
        breaks: "systemctl stop ssh; echo 'Frobnicate yes' >$dropin; knock; sleep 1; rm $dropin",
        shows: "failed ssh.socket",
        says: "ssh",
        ..REPAIRED
    },
    Fault {
        number: "28",
        name: "socket_address_gone",
        title: "ListenStream of an address that the host no longer has",
        kind: Kind::TrixieSocket,
        breaks: "systemctl stop ssh ssh.socket
            unit ssh.socket '[Socket]' ListenStream= ListenStream=192.0.2.7:22; systemctl start ssh.socket",
        shows: "failed ssh.socket && log 'Cannot assign requested address' ssh.socket",
        says: r"192\.0\.2\.7|ssh\.socket",
        args: &["-e", "listen_address=0.0.0.0"],
        ..REPAIRED
    },
    // Ubuntu's FreeBind=yes: systemd listens there all the same, and nobody can get there.
    Fault {
        number: "28",
        name: "generator_addresses",
        title: "two ListenAddress lines of addresses that the host no longer has, handed on to ssh.socket",
        kind: Kind::Generator,
        breaks: "printf '%s\\n' 'ListenAddress 192.0.2.7' 'ListenAddress 192.0.2.8' >$dropin
            systemctl daemon-reload; systemctl restart ssh.socket",
        shows: "listens 192.0.2.7:22 && ! listens 0.0.0.0:22",
        says: r"192\.0\.2\.7",
        args: &["-e", "listen_address=0.0.0.0"],
        ..REPAIRED
    },
    Fault {
        number: "28",
        name: "generator_loopback",
        title: "ListenAddress 127.0.0.1, which the generator hands on to ssh.socket",
        kind: Kind::Generator,
        breaks: "echo ListenAddress 127.0.0.1 >$dropin; systemctl daemon-reload; systemctl restart ssh.socket",
        shows: "listens 127.0.0.1:22 && ! listens 0.0.0.0:22",
        says: "this host alone",
        ..REPAIRED
    },
    // --- D: keys and directories --------------------------------------------------------------------------------------
    Fault {
        number: "29",
        name: "no_keys",
        title: "no host keys",
        breaks: "rm /etc/ssh/ssh_host_*; systemctl restart ssh",
        shows: "failed && log 'no hostkeys available'",
        says: "(?i)host ?key",
        new_keys: true,
        ci: true,
        ..REPAIRED
    },
    Fault {
        number: "29",
        name: "key_path",
        title: "HostKey names a file that is not there",
        breaks: "config 'HostKey /etc/ssh/keys/ssh_host_ed25519_key'",
        shows: "failed && log 'Unable to load host key: /etc/ssh/keys/ssh_host_ed25519_key'",
        says: "/etc/ssh/keys/ssh_host_ed25519_key",
        new_keys: true,
        ..REPAIRED
    },
    Fault {
        number: "29",
        name: "socket_no_keys",
        title: "no host keys under ssh.socket",
        kind: Kind::TrixieSocket,
        breaks: "systemctl stop ssh; rm /etc/ssh/ssh_host_*; knock",
        shows: "failed ssh.socket",
        says: "(?i)host ?key",
        new_keys: true,
        ..REPAIRED
    },
    Fault {
        number: "30",
        name: "keys_open",
        title: "host keys that others may read",
        breaks: "chmod 644 /etc/ssh/ssh_host_*_key; systemctl restart ssh",
        shows: "failed && log 'are too open'",
        says: r"0?644|too open",
        ci: true,
        ..REPAIRED
    },
    Fault {
        number: "30",
        name: "keys_group",
        title: "host keys that a group may read, as other distributions have it",
        breaks: "chgrp adm /etc/ssh/ssh_host_*_key; chmod 640 /etc/ssh/ssh_host_*_key; systemctl restart ssh",
        shows: "failed && log 'are too open'",
        says: r"0?640|too open",
        ..REPAIRED
    },
    Fault {
        number: "30",
        name: "key_blank",
        title: "the only host key has a blank in its name, and others may read it",
        breaks: "mv /etc/ssh/ssh_host_ed25519_key '/etc/ssh/my key'; chmod 644 '/etc/ssh/my key'
            config 'HostKey \"/etc/ssh/my key\"'",
        shows: "failed && log 'are too open'",
        says: "/etc/ssh/my key",
        ..REPAIRED
    },
    Fault {
        number: "1",
        name: "key_in_run",
        title: "stopped, with its host key below /run, where a second look must find it",
        breaks: "mkdir /run/keys; mv /etc/ssh/ssh_host_ed25519_key /run/keys/hk; config 'HostKey /run/keys/hk'; systemctl stop ssh",
        says: "stopped",
        ..REPAIRED
    },
    Fault {
        number: "31",
        name: "keys_corrupt",
        title: "host keys that are damaged",
        breaks: "broken() { sed -i '3s/[A-Za-z]/!/g' $key; }; each_key broken; systemctl restart ssh",
        shows: "failed && log 'no hostkeys available'",
        says: "ssh_host_[a-z0-9]*_key",
        new_keys: true,
        ..REPAIRED
    },
    Fault {
        number: "31",
        name: "keys_empty",
        title: "host keys of zero bytes, as after a full disk",
        breaks: "each_key eval ': >$key'; systemctl restart ssh",
        shows: "failed && log 'no hostkeys available'",
        says: "ssh_host_[a-z0-9]*_key",
        new_keys: true,
        ..REPAIRED
    },
    // The key is whole: nobody needs to learn a new fingerprint.
    Fault {
        number: "31",
        name: "keys_crlf",
        title: "host keys with the line ends of another system",
        breaks: "sed -i 's/$/\\r/' /etc/ssh/ssh_host_*_key; systemctl restart ssh",
        shows: "failed && log 'no hostkeys available'",
        says: "ssh_host_[a-z0-9]*_key",
        ..REPAIRED
    },
    Fault {
        number: "31",
        name: "keys_without_newline",
        title: "host keys without their last line end, as pasted",
        breaks: "each_key eval 'truncate -s -1 $key'; systemctl restart ssh",
        shows: "failed && log 'no hostkeys available'",
        says: "ssh_host_[a-z0-9]*_key",
        ..REPAIRED
    },
    Fault {
        number: "31",
        name: "keys_with_passphrase",
        title: "host keys with a passphrase",
        breaks: "each_key eval \"ssh-keygen -q -p -P '' -N secret -f \\$key\"; systemctl restart ssh",
        shows: "failed && log 'no hostkeys available'",
        says: "ssh_host_[a-z0-9]*_key",
        new_keys: true,
        ..REPAIRED
    },
    Fault {
        number: "32",
        name: "rundir_missing",
        title: "/run/sshd missing, and a drop-in keeps systemd from making it",
        breaks: "unit ssh.service '[Service]' RuntimeDirectory=; systemctl stop ssh; rm -rf /run/sshd; systemctl start ssh",
        shows: "failed && log 'Missing privilege separation directory'",
        says: "/run/sshd",
        ..REPAIRED
    },
    Fault {
        number: "32",
        name: "rundir_removed",
        title: "/run/sshd removed from under a running sshd",
        breaks: "rm -rf /run/sshd",
        symptom: "Connection reset|Connection closed",
        says: "/run/sshd",
        ..REPAIRED
    },
    Fault {
        number: "32",
        name: "rundir_link",
        title: "/run/sshd is a link to nowhere",
        breaks: "systemctl stop ssh; ln -s /nowhere /run/sshd; systemctl start ssh",
        shows: "failed",
        says: "/run/sshd",
        ..REPAIRED
    },
    Fault {
        number: "33",
        name: "rundir_mode",
        title: "/run/sshd that everybody may write to, by a drop-in of the unit",
        breaks: "unit ssh.service '[Service]' RuntimeDirectoryMode=0777; systemctl restart ssh",
        shows: "failed && log 'must be owned by root and not group or world-writable'",
        says: "/run/sshd",
        ..REPAIRED
    },
    Fault {
        number: "33",
        name: "rundir_owner",
        title: "/run/sshd of another user, and a drop-in keeps systemd from making it",
        breaks: "unit ssh.service '[Service]' RuntimeDirectory=; systemctl stop ssh
            mkdir -p /run/sshd; chown admin /run/sshd; systemctl start ssh",
        shows: "failed && log 'must be owned by root and not group or world-writable'",
        says: "/run/sshd",
        ..REPAIRED
    },
    Fault {
        number: "34",
        name: "user_gone",
        title: "the user sshd is gone",
        breaks: "userdel sshd; systemctl restart ssh",
        shows: "failed && log 'Privilege separation user sshd does not exist'",
        says: "user sshd",
        ci: true,
        ..REPAIRED
    },
    Fault {
        number: "35",
        name: "modes_777",
        title: "chmod -R 777 /etc/ssh",
        breaks: "chmod -R 777 /etc/ssh; systemctl restart ssh",
        shows: "failed && log 'are too open'",
        says: "0?777|too open",
        ..REPAIRED
    },
    // --- E: the port --------------------------------------------------------------------------------------------------
    Fault {
        number: "36",
        name: "port_taken",
        title: "another program has the port on loopback, so that sshd cannot bind it",
        breaks: "occupy 127.0.0.1 ::1",
        shows: "failed && log 'Address already in use'",
        says: "mail-relay|python3",
        ci: true,
        ..BY_HAND
    },
    Fault {
        number: "36",
        name: "port_answers",
        title: "another program answers on the port",
        breaks: "occupy 0.0.0.0 ::",
        shows: "failed && log 'Address already in use'",
        symptom: "Connection closed|Connection reset|invalid",
        says: "mail-relay|python3",
        ..BY_HAND
    },
    Fault {
        number: "36",
        name: "port_half_taken",
        title: "another program has the IPv4 port on loopback: sshd answers over IPv6 alone",
        breaks: "occupy 127.0.0.1",
        shows: "listens '[::]:22' && ! listens 0.0.0.0:22",
        says: "mail-relay|python3",
        ..BY_HAND
    },
    Fault {
        number: "36",
        name: "orphan",
        title: "an sshd that somebody started by hand has the port",
        breaks: "systemctl stop ssh; mkdir -p /run/sshd
            /usr/sbin/sshd -o ListenAddress=127.0.0.1 -o ListenAddress=::1; sleep 0.3; systemctl start ssh",
        shows: "failed && log 'Address already in use'",
        says: "sshd",
        ..BY_HAND
    },
];

/// A host that has no fault, however it looks.
pub struct Healthy {
    pub name: &'static str,
    pub kind: Kind,
    /// The sh that makes it so, after `PRELUDE`.
    pub made: &'static str,
    pub client: &'static [&'static str],
    pub args: &'static [&'static str],
    pub ci: bool,
}

const HEALTHY_HOST: Healthy =
    Healthy { name: "", kind: Kind::Service, made: "true", client: &[], args: &[], ci: false };

/// Hosts where there is nothing to do.
pub const HEALTHY: &[Healthy] = &[
    Healthy { name: "healthy_service", ci: true, ..HEALTHY_HOST },
    // What a unit says is for systemd to read: only what is plain is taken for sshd's options.
    Healthy {
        name: "healthy_continued_line",
        made: r"sed 's/^ExecStart=.*/ExecStart=\/usr\/sbin\/sshd -D \\/; /^ExecStart/a\   $SSHD_OPTS' /lib/systemd/system/ssh.service >/etc/systemd/system/ssh.service
            systemctl daemon-reload; systemctl restart ssh",
        ..HEALTHY_HOST
    },
    Healthy {
        name: "healthy_wrapper",
        made: "unit ssh.service '[Service]' ExecStart= 'ExecStart=/usr/bin/env LC_ALL=C /usr/sbin/sshd -D'; systemctl restart ssh",
        ..HEALTHY_HOST
    },
    Healthy {
        name: "healthy_options_in_unit",
        made: "unit ssh.service '[Service]' 'Environment=\"SSHD_OPTS=-p 2222\"' EnvironmentFile=; systemctl restart ssh",
        client: CLIENT_2222,
        ..HEALTHY_HOST
    },
    Healthy {
        name: "healthy_beside_sshguard",
        made: "unit sshguard.service '[Service]' ExecStart= 'ExecStart=/usr/sbin/sshguard -w x --foo'",
        ci: true,
        ..HEALTHY_HOST
    },
    Healthy {
        name: "healthy_with_warnings",
        made: "echo 'RequiredRSASize 16384' >$dropin; systemctl restart ssh",
        ..HEALTHY_HOST
    },
    Healthy { name: "healthy_socket", kind: Kind::Socket, ..HEALTHY_HOST },
    Healthy { name: "healthy_trixie", kind: Kind::TrixieService, ..HEALTHY_HOST },
    Healthy { name: "healthy_trixie_socket", kind: Kind::TrixieSocket, ci: true, ..HEALTHY_HOST },
    Healthy { name: "healthy_generator", kind: Kind::Generator, ..HEALTHY_HOST },
    // Nobody has connected for a while: sshd does not run, and need not.
    Healthy { name: "healthy_idle_socket", kind: Kind::TrixieSocket, made: "systemctl stop ssh", ..HEALTHY_HOST },
    Healthy { name: "healthy_port", made: "config 'Port 2222'", client: CLIENT_2222, ..HEALTHY_HOST },
    Healthy {
        name: "healthy_port_given",
        made: "config 'Port 2222'",
        client: CLIENT_2222,
        args: PORT_2222,
        ..HEALTHY_HOST
    },
    Healthy {
        name: "healthy_generated_port",
        kind: Kind::Generator,
        made: "echo Port 2222 >$dropin; systemctl daemon-reload; systemctl restart ssh.socket",
        client: CLIENT_2222,
        args: PORT_2222,
        ..HEALTHY_HOST
    },
    Healthy {
        name: "healthy_no_options",
        made: "echo 'SSHD_OPTS=\"\"' >/etc/default/ssh; systemctl restart ssh",
        ..HEALTHY_HOST
    },
    Healthy {
        name: "healthy_own_address",
        made: "config \"ListenAddress $(ip -4 -o address show eth0 | awk '{ sub(\"/.*\", \"\", $4); print $4 }')\"",
        ..HEALTHY_HOST
    },
    Healthy { name: "healthy_deprecated", made: "config 'UsePrivilegeSeparation yes' 'Protocol 2'", ..HEALTHY_HOST },
    Healthy {
        name: "healthy_one_key_gone",
        made: "rm /etc/ssh/ssh_host_rsa_key; systemctl restart ssh",
        ..HEALTHY_HOST
    },
];
