import type { Schedule, ScheduleStatus } from "../../../core/schedule.ts";
import { jobIdBytes } from "../../rows/job-id.ts";
import {
  SCHEDULE_COLUMN_NAMES,
  scheduleFromRow as fromRow,
  scheduleValues as valuesOf,
  statusFromRow as statusOf,
} from "../../rows/schedule-rows.ts";
import { type Row, SQLITE_CODEC, type Value } from "../connection/rows.ts";

export const SCHEDULE_COLUMNS = SCHEDULE_COLUMN_NAMES.map((name) => `schedules.${name}`).join(", ");

/** The columns of a schedule, followed by state and error of its last job. */
export const STATUS_COLUMNS = `${SCHEDULE_COLUMNS}, jobs.state, jobs.error`;

/** STATUS_COLUMNS without args: a page of them could be a gigabyte. */
export const LISTED_COLUMNS = STATUS_COLUMNS.replace("schedules.args", "x''");

export function scheduleFromRow(row: Row): Schedule {
  return fromRow(row, SQLITE_CODEC);
}

export function statusFromRow(row: Row): ScheduleStatus {
  return statusOf(row, SQLITE_CODEC);
}

/** Values in the order of the columns. */
export function scheduleValues(schedule: Schedule): Value[] {
  return valuesOf(schedule, jobIdBytes, (text) => text);
}
