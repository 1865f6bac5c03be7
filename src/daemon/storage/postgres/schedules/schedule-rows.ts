import type { Schedule, ScheduleStatus } from "../../../core/schedule.ts";
import {
  SCHEDULE_COLUMN_NAMES,
  scheduleFromRow as fromRow,
  scheduleValues as valuesOf,
  statusFromRow as statusOf,
} from "../../rows/schedule-rows.ts";
import { type Param, storedText } from "../connection/literals.ts";
import { POSTGRES_CODEC, type Row } from "../connection/rows.ts";

export const SCHEDULE_COLUMNS = SCHEDULE_COLUMN_NAMES.map((name) => `schedule.${name}`).join(", ");

/** The columns of a schedule, followed by state and error of its last job. */
export const STATUS_COLUMNS = `${SCHEDULE_COLUMNS}, job.state, job.error`;

/** STATUS_COLUMNS without args: a page of them could be a gigabyte. */
export const LISTED_COLUMNS = STATUS_COLUMNS.replace("schedule.args", "''::bytea");

export function scheduleFromRow(row: Row): Schedule {
  return fromRow(row, POSTGRES_CODEC);
}

export function statusFromRow(row: Row): ScheduleStatus {
  return statusOf(row, POSTGRES_CODEC);
}

/** Values in the order of the columns. */
export function scheduleParams(schedule: Schedule): Param[] {
  return valuesOf(schedule, (id) => id, storedText);
}
