import type { Call, Output } from "./call.js";
import {
  InvalidRequestError,
  JobFailedError,
  RateLimitedError,
  UnauthorizedError,
  UnavailableError,
  UnexpectedAnswerError,
  isFailureCode,
} from "./errors.js";

/** The channel that requests go to where they need not last. */
export const REQUESTS = "claude:cli:requests";
/** The stream that requests go to where they must. */
export const STREAM = "claude:cli:requests:stream";
/** The channel that answers come on. */
export const RESPONSES = "claude:cli:responses";

/** An answer to some request. */
export interface Response {
  id: string;
  success?: boolean;
  result?: unknown;
  error?: string;
  code?: string;
  field?: string;
  /** Seconds. */
  retryAfter?: number;
  executionId?: string;
}

/** `timeout` is in milliseconds; the contract's first services do not know it and pass it over. */
export function request(id: string, { prompt, args = [], cwd }: Call, timeoutMs: number): string {
  return JSON.stringify({ id, prompt, args, cwd, timeout: timeoutMs });
}

/** `undefined` where it is none. */
export function parseResponse(payload: string): Response | undefined {
  try {
    const response = JSON.parse(payload) as Partial<Response> | null;
    return typeof response?.id === "string" ? (response as Response) : undefined;
  } catch {
    return undefined;
  }
}

/** The output in an answer, or the error that it is. */
export function readResponse(response: Response): Output {
  const { success, result, error: message = "", code, field, retryAfter, executionId } = response;
  if (success === true) {
    if (typeof result !== "string") {
      throw new UnexpectedAnswerError("a success without a result");
    }
    return { text: result, ...(executionId && { executionId }) };
  }
  if (code === undefined || isFailureCode(code)) {
    throw new JobFailedError(code ?? "UNKNOWN", message, executionId);
  }
  const retryAfterMs = retryAfter === undefined ? undefined : retryAfter * 1000;
  switch (code) {
    case "UNAUTHORIZED":
    case "FORBIDDEN":
      throw new UnauthorizedError();
    case "QUOTA_REACHED":
      throw new RateLimitedError(retryAfterMs);
    case "QUEUE_FULL":
    case "SHUTTING_DOWN":
    case "DATABASE_UNAVAILABLE":
      throw new UnavailableError(message, retryAfterMs);
    case "INTERNAL":
      throw new UnexpectedAnswerError(message);
    default:
      throw new InvalidRequestError(message, field, code);
  }
}
