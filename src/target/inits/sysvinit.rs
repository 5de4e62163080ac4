//! SysV init.

use super::Init;

/// init(8), inittab(5), update-rc.d(8). A service is a script in /etc/init.d, and comes up at boot by a link `S…` for the
/// runlevel that inittab names. Some systems have chkconfig(8) in place of update-rc.d.
pub(super) const INIT: Init = Init {
    name: "sysvinit",
    title: "SysV init",
    live: "[ \"$rb_j\" = init ]",
    disk: "case $rb_i in */sbin/init) ;; *) false;; esac",
    units: "rb_each rb_unit_sysvinit",
    verb: "rb_verb_sysvinit \"$@\"",
    said: ":",
    at_boot: "rb_boot_sysvinit",
    functions: &[
        (
            "rb_unit_sysvinit",
            r#"rb_unit_sysvinit() { rb_real "/etc/init.d/$1"; rb_s=$R$REPLY; [ -f "$rb_s" ] || { echo LoadState=not-found; return; }
echo "FragmentPath=/etc/init.d/$1"; rb_forbidden "$1" "$rb_s"
rb_l=$(sed -n 's/^[^#:]*:\([0-9]\):initdefault:.*/\1/p' "$R/etc/inittab" 2>/dev/null); [ -n "$rb_l" ] || [ -n "$R" ] || rb_l=$(runlevel 2>/dev/null | sed -n 's/^.* \([0-9]\)$/\1/p')
rb_b=disabled; for rb_f in "$R/etc/rc$rb_l.d/S"[0-9][0-9]"$1" "$R/etc/rc.d/rc$rb_l.d/S"[0-9][0-9]"$1" "$R/etc/rcS.d/S"[0-9][0-9]"$1"; do if [ -L "$rb_f" ] || [ -e "$rb_f" ]; then rb_b=enabled; echo "Wanted=$rb_u"; fi; done
case $rb_b$rb_l in disabled) rb_b=unknown; echo 'Unknown=the runlevel that it boots into cannot be told';; esac
if [ -x "$rb_s" ]; then echo LoadState=loaded; else echo LoadState=masked; rb_b=masked; fi
echo "UnitFileState=$rb_b"; rb_lsb "$1"; }
"#,
        ),
        (
            "rb_verb_sysvinit",
            r#"rb_verb_sysvinit() { rb_real "/etc/init.d/$2"; rb_s=$R$REPLY; [ -f "$rb_s" ] || { echo "there is no /etc/init.d/$2" >&2; return 1; }
case $1 in
mask|unmask) rb_bits "$1" "$rb_s";;
enable|disable) rb_x=$(rb_in() { if [ -n "$R" ]; then chroot "$R" "$@"; else "$@"; fi; }
if rb_in sh -c 'command -v update-rc.d' >/dev/null; then { [ "$1" = disable ] || rb_in update-rc.d "$2" defaults; } && rb_in update-rc.d "$2" "$1"
elif rb_in sh -c 'command -v chkconfig' >/dev/null; then case $1 in enable) rb_in chkconfig --add "$2" && rb_in chkconfig "$2" on;; *) rb_in chkconfig "$2" off;; esac
else echo 'neither update-rc.d nor chkconfig is there'; exit 1; fi 2>&1) || { printf '%s\n' "$rb_x" >&2; return 1; };;
reset-failed|daemon-reload) ;;
*) [ -z "$R" ] || { echo "cannot $1 a service on a disk that is not running" >&2; return 1; }
rb_script "$2" "$1" && case $1 in start|restart) rb_came "$2" rb_unit_sysvinit;; esac;;
esac; }
"#,
        ),
    ],
    live_functions: &[(
        "rb_boot_sysvinit",
        r#"rb_boot_sysvinit() { rb_real /etc/inittab; rb_f=$REPLY; rb_x='^[^#:]*:[0-9]*:wait:/.*/rc [0-9]'; grep -q "$rb_x" "$rb_f" || return
echo "cp -p '$rb_f' '$rb_f.rb' && sed /^rbg:/d '$rb_f' >'$rb_f.rb' && mv -f '$rb_f.rb' '$rb_f'" >"$G/unboot"
cp -p "$rb_f" "$rb_f.rb" && while IFS= read -r rb_l; do if [ -n "$rb_x" ] && printf '%s\n' "$rb_l" | grep -q "$rb_x"; then echo "rbg:2345:wait:/bin/sh $G/switch boot"; rb_x=; fi; printf '%s\n' "$rb_l"; done <"$rb_f" >"$rb_f.rb" && mv -f "$rb_f.rb" "$rb_f"; }
"#,
    )],
    disk_functions: &[],
};
