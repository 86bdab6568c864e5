#!/usr/bin/env bash
# Builds the images of deploy/docker with a Docker engine of its own, runs them as compose.yml says, and leaves nothing behind.
# Usage: scripts/test-image.sh [--compile]
#
# Nothing is pulled: the bases are made from Debian's packages and this machine's Node. The build stage is given a `cargo`
# that hands over a binary built here (LEGWORK_BIN names one to use); with --compile it is given this machine's Rust and
# really compiles. Where no engine can be started that is a matter of the machine, and said as SKIPPED; packages that can't be
# had are named likewise, but are a failure under CI=true.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly start_seconds=60 most_slim_bytes=60000000
compile=false
[ "${1:-}" != --compile ] || compile=true

PATH="$PATH:/usr/sbin:/sbin"
home="$(mktemp -d "${TMPDIR:-/tmp}/legwork-image.XXXXXX")"
export DOCKER_HOST="unix://$home/docker.sock" DOCKER_CONFIG="$home/config" DOCKER_BUILDKIT=0 COMPOSE_PROJECT_NAME=legwork-test
engine_pid='' composed=false

say() { printf '%4d s  %s\n' "$SECONDS" "$*"; }

fail() {
  printf 'FAILED  %s\n' "$*" >&2
  docker ps --all >&2 || true
  for container in $(docker ps --all --quiet); do docker logs --tail 30 "$container" >&2 || true; done
  exit 1
}

# The engine leaves its networks' bridges behind, and network namespaces mounted below its folder.
stop() {
  if [ -n "$engine_pid" ] && kill -0 "$engine_pid" 2>/dev/null; then
    [ "$composed" = false ] || compose down --volumes --timeout 5 >/dev/null 2>&1 || true
    docker ps --all --quiet | xargs --no-run-if-empty docker rm --force --volumes >/dev/null 2>&1 || true
    docker network prune --force >/dev/null 2>&1 || true
    kill -TERM "$engine_pid"
    wait "$engine_pid" || true
  fi
  awk -v home="$home/" 'index($2, home) == 1 { print $2 }' /proc/self/mounts | sort -r | xargs --no-run-if-empty umount
  rm -rf "$home"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Without a bridge of its own, rules in the firewall or forwarding, the engine changes nothing on this machine.
start_engine() {
  echo '{}' >"$home/engine.json"
  dockerd --config-file "$home/engine.json" --host "$DOCKER_HOST" --group root --data-root "$home/data" \
    --exec-root "$home/exec" --pidfile "$home/engine.pid" --bridge=none --iptables=false --ip6tables=false --ip-forward=false >"$home/engine.log" 2>&1 </dev/null &
  engine_pid=$!
  local deadline=$((SECONDS + start_seconds))
  until docker info >/dev/null 2>&1; do
    if ! kill -0 "$engine_pid" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
      tail -n 20 "$home/engine.log" >&2
      echo "SKIPPED  the images: no Docker engine can be started on this machine: $(tail -n 1 "$home/engine.log")" >&2
      exit 0
    fi
    sleep 0.1
  done
}

# Debian with this machine's Node, npm and certificates; in place of node:…-slim.
make_node_base() {
  local root="$home/root" codename
  codename="$(. /etc/os-release && echo "$VERSION_CODENAME")"
  debootstrap --variant=minbase --include=ca-certificates${1:+,$1} "$codename" "$root" >"$home/debootstrap.log" 2>&1 ||
    { tail -n 20 "$home/debootstrap.log" >&2; fail "Debian's base can't be installed"; }
  cp "$(node -p process.execPath)" "$root/usr/bin/node"
  mkdir -p "$root/usr/lib/node_modules"
  cp -R "$(npm root --global 2>/dev/null)/npm" "$root/usr/lib/node_modules/"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/bin/npm"
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  tar -C "$root" -c . | docker import --change 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' \
    --change "ENV npm_config_registry=$(npm config get registry 2>/dev/null)" - node-base >/dev/null
  rm -rf "$root"
}

# In place of rust:…: either this machine's Rust, or a `cargo` that has the binary already.
make_rust_base() {
  local context="$home/rust"
  mkdir "$context"
  if [ "$compile" = true ]; then
    cp -R "$(rustc --print sysroot)" "$context/rust"
    rm -rf "$context/rust/share"
    printf '%s\n' 'FROM node-base' 'COPY rust /usr/local' 'ENV CARGO_HTTP_CAINFO=/etc/ssl/certs/ca-certificates.crt' >"$context/Dockerfile"
  else
    [ -n "${LEGWORK_BIN:-}" ] || scripts/build.sh >&2
    cp "${LEGWORK_BIN:-${CARGO_TARGET_DIR:-target}/release/legwork}" "$context/legwork"
    printf '%s\n' '#!/bin/sh' 'install -D /usr/local/share/legwork target/release/legwork' >"$context/cargo"
    chmod 755 "$context/cargo" "$context/legwork"
    printf '%s\n' 'FROM node-base' 'COPY cargo /usr/local/bin/' 'COPY legwork /usr/local/share/' >"$context/Dockerfile"
  fi
  build_quietly --tag rust-base "$context"
  rm -rf "$context"
}

build_quietly() {
  docker build "$@" >"$home/build.log" 2>&1 || { tail -n 40 "$home/build.log" >&2; fail "docker build $*"; }
}

# --network host: the engine has no network for builds.
build() { build_quietly --network host --build-arg RUST_IMAGE=rust-base --build-arg NODE_IMAGE=node-base "$@" .; }

compose() { docker-compose --project-directory "$home/compose" --file "$home/compose/compose.yml" "$@"; }

# The engine warns that nothing is forwarded; loopback needs nothing forwarded.
detach() { docker run --detach "$@" 2>"$home/run.log" || fail "docker run: $(cat "$home/run.log")"; }

# Waits until a command succeeds.
eventually() {
  local what="$1" deadline=$((SECONDS + start_seconds))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || fail "$what"
    sleep 0.2
  done
}

is_healthy() { [ "$(docker inspect --format '{{.State.Health.Status}}' "$1")" = healthy ]; }

get() { curl --silent --show-error --fail --max-time 120 "$@"; }

same() { [ "$2" = "$3" ] || fail "$1: expected $3, got $2"; }

free_port() { node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'; }

secret() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

check_slim() {
  local size container port
  size="$(docker image inspect --format '{{.Size}}' legwork:slim)"
  say "the image without the agent has $size bytes"
  [ "$size" -lt "$most_slim_bytes" ] || fail "the slim image has $size bytes; $most_slim_bytes are the most"
  docker network create slim >/dev/null
  port="$(free_port)"
  container="$(detach --network slim --publish "127.0.0.1:$port:7070" --env SHARED_SECRET="$(secret)" legwork:slim)"
  eventually "the slim image does not get ready" get "http://127.0.0.1:$port/readyz"
  same "user of the slim image" "$(docker top "$container" -eo pid,uid | awk 'END { print $2 }')" 10001
  docker stop --time 60 "$container" >/dev/null
  same "exit code of the slim image" "$(docker inspect --format '{{.State.ExitCode}}' "$container")" 0
  docker rm --volumes "$container" >/dev/null
  docker network rm slim >/dev/null
  say "the image without the agent serves as uid 10001 and stops cleanly"
}

# Somebody's first steps with README.md, without a real model.
prepare_compose() {
  mkdir "$home/compose" "$home/compose/secrets"
  cp deploy/docker/compose.yml "$home/compose/"
  cp deploy/docker/.env.example "$home/compose/.env"
  echo sk-ant-not-needed-to-rehearse >"$home/compose/secrets/anthropic-api-key"
  export LEGWORK_IMAGE=legwork LEGWORK_CPUS=1 PORT
  PORT="$(free_port)"
  base="http://127.0.0.1:$PORT"
  compose config --quiet
  compose --profile redis config --quiet
  composed=true
  local refusal
  refusal="$(compose run -T --rm legwork 2>&1)" && fail "the server starts with the secrets of the example"
  grep -q 'SHARED_SECRET.*change-me' <<<"$refusal" || fail "the server does not say which secret is that of the example: $refusal"

  shared_secret="$(secret)"
  sed -i "s/^SHARED_SECRET=.*/SHARED_SECRET=$shared_secret/; /^CLAUDE_SERVICE_SECRET=/d; \$a LEGWORK_REHEARSAL__ENABLED=true" "$home/compose/.env"
  key="$(compose run -T --rm legwork key create --name test --permissions execute,read 2>/dev/null | tail -n 1 | tr -d '\r')"
}

# The prompt has the CLI run a real shell, which leaves a process behind that Legwork has to end.
check_job() {
  get "$base/v1/executions" -H "authorization: Bearer $key" -H 'content-type: application/json' -H 'prefer: wait=90' -d '{
    "prompt": "[[write: a.txt | from a container]] [[bash: cat a.txt; id -u; git --version; (setsid sleep 1000 &)]] [[say: All done.]]",
    "tools": {"allow": ["Bash", "Write"]}}' >"$home/job.json"
  node -e 'const { id, state, outcome } = JSON.parse(require("fs").readFileSync(0)); console.log(id, state, outcome?.result)' \
    <"$home/job.json" >"$home/job.txt"
  read -r id outcome <"$home/job.txt"
  same "the job" "$outcome" "succeeded All done."
  get "$base/v1/executions/$id/events" -H "authorization: Bearer $key" >"$home/events.json"
  for said in 'from a container' '10001' 'git version'; do
    grep -q "$said" "$home/events.json" || fail "the job's events do not say: $said"
  done
  docker top "$container" -eo pid,args >"$home/top"
  ! grep -E 'sleep 1000|defunct' "$home/top" || fail "the job left processes behind"
}

check_compose() {
  compose up --detach >/dev/null 2>&1 || fail "docker-compose up"
  container="$(compose ps --quiet legwork)"
  eventually "the container does not become healthy" is_healthy "$container"
  say "the container is healthy"
  same "user of the container" "$(docker exec "$container" id -u)" 10001
  check_job
  say "a rehearsed job was done by $(docker exec "$container" claude --version)"
  same "the API without a key" "$(curl --silent --output /dev/null --write-out '%{http_code}' "$base/v1/executions")" 401
  LEGWORK_URL="$base" SHARED_SECRET="$shared_secret" PROMPT='[[say: Good morning.]]' \
    node deploy/railway/post-prompt.mjs >"$home/posted.json" || fail "post-prompt.mjs: $(cat "$home/posted.json")"
  grep -q '"result":"Good morning."' "$home/posted.json" || fail "post-prompt.mjs printed $(cat "$home/posted.json")"
  say "a scheduled prompt was answered"

  compose stop >/dev/null 2>&1
  same "exit code of the container" "$(docker inspect --format '{{.State.ExitCode}}' "$container")" 0
  compose up --detach --force-recreate >/dev/null 2>&1 || fail "docker-compose up, the second time"
  [ "$(compose ps --quiet legwork)" != "$container" ] || fail "the container was not replaced"
  eventually "the new container does not become healthy" is_healthy "$(compose ps --quiet legwork)"
  get "$base/v1/executions/$id" -H "authorization: Bearer $key" | grep -q '"state":"succeeded"' || fail "the job is not on record any more"
  compose down --volumes >/dev/null 2>&1
  say "a container was stopped cleanly and replaced, and the record is still there"
}

# Started as on Railway: by a shell that hands over, so that Legwork is process 1 and nobody else reaps what is left over.
check_without_init() {
  docker network create plain >/dev/null
  PORT="$(free_port)"
  base="http://127.0.0.1:$PORT"
  local volume=(--volume plain:/var/lib/legwork) command
  command="$(sed -n 's/^startCommand = "\/bin\/sh -c .\(.*\)."$/\1/p' deploy/railway/railway.toml)"
  key="$(docker run --rm --network none "${volume[@]}" legwork key create --name test --permissions execute,read | tail -n 1)"
  container="$(detach --network plain --publish "127.0.0.1:$PORT:7070" "${volume[@]}" \
    --env PORT=7070 --env LEGWORK_REHEARSAL__ENABLED=true --entrypoint /bin/sh legwork -c "$command")"
  eventually "the container without an init does not become healthy" is_healthy "$container"
  check_job
  docker stop --time 60 "$container" >/dev/null
  same "exit code without an init" "$(docker inspect --format '{{.State.ExitCode}}' "$container")" 0
  docker rm "$container" >/dev/null
  docker network rm plain >/dev/null
  say "without an init a job leaves nothing behind either"
}

if ! scripts/packages.sh dockerd docker docker-compose debootstrap curl; then
  echo "SKIPPED  the images: the packages that it takes to build them are not installed" >&2
  [ "${CI:-}" != true ]
  exit
fi
start_engine
say "the engine runs ($(docker info --format '{{.ServerVersion}}, {{.Driver}}' 2>/dev/null))"
if [ "$compile" = true ]; then make_node_base build-essential; else make_node_base; fi
make_rust_base
say "the bases are made"
build --file deploy/docker/Dockerfile --target legwork --tag legwork:slim
say "the image without the agent is built"
check_slim
build --file deploy/docker/Dockerfile --tag legwork
build --file deploy/railway/cron.Dockerfile --tag cron
say "the images are built; the one with the agent has $(docker image inspect --format '{{.Size}}' legwork) bytes"
prepare_compose
check_compose
check_without_init
