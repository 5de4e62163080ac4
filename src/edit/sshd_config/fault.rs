//! What sshd says about its configuration.

/// A line that sshd refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// As sshd names it; empty if it names none.
    pub file: String,
    /// Counted from 1; 0 if sshd names none.
    pub line: usize,
    /// What follows file and line.
    pub message: String,
}

/// The faults in what sshd wrote to its standard error: `FILE: line N: MESSAGE` and `FILE line N: MESSAGE`, both of
/// which occur, `… at line N` of a Match that does not say in which file, a file that cannot be read, and an address
/// that does not resolve. A warning about a deprecated or unsupported option is none.
#[must_use]
pub fn faults(stderr: &str) -> Vec<Fault> {
    let mut found: Vec<Fault> = Vec::new();
    for line in stderr.lines().map(|line| line.trim_end_matches('\r')) {
        let fault = placed(line).or_else(|| unplaced(line));
        found.extend(fault.filter(|fault| !harmless(&fault.message)));
    }
    found.dedup();
    found
}

fn harmless(message: &str) -> bool {
    ["Deprecated option ", "Unsupported option ", "ignoring "].iter().any(|start| message.starts_with(start))
}

fn placed(text: &str) -> Option<Fault> {
    for (at, mark) in text.match_indices(" line ") {
        let (digits, message) = text.get(at + mark.len()..)?.split_once(": ")?;
        let file = text.get(..at)?.trim_end_matches(':');
        if let (Ok(line), true) = (digits.parse(), file.starts_with('/')) {
            return Some(Fault { file: file.to_owned(), line, message: message.to_owned() });
        }
    }
    None
}

fn unplaced(text: &str) -> Option<Fault> {
    let nowhere = |line| Some(Fault { file: String::new(), line, message: text.to_owned() });
    if text.starts_with("Invalid Match ") {
        return nowhere(text.rsplit_once(" at line ").and_then(|(_, line)| line.parse().ok()).unwrap_or(0));
    }
    if text.starts_with("bad addr or host: ") || text.starts_with("Too many recursive configuration includes") {
        return nowhere(0);
    }
    let (file, why) = text.rsplit_once(": ")?;
    let unreadable =
        ["No such file or directory", "Permission denied", "Is a directory", "Too many levels of symbolic links"];
    let fits = file.starts_with('/') && !file.contains(' ') && unreadable.contains(&why);
    fits.then(|| Fault { file: file.to_owned(), line: 0, message: why.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_and_no_warnings() {
        let said = "/etc/ssh/sshd_config: line 3: Bad configuration option: Prot\r\n\
            /etc/ssh/a b.conf line 12: Badly formatted port number.\r\n\
            /etc/ssh/sshd_config line 4: Deprecated option KeyRegenerationInterval\r\n\
            Unsupported Match attribute Usr\r\n\
            Invalid Match address argument '1.2.3.4/99' at line 7\r\n\
            bad addr or host: x (Name or service not known)\r\n\
            /etc/ssh/x.conf: Permission denied\n\
            Unable to load host key: /nope\r\n\
            /etc/ssh/sshd_config: terminating, 1 bad configuration options\r\n";
        let places: Vec<_> = faults(said).into_iter().map(|fault| (fault.file, fault.line)).collect();
        let expected =
            [("/etc/ssh/sshd_config", 3), ("/etc/ssh/a b.conf", 12), ("", 7), ("", 0), ("/etc/ssh/x.conf", 0)];
        assert_eq!(places, expected.map(|(file, line)| (file.to_owned(), line)));
    }
}
