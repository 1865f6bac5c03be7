/**
 * Collects what a client sends to the daemon into frames. What is added while frames are unanswered waits here and goes
 * out together in the next frame. When a stream breaks, what was sent and not answered returns to the front of its
 * queue, in order, and is sent again on the next stream; IDs make the repetition harmless (P2).
 */
import { UNANSWERED_FRAME_ID, WIRE_LIMITS } from "#proto/contract.ts";
import {
  type Heartbeat,
  type HeldLease,
  type Outcome,
  type RecordResult,
  type Reply,
  type SessionRequest,
  SettleResult,
} from "#proto/gen/reseolio/v1/session_service_pb.ts";
import {
  type CheckpointRecord,
  type EnqueueAnswer,
  enqueueAnswer,
  enqueueBytes,
  type EnqueueCall,
  outcomeBytes,
  type OutcomeReport,
  recordAnswer,
  recordBytes,
  SentFrames,
} from "./frames.ts";
import { Fifo } from "./queues.ts";

const FRAME_BYTES = 1024 * 1024;
/** The gRPC code of a daemon that is temporarily unavailable. */
const UNAVAILABLE = 14;

export class Batcher {
  #enqueues = new Fifo<EnqueueCall>();
  #outcomes = new Fifo<OutcomeReport>();
  #records = new Fifo<CheckpointRecord>();
  #heartbeats = new Fifo<Heartbeat>();
  #wakes = new Fifo<HeldLease>();
  #awaitJobIds = new Fifo<string>();
  #unawaitJobIds = new Fifo<string>();
  #addFunctions = new Fifo<string>();
  #drain = false;
  readonly #sent = new SentFrames();
  /** Calls that the daemon could not store for now. */
  #postponed: EnqueueCall[] = [];
  #postponedRecords: CheckpointRecord[] = [];
  #isClosed = false;
  readonly #onWork: () => void;

  /** @param onWork called when there is something to send */
  constructor(onWork: () => void = () => {}) {
    this.#onWork = onWork;
  }

  /** Sent again with the same ID until it is answered or its deadline has passed. */
  enqueue(call: EnqueueCall): void {
    if (this.#isClosed) call.answer({ kind: "closed" });
    else this.#add(this.#enqueues, call);
  }

  /** How an attempt ended. Sent again until it is answered or dropped. */
  report(report: OutcomeReport): void {
    this.#add(this.#outcomes, report);
  }

  /** Answered when the daemon has it on disk, or will never have it. */
  record(record: CheckpointRecord): void {
    if (this.#isClosed) record.answer({ kind: "closed" });
    else this.#add(this.#records, record);
  }

  /** Sent once: after a break the next hello carries the time left. */
  heartbeat(heartbeat: Heartbeat): void {
    this.#add(this.#heartbeats, heartbeat);
  }

  /** Sent once: the worker repeats it on a new stream. */
  wake(lease: HeldLease): void {
    this.#add(this.#wakes, lease);
  }

  awaitJob(jobId: string): void {
    this.#add(this.#awaitJobIds, jobId);
  }

  unawaitJob(jobId: string): void {
    this.#add(this.#unawaitJobIds, jobId);
  }

  addFunction(name: string): void {
    this.#add(this.#addFunctions, name);
  }

  drain(): void {
    this.#drain = true;
    this.#onWork();
  }

  /** Whether the next frame would carry anything. */
  get hasWork(): boolean {
    return (
      this.#outcomes.length > 0 ||
      this.#enqueues.length > 0 ||
      this.#records.length > 0 ||
      this.#heartbeats.length > 0 ||
      this.#wakes.length > 0 ||
      this.#awaitJobIds.length > 0 ||
      this.#unawaitJobIds.length > 0 ||
      this.#addFunctions.length > 0 ||
      this.#drain
    );
  }

  /** Number of enqueues, outcomes and checkpoints that wait for a frame. */
  get waitingItems(): number {
    return this.#enqueues.length + this.#outcomes.length + this.#records.length;
  }

  /** Number of enqueues, outcomes and checkpoints in unanswered frames. */
  get unansweredItems(): number {
    return this.#sent.items;
  }

  /** Number of unanswered frames. */
  get unanswered(): number {
    return this.#sent.length;
  }

  /** Monotonic time at which the oldest unanswered frame was sent; null if there is none. */
  get oldestSentAt(): number | null {
    return this.#sent.oldest?.sentAt ?? null;
  }

  /** Number of enqueues, outcomes and checkpoints without an answer, sent or not. */
  get pending(): number {
    return this.waitingItems + this.#postponed.length + this.#postponedRecords.length + this.#sent.items;
  }

  /** Whether everything has its answer, a drain included: until then the daemon may still send assignments. */
  get isIdle(): boolean {
    return this.pending === 0 && !this.#drain && !this.#sent.isDraining;
  }

  /**
   * Builds the next frame, which is empty if there is nothing to send. It counts as unanswered until its reply, except
   * for a frame that carries only awaited job IDs: it has the ID 0 and no reply.
   */
  takeFrame(frameId: number, now: number): SessionRequest {
    const isAnswered = !this.#hasOnlyAwaits;
    const size = { left: FRAME_BYTES };
    // Outcomes first: they free slots.
    const outcomes = takeSome(this.#outcomes, outcomeBytes, size);
    const records = takeSome(this.#records, recordBytes, size);
    const enqueues = takeSome(this.#enqueues, enqueueBytes, size);
    const addFunctions = this.#addFunctions.takeUpTo(WIRE_LIMITS.batchItems);
    const drain = this.#drain;
    this.#drain = false;
    if (isAnswered) this.#sent.add({ frameId, sentAt: now, enqueues, outcomes, records, addFunctions, drain });
    return {
      $typeName: "reseolio.v1.SessionRequest",
      frameId: isAnswered ? frameId : UNANSWERED_FRAME_ID,
      addFunctions,
      enqueues: enqueues.map((call) => call.job),
      outcomes: outcomes.map((report) => report.outcome),
      awaitJobIds: this.#awaitJobIds.takeUpTo(WIRE_LIMITS.batchItems),
      unawaitJobIds: this.#unawaitJobIds.takeUpTo(WIRE_LIMITS.batchItems),
      drain,
      checkpoints: records.map((record) => record.checkpoint),
      heartbeats: this.#heartbeats.takeUpTo(WIRE_LIMITS.batchItems),
      wakes: this.#wakes.takeUpTo(WIRE_LIMITS.batchItems),
    };
  }

  /** Only await and unawait IDs, which need no reply, and few enough for one frame. */
  get #hasOnlyAwaits(): boolean {
    const awaits = this.#awaitJobIds.length + this.#unawaitJobIds.length;
    return (
      awaits > 0 &&
      awaits <= WIRE_LIMITS.batchItems &&
      this.waitingItems + this.#heartbeats.length + this.#wakes.length + this.#addFunctions.length === 0 &&
      !this.#drain
    );
  }

  /**
   * Passes the answers of a reply to the callers. Replies may come in another order than their frames.
   *
   * @returns false when the reply does not match what was sent: the stream has to be closed
   */
  answer(reply: Reply): boolean {
    const frame = this.#sent.take(reply);
    if (frame === undefined) return false;
    frame.enqueues.forEach((call, index) => this.#answerCall(call, enqueueAnswer(reply.enqueued[index])));
    frame.outcomes.forEach((report, index) => report.answer(reply.settled[index] ?? SettleResult.UNSPECIFIED));
    frame.records.forEach((record, index) => this.#answerRecord(record, reply.recorded[index]));
    return true;
  }

  #answerRecord(record: CheckpointRecord, result: RecordResult | undefined): void {
    const answer = recordAnswer(result);
    if (answer === null) this.#postponedRecords.push(record);
    else record.answer(answer);
  }

  /** Unavailable is not passed to the caller: the daemon is stopping, or its store is away for a moment. */
  #answerCall(call: EnqueueCall, answer: EnqueueAnswer): void {
    if (answer.kind === "refused" && answer.code === UNAVAILABLE) this.#postponed.push(call);
    else call.answer(answer);
  }

  /**
   * Puts what the daemon could not store for now in front of what waits. IDs and names make the repetition harmless.
   */
  retryPostponed(): void {
    this.#enqueues.unshiftAll(this.#postponed);
    this.#postponed = [];
    this.#records.unshiftAll(this.#postponedRecords);
    this.#postponedRecords = [];
  }

  /** Prepares for a new stream: queues again what had no answer, and all awaited IDs. */
  restart(awaitedJobIds: Iterable<string>, now: number): void {
    this.retryPostponed();
    this.expire(now);
    const sent = this.#sent.takeAll();
    this.#enqueues.unshiftAll(sent.flatMap((frame) => frame.enqueues.filter((call) => call.deadlineAt > now)));
    this.#outcomes.unshiftAll(sent.flatMap((frame) => frame.outcomes));
    this.#records.unshiftAll(sent.flatMap((frame) => frame.records));
    // The next hello carries every function and the time left; the worker repeats its wakes.
    this.#heartbeats = new Fifo();
    this.#wakes = new Fifo();
    this.#addFunctions = new Fifo();
    this.#unawaitJobIds = new Fifo();
    this.#awaitJobIds = new Fifo();
    for (const jobId of awaitedJobIds) this.#awaitJobIds.push(jobId);
  }

  /** Drops reports that are now irrelevant, if they wait to be sent or sent again. */
  dropReports(matches: (outcome: Outcome) => boolean): void {
    this.#outcomes.remove((report) => matches(report.outcome));
  }

  /** Fails enqueues past their deadline. Those already sent may have been stored. */
  expire(now: number): void {
    for (const frame of this.#sent) {
      for (const call of frame.enqueues) if (call.deadlineAt <= now) call.answer({ kind: "expired" });
    }
    for (const call of this.#enqueues.remove((call) => call.deadlineAt <= now)) call.answer({ kind: "expired" });
    for (const call of this.#postponed) if (call.deadlineAt <= now) call.answer({ kind: "expired" });
    this.#postponed = this.#postponed.filter((call) => call.deadlineAt > now);
  }

  /** Answers all callers with `closed`; nothing is sent any more. */
  close(): void {
    this.#isClosed = true;
    this.restart([], -1);
    for (const call of this.#enqueues.remove(() => true)) call.answer({ kind: "closed" });
    for (const record of this.#records.remove(() => true)) record.answer({ kind: "closed" });
    this.#outcomes = new Fifo();
  }

  #add<T>(queue: Fifo<T>, item: T): void {
    queue.push(item);
    this.#onWork();
  }
}

function takeSome<T>(queue: Fifo<T>, bytes: (item: T) => number, size: { left: number }): T[] {
  const taken: T[] = [];
  for (let item = queue.peek(); item !== undefined && taken.length < WIRE_LIMITS.batchItems; item = queue.peek()) {
    const length = bytes(item);
    // The first item always fits: a single item of the maximum size still makes a valid message.
    if (taken.length > 0 && length > size.left) break;
    queue.shift();
    size.left -= length;
    taken.push(item);
  }
  return taken;
}
