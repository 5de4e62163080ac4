//! What a check looks at and a change touches, so that a plan knows when an answer is out of date.

use std::fmt;

/// A resource, or a pattern of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Resource {
    /// `file:/etc/ssh/sshd_config`; a trailing `**` means all that begins so (`/**`: all below), a `*` any part of a name.
    File(String),
    /// `unit:ssh`; `.service` and `.socket` of one name, `ssh` and `sshd`, are the same.
    Unit(String),
    /// `socket:*`: who listens where.
    Socket,
    /// `rules`: packet filters.
    Rules,
    /// `cloud`: the packet filters of a cloud, outside of the target.
    Cloud,
    /// `package:openssh-server`; `package:*` is any.
    Package(String),
    /// `*`: anything.
    All,
}

impl Resource {
    /// Reads the notation; the error lists it.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("file", p)) if p.starts_with('/') => Ok(Resource::File(p.to_owned())),
            Some(("unit", u)) if !u.is_empty() => Ok(Resource::Unit(stem(u).to_owned())),
            Some(("socket", _)) => Ok(Resource::Socket),
            Some(("package", p)) if !p.is_empty() => Ok(Resource::Package(p.to_owned())),
            None if text == "rules" => Ok(Resource::Rules),
            None if text == "cloud" => Ok(Resource::Cloud),
            None if text == "*" => Ok(Resource::All),
            _ => Err(format!(
                "\"{text}\" is no resource: file:/path, file:/path/**, file:/path/*_key, unit:NAME, socket:*, rules, cloud, package:NAME or *"
            )),
        }
    }

    /// Whether a change of one can change an answer that read the other.
    #[must_use]
    pub fn meets(&self, other: &Resource) -> bool {
        match (self, other) {
            (Resource::All, _)
            | (_, Resource::All)
            | (Resource::Socket, Resource::Socket)
            | (Resource::Rules, Resource::Rules)
            | (Resource::Cloud, Resource::Cloud) => true,
            (Resource::File(a), Resource::File(b)) => covers(a, b) || covers(b, a),
            (Resource::Unit(a), Resource::Unit(b)) => stem(a) == stem(b),
            (Resource::Package(a), Resource::Package(b)) => a == b || a == "*" || b == "*",
            _ => false,
        }
    }

    /// Whether a namespace with candidate files can show it.
    #[must_use]
    pub fn is_file(&self) -> bool {
        matches!(self, Resource::File(_))
    }
}

/// The name without its kind of unit; `sshd` is `ssh`.
fn stem(unit: &str) -> &str {
    let s = unit.strip_suffix(".service").or_else(|| unit.strip_suffix(".socket")).unwrap_or(unit);
    if s == "sshd" { "ssh" } else { s }
}

/// Whether a pattern stands for a path; of two patterns, whether they may stand for the same one.
fn covers(pattern: &str, path: &str) -> bool {
    if let Some(dir) = pattern.strip_suffix("/**")
        && path == dir
    {
        return true;
    }
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == path };
    let Some(rest) = path.strip_prefix(head) else {
        // Two patterns: the shorter beginning decides, which errs towards "may meet".
        return path.split_once('*').is_some_and(|(other, _)| head.starts_with(other));
    };
    if tail.starts_with('*') || rest.contains('*') {
        return true;
    }
    // A name's part: as short as can be first, up to the next slash.
    let end = rest.find('/').unwrap_or(rest.len());
    (0..=end).filter(|at| rest.is_char_boundary(*at)).any(|at| covers(tail, &rest[at..]))
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Resource::File(p) => write!(f, "file:{p}"),
            Resource::Unit(u) => write!(f, "unit:{u}"),
            Resource::Socket => f.write_str("socket:*"),
            Resource::Rules => f.write_str("rules"),
            Resource::Cloud => f.write_str("cloud"),
            Resource::Package(p) => write!(f, "package:{p}"),
            Resource::All => f.write_str("*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_meets_what() {
        let r = |s| Resource::parse(s).unwrap();
        assert!(r("file:/etc/ssh/**").meets(&r("file:/etc/ssh/sshd_config.d/a.conf")));
        assert!(!r("file:/etc/ssh/**").meets(&r("file:/etc/ssh2")));
        let keys = r("file:/etc/ssh/ssh_host_*_key");
        assert!(keys.meets(&r("file:/etc/ssh/ssh_host_ed25519_key")) && r("file:/etc/ssh/**").meets(&keys));
        assert!(!keys.meets(&r("file:/etc/ssh/ssh_host_rsa_key.pub")) && !keys.meets(&r("file:/etc/ssh/sshd_config")));
        assert!(!keys.meets(&r("file:/etc/ssh/ssh_host_a/b_key")) && !keys.meets(&r("file:/etc/ufw/**")));
        assert!(r("file:/etc/ssh/ssh_host_**").meets(&r("file:/etc/ssh/ssh_host_rsa_key.pub")));
        assert!(
            r("file:/etc/ssh/ssh_host_**").meets(&keys) && r("file:/etc/ssh/s*").meets(&r("file:/etc/ssh/*_config"))
        );
        assert!(r("unit:ssh.socket").meets(&r("unit:sshd")));
        assert!(r("*").meets(&r("rules")) && r("cloud").meets(&r("cloud")) && !r("cloud").meets(&r("rules")));
        assert!(r("package:*").meets(&r("package:a")) && !r("package:b").meets(&r("package:a")));
        assert!(!r("socket:*").meets(&r("file:/etc/ssh/**")));
        assert!(Resource::parse("files:/x").is_err());
    }
}
