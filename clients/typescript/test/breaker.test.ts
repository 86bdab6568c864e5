import assert from "node:assert/strict";
import { test } from "node:test";

import { CircuitBreaker, CircuitOpenError, InvalidRequestError, TransportError, type Executor } from "../src/index.js";

/** Does what its prompt names. */
const scripted: Executor = {
  async execute({ prompt, signal }) {
    switch (prompt) {
      case "works":
        return { text: "" };
      case "fails":
        throw new TransportError("refused");
      case "wrong":
        throw new InvalidRequestError("no");
      default:
        return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
    }
  },
};

class Lab {
  now = 0;
  readonly told: string[] = [];
  readonly breaker = new CircuitBreaker(scripted, { now: () => this.now });

  constructor() {
    for (const change of ["open", "half-open", "close"] as const) {
      this.breaker.on(change, () => this.told.push(change));
    }
  }

  async fails(times: number): Promise<void> {
    for (let time = 0; time < times; time += 1) {
      await assert.rejects(this.breaker.execute({ prompt: "fails" }), TransportError);
    }
  }

  async refuses(retryAfterMs: number | undefined): Promise<void> {
    await assert.rejects(this.breaker.execute({ prompt: "works" }), (error) => {
      assert.ok(error instanceof CircuitOpenError);
      assert.equal(error.retryAfterMs, retryAfterMs);
      return true;
    });
  }
}

test("it opens, tries once and closes", async () => {
  const lab = new Lab();
  await lab.fails(10);
  lab.now = 10_000;
  await lab.refuses(20_000);
  lab.now = 30_000;
  const given = new AbortController();
  const trial = lab.breaker.execute({ prompt: "hangs", signal: given.signal });
  await lab.refuses(undefined);
  given.abort(new Error("given up"));
  await assert.rejects(trial, /given up/);
  await lab.breaker.execute({ prompt: "works" });
  assert.deepEqual(lab.told, ["open", "half-open", "close"]);
});

test("a trial that fails opens it again", async () => {
  const lab = new Lab();
  await lab.fails(10);
  lab.now = 30_000;
  await lab.fails(1);
  await lab.refuses(30_000);
  assert.deepEqual(lab.told, ["open", "half-open", "open"]);
});

test("what the caller did wrong does not count", async () => {
  const lab = new Lab();
  for (let time = 0; time < 50; time += 1) {
    await assert.rejects(lab.breaker.execute({ prompt: "wrong" }), InvalidRequestError);
  }
  await lab.fails(9);
  assert.deepEqual(lab.told, []);
  await lab.fails(1);
  assert.deepEqual(lab.told, ["open"]);
});
