//! What the words of a script stand for, as far as it says so itself: variables, loops, the directory that it is in.

use std::collections::BTreeMap;

use super::programs::{FILE_TOOLS, LOOKS, READ_COMMANDS};
use super::shell::{SimpleCommand, read_script};
use super::tool::is_tool;
use super::{LoginPath, login_path};

/// How many values of one word are looked at, and how deep scripts are looked for in words.
const VALUES: usize = 32;
const DEPTH: usize = 4;

/// What a script says of its words.
#[derive(Debug, Default)]
pub struct Context {
    /// What its variables may stand for.
    values: BTreeMap<String, Vec<String>>,
    /// The directories that it changes into.
    directories: Vec<String>,
    /// It changes into one that is not known here.
    elsewhere: bool,
    /// A path in it that a login depends on, for what it changes is not always said where it is changed.
    pub named: Option<String>,
    /// It names a process that carries a connection.
    pub names_daemon: bool,
    /// A program in it that may cut the connection, however it is called.
    pub tool: Option<String>,
    /// A shell or the like in it runs what it reads.
    pub runs_text: bool,
}

/// What a word of a path stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A path that a login depends on, as it is to be named.
    Login(LoginPath, String),
    /// The script does not tell.
    Unknown,
    Other,
}

impl Context {
    #[must_use]
    pub fn of(sh: &str) -> Self {
        let mut out = Self { names_daemon: names_daemon(sh), ..Self::default() };
        let mut commands = Vec::new();
        collect(sh, 0, &mut commands);
        commands.iter().for_each(|c| out.assigned(c));
        let expanded: Vec<Vec<String>> = commands.iter().flat_map(|c| out.expand_all(&c.words)).collect();
        for words in expanded {
            out.directory(&words);
            let given = words.iter().any(|w| w.starts_with('-') && !w.starts_with("--") && w.ends_with('c'));
            out.runs_text |= !given && words.iter().any(|w| READ_COMMANDS.contains(&base(w)));
            out.tool =
                out.tool.take().or_else(|| words.iter().map(|w| base(w)).find(|w| is_tool(w)).map(str::to_owned));
            let changes_directory = words.iter().any(|w| matches!(w.as_str(), "cd" | "pushd"));
            for word in words.iter().filter(|_| !changes_directory && out.named.is_none()) {
                if names_login_file(word) {
                    out.named = Some(word.clone());
                    break;
                }
            }
        }
        out
    }

    fn assigned(&mut self, c: &SimpleCommand) {
        let declares = ["export", "local", "readonly", "declare", "typeset"];
        let mut all = c.words.iter().skip_while(|w| {
            super::programs::BEFORE_A_COMMAND.contains(&w.as_str())
                || declares.contains(&w.as_str())
                || w.starts_with('-')
        });
        let rest: Vec<&String> = all.by_ref().collect();
        for word in rest.iter().take_while(|w| is_assignment(w)) {
            if let Some((name, value)) = word.split_once('=') {
                self.add_value(name, value);
            }
        }
        if let [first, name, word_in, values @ ..] = &rest[..]
            && *first == "for"
            && *word_in == "in"
        {
            values.iter().for_each(|v| self.add_value(name, v));
        }
    }

    fn add_value(&mut self, name: &str, value: &str) {
        let values = self.values.entry(name.to_owned()).or_default();
        if values.len() < VALUES && !values.iter().any(|v| v == value) {
            values.push(value.to_owned());
        }
    }

    fn directory(&mut self, words: &[String]) {
        let Some(at) = words.iter().position(|w| matches!(w.as_str(), "cd" | "pushd")) else { return };
        if words[..at].iter().any(|w| LOOKS.contains(&w.as_str())) {
            return;
        }
        let to = words[at + 1..].iter().find(|w| !w.starts_with('-')).map_or("/root", |w| w);
        let to = home(to).unwrap_or_else(|| to.to_owned());
        if is_open(&to) {
            self.elsewhere = true;
        } else if to.starts_with('/') {
            self.directories.push(to);
        } else {
            let below: Vec<String> = self.directories.iter().map(|d| format!("{d}/{to}")).take(VALUES).collect();
            self.directories.extend(below);
        }
    }

    /// The words with what their variables may stand for, once for each of the values.
    #[must_use]
    pub fn expand_all(&self, words: &[String]) -> Vec<Vec<String>> {
        let each: Vec<Vec<String>> = words.iter().map(|w| self.expand(w)).collect();
        let most = each.iter().map(Vec::len).max().unwrap_or(1);
        (0..most).map(|n| each.iter().map(|values| values[n % values.len()].clone()).collect()).collect()
    }

    /// What a word may stand for; itself, where that is not known.
    #[must_use]
    pub fn expand(&self, word: &str) -> Vec<String> {
        let mut all = vec![word.to_owned()];
        for _ in 0..DEPTH {
            let mut next: Vec<String> = Vec::new();
            for word in &all {
                match self.first_known(word) {
                    Some((from, to, values)) => {
                        next.extend(values.iter().map(|v| format!("{}{v}{}", &word[..from], &word[to..])));
                    }
                    None => next.push(word.clone()),
                }
            }
            next.truncate(VALUES);
            if next == all {
                break;
            }
            all = next;
        }
        all
    }

    /// The first variable of a word that has values: from where, up to where, and these.
    fn first_known(&self, word: &str) -> Option<(usize, usize, &Vec<String>)> {
        word.match_indices('$').find_map(|(at, _)| {
            let rest = &word[at + 1..];
            let braced = rest.strip_prefix('{');
            let text = braced.unwrap_or(rest);
            let length = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
            let end = match braced {
                Some(text) => at + 2 + text.find('}')? + 1,
                None => at + 1 + length,
            };
            self.values.get(&text[..length]).filter(|v| !v.is_empty()).map(|values| (at, end, values))
        })
    }

    /// What the path of a command stands for.
    #[must_use]
    pub fn place(&self, path: &str) -> Place {
        // What else may stand for many is one pattern to the table of paths.
        let pattern: String =
            path.char_indices().map(|(at, c)| if is_pattern(path, at, c) { '*' } else { c }).collect();
        let found = |p: &str| login_path(p).map(|kind| Place::Login(kind, path.to_owned()));
        if let Some(absolute) = home(&pattern).or_else(|| pattern.starts_with('/').then(|| pattern.clone())) {
            let head = absolute.split('$').next().unwrap_or_default();
            let dir = head.rsplit_once('/').map_or("", |(dir, _)| dir);
            let may_lead = is_open(path) && login_path(dir) == Some(LoginPath::Above);
            return found(&absolute).unwrap_or(if may_lead { Place::Unknown } else { Place::Other });
        }
        let is_own = |p: &str| {
            matches!(p, ".ssh" | "authorized_keys" | "sshd_config" | ".bashrc" | ".profile" | ".bash_profile")
        };
        if path.split('/').any(is_own) {
            return Place::Login(LoginPath::Itself, path.to_owned());
        }
        if is_open(path) && path.starts_with(['$', '{']) || self.elsewhere {
            return Place::Unknown;
        }
        let places = self.directories.iter().filter_map(|d| {
            let full = format!("{}/{pattern}", d.trim_end_matches('/'));
            login_path(&full).map(|kind| Place::Login(kind, full))
        });
        let from_root = || {
            let full = format!("/{pattern}");
            let counts =
                self.directories.is_empty() && path.contains('/') && login_path(&full) == Some(LoginPath::Itself);
            counts.then(|| Place::Login(LoginPath::Itself, path.to_owned()))
        };
        let is_itself = |p: &Place| matches!(p, Place::Login(LoginPath::Itself, _));
        let all: Vec<Place> = places.collect();
        all.iter().find(|p| is_itself(p)).or(all.first()).cloned().or_else(from_root).unwrap_or(Place::Other)
    }
}

/// The commands of a script, and of those that its words are.
fn collect(sh: &str, depth: usize, out: &mut Vec<SimpleCommand>) {
    let script = read_script(sh);
    if depth < DEPTH {
        for word in script.commands.iter().flat_map(|c| &c.words).filter(|w| is_script(w)) {
            collect(word, depth + 1, out);
        }
        let is_text = |reader: &str| LOOKS.contains(&reader) || FILE_TOOLS.contains(&reader);
        script.documents.iter().filter(|d| !is_text(base(&d.reader))).for_each(|d| collect(&d.text, depth + 1, out));
    }
    out.extend(script.commands);
}

/// Whether a word may be a script of its own.
#[must_use]
pub fn is_script(word: &str) -> bool {
    word.contains(|c: char| c.is_whitespace() || matches!(c, ';' | '|' | '&'))
}

/// Whether what a word stands for is not known here: an expansion, or `find`'s `{}`.
#[must_use]
pub fn is_open(word: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '{' | '(' | '@' | '*' | '?');
    word.contains("{}")
        || word.match_indices('$').any(|(at, _)| {
            let rest = &word[at + 1..];
            // A file of its own is none that was there.
            rest.starts_with(begins)
                && !rest.starts_with("(mktemp")
                && !rest.starts_with("HOME")
                && !rest.starts_with("{HOME}")
        })
}

fn is_pattern(path: &str, at: usize, c: char) -> bool {
    matches!(c, '?' | '[') || c == '{' && !path[..at].ends_with('$') && !path[at..].starts_with("{}")
}

/// A path that begins with the home directory.
fn home(path: &str) -> Option<String> {
    let rest = ["~", "$HOME", "${HOME}"].iter().find_map(|h| path.strip_prefix(h))?;
    (rest.is_empty() || rest.starts_with('/')).then(|| format!("/root{rest}"))
}

/// Whether a word is a file that a login depends on; homes, devices and programs are named for other reasons.
#[must_use]
pub fn names_login_file(word: &str) -> bool {
    let path = super::normalize(word);
    let (dir, _) = path.rsplit_once('/').unwrap_or_default();
    let other =
        matches!(dir, "/bin" | "/sbin" | "/home" | "/usr/local/bin" | "/usr/local/sbin" | "/dev" | "/dev/pts" | "");
    word.starts_with('/') && !other && !is_script(word) && login_path(word) == Some(LoginPath::Itself)
}

/// Whether a text names a process that a connection depends on.
#[must_use]
pub fn names_daemon(text: &str) -> bool {
    ["ssh", "dropbear", "dhclient", "dhcpcd", "NetworkManager", "networkd", "wpa_supplicant", "openvpn", "logind"]
        .iter()
        .any(|name| text.contains(name))
}

#[must_use]
pub fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

#[must_use]
pub fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}
