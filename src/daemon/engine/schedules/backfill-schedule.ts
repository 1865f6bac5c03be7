import { type FieldViolation, invalidArgument, scheduleNotFound } from "../../core/errors.ts";
import { checkTime, LAST_TIME } from "../../core/job-options.ts";
import { tickAfter } from "../../core/schedule-ticks.ts";
import type { Schedule } from "../../core/schedule.ts";
import type { Engine } from "../engine.ts";
import type { LaneTransaction } from "../lane/lane-transaction.ts";
import { storeTickJobs, tickJob } from "./fire-schedules.ts";

export interface BackfillRequest {
  readonly name: string;
  /** The earliest tick to enqueue. */
  readonly from: number;
  /** Exclusive, and not in the future. Null: the store's time. */
  readonly to: number | null;
  /** Counts what would be enqueued, and enqueues nothing. */
  readonly dryRun: boolean;
  /** Number of ticks that this call examines, 1 to MAX_BACKFILL; 0 means MAX_BACKFILL. */
  readonly pageSize: number;
  /** The token that the previous call returned; empty for the first. */
  readonly pageToken: string;
}

/** The result of one slice. The caller repeats with the token until it is empty. */
export interface BackfillResult {
  readonly count: number;
  readonly jobIds: readonly string[];
  readonly nextPageToken: string;
}

const MAX_BACKFILL = 1_000;

/**
 * Enqueues jobs for past ticks that have none, oldest first and regardless of catchUp and overlap, even for ticks
 * before the schedule was created or while it was paused. A tick whose job was deleted or pruned has none. Throws
 * not_found.
 */
export async function backfillSchedule(engine: Engine, request: BackfillRequest): Promise<BackfillResult> {
  const from = checkRequest(request);
  return engine.lane.run(async (lane) => {
    const schedule = await lane.tx.schedules.get(request.name);
    if (schedule === null) throw scheduleNotFound(request.name);
    const to = request.to ?? lane.tx.now;
    if (to > lane.tx.now + 1) throw invalidArgument([inFuture(to)]);
    const { ticks, next } = ticksBetween(schedule, from, to, request.pageSize || MAX_BACKFILL);
    const nextPageToken = next === null ? "" : String(next);
    const open = await withoutJobs(lane, schedule, ticks);
    if (request.dryRun || open.length === 0) return { count: open.length, jobIds: [], nextPageToken };
    const stored = await storeTickJobs(
      lane,
      open.map((tickAt) => tickJob(engine, schedule, tickAt)),
    );
    await includeOldJobs(lane, schedule, Math.min(...open));
    return { count: stored.length, jobIds: stored.map(({ job }) => job.jobId), nextPageToken };
  });
}

/** Ignores startAt and endAt: the requested range decides. */
function ticksBetween(
  { spec }: Schedule,
  from: number,
  to: number,
  limit: number,
): { readonly ticks: readonly number[]; readonly next: number | null } {
  const rule = { ...spec, startAt: null, endAt: null };
  const ticks: number[] = [];
  let next = tickAfter(rule, from - 1);
  while (next !== null && next < to && ticks.length < limit) {
    ticks.push(next);
    next = tickAfter(rule, next);
  }
  return { ticks, next: next !== null && next < to ? next : null };
}

async function withoutJobs(
  lane: LaneTransaction,
  { scheduleId }: Schedule,
  ticks: readonly number[],
): Promise<readonly number[]> {
  const [first, last] = [ticks[0], ticks.at(-1)];
  if (first === undefined || last === undefined) return [];
  const taken = new Set(await lane.tx.schedules.listTickTimes(scheduleId, first, last));
  return ticks.filter((tick) => !taken.has(tick));
}

/** Extends the range in which later ticks search for jobs that have not ended. */
async function includeOldJobs(lane: LaneTransaction, schedule: Schedule, oldest: number): Promise<void> {
  const { scheduleId, nextRunAt } = schedule;
  const liveFrom = Math.min(schedule.liveFrom, oldest);
  await lane.tx.schedules.advance([{ scheduleId, nextRunAt, lastRun: null, skipped: 0, liveFrom }]);
}

/** Returns the time at which this slice begins. */
function checkRequest({ from, to, pageSize, pageToken }: BackfillRequest): number {
  const violations: FieldViolation[] = [...checkTime(from, "from")];
  if (to !== null && !(to > from)) violations.push({ field: "to", description: "is not after from; use a later time" });
  if (pageSize > MAX_BACKFILL) {
    const description = `is ${pageSize}; use a whole number from 1 to ${MAX_BACKFILL}`;
    violations.push({ field: "page_size", description });
  }
  if (!/^\d{0,15}$/.test(pageToken) || Number(pageToken) > LAST_TIME) {
    const description = `${JSON.stringify(pageToken)} is not a page token returned by a backfill call`;
    violations.push({ field: "page_token", description });
  }
  if (violations.length > 0) throw invalidArgument(violations);
  return pageToken === "" ? from : Math.max(from, Number(pageToken));
}

function inFuture(to: number): FieldViolation {
  const description = `is ${new Date(to).toISOString()}, which is in the future: future ticks fire by themselves`;
  return { field: "to", description };
}
