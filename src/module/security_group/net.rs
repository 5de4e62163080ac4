//! Addresses and networks as clouds write them: `203.0.113.7/32`, `2001:db8::/32`, an address alone.

use std::fmt;
use std::net::IpAddr;

/// A network; an address is one of its full length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Net {
    ip: IpAddr,
    length: u8,
}

impl Net {
    /// `ADDRESS` or `ADDRESS/LENGTH`; bits beyond the length count for nothing.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.trim().split_once('/').map_or((text.trim(), None), |(a, l)| (a, Some(l)));
        let ip = address.parse::<IpAddr>().ok()?.to_canonical();
        let most = if ip.is_ipv6() { 128 } else { 32 };
        let length = length.map_or(Some(most), |l| l.parse().ok()).filter(|l| *l <= most)?;
        Some(Self { ip, length }.masked())
    }
    /// Every address of it is one of ours.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.ip.is_ipv6() == other.ip.is_ipv6()
            && self.length <= other.length
            && Self { ip: other.ip, length: self.length }.masked().ip == self.ip
    }
    /// Some address is in both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.covers(other) || other.covers(self)
    }
    pub(super) fn is_ipv6(&self) -> bool {
        self.ip.is_ipv6()
    }
    /// All addresses of its family.
    pub(super) fn is_everybody(&self) -> bool {
        self.length == 0
    }
    /// Only reached from inside: RFC 1918, RFC 6598, RFC 4193, loopback and link-local.
    pub(super) fn is_private(&self) -> bool {
        const INSIDE: [&str; 9] = [
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "fc00::/7",
            "fe80::/10",
            "::1",
        ];
        INSIDE.iter().filter_map(|n| Self::parse(n)).any(|n| n.covers(self))
    }
    /// As a part of a name: letters, digits and `-`, neither first nor last.
    pub(super) fn slug(&self) -> String {
        let address = match self.ip {
            IpAddr::V4(a) => a.octets().map(|o| o.to_string()).join("-"),
            IpAddr::V6(a) => a.segments().map(|s| format!("{s:x}")).join("-"),
        };
        let whole = self.length == if self.ip.is_ipv6() { 128 } else { 32 };
        if whole { address } else { format!("{address}-net{}", self.length) }
    }

    fn masked(self) -> Self {
        let ip = match self.ip {
            IpAddr::V4(a) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.length)).unwrap_or(0);
                IpAddr::V4((u32::from(a) & mask).into())
            }
            IpAddr::V6(a) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.length)).unwrap_or(0);
                IpAddr::V6((u128::from(a) & mask).into())
            }
        };
        Self { ip, ..self }
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_what() {
        let n = |t: &str| Net::parse(t).unwrap();
        for (outer, inner, covers) in [
            ("203.0.113.0/24", "203.0.113.7", true),
            ("203.0.113.7/24", "203.0.113.255/32", true),
            ("203.0.113.0/25", "203.0.113.128", false),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::/64", "2001:db8::1:0:0:0:1", false),
            ("203.0.113.7", "203.0.113.0/24", false),
            ("1.2.3.4", "::ffff:1.2.3.4", true),
        ] {
            assert_eq!(n(outer).covers(&n(inner)), covers, "{outer} {inner}");
        }
        assert!(n("203.0.113.7").meets(&n("203.0.113.0/24")) && !n("203.0.113.7").meets(&n("203.0.112.0/24")));
        for bad in ["", "1.2.3", "1.2.3.4/33", "1.2.3.4/", "::1/129", "web1", "1.2.3.4/-1"] {
            assert_eq!(Net::parse(bad), None, "{bad}");
        }
        assert!(n("192.168.4.1").is_private() && n("fd00::1").is_private() && !n("8.8.8.8").is_private());
        assert!(n("::/0").is_everybody() && !n("10.0.0.0/8").is_everybody() && !n("0.0.0.0/0").is_private());
        assert_eq!(n("203.0.113.7").to_string(), "203.0.113.7/32");
        assert_eq!(n("2001:db8::7").slug(), "2001-db8-0-0-0-0-0-7");
        assert_eq!(n("10.1.0.0/16").slug(), "10-1-0-0-net16");
    }
}
