//! Values: how they are read, and when two mean the same.
//!
//! Source: `convtime`, `a2port` and `hpdelim` (misc.c), and the tables of words of servconf.c and log.c.

use super::keywords::{Keyword, Type};

pub const LEVELS: &[&str] = &["QUIET", "FATAL", "ERROR", "INFO", "VERBOSE", "DEBUG", "DEBUG1", "DEBUG2", "DEBUG3"];
pub const FACILITIES: &[&str] = &[
    "DAEMON", "USER", "AUTH", "AUTHPRIV", "LOCAL0", "LOCAL1", "LOCAL2", "LOCAL3", "LOCAL4", "LOCAL5", "LOCAL6",
    "LOCAL7",
];

/// Seconds of a time such as `90`, `1m30` or `2h`.
pub fn seconds(text: &str) -> Option<i64> {
    let mut total: i64 = 0;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, tail) = rest.split_at(end);
        let mut units = tail.chars();
        let unit = match units.next().map(|unit| unit.to_ascii_lowercase()) {
            None | Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86400,
            Some('w') => 604_800,
            Some(_) => return None,
        };
        total = total.checked_add(digits.parse::<i64>().ok()?.checked_mul(unit)?)?;
        rest = units.as_str();
    }
    (total <= i64::from(i32::MAX)).then_some(total)
}

/// A port number, 1 to 65535.
pub fn port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0)
}

/// `HOST`, `HOST:PORT`, `[HOST]:PORT` or a bare IPv6 address: the host without brackets, and the port.
pub fn address(text: &str) -> Option<(String, Option<u16>)> {
    if !text.contains('[') && text.matches(':').count() > 1 {
        return Some((text.to_ascii_lowercase(), None));
    }
    let (host, rest) = match text.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let number = match rest {
        "" => None,
        _ => Some(port(rest.strip_prefix(':')?)?),
    };
    (!host.is_empty()).then(|| (host.to_ascii_lowercase(), number))
}

pub fn integer(text: &str) -> Option<i64> {
    text.parse::<i32>().ok().map(i64::from).filter(|number| *number >= 0)
}

pub fn among(words: &[&str], text: &str) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// The words that are allowed, where they are few.
pub fn words_of(value: Type) -> &'static [&'static str] {
    match value {
        Type::YesNo => &["yes", "no"],
        Type::OneOf(words) | Type::Exactly(words) => words,
        Type::LogLevel => LEVELS,
        Type::Facility => FACILITIES,
        _ => &[],
    }
}

/// Whether `none` turns a keyword off (sshd_config(5)).
pub fn takes_none(keyword: &Keyword) -> bool {
    let limits =
        matches!(keyword.value, Type::Limit | Type::TimeOrNone | Type::Command | Type::Places | Type::Timeouts);
    const NAMES: &[&str] = &[
        "Banner",
        "AuthorizedKeysFile",
        "AuthorizedPrincipalsFile",
        "ChrootDirectory",
        "ForceCommand",
        "PidFile",
        "RevokedKeys",
        "TrustedUserCAKeys",
        "VersionAddendum",
    ];
    limits || NAMES.contains(&keyword.name)
}

/// The arguments in the one form that all spellings of the same meaning share.
pub fn meaning(keyword: &Keyword, args: &[String]) -> Vec<String> {
    let first = args.first().map(String::as_str).unwrap_or_default();
    let one = |text: String| vec![text];
    let lower = first.to_ascii_lowercase();
    match keyword.value {
        Type::YesNo | Type::LogLevel | Type::Facility => one(if lower == "debug" { "debug1".into() } else { lower }),
        Type::OneOf(_) => one(match (keyword.name, lower.as_str()) {
            ("PermitRootLogin", "without-password") => "prohibit-password".into(),
            ("AllowTcpForwarding" | "AllowStreamLocalForwarding", "all") => "yes".into(),
            ("Compression", "delayed") => "yes".into(),
            _ => lower,
        }),
        Type::Integer | Type::Limit => one(integer(first).map_or(lower, |number| number.to_string())),
        Type::Time => one(seconds(first).map_or(lower, |number| number.to_string())),
        Type::TimeOrNone if lower == "none" => one("0".into()),
        Type::TimeOrNone => one(seconds(first).map_or(lower, |number| number.to_string())),
        Type::Port => one(port(first).map_or(lower, |number| number.to_string())),
        Type::Address => {
            let Some((host, port)) = address(first) else { return args.to_vec() };
            let place = port.map_or(host.clone(), |port| format!("[{host}]:{port}"));
            std::iter::once(place).chain(args.iter().skip(1).cloned()).collect()
        }
        Type::Octal => one(i64::from_str_radix(first, 8).map_or(lower, |mode| format!("{mode:o}"))),
        Type::Words if keyword.name == "IPQoS" => {
            let last = args.last().map(|word| word.to_ascii_lowercase()).unwrap_or_default();
            vec![lower, last]
        }
        _ => args.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::keywords::find;
    use super::*;

    fn args(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn times_ports_addresses() {
        assert_eq!(seconds("1m30"), Some(90));
        assert_eq!(seconds("1w2d3h4m5s"), Some(788_645));
        assert_eq!([seconds(""), seconds("x"), seconds("5x"), seconds("99999999999")], [None; 4]);
        assert_eq!([port("22"), port("0"), port("65536"), port("+1")], [Some(22), None, None, None]);
        assert_eq!(address("[::1]:22"), Some(("::1".into(), Some(22))));
        assert_eq!(address("::1"), Some(("::1".into(), None)));
        assert_eq!(address("0.0.0.0:2222"), Some(("0.0.0.0".into(), Some(2222))));
        assert_eq!(address("host:x"), None);
    }

    #[test]
    fn what_means_the_same() {
        for (keyword, a, b) in [
            ("LoginGraceTime", "2m", "120"),
            ("PermitRootLogin", "Without-Password", "prohibit-password"),
            ("ListenAddress", "[::1]", "::1"),
            ("LogLevel", "debug", "DEBUG1"),
            ("IPQoS", "ef", "ef ef"),
        ] {
            let keyword = find(keyword).unwrap();
            assert_eq!(meaning(keyword, &args(a)), meaning(keyword, &args(b)));
        }
    }
}
