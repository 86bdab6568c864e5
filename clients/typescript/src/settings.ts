import { InvalidSettingsError } from "./errors.js";
import type { Executor } from "./executor.js";
import { HttpExecutor } from "./http.js";
import { RedisExecutor } from "./redis.js";

/**
 * How a request goes over Redis: by the stream `claude:cli:requests:stream`, which keeps it until a server has recorded it, or
 * by the channel `claude:cli:requests`, for servers that know nothing else. What goes by the channel is lost where nobody listens.
 */
export type Delivery = "stream" | "channel";

/** Where the service is and how it is called. */
export interface Settings {
  /** `http://…` and `https://…` are asked over HTTP, `redis://…` and `rediss://…` over Redis. */
  url: string;
  /** The key of the signatures. HTTP needs it. */
  secret?: string;
  /** How long a run may take; a minute where nobody says. The answer is waited for ten seconds longer. */
  timeoutMs?: number;
  /** `stream` where nobody says. */
  delivery?: Delivery;
}

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * The executor that `CLAUDE_SERVICE_URL`, `CLAUDE_SERVICE_SECRET` and `CLAUDE_SERVICE_TIMEOUT` (milliseconds) ask for.
 *
 * @throws InvalidSettingsError
 */
export function executorFromEnvironment(variables: Variables = process.env): Executor {
  return executorFor(settingsFrom(variables));
}

/**
 * The settings in these variables.
 *
 * @throws InvalidSettingsError
 */
export function settingsFrom(variables: Variables): Settings {
  const { CLAUDE_SERVICE_URL: url, CLAUDE_SERVICE_SECRET: secret, CLAUDE_SERVICE_TIMEOUT: timeout } = variables;
  if (!url) {
    throw new InvalidSettingsError("CLAUDE_SERVICE_URL", "is not set; give the service's address");
  }
  const settings: Settings = { url };
  if (secret) {
    settings.secret = secret;
  }
  if (timeout) {
    if (!/^[1-9]\d{0,14}$/.test(timeout)) {
      throw new InvalidSettingsError("CLAUDE_SERVICE_TIMEOUT", "must be a number of milliseconds");
    }
    settings.timeoutMs = Number(timeout);
  }
  return settings;
}

/**
 * The executor for this address.
 *
 * @throws InvalidSettingsError
 */
export function executorFor(settings: Settings): Executor {
  return /^rediss?:/.test(settings.url) ? new RedisExecutor(settings) : new HttpExecutor(settings);
}
