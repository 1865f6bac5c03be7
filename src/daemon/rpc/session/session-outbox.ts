import type { JobError } from "#proto/gen/reseolio/v1/job_pb.ts";
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

/** Bytes that a frame takes of each kind of item, but at least one item: far below the message limit of any client. */
const MAX_FRAME_BYTES = 1024 * 1024;

/** More queued bytes than this mean that the client does not read: the stream is ended, and it may reconnect. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024;

/** With more queued bytes, results of jobs stay in the store until there is room: a client may await a million. */
const FULL_BYTES = 16 * 1024 * 1024;

/** More checkpoints are read only while fewer bytes are queued: one job may have as many as a stream may queue. */
const ROOM_BYTES = 4 * 1024 * 1024;

/**
 * The queue of items to send to one client. The next frame takes everything queued since the last one, so frames grow with
 * the load, and a single item is sent at once.
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
  /** Callers that wait for room. */
  #readers: (() => void)[] = [];

  /** Whether the client reads so slowly that its stream should be ended. */
  get isOverfull(): boolean {
    return this.#bytes > MAX_WAITING_BYTES;
  }

  /** Whether items that can wait in the store should. */
  get isFull(): boolean {
    return this.#bytes > FULL_BYTES;
  }

  welcome(welcome: Welcome): void {
    this.#welcome = welcome;
    this.#signal();
  }

  /**
   * Deferred by a microtask, so that assignments and results of the same commit are sent first, also to other clients: they
   * are more urgent than acknowledgements.
   */
  reply(reply: Reply): void {
    this.#replies.push(reply);
    this.#bytes += replyBytes(reply);
    queueMicrotask(this.#signal);
  }

  assign(assignments: readonly Assignment[]): void {
    for (const assignment of assignments) {
      this.#assignments.push(assignment);
      this.#bytes += assignmentBytes(assignment);
    }
    this.#signal();
  }

  /** Queues checkpoints; they are sent before assignments that are queued later. Resolves when there is room for more. */
  replay(checkpoints: readonly RecordedCheckpoint[]): Promise<void> {
    for (const checkpoint of checkpoints) {
      this.#checkpoints.push(checkpoint);
      this.#bytes += recordedBytes(checkpoint);
    }
    this.#signal();
    return this.room();
  }

  /** Resolves when there is room for more, or when the stream has ended. */
  room(): Promise<void> {
    if (this.#bytes < ROOM_BYTES || this.#isEnded) return Promise.resolve();
    return new Promise((resolve) => this.#readers.push(resolve));
  }

  revoke(revocation: Revocation): void {
    this.#revocations.push(revocation);
    this.#signal();
  }

  finish(finished: FinishedJob): void {
    this.#finished.push(finished);
    this.#bytes += finishedBytes(finished);
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

  /** Ends the stream of frames after the items that are queued now. */
  end(): void {
    this.#isEnded = true;
    this.#signal();
    this.#notifyWaiters();
  }

  async *frames(): AsyncGenerator<SessionResponse> {
    for (;;) {
      while (this.#isWaiting()) yield this.#take();
      if (this.#isEnded) return;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** The generator continues in a microtask, after the commit has notified everybody. */
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
    const checkpoints = takeBytes(this.#checkpoints, recordedBytes);
    this.#checkpoints = checkpoints === this.#checkpoints ? [] : this.#checkpoints;
    const frame: SessionResponse = {
      $typeName: "reseolio.v1.SessionResponse",
      replies: takeBytes(this.#replies, replyBytes),
      // No assignment overtakes the checkpoints of its job.
      assignments: this.#checkpoints.length === 0 ? takeBytes(this.#assignments, assignmentBytes) : [],
      revocations: this.#revocations,
      finished: takeBytes(this.#finished, finishedBytes),
      recalls: this.#recalls,
      drain: this.#drain,
      checkpoints,
    };
    if (this.#welcome !== undefined) frame.welcome = this.#welcome;
    if (this.#bytes > 0) this.#bytes -= payloadBytes(frame);
    if (this.#bytes < ROOM_BYTES) this.#notifyWaiters();
    this.#welcome = undefined;
    this.#replies = frame.replies === this.#replies ? [] : this.#replies;
    this.#revocations = [];
    this.#recalls = [];
    this.#drain = false;
    this.#assignments = frame.assignments === this.#assignments ? [] : this.#assignments;
    this.#finished = frame.finished === this.#finished ? [] : this.#finished;
    return frame;
  }

  #notifyWaiters(): void {
    const readers = this.#readers;
    if (readers.length === 0) return;
    this.#readers = [];
    for (const resolve of readers) resolve();
  }
}

/** Returns the whole list if it fits into a frame, else removes and returns its first part. */
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
  for (const one of frame.replies) bytes += replyBytes(one);
  for (const one of frame.assignments) bytes += assignmentBytes(one);
  for (const one of frame.checkpoints) bytes += recordedBytes(one);
  for (const one of frame.finished) bytes += finishedBytes(one);
  return bytes;
}

/** Approximate bytes of the IDs, tokens and names of an item. */
const ITEM_BYTES = 64;
/** Approximate bytes of a reference to a record, without its name. */
const REF_BYTES = 12;

/** Most results take a few bytes; an error contains its text twice. */
function replyBytes({ enqueued, settled, recorded }: Reply): number {
  let bytes = (enqueued.length + recorded.length) * ITEM_BYTES + settled.length;
  for (const { result } of enqueued) if (result.case === "error") bytes += ITEM_BYTES + 3 * result.value.message.length;
  for (const { message } of recorded) bytes += message.length;
  return bytes;
}

function assignmentBytes({ args, headers, openWaits }: Assignment): number {
  let bytes = ITEM_BYTES + args.byteLength;
  for (const { name } of openWaits) bytes += REF_BYTES + 3 * name.length;
  for (const name in headers) bytes += name.length + (headers[name]?.length ?? 0);
  return bytes;
}

function finishedBytes({ result, error }: FinishedJob): number {
  return ITEM_BYTES + result.byteLength + textBytes(error);
}

function recordedBytes({ checkpoint }: RecordedCheckpoint): number {
  if (checkpoint === undefined) return 0;
  return ITEM_BYTES + checkpoint.value.byteLength + checkpoint.name.length + textBytes(checkpoint.error);
}

function textBytes(error: JobError | undefined): number {
  return error === undefined ? 0 : error.name.length + error.message.length + error.stack.length;
}
