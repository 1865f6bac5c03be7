/** What the end of a job means to whoever awaits it: its result, or the error that says why there is none. */
import { type JobError, JobState } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { FinishedJob } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { JobCancelledError, type JobErrorReason, JobFailedError, ReseolioError } from "../errors.ts";
import { decodeResult } from "../serialization.ts";

/**
 * @param onFailure called with the error before it is thrown
 * @throws JobFailedError, JobCancelledError, or ReseolioError `not_found`
 */
export function resultOf(job: FinishedJob, onFailure?: (error: Error) => void): unknown {
  if (job.state === JobState.SUCCESS) return decodeResult(job.jobId, job.result);
  const error = failureOf(job);
  onFailure?.(error);
  throw error;
}

function failureOf(job: FinishedJob): Error {
  switch (job.state) {
    case JobState.DEAD:
      return new JobFailedError(job.jobId, reasonOf(job.error), causeOf(job));
    case JobState.CANCELLED:
      return new JobCancelledError(job.jobId, reasonOf(job.error), job.error?.message ?? "no reason is recorded");
    default:
      return new ReseolioError("not_found", `no job has the ID ${job.jobId}: it was deleted, pruned, or never stored`);
  }
}

/** The handler's error, as far as it can be reproduced in another process. */
function causeOf(job: FinishedJob): Error {
  const cause = new Error(job.error?.message ?? "no error is recorded");
  cause.name = job.error?.name ?? "Error";
  if (job.error !== undefined && job.error.stack !== "") cause.stack = job.error.stack;
  return cause;
}

const REASONS: ReadonlySet<string> = new Set<JobErrorReason>([
  "handler",
  "terminal",
  "timeout",
  "worker_lost",
  "cancelled",
  "start_deadline",
  "finish_deadline",
  "replay_mismatch",
]);

/** Unknown reasons, from a newer daemon, count as the handler's. */
export function reasonOf(error: JobError | undefined): JobErrorReason {
  return isReason(error?.reason) ? error.reason : "handler";
}

function isReason(text: string | undefined): text is JobErrorReason {
  return text !== undefined && REASONS.has(text);
}
