//! The judge of packet filters, held against the kernel: rule sets from a seeded generator are loaded by the real tools
//! into a network namespace, real clients connect, and what they see must be what was judged.

mod generate;
mod net;

use std::collections::BTreeMap;
use std::net::IpAddr;

use runbook::edit::firewall::model::{Chain, Hook};
use runbook::edit::firewall::{Answer, End, Leg, Outcome, Question, Ruleset, ipset, iptables, join, judge, nft};

use crate::support::{full, lab_is_on};
use generate::{Case, case};
use net::{Net, Seen};

/// The clients' addresses, and the host's.
const FROM: &[&str] = &["10.99.0.1", "10.99.0.77", "fd99::1", "fd99::77"];
const TO: &[&str] = &["10.99.0.2", "fd99::2"];

/// What a client may see, if the answer is right; empty: the answer is that it is not known.
fn expected(rules: &Ruleset, answer: &Answer) -> Vec<Seen> {
    let mut seen = by_verdict(answer);
    // A refusal is a packet, too, and may be kept back on its way out.
    let leaves =
        |c: &Chain| c.base.as_ref().is_some_and(|b| b.hook == Hook::Output && (b.drops || !c.rules.is_empty()));
    if seen.iter().any(|s| matches!(s, Seen::Refused | Seen::Unreachable))
        && rules.tables.iter().flat_map(|t| &t.chains).any(leaves)
    {
        seen.push(Seen::TimedOut);
    }
    seen
}

fn by_verdict(answer: &Answer) -> Vec<Seen> {
    let of = |end: &End, leg: Leg| match (leg, end) {
        (Leg::First, End::Drop | End::Elsewhere(_)) | (Leg::Answer, _) => vec![Seen::TimedOut],
        (Leg::First, End::Reject(with)) if with == "tcp reset" || with.contains("port") => vec![Seen::Refused],
        (Leg::First, End::Reject(_)) => vec![Seen::Unreachable],
        // What comes back of it may be early enough to end the connection.
        (Leg::Next, End::Reject(_)) => vec![Seen::Silent, Seen::Refused, Seen::Unreachable],
        (Leg::Next, _) => vec![Seen::Silent],
        (_, End::Opaque(_)) => Vec::new(),
    };
    match answer.outcome {
        Outcome::Accepted => vec![Seen::Open],
        Outcome::Unknown => Vec::new(),
        Outcome::Denied => answer.ending.iter().flat_map(|e| of(&e.end, e.leg)).collect(),
    }
}

fn read(net: &Net) -> Ruleset {
    let native = nft::parse(&net.host("nft -j list ruleset"), &net.host("nft -as list ruleset")).unwrap();
    let mut tables = Vec::new();
    for program in ["iptables-nft", "ip6tables-nft", "iptables-legacy", "ip6tables-legacy"] {
        tables.extend(iptables::parse(&net.host(&format!("{program}-save")), program.starts_with("ip6"), program));
    }
    let sets = net.host("command -v ipset >/dev/null && ipset save || true");
    join(native, tables, Some(ipset::parse(&sets)))
}

/// The ways in which this may go: (judged, seen) and how often.
#[derive(Default)]
struct Tally {
    right: BTreeMap<Seen, usize>,
    unknown: usize,
    refused_rules: usize,
    wrong: Vec<String>,
}

fn ask(net: &Net, case: &Case, tally: &mut Tally) {
    if let Err(why) = net.load(case) {
        tally.refused_rules += 1;
        eprintln!("not loaded: {why}\n{}", case.text());
        return;
    }
    let rules = read(net);
    let questions: Vec<(Question, &str)> = FROM
        .iter()
        .zip([22, 2222, 22, 2222])
        .map(|(from, port)| {
            let from: IpAddr = from.parse().unwrap();
            let to = TO[usize::from(from.is_ipv6())];
            let own = TO.iter().map(|a| ("eth0".to_owned(), a.parse().unwrap())).collect();
            let q = Question {
                v6: from.is_ipv6(),
                from: Some((from, from)),
                to: Some(to.parse().unwrap()),
                port,
                device: Some("eth0".into()),
                own,
            };
            (q, to)
        })
        .collect();
    let seen = net.connect(&questions, false);
    for (asked, mut seen) in questions.iter().zip(seen) {
        let q = &asked.0;
        let answer = judge(&rules, q);
        let may = expected(&rules, &answer);
        // The kernel forgets an answer that comes too early for the socket: then the next one counts.
        if seen == Seen::TimedOut && !may.is_empty() && !may.contains(&seen) {
            seen = net.connect(std::slice::from_ref(asked), true)[0];
        }
        if may.is_empty() {
            tally.unknown += 1;
        } else if may.contains(&seen) {
            *tally.right.entry(seen).or_default() += 1;
        } else {
            tally.wrong.push(format!(
                "{}\n{} from {:?} to port {}: the kernel says {seen:?}, and it was judged {may:?}: {answer:?}",
                case.text(),
                case.name,
                q.from.map(|f| f.0),
                q.port
            ));
        }
    }
}

#[test]
fn the_kernel_agrees() {
    if !lab_is_on() {
        return;
    }
    let net = Net::up();
    let mut tally = Tally::default();
    let first = std::env::var("RUNBOOK_SEED").ok().and_then(|s| s.parse().ok());
    let (from, cases) = match (first, full()) {
        (Some(seed), _) => (seed, 1),
        (None, true) => (0, 400),
        (None, false) => (0, 60),
    };
    for seed in from..from + cases {
        ask(&net, &case(seed), &mut tally);
    }
    eprintln!("right {:?}, not known {}, not loaded {}", tally.right, tally.unknown, tally.refused_rules);
    if let Some(path) = std::env::var_os("RUNBOOK_SHOW") {
        std::fs::write(path, tally.wrong.join("\n\n")).unwrap();
    }
    let some: Vec<&String> = tally.wrong.iter().take(4).collect();
    assert!(
        tally.wrong.is_empty(),
        "{} wrong:\n{}",
        tally.wrong.len(),
        some.iter().map(|s| s.as_str()).collect::<Vec<_>>().join("\n\n")
    );
    if cases == 1 {
        return;
    }
    // Proof of something: all kinds were met, and few were not to be loaded or known.
    for kind in [Seen::Open, Seen::Refused, Seen::TimedOut, Seen::Unreachable] {
        assert!(tally.right.get(&kind).is_some_and(|n| *n >= 3), "{kind:?}: {:?}", tally.right);
    }
    let cases = usize::try_from(cases).unwrap();
    assert!(tally.unknown * 20 <= cases * 4, "{} not known", tally.unknown);
    assert!(tally.refused_rules * 5 <= cases, "{} could not be loaded", tally.refused_rules);
}
