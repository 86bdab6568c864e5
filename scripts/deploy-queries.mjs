// Holds the queries of the alert rules and of the dashboard against what a server emits: every metric and every label they
// name must be in METRICS, its answer to GET /metrics. Writes the dashboard's queries to RULES, as rules that promtool can
// parse, and wants of every alert a test where it fires and one where it does not.
// Usage: node scripts/deploy-queries.mjs METRICS RULES

import { readFileSync, writeFileSync } from 'node:fs';

const [metricsFile, rulesFile] = process.argv.slice(2);
const read = (name) => readFileSync(`deploy/grafana/${name}`, 'utf8');

// Prometheus adds these itself; LABELS are on every series.
const STANDARD = { up: [] };
const LABELS = ['job', 'instance'];
const WORDS = new Set(['and', 'or', 'unless', 'bool', 'offset', 'inf', 'nan']);

const emitted = new Map(Object.entries(STANDARD).map(([name, labels]) => [name, new Set(labels)]));
for (const [, name, labels] of readFileSync(metricsFile, 'utf8').matchAll(/^([a-z]\w*)(?:\{(.*)\})? /gm)) {
  const known = emitted.get(name) ?? emitted.set(name, new Set()).get(name);
  for (const [, label] of (labels ?? '').matchAll(/(\w+)="/g)) known.add(label);
}

const wrong = [];

// What is left of a query without strings, durations, selectors and lists of labels is metrics, functions and operators.
function check(where, query) {
  const complain = (what) => wrong.push(`${where}: ${what}, in ${query}`);
  const bare = query.replace(/"(?:[^"\\]|\\.)*"/g, '""').replace(/\[[^\]]*\]/g, '');
  const outline = bare.replace(/\{[^}]*\}/g, ' ').replace(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ');
  const names = [...outline.matchAll(/(?<![\w.])[a-zA-Z_:][\w:]*(?!\w|\s*\()/g)].map(([name]) => name).filter((name) => !WORDS.has(name));
  if (names.length === 0) complain('no metric');
  for (const name of names) if (!emitted.has(name)) complain(`the server emits no ${name}`);

  for (const [, name, matchers] of bare.matchAll(/([a-zA-Z_:][\w:]*)\s*\{([^}]*)\}/g)) {
    for (const [, label] of matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)) {
      if (!LABELS.includes(label) && !emitted.get(name)?.has(label)) complain(`${name} has no label ${label}`);
    }
  }
  for (const [, list] of bare.matchAll(/\b(?:by|without|on|ignoring)\s*\(([^)]*)\)/g)) {
    for (const [label] of list.matchAll(/\w+/g)) {
      const known = LABELS.includes(label) || names.some((name) => emitted.get(name)?.has(label));
      if (!known) complain(`nothing there has a label ${label}`);
    }
  }
}

const alerts = read('alerts.yml');
const names = [...alerts.matchAll(/^ +- alert: (\w+)$/gm)].map(([, name]) => name);
const expressions = [...alerts.matchAll(/^ +expr: ([a-z(].*)$/gm)].map(([, query]) => query);
if (names.length === 0 || names.length !== expressions.length) wrong.push('alerts.yml: not every alert has its expr on one line');
for (const query of expressions) check('alerts.yml', query);

const cases = [...read('alerts.test.yml').matchAll(/^ +alertname: (\w+)\n +exp_alerts:( \[\])?$/gm)];
for (const name of names) {
  const quiet = cases.filter(([, alert]) => alert === name).map(([, , empty]) => Boolean(empty));
  if (!quiet.includes(false)) wrong.push(`alerts.test.yml: ${name} never fires`);
  if (!quiet.includes(true)) wrong.push(`alerts.test.yml: no case where ${name} does not fire`);
}

// Grafana replaces its variables before Prometheus sees a query: those that are durations, then those inside strings.
const dashboard = JSON.parse(read('dashboard.json'));
const queries = [];
JSON.stringify(dashboard, (key, value) => {
  if (key === 'expr') queries.push(value.replace(/\$__(?:rate_interval|interval|range)\b/g, '5m').replace(/\$\{?\w+\}?/g, 'any'));
  return value;
});
for (const { query } of dashboard.templating.list) {
  const [, metric, label] = /^label_values\((\w+), ?(\w+)\)$/.exec(query?.query ?? query) ?? [];
  if (metric) queries.push(`count by (${label}) (${metric})`);
}
if (queries.length === 0) wrong.push('dashboard.json: no queries');
for (const query of queries) check('dashboard.json', query);

// JSON is YAML.
const rules = queries.map((expr, index) => ({ record: `dashboard:query_${index + 1}`, expr }));
writeFileSync(rulesFile, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }, null, 1));

for (const line of wrong) console.error(line);
process.exitCode = wrong.length > 0 ? 1 : 0;
