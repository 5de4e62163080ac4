//! The table at the end: who came to what. Targets that came to the same share a row.

use super::alike::list;
use crate::apply::fleet::badness;
use crate::report::words::{count, wrap};

/// A target's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row<'a> {
    pub name: &'a str,
    pub state: &'static str,
    /// Changes made; where none was, how many there would be.
    pub changes: String,
    pub exit: u8,
}

/// The table's lines, at most `width` columns wide unless a name alone is wider, each with its exit code. The worst comes
/// last: it is what is still on the screen.
pub(super) fn lines(rows: &[Row<'_>], width: usize) -> Vec<(String, Option<u8>)> {
    let mut groups: Vec<(&Row<'_>, Vec<&str>)> = Vec::new();
    for r in rows {
        match groups.iter_mut().find(|g| (g.0.state, &g.0.changes, g.0.exit) == (r.state, &r.changes, r.exit)) {
            Some(g) => g.1.push(r.name),
            None => groups.push((r, vec![r.name])),
        }
    }
    groups.sort_by_key(|g| std::cmp::Reverse(badness(g.0.exit)));
    let head = ["host", "state", "changes", "exit"];
    let widest =
        |of: &dyn Fn(&Row<'_>) -> usize, head: &str| groups.iter().map(|g| of(g.0)).max().unwrap_or(0).max(head.len());
    let state = widest(&|r| r.state.chars().count(), head[1]);
    let changes = widest(&|r| r.changes.chars().count(), head[2]);
    let room = width.saturating_sub(2 + 2 + state + 2 + changes + 2 + head[3].len()).max(20);
    let texts: Vec<Vec<String>> = groups
        .iter()
        .map(|(_, names)| {
            let text = list(names);
            let text = if names.len() > 3 { format!("{}: {text}", count(names.len(), "host")) } else { text };
            wrap(&text, room)
        })
        .collect();
    let host = texts.iter().flatten().map(|l| l.chars().count()).max().unwrap_or(0).max(head[0].len());
    let line = |h: &str, s: &str, c: &str, e: &str| {
        format!("  {h:<host$}  {s:<state$}  {c:>changes$}  {e:>4}").trim_end().to_owned()
    };
    let mut out = vec![(line(head[0], head[1], head[2], head[3]), None)];
    for ((row, _), text) in groups.iter().zip(texts) {
        for (n, l) in text.iter().enumerate() {
            let cells =
                if n == 0 { line(l, row.state, &row.changes, &row.exit.to_string()) } else { line(l, "", "", "") };
            out.push((cells, Some(row.exit)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_alike_share_a_row_and_no_line_is_wide() {
        let names: Vec<String> = (1..=200).map(|n| format!("host-{}-{n}", n % 3)).collect();
        let row = |n: &'static str, state, changes: &str, exit| Row { name: n, state, changes: changes.into(), exit };
        let few = [row("web1", "repaired", "2", 0), row("web2", "repaired", "2", 0), row("db1", "unreachable", "-", 3)];
        let text: Vec<String> = lines(&few, 80).into_iter().map(|l| l.0).collect();
        assert_eq!(
            text,
            [
                "  host        state        changes  exit",
                "  web1, web2  repaired           2     0",
                "  db1         unreachable        -     3",
            ]
        );
        let many: Vec<Row<'_>> =
            names.iter().map(|n| Row { name: n, state: "repaired", changes: "2".into(), exit: 0 }).collect();
        let text = lines(&many, 80);
        assert!(text.iter().all(|l| l.0.chars().count() <= 80), "{text:?}");
        assert!(names.iter().all(|n| text.iter().any(|l| l.0.contains(n.as_str()))));
    }
}
