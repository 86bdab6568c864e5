#!/usr/bin/env bash
# Compares the files that are generated from the code with what the code generates now; --write replaces them.
# Usage: scripts/check-generated.sh [--write]
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --quiet --locked --workspace --bins
legwork="${CARGO_TARGET_DIR:-target}/debug/legwork"

fresh="$(mktemp -d)"
trap 'rm -rf "$fresh"' EXIT
"$legwork" openapi >"$fresh/openapi.json"
"$legwork" config schema >"$fresh/config.schema.json"
{
  sed '/^<!-- generated: capabilities -->$/q' docs/agents.md
  "$legwork" agents matrix --data-dir "$fresh/data"
  sed -n '/^<!-- end -->$/,$p' docs/agents.md
} >"$fresh/agents.md"
rm -rf "$fresh/data"

stale=0
for file in "$fresh"/*; do
  kept="docs/$(basename "$file")"
  if [ "${1:-}" = --write ]; then
    cp "$file" "$kept"
  elif ! diff --unified "$kept" "$file"; then
    echo "$kept is not what the code says: run make generate" >&2
    stale=1
  fi
done
exit "$stale"
