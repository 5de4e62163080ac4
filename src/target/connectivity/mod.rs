//! What a connection to a host and a login there depend on: files, packages and commands. Lint and the guard read the same
//! tables. Units are in [`super::units`].

mod command;
mod files;
mod programs;
mod reversal;
mod shell;
mod tool;
mod words;

pub use command::{Effect, ShellEffects, shell_effects};
pub use reversal::reversal;

use super::units::connects;

/// Files and directories with all below them, by the paths that [`normalize`] gives.
const PATHS: &[&str] = &[
    // sshd(8) FILES, and what its programs load.
    "/etc/ssh",
    "/run/sshd",
    "/var/empty",
    "/sbin/sshd",
    "/lib/openssh",
    "/libexec/openssh",
    "/etc/crypto-policies",
    "/etc/ssl/openssl.cnf",
    "/etc/hosts.allow",
    "/etc/hosts.deny",
    "/etc/nologin",
    "/run/nologin",
    "/dev/null",
    "/dev/urandom",
    "/dev/ptmx",
    "/dev/pts",
    // Who may log in: pam(8), nsswitch.conf(5), and what their modules read.
    "/etc/pam.conf",
    "/etc/pam.d",
    "/lib/pam.d",
    "/etc/security",
    "/lib/security",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/gshadow",
    "/etc/shells",
    "/etc/login.defs",
    "/etc/nsswitch.conf",
    "/etc/sssd",
    "/etc/nslcd.conf",
    "/etc/ldap",
    "/etc/krb5.conf",
    "/etc/krb5.keytab",
    "/etc/selinux",
    "/etc/apparmor.d",
    "/etc/systemd/logind.conf",
    "/etc/systemd/logind.conf.d",
    "/sbin/unix_chkpwd",
    "/bin/login",
    "/etc/update-motd.d",
    // Who becomes root: sudoers(5), doas.conf(5).
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/sudo.conf",
    "/etc/doas.conf",
    "/etc/doas.d",
    "/bin/sudo",
    "/bin/doas",
    "/bin/su",
    "/lib/sudo",
    "/libexec/sudo",
    // What a login shell reads: bash(1) INVOCATION, zsh(1) STARTUP/SHUTDOWN FILES, csh(1).
    "/etc/profile",
    "/etc/profile.d",
    "/etc/bash.bashrc",
    "/etc/bashrc",
    "/etc/environment",
    "/etc/zsh",
    "/etc/zshenv",
    "/etc/zprofile",
    "/etc/zshrc",
    "/etc/csh.cshrc",
    "/etc/csh.login",
    "/etc/fish",
    // ld.so(8).
    "/etc/ld.so.preload",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.cache",
    // The network, and what filters it.
    "/etc/network",
    "/etc/netplan",
    "/lib/netplan",
    "/run/netplan",
    "/etc/NetworkManager",
    "/etc/systemd/network",
    "/lib/systemd/network",
    "/run/systemd/network",
    "/etc/systemd/networkd.conf",
    "/etc/systemd/networkd.conf.d",
    "/etc/systemd/resolved.conf",
    "/etc/systemd/resolved.conf.d",
    "/etc/resolv.conf",
    "/etc/dhcp",
    "/etc/dhcpcd.conf",
    "/etc/iproute2",
    "/etc/wireguard",
    "/etc/openvpn",
    "/etc/wpa_supplicant",
    "/etc/sysctl.conf",
    "/etc/sysctl.d",
    "/lib/sysctl.d",
    "/run/sysctl.d",
    "/proc/sys/net",
    "/sys/class/net",
    "/etc/nftables.conf",
    "/etc/nftables",
    "/etc/nftables.d",
    "/etc/iptables",
    "/etc/ufw",
    "/etc/firewalld",
    "/etc/fail2ban",
    "/etc/ferm",
    "/etc/shorewall",
    "/etc/sysconfig/network",
    "/etc/sysconfig/network-scripts",
    "/etc/sysconfig/selinux",
];

/// Settings of init scripts and units, which count by the unit that they are named after.
const SETTINGS: &[&str] = &["/etc/default", "/etc/sysconfig", "/etc/conf.d"];

/// Where units and init scripts are, which count by the unit that they are of.
const UNIT_FILES: &[&str] = &[
    "/etc/systemd/system",
    "/lib/systemd/system",
    "/usr/local/lib/systemd/system",
    "/run/systemd/system",
    "/run/systemd/generator",
    "/etc/init.d",
    "/etc/sv",
    "/etc/service",
    "/var/service",
];

/// What a shell, sshd and PAM read in a home directory.
const HOME_FILES: &[&str] = &[
    ".ssh",
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".profile",
    ".zshenv",
    ".zprofile",
    ".zshrc",
    ".zlogin",
    ".kshrc",
    ".mkshrc",
    ".cshrc",
    ".tcshrc",
    ".login",
    ".pam_environment",
    ".k5login",
    ".rhosts",
    ".shosts",
];

/// Directories of programs; each shell in one counts.
const PROGRAMS: &[&str] = &["/bin", "/sbin", "/usr/local/bin", "/usr/local/sbin"];

/// How a login depends on a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginPath {
    /// On what is there.
    Itself,
    /// On something below it: on its mode and owner, and that it is there.
    Above,
}

/// Whether a connection or a login depends on what is at `path`, an absolute path in any spelling. A `*` stands for any part
/// of it, as in a resource (`file:/etc/**`): then it counts if anything that it may stand for does.
#[must_use]
pub fn login_path(path: &str) -> Option<LoginPath> {
    if let Some((head, _)) = path.split_once('*') {
        // `/etc/ss*` may be /etc/ssh.
        let (dir, begin) = head.rsplit_once('/').unwrap_or(("", head));
        let head = format!("{}/{begin}", normalize(dir).trim_end_matches('/'));
        let listed =
            || PATHS.iter().chain(SETTINGS).chain(UNIT_FILES).chain(PROGRAMS).chain(&["/root", "/home", "/lib"]);
        let within = || normalized_login_path(&normalize(dir)) == Some(LoginPath::Itself);
        let may = listed().any(|p| p.starts_with(&head)) || head.starts_with("/home/") || within();
        return may.then_some(LoginPath::Itself);
    }
    normalized_login_path(&normalize(path))
}

fn normalized_login_path(path: &str) -> Option<LoginPath> {
    let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
    let below = |dir: &str| path.strip_prefix(dir).filter(|rest| rest.starts_with('/')).map(|rest| &rest[1..]);
    let first = |dir: &str| below(dir).and_then(|rest| rest.split('/').next());
    let listed = PATHS.iter().any(|p| path == *p || below(p).is_some());
    // sshd refuses keys below a home that others can write to, and a home itself may be anybody's.
    let home = path == "/root" || dir == "/home" || first("/etc/skel").is_some();
    let in_home = path.split('/').any(|part| HOME_FILES.contains(&part)) || path.contains("/.config/fish/");
    let setting = SETTINGS.iter().any(|d| first(d).is_some_and(connects));
    let unit = UNIT_FILES.iter().any(|d| first(d).is_some_and(|n| connects(n.strip_suffix(".d").unwrap_or(n))));
    let program = PROGRAMS.contains(&dir) && (name.ends_with("sh") || name == "busybox");
    let library = below("/lib").or(below("/lib64")).or(below("/usr/local/lib")).is_some_and(|rest| {
        // A directory of one machine's libraries; a library: lib*.so*, ld-linux*.so.2, PAM's and NSS's modules.
        let dirs: Vec<&str> = rest.split('/').rev().skip(1).collect();
        let so = name.contains(".so.") || name.ends_with(".so");
        dirs.is_empty() && name.contains("-linux-") || so && (dirs.len() < 2 || dirs[0] == "security")
    });
    if listed || home || in_home || setting || unit || program || library {
        return Some(LoginPath::Itself);
    }
    let root = path == "/";
    let above = |p: &&str| root || p.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
    let directories = PATHS.iter().chain(SETTINGS).chain(UNIT_FILES).chain(PROGRAMS);
    let is_above =
        directories.clone().any(above) || SETTINGS.iter().chain(UNIT_FILES).chain(PROGRAMS).any(|p| path == *p);
    (is_above || matches!(path, "/home" | "/lib64" | "/usr")).then_some(LoginPath::Above)
}

/// The path without `//`, `/./`, `/../` and a slash at its end; of the two names that merged systems have for one directory
/// (file-hierarchy(7): /usr/lib and /lib, /var/run and /run), the shorter one.
#[must_use]
pub fn normalize(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    let merged = match parts[..] {
        ["usr", "bin" | "sbin" | "lib" | "lib32" | "lib64" | "libx32" | "libexec", ..] | ["var", "run", ..] => {
            &parts[1..]
        }
        _ => &parts[..],
    };
    format!("/{}", merged.join("/"))
}

/// Whether a connection depends on a package: one that has the programs, libraries or rules of the above, or any (`*`).
#[must_use]
pub fn login_package(name: &str) -> bool {
    const BEGIN: &[&str] =
        &["openssh", "libpam", "libnss", "libc6", "glibc", "openssl", "libssl", "libcrypt", "pam", "systemd"];
    const NAMES: &[&str] = &[
        "*",
        "ssh",
        "sudo",
        "doas",
        "opendoas",
        "bash",
        "dash",
        "zsh",
        "ksh",
        "mksh",
        "fish",
        "busybox",
        "login",
        "passwd",
        "shadow",
        "iptables",
        "iptables-persistent",
        "netfilter-persistent",
        "nftables",
        "ufw",
        "firewalld",
        "fail2ban",
        "netplan.io",
        "ifupdown",
        "network-manager",
        "NetworkManager",
        "isc-dhcp-client",
        "dhcpcd",
        "dhcpcd-base",
        "iproute2",
        "sssd",
    ];
    if let Some((head, _)) = name.split_once('*').filter(|(head, _)| !head.is_empty()) {
        // What it may stand for.
        return NAMES.iter().chain(BEGIN).any(|n| n.starts_with(head)) || BEGIN.iter().any(|b| head.starts_with(b));
    }
    NAMES.contains(&name) || BEGIN.iter().any(|b| name.starts_with(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_depends_on_these_paths_in_any_spelling() {
        for path in [
            "/etc/ssh",
            "/etc/ssh/",
            "//etc/ssh/sshd_config",
            "/etc/./ssh",
            "/etc/x/../ssh/sshd_config",
            "/root",
            "/root/",
            "/root/.ssh",
            "/root/.ssh/authorized_keys",
            "/home/ops",
            "/home/ops/.ssh",
            "/srv/git/.ssh/authorized_keys",
            "/root/.bashrc",
            "/root/.profile",
            "/home/ops/.bash_profile",
            "/etc/profile",
            "/etc/profile.d/x.sh",
            "/etc/bash.bashrc",
            "/run/sshd",
            "/var/run/sshd",
            "/bin/bash",
            "/usr/bin/bash",
            "/usr/bin/dash",
            "/bin/sh",
            "/usr/sbin/sshd",
            "/usr/lib/openssh/sshd-session",
            "/etc/pam.d/common-auth",
            "/etc/pam.d",
            "/usr/lib/x86_64-linux-gnu/security/pam_unix.so",
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/etc/ld.so.preload",
            "/etc/ld.so.conf.d/a.conf",
            "/etc/nsswitch.conf",
            "/usr/bin/sudo",
            "/usr/bin/doas",
            "/etc/doas.conf",
            "/etc/sysconfig/network-scripts/ifcfg-eth0",
            "/etc/sysconfig/sshd",
            "/etc/sysconfig/iptables",
            "/etc/default/ssh",
            "/etc/default/ufw",
            "/etc/systemd/system/ssh.service.d/port.conf",
            "/usr/lib/systemd/system/sshd@.service",
            "/etc/init.d/ssh",
            "/etc/shells",
            "/dev/null",
            "/usr/lib/x86_64-linux-gnu",
        ] {
            assert_eq!(login_path(path), Some(LoginPath::Itself), "{path}");
        }
        for path in
            ["/", "/etc", "/usr", "/usr/bin", "/lib", "/run", "/home", "/var", "/etc/default", "/etc/systemd/system"]
        {
            assert_eq!(login_path(path), Some(LoginPath::Above), "{path}");
        }
        for path in [
            "/srv/www",
            "/etc/app.conf",
            "/etc/sshx",
            "/etc/default/chrony",
            "/etc/sysconfig/app",
            "/opt/x",
            "/etc/systemd/system/nginx.service.d/x.conf",
            "/usr/lib/python3/x.py",
            "/root/odd",
            "/home/ops/notes",
            "/var/lib/app",
        ] {
            assert_eq!(login_path(path), None, "{path}");
        }
    }

    #[test]
    fn a_pattern_counts_by_what_it_may_stand_for() {
        for path in [
            "/etc/**",
            "/**",
            "/etc/ssh/ssh_host_*_key",
            "/etc/ss*",
            "/root/**",
            "/root/.ssh/**",
            "/home/*/x",
            "/usr/lib/**",
        ] {
            assert!(login_path(path).is_some(), "{path}");
        }
        for path in ["/srv/www/**", "/etc/app/*.conf", "/var/cache/apt/**", "/opt/**"] {
            assert_eq!(login_path(path), None, "{path}");
        }
    }

    #[test]
    fn a_connection_depends_on_these_packages() {
        for name in ["openssh-server", "sudo", "libpam-modules", "libc6", "bash", "ufw", "*"] {
            assert!(login_package(name), "{name}");
        }
        assert!(!login_package("nginx") && !login_package("chrony"));
    }
}
