import type { Engine } from "../engine.ts";
import type { JobRetention } from "../jobs/prune-jobs.ts";

/** Schedules deleted by one commit. */
const SLICE = 500;

/**
 * Removes deleted schedules past the retention of their jobs once the last of these is gone. One slice per call; the
 * rest follows the next time.
 */
export async function pruneSchedules(
  engine: Engine,
  { finishedMs }: Pick<JobRetention, "finishedMs">,
): Promise<number> {
  if (finishedMs === 0) return 0;
  return engine.lane.run(({ tx }) => tx.schedules.prune(tx.now - finishedMs, SLICE));
}
