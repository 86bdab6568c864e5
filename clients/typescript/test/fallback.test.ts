import assert from "node:assert/strict";
import { test } from "node:test";

import {
  Fallback,
  InvalidRequestError,
  RateLimitedError,
  TransportError,
  UnauthorizedError,
  type Executor,
} from "../src/index.js";

const fails = (error: Error): Executor => ({ execute: () => Promise.reject(error) });
const gives = (text: string): Executor => ({ execute: () => Promise.resolve({ text }) });

test("the next is asked where it may help", async () => {
  const chain = Fallback.from(fails(new RateLimitedError())).or(gives("second")).or(gives("third"));
  assert.deepEqual(await chain.execute({ prompt: "x" }), { kind: "output", output: { text: "second" } });
});

test("what is wrong with the call ends the chain", async () => {
  for (const error of [new InvalidRequestError("no", "cwd"), new UnauthorizedError()]) {
    const chain = Fallback.from(fails(error)).or(gives("second")).orStub("stub");
    await assert.rejects(chain.execute({ prompt: "x", critical: false }), error);
  }
});

test("a call is left for later", async () => {
  const queued: string[] = [];
  const queue = {
    async enqueue({ prompt }: { prompt: string }) {
      queued.push(prompt);
      return "01";
    },
  };
  const chain = Fallback.from(fails(new TransportError("refused"))).orQueue(queue);
  assert.deepEqual(await chain.execute({ prompt: "x" }), { kind: "queued", id: "01" });
  assert.deepEqual(queued, ["x"]);
});

test("a stub answers only what is not critical", async () => {
  const error = new RateLimitedError(7_000);
  const chain = Fallback.from(fails(error)).orStub("later");
  assert.deepEqual(await chain.execute({ prompt: "x", critical: false }), { kind: "stub", text: "later" });
  await assert.rejects(chain.execute({ prompt: "x" }), error);
});
