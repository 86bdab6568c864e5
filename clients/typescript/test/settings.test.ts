import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";

import { HttpExecutor, InvalidSettingsError, RedisExecutor, executorFromEnvironment } from "../src/index.js";
import { ulid } from "../src/ulid.js";

const made = (url: string, secret = "", timeout = "") =>
  executorFromEnvironment({
    CLAUDE_SERVICE_URL: url,
    CLAUDE_SERVICE_SECRET: secret,
    CLAUDE_SERVICE_TIMEOUT: timeout,
  });

test("the address decides which executor it is", () => {
  assert.ok(made("http://localhost:3000", "k", "1500") instanceof HttpExecutor);
  assert.ok(made("https://localhost/legwork/", "k") instanceof HttpExecutor);
  assert.ok(made("redis://localhost:6379/2") instanceof RedisExecutor);
});

test("what is wrong is named, and not shown", () => {
  const rows: [string, string, string, string][] = [
    ["", "k", "", "CLAUDE_SERVICE_URL"],
    ["ftp://localhost", "k", "", "CLAUDE_SERVICE_URL"],
    ["localhost:3000", "k", "", "CLAUDE_SERVICE_URL"],
    ["http://user:pass-word@localhost", "k", "", "CLAUDE_SERVICE_URL"],
    ["http://localhost", "", "", "CLAUDE_SERVICE_SECRET"],
    ["http://localhost", "k", "soon", "CLAUDE_SERVICE_TIMEOUT"],
  ];
  for (const [url, secret, timeout, setting] of rows) {
    assert.throws(
      () => made(url, secret, timeout),
      (error) => {
        assert.ok(error instanceof InvalidSettingsError);
        assert.equal(error.setting, setting);
        assert.doesNotMatch(inspect(error), /pass-word/);
        return true;
      },
    );
  }
});

test("an executor does not show what is secret", () => {
  const shown = inspect([made("http://localhost", "sign-key"), made("redis://user:pass-word@localhost")], { depth: 9 });
  assert.doesNotMatch(shown, /sign-key|pass-word/);
});

test("ids sort by their time and differ", () => {
  assert.match(ulid(0), /^0{10}[0-9A-HJKMNP-TV-Z]{16}$/);
  assert.match(ulid(1_772_366_400_000), /^01KJ/);
  assert.notEqual(ulid(1), ulid(1));
});
