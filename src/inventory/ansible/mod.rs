//! Ansible's inventories: which kind a source is, and what is read of it.
//!
//! A source is tried as Ansible tries it (ansible-core 2.19, `inventory/manager.py`): a list with commas, a directory of
//! sources, then YAML by its ending or without one, then INI. Nothing is run: an inventory script or plugin is refused.
//! What Ansible only warns about and leaves out is an error here.

mod beside;
pub(super) mod connect;
mod ini;
mod literal;
pub(super) mod plugins;
mod resolve;
mod ssh;
mod tree;
mod words;
mod yaml;

use std::path::{Path, PathBuf};

use super::data::{Data, UNGROUPED};
use super::text::{Text, here};
use super::{ours, range};
use crate::book::{Diagnostic, did_you_mean, read_capped, tidy, unreadable};

/// Directories inside each other.
const DEEPEST: usize = 8;
/// Files of one source.
const MOST_FILES: usize = 1_000;

/// Reads sources one after the other.
#[derive(Default)]
pub(super) struct Reader {
    pub data: Data,
    pub errors: Vec<Diagnostic>,
    pub warnings: Vec<Diagnostic>,
    files: usize,
    /// Where files of variables may be, one for each source.
    dirs: Vec<PathBuf>,
}

impl Reader {
    /// A source as the user gave it.
    pub(super) fn source(&mut self, given: &str) {
        let path = Path::new(given);
        if given.contains(',') && !path.exists() {
            return self.list(given);
        }
        let dir = if path.is_dir() { Some(path) } else { path.parent() };
        let dir = dir.filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
        self.path(path, 0);
        self.dirs.push(dir.to_owned());
    }

    /// All sources were read.
    pub(super) fn finish(&mut self) {
        self.errors.extend(self.data.reconcile());
        for dir in std::mem::take(&mut self.dirs) {
            let found = beside::read(&dir, &self.data);
            self.errors.extend(found.errors);
            self.warnings.extend(found.warnings);
            self.data.beside.push(found.beside);
        }
    }

    /// `web1,web2:2222,`: hosts and nothing else.
    fn list(&mut self, given: &str) {
        let text = Text::new("-i", given);
        let mut at = 0;
        for word in given.split(',') {
            let start = at + (word.len() - word.trim_start().len());
            at += word.len() + 1;
            let (word, bytes) = (word.trim(), start..start + word.trim().len());
            if word.is_empty() {
                continue;
            }
            let (name, port) = range::one(word);
            let port =
                port.filter(|p| *p != 0).map(|p| text.given("ansible_port", bytes.clone(), p.into(), bytes.clone()));
            let added = self.data.add_host(name, Some(UNGROUPED), port, text.spot(bytes));
            self.errors.extend(added.err().map(|e| *e));
        }
    }

    fn path(&mut self, path: &Path, deep: usize) {
        if path.is_dir() {
            return self.directory(path, deep);
        }
        self.files += 1;
        if self.files > MOST_FILES {
            if self.files == MOST_FILES + 1 {
                let message = format!("more than {MOST_FILES} files of hosts");
                self.errors.push(Diagnostic::new("unreadable", message).hint("is this the right directory?"));
            }
            return;
        }
        // A pipe may never end; one that the user named is meant.
        let is_file = deep == 0 || path.is_file();
        let read = if is_file { self.file(path) } else { Err(vec![no_file(path)]) };
        let mut errors = read.err().unwrap_or_default();
        errors.extend(self.data.cycles());
        self.errors.extend(tidy(errors, 0));
    }

    fn directory(&mut self, path: &Path, deep: usize) {
        let entries = match files(path) {
            Ok(entries) if deep < DEEPEST => entries,
            Ok(_) => {
                let message = format!("{}: more than {DEEPEST} directories inside each other", path.display());
                let error = Diagnostic::new("unreadable", message).hint("does a link lead back up?");
                return self.errors.push(error);
            }
            Err(e) => return self.errors.push(*e),
        };
        for (name, path) in entries {
            if !is_ignored(&name) {
                self.path(&path, deep + 1);
            }
        }
    }

    fn file(&mut self, path: &Path) -> Result<(), Vec<Diagnostic>> {
        let name = path.display().to_string();
        let text = Text::new(&name, &read_text(path).map_err(|e| vec![*e])?);
        if text.source.text().starts_with("#!") {
            let error =
                Diagnostic::at(text.spot(0..2), "script", "this is an inventory script, and scripts are not run");
            return Err(vec![
                error.hint(format!("ansible-inventory -i {name} --list --yaml > hosts.yaml writes what it says")),
            ]);
        }
        let ending = path.extension().map(|e| e.to_string_lossy().into_owned()).unwrap_or_default();
        if ending == "toml" {
            let error = Diagnostic::at(text.spot(0..1), "script", "Ansible's TOML inventories are not read");
            return Err(vec![
                error.hint(format!("ansible-inventory -i {name} --list --yaml > hosts.yaml writes it as YAML")),
            ]);
        }
        if text.source.text().starts_with("$ANSIBLE_VAULT") {
            let error = Diagnostic::at(text.spot(0..14), "unreadable", "this file is encrypted with ansible-vault");
            let hint = format!(
                "ansible-inventory -i {name} --ask-vault-pass --list --yaml > hosts.yaml writes what it says; or decrypt it for the run"
            );
            return Err(vec![error.hint(hint)]);
        }
        let named = matches!(ending.as_str(), "" | "yml" | "yaml" | "json");
        let must = named && !ending.is_empty() && !looks_like_ini(text.source.text());
        let begins = text.source.text().starts_with("---");
        match yaml::read(&text) {
            Err(errors) if must || begins => return Err(errors),
            Err(_) => {}
            Ok((root, warnings)) => match root.as_ref().and_then(|r| r.entries()) {
                // By another name it is told by its content, as Ansible's plugins try it one after the other.
                Some(entries) if named || begins || is_ours(entries) || tree::is_inventory(entries) => {
                    return self.yaml(&text, entries, warnings);
                }
                None if must => return self.ours(&text),
                _ => {}
            },
        }
        let errors = ini::read(&text, &mut self.data);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn yaml(&mut self, text: &Text, root: &[yaml::Entry], warnings: Vec<Diagnostic>) -> Result<(), Vec<Diagnostic>> {
        if let Some(plugin) = root.iter().find(|e| e.key == "plugin") {
            let name = plugin.node.json();
            let name = name.as_str().unwrap_or("plugin").to_owned();
            let message = format!("this is the configuration of the inventory plugin {name}, and plugins are not run");
            let file = text.source.name();
            let hint = format!("ansible-inventory -i {file} --list --yaml > hosts.yaml writes what it finds");
            return Err(vec![Diagnostic::at(text.spot(plugin.bytes.clone()), "script", message).hint(hint)]);
        }
        if is_ours(root) || !tree::is_inventory(root) && !nearly_ansible(root) {
            return self.ours(text);
        }
        let (errors, skipped) = tree::read(text, root, &mut self.data);
        self.warnings.extend(warnings.into_iter().chain(skipped));
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn ours(&mut self, text: &Text) -> Result<(), Vec<Diagnostic>> {
        let doc = crate::book::Document::parse(text.source.name(), text.source.text().as_bytes())?;
        ours::read(text, &doc.root(), &mut self.data)
    }
}

/// A map of our own.
fn is_ours(root: &[yaml::Entry]) -> bool {
    root.iter().any(|e| matches!(e.key.as_str(), "hosts" | "groups"))
}

/// Groups without anything in them, and no word of ours misspelt.
fn nearly_ansible(root: &[yaml::Entry]) -> bool {
    let misspelt = |e: &yaml::Entry| did_you_mean(&e.key, ["hosts", "groups"].into_iter()).is_some();
    root.iter().all(|e| e.node.is_null() && !misspelt(e))
}

/// The first line that says something is a section.
fn looks_like_ini(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with(['#', ';']));
    lines.next().is_some_and(|l| l.starts_with('[') && l.contains(']') && !l.contains(','))
}

/// What a directory of inventories may hold beside them.
fn is_ignored(name: &str) -> bool {
    const ENDINGS: &[&str] =
        &[".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry"];
    let folder = matches!(name, "host_vars" | "group_vars" | "vars_plugins");
    folder || name.starts_with('.') || ENDINGS.iter().any(|e| name.ends_with(e))
}

/// The entries of a directory by name.
fn files(dir: &Path) -> Result<Vec<(String, PathBuf)>, Box<Diagnostic>> {
    let failed = |e: &std::io::Error| Box::new(unreadable(&dir.display().to_string(), e));
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|e| failed(&e))? {
        let entry = entry.map_err(|e| failed(&e))?;
        out.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    out.sort();
    Ok(out)
}

/// What stands beside an inventory, and is no file.
fn no_file(path: &Path) -> Diagnostic {
    let dangles = path.symlink_metadata().is_ok_and(|m| m.is_symlink()) && !path.exists();
    let (what, hint) = match dangles {
        true => ("is a link to nothing", "remove it, or put back what it links to"),
        false => ("is no file", "a pipe or a device there is not read: remove it"),
    };
    Diagnostic::at(here(), "unreadable", format!("{} {what}", path.display())).hint(hint)
}

/// A file's text; comments of an INI file need not be UTF-8.
fn read_text(path: &Path) -> Result<String, Box<Diagnostic>> {
    let name = path.display().to_string();
    let bytes = read_capped(path).map_err(|e| unreadable(&name, &e))?;
    let without = |line: &[u8]| match line.trim_ascii_start() {
        [b'#' | b';', ..] if std::str::from_utf8(line).is_err() => {
            line.iter().map(|b| if b.is_ascii() { *b } else { b'?' }).collect()
        }
        _ => line.to_vec(),
    };
    let bytes: Vec<u8> = bytes.split_inclusive(|b| *b == b'\n').flat_map(without).collect();
    // Too large, UTF-16 and so on are said as of any other file.
    if let Some(error) = crate::book::Document::check(&name, &bytes).into_iter().next() {
        return Err(error.into());
    }
    let text = String::from_utf8(bytes).unwrap_or_default();
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
