//! `ssh_login`: the user's own ssh client, as far as it goes.

use serde_json::{Map, Value, json};

use super::login::several;
use super::{Decision, Field, Halt, Module, Param, Params, Spec, Ty, is_user};
use crate::channel::client::{LoginAttempt, LoginResult, LoginStage};
use crate::plan::View;

/// A login by the ssh of this machine.
pub struct SshLogin;

static SPEC: Spec = Spec {
    name: "ssh_login",
    summary: "Runs the ssh of the controller, with the user's own configuration, keys and agent, as far as it goes without a password: connection, key exchange, host key, authentication, session. A host key that is not known here is not accepted, and nothing is written to known_hosts. Ok: a session began and ran a command, or sshd takes a key whose passphrase nobody typed. Where no login could be tried (no ssh here, an unknown host key, no key that sshd is to take) it does not apply, and says how far a client got.",
    scalar: Some("user"),
    params: &[
        Param { name: "user", ty: Ty::Str, required: false, help: "who logs in; else whom ssh's configuration names" },
        Param {
            name: "port",
            ty: Ty::Port,
            required: false,
            help: "TCP port; the target's ssh port unless said otherwise",
        },
        Param {
            name: "accounts",
            ty: Ty::Maps,
            required: false,
            help: "who may log in, where nobody is named: a list of {name, keys}; those are tried who have a key that this machine offers",
        },
        Param {
            name: "keys",
            ty: Ty::List,
            required: false,
            help: "fingerprints of the keys that sshd is to take: a refusal of one of them is a fault; of others it is none",
        },
        Param {
            name: "host_keys",
            ty: Ty::List,
            required: false,
            help: "the host's public keys (TYPE BASE64), as they are known by another way: taken where known_hosts has none",
        },
    ],
    fields: &[
        Field {
            name: "stage",
            help: "how far it went: not-connected, connected, banner, unknown-host, changed-host, authentication, authenticated or session",
        },
        Field { name: "message", help: "the client's own last words" },
        Field { name: "offered", help: "fingerprints of the keys that the client offered: a list" },
    ],
    reads: "socket:*, rules, cloud, file:/etc/**",
    writes: "",
    open: false,
};

impl Module for SshLogin {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    /// Failed logins count against an address (PerSourcePenalties, fail2ban).
    fn may_repeat(&self) -> bool {
        false
    }
    fn destinations(&self) -> &'static [&'static str] {
        &["user", "port"]
    }
    fn lint(&self, p: &Map<String, Value>) -> Vec<(&'static str, String, String)> {
        let name = p.get("user").and_then(Value::as_str).filter(|n| !n.contains("{{") && !is_user(n));
        name.map(|n| ("user", format!("\"{n}\" is no user's name"), "letters, digits and . _ - @ +".to_owned()))
            .into_iter()
            .collect()
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        let place = view.place();
        if !place.live {
            return Err(Halt::Skipped("not tested from outside: this is an offline disk".into()));
        }
        let destination = place.via.strip_prefix("ssh:").map(str::to_owned);
        if destination.is_none() && place.address.is_none() {
            return Err(Halt::Skipped("no address of the target is known (give --address); no login was tried".into()));
        }
        let user = p.str("user").filter(|u| !u.is_empty()).map(str::to_owned);
        if user.as_deref().is_some_and(|u| !is_user(u)) {
            return Err(Halt::error("user", "this is no user's name"));
        }
        let attempt = |user: Option<String>| LoginAttempt {
            address: place.address.clone(),
            port: p.port("port").or(place.port).or(destination.is_none().then_some(22)),
            user: user.or_else(|| place.login.clone().filter(|_| destination.is_some())),
            host_keys: p.list("host_keys"),
            salt: view.salt(),
            destination: destination.clone(),
        };
        let login = |user: Option<String>| match view.login(attempt(user)) {
            // A machine without ssh shows nothing of the host.
            Err(Halt::Unknown { why, .. }) => Err(Halt::Skipped(format!("no login was tried: {why}"))),
            other => other,
        };
        let accounts: Vec<Account> =
            p.0.get("accounts").and_then(Value::as_array).into_iter().flatten().filter_map(Account::read).collect();
        if user.is_some() || accounts.is_empty() {
            return judge(login(user.clone())?, user.as_deref(), &p.list("keys"));
        }
        each(&accounts, |name| login(Some(name.to_owned())))
    }
}

/// Somebody who may log in.
struct Account {
    name: String,
    keys: Vec<String>,
}

impl Account {
    fn read(v: &Value) -> Option<Self> {
        let name = v.get("name")?.as_str().filter(|n| is_user(n))?.to_owned();
        let keys = v.get("keys").and_then(Value::as_array).into_iter().flatten();
        Some(Self { name, keys: keys.filter_map(Value::as_str).map(str::to_owned).collect() })
    }
}

/// Logins that are tried, at most: a refused one counts against our address.
const TRIES: usize = 4;

/// Which keys this machine offers is told by the first try; then those are tried who have one of them.
fn each<'r>(accounts: &[Account], login: impl Fn(&str) -> Result<&'r LoginResult, Halt>) -> Result<Decision, Halt> {
    let mut offered: Option<&[String]> = None;
    let (mut tried, mut well, mut last) = (Vec::new(), Vec::new(), None);
    for account in accounts {
        let fits = offered.is_none_or(|o| o.iter().any(|k| account.keys.contains(k)));
        if tried.len() == TRIES || !fits {
            continue;
        }
        let found = login(&account.name)?;
        if !found.offered.is_empty() || found.stage >= LoginStage::Authentication {
            offered.get_or_insert(&found.offered);
        }
        tried.push(account.name.as_str());
        match judge(found, Some(&account.name), &account.keys) {
            Ok(d) if d.ok => {
                well.push(account.name.as_str());
                last = Some(d);
            }
            // It is no fault of this account alone, or it is this account's: nobody else shows more.
            Ok(d) => return Ok(d),
            Err(Halt::Skipped(why)) if last.is_none() && found.stage < LoginStage::Authentication => {
                return Err(Halt::Skipped(why));
            }
            Err(Halt::Skipped(_)) => {}
            Err(other) => return Err(other),
        }
    }
    let rest: Vec<&str> = accounts.iter().map(|a| a.name.as_str()).filter(|n| !well.contains(n)).collect();
    let Some(mut d) = last else {
        return Err(Halt::Skipped(format!(
            "a client gets as far as authentication; no login was tried with a key that the host knows of {}",
            several(&rest, 5)
        )));
    };
    d.evidence = match (well.as_slice(), rest.is_empty()) {
        ([_], true) => d.evidence,
        (_, true) => format!("ssh logs {} in, and a session begins", several(&well, 5)),
        (_, false) => {
            let why = if tried.len() == TRIES { "" } else { ": this machine has no key of theirs" };
            let (well, rest) = (several(&well, 5), several(&rest, 5));
            format!("ssh logs {well} in, and a session begins; no login of {rest} was tried{why}")
        }
    };
    Ok(d)
}

fn judge(found: &LoginResult, user: Option<&str>, keys: &[String]) -> Result<Decision, Halt> {
    let who = user.unwrap_or("the user of ssh's configuration");
    let said = if found.message.is_empty() { "the connection is closed" } else { found.message.as_str() };
    let (stage, ok, evidence) = match found.stage {
        LoginStage::Session if found.ran => ("session", true, format!("ssh logs {who} in, and a session begins")),
        LoginStage::Session if is_restricted(&found.message) => {
            ("session", true, format!("ssh logs {who} in, who may run no command of their own: {said}"))
        }
        LoginStage::Session => {
            let status = found.status.map(|s| format!(" with status {s}")).unwrap_or_default();
            let said = if found.message.is_empty() { String::new() } else { format!(": {said}") };
            ("session", false, format!("ssh logs {who} in, and the session ends at once{status}{said}"))
        }
        LoginStage::Authenticated => {
            ("authenticated", false, format!("ssh logs {who} in, and no session begins: {said}"))
        }
        LoginStage::Authentication => match &found.accepted {
            Some(key) => ("authentication", true, format!("sshd takes the key {key} of {who}, whose passphrase was not asked for")),
            None if found.offered.iter().any(|k| keys.contains(k)) => {
                ("authentication", false, format!("ssh offers a key that {who} may log in with, and gets: {said}"))
            }
            // Closed before it was the turn of any key.
            None if !said.contains("Permission denied") && !said.contains("Too many authentication failures") && found.offered.is_empty() => {
                ("authentication", false, format!("ssh gets as far as authentication, and then: {said}"))
            }
            None => return Err(Halt::Skipped("a client gets as far as authentication; no login was tried with a key that the host knows".into())),
        },
        LoginStage::ChangedHost => (
            "changed-host",
            false,
            "ssh on this machine knows another host key for that address; if the host's keys are new: ssh-keygen -R ADDRESS".to_owned(),
        ),
        LoginStage::UnknownHost => {
            return Err(Halt::Skipped("a client gets as far as the host's key, which this machine does not know; no login was tried".into()));
        }
        LoginStage::Banner => ("banner", false, format!("ssh gets: {said}")),
        LoginStage::Connected => ("connected", false, format!("ssh gets: {said}")),
        LoginStage::NotConnected => ("not-connected", false, format!("ssh gets: {said}")),
    };
    Ok(Decision::new(ok, evidence)
        .with("stage", stage)
        .with("message", found.message.clone())
        .with("offered", json!(found.offered)))
}

/// The words of those who run but one thing for an account: `internal-sftp`, git-shell, gitolite, rrsync, rssh.
fn is_restricted(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["sftp", "rsync", "rssh", "restricted", "unrecognized command", "unknown git", "invalid command", "a shell?"]
        .iter()
        .any(|word| message.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(stage: LoginStage, offered: &[&str]) -> LoginResult {
        let offered = offered.iter().map(|o| (*o).to_owned()).collect();
        LoginResult {
            stage,
            message: "h: Permission denied (publickey).".into(),
            offered,
            accepted: None,
            status: None,
            ran: stage == LoginStage::Session,
        }
    }

    #[test]
    fn whose_key_is_here_is_tried() {
        let account = |name: &str, key: &str| Account { name: name.into(), keys: vec![key.into()] };
        let all = [
            account("root", "SHA256:b"),
            account("alice", "SHA256:a"),
            account("bob", "SHA256:b"),
            account("eve", "SHA256:a"),
        ];
        let (denied, session) =
            (login(LoginStage::Authentication, &["SHA256:a"]), login(LoginStage::Session, &["SHA256:a"]));
        let asked = std::cell::RefCell::new(Vec::new());
        let of = |name: &str| {
            asked.borrow_mut().push(name.to_owned());
            Ok(if name == "root" { &denied } else { &session })
        };
        assert_eq!(
            each(&all, of).unwrap().evidence,
            "ssh logs alice and eve in, and a session begins; no login of root and bob was tried: this machine has no key of theirs"
        );
        // The first try tells what is offered here.
        assert_eq!(*asked.borrow(), ["root", "alice", "eve"]);
        // One who should get in and does not is no good end.
        let one = each(&all[1..], |name| Ok(if name == "eve" { &denied } else { &session })).unwrap();
        assert!(!one.ok && one.evidence.contains("eve may log in with"), "{}", one.evidence);
        assert!(matches!(each(&all[..1], |_| Ok(&denied)), Err(Halt::Skipped(why)) if why.ends_with("of root")));
    }

    #[test]
    fn what_a_refusal_proves() {
        let result = |stage, message: &str, offered: &[&str]| LoginResult {
            stage,
            message: message.into(),
            offered: offered.iter().map(|o| (*o).to_owned()).collect(),
            accepted: None,
            status: Some(255),
            ran: stage == LoginStage::Session,
        };
        let keys = ["SHA256:a".to_owned()];
        let denied = "root@h: Permission denied (publickey).";
        let of = |r: &LoginResult| judge(r, Some("root"), &keys);
        assert!(!of(&result(LoginStage::Authentication, denied, &["SHA256:a"])).unwrap().ok);
        // A stranger's key shows nothing.
        assert!(matches!(of(&result(LoginStage::Authentication, denied, &["SHA256:b"])), Err(Halt::Skipped(_))));
        assert!(!of(&result(LoginStage::Authentication, "Connection closed by h port 22", &[])).unwrap().ok);
        assert!(matches!(
            of(&result(LoginStage::UnknownHost, "Host key verification failed.", &[])),
            Err(Halt::Skipped(_))
        ));
        let kex = of(&result(LoginStage::Banner, "Unable to negotiate with h port 22: no matching cipher found.", &[]))
            .unwrap();
        assert_eq!(kex.evidence, "ssh gets: Unable to negotiate with h port 22: no matching cipher found.");
        let session = |status, message: &str| {
            let found = LoginResult {
                status: Some(status),
                ran: message.is_empty() && status == 0,
                ..result(LoginStage::Session, message, &[])
            };
            of(&found).unwrap()
        };
        assert!(session(0, "").ok && session(1, "This service allows sftp connections only.").ok);
        assert_eq!(
            session(254, "There were too many logins for 'root'.").evidence,
            "ssh logs root in, and the session ends at once with status 254: There were too many logins for 'root'."
        );
        assert!(!session(254, "There were too many logins for 'root'.").ok && !session(3, "").ok);
    }
}
