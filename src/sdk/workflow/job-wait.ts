import type { FinishedJob } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { DurableWait, type WaitEnd } from "./durable-wait.ts";
import { type Execution, jobWaitName } from "./execution.ts";

/** The wait for the end of a job, one for all who wait for it in a handler. */
export function jobWait(execution: Execution, jobId: string): DurableWait {
  return execution.waitForJob(
    jobId,
    () => new DurableWait(jobWaitName(jobId), { kind: "job", jobId }, execution.clock),
  );
}

export function endOf(end: WaitEnd): FinishedJob {
  if (end.kind === "job") return end.job;
  throw new Error(`a wait for a job ended as ${end.kind}`);
}
