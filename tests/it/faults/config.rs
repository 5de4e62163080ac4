//! The configuration: causes 13 to 22.

use super::{BAD_LINE, BY_HAND, Kind, PORT, REPAIRED};

faults! {
    misspelling {
        title: "a misspelled keyword with one near neighbour",
        breaks: "config 'Prot 22'",
        ci: true,
        ..BAD_LINE
    }
    unknown_keyword {
        title: "a keyword that is like no other",
        breaks: "config 'Frobnicate yes'",
        ..BAD_LINE
    }
    bad_value { title: "a value that the keyword cannot have", breaks: "config 'LogLevel loud'", ..BAD_LINE }
    bad_port { title: "a port that is no port", breaks: "config 'Port 99999'", ..BAD_LINE }
    missing_value { title: "a keyword without a value", breaks: "config Banner", ..BAD_LINE }
    unclosed_quote { title: "a quote that is not closed", breaks: "config 'Banner \"/etc/issue'", ..BAD_LINE }
    extra_value { title: "more values than the keyword takes", breaks: "config 'UseDNS no yes'", ..BAD_LINE }
    byte_order_mark {
        title: "a byte order mark, as editors of another system leave it",
        breaks: "printf '\\357\\273\\277X11Forwarding no\\n' >$dropin; systemctl restart ssh",
        ..BAD_LINE
    }
    two_bad_lines {
        title: "two bad lines, the second of which sshd only names when the first is gone",
        breaks: "config 'X11Forwarding maybe' 'UseDNS perhaps'",
        ..BAD_LINE
    }
    two_bad_files {
        title: "a bad line in a drop-in and one in sshd_config",
        breaks: "echo 'UseDNS perhaps' >>/etc/ssh/sshd_config; config 'Frobnicate yes'",
        ..BAD_LINE
    }
    dropin_dangles {
        title: "a drop-in that is a link to nowhere",
        breaks: "ln -s /srv/gone.conf $dropin; systemctl restart ssh",
        shows: "failed && log '50-lab.conf: No such file'",
        says: r"50-lab\.conf",
        args: &["-e", "policy_lines=comment"],
        ..BAD_LINE
    }
    after_match {
        number: "14",
        title: "a line for all behind a Match",
        breaks: "config 'Match User backup' '  X11Forwarding no' 'UseDNS no'",
        says: r"50-lab\.conf(:| line )3\b",
        ci: true,
        ..BAD_LINE
    }
    match_header {
        number: "14",
        title: "a bad Match header, and nobody says what to do with lines that decide who gets in",
        breaks: "config 'Match Usr backup' '  ForceCommand /bin/false' 'Match User nobody' '  X11Forwarding no'",
        shows: "failed",
        says: r"50-lab\.conf(:| line )1\b",
        ci: true,
        ..BY_HAND
    }
    // The client runs a command: a ForceCommand that became everybody's would be seen.
    match_header_commented {
        number: "14",
        title: "a bad Match header, commented out with its block",
        breaks: "config 'Match Usr backup' '  ForceCommand /bin/false' 'Match User nobody' '  X11Forwarding no'",
        args: &["-e", "policy_lines=comment"],
        ..BAD_LINE
    }
    yaml_boolean {
        number: "15",
        title: "a YAML boolean",
        breaks: "config 'X11Forwarding True'",
        ..BAD_LINE
    }
    policy_boolean {
        number: "15",
        title: "a YAML boolean in a line that decides who gets in",
        breaks: "config 'PermitRootLogin True'",
        shows: "failed",
        says: r"50-lab\.conf(:| line )1\b",
        ..BY_HAND
    }
    policy_corrected {
        number: "15",
        title: "a YAML boolean in a line that decides who gets in, to be corrected",
        breaks: "config 'PermitRootLogin True'",
        args: &["-e", "policy_lines=correct"],
        ..BAD_LINE
    }
    policy_commented {
        number: "15",
        title: "a misspelled line that decides who gets in, to be commented out",
        breaks: "config 'PasswordAuthentification no'",
        args: &["-e", "policy_lines=comment"],
        ..BAD_LINE
    }
    policy_of_no_effect {
        number: "15",
        title: "bad lines of the sort that decides who gets in, of which nothing comes: a deprecated one without a value, and one in a Match that holds anyway",
        breaks: "config RSAAuthentication 'Match User backup' '  UsePAM yes'",
        ci: true,
        ..BAD_LINE
    }
    bad_cipher {
        number: "16",
        title: "a cipher that this sshd no longer has",
        breaks: "config 'Ciphers aes256-ctr,arcfour256'",
        ..BAD_LINE
    }
    foreign_option {
        number: "16",
        title: "an option of another distribution's sshd",
        breaks: "config 'RSAMinSize 2048'",
        ..BAD_LINE
    }
    removed_algorithm {
        number: "16",
        title: "a key type that OpenSSH 10 has dropped",
        kind: Kind::TrixieService,
        breaks: "config 'HostKeyAlgorithms +ssh-dss'",
        ..BAD_LINE
    }
    config_missing {
        number: "17",
        title: "sshd_config is missing",
        breaks: "rm /etc/ssh/sshd_config; systemctl restart ssh",
        shows: "failed && log 'sshd_config: No such file'",
        says: "sshd_config",
        ci: true,
        ..REPAIRED
    }
    port_main {
        number: "18",
        title: "wrong port in sshd_config",
        breaks: "sed -i 's/^#Port 22$/Port 2222/' /etc/ssh/sshd_config; systemctl restart ssh",
        shows: "listens 0.0.0.0:2222",
        says: "2222",
        args: PORT,
        keeps: Some("2222"),
        ..REPAIRED
    }
    port_dropin {
        number: "18",
        title: "wrong port in a drop-in",
        breaks: "config 'Port 2222'",
        shows: "listens 0.0.0.0:2222",
        says: r#"50-lab\.conf:1 says "Port 2222""#,
        args: PORT,
        keeps: Some("2222"),
        ci: true,
        ..REPAIRED
    }
    port_included {
        number: "18",
        title: "wrong port in a file that is included from elsewhere",
        breaks: "echo Port 2222 >/srv/port.conf; sed -i '1i Include /srv/*.conf' /etc/ssh/sshd_config; systemctl restart ssh",
        shows: "listens 0.0.0.0:2222",
        says: r"/srv/port\.conf",
        args: PORT,
        keeps: Some("2222"),
        ..REPAIRED
    }
    port_included_blank {
        number: "18",
        title: "wrong port in a file whose directory has a blank in its name",
        breaks: "mkdir '/etc/ssh/my conf'; echo Port 2222 >'/etc/ssh/my conf/a.conf'
            sed -i '1i Include \"/etc/ssh/my conf/*.conf\"' /etc/ssh/sshd_config; systemctl restart ssh",
        shows: "listens 0.0.0.0:2222",
        says: r"/etc/ssh/my conf/a\.conf",
        args: PORT,
        keeps: Some("2222"),
        ..REPAIRED
    }
    port_and_stopped {
        number: "18",
        title: "two: wrong port, and stopped and disabled",
        breaks: "sed -i 's/^#Port 22$/Port 2222/' /etc/ssh/sshd_config; systemctl disable --now ssh",
        says: "2222|stopped",
        args: PORT,
        rounds: 2,
        ..REPAIRED
    }
    loopback {
        number: "19",
        title: "ListenAddress 127.0.0.1",
        breaks: "sed -i 's/^#ListenAddress 0.0.0.0$/ListenAddress 127.0.0.1/' /etc/ssh/sshd_config; systemctl restart ssh",
        shows: "listens 127.0.0.1:22",
        says: "this host alone",
        ci: true,
        ..REPAIRED
    }
    loopback_dropin {
        number: "19",
        title: "ListenAddress 127.0.0.1 in a drop-in",
        breaks: "config 'ListenAddress 127.0.0.1'",
        shows: "listens 127.0.0.1:22",
        says: r"50-lab\.conf:1",
        ..REPAIRED
    }
    loopback_and_masked {
        number: "19",
        title: "two: ListenAddress 127.0.0.1, and masked",
        breaks: "sed -i 's/^#ListenAddress 0.0.0.0$/ListenAddress 127.0.0.1/' /etc/ssh/sshd_config
            systemctl stop ssh; systemctl mask ssh",
        says: "this host alone|masked",
        rounds: 2,
        ..REPAIRED
    }
    address_gone {
        number: "19",
        title: "ListenAddress of an address that the host no longer has",
        breaks: "config 'ListenAddress 192.0.2.7'",
        shows: "failed && log 'Cannot assign requested address'",
        says: r"192\.0\.2\.7",
        args: &["-e", "listen_address=0.0.0.0"],
        ci: true,
        ..REPAIRED
    }
    address_lost {
        number: "19",
        title: "the same, and nobody said where else to listen",
        breaks: "config 'ListenAddress 192.0.2.7'",
        shows: "failed && log 'Cannot assign requested address'",
        says: r"192\.0\.2\.7",
        ..BY_HAND
    }
    address_unknown {
        number: "19",
        title: "ListenAddress of a name that cannot be resolved",
        breaks: "config 'ListenAddress nowhere.invalid'",
        shows: "failed && log 'bad addr or host'",
        says: r"nowhere\.invalid",
        args: &["-e", "policy_lines=comment"],
        ..REPAIRED
    }
    inet6_only {
        number: "20",
        title: "AddressFamily inet6",
        breaks: "config 'AddressFamily inet6'",
        shows: "listens '[::]:22' && ! listens 0.0.0.0:22",
        says: "(?i)AddressFamily|IPv6|inet6",
        ..REPAIRED
    }
    inet6_address {
        number: "20",
        title: "ListenAddress :: and no other",
        breaks: "config 'ListenAddress ::'",
        shows: "listens '[::]:22' && ! listens 0.0.0.0:22",
        says: "(?i)ListenAddress|IPv6|IPv4",
        ..REPAIRED
    }
    families_disagree {
        number: "20",
        title: "AddressFamily inet6 and an IPv4 ListenAddress",
        breaks: "config 'AddressFamily inet6' 'ListenAddress 0.0.0.0'",
        shows: "failed && log 'Address family for hostname not supported'",
        says: r"(?i)AddressFamily|0\.0\.0\.0",
        ..REPAIRED
    }
    options_port {
        number: "21",
        title: "-p 2222 in SSHD_OPTS",
        breaks: "echo 'SSHD_OPTS=\"-p 2222\"' >/etc/default/ssh; systemctl restart ssh",
        shows: "listens 0.0.0.0:2222",
        says: "/etc/default/ssh",
        args: PORT,
        ci: true,
        ..REPAIRED
    }
    options_address {
        number: "21",
        title: "-o ListenAddress=127.0.0.1 in SSHD_OPTS",
        breaks: "echo 'SSHD_OPTS=\"-o ListenAddress=127.0.0.1\"' >/etc/default/ssh; systemctl restart ssh",
        shows: "listens 127.0.0.1:22",
        says: "/etc/default/ssh",
        ..REPAIRED
    }
    options_unknown {
        number: "21",
        title: "an option that sshd does not have in SSHD_OPTS",
        breaks: "echo 'SSHD_OPTS=\"--port 2222\"' >/etc/default/ssh; systemctl restart ssh",
        shows: "failed && log 'unknown option'",
        says: "/etc/default/ssh",
        ..REPAIRED
    }
    unit_port {
        number: "21",
        title: "-p 2222 in a drop-in of the unit",
        breaks: "unit ssh.service '[Service]' ExecStart= 'ExecStart=/usr/sbin/sshd -D -p 2222'; systemctl restart ssh",
        shows: "listens 0.0.0.0:2222",
        says: r"ssh\.service\.d/lab\.conf",
        args: PORT,
        ..REPAIRED
    }
    unit_file {
        number: "21",
        title: "another configuration file in a drop-in of the unit",
        breaks: "echo Port 2222 >/etc/ssh/other_config
            unit ssh.service '[Service]' ExecStart= 'ExecStart=/usr/sbin/sshd -D -f /etc/ssh/other_config'; systemctl restart ssh",
        shows: "listens 0.0.0.0:2222",
        says: "/etc/ssh/other_config",
        args: PORT,
        ..REPAIRED
    }
    unit_path {
        number: "21",
        title: "a program that is not there in a drop-in of the unit",
        breaks: "unit ssh.service '[Service]' ExecStart= 'ExecStart=/usr/local/sbin/sshd -D'; systemctl restart ssh",
        shows: "failed && log '/usr/local/sbin/sshd'",
        says: r"/usr/local/sbin/sshd|ssh\.service\.d/lab\.conf",
        ..REPAIRED
    }
}
