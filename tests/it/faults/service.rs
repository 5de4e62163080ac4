//! The service: causes 1 to 12 of the guide.

use super::{BY_HAND, REPAIRED};

faults! {
    not_running {
        number: "1",
        title: "stopped",
        breaks: "systemctl stop ssh",
        says: "stopped|not running|inactive",
        ..REPAIRED
    }
    stopped {
        number: "2",
        title: "stopped and disabled",
        breaks: "systemctl disable --now ssh",
        says: "not enabled",
        ci: true,
        ..REPAIRED
    }
    masked {
        number: "3",
        title: "stopped and masked",
        breaks: "systemctl stop ssh; systemctl mask ssh",
        shows: r#"[ "$(state ssh LoadState)" = masked ]"#,
        says: "masked",
        ci: true,
        ..REPAIRED
    }
    masked_until_reboot {
        number: "3",
        title: "masked in /run",
        breaks: "systemctl mask --runtime --now ssh",
        shows: r#"[ "$(state ssh UnitFileState)" = masked-runtime ]"#,
        says: "masked",
        ..REPAIRED
    }
    masked_alias {
        number: "3",
        title: "stopped, and its other name (sshd.service) masked",
        breaks: "systemctl disable --now ssh; ln -sf /dev/null /etc/systemd/system/sshd.service; systemctl daemon-reload",
        shows: "[ -L /etc/systemd/system/sshd.service ]",
        says: "not enabled|masked",
        ..REPAIRED
    }
    package_removed {
        number: "5",
        title: "package removed",
        breaks: "apt-get -qqy remove openssh-server",
        shows: "! command -v sshd",
        says: "no sshd|not installed",
        rounds: 3,
        ci: true,
        ..REPAIRED
    }
    binary_gone {
        number: "5",
        title: "/usr/sbin/sshd deleted",
        breaks: "rm /usr/sbin/sshd; systemctl restart ssh",
        shows: "failed",
        says: "sshd",
        rounds: 3,
        ..REPAIRED
    }
    binary_empty {
        number: "5",
        title: "/usr/sbin/sshd empty, as after a full disk",
        breaks: "install -m 755 /dev/null /usr/sbin/sshd.new; mv /usr/sbin/sshd.new /usr/sbin/sshd; systemctl restart ssh",
        shows: "failed && log 'Exec format error'",
        says: "/usr/sbin/sshd",
        rounds: 3,
        ..REPAIRED
    }
    binary_truncated {
        number: "5",
        title: "/usr/sbin/sshd cut off half-way",
        breaks: "head -c 400000 /usr/sbin/sshd >/root/sshd; chmod 755 /root/sshd; mv /root/sshd /usr/sbin/sshd; systemctl restart ssh",
        shows: "failed",
        says: "/usr/sbin/sshd",
        rounds: 3,
        ..REPAIRED
    }
    binary_not_executable {
        number: "5",
        title: "/usr/sbin/sshd not executable",
        breaks: "chmod 644 /usr/sbin/sshd; systemctl restart ssh",
        shows: "failed && log 'Permission denied'",
        says: "/usr/sbin/sshd|execut",
        rounds: 3,
        ..REPAIRED
    }
    unit_gone {
        number: "5",
        title: "ssh.service deleted: systemd makes one of /etc/init.d/ssh",
        breaks: "systemctl stop ssh; rm /lib/systemd/system/ssh.service; systemctl daemon-reload",
        shows: r#"[ "$(state ssh FragmentPath)" = /run/systemd/generator.late/ssh.service ]"#,
        says: "stopped|unit",
        rounds: 3,
        ..REPAIRED
    }
    not_to_be_run {
        number: "6",
        title: "/etc/ssh/sshd_not_to_be_run",
        breaks: "echo cloud-init >/etc/ssh/sshd_not_to_be_run; systemctl restart ssh",
        shows: r#"[ "$(state ssh ConditionResult)" = no ]"#,
        says: "sshd_not_to_be_run",
        ci: true,
        ..REPAIRED
    }
    start_limit {
        number: "7",
        title: "start limit hit",
        breaks: "for i in 1 2 3 4 5 6 7; do systemctl restart ssh; done",
        shows: r#"[ "$(state ssh Result)" = start-limit-hit ]"#,
        says: "too often|start limit|start-limit",
        ci: true,
        ..REPAIRED
    }
    // systemd says "Start request repeated too quickly", and Result stays exit-code.
    start_limit_config {
        number: "7",
        title: "start limit hit by a bad configuration, which was then corrected by hand",
        breaks: "echo Prot 22 >$dropin; for i in 1 2 3 4 5 6 7; do systemctl restart ssh; done; rm $dropin",
        shows: "! systemctl start ssh && log 'Start request repeated too quickly'",
        says: "failed",
        ..REPAIRED
    }
    bound_too_late {
        number: "8",
        title: "its port was taken when it was started (status 255), is free again, and systemd does not try again",
        breaks: "occupy 127.0.0.1 ::1; sleep 1; systemctl stop mail-relay",
        shows: r#"failed && [ "$(state ssh ExecMainStatus)" = 255 ]"#,
        says: r"port 22 is taken by something else \(status 255, not tried again\)",
        ..REPAIRED
    }
    killed {
        number: "9",
        title: "killed, and told not to restart by a drop-in of the unit",
        breaks: "unit ssh.service '[Service]' Restart=no; systemctl restart ssh; signal KILL",
        shows: r#"failed && [ "$(state ssh Result)" = signal ]"#,
        says: "killed|signal|failed",
        ..REPAIRED
    }
    killed_often {
        number: "9",
        title: "killed again and again, until systemd gave up",
        breaks: r#"for i in 1 2 3 4 5 6 7 8; do
            signal KILL; sleep 0.3
        done"#,
        shows: "failed && log 'Start request repeated too quickly'",
        says: "killed|signal|failed",
        ..REPAIRED
    }
    // Another libcrypto cannot be had without another release: a script says what sshd would say.
    openssl_mismatch {
        number: "10",
        title: "OpenSSL version mismatch (stand-in: a script in place of sshd that says so)",
        breaks: "printf '%s\\n' '#!/bin/sh' 'echo \"OpenSSL version mismatch. Built against 30000070, you have 30200020\" >&2' 'exit 255' >/root/sshd
            chmod 755 /root/sshd; mv /root/sshd /usr/sbin/sshd; systemctl restart ssh",
        shows: "failed && log 'OpenSSL version mismatch'",
        says: "OpenSSL version mismatch",
        rounds: 3,
        ..REPAIRED
    }
    library_missing {
        number: "11",
        title: "a library of sshd's is missing",
        breaks: "mv /usr/lib/x86_64-linux-gnu/libwrap.so.0 /root; systemctl restart ssh",
        shows: "failed && log 'libwrap.so.0: cannot open shared object file'",
        says: r"libwrap\.so\.0",
        rounds: 3,
        ..REPAIRED
    }
    rescue {
        number: "12",
        title: "the host is in rescue mode",
        breaks: "systemctl --no-block isolate rescue.target",
        shows: "systemctl -q is-active rescue.target && ! systemctl -q is-active ssh",
        says: "(?i)rescue|maintenance",
        ..REPAIRED
    }
    emergency {
        number: "12",
        title: "a line of fstab fails, so that the host boots into emergency mode",
        breaks: "echo 'overlay /srv overlay lowerdir=/nowhere,upperdir=/nowhere,workdir=/nowhere 0 0' >>/etc/fstab
            (sleep 0.5; systemctl reboot) >/dev/null 2>&1 &",
        reboots: Some("You are in emergency mode"),
        shows: "systemctl -q is-active emergency.target && systemctl -q is-failed srv.mount",
        says: "(?i)emergency|maintenance|fstab|/srv",
        // sshd can be started there, but the line is for a person to mend.
        rounds: 1,
        ..BY_HAND
    }
}
