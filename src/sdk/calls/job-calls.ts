/** Calls of functions and waits for their results, inside handlers and outside. */
import type { EnqueuedJob, NewJob } from "#proto/gen/reseolio/v1/job_pb.ts";
import { uuidV7 } from "#proto/uuid-v7.ts";
import { JobFailedError, ReseolioError } from "../errors.ts";
import type { DeduplicatedCall } from "../events.ts";
import type { JobDetails } from "../job-details.ts";
import { checkJobId, type JobAccess, JobHandle } from "../job-handle.ts";
import type { Logger } from "../logger.ts";
import { encodeJobOptions, type JobOptions, mergeJobOptions } from "../options/job-options.ts";
import { show } from "../options/option-faults.ts";
import type { Operation } from "../replay/operation.ts";
import type { SentSignal } from "../sent-messages.ts";
import { encodeArgs } from "../serialization.ts";
import { resultOf } from "../session/awaited-jobs.ts";
import type { Session } from "../session/session.ts";
import { reseolioErrorFrom } from "../transport/connect-errors.ts";
import type { FunctionDefinition } from "../worker/registry.ts";
import { awaitJob } from "../workflow/await-job.ts";
import { callChild, type StoredChild } from "../workflow/child-calls.ts";
import type { Execution } from "../workflow/execution.ts";
import { refuseInStep } from "../workflow/operations.ts";
import { currentHandlerScope, type HandlerScope, type RunningHandler } from "../workflow/running-handler.ts";
import type { JobsClient } from "./jobs-client.ts";

/** What calls go through while a client is started. */
interface CallConnection {
  readonly session: Session;
  readonly jobs: JobsClient;
}

export interface JobCallsOptions {
  /** The client: calls made inside its handlers are children of their jobs, and only they wait durably. */
  readonly owner: object;
  readonly lifecycle: {
    /** @throws ReseolioError `failed_precondition` when the client is not started */
    readonly connection: CallConnection;
    /** The connection, open. @throws like `connection` */
    connected(): Promise<CallConnection>;
  };
  readonly logger: Logger;
  readonly onDeduplicated: (call: DeduplicatedCall) => void;
}

/** Options of the function that is called; a call has its own on top. */
export type FunctionOptions = Pick<FunctionDefinition, "options" | "encodedOptions">;

/** Turns a call of a durable function into a job and its answer into a handle, and waits for results. */
export class JobCalls implements JobAccess {
  readonly #options: JobCallsOptions;

  constructor(options: JobCallsOptions) {
    this.#options = options;
  }

  /** The hot path: makes no promise but the caller's. */
  enqueue(
    functionName: string,
    args: readonly unknown[],
    own: FunctionOptions,
    call: JobOptions | undefined,
  ): Promise<JobHandle> {
    try {
      const scope = currentHandlerScope();
      const parent = scope?.context.owner === this.#options.owner ? scope : undefined;
      const job: NewJob = {
        $typeName: "reseolio.v1.NewJob",
        jobId: uuidV7(),
        functionName,
        args: encodeArgs(functionName, args),
        parentId: parent?.context.jobId ?? "",
      };
      const options =
        call === undefined ? own.encodedOptions : encodeJobOptions(functionName, mergeJobOptions(own.options, call));
      if (options !== undefined) job.options = options;
      if (parent !== undefined) return this.#enqueueChild(parent, job);
      return this.#options.lifecycle.connection.session.enqueue(job, this.#onEnqueued);
    } catch (error) {
      return Promise.reject(reseolioErrorFrom(error));
    }
  }

  async #enqueueChild(parent: HandlerScope, job: NewJob): Promise<JobHandle> {
    const { execution } = parent.context;
    const isKeyed = (job.options?.idempotencyKey ?? "") !== "";
    const { session } = this.#options.lifecycle.connection;
    const enqueue = (keyed: NewJob): Promise<StoredChild> =>
      session.enqueue(keyed, (answer, stored) => ({ job: stored, answer }));
    const { answer, job: stored } = await callChild(parent, job, enqueue);
    if (!answer.deduplicated) await execution.crashPoint(`child ${stored.options?.idempotencyKey}`);
    if (isKeyed) return this.#onEnqueued(answer, stored);
    return new JobHandle(answer.jobId === "" ? stored.jobId : answer.jobId, this);
  }

  readonly #onEnqueued = (answer: EnqueuedJob, job: NewJob): JobHandle => {
    const jobId = answer.jobId === "" ? job.jobId : answer.jobId;
    if (answer.deduplicated) this.#reportDuplicate(jobId, job, answer.argsDiffer);
    return new JobHandle(jobId, this, answer.deduplicated);
  };

  #reportDuplicate(jobId: string, job: NewJob, argsDiffer: boolean): void {
    const { functionName } = job;
    const idempotencyKey = job.options?.idempotencyKey ?? "";
    if (argsDiffer) {
      const message = "a call was not stored: a job with its idempotency key exists, but with different arguments";
      this.#options.logger.warn(message, { functionName, idempotencyKey, jobId });
    }
    this.#options.onDeduplicated({ jobId, functionName, idempotencyKey, argsDiffer });
  }

  /** Outside handlers a wait of the session, inside them a durable wait of the handler. */
  result(jobId: string, timeoutMs: number | undefined): Promise<unknown> {
    const result = this.#result(jobId, timeoutMs);
    // A handler that unwinds leaves waits behind that nobody listens to any more.
    if (currentHandlerScope() !== undefined) result.catch(() => {});
    return result;
  }

  async #result(jobId: string, timeoutMs: number | undefined): Promise<unknown> {
    if (timeoutMs !== undefined && !(typeof timeoutMs === "number" && timeoutMs >= 0)) {
      throw new ReseolioError("invalid_argument", `timeoutMs is ${show(timeoutMs)}; use milliseconds, 0 or more`);
    }
    const limit = timeoutMs === Number.POSITIVE_INFINITY ? undefined : timeoutMs;
    const handler = this.#callingHandler();
    if (handler === undefined)
      return resultOf(await (await this.#options.lifecycle.connected()).session.awaited.wait(jobId, limit));
    refuseInStep("result of job", jobId);
    const { execution } = handler;
    const { job, operation } = await awaitJob(execution, jobId, limit);
    return resultOf(job, (error) => rememberFailure(execution, operation, error));
  }

  async getJob(jobId: string): Promise<JobDetails> {
    return (await this.#options.lifecycle.connected()).jobs.getJob(jobId);
  }

  async cancelJob(jobId: string): Promise<boolean> {
    return (await this.#options.lifecycle.connected()).jobs.cancelJob(jobId);
  }

  async signal(jobId: string, name: string, payload: unknown): Promise<SentSignal> {
    checkJobId(jobId);
    return (await this.#options.lifecycle.connected()).jobs.signal(jobId, name, payload);
  }

  /** The handler of this client that makes the call, while it runs. */
  #callingHandler(): RunningHandler | undefined {
    const handler = currentHandlerScope()?.context;
    return handler?.owner === this.#options.owner && !handler.hasEnded ? handler : undefined;
  }
}

/** A cancelled job has not failed, and one that is gone cannot be retried: calling either again changes nothing. */
function rememberFailure({ replay }: Execution, operation: Operation, error: Error): void {
  if (error instanceof JobFailedError) replay.failures.give(error, operation);
}
