//! The record of a run on the controller: append-only JSON lines, each on disk before what it speaks of happens.

use std::cmp::Ordering;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::plan::{Change, Planned};
use crate::report::Redactor;
use crate::target::files::sha256;

/// A run's record: `$XDG_STATE_HOME/runbook/runs/ID/journal.jsonl` (mode 0600), and beside it, by SHA-256, the bytes of
/// files that are not sensitive, before and after.
pub struct Journal {
    dir: PathBuf,
    file: File,
    id: String,
    seq: usize,
    redactor: Redactor,
    /// Lines that the target's own copy does not have yet.
    untold: String,
}

/// How many runs are kept.
pub const KEEP: usize = 30;

/// Where the controller keeps its records (XDG Base Directory Specification).
pub fn home() -> io::Result<PathBuf> {
    let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let base = base.or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".local/state")));
    base.map(|b| b.join("runbook")).ok_or_else(|| io::Error::other("neither XDG_STATE_HOME nor HOME is set"))
}

impl Journal {
    /// Opens the record of a new run.
    pub fn create(redactor: Redactor) -> io::Result<Self> {
        // The targets of one run share its stamp: they count as one, and none of them is pruned for another.
        static STAMP: OnceLock<String> = OnceLock::new();
        let stamp = STAMP.get_or_init(|| {
            // The one that begins is the newest.
            let _ = prune(KEEP - 1);
            jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string()
        });
        let runs = home()?.join("runs");
        private_dir(&runs)?;
        let (id, dir) = loop {
            let id = format!("{stamp}-{}", &crate::payload::nonce()[..4]);
            let dir = runs.join(&id);
            match fs::DirBuilder::new().mode(0o700).create(&dir) {
                Ok(()) => break (id, dir),
                // Another target's: four letters are short to type, and not many.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        };
        private_dir(&dir.join("blobs"))?;
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(dir.join("journal.jsonl"))?;
        Ok(Self { dir, file, id, seq: 0, redactor, untold: String::new() })
    }

    /// Where it is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The run's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Writes one record and waits until it is on disk.
    pub fn record(&mut self, kind: &str, mut body: Value) -> io::Result<()> {
        self.seq += 1;
        if let Value::Object(m) = &mut body {
            m.insert("record".into(), kind.into());
            m.insert("seq".into(), self.seq.into());
            m.insert("at".into(), jiff::Timestamp::now().to_string().into());
        }
        self.redactor.clean_value(&mut body);
        let line = format!("{body}\n");
        // What is only for reading, a rule set before and after, say, may be long, and the line slow.
        if let Some(change) = body.get_mut("change").and_then(Value::as_object_mut) {
            change.retain(|key, _| !matches!(key.as_str(), "diff" | "attributes"));
        }
        self.untold += &format!("{body}\n");
        self.file.write_all(line.as_bytes())?;
        self.file.sync_data()
    }

    /// Before a change: what it is, and the bytes of both sides; and what an undo has to know of it beyond that.
    pub fn intent(&mut self, number: usize, planned: &Planned) -> io::Result<()> {
        let change = &planned.change;
        let mut hidden = false;
        if let Change::File(f) = change {
            for bytes in [&f.before, &f.after].into_iter().filter(|_| !f.sensitive).filter_map(super::act::bytes_of) {
                hidden |= !self.blob(bytes)?;
            }
        }
        let mut body = change.json();
        if let Value::Object(m) = &mut body {
            match change {
                // The bytes are beside it, but for those that hold a secret: nobody else is to show them, either.
                Change::File(f) => {
                    if f.links > 1 {
                        m.insert("links".into(), f.links.into());
                    }
                    m.remove("diff");
                    m.insert("hidden".into(), hidden.into());
                }
                Change::Command(c) => {
                    m.insert("sh".into(), c.on_its_own().into());
                    m.insert("root".into(), c.root.into());
                    if let Some(f) = c.flagged() {
                        m.insert("flag".into(), json!({"of": f.of, "undone": f.undone}));
                    }
                }
                Change::Unit(_) => {}
            }
        }
        let step = planned.handler.as_ref().unwrap_or(&planned.name);
        let handler = planned.handler.is_some();
        self.record(
            "change",
            json!({"number": number, "step": step, "handler": handler, "notify": planned.notify, "change": body}),
        )
    }

    /// What the target has not been told yet of its own copy of this record.
    pub fn untold(&mut self) -> String {
        std::mem::take(&mut self.untold)
    }

    /// False: it holds a secret, and is kept on the target alone.
    fn blob(&self, bytes: &[u8]) -> io::Result<bool> {
        let text = String::from_utf8_lossy(bytes);
        if self.redactor.clean(&text) != text {
            return Ok(false);
        }
        let path = self.dir.join("blobs").join(sha256(bytes));
        if path.exists() {
            return Ok(true);
        }
        let beside = path.with_extension("new");
        let mut f = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        f.write_all(bytes)?;
        f.sync_data()?;
        fs::rename(beside, path)?;
        Ok(true)
    }
}

fn private_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// A run, as `runbook runs` lists it.
#[derive(Debug, serde::Serialize)]
pub struct Summary {
    /// Its id.
    pub id: String,
    /// The runbook.
    pub runbook: String,
    /// The run that it takes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
    /// The target.
    pub target: String,
    /// When it began.
    pub at: String,
    /// How many changes were made.
    pub changes: usize,
    /// Its exit code; `None`: it did not come to its end.
    pub exit: Option<i64>,
    /// How many changes were begun, however they ended.
    #[serde(skip)]
    pub begun: usize,
}

/// Why a word names no run.
#[derive(Debug, PartialEq, Eq)]
pub enum NoSuchRun {
    /// No run here is called that.
    Unknown,
    /// These could be meant: id, runbook and target of each.
    Ambiguous(Vec<String>),
}

/// The id of the run that a word names: a whole id, the beginning of exactly one, or `last`, the newest run that began a
/// change; with a target, that target's newest.
///
/// # Errors
/// The records cannot be read.
pub fn resolve(word: &str, target: Option<&str>) -> io::Result<Result<String, NoSuchRun>> {
    // One whose record is damaged is not on the list, and is there all the same.
    let plain = !word.is_empty() && !word.contains('/') && !word.starts_with('.');
    if plain && home()?.join("runs").join(word).is_dir() {
        return Ok(Ok(word.to_owned()));
    }
    Ok(choose_run(&list()?, word, target))
}

/// [`resolve`] over a list that is newest first.
fn choose_run(runs: &[Summary], word: &str, target: Option<&str>) -> Result<String, NoSuchRun> {
    if runs.iter().any(|r| r.id == word) {
        return Ok(word.to_owned());
    }
    let of_target = |r: &&Summary| target.is_none_or(|t| r.target == t);
    let found: Vec<&Summary> = if word == "last" {
        let mut changed = runs.iter().filter(|r| r.begun > 0).filter(of_target).peekable();
        let newest = changed.peek().map(|r| stamp(&r.id).to_owned());
        let together: Vec<&Summary> = changed.take_while(|r| newest.as_deref() == Some(stamp(&r.id))).collect();
        // The targets of one run share its stamp, and none of them is the last one.
        match together.first() {
            Some(first) if together.iter().all(|r| r.target == first.target) => vec![*first],
            _ => together,
        }
    } else {
        runs.iter().filter(|r| !word.is_empty() && r.id.starts_with(word)).filter(of_target).collect()
    };
    match found.as_slice() {
        [] => Err(NoSuchRun::Unknown),
        [one] => Ok(one.id.clone()),
        several => {
            let shown = |r: &&Summary| format!("{} ({} on {})", r.id, r.runbook, r.target);
            Err(NoSuchRun::Ambiguous(several.iter().map(shown).collect()))
        }
    }
}

/// What the runs over the targets of one command have in common: an id without its last part.
fn stamp(id: &str) -> &str {
    id.rsplit_once('-').map_or(id, |(stamp, _)| stamp)
}

/// By their stamps, which are of a second, and then by when they began.
fn newest_first(a: &Summary, b: &Summary) -> Ordering {
    let key = |s: &Summary| (stamp(&s.id).to_owned(), s.at.parse::<jiff::Timestamp>().ok(), s.id.clone());
    key(b).cmp(&key(a))
}

/// Every run that is on record, newest first.
pub fn list() -> io::Result<Vec<Summary>> {
    let dir = home()?.join("runs");
    let mut out = Vec::new();
    let entries = match fs::read_dir(&dir) {
        Ok(e) => e,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(out),
        Err(e) => return Err(e),
    };
    for e in entries.flatten() {
        let id = e.file_name().to_string_lossy().into_owned();
        let records = match read(&id) {
            Ok(records) => records,
            // A file that is no run's, or one that ended before it wrote anything.
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
            // It is a run all the same, and nobody else says that it is there.
            Err(e) => vec![json!({"runbook": "?", "target": format!("its record cannot be read: {e}")})],
        };
        let text = |r: &Value, k: &str| r[k].as_str().unwrap_or_default().to_owned();
        let first = records.first().cloned().unwrap_or_default();
        let of = |kind: &str| records.iter().filter(|r| r["record"] == kind).count();
        let exit = records.iter().rev().find(|r| r["record"] == "end").and_then(|r| r["exit"].as_i64());
        out.push(Summary {
            id,
            runbook: text(&first, "runbook"),
            undoes: first["undoes"].as_str().map(str::to_owned),
            target: text(&first, "target"),
            at: text(&first, "at"),
            changes: of("done"),
            exit,
            begun: of("change"),
        });
    }
    out.sort_by(newest_first);
    Ok(out)
}

/// The records of one run; a last line that was cut off is left out.
pub fn read(id: &str) -> io::Result<Vec<Value>> {
    if id.contains('/') || id.starts_with('.') {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no such run"));
    }
    let text = fs::read_to_string(home()?.join("runs").join(id).join("journal.jsonl"))?;
    Ok(text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect())
}

/// Removes all but the newest `keep` runs; how many records went. A run over many targets has one for each.
pub fn prune(keep: usize) -> io::Result<usize> {
    let runs = list()?;
    let old = old(&runs, keep);
    for run in old {
        fs::remove_dir_all(home()?.join("runs").join(&run.id))?;
    }
    Ok(old.len())
}

/// What goes of a list that is newest first: all but the runs of the newest `keep` stamps.
fn old(runs: &[Summary], keep: usize) -> &[Summary] {
    let mut stamps: Vec<&str> = Vec::new();
    let at = runs.iter().position(|r| {
        let s = stamp(&r.id);
        if stamps.last() != Some(&s) {
            stamps.push(s);
        }
        stamps.len() > keep
    });
    &runs[at.unwrap_or(runs.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: &str) -> Summary {
        Summary {
            id: id.into(),
            runbook: "ssh-refused".into(),
            undoes: None,
            target: "web1".into(),
            at: String::new(),
            changes: 0,
            exit: None,
            begun: 1,
        }
    }

    #[test]
    fn a_run_is_named_by_a_beginning_or_as_the_last_one() {
        let idle = Summary { begun: 0, ..run("20261203-1-idle") };
        let other = Summary { target: "web2".into(), ..run("20261201-9-zzzz") };
        let runs = [idle, run("20261202-2-bbbb"), other, run("20261201-1-aaaa")];
        let of = |word: &str, target: Option<&str>| choose_run(&runs, word, target);
        for (word, target, id) in [
            ("last", None, "20261202-2-bbbb"),
            ("last", Some("web2"), "20261201-9-zzzz"),
            ("20261202", None, "20261202-2-bbbb"),
            ("20261201", Some("web1"), "20261201-1-aaaa"),
            ("20261201-1-aaaa", Some("web2"), "20261201-1-aaaa"),
            ("20261203", None, "20261203-1-idle"),
        ] {
            assert_eq!(of(word, target), Ok(id.to_owned()), "{word} {target:?}");
        }
        for word in ["", "2025", "LAST", "0261202", "20261202-2-bbbb-"] {
            assert_eq!(of(word, None), Err(NoSuchRun::Unknown), "{word}");
        }
        let could = ["20261201-9-zzzz (ssh-refused on web2)", "20261201-1-aaaa (ssh-refused on web1)"];
        assert_eq!(of("20261201", None), Err(NoSuchRun::Ambiguous(could.map(str::to_owned).into())));
        assert_eq!(choose_run(&[], "last", None), Err(NoSuchRun::Unknown));
    }

    #[test]
    fn of_one_run_over_several_targets_none_is_the_last() {
        let both = [run("20261202-2-aaaa"), Summary { target: "web2".into(), ..run("20261202-2-bbbb") }];
        assert!(matches!(choose_run(&both, "last", None), Err(NoSuchRun::Ambiguous(two)) if two.len() == 2));
        assert_eq!(choose_run(&both, "last", Some("web2")), Ok("20261202-2-bbbb".into()));
        let at = |id: &str, at: &str| Summary { at: at.into(), ..run(id) };
        let mut quick = [at("1-1-b", "2026-12-01T00:00:01.2Z"), at("1-1-a", "2026-12-01T00:00:01.25Z")];
        quick.sort_by(newest_first);
        assert_eq!(choose_run(&quick, "last", None), Ok("1-1-a".into()));
    }

    #[test]
    fn the_targets_of_one_run_are_kept_or_go_together() {
        let runs = ["2-3-zz", "2-2-b", "2-2-a", "2-1-c", "2-1-b"].map(run);
        assert_eq!([0, 1, 2, 3, 9].map(|keep| old(&runs, keep).len()), [5, 4, 2, 0, 0]);
    }
}
