#!/bin/sh
# What a console costs: a script as long as a plan's at a simulated 9600 baud, and a mebibyte there and back.
#
# usage: benches/console.sh
set -eu
cd "$(dirname "$0")/.."
cargo test -q --release --test it -- --nocapture --test-threads 1 a_plan_at_9600_baud a_mebibyte_there_and_back |
  grep -E 'baud|script|bytes|MiB'
