//! A question with a few answers, each with a letter of its own.

/// What leaves everything as it is; also Enter alone, and the end of the input.
const LEAVE: &str = "leave it";

/// The answers, each with the place of its letter, if any letter of it was still free.
pub(super) struct Choices<'a>(Vec<(&'a str, Option<usize>)>);

impl<'a> Choices<'a> {
    /// The words, and after them "leave it".
    pub(super) fn new(words: &'a [String]) -> Self {
        let all: Vec<&str> = words.iter().map(String::as_str).chain([LEAVE]).collect();
        let mut out: Vec<(&str, Option<usize>)> = Vec::new();
        for word in &all {
            let free = |c: char| {
                let letter = c.to_ascii_lowercase().to_string();
                // A word of one letter is typed whole.
                let elsewhere = all.iter().any(|w| w != word && w.to_lowercase() == letter);
                // A number is typed whole, too.
                let number = word.bytes().all(|b| b.is_ascii_digit());
                c.is_ascii_alphanumeric()
                    && !number
                    && !elsewhere
                    && !out.iter().any(|o| letter_of(o) == Some(letter.clone()))
            };
            let at = word.char_indices().find(|(_, c)| free(*c)).map(|(at, _)| at);
            out.push((word, at));
        }
        Self(out)
    }

    /// `[c]omment / c[o]rrect / [l]eave it`
    pub(super) fn shown(&self) -> String {
        let one = |(word, at): &(&str, Option<usize>)| match at {
            Some(at) => format!("{}[{}]{}", &word[..*at], &word[*at..=*at], &word[at + 1..]),
            None => (*word).to_owned(),
        };
        self.0.iter().map(one).collect::<Vec<_>>().join(" / ")
    }

    /// `c, o or l`: what can be typed.
    pub(super) fn keys(&self) -> String {
        let keys: Vec<String> = self.0.iter().map(|o| letter_of(o).unwrap_or_else(|| o.0.to_owned())).collect();
        match keys.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => keys.join(""),
        }
    }

    /// The answer to what was typed: `Some(None)` leaves it, `None` is no answer.
    pub(super) fn read(&self, typed: &str) -> Option<Option<&'a str>> {
        let typed = typed.trim().to_lowercase();
        if typed.is_empty() {
            return Some(None);
        }
        let whole = self.0.iter().position(|o| o.0.to_lowercase() == typed);
        let at = whole.or_else(|| self.0.iter().position(|o| letter_of(o).as_ref() == Some(&typed)))?;
        // The last one is ours, even where the runbook has the same word.
        Some((at + 1 < self.0.len()).then_some(self.0[at].0))
    }
}

fn letter_of((word, at): &(&str, Option<usize>)) -> Option<String> {
    at.map(|at| word[at..=at].to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(all: &[&str]) -> Vec<String> {
        all.iter().map(|w| (*w).to_owned()).collect()
    }

    #[test]
    fn every_answer_has_a_letter_of_its_own() {
        for (of, shown, keys) in [
            (&["comment", "correct"][..], "[c]omment / c[o]rrect / [l]eave it", "c, o or l"),
            (&["server", "client"], "[s]erver / [c]lient / [l]eave it", "s, c or l"),
            (&["allow", "deny-line"], "[a]llow / [d]eny-line / [l]eave it", "a, d or l"),
            (&["left", "all"], "[l]eft / [a]ll / l[e]ave it", "l, a or e"),
            // Nothing free is left for "aa", and "x" is a word itself.
            (&["a", "aa", "xx", "x"], "[a] / aa / xx / [x] / [l]eave it", "a, aa, xx, x or l"),
            (&["Über", "-"], "Ü[b]er / - / [l]eave it", "b, - or l"),
            (&["22", "2222"], "22 / 2222 / [l]eave it", "22, 2222 or l"),
        ] {
            let of = words(of);
            let c = Choices::new(&of);
            assert_eq!((c.shown().as_str(), c.keys().as_str()), (shown, keys));
        }
    }

    #[test]
    fn what_was_typed_is_an_answer_or_none() {
        let of = words(&["comment", "correct"]);
        let c = Choices::new(&of);
        for (typed, answer) in [
            ("c", Some(Some("comment"))),
            ("O", Some(Some("correct"))),
            ("correct", Some(Some("correct"))),
            (" comment\n", Some(Some("comment"))),
            ("", Some(None)),
            ("l", Some(None)),
            ("leave it", Some(None)),
            ("y", None),
            ("co", None),
        ] {
            assert_eq!(c.read(typed), answer, "{typed:?}");
        }
    }
}
