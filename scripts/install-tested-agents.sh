#!/usr/bin/env bash
# Prints the directory in which the agents beside Claude Code are installed for the tests, from npm, each in the version that its
# adapter was tried with. Needs the built binary.
set -euo pipefail
cd "$(dirname "$0")/.."

legwork="${CARGO_TARGET_DIR:-target}/debug/legwork"
home="$PWD/.cache/tested"

mkdir -p "$home"
for agent in codex gemini copilot opencode; do
  version="$("$legwork" agents list --data-dir "$home" | awk -v name="$agent" '$1 == name { print $NF }')"
  case "$version" in
    "$home"/*) ;;
    *) "$legwork" agents install "$agent" --data-dir "$home" >&2 ;;
  esac
done
echo "$home"
