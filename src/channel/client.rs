//! The user's own ssh client, run as far as it goes: connection, banner, key exchange, host key, authentication, session.
//!
//! Nothing is trusted and nothing is written: an unknown host key ends the try (`StrictHostKeyChecking=yes`), known_hosts stays as it is
//! (`UpdateHostKeys=no`), no password and no passphrase is asked for (`BatchMode=yes`), and no agent, port or display is
//! forwarded. How far it went is read from what `ssh -v` says (OpenSSH 7.4 to 10: ssh.c, sshconnect.c, sshconnect2.c, kex.c).

use std::time::Duration;

use super::private_dir;
use super::process::run_program;
use super::ssh_url::Destination;

/// A login to be tried.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LoginAttempt {
    /// Where ssh goes by the user's own configuration: what follows `ssh:`; else the address alone.
    pub destination: Option<String>,
    /// The address that is tried, in place of what the configuration says.
    pub address: Option<String>,
    /// The TCP port.
    pub port: Option<u16>,
    /// Who logs in; else whom ssh's configuration names.
    pub user: Option<String>,
    /// The host's public keys, `TYPE BASE64` each, where they are known by another way: they are taken if known_hosts has none.
    pub host_keys: Vec<String>,
    /// Makes an equal question a new one.
    pub salt: u64,
}

/// How far a client went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LoginStage {
    /// No connection came about.
    NotConnected,
    /// Connected; no protocol version came.
    Connected,
    /// The other side said its version; no keys were agreed on.
    Banner,
    /// Keys were agreed on; the host's own key is not known here.
    UnknownHost,
    /// The host's own key is another one than the known one.
    ChangedHost,
    /// Authentication began, and nobody was let in.
    Authentication,
    /// Let in; no session came about.
    Authenticated,
    /// A session began.
    Session,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginResult {
    /// How far it went.
    pub stage: LoginStage,
    /// The client's own last words; empty if there are none.
    pub message: String,
    /// Fingerprints of the keys that were offered.
    pub offered: Vec<String>,
    /// The fingerprint of a key that sshd would take.
    pub accepted: Option<String>,
    /// How the session's command ended.
    pub status: Option<i32>,
    /// The session did what it was asked for: it printed a word.
    pub ran: bool,
}

/// For all of it, a slow name server of the host's included.
const DEADLINE: Duration = Duration::from_secs(30);

/// What a session is to print. That a command "succeeds" is also said of a shell that never comes to it.
const WORD: &str = "runbook-session";

/// A name that no known_hosts has.
const ALIAS: &str = "runbook-target";

/// Runs the client.
///
/// # Errors
/// There is no ssh here, or it does not come to an end.
pub async fn try_login(attempt: &LoginAttempt) -> Result<LoginResult, String> {
    let first = run_client(attempt, &[]).await?;
    if first.stage != LoginStage::UnknownHost || attempt.host_keys.is_empty() {
        return Ok(first);
    }
    let dir = private_dir("known").map_err(|e| e.to_string())?;
    let file = dir.0.join("known_hosts");
    let plain = |k: &&String| k.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    let known: String = attempt.host_keys.iter().filter(plain).map(|k| format!("{ALIAS} {k}\n")).collect();
    std::fs::write(&file, known).map_err(|e| e.to_string())?;
    let files = format!("UserKnownHostsFile={}", file.display());
    run_client(attempt, &[&files, "GlobalKnownHostsFile=/dev/null", &format!("HostKeyAlias={ALIAS}")]).await
}

async fn run_client(attempt: &LoginAttempt, more: &[&str]) -> Result<LoginResult, String> {
    let argv = arguments(attempt, more)?;
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    let out = run_program(&argv, b"", DEADLINE).await.map_err(|e| e.why)?;
    let mut result = parse_client(&String::from_utf8_lossy(&out.stderr), out.status);
    let printed = String::from_utf8_lossy(&out.stdout);
    result.ran = printed.lines().any(|l| l.trim() == WORD);
    // Greetings stay out of it; who is turned away at once is told so there.
    if !result.ran && result.message.is_empty() {
        result.message = printed.lines().rev().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default().to_owned();
    }
    Ok(result)
}

fn arguments(attempt: &LoginAttempt, more: &[&str]) -> Result<Vec<String>, String> {
    let mut argv: Vec<String> = ["ssh", "-v", "-T"].map(String::from).into();
    let mut option = |o: &str| argv.extend(["-o".to_owned(), o.to_owned()]);
    for o in more.iter().copied().chain([
        "LogLevel=DEBUG1",
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "UpdateHostKeys=no",
        "AddKeysToAgent=no",
        "ControlMaster=no",
        "ControlPath=none",
        "ClearAllForwardings=yes",
        "ForwardAgent=no",
        "ForwardX11=no",
        "PermitLocalCommand=no",
        "RemoteCommand=none",
        "RequestTTY=no",
        "ConnectTimeout=10",
        "ConnectionAttempts=1",
    ]) {
        option(o);
    }
    let parsed = attempt.destination.as_deref().map(Destination::parse).transpose().map_err(|e| e.why)?;
    let mut to = parsed.unwrap_or_default();
    to.user = attempt.user.clone().or(to.user);
    to.port = attempt.port.or(to.port);
    match &attempt.address {
        Some(a) if attempt.destination.is_none() => a.trim_matches(['[', ']']).clone_into(&mut to.host),
        Some(a) => option(&format!("HostName={a}")),
        None => {}
    }
    if to.host.is_empty() || to.host.starts_with('-') {
        return Err("no address is known".into());
    }
    argv.extend(to.arguments());
    argv.push(format!("echo {WORD}"));
    Ok(argv)
}

/// Reads what `ssh -v` said.
fn parse_client(stderr: &str, status: Option<i32>) -> LoginResult {
    let mut stage = LoginStage::NotConnected;
    let (mut offered, mut accepted, mut message) = (Vec::new(), None, String::new());
    let print = |l: &str| l.split_whitespace().find(|w| w.starts_with("SHA256:")).map(str::to_owned);
    let (mut unknown, mut changed) = (false, false);
    for line in stderr.lines().map(str::trim) {
        let seen = match line.strip_prefix("debug1: ") {
            Some(l) if l.starts_with("Connection established") => Some(LoginStage::Connected),
            Some(l) if l.starts_with("Remote protocol version") => Some(LoginStage::Banner),
            Some(l) if l.contains("SSH2_MSG_SERVICE_ACCEPT received") || l.starts_with("Authentications that can") => {
                Some(LoginStage::Authentication)
            }
            Some(l) if l.starts_with("Authentication succeeded") => Some(LoginStage::Authenticated),
            Some(l) if l.starts_with("Offering public key:") => {
                offered.extend(print(l));
                None
            }
            Some(l) if l.starts_with("Server accepts key:") => {
                accepted = print(l).or(accepted);
                None
            }
            Some(_) => None,
            None if line.starts_with("Authenticated to ") => Some(LoginStage::Authenticated),
            None => {
                unknown |= line.contains("host key is known for");
                changed |= line.contains("REMOTE HOST IDENTIFICATION HAS CHANGED");
                // What is no message: the client's own version, statistics, and empty lines.
                let noise = ["OpenSSH_", "Transferred: ", "Bytes per second", "Warning: Permanently", "debug"];
                if !line.is_empty() && !noise.iter().any(|n| line.starts_with(n)) {
                    line.clone_into(&mut message);
                }
                None
            }
        };
        stage = stage.max(seen.unwrap_or(stage));
    }
    // By a proxy no line says that a connection came about.
    stage = match () {
        () if changed => LoginStage::ChangedHost,
        () if unknown && stage <= LoginStage::Banner => LoginStage::UnknownHost,
        () if stage == LoginStage::Authenticated && status.is_some_and(|s| s != 255) => LoginStage::Session,
        () => stage,
    };
    LoginResult { stage, message, offered, accepted, status, ran: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "OpenSSH_9.2p1\ndebug1: Connection established.\ndebug1: Remote protocol version 2.0, remote software version OpenSSH_9.2p1\n";

    #[test]
    fn how_far_it_went() {
        let stage = |more: &str, status| parse_client(&format!("{BEGIN}{more}"), Some(status));
        let refused = parse_client("ssh: connect to host 10.0.0.1 port 22: Connection refused\n", Some(255));
        assert_eq!(refused.stage, LoginStage::NotConnected);
        let kex = stage(
            "Unable to negotiate with 10.0.0.1 port 22: no matching host key type found. Their offer: ssh-dss\n",
            255,
        );
        assert_eq!((kex.stage, &kex.message[..19]), (LoginStage::Banner, "Unable to negotiate"));
        let unknown = stage(
            "No ED25519 host key is known for 10.0.0.1 and you have requested strict checking.\nHost key verification failed.\n",
            255,
        );
        assert_eq!(unknown.stage, LoginStage::UnknownHost);
        let auth =
            "debug1: SSH2_MSG_SERVICE_ACCEPT received\ndebug1: Offering public key: /k ED25519 SHA256:abc agent\n";
        let denied = stage(&format!("{auth}root@10.0.0.1: Permission denied (publickey).\n"), 255);
        assert_eq!((denied.stage, denied.offered), (LoginStage::Authentication, vec!["SHA256:abc".to_owned()]));
        let locked = stage(
            &format!("{auth}debug1: Server accepts key: /k ED25519 SHA256:abc\nx: Permission denied (publickey).\n"),
            255,
        );
        assert_eq!(locked.accepted.as_deref(), Some("SHA256:abc"));
        let inside = "Authenticated to 10.0.0.1 ([10.0.0.1]:22) using \"publickey\".\n";
        let chroot = stage(
            &format!("{auth}{inside}Connection to 10.0.0.1 closed by remote host.\nTransferred: sent 1, received 2\n"),
            255,
        );
        assert_eq!(
            (chroot.stage, chroot.message.as_str()),
            (LoginStage::Authenticated, "Connection to 10.0.0.1 closed by remote host.")
        );
        assert_eq!(stage(&format!("{auth}{inside}"), 0).stage, LoginStage::Session);
    }

    #[test]
    fn a_host_key_is_never_taken_on_trust() {
        let attempt = LoginAttempt {
            destination: Some("web1?config=/tmp/c".into()),
            address: Some("10.0.0.5".into()),
            port: Some(2222),
            user: Some("bob".into()),
            host_keys: Vec::new(),
            salt: 0,
        };
        let line = arguments(&attempt, &[]).unwrap().join(" ");
        for part in
            ["StrictHostKeyChecking=yes", "BatchMode=yes", "UpdateHostKeys=no", "-o HostName=10.0.0.5", "-F /tmp/c"]
        {
            assert!(line.contains(part), "{line}");
        }
        assert!(line.ends_with("-l bob -p 2222 -- web1 echo runbook-session"), "{line}");
        let alone = LoginAttempt { destination: None, ..attempt };
        assert!(arguments(&alone, &[]).unwrap().join(" ").ends_with("-l bob -p 2222 -- 10.0.0.5 echo runbook-session"));
        assert!(arguments(&LoginAttempt { address: None, ..alone }, &[]).is_err());
    }
}
