/** What the stores keep of schedules: a part of `job-store.ts`, and as binding for both of them. */
import type { JobTick, Schedule, ScheduleState, ScheduleStatus } from "../core/schedule.ts";

/** Reads of committed state. */
export interface ScheduleReads {
  /** Null when no schedule has the name now; deleted ones are not found. */
  getSchedule(name: string): Promise<ScheduleStatus | null>;
  /** Without args: they are empty. */
  listSchedules(query: ScheduleQuery): Promise<SchedulePage>;
  /** The earliest tick of all schedules, and the store's time. Cheap: it is asked every second. */
  nextTick(): Promise<{ readonly now: number; readonly nextRunAt: number | null }>;
  /** By job id; jobs that no schedule enqueued are left out. */
  listTicks(jobIds: readonly string[]): Promise<ReadonlyMap<string, JobTick>>;
}

/** The part of a transaction that is about schedules. */
export interface ScheduleTransaction {
  /** False when a schedule that is not deleted has the name. */
  insertSchedule(schedule: Schedule): Promise<boolean>;
  /** Not a deleted one; nobody else changes it until the transaction ends. */
  getSchedule(name: string): Promise<Schedule | null>;
  /** Replaces all but id and name. */
  updateSchedule(schedule: Schedule): Promise<void>;

  /**
   * Schedules with a tick that is due, the longest due first. They are this transaction's alone: what another daemon
   * is firing at the moment is left out.
   */
  listDueSchedules(limit: number): Promise<readonly Schedule[]>;
  /** For each, in order, the first tick from `from` on whose job has not ended; looks at a bounded number of ticks. */
  findLiveTicks(looks: readonly { readonly scheduleId: string; readonly from: number }[]): Promise<readonly LiveTick[]>;
  /**
   * Says of jobs, stored in this same transaction, which tick they belong to. False, in order, where the tick has a job
   * already: then this job must not be stored.
   */
  recordTicks(ticks: readonly TickToStore[]): Promise<readonly boolean[]>;
  /** Writes what firing changes. */
  advanceSchedules(advances: readonly ScheduleAdvance[]): Promise<void>;
  /** Forgets schedules that were deleted before a time and have no jobs left, at most `limit`. Returns how many. */
  pruneSchedules(deletedBefore: number, limit: number): Promise<number>;
  /** The ticks of a schedule that have a job, from `from` to `to`, both inclusive. */
  listTickTimes(scheduleId: string, from: number, to: number): Promise<readonly number[]>;
}

export interface LiveTick {
  readonly isLive: boolean;
  /** Ticks before this one need no look the next time. */
  readonly liveFrom: number;
}

export interface TickToStore {
  readonly scheduleId: string;
  /** Null: triggered, beside the ticks. */
  readonly tickAt: number | null;
  readonly jobId: string;
}

export interface ScheduleAdvance {
  readonly scheduleId: string;
  readonly nextRunAt: number | null;
  /** Of the latest tick that enqueued a job; null when none did. */
  readonly lastRun: { readonly at: number; readonly jobId: string } | null;
  /** Ticks more that were left out because of an overlap. */
  readonly skipped: number;
  readonly liveFrom: number;
}

/** A page of schedules by name, then by id. */
export interface ScheduleQuery {
  readonly states: readonly ScheduleState[];
  readonly functionName: string | null;
  readonly limit: number;
  /** Exclusive. */
  readonly after: ScheduleCursor | null;
}

export interface ScheduleCursor {
  readonly name: string;
  readonly scheduleId: string;
}

export interface SchedulePage {
  readonly schedules: readonly ScheduleStatus[];
  /** To be given as `after`; null on the last page. */
  readonly next: ScheduleCursor | null;
  /** Of all pages. */
  readonly total: number;
}
