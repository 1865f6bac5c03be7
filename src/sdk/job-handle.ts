import { isUuid } from "#proto/uuid-v7.ts";
import { ReseolioError } from "./errors.ts";
import type { JobDetails, JobStatus } from "./job-details.ts";
import { show } from "./options/option-faults.ts";
import type { SentSignal } from "./sent-messages.ts";

/** @throws ReseolioError `invalid_argument` that shows what was given */
export function checkJobId(jobId: unknown): asserts jobId is string {
  if (typeof jobId === "string" && isUuid(jobId)) return;
  const message = `jobId is ${show(jobId)}; use a job ID, such as 019a9c4e-7c1b-7d60-9c5a-0f6e1d2c3b4a`;
  throw new ReseolioError("invalid_argument", message);
}

/** What a handle needs from its client. */
export interface JobAccess {
  /** Resolves with the result once the job has ended. */
  result(jobId: string, timeoutMs: number | undefined): Promise<unknown>;
  getJob(jobId: string): Promise<JobDetails>;
  cancelJob(jobId: string): Promise<boolean>;
  signal(jobId: string, name: string, payload: unknown): Promise<SentSignal>;
}

/**
 * A reference to one job. Its ID alone is enough to make another handle (`reseolio.handle(jobId)`), also in another
 * process or after a restart.
 *
 * @example
 * ```ts
 * const { receipt } = await job.result(30_000);
 * console.log(await job.status(), (await job.details()).attempt);
 * ```
 */
export class JobHandle<T = unknown> {
  readonly #access: JobAccess;

  constructor(
    readonly jobId: string,
    access: JobAccess,
    /** The call found a job with its idempotency key: this is that job, and nothing was stored. */
    readonly deduplicated: boolean = false,
  ) {
    this.#access = access;
  }

  /**
   * Waits for the job to end, through restarts of the daemon and of workers, and returns its result, which went through
   * JSON. The result can be read again for as long as the job is retained. Inside a handler the wait holds no slot, and
   * whether the timeout or the job came first is recorded.
   *
   * @param timeoutMs how long to wait, in milliseconds; waits indefinitely if omitted
   * @throws JobFailedError when the job is DEAD, with the handler's error as cause
   * @throws JobCancelledError when it was cancelled
   * @throws ResultTimeoutError when the job did not end in time; the job itself continues
   * @throws ReseolioError `not_found` when the job does not exist or was pruned
   * @throws ConnectionError when the client is stopped while waiting
   */
  result(timeoutMs?: number): Promise<T> {
    // The handler's type, carried by the handle; the value went through JSON on the way.
    return this.#access.result(this.jobId, timeoutMs) as Promise<T>;
  }

  /** The job's current status. @throws ReseolioError `not_found` when there is no such job */
  async status(): Promise<JobStatus> {
    return (await this.#access.getJob(this.jobId)).status;
  }

  /** The stored job with its last attempts. @throws ReseolioError `not_found` when there is no such job */
  details(): Promise<JobDetails> {
    return this.#access.getJob(this.jobId);
  }

  /**
   * Cancels the job. It is CANCELLED at once; the signal of a running handler fires.
   *
   * @returns false when the job had already ended
   * @throws ReseolioError `not_found` when there is no such job
   */
  cancel(): Promise<boolean> {
    return this.#access.cancelJob(this.jobId);
  }

  /**
   * Sends a signal to the job. Once the promise resolves, the signal is on disk. Signals of one name are kept in order,
   * and each is consumed by one wait of the job's handler, whether the wait began before or after it was sent.
   *
   * @example
   * ```ts
   * await job.signal("approved", { by: "Ada" });
   * ```
   *
   * @throws ReseolioError `not_found` when there is no such job, `failed_precondition` when it has ended;
   *   `invalid_argument` or `serialization` before anything is sent
   */
  signal(name: string, payload?: unknown): Promise<SentSignal> {
    return this.#access.signal(this.jobId, name, payload);
  }
}
