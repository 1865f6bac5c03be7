import type { WorkerRecord } from "../../storage/seam/workers.ts";
import type { Engine } from "../engine.ts";

/** A worker that may take jobs, of this daemon or of another one on the same database. */
export interface KnownWorker {
  readonly functionNames: ReadonlySet<string>;
  readonly slots: number;
  /** Slots in use. */
  readonly busy: number;
}

/**
 * The workers of this daemon as they are, and those of other daemons by their records and the leases that they hold: a
 * moment old.
 */
export async function listKnownWorkers(engine: Engine): Promise<readonly KnownWorker[]> {
  return [...workersHere(engine), ...(await workersElsewhere(engine))];
}

/** Another daemon holds its session and renews its lease. */
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
    // It may hold more than it has slots for.
    busy: Math.min(concurrency, leases.get(workerId) ?? 0),
  }));
}
