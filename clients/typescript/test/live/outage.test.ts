// Whoever starts this takes Redis away while the call runs, and gives it back after its end.

import assert from "node:assert/strict";
import { test } from "node:test";

import { RedisExecutor } from "../../src/index.js";

test("a call outlives its connection", async () => {
  const executor = new RedisExecutor({ url: process.env["LEGWORK_TEST_REDIS_URL"] ?? "" });
  const output = await executor.execute({ prompt: "text begun\nsleep 500ms\ntext done" });
  assert.equal(output.text, "done");
});
