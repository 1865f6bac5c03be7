import { RESUME_GRACE_MS } from "../../core/checkpoint.ts";
import { decide } from "../../core/job-machine.ts";
import type { Lease } from "../../core/job.ts";
import type { ParkedJob } from "../../storage/seam/workflows.ts";
import type { WorkerSession } from "../dispatch/worker-session.ts";
import type { Engine } from "../engine.ts";
import { applyDecisions, applyEvent, type LaneTransaction } from "../lane/lane-transaction.ts";

/**
 * Makes parked jobs claimable again. If the worker that keeps the handler in memory is connected, only that worker may
 * claim the job for a moment; otherwise any worker may, and replays it from its checkpoints.
 */
export async function wakeJobs(lane: LaneTransaction, parked: readonly ParkedJob[]): Promise<void> {
  await applyDecisions(
    lane,
    parked.map(({ job, isWorkerThere }) => decide(job, { kind: "wake", graceMs: isWorkerThere ? RESUME_GRACE_MS : 0 })),
  );
}

/** Wakes the parked jobs that awaited a job that this transaction has ended. */
export async function wakeAwaiters(lane: LaneTransaction): Promise<void> {
  await wakeJobs(lane, await lane.tx.workflows.takeAwaiters());
}

/**
 * Wakes jobs that this worker parked and whose handlers can continue for a reason of their own. A job that is no longer
 * SUSPENDED under the lease does not change.
 */
export async function wakeParked(engine: Engine, session: WorkerSession, leases: readonly Lease[]): Promise<void> {
  const tokens = new Map(leases.map((lease) => [lease.jobId, lease.leaseToken]));
  await engine.lane.run(async (lane) => {
    const jobs = await lane.tx.jobs.getMany([...tokens.keys()]);
    const parked = jobs.filter((job) => job.leaseToken === tokens.get(job.jobId) && job.workerId === session.workerId);
    await applyEvent(lane, parked, { kind: "wake", graceMs: RESUME_GRACE_MS });
  });
}
