//! Edits of a table: a client let in, a line taken out. Every other byte stays.

use std::net::IpAddr;

use super::address::plain;
use super::table::{Kind, Table};
use crate::edit::lines::Draft;
use crate::edit::{Edited, Touched};

/// hosts.allow with a line that lets the client in, before line `before` (counted from 1) of it, else at its end. Where
/// the file ends in a line that libwrap does not read, it goes in front of that: the line stays as unread as it was.
#[must_use]
pub fn let_in(allow: &[u8], daemon: &str, client: IpAddr, before: Option<usize>) -> Edited {
    let mut draft = Draft::verbatim(allow);
    let unread =
        Table::parse(super::ALLOW, allow).lines.into_iter().find(|l| l.kind != Kind::NoColon && l.rule().is_none());
    let at = before.into_iter().chain(unread.map(|l| l.first)).min().map_or(draft.lines.len(), |line| line - 1);
    let line = match plain(client) {
        IpAddr::V4(a) => format!("{daemon}: {a}"),
        IpAddr::V6(a) => format!("{daemon}: [{a}]"),
    };
    draft.insert(at, line.into_bytes());
    draft.finish()
}

/// A table with these lines (counted from 1) as comments; a last line that has no newline gets one.
#[must_use]
pub fn comment_out(table: &[u8], first: usize, last: usize) -> Edited {
    let mut draft = Draft::verbatim(table);
    for at in first.saturating_sub(1)..last.min(draft.lines.len()) {
        let old = draft.lines[at].text;
        if !old.starts_with(b"#") {
            draft.set(at, [b"#", old].concat());
        }
    }
    ended(draft.finish())
}

/// With a newline at the end.
#[must_use]
pub fn ended(mut edited: Edited) -> Edited {
    if edited.bytes.is_empty() || edited.bytes.ends_with(b"\n") {
        return edited;
    }
    let crlf = edited.bytes.split(|b| *b == b'\n').next().is_some_and(|l| l.ends_with(b"\r"));
    let (start, count) =
        edited.bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').fold((0, 1), |(_, n), (at, _)| (at + 1, n + 1));
    let text = edited.bytes[start..].to_vec();
    if edited.touched.last().is_none_or(|t| t.line != count) {
        edited.touched.push(Touched { line: count, before: Some(text.clone()), after: Some(text) });
    }
    edited.bytes.extend_from_slice(if crlf { b"\r\n" } else { b"\n" });
    edited
}
