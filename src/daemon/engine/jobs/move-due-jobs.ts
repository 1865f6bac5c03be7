import type { Engine } from "../engine.ts";
import type { LaneTransaction } from "../lane/lane-transaction.ts";
import { wakeJobs } from "../workflows/wake-jobs.ts";
import { cancelTree } from "./cancel-job.ts";

/** Jobs that one commit moves: bounds the duration of the commit. */
const SLICE = 500;

/**
 * Makes due jobs claimable, ends sleeps and waits, and cancels jobs past their start or finish deadline, one slice per
 * commit, until nothing is due. Returns the next due time on the store's clock; null when nothing is pending.
 */
export async function moveDueJobs(engine: Engine): Promise<number | null> {
  for (;;) {
    const slice = await engine.lane.run(async (lane) => {
      const promotion = await lane.tx.jobs.promoteDue(SLICE);
      for (const name of promotion.functionNames) engine.dispatcher.markReady(name);
      const overdue = await lane.tx.jobs.listOverdue(SLICE);
      for (const { job, reason } of overdue) await cancelTree(lane, [job], reason);
      const areWaitsFull = await endWaits(lane);
      const isFull = promotion.promoted === SLICE || overdue.length === SLICE || areWaitsFull;
      return { isFull, nextDueAt: isFull ? null : await lane.tx.nextDueAt() };
    });
    if (!slice.isFull) return slice.nextDueAt;
  }
}

/** Ends waits that are due, and continues with events that many jobs wait for. True when there may be more. */
async function endWaits(lane: LaneTransaction): Promise<boolean> {
  const due = await lane.tx.workflows.endDueWaits(SLICE);
  const spread = await lane.tx.events.spread(SLICE);
  await wakeJobs(lane, [...due.woken, ...spread.woken]);
  return due.ended === SLICE || spread.ended === SLICE;
}
