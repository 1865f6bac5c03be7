import { DaemonError, jobNotFound } from "../../core/errors.ts";
import type { Job } from "../../core/job.ts";
import type { Engine } from "../engine.ts";
import { applyEvent, type LaneTransaction } from "../lane/lane-transaction.ts";
import { judgeRetries } from "./judge-retries.ts";
import { checkJobId } from "./read-jobs.ts";

/**
 * Makes a DEAD or CANCELLED job PENDING again: failures restart at 0, attempt numbers continue, and start and finish
 * deadlines no longer apply. A parked job is woken, and waits again for what has not happened. Throws not_found, and
 * failed_precondition in any other state or when an undo job prevents the retry.
 */
export async function retryJob(engine: Engine, jobId: string): Promise<Job> {
  checkJobId(jobId, "job_id");
  const { retried, refusals } = await engine.lane.run(async (lane) =>
    retryJudged(lane, await lane.tx.jobs.getMany([jobId])),
  );
  const job = await engine.store.jobs.get(jobId);
  if (job === null) throw jobNotFound(jobId);
  if (!retried.includes(jobId)) {
    const [refusal] = refusals.values();
    if (refusal !== undefined) throw refusal;
    throw new DaemonError(
      "failed_precondition",
      `job ${jobId} is ${job.state}; only a DEAD or CANCELLED job can be retried, and a SUSPENDED one woken`,
      { metadata: { jobId, state: job.state } },
    );
  }
  return job;
}

/**
 * Retries a job on behalf of a job that awaited it: its end has failed an attempt of that job, which now calls it
 * again. A job that somebody else has retried meanwhile stays as it is. Throws failed_precondition when no such end is
 * on record, or when an undo job prevents the retry.
 */
export async function retryAwaited(engine: Engine, jobId: string, awaitedBy: string): Promise<Job> {
  checkJobId(jobId, "job_id");
  checkJobId(awaitedBy, "awaited_by");
  await engine.lane.run(async (lane) => {
    const jobs = (await lane.tx.jobs.getMany([jobId, awaitedBy])).filter((job) => job.jobId === jobId.toLowerCase());
    if (jobs.length === 0) throw jobNotFound(jobId);
    if (!(await lane.tx.workflows.forgetAwaited({ jobId, awaitedBy }))) throw notOnRecord(jobId, awaitedBy);
    const [refusal] = (await retryJudged(lane, jobs)).refusals.values();
    if (refusal !== undefined) throw refusal;
  });
  const job = await engine.store.jobs.get(jobId);
  if (job === null) throw jobNotFound(jobId);
  return job;
}

function notOnRecord(jobId: string, awaitedBy: string): DaemonError {
  return new DaemonError(
    "failed_precondition",
    `job ${awaitedBy} has no record that the end of job ${jobId} failed one of its attempts: either it did not, or the job was already retried`,
    { metadata: { jobId, awaitedBy } },
  );
}

/** Retries the jobs that allow it. Returns their IDs. */
export async function retryAll(lane: LaneTransaction, jobs: readonly Job[]): Promise<readonly string[]> {
  return (await retryJudged(lane, jobs)).retried;
}

async function retryJudged(
  lane: LaneTransaction,
  jobs: readonly Job[],
): Promise<{ readonly retried: readonly string[]; readonly refusals: ReadonlyMap<string, DaemonError> }> {
  const { allowed, undone, refusals } = await judgeRetries(lane.tx, jobs);
  // Before the retry changes the records that stay.
  if (undone.length > 0) await lane.tx.workflows.forgetRecords(undone);
  return { retried: await applyEvent(lane, allowed, { kind: "retry" }), refusals };
}
