//! Whom the host's own log says were refused: `refused connect from NAME (ADDRESS)` (refuse() of libwrap).

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::module::Halt;
use crate::plan::View;

/// What the log says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Log {
    /// There is a log, and all of it can be read.
    pub known: bool,
    /// Who was refused, each once, the latest last.
    pub addresses: Vec<IpAddr>,
}

impl Log {
    pub fn says(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address)
    }
    /// The last of those that tried which was refused.
    pub fn one_of(&self, seen: &[IpAddr]) -> Option<IpAddr> {
        self.addresses.iter().rev().find(|a| seen.contains(a)).copied()
    }
    /// For people: the last ones.
    pub fn hint(&self) -> String {
        let last: Vec<String> = self.addresses.iter().rev().take(3).map(IpAddr::to_string).collect();
        if last.is_empty() { String::new() } else { format!(" (it refused {} last)", last.join(", ")) }
    }
    pub fn value(&self) -> Value {
        json!(self.addresses)
    }
}

/// Reads the journal and the files of syslog. What happened a moment ago may not be in it yet: where somebody has just
/// tried, it is looked at again. The script names them, so that it is a new one after each try.
pub(super) fn read(daemon: &str, seen: &[IpAddr], view: &View<'_>) -> Result<Log, Halt> {
    let any: Vec<String> = seen.iter().map(|a| format!("*\"({a})\"*")).collect();
    let again = match any.as_slice() {
        [] => String::new(),
        any => format!(
            "n=0; while [ $n -lt 2 ]; do case $o in {}) break;; esac; sleep 1; n=$((n+1)); o=$(w); done; ",
            any.join("|")
        ),
    };
    let sh = format!(
        r#"w() {{ {{ journalctl -q --no-pager ${{R:+-D "$R/var/log/journal"}} -t {daemon} -t {daemon}-session -n 2000 -o short-iso 2>/dev/null
for f in auth.log secure messages; do rb_real /var/log/$f; [ ! -r "$R$REPLY" ] || tail -n 2000 "$R$REPLY"; done; }} | grep '{daemon}\(-session\)*\[.*refused connect from' | tail -n 200; }}
o=$(w); {again}if command -v journalctl >/dev/null || [ -r "$R/var/log/auth.log" ] || [ -r "$R/var/log/secure" ]; then echo '-- log'; fi; printf '%s\n' "$o""#
    );
    let a = view.script(&format!("refused by {daemon}"), &sh, false, &[])?;
    let mut log = parse(&String::from_utf8_lossy(&a.stdout));
    // Without root a journal shows only what is one's own.
    log.known &= view.facts()?.root;
    Ok(log)
}

fn parse(out: &str) -> Log {
    let mut log = Log { known: out.starts_with("-- log"), addresses: Vec::new() };
    for line in out.lines() {
        let Some((_, who)) = line.rsplit_once("refused connect from ") else { continue };
        // Older ones print the host alone, without brackets.
        let address = who.rsplit_once('(').map_or(who, |(_, a)| a).trim().trim_end_matches(')');
        let Ok(address) = address.split('%').next().unwrap_or_default().parse::<IpAddr>() else { continue };
        log.addresses.retain(|a| *a != address);
        log.addresses.push(address);
    }
    log
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_of_sshd() {
        let log = parse(
            "-- log\n2026-11-25T15:30:56+0000 web sshd[42]: refused connect from 10.77.0.1 (10.77.0.1)\n\
             2026-11-25T15:31:00+0000 web sshd[43]: refused connect from web.lab.example (10.9.0.5)\n\
             Nov 25 15:32:00 web sshd[44]: refused connect from 10.77.0.1 (10.77.0.1)\n\
             Nov 25 15:32:01 web sshd[45]: refused connect from fe80::1%eth0 (fe80::1%eth0)\n\
             Nov 25 15:32:02 web sshd[46]: refused connect from 192.0.2.1\nnothing\n",
        );
        let all: Vec<String> = log.addresses.iter().map(IpAddr::to_string).collect();
        assert_eq!(all, ["10.9.0.5", "10.77.0.1", "fe80::1", "192.0.2.1"]);
        assert!(log.known);
        assert_eq!(log.one_of(&["10.9.0.5".parse().unwrap(), "10.8.0.1".parse().unwrap()]), "10.9.0.5".parse().ok());
        assert_eq!(log.hint(), " (it refused 192.0.2.1, fe80::1, 10.77.0.1 last)");
        assert_eq!(parse("\n"), Log::default());
    }
}
