import { EventEmitter } from "node:events";
import type { Connection } from "../connection.ts";
import { currentScope } from "../context.ts";
import type { ReseolioEvents } from "../events.ts";
import type { JobDetails } from "./job-details.ts";
import type { JobPage, JobQuery, SentSignal } from "./jobs-client.ts";
import { JobFailedError } from "../errors.ts";
import type { Execution } from "../workflow/execution.ts";
import type { Operation } from "../replay/operation.ts";
import type { HandlerContext } from "../workflow/handler-context.ts";
import { checkJobId, type JobAccess, JobHandle } from "../job-handle.ts";
import { refuseInStep } from "../workflow/operations.ts";
import { awaitJob } from "../workflow/await-job.ts";

/** A job that was cancelled has not failed, and one that is gone cannot be retried: calling it again changes nothing. */
function noteFailure({ replay }: Execution, operation: Operation, error: Error): void {
  if (error instanceof JobFailedError) replay.failures.give(error, operation);
}

/** The part of the client that is about jobs which are stored already. */
export abstract class JobCalls extends EventEmitter<ReseolioEvents> {
  protected readonly jobAccess: JobAccess = {
    waitForEnd: async (jobId, timeoutMs) => {
      const handler = this.#handlerInCall();
      if (handler === undefined) return { job: await (await this.connected()).waitForEnd(jobId, timeoutMs) };
      refuseInStep("result of job", jobId);
      const { execution } = handler;
      const { job, operation } = await awaitJob(execution, jobId, timeoutMs);
      return { job, onFailure: (error) => noteFailure(execution, operation, error) };
    },
    getJob: (jobId) => this.getJob(jobId),
    cancelJob: (jobId) => this.cancelJob(jobId),
    signal: (jobId, name, payload) => this.signal(jobId, name, payload),
  };

  /** The handler of this client in which a call is made, while it runs. */
  #handlerInCall(): HandlerContext | undefined {
    const handler = currentScope()?.context;
    if (handler?.owner !== this || handler.hasEnded) return undefined;
    return handler;
  }

  /** Waits while the client starts. @throws ReseolioError `failed_precondition` when it is not started */
  protected abstract connected(): Promise<Connection>;

  /**
   * A handle of any job by its id, from this or another process. Nothing is asked of the daemon yet.
   *
   * @example
   * ```ts
   * const { receipt } = await reseolio.handle<{ receipt: string }>(job.jobId).result();
   * ```
   *
   * @throws ReseolioError `invalid_argument` for what is no id
   */
  handle<Result = unknown>(jobId: string): JobHandle<Result> {
    checkJobId(jobId);
    return new JobHandle<Result>(jobId, this.jobAccess);
  }

  /** Everything that is kept of a job. @throws ReseolioError `not_found` */
  async getJob(jobId: string): Promise<JobDetails> {
    return (await this.connected()).jobs.getJob(jobId);
  }

  /**
   * One page, newest first, without args, results and stacks; of an error its first 800 characters.
   *
   * @example
   * ```ts
   * const { jobs: dead, nextPageToken } = await reseolio.listJobs({ status: "dead", limit: 100 });
   * ```
   */
  async listJobs(query: JobQuery = {}): Promise<JobPage> {
    return (await this.connected()).jobs.listJobs(query);
  }

  /**
   * Final for the record at once; a running handler's signal fires.
   *
   * @returns false when the job had ended already
   * @throws ReseolioError `not_found`
   */
  async cancelJob(jobId: string): Promise<boolean> {
    return (await this.connected()).jobs.cancelJob(jobId);
  }

  /**
   * Sends a signal to a job that has not ended; on disk when its promise ends. Signals of one name are kept in order, and
   * each is taken by one wait of the job's handler, whether it came before or after. In a handler send it inside of a
   * step: every execution would send it anew.
   *
   * @example
   * ```ts
   * await reseolio.signal(job.jobId, "approved", { by: "Ada" });
   * ```
   *
   * @throws ReseolioError `not_found`, or `failed_precondition` for a job that has ended; `invalid_argument` or
   *   `serialization` before anything is sent
   */
  async signal(jobId: string, name: string, payload?: unknown): Promise<SentSignal> {
    checkJobId(jobId);
    return (await this.connected()).jobs.signal(jobId, name, payload);
  }

  /**
   * Makes a dead or cancelled job run again: its failures start at 0, its attempt numbers go on.
   *
   * @example
   * ```ts
   * const again = await reseolio.retryJob<{ receipt: string }>(job.jobId);
   * ```
   *
   * @throws ReseolioError `not_found`, or `failed_precondition` for a job that is neither
   */
  async retryJob<Result = unknown>(jobId: string): Promise<JobHandle<Result>> {
    await (await this.connected()).jobs.retryJob(jobId);
    return this.handle<Result>(jobId);
  }
}
