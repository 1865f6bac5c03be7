/** The part of the seam about the daemons on one database: who leads, and what they notify each other of. */
import type { JobState } from "../../core/job.ts";

export interface ClusterPart {
  /**
   * Reports what other daemons on the same database committed, until stopped. Hints may be lost, doubled or late, so a
   * listener also checks the database from time to time. After a lost connection, every field is "any". A store with
   * one daemon never calls back.
   */
  listen(onHint: (hint: StoreHint) => void): Promise<HintListener>;
  /**
   * Takes or renews the leadership for `leaseMs`: the work that one daemon does for all. It is free if nobody holds it,
   * if it has expired, or if it still equals `unmoved`, which the caller has watched for a whole lease. A store with
   * one daemon always grants it. It only saves work and guarantees nothing: two daemons may hold it for a moment.
   */
  lead(nodeId: string, leaseMs: number, unmoved: Leadership | null): Promise<Leadership>;
  /** Lets another daemon lead at once; does nothing when this one does not. */
  resign(nodeId: string): Promise<void>;
}

/** Which of several daemons on one database does the work that one does for all. */
export interface Leadership {
  readonly nodeId: string;
  /** Increases each time that the leadership changes hands or lapses. */
  readonly term: number;
  /** On the store's clock. */
  readonly expiresAt: number;
}

/** What another daemon changed in the database; "any" means more than fits into a hint. */
export interface StoreHint {
  /** Functions with jobs that may be claimed now. */
  readonly functionNames: readonly string[] | "any";
  /** Jobs that ended, or were taken from their worker. */
  readonly jobIds: readonly string[] | "any";
  /** Workers that have handlers in memory whose jobs were woken. */
  readonly workerIds: readonly string[] | "any";
  /** In commit order as far as one daemon's changes go; absent when nobody watches. */
  readonly changes?: readonly HintedChange[];
  /** Hints were lost before this one. */
  readonly isGap?: true;
}

/** One change of a job's state by another daemon, sent while somebody watches. */
export interface HintedChange {
  readonly jobId: string;
  readonly functionName: string;
  readonly parentId: string | null;
  readonly state: JobState;
  readonly attempt: number;
  readonly at: number;
  /** The job has the error that belongs to it. */
  readonly hasError: boolean;
}

export interface HintListener {
  /**
   * Whether others send every change, for those who watch. Resolves when other daemons see it: they send what they begin
   * afterwards. Throws when the store cannot be reached.
   */
  wantChanges(wants: boolean): Promise<void>;
  stop(): Promise<void>;
}
