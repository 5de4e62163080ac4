//! Which runbook answers a pasted error. What a runbook's `answers` say counts first; where none does, or more than one, the
//! words that it has in common with the text, each the more the fewer runbooks have it.

use std::collections::{BTreeMap, BTreeSet};

use regex::{Regex, RegexBuilder};

use super::Runbook;

/// A regular expression of `answers`, in the syntax of the `regex` crate, compiled when the runbook is read. Case does not
/// matter.
#[derive(Debug, Clone)]
pub struct ErrorPattern(Regex);

impl ErrorPattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// The last line of what the `regex` crate says of it, which names the problem.
    pub fn parse(source: &str) -> Result<Self, String> {
        RegexBuilder::new(source).case_insensitive(true).build().map(Self).map_err(|e| {
            let text = e.to_string();
            text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned()
        })
    }

    /// The pattern as it stands in the runbook.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// A runbook that may be the right one.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Its place among those that were asked about.
    pub book: usize,
    /// The part of the text that one of its `answers` matches.
    pub matched: Option<String>,
    /// How much its words say; only to compare.
    pub words: f64,
}

/// The runbooks that may answer, the best first; each with its whole text, of which the words are taken.
#[must_use]
pub fn rank(books: &[(&Runbook, &str)], pasted: &str) -> Vec<Hit> {
    let lines = lines(pasted);
    let asked: BTreeSet<String> = lines.iter().flat_map(|l| words(l)).collect();
    let known: Vec<BTreeSet<String>> = books.iter().map(|(_, text)| words(text).collect()).collect();
    let mut in_books: BTreeMap<&str, usize> = BTreeMap::new();
    known.iter().flatten().for_each(|w| *in_books.entry(w).or_default() += 1);
    let weight = |w: &String| in_books.get(w.as_str()).map_or(0.0, |n| ((1 + books.len()) as f64 / *n as f64).ln());
    let mut hits: Vec<Hit> = books
        .iter()
        .zip(&known)
        .enumerate()
        .map(|(n, ((book, _), known))| {
            let title: BTreeSet<String> = words(&book.title).collect();
            let common = asked.intersection(known).map(|w| weight(w) * if title.contains(w) { 3.0 } else { 1.0 });
            Hit { book: n, matched: matched(book, &lines), words: common.sum() }
        })
        .filter(|h| h.matched.is_some() || h.words > 3.0)
        .collect();
    let said = |h: &Hit| h.matched.as_ref().map_or(0, String::len);
    hits.sort_by(|a, b| said(b).cmp(&said(a)).then(b.words.total_cmp(&a.words)));
    hits
}

/// The longest part that one of its patterns matches, in any line or in a text that somebody's terminal has wrapped.
fn matched(book: &Runbook, lines: &[String]) -> Option<String> {
    let found = book.answers.iter().flat_map(|p| lines.iter().filter_map(|l| p.0.find(l)));
    found.map(|m| m.as_str().to_owned()).max_by_key(String::len)
}

/// The text's lines without what terminals, mails and chats add, and each two that belong together as one.
fn lines(pasted: &str) -> Vec<String> {
    let plain: String = without_escapes(pasted)
        .chars()
        .map(|c| match c {
            '‘' | '’' => '\'',
            '“' | '”' => '"',
            '\u{a0}' => ' ',
            c => c,
        })
        .collect();
    let quoted =
        |l: &str| l.trim_start_matches(|c: char| c.is_whitespace() || "><|│*#".contains(c)).trim_end().to_owned();
    let single: Vec<String> = plain.lines().map(quoted).filter(|l| !l.is_empty()).take(2000).collect();
    let pairs: Vec<String> = single.windows(2).flat_map(|w| [format!("{} {}", w[0], w[1]), w.concat()]).collect();
    single.into_iter().chain(pairs).map(|l| l.chars().take(2000).collect()).collect()
}

/// Without the sequences that colour and move (ECMA-48, 5.4 and 8.3.89).
fn without_escapes(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('\u{1b}', Some('[')) => {
                rest.next();
                while rest.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
            }
            ('\u{1b}', Some(']')) => while rest.next().is_some_and(|c| c != '\u{7}' && c != '\u{1b}') {},
            ('\r', _) => out.push('\n'),
            (c, _) if c.is_control() && c != '\n' && c != '\t' => {}
            (c, _) => out.push(c),
        }
    }
    out
}

/// Its words of three letters and more, in lower case. Numbers and addresses are another host's.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let word = |c: char| !(c.is_alphanumeric() || c == '_' || c == '-');
    text.split(word)
        .map(|w| w.trim_matches('-').to_lowercase())
        .filter(|w| w.chars().count() > 2 && w.chars().any(char::is_alphabetic) && !COMMON.contains(&w.as_str()))
}

/// Words that say nothing of a trouble.
const COMMON: &[&str] = &[
    "the", "and", "for", "not", "with", "that", "this", "from", "are", "was", "has", "have", "can", "but", "you",
    "your", "all", "any", "its", "who", "what", "when", "where", "which", "will", "does", "did", "get", "got", "one",
    "two", "new", "see", "use", "now", "help", "please", "host", "error", "failed", "nov", "dec", "jan", "feb", "mar",
    "apr", "may", "jun", "jul", "aug", "sep", "oct", "mon", "tue", "wed", "thu", "fri", "sat", "sun",
];

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::book::SHIPPED;

    /// The name that is ranked first.
    fn first(pasted: &str) -> Option<&'static str> {
        static BOOKS: LazyLock<Vec<Runbook>> =
            LazyLock::new(|| SHIPPED.iter().map(|s| crate::book::find(s.name).unwrap()).collect());
        let asked: Vec<(&Runbook, &str)> = BOOKS.iter().zip(SHIPPED.iter()).map(|(b, s)| (b, s.text)).collect();
        rank(&asked, pasted).first().map(|h| SHIPPED[h.book].name)
    }

    /// What people paste around it.
    fn noise(error: &str) -> [String; 4] {
        [
            error.to_owned(),
            format!("joe@laptop:~$ ssh -v web1\n\u{1b}[31m{error}\u{1b}[0m\r\njoe@laptop:~$ "),
            format!("> hi all, since the upgrade tonight I get this, any idea?\n>\n> {error}\n> thanks!"),
            format!(
                "Nov 26 03:12:44 web1 systemd[1]: run-u12.mount: Deactivated successfully.\nNov 26 03:12:45 web1 sshd[812]: {error}\nNov 26 03:12:46 web1 CRON[99]: pam_unix(cron:session): session closed for user root"
            ),
        ]
    }

    /// The triage of the fault space, and sshd's own messages (OpenSSH's log.c, servconf.c, sshd.c, authfile.c; systemd's).
    const ERRORS: &[(&str, &str)] = &[
        ("ssh: connect to host web1 port 22: Connection refused", "ssh-refused"),
        ("ssh: connect to host 2001:db8::7 port 2222: Connection refused", "ssh-refused"),
        ("ssh: connect to host web1 port 22: Connection timed out", "ssh-timeout"),
        ("ssh: connect to host web1 port 22: Operation timed out", "ssh-timeout"),
        ("ssh: connect to host web1 port 22: No route to host", "ssh-timeout"),
        ("kex_exchange_identification: Connection closed by remote host", "ssh-closed"),
        ("kex_exchange_identification: read: Connection reset by peer", "ssh-closed"),
        ("ssh_exchange_identification: Connection closed by remote host", "ssh-closed"),
        ("Connection timed out during banner exchange", "ssh-timeout"),
        ("ssh: Could not resolve hostname web1: Name or service not known", "ssh-timeout"),
        ("admin@web1: Permission denied (publickey,password).", "ssh-permission-denied"),
        (
            "\"System is booting up. Unprivileged users are not permitted to log in yet. Please come back later. For technical details, see pam_nologin(8).\"",
            "ssh-permission-denied",
        ),
        ("/etc/ssh/sshd_config: line 14: Bad configuration option: PermitRootLogn", "ssh-refused"),
        ("/etc/ssh/sshd_config line 31: Directive 'UsePAM' is not allowed within a Match block", "ssh-refused"),
        ("sshd: no hostkeys available -- exiting.", "ssh-refused"),
        ("Missing privilege separation directory: /run/sshd", "ssh-refused"),
        ("/run/sshd must be owned by root and not group or world-writable.", "ssh-refused"),
        ("Privilege separation user sshd does not exist", "ssh-refused"),
        ("error: Bind to port 22 on 0.0.0.0 failed: Address already in use.", "ssh-refused"),
        ("error: Bind to port 22 on 192.0.2.7 failed: Cannot assign requested address.", "ssh-refused"),
        ("fatal: Cannot bind any address.", "ssh-refused"),
        ("Permissions 0644 for '/etc/ssh/ssh_host_ed25519_key' are too open.", "ssh-refused"),
        ("Unable to load host key \"/etc/ssh/ssh_host_rsa_key\": error in libcrypto", "ssh-refused"),
        ("OpenSSL version mismatch. Built against 30000070, you have 30200020", "ssh-refused"),
        ("ssh.service: Start request repeated too quickly.", "ssh-refused"),
        ("Failed to start ssh.service: Unit ssh.service is masked.", "ssh-refused"),
        ("drop connection #10 from [192.0.2.9]:51413 on [192.0.2.7]:22 past MaxStartups", "ssh-closed"),
        ("User bob from 192.0.2.9 not allowed because not listed in AllowUsers", "ssh-permission-denied"),
        ("Authentication refused: bad ownership or modes for directory /home/bob", "ssh-permission-denied"),
        ("You are in emergency mode. After logging in, type \"journalctl -xb\" to view system logs", "fstab-broken"),
        ("cp: error writing '/var/lib/x': No space left on device", "disk-full"),
        ("sudo: /usr/bin/sudo must be owned by uid 0 and have the setuid bit set", "sudo-broken"),
    ];

    #[test]
    fn an_error_finds_its_runbook_whatever_stands_around_it() {
        let wrong: Vec<String> = ERRORS
            .iter()
            .flat_map(|(error, name)| noise(error).map(|text| (text, *name)))
            .filter(|(text, name)| first(text) != Some(name))
            .map(|(text, name)| format!("{name}, not {:?}: {text}", first(&text)))
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn what_no_runbook_is_about_finds_none() {
        assert_eq!(first("segmentation fault in libfoo.so.1"), None);
        assert_eq!(first(""), None);
    }

    /// A terminal has cut it in two.
    #[test]
    fn a_wrapped_line_is_one() {
        assert_eq!(
            first("ssh: connect to host a-very-long-name.example.com port 22: Connec\ntion refused"),
            Some("ssh-refused")
        );
        assert_eq!(
            first("ssh: connect to host a-very-long-name.example.com port 22:\n  Connection refused"),
            Some("ssh-refused")
        );
    }
}
