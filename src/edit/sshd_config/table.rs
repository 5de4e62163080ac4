//! The keywords of sshd_config, one line each.
//!
//! Source: the keyword table and the parser of servconf.c and `SSHD_CONFIG_ENTRIES` of servconf.h (OpenSSH 8.7 to
//! 10.5), sshd_config(5) for the defaults, and the keywords that Debian's and Red Hat's patches add.

use super::keywords::Keyword;
use super::keywords::Kind::{self, Appends, Dead, First, Include, Last, Match, Mixed, PerName};
use super::keywords::Type::{self, *};

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
