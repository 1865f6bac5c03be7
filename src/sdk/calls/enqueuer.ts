import type { EnqueuedJob, NewJob } from "#proto/gen/reseolio/v1/job_pb.ts";
import { uuidV7 } from "#proto/uuid-v7.ts";
import type { DeduplicatedCall } from "../events.ts";
import { type JobAccess, JobHandle } from "../job-handle.ts";
import type { Logger } from "../logger.ts";
import { encodeJobOptions, type JobOptions, mergeJobOptions } from "../options/job-options.ts";
import { encodeArgs } from "../serialization.ts";
import type { Session } from "../session/session.ts";
import { reseolioErrorFrom } from "../transport/connect-errors.ts";
import type { FunctionDefinition } from "../worker/registry.ts";
import { callChild, type StoredChild } from "../workflow/child-calls.ts";
import { currentHandlerScope, type HandlerScope } from "../workflow/handler-scope.ts";

export interface EnqueuerOptions {
  /** The client: calls made inside its handlers are children of their jobs. */
  readonly owner: object;
  /** @throws ReseolioError `failed_precondition` when the client is not started */
  readonly session: () => Session;
  readonly jobs: JobAccess;
  readonly logger: Logger;
  readonly onDeduplicated: (call: DeduplicatedCall) => void;
}

/** Options of the function that is called; a call has its own on top. */
export type FunctionOptions = Pick<FunctionDefinition, "options" | "encodedOptions">;

/** Turns a call of a durable function into a job, and its answer into a handle. */
export class Enqueuer {
  readonly #options: EnqueuerOptions;

  constructor(options: EnqueuerOptions) {
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
      return this.#options.session().enqueue(job, this.#onEnqueued);
    } catch (error) {
      return Promise.reject(reseolioErrorFrom(error));
    }
  }

  async #enqueueChild(parent: HandlerScope, job: NewJob): Promise<JobHandle> {
    const { execution } = parent.context;
    const isKeyed = (job.options?.idempotencyKey ?? "") !== "";
    const session = this.#options.session();
    const enqueue = (keyed: NewJob): Promise<StoredChild> =>
      session.enqueue(keyed, (answer, stored) => ({ job: stored, answer }));
    const { answer, job: stored } = await callChild(parent, job, enqueue);
    if (!answer.deduplicated) await execution.crashPoint(`child ${stored.options?.idempotencyKey}`);
    if (isKeyed) return this.#onEnqueued(answer, stored);
    return new JobHandle(answer.jobId === "" ? stored.jobId : answer.jobId, this.#options.jobs);
  }

  readonly #onEnqueued = (answer: EnqueuedJob, job: NewJob): JobHandle => {
    const jobId = answer.jobId === "" ? job.jobId : answer.jobId;
    if (answer.deduplicated) this.#reportDuplicate(jobId, job, answer.argsDiffer);
    return new JobHandle(jobId, this.#options.jobs, answer.deduplicated);
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
}
