import type { Checkpoint } from "../../src/daemon/core/checkpoint.ts";
import type { Clock } from "../../src/daemon/core/clock.ts";
import type { Job, Lease } from "../../src/daemon/core/job.ts";
import { createEngine } from "../../src/daemon/engine/create-engine.ts";
import type { SettleResult } from "../../src/daemon/engine/dispatch/settle-result.ts";
import type { Delivery } from "../../src/daemon/engine/dispatch/worker-port.ts";
import type { RevocationReason } from "../../src/daemon/engine/dispatch/worker-port.ts";
import type { WorkerSession } from "../../src/daemon/engine/dispatch/worker-session.ts";
import type { EngineSettings } from "../../src/daemon/engine/engine.ts";
import type { Engine } from "../../src/daemon/engine/engine.ts";
import type { EnqueueItem } from "../../src/daemon/engine/jobs/enqueue-jobs.ts";
import { enqueueJobs } from "../../src/daemon/engine/jobs/enqueue-jobs.ts";
import type { AttemptReport } from "../../src/daemon/engine/jobs/settle-attempts.ts";
import { settleAttempts } from "../../src/daemon/engine/jobs/settle-attempts.ts";
import { connectWorker } from "../../src/daemon/engine/workers/connect-worker.ts";
import { openStore } from "../../src/daemon/storage/open-store.ts";
import type { Store } from "../../src/daemon/storage/seam/store.ts";
import { ManualClock } from "./manual-clock.ts";
import { testDatabase } from "./postgres-database.ts";
import type { TestDatabase } from "./postgres-database.ts";
import { postgresWorld } from "./postgres-world.ts";

/**
 * An engine on a real store, with a clock moved by hand and workers that record what they get: on SQLite in memory, or,
 * when RESEOLIO_TEST_ENGINE says so, on PostgreSQL. `bun run check` runs the tests that stand on it once on each.
 */
export interface EngineWorld extends AsyncDisposable {
  readonly engine: Engine;
  readonly clock: ManualClock;
  /** Stores one job of a function and answers its id. */
  enqueue(functionName: string, item?: Partial<EnqueueItem>): Promise<string>;
  read(jobId: string): Promise<Job>;
  connect(workerId: string, options?: Partial<WorkerOptions>): Promise<TestWorker>;
  /** Lets everything that was submitted reach its commit. */
  settled(): Promise<void>;
}

export interface WorkerOptions {
  readonly functionNames: readonly string[];
  readonly concurrency: number;
  readonly ordered: boolean;
  readonly heldLeases: readonly (Lease & { readonly started: boolean; readonly timeLeftMs?: number })[];
}

export interface TestWorker {
  readonly session: WorkerSession;
  readonly lost: readonly Lease[];
  readonly assigned: Job[];
  /** The same with how they came. */
  readonly delivered: Delivery[];
  /** Checkpoints that were sent before assignments. */
  readonly replayed: (Lease & { readonly checkpoint: Checkpoint; readonly ofUndone: boolean })[];
  readonly revoked: (Lease & { readonly reason: RevocationReason })[];
  readonly recalled: Lease[];
  readonly ended: boolean;
  report(lease: Lease, event: AttemptReport["event"]): Promise<SettleResult>;
  /** Waits until it was assigned this many jobs in all. */
  assignedCount(count: number): Promise<void>;
}

export const SUCCEED: AttemptReport["event"] = { kind: "succeed", result: new TextEncoder().encode('"done"') };

export function fail(message: string, terminal = false): AttemptReport["event"] {
  return { kind: "fail", error: { name: "Error", message }, terminal, retryAfterMs: null };
}

/** @param watched the clock of store and engine, made from the one that is moved by hand */
export async function createEngineWorld(
  settings: Partial<EngineSettings> = {},
  watched: (hands: ManualClock) => Clock = (hands) => hands,
): Promise<EngineWorld> {
  const { store, clock, shown, close } = await openEngineStore(watched);
  const engine = createEngine({
    store,
    clock: shown,
    random: () => 0.5,
    newJobId: () => Bun.randomUUIDv7(),
    settings: { nodeId: "node", leaseMs: 15_000, maxConcurrent: 0, maxLosses: 10, ...settings },
    onDeadline: () => {},
    onFatal: (error) => {
      throw error;
    },
  });
  return {
    engine,
    clock,
    enqueue: (functionName, item) => enqueueOne(engine, functionName, item ?? {}),
    read: async (jobId) => (await store.jobs.get(jobId)) as Job,
    connect: (workerId, options) => connectTestWorker(engine, workerId, options),
    settled: () => engine.lane.run(() => Promise.resolve()),
    [Symbol.asyncDispose]: async () => {
      await engine.lane.close();
      await close();
    },
  };
}

interface EngineStore {
  readonly store: Store;
  /** Moved by hand. */
  readonly clock: ManualClock;
  /** Of store and engine. */
  readonly shown: Clock;
  close(): Promise<void>;
}

let database: Promise<TestDatabase> | null = null;

async function openEngineStore(watched: (hands: ManualClock) => Clock): Promise<EngineStore> {
  if (process.env["RESEOLIO_TEST_ENGINE"] !== "postgres") {
    const clock = new ManualClock();
    const shown = watched(clock);
    const { store } = await openStore(":memory:", { clock: shown });
    return { store, clock, shown, close: () => store.close() };
  }
  const world = await postgresWorld(await (database ??= testDatabase()));
  const { clock } = world;
  // What it knows of the server's time moves in real time; the test's clock does not.
  const store = new Proxy(world.store, {
    get: (target, name: keyof Store) => (name === "now" ? () => clock.now() : target[name]),
  });
  return { store, clock, shown: watched(clock), close: async () => await world[Symbol.asyncDispose]() };
}

async function enqueueOne(engine: Engine, functionName: string, item: Partial<EnqueueItem>): Promise<string> {
  const args = new TextEncoder().encode("[1]");
  const [result] = await enqueueJobs(engine, [
    { jobId: null, functionName, args, options: {}, parentId: null, ...item },
  ]);
  if (result?.ok !== true) throw result?.error ?? new Error("no result");
  return result.jobId;
}

export async function connectTestWorker(
  engine: Engine,
  workerId: string,
  options: Partial<WorkerOptions> = {},
): Promise<TestWorker> {
  const assigned: Job[] = [];
  const delivered: Delivery[] = [];
  const replayed: TestWorker["replayed"] = [];
  const revoked: TestWorker["revoked"] = [];
  const recalled: Lease[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  let ended = false;
  const { session, lostLeases } = await connectWorker(
    engine,
    {
      workerId,
      host: "host",
      hostId: "host/boot/ns",
      pid: 1,
      processStart: "",
      client: "test",
      functionNames: options.functionNames ?? ["test:fn"],
      concurrency: options.concurrency ?? 10,
      ordered: options.ordered ?? true,
      heldLeases: options.heldLeases ?? [],
    },
    {
      assign: (deliveries) => {
        assigned.push(...deliveries.map(({ job }) => job));
        delivered.push(...deliveries);
        for (const one of waiting) if (assigned.length >= one.count) one.resolve();
      },
      replay: async ({ jobId, leaseToken }, checkpoints, ofUndone = false) => {
        replayed.push(...checkpoints.map((checkpoint) => ({ jobId, leaseToken, checkpoint, ofUndone })));
      },
      revoke: ({ jobId, leaseToken }, reason) => revoked.push({ jobId, leaseToken, reason }),
      recall: (leases) => recalled.push(...leases),
      end: () => {
        ended = true;
      },
    },
  );
  return {
    session,
    lost: lostLeases,
    assigned,
    delivered,
    replayed,
    revoked,
    recalled,
    get ended() {
      return ended;
    },
    report: (lease, event) =>
      new Promise((resolve) => {
        const { jobId, leaseToken } = lease;
        settleAttempts(engine, session, [{ jobId, leaseToken, event, runMs: 1 }], ([result]) =>
          resolve(result as SettleResult),
        );
      }),
    assignedCount: (count) =>
      assigned.length >= count ? Promise.resolve() : new Promise((resolve) => waiting.push({ count, resolve })),
  };
}
