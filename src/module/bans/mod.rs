//! `bans`: nothing on the host has banned the client.

use std::net::IpAddr;

use jiff::civil::DateTime;
use serde_json::{Map, Value, json};

use super::{Decision, Field, Halt, Module, Param, Params, Spec, Ty};
use crate::payload::sh_quote;
use crate::plan::{Change, CommandChange, Resource, View, first_line};
use crate::target::frame::Status;

/// Tools that ban whoever fails to log in.
pub struct Bans;

static SPEC: Spec = Spec {
    name: "bans",
    summary: "No tool on the host has banned the client: fail2ban (in any jail), sshguard, crowdsec, csf, denyhosts. Each is asked by its own program; the rules that it made are not touched. The repair unbans this one address. fail2ban is run against the real one; of crowdsec and csf only recorded output was read, **not the real tool**, and of sshguard its nft set alone.",
    scalar: Some("client"),
    params: &[
        Param { name: "client", ty: Ty::Str, required: true, help: "the address, as the host sees it" },
        Param {
            name: "ignore",
            ty: Ty::Bool,
            required: false,
            help: "true: fail2ban is told never to ban it again, until it is restarted",
        },
    ],
    fields: &[
        Field {
            name: "bans",
            help: "those that are about the client: a list of {tool, jail, address, minutes}; minutes is null where it is not known, or for good",
        },
        Field { name: "tools", help: "the tools that could be asked: a list" },
    ],
    reads: "rules",
    writes: "rules",
    open: false,
};

/// A ban of the client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Ban {
    tool: &'static str,
    /// fail2ban's jail; crowdsec's reason.
    jail: String,
    /// What is banned: the address, or a network that it is in.
    address: String,
    minutes: Option<i64>,
    /// What takes away a rule that fail2ban has left and does not know of (any more), and what puts it back.
    left: Option<(String, String)>,
    /// … since it does not run.
    dead: bool,
}

impl Module for Bans {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn lint(&self, p: &Map<String, Value>) -> Vec<(&'static str, String, String)> {
        let bad = p.get("client").and_then(Value::as_str).filter(|t| !t.contains("{{") && t.parse::<IpAddr>().is_err());
        bad.map(|w| ("client", format!("\"{w}\" is no address"), "like: client: 192.0.2.7".to_owned()))
            .into_iter()
            .collect()
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        let client = p.text("client");
        let Ok(address) = client.parse::<IpAddr>() else {
            return Err(Halt::error("client", format!("\"{client}\" is no address")));
        };
        let quoted = sh_quote(client).ok_or_else(|| Halt::unknown("an address with a NUL"))?;
        let probe = crate::target::squeeze(include_str!("probe.sh"));
        // Never ahead of a `when`: a client that gets its answer is not banned, and this costs nothing then.
        let a = view.script(&format!("bans of {quoted}"), &format!("c={quoted}\n{probe}"), true, &[Resource::Rules])?;
        if a.status != Status::Exit(0) {
            return Err(Halt::unknown(format!("the tools that ban cannot be asked: {}", first_line(&a.stderr))));
        }
        let out = String::from_utf8_lossy(&a.stdout).into_owned();
        let (bans, tools) = (read(&out, address), tools(&out));
        if bans.is_empty() && !view.facts()?.root && !tools.is_empty() {
            return Err(view.takes_root(format!("{} tells only root whom it has banned", tools.join(", "))));
        }
        if bans.is_empty() && out.lines().any(|l| l == "silent fail2ban") {
            return Err(Halt::Unknown {
                why: "fail2ban runs and does not answer, so whom it has banned is not known".into(),
                hint: Some("systemctl restart fail2ban, and again".into()),
            });
        }
        let evidence = match bans.as_slice() {
            [] if tools.is_empty() => "no tool that bans is on this host".to_owned(),
            [] => format!("{} has not banned {client}", tools.join(", ")),
            all => all.iter().map(|b| b.says(client)).collect::<Vec<_>>().join("; "),
        };
        let value = |b: &Ban| json!({"tool": b.tool, "jail": b.jail, "address": b.address, "minutes": b.minutes});
        let decision = Decision::new(bans.is_empty(), evidence)
            .with("bans", bans.iter().map(value).collect::<Vec<_>>())
            .with("tools", json!(tools));
        if !view.wants_changes() {
            return Ok(decision);
        }
        let mut changes = Vec::new();
        for ban in &bans {
            changes.push(Change::Command(ban.lifted()?));
            changes.extend(ban.ignored(client).filter(|_| p.is("ignore")).map(Change::Command));
        }
        Ok(decision.changing(changes))
    }
}

impl Ban {
    fn says(&self, client: &str) -> String {
        if let Some((sh, _)) = &self.left {
            let why = if self.dead { "fail2ban is not running" } else { "fail2ban does not know of it" };
            return format!("{why}, and a rule that it left still keeps {client} out ({sh} takes it away)");
        }
        let whom =
            if self.address == client { client.to_owned() } else { format!("{}, where {client} is", self.address) };
        let left = match self.minutes {
            Some(0) => ", less than a minute left".to_owned(),
            Some(n) => format!(", {n} min left"),
            None => String::new(),
        };
        let jail = match (self.tool, self.jail.is_empty()) {
            (_, true) => String::new(),
            ("fail2ban", _) => format!("jail {}", self.jail),
            _ => self.jail.clone(),
        };
        let more = format!("{jail}{left}");
        let more = more.trim_start_matches(", ");
        if more.is_empty() {
            format!("{} has banned {whom}", self.tool)
        } else {
            format!("{} has banned {whom} ({more})", self.tool)
        }
    }

    /// What takes the ban away, and nothing else.
    fn lifted(&self) -> Result<CommandChange, Halt> {
        let (a, jail) = (&self.address, &self.jail);
        let person = |todo: String| Halt::Person { why: self.says(a), todo, param: None };
        if a.parse::<IpAddr>().is_err() {
            return Err(person(format!("others are in {a}, too: lift it with {} if that is meant", self.tool)));
        }
        if let Some((sh, undo)) = &self.left {
            return Ok(command(sh, undo));
        }
        let (sh, undo) = match self.tool {
            "fail2ban" => {
                let of = |verb: &str| format!("fail2ban-client set {jail} {verb} {a}");
                (of("unbanip"), of("banip"))
            }
            "sshguard" => {
                let family = if a.contains(':') { "ip6" } else { "ip" };
                let of = |verb: &str| format!("nft {verb} element {family} sshguard attackers '{{ {a} }}'");
                (of("delete"), of("add"))
            }
            "crowdsec" => {
                let time = self.minutes.map(|m| format!(" --duration {}m", m.max(1))).unwrap_or_default();
                (format!("cscli decisions delete --ip {a}"), format!("cscli decisions add --ip {a}{time}"))
            }
            // A ban for a time, or one of csf.deny.
            "csf" => {
                let again = self.minutes.map_or(format!("csf -d {a}"), |m| format!("csf -td {a} {}", m.max(1) * 60));
                (format!("csf -tr {a}; csf -dr {a}"), again)
            }
            _ => {
                let files = "/etc/hosts.deny and the files of /var/lib/denyhosts";
                return Err(person(format!("stop denyhosts, take {a} out of {files}, and start it again")));
            }
        };
        let mut change = command(&sh, &undo);
        // Of these the time that was left can be given again.
        if !matches!(self.tool, "crowdsec" | "csf") {
            change.notes.push("an undo bans anew, for as long as the tool bans".into());
        }
        Ok(change)
    }

    /// What keeps fail2ban from doing it again.
    fn ignored(&self, client: &str) -> Option<CommandChange> {
        let of = |verb: &str| format!("fail2ban-client set {} {verb} {client}", self.jail);
        let mut change = (self.tool == "fail2ban" && self.left.is_none())
            .then(|| command(&of("addignoreip"), &of("delignoreip")))?;
        change.notes.push("until fail2ban is restarted; for good: ignoreip in /etc/fail2ban/jail.local".into());
        Some(change)
    }
}

fn command(sh: &str, undo: &str) -> CommandChange {
    let with_path = |sh: &str| format!("PATH=$PATH:/usr/sbin:/sbin:/usr/local/bin\n{sh}");
    CommandChange::new(with_path(sh), sh).undone_by(Some(with_path(undo))).writing(vec![Resource::Rules]).by_root()
}

/// A word that a shell takes for nothing else.
fn plain(word: &str) -> bool {
    !word.is_empty() && !word.starts_with('-') && word.chars().all(|c| c.is_ascii_alphanumeric() || "._-:/".contains(c))
}

fn is_about(entry: &str, client: IpAddr) -> bool {
    entry.parse() == Ok(client) || (entry.contains('/') && super::login::within(entry, client))
}

fn tools(out: &str) -> Vec<&str> {
    let mut all: Vec<&str> = Vec::new();
    for tool in ["fail2ban", "sshguard", "crowdsec", "csf", "denyhosts"] {
        if out.lines().any(|l| l.split(' ').next() == Some(tool)) {
            all.push(tool);
        }
    }
    all
}

fn read(out: &str, client: IpAddr) -> Vec<Ban> {
    let mut now = None;
    let mut bans: Vec<Ban> = Vec::new();
    for line in out.lines() {
        let (tool, rest) = line.split_once(' ').unwrap_or((line, ""));
        let found = match tool {
            "now" => {
                now = time(rest);
                None
            }
            "fail2ban" => fail2ban(rest, now),
            "sshguard" => {
                let items = rest.split([' ', ',', '\t']).filter(|w| !w.is_empty());
                let hit = items.skip(1).find(|w| is_about(w, client));
                hit.map(|a| Ban { tool: "sshguard", address: a.to_owned(), ..Ban::default() })
            }
            "crowdsec" => crowdsec(rest),
            "csf" => csf(rest, client),
            "denyhosts" => {
                let word = rest.split([' ', '\t', ',']).find(|w| w.parse() == Ok(client));
                word.map(|a| Ban { tool: "denyhosts", address: a.to_owned(), ..Ban::default() })
            }
            _ => None,
        };
        let found = found
            .filter(|b| is_about(&b.address, client) && plain(&b.address) && (b.tool != "fail2ban" || plain(&b.jail)));
        bans.extend(
            found
                .filter(|b| !bans.iter().any(|x| (x.tool, &x.jail, &x.address) == (b.tool, &b.jail, &b.address)))
                .into_iter()
                .collect::<Vec<_>>(),
        );
    }
    // What fail2ban itself can lift, it lifts.
    if bans.iter().all(|b| b.tool != "fail2ban") {
        let dead = out.lines().any(|l| l == "dead fail2ban") || !out.lines().any(|l| l.starts_with("fail2ban "));
        let stale = out.lines().filter_map(|l| stale(l.strip_prefix("stale ")?, client, dead));
        bans.extend(stale.collect::<Vec<_>>());
    }
    bans
}

/// A rule of fail2ban's: `iptables f2b-sshd -s ADDRESS/32 -j REJECT …`, `nft inet f2b-table SET`, `ipset SET`.
fn stale(rest: &str, client: IpAddr, dead: bool) -> Option<Ban> {
    let safe = |t: &str| t.chars().all(|c| c.is_ascii_alphanumeric() || " ._:/,-".contains(c));
    let (tool, rest) = rest.split_once(' ').filter(|(tool, rest)| safe(tool) && safe(rest))?;
    let left = match tool {
        "nft" => {
            let of = |verb: &str| format!("nft {verb} element {rest} '{{ {client} }}'");
            (of("delete"), of("add"))
        }
        "ipset" => (format!("ipset del {rest} {client}"), format!("ipset add {rest} {client}")),
        _ => {
            let (chain, rule) = rest.split_once(' ')?;
            (format!("{tool} -w -D {chain} {rule}"), format!("{tool} -w -I {chain} {rule}"))
        }
    };
    Some(Ban { tool: "fail2ban", address: client.to_string(), left: Some(left), dead, ..Ban::default() })
}

fn time(text: &str) -> Option<DateTime> {
    DateTime::strptime("%Y-%m-%d %H:%M:%S", text.trim()).ok()
}

/// `JAIL ADDRESS \tBEGIN + SECONDS = END` (fail2ban-client, get JAIL banip --with-time); the address alone before 0.11.
fn fail2ban(rest: &str, now: Option<DateTime>) -> Option<Ban> {
    let (jail, rest) = rest.split_once(' ')?;
    let address = rest.split_whitespace().next()?.to_owned();
    let end = rest.rsplit_once(" = ").and_then(|(_, end)| time(end));
    let minutes = now.zip(end).and_then(|(now, end)| {
        let seconds = end.duration_since(now).as_secs();
        // A ban for good ends in the year 9999.
        (0..100 * 365 * 86_400).contains(&seconds).then_some(seconds / 60)
    });
    Some(Ban { tool: "fail2ban", jail: jail.to_owned(), address, minutes, ..Ban::default() })
}

/// A row of `cscli decisions list`: ID, source, scope:value, reason, action, country, AS, events, expiration, alert.
fn crowdsec(row: &str) -> Option<Ban> {
    let cells: Vec<&str> = row.split(['|', '│']).map(str::trim).filter(|c| !c.is_empty()).collect();
    let (_, address) = cells.get(2)?.split_once(':')?;
    let left = cells.iter().rev().nth(1).copied().unwrap_or_default();
    let hours = left.split_once('h').and_then(|(h, _)| h.parse::<i64>().ok()).unwrap_or(0);
    let rest = left.split_once('h').map_or(left, |(_, r)| r);
    let minutes = rest.split_once('m').and_then(|(m, _)| m.parse::<i64>().ok());
    let minutes = minutes.map(|m| hours * 60 + m).or((hours > 0).then_some(hours * 60));
    Some(Ban {
        tool: "crowdsec",
        jail: (*cells.get(3)?).to_owned(),
        address: address.to_owned(),
        minutes,
        ..Ban::default()
    })
}

/// `csf.deny: ADDRESS # why`, or `Temporary Blocks: IP:ADDRESS Port: Dir:in TTL:SECONDS (why)`.
fn csf(line: &str, client: IpAddr) -> Option<Ban> {
    let of = |text: &str| {
        let word = text.split_whitespace().next()?.trim_start_matches("IP:");
        is_about(word, client).then(|| word.to_owned())
    };
    if let Some(rest) = line.trim().strip_prefix("csf.deny:") {
        return Some(Ban { tool: "csf", address: of(rest)?, ..Ban::default() });
    }
    let rest = line.trim().strip_prefix("Temporary Blocks:")?;
    let ttl = rest.split_once("TTL:").and_then(|(_, t)| t.split_whitespace().next()?.parse::<i64>().ok());
    Some(Ban { tool: "csf", address: of(rest)?, minutes: ttl.map(|s| s / 60), ..Ban::default() })
}

#[cfg(test)]
mod tests {
    use super::super::canned::Canned;
    use super::*;

    fn decide(out: &'static str, params: Value) -> Decision {
        Canned::new(move |_| (0, out.into())).decide(&Bans, &params).unwrap()
    }
    fn shown(d: &Decision) -> Vec<(String, String)> {
        let both = |c: &Change| match c {
            Change::Command(c) => {
                let undo = c.undo.clone().unwrap_or_default();
                (c.shown.clone(), undo.lines().last().unwrap_or_default().to_owned())
            }
            _ => panic!(),
        };
        d.changes.iter().map(both).collect()
    }

    const FAIL2BAN: &str = "now 2026-11-25 20:12:30\nfail2ban sshd 10.77.0.1 \t2026-11-25 20:09:55 + 600 = 2026-11-25 20:19:55\n\
        fail2ban sshd fd00:77::1 \t2026-11-25 20:09:55 + 600 = 2026-11-25 20:19:55\nfail2ban recidive 10.88.0.0/16 \t2026-11-25 20:09:55 + -1 = 9999-12-31 23:59:59\n";

    #[test]
    fn fail2ban_and_its_jails() {
        let d = decide(FAIL2BAN, json!({"client": "10.77.0.1"}));
        assert_eq!(d.evidence, "fail2ban has banned 10.77.0.1 (jail sshd, 7 min left)");
        let undo = "fail2ban-client set sshd banip 10.77.0.1".to_owned();
        assert_eq!(shown(&d), [("fail2ban-client set sshd unbanip 10.77.0.1".into(), undo)]);
        // Others are in that network: it is for a person to open it.
        let net = Canned::new(|_| (0, FAIL2BAN.into())).decide(&Bans, &json!({"client": "10.88.3.4"}));
        assert!(matches!(net, Err(Halt::Person { todo, .. }) if todo.starts_with("others are in 10.88.0.0/16, too")));
        let d = decide(FAIL2BAN, json!({"client": "fd00:77::1", "ignore": true}));
        let titles: Vec<String> = shown(&d).into_iter().map(|s| s.0).collect();
        let ignored = "fail2ban-client set sshd addignoreip fd00:77::1";
        assert_eq!(titles, ["fail2ban-client set sshd unbanip fd00:77::1", ignored]);
        let d = decide(FAIL2BAN, json!({"client": "192.0.2.7"}));
        assert_eq!((d.ok, d.evidence.as_str()), (true, "fail2ban has not banned 192.0.2.7"));
        assert_eq!(decide("now x\n", json!({"client": "192.0.2.7"})).evidence, "no tool that bans is on this host");
    }

    /// As docs.crowdsec.net shows it, with an address filled in.
    const CROWDSEC: &str = "crowdsec | ID | SOURCE | SCOPE:VALUE | REASON | ACTION | COUNTRY | AS | EVENTS | EXPIRATION | ALERT ID |\n\
        crowdsec | 276009 | crowdsec | Ip:192.0.2.7 | crowdsecurity/ssh-bf | ban | CN | Some Net | 7 | 1h2m53.949221341s | 33459 |\n";

    #[test]
    fn others_by_what_they_print() {
        let d = decide(CROWDSEC, json!({"client": "192.0.2.7"}));
        assert_eq!(d.evidence, "crowdsec has banned 192.0.2.7 (crowdsecurity/ssh-bf, 62 min left)");
        let again = "cscli decisions add --ip 192.0.2.7 --duration 62m".to_owned();
        assert_eq!(shown(&d), [("cscli decisions delete --ip 192.0.2.7".into(), again)]);
        let d = decide(
            "csf Chain num pkts\ncsf csf.deny: 192.0.2.7 # lfd: (sshd) Failed SSH login\n",
            json!({"client": "192.0.2.7"}),
        );
        assert_eq!(
            (d.evidence.as_str(), shown(&d)[0].0.as_str()),
            ("csf has banned 192.0.2.7", "csf -tr 192.0.2.7; csf -dr 192.0.2.7")
        );
        let d =
            decide("csf Temporary Blocks: IP:192.0.2.7 Port: Dir:in TTL:3600 (lfd)\n", json!({"client": "192.0.2.7"}));
        assert_eq!(d.evidence, "csf has banned 192.0.2.7 (60 min left)");
        // A ban for a time does not come back as one for good.
        assert_eq!(shown(&d)[0].1, "csf -td 192.0.2.7 3600");
        let d = decide("sshguard ip  192.0.2.7, 198.51.100.0/24 \n", json!({"client": "192.0.2.7"}));
        assert_eq!(d.evidence, "sshguard has banned 192.0.2.7");
        assert_eq!(shown(&d)[0].0, "nft delete element ip sshguard attackers '{ 192.0.2.7 }'");
        let denyhosts =
            Canned::new(|_| (0, "denyhosts 3:sshd: 192.0.2.7\n".into())).decide(&Bans, &json!({"client": "192.0.2.7"}));
        assert!(matches!(denyhosts, Err(Halt::Person { .. })));
    }

    #[test]
    fn what_a_dead_fail2ban_left_goes_by_itself() {
        let rule = "f2b-sshd -s 192.0.2.7/32 -j REJECT --reject-with icmp-port-unreachable";
        let out: &'static str =
            Box::leak(format!("now x\ndead fail2ban\nstale iptables-nft {rule}\n").into_boxed_str());
        let d = decide(out, json!({"client": "192.0.2.7"}));
        assert!(d.evidence.starts_with("fail2ban is not running, and a rule that it left still keeps 192.0.2.7 out"));
        assert_eq!(shown(&d), [(format!("iptables-nft -w -D {rule}"), format!("iptables-nft -w -I {rule}"))]);
        let nft = decide("dead fail2ban\nstale nft inet f2b-table addr-set-sshd\n", json!({"client": "192.0.2.7"}));
        assert_eq!(shown(&nft)[0].0, "nft delete element inet f2b-table addr-set-sshd '{ 192.0.2.7 }'");
        let set = decide("dead fail2ban\nstale ipset f2b-sshd\n", json!({"client": "192.0.2.7"}));
        assert_eq!(shown(&set)[0].0, "ipset del f2b-sshd 192.0.2.7");
        // One that runs, and has it in its list, lifts it.
        let live =
            "now 2026-11-25 20:12:30\nfail2ban sshd 192.0.2.7 \nstale iptables f2b-sshd -s 192.0.2.7/32 -j DROP\n";
        assert_eq!(
            shown(&decide(live, json!({"client": "192.0.2.7"})))[0].0,
            "fail2ban-client set sshd unbanip 192.0.2.7"
        );
        assert!(decide("stale iptables f2b-sshd -s 192.0.2.7 $(x)\n", json!({"client": "192.0.2.7"})).ok);
    }

    #[test]
    fn names_that_a_shell_would_read_are_none() {
        let d = decide("fail2ban $(x) 192.0.2.7\nfail2ban sshd 192.0.2.7;x\n", json!({"client": "192.0.2.7"}));
        assert!(d.ok && d.changes.is_empty());
    }
}
