// Against a server that listens at LEGWORK_TEST_URL and takes calls by LEGWORK_TEST_REDIS_URL, over a scripted agent.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  Fallback,
  InvalidRequestError,
  JobFailedError,
  RedisExecutor,
  TransportError,
  executorFromEnvironment,
} from "../../src/index.js";

const { LEGWORK_TEST_URL: server = "", LEGWORK_TEST_REDIS_URL: url = "" } = process.env;

async function countExecutions(): Promise<number> {
  const page = await (await fetch(new URL("/v1/executions?limit=200", server))).json();
  return (page as { executions: unknown[] }).executions.length;
}

test("the address alone decides", async () => {
  const executor = executorFromEnvironment({ CLAUDE_SERVICE_URL: url });
  assert.equal((await executor.execute({ prompt: "text hello", args: ["-p"] })).text, "hello");
});

for (const delivery of ["stream", "channel"] as const) {
  test(`each end of a call by the ${delivery}`, async () => {
    const executor = new RedisExecutor({ url, delivery });
    const output = await executor.execute({ prompt: "text hello" });
    assert.equal(output.text, "hello");
    assert.ok(output.executionId?.startsWith("exe_"));
    for (const [prompt, code] of [["exit 3", "EXIT_NONZERO"], ["hang", "TIMEOUT"]] as const) {
      await assert.rejects(executor.execute({ prompt, timeoutMs: 1_000 }), (error) => {
        assert.ok(error instanceof JobFailedError);
        assert.equal(error.code, code);
        return true;
      });
    }
    await assert.rejects(executor.execute({ prompt: "text hello", cwd: "/etc" }), (error) => {
      assert.ok(error instanceof InvalidRequestError);
      assert.equal(error.field, "cwd");
      return true;
    });
  });
}

test("many calls at once get their own answers, and an id runs once", async () => {
  const executor = new RedisExecutor({ url });
  const before = await countExecutions();
  const numbers = [...Array(20).keys()].map(String);
  const outputs = await Promise.all(numbers.map((number) => executor.execute({ prompt: `text ${number}` })));
  assert.deepEqual(outputs.map((output) => output.text), numbers);
  const call = { prompt: "text once" };
  const [one, other] = await Promise.all([executor.executeAs("one", call), executor.executeAs("one", call)]);
  assert.deepEqual(one, other);
  assert.deepEqual(await executor.executeAs("one", call), one, "also when it has ended");
  assert.equal(await countExecutions(), before + 21);
});

test("a call that is left for later is answered later", async () => {
  const queue = new RedisExecutor({ url });
  const nobody = new RedisExecutor({ url: "redis://127.0.0.1:1" });
  const call = { prompt: "text later" };
  await assert.rejects(nobody.execute(call), TransportError);
  const answer = await Fallback.from(nobody).orQueue(queue).execute(call);
  assert.ok(answer.kind === "queued");
  assert.equal((await queue.executeAs(answer.id, call)).text, "later");
});

test("a call that is given up, and an executor that is closed", async () => {
  const executor = new RedisExecutor({ url });
  const given = new AbortController();
  const call = executor.execute({ prompt: "sleep 1s", signal: given.signal });
  setImmediate(() => given.abort(new Error("given up")));
  await assert.rejects(call, /given up/);
  const closed = executor.execute({ prompt: "sleep 1s" });
  executor.close();
  await assert.rejects(closed, TransportError);
  await assert.rejects(executor.execute({ prompt: "text hello" }), TransportError);
});
