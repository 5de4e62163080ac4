//! `login`: may a user log in over ssh, and what stands in the way.

mod everybody;
mod judge;
mod names;
mod seen;

use serde_json::{Map, Value, json};

use super::{Decision, Field, Halt, Module, Param, Params, Rule, Spec, Ty, is_user};
use crate::edit::authorized_keys;
use crate::edit::references::pam_lines;
use crate::edit::sshd_config::Tree;
use crate::payload::sh_quote;
use crate::plan::{Change, View, first_line};
use crate::target::existence::Existences;
use crate::target::files::{Content, FileState, Kind, Look};
use crate::target::frame::Status;
use crate::target::tree::SSHD;
use everybody::{Together, Way, together};
use judge::{Asked, Judge, Obstacle};
pub(super) use names::{several, within};
use seen::Seen;

/// A user's way in.
pub struct Login;

static SPEC: Spec = Spec {
    name: "login",
    summary: "Whether a user may log in over ssh, and what stands in the way, in the order in which sshd and PAM would meet it: shell, AllowUsers and its kin, PermitRootLogin, keys with the owners and modes that StrictModes wants, nologin, pam_access, expiry. `sshd -T` is asked for this very user and client. As a remediation with `mend`, damaged lines of authorized_keys become what they were meant to be; everything else is for other modules.",
    scalar: Some("user"),
    params: &[
        Param {
            name: "user",
            ty: Ty::Str,
            required: false,
            help: "the name that they log in with; without it, every account of this host that has a shell to log in with, and a key (a password)",
        },
        Param {
            name: "client",
            ty: Ty::Str,
            required: false,
            help: "the address they come from, as the host sees it; else where its log has them last",
        },
        Param {
            name: "by",
            ty: Ty::OneOf(&["key", "password"]),
            required: false,
            help: "how; key unless said otherwise",
        },
        Param {
            name: "key",
            ty: Ty::Str,
            required: false,
            help: "which key: the line of its .pub file, or its fingerprint (SHA256:…)",
        },
        Param {
            name: "about",
            ty: Ty::Str,
            required: false,
            help: "one obstacle, by its `what`: ok and evidence are about it alone",
        },
        Param { name: "mend", ty: Ty::Path, required: false, help: "the file of keys to be mended" },
    ],
    fields: &[
        Field {
            name: "obstacles",
            help: "what stands in the way: a list of {kind, what, todo, user, path, mode, owner, state, file, line, set, unset, add, command, undo, shell}; kind is user, locked, shell, shell_mode, no_shell, policy, keys, nobody (where sshd looks, nobody has keys), spoiled, modes, place, nologin, closed, booting, going_down, access, expired, aged, named (a line names what does not exist), home, chroot, limit (none of something is allowed) or log",
        },
        Field { name: "client", help: "the address that the answer is about; empty if it is not known" },
        Field { name: "keys", help: "fingerprints of the keys that sshd would look at: a list" },
        Field {
            name: "accounts",
            help: "those who are looked at, and whom nobody keeps out on purpose: a list of {name, keys}",
        },
        Field { name: "host_keys", help: "the host's own public keys: a list of TYPE BASE64" },
        Field { name: "said", help: "the last line of sshd's log that says why; empty if there is none" },
        Field { name: "system", help: "running, degraded, starting … (systemctl is-system-running)" },
    ],
    reads: "file:/etc/ssh/**, file:/etc/passwd, file:/etc/group, file:/etc/shadow, file:/etc/nologin, file:/run/nologin, file:/etc/security/**, file:/etc/pam.d/**",
    writes: "file:PATH",
    open: false,
};

/// The lines that say who may come in.
const TELLING: &str = r#"^[[:space:]]*"?(allow(users|groups)|deny(users|groups)|permitrootlogin|pubkeyauthentication|passwordauthentication|kbdinteractiveauthentication|authenticationmethods|authorizedkeys(file|command|commanduser)|authorizedprincipals[a-z]*|trustedusercakeys|revokedkeys|chrootdirectory|forcecommand|maxauthtries|pubkeyaccepted(algorithms|keytypes)|subsystem|refuseconnection|maxsessions|permittty|include|match)[[:space:]="]"#;

impl Module for Login {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn rules(&self) -> &'static [Rule] {
        &[Rule::Not("mend", &["client", "by", "key", "about"]), Rule::When("key", "by", &["key"], "key")]
    }
    fn lint(&self, p: &Map<String, Value>) -> Vec<(&'static str, String, String)> {
        let text = |name: &str| p.get(name).and_then(Value::as_str).filter(|t| !t.contains("{{"));
        let mut out = Vec::new();
        if let Some(name) = text("user").filter(|n| !is_user(n)) {
            out.push(("user", format!("\"{name}\" is no user's name"), "letters, digits and . _ - @ +".into()));
        }
        if let Some(word) = text("client").filter(|t| t.parse::<std::net::IpAddr>().is_err()) {
            out.push(("client", format!("\"{word}\" is no address"), "like: client: 192.0.2.7".into()));
        }
        out
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        let name = p.str("user").unwrap_or_default();
        if !name.is_empty() && !is_user(name) {
            return Err(Halt::error("user", format!("\"{name}\" is no user's name")));
        }
        if let Some(path) = p.str("mend") {
            return mend(path, view);
        }
        let client = match p.str("client") {
            None | Some("") => view.facts()?.ssh_client.clone(),
            Some(a) if a.parse::<std::net::IpAddr>().is_ok() => a.to_owned(),
            Some(a) => return Err(Halt::error("client", format!("\"{a}\" is no address"))),
        };
        let key = match p.str("key").filter(|k| !k.is_empty()) {
            None => None,
            Some(text) => Some(authorized_keys::wanted(text).ok_or_else(|| {
                Halt::error(
                    "key",
                    "this is neither a public key nor a fingerprint (ssh-keygen -lf ~/.ssh/id_ed25519.pub)",
                )
            })?),
        };
        let password = p.str("by") == Some("password");
        let quoted = |t: &str| sh_quote(t).ok_or_else(|| Halt::unknown("a name with a NUL"));
        let probe = crate::target::squeeze(concat!(include_str!("../sshd_t.sh"), include_str!("probe.sh")));
        let (about, w) = match (name, password) {
            ("", false) => (format!("login of everybody from {client}"), "w=key "),
            ("", true) => (format!("login of everybody by password from {client}"), "w=password "),
            _ => (format!("login of {name} from {client}"), ""),
        };
        // Nothing that a plan changes for a login depends on another change: what is there now is what is judged.
        let answer = view.own_script(&about, &format!("{w}u={} c={}\n{probe}", quoted(name)?, quoted(&client)?), &[]);
        let lines = view.lines(super::sshd::MAIN, SSHD, TELLING, &[]);
        let pam = view.pam_lines("sshd");
        let (answer, lines) = (answer?, lines?);
        if !view.facts()?.root {
            return Err(view.takes_root("who may log in is told by files that only root can read"));
        }
        if answer.status != Status::Exit(0) {
            return Err(Halt::unknown(format!("it cannot be told: {}", first_line(&answer.stderr))));
        }
        let (mut all, left) = Seen::read(&answer.stdout);
        let elsewhere = |why: String| Halt::Unknown { why, hint: Some("run the runbook ssh-refused first".into()) };
        if all.iter().any(|s| s.no_sshd) {
            return Err(elsewhere("there is no sshd on this host".into()));
        }
        all.retain(|s| !name.is_empty() || !s.name.is_empty());
        if let Some(seen) = all.iter().find(|s| s.settings.is_none()) {
            let why = if seen.refusal.starts_with(NO_DIRECTORY) {
                format!("sshd tells nothing, as its directory is not there ({})", seen.refusal)
            } else {
                format!("sshd refuses its configuration, so nobody gets in: {}", seen.refusal)
            };
            return Err(elsewhere(why));
        }
        for seen in &mut all {
            if name.is_empty() && seen.guessed {
                // Whoever tried that name last may be anybody, and what its lines say of other places is meant.
                seen.client = None;
                seen.reasons.clear();
            }
            if !name.is_empty() {
                name.clone_into(&mut seen.name);
            }
        }
        let has = |s: &Seen| s.files.iter().any(|f| f.keys.entries.iter().any(|e| Some(e.fingerprint()) == key));
        if name.is_empty() && key.is_some() && !all.is_empty() {
            let looked_at = all.len();
            all.retain(has);
            if all.is_empty() {
                let key = key.unwrap_or_default();
                let what = format!("none of the {looked_at} accounts with keys has the key {key}");
                return Ok(nobody("keys", what, p));
            }
        }
        let tree = Tree::new(super::sshd::MAIN, lines);
        let pam = pam_lines("sshd", &known(pam)?);
        let asked: Vec<Asked<'_>> = all.iter().map(|s| Asked { name: &s.name, password, key: key.clone() }).collect();
        let none = Existences::default();
        let judge = |at: usize, exists| Judge { asked: &asked[at], seen: &all[at], tree: &tree, pam: &pam, exists };
        let mut names: Vec<_> = (0..all.len())
            .flat_map(|at| {
                let mut names = judge(at, &none).names();
                // Whoever asks for what is on a file system that does not answer waits as long.
                names.retain(|(_, name)| !all[at].hangs.iter().any(|h| std::path::Path::new(name).starts_with(h)));
                names
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        let names: Vec<_> = names.iter().map(|(kind, name)| (*kind, name.as_str())).collect();
        let exists = known(view.existence(&names))?;
        let mut ways: Vec<Way> = (0..all.len())
            .map(|at| Way {
                name: all[at].name.clone(),
                keys: fingerprints(&all[at]),
                obstacles: judge(at, &exists).obstacles(),
            })
            .collect();
        let told = match name {
            "" => together(&mut ways),
            _ => Together {
                obstacles: ways.iter().flat_map(|w| w.obstacles.iter().map(|o| o.clone().with("user", name))).collect(),
                ..Together::default()
            },
        };
        let well = match (name, all.first()) {
            ("", None) => {
                let thing = if password { "password" } else { "key" };
                let what = format!("no account of this host has a shell to log in with and a {thing}");
                return Ok(nobody("user", what, p));
            }
            ("", Some(_)) => everybody_well(&ways, &told, &left, password),
            (_, Some(seen)) => well(&asked[0], seen, judge(0, &exists).beyond()),
            (_, None) => return Err(Halt::unknown("the host said nothing of that user")),
        };
        let accounts: Vec<Value> = ways.iter().map(|w| json!({"name": w.name, "keys": w.keys})).collect();
        let keys: Vec<&String> = ways.iter().flat_map(|w| &w.keys).collect();
        let seen = &all[0];
        let last = |of: fn(&Seen) -> &str| all.iter().map(of).rfind(|t| !t.is_empty()).unwrap_or_default().to_owned();
        Ok(decision(&told.obstacles, p, well)
            .with("client", seen.client.map(|a| a.to_string()).unwrap_or_default())
            .with("keys", json!(keys))
            .with("accounts", accounts)
            .with("host_keys", json!(seen.host_keys))
            .with("said", last(|s| &s.said))
            .with("system", seen.system.clone()))
    }
}

/// sshd's own words.
const NO_DIRECTORY: &str = "Missing privilege separation directory";

/// The answer's main part: what stands in the way, or that obstacle alone which the step is about.
fn decision(obstacles: &[Obstacle], p: &Params, well: String) -> Decision {
    let about: Vec<&Obstacle> = obstacles.iter().filter(|o| p.str("about").is_none_or(|a| a == o.what)).collect();
    let evidence = match about.first() {
        Some(o) => o.what.clone(),
        None if p.has("about") => "that does not stand in the way".to_owned(),
        None => well,
    };
    let values = obstacles.iter().map(Obstacle::value).collect::<Vec<_>>();
    Decision::new(about.is_empty(), evidence).with("obstacles", values)
}

/// Nobody was named, and there is nobody to be judged.
fn nobody(kind: &'static str, what: String, p: &Params) -> Decision {
    let todo = "name the user who cannot log in: -e user=NAME";
    let mut out = decision(&[Obstacle::new(kind, what).todo(todo)], p, String::new());
    for name in ["client", "said", "system"] {
        out = out.with(name, "");
    }
    for name in ["keys", "accounts", "host_keys"] {
        out = out.with(name, json!([]));
    }
    out
}

fn fingerprints(seen: &Seen) -> Vec<String> {
    let listed = seen.files.iter().filter(|f| f.listed);
    listed.flat_map(|f| f.keys.entries.iter().map(authorized_keys::Entry::fingerprint)).collect()
}

/// What cannot be told is as if nothing were said of it: nothing is called a fault for it.
fn known<T: Default>(answer: Result<T, Halt>) -> Result<T, Halt> {
    match answer {
        Err(Halt::Unknown { .. }) => Ok(T::default()),
        other => other,
    }
}

fn well(asked: &Asked<'_>, seen: &Seen, beyond: Option<String>) -> String {
    let name = asked.name;
    if asked.password {
        return format!("{name} may log in by password");
    }
    let with = seen.files.iter().find(|f| f.listed && f.keys.own().next().is_some());
    match (with, beyond) {
        (Some(f), _) => {
            const SHOWN: usize = 3;
            let all: Vec<String> = f.keys.own().map(authorized_keys::Entry::fingerprint).collect();
            let more = all.len().saturating_sub(SHOWN);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            let few = all.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
            format!("{name} may log in by key: {} has {few}{more}", f.name)
        }
        (None, Some(beyond)) => format!("{name} may log in by key, if {beyond} knows it"),
        (None, None) => format!("{name} may log in"),
    }
}

/// All who may log in, and those whom somebody keeps out.
fn everybody_well(ways: &[Way], told: &Together, left: &[String], password: bool) -> String {
    const SHOWN: usize = 5;
    let names: Vec<&str> = ways.iter().map(|w| w.name.as_str()).collect();
    let mut out = format!("{} may log in by {}", several(&names, SHOWN), if password { "password" } else { "key" });
    for (name, what) in told.kept.iter().take(SHOWN) {
        out += &format!("; {name} is kept out on purpose: {what}");
    }
    match told.kept.len().saturating_sub(SHOWN) {
        0 => {}
        more => out += &format!("; so are {more} more"),
    }
    if !left.is_empty() {
        out += &format!("; {} more accounts were not looked at (-e user=NAME looks at one)", left.len());
    }
    out
}

/// Damaged lines of a file of keys become what they were meant to be.
fn mend(path: &str, view: &View<'_>) -> Result<Decision, Halt> {
    let found = view.file(path, Look::Follow)?;
    let old = super::edit::text_of(path, &found)?.unwrap_or_default();
    let Some(new) = authorized_keys::mended(old) else {
        return Ok(Decision::new(true, format!("{path} has no line that could be mended")));
    };
    let after = FileState { kind: Kind::File(Content::Bytes(new)), mode: None, owner: None };
    let change: Option<Change> = view.change_file(path, &found, after, false)?;
    Ok(Decision::new(change.is_none(), format!("{path} has damaged lines")).changing(change.into_iter().collect()))
}

#[cfg(test)]
mod tests;
