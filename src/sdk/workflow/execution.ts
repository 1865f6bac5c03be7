/**
 * The durable side of one handler in memory: what it has recorded, what it waits for, and whether it has its slot.
 *
 * It parks when it awaits something durable and does nothing else: no step, no record and no call is under way. Results
 * of waits are delivered only once it has its slot again, so a parked handler does not move.
 */
import { NO_BYTES } from "#proto/contract.ts";
import { type Checkpoint, CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { FinishedJob } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { ReseolioError } from "../errors.ts";
import type { CheckpointJournal } from "../replay/checkpoint-journal.ts";
import { boundedName } from "../replay/checkpoint-names.ts";
import type { Delivery, RecordPlace } from "../replay/delivery.ts";
import { LooseRecords } from "../replay/loose-records.ts";
import type { Operation } from "../replay/operation.ts";
import { PendingPromises } from "../replay/pending-promises.ts";
import { type ArrivalOf, Replay, type ReplayPort } from "../replay/replay.ts";
import type { Branch } from "../replay/scope.ts";
import { encodeValue } from "../serialization.ts";
import type { CheckpointRecord } from "../session/frames.ts";
import { CallNumbers } from "./call-numbers.ts";
import { type Awaited as AwaitedThing, DurableWait, type WaitEnd } from "./durable-wait.ts";
import { endedError, type ExecutionHost, type ExecutionPort } from "./execution-host.ts";
import { INTERNAL, type NewRecord } from "./new-record.ts";
import { OpenWaits } from "./open-waits.ts";
import { RECORDED_WITHIN, Recorder, type RecorderPort } from "./recorder.ts";
import { RunningSteps } from "./running-steps.ts";
import type { HandlerClock } from "./test-hooks.ts";
import { WaitTimes, type WaitTimesPort } from "./wait-times.ts";

type Stage =
  | "active"
  /** Waits without a slot. */
  | "parked"
  /** The handler has failed; steps that it left running may still be recorded. */
  | "ending"
  /** The handler has settled. */
  | "ended"
  /** The job continues elsewhere; this handler never does. */
  | "dropped";

/** The place of a record that the handler does not receive. */
function withoutPlace({ id, asked: { isPrompt, relation } }: Operation): RecordPlace {
  return { ...INTERNAL, op: id, prompt: isPrompt, beside: relation === "beside" };
}

/** How long a replay may be stuck if the attempt has no time limit. */
const PATIENCE_MS = 60_000;
/** Share of the time limit, so that a mismatch is reported before the daemon ends the attempt. */
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
  /** Steps whose code is running. */
  readonly steps = new RunningSteps();
  #stage: Stage = "active";
  #isCheckDue = false;
  #isReturned = false;
  /** The handler is replayed only as far as its records go. */
  readonly isReplayOnly: boolean;

  readonly #port: ExecutionPort;
  readonly #records: readonly Checkpoint[];

  /**
   * @param isUnordered the job is from before the order of deliveries was recorded
   * @param onReplayed see ReplayOptions
   */
  constructor(
    readonly host: ExecutionHost,
    port: ExecutionPort,
    records: readonly Checkpoint[],
    isUnordered: boolean,
    onReplayed?: () => void,
  ) {
    this.#port = port;
    this.#records = records;
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
  }

  /** For its replay: how long it may be stuck, in milliseconds. */
  patienceMs(): number {
    return Math.min(PATIENCE_MS, this.host.timeLimitMs * PATIENCE_SHARE);
  }

  /** For its replay. */
  warn(message: string): void {
    this.host.log.warn(message);
  }

  /** For its recorder. */
  send(record: CheckpointRecord): void {
    this.#port.record(record);
  }

  /** For its recorder: fault injection has crashed the handler after this record. */
  isOver(label: string, busy: number): boolean {
    return this.isWatched && this.#crashes(`record ${label}`, busy);
  }

  get calls(): CallNumbers {
    this.#calls ??= new CallNumbers(this.#records, (label, record, op) => this.recordInternal(label, record, op));
    return this.#calls;
  }

  /** Ends of jobs that the handler has received, by job. */
  get ends(): Map<string, FinishedJob> {
    this.#ends ??= new Map();
    return this.#ends;
  }

  get journal(): CheckpointJournal {
    return this.replay.journal;
  }

  get clock(): HandlerClock {
    return this.#port.clock;
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

  /** The handler has failed, and steps that it left running are being recorded. */
  get isEnding(): boolean {
    return this.#stage === "ending";
  }

  get #isSettled(): boolean {
    return this.#stage === "ending" || this.#stage === "ended";
  }

  #refuseSettled(): void {
    if (this.#isSettled) throw endedError(this.host);
  }

  /** @throws the reason of the signal, or ReseolioError `failed_precondition` when the handler has settled */
  check(): void {
    if (this.host.abortReason !== undefined) throw this.host.abortReason;
    this.#refuseSettled();
  }

  /**
   * Resolves with the record of the operation when its turn comes, or with undefined for a new operation when all
   * records have been delivered. Returns undefined instead of a promise if there is nothing to wait for.
   *
   * @param arrivalOf see Replay
   */
  recorded(operation: Operation, arrivalOf?: ArrivalOf): Promise<Checkpoint | undefined> | undefined {
    const { record, isStuck } = operation;
    if (record !== undefined && this.replay.isOrdered && record.seq === 0 && !isStuck) {
      // The handler had not received this where its records end.
      return this.isReplayOnly ? new Promise(() => {}) : this.#placeAgain(operation, record, arrivalOf);
    }
    return this.replay.recorded(operation, arrivalOf);
  }

  /**
   * Begins something that keeps the slot, until `leave`; a parked handler gets its slot first. Returns undefined
   * instead of a promise if the handler has its slot.
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

  /** Like `enter`, for a handler that has its slot or was aborted. */
  rejoin(): void {
    this.#busy++;
  }

  leave(): void {
    this.#busy--;
    this.#checkSoon();
  }

  /** Keeps the slot, if the handler has it, while a call is under way. */
  during<T>(call: Promise<T>): Promise<T> {
    this.#busy++;
    call.then(this.#left, this.#left);
    return call;
  }

  readonly #left = (): void => this.leave();

  /**
   * Makes a durable call of the handler. Its answer is not recorded: a later execution finds the child again.
   *
   * @throws ReseolioError `failed_precondition` when the handler has settled: a branch that it left behind would number
   *   its calls while the next attempt numbers the same ones
   */
  async call<T>(branch: Branch, make: () => Promise<T>): Promise<T> {
    this.#refuseSettled();
    const { sequence } = this.replay;
    const answer = sequence.call(branch.id);
    try {
      return await this.during(this.#answered(answer, this.#inSlot(make)));
    } finally {
      sequence.settle();
      this.#loose?.answered();
    }
  }

  /**
   * Waits for a slot, as the call records under its lease. An aborted handler gets none; the daemon refuses its call.
   */
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
          // A handler that is only replayed does not make calls that it had not made before.
          if (this.isReplayOnly) sequence.forgetCall(answer);
          else sequence.answer(answer, () => reject(error));
        },
      );
    });
  }

  /**
   * Resolves when the record is on disk and its turn to be delivered has come. The handler must keep its slot until
   * then: between `enter` and `leave`, or with `during`.
   *
   * After the handler has failed or settled, the record has no place: it gets one when a later attempt asks for it.
   *
   * @throws the reason of the signal; ReseolioError `resource_exhausted` when the daemon refuses the record
   */
  record(operation: Operation, record: NewRecord): Promise<void> {
    if (!this.replay.isOrdered) return this.#recorder.as(operation.label, record, undefined);
    // What ended the attempt has already been reported: a place here would lie behind it forever.
    if (this.#isSettled) return this.#recorder.as(operation.label, record, withoutPlace(operation));
    return this.#recorder.inPlace(operation, record);
  }

  /** Resolves when the record is on disk. The handler itself does not receive it. Keeps the slot until then. */
  recordInternal(label: string, record: NewRecord, op = 0): Promise<void> {
    const place = this.replay.isOrdered ? { ...INTERNAL, op } : undefined;
    return this.during(this.#recorder.as(label, record, place, RECORDED_WITHIN));
  }

  /** Fault injection: after something that no later execution repeats, the handler may crash here. */
  crashPoint(point: string): Promise<void> {
    return this.isWatched && this.#crashes(point, 0) ? new Promise(() => {}) : Promise.resolve();
  }

  /** Fault injection: the code of a step has run, and concurrent steps may be resumed in another order. */
  afterStepRun(): Promise<void> | undefined {
    const { size } = this.steps;
    return size > 1 ? this.#port.testHooks.crashes?.afterStepRun(this.host.leaseJobId, size) : undefined;
  }

  /** Reports to the testing kit what the handler received. */
  observe({ id, name }: Operation, given: string): void {
    const { leaseJobId: jobId, functionName, failures } = this.host;
    this.#port.testHooks.crashes?.observe({ jobId, functionName, failures, op: id, name, given });
  }

  /** The testing kit observes what the handler receives. */
  get isWatched(): boolean {
    return this.#port.testHooks.crashes !== undefined;
  }

  /** Creates a wait, which keeps the end that it had in an earlier execution. */
  makeWait(name: string, awaited: AwaitedThing, operation: Operation | undefined): DurableWait {
    const hasTime = awaited.kind === "sleep_for" || ("timeoutMs" in awaited && awaited.timeoutMs !== undefined);
    const leftMs = hasTime && this.replay.isOrdered ? this.#times.leftMs(name, awaited, operation) : undefined;
    const wait = new DurableWait(name, awaited, this.clock, operation, leftMs);
    // Sent again, each would count as one more.
    wait.isSent = this.replay.isOrdered && this.#times.isRegistered(name);
    return wait;
  }

  /** Waits; the handler parks as soon as nothing else is under way. */
  wait(wait: DurableWait): Promise<WaitEnd> {
    this.#waits.add(wait);
    this.#pending.add(wait);
    // A wait can only be sent to the daemon from a slot.
    if (this.#stage === "parked") this.#port.needSlot(this.host);
    else this.#checkSoon();
    return wait.promise;
  }

  /** Like `wait`, for the end of a job, which several callers may share. */
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
    wait.unwatch = this.#port.watchEnd(jobId, (job) => this.satisfy(wait, { kind: "job", job }));
    return wait;
  }

  /** Drops a wait that is no longer needed. */
  forget(wait: DurableWait): void {
    this.#waits.forget(wait);
  }

  /** Delivers the recorded end of the wait in its place, once it has arrived. */
  requestInPlace(wait: DurableWait, op: number): void {
    wait.delivery ??= this.replay.sequence.request(op, wait.end !== undefined, () => this.#waits.deliver(wait));
  }

  satisfy(wait: DurableWait, end: WaitEnd): void {
    this.#waits.satisfy(wait, end);
  }

  /** Whether the failure of that job ended an attempt of this one. */
  hasEndedAttempt(jobId: string): boolean {
    return this.journal.endedAttemptBy(jobId);
  }

  /** Retries a job that the handler calls again. */
  async retryJob(jobId: string): Promise<void> {
    await this.during(this.#port.retryJob(jobId, this.host.jobId));
    this.journal.forgetEnd(jobId);
  }

  /** Reports that the records do not match. Never resolves: the handler does not continue. */
  mismatched(message: string): Promise<never> {
    this.mismatch(message);
    return new Promise(() => {});
  }

  /** The handler has a slot again. @param recorded checkpoints since it parked */
  resume(recorded: readonly Checkpoint[]): void {
    this.#stage = "active";
    this.#openWaits?.resume(recorded);
    for (const go of this.#whenInSlot.splice(0)) go();
    this.#checkSoon();
  }

  /** Rejects everything that is awaited, with or without a slot. */
  abort(reason: Error): void {
    this.#release();
    this.#pending.rejectAll(reason);
    this.steps.stopWaiting();
  }

  /** The handler has returned and its end is about to be reported: it no longer parks. */
  holdSlot(): void {
    this.#isReturned = true;
  }

  /** The handler has failed: steps that it left running may still be recorded, and nothing else. */
  beginEnding(): void {
    this.#stage = "ending";
  }

  /** The handler has settled. */
  end(): void {
    if (this.#stage !== "dropped") this.#stage = "ended";
    this.#release();
  }

  /** The handler never continues, and receives nothing more. */
  drop(): void {
    this.#stage = "dropped";
    this.#release();
    this.#pending.forgetAll();
  }

  /** Gives a loose record a new place: it was never delivered, or only by an attempt that failed after it. */
  async #placeAgain(operation: Operation, record: Checkpoint, arrivalOf: ArrivalOf | undefined): Promise<Checkpoint> {
    const { sequence } = this.replay;
    if (!sequence.isLive) await this.#pending.make<void>((resolve) => sequence.whenLive(resolve));
    this.#loose ??= new LooseRecords(this.#records, () => sequence.isCalling);
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

  /** Crashes only while nothing else of the handler is under way: unlike a real crash, this one cannot stop that. */
  #crashes(point: string, busy: number): boolean {
    return this.#busy <= busy && this.#stage === "active" && this.#port.crashes(this.host, point);
  }

  #slot(): Promise<void> {
    return this.#pending.make((resolve) => {
      this.#whenInSlot.push(() => resolve());
      if (this.#stage === "parked") this.#port.needSlot(this.host);
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
      needSlot: () => this.#port.needSlot(this.host),
      checkSoon: () => this.#checkSoon(),
      forgetPending: (wait) => this.#pending.forget(wait),
    });
    return this.#openWaits;
  }

  /** For its replay: the records do not match. */
  mismatch(message: string): void {
    // The handler may be in the middle of a turn.
    setImmediate(() => {
      if (this.#stage !== "dropped" && this.#stage !== "ended") this.#port.mismatch(this.host, message);
    });
  }

  /** For its replay: records that the code has changed, once per name. */
  recordDrift(name: string, message: string): void {
    const label = boundedName(`drift:${name}`);
    if (this.journal.find(label) !== undefined) return;
    const { functionName, log } = this.host;
    log.warn(`the code has changed under a running job: ${message}`);
    this.recordNote(label, encodeValue(functionName, label, message));
  }

  /** Records a note that nobody waits for; it does not keep the slot. */
  recordNote(label: string, value: Uint8Array): void {
    this.#recorder.as(label, { kind: CheckpointKind.NOTE, value }, INTERNAL, 0).catch((error: unknown) => {
      // Otherwise the handler was aborted, and the job continues elsewhere or not at all.
      if (error instanceof ReseolioError && error.code === "resource_exhausted") {
        this.host.log.warn(`${error.message}; the handler continues, but a later execution will not know about it`);
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

  /** Checks after the handler's own turn: what it does next may keep the slot or add waits. */
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
    this.#port.park(this.host, this.#waits.park());
  }
}
