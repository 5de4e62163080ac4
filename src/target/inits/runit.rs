//! runit.

use super::Init;

/// runit(8), runsv(8), runsvdir(8), sv(8). A service is a directory in /etc/sv, and is supervised while it is linked in
/// the directory that runsvdir watches; a file `down` there keeps it from being started by itself. What has no such
/// directory is a SysV script, which Debian's runit starts in its stage 2. `service NAME status` tells nothing here.
pub(super) const INIT: Init = Init {
    name: "runit",
    title: "runit",
    live: r#"case $rb_j in runit*) ;; *) false;; esac"#,
    disk: r#"case $rb_i in *runit-init|*/runit) ;; *) false;; esac"#,
    units: "rb_each rb_unit_runit",
    verb: "rb_verb_runit \"$@\"",
    said: r#"tail -n "$2" "/var/log/runit/$1/current" 2>/dev/null | sed 's/^[0-9@][^ ]* //'"#,
    at_boot: "rb_boot_runit",
    functions: &[
        (
            // Sets `rb_d`, where services are linked, and `rb_s`, the service's own directory.
            "rb_sv",
            r#"rb_sv() { for rb_d in /etc/service /var/service /service /etc/runit/runsvdir/default; do rb_real "$rb_d"; rb_d=$R$REPLY; [ ! -d "$rb_d" ] || break; done
rb_real "/etc/sv/$1"; rb_s=$R$REPLY; [ -d "$rb_s" ] || { rb_real "${rb_d#"$R"}/$1"; rb_s=$R$REPLY; }; [ -d "$rb_s" ]; }
"#,
        ),
        (
            "rb_unit_runit",
            r#"rb_unit_runit() { rb_sv "$1" || { rb_unit_sysvinit "$1"; return; }
echo "FragmentPath=${rb_s#"$R"}/run"; rb_forbidden "$1" "$rb_s/run"
rb_b=disabled; rb_y=; if [ -L "$rb_d/$1" ] || [ -e "$rb_d/$1" ]; then rb_y=1; [ -e "$rb_s/down" ] || { rb_b=enabled; echo "Wanted=$rb_u"; }; fi
if [ -x "$rb_s/run" ]; then echo LoadState=loaded; else echo LoadState=masked; rb_b=masked; fi
echo "UnitFileState=$rb_b"
if [ -n "$R" ]; then echo ActiveState=offline; return; fi
if [ -z "$rb_y" ]; then echo ActiveState=inactive; echo SubState=dead; return; fi
rb_x=$(sv status "$rb_d/$1" 2>&1); case ${rb_x%%; *} in
run:*' want down'*) echo ActiveState=deactivating;;
run:*) echo ActiveState=active; echo SubState=running;;
down:*' want up'*|finish:*) echo ActiveState=activating; echo SubState=auto-restart;;
down:*|*'runsv not running'*) echo ActiveState=inactive; echo SubState=dead;;
*) echo ActiveState=unknown; echo "Unknown=sv says: $(printf '%s\n' "$rb_x" | sed -n 1p)";; esac; }
"#,
        ),
        (
            "rb_svlink",
            r#"rb_svlink() { if [ -L "$rb_d/$1" ] || [ -e "$rb_d/$1" ]; then return 0; fi
: >"$rb_s/down" && ln -s "${rb_s#"$R"}" "$rb_d/$1" || return; [ -z "$R" ] || return 0
for rb_n in 1 2 3 4 5 6 7 8 9 10; do ! sv status "$rb_d/$1" >/dev/null 2>&1 || return 0; sleep 1; done; echo "runsvdir does not take $1" >&2; return 1; }
"#,
        ),
        (
            "rb_verb_runit",
            r#"rb_verb_runit() { rb_sv "$2" || { rb_verb_sysvinit "$@"; return; }
case $R:$1 in
*:mask|*:unmask) rb_bits "$1" "$rb_s/run";;
*:enable) rb_svlink "$2" && rm -f "$rb_s/down";;
*:disable) : >"$rb_s/down";;
*:reset-failed|*:daemon-reload) ;;
:start) rb_svlink "$2" && sv -w 10 start "$rb_d/$2";;
:stop) sv -w 10 stop "$rb_d/$2";;
:reload) sv reload "$rb_d/$2";;
:restart) rb_svlink "$2" || return; read -r rb_p 2>/dev/null <"$rb_s/supervise/pid" || rb_p=
sv -w 10 restart "$rb_d/$2" || return; for rb_n in 1 2 3 4 5; do read -r rb_x 2>/dev/null <"$rb_s/supervise/pid" || rb_x=; case $rb_x in ''|"$rb_p") sleep 1;; *) return 0;; esac; done
echo "$2 was told to restart, and did not" >&2; return 1;;
*) echo "cannot $1 a service on a disk that is not running" >&2; return 1;;
esac; }
"#,
        ),
    ],
    live_functions: &[(
        "rb_boot_runit",
        r#"rb_boot_runit() { rb_f=/etc/runit/core-services; if [ -d $rb_f ]; then rb_f=$rb_f/98-runbook-guard.sh; else rb_f=/etc/rcS.d; [ -d $rb_f ] || return; rb_f=$rb_f/S98runbook-guard; fi
echo "rm -f $rb_f" >"$G/unboot"; printf '%s\n' '#!/bin/sh' "/bin/sh $G/switch boot" >$rb_f && chmod 755 $rb_f; }
"#,
    )],
    disk_functions: &[],
};
