import { EventEmitter } from "node:events";

import type { Call, Output } from "./call.js";
import { Circuit, type Change, type Rules, type Verdict } from "./circuit.js";
import { CircuitOpenError, LegworkError } from "./errors.js";
import type { Executor } from "./executor.js";

/** When the circuit opens, for how long, and by which clock. */
export interface BreakerRules extends Partial<Rules> {
  /** Milliseconds of a clock that never goes back. */
  now?: () => number;
}

/** One event for each change of the circuit. */
type Events = Record<Change, []>;

/**
 * An executor that refuses calls with `CircuitOpenError` while the service fails.
 *
 * Which errors count is said by `LegworkError.isFailureOfService`; calls that end with another error, or are given up, count
 * neither way. Emits `open`, `half-open` (one call tries the service, others are refused until it ended) and `close`.
 */
export class CircuitBreaker extends EventEmitter<Events> implements Executor {
  readonly #executor: Executor;
  readonly #circuit: Circuit;
  readonly #now: () => number;

  constructor(executor: Executor, { now = () => performance.now(), ...rules }: BreakerRules = {}) {
    super();
    this.#executor = executor;
    this.#circuit = new Circuit(rules);
    this.#now = now;
  }

  async execute(call: Call): Promise<Output> {
    const entry = this.#circuit.enter(this.#now());
    if (!entry.admitted) {
      throw new CircuitOpenError(entry.retryAfterMs);
    }
    this.#tell(entry.change);
    let verdict: Verdict = "neither";
    try {
      const output = await this.#executor.execute(call);
      verdict = "worked";
      return output;
    } catch (error) {
      verdict = error instanceof LegworkError && error.isFailureOfService ? "failed" : "neither";
      throw error;
    } finally {
      this.#tell(this.#circuit.leave(entry.era, verdict, this.#now()));
    }
  }

  #tell(change: Change | undefined): void {
    if (change) {
      // A listener that throws must not turn an answer into an error.
      queueMicrotask(() => this.emit(change));
    }
  }
}
