#!/usr/bin/env bash
# Prints the path of a cargo tool: the one on PATH, else one built into .cache/tools.
# Usage: scripts/tool.sh cargo-deny|cargo-nextest
set -euo pipefail
cd "$(dirname "$0")/.."

tool="$1"
PATH="$PATH:$PWD/.cache/tools/bin"
if command -v "$tool"; then
  exit 0
fi
echo "Building $tool into .cache/tools" >&2
# Unoptimised: it builds in a third of the time and runs for seconds.
CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR="$PWD/.cache/tools/target" \
  cargo install --quiet --locked --debug --root "$PWD/.cache/tools" "$tool" </dev/null >&2
rm -rf .cache/tools/target
command -v "$tool"
