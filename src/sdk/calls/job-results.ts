import { JobFailedError, ReseolioError } from "../errors.ts";
import { show } from "../options/option-faults.ts";
import type { Operation } from "../replay/operation.ts";
import { resultOf } from "../session/job-result.ts";
import type { Session } from "../session/session.ts";
import { awaitJob } from "../workflow/await-job.ts";
import type { Execution } from "../workflow/execution.ts";
import { currentHandlerScope } from "../workflow/handler-scope.ts";
import { refuseInStep } from "../workflow/operations.ts";
import type { RunningHandler } from "../workflow/running-handler.ts";

/** Waits for results of jobs: outside handlers through the session, inside them as a durable wait of the handler. */
export class JobResults {
  readonly #owner: object;
  readonly #session: () => Promise<Session>;

  /** @param owner the client: only its own handlers wait durably */
  constructor(owner: object, session: () => Promise<Session>) {
    this.#owner = owner;
    this.#session = session;
  }

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
    if (handler === undefined) return resultOf(await (await this.#session()).awaited.wait(jobId, limit));
    refuseInStep("result of job", jobId);
    const { execution } = handler;
    const { job, operation } = await awaitJob(execution, jobId, limit);
    return resultOf(job, (error) => rememberFailure(execution, operation, error));
  }

  /** The handler of this client that makes the call, while it runs. */
  #callingHandler(): RunningHandler | undefined {
    const handler = currentHandlerScope()?.context;
    return handler?.owner === this.#owner && !handler.hasEnded ? handler : undefined;
  }
}

/** A cancelled job has not failed, and one that is gone cannot be retried: calling either again changes nothing. */
function rememberFailure({ replay }: Execution, operation: Operation, error: Error): void {
  if (error instanceof JobFailedError) replay.failures.give(error, operation);
}
