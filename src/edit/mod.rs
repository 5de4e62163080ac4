//! Pure text editors: `(&[u8], &Spec) -> Result<Edited, EditError>`, one file each.
//!
//! What all of them promise, whatever the bytes (any encoding, invalid UTF-8, NUL):
//!
//! - Every byte that was not asked for is kept. A line keeps its ending, a new line takes the ending of the line
//!   above it (else below it, else LF). Only LF ends a line, with the CR before it if there is one; a lone CR is text.
//! - A line added to the end of a file without a final newline gets a newline *before* it, and the file still ends
//!   without one. Removing a line removes exactly its bytes. (An empty last line needs its newline to exist, and has it.)
//! - A UTF-8 byte order mark stays in front, and `^` matches behind it.
//! - `edit(edit(x)) == edit(x)`, byte for byte; the second time `touched` is empty.
//!
//! `sshd_config` edits a tree of files that include each other, and takes a byte order mark for text, as sshd does.

pub mod authorized_keys;
pub mod block;
pub mod comment;
mod error;
pub mod firewall;
pub mod fstab;
pub mod hosts_access;
pub mod ini;
#[cfg(test)]
mod laws;
pub mod line;
mod lines;
mod managed;
pub mod references;
pub mod replace;
pub mod sshd_config;

pub use error::EditError;
pub use managed::managed_by;

use lines::Line;
use regex::bytes::{Regex, RegexBuilder};

/// What an editor answers: the whole new text, and the lines in which it differs from the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The new text; equal to the old one if there was nothing to do.
    pub bytes: Vec<u8>,
    /// One entry per line, in the order of the old text.
    pub touched: Vec<Touched>,
}

impl Edited {
    /// Whether there was anything to do.
    #[must_use]
    pub fn changed(&self) -> bool {
        !self.touched.is_empty()
    }
}

/// One line that an editor changed (`before` and `after`), added (`after` alone) or removed (`before` alone).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// Counted from 1, in the *old* text; for an added line, the old line that it comes before
    /// (one more than there are lines, at the end).
    pub line: usize,
    /// The old line without its ending.
    pub before: Option<Vec<u8>>,
    /// The new line without its ending.
    pub after: Option<Vec<u8>>,
}

/// Where something goes that is not in the file yet.
#[derive(Debug, Clone, Default)]
pub enum Place {
    /// Before the first line (Ansible's `BOF`).
    Start,
    /// After the last line.
    #[default]
    End,
    /// After the last line that matches; at the end if none does, as in Ansible's `insertafter`.
    After(Regex),
    /// Before the first line that matches, so that `^Match` means "still in the global part of sshd_config"
    /// (Ansible's `insertbefore` takes the last one); at the end if none does.
    Before(Regex),
}

impl Place {
    /// The index of the line to insert before; `lines.len()` is the end.
    fn find(&self, lines: &[Line<'_>]) -> usize {
        match self {
            Self::Start => Some(0),
            Self::End => None,
            Self::After(pattern) => matches(pattern, lines).last().map(|(_, last)| last + 1),
            Self::Before(pattern) => matches(pattern, lines).first().map(|(first, _)| *first),
        }
        .unwrap_or(lines.len())
    }
}

/// Whether an expression says a line break, and so means several lines at a time.
#[must_use]
pub fn spans_lines(source: &str) -> bool {
    let mut escaped = false;
    source.chars().any(|c| {
        let line_break = c == '\n' || escaped && c == 'n';
        escaped = c == '\\' && !escaped;
        line_break
    })
}

/// Where an expression matches: the first and the last line of each match. One that says a line break sees all lines, with
/// LF between them; any other one line at a time.
fn matches(pattern: &Regex, lines: &[Line<'_>]) -> Vec<(usize, usize)> {
    if !spans_lines(pattern.as_str()) {
        let matching = |(at, line): (usize, &Line<'_>)| pattern.is_match(line.text).then_some((at, at));
        return lines.iter().enumerate().filter_map(matching).collect();
    }
    let mut text = Vec::new();
    let mut starts = Vec::with_capacity(lines.len());
    for line in lines {
        starts.push(text.len());
        text.extend_from_slice(line.text);
        text.push(b'\n');
    }
    // The line that a byte is in; a match that ends with a line break ends in the line before it.
    let line_of = |at: usize| starts.partition_point(|start| *start <= at).saturating_sub(1);
    pattern
        .find_iter(&text)
        .filter(|m| !lines.is_empty() && m.start() < text.len())
        .map(|m| (line_of(m.start()), line_of(m.end().saturating_sub(1).max(m.start()))))
        .collect()
}

/// Compiles a regular expression the way that every editor expects it: over bytes, `^` and `$` at line ends.
///
/// Unicode is off, so `.` is any byte but LF (also one that is not UTF-8), and `\d`, `\s`, `\w` and `(?i)` are ASCII;
/// a non-ASCII literal still matches its UTF-8 bytes, and `(?u)` turns Unicode on.
/// Syntax: <https://docs.rs/regex/1/regex/#syntax>.
///
/// # Errors
/// [`EditError::Pattern`] if it does not compile.
pub fn pattern(source: &str) -> Result<Regex, EditError> {
    RegexBuilder::new(source).unicode(false).multi_line(true).build().map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        let problem = last.trim().trim_start_matches("error: ").to_owned();
        EditError::Pattern { pattern: source.to_owned(), problem }
    })
}
