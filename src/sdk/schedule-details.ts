import type { JobErrorDetails, JobStatus } from "./job-details.ts";
import type { ScheduleJobOptions } from "./options/schedule-options.ts";

/** Status of a schedule. Deleted ones appear only in `listSchedules`. */
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
  /** Absent when no tick follows: the schedule is paused, deleted, or past its end. */
  readonly nextRunAt?: Date;
  /** Time of the latest tick that enqueued a job. */
  readonly lastRunAt?: Date;
  /** That job, in its current state. */
  readonly lastJob?: LastJob;
  /** Number of ticks that enqueued nothing because an earlier job had not ended. */
  readonly skipped: number;
}

/** The job of a schedule's latest tick. */
export interface LastJob {
  readonly id: string;
  /** Absent when the job was pruned or deleted. */
  readonly status?: JobStatus;
  readonly error?: JobErrorDetails;
}

/**
 * One future tick.
 *
 * @example
 * ```ts
 * const { ticks } = await reseolio.previewSchedule({ cron: "30 2 * * *", timezone: "Europe/Berlin" }, { count: 3 });
 * for (const { at, localTime, inGap } of ticks) console.log(at.toISOString(), localTime, inGap ? "clocks change" : "");
 * ```
 */
export interface ScheduleTick {
  readonly at: Date;
  /** The same time in the schedule's zone, ISO 8601 with the UTC offset. */
  readonly localTime: string;
  /** The UTC offset differs from that of the previous tick: the clocks have changed. */
  readonly offsetChanged: boolean;
  /** Its local time does not exist on that day, because clocks skip it: the tick comes at the first valid instant. */
  readonly inGap: boolean;
}
