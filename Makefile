# Recipes are one line each: what they do is in scripts/, where it can be read, run and tested alone.
.DEFAULT_GOAL := help
.PHONY: help demo build test test-image check bench serve fmt generate deny install-agent clean

help: ## List these recipes.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Build Legwork, get the real Claude Code CLI and watch it do one job; rehearses where there is no API key.
	@scripts/demo.sh

build: ## Build the release binary, target/release/legwork.
	@scripts/build.sh

test: ## Run every test, with MariaDB and PostgreSQL beside SQLite; installs what is missing where it may.
	@scripts/test.sh

test-image: ## Build the container images with a Docker engine of its own and run them; ARGS="--compile" compiles in there.
	@scripts/test-image.sh $(ARGS)

check: ## Check formatting, lints, dependencies, generated files and what deploy/ ships.
	@scripts/check.sh

bench: ## Measure Legwork beside a Node worker and print the table; ARGS="--write" keeps it in bench/README.md.
	@scripts/bench.sh $(ARGS)

serve: ## Serve on http://127.0.0.1:7070 with the data in legwork-data/; ARGS="--rehearse" needs no API key.
	@scripts/serve.sh $(ARGS)

fmt: ## Format the code.
	@cargo fmt --all

generate: ## Write the files that are generated from the code.
	@scripts/check-generated.sh --write

deny: ## Check licences, bans, sources and, where they can be had, advisories of the dependencies.
	@scripts/deny.sh

install-agent: ## Install the pinned Claude Code CLI into .cache/agents and print its path.
	@scripts/install-agent.sh

clean: ## Remove everything that was built, installed or cached here.
	@scripts/clean.sh
