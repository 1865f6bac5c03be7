/** A schedule as every layer of the daemon sees it. Times are milliseconds since the epoch on the store's clock. */
import type { JobOptions } from "./job-options.ts";
import type { JobError, JobState } from "./job.ts";

/** Every state, with what its ticks do. */
export const SCHEDULE_STATES = [
  /** Ticks enqueue jobs. */
  "ACTIVE",
  /** Ticks enqueue nothing, and are not caught up. */
  "PAUSED",
  /** Has no more ticks, and its name is free. Its row remains for the jobs that it enqueued. */
  "DELETED",
] as const;

export type ScheduleState = (typeof SCHEDULE_STATES)[number];

/** What happens to missed ticks: enqueue none, the latest, or all up to a number. */
export type CatchUp = "none" | "latest" | "all";

/** What a tick does while the job of an earlier tick has not ended: enqueue anyway, or skip. */
export type Overlap = "allow" | "skip";

/** A schedule's content, validated and with defaults filled in. */
export interface ScheduleSpec {
  readonly cron: string;
  readonly timeZone: string;
  readonly functionName: string;
  readonly args: Uint8Array;
  /** Options of the jobs that it enqueues, without a time or an idempotency key. */
  readonly options: JobOptions;
  readonly catchUp: CatchUp;
  /** For catchUp all: the maximum number of ticks, of which the latest are kept. */
  readonly maxCatchUp: number;
  readonly overlap: Overlap;
  readonly jitterMs: number;
  /** Ticks before this time do not fire. */
  readonly startAt: number | null;
  /** Ticks after this time do not fire. */
  readonly endAt: number | null;
}

export interface Schedule {
  readonly scheduleId: string;
  readonly name: string;
  readonly state: ScheduleState;
  readonly spec: ScheduleSpec;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** The next tick to fire; null when none will come, or while PAUSED. */
  readonly nextRunAt: number | null;
  /** The latest tick that enqueued a job, and that job. */
  readonly lastRunAt: number | null;
  readonly lastJobId: string | null;
  /** Ticks that enqueued nothing because an earlier job had not ended. */
  readonly skipped: number;
  /** Jobs of all ticks before this one had ended at the last check. */
  readonly liveFrom: number;
}

/** A schedule and the present state of its last job; null when there was none, or it was deleted. */
export interface ScheduleStatus {
  readonly schedule: Schedule;
  readonly lastJob: { readonly state: JobState; readonly error: JobError | null } | null;
}

/** The schedule and tick that a job comes from. */
export interface JobTick {
  readonly scheduleName: string;
  /** Null when the job was triggered by hand. */
  readonly tickAt: number | null;
}

/** Defaults of absent fields. */
export const SCHEDULE_DEFAULTS = {
  timeZone: "UTC",
  catchUp: "latest",
  maxCatchUp: 100,
  overlap: "allow",
  jitterMs: 0,
} as const;
