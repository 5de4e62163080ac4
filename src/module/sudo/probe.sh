# sudo's program, its files, what visudo says of them, and whether the user $u may use it. Lines `WORD VALUE`.
PATH=$PATH:/usr/sbin:/sbin:/usr/local/bin
s=$(command -v sudo)
if [ -z "$s" ]; then for s in /usr/bin/sudo /usr/local/bin/sudo ''; do [ ! -e "$s" ] || break; done; fi
if [ -n "$s" ]; then
  s=$(readlink -f "$s"); stat -c 'program %a|%u|%g|%n' "$s"
  awk -v p="$s" '{ m = $2; l = length(m); q = m == "/" ? "/" : m "/"; if (index(p, q) == 1 && l >= best) { best = l; o = $2 " " $4 } } END { print "on " o }' /proc/mounts
fi
for f in /etc/sudoers /etc/sudoers.d /etc/sudoers.d/*; do [ ! -e "$f" ] || stat -L -c 'file %F|%a|%u|%g|%n' "$f"; done
if command -v visudo >/dev/null; then echo visudo; c=$(visudo -c 2>&1 </dev/null) || echo "$c" | sed 's/^/check /'; fi
if [ -n "$u" ]; then
  id -Gn "$u" 2>/dev/null | sed 's/^/groups /'
  grep -hE '^[[:space:]]*%[^[:space:]]+[[:space:]]+ALL[[:space:]]*=[[:space:]]*(\([^)]*\))?[[:space:]]*([A-Z]+:[[:space:]]*)*ALL[[:space:]]*$' /etc/sudoers 2>/dev/null | sed 's/^[[:space:]]*%\([^[:space:]=]*\).*/grants \1/'
  t=''; ! command -v timeout >/dev/null || t='timeout 10'
  [ -z "$s" ] || $t sudo -n -l -U "$u" 2>&1 </dev/null | sed 's/^/may /'
fi
exit 0
