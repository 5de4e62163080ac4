//! Init systems: each is a file here and a line of [`ALL`]. It says how a host that has it is known, how a service of its
//! is read and what each verb does, in sh; the answer has the words of `systemctl show` (see [`super::units`]).

mod busybox;
mod openrc;
mod runit;
mod systemd;
mod sysvinit;

use std::sync::LazyLock;

/// An init system.
pub struct Init {
    /// As `facts.init` has it.
    pub name: &'static str,
    /// As people call it.
    pub title: &'static str,
    /// The sh that succeeds where it runs. `rb_j` is the name of process 1, `rb_i` what /sbin/init leads to, if it exists.
    live: &'static str,
    /// The same for a disk that is not running, mounted on `R`.
    disk: &'static str,
    /// The function that prints a block of `Key=value` lines, and an empty line, for each of its arguments.
    pub(super) units: &'static str,
    /// The sh that does `$1` to `$2`: a word of [`super::units::Verb`], a name.
    verb: &'static str,
    /// The sh that prints the last `$2` lines that the service `$1` wrote, as it wrote them, where its init keeps them.
    said: &'static str,
    /// The function that makes the next boot run `$G/switch boot` before services are started, and writes the sh that undoes
    /// that into `$G/unboot` first.
    at_boot: &'static str,
    /// What these use, by name.
    functions: Functions,
    /// What they use only where it runs.
    live_functions: Functions,
    /// What they use only for a disk.
    disk_functions: Functions,
}

type Functions = &'static [(&'static str, &'static str)];

/// Every one; the first that is known counts.
static ALL: &[Init] = &[systemd::INIT, openrc::INIT, runit::INIT, busybox::INIT, sysvinit::INIT];

/// The one of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Init> {
    ALL.iter().find(|i| i.name == name)
}

/// `rb_init` sets `REPLY` to the init's name, empty where it cannot be told. `rb_verb VERB NAME`, `rb_said NAME LINES`: done
/// or asked as it is on that init. `rb_shown NAME` prints its state, `rb_at_boot` makes the next boot take a round back.
///
/// For those that are asked of one service at a time:
/// * `rb_each FUNCTION NAME…` asks for each; only `.service` units can be theirs.
/// * `rb_script NAME WORD` runs its script in /etc/init.d as service(8) does: from `/`, with a clean environment.
/// * `rb_lsb NAME` prints the state that the script tells: LSB 3.1, "Init Script Actions", and OpenRC's own statuses.
///   A script without `status` answers with its usage and some status or other: it is not asked.
/// * `rb_forbidden NAME FILE` prints the files whose mere presence makes the script do nothing (Debian's sshd).
/// * `rb_bits VERB FILE`: what `mask` means to an init that runs scripts: it may not be executed.
/// * `rb_came NAME FUNCTION`: by that reader it runs soon after it was started. Scripts end with 0 whatever came of it (Debian's `log_end_msg`).
///
/// Bytes on the wire are few where what is only for a disk stays at home, and the other way round.
#[must_use]
pub fn functions(disk: bool) -> &'static [(&'static str, String)] {
    static OF: LazyLock<[Vec<(&'static str, String)>; 2]> = LazyLock::new(|| {
        [false, true].map(|disk| {
            let of =
                |i: &'static Init| i.functions.iter().chain(if disk { i.disk_functions } else { i.live_functions });
            let own = ALL.iter().flat_map(of).chain(SHARED).map(|(n, body)| (*n, (*body).to_owned()));
            own.chain([
                ("rb_init", init(disk)),
                ("rb_verb", of_each("rb_verb", |i| i.verb.to_owned())),
                ("rb_said", of_each("rb_said", |i| i.said.to_owned())),
                ("rb_shown", of_each("rb_shown", |i| format!("{} \"$@\"", i.units))),
                ("rb_at_boot", of_each("rb_at_boot", |i| i.at_boot.to_owned())),
            ])
            .collect()
        })
    });
    &OF[usize::from(disk)]
}

const SHARED: Functions = &[
    (
        "rb_each",
        r#"rb_each() { rb_e=$1; shift; for rb_u; do case $rb_u in */*) echo LoadState=not-found;; *.service) (set -- "${rb_u%.service}"; echo "Id=$1"; echo "Init=${rb_e#rb_unit_}"; $rb_e "$1");; *) echo LoadState=not-found;; esac; echo; done; }
"#,
    ),
    (
        "rb_script",
        r#"rb_script() { (cd /; set -- "/etc/init.d/$1" "$2"; [ -x "$1" ] || { read -r rb_x <"$1"; case $rb_x in '#!'*/sh|'#!'*/sh\ *|'#!'*/bash) set -- sh "$@";; *) exit 126;; esac; }; exec env -i LANG=C TERM=dumb PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@" </dev/null); }
"#,
    ),
    (
        "rb_lsb",
        r#"rb_lsb() { if [ -n "$R" ]; then echo ActiveState=offline; return; fi
if ! sed -n 1p "/etc/init.d/$1" | grep -qE 'openrc-run|runscript|init-d-script' && ! grep -qE "^[^#]*status[\"']? *[|)]" "/etc/init.d/$1"; then echo ActiveState=unknown; echo "Unknown=/etc/init.d/$1 has no \"status\""; return; fi
rb_script "$1" status >/dev/null 2>&1; rb_r=$?
case $rb_r in 0) echo ActiveState=active; echo SubState=running;; 3) echo ActiveState=inactive; echo SubState=dead;; 1|2|32) echo ActiveState=failed; echo Result=gone;; 8) echo ActiveState=activating; echo SubState=start;; *) echo ActiveState=unknown; echo "Unknown=/etc/init.d/$1 answers \"status\" with $rb_r";; esac; }
"#,
    ),
    (
        "rb_forbidden",
        r#"rb_forbidden() { sed -n 's/^[^#]*\(\/etc\/[^][ "]*_not_to_be_run\).*/\1/p' "$2" | sort -u | while read -r rb_x; do rb_real "$rb_x"; if [ -e "$R$REPLY" ]; then echo "Unmet=$1 ConditionPathExists=!$rb_x"; fi; done; }
"#,
    ),
    (
        "rb_bits",
        r#"rb_bits() { case $1 in mask) chmod a-x "$2";; *) chmod a+x "$2";; esac; }
"#,
    ),
    (
        "rb_came",
        r#"rb_came() { for rb_n in 1 2 3 4; do case $($2 "$1") in *=failed*|*=inactive*) sleep 1;; *) return 0;; esac; done; echo "$1 was started, and does not run" >&2; return 1; }
"#,
    ),
];

fn init(disk: bool) -> String {
    let branch = |i: &Init| format!("if {}; then REPLY={}\n", if disk { i.disk } else { i.live }, i.name);
    let first = ALL.iter().map(branch).collect::<Vec<_>>().join("el");
    let process = if disk { "" } else { "read -r rb_j 2>/dev/null </proc/1/comm\n" };
    format!(
        "rb_init() {{ rb_real /sbin/init; rb_i=$REPLY; [ -e \"$R$rb_i\" ] || rb_i=; rb_j=; REPLY=\n{process}{first}fi; }}\n"
    )
}

/// A function that is another one on each init; 3 where there is none.
fn of_each(name: &str, sh: fn(&Init) -> String) -> String {
    let cases: String = ALL.iter().map(|i| format!("{}) {};;\n", i.name, sh(i))).collect();
    format!(
        "{name}() {{ rb_init; case $REPLY in\n{cases}*) echo 'no init that runbook knows starts services here' >&2; return 3;; esac; }}\n"
    )
}
