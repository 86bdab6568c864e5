import type { Call, Output } from "./call.js";
import { Correspondent } from "./correspondent.js";
import { DEFAULT_TIMEOUT_MS, withDeadline } from "./deadline.js";
import { InvalidSettingsError } from "./errors.js";
import type { Executor } from "./executor.js";
import type { Delivery, Settings } from "./settings.js";
import { ulid } from "./ulid.js";
import { request } from "./wire.js";

/**
 * Calls the agent over Redis (the package `redis` must be installed).
 *
 * A connection that breaks is made anew, and what was asked is asked again by the same id: the service runs an id once and
 * answers it as often as it is asked. A call that never left rejects at once. Giving a call up does not end its run.
 */
export class RedisExecutor implements Executor {
  readonly #correspondent: Correspondent;
  readonly #timeoutMs: number;
  readonly #delivery: Delivery;

  /**
   * Redis is connected to by the first call. The connection does not keep the process alive.
   *
   * @throws InvalidSettingsError
   */
  constructor(settings: Settings) {
    const { url, timeoutMs = DEFAULT_TIMEOUT_MS, delivery = "stream" } = settings;
    if (!URL.canParse(url) || !/^rediss?:\/\/[^/]/.test(url)) {
      throw new InvalidSettingsError("CLAUDE_SERVICE_URL", "must be an address of Redis");
    }
    this.#correspondent = new Correspondent(url);
    this.#timeoutMs = timeoutMs;
    this.#delivery = delivery;
  }

  async execute(call: Call): Promise<Output> {
    return this.executeAs(ulid(), call);
  }

  /**
   * Runs a call under an id of the caller's. An id that ran, or runs, is not run again, but answered; the call must be the
   * same.
   */
  async executeAs(id: string, call: Call): Promise<Output> {
    const timeoutMs = call.timeoutMs ?? this.#timeoutMs;
    const letter = { id, payload: request(id, call, timeoutMs), delivery: this.#delivery };
    return withDeadline(call, timeoutMs, (signal) => this.#correspondent.ask(letter, signal));
  }

  /** Leaves a call in the durable stream and gives its id. `executeAs` with this id gives its output. */
  async enqueue(call: Call): Promise<string> {
    const id = ulid();
    const payload = request(id, call, call.timeoutMs ?? this.#timeoutMs);
    await withDeadline(call, 0, (signal) => this.#correspondent.leave({ id, payload, delivery: "stream" }, signal));
    return id;
  }

  /** Closes the connection. Calls that wait reject. */
  close(): void {
    this.#correspondent.close();
  }
}
