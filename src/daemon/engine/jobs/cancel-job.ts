import { jobNotFound } from "../../core/errors.ts";
import type { Job } from "../../core/job.ts";
import type { Engine } from "../engine.ts";
import { applyEvent, type LaneTransaction } from "../lane/lane-transaction.ts";
import { checkJobId } from "./read-jobs.ts";

export type CancelReason = "cancelled" | "start_deadline" | "finish_deadline";

/**
 * Cancels a job and all its descendants that are not terminal, in one commit. The record is final when this resolves;
 * running handlers are notified then. `cancelled` is false when the job had already ended. Throws not_found.
 */
export async function cancelJob(
  engine: Engine,
  jobId: string,
): Promise<{ readonly cancelled: boolean; readonly job: Job }> {
  checkJobId(jobId, "job_id");
  const cancelled = await engine.lane.run(async (lane) =>
    cancelTree(lane, await lane.tx.jobs.getMany([jobId]), "cancelled"),
  );
  const job = await engine.store.jobs.get(jobId);
  if (job === null) throw jobNotFound(jobId);
  return { cancelled: cancelled.includes(jobId), job };
}

/** Cancels the jobs that allow it, and their descendants. Returns the IDs of all that were cancelled. */
export async function cancelTree(
  lane: LaneTransaction,
  roots: readonly Job[],
  reason: CancelReason,
): Promise<readonly string[]> {
  const cancelled: string[] = [];
  let level = roots;
  let levelReason = reason;
  while (level.length > 0) {
    const done = await applyEvent(lane, level, { kind: "cancel", reason: levelReason });
    cancelled.push(...done);
    const children = done.length > 0 ? await lane.tx.jobs.listLiveChildren(done) : [];
    // Undo jobs stay: the cancellation itself created them.
    level = children.filter((child) => child.undoOf === null);
    // A child did not miss its own deadline: it is cancelled because its parent was.
    levelReason = "cancelled";
  }
  return cancelled;
}
