#!/usr/bin/env bash
# Measures Legwork beside a Node worker with an agent that answers at once, and prints the table.
# Usage: scripts/bench.sh [--write] [--seconds N] [--rounds N] [--seed N]...     (--help lists all)
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/packages.sh cc redis-server
kept="$PWD/.cache/bench"
release="${CARGO_TARGET_DIR:-target}/release"
mkdir -p "$kept"
cc -O2 -static -Wall -Wextra -o "$kept/instant-agent" bench/instant_agent.c
npm ci --prefix bench/peer --no-audit --no-fund --loglevel=error </dev/null >&2
claude="$(scripts/install-agent.sh --pinned)"
cargo build --release --locked --package legwork-server --package legwork-bench

exec "$release/legwork-bench" --legwork "$release/legwork" --agent "$kept/instant-agent" \
  --claude "$claude" --peer bench/peer/fastify_worker.mjs --readme bench/README.md --scratch "$kept" "$@"
