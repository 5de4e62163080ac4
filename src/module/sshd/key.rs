//! A host key, as a look at it found it.

use serde_json::{Value, json};

/// A host key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its file.
    pub path: String,
    /// good, open, missing, empty, endings, corrupt, nofile, unread.
    pub state: String,
    /// Permission bits in octal; empty if it is missing.
    pub mode: String,
}

impl Key {
    /// For expressions.
    pub fn value(&self) -> Value {
        json!({"path": self.path, "state": self.state, "mode": self.mode, "type": self.kind()})
    }
    /// What `ssh-keygen -t` takes, by its name.
    pub fn kind(&self) -> &'static str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        ["rsa", "ecdsa"].into_iter().find(|k| name.contains(k)).unwrap_or("ed25519")
    }
    /// `STATE -rw-r--r-- USER GROUP PATH`. sshd refuses a key of its own user that others may touch (authfile.c,
    /// sshkey_perm_ok); one of another owner it does not check, and Fedora's lets the group ssh_keys read.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, ' ');
        let (state, letters, user, group, path) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let mode = bits(letters);
        let others = if group == "ssh_keys" { 0o037 } else { 0o077 };
        let open = state == "good" && user == "root" && mode.is_some_and(|m| m & others != 0);
        Some(Self {
            path: path.to_owned(),
            state: if open { "open" } else { state }.to_owned(),
            mode: mode.map(|m| format!("{m:04o}")).unwrap_or_default(),
        })
    }
    pub fn problem(&self) -> String {
        match self.state.as_str() {
            "open" => format!("others may read it (mode {})", self.mode),
            "empty" => "it is empty".into(),
            "endings" => "its line endings are damaged".into(),
            "corrupt" => "it is damaged, or has a passphrase".into(),
            "nofile" => "it is not a file".into(),
            "missing" => "it is missing".into(),
            other => other.to_owned(),
        }
    }
}

/// `-rw-r--r--` as bits; set-user-id and the like do not matter here.
fn bits(letters: &str) -> Option<u32> {
    let nine = letters.get(1..10)?;
    Some(nine.chars().fold(0, |m, c| m << 1 | u32::from(c != '-')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_others_may_read() {
        let k = Key::parse("good -rw-r--r-- root root /etc/ssh/ssh_host_rsa_key").unwrap();
        assert_eq!((k.state.as_str(), k.mode.as_str()), ("open", "0644"));
        assert_eq!(Key::parse("good -rw-r----- root ssh_keys /k").unwrap().state, "good");
        assert_eq!(Key::parse("missing - - - /etc/ssh/k").unwrap().problem(), "it is missing");
    }
}
