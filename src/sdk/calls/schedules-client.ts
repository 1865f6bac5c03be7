import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { BackfillScheduleRequestSchema, Schedule } from "#proto/gen/reseolio/v1/schedule_service_pb.ts";
import { uuidV7 } from "#proto/uuid-v7.ts";
import { ReseolioError } from "../errors.ts";
import type { JobOptions } from "../options/job-options.ts";
import { checkDate, checkNames, show } from "../options/option-faults.ts";
import type { ScheduleRule, ScheduleUpdate } from "../options/schedule-options.ts";
import type { ScheduleDetails, ScheduleStatus, ScheduleTick } from "../schedule-details.ts";
import type { BackfillWindow, PreviewWindow, SchedulePage, ScheduleQuery } from "../schedule-query.ts";
import type { Client } from "../transport/client.ts";
import { scheduleDetailsOf, scheduleStateOf, tickOf } from "./decode-schedule.ts";
import {
  checkScheduleName,
  CLEARABLE_FIELDS,
  encodeRule,
  encodeScheduleUpdate,
  type ScheduleSpecInit,
} from "./encode-schedule.ts";
import { pageSizeOf, type UnaryCalls } from "./unary-calls.ts";

/**
 * Creates, reads and changes schedules. All calls but the deletion are idempotent and retried when an answer is lost.
 */
export class SchedulesClient {
  readonly #client: Client;
  readonly #calls: UnaryCalls;

  constructor(client: Client, calls: UnaryCalls) {
    this.#client = client;
    this.#calls = calls;
  }

  /** @param onDuplicate what to do when a schedule of this name has different content */
  async createSchedule(
    name: string,
    spec: ScheduleSpecInit,
    onDuplicate: "reject" | "update",
  ): Promise<ScheduleDetails> {
    try {
      const { schedule } = await this.#calls.repeat(() => this.#client.schedules.createSchedule({ name, spec }));
      return detailsOf(schedule, name);
    } catch (error) {
      const exists = error instanceof ReseolioError && error.code === "already_exists";
      if (!exists) throw error;
      if (onDuplicate === "reject") throw conflict(error);
      return this.#replace(name === "" ? (spec.functionName ?? "") : name, spec);
    }
  }

  /** Makes the content of a schedule equal to the spec's. */
  async #replace(name: string, spec: ScheduleSpecInit): Promise<ScheduleDetails> {
    const clearFields = CLEARABLE_FIELDS.filter((field) => !Object.hasOwn(spec, camelCase(field)));
    const request = { name, spec, clearFields };
    const { schedule } = await this.#calls.repeat(() => this.#client.schedules.updateSchedule(request));
    return detailsOf(schedule, name);
  }

  async getSchedule(name: string): Promise<ScheduleDetails> {
    checkScheduleName(name);
    const { schedule } = await this.#calls.repeat(() => this.#client.schedules.getSchedule({ name }));
    return detailsOf(schedule, name);
  }

  async listSchedules(query: ScheduleQuery): Promise<SchedulePage> {
    const { status, functionName = "", pageToken = "" } = query;
    const statuses = status === undefined ? [] : typeof status === "string" ? [status] : status;
    const request = { states: statuses.map(checkedState), functionName, pageSize: pageSizeOf(query.limit), pageToken };
    const page = await this.#calls.repeat(() => this.#client.schedules.listSchedules(request));
    const { nextPageToken, total } = page;
    const schedules = page.schedules.map(scheduleDetailsOf);
    return { schedules, total, ...(nextPageToken === "" ? {} : { nextPageToken }) };
  }

  /** @param optionsOf a function's own options: the defaults of the job options, if those change */
  async updateSchedule(
    name: string,
    update: ScheduleUpdate,
    optionsOf: (functionName: string) => JobOptions,
  ): Promise<ScheduleDetails> {
    checkScheduleName(name);
    // From JavaScript it may be anything; encodeScheduleUpdate reports what is wrong with it.
    const needsBase = ((update as ScheduleUpdate | undefined)?.jobOptions ?? null) !== null;
    const base = needsBase ? optionsOf(update.functionName ?? (await this.getSchedule(name)).functionName) : {};
    const request = { name, ...encodeScheduleUpdate(name, update, base) };
    const { schedule } = await this.#calls.repeat(() => this.#client.schedules.updateSchedule(request));
    return detailsOf(schedule, name);
  }

  async pauseSchedule(name: string): Promise<ScheduleDetails> {
    checkScheduleName(name);
    const { schedule } = await this.#calls.repeat(() => this.#client.schedules.pauseSchedule({ name }));
    return detailsOf(schedule, name);
  }

  async resumeSchedule(name: string): Promise<ScheduleDetails> {
    checkScheduleName(name);
    const { schedule } = await this.#calls.repeat(() => this.#client.schedules.resumeSchedule({ name }));
    return detailsOf(schedule, name);
  }

  /** Not retried when the answer is lost: the second answer would be false although the first call deleted it. */
  async deleteSchedule(name: string): Promise<boolean> {
    checkScheduleName(name);
    return (await this.#calls.once(() => this.#client.schedules.deleteSchedule({ name }))).deleted;
  }

  /** @returns the ID of the job, which is chosen here so that a retried call enqueues only one */
  async triggerSchedule(name: string): Promise<string> {
    checkScheduleName(name);
    const jobId = uuidV7();
    const answer = await this.#calls.repeat(() => this.#client.schedules.triggerSchedule({ name, jobId }));
    return answer.jobId === "" ? jobId : answer.jobId;
  }

  /** If the answer to a page is lost, the count includes only the jobs that the retried call enqueued. */
  async backfillSchedule(name: string, window: BackfillWindow): Promise<number> {
    checkScheduleName(name);
    const request = { name, ...encodeBackfill(name, window) };
    let count = 0;
    let pageToken = "";
    do {
      const slice = { ...request, pageToken };
      const answer = await this.#calls.repeat(() => this.#client.schedules.backfillSchedule(slice));
      count += answer.count;
      pageToken = answer.nextPageToken;
    } while (pageToken !== "");
    return count;
  }

  async previewSchedule(
    schedule: string | ScheduleRule,
    window: PreviewWindow,
  ): Promise<{ readonly timezone: string; readonly ticks: readonly ScheduleTick[] }> {
    if (typeof schedule === "string") checkScheduleName(schedule);
    const of = typeof schedule === "string" ? { name: schedule } : { spec: encodeRule(schedule) };
    const after = checkedTime(window.after);
    const request = {
      ...of,
      count: pageSizeOf(window.count, "count"),
      ...(after === undefined ? {} : { after: timestampFromDate(after) }),
    };
    const { ticks, timeZone } = await this.#calls.repeat(() => this.#client.schedules.previewSchedule(request));
    return { timezone: timeZone, ticks: ticks.map(tickOf) };
  }
}

const BACKFILL_NAMES: ReadonlySet<string> = new Set<keyof BackfillWindow>(["from", "to", "dryRun"]);

function encodeBackfill(name: string, window: BackfillWindow): MessageInitShape<typeof BackfillScheduleRequestSchema> {
  const faults: string[] = [];
  checkNames(window, BACKFILL_NAMES, faults);
  const { from, to, dryRun = false } = window;
  if (from === undefined) faults.push("option from is missing; pass the Date of the first tick");
  checkDate("from", from, faults);
  checkDate("to", to, faults);
  if (faults.length === 0 && to !== undefined && from >= to) {
    faults.push(`option to is ${show(to)}, which is not after from; the window is empty`);
  }
  if (faults.length > 0) throw new ReseolioError("invalid_argument", `backfill of ${name}: ${faults.join("; ")}`);
  return { dryRun, from: timestampFromDate(from), ...(to === undefined ? {} : { to: timestampFromDate(to) }) };
}

function checkedState(status: ScheduleStatus): ReturnType<typeof scheduleStateOf> {
  const state: unknown = scheduleStateOf(status);
  if (state !== undefined) return scheduleStateOf(status);
  const given = JSON.stringify(status) ?? "undefined";
  throw new ReseolioError("invalid_argument", `status is ${given}; valid values: active, paused, deleted`);
}

function checkedTime(after: unknown): Date | undefined {
  const faults: string[] = [];
  checkDate("after", after, faults);
  if (faults.length > 0) throw new ReseolioError("invalid_argument", `preview: ${faults.join("; ")}`);
  return after instanceof Date ? after : undefined;
}

/** Adds what a program can do about it. */
function conflict(error: ReseolioError): ReseolioError {
  const message = `${error.message}; use onDuplicate: "update" to update it with this call`;
  return new ReseolioError("already_exists", message, { cause: error });
}

function camelCase(field: string): string {
  return field.replaceAll(/_(\w)/g, (_match, letter: string) => letter.toUpperCase());
}

function detailsOf(schedule: Schedule | undefined, name: string): ScheduleDetails {
  if (schedule !== undefined) return scheduleDetailsOf(schedule);
  throw new ReseolioError("internal", `the daemon's response does not contain schedule ${JSON.stringify(name)}`);
}
