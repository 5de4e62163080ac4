//! Who is begun when, and what the whole comes to: pure.

use std::str::FromStr;

use crate::apply::exit;

/// How many hosts of a batch: `--serial 5`, `--serial 30%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serial {
    /// That many.
    Count(usize),
    /// That part of all hosts of the run, at least one.
    Percent(usize),
}

impl Serial {
    fn of(self, all: usize) -> usize {
        match self {
            Serial::Count(n) => n,
            Serial::Percent(p) => (all * p / 100).max(1),
        }
    }
}

impl FromStr for Serial {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (digits, percent) = text.strip_suffix('%').map_or((text, false), |d| (d, true));
        match digits.trim().parse::<usize>() {
            Ok(n @ 1..=100) if percent => Ok(Serial::Percent(n)),
            Ok(n @ 1..) if !percent => Ok(Serial::Count(n)),
            _ => Err("a number of hosts, or a part of them: 5, 30%".into()),
        }
    }
}

/// The batches in which hosts are begun. As Ansible's `serial`: each size once, the last one again and again, parts are
/// of `all` hosts of the run. `alone`: the first host is a batch of its own before them.
#[must_use]
pub fn batches(hosts: &[usize], all: usize, serial: &[Serial], alone: bool) -> Vec<Vec<usize>> {
    let (first, mut rest) = hosts.split_at(if alone { hosts.len().min(1) } else { 0 });
    let mut out: Vec<Vec<usize>> = if first.is_empty() { Vec::new() } else { vec![first.to_vec()] };
    let mut sizes = serial.iter().map(|s| s.of(all));
    let mut size = sizes.next().unwrap_or(usize::MAX);
    while !rest.is_empty() {
        let (now, later) = rest.split_at(size.min(rest.len()));
        out.push(now.to_vec());
        rest = later;
        size = sizes.next().unwrap_or(size);
    }
    out
}

/// From worst to best. DESIGN 9's order, with the two that it leaves out where they belong: an interruption hides nothing
/// but what is worse for a host, and "nobody to ask" is "there are changes" with a reason.
const WORST: [u8; 8] = [
    exit::NOT_ROLLED_BACK,
    exit::ROLLED_BACK,
    exit::INTERRUPTED,
    exit::FAILED,
    exit::NO_CHANNEL,
    exit::USAGE,
    exit::CHANGES,
    exit::OK,
];

/// The place of a code in that order; the worst comes first, and what is not known before any.
#[must_use]
pub fn badness(code: u8) -> usize {
    WORST.iter().position(|w| *w == code).map_or(0, |p| p + 1)
}

/// The exit code of all.
#[must_use]
pub fn worst(codes: impl IntoIterator<Item = u8>) -> u8 {
    codes.into_iter().min_by_key(|c| badness(*c)).unwrap_or(exit::OK)
}

/// What stops the beginning of further hosts.
#[derive(Debug, Clone)]
pub struct Brake {
    /// After that many failures; `None`: never.
    limit: Option<usize>,
    failed: usize,
    /// Set by what is no failure: a person said no.
    why: Option<String>,
}

impl Brake {
    /// One that has not seen anything.
    #[must_use]
    pub fn new(limit: Option<usize>) -> Self {
        Self { limit, failed: 0, why: None }
    }
    /// A host that was begun failed.
    pub fn failed(&mut self) {
        self.failed += 1;
    }
    /// Nothing further, for this reason.
    pub fn pull(&mut self, why: impl Into<String>) {
        self.why.get_or_insert_with(|| why.into());
    }
    /// Why no further host is begun, if none is.
    #[must_use]
    pub fn why(&self) -> Option<String> {
        if self.limit.is_some_and(|l| self.failed >= l) {
            let hosts = if self.failed == 1 { "1 host".to_owned() } else { format!("{} hosts", self.failed) };
            return Some(format!("{hosts} failed"));
        }
        self.why.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, size) in [
            ("5", Some(Serial::Count(5))),
            ("30%", Some(Serial::Percent(30))),
            ("100%", Some(Serial::Percent(100))),
            ("0", None),
            ("0%", None),
            ("101%", None),
            ("-1", None),
            ("", None),
            ("five", None),
        ] {
            assert_eq!(text.parse::<Serial>().ok(), size, "{text}");
        }
    }

    #[test]
    fn batches_are_ansibles_and_the_first_may_go_alone() {
        use Serial::{Count, Percent};
        let hosts: Vec<usize> = (0..7).collect();
        let sizes = |serial: &[Serial], alone| -> Vec<usize> {
            let b = batches(&hosts, 20, serial, alone);
            assert_eq!(b.concat(), hosts, "every host once, in order");
            b.iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(&[], false), [7]);
        assert_eq!(sizes(&[], true), [1, 6]);
        assert_eq!(sizes(&[Count(3)], false), [3, 3, 1]);
        assert_eq!(sizes(&[Count(3)], true), [1, 3, 3]);
        assert_eq!(sizes(&[Percent(10)], false), [2, 2, 2, 1], "10% of all 20");
        assert_eq!(sizes(&[Percent(1)], false), [1; 7]);
        assert_eq!(sizes(&[Count(1), Count(4)], false), [1, 4, 2]);
        assert!(batches(&[], 20, &[Count(3)], true).is_empty());
    }

    #[test]
    fn the_worst_counts() {
        for (codes, all) in [
            (&[0, 4, 3][..], 3),
            (&[0, 4], 4),
            (&[3, 1, 4], 1),
            (&[1, 5], 5),
            (&[5, 6, 130], 6),
            (&[130, 1], 130),
            (&[2, 4], 2),
            (&[2, 3], 3),
            (&[], 0),
            (&[0, 77], 77),
        ] {
            assert_eq!(worst(codes.iter().copied()), all, "{codes:?}");
        }
    }

    #[test]
    fn the_brake_holds_after_so_many() {
        let mut b = Brake::new(Some(2));
        b.failed();
        assert!(b.why().is_none());
        b.failed();
        assert_eq!(b.why().as_deref(), Some("2 hosts failed"));
        let mut b = Brake::new(None);
        b.failed();
        assert!(b.why().is_none());
        b.pull("no");
        assert_eq!(b.why().as_deref(), Some("no"));
    }
}
