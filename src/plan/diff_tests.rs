//! The diff against the texts that the manual shows, and against `diff` and `patch` where the machine has them.

use super::*;
use proptest::prelude::*;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

fn text(old: &str, new: &str) -> String {
    String::from_utf8(unified(old.as_bytes(), new.as_bytes(), "a", "b")).unwrap()
}

#[test]
fn a_change_is_shown_with_three_lines_around_it() {
    let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
    let want = "--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n";
    assert_eq!(text(old, &old.replace('5', "five")), want);
}

#[test]
fn one_line_and_no_line_have_their_own_headers() {
    assert_eq!(text("", "x\n"), "--- a\n+++ b\n@@ -0,0 +1 @@\n+x\n");
    assert_eq!(text("x\ny\n", ""), "--- a\n+++ b\n@@ -1,2 +0,0 @@\n-x\n-y\n");
    assert_eq!(text("x\n", "x\n"), "");
}

#[test]
fn a_missing_newline_is_said() {
    assert_eq!(text("x", "x\n"), "--- a\n+++ b\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+x\n");
    let both = "--- a\n+++ b\n@@ -1,2 +1,2 @@\n-x\n+y\n z\n\\ No newline at end of file\n";
    assert_eq!(text("x\nz", "y\nz"), both);
}

#[test]
fn of_equal_lines_the_last_is_shown() {
    assert_eq!(text("x\nx\ny\n", "x\ny\n"), "--- a\n+++ b\n@@ -1,3 +1,2 @@\n x\n-x\n y\n");
    assert_eq!(text("x\ny\n", "x\nx\ny\n"), "--- a\n+++ b\n@@ -1,2 +1,3 @@\n x\n+x\n y\n");
}

#[test]
fn bytes_are_kept() {
    let diff = unified(b"\xff\r\na\rb\n", b"\xfe\0\r\na\rb\n", "a", "b");
    assert_eq!(diff, b"--- a\n+++ b\n@@ -1,2 +1,2 @@\n-\xff\r\n+\xfe\0\r\n a\rb\n");
}

#[test]
fn a_label_cannot_pass_for_a_line() {
    let diff = unified(b"", b"x\n", "a\n+evil", "b c");
    assert!(diff.starts_with(b"--- \"a\\n+evil\"\n+++ b c\n@@"));
}

#[test]
fn hunks_are_for_printing() {
    let hunks = hunks(b"a\nb", b"a\nc\n");
    assert_eq!(hunks.len(), 1);
    assert_eq!(hunks[0].header, "@@ -1,2 +1,2 @@");
    let lines: Vec<_> = hunks[0].lines.iter().map(|line| (line.tag.sign(), line.text, line.missing_newline)).collect();
    assert_eq!(lines, [(b' ', &b"a"[..], false), (b'-', b"b", true), (b'+', b"c", false)]);
}

/// A directory of its own, gone when dropped, with the texts in `old` and `new`.
struct Files(std::path::PathBuf);

impl Files {
    fn new(old: &[u8], new: &[u8]) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("runbook-diff-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("old"), old).unwrap();
        std::fs::write(dir.join("new"), new).unwrap();
        Self(dir)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn diff(&self) -> Vec<u8> {
        let args = ["-au", "--label", "a", "--label", "b", &self.path("old"), &self.path("new")];
        Command::new("diff").args(args).output().unwrap().stdout
    }

    /// What `patch` makes of `from` with our diff.
    fn patch(&self, from: &str, diff: &[u8], more: &[&str]) -> Vec<u8> {
        std::fs::write(self.0.join("diff"), diff).unwrap();
        let (out, diff) = (self.path("out"), self.path("diff"));
        let args = ["--binary", "-s", "-F0", "-o", &out, "-i", &diff];
        let ran =
            Command::new("patch").args(args).args(more).arg(self.path(from)).stdin(Stdio::null()).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
        std::fs::read(out).unwrap()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn has(program: &str) -> bool {
    let found = ["/usr/bin", "/bin", "/usr/local/bin"].iter().any(|dir| Path::new(dir).join(program).exists());
    if !found {
        eprintln!("skipped: no {program} here");
    }
    found
}

/// Texts of lines that are all different, and edits of some: then there is one shortest script.
fn config() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let edit = proptest::sample::select(vec![0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]);
    let ends = (any::<bool>(), any::<bool>(), any::<bool>());
    (proptest::collection::vec(edit, 0..60), ends).prop_map(|(edits, (crlf, old_cut, new_cut))| {
        let ending: &[u8] = if crlf { b"\xff\r\n" } else { b"\n" };
        let (mut old, mut new) = (Vec::new(), Vec::new());
        for (at, edit) in edits.iter().enumerate() {
            let line = |word: &str| [format!("{word} {at}").as_bytes(), ending].concat();
            old.extend(if *edit == 1 { Vec::new() } else { line("Key") });
            new.extend(match edit {
                0 => line("Key"),
                1 => line("Added"),
                2 => line("Changed"),
                _ => Vec::new(),
            });
        }
        old.truncate(old.len() - usize::from(old_cut && !old.is_empty()));
        new.truncate(new.len() - usize::from(new_cut && !new.is_empty()));
        (old, new)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn as_diff_writes_it((old, new) in config()) {
        if has("diff") {
            let (ours, theirs) = (unified(&old, &new, "a", "b"), Files::new(&old, &new).diff());
            prop_assert_eq!(String::from_utf8_lossy(&ours), String::from_utf8_lossy(&theirs));
        }
    }

    #[test]
    fn patch_takes_it_both_ways(old in "([ab\r\u{0}é]{0,2}\n){0,12}[ab]{0,2}", new in "([ab\r\u{0}é]{0,2}\n){0,12}[ab]{0,2}") {
        let (old, new) = (old.as_bytes(), new.as_bytes());
        let diff = unified(old, new, "a", "b");
        prop_assert_eq!(diff.is_empty(), old == new);
        if has("patch") && !diff.is_empty() {
            let files = Files::new(old, new);
            prop_assert_eq!(files.patch("old", &diff, &[]), new);
            prop_assert_eq!(files.patch("new", &diff, &["-R"]), old);
        }
    }

    #[test]
    fn any_bytes(old in proptest::collection::vec(any::<u8>(), 0..80), new in proptest::collection::vec(any::<u8>(), 0..80)) {
        prop_assert_eq!(unified(&old, &new, "a", "b").is_empty(), old == new);
    }
}
