//! What there is to say about a keyword of sshd_config, and how one is found.

use super::table::KEYWORDS;

/// Which lines of a keyword count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The first line; a list is the list of the first line.
    First,
    /// Every line adds to it.
    Appends,
    /// The first line of each name.
    PerName,
    /// The last line, in every version, or in those before this one; the first line from then on.
    Last(Option<(u32, u32)>),
    /// Several lines have a say.
    Mixed,
    /// Read and thrown away: deprecated, ignored or not compiled in.
    Dead,
    /// Reads other files.
    Include,
    /// Begins a block.
    Match,
}

/// What a value has to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `yes` or `no`, in any case.
    YesNo,
    /// One of these, in any case.
    OneOf(&'static [&'static str]),
    /// One of these, in exactly this case.
    Exactly(&'static [&'static str]),
    Integer,
    /// A number or `none`.
    Limit,
    /// Seconds, or `1w2d3h4m5s`.
    Time,
    /// A time or `none`.
    TimeOrNone,
    Port,
    /// `HOST`, `HOST:PORT`, `[HOST]:PORT`, each with `rdomain NAME` or without.
    Address,
    /// One file.
    File,
    /// One word of any kind.
    Word,
    /// Words of any kind.
    Words,
    /// The line as it stands, comments included.
    Text,
    /// The same, beginning with `/`, or `none`.
    Command,
    /// A name and a command.
    Subsystem,
    /// Names of variables.
    Names,
    /// `NAME=VALUE`.
    Variables,
    LogLevel,
    Facility,
    /// `N` or `START:RATE:FULL`.
    Startups,
    /// `N` or `N:N`, prefix lengths.
    Blocks,
    /// A file mode in octal.
    Octal,
    /// Bytes, and a time or `none`.
    Rekey,
    /// `HOST:PORT`, `any` or `none`.
    Places,
    /// `PATTERN=TIME`, or `none`.
    Timeouts,
    /// A list of algorithms; only its presence is checked.
    Algorithms,
    /// `none`, `touch-required`, `verify-required`.
    KeyOptions,
    /// Criteria of a Match.
    Criteria,
}

/// A keyword of sshd_config.
#[derive(Debug)]
pub struct Keyword {
    /// As sshd_config(5) spells it.
    pub name: &'static str,
    pub kind: Kind,
    pub value: Type,
    /// Whether it may stand inside a Match block.
    pub in_match: bool,
    /// What holds where no line says anything, in a person's words.
    pub default: &'static str,
    /// Other spellings that mean the same keyword.
    pub aliases: &'static [&'static str],
}

/// The keyword of this spelling, in any letter case, aliases included.
pub fn find(spelled: &str) -> Option<&'static Keyword> {
    let is = |name: &&str| name.eq_ignore_ascii_case(spelled);
    KEYWORDS.iter().find(|keyword| is(&keyword.name) || keyword.aliases.iter().any(is))
}

/// The one name of a keyword and its aliases, in lower case, as [`super::Directive::key`] and `sshd -T` have it.
#[must_use]
pub fn canonical(word: &str) -> String {
    find(word).map_or_else(|| word.to_ascii_lowercase(), Keyword::key)
}

/// Whether a word is no keyword, and near to one.
#[must_use]
pub fn is_misspelling(word: &str) -> bool {
    find(word).is_none() && nearest(word).is_some()
}

/// The one keyword that a misspelling probably means; what sshd throws away is not meant.
pub fn nearest(spelled: &str) -> Option<(&'static Keyword, &'static str)> {
    let alive = KEYWORDS.iter().filter(|keyword| keyword.kind != Kind::Dead);
    let names = alive.flat_map(|keyword| {
        std::iter::once(&keyword.name).chain(keyword.aliases).map(move |name| (*name, Meant(keyword, name)))
    });
    super::near::nearest(spelled, names).map(|Meant(keyword, name)| (keyword, name))
}

/// Two spellings of one keyword are one neighbour.
struct Meant(&'static Keyword, &'static str);

impl PartialEq for Meant {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Keyword {
    /// How `directives` names it: the canonical spelling in lower case.
    pub fn key(&self) -> String {
        self.name.to_ascii_lowercase()
    }

    /// Whether it decides who gets in, so that a person decides about it. What sshd throws away decides nothing.
    pub fn policy(&self) -> bool {
        if self.kind == Kind::Dead {
            return false;
        }
        let key = self.key();
        let begins = ["allow", "deny", "authorizedkeys", "authorizedprincipals"];
        let is = [
            "permitrootlogin",
            "permitemptypasswords",
            "trustedusercakeys",
            "revokedkeys",
            "refuseconnection",
            "forcecommand",
            "chrootdirectory",
            "permitlisten",
            "permitopen",
            "permituserenvironment",
            "strictmodes",
            "match",
        ];
        begins.iter().any(|start| key.starts_with(start))
            || is.contains(&key.as_str())
            || key.contains("authentication")
    }

    /// Whether it weakens nothing, whoever it holds for: where sshd listens, what it logs, how it keeps a line alive.
    pub fn harmless(&self) -> bool {
        let key = self.key();
        let is = [
            "port",
            "addressfamily",
            "hostkey",
            "logingracetime",
            "pidfile",
            "usedns",
            "tcpkeepalive",
            "versionaddendum",
        ];
        let begins =
            ["listenaddress", "log", "syslog", "maxstartups", "persource", "clientalive", "print", "subsystem"];
        is.contains(&key.as_str()) || begins.iter().any(|start| key.starts_with(start))
    }

    /// Whether the rest of the line is the value, `#` and quotes included.
    pub fn raw(&self) -> bool {
        matches!(self.value, Type::Text | Type::Command)
    }

    /// Whether each word is a value of its own (`AllowUsers a b`).
    pub fn word_list(&self) -> bool {
        self.kind == Kind::Appends && matches!(self.value, Type::Words | Type::Names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_unique_and_aliases_are_one_keyword() {
        let mut all: Vec<String> = KEYWORDS
            .iter()
            .flat_map(|k| std::iter::once(k.name).chain(k.aliases.iter().copied()))
            .map(str::to_lowercase)
            .collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!(find("challengeresponseAUTHENTICATION").unwrap().name, "KbdInteractiveAuthentication");
        assert!(find("Prot").is_none());
    }

    #[test]
    fn what_is_meant_by_a_misspelling() {
        for (spelled, meant) in [
            ("Prot", Some("Port")),
            ("ListenAdress", Some("ListenAddress")),
            ("PermitRootLogn", Some("PermitRootLogin")),
            ("Macth", Some("Match")),
            ("Port:", Some("Port")),
            ("PubkeyAcceptedKeyType", Some("PubkeyAcceptedAlgorithms")),
            ("Foo", None),
            ("Authentication", None),
            ("Deny", None),
        ] {
            assert_eq!(nearest(spelled).map(|(keyword, _)| keyword.name), meant, "{spelled}");
        }
    }

    #[test]
    fn policy() {
        for name in [
            "AllowUsers",
            "DenyGroups",
            "PasswordAuthentication",
            "AuthorizedKeysFile",
            "Match",
            "AuthenticationMethods",
        ] {
            assert!(find(name).unwrap().policy(), "{name}");
        }
        for name in ["Port", "UsePAM", "AcceptEnv", "X11Forwarding", "RSAAuthentication"] {
            assert!(!find(name).unwrap().policy(), "{name}");
        }
    }
}
