//! `runbook list`.

use super::{Failure, Output, say, warn, warning, width};
use crate::book::answer::ErrorPattern;
use crate::report::{printable, wrap};
use crate::source::{Origin, known};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// How to say it; jsonl is json here
    #[arg(short = 'o', long, value_enum, default_value = "human")]
    output: Output,
}

pub(super) fn run(a: &Args) -> Result<u8, Failure> {
    let mut rows = Vec::new();
    let (all, missing) = known()?;
    missing.iter().for_each(|d| warn(&warning(d)));
    for k in all {
        match k.load() {
            Ok(b) => rows.push((k.name, b.title, b.answers, k.origin)),
            Err(_) => warn(&format!("warning: {} has errors: runbook lint {}\n", k.name, k.path())),
        }
    }
    if a.output == Output::Human {
        let wide = rows.iter().map(|r| r.0.len()).max().unwrap_or(0);
        // Beside the names where there is room for a title, else below them.
        let narrow = width() < wide + 40;
        let at = if narrow { 4 } else { wide + 2 };
        let mut from = Origin::Shipped;
        for (name, title, _, origin) in &rows {
            if origin.shown() != from.shown() {
                from = origin.clone();
                say(&format!("\n{}\n", printable(&from.shown())));
            }
            let lines = wrap(title, width().saturating_sub(at));
            if narrow {
                say(&format!("{name}\n"));
            }
            for (n, l) in lines.iter().enumerate() {
                say(&format!("{:<at$}{l}\n", if n == 0 && !narrow { name } else { "" }));
            }
        }
        let last = "runbook show NAME explains one; runbook plan NAME looks and changes nothing.";
        say(&format!("\n{}\n", wrap(last, width()).join("\n")));
    } else {
        let list: Vec<_> = rows
            .iter()
            .map(|(n, t, a, o)| {
                let answers: Vec<&str> = a.iter().map(ErrorPattern::as_str).collect();
                serde_json::json!({"name": n, "title": t, "answers": answers, "source": o.shown()})
            })
            .collect();
        say(&format!("{}\n", serde_json::json!({"schema": 1, "runbooks": list})));
    }
    Ok(crate::apply::exit::OK)
}
