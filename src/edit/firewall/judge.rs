//! What the ways of a connection come to: let in, kept out, or not known; and for "anybody", who is meant by that.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use super::matching::{Truth, Why};
use super::model::{Element, Item, Key, Part, Ruleset, Test, Values, address};
use super::walk::{Ending, Place, Question, Ways, marked, walk};

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub outcome: Outcome,
    /// Who decides: the rule or policy that keeps out, or the last one that lets in.
    pub ending: Option<Ending>,
    pub accepted: Option<Place>,
    /// A limit that keeps out whoever comes too often.
    pub limit: Option<Ending>,
    /// Rules that keep some clients out, where anybody is asked about and most are let in.
    pub some: Vec<Ending>,
    /// Kept out, and yet there are clients that are let in, from wherever they come.
    pub let_in: bool,
    /// What is not known, with the rule that asks it.
    pub unclear: Option<(Why, Place)>,
    /// Where it arrives, if a rule changes that.
    pub port: Option<u16>,
    /// The rule that changes it.
    pub turned: Option<Place>,
}

/// The answer in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Accepted,
    Denied,
    Unknown,
}

/// Judges a rule set.
#[must_use]
pub fn judge(rules: &Ruleset, q: &Question) -> Answer {
    let mut answer = judged(rules, q);
    if q.from.is_none() && answer.outcome == Outcome::Denied && !answer.let_in {
        answer.let_in = others(rules, q);
    }
    answer
}

/// Whether anybody is let in who comes another way: by another device (a VPN's, say) or to another of the host's
/// addresses, with a mark, at another pace.
fn others(rules: &Ruleset, q: &Question) -> bool {
    let own = q.own.iter().filter(|(_, a)| a.is_ipv6() == q.v6).map(|(d, a)| (Some(d.clone()), Some(*a)));
    let named = devices(rules).into_iter().map(|d| (Some(d), q.to));
    std::iter::once((q.device.clone(), q.to))
        .chain(named)
        .chain(own)
        .any(|(device, to)| marked(rules, &Question { device, to, ..q.clone() }, false, None).passes != Truth::No)
}

/// The devices that rules ask for; where one asks for all but some, also one that none names.
fn devices(rules: &Ruleset) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for table in &rules.tables {
        for part in table.chains.iter().flat_map(|c| &c.rules).flat_map(|r| &r.parts) {
            let (fields, values, negated) = match part {
                Part::Test(Test::Within { fields, values, negated }) => (fields, values, *negated),
                Part::Map(fields, values) => (fields, values, false),
                _ => continue,
            };
            let Some(at) = fields.iter().position(|f| f.key == Key::Iif) else { continue };
            let elements = match values {
                Values::List(all) => Some(all),
                Values::Named(n) => table.sets.iter().find(|s| s.name == *n).map(|s| &s.elements),
                Values::Ipset(n) => rules.ipsets.iter().flatten().find(|s| s.set.name == *n).map(|s| &s.set.elements),
            };
            for item in elements.into_iter().flatten().filter_map(|e| e.items.get(at)) {
                if let Item::Name(name) = item
                    && name != "lo"
                {
                    // What begins so is such a one.
                    out.insert(name.trim_end_matches('*').to_owned());
                    if negated {
                        out.insert("another device".to_owned());
                    }
                }
            }
        }
    }
    out
}

fn judged(rules: &Ruleset, q: &Question) -> Answer {
    let all = walk(rules, q, false);
    if let Some(answer) = certain(&all) {
        return answer;
    }
    let usual = walk(rules, q, true);
    let usually: HashSet<&Place> = usual.endings.iter().map(|e| &e.place).collect();
    let limit = all.endings.iter().find(|e| !usually.contains(&e.place)).cloned();
    if let Some(answer) = certain(&usual) {
        return Answer { limit, ..answer };
    }
    let only_client = usual.whys.iter().filter(|(w, _)| *w != Why::Client).count() == 0;
    if q.from.is_none()
        && let Some(stranger) = stranger(rules, q.v6)
    {
        let asked = Question { from: Some((stranger, stranger)), ..q.clone() };
        let ways = walk(rules, &asked, true);
        if let Some(answer) = certain(&ways) {
            let denied = answer.outcome == Outcome::Denied;
            // The connection's next packet meets the same rule.
            let mut met = HashSet::new();
            let some = usual.endings.into_iter().filter(|e| !denied && met.insert(e.place.clone())).collect();
            return Answer {
                limit: limit.filter(|_| !denied),
                some,
                let_in: denied && usual.passes != Truth::No,
                ..answer
            };
        }
        if !only_client {
            return unknown(ways);
        }
    }
    unknown(usual)
}

fn certain(ways: &Ways) -> Option<Answer> {
    let outcome = match ways.passes {
        Truth::Yes => Outcome::Accepted,
        Truth::No => Outcome::Denied,
        Truth::Maybe => return None,
    };
    // Of several that may end it, the last one ends whatever is left.
    let ending = ways.endings.iter().find(|e| e.certain).or(ways.endings.last()).cloned();
    let accepted = ways.accepted.clone().filter(|_| outcome == Outcome::Accepted);
    Some(Answer {
        outcome,
        ending,
        accepted,
        limit: None,
        some: Vec::new(),
        let_in: false,
        unclear: None,
        port: ways.port,
        turned: ways.turned.clone(),
    })
}

fn unknown(ways: Ways) -> Answer {
    // What nobody understands says more than what a client could tell.
    let opaque = |w: &&(Why, Place)| matches!(w.0, Why::Opaque(_));
    let unclear = ways.whys.iter().find(opaque).or(ways.whys.first()).cloned();
    Answer {
        outcome: Outcome::Unknown,
        ending: ways.endings.first().cloned(),
        accepted: None,
        limit: None,
        some: Vec::new(),
        let_in: false,
        unclear,
        port: ways.port,
        turned: ways.turned,
    }
}

/// A client's address that no rule and no set names, but those that name all.
fn stranger(rules: &Ruleset, v6: bool) -> Option<IpAddr> {
    let (low, high): (u128, u128) = if v6 { (0x2000 << 112, (0x4000 << 112) - 1) } else { (0x0100_0000, 0xdfff_ffff) };
    let mut spans: Vec<(u128, u128)> = Vec::new();
    let source = |k: Key| matches!(k, Key::From4 | Key::From6);
    let mut add = |all: &[Element]| {
        for item in all.iter().flat_map(|e| &e.items) {
            if let Item::Span(a, b) = item
                && (*a > low || *b < high)
            {
                spans.push((*a, *b));
            }
        }
    };
    for t in &rules.tables {
        t.sets.iter().for_each(|s| add(&s.elements));
        for part in t.chains.iter().flat_map(|c| &c.rules).flat_map(|r| &r.parts) {
            match part {
                Part::Test(Test::Within { fields, values: Values::List(all), .. })
                | Part::Map(fields, Values::List(all))
                    if fields.iter().any(|f| source(f.key)) =>
                {
                    add(all);
                }
                _ => {}
            }
        }
    }
    rules.ipsets.iter().flatten().for_each(|s| add(&s.set.elements));
    // Loopback is nobody's.
    if !v6 {
        spans.push((0x7f00_0000, 0x7fff_ffff));
    }
    spans.sort_unstable();
    let mut next = low;
    for (a, b) in spans {
        if a > next {
            break;
        }
        next = next.max(b.saturating_add(1));
    }
    (next <= high).then(|| address(next, v6))
}
