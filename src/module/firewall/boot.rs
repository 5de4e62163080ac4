//! What the host will hold after its next boot: what its services load is loaded into a network namespace that nobody
//! else sees, and read there. Nothing of the host itself changes.

use std::fmt::Write;
use std::net::IpAddr;

use super::persist::{RESTORERS, Restorer, units};
use super::read::{Found, SCRIPT, parse};
use super::{Asked, told};
use crate::edit::firewall::model::{Backend, Family, Item, Key, Part, Ruleset, Table, Test, Values, address};
use crate::edit::firewall::{Answer, Outcome, Question, judge};
use crate::module::Halt;
use crate::payload::sh_quote;
use crate::plan::{Resource, View, first_line};

/// ufw's own order of things (ufw-init-functions, ufw_start), of its files and no others.
const UFW: &str = r#"u() { sed -n "s/^$1=[\"']\{0,1\}\([A-Za-z]*\).*/\1/p" /etc/default/ufw /etc/ufw/ufw.conf 2>/dev/null | tail -n 1; }
ufw() { case $(u ENABLED) in [Yy]*) ;; *) return 0;; esac
for e in '' 6; do r=ip${e}tables-restore
if [ -n "$e" ]; then case $(u IPV6) in [Yy]*) ;; *) printf '*filter\n:INPUT DROP [0:0]\n:OUTPUT DROP [0:0]\nCOMMIT\n' | $r; continue;; esac; fi
{ echo '*filter'
for h in input output forward; do for k in before-logging before after after-logging reject track skip-to-policy user; do echo ":ufw$e-$k-$h - [0:0]"; done; done
for k in logging-deny logging-allow; do echo ":ufw$e-$k - [0:0]"; done
for h in INPUT OUTPUT; do l=$(echo $h | tr A-Z a-z); p=$(u DEFAULT_${h}_POLICY)
for k in before-logging before after after-logging reject track; do echo "-A $h -j ufw$e-$k-$l"; done
echo "-A ufw$e-skip-to-policy-$l -j ${p:-DROP}"
case $p in REJECT) echo "-A ufw$e-reject-$l -j REJECT";; esac
case $p in ACCEPT) echo ":$h ACCEPT [0:0]";; *) echo ":$h DROP [0:0]";; esac; done
echo COMMIT; } | $r &&
for f in before after user; do $r -n </etc/ufw/$f$e.rules || return 1; done &&
printf '*filter\n-A ufw%s-before-input -j ufw%s-user-input\n-A ufw%s-before-output -j ufw%s-user-output\nCOMMIT\n' "$e" "$e" "$e" "$e" | $r -n || return 1; done; }
"#;

/// firewalld's own code (firewall/core/fw.py), which makes of the permanent files what it makes of them at boot, without its
/// daemon: it is in Python, so that is there where it is (isolated: nothing is imported from where we stand). NetworkManager says only at boot which zones devices have.
const FIREWALLD: &str = r#"fwd() { if grep -qrs '^zone=.' /etc/NetworkManager/system-connections || grep -qrs '^ZONE=.' /etc/sysconfig/network-scripts; then echo 'NetworkManager says which zones network devices have'; return 1; fi
p=$(sed -n '1s/^#! *//p' "$(command -v firewalld)"); cd / && ${p:-python3} -I -c 'from firewall.core.fw import Firewall
try: Firewall().start()
except Exception as e: raise SystemExit(str(e))'; }
"#;

/// The rules after the next boot; none: no service loads any.
pub(super) fn read(now: &Found, view: &View<'_>) -> Result<Option<Found>, Halt> {
    let on = units(view, &["netfilter-persistent", "iptables", "ip6tables", "nftables", "ufw", "firewalld"])?;
    let on = |name: &str| on.iter().any(|n| n == name);
    let quoted = |text: &str| sh_quote(text).ok_or_else(|| Halt::unknown("a name with a NUL"));
    let mut devices: Vec<&str> = now.addresses.iter().map(|(d, _)| d.as_str()).collect();
    devices.dedup();
    let devices = quoted(&devices.join(" "))?;
    let mut load = String::new();
    for r in RESTORERS.iter().rev().filter(|r| on(r.unit)) {
        let _ = write!(load, "if [ -s {0} ]; then l {0} {1}; fi; ", r.file, r.loads());
    }
    for (unit, does) in [("ufw", "ufw"), ("firewalld", "fwd")] {
        if on(unit) {
            let _ = write!(load, "l {unit} {does}; ");
        }
    }
    if load.is_empty() {
        return Ok(None);
    }
    // Of sets that are left out nothing can be asked afterwards: as much as one answer may hold.
    // A device that rules name by its number has to be there; of which kind is all the same.
    let inside = format!(
        "{UFW}{FIREWALLD}l() {{ n=$1; shift; \
         case $1 in *-restore) s=$(\"$1\" <\"$n\" 2>&1);; nft) s=$(nft -f \"$n\" 2>&1);; *) s=$(\"$@\" 2>&1);; esac || \
         {{ printf '%s: %s\\n' \"$n\" \"$s\"; exit 1; }}; }}\n\
         {{ ! command -v ipset || ipset restore -exist; }} >/dev/null 2>&1; most=700000 devices={devices}; ip link set lo up; for d in $devices; do for k in dummy bridge veth; do \
         ip link add \"$d\" type $k 2>/dev/null && break; done; done\n{load}\n{SCRIPT}"
    );
    // Where something loads sets at boot, too: those that there are now.
    let sets = "for f in /usr/share/netfilter-persistent/plugins.d/*ipset* /etc/iptables/ipsets /etc/sysconfig/ipset; do \
        [ ! -e \"$f\" ] || { ipset save; break; }; done 2>/dev/null";
    let sh = format!("{sets} | unshare -n sh -c {} 2>&1", quoted(&inside)?);
    let a = view.script("rules after a boot", &sh, false, &[Resource::Rules])?;
    let out = String::from_utf8_lossy(&a.stdout);
    if !out.starts_with("==>") {
        let said = first_line(out.as_bytes());
        let hint =
            "a file that does not load leaves the host without its rules: mend it (nft -c -f, iptables-restore -t)";
        return Err(Halt::Unknown {
            why: format!("what the next boot loads is not known: {said}"),
            hint: (!said.starts_with("firewalld")).then(|| hint.into()),
        });
    }
    parse(&out).map(Some)
}

/// Who gets in now and not after the next boot, or perhaps not.
pub(super) struct Lost {
    pub question: Question,
    pub answer: Answer,
}

/// Asked for anybody, and for every client that today's rules name: of each family the first that is kept out then, else the
/// first of whom that is not known.
pub(super) fn lost(asked: &Asked, now: &Ruleset, boot: &Ruleset) -> Vec<Lost> {
    let mut out: Vec<Lost> = Vec::new();
    for q in &asked.questions {
        let named = sources(now, q.v6).into_iter().map(|a| Question { from: Some((a, a)), ..q.clone() });
        let all = std::iter::once(q.clone()).chain(named.filter(|_| q.from.is_none()));
        let not_let_in = all
            .filter(|question| judge(now, question).outcome == Outcome::Accepted)
            .map(|question| Lost { answer: judge(boot, &question), question })
            .filter(|l| l.answer.outcome != Outcome::Accepted);
        let mut perhaps = None;
        for l in not_let_in {
            if l.answer.outcome == Outcome::Denied {
                perhaps = Some(l);
                break;
            }
            perhaps = perhaps.or(Some(l));
        }
        out.extend(perhaps);
    }
    out
}

/// Whom it is about.
pub(super) fn who(asked: &Asked, q: &Question) -> String {
    q.from.map_or_else(|| asked.who(q), |(a, b)| crate::edit::firewall::repair::net(a, b))
}

/// The first address of each network that a rule lets in or out by its name: few, or they are no people's.
pub(super) fn sources(rules: &Ruleset, v6: bool) -> Vec<IpAddr> {
    const MOST: usize = 64;
    let key = if v6 { Key::From6 } else { Key::From4 };
    let all = rules.tables.iter().flat_map(|t| &t.chains).flat_map(|c| &c.rules).flat_map(|r| &r.parts);
    let mut out: Vec<IpAddr> = Vec::new();
    for part in all {
        if let Part::Test(Test::Within { fields, values: Values::List(list), negated: false }) = part
            && fields.iter().any(|f| f.key == key)
        {
            for item in list.iter().flat_map(|e| &e.items) {
                if let Item::Span(low, high) = item {
                    let first = address(if low < high { low + 1 } else { *low }, v6);
                    if !out.contains(&first) && out.len() < MOST {
                        out.push(first);
                    }
                }
            }
        }
    }
    out
}

/// In a person's words.
pub(super) fn evidence(asked: &Asked, boot: &Ruleset, lost: &Lost) -> String {
    let who = who(asked, &lost.question);
    let port = lost.answer.port.unwrap_or(asked.port);
    let Some(e) = &lost.answer.ending else {
        return format!("{who} gets in to port {port} now, and not after a reboot");
    };
    let said = told::ending(boot, e, port, &who);
    match file(&boot.tables[e.place.table]) {
        Some(from) => format!("{said}, which {from} brings at the next boot"),
        None => format!("{said}, after the next boot"),
    }
}

/// Where such a table may come from, if that is one place.
fn file(table: &Table) -> Option<&'static str> {
    let has = |start: &str| table.chains.iter().any(|c| c.name.starts_with(start));
    match (table.backend, table.family) {
        _ if has("ufw-") || has("ufw6-") => Some("ufw"),
        _ if table.name == "firewalld" || has("INPUT_ZONES") => Some("firewalld"),
        (Backend::Nft, _) => Some("the file of nftables"),
        (_, Family::Ip6) => Some("the file of ip6tables"),
        _ => Some("the file of iptables"),
    }
}

impl Restorer {
    /// What loads its file.
    fn loads(&self) -> &'static str {
        use super::persist::Of;
        match self.of {
            Of::Iptables => "iptables-restore",
            Of::Ip6tables => "ip6tables-restore",
            Of::Nft => "nft",
        }
    }
}
