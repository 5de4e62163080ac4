//! What every editor promises, checked from outside: shared by the property tests of all of them.

use super::{EditError, Edited};
use proptest::prelude::*;

/// Text of a line: config-like, hostile, or both.
pub fn word() -> impl Strategy<Value = Vec<u8>> {
    let known: [&[u8]; 18] = [
        b"",
        b"a",
        b"b",
        b"Port 22",
        b"#Port 22",
        b"  # a",
        b"## a",
        b"k=v",
        b"k = w",
        b"  j=1",
        b"[s]",
        b"[t] ; x",
        b"k=v \\",
        b"# BEGIN runbook: x",
        b"# END runbook: x",
        b"\xff\0",
        b"a\r",
        b";",
    ];
    prop_oneof![
        6 => proptest::sample::select(known.to_vec()).prop_map(<[u8]>::to_vec),
        1 => "[ak=#\\[\\]; \\\\\r]{0,6}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>().prop_filter("one line", |byte| *byte != b'\n'), 0..6),
    ]
}

/// A file: lines with LF, CRLF or both, with or without a final newline; sometimes a byte order mark; sometimes noise.
pub fn file() -> impl Strategy<Value = Vec<u8>> {
    let endings = proptest::sample::select(vec![vec!["\n"], vec!["\r\n"], vec!["\n", "\r\n"]]);
    let lines = proptest::collection::vec((word(), any::<bool>()), 0..12);
    let text = (endings, lines, any::<bool>(), proptest::bool::weighted(0.1)).prop_map(|(endings, lines, cut, bom)| {
        let mut bytes = if bom { b"\xef\xbb\xbf".to_vec() } else { Vec::new() };
        for (text, second) in &lines {
            bytes.extend_from_slice(text);
            bytes.extend_from_slice(endings[usize::from(*second) % endings.len()].as_bytes());
        }
        if cut && bytes.ends_with(b"\n") {
            bytes.pop();
        }
        bytes
    });
    prop_oneof![9 => text, 1 => proptest::collection::vec(any::<u8>(), 0..40)]
}

/// An old text and what the editor made of it, once and twice.
pub struct Laws<'a> {
    old: &'a [u8],
    once: Result<Edited, EditError>,
    twice: Option<Result<Edited, EditError>>,
}

impl<'a> Laws<'a> {
    pub fn of(old: &'a [u8], edit: impl Fn(&[u8]) -> Result<Edited, EditError>) -> Self {
        let once = edit(old);
        let twice = once.as_ref().ok().map(|edited| edit(&edited.bytes));
        Self { old, once, twice }
    }

    pub fn hold(&self) {
        self.idempotent();
        self.only_touched_lines_differ();
    }

    /// `edit(edit(x)) == edit(x)`, and the second run says that it touched nothing.
    pub fn idempotent(&self) {
        let Ok(once) = &self.once else { return };
        let twice = self.twice.as_ref().unwrap().as_ref().unwrap();
        assert_eq!(&twice.bytes, &once.bytes);
        assert_eq!(twice.touched, []);
        assert_eq!(once.changed(), once.bytes != self.old, "touched nothing and changed nothing are the same");
    }

    /// Replays `touched` on the old text: every other line is in the new text with its bytes, in its place.
    pub fn only_touched_lines_differ(&self) {
        let Ok(edited) = &self.once else { return };
        let bom = |bytes: &[u8]| bytes.starts_with(b"\xef\xbb\xbf");
        assert!(!bom(self.old) || bom(&edited.bytes));
        let skip = if bom(self.old) { 3 } else { 0 };
        let old: Vec<&[u8]> = self.old[skip..].split_inclusive(|byte| *byte == b'\n').collect();
        let mut new = edited.bytes[skip..].split_inclusive(|byte| *byte == b'\n').peekable();
        let mut touched = edited.touched.iter().peekable();
        let crlf = !old.is_empty() && old.iter().all(|line| line.ends_with(b"\r\n"));
        for number in 1..=old.len() + 1 {
            while let Some(added) = touched.next_if(|touched| touched.line == number && touched.before.is_none()) {
                let (line, text) = (new.next().unwrap(), added.after.as_ref().unwrap());
                assert!(
                    line.starts_with(text) && line.len() <= text.len() + 2,
                    "an added line is its text and an ending"
                );
                assert!(!crlf || line.ends_with(b"\r\n"), "CRLF is kept");
            }
            let Some(line) = old.get(number - 1) else {
                break;
            };
            let ending = if line.ends_with(b"\r\n") {
                "\r\n"
            } else if line.ends_with(b"\n") {
                "\n"
            } else {
                ""
            };
            match touched.next_if(|touched| touched.line == number) {
                Some(change) => {
                    assert_eq!(&line[..line.len() - ending.len()], change.before.as_ref().unwrap());
                    let Some(text) = &change.after else { continue };
                    let line = new.next().unwrap();
                    let rest = line.strip_prefix(text.as_slice()).unwrap();
                    assert!(rest == ending.as_bytes() || ending.is_empty() && matches!(rest, b"\n" | b"\r\n"));
                }
                None => {
                    let kept = new.next().unwrap();
                    let rest = kept.strip_prefix(*line).unwrap();
                    assert!(
                        rest.is_empty() || ending.is_empty() && new.peek().is_some(),
                        "an untouched line is untouched"
                    );
                }
            }
        }
        assert!(touched.next().is_none() && new.next().is_none());
        let removed = edited.touched.iter().any(|touched| touched.after.is_none());
        let unended = |bytes: &[u8]| !bytes.is_empty() && !bytes.ends_with(b"\n");
        assert!(removed || !unended(&edited.bytes) || unended(self.old), "a final newline is never lost");
    }
}
