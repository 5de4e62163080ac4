//! What sshd prints when it will not start, as typed things.

use serde_json::{Value, json};

use crate::edit::sshd_config::{Fault, faults};

/// `FILE:LINE: MESSAGE`, as compilers and editors have it.
#[must_use]
pub fn shown(f: &Fault) -> String {
    let message = f.message.trim_end_matches('.');
    match (f.file.as_str(), f.line) {
        ("", _) => message.to_owned(),
        (file, 0) => format!("{file}: {message}"),
        (file, line) => format!("{file}:{line}: {message}"),
    }
}

/// For expressions.
#[must_use]
pub fn value(f: &Fault) -> Value {
    json!({"file": f.file, "line": f.line, "message": f.message, "shown": shown(f)})
}

/// From an expression.
#[must_use]
pub fn from_value(v: &Value) -> Option<Fault> {
    let line = usize::try_from(v["line"].as_u64()?).ok()?;
    Some(Fault { file: v["file"].as_str()?.to_owned(), line, message: v["message"].as_str()?.to_owned() })
}

/// What a failed `sshd -T` said.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Complaints about the configuration; it stops at the first bad value, and lists all bad keywords before it.
    pub faults: Vec<Fault>,
    /// The user for privilege separation does not exist.
    pub no_user: bool,
    /// No host key could be loaded.
    pub no_keys: bool,
    /// The privilege separation directory, and what is wrong with it.
    pub directory: Option<(String, String)>,
    /// The main file is not there.
    pub no_config: bool,
    /// The program itself does not run.
    pub broken: Option<String>,
    /// Anything else, in sshd's words.
    pub other: Option<String>,
}

/// Reads standard error (sshd.c of OpenSSH 9.2 and 10.0); the complaints about lines are the editor's business.
#[must_use]
pub fn parse(stderr: &str) -> Said {
    let mut said = Said::default();
    let mut reason: Option<&str> = None;
    for text in stderr.lines().map(|l| l.trim().trim_end_matches('.')).filter(|l| !l.is_empty()) {
        let mut found = faults(text);
        if let Some(f) = found.first_mut() {
            if f.line == 0 && f.file == "/etc/ssh/sshd_config" && f.message.starts_with("No such file") {
                said.no_config = true;
                continue;
            }
            // "Unsupported Match attribute Usr" comes before the line that has a place.
            if let Some(why) = reason.take().filter(|_| f.line > 0) {
                f.message = format!("{}: {why}", f.message.trim_end_matches('.'));
            }
            said.faults.append(&mut found);
        } else if text.starts_with("Privilege separation user") {
            said.no_user = true;
        } else if let Some(path) = text.strip_prefix("Missing privilege separation directory: ") {
            said.directory = Some((path.to_owned(), "is missing".into()));
        } else if let Some((path, rest)) = text.split_once(" must be owned by root") {
            said.directory = Some((path.to_owned(), format!("must be owned by root{rest}")));
        } else if text.contains("no hostkeys available") {
            said.no_keys = true;
        } else if text.contains("loading shared libraries") || text.contains("OpenSSL version mismatch") {
            said.broken = Some(text.to_owned());
        } else if explains(text) {
            reason = Some(text);
        } else if !quiet(text) {
            said.other.get_or_insert_with(|| text.to_owned());
        }
    }
    if let Some(why) = reason {
        said.other.get_or_insert_with(|| why.to_owned());
    }
    said
}

/// A line that says why the next one was said.
fn explains(text: &str) -> bool {
    text.starts_with("Unsupported Match attribute") || text.starts_with("Unknown authentication method")
}

/// The closing count, a warning, and what it says of a single host key: whether any is left is said at the end.
fn quiet(text: &str) -> bool {
    let starts = [
        "Permissions ",
        "It is required that your private key",
        "This private key",
        "Unable to load host",
        "Could not load host",
        "Public key for ",
        "@",
        "sh: 0: getcwd",
    ];
    text.contains(": terminating, ")
        || text.contains("connection test specification")
        || text.contains("Deprecated option")
        || text.contains("Unsupported option")
        || starts.iter().any(|p| text.starts_with(p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_places_and_no_count() {
        let said = parse(
            "/etc/ssh/sshd_config: line 3: Bad configuration option: Prot\r\n\
             /etc/ssh/sshd_config line 9: unsupported option \"True\".\n\
             /etc/ssh/sshd_config line 10: Deprecated option RSAAuthentication\n\
             /etc/ssh/sshd_config: terminating, 1 bad configuration options\n",
        );
        let all: Vec<String> = said.faults.iter().map(shown).collect();
        assert_eq!(
            all,
            [
                "/etc/ssh/sshd_config:3: Bad configuration option: Prot",
                "/etc/ssh/sshd_config:9: unsupported option \"True\""
            ]
        );
        assert_eq!(said.other, None);
    }

    #[test]
    fn what_it_lacks_beside_its_configuration() {
        let said = parse(
            "Permissions 0644 for '/etc/ssh/ssh_host_rsa_key' are too open.\nsshd: no hostkeys available -- exiting.\n",
        );
        assert!(said.no_keys && said.faults.is_empty() && said.other.is_none());
        let said = parse("/run/sshd must be owned by root and not group or world-writable.");
        assert_eq!(
            said.directory,
            Some(("/run/sshd".into(), "must be owned by root and not group or world-writable".into()))
        );
        assert!(parse("Privilege separation user sshd does not exist\r\n").no_user);
        assert!(parse("/usr/sbin/sshd: error while loading shared libraries: libx.so.1: cannot open").broken.is_some());
        let said = parse("/etc/ssh/sshd_config: No such file or directory\n");
        assert!(said.no_config && said.faults.is_empty());
    }

    #[test]
    fn a_match_header_is_one_fault() {
        let said = parse("Unsupported Match attribute Usr\n/etc/ssh/sshd_config line 123: Bad Match condition\n");
        assert_eq!(said.faults.len(), 1);
        assert_eq!(said.faults[0].message, "Bad Match condition: Unsupported Match attribute Usr");
    }

    #[test]
    fn a_complaint_without_a_place() {
        let said = parse("AuthorizedKeysCommand set without AuthorizedKeysCommandUser\n");
        assert_eq!(said.other.as_deref(), Some("AuthorizedKeysCommand set without AuthorizedKeysCommandUser"));
    }
}
