//! What a command of a runbook does to the connection, as far as its text tells.

use super::shell::{SimpleCommand, split_commands};
use super::tool::{Subject, is_tool, subject};
use super::{LoginPath, login_package, login_path};
use crate::target::units::connects;

/// Something that a command does to what a connection depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// It changes the kernel's packet filter; `stored`: and settings on disk.
    PacketFilter { stored: bool },
    /// It changes addresses, routes or links; `stored`: and settings on disk.
    Network { stored: bool },
    /// It starts, stops, restarts or reloads a unit, by the name that it was given; `stored`: or what is enabled.
    Unit { name: String, stored: bool },
    /// It changes who may log in, or a file that a login depends on.
    Login,
}

/// What the text of a command tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShellEffects {
    /// What it does to the connection, each with the word by which it was recognized: a program, a unit or a path.
    pub effects: Vec<(String, Effect)>,
    /// It does that and nothing else: each other command in it only looks.
    pub nothing_else: bool,
    /// What it does may take effect after it has ended: it puts something into the background, has the network configured
    /// anew, or calls what is not known here.
    pub may_act_later: bool,
}

/// Reserved words of sh (POSIX 2.4), and utilities that run the command that follows.
const BEFORE_A_COMMAND: &[&str] = &[
    "if", "then", "elif", "else", "do", "while", "until", "!", "{", "}", "fi", "done", "time", "exec", "command",
    "builtin",
];

/// Programs that run another one, whose name is somewhere among their arguments.
const RUNNERS: &[&str] = &[
    "sudo",
    "doas",
    "env",
    "nohup",
    "setsid",
    "timeout",
    "nice",
    "ionice",
    "chroot",
    "nsenter",
    "unshare",
    "systemd-run",
    "xargs",
    "flock",
    "watch",
    "stdbuf",
    "su",
    "runuser",
    "busybox",
    "ip",
    "eval",
    "sh",
    "bash",
    "dash",
    "ash",
    "ksh",
    "zsh",
    "trap",
    "at",
    "batch",
    "script",
    "case",
    "find",
    "start-stop-daemon",
];

/// Runners that come back before what they run has ended.
const DETACHING: &[&str] = &["systemd-run", "at", "batch", "screen", "tmux", "start-stop-daemon", "disown"];

/// Programs that change nothing by themselves.
const LOOKS: &[&str] = &[
    "echo",
    "printf",
    "true",
    "false",
    ":",
    "test",
    "[",
    "[[",
    "]",
    "grep",
    "egrep",
    "fgrep",
    "sleep",
    "cat",
    "head",
    "tail",
    "awk",
    "cut",
    "tr",
    "sort",
    "uniq",
    "wc",
    "command",
    "set",
    "cd",
    "wait",
    "exit",
    "return",
    "read",
    "export",
    "local",
    "for",
    "case",
    "esac",
    "in",
    "id",
    "stat",
    "ls",
    "pgrep",
    "iptables-save",
    "ip6tables-save",
    "sync",
    "date",
    "break",
    "continue",
    "shift",
    "unset",
];

/// Programs that change files, and have done so when they end.
const FILE_TOOLS: &[&str] = &[
    "rm", "rmdir", "unlink", "mv", "cp", "ln", "chmod", "chown", "chgrp", "chattr", "setfacl", "setfattr", "install",
    "tee", "truncate", "dd", "rsync", "tar", "shred", "sed", "perl", "ed", "ex", "patch", "mount", "umount", "find",
    "mkdir", "touch", "cpio", "unzip", "gpg",
];

/// Of those, what only reads all but its last file.
const COPIES: &[&str] = &["cp", "ln", "install", "rsync"];

/// Package managers, which may remove what a login depends on.
const PACKAGE_TOOLS: &[&str] =
    &["apt", "apt-get", "aptitude", "dpkg", "yum", "dnf", "microdnf", "zypper", "apk", "pacman", "rpm"];

/// Programs that act on units, init scripts and services.
const SERVICE_TOOLS: &[&str] =
    &["systemctl", "service", "rc-service", "rc-update", "sv", "invoke-rc.d", "initctl", "update-rc.d", "chkconfig"];

/// What of these only looks, or starts what cannot be in the way.
const SERVICE_LOOKS: &[&str] = &[
    "status",
    "show",
    "list",
    "cat",
    "is-active",
    "is-enabled",
    "is-failed",
    "list-units",
    "list-unit-files",
    "list-timers",
    "list-dependencies",
    "list-jobs",
    "get-default",
    "daemon-reload",
    "reset-failed",
    "help",
    "check",
    "configtest",
];

/// Reads what a command does to the connection from its text.
#[must_use]
pub fn shell_effects(sh: &str) -> ShellEffects {
    let (commands, background) = split_commands(sh);
    let mut out = ShellEffects { nothing_else: true, may_act_later: background, ..ShellEffects::default() };
    commands.iter().for_each(|c| out.simple(c, 0));
    out.nothing_else &= !out.effects.is_empty();
    out
}

impl ShellEffects {
    fn add(&mut self, word: &str, effect: Effect) {
        if !self.effects.iter().any(|(_, e)| *e == effect) {
            self.effects.push((word.to_owned(), effect));
        }
    }

    fn simple(&mut self, c: &SimpleCommand, depth: usize) {
        // What goes to /dev/null goes nowhere; it is the file itself that a login needs.
        for path in c.written.iter().filter(|p| *p != "/dev/null") {
            if written_login_path(path) == Some(LoginPath::Itself) {
                self.add(path, Effect::Login);
            }
            self.nothing_else = false;
        }
        let words: Vec<&str> = c.words.iter().map(String::as_str).collect();
        let assigned = words.iter().take_while(|w| is_assignment(w)).count();
        // `IPT=/sbin/iptables`, and then `$IPT -F`.
        for w in &words[..assigned] {
            let value = w.split_once('=').map_or("", |(_, v)| base(v));
            if is_tool(value) {
                let tried = subject(value, &["-F"]).or(subject(value, &["link", "set"]));
                tried.into_iter().for_each(|s| self.subject(value, s));
            }
        }
        self.command(&words[assigned..], depth);
    }

    /// Words that begin with a program.
    fn command(&mut self, words: &[&str], depth: usize) {
        let begin = words.iter().take_while(|w| BEFORE_A_COMMAND.contains(w)).count();
        let words = &words[begin..];
        let Some((program, args)) = words.split_first() else { return };
        let program = base(program);
        if program == "for" {
            // `for c in iptables ip6tables; do $c -F; done`
            for tool in args.iter().map(|w| base(w)).filter(|w| is_tool(w)) {
                let tried = subject(tool, &["-F"]).or(subject(tool, &["link", "set"]));
                tried.into_iter().for_each(|s| self.subject(tool, s));
            }
            return;
        }
        if let Some(s) = subject(program, args) {
            return self.subject(program, s);
        }
        if SERVICE_TOOLS.contains(&program) {
            return self.service(program, args);
        }
        if words[0].contains("/init.d/") {
            return self.service("service", &[&[program], args].concat());
        }
        if PACKAGE_TOOLS.contains(&program) {
            self.nothing_else = false;
            if let Some(p) = args.iter().find(|a| login_package(a.trim_end_matches('-')) && **a != "*") {
                self.add(p, Effect::Login);
            }
            return;
        }
        if FILE_TOOLS.contains(&program) {
            self.files(program, args);
        }
        if RUNNERS.contains(&program) {
            self.nothing_else &= matches!(program, "sudo" | "doas" | "env" | "sh" | "bash" | "dash" | "timeout" | "ip");
            self.may_act_later |= DETACHING.contains(&program) || program == "setsid";
            if depth < 4 {
                return self.run_by(args, depth + 1);
            }
        }
        // A tool that was called only to look, as the table says.
        let looks = LOOKS.contains(&program) || is_tool(program);
        self.nothing_else &= looks;
        self.may_act_later |= !looks && !FILE_TOOLS.contains(&program) && program != "kill";
    }

    /// The program among a runner's arguments, and scripts that it is given as one.
    fn run_by(&mut self, args: &[&str], depth: usize) {
        let known = |w: &str| {
            is_tool(w)
                || [SERVICE_TOOLS, FILE_TOOLS, PACKAGE_TOOLS, RUNNERS, LOOKS].iter().any(|names| names.contains(&w))
        };
        for text in args.iter().filter(|a| a.contains(char::is_whitespace)) {
            let (commands, background) = split_commands(text);
            self.may_act_later |= background;
            commands.iter().for_each(|c| self.simple(c, depth));
        }
        match args.iter().position(|a| known(base(a)) || a.contains("/init.d/")) {
            Some(at) => self.command(&args[at..], depth),
            None => self.may_act_later |= !args.iter().any(|a| a.contains(char::is_whitespace)),
        }
    }

    fn subject(&mut self, program: &str, subject: Subject) {
        match subject {
            Subject::PacketFilter => self.add(program, Effect::PacketFilter { stored: false }),
            Subject::StoredPacketFilter => self.add(program, Effect::PacketFilter { stored: true }),
            Subject::Network => self.add(program, Effect::Network { stored: false }),
            Subject::StoredNetwork => self.add(program, Effect::Network { stored: true }),
            Subject::Login => self.add(program, Effect::Login),
        }
        let stored = matches!(subject, Subject::StoredPacketFilter | Subject::StoredNetwork | Subject::Login);
        self.nothing_else &= !stored;
        // An address that is asked for over the network comes later, a service does what it was told when it gets to it.
        let at_once = matches!(program, "ip" | "ifconfig" | "route" | "tc" | "sysctl");
        self.may_act_later |= matches!(subject, Subject::Network | Subject::StoredNetwork) && !at_once;
    }

    fn service(&mut self, program: &str, args: &[&str]) {
        let units: Vec<&str> = args.iter().copied().filter(|w| connects(w)).collect();
        let verbs: Vec<&str> = args.iter().copied().filter(|w| !w.starts_with('-') && !connects(w)).collect();
        if verbs.iter().any(|w| matches!(*w, "isolate" | "rescue" | "emergency")) {
            self.nothing_else = false;
            return self.add(program, Effect::Login);
        }
        let looks = verbs.iter().any(|w| SERVICE_LOOKS.contains(w));
        if looks {
            return;
        }
        self.may_act_later |= args.contains(&"--no-block");
        let now = args.contains(&"--now");
        let stored = matches!(program, "rc-update" | "update-rc.d" | "chkconfig")
            || verbs.iter().any(|w| matches!(*w, "enable" | "disable" | "mask" | "unmask" | "reenable" | "preset"));
        let starts = verbs.iter().any(|w| matches!(*w, "start" | "enable" | "unmask"));
        for unit in units.iter().copied() {
            let login = matches!(unit.split(['.', '@']).next(), Some("ssh" | "sshd"));
            // That it runs, or will at the next boot, cannot be in the way.
            if starts && (login || stored && !now) {
                self.nothing_else = false;
                continue;
            }
            self.may_act_later |= !login;
            self.add(unit, Effect::Unit { name: unit.to_owned(), stored });
            self.nothing_else &= !stored;
        }
        self.nothing_else &= !units.is_empty();
    }

    fn files(&mut self, program: &str, args: &[&str]) {
        self.nothing_else = false;
        let edits = |program: &str| match program {
            "sed" | "perl" => {
                args.iter().any(|a| a.starts_with("-i") || a.starts_with("-pi") || a.starts_with("--in-place"))
            }
            "find" => args.iter().any(|a| matches!(*a, "-exec" | "-execdir" | "-delete" | "-ok")),
            _ => true,
        };
        if !edits(program) {
            return;
        }
        let paths: Vec<&str> =
            args.iter().filter(|a| !a.starts_with('-')).map(|a| a.split_once('=').map_or(*a, |(_, v)| v)).collect();
        let Some((last, sources)) = paths.split_last() else { return };
        let copies = COPIES.contains(&program);
        let makes = matches!(program, "mkdir" | "touch" | "tee");
        let into = sources.iter().map(|s| format!("{last}/{}", base(s)));
        let found = match program {
            _ if copies => std::iter::once((*last).to_owned())
                .chain(into)
                .find(|p| written_login_path(p) == Some(LoginPath::Itself)),
            "mv" => {
                let from = sources.iter().find(|p| written_login_path(p).is_some()).map(|p| (*p).to_owned());
                from.or_else(|| {
                    std::iter::once((*last).to_owned())
                        .chain(into)
                        .find(|p| written_login_path(p) == Some(LoginPath::Itself))
                })
            }
            _ => {
                let counts = |p: &&&str| written_login_path(p).is_some_and(|l| l == LoginPath::Itself || !makes);
                paths.iter().find(counts).map(|p| (*p).to_owned())
            }
        };
        if let Some(path) = found {
            self.add(&path, Effect::Login);
        }
    }
}

/// As a person types it: with `~` and `$HOME`, and from within a home directory.
fn written_login_path(path: &str) -> Option<LoginPath> {
    let home = ["~", "$HOME", "${HOME}"].iter().find_map(|h| path.strip_prefix(h));
    match home {
        Some(rest) => login_path(&format!("/root{rest}")),
        None if path.starts_with('/') => login_path(path),
        None => {
            let parts = || path.split('/');
            let named = parts().any(|p| {
                matches!(p, ".ssh" | "authorized_keys" | "sshd_config" | ".bashrc" | ".profile" | ".bash_profile")
            });
            named.then_some(LoginPath::Itself)
        }
    }
}

fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(sh: &str) -> Option<String> {
        shell_effects(sh).effects.first().map(|(w, _)| w.clone())
    }

    #[test]
    fn what_may_cut_is_told_from_what_looks() {
        for (sh, expected) in [
            ("iptables -F", "iptables"),
            ("iptables -P INPUT DROP", "iptables"),
            ("x && ip -6 route flush table main", "ip"),
            ("ip addr del 10.99.0.230/24 dev host0", "ip"),
            ("ip a d 10.0.0.1/24 dev eth0", "ip"),
            ("ip l s eth0 down", "ip"),
            ("ip link set down eth0", "ip"),
            ("sudo -n /usr/sbin/iptables -P INPUT DROP", "iptables"),
            ("sh -c 'sleep 1; iptables -P INPUT DROP'", "iptables"),
            ("nohup bash -c \"ifdown eth0; ifup eth0\" &", "ifdown"),
            ("(sleep 1; iptables -P INPUT DROP) >/dev/null 2>&1 &", "iptables"),
            ("for c in iptables ip6tables; do $c -P INPUT DROP; done", "iptables"),
            ("IPT=/sbin/iptables; $IPT -F", "iptables"),
            ("echo \"$(ufw --force enable)\"", "ufw"),
            ("systemctl restart networking; ufw --force enable", "networking"),
            ("nmcli con up x", "nmcli"),
            ("nmcli device disconnect eth0", "nmcli"),
            ("netplan apply", "netplan"),
            ("nft flush ruleset", "nft"),
            ("nft -f - <<'X'\ntable inet lock { }\nX", "nft"),
            ("ifdown eth0 && ifup eth0", "ifdown"),
            ("ifconfig eth0 down", "ifconfig"),
            ("firewall-cmd --panic-on", "firewall-cmd"),
            ("systemctl restart ssh.service", "ssh.service"),
            ("systemctl enable --now firewalld", "firewalld"),
            ("service networking stop", "networking"),
            ("/etc/init.d/networking restart", "networking"),
            ("systemctl isolate rescue.target", "systemctl"),
            ("pkill sshd", "pkill"),
            ("ip netns exec x ip link set lo down", "ip"),
            ("tc qdisc add dev eth0 root netem loss 100%", "tc"),
            ("sysctl -w net.ipv4.conf.all.rp_filter=1", "sysctl"),
            ("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6", "/proc/sys/net/ipv6/conf/all/disable_ipv6"),
            ("touch /root/done3; mv /root/.ssh/authorized_keys /root/ak", "/root/.ssh/authorized_keys"),
            ("chmod 777 ~", "~"),
            ("cd /root && rm -rf .ssh", ".ssh"),
            ("sed -i s/yes/no/ //etc/ssh/sshd_config", "//etc/ssh/sshd_config"),
            ("chmod 644 /bin/bash", "/bin/bash"),
            ("cp x /etc/ssh/sshd_config", "/etc/ssh/sshd_config"),
            ("echo exit 1 >>/root/.bashrc", "/root/.bashrc"),
            ("apt-get -y purge openssh-server", "openssh-server"),
            ("usermod -L ops", "usermod"),
            ("fail2ban-client set sshd banip 10.0.0.1", "fail2ban-client"),
        ] {
            let found = word(sh);
            let ok = found.as_deref() == Some(expected) || (expected == "~" && found.is_some());
            assert!(ok, "{sh}: {found:?}");
        }
        for sh in [
            "s=$(cat /x 2>/dev/null) || exit 0",
            "iptables -S INPUT | grep -q DROP",
            "iptables -nvL",
            "iptables -t nat -L -n",
            "ip -br a show dev host0",
            "ip a",
            "ip -o addr | grep x",
            "ip route get 10.0.0.1",
            "nft list ruleset",
            "ufw status verbose",
            "nmcli -t device show",
            "systemctl status ssh",
            "systemctl start ssh",
            "systemctl restart nginx",
            "systemctl enable ssh",
            "zip link a",
            "echo ok",
            "echo \"run ufw enable\"",
            "grep -q 'iptables -P' /etc/rc.local",
            "cp -a /etc/ssh /root/backup",
            "cp app.conf /etc/",
            "mkdir -p /etc/app",
            "rm -rf /srv/www",
            "apt-get install -y nginx",
            "sed -n 1p /etc/ssh/sshd_config",
            "touch /root/odd",
        ] {
            assert_eq!(word(sh), None, "{sh}");
        }
    }

    /// What the guard keeps as a whole is all that such a command changes.
    #[test]
    fn what_does_nothing_else_is_known() {
        for (sh, expected) in [
            ("iptables -P INPUT DROP", true),
            ("iptables -P INPUT DROP; sleep 40", true),
            ("sudo ip addr del 10.0.0.1/24 dev eth0", true),
            ("systemctl stop ssh", true),
            ("touch /root/done1; iptables -P INPUT DROP", false),
            ("ufw --force enable", false),
            ("systemctl disable --now ssh", false),
            ("iptables-save >/etc/iptables/rules.v4; iptables -F", false),
            ("./x.sh; iptables -F", false),
            ("echo ok", false),
        ] {
            assert_eq!(shell_effects(sh).nothing_else, expected, "{sh}");
        }
    }

    #[test]
    fn what_may_act_later_is_known() {
        for (sh, expected) in [
            ("iptables -P INPUT DROP", false),
            ("ip link set eth0 down", false),
            ("systemctl restart ssh", false),
            ("usermod -aG sudo ops", false),
            ("touch /root/odd", false),
            ("(sleep 1; iptables -P INPUT DROP) &", true),
            ("nohup /root/net.sh &", true),
            ("/root/net.sh", true),
            ("systemd-run --on-active=5 iptables -P INPUT DROP", true),
            ("setsid sh -c 'iptables -F'", true),
            ("systemctl restart networking", true),
            ("systemctl --no-block restart ssh", true),
            ("echo reboot | at now + 1 minute", true),
            ("netplan apply", true),
            ("ifdown eth0", true),
        ] {
            assert_eq!(shell_effects(sh).may_act_later, expected, "{sh}");
        }
    }
}
