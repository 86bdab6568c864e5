#!/usr/bin/env bash
# Sees to it that the named commands exist, by Debian's packages where it may. Says on stderr what it could not get, and fails.
# Usage: scripts/packages.sh COMMAND...
set -euo pipefail

# Debian keeps the programs of servers out of PATH.
PATH="$PATH:/usr/sbin:/sbin"

package_of() {
  case "$1" in
    bwrap) echo bubblewrap ;;
    cc) echo build-essential ;;
    docker | dockerd) echo docker.io ;;
    mariadbd) echo mariadb-server ;;
    pip3) echo python3-pip ;;
    postgres) echo postgresql ;;
    promtool) echo prometheus ;;
    ssh | ssh-keygen) echo openssh-client ;;
    sshd) echo openssh-server ;;
    *) echo "$1" ;;
  esac
}

have() {
  command -v "$1" >/dev/null 2>&1 && return
  [ "$1" = postgres ] && compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null
}

# The packages of servers would start one of their own on the usual port; this is Debian's way to say no.
without_starting_services() {
  local policy=/usr/sbin/policy-rc.d
  if [ -e "$policy" ]; then
    "$@"
    return
  fi
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  "$@"
}

install() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -qq --yes --no-install-recommends "$@"
}

missing=()
for name in "$@"; do
  have "$name" || missing+=("$(package_of "$name")")
done
[ "${#missing[@]}" -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ] || [ ! -e /etc/debian_version ]; then
  echo "missing: ${missing[*]} (only root on Debian may have them installed by this script)" >&2
  exit 1
fi
echo "Installing ${missing[*]}" >&2
without_starting_services install "${missing[@]}" </dev/null >&2
