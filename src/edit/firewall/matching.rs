//! Whether a packet is what a rule asks for: yes, no, or that it depends on what is not known.

use std::borrow::Cow;

use super::model::{Element, Field, Item, Key, Ruleset, Table, Test, Values};

/// What is known of a yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    No,
    Maybe,
    Yes,
}

impl Truth {
    fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Maybe => Self::Maybe,
            Self::Yes => Self::No,
        }
    }
}

/// What a yes or no depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Who the client is.
    Client,
    /// The client's own port.
    ClientPort,
    /// Which of the host's addresses it is.
    Server,
    /// Where the packet comes in.
    Interface,
    /// How much came before.
    Rate(String),
    /// What is not understood.
    Opaque(String),
}

/// A name that may not be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    Is(String),
    Unknown,
    /// There is none: no incoming device of what the host itself sends.
    None,
}

/// A packet; intervals stand for what is not known exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    pub v6: bool,
    pub from: (u128, u128),
    pub to: (u128, u128),
    pub sport: (u128, u128),
    pub dport: (u128, u128),
    pub iif: Name,
    pub oif: Name,
    /// Of the connection: new, established, untracked, invalid; and dnat where its destination was changed.
    pub states: Vec<&'static str>,
    pub reply: bool,
    pub flags: u128,
    pub mark: Option<u128>,
    pub conn_mark: Option<u128>,
}

/// What is seen of a packet.
enum Seen<'a> {
    Span(u128, u128),
    Names(Vec<Cow<'a, str>>),
    Unknown,
}

impl Packet {
    fn seen(&self, f: Field) -> Seen<'_> {
        let span = |(low, high): (u128, u128)| Seen::Span(low, high);
        let one = |n: u128| Seen::Span(n, n);
        let name = |n: &'static str| Seen::Names(vec![n.into()]);
        let device = |n: &'_ Name| match n {
            Name::Is(n) => Seen::Names(vec![n.clone().into()]),
            Name::Unknown => Seen::Unknown,
            Name::None => Seen::Names(Vec::new()),
        };
        let number = |n: Option<u128>| n.map_or(Seen::Unknown, one);
        let dnat = || self.states.contains(&"dnat");
        let seen = match f.key {
            Key::Version => one(if self.v6 { 6 } else { 4 }),
            Key::Protocol | Key::Protocol4 | Key::Protocol6 => one(6),
            Key::From4 | Key::From6 => span(self.from),
            Key::To4 | Key::To6 => span(self.to),
            Key::Sport => span(self.sport),
            Key::Dport => span(self.dport),
            Key::Iif => device(&self.iif),
            Key::Oif => device(&self.oif),
            Key::State => Seen::Names(self.states.iter().map(|s| (*s).into()).collect()),
            Key::Status => Seen::Names(if dnat() { vec!["dnat".into()] } else { Vec::new() }),
            Key::Direction => name(if self.reply { "reply" } else { "original" }),
            Key::Mark => number(self.mark),
            Key::ConnMark => number(self.conn_mark),
            Key::Flags => one(self.flags),
            Key::Fragment => one(0),
            Key::FromType => name(if self.reply { "local" } else { "unicast" }),
            Key::ToType => name(if self.reply { "unicast" } else { "local" }),
            Key::PacketType => name("host"),
        };
        match (seen, f.mask) {
            (Seen::Span(low, high), Some(mask)) if low == high => one(low & mask),
            (Seen::Span(..), Some(_)) => Seen::Unknown,
            (seen, _) => seen,
        }
    }

    /// Whether a test holds; what it depends on is added to `whys`.
    pub fn asks(&self, rules: &Ruleset, table: &Table, test: &Test, usual: bool, whys: &mut Vec<Why>) -> Truth {
        match test {
            Test::Always => Truth::Yes,
            Test::Never => Truth::No,
            Test::Rate { usually, .. } if usual => {
                if *usually {
                    Truth::Yes
                } else {
                    Truth::No
                }
            }
            Test::Rate { text, .. } => maybe(whys, Why::Rate(text.clone())),
            Test::Opaque(text) => maybe(whys, Why::Opaque(text.clone())),
            Test::Within { fields, values, negated } => {
                if self.foreign(fields) {
                    return Truth::No;
                }
                let found = match self.resolve(rules, table, fields, values) {
                    Some((fields, elements)) => self.within(&fields, &elements, whys),
                    None => return maybe(whys, Why::Opaque(format!("the set {}", set_name(values)))),
                };
                if *negated { found.not() } else { found }
            }
        }
    }

    /// Whether the fields are of another version of IP: then a rule is about other packets, negated or not.
    pub fn foreign(&self, fields: &[Field]) -> bool {
        let ours = if self.v6 { 6 } else { 4 };
        fields.iter().any(|f| f.key.version().is_some_and(|v| v != ours))
    }

    /// The elements, and the fields that they are of; none where they are not known.
    pub fn resolve<'a>(
        &self,
        rules: &'a Ruleset,
        table: &'a Table,
        fields: &[Field],
        values: &'a Values,
    ) -> Option<(Vec<Field>, Cow<'a, [Element]>)> {
        match values {
            Values::List(l) => Some((fields.to_vec(), Cow::Borrowed(l.as_slice()))),
            Values::Named(name) => {
                let set = table.sets.iter().find(|s| s.name == *name).filter(|s| !s.opaque)?;
                Some((fields.to_vec(), Cow::Borrowed(set.elements.as_slice())))
            }
            Values::Ipset(name) => {
                let set = rules.ipsets.as_ref()?.iter().find(|s| s.set.name == *name).filter(|s| !s.set.opaque)?;
                let addresses = set.parts.iter().any(|p| p == "ip" || p == "net");
                if addresses && set.v6 != self.v6 {
                    return Some((Vec::new(), Cow::Owned(Vec::new())));
                }
                // The rule says for each part whose it is; more of them than the set has are not looked at.
                let source = |f: &Field| f.key == Key::From4;
                let keys: Option<Vec<Field>> = set
                    .parts
                    .iter()
                    .zip(fields)
                    .map(|(part, f)| super::ipset::key(part, source(f), self.v6).map(Field::from))
                    .collect();
                let keys = keys.filter(|k| k.len() == set.parts.len())?;
                Some((keys, Cow::Borrowed(set.set.elements.as_slice())))
            }
        }
    }

    /// Whether one of the elements is what the packet is.
    fn within(&self, fields: &[Field], elements: &[Element], whys: &mut Vec<Why>) -> Truth {
        let mut reasons = Vec::new();
        let mut found = Truth::No;
        for e in elements.iter().filter(|e| !e.but) {
            found = found.max(self.is(fields, e, &mut reasons));
            if found == Truth::Yes {
                break;
            }
        }
        if found == Truth::Maybe
            && let [f] = fields
            && let Seen::Span(low, high) = self.seen(*f)
            && covered(low, high, elements)
        {
            found = Truth::Yes;
        }
        let mut excepted = Truth::No;
        for e in elements.iter().filter(|e| e.but) {
            excepted = excepted.max(self.is(fields, e, &mut reasons));
        }
        found = found.min(excepted.not());
        if found == Truth::Maybe {
            whys.extend(reasons);
        }
        found
    }

    /// Whether an element is what the packet is.
    pub fn is(&self, fields: &[Field], e: &Element, whys: &mut Vec<Why>) -> Truth {
        if fields.len() != e.items.len() {
            return maybe(whys, Why::Opaque("an element of a set".into()));
        }
        let mut reasons = Vec::new();
        let mut all = Truth::Yes;
        for (f, item) in fields.iter().zip(&e.items) {
            let one = self.one(*f, item);
            if one == Truth::Maybe {
                reasons.push(reason(*f, item));
            }
            all = all.min(one);
        }
        if all == Truth::Maybe {
            whys.extend(reasons);
        }
        all
    }

    fn one(&self, f: Field, item: &Item) -> Truth {
        let seen = self.seen(f);
        let span = |low: u128, high: u128| match seen {
            Seen::Span(a, b) if low <= a && b <= high => Truth::Yes,
            Seen::Span(a, b) if b < low || high < a => Truth::No,
            // Nobody comes from an address that no packet may come from.
            Seen::Span(a, b) if a != b && matches!(f.key, Key::From4 | Key::From6) && nobody(low, high, self.v6) => {
                Truth::No
            }
            _ => Truth::Maybe,
        };
        match item {
            Item::Any => Truth::Yes,
            Item::Opaque => Truth::Maybe,
            Item::Span(low, high) => span(*low, *high),
            Item::Name(name) => match (&seen, f.key.number_of(name)) {
                (Seen::Span(..), Some(n)) => span(n, n),
                (Seen::Names(names), _) => {
                    let fits = |n: &Cow<'_, str>| match name.strip_suffix('*') {
                        Some(start) if matches!(f.key, Key::Iif | Key::Oif) => n.starts_with(start),
                        _ => n == name,
                    };
                    if names.iter().any(fits) { Truth::Yes } else { Truth::No }
                }
                // Whatever a client comes in by, it is not the host's own loopback.
                (Seen::Unknown, _) if name == "lo" && matches!(f.key, Key::Iif | Key::Oif) => Truth::No,
                _ => Truth::Maybe,
            },
        }
    }
}

fn set_name(values: &Values) -> &str {
    match values {
        Values::Named(n) | Values::Ipset(n) => n,
        Values::List(_) => "of a rule",
    }
}

fn maybe(whys: &mut Vec<Why>, why: Why) -> Truth {
    whys.push(why);
    Truth::Maybe
}

fn reason(f: Field, item: &Item) -> Why {
    match (item, f.key) {
        (Item::Opaque, _) => Why::Opaque("a value".into()),
        (_, Key::From4 | Key::From6) => Why::Client,
        (_, Key::To4 | Key::To6) => Why::Server,
        (_, Key::Sport) => Why::ClientPort,
        (_, Key::Iif | Key::Oif) => Why::Interface,
        (_, Key::Mark | Key::ConnMark) => Why::Opaque("a mark".into()),
        (_, key) => Why::Opaque(format!("{key:?}").to_lowercase()),
    }
}

/// Loopback, "this host", multicast: no client's address.
fn nobody(low: u128, high: u128, v6: bool) -> bool {
    let within = |a: u128, b: u128| a <= low && high <= b;
    if v6 {
        within(0, 1) || within(0xff << 120, u128::MAX)
    } else {
        within(0, 0x00ff_ffff) || within(0x7f00_0000, 0x7fff_ffff) || within(0xe000_0000, 0xffff_ffff)
    }
}

/// Whether the elements together hold all of an interval.
fn covered(low: u128, high: u128, elements: &[Element]) -> bool {
    let mut spans: Vec<(u128, u128)> = elements
        .iter()
        .filter(|e| !e.but)
        .filter_map(|e| match e.items.as_slice() {
            [Item::Span(a, b)] => Some((*a, *b)),
            _ => None,
        })
        .collect();
    spans.sort_unstable();
    let mut next = low;
    for (a, b) in spans {
        if a > next {
            return false;
        }
        if b >= high {
            return true;
        }
        next = next.max(b.saturating_add(1));
    }
    false
}
