/** What a store does for workflows, said a second time: checkpoints, waits, events and signals as plain maps. */
import type {
  CheckpointKind,
  FailureMarks,
  NewWait,
  ParkOrder,
  RecordOrder,
} from "../../src/daemon/core/checkpoint.ts";
import type { Job } from "../../src/daemon/core/job.ts";
import type { RecordOutcome, SignalOutcome } from "../../src/daemon/storage/seam/workflows.ts";
import { JobModel, type ModelJob } from "./job-model.ts";

export interface ModelRecord {
  readonly kind: CheckpointKind;
  readonly value: string | null;
  readonly isError: boolean;
  readonly timedOut: boolean;
  readonly failures: number;
  order: RecordOrder | null;
}

export interface ModelWait {
  readonly wait: NewWait;
  readonly dueAt: number | null;
  wakes: boolean;
  order: NewWait["order"];
  /** Set by the last park that waited for it, under this token. */
  place: ParkOrder | null;
  token: number | null;
}

interface Emission {
  readonly payload: string;
  readonly at: number;
}

interface ModelSignal {
  readonly signalId: string;
  readonly jobId: string;
  readonly name: string;
  readonly payload: string;
  wasAwaited: boolean;
  isTaken: boolean;
}

type Lease = Pick<Job, "jobId" | "leaseToken">;

export class WorkflowModel extends JobModel {
  readonly records = new Map<string, Map<string, ModelRecord>>();
  readonly waits = new Map<string, Map<string, ModelWait>>();
  readonly events = new Map<string, { first: Emission; latest: Emission | null }>();
  /** In the order of their arrival. */
  signals: ModelSignal[] = [];

  recordsOf(jobId: string): Map<string, ModelRecord> {
    return entry(this.records, jobId);
  }

  waitsOf(jobId: string): Map<string, ModelWait> {
    return entry(this.waits, jobId);
  }

  record(lease: Lease, name: string, given: Pick<ModelRecord, "kind" | "value" | "isError" | "order">): RecordOutcome {
    const job = this.#leased(lease);
    if (job === null) return { kind: "stale" };
    const { kind, order } = given;
    const fresh = { ...given, timedOut: false, failures: job.failures };
    const known = this.recordsOf(job.jobId).get(name);
    const awaited = this.waitsOf(job.jobId).get(name);
    const knownKind = known?.kind ?? awaited?.wait.kind;
    if (knownKind !== undefined && knownKind !== kind) return { kind: "conflict", known: knownKind };
    if (known !== undefined && !givesWay(known, job)) {
      if (known.order?.seq !== 0 || order === null || order.seq === 0) return { kind: "repeated" };
      known.order = { ...order, undo: order.undo || known.order.undo };
      return { kind: "recorded", isNew: false };
    }
    this.waitsOf(job.jobId).delete(name);
    this.recordsOf(job.jobId).set(name, fresh);
    return { kind: "recorded", isNew: knownKind === undefined };
  }

  /** False when the lease is gone; else the job is parked, and woken again when one of the waits is over. */
  park(lease: Lease, waits: readonly NewWait[], place: ParkOrder | null): boolean {
    const job = this.#leased(lease);
    if (job === null) return false;
    Object.assign(job, { state: "SUSPENDED", ranMs: 5 });
    const pending = this.waitsOf(job.jobId);
    for (const wait of waits) {
      this.#placeEnded(job.jobId, wait.name, place);
      const known = pending.get(wait.name);
      if (known !== undefined) noteOperation(known, wait);
      if (known !== undefined || this.recordsOf(job.jobId).has(wait.name)) continue;
      const { order } = wait;
      pending.set(wait.name, { wait, dueAt: dueAtOf(wait, this.now), wakes: true, order, place: null, token: null });
      if (wait.kind === "job") this.#noteAwaited(job.jobId, wait.awaitedJobId);
    }
    for (const [name, one] of pending) {
      one.wakes = waits.some((wait) => wait.name === name);
      if (one.wakes && place !== null && hasPlace(one.order)) Object.assign(one, { place, token: lease.leaseToken });
    }
    this.#takeSignals(job.jobId);
    // What it does not wait for now is left to the timer.
    for (const [name, one] of [...pending]) if (one.wakes && this.#isOver(job, one)) this.#end(job.jobId, name);
    if (waits.some(({ name }) => this.recordsOf(job.jobId).has(name))) this.#wake(job);
    return true;
  }

  emit(name: string, payload: string): boolean {
    const known = this.events.get(name);
    const emission = { payload, at: this.now };
    if (known === undefined) this.events.set(name, { first: emission, latest: null });
    else known.latest = emission;
    this.#endAll(({ wait }) => {
      return wait.kind === "event" && wait.eventName === name && (known === undefined || wait.sinceStart === true);
    });
    return known === undefined;
  }

  deleteEvent(name: string): boolean {
    return this.events.delete(name);
  }

  /** Returns how many events it processed. */
  pruneEvents(emittedBefore: number): number {
    const old = [...this.events].filter(([, { first }]) => first.at < emittedBefore);
    for (const [name, { latest }] of old) {
      if (latest !== null && latest.at >= emittedBefore) this.events.set(name, { first: latest, latest: null });
      else this.events.delete(name);
    }
    return old.length;
  }

  send(signal: Pick<ModelSignal, "signalId" | "jobId" | "name" | "payload">): SignalOutcome {
    const known = this.signals.find(({ signalId }) => signalId === signal.signalId);
    if (known !== undefined) {
      const { jobId, wasAwaited } = known;
      return jobId === signal.jobId ? { kind: "sent", taken: wasAwaited } : { kind: "id_taken", jobId };
    }
    const job = this.jobs.get(signal.jobId);
    if (job === undefined) return { kind: "unknown_job" };
    if (!this.isLive(signal.jobId)) return { kind: "ended", state: job.state };
    const arriving = { ...signal, wasAwaited: false, isTaken: false };
    this.signals.push(arriving);
    const waking = this.#takeSignals(signal.jobId);
    if (job.state === "SUSPENDED" && waking) this.#wake(job);
    arriving.wasAwaited = arriving.isTaken;
    return { kind: "sent", taken: arriving.wasAwaited };
  }

  /** Not taken yet, by name. */
  countSignals(jobId: string): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { name } of this.#waitingSignals(jobId)) counts.set(name, (counts.get(name) ?? 0) + 1);
    return new Map([...counts].sort(([left], [right]) => (left < right ? -1 : 1)));
  }

  #waitingSignals(jobId: string): readonly ModelSignal[] {
    return this.signals.filter((one) => one.jobId === jobId && !one.isTaken);
  }

  /** The first wait for a signal gets the first of them. True when one of those waits wakes the job. */
  #takeSignals(jobId: string): boolean {
    let isWaking = false;
    for (const [name, { wait, dueAt, wakes }] of [...this.waitsOf(jobId)]) {
      if (wait.kind !== "signal" || (dueAt !== null && dueAt < this.now)) continue;
      const signal = this.#waitingSignals(jobId).find((one) => one.name === wait.signalName);
      if (signal === undefined) continue;
      signal.isTaken = true;
      this.#end(jobId, name, signal.payload);
      isWaking ||= wakes;
    }
    return isWaking;
  }

  endDue(): void {
    this.#endAll(({ dueAt }) => dueAt !== null && dueAt <= this.now);
  }

  override nextDueAt(): number | null {
    const times = [...this.waits.values()].flatMap((waits) => [...waits.values()].map(({ dueAt }) => dueAt));
    const known = [super.nextDueAt(), ...times].filter((time) => time !== null);
    return known.length === 0 ? null : Math.min(...known);
  }

  /** What the failure of an attempt made of the records, once the job has moved. */
  mark(jobId: string, { endedBy, loosened }: FailureMarks): void {
    const isPending = this.jobs.get(jobId)!.state === "PENDING";
    const ended = new Set(endedBy.map(({ name }) => name));
    for (const { name, op } of [...loosened, ...endedBy]) {
      const record = this.recordsOf(jobId).get(name);
      if (record === undefined || (record.order === null && !isPending)) continue;
      const order = { ...(record.order ?? NO_PLACE), op };
      record.order = isPending ? withoutPlace(order) : order;
      if (ended.has(name)) record.order = { ...record.order, endedAttempt: true };
    }
    if (isPending && ended.size > 0) this.#forgetTimeouts(jobId);
  }

  /** A person's: what ended the last attempt loses its place with all after it, other failures are facts in an order. */
  override retry(jobId: string): boolean {
    const children = [...this.jobs.values()].filter(
      (job) => job.parentId === jobId && (job.state === "DEAD" || job.state === "CANCELLED"),
    );
    const job = this.jobs.get(jobId);
    if (job?.state === "SUSPENDED") {
      this.#wake(job);
      return true;
    }
    if (!super.retry(jobId)) return false;
    const records = this.recordsOf(jobId);
    const ended = [...records.values()].flatMap(({ order }) =>
      order?.endedAttempt && order.seq > 0 ? [order.seq] : [],
    );
    for (const record of records.values()) {
      const { order } = record;
      if (order !== null && order.seq >= Math.min(...ended)) record.order = withoutPlace(order);
    }
    const isOrdered = [...records.values()].some(({ order }) => order !== null);
    if (isOrdered) for (const child of children) this.#failChild(jobId, child.jobId);
    for (const [name, { isError, order, kind }] of [...records]) {
      if ((isError && order === null) || kind === "try") records.delete(name);
    }
    this.#forgetTimeouts(jobId);
    return true;
  }

  /** A wait whose time was over, and which ended an attempt, waits again. */
  #forgetTimeouts(jobId: string): void {
    const records = this.recordsOf(jobId);
    for (const [name, { timedOut, order }] of [...records])
      if (timedOut && order?.endedAttempt === true) records.delete(name);
  }

  #failChild(jobId: string, childId: string): void {
    const records = this.recordsOf(jobId);
    const known = records.get(`job:${childId}`);
    const order = { ...NO_PLACE, ...known?.order, endedAttempt: true };
    if (known !== undefined && (known.order === null || known.order.seq > 0)) return;
    records.set(`job:${childId}`, { kind: "job", value: null, isError: true, timedOut: false, failures: 0, order });
    this.#noteAwaited(jobId, childId);
  }

  #placeEnded(jobId: string, name: string, place: ParkOrder | null): void {
    const record = this.recordsOf(jobId).get(name);
    if (place === null || record?.order?.seq !== 0 || record.order.op === 0) return;
    record.order = { ...record.order, ...place, endedAttempt: false };
  }

  protected override remove(jobId: string): boolean {
    this.records.delete(jobId);
    this.waits.delete(jobId);
    this.signals = this.signals.filter((one) => one.jobId !== jobId);
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

  #isOver(job: ModelJob, { wait, dueAt }: ModelWait): boolean {
    if (dueAt !== null && dueAt <= this.now) return true;
    if (wait.kind === "event") return this.#emissionsFor(job, wait).length > 0;
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

  #end(jobId: string, name: string, taken: string | null = null): void {
    const { wait, dueAt, order, place, token } = this.waitsOf(jobId).get(name)!;
    this.waitsOf(jobId).delete(name);
    const value = wait.kind === "event" ? this.#payloadFor(this.jobs.get(jobId)!, wait, dueAt) : taken;
    const timedOut = (wait.kind === "event" || wait.kind === "signal") && value === null;
    const isParked = place !== null && token === this.jobs.get(jobId)!.leaseToken;
    this.recordsOf(jobId).set(name, {
      ...{ kind: wait.kind, value, timedOut, failures: 0 },
      isError: order !== undefined && wait.kind === "job" && this.#endedBadly(wait.awaitedJobId),
      // Of a signal the kind takes the column of the order.
      order: order === undefined && wait.kind !== "signal" ? null : { ...NO_PLACE, ...order, ...(isParked && place) },
    });
  }

  #endedBadly(jobId: string): boolean {
    const state = this.jobs.get(jobId)?.state;
    return state === "DEAD" || state === "CANCELLED";
  }

  /** An event that came after the wait's time does not count for it. */
  #payloadFor(job: ModelJob, wait: EventWait, dueAt: number | null): string | null {
    const inTime = this.#emissionsFor(job, wait).find(({ at }) => dueAt === null || dueAt > this.now || at <= dueAt);
    return inTime?.payload ?? null;
  }

  /** Those that count for a wait. */
  #emissionsFor({ createdAt }: ModelJob, { eventName, sinceStart }: EventWait): readonly Emission[] {
    const event = this.events.get(eventName);
    if (event === undefined) return [];
    if (sinceStart !== true) return [event.first];
    return [event.first, event.latest].filter((one) => one !== null && one.at >= createdAt) as Emission[];
  }

  /** The model's workers have no records, so nobody has a handler in memory. */
  #wake(job: ModelJob): void {
    Object.assign(job, { state: "PENDING", workerId: null, runAt: this.now });
    this.ready.add(job.jobId);
  }
}

type EventWait = Extract<NewWait, { kind: "event" }>;

/** It says which place it had. */
function withoutPlace(order: RecordOrder): RecordOrder {
  return order.seq === 0 ? order : { ...order, seq: 0, asked: order.seq };
}

const NO_PLACE: RecordOrder = {
  ...{ seq: 0, asked: 0, op: 0 },
  ...{ alone: false, prompt: false, beside: false, undo: false, endedAttempt: false },
};

function givesWay({ order, kind, isError, failures }: ModelRecord, job: ModelJob): boolean {
  if (order === null) return isError && failures !== job.failures;
  return order.endedAttempt || kind === "try";
}

/** A wait that is registered again belongs to the operation that registers it. */
function noteOperation(known: ModelWait, { order }: NewWait): void {
  if (order === undefined || known.order?.op === order.op) return;
  Object.assign(known, { order, place: null });
}

function hasPlace(order: NewWait["order"]): boolean {
  return order !== undefined && order.op !== 0;
}

function dueAtOf(wait: NewWait, now: number): number | null {
  if (wait.kind === "event" || wait.kind === "signal") return wait.timeoutMs === null ? null : now + wait.timeoutMs;
  if (wait.kind === "job") return null;
  return "sleepMs" in wait ? now + wait.sleepMs : wait.sleepUntil;
}

function entry<V>(map: Map<string, Map<string, V>>, key: string): Map<string, V> {
  let found = map.get(key);
  if (found === undefined) map.set(key, (found = new Map()));
  return found;
}
