//! Complaints of sshd's that name no line, mapped to the line by our own parser.

use crate::edit::sshd_config::{Fault, Tree};

/// A complaint and the directive that it is about (sshd.c and servconf.c of OpenSSH 8.7 to 10.0).
const COMPLAINTS: &[(&str, &str)] = &[
    ("AuthenticationMethods list", "authenticationmethods"),
    ("AuthenticationMethods cannot be satisfied", "authenticationmethods"),
    ("AuthorizedKeysCommand set without AuthorizedKeysCommandUser", "authorizedkeyscommand"),
    ("AuthorizedPrincipalsCommand set without AuthorizedPrincipalsCommandUser", "authorizedprincipalscommand"),
    ("Too many recursive configuration includes", "include"),
];

/// The setting that switches a method off (sshd_config(5), AuthenticationMethods), and whether that is its default.
const METHODS: &[(&str, &str, bool)] = &[
    ("publickey", "pubkeyauthentication", false),
    ("password", "passwordauthentication", false),
    ("keyboard-interactive", "kbdinteractiveauthentication", false),
    ("hostbased", "hostbasedauthentication", true),
    ("gssapi-with-mic", "gssapiauthentication", true),
];

/// Whether it is one of those, so that the files are worth reading whole.
pub(super) fn is_known(said: &str) -> bool {
    COMPLAINTS.iter().any(|(text, _)| said.contains(text))
}

/// The line that it is about.
pub(super) fn find_line(said: &str, tree: &Tree) -> Option<Fault> {
    let (_, key) = COMPLAINTS.iter().find(|(text, _)| said.contains(text))?;
    let first = |key: &str| tree.directives().iter().find(|d| d.key == key && d.global());
    let line = tree.directives().iter().find(|d| d.key == *key)?;
    let message = if *key == "authenticationmethods" {
        let listed: Vec<&str> = line.args.iter().flat_map(|a| a.split(',')).collect();
        let disabled = said.split('"').nth(1).filter(|_| said.starts_with("Disabled method")).unwrap_or_default();
        let named = METHODS.iter().filter(|(name, ..)| listed.iter().any(|l| l.split(':').next() == Some(name)));
        let named = named.filter(|(name, ..)| disabled.is_empty() || *name == disabled);
        let why = named.into_iter().find_map(|(_, setting, by_default)| match first(setting) {
            Some(d) if d.args.first().is_some_and(|v| v.eq_ignore_ascii_case("no")) => {
                Some(format!("{}:{} says {} no, and ", d.file, d.line, d.keyword))
            }
            None if *by_default => Some(format!("{setting} is off, and ")),
            _ => None,
        });
        // Its own value comes last: by that the repair knows that the line is still the one that is meant.
        format!("{}{} cannot be satisfied: \"{}\"", why.unwrap_or_default(), line.keyword, line.args.join(" "))
    } else {
        said.trim_end_matches('.').to_owned()
    };
    Some(Fault { file: line.file.clone(), line: line.line, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, said: &str) -> Option<Fault> {
        let main = "/etc/ssh/sshd_config";
        find_line(said, &Tree::new(main, [(main.to_owned(), text.as_bytes().to_vec())].into()))
    }

    #[test]
    fn the_line_and_the_one_that_contradicts_it() {
        let text = "Port 22\nKbdInteractiveAuthentication no\nChallengeResponseAuthentication yes\nAuthenticationMethods publickey,keyboard-interactive\n";
        let said =
            "Disabled method \"keyboard-interactive\" in AuthenticationMethods list \"publickey,keyboard-interactive\"";
        let f = found(text, said).unwrap();
        assert_eq!(f.line, 4);
        assert_eq!(
            f.message,
            "/etc/ssh/sshd_config:2 says KbdInteractiveAuthentication no, and AuthenticationMethods cannot be satisfied: \
             \"publickey,keyboard-interactive\""
        );
        let cannot = "AuthenticationMethods cannot be satisfied by enabled authentication methods";
        assert!(found(text, cannot).unwrap().message.contains("KbdInteractiveAuthentication no"));
        let host = found("AuthenticationMethods hostbased\n", cannot).unwrap();
        assert!(host.message.starts_with("hostbasedauthentication is off, and "), "{}", host.message);
    }

    #[test]
    fn a_command_without_its_user() {
        let said = "AuthorizedKeysCommand set without AuthorizedKeysCommandUser";
        let f = found("Port 22\nAuthorizedKeysCommand /usr/local/bin/keys %u\n", said).unwrap();
        assert_eq!((f.line, f.message.as_str()), (2, said));
        assert!(!is_known("no hostkeys available") && found("Port 22\n", said).is_none());
    }
}
