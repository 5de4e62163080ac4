//! The faults that the lab plants, by their numbers in the guide: how each is planted, how it shows at the real client,
//! what the runbook must say of it, and how it ends. A group is a file, a fault is an entry of `faults!` there: its proof
//! (lab_faults.rs) is a test of that name.

/// `NAME { field: value, ..BASE }` each: the table, and a test for each, so that they run side by side.
macro_rules! faults {
    ($($name:ident { $($field:ident: $value:expr,)* ..$base:expr })*) => {
        pub const FAULTS: &[super::Fault] =
            &[$(super::Fault { name: stringify!($name), $($field: $value,)* ..$base }),*];
        $(#[test]
        fn $name() {
            crate::lab_faults::repaired(stringify!($name));
        })*
    };
}

/// The same for hosts that have no fault.
macro_rules! healthy {
    ($($name:ident { $($field:ident: $value:expr,)* ..$base:expr })*) => {
        $(#[test]
        fn $name() {
            let made = super::Healthy { $($field: $value,)* ..$base };
            crate::lab_faults::healthy(stringify!($name), &made);
        })*
    };
}

mod bans;
mod closed;
mod config;
mod field;
mod firewall;
mod healthy;
mod inits;
mod keys;
mod login;
mod permission;
mod port;
mod resources;
mod service;
mod socket;
mod unit;
mod wrappers;

/// The groups, in the order of the guide.
const GROUPS: &[&[Fault]] = &[
    service::FAULTS,
    config::FAULTS,
    socket::FAULTS,
    keys::FAULTS,
    port::FAULTS,
    unit::FAULTS,
    inits::FAULTS,
    wrappers::FAULTS,
    bans::FAULTS,
    firewall::FAULTS,
    closed::FAULTS,
    permission::FAULTS,
    login::FAULTS,
    resources::FAULTS,
    field::FAULTS,
];

/// Every one, in the order of the guide.
pub fn all() -> impl Iterator<Item = &'static Fault> {
    GROUPS.iter().copied().flatten()
}

/// What kind of host the lab boots: `lab up --kind`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Debian 12; ssh.service listens.
    Service,
    /// Debian 12; ssh.socket listens.
    Socket,
    /// Debian 13; ssh.service listens.
    TrixieService,
    /// Debian 13; ssh.socket listens.
    TrixieSocket,
    /// Debian 13 with Ubuntu's ssh.socket and a stand-in for its sshd-socket-generator.
    Generator,
    /// Debian 12 whose first process is SysV init's.
    Sysvinit,
    /// Debian 12 with OpenRC.
    Openrc,
    /// Debian 12 with runit.
    Runit,
}

impl Kind {
    /// The lab's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Socket => "socket",
            Self::TrixieService => "trixie-service",
            Self::TrixieSocket => "trixie-socket",
            Self::Generator => "generator",
            Self::Sysvinit => "sysvinit",
            Self::Openrc => "openrc",
            Self::Runit => "runit",
        }
    }
}

/// A way to break a host.
pub struct Fault {
    /// Its number in the guide.
    pub number: &'static str,
    pub name: &'static str,
    /// For the table.
    pub title: &'static str,
    /// The runbook that repairs it.
    pub book: &'static str,
    pub kind: Kind,
    /// The sh that breaks it, after `PRELUDE`. Its exit status is nothing: what it starts is meant to fail.
    pub breaks: &'static str,
    /// Where that ends in a reboot: what the console says at the end of it.
    pub reboots: Option<&'static str>,
    /// The sh that succeeds once the fault is there for good, after `PRELUDE`; asked until it does.
    pub shows: &'static str,
    /// Options of the client, before and after the repair.
    pub client: &'static [&'static str],
    /// What the client wants done there.
    pub does: &'static str,
    /// What the client says: a regex.
    pub symptom: &'static str,
    /// What the first finding says: a regex.
    pub says: &'static str,
    /// Arguments of plan and apply.
    pub args: &'static [&'static str],
    /// A port that answers while it is broken, and must after the repair too.
    pub keeps: Option<&'static str>,
    /// Rounds that may change something: one for a single fault.
    pub rounds: u64,
    /// How apply ends: 0 repaired; 1 where only a person can do it, and then no round may change anything unless `rounds`
    /// says so.
    pub exit: i32,
    /// The repair makes host keys that the client has never seen.
    pub new_keys: bool,
    /// The sh that makes the host read its files anew, after which the client must still get in; empty: nothing does.
    pub lasts: &'static str,
    /// The commands' own undo brings back the rules of the packet filters as they were.
    pub undone: bool,
    /// Whether it is run in every test run, or with `RUNBOOK_FULL` alone.
    pub ci: bool,
}

/// What `breaks` and `shows` can use.
pub const PRELUDE: &str = r#"
PATH=$PATH:/usr/sbin:/sbin
dropin=/etc/ssh/sshd_config.d/50-lab.conf
state() { systemctl show -p "$2" --value "$1"; }
failed() { [ "$(state "${1:-ssh}" ActiveState)" = failed ]; }
log() { journalctl -u "${2:-ssh}" -o cat | grep -q -e "$1"; }
within() { n=$1; shift; for i in $(seq $((n * 10))); do if "$@"; then return; fi; sleep 0.1; done; return 1; }
listens() { ss -Hltn | awk '{ print $4 }' | grep -qxF -e "$1"; }
# signal NAME: to sshd; where none runs, there is no process 0 to send it to: that is all of our own group.
signal() { pid=$(state ssh MainPID); [ "$pid" = 0 ] || kill "-$1" "$pid"; }
each_key() { for key in /etc/ssh/ssh_host_*_key; do "$@"; done; }
# sshd_is VERB: start, stop or restart, by the tool of the init that runs.
sshd_is() {
  if [ -d /run/systemd/system ]; then systemctl "$1" ssh
  elif [ -d /run/openrc ]; then rc-service ssh "$1"
  elif [ -d /run/runit ]; then sv -w 10 "$1" ssh
  else service ssh "$1"; fi
}
silent() { ! pgrep -x sshd >/dev/null; }
# config TEXT: a drop-in of sshd, and sshd started anew.
config() { printf '%s\n' "$@" >$dropin; sshd_is restart; }
# unit UNIT TEXT: a drop-in of the unit.
unit() { mkdir -p /etc/systemd/system/$1.d; u=$1; shift; printf '%s\n' "$@" >/etc/systemd/system/$u.d/lab.conf; systemctl daemon-reload; }
# occupy ADDRESS...: another program on port 22 there, as a unit.
occupy() {
  cat >/usr/local/bin/mail-relay <<'PY'
#!/usr/bin/python3
import select, socket, sys
listening = []
for address in sys.argv[1:]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind((address, 22))
    s.listen(5)
    listening.append(s)
while True:
    for s in select.select(listening, [], [])[0]:
        c, _ = s.accept()
        c.sendall(b"220 mail ESMTP\r\n")
        c.close()
PY
  chmod 755 /usr/local/bin/mail-relay
  systemctl stop ssh
  systemd-run -q --unit=mail-relay /usr/local/bin/mail-relay "$@"
  for a; do within 20 eval "listens $a:22 || listens [$a]:22"; done
  systemctl start ssh
}
# fail2ban: it runs, and answers.
fail2ban() { systemctl start fail2ban; within 30 eval "fail2ban-client ping >/dev/null 2>&1"; }
# knock: a client on the host itself, which wakes a socket unit.
knock() { bash -c 'exec 3<>/dev/tcp/127.0.0.1/22 && read -rt 2 line <&3' 2>/dev/null; }
"#;

const PORT: &[&str] = &["-e", "port=22"];
const PORT_2222: &[&str] = &["-e", "port=2222"];
const CLIENT_2222: &[&str] = &["-p", "2222"];

/// Repaired in one round.
pub const REPAIRED: Fault = Fault {
    number: "",
    name: "",
    title: "",
    book: "ssh-refused",
    kind: Kind::Service,
    breaks: "",
    reboots: None,
    shows: "true",
    client: &[],
    does: "true",
    symptom: "Connection refused",
    says: "",
    args: &[],
    keeps: None,
    rounds: 1,
    exit: 0,
    new_keys: false,
    lasts: "",
    undone: false,
    ci: false,
};

/// sshd refuses a line of its configuration.
pub const BAD_LINE: Fault = Fault { number: "13", shows: "failed", says: r"50-lab\.conf(:| line )1\b", ..REPAIRED };

/// Named and left to a person.
const BY_HAND: Fault = Fault { rounds: 0, exit: 1, ..REPAIRED };

/// A host that has no fault, however it looks.
pub struct Healthy {
    pub book: &'static str,
    pub kind: Kind,
    /// The sh that makes it so, after `PRELUDE`.
    pub made: &'static str,
    pub client: &'static [&'static str],
    pub args: &'static [&'static str],
    pub ci: bool,
}

const HEALTHY_HOST: Healthy =
    Healthy { book: "ssh-refused", kind: Kind::Service, made: "true", client: &[], args: &[], ci: false };
