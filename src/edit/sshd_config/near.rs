//! The one word that was probably meant.

/// How many letters differ at most: one, or two in a word of eight letters and more.
fn reach(word: &str) -> usize {
    if word.chars().count() >= 8 { 2 } else { 1 }
}

/// The candidate nearest to `word`, if it is near and no other one is as near. Letter case does not count.
pub fn nearest<'c, T: PartialEq>(word: &str, candidates: impl Iterator<Item = (&'c str, T)>) -> Option<T> {
    if word.len() > 64 {
        return None;
    }
    let mut best: Option<(usize, T)> = None;
    let mut alone = true;
    for (candidate, meaning) in candidates {
        let far = distance(&word.to_ascii_lowercase(), &candidate.to_ascii_lowercase());
        match &best {
            _ if far > reach(word) => {}
            Some((least, _)) if far > *least => {}
            Some((least, other)) if far == *least => alone &= *other == meaning,
            _ => (best, alone) = (Some((far, meaning)), true),
        }
    }
    best.filter(|_| alone).map(|(_, meaning)| meaning)
}

/// Damerau-Levenshtein (optimal string alignment): insertions, deletions, changes, and neighbours swapped.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let mut least = (above[j] + usize::from(x != y)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_near_neighbour_or_none() {
        let near = |word| nearest(word, ["port", "banner", "usepam", "usedns", "permitopen"].into_iter().zip(0..));
        assert_eq!(near("prot"), Some(0));
        assert_eq!(near("Ports"), Some(0));
        assert_eq!(near("baner"), Some(1));
        assert_eq!(near("bnaenr"), None);
        assert_eq!(near("permtopne"), Some(4));
        assert_eq!(near("useXXX"), None);
        assert_eq!(nearest("ab", [("ac", 1), ("ad", 2)].into_iter()), None);
        assert_eq!(nearest("ab", [("ac", 1), ("ad", 1)].into_iter()), Some(1));
        assert_eq!(near("żółw"), None);
    }
}
