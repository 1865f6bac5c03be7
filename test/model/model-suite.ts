import { describe, expect, test } from "bun:test";
import type {
  Checkpoint,
  CheckpointKind,
  FailureMarks,
  NewWait,
  RecordOrder,
} from "../../src/daemon/core/checkpoint.ts";
import { decide, type JobEvent } from "../../src/daemon/core/job-machine.ts";
import { resolveJobOptions } from "../../src/daemon/core/job-options.ts";
import type { Job } from "../../src/daemon/core/job.ts";
import type { NewJob } from "../../src/daemon/storage/seam/jobs.ts";
import type { Store, Transaction } from "../../src/daemon/storage/seam/store.ts";
import type { ParkedJob } from "../../src/daemon/storage/seam/workflows.ts";
import { type MakeStore, newJobId } from "../storage/store-world.ts";
import type { ManualClock } from "../support/manual-clock.ts";
import { type Random, randomFrom } from "../support/seeded-random.ts";
import type { ModelJob } from "./job-model.ts";
import { WorkflowModel } from "./workflow-model.ts";

const STEPS = 150;
const FUNCTIONS = ["model:a", "model:b", "model:c"];
const WORKERS = ["worker-1", "worker-2"];
const KEYS = ["red", "green"];
const NAMES = ["one", "two", "three"];
const EVENTS = ["dawn", "dusk", "noon", "rain", "snow", "wind"];
const SIGNALS = ["go", "stop"];

/** Runs the same random operations on the store and on the model, for `seeds` seeds; each seed has its own store. */
export function modelSuite(name: string, seeds: number, makeStore: MakeStore): void {
  describe(`P3 P4 P5 P11 P13: any sequence of operations leaves the store as the model says: ${name}`, () => {
    for (let seed = 1; seed <= seeds; seed++) {
      test(`seed ${seed}`, async () => {
        await using world = await makeStore();
        const run = new ModelRun(world.store, world.clock, randomFrom(seed));
        try {
          for (let step = 0; step < STEPS; step++) {
            await run.step();
            await run.compare();
          }
        } catch (fault) {
          console.error(`seed ${seed}, after: ${run.history.slice(-12).join(" · ")}`);
          throw fault;
        }
      }, 60_000);
    }
  });
}

class ModelRun {
  readonly history: string[] = [];
  readonly #store: Store;
  readonly #clock: ManualClock;
  readonly #random: Random;
  readonly #model: WorkflowModel;
  /** Every job as some worker got it, also long ago: reports come late. */
  readonly #leases: Job[] = [];
  readonly #ids: string[] = [];

  constructor(store: Store, clock: ManualClock, random: Random) {
    this.#store = store;
    this.#clock = clock;
    this.#random = random;
    this.#model = new WorkflowModel(clock.now());
  }

  async step(): Promise<void> {
    const steps: readonly (readonly [number, string, () => Promise<void>])[] = [
      [6, "enqueue", () => this.#enqueue()],
      [6, "claim", () => this.#claim()],
      [8, "report", () => this.#report()],
      [2, "time out", () => this.#timeOut()],
      [2, "lose", () => this.#lose()],
      [2, "cancel", () => this.#cancel()],
      [2, "retry", () => this.#retry()],
      [1, "delete", () => this.#delete()],
      [1, "prune", () => this.#prune()],
      [3, "promote", () => this.#promote()],
      [2, "expire", () => this.#expire()],
      [4, "wait", async () => this.#wait()],
      [1, "break", () => this.#break()],
      [4, "record", () => this.#record()],
      [6, "park", () => this.#park()],
      [2, "emit", () => this.#emit()],
      [1, "emit again", () => this.#emit([...this.#model.events.keys()])],
      [1, "delete event", () => this.#deleteEvent()],
      [1, "prune events", () => this.#pruneEvents()],
      [6, "send", () => this.#send()],
      [3, "end due", () => this.#endDue()],
    ];
    let place = this.#below(steps.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, name, act] of steps) {
      place -= weight;
      if (place >= 0) continue;
      this.history.push(name);
      await act();
      return;
    }
  }

  async compare(): Promise<void> {
    const jobs = await this.#store.jobs.getMany(this.#ids);
    const found = new Map(jobs.map((job) => [job.jobId, job]));
    const recorded = await this.#store.workflows.listFewCheckpoints(
      jobs.map(({ jobId }) => ({ jobId, sinceToken: null })),
    );
    expect(found.size).toBe(this.#model.jobs.size);
    for (const expected of this.#model.jobs.values()) {
      const job = found.get(expected.jobId);
      if (job === undefined) throw new Error(`the store has no job ${expected.jobId}`);
      const seen = await this.#seen(job);
      // The matcher is slow, and needed only to show the difference.
      if (!Bun.deepEquals(seen, expected)) expect(seen).toEqual(expected);
      await this.#compareWorkflow(job, recorded.get(job.jobId) ?? []);
    }
    await this.#compareSums();
  }

  async #compareWorkflow({ jobId, state }: Job, checkpoints: readonly Checkpoint[]): Promise<void> {
    const seen = checkpoints.map(({ name, kind, value, error, timedOut, order }) => {
      const json = value === null ? null : new TextDecoder().decode(value);
      return { name, kind, value: json, isError: error !== null, timedOut, order };
    });
    const expected = [...this.#model.recordsOf(jobId)].map(([name, { kind, value, isError, timedOut, order }]) => {
      return { name, kind, value, isError, timedOut, order };
    });
    expect(seen).toEqual(expected.sort((left, right) => (left.name < right.name ? -1 : 1)));
    if (this.#model.signals.some((one) => one.jobId === jobId)) {
      expect(await this.#store.workflows.countSignals(jobId)).toEqual(new Map(this.#model.countSignals(jobId)));
    }
    if (state !== "SUSPENDED") return;
    const waits = (await this.#store.workflows.listWaits(jobId)).map(({ name, dueAt }) => ({ name, dueAt }));
    const waking = [...this.#model.waitsOf(jobId)].filter(([, { wakes }]) => wakes);
    expect(waits).toEqual(
      waking.map(([name, { dueAt }]) => ({ name, dueAt })).sort((left, right) => (left.name < right.name ? -1 : 1)),
    );
  }

  async #compareSums(): Promise<void> {
    const counts = await this.#store.jobs.count();
    const total = counts.reduce((sum, { count }) => sum + count, 0);
    expect(total).toBe(this.#model.jobs.size);
    for (const { functionName, state, count } of counts) {
      const jobs = [...this.#model.jobs.values()];
      expect(jobs.filter((job) => job.functionName === functionName && job.state === state)).toHaveLength(count);
    }
    const due = await this.#store.transact(async (tx) => ({
      next: await tx.nextDueAt(),
      overdue: (await tx.jobs.listOverdue(1000)).map(({ job }) => job.jobId),
      leased: (await tx.jobs.listLeased(WORKERS[0]!)).map((job) => job.jobId),
    }));
    expect(due.next).toBe(this.#model.nextDueAt());
    expect(due.overdue.sort()).toEqual([...this.#model.overdue()].sort());
    const leased = [...this.#model.jobs.values()].filter(
      (job) => job.state === "RUNNING" && job.workerId === WORKERS[0],
    );
    expect(due.leased.sort()).toEqual(leased.map((job) => job.jobId).sort());
  }

  async #seen(job: Job): Promise<ModelJob> {
    const { args, result, error, headers: _, ...rest } = job;
    const attempts = await this.#store.jobs.listAttempts(job.jobId, 1_000);
    return {
      ...rest,
      args: new TextDecoder().decode(args),
      result: result === null ? null : new TextDecoder().decode(result),
      reason: error?.reason ?? null,
      attempts: attempts.map(({ attempt, outcome, startedAt, endedAt, workerId }) => {
        return { attempt, outcome, startedAt, endedAt, workerId };
      }),
    };
  }

  async #enqueue(): Promise<void> {
    // Around the number of rows that one statement inserts.
    const items = Array.from({ length: this.#pick([1, 1, 2, 3, 17]) }, () => this.#newJob());
    const outcomes = await this.#store.transact((tx) => tx.jobs.enqueue(items));
    expect(outcomes).toEqual(items.map((item) => this.#model.enqueue(item)));
  }

  #newJob(): NewJob {
    const known = this.#ids.length > 0 && this.#chance(0.1) ? this.#pick(this.#ids) : null;
    const jobId = known ?? newJobId(this.#clock.now() - this.#below(50));
    if (known === null) this.#ids.push(jobId);
    const { options } = resolveJobOptions(
      {
        backoff: "fixed",
        jitter: 0,
        maxAttempts: 1 + this.#below(3),
        initialDelayMs: this.#pick([0, 20, 300]),
        maxDelayMs: 200,
        priority: this.#pick([0, 0, 0, 5, -5]),
        ...(this.#chance(0.3) ? { delayMs: this.#below(100) } : {}),
        ...(this.#chance(0.2) ? { startWithinMs: 1 + this.#below(150) } : {}),
        ...(this.#chance(0.2) ? { finishWithinMs: 1 + this.#below(300) } : {}),
        ...(this.#chance(0.3) ? { idempotencyKey: this.#pick(KEYS) } : {}),
        onDuplicate: this.#pick(["return_existing", "reject", "replace_finished"] as const),
      },
      "options",
    );
    const args = new TextEncoder().encode(this.#pick(["[]", "[1]", `["${"x".repeat(2000)}"]`]));
    const parentId = this.#ids.length > 0 && this.#chance(0.2) ? this.#pick(this.#ids) : null;
    return { jobId, functionName: this.#pick(FUNCTIONS), args, options, parentId };
  }

  async #claim(): Promise<void> {
    const workerId = this.#pick(WORKERS);
    const functionNames = FUNCTIONS.filter(() => this.#chance(0.7));
    if (functionNames.length === 0) return;
    const limit = 1 + this.#below(4);
    const [claimed] = await this.#store.transact((tx) => tx.jobs.claim([{ workerId, functionNames, limit }]));
    expect(claimed!.jobs.map((job) => job.jobId)).toEqual([...this.#model.claim(functionNames, limit, workerId)]);
    this.#leases.push(...claimed!.jobs);
  }

  async #report(): Promise<void> {
    if (this.#leases.length === 0) return;
    const lease = this.#chance(0.6) ? this.#leases.at(-1)! : this.#pick(this.#leases);
    const how = this.#pick(["succeed", "succeed", "fail", "fail", "fatal", "release", "unstarted"] as const);
    const error = { name: "Error", message: how };
    const marks = this.#marks(lease.jobId);
    const events: Readonly<Record<typeof how, JobEvent>> = {
      succeed: { kind: "succeed", result: new TextEncoder().encode(`"${lease.attempt}"`) },
      fail: { kind: "fail", error, terminal: false, retryAfterMs: null, marks },
      fatal: { kind: "fail", error, terminal: true, retryAfterMs: null, marks },
      release: { kind: "release", started: true },
      unstarted: { kind: "release", started: false },
    };
    this.history.push(how);
    const isDone = this.#model.report(lease, how);
    if (isDone && (how === "fail" || how === "fatal")) this.#model.mark(lease.jobId, marks);
    expect(await this.#apply(lease, events[how])).toBe(isDone);
  }

  /** Some of the records, and one that is not there. */
  #marks(jobId: string): FailureMarks {
    const names = ["nothing", ...this.#model.recordsOf(jobId).keys()].filter(() => this.#chance(0.3));
    const refs = names.map((name) => ({ name, op: this.#below(3) }));
    const place = this.#below(refs.length + 1);
    return { endedBy: refs.slice(0, place), loosened: refs.slice(place) };
  }

  #order(seq: number): RecordOrder {
    const [asked, op] = [seq === 0 ? 0 : this.#below(9), this.#below(3)];
    const [alone, prompt, beside] = [this.#chance(0.5), this.#chance(0.5), this.#chance(0.5)];
    return { seq, asked, op, alone, prompt, beside, undo: this.#chance(0.3), endedAttempt: false };
  }

  async #timeOut(): Promise<void> {
    await this.#onJob({ kind: "timeout" }, (jobId) => this.#model.timeOut(jobId));
  }

  async #lose(): Promise<void> {
    await this.#onJob({ kind: "lose" }, (jobId) => this.#model.lose(jobId));
  }

  async #cancel(): Promise<void> {
    await this.#onJob({ kind: "cancel", reason: "cancelled" }, (jobId) => this.#model.cancel(jobId, "cancelled"));
  }

  async #retry(): Promise<void> {
    await this.#onJob({ kind: "retry" }, (jobId) => this.#model.retry(jobId));
  }

  async #onJob(event: JobEvent, foretell: (jobId: string) => boolean): Promise<void> {
    const live = [...this.#model.jobs.keys()];
    if (live.length === 0) return;
    const jobId = this.#pick(live);
    const job = await this.#store.jobs.get(jobId);
    expect(await this.#apply(job!, event)).toBe(foretell(jobId));
  }

  async #apply(job: Job, event: JobEvent): Promise<boolean> {
    const transition = decide(job, event, { maxLosses: 3 }, this.#random.next());
    if (transition === null) return false;
    return this.#store.transact(async (tx) => {
      const [applied] = await tx.jobs.applyTransitions([transition]);
      await this.#wake(tx, await tx.workflows.takeAwaiters());
      return applied!;
    });
  }

  async #wake(tx: Transaction, parked: readonly ParkedJob[]): Promise<void> {
    const transitions = parked.map(({ job }) => decide(job, { kind: "wake", graceMs: 0 }, { maxLosses: 3 }, 0)!);
    if (transitions.length > 0) await tx.jobs.applyTransitions(transitions);
  }

  async #record(): Promise<void> {
    const lease = this.#lease();
    if (lease === null) return;
    const name = this.#pick(NAMES);
    const kind = this.#pick<CheckpointKind>(["step", "step", "value", "sleep", "try"]);
    const order = kind === "try" || this.#chance(0.5) ? this.#order(this.#below(4)) : null;
    const value = kind === "sleep" || (kind === "step" && this.#chance(0.3)) ? null : `"${this.#below(100)}"`;
    const error = value === null && kind === "step" ? { name: "Error", message: "no" } : null;
    const { jobId, leaseToken } = lease;
    const failures = this.#model.jobs.get(jobId)?.failures ?? 0;
    const item = { jobId, leaseToken, name, kind, error, failures, place: 0, order, awaitedJobId: null };
    const bytes = value === null ? null : new TextEncoder().encode(value);
    const [outcome] = await this.#store.transact((tx) => tx.workflows.record([{ ...item, value: bytes }]));
    expect(outcome).toEqual(this.#model.record(lease, name, { kind, value, isError: error !== null, order }));
  }

  async #park(): Promise<void> {
    const lease = this.#lease();
    if (lease === null) return;
    const names = NAMES.map((name) => `wait ${name}`).filter(() => this.#chance(0.5));
    if (names.length === 0) return;
    const waits = names.map((name) => this.#newWait(name));
    const known = await this.#store.transact((tx) => tx.workflows.findKinds([{ jobId: lease.jobId, names }]));
    const order = this.#chance(0.7)
      ? { seq: 1 + this.#below(9), asked: this.#below(9), alone: this.#chance(0.5) }
      : null;
    const isSound = waits.every(({ name, kind }) => (known[0]!.get(name) ?? kind) === kind);
    if (!isSound) return;
    const applied = await this.#store.transact(async (tx) => {
      const transition = decide(lease, { kind: "park", ranMs: 5 }, { maxLosses: 3 }, 0)!;
      const [done] = await tx.jobs.applyTransitions([transition]);
      if (done !== true) return false;
      const { jobId, leaseToken } = lease;
      const { over } = await tx.workflows.park([{ jobId, leaseToken, waits, waitingNames: names, place: 0, order }]);
      await this.#wake(tx, over);
      return true;
    });
    expect(applied).toBe(this.#model.park(lease, waits, order));
  }

  #newWait(name: string): NewWait {
    const kind = this.#below(5);
    const order = this.#chance(0.7)
      ? { op: this.#below(3), prompt: this.#chance(0.5), beside: this.#chance(0.5) }
      : undefined;
    if (kind === 0) return { name, order, kind: "sleep", sleepMs: this.#below(150) };
    const awaitedJobId = this.#ids.length > 0 ? this.#pick(this.#ids) : newJobId(0);
    if (kind === 1) return { name, order, kind: "job", awaitedJobId };
    const timeoutMs = this.#chance(0.5) ? this.#below(200) : null;
    if (kind > 2) return { name, order, kind: "signal", signalName: this.#pick(SIGNALS), timeoutMs };
    const sinceStart = this.#chance(0.5);
    return { name, order, kind: "event", eventName: this.#pick(EVENTS), timeoutMs, sinceStart };
  }

  async #emit(names: readonly string[] = EVENTS): Promise<void> {
    if (names.length === 0) return;
    const name = this.#pick(names);
    const payload = `"${this.#below(100)}"`;
    const created = await this.#store.transact(async (tx) => {
      const [outcome] = await tx.events.emit([{ name, payload: new TextEncoder().encode(payload) }], 1_000);
      await this.#wake(tx, outcome!.woken);
      return outcome!.created;
    });
    expect(created).toBe(this.#model.emit(name, payload));
  }

  async #deleteEvent(): Promise<void> {
    const name = this.#pick(EVENTS);
    const outcome = await this.#store.transact(async (tx) => {
      await tx.events.lock([name]);
      return tx.events.delete(name);
    });
    expect(outcome).toBe(this.#model.deleteEvent(name) ? "deleted" : "unknown");
  }

  async #pruneEvents(): Promise<void> {
    const before = this.#clock.now() - this.#below(300);
    expect(await this.#store.transact((tx) => tx.events.prune(before, 1_000))).toBe(this.#model.pruneEvents(before));
  }

  /** Now and then one that was sent before, perhaps to another job. */
  async #send(): Promise<void> {
    if (this.#ids.length === 0) return;
    const live = [...this.#model.jobs.values()].filter(({ state }) => state === "RUNNING" || state === "SUSPENDED");
    const jobId = live.length > 0 && this.#chance(0.8) ? this.#pick(live).jobId : this.#pick(this.#ids);
    const fresh = { signalId: newJobId(this.#clock.now()), jobId };
    const sent = this.#model.signals;
    const repeated = sent.length > 0 && this.#chance(0.1) ? { ...fresh, ...this.#pick(sent) } : fresh;
    const id = this.#chance(0.9) ? repeated : { ...repeated, jobId };
    const signal = {
      signalId: id.signalId,
      jobId: id.jobId,
      name: this.#pick(SIGNALS),
      payload: `"${this.#below(100)}"`,
    };
    const outcome = await this.#store.transact(async (tx) => {
      const payload = new TextEncoder().encode(signal.payload);
      const { outcomes, woken } = await tx.workflows.sendSignals([{ ...signal, payload }]);
      await this.#wake(tx, woken);
      return outcomes[0];
    });
    expect(outcome).toEqual(this.#model.send(signal));
  }

  async #endDue(): Promise<void> {
    await this.#store.transact(async (tx) => this.#wake(tx, (await tx.workflows.endDueWaits(1_000)).woken));
    this.#model.endDue();
  }

  /** Mostly the last one. */
  #lease(): Job | null {
    if (this.#leases.length === 0) return null;
    return this.#chance(0.6) ? this.#leases.at(-1)! : this.#pick(this.#leases);
  }

  async #delete(): Promise<void> {
    if (this.#ids.length === 0) return;
    const ids = [this.#pick(this.#ids), this.#pick(this.#ids)];
    const deleted = await this.#store.transact((tx) => tx.jobs.delete(ids));
    expect(deleted).toEqual(ids.filter((jobId) => this.#model.delete(jobId)));
  }

  async #prune(): Promise<void> {
    const state = this.#pick(["SUCCESS", "DEAD", "CANCELLED"] as const);
    const finishedBefore = this.#clock.now() - this.#below(300);
    let deleted = 0;
    for (let done = false; !done;) {
      const slice = await this.#store.transact((tx) => tx.jobs.prune({ state, finishedBefore, limit: 3 }));
      deleted += slice.deleted;
      done = slice.done;
    }
    expect(deleted).toBe(this.#model.prune(state, finishedBefore));
  }

  async #promote(): Promise<void> {
    const { promoted } = await this.#store.transact((tx) => tx.jobs.promoteDue(1000));
    expect(promoted).toBe(this.#model.promote());
  }

  async #expire(): Promise<void> {
    const overdue = await this.#store.transact((tx) => tx.jobs.listOverdue(2));
    for (const { job, reason } of overdue) {
      // The end of the one before may have woken it.
      const now = await this.#store.jobs.get(job.jobId);
      expect(await this.#apply(now!, { kind: "cancel", reason })).toBe(this.#model.cancel(job.jobId, reason));
    }
  }

  #wait(): void {
    this.#clock.advance(this.#pick([1, 10, 60]));
    this.#model.now = this.#clock.now();
  }

  /** Work that fails half way: the model does not move. */
  async #break(): Promise<void> {
    const items = [this.#newJob(), this.#newJob()];
    const lease = this.#leases.at(-1);
    const broken = this.#store.transact(async (tx) => {
      await tx.jobs.enqueue(items);
      await tx.jobs.claim([{ workerId: WORKERS[0]!, functionNames: FUNCTIONS, limit: 3 }]);
      await tx.jobs.promoteDue(10);
      if (lease !== undefined) {
        await tx.jobs.applyTransitions([decide(lease, { kind: "lose" }, { maxLosses: 3 }, 0)!]);
        await tx.jobs.delete([lease.jobId]);
      }
      throw new Error("broken off");
    });
    expect(await broken.catch((fault: Error) => fault.message)).toBe("broken off");
  }

  #below(end: number): number {
    return this.#random.between(0, end - 1);
  }

  #pick<T>(values: readonly T[]): T {
    return values[this.#below(values.length)]!;
  }

  #chance(probability: number): boolean {
    return this.#random.next() < probability;
  }
}
