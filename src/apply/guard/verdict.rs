//! What was seen before a round and after it, and whether anything is worse (DESIGN 7's table).

/// Whether a new login comes about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// It does.
    Open,
    /// Somebody is there, and asks for what nobody types for us.
    Asks,
    /// It does not, and why.
    Shut(String),
}

/// One of the runbook's proofs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proof {
    /// From the controller, over a new connection; `None`: it cannot be had. An error says why it did not pass.
    pub outside: Option<Result<(), String>>,
    /// On the target itself: something listens on the port that it is about.
    pub local: Option<bool>,
}

/// What answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measure {
    /// The runbook's proofs, in its order.
    pub proofs: Vec<Proof>,
    /// The channel that is in use, opened once more; `None` for one whose scripts are new connections anyway, or that
    /// needs no network.
    pub way: Option<Way>,
}

impl Measure {
    /// Something was looked at.
    #[must_use]
    pub fn tells(&self) -> bool {
        self.way.is_some() || self.proofs.iter().any(|p| p.outside.is_some() || p.local.is_some())
    }
}

/// What answered before and does not any more. What did not answer before counts for nothing, but for what passes on the
/// target itself.
#[must_use]
pub fn find_regression(before: &Measure, after: &Measure) -> Option<String> {
    let pairs = || before.proofs.iter().zip(&after.proofs);
    let lost = pairs().find_map(|(b, a)| match (&b.outside, &a.outside) {
        (Some(Ok(())), Some(Err(why))) => Some(format!("what answered before does not any more: {why}")),
        _ => None,
    });
    if lost.is_some() {
        return lost;
    }
    match (&before.way, &after.way) {
        (Some(Way::Open), Some(Way::Asks)) => return Some("a new login is refused that was not before".into()),
        (Some(Way::Open | Way::Asks), Some(Way::Shut(why))) => {
            return Some(format!("the way in that is in use does not open any more: {why}"));
        }
        _ => {}
    }
    let gone = pairs().any(|(b, a)| (b.local, a.local) == (Some(true), Some(false)));
    gone.then(|| "nothing listens on the host any more where sshd did before".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(outside: Option<bool>, local: Option<bool>) -> Proof {
        Proof { outside: outside.map(|yes| if yes { Ok(()) } else { Err("refused".into()) }), local }
    }

    fn seen(outside: Option<bool>, local: Option<bool>, way: Option<Way>) -> Measure {
        Measure { proofs: vec![proof(outside, local)], way }
    }

    /// One that never passed hides no other.
    #[test]
    fn each_proof_counts_by_itself() {
        let of = |last: bool| Measure {
            proofs: vec![proof(Some(false), Some(false)), proof(Some(last), Some(last))],
            way: None,
        };
        assert!(find_regression(&of(true), &of(false)).is_some() && find_regression(&of(true), &of(true)).is_none());
    }

    #[test]
    fn the_table() {
        let (yes, no) = (Some(true), Some(false));
        let of = |before: [Option<bool>; 2], after: [Option<bool>; 2]| {
            find_regression(&seen(before[0], before[1], None), &seen(after[0], after[1], None)).is_some()
        };
        assert!(!of([yes, yes], [yes, yes]) && of([yes, yes], [no, yes]));
        assert!(!of([no, no], [yes, yes]) && !of([no, no], [no, yes]));
        // Neither answers: what ran there and does not any more was made worse, what never ran was not.
        assert!(of([no, yes], [no, no]) && !of([no, no], [no, no]));
        assert!(!of([None, None], [None, None]));
    }

    #[test]
    fn the_way_in_use() {
        let of = |before: Way, after: Way| {
            find_regression(&seen(None, None, Some(before)), &seen(None, None, Some(after))).is_some()
        };
        let shut = || Way::Shut("timed out".into());
        assert!(of(Way::Open, shut()) && of(Way::Asks, shut()) && of(Way::Open, Way::Asks));
        assert!(!of(Way::Open, Way::Open) && !of(Way::Asks, Way::Asks) && !of(shut(), shut()));
    }
}
