//! A host and a client in network namespaces of their own.

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};

use runbook::edit::firewall::Question;

use super::generate::Case;
use crate::support::until;

/// What a client sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    Open,
    Refused,
    Unreachable,
    TimedOut,
    /// It connects, and nothing comes.
    Silent,
}

/// Both namespaces, each held by a process.
pub struct Net {
    host: Child,
    client: Child,
    servers: Vec<Child>,
}

fn holder() -> Child {
    let child = Command::new("unshare").args(["-n", "sleep", "900"]).spawn().unwrap();
    let ours = std::fs::read_link("/proc/self/ns/net").unwrap();
    let path = format!("/proc/{}/ns/net", child.id());
    assert!(until(5, || std::fs::read_link(&path).is_ok_and(|l| l != ours)), "no network namespace: is this root?");
    child
}

fn inside(child: &Child, sh: &str) -> Command {
    let mut c = Command::new("nsenter");
    c.args(["-t", &child.id().to_string(), "-n", "sh", "-c", sh]);
    c
}

fn done(o: &Output, sh: &str) -> Result<String, String> {
    let said = String::from_utf8_lossy(&o.stderr);
    if o.status.success() { Ok(String::from_utf8_lossy(&o.stdout).into_owned()) } else { Err(format!("{sh}: {said}")) }
}

impl Net {
    pub fn up() -> Self {
        let (host, client) = (holder(), holder());
        let mut net = Self { host, client, servers: Vec::new() };
        let pid = net.host.id();
        net.at_client(&format!(
            "ip link set lo up; ip link add c0 type veth peer name eth0 netns {pid}
             ip link set c0 up
             for a in 1 77; do ip address add 10.99.0.$a/24 dev c0; ip address add fd99::$a/64 dev c0 nodad; done"
        ));
        // Every answer counts: the kernel says only so many a second.
        net.host(
            "ip link set lo up; ip link set eth0 up
             ip address add 10.99.0.2/24 dev eth0; ip address add fd99::2/64 dev eth0 nodad
             echo 0 >/proc/sys/net/ipv4/icmp_ratelimit; echo 0 >/proc/sys/net/ipv6/icmp/ratelimit
             echo 100000 >/proc/sys/net/ipv4/icmp_msgs_per_sec; echo 100000 >/proc/sys/net/ipv4/icmp_msgs_burst",
        );
        // Who is where is known beforehand: filters of IPv6 may drop the question.
        let mac = |at: &Child, device: &str| {
            let sh = format!("ip -o link show {device} | sed 's/.*ether \\([^ ]*\\).*/\\1/'");
            done(&inside(at, &sh).output().unwrap(), &sh).unwrap()
        };
        let (here, there) = (mac(&net.client, "c0"), mac(&net.host, "eth0"));
        net.at_client(&format!("ip neigh replace fd99::2 lladdr {} dev c0 nud permanent", there.trim()));
        for a in ["fd99::1", "fd99::77"] {
            net.host(&format!("ip neigh replace {a} lladdr {} dev eth0 nud permanent", here.trim()));
        }
        // An answer that comes while connect(2) still holds its socket is lost, and on one CPU each one is.
        net.at_client(
            "exec unshare -m sh -c 'mount -t sysfs none /sys; echo 2 >/sys/class/net/c0/queues/rx-0/rps_cpus'; :",
        );
        for port in [22, 2222] {
            let sh = format!(
                "exec socat TCP6-LISTEN:{port},fork,reuseaddr,ipv6only=0,backlog=64 SYSTEM:'echo hi; sleep 0.05'"
            );
            net.servers.push(inside(&net.host, &sh).stderr(Stdio::null()).spawn().unwrap());
        }
        let up = until(5, || net.host("ss -Hltn | wc -l").trim() == "2");
        assert!(up, "the servers do not listen");
        net
    }
    /// Runs it in the host's namespace.
    pub fn host(&self, sh: &str) -> String {
        done(&inside(&self.host, sh).output().unwrap(), sh).unwrap()
    }
    fn at_client(&self, sh: &str) -> String {
        done(&inside(&self.client, sh).output().unwrap(), sh).unwrap()
    }
    /// In place of all rules that there are.
    pub fn load(&self, case: &Case) -> Result<(), String> {
        const NONE: &str =
            "*raw\nCOMMIT\n*mangle\nCOMMIT\n*nat\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";
        self.feed("nft -f -", "flush ruleset\n")?;
        for program in ["iptables-legacy", "ip6tables-legacy"] {
            self.feed(&format!("{program}-restore"), NONE)?;
        }
        for (program, text) in &case.loads {
            self.feed(program, text)?;
        }
        Ok(())
    }
    fn feed(&self, program: &str, text: &str) -> Result<(), String> {
        let mut child = inside(&self.host, program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        done(&child.wait_with_output().unwrap(), program).map(drop)
    }
    /// All at once: who is dropped has to wait. `patient`: until the first packet was sent again.
    pub fn connect(&self, questions: &[(Question, &str)], patient: bool) -> Vec<Seen> {
        let wait = if patient { "1.6" } else { "0.4" };
        let clients: Vec<Child> = questions
            .iter()
            .map(|(q, to)| {
                let from = q.from.unwrap().0;
                let (kind, from, to) = if q.v6 {
                    ("TCP6", format!("[{from}]"), format!("[{to}]"))
                } else {
                    ("TCP4", from.to_string(), (*to).to_owned())
                };
                let sh = format!(
                    "exec taskset -c 0 timeout 3 socat -u -T {wait} {kind}:{to}:{},bind={from},connect-timeout={wait} STDOUT",
                    q.port
                );
                let mut c = inside(&self.client, &sh);
                c.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        clients.into_iter().map(|c| seen(&c.wait_with_output().unwrap())).collect()
    }
}

fn seen(o: &Output) -> Seen {
    let said = String::from_utf8_lossy(&o.stderr);
    if o.stdout.starts_with(b"hi") {
        Seen::Open
    } else if said.contains("refused") {
        Seen::Refused
    } else if said.contains("No route") || said.contains("unreachable") || said.contains("Permission denied") {
        Seen::Unreachable
    } else if said.contains("timed out") || said.contains("Operation now in progress") {
        Seen::TimedOut
    } else {
        Seen::Silent
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for child in self.servers.iter_mut().chain([&mut self.host, &mut self.client]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
