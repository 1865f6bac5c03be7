import { jobNotFound } from "../../core/errors.ts";
import type { Job } from "../../core/job.ts";
import { applyEvent } from "../lane/apply-event.ts";
import type { LaneTransaction } from "../lane/lane-transaction.ts";
import type { Engine } from "../engine.ts";
import { checkJobId } from "./read-jobs.ts";

export type CancelReason = "cancelled" | "start_deadline" | "finish_deadline";

/**
 * Cancels a job and all its descendants that are not terminal, in one commit: the record is final when this resolves,
 * running handlers are told then. `cancelled` is false when the job was terminal already. Throws not_found.
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

/** Cancels those of the jobs that can be, and their descendants. Returns the ids of all that were cancelled. */
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
    // That their steps are undone is what the cancellation brought about.
    level = children.filter((child) => child.undoOf === null);
    // A child did not miss its own deadline: it goes because its parent went.
    levelReason = "cancelled";
  }
  return cancelled;
}
