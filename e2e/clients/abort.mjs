// Aborts POST /claude-code after its first line.
//
//   node abort.mjs SERVER

const [server] = process.argv.slice(2);
const leaving = new AbortController();
const response = await fetch(new URL('/claude-code', server), {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ prompt: 'text waiting\nspawn child sleeper m\nhang' }),
  signal: leaving.signal,
});
const { value } = await response.body.pipeThrough(new TextDecoderStream()).getReader().read();
leaving.abort();
console.log(`aborted after: ${JSON.parse(value).content}`);
