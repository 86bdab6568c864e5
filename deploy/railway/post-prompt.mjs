// Posts PROMPT to POST /generate of the server at LEGWORK_URL, signed with SHARED_SECRET, and prints the answer.
// The exit code is 0 only where the job succeeded.

import { createHmac } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';

const { LEGWORK_URL, PROMPT, SHARED_SECRET } = process.env;
for (const [name, value] of Object.entries({ LEGWORK_URL, PROMPT, SHARED_SECRET })) {
  if (!value) throw new Error(`${name} is not set`);
}

const body = JSON.stringify({ prompt: PROMPT });
const time = String(Date.now());
const headers = {
  'content-type': 'application/json',
  'x-sheen-timestamp': time,
  'x-sheen-signature': createHmac('sha256', SHARED_SECRET).update(`${time}:${body}`).digest('hex'),
};

// Not fetch, which gives up after five minutes without an answer: a job may take longer.
const url = new URL('/generate', LEGWORK_URL);
const request = (url.protocol === 'https:' ? https : http).request(url, { method: 'POST', headers }, (response) => {
  response.pipe(process.stdout);
  process.exitCode = response.statusCode === 200 ? 0 : 1;
});
request.end(body);
