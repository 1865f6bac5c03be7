import { timeoutError } from "../workflow/abort-reasons.ts";
import type { LeasedJob } from "./leased-job.ts";
import type { Logger } from "../logger.ts";
import { WaitList } from "../session/wait-list.ts";

/** The daemon enforces the timeout; this is for when it cannot be heard. */
const TIMEOUT_FALLBACK_MS = 1_000;
const IGNORED_SIGNAL_WARNING_MS = 10_000;

/** Jobs whose handlers hold a slot of this worker, and what becomes of those that take too long. */
export class RunningJobs {
  readonly #running = new Set<LeasedJob>();
  readonly #idleWaiters = new WaitList();

  constructor(private readonly logger: Logger) {}

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

  /** Also when its lease was taken back. */
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

  /** Fires the signals of those whose time is over; warns once of each that does not listen. */
  tick(now: number): void {
    for (const job of this.#running) this.#watch(job, now);
  }

  /** Ends when none runs, or after `timeoutMs`. */
  waitUntilIdle(timeoutMs: number): Promise<void> {
    return this.#running.size === 0 ? Promise.resolve() : this.#idleWaiters.wait(timeoutMs);
  }

  /** The client stops and leaves them behind. */
  warnOfUnresponsive(): void {
    if (this.#running.size === 0) return;
    this.logger.warn("stopped while handlers still run: they ignore their signals", {
      functions: [...new Set([...this.#running].map((job) => job.assignment.functionName))].join(","),
    });
  }

  #watch(job: LeasedJob, now: number): void {
    const { timeoutMs, ranMs, functionName, jobId } = job.assignment;
    const endAt = job.extendedUntil ?? (timeoutMs > 0 ? job.startedAt + timeoutMs - ranMs : Infinity);
    if (now > endAt + TIMEOUT_FALLBACK_MS) this.abort(job, timeoutError(job.assignment));
    if (job.hasWarned || job.abortedAt === undefined || now - job.abortedAt < IGNORED_SIGNAL_WARNING_MS) return;
    job.hasWarned = true;
    this.logger.warn("a handler ignores its signal and still takes a slot; pass context().signal on", {
      functionName,
      jobId,
    });
  }
}
