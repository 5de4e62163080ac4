//! What pam.d(5) names.

use std::collections::BTreeMap;

use super::{NamedKind, Reference};

/// A line of PAM's that calls a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PamLine {
    /// The file with the line.
    pub file: String,
    /// Its number, counted from 1.
    pub line: usize,
    /// The line, without blanks around it.
    pub text: String,
    /// auth, account, password or session.
    pub stack: String,
    /// required, sufficient … or what stands in brackets, brackets included.
    pub control: String,
    /// The module's path or name.
    pub module: String,
    /// A missing module is passed over in silence (`-auth`).
    pub silent: bool,
}

/// The modules' lines that a service comes to, in the order in which PAM meets them; `files` has the content of the files
/// in /etc/pam.d by their absolute paths. `include`, `substack` and `@include` are followed; a file that includes itself
/// is read once.
#[must_use]
pub fn pam_lines(service: &str, files: &BTreeMap<String, Vec<u8>>) -> Vec<PamLine> {
    let mut out = Vec::new();
    read(service, None, files, &mut Vec::new(), &mut out);
    out
}

/// The modules that these lines name.
#[must_use]
pub fn pam_references(lines: &[PamLine]) -> Vec<Reference> {
    let named = lines.iter().filter(|l| !l.silent);
    named
        .map(|l| Reference {
            file: l.file.clone(),
            line: l.line,
            text: l.text.clone(),
            kind: NamedKind::PamModule,
            name: l.module.clone(),
            keyword: l.stack.clone(),
        })
        .collect()
}

fn read(
    name: &str,
    only: Option<&str>,
    files: &BTreeMap<String, Vec<u8>>,
    within: &mut Vec<String>,
    out: &mut Vec<PamLine>,
) {
    let path = if name.starts_with('/') { name.to_owned() } else { format!("/etc/pam.d/{name}") };
    let Some(bytes) = files.get(&path).filter(|_| !within.contains(&path) && within.len() < 32) else { return };
    within.push(path.clone());
    // A backslash at the end goes on with the next line (pam.conf(5)).
    let (mut joined, mut began) = (String::new(), 0);
    for (n, raw) in String::from_utf8_lossy(bytes).lines().enumerate() {
        if joined.is_empty() {
            began = n + 1;
        }
        let code = raw.split('#').next().unwrap_or_default();
        if let Some(more) = code.trim_end().strip_suffix('\\') {
            joined += more;
            joined.push(' ');
            continue;
        }
        joined += code;
        line(joined.trim(), (&path, began), only, files, within, out);
        joined.clear();
    }
    within.pop();
}

fn line(
    text: &str,
    (file, number): (&str, usize),
    only: Option<&str>,
    files: &BTreeMap<String, Vec<u8>>,
    within: &mut Vec<String>,
    out: &mut Vec<PamLine>,
) {
    let Some((first, rest)) = text.split_once(char::is_whitespace) else { return };
    let rest = rest.trim_start();
    if first == "@include" {
        return read(rest, only, files, within, out);
    }
    let stack = first.trim_start_matches('-').to_ascii_lowercase();
    if only.is_some_and(|o| o != stack) {
        return;
    }
    let (control, rest) = match rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
        Some((inner, rest)) => (format!("[{inner}]"), rest),
        None => rest.split_once(char::is_whitespace).map_or((rest.to_owned(), ""), |(c, r)| (c.to_owned(), r)),
    };
    let Some(module) = rest.split_whitespace().next() else { return };
    if matches!(control.as_str(), "include" | "substack") {
        return read(module, Some(&stack), files, within, out);
    }
    out.push(PamLine {
        file: file.to_owned(),
        line: number,
        text: text.to_owned(),
        silent: first.starts_with('-'),
        stack,
        control,
        module: module.to_owned(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn includes_are_followed_for_their_stack() {
        let files = [
            ("/etc/pam.d/sshd", "@include common-auth\naccount include system\n-session optional pam_gone.so\n"),
            ("/etc/pam.d/common-auth", "# x\nauth [success=1 default=ignore] \\\n  pam_unix.so nullok\n"),
            (
                "/etc/pam.d/system",
                "auth required pam_no.so\naccount required pam_tally2.so deny=3 # y\naccount include system\n",
            ),
        ];
        let files = files.into_iter().map(|(p, t)| (p.to_owned(), t.as_bytes().to_vec())).collect();
        let lines = pam_lines("sshd", &files);
        let all: Vec<_> = lines.iter().map(|l| (l.line, l.stack.as_str(), l.module.as_str())).collect();
        assert_eq!(all, [(2, "auth", "pam_unix.so"), (2, "account", "pam_tally2.so"), (3, "session", "pam_gone.so")]);
        let named: Vec<_> = pam_references(&lines).into_iter().map(|r| r.name).collect();
        assert_eq!(named, ["pam_unix.so", "pam_tally2.so"]);
    }
}
