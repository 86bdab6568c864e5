#!/usr/bin/env bash
# Builds the release binary.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/packages.sh cc
cargo build --release --locked --package legwork-server
echo "Built ${CARGO_TARGET_DIR:-target}/release/legwork"
