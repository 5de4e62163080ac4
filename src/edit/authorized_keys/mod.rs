//! authorized_keys files as sshd reads them, and what a damaged one was meant to say.
//!
//! Source: sshd(8), AUTHORIZED_KEYS FILE FORMAT; `auth_check_authkey_line` (auth2-pubkeyfile.c) and `sshkey_read`
//! (sshkey.c) of OpenSSH 9.2 and 10.0. A line that is no key is passed over without a word, also in the log. Line ends
//! of another system do no harm: base64 may hold white space.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// A line with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Counted from 1.
    pub line: usize,
    /// What stands in front of the key: `from="192.0.2.0/24",no-pty`.
    pub options: String,
    /// `ssh-ed25519`.
    pub kind: String,
    /// The key itself, as it is sent.
    pub blob: Vec<u8>,
}

/// A line that was meant to be one and is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Counted from 1.
    pub line: usize,
    /// Why sshd passes over it.
    pub why: &'static str,
}

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// Its keys, in order.
    pub entries: Vec<Entry>,
    /// What is no key, and no comment.
    pub lost: Vec<Lost>,
}

impl Entry {
    /// As `ssh-keygen -l` prints it: `SHA256:…`.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.blob)
    }
    /// The length of an RSA key's modulus, in bits.
    #[must_use]
    pub fn rsa_bits(&self) -> Option<usize> {
        let modulus = fields(&self.blob)?.get(2).copied().filter(|_| self.kind == "ssh-rsa")?;
        let digits = modulus.iter().skip_while(|b| **b == 0).count();
        let first = modulus.iter().find(|b| **b != 0)?;
        Some(digits * 8 - first.leading_zeros() as usize)
    }
    /// The value of an option that has one: `from`, `expiry-time`.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<String> {
        split_options(&self.options).into_iter().find_map(|o| {
            let (key, value) = o.split_once('=')?;
            let value = value.strip_prefix('"')?.strip_suffix('"')?;
            key.eq_ignore_ascii_case(name).then(|| value.replace("\\\"", "\""))
        })
    }
    /// The first option that sshd does not know: it passes over the whole line then (`sshauthopt_parse`, auth-options.c).
    #[must_use]
    pub fn unknown_option(&self) -> Option<String> {
        let known = |o: &str| {
            let lower = o.to_ascii_lowercase();
            let (name, value) = lower.split_once('=').map_or((lower.as_str(), false), |(n, _)| (n, true));
            let flag = name.strip_prefix("no-").unwrap_or(name);
            if value { VALUED.contains(&name) } else { FLAGS.contains(&flag) || LONE.contains(&name) }
        };
        split_options(&self.options).into_iter().find(|o| !(self.options.is_empty() || known(o)))
    }
    /// Whether an option without a value is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        split_options(&self.options).iter().any(|o| o.eq_ignore_ascii_case(name))
    }
}

/// The fingerprint of a key as it is sent.
#[must_use]
pub fn fingerprint(blob: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
}

/// A public key as people have it: a line of a `.pub` file, or its fingerprint; none if it is neither.
#[must_use]
pub fn wanted(text: &str) -> Option<String> {
    let text = text.trim();
    if let Some(digest) = text.strip_prefix("SHA256:") {
        let digest = digest.trim_end_matches('=');
        let whole = STANDARD_NO_PAD.decode(digest).is_ok_and(|d| d.len() == 32);
        return whole.then(|| format!("SHA256:{digest}"));
    }
    read(text.as_bytes()).entries.first().map(Entry::fingerprint)
}

impl Keys {
    /// Keys that users have; not those that sign others.
    pub fn own(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|e| !e.has("cert-authority"))
    }
}

/// Reads a file as sshd does.
#[must_use]
pub fn read(bytes: &[u8]) -> Keys {
    let mut keys = Keys::default();
    if wide(bytes).is_some() {
        keys.lost.push(Lost { line: 1, why: "the file is UTF-16 (saved on Windows), which sshd cannot read" });
        return keys;
    }
    for (n, raw) in bytes.split(|b| *b == b'\n').enumerate() {
        let line = n + 1;
        let text = String::from_utf8_lossy(raw);
        let text = text.trim_matches([' ', '\t', '\r']);
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        match entry(line, text) {
            Some(e) => {
                if raw.strip_suffix(b"\r").unwrap_or(raw).contains(&b'\r') {
                    keys.lost.push(Lost { line, why: OLD_MAC });
                }
                keys.entries.push(e);
            }
            None => keys.lost.push(Lost { line, why: why_not(text) }),
        }
    }
    keys
}

/// What was meant: without a byte order mark, in UTF-8, with plain line ends, and a key that was broken over lines in one
/// piece. `None` if that gives no more keys than there are.
#[must_use]
pub fn mended(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = wide(bytes).unwrap_or_else(|| bytes.to_vec());
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let text = String::from_utf8_lossy(text).replace("\r\n", "\n").replace('\r', "\n");
    let mut out: Vec<String> = Vec::new();
    let mut lines = text.split('\n').peekable();
    while let Some(line) = lines.next() {
        let mut whole = line.to_owned();
        if !line.starts_with('#') && entry(0, line.trim()).is_none() {
            let mut ahead = lines.clone();
            let mut joined = line.trim_end().to_owned();
            for taken in 1..=20 {
                // A key of its own is nobody's second half.
                let piece = |l: &&str| !l.trim().is_empty() && entry(0, l.trim()).is_none();
                let Some(next) = ahead.next().filter(piece) else { break };
                // A terminal breaks a line between any two characters; a mailer may also have done it at a blank.
                let candidates = [format!("{joined}{}", next.trim()), format!("{joined} {}", next.trim())];
                joined = candidates[0].clone();
                if let Some(found) =
                    candidates.into_iter().find(|c| entry(0, c.trim()).is_some_and(|e| e.unknown_option().is_none()))
                {
                    whole = found;
                    lines.by_ref().take(taken).for_each(|_| ());
                    break;
                }
            }
        }
        out.push(whole);
    }
    let new = out.join("\n").into_bytes();
    (read(&new).entries.len() > read(bytes).entries.len()).then_some(new)
}

fn entry(line: usize, text: &str) -> Option<Entry> {
    let found = |options: &str, rest: &str| {
        let (kind, blob) = key(rest)?;
        Some(Entry { line, options: options.to_owned(), kind, blob })
    };
    found("", text).or_else(|| {
        let end = options_end(text);
        found(&text[..end], text[end..].trim_start())
    })
}

/// `TYPE BASE64 [COMMENT]`.
fn key(text: &str) -> Option<(String, Vec<u8>)> {
    let (kind, rest) = text.split_once([' ', '\t'])?;
    if !KINDS.contains(&kind) {
        return None;
    }
    let rest = rest.trim_start_matches([' ', '\t']);
    let blob = rest.split([' ', '\t']).next()?;
    let blob: String = blob.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let blob = STANDARD.decode(blob).ok()?;
    let whole = fields(&blob).filter(|f| f.len() >= 2 && f[0] == kind.as_bytes())?;
    // A point of the wrong length is no key of this kind.
    (kind != "ssh-ed25519" || whole[1].len() == 32).then_some((kind.to_owned(), blob.clone()))
}

/// RFC 4253, 6.6: each field is its length, 4 bytes, and its bytes.
fn fields(mut blob: &[u8]) -> Option<Vec<&[u8]>> {
    let mut out = Vec::new();
    while !blob.is_empty() {
        let (length, rest) = blob.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        out.push(rest.get(..length)?);
        blob = &rest[length..];
    }
    Some(out)
}

/// The kinds that a user may have, by the names that a line begins with.
const KINDS: &[&str] = &[
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-dss",
];

/// Options with a value.
const VALUED: &[&str] =
    &["command", "principals", "from", "expiry-time", "environment", "permitopen", "permitlisten", "tunnel"];
/// Options that may have `no-` in front.
const FLAGS: &[&str] =
    &["port-forwarding", "agent-forwarding", "x11-forwarding", "touch-required", "verify-required", "pty", "user-rc"];
/// Options that may not.
const LONE: &[&str] = &["restrict", "cert-authority"];

/// Where the options end: at the first blank that is not within quotes (`sshkey_advance_past_options`).
fn options_end(text: &str) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

fn split_options(text: &str) -> Vec<String> {
    let (mut out, mut quoted, mut escaped) = (vec![String::new()], false, false);
    for c in text.chars() {
        if c == ',' && !quoted {
            out.push(String::new());
            continue;
        }
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        if let Some(last) = out.last_mut() {
            last.push(c);
        }
    }
    out
}

const OLD_MAC: &str = "its lines end like those of an old Mac: sshd takes all of it for one line";

fn why_not(text: &str) -> &'static str {
    let kind = KINDS.iter().any(|k| text.contains(&format!("{k} ")));
    match text {
        t if t.contains('\r') => OLD_MAC,
        t if t.starts_with('\u{feff}') => "it begins with a byte order mark, which sshd takes for a part of the key",
        t if t.contains("PRIVATE KEY") => {
            "this is a private key: here belongs the public one (the file that ends with .pub)"
        }
        t if t.contains("BEGIN SSH2 PUBLIC KEY") || t.starts_with("PuTTY-User-Key-File") => {
            "this is another program's format: ssh-keygen -i turns it into a line"
        }
        _ if kind => "the key on it is cut off or damaged",
        _ => "it is no key",
    }
}

/// UTF-16 by its byte order mark, as UTF-8.
fn wide(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mark, rest) = bytes.split_first_chunk::<2>()?;
    let unit: fn([u8; 2]) -> u16 = match mark {
        [0xff, 0xfe] => u16::from_le_bytes,
        [0xfe, 0xff] => u16::from_be_bytes,
        _ => return None,
    };
    let units = rest.chunks_exact(2).map(|c| unit([c[0], c[1]]));
    Some(char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect::<String>().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILYT+uWPVc7HKhZsiVFEpRd6bzs+2bCzBP1tf3rz67hx";

    fn utf16(text: &str) -> Vec<u8> {
        [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
    }

    #[test]
    fn lines_that_sshd_takes() {
        let text = format!("# mine\n\n  {ED} me@there\r\nfrom=\"10.0.0.0/8,!10.1.2.3\",no-pty\t{ED}\n{ED}\r\n");
        let k = read(text.as_bytes());
        assert_eq!(k.entries.iter().map(|e| e.line).collect::<Vec<_>>(), [3, 4, 5]);
        assert!(k.lost.is_empty() && mended(text.as_bytes()).is_none());
        assert_eq!(k.entries[1].option("from").as_deref(), Some("10.0.0.0/8,!10.1.2.3"));
        assert!(k.entries[1].has("no-pty") && !k.entries[0].has("no-pty"));
        assert_eq!(k.entries.iter().find_map(Entry::unknown_option), None);
        let odd = read(format!("no-ptty {ED}\n").as_bytes());
        assert_eq!(odd.entries[0].unknown_option().as_deref(), Some("no-ptty"));
        // As ssh-keygen -l has it.
        assert_eq!(k.entries[0].fingerprint(), "SHA256:WSN1oEt1NPBGlCuhS6C0QbMK3nP1n8ZXMapufRWm1yQ");
        assert!(k.entries[0].rsa_bits().is_none());
        assert_eq!(wanted(&format!("{ED} x")), Some(k.entries[0].fingerprint()));
        let print = k.entries[0].fingerprint();
        assert_eq!(wanted(&format!("{print}=")), Some(print));
        assert_eq!((wanted("SHA256:abc="), wanted("a key")), (None, None));
    }

    #[test]
    fn lines_that_it_passes_over() {
        let why = |text: &str| read(text.as_bytes()).lost.first().map(|l| l.why);
        assert!(why(&format!("\u{feff}{ED}\n")).unwrap().contains("byte order mark"));
        assert!(why(&ED[..60]).unwrap().contains("cut off"));
        assert!(why("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n").unwrap().contains(".pub"));
        assert!(why("---- BEGIN SSH2 PUBLIC KEY ----\n").unwrap().contains("ssh-keygen -i"));
        assert!(why(&format!("{ED}\r{ED}\r")).unwrap().contains("old Mac"));
        assert!(why(&format!("{ED} a\r{ED}\r")).unwrap().contains("old Mac"));
        assert!(read(&utf16(ED)).lost[0].why.contains("UTF-16"));
    }

    #[test]
    fn what_was_meant() {
        let meant = |bytes: &[u8]| mended(bytes).map(|b| String::from_utf8(b).unwrap());
        assert_eq!(meant(format!("\u{feff}{ED}\r\n").as_bytes()), Some(format!("{ED}\n")));
        assert_eq!(meant(&utf16(&format!("{ED}\r\n"))), Some(format!("{ED}\n")));
        let (a, b) = ED.split_at(50);
        assert_eq!(meant(format!("# x\n{a}\n{b} me\n{ED}\n").as_bytes()), Some(format!("# x\n{ED} me\n{ED}\n")));
        assert_eq!(meant(format!("{}\n{}\n", &ED[..11], &ED[12..]).as_bytes()), Some(format!("{ED}\n")));
        assert_eq!(meant(format!("{ED}\r{ED} b\r").as_bytes()), Some(format!("{ED}\n{ED} b\n")));
        assert_eq!(meant(&ED.as_bytes()[..60]), None);
        assert_eq!(meant(format!("\u{feff}{ED}\n---\n{ED} b\n").as_bytes()), Some(format!("{ED}\n---\n{ED} b\n")));
    }
}
