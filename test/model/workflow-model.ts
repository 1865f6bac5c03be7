/** What a store does for workflows, said a second time: checkpoints, waits and events as plain maps. */
import type { CheckpointKind, NewWait } from "../../src/daemon/core/checkpoint.ts";
import type { Job } from "../../src/daemon/core/job.ts";
import type { RecordOutcome } from "../../src/daemon/storage/checkpoint-store.ts";
import { JobModel, type ModelJob } from "./job-model.ts";

export interface ModelRecord {
  readonly kind: CheckpointKind;
  readonly value: string | null;
  readonly isError: boolean;
  readonly timedOut: boolean;
  readonly failures: number;
}

export interface ModelWait {
  readonly wait: NewWait;
  readonly dueAt: number | null;
  wakes: boolean;
}

type Lease = Pick<Job, "jobId" | "leaseToken">;

export class WorkflowModel extends JobModel {
  readonly records = new Map<string, Map<string, ModelRecord>>();
  readonly waits = new Map<string, Map<string, ModelWait>>();
  readonly events = new Map<string, { readonly payload: string; readonly at: number }>();

  recordsOf(jobId: string): Map<string, ModelRecord> {
    return entry(this.records, jobId);
  }

  waitsOf(jobId: string): Map<string, ModelWait> {
    return entry(this.waits, jobId);
  }

  record(lease: Lease, name: string, kind: CheckpointKind, value: string | null, isError: boolean): RecordOutcome {
    const job = this.#leased(lease);
    if (job === null) return { kind: "stale" };
    const fresh = { kind, value, isError, timedOut: false, failures: job.failures };
    const known = this.recordsOf(job.jobId).get(name);
    const awaited = this.waitsOf(job.jobId).get(name);
    const knownKind = known?.kind ?? awaited?.wait.kind;
    if (knownKind !== undefined && knownKind !== kind) return { kind: "conflict", known: knownKind };
    if (known !== undefined && !(known.isError && known.failures !== job.failures)) return { kind: "repeated" };
    this.waitsOf(job.jobId).delete(name);
    this.recordsOf(job.jobId).set(name, fresh);
    return { kind: "recorded" };
  }

  /** False when the lease is gone; else the job is parked, and woken again when one of the waits is over. */
  park(lease: Lease, waits: readonly NewWait[]): boolean {
    const job = this.#leased(lease);
    if (job === null) return false;
    Object.assign(job, { state: "SUSPENDED", ranMs: 5 });
    const pending = this.waitsOf(job.jobId);
    for (const wait of waits) {
      const isKnown = pending.has(wait.name) || this.recordsOf(job.jobId).has(wait.name);
      if (isKnown) continue;
      pending.set(wait.name, { wait, dueAt: dueAtOf(wait, this.now), wakes: true });
      if (wait.kind === "job") this.#noteAwaited(job.jobId, wait.awaitedJobId);
    }
    for (const [name, one] of pending) one.wakes = waits.some((wait) => wait.name === name);
    for (const [name, one] of [...pending]) if (this.#isOver(one)) this.#end(job.jobId, name);
    if (waits.some(({ name }) => this.recordsOf(job.jobId).has(name))) this.#wake(job);
    return true;
  }

  emit(name: string, payload: string): boolean {
    if (this.events.has(name)) return false;
    this.events.set(name, { payload, at: this.now });
    this.#endAll(({ wait }) => wait.kind === "event" && wait.eventName === name);
    return true;
  }

  endDue(): void {
    this.#endAll(({ dueAt }) => dueAt !== null && dueAt <= this.now);
  }

  override nextDueAt(): number | null {
    const times = [...this.waits.values()].flatMap((waits) => [...waits.values()].map(({ dueAt }) => dueAt));
    const known = [super.nextDueAt(), ...times].filter((time) => time !== null);
    return known.length === 0 ? null : Math.min(...known);
  }

  /** A person's: the errors of steps go. */
  override retry(jobId: string): boolean {
    if (!super.retry(jobId)) return false;
    for (const [name, { isError }] of [...this.recordsOf(jobId)]) if (isError) this.recordsOf(jobId).delete(name);
    return true;
  }

  protected override remove(jobId: string): boolean {
    this.records.delete(jobId);
    this.waits.delete(jobId);
    for (const awaiters of this.#awaited.values()) awaiters.delete(jobId);
    return super.remove(jobId);
  }

  protected override ended(job: ModelJob): void {
    this.waits.delete(job.jobId);
    this.#endAll(({ wait }) => wait.kind === "job" && wait.awaitedJobId === job.jobId);
  }

  protected override isKept(job: ModelJob): boolean {
    if (super.isKept(job)) return true;
    const awaiters = [...this.#awaitersOf(job.jobId)];
    return awaiters.some((jobId) => this.isLive(jobId));
  }

  /** Also of waits that are over. */
  readonly #awaited = new Map<string, Set<string>>();

  #awaitersOf(jobId: string): Iterable<string> {
    return this.#awaited.get(jobId) ?? [];
  }

  #noteAwaited(jobId: string, awaitedJobId: string): void {
    const awaiters = this.#awaited.get(awaitedJobId) ?? new Set();
    this.#awaited.set(awaitedJobId, awaiters.add(jobId));
  }

  #leased({ jobId, leaseToken }: Lease): ModelJob | null {
    const job = this.jobs.get(jobId);
    return job?.state === "RUNNING" && job.leaseToken === leaseToken ? job : null;
  }

  #isOver({ wait, dueAt }: ModelWait): boolean {
    if (dueAt !== null && dueAt <= this.now) return true;
    if (wait.kind === "event") return this.events.has(wait.eventName);
    return wait.kind === "job" && !this.isLive(wait.awaitedJobId);
  }

  #endAll(matches: (wait: ModelWait) => boolean): void {
    for (const [jobId, waits] of [...this.waits]) {
      const over = [...waits].filter(([, wait]) => matches(wait));
      for (const [name] of over) this.#end(jobId, name);
      const job = this.jobs.get(jobId);
      if (job?.state === "SUSPENDED" && over.some(([, { wakes }]) => wakes)) this.#wake(job);
    }
  }

  #end(jobId: string, name: string): void {
    const { wait, dueAt } = this.waitsOf(jobId).get(name)!;
    this.waitsOf(jobId).delete(name);
    const value = wait.kind === "event" ? this.#payloadFor(wait.eventName, dueAt) : null;
    const timedOut = wait.kind === "event" && value === null;
    this.recordsOf(jobId).set(name, { kind: wait.kind, value, isError: false, timedOut, failures: 0 });
  }

  /** An event that came after the wait's time does not count for it. */
  #payloadFor(eventName: string, dueAt: number | null): string | null {
    const event = this.events.get(eventName);
    if (event === undefined) return null;
    return dueAt === null || dueAt > this.now || event.at <= dueAt ? event.payload : null;
  }

  /** The model's workers have no records, so nobody has a handler in memory. */
  #wake(job: ModelJob): void {
    Object.assign(job, { state: "PENDING", workerId: null, runAt: this.now });
    this.ready.add(job.jobId);
  }
}

function dueAtOf(wait: NewWait, now: number): number | null {
  if (wait.kind === "event") return wait.timeoutMs === null ? null : now + wait.timeoutMs;
  if (wait.kind === "job") return null;
  return "sleepMs" in wait ? now + wait.sleepMs : wait.sleepUntil;
}

function entry<V>(map: Map<string, Map<string, V>>, key: string): Map<string, V> {
  let found = map.get(key);
  if (found === undefined) map.set(key, (found = new Map()));
  return found;
}
