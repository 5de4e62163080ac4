# The switch of one round, as switch.rs puts it together. Before this: R (empty), RUN, TOKEN, BORN (the boot in which it was
# armed), WHY; rb_born, rb_disk_and_commands, rb_units and rb_running from the round's plan. After this: nothing.
# Called without a word it waits; `now` does not; `early`, `late` (systemd) and `boot` (everything else) are a boot's.
#
# T is in memory, for the disk may be full or read-only by then. PART: `disk` alone (before anything is started), `act`
# alone (what takes a running system), or empty for both. W: `boot` if the host was started anew since.

# Whether P is as it was kept.
rb_was() {
    case $rb_k in
    absent) [ ! -e "$P" ] && [ ! -L "$P" ] ;;
    symbolic*) [ "$(readlink "$P")" = "$(sed -n 3p "$K.meta")" ] ;;
    *) [ -e "$P" ] && [ "$(stat -c '%a|%u|%g' "$P")" = "$rb_m|$rb_u|$rb_g" ] && case $rb_k in regular*) cmp -s "$P" "$K" ;; esac ;;
    esac
}
# rb_back_file NUMBER KIND DIGEST CKSUM: what was kept, if what the change made is still there.
rb_back_file() {
    K=$S/runs/$RUN/$1
    [ -d "${K%/*}" ] || {
        echo 'what was kept of it is gone'
        return 1
    }
    [ -f "$K.meta" ] || return 0
    {
        IFS= read -r P
        IFS='|' read -r rb_k rb_m rb_u rb_g
    } <"$K.meta"
    ! rb_was || return 0
    case $2 in
    absent) [ ! -e "$P" ] && [ ! -L "$P" ] ;;
    link) [ "$(readlink "$P")" = "$3" ] ;;
    directory) [ -d "$P" ] ;;
    other) [ -e "$P" ] && [ ! -f "$P" ] && [ ! -d "$P" ] ;;
    *) [ -f "$P" ] && rb_digest "$P" "$3" "$4" ;;
    esac || {
        printf 'somebody else has changed %s meanwhile\n' "$P" >&2
        return 1
    }
    L=$T
    rb_putback "$1"
    rb_was
}
# rb_sh TEXT: from a file, for an argument would show in ps.
rb_sh() { (umask 077 && rb_text "$1" >"$T/command") && sh "$T/command"; }
# rb_back_sh DIGEST UNDONE TEXT: a command's own undo.
rb_back_sh() { rb_sh "$3" && rb_flag "$1" "$2"; }

# rb_did NUMBER…: one of them was begun.
rb_did() {
    for rb_b; do if grep -qx "$rb_b" "$G/begun"; then return 0; fi; done
    return 1
}
# What cannot be written down was not well.
rb_tells() { printf '%s\n' "$1" >>"$T/report" || case $1 in ok*) ;; *) rb_lost=1 ;; esac }
# rb_stays NUMBER note|bad WHAT: nothing rolls it back.
rb_stays() {
    if [ "$PART" != act ] && rb_did "$1"; then rb_tells "$2 $3"; fi
}
# rb_lost_rule NUMBER TITLE: no undo removes that rule; see rb_roll.
rb_lost_rule() {
    if [ "$PART" != disk ] && rb_did "$1"; then rb_tells "bad rule: $2"; fi
}
# rb_end PID: that process and what descends from it.
rb_end() {
    rb_l=$1 rb_y=
    set -- $(sed -n 's/^\([0-9]*\) (.*) [^Z] \([0-9]*\) .*/\1:\2/p' /proc/[0-9]*/stat 2>/dev/null)
    while [ "$rb_y" != "$rb_l" ]; do
        rb_y=$rb_l
        for rb_x; do
            case " $rb_l " in
            *" ${rb_x%:*} "*) ;;
            *" ${rb_x#*:} "*) rb_l="$rb_l ${rb_x%:*}" ;;
            esac
        done
    done
    kill -9 $rb_l 2>/dev/null
}
rb_now() {
    read -r rb_n _ </proc/uptime
    rb_n=${rb_n%.*}
}
# rb_limited COMMAND…: in a shell of its own, for a minute at most: one that hangs keeps nothing else from being taken back.
rb_limited() {
    ("$@") </dev/null >"$T/said" 2>&1 8<&- 9<&- &
    rb_p=$!
    rb_now
    rb_d=$((rb_n + 60))
    while kill -0 $rb_p 2>/dev/null; do
        rb_now
        if [ "$rb_n" -ge $rb_d ]; then
            rb_end $rb_p
            echo 'it did not end within 60 s, and was ended' >>"$T/said"
            return 1
        fi
        sleep 0.1 2>/dev/null || sleep 1
    done
    wait $rb_p
}
# rb_step PART KEY TITLE COMMAND…: takes one thing back and notes how that went; with a number as its KEY only once, however
# often the switch is interrupted.
rb_step() {
    case $PART:$1 in disk:act | act:disk) return ;; esac
    rb_k=$2 rb_t=$3
    shift 3
    if grep -qsx -- "$rb_k" "$G/taken"; then return; fi
    if rb_limited "$@"; then
        [ "$rb_k" = - ] || { echo "$rb_k" >>"$G/taken"; sync; } 2>/dev/null
        rb_tells "ok $rb_t"
    else
        rb_tells "bad $rb_t: $(tail -n 1 "$T/said")"
    fi
}

rb_runs() {
    rb_x=$(rb_shown "$1")
    case $rb_x in
    *ActiveState=active* | *ActiveState=reloading*) return 0 ;;
    *ActiveState=activating*) case $rb_x in *auto-restart*) return 1 ;; esac ;;
    *) return 1 ;;
    esac
}
rb_runs_again() {
    rb_c=0
    until rb_runs "$1"; do
        [ $rb_c -lt 5 ] || {
            echo 'it does not'
            return 1
        }
        rb_c=$((rb_c + 1))
        sleep 1
    done
}
rb_verb_anew() {
    rb_verb reset-failed "$2" >/dev/null 2>&1
    rb_verb "$1" "$2"
}
# rb_ran UNIT: `runs` or `stopped`, as it was before the round.
rb_ran() {
    while read -r rb_x rb_y; do
        [ "$rb_y" != "$1" ] || {
            echo "$rb_x"
            return
        }
    done <"$G/units"
}
# rb_back_run UNIT VERB: what ran before is started anew, with the files that are there again; what did not is stopped. A
# boot starts what is enabled by itself.
rb_back_run() {
    case $W:$(rb_ran "$1") in
    boot:runs) ! [ -d /run/systemd/system ] || rb_step act - "start $1" systemctl --no-block start -- "$1" ;;
    boot:*)
        # It was enabled when this boot's jobs were made, and is not any more.
        ! [ -d /run/systemd/system ] || systemctl is-enabled -q -- "$1" || rb_step disk - "stop $1" systemctl --no-block stop -- "$1"
        ;;
    :runs)
        rb_step act - "$2 $1" rb_verb_anew "$2" "$1"
        rb_step act - "$1 runs again" rb_runs_again "$1"
        ;;
    *) if rb_runs "$1"; then rb_step act - "stop $1" rb_verb stop "$1"; fi ;;
    esac
}
# systemd(1) reads units once: what is back on disk by now is not what it knows.
rb_reread() { [ -z "$W" ] || ! [ -d /run/systemd/system ] || systemctl daemon-reload; }

# rb_marked SED: the report, changed.
rb_marked() { sed "$1" "$T/report" >"$T/report.new" && mv "$T/report.new" "$T/report"; }
# Takes everything back, or this PART of it, and says so where the next run looks.
rb_roll() {
    rb_why=
    read -r rb_why 2>/dev/null <"$G/why"
    # Room that was kept free for this.
    rm -f "$G/room"
    T=/run/runbook-guard.$TOKEN
    (umask 077 && mkdir -p "$T" && { [ -s "$T/report" ] || echo ok >"$T/report"; }) 2>/dev/null || T=$G
    rb_lost=
    # One at a time: a boot's and a run's may meet, and a second process the first.
    if ! (set -C && echo $$ >"$T/by") 2>/dev/null && rb_up "$T/by" && [ "$rb_p" != $$ ]; then exit 0; fi
    echo $$ >"$T/by"
    { echo $$ >"$G/up"; } 2>/dev/null
    rb_disk_and_commands
    if [ -z "$W" ] && [ -d "$G/rules" ] && grep -q '^bad rule: ' "$T/report" && rb_limited rb_rules_back; then
        rb_marked 's/^bad rule: \(.*\)/ok \1 (with its whole rule set)/'
    fi
    [ -z "$W" ] || rb_marked 's/^bad rule: /note not needed after a boot: /'
    rb_step disk - daemon-reload rb_reread
    rb_running
    if [ "$PART" = disk ]; then
        sync
        rm -f "$T/by"
        systemctl --no-block start runbook-guard-late.service
        exit 0
    fi
    rb_report
    rb_not_at_boot
    # What nobody asked for has nobody to give the lock back.
    if [ ! -e "$G/asked" ]; then
        rb_where
        read -r rb_h _ <"$L/holder" && [ "$rb_h" = "$RUN" ] && rb_clear
    fi 2>/dev/null
    rm -rf "$S/guard" "$T"
}
# Handlers that this round owed, how it went, and what the next run is to show: of the round that its own run has waited for
# that knows already.
rb_report() {
    rb_h=back
    if [ -n "$rb_lost" ] || grep -q '^bad' "$T/report"; then rb_h=failed; fi
    rb_why=${rb_why:-$WHY}
    [ -z "$W" ] || rb_why='the host was started anew before anybody had confirmed it'
    (
        umask 077
        if [ -f "$S/owed" ]; then
            { grep -v "^owed $RUN " "$S/owed"; [ ! -f "$G/owed" ] || grep "^owed $RUN " "$G/owed"; } >"$S/owed.new"
            mv -f "$S/owed.new" "$S/owed"
            [ -s "$S/owed" ] || rm -f "$S/owed"
        fi
        mkdir -p "$S/left" "$S/runs/$RUN"
        {
            printf '%s\n' "$rb_h $rb_why"
            grep -v '^ok' "$T/report"
        } >"$S/runs/$RUN/back"
        printf '{"record":"rolled back","how":"%s"}\n' "$rb_h" >>"$S/runs/$RUN/journal.jsonl"
        [ -e "$G/asked" ] || {
            case $rb_h in
            back) printf '%s\n' "run $RUN was taken back: $rb_why" ;;
            *) printf '%s\n' "run $RUN was to be taken back ($rb_why), and not all of it was:" ;;
            esac
            sed -n -e 's/^bad /  /p' -e 's/^note /  /p' "$T/report"
        } >"$S/left/$RUN"
    )
    sync
}

cd /
umask 022
# Only a KILL ends it, and systemd starts it again then.
trap '' HUP PIPE INT TERM
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
rb_state
G=$S/guard
rb_mine() { read -r r k _ 2>/dev/null <"$G/run" && [ "$r $k" = "$RUN $TOKEN" ]; }
rb_mine || exit 0
rb_kept() {
    rb_not_at_boot
    rm -rf "$S/guard"
    exit 0
}
W= PART=
[ "$(rb_born)" = "$BORN" ] || W=boot
case $1 in
early | late | boot | now)
    # Nothing of this boot's needs it to come: that it is called in the boot in which it was armed is somebody's mistake.
    [ "$1" = now ] || [ -n "$W" ] || {
        # Unless it was a soft reboot, which ends processes and is the same boot to everybody else.
        [ "$1" = late ] || rb_up "$G/up" || rb_detach
        exit 0
    }
    [ ! -e "$G/confirmed" ] || rb_kept
    mv "$G/armed" "$G/fired" 2>/dev/null || mv "$G/busy" "$G/fired" 2>/dev/null
    [ -e "$G/fired" ] || exit 0
    case $1 in early) PART=disk ;; late) PART=act ;; esac
    rb_roll
    exit 0
    ;;
esac
# Whatever is mounted over it, or over what it is in, hides nothing from who has it open.
exec 8<"$S" 9<"$G"
if [ -e "/proc/$$/fd/9/run" ]; then S=/proc/$$/fd/8 G=/proc/$$/fd/9; fi
if [ "$1" = second ]; then
    # The first is gone for good once systemd has not started it again for some seconds: its unit was stopped.
    # It keeps no shutdown waiting.
    trap - TERM
    gone=0
    while [ $gone -lt 3 ]; do
        sleep 1
        rb_mine || exit 0
        if rb_up "$G/up"; then gone=0; else gone=$((gone + 1)); fi
    done
    trap '' TERM
fi
# Once: whoever ends us, systemd starts us again.
[ -s "$G/units" ] || {
    rb_units | while read -r u; do if rb_runs "$u"; then printf '%s\n' "runs $u"; else printf '%s\n' "stopped $u"; fi; done >"$G/units.new"
    mv "$G/units.new" "$G/units"
}
echo $$ >"$G/up.new" && mv "$G/up.new" "$G/up"
rb_where
{ echo "$RUN $$" >"$L/guard"; } 2>/dev/null
twice=
until [ -e "$G/fired" ]; do
    sleep 1
    rb_mine || exit 0
    [ ! -e "$G/confirmed" ] || rb_kept
    read -r now _ </proc/uptime
    now=${now%.*} t=0
    read -r t <"$G/until"
    if [ "$now" -lt "$t" ]; then
        twice=
        continue
    fi
    ! mv "$G/armed" "$G/fired" 2>/dev/null || break
    # A change that could cut the way in, and of which nobody says any more that he waits for it.
    if [ -e "$G/watched" ] && mv "$G/busy" "$G/fired" 2>/dev/null; then
        p=
        read -r p <"$G/acting"
        [ -z "$p" ] || rb_end "$p"
        break
    fi
    # Any other change that takes longer is let finish. Its process may be gone a moment before the state says so.
    if read -r p <"$G/acting" && kill -0 "$p" 2>/dev/null && [ $((now - t)) -lt 900 ]; then
        twice=
        continue
    fi
    if [ -n "$twice" ] && { mv "$G/busy" "$G/fired" 2>/dev/null || [ -e "$G/armed" ] || [ -e "$G/busy" ]; }; then break; fi
    twice=1
done
rb_roll
: end
