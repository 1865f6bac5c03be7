import { invalidArgument } from "../../core/errors.ts";
import type { Job } from "../../core/job.ts";
import type { ManualClock } from "../../core/manual-clock.ts";
import type { Engine } from "../engine.ts";

/** What a clock that is moved by hand needs besides the engine. */
export interface ManualTime {
  readonly clock: ManualClock;
  /** Does at once whatever the loops would do at their next turn. */
  readonly runLoops: () => Promise<void>;
}

export interface MovedClock {
  readonly now: number;
  /** Null when nothing is due. */
  readonly nextDueAt: number | null;
  /** Jobs that still ran when the wait was over. */
  readonly busy: readonly Job[];
}

/** Between two looks at workers that are busy. */
const LOOK_MS = 1;

/**
 * Moves the time, does what is due, and waits up to `waitMs` of real time until no worker of this daemon has anything
 * to do. Throws invalid_argument for a time that has passed.
 *
 * @param to null leaves the time as it is
 */
export async function moveClock(
  engine: Engine,
  time: ManualTime,
  to: number | null,
  waitMs: number,
): Promise<MovedClock> {
  if (to !== null && !time.clock.moveTo(to)) throw inThePast(to, time.clock.now());
  const endAt = time.clock.monotonic() + waitMs;
  for (let look = 1; ; look++) {
    await time.runLoops();
    const busy = await untilQuiet(engine, time, endAt);
    const now = time.clock.now();
    const nextDueAt = await findNextDue(engine);
    const isStillDue = nextDueAt !== null && nextDueAt <= now && busy.length === 0;
    if (!isStillDue || look === MOST_ROUNDS) return { now, nextDueAt, busy };
  }
}

/** Loops take what is due in slices. */
const MOST_ROUNDS = 1_000;

/** Jobs that still run when the time is over. */
async function untilQuiet(engine: Engine, time: ManualTime, endAt: number): Promise<readonly Job[]> {
  for (;;) {
    // Slots free up before what was reported is committed, and the commit may fill them again.
    if (leasedJobs(engine).length === 0) await engine.lane.run(() => Promise.resolve());
    const busy = leasedJobs(engine);
    if (busy.length === 0 || time.clock.monotonic() > endAt) return busy;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
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
  return invalidArgument([{ field: "to", description: `${asked} has passed: it is ${is}, and time only goes on` }]);
}
