import { invalidArgument, scheduleNotFound } from "../../core/errors.ts";
import type { ScheduleState, ScheduleStatus } from "../../core/schedule.ts";
import { isUuid } from "../../core/uuid.ts";
import type { ScheduleCursor } from "../../storage/seam/schedules.ts";
import type { Engine } from "../engine.ts";
import { DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE } from "../jobs/read-jobs.ts";

/** A schedule with the present state of its last job. Throws not_found. */
export async function getSchedule(engine: Engine, name: string): Promise<ScheduleStatus> {
  const status = await engine.store.schedules.get(name);
  if (status === null) throw scheduleNotFound(name);
  return status;
}

export interface SchedulePageRequest {
  /** Empty: ACTIVE and PAUSED. */
  readonly states: readonly ScheduleState[];
  /** Empty: of all functions. */
  readonly functionName: string;
  /** 1 to MAX_PAGE_SIZE; 0 means DEFAULT_PAGE_SIZE. */
  readonly pageSize: number;
  /** The token that came with the previous page; empty for the first page. */
  readonly pageToken: string;
}

/** Lists a page of schedules, sorted by name, and the number of schedules on all pages. */
export async function listSchedules(
  engine: Engine,
  { states, functionName, pageSize, pageToken }: SchedulePageRequest,
): Promise<{ readonly schedules: readonly ScheduleStatus[]; readonly nextPageToken: string; readonly total: number }> {
  if (pageSize > MAX_PAGE_SIZE) {
    const description = `is ${pageSize}; use a whole number from 1 to ${MAX_PAGE_SIZE}`;
    throw invalidArgument([{ field: "page_size", description }]);
  }
  const { schedules, next, total } = await engine.store.schedules.list({
    states: states.length === 0 ? ["ACTIVE", "PAUSED"] : states,
    functionName: functionName === "" ? null : functionName,
    limit: pageSize === 0 ? DEFAULT_PAGE_SIZE : pageSize,
    after: pageToken === "" ? null : readToken(pageToken),
  });
  return { schedules, nextPageToken: next === null ? "" : writeToken(next), total };
}

export interface ScheduleStats {
  readonly active: number;
  readonly paused: number;
  /** The earliest tick of all schedules that has not fired; null when none will come. */
  readonly nextRunAt: number | null;
  /** How long it has been due, by the store's clock; 0 while it is in the future. */
  readonly overdueMs: number;
}

/** Figures of all schedules together. */
export async function describeSchedules({ store }: Engine): Promise<ScheduleStats> {
  const count = async (state: ScheduleState): Promise<number> =>
    (await store.schedules.list({ states: [state], functionName: null, limit: 1, after: null })).total;
  const [active, paused, { now, nextRunAt }] = await Promise.all([
    count("ACTIVE"),
    count("PAUSED"),
    store.schedules.nextTick(),
  ]);
  return { active, paused, nextRunAt, overdueMs: nextRunAt === null ? 0 : Math.max(0, now - nextRunAt) };
}

function writeToken({ name, scheduleId }: ScheduleCursor): string {
  return Buffer.from(`${scheduleId}/${name}`).toString("base64url");
}

function readToken(token: string): ScheduleCursor {
  const text = Buffer.from(token, "base64url").toString();
  const scheduleId = text.slice(0, 36);
  if (isUuid(scheduleId) && text[36] === "/") return { scheduleId, name: text.slice(37) };
  throw invalidArgument([
    { field: "page_token", description: `${JSON.stringify(token)} is not a page token returned by a list call` },
  ]);
}
