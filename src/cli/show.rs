//! `runbook show`.

use clap::ValueEnum;

use super::{Failure, say, width};
use crate::source::find;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// A path, a name, or GIT-URL//PATH@REV
    runbook: String,
    /// Format
    #[arg(short, long, value_enum, default_value_t = Page::Human)]
    output: Page,
}

/// The formats of `-o` here.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
enum Page {
    /// For reading in a terminal
    Human,
    /// A page with the decision flow as a Mermaid diagram
    Markdown,
}

pub(super) fn run(a: &Args) -> Result<u8, Failure> {
    let (b, _) = find(&a.runbook)?;
    if a.output == Page::Markdown {
        say(&crate::report::page::markdown(&b));
        return Ok(crate::apply::exit::OK);
    }
    say(&crate::report::guide::human(&b, &a.runbook, width()));
    Ok(crate::apply::exit::OK)
}
