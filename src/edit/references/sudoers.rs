//! What sudoers(5) names.

use super::{NamedKind, Reference};

/// The included files, the users and the groups of rules (`bob ALL=…`, `%ops ALL=…`) and what `Defaults` names. An included
/// directory may be missing. Aliases (in capitals), netgroups (`+x`), `#UID`, patterns and non-Unix groups name nothing here.
#[must_use]
pub fn sudoers_references(file: &str, bytes: &[u8]) -> Vec<Reference> {
    let mut out = Vec::new();
    for (n, raw) in String::from_utf8_lossy(bytes).lines().enumerate() {
        let text = raw.trim();
        let include = ["@include ", "#include "].iter().find_map(|w| text.strip_prefix(w));
        let mut name = |kind, name: &str, keyword: &str| {
            out.push(Reference {
                file: file.to_owned(),
                line: n + 1,
                text: text.to_owned(),
                kind,
                name: name.to_owned(),
                keyword: keyword.to_owned(),
            });
        };
        if let Some(path) = include {
            let path = path.trim().trim_matches('"');
            if path.starts_with('/') && !path.contains('%') {
                name(NamedKind::File, path, "include");
            }
            continue;
        }
        let skipped = ["#", "@", "Defaults", "User_Alias", "Runas_Alias", "Host_Alias", "Cmnd_Alias", "Cmd_Alias"];
        if text.is_empty() || skipped.iter().any(|s| text.starts_with(s)) || !text.contains('=') {
            continue;
        }
        let who = text.split('=').next().unwrap_or_default().trim();
        // What is left of the last blank before `=` are users, what is right of it are hosts.
        let Some((users, _)) = who.rsplit_once(char::is_whitespace) else { continue };
        for word in users.split(',').map(str::trim) {
            let (kind, bare) = match word.strip_prefix('%') {
                Some(group) => (NamedKind::Group, group),
                None => (NamedKind::User, word),
            };
            let alias = bare.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
            let plain = super::is_account_name(bare);
            if plain && !alias {
                name(kind, bare, if kind == NamedKind::Group { "group" } else { "user" });
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn includes_users_and_groups() {
        let text = b"Defaults env_reset\nroot ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL) ALL\n@include /etc/sudoers.ops\n@includedir /etc/sudoers.d\n\
                     ADMINS ALL=ALL\nbob, %ops h1=(x) /bin/ls, HOME=1\n#%wheel ALL=(ALL) ALL\n+net ALL=ALL\n";
        let all: Vec<_> = sudoers_references("f", text).into_iter().map(|r| (r.line, r.kind.word(), r.name)).collect();
        let want = [
            (2, "user", "root"),
            (3, "group", "sudo"),
            (4, "file", "/etc/sudoers.ops"),
            (7, "user", "bob"),
            (7, "group", "ops"),
        ];
        assert_eq!(all, want.map(|(n, k, s)| (n, k, s.to_owned())));
    }
}
