import { JobState } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { FinishedJob } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { isUuid } from "#proto/uuid-v7.ts";
import { currentScope } from "./context.ts";
import { JobCancelledError, JobFailedError, ReseolioError } from "./errors.ts";
import { type JobDetails, type JobStatus, reasonOf } from "./calls/job-details.ts";
import type { SentSignal } from "./calls/jobs-client.ts";
import { show } from "./options/option-faults.ts";
import { decodeResult } from "./serialization.ts";

/** @throws ReseolioError `invalid_argument` that shows what was given */
export function checkJobId(jobId: unknown): asserts jobId is string {
  if (typeof jobId === "string" && isUuid(jobId)) return;
  const message = `jobId is ${show(jobId)}; give a job's id, such as 019a9c4e-7c1b-7d60-9c5a-0f6e1d2c3b4a`;
  throw new ReseolioError("invalid_argument", message);
}

/** How a job ended. */
export interface JobEnd {
  readonly job: FinishedJob;
  /** Told the error that the caller is about to be given. */
  readonly onFailure?: (error: Error) => void;
}

/** What a handle asks of its client. */
export interface JobAccess {
  waitForEnd(jobId: string, timeoutMs: number | undefined): Promise<JobEnd>;
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
    const result = this.#result(timeoutMs);
    // A handler that unwinds leaves waits behind that nobody listens to any more.
    if (currentScope() !== undefined) result.catch(() => {});
    return result;
  }

  async #result(timeoutMs: number | undefined): Promise<T> {
    if (timeoutMs !== undefined && !(typeof timeoutMs === "number" && timeoutMs >= 0)) {
      throw new ReseolioError("invalid_argument", `timeoutMs is ${show(timeoutMs)}; give milliseconds, 0 or more`);
    }
    const limit = timeoutMs === Number.POSITIVE_INFINITY ? undefined : timeoutMs;
    // The handler's type, carried by the handle; the value went through JSON on the way.
    const { job, onFailure } = await this.access.waitForEnd(this.jobId, limit);
    return resultOf(job, onFailure) as T;
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

/**
 * @param onFailure told the error before it is thrown
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
      return new ReseolioError("not_found", `no job has the id ${job.jobId}: it was deleted, pruned, or never stored`);
  }
}

/** The handler's error, as far as it can be told in another process. */
function causeOf(job: FinishedJob): Error {
  const cause = new Error(job.error?.message ?? "no error is recorded");
  cause.name = job.error?.name ?? "Error";
  if (job.error !== undefined && job.error.stack !== "") cause.stack = job.error.stack;
  return cause;
}
