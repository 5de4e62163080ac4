//! `sshd_config`: directives by what they mean to sshd.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::sshd::{MAIN, Seen, from_value, shown};
use super::{Decision, Field, Halt, IMMUTABLE, Module, Param, Params, Rule, Spec, Ty, utf16, writing};
use crate::edit::managed_by;
use crate::edit::sshd_config::{Edits, Error, Fault, Left, Meant, Policy, Tree, canonical, one_word};
use crate::plan::{Change, View, Writing};
use crate::target::files::{Content, FileReading, FileState, Kind, Look};
use crate::target::tree::SSHD;

/// sshd's configuration.
pub struct SshdConfig;

static SPEC: Spec = Spec {
    name: "sshd_config",
    summary: "Directives of sshd_config(5) by what they mean: through Include and Match, in any spelling. It changes the line that decides and leaves every other byte, and has sshd -T confirm the result before anything is written.",
    scalar: None,
    params: &[
        Param {
            name: "set",
            ty: Ty::Map,
            required: false,
            help: "exactly these: {Port: 22}; a list for directives that add up, each item one value: `AllowGroups: [\"domain users\"]` is one group. An empty list says nothing: `unset` takes lines out",
        },
        Param {
            name: "add",
            ty: Ty::Map,
            required: false,
            help: "these too, for directives that add up (Port, ListenAddress, AcceptEnv …)",
        },
        Param {
            name: "unset",
            ty: Ty::List,
            required: false,
            help: "these names have no line any more that holds for everybody: a # is put in front. Lines inside a Match stay",
        },
        Param {
            name: "fix",
            ty: Ty::Maps,
            required: false,
            help: "what sshd refuses, as `sshd: config` lists it in `errors`: a misspelling is corrected, any other bad line is commented out",
        },
        Param {
            name: "policy",
            ty: Ty::OneOf(&["comment", "correct"]),
            required: false,
            help: "for fix, on lines that decide who gets in; without it they are left to a person",
        },
        Param { name: "path", ty: Ty::Path, required: false, help: "the main file (/etc/ssh/sshd_config)" },
        IMMUTABLE,
    ],
    fields: &[
        Field { name: "lines", help: "the lines that would change: a list of {file, line, before, after}" },
        Field { name: "said", help: "what each change means, in a person's words: a list" },
        Field { name: "proven", help: "sshd -T confirmed the result" },
    ],
    reads: "file:/etc/ssh/**",
    writes: "file:/etc/ssh/**",
    open: false,
};

/// As many rounds of repair as a file may have bad lines that sshd names one at a time.
const TRIES: usize = 60;

impl Module for SshdConfig {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn rules(&self) -> &'static [Rule] {
        &[
            Rule::Some(&["fix", "set", "add", "unset"]),
            Rule::Not("fix", &["set", "add", "unset"]),
            Rule::Only("policy", &["fix"]),
        ]
    }
    fn lint(&self, p: &Map<String, Value>) -> Vec<(&'static str, String, String)> {
        let mut out = Vec::new();
        if let Some((param, key)) = twice(p) {
            let hint = "set alone makes it exactly that; unset alone takes it out";
            out.push((param, format!("{key} is in \"{param}\" and in \"unset\""), hint.to_owned()));
        }
        out
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        // Asked early, so that it travels with the files.
        let (found, seen) = (view.tree(p.str("path").unwrap_or(MAIN), SSHD), Seen::read(view));
        let seen = seen?;
        let main = p.str("path").unwrap_or_else(|| seen.as_ref().map_or(MAIN, Seen::main)).to_owned();
        let found = if main == MAIN || p.has("path") { found? } else { view.tree(&main, SSHD)? };
        let mut work = Work::new(main, found, seen, writing(p), view)?;
        let proven = if p.has("fix") { work.fix(p)? } else { work.edit(p)? };
        work.decision(proven)
    }
}

/// The files on their way from what they are to what they should be.
struct Work<'a, 'v> {
    view: &'a View<'v>,
    how: Writing,
    main: String,
    /// sshd, before any of this.
    before: Option<Seen>,
    /// Links that lead nowhere, to be taken away.
    gone: Vec<String>,
    found: Vec<(String, FileReading)>,
    files: BTreeMap<String, Vec<u8>>,
    edited: BTreeSet<String>,
    lines: Vec<Value>,
    said: Vec<String>,
    /// OpenSSH's, where it can be asked: the rules changed over time.
    version: Option<(u32, u32)>,
}

impl<'a, 'v> Work<'a, 'v> {
    fn new(
        main: String,
        found: Vec<(String, FileReading)>,
        before: Option<Seen>,
        how: Writing,
        view: &'a View<'v>,
    ) -> Result<Self, Halt> {
        let files: BTreeMap<String, Vec<u8>> =
            found.iter().filter_map(|(name, r)| Some((name.clone(), r.state.bytes()?.to_vec()))).collect();
        if !files.contains_key(&main) {
            let from = before.as_ref().map(|s| s.template.as_str()).filter(|t| !t.is_empty());
            let from = from.map(|t| format!(" (the package's own is {t})")).unwrap_or_default();
            let todo = format!("put {main} back from a backup{from}, or take away what names it");
            return Err(Halt::Person { why: format!("there is no file {main}"), todo, param: None });
        }
        let version = before.as_ref().and_then(Seen::numbers);
        let (mut edited, gone, lines, mut said): (BTreeSet<String>, _, _, Vec<String>) = Default::default();
        let mut files = files;
        for (name, bytes) in &mut files {
            if let Some(text) = utf16::decode(bytes) {
                *bytes = text.into_bytes();
                edited.insert(name.clone());
                said.push(format!("{name} is written in UTF-16, which sshd cannot read: it becomes UTF-8"));
            }
        }
        Ok(Self { view, how, main, before, found, files, edited, gone, lines, said, version })
    }

    fn tree(&self) -> Tree {
        let tree = Tree::new(&self.main, self.files.clone());
        match self.version {
            Some(v) => tree.with_version(v),
            None => tree,
        }
    }

    fn take(&mut self, edits: Edits) {
        for t in &edits.touched {
            let text = |b: &Option<Vec<u8>>| b.as_ref().map(|b| String::from_utf8_lossy(b).trim_end().to_owned());
            self.lines
                .push(json!({"file": t.file, "line": t.line, "before": text(&t.before), "after": text(&t.after)}));
        }
        self.said.extend(edits.notes);
        for (name, bytes) in edits.files {
            self.edited.insert(name.clone());
            self.files.insert(name, bytes);
        }
    }

    /// Directives that are asked for. True if sshd confirmed the result.
    fn edit(&mut self, p: &Params) -> Result<bool, Halt> {
        if let Some((param, key)) = twice(&p.0) {
            let why = format!("{key} is in \"{param}\" and in \"unset\"");
            let hint = Some("set alone makes it exactly that; unset alone takes it out".into());
            return Err(Halt::Error { param: Some(param.into()), why, hint });
        }
        let before = self.before.take();
        let mut keys = BTreeSet::new();
        for key in p.list("unset") {
            let edits = self.tree().unset(&key).map_err(|e| refused("unset", &e))?;
            if !edits.files.is_empty() {
                keys.insert(canonical(&key));
            }
            self.take(edits);
        }
        for (param, pairs) in [("set", values(p, "set")?), ("add", values(p, "add")?)] {
            for (key, wanted) in pairs {
                let says = |s: &Seen| s.setting(&canonical(&key)).map(str::to_owned);
                let as_is = before.as_ref().and_then(says);
                if param == "set" && wanted.is_empty() && !self.tree().values(&key).is_empty() {
                    let tree = self.tree();
                    let there: Vec<String> = tree.values(&key).iter().map(|line| line.args.join(" ")).collect();
                    let there = there.join(" ");
                    return Err(Halt::Error {
                        param: Some(param.into()),
                        why: format!("{key} is to be an empty list, and it is \"{there}\""),
                        hint: Some(format!("unset: [{key}] takes its lines out, and sshd's default holds then")),
                    });
                }
                // Neither a default that holds already nor an empty list is worth a line.
                let holds =
                    self.tree().values(&key).is_empty() && wanted.len() == 1 && as_is.as_ref() == wanted.first();
                if wanted.is_empty() || (param == "set" && holds) {
                    continue;
                }
                let edits =
                    if param == "set" { self.tree().set(&key, &wanted) } else { self.tree().add(&key, &wanted) };
                let edits = edits.map_err(|e| refused(param, &e))?;
                if !edits.files.is_empty() {
                    keys.insert(canonical(&key));
                }
                self.take(edits);
            }
        }
        self.before = before;
        match &self.before {
            Some(before) if self.can_try()? && !self.edited.is_empty() => self.prove(before, &keys, p),
            _ => Ok(false),
        }
    }

    /// sshd itself says that the result is what was meant, and nothing else.
    fn prove(&self, before: &Seen, keys: &BTreeSet<String>, p: &Params) -> Result<bool, Halt> {
        let Some(after) = self.ask()? else { return Ok(false) };
        // Where it was refused before, for other lines, what it says of these is not known.
        let Some(old) = &before.settings else { return Ok(false) };
        let Some(new) = &after.settings else {
            let why = after.said.faults.first().map(shown).or_else(|| after.said.other.clone()).unwrap_or_default();
            return Err(Halt::Error {
                param: Some(first_param(p).to_owned()),
                why: format!("sshd would refuse the result, so nothing is done: {why}"),
                hint: Some("it does not go with another line: change both in one step".into()),
            });
        };
        let may = |k: &str| {
            keys.contains(k) || (k == "listenaddress" && (keys.contains("port") || keys.contains("addressfamily")))
            // OpenSSH lists a port only where it is used.
            || (k == "port" && keys.contains("listenaddress"))
        };
        let of = |s: &[(String, String)], k: &str| -> Vec<String> {
            s.iter().filter(|(x, _)| x == k).map(|(_, v)| v.clone()).collect()
        };
        let names: BTreeSet<&String> = old.iter().chain(new).map(|(k, _)| k).collect();
        if let Some(k) = names.iter().find(|k| !may(k) && of(old, k) != of(new, k)) {
            let why = format!(
                "the edit would change {k} too (from {} to {}), so nothing is done",
                of(old, k).join(" "),
                of(new, k).join(" ")
            );
            let hint = Some(format!("set {k} in the same step, or leave it to a person"));
            return Err(Halt::Error { param: Some(first_param(p).to_owned()), why, hint });
        }
        self.lists_are_as_meant(new, p)?;
        let wanted_ports: Vec<u16> = ["set", "add"]
            .iter()
            .flat_map(|m| values(p, m).unwrap_or_default())
            .filter(|(k, _)| k.eq_ignore_ascii_case("port"))
            .flat_map(|(_, v)| v.iter().filter_map(|v| v.parse().ok()).collect::<Vec<u16>>())
            .collect();
        if let Some(lost) = wanted_ports.iter().find(|w| !after.ports().contains(w)) {
            return Err(Halt::Error {
                param: Some(first_param(p).to_owned()),
                why: format!("sshd would still not listen on port {lost}: {}", after.listen_evidence()),
                hint: Some(
                    "something else decides where it listens: its command line, or ListenAddress lines with ports"
                        .into(),
                ),
            });
        }
        Ok(true)
    }

    /// Of the lists that decide who gets in, sshd names exactly what was set: a name with a blank that was read as two
    /// would let others in.
    fn lists_are_as_meant(&self, new: &[(String, String)], p: &Params) -> Result<(), Halt> {
        const LISTS: &[&str] = &["allowusers", "allowgroups", "denyusers", "denygroups"];
        for param in ["set", "add"] {
            for (key, _) in
                values(p, param)?.into_iter().filter(|(k, w)| LISTS.contains(&canonical(k).as_str()) && !w.is_empty())
            {
                let listed: BTreeSet<&str> =
                    new.iter().filter(|(k, _)| *k == canonical(&key)).map(|(_, v)| v.as_str()).collect();
                let tree = self.tree();
                let meant: BTreeSet<&str> =
                    tree.values(&key).iter().flat_map(|line| &line.args).map(String::as_str).collect();
                if listed != meant {
                    let all = |names: &BTreeSet<&str>| {
                        names.iter().map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ")
                    };
                    return Err(Halt::Error {
                        param: Some(param.into()),
                        why: format!(
                            "sshd would read {key} as {}, and {} is meant, so nothing is done",
                            all(&listed),
                            all(&meant)
                        ),
                        hint: Some("quote a name with a blank; and is there another line of it that counts?".into()),
                    });
                }
            }
        }
        Ok(())
    }

    /// What sshd refuses is repaired line by line, tried on the candidates until it is clean.
    fn fix(&mut self, p: &Params) -> Result<bool, Halt> {
        let policy = match p.str("policy") {
            Some("comment") => Policy::Comment,
            Some(_) => Policy::Correct,
            None => Policy::Ask,
        };
        let given = p.0.get("fix").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut faults: Vec<Fault> = given.iter().filter_map(from_value).collect();
        if faults.is_empty() {
            return Ok(false);
        }
        let tries = self.can_try()?;
        // What sshd said of a file that it cannot read is about none of its lines.
        if !self.edited.is_empty() {
            faults = if tries {
                let Some(seen) = self.ask()? else { return Ok(false) };
                if seen.said.faults.is_empty() && seen.said.other.is_none() {
                    return Ok(true);
                }
                seen.said.faults
            } else {
                self.tree().check()
            };
            if faults.is_empty() {
                return Ok(false);
            }
        }
        // Lines that may decide who gets in, commented out for now: they are weighed when all others are repaired.
        let mut weighed: Vec<(Meant, Left)> = Vec::new();
        for _ in 0..TRIES {
            self.unlink(&mut faults, policy)?;
            let mut idle = BTreeSet::new();
            let mut fixed = self.tree().fix(&faults, policy).map_err(|e| refused("fix", &e))?;
            if policy == Policy::Ask && !fixed.left.is_empty() {
                for left in std::mem::take(&mut fixed.left) {
                    let Some(meant) = left.meant.clone() else { return Err(for_a_person(&left)) };
                    idle.insert((left.fault.file.clone(), left.fault.line));
                    weighed.push((meant, left));
                }
                fixed = self.tree().fix_but(&faults, policy, &idle).map_err(|e| refused("fix", &e))?;
            }
            if let Some(left) = fixed.left.first() {
                return Err(for_a_person(left));
            }
            if fixed.edits.files.is_empty() && !faults.is_empty() {
                let why = faults.first().map(shown).unwrap_or_default();
                return Err(Halt::Person { why: why.clone(), todo: format!("mend it by hand: {why}"), param: None });
            }
            self.said.extend(fixed.said);
            self.take(fixed.edits);
            if !tries {
                faults = self.tree().check();
                if faults.is_empty() {
                    return self.weigh(&weighed, None).map(|()| false);
                }
                continue;
            }
            let Some(seen) = self.ask()? else { return self.weigh(&weighed, None).map(|()| false) };
            if seen.said.faults.is_empty() {
                return match seen.said.other {
                    None => self.weigh(&weighed, seen.settings.as_deref()).map(|()| true),
                    Some(why) => Err(Halt::Person { todo: format!("mend it by hand: {why}"), why, param: None }),
                };
            }
            faults = seen.said.faults;
        }
        Err(Halt::error("fix", format!("more than {TRIES} rounds of bad lines: is this an sshd_config?")))
    }

    /// A line is for a person to decide only if it decides something: what sshd says of the files without it is compared
    /// with what it says where the line is as it was meant. `settings` is what it says without; where there is none, our own
    /// table compares.
    fn weigh(&self, weighed: &[(Meant, Left)], settings: Option<&[(String, String)]>) -> Result<(), Halt> {
        let tree = self.tree();
        let mut pending = false;
        for (meant, left) in weighed {
            let Some(new) = tree.as_meant(meant) else { return Err(for_a_person(left)) };
            let mut files = self.files.clone();
            files.extend(new);
            let same = match settings {
                Some(without) => match self.ask_of(&files) {
                    Ok(with) => with.and_then(|s| s.settings).is_some_and(|with| with == without),
                    // All are asked in one round trip.
                    Err(Halt::Pending) => {
                        pending = true;
                        continue;
                    }
                    Err(halt) => return Err(halt),
                },
                None => tree.decides_like(&Tree::new(&self.main, files), &meant.key),
            };
            if !same {
                return Err(for_a_person(left));
            }
        }
        if pending { Err(Halt::Pending) } else { Ok(()) }
    }

    /// A link in the place of an included file that leads nowhere: sshd will not start for it. What the file would say is
    /// not known, so it is a person's decision to do without it.
    fn unlink(&mut self, faults: &mut Vec<Fault>, policy: Policy) -> Result<(), Halt> {
        let missing = |f: &Fault| f.line == 0 && f.message.starts_with("No such file") && f.file != self.main;
        let links: Vec<String> = faults.iter().filter(|f| missing(f)).map(|f| f.file.clone()).collect();
        for path in links {
            if let Kind::Link(to) = self.view.file(&path, Look::Link)?.state.kind {
                if policy != Policy::Comment {
                    let todo = format!(
                        "{path} leads to {to}, which is not there (a disk that is not mounted?): what it says of who gets in is not known"
                    );
                    return Err(Halt::Person {
                        why: format!("{path} leads to {to}, which is not there"),
                        todo,
                        param: Some("policy"),
                    });
                }
                faults.retain(|f| f.file != path);
                self.said.push(format!("{path} leads to a file that is not there: the link is taken away"));
                self.gone.push(path);
            }
        }
        Ok(())
    }

    fn can_try(&self) -> Result<bool, Halt> {
        let facts = self.view.facts()?;
        let asked = self.before.as_ref().map_or(MAIN, Seen::main);
        Ok(facts.overlay && (facts.live || facts.can_run) && self.main == asked)
    }

    fn ask(&self) -> Result<Option<Seen>, Halt> {
        self.ask_of(&self.files)
    }

    /// What sshd would say of these files.
    fn ask_of(&self, files: &BTreeMap<String, Vec<u8>>) -> Result<Option<Seen>, Halt> {
        self.view.with_changes(&self.changes_to(files)?, Seen::read)
    }

    fn changes(&self) -> Result<Vec<Change>, Halt> {
        self.changes_to(&self.files)
    }

    /// From what was found to these files.
    fn changes_to(&self, files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<Change>, Halt> {
        let mut out = Vec::new();
        for (name, reading) in &self.found {
            let Some(bytes) = files.get(name).filter(|b| reading.state.bytes() != Some(b.as_slice())) else { continue };
            let after = FileState { kind: Kind::File(Content::Bytes(bytes.clone())), mode: None, owner: None };
            out.extend(self.view.write_file(name, reading, after, self.how)?);
        }
        for path in &self.gone {
            let link = self.view.file(path, Look::Link)?;
            out.extend(self.view.change_file(path, &link, FileState::ABSENT, false)?);
        }
        Ok(out)
    }

    fn decision(self, proven: bool) -> Result<Decision, Halt> {
        let mut changes = self.changes()?;
        let mut said = self.said.clone();
        for name in &self.edited {
            let old = self.found.iter().find(|(n, _)| n == name).and_then(|(_, r)| r.state.bytes()).unwrap_or_default();
            if let Some((n, text)) = managed_by(old) {
                let text = String::from_utf8_lossy(text).trim().to_owned();
                said.push(format!("another tool claims {name} (line {n}: {text}) and may undo the edit"));
            }
        }
        // Each note under the file that it speaks of.
        let mut left = said.clone();
        for c in changes.iter_mut().rev() {
            let Change::File(f) = c else { continue };
            let first = Some(&f.path) == self.edited.first().or(self.gone.first());
            (f.notes, left) = left.into_iter().partition(|n| first || n.contains(f.path.as_str()));
        }
        let text = |v: &Value, k: &str| v[k].as_str().unwrap_or_default().to_owned();
        let evidence = match self.lines.first() {
            None if !self.gone.is_empty() => format!("{} leads nowhere", self.gone[0]),
            None => "sshd is told so already".into(),
            Some(l) if l["before"].is_null() => format!("{} lacks \"{}\"", text(l, "file"), text(l, "after").trim()),
            Some(l) => format!("{}:{} says \"{}\"", text(l, "file"), l["line"], text(l, "before").trim()),
        };
        Ok(Decision::new(true, evidence)
            .with("lines", self.lines)
            .with("said", said)
            .with("proven", proven)
            .changing(changes))
    }
}

/// A line that only a person can decide about, with what may have been meant.
fn for_a_person(left: &Left) -> Halt {
    let place = match (left.fault.file.as_str(), left.fault.line) {
        ("", _) => "your configuration".to_owned(),
        (file, line) => format!("{file}, line {line}"),
    };
    let meant = left.suggestion.as_ref().map(|s| format!(" (perhaps \"{}\" was meant)", s.trim()));
    let todo = format!("look at {place}: {}{}", left.why, meant.unwrap_or_default());
    Halt::Person { why: shown(&left.fault), todo, param: left.by_policy.then_some("policy") }
}

/// A directive that is both set (or added to) and unset: the parameter, and how it is spelled there.
fn twice(p: &Map<String, Value>) -> Option<(&'static str, String)> {
    let unset: BTreeSet<String> = match p.get("unset") {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).map(canonical).collect(),
        Some(Value::String(one)) => [canonical(one)].into(),
        _ => return None,
    };
    ["set", "add"].into_iter().find_map(|param| {
        let map = p.get(param)?.as_object()?;
        map.keys().find(|k| unset.contains(&canonical(k))).map(|k| (param, k.clone()))
    })
}

/// An edit that cannot be made, with what to do about it.
fn refused(param: &str, e: &Error) -> Halt {
    Halt::Error { param: Some(param.to_owned()), why: e.to_string(), hint: Some(e.hint()) }
}

fn first_param(p: &Params) -> &'static str {
    if p.has("set") {
        "set"
    } else if p.has("add") {
        "add"
    } else {
        "unset"
    }
}

/// `{Port: 22, AcceptEnv: [LANG, LC_*]}` as texts; YAML's booleans are sshd's yes and no.
fn values(p: &Params, name: &str) -> Result<Vec<(String, Vec<String>)>, Halt> {
    let text = |v: &Value| match v {
        Value::String(s) => Ok(s.clone()),
        Value::Number(n) => Ok(n.to_string()),
        Value::Bool(b) => Ok(if *b { "yes" } else { "no" }.to_owned()),
        other => {
            Err(Halt::error(name, format!("expected a value or a list of values, found {}", super::kind_of(other))))
        }
    };
    let map = p.0.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    map.into_iter()
        .map(|(k, v)| {
            // An item of a list is one value; a text alone is what would stand behind the keyword.
            let list = match &v {
                Value::Array(items) => {
                    items.iter().map(|i| text(i).map(|t| one_word(&k, &t))).collect::<Result<_, _>>()?
                }
                one => vec![text(one)?],
            };
            Ok((k, list))
        })
        .collect()
}
