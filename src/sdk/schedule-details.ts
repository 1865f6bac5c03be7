import type { JobErrorDetails, JobStatus } from "./job-details.ts";
import type { ScheduleJobOptions } from "./options/schedule-options.ts";

/** Where a schedule stands. A deleted one is found by `listSchedules` only. */
export type ScheduleStatus = "active" | "paused" | "deleted";

/**
 * A stored schedule.
 *
 * @example
 * ```ts
 * const { nextRunAt, lastJob } = await reseolio.getSchedule("daily-report");
 * console.log(nextRunAt?.toISOString(), lastJob?.status, lastJob?.error?.message);
 * ```
 */
export interface ScheduleDetails {
  readonly id: string;
  readonly name: string;
  readonly status: ScheduleStatus;
  readonly functionName: string;
  /** Empty in a list. */
  readonly args: readonly unknown[];
  readonly cron: string;
  readonly timezone: string;
  readonly catchUp: "none" | "latest" | "all";
  readonly maxCatchUp: number;
  readonly overlap: "allow" | "skip";
  readonly jitterMs: number;
  readonly startAt?: Date;
  readonly endAt?: Date;
  readonly jobOptions: ScheduleJobOptions;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /** Absent when no tick will come: paused, deleted, or past its end. */
  readonly nextRunAt?: Date;
  /** The latest tick that enqueued a job. */
  readonly lastRunAt?: Date;
  /** That job, as it stands now. */
  readonly lastJob?: LastJob;
  /** Ticks that enqueued nothing because an earlier job had not ended. */
  readonly skipped: number;
}

/** The job of a schedule's latest tick. */
export interface LastJob {
  readonly id: string;
  /** Absent when it is not kept any more. */
  readonly status?: JobStatus;
  readonly error?: JobErrorDetails;
}

/**
 * One tick to come.
 *
 * @example
 * ```ts
 * const { ticks } = await reseolio.previewSchedule({ cron: "30 2 * * *", timezone: "Europe/Berlin" }, { count: 3 });
 * for (const { at, localTime, inGap } of ticks) console.log(at.toISOString(), localTime, inGap ? "clocks change" : "");
 * ```
 */
export interface ScheduleTick {
  readonly at: Date;
  /** In the schedule's zone, ISO 8601 with its offset. */
  readonly localTime: string;
  /** The offset from UTC is not that of the tick before: clocks have changed. */
  readonly offsetChanged: boolean;
  /** Its wall-clock time does not exist on that day: it comes at the first valid instant. */
  readonly inGap: boolean;
}
