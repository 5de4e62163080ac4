//! Reading a runbook with all that it includes. Only this file and its parser know YAML.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::decode::Decoder;
use super::vars::Vars;
use super::{Diagnostic, Document, Node, Runbook, Step, lint, shipped};

const KEYS: &[&str] = &["name", "title", "requires", "answers", "see", "vars", "verify", "handlers", "steps"];

/// A file's text, capped: nothing that a runbook names may exhaust the memory.
pub fn read_text(path: &Path) -> io::Result<String> {
    let bytes = read_capped(path)?;
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

fn read_capped(path: &Path) -> io::Result<Vec<u8>> {
    use io::Read;
    // One byte more than the parser takes, so that the parser says "too large".
    let mut out = Vec::new();
    std::fs::File::open(path)?.take((super::yaml::LARGEST + 1) as u64).read_to_end(&mut out)?;
    Ok(out)
}

/// Where files come from.
enum Files {
    /// Below this directory; nothing outside is read.
    Disk(PathBuf),
    /// From inside the binary.
    Shipped,
}

/// Follows includes.
pub(super) struct Loader {
    files: Files,
    /// The files on the way here, the current one last.
    stack: Vec<PathBuf>,
    digest: Sha256,
    count: usize,
}

/// More steps' files than this is a mistake or an attack.
const MOST_INCLUDES: usize = 200;

impl Loader {
    /// Splices the steps of another file in.
    pub(super) fn include(&mut self, decoder: &mut Decoder<'_>, path: &str, at: &Node, out: &mut Vec<Step>) {
        let error = |message: String, hint: &str| Diagnostic::at(at.place(), "include", message).hint(hint);
        let base = self.stack.last().and_then(|p| p.parent()).unwrap_or(Path::new("")).to_owned();
        let full = match normal(&base.join(path)) {
            Some(p) if !Path::new(path).is_absolute() => p,
            _ => {
                return decoder.error(error(
                    format!("\"{path}\" leads out of the repository"),
                    "a path below the runbook's own repository, relative to this file",
                ));
            }
        };
        if self.stack.contains(&full) {
            let way: Vec<String> = self.stack.iter().chain([&full]).map(|p| p.display().to_string()).collect();
            return decoder.error(error("this include never ends".into(), &way.join(" includes ")));
        }
        self.count += 1;
        if self.count > MOST_INCLUDES {
            return decoder.error(error(
                format!("more than {MOST_INCLUDES} includes"),
                "does one file include many that include it?",
            ));
        }
        match self.read(&full) {
            Err(e) => decoder.error(error(format!("cannot read \"{path}\": {e}"), "the path is relative to this file")),
            Ok((name, bytes)) => {
                self.digest.update(&bytes);
                match Document::parse(&name, &bytes) {
                    Err(errors) => decoder.errors.extend(errors),
                    Ok(doc) => {
                        self.stack.push(full);
                        decoder.steps(&doc.root(), self, out);
                        self.stack.pop();
                    }
                }
            }
        }
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
            Diagnostic::new("unreadable", format!("cannot read {name}: {e}"))
                .hint("runbook list shows the runbooks that come with the program"),
        ]
    })?;
    let root = repository(path);
    let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let own = full.strip_prefix(&root).map_or_else(|_| path.to_owned(), Path::to_owned);
    parse(
        &name,
        &bytes,
        Loader { files: Files::Disk(root), stack: vec![own], digest: Sha256::new(), count: 0 },
        path.parent(),
    )
}

/// Reads a runbook of those inside the binary.
pub fn load_text(path: &str, text: &str) -> Result<Runbook, Vec<Diagnostic>> {
    let loader = Loader { files: Files::Shipped, stack: vec![PathBuf::from(path)], digest: Sha256::new(), count: 0 };
    parse(path, text.as_bytes(), loader, None)
}

fn parse(name: &str, bytes: &[u8], mut loader: Loader, dir: Option<&Path>) -> Result<Runbook, Vec<Diagnostic>> {
    loader.digest.update(bytes);
    let doc: Arc<Document> = Document::parse(name, bytes)?;
    let root = doc.root();
    if root.entries().is_none() {
        return Err(vec![root.expected("a runbook (a map with name, title and steps)")]);
    }
    let mut d = Decoder { errors: root.unknown_keys(KEYS), dir };
    let book_name = d.text(&root, "name");
    let title = d.text(&root, "title");
    if let Some(t) = d.optional(&root, "requires")
        && let Err(why) = requires(&t.text)
    {
        d.error(Diagnostic::at(t.place, "requires", why).hint("like: requires: \">=0.1\""));
    }
    let answers = d.words(&root, "answers");
    for a in &answers {
        if let Err(e) = crate::edit::pattern(&a.text) {
            d.error(Diagnostic::at(a.place.clone(), "regex", e.to_string()).hint(e.hint()));
        }
    }
    let see = d.words(&root, "see").into_iter().map(|t| t.text).collect();
    let vars = Vars::decode(&root, &mut d);
    let mut verify = Vec::new();
    if let Some(n) = root.get("verify") {
        match n.items() {
            Some(items) => verify = items.iter().filter_map(|i| d.call(i)).collect(),
            None => d.error(n.expected("a list")),
        }
    }
    let mut handlers = Vec::new();
    if let Some(n) = root.get("handlers") {
        match n.items() {
            Some(items) => handlers = items.iter().filter_map(|i| d.handler(i)).collect(),
            None => d.error(n.expected("a list of handlers")),
        }
    }
    let mut steps = Vec::new();
    match root.get("steps") {
        Some(n) => d.steps(&n, &mut loader, &mut steps),
        None => d.error(root.missing("steps")),
    }
    let digest = loader.digest.finalize().iter().map(|b| format!("{b:02x}")).collect();
    let mut errors = d.errors;
    let about = doc
        .source()
        .text()
        .lines()
        .take_while(|l| l.starts_with('#'))
        .map(|l| l.trim_start_matches('#').trim_start())
        .collect::<Vec<_>>()
        .join("\n");
    let text = |t: Option<super::Text>| t.map(|t| t.text).unwrap_or_default();
    let mut book = Runbook {
        name: text(book_name),
        title: text(title),
        answers: answers.into_iter().map(|t| t.text).collect(),
        see,
        vars,
        verify,
        handlers,
        steps,
        about,
        digest,
        warnings: Vec::new(),
    };
    errors.extend(lint::check(&mut book, &root));
    if errors.is_empty() { Ok(book) } else { Err(errors) }
}

/// `>=0.1`, `0.2`: whether this program is new enough.
fn requires(text: &str) -> Result<(), String> {
    let wanted = text.trim().trim_start_matches(">=").trim();
    let numbers = |v: &str| v.split('.').map(str::parse).collect::<Result<Vec<u32>, _>>();
    let want = numbers(wanted).map_err(|_| format!("\"{text}\" is not a version"))?;
    let have = numbers(env!("CARGO_PKG_VERSION")).unwrap_or_default();
    if have >= want {
        Ok(())
    } else {
        Err(format!("this runbook needs runbook {wanted}, and this is {}", env!("CARGO_PKG_VERSION")))
    }
}
