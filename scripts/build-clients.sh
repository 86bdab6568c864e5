#!/usr/bin/env bash
# Installs what the clients in TypeScript and Node need, in the versions that are locked, and builds `@legwork/client`.
set -euo pipefail
cd "$(dirname "$0")/.."

for folder in clients/typescript e2e/clients; do
  npm ci --prefix "$folder" --no-audit --no-fund --loglevel=error </dev/null >&2
done
npm run --silent --prefix clients/typescript build >&2
