#!/usr/bin/env bash
# Checks what deploy/ holds: alert rules, their tests, and that dashboard and rules ask for metrics that there are.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! scripts/packages.sh promtool; then
  echo "SKIPPED  deploy/grafana: promtool is not installed" >&2
  [ "${CI:-}" != true ] || exit 1
  exit 0
fi

promtool check rules deploy/grafana/alerts.yml
promtool test rules deploy/grafana/alerts.test.yml

# The dashboard's queries as rules of their own, for promtool reads nothing else.
queries="$(mktemp --suffix .yml)"
trap 'rm -f "$queries"' EXIT
node - "$queries" <<'JS'
const { readFileSync, readdirSync, writeFileSync } = require('node:fs');

const dashboard = JSON.parse(readFileSync('deploy/grafana/dashboard.json', 'utf8'));
const queries = dashboard.panels.flatMap((panel) => panel.targets.map((target) => target.expr));
const filled = queries.map((query) => query.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*'));
const rules = filled.map((expr, index) => ({ record: `query:${index}`, expr }));
writeFileSync(process.argv[2], JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));

// What the sources count, and what Prometheus adds by itself.
const sources = readdirSync('crates/server/src', { recursive: true }).filter((name) => name.endsWith('.rs'));
const code = sources.map((name) => readFileSync(`crates/server/src/${name}`, 'utf8')).join('\n');
const known = new Set([...code.matchAll(/"((?:http|legwork|claude)_[a-z_]+)"/g)].map(([, name]) => name).concat('up'));
const asked = [...queries, readFileSync('deploy/grafana/alerts.yml', 'utf8')].join('\n');
const names = [...asked.matchAll(/\b((?:http|legwork|claude)_[a-z_]+|up)(?=\{| [>=<])/g)].map(([, name]) => name);
const unknown = names.filter((name) => !known.has(name.replace(/_bucket$/, '')));
if (names.length < 10 || unknown.length > 0) {
  console.error(`deploy/grafana asks for metrics that there are not: ${unknown.join(', ') || 'none are found'}`);
  process.exit(1);
}
JS
promtool check rules "$queries" >/dev/null
