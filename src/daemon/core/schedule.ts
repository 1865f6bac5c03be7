/** A schedule as every layer of the daemon sees it. Times are milliseconds since the epoch on the store's clock. */
import type { JobOptions } from "./job-options.ts";
import type { JobError, JobState } from "./job.ts";

/** Each says what its ticks do. */
export const SCHEDULE_STATES = [
  /** Ticks enqueue jobs. */
  "ACTIVE",
  /** Ticks enqueue nothing, and are not caught up. */
  "PAUSED",
  /** Has no ticks any more; its name is free. Its jobs still tell where they came from. */
  "DELETED",
] as const;

export type ScheduleState = (typeof SCHEDULE_STATES)[number];

/** What happens to ticks that no daemon was there for: left out, the latest enqueued, all up to a number enqueued. */
export type CatchUp = "none" | "latest" | "all";

/** What happens at a tick while the job of an earlier tick has not ended: enqueued all the same, or left out. */
export type Overlap = "allow" | "skip";

/** A schedule's content, checked and with its defaults. */
export interface ScheduleSpec {
  readonly cron: string;
  readonly timeZone: string;
  readonly functionName: string;
  readonly args: Uint8Array;
  /** Of the jobs that it enqueues: no time, no idempotency key. */
  readonly options: JobOptions;
  readonly catchUp: CatchUp;
  /** Of catchUp all: at most so many, the latest. */
  readonly maxCatchUp: number;
  readonly overlap: Overlap;
  readonly jitterMs: number;
  /** No tick before it. */
  readonly startAt: number | null;
  /** No tick after it. */
  readonly endAt: number | null;
}

export interface Schedule {
  readonly scheduleId: string;
  readonly name: string;
  readonly state: ScheduleState;
  readonly spec: ScheduleSpec;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** The next tick that is to be fired; null when none will come, or while PAUSED. */
  readonly nextRunAt: number | null;
  /** The latest tick that enqueued a job, and that job. */
  readonly lastRunAt: number | null;
  readonly lastJobId: string | null;
  /** Ticks that enqueued nothing since an earlier job had not ended. */
  readonly skipped: number;
  /** Every tick before this one had ended when it was looked at last. */
  readonly liveFrom: number;
}

/** A schedule with its last job as it stands now; null when there was none, or it was deleted. */
export interface ScheduleStatus {
  readonly schedule: Schedule;
  readonly lastJob: { readonly state: JobState; readonly error: JobError | null } | null;
}

/** Where a job of a schedule came from. */
export interface JobTick {
  readonly scheduleName: string;
  /** Null when it was triggered, beside the ticks. */
  readonly tickAt: number | null;
}

/** What callers may leave out, and what it means then. */
export const SCHEDULE_DEFAULTS = {
  timeZone: "UTC",
  catchUp: "latest",
  maxCatchUp: 100,
  overlap: "allow",
  jitterMs: 0,
} as const;
