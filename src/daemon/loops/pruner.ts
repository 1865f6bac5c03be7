import type { Engine } from "../engine/engine.ts";
import type { Retention } from "../engine/prune-jobs.ts";
import { pruneJobs } from "../engine/prune-jobs.ts";
import type { Logger } from "../logger.ts";
import type { Loop } from "./loop.ts";
import { everyInterval } from "./loop.ts";

/** Deletes jobs past their retention, looking for them often enough for the shortest one. */
export function createPruner(engine: Engine, retention: Retention, logger: Logger): Loop {
  const shortest = Math.min(retention.finishedMs || Infinity, retention.deadMs || Infinity);
  const intervalMs = Math.min(60_000, Math.max(1_000, shortest / 10));
  let isStopping = false;
  const loop = everyInterval("the pruner", intervalMs, logger, async () => {
    const deleted = await pruneJobs(engine, retention, () => isStopping);
    if (deleted > 0) logger.info("pruned finished jobs", { deleted });
  });
  return {
    start: () => loop.start(),
    tickNow: () => loop.tickNow(),
    stop: () => {
      isStopping = true;
      return loop.stop();
    },
  };
}
