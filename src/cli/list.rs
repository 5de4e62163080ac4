//! `runbook list`.

use super::{Failure, Output, say};
use crate::book::{SHIPPED, find};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// How to say it: human or json
    #[arg(short = 'o', long, value_enum, default_value = "human")]
    output: Output,
}

pub(super) fn run(a: &Args) -> Result<u8, Failure> {
    let mut rows = Vec::new();
    for s in SHIPPED.iter() {
        let b = find(s.name)?;
        rows.push((s.name, b.title, b.answers));
    }
    if a.output == Output::Human {
        let width = rows.iter().map(|r| r.0.len()).max().unwrap_or(0);
        for (name, title, _) in &rows {
            say(&format!("{name:<width$}  {title}\n"));
        }
        say("\nrunbook show NAME explains one; runbook plan NAME looks and changes nothing.\n");
    } else {
        let list: Vec<_> = rows
            .iter()
            .map(|(n, t, a)| serde_json::json!({"name": n, "title": t, "answers": a, "source": "shipped"}))
            .collect();
        say(&format!("{}\n", serde_json::json!({"schema": 1, "runbooks": list})));
    }
    Ok(crate::apply::exit::OK)
}
