// Against a server that listens at LEGWORK_TEST_URL over a scripted agent: it does what its prompt says.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  CircuitBreaker,
  CircuitOpenError,
  InvalidRequestError,
  JobFailedError,
  UnauthorizedError,
  executorFromEnvironment,
} from "../../src/index.js";

const { LEGWORK_TEST_URL: url, LEGWORK_TEST_SECRET: secret } = process.env;
const executor = executorFromEnvironment({ CLAUDE_SERVICE_URL: url, CLAUDE_SERVICE_SECRET: secret });

test("an output", async () => {
  const output = await executor.execute({ prompt: "text hello", args: ["-p"] });
  assert.equal(output.text, "hello");
  assert.ok(output.executionId?.startsWith("exe_") && output.durationMs !== undefined);
});

test("runs that fail", async () => {
  for (const [prompt, code] of [["exit 3", "EXIT_NONZERO"], ["hang", "TIMEOUT"]] as const) {
    await assert.rejects(executor.execute({ prompt, timeoutMs: 1_000 }), (error) => {
      assert.ok(error instanceof JobFailedError);
      assert.equal(error.code, code);
      return true;
    });
  }
});

test("requests that are wrong", async () => {
  await assert.rejects(executor.execute({ prompt: "text hello", cwd: "/etc" }), (error) => {
    assert.ok(error instanceof InvalidRequestError);
    assert.equal(error.field, "cwd");
    return true;
  });
  const stranger = executorFromEnvironment({ CLAUDE_SERVICE_URL: url, CLAUDE_SERVICE_SECRET: "something else" });
  await assert.rejects(stranger.execute({ prompt: "text hello" }), UnauthorizedError);
});

test("a service that fails is left alone and tried again", async () => {
  let now = 0;
  const told: string[] = [];
  const breaker = new CircuitBreaker(executor, { now: () => now });
  for (const change of ["open", "half-open", "close"] as const) {
    breaker.on(change, () => told.push(change));
  }
  for (let time = 0; time < 10; time += 1) {
    await assert.rejects(breaker.execute({ prompt: "exit 1" }), JobFailedError);
  }
  await assert.rejects(breaker.execute({ prompt: "text hello" }), CircuitOpenError);
  now = 30_000;
  assert.equal((await breaker.execute({ prompt: "text hello" })).text, "hello");
  assert.deepEqual(told, ["open", "half-open", "close"]);
});

test("a call that is given up", async () => {
  const given = new AbortController();
  const call = executor.execute({ prompt: "sleep 1s", signal: given.signal });
  setImmediate(() => given.abort(new Error("given up")));
  await assert.rejects(call, /given up/);
});
