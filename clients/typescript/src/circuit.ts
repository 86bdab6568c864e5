/** When the circuit opens, and for how long. */
export interface Rules {
  /** Opens when so many of a hundred calls failed. 50. */
  errorPercent: number;
  /** Does not open before so many calls ended inside the window. 10. */
  minimumCalls: number;
  /** How far back calls count. A minute. */
  windowMs: number;
  /** How long the service is left alone before one call tries it. 30 seconds. */
  openForMs: number;
}

/** What became of the circuit. */
export type Change = "open" | "half-open" | "close";

/** What a call says about the service. */
export type Verdict = "worked" | "failed" | "neither";

/** A call that was let through, or how long calls are refused (`undefined` while a trial is under way). */
export type Entry =
  | { admitted: true; era: number; change?: Change }
  | { admitted: false; retryAfterMs?: number };

type State =
  | { is: "closed"; ended: { at: number; failed: boolean }[] }
  | { is: "open"; until: number }
  | { is: "half-open"; trying: boolean };

/** The states of a circuit, without a clock or calls of its own. */
export class Circuit {
  readonly #rules: Rules;
  #state: State = { is: "closed", ended: [] };
  /** Counts the changes, so that a call which began before one says nothing about what is now. */
  #era = 0;

  constructor(rules: Partial<Rules> = {}) {
    this.#rules = { errorPercent: 50, minimumCalls: 10, windowMs: 60_000, openForMs: 30_000, ...rules };
  }

  enter(now: number): Entry {
    const state = this.#state;
    if (state.is === "open") {
      if (now < state.until) {
        return { admitted: false, retryAfterMs: state.until - now };
      }
      const change = this.#become({ is: "half-open", trying: true }, "half-open");
      return { admitted: true, era: this.#era, change };
    }
    if (state.is === "half-open") {
      if (state.trying) {
        return { admitted: false };
      }
      state.trying = true;
    }
    return { admitted: true, era: this.#era };
  }

  /** Hears how a call ended. */
  leave(era: number, verdict: Verdict, now: number): Change | undefined {
    const state = this.#state;
    if (era !== this.#era || state.is === "open") {
      return undefined;
    }
    if (verdict === "neither") {
      if (state.is === "half-open") {
        state.trying = false;
      }
      return undefined;
    }
    if (state.is === "half-open") {
      return verdict === "failed" ? this.#open(now) : this.#become({ is: "closed", ended: [] }, "close");
    }
    state.ended.push({ at: now, failed: verdict === "failed" });
    state.ended = state.ended.filter((call) => call.at > now - this.#rules.windowMs);
    return this.#isTooMuch(state.ended) ? this.#open(now) : undefined;
  }

  #isTooMuch(ended: readonly { failed: boolean }[]): boolean {
    const failed = ended.filter((call) => call.failed).length;
    const { minimumCalls, errorPercent } = this.#rules;
    return ended.length >= minimumCalls && failed > 0 && failed * 100 >= ended.length * errorPercent;
  }

  #open(now: number): Change {
    return this.#become({ is: "open", until: now + this.#rules.openForMs }, "open");
  }

  #become(state: State, change: Change): Change {
    this.#state = state;
    this.#era += 1;
    return change;
  }
}
