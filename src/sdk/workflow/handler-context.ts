import { SCHEDULED_AT_HEADER } from "#proto/contract.ts";
import type { Checkpoint } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Assignment, OpenWait } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { Context } from "../context.ts";
import { ReseolioError } from "../errors.ts";
import { type Logger, withFields } from "../logger.ts";
import { msOf, type Placed } from "../replay/checkpoint-journal.ts";
import { Branch, CallCounter, ROOT_ID } from "../replay/scope.ts";
import type { AttemptEnd } from "./attempt-end.ts";
import type { HandlerPort } from "./execution-host.ts";
import { Execution } from "./execution.ts";
import { Operations } from "./operations.ts";
import type { HandlerScope } from "./running-handler.ts";
import type { RunningHandler } from "./running-handler.ts";
import { Undos } from "./undos.ts";

/**
 * How long branches of a handler that has returned may take to ask for what was recorded: longer than a replay that is
 * held takes to give an answer in another order than before (`replay-watch.ts`).
 */
const ASKING_MS = 2_500;
const POLL_MS = 10;
/** Number of names in a message. */
const MOST_NAMES = 5;

/** One execution of a handler. Its parts are created on demand: most handlers need no signal and record nothing. */
export class HandlerContext implements RunningHandler, HandlerScope {
  /** The job that the handler belongs to: the undone one while its steps are undone. */
  readonly jobId: string;
  readonly leaseJobId: string;
  readonly functionName: string;
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly failures: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Token of the current lease; it changes each time the handler was parked. */
  leaseToken: number;
  readonly stepName = null;
  readonly branch = new Branch(ROOT_ID, 0);
  /** How the handler ended while it was parked, to be reported when it has a slot again. */
  earlyEnd: AttemptEnd | undefined;
  #controller: AbortController | undefined;
  #reason: Error | undefined;
  #hasEnded = false;
  #log: Logger | undefined;
  #execution: Execution | undefined;
  #operations: Operations | undefined;
  #calls: CallCounter | undefined;
  #undos: Undos | undefined;
  #recorded: readonly Checkpoint[];

  readonly #port: HandlerPort;
  readonly #onReplayed: (() => void) | undefined;

  /**
   * @param recorded checkpoints of earlier executions of the job
   * @param arrivedAt when its assignment arrived, on the monotonic clock of handlers
   * @param onReplayed for a handler that is replayed only as far as its records go
   */
  constructor(
    public assignment: Assignment,
    recorded: readonly Checkpoint[],
    port: HandlerPort,
    readonly arrivedAt: number,
    onReplayed?: () => void,
  ) {
    this.#port = port;
    this.#onReplayed = onReplayed;
    this.jobId = assignment.undoOf === "" ? assignment.jobId : assignment.undoOf;
    this.leaseJobId = assignment.jobId;
    this.functionName = assignment.functionName;
    this.attempt = assignment.attempt;
    this.maxAttempts = assignment.maxAttempts;
    this.failures = assignment.failures;
    this.headers = assignment.headers;
    this.leaseToken = assignment.leaseToken;
    this.#recorded = recorded;
  }

  get context(): this {
    return this;
  }

  get owner(): object {
    return this.#port.owner;
  }

  /** What undoes the steps that the handler has asked for. */
  get undos(): Undos {
    this.#undos ??= new Undos();
    return this.#undos;
  }

  get calls(): CallCounter {
    this.#calls ??= new CallCounter();
    return this.#calls;
  }

  get openWaits(): readonly OpenWait[] {
    return this.assignment.openWaits;
  }

  get startedAt(): number | undefined {
    const { now } = this.assignment;
    return now === undefined ? undefined : msOf(now);
  }

  get scheduledAt(): Date | undefined {
    const text = this.headers[SCHEDULED_AT_HEADER];
    const at = text === undefined ? Number.NaN : Date.parse(text);
    return Number.isNaN(at) ? undefined : new Date(at);
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  get log(): Logger {
    const { jobId, functionName, attempt } = this;
    this.#log ??= withFields(this.#port.logger, { jobId, functionName, attempt });
    return this.#log;
  }

  get timeLimitMs(): number {
    const { timeoutMs, ranMs } = this.assignment;
    return timeoutMs === 0 ? Infinity : Math.max(0, timeoutMs - ranMs);
  }

  get step(): Context["step"] {
    return this.#operate().step;
  }

  get sleepFor(): Context["sleepFor"] {
    return this.#operate().sleepFor;
  }

  get sleepUntil(): Context["sleepUntil"] {
    return this.#operate().sleepUntil;
  }

  get awaitEvent(): Context["awaitEvent"] {
    return this.#operate().awaitEvent;
  }

  get awaitSignal(): Context["awaitSignal"] {
    return this.#operate().awaitSignal;
  }

  get awaitAny(): Context["awaitAny"] {
    return this.#operate().awaitAny;
  }

  get emitEvent(): Context["emitEvent"] {
    return this.#operate().emitEvent;
  }

  get heartbeat(): Context["heartbeat"] {
    return this.#operate().heartbeat;
  }

  get now(): Context["now"] {
    return this.#operate().now;
  }

  get random(): Context["random"] {
    return this.#operate().random;
  }

  get uuid(): Context["uuid"] {
    return this.#operate().uuid;
  }

  /** What is recorded and awaited; created on demand. */
  get execution(): Execution {
    if (this.#execution === undefined) {
      const { unordered } = this.assignment;
      this.#execution = new Execution(this, this.#port, this.#recorded, unordered, this.#onReplayed);
      this.#recorded = [];
      if (this.#reason !== undefined) this.#execution.abort(this.#reason);
      if (this.#hasEnded) this.#execution.end();
    }
    return this.#execution;
  }

  /** Undefined for a handler that has recorded and awaited nothing. */
  get startedExecution(): Execution | undefined {
    return this.#execution;
  }

  /** The handler has settled. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  end(end: AttemptEnd): void {
    this.#hasEnded = true;
    const isLeft = end.kind === "success" && this.#reason === undefined && this.#execution?.isBusy === true;
    if (isLeft)
      this.log.warn("the handler ended while a step or a call was still running; await everything that it starts");
    this.#execution?.end();
  }

  /** The handler has failed, and some of its steps still run at the time limit. */
  abandonSteps(names: readonly string[]): void {
    const steps = names.slice(0, MOST_NAMES).map((name) => JSON.stringify(name));
    const message = `the handler failed, and these steps were still running at the time limit: ${steps.join(", ")}`;
    this.log.warn(`${message}; they may run again; pass the step's signal to what it calls`);
    this.abort(new ReseolioError("failed_precondition", message));
  }

  /** Whether the handler has not asked for everything on record. */
  get hasUnasked(): boolean {
    return this.#unasked.length > 0;
  }

  /** Resolves when the handler has asked for everything on record, or is given up on. */
  async whenAsked(): Promise<void> {
    const until = performance.now() + Math.min(ASKING_MS, this.timeLimitMs / 2);
    while (this.hasUnasked && this.#reason === undefined && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  get #unasked(): readonly Placed[] {
    // Creates the execution of a handler that asked for nothing if it has records.
    const execution = this.#recorded.length > 0 ? this.execution : this.#execution;
    return this.#onReplayed === undefined ? (execution?.replay.notAskedFor ?? []) : [];
  }

  /** Why the records do not match a handler that has returned; undefined if they do. */
  mismatchAt(end: AttemptEnd): string | undefined {
    if (end.kind === "failure") return undefined;
    const left = this.#unasked;
    if (left.length === 0) return undefined;
    const names = left.map(({ record }) => JSON.stringify(record.name)).slice(0, MOST_NAMES);
    const message = `the handler returned without asking for these records: ${names.join(", ")}`;
    if (left.some(({ record }) => !record.alone)) return message;
    this.log.warn(`the code has changed under a running job: ${message}`);
    return undefined;
  }

  /** The reason of the signal, if it has fired. */
  get abortReason(): Error | undefined {
    return this.#reason;
  }

  /** Fires the signal and rejects everything awaited; only the first reason counts. */
  abort(reason: Error): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
    this.#execution?.abort(reason);
  }

  #operate(): Operations {
    this.#operations ??= new Operations(this, this.#port);
    return this.#operations;
  }
}
