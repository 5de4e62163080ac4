//! The `sh` text of the probe script; [`super::probe`] puts it together and names the sources.
//!
//! Names begin with `_`, which checks and preludes leave alone, and are short: a script may have
//! to travel over a serial line. All shells in use have one table for functions and another for
//! variables. What is left unquoted is made of digits, the nonce and the script's own names.

/// The fixed part of every script. Comments and indentation are not sent (see [`squeeze`]).
///
/// In the private directory `$_d`, for check I: `oI`, `eI` its output; `sI` its status and
/// duration, written by its own EXIT trap; `tI` it timed out; `gI` and it is gone, or given up.
pub(super) const LIBRARY: &str = r##"
    # _n REASON: no answer. Without /dev/null, as in a bare chroot, every redirection to it would
    # fail, or leave a file there.
    _N=@NONCE@
    _n() {
        echo "=$_N= - $1"
        exit 0
    }
    [ -c /dev/null ] || _n "no /dev/null"
    exec </dev/null
    PATH=${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin LC_ALL=C PAGER=cat SYSTEMD_PAGER=cat SYSTEMD_COLORS=0
    export PATH LC_ALL PAGER SYSTEMD_PAGER SYSTEMD_COLORS

    # _k SIGNAL CHECK...: signal all processes of these checks; _l is their pids. With /proc: what
    # descends from our own children of that number, parents first, and what carries the mark.
    # A zombie is gone; an old number that is no longer our child is somebody else.
    _k() {
        _s=$1 _q= _l=
        shift
        _c=$*
        for _x; do eval "_q=\"\$_q \$_p$_x \""; done
        if [ -r /proc/uptime ]; then
            set -- $(sed -n 's/^\([0-9]*\) (.*) [^Z] \([0-9]*\) .*/\1:\2/p' /proc/[0-9]*/stat 2>/dev/null)
            _y=-
            while [ "$_y" != "$_l" ]; do
                _y=$_l
                for _x; do
                    case "$_l " in
                    *" ${_x%:*} "*) ;;
                    *" ${_x#*:} "*) _l="$_l ${_x%:*}" ;;
                    *) case "$_q:$$" in *" ${_x%:*} "*":${_x#*:}") _l="$_l ${_x%:*}" ;; esac ;;
                    esac
                done
            done
            _q=" $_c "
            for _x in $(tail -n +1 /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | sed -n '/^==> .proc.[0-9]*.environ <==$/h
            /^RUNBOOK_PROBE=@NONCE@\./{
            G
            s/^.*\.\([0-9]*\)\n==> .proc.\([0-9]*\).*/\1:\2/p
            }'); do
                case $_q in *" ${_x%:*} "*) _l="$_l ${_x#*:}" ;; esac
            done
        else
            for _x in $_q; do kill -0 $_x 2>/dev/null && _l="$_l $_x"; done
        fi
        [ -z "$_l" ] || kill -$_s $_l 2>/dev/null
    }
    # _K CHECK...: until they are gone, or cannot be killed
    _K() {
        for _z in 1 2 3 4 5 6 7 8 9; do
            _k KILL "$@"
            [ "$_l" ] || break
        done
    }

    # The end, on every path: EXIT runs it, and a signal exits.
    _w= _o= _r= _d= _i=0
    # _q: the watchdog quits, and is gone. One TERM is not enough. To a child so young that it
    # still has our traps it is lost (dash) or runs them (bash): so none before it has said kI,
    # after which it looks for qI. And one that comes just before a wait leaves ksh93 waiting: so
    # again until it has said xI. For the same reasons its own sleep gets a -9.
    _q() {
        echo >$_d/q$_i
        for _z in 1 2 3 4 5 6 7 8 9; do
            _y=20000
            until [ -e $_d/x$_i ] || [ $_y = 0 ]; do
                [ ! -e $_d/k$_i ] || kill $_w
                _y=$((_y - 1))
            done
            [ ! -e $_d/x$_i ] || break
            sleep 1
        done
        [ -e $_d/x$_i ] || kill -9 $_w
        wait $_w
        _w=
    } 2>/dev/null
    trap 'trap "" HUP INT TERM PIPE USR1
        [ -z "$_w" ] || _q
        [ -z "$_o" ] || kill -9 $_o
        [ -z "$_r" ] || _K $_r
        [ -z "$_d" ] || rm -rf $_d' 0
    trap 'exit 1' HUP INT TERM PIPE
    trap _u=1 USR1

    # A place that can be written to.
    for _x in /dev/shm /run /tmp; do
        _d=$_x/.rb$_N-$$
        mkdir -m 700 $_d && echo 1 >$_d/y && [ -s $_d/y ] && break
        rm -rf $_d
        _d=
    done 2>/dev/null
    [ "$_d" ] || _n "/dev/shm, /run and /tmp cannot be written to or are full"

    # _c: the clock, in 1/100 s (1${...} because 08 is no number)
    _c() {
        _x=0.00
        read -r _x _y 2>/dev/null </proc/uptime
        _c=$((${_x%.*} * 100 + 1${_x#*.} - 100))
    }

    # _p TEXT: a line. printf is a program to mksh and OpenBSD's sh, and would show it in ps; they have print.
    _p() { printf '%s\n' "$1"; }
    case $(command -v printf) in /*) ! command -v print || _p() { print -r -- "$1"; } ;; esac >/dev/null

    # In a check's subshell; _s 1: one that acts, and may write large files. The padding of sI makes
    # a full disk notice.
    _s() {
        exec >>$_d/o$_i 2>>$_d/e$_i
        trap "_e \$? $_i" 0
        [ "$1" ] || ulimit -f @LIMIT@
        export RUNBOOK_PROBE=$_N.$_i
    }
    _e() {
        set +eu
        unset IFS
        _c
        printf '%s %s\n%4096s' $1 $((_c - _b)) . >$_d/s$2
    }
    # _x TEXT: isolated; from a file, for an argument shows in ps. The trap keeps us until it has cleaned up after a TERM of its own.
    # Without /proc it takes our own place, for nothing else could find it to kill it.
    _x() {
        trap : TERM
        _p "$1" >$_d/x$_i || exit
        [ -r /proc/uptime ] || exec sh $_d/x$_i
        sh $_d/x$_i
    }
    # After the start of each.
    _a() {
        eval "_p$_i=$!"
        _r="$_r $_i"
        _i=$((_i + 1))
    }

    # _g 'SECONDS CHECK...'...: gather the batch. One watchdog for all: each group has its seconds
    # after the one before. The last loop is for processes that cannot be killed: our wait must
    # end though they do not, and a signal can come just before it. It also outlives us.
    _g() {
        (
            exec >/dev/null 2>&1
            _m=$!
            trap 'trap "" TERM
                [ $! = $_m ] || kill -9 $!
                echo >$_d/x$_i
                exit' TERM
            trap '' HUP INT PIPE
            echo >$_d/k$_i
            [ ! -e $_d/q$_i ] || {
                echo >$_d/x$_i
                exit
            }
            for _g; do
                set -- $_g
                sleep $1 &
                wait $!
                shift
                _j=
                for _x; do
                    [ -e $_d/s$_x ] || {
                        echo >$_d/t$_x
                        _j="$_j $_x"
                    }
                done
                [ "$_j" ] || continue
                _k TERM $_j
                for _z in 1 2 3 4 5 6 7 8 9; do
                    _k 0 $_j
                    [ "$_l" ] || break
                done
                [ -z "$_l" ] || {
                    sleep 1 &
                    wait $!
                    _K $_j
                }
                for _x in $_j; do echo >$_d/g$_x; done
                kill -USR1 $$
            done
            while kill -USR1 $$; do
                sleep 1 &
                wait $!
            done
            rm -rf $_d
        ) &
        _w=$!
        # 127 comes from a second wait, which an interrupted first one makes necessary. Its status
        # is for a check without sI: it was killed, or has a trap of its own.
        for _j in $_r; do
            eval "_q=\$_p$_j"
            _u=1 _m=127
            until [ $_u = 0 ] || [ -e $_d/g$_j ]; do
                _u=0
                wait $_q 2>/dev/null
                _z=$?
                [ $_z = 127 ] || _m=$_z
            done
            if [ ! -s $_d/s$_j ] || [ -e $_d/t$_j ]; then _c; fi
            eval "_w$_j='$_m $((_c - _b))'"
        done
        # Let the watchdog clear away what it began to.
        for _j in $_r; do
            until [ ! -e $_d/t$_j ] || [ -e $_d/g$_j ]; do
                wait $_w
                [ $? != 127 ] || break
            done
        done
        _q
        _r=
        _c
        _b=$_c
    }
    # The checks of a batch count from its start: reading the clock is not free.
    _c
    _b=$_c

    # The frame. What is sent is a copy, since a process that outlived its check may still write.
    # The header's lines in _h come from a newline within quotes.
    _f() {
        cd $_d || exit
        _n=$_i _i=0 _l= _h=
        while [ $_i -lt $_n ]; do
            [ ! -e n$_i ] || [ -e v$_i ] || cp n$_i e$_i
            for _x in o$_i e$_i; do [ ! -s $_x ] || _l="$_l $_x"; done
            _i=$((_i + 1))
        done
        [ -z "$_l" ] || {
            mkdir f && cp $_l f && cd f
            set -- $(wc -c $_l)
            while [ $# -gt 1 ]; do
                _x=$1
                [ $_x -le @CAP@ ] || {
                    dd if=/dev/null of=$2 bs=@CAP@ seek=1
                    _x=@CAP@+
                }
                eval "_$2=$_x"
                shift 2
            done
        }
        echo 1 >$_d/z
        _i=0
        while [ $_i -lt $_n ]; do
            _x= _y=
            [ ! -e $_d/s$_i ] || read -r _x _y <$_d/s$_i
            eval "_z=\$_w$_i"
            if [ -e $_d/t$_i ]; then _x="T ${_z#* }"
            elif [ -e $_d/n$_i ] && [ ! -e $_d/v$_i ]; then _x="V ${_z#* }"
            elif [ "$_x" ]; then _x="$_x $_y"
            elif [ ! -e $_d/s$_i ] && [ -s $_d/z ] && [ -e $_d/e$_i ]; then _x=$_z
            else _x="F ${_z#* }"
            fi
            eval "_h=\"\$_h
            $_x \${_o$_i:-0} \${_e$_i:-0}\""
            _i=$((_i + 1))
        done
        echo "=$_N= $_n$_h"
        [ -z "$_l" ] || {
            cat $_l &
            _o=$!
            wait $_o || exit
            _o=
        }
        cd /
        rm -rf $_d
        _d=
        echo "=$_N=."
    }
"##;

/// Sent with overlays only. A check's subshell goes on in a new mount namespace, with [`DRIVER`].
///
/// `nI` takes what is said until `vI` exists: then the overlay lies and the check itself begins.
pub(super) const OVERLAYS: &str = r##"
    # _o OVERLAY ISOLATE TEXT
    _o() {
        trap : TERM
        _p "$3" >$_d/x$_i || exit
        unshare -m sh -c "$_V" sh $_d $_i "$1" "$2" 3>&2 2>$_d/n$_i
    }
"##;

/// `sh -c` in the namespace: directory, check, overlay, isolate; the text is in `xI`. No single quotes in it.
///
/// Whatever fails before `vI` is there is an `exit`, so neither `_W` (the candidates) nor the
/// check ever runs on the real tree. That a mount took is not believed: a file that was put into
/// the upper layer must show in the merged directory.
pub(super) const DRIVER: &str = r##"
    _d=$1 _i=$2 _m=$1/m$2 _S=${1##*/} _j=0 _L= _M= _l="
"
    _R=$_l _T=
    _f() {
        echo "$*" >&2
        exit 1
    }
    _p=$(pwd -P)
    # Functions: the prelude, _D (the directories), _W (the candidates). _L: the file is whole.
    . $_d/p
    . $_d/w$3
    [ "$_L" = 1 ] || _f "no room for the candidates"
    [ -r /proc/self/mountinfo ] || _f "no /proc"
    mount -n --make-rprivate / || exit 1
    # The layers are on a tmpfs that dies with the namespace, whatever _d is on.
    mkdir -m 700 $_m && mount -n -t tmpfs -o mode=700 tmpfs $_m || exit 1
    # _M: a line "OPTIONS PATH" for every mount. A shared one would show to the host.
    while read -r _x _x _x _x _x _y _z; do
        case $_z in shared:*) _f "$_x is shared with the host" ;; esac
        case $_x in *\\*) _x=$(printf %b "$_x") ;; esac
        _M="$_M$_y $_x$_l"
    done </proc/self/mountinfo
    # (bash does not match /x with "${_y%/}"/* where that is empty; it does with "$_y"/*.)
    # _B DIRECTORY: keeps the real one reachable under what will cover it, with what is mounted inside of it,
    # and makes an upper layer whose root looks like it, since the merged directory shows that.
    _B() {
        cd "$1" && _x=$(pwd -P) || return 1
        case $_R in *"$_l$_x$_l"*) return 0 ;; esac
        _y=${_x%/}
        case $_d/ in "$_y"/*) _f "$_x holds the directory of the probe itself" ;; esac
        mkdir $_m/$_j $_m/$_j/l $_m/$_j/u $_m/$_j/w &&
            mount -n --rbind "$_x" $_m/$_j/l &&
            _y=$(stat -c "%u:%g %a" .) &&
            chown ${_y% *} $_m/$_j/u &&
            chmod ${_y#* } $_m/$_j/u &&
            echo >$_m/$_j/u/$_S.$_j || return 1
        eval "_r$_j=\$_x"
        _j=$((_j + 1)) _R="$_R$_x$_l"
    }
    # _P PATH: _x is its name without links in its directory.
    _P() {
        _x=$(cd "${1%/*}/" 2>/dev/null && pwd -P) || _x=
        _x=${_x%/}/${1##*/}
    }
    # _C PATH: a candidate that is a directory. One that is a mount has an overlay of its own.
    _C() {
        _P "$1"
        case $_M in *" $_x$_l"*) [ ! -d "$_x" ] || _B "$_x" ;; esac
    }
    # _A PATH: any other candidate. Nothing that is mounted at it or below it may be in the way of what is written.
    _A() {
        _P "$1"
        _T="$_T$_x$_l"
    }
    _D || exit 1
    # _I N: what is mounted inside of the covered directory shows there again, and cannot be written to. What we
    # may not see (a user's FUSE) stays away, as it does for us everywhere.
    _I() {
        _z=$_M
        eval "_y=\${_r$1%/}"
        while [ "$_z" ]; do
            _q=${_z%%"$_l"*} _z=${_z#*"$_l"}
            _o=${_q%% *} _q=${_q#* }
            case $_q in "$_y"/*) ;; *) continue ;; esac
            case $_R in *"$_l$_q$_l"*) continue ;; esac
            _k=$_m/$1/l${_q#"$_y"}
            [ -e "$_k" ] && [ -e "$_q" ] || continue
            _u=$_T
            while [ "$_u" ]; do
                _t=${_u%%"$_l"*} _u=${_u#*"$_l"}
                case $_q in
                "$_t")
                    [ ! -f "$_k" ] || cp -p "$_k" "$_q" || exit 1
                    continue 2
                    ;;
                "$_t"/*) continue 2 ;;
                esac
            done
            mount -n --rbind "$_k" "$_q" || _f "what is mounted at $_q cannot be shown to the check"
            mount -n -o "remount,bind,$_o,ro" "$_q"
        done
    }
    _n=0
    while [ $_n -lt $_j ]; do
        eval "_x=\$_r$_n"
        _y=$_m/$_n
        mount -n -t overlay -o lowerdir=$_y/l,upperdir=$_y/u,workdir=$_y/w overlay "$_x" || exit 1
        _I $_n
        _n=$((_n + 1))
    done
    while [ $_n -gt 0 ]; do
        _n=$((_n - 1))
        eval "_x=\$_r$_n"
        [ -e "$_x/$_S.$_n" ] || _f "the overlay does not show in $_x"
        rm "$_x/$_S.$_n" || exit 1
    done
    # The old working directory may lie under an overlay now: go there by its name. By way of /,
    # since ksh93 does not move to where it believes to be.
    cd / || exit 1
    cd "$_p"
    _W >&2 || _f "the candidate files could not be written"
    echo >$_d/v$_i
    [ -e $_d/v$_i ] || exit 1
    exec 2>&3 3>&-
    [ -z "$4" ] || exec sh $_d/x$_i
    set --
    . $_d/x$_i
"##;

/// `template` without comment lines, indentation and empty lines.
pub fn squeeze(template: &str) -> String {
    let lines = template.lines().map(str::trim_start);
    let kept = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    kept.flat_map(|line| [line, "\n"]).collect()
}
