/** Jobs whose end somebody awaits, and what an end means: a result, or the error that says why there is none. */
import { ERROR_REASONS } from "#proto/contract.ts";
import { type JobError, JobState } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { FinishedJob } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import {
  JobCancelledError,
  type JobErrorReason,
  JobFailedError,
  ReseolioError,
  ResultTimeoutError,
} from "../errors.ts";
import { decodeResult } from "../serialization.ts";

/** setTimeout fires at once for a longer delay. */
const MAX_TIMER_MS = 2 ** 31 - 1;

interface Waiter {
  readonly resolve: (job: FinishedJob) => void;
  /** Absent for watchers, which are not notified when the client stops. */
  readonly reject?: (error: ReseolioError) => void;
  timer: ReturnType<typeof setTimeout> | undefined;
}

export interface AwaitEvents {
  /** A job got its first waiter. */
  readonly onAwait: (jobId: string) => void;
  /** A job lost its last waiter before its end. */
  readonly onUnawait: (jobId: string) => void;
}

/** Who waits for the end of which job. The IDs outlive streams: they are sent again on each new one. */
export class AwaitedJobs {
  #waiters = new Map<string, Set<Waiter>>();
  readonly #events: AwaitEvents;
  #closedBy: ReseolioError | undefined;

  constructor(events: AwaitEvents) {
    this.#events = events;
  }

  get jobIds(): Iterable<string> {
    return this.#waiters.keys();
  }

  /**
   * Resolves when the job has ended, however long that takes and through restarts of the daemon. Rejects with
   * ResultTimeoutError after `timeoutMs`, and with the error of `close` when the client stops.
   */
  wait(jobId: string, timeoutMs: number | undefined): Promise<FinishedJob> {
    if (this.#closedBy !== undefined) return Promise.reject(this.#closedBy);
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { resolve, reject, timer: undefined };
      this.#add(jobId, waiter);
      if (timeoutMs !== undefined) this.#armTimer(jobId, waiter, timeoutMs, performance.now() + timeoutMs);
    });
  }

  /** Calls `onEnd` when the job has ended, unless the returned function is called first or the client stops. */
  watch(jobId: string, onEnd: (job: FinishedJob) => void): () => void {
    const waiter: Waiter = { resolve: onEnd, timer: undefined };
    this.#add(jobId, waiter);
    return () => this.#remove(jobId, waiter);
  }

  finish(job: FinishedJob): void {
    const waiters = this.#waiters.get(job.jobId);
    if (waiters === undefined) return;
    this.#waiters.delete(job.jobId);
    for (const waiter of waiters) {
      clearTimeout(waiter.timer);
      waiter.resolve(job);
    }
  }

  /** Rejects all waits, and all later ones, with the error. */
  close(error: ReseolioError): void {
    this.#closedBy = error;
    const all = [...this.#waiters.values()];
    this.#waiters.clear();
    for (const waiter of all.flatMap((waiters) => [...waiters])) {
      clearTimeout(waiter.timer);
      waiter.reject?.(error);
    }
  }

  #add(jobId: string, waiter: Waiter): void {
    const waiters = this.#waiters.get(jobId);
    if (waiters !== undefined) {
      waiters.add(waiter);
      return;
    }
    this.#waiters.set(jobId, new Set([waiter]));
    this.#events.onAwait(jobId);
  }

  #remove(jobId: string, waiter: Waiter): void {
    const waiters = this.#waiters.get(jobId);
    if (waiters?.delete(waiter) !== true || waiters.size > 0) return;
    this.#waiters.delete(jobId);
    this.#events.onUnawait(jobId);
  }

  #armTimer(jobId: string, waiter: Waiter, timeoutMs: number, endAt: number): void {
    const left = Math.max(0, endAt - performance.now());
    waiter.timer = setTimeout(
      () => {
        if (left > MAX_TIMER_MS) this.#armTimer(jobId, waiter, timeoutMs, endAt);
        else this.#timeOut(jobId, waiter, timeoutMs);
      },
      Math.min(left, MAX_TIMER_MS),
    );
  }

  #timeOut(jobId: string, waiter: Waiter, timeoutMs: number): void {
    this.#remove(jobId, waiter);
    waiter.reject?.(new ResultTimeoutError(jobId, timeoutMs));
  }
}

/**
 * @param onFailure called with the error before it is thrown
 * @throws JobFailedError, JobCancelledError, or ReseolioError `not_found`
 */
export function resultOf(job: FinishedJob, onFailure?: (error: Error) => void): unknown {
  if (job.state === JobState.SUCCESS) return decodeResult(job.jobId, job.result);
  const error = failureOf(job);
  onFailure?.(error);
  throw error;
}

function failureOf(job: FinishedJob): Error {
  switch (job.state) {
    case JobState.DEAD:
      return new JobFailedError(job.jobId, reasonOf(job.error), causeOf(job));
    case JobState.CANCELLED:
      return new JobCancelledError(job.jobId, reasonOf(job.error), job.error?.message ?? "no reason is recorded");
    default:
      return new ReseolioError("not_found", `no job has the ID ${job.jobId}: it was deleted, pruned, or never stored`);
  }
}

/** The handler's error, as far as it can be reproduced in another process. */
function causeOf(job: FinishedJob): Error {
  const cause = new Error(job.error?.message ?? "no error is recorded");
  cause.name = job.error?.name ?? "Error";
  if (job.error !== undefined && job.error.stack !== "") cause.stack = job.error.stack;
  return cause;
}

/** Unknown reasons, from a newer daemon, count as the handler's. */
export function reasonOf(error: JobError | undefined): JobErrorReason {
  return ERROR_REASONS.find((reason) => reason === error?.reason) ?? "handler";
}
