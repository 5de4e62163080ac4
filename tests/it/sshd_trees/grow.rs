//! Trees of configuration files that grow from a seed.

use super::real::{Files, MAIN};

/// Numbers that are the same on every machine (xorshift).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }
    pub fn below(&mut self, end: usize) -> usize {
        for _ in 0..3 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
        }
        usize::try_from(self.0 % end as u64).unwrap()
    }
    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// A keyword, its spellings, values that sshd takes, and whether it may stand in a Match.
pub struct Sample {
    pub key: &'static str,
    pub names: &'static [&'static str],
    pub values: &'static [&'static str],
    pub in_match: bool,
}

const fn outside(key: &'static str, names: &'static [&'static str], values: &'static [&'static str]) -> Sample {
    Sample { key, names, values, in_match: false }
}

const fn anywhere(key: &'static str, names: &'static [&'static str], values: &'static [&'static str]) -> Sample {
    Sample { key, names, values, in_match: true }
}

const YES_NO: &[&str] = &["yes", "no"];

#[rustfmt::skip]
pub const SAMPLES: &[Sample] = &[
    outside("port", &["Port", "port", "PORT"], &["22", "2222", "2022", "222"]),
    outside("listenaddress", &["ListenAddress", "listenaddress"], &["0.0.0.0", "::", "127.0.0.1:2200", "[::1]:2201", "127.0.0.1", "0.0.0.0:22", "[::]:22"]),
    outside("addressfamily", &["AddressFamily"], &["any", "inet", "inet6"]),
    outside("logingracetime", &["LoginGraceTime", "logingracetime"], &["30", "2m", "1h", "120"]),
    outside("usedns", &["UseDNS", "UseDns"], YES_NO),
    outside("usepam", &["UsePAM", "usepam"], YES_NO),
    outside("printmotd", &["PrintMotd"], YES_NO),
    outside("tcpkeepalive", &["TCPKeepAlive", "KeepAlive"], YES_NO),
    outside("strictmodes", &["StrictModes"], YES_NO),
    outside("compression", &["Compression"], &["yes", "no", "delayed"]),
    outside("syslogfacility", &["SyslogFacility"], &["AUTH", "authpriv", "LOCAL3"]),
    outside("maxstartups", &["MaxStartups"], &["10:30:100", "5:50:60", "8:16:32"]),
    outside("persourcemaxstartups", &["PerSourceMaxStartups"], &["none", "5", "10"]),
    outside("persourcenetblocksize", &["PerSourceNetBlockSize"], &["32:128", "24:56"]),
    outside("fingerprinthash", &["FingerprintHash"], &["md5", "sha256", "SHA512"]),
    outside("ciphers", &["Ciphers"], &["aes128-ctr", "aes256-ctr,aes128-ctr"]),
    outside("versionaddendum", &["VersionAddendum"], &["none", "of our own", "x # y"]),
    outside("permituserenvironment", &["PermitUserEnvironment"], &["yes", "no"]),
    outside("subsystem", &["Subsystem", "subsystem"], &["sftp /usr/lib/openssh/sftp-server", "sftp internal-sftp -l INFO", "backup /bin/backup"]),
    outside("hostcertificate", &["HostCertificate"], &["/etc/ssh/a-cert.pub", "/etc/ssh/b-cert.pub"]),
    anywhere("permitrootlogin", &["PermitRootLogin", "permitrootlogin"], &["yes", "no", "prohibit-password", "without-password", "forced-commands-only"]),
    anywhere("passwordauthentication", &["PasswordAuthentication"], YES_NO),
    anywhere("pubkeyauthentication", &["PubkeyAuthentication"], YES_NO),
    anywhere("kbdinteractiveauthentication", &["KbdInteractiveAuthentication", "ChallengeResponseAuthentication"], YES_NO),
    anywhere("permitemptypasswords", &["PermitEmptyPasswords"], YES_NO),
    anywhere("x11forwarding", &["X11Forwarding", "x11forwarding"], &["yes", "no", "YES"]),
    anywhere("x11displayoffset", &["X11DisplayOffset"], &["10", "20"]),
    anywhere("allowtcpforwarding", &["AllowTcpForwarding"], &["yes", "no", "local", "remote", "all"]),
    anywhere("gatewayports", &["GatewayPorts"], &["yes", "no", "clientspecified"]),
    anywhere("permittunnel", &["PermitTunnel"], &["yes", "no", "ethernet", "point-to-point"]),
    anywhere("permittty", &["PermitTTY"], YES_NO),
    anywhere("loglevel", &["LogLevel"], &["INFO", "verbose", "DEBUG2"]),
    anywhere("maxauthtries", &["MaxAuthTries"], &["3", "6"]),
    anywhere("maxsessions", &["MaxSessions"], &["4", "10"]),
    anywhere("clientaliveinterval", &["ClientAliveInterval"], &["0", "15", "1m30"]),
    anywhere("banner", &["Banner"], &["/etc/issue", "none", "\"/etc/our banner\""]),
    anywhere("allowusers", &["AllowUsers", "ALLOWUSERS"], &["bob", "ann bob", "root admin@10.0.0.0/8"]),
    anywhere("denyusers", &["DenyUsers"], &["eve", "mallory eve"]),
    anywhere("allowgroups", &["AllowGroups"], &["ssh", "ssh wheel"]),
    anywhere("acceptenv", &["AcceptEnv"], &["LANG LC_*", "TERM", "LANG", "TZ LANG"]),
    anywhere("setenv", &["SetEnv"], &["A=1 B=2", "C=3", "\"D=4 5\""]),
    anywhere("authorizedkeysfile", &["AuthorizedKeysFile"], &[".ssh/authorized_keys", ".ssh/a .ssh/b", "/etc/ssh/keys/%u"]),
    anywhere("forcecommand", &["ForceCommand"], &["/bin/true", "echo a # b", "internal-sftp -d /x"]),
    anywhere("chrootdirectory", &["ChrootDirectory"], &["none", "/srv/%u"]),
    anywhere("permitopen", &["PermitOpen"], &["any", "a.example:80 b.example:81", "none"]),
    anywhere("permitlisten", &["PermitListen"], &["any", "8080", "localhost:9"]),
    anywhere("authenticationmethods", &["AuthenticationMethods"], &["any", "publickey"]),
    anywhere("streamlocalbindmask", &["StreamLocalBindMask"], &["0177", "0111"]),
    anywhere("ipqos", &["IPQoS"], &["ef cs1", "af11", "lowdelay throughput"]),
    anywhere("rekeylimit", &["RekeyLimit"], &["16M 1h", "1K 600"]),
    anywhere("unusedconnectiontimeout", &["UnusedConnectionTimeout"], &["5m", "none"]),
];

/// The query that every Match below is held against.
pub const QUERY: &str = "user=bob,host=web.example,addr=10.1.2.3,laddr=10.0.0.1,lport=22";

const MATCHES: &[&str] = &[
    "Match User bob",
    "match user ann,bob",
    "Match Host web.example # the web",
    "Match=Address 10.0.0.0/8",
    "Match User=eve",
    "Match User bob Host *.other",
    "Match Group wheel",
    "\tMatch LocalAddress 10.0.0.1",
];

/// A tree, and what is in it.
pub struct Grown {
    pub files: Files,
    pub crlf: bool,
    pub includes: bool,
    pub matches: bool,
}

/// Keywords that a second line of the same kind would make sshd 9.2 refuse.
struct Once(Vec<String>);

pub fn grow(seed: u64) -> Grown {
    let dice = &mut Dice::new(seed);
    let (includes, matches, crlf) = (dice.once_in(2), dice.once_in(2), dice.once_in(3));
    let once = &mut Once(Vec::new());
    let mut files: Vec<(String, Vec<String>)> = Vec::new();
    let mut main = global_lines(dice, once, 9);
    if includes {
        let line = dice.pick(&[
            "Include /etc/ssh/sshd_config.d/*.conf",
            "include sshd_config.d/*.conf",
            "Include \"sshd_config.d/[0-9]*\" nothing/*",
        ]);
        main.insert(dice.below(main.len() + 1), (*line).to_owned());
        for name in ["10-a.conf", "20-b.conf", ".hidden.conf"].iter().take(1 + dice.below(3)) {
            let mut lines =
                if name.starts_with('.') { vec!["This is not read".to_owned()] } else { global_lines(dice, once, 5) };
            if matches && dice.once_in(2) && !name.starts_with('.') {
                lines.extend(block(dice, false));
            }
            files.push((format!("/etc/ssh/sshd_config.d/{name}"), lines));
        }
        if dice.once_in(4) {
            files[0].1.insert(0, "Include deep/one".to_owned());
            files.push(("/etc/ssh/deep/one".to_owned(), global_lines(dice, once, 3)));
        }
    }
    if matches {
        for _ in 0..=dice.below(2) {
            main.extend(block(dice, false));
            if dice.once_in(4) {
                main.push("    Include match.d/*".to_owned());
            }
        }
        if dice.once_in(5) {
            main.extend(block(dice, true));
        }
        let mut inner = vec![setting(dice, &mut Once(Vec::new()), true)];
        inner.extend(block(dice, false));
        files.push(("/etc/ssh/match.d/inner".to_owned(), inner));
    }
    files.push((MAIN.to_owned(), main));
    let end = if crlf { "\r\n" } else { "\n" };
    let files = files.into_iter().map(|(name, lines)| {
        let mut text: String = lines.iter().flat_map(|line| [line, end]).collect();
        if dice.once_in(4) {
            text.truncate(text.trim_end_matches(['\r', '\n']).len());
        }
        (name, text.into_bytes())
    });
    Grown { files: files.collect(), crlf, includes, matches }
}

fn global_lines(dice: &mut Dice, once: &mut Once, most: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for _ in 0..dice.below(most + 1) {
        lines.push(match dice.below(8) {
            0 => (*dice.pick(&["", "# Port forwarding is explained below", "  ", "\t# x"])).to_owned(),
            1 => (*dice.pick(&[
                "#Port 22",
                "#X11Forwarding no",
                "#LoginGraceTime 2m",
                "#AllowUsers bob",
                "# Banner none",
            ]))
            .to_owned(),
            _ => setting(dice, once, false),
        });
    }
    lines
}

fn block(dice: &mut Dice, all: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if dice.once_in(3) {
        lines.push("# about the block below".to_owned());
    }
    lines.push(if all { "Match all".to_owned() } else { (*dice.pick(MATCHES)).to_owned() });
    let once = &mut Once(Vec::new());
    for _ in 0..=dice.below(3) {
        lines.push(format!("    {}", setting(dice, once, true)));
    }
    lines
}

/// A line of a keyword with a value, spelled in one of the ways that mean the same.
fn setting(dice: &mut Dice, once: &mut Once, in_match: bool) -> String {
    let (sample, value) = loop {
        let sample = dice.pick(SAMPLES);
        let value = *dice.pick(sample.values);
        let id = match sample.key {
            "subsystem" => value.split(' ').next().unwrap_or_default().to_owned(),
            "addressfamily" | "rekeylimit" | "unusedconnectiontimeout" => sample.key.to_owned(),
            _ => String::new(),
        };
        if in_match && !sample.in_match || !id.is_empty() && once.0.contains(&id) {
            continue;
        }
        once.0.push(id);
        break (sample, value);
    };
    let raw = matches!(sample.key, "forcecommand" | "versionaddendum");
    let name = dice.pick(sample.names);
    let between = dice.pick(&[" ", " ", " ", "\t", "=", " = ", "  "]);
    let before = dice.pick(&["", "", "", " ", "\t"]);
    let quoted = !raw && !value.contains([' ', '"']) && dice.once_in(5);
    let quote = if quoted { *dice.pick(&["\"", "'"]) } else { "" };
    let after = if raw { "" } else { *dice.pick(&["", "", "", "", " # why", "  ", "\t#x", " \u{c}"]) };
    format!("{before}{name}{between}{quote}{value}{quote}{after}")
}
