import { isUuid } from "#proto/uuid-v7.ts";
import { ReseolioError } from "./errors.ts";
import type { JobDetails, JobStatus } from "./job-details.ts";
import { show } from "./options/option-faults.ts";
import type { SentSignal } from "./sent-messages.ts";

/** @throws ReseolioError `invalid_argument` that shows what was given */
export function checkJobId(jobId: unknown): asserts jobId is string {
  if (typeof jobId === "string" && isUuid(jobId)) return;
  const message = `jobId is ${show(jobId)}; give a job's id, such as 019a9c4e-7c1b-7d60-9c5a-0f6e1d2c3b4a`;
  throw new ReseolioError("invalid_argument", message);
}

/** What a handle asks of its client. */
export interface JobAccess {
  /** The result, once the job has ended. */
  result(jobId: string, timeoutMs: number | undefined): Promise<unknown>;
  getJob(jobId: string): Promise<JobDetails>;
  cancelJob(jobId: string): Promise<boolean>;
  signal(jobId: string, name: string, payload: unknown): Promise<SentSignal>;
}

/**
 * One job, known by its id: can be made again from the id alone (`reseolio.handle(jobId)`), in another process, after a
 * restart.
 *
 * @example
 * ```ts
 * const { receipt } = await job.result(30_000);
 * console.log(await job.status(), (await job.details()).attempt);
 * ```
 */
export class JobHandle<T = unknown> {
  constructor(
    readonly jobId: string,
    private readonly access: JobAccess,
    /** A job with the same idempotency key was there already, and this is it. */
    readonly deduplicated: boolean = false,
  ) {}

  /**
   * Waits for the end of the job, through restarts of the daemon and of workers. What the handler returned went through
   * JSON on its way; it reads the same for as long as the job is kept. Inside a handler the wait holds no slot, and
   * whether a timeout or the job came first is recorded.
   *
   * @param timeoutMs how long to wait, in milliseconds; without it, for as long as it takes
   * @throws JobFailedError when the job is DEAD, with the handler's error as cause
   * @throws JobCancelledError when it was cancelled
   * @throws ResultTimeoutError when it has not ended in time; it goes on
   * @throws ReseolioError `not_found` when there is no such job, any more
   * @throws ConnectionError when the client is stopped meanwhile
   */
  result(timeoutMs?: number): Promise<T> {
    // The handler's type, carried by the handle; the value went through JSON on the way.
    return this.access.result(this.jobId, timeoutMs) as Promise<T>;
  }

  /** Where it stands now. @throws ReseolioError `not_found` when there is no such job */
  async status(): Promise<JobStatus> {
    return (await this.access.getJob(this.jobId)).status;
  }

  /** Everything that is kept of it. @throws ReseolioError `not_found` when there is no such job */
  details(): Promise<JobDetails> {
    return this.access.getJob(this.jobId);
  }

  /**
   * Final for the record at once; a running handler's signal fires.
   *
   * @returns false when the job had ended already
   * @throws ReseolioError `not_found` when there is no such job
   */
  cancel(): Promise<boolean> {
    return this.access.cancelJob(this.jobId);
  }

  /**
   * Sends it a signal; on disk when its promise ends. Signals of one name are kept in order, and each is taken by one
   * wait of the job's handler, whether it came before or after.
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
    return this.access.signal(this.jobId, name, payload);
  }
}
