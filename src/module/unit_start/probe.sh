# What systemd knows of the start of each unit of "$@": its files, what it needs, what waits. Sections begin with `-- WORD`.
set -f
show() { systemctl show --no-pager -p Id,LoadState,ActiveState,SubState,Result,Type,DropInPaths,Requires,Requisite,BindsTo,After,ExecStartPre,ExecStartPost,ExecCondition,RefuseManualStart,AssertResult,AssertTimestampMonotonic,InactiveEnterTimestampMonotonic,InactiveExitTimestampMonotonic,NeedDaemonReload,Accept -- "$@"; }
lines='^[[:space:]]*(\[|(Type|Accept|User|Group|DynamicUser|NotifyAccess|RuntimeMaxSec|Condition[A-Za-z]+|Requires|Requisite|BindsTo|After|Before|Wants|Exec[A-Za-z]+|EnvironmentFile|Assert[A-Za-z]+|RefuseManualStart|RequiresMountsFor)[[:space:]]*=)'
# Whether accounts may be in a directory of the network, which may be out of reach.
far() { grep -qsE "^$d:[^#]*(ldap|winbind|nis|hesiod|db)" /etc/nsswitch.conf || { grep -qsE "^$d:[^#]*sss" /etc/nsswitch.conf && { cat /etc/sssd/sssd.conf; ls /etc/sssd/conf.d; } 2>/dev/null | grep -q .; }; }
read -r x _ </proc/uptime; echo "uptime ${x%.*}"
for u; do
  echo "-- unit"; b=$(show "$u"); printf '%s\n' "$b"
  case $b in *Accept=yes*) t=$(systemctl show --no-pager -p LoadState --value -- "${u%.socket}@x.service") && echo "Template=$t";; esac
  echo "-- files"
  m=''; for d in /etc /run /usr/local/lib /usr/lib /lib; do
    f=$d/systemd/system/$u; [ -f "$f" ] || continue
    case $m in '') m=$f;; esac
    printf 'file %s %s\n' "$(wc -c <"$f")" "$f"
  done
  # The unit's own file, then its drop-ins in systemd's order.
  for f in $m $(printf '%s\n' "$b" | sed -n 's/^DropInPaths=//p'); do
    grep -nHE "$lines" "$f" /dev/null | while IFS= read -r l; do
      printf 'line %s\n' "$l"
      w=${l#*=}; w=${w#"${w%%[![:space:]]*}"}; w=${w%%[[:space:]]*}
      # What the line says is not so now: no such user, no such path, a path that is to be absent.
      case $l in
      *:Exec*|*:EnvironmentFile*) ;;
      *:User*=*|*:Group*=*)
        d=passwd; case $l in *:Group*) d=group;; esac
        case $w in ''|*[%\$]*) ;; *[!0-9]*) cut -d: -f1 /etc/$d 2>/dev/null | grep -qxF -e "$w" || getent $d "$w" >/dev/null 2>&1 || far || printf 'gone %s\n' "$l";; esac; continue;;
      *:ConditionPathExists[[:space:]=]*)
        case $w in '!/'*) [ ! -e "${w#?}" ] || printf 'gone %s\n' "$l";; /*) [ -e "$w" ] || printf 'gone %s\n' "$l";; esac; continue;;
      *) continue;;
      esac
      while :; do case $w in [-@:+!]*) w=${w#?};; *) break;; esac; done
      case $w in *[*?%\$\"\']*) ;; /*) [ -e "$w" ] || printf 'gone %s\n' "$l";; esac
    done
  done
  # What it requires, and what that requires where it does not run.
  n=$u k=' '
  for d in 1 2 3; do
    o=''; for x in $(systemctl show --no-pager -p Requires -p Requisite -p BindsTo --value -- $n); do
      case $k in *" $x "*) ;; *) k="$k$x " o="$o $x";; esac
    done
    [ -n "$o" ] || break
    b=$(systemctl show --no-pager -p Id,LoadState,ActiveState,Result -- $o)
    echo "-- needs"; printf '%s\n' "$b"
    n=$(printf '%s\n' "$b" | awk -F= '$1 == "Id" { i = $2 } $1 == "ActiveState" { a = $2 } $0 == "" { if (i != "" && a != "active") print i; i = a = "" } END { if (i != "" && a != "active") print i }')
    [ -n "$n" ] || break
    for x in $n; do echo "-- log $x"; journalctl -b -n 6 -o cat --no-pager -u "$x" 2>/dev/null; done
  done
  echo "-- log $u"; journalctl -b -n 12 -o cat --no-pager _PID=1 UNIT="$u" 2>/dev/null
done
# Units that are each to come after the other: systemd leaves one of them out (its own words at boot, and what it would say now).
echo "-- cycle"
t=''; ! command -v timeout >/dev/null || t='timeout 10'
c=$({ $t systemd-analyze --man=no verify "$@" 2>&1; echo; journalctl -q -b -o cat --no-pager _PID=1 2>/dev/null | head -n 4000; } | grep -E 'ordering cycle|Found dependency on')
case $c in ?*)
  printf '%s\n' "$c"; set +f
  for u in $(printf '%s\n' "$c" | sed -n 's|^.* on \([^/ ]*\)/.*|\1|p' | sort -u); do
    for f in /etc/systemd/system/"$u" /etc/systemd/system/"$u".d/*.conf /run/systemd/system/"$u".d/*.conf; do
      [ ! -f "$f" ] || grep -nHE '^[[:space:]]*(\[|(Before|After)[[:space:]]*=)' "$f" /dev/null | sed 's/^/line /'
    done
  done; set -f;;
esac
j=$(systemctl list-jobs --no-legend --no-pager --plain --full 2>/dev/null)
case $j in *[0-9]*) echo "-- jobs"; printf '%s\n' "$j"
  echo "-- after"; systemctl show --no-pager -p Id,After,ActiveEnterTimestampMonotonic,InactiveExitTimestampMonotonic -- "$@" $(printf '%s\n' "$j" | awk '{ print $2 }');;
esac
exit 0
