#!/usr/bin/env bash
# Many targets in one run: wall time and peak memory (VmHWM of the runbook process alone) for 20 and for 200 local exec:
# targets, and the growth a target, of: `plan ssh-refused` (and as JSON); `apply ssh-refused` with nobody to ask, where all
# plans are held at once; `apply -y` of a runbook that edits one file on each. The floor is the
# same number of exec: commands that only end, 20 at a time. Medians of RUNS runs. Measured, never asserted.
#
# Each target is this machine's sh in a mount namespace with a /srv, /run and /var/lib of its own. Needs root, or a user
# who may have namespaces: benches/fleet.sh [COUNT...]
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
runs=${RUNS:-3}
forks=${FORKS:-20}
cargo build --release --locked --quiet
runbook=$PWD/${CARGO_TARGET_DIR:-target}/release/runbook
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_STATE_HOME=$dir/state
unshare='unshare -m'
((EUID == 0)) || unshare='unshare -Urm'

cat >"$dir/enter" <<END
#!/bin/sh
exec $unshare sh -c "mount --bind $dir/\$1/run /run && mount --bind $dir/\$1/lib /var/lib && mount --bind $dir/\$1/srv /srv && exec sh"
END
chmod +x "$dir/enter"
cat >"$dir/book.yaml" <<'END'
name: bench
title: a line is missing
steps:
  - name: the application knows its port
    ensure: {edit: {path: /srv/app.conf, line: port = 80}}
END

# Prints milliseconds and kB of a command; the kB are the highest that /proc ever said of it.
measure() {
  local start end pid peak=0 kb
  start=$EPOCHREALTIME
  "$@" >"$dir/out" 2>&1 &
  pid=$!
  # VmHWM only grows, so the last reading before the end is the peak, but for what came in the last 5 ms.
  while kb=$(sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$pid/status" 2>/dev/null) && [[ -n $kb ]]; do
    peak=$kb
    sleep 0.005
  done
  wait "$pid" || true
  end=$EPOCHREALTIME
  echo "$(((${end/./} - ${start/./}) / 1000)) $peak"
}
median() { sort -n | sed -n "$(((runs + 1) / 2))p"; }

fresh() {
  local n
  rm -rf "$dir"/h[0-9]* "$dir/state"
  for ((n = 1; n <= $1; n++)); do
    mkdir -p "$dir/h$n"/{run,lib,srv}
    echo '# app' >"$dir/h$n/srv/app.conf"
  done
}

# NAME COUNT COMMAND...: a line of medians; the kB are kept in $dir/NAME.COUNT.
row() {
  local name=$1 count=$2 n
  shift 2
  : >"$dir/all"
  for ((n = 0; n < runs; n++)); do
    fresh "$count"
    measure "$@" >>"$dir/all"
  done
  local ms kb
  ms=$(cut -d' ' -f1 "$dir/all" | median)
  kb=$(cut -d' ' -f2 "$dir/all" | median)
  echo "$kb" >"$dir/$name.$count"
  printf '%-6s %4d targets  %6d ms  %7d kB  %4d ms a target\n' "$name" "$count" "$ms" "$kb" "$((ms / count))"
}
floor() { seq -f 'h%g' 1 "$1" | xargs -P "$forks" -I{} sh -c "echo : | '$dir/enter' {}"; }

counts=("$@")
((${#counts[@]})) || counts=(20 200)
for count in "${counts[@]}"; do
  fresh "$count"
  start=$EPOCHREALTIME
  floor "$count"
  end=$EPOCHREALTIME
  printf '%-6s %4d targets  %6d ms\n' floor "$count" "$(((${end/./} - ${start/./}) / 1000))"
  targets=$(seq -s, -f 'h%g' 1 "$count")
  common=(-t "$targets" --via "exec:$dir/enter {target}" --forks "$forks")
  row plan "$count" "$runbook" plan ssh-refused -e port=22 "${common[@]}"
  row json "$count" "$runbook" plan ssh-refused -e port=22 -o json "${common[@]}"
  row held "$count" "$runbook" apply ssh-refused -e port=22 "${common[@]}"
  row apply "$count" "$runbook" apply "$dir/book.yaml" -y "${common[@]}"
done
if ((${#counts[@]} >= 2)); then
  a=${counts[0]} b=${counts[-1]}
  for name in plan json held apply; do
    small=$(<"$dir/$name.$a") large=$(<"$dir/$name.$b")
    printf '%-6s growth from %d to %d: %d kB, %d kB a target\n' "$name" "$a" "$b" "$((large - small))" "$(((large - small) / (b - a)))"
  done
fi
