//! The answers of all.sh and one.sh, typed. Sizes in kB, as df -k has them.

use serde_json::{Value, json};

use crate::payload::sh_quote;

/// How full a file system is (POSIX df -P).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    pub mount: String,
    pub total: u64,
    pub used: u64,
    pub free: u64,
    pub percent: u32,
    /// All of its inodes, 0 where it has no fixed number.
    pub nodes: u64,
    pub inodes: u32,
}

/// What is on it.
#[derive(Debug, Default)]
pub struct Seen {
    pub usage: Option<Usage>,
    pub readonly: bool,
    pub apt_get: bool,
    pub journalctl: bool,
    places: Vec<(String, u64, String)>,
    /// Rotated logs: size, path.
    pub old: Vec<(u64, String)>,
    open: Vec<Open>,
    big: Vec<(u64, String, String)>,
    many: Vec<(u64, String)>,
}

/// A file that was removed and is still open.
#[derive(Debug, Default)]
struct Open {
    pid: u32,
    kb: u64,
    unit: String,
    name: String,
    path: String,
}

impl Usage {
    /// `DEVICE TOTAL USED FREE N% MOUNT`; device and mount point may hold blanks.
    fn parse(line: &str) -> Option<(String, [u64; 3], u32)> {
        let mut words = line.split_whitespace().enumerate();
        let (at, percent) = words.find(|(n, w)| *n >= 4 && (w.ends_with('%') || *w == "-"))?;
        let all: Vec<&str> = line.split_whitespace().collect();
        let number = |back: usize| all[at - back].parse().unwrap_or(0);
        let (_, mount) = line.split_once(&format!("{percent} /")).map(|(a, b)| (a, format!("/{b}")))?;
        Some((mount, [number(3), number(2), number(1)], percent.trim_end_matches('%').parse().unwrap_or(0)))
    }
    /// All of them, each mount point once.
    pub fn read(out: &str) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for line in out.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let Some((mount, [total, used, free], percent)) = Self::parse(rest.trim()) else { continue };
            match word {
                "blocks" if total > 0 && !all.iter().any(|u| u.mount == mount) => {
                    all.push(Self { mount, total, used, free, percent, ..Self::default() });
                }
                "inodes" => {
                    if let Some(u) = all.iter_mut().find(|u| u.mount == mount) {
                        (u.nodes, u.inodes) = (total, percent);
                    }
                }
                _ => {}
            }
        }
        all
    }
    pub fn is_full(&self, full: u32) -> bool {
        self.percent >= full || self.inodes >= full
    }
    /// How much has to go until less than `full` percent are in use.
    pub fn need(&self, full: u32) -> u64 {
        let may = (self.used + self.free) * u64::from(full) / 100;
        if self.percent >= full { (self.used + 1).saturating_sub(may) } else { 0 }
    }
    pub fn says(&self, full: u32) -> String {
        if self.percent >= full {
            return format!(
                "{} is full: {}% of {} in use, {} left",
                self.mount,
                self.percent,
                size(self.total),
                size(self.free)
            );
        }
        if self.inodes >= full {
            return format!(
                "{} has no room for another file: {}% of its {} inodes in use",
                self.mount, self.inodes, self.nodes
            );
        }
        format!("{} has room: {}% of {} in use", self.mount, self.percent, size(self.total))
    }
}

impl Seen {
    pub fn read(out: &str) -> Self {
        let mut s = Seen { usage: Usage::read(out).pop(), ..Seen::default() };
        for line in out.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let (first, more) = rest.split_once(' ').unwrap_or((rest, ""));
            // stat(1) counts blocks of 512 bytes.
            let half = || first.parse::<u64>().ok().map(|b| b / 2);
            match word {
                "mounted" => s.readonly = more.split(',').any(|o| o == "ro"),
                "apt-get" => s.apt_get = true,
                "journalctl" => s.journalctl = true,
                "place" => {
                    let (kb, path) = more.split_once(' ').unwrap_or((more, ""));
                    s.places.push((first.to_owned(), kb.parse().unwrap_or(0), path.to_owned()));
                }
                "old" if rotated(more) => s.old.extend(half().map(|kb| (kb, more.to_owned()))),
                "many" => s.many.extend(first.parse().ok().map(|n| (n, more.to_owned()))),
                "big" => {
                    let (owner, path) = more.split_once(' ').unwrap_or((more, ""));
                    s.big.extend(half().map(|kb| (kb, owner.to_owned(), path.to_owned())));
                }
                "open" => {
                    let f: Vec<&str> = rest.splitn(5, ' ').collect();
                    if let [pid, blocks, unit, name, path] = f[..] {
                        s.open.push(Open {
                            pid: pid.parse().unwrap_or(0),
                            kb: blocks.parse::<u64>().unwrap_or(0) / 2,
                            unit: unit.trim_start_matches('-').to_owned(),
                            name: name.to_owned(),
                            path: path.to_owned(),
                        });
                    }
                }
                _ => {}
            }
        }
        s
    }
    /// How much is in the places of a kind.
    pub fn place(&self, kind: &str) -> u64 {
        self.places.iter().filter(|(k, ..)| k == kind).map(|(_, kb, _)| kb).sum()
    }
    /// The biggest, in a few words.
    pub fn held(&self) -> String {
        let words: Vec<String> = if self.many.is_empty() {
            let mut all: Vec<(u64, &str)> = self.places.iter().map(|(_, kb, p)| (*kb, p.as_str())).collect();
            all.extend(self.open.iter().map(|o| (o.kb, o.path.as_str())));
            all.extend(self.big.iter().map(|(kb, _, p)| (*kb, p.as_str())));
            all.retain(|(kb, _)| *kb >= 1024);
            all.sort_by_key(|(kb, _)| std::cmp::Reverse(*kb));
            all.iter().take(2).map(|(kb, p)| format!("{p} {}", size(*kb))).collect()
        } else {
            self.many.iter().take(2).map(|(n, p)| format!("{p} {n} files")).collect()
        };
        if words.is_empty() { String::new() } else { format!("; the most of it: {}", words.join(", ")) }
    }
    /// Who holds the room, and what a person can do about it.
    pub fn holders(&self) -> Vec<Value> {
        let holder = |what: &str, path: &str, kb: u64, todo: String| {
            (kb, json!({"what": what, "path": path, "kb": kb, "size": size(kb), "pid": null, "unit": "", "todo": todo}))
        };
        let mut all: Vec<(u64, Value)> = Vec::new();
        for o in &self.open {
            let how = if o.unit.is_empty() {
                format!("it is free when that ends: kill {}", o.pid)
            } else {
                format!("systemctl restart {}", o.unit)
            };
            let todo = format!("it was removed, and {} (pid {}) has it open: {how}", o.name, o.pid);
            let (kb, mut value) = holder("deleted", &o.path, o.kb, todo);
            value["pid"] = o.pid.into();
            value["unit"] = o.unit.clone().into();
            all.push((kb, value));
        }
        for (kind, kb, path) in self.places.iter().filter(|(_, kb, _)| *kb >= 1024) {
            let todo = match kind.as_str() {
                "cores" => "programs that crashed left this: look at it (coredumpctl), then remove what nobody needs",
                "tmp" => "whoever made these files may need them: look, then remove",
                "cache" => "packages that were downloaded: clean them with the package manager",
                "apt" => "apt-get clean",
                "journal" => "journalctl --vacuum-size=50M",
                _ => "logs: see which one grows, and why (du -xk /var/log | sort -n)",
            };
            all.push(holder(kind, path, *kb, todo.to_owned()));
        }
        for (kb, owner, path) in &self.big {
            all.push(holder("file", path, *kb, format!("{owner}'s: ask {owner} whether it may go")));
        }
        let most = self.many.iter().map(|(n, _)| *n).max().unwrap_or_default();
        for (n, path) in self.many.iter().filter(|(n, _)| n * 20 >= most) {
            let list = sh_quote(path).map(|p| format!(": ls -lt {p} | head")).unwrap_or_default();
            let (_, mut value) = holder("many", path, 0, format!("see whose they are and what makes them{list}"));
            value["size"] = format!("{n} files").into();
            all.push((*n, value));
        }
        all.sort_by_key(|(kb, _)| std::cmp::Reverse(*kb));
        all.into_iter().take(12).map(|(_, v)| v).collect()
    }
}

/// Whether a file below /var/log has the name of one that logrotate(8) made. What may go is judged here, and not by what a
/// probe printed: names come from whoever may write there.
fn rotated(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let plain = path.starts_with("/var/log/") && !path.split('/').any(|part| matches!(part, "." | ".."));
    let digits =
        |t: &str, n: std::ops::RangeInclusive<usize>| n.contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit());
    let packed = [".gz", ".xz", ".bz2", ".zst"].iter().any(|e| name.ends_with(e));
    let numbered = name.rsplit_once('.').is_some_and(|(_, n)| digits(n, 1..=2));
    let dated = name.rsplit_once('-').is_some_and(|(_, n)| digits(n, 8..=8) && n.starts_with("20"));
    plain && (packed || numbered || dated)
}

/// For people.
pub fn size(kb: u64) -> String {
    match kb {
        0..=9_999 => format!("{kb} kB"),
        10_000..=10_239_999 => format!("{} MB", kb / 1024),
        _ => format!("{} GB", kb / 1024 / 1024),
    }
}

/// `50M`, `1G` in kB.
pub fn kb(text: &str) -> Option<u64> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    let scale = match unit {
        "K" => 1,
        "M" => 1024,
        "G" => 1024 * 1024,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(scale)
}
