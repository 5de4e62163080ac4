//! Whether what a configuration names exists, and what is there where it does not: asked in sh, read as a typed answer.

use std::collections::BTreeMap;

use crate::edit::references::NamedKind;
use crate::edit::sshd_config::nearest_word;
use crate::payload::sh_quote;

/// What is known of a named thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Existence {
    /// It exists. A file has what stat(1) says of it, with links followed; a user or a group has nothing more.
    Present(Option<Stat>),
    /// It does not exist.
    Absent(Absence),
    /// It cannot be told here; why.
    Unknown(String),
}

/// stat(1) of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// `regular file`, `directory` …
    pub kind: String,
    /// Permission bits.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// What is there in place of a thing that does not exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Absence {
    /// A symbolic link at that path, and what it says.
    pub link: Option<(String, String)>,
    /// The first directory of its path that does not exist.
    pub directory: Option<String>,
    /// What is a directory's place on that path, and none.
    pub not_a_directory: Option<String>,
    /// Names beside it that begin alike.
    pub neighbours: Vec<String>,
}

impl Absence {
    /// "… does not exist", and what there is instead: a dangling link, a missing directory, a neighbour's name.
    #[must_use]
    pub fn describe(&self, kind: NamedKind, name: &str) -> String {
        match &self.link {
            Some((path, to)) => format!("{path} is a link to {to}, which does not exist"),
            None => format!("{} does not exist{}", kind.title(name), self.detail(name)),
        }
    }

    /// What there is instead, in words that follow "does not exist"; empty where there is nothing to say.
    #[must_use]
    pub fn detail(&self, name: &str) -> String {
        match (&self.link, &self.not_a_directory, &self.directory, self.neighbour(name)) {
            (Some((path, to)), ..) => format!(" ({path} is a link to {to}, which is not there)"),
            (_, Some(file), ..) => format!(": {file} is not a directory"),
            (_, _, Some(directory), _) if directory != name => format!(": there is no directory {directory}"),
            (.., Some(near)) => format!(" ({near} does)"),
            _ => String::new(),
        }
    }

    /// The one name beside it that was probably meant; of a file with its directory.
    #[must_use]
    pub fn neighbour(&self, name: &str) -> Option<String> {
        let (directory, base) = name.rsplit_once('/').map_or(("", name), |(d, b)| (d, b));
        let near = nearest_word(base, self.neighbours.iter().map(|n| (n.as_str(), n)))?;
        Some(if name.contains('/') { format!("{directory}/{near}") } else { near.clone() })
    }
}

/// The sh fragment that asks for all of these; `None` where a name has a line break or a NUL.
#[must_use]
pub fn existence_script(names: &[(NamedKind, &str)]) -> Option<String> {
    let mut out = String::from("rb_exist");
    for (kind, name) in names {
        if name.contains('\n') {
            return None;
        }
        out += &format!(" {} {}", kind.word(), sh_quote(name)?);
    }
    Some(out)
}

/// What is known of each thing that was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Existences(BTreeMap<(NamedKind, String), Existence>);

impl Existences {
    /// What is known of it; none where nothing is, or it was not asked for.
    #[must_use]
    pub fn get(&self, kind: NamedKind, name: &str) -> Option<&Existence> {
        self.0.get(&(kind, name.to_owned()))
    }
    /// What is there in its place, where it surely does not exist.
    #[must_use]
    pub fn absence(&self, kind: NamedKind, name: &str) -> Option<&Absence> {
        match self.get(kind, name)? {
            Existence::Absent(a) => Some(a),
            _ => None,
        }
    }
    /// stat(1) of a file that exists.
    #[must_use]
    pub fn stat(&self, kind: NamedKind, name: &str) -> Option<&Stat> {
        match self.get(kind, name)? {
            Existence::Present(stat) => stat.as_ref(),
            _ => None,
        }
    }
}

/// Reads the answer: for each name a line `= KIND NAME`, and then `ok KIND|MODE|UID|GID`, `ok`, `unknown WHY`, or `no` with
/// lines `link PATH|TO`, `directory PATH`, `file PATH` and `near NAME`.
#[must_use]
pub fn parse_existence(out: &[u8]) -> Existences {
    let text = String::from_utf8_lossy(out);
    let mut all = BTreeMap::new();
    let mut last = None;
    for line in text.split('\n') {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "=" {
            let (kind, name) = rest.split_once(' ').unwrap_or((rest, ""));
            last = NamedKind::from_word(kind).map(|kind| (kind, name.to_owned()));
            continue;
        }
        let Some(key) = &last else { continue };
        match (word, all.get_mut(key)) {
            ("ok", _) => _ = all.insert(key.clone(), Existence::Present(parse_stat(rest))),
            ("unknown", _) => _ = all.insert(key.clone(), Existence::Unknown(rest.to_owned())),
            ("no", _) => _ = all.insert(key.clone(), Existence::Absent(Absence::default())),
            ("link", Some(Existence::Absent(a))) => {
                a.link = rest.split_once('|').map(|(p, t)| (p.to_owned(), t.to_owned()));
            }
            ("directory", Some(Existence::Absent(a))) => a.directory = Some(rest.to_owned()),
            ("file", Some(Existence::Absent(a))) => a.not_a_directory = Some(rest.to_owned()),
            ("near", Some(Existence::Absent(a))) => a.neighbours.push(rest.to_owned()),
            _ => {}
        }
    }
    Existences(all)
}

fn parse_stat(text: &str) -> Option<Stat> {
    let f: Vec<&str> = text.split('|').collect();
    let [kind, mode, uid, gid] = f[..] else { return None };
    let mode = u32::from_str_radix(mode, 8).ok()?;
    Some(Stat { kind: kind.to_owned(), mode, uid: uid.parse().ok()?, gid: gid.parse().ok()? })
}

/// `rb_exist KIND NAME…` answers [`parse_existence`]; `R` is the root that a disk is mounted on.
///
/// * A path is followed inside `$R` (`rb_real`).
/// * Users and groups: passwd(5), group(5), and on a running host getent(1).
/// * Programs without a slash: the directories of systemd's and sshd's PATH.
/// * PAM's modules: the directories that distributions build libpam with. The name service's: glibc has files, dns and compat in
///   itself since 2.34, or beside it. Where there are no such directories nothing is known (musl has neither).
/// * Devices are those of a running host.
pub const FUNCTIONS: &[(&str, &str)] = &[
    (
        "rb_exist",
        r#"rb_exist() {
while [ $# -gt 1 ]; do
echo "= $1 $2"
case $1 in
file|directory) rb_there "$2";;
program) case $2 in /*) rb_there "$2";; *) rb_search "$2" /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin;; esac;;
user) rb_account passwd "$2";;
group) rb_account group "$2";;
pam) case $2 in /*) rb_there "$2";; *) rb_search "$2" '' /lib/security /usr/lib/security /lib64/security /usr/lib64/security '/lib/*/security' '/usr/lib/*/security';; esac;;
nss) case $2 in files|dns|compat) echo ok;; *) rb_search "libnss_$2.so.2" '' /lib /usr/lib /lib64 /usr/lib64 '/lib/*-linux-*' '/usr/lib/*-linux-*';; esac;;
device) if [ -n "$R" ]; then echo unknown a disk has no devices; else case $2 in
/*) rb_there "$2";;
UUID=*|LABEL=*|PARTUUID=*|PARTLABEL=*) rb_v=${2#*=}; rb_v=${rb_v#[\"\']}; rb_v=${rb_v%[\"\']}; rb_b=$(blkid -t "${2%%=*}=$rb_v" -o device 2>/dev/null)
if [ -n "$rb_b" ] || [ -e "/dev/disk/by-$(echo "${2%%=*}" | tr A-Z a-z)/$rb_v" ]; then echo ok; elif [ -d /dev/disk ] || command -v blkid >/dev/null; then echo no; else echo unknown no blkid; fi;;
*) echo ok;; esac; fi;;
esac
shift 2
done; }
"#,
    ),
    (
        "rb_there",
        r#"rb_there() {
rb_real "$1" || { echo "unknown $1: too many links"; return 0; }
rb_q=$REPLY
if [ -e "$R$rb_q" ]; then stat -c 'ok %F|%a|%u|%g' "$R$rb_q"; return 0; fi
echo no
rb_real "$1" l; if [ -L "$R$REPLY" ]; then echo "link $REPLY|$(readlink "$R$REPLY")"; return 0; fi
rb_d=${rb_q%/*} rb_m=
while [ -n "$rb_d" ] && [ ! -e "$R$rb_d" ]; do rb_m=$rb_d rb_d=${rb_d%/*}; done
if [ -n "$rb_m" ]; then echo "directory $rb_m"; elif [ -n "$rb_d" ] && [ ! -d "$R$rb_d" ]; then echo "file $rb_d"; else rb_near "$R$rb_d" "${rb_q##*/}"; fi; }
"#,
    ),
    (
        "rb_near",
        r#"rb_near() { ls -A "${1:-/}" 2>/dev/null | head -n 2000 | awk -v n="$2" 'BEGIN { n = tolower(substr(n, 1, 3)) } tolower(substr($0, 1, 3)) == n && c++ < 20 { print "near " $0 }'; }
"#,
    ),
    (
        "rb_search",
        r#"rb_search() {
rb_n=$1 rb_o=; shift
for rb_e; do
[ -n "$rb_e" ] || { rb_o=any; continue; }
for rb_d in $R$rb_e; do
[ -d "$rb_d" ] || continue
if [ -e "$rb_d/$rb_n" ]; then stat -L -c 'ok %F|%a|%u|%g' "$rb_d/$rb_n"; return 0; fi
case $rb_o:$rb_n in any:pam_*) ls "$rb_d"/pam_*.so >/dev/null 2>&1 && rb_o=found;; any:libnss_*) ls "$rb_d"/libnss_* >/dev/null 2>&1 && rb_o=found;; esac
done
done
case $rb_o in any) echo unknown no directory of such modules is known here; return 0;; esac
echo no
for rb_e; do [ -n "$rb_e" ] || continue; for rb_d in $R$rb_e; do [ ! -d "$rb_d" ] || rb_near "$rb_d" "$rb_n"; done; done; }
"#,
    ),
    (
        "rb_account",
        r#"rb_account() {
case $2 in *[!0-9]*) ;; *) echo ok; return 0;; esac
if cut -d: -f1 "$R/etc/$1" 2>/dev/null | grep -qxF -e "$2"; then echo ok
elif [ -z "$R" ] && command -v getent >/dev/null && getent "$1" "$2" >/dev/null 2>&1; then echo ok
elif rb_far "$1"; then echo "unknown a directory of accounts that may be out of reach has the last word ($1 in /etc/nsswitch.conf)"
else echo no; cut -d: -f1 "$R/etc/$1" 2>/dev/null | awk -v n="$2" 'BEGIN { n = tolower(substr(n, 1, 2)) } tolower(substr($0, 1, 2)) == n && c++ < 20 { print "near " $0 }'; fi; }
rb_far() { grep -qsE "^$1:[^#]*(ldap|winbind|nis|hesiod|db)" "$R/etc/nsswitch.conf" || { grep -qsE "^$1:[^#]*sss" "$R/etc/nsswitch.conf" && { cat "$R/etc/sssd/sssd.conf"; ls "$R/etc/sssd/conf.d"; } 2>/dev/null | grep -q .; }; }
"#,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(root: &std::path::Path, names: &[(NamedKind, &str)]) -> Existences {
        let script = existence_script(names).unwrap();
        let library = super::super::functions([script.as_str()].into_iter(), false);
        let sh = format!("R='{}'\n{library}{script}\n", root.display());
        let ten = std::time::Duration::from_secs(10);
        let out = crate::channel::run_program(&["sh", "-c", &sh], b"", ten).await.unwrap();
        assert!(out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
        parse_existence(&out.stdout)
    }

    #[tokio::test]
    async fn what_is_there_in_its_place() {
        use NamedKind::{Device, File, Group, NssModule, PamModule, Program, User};
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for d in ["etc/ssh", "lib/x86_64-linux-gnu/security", "usr/bin", "root/.ssh"] {
            std::fs::create_dir_all(at(d)).unwrap();
        }
        for f in ["etc/ssh/revoked", "lib/x86_64-linux-gnu/security/pam_unix.so", "root/.ssh/authorized_key"] {
            std::fs::write(at(f), "").unwrap();
        }
        std::fs::write(at("etc/passwd"), "root:x:0:0::/root:/bin/sh\nsshd:x:101:65534::/run/sshd:/x\n").unwrap();
        std::fs::write(at("etc/group"), "root:x:0:\n").unwrap();
        std::os::unix::fs::symlink("/srv/gone", at("etc/ssh/link")).unwrap();
        let names = [
            (File, "/etc/ssh/revoked"),
            (File, "/etc/ssh/link"),
            (File, "/data/root/.ssh/authorized_keys"),
            (File, "/root/.ssh/authorized_keys"),
            (File, "/etc/passwd/x"),
            (PamModule, "pam_unix.so"),
            (PamModule, "pam_tally2.so"),
            (NssModule, "files"),
            (NssModule, "sss"),
            (User, "sshd"),
            (User, "ssdh"),
            (User, "1000"),
            (Group, "wheel"),
            (Program, "sh"),
            (Device, "/dev/sdz1"),
        ];
        let all = ask(dir.path(), &names).await;
        let said: Vec<String> = names
            .iter()
            .map(|(kind, name)| match all.get(*kind, name) {
                Some(Existence::Present(_)) => "ok".to_owned(),
                Some(Existence::Absent(a)) => a.describe(*kind, name),
                _ => "unknown".to_owned(),
            })
            .collect();
        assert_eq!(
            said,
            [
                "ok",
                "/etc/ssh/link is a link to /srv/gone, which does not exist",
                "/data/root/.ssh/authorized_keys does not exist: there is no directory /data",
                "/root/.ssh/authorized_keys does not exist (/root/.ssh/authorized_key does)",
                "/etc/passwd/x does not exist: /etc/passwd is not a directory",
                "ok",
                "the PAM module pam_tally2.so does not exist",
                "ok",
                // There is no libnss at all: this may be no glibc.
                "unknown",
                "ok",
                "the user ssdh does not exist (sshd does)",
                "ok",
                "the group wheel does not exist",
                "the program sh does not exist",
                "unknown",
            ]
        );
        assert!(existence_script(&[(File, "/a\nb")]).is_none());
    }
}
