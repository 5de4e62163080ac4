//! hosts.allow and hosts.deny: whom TCP wrappers let in, which line decides it, and edits that change nothing else.
//!
//! Pure: the caller reads and writes the files. Source of the rules: hosts_access(5), hosts_options(5), and
//! hosts_access.c, misc.c and options.c of Debian's libwrap (7.6.q, built with PROCESS_OPTIONS, ACLEXEC, INET6 and
//! NETGROUP); `tests/it/hosts_access.rs` holds them against the real `tcpdmatch`.
//!
//! What an address alone does not tell (a host's name, a remote user, the end of a command) is [`Truth::Maybe`], and every
//! way in which a search may then end is in the [`Answer`].

mod address;
mod change;
mod option;
mod pattern;
mod table;
#[cfg(test)]
mod tests;
mod truth;

pub use change::{comment_out, let_in};
pub use pattern::{Client, Host, Name};
pub use table::Problem;
pub use truth::Truth;

use std::collections::{BTreeMap, BTreeSet};

use option::Effect;
use pattern::Request;
use table::{Line, Rule, Table};

/// Where libwrap looks first.
pub const ALLOW: &str = "/etc/hosts.allow";
/// Where it looks next.
pub const DENY: &str = "/etc/hosts.deny";

/// The files, by absolute path: the two tables, and those that a pattern names by its path. `None`: it is not there, or
/// nothing can be read from it.
pub type Files = BTreeMap<String, Option<Vec<u8>>>;

/// How a search may end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The client is let in.
    pub granted: bool,
    /// The line that decides; none where no line matches.
    pub place: Option<Place>,
    /// Why it decides so, where that is not plain from the file it stands in.
    pub why: Why,
}

/// A rule, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// [`ALLOW`] or [`DENY`].
    pub file: &'static str,
    /// Its first line, counted from 1.
    pub first: usize,
    /// Its last line: the one that libwrap names in its log.
    pub last: usize,
    /// Its text, with its lines joined.
    pub text: String,
}

/// Why a line decides as it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It matches; hosts.allow grants and hosts.deny denies.
    Matches,
    /// It matches, and its option `allow` or `deny` decides.
    Option,
    /// It matches, and libwrap does not understand its options (hosts_options(5), DIAGNOSTICS: "service is denied").
    BadOption(String),
    /// It matches, and its command gets the connection in place of the daemon.
    Twist,
    /// It matches, and its command decides.
    Command,
    /// It does not end with a newline: the search in this file ends, and in hosts.deny everybody is denied.
    Unended,
    /// It is longer than 2047 bytes, with the same effect.
    TooLong,
    /// No line matches: granted.
    NoLine,
}

/// Whom the tables let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Every way in which it may end, in the order of the files; just one where all is known.
    pub ways: Vec<Way>,
}

impl Answer {
    /// Whether the client is let in.
    #[must_use]
    pub fn granted(&self) -> Truth {
        match (self.ways.iter().all(|w| w.granted), self.ways.iter().any(|w| w.granted)) {
            (true, _) => Truth::Yes,
            (_, false) => Truth::No,
            _ => Truth::Maybe,
        }
    }
    /// The first way that ends in a denial.
    #[must_use]
    pub fn denial(&self) -> Option<&Way> {
        self.ways.iter().find(|w| !w.granted)
    }
}

/// The two tables, parsed.
#[derive(Debug)]
pub struct Tables<'a> {
    files: &'a Files,
    tables: [Table; 2],
}

impl<'a> Tables<'a> {
    /// Reads both; a table that is not among the files is empty.
    #[must_use]
    pub fn new(files: &'a Files) -> Self {
        let table = |path: &'static str| Table::parse(path, files.get(path).and_then(Option::as_deref).unwrap_or(b""));
        Self { files, tables: [table(ALLOW), table(DENY)] }
    }

    /// Whether `daemon` lets the client in, by hosts_access(3): hosts.allow grants at its first match, then hosts.deny
    /// denies, else it is granted. `server` is the end of the connection that the client knows, `port` its TCP port.
    #[must_use]
    pub fn ask(&self, daemon: &str, client: &Client, server: &Host, port: Option<u16>) -> Answer {
        let request = Request { daemon, client, server, port, files: self.files };
        let mut ways = Vec::new();
        for (table, grants) in self.tables.iter().zip([true, false]) {
            if search(table, grants, &request, &mut ways) {
                return Answer { ways };
            }
        }
        ways.push(Way { granted: true, place: None, why: Why::NoLine });
        Answer { ways }
    }

    /// The files that patterns name, as far as they are known: those that are read may name more.
    #[must_use]
    pub fn named(&self) -> BTreeSet<String> {
        let rules = self.tables.iter().flat_map(|t| &t.lines).filter_map(Line::rule);
        let mut out = BTreeSet::new();
        let mut new: Vec<String> = rules.flat_map(Rule::paths).collect();
        while let Some(path) = new.pop() {
            if let Some(Some(bytes)) = self.files.get(&path).filter(|_| !out.contains(&path)) {
                new.extend(pattern::words(bytes).filter(|w| w.starts_with(b"/")).map(lossy));
            }
            out.insert(path);
        }
        out
    }

    /// What libwrap complains of in its log, and patterns that cannot match whatever the client is.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        self.tables.iter().flat_map(Table::problems).collect()
    }
}

/// Searches a table; true if the search certainly ends in it.
fn search(table: &Table, grants: bool, request: &Request<'_>, ways: &mut Vec<Way>) -> bool {
    for line in &table.lines {
        let mut add = |granted, why| ways.push(Way { granted, place: Some(line.place(table.path)), why });
        let rule = match &line.kind {
            table::Kind::Rule(rule) => rule,
            table::Kind::NoColon => continue,
            // In hosts.allow that is no match, and hosts.deny is searched; there it is no "no match".
            table::Kind::Unended | table::Kind::TooLong => {
                let why = if line.kind == table::Kind::TooLong { Why::TooLong } else { Why::Unended };
                if !grants {
                    add(false, why);
                }
                return !grants;
            }
        };
        let matches = rule.matches(request);
        if matches == Truth::No {
            continue;
        }
        let (mut sure, mut leaves) = (matches == Truth::Yes, false);
        for effect in option::effects(&rule.options) {
            match effect {
                Effect::Falls => add(grants, Why::Matches),
                Effect::Allow => add(true, Why::Option),
                Effect::Deny => add(false, Why::Option),
                Effect::Twist => add(false, Why::Twist),
                Effect::Bad(why) => add(false, Why::BadOption(why)),
                // Its command failed: as if the table had no match at all.
                Effect::Command => {
                    add(grants, Why::Command);
                    if grants {
                        (sure, leaves) = (false, matches == Truth::Yes);
                    } else {
                        add(true, Why::Command);
                    }
                }
            }
        }
        if leaves {
            return false;
        }
        if sure {
            return true;
        }
    }
    false
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
