/**
 * What a store of jobs is, said a second time and as plainly as possible: a list in memory, no indexes, no counters,
 * no shortcuts. It shares nothing with the daemon but its types, so that the two can disagree.
 */
import type { Attempt, ErrorReason, Job, JobState } from "../../src/daemon/core/job.ts";
import type { EnqueueOutcome, NewJob } from "../../src/daemon/storage/seam/jobs.ts";

/** The fields of a job that the model predicts. */
export type ModelJob = {
  -readonly [Key in keyof Omit<Job, "error" | "args" | "result" | "headers">]: Job[Key];
} & {
  args: string;
  result: string | null;
  reason: ErrorReason | null;
  attempts: Pick<Attempt, "attempt" | "outcome" | "startedAt" | "endedAt" | "workerId">[];
};

const TERMINAL: readonly JobState[] = ["SUCCESS", "DEAD", "CANCELLED"];
const MAX_LOSSES = 3;

export class JobModel {
  readonly jobs = new Map<string, ModelJob>();
  now: number;

  constructor(now: number) {
    this.now = now;
  }

  enqueue(item: NewJob): EnqueueOutcome {
    const { jobId, functionName, options } = item;
    const sameId = this.jobs.get(jobId);
    if (sameId?.functionName === functionName) return { kind: "repeated", jobId, state: sameId.state };
    if (sameId !== undefined) return { kind: "id_taken", functionName: sameId.functionName };
    const holder = [...this.jobs.values()].find(
      (job) =>
        options.idempotencyKey !== null &&
        job.idempotencyKey === options.idempotencyKey &&
        job.functionName === functionName,
    );
    if (holder !== undefined) {
      const there = { jobId: holder.jobId, state: holder.state };
      if (options.onDuplicate === "reject") return { kind: "rejected", ...there };
      if (options.onDuplicate === "return_existing" || !TERMINAL.includes(holder.state)) {
        return { kind: "deduplicated", ...there, argsDiffer: holder.args !== new TextDecoder().decode(item.args) };
      }
      holder.idempotencyKey = null;
    }
    const job = this.#newJob(item);
    this.jobs.set(jobId, job);
    return { kind: "stored", jobId, ready: job.runAt <= this.now };
  }

  /** Which jobs a demand gets. `promoted` are the delayed ones that were made ready. */
  claim(functionNames: readonly string[], limit: number, workerId: string): readonly string[] {
    const ready = [...this.jobs.values()].filter(
      (job) => this.ready.has(job.jobId) && functionNames.includes(job.functionName) && !this.#isOverdue(job),
    );
    ready.sort(
      (left, right) =>
        right.priority - left.priority || left.runAt - right.runAt || (left.jobId < right.jobId ? -1 : 1),
    );
    return ready.slice(0, limit).map((job) => {
      Object.assign(job, { state: "RUNNING", workerId, startedAt: this.now });
      if (job.ranMs === null) job.attempt++;
      job.leaseToken++;
      this.ready.delete(job.jobId);
      return job.jobId;
    });
  }

  /** Jobs that a worker may take. */
  readonly ready = new Set<string>();

  /** A report under a lease; false when the lease is not the job's any more. */
  report(
    lease: Pick<Job, "jobId" | "leaseToken">,
    how: "succeed" | "fail" | "fatal" | "release" | "unstarted",
  ): boolean {
    const job = this.jobs.get(lease.jobId);
    if (job?.state !== "RUNNING" || job.leaseToken !== lease.leaseToken) return false;
    switch (how) {
      case "succeed":
        this.#finish(job, "SUCCESS");
        job.result = `"${job.attempt}"`;
        break;
      case "fail":
        this.#failure(job, "failed", "handler");
        break;
      case "fatal":
        this.#end(job, "failed", "terminal");
        job.failures++;
        this.#finish(job, "DEAD");
        break;
      case "release":
        this.#toPending(job, 0);
        break;
      case "unstarted":
        if (job.ranMs === null) job.attempt--;
        this.#toPending(job, 0);
        break;
    }
    return true;
  }

  timeOut(jobId: string): boolean {
    const job = this.jobs.get(jobId);
    if (job?.state !== "RUNNING") return false;
    job.leaseToken++;
    this.#failure(job, "timeout", "timeout");
    return true;
  }

  lose(jobId: string): boolean {
    const job = this.jobs.get(jobId);
    if (job?.state !== "RUNNING") return false;
    job.leaseToken++;
    this.#end(job, "lost", "worker_lost");
    job.losses++;
    if (job.losses >= MAX_LOSSES) this.#finish(job, "DEAD");
    else this.#nextAttempt(job, 0);
    return true;
  }

  cancel(jobId: string, reason: "cancelled" | "start_deadline" | "finish_deadline"): boolean {
    const job = this.jobs.get(jobId);
    if (job === undefined || TERMINAL.includes(job.state)) return false;
    if (job.state === "RUNNING") this.#end(job, "cancelled", reason);
    job.reason = reason;
    job.leaseToken++;
    this.#finish(job, "CANCELLED");
    return true;
  }

  retry(jobId: string): boolean {
    const job = this.jobs.get(jobId);
    if (job?.state !== "DEAD" && job?.state !== "CANCELLED") return false;
    Object.assign(job, { failures: 0, losses: 0, startBy: null, finishBy: null, finishedAt: null, ranMs: null });
    job.leaseToken++;
    this.#toPending(job, 0);
    return true;
  }

  delete(jobId: string): boolean {
    const job = this.jobs.get(jobId);
    return job !== undefined && TERMINAL.includes(job.state) && this.remove(jobId);
  }

  prune(state: JobState, finishedBefore: number): number {
    const old = [...this.jobs.values()].filter(
      (job) => job.state === state && job.finishedAt! < finishedBefore && !this.isKept(job),
    );
    for (const job of old) this.remove(job.jobId);
    return old.length;
  }

  /** Makes all delayed jobs ready whose time has come. */
  promote(): number {
    const due = this.#delayed().filter((job) => job.runAt <= this.now);
    for (const job of due) this.ready.add(job.jobId);
    return due.length;
  }

  overdue(): readonly string[] {
    return [...this.jobs.values()].filter((job) => this.#isOverdue(job)).map((job) => job.jobId);
  }

  nextDueAt(): number | null {
    const deadlines = [...this.jobs.values()].map((job) => this.#deadline(job));
    const times = [...this.#delayed().map((job) => job.runAt), ...deadlines].filter((time) => Number.isFinite(time));
    return times.length === 0 ? null : Math.min(...times);
  }

  protected remove(jobId: string): boolean {
    return this.jobs.delete(jobId);
  }

  /** Told of each job that has ended. */
  protected ended(_job: ModelJob): void {}

  /** Whether pruning spares it. */
  protected isKept(job: ModelJob): boolean {
    return job.parentId !== null && this.isLive(job.parentId);
  }

  protected isLive(jobId: string): boolean {
    const job = this.jobs.get(jobId);
    return job !== undefined && !TERMINAL.includes(job.state);
  }

  #delayed(): readonly ModelJob[] {
    return [...this.jobs.values()].filter((job) => job.state === "PENDING" && !this.ready.has(job.jobId));
  }

  #isOverdue(job: ModelJob): boolean {
    return this.#deadline(job) <= this.now;
  }

  #deadline(job: ModelJob): number {
    if (TERMINAL.includes(job.state)) return Infinity;
    const start = job.state === "PENDING" && job.attempt === 0 ? (job.startBy ?? Infinity) : Infinity;
    return Math.min(start, job.finishBy ?? Infinity);
  }

  #failure(job: ModelJob, outcome: "failed" | "timeout", reason: ErrorReason): void {
    this.#end(job, outcome, reason);
    job.failures++;
    if (job.failures >= job.maxAttempts) this.#finish(job, "DEAD");
    // The model's jobs have a fixed backoff and no jitter: the formula has tests of its own.
    else this.#nextAttempt(job, Math.min(job.initialDelayMs, job.maxDelayMs));
  }

  #end(job: ModelJob, outcome: Attempt["outcome"], reason: ErrorReason): void {
    const { attempt, workerId } = job;
    job.attempts.push({ attempt, outcome, startedAt: job.startedAt!, endedAt: this.now, workerId });
    job.reason = reason;
  }

  #finish(job: ModelJob, state: JobState): void {
    this.ready.delete(job.jobId);
    job.state = state;
    job.finishedAt = this.now;
    this.ended(job);
  }

  #nextAttempt(job: ModelJob, delayMs: number): void {
    job.ranMs = null;
    this.#toPending(job, delayMs);
  }

  #toPending(job: ModelJob, delayMs: number): void {
    job.state = "PENDING";
    job.workerId = null;
    job.runAt = this.now + delayMs;
    if (delayMs === 0) this.ready.add(job.jobId);
  }

  #newJob({ jobId, functionName, args, options, parentId }: NewJob): ModelJob {
    const { delayMs, runAt, startWithinMs, finishWithinMs, onDuplicate: _, headers: __, ...settings } = options;
    const startsAt = runAt ?? this.now + (delayMs ?? 0);
    if (startsAt <= this.now) this.ready.add(jobId);
    return {
      ...settings,
      jobId,
      functionName,
      parentId,
      undoOf: null,
      args: new TextDecoder().decode(args),
      state: "PENDING",
      result: null,
      reason: null,
      attempts: [],
      createdAt: this.now,
      runAt: startsAt,
      startBy: startWithinMs === null ? null : this.now + startWithinMs,
      finishBy: finishWithinMs === null ? null : this.now + finishWithinMs,
      attempt: 0,
      failures: 0,
      losses: 0,
      leaseToken: 0,
      workerId: null,
      startedAt: null,
      finishedAt: null,
      ranMs: null,
    };
  }
}
