#!/usr/bin/env bash
# Follows a job live, and goes on where it was when the connection breaks: each event is printed once, none is missed.
#
#   LEGWORK_SERVER=http://127.0.0.1:7070 LEGWORK_API_KEY=… examples/curl/follow-events.sh [exe_…]
#
# LEGWORK_API_KEY is needed only where the server has API keys. Without an id it submits a job of its own. Prints each event
# as a line of JSON and ends with the last one.
set -euo pipefail

url="${LEGWORK_SERVER:-http://127.0.0.1:7070}"

call() {
  curl --silent --show-error --fail ${LEGWORK_API_KEY:+--oauth2-bearer "$LEGWORK_API_KEY"} "$@"
}

submit() {
  call "$url/v1/executions" -H 'content-type: application/json' -d '{"prompt": "Write a haiku about queues to haiku.txt"}' |
    sed 's/.*"id":"\(exe_[^"]*\)".*/\1/'
}

# Reads server-sent events. An event counts once the empty line after it has come: one that was cut off is sent again.
read_events() {
  local line id='' kind='' data=''
  while IFS= read -r line; do
    case "$line" in
      'id: '*) id="${line#id: }" ;;
      'event: '*) kind="${line#event: }" ;;
      'data: '*) data="${line#data: }" ;;
      '')
        [ -n "$data" ] || continue # after the comments that keep an idle stream open
        echo "$data"
        last_id="$id" last_kind="$kind" data=''
        ;;
    esac
  done
}

id="${1:-$(submit)}"
last_id=0 last_kind='' failures=0
until [ "$last_kind" = finished ]; do
  before="$last_id" code=0
  read_events < <(call --no-buffer "$url/v1/executions/$id/events" -H 'accept: text/event-stream' -H "last-event-id: $last_id")
  wait "$!" || code=$?
  [ "$code" != 22 ] || exit 1 # The server said no, and curl has told why.
  if [ "$last_id" != "$before" ]; then
    failures=0
  elif [ "$((failures += 1))" -lt 10 ]; then
    sleep 1
  else
    echo "gave up on $id after event $last_id" >&2
    exit 1
  fi
done
