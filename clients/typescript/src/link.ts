import { TransportError, UnavailableError, inWords } from "./errors.js";
import type { Delivery } from "./settings.js";
import { REQUESTS, RESPONSES, STREAM } from "./wire.js";

/** How long Redis may take for anything. */
const PATIENCE_MS = 5_000;
/** How often the connection is asked whether it lives: one that was cut says nothing. */
const PULSE_MS = 10_000;

/** A request on its way. */
export interface Letter {
  id: string;
  payload: string;
  delivery: Delivery;
}

/** The part of the package `redis` that is used here; its own types must not be needed by who uses HTTP alone. */
interface Client {
  connect(): Promise<unknown>;
  destroy(): void;
  ref(): void;
  unref(): void;
  ping(): Promise<unknown>;
  on(event: "error" | "end" | "terminated", listener: () => void): unknown;
  publish(channel: string, message: string): Promise<number>;
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
  xAdd(stream: string, id: string, fields: Record<string, string>): Promise<unknown>;
}

/** Both connections to Redis. Answers are listened for before anything is sent. It ends once and is not made anew. */
export class Link {
  readonly #requests: Client;
  readonly #answers: Client;
  readonly #isRefusal: (error: unknown) => boolean;
  readonly #lost: (link: Link) => void;
  #pulse: NodeJS.Timeout | undefined;
  #ended = false;

  private constructor(
    requests: Client,
    answers: Client,
    isRefusal: (error: unknown) => boolean,
    lost: (link: Link) => void,
  ) {
    [this.#requests, this.#answers, this.#isRefusal, this.#lost] = [requests, answers, isRefusal, lost];
    for (const client of [requests, answers]) {
      client.on("error", () => this.end());
      client.on("terminated", () => this.end());
      client.on("end", () => this.end());
    }
  }

  static async open(url: string, hear: (payload: string) => void, lost: (link: Link) => void): Promise<Link> {
    const { createClient, ErrorReply } = await import("redis");
    const socket = { connectTimeout: PATIENCE_MS, reconnectStrategy: false } as const;
    const make = () => createClient({ url, socket, RESP: 2, disableOfflineQueue: true });
    const isRefusal = (error: unknown) => error instanceof ErrorReply;
    const link = new Link(make(), make(), isRefusal, lost);
    try {
      await within(link.#connect(hear));
    } catch (error) {
      link.end();
      throw error;
    }
    return link;
  }

  /** Throws a `LegworkError` where Redis is there and it can't go, and something else where the connection is lost. */
  async send({ payload, delivery }: Letter): Promise<void> {
    try {
      if (delivery === "stream") {
        await within(this.#requests.xAdd(STREAM, "*", { payload }));
      } else if ((await within(this.#requests.publish(REQUESTS, payload))) === 0) {
        throw new UnavailableError("no service listens on this Redis");
      }
    } catch (error) {
      throw this.#isRefusal(error) ? new TransportError(inWords(error)) : error;
    }
  }

  /** Whether the process stays alive for it. */
  hold(needed: boolean): void {
    if (!this.#ended) {
      for (const client of [this.#requests, this.#answers]) {
        needed ? client.ref() : client.unref();
      }
    }
  }

  end(): void {
    if (this.#ended) {
      return;
    }
    this.#ended = true;
    clearInterval(this.#pulse);
    for (const client of [this.#requests, this.#answers]) {
      try {
        client.destroy();
      } catch {
        // It had ended by itself.
      }
    }
    this.#lost(this);
  }

  async #connect(hear: (payload: string) => void): Promise<void> {
    await this.#answers.connect();
    await this.#answers.subscribe(RESPONSES, hear);
    await this.#requests.connect();
    this.#pulse = setInterval(() => void this.#feelPulse(), PULSE_MS).unref();
  }

  async #feelPulse(): Promise<void> {
    await within(this.#answers.ping()).catch(() => this.end());
  }
}

async function within<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("Redis does not answer")), PATIENCE_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
