/** A source of time. `daemon.ts` creates the real one; tests control their own. */
export interface Clock {
  /** Milliseconds since the epoch. May jump. */
  now(): number;
  /** Milliseconds from an arbitrary start; never goes back. For durations and deadlines inside this process. */
  monotonic(): number;
}

/** A number in [0, 1). */
export type Random = () => number;
