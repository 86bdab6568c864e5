// Posts one job, prints its events as they come and then how it ended. Exit code 0 only where the job succeeded.
// Usage: node scripts/demo-job.mjs BASE_URL REQUEST_FILE real|rehearsed

import { readFileSync } from 'node:fs';

const [base, requestFile, mode] = process.argv.slice(2);

const show = {
  queued: ({ lane }) => `in lane ${lane}`,
  claimed: ({ attempt }) => `attempt ${attempt}`,
  workspace: ({ path }) => path,
  started: ({ model, version }) => `claude ${version} with ${model}`,
  text: ({ text }) => text,
  thinking: ({ text }) => text,
  tool_call: ({ name, input }) => `${name} ${JSON.stringify(input)}`,
  tool_result: ({ output, isError }) => `${isError ? 'failed: ' : ''}${output}`,
  stderr: ({ line }) => line,
  finished: ({ outcome }) => outcome.state,
};

function print({ seq, at, kind, data }) {
  const text = show[kind] ? show[kind](data ?? {}) : JSON.stringify(data ?? {});
  const indented = text.trimEnd().replaceAll('\n', `\n${' '.repeat(34)}`);
  console.log(`${String(seq).padStart(4)}  ${at.slice(11, 23)}  ${kind.padEnd(14)} ${indented}`);
}

async function* serverSentEvents(body) {
  let rest = '';
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block.split('\n').filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trimStart());
      if (data.length > 0) yield JSON.parse(data.join('\n'));
    }
  }
}

async function call(path, options = {}) {
  const response = await fetch(new URL(path, base), options);
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  return response;
}

const dollars = (costUsd) => (costUsd === undefined ? 'not reported' : `$${costUsd}${mode === 'rehearsed' ? ', had the model been real' : ''}`);

const headers = { 'content-type': 'application/json' };
const posted = await call('/v1/executions', { method: 'POST', headers, body: readFileSync(requestFile) });
const address = new URL(posted.headers.get('location'), base);
console.log(`${posted.status} ${posted.statusText}, Location: ${address.pathname}\n`);

const events = await call(`${address.pathname}/events`, { headers: { accept: 'text/event-stream' } });
for await (const event of serverSentEvents(events.body)) {
  print(event);
  if (event.kind === 'finished') break;
}

const { state, outcome } = await (await call(address.pathname)).json();
console.log(`
State    ${state}${outcome.reason ? ` (${outcome.reason}: ${outcome.message})` : ''}
Result   ${outcome.result ?? 'none'}
Cost     ${dollars(outcome.costUsd)}
Open     ${address}
Docs     ${new URL('/docs', base)}`);
process.exit(state === 'succeeded' ? 0 : 1);
