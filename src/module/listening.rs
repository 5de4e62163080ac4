//! `listening`: who listens on which address and port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::{Value, json};

use super::{Decision, Field, Halt, Module, Param, Params, Spec, Ty};
use crate::plan::{Resource, View};
use crate::target::frame::Status;

/// The listening TCP sockets.
pub struct Listening;

static SPEC: Spec = Spec {
    name: "listening",
    summary: "Who listens on which TCP address and port: `ss`, else `netstat`, else /proc/net/tcp and tcp6.",
    scalar: Some("port"),
    params: &[
        Param { name: "port", ty: Ty::Port, required: false, help: "ok is: something listens there" },
        Param { name: "process", ty: Ty::Str, required: false, help: "… and it is a process of this name" },
        Param { name: "outside", ty: Ty::Bool, required: false, help: "… and on an address that is not loopback" },
    ],
    fields: &[
        Field { name: "sockets", help: "those that match: a list of {address, port, process, pid}" },
        Field { name: "addresses", help: "their addresses; 0.0.0.0 and :: are every address" },
        Field { name: "processes", help: "names of the processes, where they can be told (needs root)" },
        Field { name: "loopback_only", help: "something listens on the port, and only on loopback" },
    ],
    reads: "socket:*",
    writes: "",
    open: false,
};

/// A listening socket.
#[derive(Debug, PartialEq, Eq, Clone)]
struct Socket {
    address: IpAddr,
    port: u16,
    process: String,
    pid: u32,
}

/// `ss`, else `netstat`, else the kernel's tables; the first line says which.
const SCRIPT: &str = "if command -v ss >/dev/null && o=$(ss -Hltnp 2>/dev/null); then echo ss; echo \"$o\"
elif command -v netstat >/dev/null && o=$(netstat -ltnp 2>/dev/null); then echo netstat; echo \"$o\"
else echo proc; cat /proc/net/tcp /proc/net/tcp6; fi";

impl Module for Listening {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        view.needs_running_host()?;
        let a = view.script("listening", SCRIPT, false, &[Resource::Socket])?;
        if a.status != Status::Exit(0) {
            return Err(Halt::unknown(format!("cannot tell who listens: {}", crate::plan::first_line(&a.stderr))));
        }
        let all = parse(&String::from_utf8_lossy(&a.stdout));
        let port = p.port("port");
        let on_port: Vec<&Socket> = all.iter().filter(|s| port.is_none_or(|n| s.port == n)).collect();
        let hit: Vec<&Socket> = on_port
            .iter()
            .copied()
            .filter(|s| p.str("process").is_none_or(|name| s.process.is_empty() || s.process == name))
            .filter(|s| !p.is("outside") || !s.address.is_loopback())
            .collect();
        let loopback_only = !on_port.is_empty() && on_port.iter().all(|s| s.address.is_loopback());
        let whose = |s: &Socket| {
            if s.process.is_empty() { "something".to_owned() } else { format!("{} (pid {})", s.process, s.pid) }
        };
        let at = |s: &Socket| {
            if s.address.is_ipv6() {
                format!("[{}]:{}", s.address, s.port)
            } else {
                format!("{}:{}", s.address, s.port)
            }
        };
        let evidence = match (hit.first(), on_port.first(), port) {
            (Some(s), _, _) => {
                format!("{} listens on {}", whose(s), hit.iter().map(|s| at(s)).collect::<Vec<_>>().join(", "))
            }
            (None, Some(s), _) => format!(
                "{} listens on {}{}",
                whose(s),
                on_port.iter().map(|s| at(s)).collect::<Vec<_>>().join(", "),
                if loopback_only { " only" } else { "" }
            ),
            (None, None, Some(n)) => format!("nothing listens on port {n}"),
            (None, None, None) => "nothing listens".into(),
        };
        let json =
            |s: &&Socket| json!({"address": s.address.to_string(), "port": s.port, "process": s.process, "pid": s.pid});
        let list = |f: &dyn Fn(&Socket) -> String| {
            let mut v: Vec<String> = hit.iter().map(|s| f(s)).filter(|s| !s.is_empty()).collect();
            v.sort();
            v.dedup();
            Value::from(v)
        };
        Ok(Decision::new(!hit.is_empty(), evidence)
            .with("sockets", hit.iter().map(json).collect::<Vec<_>>())
            .with("addresses", list(&|s| s.address.to_string()))
            .with("processes", list(&|s| s.process.clone()))
            .with("loopback_only", loopback_only))
    }
}

fn parse(out: &str) -> Vec<Socket> {
    let (tool, rest) = out.split_once('\n').unwrap_or((out, ""));
    let mut all: Vec<Socket> = match tool {
        "ss" => rest.lines().filter_map(ss_line).collect(),
        "netstat" => rest.lines().filter_map(netstat_line).collect(),
        _ => rest.lines().filter_map(proc_line).collect(),
    };
    all.sort_by_key(|s| (s.port, s.address));
    all
}

/// `LISTEN 0 128 [::]:22 [::]:* users:(("sshd",pid=1,fd=3))` (ss(8) -Hltnp).
fn ss_line(line: &str) -> Option<Socket> {
    let mut f = line.split_whitespace();
    let (address, port) = endpoint(f.nth(3)?)?;
    let users = line.split_once("users:((\"").map_or("", |x| x.1);
    let process = users.split('"').next().unwrap_or("").to_owned();
    let pid = users
        .split("pid=")
        .nth(1)
        .and_then(|t| t.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
        .unwrap_or(0);
    Some(Socket { address, port, process, pid })
}

/// `tcp6 0 0 :::22 :::* LISTEN 1/sshd: /usr/sbin/s` (netstat(8) -ltnp).
fn netstat_line(line: &str) -> Option<Socket> {
    let f: Vec<&str> = line.split_whitespace().collect();
    if !f.first()?.starts_with("tcp") || !f.contains(&"LISTEN") {
        return None;
    }
    let (address, port) = endpoint(f.get(3)?)?;
    let (pid, process) = f.get(6).and_then(|p| p.split_once('/')).unwrap_or(("0", ""));
    Some(Socket { address, port, process: process.trim_end_matches(':').to_owned(), pid: pid.parse().unwrap_or(0) })
}

/// `0: 00000000:0016 00000000:0000 0A …`: address in host byte order by words of 32 bits (proc(5)); 0A is LISTEN.
fn proc_line(line: &str) -> Option<Socket> {
    let f: Vec<&str> = line.split_whitespace().collect();
    if *f.get(3)? != "0A" {
        return None;
    }
    let (a, port) = f.get(1)?.split_once(':')?;
    let words: Option<Vec<u32>> =
        (0..a.len() / 8).map(|i| u32::from_str_radix(a.get(i * 8..i * 8 + 8)?, 16).ok()).collect();
    let bytes: Vec<u8> = words?.iter().flat_map(|w| w.to_le_bytes()).collect();
    let address = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => return None,
    };
    Some(Socket { address, port: u16::from_str_radix(port, 16).ok()?, process: String::new(), pid: 0 })
}

/// `0.0.0.0:22`, `[::]:22`, `:::22`, `*:22`, `127.0.0.1%lo:22`.
fn endpoint(text: &str) -> Option<(IpAddr, u16)> {
    let (a, port) = text.rsplit_once(':')?;
    let a = a.trim_start_matches('[').trim_end_matches(']');
    let a = a.split('%').next().unwrap_or(a);
    let address = if a == "*" { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { a.parse().ok()? };
    Some((address, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_tools_one_answer() {
        let ss = "ss\nLISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:((\"sshd\",pid=77,fd=3))\nLISTEN 0 128 [::]:22 [::]:* users:((\"sshd\",pid=77,fd=4))\n";
        let netstat = "netstat\nActive Internet connections (only servers)\nProto Recv-Q Send-Q Local Address Foreign Address State PID/Program name\n\
                       tcp 0 0 0.0.0.0:22 0.0.0.0:* LISTEN 77/sshd\ntcp6 0 0 :::22 :::* LISTEN 77/sshd\n";
        assert_eq!(parse(ss), parse(netstat));
        assert_eq!((parse(ss)[0].pid, parse(ss)[0].process.as_str()), (77, "sshd"));
        let proc = "proc\n  sl  local_address rem_address   st\n   0: 0100007F:0016 00000000:0000 0A 0:0\n   1: 0100007F:0016 0100007F:9999 01 0:0\n\
                    0: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A\n";
        let p = parse(proc);
        assert_eq!(p.len(), 2);
        assert!(p.iter().all(|s| s.address.is_loopback() && s.port == 22));
    }
}
