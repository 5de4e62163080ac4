//! Hosts of another init: the causes of the service and the configuration once more.

use super::{Fault, Kind, PORT, REPAIRED};

const STOPPED: Fault = Fault { number: "1", shows: "silent", says: "stopped", ..REPAIRED };
const OFF_AT_BOOT: Fault = Fault { number: "2", shows: "silent", says: "not enabled", ..REPAIRED };
// These scripts refuse to restart an sshd that they could not start again: it is stopped, too.
const BAD_LINE: Fault = Fault { breaks: "config 'Prot 22'; sshd_is stop", shows: "silent", ..super::BAD_LINE };
const WRONG_PORT: Fault = Fault {
    number: "18",
    breaks: "config 'Port 2222'",
    shows: "listens 0.0.0.0:2222",
    says: r#"50-lab\.conf:1 says "Port 2222""#,
    args: PORT,
    keeps: Some("2222"),
    ..REPAIRED
};
const FORBIDDEN: Fault = Fault {
    number: "6",
    title: "/etc/ssh/sshd_not_to_be_run",
    breaks: "echo cloud-init >/etc/ssh/sshd_not_to_be_run; sshd_is restart; sshd_is stop",
    shows: "silent",
    says: "sshd_not_to_be_run",
    ..REPAIRED
};

faults! {
    sysvinit_stopped { kind: Kind::Sysvinit, title: "stopped", breaks: "service ssh stop", ci: true, ..STOPPED }
    sysvinit_disabled {
        kind: Kind::Sysvinit,
        title: "stopped, and its links for the runlevels turned off",
        breaks: "service ssh stop; update-rc.d ssh disable",
        ..OFF_AT_BOOT
    }
    sysvinit_no_links {
        kind: Kind::Sysvinit,
        title: "stopped, and its links for the runlevels removed",
        breaks: "service ssh stop; update-rc.d -f ssh remove",
        ..OFF_AT_BOOT
    }
    sysvinit_not_executable {
        number: "3",
        kind: Kind::Sysvinit,
        title: "stopped, and /etc/init.d/ssh not executable",
        breaks: "service ssh stop; chmod -x /etc/init.d/ssh",
        says: "may not be executed",
        ..STOPPED
    }
    sysvinit_killed {
        number: "9",
        kind: Kind::Sysvinit,
        title: "killed",
        breaks: "kill -9 $(cat /run/sshd.pid)",
        says: "its process is gone",
        ..STOPPED
    }
    sysvinit_bad_line { kind: Kind::Sysvinit, title: "a bad line, and stopped", ..BAD_LINE }
    sysvinit_port { kind: Kind::Sysvinit, title: "wrong port in a drop-in", ..WRONG_PORT }
    sysvinit_forbidden { kind: Kind::Sysvinit, ..FORBIDDEN }

    openrc_stopped { kind: Kind::Openrc, title: "stopped", breaks: "rc-service ssh stop", ..STOPPED }
    openrc_disabled {
        kind: Kind::Openrc,
        title: "stopped, and in no runlevel",
        breaks: "rc-service ssh stop; rc-update del ssh",
        ci: true,
        ..OFF_AT_BOOT
    }
    openrc_killed {
        number: "9",
        kind: Kind::Openrc,
        title: "killed; its script is one for SysV init, so OpenRC still says \"started\"",
        breaks: "kill -9 $(cat /run/sshd.pid)",
        shows: "silent && rc-status default | grep -q 'ssh .*started'",
        says: "its process is gone",
        ..STOPPED
    }
    // Debian has none of OpenRC's own scripts for sshd: this one is written as Gentoo's and Alpine's are. There OpenRC says
    // "crashed"; Debian's is built without its own start-stop-daemon, knows no process, and goes on saying "started".
    openrc_crashed {
        number: "9",
        kind: Kind::Openrc,
        title: "killed; its script is one of OpenRC's own, and OpenRC still says \"started\"",
        breaks: r#"rc-service ssh stop; rc-update del ssh; rm /etc/init.d/ssh
            cat >/etc/init.d/sshd <<'RC'
#!/sbin/openrc-run
command=/usr/sbin/sshd
pidfile=/run/sshd.pid
depend() { use logger; }
start_pre() { checkpath -d /run/sshd; $command -t; }
RC
            chmod 755 /etc/init.d/sshd; rc-update add sshd default; rc-service sshd start; sleep 1
            kill -9 $(cat /run/sshd.pid)"#,
        shows: "silent && rc-service sshd status",
        says: "its process is gone",
        ..STOPPED
    }
    openrc_bad_line { kind: Kind::Openrc, title: "a bad line, and stopped", ..BAD_LINE }
    openrc_port { kind: Kind::Openrc, title: "wrong port in a drop-in", ..WRONG_PORT }
    openrc_forbidden { kind: Kind::Openrc, ..FORBIDDEN }

    runit_stopped { kind: Kind::Runit, title: "stopped", breaks: "sv down ssh", ..STOPPED }
    runit_disabled {
        kind: Kind::Runit,
        title: "not linked in /etc/service",
        breaks: "rm /etc/service/ssh",
        ..OFF_AT_BOOT
    }
    runit_down {
        kind: Kind::Runit,
        title: "stopped, and a file that keeps it down",
        breaks: "touch /etc/sv/ssh/down; sv down ssh",
        ci: true,
        ..OFF_AT_BOOT
    }
    runit_not_executable {
        number: "3",
        kind: Kind::Runit,
        title: "its run script is not executable",
        breaks: "chmod -x /etc/sv/ssh/run; sv down ssh; sv up ssh",
        says: "may not be executed|again and again",
        ..STOPPED
    }
    runit_bad_line { kind: Kind::Runit, title: "a bad line, on which its run script gives up", ..BAD_LINE }
    runit_port { kind: Kind::Runit, title: "wrong port in a drop-in", ..WRONG_PORT }
    runit_forbidden { kind: Kind::Runit, ..FORBIDDEN }
}
