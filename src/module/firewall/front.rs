//! Which tool changes the rules: the one that owns them; and its commands.

use super::{Asked, persist, told};
use crate::edit::firewall::model::{Backend, Ruleset};
use crate::edit::firewall::repair::{self, Insertion, add};
use crate::edit::firewall::{Place, Question, Stuck, owner};
use crate::module::Halt;
use crate::module::firewall::read::Found;
use crate::module::firewall::{firewalld, ufw};
use crate::payload::sh_quote;
use crate::plan::{Change, CommandChange, Listing, Resource, View};

/// Who owns the rules around a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Front {
    Ufw,
    Firewalld,
    Nft,
    Iptables,
}

/// Why there is nothing to change.
pub(super) enum Stopped {
    Halt(Halt),
    Stuck(Stuck),
    ByHand(String),
}

impl From<Halt> for Stopped {
    fn from(h: Halt) -> Self {
        Self::Halt(h)
    }
}

impl From<Stuck> for Stopped {
    fn from(s: Stuck) -> Self {
        Self::Stuck(s)
    }
}

impl Front {
    pub fn of(rules: &Ruleset, p: &Place) -> Self {
        let table = &rules.tables[p.table];
        let chain = &table.chains[p.chain].name;
        let has = |start: &str| table.chains.iter().any(|c| c.name.starts_with(start));
        if table.name.starts_with("firewalld") || chain.starts_with("IN_") || has("INPUT_ZONES") {
            return Self::Firewalld;
        }
        match table.backend {
            Backend::Nft => Self::Nft,
            // ufw sets the policies, and goes to its own chains for all else.
            _ if chain.starts_with("ufw") || p.rule.is_none() && (has("ufw-") || has("ufw6-")) => Self::Ufw,
            _ => Self::Iptables,
        }
    }
    /// Its name, or that of the program whose rule it is.
    pub fn name(self, rules: &Ruleset, p: &Place) -> &'static str {
        let table = &rules.tables[p.table];
        if let Some(o) = owner(table, &table.chains[p.chain].name, None) {
            return o.name;
        }
        match self {
            Self::Ufw => "ufw",
            Self::Firewalld => "firewalld",
            Self::Nft => "nftables",
            Self::Iptables => "iptables",
        }
    }
}

/// What lets all of these in, each tried on a copy of the rules before the next.
pub(super) fn changes(
    asked: &Asked,
    found: &Found,
    denied: &[&Question],
    view: &View<'_>,
) -> Result<Vec<Change>, Stopped> {
    let questions: Vec<Question> = denied.iter().map(|q| (*q).clone()).collect();
    let mut rules = found.rules.clone();
    let mut out: Vec<Change> = Vec::new();
    let mut kept: Vec<Insertion> = Vec::new();
    let mut through: Vec<Front> = Vec::new();
    while let Some(new) = repair::next(&rules, &questions)? {
        let front = Front::of(&rules, &new.against.place);
        // ufw and firewalld have their own idea of where a rule goes: once is all that can be said.
        let again = matches!(front, Front::Ufw | Front::Firewalld) && through.contains(&front);
        if again || through.len() == repair::MOST {
            return Err(Stopped::ByHand(format!(
                "{} would not be met by a rule of {}'s: look at {}",
                told::place(&rules, &new.against.place),
                front.name(&rules, &new.against.place),
                told::site(&rules, &new.against.place)
            )));
        }
        let direct = match front {
            Front::Iptables | Front::Firewalld => firewalld::direct(&rules, &new, view)?,
            _ => None,
        };
        if let Some(direct) = direct {
            out.extend(firewalld::direct_changes(&mut rules, &new, &direct)?);
            through.push(Front::Firewalld);
            continue;
        }
        match front {
            Front::Ufw => out.push(ufw::change(asked, &mut rules, view)?),
            Front::Firewalld => out.extend(firewalld::changes(asked, &mut rules, &new, &questions, view)?),
            Front::Nft => {
                out.push(nft(&mut rules, &new)?);
                kept.push(new);
            }
            Front::Iptables => {
                out.push(iptables(&mut rules, &new)?);
                kept.push(new);
            }
        }
        through.push(front);
    }
    let whom = match (asked.from, asked.own) {
        // What nobody is to find out afterwards.
        (None, None) => Some("for everybody: you named no client; -e client=ADDRESS lets in that one alone".to_owned()),
        (None, Some(own)) => Some(format!(
            "for everybody: you named no client; -e client={own} lets in you alone, by the address that you connect from now"
        )),
        (Some(_), Some(own)) => {
            Some(format!("for {own} alone, from where you connect now; for another: -e client=ADDRESS"))
        }
        (Some(_), None) => None,
    };
    for change in &mut out {
        if let Change::Command(c) = change {
            c.notes.extend(whom.clone());
        }
    }
    persist::changes(found, &questions, &kept, &mut out, view)?;
    Ok(out)
}

/// What lets all of these in after the next boot: changes of the files that `found` was loaded from, and of nothing else.
pub(super) fn kept(found: &Found, denied: &[&Question], view: &View<'_>) -> Result<Vec<Change>, Stopped> {
    let questions: Vec<Question> = denied.iter().map(|q| (*q).clone()).collect();
    let new = repair::repair(&found.rules, &questions)?;
    if let Some(i) =
        new.iter().find(|i| matches!(Front::of(&found.rules, &i.against.place), Front::Ufw | Front::Firewalld))
    {
        let rule = &i.rule;
        return Err(Stopped::ByHand(match Front::of(&found.rules, &i.against.place) {
            Front::Ufw => format!(
                "ufw prepend allow {0}/tcp (where ufw says that it skips it: ufw delete deny {0}/tcp, and again), and look at it: ufw show added",
                rule.port
            ),
            _ => {
                let place = &i.against.place;
                let table = &found.rules.tables[place.table];
                let chain = table.chains[place.chain].name.as_str();
                let denies = chain.ends_with("_deny");
                let what = firewalld::what(rule.port, rule.from, denies);
                match firewalld::zone_of(table, chain) {
                    Some(zone) => format!("firewall-cmd --permanent --zone={} '--add-{what}'", quoted(zone)?),
                    None => format!(
                        "firewall-cmd --permanent '--add-{what}' (and --zone=, where the client is in another than the default)"
                    ),
                }
            }
        }));
    }
    let mut out = Vec::new();
    persist::changes(found, &questions, &new, &mut out, view)?;
    if out.is_empty() {
        let at = new.first().map(|i| told::site(&found.rules, &i.against.place)).unwrap_or_default();
        return Err(Stopped::ByHand(format!("let it in by hand in the file that is loaded at boot: {at}")));
    }
    Ok(out)
}

/// The command that takes a rule away, for a person.
pub(super) fn removal(rules: &Ruleset, p: &Place) -> String {
    let table = &rules.tables[p.table];
    let chain = &table.chains[p.chain];
    let Some(rule) = p.rule.and_then(|r| chain.rules.get(r)) else { return String::new() };
    match (table.backend, rule.handle) {
        (Backend::Nft, Some(handle)) => {
            format!("nft delete rule {} {} {} handle {handle}", table.family.word(), table.name, chain.name)
        }
        (Backend::Nft, None) => format!("nft -a list chain {} {} {}", table.family.word(), table.name, chain.name),
        _ => format!("{} -t {} {}", table.program, table.name, rule.text.replacen("-A ", "-D ", 1)),
    }
}

/// The rules of a chain before and after, a line each.
pub(super) fn listing(before: &Ruleset, after: &Ruleset, table: usize, chain: usize) -> Listing {
    let text = |r: &Ruleset| -> String {
        r.tables[table].chains[chain].rules.iter().map(|r| format!("{}\n", r.text)).collect()
    };
    let t = &before.tables[table];
    let name = match t.backend {
        Backend::Nft => format!("nftables: {} {} {}", t.family.word(), t.name, t.chains[chain].name),
        _ => format!("{}: {} {}", t.program, t.name, t.chains[chain].name),
    };
    Listing { name, before: text(before), after: text(after) }
}

/// A command that changes rules.
pub(super) fn command(sh: String, shown: String, undo: String, listing: Option<Listing>) -> CommandChange {
    let mut c = CommandChange::new(sh, shown).undone_by(Some(undo)).writing(vec![Resource::Rules]).by_root();
    c.listing = listing;
    c
}

/// One word for sh; what no shell takes for anything else stays as it is, for whoever reads it.
pub(super) fn quoted(text: &str) -> Result<String, Stopped> {
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:=,@+%".contains(c)) {
        return Ok(text.to_owned());
    }
    sh_quote(text).ok_or_else(|| Stopped::Halt(Halt::unknown("a name with a NUL")))
}

fn nft(rules: &mut Ruleset, new: &Insertion) -> Result<Change, Stopped> {
    let before = rules.clone();
    let table = &before.tables[new.table];
    let chain = &table.chains[new.chain];
    let rule = new.rule.text(table);
    let at = format!("{} {} {}", table.family.word(), table.name, chain.name);
    let ours = format!("{rule} comment \"runbook\"");
    let line = match chain.rules.get(new.at).map(|r| r.handle) {
        None => format!("add rule {at} {ours}"),
        Some(Some(handle)) => format!("insert rule {at} position {handle} {ours}"),
        // In front of one that this very plan adds.
        Some(None) => format!("insert rule {at} {ours}"),
    };
    add(rules, new);
    let shown = format!("nft {}", quoted(&line)?);
    // Of its own rules alone, by its own word: to the handle, which only the kernel gives. Before 0.9.1 a port was "ssh"
    // unless the option for numbers was given twice (nft(8), -n).
    let find = quoted(&format!("s|^[[:space:]]*{ours} # handle \\([0-9]*\\)$|\\1|p"))?;
    let undo = format!(
        "h=$(nft -ann list chain {0} | sed -n {find} | head -n 1) && [ -n \"$h\" ] && nft delete rule {0} handle $h",
        quoted(&at)?
    );
    Ok(Change::Command(command(shown.clone(), shown, undo, Some(listing(&before, rules, new.table, new.chain)))))
}

fn iptables(rules: &mut Ruleset, new: &Insertion) -> Result<Change, Stopped> {
    let before = rules.clone();
    let table = &before.tables[new.table];
    let chain = &table.chains[new.chain];
    let rule = new.rule.text(table);
    let tool = if table.name == "filter" {
        format!("{} -w", table.program)
    } else {
        format!("{} -w -t {}", table.program, quoted(&table.name)?)
    };
    let name = quoted(&chain.name)?;
    let number = new.at + 1;
    let (place, still) = match chain.rules.get(new.at) {
        None => (format!("-A {name}"), None),
        // A number is right only for the rules that were read.
        Some(r) => (
            format!("-I {name} {number}"),
            Some(format!("[ \"$({tool} -S {name} {number})\" = {} ]", quoted(&r.text)?)),
        ),
    };
    add(rules, new);
    let shown = format!("{tool} {place} {rule}");
    let undo = format!("{tool} -D {name} {rule}");
    let change = command(shown.clone(), shown, undo, Some(listing(&before, rules, new.table, new.chain)));
    Ok(Change::Command(change.only_while(still)))
}
