//! `web[01:10].example.com:22`: one pattern, many hosts.
//!
//! Ansible's rules (ansible-core 2.19, `parsing/utils/addresses.py` and `expand_hostname_range` in
//! `plugins/inventory/__init__.py`), except that what comes out empty is an error.

/// Hosts that one pattern may stand for.
pub(super) const MOST: usize = 65_536;

/// The names that a pattern stands for, and the port that they share.
pub(super) fn expand(pattern: &str) -> Result<(Vec<String>, Option<u64>), String> {
    let (name, port) = split_port(pattern);
    if name.is_empty() {
        return Err("a host without a name".into());
    }
    let mut names = Vec::new();
    expand_into(name, &mut names).map_err(|why| format!("\"{pattern}\": {why}"))?;
    if pattern.ends_with(':') && port.is_none() {
        return Err(format!("\"{pattern}\" ends in a colon, and no port follows"));
    }
    Ok((names, port))
}

fn expand_into(name: &str, out: &mut Vec<String>) -> Result<(), String> {
    let Some((head, rest)) = name.split_once('[') else {
        out.push(name.to_owned());
        return Ok(());
    };
    let (range, tail) = rest.split_once(']').ok_or("the [ is not closed")?;
    if name.contains('|') {
        return Err("a name with a range has no |".into());
    }
    for one in sequence(range)? {
        if out.len() >= MOST {
            return Err(format!("more than {MOST} hosts in one pattern"));
        }
        expand_into(&format!("{head}{one}{tail}"), out)?;
    }
    Ok(())
}

/// The words of `BEGIN:END` or `BEGIN:END:STEP`.
fn sequence(range: &str) -> Result<Vec<String>, String> {
    let bounds: Vec<&str> = range.split(':').collect();
    let (begin, end, step) = match bounds[..] {
        [b, e] => (b, e, "1"),
        [b, e, s] => (b, e, s),
        _ => return Err(format!("[{range}] is not [BEGIN:END] or [BEGIN:END:STEP]")),
    };
    if end.is_empty() {
        return Err(format!("[{range}] has no end"));
    }
    let begin = if begin.is_empty() { "0" } else { begin };
    let step: usize =
        step.parse().ok().filter(|s| *s > 0).ok_or_else(|| format!("[{range}] has no step that counts"))?;
    let empty = || format!("[{range}] begins after its end");
    if let (Some(b), Some(e)) = (letter(begin), letter(end)) {
        if b > e {
            return Err(empty());
        }
        return Ok(LETTERS[b..=e].iter().step_by(step).map(|c| char::from(*c).to_string()).collect());
    }
    let width = if begin.starts_with('0') && begin.len() > 1 { begin.len() } else { 0 };
    if width > 0 && width != end.len() {
        return Err(format!("[{range}] begins with {width} digits and ends with {}", end.len()));
    }
    let digits = |t: &str| t.parse::<u64>().ok().filter(|_| t.bytes().all(|b| b.is_ascii_digit()));
    let not = || format!("[{range}] is neither of numbers nor of letters");
    let (b, e) = (digits(begin).ok_or_else(not)?, digits(end).ok_or_else(not)?);
    if b > e {
        return Err(empty());
    }
    // One more than the limit is enough to be told so.
    Ok((b..=e).step_by(step).take(MOST + 1).map(|n| format!("{n:0width$}")).collect())
}

/// `string.ascii_letters`.
const LETTERS: &[u8; 52] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

fn letter(text: &str) -> Option<usize> {
    match text.as_bytes() {
        [one] => LETTERS.iter().position(|l| l == one),
        _ => None,
    }
}

/// The name, and the port after it, if the name is one that may have one.
fn split_port(pattern: &str) -> (&str, Option<u64>) {
    let (mut name, mut port) = (pattern, None);
    let number = |digits: &str| digits.parse::<u64>().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
    if let Some((inner, digits)) = pattern.strip_prefix('[').and_then(|r| r.rsplit_once("]:"))
        && let Some(n) = number(digits)
        && !inner.is_empty()
    {
        (name, port) = (inner, Some(n));
    }
    if let Some((host, digits)) = name.rsplit_once(':')
        && let Some(n) = number(digits)
        && no_colon_outside(host)
    {
        (name, port) = (host, Some(n));
    }
    match is_address(name) {
        true => (name, port),
        false => (pattern, None),
    }
}

/// The name and the port of one host, where ranges mean nothing.
pub(super) fn one(text: &str) -> (&str, Option<u64>) {
    match split_port(text) {
        (name, port) if !name.contains('[') => (name, port),
        _ => (text, None),
    }
}

/// Whether a text can be a host of an inventory: a host name or an IPv6 address, either with ranges in it.
pub(super) fn is_host(text: &str) -> bool {
    is_address(split_port(text).0)
}

/// Brackets are closed, and colons are only between them.
fn no_colon_outside(text: &str) -> bool {
    let mut inside = false;
    for c in text.chars() {
        match (c, inside) {
            ('[', false) => inside = true,
            (']', true) => inside = false,
            (']' | ':', false) => return false,
            _ => {}
        }
    }
    !inside
}

fn is_address(name: &str) -> bool {
    is_hostname(name) || is_ipv6(name)
}

/// Labels of letters, digits, `_`, `-` and ranges, with dots between them.
fn is_hostname(name: &str) -> bool {
    let Some(plain) = without_ranges(name, is_plain_range) else { return false };
    plain.split('.').all(|label| {
        let fine = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        !label.is_empty() && label.chars().all(fine) && !label.starts_with('-') && !label.ends_with(['_', '-'])
    })
}

fn is_ipv6(name: &str) -> bool {
    let range = |r: &str| {
        let mut parts = r.split(':');
        let hex = |p: Option<&str>| p.is_some_and(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_hexdigit()));
        hex(parts.next()) && hex(parts.next()) && parts.next().is_none_or(digits) && parts.next().is_none()
    };
    without_ranges(name, range).is_some_and(|plain| plain.parse::<std::net::Ipv6Addr>().is_ok())
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_plain_range(range: &str) -> bool {
    let mut parts = range.split(':');
    let (Some(a), Some(b)) = (parts.next(), parts.next()) else { return false };
    let one = |t: &str| matches!(t.as_bytes(), [c] if c.is_ascii_alphabetic());
    (one(a) && one(b) || digits(a) && digits(b)) && parts.next().is_none_or(digits) && parts.next().is_none()
}

/// With a 1 for every range; `None` if one is none.
fn without_ranges(name: &str, is_range: impl Fn(&str) -> bool) -> Option<String> {
    let (mut out, mut rest) = (String::new(), name);
    while let Some((head, after)) = rest.split_once('[') {
        let (_, tail) = after.split_once(']').filter(|(range, _)| is_range(range))?;
        out.push_str(head);
        out.push('1');
        rest = tail;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_ports() {
        for (pattern, names, port) in [
            ("web1", "web1", None),
            ("web[1:3]", "web1 web2 web3", None),
            ("web[08:11].example.com", "web08.example.com web09.example.com web10.example.com web11.example.com", None),
            ("db-[a:c]:5022", "db-a db-b db-c", Some(5022)),
            ("n[1:7:3]x[a:b]", "n1xa n1xb n4xa n4xb n7xa n7xb", None),
            ("[y:B]", "y z A B", None),
            ("h[:2]", "h0 h1 h2", None),
            ("web1:22", "web1", Some(22)),
            ("10.0.0.[1:2]:22", "10.0.0.1 10.0.0.2", Some(22)),
            ("[2001:db8::5]:22", "2001:db8::5", Some(22)),
            ("2001:db8::5", "2001:db8::5", None),
            ("foo_:22", "foo_:22", None),
            ("fe80::1%eth0", "fe80::1%eth0", None),
            ("[web1]:22", "web1", Some(22)),
        ] {
            assert_eq!(expand(pattern), Ok((names.split(' ').map(str::to_owned).collect(), port)), "{pattern}");
        }
    }

    #[test]
    fn ranges_that_are_none() {
        for (pattern, why) in [
            ("web[1:", "\"web[1:\": the [ is not closed"),
            ("web[1]", "\"web[1]\": [1] is not [BEGIN:END] or [BEGIN:END:STEP]"),
            ("web[1:]", "\"web[1:]\": [1:] has no end"),
            ("web[01:100]", "\"web[01:100]\": [01:100] begins with 2 digits and ends with 3"),
            ("web[5:1]", "\"web[5:1]\": [5:1] begins after its end"),
            ("web[c:a]", "\"web[c:a]\": [c:a] begins after its end"),
            ("web[1:5:0]", "\"web[1:5:0]\": [1:5:0] has no step that counts"),
            ("web[a:10]", "\"web[a:10]\": [a:10] is neither of numbers nor of letters"),
            ("web[+1:+3]", "\"web[+1:+3]\": [+1:+3] is neither of numbers nor of letters"),
            ("[0:99999999999]", "\"[0:99999999999]\": more than 65536 hosts in one pattern"),
            ("[0:999][0:999]", "\"[0:999][0:999]\": more than 65536 hosts in one pattern"),
            ("web1:", "\"web1:\" ends in a colon, and no port follows"),
            ("", "a host without a name"),
        ] {
            assert_eq!(expand(pattern), Err(why.to_owned()), "{pattern}");
        }
    }
}
