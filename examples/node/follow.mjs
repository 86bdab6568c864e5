// Submits a job and follows its events, over as many connections as it takes. Needs nothing but Node 20 or newer.
//
//   LEGWORK_SERVER=http://127.0.0.1:7070 LEGWORK_API_KEY=… node examples/node/follow.mjs ['What to do']
//
// LEGWORK_API_KEY is needed only where the server has API keys. Prints each event as a line of JSON; exits with 0 only where
// the job succeeded.

import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

const base = process.env.LEGWORK_SERVER ?? 'http://127.0.0.1:7070';
const key = process.env.LEGWORK_API_KEY;
const prompt = process.argv[2] ?? 'Write a haiku about queues to haiku.txt';
const mostFailures = 10;

/** The server said no. To ask again would not help, unless it is busy, starting or ending. */
class Refused extends Error {
  constructor(status, text) {
    super(`HTTP ${status}: ${text}`);
    this.passes = status >= 500;
  }
}

async function call(path, { headers, ...options } = {}) {
  const authorization = key ? { authorization: `Bearer ${key}` } : {};
  const response = await fetch(new URL(path, base), { ...options, headers: { ...headers, ...authorization } });
  if (!response.ok) throw new Refused(response.status, await response.text());
  return response;
}

/** Does it again after what may pass, until it has failed too often in a row. `work` is told how to say that it got on. */
async function persist(work) {
  let failures = 0;
  for (;;) {
    try {
      return await work(() => (failures = 0));
    } catch (error) {
      failures += 1;
      if (error.passes === false || failures >= mostFailures) throw error;
      await pause(Math.min(100 * 2 ** failures, 5000));
    }
  }
}

/** The same key goes with every try, so that there is one job even where an answer was lost. */
async function submit() {
  const headers = { 'content-type': 'application/json', 'idempotency-key': randomUUID() };
  const body = JSON.stringify({ prompt });
  const response = await persist(() => call('/v1/executions', { method: 'POST', headers, body }));
  return (await response.json()).id;
}

/** Server-sent events. Each ends with an empty line; one that was cut off is not given, and comes again. */
async function* eventsOf(response) {
  let rest = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block.split('\n').find((line) => line.startsWith('data: '));
      if (data) yield JSON.parse(data.slice('data: '.length));
    }
  }
}

/** Gives each event to `take`, once and in order; returns the last one. */
async function follow(id, take) {
  let last = { seq: 0 };
  return persist(async (progress) => {
    const headers = { accept: 'text/event-stream', 'last-event-id': String(last.seq) };
    for await (const event of eventsOf(await call(`/v1/executions/${id}/events`, { headers }))) {
      last = event;
      progress();
      take(event);
      if (event.kind === 'finished') return event;
    }
    throw new Error(`the stream of ${id} ended early`);
  });
}

const id = await submit();
const { data } = await follow(id, (event) => console.log(JSON.stringify(event)));
process.exitCode = data.outcome.state === 'succeeded' ? 0 : 1;
