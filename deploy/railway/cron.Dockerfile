# Posts one signed prompt: cron.toml runs it on a schedule.
ARG NODE_IMAGE=node:22-bookworm-slim
FROM ${NODE_IMAGE}
COPY deploy/railway/post-prompt.mjs /
USER 1000
CMD ["node", "/post-prompt.mjs"]
