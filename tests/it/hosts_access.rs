//! Whom hosts.allow and hosts.deny let in, held against `tcpdmatch`, the oracle that comes with Debian's TCP wrappers:
//! against what it said once (`fixtures/hosts_access.jsonl`), and against itself where it is installed (RUNBOOK_LAB).

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};

use runbook::edit::hosts_access::{ALLOW, Answer, Client, DENY, Files, Host, Name, Tables, Truth, Why};
use serde::{Deserialize, Serialize};

use crate::support::Dice;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures/hosts_access.jsonl");

/// The names that the oracle finds.
const HOSTS: &str = "127.0.0.1 localhost\n10.9.0.5 web.lab.example\n10.9.0.6 box\n2001:db8::5 six.lab.example\n\
                     10.77.0.20 server.lab.example\n10.8.1.1 WEB.Other.Example\n";

/// What patterns name by its path.
const LISTS: &[(&str, &str)] = &[
    ("/srv/clients", "10.9.0.5\n  10.77.0.0/24 .lab.example\n# 10.8.1.1\n"),
    ("/srv/nested", "192.0.2.1\n/srv/clients\n"),
    ("/srv/commas", "10.9.0.5, 10.9.0.6,\n"),
    ("/srv/empty", ""),
    ("/srv/six", "[2001:db8::]/64 [fe80::1]"),
];

/// A question, and what the oracle says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Case {
    /// None: there is no such file.
    allow: Option<String>,
    deny: Option<String>,
    /// `sshd` or `sshd@SERVER`
    daemon: String,
    /// An address, a name of `HOSTS`, or `paranoid`, with `user@` before it or not.
    client: String,
    /// granted, denied or delegated (twist).
    access: String,
    /// `hosts.deny 3`: the rule that matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    matched: Option<String>,
}

const DAEMONS: &[&str] = &[
    "sshd",
    "sshd",
    "sshd",
    "ALL",
    "ALL",
    "SSHD",
    "in.telnetd",
    "vsftpd",
    "ss*",
    "s?hd",
    "*",
    "sshd@10.77.0.20",
    "sshd@ALL",
    "ALL@10.77.0.",
    "sshd@.lab.example",
    "KNOWN",
    ".hd",
    "sshd@[2001:db8::1]",
    "22",
    "070000",
    "sshd@/srv/clients",
];
const CLIENTS: &[&str] = &[
    "ALL",
    "ALL",
    "all",
    "LOCAL",
    "KNOWN",
    "UNKNOWN",
    "PARANOID",
    "10.9.0.5",
    "10.9.",
    "10.",
    "10.9.0.",
    "10.9.0.0/24",
    "10.9.0.5/24",
    "10.9.0.0/255.255.255.0",
    "10.8.0.0/255.254.0.0",
    "0.0.0.0/0",
    "0.0.0.0/0.0.0.0",
    "10.9.0.5/32",
    "10.9.0.5/255.255.255.255",
    "10.0.0.0/8",
    "012.9.0.5/32",
    "0x0a.9.0.0/16",
    "10.9.0.0/16x",
    "10.9/16",
    ".lab.example",
    "web.lab.example",
    "WEB.LAB.EXAMPLE",
    "web.",
    "*.lab.example",
    "w?b.*",
    "10.9.0.*",
    "10.9.*.5",
    "*",
    "**",
    "1?.9.0.5",
    "[2001:db8::5]",
    "[2001:DB8:0::5]",
    "[2001:db8::]/32",
    "[2001:db8::]/0",
    "[2001:db8::]/x",
    "[2001:db8::]/129",
    "[fe80::1]",
    "[::1]",
    "[::ffff:10.9.0.5]",
    "2001:db8::5",
    "[2001:db8::5",
    "/srv/clients",
    "/srv/nested",
    "/srv/commas",
    "/srv/empty",
    "/srv/six",
    "/srv/none",
    "user@10.9.0.5",
    "ALL@ALL",
    "KNOWN@10.9.",
    "UNKNOWN@ALL",
    "root@.lab.example",
    "127.",
    ".5",
    ".0.5",
    "10.9.0.5.",
    "255.255.255.255/32",
    "localhost",
    "unknown",
    "@",
    "10.9.0.5/",
    "[2001:db8::5]/128",
    "[2001:db8::4]/127",
    "10.9.0.4/30",
    "10.9.0.4/31",
    "box",
    "[*]",
    "2001*",
    "ALL@/srv/clients",
];
const OPTIONS: &[&str] = &[
    "allow",
    "deny",
    "ALLOW",
    "Deny",
    "severity notice",
    "severity auth.info",
    "severity authpriv.info",
    "severity error",
    "spawn /bin/true",
    "spawn = /bin/true %h",
    "spawn",
    "twist /bin/false",
    "banners /srv",
    "umask 022",
    "umask 8",
    "nice",
    "nice 5",
    "nice x",
    "keepalive",
    "keepalive 1",
    "linger 5",
    "linger -1",
    "rfc931",
    "rfc931 0",
    "setenv A b",
    "aclexec /bin/true",
    "(/bin/true) &",
    "",
    " ",
    "spawn echo a\\: b",
    "allow x",
    "deny=",
    "deny =",
    "allow:",
    "deny\\:",
];
const ASKED: &[&str] = &[
    "10.9.0.5",
    "10.9.0.5",
    "10.9.0.6",
    "10.9.0.7",
    "10.8.1.1",
    "10.77.0.9",
    "192.0.2.1",
    "127.0.0.1",
    "2001:db8::5",
    "::1",
    "fe80::1",
    "2001:db9::1",
    "web.lab.example",
    "box",
    "six.lab.example",
    "web.other.example",
    "root@10.9.0.5",
    "root@web.lab.example",
    "255.255.255.254",
    "2001:db8::4",
];

fn list(dice: &mut Dice, pool: &[&str]) -> String {
    let mut out = dice.of(pool).to_owned();
    while dice.in_hundred(45) {
        out += dice.of(&[" ", ", ", ",", " ", "\t", " ,, ", " EXCEPT ", " EXCEPT ", " except ", " \\\n  "]);
        out += dice.of(pool);
    }
    if dice.in_hundred(3) {
        out += " EXCEPT";
    }
    out
}

fn table(dice: &mut Dice) -> Option<String> {
    if dice.in_hundred(8) {
        return None;
    }
    let mut out = String::new();
    for _ in 0..dice.roll(5) {
        let line = match dice.roll(40) {
            0 => "# a comment".to_owned(),
            1 => " # no comment: it is not at the start".to_owned(),
            2 => "# goes on \\\nsshd: ALL".to_owned(),
            3 => "sshd ALL".to_owned(),
            4 => "  \t".to_owned(),
            5 => "[sshd: ALL".to_owned(),
            6 => ": ALL".to_owned(),
            7 => "sshd:".to_owned(),
            8 if dice.in_hundred(30) => format!("in.telnetd: {}", " ".repeat(2020 + dice.roll(40))),
            9 if dice.in_hundred(30) => format!("sshd: {}10.9.0.5", "10.1.2.3 \\\n".repeat(200 + dice.roll(40))),
            _ => {
                let mut line =
                    format!("{}{}{}", list(dice, DAEMONS), dice.of(&[":", ": ", " : "]), list(dice, CLIENTS));
                while dice.in_hundred(25) {
                    line += dice.of(&[":", " : "]);
                    line += dice.of(OPTIONS);
                }
                line
            }
        };
        out += &line;
        out += if dice.in_hundred(6) { "\r\n" } else { "\n" };
    }
    match dice.roll(20) {
        0 => drop(out.pop()),
        1 => out += "  ",
        2 => out += "# ends in a backslash \\\n",
        _ => {}
    }
    Some(out)
}

/// What people write, and what is easily got wrong: allow, deny, client.
const BY_HAND: &[(&str, &str, &str)] = &[
    ("", "", "10.9.0.5"),
    ("", "ALL: ALL\n", "10.9.0.5"),
    ("", "ALL: ALL", "10.9.0.5"),
    ("", "vsftpd: ALL", "10.9.0.5"),
    ("", "# vsftpd: ALL", "10.9.0.5"),
    ("", "\n ", "10.9.0.5"),
    ("", "vsftpd: ALL \\\n", "10.9.0.5"),
    ("", "\\\n", "10.9.0.5"),
    ("ALL: ALL", "ALL: ALL\n", "10.9.0.5"),
    ("sshd: 10.9.0.5\nALL: 10.8.0.0/16", "ALL: ALL\n", "10.9.0.5"),
    ("sshd: 10.9.0.5\n", "ALL: ALL\n", "10.9.0.5"),
    ("sshd: 10.9.0.5\n", "ALL: ALL\n", "10.9.0.6"),
    ("sshd: 10.9.0.5 : deny\nsshd: ALL\n", "", "10.9.0.5"),
    ("sshd: 10.9.0.5 : DENY\nsshd: ALL\n", "", "10.9.0.6"),
    ("sshd: .friend.example: ALLOW\nALL: ALL: DENY\n", "", "10.9.0.5"),
    ("sshd: ALL: allow\n", "ALL: ALL\n", "10.9.0.5"),
    ("sshd: ALL:\n", "", "10.9.0.5"),
    ("sshd: ALL: alow\n", "", "10.9.0.5"),
    ("sshd: ALL: allow: severity info\n", "", "10.9.0.5"),
    ("sshd: ALL: (/usr/sbin/safe_finger -l @%h | mail root) &\n", "", "10.9.0.5"),
    ("sshd: ALL: spawn (echo \"x\\: y\") &: allow\n", "ALL: ALL\n", "10.9.0.5"),
    ("sshd: ALL: twist /bin/echo no\n", "", "10.9.0.5"),
    ("sshd: 10.9.: twist /bin/echo no\nsshd: ALL\n", "ALL: ALL\n", "10.9.0.5"),
    ("sshd: 10.9.: twist /bin/echo no\nsshd: ALL\n", "ALL: ALL\n", "10.8.1.1"),
    ("", "sshd: ALL: twist = /bin/echo no\n", "10.9.0.5"),
    ("vsftpd: ALL\n", "ALL: [2001:db8::]/32: twist /bin/echo no\n", "2001:db8::5"),
    ("sshd: ALL: severity auth.info: twist /bin/echo %a\n", "", "10.9.0.5"),
    ("", "sshd: ALL: allow\n", "10.9.0.5"),
    ("", "sshd: ALL EXCEPT 10.9.\n", "10.9.0.5"),
    ("", "sshd: ALL EXCEPT 10.9.\n", "10.8.1.1"),
    ("", "sshd: ALL EXCEPT 10. EXCEPT 10.9.\n", "10.9.0.5"),
    ("", "sshd: ALL EXCEPT 10. EXCEPT 10.9. EXCEPT 10.9.0.5\n", "10.9.0.5"),
    ("", "ALL EXCEPT sshd: ALL\n", "10.9.0.5"),
    ("", "ALL EXCEPT vsftpd: ALL\n", "10.9.0.5"),
    ("", "sshd: EXCEPT 10.9.\n", "10.9.0.5"),
    ("", "sshd: 10.9.0.0/16\n", "10.9.0.5"),
    ("", "sshd: 10.9.0.5/16\n", "10.9.0.5"),
    ("", "sshd: 0.0.0.0/0\n", "10.9.0.5"),
    ("", "sshd: 10.9.0.5/255.255.255.255\n", "10.9.0.5"),
    ("", "sshd: 010.9.0.5\n", "10.9.0.5"),
    ("", "sshd: [2001:db8::]/32\n", "2001:db8::5"),
    ("", "sshd: 2001:db8::5\n", "2001:db8::5"),
    ("", "sshd: [::]/0\n", "10.9.0.5"),
    ("", "sshd: [::]/0\n", "2001:db8::5"),
    ("", "sshd: [2001:0db8:0:0::5]\n", "2001:db8::5"),
    ("", "sshd: PARANOID\n", "10.9.0.5"),
    ("", "ALL: PARANOID\n", "web.lab.example"),
    ("", "ALL: PARANOID\n", "paranoid"),
    ("", "ALL: KNOWN\n", "paranoid"),
    ("", "ALL: UNKNOWN\n", "10.9.0.5"),
    ("", "ALL: UNKNOWN\n", "web.lab.example"),
    ("", "sshd: .lab.example\n", "web.lab.example"),
    ("", "sshd: lab.example\n", "web.lab.example"),
    ("", "sshd: LOCAL\n", "box"),
    ("", "sshd: LOCAL\n", "web.lab.example"),
    ("", "sshd: /srv/clients\n", "10.9.0.5"),
    ("", "sshd: /srv/nested\n", "10.77.0.9"),
    ("", "sshd: /srv/none\n", "10.9.0.5"),
    ("", "sshd: ALL EXCEPT /srv/clients\n", "10.9.0.5"),
    ("", "sshd ALL\n", "10.9.0.5"),
    ("", "  sshd : ALL\n", "10.9.0.5"),
    ("", "# note \\\nALL: ALL\n", "10.9.0.5"),
    ("", "sshd: \\\n ALL\n", "10.9.0.5"),
    ("", "ALL: ALL\r\n", "10.9.0.5"),
    ("sshd: 10.9.0.5: deny\r\n", "", "10.9.0.5"),
    ("", "sshd: ALL # all\n", "10.9.0.5"),
    ("", "sshd: # all\n", "10.9.0.5"),
    ("", "vsftpd: ALL\nsshd: ALL : \n", "10.9.0.5"),
];

/// The questions, without the answers.
fn questions() -> Vec<Case> {
    let case = |allow, deny, daemon: &str, client: &str| Case {
        allow,
        deny,
        daemon: daemon.to_owned(),
        client: client.to_owned(),
        access: String::new(),
        matched: None,
    };
    let text = |t: &str| Some(t.to_owned());
    let mut out: Vec<Case> = BY_HAND.iter().map(|(a, d, c)| case(text(a), text(d), "sshd", c)).collect();
    let mut dice = Dice(47);
    while out.len() < 700 {
        let (allow, deny) = (table(&mut dice), table(&mut dice));
        // Which of the two decides shows only if the first does not always.
        let allow = if dice.in_hundred(40) { None } else { allow };
        let daemon = dice.of(&["sshd", "sshd", "sshd", "sshd@10.77.0.20"]);
        out.push(case(allow, deny, daemon, dice.of(ASKED)));
    }
    out
}

/// What we say.
fn ours(case: &Case) -> Answer {
    let mut files: Files = LISTS.iter().map(|(p, t)| ((*p).to_owned(), Some(t.as_bytes().to_vec()))).collect();
    files.insert("/srv/none".into(), None);
    for (path, text) in [(ALLOW, &case.allow), (DENY, &case.deny)] {
        files.insert(path.into(), text.as_ref().map(|t| t.as_bytes().to_vec()));
    }
    let names: BTreeMap<&str, &str> = HOSTS.lines().filter_map(|l| l.split_once(' ')).map(|(a, n)| (n, a)).collect();
    let host = |text: &str| {
        let lower = |n: &&str| n.eq_ignore_ascii_case(text);
        let (address, name) = match text {
            "paranoid" => (None, Name::Forged),
            _ => match names.keys().find(|n| lower(n)) {
                Some(name) => (names[name].parse().ok(), Name::Is((*name).to_owned())),
                None => (text.parse().ok(), Name::None),
            },
        };
        Host { address, name }
    };
    let (user, at) = case.client.split_once('@').map_or(("unknown", case.client.as_str()), |(u, h)| (u, h));
    let client = Client { host: host(at), user: Some(user.to_owned()) };
    let (daemon, server) = match case.daemon.split_once('@') {
        Some((d, _)) => (d, host("server.lab.example")),
        None => (case.daemon.as_str(), Host::default()),
    };
    Tables::new(&files).ask(daemon, &client, &server, None)
}

/// What the oracle's words come to: let in, and by which line.
fn theirs(case: &Case) -> (bool, Option<(String, usize)>) {
    let place = case.matched.as_ref().map(|m| {
        let (file, line) = m.rsplit_once(' ').unwrap();
        (format!("/etc/{file}"), line.parse().unwrap())
    });
    (case.access == "granted", place)
}

/// Each question answered as the oracle does; where we say that we do not know, its answer is one of ours. Returns how
/// many were known.
fn held(cases: &[Case]) -> usize {
    let (mut wrong, mut known) = (Vec::new(), 0);
    for case in cases {
        let answer = ours(case);
        let (granted, place) = theirs(case);
        let agrees = answer.ways.iter().any(|w| {
            // It names no line where it stops reading.
            let stopped = matches!(w.why, Why::Unended | Why::TooLong);
            let at = w.place.as_ref().filter(|_| !stopped).map(|p| (p.file.to_owned(), p.last));
            w.granted == granted && at == place && (w.why == Why::Twist) == (case.access == "delegated")
        });
        known += usize::from(answer.granted() != Truth::Maybe);
        if !agrees || (answer.granted() != Truth::Maybe && answer.granted() != Truth::from(granted)) {
            wrong.push(format!("{case:#?}\nours: {answer:#?}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} are not what tcpdmatch says:\n{}",
        wrong.len(),
        cases.len(),
        wrong[..wrong.len().min(3)].join("\n")
    );
    known
}

#[test]
fn the_verdict_is_that_of_the_oracle() {
    let text = fs::read_to_string(FIXTURE).unwrap();
    let cases: Vec<Case> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let bare = |c: &Case| Case { access: String::new(), matched: None, ..c.clone() };
    assert!(
        cases.iter().map(bare).eq(questions()),
        "the questions changed: RUNBOOK_LAB=1 RUNBOOK_WRITE_DOCS=1 records anew"
    );
    let known = held(&cases);
    assert!(known * 10 > cases.len() * 8, "only {known} of {} are known", cases.len());
    for word in ["granted", "denied", "delegated"] {
        assert!(cases.iter().filter(|c| c.access == word).count() > 5, "too few cases are {word}");
    }
}

#[test]
fn the_oracle_still_says_so() {
    let there = Path::new("/usr/sbin/tcpdmatch").exists();
    if !there || !crate::support::lab_is_on() {
        eprintln!("skipped: install tcpd and set RUNBOOK_LAB=1");
        return;
    }
    let cases = oracle(questions());
    if std::env::var_os("RUNBOOK_WRITE_DOCS").is_some() {
        let lines: String = cases.iter().map(|c| serde_json::to_string(c).unwrap() + "\n").collect();
        fs::write(FIXTURE, lines).unwrap();
    }
    held(&cases);
}

/// Asks tcpdmatch, in a namespace where names and files are ours and its log comes to us.
fn oracle(mut cases: Vec<Case>) -> Vec<Case> {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let log = UnixDatagram::bind(path("log")).unwrap();
    log.set_nonblocking(true).unwrap();
    fs::write(path("hosts"), HOSTS).unwrap();
    fs::write(path("resolv"), "").unwrap();
    fs::create_dir_all(path("srv")).unwrap();
    for (list, text) in LISTS {
        fs::write(path(list.trim_start_matches('/')), text).unwrap();
    }
    let script = "set -e; d=$1; mount --bind $d/srv /srv; mount --bind $d/hosts /etc/hosts; mount --bind $d/resolv /etc/resolv.conf
        mkdir $d/dev; mount -t tmpfs none $d/dev; touch $d/dev/null $d/dev/log; mount --bind /dev/null $d/dev/null
        mount --bind $d/log $d/dev/log; mount --rbind $d/dev /dev
        while read -r dir daemon client; do cd $dir; tcpdmatch -d $daemon $client 2>&1 || :; echo '== end'; done";
    let mut child = Command::new("unshare")
        .args(["-m", "sh", "-c", script, "sh"])
        .arg(dir.path())
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut asks, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let mut answers = answers.lines();
    for (n, case) in cases.iter_mut().enumerate() {
        let here = path(&n.to_string());
        fs::create_dir(&here).unwrap();
        for (name, text) in [("hosts.allow", &case.allow), ("hosts.deny", &case.deny)] {
            text.iter().for_each(|t| fs::write(here.join(name), t).unwrap());
        }
        writeln!(asks, "{} {} {}", here.display(), case.daemon, case.client).unwrap();
        let said: Vec<String> = answers.by_ref().map(Result::unwrap).take_while(|l| l != "== end").collect();
        let access = said.iter().filter_map(|l| l.strip_prefix("access:")).next_back();
        case.access = access.unwrap_or_else(|| panic!("{case:#?}: {said:?}")).trim().to_owned();
        let mut buffer = [0; 4096];
        while let Ok(got) = log.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..got]).into_owned();
            if let Some((_, place)) = text.split_once("matched:  ") {
                case.matched = Some(place.trim_end().replace(" line ", " "));
            }
        }
    }
    drop(asks);
    child.wait().unwrap();
    cases
}
