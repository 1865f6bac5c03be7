import type { JobOptions } from "../../core/job-options.ts";
import type { Schedule, ScheduleStatus } from "../../core/schedule.ts";
import { CATCH_UP_CODES, OVERLAP_CODES, SCHEDULE_STATE_CODES } from "../codes.ts";
import { catchUpOf, overlapOf, scheduleStateOf, stateOf } from "../codes.ts";
import { type Param, readText, storedText } from "./literals.ts";
import { errorFromText, type Row } from "./rows.ts";

/** In the order of `scheduleFromRow`; what `scheduleParams` gives comes in the same order. */
export const SCHEDULE_COLUMN_NAMES = [
  "id",
  "name",
  "state",
  "next_run_at",
  "last_run_at",
  "last_job_id",
  "live_from",
  "skipped",
  "created_at",
  "updated_at",
  "function_name",
  "cron",
  "time_zone",
  "catch_up",
  "max_catch_up",
  "overlap",
  "jitter_ms",
  "start_at",
  "end_at",
  "options",
  "args",
] as const;

export const SCHEDULE_COLUMNS = SCHEDULE_COLUMN_NAMES.map((name) => `schedule.${name}`).join(", ");

export function scheduleFromRow(row: Row): Schedule {
  return {
    scheduleId: row[0] as string,
    name: readText(row[1] as string),
    state: scheduleStateOf(row[2] as number),
    nextRunAt: row[3] as number | null,
    lastRunAt: row[4] as number | null,
    lastJobId: row[5] as string | null,
    liveFrom: row[6] as number,
    skipped: row[7] as number,
    createdAt: row[8] as number,
    updatedAt: row[9] as number,
    spec: {
      functionName: readText(row[10] as string),
      cron: row[11] as string,
      timeZone: row[12] as string,
      catchUp: catchUpOf(row[13] as number),
      maxCatchUp: row[14] as number,
      overlap: overlapOf(row[15] as number),
      jitterMs: row[16] as number,
      startAt: row[17] as number | null,
      endAt: row[18] as number | null,
      options: JSON.parse(row[19] as string) as JobOptions,
      args: row[20] as Uint8Array,
    },
  };
}

export function scheduleParams(schedule: Schedule): Param[] {
  const { spec } = schedule;
  return [
    schedule.scheduleId,
    storedText(schedule.name),
    SCHEDULE_STATE_CODES[schedule.state],
    schedule.nextRunAt,
    schedule.lastRunAt,
    schedule.lastJobId,
    schedule.liveFrom,
    schedule.skipped,
    schedule.createdAt,
    schedule.updatedAt,
    storedText(spec.functionName),
    spec.cron,
    spec.timeZone,
    CATCH_UP_CODES[spec.catchUp],
    spec.maxCatchUp,
    OVERLAP_CODES[spec.overlap],
    spec.jitterMs,
    spec.startAt,
    spec.endAt,
    JSON.stringify(spec.options),
    spec.args,
  ];
}

/** Behind the columns of a schedule stand state and error of its last job. */
export const STATUS_COLUMNS = `${SCHEDULE_COLUMNS}, job.state, job.error`;

/** The same without args: a page of them could be a gigabyte. */
export const LISTED_COLUMNS = STATUS_COLUMNS.replace("schedule.args", "''::bytea");

export function statusFromRow(row: Row): ScheduleStatus {
  const [state, error] = row.slice(SCHEDULE_COLUMN_NAMES.length) as [number | null, string | null];
  const lastJob = state === null ? null : { state: stateOf(state), error: errorFromText(error) };
  return { schedule: scheduleFromRow(row), lastJob };
}
