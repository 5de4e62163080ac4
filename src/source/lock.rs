//! The lock file: which commit of which repository. It can be committed, so that a team runs the same text.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::book::Diagnostic;

/// A source, at a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// For people, and for `NAME/RUNBOOK`.
    pub name: String,
    /// For git.
    pub url: String,
    /// The branch or tag that `update` follows; without it the repository's own branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rev: Option<String>,
    /// The whole name of the commit in use.
    pub commit: String,
    /// Only commits are taken that somebody has signed whom the user's git trusts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub signed: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    version: u32,
    #[serde(default)]
    sources: Vec<Source>,
}

/// The file, and what is in it.
#[derive(Debug, Clone)]
pub struct Lock {
    /// Where it is, or would be.
    pub path: PathBuf,
    /// In their order there.
    pub sources: Vec<Source>,
}

/// Its name.
pub const NAME: &str = "runbook.lock";

const HEAD: &str = "# Written by `runbook source`. Commit it, and everybody runs the same commits.\n";

impl Lock {
    /// The lock files in use, each of which may be missing yet: `RUNBOOK_LOCK` alone; else a `runbook.lock` in this directory
    /// or above that is our own, and then the user's own (XDG Base Directory Specification).
    pub fn layers() -> Result<Vec<Self>, Diagnostic> {
        if let Some(only) = std::env::var_os("RUNBOOK_LOCK") {
            return Ok(vec![Self::read(Path::new(&only))?]);
        }
        let above = || {
            let here = std::env::current_dir().ok()?;
            here.ancestors().map(|d| d.join(NAME)).find(|p| p.is_file()).filter(|p| own_file(p))
        };
        let paths: Vec<PathBuf> = above().into_iter().chain(own()).collect();
        if paths.is_empty() {
            return Err(Diagnostic::new("lock", "neither XDG_CONFIG_HOME nor HOME is set"));
        }
        paths.iter().map(|p| Self::read(p)).collect()
    }

    /// The sources of all lock files. Of two with one name the nearer one counts: a team runs the same commits.
    pub fn sources() -> Result<Vec<Source>, Diagnostic> {
        let mut out: Vec<Source> = Vec::new();
        for source in Self::layers()?.into_iter().flat_map(|lock| lock.sources) {
            if !out.iter().any(|s| s.name == source.name) {
                out.push(source);
            }
        }
        Ok(out)
    }

    /// The file there; none is an empty one.
    pub fn read(path: &Path) -> Result<Self, Diagnostic> {
        let path = path.to_owned();
        if !path.exists() {
            return Ok(Self { path, sources: Vec::new() });
        }
        let shown = path.display();
        let text =
            crate::book::read_text(&path).map_err(|e| Diagnostic::new("lock", format!("cannot read {shown}: {e}")))?;
        let read: Text = serde_yaml::from_str(&text).map_err(|e| {
            Diagnostic::new("lock", format!("{shown}: {e}"))
                .hint("runbook source writes it; git checkout brings an older one back")
        })?;
        let wrong =
            |why: String| Err(Diagnostic::new("lock", format!("{shown}: {why}")).hint("runbook source add writes it"));
        if read.version != 1 {
            return wrong(format!("version {} is of another program", read.version));
        }
        for s in &read.sources {
            let commit = matches!(s.commit.len(), 40 | 64) && s.commit.bytes().all(|b| b.is_ascii_hexdigit());
            if !commit || !is_name(&s.name) || s.url.starts_with('-') {
                return wrong(format!(
                    "the source \"{}\" is none: a name, a url and a commit of 40 or 64 hex digits",
                    s.name
                ));
            }
            if read.sources.iter().filter(|o| o.name == s.name).count() > 1 {
                return wrong(format!("there are two sources \"{}\"", s.name));
            }
        }
        Ok(Self { path, sources: read.sources })
    }

    /// Writes it, whole or not at all.
    pub fn write(&self) -> std::io::Result<()> {
        let text = Text { version: 1, sources: self.sources.clone() };
        let text = HEAD.to_owned() + &serde_yaml::to_string(&text).map_err(std::io::Error::other)?;
        if let Some(dir) = self.path.parent().filter(|d| !d.as_os_str().is_empty()) {
            std::fs::create_dir_all(dir)?;
        }
        let new = self.path.with_extension("lock.new");
        std::fs::write(&new, text)?;
        std::fs::rename(&new, &self.path)
    }
}

/// What it names is fetched: one that somebody else has put into a directory above is not asked, as git does not ask a
/// repository of somebody else's (git-config(1), safe.directory).
fn own_file(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let uid = |p: &Path| p.metadata().ok().map(|m| m.uid());
    let sudo = std::env::var("SUDO_UID").ok().and_then(|u| u.parse().ok());
    let ours = [uid(Path::new("/proc/self")), Some(0), sudo];
    let is = uid(path).is_some_and(|u| ours.contains(&Some(u)));
    if !is {
        tracing::warn!("{} is another user's and was not read; RUNBOOK_LOCK names it", path.display());
    }
    is
}

fn own() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let base = base.or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".config")))?;
    Some(base.join("runbook").join(NAME))
}

/// What a source may be called: it is also a directory's name, and stands before a `/`.
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}
