//! `runbook new`: a runbook that lints, with fixtures that it passes, to be changed from there.

use std::path::PathBuf;

use super::test::try_one;
use super::{Failure, say};
use crate::apply::exit;
use crate::report::tried::Outcome;
use crate::{book, fixture};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Its name: a word of lower-case letters, digits and dashes
    name: String,
    /// Where to put it
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

/// Each fixture with its description.
const FIXTURES: &[(&str, &str)] = &[
    ("healthy", include_str!("new/healthy.yaml")),
    ("stopped", include_str!("new/stopped.yaml")),
    ("denied", include_str!("new/denied.yaml")),
];

pub(super) fn run(a: &Args) -> Result<u8, Failure> {
    let name = a.name.strip_suffix(".yaml").unwrap_or(&a.name);
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if name.is_empty() || name.starts_with('-') || !name.bytes().all(plain) {
        return Err(Failure::usage(format!("\"{name}\" is no name for a runbook"), "like: mail-queue"));
    }
    let file = match a.dir.as_os_str().to_str() {
        Some(".") => PathBuf::from(format!("{name}.yaml")),
        _ => a.dir.join(format!("{name}.yaml")),
    };
    let folder = fixture::folder(&file);
    if let Some(there) = [&file, &folder].into_iter().find(|p| p.exists()) {
        return Err(Failure::usage(format!("{} is there already", there.display()), "take another name"));
    }
    let write = |path: &PathBuf, text: &str| {
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        made.and_then(|()| std::fs::write(path, text.replace("NAME", name))).map_err(|e| {
            Failure::usage(format!("{}: {e}", path.display()), "is the folder writable, and is there room?")
        })
    };
    write(&file, include_str!("new/runbook.yaml"))?;
    let book = book::load(&file)?;
    let runtime = super::runtime()?;
    for (fixture, text) in FIXTURES {
        write(&folder.join(fixture).join(fixture::HOST), text)?;
        if let Outcome::Failed(why) = runtime.block_on(try_one(&book, &folder, fixture, true)) {
            return Err(Failure::Usage(why, None));
        }
    }
    let (file, folder) = (file.display(), folder.display());
    let lines = [
        (format!("{file}"), "the runbook: change it"),
        (format!("{folder}/"), "the hosts that it is tried on"),
        (format!("runbook lint {file}"), "is it right?"),
        (format!("runbook test {file}"), "what does it make of these hosts?"),
        (format!("runbook test {file} --update"), "write that down, when it is what you want"),
        (format!("runbook plan {file} -t HOST"), "and of a real host? nothing is changed"),
    ];
    let wide = lines.iter().map(|l| l.0.chars().count()).max().unwrap_or(0);
    say(&lines.iter().map(|(what, why)| format!("{what:wide$}   {why}\n")).collect::<String>());
    Ok(exit::OK)
}
