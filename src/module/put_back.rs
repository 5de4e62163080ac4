//! What takes one change of a past run back. No runbook names it: `runbook undo` makes its steps from a run's record
//! ([`crate::apply::back`]), so that an undo is a plan with diffs, and a run that can be taken back itself.

use serde_json::{Value, json};

use super::service::Service;
use super::{Decision, Halt, Module, Params, Spec};
use crate::payload::sh_quote;
use crate::plan::{Change, CommandChange, Flag, Resource, UnitChange, View, Writing, diff};
use crate::report::HIDDEN;
use crate::target::files::{Content, FileReading, FileState, Kind, Look, Owner, always_sensitive, cksum, sha256};
use crate::target::units::{UnitState, Verb};

/// The parameters are a change as [`Change::json`] writes it into a journal, and beside it
///
/// * `kept`: where the target keeps what was there before: the path of the file that [`crate::apply`] wrote for this change;
///   `state`: where it keeps all of that
/// * `states`: every state that the run saw or made at a path; `made`: all paths that it changed
/// * `old`, `new`: the text on both sides, where the controller has it
/// * `since`: only look whether somebody has changed the file since
/// * `runs`: whether a unit ran before
/// * `units`, `ran` (kind `again`): what is restarted or reloaded once more, if it runs, or ran before
/// * `by_hand`: why only a person can take a command back
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
            "again" => again(p, view),
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
    /// Whether that is there.
    fn is(&self, there: &FileState) -> bool {
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
        let (mode, owner) = (self.mode(), self.owner());
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
    if real.contains(HIDDEN) {
        return Err(Halt::Person {
            why: format!("the name of a file holds a secret, which is not on record: {path}"),
            todo: "what was there before is below /var/lib/runbook/runs on the target".into(),
            param: None,
        });
    }
    let none = Value::Null;
    let (before, after) = (Side(p.0.get("before").unwrap_or(&none)), Side(p.0.get("after").unwrap_or(&none)));
    let secret = p.is("sensitive") || p.is("hidden") || always_sensitive(real);
    let states: Vec<Side<'_>> = p.0.get("states").and_then(Value::as_array).into_iter().flatten().map(Side).collect();
    let look = match () {
        () if states.iter().any(|s| s.kind() == "link") || after.kind() == "absent" => Look::Link,
        () if secret => Look::Digest,
        () => Look::Follow,
    };
    // A link that led there is another thing than what was removed at its end.
    let found = view.file(if look == Look::Link { real } else { path }, look)?;
    if before.is(&found.state) {
        return Ok(Decision::new(true, format!("{path} is as it was before")));
    }
    if !states.iter().any(|s| s.is(&found.state)) {
        return Err(changed_since(p, &found, path));
    }
    if before.kind() == "absent" && found.state.kind == Kind::Directory {
        let others = others(p, view)?;
        if !others.is_empty() {
            let said = format!("{path} stays: it has what the run did not make ({})", listed(&others));
            return Ok(Decision::new(true, said.clone()).with("note", said));
        }
    }
    if p.is("since") {
        return Ok(Decision::new(true, format!("{path} is as the run left it")));
    }
    let owner = before.owner().map(|(uid, gid)| Owner { uid, gid, user: uid.to_string(), group: gid.to_string() });
    let same = Side(&json!({"kind": "file", "sha256": before.digest()})).is(&found.state);
    let kind = match before.kind() {
        "absent" => Kind::Absent,
        "directory" => Kind::Directory,
        "link" => Kind::Link(before.digest().to_owned()),
        _ if same => found.state.kind.clone(),
        _ => content(p, secret, view)?,
    };
    let plain = matches!(kind, Kind::File(_) | Kind::Directory);
    let wanted = FileState { kind, mode: before.mode().filter(|_| plain), owner: owner.filter(|_| plain) };
    let kept = p.str("kept").filter(|_| matches!(wanted.kind, Kind::File(_)) && !same);
    let how = Writing { sensitive: secret, in_place: p.is("in_place"), lift: p.is("immutable") };
    let mut change = view.write_file(path, &found, wanted, how)?;
    if let Some(Change::File(f)) = &mut change {
        f.kept = kept.map(str::to_owned);
        // What was immutable is so again.
        f.immutable |= p.is("immutable");
        // The record has how many names it had; that file is under the others still, and this one is another.
        let names = p.0.get("links").and_then(Value::as_u64).unwrap_or(1);
        if names > 1 && !same && !p.is("in_place") && matches!(f.after.kind, Kind::File(_)) {
            let others =
                if names == 2 { "the other name".to_owned() } else { format!("the {} other names", names - 1) };
            f.notes.push(format!(
                "before the run it was one file under {names} names (hard links): {others} stay as they are, and ln joins them again"
            ));
        }
    }
    Ok(Decision::new(false, format!("{path} is as the run left it")).changing(change.into_iter().collect()))
}

/// What a directory that the run made holds beside what the run made in it.
fn others(p: &Params, view: &View<'_>) -> Result<Vec<String>, Halt> {
    let real = p.text("real");
    let quoted = sh_quote(real).ok_or_else(|| Halt::unknown("a path with a NUL"))?;
    let sh = format!("rb_real {quoted}; cd \"$R$REPLY\" && find . ! -name . | sed 's,^\\./,,'");
    let a = view.script(&format!("entries of {real}"), &sh, false, &[Resource::File(format!("{real}/**"))])?;
    let made = p.list("made");
    let listed = String::from_utf8_lossy(&a.stdout).into_owned();
    let own = |name: &str| made.iter().any(|m| m.strip_prefix(real).and_then(|m| m.strip_prefix('/')) == Some(name));
    Ok(listed.lines().filter(|name| !own(name)).map(str::to_owned).collect())
}

/// The first of them.
fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(5);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    names[..names.len().min(5)].join(", ") + &more
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
            why: format!("what was in {} is not kept on the host any more", p.text("path")),
            todo: match p.str("near") {
                Some(near) => format!("this machine has it: {near}"),
                None => "put it back from a backup".into(),
            },
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
            Some(b) if b["kind"] == "absent" => "nothing was there".to_owned(),
            Some(b) if b["kind"] == "link" => format!("it pointed to {}", b["sha256"].as_str().unwrap_or_default()),
            _ => p.text("kept").to_owned(),
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
    todo += "\n(If it was a later run, take that back first: runbook runs)";
    Halt::Person { why: format!("{path} was changed after the run"), todo, param: None }
}

fn running(u: &UnitState) -> bool {
    matches!(u.active.as_str(), "active" | "activating" | "reloading") && !u.crashing()
}

fn unit(p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
    let name = p.text("unit");
    let units = view.units(&[name])?;
    let u = units.first().ok_or_else(|| Halt::unknown(format!("{name} is not known there")))?;
    let verb = p.str("verb").and_then(Verb::parse);
    let wanted = match p.0.get("runs").and_then(Value::as_bool) {
        _ if verb == Some(Verb::DaemonReload) => verb,
        Some(true) => Some(Verb::Start).filter(|_| !running(u) && !u.offline()),
        Some(false) => Some(Verb::Stop).filter(|_| running(u)),
        None => verb.and_then(Verb::undo).filter(|verb| match verb {
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
    // Which links the run made or took is on record: a verb alone would leave, or take, those of other names.
    let links = p.str("kept").filter(|_| p.0.get("runs").is_none() && verb.links()).map(str::to_owned);
    let change =
        |verb| Change::Unit(UnitChange { unit: name.to_owned(), verb, before: before.clone(), links: links.clone() });
    let reset = (verb == Verb::Start && u.stuck()).then(|| change(Verb::ResetFailed));
    Ok(Decision::new(false, said).changing(reset.into_iter().chain([change(verb)]).collect()))
}

/// As the handler did: by the module of services, which knows what belongs to a socket.
fn again(p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
    let names = p.list("units");
    let units = view.units(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
    if !(p.is("ran") || units.iter().any(running)) || units.iter().all(UnitState::offline) {
        return Ok(Decision::new(true, "it did not run before, and does not"));
    }
    let service = names.iter().find(|n| n.ends_with(".service")).or(names.first()).cloned().unwrap_or_default();
    let how = if p.text("verb") == "reload" { "reloaded" } else { "restarted" };
    let asked = json!({"name": service, how: true});
    Service.decide(&Params(asked.as_object().cloned().unwrap_or_default()), view)
}

/// What was changed on one machine is not taken back on another.
fn host(p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
    let facts = view.facts()?;
    let other =
        |key: &str, now: &str| p.str(key).is_some_and(|then| !then.is_empty() && !now.is_empty() && then != now);
    // A machine's number stays when it gets another name.
    let numbered = p.str("machine_id").is_some_and(|id| !id.is_empty()) && !facts.machine_id.is_empty();
    let is_other = if numbered { other("machine_id", &facts.machine_id) } else { other("host", &facts.hostname) };
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
    let undo = p.str("undo");
    // That it was taken back is known to whoever asks from wherever.
    let flag = Flag::on_record(p.0.get("flag"), p.text("sh"));
    let there = view.file(&flag.path(p.text("state")), Look::Link)?.state.kind != Kind::Absent;
    if undo.is_some() && there != flag.undone {
        return Ok(Decision::new(true, format!("taken back already: {shown}")));
    }
    if let Some(why) = p.str("by_hand").filter(|why| !why.is_empty()) {
        return Err(Halt::Person {
            why: format!("{why}: {shown}"),
            todo: match undo {
                Some(undo) => format!("what takes it back: {undo}"),
                None => "see whether it matters".into(),
            },
            param: None,
        });
    }
    let Some(undo) = undo else {
        if p.is("again") {
            let change = CommandChange::new(p.text("sh"), shown);
            return Ok(
                Decision::new(false, format!("after its files: {shown}")).changing(vec![Change::Command(change)])
            );
        }
        return Err(Halt::Person {
            why: format!("nothing on record takes this back: {shown}"),
            todo: "see whether it matters".into(),
            param: None,
        });
    };
    let mut writes: Vec<Resource> =
        p.list("writes").iter().map(|w| Resource::parse(w).unwrap_or(Resource::All)).collect();
    writes.push(Resource::File(flag.path(p.text("state"))));
    let mut change = CommandChange::new(undo, undo)
        .undone_by(p.str("sh").map(str::to_owned))
        .writing(writes)
        .on_controller(p.text("where") == "controller");
    change.root = p.is("root");
    change.flag = Some(flag.turned());
    Ok(Decision::new(false, format!("done by the run: {shown}")).changing(vec![Change::Command(change)]))
}
