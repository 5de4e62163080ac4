//! Changes to several files of a tree, collected and written out at once.

use super::keywords::{Keyword, Kind};
use super::syntax::{self, Parsed};
use super::{Error, Tree, complaint, keywords};
use crate::edit::Touched;
use crate::edit::lines::Draft;
use std::collections::BTreeMap;

/// What an edit comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits {
    /// The files that change, with their whole new bytes.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Every line in which they differ, by file and line.
    pub touched: Vec<TouchedLine>,
    /// What a person should know about it, a sentence each.
    pub notes: Vec<String>,
}

/// One line that is changed (`before` and `after`), added (`after` alone) or taken away (`before` alone).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TouchedLine {
    pub file: String,
    /// Counted from 1 in the old file; for an added line, the old line that it comes before.
    pub line: usize,
    /// The old line without its ending.
    pub before: Option<Vec<u8>>,
    /// The new line without its ending.
    pub after: Option<Vec<u8>>,
}

impl Edits {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

/// Changes on the way.
pub struct Changes<'t> {
    tree: &'t Tree,
    drafts: BTreeMap<&'t str, Draft<'t>>,
    pub notes: Vec<String>,
}

impl<'t> Changes<'t> {
    pub fn new(tree: &'t Tree) -> Self {
        Self { tree, drafts: BTreeMap::new(), notes: Vec::new() }
    }

    pub fn note(&mut self, text: String) {
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    fn draft(&mut self, file: &str) -> Result<&mut Draft<'t>, Error> {
        let Some((name, bytes)) = self.tree.files.get_key_value(file) else {
            return Err(Error::NoFile { file: file.to_owned() });
        };
        if bytes.contains(&0) {
            return Err(Error::Nul { file: file.to_owned() });
        }
        Ok(self.drafts.entry(name).or_insert_with(|| Draft::verbatim(bytes)))
    }

    /// Gives a line (from 1) another text.
    pub fn set(&mut self, file: &str, line: usize, text: Vec<u8>) -> Result<(), Error> {
        self.draft(file)?.set(line.saturating_sub(1), text);
        Ok(())
    }

    /// Puts `#` in front of a line (from 1).
    pub fn comment_out(&mut self, file: &str, line: usize) -> Result<(), Error> {
        let text = self.tree.text(file, line).unwrap_or_default();
        self.set(file, line, [b"#", text].concat())
    }

    pub fn remove(&mut self, file: &str, line: usize) -> Result<(), Error> {
        self.draft(file)?.remove(line.saturating_sub(1));
        Ok(())
    }

    /// Adds a line before line `before` (from 1; one more than there are lines is the end).
    pub fn insert(&mut self, file: &str, before: usize, text: Vec<u8>) -> Result<(), Error> {
        self.draft(file)?.insert(before.saturating_sub(1), text);
        Ok(())
    }

    pub fn finish(self) -> Edits {
        let mut edits = Edits { notes: self.notes, ..Edits::default() };
        for (file, draft) in self.drafts {
            let edited = draft.finish();
            if !edited.changed() {
                continue;
            }
            let touched = |Touched { line, before, after }| TouchedLine { file: file.to_owned(), line, before, after };
            edits.touched.extend(edited.touched.into_iter().map(touched));
            edits.files.insert(file.to_owned(), edited.bytes);
        }
        edits
    }
}

impl Tree {
    /// The line (from 1) of the main file before which a line of this keyword is added, so that it is in the global
    /// part: after a commented default (`#Port 22`), else before the first Match and the comment lines above it, else
    /// at the end.
    pub(super) fn home(&self, keyword: &Keyword) -> usize {
        let lines = crate::edit::lines::split(self.files.get(&self.main).map(Vec::as_slice).unwrap_or_default());
        let block = lines.iter().position(|line| is_match(line.text));
        let before = block.unwrap_or(lines.len());
        if let Some(at) = lines.iter().take(before).position(|line| commented_default(line.text, keyword)) {
            return at + 2;
        }
        match block {
            None => lines.len() + 1,
            Some(_) => above_comments(&lines, before) + 1,
        }
    }

    /// The line (from 1) of a file before which a line stands outside the Match blocks of that file.
    pub(super) fn before_match(&self, file: &str) -> usize {
        let lines = crate::edit::lines::split(self.files.get(file).map(Vec::as_slice).unwrap_or_default());
        let block = lines.iter().position(|line| is_match(line.text));
        block.map_or(lines.len(), |block| above_comments(&lines, block)) + 1
    }

    /// Says so where a file that is changed is read in a Match too.
    pub(super) fn note_second_reading(&self, file: &str, changes: &mut Changes<'_>) {
        let inside = self
            .directives
            .iter()
            .filter(|line| line.file == file)
            .find_map(|line| line.scope.as_ref().filter(|block| !block.everyone && block.file != file).cloned());
        if let Some(block) = inside {
            let criteria = &block.criteria;
            changes.note(format!("{file} is also read inside `Match {criteria}` ({}:{})", block.file, block.line));
        }
    }
}

fn keyword_of(text: &[u8]) -> Option<(&'static Keyword, syntax::Line)> {
    let Parsed::Line(line) = syntax::parse(text) else { return None };
    keywords::find(&String::from_utf8_lossy(&line.keyword)).map(|keyword| (keyword, line))
}

/// Whether a line begins a block.
pub fn is_match(text: &[u8]) -> bool {
    keyword_of(text).is_some_and(|(keyword, _)| keyword.kind == Kind::Match)
}

/// The index of the first of the comment lines directly above line `block` (from 0).
fn above_comments(lines: &[crate::edit::lines::Line<'_>], block: usize) -> usize {
    let comment = |line: &&crate::edit::lines::Line<'_>| line.text.trim_ascii_start().starts_with(b"#");
    block - lines.iter().take(block).rev().take_while(comment).count()
}

/// Whether a line is `#Keyword value` with a value that could stand there: prose that begins with a keyword is not.
fn commented_default(text: &[u8], keyword: &Keyword) -> bool {
    let Some(text) = text.trim_ascii_start().strip_prefix(b"#") else { return false };
    let Some((found, line)) = keyword_of(text) else { return false };
    let Some(args) = super::arguments(text, &line, keyword.raw()) else { return false };
    found.name == keyword.name && !args.is_empty() && complaint::complaint(keyword, keyword.name, &args).is_none()
}
