import type { FieldViolation } from "../../core/errors.ts";
import { invalidArgument, scheduleNotFound } from "../../core/errors.ts";
import { checkTime, LAST_TIME } from "../../core/job-options.ts";
import type { Schedule } from "../../core/schedule.ts";
import { tickAfter } from "../../core/schedule-ticks.ts";
import type { LaneTransaction } from "../lane/lane-transaction.ts";
import type { Engine } from "../engine.ts";
import { storeTickJobs, tickJob } from "./fire-schedules.ts";

export interface BackfillRequest {
  readonly name: string;
  /** Ticks from here on. */
  readonly from: number;
  /** Exclusive; not after the store's time, which null stands for. */
  readonly to: number | null;
  /** Tells what would be enqueued, and enqueues nothing. */
  readonly dryRun: boolean;
  /** Ticks looked at by this call, 1 to MAX_BACKFILL; 0 takes MAX_BACKFILL. */
  readonly pageSize: number;
  /** As the last call gave it; empty for the first. */
  readonly pageToken: string;
}

/** What one slice did. The caller repeats with the token until it is empty. */
export interface BackfillResult {
  readonly count: number;
  readonly jobIds: readonly string[];
  readonly nextPageToken: string;
}

export const MAX_BACKFILL = 1_000;

/**
 * Enqueues the jobs of past ticks that have none, oldest first, whatever catchUp and overlap say, also of ticks before
 * the schedule was made or while it was paused. A tick whose job was deleted or pruned has none. Throws not_found.
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

/** startAt and endAt do not bind here: the range says what is wanted. */
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

/** Later ticks must see that these jobs have not ended. */
async function includeOldJobs(lane: LaneTransaction, schedule: Schedule, oldest: number): Promise<void> {
  const { scheduleId, nextRunAt } = schedule;
  const liveFrom = Math.min(schedule.liveFrom, oldest);
  await lane.tx.schedules.advance([{ scheduleId, nextRunAt, lastRun: null, skipped: 0, liveFrom }]);
}

/** Returns the first time to look at. */
function checkRequest({ from, to, pageSize, pageToken }: BackfillRequest): number {
  const violations: FieldViolation[] = [...checkTime(from, "from")];
  if (to !== null && !(to > from))
    violations.push({ field: "to", description: "is not after from; give the end of the range" });
  if (pageSize > MAX_BACKFILL) {
    const description = `is ${pageSize}; give a whole number from 1 to ${MAX_BACKFILL}`;
    violations.push({ field: "page_size", description });
  }
  if (!/^\d{0,15}$/.test(pageToken) || Number(pageToken) > LAST_TIME) {
    const description = `${JSON.stringify(pageToken)} is not one that a backfill answered`;
    violations.push({ field: "page_token", description });
  }
  if (violations.length > 0) throw invalidArgument(violations);
  return pageToken === "" ? from : Math.max(from, Number(pageToken));
}

function inFuture(to: number): FieldViolation {
  const description = `is ${new Date(to).toISOString()}, which is to come: ticks to come are fired by themselves`;
  return { field: "to", description };
}
