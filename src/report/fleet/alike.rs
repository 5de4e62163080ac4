//! Which targets are alike, and how many of them are named.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use crate::plan::{Change, Plan};

/// A text with all that tells one host from another taken out: its names, and numbers (processes, times, sizes). Two
/// hosts whose texts are the same then have the same thing to say.
pub(super) fn anonymous(text: &str, names: &[&str]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| part(c) != part(first)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        let bare = word.trim_end_matches(['.', '-']);
        if names.contains(&bare) {
            out.push('\0');
            out.push_str(&word[bare.len()..]);
            continue;
        }
        let mut number = false;
        for c in word.chars() {
            if !c.is_ascii_digit() {
                out.push(c);
            } else if !number {
                out.push('#');
            }
            number = c.is_ascii_digit();
        }
    }
    out
}

/// Two plans with the same key are shown as one: exactly the same changes, to the byte of each diff, and the same words
/// but for what [`anonymous`] takes out. `shown` is the plan as a person reads it.
pub(super) fn key(shown: &str, names: &[&str], plan: Option<&Plan>) -> u64 {
    let mut h = DefaultHasher::new();
    anonymous(shown, names).hash(&mut h);
    for p in plan.iter().flat_map(|p| &p.changes) {
        (p.step, &p.handler, p.change.title(), p.change.diff(), p.change.attributes()).hash(&mut h);
        match &p.change {
            Change::Command(c) => (c.on_its_own(), &c.undo, c.controller).hash(&mut h),
            Change::Unit(u) => u.before.hash(&mut h),
            Change::File(_) => {}
        }
    }
    h.finish()
}

/// `web1, web2, db1`; where that is long, three and more in a row as `web1…web9`.
pub(super) fn list(names: &[&str]) -> String {
    let plain = names.join(", ");
    if plain.chars().count() <= 140 {
        return plain;
    }
    let mut out: Vec<String> = Vec::new();
    let mut at = 0;
    while at < names.len() {
        let mut end = at + 1;
        while end < names.len() && follows(names[end - 1], names[end]) {
            end += 1;
        }
        if end - at >= 3 {
            out.push(format!("{}…{}", names[at], names[end - 1]));
        } else {
            out.extend(names[at..end].iter().map(|n| (*n).to_owned()));
        }
        at = end;
    }
    out.join(", ")
}

/// Whether b is the next name after a: the same text with the next number in it.
fn follows(a: &str, b: &str) -> bool {
    let split = |name: &str| {
        let end = name.rfind(|c: char| c.is_ascii_digit())? + 1;
        let start = name[..end]
            .rfind(|c: char| !c.is_ascii_digit())
            .map_or(0, |p| p + name[p..].chars().next().map_or(1, char::len_utf8));
        let digits = &name[start..end];
        let n: u64 = digits.parse().ok()?;
        Some((name[..start].to_owned(), n, digits.len(), digits.starts_with('0'), name[end..].to_owned()))
    };
    let (Some(a), Some(b)) = (split(a), split(b)) else { return false };
    a.0 == b.0 && a.4 == b.4 && b.1 == a.1 + 1 && (a.2 == b.2 || !(a.3 || b.3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_tell_nothing() {
        let say = |host: &str, pid: u32| format!("sshd[{pid}] on {host}: port 22 on {host}.");
        let plain = |h: &str, pid| anonymous(&say(h, pid), &[h]);
        assert_eq!(plain("web1", 17), plain("db.example.org", 4012));
        assert_eq!(anonymous("/srv/web1/x é1", &["web1"]), "/srv/\0/x é#");
        // A name within a word is part of that word.
        assert_ne!(anonymous("ssh fails", &["sh"]), anonymous("s fails", &["sh"]));
        assert_ne!(anonymous("refused", &[]), anonymous("timed out", &[]));
    }

    #[test]
    fn long_lists_are_made_short() {
        assert_eq!(list(&["web1", "web2", "web3"]), "web1, web2, web3");
        let many: Vec<String> =
            (1..=200).filter(|n| *n != 50).map(|n| format!("web{n}")).chain(["db1".into()]).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(list(&many), "web1…web49, web51…web200, db1");
    }

    #[test]
    fn the_next_name_is_known() {
        for (a, b, next) in [
            ("web1", "web2", true),
            ("web9", "web10", true),
            ("web09", "web10", true),
            ("web9", "web010", false),
            ("web01", "web2", false),
            ("web1", "db2", false),
            ("r1-n2.x", "r1-n3.x", true),
            ("é1", "é2", true),
            ("web", "web1", false),
            ("1", "2", true),
            ("99999999999999999999", "99999999999999999999", false),
        ] {
            assert_eq!(follows(a, b), next, "{a} {b}");
        }
    }
}
