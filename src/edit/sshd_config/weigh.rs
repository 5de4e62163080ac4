//! Whether a bad line decides anything: what sshd would do with the line as it was meant, against what it does without it.
//!
//! A line that says what holds anyway, or that comes after the one that decides, keeps nobody out and lets nobody in. Whoever
//! can run sshd compares two answers of `sshd -T`; elsewhere [`Tree::decides_like`] compares by our own table.

use super::keywords::{self, Keyword, Kind};
use super::read::{self, Step};
use super::repair::{Form, Plan};
use super::said::Place;
use super::syntax::{self, Parsed};
use super::{Tree, value, wanted};
use std::collections::BTreeMap;

/// A bad line, and a line that sshd would take in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meant {
    file: String,
    /// Counted from 1, in the tree in which it was found.
    line: usize,
    text: Vec<u8>,
    instead: Vec<u8>,
    /// It stands inside a Match.
    inside: bool,
    /// The canonical keyword, in lower case.
    pub key: String,
}

impl Tree {
    /// What a bad line was meant to say, where comparing two trees can tell whether that matters: `None` where it may matter
    /// for some clients alone, or where nobody can say what was meant.
    pub(super) fn meant(&self, place: &Place, plan: &Plan) -> Option<Meant> {
        let text = self.text(&place.file, place.line)?.to_vec();
        let corrected = plan.correction.as_ref().map(|(text, _)| text.trim_ascii().to_vec());
        let keyword = plan.about.and_then(keywords::find).or_else(|| keyword_of(corrected.as_deref()?))?;
        let comparable = !matches!(keyword.kind, Kind::Match | Kind::Include)
            && !matches!(plan.form, Form::Header | Form::Opaque)
            && place.scope.as_ref().is_none_or(|block| !block.everyone);
        if !comparable {
            return None;
        }
        let key = keyword.key();
        let inside = place.scope.is_some();
        // What another Match says of it may be what decides for those whom this one is about.
        let elsewhere = |line: &&super::Directive| {
            line.key == key && !line.global() && (line.file.as_str(), line.line) != (place.file.as_str(), place.line)
        };
        if inside && keyword.in_match && self.directives.iter().any(|line| elsewhere(&line)) {
            return None;
        }
        let instead = corrected.or_else(|| if inside { None } else { self.any_other(keyword, place) })?;
        Some(Meant { file: place.file.clone(), line: place.line, text, instead, inside, key })
    }

    /// A line with another value than the one that decides, where that one is read before this line: whatever this line
    /// says, nothing comes of it.
    fn any_other(&self, keyword: &Keyword, place: &Place) -> Option<Vec<u8>> {
        let decides = self.values(&keyword.key()).first().copied()?;
        let first = keyword.kind == Kind::First && self.reads_before((&decides.file, decides.line), place);
        let words = value::words_of(keyword.value).iter().map(|word| (*word).to_owned());
        let holds = value::meaning(keyword, &decides.args);
        let other = words.map(|word| vec![word]).find(|word| value::meaning(keyword, word) != holds)?;
        first.then(|| wanted::new_line(keyword, &other))
    }

    fn reads_before(&self, line: (&str, usize), place: &Place) -> bool {
        let other = (place.file.as_str(), place.line);
        let first = read::read(&self.main, &self.files).into_iter().find_map(|step| match step {
            Step::Line { file, number, .. } => Some((file, number)).filter(|at| *at == line || *at == other),
            _ => None,
        });
        first == Some(line) && line != other
    }

    /// The files that would be different if a line, which is commented out here, said what it was meant to say; `None` if
    /// it is not there. What stands inside a Match is put first of all, where it would decide for everybody.
    #[must_use]
    pub fn as_meant(&self, meant: &Meant) -> Option<BTreeMap<String, Vec<u8>>> {
        let name = if meant.inside { &self.main } else { &meant.file };
        let bytes = self.files.get(name)?;
        let new = if meant.inside {
            [meant.instead.as_slice(), b"\n", bytes].concat()
        } else {
            let lines = crate::edit::lines::split(bytes);
            let out = [b"#", meant.text.as_slice()].concat();
            let same = lines.iter().enumerate().filter(|(_, line)| line.text == out).map(|(at, _)| at);
            let at = same.min_by_key(|at| (at + 1).abs_diff(meant.line))?;
            let mut draft = crate::edit::lines::Draft::verbatim(bytes);
            draft.set(at, meant.instead.clone());
            draft.finish().bytes
        };
        Some(BTreeMap::from([(name.clone(), new)]))
    }

    /// Whether the same value of a keyword holds for everybody as in another tree, by our own table. A default that our table
    /// has no value for is like none.
    #[must_use]
    pub fn decides_like(&self, other: &Tree, key: &str) -> bool {
        let Some(keyword) = keywords::find(key) else { return false };
        let default = || {
            let words: Vec<String> = keyword.default.split_whitespace().map(str::to_owned).collect();
            vec![value::meaning(keyword, &words)]
        };
        let of = |tree: &Tree| {
            let all: Vec<_> = tree.values(key).iter().map(|line| value::meaning(keyword, &line.args)).collect();
            if all.is_empty() { default() } else { all }
        };
        of(self) == of(other)
    }
}

fn keyword_of(text: &[u8]) -> Option<&'static Keyword> {
    let Parsed::Line(line) = syntax::parse(text) else { return None };
    keywords::find(&String::from_utf8_lossy(&line.keyword))
}

#[cfg(test)]
mod tests {
    use super::super::{Fault, Policy};
    use super::*;

    const MAIN: &str = "/etc/ssh/sshd_config";

    fn tree(text: &str) -> Tree {
        Tree::new(MAIN, BTreeMap::from([(MAIN.to_owned(), text.as_bytes().to_vec())]))
    }

    /// Whether our table says that the one bad line decides nothing; `None` where it is a person's to say.
    fn idle(text: &str) -> Option<bool> {
        let faults: Vec<Fault> = tree(text).check();
        let left = tree(text).fix(&faults, Policy::Ask).unwrap().left;
        let [left] = left.as_slice() else { panic!("{text}: {left:?}") };
        let meant = left.meant.as_ref()?;
        let place = (MAIN.to_owned(), left.fault.line);
        let edits = tree(text).fix_but(&faults, Policy::Ask, &[place].into()).unwrap();
        assert_eq!(edits.left, [], "{text}");
        let without = tree(&String::from_utf8(edits.edits.files[MAIN].clone()).unwrap());
        let mut files = without.files.clone();
        files.extend(without.as_meant(meant).expect("the line is there"));
        Some(without.decides_like(&Tree::new(MAIN, files), &meant.key))
    }

    #[test]
    fn what_holds_anyway_decides_nothing() {
        assert_eq!(idle("UsePAM yes\nMatch User bob\nUsePAM yes\n"), Some(true));
        assert_eq!(idle("UsePAM yes\nMatch User bob\nUsePAM no\n"), Some(false));
        assert_eq!(idle("Match User bob\nUsePAM yes\n"), Some(false), "our table does not know the default");
        assert_eq!(idle("PermitRootLogn prohibit-password\n"), Some(true), "the default");
        assert_eq!(idle("PermitRootLogn no\n"), Some(false));
        assert_eq!(idle("PasswordAuthentication yess\n"), Some(true));
        assert_eq!(idle("Match User bob\nPasswordAuthentication yess\n"), Some(true));
        assert_eq!(idle("PasswordAuthentication no\nMatch User bob\nPasswordAuthentication yess\n"), Some(false));
        let two = "Match User bob\nPasswordAuthentication yess\nMatch User b*\nPasswordAuthentication no\n";
        assert_eq!(idle(two), None);
    }

    #[test]
    fn whatever_comes_after_the_line_that_decides() {
        assert_eq!(idle("PermitRootLogin no\nPermitRootLogin maybe\n"), Some(true));
        assert_eq!(idle("PermitRootLogin no\nPermitRootLogin\n"), Some(true));
        assert_eq!(idle("PermitRootLogin maybe\nPermitRootLogin no\n"), None);
        assert_eq!(idle("PermitRootLogin maybe\n"), None);
        assert_eq!(idle("AllowUsers bob\nAllowUsers\n"), None);
        assert_eq!(idle("Match Usr bob\nX11Forwarding no\n"), None);
    }

    #[test]
    fn what_sshd_throws_away_is_no_policy() {
        for text in ["RSAAuthentication\n", "Match User bob\nProtocol 2\n", "Match User bob\nRSAAuthentication\n"] {
            let fixed = tree(text).fix(&tree(text).check(), Policy::Ask).unwrap();
            assert_eq!(fixed.left, [], "{text}");
            let after = String::from_utf8(fixed.edits.files[MAIN].clone()).unwrap();
            assert!(after.lines().last().unwrap().starts_with('#'), "{after}");
        }
    }
}
