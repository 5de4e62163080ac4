# Who is banned, as each tool that bans tells it: lines `TOOL …`. Only what is installed is asked.
PATH=$PATH:/usr/sbin:/sbin:/usr/local/bin:/usr/local/sbin
date '+now %Y-%m-%d %H:%M:%S'
if command -v fail2ban-client >/dev/null; then
  if fail2ban-client ping >/dev/null 2>&1; then
    for j in $(fail2ban-client status 2>/dev/null | sed -n 's/.*Jail list:[[:space:]]*//p' | tr , ' '); do
      # Before 0.11 it does not know how long.
      { fail2ban-client get "$j" banip --with-time 2>/dev/null || fail2ban-client status "$j" 2>/dev/null | sed -n 's/.*Banned IP list:[[:space:]]*//p' | tr ' ' '\n'; } | sed "s/^/fail2ban $j /"
    done
  # The file of its socket outlives a killed one; what it is bound to does not.
  elif grep -q "/fail2ban\.sock$" /proc/net/unix; then echo 'silent fail2ban'; fi
fi
# Rules about the client that fail2ban made, in whatever it made them: one that does not run, or was killed, has left them.
[ -z "$(command -v fail2ban-client)" ] || fail2ban-client ping >/dev/null 2>&1 || echo 'dead fail2ban'
for i in iptables ip6tables; do
  p=$i-nft; command -v $p >/dev/null || p=$i
  # Not -S: it makes the tables of nf_tables that it does not find.
  for p in $p $i-legacy; do $p-save 2>/dev/null | grep -E '^-A (f2b|fail2ban)-' | grep -F -e "-s $c/32 " -e "-s $c/128 " -e "-s $c " | sed "s/^-A /stale $p /"; done
done
if command -v nft >/dev/null; then
  nft list tables 2>/dev/null | sed -n 's/^table \([a-z0-9]* f2b-[^ ]*\)$/\1/p' | while read -r t; do
    nft list table $t 2>/dev/null | sed -n 's/^[[:space:]]*set \([^ ]*\) {$/\1/p' | while read -r k; do nft get element $t "$k" "{ $c }" >/dev/null 2>&1 && echo "stale nft $t $k"; done
  done
fi
if command -v ipset >/dev/null; then ipset list -n 2>/dev/null | grep -E '^(f2b|fail2ban)-' | while read -r k; do ipset test "$k" "$c" >/dev/null 2>&1 && echo "stale ipset $k"; done; fi
if command -v cscli >/dev/null; then cscli decisions list --ip "$c" 2>/dev/null | sed 's/^/crowdsec /'; fi
if command -v csf >/dev/null; then csf -g "$c" 2>/dev/null | sed 's/^/csf /'; fi
if command -v nft >/dev/null; then for f in ip ip6; do nft list set $f sshguard attackers 2>/dev/null | tr '\n' ' ' | sed -n "s/.*elements = {\([^}]*\)}.*/sshguard $f \1/p"; done; fi
if [ -d /var/lib/denyhosts ]; then grep -nF "$c" /etc/hosts.deny 2>/dev/null | sed 's/^/denyhosts /'; fi
exit 0
