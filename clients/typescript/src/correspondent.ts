import { setTimeout as delay } from "node:timers/promises";

import type { Output } from "./call.js";
import { LegworkError, TransportError, inWords } from "./errors.js";
import { Link, type Letter } from "./link.js";
import { parseResponse, readResponse } from "./wire.js";

const FIRST_BACKOFF_MS = 100;
const MOST_BACKOFF_MS = 5_000;

/** A letter and who waits for what becomes of it. */
interface Waiting {
  letter: Letter;
  /** The connection it last left by. What left by one that is lost leaves again by the next. */
  leftBy?: Link;
  /** `undefined` where Redis having it is all that is waited for. */
  answered?: (read: () => Output) => void;
  left: () => void;
  failed: (error: Error) => void;
}

/** Owns the connection, and knows who waits for which answer. */
export class Correspondent {
  readonly #url: string;
  readonly #waiting = new Set<Waiting>();
  #link: Link | undefined;
  #running = false;
  #closed = false;

  constructor(url: string) {
    this.#url = url;
  }

  /** Sends a request and waits for the service's answer. */
  async ask(letter: Letter, signal: AbortSignal): Promise<Output> {
    const read = await this.#post<() => Output>(signal, (resolve, failed) => ({
      letter,
      answered: resolve,
      left: () => undefined,
      failed,
    }));
    return read();
  }

  /** Sends a request and waits until Redis has it. */
  async leave(letter: Letter, signal: AbortSignal): Promise<void> {
    await this.#post<void>(signal, (resolve, failed) => {
      const left = () => {
        this.#waiting.delete(waiting);
        resolve();
      };
      const waiting: Waiting = { letter, left, failed };
      return waiting;
    });
  }

  close(): void {
    this.#closed = true;
    this.#link?.end();
    this.#link = undefined;
    this.#failWhere(() => true, new TransportError("this executor was closed"));
  }

  async #post<T>(
    signal: AbortSignal,
    make: (resolve: (value: T) => void, reject: (error: Error) => void) => Waiting,
  ): Promise<T> {
    if (this.#closed) {
      throw new TransportError("this executor was closed");
    }
    let waiting: Waiting | undefined;
    try {
      return await new Promise<T>((resolve, reject) => {
        waiting = make(resolve, reject);
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        this.#waiting.add(waiting);
        this.#wake();
      });
    } finally {
      if (waiting) {
        this.#waiting.delete(waiting);
      }
      this.#hold();
    }
  }

  #wake(): void {
    this.#hold();
    if (!this.#running) {
      this.#running = true;
      void this.#run();
    }
  }

  /** The connection keeps the process alive while somebody waits. */
  #hold(): void {
    this.#link?.hold(this.#waiting.size > 0);
  }

  /** Until every letter has left. What can't leave fails at once, what left before waits on. */
  async #run(): Promise<void> {
    let backoff = FIRST_BACKOFF_MS;
    try {
      while (!this.#closed) {
        const letters = [...this.#waiting].filter((waiting) => !waiting.leftBy || waiting.leftBy !== this.#link);
        if (letters.length === 0) {
          return;
        }
        this.#link ??= await this.#connect();
        if (this.#link) {
          await this.#send(letters, this.#link);
        } else {
          await delay(backoff);
          backoff = Math.min(backoff * 2, MOST_BACKOFF_MS);
        }
      }
    } finally {
      this.#running = false;
    }
  }

  async #connect(): Promise<Link | undefined> {
    try {
      const link = await Link.open(
        this.#url,
        (payload) => this.#deliver(payload),
        (lost) => this.#lost(lost),
      );
      if (this.#closed) {
        link.end();
      }
      link.hold(this.#waiting.size > 0);
      return link;
    } catch (error) {
      this.#failWhere((waiting) => !waiting.leftBy, new TransportError(inWords(error)));
      return undefined;
    }
  }

  async #send(letters: readonly Waiting[], link: Link): Promise<void> {
    for (const waiting of letters) {
      if (this.#link !== link || !this.#waiting.has(waiting)) {
        continue;
      }
      try {
        await link.send(waiting.letter);
        waiting.leftBy = link;
        waiting.left();
      } catch (error) {
        if (error instanceof LegworkError) {
          waiting.failed(error);
          this.#waiting.delete(waiting);
        } else {
          link.end();
          await delay(FIRST_BACKOFF_MS);
        }
      }
    }
  }

  #lost(link: Link): void {
    if (this.#link === link) {
      this.#link = undefined;
      if (this.#waiting.size > 0) {
        this.#wake();
      }
    }
  }

  #deliver(payload: string): void {
    const response = parseResponse(payload);
    for (const waiting of this.#waiting) {
      if (response && waiting.letter.id === response.id) {
        waiting.answered?.(() => readResponse(response));
      }
    }
  }

  #failWhere(fails: (waiting: Waiting) => boolean, error: Error): void {
    for (const waiting of [...this.#waiting].filter(fails)) {
      this.#waiting.delete(waiting);
      waiting.failed(error);
    }
  }
}
