//! What sshd_config(5) names.

use super::{NamedKind, Reference};
use crate::edit::sshd_config::{Directive, Tree};

/// Every file, program, user and group that a line of sshd's configuration names, with the Match blocks' lines.
///
/// A path with a token (`%u`, `%h`) names another file for each user, and is left to whoever knows the user; a relative
/// one begins in a home directory. HostKey lines are not among them: `sshd: keys` looks into these files.
/// `AllowGroups` and `DenyGroups` name groups; a pattern names none.
#[must_use]
pub fn sshd_references(tree: &Tree) -> Vec<Reference> {
    let mut out: Vec<Reference> = tree.directives().iter().flat_map(of_directive).collect();
    out.dedup();
    out
}

fn of_directive(d: &Directive) -> Vec<Reference> {
    use NamedKind::{Directory, File, Group, Program, User};
    let reference = |kind, name: &str| Reference {
        file: d.file.clone(),
        line: d.line,
        text: format!("{} {}", d.keyword, d.args.join(" ")),
        kind,
        name: name.to_owned(),
        keyword: d.keyword.clone(),
    };
    let first = d.args.first().map(String::as_str).unwrap_or_default();
    let path = |kind, word: &str| -> Vec<Reference> {
        let fixed = word.starts_with('/') && !word.contains('%');
        fixed.then(|| reference(kind, word)).into_iter().collect()
    };
    match d.key.as_str() {
        "revokedkeys"
        | "trustedusercakeys"
        | "banner"
        | "hostcertificate"
        | "authorizedprincipalsfile"
        | "modulifile" => path(File, first),
        "chrootdirectory" => path(Directory, first),
        "authorizedkeyscommand" | "authorizedprincipalscommand" | "forcecommand" => {
            path(Program, first.split_whitespace().next().unwrap_or_default())
        }
        "subsystem" => path(Program, d.args.get(1).and_then(|w| w.split_whitespace().next()).unwrap_or_default()),
        "securitykeyprovider" | "sshdsessionpath" | "sshdauthpath" | "xauthlocation" => path(Program, first),
        "authorizedkeyscommanduser" | "authorizedprincipalscommanduser" if !first.contains('%') && first != "none" => {
            vec![reference(User, first)]
        }
        "allowgroups" | "denygroups" => {
            let plain = |w: &&String| !w.contains(['*', '?', '!', '"', ',']);
            d.args.iter().filter(plain).map(|w| reference(Group, w)).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<(&'static str, String)> {
        let files = [("/etc/ssh/sshd_config".to_owned(), text.as_bytes().to_vec())].into_iter().collect();
        let all = sshd_references(&Tree::new("/etc/ssh/sshd_config", files));
        all.into_iter().map(|r| (r.kind.word(), r.name)).collect()
    }

    #[test]
    fn files_programs_users_and_groups() {
        let text = "RevokedKeys /etc/ssh/revoked\nAuthorizedKeysCommand /usr/bin/keys %u\nAuthorizedKeysCommandUser nobody\n\
                    Subsystem sftp /usr/lib/sftp-server -l INFO\nAllowGroups ops wheel* \nBanner none\n\
                    Match User a\n ForceCommand /opt/shell --x\n ChrootDirectory /srv/%u\n Banner /etc/issue.net\n";
        let found = names(text);
        let all: Vec<_> = found.iter().map(|(k, n)| (*k, n.as_str())).collect();
        assert_eq!(
            all,
            [
                ("file", "/etc/ssh/revoked"),
                ("program", "/usr/bin/keys"),
                ("user", "nobody"),
                ("program", "/usr/lib/sftp-server"),
                ("group", "ops"),
                ("program", "/opt/shell"),
                ("file", "/etc/issue.net")
            ]
        );
    }

    #[test]
    fn what_names_nothing_of_its_own() {
        for text in [
            "Subsystem sftp internal-sftp",
            "ForceCommand internal-sftp",
            "RevokedKeys none",
            "AuthorizedKeysCommandUser %u",
            "ForceCommand echo hello",
        ] {
            assert!(names(text).is_empty(), "{text}");
        }
    }
}
