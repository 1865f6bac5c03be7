import { timeoutError } from "../workflow/abort-reasons.ts";
import type { LeasedJob } from "./leased-job.ts";
import type { Logger } from "../logger.ts";
import { WaitList } from "../session/wait-list.ts";

/** The daemon enforces time limits; this is the fallback while it cannot be reached. */
const TIMEOUT_FALLBACK_MS = 1_000;
const IGNORED_SIGNAL_WARNING_MS = 10_000;

/** Jobs whose handlers occupy a slot of this worker. Aborts those that exceed their time limit. */
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
    this.logger.warn("stopped while handlers are still running; they ignored their signals", {
      functions: [...new Set([...this.#running].map((job) => job.assignment.functionName))].join(","),
    });
  }

  #watch(job: LeasedJob, now: number): void {
    const { timeoutMs, ranMs, functionName, jobId } = job.assignment;
    const endAt = job.extendedUntil ?? (timeoutMs > 0 ? job.startedAt + timeoutMs - ranMs : Infinity);
    if (now > endAt + TIMEOUT_FALLBACK_MS) this.abort(job, timeoutError(job.assignment));
    if (job.hasWarned || job.abortedAt === undefined || now - job.abortedAt < IGNORED_SIGNAL_WARNING_MS) return;
    job.hasWarned = true;
    this.logger.warn("a handler ignores its signal and still occupies a slot; pass context().signal to what it calls", {
      functionName,
      jobId,
    });
  }
}
