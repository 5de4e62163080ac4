//! What takes one change of a past run back. No runbook names it: `runbook undo` makes its steps from a run's record
//! ([`crate::apply::back`]), so that an undo is a plan with diffs, and a run that can be taken back itself.

use serde_json::Value;

use super::{Decision, Halt, Module, Params, Spec};
use crate::plan::{Change, CommandChange, Resource, UnitChange, View, diff};
use crate::target::files::{Content, FileReading, FileState, Kind, Look, Owner, always_sensitive, cksum, sha256};
use crate::target::units::{UnitState, Verb};

/// The parameters are a change as [`Change::json`] writes it into a journal, and beside it
///
/// * `kept`: where the target keeps what was there before: the path of the file that [`crate::apply`] wrote for this change
/// * `old`, `new`: the text on both sides, where the controller has it
/// * `since`: only look whether somebody else has changed the file since
/// * `again`: a verb that is done again, for a unit that runs
pub struct PutBack;

static SPEC: Spec = Spec {
    name: "put_back",
    summary: "Takes one change of a past run back.",
    scalar: None,
    params: &[],
    fields: &[],
    reads: "*",
    writes: "as the change did",
    open: true,
};

impl Module for PutBack {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        match p.text("kind") {
            "file" => file(p, view),
            "unit" => unit(p, view),
            "host" => host(p, view),
            _ => command(p, view),
        }
    }
}

/// One side of a file change on record.
struct Side<'a>(&'a Value);

impl Side<'_> {
    fn kind(&self) -> &str {
        self.0["kind"].as_str().unwrap_or_default()
    }
    /// A file's digest, or where a link points.
    fn digest(&self) -> &str {
        self.0["sha256"].as_str().unwrap_or_default()
    }
    fn mode(&self) -> Option<u32> {
        self.0["mode"].as_str().and_then(super::parse_mode)
    }
    fn owner(&self) -> Option<(u32, u32)> {
        let (uid, gid) = self.0["owner"].as_str()?.split_once(':')?;
        Some((uid.parse().ok()?, gid.parse().ok()?))
    }
    /// Whether that is there; what the record leaves open is as it was on the other side.
    fn is(&self, there: &FileState, other: &Side<'_>) -> bool {
        let kind = match &there.kind {
            Kind::Absent => self.kind() == "absent",
            Kind::File(Content::Bytes(b)) => {
                self.kind() == "file" && [sha256(b), cksum(b)].iter().any(|d| d == self.digest())
            }
            Kind::File(Content::Digest(d)) => self.kind() == "file" && d == self.digest(),
            Kind::Directory => self.kind() == "directory",
            Kind::Link(to) => self.kind() == "link" && to == self.digest(),
            Kind::Other(_) => false,
        };
        let mode = self.mode().or_else(|| other.mode());
        let owner = self.owner().or_else(|| other.owner());
        let plain = matches!(there.kind, Kind::File(_) | Kind::Directory);
        let fits = |there: &FileState| {
            mode.is_none_or(|m| there.mode == Some(m))
                && owner.is_none_or(|o| there.owner.as_ref().is_some_and(|t| (t.uid, t.gid) == o))
        };
        kind && (!plain || fits(there))
    }
}

fn file(p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
    let (path, real) = (p.text("path"), p.text("real"));
    let none = Value::Null;
    let (before, after) = (Side(p.0.get("before").unwrap_or(&none)), Side(p.0.get("after").unwrap_or(&none)));
    let secret = p.is("sensitive") || always_sensitive(real);
    let look = match (before.kind(), after.kind()) {
        ("link", _) | (_, "link" | "absent") => Look::Link,
        _ if secret => Look::Digest,
        _ => Look::Follow,
    };
    let found = view.file(path, look)?;
    if before.is(&found.state, &after) {
        return Ok(Decision::new(true, format!("{path} is as it was before")));
    }
    if !after.is(&found.state, &before) {
        return Err(changed_since(p, &found, path));
    }
    if p.is("since") {
        return Ok(Decision::new(true, format!("{path} is as the run left it")));
    }
    let owner = before.owner().map(|(uid, gid)| Owner { uid, gid, user: uid.to_string(), group: gid.to_string() });
    let kind = match before.kind() {
        "absent" => Kind::Absent,
        "directory" => Kind::Directory,
        "link" => Kind::Link(before.digest().to_owned()),
        _ if before.digest() == after.digest() => found.state.kind.clone(),
        _ => content(p, secret, view)?,
    };
    let plain = matches!(kind, Kind::File(_) | Kind::Directory);
    let wanted = FileState { kind, mode: before.mode().filter(|_| plain), owner: owner.filter(|_| plain) };
    let kept = p.str("kept").filter(|_| matches!(wanted.kind, Kind::File(Content::Digest(_))));
    let mut change = view.change_file(path, &found, wanted, secret)?;
    if let Some(Change::File(f)) = &mut change {
        f.kept = kept.map(str::to_owned);
    }
    Ok(Decision::new(false, format!("{path} is as the run left it")).changing(change.into_iter().collect()))
}

/// What was in the file: from what the target kept, else from the controller's own copy.
fn content(p: &Params, secret: bool, view: &View<'_>) -> Result<Kind, Halt> {
    let before = p.0.get("before").and_then(|b| b["sha256"].as_str()).unwrap_or_default();
    let kept =
        p.str("kept").map(|path| view.file(path, if secret { Look::Digest } else { Look::Follow })).transpose()?;
    match kept.map(|k| k.state.kind) {
        Some(Kind::File(Content::Bytes(b))) if [sha256(&b), cksum(&b)].iter().any(|d| d == before) => {
            return Ok(Kind::File(Content::Bytes(b)));
        }
        Some(Kind::File(Content::Digest(d))) if d == before => return Ok(Kind::File(Content::Digest(d))),
        _ => {}
    }
    match p.str("old").filter(|old| !secret && sha256(old.as_bytes()) == before) {
        Some(old) => Ok(Kind::File(Content::Bytes(old.as_bytes().to_vec()))),
        None => Err(Halt::Person {
            why: format!("what was in {} is kept nowhere any more", p.text("path")),
            todo: "put it back from a backup".into(),
            param: None,
        }),
    }
}

/// How many lines of what somebody else changed are shown.
const LINES: usize = 20;

/// The three versions: as it was, as the run left it, as it is.
fn changed_since(p: &Params, found: &FileReading, path: &str) -> Halt {
    let mut todo = format!(
        "decide which is right.\nBefore the run: {}",
        match p.0.get("before") {
            Some(b) if b["kind"] == "absent" => "nothing was there",
            _ => p.text("kept"),
        }
    );
    if let (Some(new), Some(now)) = (p.str("new"), found.state.bytes()) {
        let since = String::from_utf8_lossy(&diff::unified(new.as_bytes(), now, path, path)).into_owned();
        let lines: Vec<&str> = since.lines().skip(2).filter(|l| l.starts_with(['+', '-'])).collect();
        let more = lines.len().saturating_sub(LINES);
        let more = if more > 0 { format!("\n(and {more} lines more)") } else { String::new() };
        let lines = &lines[..lines.len().min(LINES)];
        todo += &format!("\nSince the run:\n{}{more}", lines.join("\n"));
    } else {
        todo += &format!("\nNow, at {path}: {}", found.state.noun());
    }
    Halt::Person { why: format!("{path} was changed after the run, by somebody else"), todo, param: None }
}

fn unit(p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
    let name = p.text("unit");
    let units = view.units(&[name])?;
    let u = units.first().ok_or_else(|| Halt::unknown(format!("{name} is not known there")))?;
    let runs = |u: &UnitState| matches!(u.active.as_str(), "active" | "activating" | "reloading");
    let wanted = match p.str("again").and_then(Verb::parse) {
        Some(again) => Some(again).filter(|v| *v == Verb::DaemonReload || runs(u)),
        None => p.str("verb").and_then(Verb::parse).and_then(Verb::undo).filter(|verb| match verb {
            Verb::Stop => runs(u),
            Verb::Start => !runs(u) && !u.offline(),
            Verb::Disable => u.enabled(),
            Verb::Enable => !u.enabled(),
            Verb::Mask => u.load != "masked",
            Verb::Unmask => u.load == "masked",
            _ => false,
        }),
    };
    let before = format!("{}, {}", u.active, if u.enabled.is_empty() { "not enabled" } else { &u.enabled });
    let said = format!("{name} is {before}");
    let Some(verb) = wanted else { return Ok(Decision::new(true, said)) };
    let change = Change::Unit(UnitChange { unit: name.to_owned(), verb, before });
    Ok(Decision::new(false, said).changing(vec![change]))
}

/// What was changed on one machine is not taken back on another.
fn host(p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
    let facts = view.facts()?;
    let other =
        |key: &str, now: &str| p.str(key).is_some_and(|then| !then.is_empty() && !now.is_empty() && then != now);
    // A machine's number stays when it gets another name.
    let is_other = match p.str("machine_id").filter(|id| !id.is_empty()) {
        Some(_) => other("machine_id", &facts.machine_id),
        None => other("host", &facts.hostname),
    };
    if is_other {
        let why = format!("this is {}, and the run changed {}", facts.hostname, p.text("host"));
        return Err(Halt::Error {
            param: None,
            why,
            hint: Some("-t or --via leads to the host that it changed".into()),
        });
    }
    Ok(Decision::new(true, facts.hostname.clone()))
}

fn command(p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
    let shown = p.text("command");
    if p.has("again") {
        let change = CommandChange::new(p.text("sh"), shown);
        return Ok(Decision::new(false, format!("after its files: {shown}")).changing(vec![Change::Command(change)]));
    }
    let Some(undo) = p.str("undo") else {
        return Err(Halt::Person {
            why: format!("nothing on record takes this back: {shown}"),
            todo: "see whether it matters".into(),
            param: None,
        });
    };
    if p.is("hidden") || p.is("unsure") {
        let why = if p.is("hidden") {
            "it holds a secret, which is not on record"
        } else {
            "it is not known whether it was done"
        };
        return Err(Halt::Person {
            why: format!("{why}: {shown}"),
            todo: format!("what takes it back: {undo}"),
            param: None,
        });
    }
    // Beside what was kept: that it was taken back is known to whoever asks from wherever.
    let mark = format!("{}.undone", p.text("kept"));
    if view.file(&mark, Look::Link)?.state.kind != Kind::Absent {
        return Ok(Decision::new(true, format!("taken back already: {shown}")));
    }
    let quote = |text: &str| crate::payload::sh_quote(text).ok_or_else(|| Halt::unknown("a path with a NUL"));
    let (quoted, dir) = (quote(&mark)?, quote(crate::target::parent(&mark))?);
    let mut writes: Vec<Resource> = p.list("writes").iter().filter_map(|w| Resource::parse(w).ok()).collect();
    writes.push(Resource::File(mark));
    let here = p.text("where") == "controller";
    let mut change =
        CommandChange::new(format!("(\n{undo}\n) && (umask 077; mkdir -p {dir} && : >{quoted})"), bare(undo))
            .undone_by(p.str("sh").map(|sh| format!("(\n{sh}\n) && rm -f {quoted}")))
            .writing(writes)
            .on_controller(here);
    change.root = p.is("root");
    Ok(Decision::new(false, format!("done by the run: {shown}")).changing(vec![Change::Command(change)]))
}

/// The sh that a person reads, where an undo is taken back: without what keeps the account of that.
fn bare(sh: &str) -> &str {
    let inner = sh.strip_prefix("(\n").and_then(|s| s.rsplit_once("\n) && rm -f ")).map(|(inner, _)| inner);
    inner.unwrap_or(sh).trim()
}
