#!/usr/bin/env bash
# Runs every test, on SQLite, MariaDB and PostgreSQL, with Redis and the real Claude Code CLI, installing what is missing where it
# may. What can't be run is named at the end; under CI=true that is a failure.
# Usage: scripts/test.sh [ARGUMENT OF cargo nextest run]...
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" = --help ]; then
  sed -n '2,4s/^# //p' "$0"
  exit 0
fi

skipped=()
skip() { skipped+=("SKIPPED  $1"); }

scripts/packages.sh cc git curl
scripts/packages.sh python3 || skip "the example in Python: python3 is not installed"
scripts/packages.sh mariadbd postgres || true
scripts/packages.sh mariadbd 2>/dev/null || skip "the store and queue on MariaDB: mariadb-server is not installed"
scripts/packages.sh postgres 2>/dev/null || skip "the store and queue on PostgreSQL: postgresql is not installed"
if scripts/packages.sh redis-server; then
  LEGWORK_TEST_REDIS="$(command -v redis-server)"
  export LEGWORK_TEST_REDIS
else
  skip "requests by Redis: redis-server is not installed"
fi
scripts/packages.sh ssh ssh-keygen sshd || skip "repositories over SSH: openssh-server is not installed"
scripts/packages.sh bwrap || skip "runs in bubblewrap: bubblewrap is not installed"
scripts/packages.sh dockerd docker || skip "runs in containers: docker.io is not installed"
scripts/packages.sh podman catatonit || skip "runs in containers of Podman: podman is not installed"
scripts/build-clients.sh || skip "clients in TypeScript and Node: their packages could not be installed or built"
if LEGWORK_TEST_CLAUDE="$(scripts/install-agent.sh --pinned)"; then
  export LEGWORK_TEST_CLAUDE
else
  unset LEGWORK_TEST_CLAUDE
  skip "scenarios with the real Claude Code CLI: it could not be installed"
fi

failed=0
scripts/databases.sh scripts/run-tests.sh "$@" || failed=$?

if [ "${#skipped[@]}" -gt 0 ]; then
  printf '%s\n' "${skipped[@]}" >&2
  [ "${CI:-}" != true ] || failed=1
fi
exit "$failed"
