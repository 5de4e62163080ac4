//! One model for what nftables and both kinds of iptables hold.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which packets a table sees, as nft(8) names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// Both.
    Inet,
    /// A device, before both.
    Netdev,
    /// Others: ARP, and what a bridge passes on; no packet to the host itself is theirs.
    Other,
}

impl Family {
    /// nft's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Inet => "inet",
            Self::Netdev => "netdev",
            Self::Other => "other",
        }
    }
    /// Whether packets of IPv6 (or IPv4) pass through.
    #[must_use]
    pub fn sees(self, v6: bool) -> bool {
        match self {
            Self::Ip => !v6,
            Self::Ip6 => v6,
            Self::Inet | Self::Netdev => true,
            Self::Other => false,
        }
    }
}

/// What manages a table in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// nft(8) itself.
    Nft,
    /// iptables or ip6tables on top of nf_tables.
    IptablesNft,
    /// iptables or ip6tables as they were before.
    IptablesLegacy,
}

/// All that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// In no order.
    pub tables: Vec<Table>,
    /// Sets of ipset(8), which iptables' rules name; `None`: they could not be read.
    pub ipsets: Option<Vec<Ipset>>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub family: Family,
    pub name: String,
    pub backend: Backend,
    /// The program that printed it, for iptables: `iptables-legacy`.
    pub program: String,
    pub chains: Vec<Chain>,
    pub sets: Vec<Set>,
    /// It has no effect while it is (nft's `flags dormant`).
    pub dormant: bool,
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    pub name: String,
    /// Where the kernel enters it; none for a user's chain.
    pub base: Option<Base>,
    pub rules: Vec<Rule>,
}

/// What makes a chain a base chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    pub hook: Hook,
    pub priority: i64,
    pub nat: bool,
    /// What becomes of those that come to its end.
    pub drops: bool,
    /// The devices that it is for (netdev).
    pub devices: Vec<String>,
}

/// A place in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    Ingress,
    Prerouting,
    Input,
    Output,
    Postrouting,
    /// Forwarded packets, and what is later than all rules of interest.
    Other,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// As it was printed, on one line.
    pub text: String,
    /// nft's handle.
    pub handle: Option<u64>,
    /// The line that it stands on, from 0, in an iptables-save text.
    pub line: usize,
    /// What it does, in this order: as soon as a test fails, the next rule is looked at.
    pub parts: Vec<Part>,
}

/// A part of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Test(Test),
    Verdict(Verdict),
    /// A map from what a packet is to a verdict.
    Map(Vec<Field>, Values),
    /// The packet's mark becomes this, or what is not known.
    Mark(Option<u128>),
    /// From here on the connection's mark is not known.
    ConnMark,
    /// It is no part of a connection.
    Notrack,
    /// Its destination becomes another.
    Nat {
        to: Option<(IpAddr, IpAddr)>,
        port: Port,
    },
    /// What is not understood, and may do anything with the packet.
    Opaque(String),
}

/// The port after a nat rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    Same,
    Is(u16),
    /// It depends.
    Unknown,
}

/// What a rule says of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The packet is through with this base chain.
    Accept,
    Drop,
    /// With what it answers, as nft(8) and iptables-extensions(8) name it.
    Reject(String),
    Jump(String),
    Goto(String),
    Return,
    /// The next rule.
    Continue,
    /// A program decides.
    Queue,
}

/// What a rule asks of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// What these fields are is among these values, or is not.
    Within {
        fields: Vec<Field>,
        values: Values,
        negated: bool,
    },
    Never,
    Always,
    /// It depends on how much came before; most often it says this.
    Rate {
        usually: bool,
        text: String,
    },
    /// It is not understood.
    Opaque(String),
}

/// What is asked of a packet, and under which mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    pub key: Key,
    pub mask: Option<u128>,
}

impl From<Key> for Field {
    fn from(key: Key) -> Self {
        Self { key, mask: None }
    }
}

/// A property of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// 4 or 6.
    Version,
    /// Of IP: 6 is TCP.
    Protocol,
    /// The same, of a packet of IPv4 or IPv6 alone.
    Protocol4,
    Protocol6,
    /// Source address: IPv4.
    From4,
    /// … and of IPv6.
    From6,
    To4,
    To6,
    Sport,
    Dport,
    /// Names.
    Iif,
    Oif,
    /// Names: new, established, related, invalid, untracked, dnat, snat.
    State,
    /// Names: dnat, snat; empty before any.
    Status,
    /// Names: original, reply.
    Direction,
    Mark,
    ConnMark,
    /// Bits: fin 1, syn 2, rst 4, psh 8, ack 16, urg 32, ecn 64, cwr 128.
    Flags,
    /// Of IPv4, without "don't fragment".
    Fragment,
    /// Names: local, unicast, broadcast, multicast.
    FromType,
    ToType,
    /// Names: host, broadcast, multicast.
    PacketType,
}

/// The values that a test compares with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    List(Vec<Element>),
    /// A set of the same table.
    Named(String),
    /// A set of ipset(8).
    Ipset(String),
}

/// One value for each field, and for maps what it maps to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    pub items: Vec<Item>,
    pub verdict: Option<Verdict>,
    /// Of an ipset: what matches this does not match the set.
    pub but: bool,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A closed interval of numbers or addresses.
    Span(u128, u128),
    /// A name; with `*` at its end, a beginning.
    Name(String),
    /// Whatever there is.
    Any,
    /// What is not understood.
    Opaque,
}

/// A named set or map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    pub name: String,
    pub elements: Vec<Element>,
    /// What it holds is not understood.
    pub opaque: bool,
}

/// A set of ipset(8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ipset {
    pub set: Set,
    /// What each part of an element is, as its type says after the colon: `ip`, `net`, `port`, `iface` …
    pub parts: Vec<String>,
    pub v6: bool,
    /// Too long to be read whole: its first element, as ipset writes it.
    pub long: Option<String>,
}

impl Element {
    /// Of one value.
    #[must_use]
    pub fn one(item: Item) -> Self {
        Self { items: vec![item], verdict: None, but: false }
    }
}

impl Item {
    /// One number.
    #[must_use]
    pub fn number(n: u128) -> Self {
        Self::Span(n, n)
    }
    /// An address, a network `ADDRESS/LENGTH` or `ADDRESS/MASK`, or a range `ADDRESS-ADDRESS`; with whether it is IPv6.
    #[must_use]
    pub fn address(text: &str) -> Option<(Self, bool)> {
        if let Some((low, high)) = text.split_once('-') {
            let (low, high): (IpAddr, IpAddr) = (low.parse().ok()?, high.parse().ok()?);
            return (low.is_ipv6() == high.is_ipv6()).then(|| (Self::Span(number(low), number(high)), low.is_ipv6()));
        }
        let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
        let address: IpAddr = address.parse().ok()?;
        let width: u32 = if address.is_ipv6() { 128 } else { 32 };
        let length = match length {
            None => width,
            Some(l) => match l.parse::<u32>() {
                Ok(n) => n,
                Err(_) => {
                    let mask: IpAddr = l.parse().ok()?;
                    let bits = number(mask) << (128 - width);
                    // A mask with holes is no interval.
                    (bits.leading_ones() == bits.count_ones()).then(|| bits.count_ones())?
                }
            },
        };
        if length > width {
            return None;
        }
        let rest = if length == 0 && width == 128 { u128::MAX } else { (1u128 << (width - length)) - 1 };
        let low = number(address) & !rest;
        Some((Self::Span(low, low | rest), width == 128))
    }
}

/// An address as a number.
#[must_use]
pub fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u128::from(u32::from(a)),
        IpAddr::V6(a) => u128::from(a),
    }
}

/// A number as an address.
#[must_use]
pub fn address(n: u128, v6: bool) -> IpAddr {
    if v6 { IpAddr::V6(Ipv6Addr::from(n)) } else { IpAddr::V4(Ipv4Addr::from(u32::try_from(n).unwrap_or(u32::MAX))) }
}

/// Protocols by their names, as rules have them.
const PROTOCOLS: &[(&str, u128)] = &[
    ("tcp", 6),
    ("udp", 17),
    ("icmp", 1),
    ("icmpv6", 58),
    ("ipv6-icmp", 58),
    ("sctp", 132),
    ("udplite", 136),
    ("dccp", 33),
    ("esp", 50),
    ("ah", 51),
    ("comp", 108),
    ("gre", 47),
    ("igmp", 2),
    ("ospf", 89),
    ("vrrp", 112),
];

impl Key {
    /// A name that stands for a number here; none where names are names, or it is not known.
    #[must_use]
    pub fn number_of(self, name: &str) -> Option<u128> {
        match self {
            Self::Protocol | Self::Protocol4 | Self::Protocol6 => {
                PROTOCOLS.iter().find(|(n, _)| *n == name).map(|(_, n)| *n)
            }
            Self::Version => match name {
                "ip" | "ipv4" => Some(4),
                "ip6" | "ipv6" => Some(6),
                _ => None,
            },
            _ => None,
        }
    }
    /// The one version of IP that has it.
    #[must_use]
    pub fn version(self) -> Option<u8> {
        match self {
            Self::From4 | Self::To4 | Self::Fragment | Self::Protocol4 => Some(4),
            Self::From6 | Self::To6 | Self::Protocol6 => Some(6),
            _ => None,
        }
    }
}

impl Table {
    /// A chain by its name.
    #[must_use]
    pub fn chain(&self, name: &str) -> Option<&Chain> {
        self.chains.iter().find(|c| c.name == name)
    }
}
