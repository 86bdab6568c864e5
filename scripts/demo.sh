#!/usr/bin/env bash
# Serves Legwork on a free port, has the real Claude Code CLI do one job through the API, and shows it live.
#
# With ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN the real model does the job; without, the CLI rehearses it with the
# scripted model that is built into Legwork. Under CI=true it ends when the job does; else it keeps serving until Ctrl-C.
# LEGWORK_BIN names a binary to use instead of building one.
set -euo pipefail
cd "$(dirname "$0")/.."

. scripts/until-served.sh
server_pid='' home=''

stop() {
  if [ -n "$server_pid" ] && kill -TERM "$server_pid" 2>/dev/null; then wait "$server_pid" || true; fi
  [ -z "$home" ] || rm -rf "$home"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

has_credentials() { [ -n "${ANTHROPIC_API_KEY:-}${CLAUDE_CODE_OAUTH_TOKEN:-}" ]; }

start_server() {
  local how=()
  has_credentials || how=(--rehearse)
  touch "$home/serve.out"
  "$legwork" serve --listen 127.0.0.1:0 --data-dir "$home/data" ${how[@]+"${how[@]}"} </dev/null >"$home/serve.out" 2>"$home/serve.log" &
  server_pid=$!
  until_served "$server_pid" "$home/serve.out" "$home/serve.log"
}

# The directives in double brackets are stage directions for the rehearsal model; docs/rehearsal.md lists them.
write_request() {
  local prompt='Write a haiku about queues to haiku.txt, then show it with cat.'
  has_credentials || prompt+=' [[say: A haiku about queues, coming up.]]
[[write: haiku.txt | One waits for its turn,
nothing in the line is lost,
morning: all is done.]]
[[bash: cat haiku.txt]]
[[say: Wrote haiku.txt: nothing in the line is lost.]]'
  PROMPT="$prompt" node -p 'JSON.stringify({prompt: process.env.PROMPT, tools: {allow: ["Bash", "Write"]}})' >"$home/request.json"
}

say "1. Building"
if [ -z "${LEGWORK_BIN:-}" ]; then scripts/build.sh; fi
legwork="${LEGWORK_BIN:-${CARGO_TARGET_DIR:-target}/release/legwork}"

say "2. Looking for the Claude Code CLI"
LEGWORK_AGENTS__CLAUDE_CODE__PROGRAM="$(scripts/install-agent.sh)"
export LEGWORK_AGENTS__CLAUDE_CODE__PROGRAM
echo "$LEGWORK_AGENTS__CLAUDE_CODE__PROGRAM ($("$LEGWORK_AGENTS__CLAUDE_CODE__PROGRAM" --version </dev/null))"

say "3. Serving"
mkdir -p .cache
home="$(mktemp -d "$PWD/.cache/demo.XXXXXX")"
start_server
if has_credentials; then
  mode=real
  echo "$base, with the real model"
else
  mode=rehearsed
  echo "$base, rehearsing: no ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN is set"
fi

say "4. One job"
write_request
echo "curl $base/v1/executions --json '$(cat "$home/request.json")'"
node scripts/demo-job.mjs "$base" "$home/request.json" "$mode"

if [ "${CI:-}" = true ]; then exit 0; fi
trap 'exit 0' INT
say "Still serving on $base until Ctrl-C. Try:"
echo "curl $base/v1/executions"
wait "$server_pid"
