//! Where a runbook comes from: the binary, a file, a git repository that was added, a git url. Every commit is known by its
//! name, and nothing of one runs before somebody has trusted it there (see [`trust`]).

pub mod git;
pub mod lock;
pub mod trust;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use git::{GitError, Repository};
use lock::{Lock, Source};

use crate::book::{self, Diagnostic, Runbook, SHIPPED};

/// What a runbook is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The binary.
    Shipped,
    /// A file that the user has named.
    File,
    /// A repository, at a commit.
    Git {
        /// The source's name, or its url.
        source: String,
        /// The commit's whole name.
        commit: String,
        /// From the root of the repository.
        path: String,
    },
}

impl Origin {
    /// A word or two for people.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Shipped => "shipped".into(),
            Self::File => "file".into(),
            Self::Git { source, commit, .. } => format!("{source} at {}", &commit[..12]),
        }
    }
}

/// A runbook that can be named.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: Cow<'static, str>,
    /// Where it is from.
    pub origin: Origin,
    /// Its file, and the directory that it may include from.
    file: Option<(PathBuf, PathBuf)>,
}

impl Known {
    /// What lint is to be called with.
    #[must_use]
    pub fn path(&self) -> String {
        self.file.as_ref().map_or_else(|| self.name.clone(), |(file, _)| file.display().to_string())
    }
    /// Reads it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self) -> Result<Runbook, Vec<Diagnostic>> {
        match &self.file {
            Some((file, root)) => book::load_below(file, root),
            None => book::find(&self.name),
        }
    }
}

/// Every runbook that has a name: those of the binary, then those of each source in the lock; and why a source cannot be had,
/// which hides no other.
///
/// # Errors
/// The lock cannot be read.
pub fn known() -> Result<(Vec<Known>, Vec<Diagnostic>), Vec<Diagnostic>> {
    let shipped = SHIPPED.iter().map(|s| Known {
        name: s.name.to_owned(),
        text: s.text.into(),
        origin: Origin::Shipped,
        file: None,
    });
    let (mut out, mut missing): (Vec<Known>, Vec<Diagnostic>) = (shipped.collect(), Vec::new());
    for source in &Lock::sources().map_err(|d| vec![d])? {
        match of_source(source) {
            Ok(books) => out.extend(books),
            Err(why) => missing.extend(why),
        }
    }
    Ok((out, missing))
}

/// The runbooks of sources whose files are here already; nothing is fetched.
#[must_use]
pub fn known_here() -> Vec<Known> {
    let sources = Lock::sources().unwrap_or_default();
    sources.iter().filter(|s| is_here(s)).filter_map(|s| of_source(s).ok()).flatten().collect()
}

/// The runbook of that name, as far as it is here already: a file, one of the binary, or of a source; nothing is fetched.
#[must_use]
pub fn find_here(name: &str) -> Option<Runbook> {
    if GitUrl::parse(name).is_some() {
        return None;
    }
    let of_source =
        |k: &Known| matches!(&k.origin, Origin::Git { source, .. } if name == format!("{source}/{}", k.name));
    let known = known_here();
    match known.iter().find(|k| of_source(k) || k.name == name) {
        Some(k) if !Path::new(name).is_file() => k.load().ok(),
        _ => book::find(name).ok(),
    }
}

/// The runbooks of a source, by name: files `NAME.yaml` at its root or in `runbooks/` that have steps.
pub fn of_source(source: &Source) -> Result<Vec<Known>, Vec<Diagnostic>> {
    let root = tree(source).map_err(|e| vec![diagnostic(e)])?;
    let mut out = Vec::new();
    for dir in ["", "runbooks"] {
        let files = std::fs::read_dir(root.join(dir)).into_iter().flatten().flatten();
        for file in files.map(|f| f.path()) {
            // A name is printed, and pasted into a shell.
            let plain = |s: &&str| {
                !s.starts_with(['.', '-']) && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+".contains(&b))
            };
            let stem = file.file_stem().and_then(|s| s.to_str()).filter(plain);
            let yaml = file.extension().is_some_and(|e| e == "yaml" || e == "yml");
            let (Some(stem), true, true) = (stem, yaml, file.is_file() && !file.is_symlink()) else { continue };
            // One that cannot be read has an error, which is said where it is loaded.
            let text = book::read_text(&file);
            if text.as_ref().map_or(true, |t| t.lines().any(|l| l.starts_with("steps:"))) {
                let text = text.unwrap_or_default();
                let path = file.strip_prefix(&root).unwrap_or(&file).display().to_string();
                let origin = Origin::Git { source: source.name.clone(), commit: source.commit.clone(), path };
                out.push(Known { name: stem.to_owned(), text: text.into(), origin, file: Some((file, root.clone())) });
            }
        }
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(out)
}

/// What the user named: a path, the name of a runbook, `SOURCE/NAME`, or `git-url//path@rev`.
///
/// # Errors
/// There is none; a name could mean two; it has errors; git cannot get it.
pub fn find(name: &str) -> Result<(Runbook, Origin), Vec<Diagnostic>> {
    if let Some(url) = GitUrl::parse(name) {
        let known = url.get().map_err(|e| vec![diagnostic(e)])?;
        return Ok((known.load()?, known.origin));
    }
    let sources = Lock::sources().map_err(|d| vec![d])?;
    let there = Path::new(name).is_file();
    let stem = |n: &str| n.strip_suffix(".yaml").or(n.strip_suffix(".yml")).unwrap_or(n).to_owned();
    if let Some((source, rest)) = name.split_once('/').filter(|(s, _)| sources.iter().any(|l| l.name == *s)) {
        if there {
            let message = format!("\"{name}\" is a file here and a runbook of the source \"{source}\"");
            return Err(vec![Diagnostic::new("ambiguous", message).hint(format!("write ./{name} for the file"))]);
        }
        let of: Vec<&Source> = sources.iter().filter(|l| l.name == source).collect();
        let all = of.iter().map(|s| of_source(s)).collect::<Result<Vec<_>, _>>()?.concat();
        return match all.iter().find(|k| k.name == stem(rest)) {
            Some(k) => Ok((k.load()?, k.origin.clone())),
            None => Err(vec![unknown(name, source, rest, &all)]),
        };
    }
    let plain = !name.contains('/') && !there;
    let shipped = SHIPPED.iter().any(|s| s.name == stem(name));
    let mut of_sources = Vec::new();
    for source in sources.iter().filter(|_| plain || !name.contains(['/', '.'])) {
        // What is here already needs no network, and must not wait for one.
        if (shipped || there) && !is_here(source) {
            continue;
        }
        of_sources.extend(of_source(source)?.into_iter().filter(|k| k.name == stem(name)));
    }
    match of_sources.as_slice() {
        [] => Ok((book::find(name)?, if shipped && !there { Origin::Shipped } else { Origin::File })),
        [one] if !shipped && !there => Ok((one.load()?, one.origin.clone())),
        several => {
            let mut could: Vec<String> = several
                .iter()
                .filter_map(|k| {
                    if let Origin::Git { source, .. } = &k.origin { Some(format!("{source}/{}", k.name)) } else { None }
                })
                .collect();
            could.extend(shipped.then(|| "the one that comes with the program".to_owned()));
            could.extend(there.then(|| format!("the file ./{name}")));
            let message = format!("\"{name}\" could be {}", could.join(" or "));
            let hint = format!("write {}", could[0]);
            Err(vec![Diagnostic::new("ambiguous", message).hint(hint)])
        }
    }
}

fn unknown(name: &str, source: &str, rest: &str, all: &[Known]) -> Diagnostic {
    let near = book::did_you_mean(rest, all.iter().map(|k| k.name.as_str()));
    let hint =
        near.map_or_else(|| "runbook list shows what there is".into(), |n| format!("did you mean \"{source}/{n}\"?"));
    Diagnostic::new("unknown-runbook", format!("no runbook \"{name}\": the source \"{source}\" has none of that name"))
        .hint(hint)
}

fn diagnostic(e: GitError) -> Diagnostic {
    let d = Diagnostic::new("source", e.why);
    if let Some(hint) = e.hint { d.hint(hint) } else { d }
}

/// Where what was fetched is kept (XDG Base Directory Specification).
pub fn cache() -> Result<PathBuf, GitError> {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let base = base.or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache")));
    base.map(|b| b.join("runbook")).ok_or_else(|| GitError::new("neither XDG_CACHE_HOME nor HOME is set", "set HOME"))
}

/// The files of a source at its commit: from the cache, without a network; else they are fetched first.
pub fn tree(source: &Source) -> Result<PathBuf, GitError> {
    let repository = Repository::of(&cache()?, &source.url);
    at(&repository, &source.commit, source.signed).map_err(|e| match e {
        Missing::Git(e) => e,
        Missing::Commit => GitError::new(
            format!(
                "commit {} of the source \"{}\" is not in {} any more",
                &source.commit[..12],
                source.name,
                source.url
            ),
            format!("was it force-pushed? runbook source update {} shows what is there now", source.name),
        ),
    })
}

/// Whether its files are in the cache.
fn is_here(source: &Source) -> bool {
    cache().is_ok_and(|c| Repository::of(&c, &source.url).has_tree(&source.commit))
}

enum Missing {
    Git(GitError),
    Commit,
}

/// A commit's files; its signature is looked at before they are there.
fn at(repository: &Repository, commit: &str, signed: bool) -> Result<PathBuf, Missing> {
    if !repository.is_there() || !repository.has(commit) {
        repository.fetch().map_err(Missing::Git)?;
    }
    if !repository.has(commit) {
        return Err(Missing::Commit);
    }
    if signed {
        repository.signed(commit).map_err(Missing::Git)?;
    }
    repository.tree(commit).map_err(Missing::Git)
}

/// `git-url//path@rev`.
#[derive(Debug, PartialEq, Eq)]
struct GitUrl {
    url: String,
    path: String,
    rev: Option<String>,
}

impl GitUrl {
    /// What is plainly one: a url or a path of a repository, `//`, a path below it.
    fn parse(text: &str) -> Option<Self> {
        let from = text.find("://").map_or(0, |n| n + 3);
        let at = from + text[from..].find("//")?;
        let (url, rest) = (&text[..at], text[at..].trim_start_matches('/'));
        let (path, rev) = match rest.rsplit_once('@') {
            Some((path, rev)) => (path, Some(rev.to_owned())),
            None => (rest, None),
        };
        let remote = url.contains("://") || url.split('/').next().is_some_and(|host| host.contains(':'));
        let local = url.ends_with(".git") || Path::new(url).join(".git").exists();
        let sound = !url.starts_with('-') && !path.is_empty() && rev.as_deref() != Some("");
        ((remote || local) && sound).then(|| Self { url: url.to_owned(), path: path.to_owned(), rev })
    }

    fn get(&self) -> Result<Known, GitError> {
        let repository = Repository::of(&cache()?, &self.url);
        // A whole name means the same for ever; a branch may have moved on.
        let named = |r: &String| matches!(r.len(), 40 | 64) && r.bytes().all(|b| b.is_ascii_hexdigit());
        let fixed = self.rev.as_ref().is_some_and(named)
            && repository.is_there()
            && self.rev.as_ref().is_some_and(|r| repository.has(r));
        if !fixed && let Err(e) = repository.fetch() {
            // Offline, what was there last is better than nothing.
            if !repository.is_there() || repository.commit(self.rev.as_deref()).is_err() {
                return Err(e);
            }
            tracing::warn!("{}; what was fetched before is used", e.why);
        }
        let commit = repository.commit(self.rev.as_deref())?;
        let root = repository.tree(&commit)?;
        let file = root.join(&self.path);
        let inside =
            file.canonicalize().is_ok_and(|f| f.is_file() && root.canonicalize().is_ok_and(|r| f.starts_with(r)));
        if !inside {
            let message = format!("{} has no file {} at {}", self.url, self.path, &commit[..12]);
            return Err(GitError::new(message, "the path is from the root of the repository"));
        }
        let text =
            book::read_text(&file).map_err(|e| GitError::new(format!("{}: {e}", self.path), "is it a runbook?"))?;
        let name = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let origin = Origin::Git { source: self.url.clone(), commit, path: self.path.clone() };
        Ok(Known { name, text: text.into(), origin, file: Some((file, root)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_git_url_is_told_from_a_path() {
        let of =
            |text: &str| GitUrl::parse(text).map(|u| format!("{} | {} | {}", u.url, u.path, u.rev.unwrap_or_default()));
        for (text, want) in [
            ("https://example.com/ops.git//ssh/x.yaml@v1", Some("https://example.com/ops.git | ssh/x.yaml | v1")),
            ("ssh://git@example.com/ops//x.yaml", Some("ssh://git@example.com/ops | x.yaml | ")),
            ("git@example.com:ops/runbooks.git//x.yaml@main", Some("git@example.com:ops/runbooks.git | x.yaml | main")),
            ("/srv/git/ops.git//x.yaml", Some("/srv/git/ops.git | x.yaml | ")),
            ("runbooks//x.yaml", None),
            ("ssh-refused", None),
            ("./a/b.yaml", None),
            ("--upload-pack=x.git//y", None),
            ("https://example.com/ops.git//x.yaml@", None),
        ] {
            assert_eq!(of(text).as_deref(), want, "{text}");
        }
    }
}
