/**
 * Runs what the daemon assigns: in order, as slots free up. A slot is taken until its handler has settled, also when
 * the lease is gone: a handler that ignores its signal still occupies the process.
 */
import {
  type Assignment,
  type HeldLease,
  type Outcome,
  type Revocation,
  type SessionResponse,
  SettleResult,
} from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { HandlerContext } from "./context.ts";
import { DelayedReports } from "./delayed-reports.ts";
import { WaitList } from "./wait-list.ts";
import { revocationError, stopped, takenOver, timedOut, timeoutError } from "./abort-reasons.ts";
import { type AttemptEnd, execute, outcomeOf, refusedResultOf, releaseOf } from "./executor.ts";
import { Fifo } from "./fifo.ts";
import { LeasedJob } from "./leased-job.ts";
import type { Logger } from "./logger.ts";
import type { Registry } from "./registry.ts";

/** The way to the daemon. */
export interface WorkerPort {
  report(job: LeasedJob): void;
  dropReports(matches: (outcome: Outcome) => boolean): void;
}

/** Told as handlers start and end. Must not throw. */
export interface WorkerEvents {
  readonly onStart: (assignment: Assignment) => void;
  readonly onSuccess: (assignment: Assignment, result: unknown) => void;
  readonly onError: (assignment: Assignment, error: unknown) => void;
}

/** The daemon enforces the timeout; this is for when it cannot be heard. */
const TIMEOUT_FALLBACK_MS = 1_000;
const IGNORED_SIGNAL_WARNING_MS = 10_000;
/** How long a handler has to end after the signal of a stop. */
const ABORT_GRACE_MS = 1_000;

export class Worker {
  /** Leases that are ours as far as we know, in the order of their assignment. */
  readonly #held = new Map<string, LeasedJob>();
  readonly #waiting = new Fifo<LeasedJob>();
  readonly #running = new Set<LeasedJob>();
  readonly #delayed = new DelayedReports();
  #isDraining = false;
  #isStarting = false;
  readonly #idleWaiters = new WaitList();

  constructor(
    private readonly options: {
      readonly concurrency: number;
      readonly registry: Registry;
      readonly port: WorkerPort;
      readonly events: WorkerEvents;
      readonly logger: Logger;
      /** Given to contexts, so that calls made inside handlers are known as children. */
      readonly owner: object;
    },
  ) {}

  /** Handlers that have not settled. */
  get runningCount(): number {
    return this.#running.size;
  }

  /** For hello: what was started comes first, in the order of its start. Outcomes without an answer are held too. */
  heldLeases(): HeldLease[] {
    const held = [...this.#held.values()].filter((job) => !job.isRevoked);
    const started = held.filter((job) => job.stage !== "waiting").sort((one, other) => one.startedAt - other.startedAt);
    const waiting = held.filter((job) => job.stage === "waiting");
    return [...started.map((job) => lease(job, true)), ...waiting.map((job) => lease(job, false))];
  }

  /** Assignments first, so that a revocation in the same frame finds its job; they start last. */
  receive(frame: SessionResponse): void {
    for (const assignment of frame.assignments) this.#accept(assignment);
    for (const revocation of frame.revocations) this.#revoke(revocation);
    for (const recall of frame.recalls) this.#recall(recall);
    this.#startWaiting();
  }

  /** Leases that ended while the session was broken: stop their handlers, forget their outcomes. */
  lose(leases: readonly HeldLease[]): void {
    for (const lost of leases) {
      const job = this.#find(lost);
      if (job === undefined) continue;
      this.#held.delete(lost.jobId);
      this.options.port.dropReports((outcome) => job.isLease(outcome));
      this.#delayed.remove(job);
      if (job.stage === "running") this.#abort(job, takenOver(job.assignment));
      else job.stage = "gone";
      // The daemon that answers now does not know this lease: it waits for no word about it.
      job.isRevoked = true;
      job.isForgotten = true;
    }
    this.#waiting.remove((job) => job.stage === "gone");
  }

  /** The session broke: revoked leases are forgotten by the daemon's side with it. */
  disconnected(): void {
    for (const job of this.#running) if (job.isRevoked) job.isForgotten = true;
    this.options.port.dropReports((outcome) => this.#held.get(outcome.jobId)?.isLease(outcome) !== true);
  }

  /**
   * Takes no more jobs and hands back those not started; waits up to `graceMs` for running handlers, then fires their
   * signals, and hands back what has still not ended a second later.
   */
  async drain(graceMs: number): Promise<void> {
    this.#isDraining = true;
    for (const job of this.#waiting.remove(() => true)) this.#handBack(job, false);
    await this.#waitUntilIdle(graceMs);
    if (this.#running.size === 0) return;
    for (const job of this.#running) this.#abort(job, stopped());
    await this.#waitUntilIdle(ABORT_GRACE_MS);
    for (const job of this.#running) if (!job.isRevoked) this.#handBack(job, true);
    if (this.#running.size > 0) {
      this.options.logger.warn("stopped while handlers still run: they ignore their signals", {
        functions: [...new Set([...this.#running].map((job) => job.assignment.functionName))].join(","),
      });
    }
  }

  tick(now: number): void {
    for (const job of this.#running) this.#watch(job, now);
    for (const job of this.#delayed.takeDue(now)) this.options.port.report(job);
  }

  #accept(assignment: Assignment): void {
    const earlier = this.#held.get(assignment.jobId);
    if (earlier?.isLease(assignment) === true) return;
    const job = new LeasedJob(assignment, this.#onAnswer);
    this.#held.set(assignment.jobId, job);
    if (this.#isDraining) this.#handBack(job, false);
    else this.#waiting.push(job);
  }

  #startWaiting(): void {
    // A handler that returns no promise ends inside its start: the loop goes on, the stack does not grow.
    if (this.#isStarting) return;
    this.#isStarting = true;
    while (!this.#isDraining && this.#running.size < this.options.concurrency) {
      const job = this.#waiting.shift();
      if (job === undefined) break;
      this.#start(job);
    }
    this.#isStarting = false;
  }

  #start(job: LeasedJob): void {
    const { assignment } = job;
    const { registry, logger, owner, events } = this.options;
    job.stage = "running";
    job.startedAt = performance.now();
    job.context = new HandlerContext(
      assignment.jobId,
      assignment.functionName,
      assignment.attempt,
      assignment.maxAttempts,
      assignment.headers,
      logger,
      owner,
    );
    this.#running.add(job);
    events.onStart(assignment);
    execute(assignment, registry.find(assignment.functionName), job.context, (end) => this.#onEnd(job, end));
  }

  #onEnd(job: LeasedJob, end: AttemptEnd): void {
    this.#running.delete(job);
    if (job.stage === "running") this.#settle(job, end);
    this.#startWaiting();
    if (this.#running.size === 0) this.#idleWaiters.wake();
  }

  #settle(job: LeasedJob, end: AttemptEnd): void {
    const { assignment } = job;
    this.#tell(job, end);
    if (job.isRevoked) {
      // One word for a lease that is gone: the daemon counts the slot as taken until then.
      if (!job.isForgotten) this.options.port.report(ended(job, releaseOf(assignment, true)));
      job.stage = "gone";
      return;
    }
    const isHandedBack = end.kind === "failure" && this.#isDraining && job.abortedAt !== undefined;
    const outcome = isHandedBack
      ? releaseOf(assignment, true)
      : outcomeOf(assignment, timedOut(job.context, end), performance.now() - job.startedAt);
    this.options.port.report(ended(job, outcome));
  }

  #tell(job: LeasedJob, end: AttemptEnd): void {
    const { events } = this.options;
    if (end.kind === "success") events.onSuccess(job.assignment, end.result);
    else events.onError(job.assignment, end.thrown);
  }

  #revoke(revocation: Revocation): void {
    const job = this.#find(revocation);
    if (job === undefined || job.isRevoked) return;
    job.isRevoked = true;
    this.#held.delete(revocation.jobId);
    if (job.stage === "running") this.#abort(job, revocationError(job.assignment, revocation.reason));
    if (job.stage !== "waiting") return;
    this.#waiting.remove((other) => other === job);
    this.options.port.report(ended(job, releaseOf(job.assignment, false)));
  }

  #recall(recall: HeldLease): void {
    const job = this.#find(recall);
    if (job === undefined || job.stage !== "waiting") return;
    this.#waiting.remove((other) => other === job);
    this.#handBack(job, false);
  }

  #handBack(job: LeasedJob, started: boolean): void {
    this.options.port.report(ended(job, releaseOf(job.assignment, started)));
  }

  readonly #onAnswer = (job: LeasedJob, result: SettleResult): void => {
    switch (result) {
      case SettleResult.RETRY:
        this.#delayed.add(job, performance.now());
        return;
      case SettleResult.INVALID:
        this.#reportRefusal(job);
        return;
      case SettleResult.STALE:
      case SettleResult.UNSPECIFIED:
        this.options.logger.debug("the outcome came too late: the lease was taken back", {
          jobId: job.assignment.jobId,
        });
        break;
      case SettleResult.ACCEPTED:
        break;
    }
    this.#forget(job);
  };

  #forget(job: LeasedJob): void {
    job.stage = "gone";
    if (this.#held.get(job.assignment.jobId) === job) this.#held.delete(job.assignment.jobId);
  }

  #reportRefusal(job: LeasedJob): void {
    const { jobId, functionName } = job.assignment;
    if (job.isRefused) {
      this.options.logger.error("the daemon refused the report of a failure; its lease will run out", {
        jobId,
        functionName,
      });
      this.#forget(job);
      return;
    }
    job.isRefused = true;
    this.options.port.report(ended(job, refusedResultOf(job.assignment)));
  }

  #watch(job: LeasedJob, now: number): void {
    const { timeoutMs, functionName, jobId } = job.assignment;
    if (timeoutMs > 0 && now - job.startedAt > timeoutMs + TIMEOUT_FALLBACK_MS)
      this.#abort(job, timeoutError(job.assignment));
    if (job.hasWarned || job.abortedAt === undefined || now - job.abortedAt < IGNORED_SIGNAL_WARNING_MS) return;
    job.hasWarned = true;
    this.options.logger.warn("a handler ignores its signal and still takes a slot; pass context().signal on", {
      functionName,
      jobId,
    });
  }

  #abort(job: LeasedJob, reason: Error): void {
    job.abortedAt ??= performance.now();
    job.context?.abort(reason);
  }

  #find(wanted: { readonly jobId: string; readonly leaseToken: number }): LeasedJob | undefined {
    const job = this.#held.get(wanted.jobId);
    return job?.isLease(wanted) === true ? job : undefined;
  }

  #waitUntilIdle(timeoutMs: number): Promise<void> {
    return this.#running.size === 0 ? Promise.resolve() : this.#idleWaiters.wait(timeoutMs);
  }
}

function ended(job: LeasedJob, outcome: Outcome): LeasedJob {
  job.end(outcome);
  return job;
}

function lease({ assignment: { jobId, leaseToken } }: LeasedJob, started: boolean): HeldLease {
  return { $typeName: "reseolio.v1.HeldLease", jobId, leaseToken, started };
}
