#!/usr/bin/env bash
# Checks licences, bans and sources of the dependencies, and known vulnerabilities where that database can be reached.
set -euo pipefail
cd "$(dirname "$0")/.."

deny="$(scripts/tool.sh cargo-deny)"
"$deny" --locked --workspace check --hide-inclusion-graph licenses bans sources

# Offline this is no failure of ours: the advisories are looked at again wherever there is a network.
if GIT_TERMINAL_PROMPT=0 "$deny" --locked --workspace fetch db >/dev/null 2>&1; then
  "$deny" --locked --workspace check --disable-fetch --hide-inclusion-graph advisories
else
  echo "advisories not checked: their database can't be reached" >&2
fi
