import { createHmac } from "node:crypto";

import type { Call, Output } from "./call.js";
import { DEFAULT_TIMEOUT_MS, withDeadline } from "./deadline.js";
import {
  InvalidRequestError,
  InvalidSettingsError,
  JobFailedError,
  RateLimitedError,
  TimedOutError,
  TransportError,
  UnauthorizedError,
  UnavailableError,
  UnexpectedAnswerError,
  inWords,
  isFailureCode,
  type LegworkError,
} from "./errors.js";
import type { Executor } from "./executor.js";
import type { Settings } from "./settings.js";

/** How long Node's `fetch` waits for the head of an answer, whatever it is told. */
const LONGEST_OF_FETCH_MS = 300_000;

/** What the service may answer, in success or not. */
interface Body {
  success?: boolean;
  result?: { output?: unknown; duration?: number } | null;
  error?: string;
  code?: string;
  field?: string;
  executionId?: string;
}

/**
 * Calls the agent by `POST /execute`, signed with the time and a shared secret. Giving a call up does not end its run.
 *
 * No redirect is followed: a signature is good once. Node's `fetch` gives up after five minutes; what takes longer goes over
 * Redis.
 */
export class HttpExecutor implements Executor {
  readonly #url: string;
  readonly #secret: string;
  readonly #timeoutMs: number;

  /** @throws InvalidSettingsError */
  constructor(settings: Settings) {
    this.#url = `${baseOf(settings.url)}/execute`;
    if (!settings.secret) {
      throw new InvalidSettingsError("CLAUDE_SERVICE_SECRET", "is not set; calls over HTTP are signed with it");
    }
    this.#secret = settings.secret;
    this.#timeoutMs = settings.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  async execute(call: Call): Promise<Output> {
    const timeoutMs = call.timeoutMs ?? this.#timeoutMs;
    return withDeadline(call, timeoutMs, (signal) => this.#ask(call, timeoutMs, signal));
  }

  async #ask(call: Call, timeoutMs: number, signal: AbortSignal): Promise<Output> {
    const { prompt, args = [], cwd } = call;
    const body = JSON.stringify({ prompt, args, cwd, timeout: timeoutMs });
    const time = String(Date.now());
    const headers = {
      "content-type": "application/json",
      "x-claude-timestamp": time,
      "x-claude-signature": sign(this.#secret, time, body),
    };
    try {
      const response = await fetch(this.#url, { method: "POST", headers, body, signal, redirect: "manual" });
      return read(response.status, response.headers.get("retry-after"), await response.text());
    } catch (error) {
      throw error instanceof TypeError ? broken(error) : error;
    }
  }
}

function baseOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !["http:", "https:"].includes(url.protocol) || url.username || url.password) {
    throw new InvalidSettingsError(
      "CLAUDE_SERVICE_URL",
      "must be an address such as http://127.0.0.1:3000 (without a password) or redis://127.0.0.1:6379",
    );
  }
  return url.href.replace(/\/+$/, "");
}

/** Hex HMAC-SHA256 of `<time>:<body>`. */
export function sign(secret: string, time: string, body: string): string {
  return createHmac("sha256", secret).update(`${time}:${body}`).digest("hex");
}

/** `fetch` reports every trouble with a connection as a `TypeError`. */
function broken(error: TypeError): LegworkError {
  const code = (error.cause as { code?: string } | undefined)?.code;
  return code === "UND_ERR_HEADERS_TIMEOUT"
    ? new TimedOutError(LONGEST_OF_FETCH_MS)
    : new TransportError(inWords(error));
}

/** The output in an answer, or the error that it is. */
export function read(status: number, retryAfter: string | null, text: string): Output {
  const body = parse(text);
  const { success, result, error, code, field, executionId } = body ?? {};
  if (status === 200 && success === true && typeof result?.output === "string") {
    return {
      text: result.output,
      ...(typeof result.duration === "number" && { durationMs: result.duration }),
      ...(executionId && { executionId }),
    };
  }
  const message = error ?? `status ${status}`;
  const retryAfterMs = retryAfter && /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : undefined;
  if (status === 500 && isFailureCode(code)) {
    throw new JobFailedError(code, message, executionId);
  }
  if (status === 401 || status === 403) {
    throw new UnauthorizedError();
  }
  if (status === 429) {
    throw new RateLimitedError(retryAfterMs);
  }
  if ([502, 503, 504].includes(status)) {
    throw new UnavailableError(message, retryAfterMs);
  }
  if (status >= 400 && status < 500) {
    throw new InvalidRequestError(message, field, code);
  }
  throw new UnexpectedAnswerError(body ? message : `status ${status} without JSON`);
}

function parse(text: string): Body | undefined {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === "object" && body !== null ? body : undefined;
  } catch {
    return undefined;
  }
}
