//! An error as a person reads it: the source line, a caret and a hint.

use std::borrow::Cow;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Element, Level, Renderer, Snippet, normalize_untrusted_str};

use super::diagnostic::Diagnostic;
use super::source::Source;

/// Sentences quote what a file says; more than this of it helps nobody.
const LONGEST_SENTENCE: usize = 400;
/// Bytes of a source line that are handed on to be cut to the width.
const LONGEST_LINE: usize = 4000;
/// Marks this many lines apart may have the lines between them shown; further ones are folded.
const NEAR: usize = 8;

impl Diagnostic {
    /// The error with its source line, a caret and the hint, without a final line break.
    ///
    /// `width` is the terminal's (columns); longer source lines are cut around the caret, hints
    /// are wrapped. Control characters, escapes and direction overrides come out as visible
    /// symbols wherever they came from.
    pub fn render(&self, colour: bool, width: usize) -> String {
        let width = width.clamp(40, 200);
        let renderer = match colour {
            true => Renderer::styled(),
            false => Renderer::plain(),
        };
        let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(width.saturating_sub(6));
        let title = Level::ERROR.primary_title(safe(&self.message));
        let hint = self.hint.as_deref().map(|hint| {
            let text = wrap(&safe(hint), width.saturating_sub(14));
            Element::from(Level::HELP.with_name("hint").message(text))
        });
        let windows = self.windows(width.saturating_sub(24));
        let snippets = windows.iter().map(Window::snippet);
        let text = renderer.render(&[title.elements(snippets.chain(hint))]);
        windows.iter().fold(text, |text, window| window.true_column(text))
    }

    /// One window for each text that the error points into, the error's own first; a further one
    /// where marks are more than `columns` apart, which would not fit side by side.
    fn windows(&self, columns: usize) -> Vec<Window<'_>> {
        let labels = self.also.iter().map(|(spot, label)| (spot, Some(label.as_str())));
        let primary = self.spot.iter().map(|spot| (spot, None));
        let mut groups: Vec<(&Source, Range<usize>, Vec<Mark<'_>>)> = Vec::new();
        for (spot, label) in primary.chain(labels) {
            let (source, bytes) = spot.resolve();
            let bytes = shorten(source, source.clamp(bytes), columns);
            let line = source.line_range(source.line_of(bytes.start)).start;
            let from = wide(&source.text()[line..bytes.start]);
            let to = from + wide(&source.text()[bytes.clone()]).max(1);
            let mark = Mark { bytes, label };
            let group = groups.iter_mut().find(|(other, taken, _)| {
                let all = taken.start.min(from)..taken.end.max(to);
                std::ptr::eq(*other, &**source) && all.len() <= columns
            });
            match group {
                Some((_, taken, marks)) => {
                    *taken = taken.start.min(from)..taken.end.max(to);
                    marks.push(mark);
                }
                None => groups.push((source, from..to, vec![mark])),
            }
        }
        let windows = groups.into_iter();
        windows.map(|(source, _, marks)| Window::new(source, marks)).collect()
    }
}

#[derive(Clone)]
struct Mark<'a> {
    /// clamped, of the source
    bytes: Range<usize>,
    /// `None` for the error itself
    label: Option<&'a str>,
}

/// What of a text is shown: the lines from the first mark to the last. Very long lines are cut
/// here, and unmarked lines that will be folded are emptied, so that the cost of an error does
/// not grow with the file; annotate-snippets then cuts to the width.
struct Window<'a> {
    source: &'a Source,
    first_line: usize,
    text: String,
    /// marks with their bytes of `text`
    marks: Vec<Mark<'a>>,
    /// the first mark's place as the cut text has it, and as it is
    columns: Option<(String, String)>,
}

impl<'a> Window<'a> {
    fn new(source: &'a Source, marks: Vec<Mark<'a>>) -> Self {
        let on: Vec<usize> = marks.iter().map(|mark| source.line_of(mark.bytes.start)).collect();
        let first_line = on.iter().copied().min().unwrap_or(0);
        let last_line = on.iter().copied().max().unwrap_or(0);
        let mut text = String::new();
        let mut shown = marks.clone();
        let mut columns = None;
        for line in first_line..=last_line {
            let mine: Vec<usize> = (0..on.len()).filter(|at| on[*at] == line).collect();
            let range = source.line_range(line);
            let kept = match mine.iter().map(|at| marks[*at].bytes.start).min() {
                Some(start) => cut(source, range, start),
                None if last_line - first_line <= NEAR && range.len() <= LONGEST_LINE => range,
                None => range.start..range.start,
            };
            let blank = kept.is_empty() && !mine.is_empty() && first_line < last_line;
            for at in mine {
                let shift = |byte: usize| byte.clamp(kept.start, kept.end) - kept.start + text.len();
                let bytes = &marks[at].bytes;
                shown[at].bytes = shift(bytes.start)..shift(bytes.end);
                let (number, column) = source.line_column(bytes.start);
                let (_, from) = source.line_column(kept.start);
                if at == 0 && from > 1 {
                    let name = safe(source.name());
                    let wrong = format!("{name}:{number}:{}", column + 1 - from);
                    columns = Some((wrong, format!("{name}:{number}:{column}")));
                }
            }
            text.push_str(&visible(&source.text()[kept]));
            // a mark needs something to stand on: the crate moves it off an empty last line
            text.push_str(if blank { " \n" } else { "\n" });
        }
        text.pop();
        Self { source, first_line, text, marks: shown, columns }
    }

    fn snippet(&self) -> Element<'_> {
        let annotations = self.marks.iter().map(|mark| {
            let kind = match mark.label {
                None => AnnotationKind::Primary,
                Some(_) => AnnotationKind::Context,
            };
            kind.span(mark.bytes.clone()).label(mark.label.map(safe))
        });
        Snippet::source(self.text.as_str())
            .path(safe(self.source.name()))
            .line_start(self.first_line + 1)
            .annotations(annotations)
            .into()
    }

    /// The column in the head of the snippet is that of the cut line: puts the true one there.
    fn true_column(&self, text: String) -> String {
        let Some((wrong, right)) = &self.columns else {
            return text;
        };
        let head = text.find('\n').unwrap_or(0);
        match text[head..].find(wrong) {
            Some(at) => {
                let at = head + at;
                format!("{}{right}{}", &text[..at], &text[at + wrong.len()..])
            }
            None => text,
        }
    }
}

/// A mark's first characters, where it is wider than what is shown.
fn shorten(source: &Source, mark: Range<usize>, columns: usize) -> Range<usize> {
    let mut taken = 0;
    let mut chars = source.text()[mark.clone()].char_indices();
    let past = chars.find(|(_, c)| {
        taken += cells(*c);
        taken > columns
    });
    past.map_or(mark.clone(), |(at, _)| mark.start..mark.start + at)
}

/// About the columns that a text takes.
fn wide(text: &str) -> usize {
    text.chars().map(cells).sum()
}

/// About the columns that a character takes: a tab is shown as four spaces, and what may be wide
/// counts as wide.
fn cells(c: char) -> usize {
    match c {
        '\t' => 4,
        '\u{1100}'.. => 2,
        _ => 1,
    }
}

/// The part of a long line around a mark.
fn cut(source: &Source, line: Range<usize>, mark: usize) -> Range<usize> {
    if line.len() <= LONGEST_LINE {
        return line;
    }
    let floor = |at: usize| source.text().floor_char_boundary(at).max(line.start);
    let start = floor(mark.saturating_sub(LONGEST_LINE / 4));
    start..floor((start + LONGEST_LINE).min(line.end))
}

/// Text that cannot move the cursor, on one line and of a bounded length.
fn safe(text: &str) -> String {
    let text = text.replace(['\n', '\r', '\t'], " ");
    let cut = match text.char_indices().nth(LONGEST_SENTENCE) {
        Some((at, _)) => Cow::Owned(format!("{}…", &text[..at])),
        None => Cow::Borrowed(text.as_str()),
    };
    normalize_untrusted_str(&visible(&cut))
}

/// Replaces what the crate's table lacks, each by a character of as many bytes, so that spans
/// stay right: C1 controls (8-bit terminals obey them), U+2028 and U+2029 (line breaks to some).
fn visible(text: &str) -> Cow<'_, str> {
    let replace = |c: char| match c {
        '\u{80}'..='\u{9f}' => '·',
        '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' => '\u{fffd}',
        _ => c,
    };
    match text.chars().all(|c| replace(c) == c) {
        true => Cow::Borrowed(text),
        false => text.chars().map(replace).collect(),
    }
}

/// Breaks at spaces; a word longer than the width stays whole (it may be a command to copy).
fn wrap(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            out.push('\n');
            column = 0;
        } else if !out.is_empty() {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}
