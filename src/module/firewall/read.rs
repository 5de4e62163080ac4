//! What the host's packet filters hold, in one look.

use std::net::IpAddr;

use crate::edit::firewall::{Ruleset, ipset, iptables, join, nft};
use crate::module::Halt;
use crate::plan::{Resource, View, first_line};

/// Each tool's answer after a line that names it. Where both backends of iptables are there, both hold rules.
pub(super) const SCRIPT: &str = "v() { command -v $1 >/dev/null && echo \"==> $*\" && \"$@\" 2>&1; }
for c in iptables ip6tables; do v $c-nft-save || v $c-save; v $c-legacy-save; done
v ipset save; v nft -j list ruleset && v nft -as list ruleset; v ip -o a; echo '==>'";

/// What was read.
pub(super) struct Found {
    pub rules: Ruleset,
    /// The host's addresses, with their devices.
    pub addresses: Vec<(String, IpAddr)>,
    /// There is a tool that could set rules.
    pub tools: bool,
}

pub(super) fn read(view: &View<'_>) -> Result<Found, Halt> {
    let a = view.script(SCRIPT, false, &[Resource::Rules])?;
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
    let native = match get("nft -j list ruleset") {
        None => Ruleset::default(),
        Some(json) => nft::parse(json.trim(), get("nft -as list ruleset").unwrap_or_default()).map_err(|why| {
            let said = first_line(json.as_bytes());
            Halt::Unknown {
                why: if said.starts_with('{') { why } else { format!("nft cannot list the rules as JSON: {said}") },
                hint: Some("look at them by hand: nft list ruleset".into()),
            }
        })?,
    };
    let tools = sections.iter().any(|(n, _)| n.ends_with("-save") || n.starts_with("nft"));
    let addresses = get("ip -o a").unwrap_or_default().lines().filter_map(address).collect();
    Ok(Found { rules: join(native, tables, get("ipset save").map(ipset::parse)), addresses, tools })
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
