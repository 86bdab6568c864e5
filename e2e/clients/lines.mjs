// Reads the answer of POST /claude-code line by line. Prints each line, when it came and, of the first, what the job did then.
//
//   node lines.mjs SERVER

import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';

const [server] = process.argv.slice(2);
const headers = { 'content-type': 'application/json' };
const body = JSON.stringify({ prompt: 'text one\nsleep 1500ms\ntext two' });
const response = await fetch(new URL('/claude-code', server), { method: 'POST', headers, body });
if (!response.ok) throw new Error(`HTTP ${response.status}`);

let first = true;
for await (const line of createInterface({ input: Readable.fromWeb(response.body) })) {
  const arrival = { line: JSON.parse(line), millis: performance.now() };
  if (first) arrival.state = await stateOfNewest();
  first = false;
  console.log(JSON.stringify(arrival));
}

async function stateOfNewest() {
  const page = await (await fetch(new URL('/v1/executions?limit=1', server))).json();
  return page.executions[0].state;
}
