#!/usr/bin/env bash
# Removes everything that was built, installed or cached in this folder. The data of `make serve` stays.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo clean
rm -rf .cache bench/peer/node_modules clients/typescript/{node_modules,dist} e2e/clients/node_modules
