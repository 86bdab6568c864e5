import assert from "node:assert/strict";
import { test } from "node:test";

import { Circuit } from "../src/circuit.js";

/** Each letter is a call: `w` worked, `f` failed, `n` is neither, `.` is ten seconds without one. Gives which one opened it. */
function opensAfter(calls: string): number | undefined {
  const circuit = new Circuit();
  let now = 0;
  for (const [place, call] of [...calls].entries()) {
    if (call === ".") {
      now += 10_000;
      continue;
    }
    const entry = circuit.enter(now);
    assert.ok(entry.admitted);
    const verdict = call === "w" ? "worked" : call === "f" ? "failed" : "neither";
    if (circuit.leave(entry.era, verdict, now) === "open") {
      return place;
    }
  }
  return undefined;
}

test("half of ten calls within a minute open it", () => {
  const rows: [string, number | undefined][] = [
    ["fffffffff", undefined],
    ["ffffffffff", 9],
    ["wwwwwfffff", 9],
    ["wwwwwwffff", undefined],
    ["wwwwwwffffff", 11],
    ["fffffnnnnnn", undefined],
    ["fffff......wwwwwfff", undefined],
    ["fffff.....wwwww", 14],
  ];
  for (const [calls, opened] of rows) {
    assert.equal(opensAfter(calls), opened, calls);
  }
});

test("what began before the change says nothing after it", () => {
  const circuit = new Circuit({ minimumCalls: 1 });
  const early = circuit.enter(0);
  const failing = circuit.enter(0);
  assert.ok(early.admitted && failing.admitted);
  assert.equal(circuit.leave(failing.era, "failed", 1_000), "open");
  const trial = circuit.enter(31_000);
  assert.ok(trial.admitted && trial.change === "half-open");
  assert.equal(circuit.leave(early.era, "worked", 32_000), undefined);
  assert.deepEqual(circuit.enter(32_000), { admitted: false }, "the trial goes on");
  assert.equal(circuit.leave(trial.era, "worked", 33_000), "close");
});
