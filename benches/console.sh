#!/bin/sh
# What a console costs: the plan of a healthy host over its console at 9600 baud (needs the lab: root, tests/lab/setup), and a
# mebibyte there and back through noise. Measured, never asserted.
#
# usage: benches/console.sh
set -eu
cd "$(dirname "$0")/.."
RUNBOOK_LAB=1 cargo test -q --release --test it -- --nocapture --test-threads 1 a_plan_at_9600_baud a_mebibyte_there_and_back |
  grep -E 'baud|MiB'
