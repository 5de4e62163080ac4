//! What the options of a rule come to (hosts_options(5), process_options() of options.c).

use super::lossy;
use super::pattern::split_at;

/// How a matching rule may end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The table that it stands in decides.
    Falls,
    /// `allow`
    Allow,
    /// `deny`
    Deny,
    /// `twist`: a command gets the connection.
    Twist,
    /// `aclexec`: a command's exit status decides whether the rule matches at all.
    Command,
    /// libwrap does not understand it, and denies.
    Bad(String),
}

/// Whether an option takes an argument.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Argument {
    None,
    May,
    Must,
}

/// The keywords, and whether each must be the last.
const TABLE: &[(&str, Argument, bool)] = &[
    ("user", Argument::Must, false),
    ("group", Argument::Must, false),
    ("umask", Argument::Must, false),
    ("linger", Argument::Must, false),
    ("keepalive", Argument::None, false),
    ("aclexec", Argument::Must, false),
    ("spawn", Argument::Must, false),
    ("twist", Argument::Must, true),
    ("rfc931", Argument::May, false),
    ("setenv", Argument::Must, false),
    ("nice", Argument::May, false),
    ("severity", Argument::Must, false),
    ("allow", Argument::None, true),
    ("deny", Argument::None, true),
    ("banners", Argument::Must, false),
];

const FACILITIES: &[&str] = &[
    "kern", "user", "mail", "daemon", "auth", "lpr", "news", "uucp", "cron", "local0", "local1", "local2", "local3",
    "local4", "local5", "local6", "local7",
];
const SEVERITIES: &[&str] = &["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

/// What the text after the second colon may come to: more than one where it depends on the host.
pub fn effects(options: &Option<Vec<u8>>) -> Vec<Effect> {
    let fields = options.as_deref().map(fields).unwrap_or_default();
    let (mut out, mut command) = (Vec::new(), false);
    for (at, field) in fields.iter().enumerate() {
        let (key, value) = halves(field);
        let last = at + 1 == fields.len();
        if let Some(why) = misused(&key, value.as_deref(), last) {
            out.push(Effect::Bad(why));
            return out;
        }
        match key.as_str() {
            "allow" => out.push(Effect::Allow),
            "deny" => out.push(Effect::Deny),
            "twist" => out.push(Effect::Twist),
            "aclexec" => command = true,
            // Whether there is such a user is in no table.
            "user" | "group" => {
                out.push(Effect::Bad(format!("there may be no {key} \"{}\"", value.unwrap_or_default())))
            }
            _ => {}
        }
        if matches!(key.as_str(), "allow" | "deny" | "twist") {
            return out;
        }
    }
    out.push(if command { Effect::Command } else { Effect::Falls });
    out
}

/// get_field(): parted by colons; `\:` is a colon. An empty last one is none.
fn fields(text: &[u8]) -> Vec<Vec<u8>> {
    let (mut out, mut field, mut bytes) = (Vec::new(), Vec::new(), text.iter().copied().peekable());
    let mut open = false;
    while let Some(b) = bytes.next() {
        open = true;
        match b {
            b':' => {
                out.push(std::mem::take(&mut field));
                open = false;
            }
            b'\\' if bytes.peek() == Some(&b':') => field.extend(bytes.next()),
            other => field.push(other),
        }
    }
    if open {
        out.push(field);
    }
    out
}

/// The keyword in lower case, and its value; one `=` between them is ignored.
fn halves(field: &[u8]) -> (String, Option<String>) {
    let field = trim(field);
    let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    let at = field.iter().position(|b| *b == b'=' || blank(b)).unwrap_or(field.len());
    let (key, mut value) = field.split_at(at);
    let skip = |v: &[u8]| v.iter().take_while(|b| blank(b)).count();
    value = &value[skip(value)..];
    if let Some(rest) = value.strip_prefix(b"=") {
        value = &rest[skip(rest)..];
    }
    (lossy(key).to_ascii_lowercase(), (!value.is_empty()).then(|| lossy(value)))
}

fn trim(text: &[u8]) -> &[u8] {
    let blank = |b: &u8| b.is_ascii_whitespace() || *b == 0x0b;
    let start = text.iter().position(|b| !blank(b)).unwrap_or(text.len());
    let end = text.iter().rposition(|b| !blank(b)).map_or(start, |n| n + 1);
    &text[start..end]
}

/// What libwrap would say of an option.
fn misused(key: &str, value: Option<&str>, last: bool) -> Option<String> {
    let Some((_, argument, must_be_last)) = TABLE.iter().find(|(name, ..)| *name == key) else {
        return Some(match key {
            "" => "an option is empty".into(),
            _ => format!("there is no option \"{key}\""),
        });
    };
    let bad = || Some(format!("\"{}\" is no value for the option \"{key}\"", value.unwrap_or_default()));
    match (argument, value) {
        (Argument::Must, None) => return Some(format!("the option \"{key}\" needs a value")),
        (Argument::None, Some(_)) => return Some(format!("the option \"{key}\" takes no value")),
        _ if *must_be_last && !last => return Some(format!("the option \"{key}\" must be the last")),
        _ => {}
    }
    let whole = || value.and_then(|v| v.parse::<i32>().ok());
    let fits = match (key, value) {
        (_, None) => true,
        ("umask", Some(v)) => u32::from_str_radix(v, 8).is_ok_and(|n| n <= 0o777),
        ("linger", _) => whole().is_some_and(|n| n >= 0),
        ("rfc931", _) => whole().is_some_and(|n| n > 0),
        ("nice", _) => whole().is_some(),
        ("severity", Some(v)) => {
            let known = |table: &[&str], word: &[u8]| table.iter().any(|t| word.eq_ignore_ascii_case(t.as_bytes()));
            match split_at(v.as_bytes(), b'.') {
                Some((facility, level)) => known(FACILITIES, facility) && known(SEVERITIES, level),
                None => known(SEVERITIES, v.as_bytes()),
            }
        }
        _ => true,
    };
    if fits { None } else { bad() }
}
