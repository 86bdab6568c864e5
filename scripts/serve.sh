#!/usr/bin/env bash
# Builds and serves with the data in legwork-data/.
# Usage: scripts/serve.sh [ARGUMENT OF legwork serve]...
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/build.sh >&2
LEGWORK_AGENTS__CLAUDE_CODE__PROGRAM="${LEGWORK_AGENTS__CLAUDE_CODE__PROGRAM:-$(scripts/install-agent.sh)}"
export LEGWORK_AGENTS__CLAUDE_CODE__PROGRAM
exec "${CARGO_TARGET_DIR:-target}/release/legwork" serve --data-dir legwork-data "$@"
