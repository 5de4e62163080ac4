//! What the controller's own network says: names and TCP connections.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

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
    /// Wait for the first line that the other side says.
    pub banner: bool,
    /// For connecting, and again for the banner.
    pub timeout: Duration,
    /// Makes an equal question a new one: a proof is never an old answer.
    pub salt: u64,
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
    /// Anything else.
    Other(String),
}

/// A connection that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Knocked {
    /// Where to.
    pub to: IpAddr,
    /// Its family.
    pub family: Family,
    /// Our own end of it, where it came about; address translation on the way is not seen.
    pub from: Option<IpAddr>,
    /// How it went.
    pub outcome: Outcome,
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
        out.push(Knocked { to, family: Family::of(&to), from, outcome });
    }
    Ok(out)
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
    if !k.banner {
        return Outcome::Open(None);
    }
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
    let timed_out = tokio::time::timeout(k.timeout, read).await.is_err();
    match (line.split(|b| *b == b'\n').next(), timed_out) {
        (Some(first), _) if !first.is_empty() => {
            Outcome::Open(Some(String::from_utf8_lossy(first).trim_end().to_owned()))
        }
        (_, true) => Outcome::Silent,
        _ => Outcome::Closed,
    }
}

/// The addresses that this machine would use to speak to the world: the source address the kernel picks for a
/// documentation address of each family (RFC 5737, RFC 3849). Connecting a UDP socket sends nothing.
fn own_addresses() -> Vec<IpAddr> {
    [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")]
        .iter()
        .filter_map(|(from, to)| {
            let s = UdpSocket::bind(from).ok()?;
            s.connect(to).ok()?;
            s.local_addr().ok().map(|a| a.ip())
        })
        .filter(|a| !a.is_loopback() && !a.is_unspecified())
        .collect()
}
