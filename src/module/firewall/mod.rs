//! `firewall`: may a client reach a port through the host's own packet filters, and which rule decides; the rule that
//! lets it in, put where it counts and where the host restores it from.
//!
//! What the rules say is judged by [`crate::edit::firewall`]; which tool changes them depends on who owns them: `front`.

mod boot;
mod firewalld;
mod front;
mod persist;
mod read;
mod told;
mod ufw;

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::{Decision, Field, Halt, Module, Param, Params, Spec, Ty};
use crate::edit::firewall::model::{Item, address, number};
use crate::edit::firewall::{Answer, End, Outcome, Owner, Place, Question, Ruleset, Stuck, Why, judge, owner};
use crate::plan::View;
use front::Front;
use read::Found;

/// The host's packet filters.
pub struct Firewall;

static SPEC: Spec = Spec {
    name: "firewall",
    summary: "Whether the host's own packet filters (ufw, firewalld, nftables, iptables and ip6tables of both kinds) let a client reach a TCP port, and which rule decides. As a repair it puts a rule in front of that one, with the tool that owns the rules, and into the file that they are restored from. Limits count as let in. It never flushes, and what other programs keep (docker, fail2ban …) it leaves alone.",
    scalar: Some("port"),
    params: &[
        Param { name: "port", ty: Ty::Port, required: true, help: "the TCP port" },
        Param {
            name: "from",
            ty: Ty::Str,
            required: false,
            help: "the client: an address, or a network ADDRESS/LENGTH; without it, anybody whom no rule names",
        },
        Param {
            name: "own",
            ty: Ty::Str,
            required: false,
            help: "the controller's own address, as the host sees it: asked about by itself where no client is named and no rule keeps everybody out; the rule is for it alone then",
        },
        Param {
            name: "to",
            ty: Ty::List,
            required: false,
            help: "addresses that the client goes to: they say whether IPv4, IPv6 or both matter, and which network device",
        },
        Param {
            name: "at_boot",
            ty: Ty::Bool,
            required: false,
            help: "true: whether those who get in now get in after the next boot, too, with the rules that the host's services load then (tried in a network namespace of its own); the repair mends the file, not the rules that are in force",
        },
    ],
    fields: &[
        Field { name: "verdict", help: "accepted, dropped, rejected, or elsewhere (sent on to another machine)" },
        Field { name: "how", help: "what a client is rejected with: tcp reset, icmp-port-unreachable …; else empty" },
        Field {
            name: "rule",
            help: "the rule that decides, as its tool prints it; \"policy of CHAIN\" where none does",
        },
        Field { name: "place", help: "where it stands: tool, table, chain, number" },
        Field {
            name: "front",
            help: "who owns the rules there: ufw, firewalld, nftables, iptables, or another program",
        },
        Field { name: "zone", help: "firewalld's zone that decides; else empty" },
        Field { name: "families", help: "those that are kept out: a list of ipv4, ipv6" },
        Field { name: "banned_by", help: "the program that keeps this client out for what it did; else empty" },
        Field { name: "limited", help: "the rule that keeps out who comes too often; else empty" },
        Field { name: "arrives", help: "the port that a rule turns it to, or null" },
        Field { name: "turned_by", help: "that rule, and where it stands; else empty" },
        Field { name: "turned_undo", help: "the command that takes that rule away; else empty" },
    ],
    reads: "rules, file:/etc/iptables/**, file:/etc/sysconfig/*tables, file:/etc/sysconfig/nftables.conf, file:/etc/nftables.*, file:/etc/firewalld/**",
    writes: "rules, file:/etc/iptables/**, file:/etc/sysconfig/*tables, file:/etc/sysconfig/nftables.conf, file:/etc/nftables.*, file:/etc/firewalld/**",
    open: false,
};

/// What is asked, of each family that matters.
struct Asked {
    port: u16,
    from: Option<(IpAddr, IpAddr)>,
    /// The controller's own address, where no other is named.
    own: Option<IpAddr>,
    /// Where the client goes to, where that is not of its own family: no packet of its can be meant.
    astray: Option<IpAddr>,
    questions: Vec<Question>,
}

impl Module for Firewall {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn lint(&self, p: &Map<String, Value>) -> Vec<(&'static str, String, String)> {
        let text = |name: &str| p.get(name).and_then(Value::as_str).filter(|t| !t.contains("{{"));
        let mut out = Vec::new();
        if let Some(word) = text("from").filter(|t| client(t).is_none()) {
            let why = format!("\"{word}\" is neither an address nor a network");
            out.push(("from", why, "like: from: 192.0.2.7, or 2001:db8::/64".into()));
        }
        out
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        view.needs_running_host()?;
        // A long look that most hosts never need.
        view.not_ahead()?;
        let mut found = read::read(view)?;
        let asked = Asked::of(p, named(p, "from")?, &found)?;
        if p.is("at_boot") {
            let named: Vec<IpAddr> = [false, true].iter().flat_map(|v6| boot::sources(&found.rules, *v6)).collect();
            read::sets(&mut found, Some(&named), view)?;
            return after_boot(&asked, &found, view);
        }
        let network = asked.from.is_some_and(|(a, b)| a != b);
        let clients: Vec<IpAddr> = asked.from.map(|(a, _)| a).or(asked.own).into_iter().collect();
        read::sets(&mut found, (!network).then_some(&clients), view)?;
        let said = now(&asked, &found, view);
        // Others may get in, and who asks may not.
        let Some(own) = asked.own.filter(|_| match &said {
            Ok(d) => d.ok,
            Err(halt) => matches!(halt, Halt::Unknown { .. }),
        }) else {
            return said;
        };
        let alone = now(&Asked::of(p, Some((own, own)), &found)?, &found, view);
        match (&said, &alone) {
            (_, Err(Halt::Unknown { .. })) => said,
            (Ok(_), Ok(d)) if d.ok => said,
            _ => alone,
        }
    }
}

/// What is so now.
fn now(asked: &Asked, found: &Found, view: &View<'_>) -> Result<Decision, Halt> {
    // What would let one family in heals nothing of the other.
    if let Some(to) = asked.astray {
        let [of, other] = if to.is_ipv6() { ["IPv4", "IPv6"] } else { ["IPv6", "IPv4"] };
        return Err(Halt::Unknown {
            why: format!(
                "the client that you named has an address of {of}, and {to}, where no client gets in, is of {other}"
            ),
            hint: Some(format!("name the client by its address of {other}: -e client=ADDRESS")),
        });
    }
    let answers: Vec<(&Question, Answer)> = asked.questions.iter().map(|q| (q, judge(&found.rules, q))).collect();
    let by = |o: Outcome| answers.iter().find(|(_, a)| a.outcome == o);
    // Where one family is open to some, that is what there is to decide.
    let some = answers.iter().find(|(_, a)| a.let_in);
    if let Some((q, answer)) = some.or_else(|| by(Outcome::Denied)) {
        let denied: Vec<&Question> =
            answers.iter().filter(|(_, a)| a.outcome == Outcome::Denied).map(|(q, _)| *q).collect();
        return kept_out(asked, found, q, answer, &denied, view);
    }
    if let Some((q, answer)) = by(Outcome::Unknown) {
        // The client is out, and everything else lets it in: what cannot be judged is the likely one.
        if let (Some((Why::Rate(_) | Why::Opaque(_), place)), Some(_)) = (&answer.unclear, asked.own) {
            return likely(asked, &found.rules, q, answer, place, view);
        }
        let hint = match &answer.unclear {
            Some((Why::Opaque(what), _)) if what.starts_with("the set ") => Some(match asked.from {
                None => "one address is looked up in it, however long it is: -e client=ADDRESS".to_owned(),
                Some(_) => "ask it by hand: nft get element FAMILY TABLE SET '{ ADDRESS }'".to_owned(),
            }),
            _ => asked.from.is_none().then(|| "say where you come from: -e client=ADDRESS".into()),
        };
        return Err(Halt::Unknown {
            why: format!(
                "whether the firewall lets {} in to port {} is not known: {}",
                asked.who(q),
                asked.port,
                told::unclear(&found.rules, answer)
            ),
            hint,
        });
    }
    Ok(let_in(asked, found, &answers))
}

/// The client that a parameter names.
fn named(p: &Params, param: &'static str) -> Result<Option<(IpAddr, IpAddr)>, Halt> {
    let one =
        |f: &str| client(f).ok_or_else(|| Halt::error(param, format!("\"{f}\" is neither an address nor a network")));
    p.str(param).filter(|f| !f.is_empty()).map(one).transpose()
}

/// An address or a network, as its first and last address.
fn client(text: &str) -> Option<(IpAddr, IpAddr)> {
    match Item::address(text)? {
        (Item::Span(a, b), v6) if !text.contains('-') => Some((address(a, v6), address(b, v6))),
        _ => None,
    }
}

impl Asked {
    fn of(p: &Params, from: Option<(IpAddr, IpAddr)>, found: &Found) -> Result<Self, Halt> {
        let port = p.port("port").ok_or_else(|| Halt::error("port", "it is missing"))?;
        let own = named(p, "own")?.map(|(a, _)| a);
        let to: Vec<IpAddr> = p.list("to").iter().filter_map(|a| a.parse().ok()).collect();
        let there = |v6: bool| found.addresses.iter().filter(move |(_, a)| a.is_ipv6() == v6);
        let families = [false, true].into_iter().filter(|v6| match (from, to.as_slice()) {
            (Some((a, _)), _) => a.is_ipv6() == *v6,
            (None, []) => !v6 || there(true).next().is_some(),
            (None, to) => to.iter().any(|a| a.is_ipv6() == *v6),
        });
        let questions = families
            .map(|v6| {
                let here: Vec<&(String, IpAddr)> = there(v6).collect();
                // Behind another machine's address translation the host is known by another one.
                let one = here.iter().find(|(_, a)| to.contains(a)).copied();
                let one = one.or(if here.len() == 1 { here.first().copied() } else { None });
                let device = one.map(|(d, _)| d.clone()).or_else(|| {
                    let first = here.first()?.0.clone();
                    here.iter().all(|(d, _)| *d == first).then_some(first)
                });
                let own = found.addresses.clone();
                Question { v6, from, to: one.map(|(_, a)| *a), port, device, own }
            })
            .collect();
        let astray =
            from.and_then(|(a, _)| to.first().filter(|_| to.iter().all(|t| t.is_ipv6() != a.is_ipv6())).copied());
        let own = own.filter(|o| from.is_none_or(|(a, b)| (a, b) == (*o, *o)));
        Ok(Self { port, from, own, astray, questions })
    }

    /// Whom it is about.
    fn who(&self, q: &Question) -> String {
        match self.from {
            Some((a, b)) => crate::edit::firewall::repair::net(a, b),
            None if self.questions.len() == 1 && !q.v6 => "everybody".into(),
            None => format!("everybody who comes over {}", if q.v6 { "IPv6" } else { "IPv4" }),
        }
    }
}

fn family(q: &Question) -> &'static str {
    if q.v6 { "ipv6" } else { "ipv4" }
}

fn let_in(asked: &Asked, found: &Found, answers: &[(&Question, Answer)]) -> Decision {
    let rules = &found.rules;
    let none = rules.tables.iter().all(|t| t.chains.iter().all(|c| c.rules.is_empty()));
    let first = answers.first();
    let accepted = first.and_then(|(_, a)| a.accepted.as_ref());
    let limit = answers.iter().find_map(|(_, a)| a.limit.as_ref());
    let some = answers.iter().find_map(|(_, a)| a.some.first());
    let arrives = answers.iter().find_map(|(_, a)| a.port).filter(|p| *p != asked.port);
    let turned = answers.iter().find_map(|(_, a)| a.turned.as_ref()).filter(|_| arrives.is_some());
    let who = asked.from.map_or("everybody".to_owned(), |(a, b)| crate::edit::firewall::repair::net(a, b));
    let mut evidence = match accepted {
        _ if !found.tools => "no tool for packet filters is installed".to_owned(),
        _ if none => "no packet filter has a rule".to_owned(),
        Some(p) => format!("the firewall lets {who} in to port {}: {}", asked.port, told::place(rules, p)),
        None => format!("the firewall lets {who} in to port {}", asked.port),
    };
    if let Some(port) = arrives {
        evidence += &format!("; a rule turns it to port {port}");
    }
    if let Some(e) = some {
        evidence += &format!("; some are kept out, by {}", told::place(rules, &e.place));
    }
    if let Some(e) = limit {
        evidence += &format!("; who comes too often is kept out by {}", told::place(rules, &e.place));
    }
    Decision::new(true, evidence)
        .with("verdict", "accepted")
        .with("how", "")
        .with("rule", accepted.map(|p| told::rule(rules, p)).unwrap_or_default())
        .with("place", accepted.map(|p| told::site(rules, p)).unwrap_or_default())
        .with("front", accepted.map(|p| Front::of(rules, p).name(rules, p)).unwrap_or_default())
        .with("zone", "")
        .with("families", json!([]))
        .with("banned_by", "")
        .with("limited", limit.map(|e| told::rule(rules, &e.place)).unwrap_or_default())
        .with("arrives", arrives)
        .with("turned_by", turned.map(|p| told::place(rules, p)).unwrap_or_default())
        .with("turned_undo", turned.map(|p| front::removal(rules, p)).unwrap_or_default())
}

/// Whether those who get in now do so after the next boot.
fn after_boot(asked: &Asked, now: &Found, view: &View<'_>) -> Result<Decision, Halt> {
    let Some(boot) = boot::read(now, view)? else {
        return Ok(plain(Decision::new(true, "no service loads rules of packet filters at boot")));
    };
    let (lost, unknown): (Vec<boot::Lost>, Vec<boot::Lost>) =
        boot::lost(asked, &now.rules, &boot.rules).into_iter().partition(|l| l.answer.outcome == Outcome::Denied);
    let Some(first) = lost.first() else {
        return match unknown.first() {
            Some(l) => Err(Halt::unknown(format!(
                "whether the rules of the next boot let {} in to port {} is not known: {}",
                boot::who(asked, &l.question),
                asked.port,
                told::unclear(&boot.rules, &l.answer)
            ))),
            None => {
                let said = format!("who gets in to port {} now gets in after the next boot, too", asked.port);
                Ok(plain(Decision::new(true, said)))
            }
        };
    };
    let evidence = boot::evidence(asked, &boot.rules, first);
    let denied: Vec<&Question> = lost.iter().map(|l| &l.question).collect();
    let decision = denial(asked, &boot.rules, &first.answer, &denied, evidence.clone());
    if !view.wants_changes() {
        return Ok(decision);
    }
    let changes = front::kept(&boot, &denied, view).map_err(|stopped| said(stopped, asked, &boot, &evidence))?;
    Ok(decision.changing(changes))
}

/// Let in, and no rule is of interest.
fn plain(decision: Decision) -> Decision {
    let empty = ["how", "rule", "place", "front", "zone", "banned_by", "limited", "turned_by", "turned_undo"];
    let decision = empty.iter().fold(decision, |d, field| d.with(field, ""));
    decision.with("verdict", "accepted").with("families", json!([])).with("arrives", Value::Null)
}

/// What stopped a repair, for a person.
fn said(stopped: front::Stopped, asked: &Asked, found: &Found, evidence: &str) -> Halt {
    let person = |todo: String| Halt::Person { why: evidence.to_owned(), todo, param: None };
    match stopped {
        front::Stopped::Halt(halt) => halt,
        front::Stopped::Stuck(stuck) => person(by_hand(asked, found, &stuck)),
        front::Stopped::ByHand(todo) => person(todo),
    }
}

fn kept_out(
    asked: &Asked,
    found: &Found,
    q: &Question,
    answer: &Answer,
    denied: &[&Question],
    view: &View<'_>,
) -> Result<Decision, Halt> {
    let rules = &found.rules;
    let Some(ending) = &answer.ending else { return Err(Halt::unknown("the rules could not be followed")) };
    let mut evidence = told::ending(rules, ending, turned_to(answer).unwrap_or(asked.port), &asked.who(q));
    if let Some(o) = banned(rules, &ending.place) {
        evidence = format!("{} is banned by {}: {}", asked.who(q), o.name, told::place(rules, &ending.place));
    }
    let decision = denial(asked, rules, answer, denied, evidence.clone());
    if !view.wants_changes() {
        return Ok(decision);
    }
    if answer.let_in && asked.from.is_none() {
        let you = asked.own.map_or("ADDRESS".to_owned(), |a| format!("{a} (from where you connect now)"));
        let todo = format!(
            "some clients are let in: say whether you are to be one of them, by the address that the host sees: -e client={you}"
        );
        return Err(Halt::Person { why: evidence, todo, param: None });
    }
    let changes =
        front::changes(asked, found, denied, view).map_err(|stopped| said(stopped, asked, found, &evidence))?;
    Ok(decision.changing(changes))
}

/// A rule that cannot be judged (a time of day, a count, a program), where all else lets in a client that does not get in.
fn likely(
    asked: &Asked,
    rules: &Ruleset,
    q: &Question,
    answer: &Answer,
    place: &Place,
    view: &View<'_>,
) -> Result<Decision, Halt> {
    let evidence = format!(
        "a rule most likely keeps {} out of port {}: {}",
        asked.who(q),
        asked.port,
        told::unclear(rules, answer)
    );
    if !view.wants_changes() {
        return Ok(denial(asked, rules, answer, &[q], evidence));
    }
    let todo = format!(
        "the rules before and after it let the client in; to see whether it is this one, take it away and connect again: {}",
        front::removal(rules, place)
    );
    Err(Halt::Person { why: evidence, todo, param: None })
}

/// The program that bans by the rule there, if it does.
fn banned(rules: &Ruleset, place: &Place) -> Option<Owner> {
    let table = &rules.tables[place.table];
    let chain = &table.chains[place.chain];
    owner(table, &chain.name, place.rule.map(|r| &chain.rules[r])).filter(|o| o.bans)
}

/// firewalld's zone there.
fn zone<'a>(rules: &'a Ruleset, place: &Place) -> Option<&'a str> {
    let table = &rules.tables[place.table];
    let chain = &table.chains[place.chain].name;
    (Front::of(rules, place) == Front::Firewalld).then(|| firewalld::zone_of(table, chain)).flatten()
}

/// A denial's fields.
fn denial(asked: &Asked, rules: &Ruleset, answer: &Answer, denied: &[&Question], evidence: String) -> Decision {
    let place = answer.ending.as_ref().map(|e| &e.place);
    let (verdict, how) = match answer.ending.as_ref().map(|e| &e.end) {
        Some(End::Reject(with)) => ("rejected", with.as_str()),
        Some(End::Elsewhere(_)) => ("elsewhere", ""),
        _ => ("dropped", ""),
    };
    let families: Vec<&str> = denied.iter().map(|q| family(q)).collect();
    Decision::new(false, evidence)
        .with("verdict", verdict)
        .with("how", how)
        .with("rule", place.map(|p| told::rule(rules, p)).unwrap_or_default())
        .with("place", place.map(|p| told::site(rules, p)).unwrap_or_default())
        .with("front", place.map(|p| Front::of(rules, p).name(rules, p)).unwrap_or_default())
        .with("zone", place.and_then(|p| zone(rules, p)).unwrap_or_default())
        .with("families", json!(families))
        .with("banned_by", place.and_then(|p| banned(rules, p)).map_or("", |o| o.name))
        .with("limited", "")
        .with("arrives", turned_to(answer).filter(|p| *p != asked.port))
        .with("turned_by", "")
        .with("turned_undo", "")
}

/// The port of this host that a rule of nat turns a client to. One of another machine says nothing of this host's.
fn turned_to(answer: &Answer) -> Option<u16> {
    let elsewhere = matches!(answer.ending.as_ref().map(|e| &e.end), Some(End::Elsewhere(_)));
    answer.port.filter(|_| !elsewhere)
}

/// What is left to a person.
fn by_hand(asked: &Asked, found: &Found, stuck: &Stuck) -> String {
    let rules = &found.rules;
    match stuck {
        Stuck::Owned(o, e) if o.bans => {
            let who = asked.from.map_or("ADDRESS".to_owned(), |(a, _)| a.to_string());
            match o.name {
                "fail2ban" => format!("fail2ban keeps it out for failed logins: fail2ban-client unban {who}"),
                "crowdsec" => format!("crowdsec keeps it out: cscli decisions delete --ip {who}"),
                name => format!("{name} keeps it out: let it go there ({})", told::site(rules, &e.place)),
            }
        }
        Stuck::Owned(o, e) => format!(
            "these rules are kept by {}, which makes them anew: allow port {} there ({})",
            o.name,
            asked.port,
            told::site(rules, &e.place)
        ),
        Stuck::Elsewhere(e) => {
            let rule = front::removal(rules, &e.place);
            format!(
                "see whether sshd is meant to answer there, and listens; or use another port; or take the rule away: {rule} (what put it there, docker or a port forwarding, may do so again)"
            )
        }
        Stuck::Still(a) => match &a.ending {
            Some(e) => format!("let port {} in by hand: {}", asked.port, told::place(rules, &e.place)),
            None => format!("let port {} in by hand: {}", asked.port, told::unclear(rules, a)),
        },
    }
}

/// The first and last address as a network, for tools that take one.
fn network(from: (IpAddr, IpAddr)) -> String {
    let (a, b) = from;
    debug_assert!(number(a) <= number(b));
    crate::edit::firewall::repair::net(a, b)
}

#[cfg(test)]
mod tests;
