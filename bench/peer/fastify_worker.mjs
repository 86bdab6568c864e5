// The worker that a team would write in Node instead: Fastify, a signature over "timestamp:body", p-queue, spawn, a JSON
// reply. It keeps nothing: no queue on disk, no events, no limits on output. That makes it the cheapest honest peer.
//
// From the environment: AGENT (program to run), PORT (3001), CONCURRENCY (5), SECRET ("secret").
import { createHmac, timingSafeEqual } from 'node:crypto';
import { spawn } from 'node:child_process';

import Fastify from 'fastify';
import PQueue from 'p-queue';

const { AGENT, PORT = '3001', CONCURRENCY = '5', SECRET = 'secret' } = process.env;
const DEFAULT_TIMEOUT_MS = 120_000;

const app = Fastify({ logger: false });
const queue = new PQueue({ concurrency: Number(CONCURRENCY) });

// The signature covers the bytes as they came, so they are kept beside what they parse to.
app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
  request.raw.textBody = body;
  try {
    done(null, JSON.parse(body));
  } catch (error) {
    done(Object.assign(error, { statusCode: 400 }));
  }
});

app.addHook('preHandler', async (request, reply) => {
  if (request.method !== 'POST') return;
  const timestamp = request.headers['x-claude-timestamp'];
  const signature = request.headers['x-claude-signature'];
  if (!timestamp || !signature) return reply.code(401).send({ error: 'Missing authentication headers' });
  const expected = createHmac('sha256', SECRET).update(`${timestamp}:${request.raw.textBody}`).digest('hex');
  const matches = signature.length === expected.length && timingSafeEqual(Buffer.from(signature), Buffer.from(expected));
  if (!matches) return reply.code(401).send({ error: 'Invalid signature' });
});

function runAgent(prompt, args, timeoutMs) {
  return new Promise((resolve, reject) => {
    const startedAt = Date.now();
    const child = spawn(AGENT, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (errors += chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      if (code === 0) resolve({ output, duration: Date.now() - startedAt });
      else reject(new Error(`exit ${code}: ${errors}`));
    });
    child.stdin.end(prompt);
  });
}

app.post('/execute', async (request, reply) => {
  const { prompt, args = [], timeout = DEFAULT_TIMEOUT_MS } = request.body;
  try {
    const result = await queue.add(() => runAgent(prompt, args, timeout));
    return { success: true, result, executionTime: result.duration };
  } catch (error) {
    return reply.code(500).send({ success: false, error: error.message });
  }
});

app.get('/health', async () => ({ status: 'healthy' }));

await app.listen({ port: Number(PORT), host: '127.0.0.1' });
