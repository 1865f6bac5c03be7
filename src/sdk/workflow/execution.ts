/**
 * One handler in memory as the record sees it: what it has recorded, what it waits for, and whether it has its slot.
 *
 * It parks when something durable is awaited and nothing else of it is under way: no step, no record, no call. What was
 * awaited is handed to it only when it has its slot again, so a parked handler stands still wherever it only waits.
 */
import { type Checkpoint, CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import { CheckpointJournal } from "./checkpoint-journal.ts";
import type { DurableWait, WaitEnd } from "./durable-wait.ts";
import { endedError, type ExecutionHost, type ExecutionPort } from "./execution-host.ts";
import type { RecordAnswer } from "../session/frame-items.ts";
import type { HandlerClock } from "./rehearsal.ts";
import { checkpointOf, type NewRecord, recordError } from "./new-record.ts";
import { parkRequest } from "./park-request.ts";

type Stage =
  | "active"
  /** Without a slot, waiting. */
  | "parked"
  /** The handler has settled. */
  | "ended"
  /** The job goes on elsewhere: this handler never does. */
  | "dropped";

/** What a record that is alone counts as: what is recorded, and the recording. */
const RECORDING = 2;

/** How long ends of jobs are gathered before a parked handler asks for its slot. */
const GATHERING_MS = 20;
/** setTimeout fires at once for longer times than this. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export class Execution {
  readonly journal: CheckpointJournal;
  readonly #waits = new Map<string, DurableWait>();
  /** Told when the handler's time is over. */
  readonly #rejects = new Set<(reason: Error) => void>();
  #whenInSlot: (() => void)[] = [];
  #busy = 0;
  #stage: Stage = "active";
  #isCheckDue = false;
  /** Runs while ends come that do not wake the handler by themselves. */
  #gathering: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly host: ExecutionHost,
    private readonly port: ExecutionPort,
    recorded: readonly Checkpoint[],
  ) {
    this.journal = new CheckpointJournal(host, recorded);
  }

  get clock(): HandlerClock {
    return this.port.clock;
  }

  /** A step, a record or a call of the handler is under way. */
  get isBusy(): boolean {
    return this.#busy > 0;
  }

  get isParked(): boolean {
    return this.#stage === "parked";
  }

  get isDropped(): boolean {
    return this.#stage === "dropped";
  }

  /** @throws the reason of the signal, or ReseolioError `failed_precondition` when the handler has settled */
  check(): void {
    if (this.host.abortReason !== undefined) throw this.host.abortReason;
    if (this.#stage === "ended") throw endedError(this.host);
  }

  /** Something begins that keeps the slot; a parked handler gets its slot first. Ends with `leave`. */
  async enter(): Promise<void> {
    this.check();
    while (this.#stage !== "active") await this.#slot();
    this.#busy++;
  }

  /** As `enter` for a handler that has its slot, or whose time is over. */
  rejoin(): void {
    this.#busy++;
  }

  leave(): void {
    this.#busy--;
    this.#checkSoon();
  }

  /** Keeps the slot, if the handler has it, while a call is under way. */
  async during<T>(call: Promise<T>): Promise<T> {
    this.#busy++;
    try {
      return await call;
    } finally {
      this.leave();
    }
  }

  /**
   * Ends when it is on disk. The handler must have its slot.
   *
   * @throws the reason of the signal; ReseolioError `resource_exhausted` when the daemon refuses it
   */
  record(record: NewRecord): Promise<void> {
    const recorded = new Promise<void>((resolve, reject) => {
      this.#rejects.add(reject);
      const answer = (said: RecordAnswer): void => {
        this.#rejects.delete(reject);
        if (this.#stage === "dropped" || (said.kind === "recorded" && this.#dies(`record ${record.name}`, RECORDING)))
          return;
        if (said.kind === "recorded") resolve();
        else reject(recordError(this.host, record.name, said));
      };
      this.port.record({ checkpoint: checkpointOf(this.host, record), answer });
    });
    return this.during(recorded);
  }

  /** The handler has done something that no later execution does again: in a test it may die here. */
  pass(point: string): Promise<void> {
    return this.#dies(point, 0) ? new Promise(() => {}) : Promise.resolve();
  }

  /** Waits for it, without the slot as soon as nothing else is under way. */
  wait(wait: DurableWait): Promise<WaitEnd> {
    this.#waits.set(wait.name, wait);
    this.#rejects.add(wait.reject);
    // Only with a slot can the daemon be told of it.
    if (this.#stage === "parked") this.port.needSlot(this.host);
    else this.#checkSoon();
    return wait.promise;
  }

  /** As `wait`, for the end of a job; several callers may wait for the same. */
  waitForJob(jobId: string, make: () => DurableWait): DurableWait {
    const name = jobWaitName(jobId);
    const known = this.#waits.get(name);
    if (known !== undefined) {
      known.holders++;
      return known;
    }
    const wait = make();
    wait.isOver = this.journal.find(name, CheckpointKind.JOB) !== undefined;
    void this.wait(wait);
    wait.unwatch = this.port.watchEnd(jobId, (job) => this.satisfy(wait, { kind: "job", job }));
    return wait;
  }

  /** It is awaited no more. */
  forget(wait: DurableWait): void {
    if (--wait.holders > 0 || this.#waits.get(wait.name) !== wait) return;
    this.#remove(wait);
  }

  satisfy(wait: DurableWait, end: WaitEnd): void {
    if (wait.end !== undefined || this.#waits.get(wait.name) !== wait) return;
    wait.isOver = true;
    wait.end = end;
    if (this.#stage === "active") this.#deliver(wait);
    else if (!wait.wakes) this.#gathering ??= setTimeout(() => this.port.needSlot(this.host), GATHERING_MS);
  }

  /** The handler has a slot again. @param recorded since it parked */
  resume(recorded: readonly Checkpoint[]): void {
    this.#stage = "active";
    this.#stopGathering();
    for (const checkpoint of recorded) this.#learn(checkpoint);
    for (const wait of [...this.#waits.values()]) if (wait.end !== undefined) this.#deliver(wait);
    for (const go of this.#whenInSlot.splice(0)) go();
    this.#checkSoon();
  }

  /** Everything awaited rejects, also without a slot. */
  abort(reason: Error): void {
    const rejects = [...this.#rejects];
    this.#letGo();
    this.#rejects.clear();
    for (const reject of rejects) reject(reason);
  }

  /** The handler has settled. */
  end(): void {
    if (this.#stage !== "dropped") this.#stage = "ended";
    this.#letGo();
  }

  /** The handler never goes on, and is told nothing. */
  drop(): void {
    this.#stage = "dropped";
    this.#letGo();
    this.#rejects.clear();
  }

  /** Only where nothing else of the handler is under way: a process that dies takes that with it, this one cannot. */
  #dies(point: string, busy: number): boolean {
    return this.#busy <= busy && this.#stage === "active" && this.port.dies(this.host, point);
  }

  #slot(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#rejects.add(reject);
      this.#whenInSlot.push(() => {
        this.#rejects.delete(reject);
        resolve();
      });
      if (this.#stage === "parked") this.port.needSlot(this.host);
    });
  }

  #learn(checkpoint: Checkpoint): void {
    this.journal.add(checkpoint);
    const wait = this.#waits.get(checkpoint.name);
    if (wait === undefined) return;
    wait.isOver = true;
    if (checkpoint.kind === CheckpointKind.SLEEP) wait.end ??= { kind: "slept" };
    if (checkpoint.kind === CheckpointKind.EVENT) wait.end ??= { kind: "event", checkpoint };
  }

  #deliver(wait: DurableWait): void {
    this.#remove(wait);
    wait.deliver();
    this.#checkSoon();
  }

  #remove(wait: DurableWait): void {
    this.#waits.delete(wait.name);
    this.#rejects.delete(wait.reject);
    wait.release();
  }

  #stopGathering(): void {
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
  }

  #letGo(): void {
    this.#stopGathering();
    for (const wait of this.#waits.values()) wait.release();
    this.#waits.clear();
    this.#whenInSlot = [];
  }

  /** After the handler's own turn: what it does next may keep the slot, or wait for more. */
  #checkSoon(): void {
    if (this.#isCheckDue || (this.#busy > 0 && !this.#hasSleep()) || this.#waits.size === 0) return;
    this.#isCheckDue = true;
    setImmediate(this.#checkWaits);
  }

  readonly #checkWaits = (): void => {
    this.#isCheckDue = false;
    if (this.#stage !== "active" || this.host.abortReason !== undefined) return;
    const waits = [...this.#waits.values()];
    if (this.#busy > 0) for (const wait of waits) this.#armTimer(wait);
    else if (waits.length > 0 && !waits.some((wait) => wait.isOver)) this.#park(waits);
  };

  #park(waits: readonly DurableWait[]): void {
    for (const wait of waits) clearTimeout(wait.timer);
    this.#stage = "parked";
    this.port.park(this.host, parkRequest(waits));
  }

  #hasSleep(): boolean {
    for (const wait of this.#waits.values()) if (wait.awaited.kind.startsWith("sleep")) return true;
    return false;
  }

  /** A sleep beside a step ends at its time, not when the step lets the handler park. */
  #armTimer(wait: DurableWait): void {
    const left = wait.isOver ? null : wait.sleepLeftMs();
    if (left === null) return;
    clearTimeout(wait.timer);
    wait.timer = setTimeout(() => this.#onTimer(wait), Math.min(Math.ceil(left), MAX_TIMER_MS));
  }

  #onTimer(wait: DurableWait): void {
    if (this.#stage !== "active" || this.#waits.get(wait.name) !== wait || wait.isOver) return;
    if (wait.sleepLeftMs() !== 0) {
      this.#armTimer(wait);
      return;
    }
    wait.isOver = true;
    this.record({ name: wait.name, kind: CheckpointKind.SLEEP, value: NO_BYTES }).then(
      () => this.satisfy(wait, { kind: "slept" }),
      (error: Error) => wait.reject(error),
    );
  }
}

export function jobWaitName(jobId: string): string {
  return `job:${jobId}`;
}

const NO_BYTES = new Uint8Array(0);
