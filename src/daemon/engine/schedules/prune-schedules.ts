import type { Engine } from "../engine.ts";
import type { JobRetention } from "../jobs/prune-jobs.ts";

/** Schedules deleted by one commit. */
const SLICE = 500;

/**
 * Forgets deleted schedules past the retention of their jobs, as soon as the last of these is gone. A slice a call: the
 * rest goes the next time.
 */
export async function pruneSchedules(
  engine: Engine,
  { finishedMs }: Pick<JobRetention, "finishedMs">,
): Promise<number> {
  if (finishedMs === 0) return 0;
  return engine.lane.run(({ tx }) => tx.schedules.prune(tx.now - finishedMs, SLICE));
}
