# Sourced: waits for a server that was started in the background, and sets `base` to its URL. Shows its log and leaves where
# it does not come up.
# Usage: until_served PID FILE_OF_ITS_OUTPUT FILE_OF_ITS_LOG
until_served() {
  local deadline=$((SECONDS + 30))
  until base="$(sed -n 's/^legwork listening on //p' "$2" | head -n 1)" && [ -n "$base" ]; do
    if ! kill -0 "$1" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
      echo "legwork serve did not start:" >&2
      cat "$3" >&2
      exit 1
    fi
    sleep 0.1
  done
}
