//! A line of a file, and what options on it mean to sshd.

use serde_json::{Value, json};

/// A line somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// Its text, trimmed.
    pub text: String,
}

impl Place {
    /// `FILE:LINE says "TEXT"`
    pub fn says(&self) -> String {
        format!("{}:{} says \"{}\"", self.file, self.line, self.text)
    }
    /// For expressions.
    pub fn value(&self) -> Value {
        json!({"file": self.file, "line": self.line, "text": self.text})
    }
    /// `-p 2222`, `-p2222`, `-o Port=2222`, `-oListenAddress=::1`: options that say where sshd listens.
    pub fn listens(&self) -> bool {
        let text = self.text.to_ascii_lowercase();
        let words = || text.split([' ', '\t', '=', '"', '\'']);
        words().any(|w| w.strip_prefix("-p").is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit())))
            || words().map(|w| w.strip_prefix("-o").unwrap_or(w)).any(|w| matches!(w, "port" | "listenaddress"))
    }
    /// `RuntimeDirectoryMode=0777`: sshd refuses a directory that group or others may write to.
    pub fn opens(&self) -> bool {
        let mode = self.text.split_once('=').and_then(|(_, m)| u32::from_str_radix(m.trim(), 8).ok());
        mode.is_some_and(|m| m & 0o022 != 0)
    }
    /// The configuration file that these options name (`-f`).
    pub fn config(&self) -> Option<&str> {
        let mut words = self.text.split([' ', '\t', '"', '\'']).filter(|w| !w.is_empty());
        while let Some(w) = words.next() {
            match w.strip_prefix("-f") {
                Some("") => return words.next().filter(|p| p.starts_with('/')),
                Some(path) if path.starts_with('/') => return Some(path),
                _ => {}
            }
        }
        None
    }
    /// `FILE:N:TEXT`, as grep prints it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let (file, line, text) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.trim());
        Some(Self { file: file.to_owned(), line, text: text.to_owned() })
    }
}
