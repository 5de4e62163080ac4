//! firewalld: its zones, in the running rules and in the permanent ones each; never `--reload`, which forgets what is only
//! in the running ones.

use std::net::IpAddr;

use super::front::{Stopped, command, listing, quoted};
use super::{Asked, network};
use crate::edit::firewall::model::{Backend, Family, Part, Ruleset, Table, Verdict};
use crate::edit::firewall::repair::{Accept, Insertion, add};
use crate::edit::firewall::{Question, Truth};
use crate::plan::{Change, Resource, View};

/// The zone that a client's packets go to, as firewalld's own chains say.
///
/// firewall/core/nftables.py and ipXtables.py: INPUT_ZONES sends to IN_ZONE, with `filter_` in front for nftables; there
/// `_pre`, `_deny`, `_allow` and `_post` follow one another.
fn zone(rules: &Ruleset, table: &Table, q: &Question) -> Option<String> {
    let packet = q.first(Some(0));
    for chain in table.chains.iter().filter(|c| c.name.contains("INPUT_ZONES")) {
        for rule in &chain.rules {
            let mut truth = Truth::Yes;
            for part in &rule.parts {
                match part {
                    Part::Test(t) => truth = truth.min(packet.asks(rules, table, t, true, &mut Vec::new())),
                    Part::Verdict(Verdict::Jump(to) | Verdict::Goto(to)) if truth == Truth::Yes => {
                        if let Some((_, zone)) = to.split_once("IN_") {
                            return Some(zone.to_owned());
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    None
}

/// The zone that a chain of firewalld's is of; none for one that is of all, and for a policy's, which is of no zone.
///
/// A zone's chain jumps to its parts, `_deny` and the like; a zone may have such a name itself.
pub(super) fn zone_of<'a>(table: &Table, chain: &'a str) -> Option<&'a str> {
    let (_, zone) = chain.split_once("IN_")?;
    let jumps = |whole: &str| {
        let rules = table.chains.iter().filter(|c| c.name == whole).flat_map(|c| &c.rules);
        rules.flat_map(|r| &r.parts).any(|p| matches!(p, Part::Verdict(Verdict::Jump(to)) if to == chain))
    };
    let parts = ["_pre", "_log", "_deny", "_allow", "_post"];
    let part = parts.iter().find(|p| chain.strip_suffix(**p).is_some_and(jumps));
    let zone = part.and_then(|p| zone.strip_suffix(p)).unwrap_or(zone);
    (!zone.starts_with("policy_")).then_some(zone)
}

/// How firewalld keeps the rules of a chain that were given to it as they are (firewall-cmd(1), DIRECT OPTIONS).
pub(super) enum DirectRules {
    /// `--add-rule`, with the lowest of their priorities.
    Rule { chain: String, priority: i64 },
    /// `--add-passthrough`: what comes later is inserted before the others.
    Passthrough,
}

/// Whether firewalld keeps direct rules of the chain where a rule is to go: it makes them anew at each reload, in front of
/// whatever else stands there.
pub(super) fn direct(rules: &Ruleset, new: &Insertion, view: &View<'_>) -> Result<Option<DirectRules>, Stopped> {
    let table = &rules.tables[new.table];
    let chain = &table.chains[new.chain].name;
    let own = chain.ends_with("_direct") || !chain.contains("IN_") && table.backend != Backend::Nft;
    if !own || !view.facts()?.tools.contains_key("firewall-cmd") {
        return Ok(None);
    }
    let sh = "firewall-cmd --state >/dev/null 2>&1 && for p in '' --permanent; do firewall-cmd $p --direct --get-all-rules | sed 's/^/rule /'; firewall-cmd $p --direct --get-all-passthroughs | sed 's/^/pass /'; done 2>/dev/null; :";
    let a = view.script("firewalld's direct rules", sh, false, &[Resource::Rules])?;
    let family = if table.family == Family::Ip6 { "ipv6" } else { "ipv4" };
    Ok(read_direct(&String::from_utf8_lossy(&a.stdout), family, &table.name, chain))
}

/// `rule ipv4 filter INPUT 0 -p tcp …`, `pass ipv4 -I INPUT -p tcp …`
fn read_direct(out: &str, family: &str, table: &str, chain: &str) -> Option<DirectRules> {
    let plain = chain.strip_suffix("_direct").unwrap_or(chain);
    let (mut lowest, mut passthrough) = (None::<i64>, false);
    for line in out.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["rule", f, t, c, priority, ..] if *f == family && *t == table && *c == plain => {
                let priority = priority.parse().unwrap_or(0);
                lowest = Some(lowest.map_or(priority, |old| old.min(priority)));
            }
            ["pass", f, rest @ ..] if *f == family => passthrough |= rest.contains(&plain),
            _ => {}
        }
    }
    if passthrough {
        return Some(DirectRules::Passthrough);
    }
    lowest.map(|priority| DirectRules::Rule { chain: plain.to_owned(), priority })
}

/// What lets it in before the direct rules, now and after a reload.
pub(super) fn direct_changes(rules: &mut Ruleset, new: &Insertion, kept: &DirectRules) -> Result<Vec<Change>, Stopped> {
    let before = rules.clone();
    let table = &before.tables[new.table];
    let family = if table.family == Family::Ip6 { "ipv6" } else { "ipv4" };
    let (name, chain) = (quoted(&table.name)?, quoted(&table.chains[new.chain].name)?);
    let rule = new.rule.text(table);
    add(rules, new);
    let mut out = Vec::new();
    for permanent in ["", "--permanent "] {
        let line = |verb: &str| -> Result<String, Stopped> {
            Ok(match kept {
                DirectRules::Rule { chain, priority } => format!(
                    "firewall-cmd {permanent}--direct --{verb}-rule {family} {name} {} {} {rule}",
                    quoted(chain)?,
                    priority - 1
                ),
                DirectRules::Passthrough => {
                    format!(
                        "firewall-cmd {permanent}--direct --{verb}-passthrough {family} -t {name} -I {chain} {rule}"
                    )
                }
            })
        };
        let listed = permanent.is_empty().then(|| listing(&before, rules, new.table, new.chain));
        let mut change = command(line("add")?, line("add")?, line("remove")?, listed);
        if !permanent.is_empty() {
            change.writes = vec![Resource::File("/etc/firewalld/**".into())];
            change.notes.push("so that it holds after a reload or a reboot".into());
        }
        out.push(Change::Command(change));
    }
    Ok(out)
}

/// What opens the port, after `--add-`; `denies`: in front of the zone's own denials.
pub(super) fn what(port: u16, from: Option<(IpAddr, IpAddr)>, denies: bool) -> String {
    let rich = |version: &str, from: Option<String>| {
        let source = from.map(|f| format!(" source address=\"{f}\"")).unwrap_or_default();
        let priority = if denies { " priority=\"-1\"" } else { "" };
        let family = if version.is_empty() { String::new() } else { format!(" family=\"{version}\"") };
        format!("rich-rule=rule{priority}{family}{source} port port=\"{port}\" protocol=\"tcp\" accept")
    };
    match from {
        Some(from) => rich(if from.0.is_ipv6() { "ipv6" } else { "ipv4" }, Some(network(from))),
        None if denies => rich("", None),
        None => format!("port={port}/tcp"),
    }
}

/// What opens the port in that zone, now and after a reboot.
pub(super) fn changes(
    asked: &Asked,
    rules: &mut Ruleset,
    new: &Insertion,
    questions: &[Question],
    view: &View<'_>,
) -> Result<Vec<Change>, Stopped> {
    let place = &new.against.place;
    let table = rules.tables[place.table].clone();
    if table.name.contains("policy_drop") {
        return Err(Stopped::ByHand(
            "firewalld is in panic mode, it drops everything: firewall-cmd --panic-off".into(),
        ));
    }
    let q =
        questions.iter().find(|q| q.v6 == (table.family == crate::edit::firewall::Family::Ip6)).or(questions.first());
    let zone = q.and_then(|q| zone(rules, &table, q)).ok_or_else(|| {
        Stopped::ByHand(format!(
            "allow port {} in the zone of the client's network device: firewall-cmd --get-active-zones",
            asked.port
        ))
    })?;
    let denies = table.chains[place.chain].name.ends_with("_deny");
    let what = what(asked.port, asked.from, denies);
    // What the rules will be like; tried by whoever asked.
    let before = rules.clone();
    let stem = if denies { "_pre" } else { "_allow" };
    for (t, table) in before.tables.iter().enumerate() {
        for (c, chain) in table.chains.iter().enumerate() {
            if chain.name.ends_with(&format!("IN_{zone}{stem}")) {
                let rule = Accept { port: asked.port, answers: false, from: asked.from };
                let at = chain.rules.len();
                add(rules, &Insertion { table: t, chain: c, at, rule, against: new.against.clone() });
            }
        }
    }
    let query = |permanent: &str| -> Result<String, Stopped> {
        let word = quoted(&format!("--query-{what}"))?;
        Ok(format!("firewall-cmd {permanent}--zone={} {word} >/dev/null 2>&1", quoted(&zone)?))
    };
    let a = view.script(
        "firewalld has it already",
        &format!("{} && echo now; {} && echo kept; :", query("")?, query("--permanent ")?),
        false,
        &[Resource::Rules],
    )?;
    let there = String::from_utf8_lossy(&a.stdout).into_owned();
    let mut out = Vec::new();
    for (word, permanent) in [("now", ""), ("kept", "--permanent ")] {
        if there.lines().any(|l| l == word) {
            continue;
        }
        let line = |verb: &str| -> Result<String, Stopped> {
            Ok(format!("firewall-cmd {permanent}--zone={} {}", quoted(&zone)?, quoted(&format!("--{verb}-{what}"))?))
        };
        let mut change = command(line("add")?, line("add")?, line("remove")?, None);
        if !permanent.is_empty() {
            change.writes = vec![Resource::File("/etc/firewalld/**".into())];
            change.notes.push("so that it holds after a reload or a reboot".into());
        }
        out.push(Change::Command(change));
    }
    if out.is_empty() {
        return Err(Stopped::ByHand(format!(
            "firewalld says that zone {zone} has it already: look at its rules (nft list ruleset)"
        )));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn direct_rules_of_that_chain_alone() {
        let out = "rule ipv4 filter INPUT 0 -p tcp --dport 22 -j REJECT\nrule ipv4 filter INPUT -3 -p udp -j ACCEPT\nrule ipv6 filter INPUT 0 -j DROP\n";
        let Some(DirectRules::Rule { chain, priority }) = read_direct(out, "ipv4", "filter", "INPUT_direct") else {
            panic!()
        };
        assert_eq!((chain.as_str(), priority), ("INPUT", -3));
        assert!(
            read_direct(out, "ipv4", "nat", "INPUT").is_none()
                && read_direct(out, "ipv4", "filter", "FORWARD").is_none()
        );
        let pass = "pass ipv4 -I INPUT -p tcp --dport 22 -j DROP\n";
        assert!(matches!(read_direct(pass, "ipv4", "filter", "INPUT"), Some(DirectRules::Passthrough)));
    }
}
