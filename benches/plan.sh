#!/usr/bin/env bash
# `runbook plan ssh-refused` of a healthy host against the floor (floor.sh: the guide's commands, typed), run in turns:
# A B A B …, 20 of each, over the host's plain shell and over ssh. Medians, the fastest and the slowest, and the ratio of
# the medians with that of the quartiles. Measured, never asserted; round trips and bytes are asserted by tests.
#
# Needs the lab (root): benches/plan.sh [HOST], a host that is up; without it, one is booted and ended.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
runs=${RUNS:-20}
lab=$PWD/tests/lab/lab
cargo build --release --locked --quiet
runbook=$PWD/${CARGO_TARGET_DIR:-target}/release/runbook
dir=$(mktemp -d)
host=${1:-b-plan-$$}
booted=
end() {
  rm -rf "$dir"
  [[ -z $booted ]] || "$lab" down "$host"
}
trap end EXIT
if (($# == 0)); then
  booted=1
  "$lab" up "$host" >/dev/null
fi
address=$("$lab" addr "$host")
export XDG_STATE_HOME=$dir/state

# The wall time of a command in microseconds; both sides are started in the controller's network, in the same way.
time_of() {
  local start end
  start=$EPOCHREALTIME
  "$lab" ctl "$@" >/dev/null 2>&1 || true
  end=$EPOCHREALTIME
  echo $((${end/./} - ${start/./}))
}
# Line number (of all * K / 4) of a sorted file.
at() { sed -n "$((($(wc -l <"$1") * $2 + 3) / 4 > 0 ? ($(wc -l <"$1") * $2 + 3) / 4 : 1))p" "$1"; }
ms() { printf '%d.%d' $(($1 / 1000)) $(($1 / 100 % 10)); }
ratio() { printf '%d.%02d' $(($1 / $2)) $(($1 * 100 / $2 % 100)); }

measure() {
  local name=$1 n
  shift
  local plan=("$runbook" plan runbooks/ssh-refused.yaml --via "exec:$*" --address "$address" -o json)
  "$lab" ctl "${plan[@]}" >"$dir/json" || true
  "$lab" ctl benches/floor.sh "$@" # both once, unmeasured
  rm -f "$dir/a" "$dir/b"
  for ((n = 0; n < runs; n++)); do
    time_of benches/floor.sh "$@" >>"$dir/a"
    time_of "${plan[@]}" >>"$dir/b"
  done
  local side
  for side in a b; do sort -n -o "$dir/$side" "$dir/$side"; done
  printf '%-5s floor   %8s ms  (%s to %s)\n' "$name" "$(ms "$(at "$dir/a" 2)")" "$(ms "$(head -n 1 "$dir/a")")" "$(ms "$(tail -n 1 "$dir/a")")"
  printf '%-5s runbook %8s ms  (%s to %s)  %s\n' "$name" "$(ms "$(at "$dir/b" 2)")" "$(ms "$(head -n 1 "$dir/b")")" "$(ms "$(tail -n 1 "$dir/b")")" \
    "$(tr -d ' \n' <"$dir/json" | sed -n 's/.*"round_trips":\([0-9]*\),"bytes_sent":\([0-9]*\),"bytes_received":\([0-9]*\).*/\1 round trip(s), \2 bytes sent, \3 received/p')"
  printf '%-5s ratio   %8s     (quartiles %s to %s)\n' "$name" "$(ratio "$(at "$dir/b" 2)" "$(at "$dir/a" 2)")" \
    "$(ratio "$(at "$dir/b" 1)" "$(at "$dir/a" 3)")" "$(ratio "$(at "$dir/b" 3)" "$(at "$dir/a" 1)")"
}

measure exec "$lab" sh "$host"
measure ssh ssh -F "$("$lab" ssh-config "$host")" "$host" sh
