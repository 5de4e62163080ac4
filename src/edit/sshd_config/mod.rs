//! Trees of sshd_config files: what they mean to sshd, and edits that change nothing else.
//!
//! Pure: the caller reads and writes the files. Source of the rules: sshd_config(5) and servconf.c of OpenSSH 8.7 to
//! 10.5; `tests/it/sshd_trees.rs` holds them against the real sshd.

mod change;
mod check;
mod complaint;
mod error;
mod fault;
mod fix;
mod glob;
mod keywords;
#[cfg(test)]
mod laws;
mod listen;
mod near;
mod read;
mod repair;
mod said;
mod set;
mod syntax;
mod table;
#[cfg(test)]
mod tests;
mod value;
mod wanted;
mod weigh;

pub use change::{Edits, TouchedLine};
pub use error::Error;
pub use fault::{Fault, faults};
pub use fix::{Fixed, Left, Policy};
pub use keywords::{canonical, is_misspelling};
pub(crate) use near::nearest as nearest_word;
pub use wanted::one_word;
pub use weigh::Meant;

use keywords::{Keyword, Kind};
use read::Step;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The files that sshd reads, and their meaning.
#[derive(Debug, Clone)]
pub struct Tree {
    main: String,
    files: BTreeMap<String, Vec<u8>>,
    directives: Vec<Directive>,
    patterns: Vec<String>,
    endless: bool,
    version: Option<(u32, u32)>,
}

/// A line that sshd understands, in the place where it reads it. A file that is included twice is there twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// As spelled.
    pub keyword: String,
    /// The canonical keyword in lower case, the same for all aliases; as spelled, in lower case, if it is none.
    pub key: String,
    /// Without quotes and escapes. The whole rest of the line, as one, for `ForceCommand`, `VersionAddendum`,
    /// `AuthorizedKeysCommand` and `AuthorizedPrincipalsCommand`, which take even a comment for their value.
    pub args: Vec<String>,
    /// The innermost Match block around it; none in the global part. A Match is in its own block.
    pub scope: Option<Arc<Block>>,
}

/// A Match block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub file: String,
    pub line: usize,
    /// What stands behind `Match`.
    pub criteria: String,
    /// `Match all`, and not inside another block: what it says holds for everybody, before the global part.
    pub everyone: bool,
    /// The block that an Include stood in.
    pub within: Option<Arc<Block>>,
}

impl Directive {
    /// Whether it holds for everybody: outside every Match, or in `Match all`.
    #[must_use]
    pub fn global(&self) -> bool {
        self.scope.as_ref().is_none_or(|block| block.everyone)
    }
}

impl Tree {
    /// `main` is the main file as sshd names it (`/etc/ssh/sshd_config`); `files` has the bytes of every file by its
    /// absolute path. More files than sshd reads are fine: Includes are matched against these names.
    #[must_use]
    pub fn new(main: &str, files: BTreeMap<String, Vec<u8>>) -> Self {
        let mut directives = Vec::new();
        let mut patterns: Vec<String> = Vec::new();
        let mut endless = false;
        for step in read::read(main, &files) {
            endless |= matches!(step, Step::Endless);
            let Step::Line { file, number, text, line, scope } = step else { continue };
            let keyword = String::from_utf8_lossy(&line.keyword).into_owned();
            let known = keywords::find(&keyword);
            if known.is_some_and(|known| known.kind == Kind::Include) {
                patterns.extend(read::patterns_of(&line));
            }
            let raw = known.is_some_and(Keyword::raw);
            let Some(args) = arguments(text, &line, raw).filter(|_| !line.rest_at.is_empty()) else { continue };
            let key = known.map_or_else(|| keyword.to_ascii_lowercase(), Keyword::key);
            directives.push(Directive { file: file.to_owned(), line: number, keyword, key, args, scope });
        }
        patterns.sort();
        patterns.dedup();
        Self { main: main.to_owned(), files, directives, patterns, endless, version: None }
    }

    /// The version of the sshd that reads it, as `(9, 2)`. It decides which of several lines counts for a few
    /// keywords (`MaxStartups`, `IPQoS` …: the last in old versions, the first in new ones). Without it: the last.
    #[must_use]
    pub fn with_version(mut self, version: (u32, u32)) -> Self {
        self.version = Some(version);
        self
    }

    /// The Include patterns that occur anywhere, absolute: the caller may read more files and try again.
    #[must_use]
    pub fn patterns(&self) -> Vec<String> {
        self.patterns.clone()
    }

    /// The bytes of all files, as given.
    #[must_use]
    pub fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.files
    }

    /// Every directive in the order in which sshd reads them.
    #[must_use]
    pub fn directives(&self) -> &[Directive] {
        &self.directives
    }

    /// The lines that decide for everybody: one for most keywords, all for those that accumulate, one for each name
    /// of `Subsystem`. Empty where the default holds. Lines in `Match all` come before the global part, as in sshd.
    #[must_use]
    pub fn values(&self, key: &str) -> Vec<&Directive> {
        let Some(keyword) = keywords::find(key) else { return Vec::new() };
        let found = self.everybodys(keyword);
        match keyword.kind {
            Kind::Appends => found,
            Kind::First | Kind::Mixed => found.into_iter().take(1).collect(),
            Kind::Last(until) => {
                let first = until.zip(self.version).is_some_and(|(until, version)| version >= until);
                let at = if first { found.first() } else { found.last() };
                at.into_iter().copied().collect()
            }
            Kind::PerName => {
                let mut named: Vec<&Directive> = Vec::new();
                for line in found {
                    if !named.iter().any(|seen| seen.args.first() == line.args.first()) {
                        named.push(line);
                    }
                }
                named
            }
            Kind::Dead | Kind::Include | Kind::Match => Vec::new(),
        }
    }

    /// All lines of a keyword that count for everybody, in order; only those in `Match all` if there are any, for
    /// they are read again for each connection and replace the global ones (`parse_server_match_config`).
    fn everybodys(&self, keyword: &Keyword) -> Vec<&Directive> {
        let key = keyword.key();
        let mut found: Vec<&Directive> =
            self.directives.iter().filter(|line| line.key == key && line.global()).collect();
        let again = |line: &&Directive| line.scope.is_some();
        if keyword.in_match && keyword.kind != Kind::PerName && found.iter().any(again) {
            found.retain(again);
        }
        found
    }

    /// The text of a line, without its ending.
    fn text(&self, file: &str, line: usize) -> Option<&[u8]> {
        let lines = crate::edit::lines::split(self.files.get(file)?);
        lines.get(line.checked_sub(1)?).map(|line| line.text)
    }
}

/// The arguments of a line; none if a quote is open.
fn arguments(text: &[u8], line: &syntax::Line, raw: bool) -> Option<Vec<String>> {
    let args = line.args.as_ref().ok()?;
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(match raw {
        true => vec![shown(text.get(line.rest_at.clone())?)],
        false => args.iter().map(|arg| shown(&arg.value)).collect(),
    })
}
