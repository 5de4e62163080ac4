//! `nft -j list ruleset` (libnftables-json(5)), with the text of the rules from `nft -as list ruleset`.
//!
//! The JSON is what is read: one form for each thing, whatever the version, where the text has many. Only what people read
//! comes from the text, by the handles that both have.

use std::collections::HashMap;

use serde_json::Value;

use super::model::{
    Backend, Base, Chain, Element, Family, Field, Hook, Item, Key, Part, Port, Rule, Ruleset, Set, Table, Test, Values,
    Verdict,
};

/// Reads it; an error says what is no ruleset.
///
/// # Errors
/// It is no JSON, or none of nft's.
pub fn parse(json: &str, text: &str) -> Result<Ruleset, String> {
    let all: Value = serde_json::from_str(json).map_err(|e| format!("nft's JSON cannot be read: {e}"))?;
    let items = all["nftables"].as_array().ok_or("nft's JSON has no \"nftables\"")?;
    let Texts { rules: texts, devices } = texts(text);
    let mut out = Ruleset::default();
    let find = |out: &mut Ruleset, v: &Value| {
        let (family, name) = (family(word(&v["family"])), word(&v["table"]).to_owned());
        out.tables.iter().position(|t| t.family == family && t.name == name)
    };
    for item in items {
        let Some((kind, v)) = item.as_object().and_then(|m| m.iter().next()) else { continue };
        if kind == "table" {
            out.tables.push(Table {
                family: family(word(&v["family"])),
                name: word(&v["name"]).to_owned(),
                backend: Backend::Nft,
                program: "nft".into(),
                chains: Vec::new(),
                sets: Vec::new(),
                dormant: strings(&v["flags"]).contains(&"dormant"),
            });
            continue;
        }
        let Some(at) = find(&mut out, v) else { continue };
        let table = &mut out.tables[at];
        match kind.as_str() {
            "chain" => {
                let name = word(&v["name"]);
                let key = (word(&v["family"]).to_owned(), table.name.clone(), name.to_owned());
                let mut base = base(v);
                // nft 1.0.6 does not tell them in JSON.
                if let (Some(base), Some(told)) = (base.as_mut().filter(|b| b.devices.is_empty()), devices.get(&key)) {
                    base.devices.clone_from(told);
                }
                table.chains.push(Chain { name: name.into(), base, rules: Vec::new() });
            }
            "set" | "map" => table.sets.push(set(v, kind == "map")),
            "rule" => {
                let handle = v["handle"].as_u64();
                let key = (word(&v["family"]).to_owned(), table.name.clone(), handle.unwrap_or(0));
                let rule = Rule {
                    text: texts.get(&key).cloned().unwrap_or_else(|| v["expr"].to_string()),
                    handle,
                    line: 0,
                    parts: list(&v["expr"]).iter().flat_map(parts).collect(),
                };
                if let Some(c) = table.chains.iter_mut().find(|c| c.name == word(&v["chain"])) {
                    c.rules.push(rule);
                }
            }
            _ => {}
        }
    }
    Ok(out)
}

/// The one set or map of `nft -j list set`.
#[must_use]
pub fn set_alone(json: &str) -> Option<Set> {
    let all: Value = serde_json::from_str(json).ok()?;
    let mut items = all["nftables"].as_array()?.iter().filter_map(|i| i.as_object()?.iter().next());
    items.find(|(kind, _)| *kind == "set" || *kind == "map").map(|(kind, v)| set(v, kind == "map"))
}

/// What only the text tells.
#[derive(Default)]
struct Texts {
    /// The rules' text by family, table and handle. A rule's set may go over several lines, its handle is on the last.
    rules: HashMap<(String, String, u64), String>,
    /// The devices of base chains by family, table and chain.
    devices: HashMap<(String, String, String), Vec<String>>,
}

fn texts(text: &str) -> Texts {
    let mut out = Texts::default();
    let (mut family, mut table, mut chain, mut open) = (String::new(), String::new(), String::new(), String::new());
    for line in text.lines() {
        let line = line.trim();
        let (code, handle) = match line.rsplit_once(" # handle ") {
            Some((code, h)) => (code.trim(), h.trim().parse::<u64>().ok()),
            None => (line, None),
        };
        let words: Vec<&str> = code.split_whitespace().collect();
        match words.as_slice() {
            ["table", f, t, "{"] => (family, table, open) = ((*f).into(), (*t).into(), String::new()),
            ["chain", name, "{"] => {
                (*name).clone_into(&mut chain);
                open.clear();
            }
            ["type", _, "hook", _, "device" | "devices", ..] => {
                let key = (family.clone(), table.clone(), chain.clone());
                out.devices.insert(key, named(code));
                open.clear();
            }
            ["chain" | "set" | "map" | "flowtable" | "counter" | "quota" | "limit", .., "{"] => open.clear(),
            ["}"] | [] => open.clear(),
            _ => {
                if !open.is_empty() {
                    open.push(' ');
                }
                open.push_str(code);
                if let Some(h) = handle {
                    out.rules.insert((family.clone(), table.clone(), h), std::mem::take(&mut open));
                } else if !code.ends_with(',') && !code.ends_with('{') {
                    open.clear();
                }
            }
        }
    }
    out
}

/// `type filter hook ingress device "eth0" priority 0;`, or `devices = { "eth0", "eth1" }`.
fn named(code: &str) -> Vec<String> {
    let rest = code.split_once(" device").map_or("", |(_, r)| r).trim_start_matches('s').trim_start_matches([' ', '=']);
    let all = match rest.strip_prefix('{') {
        Some(list) => list.split('}').next().unwrap_or_default(),
        None => rest.split(' ').next().unwrap_or_default(),
    };
    all.split(',').map(|d| d.trim().trim_matches('"').to_owned()).filter(|d| !d.is_empty()).collect()
}

fn word(v: &Value) -> &str {
    v.as_str().unwrap_or_default()
}

fn list(v: &Value) -> &[Value] {
    v.as_array().map_or(&[], Vec::as_slice)
}

/// One word, or a list of them.
fn strings(v: &Value) -> Vec<&str> {
    match v {
        Value::String(s) => vec![s],
        v => list(v).iter().filter_map(Value::as_str).collect(),
    }
}

fn family(word: &str) -> Family {
    match word {
        "ip" => Family::Ip,
        "ip6" => Family::Ip6,
        "inet" => Family::Inet,
        "netdev" => Family::Netdev,
        _ => Family::Other,
    }
}

fn base(v: &Value) -> Option<Base> {
    let hook = match v["hook"].as_str()? {
        "ingress" => Hook::Ingress,
        "prerouting" => Hook::Prerouting,
        "input" => Hook::Input,
        "output" => Hook::Output,
        "postrouting" => Hook::Postrouting,
        _ => Hook::Other,
    };
    Some(Base {
        hook,
        priority: v["prio"].as_i64().unwrap_or(0),
        nat: v["type"] == "nat",
        drops: v["policy"] == "drop",
        devices: strings(&v["dev"]).iter().map(|d| (*d).to_owned()).collect(),
    })
}

fn set(v: &Value, map: bool) -> Set {
    let named = |t: &Value| strings(t).iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    let types = named(&v["type"]);
    let values = map && word(&v["map"]) != "verdict";
    let elements = list(&v["elem"]).iter().map(|e| element(e, types.len(), map && !values)).collect();
    // What a set of rules changes as packets come (a dynamic set) is as it was read.
    Set { name: word(&v["name"]).into(), elements, opaque: types.is_empty() }
}

/// An element of a set, or `[element, verdict]` of a map.
fn element(v: &Value, width: usize, map: bool) -> Element {
    if let (true, [key, data]) = (map, list(v)) {
        return Element { verdict: Some(verdict(data).unwrap_or(Verdict::Queue)), ..element(key, width, false) };
    }
    let v = v.get("elem").map_or(v, |e| e.get("val").unwrap_or(e));
    if let Some(parts) = v.get("concat") {
        return Element { items: list(parts).iter().map(item).collect(), verdict: None, but: false };
    }
    let items = if *v == "*" { vec![Item::Any; width.max(1)] } else { vec![item(v)] };
    Element { items, verdict: None, but: false }
}

fn item(v: &Value) -> Item {
    if let Some(n) = v.as_u64() {
        return Item::number(u128::from(n));
    }
    if let Some(text) = v.as_str() {
        if let Some((item, _)) = Item::address(text) {
            return item;
        }
        return Item::Name(text.to_owned());
    }
    if let Some(e) = v.get("elem") {
        return item(e.get("val").unwrap_or(e));
    }
    if let Some(p) = v.get("prefix") {
        let text = format!("{}/{}", word(&p["addr"]), p["len"]);
        return Item::address(&text).map_or(Item::Opaque, |(i, _)| i);
    }
    if let [low, high] = list(&v["range"])
        && let (Item::Span(low, _), Item::Span(_, high)) = (item(low), item(high))
    {
        return Item::Span(low, high);
    }
    Item::Opaque
}

/// What a test looks at, or what of it is not understood.
fn fields(v: &Value) -> Option<Vec<Field>> {
    if let Some(all) = v.get("concat") {
        let all: Option<Vec<Vec<Field>>> = list(all).iter().map(fields).collect();
        return all.map(|v| v.into_iter().flatten().collect());
    }
    if let [left, mask] = list(&v["&"]) {
        let mut inner = fields(left)?;
        let [f] = inner.as_mut_slice() else { return None };
        f.mask = Some(bits(mask)?);
        return Some(inner);
    }
    let key = if let Some(p) = v.get("payload") {
        match (word(&p["protocol"]), word(&p["field"])) {
            ("ip", "saddr") => Key::From4,
            ("ip", "daddr") => Key::To4,
            ("ip6", "saddr") => Key::From6,
            ("ip6", "daddr") => Key::To6,
            ("ip", "protocol") => Key::Protocol4,
            ("ip6", "nexthdr") => Key::Protocol6,
            ("tcp" | "th", "sport") => Key::Sport,
            ("tcp" | "th", "dport") => Key::Dport,
            ("tcp", "flags") => Key::Flags,
            ("ip", "frag-off") => Key::Fragment,
            _ => return None,
        }
    } else if let Some(m) = v.get("meta") {
        match word(&m["key"]) {
            "iif" | "iifname" => Key::Iif,
            "oif" | "oifname" => Key::Oif,
            "l4proto" => Key::Protocol,
            "nfproto" | "protocol" => Key::Version,
            "mark" => Key::Mark,
            "pkttype" => Key::PacketType,
            _ => return None,
        }
    } else if let Some(c) = v.get("ct") {
        match word(&c["key"]) {
            "state" => Key::State,
            "status" => Key::Status,
            "direction" => Key::Direction,
            "mark" => Key::ConnMark,
            _ => return None,
        }
    } else if let Some(f) = v.get("fib") {
        match (word(&f["result"]), strings(&f["flags"]).first()) {
            ("type", Some(&"daddr")) => Key::ToType,
            ("type", Some(&"saddr")) => Key::FromType,
            _ => return None,
        }
    } else {
        return None;
    };
    Some(vec![key.into()])
}

/// A number, or names of TCP's flags.
fn bits(v: &Value) -> Option<u128> {
    if let Some(n) = v.as_u64() {
        return Some(u128::from(n));
    }
    let names = v.get("|").map_or_else(|| strings(v), strings);
    if names.is_empty() {
        return None;
    }
    names.iter().map(|n| flag(n)).try_fold(0, |all, one| Some(all | one?))
}

/// A flag of TCP.
pub(super) fn flag(name: &str) -> Option<u128> {
    let all = ["fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"];
    all.iter().position(|f| f.eq_ignore_ascii_case(name)).map(|bit| 1 << bit)
}

/// Whether it is of another protocol than TCP: a rule for udp's ports is none for ours.
fn foreign(v: &Value) -> bool {
    if let Some(all) = v.get("concat") {
        return list(all).iter().any(foreign);
    }
    if let [left, _] = list(&v["&"]) {
        return foreign(left);
    }
    // Extension headers of IPv6: no client's TCP has them.
    if v["exthdr"].get("field").is_some() {
        return true;
    }
    v.get("payload")
        .is_some_and(|p| !matches!(word(&p["protocol"]), "ip" | "ip6" | "tcp" | "th" | "ether" | "vlan" | ""))
}

/// A statement, with the test that nft leaves out where the statement implies it: an answer of ICMPv6 is for IPv6.
///
/// nft 1.0.6 leaves out `meta nfproto` before `reject with tcp reset`, too, which implies nothing: that rule is taken to be
/// for both, as it is printed.
fn parts(v: &Value) -> Vec<Part> {
    let version = match v["reject"]["type"].as_str() {
        Some("icmp") => Some(4),
        Some("icmpv6") => Some(6),
        _ => None,
    };
    let implied = version.map(|n| {
        let values = Values::List(vec![Element::one(Item::number(n))]);
        Part::Test(Test::Within { fields: vec![Key::Version.into()], values, negated: false })
    });
    implied.into_iter().chain([part(v)]).collect()
}

fn part(v: &Value) -> Part {
    let Some((kind, body)) = v.as_object().and_then(|m| m.iter().next()) else {
        return Part::Opaque(v.to_string());
    };
    if let Some(verdict) = verdict(v) {
        return Part::Verdict(verdict);
    }
    match kind.as_str() {
        "match" => Part::Test(test(body)),
        "counter" | "log" | "comment" | "last" | "secmark" | "flow" | "dup" => Part::Test(Test::Always),
        "limit" => Part::Test(Test::Rate { usually: body["inv"] != true, text: "limit".into() }),
        "ct count" => Part::Test(Test::Rate { usually: body["inv"] != true, text: "ct count".into() }),
        "quota" => Part::Test(Test::Rate { usually: body["inv"] != true, text: "quota".into() }),
        "set" | "meter" => metered(body),
        "vmap" => map(body),
        "mangle" => mangle(body),
        "notrack" => Part::Notrack,
        "dnat" | "redirect" => nat(body),
        "masquerade" | "snat" => Part::Verdict(Verdict::Accept),
        "ct helper" | "ct timeout" | "ct expectation" => Part::Test(Test::Always),
        "xt" if body["type"] == "match" && body["name"] == "comment" => Part::Test(Test::Always),
        _ => Part::Opaque(kind.clone()),
    }
}

/// A set that rules fill: with a limit for each element, whether that is kept decides.
fn metered(body: &Value) -> Part {
    let inner = match &body["stmt"] {
        Value::Array(a) => a.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    };
    let limit = inner.iter().map(part).find(|p| matches!(p, Part::Test(Test::Rate { .. })));
    match limit {
        Some(p) => p,
        // It fails only where the set is full.
        None => Part::Test(Test::Always),
    }
}

fn map(body: &Value) -> Part {
    let Some(fields) = fields(&body["key"]) else { return Part::Opaque("vmap".into()) };
    match &body["data"] {
        Value::String(name) => Part::Map(fields, Values::Named(name.trim_start_matches('@').into())),
        data => {
            let width = fields.len();
            Part::Map(fields, Values::List(list(&data["set"]).iter().map(|e| element(e, width, true)).collect()))
        }
    }
}

fn mangle(body: &Value) -> Part {
    let key = &body["key"];
    match (word(&key["meta"]["key"]), word(&key["ct"]["key"])) {
        ("mark", _) => Part::Mark(body["value"].as_u64().map(u128::from)),
        (_, "mark") => Part::ConnMark,
        ("priority" | "nftrace", _) | (_, "label" | "zone") => Part::Test(Test::Always),
        _ if key.get("payload").is_some() && !word(&key["payload"]["field"]).ends_with("addr") => {
            // A hop limit, a service class: nothing that is asked for here.
            if word(&key["payload"]["field"]).ends_with("port") {
                Part::Opaque("mangle".into())
            } else {
                Part::Test(Test::Always)
            }
        }
        _ if key.get("tcp option").is_some() => Part::Test(Test::Always),
        _ => Part::Opaque("mangle".into()),
    }
}

fn nat(body: &Value) -> Part {
    let to = match &body["addr"] {
        Value::Null => None,
        v => match item(v) {
            Item::Span(low, high) => {
                let v6 = v.to_string().contains(':');
                Some((super::model::address(low, v6), super::model::address(high, v6)))
            }
            _ => return Part::Opaque("nat".into()),
        },
    };
    let port = match &body["port"] {
        Value::Null => Port::Same,
        v => v.as_u64().and_then(|n| u16::try_from(n).ok()).map_or(Port::Unknown, Port::Is),
    };
    Part::Nat { to, port }
}

fn verdict(v: &Value) -> Option<Verdict> {
    let (kind, body) = match v {
        Value::Object(m) => m.iter().next()?,
        _ => return None,
    };
    Some(match kind.as_str() {
        "accept" => Verdict::Accept,
        "drop" => Verdict::Drop,
        "return" => Verdict::Return,
        "continue" => Verdict::Continue,
        "jump" => Verdict::Jump(word(&body["target"]).into()),
        "goto" => Verdict::Goto(word(&body["target"]).into()),
        "queue" => Verdict::Queue,
        "reject" => {
            let expr = word(&body["expr"]);
            let expr = if expr.is_empty() { "port-unreachable" } else { expr };
            match word(&body["type"]) {
                "tcp reset" => Verdict::Reject("tcp reset".into()),
                "" => Verdict::Reject("icmpx port-unreachable".into()),
                kind => Verdict::Reject(format!("{kind} {expr}")),
            }
        }
        _ => return None,
    })
}

fn test(body: &Value) -> Test {
    let left = &body["left"];
    if foreign(left) {
        return Test::Never;
    }
    let op = word(&body["op"]);
    // A packet whose sender is reached by another way than it came is dropped: a client's is not.
    if word(&left["fib"]["result"]) == "oif" && body["right"] == false {
        return if op == "!=" { Test::Always } else { Test::Never };
    }
    let Some(mut fields) = fields(left) else { return Test::Opaque(opaque(left)) };
    let right = &body["right"];
    let negated = op == "!=";
    let within = |values| Test::Within { fields: fields.clone(), values, negated };
    // Any of these bits.
    if let ([f], true) = (fields.as_slice(), op == "in")
        && f.key == Key::Flags
    {
        let Some(mask) = bits(right) else { return Test::Opaque(opaque(left)) };
        fields[0].mask = Some(mask);
        return Test::Within { fields, values: Values::List(vec![Element::one(Item::number(0))]), negated: true };
    }
    if let [f] = fields.as_slice()
        && f.key == Key::Flags
        && let Some(n) = bits(right)
    {
        return within(Values::List(vec![Element::one(Item::number(n))]));
    }
    if let Some(name) = right.as_str().and_then(|s| s.strip_prefix('@')) {
        return within(Values::Named(name.to_owned()));
    }
    let edge = |span: fn(u128) -> Item| match item(right) {
        Item::Span(n, _) => {
            Test::Within { fields: fields.clone(), values: Values::List(vec![Element::one(span(n))]), negated: false }
        }
        _ => Test::Opaque(opaque(left)),
    };
    match op {
        "<" => return edge(|n| Item::Span(0, n.saturating_sub(1))),
        "<=" => return edge(|n| Item::Span(0, n)),
        ">" => return edge(|n| Item::Span(n.saturating_add(1), u128::MAX)),
        ">=" => return edge(|n| Item::Span(n, u128::MAX)),
        "==" | "!=" | "in" => {}
        _ => return Test::Opaque(opaque(left)),
    }
    let elements = match right {
        Value::Array(all) => all.iter().map(|e| element(e, 1, false)).collect(),
        v => match v.get("set") {
            Some(Value::Array(all)) => all.iter().map(|e| element(e, fields.len(), false)).collect(),
            Some(one) => vec![element(one, fields.len(), false)],
            None => vec![element(v, fields.len(), false)],
        },
    };
    within(Values::List(elements))
}

/// What is not understood, in a few words.
fn opaque(left: &Value) -> String {
    let body = left.as_object().and_then(|m| m.iter().next());
    match body {
        Some((kind, b)) if kind == "payload" => format!("{} {}", word(&b["protocol"]), word(&b["field"])),
        Some((kind, b)) if b.get("key").is_some() => format!("{kind} {}", word(&b["key"])),
        Some((kind, _)) => kind.clone(),
        None => left.to_string(),
    }
}
