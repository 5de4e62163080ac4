//! What the host's packet filters hold, in one look.

use std::net::IpAddr;

use crate::edit::firewall::model::{Backend, Element, Item, Part, Set, Table, Test, Values, number};
use crate::edit::firewall::{Ruleset, ipset, iptables, join, nft};
use crate::module::Halt;
use crate::payload::sh_quote;
use crate::plan::{Resource, View, first_line};

/// Each tool's answer after a line that names it. Where both backends of iptables are there, both hold rules. A list of
/// bans may have a hundred thousand elements: of a long answer (`$most` bytes) nft's sets are left out (`-t`), of an ipset of
/// more than a hundredth as many elements all but the first, and `sets` asks for them.
pub(super) const SCRIPT: &str = "v() { command -v $1 >/dev/null && echo \"==> $*\" && \"$@\" 2>&1; }
for c in iptables ip6tables; do v $c-nft-save || v $c-save; v $c-legacy-save; done
v ipset save | { awk -v m=${most:-99999} '$1!=\"add\"{print;next} {n=++c[$2]; a[$2]=n*100>m ? \"\" : a[$2] $0 \"\\n\"} n==1{f[$2]=$3}
END{for(s in c) if(c[s]*100>m) print \"long\",s,f[s]; else printf \"%s\",a[s]}' 2>/dev/null || cat; }; t=; if nft -jt list tables >/dev/null 2>&1 && [ $(nft -j list ruleset 2>&1 | wc -c) -gt ${most:-99999} ]; then t=-t; fi
v nft -j $t list ruleset && v nft -ast list ruleset || v nft -as list ruleset; v ip -o a; echo '==>'";

/// What was read.
pub(super) struct Found {
    pub rules: Ruleset,
    /// The host's addresses, with their devices.
    pub addresses: Vec<(String, IpAddr)>,
    /// There is a tool that could set rules.
    pub tools: bool,
}

pub(super) fn read(view: &View<'_>) -> Result<Found, Halt> {
    let a = view.script("rules", SCRIPT, false, &[Resource::Rules])?;
    if !view.facts()?.root {
        return Err(view.takes_root("the rules of packet filters cannot be read without root"));
    }
    parse(&String::from_utf8_lossy(&a.stdout))
}

/// Reads the script's answer.
pub(super) fn parse(out: &str) -> Result<Found, Halt> {
    let mut sections: Vec<(&str, String)> = Vec::new();
    for line in out.lines() {
        if let Some(name) = line.strip_prefix("==>") {
            sections.push((name.trim(), String::new()));
        } else if let Some((_, text)) = sections.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    if sections.last().is_none_or(|(name, _)| !name.is_empty()) {
        return Err(Halt::unknown("the packet filters' rules were not read to their end"));
    }
    let get = |name: &str| sections.iter().find(|(n, _)| *n == name).map(|(_, text)| text.as_str());
    let mut tables = Vec::new();
    for (name, text) in &sections {
        let Some(program) = name.strip_suffix("-save") else { continue };
        // Without rules there is nothing to be printed, not even an error.
        let said = text.lines().find(|l| !l.starts_with('#') && !l.trim().is_empty());
        if said.is_some_and(|l| !l.starts_with('*')) {
            return Err(Halt::unknown(format!("{name} cannot read the rules: {}", first_line(text.as_bytes()))));
        }
        tables.extend(iptables::parse(text, program.starts_with("ip6"), program));
    }
    let terse = get("nft -j -t list ruleset");
    let text = ["nft -ast list ruleset", "nft -as list ruleset"].into_iter().filter_map(get).next_back();
    let mut native = match get("nft -j list ruleset").or(terse) {
        None => Ruleset::default(),
        Some(json) => nft::parse(json.trim(), text.unwrap_or_default()).map_err(|why| {
            let said = first_line(json.as_bytes());
            Halt::Unknown {
                why: if said.starts_with('{') { why } else { format!("nft cannot list the rules as JSON: {said}") },
                hint: Some("look at them by hand: nft list ruleset".into()),
            }
        })?,
    };
    if terse.is_some() {
        let all = native.tables.iter_mut().flat_map(|t| &mut t.sets);
        all.filter(|s| s.elements.is_empty()).for_each(|s| s.opaque = true);
    }
    let tools = sections.iter().any(|(n, _)| n.ends_with("-save") || n.starts_with("nft"));
    let addresses = get("ip -o a").unwrap_or_default().lines().filter_map(address).collect();
    Ok(Found { rules: join(native, tables, get("ipset save").map(ipset::parse)), addresses, tools })
}

/// Where a set was left out.
enum Place {
    /// Of a table, by the indices of both.
    Table(usize, usize),
    /// Of ipset's.
    Ipset(usize),
}

/// The sets that the first look left out and a rule asks for: those that are not long, and of a long one whether these
/// addresses are in it, by the kernel's own word (nft(8), "get element"; ipset(8), "test"), with its first element for those whom nobody
/// named. What is still not known of a set leaves it opaque, and of whole networks (`None`) nothing is.
pub(super) fn sets(found: &mut Found, clients: Option<&[IpAddr]>, view: &View<'_>) -> Result<(), Halt> {
    let mut sh = String::from(
        "s() { j=$(nft -j list set \"$@\" 2>/dev/null || nft -j list map \"$@\" 2>/dev/null); echo '==> set'
if [ ${#j} -lt 99999 ]; then echo \"$j\"; return; fi
nft list set \"$@\" | sed -n 's/.*elements = { *\\([^ ,]*\\).*/first \\1/p'
for c in $a; do if e=$(nft get element \"$@\" \"{ $c }\" 2>&1); then echo \"in $c\"; else case $e in *'No such file'*) echo \"out $c\";; esac; fi; done; }
i() { echo '==> set'; echo \"first $2\"; for c in $a; do case $(ipset test \"$1\" $c 2>&1) in
*' is in set '*) echo \"in $c\";; *' is NOT in set '*) echo \"out $c\";; esac; done; }\n",
    );
    let words: Vec<String> = clients.unwrap_or_default().iter().map(IpAddr::to_string).collect();
    sh += &format!("a='{}'\n", words.join(" "));
    let asks = |table: &Table, wanted: &Values| {
        let parts = table.chains.iter().flat_map(|c| &c.rules).flat_map(|r| &r.parts);
        parts.into_iter().any(|p| match p {
            Part::Test(Test::Within { values, .. }) | Part::Map(_, values) => values == wanted,
            _ => false,
        })
    };
    let mut wanted: Vec<Place> = Vec::new();
    let tables = &found.rules.tables;
    for (t, table) in tables.iter().enumerate().filter(|(_, t)| t.backend == Backend::Nft) {
        for (n, set) in table.sets.iter().enumerate().filter(|(_, s)| s.opaque) {
            if asks(table, &Values::Named(set.name.clone()))
                && let (Some(of), Some(name)) = (sh_quote(&table.name), sh_quote(&set.name))
            {
                sh += &format!("s {} {of} {name}\n", table.family.word());
                wanted.push(Place::Table(t, n));
            }
        }
    }
    for (n, of) in found.rules.ipsets.iter().flatten().enumerate() {
        let named = Values::Ipset(of.set.name.clone());
        if let Some(first) = of.long.as_deref().and_then(sh_quote)
            && tables.iter().any(|t| asks(t, &named))
            && let Some(name) = sh_quote(&of.set.name)
        {
            sh += &format!("i {name} {first}\n");
            wanted.push(Place::Ipset(n));
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let a = view.script("sets that rules name", &sh, false, &[Resource::Rules])?;
    let out = String::from_utf8_lossy(&a.stdout);
    for (place, said) in wanted.into_iter().zip(out.split("==> set\n").skip(1)) {
        let set = match place {
            Place::Table(t, n) => &mut found.rules.tables[t].sets[n],
            Place::Ipset(n) => &mut found.rules.ipsets.as_mut().ok_or_else(|| Halt::unknown("no sets"))?[n].set,
        };
        if let Some(read) = nft::set_alone(said).or_else(|| long(said, &set.name, clients?)) {
            *set = read;
        }
    }
    Ok(())
}

/// What is known of a long set of addresses.
fn long(said: &str, name: &str, clients: &[IpAddr]) -> Option<Set> {
    let mut elements = Vec::new();
    let mut told = Vec::new();
    let mut v6 = None;
    for line in said.lines() {
        let (word, rest) = line.split_once(' ')?;
        if word == "first" {
            let (item, six) = Item::address(rest)?;
            v6 = Some(six);
            elements.push(Element::one(item));
            continue;
        }
        let client: IpAddr = rest.parse().ok()?;
        told.push(client);
        if word == "in" {
            elements.push(Element::one(Item::number(number(client))));
        }
    }
    let v6 = v6?;
    let all = clients.iter().filter(|c| c.is_ipv6() == v6).all(|c| told.contains(c));
    all.then(|| Set { name: name.to_owned(), elements, opaque: false })
}

/// `2: eth0    inet 10.77.0.5/24 brd …`; an address that no client can use is none.
fn address(line: &str) -> Option<(String, IpAddr)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|w| *w == "inet" || *w == "inet6")?;
    let address: IpAddr = words.get(at + 1)?.split('/').next()?.parse().ok()?;
    let device = words.get(1)?.trim_end_matches(':').split('@').next()?.to_owned();
    let link_local = matches!(address, IpAddr::V6(a) if (a.segments()[0] & 0xffc0) == 0xfe80);
    (!address.is_loopback() && !link_local).then_some((device, address))
}
