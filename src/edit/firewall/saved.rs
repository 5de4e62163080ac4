//! The files that a host restores its rules from at boot. One line is added, where it belongs; what the kernel holds
//! besides (another program's rules, bans) is never written there.

use super::iptables;
use super::judge::judge;
use super::model::{Ipset, Rule, Ruleset};
use super::repair::{MOST, Stuck, repair};
use super::walk::Question;
use crate::edit::lines::Draft;

/// An `iptables-save` text with the lines that let these connections in, judged with the sets that are in force.
///
/// # Errors
/// [`Stuck`]: no line of ours would help.
pub fn iptables_file(bytes: &[u8], questions: &[Question], ipsets: Option<&[Ipset]>) -> Result<Vec<u8>, Stuck> {
    let v6 = questions.iter().any(|q| q.v6);
    let mut bytes = bytes.to_vec();
    // One at a time: each moves the lines below it. Where a person's file puts later lines in front (-I), none may help.
    for _ in 0..=MOST {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let rules = Ruleset { tables: iptables::parse(&text, v6, "iptables"), ipsets: ipsets.map(<[Ipset]>::to_vec) };
        let found = repair(&rules, questions)?;
        let Some(new) = found.first() else { return Ok(bytes) };
        let table = &rules.tables[new.table];
        let chain = &table.chains[new.chain];
        let line = format!("-A {} {}", chain.name, new.rule.text(table));
        // In a file that a person wrote, lines are not in the order of the rules (-I).
        let at = match chain.rules.get(new.at) {
            Some(r) => r.line,
            None => end_of(&text, &table.name, chain.rules.iter().map(|r| r.line).max()),
        };
        let mut draft = Draft::new(&bytes);
        draft.insert(at, line.into_bytes());
        bytes = draft.finish().bytes;
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let rules = Ruleset { tables: iptables::parse(&text, v6, "iptables"), ipsets: ipsets.map(<[Ipset]>::to_vec) };
    Err(Stuck::Still(Box::new(judge(&rules, &questions[0]))))
}

/// Where a chain's rules end: after the last one, else before the table's COMMIT.
fn end_of(text: &str, table: &str, last: Option<usize>) -> usize {
    if let Some(last) = last {
        return last + 1;
    }
    let mut ours = false;
    for (n, line) in text.lines().enumerate() {
        if let Some(name) = line.trim().strip_prefix('*') {
            ours = name.trim() == table;
        }
        if ours && line.trim() == "COMMIT" {
            return n;
        }
    }
    text.lines().count()
}

/// A statement of an nft script.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Statement {
    /// Its first byte, and the one behind its last.
    start: usize,
    end: usize,
    /// In one form: single blanks, no quotes.
    text: String,
    /// It stands in a chain's block; else it is a line of its own, `add rule …`.
    block: bool,
}

/// What is looked for in an nft script.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// `inet`
    pub family: &'a str,
    pub table: &'a str,
    pub chain: &'a str,
    /// The chain's rules in the kernel, as nft prints them.
    pub rules: &'a [Rule],
    /// The index there of the one that ours has to stand before; as many as there are: at the end.
    pub at: usize,
}

/// An nft script with a rule more; none where it does not hold the chain, or where the rule's place there is not known: in
/// front of everything it would let in whom another line keeps out.
#[must_use]
pub fn nft_file(bytes: &[u8], wanted: &Wanted<'_>, rule: &str) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let all = statements(text, wanted);
    let ours = format!("{rule} comment \"runbook\"");
    let rules: Vec<&Statement> = all.iter().filter(|s| !header(&s.text)).collect();
    let running: Vec<String> = wanted.rules.iter().map(|r| normal(&r.text)).collect();
    let before = match running.get(wanted.at) {
        None => Some(rules.len()),
        Some(text) => {
            let counted = (rules.len() == running.len()).then_some(wanted.at);
            rules.iter().position(|s| s.text == *text).or(counted)
        }
    };
    // What is in the file alone has not been judged: it may keep the client out as well, or others, whom ours would let in.
    let ends = |s: &Statement| s.text.split(' ').any(|w| ENDS.contains(&w));
    let own = [normal(&ours), normal(rule)];
    let strange = rules.iter().position(|s| ends(s) && !running.contains(&s.text));
    let judged = before.into_iter().chain(strange).min().unwrap_or(0);
    // Behind what keeps the client out it is of no use.
    if rules.iter().take(judged + 1).any(|s| own.contains(&s.text)) {
        return Some(bytes.to_vec());
    }
    let before = before.filter(|n| strange.is_none_or(|s| *n <= s))?;
    let before = rules.get(before).copied();
    let full = |s: &Statement| {
        if s.block {
            ours.clone()
        } else {
            format!("add rule {} {} {} {ours}", wanted.family, wanted.table, wanted.chain)
        }
    };
    let (at, piece) = match (before, all.last()) {
        (Some(s), _) => {
            let line = text[..s.start].rfind('\n').map_or(0, |n| n + 1);
            let indent = &text[line..s.start];
            if indent.trim().is_empty() {
                (line, format!("{indent}{}{}", full(s), ending(text)))
            } else {
                (s.start, format!("{}; ", full(s)))
            }
        }
        (None, Some(s)) => {
            let line = text[..s.start].rfind('\n').map_or(0, |n| n + 1);
            let indent: String = text[line..s.start].chars().take_while(|c| c.is_whitespace()).collect();
            (s.end, format!("{}{indent}{}", ending(text), full(s)))
        }
        (None, None) => return None,
    };
    let mut out = text.to_owned();
    out.insert_str(at, &piece);
    Some(out.into_bytes())
}

/// The words of a rule that may end a packet's way, or send it where that happens.
const ENDS: &[&str] = &["drop", "reject", "queue", "jump", "goto", "vmap", "return"];

fn ending(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// What is no rule in a chain's block.
fn header(text: &str) -> bool {
    ["type ", "policy ", "comment ", "flags ", "devices "].iter().any(|h| text.starts_with(h))
}

/// One form for what may be written in many.
fn normal(text: &str) -> String {
    let words: Vec<String> = text.replace('"', "").split_whitespace().map(str::to_owned).collect();
    let mut out: Vec<String> = Vec::new();
    let mut words = words.into_iter().peekable();
    while let Some(w) = words.next() {
        if w == "counter" {
            // With its numbers, or without.
            while words.peek().is_some_and(|n| n == "packets" || n == "bytes") {
                words.next();
                words.next();
            }
            continue;
        }
        out.push(w);
    }
    out.join(" ").replace(" ,", ",").replace(", ", ",").replace("{ ", "{").replace(" }", "}")
}

/// The statements of one chain, in their order.
fn statements(text: &str, wanted: &Wanted<'_>) -> Vec<Statement> {
    let mut out = Vec::new();
    let mut blocks: Vec<String> = Vec::new();
    let (mut start, mut depth, mut quoted) = (None::<usize>, 0usize, false);
    let table = [format!("table {} {}", wanted.family, wanted.table), format!("table {}", wanted.table)];
    let tables: &[String] = if wanted.family == "ip" { &table } else { &table[..1] };
    let chain = format!("chain {}", wanted.chain);
    let flat = format!("add rule {} {} {} ", wanted.family, wanted.table, wanted.chain);
    let mut chars = text.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        let end = matches!(c, '\n' | ';' | '#' | '}') && depth == 0 && !quoted;
        if let (true, Some(s)) = (end, start) {
            let words = normal(&text[s..i]);
            let inside = matches!(blocks.as_slice(), [t, c] if tables.contains(t) && *c == chain);
            let stop = s + text[s..i].trim_end().len();
            // The statement's own semicolon, if it has one, stays with it.
            let stop = if c == ';' { i + 1 } else { stop };
            if inside && !words.is_empty() {
                out.push(Statement { start: s, end: stop, text: words, block: true });
            } else if blocks.is_empty()
                && let Some(rule) = words.strip_prefix(&flat)
            {
                out.push(Statement { start: s, end: stop, text: rule.to_owned(), block: false });
            }
            start = None;
        }
        match c {
            '"' => {
                quoted = !quoted;
                start.get_or_insert(i);
            }
            _ if quoted => {}
            '#' => while chars.next_if(|(_, c)| *c != '\n').is_some() {},
            '\\' if chars.peek().is_some_and(|(_, c)| *c == '\n') => drop(chars.next()),
            '{' if blocks.len() < 2 && depth == 0 => {
                blocks.push(start.map(|s| normal(&text[s..i])).unwrap_or_default());
                start = None;
            }
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' => drop(blocks.pop()),
            ';' | '\n' => {}
            c if c.is_whitespace() => {}
            _ => {
                start.get_or_insert(i);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "#!/usr/sbin/nft -f\n\nflush ruleset\n\ntable inet filter {\n\tset bad {\n\t\ttype ipv4_addr\n\t}\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t\tiif lo accept # the host itself\n\t\ttcp dport { 80, 443 } counter accept\n\t\tct state established accept; tcp dport 22 drop\n\t}\n\tchain forward { type filter hook forward priority 0; }\n}\n";

    /// With what the kernel has, and the index there that ours goes before.
    fn with(text: &str, kernel: &[&str], at: usize) -> String {
        let rules: Vec<Rule> = kernel.iter().map(|t| Rule { text: (*t).to_owned(), ..Rule::default() }).collect();
        let wanted = Wanted { family: "inet", table: "filter", chain: "input", rules: &rules, at };
        String::from_utf8(nft_file(text.as_bytes(), &wanted, "tcp dport 22 accept").unwrap()).unwrap()
    }

    const KERNEL: &[&str] = &[
        "iif \"lo\" accept",
        "tcp dport { 80, 443 } counter packets 3 bytes 9 accept",
        "ct state established accept",
        "tcp dport 22 drop",
    ];

    #[test]
    fn a_line_in_its_place() {
        let ours = "tcp dport 22 accept comment \"runbook\"";
        let new = with(DEBIAN, &KERNEL[1..], 0);
        assert!(new.contains(&format!("# the host itself\n\t\t{ours}\n\t\ttcp dport {{ 80,")), "{new}");
        assert_eq!(new.replace(&format!("\t\t{ours}\n"), ""), DEBIAN);
        let new = with(DEBIAN, KERNEL, 3);
        assert!(new.contains(&format!("accept; {ours}; tcp dport 22 drop\n")), "{new}");
        let new = with(DEBIAN, KERNEL, 4);
        assert!(new.contains(&format!("tcp dport 22 drop\n\t\t{ours}\n\t}}")), "{new}");
        let else_ = [Rule { text: "something else".into(), ..Rule::default() }];
        let wanted = Wanted { family: "inet", table: "filter", chain: "input", rules: &else_, at: 0 };
        assert_eq!(nft_file(DEBIAN.as_bytes(), &wanted, "tcp dport 22 accept"), None);
        let new = with(DEBIAN, KERNEL, 0);
        assert!(new.contains(&format!("policy drop;\n\t\t{ours}\n\t\tiif lo")), "{new}");
        assert_eq!(with(&new, &[], 0), new);
        let none = Wanted { family: "inet", table: "x", chain: "input", rules: &[], at: 0 };
        assert_eq!(nft_file(DEBIAN.as_bytes(), &none, "accept"), None);
        let flat = "add table inet filter\nadd rule inet filter input iif lo accept\nadd rule inet filter input drop\n";
        let new = with(flat, &["iif \"lo\" accept", "drop"], 1);
        assert!(new.contains(&format!("accept\nadd rule inet filter input {ours}\nadd")), "{new}");
        let empty = "table inet filter {\n chain input {\n  type filter hook input priority 0; policy drop;\n }\n}\n";
        assert!(with(empty, &[], 0).contains(&format!("policy drop;\n  {ours}\n }}")));
    }

    #[test]
    fn a_line_behind_the_one_that_drops_is_no_line() {
        let file =
            |rules: &[&str]| format!("table inet filter {{\n chain input {{\n  {}\n }}\n}}\n", rules.join("\n  "));
        let (drop, accept, ours) =
            ("tcp dport 22 drop", "tcp dport 22 accept", "tcp dport 22 accept comment \"runbook\"");
        let behind = file(&[drop, accept]);
        let mended = file(&[ours, drop, accept]);
        assert_eq!(with(&behind, &[drop, accept], 0), mended);
        assert_eq!(with(&mended, &[drop, accept], 0), mended);
        // What runs has lost the drop, the file has not: whom it is to keep out, nobody has judged.
        let lost = Wanted { family: "inet", table: "filter", chain: "input", rules: &[], at: 0 };
        assert_eq!(nft_file(behind.as_bytes(), &lost, accept), None);
        let bans = file(&["ip saddr 192.0.2.7 drop", accept, drop]);
        assert_eq!(with(&bans, &["ip saddr 192.0.2.7 drop", drop], 1), bans);
    }

    #[test]
    fn a_line_in_the_file_of_iptables() {
        let file = "# by hand\n*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j REJECT\nCOMMIT\n";
        let q = Question { v6: false, from: None, to: None, port: 22, device: None, own: Vec::new() };
        let new = String::from_utf8(iptables_file(file.as_bytes(), std::slice::from_ref(&q), None).unwrap()).unwrap();
        let ours = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n";
        assert!(new.contains(&format!("-i lo -j ACCEPT\n{ours}-A INPUT -j REJECT")), "{new}");
        assert_eq!(iptables_file(new.as_bytes(), std::slice::from_ref(&q), None).unwrap(), new.as_bytes());
        let policy = "*filter\n:INPUT DROP [0:0]\nCOMMIT\n*nat\nCOMMIT\n";
        let new = String::from_utf8(iptables_file(policy.as_bytes(), std::slice::from_ref(&q), None).unwrap()).unwrap();
        assert_eq!(new, format!("*filter\n:INPUT DROP [0:0]\n{ours}COMMIT\n*nat\nCOMMIT\n"));
        // What a person's file puts in front of everything, no line behind it answers.
        let hand =
            "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -i lo -j ACCEPT\n-I INPUT -p tcp --dport 22 -j DROP\nCOMMIT\n";
        let new = iptables_file(hand.as_bytes(), std::slice::from_ref(&q), None);
        assert!(new.is_err(), "{new:?}");
    }
}
