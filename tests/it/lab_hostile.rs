//! A target that lies. What hosts with real faults answered is mutilated, laced with shell and with terminal escapes, and goes
//! through the whole plan of the shipped runbooks: it ends, nothing that was said becomes shell (a real sh tells, in a jail),
//! and nothing that is printed is obeyed by a terminal.

use std::collections::HashSet;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use runbook::apply::act;
use runbook::book::{self, Runbook};
use runbook::channel::net::{Family, Knocked, Outcome};
use runbook::channel::{Login, Url};
use runbook::plan::{self, Change, Input, Place, Plan, Tags};
use runbook::report::{Event, Human, Redactor, Sink};
use runbook::target::frame::{Answer, Status};
use runbook::target::{Cache, Read, Reading, Target, ask, functions};
use serde_json::{Map, Value};

use crate::faults::{self, Fault, PRELUDE};
use crate::support::{Dice, Done, Host, full, lab_is_on, until};

/// What a lie may say. Each writes the file, in a shell that takes it for more than text.
const SHELL: &[&str] = &[
    "$(>/PWNED)",
    "`>/PWNED`",
    ";>/PWNED;",
    "';>/PWNED;'",
    "\";>/PWNED;\"",
    "'$(>/PWNED)'",
    "\n>/PWNED\n",
    "|>/PWNED|",
    "&>/PWNED&",
    ")>/PWNED;(",
    "}>/PWNED;{",
    "\\';>/PWNED;\\'",
    "$((x[$(>/PWNED)]))",
    "-o>/PWNED",
];
const BYTES: &[&[u8]] = &[
    b"\x1b]0;owned\x07",
    b"\x1b[2J",
    b"\x9b31m",
    b"\r",
    b"\0",
    b"\x08",
    b"\xff\xfe",
    "\u{202e}".as_bytes(),
    b"'",
    b"%s{{ 7 * 7 }}",
];
const NUMBERS: &[&str] = &["99999999999999999999999", "-1", "0", "65536", "4294967296", "1e309", "07777777777"];

/// Faults whose answers are of every kind: services, sshd, sockets, rules, files, disks, modes.
const SOME: &[&str] = &[
    "iptables_chain",
    "nft_set",
    "fstab_device",
    "socket_ignores_port",
    "disk_logs",
    "port_dropin",
    "masked_alias",
    "sudo_writable",
    "binary_not_executable",
];

/// Where the host is, and the client. (The lab's own controller: faults name it.)
const SERVER: &str = "192.0.2.7";
const CLIENT: [u8; 4] = [10, 77, 0, 1];

/// What a host answers to the plan of a runbook.
fn recorded(host: &Host, book: &Runbook, vars: &Map<String, Value>, knock: &Outcome) -> Cache {
    let open = |url: &str| Target::new(Url::parse(url).unwrap().open(&Login::default()).unwrap());
    let (target, here) = (open(&host.via()), open("local:"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut cache = Cache::new();
    loop {
        let (_, wanted) = planned(book, vars, &cache);
        if wanted.is_empty() {
            return cache;
        }
        let (far, other): (Vec<Read>, Vec<Read>) =
            wanted.into_iter().partition(|r| matches!(r, Read::Script { controller: false, .. }));
        cache.extend(runtime.block_on(ask(&target, &here, far)).unwrap());
        cache.extend(other.into_iter().map(|r| (r.clone(), elsewhere(&r, knock))));
    }
}

fn planned(book: &Runbook, vars: &Map<String, Value>, cache: &Cache) -> (Plan, Vec<Read>) {
    let place = Place {
        name: "web1".into(),
        address: Some(SERVER.into()),
        port: None,
        live: true,
        here: false,
        channel: "exec".into(),
        via: "exec:sh".into(),
        login: None,
        proxy: None,
    };
    let (done, declined, tags) = (HashSet::new(), HashSet::new(), Tags::default());
    plan::plan(&Input { book, vars, place: &place, cache, done: &done, declined: &declined, tags: &tags, salt: 1 })
}

/// What is not the target's to say: how it looks from outside.
fn elsewhere(read: &Read, knock: &Outcome) -> Reading {
    match read {
        Read::Knock(k) => Reading::Knocks(
            k.hosts
                .iter()
                .map(|to| Knocked {
                    to: to.clone(),
                    family: Some(Family::Ipv4),
                    from: Some(IpAddr::from(CLIENT)),
                    outcome: knock.clone(),
                })
                .collect(),
        ),
        Read::Resolve { .. } => Reading::Addresses(vec![IpAddr::from([192, 0, 2, 7])]),
        _ => Reading::Failed("not asked here".into()),
    }
}

fn output(status: i32, stdout: Vec<u8>) -> Reading {
    let status = Status::Exit(status);
    Reading::Output(Answer { status, stdout, stderr: Vec::new(), truncated: false, duration: Duration::ZERO })
}

/// A text with lies in it.
fn lie(dice: &mut Dice, text: &[u8], others: &[&[u8]], flows: &HashSet<Vec<u8>>) -> Vec<u8> {
    let mut out = text.to_vec();
    // One name, wherever it stands: what goes into a change is the likeliest to become shell.
    let names: Vec<Vec<u8>> =
        words(text).iter().map(|(a, b)| text[*a..*b].to_vec()).filter(|w| flows.contains(w)).collect();
    if !names.is_empty() && dice.in_hundred(60) {
        let (name, lie) = (names[dice.roll(names.len())].clone(), dice.of(SHELL));
        let lie = [if dice.in_hundred(70) { name.as_slice() } else { b"" }, lie.as_bytes()].concat();
        for (from, to) in words(text).into_iter().rev().filter(|(from, to)| text[*from..*to] == name) {
            out.splice(from..to, lie.iter().copied());
        }
        return out;
    }
    // Here and there a word, so that what stands around it still reads as it should.
    if dice.in_hundred(70) {
        let often = [1, 3, 10, 30][dice.roll(4)];
        for (from, to) in words(text).into_iter().rev() {
            if dice.in_hundred(often) {
                let from = if dice.in_hundred(50) { to } else { from };
                out.splice(from..to, dice.of(SHELL).bytes());
            }
        }
        return out;
    }
    for _ in 0..=dice.roll(4) {
        let words: Vec<(usize, usize)> = words(&out);
        let word = |dice: &mut Dice| if words.is_empty() { (0, 0) } else { words[dice.roll(words.len())] };
        let line = |dice: &mut Dice, out: &[u8]| {
            let at = dice.roll(out.len() + 1);
            let from = out[..at].iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
            (from, out[at..].iter().position(|b| *b == b'\n').map_or(out.len(), |n| at + n + 1))
        };
        match dice.roll(10) {
            0 | 1 => {
                let (from, to) = word(dice);
                out.splice(from..to, dice.of(SHELL).bytes());
            }
            2 | 3 => {
                let (_, to) = word(dice);
                out.splice(to..to, dice.of(SHELL).bytes());
            }
            4 => {
                let (_, to) = word(dice);
                let bytes = BYTES[dice.roll(BYTES.len())];
                out.splice(to..to, bytes.iter().copied());
            }
            5 => {
                let (from, to) = line(dice, &out);
                out.drain(from..to);
            }
            6 => {
                let (from, to) = line(dice, &out);
                let many = out[from..to].repeat(200);
                out.splice(to..to, many);
            }
            7 => out.truncate(dice.roll(out.len() + 1)),
            8 => {
                let (from, to) = word(dice);
                out.splice(from..to, dice.of(NUMBERS).bytes());
            }
            _ => others[dice.roll(others.len())].clone_into(&mut out),
        }
        out.truncate(1 << 20);
    }
    out
}

/// Where words are, as most formats have them.
fn words(text: &[u8]) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    let mut from = None;
    for (n, b) in text.iter().chain(b" ").enumerate() {
        match (b" \t\n\"'=:,;|[](){}/".contains(b), from) {
            (false, None) => from = Some(n),
            (true, Some(start)) => {
                out.push((start, n));
                from = None;
            }
            _ => {}
        }
    }
    out
}

/// The words that an honest host's answers bring into the changes.
fn flowing(book: &Runbook, vars: &Map<String, Value>, truth: &Cache) -> HashSet<Vec<u8>> {
    let (plan, _) = planned(book, vars, truth);
    let sh: Vec<String> = plan.changes.iter().enumerate().flat_map(|(n, p)| scripts(n, &p.change)).collect();
    let texts = sh.iter().map(String::as_bytes);
    texts.flat_map(|t| words(t).into_iter().map(|(from, to)| t[from..to].to_vec())).filter(|w| w.len() > 2).collect()
}

/// The plan of a target that lies, and all sh that came of it.
fn deceived(
    book: &Runbook,
    vars: &Map<String, Value>,
    truth: &Cache,
    flows: &HashSet<Vec<u8>>,
    dice: &mut Dice,
) -> (Plan, Vec<String>) {
    let mut said: Vec<&Read> = truth.keys().filter(|r| matches!(r, Read::Script { controller: false, .. })).collect();
    said.sort_by_key(|r| format!("{r:?}"));
    let texts: Vec<&[u8]> = said
        .iter()
        .filter_map(|r| if let Reading::Output(a) = &truth[*r] { Some(a.stdout.as_slice()) } else { None })
        .collect();
    let holds = |t: &[u8]| words(t).iter().filter(|(from, to)| flows.contains(&t[*from..*to])).count();
    let likely: Vec<usize> = (0..texts.len()).filter(|n| holds(texts[*n]) > 0).collect();
    let one = |dice: &mut Dice| match likely.len() {
        n if n > 0 && dice.in_hundred(60) => likely[dice.roll(n)],
        _ => dice.roll(said.len()),
    };
    let lies: HashSet<usize> = (0..=dice.roll(3)).map(|_| one(dice)).collect();
    let lying: Vec<&Read> = lies.into_iter().map(|n| said[n]).collect();
    let (mut cache, mut sh) = (Cache::new(), Vec::new());
    for _ in 0..100 {
        let (plan, wanted) = planned(book, vars, &cache);
        if wanted.is_empty() {
            sh.extend(plan.changes.iter().enumerate().flat_map(|(n, p)| scripts(n, &p.change)));
            return (plan, sh);
        }
        for read in wanted {
            if let Read::Script { sh: text, .. } = &read {
                sh.push(text.clone());
            }
            let reading = match (truth.get(&read), &read) {
                (Some(Reading::Output(a)), _) if lying.contains(&&read) => {
                    let status = if dice.in_hundred(20) { [0, 1, 2, 127, -1][dice.roll(5)] } else { code(a) };
                    output(status, lie(dice, &a.stdout, &texts, flows))
                }
                (Some(known), _) => known.clone(),
                // What nobody asked when the target told the truth.
                (None, Read::Script { controller: false, .. }) if dice.in_hundred(80) => {
                    let text = texts[dice.roll(texts.len())];
                    let text = if dice.in_hundred(50) { lie(dice, text, &texts, flows) } else { Vec::new() };
                    output([0, 0, 1][dice.roll(3)], text)
                }
                (None, _) => elsewhere(&read, &Outcome::Refused),
            };
            cache.insert(read, reading);
        }
    }
    panic!("it asks for ever");
}

fn code(a: &Answer) -> i32 {
    if let Status::Exit(n) = a.status { n } else { 1 }
}

/// The sh of a change, and of what takes it back.
fn scripts(n: usize, change: &Change) -> Vec<String> {
    let undo = if let Change::Command(c) = change { c.undo.clone() } else { None };
    let own = if let Change::Command(c) = change { Some(c.sh.clone()) } else { None };
    act::script(change, n, "").into_iter().chain(undo).chain(own).collect()
}

/// Nothing of a plan moves a terminal's cursor.
fn shown(book: &Runbook, plan: &Plan) {
    let mut out = Vec::new();
    let mut human = Human::new(&mut out, Redactor::default(), false, false, true, true);
    human.event(&Event::Planned { round: 1, plan, book, guard: None });
    drop(human);
    let text = String::from_utf8(out).unwrap();
    let bad =
        text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t') || ('\u{202a}'..='\u{202e}').contains(c));
    assert!(bad.is_none(), "{bad:?} in {text}");
}

/// Runs each text in a shell that sees nothing of this machine; those that have made something of a lie.
fn obeyed(texts: &[String]) -> Vec<String> {
    const OWN: &[&str] = &[
        "sh",
        "cat",
        "grep",
        "sed",
        "mkdir",
        "mv",
        "rm",
        "stat",
        "readlink",
        "head",
        "tail",
        "tr",
        "cut",
        "sort",
        "cp",
        "chmod",
        "chown",
        "env",
        "id",
        "sync",
        "sha256sum",
        "cksum",
        "awk",
        "xargs",
        "wc",
        "timeout",
        "ls",
        "mktemp",
        "base64",
        "gunzip",
        "gzip",
    ];
    const STUBS: &[&str] = &[
        "nft",
        "iptables",
        "ip6tables",
        "iptables-nft",
        "iptables-legacy",
        "ip6tables-nft",
        "ip6tables-legacy",
        "iptables-save",
        "ufw",
        "firewall-cmd",
        "systemctl",
        "service",
        "sshd",
        "ss",
        "netstat",
        "journalctl",
        "fail2ban-client",
        "ssh-keygen",
        "usermod",
        "passwd",
        "chage",
        "apt-get",
        "dpkg",
        "semanage",
        "restorecon",
        "mount",
        "umount",
        "findmnt",
        "blkid",
        "visudo",
        "runuser",
        "su",
        "kill",
        "sleep",
        "ipset",
        "ip",
        "getent",
        "chattr",
        "lsattr",
        "setfacl",
        "getfacl",
        "rc-service",
        "sv",
        "update-rc.d",
        "systemd-tmpfiles",
    ];
    let jail = tempfile::tempdir().unwrap();
    let at = |p: &str| jail.path().join(p);
    for d in ["bin", "s", "etc/ssh", "var/lib", "run", "tmp", "dev", "root"] {
        fs::create_dir_all(at(d)).unwrap();
    }
    fs::copy("/usr/bin/busybox", at("bin/busybox")).unwrap();
    OWN.iter().for_each(|n| std::os::unix::fs::symlink("busybox", at(&format!("bin/{n}"))).unwrap());
    for n in STUBS {
        fs::write(at(&format!("bin/{n}")), "#!/bin/sh\nexit $STUB\n").unwrap();
        fs::set_permissions(at(&format!("bin/{n}")), fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(at("dev/null"), "").unwrap();
    for (n, text) in texts.iter().enumerate() {
        let own = functions(std::iter::once(text.as_str()), false);
        // What is there is what was planned against, whatever that was: else nothing behind that check would run.
        let same = "rb_same() { P=/etc/x D=/etc N=./x rb_z=' '; cd /etc; }";
        fs::write(at(&format!("s/{n}")), format!("RUN=r S=/var/lib L=/run\n{own}{same}\n{text}\n")).unwrap();
    }
    let each = "cd /s; for STUB in 0 1; do export STUB; for n in [0-9]*; do timeout 5 sh ./$n </dev/null >/dev/null 2>&1; \
                if [ -e /PWNED ]; then echo $n; rm -f /PWNED; fi; done; done";
    let jailed = Command::new("unshare")
        .args(["-Urpfnm", "--kill-child", "chroot"])
        .arg(jail.path())
        .args(["/bin/sh", "-c", each])
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .output();
    let done = Done::from(jailed.unwrap());
    assert_eq!(done.code, 0, "the jail: {}", done.stderr);
    done.stdout.lines().map(|n| texts[n.parse::<usize>().unwrap()].clone()).collect()
}

/// The jail tells what is shell from what is text.
#[test]
fn the_jail_tells() {
    if !Path::new("/usr/bin/busybox").exists() || !lab_is_on() {
        return;
    }
    let texts = [
        "nft add '$(>/PWNED)'",
        "nft add $(>/PWNED)",
        "systemctl start x || ls ';>/PWNED'",
        "false; eval ls ';>/PWNED'",
    ];
    let found = obeyed(&texts.map(str::to_owned));
    assert!(found.iter().all(|t| *t == texts[1] || *t == texts[3]) && found.len() == 4, "{found:?}");
}

/// Lies about one fault; how many were told, and how much sh held one.
fn lied(fault: &Fault, times: u64) -> (u64, usize) {
    let Some(host) = Host::up_as(fault.kind.word(), &format!("lie-{}", fault.name)) else { return (0, 0) };
    host.try_sh(&format!("{PRELUDE}{}", fault.breaks));
    until(20, || host.try_sh(&format!("{PRELUDE}{}", fault.shows)).code == 0);
    let book = book::find(fault.book).unwrap();
    let given: Vec<_> = fault.args.iter().filter(|a| **a != "-e").flat_map(|a| book::parse_extra(a).unwrap()).collect();
    let vars = book.vars.resolve(&given).unwrap();
    let knock = match fault.symptom {
        s if s.contains("timed out") => Outcome::TimedOut,
        s if s.contains("losed") => Outcome::Closed,
        _ => Outcome::Refused,
    };
    let truth = recorded(&host, &book, &vars, &knock);
    let flows = flowing(&book, &vars, &truth);
    if flows.is_empty() {
        println!("{}: from here an honest host makes no plan", fault.name);
    }
    let (mut laced, mut seen) = (Vec::new(), HashSet::new());
    for seed in 0..times {
        let told = catch_unwind(AssertUnwindSafe(|| {
            let (plan, sh) = deceived(&book, &vars, &truth, &flows, &mut Dice(seed));
            shown(&book, &plan);
            sh
        }));
        let sh = told.unwrap_or_else(|e| {
            println!("{} of {}, seed {seed}", fault.name, fault.book);
            resume_unwind(e)
        });
        laced.extend(sh.into_iter().filter(|t| t.contains("PWNED") && seen.insert(t.clone())));
    }
    let obeyed = obeyed(&laced);
    assert!(obeyed.is_empty(), "{}: a target's words became shell:\n{}", fault.name, obeyed.join("\n---\n"));
    (times, laced.len())
}

#[test]
fn a_target_that_lies_gets_nothing_run() {
    if !lab_is_on() {
        return;
    }
    let begun = Instant::now();
    let (mut told, mut sh) = (0, 0);
    let repaired: Vec<&Fault> = faults::all().filter(|f| f.reboots.is_none() && f.exit == 0).collect();
    // Of all every third.
    let third = |n: &usize| full() && n.is_multiple_of(3);
    for (_, fault) in repaired.iter().enumerate().filter(|(n, f)| SOME.contains(&f.name) || third(n)) {
        let (n, laced) = lied(fault, if full() { 60 } else { 20 });
        (told, sh) = (told + n, sh + laced);
        println!("{}: {n} lies, {laced} scripts with one", fault.name);
    }
    println!("{told} lies, {sh} scripts with one, {} s, nothing obeyed", begun.elapsed().as_secs());
    assert!(sh > 0);
}
