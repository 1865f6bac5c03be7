import { create } from "@bufbuild/protobuf";
import type {
  Assignment,
  FinishedJob,
  HeldLease,
  RecordedCheckpoint,
  Reply,
  Revocation,
  SessionResponse,
  Welcome,
} from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { SessionResponseSchema } from "#proto/gen/reseolio/v1/session_service_pb.ts";

/** A frame takes no more args, results and recorded values than this, far below the message limit of any client. */
const MAX_FRAME_BYTES = 1024 * 1024;

/** More bytes waiting than this mean that the client does not read: the stream is ended, and it may connect again. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024;

/** Checkpoints are read on only while fewer bytes wait: a job may have recorded as much as a client may be sent at all. */
const REPLAY_WAITING_BYTES = 4 * 1024 * 1024;

/**
 * What waits to be sent to one client. Everything that was put in since the last frame left goes into the next one:
 * frames grow with the load, and one alone goes at once.
 */
export class SessionOutbox {
  #welcome: Welcome | undefined;
  #replies: Reply[] = [];
  #assignments: Assignment[] = [];
  #checkpoints: RecordedCheckpoint[] = [];
  #revocations: Revocation[] = [];
  #finished: FinishedJob[] = [];
  #recalls: HeldLease[] = [];
  #drain = false;
  #bytes = 0;
  #isEnded = false;
  #wake: (() => void) | null = null;
  /** Who waits for room for more checkpoints. */
  #readers: (() => void)[] = [];

  /** Whether the client reads so slowly that its stream should be ended. */
  get isOverfull(): boolean {
    return this.#bytes > MAX_WAITING_BYTES;
  }

  welcome(welcome: Welcome): void {
    this.#welcome = welcome;
    this.#signal();
  }

  /**
   * Leaves a moment after what else a commit puts into other clients' outboxes: a worker that gets its job and a caller
   * that gets its result go before those who hear that something is stored.
   */
  reply(reply: Reply): void {
    this.#replies.push(reply);
    queueMicrotask(this.#signal);
  }

  assign(assignments: readonly Assignment[]): void {
    for (const assignment of assignments) {
      this.#assignments.push(assignment);
      this.#bytes += assignment.args.byteLength;
    }
    this.#signal();
  }

  /** Sent before the assignments that are put in after them. Resolves when there is room for more. */
  replay(checkpoints: readonly RecordedCheckpoint[]): Promise<void> {
    for (const checkpoint of checkpoints) {
      this.#checkpoints.push(checkpoint);
      this.#bytes += recordedBytes(checkpoint);
    }
    this.#signal();
    if (this.#bytes < REPLAY_WAITING_BYTES || this.#isEnded) return Promise.resolve();
    return new Promise((resolve) => this.#readers.push(resolve));
  }

  revoke(revocation: Revocation): void {
    this.#revocations.push(revocation);
    this.#signal();
  }

  finish(finished: FinishedJob): void {
    this.#finished.push(finished);
    this.#bytes += finished.result.byteLength;
    this.#signal();
  }

  recall(leases: readonly HeldLease[]): void {
    this.#recalls.push(...leases);
    this.#signal();
  }

  drain(): void {
    this.#drain = true;
    this.#signal();
  }

  /** Frames end after what waits now. */
  end(): void {
    this.#isEnded = true;
    this.#signal();
    this.#tellReaders();
  }

  async *frames(): AsyncGenerator<SessionResponse> {
    for (;;) {
      while (this.#isWaiting()) yield this.#take();
      if (this.#isEnded) return;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** The generator goes on in a microtask, after the commit that puts something in has told everybody. */
  readonly #signal = (): void => {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  };

  #isWaiting(): boolean {
    return (
      this.#replies.length > 0 ||
      this.#assignments.length > 0 ||
      this.#checkpoints.length > 0 ||
      this.#finished.length > 0 ||
      this.#revocations.length > 0 ||
      this.#recalls.length > 0 ||
      this.#welcome !== undefined ||
      this.#drain
    );
  }

  #take(): SessionResponse {
    const frame = create(SessionResponseSchema);
    if (this.#welcome !== undefined) frame.welcome = this.#welcome;
    frame.replies = this.#replies;
    frame.revocations = this.#revocations;
    frame.recalls = this.#recalls;
    frame.drain = this.#drain;
    frame.checkpoints = takeBytes(this.#checkpoints, recordedBytes);
    this.#checkpoints = frame.checkpoints === this.#checkpoints ? [] : this.#checkpoints;
    // No job overtakes what it recorded.
    if (this.#checkpoints.length === 0) {
      frame.assignments = takeBytes(this.#assignments, (one) => one.args.byteLength);
    }
    frame.finished = takeBytes(this.#finished, (one) => one.result.byteLength);
    if (this.#bytes > 0) this.#bytes -= payloadBytes(frame);
    if (this.#bytes < REPLAY_WAITING_BYTES) this.#tellReaders();
    this.#welcome = undefined;
    this.#replies = [];
    this.#revocations = [];
    this.#recalls = [];
    this.#drain = false;
    this.#assignments = frame.assignments === this.#assignments ? [] : this.#assignments;
    this.#finished = frame.finished === this.#finished ? [] : this.#finished;
    return frame;
  }

  #tellReaders(): void {
    const readers = this.#readers;
    if (readers.length === 0) return;
    this.#readers = [];
    for (const resolve of readers) resolve();
  }
}

/** The list itself when it fits into a frame, else its first part, cut off from it. */
function takeBytes<T>(list: T[], bytesOf: (item: T) => number): T[] {
  let bytes = 0;
  for (let index = 0; index < list.length; index++) {
    bytes += bytesOf(list[index] as T);
    if (bytes > MAX_FRAME_BYTES && index > 0) return list.splice(0, index);
  }
  return list;
}

function payloadBytes(frame: SessionResponse): number {
  let bytes = 0;
  for (const one of frame.assignments) bytes += one.args.byteLength;
  for (const one of frame.checkpoints) bytes += recordedBytes(one);
  for (const one of frame.finished) bytes += one.result.byteLength;
  return bytes;
}

function recordedBytes({ checkpoint }: RecordedCheckpoint): number {
  if (checkpoint === undefined) return 0;
  const { value, name, error } = checkpoint;
  return value.byteLength + name.length + (error === undefined ? 0 : error.message.length + error.stack.length);
}
