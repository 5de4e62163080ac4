//! What probe.sh prints of a start, typed.

use std::collections::BTreeMap;

/// A line of a unit file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnitLine {
    pub(super) file: String,
    /// From 1.
    pub(super) number: usize,
    pub(super) section: String,
    pub(super) key: String,
    pub(super) value: String,
}

impl UnitLine {
    /// `FILE:LINE says "KEY=VALUE"`, as short as a line of a plan wants it.
    pub(super) fn quote(&self) -> String {
        let text = format!("{}={}", self.key, self.value);
        let cut: String = text.chars().take(60).collect();
        let dots = if cut.len() < text.len() { "…" } else { "" };
        format!("{} says \"{cut}{dots}\"", self.place())
    }
    /// `FILE:LINE`
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.file, self.number)
    }
    /// Whether one of its words is that.
    pub(super) fn names(&self, word: &str) -> bool {
        self.value.split_whitespace().any(|w| w == word)
    }
}

/// `Key=value` of a unit, as `systemctl show` prints it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct UnitProperties(BTreeMap<String, String>);

impl UnitProperties {
    /// A property; empty where it is not set.
    pub(super) fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }
    pub(super) fn name(&self) -> &str {
        self.get("Id")
    }
    /// Its words.
    pub(super) fn list(&self, key: &str) -> impl Iterator<Item = &str> {
        self.get(key).split_whitespace()
    }
    /// A monotonic time in seconds after boot; `None` where it never was.
    pub(super) fn seconds(&self, key: &str) -> Option<u64> {
        self.get(key).parse::<u64>().ok().filter(|n| *n > 0).map(|n| n / 1_000_000)
    }
}

/// A unit that is to be started.
#[derive(Debug, Clone, Default)]
pub(super) struct StartedUnit {
    pub(super) properties: UnitProperties,
    /// Its unit files with their sizes, the one that counts first.
    pub(super) files: Vec<(String, u64)>,
    /// The lines that say what a start needs, in the order in which systemd reads them.
    pub(super) lines: Vec<UnitLine>,
    /// Those of them whose program, file or user does not exist, or whose condition does not hold.
    pub(super) dangling: Vec<UnitLine>,
    /// What it requires, directly or not.
    pub(super) needs: Vec<UnitProperties>,
    /// Conditions for which systemd skipped its last start, as `systemctl status` writes them.
    pub(super) unmet: Vec<String>,
}

/// A job of systemd's queue (systemctl(1), list-jobs).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QueuedJob {
    pub(super) number: String,
    pub(super) unit: String,
    /// start, stop, restart …
    pub(super) verb: String,
    /// Whether it runs; else it waits for others.
    pub(super) running: bool,
}

/// All that decides whether a start can succeed.
#[derive(Debug, Clone, Default)]
pub(super) struct StartState {
    /// Seconds since boot.
    pub(super) uptime: u64,
    pub(super) units: Vec<StartedUnit>,
    pub(super) jobs: Vec<QueuedJob>,
    /// What the units of these jobs wait for: their `After`.
    pub(super) order: Vec<UnitProperties>,
    /// Units that wait for one another in a circle, as systemd names them.
    pub(super) cycles: Vec<Vec<String>>,
    /// The lines that a person gave those units for their order.
    pub(super) cycle_lines: Vec<UnitLine>,
    /// Last lines of the log, by unit.
    pub(super) logs: BTreeMap<String, Vec<String>>,
}

impl StartState {
    /// Reads what probe.sh prints.
    pub(super) fn parse(out: &str) -> Self {
        let mut state = Self::default();
        let (mut head, mut body) = ("", Vec::new());
        for line in out.lines().chain(["-- end"]) {
            let Some(next) = line.strip_prefix("-- ") else {
                body.push(line);
                continue;
            };
            state.take(head, &body);
            (head, body) = (next, Vec::new());
        }
        state
    }

    fn take(&mut self, head: &str, body: &[&str]) {
        let (word, name) = head.split_once(' ').unwrap_or((head, ""));
        match word {
            "" => self.uptime = body.iter().find_map(|l| l.strip_prefix("uptime ")?.parse().ok()).unwrap_or(0),
            "unit" => {
                let properties = blocks(body).into_iter().next().unwrap_or_default();
                self.units.push(StartedUnit { properties, ..StartedUnit::default() });
            }
            "files" => {
                if let Some(unit) = self.units.last_mut() {
                    unit.read_files(body);
                }
            }
            "needs" => {
                if let Some(unit) = self.units.last_mut() {
                    unit.needs.append(&mut blocks(body));
                }
            }
            "jobs" => self.jobs = body.iter().filter_map(|l| job(l)).collect(),
            "after" => self.order = blocks(body),
            "cycle" => {
                self.cycles = cycles(body);
                let mut others = StartedUnit::default();
                others.read_files(body);
                self.cycle_lines = others.lines;
            }
            "log" => {
                let lines = body.iter().map(|l| l.trim().to_owned()).filter(|l| !l.is_empty() && !l.starts_with("-- "));
                self.logs.entry(name.to_owned()).or_default().extend(lines);
            }
            _ => {}
        }
    }
}

impl StartedUnit {
    fn read_files(&mut self, body: &[&str]) {
        let mut section = (String::new(), String::new());
        for line in body {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "file" => {
                    let (size, path) = rest.trim_start().split_once(' ').unwrap_or(("", ""));
                    self.files.extend(size.parse().ok().map(|size| (path.to_owned(), size)));
                }
                "line" | "gone" => {
                    let mut parts = rest.splitn(3, ':');
                    let (Some(file), Some(number), Some(text)) = (parts.next(), parts.next(), parts.next()) else {
                        continue;
                    };
                    let text = text.trim();
                    if section.0 != file {
                        section = (file.to_owned(), String::new());
                    }
                    if let Some(name) = text.strip_prefix('[').and_then(|t| t.split(']').next()) {
                        name.clone_into(&mut section.1);
                    }
                    let (Some((key, value)), Ok(number)) = (text.split_once('='), number.parse()) else { continue };
                    let line = UnitLine {
                        file: file.to_owned(),
                        number,
                        section: section.1.clone(),
                        key: key.trim().to_owned(),
                        value: value.trim().to_owned(),
                    };
                    if word == "gone" { self.dangling.push(line) } else { self.lines.push(line) }
                }
                _ => {}
            }
        }
    }
    pub(super) fn name(&self) -> &str {
        self.properties.name()
    }
    /// Whether no later line of the key takes the line back with an empty value.
    pub(super) fn counts(&self, line: &UnitLine) -> bool {
        let later = self.lines.iter().skip_while(|x| (&x.file, x.number) != (&line.file, line.number)).skip(1);
        !later.filter(|x| x.key == line.key).any(|x| x.value.is_empty())
    }
    /// Its lines of that key.
    pub(super) fn lines_of<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a UnitLine> {
        self.lines.iter().filter(move |l| l.key == key)
    }
}

/// `sysinit.target: Found ordering cycle on ssh.service/start`, and then a line for each of the others: `sysinit.target: Found
/// dependency on basic.target/start`.
fn cycles(body: &[&str]) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = Vec::new();
    for line in body {
        let unit = |text: &str| text.trim().split('/').next().unwrap_or_default().to_owned();
        if let Some((at, on)) = line.split_once(": Found ordering cycle on ") {
            all.push(vec![unit(at), unit(on)]);
        } else if let (Some((_, on)), Some(last)) = (line.split_once(": Found dependency on "), all.last_mut()) {
            let on = unit(on);
            if !last.contains(&on) {
                last.push(on);
            }
        }
    }
    all
}

/// Blocks of `Key=value`, parted by empty lines.
fn blocks(body: &[&str]) -> Vec<UnitProperties> {
    let parts = body.split(|l| l.trim().is_empty()).filter(|b| !b.is_empty());
    parts
        .map(|b| {
            let mut all = BTreeMap::new();
            for (key, value) in b.iter().filter_map(|l| l.split_once('=')) {
                // A property with several values has a line for each.
                let old: &mut String = all.entry(key.to_owned()).or_default();
                if !old.is_empty() {
                    old.push('\n');
                }
                old.push_str(value);
            }
            UnitProperties(all)
        })
        .collect()
}

/// `130 tunnel-wait.service start running`
fn job(line: &str) -> Option<QueuedJob> {
    let mut words = line.split_whitespace().filter(|w| *w != "●");
    let (number, unit, verb, state) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let is_number = number.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| QueuedJob {
        number: number.to_owned(),
        unit: unit.to_owned(),
        verb: verb.to_owned(),
        running: state == "running",
    })
}
