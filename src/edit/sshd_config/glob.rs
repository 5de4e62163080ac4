//! glob(3) without flags over a list of names, as `Include` uses it: no tilde, no braces, backslash escapes.

/// Whether `name` matches: `*`, `?` and `[…]` do not match `/`, nor a dot at the beginning of a component.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (mut patterns, mut names) = (pattern.split('/'), name.split('/'));
    loop {
        match (patterns.next(), names.next()) {
            (None, None) => return true,
            (Some(pattern), Some(name)) if component(pattern.as_bytes(), name.as_bytes()) => {}
            _ => return false,
        }
    }
}

fn component(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && !matches!(pattern, [b'.', ..] | [b'\\', b'.', ..]) {
        return false;
    }
    // The usual two fingers, with one place to come back to: the last star. Never exponential.
    let (mut p, mut n) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while n < name.len() {
        let rest = pattern.get(p..).unwrap_or_default();
        if rest.first() == Some(&b'*') {
            back = Some((p + 1, n));
            p += 1;
        } else if let Some(length) = name.get(n).and_then(|byte| one(rest, *byte)) {
            p += length;
            n += 1;
        } else if let Some((star, seen)) = back {
            back = Some((star, seen + 1));
            (p, n) = (star, seen + 1);
        } else {
            return false;
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

/// The length of the pattern's first element, if it matches the byte.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'\\', next, ..] => (*next == byte).then_some(2),
        [b'[', ..] => match set(pattern, byte) {
            Some((length, holds)) => holds.then_some(length),
            None => (byte == b'[').then_some(1),
        },
        [first, ..] => (*first == byte).then_some(1),
    }
}

/// A bracket expression: its length, and whether the byte is in it. None if nothing closes it.
fn set(pattern: &[u8], byte: u8) -> Option<(usize, bool)> {
    let not = matches!(pattern.get(1), Some(b'!' | b'^'));
    let first = if not { 2 } else { 1 };
    let (mut at, mut found) = (first, false);
    loop {
        match *pattern.get(at)? {
            b']' if at > first => return Some((at + 1, found != not)),
            mut low => {
                if low == b'\\' {
                    at += 1;
                    low = *pattern.get(at)?;
                }
                let high = match (pattern.get(at + 1), pattern.get(at + 2)) {
                    (Some(b'-'), Some(&high)) if high != b']' => {
                        at += 2;
                        high
                    }
                    _ => low,
                };
                found |= (low..=high).contains(&byte);
                at += 1;
            }
        }
    }
}

/// Whether a pattern has anything special in it.
pub fn special(pattern: &str) -> bool {
    pattern.contains(['*', '?', '[', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_glob() {
        for (pattern, name, holds) in [
            ("/d/*.conf", "/d/a.conf", true),
            ("/d/*.conf", "/d/.conf", false),
            ("/d/.*", "/d/.conf", true),
            ("/d/*.conf", "/d/x/a.conf", false),
            ("/*/a?c", "/d/abc", true),
            ("/d/[!a-c]x", "/d/dx", true),
            ("/d/[a-c]x", "/d/dx", false),
            ("/d/[]x", "/d/[]x", true),
            ("/d/[]]", "/d/]", true),
            ("/d/\\*", "/d/*", true),
            ("/d/\\*", "/d/a", false),
            ("/d/*a*b*c", "/d/xxaxbxbxc", true),
            ("/d/*", "/d/", true),
            ("/d/?", "/d/.", false),
        ] {
            assert_eq!(matches(pattern, name), holds, "{pattern} {name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(pattern in "[a\\[\\]*?!^\\\\/.-]{0,12}", name in "[a\\[\\]/.-]{0,12}") {
            matches(&pattern, &name);
        }
    }
}
