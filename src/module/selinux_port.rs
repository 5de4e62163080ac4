//! `selinux_port`: a TCP port carries the SELinux type that lets a daemon listen on it.

use serde_json::{Map, Value};

use super::{Decision, Field, Halt, Module, Param, Params, Spec, Ty};
use crate::plan::{Change, CommandChange, Resource, View, first_line};
use crate::target::frame::Status;

/// The type of a port.
pub struct SelinuxPort;

static SPEC: Spec = Spec {
    name: "selinux_port",
    summary: "A TCP port has the SELinux type that its daemon may bind to: sshd only ports of ssh_port_t, which is 22 alone as shipped. Asked and repaired by `semanage port` (semanage-port(8)); where SELinux is off or not there, all is well. **No host with SELinux could be run for this: it was built against the format in semanage's own source, and not tried on the real thing.**",
    scalar: Some("port"),
    params: &[
        Param { name: "port", ty: Ty::Port, required: true, help: "the TCP port" },
        Param { name: "type", ty: Ty::Str, required: false, help: "the type that it should have; ssh_port_t" },
    ],
    fields: &[
        Field { name: "mode", help: "enforcing, permissive, or off" },
        Field { name: "type", help: "the type that the port has, empty where it is not known" },
    ],
    reads: "file:/var/lib/selinux/**",
    writes: "file:/var/lib/selinux/**",
    open: false,
};

/// `/sys/fs/selinux/enforce` is there where SELinux is on, and says 0 (permissive) or 1 (selinux(8)); then every port, and
/// those of the host's own choice, which count before the policy's.
const SCRIPT: &str = "PATH=$PATH:/usr/sbin:/sbin
e=; { read -r e </sys/fs/selinux/enforce; } 2>/dev/null || case $(getenforce 2>/dev/null) in Enforcing) e=1;; Permissive) e=0;; esac
[ -n \"$e\" ] || { echo off; exit 0; }
echo \"enforce $e\"; command -v semanage >/dev/null || { echo lacking; exit 0; }
a=$(semanage port -l -n) || exit; l=$(semanage port -l -C -n) || exit
echo '-- all'; printf '%s\\n' \"$a\"; echo '-- local'; printf '%s\\n' \"$l\"";

/// What a listing says of a port: `TYPE PROTOCOL PORT, LOW-HIGH …`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    kind: String,
    low: u16,
    high: u16,
}

/// What the host says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    mode: &'static str,
    /// semanage is not there.
    lacking: bool,
    all: Vec<Entry>,
    local: Vec<Entry>,
}

impl Module for SelinuxPort {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn lint(&self, p: &Map<String, Value>) -> Vec<(&'static str, String, String)> {
        let bad = p.get("type").and_then(Value::as_str).filter(|t| !t.contains("{{") && !is_type(t));
        bad.map(|t| ("type", format!("\"{t}\" is no type of SELinux"), "like: type: ssh_port_t".to_owned()))
            .into_iter()
            .collect()
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        view.not_ahead()?;
        view.needs_running_host()?;
        let port = p.port("port").ok_or_else(|| Halt::error("port", "it is missing"))?;
        let kind = p.str("type").unwrap_or("ssh_port_t");
        if !is_type(kind) {
            return Err(Halt::error("type", format!("\"{kind}\" is no type of SELinux")));
        }
        let a = view.script("selinux ports", SCRIPT, false, &[store()])?;
        if a.status != Status::Exit(0) {
            let why = format!("semanage says: {}", first_line(&a.stderr));
            return Err(if view.facts()?.root { Halt::unknown(why) } else { view.takes_root(why) });
        }
        let seen = Seen::read(&String::from_utf8_lossy(&a.stdout));
        seen.decide(port, kind)
    }
}

/// Where semanage keeps what it was told.
fn store() -> Resource {
    Resource::File("/var/lib/selinux/**".into())
}

/// What may stand in a command line as it is.
fn is_type(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl Seen {
    fn read(out: &str) -> Self {
        let mut seen = Seen { mode: "off", ..Seen::default() };
        let mut local = false;
        for line in out.lines() {
            match line {
                "enforce 0" => seen.mode = "permissive",
                "enforce 1" => seen.mode = "enforcing",
                "lacking" => seen.lacking = true,
                "-- all" => local = false,
                "-- local" => local = true,
                _ if local => seen.local.extend(entries(line)),
                _ => seen.all.extend(entries(line)),
            }
        }
        seen
    }

    /// The entry that counts: the host's own before the policy's, of each the narrowest.
    fn of(&self, port: u16) -> Option<&Entry> {
        let narrowest = |list: &'_ [Entry]| -> Option<usize> {
            let fit = list.iter().enumerate().filter(|(_, e)| (e.low..=e.high).contains(&port));
            fit.min_by_key(|(_, e)| e.high - e.low).map(|(at, _)| at)
        };
        narrowest(&self.local).map(|at| &self.local[at]).or_else(|| narrowest(&self.all).map(|at| &self.all[at]))
    }

    fn decide(&self, port: u16, wanted: &str) -> Result<Decision, Halt> {
        let has = self.of(port).map_or("", |e| &e.kind);
        let fields = |d: Decision| d.with("mode", self.mode).with("type", has);
        if self.mode == "off" {
            return Ok(fields(Decision::new(true, "no SELinux here")));
        }
        if self.lacking {
            return Err(Halt::Unknown {
                why: format!("SELinux is {}, and what type port {port} has is not known without semanage", self.mode),
                hint: Some("dnf install policycoreutils-python-utils".into()),
            });
        }
        if has == wanted {
            return Ok(fields(Decision::new(true, format!("port {port} is of the type {wanted}"))));
        }
        let is = if has.is_empty() { "has no type".to_owned() } else { format!("is of the type {has}") };
        let evidence = format!("SELinux is {}, and port {port} {is}, not {wanted}", self.mode);
        let decision = fields(Decision::new(false, evidence));
        Ok(decision.changing(vec![Change::Command(self.change(port, wanted))]))
    }

    /// `-a` where that very port has no entry, else `-m`, which makes an entry of the host's own over the policy's
    /// (semanage-port(8)); what was the host's own before gets its type back.
    fn change(&self, port: u16, wanted: &str) -> CommandChange {
        let exact = |list: &[Entry]| list.iter().find(|e| e.low == port && e.high == port).map(|e| e.kind.clone());
        let verb = if exact(&self.all).is_some() || exact(&self.local).is_some() { "-m" } else { "-a" };
        let undo = match exact(&self.local) {
            Some(old) => format!("semanage port -m -t {old} -p tcp {port}"),
            None => format!("semanage port -d -p tcp {port}"),
        };
        let shown = format!("semanage port {verb} -t {wanted} -p tcp {port}");
        let with_path = |sh: &str| format!("PATH=$PATH:/usr/sbin:/sbin\n{sh}");
        let change = CommandChange::new(with_path(&shown), shown).undone_by(Some(with_path(&undo)));
        change.writing(vec![store()]).by_root()
    }
}

/// `ssh_port_t                     tcp      22`, `http_port_t   tcp   80, 81, 443, 8008-8009`: those of TCP.
fn entries(line: &str) -> Vec<Entry> {
    let mut words = line.split_whitespace();
    let (Some(kind), Some("tcp")) = (words.next(), words.next()) else { return Vec::new() };
    let range = |w: &str| {
        let (low, high) = w.split_once('-').unwrap_or((w, w));
        Some(Entry { kind: kind.to_owned(), low: low.parse().ok()?, high: high.parse().ok()? })
    };
    words.filter_map(|w| range(w.trim_end_matches(','))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::canned::Canned;
    use super::*;

    /// Lines as `semanage port -l -n` of Red Hat 9 has them (format: `%-30s %-8s `, seobject.py, portRecords.list).
    const RHEL: &str = "enforce 1\n-- all\n\
        ephemeral_port_t               tcp      32768-60999\n\
        ephemeral_port_t               udp      32768-60999\n\
        hi_reserved_port_t             tcp      512-1023\n\
        http_cache_port_t              tcp      8080, 8118, 8123, 10001-10010\n\
        http_port_t                    tcp      80, 81, 443, 488, 8008, 8009, 8443, 9000\n\
        reserved_port_t                tcp      1-511\n\
        ssh_port_t                     tcp      22\n\
        unreserved_port_t              tcp      61000-65535, 1024-32767\n\
        unreserved_port_t              udp      61000-65535, 1024-32767\n-- local\n";

    fn decide(out: &'static str, port: u16) -> Result<Decision, Halt> {
        Canned::new(move |_| (0, out.into())).decide(&SelinuxPort, &json!({"port": port}))
    }
    fn does(out: &'static str, port: u16) -> (String, String) {
        let d = decide(out, port).unwrap();
        let Change::Command(c) = &d.changes[0] else { panic!() };
        (c.shown.clone(), c.undo.clone().unwrap_or_default().lines().last().unwrap_or_default().to_owned())
    }

    #[test]
    fn the_port_that_the_policy_knows() {
        let d = decide(RHEL, 22).unwrap();
        assert_eq!((d.ok, d.evidence.as_str(), d.changes.len()), (true, "port 22 is of the type ssh_port_t", 0));
    }

    #[test]
    fn a_port_of_a_range_gets_an_entry_of_its_own() {
        let d = decide(RHEL, 2222).unwrap();
        assert_eq!(d.evidence, "SELinux is enforcing, and port 2222 is of the type unreserved_port_t, not ssh_port_t");
        let add = "semanage port -a -t ssh_port_t -p tcp 2222".to_owned();
        assert_eq!(does(RHEL, 2222), (add, "semanage port -d -p tcp 2222".into()));
        // 10005 is in a range, 443 is a port of its own.
        assert!(does(RHEL, 10005).0.starts_with("semanage port -a"));
        assert_eq!(decide(RHEL, 10005).unwrap().fields["type"], "http_cache_port_t");
    }

    #[test]
    fn a_port_of_somebody_else_is_changed_and_given_back() {
        let modify = "semanage port -m -t ssh_port_t -p tcp 443".to_owned();
        assert_eq!(does(RHEL, 443), (modify, "semanage port -d -p tcp 443".into()));
    }

    /// With `semanage port -l -C -n` that has something: both listings show it.
    const LOCAL: &str = "enforce 0\n-- all\nhttp_port_t                    tcp      2022, 80, 443\n\
        ssh_port_t                     tcp      443, 22\nunreserved_port_t              tcp      61000-65535, 1024-32767\n\
        -- local\nhttp_port_t                    tcp      2022\nssh_port_t                     tcp      443\n";

    #[test]
    fn the_hosts_own_choice_counts_first() {
        assert!(decide(LOCAL, 443).unwrap().ok);
        assert_eq!(decide(LOCAL, 2022).unwrap().fields["mode"], "permissive");
        let undo = "semanage port -m -t http_port_t -p tcp 2022".to_owned();
        assert_eq!(does(LOCAL, 2022), ("semanage port -m -t ssh_port_t -p tcp 2022".into(), undo));
    }

    #[test]
    fn without_selinux_and_without_semanage() {
        let d = decide("off\n", 2222).unwrap();
        assert_eq!((d.ok, d.evidence.as_str()), (true, "no SELinux here"));
        let Err(Halt::Unknown { hint, .. }) = decide("enforce 1\nlacking\n", 2222) else { panic!() };
        assert_eq!(hint.as_deref(), Some("dnf install policycoreutils-python-utils"));
    }
}
