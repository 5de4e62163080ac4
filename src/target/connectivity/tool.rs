//! Programs that change what a connection goes through, or who may log in, and how a call that only looks is told from one
//! that changes something. Sources: the man pages of the programs.

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
    (&["iptables-restore", "ip6tables-restore", "iptables-apply", "ip6tables-apply"], Subject::PacketFilter, |args| {
        !has(args, &["-t", "--test", "-h", "--help", "-V", "--version"])
    }),
    (&["nft"], Subject::PacketFilter, |args| {
        !args.is_empty()
            && !has(args, &["list", "describe", "monitor", "-c", "--check", "-h", "--help", "-v", "--version"])
    }),
    (&["ebtables", "arptables"], Subject::StoredPacketFilter, |args| !args.is_empty() && !lists_rules(args)),
    (&["ipset"], Subject::StoredPacketFilter, |args| {
        !args.is_empty() && !has(args, &["list", "-L", "--list", "-n", "test", "-T", "save", "-S", "help", "version"])
    }),
    (&["conntrack"], Subject::StoredPacketFilter, |args| has(args, &["-D", "--delete", "-F", "--flush"])),
    (&["ufw"], Subject::StoredPacketFilter, |args| {
        !args.is_empty() && !has(args, &["status", "show", "version", "app", "--dry-run", "help", "--version"])
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
    }),
    (&["shorewall", "shorewall6", "ferm", "firehol", "csf", "apf"], Subject::StoredPacketFilter, |args| {
        !args.is_empty() && !has(args, &["status", "show", "version", "check", "-l", "-v", "-g"])
    }),
    (&["ip"], Subject::Network, |args| changes_ip(args) && is_address_or_route(args)),
    (&["ip"], Subject::StoredNetwork, changes_ip),
    (&["ifdown", "ifup", "dhclient", "dhcpcd", "wg-quick", "networkctl"], Subject::StoredNetwork, |args| {
        !args.is_empty()
            && !has(args, &["--help", "--version", "-h", "strip", "save", "list", "status", "lldp", "cat", "label"])
    }),
    (&["ifconfig"], Subject::StoredNetwork, |args| args.iter().filter(|a| !a.starts_with('-')).count() > 1),
    (&["route"], Subject::Network, |args| has(args, &["add", "del", "delete", "flush"])),
    (&["tc", "bridge", "brctl"], Subject::StoredNetwork, |args| {
        has(args, &["add", "del", "delete", "replace", "change", "set", "addbr", "delbr", "addif", "delif"])
    }),
    (&["ethtool"], Subject::StoredNetwork, |args| {
        args.first().is_some_and(|a| {
            a.starts_with('-') && a.chars().any(char::is_uppercase)
                || matches!(*a, "-s" | "--change" | "-r" | "--negotiate" | "--reset")
        })
    }),
    (&["sysctl"], Subject::StoredNetwork, |args| {
        has(args, &["-p", "--system", "--load"]) || args.iter().any(|a| a.starts_with("net") && a.contains('='))
    }),
    (&["rmmod", "rfkill"], Subject::StoredNetwork, |args| !args.is_empty() && !has(args, &["list"])),
    (&["modprobe"], Subject::StoredNetwork, |args| has(args, &["-r", "--remove"])),
    (&["nmcli"], Subject::StoredNetwork, |args| {
        has(
            args,
            &[
                "up",
                "down",
                "mod",
                "modify",
                "del",
                "delete",
                "add",
                "disconnect",
                "connect",
                "reload",
                "reapply",
                "off",
                "on",
                "load",
                "set",
                "clone",
                "edit",
            ],
        )
    }),
    (&["netplan"], Subject::StoredNetwork, |args| has(args, &["apply", "try", "set", "rebind"])),
    (&["tailscale", "zerotier-cli"], Subject::StoredNetwork, |args| {
        has(args, &["up", "down", "set", "logout", "login", "switch", "join", "leave"])
    }),
    (&["telinit", "init"], Subject::Login, |args| args.first().is_some_and(|a| a.len() == 1)),
    (
        &[
            "usermod",
            "userdel",
            "deluser",
            "chsh",
            "chage",
            "chpasswd",
            "gpasswd",
            "groupdel",
            "delgroup",
            "vipw",
            "pam-auth-update",
            "authselect",
            "authconfig",
            "setenforce",
            "setsebool",
            "aa-enforce",
        ],
        Subject::Login,
        |args| {
            !args.is_empty() && !has(args, &["-l", "--list", "--help", "list", "current", "check"])
                || args.contains(&"-L")
        },
    ),
    (&["passwd"], Subject::Login, |args| {
        has(args, &["-l", "-d", "-e", "--lock", "--delete", "--expire", "-x", "-i", "-n"])
    }),
    (&["pkill", "killall", "skill"], Subject::Login, |args| {
        args.iter().any(|a| !a.starts_with('-') && a.contains("ssh"))
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
