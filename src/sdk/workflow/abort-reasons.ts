/** Reasons with which a handler's signal fires. */
import type { Assignment } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { JobCancelledError, ReseolioError } from "../errors.ts";

/** The daemon revoked the lease. */
export function revocationError(assignment: Assignment, reason: string): Error {
  const { jobId } = assignment;
  switch (reason) {
    case "timeout":
      return timeoutError(assignment);
    case "cancelled":
      return new JobCancelledError(jobId, "cancelled", "cancelled by a caller");
    case "finish_deadline":
      return new JobCancelledError(jobId, "finish_deadline", "not finished within finishWithinMs");
    default:
      return takenOver(assignment);
  }
}

export function timeoutError({ attempt, timeoutMs }: Assignment): Error {
  return new DOMException(`attempt ${attempt} exceeded its time limit of ${timeoutMs} ms`, "TimeoutError");
}

export function takenOver({ jobId }: { readonly jobId: string }): ReseolioError {
  const message = `this worker no longer holds the lease of job ${jobId}; the outcome is ignored`;
  return new ReseolioError("failed_precondition", message);
}

export function stopped(): ReseolioError {
  return new ReseolioError("failed_precondition", "this client is stopping; the job is released and runs elsewhere");
}
