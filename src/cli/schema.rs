//! `runbook schema`.

use super::{Failure, say};
use crate::report::schema;

#[derive(clap::Args, Debug)]
#[command(after_help = "runbook schema >runbook.schema.json, and as the first line of a runbook:\n\
                        # yaml-language-server: $schema=runbook.schema.json")]
pub(super) struct Args {
    /// Where runbooks are: what is in its `modules/` is known too
    #[arg(default_value = ".")]
    directory: std::path::PathBuf,
}

pub(super) fn run(a: &Args) -> Result<u8, Failure> {
    say(&format!("{:#}\n", schema::json(&a.directory)));
    Ok(crate::apply::exit::OK)
}
