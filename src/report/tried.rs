//! What came of fixtures: for reading, for programs, and as JUnit XML, which CI servers show.

use std::fmt::Write;

use serde_json::{Value, json};

use super::printable;

/// A fixture that was tried.
pub struct Tried {
    /// The runbook's file, as it was named.
    pub book: String,
    /// The fixture.
    pub name: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// How it went.
    pub outcome: Outcome,
}

/// How it went.
pub enum Outcome {
    /// As it should.
    Passed,
    /// `expect.yaml` was written.
    Written,
    /// Otherwise: each line says something about it.
    Failed(String),
}

impl Tried {
    /// Whether there is something to mend.
    #[must_use]
    pub fn failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_))
    }
    fn word(&self) -> &'static str {
        match self.outcome {
            Outcome::Passed => "ok",
            Outcome::Written => "written",
            Outcome::Failed(_) => "FAIL",
        }
    }
}

/// A line each, and of those that failed why; then how many.
#[must_use]
pub fn human(all: &[Tried]) -> String {
    let mut out = String::new();
    let mut book = "";
    for t in all {
        if t.book != book {
            book = &t.book;
            let _ = writeln!(out, "{}", printable(book));
        }
        let _ = writeln!(out, "  {:<8}{}", t.word(), printable(&t.name));
        if let Outcome::Failed(why) = &t.outcome {
            for line in printable(why).lines() {
                let _ = writeln!(out, "{}", format!("    {line}").trim_end());
            }
        }
    }
    let failed = all.iter().filter(|t| t.failed()).count();
    let written = all.iter().filter(|t| matches!(t.outcome, Outcome::Written)).count();
    let _ = write!(out, "{} passed", all.len() - failed - written);
    if written > 0 {
        let _ = write!(out, ", {written} written");
    }
    let _ = writeln!(out, "{}", if failed > 0 { format!(", {failed} failed") } else { String::new() });
    out
}

/// One document.
#[must_use]
pub fn document(all: &[Tried]) -> Value {
    let one = |t: &Tried| {
        let why = if let Outcome::Failed(why) = &t.outcome { Some(why) } else { None };
        json!({"runbook": t.book, "fixture": t.name, "outcome": t.word().to_lowercase(), "why": why, "seconds": t.seconds})
    };
    json!({"schema": 1, "fixtures": all.iter().map(one).collect::<Vec<_>>()})
}

/// JUnit XML as Jenkins, GitLab and GitHub read it: a suite a runbook, a case a fixture.
#[must_use]
pub fn junit(all: &[Tried]) -> String {
    let failures = |of: &[&Tried]| of.iter().filter(|t| t.failed()).count();
    let seconds = |of: &[&Tried]| of.iter().map(|t| t.seconds).sum::<f64>();
    let every: Vec<&Tried> = all.iter().collect();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"runbook test\" tests=\"{}\" failures=\"{}\" time=\"{:.3}\">\n",
        all.len(),
        failures(&every),
        seconds(&every)
    );
    let mut rest = every.as_slice();
    while let Some(first) = rest.first() {
        let of = rest.iter().take_while(|t| t.book == first.book).count();
        let (suite, after) = rest.split_at(of);
        let book = xml(&first.book);
        let _ = writeln!(
            out,
            "  <testsuite name=\"{book}\" tests=\"{of}\" failures=\"{}\" time=\"{:.3}\">",
            failures(suite),
            seconds(suite)
        );
        for t in suite {
            let head =
                format!("    <testcase name=\"{}\" classname=\"{book}\" time=\"{:.3}\"", xml(&t.name), t.seconds);
            let _ = match &t.outcome {
                Outcome::Failed(why) => {
                    let first = xml(why.lines().next().unwrap_or_default());
                    writeln!(out, "{head}>\n      <failure message=\"{first}\">{}</failure>\n    </testcase>", xml(why))
                }
                _ => writeln!(out, "{head}/>"),
            };
        }
        out += "  </testsuite>\n";
        rest = after;
    }
    out + "</testsuites>\n"
}

/// Text for XML 1.0, which has no control characters, not even escaped (2.2, Char).
fn xml(text: &str) -> String {
    let mut out = String::new();
    for c in printable(text).chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_told_in_each_form() {
        let tried = |name: &str, outcome| Tried { book: "a.yaml".into(), name: name.into(), seconds: 0.5, outcome };
        let all = [tried("x", Outcome::Passed), tried("y<", Outcome::Failed("-old & \u{1b}\n+new".into()))];
        assert_eq!(
            human(&all),
            "a.yaml\n  ok      x\n  FAIL    y<\n    -old & \\u{1b}\n    +new\n1 passed, 1 failed\n"
        );
        let junit = junit(&all);
        assert!(
            junit.contains("<failure message=\"-old &amp; \\u{1b}\">-old &amp; \\u{1b}\n+new</failure>"),
            "{junit}"
        );
        assert!(junit.contains("tests=\"2\" failures=\"1\" time=\"1.000\""), "{junit}");
        assert_eq!(document(&all)["fixtures"][1]["outcome"], "fail");
    }
}
