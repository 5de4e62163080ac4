//! Reading a runbook with all that it includes. Only this file and its parser know YAML.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::answer::ErrorPattern;
use super::decode::{Decoder, Unread};
use super::vars::Vars;
use super::yaml::tidy;
use super::{Call, Diagnostic, Document, Node, Runbook, Source, Step, Text, lint, shipped};
use crate::module::Ty;

const KEYS: &[&str] = &["name", "title", "requires", "answers", "see", "vars", "verify", "handlers", "steps"];

/// A file's text, capped: nothing that a runbook names may exhaust the memory.
pub fn read_text(path: &Path) -> io::Result<String> {
    let bytes = read_capped(path)?;
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

/// A file's bytes, capped.
pub(crate) fn read_capped(path: &Path) -> io::Result<Vec<u8>> {
    use io::Read;
    // One byte more than the parser takes, so that the parser says "too large".
    let mut out = Vec::new();
    std::fs::File::open(path)?.take((super::yaml::LARGEST + 1) as u64).read_to_end(&mut out)?;
    Ok(out)
}

/// A file of variables or hosts.
///
/// # Errors
/// It cannot be read, or is not YAML.
pub fn read_document(path: &str) -> Result<Arc<Document>, Vec<Diagnostic>> {
    let bytes = read_capped(Path::new(path)).map_err(|e| vec![unreadable(path, &e)])?;
    Document::parse(path, &bytes)
}

/// A file that the user named cannot be read.
pub(crate) fn unreadable(path: &str, e: &io::Error) -> Diagnostic {
    let hint = format!("looked for in {}", std::env::current_dir().unwrap_or_default().display());
    Diagnostic::new("unreadable", format!("cannot read {path}: {}", reason(e))).hint(hint)
}

/// Why a file cannot be read, without the number.
pub(super) fn reason(e: &io::Error) -> String {
    match e.kind() {
        io::ErrorKind::NotFound => "there is no such file".into(),
        io::ErrorKind::IsADirectory => "it is a directory".into(),
        io::ErrorKind::PermissionDenied if e.raw_os_error().is_some() => "you may not read it".into(),
        _ => e.to_string(),
    }
}

/// Where files come from.
enum Files {
    /// Below this directory; nothing outside is read.
    Disk(PathBuf),
    /// From inside the binary.
    Shipped,
}

/// A file that was read.
struct Included {
    /// From the root of the repository.
    path: PathBuf,
    /// In messages.
    name: String,
    bytes: Vec<u8>,
}

/// Follows includes.
pub(super) struct Loader {
    files: Files,
    /// The files on the way here, the current one last.
    stack: Vec<PathBuf>,
    /// All files so far, by the names that errors print, in the order of reading.
    names: Vec<String>,
    digest: Sha256,
    count: usize,
    bytes: usize,
}

/// More steps' files than this is a mistake or an attack.
const MOST_INCLUDES: usize = 200;
/// All files of a runbook together: a parsed one takes up to a hundred times its size.
const MOST_BYTES: usize = 1 << 20;

impl Loader {
    fn new(files: Files, own: PathBuf) -> Self {
        Self { files, stack: vec![own], names: Vec::new(), digest: Sha256::new(), count: 0, bytes: 0 }
    }

    /// Splices the steps of another file in.
    pub(super) fn include(&mut self, decoder: &mut Decoder<'_>, path: &str, at: &Node, out: &mut Vec<Step>) {
        match self.open(path) {
            Ok(None) => decoder.unread.steps = true,
            Ok(Some(file)) => match Document::parse(&file.name, &file.bytes) {
                Ok(doc) => {
                    self.stack.push(file.path);
                    decoder.steps(&doc.root(), self, out);
                    self.stack.pop();
                }
                Err(errors) => {
                    decoder.unread.steps = true;
                    decoder.errors.extend(errors);
                }
            },
            Err((message, hint)) => {
                decoder.unread.steps = true;
                decoder.error(Diagnostic::at(at.place(), "include", message).hint(hint));
            }
        }
    }

    /// Reads the files that a call's parameters name, beside the runbook: a template is text of the runbook itself, a
    /// source is taken as it is. Both become the parameter `content`.
    pub(super) fn attach(&mut self, decoder: &mut Decoder<'_>, call: &mut Call) {
        for p in call.module.spec().params.iter().filter(|p| matches!(p.ty, Ty::Source | Ty::Template)) {
            let Some(path) = call.params.get(p.name).and_then(Value::as_str).map(str::to_owned) else { continue };
            let place = call.place_of(&[p.name.to_owned()]);
            let text = match self.open(&path) {
                Ok(None) => continue,
                Ok(Some(file)) => String::from_utf8(file.bytes)
                    .map_err(|_| (format!("\"{path}\" is not UTF-8"), "only text can be put in place".to_owned())),
                Err(e) => Err(e),
            };
            match text {
                Err((message, hint)) => decoder.error(Diagnostic::at(place, "include", message).hint(hint)),
                Ok(text) => {
                    call.params.remove(p.name);
                    let into = if p.ty == Ty::Source { &mut call.literal } else { &mut call.params };
                    into.insert("content".into(), text.into());
                }
            }
        }
    }

    /// An included file, or a message and a hint; `None` once too much was included and that was said.
    fn open(&mut self, path: &str) -> Result<Option<Included>, (String, String)> {
        let base = self.stack.last().and_then(|p| p.parent()).unwrap_or(Path::new("")).to_owned();
        let full = match normal(&base.join(path)) {
            Some(p) if !Path::new(path).is_absolute() => p,
            _ => {
                let hint = match &self.files {
                    Files::Disk(root) => format!("a path relative to this file, inside {}", root.display()),
                    Files::Shipped => "a path relative to this file".into(),
                };
                return Err((format!("\"{path}\" leads out of the repository"), hint));
            }
        };
        if let Some(first) = self.stack.iter().position(|p| *p == full) {
            let way = self.stack[first..].iter().chain([&full]).map(|p| p.display().to_string());
            return Err(("this include never ends".into(), way.collect::<Vec<_>>().join(" includes ")));
        }
        self.count += 1;
        if self.count > MOST_INCLUDES {
            let message = format!("more than {MOST_INCLUDES} includes");
            let hint = "put the steps into fewer files; does one file include many that include it?";
            return if self.count == MOST_INCLUDES + 1 { Err((message, hint.into())) } else { Ok(None) };
        }
        let (name, bytes) = self.read(&full).map_err(|e| {
            let hint = match e.kind() {
                io::ErrorKind::NotFound => format!("looked for {}: the path is relative to this file", full.display()),
                io::ErrorKind::PermissionDenied if e.raw_os_error().is_none() => "copy the file into it".into(),
                _ => "a file of steps is needed".into(),
            };
            (format!("cannot read \"{path}\": {}", reason(&e)), hint)
        })?;
        let before = self.bytes;
        self.bytes += bytes.len();
        if self.bytes > MOST_BYTES {
            let message = format!("more than {} MiB in all included files", MOST_BYTES >> 20);
            let hint = "is this the right file?".to_owned();
            return if before <= MOST_BYTES { Err((message, hint)) } else { Ok(None) };
        }
        self.digest.update(&bytes);
        self.names.push(name.clone());
        Ok(Some(Included { path: full, name, bytes }))
    }

    fn read(&self, path: &Path) -> io::Result<(String, Vec<u8>)> {
        match &self.files {
            Files::Shipped => {
                let text =
                    shipped::text(&path.to_string_lossy()).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
                Ok((path.display().to_string(), text.as_bytes().to_vec()))
            }
            Files::Disk(root) => {
                let real = root.join(path).canonicalize()?;
                if !real.starts_with(root.canonicalize()?) {
                    return Err(io::Error::new(
                        io::ErrorKind::PermissionDenied,
                        "a symbolic link leads out of the repository",
                    ));
                }
                if !real.is_file() {
                    return Err(io::Error::other("it is no file"));
                }
                // Messages name files as the user did: relative to where they stand.
                let full = root.join(path);
                let here = std::env::current_dir().unwrap_or_default();
                let shown = full.strip_prefix(&here).unwrap_or(&full);
                Ok((shown.display().to_string(), read_capped(&real)?))
            }
        }
    }
}

/// `a/../b` as `b`; `None` if it leads above its start.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for c in path.components() {
        match c {
            Component::CurDir => {}
            Component::ParentDir => {
                if !out.pop() {
                    return None;
                }
            }
            other => out.push(other),
        }
    }
    Some(out)
}

/// The directory that a runbook may include from: its git repository, else its own directory.
fn repository(path: &Path) -> PathBuf {
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let full = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    full.ancestors().find(|a| a.join(".git").exists()).map_or(full.clone(), Path::to_owned)
}

/// Reads a runbook from a file.
///
/// # Errors
/// Everything that is wrong with it and with what it includes; nothing has run.
pub fn load(path: &Path) -> Result<Runbook, Vec<Diagnostic>> {
    let name = path.display().to_string();
    let bytes = read_capped(path).map_err(|e| {
        vec![
            Diagnostic::new("unreadable", format!("cannot read {name}: {}", reason(&e)))
                .hint("runbook list shows the runbooks that come with the program"),
        ]
    })?;
    below(&name, &bytes, path, repository(path))
}

/// Reads a runbook from a file of a tree, and what it includes from there alone.
///
/// # Errors
/// As [`load`].
pub fn load_below(path: &Path, root: &Path) -> Result<Runbook, Vec<Diagnostic>> {
    let name = path.strip_prefix(root).unwrap_or(path).display().to_string();
    let unread = |e: io::Error| vec![Diagnostic::new("unreadable", format!("cannot read {name}: {}", reason(&e)))];
    let bytes = read_capped(path).map_err(unread)?;
    below(&name, &bytes, path, root.to_owned())
}

fn below(name: &str, bytes: &[u8], path: &Path, root: PathBuf) -> Result<Runbook, Vec<Diagnostic>> {
    let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let own = full.strip_prefix(&root).map_or_else(|_| path.to_owned(), Path::to_owned);
    parse(name, bytes, Loader::new(Files::Disk(root), own), path.parent())
}

/// Reads a runbook of those inside the binary.
pub fn load_text(path: &str, text: &str) -> Result<Runbook, Vec<Diagnostic>> {
    parse(path, text.as_bytes(), Loader::new(Files::Shipped, PathBuf::from(path)), None)
}

fn parse(name: &str, bytes: &[u8], mut loader: Loader, dir: Option<&Path>) -> Result<Runbook, Vec<Diagnostic>> {
    loader.digest.update(bytes);
    loader.names.push(name.to_owned());
    let doc: Arc<Document> = Document::parse(name, bytes)?;
    let root = doc.root();
    if root.entries().is_none() {
        return Err(vec![
            root.expected("a runbook (a map with name, title and steps)")
                .hint("start with name: and title:, and put the list under steps:"),
        ]);
    }
    let mut d = Decoder { errors: root.unknown_keys(KEYS), dir, unread: Unread::default() };
    let mut book = decode(&mut d, &root, &mut loader);
    book.digest = loader.digest.finalize().iter().map(|b| format!("{b:02x}")).collect();
    let mut errors = d.errors;
    let (wrong, unwise) = lint::check(&book, &root, &d.unread);
    errors.extend(wrong);
    book.warnings = in_order(&loader.names, unwise);
    if errors.is_empty() { Ok(book) } else { Err(in_order(&loader.names, errors)) }
}

fn decode(d: &mut Decoder<'_>, root: &Node, loader: &mut Loader) -> Runbook {
    let text = |t: Option<Text>| t.map(|t| t.text).unwrap_or_default();
    if let Some(t) = d.optional(root, "requires")
        && let Err(why) = requires(&t.text)
    {
        d.error(why.map_or_else(
            || Diagnostic::at(t.place.clone(), "requires", "not a version").hint("like: requires: \">=0.1\""),
            |why| Diagnostic::at(t.place.clone(), "requires", why).hint("update this program, or use an older runbook"),
        ));
    }
    let mut answers = Vec::new();
    for a in d.words(root, "answers") {
        match ErrorPattern::parse(&a.text) {
            Ok(pattern) => answers.push(pattern),
            Err(problem) => d.error(
                Diagnostic::at(a.place.clone(), "regex", format!("not a regular expression: {problem}"))
                    .hint("look-around and back-references do not exist; a bracket or a dot that is meant as such needs a backslash"),
            ),
        }
    }
    let mut steps = Vec::new();
    match root.get("steps") {
        Some(n) if n.items().is_some_and(|i| i.is_empty()) => d.error(
            Diagnostic::at(n.place(), "no-steps", "a runbook without steps finds every host healthy")
                .hint("- name: what is right, then ensure: or check:"),
        ),
        Some(n) => d.steps(&n, loader, &mut steps),
        None => d.error(root.missing("steps").hint("steps: is the list of what is looked at")),
    }
    Runbook {
        name: text(d.text(root, "name")),
        title: text(d.text(root, "title")),
        answers,
        see: d.words(root, "see").into_iter().map(|t| t.text).collect(),
        vars: Vars::decode(root, d),
        verify: d.list(root, "verify", "a list of modules", Decoder::call),
        handlers: d.list(root, "handlers", "a list of handlers", Decoder::handler),
        steps,
        about: about(root.place().source()),
        undoes: None,
        digest: String::new(),
        warnings: Vec::new(),
    }
}

/// The comment that a file starts with.
fn about(source: &Source) -> String {
    let comment = source.text().lines().take_while(|l| l.starts_with('#'));
    comment.map(|l| l.trim_start_matches('#').trim_start()).collect::<Vec<_>>().join("\n")
}

/// Each error once, by file in the order of reading and by position, and of no file more than a person reads.
fn in_order(names: &[String], errors: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut files: BTreeMap<Option<usize>, Vec<Diagnostic>> = BTreeMap::new();
    for e in errors {
        let file = e.spot.as_ref().and_then(|s| names.iter().position(|n| n == s.resolve().0.name()));
        files.entry(file).or_default().push(e);
    }
    let mut out = Vec::new();
    for of_one in files.into_values() {
        let mut seen = HashSet::new();
        let once = of_one.into_iter().filter(|e| {
            let start = e.spot.as_ref().map(|s| s.resolve().1.start);
            seen.insert((start, e.rule, e.message.clone()))
        });
        out.extend(tidy(once.collect(), 0));
    }
    out
}

/// `>=0.1`, `0.2`: whether this program is new enough; `None` if that is no version.
fn requires(text: &str) -> Result<(), Option<String>> {
    let wanted = text.trim().trim_start_matches(">=").trim();
    let numbers = |v: &str| v.split('.').map(str::parse).collect::<Result<Vec<u32>, _>>();
    let want = numbers(wanted).map_err(|_| None)?;
    let have = env!("CARGO_PKG_VERSION");
    match numbers(have).unwrap_or_default() >= want {
        true => Ok(()),
        false => Err(Some(format!("this runbook needs runbook {wanted}, and this is {have}"))),
    }
}
