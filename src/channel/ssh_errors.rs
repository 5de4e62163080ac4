//! What ssh says when it cannot connect, told apart.

use super::ChannelError;
use super::ssh_url::Destination;

/// Which words of ssh(1) mean what, and what to do about it. The first that is found tells.
const SAYINGS: &[(&str, &str, &str)] = &[
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "the host key is not the one that is known: another machine answers there, or the host was installed anew",
        "compare the fingerprint over another way; then ssh-keygen -R HOST, and connect once by hand",
    ),
    (
        "Host key verification failed",
        "the host key is not known here, and is never accepted unseen",
        "connect once by hand (ssh HOST) and compare the fingerprint",
    ),
    ("No matching host key type", "no common host key algorithm", "ssh -Q HostKeyAlgorithms lists what this ssh knows"),
    ("Could not resolve hostname", "the name does not resolve", "is it spelled right? An address works too"),
    ("Connection refused", "connection refused: nothing listens there, or a firewall says so", ""),
    ("timed out", "no answer: dropped on the way, or the host is down", ""),
    ("No route to host", "no way there: the host or its network is down, or a firewall says so", ""),
    ("Network is unreachable", "this machine has no way to that network", "ip route shows its ways"),
    (
        "Too many authentication failures",
        "permission denied: the agent offers more keys than the server lets one try",
        "name one: IdentityFile and IdentitiesOnly yes in ~/.ssh/config",
    ),
    (
        "Permission denied",
        "permission denied: it takes none of our keys, and no password was right",
        "RUNBOOK_PASSWORD gives a password, --login a user; ssh -v HOST shows what was tried",
    ),
    (
        "Not allowed at this time",
        "refused by sshd itself (PerSourcePenalties or MaxStartups)",
        "wait a minute, then again",
    ),
    (
        "kex_exchange_identification",
        "connected, and closed before anything was said: TCP wrappers, MaxStartups, a crash, or no sshd at all",
        "",
    ),
    ("Connection reset", "connected, and reset: a crash, a firewall, or not sshd", ""),
    ("Connection closed", "connected, and closed before the login", ""),
    ("Bad configuration option", "this machine's ssh configuration is broken", "ssh -G HOST shows where"),
    ("Permissions", "a key file is readable for others, and ssh does not use it", "chmod 600 FILE"),
];

/// The error for what ssh wrote to its log and to stderr.
pub(super) fn explain(log: &str, stderr: &str, to: &Destination) -> ChannelError {
    let all = format!("{log}\n{stderr}");
    // The warning about a new key comes before whatever really failed.
    let lines = || all.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("Warning: Permanently"));
    let last = lines().next_back().unwrap_or("ssh ended without a word");
    for (words, why, hint) in SAYINGS {
        if let Some(line) = lines().find(|l| l.contains(words)) {
            // The jump host's own failure is told by its name, in ssh's words.
            let line = if *words == "REMOTE HOST IDENTIFICATION HAS CHANGED" { "" } else { line };
            let said = if line.is_empty() { String::new() } else { format!(" ({line})") };
            let e = ChannelError::new(format!("{why}{said}"));
            return if hint.is_empty() { e } else { e.hint(hint.replace("HOST", &to.host)) };
        }
    }
    ChannelError::new(last).hint(format!("ssh -v {} says more", to.host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart() {
        let to = Destination::parse("web1").unwrap();
        let why = |log: &str| explain(log, "", &to).why;
        assert!(why("ssh: connect to host web1 port 22: Connection refused").starts_with("connection refused"));
        assert!(why("ssh: connect to host web1 port 22: Connection timed out").starts_with("no answer"));
        assert!(why("ssh: connect to host web1 port 22: No route to host").starts_with("no way there"));
        assert!(why("root@web1: Permission denied (publickey,password).").starts_with("permission denied"));
        assert!(why("ssh: Could not resolve hostname web1: Name or service not known").starts_with("the name"));
        let changed =
            "@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@\nHost key verification failed.";
        let e = explain(changed, "", &to);
        assert!(e.why.contains("not the one that is known") && e.hint.unwrap().contains("ssh-keygen -R web1"));
        assert!(
            why("No ED25519 host key is known for web1.\nHost key verification failed.").contains("not known here")
        );
        assert_eq!(why(""), "ssh ended without a word");
    }
}
