import { jobNotFound } from "../../core/errors.ts";
import type { MachineSettings } from "../../core/job-machine.ts";
import { decide } from "../../core/job-machine.ts";
import type { Job } from "../../core/job.ts";
import type { JobToStore } from "../../storage/job-store.ts";
import type { LaneTransaction } from "../lane/lane-batch.ts";
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
    cancelTree(engine.settings, lane, await lane.tx.getJobs([jobId]), "cancelled"),
  );
  const job = await engine.store.getJob(jobId);
  if (job === null) throw jobNotFound(jobId);
  return { cancelled: cancelled.includes(jobId), job };
}

/** Cancels those of the jobs that can be, and their descendants. Returns the ids of all that were cancelled. */
export async function cancelTree(
  settings: MachineSettings,
  lane: LaneTransaction,
  roots: readonly Job[],
  reason: CancelReason,
): Promise<readonly string[]> {
  const cancelled: string[] = [];
  let level = roots;
  let levelReason = reason;
  while (level.length > 0) {
    const done = await cancelLevel(settings, lane, level, levelReason);
    cancelled.push(...done);
    level = done.length > 0 ? await lane.tx.listLiveChildren(done) : [];
    // A child did not miss its own deadline: it goes because its parent went.
    levelReason = "cancelled";
  }
  return cancelled;
}

/**
 * Cancels jobs that were stored just now under a parent that is CANCELLED: a handler that has not heard its signal yet
 * may still call others, and the cancellation has looked for children already.
 */
export async function cancelOrphans(
  settings: MachineSettings,
  lane: LaneTransaction,
  children: readonly JobToStore[],
): Promise<void> {
  const parentIds = [...new Set(children.map((child) => child.parentId).filter((id) => id !== null))];
  const parents = await lane.tx.getJobs(parentIds);
  const cancelled = new Set(parents.filter((job) => job.state === "CANCELLED").map((job) => job.jobId));
  const orphans = children.filter(({ parentId }) => parentId !== null && cancelled.has(parentId));
  if (orphans.length === 0) return;
  await cancelTree(settings, lane, await lane.tx.getJobs(orphans.map((job) => job.jobId)), "cancelled");
}

async function cancelLevel(
  settings: MachineSettings,
  lane: LaneTransaction,
  jobs: readonly Job[],
  reason: CancelReason,
): Promise<readonly string[]> {
  const transitions = jobs
    .map((job) => decide(job, { kind: "cancel", reason }, settings, 0))
    .filter((transition) => transition !== null);
  const applied = await lane.apply(transitions);
  return transitions.filter((_, index) => applied[index] === true).map(({ jobId }) => jobId);
}
