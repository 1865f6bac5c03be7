import type { JobResult } from "./serialized.ts";

/** The attempt that a client event is about. */
export interface JobEventInfo {
  readonly jobId: string;
  readonly functionName: string;
  /** Number of this execution, from 1. */
  readonly attempt: number;
  readonly maxAttempts: number;
  /** The same as `jobId`. */
  readonly id: string;
  /** The same as `functionName`. */
  readonly name: string;
}

/** A call that found a job with its idempotency key. */
export interface DeduplicatedCall {
  readonly jobId: string;
  readonly functionName: string;
  readonly idempotencyKey: string;
  /** The existing job has different arguments. */
  readonly argsDiffer: boolean;
}

/**
 * Events that a client emits, with the arguments of their listeners. They concern this process only and are not stored.
 *
 * @example
 * ```ts
 * reseolio.on("job:error", (job, error) => console.warn(job.functionName, job.attempt, error));
 * reseolio.on("deduplicated", ({ jobId, argsDiffer }) => console.log(jobId, argsDiffer));
 * ```
 */
export interface ReseolioEvents {
  /** `start()` has completed. */
  ready: [];
  /** `stop()` has completed. */
  stopped: [];
  /** The session with the daemon broke; it is being restored. */
  disconnected: [error: Error];
  /** The session is open again. The client still holds its leases, except those that other workers took over. */
  reconnected: [];
  /** A handler started in this process. */
  "job:start": [job: JobEventInfo];
  /** A handler returned; the result is on its way to the daemon. */
  "job:success": [job: JobEventInfo, result: JobResult<unknown>];
  /** A handler threw; there may be more attempts. */
  "job:error": [job: JobEventInfo, error: unknown];
  /** A call of this process found a job with its idempotency key. */
  deduplicated: [call: DeduplicatedCall];
}
