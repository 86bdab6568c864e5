/** How a run failed, in the contract's words. `UNKNOWN` where the service does not say; older ones on Redis never do. */
export type FailureCode =
  | "TIMEOUT"
  | "SPAWN_FAILED"
  | "EXIT_NONZERO"
  | "OUTPUT_TOO_LARGE"
  | "CANCELLED"
  | "UNKNOWN";

const FAILURE_CODES = new Set<string>(["TIMEOUT", "SPAWN_FAILED", "EXIT_NONZERO", "OUTPUT_TOO_LARGE", "CANCELLED"]);

/** Whether a code on the wire says how a run failed, not why a request was refused. */
export function isFailureCode(code: string | undefined): code is FailureCode {
  return code !== undefined && FAILURE_CODES.has(code);
}

/** Why there is no output. */
export abstract class LegworkError extends Error {
  /**
   * Whether the service did not do what it is there for. What the caller did wrong is not the service's failure, and neither
   * is a job that was cancelled or printed too much.
   */
  abstract readonly isFailureOfService: boolean;

  /** Whether somebody else may do what this service did not. */
  get maySucceedElsewhere(): boolean {
    return this.isFailureOfService;
  }

  override get name(): string {
    return this.constructor.name;
  }
}

/** The request is wrong, and will be so next time. */
export class InvalidRequestError extends LegworkError {
  readonly isFailureOfService = false;

  constructor(
    message: string,
    /** The field that is wrong, where the service names one. */
    readonly field?: string,
    /** The service's stable name of the mistake. */
    readonly code?: string,
  ) {
    super(`the service refused the request: ${message}`);
  }
}

/** The secret is not the service's, or the clocks are too far apart. */
export class UnauthorizedError extends LegworkError {
  readonly isFailureOfService = false;

  constructor() {
    super("the service did not accept the signature; compare secrets and clocks");
  }
}

/** Too many calls from here. */
export class RateLimitedError extends LegworkError {
  readonly isFailureOfService = false;

  constructor(
    /** When to come again. */
    readonly retryAfterMs?: number,
  ) {
    super("the service takes no more calls from here for now");
  }

  override get maySucceedElsewhere(): boolean {
    return true;
  }
}

/** The service is full, shutting down or not there. */
export class UnavailableError extends LegworkError {
  readonly isFailureOfService = true;

  constructor(
    message: string,
    /** When to come again. */
    readonly retryAfterMs?: number,
  ) {
    super(`the service can't take calls now: ${message}`);
  }
}

/** The run failed. */
export class JobFailedError extends LegworkError {
  constructor(
    readonly code: FailureCode,
    message: string,
    /** The run's name in the service's record. */
    readonly executionId?: string,
  ) {
    super(`the run failed (${code}): ${message}`);
  }

  get isFailureOfService(): boolean {
    return this.code !== "CANCELLED" && this.code !== "OUTPUT_TOO_LARGE";
  }
}

/** No answer came in time. The run may still go on. */
export class TimedOutError extends LegworkError {
  readonly isFailureOfService = true;

  constructor(
    /** How long it was waited for. */
    readonly afterMs: number,
  ) {
    super(`no answer came within ${afterMs} ms`);
  }
}

/** The circuit breaker is open: the service was not asked. */
export class CircuitOpenError extends LegworkError {
  readonly isFailureOfService = false;

  constructor(
    /** When it is tried again; `undefined` while a trial is under way. */
    readonly retryAfterMs?: number,
  ) {
    super("the service failed too often and is left alone for now");
  }

  override get maySucceedElsewhere(): boolean {
    return true;
  }
}

/** The connection could not be made, or broke. */
export class TransportError extends LegworkError {
  readonly isFailureOfService = true;

  constructor(message: string) {
    super(`the service could not be reached: ${message}`);
  }
}

/** An answer that is not of the contract. */
export class UnexpectedAnswerError extends LegworkError {
  readonly isFailureOfService = true;

  constructor(message: string) {
    super(`the answer is not one of this contract: ${message}`);
  }
}

/** A setting with which there is no executor. It never holds the value. */
export class InvalidSettingsError extends Error {
  constructor(
    /** The variable that is wrong. */
    readonly setting: string,
    message: string,
  ) {
    super(`${setting} ${message}`);
  }

  override get name(): string {
    return "InvalidSettingsError";
  }
}

/** What an error says, with what is behind it. */
export function inWords(error: unknown): string {
  const parts: string[] = [];
  for (let next = error; next instanceof Error && parts.length < 5; next = next.cause) {
    // An error of several addresses has nothing but a code.
    parts.push(next.message || (next as NodeJS.ErrnoException).code || next.name);
  }
  return parts.join(": ") || String(error);
}
