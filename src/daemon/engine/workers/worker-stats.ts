import type { JobState } from "../../core/job.ts";
import type { WorkerRecord } from "../../storage/seam/workers.ts";
import type { Engine } from "../engine.ts";

export interface FunctionStats {
  readonly functionName: string;
  readonly counts: readonly { readonly state: JobState; readonly count: number }[];
  /** Connected workers that serve it, through any daemon, and their free slots. */
  readonly workers: number;
  readonly freeSlots: number;
}

export interface Stats {
  readonly functions: readonly FunctionStats[];
  /** This figure and those below count this daemon alone. */
  readonly workers: number;
  readonly sessions: number;
  readonly running: number;
  readonly maxConcurrent: number;
  readonly storageBytes: number;
  readonly rssBytes: number;
}

export interface WorkerStats extends WorkerRecord {
  /** Slots in use; for a worker of another daemon, its leases. */
  readonly running: number;
  /** Whether it is connected, to this daemon or another one. */
  readonly connected: boolean;
  readonly draining: boolean;
}

export async function describeStats(engine: Engine): Promise<Stats> {
  const sessions = [...engine.dispatcher.sessions];
  return {
    functions: await describeFunctions(engine),
    workers: sessions.filter((session) => session.functionNames.size > 0).length,
    sessions: sessions.length,
    running: engine.dispatcher.runningCount(),
    maxConcurrent: engine.settings.maxConcurrent,
    storageBytes: await engine.store.sizeBytes(),
    rssBytes: process.memoryUsage.rss(),
  };
}

/** Functions that have jobs or workers, sorted by name. */
export async function describeFunctions(engine: Engine): Promise<readonly FunctionStats[]> {
  const counts = Map.groupBy(await engine.store.jobs.count(), (one) => one.functionName);
  const serving = byFunction(await listKnownWorkers(engine));
  return [...new Set([...counts.keys(), ...serving.keys()])].sort().map((functionName) => {
    const workers = serving.get(functionName) ?? [];
    return {
      functionName,
      counts: (counts.get(functionName) ?? []).map(({ state, count }) => ({ state, count })),
      workers: workers.length,
      freeSlots: workers.reduce((sum, worker) => sum + worker.slots - worker.busy, 0),
    };
  });
}

function byFunction(workers: readonly KnownWorker[]): ReadonlyMap<string, readonly KnownWorker[]> {
  const serving = new Map<string, KnownWorker[]>();
  for (const worker of workers) {
    for (const name of worker.functionNames) {
      const known = serving.get(name);
      if (known === undefined) serving.set(name, [worker]);
      else known.push(worker);
    }
  }
  return serving;
}

export async function describeWorkers(engine: Engine): Promise<readonly WorkerStats[]> {
  const records = await engine.store.workers.list();
  const leases = new Map((await engine.store.workers.countLeases()).map(({ workerId, count }) => [workerId, count]));
  return records.map((record) => {
    const session = engine.dispatcher.findSession(record.workerId);
    const elsewhere = isConnectedElsewhere(engine, record) ? (leases.get(record.workerId) ?? 0) : null;
    return {
      ...record,
      running: session?.startedCount ?? elsewhere ?? 0,
      connected: session !== null || elsewhere !== null,
      draining: session?.isDraining ?? false,
    };
  });
}

/** Workers that may run a function's jobs, through this daemon or another one on the same database. */
export interface Serving {
  readonly workers: number;
  readonly slots: number;
  /** Slots in use, by handlers of any function. */
  readonly busy: number;
  /** Whether at least one of them has a free slot. */
  readonly hasFreeSlot: boolean;
  /** All functions that workers serve, sorted. */
  readonly served: readonly string[];
}

/** Finds the workers that serve a function, through any daemon. */
export async function findServing(engine: Engine, functionName: string): Promise<Serving> {
  const all = await listKnownWorkers(engine);
  const serving = all.filter((worker) => worker.functionNames.has(functionName));
  return {
    workers: serving.length,
    slots: sum(serving, (worker) => worker.slots),
    busy: sum(serving, (worker) => worker.busy),
    hasFreeSlot: serving.some((worker) => worker.busy < worker.slots),
    served: [...new Set(all.flatMap((worker) => [...worker.functionNames]))].sort(),
  };
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

/** A worker that may take jobs, through this daemon or another one on the same database. */
interface KnownWorker {
  readonly functionNames: ReadonlySet<string>;
  readonly slots: number;
  /** Slots in use. */
  readonly busy: number;
}

/**
 * The workers of this daemon, and those of other daemons as their records and leases show them, which may be a moment
 * old.
 */
async function listKnownWorkers(engine: Engine): Promise<readonly KnownWorker[]> {
  return [...workersHere(engine), ...(await workersElsewhere(engine))];
}

/** Whether another daemon holds its session and renews its lease. */
export function isConnectedElsewhere({ store, settings }: Engine, record: WorkerRecord): boolean {
  return store.isShared && record.nodeId !== settings.nodeId && record.leaseExpiresAt > store.now();
}

function workersHere(engine: Engine): readonly KnownWorker[] {
  return [...engine.dispatcher.sessions]
    .filter((session) => !session.isDraining)
    .map((session) => ({
      functionNames: session.functionNames,
      slots: session.concurrency,
      busy: session.concurrency - session.freeSlots,
    }));
}

async function workersElsewhere(engine: Engine): Promise<readonly KnownWorker[]> {
  if (!engine.store.isShared) return [];
  const records = (await engine.store.workers.list()).filter((record) => isConnectedElsewhere(engine, record));
  if (records.length === 0) return [];
  const leases = new Map((await engine.store.workers.countLeases()).map(({ workerId, count }) => [workerId, count]));
  return records.map(({ workerId, functionNames, concurrency }) => ({
    functionNames: new Set(functionNames),
    slots: concurrency,
    // Prefetched jobs are leased beyond its slots.
    busy: Math.min(concurrency, leases.get(workerId) ?? 0),
  }));
}
