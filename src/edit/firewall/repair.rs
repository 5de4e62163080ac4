//! Where a rule has to stand that lets a connection in: in front of the one that keeps it out, in that very chain, for an
//! accept elsewhere does not save a packet. What is found is tried on a copy of the rules before it is said.

use std::collections::HashSet;

use super::judge::{Answer, Outcome, judge};
use super::model::{
    Element, Family, Field, Hook, Item, Key, Part, Rule, Ruleset, Table, Test, Values, Verdict, number,
};
use super::owner::{Owner, owner};
use super::walk::{Ending, Leg, Question};

/// A rule more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Insertion {
    pub table: usize,
    pub chain: usize,
    /// Before the rule of this index; as many as there are: at the end.
    pub at: usize,
    pub rule: Accept,
    /// What kept the connection out there.
    pub against: Ending,
}

/// What it lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    pub port: u16,
    /// It is for the host's answers: the port is theirs, and the client is where they go.
    pub answers: bool,
    pub from: Option<(std::net::IpAddr, std::net::IpAddr)>,
}

/// Why no rule of ours would help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stuck {
    /// What decides is another program's.
    Owned(Owner, Ending),
    /// It is sent to another machine.
    Elsewhere(Ending),
    /// It would still not get through.
    Still(Box<Answer>),
}

/// How many rules may be needed: one for each chain that says no.
pub const MOST: usize = 8;

/// The rules that let all of these connections in, each before the next.
///
/// # Errors
/// [`Stuck`].
pub fn repair(rules: &Ruleset, questions: &[Question]) -> Result<Vec<Insertion>, Stuck> {
    let mut rules = rules.clone();
    let mut out: Vec<Insertion> = Vec::new();
    while let Some(new) = next(&rules, questions)? {
        if out.len() == MOST {
            return Err(Stuck::Still(Box::new(judge(&rules, &questions[0]))));
        }
        add(&mut rules, &new);
        out.push(new);
    }
    Ok(out)
}

/// The first rule that is wanting; none: all of these connections get through.
///
/// # Errors
/// [`Stuck`].
pub fn next(rules: &Ruleset, questions: &[Question]) -> Result<Option<Insertion>, Stuck> {
    for q in questions {
        let answer = judge(rules, q);
        let ending = match (answer.outcome, &answer.ending) {
            (Outcome::Accepted, _) => continue,
            (Outcome::Denied, Some(e)) => e.clone(),
            _ => return Err(Stuck::Still(Box::new(answer))),
        };
        return insertion(rules, q, &answer, ending).map(Some);
    }
    Ok(None)
}

fn insertion(rules: &Ruleset, q: &Question, answer: &Answer, ending: Ending) -> Result<Insertion, Stuck> {
    if matches!(ending.end, super::walk::End::Elsewhere(_)) {
        return Err(Stuck::Elsewhere(ending));
    }
    let p = &ending.place;
    let table = &rules.tables[p.table];
    // The chains from the base chain down, each with the rule where the packet is.
    let mut way: Vec<(usize, Option<usize>)> = p.path.iter().map(|(c, r)| (*c, Some(*r))).collect();
    way.push((p.chain, p.rule));
    let hook = table.chains[way[0].0].base.as_ref().map(|b| b.hook);
    let shared = others(table, hook);
    // In a chain that forwarded packets see, too, the rule would open the port of every machine behind this one.
    let foreign = way.iter().position(|(c, _)| {
        shared.contains(&table.chains[*c].name) || owner(table, &table.chains[*c].name, None).is_some()
    });
    let by_rule = p.rule.and_then(|r| owner(table, &table.chains[p.chain].name, Some(&table.chains[p.chain].rules[r])));
    if let Some(o) = by_rule.filter(|o| o.bans) {
        return Err(Stuck::Owned(o, ending));
    }
    let (chain, rule) = match foreign {
        // All of it is somebody else's.
        Some(0) => match owner(table, &table.chains[way[0].0].name, None) {
            Some(o) => return Err(Stuck::Owned(o, ending)),
            None => way[0],
        },
        Some(at) => way[at - 1],
        None => way[way.len() - 1],
    };
    let base = table.chains[way[0].0].base.as_ref();
    let early = base.is_some_and(|b| b.hook == Hook::Ingress || b.hook == Hook::Prerouting && b.priority < -100);
    let port = answer.port.filter(|_| !early).unwrap_or(q.port);
    let at = rule.unwrap_or(table.chains[chain].rules.len());
    let accept = Accept { port, answers: ending.leg == Leg::Answer, from: q.from };
    Ok(Insertion { table: p.table, chain, at, rule: accept, against: ending })
}

/// The chains that packets of other hooks come to.
fn others(table: &Table, hook: Option<Hook>) -> HashSet<String> {
    let mut out: HashSet<String> = HashSet::new();
    let mut next: Vec<&str> = table
        .chains
        .iter()
        .filter(|c| c.base.as_ref().is_some_and(|b| Some(b.hook) != hook))
        .map(|c| c.name.as_str())
        .collect();
    while let Some(name) = next.pop() {
        let parts = table.chain(name).into_iter().flat_map(|c| &c.rules).flat_map(|r| &r.parts);
        for verdict in parts.flat_map(|p| verdicts(table, p)) {
            if let Verdict::Jump(to) | Verdict::Goto(to) = verdict
                && out.insert(to.clone())
            {
                next.push(to);
            }
        }
    }
    out
}

/// What a part of a rule may decide.
fn verdicts<'a>(table: &'a Table, part: &'a Part) -> Vec<&'a Verdict> {
    let elements = match part {
        Part::Verdict(v) => return vec![v],
        Part::Map(_, Values::List(all)) => Some(all),
        Part::Map(_, Values::Named(n)) => table.sets.iter().find(|s| s.name == *n).map(|s| &s.elements),
        _ => None,
    };
    elements.into_iter().flatten().filter_map(|e| e.verdict.as_ref()).collect()
}

/// The rules with one more.
pub fn add(rules: &mut Ruleset, new: &Insertion) {
    let table = &mut rules.tables[new.table];
    let text = match table.backend {
        super::model::Backend::Nft => format!("{} comment \"runbook\"", new.rule.text(table)),
        _ => format!("-A {} {}", table.chains[new.chain].name, new.rule.text(table)),
    };
    let rule = Rule { text, parts: new.rule.parts(), ..Rule::default() };
    let chain = &mut table.chains[new.chain].rules;
    chain.insert(new.at.min(chain.len()), rule);
}

impl Accept {
    /// As nft or iptables would be told, without the chain.
    #[must_use]
    pub fn text(&self, table: &Table) -> String {
        let nft = table.backend == super::model::Backend::Nft;
        let who = self.from.map(|(a, b)| net(a, b));
        if nft {
            let side = if self.answers { "daddr" } else { "saddr" };
            let who = who.map(|w| {
                let ip = if w.contains(':') { "ip6" } else { "ip" };
                format!("{ip} {side} {w} ")
            });
            let port = if self.answers { "sport" } else { "dport" };
            return format!("{}tcp {port} {} accept", who.unwrap_or_default(), self.port);
        }
        let side = if self.answers { "-d" } else { "-s" };
        let who = who.map(|w| {
            let length = if table.family == Family::Ip6 { "/128" } else { "/32" };
            format!("{side} {}{} ", w, if w.contains('/') { "" } else { length })
        });
        let port = if self.answers { "--sport" } else { "--dport" };
        format!("{}-p tcp -m tcp {port} {} -j ACCEPT", who.unwrap_or_default(), self.port)
    }

    fn parts(&self) -> Vec<Part> {
        let within = |key: Key, item: Item| {
            let values = Values::List(vec![Element::one(item)]);
            Part::Test(Test::Within { fields: vec![Field::from(key)], values, negated: false })
        };
        let port = if self.answers { Key::Sport } else { Key::Dport };
        let mut out = vec![within(port, Item::number(self.port.into()))];
        if let Some((a, b)) = self.from {
            let key = match (self.answers, a.is_ipv6()) {
                (false, false) => Key::From4,
                (false, true) => Key::From6,
                (true, false) => Key::To4,
                (true, true) => Key::To6,
            };
            out.push(within(key, Item::Span(number(a), number(b))));
        }
        out.push(Part::Verdict(Verdict::Accept));
        out
    }
}

/// `ADDRESS`, or `ADDRESS/LENGTH`.
#[must_use]
pub fn net(low: std::net::IpAddr, high: std::net::IpAddr) -> String {
    if low == high {
        return low.to_string();
    }
    let size = number(high).wrapping_sub(number(low)).wrapping_add(1);
    let bits = if size == 0 { 128 } else { size.trailing_zeros() };
    let width = if low.is_ipv6() { 128 } else { 32 };
    format!("{low}/{}", width - bits)
}
