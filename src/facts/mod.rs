//! What a host is: one fragment of sh, and a pure reading of what it prints.

use std::collections::BTreeMap;

use serde::Serialize;

/// The distribution, from os-release(5).
#[derive(Debug, Clone, Default, Serialize, PartialEq, Eq)]
pub struct Os {
    /// `ID`: debian, ubuntu, fedora …; empty if there is no os-release.
    pub id: String,
    /// `VERSION_ID`.
    pub version: String,
    /// `ID_LIKE` and `ID`, as a list.
    pub like: Vec<String>,
    /// `PRETTY_NAME`.
    pub name: String,
}

/// A handler that an earlier run notified and did not get to.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Owed {
    /// The runbook's name.
    pub runbook: String,
    /// The handler's id.
    pub handler: String,
    /// The run that left it.
    pub run: String,
}

/// The facts, as expressions see them: `facts.NAME`.
#[derive(Debug, Clone, Default, Serialize, PartialEq, Eq)]
pub struct Facts {
    /// The distribution.
    pub os: Os,
    /// systemd, sysvinit, openrc, runit, busybox, or "" where it cannot be told.
    pub init: String,
    /// Kernel release (`uname -r`).
    pub kernel: String,
    /// Machine (`uname -m`).
    pub arch: String,
    /// The host's own name.
    pub hostname: String,
    /// machine-id(5); "" where there is none.
    pub machine_id: String,
    /// Changes with every boot (/proc/sys/kernel/random/boot_id); "" where unknown.
    pub boot_id: String,
    /// Who we are there.
    pub user: String,
    /// Whether we are root there.
    pub root: bool,
    /// Something runs there; false on a mounted disk.
    pub live: bool,
    /// A runbook's own commands can run there.
    pub can_run: bool,
    /// Candidates can be laid over the real files in a private namespace.
    pub overlay: bool,
    /// Paths of the tools that were looked for and are there.
    pub tools: BTreeMap<String, String>,
    /// Address of the client of our own ssh session, if we came by ssh.
    pub ssh_client: String,
    /// `/dev/null` is missing there, or no device: scripts run in a mount namespace that has one.
    pub no_dev_null: bool,
    /// Handlers that an earlier run left undone.
    #[serde(skip)]
    pub owed: Vec<Owed>,
    /// A run that was cut off, and whose last round the host takes back by itself unless somebody confirms it; and its mark
    /// (the runbook and its variables).
    #[serde(skip)]
    pub unconfirmed: Option<(String, String)>,
    /// What the last rollback or crash left for the next run to show.
    #[serde(skip)]
    pub leftovers: Vec<String>,
}

/// What `facts.NAME` may be, for lint and docs: (name, meaning). A map's entries are free.
pub const FIELDS: &[(&str, &str)] = &[
    ("os", "distribution: id, version, like (a list), name, from os-release"),
    ("init", "systemd, sysvinit, openrc, runit, busybox, or empty where it cannot be told"),
    ("kernel", "kernel release"),
    ("arch", "machine, as uname -m prints it"),
    ("hostname", "the host's own name"),
    ("machine_id", "the installed system's own number, or empty"),
    ("boot_id", "changes with every boot"),
    ("user", "who we are there"),
    ("root", "whether we are root there"),
    ("live", "something runs there; false on a mounted disk"),
    ("can_run", "a runbook's own commands can run there"),
    ("overlay", "candidates can be tried in a private namespace"),
    ("tools", "map of tool name to path, of those that are there"),
    ("ssh_client", "address of the client of our own ssh session, or empty"),
    ("no_dev_null", "/dev/null is missing there, or is no device; commands see the host's /dev at $RB_DEV then"),
];

/// Tools that are looked for.
const TOOLS: &str = "sshd dropbear ssh ss netstat systemctl service rc-service sv iptables ip6tables nft ufw firewall-cmd \
                     fail2ban-client journalctl getfacl setfacl getfattr setfattr unshare sha256sum apt-get dnf apk zypper pacman restorecon";

/// The lines of a fragment that tell one running machine from another.
pub const WHICH: &str = r#"echo "hostname $(cat /proc/sys/kernel/hostname 2>/dev/null || uname -n)"; { read -r m </etc/machine-id; } 2>/dev/null && echo "machine $m""#;

/// The fragment. `$R` is the mounted disk's root or empty.
#[must_use]
pub fn script() -> String {
    format!(
        r#"for f in /etc/os-release /usr/lib/os-release; do rb_real $f; if [ -r "$R$REPLY" ]; then sed -n 's/^\(ID\|VERSION_ID\|ID_LIKE\|PRETTY_NAME\)=/os &/p' "$R$REPLY"; break; fi; done
echo "uid $(id -u)"; echo "user $(id -un 2>/dev/null)"; echo "uname $(uname -r) $(uname -m)"
if [ -z "$R" ]; then
{WHICH}; read -r b </proc/sys/kernel/random/boot_id && echo "boot $b"
[ -n "$SSH_CONNECTION" ] && echo "ssh ${{SSH_CONNECTION%% *}}"; echo run
else rb_real /etc/hostname; [ -r "$R$REPLY" ] && echo "hostname $(cat "$R$REPLY")"; chroot "$R" /bin/sh -c : 2>/dev/null && echo run; fi; rb_init; echo "init $REPLY"
o=; unshare -m true 2>/dev/null && o=1; [ -n "$o" ] && if grep -q 'overlay$' /proc/filesystems || ([ "$(cat /proc/sys/kernel/modules_disabled)" = 0 ] && modprobe -nq overlay) 2>/dev/null; then echo overlay; fi
for t in {TOOLS}; do p=$(command -v $t) && echo "tool $t $p"; done
rb_real /var/lib/runbook; cat "$R$REPLY/owed" 2>/dev/null; read -r g _ d 2>/dev/null <"$R$REPLY/guard/run" && echo "unconfirmed $g $d"; for f in "$R$REPLY"/left/*; do [ -f "$f" ] && sed 's/^/left /' "$f"; done; :"#
    )
}

/// Reads what [`script`] printed.
#[must_use]
pub fn parse(out: &str, live: bool) -> Facts {
    let mut f = Facts { live, ..Facts::default() };
    for line in out.lines() {
        let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        match key {
            "os" => {
                let (k, v) = rest.split_once('=').unwrap_or((rest, ""));
                let v = v.trim_matches(['"', '\'']).to_owned();
                match k {
                    "ID" => f.os.id = v,
                    "VERSION_ID" => f.os.version = v,
                    "ID_LIKE" => f.os.like = v.split_whitespace().map(str::to_owned).collect(),
                    _ => f.os.name = v,
                }
            }
            "uid" => f.root = rest == "0",
            "user" => rest.clone_into(&mut f.user),
            "uname" => {
                let (release, machine) = rest.split_once(' ').unwrap_or((rest, ""));
                release.clone_into(&mut f.kernel);
                machine.clone_into(&mut f.arch);
            }
            "hostname" => rest.clone_into(&mut f.hostname),
            "machine" => rest.clone_into(&mut f.machine_id),
            "boot" => rest.clone_into(&mut f.boot_id),
            "init" => rest.clone_into(&mut f.init),
            "run" => f.can_run = true,
            "overlay" => f.overlay = true,
            "nodevnull" => f.no_dev_null = true,
            "ssh" => rest.clone_into(&mut f.ssh_client),
            "tool" => {
                if let Some((name, path)) = rest.split_once(' ') {
                    f.tools.insert(name.to_owned(), path.to_owned());
                }
            }
            "owed" => {
                let mut w = rest.split(' ').map(str::to_owned);
                if let (Some(run), Some(runbook), Some(handler)) = (w.next(), w.next(), w.next()) {
                    f.owed.push(Owed { runbook, handler, run });
                }
            }
            "unconfirmed" => f.unconfirmed = rest.split_once(' ').map(|(run, mark)| (run.to_owned(), mark.to_owned())),
            "left" => f.leftovers.push(rest.to_owned()),
            _ => {}
        }
    }
    if !f.os.id.is_empty() && !f.os.like.contains(&f.os.id) {
        f.os.like.insert(0, f.os.id.clone());
    }
    f
}

impl Facts {
    /// Whether both are of one machine. A clone may have the number of the machine that it was made from, and a container
    /// none at all, so the name counts too.
    #[must_use]
    pub fn same_machine(&self, other: &Self) -> bool {
        self.hostname == other.hostname && self.machine_id == other.machine_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debian_host() {
        let f = parse(
            "os PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nos VERSION_ID=\"12\"\nos ID=debian\nuid 0\nuser root\n\
             uname 6.1.0 x86_64\nhostname web1\nboot 0f-1\ninit systemd\nrun\noverlay\ntool sshd /usr/sbin/sshd\n\
             owed r1 ssh-refused restart-sshd\n",
            true,
        );
        assert_eq!((f.os.id.as_str(), f.init.as_str(), f.root, f.overlay), ("debian", "systemd", true, true));
        assert_eq!(f.tools["sshd"], "/usr/sbin/sshd");
        assert_eq!(f.owed[0].handler, "restart-sshd");
    }

    #[test]
    fn noise_is_no_fact() {
        assert_eq!(parse("hello\nuid\n\n", true).init, "");
    }

    #[test]
    fn the_table_is_the_struct() {
        let v = serde_json::to_value(Facts::default()).unwrap();
        let have: Vec<&String> = v.as_object().unwrap().keys().collect();
        assert_eq!(have, FIELDS.iter().map(|f| f.0).collect::<Vec<_>>());
    }
}
