import type { FinishedJob, Park } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import type { EmittedEvent } from "../sent-messages.ts";
import { ReseolioError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { CheckpointRecord } from "../session/frame-items.ts";
import type { HandlerClock, TestHooks } from "./test-hooks.ts";
import type { StartTimes } from "./wait-times.ts";

/** The attempt whose handler this is. */
export interface ExecutionHost extends StartTimes {
  /** Of the job that the handler is about. */
  readonly jobId: string;
  /** Of the job that is leased: another one while steps are undone. */
  readonly leaseJobId: string;
  readonly functionName: string;
  /** Attempts of the job that have failed. */
  readonly failures: number;
  /** Of the lease that the handler runs under now. */
  readonly leaseToken: number;
  readonly abortReason: Error | undefined;
  /** Milliseconds that the attempt may take from when it began or went on here; Infinity without a limit. */
  readonly timeLimitMs: number;
  readonly log: Logger;
}

/** What an execution asks of its worker. */
export interface ExecutionPort {
  record(record: CheckpointRecord): void;
  /** Gives the slot back. `resume` is called when there is one again. */
  park(host: ExecutionHost, park: Park): void;
  /** The parked handler can go on although nothing has happened of what it told that it waits for. */
  needSlot(host: ExecutionHost): void;
  watchEnd(jobId: string, onEnd: (job: FinishedJob) => void): () => void;
  emitEvent(name: string, payload: unknown): Promise<EmittedEvent>;
  /** A job that failed, called again by the attempt after the one that its failure ended. */
  retryJob(jobId: string, awaitedBy: string): Promise<void>;
  /** What is on record does not fit the handler: it never goes on. */
  mismatch(host: ExecutionHost, message: string): void;
  readonly clock: HandlerClock;
  /** True when the handler dies here, in a test: it must never go on. @param point the same in every execution */
  crashes(host: ExecutionHost, point: string): boolean;
  /** In a test. */
  readonly testHooks: TestHooks;
}

/** What all handlers of one client share. */
export interface HandlerPort extends ExecutionPort {
  readonly logger: Logger;
  /** The client that runs the handlers: only its own calls are children of their jobs. */
  readonly owner: object;
  heartbeat(host: ExecutionHost, ms: number): void;
}

export function endedError({ functionName, jobId }: ExecutionHost): ReseolioError {
  const message =
    `${functionName}: the handler of job ${jobId} has ended, and what it left behind called its context; ` +
    "await everything that a handler starts";
  return new ReseolioError("failed_precondition", message);
}
