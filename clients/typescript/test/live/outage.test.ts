// Whoever starts this kills Redis while the call runs, and starts it again after its end.

import assert from "node:assert/strict";
import { test } from "node:test";

import { RedisExecutor } from "../../src/index.js";

test("a call outlives Redis", async () => {
  const executor = new RedisExecutor({ url: process.env["LEGWORK_TEST_REDIS_URL"] ?? "" });
  const output = await executor.execute({ prompt: "text begun\nsleep 500ms\ntext done" });
  assert.equal(output.text, "done");
});
