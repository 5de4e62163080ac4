//! Lines of sudoers(5) that cannot be read become comments; visudo(8) judges the result before it is written.

use std::collections::BTreeMap;

use super::{Refused, refused};
use crate::module::{Decision, Halt, is_user};
use crate::plan::{Change, Resource, View};
use crate::target::files::{Content, FileReading, FileState, Kind, Look};
use crate::target::frame::Status;

/// As many lines as are tried.
const TRIES: usize = 20;

/// All that visudo refuses, taken out one after the other until it is content.
pub(super) fn decide(first: &[Refused], view: &View<'_>) -> Result<Decision, Halt> {
    let mut files: BTreeMap<String, (FileReading, Vec<u8>)> = BTreeMap::new();
    let mut gone: Vec<(Refused, String)> = Vec::new();
    let mut next = first.to_vec();
    let person = |why: String| Halt::Person { why, todo: "mend it with visudo, as root".into(), param: None };
    for _ in 0..TRIES {
        let Some(bad) = next.first().cloned() else { break };
        if !files.contains_key(&bad.file) {
            let found = view.file(&bad.file, Look::Follow)?;
            let bytes = super::super::edit::text_of(&bad.file, &found)?.unwrap_or_default().to_vec();
            files.insert(bad.file.clone(), (found, bytes));
        }
        let says = format!("{}:{}: {}", bad.file, bad.line, bad.why);
        let Some((_, bytes)) = files.get_mut(&bad.file) else { return Err(person(says)) };
        let Some(new) = without(bytes, bad.line) else { return Err(person(says)) };
        gone.extend(whose(bytes, bad.line).map(|w| (bad.clone(), w)));
        *bytes = new;
        let changes = changes(&files, view)?;
        // All files together, as they would be, where nobody else sees them.
        let reads = [Resource::File("/etc/sudoers".into()), Resource::File("/etc/sudoers.d/**".into())];
        let asked = view.with_changes(&changes, |v| {
            let sh = "PATH=$PATH:/usr/sbin:/sbin; visudo -c 2>&1 </dev/null";
            v.own_script("visudo", sh, &reads)
                .map(|a| (a.status.clone(), String::from_utf8_lossy(&a.stdout).into_owned()))
        });
        let (status, said) = match asked {
            Ok(answer) => answer,
            Err(Halt::Waits(_)) => {
                return Err(person(format!("{says}; a mended file cannot be tried here before it is written")));
            }
            Err(halt) => return Err(halt),
        };
        next = if status == Status::Exit(0) { Vec::new() } else { said.lines().filter_map(refused).collect() };
        if next.is_empty() && status != Status::Exit(0) && !said.contains("bad permissions") {
            return Err(person(format!(
                "{says}; and without that line visudo says: {}",
                said.lines().next().unwrap_or_default()
            )));
        }
    }
    match next.first() {
        Some(bad) => Err(person(format!("{}:{}: {}, and more", bad.file, bad.line, bad.why))),
        None => {
            let mut changes = changes(&files, view)?;
            rights(&gone, &mut changes, view)?;
            let said = if changes.is_empty() {
                "visudo can read every line"
            } else {
                "without these lines visudo can read all of it"
            };
            Ok(Decision::new(changes.is_empty(), said).changing(changes))
        }
    }
}

fn changes(files: &BTreeMap<String, (FileReading, Vec<u8>)>, view: &View<'_>) -> Result<Vec<Change>, Halt> {
    let mut out = Vec::new();
    for (path, (found, bytes)) in files {
        let after = FileState { kind: Kind::File(Content::Bytes(bytes.clone())), mode: None, owner: None };
        out.extend(view.change_file(path, found, after, false)?);
    }
    Ok(out)
}

/// Says of each line that becomes a comment whose right it was, and whether they keep any: asked of sudo itself, with the
/// files as they would be.
fn rights(gone: &[(Refused, String)], changes: &mut [Change], view: &View<'_>) -> Result<(), Halt> {
    let sh = |user: &str| format!("PATH=$PATH:/usr/sbin:/sbin; LC_ALL=C sudo -n -l -U '{user}' 2>&1 </dev/null");
    let reads = [Resource::File("/etc/sudoers".into()), Resource::File("/etc/sudoers.d/**".into())];
    let mut notes = Vec::new();
    for (bad, whose) in gone {
        let line = format!("line {}", bad.line);
        let note = if let Some(group) = whose.strip_prefix('%') {
            format!(
                "{line} is a right of the group {group}: whoever has no other loses it, until it is written anew (visudo)"
            )
        } else {
            let asked = view.with_changes(changes, |v| {
                v.own_script(&format!("sudo rights of {whose}"), &sh(whose), &reads)
                    .map(|a| String::from_utf8_lossy(&a.stdout).into_owned())
            });
            match asked {
                Err(Halt::Pending) => return Err(Halt::Pending),
                // A word of a line that is no rule at all ("Defautls editor=…").
                Ok(said) if said.contains("unknown user") => continue,
                Ok(said) if said.contains("is not allowed to run sudo") => format!(
                    "{line} is the only right of {whose}, who may not use sudo without it, until it is written anew (visudo)"
                ),
                Ok(said) if said.contains("may run the following commands") => {
                    format!("{line} is a right of {whose}, who may still use sudo by another line")
                }
                _ => format!("{line} is a right of {whose}: it may be the only one"),
            }
        };
        notes.push((bad.file.as_str(), note));
    }
    for change in changes {
        if let Change::File(f) = change {
            f.notes.extend(notes.iter().filter(|(path, _)| *path == f.path).map(|(_, n)| n.clone()));
        }
    }
    Ok(())
}

/// Whose right a line is: a user, or `%GROUP`; none for what is not about one.
fn whose(bytes: &[u8], line: usize) -> Option<String> {
    let lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
    let goes_on = |n: usize| lines.get(n).is_some_and(|l| l.trim_ascii_end().ends_with(b"\\"));
    let at = line.checked_sub(1)?;
    let first = (0..at).rev().take_while(|n| goes_on(*n)).last().unwrap_or(at);
    let last = (first..lines.len()).find(|n| !goes_on(*n)).unwrap_or(at);
    let whole: Vec<_> = lines.get(first..=last)?.iter().map(|l| String::from_utf8_lossy(l.trim_ascii_end())).collect();
    let text: String = whole.iter().map(|l| l.strip_suffix('\\').unwrap_or(l).to_owned() + " ").collect();
    // Who, on which hosts, "=" (sudoers(5), User Specification).
    let (head, _) = text.split_once('=')?;
    let mut words = head.split_whitespace();
    let (word, hosts) = (words.next()?, words.next());
    let name = word.strip_prefix('%').unwrap_or(word);
    // "ALL", an alias, a list, a number: no one name.
    let one = is_user(name) && name.chars().any(char::is_lowercase);
    (one && hosts.is_some()).then(|| word.to_owned())
}

/// With the line, and all that it goes on with, as comments; `None` if it is one already, or there is none, or if more could
/// be let in without it: of an alias that is gone a `!ALIAS` denies nothing, a default may be what restrains, and so may a `!`.
fn without(bytes: &[u8], line: usize) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    let text = |n: usize| lines.get(n).map(|l| l.trim_ascii_end());
    let at = line.checked_sub(1)?;
    if text(at)?.trim_ascii_start().starts_with(b"#") {
        return None;
    }
    let goes_on = |n: usize| text(n).is_some_and(|l| l.ends_with(b"\\"));
    let first = (0..at).rev().take_while(|n| goes_on(*n)).last().unwrap_or(at);
    let head = text(first)?.trim_ascii_start();
    let restrains = ["User_Alias", "Runas_Alias", "Host_Alias", "Cmnd_Alias", "Cmd_Alias", "Defaults"];
    if restrains.iter().any(|word| head.starts_with(word.as_bytes())) {
        return None;
    }
    let last = (at..lines.len()).find(|n| !goes_on(*n)).unwrap_or(lines.len() - 1);
    if (first..=last).any(|n| text(n).is_some_and(|l| l.contains(&b'!'))) {
        return None;
    }
    let mut out = Vec::new();
    for (n, l) in lines.iter().enumerate() {
        if (first..=last).contains(&n) {
            out.extend_from_slice(b"# ");
            // A comment that ends with a backslash would take the next line with it.
            let text = l.trim_ascii_end();
            out.extend_from_slice(text.strip_suffix(b"\\").unwrap_or(text));
            out.extend_from_slice(&l[text.len()..]);
        } else {
            out.extend_from_slice(l);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_right_it_is() {
        let text = b"%wheel ALL=(ALL ALL\nbob ALL= \\\n  NOPASSWD ls\nADMINS ALL=ALL x\n$(x) y\n";
        let of = |n| whose(text, n);
        assert_eq!((of(1).as_deref(), of(2).as_deref(), of(3).as_deref()), (Some("%wheel"), Some("bob"), Some("bob")));
        assert_eq!((of(4), of(5), of(9), of(0)), (None, None, None, None));
        assert_eq!((whose(b"garbage line\n", 1), whose(b"Defautls env_reset\n", 1)), (None, None));
        let parted = b"bob \\\n  ALL=(ALL) ALL\n";
        assert_eq!((whose(parted, 1).as_deref(), whose(parted, 2).as_deref()), (Some("bob"), Some("bob")));
    }

    #[test]
    fn a_line_with_all_that_it_goes_on_with() {
        let text = b"Defaults env_reset\nbob ALL= \\\n  NOPASSWD ls, \\\n  cat\n%sudo ALL=ALL\n";
        let of = |n| without(text, n).map(|b| String::from_utf8(b).unwrap());
        let all = "Defaults env_reset\n# bob ALL= \n#   NOPASSWD ls, \n#   cat\n%sudo ALL=ALL\n";
        assert_eq!((of(2).as_deref(), of(3).as_deref(), of(4).as_deref()), (Some(all), Some(all), Some(all)));
        assert_eq!(of(5).unwrap().lines().last(), Some("# %sudo ALL=ALL"));
        assert_eq!(of(1), None, "what restrains is for a person");
        assert_eq!(without(b"carl ALL=(ALL) !/bin/su,\n", 1), None);
        assert_eq!((without(b"# x\n", 1), of(9), of(0)), (None, None, None));
    }
}
