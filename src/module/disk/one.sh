# One file system ($p is on it): how full it is, and if it is ($f percent), who holds the room. Sizes in kB.
PATH=$PATH:/usr/sbin:/sbin
b=$(df -Pk "$p" | tail -n 1) || exit 1
m=${b#*%}; m=/${m#*/}
echo "blocks $b"; i=$(df -Pi "$p" 2>/dev/null | tail -n 1); echo "inodes $i"
awk -v m="$m" '$2 == m { l = $3 " " $4 } END { print "mounted " l }' /proc/mounts
set -- $b; u=${5%\%}; s=$2; set -- $i; v=${5%\%}; case $v in ''|*[!0-9]*) v=0;; esac
[ "$u" -ge "$f" ] || [ "$v" -ge "$f" ] || exit 0
d=$(stat -c %d "$m")
# A name with the end of a line in it would be read as two lines.
nl=$(printf '\nx'); nl=${nl%x}
# A disk that is ill, or huge, is slow.
t=''; ! command -v timeout >/dev/null || t='timeout 8'
here() { [ -d "$1" ] && [ "$(stat -c %d "$1")" = "$d" ]; }
# What can be had again, or is of no use to a running system.
for k in 'apt /var/cache/apt/archives' 'journal /var/log/journal' 'cache /var/cache/dnf' 'cache /var/cache/yum' 'cache /var/cache/apk' 'cache /var/cache/pacman/pkg' 'cores /var/lib/systemd/coredump' 'cores /var/crash' 'tmp /tmp' 'tmp /var/tmp' 'log /var/log'; do
  if here "${k#* }"; then echo "place ${k%% *} $($t du -skx "${k#* }" 2>/dev/null | cut -f 1) ${k#* }"; fi
done
! command -v apt-get >/dev/null || echo apt-get
! command -v journalctl >/dev/null || echo journalctl
# What logrotate(8) made, and nobody writes to any more.
if here /var/log; then $t find /var/log -xdev -type f ! -path "*$nl*" \( -name '*.gz' -o -name '*.xz' -o -name '*.bz2' -o -name '*.zst' -o -name '*.[0-9]' -o -name '*.[0-9][0-9]' -o -name '*-20[0-9][0-9][0-9][0-9][0-9][0-9]' \) -mtime "+$o" -exec stat -c 'old %b %n' {} + 2>/dev/null | head -n 500; fi
# A file that was removed holds its room until the last program that has it open ends.
ls -l /proc/[0-9]*/fd 2>/dev/null | awk '/^\/proc\// { n = $0; sub(":$", "", n) } / \(deleted\)$/ && / -> \// { x = $0; sub(/ -> .*/, "", x); sub(/.* /, "", x); y = $0; sub(/.* -> /, "", y); print n "/" x " " y }' |
while read -r l y; do
  set -- $(stat -L -c '%d %b' "$l" 2>/dev/null); [ "$1" = "$d" ] && [ "$2" -gt 0 ] || continue
  n=${l#/proc/}; n=${n%%/*}; c=$(cat "/proc/$n/comm"); g=$(sed -n 's,^0::.*/\([^/]*\.service\).*,\1,p' "/proc/$n/cgroup" 2>/dev/null | tail -n 1)
  echo "open $n $2 ${g:--} $(printf %s "$c" | tr ' ' _) $y"
done
k=$((s / 100)); [ $k -le 102400 ] || k=102400
$t find "$m" -xdev -type f ! -path "*$nl*" -size "+${k}k" -exec stat -c 'big %b %U %n' {} + 2>/dev/null | sort -k 2 -rn | head -n 5
[ "$v" -lt "$f" ] || $t find "$m" -xdev ! -path "*$nl*" 2>/dev/null | awk '{ sub("/[^/]*$", ""); n[$0]++ } END { for (d in n) print "many " n[d] " " (d == "" ? "/" : d) }' | sort -k 2 -rn | head -n 3
exit 0
