import type { Attempt as AttemptMessage, JobError as JobErrorMessage } from "#proto/gen/reseolio/v1/job_pb.ts";
import { SettleResult as SettleResultMessage } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { StepError } from "../../core/checkpoint.ts";
import type { Attempt } from "../../core/job.ts";
import { fromJobError } from "./job-messages.ts";
import { fromMs } from "./timestamps.ts";
import type { SettleResult } from "../../engine/dispatch/settle-result.ts";

/** An error as a worker reports it. */
export function toReportedError(error: JobErrorMessage | undefined): StepError {
  if (error === undefined) return { name: "Error", message: "the worker reported a failure without an error" };
  const { name, message, stack } = error;
  return { name: name || "Error", message, ...(stack === "" ? {} : { stack }) };
}

export function fromSettleResult(result: SettleResult): SettleResultMessage {
  switch (result) {
    case "accepted":
      return SettleResultMessage.ACCEPTED;
    case "stale":
      return SettleResultMessage.STALE;
    case "retry":
      return SettleResultMessage.RETRY;
    case "invalid":
      return SettleResultMessage.INVALID;
  }
}

export function fromAttempt(attempt: Attempt): AttemptMessage {
  return {
    $typeName: "reseolio.v1.Attempt",
    attempt: attempt.attempt,
    workerId: attempt.workerId ?? "",
    startedAt: fromMs(attempt.startedAt),
    endedAt: fromMs(attempt.endedAt),
    outcome: attempt.outcome,
    ...(attempt.error !== null && { error: fromJobError(attempt.error) }),
  };
}
