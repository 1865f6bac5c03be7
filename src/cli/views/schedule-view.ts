/** How schedules are printed, and the JSON format that programs rely on. */
import type { Schedule, ScheduleSpec } from "#proto/gen/reseolio/v1/schedule_service_pb.ts";
import type { Listing, RecordView } from "../terminal/output.ts";
import { formatDuration } from "../text/duration.ts";
import { stateName } from "../text/job-states.ts";
import { embedJson } from "../text/json-text.ts";
import { scheduleStateName } from "../text/schedule-states.ts";
import { isoTime } from "../text/timestamps.ts";
import { errorJson, errorLine, optionsJson, optionsLine } from "./job-view.ts";
import { SCHEDULE_STATE_PAINT, STATE_PAINT } from "./state-paint.ts";
import { timeColumn, timeField } from "./time-view.ts";

const CATCH_UP_NAMES = ["latest", "none", "latest", "all"] as const;
const OVERLAP_NAMES = ["allow", "allow", "skip"] as const;

/** Every key is always present; values that do not apply are null. */
export function scheduleJson(schedule: Schedule): Record<string, unknown> {
  return { ...scheduleSummaryJson(schedule), args: embedJson(schedule.spec?.args ?? new Uint8Array()) ?? [] };
}

/** A schedule as a list returns it: without arguments. */
function scheduleSummaryJson(schedule: Schedule): Record<string, unknown> {
  return {
    scheduleId: schedule.scheduleId,
    name: schedule.name,
    state: scheduleStateName(schedule.state),
    ...specJson(schedule.spec),
    nextRunAt: isoTime(schedule.nextRunAt),
    lastRunAt: isoTime(schedule.lastRunAt),
    lastJob: lastJobJson(schedule),
    skipped: Number(schedule.skipped),
    createdAt: isoTime(schedule.createdAt),
    updatedAt: isoTime(schedule.updatedAt),
  };
}

function specJson(spec: ScheduleSpec | undefined): Record<string, unknown> {
  return {
    functionName: spec?.functionName ?? null,
    cron: spec?.cron ?? null,
    timezone: spec?.timeZone ?? null,
    catchUp: CATCH_UP_NAMES[spec?.catchUp ?? 0] ?? null,
    maxCatchUp: spec?.maxCatchUp ?? null,
    overlap: OVERLAP_NAMES[spec?.overlap ?? 0] ?? null,
    jitterMs: spec?.jitterMs ?? 0,
    startAt: isoTime(spec?.startAt),
    endAt: isoTime(spec?.endAt),
    options: spec?.options === undefined ? null : tickOptionsJson(spec.options),
  };
}

function tickOptionsJson(options: NonNullable<ScheduleSpec["options"]>): Record<string, unknown> {
  const { idempotencyKey: _key, ...shown } = optionsJson(options);
  return {
    ...shown,
    backoff: options.backoff === 0 ? null : shown["backoff"],
    startWithinMs: options.startWithinMs === undefined ? null : Number(options.startWithinMs),
    finishWithinMs: options.finishWithinMs === undefined ? null : Number(options.finishWithinMs),
  };
}

function lastJobJson(schedule: Schedule): Record<string, unknown> | null {
  if (schedule.lastJobId === "") return null;
  const state = schedule.lastJobState === 0 ? null : stateName(schedule.lastJobState);
  return { jobId: schedule.lastJobId, state, error: errorJson(schedule.lastJobError) };
}

export const SCHEDULE_LISTING: Listing<Schedule> = {
  name: "schedules",
  columns: [
    { header: "NAME", value: (one) => one.name },
    { header: "FUNCTION", value: (one) => one.spec?.functionName ?? "" },
    {
      header: "STATE",
      value: (one) => scheduleStateName(one.state),
      paint: (one) => SCHEDULE_STATE_PAINT[scheduleStateName(one.state)],
    },
    { header: "CRON", value: (one) => one.spec?.cron ?? "" },
    { header: "ZONE", value: (one) => one.spec?.timeZone ?? "" },
    timeColumn("NEXT", (one) => one.nextRunAt),
    timeColumn("LAST", (one) => one.lastRunAt),
    {
      header: "OUTCOME",
      value: outcomeText,
      paint: (one) => (one.lastJobState === 0 ? undefined : STATE_PAINT[stateName(one.lastJobState)]),
    },
    { header: "ERROR", value: (one) => errorLine(one.lastJobError) },
  ],
  json: scheduleSummaryJson,
  id: (one) => one.name,
  empty: "no schedules; create one with: reseolio schedules create NAME --function F --cron '0 8 * * *'",
};

/** The state of the job of the latest tick. */
function outcomeText(schedule: Schedule): string {
  return schedule.lastJobState === 0 ? "" : stateName(schedule.lastJobState);
}

export function scheduleRecord(schedule: Schedule, now: number): RecordView {
  const { spec } = schedule;
  const json = scheduleJson(schedule);
  const last = schedule.lastJobId === "";
  return {
    id: schedule.name,
    json,
    fields: [
      { label: "name", value: schedule.name },
      { label: "id", value: schedule.scheduleId },
      { label: "state", value: scheduleStateName(schedule.state) },
      { label: "function", value: spec?.functionName },
      { label: "args", value: new TextDecoder().decode(spec?.args ?? new Uint8Array()) || "[]" },
      { label: "cron", value: spec?.cron },
      { label: "zone", value: spec?.timeZone },
      { label: "catch up", value: catchUpText(spec) },
      { label: "overlap", value: OVERLAP_NAMES[spec?.overlap ?? 0] },
      { label: "jitter", value: jitterText(spec), short: formatDuration(spec?.jitterMs ?? 0) },
      timeField("start at", spec?.startAt, now),
      timeField("end at", spec?.endAt, now),
      { label: "options", value: JSON.stringify(json["options"]), short: tickOptionsLine(spec?.options) },
      timeField("next run", schedule.nextRunAt, now),
      timeField("last run", schedule.lastRunAt, now),
      { label: "last job", value: last ? undefined : schedule.lastJobId },
      { label: "last outcome", value: last ? undefined : outcomeText(schedule) || "no longer stored" },
      { label: "last error", value: errorLine(schedule.lastJobError) || undefined },
      { label: "skipped", value: schedule.skipped === 0n ? undefined : String(schedule.skipped) },
      timeField("created", schedule.createdAt, now),
      timeField("updated", schedule.updatedAt, now),
    ],
  };
}

function catchUpText(spec: ScheduleSpec | undefined): string {
  const name = CATCH_UP_NAMES[spec?.catchUp ?? 0] ?? "";
  return name === "all" && spec?.maxCatchUp !== undefined ? `all, at most ${spec.maxCatchUp}` : name;
}

function jitterText(spec: ScheduleSpec | undefined): string | undefined {
  return spec?.jitterMs === undefined || spec.jitterMs === 0 ? undefined : String(spec.jitterMs);
}

function tickOptionsLine(options: ScheduleSpec["options"]): string {
  const parts = [`${options?.maxAttempts ?? "?"} attempts`, optionsLine(options)];
  if (options?.startWithinMs !== undefined) parts.push(`start within ${formatDuration(Number(options.startWithinMs))}`);
  if (options?.finishWithinMs !== undefined) {
    parts.push(`finish within ${formatDuration(Number(options.finishWithinMs))}`);
  }
  return parts.join("; ");
}
