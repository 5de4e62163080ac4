//! A rule and its place, for people.

use crate::edit::firewall::{Answer, Backend, End, Ending, Leg, Place, Ruleset, Why};

/// `"-A INPUT -j DROP" (iptables, chain INPUT, rule 3)`, or the policy.
pub(super) fn place(rules: &Ruleset, p: &Place) -> String {
    let table = &rules.tables[p.table];
    let chain = &table.chains[p.chain];
    match p.rule {
        Some(r) => format!("\"{}\" ({})", short(&chain.rules[r].text), site(rules, p)),
        None => format!("the policy of chain {} ({})", chain.name, site(rules, p)),
    }
}

/// Where it is.
pub(super) fn site(rules: &Ruleset, p: &Place) -> String {
    let table = &rules.tables[p.table];
    let chain = &table.chains[p.chain];
    let number = p.rule.map(|r| format!(", rule {}", r + 1)).unwrap_or_default();
    match table.backend {
        Backend::Nft => format!("nftables, table {} {}, chain {}{number}", table.family.word(), table.name, chain.name),
        _ if table.name == "filter" => format!("{}, chain {}{number}", table.program, chain.name),
        _ => format!("{}, table {}, chain {}{number}", table.program, table.name, chain.name),
    }
}

/// The rule's own words.
pub(super) fn rule(rules: &Ruleset, p: &Place) -> String {
    let chain = &rules.tables[p.table].chains[p.chain];
    p.rule.map_or_else(|| format!("policy of {}", chain.name), |r| chain.rules[r].text.clone())
}

fn short(text: &str) -> String {
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What it does with a client.
pub(super) fn ending(rules: &Ruleset, e: &Ending, port: u16, who: &str) -> String {
    let does = match (&e.end, e.leg) {
        (End::Drop, Leg::First) => format!("what {who} sends to port {port} is dropped"),
        (End::Reject(with), Leg::First) => format!("{who} is turned away from port {port} ({with})"),
        (_, Leg::Answer) => format!("the host's own answers from port {port} are kept back"),
        (_, Leg::Next) => format!("a connection to port {port} is cut off after its first packet"),
        (End::Elsewhere(to), _) => format!("what comes for port {port} is sent on to {to}"),
        (End::Opaque(_), _) => format!("what comes for port {port} may not get through"),
    };
    format!("{does} by {}", place(rules, &e.place))
}

/// What is not known.
pub(super) fn unclear(rules: &Ruleset, a: &Answer) -> String {
    let Some((why, p)) = &a.unclear else { return "the rules could not be followed".into() };
    let what = match why {
        Why::Client => "it depends on the client's address".to_owned(),
        Why::ClientPort => "it depends on the client's own port".to_owned(),
        Why::Server => "it depends on which of the host's addresses it is".to_owned(),
        Why::Interface => "it depends on the network device that the client comes in by".to_owned(),
        Why::Rate(text) => format!("it depends on how much came before ({text})"),
        Why::Opaque(text) => format!("what \"{text}\" says of it is not known"),
    };
    format!("{what}: {}", place(rules, p))
}
