/** The part of the seam about schedules. */
import type { JobTick, Schedule, ScheduleState, ScheduleStatus } from "../../core/schedule.ts";

export interface ScheduleReads {
  /** Null when no schedule has the name now; deleted ones are not found. */
  get(name: string): Promise<ScheduleStatus | null>;
  /** Without args: they are empty. */
  list(query: ScheduleQuery): Promise<SchedulePage>;
  /** The earliest tick of all schedules, and the store's time. Cheap: it is asked every second. */
  nextTick(): Promise<NextTick>;
  /** By job id; jobs that no schedule enqueued are left out. */
  listTicks(jobIds: readonly string[]): Promise<ReadonlyMap<string, JobTick>>;
}

export interface ScheduleWrites {
  /** False when a schedule that is not deleted has the name. */
  insert(schedule: Schedule): Promise<boolean>;
  /** Not a deleted one; nobody else changes it until the transaction ends. */
  get(name: string): Promise<Schedule | null>;
  /** Replaces all but id and name. */
  update(schedule: Schedule): Promise<void>;

  /**
   * Schedules with a tick that is due, the longest due first. Locks them for this transaction and leaves out those that
   * another daemon is firing at the moment.
   */
  listDue(limit: number): Promise<readonly Schedule[]>;
  /** For each, in order, the first tick from `from` on whose job has not ended; looks at a bounded number of ticks. */
  findLiveTicks(looks: readonly LiveTickQuery[]): Promise<readonly LiveTick[]>;
  /**
   * Stores which tick each of these jobs, stored in this same transaction, belongs to. False, in order, where the tick
   * has a job already: then this job must not be stored.
   */
  recordTicks(ticks: readonly NewTick[]): Promise<readonly boolean[]>;
  /** Writes what firing changes. */
  advance(advances: readonly ScheduleAdvance[]): Promise<void>;
  /** Removes at most `limit` schedules that were deleted before a time and have no jobs left. Returns their number. */
  prune(deletedBefore: number, limit: number): Promise<number>;
  /** The ticks of a schedule that have a job, from `from` to `to`, both inclusive. */
  listTickTimes(scheduleId: string, from: number, to: number): Promise<readonly number[]>;
}

export interface NextTick {
  readonly now: number;
  readonly nextRunAt: number | null;
}

export interface LiveTickQuery {
  readonly scheduleId: string;
  readonly from: number;
}

export interface LiveTick {
  readonly isLive: boolean;
  /** Ticks before this one need not be checked again. */
  readonly liveFrom: number;
}

export interface NewTick {
  readonly scheduleId: string;
  /** Null for a job that was triggered by hand. */
  readonly tickAt: number | null;
  readonly jobId: string;
}

export interface ScheduleAdvance {
  readonly scheduleId: string;
  readonly nextRunAt: number | null;
  /** Of the latest tick that enqueued a job; null when none did. */
  readonly lastRun: { readonly at: number; readonly jobId: string } | null;
  /** How many more ticks were left out because of an overlap. */
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
  /** The caller passes it as `after`; null on the last page. */
  readonly next: ScheduleCursor | null;
  /** Of all pages. */
  readonly total: number;
}
