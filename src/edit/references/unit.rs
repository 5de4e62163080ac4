//! What a unit file of systemd names: systemd.service(5), systemd.exec(5).

use super::{NamedKind, Reference};

/// Every program, file, directory, user and group that a unit file or a drop-in names. `-` in front of a path says that it may be
/// missing, and such a line names nothing; neither does one with a specifier (`%i`) or a variable.
#[must_use]
pub fn unit_references(file: &str, bytes: &[u8]) -> Vec<Reference> {
    let mut out = Vec::new();
    let mut section = String::new();
    let text = String::from_utf8_lossy(bytes);
    let dynamic = text.lines().any(|l| is_true(l.trim().strip_prefix("DynamicUser=")));
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            name.clone_into(&mut section);
        }
        let Some((keyword, value)) = line.split_once('=').filter(|_| !line.starts_with(['#', ';'])) else { continue };
        let (keyword, value) = (keyword.trim(), value.trim());
        if !matches!(section.as_str(), "Service" | "Socket" | "Mount" | "Swap") {
            continue;
        }
        let mut name = |kind, name: &str| {
            if !name.is_empty() && !name.contains(['%', '$']) {
                out.push(Reference {
                    file: file.to_owned(),
                    line: n + 1,
                    text: line.to_owned(),
                    kind,
                    name: name.to_owned(),
                    keyword: keyword.to_owned(),
                });
            }
        };
        match keyword {
            _ if keyword.starts_with("Exec") => {
                let prefixes = value.len() - value.trim_start_matches(['@', '-', ':', '+', '!', '|']).len();
                let program = value[prefixes..].split_whitespace().next().unwrap_or_default().trim_matches(['"', '\'']);
                if !value[..prefixes].contains('-') {
                    name(NamedKind::Program, program);
                }
            }
            "User" if !dynamic => name(NamedKind::User, value),
            "Group" if !dynamic => name(NamedKind::Group, value),
            "SupplementaryGroups" => value.split_whitespace().for_each(|g| name(NamedKind::Group, g)),
            "EnvironmentFile" if value.starts_with('/') && !value.contains(['*', '?', '[']) => {
                name(NamedKind::File, value);
            }
            "WorkingDirectory" | "RootDirectory" if value.starts_with('/') => name(NamedKind::Directory, value),
            "RootImage" if value.starts_with('/') => name(NamedKind::File, value),
            "LoadCredential" => {
                let path = value.split_once(':').map_or("", |(_, p)| p);
                if path.starts_with('/') {
                    name(NamedKind::File, path);
                }
            }
            _ => {}
        }
    }
    out
}

/// systemd.syntax(7): boolean.
fn is_true(value: Option<&str>) -> bool {
    value.is_some_and(|v| ["1", "yes", "true", "on", "y", "t"].contains(&v.trim().to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_users_and_files() {
        let text = "[Unit]\nDescription=x\n[Service]\nEnvironmentFile=-/etc/default/ssh\nEnvironmentFile=/etc/vpn.env\n\
                    ExecStartPre=-/usr/sbin/gone\nExecStartPre=+/usr/sbin/sshd -t\nExecStart=/usr/sbin/sshd -D $SSHD_OPTS\nExecReload=\n\
                    User=git\nWorkingDirectory=/srv/x\nGroup=%i\n";
        let found = unit_references("/etc/systemd/system/x.service", text.as_bytes());
        let all: Vec<_> = found.iter().map(|r| (r.line, r.kind.word(), r.name.as_str())).collect();
        assert_eq!(
            all,
            [
                (5, "file", "/etc/vpn.env"),
                (7, "program", "/usr/sbin/sshd"),
                (8, "program", "/usr/sbin/sshd"),
                (10, "user", "git"),
                (11, "directory", "/srv/x")
            ]
        );
        assert!(unit_references("x", b"[Service]\nDynamicUser=yes\nUser=made\n").is_empty());
    }
}
