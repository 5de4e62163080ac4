# What /etc/fstab names, whether it is there, what is mounted, and what failed. Lines `WORD VALUE`; N is a line of fstab.
PATH=$PATH:/usr/sbin:/sbin
n=0
while IFS= read -r l || [ -n "$l" ]; do
  n=$((n + 1))
  set -f; set -- $l; set +f
  case $1 in ''|'#'*) continue;; esac
  [ $# -ge 3 ] || continue
  s=$(printf '%s' "$1" | sed 's/\\040/ /g'); f=$(printf '%s' "$2" | sed 's/\\040/ /g')
  s=${s%\"}; s=$(printf '%s' "$s" | sed 's/^\([A-Z]*=\)"/\1/')
  x=''
  case $s in
  UUID=*|LABEL=*|PARTUUID=*|PARTLABEL=*)
    k=$(printf '%s' "${s%%=*}" | tr A-Z a-z); v=${s#*=}; x=missing
    [ ! -e "/dev/disk/by-$k/$v" ] || x=there
    if [ $x = missing ] && command -v blkid >/dev/null && [ -n "$(blkid -t "$s" -o device 2>/dev/null)" ]; then x=there; fi;;
  /dev/*) x=missing; [ ! -e "$s" ] || x=there;;
  //*) ;;
  /*) x=missing; [ ! -e "$s" ] || x=there;;
  esac
  [ -z "$x" ] || echo "$x $n"
  case $f in /*) [ -d "$f" ] || { if [ -e "$f" ]; then echo "nodir $n"; else echo "nopoint $n"; fi; };; esac
  case $3 in auto|none|swap|ignore|*,*) ;; *)
    if ! grep -qw "$3" /proc/filesystems && ! command -v "mount.$3" >/dev/null && ! command -v "mount.${3%%.*}" >/dev/null; then
      d=/lib/modules/$(uname -r)
      # Where the modules are not (a container), it is not known what the kernel can do.
      if [ -d "$d" ] && ! find "$d" -name "$3.ko*" | grep -q . && ! grep -qs "/$3.ko" "$d/modules.builtin"; then echo "notype $n"; fi
    fi;;
  esac
done </etc/fstab
sed 's/^/mounted /' /proc/mounts
if [ -d /run/systemd/system ]; then
  for u in $(systemctl list-units --failed --plain --no-legend --no-pager --type=mount --type=swap 2>/dev/null | awk '{ print $1 }'); do
    w=$(systemctl show -p Where --value "$u" 2>/dev/null)
    echo "failed ${w:-none} $u"
    journalctl -q --no-pager -b -u "$u" -o cat 2>/dev/null | grep -iE '^mount:|wrong fs|bad option|special device|does not exist|unknown filesystem|superblock|failed to' | head -n 1 | sed 's/^/why /'
  done
  systemctl -q is-active emergency.target 2>/dev/null && echo emergency
fi
exit 0
