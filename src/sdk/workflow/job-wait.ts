import type { FinishedJob } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { Operation } from "../replay/operation.ts";
import { DurableWait, type WaitEnd } from "./durable-wait.ts";
import type { Execution } from "./execution.ts";

/** The wait for the end of a job, shared by all callers in a handler that use the same name. */
export function jobWait(
  execution: Execution,
  jobId: string,
  name: string,
  operation: Operation | undefined,
): DurableWait {
  return execution.waitForJob(
    jobId,
    name,
    () => new DurableWait(name, { kind: "job", jobId }, execution.clock, operation),
  );
}

export function endOf(end: WaitEnd): FinishedJob {
  if (end.kind === "job") return end.job;
  throw new Error(`a wait for a job ended as ${end.kind}`);
}
