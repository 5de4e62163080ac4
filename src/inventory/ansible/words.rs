//! Words as Python's `shlex.split` has them, in its posix mode.

use std::ops::Range;

/// A word, and the bytes that it was written in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub text: String,
    pub bytes: Range<usize>,
}

/// What a `#` outside of quotes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comments {
    /// It begins a comment, wherever it stands (`comments=True`): in a line of an inventory.
    Yes,
    /// A character like any other: in a command line.
    No,
}

/// The words of a line; an error is shlex's own words, and where.
pub(super) fn split(line: &str, comments: Comments) -> Result<Vec<Word>, (&'static str, usize)> {
    let mut out = Vec::new();
    let mut word: Option<(String, usize)> = None;
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => finish(&mut out, &mut word, at),
            '#' if comments == Comments::Yes => {
                finish(&mut out, &mut word, at);
                return Ok(out);
            }
            '\\' => {
                let (_, next) = chars.next().ok_or(("nothing follows the backslash", at))?;
                word.get_or_insert((String::new(), at)).0.push(next);
            }
            '\'' | '"' => {
                let text = &mut word.get_or_insert((String::new(), at)).0;
                loop {
                    match chars.next().ok_or(("the quote that opens here is not closed", at))?.1 {
                        end if end == c => break,
                        '\\' if c == '"' => {
                            let (_, next) = chars.next().ok_or(("the quote that opens here is not closed", at))?;
                            if next != '"' && next != '\\' {
                                text.push('\\');
                            }
                            text.push(next);
                        }
                        other => text.push(other),
                    }
                }
            }
            other => word.get_or_insert((String::new(), at)).0.push(other),
        }
    }
    finish(&mut out, &mut word, line.len());
    Ok(out)
}

fn finish(out: &mut Vec<Word>, word: &mut Option<(String, usize)>, end: usize) {
    if let Some((text, start)) = word.take() {
        out.push(Word { text, bytes: start..end });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_shlexs() {
        let words =
            |line| split(line, Comments::Yes).map(|w| w.into_iter().map(|w| w.text).collect::<Vec<_>>().join("|"));
        for (line, out) in [
            ("a b=1", "a|b=1"),
            ("a b='x y' \"c=d e\"  # end", "a|b=x y|c=d e"),
            ("a b=c#d", "a|b=c"),
            ("a b='c#d'", "a|b=c#d"),
            ("a b=\"x\\\"y\\n\\\\\" c='\\n' d=\\'", "a|b=x\"y\\n\\|c=\\n|d='"),
            ("a ''", "a|"),
            ("a b={'c':1}", "a|b={c:1}"),
        ] {
            assert_eq!(words(line), Ok(out.to_owned()), "{line}");
        }
        assert_eq!(split("-o x=a#b", Comments::No).unwrap()[1].text, "x=a#b");
        assert_eq!(split("a b='x", Comments::Yes), Err(("the quote that opens here is not closed", 4)));
        assert_eq!(split("a b\\", Comments::Yes), Err(("nothing follows the backslash", 3)));
        assert_eq!(split("é b=1", Comments::Yes).unwrap()[1].bytes, 3..6);
    }
}
