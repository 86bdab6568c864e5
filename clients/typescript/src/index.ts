export { CircuitBreaker, type BreakerRules } from "./breaker.js";
export type { Call, Output } from "./call.js";
export {
  CircuitOpenError,
  InvalidRequestError,
  InvalidSettingsError,
  JobFailedError,
  LegworkError,
  RateLimitedError,
  TimedOutError,
  TransportError,
  UnauthorizedError,
  UnavailableError,
  UnexpectedAnswerError,
  type FailureCode,
} from "./errors.js";
export type { Executor } from "./executor.js";
export { Fallback, type Answer, type Queue } from "./fallback.js";
export { HttpExecutor } from "./http.js";
export { RedisExecutor } from "./redis.js";
export { executorFor, executorFromEnvironment, settingsFrom, type Delivery, type Settings } from "./settings.js";
