//! Where sshd would listen: which addresses and ports, who can reach them, which line says so.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::seen::Seen;
use crate::edit::sshd_config::Tree;
use crate::target::units::UnitState;

impl Seen {
    /// Its socket unit takes IPv6 clients alone (systemd.socket(5), BindIPv6Only=).
    pub fn v6_only(&self) -> bool {
        let only = self.socket.as_ref().is_some_and(|k| k.bind_v6 == "ipv6-only");
        only && self.addresses().iter().all(|a| a.starts_with('['))
    }
    /// systemd listens for it: the socket unit is up, or would be at the next boot and the service would not.
    pub fn by_socket(&self) -> bool {
        self.socket.as_ref().is_some_and(|k| k.running() || (k.wants_boot() && !self.alone))
    }
    /// For expressions.
    pub fn socket_value(&self) -> Value {
        let none = UnitState::default();
        let k = self.socket.as_ref().unwrap_or(&none);
        json!({"unit": k.name(), "active": k.running(), "enabled": k.wants_boot(), "listen": k.listen, "result": k.result})
    }
    /// `ADDRESS:PORT`: of the socket unit where that counts, and no generator makes it from the files.
    pub fn addresses(&self) -> Vec<&str> {
        match &self.socket {
            Some(k) if self.by_socket() && !self.generator && !k.listen.is_empty() => {
                k.listen.iter().map(String::as_str).filter(|a| split(a).1.is_some()).collect()
            }
            _ => self.all("listenaddress").collect(),
        }
    }
    /// Those of these that this host does not have; none where its own are not known.
    pub(super) fn foreign(&self, own: &[IpAddr]) -> Vec<String> {
        let lacks =
            |h: &&str| h.parse::<IpAddr>().is_ok_and(|a| !a.is_unspecified() && !a.is_loopback() && !own.contains(&a));
        let mut out: Vec<String> =
            self.addresses().into_iter().map(|a| split(a).0).filter(lacks).map(str::to_owned).collect();
        out.dedup();
        if own.is_empty() { Vec::new() } else { out }
    }
    /// Of `listenaddress`, not of `port`: an address may have a port of its own.
    pub fn ports(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = self.addresses().into_iter().filter_map(|a| split(a).1).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }
    /// Every address is loopback.
    pub fn loopback_only(&self) -> bool {
        let all = self.addresses();
        !all.is_empty() && all.into_iter().all(loopback)
    }
    /// Of these addresses, ipv4 and ipv6.
    pub fn families(&self) -> Vec<&'static str> {
        let v6 = |a: &&str| a.starts_with('[');
        let all = self.addresses();
        [("ipv4", all.iter().any(|a| !v6(a))), ("ipv6", all.iter().any(v6))]
            .iter()
            .filter(|f| f.1)
            .map(|f| f.0)
            .collect()
    }
    /// What ListenAddress lines would have to say, so that a port that is open to everybody of one family is so to
    /// those of the other: `0.0.0.0` for `::`, with a port where the lines have ports.
    pub fn counterparts(&self) -> Vec<String> {
        let lines = self.lines_of("listenaddress");
        let with_port = lines.iter().any(|l| l.text.split(' ').nth(1).is_some_and(|a| split(a).1.is_some()));
        let all = self.addresses();
        let (have, mut out) = (|host: &str, port| all.iter().any(|a| split(a) == (host, port)), Vec::new());
        for a in &all {
            let (host, port) = split(a);
            let other = match host {
                "::" => "0.0.0.0",
                "0.0.0.0" => "::",
                _ => continue,
            };
            let text = port.filter(|_| with_port).map_or(other.to_owned(), |p| format!("{}:{p}", bracketed(other)));
            if !have(other, port) && !out.contains(&text) {
                out.push(text);
            }
        }
        out
    }
    /// The hosts that a socket unit should listen on: those it has, `0.0.0.0` and `[::]` together, without loopback and
    /// what this host lacks; every address where there is only loopback. Empty: a person has to name one.
    pub fn hosts(&self) -> Vec<String> {
        if self.loopback_only() {
            return every();
        }
        let mut out: Vec<String> = Vec::new();
        for a in self.addresses() {
            let more = match split(a).0 {
                "::" | "0.0.0.0" => every(),
                h if loopback(a) || self.absent.iter().any(|x| x == h) => continue,
                h => vec![bracketed(h)],
            };
            out.extend(more.into_iter().filter(|h| !out.contains(h)).collect::<Vec<_>>());
        }
        out
    }
    /// What it listens on today, as [`Self::hosts`] has it: `HOST:PORT`, each once.
    pub fn streams(&self) -> Vec<String> {
        let hosts = self.hosts();
        let mut out: Vec<String> = Vec::new();
        for a in self.addresses() {
            let (host, Some(port)) = split(a) else { continue };
            let names = match host {
                "::" | "0.0.0.0" => every(),
                _ if loopback(a) && hosts == every() => every(),
                h if hosts.contains(&bracketed(h)) => vec![bracketed(h)],
                _ => continue,
            };
            let more = names.into_iter().map(|n| format!("{n}:{port}"));
            out.extend(more.filter(|s| !out.contains(s)).collect::<Vec<_>>());
        }
        out
    }
    /// No address can be reached from elsewhere.
    pub fn unreachable(&self) -> bool {
        let all = self.addresses();
        let dead = |a: &str| loopback(a) || self.absent.iter().any(|x| x == split(a).0);
        !all.is_empty() && all.into_iter().all(dead)
    }
    /// Where it would listen, and which line says so.
    pub fn listen_evidence(&self) -> String {
        let (ports, listen) = (self.lines_of("port"), self.lines_of("listenaddress"));
        if self.by_socket() && !self.generator {
            let lacks = self.absent.first().map(|a| format!("; this host does not have the address {a}"));
            return format!("ssh.socket listens on {}{}", self.addresses().join(", "), lacks.unwrap_or_default());
        }
        if let Some(a) = self.absent.first() {
            let line = listen.iter().find(|l| l.text.contains(a.as_str()));
            return line.map_or(format!("this host does not have the address {a}"), |l| {
                format!("{}, an address that this host does not have", l.says())
            });
        }
        match (listen.first(), self.options.first(), ports.first()) {
            (Some(l), ..) if self.loopback_only() => l.says(),
            (_, Some(o), _) => o.says(),
            (_, None, Some(p)) if self.ports().len() == 1 => p.says(),
            _ if !self.tried => "its files were only read: this disk's sshd can't run here".into(),
            _ => format!("it would listen on {}", self.addresses().join(", ")),
        }
    }
}

/// Where sshd would listen by these files, as `sshd -T` has it (sshd_config(5), Port, ListenAddress, AddressFamily).
pub(super) fn listening(tree: &Tree) -> Vec<(String, String)> {
    let values = |key: &str| -> Vec<String> {
        tree.values(key).iter().map(|d| d.args.first().cloned().unwrap_or_default()).collect()
    };
    let or = |given: Vec<String>, default: &[&str]| {
        if given.is_empty() { default.iter().map(|d| (*d).to_owned()).collect() } else { given }
    };
    let (ports, listen) = (or(values("port"), &["22"]), or(values("listenaddress"), &["0.0.0.0", "[::]"]));
    let family = or(values("addressfamily"), &["any"]).remove(0).to_ascii_lowercase();
    let mut out: Vec<(String, String)> = ports.iter().map(|p| ("port".into(), p.clone())).collect();
    out.push(("addressfamily".into(), family));
    for a in listen {
        if split(&a).1.is_some() {
            out.push(("listenaddress".into(), a));
        } else {
            let host = if a.starts_with('[') { a } else { bracketed(&a) };
            out.extend(ports.iter().map(|p| ("listenaddress".into(), format!("{host}:{p}"))));
        }
    }
    out
}

/// Every address of both families, as a socket unit has them.
fn every() -> Vec<String> {
    vec!["0.0.0.0".to_owned(), "[::]".to_owned()]
}

/// As it stands before `:PORT`.
fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// `ADDRESS:PORT`, `[ADDRESS]:PORT`; a bare IPv6 address has colons too (sshd_config(5), ListenAddress).
fn split(address: &str) -> (&str, Option<u16>) {
    if let Some((host, rest)) = address.strip_prefix('[').and_then(|a| a.split_once(']')) {
        return (host, rest.strip_prefix(':').and_then(|p| p.parse().ok()));
    }
    match address.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, port.parse().ok()),
        _ => (address, None),
    }
}

/// With a port or without: `127.0.0.1:22`, `[::1]:22`, `::1`, `localhost`.
fn loopback(address: &str) -> bool {
    let host = split(address).0;
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|a| a.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_every_spelling() {
        assert_eq!(split("[::]:22"), ("::", Some(22)));
        assert_eq!(split("0.0.0.0:2222"), ("0.0.0.0", Some(2222)));
        assert_eq!(split("fe80::1"), ("fe80::1", None));
        assert!(loopback("127.0.0.1:22") && loopback("[::1]:22") && loopback("::1") && !loopback("0.0.0.0:22"));
    }
}
