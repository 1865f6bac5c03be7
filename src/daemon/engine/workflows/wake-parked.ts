import { decide } from "../../core/job-machine.ts";
import { RESUME_GRACE_MS } from "../../core/checkpoint.ts";
import type { Lease } from "../../core/job.ts";
import type { Engine } from "../engine.ts";
import type { WorkerSession } from "../workers/worker-session.ts";

/**
 * Wakes jobs that this worker parked and whose handlers can go on for a reason of their own. One that is not SUSPENDED
 * under the lease any more changes nothing.
 */
export async function wakeParked(engine: Engine, session: WorkerSession, leases: readonly Lease[]): Promise<void> {
  const tokens = new Map(leases.map((lease) => [lease.jobId, lease.leaseToken]));
  await engine.lane.run(async (lane) => {
    const jobs = await lane.tx.jobs.getMany([...tokens.keys()]);
    const transitions = jobs
      .filter((job) => job.leaseToken === tokens.get(job.jobId) && job.workerId === session.workerId)
      .map((job) => decide(job, { kind: "wake", graceMs: RESUME_GRACE_MS }, engine.settings, 0))
      .filter((transition) => transition !== null);
    if (transitions.length > 0) await lane.apply(transitions);
  });
}
