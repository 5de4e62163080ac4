# What the next start of sshd would do: its program, its command line, what `sshd -T` says (sshd(8): extended test mode),
# and what it needs beside its configuration. Prints lines `WORD VALUE`, and between `-- T` and `-- end` sshd's own dump;
# its errors are on standard error. The status is 0 if sshd takes its configuration, whatever else may be missing.
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin
set -f
s=$(command -v sshd) E=/etc/systemd/system
# systemd.unit(5), UNIT FILE LOAD PATH; a drop-in's ExecStart= comes after an empty one, and the last one counts.
# Another init reads none of the units that packages bring all the same.
u='' n='' i=$(readlink -f /sbin/init); [ -e "$i" ] || i=''
case $i in ''|*/systemd) for d in $E /run/systemd/system /usr/local/lib/systemd/system /usr/lib/systemd/system /lib/systemd/system; do
  for n in ssh sshd; do if [ -f $d/$n.service ]; then u=$d/$n.service; break 2; fi; done
done;; esac
set +f; set -- "$u"
for d in /lib /run /etc; do set -- "$@" $d/systemd/system/ssh.service.d/*.conf $d/systemd/system/sshd.service.d/*.conf; done; set -f
# The words of sshd's command line: $a; where it cannot be told (a line that goes on, a wrapper around sshd, quotes within
# quotes) none is known, and that is said.
a='' unclear=''
plain() { case $1 in *\\*|*[\"\'\`]*) unclear=1; return 1;; esac; }
# value FILE:N:…NAME=VALUE: without the quotes around it.
value() { v=${x#*"$1="}; v=${v%%[[:space:]]}; case $v in \"*\"|\'*\') v=${v#?}; v=${v%?};; *\"|*\') case $x in *Environment=[\"\']*) v=${v%?};; esac;; esac; }
# known NAME: the last line that gives it a value: Environment= of the unit, then its files (systemd.exec(5)).
known() {
  m=$1; shift; case $m in ''|*[!A-Za-z0-9_]*) unclear=1; return;; esac
  x=$(grep -nHsE "^Environment=[\"']?$m=" "$@" /dev/null | tail -n 1)
  for f in $e; do y=$(grep -nHsE "^[[:space:]]*(export )?$m=" "${f#-}" /dev/null | tail -n 1); [ -z "$y" ] || x=$y; done
  value "$m"; case $v in *[!\ ]*) echo "options $x"; plain "$v" && a="$a $v";; esac
}
if [ -n "$u" ]; then
  e=$(cat "$@" 2>/dev/null | sed -n 's/^EnvironmentFile=//p' | while read -r f; do case $f in '') echo -;; *) echo "$f";; esac; done | awk '/^-$/ { n = 0; next } { l[n++] = $0 } END { for (i = 0; i < n; i++) print l[i] }')
  x=$(grep -nHs '^ExecStart=.' "$@" /dev/null | tail -n 1); w=${x#*ExecStart=}; p=${w%%[[:space:]]*}
  while :; do case $p in [-@:+!]*) p=${p#?};; *) break;; esac; done
  case $p in
  */sshd)
    if [ -e "$p" ] || [ -z "$s" ]; then s=$p; else case $x in *.service.d/*) echo "absent $x";; *) s=$p;; esac; fi
    if plain "$w"; then
      l=$x c=''
      for w in ${w#"${w%%[[:space:]]*}"}; do case $w in
      -D|-e) ;;
      \$*) n=${w#?}; n=${n#\{}; known "${n%\}}" "$@";;
      *) a="$a $w" c=1;; esac; done
      [ -z "$c" ] || echo "exec $l"
    fi;;
  *) unclear=1;;
  esac
  # What a unit makes before it starts is no fault while it does not run; an empty unit file is none that can be read.
  case $([ -s "$u" ] || echo sshd; grep -hs '^RuntimeDirectory=' "$@" | tail -n 1) in *sshd*) echo runtime;; esac
  x=$(grep -nHs '^RuntimeDirectoryMode=' "$@" /dev/null | tail -n 1); [ -z "$x" ] || echo "mode $x"
else
  ! grep -qs /run/sshd /etc/init.d/ssh /etc/init.d/sshd /etc/sv/ssh/run /etc/sv/sshd/run || echo runtime
  e='/etc/default/ssh /etc/sysconfig/sshd /etc/conf.d/sshd'
  for n in SSHD_OPTS OPTIONS command_args; do known $n; done
fi
[ -z "$unclear" ] || { echo unclear; a=''; }
for f in /usr/lib/systemd/system-generators/sshd-socket-generator /lib/systemd/system-generators/sshd-socket-generator; do
  if [ -x $f ]; then echo generator; break; fi
done
byhand=''
# What a person wrote for the socket unit comes after what the generator wrote.
set +f; for f in "$E"/ssh.socket.d/*.conf "$E"/sshd.socket.d/*.conf "$E"/ssh.socket; do
  if [ -f $f ] && grep -q '^ListenStream=.' $f; then echo byhand; byhand=1; break; fi
done; set -f
[ -e /etc/ssh/sshd_config ] || echo noconfig
for f in /usr/share/openssh/sshd_config /usr/share/doc/openssh-server/sshd_config /usr/etc/ssh/sshd_config /etc/ssh/sshd_config.ucf-dist /etc/ssh/sshd_config.rpmnew; do
  if [ -f $f ]; then echo "template $f"; break; fi
done
grep -qs '^sshd:' /etc/passwd || id sshd >/dev/null 2>&1 || echo nouser
if [ -d /run/sshd ]; then echo directory; elif [ -e /run/sshd ] || [ -L /run/sshd ]; then echo inway; fi
# sshd writes its pid when it has read its files: at its start, and when SIGHUP makes it read them anew. Within one second
# it cannot be told which came first. (A file's ctime: one that was moved there is as old as it was. A directory's mtime: one
# that is gone.)
y=1; if read -r n 2>/dev/null </run/sshd.pid && [ -e "/proc/$n" ]; then
  n=$(stat -c %Z /run/sshd.pid 2>/dev/null)
  x=$({ stat -c %Y /etc/ssh/sshd_config.d; find /etc/ssh /etc/default/ssh /etc/sysconfig/sshd $E/ssh.service $E/ssh.service.d $E/sshd.service.d -type f \( -name sshd_config -o -name '*_key' -o -path '*/sshd_config.d/*.conf' -o -path '/etc/[ds][!s]*' \) -exec stat -c %Z {} +; } 2>/dev/null | sort -n | tail -n 1)
  if [ -n "$n" ]; then
    [ "${x:-0}" -ge "$n" ] || y=''
    [ "${x:-0}" -le "$n" ] || echo edited
  fi
fi
[ -z "$y" ] || echo stale
if [ -z "$s" ]; then echo 'there is no sshd on this host' >&2; exit 127; fi
echo "program $s"
[ -s "$s" ] || { echo "$s: it is empty, or not there" >&2; exit 126; }
[ -x "$s" ] || { echo notexecutable; echo "$s: it may not be executed" >&2; exit 126; }
# An empty or cut file would be taken for a script.
case $(dd if="$s" bs=4 count=1 2>/dev/null) in *ELF|'#!'*) ;; *) echo "$s: it is not a program (damaged)" >&2; exit 126;; esac
"$s" -V 2>&1 </dev/null | sed -n 's/^.*OpenSSH_\([0-9.]*\).*/version \1/p'
# Its parts (OpenSSH 9.8 and later), at the paths that it was built with.
x=$(grep -ao '/[a-z0-9/]*/sshd-[a-z]*' "$s" | sort -u | while read -r f; do [ -x "$f" ] || { echo "$f"; break; }; done)
[ -z "$x" ] || { echo "$x is missing, a part of sshd" >&2; exit 126; }
grep -qF libwrap.so "$s" /usr/lib*/openssh/sshd-session 2>/dev/null && echo libwrap
# An address to listen on must be one of the host's own.
own='grep "^listenaddress" | grep -qvE " (0\.0\.0\.0|\[::\]|127\.|\[::1\])" && { echo "-- own"; ip -o addr || ifconfig -a; } 2>/dev/null'
t=$("$s" -T $a); r=$?
# A Match that asks for more than a connection's usual parts is no fault of the configuration.
if [ $r != 0 ]; then case $("$s" -T $a 2>&1 >/dev/null) in *'connection test specification'*)
  a="$a -C user=root,host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22"; t=$("$s" -T $a); r=$?;; esac; fi
# Somebody else who has one of its ports: sshd is not what a client waits for.
ss -ltnp 2>/dev/null | awk -v p=" $(printf '%s\n' "$t" | sed -n 's/^port //p' | tr '\n' ' ') " '{ a = $4; sub(/.*:/, "", a) } /users:/ && index(p, " " a " ") && !/\("(sshd[^"]*|systemd|x?inetd)",/ { print "foreign"; exit }'
echo '-- T'; printf '%s\n' "$t"; echo '-- end'; printf '%s\n' "$t" | eval "$own"
if [ -n "$byhand" ]; then echo '-- own'; ip -o addr || ifconfig -a; fi 2>/dev/null
[ $r = 0 ] && exit 0
[ $r = 126 ] || [ $r = 127 ] && exit $r
# Some of what it lacks hides the rest: once more with a user, a directory and a host key of our own, where nobody sees it.
k='umask 077; K=$1 s=$2 own=$3; shift 3
echo "-- T"; echo "-- again" >&2
if command -v ssh-keygen >/dev/null; then ssh-keygen -q -t ed25519 -N "" -f "$K/k" </dev/null; set -- -h "$K/k" "$@"; fi
"$s" -T "$@" >"$K/T"; r=$?
grep -v "^hostkey $K/k\$" "$K/T"; echo "-- end"
[ $r = 0 ] || exit $r
eval "$own" <"$K/T"; echo "-- keys"
h=$(sed -n "s/^hostkey //p" "$K/T" | grep -vxF "$K/k")
[ -n "$h" ] || h=$(printf "%s\n" rsa ecdsa ed25519 | sed "s,.*,/etc/ssh/ssh_host_&_key,")
printf "%s\n" "$h" | while IFS= read -r f; do
  if [ ! -e "$f" ]; then echo "key missing - - - $f"; continue; fi
  set -- $(ls -lLd "$f"); v=good
  if [ ! -f "$f" ]; then v=nofile
  elif [ ! -r "$f" ]; then v=unread
  elif [ ! -s "$f" ]; then v=empty
  elif cat "$f" >"$K/c" && ! ssh-keygen -y -P "" -f "$K/c" >/dev/null 2>&1 </dev/null; then
    # DOS line endings, or no newline at the end: the key itself is whole.
    { tr -d "\r" <"$f"; echo; } >"$K/c"; v=corrupt
    ssh-keygen -y -P "" -f "$K/c" >/dev/null 2>&1 </dev/null && v=endings
  fi
  echo "key $v $1 $3 $4 $f"
done; exit 0'
if unshare -m true 2>/dev/null; then
  exec unshare -m sh -c 'for K in /dev/shm /mnt /tmp; do [ -d $K ] && break; done
mount -t tmpfs -o mode=755 none $K || exit 1
if [ ! -d /run/sshd ] || [ -n "$(find /run/sshd -prune \( ! -user 0 -o -perm -020 -o -perm -002 \))" ]; then
  # Everything of /run stays where it is: keys and included files may be there.
  mkdir $K/run && mount --rbind /run $K/run && mount -t tmpfs -o mode=755 none /run || exit 1
  for e in $K/run/* $K/run/.[!.]*; do ln -s "$e" /run/ 2>/dev/null; done
  rm -f /run/sshd; mkdir -m 755 /run/sshd || exit 1
fi
grep -qs "^sshd:" /etc/passwd || { cat /etc/passwd >$K/p; echo "sshd:x:65534:65534::/run/sshd:/usr/sbin/nologin" >>$K/p; chmod 644 $K/p; mount --bind $K/p /etc/passwd; }
k=$1; shift; set -f; set -- "$K" "$@"; eval "$k"' sh "$k" "$s" "$own" $a
fi
d='' t=''
trap '[ -z "$t" ] || rm -rf "$t"; [ -z "$d" ] || rmdir "$d"' 0; trap 'exit 143' 1 2 15
for b in /dev/shm /run /tmp; do mkdir -m 700 $b/.rbk$$ 2>/dev/null && { t=$b/.rbk$$; break; }; done
[ -n "$t" ] || exit $r
[ -e /run/sshd ] || { mkdir -m 755 /run/sshd 2>/dev/null && d=/run/sshd; }
set -f; sh -fc "$k" sh "$t" "$s" "$own" $a; exit $?
