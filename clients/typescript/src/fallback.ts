import type { Call, Output } from "./call.js";
import { LegworkError, TransportError } from "./errors.js";
import type { Executor } from "./executor.js";

/** How a call was answered: by an executor, not yet (it waits under this id), or by a text that was made before. */
export type Answer =
  | { kind: "output"; output: Output }
  | { kind: "queued"; id: string }
  | { kind: "stub"; text: string };

/** Where calls wait for later; a `RedisExecutor` is one. */
export interface Queue {
  /** Leaves a call there and gives its id. */
  enqueue(call: Call): Promise<string>;
}

/** A way to answer; `undefined` where it is not for such a call. */
type Step = (call: Call) => Promise<Answer | undefined>;

/**
 * A chain of ways to answer a call. The next is taken where the one before may be helped by somebody else
 * (`LegworkError.maySucceedElsewhere`); what is wrong with the call itself ends the chain.
 *
 * A call that an executor gave up may still run there: what comes after it in the chain may do it again.
 */
export class Fallback {
  readonly #steps: readonly Step[];

  private constructor(steps: readonly Step[]) {
    this.#steps = steps;
  }

  /** First asks this one. */
  static from(executor: Executor): Fallback {
    return new Fallback([]).or(executor);
  }

  /** Then this one, such as another provider. */
  or(executor: Executor): Fallback {
    return this.#and(async (call) => ({ kind: "output", output: await executor.execute(call) }));
  }

  /** Then leaves the call for later. */
  orQueue(queue: Queue): Fallback {
    return this.#and(async (call) => ({ kind: "queued", id: await queue.enqueue(call) }));
  }

  /** Then gives this text, to calls that are not critical. */
  orStub(text: string): Fallback {
    return this.#and(async (call) => (call.critical === false ? { kind: "stub", text } : undefined));
  }

  /** Answers by the first that can; rejects with what is wrong with the call, or the error of the last that was asked. */
  async execute(call: Call): Promise<Answer> {
    let last: unknown = new TransportError("nobody was asked");
    for (const step of this.#steps) {
      try {
        const answer = await step(call);
        if (answer) {
          return answer;
        }
      } catch (error) {
        if (!(error instanceof LegworkError) || !error.maySucceedElsewhere) {
          throw error;
        }
        last = error;
      }
    }
    throw last;
  }

  #and(step: Step): Fallback {
    return new Fallback([...this.#steps, step]);
  }
}
