//! ufw(8): its rules go into ufw-user-input and ufw6-user-input; the first that fits decides.

use super::front::{Stopped, command, listing, quoted};
use super::{Asked, network};
use crate::edit::firewall::model::{Item, Ruleset};
use crate::edit::firewall::repair::{Accept, Insertion, add};
use crate::edit::firewall::{End, Ending, Leg, Place};
use crate::plan::{Change, Resource, View};

/// The chains that `ufw allow` writes to.
const CHAINS: &[&str] = &["ufw-user-input", "ufw6-user-input"];

/// Its users' rules as it keeps them, a line `### tuple ###` each: those of IPv4, then those of IPv6.
const KEPT: &str = "cat /etc/ufw/user.rules /etc/ufw/user6.rules 2>/dev/null; :";

/// A rule that ufw takes for the same as ours, whatever it does: ufw would leave it where it is, and ours out
/// (ufw/common.py, UFWRule.match; ufw/backend_iptables.py, `set_rule`).
#[derive(Debug, PartialEq, Eq)]
struct Old {
    v6: bool,
    /// `deny`, or `deny log`.
    action: String,
    /// With a blank in front, quoted for sh; or empty.
    comment: String,
    /// Its number among all of ufw's rules, from 1: those of IPv6 are counted after those of IPv4; none: it is the last of
    /// its family, where a rule goes without a number.
    number: Option<usize>,
}

/// The old rules, and whether ufw's numbers are those of the lines: profiles of several ports are counted once.
fn old(kept: &str, rule: &Accept) -> Result<(Vec<Old>, bool), Stopped> {
    let tuples = kept.lines().filter_map(|l| l.strip_prefix("### tuple ### "));
    let all: Vec<Vec<&str>> = tuples.map(|t| t.split_whitespace().collect()).collect();
    let six = |t: &[&str]| t.iter().take(6).skip(3).any(|w| w.contains(':'));
    let (v6, v4): (Vec<_>, Vec<_>) = all.iter().partition(|t| six(t));
    let port = rule.port.to_string();
    let from = rule.from.map(|(a, b)| network((a, b)));
    let same = |text: &str, v6: bool| match &from {
        None => text == if v6 { "::/0" } else { "0.0.0.0/0" },
        Some(f) => Item::address(text).is_some_and(|t| Item::address(f) == Some(t)),
    };
    let mut out = Vec::new();
    for (list, v6) in [(&v4, false), (&v6, true)] {
        for (n, t) in list.iter().enumerate() {
            let (words, comment) = match t.split_last() {
                Some((last, rest)) if last.starts_with("comment=") => (rest, unhex(&last["comment=".len()..])),
                _ => (t.as_slice(), None),
            };
            let &[action, "tcp", to, anywhere, "any", source, "in"] = words else { continue };
            let all = if v6 { "::/0" } else { "0.0.0.0/0" };
            if to != port || anywhere != all || !same(source, v6) || action.starts_with("route:") {
                continue;
            }
            let comment = comment.map_or(Ok(String::new()), |c| quoted(&c).map(|c| format!(" comment {c}")))?;
            let before = if v6 { v4.len() } else { 0 };
            let number = (n + 1 < list.len()).then_some(before + n + 1);
            out.push(Old { v6, action: action.replacen('_', " ", 1), comment, number });
        }
    }
    let one = |w: &[&Vec<&str>]| w[0].len() < 9 || w[0].get(6..9) != w[1].get(6..9);
    Ok((out, v4.windows(2).chain(v6.windows(2)).all(one)))
}

fn unhex(text: &str) -> Option<String> {
    let byte = |at: usize| text.get(at..at + 2).and_then(|h| u8::from_str_radix(h, 16).ok());
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
    String::from_utf8(bytes?).ok()
}

/// A rule of ufw's in front of all of its others, for both families at once: behind a deny it would be of no use.
pub(super) fn change(asked: &Asked, rules: &mut Ruleset, view: &View<'_>) -> Result<Change, Stopped> {
    let before = rules.clone();
    let rule = Accept { port: asked.port, answers: false, from: asked.from };
    let kept = view.script("ufw's own rules", KEPT, false, &[Resource::Rules])?;
    let (old, numbered) = old(&String::from_utf8_lossy(&kept.stdout), &rule)?;
    let mut shown_at = None;
    for (t, table) in before.tables.iter().enumerate() {
        let v6 = table.family == crate::edit::firewall::Family::Ip6;
        if asked.from.is_some_and(|(a, _)| a.is_ipv6() != v6) {
            continue;
        }
        for (c, chain) in table.chains.iter().enumerate().filter(|(_, c)| CHAINS.contains(&c.name.as_str())) {
            let text = format!("-A {} {}", chain.name, rule.text(table));
            let was = |o: &Old| match o.action.split(' ').next() {
                Some("deny") => text.replace("-j ACCEPT", "-j DROP"),
                Some("reject") => text.replace("-j ACCEPT", "-j REJECT --reject-with tcp-reset"),
                _ => text.clone(),
            };
            for text in old.iter().filter(|o| o.v6 == v6).map(was) {
                let there = &mut rules.tables[t].chains[c].rules;
                if let Some(at) = there.iter().rposition(|r| r.text == text) {
                    there.remove(at);
                }
            }
            let place = Place { table: t, chain: c, rule: None, path: Vec::new() };
            let against = Ending { end: End::Drop, place, leg: Leg::First, certain: true };
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
        None => format!("{}/tcp", asked.port),
        Some(from) => format!("from {} to any port {} proto tcp", network(from), asked.port),
    };
    let mut gone: Vec<String> = Vec::new();
    for o in &old {
        let delete = format!("ufw delete {} {what}", o.action);
        if !gone.contains(&delete) {
            gone.push(delete);
        }
    }
    let back: Vec<String> = old.iter().map(|o| o.again(asked)).collect();
    let ours = format!("allow {what}");
    // Before 0.36 there was no prepend, and there is no place 1 where there is no rule. That it changes nothing it says
    // in words alone.
    let put = format!(
        "{{ o=$(LC_ALL=C ufw prepend {ours} 2>&1) || o=$(LC_ALL=C ufw insert 1 {ours} 2>&1) || o=$(LC_ALL=C ufw {ours} 2>&1); }} && \
         case $o in *Skipping*) false;; esac || {{ echo \"ufw has not put it in front: $o\" >&2; {}exit 1; }}",
        back.iter().map(|b| format!("{b}; ")).collect::<String>()
    );
    let steps = |last: String| gone.iter().cloned().chain([last]).collect::<Vec<_>>().join(" && ");
    let sh = gone.iter().map(|g| format!("{g} || exit 1; ")).collect::<String>() + &put;
    let undo = std::iter::once(format!("ufw delete {ours}")).chain(back).collect::<Vec<_>>().join(" && ");
    let mut change = command(sh, steps(format!("ufw prepend {ours}")), undo, Some(listing(&before, rules, t, c)));
    change.notes.push("ufw keeps it over a reboot by itself".into());
    if !old.is_empty() {
        change.notes.push("ufw has one rule for the same clients and port: the one that is there gives way".into());
    }
    if !old.is_empty() && !numbered {
        change.notes.push(
            "(cannot be undone exactly: with profiles of several ports, the old rule may come back at another place)"
                .into(),
        );
    }
    Ok(Change::Command(change))
}

impl Old {
    /// What puts it back where it was, for its own family alone.
    fn again(&self, asked: &Asked) -> String {
        let (from, to) = match (asked.from, self.v6) {
            (Some(from), _) => (network(from), "any"),
            (None, false) => ("any".into(), "0.0.0.0/0"),
            (None, true) => ("any".into(), "::/0"),
        };
        let number = self.number.map(|n| format!("insert {n} ")).unwrap_or_default();
        format!("ufw {number}{} proto tcp from {from} to {to} port {}{}", self.action, asked.port, self.comment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: &str = "*filter\n### tuple ### allow any 80 0.0.0.0/0 any 0.0.0.0/0 in\n\
        ### tuple ### deny_log tcp 22 0.0.0.0/0 any 0.0.0.0/0 in comment=6e6f20737368\n\
        ### tuple ### limit tcp 22 0.0.0.0/0 any 10.77.0.1 in\n\
        ### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 OpenSSH - in\n\
        ### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in_eth0\n\
        ### tuple ### allow any 80 ::/0 any ::/0 in\n### tuple ### reject tcp 22 ::/0 any ::/0 in\n";

    #[test]
    fn the_rule_that_gives_way_comes_back_where_it_was() {
        let of = |port: u16, from: Option<&str>| {
            let from = from.map(|f| (f.parse().unwrap(), f.parse().unwrap()));
            let asked = Asked { port, from, own: None, astray: None, questions: Vec::new() };
            let Ok((all, true)) = old(KEPT, &Accept { port, answers: false, from }) else { panic!() };
            all.iter().map(|o| o.again(&asked)).collect::<Vec<_>>()
        };
        let both = [
            "ufw insert 2 deny log proto tcp from any to 0.0.0.0/0 port 22 comment 'no ssh'",
            "ufw reject proto tcp from any to ::/0 port 22",
        ];
        assert_eq!(of(22, None), both);
        assert_eq!(of(22, Some("10.77.0.1")), ["ufw insert 3 limit proto tcp from 10.77.0.1 to any port 22"]);
        assert_eq!(of(80, None), Vec::<String>::new());
        let samba = "### tuple ### allow udp 137,138 0.0.0.0/0 any 0.0.0.0/0 Samba - in\n\
            ### tuple ### allow tcp 139,445 0.0.0.0/0 any 0.0.0.0/0 Samba - in\n";
        assert!(matches!(old(samba, &Accept { port: 22, answers: false, from: None }), Ok((o, false)) if o.is_empty()));
    }
}
