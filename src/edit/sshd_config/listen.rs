//! `add` for what sshd listens on: Port, and ListenAddress, which may have a port of its own.
//!
//! Source: `add_listen_addr` and `process_queued_listen_addrs` (servconf.c): a Port line is for the addresses that name
//! no port, and for all addresses if no ListenAddress is there.

use super::change::Changes;
use super::keywords::{self, Keyword};
use super::wanted::{Wanted, wanted};
use super::{Directive, Error, Tree, value};

/// A ListenAddress: host, port of its own, what follows (`rdomain NAME`).
struct Listen {
    host: String,
    port: Option<u16>,
    rest: Vec<String>,
}

fn listen(line: &Directive) -> Option<Listen> {
    let (host, port) = value::address(line.args.first()?)?;
    Some(Listen { host, port, rest: line.args.iter().skip(1).cloned().collect() })
}

/// Whether `0.0.0.0` or `::` is listened on at the same port: another address of that family could not be bound.
fn covered(want: &Wanted, listens: &[Listen]) -> bool {
    let [place] = want.args.as_slice() else { return false };
    let Some((host, port)) = value::address(place) else { return false };
    let any = |all: &str| listens.iter().any(|there| there.host == all && there.port == port && there.rest.is_empty());
    match host.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(_)) => any("0.0.0.0"),
        Ok(std::net::IpAddr::V6(_)) => any("::"),
        Err(_) => any("0.0.0.0") && any("::"),
    }
}

fn keyword(name: &str) -> Result<&'static Keyword, Error> {
    keywords::find(name).ok_or_else(|| Error::Unknown { keyword: name.to_owned(), near: None })
}

impl Tree {
    fn listens(&self) -> Vec<Listen> {
        self.values("ListenAddress").into_iter().filter_map(listen).collect()
    }

    pub(super) fn note_own_ports(&self, changes: &mut Changes<'_>) {
        for line in self.values("ListenAddress") {
            if let Some(Listen { port: Some(_), .. }) = listen(line) {
                let place = line.args.first().map(String::as_str).unwrap_or_default();
                changes.note(format!(
                    "`ListenAddress {place}` ({}:{}) has a port of its own: Port does not change it",
                    line.file, line.line
                ));
            }
        }
    }

    pub(super) fn add_ports(&self, wanted_ports: &[Wanted], changes: &mut Changes<'_>) -> Result<(), Error> {
        let listens = self.listens();
        let own: Vec<&Listen> = listens.iter().filter(|place| place.port.is_some()).collect();
        let by_port = own.len() < listens.len();
        if by_port || listens.is_empty() {
            self.add_port_lines(wanted_ports, changes)?;
        }
        if own.is_empty() {
            return Ok(());
        }
        let mut new = Vec::new();
        for port in wanted_ports.iter().filter_map(|want| value::port(want.args.first()?)) {
            let mut done: Vec<(&str, &[String])> = Vec::new();
            for place in &own {
                let id = (place.host.as_str(), place.rest.as_slice());
                let same = listens.iter().filter(|other| (other.host.as_str(), other.rest.as_slice()) == id);
                let mut ports = same.map(|other| other.port);
                // Where the address stands without a port too, the Port line is for it.
                if !done.contains(&id) && !ports.any(|other| other.is_none_or(|other| other == port)) {
                    done.push(id);
                    let host = if place.host.contains(':') { format!("[{}]", place.host) } else { place.host.clone() };
                    new.push(
                        std::iter::once(format!("{host}:{port}"))
                            .chain(place.rest.clone())
                            .collect::<Vec<_>>()
                            .join(" "),
                    );
                }
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        let keyword = keyword("ListenAddress")?;
        changes.note("ListenAddress lines name their ports, and Port does not count for those".to_owned());
        self.insert_near(keyword, &self.lines_of(keyword), &wanted(keyword, &new)?, changes)
    }

    fn add_port_lines(&self, ports: &[Wanted], changes: &mut Changes<'_>) -> Result<(), Error> {
        let keyword = keyword("Port")?;
        let lines = self.lines_of(keyword);
        let is = |want: &Wanted, port: &str| want.meaning.first().is_some_and(|have| have == port);
        if !lines.is_empty() {
            // No port at all, unseen as long as an option on the command line (`-p`) takes the place of these lines.
            // (A word may be a service's name: services(5).)
            let bad = |word: &String| word.bytes().all(|b| b.is_ascii_digit()) && value::port(word).is_none();
            for line in lines.iter().filter(|line| line.args.iter().any(bad)) {
                changes.comment_out(&line.file, line.line)?;
            }
            let there = |want: &Wanted| lines.iter().any(|line| value::meaning(keyword, &line.args) == want.meaning);
            let missing: Vec<Wanted> = ports.iter().filter(|want| !there(want)).cloned().collect();
            return self.insert_near(keyword, &lines, &missing, changes);
        }
        let others: Vec<Wanted> = ports.iter().filter(|want| !is(want, "22")).cloned().collect();
        if others.is_empty() {
            return Ok(()); // 22 is the default
        }
        changes.note("Port 22 was the default and is written too, else sshd would no longer listen on it".to_owned());
        let all: Vec<Wanted> = wanted(keyword, &["22".to_owned()])?.into_iter().chain(others).collect();
        self.insert_near(keyword, &[], &all, changes)
    }

    pub(super) fn add_addresses(&self, wanted_places: &[Wanted], changes: &mut Changes<'_>) -> Result<(), Error> {
        let keyword = keyword("ListenAddress")?;
        let lines = self.lines_of(keyword);
        let there = |want: &Wanted| lines.iter().any(|line| value::meaning(keyword, &line.args) == want.meaning);
        let listens = self.listens();
        let mut missing: Vec<Wanted> =
            wanted_places.iter().filter(|want| !there(want) && !covered(want, &listens)).cloned().collect();
        if lines.is_empty() {
            // sshd listens on every address already, on the ports of Port.
            let own_port = |want: &Wanted| {
                want.args.first().and_then(|arg| value::address(arg)).is_some_and(|(_, port)| port.is_some())
            };
            missing.retain(|want| own_port(want) || want.args.len() > 1);
            if missing.is_empty() {
                changes.note("no line says ListenAddress: sshd listens on every address".to_owned());
                return Ok(());
            }
            let family = self
                .values("AddressFamily")
                .first()
                .and_then(|line| line.args.first().map(|word| word.to_ascii_lowercase()));
            let all: &[&str] = match family.as_deref() {
                Some("inet") => &["0.0.0.0"],
                Some("inet6") => &["::"],
                _ => &["0.0.0.0", "::"],
            };
            let defaults: Vec<String> = all.iter().map(|place| (*place).to_owned()).collect();
            missing.splice(0..0, wanted(keyword, &defaults)?);
            changes.note("ListenAddress: all addresses were the default and are written too".to_owned());
        }
        self.insert_near(keyword, &lines, &missing, changes)
    }
}
