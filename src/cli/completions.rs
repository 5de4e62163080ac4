//! `runbook completions` and `runbook man`.

use clap_complete::Shell;

use super::{Failure, commands, say};
use crate::apply::exit;

#[derive(clap::Args, Debug)]
#[command(after_help = "bash: runbook completions bash >~/.local/share/bash-completion/completions/runbook\n\
                        zsh:  runbook completions zsh >\"${fpath[1]}/_runbook\"\n\
                        fish: runbook completions fish >~/.config/fish/completions/runbook.fish")]
pub(super) struct Args {
    /// For which shell
    shell: Shell,
}

pub(super) fn run(a: &Args) -> Result<u8, Failure> {
    let unknown =
        |e: std::io::Error| Failure::usage(format!("{}: {e}", a.shell), "bash, zsh, fish, elvish or powershell");
    say(&super::complete::registration(&a.shell.to_string()).map_err(unknown)?);
    Ok(exit::OK)
}

#[derive(clap::Args, Debug)]
pub(super) struct ManArgs {
    /// Write a page for each command into this directory (as man1 below a MANPATH); without it the first page is printed
    directory: Option<std::path::PathBuf>,
}

pub(super) fn man(a: &ManArgs) -> Result<u8, Failure> {
    let failed =
        |e: std::io::Error| Failure::usage(format!("the pages cannot be written: {e}"), "a directory that is there");
    match &a.directory {
        Some(dir) => clap_mangen::generate_to(commands(), dir).map_err(failed)?,
        None => {
            let mut out = Vec::new();
            clap_mangen::Man::new(commands()).render(&mut out).map_err(failed)?;
            say(&String::from_utf8_lossy(&out));
        }
    }
    Ok(exit::OK)
}
