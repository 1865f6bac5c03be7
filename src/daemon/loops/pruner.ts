import type { Engine } from "../engine/engine.ts";
import { type JobRetention, pruneJobs } from "../engine/jobs/prune-jobs.ts";
import { pruneSchedules } from "../engine/schedules/prune-schedules.ts";
import { pruneEvents } from "../engine/workflows/prune-events.ts";
import type { Logger } from "../logger.ts";
import type { Leader } from "./leader.ts";
import { type Loop, SelfPacedLoop } from "./loop.ts";

export interface Retention extends JobRetention {
  /** For events; 0 = forever. */
  readonly eventMs: number;
}

/** Interval at which a daemon that does not lead checks whether it does now. */
const WAIT_MS = 1_000;

/**
 * Deletes jobs, events and schedules past their retention while this daemon leads, at an interval that suits the
 * shortest.
 */
export function createPruner(engine: Engine, retention: Retention, leader: Leader, logger: Logger): Loop {
  const lengths = [retention.finishedMs, retention.deadMs, retention.eventMs];
  const shortest = Math.min(...lengths.map((length) => length || Infinity));
  const intervalMs = Math.min(60_000, Math.max(1_000, shortest / 10));
  let isStopping = false;
  const loop = new SelfPacedLoop("pruner", logger, async () => {
    if (!leader.isLeading) return WAIT_MS;
    const deleted = await pruneJobs(engine, retention, () => isStopping || !leader.isLeading);
    if (deleted > 0) logger.info("pruned finished jobs", { deleted });
    const events = await pruneEvents(engine, retention.eventMs, () => isStopping || !leader.isLeading);
    if (events > 0) logger.info("pruned events", { deleted: events });
    const schedules = await pruneSchedules(engine, retention);
    if (schedules > 0) logger.info("pruned deleted schedules", { deleted: schedules });
    return intervalMs;
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
