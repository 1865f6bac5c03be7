import type { JobResult } from "./serialized.ts";

/** The attempt that an event is about. */
export interface JobEventInfo {
  readonly jobId: string;
  readonly functionName: string;
  /** Number of this execution, from 1. */
  readonly attempt: number;
  readonly maxAttempts: number;
}

/** A call that found a job with its idempotency key. */
export interface DeduplicatedCall {
  readonly jobId: string;
  readonly functionName: string;
  readonly idempotencyKey: string;
  /** The job that was there has other arguments. */
  readonly argsDiffer: boolean;
}

/**
 * Events of a client and what their listeners get. They tell of this process only, and are lost with it.
 *
 * @example
 * ```ts
 * reseolio.on("job:error", (job, error) => console.warn(job.functionName, job.attempt, error));
 * reseolio.on("deduplicated", ({ jobId, argsDiffer }) => console.log(jobId, argsDiffer));
 * ```
 */
export interface ReseolioEvents {
  /** `start()` is done. */
  ready: [];
  /** `stop()` is done. */
  stopped: [];
  /** The session with the daemon broke; it is being restored. */
  disconnected: [error: Error];
  /** The session is back; leases that were held are held still, but for those that other workers took over. */
  reconnected: [];
  /** A handler starts in this process. */
  "job:start": [job: JobEventInfo];
  /** A handler returned; the result is on its way to the daemon. */
  "job:success": [job: JobEventInfo, result: JobResult<unknown>];
  /** A handler threw; there may be more attempts. */
  "job:error": [job: JobEventInfo, error: unknown];
  /** A call of this process found a job with its idempotency key. */
  deduplicated: [call: DeduplicatedCall];
}
