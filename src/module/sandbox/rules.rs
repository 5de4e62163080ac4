//! What a service's log says when its unit takes something from it, and which directives can be why (systemd.exec(5),
//! systemd.resource-control(5); the texts are OpenSSH's, strerror(3)'s and systemd's).

use std::sync::LazyLock;

use regex::Regex;

use super::Line;

/// A complaint, and what can be its cause.
pub(super) struct Rule {
    /// Its first group, if it has one, is what could not be had: a path, or a step of systemd's.
    said: Regex,
    blames: &'static [Blame],
}

/// A directive that may be at fault.
enum Blame {
    /// Whatever it says, if it says anything.
    Any(&'static str),
    /// Where it names the subject, or a directory above it.
    Path(&'static str),
    /// Where its set is without this word: a list, or with `~` all but a list.
    Lacks(&'static str, &'static str),
    /// Where systemd failed at this step.
    Step(&'static str, &'static str),
}

use Blame::{Any, Lacks, Path, Step};

const TABLE: &[(&str, &[Blame])] = &[
    (r"code=(?:killed|dumped), status=31/SYS", &[Any("SystemCallFilter"), Any("SystemCallArchitectures")]),
    (r"Failed to set up mount namespacing: (?:/run/systemd/unit-root)?(/[^:]+):", NAMES),
    // systemd.exec(5), PROCESS EXIT CODES.
    (
        r"Failed at step (\w+) spawning",
        &[
            Step("NAMESPACE", "InaccessiblePaths"),
            Step("NAMESPACE", "ReadOnlyPaths"),
            Step("NAMESPACE", "ReadWritePaths"),
            Step("NAMESPACE", "BindPaths"),
            Step("NAMESPACE", "BindReadOnlyPaths"),
            Step("NAMESPACE", "TemporaryFileSystem"),
            Step("USER", "User"),
            Step("USER", "DynamicUser"),
            Step("GROUP", "Group"),
            Step("GROUP", "SupplementaryGroups"),
            Step("CAPABILITIES", "CapabilityBoundingSet"),
            Step("CAPABILITIES", "AmbientCapabilities"),
            Step("SECCOMP", "SystemCallFilter"),
            Step("APPARMOR", "AppArmorProfile"),
            Step("SELINUX_CONTEXT", "SELinuxContext"),
            Step("CHDIR", "WorkingDirectory"),
            Step("CHROOT", "RootDirectory"),
            Step("NETWORK", "PrivateNetwork"),
            Step("NETWORK", "NetworkNamespacePath"),
            Step("STDIN", "StandardInput"),
            Step("STDOUT", "StandardOutput"),
            Step("STDERR", "StandardError"),
        ],
    ),
    (r"Missing privilege separation directory: (/\S+)", HIDES),
    (r#"(/[^\s:"']+)["']?: (?:No such file or directory|Permission denied)"#, HIDES),
    (
        r"no hostkeys available",
        &[Path("InaccessiblePaths"), Path("TemporaryFileSystem"), Any("User"), Any("DynamicUser")],
    ),
    (
        r"Bind to port \d+ on \S+ failed: (?:Permission denied|Operation not permitted)",
        &[
            Lacks("CapabilityBoundingSet", "CAP_NET_BIND_SERVICE"),
            Any("User"),
            Any("DynamicUser"),
            Any("SocketBindDeny"),
        ],
    ),
    (r"Cannot bind any address|Address family not supported", &[Lacks("RestrictAddressFamilies", "AF_INET")]),
    // With SystemCallErrorNumber=.
    (r"socket: Operation not permitted", &[Any("SystemCallFilter")]),
    (
        r"chroot\(.*: Operation not permitted|set\w*[ug]i?d\S*: .*Operation not permitted|setgroups: Operation not permitted|initgroups: .*Operation not permitted",
        &[
            Lacks("CapabilityBoundingSet", "CAP_SYS_CHROOT"),
            Lacks("CapabilityBoundingSet", "CAP_SETUID"),
            Lacks("CapabilityBoundingSet", "CAP_SETGID"),
            Any("SystemCallFilter"),
        ],
    ),
    (
        r"Cannot allocate memory|[Oo]ut of memory|OOM killer",
        &[Any("MemoryMax"), Any("MemoryLimit"), Any("MemoryHigh"), Any("LimitAS"), Any("LimitDATA")],
    ),
    (
        r"fork.*: Resource temporarily unavailable|fork of unprivileged child failed",
        &[Any("TasksMax"), Any("LimitNPROC")],
    ),
    (r"Too many open files", &[Any("LimitNOFILE")]),
];

/// What hides a path, or puts something else in its place.
const HIDES: &[Blame] = &[
    Path("InaccessiblePaths"),
    Path("InaccessibleDirectories"),
    Path("TemporaryFileSystem"),
    Path("BindPaths"),
    Path("BindReadOnlyPaths"),
    Any("RootDirectory"),
    Any("RootImage"),
];

/// What names a path that has to be there.
const NAMES: &[Blame] = &[
    Path("InaccessiblePaths"),
    Path("ReadOnlyPaths"),
    Path("ReadWritePaths"),
    Path("ExecPaths"),
    Path("NoExecPaths"),
    Path("TemporaryFileSystem"),
    Path("BindPaths"),
    Path("BindReadOnlyPaths"),
    Path("RootDirectory"),
];

pub(super) static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    TABLE.iter().filter_map(|(said, blames)| Some(Rule { said: Regex::new(said).ok()?, blames })).collect()
});

/// Nobody outside can reach what has a network of its own.
pub(super) fn cuts_off(line: &Line) -> bool {
    line.key == "PrivateNetwork" && matches!(line.value.as_str(), "yes" | "true" | "on" | "1")
}

impl Rule {
    /// What a line of the log complains about; where it names nothing, sshd's own files are meant.
    pub(super) fn subject(&self, log: &str) -> Option<String> {
        let found = self.said.captures(log)?;
        Some(found.get(1).map_or("/etc/ssh/ssh_host_key", |m| m.as_str()).to_owned())
    }
    pub(super) fn blames(&self, line: &Line, subject: &str) -> bool {
        self.blames.iter().any(|b| match b {
            Any(key) => line.key == *key && !matches!(line.value.as_str(), "" | "no" | "root" | "infinity"),
            Path(key) => line.key == *key && covers(&line.value, subject),
            Lacks(key, word) => line.key == *key && lacks(key, &line.value, word),
            Step(step, key) => line.key == *key && *step == subject && !line.value.is_empty(),
        })
    }
}

/// `-/etc/ssh +/srv /tmp:ro`: a word that is the path or a directory above it.
fn covers(value: &str, path: &str) -> bool {
    value.split_whitespace().any(|word| {
        let word = word.trim_matches(['"', '\'']).trim_start_matches(['-', '+']);
        let places = word.split(':').filter(|p| p.starts_with('/'));
        places
            .map(|p| p.trim_end_matches('/'))
            .any(|p| path.strip_prefix(p).is_some_and(|r| r.is_empty() || r.starts_with('/')))
    })
}

fn lacks(key: &str, value: &str, word: &str) -> bool {
    match value.strip_prefix('~') {
        Some(but) => but.split_whitespace().any(|w| w == word),
        // An empty set of capabilities is none; of address families, all (systemd.exec(5)).
        None if value.is_empty() => key == "CapabilityBoundingSet",
        None => !value.split_whitespace().any(|w| w == word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_one() {
        assert_eq!(RULES.len(), TABLE.len());
    }

    #[test]
    fn a_directory_above_covers() {
        assert!(
            covers("/srv -/etc/ssh/", "/etc/ssh/sshd_config") && covers("/run:rw", "/run/sshd") && covers("/", "/x")
        );
        assert!(!covers("/etc/ss", "/etc/ssh") && !covers("", "/etc"));
    }
}
