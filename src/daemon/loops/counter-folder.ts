import type { Engine } from "../engine/engine.ts";
import type { Logger } from "../logger.ts";
import type { Leader } from "./leader.ts";
import { everyInterval, type Loop } from "./loop.ts";

const INTERVAL_MS = 2_000;

/** Folds the counters of jobs, to which every transaction of every daemon adds rows. */
export function createCounterFolder(engine: Engine, leader: Leader, logger: Logger): Loop {
  return everyInterval("counter folding", INTERVAL_MS, logger, async () => {
    if (leader.isLeading) await engine.store.jobs.foldCounters();
  });
}
