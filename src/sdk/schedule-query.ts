import type { ScheduleDetails, ScheduleStatus } from "./schedule-details.ts";

/**
 * Which schedules; fields are joined by and, values of one field by or.
 *
 * @example
 * ```ts
 * const asleep: ScheduleQuery = { status: "paused", functionName: "reports:build", limit: 10 };
 * ```
 */
export interface ScheduleQuery {
  /** [active and paused] */
  readonly status?: ScheduleStatus | readonly ScheduleStatus[];
  readonly functionName?: string;
  /** Schedules of one page, 1 to 1000. [50] */
  readonly limit?: number;
  /** From the page before. */
  readonly pageToken?: string;
}

/**
 * One page of schedules, by name.
 *
 * @example
 * ```ts
 * const { schedules, total }: SchedulePage = await reseolio.listSchedules({ limit: 10 });
 * console.log(`${schedules.length} of ${total}`);
 * ```
 */
export interface SchedulePage {
  readonly schedules: readonly ScheduleDetails[];
  /** Of all pages. */
  readonly total: number;
  /** Absent on the last page. */
  readonly nextPageToken?: string;
}

/** Which ticks of a preview. */
export interface PreviewWindow {
  /** Ticks after this time. [now] */
  readonly after?: Date;
  /** 1 to 1000. [10] */
  readonly count?: number;
}

/**
 * Which past ticks get the jobs that they lack.
 *
 * @example
 * ```ts
 * const lastWeek: BackfillWindow = { from: new Date(Date.now() - 7 * 86_400_000), dryRun: true };
 * ```
 */
export interface BackfillWindow {
  /** The first tick is the one at this time or after it, whatever the schedule's `startAt` says. */
  readonly from: Date;
  /** Ticks before this time only, not after now. [now] */
  readonly to?: Date;
  /** Only counts. [false] */
  readonly dryRun?: boolean;
}
