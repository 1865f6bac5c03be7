import type { EnqueuedJob, NewJob } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { EnqueueAnswer, EnqueueCall } from "./frame-items.ts";
import { reseolioErrorFromStatus } from "../transport/connect-errors.ts";
import { ConnectionError, type ReseolioError } from "../errors.ts";

/** An enqueue without an answer yet, with the promise of its caller. */
export class PendingEnqueue<T> implements EnqueueCall {
  readonly promise: Promise<T>;
  #resolve!: (value: T) => void;
  #reject!: (error: ReseolioError) => void;

  constructor(
    readonly job: NewJob,
    readonly deadlineAt: number,
    private readonly address: string,
    private readonly onEnqueued: (answer: EnqueuedJob, job: NewJob) => T,
  ) {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  answer(result: EnqueueAnswer): void {
    if (result.kind === "enqueued") this.#resolve(this.onEnqueued(result.job, this.job));
    else this.#reject(this.#errorOf(result));
  }

  #errorOf(answer: Exclude<EnqueueAnswer, { kind: "enqueued" }>): ReseolioError {
    const what = `${this.job.functionName} (job ${this.job.jobId})`;
    switch (answer.kind) {
      case "refused":
        return reseolioErrorFromStatus(answer);
      case "expired":
        return new ConnectionError(
          this.address,
          `no answer from the daemon at ${this.address} to the call of ${what}; it may or may not have been stored: check the job ID before calling again`,
        );
      case "closed":
        return new ConnectionError(
          this.address,
          `the client was stopped before the call of ${what} was answered; it may or may not have been stored`,
        );
    }
  }
}
