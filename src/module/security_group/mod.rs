//! `security_group`: may a client pass the cloud's firewall in front of an instance, and which rule decides.
//!
//! It runs on the controller, wherever the step looks from. Each provider is a file: what it asks its own command line
//! tool, and a pure judgement of the JSON that comes back. What it changes is one narrow rule, by the provider's own
//! command line.

mod aws;
mod azure;
mod cli;
mod digitalocean;
mod gcp;
mod net;

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Decision, Field, Halt, Module, Param, Params, Spec, Ty};
use crate::plan::{Change, CommandChange, Listing, Resource, View};
use cli::Cli;
use net::Net;

/// A cloud's firewall.
pub struct SecurityGroup;

/// A cloud, and how to ask it.
struct Provider {
    /// As the runbook names it.
    name: &'static str,
    /// Its command line tool.
    program: &'static str,
    /// What is set for a look: no pager, no questions.
    environment: &'static str,
    /// Where the tool is to be had.
    install: &'static str,
    /// How to log in.
    login: &'static str,
    /// Words of an answer that is none, and what to do then; the first that fits.
    refusals: &'static [(&'static [&'static str], &'static str)],
    /// Looks, and judges.
    look: fn(&Wanted<'_>, &dyn Cli) -> Result<Verdict, Halt>,
}

static PROVIDERS: &[Provider] = &[aws::PROVIDER, gcp::PROVIDER, azure::PROVIDER, digitalocean::PROVIDER];
const NAMES: &[&str] = &["aws", "gcp", "azure", "digitalocean"];

/// How long a change may take: a rule that the cloud reports done after a while.
const CHANGE: Duration = Duration::from_secs(180);

/// The question.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    instance: &'a str,
    /// TCP.
    port: u16,
    from: Net,
    /// Where clients go to, where it is known: it tells which of several interfaces is meant.
    address: Option<IpAddr>,
}

/// The answer.
#[derive(Debug, Default)]
struct Verdict {
    /// The client gets through.
    open: bool,
    /// Which rule of which group decides.
    why: String,
    /// What a person should know beside.
    notes: Vec<String>,
    /// The rules that were judged, a line each.
    rules: Vec<String>,
    /// What lets the client in, as narrow as can be.
    repairs: Vec<Repair>,
    /// What is left where no rule of ours would help.
    by_hand: Option<String>,
}

/// One rule more.
#[derive(Debug)]
struct Repair {
    /// The provider's command line.
    run: Vec<String>,
    /// The one that takes it back.
    undo: Vec<String>,
    /// What the tool says when the very rule is there already.
    already: Option<&'static str>,
    /// The rule set.
    listing: Listing,
}

static SPEC: Spec = Spec {
    name: "security_group",
    summary: "Whether a cloud's firewall lets a client reach a TCP port of an instance, and which rule decides; as a repair it adds one rule for that client alone. It asks the provider's own command line tool (`aws`, `gcloud`, `az`, `doctl`) on the controller, with your login. AWS is run against an emulator of its API; the other three against recorded answers of their tools, **not against the real service**.",
    scalar: None,
    params: &[
        Param { name: "provider", ty: Ty::OneOf(NAMES), required: true, help: "the cloud" },
        Param {
            name: "instance",
            ty: Ty::Str,
            required: true,
            help: "aws: `i-…`; gcp: `NAME` or `ZONE/NAME`; azure: `NAME`, `GROUP/NAME` or the resource's id; digitalocean: the droplet's id or name",
        },
        Param {
            name: "allow",
            ty: Ty::Str,
            required: false,
            help: "a TCP port: `22` or `22/tcp`; 22 unless said otherwise",
        },
        Param {
            name: "from",
            ty: Ty::Str,
            required: false,
            help: "the client's address, or a network `ADDRESS/LENGTH`; without it, a person is asked for it. `0.0.0.0/0` is everybody, and is warned about",
        },
    ],
    fields: &[
        Field { name: "from", help: "the client, as `ADDRESS/LENGTH`" },
        Field { name: "port", help: "the port" },
        Field { name: "rules", help: "the rules that were judged, a list of lines" },
        Field { name: "notes", help: "what a person should know beside, a list of lines" },
    ],
    reads: "cloud",
    writes: "cloud",
    open: false,
};

impl Module for SecurityGroup {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn lint(&self, p: &Map<String, Value>) -> Vec<(&'static str, String, String)> {
        let plain = |k: &str| p.get(k).and_then(Value::as_str).filter(|t| !t.contains("{{"));
        let mut out = Vec::new();
        if plain("allow").is_some_and(|t| port(t).is_none()) {
            out.push(("allow", "it is no TCP port".into(), "like 22 or 22/tcp".into()));
        }
        if plain("from").is_some_and(|t| Net::parse(t).is_none()) {
            out.push((
                "from",
                "it is neither an address nor a network".into(),
                "like 203.0.113.7 or 203.0.113.0/24".into(),
            ));
        }
        out
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        let provider = PROVIDERS.iter().find(|x| x.name == p.text("provider"));
        let provider = provider.ok_or_else(|| Halt::error("provider", "no such cloud"))?;
        let wanted = wanted(p, view)?;
        let verdict = (provider.look)(&wanted, &cli::Program { provider, view })?;
        answer(&wanted, verdict)
    }
}

fn wanted<'a>(p: &'a Params, view: &View<'_>) -> Result<Wanted<'a>, Halt> {
    let instance = p.text("instance");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if instance.is_empty() || instance.starts_with('-') || !instance.chars().all(plain) {
        return Err(Halt::error("instance", format!("\"{instance}\" is no instance")));
    }
    let port = port(p.str("allow").unwrap_or("22")).ok_or_else(|| Halt::error("allow", "it is no TCP port"))?;
    let Some(from) = p.str("from").filter(|f| !f.is_empty()) else {
        return Err(Halt::Unknown {
            why: "it is not known which address the client comes from".into(),
            hint: Some(
                "say it: -e client=203.0.113.7, the address that the world sees, not one of your own network".into(),
            ),
        });
    };
    let from = Net::parse(from)
        .ok_or_else(|| Halt::error("from", format!("\"{from}\" is neither an address nor a network: 203.0.113.7")))?;
    let address = view.place().address.as_deref().and_then(|a| a.parse().ok());
    Ok(Wanted { instance, port, from, address })
}

/// `22` or `22/tcp`.
fn port(text: &str) -> Option<u16> {
    text.strip_suffix("/tcp").unwrap_or(text).parse().ok().filter(|p| *p > 0)
}

fn answer(w: &Wanted<'_>, mut v: Verdict) -> Result<Decision, Halt> {
    if w.from.is_everybody() {
        v.notes.insert(0, format!("WARNING: {} is everybody: every scanner of the internet may try to log in", w.from));
    } else if w.from.is_private() {
        v.notes.push(format!(
            "{} is a private address: right only where the client comes from inside, by a VPN say",
            w.from
        ));
    }
    // What is changed says them itself.
    let notes = if v.repairs.is_empty() { v.notes.as_slice() } else { &[] };
    let evidence = notes.iter().fold(v.why.clone(), |all, note| format!("{all}; {note}"));
    if !v.open && v.repairs.is_empty() {
        let todo = v.by_hand.unwrap_or_else(|| "let the client in by hand".into());
        return Err(Halt::Person { why: evidence, todo, param: None });
    }
    let changes: Option<Vec<Change>> = v.repairs.into_iter().map(|r| r.change(&v.notes, &v.by_hand)).collect();
    let changes = changes.ok_or_else(|| Halt::unknown("a name with a NUL"))?;
    Ok(Decision::new(v.open, evidence)
        .with("from", w.from.to_string())
        .with("port", w.port)
        .with("rules", json!(v.rules))
        .with("notes", json!(v.notes))
        .changing(changes))
}

impl Repair {
    fn change(self, notes: &[String], by_hand: &Option<String>) -> Option<Change> {
        let shown = cli::line(&self.run)?;
        let sh = match self.already {
            None => shown.clone(),
            // Another run, or a first try whose answer was lost, has made the very same rule.
            Some(word) => format!(
                "said=$({shown} 2>&1) || {{ r=$?; case $said in *'{word}'*) exit 0;; esac; printf '%s\\n' \"$said\" >&2; exit $r; }}"
            ),
        };
        let mut change = CommandChange::new(sh, shown).undone_by(Some(cli::line(&self.undo)?)).on_controller(true);
        change.writes = vec![Resource::Cloud];
        change.deadline = CHANGE;
        change.notes =
            notes.iter().cloned().chain(by_hand.iter().map(|h| format!("it takes more than this: {h}"))).collect();
        change.listing = Some(self.listing);
        Some(Change::Command(change))
    }
}

/// A rule set with one line more, at its place.
fn listing(name: String, before: &[String], at: usize, line: String) -> Listing {
    let mut after = before.to_vec();
    after.insert(at.min(before.len()), line);
    let text = |lines: &[String]| lines.iter().map(|l| format!("{l}\n")).collect();
    Listing { name, before: text(before), after: text(&after) }
}

/// The words of a command line.
fn words(all: &[&str]) -> Vec<String> {
    all.iter().map(|w| (*w).to_owned()).collect()
}

/// The items of a list in JSON; none where it is not there.
fn items(v: &Value) -> &[Value] {
    v.as_array().map_or(&[], Vec::as_slice)
}

/// A text in JSON; empty where it is not there.
fn text(v: &Value) -> &str {
    v.as_str().unwrap_or_default()
}

/// Whether a port is in `22`, `20-25`, or a list of these.
fn in_ports(port: u16, spec: &str) -> bool {
    spec.split(',').any(|part| {
        let (low, high) = part.trim().split_once('-').unwrap_or((part.trim(), part.trim()));
        matches!((low.trim().parse::<u16>(), high.trim().parse::<u16>()), (Ok(low), Ok(high)) if (low..=high).contains(&port))
    })
}

/// The last part of a path or an URL.
fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests;
