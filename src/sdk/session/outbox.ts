import type { EnqueuedJob, NewJob } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Heartbeat, HeldLease, Outcome } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { Batcher } from "./batcher.ts";
import type { CheckpointRecord, OutcomeReport } from "./frame-items.ts";
import { PendingEnqueue } from "./pending-enqueue.ts";

/** What a client says to its daemon: goes out with the next frame, waits while there is no stream. */
export class Outbox {
  #isClosed = false;

  constructor(
    private readonly batcher: Batcher,
    private readonly address: string,
    private readonly callTimeoutMs: number,
    /** Sends what waits, as soon as it may go. */
    private readonly flush: () => void,
  ) {}

  /**
   * Ends when the daemon has it on disk, with what `onEnqueued` makes of its answer. Sent again with the same id until
   * then, for at most `callTimeoutMs`.
   */
  enqueue<T>(job: NewJob, onEnqueued: (answer: EnqueuedJob, job: NewJob) => T): Promise<T> {
    const call = new PendingEnqueue(job, performance.now() + this.callTimeoutMs, this.address, onEnqueued);
    if (this.#isClosed) call.answer({ kind: "closed" });
    else this.batcher.enqueue(call);
    this.flush();
    return call.promise;
  }

  /** How an attempt ended. Sent again until it is answered or dropped. */
  report(report: OutcomeReport): void {
    this.batcher.report(report);
    this.flush();
  }

  dropReports(matches: (outcome: Outcome) => boolean): void {
    this.batcher.dropReports(matches);
  }

  /** Answered when the daemon has it on disk, or will never have it. */
  record(record: CheckpointRecord): void {
    if (this.#isClosed) record.answer({ kind: "closed" });
    else this.batcher.record(record);
    this.flush();
  }

  /** Said once: after a break hello says it again. */
  heartbeat(heartbeat: Heartbeat): void {
    this.batcher.heartbeat(heartbeat);
    this.flush();
  }

  /** Said once: the worker says it again on a new stream. */
  wake(lease: HeldLease): void {
    this.batcher.wake(lease);
    this.flush();
  }

  addFunction(name: string): void {
    this.batcher.addFunction(name);
    this.flush();
  }

  /** Answers whoever waits that there will be no answer. */
  close(): void {
    this.#isClosed = true;
    this.batcher.close();
  }
}
