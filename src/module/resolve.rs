//! `resolve`: a name's addresses, in the order that ssh would try them.

use serde_json::json;

use super::{Decision, Field, Halt, Module, Param, Params, Spec, Ty};
use crate::plan::View;

/// A name's addresses.
pub struct Resolve;

static SPEC: Spec = Spec {
    name: "resolve",
    summary: "A name's A and AAAA addresses as the controller resolves them, in the order that ssh would try them.",
    scalar: Some("host"),
    params: &[Param {
        name: "host",
        ty: Ty::Str,
        required: false,
        help: "a name; the target's address unless said otherwise",
    }],
    fields: &[
        Field { name: "addresses", help: "all of them, in order" },
        Field { name: "ipv4", help: "the IPv4 ones" },
        Field { name: "ipv6", help: "the IPv6 ones" },
    ],
    reads: "",
    writes: "",
    open: false,
};

impl Module for Resolve {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn destinations(&self) -> &'static [&'static str] {
        &["host"]
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        let host = p.str("host").or(view.place().address.as_deref());
        let host =
            host.ok_or_else(|| Halt::Skipped("no name or address of the target is known (give --address)".into()))?;
        let found = view.resolve(host)?;
        let all: Vec<String> = found.iter().map(ToString::to_string).collect();
        let of =
            |v6: bool| json!(found.iter().filter(|a| a.is_ipv6() == v6).map(ToString::to_string).collect::<Vec<_>>());
        let evidence =
            if all.is_empty() { format!("{host} has no address") } else { format!("{host} is {}", all.join(", ")) };
        Ok(Decision::new(!all.is_empty(), evidence)
            .with("ipv4", of(false))
            .with("ipv6", of(true))
            .with("addresses", json!(all)))
    }
}
