/** Handlers in this process: those that occupy a slot, and those that are parked. */
import type { HeldLease } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { Logger } from "../logger.ts";
import { WaitList } from "../session/queues.ts";
import { timeoutError } from "../workflow/abort-reasons.ts";
import type { HandlerContext } from "../workflow/handler-context.ts";
import type { LeasedJob } from "./leased-jobs.ts";

/** The daemon enforces time limits; this is the fallback while it cannot be reached. */
const TIMEOUT_FALLBACK_MS = 1_000;
const IGNORED_SIGNAL_WARNING_MS = 10_000;

/** Jobs whose handlers occupy a slot of this worker. Aborts those that exceed their time limit. */
export class RunningJobs {
  readonly #running = new Set<LeasedJob>();
  readonly #idleWaiters = new WaitList();

  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get size(): number {
    return this.#running.size;
  }

  [Symbol.iterator](): Iterator<LeasedJob> {
    return this.#running.values();
  }

  add(job: LeasedJob): void {
    this.#running.add(job);
  }

  delete(job: LeasedJob): void {
    this.#running.delete(job);
    if (this.#running.size === 0) this.#idleWaiters.wake();
  }

  /** Finds the job even if its lease was revoked. */
  findByContext(context: object): LeasedJob | undefined {
    for (const job of this.#running) if (job.context === context) return job;
    return undefined;
  }

  abort(job: LeasedJob, reason: Error): void {
    job.abortedAt ??= performance.now();
    job.context?.abort(reason);
  }

  abortAll(reason: Error): void {
    for (const job of this.#running) this.abort(job, reason);
  }

  /** Fires the signals of jobs past their time limit; warns once about each that ignores it. */
  tick(now: number): void {
    for (const job of this.#running) this.#watch(job, now);
  }

  /** Resolves when no job runs, or after `timeoutMs`. */
  waitUntilIdle(timeoutMs: number): Promise<void> {
    return this.#running.size === 0 ? Promise.resolve() : this.#idleWaiters.wait(timeoutMs);
  }

  /** Warns about jobs that are still running when the client has stopped. */
  warnOfUnresponsive(): void {
    if (this.#running.size === 0) return;
    this.#logger.warn("stopped while handlers are still running; they ignored their signals", {
      functions: [...new Set([...this.#running].map((job) => job.assignment.functionName))].join(","),
    });
  }

  #watch(job: LeasedJob, now: number): void {
    const { timeoutMs, ranMs, functionName, jobId } = job.assignment;
    const endAt = job.extendedUntil ?? (timeoutMs > 0 ? job.startedAt + timeoutMs - ranMs : Infinity);
    if (now > endAt + TIMEOUT_FALLBACK_MS) this.abort(job, timeoutError(job.assignment));
    if (job.hasWarned || job.abortedAt === undefined || now - job.abortedAt < IGNORED_SIGNAL_WARNING_MS) return;
    job.hasWarned = true;
    this.#logger.warn(
      "a handler is ignoring its signal and still occupies a slot; pass context().signal to what it calls",
      {
        functionName,
        jobId,
      },
    );
  }
}

interface Parked {
  readonly context: HandlerContext;
  /** Token of the lease under which it was parked. */
  readonly leaseToken: number;
  /** The daemon has recorded the park. */
  isRecorded: boolean;
  /** It can continue although none of its waits has ended. */
  needsSlot: boolean;
}

/** Parked handlers in memory, by job, those that have waited longest first. Their number is limited. */
export class ParkedHandlers {
  readonly #parked = new Map<string, Parked>();

  readonly #limit: number;
  /** Asks the daemon for a slot. */
  readonly #wake: (lease: HeldLease) => void;

  constructor(limit: number, wake: (lease: HeldLease) => void) {
    this.#limit = limit;
    this.#wake = wake;
  }

  get size(): number {
    return this.#parked.size;
  }

  /** Beyond the limit, drops the handler that has waited longest: its job is replayed when its wait ends. */
  add(context: HandlerContext): void {
    this.#parked.set(context.jobId, { context, leaseToken: context.leaseToken, isRecorded: false, needsSlot: false });
    const [oldest] = this.#parked.keys();
    if (this.#parked.size > this.#limit && oldest !== undefined) this.drop(oldest);
  }

  /** The handler that was parked under this lease. */
  find({ jobId, leaseToken }: { readonly jobId: string; readonly leaseToken: number }): HandlerContext | undefined {
    const parked = this.#parked.get(jobId);
    return parked?.leaseToken === leaseToken ? parked.context : undefined;
  }

  /** Removes and returns the job's handler. */
  take(jobId: string): HandlerContext | undefined {
    const parked = this.#parked.get(jobId);
    this.#parked.delete(jobId);
    return parked?.context;
  }

  /** The daemon has recorded that this lease was parked. */
  recorded({ jobId, leaseToken }: { readonly jobId: string; readonly leaseToken: number }): void {
    const parked = this.#parked.get(jobId);
    if (parked === undefined || parked.leaseToken !== leaseToken || parked.isRecorded) return;
    parked.isRecorded = true;
    this.#wakeIfNeeded(parked);
  }

  needSlot(jobId: string): void {
    const parked = this.#parked.get(jobId);
    if (parked === undefined || parked.needsSlot) return;
    parked.needsSlot = true;
    this.#wakeIfNeeded(parked);
  }

  /** After a break it is unknown which wakes have reached the daemon. */
  wakeAgain(): void {
    for (const parked of this.#parked.values()) this.#wakeIfNeeded(parked);
  }

  /** Drops the job's handler, which never continues. */
  drop(jobId: string): void {
    this.take(jobId)?.execution.drop();
  }

  dropAll(): void {
    for (const jobId of [...this.#parked.keys()]) this.drop(jobId);
  }

  #wakeIfNeeded({ context: { jobId }, leaseToken, isRecorded, needsSlot }: Parked): void {
    if (isRecorded && needsSlot) this.#wake({ $typeName: "reseolio.v1.HeldLease", jobId, leaseToken, started: true });
  }
}
