#!/usr/bin/env bash
# Submits the same job twice with one Idempotency-Key. There is one job: who does not know whether a request arrived sends
# it again and gets the execution that the first one made.
#
#   LEGWORK_SERVER=http://127.0.0.1:7070 LEGWORK_API_KEY=… examples/curl/idempotent.sh
#
# LEGWORK_API_KEY is needed only where the server has API keys. Prints the id that each of the two requests got.
set -euo pipefail

url="${LEGWORK_SERVER:-http://127.0.0.1:7070}"
# Something that names the job in your system, and stays the same whenever you try: here the clock, for want of one.
key="nightly-report-$(date +%s)-$$"

submit() {
  curl --silent --show-error --fail-with-body --retry 5 --retry-connrefused \
    ${LEGWORK_API_KEY:+--oauth2-bearer "$LEGWORK_API_KEY"} \
    "$url/v1/executions" \
    -H 'content-type: application/json' \
    -H "idempotency-key: $key" \
    -d '{"prompt": "Write a haiku about queues to haiku.txt"}' |
    sed 's/.*"id":"\(exe_[^"]*\)".*/\1/'
}

first="$(submit)"
again="$(submit)"
echo "$first"
echo "$again"
[ "$first" = "$again" ]
