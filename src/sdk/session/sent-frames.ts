import type { Reply } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { Fifo } from "./queues.ts";
import type { CheckpointRecord, EnqueueCall, OutcomeReport } from "./frame-items.ts";

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
