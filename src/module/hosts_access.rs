//! `hosts_access`: TCP wrappers let a client in.

mod refused;

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::{Decision, Field, Halt, Module, Param, Params, Spec, Ty};
use crate::edit::hosts_access::{ALLOW, Answer, Client, DENY, Files, Host, Place, Tables, Truth, Way, Why};
use crate::edit::hosts_access::{comment_out, let_in};
use crate::plan::{Change, Resource, View};
use crate::target::files::{Content, FileReading, FileState, Kind, Look};

/// hosts.allow and hosts.deny.
pub struct HostsAccess;

static SPEC: Spec = Spec {
    name: "hosts_access",
    summary: "TCP wrappers (hosts.allow, hosts.deny) let the client in, by their real rules, where the daemon is linked to libwrap. What an address alone does not tell (host names, PARANOID, a command's end) is unknown, unless the log shows that this client is refused right now. The repair lets this one address in.",
    scalar: None,
    params: &[
        Param {
            name: "daemon",
            ty: Ty::Str,
            required: false,
            help: "its name there and of its program; sshd unless said otherwise",
        },
        Param { name: "client", ty: Ty::Str, required: false, help: "the address to let in, as the host sees it" },
        Param {
            name: "seen",
            ty: Ty::List,
            required: false,
            help: "addresses that you have just tried from; one that the host's log says was refused is the client",
        },
        Param { name: "port", ty: Ty::Port, required: false, help: "where it listens, for rules that name a port" },
        Param {
            name: "by",
            ty: Ty::OneOf(&["allow", "deny-line"]),
            required: false,
            help: "allow (the default): a line for the client in hosts.allow, before one there that denies; deny-line: the lines that deny become comments",
        },
    ],
    fields: &[
        Field { name: "libwrap", help: "the daemon heeds these files at all" },
        Field { name: "client", help: "the client that the answer is about; empty if it is about everybody" },
        Field { name: "file", help: "where the line is that denies; empty if none does" },
        Field { name: "line", help: "its number, or null" },
        Field { name: "problems", help: "lines without effect, or not as meant: a list of {file, line, text, what}" },
        Field { name: "refused", help: "addresses that the log says were refused, the latest last" },
    ],
    reads: "file:/etc/hosts.allow, file:/etc/hosts.deny",
    writes: "file:/etc/hosts.allow, file:/etc/hosts.deny",
    open: false,
};

/// What is asked of the tables.
struct Question<'a> {
    daemon: &'a str,
    port: Option<u16>,
}

/// The two tables as they were read.
struct Found {
    files: Files,
    allow: FileReading,
    deny: FileReading,
}

/// Whom the answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Who {
    /// None: whoever it is.
    address: Option<IpAddr>,
    /// It tried just now, and the host's log says that it was refused.
    refused: bool,
}

impl Module for HostsAccess {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn lint(&self, p: &Map<String, Value>) -> Vec<(&'static str, String, String)> {
        let text = |name: &str| p.get(name).and_then(Value::as_str).filter(|t| !t.contains("{{"));
        let mut out = Vec::new();
        if let Some(word) = text("daemon").filter(|t| !is_name(t)) {
            out.push(("daemon", format!("\"{word}\" is no name of a daemon"), "like: daemon: sshd".into()));
        }
        if let Some(word) = text("client").filter(|t| t.parse::<IpAddr>().is_err()) {
            out.push(("client", format!("\"{word}\" is no address"), "like: client: 192.0.2.7, or 2001:db8::7".into()));
        }
        out
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        let daemon = p.str("daemon").unwrap_or("sshd");
        if !is_name(daemon) {
            return Err(Halt::error("daemon", format!("\"{daemon}\" is no name of a daemon")));
        }
        // Both questions travel together.
        let linked = linked(daemon, view);
        let found = Found::read(view);
        if !linked? {
            let evidence = format!("{daemon} is not linked to libwrap: hosts.allow and hosts.deny are not asked");
            return Ok(answered(Decision::new(true, evidence), false, None, None));
        }
        let found = found?;
        let tables = Tables::new(&found.files);
        let asked = Question { daemon, port: p.port("port") };
        let everybody = asked.of(&tables, None);
        let problems: Vec<Value> = tables.problems().iter().map(|p| place_value(&p.place, &p.what)).collect();
        let done = |ok, evidence: String, who: Option<IpAddr>, way: Option<&Way>| {
            answered(Decision::new(ok, evidence), true, who, way).with("problems", problems.clone())
        };
        let given = match p.str("client").map(str::parse::<IpAddr>) {
            Some(Ok(a)) => Some(a),
            Some(Err(_)) => return Err(Halt::error("client", format!("\"{}\" is no address", p.text("client")))),
            None => None,
        };
        if everybody.granted() == Truth::Yes {
            return Ok(done(true, format!("TCP wrappers let everybody in to {daemon}"), given, None));
        }
        let seen = seen(p, view)?;
        let log = refused::read(daemon, &seen, view)?;
        let who = match given.map_or_else(|| log.one_of(&seen), Some) {
            Some(a) => Who { address: Some(a), refused: seen.contains(&a) && log.says(a) },
            None if everybody.granted() == Truth::No => Who { address: None, refused: false },
            None => match somebody(&asked, &tables, &everybody, &seen, &log) {
                Ok(evidence) => return Ok(done(true, evidence, None, None).with("refused", log.value())),
                Err(halt) => return Err(halt),
            },
        };
        let answer = asked.of(&tables, who.address);
        let Some(way) = answer.denial().filter(|_| answer.granted() == Truth::No || who.refused) else {
            let address = who.address.map(|a| a.to_string()).unwrap_or_default();
            return match answer.denial() {
                None => Ok(done(true, format!("TCP wrappers let {address} in to {daemon}"), who.address, None)),
                Some(way) => Err(Halt::Unknown {
                    why: format!(
                        "whether TCP wrappers refuse {address} is not known: {} depends on more than an address",
                        told(way)
                    ),
                    hint: Some(format!("on the host: journalctl -t {daemon} | grep 'refused connect from'")),
                }),
            };
        };
        let mut evidence = told(way);
        if who.refused {
            evidence += &format!(
                "; its log: \"refused connect from {}\"",
                who.address.map(|a| a.to_string()).unwrap_or_default()
            );
        }
        let decision = done(false, evidence.clone(), who.address, Some(way)).with("refused", log.value());
        if !view.wants_changes() {
            return Ok(decision);
        }
        let repaired = match p.str("by") {
            Some("deny-line") => asked.without_denials(&found, who),
            _ => asked.with_a_line(&found, who, &answer),
        };
        let repaired = repaired.ok_or_else(|| match who.address {
            None => Halt::Person {
                why: evidence.clone(),
                todo: format!(
                    "say who may come in, by the address that the host sees: -e client=ADDRESS{}",
                    log.hint()
                ),
                param: Some("by"),
            },
            Some(a) => Halt::Person {
                why: evidence.clone(),
                todo: format!(
                    "mend {} by hand, so that it lets {a} in (hosts_access(5)); tcpdmatch {daemon} {a} tells",
                    way.file()
                ),
                param: Some("by"),
            },
        })?;
        found.changes(&repaired, view).map(|c| decision.changing(c))
    }
}

/// A name that is one everywhere: no pattern, no path, nothing that a shell would read.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) && !text.starts_with('-')
}

/// Whether the daemon's program is linked to libwrap. A program that is not there is not.
fn linked(daemon: &str, view: &View<'_>) -> Result<bool, Halt> {
    // From OpenSSH 9.8 on, it is another program of sshd's that speaks with clients: Debian 13 links that one.
    let sh = format!(
        "for f in /usr/sbin/{daemon} /usr/local/sbin/{daemon} /sbin/{daemon} /usr/bin/{daemon} /usr/lib/openssh/{daemon}-session /usr/libexec/openssh/{daemon}-session /usr/libexec/{daemon}-session; do rb_real $f; if [ -f \"$R$REPLY\" ] && grep -qF libwrap.so \"$R$REPLY\"; then echo libwrap; break; fi; done"
    );
    let a = view.script("libwrap", &sh, false, &[Resource::Package("*".into())])?;
    Ok(a.stdout.starts_with(b"libwrap"))
}

/// Addresses that the user tried from. On the host itself they are its own, and nobody's who comes from elsewhere.
fn seen(p: &Params, view: &View<'_>) -> Result<Vec<IpAddr>, Halt> {
    let mut out: Vec<IpAddr> = Vec::new();
    if !view.place().here {
        let ours = p.list("seen");
        out.extend(ours.iter().chain([&view.facts()?.ssh_client]).filter_map(|a| a.parse::<IpAddr>().ok()));
    }
    out.dedup();
    Ok(out)
}

/// Some are let in and some are not, and nobody said who the client is: all is well if none of those who tried is
/// refused, as far as can be told.
fn somebody(
    asked: &Question<'_>,
    tables: &Tables<'_>,
    everybody: &Answer,
    seen: &[IpAddr],
    log: &refused::Log,
) -> Result<String, Halt> {
    let each: Vec<Truth> = seen.iter().map(|a| asked.of(tables, Some(*a)).granted()).collect();
    let rule = everybody.denial().map(told).unwrap_or_default();
    if !each.is_empty() && each.iter().all(|t| *t == Truth::Yes) {
        let all: Vec<String> = seen.iter().map(IpAddr::to_string).collect();
        return Ok(format!("TCP wrappers let {} in, where you come from", all.join(", ")));
    }
    if log.known && log.addresses.is_empty() && each.iter().all(|t| *t != Truth::No) {
        return Ok(format!("TCP wrappers refuse some clients, and its log has none that was refused: {rule}"));
    }
    Err(Halt::Unknown {
        why: format!("TCP wrappers refuse some clients, and it is not known who you are to the host: {rule}"),
        hint: Some(format!("say where you come from: -e client=ADDRESS{}", log.hint())),
    })
}

impl Question<'_> {
    fn of(&self, tables: &Tables<'_>, address: Option<IpAddr>) -> Answer {
        let client = address.map_or_else(Client::default, Client::at);
        tables.ask(self.daemon, &client, &Host::default(), self.port)
    }
    /// With a line for the client; none where that would not do, or nobody knows for whom.
    fn with_a_line(&self, found: &Found, who: Who, answer: &Answer) -> Option<Files> {
        let address = who.address?;
        let first =
            answer.ways.iter().filter(|w| !w.granted).filter_map(|w| w.place.as_ref()).find(|p| p.file == ALLOW);
        let mut files = found.files.clone();
        let old = files.get(ALLOW).cloned().flatten().unwrap_or_default();
        let new = let_in(&old, self.daemon, address, first.map(|p| p.first)).bytes;
        files.insert(ALLOW.into(), Some(new));
        (self.of(&Tables::new(&files), Some(address)).granted() == Truth::Yes).then_some(files)
    }
    /// Without the lines that deny the client; or, where nobody is known, that deny everybody.
    fn without_denials(&self, found: &Found, who: Who) -> Option<Files> {
        let mut files = found.files.clone();
        // A line of a ban list is one of many.
        for _ in 0..1000 {
            let answer = self.of(&Tables::new(&files), who.address);
            let done = match (who.address, who.refused) {
                (Some(_), true) => answer.granted() == Truth::Yes,
                _ => answer.granted() != Truth::No,
            };
            if done {
                return Some(files);
            }
            let place = answer.denial()?.place.as_ref()?;
            let old = files.get(place.file).cloned().flatten()?;
            let new = comment_out(&old, place.first, place.last).bytes;
            if new == old {
                return None;
            }
            files.insert(place.file.into(), Some(new));
        }
        None
    }
}

impl Found {
    fn read(view: &View<'_>) -> Result<Self, Halt> {
        let (allow, deny) = (view.file(ALLOW, Look::Follow), view.file(DENY, Look::Follow));
        let (allow, deny) = (allow?, deny?);
        let mut files = Files::new();
        files.insert(ALLOW.into(), text(ALLOW, &allow)?);
        files.insert(DENY.into(), text(DENY, &deny)?);
        loop {
            let new: Vec<String> =
                Tables::new(&files).named().into_iter().filter(|p| !files.contains_key(p)).take(50).collect();
            if new.is_empty() {
                return Ok(Self { files, allow, deny });
            }
            let read: Vec<_> = new.iter().map(|p| view.file(p, Look::Follow)).collect();
            for (path, found) in new.into_iter().zip(read) {
                let text = text(&path, &found?)?;
                files.insert(path, text);
            }
        }
    }
    /// What makes them so.
    fn changes(&self, files: &Files, view: &View<'_>) -> Result<Vec<Change>, Halt> {
        let mut out = Vec::new();
        for (path, found) in [(ALLOW, &self.allow), (DENY, &self.deny)] {
            let Some(new) = files.get(path).filter(|new| self.files.get(path) != Some(new)).cloned().flatten() else {
                continue;
            };
            let mode = (found.state.kind == Kind::Absent).then_some(0o644);
            let after = FileState { kind: Kind::File(Content::Bytes(new)), mode, owner: None };
            out.extend(view.change_file(path, found, after, false)?);
        }
        Ok(out)
    }
}

/// A file's bytes; none where libwrap could read nothing from it.
fn text(path: &str, found: &FileReading) -> Result<Option<Vec<u8>>, Halt> {
    match &found.state.kind {
        Kind::File(Content::Bytes(b)) if b.contains(&0) => {
            Err(Halt::unknown(format!("{path} holds a NUL byte: what libwrap makes of it is not known")))
        }
        Kind::File(Content::Bytes(b)) => Ok(Some(b.clone())),
        Kind::File(Content::Digest(_)) => {
            Err(Halt::unknown(format!("{path} is sensitive: its text stays where it is")))
        }
        _ => Ok(None),
    }
}

fn answered(d: Decision, libwrap: bool, who: Option<IpAddr>, way: Option<&Way>) -> Decision {
    let place = way.and_then(|w| w.place.as_ref());
    d.with("libwrap", libwrap)
        .with("client", who.map(|a| a.to_string()).unwrap_or_default())
        .with("file", place.map_or("", |p| p.file))
        .with("line", place.map(|p| p.first))
        .with("problems", json!([]))
        .with("refused", json!([]))
}

fn place_value(p: &Place, what: &str) -> Value {
    json!({"file": p.file, "line": p.first, "text": p.text, "what": what})
}

/// What a line says, and why that denies where it is not plain.
fn told(way: &Way) -> String {
    let Some(p) = &way.place else { return "no line matches".into() };
    let at = format!("{}:{}", p.file, p.first);
    let text = crate::plan::first_line(p.text.as_bytes());
    let text = match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    };
    match &way.why {
        Why::Unended => format!("{at} does not end with a newline, and so libwrap denies everybody: \"{text}\""),
        Why::TooLong => format!("{at} is longer than libwrap can read, and so it denies everybody: \"{text}\""),
        Why::BadOption(why) => format!("{at} says \"{text}\": {why}, and so libwrap denies"),
        Why::Twist => format!("{at} gives the connection to another program: \"{text}\""),
        _ => format!("{at} says \"{text}\""),
    }
}

impl Way {
    fn file(&self) -> &'static str {
        self.place.as_ref().map_or(DENY, |p| p.file)
    }
}
