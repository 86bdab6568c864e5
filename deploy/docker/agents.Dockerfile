# What a container of a run needs: the agents' programs, and what they ask for. Legwork itself stays outside.
#
#   docker build -f deploy/docker/agents.Dockerfile -t legwork-agents .
#
# Leave an agent out with an empty version: --build-arg CODEX_VERSION=
ARG NODE_IMAGE=node:22-bookworm-slim
FROM ${NODE_IMAGE}

# A shell, `kill`, `sleep` and `find` come with Debian; kept containers are cleared with them.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates git ripgrep \
 && rm -rf /var/lib/apt/lists/*

# Those that Legwork was tried with.
ARG CLAUDE_CODE_VERSION=2.1.329
ARG CODEX_VERSION=0.169.0
ARG GEMINI_VERSION=0.61.0
ARG COPILOT_VERSION=1.0.102
ARG OPENCODE_VERSION=1.18.33
# Each package is named with its version, which the linter does not see.
# hadolint ignore=DL3016
RUN set -e; \
    for package in \
      "@anthropic-ai/claude-code@${CLAUDE_CODE_VERSION}" \
      "@openai/codex@${CODEX_VERSION}" \
      "@google/gemini-cli@${GEMINI_VERSION}" \
      "@github/copilot@${COPILOT_VERSION}" \
      "opencode-ai@${OPENCODE_VERSION}"; \
    do \
      [ -z "${package##*@}" ] || npm install --global --no-audit --no-fund "${package}"; \
    done; \
    npm cache clean --force

# A run says who it runs as; this is for whoever starts the image by hand.
RUN groupadd --gid 10001 agent \
 && useradd --uid 10001 --gid agent --create-home --shell /bin/bash agent
USER 10001:10001
WORKDIR /home/agent
