//! The way of a new TCP connection through the rules, as the kernel goes it (nft(8), "CHAINS" and "VERDICT STATEMENT";
//! iptables(8); the order of hooks: linux/netfilter.h).
//!
//! Three packets make a connection: the client's first, the host's answer, and the client's next, which is no new one.
//! Each meets every base chain of its hooks in the order of their priorities. "accept" ends only the base chain that it
//! stands in; "drop" and "reject" end the packet. Where it is not known whether a rule matches, both ways are followed.

use std::cmp::Reverse;
use std::mem::discriminant;
use std::net::IpAddr;

use super::matching::{Name, Packet, Truth, Why};
use super::model::{Base, Hook, Part, Port, Ruleset, Verdict, address, number};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub v6: bool,
    /// The client: first and last address of its network; none: anybody.
    pub from: Option<(IpAddr, IpAddr)>,
    /// The host's address that it connects to, where it is known.
    pub to: Option<IpAddr>,
    pub port: u16,
    /// The device that its packets come in by, where it is known.
    pub device: Option<String>,
    /// The host's own addresses with their devices: what is turned to another address goes elsewhere.
    pub own: Vec<(String, IpAddr)>,
}

impl Question {
    /// The client's first packet; `mark`: what it carries, where that is known.
    #[must_use]
    pub fn first(&self, mark: Option<u128>) -> Packet {
        let whole = if self.v6 { (0, u128::MAX) } else { (0, u128::from(u32::MAX)) };
        Packet {
            v6: self.v6,
            from: self.from.map_or(whole, |(a, b)| (number(a), number(b))),
            to: self.to.map_or(whole, |a| (number(a), number(a))),
            // What nobody but root may take is no client's (ip(7), ip_local_port_range).
            sport: (1024, 65535),
            dport: (self.port.into(), self.port.into()),
            iif: self.device.clone().map_or(Name::Unknown, Name::Is),
            oif: Name::None,
            states: vec!["new"],
            reply: false,
            flags: 0x02,
            mark,
            conn_mark: mark,
        }
    }
}

/// Which packet of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// The client's first.
    First,
    /// The host's answer to it.
    Answer,
    /// What the client sends next.
    Next,
}

/// A place in the rules.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    pub table: usize,
    pub chain: usize,
    /// None: the chain's policy.
    pub rule: Option<usize>,
    /// The rules that jumped there, the base chain's first: (chain, rule).
    pub path: Vec<(usize, usize)>,
}

/// What became of a packet that does not get through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Drop,
    /// With what.
    Reject(String),
    /// To another machine.
    Elsewhere(String),
    /// To a program, or into what is not understood.
    Opaque(String),
}

/// A way for a packet to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    pub end: End,
    pub place: Place,
    pub leg: Leg,
    /// Every packet that gets there ends so, and every one gets there.
    pub certain: bool,
}

/// All that may become of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ways {
    /// Whether it comes about.
    pub passes: Truth,
    /// Every way in which it may not.
    pub endings: Vec<Ending>,
    /// The last rule that let it in, or the policy.
    pub accepted: Option<Place>,
    /// Where it arrives, if a rule changes that.
    pub port: Option<u16>,
    /// The rule that changes it.
    pub turned: Option<Place>,
    /// What was not certain on the way, with the rule that asks: the first of each kind, for a list of bans has thousands.
    pub whys: Vec<(Why, Place)>,
}

/// Rules that are looked at before it is said that there are too many.
const STEPS: usize = 300_000;
/// Jumps within jumps; the kernel allows 16.
const DEPTH: usize = 64;

/// Follows a connection. `usual`: limits are taken to say what they most often say.
#[must_use]
pub fn walk(rules: &Ruleset, q: &Question, usual: bool) -> Ways {
    marked(rules, q, usual, Some(0))
}

/// The same for packets that come in with a mark; none: with any.
#[must_use]
pub fn marked(rules: &Ruleset, q: &Question, usual: bool, mark: Option<u128>) -> Ways {
    let packet = q.first(mark);
    let mut w = Walk {
        rules,
        q,
        usual,
        packet: packet.clone(),
        ways: Ways {
            passes: Truth::Yes,
            endings: Vec::new(),
            accepted: None,
            port: None,
            turned: None,
            whys: Vec::new(),
        },
        leg: Leg::First,
        sure: true,
        passed: false,
        ended: false,
        arrival: None,
        steps: 0,
    };
    let arrives = w.hooks(&[Hook::Ingress, Hook::Prerouting, Hook::Input]);
    if let ((a, b), true) = (w.packet.dport, w.packet.dport != packet.dport) {
        w.ways.port = u16::try_from(a).ok().filter(|_| a == b);
    }
    if arrives {
        let untracked = w.packet.states.contains(&"untracked");
        let arrived = w.packet.clone();
        w.arrival = Some((arrived.to, arrived.dport));
        w.leg = Leg::Answer;
        w.packet = Packet {
            from: arrived.to,
            to: arrived.from,
            sport: arrived.dport,
            dport: arrived.sport,
            iif: Name::None,
            oif: arrived.iif.clone(),
            states: vec![if untracked { "invalid" } else { "established" }],
            reply: true,
            flags: 0x12,
            mark: Some(0),
            ..arrived.clone()
        };
        if w.hooks(&[Hook::Output, Hook::Postrouting]) {
            w.leg = Leg::Next;
            let conn_mark = arrived.conn_mark;
            w.packet = Packet {
                states: vec![if untracked { "new" } else { "established" }],
                flags: 0x10,
                conn_mark,
                ..packet
            };
            w.hooks(&[Hook::Ingress, Hook::Prerouting, Hook::Input]);
        }
    }
    w.ways
}

struct Walk<'a> {
    rules: &'a Ruleset,
    q: &'a Question,
    usual: bool,
    packet: Packet,
    ways: Ways,
    leg: Leg,
    /// Every packet gets to where we are.
    sure: bool,
    /// Of this base chain: a packet may have been accepted.
    passed: bool,
    /// … and one may have ended, or have been accepted, before its end.
    ended: bool,
    /// Where conntrack sends the packets that follow the first.
    arrival: Option<((u128, u128), (u128, u128))>,
    steps: usize,
}

/// How a chain was left.
#[derive(Clone, Copy)]
struct Left {
    /// A packet may come out at its end.
    out: bool,
    /// A packet may have ended in it.
    ended: bool,
}

impl Walk<'_> {
    /// All base chains of these hooks; false: no packet gets through.
    fn hooks(&mut self, hooks: &[Hook]) -> bool {
        for hook in hooks {
            // Of one priority, what was made last comes first (nf_hook_entries_grow).
            let mut chains: Vec<(i64, Reverse<(usize, usize)>)> = Vec::new();
            for (t, table) in
                self.rules.tables.iter().enumerate().filter(|(_, t)| t.family.sees(self.q.v6) && !t.dormant)
            {
                for (c, chain) in table.chains.iter().enumerate() {
                    if let Some(base) = chain.base.as_ref().filter(|b| b.hook == *hook) {
                        // An established connection is not asked again where it goes.
                        if self.ours(base) != Truth::No && !(base.nat && self.leg != Leg::First) {
                            chains.push((base.priority, Reverse((t, c))));
                        }
                    }
                }
            }
            chains.sort_unstable();
            for (priority, Reverse((t, c))) in chains {
                // A connection's destination is changed once.
                let base = self.rules.tables[t].chains[c].base.as_ref();
                let (nat, ours) = base.map_or((false, Truth::Yes), |b| (b.nat, self.ours(b)));
                if nat && self.packet.states.contains(&"dnat") {
                    continue;
                }
                if *hook == Hook::Prerouting && priority >= -100 {
                    self.arrive();
                }
                let (sure, before) = (self.sure, self.ways.endings.len());
                self.sure &= ours == Truth::Yes;
                let passed = self.base(t, c);
                if ours == Truth::Maybe {
                    let ended = self.ways.endings.len() > before;
                    self.sure = sure && !ended;
                    if ended {
                        self.note(
                            &mut vec![Why::Interface],
                            &Place { table: t, chain: c, rule: None, path: Vec::new() },
                        );
                    }
                } else if !passed {
                    self.ways.passes = Truth::No;
                    return false;
                }
            }
            if *hook == Hook::Prerouting {
                self.arrive();
            }
        }
        if !self.ways.endings.is_empty() {
            self.ways.passes = Truth::Maybe;
        }
        true
    }

    /// Whether a packet meets that chain: what is at ingress is of some devices alone.
    fn ours(&self, base: &Base) -> Truth {
        match &self.q.device {
            _ if base.hook != Hook::Ingress => Truth::Yes,
            Some(d) if base.devices.contains(d) => Truth::Yes,
            Some(_) if !base.devices.is_empty() => Truth::No,
            _ => Truth::Maybe,
        }
    }

    /// What follows the first packet goes where that went.
    fn arrive(&mut self) {
        if let (Leg::Next, Some((to, port))) = (self.leg, self.arrival) {
            (self.packet.to, self.packet.dport) = (to, port);
        }
    }

    /// A base chain; false: no packet gets through it.
    fn base(&mut self, t: usize, c: usize) -> bool {
        (self.passed, self.ended) = (false, false);
        let before = self.ways.endings.len();
        let entered = self.sure;
        let left = self.chain(t, c, &mut Vec::new());
        if left.out {
            let base = self.rules.tables[t].chains[c].base.as_ref();
            let place = Place { table: t, chain: c, rule: None, path: Vec::new() };
            self.sure = entered && !left.ended;
            if base.is_some_and(|b| b.drops) {
                self.end(End::Drop, place);
            } else {
                self.pass(place);
            }
        }
        self.sure = entered && self.ways.endings.len() == before;
        self.passed
    }

    fn pass(&mut self, place: Place) {
        self.passed = true;
        let first = place.path.first().map_or(place.chain, |(chain, _)| *chain);
        let base = self.rules.tables[place.table].chains[first].base.as_ref();
        let filters = base.is_some_and(|b| b.hook == Hook::Input && !b.nat);
        // A rule says more than a policy, and what is later more than what is earlier.
        let better = match place.rule {
            Some(_) => self.sure,
            None => self.ways.accepted.as_ref().is_none_or(|old| old.rule.is_none()),
        };
        if better && filters && self.leg == Leg::First {
            self.ways.accepted = Some(place);
        }
    }

    fn end(&mut self, end: End, place: Place) {
        let new = Ending { end, place, leg: self.leg, certain: self.sure };
        match self.ways.endings.last_mut() {
            // Another value of the same map.
            Some(last) if Ending { certain: last.certain, ..new.clone() } == *last => last.certain |= new.certain,
            _ => self.ways.endings.push(new),
        }
    }

    /// A chain's rules in turn.
    fn chain(&mut self, t: usize, c: usize, path: &mut Vec<(usize, usize)>) -> Left {
        let mut left = Left { out: false, ended: false };
        let rules = self.rules;
        let table = &rules.tables[t];
        if path.len() > DEPTH {
            return Left { out: true, ended: false };
        }
        for (r, rule) in table.chains[c].rules.iter().enumerate() {
            let place = Place { table: t, chain: c, rule: Some(r), path: path.clone() };
            self.steps += 1;
            if self.steps > STEPS {
                self.sure = false;
                self.note(&mut vec![Why::Opaque("there are too many rules".into())], &place);
                self.opaque("too many rules", &place, &mut left);
                return Left { out: true, ended: true };
            }
            let mut truth = Truth::Yes;
            for part in &rule.parts {
                let mut whys = Vec::new();
                let mut go = |w: &mut Self, v: &Verdict, truth: Truth| w.verdict(v, truth, &place, path, &mut left);
                let gone = match part {
                    Part::Test(test) => {
                        let this = self.packet.asks(self.rules, table, test, self.usual, &mut whys);
                        truth = truth.min(this);
                        false
                    }
                    Part::Verdict(v) => go(self, v, truth),
                    Part::Map(fields, values) => {
                        let elements = if self.packet.foreign(fields) {
                            truth = Truth::No;
                            None
                        } else {
                            self.packet.resolve(self.rules, table, fields, values)
                        };
                        match elements {
                            None if truth == Truth::No => false,
                            None => {
                                whys.push(Why::Opaque("a map".into()));
                                truth = Truth::Maybe;
                                self.note(&mut whys, &place);
                                self.opaque("a map", &place, &mut left);
                                false
                            }
                            Some((fields, elements)) => {
                                let mut gone = false;
                                // The more special one is asked first; those that are left are "*".
                                let rest =
                                    |e: &super::model::Element| e.items.iter().all(|i| *i == super::model::Item::Any);
                                let (any, some): (Vec<_>, Vec<_>) = elements.iter().partition(|e| rest(e));
                                for e in some.into_iter().chain(any) {
                                    let is = self.packet.is(&fields, e, &mut whys);
                                    self.note(&mut whys, &place);
                                    let verdict = e.verdict.clone().unwrap_or(Verdict::Continue);
                                    match is.min(truth) {
                                        Truth::No => {}
                                        both => {
                                            gone = go(self, &verdict, both);
                                            if is == Truth::Yes {
                                                break;
                                            }
                                        }
                                    }
                                }
                                gone
                            }
                        }
                    }
                    Part::Mark(to) => {
                        self.packet.mark = if truth == Truth::Yes { *to } else { None };
                        false
                    }
                    Part::ConnMark => {
                        self.packet.conn_mark = None;
                        false
                    }
                    Part::Notrack => {
                        if truth == Truth::Yes {
                            self.packet.states = vec!["untracked"];
                        } else {
                            self.packet.states.push("untracked");
                        }
                        false
                    }
                    Part::Nat { to, port } => {
                        if self.nat(*to, *port, truth, &place) {
                            (left.ended, self.sure) = (true, false);
                            truth == Truth::Yes
                        } else {
                            go(self, &Verdict::Accept, truth)
                        }
                    }
                    Part::Opaque(text) => {
                        whys.push(Why::Opaque(text.clone()));
                        self.note(&mut whys, &place);
                        self.opaque(text, &place, &mut left);
                        false
                    }
                };
                self.note(&mut whys, &place);
                if gone {
                    return left;
                }
                if truth == Truth::No {
                    break;
                }
            }
        }
        left.out = true;
        left
    }

    fn note(&mut self, whys: &mut Vec<Why>, place: &Place) {
        for w in whys.drain(..) {
            if !self.ways.whys.iter().any(|(old, _)| discriminant(old) == discriminant(&w)) {
                self.ways.whys.push((w, place.clone()));
            }
        }
    }

    /// A statement that may end the packet, or may not.
    fn opaque(&mut self, text: &str, place: &Place, left: &mut Left) {
        self.sure = false;
        self.end(End::Opaque(text.to_owned()), place.clone());
        self.passed = true;
        left.ended = true;
    }

    /// Follows a verdict; true: no packet gets to the chain's next rule.
    fn verdict(
        &mut self,
        v: &Verdict,
        truth: Truth,
        place: &Place,
        path: &mut Vec<(usize, usize)>,
        left: &mut Left,
    ) -> bool {
        let yes = truth == Truth::Yes;
        let here = self.sure;
        self.sure &= yes;
        match v {
            Verdict::Continue => {
                self.sure = here;
                false
            }
            Verdict::Accept => {
                self.pass(place.clone());
                left.ended = true;
                self.sure = false;
                yes
            }
            Verdict::Drop | Verdict::Reject(_) | Verdict::Queue => {
                let end = match v {
                    Verdict::Reject(with) => End::Reject(with.clone()),
                    Verdict::Queue => End::Opaque("a program decides (queue)".into()),
                    _ => End::Drop,
                };
                if *v == Verdict::Queue {
                    self.sure = false;
                    self.passed = true;
                    self.note(&mut vec![Why::Opaque("queue".into())], place);
                }
                self.end(end, place.clone());
                left.ended = true;
                self.sure = false;
                yes
            }
            Verdict::Return => {
                left.out = true;
                self.sure = false;
                yes
            }
            Verdict::Jump(to) | Verdict::Goto(to) => {
                let table = &self.rules.tables[place.table];
                let Some(next) = table.chains.iter().position(|c| c.name == *to) else {
                    self.opaque(&format!("there is no chain {to}"), place, left);
                    return false;
                };
                path.push((place.chain, place.rule.unwrap_or(0)));
                let inner = self.chain(place.table, next, path);
                path.pop();
                left.ended |= inner.ended;
                if matches!(v, Verdict::Goto(_)) {
                    left.out |= inner.out;
                    self.sure = false;
                    yes
                } else {
                    self.sure = here && !inner.ended;
                    yes && !inner.out
                }
            }
        }
    }

    /// The destination changes; true: to another machine.
    fn nat(&mut self, to: Option<(IpAddr, IpAddr)>, port: Port, truth: Truth, place: &Place) -> bool {
        let old = self.packet.dport;
        let new = match port {
            Port::Same => old,
            Port::Is(n) => (n.into(), n.into()),
            Port::Unknown => (0, 65535),
        };
        self.packet.dport = if truth == Truth::Yes { new } else { (old.0.min(new.0), old.1.max(new.1)) };
        if new != old && self.leg == Leg::First {
            self.ways.turned = Some(place.clone());
        }
        if truth == Truth::Yes {
            self.packet.states.push("dnat");
        }
        if let Some((a, b)) = to {
            let ours =
                a == b && (self.q.own.iter().any(|(_, own)| *own == a) || self.q.to == Some(a) || a.is_loopback());
            if ours {
                self.packet.to = (number(a), number(b));
            } else {
                let here = self.sure;
                self.sure &= truth == Truth::Yes;
                let (a, b) = (number(a), number(b));
                let port = if new.0 == new.1 { format!(" port {}", new.0) } else { String::new() };
                self.end(End::Elsewhere(format!("{}{port}", address(a.min(b), self.q.v6))), place.clone());
                self.sure = here;
                return true;
            }
        }
        false
    }
}
