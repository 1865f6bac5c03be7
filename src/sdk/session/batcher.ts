/**
 * What a client wants to tell the daemon, folded into frames. Whatever arrives while frames are under way waits here
 * and goes out together in the next one. What was sent and not answered when a stream breaks goes back to the front,
 * in its order, to be sent again on the next stream: ids make the repetition harmless (P2).
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
import { Fifo } from "./fifo.ts";
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
} from "./frame-items.ts";
import { SentFrames } from "./sent-frames.ts";

const FRAME_BYTES = 1024 * 1024;
/** The gRPC code of a daemon that cannot serve for now. */
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
  /** Calls that the daemon could not take for now. */
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

  /** Whether a frame would carry something. */
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

  /** Enqueues, outcomes and checkpoints that wait for a frame. */
  get waitingItems(): number {
    return this.#enqueues.length + this.#outcomes.length + this.#records.length;
  }

  /** Enqueues, outcomes and checkpoints in frames that are not answered. */
  get unansweredItems(): number {
    return this.#sent.items;
  }

  /** Frames sent and not answered. */
  get unanswered(): number {
    return this.#sent.length;
  }

  /** Monotonic time at which the oldest unanswered frame was sent. */
  get oldestSentAt(): number | null {
    return this.#sent.oldest?.sentAt ?? null;
  }

  /** Enqueues, outcomes and checkpoints that have no answer yet, sent or not. */
  get pending(): number {
    return this.waitingItems + this.#postponed.length + this.#postponedRecords.length + this.#sent.items;
  }

  /**
   * The next frame, empty when there is nothing to say. It counts as under way until its answer; one that only says what
   * is awaited has the id 0 and no answer.
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
    if (isAnswered) this.#sent.add({ frameId, sentAt: now, enqueues, outcomes, records, addFunctions });
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

  /** Few enough for one frame, and nothing that has an answer: a second frame for nothing, on the way of the result. */
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
   * Hands the answers to those who wait. Frames are answered as their work is done, so a later one may come first.
   * False when the reply does not fit what was sent: the stream is broken.
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

  /** Unavailable is no answer for the caller: the daemon is stopping, or its store is away for a moment. */
  #answerCall(call: EnqueueCall, answer: EnqueueAnswer): void {
    if (answer.kind === "refused" && answer.code === UNAVAILABLE) this.#postponed.push(call);
    else call.answer(answer);
  }

  /** Puts what the daemon could not take for now in front of what waits. Ids and names make the repetition harmless. */
  retryPostponed(): void {
    this.#enqueues.unshiftAll(this.#postponed);
    this.#postponed = [];
    this.#records.unshiftAll(this.#postponedRecords);
    this.#postponedRecords = [];
  }

  /** For a new stream: what had no answer is to be sent again, the awaited ids all anew. */
  restart(awaitedJobIds: Iterable<string>, now: number): void {
    this.retryPostponed();
    this.expire(now);
    const sent = this.#sent.takeAll();
    this.#enqueues.unshiftAll(sent.flatMap((frame) => frame.enqueues.filter((call) => call.deadlineAt > now)));
    this.#outcomes.unshiftAll(sent.flatMap((frame) => frame.outcomes));
    this.#records.unshiftAll(sent.flatMap((frame) => frame.records));
    // The next hello names every function and the time left; the worker wakes again what it has to.
    this.#heartbeats = new Fifo();
    this.#wakes = new Fifo();
    this.#addFunctions = new Fifo();
    this.#unawaitJobIds = new Fifo();
    this.#awaitJobIds = new Fifo();
    for (const jobId of awaitedJobIds) this.#awaitJobIds.push(jobId);
  }

  /** Takes back reports that have no meaning any more and were not sent, or are to be sent again. */
  dropReports(matches: (outcome: Outcome) => boolean): void {
    this.#outcomes.remove((report) => matches(report.outcome));
  }

  /** Gives up on enqueues whose callers waited long enough. Those under way may have been stored. */
  expire(now: number): void {
    for (const frame of this.#sent) {
      for (const call of frame.enqueues) if (call.deadlineAt <= now) call.answer({ kind: "expired" });
    }
    for (const call of this.#enqueues.remove((call) => call.deadlineAt <= now)) call.answer({ kind: "expired" });
    for (const call of this.#postponed) if (call.deadlineAt <= now) call.answer({ kind: "expired" });
    this.#postponed = this.#postponed.filter((call) => call.deadlineAt > now);
  }

  /** Ends every wait; nothing is sent any more. */
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
    // The first always fits: one item of the largest size allowed still makes a legal message.
    if (taken.length > 0 && length > size.left) break;
    queue.shift();
    size.left -= length;
    taken.push(item);
  }
  return taken;
}
