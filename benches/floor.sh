#!/usr/bin/env bash
# What a person pays who types the guide's commands: a shell on the host (COMMAND, over one connection), and one command
# after another, each typed when the one before has answered. Nothing is typed twice, and no time is spent on reading.
# Prints what came back with -v, else nothing.
#
#   benches/floor.sh tests/lab/lab sh web1
#   benches/floor.sh ssh -F config web1 sh
set -euo pipefail
verbose=
if [[ ${1:-} == -v ]]; then
  verbose=1
  shift
fi
(($#)) || { echo "usage: floor.sh [-v] COMMAND that gives a shell on its standard input" >&2; exit 2; }

# "How to fix ssh connection refused", step by step: the daemon, its configuration, the port, three firewalls, the address
# that it is bound to, TCP wrappers, the address family.
commands=(
  'systemctl status sshd'
  'sshd -t'
  'ss -tulpn'
  'ufw status'
  'iptables -L -n -v'
  'firewall-cmd --state'
  'grep ListenAddress /etc/ssh/sshd_config'
  'cat /etc/hosts.allow'
  'cat /etc/hosts.deny'
  'grep AddressFamily /etc/ssh/sshd_config'
)

coproc shell { "$@" 2>&1; }
to=${shell[1]} from=${shell[0]}
# shellcheck disable=SC2016 # The host's own PATH.
echo 'PATH=$PATH:/usr/sbin:/sbin PAGER=cat SYSTEMD_PAGER=; export PATH PAGER SYSTEMD_PAGER' >&"$to"
for command in "${commands[@]}"; do
  printf '%s </dev/null; printf "\\n%%s %%s\\n" "=done" "$?"\n' "$command" >&"$to"
  [[ -z $verbose ]] || echo "# $command"
  while IFS= read -r line <&"$from"; do
    [[ $line != '=done '* ]] || break
    [[ -z $verbose ]] || printf '%s\n' "$line"
  done
  [[ $line == '=done '* ]] || { echo "floor.sh: the shell ended at: $command" >&2; exit 1; }
done
exec {to}>&-
wait
