//! busybox's init, as small systems have it (Buildroot).

use super::Init;

/// `busybox init --help`, and Buildroot's /etc/init.d/rcS: it starts /etc/init.d/S??NAME in order. Such scripts seldom know
/// `status`, so the process is looked for; and they are the only sign of what comes up at boot.
pub(super) const INIT: Init = Init {
    name: "busybox",
    title: "busybox's init",
    live: r#"case $rb_j:$rb_i in init:*busybox|busybox:*|linuxrc:*) ;; *) false;; esac"#,
    disk: r#"case $rb_i in *busybox) ;; *) false;; esac"#,
    units: "rb_each rb_unit_busybox",
    verb: "rb_verb_busybox \"$@\"",
    said: ":",
    at_boot: "rb_boot_busybox",
    functions: &[
        (
            // A pid file, or no process of that name at all: anything else may be another's.
            "rb_process",
            r#"rb_process() { rb_p=$1; [ "$1" != ssh ] || rb_p=sshd
for rb_f in "/run/$rb_p.pid" "/var/run/$rb_p.pid"; do read -r rb_n <"$rb_f" && read -r rb_x <"/proc/$rb_n/comm" && [ "$rb_x" = "$rb_p" ] && { echo ActiveState=active; echo SubState=running; return; }; done 2>/dev/null
for rb_f in /proc/[0-9]*; do read -r rb_x <"$rb_f/comm" && [ "$rb_x" = "$rb_p" ] && { echo ActiveState=unknown; echo "Unknown=$rb_p runs as process ${rb_f#/proc/}, and no pid file says that it is the service"; return; }; done 2>/dev/null
echo ActiveState=inactive; echo SubState=dead; }
"#,
        ),
        (
            "rb_unit_busybox",
            r#"rb_unit_busybox() { rb_real /etc/init.d; for rb_s in "$R$REPLY"/S[0-9][0-9]"$1"; do break; done; [ -f "$rb_s" ] || { echo LoadState=not-found; return; }
echo "FragmentPath=${rb_s#"$R"}"; echo LoadState=loaded; echo UnitFileState=enabled; echo "Wanted=$rb_u"
if [ -n "$R" ]; then echo ActiveState=offline; else rb_process "$1"; fi; }
"#,
        ),
        (
            "rb_verb_busybox",
            r#"rb_verb_busybox() { for rb_s in /etc/init.d/S[0-9][0-9]"$2"; do break; done; [ -z "$R" ] && [ -f "$rb_s" ] || { echo "there is no script for $2" >&2; return 1; }
case $1 in start|stop|restart|reload) (cd /; exec env -i TERM=dumb PATH=/usr/sbin:/usr/bin:/sbin:/bin sh "$rb_s" "$1" </dev/null);; reset-failed|daemon-reload) ;; *) echo "cannot $1 a service of this init" >&2; return 1;; esac; }
"#,
        ),
    ],
    live_functions: &[(
        "rb_boot_busybox",
        r#"rb_boot_busybox() { rb_f=/etc/init.d/S00runbook-guard; [ -d /etc/init.d ] || return; echo "rm -f $rb_f" >"$G/unboot"
printf '%s\n' '#!/bin/sh' "[ \"\$1\" != start ] || /bin/sh $G/switch boot" >$rb_f && chmod 755 $rb_f; }
"#,
    )],
    disk_functions: &[],
};
