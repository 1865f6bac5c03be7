import type { Engine } from "./engine.ts";

/** Workers that may take jobs of a function, through this daemon or another one on the same database. */
export interface Serving {
  readonly workers: number;
  readonly slots: number;
  /** Handlers that run in them now, of whatever function. */
  readonly busy: number;
  /** At least one of them has a free slot. */
  readonly hasFreeSlot: boolean;
  /** Functions that workers serve, when none serves this one: sorted, each once. */
  readonly served: readonly string[];
}

interface Capacity {
  readonly functionNames: Iterable<string>;
  readonly slots: number;
  readonly busy: number;
}

/** Enough to see who is busy; a cluster that runs more at once has a free slot or has not by chance. */
const MOST_RUNNING = 1_000;

/**
 * Who serves a function. Workers of other daemons are known by their records and by the jobs that they hold: a moment
 * old.
 */
export async function findServing(engine: Engine, functionName: string): Promise<Serving> {
  const all = [...workersHere(engine), ...(await workersElsewhere(engine))];
  const serving = all.filter((worker) => [...worker.functionNames].includes(functionName));
  return {
    workers: serving.length,
    slots: sum(serving, (worker) => worker.slots),
    busy: sum(serving, (worker) => worker.busy),
    hasFreeSlot: serving.some((worker) => worker.busy < worker.slots),
    served: [...new Set(all.flatMap((worker) => [...worker.functionNames]))].sort(),
  };
}

function workersHere(engine: Engine): readonly Capacity[] {
  return [...engine.dispatcher.sessions]
    .filter((session) => !session.isDraining)
    .map((session) => ({
      functionNames: session.functionNames,
      slots: session.concurrency,
      busy: session.concurrency - session.freeSlots,
    }));
}

async function workersElsewhere(engine: Engine): Promise<readonly Capacity[]> {
  const records = await engine.store.listWorkers();
  const elsewhere = records.filter((record) => record.nodeId !== engine.settings.nodeId && record.concurrency > 0);
  if (elsewhere.length === 0) return [];
  const running = await engine.store.listJobs({ filter: { states: ["RUNNING"] }, limit: MOST_RUNNING, before: null });
  return elsewhere.map(({ workerId, functionNames, concurrency }) => ({
    functionNames,
    slots: concurrency,
    busy: running.jobs.filter((job) => job.workerId === workerId).length,
  }));
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
