import type { Call, Output } from "./call.js";

/**
 * Runs calls.
 *
 * The promise settles by a deadline of the executor's own, whatever the other side does. It rejects with a `LegworkError`,
 * because breakers and fallbacks act on its kind, or with the reason of the call's own signal. A call that was given up may
 * still run to its end.
 */
export interface Executor {
  /** Runs one call and waits for its output. */
  execute(call: Call): Promise<Output>;
}
