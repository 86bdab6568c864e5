import assert from "node:assert/strict";
import { test } from "node:test";

import { read, sign } from "../src/http.js";
import {
  InvalidRequestError,
  JobFailedError,
  RateLimitedError,
  UnauthorizedError,
  UnavailableError,
  UnexpectedAnswerError,
} from "../src/index.js";
import { parseResponse, readResponse, request } from "../src/wire.js";

/** The error's kind and what it tells. */
function refusal(read: () => unknown): Record<string, unknown> {
  try {
    read();
  } catch (error) {
    assert.ok(error instanceof Error);
    const { name, message, isFailureOfService: _, ...told } = error as unknown as Record<string, unknown>;
    return { ...told, kind: (error as Error).constructor, message: error.message };
  }
  throw new assert.AssertionError({ message: "it should be refused" });
}

test("the signature covers the time and the body", () => {
  const signed = sign("key", "1772366400000", '{"prompt":"hi"}');
  assert.equal(signed, "604d6504857cda9a971dcda04737c6ed2ba5285df2641e4966d775b6f5d03977");
});

test("each answer over HTTP is one kind of error", () => {
  const rows: [number, string | null, string, Record<string, unknown>][] = [
    [
      500,
      null,
      '{"success":false,"error":"too long","code":"TIMEOUT","executionId":"exe_1"}',
      { kind: JobFailedError, code: "TIMEOUT", executionId: "exe_1" },
    ],
    [500, null, '{"error":"x","code":"INTERNAL"}', { kind: UnexpectedAnswerError }],
    [500, null, "<html>", { kind: UnexpectedAnswerError }],
    [401, null, '{"error":"Unauthorized"}', { kind: UnauthorizedError }],
    [
      422,
      null,
      '{"error":"cwd: outside","code":"OUTSIDE","field":"cwd"}',
      { kind: InvalidRequestError, code: "OUTSIDE", field: "cwd" },
    ],
    [413, null, "", { kind: InvalidRequestError }],
    [429, "7", "{}", { kind: RateLimitedError, retryAfterMs: 7_000 }],
    [503, "5", '{"error":"full"}', { kind: UnavailableError, retryAfterMs: 5_000 }],
    [502, null, "", { kind: UnavailableError }],
    [200, null, "{}", { kind: UnexpectedAnswerError }],
    [302, null, "", { kind: UnexpectedAnswerError }],
  ];
  for (const [status, retryAfter, body, expected] of rows) {
    assertHas(refusal(() => read(status, retryAfter, body)), expected, `${status} ${body}`);
  }
});

test("a success over HTTP gives what was printed", () => {
  const body = '{"success":true,"result":{"output":"hi","duration":12},"executionTime":20,"executionId":"exe_1"}';
  assert.deepEqual(read(200, null, body), { text: "hi", durationMs: 12, executionId: "exe_1" });
});

test("each answer over Redis is one kind of error", () => {
  const rows: [string, Record<string, unknown>][] = [
    ['"success":false,"error":"boom"', { kind: JobFailedError, code: "UNKNOWN" }],
    ['"success":false,"error":"x","code":"SPAWN_FAILED"', { kind: JobFailedError, code: "SPAWN_FAILED" }],
    ['"error":"full","code":"QUEUE_FULL","retryAfter":5', { kind: UnavailableError, retryAfterMs: 5_000 }],
    ['"error":"no","code":"PROMPT_MISSING","field":"prompt"', { kind: InvalidRequestError, field: "prompt" }],
    ['"success":true', { kind: UnexpectedAnswerError }],
  ];
  for (const [answer, expected] of rows) {
    const response = parseResponse(`{"id":"1",${answer}}`);
    assert.ok(response);
    assertHas(refusal(() => readResponse(response)), expected, answer);
  }
});

test("a request over Redis has the fields of the contract", () => {
  const sent = JSON.parse(request("01", { prompt: "hi", args: ["-p"], cwd: "/srv" }, 1_000));
  assert.deepEqual(sent, { id: "01", prompt: "hi", args: ["-p"], cwd: "/srv", timeout: 1_000 });
});

test("what is no answer is passed over", () => {
  for (const payload of ["", "hello", "[]", "null", '{"success":true}']) {
    assert.equal(parseResponse(payload), undefined, payload);
  }
});

function assertHas(found: Record<string, unknown>, expected: Record<string, unknown>, row: string): void {
  for (const [name, value] of Object.entries(expected)) {
    assert.equal(found[name], value, `${name} of ${row}`);
  }
}
