//! The answer of probe.sh, typed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::edit::authorized_keys::{self, Keys};

/// passwd(5).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    pub uid: u32,
    pub gid: u32,
    pub home: String,
    pub shell: String,
}

/// What shadow(5) says; the days are counted from 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shadow {
    /// set, empty, locked (`!` before a hash, or alone), or none (`*`: no password fits).
    pub password: String,
    pub changed: Option<i64>,
    pub max: Option<i64>,
    pub inactive: Option<i64>,
    pub expires: Option<i64>,
}

/// One part of a path, as stat(1) tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    pub kind: String,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub user: String,
    pub group: String,
    pub path: String,
}

/// A file that keys may be in.
#[derive(Debug, Clone, Default)]
pub struct KeyFile {
    /// As sshd names it.
    pub name: String,
    /// sshd is told to look there; else it is where people put them.
    pub listed: bool,
    pub absent: bool,
    /// With links followed: the file itself first (its directory, where it is absent), `/` last.
    pub parts: Vec<Part>,
    pub bytes: Vec<u8>,
    pub keys: Keys,
}

/// All that was seen of one account's way in.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Who it is, where nobody was named.
    pub name: String,
    pub account: Option<Account>,
    pub groups: Vec<String>,
    pub gids: Vec<u32>,
    pub shadow: Option<Shadow>,
    pub today: i64,
    pub client: Option<IpAddr>,
    /// By its log alone: whoever tries that name may be somebody else.
    pub guessed: bool,
    /// The last line of sshd's log that tells why.
    pub said: String,
    pub no_sshd: bool,
    /// Debian or Ubuntu built it: it lets a group write that nobody else is in.
    pub debian: bool,
    /// `sshd -T` for this user: keyword and value, in its order; none where it refuses its configuration.
    pub settings: Option<Vec<(String, String)>>,
    /// What it said instead.
    pub refusal: String,
    /// With links followed.
    pub home: String,
    /// What a look at did not come back from within three seconds: it is on a file system of the network.
    pub hangs: Vec<String>,
    pub files: Vec<KeyFile>,
    /// Of each group: its name and its members.
    pub members: BTreeMap<u32, Vec<String>>,
    /// Of each group: whose first group it is.
    pub primary: BTreeMap<u32, Vec<String>>,
    /// What is at the shell's path: kind and mode; none if nothing is.
    pub shell: Option<(String, u32)>,
    /// It is a file that no system runs: neither a program nor a script.
    pub no_program: bool,
    /// It is in shells(5).
    pub valid_shell: bool,
    /// A shell that is there.
    pub spare_shell: String,
    /// Files that keep everybody but root out, and their first line.
    pub nologin: Vec<(String, String)>,
    /// `systemctl is-system-running`.
    pub system: String,
    /// It is about to go down.
    pub shutdown: bool,
    /// What its start waits for.
    pub job: String,
    /// The modules of PAM for sshd: auth or account, and the name.
    pub pam: Vec<(String, String)>,
    /// The host's public keys, `TYPE BASE64`.
    pub host_keys: Vec<String>,
    /// Why sshd's log says that the last try failed, its words in their order; none after a login.
    pub reasons: Vec<String>,
    /// A mount point of fstab's above the home that nothing is mounted on.
    pub unmounted: String,
    /// Where a home of that name would be by custom, if that is a directory.
    pub usual_home: Option<String>,
    /// /etc/securetty is there, and does not name ssh.
    pub securetty: bool,
    /// Lines of limits.conf(5) that allow none of something: file, number, text.
    pub limits: Vec<(String, usize, String)>,
    /// Lines of access.conf(5): file, number, text.
    pub access: Vec<(String, usize, String)>,
}

impl Seen {
    /// The value of a setting of sshd's.
    pub fn setting(&self, key: &str) -> &str {
        self.settings.iter().flatten().find(|(k, _)| k == key).map_or("", |(_, v)| v.as_str())
    }
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.settings.iter().flatten().filter(move |(k, _)| k == key).map(|(_, v)| v.as_str())
    }
    pub fn is(&self, key: &str) -> bool {
        self.setting(key) == "yes"
    }
    /// Whether PAM has this module for sshd, in that stack.
    pub fn asks(&self, stack: &str, module: &str) -> bool {
        self.is("usepam") && self.pam.iter().any(|(s, m)| s == stack && m.rsplit('/').next() == Some(module))
    }

    /// The host's own part alone where there is no account; else that with each account's. The names that were too many.
    pub fn read(out: &[u8]) -> (Vec<Self>, Vec<String>) {
        let (mut all, mut left) = (Vec::new(), Vec::new());
        let mut host = None::<Seen>;
        let mut seen = Seen::default();
        let (mut rest, mut in_t) = (out, None::<bool>);
        let mut dump = Vec::new();
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let line = String::from_utf8_lossy(&rest[..end]).into_owned();
            rest = &rest[end + 1..];
            if let Some(good) = in_t {
                if line == "-- end" {
                    in_t = None;
                    if good {
                        seen.settings = Some(std::mem::take(&mut dump));
                    }
                } else {
                    let (key, value) = line.split_once(' ').unwrap_or((&line, ""));
                    if !good && seen.refusal.is_empty() {
                        seen.refusal = line.trim().to_owned();
                    }
                    dump.push((key.to_ascii_lowercase(), value.to_owned()));
                }
                continue;
            }
            let (word, value) = line.split_once(' ').unwrap_or((&line, ""));
            match word {
                "--" if value == "same" => {
                    let last = all.last().or(host.as_ref());
                    (seen.settings, seen.refusal) =
                        last.map(|s| (s.settings.clone(), s.refusal.clone())).unwrap_or_default();
                }
                "--" => in_t = Some(value == "T 0"),
                "content" => {
                    let length = value.split(' ').next().and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
                    let bytes = rest.get(..length).unwrap_or(rest);
                    if let Some(file) = seen.files.last_mut() {
                        file.bytes = bytes.to_vec();
                        file.keys = authorized_keys::read(bytes);
                    }
                    rest = rest.get(length + 1..).unwrap_or_default();
                }
                "left" => left.push(value.to_owned()),
                "account" => {
                    let next = Seen { name: value.to_owned(), ..host.as_ref().unwrap_or(&seen).clone() };
                    let last = std::mem::replace(&mut seen, next);
                    match host {
                        None => host = Some(last),
                        Some(_) => all.push(last),
                    }
                }
                _ => seen.word(word, value),
            }
        }
        all.push(seen);
        (all, left)
    }

    fn word(&mut self, word: &str, value: &str) {
        let f: Vec<&str> = value.split(':').collect();
        let list = |text: &str| text.split(',').filter(|m| !m.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        match word {
            "user" if f.len() >= 7 => {
                self.account = Some(Account {
                    uid: f[2].parse().unwrap_or(u32::MAX),
                    gid: f[3].parse().unwrap_or(u32::MAX),
                    home: f[5].to_owned(),
                    shell: if f[6].is_empty() { "/bin/sh".into() } else { f[6].to_owned() },
                });
            }
            "names" => self.groups = value.split_whitespace().map(str::to_owned).collect(),
            "gids" => self.gids = value.split_whitespace().filter_map(|g| g.parse().ok()).collect(),
            "shadow" if f.len() == 5 => {
                let day = |at: usize| f[at].parse().ok();
                let password = f[0].to_owned();
                let (changed, max, inactive, expires) = (day(1), day(2), day(3), day(4));
                self.shadow = Some(Shadow { password, changed, max, inactive, expires });
            }
            "today" => self.today = value.parse().unwrap_or(0),
            "from" => self.client = value.parse().ok(),
            "guessed" => self.guessed = true,
            "said" => value.clone_into(&mut self.said),
            "hostkey" => self.host_keys.push(value.to_owned()),
            "reason" => self.reasons.push(value.to_owned()),
            "unmounted" => value.clone_into(&mut self.unmounted),
            "usual" => self.usual_home = Some(value.to_owned()),
            "securetty" => self.securetty = true,
            "nosshd" => self.no_sshd = true,
            "debian" => self.debian = true,
            "home" => value.clone_into(&mut self.home),
            "hangs" => self.hangs.push(value.to_owned()),
            "file" => {
                let (listed, name) = value.split_once(' ').unwrap_or(("", value));
                let (name, listed) = (name.to_owned(), listed == "listed");
                self.files.push(KeyFile { name, listed, ..KeyFile::default() });
            }
            "absent" => self.files.last_mut().into_iter().for_each(|f| f.absent = true),
            "part" => {
                if let (Some(part), Some(file)) = (part(value), self.files.last_mut()) {
                    file.parts.push(part);
                }
            }
            "group" if f.len() >= 3 => {
                self.members.insert(f[0].parse().unwrap_or(u32::MAX), list(f[2]));
            }
            "primary" if f.len() >= 2 => {
                self.primary.entry(f[0].parse().unwrap_or(u32::MAX)).or_default().push(f[1].to_owned());
            }
            "shell" => {
                let mode =
                    value.split_once('|').and_then(|(k, m)| Some((k.to_owned(), u32::from_str_radix(m, 8).ok()?)));
                self.shell = mode;
            }
            "spare" => value.clone_into(&mut self.spare_shell),
            "noprogram" => self.no_program = true,
            "valid" => self.valid_shell = true,
            "nologin" => {
                let (path, text) = value.split_once(' ').unwrap_or((value, ""));
                // /var/run is a link to /run.
                if path != "/var/run/nologin" || !self.nologin.iter().any(|(p, _)| p == "/run/nologin") {
                    self.nologin.push((path.to_owned(), text.trim().to_owned()));
                }
            }
            "system" => value.clone_into(&mut self.system),
            "shutdown" => self.shutdown = true,
            "job" => value.clone_into(&mut self.job),
            "pam" => {
                let (stack, module) = value.split_once(' ').unwrap_or((value, ""));
                self.pam.push((stack.trim_start_matches('-').to_owned(), module.to_owned()));
            }
            "access" | "limit" => {
                let mut at = value.splitn(3, ':');
                if let (Some(file), Some(line), Some(text)) = (at.next(), at.next(), at.next()) {
                    let all = if word == "access" { &mut self.access } else { &mut self.limits };
                    all.push((file.to_owned(), line.parse().unwrap_or(0), text.to_owned()));
                }
            }
            _ => {}
        }
    }
}

fn part(value: &str) -> Option<Part> {
    let f: Vec<&str> = value.splitn(7, '|').collect();
    let [kind, mode, uid, gid, user, group, path] = f[..] else { return None };
    Some(Part {
        kind: kind.to_owned(),
        mode: u32::from_str_radix(mode, 8).ok()?,
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        // GNU's word for an owner whom passwd(5) does not have.
        user: if user == "UNKNOWN" { format!("uid {uid}") } else { user.to_owned() },
        group: group.to_owned(),
        path: path.to_owned(),
    })
}
