import type { FinishedJob, Park } from "#proto/gen/reseolio/v1/session_service_pb.ts";
import { ReseolioError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { EmittedEvent } from "../sent-messages.ts";
import type { CheckpointRecord } from "../session/frames.ts";
import type { HandlerClock, TestHooks } from "./test-hooks.ts";
import type { StartTimes } from "./wait-times.ts";

/** The attempt that an execution belongs to. */
export interface ExecutionHost extends StartTimes {
  /** The job that the handler belongs to: the undone one while its steps are undone. */
  readonly jobId: string;
  /** The leased job: the undo job while steps are undone. */
  readonly leaseJobId: string;
  readonly functionName: string;
  /** Number of failed attempts of the job. */
  readonly failures: number;
  /** Token of the lease under which the handler runs now. */
  readonly leaseToken: number;
  readonly abortReason: Error | undefined;
  /** Milliseconds that the attempt may take from its start or resumption here; Infinity without a limit. */
  readonly timeLimitMs: number;
  readonly log: Logger;
}

/** What an execution needs from its worker. */
export interface ExecutionPort {
  record(record: CheckpointRecord): void;
  /** Frees the slot. The worker calls `resume` when the handler has one again. */
  park(host: ExecutionHost, park: Park): void;
  /** Asks for a slot although none of the waits sent in Park has ended. */
  needSlot(host: ExecutionHost): void;
  watchEnd(jobId: string, onEnd: (job: FinishedJob) => void): () => void;
  emitEvent(name: string, payload: unknown): Promise<EmittedEvent>;
  /** Retries a failed job, called again by the attempt after the one that its failure ended. */
  retryJob(jobId: string, awaitedBy: string): Promise<void>;
  /** The records do not match the handler, which never continues. */
  mismatch(host: ExecutionHost, message: string): void;
  readonly clock: HandlerClock;
  /**
   * Fault injection: true if the handler crashes here and must never continue.
   *
   * @param point the same in every execution
   */
  crashes(host: ExecutionHost, point: string): boolean;
  /** Set by the testing kit. */
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
    `${functionName}: the handler of job ${jobId} has ended, but code that it started still uses its context; ` +
    "await everything that the handler starts";
  return new ReseolioError("failed_precondition", message);
}
