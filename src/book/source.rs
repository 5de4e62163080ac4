//! One file's text as read, and the arithmetic between bytes, lines and columns.

use std::fmt;
use std::ops::Range;

/// A file's text with the name to print for it.
///
/// The text has no byte order mark. Of a file that was refused before it was decoded it is what
/// an error shows: the first line (too large), or all with U+FFFD in place of bad bytes.
pub struct Source {
    name: String,
    text: String,
    /// byte offset of the first character of each line; a line ends at `\n`
    lines: Vec<usize>,
}

/// The text may hold secrets: only its name is shown.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.name).finish()
    }
}

impl Source {
    /// Takes the text and indexes its lines.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let (name, text) = (name.into(), text.into());
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Self { name, text, lines }
    }

    /// The name to print: a path, or `-e` for a value of the command line.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many lines there are, at least one; what follows the last `\n` counts.
    pub fn line_count(&self) -> usize {
        self.lines.len()
    }

    /// The line of a byte offset, counted from 0; an offset past the end is on the last line.
    pub fn line_of(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset) - 1
    }

    /// The bytes of a line (counted from 0) without its line break; empty past the end.
    pub fn line_range(&self, line: usize) -> Range<usize> {
        let Some(&start) = self.lines.get(line) else {
            return self.text.len()..self.text.len();
        };
        let next = self.lines.get(line + 1).copied();
        let whole = &self.text[start..next.unwrap_or(self.text.len())];
        start..start + whole.trim_end_matches(['\n', '\r']).len()
    }

    /// The text of a line (counted from 0) without its line break.
    pub fn line(&self, line: usize) -> &str {
        &self.text[self.line_range(line)]
    }

    /// Line and column, both from 1, the column in characters.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let offset = self.floor(offset);
        let line = self.line_of(offset);
        let before = &self.text[self.lines[line]..offset];
        (line + 1, before.chars().count() + 1)
    }

    /// The byte offset of a line and column, both from 1, clamped to the line.
    pub fn offset(&self, line: usize, column: usize) -> usize {
        let range = self.line_range(line.saturating_sub(1));
        let text = &self.text[range.clone()];
        let chars = text.char_indices().nth(column.saturating_sub(1));
        chars.map_or(range.end, |(at, _)| range.start + at)
    }

    /// The offset, moved back into the text and onto a character boundary.
    fn floor(&self, offset: usize) -> usize {
        self.text.floor_char_boundary(offset)
    }

    /// The one place that makes a span safe to print: inside the text, on character boundaries,
    /// and on a single line (a longer span keeps its first line). The end of the file stands
    /// after its last text.
    pub fn clamp(&self, span: Range<usize>) -> Range<usize> {
        let start = match self.floor(span.start) {
            end if end == self.text.len() => self.text.trim_end().len(),
            start => start,
        };
        let end = self.floor(span.end).max(start);
        let line = self.line_range(self.line_of(start));
        let end = end.min(line.end.max(start));
        let shown = self.text[start..end].trim_end();
        start..start + shown.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters_and_bytes_come_back() {
        let source = Source::new("a.yaml", "é: ü\r\nb: x\n");
        assert_eq!(source.line_column(0), (1, 1));
        assert_eq!(source.line_column(4), (1, 4));
        assert_eq!(source.line(0), "é: ü");
        assert_eq!(source.line_column(8), (2, 1));
        assert_eq!(source.line_column(999), (3, 1));
        for offset in [0, 2, 4, 8, 9, 13] {
            let (line, column) = source.line_column(offset);
            assert_eq!(source.offset(line, column), offset);
        }
        assert_eq!(source.line(77), "");
    }

    #[test]
    fn a_span_is_clamped_to_its_first_line_and_to_characters() {
        let source = Source::new("a.yaml", "é: ü  \nb: x");
        assert_eq!(source.clamp(1..5), 0..3);
        assert_eq!(source.clamp(0..12), 0..6);
        assert_eq!(source.clamp(90..99), 13..13);
        #[expect(clippy::reversed_empty_ranges)]
        let reversed = 9..3;
        assert_eq!(source.clamp(reversed), 9..9);
    }
}
