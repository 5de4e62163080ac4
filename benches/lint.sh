#!/usr/bin/env bash
# How long `runbook --version` and `runbook lint` of 1,000 steps take: medians of 50 runs of a release build, and their
# ratio to the floor, `true` started in the same way. Measured, never asserted; the goals are 5 ms and 50 ms.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
cargo build --release --locked --quiet
runbook=${CARGO_TARGET_DIR:-target}/release/runbook
book=$(mktemp --suffix=.yaml)
trap 'rm -f "$book"' EXIT

# Every step has a check, an expression, templates, a name of an earlier step and a handler.
{
  printf 'name: thousand\ntitle: a thousand steps\nvars:\n  port: {type: port, default: 22}\n'
  printf 'handlers:\n  - {id: restart, validate: {sshd: config}, service: {name: sshd, restarted: true}}\nsteps:\n'
  printf '  - {name: the first, id: s0, check: {sshd: config}}\n'
  for n in $(seq 999); do
    printf '  - name: step %s for port {{ port }}\n    id: s%s\n    needs: [s%s]\n    when: steps.s%s.ok and facts.init is defined\n' "$n" "$n" $((n - 1)) $((n - 1))
    printf '    check: {command: "grep -q %s /etc/services"}\n    condition: check.rc != 0 and check.lines | length == 0\n' "$n"
    printf '    remediation:\n      - edit: {path: /etc/services, line: "s%s {{ port }}/tcp"}\n    notify: [restart]\n' "$n"
  done
} > "$book"

# The median wall time in microseconds of 50 runs.
median() {
  local start end
  for _ in $(seq 50); do
    start=$EPOCHREALTIME
    "$@" > /dev/null
    end=$EPOCHREALTIME
    echo $((${end/./} - ${start/./}))
  done | sort -n | sed -n 25p
}

row() {
  printf '%-24s %7d.%03d ms  %5d.%d x true   goal %s\n' "$1" $(($2 / 1000)) $(($2 % 1000)) $(($2 / floor)) $(($2 * 10 / floor % 10)) "$3"
}

floor=$(median "$(type -P true)")
row true "$floor" -
row 'runbook --version' "$(median "$runbook" --version)" '5 ms'
row 'runbook lint, 1000 steps' "$(median "$runbook" lint "$book")" '50 ms'
