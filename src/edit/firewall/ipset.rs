//! `ipset save` (ipset(8)): sets that iptables' rules name. In place of many elements there may be `long NAME FIRST`.

use super::model::{Element, Ipset, Item, Key, Set};

/// Reads it.
#[must_use]
pub fn parse(text: &str) -> Vec<Ipset> {
    let mut out: Vec<Ipset> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["create", name, kind, rest @ ..] => {
                let parts: Vec<String> =
                    kind.split_once(':').map_or("", |k| k.1).split(',').map(str::to_owned).collect();
                let known = parts.iter().all(|p| matches!(p.as_str(), "ip" | "net" | "port" | "iface"));
                let set = Set { name: (*name).to_owned(), elements: Vec::new(), opaque: !known };
                out.push(Ipset { set, parts, v6: rest.contains(&"inet6"), long: None });
            }
            ["long", name, first] => {
                let Some(s) = out.iter_mut().find(|s| s.set.name == *name) else { continue };
                // What is asked about such a set is one address.
                let one = matches!(s.parts.as_slice(), [p] if p == "ip" || p == "net");
                s.set.opaque = true;
                s.long = one.then(|| (*first).to_owned());
            }
            ["add", name, value, rest @ ..] => {
                let Some(s) = out.iter_mut().find(|s| s.set.name == *name) else { continue };
                let items = value.split(',').zip(s.parts.iter()).map(|(v, part)| item(v, part)).collect();
                s.set.elements.push(Element { items, verdict: None, but: rest.contains(&"nomatch") });
            }
            _ => {}
        }
    }
    out
}

fn item(text: &str, part: &str) -> Item {
    match part {
        "ip" | "net" => Item::address(text).map_or(Item::Opaque, |(i, _)| i),
        // A protocol that is not ours matches nothing of ours.
        "port" => match text.split_once(':') {
            None | Some(("tcp", _)) => port(text.rsplit(':').next().unwrap_or_default()),
            Some(_) => Item::number(u128::MAX),
        },
        "iface" => Item::Name(text.to_owned()),
        _ => Item::Opaque,
    }
}

fn port(text: &str) -> Item {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    match (low.parse::<u16>(), high.parse::<u16>()) {
        (Ok(low), Ok(high)) => Item::Span(low.into(), high.into()),
        _ => Item::Opaque,
    }
}

/// What a part of an element is of a packet, where the rule says `src` or `dst`.
#[must_use]
pub(super) fn key(part: &str, source: bool, v6: bool) -> Option<Key> {
    Some(match (part, source, v6) {
        ("ip" | "net", true, false) => Key::From4,
        ("ip" | "net", true, true) => Key::From6,
        ("ip" | "net", false, false) => Key::To4,
        ("ip" | "net", false, true) => Key::To6,
        ("port", true, _) => Key::Sport,
        ("port", false, _) => Key::Dport,
        ("iface", true, _) => Key::Iif,
        ("iface", false, _) => Key::Oif,
        _ => return None,
    })
}
