/** Schedules as rows of both stores, by the codec of each. */
import type { JobOptions } from "../../core/job-options.ts";
import type { Schedule, ScheduleStatus } from "../../core/schedule.ts";
import {
  CATCH_UP_CODES,
  catchUpOf,
  errorFromText,
  orNull,
  OVERLAP_CODES,
  overlapOf,
  type RowCodec,
  SCHEDULE_STATE_CODES,
  scheduleStateOf,
  stateOf,
  type StoredRow,
  type StoredValue,
} from "./job-rows.ts";

/** In the order in which `scheduleFromRow` reads them and `scheduleValues` returns them. */
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

export function scheduleFromRow(row: StoredRow, { idOf, textOf }: RowCodec): Schedule {
  return {
    scheduleId: idOf(row[0] as StoredValue),
    name: textOf(row[1] as StoredValue),
    state: scheduleStateOf(row[2] as number),
    nextRunAt: row[3] as number | null,
    lastRunAt: row[4] as number | null,
    lastJobId: orNull(row[5], idOf),
    liveFrom: row[6] as number,
    skipped: row[7] as number,
    createdAt: row[8] as number,
    updatedAt: row[9] as number,
    spec: {
      functionName: textOf(row[10] as StoredValue),
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

/** The values of a row, with ids and texts as the store writes them. */
export function scheduleValues<Id, Text>(
  { spec, ...schedule }: Schedule,
  storedId: (id: string) => Id,
  storedText: (text: string) => Text,
): (Id | Text | number | string | Uint8Array | null)[] {
  return [
    storedId(schedule.scheduleId),
    storedText(schedule.name),
    SCHEDULE_STATE_CODES[schedule.state],
    schedule.nextRunAt,
    schedule.lastRunAt,
    schedule.lastJobId === null ? null : storedId(schedule.lastJobId),
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

/** Reads a row of a schedule, followed by state and error of its last job. */
export function statusFromRow(row: StoredRow, codec: RowCodec): ScheduleStatus {
  const [state, error] = row.slice(SCHEDULE_COLUMN_NAMES.length) as [number | null, string | null];
  const lastJob = state === null ? null : { state: stateOf(state), error: errorFromText(error) };
  return { schedule: scheduleFromRow(row, codec), lastJob };
}
