//! Programs that change what a connection goes through, or who may log in, and how a call that only looks is told from one
//! that changes something. Sources: the man pages of the programs.

use super::super::units::connects;
use super::words::names_daemon;

/// What a program changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The kernel's packet filter, which the guard keeps as a whole.
    PacketFilter,
    /// A packet filter with settings of its own on disk, which it does not keep.
    StoredPacketFilter,
    /// Addresses, routes, and which links are up, which the guard keeps as a whole.
    Network,
    /// What else the network is made of, and settings on disk, which it does not keep.
    StoredNetwork,
    /// Accounts, PAM, SELinux and the like.
    Login,
}

/// A program's name, what it changes, and whether a call with these arguments changes something.
type Tool = (&'static [&'static str], Subject, fn(&[&str]) -> bool);

const TOOLS: &[Tool] = &[
    (
        &["iptables", "ip6tables", "iptables-nft", "ip6tables-nft", "iptables-legacy", "ip6tables-legacy"],
        Subject::PacketFilter,
        |args| !args.is_empty() && !lists_rules(args),
    ),
    (&["iptables-restore", "ip6tables-restore"], Subject::PacketFilter, |args| {
        !has(args, &["-t", "--test", "-h", "--help", "-V", "--version"])
    }),
    (&["iptables-apply", "ip6tables-apply"], Subject::PacketFilter, |args| !has(args, ASKS)),
    (&["nft"], Subject::PacketFilter, changes_nft),
    (&["ebtables", "arptables"], Subject::StoredPacketFilter, |args| !args.is_empty() && !lists_rules(args)),
    (&["ipset"], Subject::StoredPacketFilter, |args| {
        let verbs = |a: &&&str| !a.starts_with('-') || a.starts_with("--") || a.chars().any(char::is_uppercase);
        let looks = ["list", "-L", "--list", "test", "-T", "--test", "save", "-S", "--save", "help", "version"];
        args.iter().find(verbs).is_some_and(|a| !looks.contains(a))
    }),
    (&["conntrack"], Subject::StoredPacketFilter, |args| has(args, &["-D", "--delete", "-F", "--flush"])),
    (&["ufw"], Subject::StoredPacketFilter, |args| {
        changes(args, &["status", "show", "version", "app", "help"]) && !has(args, &["--dry-run"])
    }),
    (&["firewall-cmd", "firewall-offline-cmd"], Subject::StoredPacketFilter, |args| {
        let looks_at = |a: &&str| {
            ["--list", "--get", "--query", "--state", "--info", "--check", "--help", "--version"]
                .iter()
                .any(|l| a.starts_with(l))
        };
        !args.is_empty() && !args.iter().any(looks_at)
    }),
    (&["fail2ban-client"], Subject::StoredPacketFilter, |args| {
        has(args, &["set", "start", "restart", "reload", "stop", "unban", "add"])
            && changes(args, &["status", "get", "ping", "banned", "version", "help"])
    }),
    (&["shorewall", "shorewall6", "ferm", "firehol", "csf", "apf"], Subject::StoredPacketFilter, |args| {
        let looks = ["status", "show", "version", "check", "list", "help", "-l", "-v", "-g", "-h", "-t", "--list"];
        args.first().is_some_and(|a| !looks.contains(a))
    }),
    (&["ip"], Subject::Network, |args| changes_ip(args) && is_address_or_route(args)),
    (&["ip"], Subject::StoredNetwork, changes_ip),
    (&["ifdown", "ifup", "ifreload", "ifenslave", "vconfig"], Subject::StoredNetwork, |args| {
        !args.is_empty() && !has(args, ASKS) && !has(args, &["-n", "--no-act"])
    }),
    (&["dhclient", "dhcpcd", "udhcpc"], Subject::StoredNetwork, |args| {
        !has(args, ASKS) && !has(args, &["-T", "--test", "-U", "--dumplease"])
    }),
    (&["wg-quick"], Subject::StoredNetwork, |args| changes(args, &["strip", "save"])),
    (&["wg"], Subject::StoredNetwork, |args| {
        changes(args, &["show", "showconf", "genkey", "genpsk", "pubkey", "help"])
    }),
    (&["wicked"], Subject::StoredNetwork, |args| {
        let looks =
            ["show", "show-xml", "show-config", "ifstatus", "ifcheck", "convert", "getnames", "duid", "iaid", "test"];
        changes(args, &looks)
    }),
    (&["networkctl"], Subject::StoredNetwork, |args| changes(args, &["list", "status", "lldp", "cat", "label"])),
    (&["ovs-vsctl", "ovs-ofctl"], Subject::StoredNetwork, |args| {
        changes(args, &["show", "get", "find", "br-exists", "init"])
            && !args
                .iter()
                .any(|a| ["list", "dump-", "port-to-", "iface-to-", "br-to-"].iter().any(|l| a.starts_with(l)))
    }),
    (&["connmanctl"], Subject::StoredNetwork, |args| changes(args, &["state", "technologies", "services", "monitor"])),
    (&["ifconfig"], Subject::StoredNetwork, |args| args.iter().skip_while(|a| a.starts_with('-')).count() > 1),
    (&["route"], Subject::Network, |args| has(args, &["add", "del", "delete", "flush"])),
    (&["tc", "bridge"], Subject::StoredNetwork, changes_ip),
    (&["brctl"], Subject::StoredNetwork, |args| changes(args, &["show", "showmacs", "showstp"])),
    (&["ethtool"], Subject::StoredNetwork, |args| {
        args.first().is_some_and(|a| {
            a.starts_with('-') && a.chars().any(char::is_uppercase) && !matches!(*a, "-S" | "-T" | "-P")
                || matches!(*a, "-s" | "--change" | "-r" | "--negotiate" | "--reset")
        })
    }),
    (&["sysctl"], Subject::StoredNetwork, |args| {
        has(args, &["--system"])
            || args.iter().any(|a| a.starts_with("--load") || short(a).contains(['p', 'f']))
            || args.iter().any(|a| a.starts_with("net") && a.contains('='))
    }),
    (&["rmmod"], Subject::StoredNetwork, |args| !args.is_empty()),
    (&["rfkill"], Subject::StoredNetwork, |args| changes(args, &["list", "event", "help"])),
    (&["modprobe"], Subject::StoredNetwork, |args| args.iter().any(|a| *a == "--remove" || short(a).contains('r'))),
    (&["nmcli"], Subject::StoredNetwork, changes_nmcli),
    (&["netplan"], Subject::StoredNetwork, |args| has(args, &["apply", "try", "set", "rebind"])),
    (&["tailscale", "zerotier-cli"], Subject::StoredNetwork, |args| {
        has(args, &["up", "down", "set", "logout", "login", "switch", "join", "leave"])
    }),
    (&["telinit", "init"], Subject::Login, |args| args.first().is_some_and(|a| a.len() == 1)),
    (&["openrc"], Subject::Login, |args| !args.is_empty() && !has(args, ASKS)),
    // The host goes, and every session with it.
    (&["reboot", "poweroff", "halt", "kexec"], Subject::Login, |args| {
        !has(args, ASKS) && !has(args, &["-w", "--wtmp-only"])
    }),
    // Its `-h` halts.
    (&["shutdown"], Subject::Login, |args| !has(args, &["-c", "-k", "--show", "--help", "--version"])),
    (
        &[
            "usermod",
            "userdel",
            "deluser",
            "gpasswd",
            "groupdel",
            "groupmod",
            "delgroup",
            "setenforce",
            "setsebool",
            "aa-enforce",
            "vipw",
            "vigr",
            "chpasswd",
            "chgpasswd",
            "newusers",
            "pam-auth-update",
            "update-authselect",
        ],
        Subject::Login,
        |args| !has(args, ASKS),
    ),
    (&["chage"], Subject::Login, |args| {
        !args.is_empty() && !has(args, ASKS) && !args.iter().any(|a| *a == "--list" || short(a).contains('l'))
    }),
    (&["chsh"], Subject::Login, |args| !has(args, ASKS) && !has(args, &["-l", "--list-shells"])),
    (&["authselect"], Subject::Login, |args| {
        changes(args, &["list", "list-features", "show", "requirements", "current", "check", "test"])
    }),
    (&["authconfig"], Subject::Login, |args| {
        !args.is_empty() && !has(args, ASKS) && !has(args, &["--test", "--probe"])
    }),
    (&["realm"], Subject::Login, |args| changes(args, &["list", "discover"])),
    (&["passwd"], Subject::Login, |args| {
        let long = ["--lock", "--delete", "--expire", "--maxdays", "--mindays", "--inactive"];
        args.iter().any(|a| long.iter().any(|l| a.starts_with(l)) || short(a).contains(['l', 'd', 'e', 'x', 'i', 'n']))
    }),
    (&["update-crypto-policies", "fips-mode-setup"], Subject::Login, |args| {
        !has(args, ASKS) && !has(args, &["--show", "--is-applied", "--check", "--is-enabled"])
    }),
    (&["semanage"], Subject::Login, |args| {
        changes(args, &["fcontext", "export"]) && !args.iter().any(|a| *a == "--list" || short(a).contains('l'))
    }),
    (&["semodule"], Subject::Login, |args| {
        !args.is_empty() && !args.iter().any(|a| a.starts_with("--list") || *a == "-l")
    }),
    (&["ldconfig"], Subject::Login, |args| !has(args, ASKS) && !has(args, &["-p", "--print-cache", "-N"])),
    (&["loginctl"], Subject::Login, |args| args.iter().any(|a| a.starts_with("terminate-") || a.starts_with("kill-"))),
    (&["unattended-upgrade", "unattended-upgrades", "do-release-upgrade"], Subject::Login, |args| {
        !has(args, ASKS) && !has(args, &["--dry-run", "-c"])
    }),
    (&["pkill", "killall", "skill", "slay"], Subject::Login, kills_a_login),
    (&["fuser"], Subject::Login, |args| {
        args.iter().any(|a| *a == "--kill" || short(a).contains('k'))
            && args.iter().any(|a| names_daemon(a) || matches!(*a, "22/tcp" | "22"))
    }),
];

/// What a call of this program changes that a connection depends on.
#[must_use]
pub fn subject(program: &str, args: &[&str]) -> Option<Subject> {
    let (_, subject, _) = TOOLS.iter().find(|(names, _, changes)| names.contains(&program) && changes(args))?;
    Some(*subject)
}

/// Whether it is one of these programs, whatever it is called with.
#[must_use]
pub fn is_tool(program: &str) -> bool {
    TOOLS.iter().any(|(names, ..)| names.contains(&program))
}

/// What asks a program about itself.
const ASKS: &[&str] = &["-h", "--help", "-V", "--version"];

/// Whether the first word that is no option is none of these, by which it looks.
fn changes(args: &[&str], looks: &[&str]) -> bool {
    !has(args, ASKS) && args.iter().find(|a| !a.starts_with('-')).is_some_and(|verb| !looks.contains(verb))
}

/// The letters of a word of short options.
fn short(arg: &str) -> &str {
    arg.strip_prefix('-').filter(|rest| !rest.starts_with('-')).unwrap_or_default()
}

fn has(args: &[&str], words: &[&str]) -> bool {
    args.iter().any(|a| words.contains(a))
}

/// iptables(8): -L, -S, -C, also as the last of several letters (`-nvL`).
fn lists_rules(args: &[&str]) -> bool {
    let long = ["--list", "--list-rules", "--check", "--version", "--help"];
    args.iter().any(|a| {
        long.contains(a)
            || (!a.starts_with("--")
                && a.starts_with('-')
                && a.ends_with(['L', 'S', 'C', 'V', 'h'])
                && a.chars().skip(1).all(|c| "nvxwLSCVh46".contains(c)))
    })
}

/// ip(8): OBJECT and COMMAND may be abbreviated; without a command it lists.
fn changes_ip(args: &[&str]) -> bool {
    if args.iter().any(|a| matches!(*a, "-b" | "-batch" | "--batch")) {
        return true;
    }
    let mut words = args.iter().filter(|a| !a.starts_with('-')).skip_while(|a| matches!(**a, "inet" | "inet6"));
    let Some(object) = words.next().filter(|o| o.chars().all(|c| c.is_ascii_alphanumeric())) else { return false };
    if ["netns", "monitor", "help", "vrf"].iter().any(|o| object.len() > 1 && o.starts_with(object)) {
        // What runs in it is looked at by itself.
        return false;
    }
    let verb = words.next().copied().unwrap_or("show");
    let looks = ["show", "list", "lst", "ls", "get", "save", "help", "monitor", "showdump"];
    // `ip link s` is `set`.
    !(looks.iter().any(|l| l.starts_with(verb)) && !(object.starts_with('l') && verb == "s"))
}

/// Whether it is about addresses, routes, rules, or whether a link is up, and nothing else of a link.
fn is_address_or_route(args: &[&str]) -> bool {
    let words: Vec<&str> = args.iter().copied().filter(|a| !a.starts_with('-')).collect();
    match words.first() {
        Some(o) if ["address", "route", "rule"].iter().any(|known| known.starts_with(o)) => true,
        Some(o) if "link".starts_with(o) => {
            words.get(1).is_some_and(|verb| "set".starts_with(verb))
                && words[2..].iter().filter(|w| **w != "dev").count() == 2
                && words.iter().any(|w| matches!(*w, "up" | "down"))
        }
        _ => false,
    }
}

/// nft(8): the verb of each command, which may all be in one word.
fn changes_nft(args: &[&str]) -> bool {
    if has(args, ASKS) || args.iter().any(|a| *a == "--check" || short(a).contains('c') || *a == "-v") {
        return false;
    }
    let reads = args.iter().any(|a| a.starts_with("--file") || *a == "--interactive" || short(a).contains(['f', 'i']));
    let words = args.iter().filter(|a| !a.starts_with('-')).copied().collect::<Vec<_>>().join(" ");
    let mut verbs = words.split([';', '\n']).filter_map(|c| c.split_whitespace().next());
    reads || verbs.any(|verb| !matches!(verb, "list" | "describe" | "monitor" | "get"))
}

/// nmcli(1): OBJECT and COMMAND may be abbreviated; without a command it lists.
fn changes_nmcli(args: &[&str]) -> bool {
    const WITH_VALUE: &[&str] =
        &["-f", "-g", "-m", "-e", "-c", "-w", "--fields", "--get-values", "--mode", "--escape", "--colors", "--wait"];
    let mut words: Vec<&str> = Vec::new();
    let mut all = args.iter().copied();
    while let Some(word) = all.next() {
        if words.is_empty() && WITH_VALUE.contains(&word) {
            all.next();
        } else if words.is_empty() && word.starts_with('-') {
            if matches!(word, "-h" | "--help" | "-v" | "--version") {
                return false;
            }
        } else {
            words.push(word);
        }
    }
    let [object, rest @ ..] = &words[..] else { return false };
    let verb = rest.first().copied().unwrap_or("");
    let may_be = |word: &str, names: &[&str]| !word.is_empty() && names.iter().any(|n| n.starts_with(word));
    match object.chars().next() {
        Some('g') => may_be(verb, &["reload"]),
        Some('n' | 'r') => rest.iter().any(|w| matches!(*w, "on" | "off")),
        Some('a' | 'm') | None => false,
        Some('d') if verb.starts_with('w') => {
            !may_be(rest.get(1).copied().unwrap_or("l"), &["list", "rescan", "show-password"])
        }
        // `s` is the first that it knows: show, and status.
        Some('c' | 'd') if matches!(verb, "" | "s") => false,
        Some('c') => !may_be(verb, &["show", "monitor", "export", "help"]) || matches!(verb, "m" | "e"),
        Some('d') => !may_be(verb, &["status", "show", "monitor", "lldp", "help"]) || matches!(verb, "m"),
        Some(_) => has(rest, &["up", "down", "modify", "delete", "disconnect", "off"]),
    }
}

/// By name, by user, by terminal; with signal 0 nobody is killed.
fn kills_a_login(args: &[&str]) -> bool {
    let by_session = |a: &str| {
        a.starts_with("-u")
            || matches!(a, "-U" | "-t" | "-s" | "-P" | "-G" | "-g" | "-v")
            || ["--user", "--euid", "--uid", "--term", "--session", "--parent", "--group", "--inverse"]
                .iter()
                .any(|l| a.starts_with(l))
    };
    let by_name = |a: &str| {
        let regex_only = !a.chars().any(|c| c.is_ascii_alphanumeric());
        let name = a.trim_matches(['^', '$']);
        !a.starts_with('-')
            && (names_daemon(a)
                || regex_only
                || a.contains(['$', '*'])
                || connects(name)
                || matches!(name, "bash" | "sh" | "dash" | "zsh" | "login" | "sudo" | "systemd" | "dbus-daemon"))
    };
    !has(args, ASKS) && !has(args, &["-0", "-l", "--list"]) && args.iter().any(|a| by_session(a) || by_name(a))
}
