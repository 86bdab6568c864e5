import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";

import { sign } from "../src/http.js";
import { HttpExecutor, TransportError } from "../src/index.js";

/** The address of a server that lives as long as the test. */
async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

test("a call is signed as it is sent", async (t) => {
  const url = await serve(t, async (request, response) => {
    let body = "";
    for await (const chunk of request) {
      body += chunk;
    }
    const time = String(request.headers["x-claude-timestamp"]);
    const signed = request.headers["x-claude-signature"] === sign("key", time, body);
    const output = JSON.stringify({ signed, path: request.url, body: JSON.parse(body) });
    response.end(JSON.stringify({ success: true, result: { output, duration: 1 } }));
  });
  const output = await new HttpExecutor({ url, secret: "key" }).execute({ prompt: "hi", args: ["-p"], timeoutMs: 500 });
  const body = { prompt: "hi", args: ["-p"], timeout: 500 };
  assert.deepEqual(JSON.parse(output.text), { signed: true, path: "/execute", body });
});

test("a call that is given up closes its connection", async (t) => {
  const given = new AbortController();
  let closed: () => void;
  const closing = new Promise<void>((resolve) => (closed = resolve));
  const url = await serve(t, (request) => {
    request.socket.on("close", () => closed());
    given.abort(new Error("given up"));
  });
  const call = { prompt: "hi", signal: given.signal };
  await assert.rejects(new HttpExecutor({ url, secret: "key" }).execute(call), /given up/);
  await closing;
});

test("a service that is not there is a trouble of transport", async () => {
  const executor = new HttpExecutor({ url: "http://127.0.0.1:1", secret: "key" });
  await assert.rejects(executor.execute({ prompt: "hi" }), (error) => {
    assert.ok(error instanceof TransportError);
    assert.match(error.message, /ECONNREFUSED|bad port/);
    return true;
  });
});
