import type { JobState } from "../core/job.ts";
import type { WorkerRecord } from "../storage/seam/workers.ts";
import type { Engine } from "./engine.ts";
import { isConnectedElsewhere, type KnownWorker, listKnownWorkers } from "./workers/known-workers.ts";

export interface FunctionStats {
  readonly functionName: string;
  readonly counts: readonly { readonly state: JobState; readonly count: number }[];
  /** Connected workers that serve it, through whichever daemon, and their free slots. */
  readonly workers: number;
  readonly freeSlots: number;
}

export interface Stats {
  readonly functions: readonly FunctionStats[];
  /** These are of this daemon alone. */
  readonly workers: number;
  readonly sessions: number;
  readonly running: number;
  readonly maxConcurrent: number;
  readonly storageBytes: number;
  readonly rssBytes: number;
}

export interface WorkerStats extends WorkerRecord {
  /** Slots in use; through another daemon, the leases that it holds. */
  readonly running: number;
  /** To this daemon or another one. */
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

/** Functions that have jobs or workers, by name. */
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
