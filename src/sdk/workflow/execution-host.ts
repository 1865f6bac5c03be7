import type { FinishedJob, Park } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { ReseolioError } from "../errors.ts";
import type { CheckpointRecord } from "../session/frame-items.ts";
import type { HandlerClock } from "./rehearsal.ts";

/** The attempt whose handler this is. */
export interface ExecutionHost {
  readonly jobId: string;
  readonly functionName: string;
  /** Attempts of the job that have failed. */
  readonly failures: number;
  /** Of the lease that the handler runs under now. */
  readonly leaseToken: number;
  readonly abortReason: Error | undefined;
}

/** What an execution asks of its worker. */
export interface ExecutionPort {
  record(record: CheckpointRecord): void;
  /** Gives the slot back. `resume` is called when there is one again. */
  park(host: ExecutionHost, park: Park): void;
  /** The parked handler can go on although nothing has happened of what it told that it waits for. */
  needSlot(host: ExecutionHost): void;
  watchEnd(jobId: string, onEnd: (job: FinishedJob) => void): () => void;
  readonly clock: HandlerClock;
  /** True when the handler dies here, in a test: it must never go on. @param point the same in every execution */
  dies(host: ExecutionHost, point: string): boolean;
}

export function endedError({ functionName, jobId }: ExecutionHost): ReseolioError {
  const message =
    `${functionName}: the handler of job ${jobId} has ended, and what it left behind called its context; ` +
    "await everything that a handler starts";
  return new ReseolioError("failed_precondition", message);
}
