//! Values: what sshd would say about one, and when two mean the same.
//!
//! Source: the cases of `process_server_config_line_depth` (servconf.c), `convtime`, `a2port` and `hpdelim` (misc.c).
//! What depends on how sshd was built (algorithms), on users or on files is taken as it is.

use super::keywords::{Keyword, Type};

const LEVELS: &[&str] = &["QUIET", "FATAL", "ERROR", "INFO", "VERBOSE", "DEBUG", "DEBUG1", "DEBUG2", "DEBUG3"];
const FACILITIES: &[&str] = &[
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

fn integer(text: &str) -> Option<i64> {
    text.parse::<i32>().ok().map(i64::from).filter(|number| *number >= 0)
}

fn among(words: &[&str], text: &str) -> bool {
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

/// What sshd says about these arguments, without file and line; nothing if it takes them. `spelled` is the keyword as
/// it stands in the line. A `Text` or `Command` is one argument, the whole rest.
pub fn complaint(keyword: &Keyword, spelled: &str, args: &[String]) -> Option<String> {
    let first = args.first().map(String::as_str).unwrap_or_default();
    let missing = first.is_empty();
    let named = || Some(format!("{spelled} missing argument."));
    let says = |text: &str| Some(text.to_owned());
    let invalid = || Some(format!("Invalid {spelled} spec."));
    match keyword.value {
        Type::YesNo | Type::OneOf(_) if missing => return says("missing argument."),
        Type::OneOf(words) if keyword.name == "FingerprintHash" && !among(words, first) => {
            return Some(format!("Invalid {spelled} algorithm \"{first}\"."));
        }
        Type::YesNo | Type::OneOf(_) if !among(words_of(keyword.value), first) => {
            return Some(format!("unsupported option \"{first}\"."));
        }
        Type::Exactly(_) if missing => return named(),
        Type::Exactly(words) if !words.contains(&first) => {
            return Some(format!("bad {spelled} argument {first}"));
        }
        Type::Integer | Type::Limit if keyword.value == Type::Limit && missing => return named(),
        Type::Limit if first == "none" => {}
        Type::Integer | Type::Limit if integer(first).is_none() => {
            let why = if missing { "missing" } else { "invalid" };
            return Some(format!("{spelled} integer value {why}."));
        }
        Type::TimeOrNone if first.eq_ignore_ascii_case("none") => {}
        Type::Time | Type::TimeOrNone if missing => return says("missing time value."),
        Type::Time | Type::TimeOrNone if seconds(first).is_none() => return says("invalid time value."),
        Type::Port if missing => return says("missing port number."),
        Type::Port if port(first).is_none() => return says("Badly formatted port number."),
        Type::Address if missing => return says("missing address"),
        Type::Address => match (address(first), args) {
            (None, _) => return says("bad port number"),
            (_, [_] | [_, _, _]) if args.get(1).is_none_or(|word| word == "rdomain") => return None,
            _ => return says("bad ListenAddress syntax"),
        },
        Type::File if missing && matches!(keyword.name, "ChrootDirectory" | "AuthorizedPrincipalsFile") => {
            return named();
        }
        Type::File if missing => return says("missing file name."),
        Type::Word if missing => return named(),
        Type::Algorithms if missing => return named(),
        Type::Text if missing => return named(),
        Type::Command if !first.starts_with('/') && !first.eq_ignore_ascii_case("none") => {
            return Some(format!("{spelled} must be an absolute path"));
        }
        Type::Names if args.iter().any(|word| word.is_empty() || word.contains('=')) => {
            return says("Invalid environment name.");
        }
        Type::Variables if args.iter().any(|word| !word.contains('=')) => return says("Invalid environment."),
        Type::LogLevel if !among(LEVELS, first) => {
            return Some(format!("unsupported log level '{}'", if missing { "<NONE>" } else { first }));
        }
        Type::Facility if !among(FACILITIES, first) => {
            return Some(format!("unsupported log facility '{}'", if missing { "<NONE>" } else { first }));
        }
        Type::Startups | Type::Blocks | Type::Octal | Type::Rekey | Type::Places if missing => return named(),
        Type::Startups if !startups(first) => return invalid(),
        Type::Blocks if !blocks(first) => return invalid(),
        Type::Octal if i64::from_str_radix(first, 8).is_ok_and(|mode| (0..=0o777).contains(&mode)) => {}
        Type::Octal => return Some(format!("Invalid {spelled}.")),
        Type::Rekey => match args {
            [_] => return None,
            [_, time] if time == "none" || seconds(time).is_some() => return None,
            [_, _] => return says("invalid time value."),
            _ => {}
        },
        Type::Subsystem if missing => return named(),
        Type::Subsystem if args.len() < 2 => return says("Missing subsystem command."),
        Type::Timeouts => {
            let fits = |word: &String| {
                word.split_once('=').is_some_and(|(name, time)| !name.is_empty() && seconds(time).is_some())
            };
            let bad = args.iter().find(|word| !fits(word) && !word.eq_ignore_ascii_case("none"));
            return bad.map(|word| format!("invalid channel timeout {word}"));
        }
        Type::KeyOptions => {
            let known = ["none", "touch-required", "verify-required"];
            let bad = args.iter().find(|word| !among(&known, word));
            return bad.map(|word| format!("unsupported {spelled} option {word}"));
        }
        _ => {}
    }
    let most = match keyword.value {
        Type::Rekey => 2,
        Type::Words | Type::Names | Type::Variables | Type::Subsystem | Type::Places | Type::Text | Type::Criteria => {
            usize::MAX
        }
        _ => 1,
    };
    (args.len() > most).then(|| format!("keyword {spelled} extra arguments at end of line"))
}

fn startups(text: &str) -> bool {
    let numbers: Vec<Option<i64>> = text.split(':').map(integer).collect();
    match numbers[..] {
        [Some(start)] => start > 0,
        [Some(start), Some(rate), Some(full)] => start > 0 && start <= full && (1..=100).contains(&rate),
        _ => false,
    }
}

fn blocks(text: &str) -> bool {
    let numbers: Vec<Option<i64>> = text.split(':').map(integer).collect();
    match numbers[..] {
        [Some(four)] => four <= 32,
        [Some(four), Some(six)] => four <= 32 && six <= 128,
        _ => false,
    }
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
    fn in_the_words_of_sshd() {
        for (keyword, text, says) in [
            ("Port", "99999", "Badly formatted port number."),
            ("UseDNS", "True", "unsupported option \"True\"."),
            ("UseDNS", "yes no", "keyword UseDNS extra arguments at end of line"),
            ("LogLevel", "FOO", "unsupported log level 'FOO'"),
            ("PermitTunnel", "YES", "bad PermitTunnel argument YES"),
            ("Subsystem", "sftp", "Missing subsystem command."),
            ("MaxAuthTries", "x", "MaxAuthTries integer value invalid."),
            ("StreamLocalBindMask", "9", "Invalid StreamLocalBindMask."),
            ("ListenAddress", "1.2.3.4 foo", "bad ListenAddress syntax"),
            ("ListenAddress", "1.2.3.4:0", "bad port number"),
            ("AuthorizedKeysCommand", "x", "AuthorizedKeysCommand must be an absolute path"),
        ] {
            assert_eq!(complaint(find(keyword).unwrap(), keyword, &args(text)).as_deref(), Some(says));
        }
        for (keyword, text) in
            [("Port", "22"), ("UseDNS", "YES"), ("RekeyLimit", "1G 1h"), ("ListenAddress", "::1"), ("IPQoS", "ef cs1")]
        {
            assert_eq!(complaint(find(keyword).unwrap(), keyword, &args(text)), None, "{keyword}");
        }
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
