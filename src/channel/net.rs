//! What the controller's own network says: names and TCP connections.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::process::{Said, first_line};

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    fn of(a: &IpAddr) -> Self {
        if a.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 }
    }
}

/// A connection to try.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Knock {
    /// Names or addresses; empty: every address of this machine that is not loopback.
    pub hosts: Vec<String>,
    /// TCP port.
    pub port: u16,
    /// Only this family.
    pub family: Option<Family>,
    /// Wait so long for the first line that the other side says.
    pub banner: Option<Duration>,
    /// For connecting.
    pub timeout: Duration,
    /// By way of it, since there is no way from here.
    pub proxy: Option<Proxy>,
    /// Makes an equal question a new one: a proof is never an old answer.
    pub salt: u64,
}

/// What ssh goes through to get to a host (ssh_config(5): ProxyJump, ProxyCommand).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Proxy {
    /// The last host before the target, or what else to call it.
    pub name: String,
    /// The sh command whose stdin and stdout are the connection; `%h` and `%p` are where to.
    pub command: String,
}

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Connected; the first line, if it was waited for and came.
    Open(Option<String>),
    /// ECONNREFUSED: reachable, nothing listens, or a firewall sends the reset.
    Refused,
    /// No answer at all: dropped on the way, or the host is down.
    TimedOut,
    /// EHOSTUNREACH or ENETUNREACH: no way there, or a firewall that says so.
    Unreachable(String),
    /// Connected, then closed before it said anything.
    Closed,
    /// Connected, and silent for the whole timeout.
    Silent,
    /// Nothing came through a proxy of this name: it is silent, or what we send is dropped beyond it.
    Unanswered(String),
    /// Anything else.
    Other(String),
}

/// A connection that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Knocked {
    /// Where to: an address, or a name that is only resolved beyond a proxy.
    pub to: String,
    /// Its family, where it is known.
    pub family: Option<Family>,
    /// Our own end of it, or what that would be, for one that did not come about; address translation on the way is not
    /// seen.
    pub from: Option<IpAddr>,
    /// How it went.
    pub outcome: Outcome,
}

impl Knocked {
    /// To an address, or to a name beyond a proxy.
    #[must_use]
    pub fn new(to: String, from: Option<IpAddr>, outcome: Outcome) -> Self {
        let family = to.parse().ok().map(|a| Family::of(&a));
        Self { to, family, from, outcome }
    }
}

/// The addresses of a name, in the order that the system's resolver gives (RFC 6724), which is ssh's too.
pub async fn resolve(host: &str) -> Result<Vec<IpAddr>, String> {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    if let Ok(a) = bare.parse::<IpAddr>() {
        return Ok(vec![a]);
    }
    let found = tokio::time::timeout(Duration::from_secs(10), tokio::net::lookup_host((bare, 0))).await;
    let list = found
        .map_err(|_| format!("resolving {bare} took over 10 s"))?
        .map_err(|e| format!("{bare} does not resolve: {e}"))?;
    let mut out: Vec<IpAddr> = Vec::new();
    for a in list.map(|s| s.ip()) {
        if !out.contains(&a) {
            out.push(a);
        }
    }
    Ok(out)
}

/// Tries every address at once; the answers are in the addresses' order.
pub async fn knock(k: &Knock) -> Result<Vec<Knocked>, String> {
    if let Some(proxy) = &k.proxy {
        return through(proxy, k).await;
    }
    let mut addresses = Vec::new();
    if k.hosts.is_empty() {
        addresses = own_addresses();
    }
    for h in &k.hosts {
        addresses.extend(resolve(h).await?);
    }
    addresses.retain(|a| k.family.is_none_or(|f| f == Family::of(a)));
    let mut tasks = Vec::new();
    for a in addresses {
        let k = k.clone();
        tasks.push((a, tokio::spawn(async move { knock_one(SocketAddr::new(a, k.port), &k).await })));
    }
    let mut out = Vec::new();
    for (to, t) in tasks {
        let (from, outcome) = t.await.map_err(|e| e.to_string())?;
        let from = from.or_else(|| source(SocketAddr::new(to, k.port)));
        out.push(Knocked { to: to.to_string(), family: Some(Family::of(&to)), from, outcome });
    }
    Ok(out)
}

/// For a proxy to log in where it must, and get through.
const PROXY: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 15 });

/// Puts in what the tokens of a ProxyCommand stand for (ssh_config(5), TOKENS).
pub(super) fn expand(command: &str, of: impl Fn(char) -> String) -> String {
    let mut out = String::new();
    let mut rest = command.chars();
    while let Some(c) = rest.next() {
        match (c, c == '%') {
            (_, true) => out += &rest.next().map(&of).unwrap_or_default(),
            (c, _) => out.push(c),
        }
    }
    out
}

/// An error says that the proxy itself cannot be had: nothing is known of the host beyond.
async fn through(proxy: &Proxy, k: &Knock) -> Result<Vec<Knocked>, String> {
    let mut out = Vec::new();
    for host in &k.hosts {
        // It becomes a part of a shell's command line.
        super::plain(host).map_err(|e| e.why)?;
        let family = host.parse().ok().map(|a| Family::of(&a));
        // Of which family a name is, only the other side learns.
        if k.family.is_some_and(|f| family != Some(f)) {
            continue;
        }
        let command = expand(&proxy.command, |token| match token {
            'h' => host.clone(),
            'p' => k.port.to_string(),
            other => other.to_string(),
        });
        let outcome = match first_line(&command, PROXY + k.banner.unwrap_or(k.timeout)).await {
            Ok(Said { line: Some(line), .. }) => Outcome::Open(Some(line)),
            Ok(Said { ended: false, .. }) => Outcome::Unanswered(proxy.name.clone()),
            Ok(said) => refusal(&said.stderr, &proxy.name)?,
            Err(e) => return Err(e.why),
        };
        out.push(Knocked { to: host.clone(), family, from: None, outcome });
    }
    Ok(out)
}

/// How ssh begins what it says of its own connection to a jump host, and not of the host beyond it (OpenSSH's sshconnect.c
/// and packet.c).
const OWN: &[&str] =
    &["ssh: ", "kex_exchange_identification: ", "ssh_exchange_identification: ", "Connection ", "Timeout, server "];

/// What a proxy says of a connection that it could not make: OpenSSH's channels.c, and those who forward by other means.
/// An error: it is about the way to the proxy.
fn refusal(stderr: &str, name: &str) -> Result<Outcome, String> {
    let lines = || stderr.lines().map(str::trim).filter(|l| !l.is_empty() && *l != "stdio forwarding failed");
    let beyond = lines().rfind(|l| l.contains("open failed: "));
    let Some(said) = beyond.or(lines().next_back()) else { return Ok(Outcome::Closed) };
    let login = ["Permission denied", "verification failed", "Too many authentication failures"];
    if beyond.is_none() && (OWN.iter().any(|o| said.starts_with(o)) || login.iter().any(|w| said.contains(w))) {
        return Err(format!("{name} itself cannot be reached: {said}"));
    }
    Ok(match said {
        _ if said.contains("Connection refused") => Outcome::Refused,
        _ if said.contains("timed out") => Outcome::TimedOut,
        _ if said.contains("No route to host") || said.contains("unreachable") => {
            Outcome::Unreachable(said.rsplit(": ").next().unwrap_or(said).to_lowercase())
        }
        _ => Outcome::Other(format!("{name} says: {said}")),
    })
}

async fn knock_one(to: SocketAddr, k: &Knock) -> (Option<IpAddr>, Outcome) {
    let stream = match tokio::time::timeout(k.timeout, TcpStream::connect(to)).await {
        Err(_) => return (None, Outcome::TimedOut),
        Ok(Err(e)) => {
            let outcome = match e.kind() {
                ErrorKind::ConnectionRefused => Outcome::Refused,
                ErrorKind::TimedOut => Outcome::TimedOut,
                ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
                    Outcome::Unreachable(e.kind().to_string())
                }
                ErrorKind::ConnectionReset => Outcome::Closed,
                _ => Outcome::Other(e.to_string()),
            };
            return (None, outcome);
        }
        Ok(Ok(s)) => s,
    };
    (stream.local_addr().ok().map(|a| a.ip()), said_first(stream, k).await)
}

async fn said_first(mut stream: TcpStream, k: &Knock) -> Outcome {
    let Some(patience) = k.banner else { return Outcome::Open(None) };
    let mut line = Vec::new();
    let read = async {
        let mut buffer = [0; 256];
        while !line.contains(&b'\n') && line.len() < 1024 {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(n) => line.extend_from_slice(&buffer[..n]),
            }
        }
    };
    let timed_out = tokio::time::timeout(patience, read).await.is_err();
    match (line.split(|b| *b == b'\n').next(), timed_out) {
        (Some(first), _) if !first.is_empty() => {
            Outcome::Open(Some(String::from_utf8_lossy(first).trim_end().to_owned()))
        }
        (_, true) => Outcome::Silent,
        _ => Outcome::Closed,
    }
}

/// The addresses that this machine would use to speak to the world: the source address the kernel picks for a
/// documentation address of each family (RFC 5737, RFC 3849). Where no route leads there, those of its interfaces.
fn own_addresses() -> Vec<IpAddr> {
    let toward = |world: &str| world.parse().ok().and_then(source).filter(|a| !a.is_loopback());
    let table = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let v4 = toward("192.0.2.1:9").map_or_else(|| local_v4(&table("/proc/net/fib_trie")), |a| vec![a]);
    let v6 = toward("[2001:db8::1]:9").map_or_else(|| local_v6(&table("/proc/net/if_inet6")), |a| vec![a]);
    v4.into_iter().chain(v6).collect()
}

/// The addresses of the kernel's local table, each once: a leaf `|-- ADDRESS` with `/32 host LOCAL` below it (fib_trie.c).
fn local_v4(trie: &str) -> Vec<IpAddr> {
    let mut out = Vec::new();
    let mut leaf = None;
    for line in trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse::<std::net::Ipv4Addr>().ok();
        } else if let Some(a) = leaf.filter(|a| line == "/32 host LOCAL" && !a.is_loopback() && !a.is_link_local()) {
            out.push(IpAddr::V4(a));
            leaf = None;
        }
    }
    out.sort_unstable();
    out.dedup();
    out
}

/// The addresses of global scope: `ADDRESS INDEX LENGTH 00 FLAGS NAME` (addrconf.c).
fn local_v6(table: &str) -> Vec<IpAddr> {
    let rows = table.lines().map(|l| l.split_whitespace().collect::<Vec<_>>());
    let global = rows.filter(|f| f.get(3) == Some(&"00"));
    let read = |f: Vec<&str>| u128::from_str_radix(f[0], 16).ok();
    global.filter_map(read).map(|n| IpAddr::V6(n.into())).collect()
}

/// The address that the kernel would send from. Connecting a UDP socket sends nothing.
fn source(to: SocketAddr) -> Option<IpAddr> {
    let s = UdpSocket::bind(if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).ok()?;
    s.connect(to).ok()?;
    s.local_addr().ok().map(|a| a.ip()).filter(|a| !a.is_unspecified())
}

/// The address that the other side sees, as far as can be told from here; none where address translation lies on the way
/// for sure (a private address on its way to a public one), or where both ends are one machine.
#[must_use]
pub fn seen_as(from: IpAddr, to: IpAddr) -> Option<IpAddr> {
    (from != to && !from.is_loopback() && private(from) == private(to)).then_some(from)
}

/// An address that no packet has on the public internet (RFC 1918, RFC 3927, RFC 4193, RFC 4291, RFC 6598).
fn private(a: IpAddr) -> bool {
    match a {
        IpAddr::V4(a) => {
            let [first, second, ..] = a.octets();
            a.is_private() || a.is_loopback() || a.is_link_local() || (first == 100 && second & 0xc0 == 0x40)
        }
        IpAddr::V6(a) => a.is_loopback() || a.is_unique_local() || a.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_interfaces() {
        const TRIE: &str = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.77.0.0\n        /24 link UNICAST\nLocal:\n  +-- 0.0.0.0/0 3 0 5\n     +-- 10.77.0.0/24 2 0 2\n        |-- 10.77.0.9\n           /32 host LOCAL\n        |-- 10.77.0.255\n           /32 link BROADCAST\n     +-- 127.0.0.0/8 2 0 2\n           |-- 127.0.0.1\n              /32 host LOCAL\n     |-- 10.77.0.9\n        /32 host LOCAL\n";
        assert_eq!(local_v4(TRIE), ["10.77.0.9".parse::<IpAddr>().unwrap()]);
        const INET6: &str = "00000000000000000000000000000001 01 80 10 80       lo\nfd770000000000000000000000000009 02 40 00 80    host0\nfe80000000000000f8d2fbfffe5c1fc1 02 40 20 80    host0\n";
        assert_eq!(local_v6(INET6), ["fd77::9".parse::<IpAddr>().unwrap()]);
        assert!(local_v4("").is_empty() && local_v6("x\n").is_empty());
    }

    #[test]
    fn as_whom_the_other_side_sees_us() {
        let of = |from: &str, to: &str| seen_as(from.parse().unwrap(), to.parse().unwrap()).is_some();
        assert!(of("10.77.0.1", "10.77.0.5") && of("192.168.1.2", "100.64.0.9") && of("fd00::1", "fd00::2"));
        assert!(of("203.0.113.7", "198.51.100.7") && of("2001:db8::1", "2001:db8::2"));
        // Behind a router, and on the host itself.
        assert!(!of("192.168.1.2", "203.0.113.7") && !of("fd00::1", "2001:db8::2"));
        assert!(!of("10.77.0.5", "10.77.0.5") && !of("127.0.0.1", "127.0.0.1"));
    }

    #[tokio::test]
    async fn our_own_end_of_a_connection_that_does_not_come_about() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let hosts = vec!["127.0.0.1".to_owned()];
        let timeout = Duration::from_secs(1);
        let k = Knock { hosts, port: taken.port(), family: None, banner: None, timeout, proxy: None, salt: 0 };
        let one = knock(&k).await.unwrap().remove(0);
        assert_eq!((one.outcome, one.from), (Outcome::Refused, Some("127.0.0.1".parse().unwrap())));
    }

    #[test]
    fn what_a_proxy_says() {
        let of = |text: &str| refusal(text, "gate");
        let refused = "channel 0: open failed: connect failed: Connection refused\nstdio forwarding failed\n";
        assert_eq!(of(refused), Ok(Outcome::Refused));
        assert_eq!(of("channel 0: open failed: connect failed: Connection timed out"), Ok(Outcome::TimedOut));
        assert_eq!(
            of("channel 0: open failed: connect failed: No route to host"),
            Ok(Outcome::Unreachable("no route to host".into()))
        );
        assert_eq!(of("Ncat: Connection refused."), Ok(Outcome::Refused));
        assert_eq!(of(""), Ok(Outcome::Closed));
        for own in [
            "ssh: connect to host gate port 22: Connection refused",
            "root@gate: Permission denied (publickey).",
            "Connection to 10.0.0.1 port 22 timed out",
            "Connection timed out during banner exchange",
            "kex_exchange_identification: Connection closed by remote host",
        ] {
            assert_eq!(of(own), Err(format!("gate itself cannot be reached: {own}")));
        }
        assert!(matches!(
            of("channel 0: open failed: administratively prohibited: open failed"),
            Ok(Outcome::Other(_))
        ));
    }

    #[tokio::test]
    async fn a_proxy_is_the_way() {
        let to = |host: &str, command: &str| {
            let proxy = Some(Proxy { name: "gate".into(), command: command.into() });
            let hosts = vec![host.to_owned()];
            let timeout = Duration::from_secs(1);
            let k = Knock { hosts, port: 2222, family: None, banner: Some(timeout), timeout, proxy, salt: 0 };
            async move { knock(&k).await.map(|mut all| all.remove(0)) }
        };
        let ask = |command: &str| to("web1", command);
        let k = ask("echo 'SSH-2.0-%h-%p-100%%'; sleep 100").await.unwrap();
        assert_eq!((k.to.as_str(), k.family), ("web1", None));
        assert_eq!(k.outcome, Outcome::Open(Some("SSH-2.0-web1-2222-100%".into())));
        let k = ask("echo 'connect to %h port %p failed: Connection refused' >&2; exit 1").await;
        assert_eq!(k.unwrap().outcome, Outcome::Refused);
        assert_eq!(ask("exit 0").await.unwrap().outcome, Outcome::Closed);
        // Whether a connection came about beyond it, nobody says.
        assert_eq!(ask("exec sleep 100").await.unwrap().outcome, Outcome::Unanswered("gate".into()));
        let lost = ask("echo 'ssh: connect to host gate port 22: Connection refused' >&2; exit 255").await;
        assert!(lost.is_err_and(|why| why.starts_with("gate itself cannot be reached")));
        let odd = to("$(exit)", "echo %h").await;
        assert!(odd.is_err_and(|why| why.contains("means something to a shell")));
    }
}
