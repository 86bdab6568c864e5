#!/usr/bin/env bash
# Starts a container engine of its own in a folder, with one image (`agent`) made of PROGRAM and of programs of this machine, and says `ready`, or
# `SKIPPED` and why not. Ends it with all that it has when its standard input ends. It must not be a descendant of the test:
# what an engine starts has no parent, and would be taken for what a run left behind.
# Usage: engine.sh docker|podman FOLDER PROGRAM [FURTHER PROGRAM OF THIS MACHINE]...
set -uo pipefail
PATH="$PATH:/usr/sbin:/sbin"
kind="$1" home="$2" program="$3" further=("${@:4}")
export DOCKER_HOST="unix://$home/docker.sock" DOCKER_CONFIG="$home/config"
engine=''

stop() {
  if [ -n "$engine" ] && kill -0 "$engine" 2>/dev/null; then
    docker ps --all --quiet | xargs --no-run-if-empty docker rm --force --volumes
    kill -TERM "$engine"
    wait "$engine"
  fi
  # What an engine that was killed has left.
  for process in $(grep -lsF -- "$home/exec/" /proc/[0-9]*/cmdline | cut -d/ -f3); do
    kill -KILL "$process"
  done
  awk -v home="$home/" 'index($2, home) == 1 { print $2 }' /proc/self/mounts | sort -r | xargs --no-run-if-empty umount
  rm -rf "$home"
} >>"$home/stop.log" 2>&1
trap stop EXIT

skip() {
  echo "SKIPPED $*"
  exit 0
}

# No bridge, no rules in the firewall: it changes nothing on this machine.
begin_docker() {
  exec dockerd --config-file "$home/engine.json" --host "$DOCKER_HOST" --group root --data-root "$home/data" --exec-root "$home/exec" \
    --pidfile "$home/engine.pid" --bridge=none --iptables=false --ip6tables=false --ip-forward=false
}

# Everything that it has is in the folder, and no network is ever made. By default it would raise limits beyond what may be allowed here.
begin_podman() {
  printf '[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n' >"$home/containers.conf"
  export CONTAINERS_CONF="$home/containers.conf"
  exec podman --root "$home/data" --runroot "$home/exec" --tmpdir "$home/exec/tmp" --cgroup-manager cgroupfs \
    system service --time=0 "$DOCKER_HOST"
}

start() {
  "begin_$kind" >>"$home/engine.log" 2>&1 </dev/null &
  engine=$!
  for _ in $(seq 300); do
    docker info >/dev/null 2>&1 && return
    kill -0 "$engine" 2>/dev/null || break
    sleep 0.1
  done
  return 1
}

# What a Python program needs of it, but for its own tests and what was compiled before.
library_of() {
  find "$("$1" -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \( -name test -o -name __pycache__ -o -name '*-packages' \
    -o -name 'config-*' \) -prune -o -printf '.%p\n'
}

make_image() {
  local root="$home/root" tool
  mkdir -p "$root"/{bin,tmp,run,etc,dev,proc,sys,usr/bin,usr/local/bin}
  cp "$program" "$root/usr/local/bin/agent"
  printf '#!/bin/sh\nsleep 0.3\nexec agent "$@"\n' >"$root/usr/local/bin/slow-agent"
  chmod 755 "$root/usr/local/bin/slow-agent"
  for tool in bash cat chmod cp env find head id kill ln ls tee tr mkdir mount mv rm setsid sleep su touch true unshare wc; do
    cp --dereference "$(type -P "$tool")" "$root/bin/$tool" || return 1
  done
  cp --dereference "$(command -v dash || command -v bash)" "$root/bin/sh"
  for tool in "${further[@]}"; do
    cp --parents --dereference "$tool" "$root" || return 1
    [[ "$tool" != */python3 ]] || library_of "$tool" | tar -C / -c --no-recursion -T - | tar -C "$root" -x || return 1
  done
  find "$root" -type f \( -perm -100 -o -name '*.so' \) -exec ldd {} \; 2>/dev/null | grep -o '/[^ ]*[^: ]' | grep -v "^$root" |
    sort -u | xargs -I{} cp --parents --dereference {} "$root"
  # Directories come as they are on this machine, where not everybody may look into all of them.
  find "$root" -type d -exec chmod a+rx {} +
  chmod 1777 "$root/tmp"
  printf 'root:x:0:0::/:/bin/sh\nagent:x:10001:10001::/tmp:/bin/sh\n' >"$root/etc/passwd"
  tar -C "$root" -c . | docker import - agent >/dev/null
}

[ "$(id -u)" -eq 0 ] || skip "a container engine can be started by root alone"
case "$kind" in
  docker) command -v dockerd docker runc >/dev/null || skip "there is no Docker engine on this machine (Debian has it as docker.io)" ;;
  podman) command -v podman docker >/dev/null || skip "there is no Podman on this machine, or no client of Docker (podman, docker.io)" ;;
esac
echo '{}' >"$home/engine.json"
start || skip "$kind can't be started here: $(tail -n 1 "$home/engine.log")"
make_image || skip "no image could be made"
echo ready
# Each line ends the engine at once, and starts it anew.
while read -r _; do
  kill -KILL "$engine"
  wait "$engine" 2>/dev/null
  # It can't tell what has this number now from what had it.
  rm -f "$home/exec/containerd/containerd.pid" "$home/engine.pid"
  start && echo ready
done
