//! What sshd's keywords mean: one line each.
//!
//! Source: the keyword table and the parser of servconf.c and `SSHD_CONFIG_ENTRIES` of servconf.h (OpenSSH 8.7 to
//! 10.5), sshd_config(5) for the defaults, and the keywords that Debian's and Red Hat's patches add.

use Kind::{Appends, Dead, First, Include, Last, Match, Mixed, PerName};
use Type::*;

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

const fn global(name: &'static str, kind: Kind, value: Type, default: &'static str) -> Keyword {
    Keyword { name, kind, value, in_match: false, default, aliases: &[] }
}

const fn both(name: &'static str, kind: Kind, value: Type, default: &'static str) -> Keyword {
    Keyword { name, kind, value, in_match: true, default, aliases: &[] }
}

const fn dead(name: &'static str) -> Keyword {
    global(name, Dead, Words, "sshd reads it and throws it away")
}

const fn dead_in_match(name: &'static str) -> Keyword {
    Keyword { in_match: true, ..dead(name) }
}

const FORWARD: Type = OneOf(&["yes", "no", "all", "local", "remote"]);
const ROOT: Type = OneOf(&["yes", "no", "prohibit-password", "without-password", "forced-commands-only"]);

/// All of them.
#[rustfmt::skip]
pub static KEYWORDS: &[Keyword] = &[
    global("Port", Appends, Port, "22"),
    global("ListenAddress", Appends, Address, "all addresses, IPv4 and IPv6"),
    global("AddressFamily", First, OneOf(&["any", "inet", "inet6"]), "any"),
    Keyword { aliases: &["HostDSAKey"], ..global("HostKey", Appends, File, "the rsa, ecdsa and ed25519 keys in /etc/ssh") },
    global("HostCertificate", Appends, File, "none"),
    global("HostKeyAgent", First, Word, "none"),
    global("PidFile", First, File, "/run/sshd.pid or /var/run/sshd.pid"),
    global("ModuliFile", First, File, "/etc/ssh/moduli"),
    global("LoginGraceTime", First, Time, "120"),
    both("PermitRootLogin", First, ROOT, "prohibit-password"),
    global("SyslogFacility", First, Facility, "AUTH"),
    both("LogLevel", First, LogLevel, "INFO"),
    both("LogVerbose", First, Words, "none"),
    both("HostbasedAuthentication", First, YesNo, "no"),
    both("HostbasedUsesNameFromPacketOnly", First, YesNo, "no"),
    Keyword { aliases: &["HostbasedAcceptedKeyTypes"], ..both("HostbasedAcceptedAlgorithms", First, Algorithms, "what this sshd was built with") },
    global("HostKeyAlgorithms", First, Algorithms, "what this sshd was built with"),
    both("CASignatureAlgorithms", First, Algorithms, "what this sshd was built with"),
    Keyword { aliases: &["DSAAuthentication"], ..both("PubkeyAuthentication", First, YesNo, "yes") },
    Keyword { aliases: &["PubkeyAcceptedKeyTypes"], ..both("PubkeyAcceptedAlgorithms", First, Algorithms, "what this sshd was built with") },
    both("PubkeyAuthOptions", First, KeyOptions, "none"),
    both("KerberosAuthentication", First, YesNo, "no"),
    global("KerberosOrLocalPasswd", First, YesNo, "yes"),
    global("KerberosTicketCleanup", First, YesNo, "yes"),
    global("KerberosGetAFSToken", First, YesNo, "no"),
    global("KerberosUniqueCCache", First, YesNo, "no"),
    both("KerberosUseKuserok", First, YesNo, "yes"),
    both("GSSAPIAuthentication", First, YesNo, "no"),
    Keyword { aliases: &["GSSAPICleanupCreds"], ..global("GSSAPICleanupCredentials", First, YesNo, "yes") },
    global("GSSAPIDelegateCredentials", First, YesNo, "yes"),
    global("GSSAPIStrictAcceptorCheck", First, YesNo, "yes"),
    global("GSSAPIKeyExchange", First, YesNo, "no"),
    global("GSSAPIStoreCredentialsOnRekey", First, YesNo, "no"),
    global("GSSAPIKexAlgorithms", First, Algorithms, "what this sshd was built with"),
    global("GSSAPIEnablek5users", First, YesNo, "no"),
    both("PasswordAuthentication", First, YesNo, "yes"),
    Keyword { aliases: &["ChallengeResponseAuthentication", "SKeyAuthentication"], ..both("KbdInteractiveAuthentication", First, YesNo, "yes") },
    global("PrintMotd", First, YesNo, "yes"),
    global("PrintLastLog", First, YesNo, "yes"),
    both("IgnoreRhosts", First, OneOf(&["yes", "no", "shosts-only"]), "yes"),
    global("IgnoreUserKnownHosts", First, YesNo, "no"),
    both("X11Forwarding", First, YesNo, "no"),
    both("X11DisplayOffset", First, Integer, "10"),
    both("X11UseLocalhost", First, YesNo, "yes"),
    global("XAuthLocation", First, File, "/usr/bin/xauth"),
    global("StrictModes", First, YesNo, "yes"),
    both("PermitEmptyPasswords", First, YesNo, "no"),
    global("PermitUserEnvironment", First, Word, "no"),
    global("Compression", First, OneOf(&["yes", "no", "delayed"]), "delayed"),
    both("RekeyLimit", Mixed, Rekey, "default none"),
    Keyword { aliases: &["KeepAlive"], ..global("TCPKeepAlive", First, YesNo, "yes") },
    both("AllowTcpForwarding", First, FORWARD, "yes"),
    both("AllowAgentForwarding", First, YesNo, "yes"),
    both("AllowUsers", Appends, Words, "every user"),
    both("DenyUsers", Appends, Words, "no user"),
    both("AllowGroups", Appends, Words, "every group"),
    both("DenyGroups", Appends, Words, "no group"),
    global("Ciphers", First, Algorithms, "what this sshd was built with"),
    global("MACs", First, Algorithms, "what this sshd was built with"),
    global("KexAlgorithms", First, Algorithms, "what this sshd was built with"),
    both("GatewayPorts", First, OneOf(&["yes", "no", "clientspecified"]), "no"),
    both("Subsystem", PerName, Subsystem, "none"),
    global("MaxStartups", Last(Some((10, 1))), Startups, "10:30:100"),
    global("PerSourceMaxStartups", Last(Some((9, 5))), Limit, "none"),
    global("PerSourceNetBlockSize", Last(Some((10, 1))), Blocks, "32:128"),
    global("PerSourcePenalties", Mixed, Words, "yes, in OpenSSH 9.8 and later"),
    global("PerSourcePenaltyExemptList", First, Word, "none"),
    both("MaxAuthTries", First, Integer, "6"),
    both("MaxSessions", First, Integer, "10"),
    both("Banner", First, File, "none"),
    global("UseDNS", First, YesNo, "no"),
    both("ClientAliveInterval", First, Time, "0"),
    both("ClientAliveCountMax", First, Integer, "3"),
    both("AuthorizedKeysFile", First, Words, ".ssh/authorized_keys .ssh/authorized_keys2"),
    both("AcceptEnv", Appends, Names, "none"),
    both("SetEnv", First, Variables, "none"),
    both("PermitTunnel", First, Exactly(&["yes", "no", "point-to-point", "ethernet"]), "no"),
    both("PermitTTY", First, YesNo, "yes"),
    both("PermitUserRC", First, YesNo, "yes"),
    both("PermitOpen", First, Places, "any"),
    both("PermitListen", First, Places, "any"),
    both("ForceCommand", First, Text, "none"),
    both("ChrootDirectory", First, File, "none"),
    both("RevokedKeys", First, Words, "none"),
    both("TrustedUserCAKeys", First, File, "none"),
    both("AuthorizedPrincipalsFile", First, File, "none"),
    both("AuthorizedKeysCommand", First, Command, "none"),
    both("AuthorizedKeysCommandUser", First, Word, "none"),
    both("AuthorizedPrincipalsCommand", First, Command, "none"),
    both("AuthorizedPrincipalsCommandUser", First, Word, "none"),
    both("IPQoS", Last(Some((10, 3))), Words, "what this sshd was built with"),
    global("VersionAddendum", First, Text, "none"),
    both("AuthenticationMethods", First, Words, "any"),
    both("StreamLocalBindMask", Last(None), Octal, "0177"),
    both("StreamLocalBindUnlink", First, YesNo, "no"),
    both("AllowStreamLocalForwarding", First, FORWARD, "yes"),
    global("FingerprintHash", Last(None), OneOf(&["md5", "sha1", "sha256", "sha384", "sha512"]), "SHA256"),
    both("DisableForwarding", First, YesNo, "no"),
    both("ExposeAuthInfo", First, YesNo, "no"),
    both("RDomain", First, Word, "none"),
    global("SecurityKeyProvider", First, File, "internal"),
    Keyword { aliases: &["RSAMinSize"], ..both("RequiredRSASize", First, Integer, "1024") },
    both("ChannelTimeout", First, Timeouts, "none"),
    both("UnusedConnectionTimeout", Mixed, TimeOrNone, "none"),
    global("SshdSessionPath", First, File, "what this sshd was built with"),
    global("SshdAuthPath", First, File, "what this sshd was built with"),
    both("RefuseConnection", First, YesNo, "no"),
    global("UsePAM", First, YesNo, "no, and yes where the distribution's file says so"),
    both("PAMServiceName", First, Word, "sshd"),
    global("DebianBanner", First, YesNo, "yes"),
    both("Match", Match, Criteria, ""),
    both("Include", Include, Words, ""),
    dead("Protocol"),
    dead("ServerKeyBits"),
    dead("KeyRegenerationInterval"),
    dead("RhostsAuthentication"),
    dead_in_match("RhostsRSAAuthentication"),
    dead_in_match("RSAAuthentication"),
    dead("CheckMail"),
    dead("UseLogin"),
    dead("VerifyReverseMapping"),
    dead("ReverseMappingCheck"),
    dead_in_match("AuthorizedKeysFile2"),
    dead("UsePrivilegeSeparation"),
    dead("PAMAuthenticationViaKbdInt"),
    dead("KerberosTgtPassing"),
    dead("AFSTokenPassing"),
    dead("GSSAPIUseSessionCredCache"),
    dead("PermitBlacklistedKeys"),
];

/// The keyword of this spelling, in any letter case, aliases included.
pub fn find(spelled: &str) -> Option<&'static Keyword> {
    let is = |name: &&str| name.eq_ignore_ascii_case(spelled);
    KEYWORDS.iter().find(|keyword| is(&keyword.name) || keyword.aliases.iter().any(is))
}

/// The one keyword that a misspelling probably means; what sshd throws away is not meant.
pub fn nearest(spelled: &str) -> Option<(&'static Keyword, &'static str)> {
    let alive = KEYWORDS.iter().filter(|keyword| keyword.kind != Dead);
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

    /// Whether it decides who gets in, so that a person decides about it.
    pub fn policy(&self) -> bool {
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
            "match",
        ];
        begins.iter().any(|start| key.starts_with(start))
            || is.contains(&key.as_str())
            || key.contains("authentication")
    }

    /// Whether the rest of the line is the value, `#` and quotes included.
    pub fn raw(&self) -> bool {
        matches!(self.value, Text | Command)
    }

    /// Whether each word is a value of its own (`AllowUsers a b`).
    pub fn word_list(&self) -> bool {
        self.kind == Appends && matches!(self.value, Words | Names)
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
        for name in ["Port", "UsePAM", "AcceptEnv", "X11Forwarding"] {
            assert!(!find(name).unwrap().policy(), "{name}");
        }
    }
}
