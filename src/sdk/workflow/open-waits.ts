/** The current waits of a handler: sent to the daemon when it parks, and delivered in the order of the record. */
import { NO_BYTES } from "#proto/contract.ts";
import { type Checkpoint, CheckpointKind, JobState } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { FinishedJob, Park } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { byPlace } from "../replay/checkpoint-journal.ts";
import type { Operation } from "../replay/operation.ts";
import type { Replay } from "../replay/replay.ts";
import type { DurableWait, WaitEnd } from "./durable-wait.ts";
import type { NewRecord } from "./new-record.ts";
import { parkRequest } from "./park-request.ts";
import type { WaitTimes } from "./wait-times.ts";

/** How long ends of jobs are collected before a parked handler asks for its slot. */
const GATHERING_MS = 20;
/** setTimeout fires at once for a longer delay. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** What the waits need from their execution. */
export interface WaitsPort {
  readonly replay: Replay;
  isActive(): boolean;
  /** Resolves when it is the operation's turn to be delivered. */
  recordInPlace(operation: Operation, record: NewRecord): Promise<void>;
  recordInternal(label: string, record: NewRecord): Promise<void>;
  needSlot(): void;
  /** A wait may have ended: checks later whether the handler parks. */
  checkSoon(): void;
  forgetPending(wait: DurableWait): void;
}

export class OpenWaits {
  readonly #waits = new Map<string, DurableWait>();
  /** Runs while job ends arrive that do not wake the handler by themselves. */
  #gathering: ReturnType<typeof setTimeout> | undefined;

  readonly #port: WaitsPort;

  constructor(port: WaitsPort) {
    this.#port = port;
  }

  get size(): number {
    return this.#waits.size;
  }

  /** Whether a wait is already over, and about to be delivered. */
  get isAnyOver(): boolean {
    for (const wait of this.#waits.values()) if (wait.isOver) return true;
    return false;
  }

  /** Whether one of the waits is a sleep or has a timeout. */
  get hasTime(): boolean {
    for (const wait of this.#waits.values()) if (wait.sleepLeftMs() !== null || wait.timeLeftMs() !== null) return true;
    return false;
  }

  find(name: string): DurableWait | undefined {
    return this.#waits.get(name);
  }

  add(wait: DurableWait): void {
    this.#waits.set(wait.name, wait);
  }

  /** Drops a wait that one caller no longer needs. */
  forget(wait: DurableWait): void {
    if (--wait.holders > 0 || this.#waits.get(wait.name) !== wait) return;
    this.#remove(wait);
  }

  satisfy(wait: DurableWait, end: WaitEnd): void {
    if (wait.end !== undefined || this.#waits.get(wait.name) !== wait) return;
    wait.isOver = true;
    wait.end = end;
    if (this.#port.isActive()) this.#deliverInOrder(wait);
    else if (!wait.wakes) this.#gathering ??= setTimeout(() => this.#port.needSlot(), GATHERING_MS);
  }

  /** The message for the daemon when the handler parks. */
  park(): Park {
    const waits = [...this.#waits.values()];
    for (const wait of waits) clearTimeout(wait.timer);
    const { isOrdered, sequence } = this.#port.replay;
    return parkRequest(waits, isOrdered ? sequence.place() : undefined);
  }

  /** The handler has a slot again. @param recorded checkpoints since it parked */
  resume(recorded: readonly Checkpoint[]): void {
    this.#stopGathering();
    for (const checkpoint of [...recorded].sort(byPlace)) this.#learn(checkpoint);
    for (const wait of [...this.#waits.values()]) {
      if (wait.end !== undefined && wait.delivery === undefined) this.#deliverInOrder(wait);
    }
  }

  /**
   * Starts timers: a sleep concurrent to a running step ends on time, not when the step lets the handler park.
   *
   * @param times keeps the times of waits across a restart; undefined in a job without a recorded order
   */
  armTimers(times: WaitTimes | undefined): void {
    for (const wait of this.#waits.values()) {
      this.#armTimer(wait);
      if (!wait.isOver) times?.keep(wait);
    }
  }

  clear(): void {
    this.#stopGathering();
    for (const wait of this.#waits.values()) wait.release();
    this.#waits.clear();
  }

  /** Gives the result of a wait to the handler. */
  deliver(wait: DurableWait): void {
    if (this.#waits.get(wait.name) === wait) this.#remove(wait);
    wait.deliver();
    this.#port.checkSoon();
  }

  #learn(checkpoint: Checkpoint): void {
    const { replay } = this.#port;
    replay.journal.add(checkpoint);
    const wait = this.#waits.get(checkpoint.name);
    if (wait === undefined || wait.delivery !== undefined) return;
    wait.isOver = true;
    wait.end ??= endFrom(wait, checkpoint);
    if (wait.operation === undefined || checkpoint.seq === 0) return;
    const { id } = wait.operation;
    replay.addPlaced(wait.operation);
    wait.delivery = { id, op: id, isReady: wait.end !== undefined, give: () => this.deliver(wait) };
    replay.sequence.expect(wait.delivery);
  }

  /** The handler has its slot: delivers the end of a wait as soon as it has its place. */
  #deliverInOrder(wait: DurableWait): void {
    const { operation, end, delivery } = wait;
    const { isOrdered, sequence } = this.#port.replay;
    if (delivery !== undefined) sequence.ready(delivery);
    else if (operation === undefined || !isOrdered) this.deliver(wait);
    else if (end?.kind === "job") this.#record(wait, endOfJob(end.job));
    else this.#record(wait, { kind: operation.kind, value: NO_BYTES });
  }

  /** Records the place of the end before the handler gets it. */
  #record(wait: DurableWait, record: NewRecord): void {
    const { operation, name } = wait;
    const { recordInPlace, recordInternal } = this.#port;
    const recorded = operation === undefined ? recordInternal(name, record) : recordInPlace(operation, record);
    recorded.then(
      () => this.deliver(wait),
      (error: Error) => {
        // Over and never delivered, it would keep a handler that catches the error from parking ever again.
        if (this.#waits.get(wait.name) === wait) this.#remove(wait);
        wait.reject(error);
        this.#port.checkSoon();
      },
    );
  }

  #remove(wait: DurableWait): void {
    this.#waits.delete(wait.name);
    this.#port.forgetPending(wait);
    wait.release();
  }

  #stopGathering(): void {
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
  }

  #armTimer(wait: DurableWait): void {
    const left = wait.isOver ? null : wait.sleepLeftMs();
    if (left === null) return;
    clearTimeout(wait.timer);
    wait.timer = setTimeout(() => this.#onTimer(wait), Math.min(Math.ceil(left), MAX_TIMER_MS));
  }

  #onTimer(wait: DurableWait): void {
    if (!this.#port.isActive() || this.#waits.get(wait.name) !== wait || wait.isOver) return;
    if (wait.sleepLeftMs() !== 0) {
      this.#armTimer(wait);
      return;
    }
    wait.isOver = true;
    wait.end = { kind: "slept" };
    this.#record(wait, { kind: CheckpointKind.SLEEP, value: NO_BYTES });
  }
}

function endFrom(wait: DurableWait, checkpoint: Checkpoint): WaitEnd | undefined {
  switch (checkpoint.kind) {
    case CheckpointKind.SLEEP:
      return { kind: "slept" };
    case CheckpointKind.EVENT:
    case CheckpointKind.SIGNAL:
      return { kind: "message", checkpoint };
    case CheckpointKind.JOB:
      return wait.awaited.kind === "job" ? failedEnd(wait.awaited.jobId, checkpoint) : undefined;
    default:
      return undefined;
  }
}

/** The recorded end of a failed job; undefined for one that succeeded, whose result is stored with the job. */
export function failedEnd(jobId: string, { error }: Checkpoint): Extract<WaitEnd, { kind: "job" }> | undefined {
  if (error === undefined) return undefined;
  const state = CANCELLED_REASONS.has(error.reason) ? JobState.CANCELLED : JobState.DEAD;
  return { kind: "job", job: { $typeName: "reseolio.v1.FinishedJob", jobId, state, result: NO_BYTES, error } };
}

const CANCELLED_REASONS: ReadonlySet<string> = new Set(["cancelled", "start_deadline", "finish_deadline"]);

/** What is recorded about the end of a job: why it failed. A result stays with its job. */
function endOfJob({ jobId, state, error }: FinishedJob): NewRecord {
  const hasFailed = state === JobState.DEAD || state === JobState.CANCELLED;
  const record = { kind: CheckpointKind.JOB, value: NO_BYTES, awaitedJobId: jobId };
  return hasFailed && error !== undefined ? { ...record, error } : record;
}
