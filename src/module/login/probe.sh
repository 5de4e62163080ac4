# Whatever decides whether the user $u may log in by $w (key, password), who comes from $c (empty: where the log has the user
# last). Without $u: whether each account of this host may that has a shell to log in with, and a key (a password). Lines
# `WORD VALUE`, of shadow(5) never a hash; `account NAME` begins what is about one of many.
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin
s=$(command -v sshd)
if [ -z "$s" ]; then echo nosshd; exit 0; fi
# sshd -V does not tell who built it; its programs have the whole version in them.
if grep -qsaE 'OpenSSH_[0-9.p]+ (Debian|Ubuntu)-' "$s" /usr/lib/openssh/sshd-session; then echo debian; fi
t=0; [ ! -r /proc/uptime ] || read -r t _ </proc/uptime; b=$(sed -n 's/^btime //p' /proc/stat 2>/dev/null)
# Where there is no /proc (a disk), by the clock.
if [ -n "$b" ]; then t=$((b + ${t%.*})); else t=$(date +%s); fi
echo "today $((t / 86400))"
# sshd's log tells why, and whence.
j=$(journalctl -q --no-pager -t sshd -t sshd-session -t sshd-auth -n 2000 -o short-iso 2>/dev/null) && o=$j || { o=; j=$(tail -n 2000 /var/log/auth.log /var/log/secure 2>/dev/null); }
# A file system of the network may never answer: whoever looks there waits for ever, and only what is waited for elsewhere can
# be left behind. One that did not answer is not waited for again.
T= far=$(awk '$3 ~ /^(nfs|cifs|smb|fuse|9p|ceph|gluster|afs|lustre|autofs)/ && $3 != "fusectl"' /proc/mounts 2>/dev/null) hung=
hangs() {
  [ -n "$far" ] || return 1
  for i in $hung; do case $1/ in "$i"/*) echo "hangs $1"; return 0;; esac; done
  stat -L "$1" >/dev/null 2>&1 & p=$!
  for i in 1 2 3; do
    sleep 0.1 2>/dev/null || sleep 1
    kill -0 $p 2>/dev/null || return 1
    sleep 1
  done
  kill -9 $p 2>/dev/null; echo "hangs $1"
  hung="$hung $(printf '%s\n' "$far" | awk -v p="$1/" 'index(p, $2 "/") == 1 && length($2) >= length(o) { o = $2 } END { print o }')"
}
# The file that a word of AuthorizedKeysFile means.
place() {
  case $1 in *%*) f=$(printf '%s\n' "$1" | awk -v h="$h" -v u="$u" -v n="$n" '{ o = ""; s = $0
    while (match(s, /%./)) { k = substr(s, RSTART + 1, 1); o = o substr(s, 1, RSTART - 1) (k == "h" ? h : k == "u" ? u : k == "U" ? n : k); s = substr(s, RSTART + 2) }
    print o s }');; *) f=$1;; esac
  case $f in /*) ;; *) f=$h/$f;; esac
}
account() {
  l=$(getent passwd "$u" 2>/dev/null || awk -F: -v u="$u" '$1 == u' /etc/passwd)
  [ -z "$l" ] || printf 'user %s\n' "$l"
  printf 'names %s\n' "$(id -Gn "$u" 2>/dev/null)"
  printf 'gids %s\n' "$(id -G "$u" 2>/dev/null)"
  awk -F: -v u="$u" '$1 == u { s = $2 == "" ? "empty" : $2 ~ /^!/ ? "locked" : $2 ~ /^[*x]/ ? "none" : "set"
    print "shadow " s ":" $3 ":" $5 ":" $7 ":" $8 }' /etc/shadow 2>/dev/null
  g=$(printf '%s\n' "$o" | awk -v u="$u" '{ y = /Authentication refused/ && index($0 "/", "/" u "/"); for (i = 2; i <= NF && !y; i++) { w = $i; gsub(/[^A-Za-z0-9._@+-]/, "", w); y = w == u } } y' | grep -vE 'Accepted|session (opened|closed)' | tail -n 30)
  a=$c
  if [ -z "$a" ]; then echo guessed; a=$(printf '%s\n' "$g" | sed -n 's/.* \([0-9a-fA-F]*[.:][0-9a-fA-F.:]*\) \(port\|not allowed\).*/\1/p' | tail -n 1); fi
  echo "from $a"
  printf '%s\n' "$g" | grep -E 'not allowed because|Authentication refused|access denied|has expired|expired password|locked|ROOT LOGIN REFUSED' | tail -n 1 | sed 's/^[^ ]* [^ ]* /said /'
  # Of the last try of this user from there (or, where that is not known, of this user): every line of that process that says why. A
  # login after it takes all of it back.
  printf '%s\n' "$j" | awk -v u="$u" -v c="$a" '
    match($0, /sshd[a-z-]*\[[0-9]+\]: /) {
      p = substr($0, RSTART, RLENGTH); sub(/.*\[/, "", p); sub(/\].*/, "", p); t = substr($0, RSTART + RLENGTH)
      if (t ~ /^Server listening|^Received signal/) next
      n = split(t, w, /[^A-Za-z0-9._@+:-]+/); is = 0; other = 0
      for (i = 1; i <= n; i++) { if (w[i] == u) is = 1; if (c != "" && w[i] == "from" && w[i + 1] != c && w[i + 1] ~ /[.:]/) other = 1 }
      if (other) { not[p] = 1; next }
      if (is && t ~ /^Accepted/) { last = ""; not[p] = 1; next }
      if (p in not || t ~ /:session\)/) next
      if (is || c != "" && index(t " ", " " c " ")) last = p
      if (t ~ /not allowed because|refused|REFUSED|denied|expired|locked|[Uu]nsafe|bad ownership|prohibited|[Nn]o such file|cannot open|unable to|faulty|revoked|Failed password|^fatal: |^error: |^PAM / &&
          t !~ /Connection (closed|reset)|[Dd]isconnect|session (opened|closed)|maximum authentication|kex_exchange|Timeout before|authentication failure|pam_unix.*check pass|Host key|hostkeys/) { k = ++m[p]; l[p, k] = t }
    }
    END { if (last != "" && !(last in not)) for (i = 1; i <= m[last] && i <= 20; i++) print "reason " l[last, i] }'
  a=${a:-127.0.0.1}
  t=$(sshd_t -C "user=$u,host=$a,addr=$a,laddr=127.0.0.1,lport=22" 2>&1); r=$?
  # Of many accounts nearly all are told the same.
  if [ "$r$t" = "$T" ]; then echo '-- same'; else echo "-- T $r"; printf '%s\n' "$t"; echo '-- end'; T=$r$t; fi
  h=$(printf '%s\n' "$l" | cut -d: -f6); n=$(printf '%s\n' "$l" | cut -d: -f3)
  if [ -n "$h" ] && ! hangs "$h"; then
    if [ ! -d "$h" ]; then
      f=/home/$u; [ "$u" != root ] || f=/root; [ ! -d "$f" ] || echo "usual $f"
      awk -v h="$h/" '$1 !~ /^#/ && $2 ~ /^\/./ && index(h, $2 "/") == 1 { print $2 }' /etc/fstab 2>/dev/null | while read -r f; do grep -qs " $f " /proc/mounts || echo "unmounted $f"; done
    fi
    echo "home $(readlink -f "$h" || printf '%s\n' "$h")"
    d=; set -f; set -- $(printf '%s\n' "$t" | sed -n 's/^authorizedkeysfile //p'); set +f
    for f in "$@" +.ssh/authorized_keys; do
      w=listed; case $f in none) continue;; +*) f=${f#+}; w=other;; esac
      place "$f"
      ! hangs "$f" || continue
      case $w$d in other*" $f "*) continue;; esac
      d="$d $f "
      echo "file $w $f"
      p=$(readlink -f "$f") && [ -e "$p" ] || { echo absent; p=$(readlink -f "${f%/*}") && [ -e "$p" ] || p=''; }
      q=$p; while [ -n "$q" ]; do stat -c 'part %F|%a|%u|%g|%U|%G|%n' "$q"; [ "$q" = / ] && break; q=${q%/*}; q=${q:-/}; done
      if [ -f "$p" ] && [ -e "$f" ]; then k=$(head -c 65536 "$p" | wc -c); echo "content $((k)) $p"; head -c 65536 "$p"; echo; fi
    done
  fi
  x=$(printf '%s\n' "$l" | cut -d: -f7); x=${x:-/bin/sh}
  stat -L -c 'shell %F|%a' "$x" 2>/dev/null || echo 'shell absent'
  if [ -f "$x" ]; then case $(dd if="$x" bs=4 count=1 2>/dev/null) in *ELF|'#!'*) ;; *) echo noprogram;; esac; fi
  if grep -qsxF -e "$x" /etc/shells; then echo valid; fi
}
# Debian's sshd lets the group write where nobody else is in it.
awk -F: '{ print "group " $3 ":" $1 ":" $4 }' /etc/group
awk -F: '{ print "primary " $4 ":" $1 }' /etc/passwd
[ ! -e /etc/securetty ] || grep -qx ssh /etc/securetty || echo securetty
for f in /bin/bash /usr/bin/bash /bin/sh; do if [ -x $f ]; then echo "spare $f"; break; fi; done
for f in /run/nologin /var/run/nologin /etc/nologin; do if [ -e $f ]; then echo "nologin $f $(head -n 1 $f)"; fi; done
if [ -d /run/systemd/system ]; then echo "system $(systemctl is-system-running 2>/dev/null)"; else echo 'system running'; fi
[ ! -e /run/systemd/shutdown/scheduled ] || echo shutdown
systemctl list-jobs --no-legend 2>/dev/null | awk '$4 == "running" { print "job " $2; exit }'
# The modules of PAM that sshd's service comes to.
pam() { sed 's/\[[^]]*\]/x/' "/etc/pam.d/$1" 2>/dev/null | while read -r w k m _; do case $w in @include) pam "$k";;
  account|-account|auth|-auth) case $k in include|substack) pam "$m";; *) echo "pam $w $m";; esac;; esac; done; }
pam sshd
grep -nHE '^[^#]*:.*:' /etc/security/access.conf /etc/security/access.d/*.conf 2>/dev/null | sed 's/^/access /'
grep -nHE '^[^#]*[[:space:]](maxlogins|nproc)[[:space:]]+0[[:space:]]*(#.*)?$' /etc/security/limits.conf /etc/security/limits.d/*.conf 2>/dev/null | sed 's/^/limit /'
cat /etc/ssh/ssh_host_*_key.pub 2>/dev/null | awk 'NF > 1 { print "hostkey " $1 " " $2 }'
if [ -n "$u" ]; then account; exit 0; fi
# Where keys may be, by any line of sshd's; each account's own is told by sshd.
set -f
k=$(set +f; cat /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf 2>/dev/null | awk -F '[ \t="]+' '{ sub(/^[ \t]+/, "") } tolower($1) == "authorizedkeysfile" { for (i = 2; i <= NF && $i !~ /^#/; i++) if ($i != "" && $i != "none") print $i }')
all=$(while IFS=: read -r u _ n _ _ h x; do
  case $u in ''|[+-]*|*[!A-Za-z0-9._@+-]*) continue;; esac
  case $x in */nologin|*/false|*/sync|*/halt|*/shutdown|*/true) continue;; esac
  if [ "$w" = password ]; then awk -F: -v u="$u" '$1 == u && $2 !~ /^([!*x]|$)/ { print u }' /etc/shadow; continue; fi
  case $h in /?*) if hangs "$h" >/dev/null; then echo "$u"; continue; fi;; *) continue;; esac
  for f in .ssh/authorized_keys .ssh/authorized_keys2 $k; do place "$f"; if [ -s "$f" ]; then echo "$u"; break; fi; done
done </etc/passwd)
z=0; for u in $all; do z=$((z + 1)); if [ $z -gt 100 ]; then echo "left $u"; else echo "account $u"; account; fi; done
exit 0
