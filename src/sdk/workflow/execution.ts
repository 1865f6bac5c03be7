/**
 * One handler in memory as the record sees it: what it has recorded, what it waits for, and whether it has its slot.
 *
 * It parks when something durable is awaited and nothing else of it is under way: no step, no record, no call. What was
 * awaited is handed to it only when it has its slot again, so a parked handler stands still wherever it only waits.
 */
import { NO_BYTES } from "#proto/contract.ts";
import { type Checkpoint, CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { FinishedJob } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { ReseolioError } from "../errors.ts";
import { encodeValue } from "../serialization.ts";
import type { Branch } from "../replay/branch.ts";
import { CallNumbers } from "./call-numbers.ts";
import type { CheckpointJournal } from "../replay/checkpoint-journal.ts";
import { boundedName } from "../replay/checkpoint-names.ts";
import type { Delivery } from "../replay/delivery.ts";
import { type Awaited as AwaitedThing, DurableWait, type WaitEnd } from "./durable-wait.ts";
import { WaitTimes, type WaitTimesPort } from "./wait-times.ts";
import { endedError, type ExecutionHost, type ExecutionPort } from "./execution-host.ts";
import { LooseRecords } from "../replay/loose-records.ts";
import type { RecordPlace } from "../replay/delivery.ts";
import { INTERNAL, type NewRecord } from "./new-record.ts";
import { OpenWaits } from "./open-waits.ts";
import type { Operation } from "../replay/operation.ts";
import { PendingPromises } from "../replay/pending-promises.ts";
import { Recorder, RECORDED_WITHIN, type RecorderPort } from "./recorder.ts";
import type { CheckpointRecord } from "../session/frame-items.ts";
import type { HandlerClock } from "./test-hooks.ts";
import { type ArrivalOf, Replay, type ReplayPort } from "../replay/replay.ts";
import { RunningSteps } from "./running-steps.ts";

type Stage =
  | "active"
  /** Without a slot, waiting. */
  | "parked"
  /** The handler has failed; steps that it left under way may still be recorded. */
  | "ending"
  /** The handler has settled. */
  | "ended"
  /** The job goes on elsewhere: this handler never does. */
  | "dropped";

/** Recorded, and not given to the handler. */
function withoutPlace({ id, asked: { isPrompt, relation } }: Operation): RecordPlace {
  return { ...INTERNAL, op: id, prompt: isPrompt, beside: relation === "beside" };
}

/** How long a replay may stand still where the attempt has no time limit. */
const PATIENCE_MS = 60_000;
/** Of the time limit: a mismatch is reported before the daemon ends the attempt. */
const PATIENCE_SHARE = 0.8;

export class Execution implements ReplayPort, RecorderPort, WaitTimesPort {
  readonly replay: Replay;
  #calls: CallNumbers | undefined;
  #ends: Map<string, FinishedJob> | undefined;
  #openWaits: OpenWaits | undefined;
  #loose: LooseRecords | undefined;
  readonly #pending = new PendingPromises();
  readonly #recorder: Recorder;
  #waitTimes: WaitTimes | undefined;
  #whenInSlot: (() => void)[] = [];
  #busy = 0;
  /** Whose code runs. */
  readonly steps = new RunningSteps();
  #stage: Stage = "active";
  #isCheckDue = false;
  #isReturned = false;
  /** The handler is replayed to where it stood, and no further. */
  readonly isReplayOnly: boolean;

  /**
   * @param isUnordered the job is from before the order of what handlers are given was kept
   * @param onReplayed see ReplayOptions
   */
  constructor(
    readonly host: ExecutionHost,
    private readonly port: ExecutionPort,
    private readonly records: readonly Checkpoint[],
    isUnordered: boolean,
    onReplayed?: () => void,
  ) {
    this.isReplayOnly = onReplayed !== undefined;
    this.replay = new Replay({
      recorded: records,
      openWaits: host.openWaits,
      isUnordered: isUnordered || port.testHooks.isUnordered === true,
      isTimeIgnored: port.testHooks.isUnordered === true,
      context: host,
      onReplayed,
      port: this,
      pending: this.#pending,
    });
    this.#recorder = new Recorder(host, this.replay, this.#pending, this);
    // Its clock begins with the handler, where something is on record of waits.
    if (records.length + host.openWaits.length > 0) this.#waitTimes = new WaitTimes(this, host);
  }

  /** For its replay: milliseconds that it may stand still. */
  patienceMs(): number {
    return Math.min(PATIENCE_MS, this.host.timeLimitMs * PATIENCE_SHARE);
  }

  /** For its replay. */
  warn(message: string): void {
    this.host.log.warn(message);
  }

  /** For its recorder. */
  send(record: CheckpointRecord): void {
    this.port.record(record);
  }

  /** For its recorder: in a test, the handler has died with what is on record now. */
  isOver(label: string, busy: number): boolean {
    return this.isWatched && this.#crashes(`record ${label}`, busy);
  }

  get calls(): CallNumbers {
    this.#calls ??= new CallNumbers(this.records, (label, record, op) => this.recordInternal(label, record, op));
    return this.#calls;
  }

  /** Of jobs, as the handler was given them. */
  get ends(): Map<string, FinishedJob> {
    this.#ends ??= new Map();
    return this.#ends;
  }

  get journal(): CheckpointJournal {
    return this.replay.journal;
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

  /** The handler has failed, and this is what it left under way. */
  get isEnding(): boolean {
    return this.#stage === "ending";
  }

  /** @throws the reason of the signal, or ReseolioError `failed_precondition` when the handler has settled */
  check(): void {
    if (this.host.abortReason !== undefined) throw this.host.abortReason;
    if (this.#stage === "ended" || this.#stage === "ending") throw endedError(this.host);
  }

  /**
   * What is on record of the operation, when it is its turn; undefined for something new, when the record is through.
   * Undefined instead of a promise where nothing has to be waited for.
   *
   * @param arrivalOf see Replay
   */
  recorded(operation: Operation, arrivalOf?: ArrivalOf): Promise<Checkpoint | undefined> | undefined {
    const { record, isStuck } = operation;
    if (record !== undefined && this.replay.isOrdered && record.seq === 0 && !isStuck) {
      // Where the handler stood it had not been given this.
      return this.isReplayOnly ? new Promise(() => {}) : this.#placeAgain(operation, record, arrivalOf);
    }
    return this.replay.recorded(operation, arrivalOf);
  }

  /**
   * Something begins that keeps the slot; a parked handler gets its slot first. Ends with `leave`. Undefined instead of a
   * promise where the handler has its slot.
   */
  enter(): Promise<void> | undefined {
    this.check();
    if (this.#stage !== "active") return this.#enterParked();
    this.#busy++;
    return undefined;
  }

  async #enterParked(): Promise<void> {
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

  /** Keeps the slot, if the handler has it, while a call is under way: whoever awaits it goes on behind that. */
  during<T>(call: Promise<T>): Promise<T> {
    this.#busy++;
    call.then(this.#left, this.#left);
    return call;
  }

  readonly #left = (): void => this.leave();

  /** A durable call of the handler: its answer is not on record, as the child is found again. */
  async call<T>(branch: Branch, make: () => Promise<T>): Promise<T> {
    const { sequence } = this.replay;
    const answer = sequence.call(branch.id);
    try {
      return await this.during(this.#answered(answer, this.#inSlot(make)));
    } finally {
      sequence.settle();
      this.#loose?.answered();
    }
  }

  /** What it records is recorded under the lease of that slot. One whose time is over gets none, and is told by the daemon. */
  async #inSlot<T>(make: () => Promise<T>): Promise<T> {
    while (this.#stage === "parked" && this.host.abortReason === undefined) await this.#slot();
    return make();
  }

  #answered<T>(answer: Delivery, call: Promise<T>): Promise<T> {
    const { sequence } = this.replay;
    return this.#pending.make((resolve, reject) => {
      call.then(
        (value) => sequence.answer(answer, () => resolve(value)),
        (error: Error) => {
          // The handler is only replayed: what it did not call before it does not call now.
          if (this.isReplayOnly) sequence.forgetCall(answer);
          else sequence.answer(answer, () => reject(error));
        },
      );
    });
  }

  /**
   * Ends when it is on disk and when it is its turn to be given to the handler, which must have its slot and keep it until
   * then: between `enter` and `leave`, or with `during`.
   *
   * Of a handler that has failed or settled it is recorded without a place: it gets one when a later attempt asks for it.
   *
   * @throws the reason of the signal; ReseolioError `resource_exhausted` when the daemon refuses it
   */
  record(operation: Operation, record: NewRecord): Promise<void> {
    if (!this.replay.isOrdered) return this.#recorder.as(operation.label, record, undefined);
    // The daemon is told already what ended the attempt: with a place, this would stand on record behind that for ever.
    if (this.isEnding || this.#stage === "ended")
      return this.#recorder.as(operation.label, record, withoutPlace(operation));
    return this.#recorder.inPlace(operation, record);
  }

  /** Ends when it is on disk; the handler itself is not given it. Keeps the slot until then. */
  recordInternal(label: string, record: NewRecord, op = 0): Promise<void> {
    const place = this.replay.isOrdered ? { ...INTERNAL, op } : undefined;
    return this.during(this.#recorder.as(label, record, place, RECORDED_WITHIN));
  }

  /** The handler has done something that no later execution does again: in a test it may die here. */
  crashPoint(point: string): Promise<void> {
    return this.isWatched && this.#crashes(point, 0) ? new Promise(() => {}) : Promise.resolve();
  }

  /** The code of a step has run: in a test it may go on before or after others that run beside it. */
  afterStepRun(): Promise<void> | undefined {
    const { size } = this.steps;
    return size > 1 ? this.port.testHooks.crashes?.afterStepRun(this.host.leaseJobId, size) : undefined;
  }

  /** Tells a test what the handler is given. */
  observe({ id, name }: Operation, given: string): void {
    const { leaseJobId: jobId, functionName, failures } = this.host;
    this.port.testHooks.crashes?.observe({ jobId, functionName, failures, op: id, name, given });
  }

  /** A test is told what the handler is given. */
  get isWatched(): boolean {
    return this.port.testHooks.crashes !== undefined;
  }

  /** A wait that goes on to the time at which it was to be over in an earlier execution. */
  makeWait(name: string, awaited: AwaitedThing, operation: Operation | undefined): DurableWait {
    const hasTime = awaited.kind === "sleep_for" || ("timeoutMs" in awaited && awaited.timeoutMs !== undefined);
    const leftMs = hasTime && this.replay.isOrdered ? this.#times.leftMs(name, awaited, operation) : undefined;
    const wait = new DurableWait(name, awaited, this.clock, operation, leftMs);
    // Told again, each would count as one more.
    wait.isSent = this.replay.isOrdered && this.#times.isRegistered(name);
    return wait;
  }

  /** Waits for it, without the slot as soon as nothing else is under way. */
  wait(wait: DurableWait): Promise<WaitEnd> {
    this.#waits.add(wait);
    this.#pending.add(wait);
    // Only with a slot can the daemon be told of it.
    if (this.#stage === "parked") this.port.needSlot(this.host);
    else this.#checkSoon();
    return wait.promise;
  }

  /** As `wait`, for the end of a job; several callers may wait for the same. */
  waitForJob(jobId: string, name: string, make: () => DurableWait): DurableWait {
    const known = this.#waits.find(name);
    if (known !== undefined) {
      known.holders++;
      return known;
    }
    const wait = make();
    const record = this.journal.find(name);
    wait.isOver = record?.kind === CheckpointKind.JOB && !record.endedAttempt;
    void this.wait(wait);
    wait.unwatch = this.port.watchEnd(jobId, (job) => this.satisfy(wait, { kind: "job", job }));
    return wait;
  }

  /** It is awaited no more. */
  forget(wait: DurableWait): void {
    this.#waits.forget(wait);
  }

  /** What is on record of the wait is given to the handler in its place, when it is here. */
  requestInPlace(wait: DurableWait, op: number): void {
    wait.delivery ??= this.replay.sequence.request(op, wait.end !== undefined, () => this.#waits.deliver(wait));
  }

  satisfy(wait: DurableWait, end: WaitEnd): void {
    this.#waits.satisfy(wait, end);
  }

  /** An attempt of this job was ended by the failure of that one. */
  hasEndedAttempt(jobId: string): boolean {
    return this.journal.endedAttemptBy(jobId);
  }

  /** That job runs again, as the handler calls it again. */
  async retryJob(jobId: string): Promise<void> {
    await this.during(this.port.retryJob(jobId, this.host.jobId));
    this.journal.forgetEnd(jobId);
  }

  /** What is on record does not fit: the handler never goes on. */
  mismatched(message: string): Promise<never> {
    this.mismatch(message);
    return new Promise(() => {});
  }

  /** The handler has a slot again. @param recorded since it parked */
  resume(recorded: readonly Checkpoint[]): void {
    this.#stage = "active";
    this.#openWaits?.resume(recorded);
    for (const go of this.#whenInSlot.splice(0)) go();
    this.#checkSoon();
  }

  /** Everything awaited rejects, also without a slot. */
  abort(reason: Error): void {
    this.#release();
    this.#pending.rejectAll(reason);
    this.steps.stopWaiting();
  }

  /** The handler has returned, and its end is about to be reported: it parks no more. */
  holdSlot(): void {
    this.#isReturned = true;
  }

  /** The handler has failed: what it left under way may still be recorded, and nothing else. */
  beginEnding(): void {
    this.#stage = "ending";
  }

  /** The handler has settled. */
  end(): void {
    if (this.#stage !== "dropped") this.#stage = "ended";
    this.#release();
  }

  /** The handler never goes on, and is told nothing. */
  drop(): void {
    this.#stage = "dropped";
    this.#release();
    this.#pending.forgetAll();
  }

  /** It is on record, but the handler was not given it, or was given it by an attempt that failed behind it. */
  async #placeAgain(operation: Operation, record: Checkpoint, arrivalOf: ArrivalOf | undefined): Promise<Checkpoint> {
    const { sequence } = this.replay;
    if (!sequence.isLive) await this.#pending.make<void>((resolve) => sequence.whenLive(resolve));
    this.#loose ??= new LooseRecords(this.records, () => sequence.isCalling);
    const loose = this.#loose;
    await this.#pending.make<void>((resolve) => loose.request(record, arrivalOf?.(record), resolve));
    try {
      await this.enter();
      try {
        await this.record(operation, { kind: record.kind, value: NO_BYTES });
      } finally {
        this.leave();
      }
    } finally {
      loose.given();
    }
    return record;
  }

  /** Only where nothing else of the handler is under way: a process that dies takes that with it, this one cannot. */
  #crashes(point: string, busy: number): boolean {
    return this.#busy <= busy && this.#stage === "active" && this.port.crashes(this.host, point);
  }

  #slot(): Promise<void> {
    return this.#pending.make((resolve) => {
      this.#whenInSlot.push(() => resolve());
      if (this.#stage === "parked") this.port.needSlot(this.host);
    });
  }

  get #times(): WaitTimes {
    this.#waitTimes ??= new WaitTimes(this, this.host);
    return this.#waitTimes;
  }

  get #waits(): OpenWaits {
    this.#openWaits ??= new OpenWaits({
      replay: this.replay,
      isActive: () => this.#stage === "active",
      recordInPlace: (operation, record) => this.during(this.record(operation, record)),
      recordInternal: (label, record) => this.recordInternal(label, record),
      needSlot: () => this.port.needSlot(this.host),
      checkSoon: () => this.#checkSoon(),
      forgetPending: (wait) => this.#pending.forget(wait),
    });
    return this.#openWaits;
  }

  /** For its replay: what is on record does not fit. */
  mismatch(message: string): void {
    // The handler may be in the middle of its turn.
    setImmediate(() => {
      if (this.#stage !== "dropped" && this.#stage !== "ended") this.port.mismatch(this.host, message);
    });
  }

  /** For its replay: the code has changed. Once for each record. */
  recordDrift(name: string, message: string): void {
    const label = boundedName(`drift:${name}`);
    if (this.journal.find(label) !== undefined) return;
    const { functionName, log } = this.host;
    log.warn(`the code has changed under a running job: ${message}`);
    this.recordNote(label, encodeValue(functionName, label, message));
  }

  /** Records what nobody waits for: it does not keep the slot. */
  recordNote(label: string, value: Uint8Array): void {
    this.#recorder.as(label, { kind: CheckpointKind.NOTE, value }, INTERNAL).catch((error: unknown) => {
      // Otherwise the handler's time is over, and the job goes on elsewhere or not at all.
      if (error instanceof ReseolioError && error.code === "resource_exhausted") {
        this.host.log.warn(`${error.message}; the handler goes on, but a later execution does not know of it`);
      }
    });
  }

  /** For the times of waits. */
  find(label: string): Checkpoint | undefined {
    return this.journal.find(label);
  }

  get functionName(): string {
    return this.host.functionName;
  }

  get failures(): number {
    return this.host.failures;
  }

  #release(): void {
    this.replay.stop();
    this.#openWaits?.clear();
    this.#whenInSlot = [];
  }

  /** After the handler's own turn: what it does next may keep the slot, or wait for more. */
  #checkSoon(): void {
    const waits = this.#openWaits;
    if (waits === undefined || waits.size === 0) return;
    if (this.#isCheckDue || (this.#busy > 0 && !waits.hasTime)) return;
    this.#isCheckDue = true;
    setImmediate(Execution.#onCheck, this);
  }

  static #onCheck(this: void, execution: Execution): void {
    execution.#isCheckDue = false;
    execution.#checkWaits();
  }

  #checkWaits(): void {
    if (this.#stage !== "active" || this.#isReturned || this.host.abortReason !== undefined) return;
    if (this.#busy > 0) this.#waits.armTimers(this.replay.isOrdered ? this.#times : undefined);
    else if (this.#waits.size > 0 && !this.#waits.isAnyOver) this.#park();
  }

  #park(): void {
    this.#stage = "parked";
    this.port.park(this.host, this.#waits.park());
  }
}
