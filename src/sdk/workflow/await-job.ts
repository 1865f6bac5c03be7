import type { Checkpoint } from "#proto/gen/reseolio/v1/job_pb.ts";
import { CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { FinishedJob } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { ReseolioError, ResultTimeoutError } from "../errors.ts";
import { jobLabel } from "../replay/checkpoint-names.ts";
import type { Operation } from "../replay/operation.ts";
import { decideFirst } from "./decide-first.ts";
import type { Execution } from "./execution.ts";
import { endOf, jobWait } from "./job-wait.ts";
import { failedEnd } from "./open-waits.ts";

/** The end of a job, with the operation by which the handler asked for it. */
export interface AwaitedEnd {
  readonly job: FinishedJob;
  readonly operation: Operation;
}

/**
 * Waits for the end of a job without holding the slot. With `timeoutMs` it records whether the job or the timeout came
 * first, so that every execution gets the same.
 *
 * @throws ResultTimeoutError
 */
export async function awaitJob(
  execution: Execution,
  jobId: string,
  timeoutMs: number | undefined,
): Promise<AwaitedEnd> {
  if (jobId === execution.host.jobId) {
    throw new ReseolioError("failed_precondition", `job ${jobId} awaits its own end, which would never come`);
  }
  execution.check();
  if (timeoutMs === undefined) return awaitEnd(execution, jobId);
  const operation = execution.replay.ask(`result:${jobId}`, CheckpointKind.CHOICE);
  // If the timeout ended an attempt, the next one waits for the whole timeout again.
  const isTriedAgain = execution.journal.find(operation.label)?.endedAttempt === true;
  const sources = [{ kind: "job", jobId } as const, { kind: "sleep_for", ms: timeoutMs } as const];
  try {
    const again = isTriedAgain ? `/${execution.host.failures}` : "";
    const first = await decideFirst(execution, operation, sources, again);
    if (first.index === 1) throw execution.replay.failures.give(new ResultTimeoutError(jobId, timeoutMs), operation);
    return { job: endOf(first.end), operation };
  } finally {
    execution.replay.settled();
  }
}

async function awaitEnd(execution: Execution, jobId: string): Promise<AwaitedEnd> {
  const { replay } = execution;
  const operation = replay.ask(`result:${jobId}`, CheckpointKind.JOB, jobLabel(jobId));
  try {
    return { job: await endFor(execution, operation, jobId), operation };
  } finally {
    replay.settled();
  }
}

async function endFor(execution: Execution, operation: Operation, jobId: string): Promise<FinishedJob> {
  const given = execution.ends.get(jobId);
  if (given !== undefined) return given;
  const { record } = operation;
  const { isOrdered } = execution.replay;
  if (isOrdered && record !== undefined && record.seq > 0)
    return remember(execution, await recordedEnd(execution, operation, record, jobId));
  if (isOrdered && record !== undefined) {
    const failed = failedEnd(jobId, record)?.job;
    const end = failed === undefined ? fetchEnd(execution, jobId) : Promise.resolve(failed);
    await execution.recorded(operation, () => end);
    return remember(execution, await end);
  }
  if (isOrdered) await execution.recorded(operation);
  return remember(execution, endOf(await jobWait(execution, jobId, jobLabel(jobId), operation).promise));
}

function remember(execution: Execution, job: FinishedJob): FinishedJob {
  execution.ends.set(job.jobId, job);
  return job;
}

/** Delivers a recorded end in its place, once it has arrived: the record holds no result, that stays with its job. */
async function recordedEnd(
  execution: Execution,
  operation: Operation,
  record: Checkpoint,
  jobId: string,
): Promise<FinishedJob> {
  const failed = failedEnd(jobId, record);
  const wait = jobWait(execution, jobId, jobLabel(jobId), operation);
  wait.isOver = true;
  execution.requestInPlace(wait, execution.journal.operationOf(record) ?? operation.id);
  if (failed !== undefined) execution.satisfy(wait, failed);
  return endOf(await wait.promise);
}

/** Fetches the end of a job that is on record without its result. */
async function fetchEnd(execution: Execution, jobId: string): Promise<FinishedJob> {
  return endOf(await jobWait(execution, jobId, `${jobLabel(jobId)}/result`, undefined).promise);
}
