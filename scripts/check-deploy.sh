#!/usr/bin/env bash
# Checks deploy/: that the alert rules parse and do what their tests say, that the dashboard's queries parse, and that both
# name nothing but metrics and labels that a server really emits; and what lint-deploy.sh checks.
#
# The first two need promtool, which is installed where that may be; where it can't be had they are named as skipped, and
# under CI=true that is a failure. LEGWORK_BIN names a binary to use instead of building one.
set -euo pipefail
cd "$(dirname "$0")/.."

. scripts/until-served.sh
server_pid='' home="$(mktemp -d)"

stop() {
  if [ -n "$server_pid" ] && kill -TERM "$server_pid" 2>/dev/null; then wait "$server_pid" || true; fi
  rm -rf "$home"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# From its folder and without this machine's variables, so that no settings but these count. The agent is one that fails at
# once: a failed run is all that it takes to have every metric there is.
start_server() {
  local legwork="$1"
  touch "$home/serve.out"
  (cd "$home" && exec env -i PATH="$PATH" HOME="$home" LEGWORK_AGENTS__CLAUDE_CODE__PROGRAM="$(type -P false)" \
    "$legwork" serve --rehearse --listen 127.0.0.1:0 --data-dir "$home/data") </dev/null >"$home/serve.out" 2>"$home/serve.log" &
  server_pid=$!
  until_served "$server_pid" "$home/serve.out" "$home/serve.log"
}

scripts/lint-deploy.sh
scripts/packages.sh curl
if [ -z "${LEGWORK_BIN:-}" ]; then cargo build --quiet --locked --workspace --bins; fi
start_server "$(realpath "${LEGWORK_BIN:-${CARGO_TARGET_DIR:-target}/debug/legwork}")"
curl --silent --show-error --fail --max-time 60 --output /dev/null "$base/v1/executions" \
  -H 'content-type: application/json' -H 'prefer: wait=30' -d '{"prompt": "Fail."}'
curl --silent --show-error --fail --max-time 60 --output "$home/metrics" "$base/metrics"
node scripts/deploy-queries.mjs "$home/metrics" "$home/dashboard.yml"

# promtool says what it did on stdout; only what is wrong is worth reading.
quietly() { "$@" >"$home/output" 2>&1 || { cat "$home/output" >&2; return 1; }; }

if scripts/packages.sh promtool; then
  quietly promtool check rules --lint-fatal deploy/grafana/alerts.yml "$home/dashboard.yml"
  quietly promtool test rules deploy/grafana/alerts.test.yml
else
  echo "SKIPPED  syntax and tests of the alert rules, syntax of the dashboard's queries: promtool is not installed" >&2
  if [ "${CI:-}" = true ]; then exit 1; fi
fi
