import { cancelTree } from "./cancel-job.ts";
import type { Engine } from "./engine.ts";

/** Jobs moved by one commit: bounds the time that the commit takes. */
const SLICE = 500;

/**
 * Makes delayed jobs claimable whose time has come, and cancels those past their start or finish deadline, one slice
 * a commit, until nothing is due. Returns when the next one is due, on the store's clock; null when none waits.
 */
export async function moveDueJobs(engine: Engine): Promise<number | null> {
  for (;;) {
    const slice = await engine.lane.run(async (lane) => {
      const promotion = await lane.tx.promoteDueJobs(SLICE);
      for (const name of promotion.functionNames) engine.dispatcher.markReady(name);
      const overdue = await lane.tx.listOverdueJobs(SLICE);
      for (const { job, reason } of overdue) await cancelTree(engine.settings, lane, [job], reason);
      const isFull = promotion.promoted === SLICE || overdue.length === SLICE;
      return { isFull, nextDueAt: isFull ? null : await lane.tx.nextDueAt() };
    });
    if (!slice.isFull) return slice.nextDueAt;
  }
}
