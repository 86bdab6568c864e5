/** One call of the agent's CLI. */
export interface Call {
  /** What the agent is to do. */
  prompt: string;
  /** Flags of the CLI, of those that the service allows. */
  args?: readonly string[];
  /** A directory on the service's machine to work in; a fresh one without it. */
  cwd?: string;
  /** How long the run may take; the executor's own limit without it. */
  timeoutMs?: number;
  /** `false` where a stub may stand in for a real answer. */
  critical?: boolean;
  /** Gives the call up, which rejects with the signal's reason. Its run goes on. */
  signal?: AbortSignal;
}

/** What a run that succeeded gave. */
export interface Output {
  /** What the CLI printed. */
  text: string;
  /** How long the run took; Redis does not tell. */
  durationMs?: number;
  /** The run's name in the service's record. */
  executionId?: string;
}
