//! What URLs of several kinds share: hosts with ports, and what follows `?`.

use super::ChannelError;

/// `HOST`, `HOST:PORT`, `[V6]`, `[V6]:PORT`, or a bare IPv6 address.
pub(super) fn split_host(text: &str) -> Result<(&str, Option<u16>), ChannelError> {
    let bad = || ChannelError::new(format!("\"{text}\" is not HOST:PORT"));
    let number = |p: &str| p.parse().ok().filter(|n| *n > 0).ok_or_else(bad);
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or_else(bad)?;
        return match after.strip_prefix(':') {
            Some(p) => Ok((host, Some(number(p)?))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(bad()),
        };
    }
    match text.split_once(':') {
        Some((_, rest)) if rest.contains(':') => Ok((text, None)),
        Some((host, p)) => Ok((host, Some(number(p)?))),
        None => Ok((text, None)),
    }
}

/// `KEY=VALUE&KEY=VALUE`, values percent-encoded (RFC 3986, 2.1).
pub(super) fn parse_query(text: &str) -> Result<Vec<(String, String)>, ChannelError> {
    let pairs = text.split('&').filter(|p| !p.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| ChannelError::new(format!("\"{pair}\" is not KEY=VALUE")).hint("like ?baud=115200"))?;
            let plain = decode(value).ok_or_else(|| {
                ChannelError::new(format!("\"{value}\" is not percent-encoded")).hint("a % itself is %25, an & is %26")
            })?;
            Ok((key.to_owned(), plain))
        })
        .collect()
}

fn decode(text: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        if b == b'%' {
            let hex = [bytes.next()?, bytes.next()?];
            out.push(u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?);
        } else {
            out.push(b);
        }
    }
    String::from_utf8(out).ok()
}
