//! Where a host restores its rules from at boot: our line goes there, too, and nothing else does.

use crate::edit::firewall::Question;
use crate::edit::firewall::model::{Backend, Family};
use crate::edit::firewall::repair::Insertion;
use crate::edit::firewall::saved::{Wanted, iptables_file, nft_file};
use crate::module::Halt;
use crate::module::firewall::front::Stopped;
use crate::module::firewall::read::Found;
use crate::plan::{Change, View};
use crate::target::files::{Content, FileReading, Kind, Look};

/// A service that loads rules from a file.
pub(super) struct Restorer {
    pub unit: &'static str,
    pub file: &'static str,
    pub of: Of,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Iptables,
    Ip6tables,
    Nft,
}

const fn one(unit: &'static str, file: &'static str, of: Of) -> Restorer {
    Restorer { unit, file, of }
}

/// Debian's iptables-persistent; Red Hat's iptables-services; Arch; Alpine; and nftables of these.
pub(super) const RESTORERS: &[Restorer] = &[
    one("netfilter-persistent", "/etc/iptables/rules.v4", Of::Iptables),
    one("netfilter-persistent", "/etc/iptables/rules.v6", Of::Ip6tables),
    one("iptables", "/etc/sysconfig/iptables", Of::Iptables),
    one("ip6tables", "/etc/sysconfig/ip6tables", Of::Ip6tables),
    one("iptables", "/etc/iptables/iptables.rules", Of::Iptables),
    one("ip6tables", "/etc/iptables/ip6tables.rules", Of::Ip6tables),
    one("iptables", "/etc/iptables/rules-save", Of::Iptables),
    one("ip6tables", "/etc/iptables/rules6-save", Of::Ip6tables),
    one("nftables", "/etc/nftables.conf", Of::Nft),
    one("nftables", "/etc/sysconfig/nftables.conf", Of::Nft),
    one("nftables", "/etc/nftables.nft", Of::Nft),
];

/// Those of these services that start at boot.
pub(super) fn units(view: &View<'_>, names: &[&str]) -> Result<Vec<String>, Halt> {
    let all = match view.units(names) {
        Err(Halt::Pending) => return Err(Halt::Pending),
        // Without an init that is known, nothing says what runs at boot.
        other => other.unwrap_or_default(),
    };
    let on = all.iter().filter(|u| u.wants_boot() && !u.masked());
    Ok(on.filter_map(|u| u.asked.split('.').next().map(str::to_owned)).collect())
}

/// Adds what makes the insertions last; where nothing restores rules, it says so on the commands.
pub(super) fn changes(
    found: &Found,
    questions: &[Question],
    kept: &[Insertion],
    out: &mut Vec<Change>,
    view: &View<'_>,
) -> Result<(), Stopped> {
    let mut wanted: Vec<Of> = Vec::new();
    for i in kept {
        let table = &found.rules.tables[i.table];
        let of = match (table.backend, table.family) {
            (Backend::Nft, _) => Of::Nft,
            (_, Family::Ip6) => Of::Ip6tables,
            _ => Of::Iptables,
        };
        if !wanted.contains(&of) {
            wanted.push(of);
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let names = ["netfilter-persistent", "iptables", "ip6tables", "nftables"];
    let all: Vec<&Restorer> = RESTORERS.iter().filter(|r| wanted.contains(&r.of)).collect();
    let files: Vec<Result<FileReading, Halt>> = all.iter().map(|r| view.file(r.file, Look::Follow)).collect();
    let units = units(view, &names)?;
    let on = |name: &str| units.iter().any(|u| u == name);
    let mut notes: Vec<String> = Vec::new();
    let mut files_changed = Vec::new();
    for of in wanted {
        let mut restored = false;
        for (r, found_file) in all.iter().zip(&files).filter(|(r, _)| r.of == of && on(r.unit)) {
            let reading = match found_file {
                Ok(f) => f,
                Err(halt) => return Err(halt.clone().into()),
            };
            let Kind::File(Content::Bytes(bytes)) = &reading.state.kind else { continue };
            restored = true;
            let new = match of {
                Of::Nft => nft(found, kept, bytes),
                _ => {
                    let v6 = of == Of::Ip6tables;
                    let asked: Vec<Question> = questions.iter().filter(|q| q.v6 == v6).cloned().collect();
                    iptables_file(bytes, &asked, found.rules.ipsets.as_deref()).ok()
                }
            };
            let Some(new) = new else {
                notes.push(format!(
                    "{} holds other rules than those that are in force: nothing was added there, look at it",
                    r.file
                ));
                continue;
            };
            let mut after = reading.state.clone();
            after.kind = Kind::File(Content::Bytes(new));
            if let Some(mut change) = view.change_file(r.file, reading, after, false)? {
                if let Change::File(f) = &mut change {
                    f.notes.push(format!("{} restores the rules from it at boot", r.unit));
                }
                files_changed.push(change);
            }
        }
        if !restored {
            notes.push(
                "nothing restores these rules at boot: what keeps clients out goes with a reboot, and this rule with it".into(),
            );
        }
    }
    if let Some(Change::Command(c)) = out.last_mut() {
        c.notes.extend(notes);
    }
    out.extend(files_changed);
    Ok(())
}

fn nft(found: &Found, kept: &[Insertion], bytes: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = bytes.to_vec();
    for i in kept {
        let table = &found.rules.tables[i.table];
        if table.backend != Backend::Nft {
            continue;
        }
        let chain = &table.chains[i.chain];
        let wanted = Wanted {
            family: table.family.word(),
            table: &table.name,
            chain: &chain.name,
            rules: &chain.rules,
            at: i.at,
        };
        bytes = nft_file(&bytes, &wanted, &i.rule.text(table))?;
    }
    Some(bytes)
}
