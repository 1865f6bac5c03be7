import type { Engine } from "../engine.ts";
import { listKnownWorkers } from "./known-workers.ts";

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

/** Who serves a function, through whichever daemon. */
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
