//! Whether a user, a group or an address fits a pattern: those of sshd_config(5) and of access.conf(5).

use std::net::IpAddr;

use crate::edit::hosts_access::Truth;

/// ssh_config(5), PATTERNS: `*` and `?` (`match_pattern`, match.c).
pub fn fits(pattern: &str, text: &str) -> bool {
    let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut i, mut j, mut back) = (0, 0, None);
    while j < t.len() {
        match p.get(i) {
            Some('*') => {
                back = Some((i + 1, j));
                i += 1;
            }
            Some(c) if *c == '?' || *c == t[j] => (i, j) = (i + 1, j + 1),
            _ => match back {
                Some((star, seen)) => {
                    back = Some((star, seen + 1));
                    (i, j) = (star, seen + 1);
                }
                None => return false,
            },
        }
    }
    p[i..].iter().all(|c| *c == '*')
}

/// The first of some names, and how many more.
pub fn several(names: &[&str], shown: usize) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        all if all.len() > shown => format!("{} and {} more", all[..shown].join(", "), all.len() - shown),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// `USER` or `USER@HOST` of AllowUsers and DenyUsers (`match_user`, match.c).
pub fn user(pattern: &str, name: &str, client: Option<IpAddr>) -> Truth {
    match pattern.rsplit_once('@') {
        None => Truth::from(fits(pattern, name)),
        Some((who, _)) if !fits(who, name) => Truth::No,
        Some((_, host)) => hosts(host, client),
    }
}

/// A list of addresses, networks and patterns, `!` in front of what is not meant (`match_host_and_ip`). A host's name is
/// not known here.
pub fn hosts(list: &str, client: Option<IpAddr>) -> Truth {
    let one = |item: &str| match (client, item.trim_start_matches('!')) {
        (_, "*") => Truth::Yes,
        (None, _) => Truth::Maybe,
        (Some(a), p) if p.contains('/') => Truth::from(within(p, a)),
        (Some(a), p) if p.chars().all(|c| c.is_ascii_hexdigit() || ".:*?".contains(c)) => {
            Truth::from(fits(p, &a.to_string()))
        }
        (Some(_), _) => Truth::Maybe,
    };
    let (not, yes): (Vec<&str>, Vec<&str>) = list.split(',').partition(|i| i.starts_with('!'));
    Truth::any(yes.into_iter().map(one)).and(|| !Truth::any(not.into_iter().map(one)))
}

/// `ADDRESS/LENGTH` or `ADDRESS/MASK`.
pub fn within(net: &str, address: IpAddr) -> bool {
    let Some((base, length)) = net.split_once('/') else { return net.parse() == Ok(address) };
    let bits = |a: IpAddr| match a {
        IpAddr::V4(a) => (u128::from(u32::from(a)) << 96, 32),
        IpAddr::V6(a) => (u128::from(a), 128),
    };
    let Ok(base) = base.parse::<IpAddr>() else { return false };
    let length = length.parse().ok().or_else(|| match length.parse().ok()? {
        IpAddr::V4(m) => Some(u32::from(m).leading_ones()),
        IpAddr::V6(m) => Some(u128::from(m).leading_ones()),
    });
    let ((a, size), (b, _)) = (bits(base), bits(address));
    let mask = |n: u32| if n == 0 { 0 } else { u128::MAX << (128 - n.min(128)) };
    base.is_ipv4() == address.is_ipv4() && length.is_some_and(|n| n <= size && (a & mask(n)) == (b & mask(n)))
}

/// Who wants in, for [`access`].
pub struct Who<'a> {
    pub name: &'a str,
    pub groups: &'a [String],
    pub client: Option<IpAddr>,
}

/// Whether a line of access.conf(5) speaks of this user, and whether it lets in (`login_access`, pam_access.c).
pub fn access(line: &str, who: &Who<'_>) -> Option<(Truth, bool)> {
    let mut f = line.splitn(3, ':');
    let (permission, users, origins) = (f.next()?.trim(), f.next()?, f.next()?);
    let words = |text: &str| -> Vec<String> {
        text.split([' ', '\t', ',']).filter(|w| !w.is_empty()).map(str::to_owned).collect()
    };
    let of_user = |w: &str| match w {
        "ALL" => Truth::Yes,
        w if w.starts_with('@') => Truth::Maybe,
        w => match w.strip_prefix('(').and_then(|w| w.strip_suffix(')')) {
            Some(group) => Truth::from(who.groups.iter().any(|g| g == group)),
            None => Truth::from(w == who.name || who.groups.iter().any(|g| g == w)),
        },
    };
    let of_origin = |w: &str| match (w, who.client) {
        ("ALL", _) => Truth::Yes,
        ("LOCAL", _) => Truth::No,
        (w, Some(a)) if w.contains('/') || w.parse::<IpAddr>().is_ok() => Truth::from(within(w, a)),
        (w, Some(a)) if w.ends_with('.') => Truth::from(a.to_string().starts_with(w)),
        // A terminal's or a service's name.
        (w, _) if !w.contains(['.', ':', '@']) => Truth::No,
        _ => Truth::Maybe,
    };
    let fits = list(&words(users), &of_user).and(|| list(&words(origins), &of_origin));
    Some((fits, permission == "+"))
}

/// `a b EXCEPT c`.
fn list(words: &[String], fits: &dyn Fn(&str) -> Truth) -> Truth {
    let at = words.iter().position(|w| w.eq_ignore_ascii_case("EXCEPT")).unwrap_or(words.len());
    Truth::any(words[..at].iter().map(|w| fits(w))).and(|| match words.get(at + 1..) {
        Some(rest) if !rest.is_empty() => !list(rest, fits),
        _ => Truth::Yes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const YES: Truth = Truth::Yes;
    const NO: Truth = Truth::No;
    const MAYBE: Truth = Truth::Maybe;

    #[test]
    fn patterns() {
        assert!(fits("b*b", "bob") && fits("*", "") && fits("?ob", "bob") && fits("a*b*c", "aXbbYc"));
        assert!(!fits("b?", "bob") && !fits("Bob", "bob") && !fits("", "x"));
    }

    #[test]
    fn users_and_whence() {
        let at = |a: &str| a.parse().ok();
        assert_eq!(user("bob", "bob", None), YES);
        assert_eq!((user("bob@10.*", "bob", at("10.1.2.3")), user("bob@10.*", "bob", at("11.1.2.3"))), (YES, NO));
        assert_eq!((user("*@10.0.0.0/8", "bob", at("10.1.2.3")), user("al@10.0.0.0/8", "bob", None)), (YES, NO));
        assert_eq!((user("bob@10.*", "bob", None), user("bob@*.example.org", "bob", at("10.1.2.3"))), (MAYBE, MAYBE));
        assert_eq!(hosts("10.0.0.0/8,!10.1.2.3", at("10.1.2.3")), NO);
        assert!(within("fd00::/8", "fd00:77::1".parse().unwrap()) && !within("fd00::/8", "10.0.0.1".parse().unwrap()));
        assert!(
            within("10.9.0.0/255.255.0.0", "10.9.3.1".parse().unwrap())
                && !within("10.9/16", "10.9.3.1".parse().unwrap())
        );
    }

    #[test]
    fn access_lines() {
        let groups = ["bob".to_owned(), "staff".to_owned()];
        let who = Who { name: "bob", groups: &groups, client: "10.77.0.1".parse().ok() };
        let of = |line: &str| access(line, &who).unwrap();
        assert_eq!(of("-:ALL EXCEPT root (staff):ALL"), (NO, false));
        assert_eq!(of("- : bob : ALL EXCEPT LOCAL"), (YES, false));
        assert_eq!(of("+ : (staff) : 10.77.0.0/24"), (YES, true));
        assert_eq!(of("+ : bob : 10.78."), (NO, true));
        assert_eq!(
            (of("- : bob : .example.org").0, of("- : bob : tty1 cron").0, of("-:@net:ALL").0),
            (MAYBE, NO, MAYBE)
        );
        assert!(access("nonsense", &who).is_none());
    }
}
