//! Where ssh goes: what follows `ssh:`.

use super::ChannelError;
use super::url::{parse_query, split_host};

/// A destination with what the command line of ssh has to say beside its own configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Destination {
    /// A name of ssh_config(5), a host name or an address.
    pub host: String,
    /// The login; else what ssh's configuration says.
    pub user: Option<String>,
    /// TCP port; else what ssh's configuration says.
    pub port: Option<u16>,
    /// `-o`, `-i`, `-J`, `-F` and their values.
    options: Vec<String>,
}

/// The keys after `?`, with the option of ssh(1) that each is, and what it means.
pub const KEYS: &[(&str, &str, &str)] = &[
    ("config", "-F", "a configuration in place of ~/.ssh/config"),
    ("identity", "-i", "a private key"),
    ("jump", "-J", "hosts to go through"),
    ("option", "-o", "any other, as KEY=VALUE; it may stand several times"),
];

impl Destination {
    /// Reads `//[USER@]HOST[:PORT][?KEY=VALUE&…]`; without the slashes `[USER@]HOST`, as ssh takes it.
    pub fn parse(rest: &str) -> Result<Self, ChannelError> {
        let like = "like ssh://admin@web1:2222, or ssh:web1";
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (place, with_port) = match place.strip_prefix("//") {
            Some(p) => (p.trim_end_matches('/'), true),
            None => (place, false),
        };
        let (user, host) = place.rsplit_once('@').map_or((None, place), |(u, h)| (Some(u), h));
        let (host, port) = if with_port { split_host(host).map_err(|e| e.hint(like))? } else { (host, None) };
        // ssh would take it for an option, or for two words.
        let bad = |t: &str| t.is_empty() || t.starts_with('-') || t.contains(char::is_whitespace);
        if bad(host) || user.is_some_and(bad) {
            return Err(ChannelError::new(format!("\"ssh:{rest}\" names no host")).hint(like));
        }
        let mut options = Vec::new();
        for (key, value) in parse_query(query)? {
            let Some((_, flag, _)) = KEYS.iter().find(|k| k.0 == key) else {
                let keys: Vec<&str> = KEYS.iter().map(|k| k.0).collect();
                return Err(
                    ChannelError::new(format!("ssh: has no \"{key}\"")).hint(format!("keys: {}", keys.join(", ")))
                );
            };
            options.extend([(*flag).to_owned(), value]);
        }
        Ok(Self { host: host.to_owned(), user: user.map(str::to_owned), port, options })
    }

    /// The configuration that is read in place of the user's.
    #[must_use]
    pub fn config(&self) -> Option<&str> {
        self.options.chunks(2).rfind(|o| o[0] == "-F").map(|o| o[1].as_str())
    }

    /// The end of ssh's command line.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let mut out = self.options.clone();
        if let Some(u) = &self.user {
            out.extend(["-l".to_owned(), u.clone()]);
        }
        if let Some(p) = self.port {
            out.extend(["-p".to_owned(), p.to_string()]);
        }
        out.extend(["--".to_owned(), self.host.clone()]);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations() {
        let args = |t: &str| Destination::parse(t).map(|d| d.arguments().join(" "));
        assert_eq!(args("//admin@web1:2222").unwrap(), "-l admin -p 2222 -- web1");
        assert_eq!(args("admin@web1").unwrap(), "-l admin -- web1");
        assert_eq!(args("//[2001:db8::1]:22").unwrap(), "-p 22 -- 2001:db8::1");
        assert_eq!(args("web1?config=/tmp/a%20b&jump=gate").unwrap(), "-F /tmp/a b -J gate -- web1");
        for bad in ["", "//", "//web1:x", "//web1:0", "//web1:70000", "-oProxyCommand=x", "//-l@x", "a b", "x?y=1"] {
            assert!(args(bad).is_err(), "{bad}");
        }
    }
}
