//! What sshd should print, and how few lines should change, worked out once more and in another way.

use std::collections::{BTreeMap, BTreeSet};

use runbook::edit::sshd_config::{Directive, Tree};

use super::real::{Answer, MAIN, suite};
use super::{Edit, Verb};

/// Of these every line counts.
pub const ACCUMULATE: &[&str] =
    &["port", "listenaddress", "hostcertificate", "allowusers", "denyusers", "allowgroups", "acceptenv"];
const WORDS: &[&str] = &["allowusers", "denyusers", "allowgroups", "acceptenv"];
/// Of these every line has to say it, for versions differ in which one counts.
const EVERY_LINE: &[&str] = &[
    "maxstartups",
    "persourcemaxstartups",
    "persourcenetblocksize",
    "fingerprinthash",
    "streamlocalbindmask",
    "ipqos",
    "rekeylimit",
    "unusedconnectiontimeout",
];

/// The lines that sshd -T prints for this keyword, from what the tree says; none where the default holds.
pub fn printed(tree: &Tree, key: &str) -> Option<Vec<String>> {
    let lines = tree.values(key);
    if key == "listenaddress" {
        return Some(listens(tree));
    }
    // OpenSSH 10 no longer knows the old words of IPQoS, and says none for them.
    if key == "ipqos" && suite() != "bookworm" {
        return None;
    }
    (!lines.is_empty()).then(|| lines.iter().flat_map(|line| printed_line(key, line)).collect())
}

fn printed_line(key: &str, line: &Directive) -> Vec<String> {
    let words = &line.args;
    let first = words[0].as_str();
    let lower = first.to_ascii_lowercase();
    let seconds = |text: &str| match text {
        "2m" => "120".to_owned(),
        "1h" => "3600".to_owned(),
        "1m30" => "90".to_owned(),
        "5m" => "300".to_owned(),
        other => other.to_owned(),
    };
    match key {
        _ if WORDS.contains(&key) || key == "setenv" => words.clone(),
        "port" | "hostcertificate" | "banner" | "ciphers" | "chrootdirectory" | "versionaddendum" | "forcecommand" => {
            vec![first.to_owned()]
        }
        "logingracetime" | "clientaliveinterval" | "unusedconnectiontimeout" => vec![seconds(&lower)],
        "permitrootlogin" => vec![lower.replace("prohibit-password", "without-password")],
        "allowtcpforwarding" => vec![lower.replace("all", "yes")],
        "compression" => vec![lower.replace("delayed", "yes")],
        "syslogfacility" | "loglevel" | "fingerprinthash" => vec![first.to_ascii_uppercase()],
        "ipqos" => vec![if words.len() == 1 { format!("{first} {first}") } else { words.join(" ") }],
        "rekeylimit" => vec![format!("{} {}", if first == "16M" { "16777216" } else { "1024" }, seconds(&words[1]))],
        "permitlisten" => vec![if first == "8080" { "*:8080".to_owned() } else { words.join(" ") }],
        "subsystem" | "authorizedkeysfile" | "permitopen" | "authenticationmethods" => vec![words.join(" ")],
        _ => vec![lower],
    }
}

/// What sshd listens on, sorted.
fn listens(tree: &Tree) -> Vec<String> {
    let word = |key: &str| tree.values(key).iter().map(|line| line.args[0].clone()).collect::<Vec<_>>();
    let ports = if word("port").is_empty() { vec!["22".to_owned()] } else { word("port") };
    let mut places = word("listenaddress");
    if places.is_empty() {
        let family = word("addressfamily").first().cloned().unwrap_or_default();
        places.extend((family != "inet6").then(|| "0.0.0.0".to_owned()));
        places.extend((family != "inet").then(|| "::".to_owned()));
    }
    let mut all = Vec::new();
    for place in places {
        match place.as_str() {
            "0.0.0.0" | "127.0.0.1" => all.extend(ports.iter().map(|port| format!("{place}:{port}"))),
            "::" => all.extend(ports.iter().map(|port| format!("[::]:{port}"))),
            _ => all.push(place),
        }
    }
    all.sort();
    all
}

/// The fewest lines that have to change.
pub fn fewest(tree: &Tree, edit: &Edit, before: &Answer, after: &Answer) -> usize {
    let key = edit.sample.key;
    let all: Vec<&Directive> = tree.directives().iter().filter(|line| line.key == key && line.global()).collect();
    let again = edit.sample.in_match && all.iter().any(|line| line.scope.is_some());
    let lines: Vec<&Directive> = all.iter().copied().filter(|line| !again || line.scope.is_some()).collect();
    let text = |values: &[String]| values.join(" ").replace('"', "");
    let now = |line: &Directive| printed_line(key, line);
    // What the values asked for look like in sshd's output.
    let file = format!("{} {}\n", edit.sample.names[0], edit.values.join("\nx "));
    let wanted: Vec<Vec<String>> = edit
        .values
        .iter()
        .flat_map(|value| {
            let line = format!("{} {value}\n", edit.sample.names[0]).into_bytes();
            let tree = Tree::new(MAIN, BTreeMap::from([(MAIN.to_owned(), line)]));
            tree.directives().iter().map(|line| printed_line(key, line)).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(wanted.len(), edit.values.len(), "{file}{}", text(&edit.values));
    let missing = || {
        wanted
            .iter()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .filter(|want| !lines.iter().any(|line| now(line) == **want))
            .count()
    };
    let words: BTreeSet<&String> = wanted.iter().flatten().collect();
    let lacks = || words.iter().any(|word| !lines.iter().any(|line| line.args.contains(word)));
    match edit.verb {
        Verb::Unset => all.len(),
        Verb::Add if WORDS.contains(&key) => usize::from(lacks()),
        // What it comes to with addresses that have ports of their own is in the answers.
        Verb::Add if matches!(key, "port" | "listenaddress") => {
            let (old, new) = (before.values.clone(), after.values.clone());
            let grown = |key: &str| new.get(key).map_or(0, Vec::len) - old.get(key).map_or(0, Vec::len);
            if key == "port" && grown("port") > 0 {
                let own = tree
                    .values("listenaddress")
                    .iter()
                    .filter(|line| line.args[0].matches(':').count() == 1 || line.args[0].contains("]:"))
                    .count();
                return grown("port") + usize::from(lines.is_empty()) + if own > 0 { usize::MAX / 2 } else { 0 };
            }
            if lines.is_empty() { usize::MAX / 2 } else { grown("listenaddress").max(missing()) }
        }
        Verb::Add => missing(),
        Verb::Set if WORDS.contains(&key) => {
            let unwanted = lines.iter().filter(|line| line.args.iter().any(|word| !words.contains(word))).count();
            unwanted.max(usize::from(lacks()))
        }
        Verb::Set if ACCUMULATE.contains(&key) => {
            let kept = lines.iter().filter(|line| wanted.contains(&now(line))).count();
            missing().max(lines.len() - kept)
        }
        Verb::Set if EVERY_LINE.contains(&key) && !lines.is_empty() => {
            lines.iter().filter(|line| now(line) != wanted[0]).count()
        }
        Verb::Set if key == "subsystem" => {
            let name = |line: &[String]| line.concat().split(' ').next().unwrap_or_default().to_owned();
            let same = lines.iter().find(|line| name(&now(line)) == name(&wanted[0]));
            usize::from(same.is_none_or(|line| now(line) != wanted[0]))
        }
        Verb::Set => usize::from(lines.first().is_none_or(|line| now(line) != wanted[0])),
    }
}
