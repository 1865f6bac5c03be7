import type { Engine } from "../engine/engine.ts";
import type { Logger } from "../logger.ts";
import type { Leader } from "./leader.ts";
import type { Loop } from "./loop.ts";
import { everyInterval } from "./loop.ts";

const INTERVAL_MS = 2_000;

/** Keeps the counts of jobs short, which each transaction of each daemon adds rows to. */
export function createCounterFolder(engine: Engine, leader: Leader, logger: Logger): Loop {
  return everyInterval("the folding of counters", INTERVAL_MS, logger, async () => {
    if (leader.isLeading) await engine.store.jobs.foldCounters();
  });
}
