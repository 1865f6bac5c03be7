/** What daemons on one database tell each other about their commits. */
import type { JobState } from "../core/job.ts";

/** Something changed in the database by another daemon's hand; "any" stands for more than fits into a hint. */
export interface StoreHint {
  /** With jobs that may be claimed now. */
  readonly functionNames: readonly string[] | "any";
  /** That ended, or were taken from their worker. */
  readonly jobIds: readonly string[] | "any";
  /** That have handlers in memory whose jobs were woken. */
  readonly workerIds: readonly string[] | "any";
  /** In the order of their commit, as far as one daemon's go; absent when nobody watches. */
  readonly changes?: readonly ToldChange[];
  /** Hints were lost before this one. */
  readonly isGap?: true;
}

/** One change of a job's state by another daemon, told when somebody asked for it. */
export interface ToldChange {
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
   * Whether every change is to be told, for those who watch. Resolves when other daemons see it: what they begin then
   * is told. Throws when the store cannot be reached.
   */
  wantChanges(wants: boolean): Promise<void>;
  stop(): Promise<void>;
}
