import type { Call } from "./call.js";
import { TimedOutError } from "./errors.js";

/** What a run may take where nobody says. */
export const DEFAULT_TIMEOUT_MS = 60_000;

/** How much longer than the run itself the answer is waited for: the service gives a run five seconds to leave. */
const GRACE_MS = 10_000;

/** The longest that a timer of Node can wait. */
const LONGEST_MS = 2 ** 31 - 1;

/** Does what `ask` does until the call's deadline, or until its own signal gives it up. */
export async function withDeadline<T>(
  call: Call,
  timeoutMs: number,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const patienceMs = Math.min(timeoutMs + GRACE_MS, LONGEST_MS);
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(new TimedOutError(patienceMs)), patienceMs);
  const signal = call.signal ? AbortSignal.any([over.signal, call.signal]) : over.signal;
  try {
    signal.throwIfAborted();
    return await ask(signal);
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
}
