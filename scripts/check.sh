#!/usr/bin/env bash
# Checks everything that needs no test run: formatting, lints, dependencies, generated files, what deploy/ ships.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/packages.sh cc
cargo fmt --all --check
cargo clippy --locked --workspace --all-targets -- --deny warnings
RUSTDOCFLAGS='--deny warnings' cargo doc --locked --workspace --no-deps --quiet
scripts/deny.sh
scripts/check-generated.sh
scripts/check-deploy.sh
