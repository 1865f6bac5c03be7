import { SCHEDULE_HEADER, SCHEDULED_AT_HEADER } from "#proto/contract.ts";
import { dueTicks, jitterOf } from "../../core/schedule-ticks.ts";
import type { Schedule } from "../../core/schedule.ts";
import type { NewJob } from "../../storage/seam/jobs.ts";
import type { LiveTick, NewTick, ScheduleAdvance } from "../../storage/seam/schedules.ts";
import type { Engine } from "../engine.ts";
import type { LaneTransaction } from "../lane/lane-transaction.ts";

/** Delay before a schedule whose ticks cannot be computed is tried again. */
const FAULT_RETRY_MS = 60_000;
/** Ticks that one commit fires: about 15 ms, so that nobody waits for the schedules. */
const TICKS_PER_SLICE = 500;

/** The result of one slice, for the metrics. */
export interface FiredSlice {
  /** Whether more ticks may be due. */
  readonly isFull: boolean;
  readonly fired: number;
  readonly skipped: number;
  /** Lateness of the ticks that were not missed. */
  readonly lateMs: readonly number[];
  /** Schedules whose ticks this daemon cannot compute, with the reason; it retries them in a minute. */
  readonly faults: readonly string[];
}

/**
 * Fires every due tick of all schedules, one slice per commit. The jobs of the ticks and the schedules' next ticks are
 * written together, so that after a crash a slice has fired completely or not at all, and the next run continues there.
 * Returns how many schedules were due, without those that another daemon is firing at the moment.
 */
export async function fireSchedules(engine: Engine): Promise<number> {
  for (let found = 0; ;) {
    const slice = await engine.lane.run(async (lane) => {
      const due = await lane.tx.schedules.listDue(TICKS_PER_SLICE);
      return { ...(await fireDue(engine, lane, due)), due: due.length };
    });
    engine.schedules.record(slice);
    found += slice.due;
    if (!slice.isFull) return found;
  }
}

/** One schedule's share of a slice. */
interface Firing {
  readonly schedule: Schedule;
  readonly ticks: readonly number[];
  readonly nextRunAt: number | null;
  readonly fault: string | null;
}

/** Fires the due ticks of schedules that the transaction has locked; at most a slice. */
export async function fireDue(
  engine: Engine,
  lane: LaneTransaction,
  schedules: readonly Schedule[],
): Promise<FiredSlice> {
  const { now } = lane.tx;
  const missedBefore = engine.schedules.observe(now);
  const firings = planSlice(schedules, now, missedBefore);
  const liveFrom = await findOverlaps(lane, firings);
  const planned = firings.map((firing) => withoutOverlaps(firing, liveFrom.get(firing.schedule.scheduleId)));
  const jobIds = await enqueueTicks(engine, lane, planned);
  await lane.tx.schedules.advance(planned.map((one) => advanceOf(one, jobIds)));
  const ticks = planned.flatMap((one) => one.ticks);
  return {
    isFull:
      schedules.length === TICKS_PER_SLICE ||
      firings.length < schedules.length ||
      firings.some(({ nextRunAt }) => isDue(nextRunAt, now)),
    fired: jobIds.size,
    skipped: planned.reduce((sum, one) => sum + one.skipped, 0),
    lateMs: ticks.filter((tick) => tick >= missedBefore).map((tick) => now - tick),
    faults: firings.flatMap(({ fault }) => fault ?? []),
  };
}

function isDue(nextRunAt: number | null, now: number): boolean {
  return nextRunAt !== null && nextRunAt <= now;
}

/** Plans one slice. Schedules that do not fit stay due, and are first in the next slice. */
function planSlice(schedules: readonly Schedule[], now: number, missedBefore: number): readonly Firing[] {
  const firings: Firing[] = [];
  let room = TICKS_PER_SLICE;
  for (const schedule of schedules) {
    const firing = planFiring(schedule, now, missedBefore, room);
    firings.push(firing);
    room -= firing.ticks.length;
    if (room === 0) break;
  }
  return firings;
}

/**
 * Catches faults: a schedule that this daemon cannot compute, such as one with a new time zone, must not block others.
 */
function planFiring(schedule: Schedule, now: number, missedBefore: number, limit: number): Firing {
  try {
    return { schedule, ...dueTicks(schedule, now, missedBefore, limit), fault: null };
  } catch (error) {
    const fault = `${JSON.stringify(schedule.name)}: ${error instanceof Error ? error.message : String(error)}`;
    return { schedule, ticks: [], nextRunAt: now + FAULT_RETRY_MS, fault };
  }
}

interface PlannedFiring extends Firing {
  readonly skipped: number;
  readonly liveFrom: number;
}

type Overlaps = ReadonlyMap<string, LiveTick>;

async function findOverlaps(lane: LaneTransaction, firings: readonly Firing[]): Promise<Overlaps> {
  const careful = firings.filter(({ schedule, ticks }) => schedule.spec.overlap === "skip" && ticks.length > 0);
  if (careful.length === 0) return new Map();
  const queries = careful.map(({ schedule }) => ({ scheduleId: schedule.scheduleId, from: schedule.liveFrom }));
  const found = await lane.tx.schedules.findLiveTicks(queries);
  return new Map(careful.map(({ schedule }, index) => [schedule.scheduleId, found[index] as LiveTick]));
}

/** Skips overlapping ticks. Of several ticks at once the first is enqueued, and the others overlap with it. */
function withoutOverlaps(firing: Firing, overlap: ReturnType<Overlaps["get"]>): PlannedFiring {
  if (overlap === undefined) return { ...firing, skipped: 0, liveFrom: firing.schedule.liveFrom };
  const ticks = overlap.isLive ? [] : firing.ticks.slice(0, 1);
  return { ...firing, ticks, skipped: firing.ticks.length - ticks.length, liveFrom: overlap.liveFrom };
}

/** Stores the jobs of ticks that have none yet. Returns their IDs by schedule and tick. */
async function enqueueTicks(
  engine: Engine,
  lane: LaneTransaction,
  firings: readonly PlannedFiring[],
): Promise<ReadonlyMap<string, string>> {
  const jobs = firings.flatMap(({ schedule, ticks }) => ticks.map((tickAt) => tickJob(engine, schedule, tickAt)));
  const stored = await storeTickJobs(lane, jobs);
  return new Map(stored.map(({ tick }) => [keyOf(tick.scheduleId, tick.tickAt), tick.jobId]));
}

/** A tick and its job. */
export interface TickJob {
  readonly tick: NewTick;
  readonly job: NewJob;
}

/** Records the ticks and stores the jobs of those that are new. Returns the new ones. */
export async function storeTickJobs(lane: LaneTransaction, jobs: readonly TickJob[]): Promise<readonly TickJob[]> {
  if (jobs.length === 0) return [];
  const isNew = await lane.tx.schedules.recordTicks(jobs.map(({ tick }) => tick));
  const fresh = jobs.filter((_, index) => isNew[index]);
  await lane.enqueue(fresh.map(({ job }) => job));
  return fresh;
}

/** Builds the job of a tick, delayed by the tick's own jitter. */
export function tickJob(engine: Engine, schedule: Schedule, tickAt: number): TickJob {
  const { scheduleId, name, spec } = schedule;
  const jitterMs = jitterOf(scheduleId, tickAt, spec.jitterMs);
  const jobId = engine.newJobId();
  return {
    tick: { scheduleId, tickAt, jobId },
    job: {
      jobId,
      functionName: spec.functionName,
      args: spec.args,
      options: {
        ...spec.options,
        runAt: jitterMs === 0 ? null : tickAt + jitterMs,
        headers: {
          ...spec.options.headers,
          [SCHEDULE_HEADER]: name,
          [SCHEDULED_AT_HEADER]: new Date(tickAt).toISOString(),
        },
      },
      parentId: null,
    },
  };
}

function advanceOf(firing: PlannedFiring, jobIds: ReadonlyMap<string, string>): ScheduleAdvance {
  const { schedule, nextRunAt, skipped, liveFrom } = firing;
  const { scheduleId } = schedule;
  const runs = firing.ticks.flatMap((at) => {
    const jobId = jobIds.get(keyOf(scheduleId, at));
    return jobId === undefined ? [] : [{ at, jobId }];
  });
  return { scheduleId, nextRunAt, lastRun: runs.at(-1) ?? null, skipped, liveFrom };
}

function keyOf(scheduleId: string, tickAt: number | null): string {
  return `${scheduleId}/${tickAt}`;
}
