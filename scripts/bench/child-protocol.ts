/** The benchmark's requests to its client and worker processes, and their answers: one JSON line each. */

/** A request. */
export type Order =
  | { readonly op: "connect"; readonly address: string; readonly concurrency: number }
  /** Sequential empty unary calls. */
  | { readonly op: "unary"; readonly count: number }
  /** Sequential empty frames there and back on a Session stream. */
  | { readonly op: "frames"; readonly count: number }
  /**
   * Frames, each followed by a raw commit to a separate database in the directory: the lower bound for a durable
   * answer.
   */
  | { readonly op: "durable-frames"; readonly count: number; readonly directory: string }
  /** Single calls, with `inFlight` of them outstanding at any time. */
  | { readonly op: "enqueue"; readonly functionName: string; readonly count: number; readonly inFlight: number }
  /** Batches of `batch` jobs, one after the other. */
  | { readonly op: "bulk"; readonly functionName: string; readonly count: number; readonly batch: number }
  /** Calls whose results are awaited; a worker elsewhere serves the function. */
  | { readonly op: "call"; readonly functionName: string; readonly count: number; readonly inFlight: number }
  /** Serve a function that does nothing, from now on. */
  | { readonly op: "serve"; readonly functionName: string }
  /** Serve the function, and wait until `count` of its jobs have been settled. */
  | { readonly op: "drain"; readonly functionName: string; readonly count: number }
  /** Drain workflows of `steps` no-op steps each. */
  | { readonly op: "workflows"; readonly functionName: string; readonly count: number; readonly steps: number }
  /** Serve a function and run one job of it, whose steps, one after the other, are timed. */
  | { readonly op: "steps"; readonly functionName: string; readonly count: number }
  /** Wait until `count` jobs of a function have been settled. */
  | { readonly op: "settled"; readonly functionName: string; readonly count: number }
  /** Read the first page of a list `count` times. */
  | { readonly op: "list"; readonly filter: ListFilter; readonly count: number }
  | { readonly op: "stop" };

/** Which jobs a list is of; absent fields do not filter. */
export interface ListFilter {
  /** Numbers of the protocol's JobState. */
  readonly states?: readonly number[];
  readonly functionNames?: readonly string[];
  /** Only jobs created in the hour that ended this many milliseconds ago. */
  readonly hourEndingMsAgo?: number;
}

/** How long it took. */
export interface Timing {
  readonly count: number;
  readonly elapsedMs: number;
  /** Percentiles of single operations; 0 where only the total was timed. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** The answer to a request. */
export type Answer =
  | { readonly kind: "done" }
  | { readonly kind: "timing"; readonly timing: Timing }
  | { readonly kind: "failed"; readonly message: string };

/** About 100 bytes of JSON, as the peers were measured with. */
export const PAYLOAD: readonly unknown[] = ["customer-4711", { amount: 129.9, currency: "EUR", note: "x".repeat(40) }];
