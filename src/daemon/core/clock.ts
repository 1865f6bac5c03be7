/** Time and chance come in as values; the real ones are made in `daemon.ts`, tests move their own. */
export interface Clock {
  /** Milliseconds since the epoch. May jump. */
  now(): number;
  /** Milliseconds from an arbitrary start; never goes back. For lengths and deadlines inside this process. */
  monotonic(): number;
}

/** A number in [0, 1). */
export type Random = () => number;
