import { invalidArgument } from "../../core/errors.ts";
import type { Job } from "../../core/job.ts";
import type { ManualClock } from "../../core/manual-clock.ts";
import type { Engine } from "../engine.ts";

/** A manual clock and what follows it. */
export interface ManualTime {
  readonly clock: ManualClock;
  /** Runs every loop once, now. */
  readonly runLoops: () => Promise<void>;
}

export interface MovedClock {
  readonly now: number;
  /** Null when nothing is due. */
  readonly nextDueAt: number | null;
  /** Jobs that were still running when the wait timed out. */
  readonly busy: readonly Job[];
}

/** Interval at which busy workers are polled. */
const POLL_MS = 1;

/**
 * Moves the time, runs what is due, and waits up to `waitMs` of real time until all workers of this daemon are idle.
 * Throws invalid_argument for a time in the past.
 *
 * @param to null keeps the time as it is
 */
export async function moveClock(
  engine: Engine,
  time: ManualTime,
  to: number | null,
  waitMs: number,
): Promise<MovedClock> {
  if (to !== null && !time.clock.moveTo(to)) throw inThePast(to, time.clock.now());
  const endAt = time.clock.monotonic() + waitMs;
  for (let round = 1; ; round++) {
    await time.runLoops();
    const busy = await untilQuiet(engine, time, endAt);
    const now = time.clock.now();
    const nextDueAt = await findNextDue(engine);
    const isStillDue = nextDueAt !== null && nextDueAt <= now && busy.length === 0;
    if (!isStillDue || round === MOST_ROUNDS) return { now, nextDueAt, busy };
  }
}

/** Loops process what is due in slices, so one round may not be enough. */
const MOST_ROUNDS = 1_000;

/** Returns jobs that are still running at `endAt`. */
async function untilQuiet(engine: Engine, time: ManualTime, endAt: number): Promise<readonly Job[]> {
  for (;;) {
    // A report frees its slot before its commit, which may fill the slot again: wait for the commit.
    if (leasedJobs(engine).length === 0) await engine.lane.run(() => Promise.resolve());
    const busy = leasedJobs(engine);
    if (busy.length === 0 || time.clock.monotonic() > endAt) return busy;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function findNextDue(engine: Engine): Promise<number | null> {
  const dueAt = await engine.lane.run(({ tx }) => tx.nextDueAt());
  const { nextRunAt } = await engine.store.schedules.nextTick();
  return dueAt === null || nextRunAt === null ? (dueAt ?? nextRunAt) : Math.min(dueAt, nextRunAt);
}

function leasedJobs(engine: Engine): readonly Job[] {
  return [...engine.dispatcher.sessions].flatMap((session) => [...session.leases].map((lease) => lease.job));
}

function inThePast(to: number, now: number) {
  const [asked, is] = [to, now].map((at) => new Date(at).toISOString());
  return invalidArgument([
    { field: "to", description: `${asked} is in the past: it is now ${is}, and time only moves forward` },
  ]);
}
