//! What sshd would say about a value.
//!
//! Source: the cases of `process_server_config_line_depth` (servconf.c); the messages were seen from sshd 9.2. What
//! depends on how sshd was built (algorithms), on users or on files is taken as it is.

use super::keywords::{Keyword, Type};
use super::value;

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
        Type::OneOf(words) if keyword.name == "FingerprintHash" && !value::among(words, first) => {
            return Some(format!("Invalid {spelled} algorithm \"{first}\"."));
        }
        Type::YesNo | Type::OneOf(_) if !value::among(value::words_of(keyword.value), first) => {
            return Some(format!("unsupported option \"{first}\"."));
        }
        Type::Exactly(_) if missing => return named(),
        Type::Exactly(words) if !words.contains(&first) => {
            return Some(format!("bad {spelled} argument {first}"));
        }
        Type::Integer | Type::Limit if keyword.value == Type::Limit && missing => return named(),
        Type::Limit if first == "none" => {}
        Type::Integer | Type::Limit if value::integer(first).is_none() => {
            let why = match first.parse::<i128>() {
                _ if missing => "missing",
                Ok(number) if number < 0 => "too small",
                Ok(_) => "too large",
                Err(_) => "invalid",
            };
            return Some(format!("{spelled} integer value {why}."));
        }
        Type::TimeOrNone if first.eq_ignore_ascii_case("none") => {}
        Type::Time | Type::TimeOrNone if missing => return says("missing time value."),
        Type::Time | Type::TimeOrNone if value::seconds(first).is_none() => return says("invalid time value."),
        Type::Port if missing => return says("missing port number."),
        Type::Port if value::port(first).is_none() => return says("Badly formatted port number."),
        Type::Address if missing => return says("missing address"),
        Type::Address => match (value::address(first), args) {
            (None, _) if first.starts_with('[') && !first.contains(']') => return says("bad address:port usage"),
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
        Type::LogLevel if !value::among(value::LEVELS, first) => {
            return Some(format!("unsupported log level '{}'", if missing { "<NONE>" } else { first }));
        }
        Type::Facility if !value::among(value::FACILITIES, first) => {
            return Some(format!("unsupported log facility '{}'", if missing { "<NONE>" } else { first }));
        }
        Type::Startups | Type::Blocks | Type::Octal | Type::Rekey | Type::Places if missing => return named(),
        Type::Startups if !startups(first) => return invalid(),
        Type::Blocks if !blocks(first) => return invalid(),
        Type::Octal if i64::from_str_radix(first, 8).is_ok_and(|mode| (0..=0o777).contains(&mode)) => {}
        Type::Octal => return Some(format!("Invalid {spelled}.")),
        Type::Rekey if bytes(first).is_none() => {
            return Some(format!("Bad {spelled} number '{first}': Invalid argument"));
        }
        Type::Rekey if bytes(first).is_some_and(|bytes| (1..16).contains(&bytes)) => {
            return Some(format!("{spelled} too small"));
        }
        Type::Places if args.iter().any(|word| !place(keyword, word)) => {
            return Some(format!("{spelled} bad port number"));
        }
        Type::Words if args.iter().any(String::is_empty) => match keyword.name {
            "AllowUsers" | "DenyUsers" => return Some(format!("invalid {spelled} pattern: \"\"")),
            "AllowGroups" | "DenyGroups" => return Some(format!("empty {spelled} pattern")),
            "AuthorizedKeysFile" | "LogVerbose" => return Some(format!("keyword {spelled} empty argument")),
            _ => {}
        },
        Type::Rekey => match args {
            [_] => return None,
            [_, time] if time == "none" || value::seconds(time).is_some() => return None,
            [_, _] => return says("invalid time value."),
            _ => {}
        },
        Type::Subsystem if missing => return named(),
        Type::Subsystem if args.len() < 2 => return says("Missing subsystem command."),
        Type::Timeouts => {
            let fits = |word: &String| {
                word.split_once('=').is_some_and(|(name, time)| !name.is_empty() && value::seconds(time).is_some())
            };
            let bad = args.iter().find(|word| !fits(word) && !word.eq_ignore_ascii_case("none"));
            return bad.map(|word| format!("invalid channel timeout {word}"));
        }
        Type::KeyOptions => {
            let known = ["none", "touch-required", "verify-required"];
            let bad = args.iter().find(|word| !value::among(&known, word));
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
    let numbers: Vec<Option<i64>> = text.split(':').map(value::integer).collect();
    match numbers[..] {
        [Some(start)] => start > 0,
        [Some(start), Some(rate), Some(full)] => start > 0 && start <= full && (1..=100).contains(&rate),
        _ => false,
    }
}

fn blocks(text: &str) -> bool {
    let numbers: Vec<Option<i64>> = text.split(':').map(value::integer).collect();
    match numbers[..] {
        [Some(four)] => four <= 32,
        [Some(four), Some(six)] => four <= 32 && six <= 128,
        _ => false,
    }
}

/// A number of bytes such as `16M`, or `default`, which is 0.
fn bytes(text: &str) -> Option<i64> {
    let number = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let unit = match text.get(number.len()..)?.to_ascii_lowercase().as_str() {
        _ if text == "default" => return Some(0),
        "" | "b" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        "e" => 60,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(1 << unit)
}

/// `HOST:PORT` with `*` for any port, and for PermitListen a port alone.
fn place(keyword: &Keyword, text: &str) -> bool {
    let is_port = |text: &str| text == "*" || value::port(text).is_some();
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let alone = host.is_empty() && keyword.name == "PermitListen" && !text.contains(':');
    matches!(text, "any" | "none") || is_port(port) && (alone || text.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::super::keywords::find;
    use super::*;

    fn args(text: &str) -> Vec<String> {
        text.split_whitespace().map(|word| word.replace("''", "")).collect()
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
            ("MaxAuthTries", "-1", "MaxAuthTries integer value too small."),
            ("X11DisplayOffset", "99999999999", "X11DisplayOffset integer value too large."),
            ("ListenAddress", "[::1", "bad address:port usage"),
            ("PermitOpen", "foo", "PermitOpen bad port number"),
            ("PermitListen", "x:y", "PermitListen bad port number"),
            ("RekeyLimit", "1", "RekeyLimit too small"),
            ("RekeyLimit", "x", "Bad RekeyLimit number 'x': Invalid argument"),
            ("AllowGroups", "''", "empty AllowGroups pattern"),
            ("AuthorizedKeysFile", "''", "keyword AuthorizedKeysFile empty argument"),
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
}
