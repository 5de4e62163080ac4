//! Addresses and nets as libwrap reads them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 address of four parts, as inet_addr(3) takes them: `0x` is hexadecimal, a leading 0 octal.
/// 255.255.255.255 is none: inet_addr(3) says so in place of an error.
pub fn dotted(text: &[u8]) -> Option<Ipv4Addr> {
    let text = std::str::from_utf8(text).ok()?;
    let part = |p: &str| {
        let (digits, radix) = match p.strip_prefix("0x").or_else(|| p.strip_prefix("0X")) {
            Some(hex) => (hex, 16),
            None if p.starts_with('0') && p.len() > 1 => (&p[1..], 8),
            None => (p, 10),
        };
        let plain = digits.starts_with(|c: char| c.is_ascii_hexdigit());
        u8::from_str_radix(digits, radix).ok().filter(|_| plain)
    };
    let parts: Vec<u8> = text.split('.').map(part).collect::<Option<_>>()?;
    let four: [u8; 4] = parts.try_into().ok()?;
    Some(Ipv4Addr::from(four)).filter(|a| !a.is_broadcast())
}

/// atoi(3): blanks, a sign, and as many digits as there are.
pub fn number(text: &[u8]) -> i64 {
    let text: &[u8] = text.trim_ascii_start();
    let (sign, digits) = match text.split_first() {
        Some((b'-', rest)) => (-1, rest),
        Some((b'+', rest)) => (1, rest),
        _ => (1, text),
    };
    let digits = digits.iter().take_while(|b| b.is_ascii_digit());
    sign * digits.fold(0i64, |n, b| n.saturating_mul(10).saturating_add(i64::from(b - b'0')))
}

/// What stands between brackets, as an IPv6 address; its zone does not count.
pub fn bracketed(token: &[u8]) -> Option<Ipv6Addr> {
    let inner = token.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let address = inner.split(|b| *b == b'%').next()?;
    std::str::from_utf8(address).ok()?.parse().ok()
}

/// A net and its mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Net {
    /// The address and the mask.
    V4(u32, u32),
    /// The address and the length of its prefix.
    V6(u128, u32),
}

impl Net {
    /// `net/mask`, `net/length` or `[net]/length`; none if it matches nobody.
    pub fn parse(net: &[u8], mask: &[u8]) -> Option<Self> {
        if let Some(net) = bracketed(net) {
            let length = u32::try_from(number(mask)).ok().filter(|n| *n <= 128)?;
            return Some(Net::V6(net.to_bits(), length));
        }
        let net = dotted(net)?.to_bits();
        let mask = match dotted(mask) {
            Some(mask) => mask.to_bits(),
            None => match number(mask) {
                n @ 1..=32 => u32::MAX << (32 - n),
                _ => return None,
            },
        };
        (net & mask == net).then_some(Net::V4(net, mask))
    }
    pub fn holds(self, address: IpAddr) -> bool {
        match (self, address) {
            (Net::V4(net, mask), IpAddr::V4(a)) => a.to_bits() & mask == net,
            (Net::V6(net, length), IpAddr::V6(a)) => length == 0 || (a.to_bits() ^ net) >> (128 - length.min(128)) == 0,
            _ => false,
        }
    }
}

/// An address as the kernel and getnameinfo(3) give it to libwrap: IPv4 that came by an IPv6 socket is IPv4.
pub fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(a) => a.to_ipv4_mapped().map_or(address, IpAddr::V4),
        v4 => v4,
    }
}
