import type { Checkpoint, OpenWait } from "../../core/checkpoint.ts";
import type { Job, Lease } from "../../core/job.ts";

export type RevocationReason = "cancelled" | "timeout" | "start_deadline" | "finish_deadline" | "stale";

/** The stream to a worker, as the engine sees it. No method may throw. */
export interface WorkerPort {
  assign(deliveries: readonly Delivery[]): void;
  /**
   * Sends checkpoints of a job that is about to be assigned, or of the job that it undoes. Resolves when the stream has
   * room for more.
   */
  replay(lease: Lease, checkpoints: readonly Checkpoint[], ofUndone?: boolean): Promise<void>;
  revoke(lease: Lease, reason: RevocationReason): void;
  recall(leases: readonly Lease[]): void;
  /** Ends the stream, because the daemon stops or a newer stream has replaced it. */
  end(): void;
}

/** A leased job in transit to its worker. */
export interface Delivery {
  readonly job: Job;
  /** The worker resumes the handler that it parked. */
  readonly resumed: boolean;
  /** Checkpoints that were sent ahead of it. */
  readonly checkpointCount: number;
  /** The job is older than the order of records. */
  readonly unordered: boolean;
  /** For a job that is replayed: waits that are registered and have not ended. */
  readonly openWaits: readonly WaitLeft[];
  /** Time of delivery, on the clock that dates checkpoints. */
  readonly now: number;
}

export interface WaitLeft extends Omit<OpenWait, "dueAt"> {
  /** Milliseconds until it times out; null without a time limit. */
  readonly leftMs: number | null;
}
