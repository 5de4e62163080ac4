//! Bad lines that the real sshd refuses, repaired by what it says until it takes the tree.

use runbook::edit::sshd_config::{Fault, Left, Policy, Tree, faults};

use super::real::{Answer, Files, MAIN, ask};
use crate::support::lab_is_on;

/// A bad main file, with drop-ins behind `== NAME` lines.
struct Bad {
    before: &'static str,
    after: &'static str,
    /// Part of what is said, or of why it was left.
    said: &'static str,
    policy: Policy,
    /// Whether our own table finds it too, in the same words.
    known: bool,
}

const fn bad(before: &'static str, after: &'static str, said: &'static str) -> Bad {
    Bad { before, after, said, policy: Policy::Ask, known: true }
}

const fn ordered(policy: Policy, before: &'static str, after: &'static str, said: &'static str) -> Bad {
    Bad { before, after, said, policy, known: true }
}

/// Only the real sshd knows.
const fn sshd_alone(before: &'static str, after: &'static str, said: &'static str) -> Bad {
    Bad { before, after, said, policy: Policy::Ask, known: false }
}

use Policy::{Comment, Correct};

#[rustfmt::skip]
const BAD: &[Bad] = &[
    // Keywords.
    bad("Prot 2222\n", "Port 2222\n", "line 1 of /etc/ssh/sshd_config: \"Prot\" is a misspelling of Port: corrected"),
    bad("  listenadress = '127.0.0.1' # x\r\n", "  ListenAddress = '127.0.0.1' # x\r\n", "misspelling of ListenAddress"),
    bad("Port: 2222\n", "Port 2222\n", "\"Port:\" is a misspelling of Port"),
    bad("Frobnicate yes\n", "#Frobnicate yes\n", "sshd does not know `Frobnicate`: commented out"),
    bad("Prot of the ship\n", "#Prot of the ship\n", "commented out"),
    bad("UseDSN True\n", "UseDNS yes\n", "misspelling of UseDNS"),
    bad("Prot 23\nFoo 1\nUsePMA no\nPort x\n", "Port 23\n#Foo 1\nUsePAM no\n#Port x\n", "go on holding: Port 23"),
    bad("\u{feff}Port 2222\n", "Port 2222\n", "byte order mark"),
    bad("\u{feff}# a comment\n", "# a comment\n", "byte order mark"),
    bad("\u{c}\nUseDNS no\n", "#\u{c}\nUseDNS no\n", "has no value"),
    bad("Inclued x.d/*.conf\n== x.d/a.conf\nUseDNS maybe\n", "Include x.d/*.conf\n== x.d/a.conf\n#UseDNS maybe\n", "default then holds: UseDNS no"),
    // Values.
    bad("UseDNS True\n", "UseDNS yes\n", "UseDNS is written yes in sshd_config, not True"),
    bad("X11Forwarding false # y\n", "X11Forwarding no # y\n", "written no"),
    bad("GatewayPorts clientspecifed\n", "GatewayPorts clientspecified\n", "misspelling of clientspecified"),
    bad("LogLevel VERBSE\n", "LogLevel VERBOSE\n", "\"VERBSE\" is a misspelling of VERBOSE"),
    bad("PermitTunnel YES\n", "PermitTunnel yes\n", "misspelling of yes"),
    bad("LoginGraceTime soon\n", "#LoginGraceTime soon\n", "the default then holds: LoginGraceTime 120"),
    bad("LoginGraceTime soon\nLoginGraceTime 60\n", "#LoginGraceTime soon\nLoginGraceTime 60\n", "what then decides is LoginGraceTime 60 (line 2 of"),
    bad("Port 99999\n", "#Port 99999\n", "Badly formatted port number: commented out; the default then holds: Port 22"),
    bad("Port\nMaxAuthTries\n", "#Port\n#MaxAuthTries\n", "`MaxAuthTries` has no value"),
    bad("Port \"\"\n", "#Port \"\"\n", "missing port number"),
    bad("UseDNS yes no\n", "#UseDNS yes no\n", "extra arguments"),
    bad("MaxStartups 5:0:3\n", "#MaxStartups 5:0:3\n", "Invalid MaxStartups spec"),
    bad("StreamLocalBindMask 9\n", "#StreamLocalBindMask 9\n", "Invalid StreamLocalBindMask"),
    bad("ListenAddress 127.0.0.1:0\nListenAddress 127.0.0.1\n", "#ListenAddress 127.0.0.1:0\nListenAddress 127.0.0.1\n", "go on holding"),
    bad("AcceptEnv A=1\nMaxSessions many\nSyslogFacility MAIL\n", "#AcceptEnv A=1\n#MaxSessions many\n#SyslogFacility MAIL\n", "unsupported log facility"),
    bad("SetEnv A\nFingerprintHash md6\nSubsystem sftp\n", "#SetEnv A\nFingerprintHash md5\n#Subsystem sftp\n", "Missing subsystem command"),
    ordered(Policy::Comment, "MaxAuthTries -1\nPermitListen x:y\nRekeyLimit 1\nPubkeyAuthOptions x\n", "#MaxAuthTries -1\n#PermitListen x:y\n#RekeyLimit 1\n#PubkeyAuthOptions x\n", "the default then holds: PubkeyAuthOptions none"),
    ordered(Policy::Comment, "ListenAddress [::1\nPort 22 23\nPermitOpen foo\n", "#ListenAddress [::1\n#Port 22 23\n#PermitOpen foo\n", "bad address:port usage"),
    bad("Include\n", "#Include\n", "has no value"),
    sshd_alone("Ciphers rot13\n", "#Ciphers rot13\n", "Bad SSH2 cipher spec 'rot13'"),
    sshd_alone("Subsystem a /x\nSubsystem a /y\n", "Subsystem a /x\n#Subsystem a /y\n", "already defined"),
    // Quotes.
    bad("Banner \"/etc/our issue\n", "Banner \"/etc/our issue\"\n", "the quote was not closed: corrected"),
    bad("VersionAddendum of 'ours\r\n", "VersionAddendum of 'ours'\r\n", "quote was not closed"),
    bad("Port \"x\nPort 22 \"\n", "#Port \"x\n#Port 22 \"\n", "a quote is not closed: commented out"),
    // Match.
    bad("Match User bob\n  X11Forwarding no\n  Port 2222\n", "Port 2222\nMatch User bob\n  X11Forwarding no\n", "may not stand inside a Match: moved to line 1"),
    bad("UseDNS yes\n# bob\nMatch User bob\nUseDNS no\n", "UseDNS yes\nUseDNS no\n# bob\nMatch User bob\n", "the first one decides: UseDNS yes"),
    ordered(Policy::Correct, "Match User bob\nUsePAM yes\nInclude x\nMatch all\nUsePAM no\n== x\nUseDNS yes\n", "UsePAM yes\nUseDNS yes\nMatch User bob\nInclude x\nMatch all\nUsePAM no\n== x\n#UseDNS yes\n", "of 2 lines the first one decides: UsePAM yes"),
    bad("Match User bob\n  Frobnicate 1\n  MaxAuthTries x\n", "Match User bob\n#  Frobnicate 1\n#  MaxAuthTries x\n", "for `Match User bob`, the default then holds: MaxAuthTries 6"),
    bad("MaxAuthTries 3\nMatch User bob\n  MaxAuthTries x\n", "MaxAuthTries 3\nMatch User bob\n#  MaxAuthTries x\n", "for `Match User bob`, what then decides is MaxAuthTries 3 (line 1"),
    ordered(Comment, "Match Usr bob\n  ForceCommand /x\n\n # y\n  Banner no\nMatch User ann\n  X11Forwarding no\n", "#Match Usr bob\n#  ForceCommand /x\n\n # y\n#  Banner no\nMatch User ann\n  X11Forwarding no\n", "with its block, to line 5"),
    ordered(Comment, "Macth User bob\n  ForceCommand /x\n", "#Macth User bob\n#  ForceCommand /x\n", "with its block"),
    ordered(Correct, "Match Usr bob\n  ForceCommand /x\n", "Match User bob\n  ForceCommand /x\n", "\"Usr\" is a misspelling of User"),
    ordered(Correct, "Macth User bob\n  ForceCommand /x\n", "Match User bob\n  ForceCommand /x\n", "misspelling of Match"),
    // Who gets in.
    ordered(Correct, "PermitRootLogin True\nAlowUsers bob\n", "PermitRootLogin yes\nAllowUsers bob\n", "misspelling of AllowUsers"),
    ordered(Comment, "PermitRootLogin True\nAlowUsers bob\n", "#PermitRootLogin True\n#AlowUsers bob\n", "the default then holds: PermitRootLogin prohibit-password"),
    ordered(Comment, "PasswordAuthentication\n", "#PasswordAuthentication\n", "has no value"),
];

/// What stays as it is, because a person must decide: text, and the correction that is suggested.
const LEFT: &[(&str, Policy, Option<&str>)] = &[
    ("PermitRootLogin True\n", Policy::Ask, Some("PermitRootLogin yes")),
    ("AlowUsers bob\n", Policy::Ask, Some("AllowUsers bob")),
    ("Match Usr bob\n  ForceCommand /x\n", Policy::Ask, Some("Match User bob")),
    ("Macth User bob\n  ForceCommand /x\n", Policy::Ask, Some("Match User bob")),
    ("PasswordAuthentication perhaps\n", Policy::Correct, None),
    ("Match User bob all\nBanner /x\n", Policy::Correct, None),
    ("Match Address 10.0.0.0/99\n", Policy::Ask, None),
    ("Include /etc/ssh/sshd_config\n", Policy::Comment, None),
    ("ForceCommand\n", Policy::Ask, None),
    ("AllowTcpForwarding locla\n", Policy::Ask, Some("AllowTcpForwarding local")),
    ("RevokedKeys\n", Policy::Ask, None),
];

fn files(text: &str) -> Files {
    let mut files = Files::new();
    for (number, part) in text.split("== ").enumerate() {
        let (name, text) = if number == 0 { ("sshd_config", part) } else { part.split_once('\n').unwrap() };
        files.insert(format!("/etc/ssh/{name}"), text.as_bytes().to_vec());
    }
    files
}

fn shown(files: &Files) -> String {
    let text = |name: &str| String::from_utf8_lossy(&files[name]).into_owned();
    let others = files.keys().filter(|name| *name != MAIN);
    text(MAIN) + &others.map(|name| format!("== {}\n{}", &name[9..], text(name))).collect::<String>()
}

struct Course {
    files: Files,
    said: Vec<String>,
    left: Vec<Left>,
    rounds: usize,
    accepted: bool,
}

impl Course {
    /// One answer of sshd, and the repair.
    fn step(&mut self, answer: &Answer, policy: Policy, known: bool) {
        self.accepted = answer.accepted;
        if self.accepted || !self.left.is_empty() {
            return;
        }
        let found = faults(&answer.stderr);
        assert!(!found.is_empty(), "{}", answer.stderr);
        let tree = Tree::new(MAIN, self.files.clone());
        if known {
            let placed =
                |faults: &[Fault]| faults.iter().filter(|fault| !fault.file.is_empty()).cloned().collect::<Vec<_>>();
            assert_eq!(placed(&tree.check()), placed(&found), "{}", shown(&self.files));
        }
        let fixed = tree.fix(&found, policy).unwrap();
        self.rounds += 1;
        self.files.extend(fixed.edits.files);
        self.said.extend(fixed.said);
        self.left.extend(fixed.left);
        let again = Tree::new(MAIN, self.files.clone()).fix(&found, policy).unwrap();
        assert!(again.edits.is_empty(), "the same faults a second time: {again:?}");
    }
}

fn run(cases: &[(&str, Policy, bool)]) -> Vec<Course> {
    let mut courses: Vec<Course> = cases
        .iter()
        .map(|(text, ..)| Course { files: files(text), said: vec![], left: vec![], rounds: 0, accepted: false })
        .collect();
    for _ in 0..8 {
        let questions: Vec<(Files, Option<&str>)> = courses.iter().map(|course| (course.files.clone(), None)).collect();
        for ((course, answer), (_, policy, known)) in courses.iter_mut().zip(ask(&questions)).zip(cases) {
            course.step(&answer, *policy, *known);
        }
    }
    courses
}

#[test]
fn what_sshd_refuses_is_repaired_line_by_line() {
    if !lab_is_on() {
        return;
    }
    let cases: Vec<(&str, Policy, bool)> = BAD.iter().map(|bad| (bad.before, bad.policy, bad.known)).collect();
    let mut wrong = Vec::new();
    for (bad, course) in BAD.iter().zip(run(&cases)) {
        let said = course.said.join("\n");
        let right =
            course.accepted && course.rounds > 0 && shown(&course.files) == bad.after && said.contains(bad.said);
        if !right {
            wrong.push(format!(
                "{:?}\nbecame {:?}\nsaid {said}\nleft {:?}",
                bad.before,
                shown(&course.files),
                course.left
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), BAD.len(), wrong.join("\n\n"));
}

#[test]
fn what_a_person_must_decide_is_left() {
    if !lab_is_on() {
        return;
    }
    let cases: Vec<(&str, Policy, bool)> = LEFT.iter().map(|(text, policy, _)| (*text, *policy, false)).collect();
    for ((text, _, suggestion), course) in LEFT.iter().zip(run(&cases)) {
        assert_eq!(shown(&course.files), *text);
        assert!(!course.accepted && course.left.len() == 1, "{text:?}: {:?}", course.left);
        assert_eq!(course.left[0].suggestion.as_deref(), *suggestion, "{text:?}");
    }
}

#[test]
fn where_no_sshd_can_run_our_own_table_repairs_the_same() {
    for bad in BAD.iter().filter(|bad| bad.known) {
        let mut files = files(bad.before);
        for _ in 0..8 {
            let tree = Tree::new(MAIN, files.clone());
            files.extend(tree.fix(&tree.check(), bad.policy).unwrap().edits.files);
        }
        assert_eq!(shown(&files), bad.after);
        assert_eq!(Tree::new(MAIN, files).check(), [], "{:?}", bad.before);
    }
}
