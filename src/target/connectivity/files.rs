//! Which paths a program that changes files is told to change, and which packages a package manager.

use super::login_package;
use super::words::base;

/// A path that is changed; `whole`: and with it what it is above of.
pub type Changed = (String, bool);

/// Of the file tools, what only reads all but its last file.
const COPIES: &[&str] = &["cp", "ln", "install", "rsync", "scp"];

/// What a call changes; `None` if it only looks.
pub fn changed_paths(program: &str, args: &[&str]) -> Option<Vec<Changed>> {
    let changes = match program {
        // `-i` among letters, up to one that takes the rest as its value.
        "sed" => args.iter().any(|a| letters(a, "efl").contains('i') || a.starts_with("--i")),
        "perl" => args.iter().any(|a| letters(a, "eEmMIFxCD").contains('i')),
        "find" => args.iter().any(|a| matches!(*a, "-exec" | "-execdir" | "-delete" | "-ok" | "-okdir")),
        "restorecon" => !args.iter().any(|a| letters(a, "").contains('n')),
        "tar" => !args.first().is_some_and(|a| letters(&format!("-{}", a.trim_start_matches('-')), "").contains('t')),
        "mount" => !args.is_empty(),
        _ => true,
    };
    if !changes {
        return None;
    }
    let mut target = None;
    let mut paths: Vec<&str> = Vec::new();
    let mut words = args.iter().copied();
    while let Some(word) = words.next() {
        let moves = COPIES.contains(&program) || program == "mv";
        match word {
            "-t" | "--target-directory" if moves && program != "rsync" => target = words.next(),
            _ if moves && word.starts_with("--target-directory=") => target = word.split_once('=').map(|(_, t)| t),
            // rsync's and scp's `-t` is another one.
            _ if moves && !matches!(program, "rsync" | "scp") && letters(word, "tSmog").ends_with('t') => {
                let rest = word.split_once('t').map_or("", |(_, rest)| rest);
                target = if rest.is_empty() { words.next() } else { Some(rest) };
            }
            _ if word.starts_with('-') => {}
            // `dd of=FILE`
            _ if program == "dd" => paths.extend(word.strip_prefix("of=")),
            _ => paths.push(word.split_once('=').map_or(word, |(_, v)| v)),
        }
    }
    // What is packed is only read.
    let packs = args.first().is_some_and(|a| letters(&format!("-{}", a.trim_start_matches('-')), "").contains('c'));
    if program == "tar" && packs {
        paths.truncate(1);
    }
    let makes = matches!(program, "mkdir" | "touch" | "tee" | "dd");
    if !(COPIES.contains(&program) || program == "mv") {
        return Some(
            paths.into_iter().filter(|p| !makes || *p != "/dev/null").map(|p| (p.to_owned(), !makes)).collect(),
        );
    }
    let (to, sources) = match (target, &paths[..]) {
        (Some(to), sources) => (to, sources),
        (None, [sources @ .., to]) => (*to, sources),
        (None, []) => return Some(Vec::new()),
    };
    let from = sources.iter().filter(|_| program == "mv").map(|s| ((*s).to_owned(), true));
    let into = sources.iter().map(|s| (format!("{}/{}", to.trim_end_matches('/'), base(s)), false));
    Some(from.chain(std::iter::once((to.to_owned(), false))).chain(into).collect())
}

/// The letters of a word of short options, up to and with one that takes the rest of it.
fn letters<'a>(word: &'a str, with_value: &str) -> &'a str {
    let Some(text) = word.strip_prefix('-').filter(|t| !t.starts_with('-')) else { return "" };
    let end = text.find(|c| with_value.contains(c)).map_or(text.len(), |at| at + 1);
    &text[..end]
}

/// The package among these arguments that a login depends on, or what stands for any: an upgrade of all.
pub fn changed_package<'a>(program: &'a str, args: &[&'a str]) -> Option<&'a str> {
    const LOOKS: &[&str] = &[
        "list",
        "show",
        "search",
        "info",
        "policy",
        "depends",
        "rdepends",
        "provides",
        "repoquery",
        "check-update",
        "changelog",
        "download",
        "madison",
        "version",
        "history",
        "se",
        "if",
        "wp",
        "what-provides",
        "packages",
        "repolist",
        "lr",
        "audit",
        "fetch",
        "dot",
        "why",
        "moo",
        "help",
        "check",
        "source",
        "showsrc",
    ];
    const UPGRADES: &[&str] = &[
        "upgrade",
        "full-upgrade",
        "dist-upgrade",
        "safe-upgrade",
        "distro-sync",
        "system-upgrade",
        "dup",
        "up",
        "patch",
        "offline-upgrade",
    ];
    let flags = || args.iter().copied().filter(|a| a.starts_with('-'));
    let mut operands = args.iter().copied().filter(|a| !a.starts_with('-'));
    let simulates =
        flags().any(|a| matches!(a, "-s" | "--simulate" | "--dry-run" | "--just-print" | "--assumeno" | "--help"));
    let looks = match program {
        "dpkg" => !flags().any(|a| {
            matches!(a, "-i" | "-r" | "-P" | "-a" | "--unpack" | "--configure" | "--set-selections")
                || ["--install", "--remove", "--purge"].iter().any(|w| a.starts_with(w))
                || letters(a, "D").contains(['i', 'r', 'P'])
        }),
        "rpm" => {
            flags().any(|a| letters(a, "").starts_with(['q', 'V']) || matches!(a, "--query" | "--verify"))
                || !flags().any(|a| letters(a, "").contains(['i', 'e', 'U', 'F']) || a.starts_with("--"))
        }
        "pacman" => {
            let all: String = flags().map(|a| letters(a, "")).collect();
            all.starts_with(['Q', 'F', 'T']) || all.starts_with('S') && all.contains(['s', 'i', 'l', 'g', 'w', 'p'])
        }
        _ => operands.clone().next().is_some_and(|verb| LOOKS.contains(&verb)),
    };
    if looks || simulates {
        return None;
    }
    let verb = operands.clone().next().unwrap_or_default();
    let named = operands.clone().skip(1).count();
    let all = UPGRADES.contains(&verb) && (named == 0 || verb == "dist-upgrade" || verb == "full-upgrade")
        || verb == "update" && named == 0 && matches!(program, "yum" | "dnf" | "dnf5" | "microdnf" | "zypper")
        || program == "pacman" && flags().any(|a| letters(a, "").starts_with('S') && letters(a, "").contains('u'))
        || program == "dpkg" && flags().any(|a| a == "-a" || a == "--pending");
    if all {
        return Some(program);
    }
    operands.find(|a| package_counts(a))
}

/// A package with version, architecture or release, the file of one, or a pattern of them.
fn package_counts(word: &str) -> bool {
    if word == "*" {
        return false;
    }
    let is_file = [".deb", ".rpm", ".apk", ".pkg.tar.zst", ".ipk"].iter().any(|end| word.ends_with(end));
    let name = if is_file { base(word) } else { word.split(['=', ':', '/', '>', '<']).next().unwrap_or_default() };
    let name = name.trim_end_matches(['-', '+']);
    // `sudo_1.9_amd64.deb`, `sudo-1.9.x86_64.rpm`
    let versioned = name
        .match_indices(['_', '-'])
        .find(|(at, sign)| *sign == "_" || name[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
    let stem = versioned.filter(|_| is_file).map_or(name, |(at, _)| &name[..at]);
    is_file && stem.starts_with('*') || login_package(stem)
}
