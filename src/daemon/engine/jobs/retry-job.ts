import { DaemonError, jobNotFound } from "../../core/errors.ts";
import { decide } from "../../core/job-machine.ts";
import type { Job } from "../../core/job.ts";
import type { LaneTransaction } from "../lane/lane-batch.ts";
import type { Engine } from "../engine.ts";
import { checkJobId } from "./read-jobs.ts";

/**
 * Makes a DEAD or CANCELLED job PENDING again: failures start at 0, attempt numbers go on, its start and finish
 * deadlines no longer hold. Throws not_found, and failed_precondition in any other state.
 */
export async function retryJob(engine: Engine, jobId: string): Promise<Job> {
  checkJobId(jobId, "job_id");
  const retried = await engine.lane.run(async (lane) => retryAll(engine, lane, await lane.tx.getJobs([jobId])));
  const job = await engine.store.getJob(jobId);
  if (job === null) throw jobNotFound(jobId);
  if (!retried.includes(jobId)) {
    throw new DaemonError(
      "failed_precondition",
      `job ${jobId} is ${job.state}; only a DEAD or CANCELLED job can be retried`,
      { metadata: { jobId, state: job.state } },
    );
  }
  return job;
}

/** Retries those of the jobs that can be. Returns their ids. */
export async function retryAll(
  engine: Engine,
  lane: LaneTransaction,
  jobs: readonly Job[],
): Promise<readonly string[]> {
  const transitions = jobs
    .map((job) => decide(job, { kind: "retry" }, engine.settings, 0))
    .filter((transition) => transition !== null);
  const applied = await lane.apply(transitions);
  return transitions.filter((_, index) => applied[index] === true).map(({ jobId }) => jobId);
}
