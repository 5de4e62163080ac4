//! OpenRC.

use super::Init;

/// rc-service(8), rc-update(8), openrc(8). A service is a script in /etc/init.d (its own, or one for SysV init, as most of
/// Debian's are: of those rc-status(8) knows nothing, so the script is asked), and comes up at boot by a link in
/// /etc/runlevels. One that crashed is "already started": `zap` makes OpenRC forget that. Where its start-stop-daemon(8) is
/// dpkg's (Debian), OpenRC knows no process and says "started" of one that died: then the pid file is looked at.
pub(super) const INIT: Init = Init {
    name: "openrc",
    title: "OpenRC",
    live: "[ -d /run/openrc ]",
    disk: r#"[ -d "$R/etc/runlevels/default" ] && case $rb_i in *systemd|*runit-init) false;; esac"#,
    units: "rb_each rb_unit_openrc",
    verb: "rb_verb_openrc \"$@\"",
    said: ":",
    at_boot: "rb_boot_openrc",
    functions: &[
        (
            "rb_unit_openrc",
            r#"rb_unit_openrc() { rb_real "/etc/init.d/$1"; rb_s=$R$REPLY; [ -f "$rb_s" ] || { echo LoadState=not-found; return; }
echo "FragmentPath=/etc/init.d/$1"; rb_forbidden "$1" "$rb_s"
rb_b=disabled; for rb_f in sysinit boot default; do rb_f=$R/etc/runlevels/$rb_f/$1; if [ -L "$rb_f" ] || [ -e "$rb_f" ]; then rb_b=enabled; echo "Wanted=$rb_u"; fi; done
if [ -x "$rb_s" ]; then echo LoadState=loaded; else echo LoadState=masked; rb_b=masked; fi
echo "UnitFileState=$rb_b"; rb_x=$(rb_lsb "$1")
rb_f=; [ -e "/run/openrc/daemons/$1" ] || read -r rb_f 2>/dev/null <"/run/openrc/options/$1/pidfile"
case $rb_f:$rb_x in /*:ActiveState=active*) rb_n=; read -r rb_n 2>/dev/null <"$rb_f"; [ -d "/proc/${rb_n:-none}" ] || { echo ActiveState=failed; echo Result=gone; return; };; esac
printf '%s\n' "$rb_x"; }
"#,
        ),
        (
            "rb_verb_openrc",
            r#"rb_verb_openrc() { rb_real "/etc/init.d/$2"; rb_s=$R$REPLY; [ -f "$rb_s" ] || { echo "there is no /etc/init.d/$2" >&2; return 1; }
case $R:$1 in
*:mask|*:unmask) rb_bits "$1" "$rb_s";;
:enable) rc-update -q add "$2" default;;
:disable) for rb_f in /etc/runlevels/*/"$2"; do if [ -L "$rb_f" ]; then rb_f=${rb_f%/*}; rc-update -q del "$2" "${rb_f##*/}" || return; fi; done;;
*:enable) ln -sf "/etc/init.d/$2" "$R/etc/runlevels/default/$2";;
*:disable) rm -f "$R"/etc/runlevels/*/"$2";;
*:daemon-reload) ;;
:reset-failed) ! sed -n 1p "$rb_s" | grep -qE 'openrc-run|runscript' || rc-service -q "$2" zap;;
:*) (cd /; exec env -i LANG=C TERM=dumb PATH="$PATH" rc-service "$2" "$1" </dev/null) && case $1 in start|restart) rb_came "$2" rb_unit_openrc;; esac;;
*) echo "cannot $1 a service on a disk that is not running" >&2; return 1;;
esac; }
"#,
        ),
    ],
    live_functions: &[(
        "rb_boot_openrc",
        r#"rb_boot_openrc() { rb_f=/etc/init.d/runbook-guard; rb_x=/etc/runlevels/boot/runbook-guard; echo "rm -f $rb_f $rb_x" >"$G/unboot"
printf '%s\n' '#!/sbin/openrc-run' 'depend() { after localmount mountall.sh; }' "start() { /bin/sh $G/switch boot; }" >$rb_f && chmod 755 $rb_f && ln -sf $rb_f $rb_x; }
"#,
    )],
    disk_functions: &[],
};
