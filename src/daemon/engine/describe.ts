import type { JobState } from "../core/job.ts";
import type { JobCount, WorkerRecord } from "../storage/job-store.ts";
import type { Engine } from "./engine.ts";

export interface FunctionStats {
  readonly functionName: string;
  readonly counts: readonly { readonly state: JobState; readonly count: number }[];
  /** Workers connected to this daemon that serve it, and their free slots. */
  readonly workers: number;
  readonly freeSlots: number;
}

export interface Stats {
  readonly functions: readonly FunctionStats[];
  readonly workers: number;
  readonly sessions: number;
  readonly running: number;
  readonly maxConcurrent: number;
  readonly storageBytes: number;
  readonly rssBytes: number;
}

export interface WorkerStats extends WorkerRecord {
  /** Jobs leased to it through this daemon. */
  readonly running: number;
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
  const counts = await engine.store.countJobs();
  const sessions = [...engine.dispatcher.sessions];
  const names = new Set([
    ...counts.map((one) => one.functionName),
    ...sessions.flatMap((session) => [...session.functionNames]),
  ]);
  return [...names].sort().map((functionName) => {
    const serving = sessions.filter((session) => session.functionNames.has(functionName));
    return {
      functionName,
      counts: countsOf(counts, functionName),
      workers: serving.length,
      freeSlots: serving.reduce((sum, session) => sum + session.freeSlots, 0),
    };
  });
}

export async function describeWorkers(engine: Engine): Promise<readonly WorkerStats[]> {
  const records = await engine.store.listWorkers();
  return records.map((record) => {
    const session = engine.dispatcher.findSession(record.workerId);
    return {
      ...record,
      running: session?.startedCount ?? 0,
      connected: session !== null,
      draining: session?.isDraining ?? false,
    };
  });
}

function countsOf(counts: readonly JobCount[], functionName: string): FunctionStats["counts"] {
  return counts.filter((one) => one.functionName === functionName).map(({ state, count }) => ({ state, count }));
}
