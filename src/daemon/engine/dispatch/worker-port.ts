import type { Checkpoint, OpenWait } from "../../core/checkpoint.ts";
import type { Job, Lease } from "../../core/job.ts";

export type RevocationReason = "cancelled" | "timeout" | "start_deadline" | "finish_deadline" | "stale";

/** The stream to a worker, as the engine sees it. None of these may throw. */
export interface WorkerPort {
  assign(deliveries: readonly Delivery[]): void;
  /**
   * Checkpoints of a job that will be assigned, or, if so said, of the job that it undoes. Resolves when there is room for
   * more.
   */
  replay(lease: Lease, checkpoints: readonly Checkpoint[], ofUndone?: boolean): Promise<void>;
  revoke(lease: Lease, reason: RevocationReason): void;
  recall(leases: readonly Lease[]): void;
  /** The daemon stops, or another stream took the worker over: end the stream. */
  end(): void;
}

/** A leased job on its way to its worker. */
export interface Delivery {
  readonly job: Job;
  /** The handler that the worker parked goes on. */
  readonly resumed: boolean;
  /** Checkpoints that were sent before it. */
  readonly checkpointCount: number;
  /** It is from before the order of records was kept. */
  readonly unordered: boolean;
  /** Of a job that is replayed: waits that are registered and not over. */
  readonly openWaits: readonly WaitLeft[];
  /** By the clock that tells when something was recorded. */
  readonly now: number;
}

export interface WaitLeft extends Omit<OpenWait, "dueAt"> {
  /** Until its time is over; null where it has none. */
  readonly leftMs: number | null;
}
