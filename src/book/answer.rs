//! Which runbook answers a pasted error: one whose `answers` match it. Where none does, one that the text names in its own
//! words ("my disk is full") is a guess; anything less is no answer.

use std::collections::{BTreeMap, BTreeSet};

use regex::{Regex, RegexBuilder};

use super::Runbook;

/// A regular expression of `answers`, in the syntax of the `regex` crate, compiled when the runbook is read. Case does not
/// matter.
#[derive(Debug, Clone)]
pub struct ErrorPattern(Regex);

impl ErrorPattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// The last line of what the `regex` crate says of it, which names the problem.
    pub fn parse(source: &str) -> Result<Self, String> {
        RegexBuilder::new(source).case_insensitive(true).build().map(Self).map_err(|e| {
            let text = e.to_string();
            text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned()
        })
    }

    /// The pattern as it stands in the runbook.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// A runbook that may be the right one.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Its index among those that were asked about.
    pub book: usize,
    /// The part of the text that one of its `answers` matches; `None` for a guess by words.
    pub matched: Option<String>,
    /// How much of its name and title one line of the text says, from 0 to 1, rare words counting more; only to compare.
    pub likeness: f64,
}

/// A guess needs this much of a title, or the whole name.
const LIKE_ENOUGH: f64 = 0.5;

/// The runbooks that may answer, the best first. Those whose `answers` match come first, the longest match leading; guesses
/// come only where none matches.
#[must_use]
pub fn rank(books: &[&Runbook], pasted: &str) -> Vec<Hit> {
    let lines = lines(pasted);
    let words: Vec<BTreeSet<String>> = lines.iter().map(|l| words(l).collect()).collect();
    let titles = Titles::new(books);
    let matches = |book: usize| {
        let matched = Some(matched(books[book], &lines)?);
        Some(Hit { book, matched, likeness: titles.likeness(book, &words) })
    };
    let mut hits: Vec<Hit> = (0..books.len()).filter_map(matches).collect();
    if hits.is_empty() {
        hits = (0..books.len()).filter_map(|book| titles.guess(book, &words)).collect();
    }
    let length = |h: &Hit| h.matched.as_ref().map_or(0, String::len);
    hits.sort_by(|a, b| length(b).cmp(&length(a)).then(b.likeness.total_cmp(&a.likeness)));
    hits
}

/// The words of all names and titles.
struct Titles {
    /// Of each runbook: the first word of its name, which is its subject (`ssh-refused`).
    subjects: Vec<Option<String>>,
    names: Vec<BTreeSet<String>>,
    /// Words of title and name.
    words: Vec<BTreeSet<String>>,
    /// How much a word tells: the more, the fewer runbooks have it.
    weights: BTreeMap<String, f64>,
}

impl Titles {
    fn new(books: &[&Runbook]) -> Self {
        let in_name = |b: &Runbook| words(&b.name.replace('-', " ")).collect::<Vec<_>>();
        let names: Vec<Vec<String>> = books.iter().map(|b| in_name(b)).collect();
        let titles = books.iter().zip(&names).map(|(b, name)| words(&b.title).chain(name.iter().cloned()).collect());
        let titles: Vec<BTreeSet<String>> = titles.collect();
        let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
        titles.iter().flatten().for_each(|w| *counts.entry(w).or_default() += 1);
        let weight = |n: usize| ((1 + books.len()) as f64 / n as f64).ln();
        Self {
            weights: counts.into_iter().map(|(w, n)| (w.clone(), weight(n))).collect(),
            subjects: names.iter().map(|n| n.first().cloned()).collect(),
            names: names.into_iter().map(|n| n.into_iter().collect()).collect(),
            words: titles,
        }
    }

    fn weight<'a>(&self, words: impl Iterator<Item = &'a String>) -> f64 {
        words.filter_map(|w| self.weights.get(w)).sum()
    }

    /// The largest part of a title that one line has, 1 where it has the whole name.
    fn likeness(&self, book: usize, lines: &[BTreeSet<String>]) -> f64 {
        let whole = self.weight(self.words[book].iter());
        let part = |line: &BTreeSet<String>| match self.names[book].is_subset(line) {
            true => 1.0,
            false => self.weight(line.intersection(&self.words[book])) / whole,
        };
        lines.iter().map(part).max_by(f64::total_cmp).unwrap_or_default()
    }

    /// A runbook that one line names. Without its subject a line is about something else, whatever else it has in common
    /// with the title ("curl: … Connection refused").
    fn guess(&self, book: usize, lines: &[BTreeSet<String>]) -> Option<Hit> {
        let subject = self.subjects[book].as_ref()?;
        let about: Vec<_> = lines.iter().filter(|l| l.contains(subject)).cloned().collect();
        let likeness = self.likeness(book, &about);
        (likeness >= LIKE_ENOUGH).then_some(Hit { book, matched: None, likeness })
    }
}

/// The longest part that one of its patterns matches, in any line or in a text that somebody's terminal has wrapped.
fn matched(book: &Runbook, lines: &[String]) -> Option<String> {
    let found = book.answers.iter().flat_map(|p| lines.iter().filter_map(|l| p.0.find(l)));
    found.map(|m| m.as_str().to_owned()).max_by_key(String::len)
}

/// The text's lines without what terminals, mails and chats add, and each two that belong together as one.
fn lines(pasted: &str) -> Vec<String> {
    let plain: String = without_escapes(pasted)
        .chars()
        .map(|c| match c {
            '‘' | '’' => '\'',
            '“' | '”' => '"',
            '\u{a0}' => ' ',
            c => c,
        })
        .collect();
    let quoted =
        |l: &str| l.trim_start_matches(|c: char| c.is_whitespace() || "><|│*#".contains(c)).trim_end().to_owned();
    let single: Vec<String> = plain.lines().map(quoted).filter(|l| !l.is_empty()).take(2000).collect();
    let pairs: Vec<String> = single.windows(2).flat_map(|w| [format!("{} {}", w[0], w[1]), w.concat()]).collect();
    single.into_iter().chain(pairs).map(|l| l.chars().take(2000).collect()).collect()
}

/// Without the sequences that colour and move (ECMA-48, 5.4 and 8.3.89).
fn without_escapes(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('\u{1b}', Some('[')) => {
                rest.next();
                while rest.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
            }
            ('\u{1b}', Some(']')) => while rest.next().is_some_and(|c| c != '\u{7}' && c != '\u{1b}') {},
            ('\r', _) => out.push('\n'),
            (c, _) if c.is_control() && c != '\n' && c != '\t' => {}
            (c, _) => out.push(c),
        }
    }
    out
}

/// Its words of three letters and more, in lower case. Numbers and addresses are another host's.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let word = |c: char| !(c.is_alphanumeric() || c == '_' || c == '-');
    text.split(word)
        .map(|w| w.trim_matches('-').to_lowercase())
        .filter(|w| w.chars().count() > 2 && w.chars().any(char::is_alphabetic) && !COMMON.contains(&w.as_str()))
}

/// Words that say nothing of a trouble.
const COMMON: &[&str] = &[
    "the", "and", "for", "not", "with", "that", "this", "from", "are", "was", "has", "have", "can", "but", "you",
    "your", "all", "any", "its", "who", "what", "when", "where", "which", "will", "does", "did", "get", "got", "one",
    "two", "new", "see", "use", "now", "help", "please", "host", "error", "failed", "nov", "dec", "jan", "feb", "mar",
    "apr", "may", "jun", "jul", "aug", "sep", "oct", "mon", "tue", "wed", "thu", "fri", "sat", "sun",
];
