# What /etc/fstab names, whether it is there, what is mounted, and what failed. Lines `WORD VALUE`; N is a line of fstab.
# A disk's fstab ($R) is looked at from the system that has mounted it: there are its file systems' UUIDs and labels, but other
# names of devices, and another kernel. Of a name that is not here nothing is known: "unseen".
PATH=$PATH:/usr/sbin:/sbin
n=0 gone=missing
[ -z "$R" ] || [ -n "$(ls -A /dev/disk/by-uuid 2>/dev/null)" ] || [ -n "$(blkid 2>/dev/null)" ] || gone=unseen
# What hangs on the network may hang for ever: nothing is looked at there.
far=$(awk '$3 ~ /^(nfs|cifs|smb|fuse|9p|ceph|gluster|afs|lustre)/ { print $2 }' /proc/mounts)
away() { [ -z "$R" ] || return 1; for a in $far; do case $1 in "$a"|"$a"/*) return 0;; esac; done; return 1; }
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
    k=$(printf '%s' "${s%%=*}" | tr A-Z a-z); v=${s#*=}; x=$gone
    [ ! -e "/dev/disk/by-$k/$v" ] || x=there
    if [ $x != there ] && command -v blkid >/dev/null && [ -n "$(blkid -t "$s" -o device 2>/dev/null)" ]; then x=there; fi;;
  /dev/disk/by-*) x=$gone; [ ! -e "$s" ] || x=there;;
  /dev/*) x=missing; [ -z "$R" ] || x=unseen; [ ! -e "$s" ] || x=there;;
  //*) ;;
  /*) away "$s" || { x=missing; [ ! -e "$R$s" ] || x=there; };;
  esac
  [ -z "$x" ] || echo "$x $n"
  case $f in /*) away "$f" || [ -d "$R$f" ] || { if [ -e "$R$f" ]; then echo "nodir $n"; else echo "nopoint $n"; fi; };; esac
  # (A module of another name is found by its alias; two have none.)
  case $3 in auto|none|swap|ignore|iso9660|rpc_pipefs|*,*) ;; *)
    if grep -qw "$3" /proc/filesystems; then :
    elif [ -n "$R" ]; then
      # The disk's own modules and helpers tell.
      k=''; for m in "$R"/lib/modules/*/; do [ -d "$m" ] || continue; k=${k:-no}
        if find "$m" -name "$3.ko*" | grep -q . || grep -qs "/$3.ko" "$m/modules.builtin" || grep -qs "^alias fs-$3 " "$m/modules.alias"; then k=yes; break; fi; done
      for m in sbin usr/sbin usr/bin; do [ ! -e "$R/$m/mount.$3" ] || k=yes; done
      [ "$k" != no ] || echo "notype $n"
    elif ! command -v "mount.$3" >/dev/null && ! command -v "mount.${3%%.*}" >/dev/null; then
      d=/lib/modules/$(uname -r)
      # Where the modules are not (a container), it is not known what the kernel can do.
      if [ -d "$d" ] && ! { command -v modprobe >/dev/null && modprobe -nq "fs-$3" 2>/dev/null; } && ! find "$d" -name "$3.ko*" | grep -q . && ! grep -qs "/$3.ko" "$d/modules.builtin"; then echo "notype $n"; fi
    fi;;
  esac
done <"$R/etc/fstab"
[ -z "$R" ] || exit 0
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
