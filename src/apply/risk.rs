//! Whether a plan could cut the way to its host, and what of it the guard cannot roll back.

use std::time::Duration;

use crate::book::{Call, Runbook};
use crate::module::Handle;
use crate::plan::{Change, CommandChange, Plan, Planned, Resource};
use crate::target::connectivity::{Effect, LoginPath, login_package, login_path, shell_effects};
use crate::target::files::Kind;
use crate::target::units::{Verb, connects};

/// What the guard will do about a plan, for the user who is asked about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardPreview {
    /// How long the host waits for the confirmation.
    pub within: Duration,
    /// The changes for which it is armed, by their places in the plan, from 1.
    pub risks: Vec<usize>,
    /// The changes that it cannot roll back: commands without `undo` that change more than it keeps.
    pub irreversible: Vec<usize>,
}

impl GuardPreview {
    /// For that plan, if it needs the guard.
    #[must_use]
    pub fn of_plan(book: &Runbook, plan: &Plan, within: Duration) -> Option<Self> {
        let places = |counts: &dyn Fn(&Planned) -> bool| -> Vec<usize> {
            plan.changes.iter().enumerate().filter(|(_, p)| counts(p)).map(|(n, _)| n + 1).collect()
        };
        let risks = places(&|p| is_risk(book, p));
        let irreversible = places(&|p| match &p.change {
            Change::Command(c) => p.handler.is_none() && !c.controller && !is_reversible(c),
            _ => false,
        });
        (!risks.is_empty()).then_some(Self { within, risks, irreversible })
    }
}

/// Whether a plan touches sshd, the network, a packet filter or who may log in; or one of its steps says `risk: connectivity`.
#[must_use]
pub fn risky(book: &Runbook, plan: &Plan) -> bool {
    plan.changes.iter().any(|p| is_risk(book, p))
}

/// Whether one change could cut the way to its host, as its step says or as it is known of it.
pub(super) fn is_risk(book: &Runbook, p: &Planned) -> bool {
    declared(book, p) || touches(&p.change)
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
        Change::File(f) => {
            // What is made anew in a directory, or goes from it, leaves the directory as it was; where it becomes another thing,
            // or has another owner or mode, all below it is affected.
            let new_directory = f.before.kind == Kind::Absent && f.after.kind == Kind::Directory;
            let counts = |path: &str| match login_path(path) {
                Some(LoginPath::Itself) => true,
                Some(LoginPath::Above) => !new_directory,
                None => false,
            };
            counts(&f.path) || counts(&f.real)
        }
        Change::Command(c) if c.controller => false,
        Change::Command(c) => {
            c.writes.iter().any(|w| match w {
                Resource::File(path) => login_path(path) == Some(LoginPath::Itself),
                Resource::Unit(u) => connects(u),
                Resource::Rules => true,
                Resource::Package(p) => login_package(p),
                // A cloud's rules are only ever added to.
                Resource::Socket | Resource::Cloud | Resource::All => false,
            }) || !shell_effects(&c.sh).effects.is_empty()
        }
    }
}

/// Whether a command changes the packet filter's rules, as it says itself or as its text tells.
pub(super) fn changes_rules(c: &CommandChange) -> bool {
    !c.controller
        && (c.writes.contains(&Resource::Rules)
            || shell_effects(&c.sh).effects.iter().any(|(_, e)| matches!(e, Effect::PacketFilter { .. })))
}

/// Whether a command changes addresses, routes or links, as its text tells: by itself, or by a unit that has them configured.
pub(super) fn changes_network(c: &CommandChange) -> bool {
    let network = |e: &Effect| match e {
        Effect::Network { .. } => true,
        Effect::Unit { name, .. } => !matches!(name.split(['.', '@']).next(), Some("ssh" | "sshd" | "fail2ban")),
        Effect::PacketFilter { .. } | Effect::Login => false,
    };
    !c.controller && shell_effects(&c.sh).effects.iter().any(|(_, e)| network(e))
}

/// Units that a command starts, stops or restarts, as its text tells.
pub(super) fn changed_units(c: &CommandChange) -> Vec<String> {
    let effects = shell_effects(&c.sh).effects;
    effects.into_iter().filter_map(|(_, e)| if let Effect::Unit { name, .. } = e { Some(name) } else { None }).collect()
}

/// Whether the guard can roll a command back: by its `undo`, or because it changes nothing but what the guard keeps.
pub(super) fn is_reversible(c: &CommandChange) -> bool {
    c.undo.is_some() || c.writes == [Resource::Rules] || shell_effects(&c.sh).nothing_else
}

/// Whether what a plan does may take effect after its last change has ended: a command of the runbook's author that detaches
/// itself, or the network configured anew.
pub(super) fn may_act_later(book: &Runbook, plan: &Plan) -> bool {
    plan.changes.iter().any(|p| match &p.change {
        Change::Unit(u) => {
            connects(&u.unit)
                && !matches!(u.unit.split(['.', '@']).next(), Some("ssh" | "sshd"))
                && matches!(u.verb, Verb::Start | Verb::Stop | Verb::Restart | Verb::Reload)
        }
        Change::Command(c) => !c.controller && written_by_author(book, p) && shell_effects(&c.sh).may_act_later,
        Change::File(_) => false,
    })
}

/// Whether a command is the text of the runbook's author, and not one of a module's own.
pub(super) fn written_by_author(book: &Runbook, p: &Planned) -> bool {
    let theirs = |c: &Call| matches!(c.module, Handle::Custom(_)) || matches!(c.name.as_str(), "command" | "put_back");
    match &p.handler {
        Some(id) => book.handlers.iter().any(|h| h.id == *id && theirs(&h.call)),
        None => book.steps.get(p.step).is_some_and(|s| s.check.iter().chain(&s.remediation).any(theirs)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::UnitChange;

    fn unit(name: &str, verb: Verb) -> Change {
        Change::Unit(UnitChange { unit: name.into(), verb, before: String::new(), links: None })
    }
    fn command(writes: &[&str]) -> Change {
        let writes = writes.iter().map(|w| Resource::parse(w).unwrap()).collect();
        Change::Command(CommandChange::new("x", "x").writing(writes))
    }
    fn typed(sh: &str) -> Change {
        Change::Command(CommandChange::new(sh, sh))
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
            (typed("ip addr del 10.99.0.230/24 dev host0"), true),
            (typed("iptables -P INPUT DROP"), true),
            (typed("systemctl restart networking; ufw --force enable"), true),
            (typed("touch /root/odd"), false),
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

    #[test]
    fn what_cannot_be_rolled_back_is_said_before() {
        let reversible = |sh: &str, writes: &[&str], undo: Option<&str>| {
            let writes = writes.iter().map(|w| Resource::parse(w).unwrap()).collect();
            is_reversible(&CommandChange::new(sh, sh).writing(writes).undone_by(undo.map(str::to_owned)))
        };
        assert!(reversible("touch /root/done1; iptables -P INPUT DROP", &["rules"], None));
        assert!(reversible("iptables -P INPUT DROP", &[], None));
        assert!(reversible("mv a b", &[], Some("mv b a")));
        assert!(!reversible("mv /root/.ssh/authorized_keys /root/ak", &[], None));
        assert!(!reversible("ufw --force enable", &[], None));
    }
}
