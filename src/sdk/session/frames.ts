/** What frames carry to the daemon, where the answers go, and the frames that have no reply yet. */
import type { EnqueuedJob, NewJob } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { EnqueueResult } from "#proto/gen/reseolio/v1/job_service_pb.ts";
import {
  type NewCheckpoint,
  type Outcome,
  type RecordResult,
  type Reply,
  SettleResult,
} from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { ConnectionError, type ReseolioError } from "../errors.ts";
import { reseolioErrorFromStatus } from "../transport/connect-errors.ts";
import { Fifo } from "./queues.ts";

/** An enqueue that a caller waits for. */
export interface EnqueueCall {
  readonly job: NewJob;
  /** Monotonic time at which the caller gives up. */
  readonly deadlineAt: number;
  /** Receives the daemon's answer, or why there is none. Only the first call counts. */
  answer(result: EnqueueAnswer): void;
}

export type EnqueueAnswer =
  | { readonly kind: "enqueued"; readonly job: EnqueuedJob }
  | { readonly kind: "refused"; readonly code: number; readonly message: string }
  /** It may or may not have been stored. */
  | { readonly kind: "expired" }
  | { readonly kind: "closed" };

/** The outcome of an attempt, to be recorded by the daemon. */
export interface OutcomeReport {
  readonly outcome: Outcome;
  /** Receives the daemon's answer, once. */
  answer(result: SettleResult): void;
}

/** A checkpoint to be recorded under a lease. */
export interface CheckpointRecord {
  readonly checkpoint: NewCheckpoint;
  /** Receives the daemon's answer, once. */
  answer(answer: RecordAnswer): void;
}

export type RecordAnswer =
  | { readonly kind: "recorded" }
  /** This worker no longer holds the lease; nothing was recorded. */
  | { readonly kind: "stale" }
  | { readonly kind: "refused"; readonly message: string }
  | { readonly kind: "closed" };

/** Estimated size of an item apart from its payload: IDs, tags and lengths. */
const ITEM_OVERHEAD_BYTES = 96;

export function enqueueBytes({ job }: EnqueueCall): number {
  let length = ITEM_OVERHEAD_BYTES + job.args.length + job.functionName.length;
  const options = job.options;
  if (options === undefined) return length;
  length += 2 * options.idempotencyKey.length;
  for (const name in options.headers) length += 2 * (name.length + (options.headers[name]?.length ?? 0));
  return length;
}

export function outcomeBytes({ outcome: { outcome } }: OutcomeReport): number {
  switch (outcome.case) {
    case "success":
      return ITEM_OVERHEAD_BYTES + outcome.value.length;
    case "failure": {
      const error = outcome.value.error;
      return ITEM_OVERHEAD_BYTES + 2 * ((error?.message.length ?? 0) + (error?.stack.length ?? 0));
    }
    case "park":
      return ITEM_OVERHEAD_BYTES * (1 + outcome.value.waits.length + outcome.value.waitingNames.length);
    case "release":
    case undefined:
      return ITEM_OVERHEAD_BYTES;
  }
}

export function enqueueAnswer(result: EnqueueResult | undefined): EnqueueAnswer {
  switch (result?.result.case) {
    case "job":
      return { kind: "enqueued", job: result.result.value };
    case "error":
      return { kind: "refused", code: result.result.value.code, message: result.result.value.message };
    case undefined:
      return { kind: "refused", code: 13, message: "the daemon sent an empty answer" };
  }
}

export function recordBytes({ checkpoint: { checkpoint } }: CheckpointRecord): number {
  if (checkpoint === undefined) return ITEM_OVERHEAD_BYTES;
  const error = checkpoint.error;
  const errorLength = error === undefined ? 0 : 2 * (error.message.length + error.stack.length);
  return ITEM_OVERHEAD_BYTES + checkpoint.name.length + checkpoint.value.length + errorLength;
}

/** Null when the daemon asks for the record to be sent again later. */
export function recordAnswer(result: RecordResult | undefined): RecordAnswer | null {
  switch (result?.result) {
    case SettleResult.ACCEPTED:
      return RECORDED;
    case SettleResult.RETRY:
      return null;
    case SettleResult.INVALID:
      return { kind: "refused", message: result.message };
    case SettleResult.STALE:
    case SettleResult.UNSPECIFIED:
    case undefined:
      return { kind: "stale" };
  }
}

const RECORDED: RecordAnswer = { kind: "recorded" };

/** An enqueue without an answer yet, with the promise of its caller. */
export class PendingEnqueue<T> implements EnqueueCall {
  readonly promise: Promise<T>;
  #resolve!: (value: T) => void;
  #reject!: (error: ReseolioError) => void;

  readonly #address: string;
  readonly #onEnqueued: (answer: EnqueuedJob, job: NewJob) => T;

  constructor(
    readonly job: NewJob,
    readonly deadlineAt: number,
    address: string,
    onEnqueued: (answer: EnqueuedJob, job: NewJob) => T,
  ) {
    this.#address = address;
    this.#onEnqueued = onEnqueued;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  answer(result: EnqueueAnswer): void {
    if (result.kind === "enqueued") this.#resolve(this.#onEnqueued(result.job, this.job));
    else this.#reject(this.#errorOf(result));
  }

  #errorOf(answer: Exclude<EnqueueAnswer, { kind: "enqueued" }>): ReseolioError {
    const what = `${this.job.functionName} (job ${this.job.jobId})`;
    switch (answer.kind) {
      case "refused":
        return reseolioErrorFromStatus(answer);
      case "expired":
        return new ConnectionError(
          this.#address,
          `no answer from the daemon at ${this.#address} to the call of ${what}; it may or may not have been stored: check the job ID before calling again`,
        );
      case "closed":
        return new ConnectionError(
          this.#address,
          `the client was stopped before the call of ${what} was answered; it may or may not have been stored`,
        );
    }
  }
}

/** What one frame carries, until its reply. */
export interface SentFrame {
  readonly frameId: number;
  /** Monotonic. */
  readonly sentAt: number;
  readonly enqueues: readonly EnqueueCall[];
  readonly outcomes: readonly OutcomeReport[];
  readonly records: readonly CheckpointRecord[];
  readonly addFunctions: readonly string[];
  /** It tells the daemon to send no more assignments; those that are on their way arrive before the reply. */
  readonly drain: boolean;
}

/** Frames that were sent on this stream and have no reply yet. */
export class SentFrames {
  #frames = new Fifo<SentFrame>();
  #items = 0;
  #drains = 0;

  get length(): number {
    return this.#frames.length;
  }

  /** Enqueues, outcomes and checkpoints in these frames. */
  get items(): number {
    return this.#items;
  }

  /** Whether a frame that drains is unanswered. */
  get isDraining(): boolean {
    return this.#drains > 0;
  }

  get oldest(): SentFrame | undefined {
    return this.#frames.peek();
  }

  add(frame: SentFrame): void {
    this.#frames.push(frame);
    this.#items += itemsIn(frame);
    if (frame.drain) this.#drains++;
  }

  /** Removes the frame that the reply answers; undefined when none was sent under its ID, or one of another shape. */
  take(reply: Reply): SentFrame | undefined {
    const answers = (frame: SentFrame): boolean => frame.frameId === reply.frameId && fits(reply, frame);
    const { oldest } = this;
    const isNext = oldest !== undefined && answers(oldest);
    const frame = isNext ? this.#frames.shift() : this.#frames.remove(answers)[0];
    if (frame !== undefined) this.#items -= itemsIn(frame);
    if (frame?.drain === true) this.#drains--;
    return frame;
  }

  /** Removes all, in the order in which they were sent. */
  takeAll(): readonly SentFrame[] {
    const frames = [...this.#frames];
    this.#frames = new Fifo();
    this.#items = 0;
    this.#drains = 0;
    return frames;
  }

  [Symbol.iterator](): Iterator<SentFrame> {
    return this.#frames[Symbol.iterator]();
  }
}

function itemsIn({ enqueues, outcomes, records }: SentFrame): number {
  return enqueues.length + outcomes.length + records.length;
}

function fits(reply: Reply, frame: SentFrame): boolean {
  return (
    reply.enqueued.length === frame.enqueues.length &&
    reply.settled.length === frame.outcomes.length &&
    reply.recorded.length === frame.records.length
  );
}
