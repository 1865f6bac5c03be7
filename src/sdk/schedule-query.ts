import type { ScheduleDetails, ScheduleStatus } from "./schedule-details.ts";

/**
 * Selects schedules. A schedule must match every given field; a field with several values matches any of them.
 *
 * @example
 * ```ts
 * const paused: ScheduleQuery = { status: "paused", functionName: "reports:build", limit: 10 };
 * ```
 */
export interface ScheduleQuery {
  /** [active and paused] */
  readonly status?: ScheduleStatus | readonly ScheduleStatus[];
  readonly functionName?: string;
  /** Page size, 1 to 1000. [50] */
  readonly limit?: number;
  /** `nextPageToken` of the previous page. */
  readonly pageToken?: string;
}

/**
 * One page of schedules, sorted by name.
 *
 * @example
 * ```ts
 * const { schedules, total }: SchedulePage = await reseolio.listSchedules({ limit: 10 });
 * console.log(`${schedules.length} of ${total}`);
 * ```
 */
export interface SchedulePage {
  readonly schedules: readonly ScheduleDetails[];
  /** Number of schedules on all pages. */
  readonly total: number;
  /** Absent on the last page. */
  readonly nextPageToken?: string;
}

/** Selects the ticks of a preview. */
export interface PreviewWindow {
  /** Starts after this time. [now] */
  readonly after?: Date;
  /** Number of ticks, 1 to 1000. [10] */
  readonly count?: number;
}

/**
 * Selects the past ticks that get their missing jobs.
 *
 * @example
 * ```ts
 * const lastWeek: BackfillWindow = { from: new Date(Date.now() - 7 * 86_400_000), dryRun: true };
 * ```
 */
export interface BackfillWindow {
  /** The first tick is the one at or after this time, regardless of the schedule's `startAt`. */
  readonly from: Date;
  /** Only ticks before this time, at most now. [now] */
  readonly to?: Date;
  /** Only counts, and enqueues nothing. [false] */
  readonly dryRun?: boolean;
}
