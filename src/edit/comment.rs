//! Lines made into comments, and back.

use super::lines::{Draft, indent};
use super::{EditError, Edited};
use regex::bytes::Regex;

/// Which lines, and what starts a comment.
#[derive(Debug, Clone)]
pub struct Spec {
    /// See [`pattern`](super::pattern).
    pub matching: Regex,
    /// `#`, `;`, `//`, `--`; without blanks.
    pub mark: String,
}

/// What ends a comment that begins with this mark; empty where the end of the line does.
pub(super) fn end_mark(mark: &str) -> &'static str {
    const PAIRS: &[(&str, &str)] = &[
        ("<!--", "-->"),
        ("/*", "*/"),
        ("(*", "*)"),
        ("{-", "-}"),
        ("{#", "#}"),
        ("{%", "%}"),
        ("<%--", "--%>"),
        ("--[[", "]]"),
        ("#[[", "]]"),
        ("#|", "|#"),
        ("<#", "#>"),
    ];
    PAIRS.iter().find(|(begin, _)| *begin == mark).map_or("", |(_, end)| end)
}

/// Puts the mark and a space before every line that matches and is not a comment: `  Port 22` becomes `  # Port 22`.
///
/// The expression sees the whole line with its indentation; the mark goes after the indentation. Blank lines are left. A mark that has an
/// end mark (`<!--`, `/*`) gets that too, behind a space.
///
/// # Errors
/// [`EditError::Text`] if the mark is empty or has blanks, or if a line that matches has the end mark in it.
pub fn comment_out(bytes: &[u8], spec: &Spec) -> Result<Edited, EditError> {
    let mark = mark(spec)?;
    let end = end_mark(&spec.mark).as_bytes();
    let wanted = |text: &[u8]| {
        let rest = &text[indent(text)..];
        !rest.is_empty() && !rest.starts_with(mark) && spec.matching.is_match(text)
    };
    let ends = |text: &[u8]| !end.is_empty() && text.windows(end.len()).any(|w| w == end);
    if super::lines::split(bytes).iter().any(|line| wanted(line.text) && ends(line.text)) {
        return Err(EditError::Text { what: "a line that matches", problem: "has what ends a comment in it" });
    }
    each_line(bytes, |text| {
        let (blanks, rest) = text.split_at(indent(text));
        let tail = if end.is_empty() { Vec::new() } else { [b" ", end].concat() };
        wanted(text).then(|| [blanks, mark, b" ", rest, &tail].concat())
    })
}

/// Takes the mark, and one space after it if there is one, off every comment whose text matches: the inverse of
/// [`comment_out`].
///
/// The text is what comes after the mark and its blanks, and must match from its start (`#\s*REGEX`), so that
/// `PermitRootLogin` does not turn `# The PermitRootLogin option …` into a directive. End the expression with `$` to
/// exclude `# Port 22 is the default`. *All* such lines are changed. A comment within a comment (`## Port 22`) is left.
///
/// # Errors
/// [`EditError::Text`] if the mark is empty or has blanks.
pub fn uncomment(bytes: &[u8], spec: &Spec) -> Result<Edited, EditError> {
    let mark = mark(spec)?;
    let end = end_mark(&spec.mark).as_bytes();
    each_line(bytes, |text| {
        let (blanks, rest) = text.split_at(indent(text));
        let rest = rest.strip_prefix(mark)?;
        let rest = match end {
            b"" => rest,
            end => {
                let inside = rest.trim_ascii_end().strip_suffix(end)?;
                inside.strip_suffix(b" ").unwrap_or(inside)
            }
        };
        let inner = rest.get(indent(rest)..).filter(|inner| !inner.is_empty() && !inner.starts_with(mark))?;
        let wanted = spec.matching.find(inner).is_some_and(|found| found.start() == 0);
        wanted.then(|| [blanks, rest.strip_prefix(b" ").unwrap_or(rest)].concat())
    })
}

fn each_line(bytes: &[u8], new: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Result<Edited, EditError> {
    let mut draft = Draft::new(bytes);
    for at in 0..draft.lines.len() {
        if let Some(text) = draft.lines.get(at).and_then(|line| new(line.text)) {
            draft.set(at, text);
        }
    }
    Ok(draft.finish())
}

fn mark(spec: &Spec) -> Result<&[u8], EditError> {
    match spec.mark.as_bytes() {
        b"" => Err(EditError::Text { what: "comment mark", problem: "is empty" }),
        mark if mark.iter().any(u8::is_ascii_whitespace) => {
            Err(EditError::Text { what: "comment mark", problem: "has blanks" })
        }
        mark => Ok(mark),
    }
}

#[cfg(test)]
mod tests {
    use super::super::laws::{Laws, file};
    use super::super::pattern;
    use super::*;
    use proptest::prelude::*;

    fn spec(source: &str) -> Spec {
        Spec { matching: pattern(source).unwrap(), mark: "#".into() }
    }

    fn text(edited: Result<Edited, EditError>) -> String {
        String::from_utf8(edited.unwrap().bytes).unwrap()
    }

    #[test]
    fn every_match_is_commented_out_after_its_indentation() {
        let old = b"Port 22\r\n  Port 23\n# Port 24\n\nUsePAM yes";
        let new = text(comment_out(old, &spec("Port|^$")));
        assert_eq!(new, "# Port 22\r\n  # Port 23\n# Port 24\n\nUsePAM yes");
        assert_eq!(text(comment_out(b"sshd: ALL\n", &spec("^sshd"))), "# sshd: ALL\n");
    }

    #[test]
    fn every_match_is_uncommented() {
        let old = b"#Port 22\n  # Port 23\n#   Port 24\n# The Port option\n## Port 25\n#\n";
        assert_eq!(
            text(uncomment(old, &spec("Port"))),
            "Port 22\n  Port 23\n  Port 24\n# The Port option\n## Port 25\n#\n"
        );
        assert_eq!(
            text(uncomment(b"# Port 22 is usual\n#Port 22\n", &spec(r"Port \d+$"))),
            "# Port 22 is usual\nPort 22\n"
        );
    }

    #[test]
    fn a_mark_that_has_an_end_mark_gets_it() {
        let spec = |mark: &str| Spec { mark: mark.into(), ..spec("Port") };
        let commented = text(comment_out(b"<a>\n  <Port>22</Port>\n", &spec("<!--")));
        assert_eq!(commented, "<a>\n  <!-- <Port>22</Port> -->\n");
        let back = Spec { matching: pattern("<Port").unwrap(), ..spec("<!--") };
        assert_eq!(text(uncomment(commented.as_bytes(), &back)), "<a>\n  <Port>22</Port>\n");
        let error = comment_out(b"Port /* x */\n", &spec("/*")).unwrap_err();
        assert_eq!(error.to_string(), "a line that matches has what ends a comment in it");
    }

    #[test]
    fn the_mark_is_the_files_own() {
        let spec = |mark: &str| Spec { mark: mark.into(), ..spec("extension") };
        assert_eq!(text(uncomment(b";extension=gd\n", &spec(";"))), "extension=gd\n");
        assert_eq!(comment_out(b"", &spec("")).unwrap_err().to_string(), "comment mark is empty");
        assert_eq!(comment_out(b"", &spec("# ")).unwrap_err().to_string(), "comment mark has blanks");
    }

    proptest! {
        #[test]
        fn laws(old in file(), source in "[aPk#]|\\(# ?\\)\\?\\.\\*|\\^.\\?") {
            let Ok(matching) = pattern(&source) else { return Ok(()) };
            let spec = Spec { matching, mark: "#".into() };
            Laws::of(&old, |bytes| comment_out(bytes, &spec)).hold();
            Laws::of(&old, |bytes| uncomment(bytes, &spec)).hold();
        }

        #[test]
        fn uncomment_undoes_comment_out(old in "([ \t]{0,2}[a-z][a-z ]{0,4}\r?\n){0,5}") {
            let commented = comment_out(old.as_bytes(), &spec("")).unwrap().bytes;
            prop_assert_eq!(text(uncomment(&commented, &spec(""))), old);
        }
    }
}
