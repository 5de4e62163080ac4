//! systemd.

use super::{Functions, Init};

/// systemctl(1).
pub(super) const INIT: Init = Init {
    name: "systemd",
    title: "systemd",
    live: r#"[ -d /run/systemd/system ]"#,
    // Without an init of its own: a tree that somebody put units into.
    disk: r#"case $rb_i in */systemd) ;; '') rb_real /etc/systemd/system; [ -d "$R$REPLY" ] || { rb_real /lib/systemd/systemd; [ -e "$R$REPLY" ]; };; *) false;; esac"#,
    units: "rb_units_systemd",
    verb: r#"rb_verb_systemd "$@""#,
    // As `journalctl -u`, but for what tells of core dumps (that is in its result), and its last main process as the user that
    // the unit runs it as: of one that ended at once, journald may come too late to see the unit.
    // Who is not root can put a line into the journal with any field, but for those that begin with "_" (systemd.journal-fields(7)).
    said: r#"rb_f=$(systemctl show -p ExecMainPID -p User -- "$1" 2>/dev/null); rb_x=${rb_f#*User=}; [ "$rb_x" != "$rb_f" ] && rb_x=$(id -u "${rb_x%%
*}" 2>/dev/null) || rb_x=0; rb_f=${rb_f#*ExecMainPID=}; journalctl -n "$2" -o cat --no-pager -b _SYSTEMD_UNIT="$1" + UNIT="$1" _PID=1 + _PID="${rb_f%%
*}" _UID="${rb_x:-0}" 2>/dev/null"#,
    at_boot: "rb_boot_systemd",
    functions: FUNCTIONS,
    live_functions: LIVE,
    disk_functions: DISK,
};

/// `rb_units_systemd NAME…`: one `systemctl show` for all; of a mounted disk the same keys from its
/// links and unit files (systemd.unit(5), UNIT FILE LOAD PATH). Conditions have no text in `show`: where one was not
/// met, `status` names it. `rb_also NAME…` what links say: `rb_wanted NAME`: some `.wants` directory has it. `rb_written NAME PATH`: what its files say.
/// `rb_barred NAME`: which `Alias=` of its unit file, that a mask of its own may hide, is a link to `/dev/null`.
///
/// `rb_verb_systemd VERB NAME`: a unit whose files changed since systemd read them (this run may have edited them) is
/// started only after `daemon-reload` (`rb_stale`; of a first drop-in in a new directory systemd does not say so). A socket that hit its trigger limit waits out the two seconds for which that
/// counts, whatever is reset (systemd.socket(5), TriggerLimitIntervalSec=). On a mounted disk `systemctl --root`, else by
/// links as systemctl(1) makes them from the `[Install]` section: `Alias=` and `WantedBy=`.
const FUNCTIONS: Functions = &[
    (
        "rb_wanted",
        r#"rb_wanted() { rb_real /etc/systemd/system; for rb_f in "$R$REPLY"/*.wants/"$1" "$R$REPLY"/*.requires/"$1"; do if [ -L "$rb_f" ] || [ -e "$rb_f" ]; then return 0; fi; done; return 1; }
"#,
    ),
    (
        "rb_barred",
        r#"rb_barred() { for rb_f in /etc /usr/local/lib /usr/lib /lib; do rb_real "$rb_f/systemd/system/$1"; [ -f "$R$REPLY" ] || continue
while read -r rb_x; do case $rb_x in Alias=*) for rb_k in ${rb_x#Alias=}; do case $rb_k in */*|"$1") continue;; esac
rb_real "/etc/systemd/system/$rb_k" l; if [ -L "$R$REPLY" ] && [ "$(readlink "$R$REPLY")" = /dev/null ]; then echo "Barred=$1 $rb_k"; fi; done;; esac; done <"$R$REPLY"; return 0; done; }
"#,
    ),
    (
        "rb_also",
        r#"rb_also() { echo; for rb_u; do if rb_wanted "$rb_u"; then echo "Wanted=$rb_u"; fi; rb_barred "$rb_u"; done; }
"#,
    ),
];

const LIVE: Functions = &[
    (
        "rb_boot_systemd",
        r#"rb_boot_systemd() { rb_f=/etc/systemd/system; rb_x=$rb_f/sysinit.target.wants; rb_d=; [ -d "$rb_x" ] || rb_d="; rmdir $rb_x"
echo "rm -f $rb_f/runbook-guard.service $rb_f/runbook-guard-late.service $rb_x/runbook-guard.service$rb_d" >"$G/unboot"; mkdir -p "$rb_x" || return
printf '%s\n' '[Unit]' 'Description=runbook takes files back that nobody has confirmed' DefaultDependencies=no "RequiresMountsFor=$G" After=local-fs.target Before=sysinit.target '[Service]' Type=oneshot TimeoutStartSec=300 "ExecStart=/bin/sh $G/switch early" >"$rb_f/runbook-guard.service" &&
printf '%s\n' '[Unit]' 'Description=runbook takes back what else nobody has confirmed' IgnoreOnIsolate=yes '[Service]' KillMode=process Restart=on-failure "ExecStart=/bin/sh $G/switch late" >"$rb_f/runbook-guard-late.service" && ln -sf ../runbook-guard.service "$rb_x/runbook-guard.service"; }
"#,
    ),
    (
        "rb_units_systemd",
        r#"rb_units_systemd() {
command -v systemctl >/dev/null || { echo 'no systemctl' >&2; return 3; }
rb_o=$(systemctl show --no-pager -p Id,LoadState,ActiveState,SubState,UnitFileState,Result,ExecMainStatus,ExecMainCode,MainPID,StateChangeTimestamp,ConditionResult,ConditionTimestampMonotonic,TriggeredBy,Triggers,Listen,BindIPv6Only,Accept,FragmentPath,DropInPaths,NRestarts,RestartPreventExitStatus,NeedDaemonReload -- "$@") || return
printf '%s\n\n' "$rb_o" | sed -e '/=$/d'
case $rb_o in *"ConditionResult=no
ConditionTimestampMonotonic="[1-9]*) systemctl status --no-pager -n 0 -- "$@" 2>/dev/null | sed -n -e 's/^[^ ]\{1,3\} \([^ ]*\.[a-z]*\) - .*/\1/;t n' -e 's/^.* \([A-Z][A-Za-z]*=.*\) was not met$/\1/;t c' -e b -e :n -e h -e b -e :c -e 'G;s/\(.*\)\n\(.*\)/Unmet=\2 \1/p';; esac
rb_also "$@"; }
"#,
    ),
    (
        "rb_stale",
        r#"rb_stale() { [ "$(systemctl show -p NeedDaemonReload --value -- "$1")" != yes ] || return 0
rb_x=" $(systemctl show -p DropInPaths --value -- "$1") "; for rb_f in /etc/systemd/system/"$1".d/*.conf; do case $rb_x in *" $rb_f "*) ;; *) [ ! -e "$rb_f" ] || return 0;; esac; done; return 1; }
"#,
    ),
    // A start has an end: one that waits for another unit's job is told after 10 s, one that takes long itself after 50 s.
    (
        "rb_launch",
        r#"rb_launch() { command -v timeout >/dev/null || { systemctl --no-pager "$1" -- "$2"; return; }
timeout 10 systemctl --no-pager "$1" -- "$2"; rb_x=$?; [ $rb_x = 124 ] || return $rb_x
rb_f=$(systemctl list-jobs --no-legend --no-pager --plain --full | awk -v u="$2" '$2 == u { print $1, $4 }')
case $rb_f in *running) timeout 40 systemctl --no-pager start -- "$2"; rb_x=$?; [ $rb_x = 124 ] || return $rb_x; rb_y="the start of $2 took longer than 50 s";;
'') systemctl is-active -q -- "$2"; return;;
*) rb_y="the start of $2 waits for $(systemctl list-jobs --no-legend --no-pager --plain --full | awk '$4 == "running" { printf "%s%s", c, $2; c = ", " }')";; esac
systemctl cancel "${rb_f%% *}"; echo "$rb_y, and was called off" >&2; return 1; }
"#,
    ),
    (
        "rb_verb_systemd",
        r#"rb_verb_systemd() { case $1 in daemon-reload) systemctl --no-pager daemon-reload; return;; unmask) systemctl --no-pager --runtime unmask -- "$2" 2>/dev/null;; start|restart) ! rb_stale "$2" || systemctl daemon-reload; rb_launch "$1" "$2"; return;; reset-failed) [ "$(systemctl show -p Result --value -- "$2")" != trigger-limit-hit ] || sleep 2;; esac; systemctl --no-pager "$1" -- "$2"; }
"#,
    ),
];

const DISK: Functions = &[
    (
        "rb_unitfile",
        r#"rb_unitfile() { case $1 in */*) return 1;; esac; for rb_f in /etc/systemd/system /usr/local/lib/systemd/system /usr/lib/systemd/system /lib/systemd/system; do rb_real "$rb_f/$1" l; if [ -L "$R$REPLY" ] || [ -e "$R$REPLY" ]; then return 0; fi; done; REPLY=; return 1; }
"#,
    ),
    (
        "rb_written",
        r#"rb_written() { (rb_u=$1; rb_real "$2"; echo "FragmentPath=$REPLY"; set -- "$R$REPLY"
for rb_f in /usr/lib/systemd/system /usr/local/lib/systemd/system /etc/systemd/system; do rb_real "$rb_f/$rb_u.d"; for rb_x in "$R$REPLY"/*.conf; do if [ -f "$rb_x" ]; then set -- "$@" "$rb_x"; fi; done; done
[ $# = 1 ] || { printf DropInPaths=; (shift; for rb_x; do printf '%s ' "${rb_x#"$R"}"; done); echo; }
sed -n -e 's/^ListenStream=/Listen=/p' -e 's/^Accept=[1ty].*/Accept=yes/p' "$@"
sed -n 's/^ConditionPathExists=//p' "$@" | while read -r rb_k; do rb_x=${rb_k#!}; case $rb_x in /etc/*|/usr/*|/var/*|/lib*|/boot/*) ;; *) continue;; esac
rb_real "$rb_x"; if [ -e "$R$REPLY" ]; then [ "$rb_x" = "$rb_k" ]; else [ "$rb_x" != "$rb_k" ]; fi || echo "Unmet=$rb_u ConditionPathExists=$rb_k"; done); }
"#,
    ),
    (
        "rb_units_systemd",
        r#"rb_units_systemd() {
for rb_u; do echo "Id=$rb_u"; echo ActiveState=offline
if rb_unitfile "$rb_u"; then rb_g=$REPLY
if [ "$(readlink "$R$rb_g")" = /dev/null ]; then echo LoadState=masked; echo UnitFileState=masked
else echo LoadState=loaded
if rb_wanted "$rb_u"; then echo UnitFileState=enabled
elif [ -L "$R$rb_g" ]; then echo UnitFileState=alias
elif grep -q '^\[Install\]' "$R$rb_g"; then echo UnitFileState=disabled
else echo UnitFileState=static; fi; rb_written "$rb_u" "$rb_g"; fi
else echo LoadState=not-found; fi
echo
done
rb_also "$@"; }
"#,
    ),
    (
        "rb_verb_systemd",
        r#"rb_verb_systemd() {
rb_unitfile "$2" || { echo "no unit $2" >&2; return 1; }
rb_g=$REPLY; rb_real /etc/systemd/system; rb_e=$R$REPLY; rb_real "$rb_g"; rb_h=$R$REPLY
case $1 in
unmask) [ "$(readlink "$rb_e/$2")" != /dev/null ] || rm -f "$rb_e/$2";;
mask) ln -sfn /dev/null "$rb_e/$2";;
disable) rm -f "$rb_e"/*.wants/"$2" "$rb_e"/*.requires/"$2"
for rb_w in $(sed -n 's/^Alias=//p' "$rb_h"); do case $rb_w in */*|"$2") continue;; esac
rb_x=$(readlink "$rb_e/$rb_w") && [ "${rb_x##*/}" = "$2" ] && rm -f "$rb_e/$rb_w"; done; :;;
enable) for rb_w in $(sed -n 's/^WantedBy=//p' "$rb_h"); do case $rb_w in */*) return 1;; esac
rb_real "/etc/systemd/system/$rb_w.wants"; mkdir -p "$R$REPLY" && ln -sfn "$rb_g" "$R$REPLY/$2" || return 1; done
for rb_w in $(sed -n 's/^Alias=//p' "$rb_h"); do case $rb_w in */*) return 1;; esac
ln -sfn "$rb_g" "$rb_e/$rb_w" || return 1; done;;
*) echo "cannot $1 a unit on a disk that is not running" >&2; return 1;;
esac; }
"#,
    ),
];
