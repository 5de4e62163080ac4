//! Two faults at once, of those of the lab: repaired in one apply, and a second one has nothing to do. The pairs are drawn by
//! a seed; 15 in every test run, 100 with `RUNBOOK_FULL`.

use crate::faults::{self, Fault, PRELUDE, REPAIRED};
use crate::support::{Dice, Host, full, until};

/// One takes the key elsewhere that the other spoils, and a line names it alone: such a key is not made anew without a word,
/// for clients know it by the name that somebody gave it.
const APART: (&[&str], &[&str]) =
    (&["key_in_run", "key_blank"], &["no_keys", "keys_corrupt", "keys_empty", "keys_with_passphrase"]);

/// The unit starts sshd with another file, and still tries the usual one before (Debian's `ExecStartPre=sshd -t`): that one is
/// named with its line, and left alone, as sshd itself never reads it.
fn tried_only(a: &Fault, b: &Fault) -> bool {
    a.name == "unit_file" && b.says == faults::BAD_LINE.says
}

/// Debian's iptables-persistent takes the place of ufw (netfilter-persistent conflicts with it): to plant one takes the other
/// away.
fn one_place(a: &Fault, b: &Fault) -> bool {
    a.name.starts_with("ufw_") && b.breaks.contains("iptables-persistent")
}

fn values(f: &Fault) -> Vec<&'static str> {
    f.args.iter().copied().filter(|a| *a != "-e").collect()
}

/// They are of one host, the client comes the same way, and no variable has two values.
fn fit(a: &Fault, b: &Fault) -> bool {
    let name = |v: &&str| v.split('=').next().unwrap_or_default().to_owned();
    let apart = |x: &Fault, y: &Fault| APART.0.contains(&x.name) && APART.1.contains(&y.name);
    let agree = values(a).iter().all(|v| values(b).iter().all(|w| name(v) != name(w) || v == w));
    let other =
        apart(a, b) || apart(b, a) || tried_only(a, b) || tried_only(b, a) || one_place(a, b) || one_place(b, a);
    a.name != b.name && a.kind == b.kind && a.client == b.client && agree && !other
}

/// As many as are asked for; `RUNBOOK_PAIR=one,other` is that one alone.
fn drawn(count: usize) -> Vec<(&'static Fault, &'static Fault)> {
    if let Ok(asked) = std::env::var("RUNBOOK_PAIR") {
        let named = |name: &str| faults::all().find(|f| f.name == name).unwrap_or_else(|| panic!("no fault {name}"));
        return asked.split_once(',').map(|(a, b)| (named(a), named(b))).into_iter().collect();
    }
    let all: Vec<&Fault> =
        faults::all().filter(|f| f.book == REPAIRED.book && f.exit == 0 && f.reboots.is_none()).collect();
    let mut draw = Dice(2026);
    let mut out: Vec<(&Fault, &Fault)> = Vec::new();
    while out.len() < count {
        let (a, b) = (all[draw.roll(all.len())], all[draw.roll(all.len())]);
        let known =
            |(x, y): &(&Fault, &Fault)| [x.name, y.name] == [a.name, b.name] || [x.name, y.name] == [b.name, a.name];
        if fit(a, b) && !out.iter().any(known) {
            out.push((a, b));
        }
    }
    out
}

fn repaired(a: &Fault, b: &Fault) -> Result<(), String> {
    let Some(host) = Host::up_as(a.kind.word(), &format!("pair-{}", &a.name[..a.name.len().min(12)])) else {
        return Ok(());
    };
    host.try_sh(&format!("{PRELUDE}{}", a.breaks));
    // With files of its own, where both would write one.
    host.try_sh(&format!("{PRELUDE}{}", b.breaks).replace("lab.conf", "lab2.conf"));
    if !until(20, || host.lets_in(a.client).is_err()) {
        return Err("the client gets in with both".to_owned());
    }
    let more = values(b).into_iter().filter(|v| !values(a).contains(v));
    let args: Vec<&str> = values(a).into_iter().chain(more).flat_map(|v| ["-e", v]).collect();
    let run = host.apply(&args);
    if run.exit != 0 {
        return Err(format!("apply ended with {}: {}", run.exit, run.seen()));
    }
    let stranger = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"];
    let client = [a.client, if a.new_keys || b.new_keys { &stranger[..] } else { &[] }].concat();
    host.lets_in(&client).map_err(|e| format!("the client does not get in: {e}\n{}", run.seen()))?;
    let again = host.apply(&args);
    if (again.exit, again.all_changes()) != (0, 0) {
        return Err(format!("a second apply has something to do: {}", again.seen()));
    }
    Ok(())
}

/// Every `of`-th pair, from the `first`.
fn pairs(first: usize, of: usize) {
    let count = if full() { 100 } else { 15 };
    let mut wrong = Vec::new();
    for (a, b) in drawn(count).into_iter().skip(first).step_by(of) {
        match repaired(a, b) {
            Ok(()) => eprintln!("{} and {}: repaired", a.name, b.name),
            Err(why) => wrong.push(format!("{} and {}: {why}", a.name, b.name)),
        }
    }
    assert!(wrong.is_empty(), "{} of {count} pairs:\n{}", wrong.len(), wrong.join("\n"));
}

macro_rules! parts {
    ($($name:ident $first:literal)*) => {
        $(#[test]
        fn $name() {
            if crate::support::lab_is_on() {
                pairs($first, 5);
            }
        })*
    };
}

parts! { pairs_1 0 pairs_2 1 pairs_3 2 pairs_4 3 pairs_5 4 }
