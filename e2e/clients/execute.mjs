// Signs a call of POST /execute with nothing but Node, and makes it twice. Prints both answers.
//
//   CLAUDE_SERVICE_SECRET=… node execute.mjs SERVER

import { createHmac } from 'node:crypto';

const [server] = process.argv.slice(2);
const body = JSON.stringify({ prompt: 'text hello', args: ['-p', '--output-format', 'text'] });
const timestamp = Date.now().toString();
const signature = createHmac('sha256', process.env.CLAUDE_SERVICE_SECRET).update(`${timestamp}:${body}`).digest('hex');
const headers = {
  'content-type': 'application/json',
  'x-claude-timestamp': timestamp,
  'x-claude-signature': signature,
};

for (let time = 0; time < 2; time += 1) {
  const response = await fetch(new URL('/execute', server), { method: 'POST', headers, body });
  console.log(JSON.stringify({ status: response.status, body: await response.json() }));
}
