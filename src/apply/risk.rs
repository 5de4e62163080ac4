//! Whether a plan could cut the way to its host.

use crate::book::Runbook;
use crate::plan::{Change, Plan, Planned, Resource};
use crate::target::units::{Verb, connects};

/// Files that one depends on, and all below a directory.
const FILES: &[&str] = &[
    "/etc/ssh/",
    "/etc/hosts.allow",
    "/etc/hosts.deny",
    "/etc/nologin",
    "/etc/pam.d/",
    "/etc/security/",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/shells",
    "/etc/nsswitch.conf",
    "/etc/login.defs",
    "/etc/default/ssh",
    "/etc/default/ufw",
    "/etc/sudoers",
    "/etc/network/",
    "/etc/netplan/",
    "/etc/resolv.conf",
    "/etc/sysctl.conf",
    "/etc/sysctl.d/",
    "/etc/NetworkManager/",
    "/etc/systemd/network/",
    "/etc/nftables.conf",
    "/etc/iptables/",
    "/etc/ufw/",
    "/etc/firewalld/",
    "/etc/selinux/",
];

/// Where units, scripts and their settings are, which are risky by the unit that they are of.
const UNIT_FILES: &[&str] = &[
    "/etc/systemd/system/",
    "/usr/local/lib/systemd/system/",
    "/usr/lib/systemd/system/",
    "/lib/systemd/system/",
    "/run/systemd/system/",
    "/etc/init.d/",
    "/etc/conf.d/",
    "/etc/sv/",
];

/// It touches sshd, the network, a packet filter or who may log in; or its step says `risk: connectivity`. A command that
/// does not say what it writes counts only by its step: it may touch anything, and seldom touches this.
#[must_use]
pub fn risky(book: &Runbook, plan: &Plan) -> bool {
    plan.changes.iter().any(|p| declared(book, p) || touches(&p.change))
}

/// Its own step says so, or one that notified the handler that it belongs to.
fn declared(book: &Runbook, p: &Planned) -> bool {
    match &p.handler {
        None => book.steps.get(p.step).is_some_and(|s| s.risk),
        Some(h) => book.steps.iter().any(|s| s.risk && s.notify.contains(h)),
    }
}

fn touches(change: &Change) -> bool {
    match change {
        Change::Unit(u) => !matches!(u.verb, Verb::DaemonReload | Verb::ResetFailed) && connects(&u.unit),
        _ => change.writes().iter().any(|w| match w {
            Resource::File(path) => file(path),
            Resource::Unit(u) => connects(u),
            Resource::Rules => true,
            Resource::Package(p) => p.starts_with("openssh"),
            // A cloud's rules are only ever added to.
            Resource::Socket | Resource::Cloud | Resource::All => false,
        }),
    }
}

fn file(path: &str) -> bool {
    // A unit's own file, its directory of drop-ins, its directory: the first name below.
    let of_unit = |dir: &str| {
        let name = path.strip_prefix(dir).and_then(|rest| rest.split('/').next());
        name.is_some_and(|n| connects(n.strip_suffix(".d").unwrap_or(n)))
    };
    FILES.iter().any(|f| path.starts_with(f)) || path.contains("/.ssh/") || UNIT_FILES.iter().any(|d| of_unit(d))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{CommandChange, UnitChange};

    fn unit(name: &str, verb: Verb) -> Change {
        Change::Unit(UnitChange { unit: name.into(), verb, before: String::new() })
    }
    fn command(writes: &[&str]) -> Change {
        let writes = writes.iter().map(|w| Resource::parse(w).unwrap()).collect();
        Change::Command(CommandChange::new("x", "x").writing(writes))
    }

    #[test]
    fn what_could_lock_somebody_out_is_known() {
        for (change, risk) in [
            (unit("ssh.service", Verb::Restart), true),
            (unit("ssh.socket", Verb::Start), true),
            (unit("sshd@7.service", Verb::Stop), true),
            (unit("nftables.service", Verb::Restart), true),
            (unit("nginx.service", Verb::Restart), false),
            (unit("ssh.service", Verb::ResetFailed), false),
            (command(&[]), false),
            (command(&["rules"]), true),
            (command(&["file:/etc/ssh/ssh_host_rsa_key"]), true),
            (command(&["file:/srv/www/**"]), false),
            (command(&["file:/home/ops/.ssh/authorized_keys"]), true),
            (command(&["file:/etc/systemd/system/ssh.service.d/port.conf"]), true),
            (command(&["file:/etc/systemd/system/sshd@.service"]), true),
            (command(&["file:/etc/systemd/system/nginx.service.d/x.conf"]), false),
            (command(&["file:/etc/init.d/ssh"]), true),
            (command(&["file:/etc/shells"]), true),
            (command(&["package:nginx"]), false),
            (command(&["package:openssh-server"]), true),
        ] {
            assert_eq!(touches(&change), risk, "{}", change.title());
        }
    }

    #[test]
    fn a_step_says_it_itself() {
        let text = "name: t\ntitle: t\nhandlers:\n- {id: h, command: 'true'}\nsteps:\n\
                    - {name: a, check: {command: 'false'}, remediation: [{command: 'true'}]}\n\
                    - {name: b, risk: connectivity, check: {command: 'false'}, remediation: [{command: 'true'}], notify: [h]}\n";
        let book = crate::book::load_text("t.yaml", text).unwrap();
        let at = |step, handler: Option<&str>| Planned {
            step,
            item: None,
            name: String::new(),
            handler: handler.map(str::to_owned),
            notify: Vec::new(),
            change: command(&[]),
        };
        let plan = |p: Planned| Plan { changes: vec![p], ..Plan::default() };
        assert!(!risky(&book, &plan(at(0, None))));
        assert!(risky(&book, &plan(at(1, None))));
        assert!(risky(&book, &plan(at(1, Some("h")))));
        assert!(!risky(&book, &Plan::default()));
    }
}
