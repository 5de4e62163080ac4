//! The user's own git, so that its credentials, proxies and keys work. Nothing of a repository runs: no hooks, no filters, no
//! submodules, and the `ext` transport is off (gitattributes(5), githooks(5), gitprotocol-capabilities(5)).

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::target::files::sha256;

/// What git says, in one line, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitError {
    /// Why.
    pub why: String,
    /// What to do.
    pub hint: Option<String>,
}

impl GitError {
    pub(super) fn new(why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { why: why.into(), hint: Some(hint.into()) }
    }
}

/// A repository in the cache: `repo.git`, all that its remote has, and beside it a tree for each commit that was used.
pub struct Repository {
    dir: PathBuf,
    url: String,
}

/// A commit, as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The first letters of its name.
    pub short: String,
    /// Who wrote it.
    pub author: String,
    /// When, as `2026-11-26`.
    pub date: String,
    /// Its first line.
    pub subject: String,
}

impl Repository {
    /// The place of that url's repository below the cache. Nothing is there yet, maybe.
    #[must_use]
    pub fn of(cache: &Path, url: &str) -> Self {
        Self { dir: cache.join("git").join(&sha256(url.as_bytes())[..16]), url: url.to_owned() }
    }

    /// Over git's own transports alone: any `git-remote-NAME` that is on the PATH would do for a url `NAME::…`, and a lock file
    /// may be a stranger's (git(1), GIT_ALLOW_PROTOCOL).
    const TRANSPORTS: &str = "file:git:http:https:ssh";

    /// Of the files of a repository no filter and no conversion of the user's own runs, whatever its .gitattributes ask for
    /// (gitattributes(5): what is in `info/attributes` comes first).
    const ATTRIBUTES: &str = "* -filter -ident -text -eol -working-tree-encoding -merge\n";

    /// The arguments that every call gets.
    fn git(&self) -> Command {
        #[allow(clippy::disallowed_methods)] // only this file starts git
        let mut c = Command::new("git");
        c.args(["-c", "core.hooksPath=/dev/null", "-c", "protocol.ext.allow=never", "-c", "core.fsmonitor=false"])
            .args(["-c", "core.attributesFile=/dev/null", "-c", "advice.detachedHead=false", "-c", "gc.auto=0"])
            .env("LC_ALL", "C.UTF-8")
            .env("GIT_LFS_SKIP_SMUDGE", "1")
            .env("GIT_ALLOW_PROTOCOL", Self::TRANSPORTS)
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .env_remove("GIT_INDEX_FILE")
            .stdin(Stdio::null());
        c.arg("--git-dir").arg(self.dir.join("repo.git"));
        c
    }

    /// What a call prints; an error says what it said last.
    fn asked<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Result<String, GitError> {
        let mut c = self.git();
        c.args(args);
        let out = c.output().map_err(|e| no_git(&e))?;
        if out.status.success() {
            return Ok(String::from_utf8_lossy(&out.stdout).into_owned());
        }
        Err(self.explained(&String::from_utf8_lossy(&out.stderr)))
    }

    /// What went wrong, by git's own words.
    fn explained(&self, said: &str) -> GitError {
        // What ssh or a server said comes before git's own "could not".
        let empty = |l: &&str| !l.trim().is_empty() && !l.contains("Could not read from remote repository");
        let telling = |l: &&str| ["fatal:", "error:", "ERROR:"].iter().any(|w| l.starts_with(w));
        let all = || said.lines().filter(empty);
        let line = all().find(telling).or_else(|| all().next()).unwrap_or("git said nothing");
        let why = line.trim_start_matches("fatal: ").trim_start_matches("error: ").trim();
        let has = |words: &[&str]| words.iter().any(|w| said.contains(w));
        let hint =
            if has(&["Could not resolve host", "Network is unreachable", "Connection timed out", "Connection refused"])
            {
                "there is no way to it from here; what was fetched before still works"
            } else if has(&[
                "Permission denied",
                "Authentication failed",
                "could not read Username",
                "terminal prompts disabled",
            ]) {
                "git itself has to get in: try git ls-remote with this url"
            } else if has(&["does not appear to be a git repository", "not found", "does not exist"]) {
                "is the url right? git ls-remote with it tells"
            } else {
                "git's own words; try git ls-remote with this url"
            };
        GitError::new(format!("{}: {why}", self.url), hint)
    }

    /// Whether anything was fetched ever.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.dir.join("repo.git/HEAD").is_file()
    }

    /// All branches and tags of the remote. Commits that are used stay, whatever becomes of those there.
    pub fn fetch(&self) -> Result<(), GitError> {
        if !self.is_there() {
            std::fs::create_dir_all(&self.dir).map_err(|e| self.unwritable(&e))?;
            self.asked(["init", "-q", "--bare"])?;
        }
        self.plain()?;
        // A question nobody sees would wait for ever; git's askpass and agents work as ever.
        let args = ["fetch", "-q", "--prune", "--force", "--no-recurse-submodules", "--", &self.url];
        self.asked(args.into_iter().chain([
            "+refs/heads/*:refs/heads/*",
            "+refs/tags/*:refs/tags/*",
            "+HEAD:refs/runbook/head",
        ]))
        .map(drop)
    }

    /// Before anything of it is looked at.
    fn plain(&self) -> Result<(), GitError> {
        let dir = self.dir.join("repo.git/info");
        std::fs::create_dir_all(&dir).map_err(|e| self.unwritable(&e))?;
        std::fs::write(dir.join("attributes"), Self::ATTRIBUTES).map_err(|e| self.unwritable(&e))
    }

    fn unwritable(&self, e: &std::io::Error) -> GitError {
        GitError::new(format!("{} cannot be written: {e}", self.dir.display()), "XDG_CACHE_HOME names another place")
    }

    /// The commit that a branch, a tag or a commit's name means; without one the remote's own branch.
    pub fn commit(&self, rev: Option<&str>) -> Result<String, GitError> {
        let names: Vec<String> = match rev {
            None => vec!["refs/runbook/head".into()],
            Some(r) if r.starts_with('-') || r.contains("..") || r.contains('^') || r.contains(':') => Vec::new(),
            // A branch may have the name of another commit.
            Some(r) if matches!(r.len(), 40 | 64) && r.bytes().all(|b| b.is_ascii_hexdigit()) => {
                vec![r.to_ascii_lowercase()]
            }
            Some(r) => vec![format!("refs/heads/{r}"), format!("refs/tags/{r}"), r.to_owned()],
        };
        let known = |name: &String| {
            self.asked(["rev-parse", "-q", "--verify", "--end-of-options", &format!("{name}^{{commit}}")]).ok()
        };
        names.iter().find_map(known).map(|c| c.trim().to_owned()).ok_or_else(|| {
            let rev = rev.unwrap_or("HEAD");
            GitError::new(
                format!("{} has no branch, tag or commit \"{rev}\"", self.url),
                "git ls-remote with the url lists them",
            )
        })
    }

    /// Whether the commit is among what was fetched.
    #[must_use]
    pub fn has(&self, commit: &str) -> bool {
        self.asked(["cat-file", "-e", &format!("{commit}^{{commit}}")]).is_ok()
    }

    /// Whether `new` has grown from `old`.
    #[must_use]
    pub fn grew(&self, old: &str, new: &str) -> bool {
        self.asked(["merge-base", "--is-ancestor", old, new]).is_ok()
    }

    /// The commits between two, the newest first.
    pub fn log(&self, old: &str, new: &str) -> Result<Vec<Commit>, GitError> {
        let out = self.asked(["log", "--format=%h%x09%an%x09%as%x09%s", &format!("{old}..{new}"), "--"])?;
        let line = |l: &str| {
            let mut f = l.splitn(4, '\t').map(str::to_owned);
            Some(Commit { short: f.next()?, author: f.next()?, date: f.next()?, subject: f.next()? })
        };
        Ok(out.lines().filter_map(line).collect())
    }

    /// What changed between two, as a diff.
    pub fn diff(&self, old: &str, new: &str) -> Result<String, GitError> {
        self.asked(["diff", "--no-color", "--no-ext-diff", "--no-textconv", "--text", old, new, "--"])
    }

    /// Fails unless the commit has a good signature of somebody whom the user's git knows (git-verify-commit(1): gpg, or ssh
    /// with gpg.ssh.allowedSignersFile). Who.
    pub fn signed(&self, commit: &str) -> Result<String, GitError> {
        let mut c = self.git();
        // A key that merely lies in the keyring is nobody's word; who wants more than that has said so.
        if self.asked(["config", "gpg.minTrustLevel"]).is_err() {
            c.args(["-c", "gpg.minTrustLevel=marginal"]);
        }
        let out = c.args(["verify-commit", "--raw", commit]).output().map_err(|e| no_git(&e))?;
        let said = String::from_utf8_lossy(&out.stderr);
        let short = &commit[..commit.len().min(12)];
        if !out.status.success() {
            let line = said.lines().rfind(|l| !l.trim().is_empty()).unwrap_or("it has no signature");
            let hint = "ask whoever made it; git verify-commit tells more, and gpg.ssh.allowedSignersFile or gpg names whom you trust";
            return Err(GitError::new(
                format!("commit {short} of {} is not signed by anybody you trust: {line}", self.url),
                hint,
            ));
        }
        let who = self.asked(["log", "-1", "--format=%GS", commit, "--"]).unwrap_or_default();
        Ok(who.trim().to_owned())
    }

    /// Whether the commit's files are there.
    #[must_use]
    pub fn has_tree(&self, commit: &str) -> bool {
        self.dir.join(commit).is_dir()
    }

    /// The commit's files, in a directory of their own. It is there whole or not at all.
    pub fn tree(&self, commit: &str) -> Result<PathBuf, GitError> {
        let tree = self.dir.join(commit);
        if tree.is_dir() {
            return Ok(tree);
        }
        self.plain()?;
        // What is used stays, though nothing there leads to it any more.
        self.asked(["update-ref", &format!("refs/runbook/kept/{commit}"), commit])?;
        let new = self.dir.join(format!("{commit}.{}", crate::payload::nonce()));
        let index = new.with_extension("index");
        std::fs::create_dir_all(&new).map_err(|e| self.unwritable(&e))?;
        let mut c = self.git();
        // A branch of that name is not meant, and would be taken (git-checkout(1)).
        let named = format!("{commit}^{{tree}}");
        c.arg("--work-tree").arg(&new).args(["checkout", "-q", "-f", &named, "--", "."]).env("GIT_INDEX_FILE", &index);
        let out = c.current_dir(&new).output().map_err(|e| no_git(&e))?;
        let _ = std::fs::remove_file(&index);
        let made = if out.status.success() {
            inside(&new, &new).map_err(|e| self.unwritable(&e))?;
            match std::fs::rename(&new, &tree) {
                // Another process was first.
                Err(_) if tree.is_dir() => Ok(()),
                other => other.map_err(|e| self.unwritable(&e)),
            }
        } else {
            Err(self.explained(&String::from_utf8_lossy(&out.stderr)))
        };
        let _ = std::fs::remove_dir_all(&new);
        made.map(|()| tree)
    }

    /// Forgets it.
    pub fn remove(&self) -> std::io::Result<()> {
        if self.dir.exists() { std::fs::remove_dir_all(&self.dir) } else { Ok(()) }
    }
}

/// Without links that lead out of the tree, or nowhere: what they lead to may change after somebody has trusted the commit.
fn inside(root: &Path, dir: &Path) -> std::io::Result<()> {
    let real = root.canonicalize()?;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_symlink() {
            if !path.canonicalize().is_ok_and(|to| to.starts_with(&real)) {
                std::fs::remove_file(path)?;
            }
        } else if kind.is_dir() {
            inside(root, &path)?;
        }
    }
    Ok(())
}

fn no_git(e: &std::io::Error) -> GitError {
    GitError::new(
        format!("git cannot be started: {e}"),
        "install git; runbooks of git sources are fetched with your own",
    )
}
