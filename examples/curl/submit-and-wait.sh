#!/usr/bin/env bash
# Submits a job and waits for its end in the same request: the simplest way to have one thing done.
#
#   LEGWORK_SERVER=http://127.0.0.1:7070 LEGWORK_API_KEY=… examples/curl/submit-and-wait.sh
#
# LEGWORK_API_KEY is needed only where the server has API keys. Prints the execution as JSON; exits with 0 only where the
# job succeeded.
set -euo pipefail

url="${LEGWORK_SERVER:-http://127.0.0.1:7070}"

call() {
  curl --silent --show-error --fail-with-body ${LEGWORK_API_KEY:+--oauth2-bearer "$LEGWORK_API_KEY"} "$@"
}

# `Prefer: wait` holds the answer back for so many seconds at the most. A job that takes longer goes on all the same, and
# comes back as `queued` or `running`.
execution="$(call "$url/v1/executions" \
  -H 'content-type: application/json' \
  -H 'prefer: wait=300' \
  -d '{"prompt": "Write a haiku about queues to haiku.txt", "limits": {"timeoutSeconds": 300}}')"

echo "$execution"
grep --quiet '"state":"succeeded"' <<<"$execution"
