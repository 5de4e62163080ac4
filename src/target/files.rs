//! What is at a path: asked in sh, read as a typed state.

use crate::payload::sh_quote;

/// The bytes of a file, or only their digest where they must not leave the target.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Content {
    /// All of them.
    Bytes(Vec<u8>),
    /// SHA-256 in hex, or `CRC:LENGTH` of POSIX `cksum` where the target has no `sha256sum`.
    Digest(String),
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Content::Bytes(b) => write!(f, "{} bytes", b.len()),
            Content::Digest(d) => write!(f, "digest {d}"),
        }
    }
}

/// What kind of thing is at a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Nothing.
    Absent,
    /// A regular file.
    File(Content),
    /// A directory.
    Directory,
    /// A symbolic link and what it says.
    Link(String),
    /// A device, a socket, a pipe, as `stat` names it.
    Other(String),
}

/// Who owns it. The numbers decide; the names are for people.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Numeric user.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Its name on the target, `UNKNOWN` where it has none.
    pub user: String,
    /// Its name on the target.
    pub group: String,
}

/// What is at a path, or what should be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileState {
    /// Kind and content.
    pub kind: Kind,
    /// Permission bits; `None`: absent, a link, or left as they are.
    pub mode: Option<u32>,
    /// Owner; `None`: absent, a link, or left as it is.
    pub owner: Option<Owner>,
}

impl FileState {
    /// Nothing there.
    pub const ABSENT: FileState = FileState { kind: Kind::Absent, mode: None, owner: None };

    /// The bytes, if it is a file whose bytes were read.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::File(Content::Bytes(b)) => Some(b),
            _ => None,
        }
    }
    /// One word for messages.
    #[must_use]
    pub fn noun(&self) -> &str {
        match &self.kind {
            Kind::Absent => "nothing",
            Kind::File(_) => "a file",
            Kind::Directory => "a directory",
            Kind::Link(_) => "a symbolic link",
            Kind::Other(o) => o,
        }
    }
}

/// A look at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReading {
    /// The path with every symbolic link followed: the one that is replaced.
    pub real: String,
    /// What is there.
    pub state: FileState,
    /// Number of hard links.
    pub links: u64,
    /// Whether we may replace it: its directory is writable.
    pub writable: bool,
    /// It has the attribute `i` of chattr(1): not even root may change it until that is taken away.
    pub immutable: bool,
    /// Nothing is there, and the directory that it would be in is not there either.
    pub orphan: bool,
}

/// How to look at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Follow links, bring the bytes.
    Follow,
    /// Follow links, bring only a digest.
    Digest,
    /// The last component itself, which may be a link.
    Link,
}

/// Files whose bytes never leave the target, whatever a runbook says: shadow(5), host private keys (sshd(8), FILES).
/// Of the real path; the target decides by the same patterns (in `rb_look`), whatever name it was asked by.
#[must_use]
pub fn always_sensitive(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.starts_with("/etc/shadow")
        || path.starts_with("/etc/gshadow")
        || (name.starts_with("ssh_host_") && name.ends_with("_key"))
}

/// The sh fragment that looks at `path`; `None` if no path can be that text.
#[must_use]
pub fn look_script(path: &str, look: Look) -> Option<String> {
    if path.contains('\n') {
        return None;
    }
    let flag = match look {
        Look::Follow => "f",
        Look::Digest => "d",
        Look::Link => "l",
    };
    Some(format!("rb_look {flag} {}", sh_quote(path)?))
}

/// Bytes of one piece of a long file: a check's output is cut at a MiB.
pub const PIECE: u64 = 1_000_000;
/// Bytes of a file whose text is brought here.
pub const MOST: u64 = 64 << 20;

/// The sh fragments that ask how long a file is, with its digest, and for one of its pieces.
#[must_use]
pub fn size_script(path: &str) -> Option<String> {
    Some(format!("rb_real {}; stat -c %s \"$R$REPLY\" && rb_sum \"$R$REPLY\"", sh_quote(path)?))
}
/// See [`size_script`]; the first piece is 0.
#[must_use]
pub fn piece_script(path: &str, piece: u64) -> Option<String> {
    let from = piece * PIECE + 1;
    Some(format!("rb_real {}; tail -c +{from} \"$R$REPLY\" | head -c {PIECE}", sh_quote(path)?))
}

/// Reads the answer of [`look_script`]: a line `KIND|MODE|UID|GID|USER|GROUP|LINKS|WRITABLE` (WRITABLE is `w`, `r`, or `i` for
/// what root could replace if it were not immutable; or `absent|WRITABLE`, `absent|orphan|WRITABLE` where there is no directory for it either), a line with the real
/// path, then the bytes (or the digest, or the link's text).
pub fn parse_look(out: &[u8]) -> Result<FileReading, String> {
    let mut parts = out.splitn(3, |b| *b == b'\n');
    let head = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let real = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let body = parts.next().unwrap_or_default();
    let f: Vec<&str> = head.split('|').collect();
    let line = |b: &[u8]| String::from_utf8_lossy(b).trim_end_matches('\n').to_owned();
    if real.is_empty() {
        return Err("no answer about the file".into());
    }
    let immutable = f.last() == Some(&"i");
    let writable = immutable || f.last() == Some(&"w");
    let orphan = f.get(1) == Some(&"orphan");
    let found = |kind, mode, owner, links| FileReading {
        real: real.clone(),
        state: FileState { kind, mode, owner },
        links,
        writable,
        immutable,
        orphan,
    };
    match (f.first().copied(), f.len()) {
        (Some("absent"), _) => Ok(found(Kind::Absent, None, None, 0)),
        (Some("denied"), _) => Err(format!("{real}: permission denied")),
        (Some("loop"), _) => Err(format!("{real}: too many levels of symbolic links")),
        (Some("link"), _) => Ok(found(Kind::Link(line(body)), None, None, 1)),
        (Some(kind), 8) => {
            let number = |i: usize| f[i].parse::<u32>().map_err(|_| format!("{real}: stat answered \"{head}\""));
            let mode = u32::from_str_radix(f[1], 8).map_err(|_| format!("{real}: stat answered \"{head}\""))?;
            let owner = Owner { uid: number(2)?, gid: number(3)?, user: f[4].into(), group: f[5].into() };
            let kind = match kind {
                "regular file" | "regular empty file" => Kind::File(Content::Bytes(body.to_vec())),
                "digest" => {
                    let sum = line(body);
                    // It goes into scripts as it is.
                    if !is_digest(&sum) {
                        return Err(format!("{real}: its digest is none"));
                    }
                    Kind::File(Content::Digest(sum))
                }
                "directory" => Kind::Directory,
                other => Kind::Other(other.to_owned()),
            };
            Ok(found(kind, Some(mode), Some(owner), f[6].parse().unwrap_or(1)))
        }
        _ => Err(format!("{real}: stat answered \"{head}\"")),
    }
}

/// What [`Content::Digest`] holds, and nothing that a shell would read.
fn is_digest(sum: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let number = |t: &str| !t.is_empty() && t.len() <= 20 && t.bytes().all(|b| b.is_ascii_digit());
    (sum.len() == 64 && sum.bytes().all(hex))
        || sum.split_once(':').is_some_and(|(crc, len)| number(crc) && number(len))
}

/// The functions that fragments may use, by name; `R` is the root that a disk is mounted on, else empty.
///
/// * `rb_real PATH` sets `REPLY` to PATH with every link followed *inside `$R`*, so that an absolute or `..` link of a
///   mounted disk cannot lead outside (path_resolution(7), done by hand since `readlink -f` knows no root).
/// * `rb_look f|d|l PATH` answers [`parse_look`].
/// * `rb_sum FILE` prints a digest.
/// * `rb_text TEXT` prints just that. `printf` is a program to mksh and OpenBSD's sh, and would show it in ps.
pub const FUNCTIONS: &[(&str, &str)] = &[
    (
        "rb_real",
        r#"rb_real() {
rb_t=${1#/} rb_c= rb_n=0
while [ -n "$rb_t" ]; do
rb_p=${rb_t%%/*}
case $rb_t in */*) rb_t=${rb_t#*/};; *) rb_t=;; esac
case $rb_p in ''|.) continue;; ..) rb_c=${rb_c%/*}; continue;; esac
if [ -L "$R$rb_c/$rb_p" ] && { [ -n "$rb_t" ] || [ "$2" != l ]; }; then
rb_n=$((rb_n+1)); [ $rb_n -gt 40 ] && { REPLY=$1; return 1; }
rb_l=$(readlink "$R$rb_c/$rb_p"); case $rb_l in /*) rb_c=;; esac
rb_t=$rb_l${rb_t:+/$rb_t}
else rb_c=$rb_c/$rb_p; fi
done; REPLY=${rb_c:-/}; }
"#,
    ),
    (
        "rb_text",
        r#"rb_text() { printf %s "$1"; }
case $(command -v printf) in /*) ! command -v print || rb_text() { print -rn -- "$1"; };; esac >/dev/null
"#,
    ),
    (
        "rb_sum",
        r#"rb_sum() { if command -v sha256sum >/dev/null; then set -- $(sha256sum <"$1"); printf %s "$1"; else set -- $(cksum <"$1"); printf %s "$1:$2"; fi; }
"#,
    ),
    (
        "rb_look",
        r#"rb_look() {
rb_real "$2" "$1" || { printf 'loop\n%s\n' "$2"; return 0; }
rb_q=$R$REPLY rb_w=r; rb_d=${rb_q%/*}
while [ ! -e "${rb_d:-/}" ] && [ -n "$rb_d" ]; do rb_d=${rb_d%/*}; done
[ -w "${rb_d:-/}" ] && rb_w=w
case $REPLY in /etc/shadow*|/etc/gshadow*|*/ssh_host_*_key) set -- d "$2" "$1";; esac
if [ "${3:-$1}" = l ] && [ -L "$rb_q" ]; then printf 'link|%s\n%s\n' $rb_w "$REPLY"; readlink "$rb_q"; return 0; fi
rb_m=$(stat -c '%F|%a|%u|%g|%U|%G|%h' "$rb_q" 2>&1) || { case $rb_m in *ermission*) rb_m=denied;; *'o such file'*) rb_m=absent;; *) echo "$rb_m" >&2; exit 1;; esac; [ -d "${rb_q%/*}/" ] || rb_m="$rb_m|orphan"; printf '%s|%s\n%s\n' "$rb_m" $rb_w "$REPLY"; return 0; }
[ $rb_w = r ] || [ -w "$rb_q" ] || { rb_x=$(lsattr -d "$rb_q" 2>/dev/null); case ${rb_x%% *} in *i*) rb_w=i;; esac; }
case $rb_m in
regular*) [ -r "$rb_q" ] || { printf 'denied\n%s\n' "$REPLY"; return 0; }
if [ "$1" = d ]; then printf 'digest|%s|%s\n%s\n' "${rb_m#*|}" $rb_w "$REPLY"; rb_sum "$rb_q"; else printf '%s|%s\n%s\n' "$rb_m" $rb_w "$REPLY"; cat "$rb_q"; fi;;
*) printf '%s|%s\n%s\n' "$rb_m" $rb_w "$REPLY";;
esac; }
"#,
    ),
];

/// The POSIX `cksum` of some bytes as `CRC:LENGTH`.
#[must_use]
pub fn cksum(bytes: &[u8]) -> String {
    format!("{}:{}", crate::payload::cksum(bytes), bytes.len())
}

/// SHA-256 in hex.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cksum_is_that_of_posix() {
        assert_eq!(cksum(b""), "4294967295:0");
        assert_eq!(cksum(b"hello\n"), "3015617425:6");
    }

    #[test]
    fn a_look_is_read() {
        let r = parse_look(b"regular file|644|0|0|root|root|1|w\n/etc/x\nPort 22\nno newline").unwrap();
        assert_eq!(r.state.bytes(), Some(&b"Port 22\nno newline"[..]));
        assert_eq!((r.state.mode, r.writable), (Some(0o644), true));
        assert_eq!(parse_look(b"absent|w\n/etc/x\n").unwrap().state, FileState::ABSENT);
        assert!(parse_look(b"denied\n/etc/shadow\n").unwrap_err().contains("permission denied"));
        assert!(parse_look(b"").is_err());
        let r = parse_look(b"regular file|644|0|0|root|root|1|i\n/etc/x\n").unwrap();
        assert!(r.immutable && r.writable);
    }

    /// Found by lab_hostile: a digest goes into scripts as it is.
    #[test]
    fn a_digest_is_one() {
        let head = "digest|600|0|0|root|root|1|w\n/etc/shadow\n";
        let of = |sum: &str| parse_look(format!("{head}{sum}\n").as_bytes());
        assert!(of(&sha256(b"x")).is_ok() && of(&cksum(b"x")).is_ok());
        for bad in ["", "x", "1:", ":1", &format!("{}';>/PWNED;'", &sha256(b"x")), &sha256(b"x").to_uppercase()] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_and_shadow_stay_where_they_are() {
        assert!(always_sensitive("/etc/ssh/ssh_host_ed25519_key"));
        assert!(!always_sensitive("/etc/ssh/ssh_host_ed25519_key.pub"));
        assert!(always_sensitive("/etc/shadow"));
    }
}
