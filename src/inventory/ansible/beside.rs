//! The files of variables beside an inventory: `group_vars/` and `host_vars/` (ansible-core 2.19,
//! `plugins/vars/host_group_vars.py`, `DataLoader.find_vars_files`).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{files, no_file, read_text, tree, yaml};
use crate::book::Diagnostic;
use crate::inventory::data::{Beside, Data, Values};
use crate::inventory::text::{Text, here};

/// Endings of files of variables, in the order in which they are looked for; the empty one is looked for first.
const ENDINGS: &[&str] = &["", ".yml", ".yaml", ".json"];

/// Folders inside each other.
const DEEPEST: usize = 16;

#[derive(Default)]
pub(super) struct Found {
    pub beside: Beside,
    pub errors: Vec<Diagnostic>,
    pub warnings: Vec<Diagnostic>,
}

/// What the files in a directory say of the groups and hosts that are known.
pub(super) fn read(dir: &Path, data: &Data) -> Found {
    let mut out = Found::default();
    let groups = data.groups.iter().map(|g| g.name.as_str());
    let hosts = data.hosts.iter().map(|h| h.name.as_str());
    out.beside.groups = folder(&dir.join("group_vars"), groups, &mut out);
    out.beside.hosts = folder(&dir.join("host_vars"), hosts, &mut out);
    out
}

fn folder<'a>(dir: &Path, names: impl Iterator<Item = &'a str>, out: &mut Found) -> HashMap<usize, Values> {
    let mut found = HashMap::new();
    if !dir.is_dir() {
        return found;
    }
    for (id, name) in names.enumerate() {
        // A host may be named by a path; nothing above the folder is read.
        if name.starts_with('/') || name.split('/').any(|part| part == "..") {
            continue;
        }
        let mut values = Values::new();
        for file in files_of(dir, name, out) {
            values.extend(variables(&file, out));
        }
        if !values.is_empty() {
            found.insert(id, values);
        }
    }
    found
}

fn files_of(dir: &Path, name: &str, out: &mut Found) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for ending in ENDINGS {
        let path = dir.join(format!("{name}{ending}"));
        if path.is_dir() {
            below(&path, DEEPEST, &mut all, out);
        } else if path.is_file() {
            all.push(path);
        } else if path.exists() {
            out.errors.push(no_file(&path));
        } else {
            continue;
        }
        break;
    }
    all
}

/// The files in a folder by name, hidden ones and backups left out.
fn below(dir: &Path, deep: usize, all: &mut Vec<PathBuf>, out: &mut Found) {
    let entries = match files(dir) {
        Ok(entries) if deep > 0 => entries,
        Ok(_) => {
            let message = format!("{}: more than {DEEPEST} folders inside each other", dir.display());
            return out.errors.push(Diagnostic::at(here(), "too-deep", message).hint("does a link lead back up?"));
        }
        Err(e) => return out.errors.push(*e),
    };
    for (name, path) in entries {
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        let ending = Path::new(&name).extension().map(|e| format!(".{}", e.to_string_lossy())).unwrap_or_default();
        if path.is_dir() && ending.is_empty() {
            below(&path, deep - 1, all, out);
        } else if path.is_file() && ENDINGS.contains(&ending.as_str()) {
            all.push(path);
        }
    }
}

fn variables(path: &Path, out: &mut Found) -> Values {
    if !path.is_file() {
        return Values::new();
    }
    let name = path.display().to_string();
    let text = match read_text(path) {
        Ok(text) => text,
        Err(e) => {
            out.errors.push(*e);
            return Values::new();
        }
    };
    let text = Text::new(&name, &text);
    if text.source.text().starts_with("$ANSIBLE_VAULT") {
        let warning = Diagnostic::at(text.spot(0..14), "unreadable", "this file is encrypted with ansible-vault");
        let hint = "its variables are not known here; -e NAME=VALUE gives one";
        out.warnings.push(warning.hint(hint));
        return Values::new();
    }
    match yaml::read(&text) {
        Err(errors) => out.errors.extend(errors),
        Ok((root, warnings)) => {
            out.warnings.extend(warnings);
            match root.as_deref() {
                Some(root) if let Some(entries) = root.entries() => {
                    return entries
                        .iter()
                        .filter_map(|e| tree::given(&text, e).map_err(|e| out.errors.push(*e)).ok())
                        .map(|g| (g.name.clone(), g))
                        .collect();
                }
                Some(root) if !root.is_null() => {
                    let message = format!("a map of variables is expected, and this is {}", root.kind_name());
                    let error = Diagnostic::at(text.spot(root.bytes.clone()), "wrong-type", message);
                    out.errors.push(error.hint("one NAME: VALUE a line"));
                }
                _ => {}
            }
        }
    }
    Values::new()
}
