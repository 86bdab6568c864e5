#!/usr/bin/env bash
# Prints the path of a Claude Code CLI: the one on PATH, else the pinned version, installed into .cache/agents from npm.
# Usage: scripts/install-agent.sh [--pinned]     (--pinned: the pinned version, whatever is on PATH)
set -euo pipefail
cd "$(dirname "$0")/.."

package=@anthropic-ai/claude-code
version=2.1.329
home="$PWD/.cache/agents/claude-code-$version"

# The program is in a package of its own for each platform, and npm may lay down more than one (glibc and musl). The
# launcher that the main package's install script would make is not needed, and npm does not run such scripts any more.
installed() {
  local program
  for program in "$home"/node_modules/@anthropic-ai/claude-code-*/claude; do
    [ "$("$program" --version 2>/dev/null </dev/null)" = "$version (Claude Code)" ] && echo "$program" && return
  done
  return 1
}

# Into a folder beside the final one, so that a broken download is never taken for an installed CLI.
install() {
  local fresh
  mkdir -p "$(dirname "$home")"
  fresh="$(mktemp -d "$home.XXXXXX")"
  echo "Installing $package $version into ${home#"$PWD"/}" >&2
  npm install --prefix "$fresh" --no-save --ignore-scripts --no-audit --no-fund --loglevel=error "$package@$version" </dev/null >&2
  rm -rf "$home"
  mv "$fresh" "$home"
}

if [ "${1:-}" != --pinned ] && command -v claude; then
  exit 0
fi
installed && exit 0
command -v npm >/dev/null || { echo "npm is missing: install Node.js, or put claude on PATH" >&2; exit 1; }
install
installed || { echo "$package $version was installed, but no program in it runs on this machine" >&2; exit 1; }
