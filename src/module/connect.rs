//! `connect`: does a TCP connection come about, and what does the other side say first.

use std::time::Duration;

use serde_json::json;

use super::{Decision, Field, Halt, Module, Param, Params, Rule, Spec, Ty};
use crate::channel::net::{Family, Knock, Outcome, seen_as};
use crate::plan::View;

/// A TCP connection.
pub struct Connect;

static SPEC: Spec = Spec {
    name: "connect",
    summary: "Connects from the controller, by way of what ssh itself would go through (ProxyJump, ProxyCommand), and tells refused, timed out, unreachable, closed before the banner, silent and open apart, for each address.",
    scalar: Some("port"),
    params: &[
        Param {
            name: "port",
            ty: Ty::Port,
            required: false,
            help: "TCP port; the target's ssh port, else 22, unless said otherwise",
        },
        Param {
            name: "host",
            ty: Ty::Str,
            required: false,
            help: "name or address; the target's unless said otherwise",
        },
        Param { name: "banner", ty: Ty::Str, required: false, help: "what the first line must start with" },
        Param { name: "family", ty: Ty::OneOf(&["ipv4", "ipv6"]), required: false, help: "only this family" },
        Param {
            name: "direct",
            ty: Ty::Bool,
            required: false,
            help: "true: from here to the address itself, whatever ssh goes through (ProxyJump, ProxyCommand)",
        },
        Param {
            name: "timeout",
            ty: Ty::Duration,
            required: false,
            help: "for connecting, and again for the banner; 5s, and 12s for the banner",
        },
        Param {
            name: "patience",
            ty: Ty::Duration,
            required: false,
            help: "for the banner alone: what never says a word is told sooner",
        },
    ],
    fields: &[
        Field {
            name: "kind",
            help: "the worst of all addresses: open, refused, timed-out, unreachable, closed, silent, wrong-banner, unanswered (beyond a proxy: silent or timed out, nobody says which), other",
        },
        Field { name: "banner", help: "the first line that the other side said, or null" },
        Field {
            name: "addresses",
            help: "a list of {address, family, kind, banner, from}; family: null for a name that is resolved beyond a proxy; from: our own address there",
        },
        Field {
            name: "from",
            help: "our own address on the way to the worst one, as the host sees it where nothing in between translates addresses; empty beyond a proxy, from a private address to a public one, and on the host itself",
        },
        Field { name: "port", help: "the port that was tried" },
    ],
    reads: "socket:*, rules, cloud",
    writes: "",
    open: false,
};

/// Before its first line sshd with TCP wrappers, and one with `UseDNS`, asks for the name of the client: a server that does not
/// answer costs it two tries of five seconds (resolv.conf(5)).
const BANNER: Duration = Duration::from_secs(12);

impl Module for Connect {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn rules(&self) -> &'static [Rule] {
        &[Rule::Not("direct", &["host"])]
    }
    fn destinations(&self) -> &'static [&'static str] {
        &["host", "port"]
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        let place = view.place();
        if !place.live {
            return Err(Halt::Skipped("not tested from outside: this is an offline disk".into()));
        }
        let hosts = match (p.str("host"), &place.address) {
            (Some(h), _) => vec![h.to_owned()],
            (None, Some(a)) => vec![a.clone()],
            (None, None) if place.here => Vec::new(),
            (None, None) => return Err(Halt::Skipped("no address of the target is known (give --address)".into())),
        };
        let port = p.port("port").or(place.port).unwrap_or(22);
        let family = match p.str("family") {
            Some("ipv4") => Some(Family::Ipv4),
            Some(_) => Some(Family::Ipv6),
            None => None,
        };
        let timeout = p.duration("timeout");
        let banner = p.has("banner").then(|| p.duration("patience").or(timeout).unwrap_or(BANNER));
        let timeout = timeout.unwrap_or(Duration::from_secs(5));
        // A host that the step names is not where ssh goes.
        let proxy = place.proxy.clone().filter(|_| !p.has("host") && !p.is("direct"));
        let by = proxy.as_ref().map(|p| format!(" by way of {}", p.name)).unwrap_or_default();
        let knock = Knock { hosts, port, family, banner, timeout, proxy, salt: view.salt() };
        let found = view.knock(knock)?;
        if found.is_empty() {
            return Err(Halt::unknown("no address to connect to"));
        }
        // What speaks only when it is spoken to says nothing there, either.
        if banner.is_none()
            && let Some(k) = found.iter().find(|k| matches!(k.outcome, Outcome::Unanswered(_)))
        {
            return Err(Halt::unknown(format!("{} port {port}{by}: {}", show(&k.to), words(&k.outcome, None).2)));
        }
        let rows: Vec<(String, &'static str, Option<String>, String)> = found
            .iter()
            .map(|k| {
                let (kind, banner, said) = words(&k.outcome, p.str("banner"));
                (k.to.clone(), kind, banner, format!("{} port {port}{by}: {said}", show(&k.to)))
            })
            .collect();
        let at = rows.iter().position(|r| r.1 != "open").unwrap_or(0);
        let worst = rows.get(at);
        let from = found.get(at).and_then(|k| seen_as(k.from?, k.to.parse().ok()?));
        let (kind, banner, said) = worst.map(|r| (r.1, r.2.clone(), r.3.clone())).unwrap_or_default();
        let outside =
            if place.here && !p.has("host") { " (from this machine itself: not proven from outside)" } else { "" };
        let list: Vec<_> = found
            .iter()
            .zip(&rows)
            .map(|(k, r)| json!({"address": r.0, "family": k.family, "kind": r.1, "banner": r.2, "from": k.from}))
            .collect();
        Ok(Decision::new(kind == "open", format!("{said}{outside}"))
            .with("kind", kind)
            .with("banner", banner)
            .with("addresses", list)
            .with("from", from.map(|a| a.to_string()).unwrap_or_default())
            .with("port", port))
    }
}

fn show(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.to_owned() }
}

fn words(o: &Outcome, wanted: Option<&str>) -> (&'static str, Option<String>, String) {
    match o {
        Outcome::Open(None) => ("open", None, "open".into()),
        Outcome::Open(Some(b)) if wanted.is_none_or(|w| b.starts_with(w)) => {
            ("open", Some(b.clone()), format!("answers \"{b}\""))
        }
        Outcome::Open(Some(b)) => {
            ("wrong-banner", Some(b.clone()), format!("answers \"{b}\", which is something else"))
        }
        Outcome::Refused => ("refused", None, "connection refused".into()),
        Outcome::TimedOut => ("timed-out", None, "connection timed out".into()),
        Outcome::Unreachable(why) => ("unreachable", None, why.clone()),
        Outcome::Closed => ("closed", None, "connected, then closed before it said anything".into()),
        Outcome::Silent => ("silent", None, "connected, and it says nothing".into()),
        Outcome::Unanswered(by) => {
            ("unanswered", None, format!("no line came through {by}: it is silent, or what we send is dropped beyond"))
        }
        Outcome::Other(why) => ("other", None, why.clone()),
    }
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    /// What another program that has sshd's port costs: the answer that never comes is waited for at the start and at the end.
    #[test]
    fn a_port_that_somebody_else_has_is_told_soon() {
        let waits = |book: &str| {
            let patience = Regex::new(r"patience: .* else '([0-9]+)s' \}\}").unwrap();
            let all: Vec<u64> = patience.captures_iter(book).map(|c| c[1].parse().unwrap()).collect();
            assert_eq!(all.len(), book.matches("banner: \"SSH-2.0-\"").count(), "a wait without a bound:\n{book}");
            all.iter().sum::<u64>()
        };
        let first = waits(include_str!("../../runbooks/steps/answer.yaml"));
        let proof = |book: &'static str| book.split("\nhandlers:").next().unwrap_or_default();
        for book in [include_str!("../../runbooks/ssh-refused.yaml"), include_str!("../../runbooks/ssh-closed.yaml")] {
            let sum = first + waits(proof(book));
            assert!(sum <= 5, "{sum} s");
        }
    }
}
