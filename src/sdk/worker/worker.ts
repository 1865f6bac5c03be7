/**
 * Runs the jobs that the daemon assigns, in order, as slots become free. A handler occupies its slot until it has
 * settled or parked, even if its lease is gone: a handler that ignores its signal still uses the process.
 */
import { NO_BYTES } from "#proto/contract.ts";
import type {
  Assignment,
  HeldLease,
  Park,
  Revocation,
  SessionResponse,
} from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { AttemptEnding } from "../replay/attempt-ending.ts";
import { Fifo } from "../session/queues.ts";
import { ArrivingCheckpoints } from "../session/session-stream.ts";
import { revocationError, stopped, takenOver } from "../workflow/abort-reasons.ts";
import type { AttemptEnd } from "../workflow/attempt-end.ts";
import type { ExecutionHost, HandlerPort } from "../workflow/execution-host.ts";
import { HandlerContext } from "../workflow/handler-context.ts";
import { defersEnd, execute, InjectedCrashes, outcomeOf, parkOf, releaseOf, timedOut } from "./executor.ts";
import { ParkedHandlers, RunningJobs } from "./handlers.ts";
import { LeaseReports } from "./lease-reports.ts";
import { HeldLeases, LeasedJob } from "./leased-jobs.ts";
import { Undoing } from "./undoing.ts";
import type { WorkerOptions } from "./worker-options.ts";

/** How long handlers have to end after their signals fired at a stop. */
const ABORT_GRACE_MS = 1_000;

export class Worker {
  readonly #held = new HeldLeases();
  readonly #waiting = new Fifo<LeasedJob>();
  readonly #running: RunningJobs;
  readonly #arriving = new ArrivingCheckpoints();
  readonly #parked: ParkedHandlers;
  readonly #reports: LeaseReports;
  readonly #handlerPort: HandlerPort;
  readonly #injected: InjectedCrashes;
  #isDraining = false;
  #isStarting = false;

  readonly #options: WorkerOptions;

  constructor(options: WorkerOptions) {
    this.#options = options;
    const { port, logger, owner } = options;
    this.#running = new RunningJobs(logger);
    this.#injected = new InjectedCrashes(options.testHooks.crashes);
    this.#parked = new ParkedHandlers(options.maxParkedHandlers, (lease) => port.batcher.wake(lease));
    this.#reports = new LeaseReports(this.#held, this.#parked, (job) => port.batcher.report(job), logger);
    this.#handlerPort = {
      logger,
      owner,
      record: (record) => port.batcher.record(record),
      watchEnd: (jobId, onEnd) => port.watchEnd(jobId, onEnd),
      emitEvent: (name, payload) => port.emitEvent(name, payload),
      retryJob: (jobId, awaitedBy) => port.retryJob(jobId, awaitedBy),
      mismatch: (host, message) => this.#mismatch(host, message),
      park: (host, park) => this.#park(host, park),
      needSlot: (host) => this.#parked.needSlot(host.jobId),
      heartbeat: (host, ms) => this.#heartbeat(host, ms),
      clock: options.testHooks.clock,
      testHooks: options.testHooks,
      crashes: (host, point) => this.#crashes(host, point),
    };
  }

  /** Number of handlers that wait without a slot. */
  get parkedCount(): number {
    return this.#parked.size;
  }

  heldLeases(): HeldLease[] {
    return this.#held.forHello(performance.now());
  }

  /** Accepts assignments first, so that a revocation in the same frame finds its job, and starts them last. */
  receive(frame: SessionResponse): void {
    this.#arriving.add(frame.checkpoints);
    for (const assignment of frame.assignments) this.#accept(assignment);
    for (const revocation of frame.revocations) this.#revoke(revocation);
    for (const recall of frame.recalls) this.#recall(recall);
    this.#startWaiting();
  }

  /** The session is open again. @param lost leases that ended meanwhile: their handlers are aborted */
  connected(lost: readonly HeldLease[]): void {
    this.#parked.wakeAgain();
    for (const lease of lost) this.#lose(lease);
    this.#waiting.remove((job) => job.stage === "gone");
  }

  /** The session broke: the daemon has forgotten revoked leases with it. */
  disconnected(): void {
    this.#arriving.clear();
    for (const job of this.#running) if (job.isRevoked) job.isForgotten = true;
    this.#options.port.batcher.dropReports((outcome) => this.#held.find(outcome) === undefined);
  }

  /**
   * Accepts no more jobs and releases those not started. Waits up to `graceMs` for running handlers, then fires their
   * signals, and releases what has still not ended a second later. Parked handlers are dropped: their jobs continue on
   * some worker when their waits end.
   */
  async drain(graceMs: number): Promise<void> {
    this.#isDraining = true;
    for (const job of this.#waiting.remove(() => true)) this.#release(job, job.assignment.resumed);
    await this.#running.waitUntilIdle(graceMs);
    this.#running.abortAll(stopped());
    await this.#running.waitUntilIdle(ABORT_GRACE_MS);
    for (const job of this.#running) if (!job.isRevoked) this.#release(job, true);
    this.#parked.dropAll();
    this.#running.warnOfUnresponsive();
  }

  tick(now: number): void {
    this.#running.tick(now);
    this.#reports.tick(now);
  }

  #lose(lease: HeldLease): void {
    const job = this.#held.find(lease);
    if (job === undefined) return;
    this.#held.remove(job);
    this.#options.port.batcher.dropReports((outcome) => job.isLease(outcome));
    this.#reports.drop(job);
    // The lease may be gone because the job was parked: then its handler is among the parked ones.
    if (job.stage === "ended") this.#parked.recorded(lease);
    if (job.stage === "running") this.#running.abort(job, takenOver(job.assignment));
    else job.stage = "gone";
    // This daemon does not know the lease, so it expects no report.
    job.isRevoked = true;
    job.isForgotten = true;
  }

  #accept(assignment: Assignment): void {
    const recorded = this.#arriving.take(assignment);
    const earlier = this.#held.get(assignment.jobId);
    if (earlier?.isLease(assignment) === true) return;
    const job = new LeasedJob(assignment, recorded, this.#handlerPort.clock.monotonic(), this.#reports.onAnswer);
    this.#held.add(job);
    if (this.#isDraining || recorded.length !== assignment.checkpointCount) this.#release(job, assignment.resumed);
    else this.#waiting.push(job);
  }

  #startWaiting(): void {
    // A handler that returns no promise ends inside `#start`: looping here keeps the stack from growing.
    if (this.#isStarting) return;
    this.#isStarting = true;
    while (!this.#isDraining && this.#running.size < this.#options.concurrency) {
      const job = this.#waiting.shift();
      if (job === undefined) break;
      if (job.assignment.resumed) this.#resume(job);
      else this.#start(job);
    }
    this.#isStarting = false;
  }

  #start(job: LeasedJob): void {
    const { assignment } = job;
    const { registry, events } = this.#options;
    // The job starts over, so a handler that is still parked here is obsolete.
    this.#parked.drop(assignment.jobId);
    const definition = registry.find(assignment.functionName);
    const undoing = definition === undefined || assignment.undoOf === "" ? undefined : new Undoing(job);
    const recorded = undoing?.undone ?? job.recorded;
    const context = new HandlerContext(assignment, recorded, this.#handlerPort, job.arrivedAt, undoing?.begin);
    this.#run(job, context);
    events.onStart(assignment);
    undoing?.prepare(context, (end) => this.#onEnd(context, end));
    execute(assignment, definition, context, undoing?.begin ?? ((end) => this.#onEnd(context, end)));
  }

  /** Continues a parked handler under its new lease. If it is no longer in memory, releases the job to be replayed. */
  #resume(job: LeasedJob): void {
    const { assignment } = job;
    const context = this.#parked.take(assignment.jobId);
    if (context === undefined || context.attempt !== assignment.attempt || this.#injected.crashesOnResume(job)) {
      context?.execution.drop();
      this.#release(job, true);
      return;
    }
    context.leaseToken = assignment.leaseToken;
    this.#run(job, context);
    context.execution.resume(job.recorded);
    const end = context.earlyEnd;
    if (end !== undefined) this.#onEnd(context, end);
  }

  #run(job: LeasedJob, context: HandlerContext): void {
    job.stage = "running";
    job.startedAt = performance.now();
    job.context = context;
    this.#running.add(job);
  }

  #park(host: ExecutionHost, park: Park): void {
    const job = this.#jobOf(host);
    if (job?.context === undefined) return;
    this.#running.delete(job);
    const { assignment, context, isRevoked } = job;
    // The handler has its arguments: do not keep the bytes in memory for as long as it waits.
    context.assignment = { ...assignment, args: NO_BYTES };
    if (isRevoked) return;
    this.#reports.report(job, parkOf(assignment, park, performance.now() - job.startedAt));
    if (!this.#isDraining) this.#parked.add(context);
    else context.execution.drop();
    this.#startWaiting();
  }

  /** Undefined for a handler whose job continues elsewhere. */
  #jobOf(host: ExecutionHost): LeasedJob | undefined {
    const held = this.#held.get(host.jobId);
    return held?.context === host ? held : this.#running.findByContext(host);
  }

  /** Fault injection: the handler never continues, and its job is replayed. */
  #crashes(host: ExecutionHost, point: string): boolean {
    const job = this.#jobOf(host);
    if (job === undefined || !this.#injected.crashesAfter(job, point)) return false;
    job.context?.execution.drop();
    this.#running.delete(job);
    this.#release(job, true);
    this.#startWaiting();
    return true;
  }

  #onEnd(context: HandlerContext, end: AttemptEnd): void {
    const execution = context.startedExecution;
    if (execution?.isParked === true && context.abortReason === undefined) {
      // The handler settled while it was parked: report its end once it has a slot again.
      context.earlyEnd = end;
      this.#parked.needSlot(context.jobId);
      return;
    }
    if (execution?.isDropped === true) return;
    const ending = end.kind === "failure" ? execution?.replay.endingOf(end.thrown) : undefined;
    const onEnded = (): void => {
      if (execution?.isDropped !== true) this.#ended(context, end, ending);
    };
    if (!defersEnd(context, end, this.#jobOf(context), onEnded)) onEnded();
  }

  #ended(context: HandlerContext, end: AttemptEnd, ending: AttemptEnding | undefined): void {
    const mismatch = context.abortReason === undefined ? context.mismatchAt(end) : undefined;
    if (mismatch !== undefined) return this.#mismatch(context, mismatch);
    context.end(end);
    const job = this.#jobOf(context);
    if (job === undefined) {
      if (end.kind === "failure") this.#emitEnd(context.assignment, end);
      return;
    }
    this.#running.delete(job);
    if (job.stage === "running") this.#settle(job, end, ending);
    this.#startWaiting();
  }

  /** The job's records do not match the handler, which never continues: the job waits for code that matches. */
  #mismatch(host: ExecutionHost, message: string): void {
    const job = this.#jobOf(host);
    if (job === undefined) return;
    job.context?.execution.drop();
    this.#running.delete(job);
    const { jobId, functionName } = job.assignment;
    this.#options.logger.warn(`the records of job ${jobId} do not match its handler: ${message}`, {
      functionName,
      jobId,
    });
    if (job.isRevoked && job.isForgotten) job.stage = "gone";
    else this.#reports.report(job, releaseOf(job.assignment, true, message));
    this.#startWaiting();
  }

  #settle(job: LeasedJob, end: AttemptEnd, ending: AttemptEnding | undefined): void {
    const { assignment } = job;
    if (this.#injected.crashesAtEnd(job, end)) return this.#release(job, true);
    this.#emitEnd(assignment, end);
    if (job.isRevoked) {
      // Release a revoked lease once: until then the daemon counts its slot as occupied.
      if (!job.isForgotten) this.#release(job, true);
      job.stage = "gone";
      return;
    }
    const isReleased = end.kind === "failure" && this.#isDraining && job.abortedAt !== undefined;
    const outcome = isReleased
      ? releaseOf(assignment, true)
      : outcomeOf(assignment, timedOut(job.context, end), performance.now() - job.startedAt, ending);
    this.#reports.report(job, outcome);
  }

  #emitEnd(assignment: Assignment, end: AttemptEnd): void {
    const { events } = this.#options;
    if (end.kind === "success") events.onSuccess(assignment, end.result);
    else events.onError(assignment, end.thrown);
  }

  #revoke(revocation: Revocation): void {
    const job = this.#held.find(revocation);
    if (job === undefined) this.#revokeParked(revocation);
    if (job === undefined || job.isRevoked) return;
    job.isRevoked = true;
    this.#held.remove(job);
    if (job.stage === "running") this.#running.abort(job, revocationError(job.assignment, revocation.reason));
    if (job.stage === "ended") this.#revokeParked(revocation);
    if (job.stage !== "waiting") return;
    this.#waiting.remove((other) => other === job);
    this.#release(job, false);
  }

  /** Rejects the waits of the handler, so that it unwinds. It has no slot, and nothing is reported. */
  #revokeParked(revocation: Revocation): void {
    const context = this.#parked.find(revocation);
    if (context === undefined) return;
    this.#parked.take(revocation.jobId);
    context.abort(revocationError(context.assignment, revocation.reason));
  }

  #recall(recall: HeldLease): void {
    const job = this.#held.find(recall);
    if (job === undefined || job.stage !== "waiting") return;
    this.#waiting.remove((other) => other === job);
    this.#release(job, job.assignment.resumed);
  }

  #release(job: LeasedJob, started: boolean): void {
    this.#reports.report(job, releaseOf(job.assignment, started));
  }

  #heartbeat(host: ExecutionHost, ms: number): void {
    const job = this.#jobOf(host);
    if (job !== undefined) this.#options.port.batcher.heartbeat(job.extend(ms));
  }
}
