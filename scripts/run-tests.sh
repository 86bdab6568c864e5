#!/usr/bin/env bash
# Builds and runs the tests with whatever databases and agents the environment names; `make test` provides them.
# Usage: scripts/run-tests.sh [ARGUMENT OF cargo nextest run]...
set -euo pipefail
cd "$(dirname "$0")/.."

profile=default
[ "${CI:-}" != true ] || profile=ci

# The scenarios start our programs themselves, so these are built before any test runs.
cargo build --locked --workspace --bins
if LEGWORK_TEST_AGENTS="$(scripts/install-tested-agents.sh)"; then
  export LEGWORK_TEST_AGENTS
else
  unset LEGWORK_TEST_AGENTS
  echo 'SKIPPED  scenarios with the real Codex, Gemini, Copilot and OpenCode CLIs: they could not be installed' >&2
fi
if scripts/tool.sh cargo-nextest >/dev/null; then
  PATH="$PATH:$PWD/.cache/tools/bin" cargo nextest run --locked --workspace --profile "$profile" "$@"
else
  cargo test --locked --workspace --lib --bins --tests
fi
cargo test --locked --workspace --doc --quiet
