/** The part of the seam about workers and what is leased to them. */
import type { Lease } from "../../core/job.ts";

export interface WorkerReads {
  list(): Promise<readonly WorkerRecord[]>;
  /** The workers that hold leases, and how many; includes workers that have no record (any more). */
  countLeases(): Promise<readonly LeaseCount[]>;
}

export interface WorkerWrites {
  /** Inserts or replaces a worker; its lease ends `leaseMs` from now. */
  save(worker: NewWorker, leaseMs: number): Promise<void>;
  /**
   * Extends leases to `leaseMs` from now. Returns the ids of workers that do not exist (any more), or whose session
   * another daemon holds.
   */
  renew(nodeId: string, workerIds: readonly string[], leaseMs: number): Promise<readonly string[]>;
  /**
   * Deletes a worker, but only if it is unchanged since it was last seen. Returns false if its lease was renewed since
   * then, or if another daemon now holds its session.
   */
  remove(seen: SeenWorker): Promise<boolean>;
  /** What is leased to these workers. */
  listLeases(workerIds: readonly string[]): Promise<readonly WorkerLease[]>;
  list(): Promise<readonly WorkerRecord[]>;
}

export interface NewWorker {
  readonly workerId: string;
  /** The daemon that holds its session. */
  readonly nodeId: string;
  readonly host: string;
  readonly hostId: string;
  readonly pid: number;
  readonly processStart: string;
  readonly functionNames: readonly string[];
  readonly concurrency: number;
  readonly client: string;
}

export interface WorkerRecord extends NewWorker {
  readonly connectedAt: number;
  readonly leaseExpiresAt: number;
}

export type SeenWorker = Pick<WorkerRecord, "workerId" | "nodeId" | "leaseExpiresAt">;

export interface WorkerLease extends Lease {
  readonly workerId: string;
}

export interface LeaseCount {
  readonly workerId: string;
  /** At least 1. */
  readonly count: number;
}
