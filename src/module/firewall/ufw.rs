//! ufw(8): its rules go into ufw-user-input and ufw6-user-input; the first that fits decides.

use super::front::{Stopped, command, listing};
use super::{Asked, network};
use crate::edit::firewall::model::Ruleset;
use crate::edit::firewall::repair::{Accept, Insertion, add};
use crate::edit::firewall::{End, Ending, Leg, Place};
use crate::plan::Change;

/// The chains that `ufw allow` writes to.
const CHAINS: &[&str] = &["ufw-user-input", "ufw6-user-input"];

/// A rule of ufw's in front of all of its others, for both families at once: behind a deny it would be of no use.
pub(super) fn change(asked: &Asked, rules: &mut Ruleset) -> Result<Change, Stopped> {
    let before = rules.clone();
    let rule = Accept { port: asked.port, answers: false, from: asked.from };
    let mut shown_at = None;
    let mut there = false;
    for (t, table) in before.tables.iter().enumerate() {
        let v6 = table.family == crate::edit::firewall::Family::Ip6;
        if asked.from.is_some_and(|(a, _)| a.is_ipv6() != v6) {
            continue;
        }
        for (c, chain) in table.chains.iter().enumerate().filter(|(_, c)| CHAINS.contains(&c.name.as_str())) {
            let place = Place { table: t, chain: c, rule: None, path: Vec::new() };
            let against = Ending { end: End::Drop, place, leg: Leg::First, certain: true };
            let text = format!("-A {} {}", chain.name, rule.text(table));
            there |= chain.rules.iter().any(|r| r.text == text);
            add(rules, &Insertion { table: t, chain: c, at: 0, rule: rule.clone(), against });
            shown_at = shown_at.or(Some((t, c)));
        }
    }
    let Some((t, c)) = shown_at else {
        return Err(Stopped::ByHand(format!(
            "ufw has no chain for its users' rules here: ufw allow {}/tcp",
            asked.port
        )));
    };
    let what = match asked.from {
        None => format!("allow {}/tcp", asked.port),
        Some(from) => format!("allow from {} to any port {} proto tcp", network(from), asked.port),
    };
    let (sh, undo) = if there {
        // The same rule further down, behind the one that denies: ufw would leave it there.
        (format!("ufw delete {what} && ufw prepend {what}"), format!("ufw delete {what} && ufw {what}"))
    } else {
        // Before 0.36 there was no prepend, and there is no place 1 where there is no rule.
        (format!("ufw prepend {what} || ufw insert 1 {what} || ufw {what}"), format!("ufw delete {what}"))
    };
    let shown = if there { sh.clone() } else { format!("ufw prepend {what}") };
    let mut change = command(sh, shown, undo, Some(listing(&before, rules, t, c)));
    if let Change::Command(c) = &mut change {
        c.notes.push("ufw keeps it over a reboot by itself".into());
    }
    Ok(change)
}
